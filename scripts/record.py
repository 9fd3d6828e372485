#!/usr/bin/env python3
"""Records the dashboard at work, for the README: the quickstart, launched, watched and compared, on this machine.

    scripts/record.py --program target/release/warmstart --out docs/book/src/images/quickstart.svg

The recording is real, in time lapse: the real program in tmux trains the real quickstart in a temporary folder. The script keeps
every screen that differs from the one before. While no key is pressed, the recording is faster than reality. Needs tmux and the
weights of `make weights`. Standard library only.
"""
import argparse
import os
import pathlib
import re
import shutil
import tempfile
import time

import picture
from screens import ROOT, Terminal

SIZE = (100, 30)
# Seconds between two looks at the screen, and how many times faster the recording is while no key is pressed.
LOOK, LAPSE = 1.0, 12.0
SHORTEST, LONGEST = 0.12, 2.5
ENOUGH = 1200


class Recording:
    """The screens, each with its seconds in the recording."""

    def __init__(self, terminal):
        self.terminal, self.frames, self.since = terminal, [], time.monotonic()
        # The least seconds of the newest screen.
        self.least = 0.0

    def look(self):
        """Keeps the screen if it is new. The screen before it gets the elapsed time in time lapse, or its pause if that is
        longer."""
        screen = self.terminal.screen(styled=True)
        now = time.monotonic()
        if self.frames and screen == self.frames[-1][1]:
            return
        if self.frames:
            lapsed = min(max((now - self.since) / LAPSE, SHORTEST), LONGEST)
            self.frames[-1][0] = max(lapsed, self.least)
        self.frames.append([LONGEST, screen])
        self.since, self.least = now, 0.0

    def press(self, *keys, pause=1.2):
        """Presses keys one by one. The screens before and after each key stay for `pause` seconds or longer."""
        for key in keys:
            self.look()
            self.least = max(self.least, pause)
            self.terminal.press(key)
            time.sleep(0.4)
            self.look()
            self.least = max(self.least, pause)

    def watch(self, until, most=ENOUGH):
        """Records until the screen matches a regular expression."""
        deadline = time.monotonic() + most
        while time.monotonic() < deadline:
            self.look()
            if re.search(until, self.terminal.screen()):
                return
            time.sleep(LOOK)
        raise SystemExit(f"error: no {until!r} after {most} s")


def record(folder, program):
    terminal = Terminal(folder, SIZE, [], {}, program)
    recording = Recording(terminal)
    try:
        terminal.wait("quit")
        recording.press("a", "y")
        recording.watch(r"training", 120)
        recording.press("G", pause=0.4)
        # The fourth experiment has twenty epochs, so the recording shows it.
        recording.watch(r"Lite0, freeze .*(features|training|validating|testing)")
        recording.press("k", "Enter", pause=0.6)
        recording.watch(r"● done")
        recording.press("Left", "Left", "Left", "m", pause=0.7)
        recording.press("Escape", "Escape", pause=0.5)
        recording.watch(r"Lite0, fine-tune .*done")
        recording.press("c", "v", "]", "]", pause=1.5)
        recording.press("Escape", "t", pause=2.5)
        # Then the recording begins again.
        recording.frames[-1][0] = 3.0
    finally:
        terminal.close()
    return recording.frames


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target" / "release" / "warmstart")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/book/src/images/quickstart.svg")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="warmstart-record-") as folder:
        folder = pathlib.Path(folder)
        shutil.copytree(ROOT / "experiments" / "quickstart", folder / "experiments" / "quickstart")
        os.symlink((ROOT / ".weights").resolve(), folder / ".weights")
        frames = record(folder, str(arguments.program.resolve()))
    svg = picture.moving(frames)
    arguments.out.write_text(svg)
    seconds = sum(frame[0] for frame in frames)
    print(f"{arguments.out}: {len(frames)} screens, {seconds:.0f} s, {len(svg) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
