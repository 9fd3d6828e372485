"""Writes losses.json beside this file: the losses of 50 steps of plain PyTorch on the study's four models, for `losses.rs`.

pip install torch==2.13.0 timm==1.0.31 numpy        OMP_NUM_THREADS=2 python losses.py

Weights of base and head come from formula.py, so both sides start equal. One exception: the last normalization in a block with a
shortcut has a tenth of the formula's weight. With full weights these deep bases amplify rounding so fast that two PyTorch
versions differ after ten steps. A frozen base normalizes with the formula's statistics, not with its images'; there all blocks
have the smaller weight. The batches repeat the first 96 training images of emoji98 in order; Adam, no augmentation, no dropout,
float32. Each rate and batch size makes the comparison meaningful: the loss clearly falls, and PyTorch stays close to itself in
another memory layout (channels last). `rounding` is the largest relative difference between these two.
"""
import gzip
import json
import pathlib
import re
import sys

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import nn

import formula

STEPS, IMAGES, CLASSES, HIDDEN, DAMPING = 50, 96, 98, 256, 0.1
ASSETS = pathlib.Path(__file__).parents[4] / "assets"
# In ResNet every block has a shortcut; in EfficientNet the first block of a stage has none.
SHORTCUT = re.compile(r"layer\d+\.\d+\.|blocks\.\d+\.[1-9]")
CASES = [
    {"name": "ResNet, original input", "backbone": "resnet50", "resize": None, "frozen": False, "batch": 32, "rate": 2e-6},
    {"name": "ResNet, resized input", "backbone": "resnet50", "resize": 64, "frozen": False, "batch": 32, "rate": 2e-6},
    {"name": "EffNet, resized input", "backbone": "efficientnet_b0", "resize": 64, "frozen": False, "batch": 48, "rate": 1e-5},
    {"name": "EffNet, freeze", "backbone": "efficientnet_b0", "resize": 64, "frozen": True, "batch": 32, "rate": 1e-3},
]


def emoji98():
    """Pixels [N, 3, 32, 32] and fine labels [N] of all images, training images first."""
    records = np.frombuffer(gzip.decompress((ASSETS / "emoji98.bin.gz").read_bytes()), np.uint8).reshape(-1, 3074)
    return torch.tensor(records[:, 2:].reshape(-1, 3, 32, 32)), torch.tensor(records[:, 1].astype(np.int64))


class Classifier(nn.Module):
    """The study's head on one of timm's bases."""

    def __init__(self, base, features, classes=CLASSES, hidden=HIDDEN, dropout=0.0):
        super().__init__()
        self.base = base
        self.dropout = nn.Dropout(dropout)
        self.fc1, self.bn, self.fc2 = nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, classes)

    def head(self, features):
        return self.fc2(self.bn(F.relu(self.fc1(self.dropout(features)))))

    def forward(self, images):
        return self.head(self.base(images))


def prepare(pixels, config, resize, dtype):
    mean, std = (torch.tensor(config[key], dtype=dtype).view(1, 3, 1, 1) for key in ("mean", "std"))
    x = (pixels.to(dtype) / 255 - mean) / std
    return F.interpolate(x, size=(resize, resize), mode="nearest") if resize else x


def losses(case, layout):
    base = timm.create_model(case["backbone"], num_classes=0)
    model = Classifier(base, base.num_features)
    formula.fill(model, lambda name: name.removeprefix("base.") if name.startswith("base.") else f"head.{name}")
    with torch.no_grad():
        for name, parameter in base.named_parameters():
            if name.endswith("bn3.weight") and (case["frozen"] or SHORTCUT.match(name)):
                parameter.mul_(DAMPING)
    model.to(memory_format=layout).train()
    base.requires_grad_(not case["frozen"])
    if case["frozen"]:
        base.eval()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=case["rate"])
    pixels, labels = emoji98()
    found = []
    for step in range(STEPS):
        at = step * case["batch"] % IMAGES
        batch = prepare(pixels[at : at + case["batch"]], base.default_cfg, case["resize"], torch.float32)
        loss = F.cross_entropy(model(batch.contiguous(memory_format=layout)), labels[at : at + case["batch"]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


if __name__ == "__main__":
    cases = []
    for case in CASES:
        found, again = losses(case, torch.contiguous_format), losses(case, torch.channels_last)
        rounding = max(abs(a - b) / b for a, b in zip(again, found))
        print(case["name"], f"loss {found[0]:.4f} to {found[-1]:.4f}, rounding {rounding:.1e}", file=sys.stderr, flush=True)
        cases.append({**case, "rounding": rounding, "losses": found})
    versions = {"torch": torch.__version__, "timm": timm.__version__}
    facts = {**versions, "images": IMAGES, "hidden": HIDDEN, "damping": DAMPING}
    lines = ",\n".join(f"  {json.dumps(case)}" for case in cases)
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(facts)[:-1] + f', "cases": [\n{lines}\n]}}\n')
