"""Writes layer_decay.json beside this file: timm's factor of the learning rate, and its weight decay, for each parameter of a backbone.

pip install torch==2.13.0 timm==1.0.31        python layer_decay.py

Parameters with the same factor and the same answer stand together, as timm groups them. The classifier is not among them: warmstart
has its own head, with the factor `head`.
"""
import json
import pathlib

import timm
from timm.optim import param_groups_layer_decay

LAYER_DECAY, WEIGHT_DECAY = 0.65, 0.05
NAMES = ["efficientnet_b0", "convnext_tiny", "vit_small_patch16_224"]


def reference(name):
    model = timm.create_model(name, num_classes=10)
    classifier = model.pretrained_cfg["classifier"] + "."
    spare = getattr(model, "no_weight_decay", set)()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups, head = [], set()
    for group in param_groups_layer_decay(model, WEIGHT_DECAY, spare, layer_decay=LAYER_DECAY):
        members = [names[id(parameter)] for parameter in group["params"]]
        own = [member for member in members if not member.startswith(classifier)]
        if own:
            groups.append({"factor": group["lr_scale"], "decays": group["weight_decay"] > 0, "parameters": own})
        if own != members:
            head.add(group["lr_scale"])
    return {"head": head.pop(), "groups": groups}


table = {"timm": timm.__version__, "layer_decay": LAYER_DECAY, "backbones": {name: reference(name) for name in NAMES}}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(table) + "\n")
print(path, path.stat().st_size, "bytes")
