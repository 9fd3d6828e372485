"""Set-up of libtorch with tiny wheels in a folder instead of PyPI: what it installs, repairs and refuses."""

import contextlib
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zipfile
from unittest import mock

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, SCRIPTS)
import install  # noqa: E402
import setup_libtorch as sl  # noqa: E402
from torch_releases import RELEASES  # noqa: E402

FIND_PIP = sl.find_pip
TORCH = {
    "torch/lib/libc10.so": "c10",
    "torch/lib/libtorch_cpu.so": "cpu",
    "torch/lib/libgomp.so.1": "gomp",
    "torch/lib/libtorch_cuda.so": "cuda",
    "torch/lib/libtorch.so": "all",
    "torch/lib/libtorch_python.so": "python",
    "torch/lib/libshm/alloc_info.h": "no",
    "torch/include/torch/script.h": "header",
    "torch/nn/modules/linear.py": "no",
    "torch-2.13.0.dist-info/licenses/LICENSE": "licence",
}
CUDART = {"nvidia/cu13/lib/libcudart.so.13": "cudart", "nvidia/cu13/lib/libcudart_static.a": "no", "nvidia/cu13/include/cuda.h": "no"}
CUDNN = {"nvidia/cudnn/lib/libcudnn.so.9": "cudnn"}


def wheel(folder, name, files):
    """A wheel that pip accepts, and its line in the list of pins."""
    package, version = name.split("-")[:2]
    info = "%s-%s.dist-info/" % (package, version)
    files = dict(files)
    files[info + "METADATA"] = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (package, version)
    files[info + "WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n"
    files[info + "RECORD"] = ""
    path = os.path.join(folder, name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for member in sorted(files):
            z.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), files[member])
    with open(path, "rb") as f:
        data = f.read()
    return name, hashlib.sha256(data).hexdigest(), len(data)


@unittest.skipUnless(platform.system() == "Linux" and platform.libc_ver()[0] == "glibc", "the pins tried here are Linux's")
class WithWheels(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.index = os.path.join(self.folder, "index")
        os.mkdir(self.index)
        self.torch = wheel(self.index, "torch-2.13.0-py3-none-any.whl", TORCH)
        lean = [self.torch, wheel(self.index, "nvidia_cuda_runtime-13.0.96-py3-none-any.whl", CUDART)]
        more = [wheel(self.index, "nvidia_cudnn_cu13-9.20.0.48-py3-none-any.whl", CUDNN)]
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        self.patch(sl, CUDA_BASE={machine: lean}, CUDA_MORE={machine: more}, gpu_seen=lambda: False)
        self.patch(sl, UNPACKED={"lean": 0, "full": 0, "macos": 0})
        self.at(os.path.join(self.folder, "project"))
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "LIBTORCH", "WARMSTART_"))}
        keep.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=self.index, PIP_CONFIG_FILE=os.devnull)
        self.pip_download = sl.pip_download
        self.patch(sl, pip_download=self.copy, find_pip=lambda: ["no pip"])
        patcher = mock.patch.dict(os.environ, keep, clear=True)
        patcher.start()
        self.addCleanup(patcher.stop)

    def patch(self, module, **names):
        patcher = mock.patch.multiple(module, **names)
        patcher.start()
        self.addCleanup(patcher.stop)

    def copy(self, _pip, line, into, *_):
        """Replaces pip, which takes a second to start."""
        shutil.copy(os.path.join(self.index, line[0]), into)

    def with_real_pip(self):
        self.patch(sl, pip_download=self.pip_download, find_pip=FIND_PIP)

    def at(self, root):
        """Moves the project to `root`."""
        os.makedirs(root, exist_ok=True)
        venv = os.path.join(root, ".venv")
        self.root = root
        self.patch(sl, ROOT=root, VENV=venv, DOWNLOADS=os.path.join(venv, "downloads"), LIBTORCH=os.path.join(root, ".libtorch"))

    def setup_says(self, **environ):
        with mock.patch.dict(os.environ, environ), contextlib.redirect_stdout(io.StringIO()) as out:
            with contextlib.redirect_stderr(io.StringIO()):
                sl.setup()
        return out.getvalue()

    def refused(self, why, **environ):
        with self.assertRaisesRegex(sl.Failure, why):
            self.setup_says(**environ)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as f:
            return f.read()

    def unpacked(self):
        return sorted(d for d in os.listdir(sl.VENV) if d.startswith("libtorch-"))

    def link_env(self):
        pairs = [line.split("=", 1) for line in self.read(".libtorch/link.env").splitlines()]
        return {key: [v for k, v in pairs if k == key] for key, _ in pairs}

    def test_lean_set(self):
        self.with_real_pip()
        self.assertIn("lean", self.setup_says())
        for name, text in (("libc10.so", "c10"), ("libtorch_cpu.so", "cpu"), ("libgomp.so.1", "gomp")):
            self.assertEqual(self.read(".libtorch/lib/" + name), text)
        self.assertEqual(self.read(".libtorch/lib/libtorch.so"), "INPUT(libtorch_cpu.so libc10.so)\n")
        self.assertEqual(self.read(".libtorch/include/torch/script.h"), "header")
        self.assertEqual(self.read(".libtorch/build-version"), "2.13.0\n")
        (folder,) = self.unpacked()
        folder = os.path.join(sl.VENV, folder)
        env = self.link_env()
        self.assertEqual(env["rpath"], [os.path.join(folder, "torch/lib")])
        self.assertEqual(env["torch_lib"], env["rpath"])
        self.assertEqual(env["rpath_link"], [os.path.join(folder, "nvidia/cu13/lib")])
        self.assertEqual(env["cuda"], ["none"])
        self.assertEqual(sorted(os.listdir(os.path.join(folder, "torch/lib"))), ["libc10.so", "libgomp.so.1", "libtorch_cpu.so"])
        self.assertEqual(os.listdir(os.path.join(folder, "nvidia/cu13/lib")), ["libcudart.so.13"])
        self.assertTrue(os.path.exists(os.path.join(folder, "torch-2.13.0.dist-info/licenses/LICENSE")))
        self.assertFalse(os.path.exists(sl.DOWNLOADS))

    def test_a_second_set_up_changes_nothing(self):
        self.setup_says()
        before = {p: os.lstat(os.path.join(self.root, ".libtorch", p)).st_mtime_ns for p in ("lib", "link.env", "lib/libtorch.so")}
        with mock.patch.object(sl, "find_pip", side_effect=AssertionError("pip is not needed")):
            self.setup_says()
        for path, when in before.items():
            self.assertEqual(os.lstat(os.path.join(self.root, ".libtorch", path)).st_mtime_ns, when, path)

    def test_full_set_by_choice_or_by_gpu_and_back(self):
        self.setup_says(WARMSTART_CUDA="1")
        self.assertEqual(self.link_env()["cuda"], ["full"])
        self.assertEqual([os.path.basename(os.path.dirname(p)) for p in self.link_env()["rpath_link"]], ["cu13", "cudnn"])
        self.assertFalse(os.path.exists(os.path.join(self.root, ".libtorch/lib/libtorch_cuda.so")))
        self.assertTrue(os.path.exists(os.path.join(self.link_env()["torch_lib"][0], "libtorch_cuda.so")))
        self.setup_says()
        self.assertEqual(self.link_env()["cuda"], ["full"], "a node without a GPU keeps what a shared checkout has")
        self.setup_says(WARMSTART_CUDA="0")
        self.assertEqual(self.link_env()["cuda"], ["none"])
        self.assertEqual(len(self.unpacked()), 1)
        with mock.patch.object(sl, "gpu_seen", lambda: True):
            self.setup_says()
        self.assertEqual(self.link_env()["cuda"], ["full"])
        self.refused("WARMSTART_CUDA is 'maybe'", WARMSTART_CUDA="maybe")

    def test_a_moved_project_is_repaired_without_a_download(self):
        self.setup_says()
        moved = os.path.join(self.folder, "moved here")
        os.rename(self.root, moved)
        self.at(moved)
        self.assertEqual(self.read(".libtorch/lib/libc10.so"), "c10", "the links move along")
        with mock.patch.object(sl, "find_pip", side_effect=AssertionError("pip is not needed")):
            self.setup_says()
        self.assertTrue(self.link_env()["rpath"][0].startswith(moved + "/"))

    def test_damage_is_detected_and_repaired(self):
        self.setup_says()
        (folder,) = self.unpacked()
        for harm in (
            lambda: os.unlink(os.path.join(sl.VENV, folder, "torch/lib/libc10.so")),
            lambda: open(os.path.join(sl.VENV, folder, "torch/lib/libtorch_cpu.so"), "w").close(),
            lambda: open(os.path.join(sl.VENV, folder, "manifest.json"), "w").close(),
            lambda: os.unlink(os.path.join(self.root, ".libtorch/lib/libtorch.so")),
            lambda: os.unlink(os.path.join(self.root, ".libtorch/include")),
            lambda: shutil.rmtree(os.path.join(self.root, ".libtorch")),
        ):
            harm()
            self.setup_says()
            self.assertEqual(self.read(".libtorch/lib/libtorch_cpu.so"), "cpu")
            self.assertEqual(self.read(".libtorch/lib/libc10.so"), "c10")
            self.assertEqual(self.read(".libtorch/include/torch/script.h"), "header")
            self.assertEqual(self.read(".libtorch/lib/libtorch.so"), "INPUT(libtorch_cpu.so libc10.so)\n")

    def test_an_interruption_at_any_step_leaves_no_folder_that_looks_complete(self):
        """Fails at the n-th step of unpacking and linking, for every n; then continues with what is there."""
        stops = 0
        for n in range(1, 100):
            shutil.rmtree(self.root)
            os.makedirs(self.root)
            calls = [0]

            def step(real, *arguments, calls=calls, n=n, **more):
                calls[0] += 1
                if calls[0] == n:
                    raise KeyboardInterrupt
                return real(*arguments, **more)

            spied = [(os, "makedirs"), (os, "rename"), (os, "replace"), (os, "symlink"), (zipfile.ZipFile, "open"), (shutil, "rmtree")]
            with contextlib.ExitStack() as stack:
                for module, name in spied:
                    real = getattr(module, name)
                    stack.enter_context(mock.patch.object(module, name, lambda *a, real=real, **k: step(real, *a, **k)))
                try:
                    self.setup_says()
                    finished = True
                except KeyboardInterrupt:
                    finished = False
            if finished:
                break
            stops += 1
            name, wheels, _ = sl.wanted(os.environ, lambda *_: False)
            folder = sl.folder_of(name, wheels)
            if sl.complete(folder) and sl.laid_out(sl.layout(name, folder)):
                self.assertEqual(self.read(".libtorch/lib/libtorch_cpu.so"), "cpu")
            self.setup_says()
            self.assertEqual(self.read(".libtorch/lib/libtorch_cpu.so"), "cpu")
            if stops >= 25:
                break
        self.assertGreaterEqual(stops, 20)

    def test_two_set_ups_at_once(self):
        out, errors = io.StringIO(), []

        def one():
            try:
                sl.setup()
            except BaseException as e:  # noqa: B902
                errors.append(e)

        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            fetched, real = [], sl.pip_download

            def slowly(*arguments, **more):
                fetched.append(arguments[1][0])
                time.sleep(0.2)
                return real(*arguments, **more)

            with mock.patch.object(sl, "pip_download", slowly):
                threads = [threading.Thread(target=one) for _ in range(3)]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join()
        self.assertEqual(errors, [])
        self.assertEqual(len(fetched), 2, "each wheel once")
        self.assertEqual(self.read(".libtorch/lib/libtorch_cpu.so"), "cpu")

    def test_a_file_that_is_not_the_pinned_one_is_refused(self):
        self.with_real_pip()
        wheel(self.index, self.torch[0], dict(TORCH, **{"torch/lib/libtorch_cpu.so": "evil"}))
        self.refused("not the pinned one")
        self.assertEqual(self.unpacked(), [])
        self.assertFalse(os.path.exists(sl.LIBTORCH))

    def test_a_downloaded_wheel_is_not_downloaded_twice(self):
        self.with_real_pip()
        missing = os.path.join(self.index, "nvidia_cuda_runtime-13.0.96-py3-none-any.whl")
        os.rename(missing, missing + ".away")
        self.refused("no such file")
        self.assertIn(self.torch[0], os.listdir(sl.DOWNLOADS))
        os.rename(missing + ".away", missing)
        os.unlink(os.path.join(self.index, self.torch[0]))
        self.setup_says()
        self.assertEqual(self.read(".libtorch/lib/libtorch_cpu.so"), "cpu")

    def test_a_damaged_wheel_is_downloaded_again(self):
        os.makedirs(sl.DOWNLOADS)
        with open(os.path.join(sl.DOWNLOADS, self.torch[0]), "wb") as f:
            f.write(bytes(self.torch[2]))
        self.setup_says()
        self.assertEqual(self.read(".libtorch/lib/libtorch_cpu.so"), "cpu")

    def test_paths_out_of_the_folder_are_refused(self):
        bad = wheel(self.index, "torch-2.13.0-py3-none-any.whl", dict(TORCH, **{"torch/lib/../../../../escaped.so": "x"}))
        with mock.patch.object(sl, "keep", lambda *_: True):
            self.patch(sl, CUDA_BASE={m: [bad] for m in sl.CUDA_BASE})
            self.refused("holds the path")
        self.assertFalse(any("escaped" in f for _, _, files in os.walk(self.folder) for f in files))

    def test_a_full_disk_is_reported(self):
        self.patch(sl, UNPACKED={"lean": 1 << 60, "full": 0, "macos": 0})
        self.refused("free on the disk")

    def test_installing_and_uninstalling(self):
        self.setup_says()
        release = os.path.join(self.root, "target", "release")
        os.makedirs(release)
        for name in ("warmstart", "warmstart-worker"):
            with open(os.path.join(release, name), "w", encoding="utf-8") as f:
                f.write('#!/bin/sh\nmkdir -p "$3/man/man1" && echo manual >"$3/man/man1/warmstart.1"\n')
            os.chmod(os.path.join(release, name), 0o755)
        os.makedirs(os.path.join(self.root, "experiments", "quickstart"))
        for name in ("a.yaml", "quickstart/b.yaml", "quickstart/notes.txt"):
            with open(os.path.join(self.root, "experiments", name), "w", encoding="utf-8") as f:
                f.write(name)
        self.patch(
            install, ROOT=self.root, EXPERIMENTS=os.path.join(self.root, "experiments"), WEIGHTS=os.path.join(self.root, ".weights")
        )
        stage = os.path.join(self.folder, "stage")
        root = stage + "/usr/local"

        def do(action):
            with contextlib.redirect_stdout(io.StringIO()):
                install.main([action, "--prefix", "/usr/local", "--destdir", stage, "--target", os.path.join(self.root, "target")])

        def files():
            return sorted(os.path.relpath(os.path.join(at, f), root) for at, _, names in os.walk(root) for f in names)

        do("install")
        expected = [
            "bin/warmstart",
            "lib/warmstart/installed.txt",
            "lib/warmstart/libtorch/libc10.so",
            "lib/warmstart/libtorch/libcudart.so.13",
            "lib/warmstart/libtorch/libgomp.so.1",
            "lib/warmstart/libtorch/libtorch_cpu.so",
            "lib/warmstart/warmstart-worker",
            "share/man/man1/warmstart.1",
            "share/warmstart/experiments/a.yaml",
            "share/warmstart/experiments/quickstart/b.yaml",
        ]
        self.assertEqual(files(), expected)
        self.assertTrue(os.access(root + "/lib/warmstart/warmstart-worker", os.X_OK))
        os.unlink(os.path.join(self.root, "experiments", "a.yaml"))
        own = root + "/share/warmstart/experiments/mine.yaml"
        with open(own, "w", encoding="utf-8") as f:
            f.write("mine")
        do("install")
        expected.remove("share/warmstart/experiments/a.yaml")
        self.assertEqual(files(), sorted(expected + ["share/warmstart/experiments/mine.yaml"]))
        do("uninstall")
        self.assertEqual(files(), ["share/warmstart/experiments/mine.yaml"])
        self.assertEqual(sorted(os.listdir(root)), ["bin", "lib", "share"])
        do("uninstall")


class UsersOwn(unittest.TestCase):
    def make(self, folder, version):
        os.makedirs(os.path.join(folder, "lib"))
        os.makedirs(os.path.join(folder, "include"))
        name = "libtorch_cpu.dylib" if platform.system() == "Darwin" else "libtorch_cpu.so"
        open(os.path.join(folder, "lib", name), "w").close()
        if version:
            with open(os.path.join(folder, "build-version"), "w", encoding="utf-8") as f:
                f.write(version + "\n")

    def test_a_libtorch_of_the_user_is_checked(self):
        self.assertIsNone(sl.users_own({}))
        self.assertIsNone(sl.users_own({"LIBTORCH": sl.LIBTORCH}))
        self.assertIn("Nothing was downloaded", sl.users_own({"LIBTORCH_USE_PYTORCH": "1"}))
        for version, why in (("2.13.0+cpu", None), ("2.13.0", None), ("2.11.0+cu128", "is version 2.11.0"), (None, "does not say")):
            with tempfile.TemporaryDirectory() as folder:
                self.make(folder, version)
                if why is None:
                    self.assertIn(folder, sl.users_own({"LIBTORCH": folder}))
                else:
                    with self.assertRaisesRegex(sl.Failure, why):
                        sl.users_own({"LIBTORCH": folder})
                    self.assertIn(folder, sl.users_own({"LIBTORCH": folder, "LIBTORCH_BYPASS_VERSION_CHECK": "1"}))
        for value in ("/nowhere/at/all", "relative"):
            with self.assertRaises(sl.Failure):
                sl.users_own({"LIBTORCH": value})


class Messages(unittest.TestCase):
    def test_a_password_of_the_package_index_is_not_shown(self):
        with mock.patch.dict(os.environ, PIP_INDEX_URL="https://ann:secret@mirror.example/simple"):
            for said in ("", "No matching distribution"):
                text = sl.explain_pip(said, "torch.whl", False)
                self.assertIn("https://mirror.example/simple", text)
                self.assertNotIn("secret", text)


class Pins(unittest.TestCase):
    def test_every_wheel_is_pinned_once_and_for_its_own_platform(self):
        for choice, release in RELEASES.items():
            self.assertTrue(release.version.startswith(choice + "."))
            for machine in release.base:
                wheels = release.base[machine] + release.cuda[machine]
                self.assertEqual(len({w[0].split("-")[0] for w in wheels}), len(wheels))
                self.assertEqual(wheels[0][0].split("-")[:2], ["torch", release.version])
                for name, sha, size in wheels:
                    self.assertTrue(name.endswith("_%s.whl" % machine), name)
                    self.assertRegex(sha, "^[0-9a-f]{64}$")
                    self.assertGreater(size, 100000)
            versions = [[w[0].split("-")[:2] for w in release.base[m] + release.cuda[m]] for m in ("x86_64", "aarch64")]
            self.assertEqual(*versions)

    def test_an_unknown_release_is_refused(self):
        script = os.path.join(sl.ROOT, "scripts/setup_libtorch.py")
        done = subprocess.run([sys.executable, script, "--status"], env=dict(os.environ, WARMSTART_TORCH="1.0"), capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("It can be 2.13 or 2.11", done.stderr)

    def test_systems_without_a_libtorch_are_refused(self):
        for system, machine in (("Windows", "AMD64"), ("Darwin", "x86_64"), ("Linux", "riscv64")):
            with mock.patch.object(platform, "system", lambda s=system: s), mock.patch.object(platform, "machine", lambda m=machine: m):
                with self.assertRaisesRegex(sl.Failure, "set LIBTORCH"):
                    sl.wanted({}, lambda *_: False)
        with mock.patch.object(platform, "libc_ver", lambda: ("", "")), mock.patch.object(platform, "system", lambda: "Linux"):
            with self.assertRaisesRegex(sl.Failure, "glibc 2.28"):
                sl.wanted({}, lambda *_: False)


if __name__ == "__main__":
    unittest.main()
