#!/usr/bin/env python3
"""The dashboard (release build) in terminals that are slow, small, lost or none: bytes, memory, and how it ends.

    scripts/soak.d/50-terminal.py

WARMSTART_SOAK_MINUTES (default 10) says how long it stays open over four growing logs. Standard library only; Linux.
"""
import fcntl
import importlib.util
import json
import os
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("bench", ROOT / "scripts/bench.d/dashboard.py")
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
LIVE = ROOT / "tests/data/runs/20261122-101500-0c21"


def figure(name, what, value, target, good):
    print(f"FIGURE {name}\t{what}\t{value}\t{target}\t{'ok' if good else 'UNDER'}", flush=True)


class Growing:
    """Runs that a stand-in for a worker holds, whose logs grow."""

    def __init__(self, folder, number, pause=0.25):
        self.folders, self.locks, self.over = [], [], threading.Event()
        for n in range(number):
            target = folder / f"20261122-1015{n:02d}-0c21"
            shutil.copytree(LIVE, target)
            info = json.loads((target / "run.json").read_text())
            (target / "run.json").write_text(json.dumps({**info, "id": target.name}))
            lock = open(target / "run.lock", "w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.folders.append(target)
            self.locks.append(lock)
        self.thread = threading.Thread(target=self.grow, args=(pause,), daemon=True)
        self.thread.start()

    def grow(self, pause):
        step = 300
        while not self.over.wait(pause):
            step += 1
            batch = {"t": time.time(), "event": "batch", "epoch": 8, "step": step, "batch": step % 34, "batches": 34,
                     "loss": 1.1 + step % 7 / 50, "accuracy": 0.42, "learning_rate": 4e-4, "images_per_second": 98.0,
                     "gradient_norm": 1.0 + step % 5 / 10}
            for folder in self.folders:
                with open(folder / "events.jsonl", "a") as log:
                    log.write(json.dumps(batch) + "\n")

    def close(self):
        self.over.set()
        self.thread.join()
        for lock in self.locks:
            lock.close()


def refreshes(dashboard, seconds):
    """Bytes of each refresh within `seconds`: what comes without a pause of 30 ms is one."""
    sizes, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        size = len(dashboard.read(0.5))
        while size and (more := dashboard.read(0.03)):
            size += len(more)
        if size:
            sizes.append(size)
    return sizes


def bytes_over_a_link(folder):
    """C6: a list and an open run while logs grow."""
    for columns, rows, median, most in [(80, 24, 1024, 2048), (200, 60, 3072, 6144)]:
        dashboard = bench.Dashboard(folder, columns, rows)
        first = b""
        while bench.FOOT not in first:
            first += dashboard.read(5)
        first += dashboard.read(0.1)
        if columns == 80:
            figure("C6", "full paint, 80×24", f"{len(first)} B", "≤ 8,192 B", len(first) <= 8192)
        for place, keys in [("list", b""), ("run", b"gj\r")]:
            if keys:
                os.write(dashboard.master, keys)
                dashboard.read(2)
            dashboard.settle_for(1)
            sizes = refreshes(dashboard, 10) or [0]
            middle, high = statistics.median(sizes), sorted(sizes)[int(len(sizes) * 0.95)]
            figure("C6", f"a refresh of the {place}, {columns}×{rows}, median and p95", f"{middle:.0f} and {high} B",
                   f"≤ {median:,} and {most:,} B", middle <= median and high <= most)
            figure("C6", f"refreshes a second of the {place}, {columns}×{rows}", f"{len(sizes) / 10:.1f}", "≤ 4.5",
                   len(sizes) / 10 <= 4.5)
        dashboard.close()


def slow_reader(folder):
    """C7: a reader of 1 KB a second; then a key."""
    dashboard = bench.Dashboard(folder, 200, 60)
    dashboard.until(bench.FOOT)
    before = dashboard.resident()
    taken, began = 0, time.perf_counter()
    while time.perf_counter() - began < 20:
        os.write(dashboard.master, b"\x0c")
        taken += len(os.read(dashboard.master, 256))
        time.sleep(0.25)
    grown = dashboard.resident() - before
    dashboard.settle()
    began = time.perf_counter()
    os.write(dashboard.master, b"?")
    dashboard.read(5)
    answer = time.perf_counter() - began
    figure("C7", "20 s at 1 KB/s, memory", f"{grown:+.1f} MB", "≤ 4 MB", grown <= 4)
    figure("C7", "then a key to its effect", f"{answer * 1e3:.0f} ms", "≤ 1,000 ms", answer <= 1)
    dashboard.close()


def window_changes(folder):
    """C2: a thousand changes of the window within five seconds, then the screen must be what a fresh one draws."""
    dashboard = bench.Dashboard(folder)
    dashboard.until(bench.FOOT)
    drain = threading.Event()
    reader = threading.Thread(target=lambda: [dashboard.read(0.05) for _ in iter(drain.is_set, True)])
    reader.start()
    for n in range(1000):
        size = struct.pack("HHHH", n * 7 % 60 + 1, n * 13 % 200 + 1, 0, 0)
        fcntl.ioctl(dashboard.master, termios.TIOCSWINSZ, size)
        time.sleep(0.004)
    fcntl.ioctl(dashboard.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    time.sleep(1)
    drain.set()
    reader.join()
    os.write(dashboard.master, b"\x0c")
    painted, chunk = b"", b"-"
    while chunk:
        chunk = dashboard.read(0.5)
        painted += chunk
    alive = dashboard.process.poll() is None and bench.FOOT in painted
    figure("C2", "1,000 window changes in 5 s", "draws on" if alive else "broken", "draws on", alive)
    dashboard.close()


def lost_terminals(folder):
    """C4: the terminal goes away, in four set-ups; the dashboard must be gone within a second."""
    command = f"'{bench.PROGRAM}' --experiments '{ROOT / 'experiments'}' --checkpoints '{folder}'"
    # It handles HUP itself, so every way is also one of an application with a handler.
    ways = {"leader of its session": f"exec {command}", "with HUP ignored, as nohup leaves it": f"trap '' HUP; exec {command}",
            "below a shell": f"{command}; exit", "below a shell that traps HUP": f"trap : HUP; {command}; exit"}
    for way, script in ways.items():
        dashboard = bench.Dashboard(folder, script=script)
        dashboard.until(bench.FOOT)
        inner = dashboard.process.pid
        children = pathlib.Path(f"/proc/{inner}/task/{inner}/children").read_text().split()
        inner = int(children[0]) if children else inner
        began = time.perf_counter()
        os.close(dashboard.master)
        while alive(inner) and time.perf_counter() - began < 5:
            dashboard.process.poll()
            time.sleep(0.01)
        took = time.perf_counter() - began
        dashboard.process.kill()
        dashboard.process.wait()
        figure("C4", f"a lost terminal, {way}", f"gone after {took:.2f} s", "≤ 1 s", took <= 1)


def alive(pid):
    """Whether a process is there and has not ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def odd_terminals(folder):
    """C8: terminals by other names, without colour, without Unicode."""
    for what, env in [("TERM=vt100", {"TERM": "vt100"}), ("TERM=linux", {"TERM": "linux"}), ("TERM=screen", {"TERM": "screen"}),
                      ("TERM=dumb", {"TERM": "dumb"}), ("NO_COLOR", {"NO_COLOR": "1"}), ("LANG=C", {"LANG": "C"})]:
        dashboard = bench.Dashboard(folder, env=env)
        seen, end = b"", time.perf_counter() + 3
        while bench.FOOT not in seen and time.perf_counter() < end:
            seen += dashboard.read(0.5)
        good = bench.FOOT in seen
        if what == "LANG=C":
            good &= all(byte < 128 for byte in seen)
        if what == "NO_COLOR":
            good &= not re.search(rb"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[\d;]*)?m", seen)
        figure("C8", what, "usable" if good else "not usable", "usable", good)
        dashboard.close()
    piped = subprocess.run([bench.PROGRAM, "--experiments", ROOT / "experiments", "--checkpoints", folder],
                           stdin=subprocess.DEVNULL, capture_output=True)
    good = piped.returncode == 0 and b"\x1b" not in piped.stdout and piped.stdout
    figure("C8", "no terminal", "plain text" if good else "not usable", "plain text", good)


def long_watch(folder, minutes):
    """C10: open for a long time over four logs that grow."""
    dashboard = bench.Dashboard(folder)
    dashboard.until(bench.FOOT)
    dashboard.settle_for(30)
    descriptors = lambda: len(os.listdir(f"/proc/{dashboard.process.pid}/fd"))
    memory, files, cpu, began = [], [descriptors()], dashboard.cpu(), time.time()
    while time.time() - began < minutes * 60:
        dashboard.settle_for(5)
        memory.append((time.time(), dashboard.resident()))
        files.append(descriptors())
    slope = statistics.linear_regression([t for t, _ in memory], [mb for _, mb in memory]).slope * 3600
    share = (dashboard.cpu() - cpu) / (time.time() - began) * 100
    figure("C10", f"memory over {minutes:g} min with 4 runs", f"{slope:+.2f} MB/h", "< 1 MB/h", slope < 1)
    figure("C10", f"descriptors over {minutes:g} min", f"{min(files)} to {max(files)}", "constant", min(files) == max(files))
    figure("C10", f"CPU over {minutes:g} min", f"{share:.2f} % of a core", "≤ 2 %", share <= 2)
    dashboard.close()


def main():
    if not bench.PROGRAM.exists():
        raise SystemExit(f"error: {bench.PROGRAM} is missing. Build it with: make build")
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        lost_terminals(folder)
        odd_terminals(folder)
        runs = Growing(folder, 4)
        try:
            bytes_over_a_link(folder)
            slow_reader(folder)
            window_changes(folder)
            long_watch(folder, float(os.environ.get("WARMSTART_SOAK_MINUTES", "10")))
        finally:
            runs.close()


if __name__ == "__main__":
    main()
