#!/usr/bin/env python3
"""Share of training time in which steps wait for decoded pictures: JPEGs of 500 pixels, Lite0 frozen at 224 pixels with
augmentation, so that every epoch decodes all pictures. Fails at 5 % or more.

    scripts/bench.d/data_wait.py [--pictures 480]

Pillow makes the pictures. It comes from WARMSTART_PYTHON or this Python, or is downloaded from PyPI into target/pillow.
WARMSTART_BIN names another program than target/release/warmstart.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMED = os.environ.get("WARMSTART_BIN", str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release/warmstart"))
# A full path, because the program starts in another folder.
WARMSTART = os.path.abspath(shutil.which(NAMED) or NAMED)
CLASSES, SIDE, LIMIT = 4, 500, 0.05
MAKE = """
import pathlib, random, sys
from PIL import Image
random.seed(1)
for kind in range(int(sys.argv[2])):
    folder = pathlib.Path(sys.argv[1]) / f"class{kind}"
    folder.mkdir(parents=True)
    for number in range(int(sys.argv[3])):
        # Coarse noise compresses about as well as photographs.
        noise = Image.frombytes("RGB", (100, 80), random.randbytes(100 * 80 * 3))
        side = int(sys.argv[4])
        noise.resize((side, side * 4 // 5), Image.BICUBIC).save(folder / f"{number}.jpg", quality=90)
"""
YAML = """
name: Data wait
dataset: { name: image_folder, path: pictures }
augment: { horizontal_flip: true }
model: { backbone: tf_efficientnet_lite0, weights: imagenet, freeze: backbone, head: { hidden: 256, dropout: 0.2 } }
train: { epochs: 2, batch_size: 32, optimizer: { name: adam, learning_rate: 1.0e-3 } }
"""


def with_pillow():
    """A Python that has Pillow."""
    python = os.environ.get("WARMSTART_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import PIL"], capture_output=True).returncode == 0:
        return python
    place = ROOT / "target/pillow"
    python = str(place / "bin/python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "pillow"], check=True)
    return python


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=480)
    options = parser.parse_args()
    python = with_pillow()
    environment = {**os.environ, "WARMSTART_WEIGHTS": str(ROOT / ".weights")}
    with tempfile.TemporaryDirectory() as place:
        sizes = [str(CLASSES), str(options.pictures // CLASSES), str(SIDE)]
        subprocess.run([python, "-c", MAKE, f"{place}/pictures", *sizes], check=True)
        pathlib.Path(place, "wait.yaml").write_text(YAML)
        command = [WARMSTART, "--checkpoints", "runs", "train", "wait.yaml", "--device", "cpu", "--quiet", "--json"]
        run = json.loads(subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.PIPE).stdout)[0]["run"]
        command = [WARMSTART, "--checkpoints", "runs", "show", run, "--json"]
        shown = json.loads(subprocess.run(command, cwd=place, check=True, stdout=subprocess.PIPE).stdout)
    waits = [epoch["data_wait"] for epoch in shown["epochs"]]
    speeds = [epoch["images_per_second"] for epoch in shown["epochs"]]
    for number, (wait, speed) in enumerate(zip(waits, speeds), 1):
        print(f"epoch {number}: {wait:.1%} of the training time waiting for data, {speed:.1f} images/s")
    sys.exit(waits[-1] >= LIMIT)
