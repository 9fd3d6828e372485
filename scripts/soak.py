#!/usr/bin/env python3
"""Runs the long tests and prints all their figures in one table.

    scripts/soak.py [--write docs/book/src/reliability.md] [NAME ...]

runs every program in scripts/soak.d, or those whose file names contain a NAME. A program prints each measured figure on one line
of stdout, with fields separated by tabs:

    FIGURE <id>\\t<what>\\t<figure>\\t<target>\\t<ok or UNDER>

Its other output is passed on. A program that fails or prints no figure is UNDER in the table. With --write, docs/soak.json keeps
the figures of each program with date and machine. The table of all kept figures replaces the lines between the document's two
markers. So the programs can run one at a time, on several days. WARMSTART_PROFILE=debug selects the debug build.
Standard library only.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from quickstart import processor  # noqa: E402
from setup_libtorch import put_text  # noqa: E402

PROGRAMS = pathlib.Path(__file__).resolve().parent / "soak.d"
KEPT = PROGRAMS.parents[1] / "docs/soak.json"
BEGIN, END = "<!-- soak: written by `make soak ARGS=\"--write docs/book/src/reliability.md\"` -->", "<!-- /soak -->"
# A test harness may have printed text at the start of the line.
FIGURE = re.compile(r"FIGURE ([^\t\n]+)\t([^\t\n]+)\t([^\t\n]+)\t([^\t\n]+)\t(ok|UNDER)\s*$")
# Figures that were measured once on a GPU machine (docs/gpu-h200.json), not here.
ON_A_GPU = [
    ("A12", "GPU (H200, 2026-11-28): kills of a run that saves after every step, resumed to the bit", "3 of 3", "all", "ok"),
    ("B6", "GPU (H200, 2026-11-28): CUDA out of memory and an error in a kernel, named", "2 of 2", "2", "ok"),
]


def figures(lines):
    """The figures in lines of output, as tuples (id, what, figure, target, verdict)."""
    return [match.groups() for match in map(FIGURE.search, lines) if match]


def judged(name, found, status):
    """The figures of a program, and one more if it failed or printed none."""
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
    """The machine that measures the figures."""
    return f"{processor()}, {os.environ.get('WARMSTART_PROFILE', 'release')} build"


def run(program):
    """Runs a program, passes its output on, and returns its figures."""
    began = time.monotonic()
    print(f"== {program.name}", flush=True)
    lines = []
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, errors="replace") as child:
        for line in child.stdout:
            lines.append(line)
            print(line, end="", flush=True)
    print(f"== {program.name}: {time.monotonic() - began:.0f} s, status {child.returncode}", flush=True)
    return judged(program.name, figures(lines), child.returncode)


def section(kept):
    """The kept figures as a section of a document: the dates and machines, and the table."""
    places = {}
    for name, entry in sorted(kept.items()):
        places.setdefault((entry["date"], entry["machine"]), []).append(name)
    lines = []
    for (date, where), names in sorted(places.items()):
        which = "" if len(places) == 1 else f": {', '.join(names)}"
        lines.append(f"Measured on {date} with {where}{which}.")
    rows = [tuple(row) for entry in kept.values() for row in entry["rows"]] + ON_A_GPU
    return "  \n".join(lines) + "\n\n" + table(rows)


def written(text, kept):
    """A document's text with a new table between its markers."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"error: the file to write needs these two lines once each, in this order:\n{BEGIN}\n{END}")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{section(kept)}\n{END}{after}"


def kept_in(path):
    """The figures that a file keeps; none if there is no file."""
    try:
        return json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise SystemExit(f"error: the kept figures cannot be read: {error}: {path}") from None


def keep(document, name, rows, path=KEPT):
    """Keeps the figures of a program, and writes the document's table of all kept figures."""
    kept = kept_in(path)
    # A renamed or removed program has no figures any more.
    kept = {other: entry for other, entry in kept.items() if (PROGRAMS / other).exists()}
    kept[name] = {"date": str(datetime.date.today()), "machine": machine(), "rows": rows}
    path.parent.mkdir(exist_ok=True)
    # A kill must not cost the figures of other days.
    put_text(str(path), json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False) + "\n")
    put_text(str(document), written(document.read_text(), kept))


def choose(names, programs):
    """The programs whose file names contain one of these names; all without a name. A name that fits no program is refused."""
    strange = [name for name in names if not any(name in path.name for path in programs)]
    if strange:
        raise SystemExit(f"error: no program in {PROGRAMS} has {' or '.join(strange)} in its name")
    return [path for path in programs if not names or any(name in path.name for name in names)]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--write", metavar="FILE", type=pathlib.Path, help="keep the figures and write them into this file")
    parser.add_argument("names", nargs="*", metavar="NAME", help="run the programs whose file names contain this")
    asked = parser.parse_args(arguments)
    programs = [path for path in sorted(PROGRAMS.iterdir()) if path.is_file() and os.access(path, os.X_OK)]
    chosen = choose(asked.names, programs)
    if asked.write:
        # Find a problem of either file before hours of work, not after them.
        try:
            text = asked.write.read_text()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise SystemExit(f"error: the file to write cannot be read: {why}: {asked.write}") from None
        written(text, kept_in(KEPT))
    rows = []
    for program in chosen:
        found = run(program)
        rows += found
        if asked.write:
            keep(asked.write.resolve(), program.name, found)
    under = sum(row[-1] != "ok" for row in rows)
    print(f"\n{datetime.date.today()}, {machine()}\n\n{table(rows)}\n")
    print(f"{len(rows) - under} of {len(rows)} figures reach their targets")
    return 0 if under == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
