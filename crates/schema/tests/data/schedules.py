"""Writes schedules.json beside this file: the learning rate of every step under PyTorch's schedulers, stepped each epoch or each
step.

pip install torch==2.13.0        python schedules.py
"""
import json
import pathlib

import torch
from torch.optim import lr_scheduler

BASE, EPOCHS, STEPS_PER_EPOCH = 0.3, 12, 5
TOTAL = EPOCHS * STEPS_PER_EPOCH


def rates(make, every):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    scheduler, found = make(optimizer), []
    for step in range(TOTAL):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (every == "step" or (step + 1) % STEPS_PER_EPOCH == 0) and step + 1 < TOTAL:
            scheduler.step()
    return found


def cycle(**options):
    return lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=BASE, total_steps=TOTAL, **options)


CASES = [
    ({"name": "exponential", "gamma": 0.975}, lambda o: lr_scheduler.ExponentialLR(o, 0.975), "epoch"),
    ({"name": "exponential", "gamma": 0.9, "every": "step"}, lambda o: lr_scheduler.ExponentialLR(o, 0.9), "step"),
    ({"name": "step", "step_epochs": 5, "gamma": 0.1}, lambda o: lr_scheduler.StepLR(o, 5, 0.1), "epoch"),
    ({"name": "step", "step_steps": 7, "gamma": 0.5}, lambda o: lr_scheduler.StepLR(o, 7, 0.5), "step"),
    ({"name": "one_cycle"}, cycle(), "step"),
    ({"name": "one_cycle", "rise": 0.25}, cycle(pct_start=0.25), "step"),
    ({"name": "one_cycle", "start_divisor": 10.0, "end_divisor": 100.0}, cycle(div_factor=10, final_div_factor=100), "step"),
    ({"name": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL), "step"),
]
table = {
    "torch": torch.__version__, "base": BASE, "epochs": EPOCHS, "steps_per_epoch": STEPS_PER_EPOCH,
    "cases": [{"schedule": schedule, "rates": rates(make, every)} for schedule, make, every in CASES],
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(table) + "\n")
