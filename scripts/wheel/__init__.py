"""warmstart, installed by pip. The programs are native; this module finds libtorch for them and then runs the program."""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "tree", "bin", "warmstart")
# The release of torch that the worker is built for, such as 2.13.
BUILT_FOR = os.path.join(HERE, "tree", "lib", "warmstart", "torch-version")
# Commands that work without the training program. All other commands, and the dashboard itself, need it.
WITHOUT_TORCH = {"new", "list", "models", "check", "params", "stop", "queue", "runs", "show", "tag", "note", "archive", "trash",
                 "cache", "compare", "plot", "completions", "config", "doctor", "docs", "help"}
# Options before the command whose value is the next word.
WITH_VALUE = {"--experiments", "--checkpoints", "--torch", "--launcher", "--slurm", "--log", "--color", "--theme"}


def command(arguments):
    """The command among the arguments. None for the dashboard; `help` if the user only asks for help or the version."""
    words = iter(arguments)
    found = None
    for word in words:
        if word == "--":
            break
        if word in ("-h", "--help", "-V", "--version"):
            return "help"
        if word in WITH_VALUE:
            next(words, None)
        elif not word.startswith("-") and found is None:
            found = word
    return found


def names_torch(arguments):
    """Whether the user names a PyTorch, which the program itself then checks and loads."""
    options = arguments[:arguments.index("--")] if "--" in arguments else arguments
    return bool(os.environ.get("WARMSTART_TORCH_DIR")) or any(word.split("=")[0] == "--torch" for word in options)


def find_torch(path):
    """The folder of the torch package on this search path, and its version."""
    for place in path:
        folder = os.path.join(place, "torch")
        try:
            with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
                version = re.search(r"__version__ = ['\"]([^'\"]+)", file.read())
        except OSError:
            continue
        if version and os.path.exists(os.path.join(folder, "lib", "libtorch_cpu.so")):
            return folder, version.group(1)
    return None, None


def problem(version):
    """What is wrong with the installed torch, or None."""
    with open(BUILT_FOR, encoding="utf-8") as file:
        wanted = file.read().strip()
    if version is None:
        found = "PyTorch is not installed"
    elif not re.match(re.escape(wanted) + r"(\D|$)", version):
        found = "PyTorch %s is installed" % version
    else:
        return None
    return (
        "error: warmstart trains with the libtorch of PyTorch %s, but %s for %s\n"
        "help: %s -m pip install 'torch==%s.*'" % (wanted, found, sys.executable, sys.executable, wanted)
    )


def main():
    if not names_torch(sys.argv[1:]):
        provide_torch()
    os.execv(PROGRAM, [PROGRAM] + sys.argv[1:])


def provide_torch():
    """Lets the worker find the torch of this Python. Ends the program if a command needs it and it is missing or wrong."""
    folder, version = find_torch(sys.path)
    wrong = problem(version)
    asked = command(sys.argv[1:])
    if wrong and "WARMSTART_COMPLETE" not in os.environ and (asked == "doctor" or asked not in WITHOUT_TORCH):
        sys.stderr.write(wrong + "\n")
        if asked != "doctor":
            raise SystemExit(4)
    beside = os.path.join(os.path.dirname(HERE), "torch")
    if folder and os.path.realpath(folder) != os.path.realpath(beside):
        # The worker searches beside itself, but this torch is in another packages folder.
        known = os.environ.get("LD_LIBRARY_PATH")
        os.environ["LD_LIBRARY_PATH"] = os.pathsep.join([os.path.join(folder, "lib")] + ([known] if known else []))
