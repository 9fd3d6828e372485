#!/usr/bin/env python3
"""Measures the dashboard (release build) in a real pseudo-terminal and prints each figure beside its target.

    make build && scripts/bench.d/dashboard.py [--runs N]

The runs are copies of the recorded runs in tests/data/runs, plus four runs that workers train meanwhile. Standard library only;
Linux.
"""
import argparse
import fcntl
import os
import pathlib
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("WARMSTART_PROGRAM", ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/warmstart"))
RECORDED = ROOT / "tests/data/runs"
FOOT = b"quit"
# The experiment that four workers train while keys are pressed.
TRAINING = """name: small
dataset: { name: emoji98, validation: 0.3, labels: coarse }
model: { backbone: tf_efficientnet_lite0, weights: random, head: { hidden: 16 } }
train: { epochs: 1000, batch_size: 8, optimizer: { name: adam, learning_rate: 1.0e-3 } }
"""


def many_runs(folder, number):
    """Copies the recorded runs until the folder has `number` runs."""
    recorded = sorted(RECORDED.iterdir())
    for n in range(number):
        source, name = recorded[n % len(recorded)], f"20261122-{100000 + n // 60:06d}-{n:04x}"
        target = folder / name
        target.mkdir(parents=True)
        for file in source.iterdir():
            if file.name == "run.json":
                (target / file.name).write_text(file.read_text().replace(source.name, name))
            else:
                shutil.copy(file, target / file.name)


class Dashboard:
    """One dashboard in its own pseudo-terminal."""

    def __init__(self, folder, columns=80, rows=24, env=None, script=None):
        # Uses neither the user's settings nor the remembered choices.
        self.home = tempfile.TemporaryDirectory(prefix="warmstart-home-")
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.began = time.perf_counter()
        plain = [PROGRAM, "--experiments", ROOT / "experiments", "--checkpoints", folder]
        self.process = subprocess.Popen(
            ["sh", "-c", script] if script else plain,
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=ROOT,
            env={"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"],
                 "HOME": self.home.name, **(env or {})},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def read(self, seconds):
        """What the dashboard writes within `seconds`, or nothing."""
        ready, _, _ = select.select([self.master], [], [], seconds)
        try:
            return os.read(self.master, 1 << 16) if ready else b""
        except OSError:
            return b""  # It has ended.

    def until(self, text, seconds=10):
        """Seconds from the dashboard's start until it has written `text`."""
        seen, end = b"", time.perf_counter() + seconds
        while text not in seen:
            left = end - time.perf_counter()
            chunk = self.read(left) if left > 0 else b""
            if not chunk:
                raise SystemExit(f"error: the dashboard has ended, or has not written {text!r} within {seconds} s")
            seen += chunk
        return time.perf_counter() - self.began

    def settle(self):
        """Reads until the dashboard writes nothing for half a second."""
        while self.read(0.5):
            pass

    def settle_for(self, seconds):
        """Reads for `seconds`, whatever arrives."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def press(self, key):
        """Seconds from a key to the end of the first write that follows, and its bytes."""
        began = time.perf_counter()
        os.write(self.master, key)
        chunk = self.read(5)
        took, size = time.perf_counter() - began, len(chunk)
        while chunk := self.read(0.05):
            size += len(chunk)
        return took, size

    def resident(self):
        """Resident memory, in MB."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def cpu(self):
        """Seconds of CPU used so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        """Ends the dashboard. One that ended by itself sends nothing and takes no CPU, so its figures would all be good."""
        if self.process.poll() is not None:
            raise SystemExit(f"error: the dashboard ended by itself, with status {self.process.returncode}")
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        os.close(self.master)


def line(name, value, unit, target, digits=1):
    """Prints one figure; returns true if it is within its target."""
    verdict = "ok" if value <= target else "OVER"
    print(f"  {name:<46} {value:>10.{digits}f} {unit:<3} (target {target:g} {unit}) {verdict}")
    return value <= target


def started_again(folder, times=5):
    """A dashboard that has read the summaries of an earlier one, and the median CPU seconds of `times` starts."""
    took = []
    for left in reversed(range(times)):
        dashboard = Dashboard(folder)
        dashboard.until(FOOT)
        dashboard.settle()
        took.append(dashboard.cpu())
        if left:
            dashboard.close()
    return dashboard, statistics.median(took)


def measure(runs, first_frame_ms, memory_mb):
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        many_runs(folder, runs)
        # Summaries of runs that changed in the last moments are not kept.
        time.sleep(2)
        print(f"{runs} runs, 80×24")
        dashboard = Dashboard(folder)
        dashboard.until(FOOT)
        dashboard.settle()
        good &= line("CPU until all is read, the first time", dashboard.cpu(), "s", 4, 2)
        dashboard.close()
        starts = []
        for _ in range(20):
            dashboard = Dashboard(folder)
            starts.append(dashboard.until(FOOT) * 1e3)
            dashboard.close()
        good &= line("first frame, median of 20", statistics.median(starts), "ms", first_frame_ms)
        dashboard, again = started_again(folder)
        good &= line("CPU until all is read, again, median of 5", again, "s", 0.3, 2)
        keys = [dashboard.press(key) for key in [b"j", b"k"] * 20]
        good &= line("key to paint, median of 40", statistics.median(took for took, _ in keys) * 1e3, "ms", 16)
        good &= line("bytes a refresh, median of 40", statistics.median(size for _, size in keys), "B", 1024, 0)
        good &= line("palette, key to paint", dashboard.press(b":")[0] * 1e3, "ms", 50)
        letters = [dashboard.press(letter.encode())[0] for letter in "resnet"]
        good &= line("palette, a letter to its paint, the slowest of 6", max(letters) * 1e3, "ms", 50)
        dashboard.press(b"\x1b")
        dashboard.settle()
        before = dashboard.cpu()
        silent = not dashboard.read(5)
        good &= line("CPU while nothing happens, over 5 s", (dashboard.cpu() - before) / 5 * 100, "%", 0.5)
        good &= line("bytes while nothing happens, over 5 s", 0 if silent else 1, "B", 0, 0)
        good &= line("resident memory", dashboard.resident(), "MB", memory_mb)
        dashboard.close()
    return good


def warmstart(folder, *words, check=True):
    """The output of a command on a folder of runs; `check` ends the script if the command fails."""
    command = [PROGRAM, "--checkpoints", folder, *words]
    return subprocess.run(command, cwd=ROOT, check=check, stdout=subprocess.PIPE, text=True).stdout


def while_workers_train():
    """Keys in the list and in an open run, while four workers use all cores."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder, experiment = pathlib.Path(scratch) / "checkpoints", pathlib.Path(scratch) / "small.yaml"
        experiment.write_text(TRAINING)
        runs = []
        try:
            for _ in range(4):
                runs += warmstart(folder, "train", experiment, "--slots", "4", "--device", "cpu", "--detach").split()
            logs = [folder / run / "events.jsonl" for run in runs]
            begun = lambda log: log.exists() and log.read_text().count('"event":"batch"') > 2
            for _ in range(600):
                if all(map(begun, logs)):
                    break
                time.sleep(0.1)
            else:
                raise SystemExit(f"error: four workers do not train within a minute: {runs}")
            print("4 workers that train, 80×24")
            dashboard = Dashboard(folder)
            dashboard.until(FOOT)
            dashboard.settle_for(2)
            good = True
            for place, keys, opens in [("the list", [b"j", b"k"], b"v"), ("a run's cursor", [b"\x1b[D", b"\x1b[C"], b"\r")]:
                dashboard.press(opens)
                took = sorted(dashboard.press(key)[0] * 1e3 for key in keys * 50)
                good &= line(f"key to paint, median of 100, {place}", took[50], "ms", 16)
                print(f"  {'p95':<46} {took[94]:>10.1f} ms")
            dashboard.close()
            return good
        finally:
            for run in runs:
                # A run that has ended refuses. The others must still be stopped.
                warmstart(folder, "stop", run, "--now", check=False)
            for _ in range(100):
                if "training" not in warmstart(folder, "runs"):
                    break
                time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, help="measure with this many runs only")
    arguments = parser.parse_args()
    if not PROGRAM.exists():
        raise SystemExit(f"error: {PROGRAM} is missing. Build it with: make build")
    cases = [(5, 20, 30), (1000, 300, 60), (10000, 300, 150)]
    if arguments.runs:
        return measure(arguments.runs, 300, 150)
    return all([*(measure(*case) for case in cases), while_workers_train()])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
