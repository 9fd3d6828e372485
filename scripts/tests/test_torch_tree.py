"""The copy of the tree for another release of torch: it follows the project's files, and its lock file names the right tch."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))
import torch_tree  # noqa: E402
from setup_libtorch import Failure  # noqa: E402
from torch_releases import DEFAULT, RELEASES  # noqa: E402


class WithProject(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.tree = (pathlib.Path(folder.name) / name for name in ("project", "copy"))
        self.root.mkdir()
        self.tree.mkdir()
        patched = mock.patch.object(torch_tree, "ROOT", self.root)
        patched.start()
        self.addCleanup(patched.stop)

    def write(self, name, text="text"):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class Files(WithProject):
    def setUp(self):
        super().setUp()
        subprocess.run(["git", "init", "--quiet", str(self.root)], check=True)

    def test_a_file_that_can_be_run_from_now_on_can_be_run_in_the_copy(self):
        script = self.write("script.sh")
        script.chmod(0o644)
        torch_tree.bring_up_to_date(self.tree)
        self.assertFalse(os.access(self.tree / "script.sh", os.X_OK))
        script.chmod(0o755)
        torch_tree.bring_up_to_date(self.tree)
        self.assertTrue(os.access(self.tree / "script.sh", os.X_OK))

    def test_a_file_with_the_name_of_an_old_folder_takes_its_place(self):
        inner = self.write("part/deep/inner.txt")
        torch_tree.bring_up_to_date(self.tree)
        self.assertTrue((self.tree / "part/deep/inner.txt").is_file())
        inner.unlink()
        for folder in ("part/deep", "part"):
            (self.root / folder).rmdir()
        self.write("part", "a file")
        torch_tree.bring_up_to_date(self.tree)
        self.assertTrue((self.tree / "part").is_file())

    def test_an_equal_file_keeps_its_time_and_a_deleted_one_goes(self):
        self.write("same.txt")
        gone = self.write("gone.txt")
        torch_tree.bring_up_to_date(self.tree)
        os.utime(self.tree / "same.txt", (1, 1))
        gone.unlink()
        torch_tree.bring_up_to_date(self.tree)
        self.assertEqual(os.stat(self.tree / "same.txt").st_mtime, 1)
        self.assertFalse((self.tree / "gone.txt").exists())

    def test_a_name_in_another_encoding_is_copied(self):
        name = os.fsdecode(b"caf\xe9.txt")
        try:
            self.write(name)
        except OSError:
            self.skipTest("this file system has only names in UTF-8")
        torch_tree.bring_up_to_date(self.tree)
        self.assertTrue((self.tree / name).is_file())


class Lock(WithProject):
    """With a cargo that changes the version in the lock file, or fails."""

    def lock(self, project, tch, fails=False):
        self.write("Cargo.lock", 'name = "tch"\nversion = "0.26.0"\n# %s\n' % project)

        def cargo(command, cwd):
            if not fails:
                path = pathlib.Path(cwd) / "Cargo.lock"
                path.write_text(path.read_text().replace("0.26.0", command[command.index("--precise") + 1]))
            return subprocess.CompletedProcess(command, 101 if fails else 0)

        with mock.patch.object(torch_tree.subprocess, "run", cargo):
            torch_tree.lock(self.tree, tch)

    def locked(self):
        return re.search(r'version = "(.*)"\n# (.*)', (self.tree / "Cargo.lock").read_text()).groups()

    def test_after_a_failure_nothing_passes_for_up_to_date(self):
        self.lock("first", "0.24.0")
        with self.assertRaises(Failure):
            self.lock("second", "0.24.0", fails=True)
        self.lock("first", "0.24.0")
        self.assertEqual(self.locked(), ("0.24.0", "first"))

    def test_another_release_of_tch_changes_the_lock_file(self):
        self.lock("project", "0.24.0")
        self.lock("project", "0.23.0")
        self.assertEqual(self.locked(), ("0.23.0", "project"))


class Make(unittest.TestCase):
    def test_a_target_that_another_release_does_not_have_fails_and_says_so(self):
        other = next(release for release in RELEASES if release != DEFAULT)
        outer = ("WARMSTART_TORCH_TREE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        environ = {name: value for name, value in os.environ.items() if name not in outer}
        for target in ("run", "setup", "docs"):
            command = ["make", target, "WARMSTART_TORCH=" + other]
            done = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0, target)
            self.assertIn("without WARMSTART_TORCH=" + other, done.stderr)


if __name__ == "__main__":
    unittest.main()
