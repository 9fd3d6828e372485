#!/usr/bin/env python3
"""The cost of checkpoints at the default interval, and the time from a resume to the first step.

    scripts/soak.d/40-overhead.py [EXPERIMENT]

Trains an experiment of the quickstart, then one epoch of it, extended by another epoch. Needs an idle machine. Standard library
only.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / os.environ.get("WARMSTART_PROFILE", "release")
MOST_COST, MOST_WAIT = 0.035, 5.0


def events(run):
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def launch(checkpoints, experiment, *settings):
    """Trains to the end; returns the run folder."""
    command = [BUILD / "warmstart", "train", ROOT / experiment, "--quiet", "--device", "cpu", "--checkpoints", checkpoints]
    subprocess.run(command + [part for setting in settings for part in ("--set", setting)], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    return max(path for path in checkpoints.iterdir() if (path / "run.json").exists())


def saving(log):
    """Seconds in which training waited for a save, and seconds from the first step to the end."""
    spent, since, begin = 0.0, None, None
    for record in log:
        if since is not None and record["event"] in ("phase", "batch", "finished", "frozen"):
            spent, since = spent + record["t"] - since, None
        if record["event"] == "phase" and record["phase"] == "saving":
            since = record["t"]
        if record["event"] == "phase" and record["phase"] == "training" and begin is None:
            begin = record["t"]
    return spent, log[-1]["t"] - begin


def figure(name, what, found, target, good):
    print(f"FIGURE {name}\t{what}\t{found}\t{target}\t{'ok' if good else 'UNDER'}", flush=True)


def main(experiment):
    with tempfile.TemporaryDirectory(dir=BUILD.parent) as folder:
        folder = pathlib.Path(folder)
        log = events(launch(folder / "whole", experiment))
        spent, wall = saving(log)
        saves = [record for record in log if record["event"] == "checkpoint"]
        size = max(save["bytes"] for save in saves) / 1e6
        figure("A11", f"{len(saves)} checkpoints of {size:.0f} MB in {wall:.0f} s of training", f"{spent / wall:.1%}",
               f"{MOST_COST:.1%}", spent / wall <= MOST_COST)

        # A run that finished one epoch and is extended by another: from the command to the first logged step, loading included.
        run = launch(folder / "longer", experiment, "train.epochs=1", "dataset.limit=600")
        before = len(events(run))
        began = time.time()
        subprocess.run([BUILD / "warmstart", "resume", run.name, "--set", "train.epochs=2", "--quiet", "--checkpoints",
                        run.parent], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        log = events(run)[before:]
        saved = next(record["resumed_from"] for record in log if record["event"] == "attempt")
        first = next(record for record in log if record["event"] == "batch" and record["step"] > saved)
        wait = first["t"] - began
        figure("A11", f"from `resume` to step {first['step'] - saved} after it, programs and data loaded", f"{wait:.2f} s",
               f"{MOST_WAIT:.0f} s", wait <= MOST_WAIT)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["experiments/quickstart/2-lite0-resized.yaml"]))
