"""What `make install` writes, `make uninstall` removes, also where the installation did not come to its end."""
import errno
import io
import os
import pathlib
import shutil
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import install

PROGRAM = '#!/bin/sh\nmkdir -p "$3/man/man1"; echo manual >"$3/man/man1/warmstart.1"\n'


class Installing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(os.path.realpath(folder.name))
        self.root, self.target = self.folder / "root", self.folder / "target"
        (self.target / "release").mkdir(parents=True)
        for name in ("warmstart", "warmstart-worker"):
            path = self.target / "release" / name
            path.write_text(PROGRAM)
            path.chmod(0o755)

    def libraries(self, into, expect=None):
        """Stands in for the copy of libtorch."""
        names = ["libc10.so", "libtorch.so"]
        if expect is not None:
            expect(names)
        os.makedirs(into, exist_ok=True)
        for name in names:
            goal = os.path.join(into, name)
            install.shutil.copyfile(self.target / "release/warmstart", goal + ".new")
            os.replace(goal + ".new", goal)
        return names

    def install(self, copies=None):
        """Whether the installation ends; after so many copies the disk is full."""
        copy, made = shutil.copyfile, []

        def copyfile(source, goal):
            if len(made) == copies:
                pathlib.Path(goal).write_text("half")
                raise OSError(errno.ENOSPC, "the disk is full")
            made.append(goal)
            return copy(source, goal)

        root = str(self.root)
        with mock.patch.object(install.shutil, "copyfile", copyfile), mock.patch.object(install, "copy_libs", self.libraries), \
                mock.patch.object(install, "WEIGHTS", str(self.folder / "weights")), mock.patch("sys.stdout", io.StringIO()):
            try:
                install.install(root, root, str(self.target))
            except OSError:
                return False
        return True

    def uninstall(self):
        with mock.patch("sys.stdout", io.StringIO()):
            install.uninstall(str(self.root))

    def files(self):
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def test_an_interrupted_installation_can_be_removed(self):
        copies = 0
        while not self.install(copies):
            self.assertNotEqual(self.files(), [])
            self.uninstall()
            self.assertEqual(self.files(), [], "after %d copies" % copies)
            copies += 1
        self.assertGreater(copies, 4)

    def test_an_interrupted_upgrade_still_lists_the_files_of_the_version_before(self):
        self.assertTrue(self.install())
        old = self.root / "lib/warmstart/old.so"
        old.write_text("of the version before")
        with open(self.root / "lib/warmstart/installed.txt", "a", encoding="utf-8") as f:
            f.write("lib/warmstart/old.so\n")
        self.assertFalse(self.install(1))
        self.uninstall()
        self.assertEqual(self.files(), [])

    def test_files_of_others_stay(self):
        self.assertTrue(self.install())
        own = self.root / "share/warmstart/experiments/own.yaml"
        own.write_text("name: Own\n")
        self.uninstall()
        self.assertEqual(self.files(), ["share/warmstart/experiments/own.yaml"])


if __name__ == "__main__":
    unittest.main()
