#!/usr/bin/env python3
"""The dashboard (release build) open for a working day on four runs that train: memory, descriptors, CPU.

    scripts/soak.d/52-long-watch.py

The day is shortened: four logs report in WARMSTART_SOAK_MINUTES (default 10) what workers report in WARMSTART_SOAK_HOURS (default
8). The growth of memory is for one hour of worker reports. CPU is measured for a minute at the pace of real workers. With
WARMSTART_SOAK_REAL=1 nothing is shortened. WARMSTART_PROGRAM names another dashboard. Standard library only; Linux.
"""
import importlib.util
import os
import pathlib
import statistics
import tempfile
import time

spec = importlib.util.spec_from_file_location("terminal", pathlib.Path(__file__).with_name("50-terminal.py"))
terminal = importlib.util.module_from_spec(spec)
spec.loader.exec_module(terminal)
bench, figure = terminal.bench, terminal.figure


def watch(folder, minutes, hours, faster):
    """Opens and closes a run from time to time, as a user does, and reads memory and descriptors."""
    runs = terminal.Growing(folder, 4, faster=faster)
    try:
        dashboard = bench.Dashboard(folder)
        dashboard.until(bench.FOOT)
        descriptors = lambda: len(os.listdir(f"/proc/{dashboard.process.pid}/fd"))
        began, memory, files, is_open = time.time(), [], [], False
        while (passed := time.time() - began) < minutes * 60:
            os.write(dashboard.master, b"\x1b" if is_open else b"jj\r")
            is_open = not is_open
            dashboard.settle_for(5)
            # In the first tenth of the time the dashboard's stores reach their full size.
            if passed > minutes * 6 and not is_open:
                memory.append((passed / 60 / minutes * hours, dashboard.resident()))
                files.append(descriptors())
        slope = statistics.linear_regression([hour for hour, _ in memory], [mb for _, mb in memory]).slope
        span = f"{hours:g} h with 4 runs" + ("" if faster == 1 else f", replayed within {minutes:g} min")
        figure("C10", f"memory over {span}: growth, and at its end", f"{slope:+.2f} MB/h, {memory[-1][1]:.0f} MB", "< 1 MB/h", slope < 1)
        figure("C10", f"descriptors over {span}", f"{min(files)} to {max(files)}", "constant", min(files) == max(files))
        dashboard.close()
    finally:
        runs.close()


def cpu(folder, seconds=60):
    runs = terminal.Growing(folder, 4)
    try:
        for place, keys in [("the list", b""), ("an open run", b"jj\r")]:
            dashboard = bench.Dashboard(folder)
            dashboard.until(bench.FOOT)
            os.write(dashboard.master, keys)
            dashboard.settle_for(2)
            before = dashboard.cpu()
            dashboard.settle_for(seconds)
            share = (dashboard.cpu() - before) / seconds * 100
            figure("C10", f"CPU at the pace of 4 real workers, {place}", f"{share:.2f} % of a core", "≤ 2 %", share <= 2)
            dashboard.close()
    finally:
        runs.close()


def main():
    if not bench.PROGRAM.exists():
        raise SystemExit(f"error: {bench.PROGRAM} is missing. Build it with: make build")
    hours = float(os.environ.get("WARMSTART_SOAK_HOURS", "8"))
    is_real = os.environ.get("WARMSTART_SOAK_REAL") == "1"
    minutes = hours * 60 if is_real else float(os.environ.get("WARMSTART_SOAK_MINUTES", "10"))
    with tempfile.TemporaryDirectory() as scratch:
        for number, measure in enumerate([cpu, lambda folder: watch(folder, minutes, hours, max(1, round(hours * 60 / minutes)))]):
            folder = pathlib.Path(scratch) / str(number)
            folder.mkdir()
            measure(folder)


if __name__ == "__main__":
    main()
