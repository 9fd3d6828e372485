"""Writes stem.json beside this file: what timm's ResNets compute with a stem for small images.

pip install torch==2.13.0 timm==1.0.31 numpy        python stem.py

conv1 becomes a 3x3 convolution with stride 1, and maxpool the identity, as in He et al.'s networks for CIFAR. The figures are those
of backbones.py.
"""
import json
import pathlib

import timm
import torch
from torch import nn

import formula
from backbones import inference, training

NAMES, SIDE = ["resnet18", "resnet50", "seresnet50"], 32


def small(name):
    model = timm.create_model(name, num_classes=0)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False), nn.Identity()
    return formula.fill(model)


def reference(name):
    return {"eval": {str(SIDE): inference(small(name), SIDE)}, "train": training(small(name), SIDE)}


if __name__ == "__main__":
    table = {"timm": timm.__version__, "torch": torch.__version__, "models": {name: reference(name) for name in NAMES}}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(table) + "\n")
    print(path, path.stat().st_size, "bytes")
