"""Writes steps.json beside this file: the study's head after a few epochs of plain PyTorch, with accumulated batches, class
weights and missing pictures.

pip install torch==2.13.0 timm==1.0.31 numpy        python steps.py

Features and weights come from the formula. The order of an epoch is warmstart's (formula.py). The
loss of a step is CrossEntropyLoss(weight, reduction="mean") over all of its images. The head processes the batches of a step one
by one, because each normalizes with its own statistics.
"""
import json
import pathlib

import torch
from timm.utils import ModelEmaV3
from torch import nn

from formula import order, stream, value

FEATURES, HIDDEN, CLASSES = 512, 8, 3
SEED = 11


def label(image):
    """Class 0 is common, class 1 less common, class 2 rare."""
    return 2 if image % 16 == 0 else 1 if image % 4 == 1 else 0


def head():
    model = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.BatchNorm1d(HIDDEN), nn.Linear(HIDDEN, CLASSES))
    with torch.no_grad():
        for name, module in (("fc1", model[0]), ("bn", model[2]), ("fc2", model[3])):
            for key, tensor in module.state_dict().items():
                if key != "num_batches_tracked":
                    tensor.copy_(value(f"head.{name}.{key}", tuple(tensor.shape)))
    return model.train()


def case(images, batch_size, accumulate, epochs, weighted, missing, label_smoothing=0.0, clip_norm=None, nesterov=False, ema=None):
    """`missing`: a picture is unreadable if number % missing == 2; 0 means that all are readable. The other arguments are the
    recipe."""
    readable = [image for image in range(images) if not missing or image % missing != 2]
    features = stream("features", (images, FEATURES)).float()
    labels = torch.tensor([label(image) for image in range(images)])
    weights = None
    if weighted:
        counts = torch.bincount(labels, minlength=CLASSES)
        weights = counts.sum() / (CLASSES * counts)
    model = head()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=nesterov)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    average = ModelEmaV3(model, decay=ema["decay"], use_warmup=ema["warmup"]) if ema else None
    told, steps = [], 0
    for epoch in range(1, epochs + 1):
        visited = order(SEED, epoch, images)
        batches = [visited[at:at + batch_size] for at in range(0, images, batch_size)]
        batches = [batch for batch in batches if len(batch) > 1]
        rate, loss_sum, seen = optimizer.param_groups[0]["lr"], 0.0, 0
        for first in range(0, len(batches), accumulate):
            logits, known, alone = [], [], []
            for batch in batches[first:first + accumulate]:
                # A single picture has no variance, so it joins the next batch of the step.
                members = alone + [image for image in batch if image in readable]
                alone = members if len(members) == 1 else []
                if len(members) > 1:
                    logits.append(model(features[members]))
                    known.append(labels[members])
            if not logits:
                continue
            logits, known = torch.cat(logits), torch.cat(known)
            loss_sum += nn.functional.cross_entropy(logits, known, reduction="sum").item()
            seen += len(known)
            optimizer.zero_grad()
            nn.CrossEntropyLoss(weight=weights, label_smoothing=label_smoothing)(logits, known).backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            optimizer.step()
            steps += 1
            if average is not None:
                average.update(model, step=steps)
        schedule.step()
        told.append({"rate": rate, "loss": loss_sum / seen, "images": seen, "steps": steps})
    recipe = {key: setting for key, setting in [("label_smoothing", label_smoothing), ("clip_norm", clip_norm)] if setting}
    recipe |= {"optimizer.nesterov": True} if nesterov else {}
    recipe |= {"ema": ema} if ema else {}
    tensors = {}
    trained = average.module if ema else model
    for name, module in (("fc1", trained[0]), ("bn", trained[2]), ("fc2", trained[3])):
        for key in ("bias", "running_mean", "weight"):
            if key in module.state_dict() and (name, key) != ("fc1", "weight"):
                tensors[f"head.{name}.{key}"] = module.state_dict()[key].flatten().tolist()
    return {"images": images, "batch_size": batch_size, "accumulate": accumulate, "epochs": epochs, "weighted": weighted,
            "missing": missing, "recipe": recipe, "told": told, "tensors": tensors}


CASES = [
    # One step an epoch, in one batch and in several batches.
    case(64, 64, 1, 2, True, 0), case(64, 16, 4, 2, True, 0), case(64, 2, 32, 2, True, 0),
    # The last step of an epoch has fewer batches, and its last batch is short.
    case(70, 8, 3, 3, True, 0), case(70, 8, 3, 3, False, 0),
    # A third of the pictures is unreadable, or a quarter.
    case(70, 8, 3, 3, True, 3), case(70, 8, 3, 3, False, 3), case(64, 2, 16, 3, True, 4), case(60, 8, 1, 3, True, 3),
    # Some batches of two lose one or both pictures, so whole steps are skipped. The epoch still counts as one epoch.
    case(24, 2, 1, 4, False, 3),
    # Label smoothing, gradient clipping and Nesterov momentum: one by one, and all with weights, shared steps and missing
    # pictures.
    case(64, 16, 1, 3, False, 0, label_smoothing=0.1), case(64, 16, 1, 3, True, 0, label_smoothing=0.2),
    case(64, 16, 1, 3, False, 0, clip_norm=0.3), case(64, 16, 1, 3, False, 0, nesterov=True),
    case(70, 8, 3, 3, False, 3, label_smoothing=0.1, clip_norm=0.5, nesterov=True),
    case(70, 8, 3, 3, True, 3, label_smoothing=0.1, clip_norm=0.5, nesterov=True),
    # Averaged weights. A skipped step does not change the average.
    case(64, 16, 1, 3, False, 0, ema={"decay": 0.9, "warmup": False}), case(70, 8, 3, 4, True, 3, ema={"decay": 0.6, "warmup": True}),
]
path = pathlib.Path(__file__).with_name("steps.json")
path.write_text(json.dumps({"seed": SEED, "hidden": HIDDEN, "classes": CLASSES, "cases": CASES}) + "\n")
print(f"{len(CASES)} cases, {path.stat().st_size} bytes, torch {torch.__version__}")
for found in CASES:
    print({key: found[key] for key in ("images", "batch_size", "accumulate", "weighted", "missing")}, found["told"][-1])
