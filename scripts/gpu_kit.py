#!/usr/bin/env python3
"""Builds a folder that checks warmstart on a GPU machine with PyTorch but without Rust and without a network.

    scripts/gpu_kit.py --programs DIR --release 2.11 [--out target/gpu-kit]

The programs use the PyTorch of that machine as libtorch. Run `python3 check.py` there. Standard library only.
"""

import argparse
import lzma
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from setup_libtorch import ROOT as ROOT_PATH, Failure, mb, run, tree_size  # noqa: E402

ROOT = pathlib.Path(ROOT_PATH)
# Bytes of the largest kit.
MOST = 45_000_000


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, type=pathlib.Path, help="cargo's folder of the built programs")
    parser.add_argument("--release", required=True, help="the release of torch that the programs are built for")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "target/gpu-kit")
    parser.add_argument("--link", action="store_true", help="link the programs instead of packing them, to try the kit here")
    options = parser.parse_args(arguments)
    if options.out.exists() and os.listdir(options.out) and not (options.out / "torch-version").is_file():
        raise Failure("a folder is there that is no kit; name another with --out: %s" % options.out)
    new = options.out.with_name(options.out.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for name in ("warmstart", "warmstart-worker"):
        program = options.programs / name
        if not program.is_file():
            raise Failure("%s is not built" % program)
        if options.link:
            (new / name).symlink_to(program.resolve())
            continue
        with open(program, "rb") as source, lzma.open(new / (name + ".xz"), "wb") as packed:
            shutil.copyfileobj(source, packed)
    (new / "torch-version").write_text(options.release + "\n")
    for script in sorted((ROOT / "scripts/gpu").glob("*.py")):
        shutil.copy(script, new)
    # Like make, which allows options and a wrapper such as `ccache cc`.
    compiler = shlex.split(os.environ.get("CC") or "cc")
    counter = ["-std=gnu11", "-O2", "-shared", "-fPIC", "-o", new / "libwaits.so", ROOT / "scripts/gpu/waits.c", "-ldl"]
    if subprocess.run(compiler + counter).returncode != 0:
        raise Failure("the C compiler did not build libwaits.so")
    shutil.copytree(ROOT / "experiments", new / "experiments")
    (new / ".weights").mkdir()
    for weights in (ROOT / ".weights").glob("*.safetensors"):
        shutil.copy(weights, new / ".weights")
    size = tree_size(new)
    if size > MOST and not options.link:
        raise Failure("the kit has %s, more than %s" % (mb(size), mb(MOST)))
    shutil.rmtree(options.out, ignore_errors=True)
    os.rename(new, options.out)
    print("%s: %s for torch %s; copy it to the GPU machine and run `python3 check.py` there"
          % (os.path.relpath(options.out, os.getcwd()), mb(size), options.release))


if __name__ == "__main__":
    run(main)
