#!/usr/bin/env python3
"""Draws every screen of the dashboard: the real program in tmux, on the runs in docs/recorded.

    scripts/screens.py                    # all, into target/screens
    scripts/screens.py --only dark-80x24 run help

Each picture is the output of `tmux capture-pane`, as text, as SVG and, if rsvg-convert is installed, as PNG. One run appears to
train: its recorded log up to a point, with the times moved to now, and its lock held by this program. Needs tmux and the built
programs. Standard library only.
"""
import argparse
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import picture

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORDED = ROOT / "docs" / "recorded"
BROKEN = """name: A mistake
dataset: { name: emoji98 }
model: { backbone: resnet18, weights: random }
train: { epochs: ten, batch_size: 64, optimizer: { name: adam, learning_rate: 1.0e-3 } }
"""
# How long a screen may take to show its text: the first dataset screen loads libtorch.
PATIENCE = 20
# The size, the arguments of the program, the environment of the terminal, and whether it is light.
LOOKS = {
    "dark-80x24": ((80, 24), [], {}, False),
    "dark-200x60": ((200, 60), [], {}, False),
    # The book's picture of the comparison.
    "book": ((110, 34), [], {}, False),
    "light-80x24": ((80, 24), ["--theme", "light"], {}, True),
    "light-200x60": ((200, 60), ["--theme", "light"], {}, True),
    "ansi-80x24": ((80, 24), [], {"TERM": "xterm"}, False),
    "mono-80x24": ((80, 24), [], {"NO_COLOR": "1"}, False),
    "ascii-80x24": ((80, 24), ["--ascii"], {}, False),
}
# Variables of the user that would choose other runs, colours or characters, or act on a run's end.
OF_THE_USER = ("COLORFGBG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "WARMSTART_CHECKPOINTS", "WARMSTART_EXPERIMENTS", "WARMSTART_LOG",
               "WARMSTART_NOTIFY", "WARMSTART_THEME")
# From the list of experiments: a name, the keys (a name in PLACES selects a row, ~TEXT waits for a text), and a text on the
# screen.
SCREENS = [
    ("experiments", [], "experiments"),
    ("experiments-never-run", ["g"], "never run"),
    ("experiments-runs", ["Tab"], "Lite0, freeze"),
    ("experiments-filter", ["/", "val_acc>0.5"], "filter:"),
    ("experiments-filter-mistake", ["/", "statsu:done"], "^"),
    ("experiments-marked", ["*", "o"], "marked"),
    ("run", ["{done}", "Enter"], "accuracy"),
    ("run-live", ["{live}", "Enter"], "left in all"),
    ("run-cursor", ["{done}", "Enter", "Left", "Left", "Left"], "at epoch"),
    ("run-zoomed", ["{done}", "Enter", "m", "m", "+", "+"], "~"),
    ("run-alone", ["{done}", "Enter", "2", "Left"], "loss"),
    ("run-others", ["{done}", "Enter", "o"], "with"),
    ("run-marked", ["*", "{done}", "Enter", "Left"], "at epoch"),
    ("run-log", ["{done}", "Enter", "l"], "epoch 1"),
    ("run-failed", ["v", "/", "status:failed", "Enter", "Enter"], "NaN"),
    ("compare", ["c"], "compare"),
    ("compare-chart", ["c", "v", "]", "]"], "at epoch"),
    ("compare-differing", ["c", "d"], "columns that differ"),
    ("compare-config", ["c", "D"], "experiments differ"),
    ("compare-transposed", ["c", "t"], "val acc"),
    ("compare-seeds", ["c", "g"], "mean"),
    ("machine", ["M"], "cores"),
    ("dataset", ["{done}", "d"], "image number"),
    ("dataset-page", ["{done}", "d", "~image number", "Tab"], "clothing"),
    ("dataset-classes", ["{done}", "d", "~image number", "Tab", "Tab"], "class"),
    ("messages", ["{done}", "t", "+good", "Enter", "!"], "what happened"),
    ("palette", [":"], "do or go to"),
    ("palette-found", [":", "stop"], "do or go to"),
    ("fields", ["{done}", "C"], "change a field"),
    ("editor", ["{done}", "C", "~change a field", "learning_rate", "Enter", "~0.001", "0"], "write"),
    ("side-by-side", ["{done}", "y", "~compare", "fine", "Enter"], "differ"),
    ("predict", ["{done}", "Enter", "p"], "picture"),
    ("extend", ["{done}", "u"], "epochs"),
    ("help", ["?"], "keys"),
    ("help-run", ["{done}", "Enter", "?"], "keys"),
    ("columns", ["|"], "columns"),
    ("export", ["E"], "export"),
    ("question", ["a"], "yes"),
    ("delete", ["{done}", "D"], "yes"),
    ("prompt-tags", ["{done}", "t", "+good"], "tags"),
    ("broken-file", ["{broken}", "Enter"], "cannot be used"),
]
# The row of the list that a screen needs: an experiment's name.
PLACES = {"{done}": "Lite0, freeze", "{live}": "Lite0, fine-tune", "{broken}": "broken"}
LIVE_STEM, LIVE_SHARE = "5-lite0-finetune", 0.6


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def lay_out(folder):
    """Copies experiments and recorded runs; returns the open lock file of the run that appears to train."""
    shutil.copytree(ROOT / "experiments", folder / "experiments")
    (folder / "experiments" / "quickstart" / "broken.yaml").write_text(BROKEN)
    shutil.copytree(RECORDED / "checkpoints", folder / "checkpoints")
    runs = sorted((folder / "checkpoints").iterdir())
    live = max(run for run in runs if json.loads((run / "run.json").read_text())["stem"] == LIVE_STEM)
    lines = records(live / "events.jsonl")
    epochs = [index for index, line in enumerate(lines) if line.get("event") == "epoch"]
    cut = lines[:epochs[int(len(epochs) * LIVE_SHARE)] - 4]
    move = time.time() - cut[-1]["t"] - 0.5
    for line in cut:
        line["t"] = round(line["t"] + move, 3)
        if line["event"] == "attempt":
            line["worker"]["boot_id"] = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (live / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in cut))
    lock = open(live / "run.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def command(folder, environment, program, arguments):
    """The words that run the program with this environment. Pictures show neither the user's settings nor remembered choices."""
    base = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "",
            "XDG_CONFIG_HOME": str(folder / ".config"), "XDG_STATE_HOME": str(folder / ".state")}
    unset = [word for name in OF_THE_USER for word in ("-u", name)]
    return ["env", *unset, *(f"{name}={value}" for name, value in (base | environment).items()), program, *arguments]


class Terminal:
    """The program in its own terminal."""

    def __init__(self, folder, size, arguments, environment, program):
        self.socket = f"warmstart-screens-{os.getpid()}"
        words = command(folder, environment, program, arguments)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "-c", str(folder), *words)

    def tmux(self, *arguments):
        result = subprocess.run(["tmux", "-u", "-L", self.socket, *arguments], capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"error: tmux {' '.join(arguments[:2])}: {result.stderr.strip()}")
        return result.stdout

    def screen(self, styled=False):
        return self.tmux("capture-pane", "-p", "-N", *(["-e"] if styled else []))

    def press(self, key):
        self.tmux("send-keys", *([key] if len(key) == 1 or key[0].isupper() and key.isalpha() else ["-l", key]))

    def wait(self, wanted):
        """Waits until a text is there and the screen no longer changes."""
        deadline, before = time.monotonic() + PATIENCE, None
        while time.monotonic() < deadline:
            now = self.screen()
            if wanted in now and now == before:
                return True
            before = now
            time.sleep(0.12)
        return False

    def go_to(self, name):
        """Moves the selection of the list from its first row to the row with this name."""
        self.press("g")
        for _ in range(60):
            self.wait("experiments")
            rows = [line for line in self.screen().splitlines() if line.startswith(("▐", ">"))]
            if rows and name in rows[0]:
                return
            self.press("j")
        raise SystemExit(f"error: no row of the list is called {name}")

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True)


def draw(look, wanted, out, program):
    size, arguments, environment, is_light = LOOKS[look]
    missed = []
    for name, keys, shows in SCREENS:
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="warmstart-screens-") as folder:
            folder = pathlib.Path(folder)
            lock = lay_out(folder)
            terminal = Terminal(folder, size, arguments, environment, program)
            try:
                terminal.wait("quit")
                for key in keys:
                    if key in PLACES:
                        terminal.go_to(PLACES[key])
                    elif key.startswith("~"):
                        terminal.wait(key[1:])
                    else:
                        terminal.press(key)
                        time.sleep(0.05)
                if not terminal.wait(shows):
                    missed.append(f"{look}/{name}: no {shows!r} after {PATIENCE} s")
                save(out / look / name, terminal, is_light)
            finally:
                terminal.close()
                lock.close()
    return missed


def save(path, terminal, is_light):
    path.parent.mkdir(parents=True, exist_ok=True)
    svg = path.with_suffix(".svg")
    path.with_suffix(".txt").write_text(terminal.screen())
    svg.write_text(picture.still(terminal.screen(styled=True), picture.LIGHT if is_light else picture.DARK))
    if shutil.which("rsvg-convert"):
        subprocess.run(["rsvg-convert", "-o", str(path.with_suffix(".png")), str(svg)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"looks ({', '.join(LOOKS)}) and screens")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "target" / "screens")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target" / "release" / "warmstart")
    arguments = parser.parse_args()
    names = {name for name, _, _ in SCREENS}
    unknown = set(arguments.only) - names - set(LOOKS)
    if unknown:
        parser.error(f"no look and no screen is called {', '.join(sorted(unknown))}")
    if not arguments.program.exists():
        parser.error(f"{arguments.program} is not built; make build, or --program")
    if not shutil.which("tmux"):
        parser.error("tmux is missing. Get it with: sudo apt-get install tmux (dnf install tmux; brew install tmux)")
    looks = [look for look in LOOKS if look in arguments.only] or list(LOOKS)
    missed = []
    for look in looks:
        missed += draw(look, set(arguments.only) & names, arguments.out, str(arguments.program.resolve()))
        print(f"{look}: {arguments.out / look}", flush=True)
    for line in missed:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
