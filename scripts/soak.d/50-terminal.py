#!/usr/bin/env python3
"""The dashboard (release build) in terminals that are slow, small, lost or missing: bytes, keys, and how it ends.

    scripts/soak.d/50-terminal.py [PART ...]      all parts, or those named: %s

The parts `exits`, `random`, `places`, `hostile` and `tail` are tests of `cargo test --release`; WARMSTART_PROFILE=debug takes those of
the development build. WARMSTART_PROGRAM names another dashboard for the other parts. Standard library only; Linux.
"""
import fcntl
import importlib.util
import json
import os
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("bench", ROOT / "scripts/bench.d/dashboard.py")
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
LIVE = ROOT / "tests/data/runs/20261122-101500-0c21"
# The highest rate at which a worker reports: progress every 0.4 s, use of the machine every 2 s.
PACE = 0.4


def figure(name, what, value, target, good):
    print(f"FIGURE {name}\t{what}\t{value}\t{target}\t{'ok' if good else 'UNDER'}", flush=True)


def tests(name, *arguments, **variables):
    """Runs tests of the workspace that print their own figures."""
    profile = os.environ.get("WARMSTART_PROFILE", "release")
    command = ["cargo", "test", "--quiet", "--workspace", *(["--release"] if profile == "release" else []), *arguments, "--", name,
               "--nocapture"]
    ended = subprocess.run([*command, "--include-ignored"], cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True,
                           errors="replace")
    print(ended.stdout, end="", flush=True)
    found = ended.stdout.count("FIGURE ")
    # cargo also succeeds where no test has that name.
    if ended.returncode or not found:
        figure("-", f"test {name}", f"status {ended.returncode}, {found} figures", "status 0, some figures", False)


class Growing:
    """Runs without workers; this process holds their locks and extends their logs."""

    def __init__(self, folder, number, pause=PACE, faster=1):
        """With `faster`, each update writes as many times more events, as if that much more time had passed."""
        self.folders, self.locks, self.over, self.step, self.faster = [], [], threading.Event(), 300, faster
        for n in range(number):
            target = folder / f"20261122-1015{n:02d}-0c21"
            shutil.copytree(LIVE, target)
            info = json.loads((target / "run.json").read_text())
            (target / "run.json").write_text(json.dumps({**info, "id": target.name}))
            lock = open(target / "run.lock", "w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.folders.append(target)
            self.locks.append(lock)
        self.thread = threading.Thread(target=self.grow, args=(pause,), daemon=True)
        self.thread.start()

    def grow(self, pause):
        while not self.over.wait(pause):
            lines = "".join(self.lines())
            for folder in self.folders:
                with open(folder / "events.jsonl", "a") as log:
                    log.write(lines)

    def lines(self):
        for _ in range(self.faster):
            self.step += 1
            step, epoch, now = self.step, self.step // 340 + 8, time.time()
            yield json.dumps({"t": now, "event": "batch", "epoch": epoch, "step": step, "batch": step % 340, "batches": 340,
                              "loss": 1.1 + step % 7 / 50, "accuracy": 0.42, "learning_rate": 4e-4, "images_per_second": 98.0,
                              "gradient_norm": 1.0 + step % 5 / 10}) + "\n"
            if step % 5 == 0:
                yield json.dumps({"t": now, "event": "system", "cpu": 90.0 + step % 10, "memory": 10**9 + step}) + "\n"
            if step % 340 == 339:
                yield json.dumps({"t": now, "event": "epoch", "epoch": epoch, "step": step, "train_loss": 1.1, "train_acc": 0.42,
                                  "val_loss": 1.3, "val_acc": 0.4 + step % 97 / 1000, "learning_rate": 4e-4,
                                  "images_per_second": 98.0, "train_time": step * 1.0, "best": False}) + "\n"
                yield json.dumps({"t": now, "event": "phase", "phase": "training"}) + "\n"

    def close(self):
        self.over.set()
        self.thread.join()
        for lock in self.locks:
            lock.close()


def refreshes(dashboard, seconds):
    """Bytes of each refresh within `seconds`. A pause of 30 ms separates two refreshes."""
    sizes, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        size = len(dashboard.read(0.5))
        while size and (more := dashboard.read(0.03)):
            size += len(more)
        if size:
            sizes.append(size)
    return sizes


def bytes_over_a_link(folder):
    """A list and an open run while logs grow."""
    for columns, rows, median, most in [(80, 24, 1024, 2048), (200, 60, 3072, 6144)]:
        dashboard = bench.Dashboard(folder, columns, rows)
        first = b""
        while bench.FOOT not in first:
            if not (chunk := dashboard.read(5)):
                raise SystemExit("error: the dashboard has ended, or draws no first frame")
            first += chunk
        first += dashboard.read(0.1)
        if columns == 80:
            figure("C6", "full paint, 80×24", f"{len(first)} B", "≤ 8,192 B", len(first) <= 8192)
        for place, keys in [("list", b""), ("run", b"gj\r")]:
            if keys:
                os.write(dashboard.master, keys)
                dashboard.read(2)
            dashboard.settle_for(1)
            sizes = refreshes(dashboard, 10) or [0]
            middle, high = statistics.median(sizes), sorted(sizes)[int(len(sizes) * 0.95)]
            figure("C6", f"a refresh of the {place}, {columns}×{rows}, median and p95", f"{middle:.0f} and {high} B",
                   f"≤ {median:,} and {most:,} B", middle <= median and high <= most)
            figure("C6", f"refreshes a second of the {place}, {columns}×{rows}", f"{len(sizes) / 10:.1f}", "≤ 4",
                   len(sizes) / 10 <= 4)
        dashboard.close()


def silence():
    """Nothing changes, so the dashboard sends nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        bench.many_runs(pathlib.Path(scratch), 5)
        dashboard = bench.Dashboard(pathlib.Path(scratch))
        dashboard.until(bench.FOOT)
        dashboard.settle_for(3)
        size = sum(refreshes(dashboard, 10))
        figure("C6", "10 s in which nothing happens", f"{size} B", "0 B", size == 0)
        dashboard.close()


def slow_reader(folder, runs, stopped=60):
    """A slow reader (1 KB a second) that stops reading for a minute, behind a delay of half a second; then a key."""
    delay = 0.25  # each way
    dashboard = bench.Dashboard(folder, 200, 60)
    dashboard.until(bench.FOOT)
    dashboard.settle_for(2)
    before = dashboard.resident()
    began = time.perf_counter()
    while time.perf_counter() - began < 20:
        # Each key redraws the whole screen.
        os.write(dashboard.master, b"\x0c")
        os.read(dashboard.master, 256)
        time.sleep(0.25)
    grown = dashboard.resident() - before
    figure("C7", "20 s at 1 KB/s, memory", f"{grown:+.1f} MB", "≤ 2 MB", grown <= 2)
    step, began, cpu = runs.step, time.perf_counter(), dashboard.cpu()
    while time.perf_counter() - began < stopped:
        os.write(dashboard.master, b"\x0cj")
        time.sleep(0.5)
    grown, share = dashboard.resident() - before, (dashboard.cpu() - cpu) / stopped * 100
    logged = (runs.step - step) / (stopped / PACE)
    figure("C7", f"{stopped} s unread, memory", f"{grown:+.1f} MB", "≤ 2 MB", grown <= 2)
    figure("C7", f"{stopped} s unread, CPU", f"{share:.1f} % of a core", "≤ 2 %", share <= 2)
    figure("C7", f"{stopped} s unread, steps logged meanwhile", f"{logged:.0%}", "≥ 95 %", logged >= 0.95)
    waiting, began = 0, time.perf_counter()
    while chunk := dashboard.read(0.1):
        waiting += len(chunk)
        if time.perf_counter() - began > 3:
            break
    figure("C7", "bytes that had waited: one frame and what the system holds", f"{waiting:,} B", "≤ 65,536 B", waiting <= 65536)
    began = time.perf_counter()
    time.sleep(delay)
    os.write(dashboard.master, b"?")
    seen = b""
    while "┌ keys ".encode() not in seen and time.perf_counter() - began < 10:
        seen += dashboard.read(0.05)
    time.sleep(delay)
    answer = time.perf_counter() - began
    figure("C7", "then a key to its effect, with 500 ms of round trip", f"{answer * 1e3:.0f} ms", "≤ 1,000 ms", answer <= 1)
    dashboard.close()


def window_changes(folder):
    """A thousand size changes within five seconds; then a key must still redraw the whole screen."""
    dashboard = bench.Dashboard(folder)
    dashboard.until(bench.FOOT)
    drain = threading.Event()
    reader = threading.Thread(target=lambda: [dashboard.read(0.05) for _ in iter(drain.is_set, True)])
    reader.start()
    for n in range(1000):
        size = struct.pack("HHHH", n * 7 % 60 + 1, n * 13 % 200 + 1, 0, 0)
        fcntl.ioctl(dashboard.master, termios.TIOCSWINSZ, size)
        time.sleep(0.004)
    fcntl.ioctl(dashboard.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    time.sleep(1)
    drain.set()
    reader.join()
    os.write(dashboard.master, b"\x0c")
    painted, chunk = b"", b"-"
    while chunk:
        chunk = dashboard.read(0.5)
        painted += chunk
    alive = dashboard.process.poll() is None and bench.FOOT in painted
    figure("C2", "1,000 window changes in 5 s", "draws on" if alive else "broken", "draws on", alive)
    dashboard.close()


def lost_terminals(folder):
    """The terminal closes, in four set-ups; the dashboard must exit within a second."""
    command = f"'{bench.PROGRAM}' --experiments '{ROOT / 'experiments'}' --checkpoints '{folder}'"
    # The dashboard handles HUP itself, so each way also tests an application with a handler.
    ways = {"leader of its session": f"exec {command}", "with HUP ignored, as nohup leaves it": f"trap '' HUP; exec {command}",
            "below a shell": f"{command}; exit", "below a shell that traps HUP": f"trap : HUP; {command}; exit"}
    for way, script in ways.items():
        dashboard = bench.Dashboard(folder, script=script, env={"WARMSTART_WORKER": str(ROOT / "tests/data/worker.sh")})
        dashboard.until(bench.FOOT)
        # The dataset screen has its own worker.
        os.write(dashboard.master, b"d")
        dashboard.settle_for(1)
        inner = dashboard.process.pid
        inner = (children(inner) or [inner])[0] if "exec" not in script else inner
        family = [inner, *children(inner)]
        began = time.perf_counter()
        os.close(dashboard.master)
        while any(map(alive, family)) and time.perf_counter() - began < 5:
            dashboard.process.poll()
            time.sleep(0.01)
        took, left = time.perf_counter() - began, sum(map(alive, family))
        dashboard.process.kill()
        dashboard.process.wait()
        figure("C4", f"a lost terminal, {way}: dashboard and worker, processes left", f"gone after {took:.2f} s, {left}",
               "≤ 1 s, 0", took <= 1 and left == 0)


def children(pid):
    """The child processes of all threads of a process."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def odd_terminals(folder):
    """Terminals with other names, without colour, and without Unicode."""
    for what, env in [("TERM=vt100", {"TERM": "vt100"}), ("TERM=linux", {"TERM": "linux"}), ("TERM=screen", {"TERM": "screen"}),
                      ("NO_COLOR", {"NO_COLOR": "1"}), ("LANG=C", {"LANG": "C"})]:
        dashboard = bench.Dashboard(folder, env=env)
        seen, end = b"", time.perf_counter() + 3
        while bench.FOOT not in seen and time.perf_counter() < end:
            seen += dashboard.read(0.5)
        good = bench.FOOT in seen
        if what == "LANG=C":
            good &= all(byte < 128 for byte in seen)
        if what == "NO_COLOR":
            good &= not re.search(rb"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[\d;]*)?m", seen)
        figure("C8", what, "usable" if good else "not usable", "usable", good)
        dashboard.close()
    dashboard = bench.Dashboard(folder, env={"TERM": "dumb"})
    seen = b""
    while chunk := dashboard.read(2):
        seen += chunk
    good = dashboard.process.wait() == 0 and b"\x1b" not in seen and b"experiment" in seen
    figure("C8", "TERM=dumb", "plain text" if good else "not usable", "plain text", good)
    os.close(dashboard.master)
    multiplexers(folder)
    piped = subprocess.run([bench.PROGRAM, "--experiments", ROOT / "experiments", "--checkpoints", folder],
                           stdin=subprocess.DEVNULL, capture_output=True)
    good = piped.returncode == 0 and b"\x1b" not in piped.stdout and piped.stdout
    figure("C8", "no terminal", "plain text" if good else "not usable", "plain text", good)


def multiplexers(folder):
    """What tmux and GNU screen show of the dashboard."""
    command = [str(bench.PROGRAM), "--experiments", str(ROOT / "experiments"), "--checkpoints", str(folder)]
    name = f"warmstart-soak-{os.getpid()}"
    environment = {**os.environ, "LANG": "C.UTF-8", "TERM": "xterm-256color", "XDG_STATE_HOME": str(folder.parent / "state")}
    run = lambda *words: subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace").stdout
    for program in ["tmux", "screen"]:
        if not shutil.which(program):
            print(f"SKIPPED: {program} is not installed (apt-get install {program})", flush=True)
            continue
        shot = folder.parent / f"{name}.txt"
        if program == "tmux":
            run("tmux", "-L", name, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", *command)
            look = lambda: run("tmux", "-L", name, "capture-pane", "-p")
            press = lambda key: run("tmux", "-L", name, "send-keys", key)
            end = lambda: run("tmux", "-L", name, "kill-server")
        else:
            run("screen", "-U", "-c", "/dev/null", "-dmS", name, *command)
            look = lambda: (run("screen", "-S", name, "-X", "hardcopy", str(shot)), time.sleep(0.2),
                            shot.read_text(errors="replace") if shot.exists() else "")[-1]
            press = lambda key: run("screen", "-S", name, "-X", "stuff", key)
            end = lambda: run("screen", "-S", name, "-X", "quit")
        shown = lambda *texts: any(all(text in look() for text in texts) or time.sleep(0.2) for _ in range(30))
        good = shown("experiment", "quit")
        press("?")
        good = good and shown("launch the experiment")
        press("q")
        good = good and shown("experiment", "quit")
        press("q")
        time.sleep(0.5)
        end()
        figure("C8", program, "usable" if good else "not usable", "usable", good)


# The test of each way to exit, selected by a part of its name.
EXITS = {
    "q": "it_opens_follows_the_size_and_quits", "an error on the way up": "error_at_start",
    "a panic": "panic_on_any_thread", "SIGTERM": "case_1_terminate", "SIGHUP": "case_2_hangup", "SIGINT": "case_3_interrupt",
    "SIGQUIT": "case_4_quit", "ctrl-z and fg": "ctrl_z_gives", "SIGSTOP and SIGCONT": "a_stop_from_outside",
    "a full disk": "full_disk_is_reported",
}


def exits():
    """The terminal reports that modes, alternate screen, cursor, mouse and paste are restored."""
    release = [] if os.environ.get("WARMSTART_PROFILE") == "debug" else ["--release"]
    command = ["cargo", "test", *release, "--quiet", "--workspace", "--test", "dashboard", "--"]
    ran = lambda name: re.search(r"ok\. [1-9]\d* passed", subprocess.run(
        [*command, name], cwd=ROOT, capture_output=True, text=True, errors="replace").stdout)
    restored = [way for way, name in EXITS.items() if ran(name)]
    figure("C3", f"ways to leave that give the terminal back as it was: {', '.join(restored)}", len(restored), len(EXITS),
           len(restored) == len(EXITS))


PARTS = {
    "exits": lambda folder, runs: exits(),
    "random": lambda folder, runs: tests("fifty_thousand_events", "--lib"),
    "lost": lambda folder, runs: lost_terminals(folder),
    "odd": lambda folder, runs: odd_terminals(folder),
    "bytes": lambda folder, runs: (bytes_over_a_link(folder), silence()),
    "slow": slow_reader,
    "windows": lambda folder, runs: window_changes(folder),
    "places": lambda folder, runs: tests("every_place_at_every_size", "--lib"),
    "hostile": lambda folder, runs: [tests(*which, HOSTILE_TEXTS="10000")
                                     for which in (("hostile::", "--test", "cli"), ("tests::bytes::", "--lib"))],
    "tail": lambda folder, runs: tests("what_a_worker_writes_is_on_the_screen", "--test", "dashboard"),
}
__doc__ %= ", ".join(PARTS)


def main(names):
    if not bench.PROGRAM.exists():
        raise SystemExit(f"error: {bench.PROGRAM} is missing. Build it with: make build")
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"error: there is no part {' or '.join(unknown)}\n\n{__doc__}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "checkpoints"
        folder.mkdir()
        runs = Growing(folder, 4)
        try:
            for name in names or PARTS:
                PARTS[name](folder, runs)
        finally:
            runs.close()


if __name__ == "__main__":
    main(sys.argv[1:])
