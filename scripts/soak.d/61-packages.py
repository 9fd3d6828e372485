#!/usr/bin/env python3
"""The wheel and the archive, installed like a user without a compiler installs them.

    scripts/soak.d/61-packages.py

The archive is unpacked into an empty root folder with only glibc. A user who owns nothing but one folder runs it there. The wheel
is installed into fresh virtual environments, without PyTorch and with it: pip downloads PyTorch from PyPI (3 GB).
WARMSTART_PROFILE=debug packs the debug build. Needs Linux and root, or user namespaces. Standard library only.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILE = "dev" if os.environ.get("WARMSTART_PROFILE") == "debug" else "release"
NOBODY = 65534
GLIBC = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1")
QUICKSTART = ("1-lite0-original", "2-lite0-resized", "3-resnet18-scratch", "4-lite0-freeze", "5-lite0-finetune")


def figure(name, what, value, target, good):
    print(f"FIGURE {name}\t{what}\t{value}\t{target}\t{'ok' if good else 'UNDER'}", flush=True)
    return good


def make(what, ending):
    """The package that `make` builds."""
    subprocess.run(["make", "--no-print-directory", "-C", str(ROOT), what, f"PROFILE={PROFILE}"], check=True, stdout=sys.stderr)
    folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "dist"
    return max(folder.glob(f"*{ending}"), key=lambda path: path.stat().st_mtime)


def empty_root(root, program):
    """A root folder with the C library, devices, and the content of the archive."""
    loader = pathlib.Path(re.search(r"(/\S*ld-linux\S*)", subprocess.run(["ldd", program], text=True, capture_output=True).stdout).group(1))
    libc = pathlib.Path(subprocess.run(["ldd", program], text=True, capture_output=True).stdout.split("libc.so.6 => ")[1].split()[0])
    for folder in (loader.parent, libc.parent):
        for name in GLIBC:
            if (folder / name).exists():
                goal = root / str(folder / name).lstrip("/")
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(os.path.realpath(folder / name), goal)
                goal.chmod(0o755)
    for name in ("proc", "dev", "tmp", "runs"):
        (root / name).mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "runs").chmod(0o777)


def in_root(root, *command):
    """Runs a command as nobody, with the folder as its root and an empty environment."""
    script = """set -e
mount -t proc proc "$1/proc"
for device in null zero urandom random; do touch "$1/dev/$device"; mount --bind "/dev/$device" "$1/dev/$device"; done
root=$1; user=$2; shift 2
exec env -i "$(command -v chroot)" $user "$root" "$@"
"""
    is_root = os.getuid() == 0
    spaces = ["unshare", "--mount", "--pid", "--fork"] + ([] if is_root else ["--user", "--map-root-user"])
    user = f"--userspec={NOBODY}:{NOBODY}" if is_root else "--"
    return subprocess.run([*spaces, "sh", "-c", script, "-", str(root), user, *command], text=True, capture_output=True)


def archive():
    packed = make("dist", ".tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "root"
        (root / "opt").mkdir(parents=True)
        subprocess.run(["tar", "-xf", str(packed), "-C", str(root / "opt"), "--no-same-owner"], check=True)
        name = packed.name[: -len(".tar.gz")]
        empty_root(root, root / "opt" / name / "bin/warmstart")
        pathlib.Path(folder).chmod(0o755)
        # The folder may be anywhere: it moves once between two runs.
        shown = []
        for place in ("opt/" + name, "moved"):
            if place == "moved":
                os.rename(root / "opt" / name, root / place)
            said = in_root(root, f"/{place}/bin/warmstart", "--checkpoints", f"/runs/{place.replace('/', '-')}", "train", "lite0-freeze",
                           "--set", "train.epochs=2", "--json", "--quiet")
            print(said.stdout + said.stderr, file=sys.stderr)
            shown.append(said.returncode)
    return figure("F2", f"archive ({packed.stat().st_size / 1e6:.0f} MB) in a root with glibc alone, as another user, unpacked and then moved: "
                  "exit codes of training", ", ".join(map(str, shown)), "0, 0", shown == [0, 0])


def wheel():
    packed = make("wheel", ".whl")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        env = {"HOME": folder, "PATH": os.environ["PATH"], **{name: value for name, value in os.environ.items() if name.startswith("PIP_")}}

        def run(*command):
            return subprocess.run(list(map(str, command)), cwd=folder, env=env, text=True, capture_output=True)

        run(sys.executable, "-m", "venv", place / "bare")
        run(place / "bare/bin/pip", "install", "--quiet", "--no-deps", packed)
        said = run(place / "bare/bin/warmstart", "train", "lite0-freeze")
        helps = said.returncode == 4 and "pip install 'torch==" in said.stderr and run(place / "bare/bin/warmstart", "list").returncode == 0
        good &= figure("F1", "wheel without PyTorch: says so and how to get it; what needs none works", said.stderr.split("\n")[0][:80] or "nothing",
                       "a clear sentence", helps)

        began = time.monotonic()
        run(sys.executable, "-m", "venv", place / "full")
        installed = run(place / "full/bin/pip", "install", "--quiet", packed)
        waited = time.monotonic() - began
        doctor = run(place / "full/bin/warmstart", "doctor", "--json")
        print(installed.stderr, doctor.stdout[:2000], doctor.stderr, file=sys.stderr)
        worker = json.loads(doctor.stdout or "{}").get("worker") or {}
        good &= figure("F1", "wheel with PyTorch from pip: the worker's libtorch", worker.get("libtorch", "none"), "2.13.0",
                       worker.get("libtorch") == "2.13.0")
        library = str((worker.get("cuda") or {}).get("library", "none"))
        good &= figure("F1", "the same: CUDA libraries", library[:60], "loaded", library == "loaded")
        trained = run(place / "full/bin/warmstart", "train", "--quiet", *QUICKSTART)
        print(trained.stdout, trained.stderr, file=sys.stderr)
        total = time.monotonic() - began
        good &= figure("F1", f"from the wheel to a trained quickstart, {waited:.0f} s of them pip's", f"{total:.0f} s",
                       "≤ 300 s", trained.returncode == 0 and total <= 300)
    return good


if __name__ == "__main__":
    sys.exit(0 if archive() & wheel() else 1)
