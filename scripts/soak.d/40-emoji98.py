#!/usr/bin/env python3
"""emoji98 with Lite0 frozen at 64 pixels: three seeds of warmstart and of plain PyTorch; test accuracies agree within two points.

crates/engine/tests/reference/emoji98.py is PyTorch's side. WARMSTART_BIN names another program than target/release/warmstart.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS, POINTS = (42, 43, 44), 2.0
WARMSTART = os.environ.get("WARMSTART_BIN", str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/warmstart"))


def ours(seed, checkpoints):
    command = [WARMSTART, "--checkpoints", checkpoints, "train", "experiments/quickstart/4-lite0-freeze.yaml"]
    settings = ["--set", "input.resize=64", "--set", f"seed={seed}", "--device", "cpu", "--json", "--quiet"]
    return json.loads(subprocess.run([*command, *settings], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)[0]["test_acc"]


def theirs():
    python = subprocess.run([ROOT / "scripts/reference_python.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    script = ROOT / "crates/engine/tests/reference/emoji98.py"
    weights = ROOT / ".weights/tf_efficientnet_lite0.in1k.safetensors"
    said = subprocess.run([python, script, weights, *map(str, SEEDS)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(line.split()[-1]) for line in said.splitlines()]


if __name__ == "__main__":
    # The monitor processes may still be exiting.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as checkpoints:
        found = [ours(seed, checkpoints) for seed in SEEDS]
    reference = theirs()
    for seed, our, their in zip(SEEDS, found, reference, strict=True):
        print(f"seed {seed}: warmstart {our:.4f}, PyTorch {their:.4f}")
    apart = (sum(found) - sum(reference)) / len(SEEDS) * 100
    verdict = "ok" if abs(apart) <= POINTS else "UNDER"
    what = f"test accuracy on emoji98, mean of {len(SEEDS)} seeds"
    figure = f"{sum(found) / len(SEEDS):.4f}, PyTorch {sum(reference) / len(SEEDS):.4f}: {apart:+.2f} points"
    print(f"FIGURE E2\t{what}\t{figure}\twithin {POINTS} points\t{verdict}")
    sys.exit(verdict != "ok")
