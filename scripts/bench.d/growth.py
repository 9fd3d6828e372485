#!/usr/bin/env python3
"""How cost grows with the size of the work: batch, pixels, images, runs, epochs, points of a chart, queue. Run nothing else.

    scripts/bench.d/growth.py [CURVE ...]

Each point is the CPU time of a whole program, the least of three. The exponent is that of the last two points: 1 is cost that grows as
the work does; above 1.1 the script fails. WARMSTART_PROGRAM names another program than target/release/warmstart, WARMSTART_STEPS
another than cargo's example `steps`. Standard library only; Linux.
"""
import importlib.util
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("bench", ROOT / "scripts/bench.d/dashboard.py")
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
STEPS = pathlib.Path(os.environ.get("WARMSTART_STEPS", ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/examples/steps"))
RUN = ROOT / "tests/data/runs/20261122-100107-7f3a"
LIMIT, REPEATS, BAR = 1.1, 3, 40


def seconds(*command):
    """CPU seconds of a program, the least of three."""
    found = []
    for _ in range(REPEATS):
        process = subprocess.Popen([str(word) for word in command], cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"error: {' '.join(map(str, command))} failed")
        found.append(used.ru_utime + used.ru_stime)
    return min(found)


def step(pixels, batch):
    """Seconds of a training step of Lite0."""
    rates = []
    for _ in range(REPEATS):
        said = subprocess.run([STEPS, "tf_efficientnet_lite0", str(pixels), str(batch), "0"], check=True, stdout=subprocess.PIPE, text=True)
        rates.append(float(said.stdout.split()[-2]))
    return batch / max(rates)


def warmstart(folder, *words):
    return seconds(bench.PROGRAM, "--checkpoints", folder, "--experiments", folder, *words)


def png(path, side, seed):
    """A picture of one colour and a few bytes."""
    row = b"\0" + bytes([seed % 256, seed // 256 % 256, 90]) * side
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * side)) + chunk(b"IEND", b""))


def images(folder, count):
    for kind in range(4):
        (folder / f"pictures/class{kind}").mkdir(parents=True)
    for number in range(count):
        png(folder / f"pictures/class{number % 4}/{number}.png", 64, number)
    file = folder / "images.yaml"
    file.write_text(f"""name: images
dataset: {{ name: image_folder, path: {folder}/pictures }}
model: {{ backbone: resnet18, weights: random }}
train: {{ epochs: 1, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.001 }} }}
""")
    return warmstart(folder, "check", file)


def runs(folder, count):
    bench.many_runs(folder, count)
    return warmstart(folder, "runs", "--json")


def long_run(folder, epochs, steps):
    """A finished run with many epochs, and lines of batches in each."""
    run = folder / RUN.name
    shutil.copytree(RUN, run)
    recorded = [json.loads(line) for line in (RUN / "events.jsonl").read_text().splitlines()]
    first = [event for event in recorded if event["event"] in ("header", "attempt", "dataset", "model")]
    batch = next(event for event in recorded if event["event"] == "batch")
    epoch = next(event for event in recorded if event["event"] == "epoch")
    with open(run / "events.jsonl", "w") as log:
        for event in first:
            log.write(json.dumps(event) + "\n")
        for number in range(1, epochs + 1):
            for place in range(1, steps + 1):
                at = (number - 1) * steps + place
                log.write(json.dumps({**batch, "epoch": number, "step": at, "batch": place, "batches": steps, "loss": 4 / at}) + "\n")
            log.write(json.dumps({**epoch, "epoch": number, "step": number * steps, "train_loss": 4 / number, "train_time": number}) + "\n")
        log.write(json.dumps({"t": epoch["t"], "event": "finished", "train_time": epochs, "stopped_early": False}) + "\n")
    return run.name


def epochs(folder, count):
    return warmstart(folder, "show", long_run(folder, count, 1), "--json")


def points(folder, count):
    return warmstart(folder, "plot", long_run(folder, count // 100, 100), "--detail", "points", "--charts", "loss")


def queue(folder, count):
    bench.many_runs(folder, count)
    names = sorted(path.name for path in folder.iterdir())
    waiting = [{"run": name, "stem": name, "slot": "cpu"} for name in names]
    (folder / "queue.json").write_text(json.dumps({"waiting": waiting, "active": [], "paused": "measured"}))
    return warmstart(folder, "queue", "move", names[-1], "top")


def in_folder(measure):
    def measured(count):
        with tempfile.TemporaryDirectory() as scratch:
            return measure(pathlib.Path(scratch), count)
    return measured


CURVES = {
    "batch": ("images of a step, Lite0 at 64 pixels", [8, 16, 32, 64, 128], lambda batch: step(64, batch)),
    "pixels": ("pixels of an image, Lite0, batch 16", [64**2, 96**2, 128**2, 224**2], lambda area: step(math.isqrt(area), 16)),
    "images": ("pictures that `check` reads", [1_000, 4_000, 16_000], in_folder(images)),
    "runs": ("runs that `runs` lists", [100, 1_000, 10_000], in_folder(runs)),
    "epochs": ("epochs of a run that `show` prints", [100, 1_000, 10_000], in_folder(epochs)),
    "points": ("points of a chart that `plot` draws", [1_000, 10_000, 100_000], in_folder(points)),
    "queue": ("waiting runs, one of which `queue move` moves", [10, 100, 1_000], in_folder(queue)),
}


def main(chosen):
    for name in chosen:
        if name not in CURVES:
            raise SystemExit(f"error: there is no curve {name}; expected some of {', '.join(CURVES)}")
    chosen = chosen or list(CURVES)
    if "WARMSTART_STEPS" not in os.environ and {"batch", "pixels"} & set(chosen):
        subprocess.run(["cargo", "build", "--release", "-p", "warmstart-engine", "--example", "steps"], cwd=ROOT, check=True)
    steep = []
    for name in chosen:
        what, sizes, measure = CURVES[name]
        costs = [measure(size) for size in sizes]
        exponent = math.log(costs[-1] / costs[-2]) / math.log(sizes[-1] / sizes[-2])
        print(f"{name}: {what}; the exponent of the last two points is {exponent:.2f}")
        for size, cost in zip(sizes, costs):
            print(f"  {size:>9,} {cost * 1000:>10.1f} ms {'#' * max(1, round(BAR * cost / costs[-1]))}", flush=True)
        if exponent > LIMIT:
            steep.append(name)
    if steep:
        raise SystemExit(f"error: grows faster than the work: {', '.join(steep)}")


if __name__ == "__main__":
    main(sys.argv[1:])
