#!/usr/bin/env python3
"""The quickstart's figures: measured once, and written to every file that quotes them.

    scripts/quickstart.py measure --program target/release/warmstart    train the five experiments here, store and write the figures
    scripts/quickstart.py write                                         write the stored figures
    scripts/quickstart.py check                                         report files that quote other figures (exit code 1)

docs/quickstart.json keeps the figures. README.md and docs/book/src/quickstart.md quote them between two markers, and each
experiment in experiments/quickstart quotes them in its line `# Measured:`. Standard library only.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from torch_releases import DEFAULT  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs/quickstart.json"
EXPERIMENTS = ROOT / "experiments/quickstart"
DOCUMENTS = ("README.md", "docs/book/src/quickstart.md")
BEGIN, END = "<!-- quickstart: written by scripts/quickstart.py -->", "<!-- /quickstart -->"
# A column's key, its heading, the format of its figures, and which figure is the best.
COLUMNS = (
    ("train_time", "train time (s) ↓", "{:.2f}", min),
    ("train_acc", "train acc ↑", "{:.4f}", max),
    ("val_acc", "val acc ↑", "{:.4f}", max),
    ("train_loss", "train loss ↓", "{:.4f}", min),
    ("val_loss", "val loss ↓", "{:.4f}", min),
    ("test_acc", "test acc ↑", "{:.4f}", max),
    ("trainable", "trainable", "{:,}", None),
)
ORDER = ("1-lite0-original", "2-lite0-resized", "3-resnet18-scratch", "4-lite0-freeze", "5-lite0-finetune")


def table(rows):
    """The figures as a Markdown table, the best of each column in bold."""
    lines = ["| experiment | " + " | ".join(heading for _, heading, _, _ in COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for stem in ORDER:
        cells = [rows[stem]["name"]]
        for key, _, form, best in COLUMNS:
            value = rows[stem][key]
            text = form.format(value)
            cells.append(f"**{text}**" if best and value == best(row[key] for row in rows.values()) else text)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def minutes(seconds):
    seconds = round(seconds)
    return f"{seconds // 60} min {seconds % 60:02} s"


def points(rows, stem, over):
    """The gain of one experiment over another on the test set, in percentage points."""
    return f"{100 * (rows[stem]['test_acc'] - rows[over]['test_acc']):.1f} points"


def section(kept):
    """The text between the markers of a document."""
    rows = kept["rows"]
    return f"""{table(rows)}

Bold marks the best of a column. Measured on {kept["date"]} with {kept["machine"]}: {minutes(kept["seconds"])} for all five, with
loading, validation and tests. No worker used more than {kept["memory"] / 1e9:.2f} GB of memory.

On the test images, matching the input size to the backbone gains {points(rows, ORDER[1], ORDER[0])}. Fine-tuning gains
{points(rows, ORDER[4], ORDER[3])} over the frozen backbone, which trained in {rows[ORDER[3]]["train_time"]:.0f} s."""


def in_document(text, name, kept):
    """A document's text with the figures between its markers."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"error: {name} needs these two lines once each, in this order:\n{BEGIN}\n{END}")
    return f"{text.split(BEGIN)[0]}{BEGIN}\n{section(kept)}\n{END}{text.split(END)[1]}"


def in_experiment(text, stem, kept):
    """An experiment file's text with a new measured line. The comment lines that continue the old one are replaced too."""
    row = kept["rows"][stem]
    line = f"""# Measured:  test accuracy {row["test_acc"]:.4f} after {row["train_time"]:.0f} s of training
#            ({kept["machine"]}, {kept["date"]}).
"""
    written, count = re.subn(r"# Measured:.*\n(?:#   +.*\n)*", lambda _: line, text, count=1)
    if count != 1:
        raise SystemExit(f"error: {stem}.yaml has no line that begins with `# Measured:`")
    return written


def quoting(kept):
    """Every file that quotes the figures, and its correct text."""
    for name in DOCUMENTS:
        yield ROOT / name, in_document((ROOT / name).read_text(), name, kept)
    for stem in ORDER:
        path = EXPERIMENTS / f"{stem}.yaml"
        yield path, in_experiment(path.read_text(), stem, kept)


def processor():
    """The cores that this process may use, and their model."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), model)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {model}"


def machine():
    return f"{processor()}, libtorch {os.environ.get('WARMSTART_TORCH') or DEFAULT}"


def worker_memory(listed, folder):
    """The bytes of the largest worker in a list of `ps` that trains below a folder: others may train on this machine too."""
    sizes = [0]
    for line in listed.splitlines():
        size, _, command = line.strip().partition(" ")
        if command.strip().split(" ")[0].endswith("warmstart-worker") and folder in command:
            sizes.append(1024 * int(size))
    return max(sizes)


class Peak(threading.Thread):
    """The most memory that one worker below a folder used, measured every second."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.bytes, self.over = folder, 0, threading.Event()

    def run(self):
        while not self.over.wait(1):
            listed = subprocess.run(["ps", "-ww", "-eo", "rss=,args="], text=True, errors="replace", capture_output=True).stdout
            self.bytes = max(self.bytes, worker_memory(listed, self.folder))


def measure(program):
    files = [str(EXPERIMENTS / f"{stem}.yaml") for stem in ORDER]
    folder = os.path.realpath(tempfile.mkdtemp())
    try:
        call = [str(program), "--checkpoints", folder]
        peak, began = Peak(folder), time.monotonic()
        peak.start()
        # Features that an earlier run kept would make this one look fast.
        subprocess.run([*call, "train", *files], check=True, env={**os.environ, "WARMSTART_FEATURE_CACHE": "off"})
        seconds = time.monotonic() - began
        peak.over.set()
        answer = lambda *words: json.loads(subprocess.run([*call, *words], check=True, text=True, stdout=subprocess.PIPE).stdout)  # noqa: E731
        stems = {run["run"]: run["stem"] for run in answer("runs", "--json")}
        rows = {}
        for row in answer("compare", "--format", "json"):
            figures = {key: row["trainable_params" if key == "trainable" else key] for key, *_ in COLUMNS}
            rows[stems[row["run"]]] = {"name": row["experiment"], **figures}
    finally:
        # The process that works through the queue may still be leaving the folder.
        shutil.rmtree(folder, ignore_errors=True)
    return {"date": str(datetime.date.today()), "machine": machine(), "seconds": round(seconds), "memory": peak.bytes,
            "rows": {stem: rows[stem] for stem in ORDER}}


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("action", choices=("measure", "write", "check"))
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/warmstart")
    asked = parser.parse_args(arguments)
    if asked.action == "measure":
        KEPT.write_text(json.dumps(measure(asked.program.resolve()), indent=1, ensure_ascii=False) + "\n")
    different = [(path, text) for path, text in quoting(json.loads(KEPT.read_text())) if path.read_text() != text]
    for path, text in different:
        name = path.relative_to(ROOT)
        if asked.action == "check":
            print(f"{name} quotes other figures than {KEPT.relative_to(ROOT)}; `scripts/quickstart.py write` writes it")
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return 1 if different and asked.action == "check" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
