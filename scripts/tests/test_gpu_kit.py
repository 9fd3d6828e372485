"""The kit for GPU machines: packing, unpacking, the link to the installed torch, exit codes. Its programs are shell scripts here."""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "scripts/gpu")]
import check
import gpu_kit

WARMSTART = """#!/bin/sh
test -e libtorch/libtorch_cpu.so || { echo "libtorch is not linked" >&2; exit 1; }
case "$*" in
  selftest*) echo '{"passed": %(passed)s, "checks": [{"name": "device", "case": "cpu", "verdict": "%(verdict)s", "text": "", "seconds": 0}]}' ;;
  *) echo '[{"run": "1"}]' ;;
esac
exit %(code)d
"""


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


class Kit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def build(self, good=True):
        programs = self.folder / "programs"
        programs.mkdir()
        answers = {"passed": "true", "verdict": "passed", "code": 0} if good else {"passed": "false", "verdict": "failed", "code": 1}
        script(programs / "warmstart", WARMSTART % answers)
        script(programs / "warmstart-worker", "#!/bin/sh\necho '{}'\n")
        with contextlib.redirect_stdout(io.StringIO()):
            gpu_kit.main(["--programs", str(programs), "--release", "2.11", "--out", str(self.folder / "kit")])

    def torch(self, version):
        """A folder that looks like an installed torch's libraries."""
        libraries = self.folder / "torch/lib"
        libraries.mkdir(parents=True)
        (libraries / "libtorch_cpu.so").touch()
        (libraries.parent / "version.py").write_text("__version__ = '%s'\n" % version)
        return libraries

    def check(self, libraries, *options):
        command = [sys.executable, self.folder / "kit/check.py", "--device", "cpu", "--small", "--torch", libraries,
                   "--out", self.folder / "results", "--parts", "selftest,quickstart", *options]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder)

    def test_kit_unpacks_links_and_passes(self):
        self.build()
        self.assertFalse((self.folder / "kit/warmstart").exists())
        checked = self.check(self.torch("2.11.0+cu130"))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertTrue(os.access(self.folder / "kit/warmstart", os.X_OK))
        found = json.loads((self.folder / "results/gpu.json").read_text())
        self.assertTrue(found["selftest"]["passed"])
        self.assertEqual(found["quickstart"]["runs"], [{"run": "1"}])
        self.assertIn("1 passed, 0 failed", (self.folder / "results/gpu.md").read_text())

    def test_a_folder_of_torch_counts_from_where_the_check_was_started(self):
        self.build()
        checked = self.check(os.path.relpath(self.torch("2.11.0"), self.folder))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

    def test_half_a_program_never_has_its_name(self):
        self.build()
        kit = self.folder / "kit"
        for packed in kit.glob("*.xz"):
            packed.write_bytes(packed.read_bytes()[:-1])
        with mock.patch.object(check, "HERE", kit), self.assertRaises(EOFError):
            check.unpack()
        self.assertFalse((kit / "warmstart").exists() or (kit / "warmstart-worker").exists())

    def test_waits_for_the_gpu_are_counted(self):
        compile = lambda name, text, *options: subprocess.run(  # noqa: E731
            ["cc", "-x", "c", "-", "-o", self.folder / name, *options], input=text, text=True, check=True)
        self.build()
        runtime = "".join("int %s { return %d; }\n" % call for call in (
            ("cudaStreamSynchronize(void *s)", 11), ("cudaEventSynchronize(void *e)", 12), ("cudaDeviceSynchronize(void)", 13),
            ("cudaMemcpy(void *t, const void *f, unsigned long n, int k)", 14)))
        compile("libcudart.so.13", runtime, "-shared", "-fPIC", "-Wno-unused-parameter")
        # As libtorch, which binds to the runtime, and a program that loads it while it runs.
        torch = """int cudaStreamSynchronize(void *); int cudaEventSynchronize(void *);
            int cudaMemcpy(void *, const void *, unsigned long, int);
            int step(void) { int x; return cudaStreamSynchronize(0) + cudaEventSynchronize(0) + cudaEventSynchronize(0)
                + cudaMemcpy(&x, &x, sizeof x, 0); }"""
        compile("libtorch_like.so", torch, "-shared", "-fPIC", "-L%s" % self.folder, "-l:libcudart.so.13", "-Wl,-rpath,%s" % self.folder)
        program = """#include <dlfcn.h>
            int main(int n, char **a) { void *torch = dlopen(a[1], RTLD_NOW | RTLD_LOCAL);
                return ((int (*)(void))dlsym(torch, "step"))() == 11 + 12 + 12 + 14 ? 0 : 1; }"""
        compile("worker", program, "-ldl")
        counts = self.folder / "counts"
        counts.mkdir()
        environment = dict(os.environ, LD_PRELOAD=str(self.folder / "kit/libwaits.so"), WAITS=str(counts))
        subprocess.run([self.folder / "worker", self.folder / "libtorch_like.so"], env=environment, check=True)
        written = [file.read_text().split() for file in counts.iterdir()]
        self.assertIn(["worker", "1", "2", "0", "1"], written)

    def test_failed_check_exits_with_1(self):
        self.build(good=False)
        checked = self.check(self.torch("2.11.0"))
        self.assertEqual(checked.returncode, 1)
        self.assertIn("failed: selftest", checked.stdout)

    def test_other_torch_is_refused_before_anything_runs(self):
        self.build()
        checked = self.check(self.torch("2.13.0"))
        self.assertNotEqual(checked.returncode, 0)
        self.assertIn("this kit is built for torch 2.11", checked.stderr)
        self.assertFalse((self.folder / "results").exists())

    def test_a_part_that_does_not_exist_is_refused_before_anything_runs(self):
        self.build()
        checked = self.check(self.torch("2.11.0"), "--parts", "quickstart,self-test")
        self.assertNotEqual(checked.returncode, 0)
        self.assertIn("self-test", checked.stderr)
        self.assertFalse((self.folder / "results").exists())

    def test_a_speed_that_could_not_be_measured_is_a_failure_in_the_report(self):
        failed = {"name": "speed", "case": "resnet50", "verdict": "failed", "text": "out of memory", "seconds": 1.0}
        found = {"card": "CPU", "date": "2026-01-01", "device": "cpu", "selftest": {"checks": [failed]}}
        report = check.markdown(found)
        self.assertIn("speed resnet50: out of memory", report)
        self.assertNotIn("|", report)

    def test_speeds_are_one_table_with_a_head_and_failures_say_why(self):
        row = {"case": "resnet18,64", "images_per_second": 9.0, "torch": "2.11", "timm": "1.0"}
        found = {"card": "CPU", "date": "2026-01-01", "device": "cpu", "peers": {"rows": [row], "error": "out of memory"}}
        for checks in ([], [{"name": "speed", "case": "own", "verdict": "passed", "value": 8.0, "text": ""}]):
            lines = check.markdown(dict(found, selftest={"checks": checks})).splitlines()
            table = [number for number, line in enumerate(lines) if line.startswith("|")]
            self.assertEqual(len(table), 2 + len(checks) + 1)
            self.assertEqual(table, list(range(table[0], table[-1] + 1)))
            self.assertRegex(lines[table[1]], "^[|:-]+$")
        with mock.patch.object(check, "said", return_value=("", "", 124)):
            self.assertIn("time limit", check.peers("cpu", [])["error"])
            self.assertIn("time limit", check.selftest("cpu", [])["error"])

    def test_compiler_may_have_a_wrapper(self):
        with mock.patch.dict(os.environ, CC="env cc"):
            self.build()
        self.assertTrue((self.folder / "kit/libwaits.so").is_file())

    def test_another_folder_is_not_replaced_by_a_kit(self):
        own = self.folder / "kit/own.txt"
        own.parent.mkdir()
        own.write_text("mine")
        with self.assertRaisesRegex(gpu_kit.Failure, "no kit"):
            self.build()
        self.assertEqual(own.read_text(), "mine")

    def test_a_kit_is_replaced_by_the_next(self):
        self.build()
        programs = ["--programs", str(self.folder / "programs"), "--release", "2.13", "--out", str(self.folder / "kit")]
        with contextlib.redirect_stdout(io.StringIO()):
            gpu_kit.main(programs)
        self.assertEqual((self.folder / "kit/torch-version").read_text(), "2.13\n")

    def test_kit_above_its_limit_is_refused_and_leaves_no_kit(self):
        with mock.patch.object(gpu_kit, "MOST", 1000), self.assertRaisesRegex(gpu_kit.Failure, "more than"):
            self.build()
        self.assertFalse((self.folder / "kit").exists())


if __name__ == "__main__":
    unittest.main()
