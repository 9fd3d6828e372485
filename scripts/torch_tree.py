#!/usr/bin/env python3
"""Builds with another release of torch than the newest: `make build WARMSTART_TORCH=2.11`.

    scripts/torch_tree.py RELEASE TARGET...     `make TARGET...` in a copy of the tree, target/torch-RELEASE/tree

The copy has its own libtorch, its own Cargo.lock with the matching release of tch, and its own target folder. Each call updates
the copy; cargo builds only what changed. Standard library only.
"""

import filecmp
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from setup_libtorch import ROOT as ROOT_PATH, Failure, run  # noqa: E402
from torch_releases import RELEASES  # noqa: E402

ROOT = pathlib.Path(ROOT_PATH)


def tracked():
    """The files of the tree: tracked by git, or new and not ignored."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True)
    if listed.returncode != 0:
        raise Failure("git cannot list the files of %s: %s" % (ROOT, listed.stderr.decode(errors="replace").strip()))
    # A name may have other bytes than UTF-8.
    names = [name for name in os.fsdecode(listed.stdout).split("\0") if name]
    return [name for name in names if (ROOT / name).is_file()]


def is_same(source, target):
    """Whether a copy has the content of its source and can be run if the source can."""
    if not target.is_file() or os.access(source, os.X_OK) != os.access(target, os.X_OK):
        return False
    return filecmp.cmp(source, target, shallow=False)


def bring_up_to_date(tree):
    """Copies files that differ, so that the others keep their old times for cargo, and removes deleted files and folders. Keeps
    the lock file."""
    names = set(tracked()) - {"Cargo.lock"}
    kept = {".venv", ".libtorch", ".weights", "target", "checkpoints"}
    inner = []
    for folder, folders, files in os.walk(tree):
        at = pathlib.Path(folder)
        if at == tree:
            folders[:] = [name for name in folders if name not in kept]
        inner += [at / name for name in folders]
        for name in files:
            path = (at / name).relative_to(tree)
            if str(path) not in names and str(path) != "Cargo.lock":
                (at / name).unlink()
    # A file may have the name of an old folder.
    for folder in reversed(inner):
        if not folder.is_symlink() and not os.listdir(folder):
            folder.rmdir()
    for name in sorted(names):
        source, target = ROOT / name, tree / name
        if is_same(source, target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        os.utime(target)


def lock(tree, tch):
    """Writes the project's Cargo.lock with this release of tch and torch-sys."""
    project = (ROOT / "Cargo.lock").read_text()
    stamp = tree / "target/Cargo.lock.of-the-project"
    wanted = "# with tch %s\n%s" % (tch, project)
    if (tree / "Cargo.lock").is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return
    # If cargo fails below, the lock file is nobody's.
    if stamp.is_file():
        stamp.unlink()
    (tree / "Cargo.lock").write_text(project)
    current = re.search(r'name = "tch"\nversion = "([^"]+)"', project).group(1)
    if current != tch:
        command = ["cargo", "update", "--quiet", "--precise", tch, "tch@" + current]
        # tch names the same version of torch-sys.
        if subprocess.run(command, cwd=tree).returncode != 0:
            raise Failure("cargo cannot choose tch %s for Cargo.lock; its own message says why" % tch)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def main(arguments):
    if len(arguments) < 2:
        sys.stderr.write(__doc__)
        raise SystemExit(2)
    choice, targets = arguments[0], arguments[1:]
    if choice not in RELEASES:
        raise Failure("WARMSTART_TORCH is '%s'. It can be %s." % (choice, " or ".join(RELEASES)))
    tree = ROOT / "target" / ("torch-" + choice) / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    bring_up_to_date(tree)
    lock(tree, RELEASES[choice].tch)
    environ = dict(os.environ, WARMSTART_TORCH=choice, WARMSTART_TORCH_TREE="1")
    for name in ("CARGO_TARGET_DIR", "LIBTORCH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environ.pop(name, None)
    done = subprocess.run(["make", "--no-print-directory"] + targets, cwd=tree, env=environ)
    if done.returncode == 0:
        print("built with torch %s in %s" % (choice, os.path.relpath(tree, ROOT)))
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    run(main)
