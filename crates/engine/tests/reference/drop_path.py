"""Writes drop_path.json beside this file: what timm's backbones compute in training with stochastic depth, given warmstart's masks.

pip install torch==2.13.0 timm==1.0.31 numpy        python drop_path.py

Rates are timm's own, of `drop_path_rate`. Which images skip a path is drawn as warmstart draws it (crates/engine/src/layers/drop_path.rs,
crates/schema/src/seed.rs), repeated here; timm's `DropPath` gets these draws in the place of its own. The figures are those of
backbones.py's `train`.
"""
import json
import pathlib

import timm
import torch
from timm.layers import DropPath

import formula
from backbones import NAMES, create, training, training_side

RATE, SEED = 0.4, 5
CHOSEN = [
    "resnet18", "resnet50", "efficientnet_b0", "mobilenetv3_large_100", "convnext_tiny", "vit_small_patch16_224",
    "convnextv2_nano", "vit_small_patch14_dinov2", "vit_small_patch16_dinov3", "regnety_008", "mobilenetv4_conv_small",
]


def paths(model):
    """The drop path of each residual path in order, None where timm made none for a rate of 0."""
    if hasattr(model, "layer1"):
        return [block.drop_path for stage in (model.layer1, model.layer2, model.layer3, model.layer4) for block in stage]
    if hasattr(model, "s1"):
        return [block.drop_path for stage in (model.s1, model.s2, model.s3, model.s4) for block in stage.children()]
    if hasattr(model, "stages"):
        return [block.drop_path for stage in model.stages for block in stage.blocks]
    if hasattr(model, "patch_embed"):
        return [path for block in model.blocks for path in (block.drop_path1, block.drop_path2)]
    return [block.drop_path for stage in model.blocks for block in stage if getattr(block, "has_skip", False)]


def factors(self, x):
    state, kept, draws = formula.derive(SEED, "path", self.number, 0), 1 - self.drop_prob, []
    for _ in range(len(x)):
        state = (state + 0x9E3779B97F4A7C15) & formula.MASK
        draws.append(1 / kept if (formula.mix(state) >> 11) / 2.0**53 < kept else 0.0)
    return x * torch.tensor(draws, dtype=x.dtype).view(-1, *[1] * (x.ndim - 1))


def reference(name):
    model = formula.fill(create(name, drop_path_rate=RATE))
    rates = []
    for number, path in enumerate(paths(model)):
        rates.append(path.drop_prob if isinstance(path, DropPath) else 0.0)
        if rates[-1]:
            path.number = number
    return {"rates": rates, "train": training(model, training_side(model, NAMES[name]))}


DropPath.forward = factors
table = {"timm": timm.__version__, "torch": torch.__version__, "rate": RATE, "seed": SEED, "models": {n: reference(n) for n in CHOSEN}}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(table) + "\n")
print(path, path.stat().st_size, "bytes")
