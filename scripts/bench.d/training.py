#!/usr/bin/env python3
"""Training steps on the CPU, in images a second: warmstart and PyTorch with timm, in turns, on this machine. Run nothing else.

    scripts/bench.d/training.py [--repeats 3] [--cases b0,lite0_64] [--bfloat16]

The PyTorch side runs in its default layout and channels-last; the ratio is to the better one. WARMSTART_STEPS names another
program than cargo's example `steps`; scripts/reference_python.sh prints the Python that has timm.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEER = ROOT / "benches/peers/pytorch.py"
ALL = 1000  # more blocks than any backbone has: all are frozen
CASES = {
    "resnet50_32": ("resnet50", 32, 128, 0),
    "resnet50": ("resnet50", 224, 16, 0),
    "b0": ("efficientnet_b0", 224, 16, 0),
    "b0_frozen": ("efficientnet_b0", 224, 32, ALL),
    "lite0_32": ("tf_efficientnet_lite0", 32, 32, 0),
    "lite0_64": ("tf_efficientnet_lite0", 64, 32, 0),
    "lite0_96": ("tf_efficientnet_lite0", 96, 32, 0),
    "resnet18": ("resnet18", 64, 32, 0),
}


def output(command, **environment):
    waiting = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    return subprocess.run([str(part) for part in command], env={**waiting, **environment}, check=True, capture_output=True, text=True).stdout


def ours(program, backbone, pixels, batch, frozen):
    """Measures our side like a worker on an idle machine: its threads spin for a while (crates/runs/src/launcher/programs.rs)."""
    line = output([program, backbone, pixels, batch, frozen], GOMP_SPINCOUNT="10000").strip().splitlines()[-1]
    return float(line.split()[-2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--bfloat16", action="store_true", help="measure the peer with bfloat16 autocast too")
    options = parser.parse_args()
    program = os.environ.get("WARMSTART_STEPS")
    if not program:
        build = ["cargo", "build", "--release", "-p", "warmstart-engine", "--example", "steps"]
        subprocess.run(build, cwd=ROOT, check=True)
        program = ROOT / "target/release/examples/steps"
    python = output([ROOT / "scripts/reference_python.sh"]).strip()
    modes = ["default", "channels_last"] + ["bfloat16"] * options.bfloat16
    bound = json.loads(output([python, PEER, "limits"]))
    print(f"limits: {bound['gflops']:.0f} GFLOP/s in products, {bound['copy_gb_per_second']:.0f} GB/s in copies")
    print(f"{'case':<12} {'warmstart':>10} " + " ".join(f"{mode:>14}" for mode in modes) + "  warmstart / best float32 peer")
    for name in options.cases.split(","):
        backbone, pixels, batch, frozen = CASES[name]
        rates = {mode: [] for mode in ["warmstart", *modes]}
        for _ in range(options.repeats):
            rates["warmstart"].append(ours(program, backbone, pixels, batch, frozen))
            for mode in modes:
                row = json.loads(output([python, PEER, mode, backbone, pixels, batch, int(frozen > 0)]))
                rates[mode].append(row["images_per_second"])
        ratios = [own / max(peers) for own, *peers in zip(rates["warmstart"], rates["default"], rates["channels_last"])]
        middle = {mode: statistics.median(values) for mode, values in rates.items()}
        print(f"{name:<12} {middle['warmstart']:>10.1f} " + " ".join(f"{middle[mode]:>14.1f}" for mode in modes)
              + "  " + ", ".join(f"{ratio:.2f}" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
