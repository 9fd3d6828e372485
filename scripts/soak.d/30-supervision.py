#!/usr/bin/env python3
"""Runs survive what happens to their observers: killed dashboards, a dropped SSH connection, reused process ids, hundreds of
starts and ends, and workers that hang, stall or lose their heartbeat.

    scripts/soak.d/30-supervision.py [PART ...]     cargo, ssh, stuck, rebooted; without a name, all parts

WARMSTART_SOAK_MINUTES (default 10) sets how long it watches for false alarms. The part `ssh` runs a real sshd on the loopback
interface, with keys and settings in a temporary folder. It installs nothing, and reports missing programs. Standard library only;
Linux.
"""
import fcntl
import getpass
import itertools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / os.environ.get("WARMSTART_PROFILE", "release")
PROGRAM = PROGRAMS / "warmstart"
STAND_IN = ROOT / "tests/data/worker.sh"
LIVE = ROOT / "tests/data/runs/20261122-101500-0c21"


def figure(name, what, value, target, good):
    print(f"FIGURE {name}\t{what}\t{value}\t{target}\t{'ok' if good else 'UNDER'}", flush=True)


def warmstart(folder, *words, env=None):
    """The JSON answer of a command."""
    command = [PROGRAM, "--checkpoints", folder, "--experiments", ROOT / "experiments", *words, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})
    return json.loads(answer.stdout) if answer.stdout.strip() else answer


def waited(what, is_so, seconds=60.0):
    """Seconds until the condition is true, or None after the time limit."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if is_so():
            return time.monotonic() - began
        time.sleep(0.05)
    print(f"{what} did not come within {seconds:g} s", flush=True)
    return None


def cargo_tests():
    """The tests of CI with larger numbers."""
    release = [] if os.environ.get("WARMSTART_PROFILE") == "debug" else ["--release"]
    env = {**os.environ, "WARMSTART_RACES": "200", "WARMSTART_KILLS": "100", "WARMSTART_STRANGERS": "1000",
           "WARMSTART_CYCLES": "500", "WARMSTART_FAULTS": "all"}
    for tests, name in [("cli", "of_two_resumes"), ("dashboard", "no_worker_and_no_line"), ("dashboard", "starts_and_ends"),
                        ("supervision", ""), ("faults", "")]:
        command = ["cargo", "test", *release, "--quiet", "--workspace", "--test", tests, name, "--", "--nocapture", "--test-threads=1"]
        ended = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, errors="replace")
        print(ended.stdout, end="", flush=True)
        found = ended.stdout.count("FIGURE ")
        # cargo also succeeds where no test has that name.
        if ended.returncode or not found:
            figure("B", f"{tests} {name}".strip(), f"status {ended.returncode}, {found} figures", "status 0, some figures", False)


class Sshd:
    """An SSH server on the loopback interface for the current user."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        for name in ["host", "user"]:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        (folder / "authorized").chmod(0o600)
        (folder / "config").write_text(f"""
Port {self.port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
""")
        # sshd needs this folder for privilege separation; its package creates it at boot.
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.server = subprocess.Popen([shutil.which("sshd", path=PATH), "-D", "-e", "-f", folder / "config"],
                                       stderr=open(folder / "log", "w"))
        waited("sshd", self.listens, 10)

    def listens(self):
        with socket.socket() as there:
            return there.connect_ex(("127.0.0.1", self.port)) == 0

    def command(self, *words, options=()):
        return ["ssh", "-q", "-p", str(self.port), "-i", self.folder / "user", "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", *options,
                f"{getpass.getuser()}@127.0.0.1", *words]

    def connections(self):
        """The server's processes; each carries one connection."""
        listed = subprocess.run(["pgrep", "-P", str(self.server.pid)], capture_output=True, text=True).stdout
        return [int(pid) for pid in listed.split()]

    def close(self):
        self.server.terminate()
        self.server.wait()


PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def events(run):
    log = run / "events.jsonl"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def ssh_connections():
    """The connection drops in the middle of an epoch, in several ways; the run still finishes."""
    lacking = [f"{program} (apt-get install {package})" for program, package in
               [("sshd", "openssh-server"), ("ssh", "openssh-client"), ("ssh-keygen", "openssh-client"), ("pgrep", "procps")]
               if not shutil.which(program, path=PATH)]
    worker = PROGRAMS / "warmstart-worker"
    lacking += [f"{program} (make build)" for program in [PROGRAM, worker] if not program.exists()]
    if lacking:
        return figure("B2", "a real sshd on loopback", "not tried: " + ", ".join(lacking) + " lacking", "tried", False)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        folder.chmod(0o755)
        experiment = folder / "small.yaml"
        experiment.write_text("""name: small
dataset: { name: emoji98, validation: 0.3, labels: coarse, limit: 600 }
model: { backbone: tf_efficientnet_lite0, weights: random, head: { hidden: 16 } }
train: { epochs: 3, batch_size: 8, optimizer: { name: adam, learning_rate: 1.0e-3 } }
""")
        warned_at_launch(folder / "warned", experiment)
        server = Sshd(folder)
        try:
            ways = {
                "the client is killed, `train` follows the run": ("train", False, "client"),
                "the server's side is killed, `train` on a terminal": ("train", True, "server"),
                "the client is killed, a dashboard is open": ("dashboard", True, "client"),
                "the server's side is killed, a dashboard is open": ("dashboard", True, "server"),
            }
            for way, (what, terminal, side) in ways.items():
                drop(folder / f"{what}-{side}", server, experiment, way, what, terminal, side)
        finally:
            server.close()


def warned_at_launch(folder, experiment):
    """Where systemd kills the processes of a session, the launch warns about it. Runs in its own mount namespace, with its own
    settings of logind."""
    script = f"""
set -e
mkdir -p /run/systemd /etc/systemd
mount -t tmpfs none /run/systemd
mkdir /run/systemd/system
mount -t tmpfs none /etc/systemd
printf '[Login]\\nKillUserProcesses=yes\\nKillExcludeUsers=\\n' > /etc/systemd/logind.conf
SSH_CONNECTION='127.0.0.1 1 127.0.0.1 2' WARMSTART_WORKER='{STAND_IN}' '{PROGRAM}' --checkpoints '{folder}' train '{experiment}' --detach
"""
    said = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    if said.returncode and "warning" not in said.stderr:
        return figure("B2", "a warning where systemd kills a session's processes", f"not tried: {said.stderr.strip()[:80]}", "tried", False)
    warned = "KillUserProcesses=yes" in said.stderr and "systemd-run --user --scope" in said.stderr
    waited("every process to leave", lambda: not related(folder), 15)
    figure("B2", "KillUserProcesses=yes, launched over SSH", "warned" if warned else "not warned", "warned", warned)


def drop(checkpoints, server, experiment, way, what, terminal, side):
    checkpoints.mkdir(parents=True)
    base = f"env TERM=xterm-256color WARMSTART_CHECKPOINTS='{checkpoints}' '{PROGRAM}'"
    train = f"{base} train '{experiment}'"
    script = train if what == "train" else f"{train} --detach && exec {base}"
    options = ["-tt"] if terminal else []
    # The session sets the terminal's size; a pipe gives 0 × 0.
    client = subprocess.Popen(server.command(f"stty rows 24 cols 80 2>/dev/null; {script}", options=options),
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = lambda: [path for path in checkpoints.iterdir() if path.is_dir() and not path.name.startswith(".")]
    in_epoch = lambda: any(event["event"] == "batch" and event["step"] > 3 for run in runs() for event in events(run))
    if waited("the middle of an epoch", in_epoch, 120) is None:
        client.kill()
        client.wait()
        return figure("B2", way, "no epoch came", "the worker lives on", False)
    run = runs()[0]
    if side == "client":
        client.kill()
    else:
        for pid in server.connections():
            os.kill(pid, 9)
    client.wait()
    before = len(events(run))
    lives = waited("the run to get on", lambda: len(events(run)) > before + 3, 30)
    ended = waited("the run to end", lambda: events(run)[-1]["event"] in ("finished", "failed", "exit", "stopped"), 180)
    last = events(run)[-1]["event"]
    attempts = sum(event["event"] == "attempt" for event in events(run))
    alone = waited("every process to leave", lambda: not related(checkpoints), 15)
    good = lives is not None and ended is not None and last == "finished" and attempts == 1 and alone is not None
    figure("B2", f"connection dropped in an epoch: {way}", f"{last} in {attempts} attempt", "finished in 1 attempt", good)


def related(folder):
    """Processes whose arguments contain the folder."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            pass
    return found


class StandIn:
    """A run that this process holds: the test sets its lock, heartbeat and events."""

    def __init__(self, folder, name, boot=None):
        self.path = folder / name
        self.path.mkdir(parents=True)
        info = json.loads((LIVE / "run.json").read_text())
        (self.path / "run.json").write_text(json.dumps({**info, "id": name}))
        shutil.copy(LIVE / "experiment.yaml", self.path)
        self.lock = open(self.path / "run.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        # A process that can be suspended without suspending this script.
        self.process = subprocess.Popen(["sleep", "100000"])
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        boot = boot or pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.step = 0
        self.tell("header", format=1, software="stand-in")
        self.tell("attempt", number=1, worker={"boot_id": boot, "pid": self.process.pid, "start_ticks": int(stat[19])},
                  host=socket.gethostname(), device="cpu", device_name="d", device_reason="r", threads=1, libtorch="2",
                  epochs=100, resumed_from=None, heartbeat=10)
        self.tell("phase", phase="training")
        self.beat()

    def tell(self, event, **fields):
        with open(self.path / "events.jsonl", "a") as log:
            log.write(json.dumps({"t": time.time(), "event": event, **fields}) + "\n")

    def go_on(self):
        self.step += 1
        self.tell("batch", epoch=1, step=self.step, batch=self.step % 100, batches=100, loss=1.0, accuracy=0.5,
                  learning_rate=0.1, images_per_second=9.0, gradient_norm=1.0)

    def beat(self):
        os.utime(self.path / "run.lock")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.lock.close()


def healthy(run):
    """Takes a step of a healthy run and yields the seconds until the next: half a second, ten times as long after every twentieth
    step, and a save of 60 s after every two hundredth."""
    for step in itertools.count(1):
        run.go_on()
        if step % 200:
            yield 0.5 if step % 20 else 5.0
        else:
            run.tell("phase", phase="saving")
            yield 60.0
            run.tell("phase", phase="training")


def stuck_workers():
    """Suspended, stalled and hung workers, and workers without a heartbeat. No alarm for healthy runs with steps of very
    different lengths."""
    if not PROGRAM.exists():
        return figure("B5", "workers that are stuck", f"not tried: {PROGRAM} (make build) lacking", "tried", False)
    minutes = float(os.environ.get("WARMSTART_SOAK_MINUTES", "10"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        names = ["frozen", "looping", "dead", "silent", "well"]
        runs = {name: StandIn(folder, f"2026112{n}-000000-{n:04x}") for n, name in enumerate(names)}
        try:
            for _ in range(40):
                for run in runs.values():
                    run.go_on()
                time.sleep(0.05)
            began, seen, alarms, looks, steps, due = time.monotonic(), {}, [], 0, healthy(runs["well"]), 0.0
            os.kill(runs["frozen"].process.pid, 19)
            while (now := time.monotonic() - began) < max(minutes * 60, 100):
                for name in ["frozen", "looping", "well"]:
                    runs[name].beat()
                runs["silent"].go_on()
                listed = {row["run"]: row for row in warmstart(folder, "runs")}
                looks += 1
                for name, run in runs.items():
                    state = listed[run.path.name]["state"]
                    if name == "silent":
                        # Only an alert: the run makes progress, so its status stays.
                        shown = warmstart(folder, "show", run.path.name)
                        state = "no heartbeat" if shown["heartbeat_stopped"] else state
                    if state not in ("training", "saving"):
                        seen.setdefault(name, (now, state))
                        if name == "well":
                            alarms.append((now, state))
                # The healthy run steps several times between two looks.
                look = time.monotonic() + 1
                while (at := time.monotonic()) < look:
                    if at >= due:
                        due = at + next(steps)
                    time.sleep(0.05)
            for name, state, limit, what in [
                    ("frozen", "suspended", 30, "SIGSTOP"), ("looping", "stalled", 61 + 2, "an endless step, alive by its heartbeat"),
                    ("dead", "hung", 30 + 2, "neither heartbeat nor events"),
                    ("silent", "no heartbeat", 30 + 2, "events, but no heartbeat")]:
                at, found = seen.get(name, (float("inf"), "nothing"))
                figure("B5", f"{what}: shown as", f"{found} after {at:.0f} s", f"{state} within {limit} s",
                       found == state and at <= limit)
            figure("B5", f"false alarms in {minutes:g} min of steps up to ten times the usual and saves of 60 s, {looks} looks",
                   len(alarms), "0", not alarms)
        finally:
            for run in runs.values():
                run.close()


def rebooted():
    """The machine has rebooted. Processes that reuse the workers' process ids get no signal, and the runs resume."""
    if not PROGRAM.exists():
        return figure("B7", "runs of a boot before", f"not tried: {PROGRAM} (make build) lacking", "tried", False)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        runs = [StandIn(folder, f"2026112{n}-000000-{n:04x}", boot=f"{n}0000000-0000-0000-0000-000000000000") for n in range(5)]
        try:
            for run in runs:
                run.lock.close()
            for run in runs:
                warmstart(folder, "stop", run.path.name, "--now")
            lost = [row for row in warmstart(folder, "runs") if row["state"] == "lost"]
            alive = [run for run in runs if run.process.poll() is None]
            resumed = [run for run in runs if subprocess.run(
                [PROGRAM, "--checkpoints", folder, "resume", run.path.name, "--detach"], capture_output=True,
                env={**os.environ, "WARMSTART_WORKER": str(STAND_IN)}).returncode == 0]
            waited("every process to leave", lambda: not related(folder), 15)
            said = f"{len(lost)} shown as lost, {len(alive)} strangers alive, {len(resumed)} resumed"
            figure("B7", f"{len(runs)} runs of a boot before, whose numbers others have", said, f"{len(runs)} of each",
                   len(lost) == len(alive) == len(resumed) == len(runs))
        finally:
            for run in runs:
                run.close()


PARTS = {"cargo": cargo_tests, "ssh": ssh_connections, "stuck": stuck_workers, "rebooted": rebooted}

if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(PARTS):
        raise SystemExit(f"error: there is no part {' or '.join(unknown)}; expected some of {', '.join(PARTS)}")
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
