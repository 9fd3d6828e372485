#!/usr/bin/env python3
"""Runs the long tests and prints all their figures in one table.

    scripts/soak.py [NAME ...]      every program in scripts/soak.d, or those whose file names contain a NAME

A program says what it measured on stdout, one line a figure, fields parted by tabs:

    FIGURE <id>\t<what>\t<figure>\t<target>\t<ok or UNDER>

Everything else it prints is passed on. A program that fails, or says nothing, stands in the table as UNDER. Standard library only.
"""
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

PROGRAMS = pathlib.Path(__file__).resolve().parent / "soak.d"
# A test harness may have begun the line.
FIGURE = re.compile(r"FIGURE ([^\t\n]+)\t([^\t\n]+)\t([^\t\n]+)\t([^\t\n]+)\t(ok|UNDER)\s*$")


def figures(lines):
    """The figures among lines of output, as tuples (id, what, figure, target, verdict)."""
    return [match.groups() for match in map(FIGURE.search, lines) if match]


def judged(name, found, status):
    """The figures of a program, and one more where it failed or had none to tell."""
    if status != 0 and all(verdict == "ok" for *_, verdict in found):
        return found + [("-", name, f"failed with status {status}", "status 0", "UNDER")]
    return found or [("-", name, "no figure", "at least one", "UNDER")]


def table(rows):
    """The rows as a Markdown table, in order of their ids: A2 before A10."""
    def order(row):
        letter, number = re.fullmatch(r"(\D*)(\d*).*", row[0]).groups()
        return letter, int(number or 0)

    lines = ["| id | what | figure | target | |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(field.replace("|", "\\|") for field in row) + " |" for row in sorted(rows, key=order)]
    return "\n".join(lines)


def machine():
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores of {model}"


def run(program):
    """Runs a program, passing on what it prints; returns its figures, judged."""
    began = time.monotonic()
    print(f"== {program.name}", flush=True)
    lines = []
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, errors="replace") as child:
        for line in child.stdout:
            lines.append(line)
            print(line, end="", flush=True)
    print(f"== {program.name}: {time.monotonic() - began:.0f} s, status {child.returncode}", flush=True)
    return judged(program.name, figures(lines), child.returncode)


def main(names):
    programs = [path for path in sorted(PROGRAMS.iterdir()) if path.is_file() and os.access(path, os.X_OK)]
    chosen = [path for path in programs if not names or any(name in path.name for name in names)]
    if not chosen:
        raise SystemExit(f"error: no program in {PROGRAMS} has {' or '.join(names)} in its name")
    rows = [row for program in chosen for row in run(program)]
    under = sum(row[-1] != "ok" for row in rows)
    print(f"\n{datetime.date.today()}, {machine()}\n\n{table(rows)}\n")
    print(f"{len(rows) - under} of {len(rows)} figures reach their targets")
    return 0 if under == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
