#!/usr/bin/env python3
"""Bring libtorch 2.13 into this project, for `cargo build --workspace`.

    python3 scripts/setup_libtorch.py              set up (quick when nothing is to do)
    python3 scripts/setup_libtorch.py --status     say what is there, change nothing
    python3 scripts/setup_libtorch.py --copy-libs DIR
                                                   copy the shared libraries, flat, for `make install`

libtorch comes from the PyPI wheel of torch and, where it needs them, NVIDIA's wheels: every one pinned by version and
SHA-256 below, fetched by pip and unpacked under `.venv/`. Nothing outside the project is written, no Python is changed.
Of each wheel only what a C++ program needs is unpacked: libraries, headers and licences.

    .venv/downloads/          wheels while they are needed; deleted once they are unpacked
    .venv/libtorch-.../       the unpacked libraries; the folder has this name only once it is complete
    .libtorch/                what torch-sys sees as LIBTORCH: lib/ (links), include, build-version
    .libtorch/link.env        for the engine's build script: rpath=, rpath_link= (0 or more), cuda=full|none, torch_lib=

Environment:
    WARMSTART_CUDA=1 or 0     the full CUDA libraries (3.8 GB, 6.5 GB while setting up), or the lean CPU set (0.5 GB). Default: full if a GPU is seen
    LIBTORCH=DIR              use this libtorch 2.13 instead; nothing is fetched
    PIP_INDEX_URL, PIP_FIND_LINKS, PIP_NO_INDEX, PIP_PROXY, ...   mean what pip says they mean

Standard library only; Python 3.8 or newer. The wheels do not depend on the version of the Python that runs this.
"""

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

VERSION = "2.13.0"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
DOWNLOADS = os.path.join(VENV, "downloads")
LIBTORCH = os.path.join(ROOT, ".libtorch")
# Raise this when the rules of what is unpacked change: an older folder then no longer counts.
LAYOUT = 1

# file name of the wheel, its SHA-256, its size in bytes. The name holds package, version and platform.
CUDA_BASE = {
    "x86_64": [
        ("torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl", "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b", 526605292),
        ("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", 2243632),
        ("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl", "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", 10715597),
    ],
    "aarch64": [
        ("torch-2.13.0-cp312-cp312-manylinux_2_28_aarch64.whl", "572df8be8ffb4599c88cbd6a0726f1f854f4da65d2e3c09f0e2c2283333cd6d4", 427210998),
        ("nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55", 2261060),
        ("nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl", "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151", 10310827),
    ],
}
# What libtorch_cuda.so needs on top.
CUDA_MORE = {
    "x86_64": [
        ("nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_x86_64.whl", "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436", 423138758),
        ("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575", 90215200),
        ("nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_x86_64.whl", "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304", 366173588),
        ("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3", 214085489),
        ("nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44", 1223672),
        ("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl", "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc", 59544258),
        ("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl", "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112", 200941980),
        ("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b", 145942937),
        ("nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_x86_64.whl", "786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0", 170148586),
        ("nvidia_nccl_cu13-2.29.7-py3-none-manylinux_2_18_x86_64.whl", "edd81538446786ec3b73972543e53bb43bcaf0bfc8ef76cb679fcc390ffe136d", 205976000),
        ("nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl", "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b", 40713933),
        ("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80", 60412546),
    ],
    "aarch64": [
        ("nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_aarch64.whl", "b7a210458267ac818974c53038fbec2e969d5c99f305ab15c72522fa9f001dd5", 542848918),
        ("nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b", 43015449),
        ("nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_aarch64.whl", "e31454ae00094b0c55319d9d15b6fa2fc50a9e1c0f5c8c80fb75258234e731e1", 444574296),
        ("nvidia_cufft-12.0.0.61-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5", 214053554),
        ("nvidia_cufile-1.15.1.6-py3-none-manylinux_2_27_aarch64.whl", "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1", 1136992),
        ("nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_aarch64.whl", "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a", 61962106),
        ("nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_aarch64.whl", "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2", 223467760),
        ("nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c", 162155568),
        ("nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_aarch64.whl", "4dca476c50bf4780d46cd0bfbd82e2bc10a08e4fef7950917ce8d7578d22a23f", 221051344),
        ("nvidia_nccl_cu13-2.29.7-py3-none-manylinux_2_18_aarch64.whl", "674a12383e3c38a1bcccae7d4f3633b37852230b6047883cb2f4c2d1b36d9bf5", 206014712),
        ("nvidia_nvjitlink-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c", 38768748),
        ("nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9", 60215947),
    ],
}
MACOS = [("torch-2.13.0-cp312-cp312-macosx_14_0_arm64.whl", "2fe228aba290d14b9f31b049be550dbd469c3fd3013d7a19705b30454da97027", 111213045)]

# Libraries of the torch wheel that no C++ program here loads, and those that only CUDA uses.
PYTHON_LIBS = re.compile(r"lib(torch_python|shm|torch_global_deps)\.(so|dylib)$")
CUDA_LIBS = re.compile(r"lib(torch_cuda.*|c10_cuda|caffe2_nvrtc|torch_nvshmem|torch)\.so$")
# Bytes on disk once unpacked, with some room.
UNPACKED = {"lean": 700_000_000, "full": 4_500_000_000, "macos": 600_000_000}
NVIDIA_DIRS = ("cu13", "cudnn", "cusparselt", "nccl", "nvshmem")


class Failure(Exception):
    """Something the user can act on: what is wrong, and how to get on."""


# ---------------------------------------------------------------------------------------------- what is wanted


def gpu_seen():
    return (
        os.path.exists("/dev/nvidiactl")
        or os.path.exists("/proc/driver/nvidia")
        or os.path.exists("/usr/lib/wsl/lib/libcuda.so.1")
        or shutil.which("nvidia-smi") is not None
    )


def wanted(environ, present):
    """(set name, its wheels, why) for this machine. `present` says which sets are already unpacked."""
    system, machine = platform.system(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if system == "Darwin" and machine == "aarch64":
        return "macos", MACOS, "macOS: CPU"
    if system != "Linux" or machine not in CUDA_BASE:
        raise Failure(
            "there is no libtorch %s on PyPI for %s on %s.\n"
            "If you have one of your own (2.13), set LIBTORCH to its folder." % (VERSION, system, platform.machine())
        )
    libc, libc_version = platform.libc_ver()
    if libc != "glibc" or tuple(int(n) for n in re.findall(r"\d+", libc_version)[:2]) < (2, 28):
        raise Failure(
            "PyPI's libtorch %s needs glibc 2.28 or newer; this system has %s %s.\n"
            "If you have a libtorch built for it (2.13), set LIBTORCH to its folder."
            % (VERSION, libc or "another C library", libc_version)
        )
    lean, full = CUDA_BASE[machine], CUDA_BASE[machine] + CUDA_MORE[machine]
    choice = environ.get("WARMSTART_CUDA", "").strip().lower()
    if choice in ("1", "yes", "true", "on"):
        return "full", full, "WARMSTART_CUDA=1"
    if choice in ("0", "no", "false", "off"):
        return "lean", lean, "WARMSTART_CUDA=0"
    if choice:
        raise Failure("WARMSTART_CUDA is '%s'. Say 1 (CUDA libraries), 0 (CPU only), or leave it unset." % choice)
    if gpu_seen():
        return "full", full, "an NVIDIA GPU is here"
    # A checkout shared with a GPU machine keeps its CUDA libraries when the log-in node has no GPU.
    if present("full", full):
        return "full", full, "CUDA libraries are already here"
    return "lean", lean, "no NVIDIA GPU here; WARMSTART_CUDA=1 brings the CUDA libraries"


def folder_of(name, wheels):
    key = hashlib.sha256(json.dumps([LAYOUT, name, wheels]).encode()).hexdigest()[:8]
    return os.path.join(VENV, "libtorch-%s-%s-%s" % (VERSION, name, key))


def complete(folder):
    """The folder got its name only when all was in it; here its libraries are checked for still being there, by size."""
    try:
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
            sizes = json.load(f)["libraries"]
        return bool(sizes) and all(os.stat(os.path.join(folder, p)).st_size == n for p, n in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def keep(name, part_of):
    """Which files of a wheel are unpacked."""
    if ".dist-info/" in name:
        return "licen" in name.lower() or name.endswith("/METADATA")
    if name.startswith("torch/include/"):
        return True
    if name.startswith("torch/lib/"):
        base = name[len("torch/lib/") :]
        if "/" in base or PYTHON_LIBS.match(base):
            return False
        return part_of != "lean" or not CUDA_LIBS.match(base)
    return name.startswith("nvidia/") and "/lib/" in name and re.search(r"\.so(\.[0-9.]+)?$", name) is not None


# ---------------------------------------------------------------------------------------------- fetching


def mb(n):
    return "%.0f MB" % (n / 1e6) if n < 2e9 else "%.1f GB" % (n / 1e9)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def fetched(wheel):
    name, sha, size = wheel
    path = os.path.join(DOWNLOADS, name)
    try:
        if os.stat(path).st_size == size and sha256_of(path) == sha:
            return True
        os.unlink(path)
    except FileNotFoundError:
        pass
    return False


def runs(command):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def find_pip():
    """A command that runs pip: this Python's, a private virtual environment's, or the one Debian keeps as a wheel."""
    own = [sys.executable, "-m", "pip"]
    if runs(own + ["--version"]):
        return own
    private = os.path.join(VENV, "tools")
    private_pip = [os.path.join(private, "bin", "python3"), "-m", "pip"]
    if runs(private_pip + ["--version"]):
        return private_pip
    shutil.rmtree(private, ignore_errors=True)
    if runs([sys.executable, "-m", "venv", private]) and runs(private_pip + ["--version"]):
        return private_pip
    shutil.rmtree(private, ignore_errors=True)
    for place in ("/usr/share/python-wheels", "/usr/share/python3-wheels"):
        if os.path.isdir(place):
            for wheel in sorted(os.listdir(place), reverse=True):
                command = [sys.executable, os.path.join(place, wheel, "pip")]
                if wheel.startswith("pip-") and runs(command + ["--version"]):
                    return command
    raise Failure("pip is missing, and this Python cannot make an environment that has it.\n" + how_to_get("pip"))


def how_to_get(tool):
    packages = {
        "pip": {"apt-get": "python3-pip", "dnf": "python3-pip", "zypper": "python3-pip", "pacman": "python-pip", "brew": "python"},
        "g++": {"apt-get": "g++", "dnf": "gcc-c++", "zypper": "gcc-c++", "pacman": "gcc", "brew": "gcc"},
    }[tool]
    for manager, words in (
        ("apt-get", "sudo apt-get install"),
        ("dnf", "sudo dnf install"),
        ("zypper", "sudo zypper install"),
        ("pacman", "sudo pacman -S"),
        ("brew", "brew install"),
    ):
        if shutil.which(manager):
            return "Get it with: %s %s" % (words, packages[manager])
    if tool == "g++" and platform.system() == "Darwin":
        return "Get it with: xcode-select --install"
    return "Get it from your system's packages (Debian, Ubuntu: %s; Fedora: %s)." % (packages["apt-get"], packages["dnf"])


class Progress:
    """One line that moves on a terminal; elsewhere a line now and then."""

    def __init__(self, label, total):
        self.label, self.total = label, total
        self.start = self.said = time.monotonic()
        self.live = sys.stderr.isatty()

    def show(self, done):
        now = time.monotonic()
        if not self.live and now - self.said < 15:
            return
        self.said = now
        rate = done / max(now - self.start, 0.1)
        text = "  %s  %s of %s, %.0f MB/s" % (self.label, mb(done), mb(self.total), rate / 1e6)
        sys.stderr.write("\r%s\033[K" % text if self.live else text + "\n")
        sys.stderr.flush()

    def done(self, text):
        sys.stderr.write(("\r\033[K" if self.live else "") + "  %s\n" % text)
        sys.stderr.flush()


def tree_size(folder):
    total = 0
    for at, _, files in os.walk(folder):
        for f in files:
            try:
                total += os.stat(os.path.join(at, f)).st_size
            except OSError:
                pass
    return total


def pip_download(pip, wheel, into, label, lock_fd=None):
    """One wheel by pip, into the folder `into`. The lock travels along: should this process be killed, pip finishes the
    wheel and the next set-up waits for it instead of fetching it twice."""
    name, sha, size = wheel
    package, version, _, abi, platforms = name[: -len(".whl")].split("-")
    work = os.path.join(into, "tmp")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    requirements = os.path.join(into, package + ".txt")
    with open(requirements, "w", encoding="utf-8") as f:
        f.write("%s==%s --hash=sha256:%s\n" % (package.replace("_", "-"), version, sha))
    command = pip + ["download", "--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "3"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", requirements, "-d", into]
    if platforms != "any":
        command += ["--python-version", "3.12", "--implementation", "cp", "--abi", abi, "--platform", platforms.split(".")[0]]
    if "PIP_CACHE_DIR" not in os.environ:
        command.append("--no-cache-dir")  # gigabytes in the home folder, for one use
    environ = dict(os.environ, TMPDIR=work, PIP_REQUIRE_VIRTUALENV="0", PYTHONWARNINGS="ignore")
    output = os.path.join(into, package + ".log")
    progress = Progress(label, size)
    with open(output, "wb") as log:
        fds = () if lock_fd is None else (lock_fd,)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, pass_fds=fds)
        try:
            while child.poll() is None:
                time.sleep(0.2)
                progress.show(min(tree_size(work), size))
        except BaseException:
            child.kill()
            child.wait()
            shutil.rmtree(work, ignore_errors=True)
            raise
    with open(output, encoding="utf-8", errors="replace") as f:
        said = f.read()
    shutil.rmtree(work, ignore_errors=True)
    path = os.path.join(into, name)
    if child.returncode == 0 and os.path.exists(path) and sha256_of(path) == sha:
        os.unlink(output)
        os.unlink(requirements)
        progress.done("%s  %s in %.0f s" % (label, mb(size), time.monotonic() - progress.start))
        return
    progress.done("%s  failed" % label)
    raise Failure(explain_pip(said, name, shutil.disk_usage(into).free < 2 * size))  # pip copies what it fetched


def explain_pip(said, name, full):
    tail = "\n".join("    " + line for line in said.strip().splitlines()[-4:])
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
    if "DO NOT MATCH THE HASHES" in said:
        why = "the file that the package index gave is not the pinned one. It was not used."
    elif full or "No space left" in said or "Errno 28" in said:
        why = "the disk is full, or nearly: pip needs twice the size of a wheel."
    elif "No matching distribution" in said and "connection" not in said.lower():
        why = "the package index (%s) has no such file." % index
    else:
        why = (
            "pip could not get it. Is the network up, and %s reachable?\n"
            "A mirror or a folder of wheels: PIP_INDEX_URL or PIP_FIND_LINKS; a libtorch of your own: LIBTORCH." % index
        )
    return ("%s: %s\n%s" % (name, why, tail)).rstrip()


# ---------------------------------------------------------------------------------------------- unpacking


def unpack(name, wheels, folder):
    aside = os.path.join(VENV, "unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    libraries = {}
    for wheel in wheels:
        path = os.path.join(DOWNLOADS, wheel[0])
        with zipfile.ZipFile(path) as z:
            members = [m for m in z.infolist() if not m.is_dir() and keep(m.filename, name)]
            total, done = sum(m.file_size for m in members), 0
            progress = Progress("unpacking " + wheel[0].split("-")[0], total)
            for m in members:
                parts = m.filename.split("/")
                if m.filename.startswith("/") or ".." in parts or "\\" in m.filename:
                    raise Failure("%s holds the path %r. It was not used." % (wheel[0], m.filename))
                target = os.path.join(aside, *parts)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with z.open(m) as source, open(target, "wb") as sink:
                    while True:
                        block = source.read(1 << 20)
                        if not block:
                            break
                        sink.write(block)
                        done += len(block)
                        progress.show(done)
                if parts[-2] == "lib":
                    libraries[m.filename] = m.file_size
        progress.done("unpacked %s  %s" % (wheel[0].split("-")[0], mb(total)))
    with open(os.path.join(aside, "manifest.json"), "w", encoding="utf-8") as f:
        json.dump({"wheels": [w[0] for w in wheels], "libraries": libraries}, f, indent=1, sort_keys=True)
    os.sync()
    if os.path.lexists(folder):
        shutil.rmtree(folder)
    os.rename(aside, folder)


def put_link(path, target):
    if os.path.islink(path) and os.readlink(path) == target:
        return
    aside = path + ".new"
    if os.path.lexists(aside):
        os.unlink(aside)
    os.symlink(target, aside)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    os.replace(aside, path)


def put_text(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text and not os.path.islink(path):
                return
    except (OSError, ValueError):
        pass
    aside = path + ".new"
    with open(aside, "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.replace(aside, path)


def layout(name, folder):
    """What `.libtorch/` holds: {path: ("link", target) or ("text", content)}. Links are relative: the folder may move."""
    torch_lib = os.path.join(folder, "torch", "lib")
    relative = os.path.relpath(folder, LIBTORCH)
    plan = {"include": ("link", os.path.join(relative, "torch", "include"))}
    link_env = ["rpath=" + torch_lib]
    if name == "macos":
        for lib in ("libtorch.dylib", "libtorch_cpu.dylib", "libc10.dylib"):
            plan["lib/" + lib] = ("link", os.path.join("..", relative, "torch", "lib", lib))
    else:
        # libtorch_cuda.so stays out of sight: torch-sys would link it, and the lean set has none. It is loaded at run time.
        for lib in ("libc10.so", "libtorch_cpu.so", "libgomp.so.1"):
            plan["lib/" + lib] = ("link", os.path.join("..", relative, "torch", "lib", lib))
        plan["lib/libtorch.so"] = ("text", "INPUT(libtorch_cpu.so libc10.so)\n")
        for part in NVIDIA_DIRS:
            where = os.path.join(folder, "nvidia", part, "lib")
            if os.path.isdir(where):
                link_env.append("rpath_link=" + where)
    link_env += ["cuda=" + ("full" if name == "full" else "none"), "torch_lib=" + torch_lib]
    plan["build-version"] = ("text", VERSION + "\n")
    plan["link.env"] = ("text", "\n".join(link_env) + "\n")
    return plan


def laid_out(plan):
    for path, (kind, value) in plan.items():
        at = os.path.join(LIBTORCH, path)
        try:
            if kind == "link":
                if os.readlink(at) != value or not os.path.exists(at):
                    return False
            else:
                with open(at, encoding="utf-8") as f:
                    if f.read() != value:
                        return False
        except (OSError, ValueError):
            return False
    return True


def lay_out(plan):
    if os.path.islink(LIBTORCH) or os.path.isfile(LIBTORCH):
        os.unlink(LIBTORCH)
    os.makedirs(os.path.join(LIBTORCH, "lib"), exist_ok=True)
    for at, folder in (("", LIBTORCH), ("lib/", os.path.join(LIBTORCH, "lib"))):
        for entry in os.listdir(folder):
            if at + entry not in plan and at + entry != "lib":
                stray = os.path.join(folder, entry)
                if os.path.isdir(stray) and not os.path.islink(stray):
                    shutil.rmtree(stray)
                else:
                    os.unlink(stray)
    # link.env last: with it the build script goes to work.
    for path in sorted(plan, key=lambda p: (p == "link.env", p)):
        kind, value = plan[path]
        (put_link if kind == "link" else put_text)(os.path.join(LIBTORCH, path), value)


# ---------------------------------------------------------------------------------------------- the user's own libtorch


def version_of(libtorch):
    """The version of a libtorch or of an installed torch package, from the files that say it; None if none does."""
    for path, pattern in (
        ("build-version", r"(\d+\.\d+\.\d+)"),
        ("version.py", r"__version__ = '(\d+\.\d+\.\d+)"),
        ("include/torch/csrc/api/include/torch/version.h", r'TORCH_VERSION "(\d+\.\d+\.\d+)'),
        ("include/torch/headeronly/version.h", r'TORCH_VERSION "(\d+\.\d+\.\d+)'),
    ):
        try:
            with open(os.path.join(libtorch, path), encoding="utf-8", errors="replace") as f:
                found = re.search(pattern, f.read(100000))
        except OSError:
            continue
        if found:
            return found.group(1)
    return None


def users_own(environ):
    """What the user's LIBTORCH is good for; None when it is not set (or is ours)."""
    if environ.get("LIBTORCH_USE_PYTORCH"):
        return "LIBTORCH_USE_PYTORCH is set: torch-sys takes the torch of your Python. Nothing was fetched."
    value = environ.get("LIBTORCH")
    if not value or os.path.realpath(value) == os.path.realpath(LIBTORCH):
        return None
    if not os.path.isabs(value):
        raise Failure("LIBTORCH is '%s'. Make it an absolute path: the build runs in other folders." % value)
    library = "libtorch_cpu.dylib" if platform.system() == "Darwin" else "libtorch_cpu.so"
    for part in ("lib/" + library, "include"):
        if not os.path.exists(os.path.join(value, part)):
            raise Failure(
                "LIBTORCH is %s, but there is no %s in it.\nSet it to a libtorch %s, or unset it to have one fetched."
                % (value, part, VERSION)
            )
    version = version_of(value)
    if version != VERSION and not environ.get("LIBTORCH_BYPASS_VERSION_CHECK"):
        raise Failure(
            "LIBTORCH is %s, which %s; this project needs %s.\nUnset LIBTORCH to have the right one fetched."
            % (value, "is version " + version if version else "does not say its version", VERSION)
        )
    return "libtorch %s from your LIBTORCH, %s. Nothing was fetched." % (version, value)


# ---------------------------------------------------------------------------------------------- the parts together


def check_compiler():
    candidates = [os.environ["CXX"].split()[0]] if os.environ.get("CXX", "").split() else ["c++", "g++", "clang++"]
    if not any(shutil.which(c) for c in candidates):
        raise Failure("a C++ compiler is missing (%s); building needs one.\n%s" % (" or ".join(candidates), how_to_get("g++")))


def check_space(need):
    free = shutil.disk_usage(VENV).free
    if free < need:
        raise Failure("this needs %s free on the disk of %s; there are %s." % (mb(need), ROOT, mb(free)))


def clear_others(folder):
    """Folders of other sets or older versions, and the wheels: no longer needed."""
    shutil.rmtree(DOWNLOADS, ignore_errors=True)
    for entry in os.listdir(VENV):
        path = os.path.join(VENV, entry)
        if entry.startswith("libtorch-") and path != folder:
            shutil.rmtree(path, ignore_errors=True)


def lock():
    import fcntl

    os.makedirs(VENV, exist_ok=True)
    fd = os.open(os.path.join(VENV, "lock"), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno not in (errno.EAGAIN, errno.EACCES):
            sys.stderr.write("  (no lock on this file system: do not run two set-ups at once)\n")
            return fd
        sys.stderr.write("  another set-up is at work here; waiting for it\n")
        fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def setup():
    own = users_own(os.environ)
    if own:
        check_compiler()
        print(own)
        return
    present = lambda name, wheels: complete(folder_of(name, wheels))  # noqa: E731
    name, wheels, why = wanted(os.environ, present)
    folder = folder_of(name, wheels)
    if complete(folder) and laid_out(layout(name, folder)):
        check_compiler()
        print("libtorch %s (%s) is ready." % (VERSION, name))
        return
    check_compiler()
    began = time.monotonic()
    fd = lock()
    try:
        if not complete(folder):
            print("Setting up libtorch %s, %s set (%s)" % (VERSION, name, why), flush=True)
            fetch(wheels, UNPACKED[name], fd)
            unpack(name, wheels, folder)
        lay_out(layout(name, folder))
        clear_others(folder)
    finally:
        os.close(fd)
    print("libtorch %s (%s) is ready: %.0f s, %s." % (VERSION, name, time.monotonic() - began, mb(tree_size(folder))))


def fetch(wheels, unpacked, lock_fd):
    os.makedirs(DOWNLOADS, exist_ok=True)
    missing = [w for w in wheels if not fetched(w)]
    check_space(sum(w[2] for w in missing) + unpacked)
    pip = find_pip() if missing else None
    for n, wheel in enumerate(wheels, 1):
        if wheel in missing:
            package, version = wheel[0].split("-")[:2]
            pip_download(pip, wheel, DOWNLOADS, "[%d/%d] %s %s" % (n, len(wheels), package, version), lock_fd)


def status():
    own = users_own(os.environ)
    if own:
        print(own)
        return
    name, wheels, why = wanted(os.environ, lambda n, w: complete(folder_of(n, w)))
    folder = folder_of(name, wheels)
    ready = complete(folder) and laid_out(layout(name, folder))
    print("libtorch %s, %s set (%s): %s" % (VERSION, name, why, "ready" if ready else "not set up; `make setup` does it"))
    if not ready:
        raise SystemExit(1)


def copy_libs(into):
    """All shared libraries into one folder, where each finds the others by its `$ORIGIN`; their names."""
    if users_own(os.environ):
        print("  libtorch stays where your LIBTORCH says; the worker knows that path")
        return []
    name, wheels, _ = wanted(os.environ, lambda n, w: complete(folder_of(n, w)))
    folder = folder_of(name, wheels)
    if not complete(folder):
        raise Failure("libtorch is not set up yet; `make setup` does it.")
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        libraries = sorted(json.load(f)["libraries"])
    os.makedirs(into, exist_ok=True)
    for library in libraries:
        target = os.path.join(into, os.path.basename(library))
        shutil.copyfile(os.path.join(folder, library), target + ".new")
        os.chmod(target + ".new", 0o755)
        os.replace(target + ".new", target)
    names = {os.path.basename(library) for library in libraries}
    for stale in os.listdir(into):
        if stale not in names and re.search(r"\.(so(\.[0-9.]+)?|dylib|new)$", stale):
            os.unlink(os.path.join(into, stale))
    print("  %d libraries of libtorch %s (%s), %s" % (len(libraries), VERSION, name, mb(tree_size(into))))
    return sorted(names)


def main(arguments):
    if sys.version_info < (3, 8):
        raise Failure("Python 3.8 or newer is needed; this is %s." % platform.python_version())
    if not arguments:
        setup()
    elif arguments == ["--status"]:
        status()
    elif len(arguments) == 2 and arguments[0] == "--copy-libs":
        copy_libs(os.path.abspath(arguments[1]))
    else:
        sys.stderr.write(__doc__)
        raise SystemExit(0 if arguments in (["--help"], ["-h"]) else 2)


def run(main_function):
    """The one place where a script ends: a reason and an exit code, never a traceback for what the user can act on."""

    def stop(number, _frame):
        raise KeyboardInterrupt(number)

    signal.signal(signal.SIGTERM, stop)
    try:
        main_function(sys.argv[1:])
    except Failure as e:
        sys.stderr.write("error: %s\n" % e)
        raise SystemExit(1)
    except KeyboardInterrupt as e:
        sys.stderr.write("\ninterrupted: run it again to go on from here\n")
        raise SystemExit(143 if e.args else 130)
    except OSError as e:
        hint = " The disk is full." if e.errno == errno.ENOSPC else ""
        sys.stderr.write("error: %s%s\n" % (e, hint))
        raise SystemExit(1)


if __name__ == "__main__":
    run(main)
