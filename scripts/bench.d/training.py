#!/usr/bin/env python3
"""Training steps on the CPU, in images a second: warmstart, PyTorch with timm, and Keras, in turns, on this machine. Run nothing else.

    scripts/bench.d/training.py [--repeats 3] [--cases b0,lite0_64] [--bfloat16] [--keras]

PyTorch runs in its default layout and channels-last; the ratio is to the better one. Memory is the peak of the whole process, ours
and that of the faster layout. Keras has the study's four cases; it comes from PyPI into target/keras (2 GB). WARMSTART_STEPS names
another program than cargo's example `steps`; scripts/reference_python.sh prints the Python that has timm.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "benches/peers"
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
# Keras has these.
STUDY = ("resnet50_32", "resnet50", "b0", "b0_frozen")


def measured(command, **environment):
    """What a program prints, and the most memory that it used, in MB."""
    # It would decide how threads wait, on both sides.
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(command, env={**inherited, **environment}, stdout=subprocess.PIPE, stderr=complaints, text=True)
        with process.stdout:
            said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        if status:
            complaints.seek(0)
            raise SystemExit(f"error: {' '.join(command)} failed: {complaints.read().strip()[-500:]}")
    # Linux counts in KiB.
    return said, used.ru_maxrss * 1024 / 1e6


def ours(program, case):
    """Measures our side like a worker on an idle machine: its threads spin for a while (crates/runs/src/launcher/programs.rs)."""
    said, memory = measured([program, *case], GOMP_SPINCOUNT="10000")
    return float(said.strip().splitlines()[-1].split()[-2]), memory


def theirs(python, peer, *words):
    said, memory = measured([python, PEERS / peer, *words])
    return json.loads(said.strip().splitlines()[-1])["images_per_second"], memory


def with_keras():
    python = ROOT / "target/keras/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", ROOT / "target/keras"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "tensorflow-cpu==2.21.*"], check=True)
    return python


def case_names(text):
    """The cases that `--cases` names; an error for any other word, before anything is built."""
    names = text.split(",")
    for name in names:
        if name not in CASES:
            raise argparse.ArgumentTypeError(f"there is no case {name!r}; choose from {', '.join(CASES)}")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", type=case_names, default=list(CASES))
    parser.add_argument("--bfloat16", action="store_true", help="measure the peer with bfloat16 autocast too")
    parser.add_argument("--keras", action="store_true", help="measure Keras too")
    options = parser.parse_args()
    program = os.environ.get("WARMSTART_STEPS")
    if not program:
        build = ["cargo", "build", "--release", "-p", "warmstart-engine", "--example", "steps"]
        subprocess.run(build, cwd=ROOT, check=True)
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/steps"
    python = measured([ROOT / "scripts/reference_python.sh"])[0].strip()
    keras = with_keras() if options.keras else None
    modes = ["default", "channels_last"] + ["bfloat16"] * options.bfloat16
    bound = json.loads(measured([python, PEERS / "pytorch.py", "limits"])[0])
    print(f"limits: {bound['gflops']:.0f} GFLOP/s in products, {bound['copy_gb_per_second']:.0f} GB/s in copies")
    names = ["warmstart", *modes] + ["keras"] * options.keras
    print("| case | " + " | ".join(names) + " | warmstart / best float32 PyTorch | MB | PyTorch's MB |")
    print("|---|" + "---:|" * (len(names) + 3))
    for name in options.cases:
        backbone, pixels, batch, frozen = CASES[name]
        found = {mode: [] for mode in names}
        for _ in range(options.repeats):
            found["warmstart"].append(ours(program, CASES[name]))
            for mode in modes:
                found[mode].append(theirs(python, "pytorch.py", mode, backbone, pixels, batch, int(frozen > 0)))
            if keras and name in STUDY:
                found["keras"].append(theirs(keras, "keras.py", backbone, pixels, batch, int(frozen > 0)))
        rates = {mode: [rate for rate, _ in rows] for mode, rows in found.items()}
        memory = {mode: statistics.median(peak for _, peak in rows) for mode, rows in found.items() if rows}
        middle = {mode: statistics.median(values) for mode, values in rates.items() if values}
        best = max(["default", "channels_last"], key=middle.get)
        ratios = [own / max(peers) for own, *peers in zip(rates["warmstart"], rates["default"], rates["channels_last"])]
        cells = [f"{middle[mode]:.1f}" if mode in middle else "" for mode in names]
        ratio = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print("| " + " | ".join([name, *cells, ratio, f"{memory['warmstart']:.0f}", f"{memory[best]:.0f}"]) + " |", flush=True)


if __name__ == "__main__":
    main()
