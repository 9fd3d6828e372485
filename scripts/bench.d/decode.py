#!/usr/bin/env python3
"""Reading pictures on one core, in images a second: warmstart and Pillow with libjpeg-turbo, in turns. 400 JPEGs of 500 pixels, resized to
224. Fails below 0.9 of Pillow's rate.

WARMSTART_DECODE names another program than cargo's example `decode`; scripts/reference_python.sh prints the Python that has Pillow.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEER = ROOT / "benches/peers/pillow.py"
PICTURES, SIDE, REPEATS, LEAST = 400, 224, 3, 0.9


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    program = os.environ.get("WARMSTART_DECODE")
    if not program:
        subprocess.run(["cargo", "build", "--release", "-p", "warmstart-engine", "--example", "decode"], cwd=ROOT, check=True)
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/decode"
    python = output(ROOT / "scripts/reference_python.sh").strip()
    with tempfile.TemporaryDirectory() as scratch:
        pictures = pathlib.Path(scratch) / "pictures"
        output(python, PEER, "make", pictures, PICTURES)
        pairs = [(float(output(program, pictures, SIDE)), float(output(python, PEER, pictures, SIDE))) for _ in range(REPEATS)]
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(rates) for rates in zip(*pairs))
    print(f"warmstart {ours:.0f} images/s, Pillow {theirs:.0f}, ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    sys.exit(statistics.median(ratios) < LEAST)


if __name__ == "__main__":
    main()
