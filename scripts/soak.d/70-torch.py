#!/usr/bin/env python3
"""All tests on the CPU, with each release of torch besides the newest that the project builds with. About half an hour on two cores
for each release, the first time. Standard library only.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from torch_releases import DEFAULT, RELEASES  # noqa: E402

# A summary of nextest, or the last line of each program of `cargo test`.
NEXTEST = re.compile(r"(\d+) tests? run: (\d+) passed")
CARGO = re.compile(r"test result: \S+ (\d+) passed; (\d+) failed")


def counted(text):
    """How many tests ran, and how many passed."""
    if found := NEXTEST.search(text):
        return int(found[1]), int(found[2])
    lines = [(int(passed), int(failed)) for passed, failed in CARGO.findall(text)]
    return sum(passed + failed for passed, failed in lines), sum(passed for passed, _ in lines)


def main():
    for number, release in enumerate((name for name in RELEASES if name != DEFAULT), 1):
        command = ["make", "test", f"WARMSTART_TORCH={release}"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as made:
            lines = []
            for line in made.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        ran, passed = counted("".join(lines))
        good = made.returncode == 0 and ran == passed > 0
        what = f"all tests on the CPU with libtorch {release}, and the GPU kit's checks there"
        print(f"FIGURE T{number}\t{what}\t{passed} of {ran} passed\tall\t{'ok' if good else 'UNDER'}", flush=True)


if __name__ == "__main__":
    main()
