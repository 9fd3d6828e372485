"""The measurement of the dashboard ends in time, and leaves no worker behind. No program runs here."""
import importlib.util
import itertools
import pathlib
import subprocess
import types
import unittest
from unittest import mock

SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "bench.d/dashboard.py"
SPEC = importlib.util.spec_from_file_location("bench_dashboard", SCRIPT)
bench = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(bench)


class Waiting(unittest.TestCase):
    def test_a_dashboard_that_writes_something_else_for_ever_is_given_up(self):
        dashboard = bench.Dashboard.__new__(bench.Dashboard)
        dashboard.began = 0
        chunks = itertools.chain(itertools.repeat(b"noise", 100), [b"the text"])
        dashboard.read = lambda seconds: next(chunks)
        # Each look at the clock is a second later.
        with mock.patch("time.perf_counter", side_effect=itertools.count()), self.assertRaises(SystemExit):
            dashboard.until(b"the text", seconds=10)


class Ended(unittest.TestCase):
    def test_a_dashboard_that_ended_by_itself_has_no_good_figures(self):
        dashboard = bench.Dashboard.__new__(bench.Dashboard)
        dashboard.process = types.SimpleNamespace(poll=lambda: 101, returncode=101)
        with self.assertRaisesRegex(SystemExit, "101"):
            dashboard.close()


class Workers(unittest.TestCase):
    def test_all_are_told_to_stop_though_the_first_has_ended(self):
        started, stopped = [], []

        def program(command, check, **_):
            words = [str(word) for word in command]
            if "train" in words:
                started.append(f"run-{len(started)}")
                return types.SimpleNamespace(stdout=started[-1])
            if "stop" in words:
                stopped.append(words[words.index("stop") + 1])
                if check:
                    raise subprocess.CalledProcessError(2, words)
            return types.SimpleNamespace(stdout="")

        with mock.patch("subprocess.run", program), mock.patch("time.sleep"):
            # No worker writes a log.
            self.assertRaises(SystemExit, bench.while_workers_train)
        self.assertEqual(len(started), 4)
        self.assertEqual(stopped, started)


if __name__ == "__main__":
    unittest.main()
