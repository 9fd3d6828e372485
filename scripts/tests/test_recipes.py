"""The comparison of recipes: a second start in the same folder takes new runs and new answers. No recipe is trained here."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import types
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import recipes


def answering(text):
    """Stands for subprocess.run: every program prints this."""
    return mock.patch("subprocess.run", return_value=types.SimpleNamespace(stdout=text))


class SecondStart(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def test_the_newest_of_two_runs_of_a_recipe_counts(self):
        listed = []
        for name, accuracy in [("newer", 0.8), ("older", 0.2)]:
            place = self.folder / "checkpoints" / name
            place.mkdir(parents=True)
            (place / "run.json").write_text('{"member": {"seed": 1}}')
            listed.append({"run": name, "stem": "probe", "state": "done", "test_acc": accuracy})
        with answering(json.dumps(listed)):
            found = recipes.ours("warmstart", self.folder, self.folder / "pictures")
        self.assertEqual(found["probe", 1], (0.8, self.folder / "checkpoints/newer"))

    def test_another_run_asks_pytorch_again(self):
        for run, accuracy in [("first", 0.1), ("second", 0.9), ("first", 0.5)]:
            runs = {(name, seed): (0, self.folder / run) for name in recipes.RECIPES for seed in recipes.SEEDS}
            with answering(json.dumps({"test_acc": accuracy})), contextlib.redirect_stderr(io.StringIO()):
                answers = recipes.theirs(self.folder, self.folder / "pictures", runs)
            # The first run has its answer already the second time.
            expected = 0.1 if run == "first" else accuracy
            self.assertEqual(set(answers.values()), {expected})


if __name__ == "__main__":
    unittest.main()
