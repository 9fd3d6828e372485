#!/usr/bin/env python3
"""Runs on a real Slurm over loopback, of one node and once of two, with its own configuration, keys and state in a temporary folder.

    scripts/soak.d/45-slurm.py [PART ...]    start it, measure, stop it
    scripts/soak.d/45-slurm.py up|down       start or stop it, for work by hand; `up` prints what the shell must export

It needs root and Debian's packages slurm-wlm and munge. It installs nothing and reports what is missing. Do not run it on a node of
a cluster: the part `power` kills the processes of every Slurm on the machine. Standard library only; Linux.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / os.environ.get("WARMSTART_PROFILE", "release") / "warmstart"
# About half a minute on two cores.
EPOCHS = int(os.environ.get("WARMSTART_SLURM_EPOCHS", "8"))
# How many times longer a run is that needs more than one time limit of a minute.
LONG = int(os.environ.get("WARMSTART_SLURM_LONG", "4"))
# What a run that trains says later; a short one may be done.
CONTINUES = ("training", "validating", "saving", "done")
# `down` removes it.
FOLDER = pathlib.Path("/tmp/warmstart-slurm")
CONF = FOLDER / "slurm.conf"


class Slurm:
    """munged, slurmctld, and a slurmd for each node. All nodes are this machine; each has its own name and port."""

    def __init__(self, folder=FOLDER):
        self.folder, self.nodes = folder, ["one"]
        # Seconds until a node that does not answer is down.
        self.patience = 60

    def configure(self):
        for name in ["munge", "state", *(f"spool/{node}" for node in self.nodes)]:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        (self.folder / "munge").chmod(0o711)
        key = self.folder / "munge/key"
        if not key.exists():
            key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        host = os.uname().nodename.split(".")[0]
        cpus, all_nodes = os.cpu_count(), ",".join(self.nodes)
        nodes = "\n".join(f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={16818 + number} CPUs={cpus} State=UNKNOWN"
                          for number, node in enumerate(self.nodes))
        # The higher partition takes the node from the lower ones; a job of `grace` has a minute's notice.
        CONF.write_text(f"""ClusterName=soak
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd-%n.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd-%n.log
SlurmctldPort=16817
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldTimeout=30
SlurmdTimeout={self.patience}
KillWait=20
MinJobAge=30
OverTimeLimit=0
ReturnToService=2
SchedulerParameters=sched_min_interval=100000,bf_interval=5,enable_user_top
{nodes}
PartitionName=low Nodes={all_nodes} Default=YES PriorityTier=1 State=UP
PartitionName=grace Nodes={all_nodes} PriorityTier=1 GraceTime=60 State=UP
PartitionName=high Nodes={all_nodes} PriorityTier=10 PreemptMode=OFF State=UP
""")

    def munged(self):
        munge = self.folder / "munge"
        subprocess.run(["munged", "--force", f"--socket={munge}/socket", f"--key-file={munge}/key", f"--pid-file={munge}/pid",
                        f"--log-file={munge}/log", f"--seed-file={munge}/seed"], check=True)

    def controller(self):
        subprocess.run(["slurmctld", "-f", CONF], check=True)

    def daemon(self):
        for node in self.nodes:
            subprocess.run(["slurmd", "-f", CONF, "-N", node], check=True)

    def stop(self, name):
        """Stops a daemon by its pid file, and waits for its end."""
        if name == "slurmd":
            for node in self.nodes:
                self.end(name, self.folder / f"slurmd-{node}.pid")
        else:
            self.end(name, self.folder / ("munge/pid" if name == "munged" else f"{name}.pid"))

    def end(self, name, file):
        try:
            pid = int(file.read_text())
            if name not in pathlib.Path(f"/proc/{pid}/comm").read_text():
                return
            os.kill(pid, 15)
        except (OSError, ValueError):
            return
        for _ in range(200):
            if not pathlib.Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.05)
        os.kill(pid, 9)

    def up(self, nodes=("one",), patience=60):
        self.nodes, self.patience = list(nodes), patience
        self.configure()
        self.munged()
        self.controller()
        self.daemon()
        for _ in range(100):
            said = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout
            if "idle" in said and "unknown" not in said:
                return
            time.sleep(0.1)
        raise SystemExit(f"error: the nodes do not become idle: {said.strip()}; see the logs in {self.folder}")

    def down(self):
        for name in ["slurmd", "slurmctld", "munged"]:
            self.stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)


EXPERIMENT = """name: {name}
dataset: {{ name: emoji98, validation: 0.3, labels: coarse, limit: 600 }}
model: {{ backbone: tf_efficientnet_lite0, weights: random, head: {{ hidden: 16 }} }}
train: {{ epochs: {epochs}, batch_size: 16, optimizer: {{ name: adam, learning_rate: 1.0e-3 }} }}
"""


def figure(name, what, value, target, good):
    print(f"FIGURE {name}\t{what}\t{value}\t{target}\t{'ok' if good else 'UNDER'}", flush=True)


def waited(what, is_so, seconds=120.0):
    """Seconds until the condition is true, or None after the time limit."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if is_so():
            return time.monotonic() - began
        time.sleep(0.3)
    print(f"{what} did not come within {seconds:g} s", flush=True)
    return None


def shown(job):
    return call("scontrol", "show", "job", job).stdout


def call(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


class Run:
    """A run that was sent to Slurm."""

    def __init__(self, place, name, epochs=EPOCHS, options=()):
        self.place, self.id = place, None
        file = place / f"{name}.yaml"
        file.write_text(EXPERIMENT.format(name=name, epochs=epochs))
        self.take(self.train(file, ["cpus=2", *options])[0])

    def take(self, id):
        self.id, self.folder, self.seen = id, self.place / "runs" / id, []

    def train(self, file, options):
        fields = [word for option in options for word in ("--slurm", option)]
        said = self.warmstart("train", file, "--detach", "--launcher", "slurm", *fields)
        if not said.stdout.strip():
            raise SystemExit(f"error: {file.name} does not start: {said.stderr}")
        return said.stdout.split()

    @classmethod
    def array(cls, place, name, seeds, epochs):
        """The runs of a group, one a seed."""
        file = place / f"{name}.yaml"
        file.write_text(EXPERIMENT.format(name=name, epochs=epochs) + f"seeds: {seeds}\nslurm: {{ cpus: 1, time: 60 }}\n")
        runs = [cls.__new__(cls) for _ in seeds]
        for run in runs:
            run.place = place
        for run, id in zip(runs, runs[0].train(file, [])):
            run.take(id)
        return runs

    def warmstart(self, *words):
        return call(PROGRAM, "--checkpoints", self.place / "runs", "--experiments", self.place, *words)

    def show(self):
        # Each question is a new one to Slurm.
        (self.place / "runs/.squeue").unlink(missing_ok=True)
        return json.loads(self.warmstart("show", self.id, "--json").stdout)

    def state(self):
        state = self.show()["state"]
        if self.seen[-1:] != [state]:
            self.seen.append(state)
            print(f"  {self.id}: {state}", flush=True)
        return state

    def until(self, *states, seconds=180):
        return waited(f"{self.id} is {' or '.join(states)}", lambda: self.state() in states, seconds)

    def job(self):
        worker = json.loads((self.folder / "run.json").read_text()).get("worker") or {}
        return worker.get("slurm_job")

    def events(self):
        log = self.folder / "events.jsonl"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def steps(self):
        return max([event.get("step", 0) for event in self.events() if event["event"] == "batch"], default=0)

    def moves(self, seconds=120):
        """Waits for new steps."""
        before = self.steps()
        return waited("new steps", lambda: self.steps() > before + 2, seconds)

    def attempts(self):
        return sum(event["event"] == "attempt" for event in self.events())

    def said(self):
        """What `warmstart show` says, as text."""
        (self.place / "runs/.squeue").unlink(missing_ok=True)
        return self.warmstart("show", self.id).stdout

    def notes(self):
        return " ".join(self.show()["notes"])

    def bits(self):
        """The hashes of the newest checkpoint's tensors."""
        newest = sorted((self.folder / "ckpt").iterdir())[-1]
        return {name: hashlib.sha256((newest / name).read_bytes()).hexdigest()
                for name in ["model.safetensors", "optimizer.safetensors"]}

    def at_once(self):
        """Slurm starts a requeued job after two minutes; not here."""
        waited("the job waits", lambda: "PENDING" in call("squeue", "-h", "-j", self.job(), "-o", "%T").stdout, 60)
        call("scontrol", "update", f"JobId={self.job()}", "StartTime=now")


def squatter(seconds=600, partition="high"):
    """A job that takes the whole node."""
    return call("sbatch", "--parsable", f"--partition={partition}", f"--cpus-per-task={os.cpu_count()}", "--output=/dev/null",
                f"--wrap=exec sleep {seconds}").stdout.strip()


def same(name, what, run, reference):
    """The run ends, with the bits of the one that was never disturbed."""
    run.until("done", seconds=400)
    good = run.state() == "done" and run.bits() == reference
    figure(name, what, f"{run.state()} in {run.attempts()} attempts, {'the same' if good else 'other'} bits", "the same bits", good)


def undisturbed(place, is_figure):
    run = Run(place, "undisturbed")
    job = run.job()
    run.until("done", seconds=400)
    good = run.state() == "done" and run.attempts() == 1 and run.job() is None
    if not is_figure:
        return run.bits()
    figure("S1", "a run as a job: sent, watched, finished", f"{run.state()} in {run.attempts()} attempt", "done in 1 attempt", good and job is not None)
    return run.bits()


def stopped(place, reference):
    run = Run(place, "stopped")
    run.moves()
    job = run.job()
    run.warmstart("stop", run.id)
    took = run.until("stopped", seconds=60)
    # The worker logs its end before it leaves.
    waited("the job ends", lambda: run.job() is None and "JobState=COMPLETED" in shown(job), 30)
    good = took is not None and "JobState=COMPLETED" in shown(job) and run.job() is None
    figure("S2", "stop saves and ends the job", f"{run.state()} after {took or 60:.0f} s", "stopped within 60 s", good)
    run.warmstart("resume", run.id, "--detach")
    same("S2", "resume sends it again", run, reference)


def waits(place):
    taken = squatter()
    waited("the node is taken", lambda: "RUNNING" in call("squeue", "-h", "-j", taken, "-o", "%T").stdout, 30)
    run = Run(place, "waits")
    run.until("waiting", seconds=30)
    # At first Slurm has no reason yet.
    waited("the reason comes", lambda: "Resources" in run.said(), 60)
    why = run.said()
    figure("S3", "a job that waits says why", "its reason" if "Resources" in why else why[:80], "its reason", "Resources" in why)
    call("scontrol", "uhold", run.job())
    release = f"scontrol release {run.job()}"
    held = waited("it is held", lambda: release in run.said(), 60)
    figure("S3", "a held job says what releases it", "said" if held is not None else run.said()[:80], "said", held is not None)
    call("scontrol", "release", run.job())
    run.warmstart("stop", run.id)
    took = run.until("stopped", seconds=60)
    figure("S3", "stop takes a job that waits out of Slurm", run.state(), "stopped", took is not None and run.attempts() == 0)
    call("scancel", taken)


def requeued(place, reference):
    run = Run(place, "requeued")
    for _ in range(3):
        run.moves()
        call("scontrol", "requeue", run.job())
        run.until("waiting", seconds=60)
        run.at_once()
    same("S4", "`scontrol requeue` three times", run, reference)


def preempted(place, reference):
    run = Run(place, "preempted")
    for _ in range(3):
        run.moves()
        other = squatter()
        run.until("waiting", seconds=60)
        call("scancel", other)
        run.at_once()
    same("S5", "preempted three times by a partition of higher priority", run, reference)


def with_notice(place, reference):
    """Slurm says so a minute before; a job that ends in that minute is not started again."""
    run = Run(place, "noticed", options=["partition=grace"])
    run.moves()
    other = squatter()
    run.until("waiting", seconds=120)
    call("scancel", other)
    run.at_once()
    same("S5", "preempted with a minute's notice (GraceTime)", run, reference)


def time_limit(place):
    """A run of several limits of a minute: each start saves, and has Slurm start it again."""
    long = Run(place, "unlimited", epochs=EPOCHS * LONG)
    long.until("done", seconds=900)
    run = Run(place, "limited", epochs=EPOCHS * LONG, options=["time=1"])
    began = time.monotonic()
    while run.state() not in ("done", "failed", "stopped") and time.monotonic() - began < 900:
        run.until("waiting", "done", "failed", "stopped", seconds=200)
        if run.state() == "waiting":
            run.at_once()
    good = run.state() == "done" and run.attempts() > 1 and run.bits() == long.bits()
    bits = "the same" if good else "other"
    figure("S6", "more time than a job's limit", f"{run.state()} in {run.attempts()} attempts, {bits} bits", "the same bits", good)


def cancelled(place):
    run = Run(place, "cancelled")
    run.moves()
    call("scancel", run.job())
    run.until("stopped", "failed", seconds=90)
    notes = run.notes()
    said = "was cancelled" in notes
    figure("S7", "cancelled from outside", f"{run.state()}, {'said' if said else notes[-60:]}", "stopped, said",
           run.state() == "stopped" and said)


def controller(place, slurm, reference):
    """Without a controller runs continue, and nothing is known to be lost or sent again."""
    run = Run(place, "uncontrolled")
    run.moves()
    second = Run(place, "unknown")
    second.until("waiting", seconds=60)
    slurm.stop("slurmctld")
    moves = run.moves(60)
    state = run.state()
    figure("S8", "controller down: a run that trains", f"{'continues' if moves is not None else 'halts'}, {state}", "continues",
           moves is not None and state in CONTINUES)
    second.until("unknown", seconds=90)
    refused = second.warmstart("resume", second.id, "--detach").returncode
    figure("S8", "controller down: a run that waits", f"{second.state()}, resume {'refused' if refused else 'accepted'}",
           "unknown, resume refused", second.state() == "unknown" and refused != 0)
    slurm.controller()
    run.until("done", seconds=400)
    second.until("done", seconds=400)
    good = run.bits() == reference and second.bits() == reference and second.attempts() == 1
    figure("S8", "controller up again: both runs end", f"{run.state()} and {second.state()}, {'the same' if good else 'other'} bits",
           "done and done", good and run.state() == second.state() == "done")


def daemon(place, slurm, reference):
    run = Run(place, "undaemoned")
    run.moves()
    slurm.stop("slurmd")
    moves, state = run.moves(60), run.state()
    figure("S9", "slurmd down: a run that trains", f"{'continues' if moves is not None else 'halts'}, {state}", "continues",
           moves is not None and state in CONTINUES)
    slurm.daemon()
    same("S9", "slurmd up again", run, reference)


def killed(place, reference):
    """The worker is killed without a message, and its job ends."""
    run = Run(place, "killed")
    run.moves()
    # `scancel --signal=KILL` would cancel the job.
    call("pkill", "-KILL", "--full", f"warmstart-worker train {run.folder}")
    run.until("failed", "stopped", seconds=90)
    failure = str(run.show()["failure"])
    figure("S10", "a worker killed without a message", f"{run.state()}, {'named' if 'job' in failure else failure[:90]}",
           "failed, named", run.state() == "failed" and "job" in failure)
    run.warmstart("resume", run.id, "--detach")
    same("S10", "its resume", run, reference)


def array(place):
    """A group of five is one array; one of its tasks is put first, one is stopped before it starts."""
    runs = Run.array(place, "group", [1, 2, 3, 4, 5], 4)
    jobs = [str(run.job()) for run in runs]
    base = jobs[0].split("_")[0]
    one = jobs == [f"{base}_{task}" for task in range(5)]
    figure("S11", "a group of five runs", "one array" if one else " ".join(jobs), "one array", one)
    waited("the last waits", lambda: runs[4].state() == "waiting", 60)
    top = runs[4].warmstart("queue", "move", runs[4].id, "top")
    figure("S11", "a task is put first", "accepted" if top.returncode == 0 else top.stderr[:80], "accepted", top.returncode == 0)
    runs[3].warmstart("stop", runs[3].id)
    runs[3].until("stopped", seconds=60)
    for run in [*runs[:3], runs[4]]:
        run.until("done", seconds=400)
    states = [run.state() for run in runs]
    attempts = [run.attempts() for run in runs]
    good = states == ["done", "done", "done", "stopped", "done"] and attempts == [1, 1, 1, 0, 1]
    figure("S11", "one task is stopped before it starts, the others end", ", ".join(states), "four done, one stopped", good)
    different = len({run.bits()["model.safetensors"] for run in runs if run.state() == "done"})
    figure("S11", "each task trains its own run", f"{different} different models", "4", different == 4)


def two_nodes(place, slurm, reference):
    """A run whose node is taken away continues on the other one."""
    slurm.down()
    slurm.up(("one", "two"))
    run = Run(place, "moved")
    run.moves()
    on = lambda: call("squeue", "-h", "-j", run.job(), "-o", "%N").stdout.strip()
    first = on()
    call("scontrol", "update", f"NodeName={first}", "State=DRAIN", "Reason=soak")
    call("scontrol", "requeue", run.job())
    run.at_once()
    run.until("training", "validating", "saving", seconds=180)
    second = on()
    figure("S12", "its node is drained: the run goes to another", f"from {first} to {second}", "another node", first != second != "")
    same("S12", "requeued to another node", run, reference)


def node_failure(place, slurm, reference):
    """The power of the node fails: nothing of the job is left. Slurm starts it again when the node is back."""
    slurm.down()
    slurm.up(patience=10)
    run = Run(place, "unplugged")
    run.moves()
    # Slurm's own programs first: they would report the end of the others.
    for process in [f"slurmd -f {CONF}", "slurmstepd", "slurm_script", "srun --export", f"warmstart-worker train {run.folder}"]:
        call("pkill", "-KILL", "--full", process)
    waits = run.until("waiting", seconds=150)
    slurm.daemon()
    waited("the node is back", lambda: "idle" in call("sinfo", "-h", "-o", "%T").stdout, 60)
    # Slurm tells a node that comes back to end what it ran; a start at the same moment would be ended too.
    time.sleep(10)
    run.at_once()
    run.seen = []
    run.until("training", "validating", "saving", "done", seconds=180)
    # From the new start to the first line of its log. What is said of it in between must not tell its user to stop it.
    wrong = [state for state in run.seen if state not in ("waiting", "starting", "loading", *CONTINUES)]
    good = waits is not None and "starting" in run.seen and not wrong
    figure("S13", "its node loses power and comes back", " -> ".join(run.seen), "waiting, starting, training", good)
    same("S13", "started again after its node failed", run, reference)


PARTS = {
    "stopped": lambda place, _, reference: stopped(place, reference),
    "waits": lambda place, *_: waits(place),
    "requeued": lambda place, _, reference: requeued(place, reference),
    "preempted": lambda place, _, reference: preempted(place, reference),
    "notice": lambda place, _, reference: with_notice(place, reference),
    "limit": lambda place, *_: time_limit(place),
    "cancelled": lambda place, *_: cancelled(place),
    "controller": controller,
    "daemon": daemon,
    "killed": lambda place, _, reference: killed(place, reference),
    "array": lambda place, *_: array(place),
    "nodes": two_nodes,
    "power": node_failure,
}


def measure(slurm, chosen):
    strange = [name for name in chosen if name not in PARTS]
    if strange:
        raise SystemExit(f"error: no part is called {', '.join(strange)}; expected some of {', '.join(PARTS)}")
    lacking = [name for name in ["sbatch", "slurmctld", "slurmd", "munged"] if not shutil.which(name)]
    if lacking or os.getuid() != 0:
        what = f"{', '.join(lacking)} lacking (apt-get install slurm-wlm munge)" if lacking else "needs root"
        return figure("S", "a real Slurm on loopback", f"not tried: {what}", "tried", False)
    with tempfile.TemporaryDirectory() as scratch:
        place = pathlib.Path(scratch)
        slurm.down()
        slurm.up()
        try:
            reference = undisturbed(place, is_figure=not chosen)
            for name, part in PARTS.items():
                # 46-slurm-power.sh has this part: it must not wait for all others.
                if name in chosen or (not chosen and name != "power"):
                    print(f"-- {name}", flush=True)
                    part(place, slurm, reference)
                    call("scancel", "--me")
        finally:
            call("scancel", "--me")
            time.sleep(2)
            slurm.down()


def main(words):
    os.environ["SLURM_CONF"] = str(CONF)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    slurm = Slurm()
    if words == ["up"]:
        slurm.up()
        print(f"export SLURM_CONF={CONF}")
    elif words == ["down"]:
        slurm.down()
    else:
        measure(slurm, words)


if __name__ == "__main__":
    main(sys.argv[1:])
