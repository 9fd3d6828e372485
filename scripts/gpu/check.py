#!/usr/bin/env python3
"""Checks and measures warmstart on this machine, with the PyTorch that is installed here.

    python3 check.py [--device cuda:0] [--out results] [--parts selftest,quickstart,waits,peers]

It links `libtorch` beside the worker to the installed torch's libraries. It runs `warmstart selftest`, the
quickstart, a run whose waits for the GPU are counted, and a training step of PyTorch and timm. It writes gpu.json and gpu.md. The
exit code is 1 if a check failed.
`--device cpu` needs no GPU; --small makes it shorter. If this Python has no torch, --torch names the folder of its libraries.
"""
import argparse
import importlib.util
import json
import lzma
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("selftest", "quickstart", "waits", "peers")
# What waits.c counts, in its order.
WAITS = ("stream", "event", "device", "copy")
# Settings of the PyTorch and timm measurements on a GPU: backbone, pixels, frozen, batch, precision. `selftest` uses the same.
PEERS = ("resnet50,224,0,256,bfloat16", "efficientnet_b0,224,0,256,bfloat16", "efficientnet_b0,224,1,256,bfloat16")
# A CPU takes minutes for those.
PEERS_ON_A_CPU = ("resnet18,64,0,8,float32", "efficientnet_b0,64,1,8,bfloat16")


def unpack():
    for packed in HERE.glob("*.xz"):
        program = packed.with_suffix("")
        if not program.exists() or program.stat().st_mtime < packed.stat().st_mtime:
            # A start that is killed here leaves no half of a program under its name.
            aside = packed.with_suffix(".new")
            with lzma.open(packed) as source, open(aside, "wb") as target:
                shutil.copyfileobj(source, target)
            aside.chmod(0o755)
            aside.replace(program)


def link_torch(folder):
    if folder == "own":
        return
    if not folder:
        found = importlib.util.find_spec("torch")
        if found is None:
            sys.exit("error: this Python has no torch; run it with the Python that has one, or give --torch FOLDER")
        folder = os.path.join(os.path.dirname(found.origin), "lib")
    # A relative link would count from this file's folder.
    folder = os.path.abspath(folder)
    wanted = (HERE / "torch-version").read_text().strip()
    version = pathlib.Path(folder).parent / "version.py"
    found = re.search(r"__version__ = '(\d+\.\d+)", version.read_text()) if version.exists() else None
    if found and found.group(1) != wanted:
        sys.exit("error: torch %s is installed in %s; this kit is built for torch %s" % (found.group(1), folder, wanted))
    link = HERE / "libtorch"
    if link.is_symlink() or link.exists():
        link.unlink()
    link.symlink_to(folder)


def said(command, limit, **options):
    """The output of a command, and its exit code; 124 if it exceeded its time limit."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit, cwd=HERE, text=True, **options)
        return done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as slow:
        text = lambda part: (part or b"").decode(errors="replace") if isinstance(part, bytes) else (part or "")  # noqa: E731
        return text(slow.stdout), text(slow.stderr), 124
    except OSError as error:
        return "", str(error), 127


def cause(text, code, most=2000):
    """Why a command failed: the end of what it said, or its exit code if it said nothing."""
    return text.strip()[-most:] or ("it exceeded its time limit" if code == 124 else "exit code %d, without a message" % code)


def card():
    query = "name,driver_version,memory.total,temperature.gpu"
    return said(["nvidia-smi", "--query-gpu=" + query, "--format=csv,noheader"], 20)[0].strip() or platform.processor() or "CPU"


def selftest(device, only):
    out, err, code = said(["./warmstart", "selftest", "--device", device, "--json"] + only, 600)
    try:
        return dict(json.loads(out), exit_code=code)
    except ValueError:
        return {"passed": False, "checks": [], "exit_code": code, "error": cause(err, code)}


def quickstart(device, small):
    folder = tempfile.mkdtemp()
    try:
        files = sorted(str(path) for path in (HERE / "experiments/quickstart").glob("*.yaml"))
        change = ["--set", "dataset.limit=64", "--set", "train.epochs=1"] if small else []
        if small:
            files = files[3:4]
        began = time.monotonic()
        out, err, code = said(
            ["./warmstart", "--checkpoints", folder, "train", *files, *change, "--device", device, "--json", "--quiet"], 400
        )
        result = {"seconds": round(time.monotonic() - began, 1), "exit_code": code, "small": small}
        try:
            result["runs"] = json.loads(out)
        except ValueError:
            result["error"] = cause(err or out, code)
        return result
    finally:
        # The process that works through the queue may still be leaving the folder.
        shutil.rmtree(folder, ignore_errors=True)


def waits_of(device, epochs, small):
    """How often the worker waited for the GPU in a run of that many epochs, by kind, and the optimizer steps of the run."""
    folder = tempfile.mkdtemp()
    try:
        preload = {"LD_PRELOAD": str(HERE / "libwaits.so"), "WAITS": folder}
        file = str(HERE / "experiments/quickstart/2-lite0-resized.yaml")
        change = ["--set", "train.epochs=%d" % epochs] + (["--set", "dataset.limit=64"] if small else [])
        out, err, code = said(
            ["./warmstart", "--checkpoints", folder + "/runs", "train", file, *change, "--device", device, "--quiet"],
            200, env={**os.environ, **preload},
        )
        if code != 0:
            raise ValueError(cause(err or out, code))
        counted = [path.read_text().split() for path in pathlib.Path(folder).iterdir() if path.is_file()]
        workers = [[int(count) for count in counts] for program, *counts in counted if program == "warmstart-worker"]
        if not workers:
            raise ValueError("the worker left no counts")
        logs = [log.read_text() for log in pathlib.Path(folder).glob("runs/*/events.jsonl")]
        events = [json.loads(line) for log in logs for line in log.splitlines()]
        steps = max(event["step"] for event in events if event["event"] == "epoch")
        return [sum(counts) for counts in zip(*workers)], steps
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def waits(device, small):
    """Waits of one epoch: the difference between runs of three epochs and of one, halved. Both start and end alike."""
    try:
        (one, steps), (three, _) = waits_of(device, 1, small), waits_of(device, 3, small)
    except ValueError as failed:
        return {"exit_code": 1, "error": str(failed)}
    each = {kind: (more - less) / 2 for kind, less, more in zip(WAITS, one, three)}
    return {"exit_code": 0, "steps_of_an_epoch": steps, "waits_of_an_epoch": each}


def peers(device, cases):
    """Runs PyTorch and timm in their own process. They are a measure beside, so a failure there fails no check here."""
    out, err, code = said([sys.executable, "pytorch_step.py", "--device", device, *cases], 240)
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {"rows": rows, "exit_code": code, "error": cause(err, code, 500) if code else ""}


def markdown(found):
    lines = ["# warmstart on %s" % found["card"].splitlines()[0], "", "%s, `check.py --device %s`." % (found["date"], found["device"]), ""]
    checks = found.get("selftest", {}).get("checks", [])
    if checks:
        count = lambda verdict: sum(check["verdict"] == verdict for check in checks)  # noqa: E731
        lines += ["Self-test: %d passed, %d failed, %d skipped." % (count("passed"), count("failed"), count("skipped")), ""]
        for check in checks:
            if check["verdict"] == "failed":
                lines.append("- failed: %s %s: %s" % (check["name"], check["case"], check["text"]))
    others = found.get("peers", {})
    # A speed that could not be measured has no value; it is among the failures.
    speeds = [(check["case"], check["value"]) for check in checks if check["name"] == "speed" and "value" in check]
    for row in others.get("rows", []):
        speeds.append(("PyTorch %s + timm %s: %s" % (row["torch"], row["timm"], row["case"]), row["images_per_second"]))
    if speeds:
        lines += ["", "| training step | images/s |", "|---|---:|"]
        lines += ["| %s | %.0f |" % speed for speed in speeds]
    if others.get("error"):
        lines += ["", "PyTorch and timm were not all measured: %s" % others["error"].splitlines()[-1], ""]
    if "waits_of_an_epoch" in found.get("waits", {}):
        each = found["waits"]["waits_of_an_epoch"]
        text = ", ".join("%s %g" % (kind, count) for kind, count in each.items())
        lines += ["", "Waits for the GPU in an epoch of %d steps: %s." % (found["waits"]["steps_of_an_epoch"], text)]
    if "quickstart" in found:
        lines += ["", "Quickstart%s: %.1f s." % (" (one small run)" if found["quickstart"]["small"] else "", found["quickstart"]["seconds"])]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--out", default=os.environ.get("OUT", "results"))
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--checks", default="", help="names of the self-test's checks, with commas; all without")
    parser.add_argument("--torch", help="the folder of torch's libraries; without it, that of this Python's torch; `own` for the worker's own")
    parser.add_argument("--small", action="store_true", help="one run of the quickstart in place of five, and few images")
    options = parser.parse_args()
    parts = options.parts.split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error("--parts names %r; expected some of %s" % (unknown[0], ", ".join(PARTS)))
    unpack()
    link_torch(options.torch)
    found = {"date": time.strftime("%Y-%m-%d"), "device": options.device, "card": card(), "machine": platform.platform()}
    found["doctor"] = json.loads(said(["./warmstart-worker", "doctor"], 120)[0] or "{}")
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    only = [name for name in options.checks.split(",") if name]
    steps = {
        "selftest": lambda: selftest(options.device, only),
        "quickstart": lambda: quickstart(options.device, options.small),
        "waits": lambda: waits(options.device, options.small),
        "peers": lambda: peers(options.device, PEERS_ON_A_CPU if options.device == "cpu" else PEERS),
    }
    for part in PARTS:
        if part in parts:
            found[part] = steps[part]()
        # Write after each part, because a later part may be cut off.
        (out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
        (out / "gpu.md").write_text(markdown(found))
    print(markdown(found))
    bad = [part for part in ("selftest", "quickstart", "waits") if part in found and found[part]["exit_code"] != 0]
    for part in bad:
        print("failed: %s: %s" % (part, found[part].get("error", "see gpu.json")))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
