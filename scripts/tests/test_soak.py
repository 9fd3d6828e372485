"""The script that collects the figures of the long tests."""
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import soak


class Figures(unittest.TestCase):
    def test_figures_are_found_anywhere_in_a_line(self):
        lines = ["noise\n", "test kills ... FIGURE A1\tkills\t1,000\t1,000\tok\n", "FIGURE broken\tline\tok\n"]
        self.assertEqual(soak.figures(lines), [("A1", "kills", "1,000", "1,000", "ok")])

    def test_a_program_that_fails_or_prints_no_figure_is_under(self):
        good = ("A1", "kills", "1", "1", "ok")
        self.assertEqual(soak.judged("x", [good], 0), [good])
        self.assertEqual([row[-1] for row in soak.judged("x", [good], 1)], ["ok", "UNDER"])
        self.assertEqual([row[-1] for row in soak.judged("x", [], 0)], ["UNDER"])
        under = good[:-1] + ("UNDER",)
        self.assertEqual(soak.judged("x", [under], 1), [under])

    def test_programs_are_chosen_by_parts_of_their_names(self):
        programs = [pathlib.Path("soak.d") / name for name in ("20-kills.sh", "40-latex.py", "45-slurm.py")]
        self.assertEqual(soak.choose([], programs), programs)
        self.assertEqual(soak.choose(["slurm", "20"], programs), [programs[0], programs[2]])

    def test_a_name_of_no_program_is_refused_beside_a_right_one(self):
        programs = [pathlib.Path("soak.d/20-kills.sh")]
        with self.assertRaisesRegex(SystemExit, "latx"):
            soak.choose(["kills", "latx"], programs)

    def test_rows_are_sorted_by_number(self):
        rows = [(name, "", "", "", "ok") for name in ("B1", "A10", "A2")]
        self.assertEqual([line.split()[1] for line in soak.table(rows).splitlines()[2:]], ["A2", "A10", "B1"])

    def test_figures_of_several_days_are_in_one_document(self):
        with tempfile.TemporaryDirectory() as folder:
            document = pathlib.Path(folder) / "README.md"
            document.write_text(f"# Before\n\n{soak.BEGIN}\nold\n{soak.END}\n\n# After\n")
            first, second = [path.name for path in sorted(soak.PROGRAMS.iterdir())][:2]
            kept = document.parent / "soak.json"
            kept.write_text(json.dumps({
                first: {"date": "2026-01-02", "machine": "an abacus", "rows": [["A2", "calls", "7", "7", "ok"]]},
                "gone.py": {"date": "2026-01-01", "machine": "none", "rows": [["Z9", "x", "1", "1", "ok"]]},
            }))
            soak.keep(document, second, [("A1", "kills | x", "1", "1", "UNDER")], kept)
            text = document.read_text()
            self.assertTrue(text.startswith("# Before\n\n") and text.endswith("\n\n# After\n"), text)
            self.assertIn(f"Measured on 2026-01-02 with an abacus: {first}.", text)
            self.assertLess(text.index("| A1 | kills \\| x | 1 | 1 | UNDER |"), text.index("| A2 | calls | 7 | 7 | ok |"))
            self.assertNotIn("Z9", text)
            self.assertIn("| A12 |", text)
            self.assertNotIn("old", text)
            again = soak.written(text, json.loads(kept.read_text()))
            self.assertEqual(again, text)

    def test_a_write_that_is_cut_short_leaves_the_figures_of_other_days(self):
        with tempfile.TemporaryDirectory() as folder:
            document, kept = pathlib.Path(folder) / "page.md", pathlib.Path(folder) / "soak.json"
            document.write_text(f"{soak.BEGIN}\n{soak.END}\n")
            first, second = [path.name for path in sorted(soak.PROGRAMS.iterdir())][:2]
            soak.keep(document, first, [("A1", "kills", "1", "1", "ok")], kept)
            before = kept.read_text()
            with mock.patch("os.fsync", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
                soak.keep(document, second, [("A2", "calls", "1", "1", "ok")], kept)
            self.assertEqual(kept.read_text(), before)

    def test_the_book_contains_the_kept_figures(self):
        text = (soak.KEPT.parent / "book/src/reliability.md").read_text()
        self.assertEqual(soak.written(text, json.loads(soak.KEPT.read_text())), text)

    def test_damaged_figures_are_refused_before_a_program_runs(self):
        with tempfile.TemporaryDirectory() as folder:
            document, kept = pathlib.Path(folder) / "page.md", pathlib.Path(folder) / "soak.json"
            document.write_text(f"{soak.BEGIN}\n{soak.END}\n")
            kept.write_text("<<<<<<< HEAD\n")
            with mock.patch.object(soak, "KEPT", kept), mock.patch.object(soak, "run") as run:
                with self.assertRaisesRegex(SystemExit, "kept figures cannot be read"):
                    soak.main(["--write", str(document)])
            run.assert_not_called()

    def test_a_document_that_cannot_be_read_is_refused_before_a_program_runs(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(soak, "run") as run:
            binary = pathlib.Path(folder) / "binary.md"
            binary.write_bytes(b"\xff")
            for document in (binary, pathlib.Path(folder) / "none.md"):
                with self.assertRaisesRegex(SystemExit, f"cannot be read.*: {document}$"):
                    soak.main(["--write", str(document)])
            run.assert_not_called()

    def test_a_document_without_its_markers_is_refused(self):
        for text in ["", soak.BEGIN, f"{soak.END}\n{soak.BEGIN}"]:
            with self.assertRaises(SystemExit):
                soak.written(text, {})


if __name__ == "__main__":
    unittest.main()
