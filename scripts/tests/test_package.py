"""Wheel and archive: their content, and that they contain nothing about the build machine. The tests need no compiled program;
programs of the system serve as examples."""
import base64
import csv
import hashlib
import io
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile
from unittest import mock

SCRIPTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCRIPTS))
import elf
import install
import package
from setup_libtorch import Failure

PYTHON = os.path.realpath(sys.executable)


def launcher():
    import importlib.util

    spec = importlib.util.spec_from_file_location("launcher", SCRIPTS / "wheel/__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(into, runpath="/a/path/of/the/building/machine/that/is/long/enough"):
    """A small program with a search path, built by the machine's compiler; None without a compiler."""
    source, goal = into / "x.c", into / "x"
    source.write_text("int main(void) { return 0; }\n")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    subprocess.run([compiler, str(source), "-o", str(goal), f"-Wl,-rpath,{runpath}"], check=True)
    return goal


@unittest.skipUnless(platform.system() == "Linux", "packages are made on Linux")
class Programs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_a_search_path_is_replaced_and_the_program_still_runs(self):
        path = program(self.folder)
        if path is None:
            self.skipTest("no C compiler")
        package.set_runpath(path, "$ORIGIN/../torch/lib")
        self.assertEqual(elf.Elf(path.read_bytes()).runpath(), "$ORIGIN/../torch/lib")
        self.assertNotIn(b"building/machine", path.read_bytes())
        self.assertEqual(subprocess.run([str(path)]).returncode, 0)

    def test_a_search_path_without_room_is_refused(self):
        path = program(self.folder, "/short")
        if path is None:
            self.skipTest("no C compiler")
        before = path.read_bytes()
        with self.assertRaisesRegex(Failure, "no room for the search path"):
            package.set_runpath(path, "$ORIGIN/../../../../torch/lib")
        self.assertEqual(path.read_bytes(), before)

    def test_libraries_and_versions_agree_with_other_tools(self):
        if shutil.which("readelf") is None:
            self.skipTest("no readelf")
        said = subprocess.run(["readelf", "-dW", PYTHON], text=True, capture_output=True).stdout
        names = [line.split("[")[1].split("]")[0] for line in said.splitlines() if "(NEEDED)" in line]
        found = elf.Elf(pathlib.Path(PYTHON).read_bytes())
        self.assertEqual(found.needed(), names)
        versions = subprocess.run(["readelf", "-VW", PYTHON], text=True, capture_output=True).stdout
        newest = max(tuple(map(int, word[len("GLIBC_"):].split("."))) for word in versions.split() if word.startswith("GLIBC_2."))
        self.assertEqual(found.newest("GLIBC"), newest)
        self.assertEqual(found.newest("NOSUCH"), (0,))

    def test_a_file_that_is_no_program_is_refused(self):
        for data in (b"", b"#!/bin/sh\n" * 20, b"\x7fELF\x01\x01" + bytes(100)):
            with self.assertRaises(elf.NotElf):
                elf.Elf(data)
        whole = pathlib.Path(PYTHON).read_bytes()
        # Within the header, within the table of segments, and after it.
        for length in (7, 60, 100, 4096):
            with self.assertRaises(elf.NotElf):
                elf.Elf(whole[:length])

    def test_libraries_that_cannot_be_listed_are_not_none(self):
        text = self.folder / "text"
        text.write_text("no program")
        with self.assertRaisesRegex(Failure, "ldd cannot list"):
            package.runtime_libraries(text)

    def test_the_tag_is_torchs_or_newer(self):
        path = program(self.folder)
        if path is None:
            self.skipTest("no C compiler")
        _, first, second, *_ = package.platform_tag([path]).split("_")
        self.assertGreaterEqual((int(first), int(second)), (2, 28))


class Wheel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def build(self):
        """A wheel whose programs are shell scripts."""
        target = self.folder / "target"
        (target / "debug").mkdir(parents=True)
        for name in ("warmstart", "warmstart-worker"):
            path = target / "debug" / name
            path.write_text('#!/bin/sh\nif [ "$1" = docs ]; then mkdir -p "$3/man/man1"; echo manual >"$3/man/man1/warmstart.1"; exit; fi\n'
                            'echo "began with $*, $LD_LIBRARY_PATH"\n')
            path.chmod(0o755)
        with mock.patch.object(package, "set_runpath"), mock.patch.object(package, "platform_tag", lambda _: "any"), \
                mock.patch.object(install, "WEIGHTS", str(self.folder)), mock.patch("sys.stdout", io.StringIO()):
            return package.wheel(target, "debug", self.folder)

    def test_the_record_lists_every_file_with_its_hash(self):
        with zipfile.ZipFile(self.build()) as archive:
            record = next(name for name in archive.namelist() if name.endswith("/RECORD"))
            rows = list(csv.reader(archive.read(record).decode().splitlines()))
            self.assertEqual([row[0] for row in rows], archive.namelist())
            for name, digest, size in rows[:-1]:
                data = archive.read(name)
                wanted = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                self.assertEqual((digest, int(size)), ("sha256=" + wanted, len(data)), name)
            self.assertEqual(rows[-1][1:], ["", ""])
            metadata = archive.read(record.replace("RECORD", "METADATA")).decode()
            self.assertIn("\nRequires-Dist: torch==2.13.*\n", metadata)
            self.assertIn("\nLicense-File: LICENSE-MIT\n", metadata)
            self.assertNotIn("](docs/", metadata)
            names = archive.namelist()
            self.assertTrue(any(name.endswith(".data/data/share/man/man1/warmstart.1") for name in names))
            self.assertIn("warmstart/tree/share/warmstart/experiments/quickstart/4-lite0-freeze.yaml", names)

    def test_the_same_build_gives_the_same_bytes(self):
        first = self.build().read_bytes()
        shutil.rmtree(self.folder / "target")
        self.assertEqual(self.build().read_bytes(), first)

    def installed(self):
        """The wheel's module as pip unpacks it."""
        packages = self.folder / "site-packages"
        with zipfile.ZipFile(self.build()) as archive:
            for entry in archive.infolist():
                path = pathlib.Path(archive.extract(entry, packages))
                path.chmod(entry.external_attr >> 16 & 0o777)
        return packages

    def run_it(self, *arguments, torch=None, elsewhere=False, **variables):
        packages = self.installed()
        places = [packages]
        if torch:
            folder = (self.folder / "other" if elsewhere else packages) / "torch"
            (folder / "lib").mkdir(parents=True)
            (folder / "lib/libtorch_cpu.so").touch()
            (folder / "version.py").write_text(f"__version__ = '{torch}'\n")
            places.append(folder.parent)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, places)), **variables}
        # Without the packages of this Python, which may include torch.
        return subprocess.run([sys.executable, "-S", "-m", "warmstart", *arguments], env=env, text=True, capture_output=True)

    def test_without_torch_it_reports_how_to_install_it(self):
        said = self.run_it("--color", "never", "train", "x")
        self.assertEqual((said.returncode, said.stdout), (4, ""))
        self.assertIn("PyTorch is not installed", said.stderr)
        self.assertIn("-m pip install 'torch==2.13.*'", said.stderr)
        self.assertNotIn("Traceback", said.stderr)

    def test_commands_that_need_no_torch_work_without_it(self):
        said = self.run_it("--checkpoints", "train", "list")
        self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "began with --checkpoints train list, \n", ""))

    def test_another_torch_version_is_reported(self):
        said = self.run_it(torch="2.9.1+cpu")
        self.assertEqual(said.returncode, 4)
        self.assertIn("PyTorch 2.9.1+cpu is installed", said.stderr)

    def test_a_wheel_for_another_release_of_torch_works_with_that_release(self):
        with mock.patch.object(package, "TORCH", "2.11.0"):
            said = self.run_it("train", torch="2.11.0+cpu")
        self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "began with train, \n", ""))

    def test_a_torch_that_the_user_names_is_left_to_the_program(self):
        said = self.run_it("--torch", "/opt/torch", "train", torch="2.9.1+cpu", elsewhere=True)
        self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "began with --torch /opt/torch train, \n", ""))

    def test_a_torch_that_the_environment_names_is_left_to_the_program(self):
        said = self.run_it("train", WARMSTART_TORCH_DIR="/opt/torch")
        self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "began with train, \n", ""))

    def test_the_right_torch_beside_it_needs_no_library_path(self):
        said = self.run_it("train", torch="2.13.1+cpu")
        self.assertEqual((said.returncode, said.stdout), (0, "began with train, \n"), said.stderr)

    def test_the_right_torch_elsewhere_is_in_the_workers_library_path(self):
        said = self.run_it("train", torch="2.13.0", elsewhere=True)
        self.assertEqual(said.stdout, f"began with train, {self.folder}/other/torch/lib\n", said.stderr)

    def test_the_command_is_found_among_options(self):
        command = launcher().command
        self.assertIsNone(command([]))
        self.assertIsNone(command(["--theme", "dark", "--ascii"]))
        self.assertEqual(command(["--experiments", "list", "train", "x"]), "train")
        self.assertEqual(command(["--experiments=list", "compare"]), "compare")
        self.assertEqual(command(["train", "--help"]), "help")

    def test_the_value_of_every_option_is_no_command(self):
        book = (SCRIPTS.parent / "docs/book/src/cli.md").read_text()
        _, general, _ = re.split(r"^## warmstart.*$", book, maxsplit=2, flags=re.M)
        options = re.findall(r"^ +(?:-\w, )?(--[\w-]+) <", general, re.M)
        self.assertIn("--log", options)
        for option in options:
            self.assertEqual(launcher().command([option, "train", "list"]), "list", option)

    def test_a_command_needs_torch_only_if_it_starts_the_worker(self):
        book = (SCRIPTS.parent / "docs/book/src/cli.md").read_text()
        known = {line.split()[2] for line in book.splitlines() if line.startswith("## warmstart ")}
        self.assertEqual(launcher().WITHOUT_TORCH - known, {"docs", "help"})
        with_torch = {"train", "resume", "look", "predict", "export", "prefetch", "verify-resume", "selftest"}
        self.assertEqual(known - launcher().WITHOUT_TORCH, with_torch)


class Archive(unittest.TestCase):
    def test_it_contains_no_user_name_and_no_time(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / "warmstart-1"
            (root / "bin").mkdir(parents=True)
            (root / "bin/x").write_text("x")
            (root / "bin/x").chmod(0o700)
            (root / "readme").write_text("y")
            paths = [pathlib.Path(folder) / name for name in ("a.tar.gz", "b.tar.gz")]
            for path in paths:
                package.pack(root, path)
                os.utime(root / "readme", (1, 1))
            self.assertEqual(paths[0].read_bytes(), paths[1].read_bytes())
            with tarfile.open(paths[0]) as archive:
                found = {entry.name: (oct(entry.mode), entry.uid, entry.uname) for entry in archive}
            self.assertEqual(found["warmstart-1/bin/x"], ("0o755", 0, "root"))
            self.assertEqual(found["warmstart-1/readme"], ("0o644", 0, "root"))


class Notes(unittest.TestCase):
    CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- This.\n\n## [1.1.0] - 2025-01-01\n\n- That.\n"

    def test_notes_are_those_of_the_version(self):
        self.assertEqual(package.notes(self.CHANGELOG, "1.2.0"), ("### Added\n\n- This.\n", "2026-01-02"))
        self.assertEqual(package.notes(self.CHANGELOG, "1.1.0")[0], "- That.\n")

    def test_a_version_without_notes_is_refused(self):
        for number in ("1.3.0", "1x2.0", "Unreleased"):
            with self.assertRaisesRegex(Failure, r"has no line `## \["):
                package.notes(self.CHANGELOG, number)


class Release(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "Cargo.toml").write_text('[workspace.package]\nversion = "1.2.0"\n')
        (self.root / "CHANGELOG.md").write_text(Notes.CHANGELOG)
        (self.root / ".gitignore").write_text("/target/\n")
        patches = [mock.patch.object(package, "ROOT", self.root), mock.patch("sys.stdout", io.StringIO())]
        patches += [mock.patch.object(package, what, self.artefact(what)) for what in ("wheel", "dist")]
        names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        for patch in [*patches, mock.patch.dict(os.environ, names)]:
            patch.start()
            self.addCleanup(patch.stop)
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "x"]):
            package.git(*words)

    @staticmethod
    def artefact(what):
        def make(_target, _profile, into):
            (into / what).write_text(what)
            return into / what

        return make

    def release(self, profile="release"):
        package.release(self.root / "target", profile, self.root / "target/dist")

    def test_it_makes_artefacts_checksums_notes_and_a_tag(self):
        self.release()
        folder = self.root / "target/dist/v1.2.0"
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["NOTES.md", "SHA256SUMS", "dist", "wheel"])
        self.assertEqual((folder / "NOTES.md").read_text(), "### Added\n\n- This.\n")
        for line in (folder / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            self.assertEqual(digest, hashlib.sha256((folder / name).read_bytes()).hexdigest())
        message = package.git("tag", "--list", "--format=%(contents)", "v1.2.0")
        self.assertTrue(message.endswith((folder / "NOTES.md").read_text().strip()), message)
        self.assertEqual(package.git("remote"), "")

    def refused(self, why, **how):
        with self.assertRaisesRegex(Failure, why):
            self.release(**how)
        self.assertEqual(package.git("tag", "--list"), "")

    def test_uncommitted_changes_are_refused(self):
        (self.root / "x").touch()
        self.refused("not committed")

    def test_a_version_without_a_changelog_section_is_refused(self):
        (self.root / "Cargo.toml").write_text('version = "1.3.0"\n')
        package.git("commit", "--quiet", "--all", "--message", "y")
        self.refused("has no line")

    def test_a_folder_without_git_is_refused_with_gits_reason(self):
        shutil.rmtree(self.root / ".git")
        with mock.patch.dict(os.environ, {"GIT_CEILING_DIRECTORIES": str(self.root.parent), "LC_ALL": "C"}):
            with self.assertRaisesRegex(Failure, "git status: .*not a git repository"):
                self.release()

    def test_a_debug_build_is_refused(self):
        self.refused("not of debug", profile="debug")

    def test_a_version_is_released_once(self):
        self.release()
        with self.assertRaisesRegex(Failure, "v1.2.0 exists already"):
            self.release()


if __name__ == "__main__":
    unittest.main()
