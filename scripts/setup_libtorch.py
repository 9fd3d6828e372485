#!/usr/bin/env python3
"""Installs libtorch in this project, for `cargo build --workspace`.

    python3 scripts/setup_libtorch.py              set up (quick if everything is there)
    python3 scripts/setup_libtorch.py --status     report what is there, change nothing
    python3 scripts/setup_libtorch.py --copy-libs DIR
                                                   copy the shared libraries into a folder of their own, for `make install`;
                                                   removes all other libraries there

libtorch comes from the PyPI wheel of torch and, if needed, NVIDIA's wheels. Each is pinned by version and SHA-256 in
torch_releases.py, downloaded by pip and unpacked under `.venv/`. The script writes nothing outside the project and changes no
Python. It unpacks only what a C++ program needs: libraries, headers and licences.

    .venv/downloads/          wheels; deleted after they are unpacked
    .venv/libtorch-.../       the unpacked libraries; the folder gets this name when it is complete
    .libtorch/                the LIBTORCH of torch-sys: lib/ (links), include, build-version
    .libtorch/link.env        for the engine's build script: rpath=, rpath_link= (0 or more), cuda=full|none, torch_lib=

Environment:
    WARMSTART_TORCH=2.13 or 2.11
                              the release, from scripts/torch_releases.py; `make` builds releases other than 2.13 in a copy of the tree
    WARMSTART_CUDA=1 or 0     the full CUDA libraries (3.8 GB, 6.5 GB during the set-up), or the lean CPU set (0.5 GB).
                              Default: full if a GPU is found
    LIBTORCH=DIR              use this libtorch of the same release; nothing is downloaded
    PIP_INDEX_URL, PIP_FIND_LINKS, PIP_NO_INDEX, PIP_PROXY, ...   have the same meaning as for pip

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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from torch_releases import DEFAULT, RELEASES  # noqa: E402

CHOICE = os.environ.get("WARMSTART_TORCH") or DEFAULT
VERSION, _, CUDA_BASE, CUDA_MORE, MACOS = RELEASES.get(CHOICE, RELEASES[DEFAULT])
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
DOWNLOADS = os.path.join(VENV, "downloads")
LIBTORCH = os.path.join(ROOT, ".libtorch")
# Increase this when other files are unpacked: older folders are then no longer used.
LAYOUT = 1

# Libraries of the torch wheel that no C++ program here loads, and libraries that only CUDA uses.
PYTHON_LIBS = re.compile(r"lib(torch_python|shm|torch_global_deps)\.(so|dylib)$")
CUDA_LIBS = re.compile(r"lib(torch_cuda.*|c10_cuda|caffe2_nvrtc|torch_nvshmem|torch)\.so$")
# Bytes on disk after unpacking, with a margin.
UNPACKED = {"lean": 700_000_000, "full": 4_500_000_000, "macos": 600_000_000}
NVIDIA_DIRS = ("cu13", "cudnn", "cusparselt", "nccl", "nvshmem")


class Failure(Exception):
    """A problem that the user can solve: what is wrong, and what to do."""


# ---------------------------------------------------------------------------------------------- the set of wheels


def gpu_seen():
    return (
        os.path.exists("/dev/nvidiactl")
        or os.path.exists("/proc/driver/nvidia")
        or os.path.exists("/usr/lib/wsl/lib/libcuda.so.1")
        or shutil.which("nvidia-smi") is not None
    )


def wanted(environ, present):
    """(set name, its wheels, reason) for this machine. `present` tells which sets are already unpacked."""
    system, machine = platform.system(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if system == "Darwin" and machine == "aarch64":
        return "macos", MACOS, "macOS: CPU"
    if system != "Linux" or machine not in CUDA_BASE:
        raise Failure(
            "there is no libtorch %s on PyPI for %s on %s.\n"
            "If you have one of your own (of this version), set LIBTORCH to its folder." % (VERSION, system, platform.machine())
        )
    libc, libc_version = platform.libc_ver()
    if libc != "glibc" or tuple(int(n) for n in re.findall(r"\d+", libc_version)[:2]) < (2, 28):
        raise Failure(
            "PyPI's libtorch %s needs glibc 2.28 or newer; this system has %s %s.\n"
            "If you have a libtorch of this version built for it, set LIBTORCH to its folder."
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
    # A checkout shared with a GPU machine keeps its CUDA libraries if the login node has no GPU.
    if present("full", full):
        return "full", full, "CUDA libraries are already here"
    return "lean", lean, "no NVIDIA GPU here; WARMSTART_CUDA=1 brings the CUDA libraries"


def folder_of(name, wheels):
    key = hashlib.sha256(json.dumps([LAYOUT, name, wheels]).encode()).hexdigest()[:8]
    return os.path.join(VENV, "libtorch-%s-%s-%s" % (VERSION, name, key))


def complete(folder):
    """The folder got its name only when it was complete. Checks by size that its libraries are still there."""
    try:
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
            sizes = json.load(f)["libraries"]
        return bool(sizes) and all(os.stat(os.path.join(folder, p)).st_size == n for p, n in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def keep(name, part_of):
    """Whether a file of a wheel is unpacked."""
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


# ---------------------------------------------------------------------------------------------- downloading


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
    """A command that runs pip: of this Python, of a private virtual environment, or the wheel that Debian keeps."""
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
    """A progress line that is updated on a terminal; elsewhere, a new line from time to time."""

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
    """Downloads one wheel by pip into the folder `into`. pip inherits the lock: if this process is killed, pip finishes the
    wheel, and the next set-up waits for it instead of downloading it twice."""
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
    raise Failure(explain_pip(said, name, shutil.disk_usage(into).free < 2 * size))  # pip copies what it downloaded


def explain_pip(said, name, full):
    tail = "\n".join("    " + line for line in said.strip().splitlines()[-4:])
    # A mirror's address may have a password in it.
    index = re.sub(r"//[^/]*@", "//", os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple"))
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
    """The content of `.libtorch/`: {path: ("link", target) or ("text", content)}. Links are relative, so the folder can move."""
    torch_lib = os.path.join(folder, "torch", "lib")
    relative = os.path.relpath(folder, LIBTORCH)
    plan = {"include": ("link", os.path.join(relative, "torch", "include"))}
    link_env = ["rpath=" + torch_lib]
    if name == "macos":
        for lib in ("libtorch.dylib", "libtorch_cpu.dylib", "libc10.dylib"):
            plan["lib/" + lib] = ("link", os.path.join("..", relative, "torch", "lib", lib))
    else:
        # libtorch_cuda.so is not linked here: torch-sys would link it, and the lean set lacks it. The program loads it at run
        # time.
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
    # link.env comes last, because the build script starts to work when it is there.
    for path in sorted(plan, key=lambda p: (p == "link.env", p)):
        kind, value = plan[path]
        (put_link if kind == "link" else put_text)(os.path.join(LIBTORCH, path), value)


# ---------------------------------------------------------------------------------------------- the user's own libtorch


def version_of(libtorch):
    """The version of a libtorch or of an installed torch package, from its files; None if no file has it."""
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
    """What the user's LIBTORCH can be used for; None if it is not set (or is ours)."""
    if environ.get("LIBTORCH_USE_PYTORCH"):
        return "LIBTORCH_USE_PYTORCH is set: torch-sys takes the torch of your Python. Nothing was downloaded."
    value = environ.get("LIBTORCH")
    if not value or os.path.realpath(value) == os.path.realpath(LIBTORCH):
        return None
    if not os.path.isabs(value):
        raise Failure("LIBTORCH is '%s'. Make it an absolute path: the build runs in other folders." % value)
    library = "libtorch_cpu.dylib" if platform.system() == "Darwin" else "libtorch_cpu.so"
    for part in ("lib/" + library, "include"):
        if not os.path.exists(os.path.join(value, part)):
            raise Failure(
                "LIBTORCH is %s, but there is no %s in it.\nSet it to a libtorch %s, or unset it to download one."
                % (value, part, VERSION)
            )
    version = version_of(value)
    if version != VERSION and not environ.get("LIBTORCH_BYPASS_VERSION_CHECK"):
        raise Failure(
            "LIBTORCH is %s, which %s; this project needs %s.\nUnset LIBTORCH to download the right one."
            % (value, "is version " + version if version else "does not say its version", VERSION)
        )
    return "libtorch %s from your LIBTORCH, %s. Nothing was downloaded." % (version, value)


# ---------------------------------------------------------------------------------------------- the main steps


def check_compiler():
    candidates = [os.environ["CXX"].split()[0]] if os.environ.get("CXX", "").split() else ["c++", "g++", "clang++"]
    if not any(shutil.which(c) for c in candidates):
        raise Failure("a C++ compiler is missing (%s); building needs one.\n%s" % (" or ".join(candidates), how_to_get("g++")))


def check_space(need):
    free = shutil.disk_usage(VENV).free
    if free < need:
        raise Failure("this needs %s free on the disk of %s; there are %s." % (mb(need), ROOT, mb(free)))


def clear_others(folder):
    """Removes folders of other sets and older versions, and the wheels."""
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


def copy_libs(into, expect=None):
    """Copies all shared libraries into a folder of their own, where each finds the others by `$ORIGIN`, and returns their names.
    Calls `expect` with the names before the first copy. Removes all other libraries from the folder: those of an earlier set."""
    if users_own(os.environ):
        print("  libtorch stays where your LIBTORCH says; the worker knows that path")
        return []
    name, wheels, _ = wanted(os.environ, lambda n, w: complete(folder_of(n, w)))
    folder = folder_of(name, wheels)
    if not complete(folder):
        raise Failure("libtorch is not set up yet; `make setup` does it.")
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        libraries = sorted(json.load(f)["libraries"])
    names = {os.path.basename(library) for library in libraries}
    if expect is not None:
        expect(sorted(names))
    os.makedirs(into, exist_ok=True)
    for library in libraries:
        target = os.path.join(into, os.path.basename(library))
        shutil.copyfile(os.path.join(folder, library), target + ".new")
        os.chmod(target + ".new", 0o755)
        os.replace(target + ".new", target)
    for stale in os.listdir(into):
        if stale not in names and re.search(r"\.(so(\.[0-9.]+)?|dylib|new)$", stale):
            os.unlink(os.path.join(into, stale))
    print("  %d libraries of libtorch %s (%s), %s" % (len(libraries), VERSION, name, mb(tree_size(into))))
    return sorted(names)


def main(arguments):
    if sys.version_info < (3, 8):
        raise Failure("Python 3.8 or newer is needed; this is %s." % platform.python_version())
    if CHOICE not in RELEASES:
        raise Failure("WARMSTART_TORCH is '%s'. It can be %s." % (CHOICE, " or ".join(RELEASES)))
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
    """Runs the main function of a script. Problems that users can solve end it with a reason and an exit code, without a traceback."""

    def stop(number, _frame):
        raise KeyboardInterrupt(number)

    signal.signal(signal.SIGTERM, stop)
    try:
        main_function(sys.argv[1:])
    except Failure as e:
        sys.stderr.write("error: %s\n" % e)
        raise SystemExit(1)
    except KeyboardInterrupt as e:
        sys.stderr.write("\ninterrupted: run it again to continue from here\n")
        raise SystemExit(143 if e.args else 130)
    except OSError as e:
        hint = " The disk is full." if e.errno == errno.ENOSPC else ""
        sys.stderr.write("error: %s%s\n" % (e, hint))
        raise SystemExit(1)


if __name__ == "__main__":
    run(main)
