"""The script that draws every screen of the dashboard."""
import json
import os
import pathlib
import subprocess
import sys
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import screens


class Environment(unittest.TestCase):
    def seen(self, environment):
        """The variables that the program sees, where the user has set some."""
        user = {"NO_COLOR": "1", "LC_ALL": "C", "WARMSTART_CHECKPOINTS": "/mine", "WARMSTART_NOTIFY": "mail me", "KEPT": "yes"}
        script = "import json, os; print(json.dumps(dict(os.environ)))"
        words = screens.command(pathlib.Path("/pictures"), environment, sys.executable, ["-c", script])
        with mock.patch.dict(os.environ, user):
            return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    def test_nothing_of_the_user_chooses_runs_or_looks(self):
        seen = self.seen({})
        for name in ("NO_COLOR", "WARMSTART_CHECKPOINTS", "WARMSTART_NOTIFY"):
            self.assertNotIn(name, seen)
        self.assertNotEqual(seen.get("LC_ALL"), "C")
        self.assertEqual((seen["KEPT"], seen["XDG_CONFIG_HOME"]), ("yes", "/pictures/.config"))

    def test_a_look_may_set_what_the_user_may_not(self):
        self.assertEqual(self.seen({"NO_COLOR": "2"})["NO_COLOR"], "2")


if __name__ == "__main__":
    unittest.main()
