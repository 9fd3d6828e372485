"""Writes groups.json beside this file: timm's layer of each parameter, and the parameters without weight decay in its optimizer.

pip install torch==2.13.0 timm==1.0.31        python groups.py

`begins` lists the first parameter of every layer in timm's order, without the classifier; `head` is the classifier's layer.
`spared` counts the parameters without weight decay, and `sha256` is over their names, one a line.
"""
import hashlib
import json
import pathlib
import sys

import timm
from timm.models import group_parameters
from timm.optim import param_groups_weight_decay

found = {}
for name in sys.argv[1:]:
    model = timm.create_model(name, num_classes=10)
    classifier = model.pretrained_cfg["classifier"] + "."
    layers = group_parameters(model, model.group_matcher(coarse=False), reverse=True)
    spare = getattr(model, "no_weight_decay", set)()
    groups = param_groups_weight_decay(model, 0.05, no_weight_decay_list=spare)
    spared = {id(parameter) for group in groups if group["weight_decay"] == 0 for parameter in group["params"]}
    begins, names = [], []
    for key, parameter in model.named_parameters():
        if key.startswith(classifier):
            continue
        if not begins or begins[-1][0] != layers[key]:
            begins.append([layers[key], key])
        if id(parameter) in spared:
            names.append(key)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    head = layers[classifier + "weight"]
    found[name] = {"begins": begins, "head": head, "spared": len(names), "sha256": digest}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"timm": timm.__version__, "backbones": found}) + "\n")
print(path, len(found), "backbones")
