"""The pages' links, and the quickstart's figures in every file that quotes them."""
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import docs
import quickstart


class Links(unittest.TestCase):
    def test_links_of_this_project_are_valid(self):
        docs.check_links()

    def wrong(self, page, **others):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            for name, text in {"README.md": page, **others}.items():
                path = root / name.replace("__", "/").replace("_md", ".md")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return list(docs.broken(root, sorted(root.rglob("*.md"))))

    def test_a_missing_file_or_heading_is_reported_with_its_line(self):
        self.assertEqual(self.wrong("a\n\n[x](gone.md)"), ["README.md:3: there is no gone.md"])
        self.assertEqual(self.wrong("![x](gone.svg)"), ["README.md:1: there is no gone.svg"])
        self.assertEqual(self.wrong("# A `b` (c)\n[x](#a-b-c) [y](#d)"), ["README.md:2: README.md has no heading for #d"])
        self.assertEqual(self.wrong("[x](other.md#one)", other_md="# Two"), ["README.md:1: other.md has no heading for #one"])
        self.assertEqual(self.wrong("[x\ny](gone.md)"), ["README.md:1: there is no gone.md"])

    def test_valid_links_and_other_text_are_not_reported(self):
        self.assertEqual(self.wrong("[x](other.md#one-1) <https://a.b>", other_md="# One\n# One"), [])
        self.assertEqual(self.wrong("```sh\n[x](gone.md)\n```\n`[y](gone.md)` [z](https://example.org/gone)"), [])

    def test_a_picture_inside_a_link_is_checked_too(self):
        self.assertEqual(self.wrong("[![x](gone.svg)](README.md)"), ["README.md:1: there is no gone.svg"])

    def test_code_ends_where_markdown_ends_it(self):
        missing = "there is no gone.md"
        self.assertEqual(self.wrong("```a``` is no block\n[x](gone.md)"), [f"README.md:2: {missing}"])
        self.assertEqual(self.wrong("```\n```sh\n[x](a.md)\n```\n[y](gone.md)"), [f"README.md:5: {missing}"])
        self.assertEqual(self.wrong("``a ` [x](a.md)`` [y](gone.md)"), [f"README.md:1: {missing}"])

    def test_every_page_below_docs_is_checked(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            for name, text in {"docs/book/src/SUMMARY.md": "", "docs/a.md": "[x](gone.md)", "docs/b/c.md": "[x](gone.md)"}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            with self.assertRaises(docs.Failure) as caught:
                docs.check_links(root)
        for page in ("docs/a.md:1", "docs/b/c.md:1"):
            self.assertIn(f"{page}: there is no gone.md", str(caught.exception))

    def test_a_page_of_the_book_links_only_into_the_book(self):
        found = self.wrong("", docs__book__src__a_md="[x](../../../README.md)")
        self.assertEqual(found, ["docs/book/src/a.md:1: ../../../README.md is outside the book"])


class Figures(unittest.TestCase):
    kept = json.loads(quickstart.KEPT.read_text())

    def test_every_file_quotes_the_measured_figures(self):
        for path, text in quickstart.quoting(self.kept):
            self.assertEqual(path.read_text(), text, f"{path}: `scripts/quickstart.py write` writes it")

    def test_a_changed_figure_is_written_to_every_file(self):
        other = json.loads(json.dumps(self.kept))
        other["rows"]["2-lite0-resized"]["test_acc"] = 0.98765
        changed = {path.name for path, text in quickstart.quoting(other) if "0.987" in text and text != path.read_text()}
        self.assertEqual(changed, {"README.md", "quickstart.md", "2-lite0-resized.yaml"})

    def test_only_the_best_of_each_column_is_bold(self):
        keys = [key for key, *_ in quickstart.COLUMNS]
        rows = {stem: {"name": stem, **dict.fromkeys(keys, number)} for number, stem in enumerate(quickstart.ORDER, 1)}
        cells = [line.strip("|").split("|")[1:] for line in quickstart.table(rows).splitlines()[2:]]
        bold = [[key for key, cell in zip(keys, row) if "**" in cell] for row in cells]
        first, last = ["train_time", "train_loss", "val_loss"], ["train_acc", "val_acc", "test_acc"]
        self.assertEqual(bold, [first, [], [], [], last])

    def test_seconds_are_rounded_before_they_become_minutes(self):
        self.assertEqual([quickstart.minutes(seconds) for seconds in (166, 59.7)], ["2 min 46 s", "1 min 00 s"])

    def test_only_the_measured_line_of_an_experiment_changes(self):
        text = "# Question:  why?\n# Measured:  old\n#            and older\nname: x\n"
        kept = {"machine": "an abacus", "date": "2026-01-02", "rows": {"x": {"test_acc": 0.5, "train_time": 7.4}}}
        self.assertEqual(quickstart.in_experiment(text, "x", kept),
                         "# Question:  why?\n# Measured:  test accuracy 0.5000 after 7 s of training\n"
                         "#            (an abacus, 2026-01-02).\nname: x\n")
        with self.assertRaises(SystemExit):
            quickstart.in_experiment("name: x\n", "x", kept)

    def test_a_document_without_its_markers_is_named(self):
        with self.assertRaisesRegex(SystemExit, "page.md"):
            quickstart.in_document(quickstart.END + quickstart.BEGIN, "page.md", self.kept)

    def test_the_machine_is_named_with_the_libtorch_of_the_build(self):
        with mock.patch.dict(os.environ, {"WARMSTART_TORCH": "1.2"}):
            self.assertIn("libtorch 1.2", quickstart.machine())

    def test_only_workers_of_the_measured_runs_count(self):
        listed = """  4000 /opt/warmstart-worker train /home/ann/checkpoints/a
    30 /opt/warmstart-worker train /tmp/here/a
    20 /opt/warmstart-worker train /tmp/here/b
   900 python3 /tmp/here/warmstart-worker
"""
        self.assertEqual(quickstart.worker_memory(listed, "/tmp/here"), 30 * 1024)


if __name__ == "__main__":
    unittest.main()
