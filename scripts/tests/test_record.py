"""The README's recording: how long each screen stays."""
import pathlib
import sys
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import record  # noqa: E402


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Terminal:
    """Shows the keys that were pressed, and the seconds that passed."""

    def __init__(self, clock):
        self.clock, self.keys = clock, ""

    def press(self, key):
        self.keys += key

    def screen(self, styled=False):
        return f"{self.keys} at {int(self.clock.now)} s"


class Pauses(unittest.TestCase):
    def test_the_screen_after_a_key_stays_for_its_pause_whatever_follows(self):
        clock = Clock()
        with mock.patch.object(record, "time", clock):
            recording = record.Recording(Terminal(clock))
            recording.press("a", "b", pause=2.0)
            recording.press("c", pause=0.5)
            recording.watch("at 9 s")
        stays = {screen.split(" ")[0]: seconds for seconds, screen in recording.frames[:4]}
        self.assertEqual(stays, {"": 2.0, "a": 2.0, "ab": 2.0, "abc": 0.5})
        # While no key is pressed, a second of training takes less.
        self.assertTrue(all(seconds < 0.5 for seconds, _ in recording.frames[4:-1]), recording.frames)


if __name__ == "__main__":
    unittest.main()
