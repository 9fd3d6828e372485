#!/usr/bin/env python3
"""What `make wheel`, `make dist` and `make release` do.

    scripts/package.py wheel      target/dist/warmstart-VERSION-py3-none-PLATFORM.whl, which uses the libtorch of PyPI's torch
    scripts/package.py dist       target/dist/warmstart-VERSION-linux-MACHINE.tar.gz, the installed tree with libtorch
    scripts/package.py release    both, with release notes, checksums and a git tag; publishes nothing

    --target DIR      cargo's target folder
    --profile NAME    the build to pack: release, or debug for a trial

The wheel's tree is in `site-packages/warmstart/tree`; its worker searches for libtorch in `site-packages/torch/lib`. The archive
runs in any folder. Neither contains a path of the build machine. Standard library only.
"""

import argparse
import base64
import datetime
import gzip
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import install  # noqa: E402
from elf import Elf, NotElf  # noqa: E402
from setup_libtorch import ROOT as ROOT_PATH, VERSION as TORCH, Failure, mb, run, sha256_of  # noqa: E402

ROOT = pathlib.Path(ROOT_PATH)
WHEEL_SOURCES = ROOT / "scripts/wheel"
# The path from `warmstart/tree/lib/warmstart` to the folder of torch's libraries.
TORCH_LIB = "$ORIGIN/../../../../torch/lib"
BESIDE = "$ORIGIN/libtorch"
# Libraries of every Linux with glibc, and libraries of torch.
SYSTEM = re.compile(r"(libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s|ld-linux.*)\.so\.\d+$")
OF_TORCH = re.compile(r"lib(torch_cpu|torch|c10)\.so$")
# The first manylinux tag whose systems have this version of libstdc++'s symbols, according to auditwheel.
LIBSTDCXX = (((3, 4, 24), (2, 28)), ((3, 4, 28), (2, 31)), ((3, 4, 29), (2, 34)), ((3, 4, 30), (2, 35)), ((3, 4, 33), (2, 39)))
LICENCES = ("LICENSE-MIT", "LICENSE-APACHE", "assets/LICENSES.md", "assets/licenses/Apache-2.0.txt", "assets/licenses/DejaVu.txt")
# Archives have a fixed time, so the same build gives the same bytes.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def version():
    found = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M)
    return found.group(1)


def machine():
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        raise Failure("packages are made on Linux, x86_64 or aarch64; this is %s, %s.\n`make install` works here."
                      % (platform.system(), platform.machine()))
    return platform.machine()


def elf(path):
    try:
        return Elf(pathlib.Path(path).read_bytes())
    except NotElf as error:
        raise Failure("%s: %s" % (path, error)) from None


def set_runpath(path, runpath):
    """Sets where a program searches for libraries, and removes paths of the build machine."""
    program = elf(path)
    try:
        program.set_runpath(runpath)
    except NotElf as error:
        raise Failure("%s %s" % (path, error)) from None
    path.write_bytes(bytes(program.data))


def platform_tag(programs):
    """The oldest manylinux tag that fits the programs. Fails if they need other libraries."""
    needs = (2, 28)  # torch's own
    for path in programs:
        program = elf(path)
        strange = [name for name in program.needed() if not SYSTEM.match(name) and not OF_TORCH.match(name)]
        if strange:
            raise Failure("%s needs %s, which not every Linux has" % (path, ", ".join(strange)))
        libstdcxx = program.newest("GLIBCXX")
        tag = next((tag for symbols, tag in LIBSTDCXX if libstdcxx <= symbols), None)
        if tag is None:
            raise Failure("%s needs libstdc++ %s, newer than any manylinux has" % (path, ".".join(map(str, libstdcxx))))
        needs = max(needs, program.newest("GLIBC")[:2], tag)
    return "manylinux_%d_%d_%s" % (*needs, machine())


def tree(into, target, profile):
    """The installed tree without libtorch, as real files in a folder. A file beside the worker names its release of torch."""
    plan = install.plan(str(into), str(target), profile)
    for source, goal, mode in plan:
        install.put(source, goal, mode)
    install.share(str(into), str(target), profile)
    (pathlib.Path(into) / "lib/warmstart/torch-version").write_text(".".join(TORCH.split(".")[:2]) + "\n")


# ---------------------------------------------------------------------------------------------- the wheel


def metadata():
    readme = (ROOT / "README.md").read_text()
    # A package index does not show pictures and pages of the repository.
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", readme)
    text = re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)
    return """Metadata-Version: 2.4
Name: warmstart
Version: %s
Summary: A terminal dashboard for transfer-learning experiments
License-Expression: MIT OR Apache-2.0
%sKeywords: transfer-learning,image-classification,terminal,tui,dashboard,pytorch
Classifier: Environment :: Console
Classifier: Environment :: GPU :: NVIDIA CUDA
Classifier: Intended Audience :: Science/Research
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: Rust
Classifier: Topic :: Scientific/Engineering :: Artificial Intelligence
Requires-Python: >=3.10
Requires-Dist: torch==%s.*
Description-Content-Type: text/markdown

%s""" % (version(), "".join("License-File: %s\n" % name for name in LICENCES), ".".join(TORCH.split(".")[:2]), text)


def write_wheel(path, files):
    """Writes a wheel of {name in the wheel: (bytes, mode)}, with a record of all files."""
    info = "warmstart-%s.dist-info" % version()
    record = []
    aside = path.with_name(path.name + ".new")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name, data, mode):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, data)

        for name in sorted(files, key=lambda name: (name.startswith(info), name)):
            data, mode = files[name]
            add(name, data, mode)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append("%s,sha256=%s,%d\n" % (name, digest, len(data)))
        record.append("%s/RECORD,,\n" % info)
        add(info + "/RECORD", "".join(record).encode(), 0o644)
    os.replace(aside, path)


def wheel(target, profile, into):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        tree(root, target, profile)
        worker = root / "lib/warmstart/warmstart-worker"
        set_runpath(worker, TORCH_LIB)
        tag = "py3-none-" + platform_tag([root / "bin/warmstart", worker])
        files = {"warmstart/" + path.name: (path.read_bytes(), 0o644) for path in sorted(WHEEL_SOURCES.glob("*.py"))}
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = str(path.relative_to(root))
                # Manuals and completions go where shells search, other files beside the module.
                shared = name.startswith("share/") and not name.startswith("share/warmstart/")
                where = "warmstart-%s.data/data/" % version() if shared else "warmstart/tree/"
                files[where + name] = (path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
    info = "warmstart-%s.dist-info/" % version()
    files[info + "METADATA"] = (metadata().encode(), 0o644)
    files[info + "WHEEL"] = (("Wheel-Version: 1.0\nGenerator: warmstart\nRoot-Is-Purelib: false\nTag: %s\n" % tag).encode(), 0o644)
    files[info + "entry_points.txt"] = (b"[console_scripts]\nwarmstart = warmstart:main\n", 0o644)
    for name in LICENCES:
        files[info + "licenses/" + name] = ((ROOT / name).read_bytes(), 0o644)
    path = into / ("warmstart-%s-%s.whl" % (version(), tag))
    write_wheel(path, files)
    print("%s  %s" % (shown(path), mb(path.stat().st_size)))
    return path


def shown(path):
    return os.path.relpath(path, os.getcwd())


# ---------------------------------------------------------------------------------------------- the archive


def runtime_libraries(worker):
    """libstdc++ and libgcc of this machine; a minimal or older system may lack them."""
    said = subprocess.run(["ldd", str(worker)], text=True, capture_output=True)
    if said.returncode != 0:
        raise Failure("ldd cannot list the libraries of a program: %s: %s" % ((said.stderr or said.stdout).strip(), worker))
    found = dict(re.findall(r"(lib(?:stdc\+\+|gcc_s)\.so\.\d+) => (\S+)", said.stdout))
    return {name: os.path.realpath(path) for name, path in found.items()}


ARCHIVE_README = """warmstart %(version)s for Linux on %(machine)s

    bin/warmstart              opens the dashboard
    bin/warmstart doctor       says what is here and what is missing
    bin/warmstart --help       lists all commands

Nothing has to be installed. The folder can be moved. It needs glibc %(glibc)s or newer, and for a GPU an NVIDIA driver.
Licences: share/doc/warmstart.
"""


def dist(target, profile, into):
    name = "warmstart-%s-linux-%s" % (version(), machine())
    with tempfile.TemporaryDirectory(dir=into) as folder:
        root = pathlib.Path(folder) / name
        tree(root, target, profile)
        library = root / "lib/warmstart"
        if not install.copy_libs(str(library / "libtorch")):
            raise Failure("an archive needs a libtorch that can be copied; unset LIBTORCH, and `make setup` brings one")
        for file, source in runtime_libraries(library / "warmstart-worker").items():
            install.put(source, str(library / "libtorch" / file), 0o755)
        set_runpath(library / "warmstart-worker", BESIDE)
        tag = platform_tag([root / "bin/warmstart", library / "warmstart-worker"])
        glibc = ".".join(tag.split("_")[1:3])
        (root / "README.txt").write_text(ARCHIVE_README % {"version": version(), "machine": machine(), "glibc": glibc})
        for licence in LICENCES:
            install.put(str(ROOT / licence), str(root / "share/doc/warmstart" / os.path.basename(licence)), 0o644)
        path = into / (name + ".tar.gz")
        pack(root, path)
    print("%s  %s" % (shown(path), mb(path.stat().st_size)))
    return path


def pack(root, path):
    """Packs the folder into an archive without this machine's user names and times."""

    def plain(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = 315532800
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    aside = path.with_name(path.name + ".new")
    with open(aside, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, 315532800) as zipped, \
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in [root] + sorted(root.rglob("*")):
            archive.add(entry, str(entry.relative_to(root.parent)), recursive=False, filter=plain)
    os.replace(aside, path)


# ---------------------------------------------------------------------------------------------- the release


def notes(changelog, number):
    """The section of the changelog about a version, and its date."""
    found = re.search(r"^## \[%s\] - (\d{4}-\d{2}-\d{2})\n(.*?)(?=^## \[|^\[|\Z)" % re.escape(number), changelog, re.M | re.S)
    if found is None:
        raise Failure("CHANGELOG.md has no line `## [%s] - %s`. Rename its `## [Unreleased]`, add an empty one above it, and commit."
                      % (number, datetime.date.today()))
    return found.group(2).strip() + "\n", found.group(1)


def git(*words):
    """What git answers. Fails with its reason."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], text=True, capture_output=True)
    if done.returncode != 0:
        raise Failure("git %s: %s" % (words[0], done.stderr.strip()))
    return done.stdout.strip()


def release(target, profile, into):
    number = version()
    text, _ = notes((ROOT / "CHANGELOG.md").read_text(), number)
    if git("status", "--porcelain"):
        raise Failure("there are changes that are not committed; a release is made of a commit")
    tag = "v" + number
    if git("tag", "--list", tag):
        raise Failure("the tag %s exists already; raise `version` in Cargo.toml" % tag)
    if profile != "release":
        raise Failure("a release is made of the release build, not of %s" % profile)
    folder = into / tag
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    artefacts = [wheel(target, profile, folder), dist(target, profile, folder)]
    (folder / "SHA256SUMS").write_text("".join("%s  %s\n" % (sha256_of(path), path.name) for path in artefacts))
    (folder / "NOTES.md").write_text(text)
    # By default git removes lines that begin with #, which are the headings.
    git("tag", "--annotate", tag, "--cleanup=whitespace", "--message", "warmstart %s\n\n%s" % (number, text))
    print("""
%s is ready in %s. Nothing was published. To publish it:
  git push origin %s
  make a release of that tag at the forge, with NOTES.md as its text and the other files attached
  twine upload %s""" % (tag, shown(folder), tag, shown(artefacts[0])))


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("wheel", "dist", "release"))
    parser.add_argument("--target", default="target")
    parser.add_argument("--profile", default="release")
    given = parser.parse_args(arguments)
    target = ROOT / given.target
    machine()
    into = target / "dist"
    into.mkdir(parents=True, exist_ok=True)
    {"wheel": wheel, "dist": dist, "release": release}[given.action](target, given.profile, into)


if __name__ == "__main__":
    run(main)
