#!/usr/bin/env python3
"""A check that users can run themselves: `warmstart verify-resume` with experiments of the quickstart.

    scripts/soak.d/30-verify.py [EXPERIMENT ...]

Standard library only.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / os.environ.get("WARMSTART_PROFILE", "release")


def main(experiments):
    equal = []
    with tempfile.TemporaryDirectory() as checkpoints:
        for experiment in experiments:
            command = [BUILD / "warmstart", "--checkpoints", checkpoints, "verify-resume", experiment, "--device", "cpu", "--json"]
            said = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)
            answer = json.loads(said.stdout) if said.stdout else {"equal": False}
            print(f"{experiment}: stopped after {answer.get('stopped_after')}, {'equal' if answer['equal'] else 'DIFFERENT'}", flush=True)
            equal.append(answer["equal"])
        left = list(pathlib.Path(checkpoints).iterdir())
    good = all(equal) and not left
    print(f"FIGURE A7\t`verify-resume` of experiments of the quickstart, every bit equal and nothing left\t{sum(equal)} of {len(equal)}"
          f"\tall\t{'ok' if good else 'UNDER'}")
    return good


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["experiments/quickstart/2-lite0-resized.yaml", "experiments/quickstart/3-resnet18-scratch.yaml",
                              "experiments/quickstart/4-lite0-freeze.yaml"]
    sys.exit(0 if main(chosen) else 1)
