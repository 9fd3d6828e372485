"""The check of the crates that warmstart is built from: a check that could not read everything has not passed."""
import importlib.util
import pathlib
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "soak.d/60-supply.py"
spec = importlib.util.spec_from_file_location("soak_supply", SCRIPT)
supply = importlib.util.module_from_spec(spec)
spec.loader.exec_module(supply)


class Unread(unittest.TestCase):
    def figure_of(self, passed, said):
        """The value of the figure, and whether it is good, if cargo-deny passes or not and says this."""
        figures = []
        deny, figure = supply.deny, supply.figure
        supply.deny = lambda *checks, env=None: (passed, said)
        supply.figure = lambda what, value, target, good: figures.append((value, good))
        try:
            supply.advisories()
        finally:
            supply.deny, supply.figure = deny, figure
        [(value, good)] = figures
        return value, good

    def test_an_index_that_cannot_be_read_is_not_zero_yanked_versions(self):
        for severity, passed in [("warning", True), ("error", False)]:
            for code in ("index-failure", "index-cache-load-failure"):
                value, good = self.figure_of(passed, f"{severity}[{code}]: unable to check for yanked crates")
                self.assertFalse(good)
                self.assertIn("unknown", value)

    def test_a_check_that_read_everything_is_believed(self):
        self.assertEqual(self.figure_of(True, "advisories ok"), ("0", True))
        self.assertFalse(self.figure_of(False, "error[yanked]: detected yanked crate")[1])


if __name__ == "__main__":
    unittest.main()
