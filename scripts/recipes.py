#!/usr/bin/env python3
"""Accuracy of four recipes on a folder of pictures, in warmstart and in PyTorch, three seeds each. It takes most of an hour on two cores.

    scripts/recipes.py PICTURES [--keep FOLDER] [--warmstart PROGRAM]

PICTURES has train/<class>/ and test/<class>/, such as CIFAR-10 as files. 2,000 of its pictures train. The recipes are a
probe, the head alone, plain fine-tuning and the good recipe, all of Lite0 at 96 pixels. Both sides get the same pictures in each
split. FOLDER keeps runs and answers, so that a second start continues. Prints the table that the book quotes.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEER = ROOT / "benches/peers/recipes.py"
SEEDS = (1, 2, 3)
COMMON = """\
group: cifar10-pictures
dataset: {{ name: image_folder, path: {pictures}, validation: 0.15, limit: 2000 }}
input: {{ resize: 96, interpolation: bicubic }}
seeds: [1, 2, 3]
"""
TITLES = {"probe": "probe", "head": "head alone", "plain": "plain fine-tuning", "good": "good recipe"}
RECIPES = {
    "probe": "model: { backbone: tf_efficientnet_lite0, freeze: backbone }\nprobe: {}\n",
    "head": """\
model: { backbone: tf_efficientnet_lite0, freeze: backbone }
train: { epochs: 10, batch_size: 32, optimizer: { name: adam, learning_rate: 1.0e-3 } }
""",
    "plain": """\
model: { backbone: tf_efficientnet_lite0 }
train: { epochs: 5, batch_size: 32, optimizer: { name: adam, learning_rate: 3.0e-4 } }
""",
    "good": """\
augment: { horizontal_flip: true, resized_crop: { min_area: 0.5 } }
model: { backbone: tf_efficientnet_lite0 }
train:
  epochs: 10
  batch_size: 32
  label_smoothing: 0.1
  optimizer: { name: sgd, learning_rate: 0.02, momentum: 0.9, nesterov: true, weight_decay: 0.0005 }
  groups: { stem: 0.2, blocks: 0.5, decay_norms_and_biases: false }
  schedule: { name: cosine, warmup_epochs: 1 }
  ema: { decay: 0.99 }
""",
}


def ours(program, folder, pictures):
    """Trains all recipes. Returns the test accuracy and the folder of the newest run of each recipe and seed."""
    experiments, runs = folder / "experiments", folder / "checkpoints"
    experiments.mkdir(parents=True, exist_ok=True)
    for name, text in RECIPES.items():
        common = COMMON.format(pictures=json.dumps(str(pictures)))
        (experiments / f"{name}.yaml").write_text(f"name: {TITLES[name]}\n{common}{text}")
    base = [program, "--experiments", experiments, "--checkpoints", runs]
    subprocess.run([*base, "train", *RECIPES], check=True, cwd=ROOT)
    listed = subprocess.run([*base, "runs", "--json"], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    found = {}
    # The newest come first. Older ones are of other pictures or recipes.
    for run in json.loads(listed):
        if run["state"] == "done":
            place = runs / run["run"]
            member = json.loads((place / "run.json").read_text())["member"]
            found.setdefault((run["stem"], member["seed"]), (run["test_acc"], place))
    return found


def theirs(folder, pictures, runs):
    """Trains the recipes in PyTorch with the splits of these runs. Returns the test accuracies by recipe and seed."""
    answers = {}
    python = subprocess.run([ROOT / "scripts/reference_python.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    weights = ROOT / ".weights/tf_efficientnet_lite0.in1k.safetensors"
    for seed in SEEDS:
        for name in RECIPES:
            run = runs[name, seed][1]
            # An answer belongs to one split.
            answer = folder / f"pytorch-{name}-{seed}-{run.name}.json"
            if not answer.exists():
                command = [python, PEER, name, str(seed), pictures, run / "pictures.json", weights]
                text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                answer.write_text(text)
                print(text.strip(), file=sys.stderr, flush=True)
            answers[name, seed] = json.loads(answer.read_text())["test_acc"]
    return answers


def spread(values):
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, default=ROOT / "target/recipes")
    parser.add_argument("--warmstart", default=os.environ.get("WARMSTART", ROOT / "target/release/warmstart"))
    options = parser.parse_args()
    program = shutil.which(options.warmstart)
    if not program:
        raise SystemExit(f"error: no program to run. Build it with: make build: {options.warmstart}")
    # warmstart runs in the project's folder, wherever this script was started.
    pictures, keep = options.pictures.resolve(), options.keep.resolve()
    runs = ours(os.path.abspath(program), keep, pictures)
    peers = theirs(keep, pictures, runs)
    print("| recipe | warmstart | PyTorch | difference in points |\n|---|---|---|---|")
    for name, title in TITLES.items():
        mine = [runs[name, seed][0] for seed in SEEDS]
        their = [peers[name, seed] for seed in SEEDS]
        points = 100 * (statistics.mean(mine) - statistics.mean(their))
        print(f"| {title} | {spread(mine)} | {spread(their)} | {points:+.2f} |")


if __name__ == "__main__":
    main()
