#!/usr/bin/env python3
"""What `make install` and `make uninstall` do.

    PREFIX/bin/warmstart                            the dashboard
    PREFIX/lib/warmstart/warmstart-worker           the worker; it searches for libtorch beside itself first
    PREFIX/lib/warmstart/libtorch/                  libtorch's libraries
    PREFIX/lib/warmstart/installed.txt              list of the installed files, for uninstall
    PREFIX/share/warmstart/weights/, experiments/   the quickstart weights, the shipped experiments
    PREFIX/share/man/, bash-completion/, zsh/, fish/ manuals and completions

Files are replaced whole, so a running dashboard or worker is not disturbed. Uninstalling removes the installed files and empty
folders; your own files in those folders stay.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from setup_libtorch import ROOT, Failure, copy_libs, run  # noqa: E402

EXPERIMENTS = os.path.join(ROOT, "experiments")
WEIGHTS = os.path.join(ROOT, ".weights")


def put(source, target, mode):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target + ".new")
    os.chmod(target + ".new", mode)
    os.replace(target + ".new", target)


def shipped(folder, endings):
    for at, _, files in os.walk(folder):
        for name in sorted(files):
            if name.endswith(endings):
                yield os.path.relpath(os.path.join(at, name), folder)


def plan(root, target, profile="release"):
    """(source, path below root, mode) of every file except libtorch, manuals and completions."""
    library, data = os.path.join(root, "lib", "warmstart"), os.path.join(root, "share", "warmstart")
    files = [
        (os.path.join(target, profile, "warmstart"), os.path.join(root, "bin", "warmstart"), 0o755),
        (os.path.join(target, profile, "warmstart-worker"), os.path.join(library, "warmstart-worker"), 0o755),
    ]
    for name in shipped(EXPERIMENTS, (".yaml", ".yml", ".json", ".md")):
        files.append((os.path.join(EXPERIMENTS, name), os.path.join(data, "experiments", name), 0o644))
    for name in shipped(WEIGHTS, (".safetensors",)):
        files.append((os.path.join(WEIGHTS, name), os.path.join(data, "weights", name), 0o644))
    for source, _, _ in files:
        if not os.path.exists(source):
            raise Failure("%s is not built. `make build` builds it." % os.path.relpath(source, ROOT))
    return files


def share(root, target, profile="release", expect=None):
    """Writes the manuals and completions, which the program itself prints. Tells `expect` their paths before."""
    goal = os.path.join(root, "share")
    with tempfile.TemporaryDirectory() as folder:
        written = subprocess.run([os.path.join(target, profile, "warmstart"), "docs", "--share", folder])
        if written.returncode != 0:
            raise Failure("the program could not write its manuals and completions; its output is above")
        names = list(shipped(folder, ""))
        if expect is not None:
            expect([os.path.join(goal, name) for name in names])
        for name in names:
            put(os.path.join(folder, name), os.path.join(goal, name), 0o644)


def install(root, prefix, target):
    library = os.path.join(root, "lib", "warmstart")
    libtorch = os.path.join(library, "libtorch")
    files = plan(root, target)
    before, now = listed(root, library), []

    def expect(paths):
        # The list has each file before it is written, so `uninstall` finds what an interrupted installation leaves.
        now.extend(paths)
        write_list(root, library, before + now)

    expect([goal for _, goal, _ in files])
    for source, goal, mode in files:
        put(source, goal, mode)
    share(root, target, expect=expect)
    copy_libs(libtorch, lambda names: expect([os.path.join(libtorch, name) for name in names]))
    remove(root, [path for path in before if path not in now])
    write_list(root, library, now)
    print("Installed %d files below %s; the program is %s." % (len(now), root, os.path.join(root, "bin", "warmstart")))
    if root == prefix and os.path.join(prefix, "bin") not in os.environ.get("PATH", "").split(os.pathsep):
        print("%s is not in your PATH yet." % os.path.join(prefix, "bin"))


def write_list(root, library, paths):
    """Lists the files that are installed below root, or are about to be."""
    os.makedirs(library, exist_ok=True)
    goal = os.path.join(library, "installed.txt")
    with open(goal + ".new", "w", encoding="utf-8") as f:
        f.write("".join(os.path.relpath(path, root) + "\n" for path in dict.fromkeys(paths)))
    os.replace(goal + ".new", goal)


def listed(root, library):
    """The files that an earlier installation listed."""
    try:
        with open(os.path.join(library, "installed.txt"), encoding="utf-8") as f:
            names = f.read().splitlines()
    except FileNotFoundError:
        return []
    return [os.path.join(root, n) for n in names if n and not os.path.isabs(n) and ".." not in n.split("/")]


def remove(root, paths):
    for path in paths:
        # An interrupted installation may leave a file under the name that it has while it is copied.
        for file in (path, path + ".new"):
            if os.path.lexists(file):
                os.unlink(file)
        folder = os.path.dirname(path)
        while folder.startswith(root + os.sep) and "warmstart" in os.path.relpath(folder, root).split(os.sep):
            try:
                os.rmdir(folder)
            except OSError:
                break
            folder = os.path.dirname(folder)


def uninstall(root):
    library = os.path.join(root, "lib", "warmstart")
    paths = listed(root, library)
    if not paths:
        print("Nothing of warmstart is installed below %s." % root)
        return
    present = sum(map(os.path.lexists, paths))
    remove(root, paths + [os.path.join(library, "installed.txt")])
    print("Removed %d files below %s." % (present, root))


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("install", "uninstall"))
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--destdir", default="")
    parser.add_argument("--target", default="target", help="cargo's target folder")
    given = parser.parse_args(arguments)
    prefix = os.path.abspath(os.path.expanduser(given.prefix))
    root = os.path.abspath(given.destdir + prefix) if given.destdir else prefix
    if given.action == "install":
        install(root, prefix, os.path.join(ROOT, given.target))
    else:
        uninstall(root)


if __name__ == "__main__":
    run(main)
