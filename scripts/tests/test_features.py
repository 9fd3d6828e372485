"""Programs and tests are built with the same features of every crate, so that `make test` uses what `make run` has built."""
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def crates(edges):
    """Name and version of each crate, with its features."""
    tree = subprocess.run(["cargo", "tree", "--workspace", "--edges", edges, "--prefix", "none", "--format", "{p}|{f}"], cwd=ROOT,
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = {line.removesuffix(" (*)") for line in tree.splitlines() if "|" in line}
    return {line for line in lines if not line.startswith("warmstart")}


class Features(unittest.TestCase):
    def test_tests_need_no_other_features_than_programs(self):
        programs, tests = crates("normal,build"), crates("normal,build,dev")
        names = {line.split("|")[0] for line in programs}
        other = sorted(line for line in programs - tests)
        self.assertGreater(len(names), 100)
        self.assertEqual(other, [])


if __name__ == "__main__":
    unittest.main()
