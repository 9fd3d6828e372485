"""The benchmark of training: how it measures a program, and which cases it takes."""
import argparse
import importlib.util
import pathlib
import sys
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "bench.d/training.py"
spec = importlib.util.spec_from_file_location("bench_training", SCRIPT)
training = importlib.util.module_from_spec(spec)
spec.loader.exec_module(training)


class Training(unittest.TestCase):
    @unittest.skipUnless(sys.platform == "linux", "other systems count in other units")
    def test_memory_is_in_megabytes(self):
        program = "import resource; held = b'x' * 200_000_000; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
        said, megabytes = training.measured([sys.executable, "-c", program])
        self.assertAlmostEqual(megabytes * 1e6 / int(said), 1, delta=0.01)

    def test_an_unknown_case_is_refused_by_name(self):
        self.assertEqual(training.case_names("b0,lite0_64"), ["b0", "lite0_64"])
        with self.assertRaisesRegex(argparse.ArgumentTypeError, "'b1'.*resnet18"):
            training.case_names("b0,b1")


if __name__ == "__main__":
    unittest.main()
