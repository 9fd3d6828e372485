"""Writes optimizers.json beside this file: two small parameters after each step of PyTorch's own optimizers.

pip install torch==2.13.0 numpy        python optimizers.py

Gradients depend on the parameter, so an error in one step affects all later steps: gradient = parameter * target, where target is
a fixed vector. The reference is the plain implementation (neither fused nor foreach) in float64.
"""
import json
import pathlib

import torch

STEPS = 12
START = {"a.weight": [[0.5, -1.5, 2.0], [0.0, 0.25, -3.0]], "b.bias": [1.0, -0.125]}
TARGET = {"a.weight": [[1.0, 0.5, -0.25], [2.0, 1e-3, 1.5]], "b.bias": [10.0, -4.0]}
CASES = [
    ("sgd", {}),
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9, "weight_decay": 0.01}),
    ("adam", {}),
    ("adam", {"weight_decay": 0.1, "betas": [0.8, 0.95], "eps": 1e-6}),
    ("adamw", {"weight_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"weight_decay": 0.1, "alpha": 0.9, "eps": 1e-6}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
]
CLASSES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}


def rate(step):
    return 0.05 / (1 + step % 3)


def run(name, options):
    params = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in START.items()}
    target = {k: torch.tensor(v, dtype=torch.float64) for k, v in TARGET.items()}
    defaults = {"weight_decay": 0.0} if name == "adamw" else {}
    optimizer = CLASSES[name](params.values(), lr=1.0, foreach=False, **{**defaults, **options})
    trace = []
    for step in range(STEPS):
        for key, param in params.items():
            param.grad = (param * target[key] + 0.1).detach()
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.step()
        trace.append({key: param.detach().flatten().tolist() for key, param in params.items()})
    state = {
        f"{key}.{moment}": value.flatten().tolist()
        for key, param in params.items()
        for moment, value in optimizer.state[param].items()
        if moment != "step" and value is not None
    }
    return {"name": name, "options": options, "rates": [rate(s) for s in range(STEPS)], "trace": trace, "state": state}


if __name__ == "__main__":
    table = {"torch": torch.__version__, "start": START, "target": TARGET, "cases": [run(*case) for case in CASES]}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(table) + "\n")
    print(path, len(table["cases"]), "cases")
