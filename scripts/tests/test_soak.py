"""The collector of the long tests' figures."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import soak


class Figures(unittest.TestCase):
    def test_they_are_found_wherever_the_line_begins(self):
        lines = ["noise\n", "test kills ... FIGURE A1\tkills\t1,000\t1,000\tok\n", "FIGURE broken\tline\tok\n"]
        self.assertEqual(soak.figures(lines), [("A1", "kills", "1,000", "1,000", "ok")])

    def test_a_program_that_fails_or_says_nothing_is_under(self):
        good = ("A1", "kills", "1", "1", "ok")
        self.assertEqual(soak.judged("x", [good], 0), [good])
        self.assertEqual([row[-1] for row in soak.judged("x", [good], 1)], ["ok", "UNDER"])
        self.assertEqual([row[-1] for row in soak.judged("x", [], 0)], ["UNDER"])
        under = good[:-1] + ("UNDER",)
        self.assertEqual(soak.judged("x", [under], 1), [under])

    def test_rows_are_in_order_of_their_numbers(self):
        rows = [(name, "", "", "", "ok") for name in ("B1", "A10", "A2")]
        self.assertEqual([line.split()[1] for line in soak.table(rows).splitlines()[2:]], ["A2", "A10", "B1"])


if __name__ == "__main__":
    unittest.main()
