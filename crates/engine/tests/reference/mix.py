"""Writes mix.json beside this file: batches, labels and losses that timm's Mixup computes, and the shares that it draws.

pip install torch==2.13.0 timm==1.0.31 numpy        python mix.py
"""
import json
import pathlib

import numpy as np
import timm
import torch
from timm.data.mixup import Mixup, mixup_target
from timm.loss import SoftTargetCrossEntropy

from formula import stream

SHAPE, CLASSES, LABELS = (5, 3, 6, 7), 4, [2, 0, 1, 3, 0]
DRAWS = 60_000


def case(fade, paste, smoothing):
    """A batch mixed by the share `fade`, or with the rectangle `paste` (top, bottom, left, right) of the reversed batch."""
    images, labels = stream("mixed", SHAPE).float(), torch.tensor(LABELS)
    if paste is None:
        share = fade
        # In place, like timm's _mix_batch.
        flipped = images.flip(0).mul_(1.0 - share)
        images.mul_(share).add_(flipped)
    else:
        top, bottom, left, right = paste
        images[:, :, top:bottom, left:right] = images.flip(0)[:, :, top:bottom, left:right]
        share = 1.0 - (bottom - top) * (right - left) / (SHAPE[2] * SHAPE[3])
    target = mixup_target(labels, CLASSES, share, smoothing)
    logits = stream("logits", (5, CLASSES)).float().requires_grad_()
    loss = SoftTargetCrossEntropy()(logits, target)
    loss.backward()
    figures = {"images": images, "gradient": logits.grad}
    return {
        "fade": fade, "paste": paste, "smoothing": smoothing, "share": share, "loss": loss.item(),
        **{name: [round(value, 7) for value in tensor.flatten().tolist()] for name, tensor in figures.items()},
    }


def draws(settings):
    """The deciles of the shares that timm draws, and how often it pastes a rectangle."""
    # timm takes a setting of 0 as off.
    mixup = Mixup(
        settings.get("mixup", 0.0), settings.get("cutmix", 0.0), prob=settings.get("probability", 1.0),
        switch_prob=settings.get("switch", 0.5), num_classes=CLASSES,
    )
    shares, pasted = [], 0
    for _ in range(DRAWS):
        share, pastes = mixup._params_per_batch()
        if pastes:
            _, share = timm.data.mixup.cutmix_bbox_and_lam((1, 1, 32, 24), share, correct_lam=True)
            pasted += 1
        shares.append(float(share))
    shares = sorted(shares)
    return {
        "settings": settings, "deciles": [shares[DRAWS * decile // 10] for decile in range(1, 10)], "pasted": pasted / DRAWS,
    }


np.random.seed(0)
table = {
    "torch": torch.__version__,
    "timm": timm.__version__,
    "labels": LABELS,
    "cases": [
        case(0.3, None, 0.0), case(0.75, None, 0.1), case(0.0, None, 0.2),
        case(None, (1, 4, 2, 7), 0.0), case(None, (0, 6, 0, 7), 0.1), case(None, (3, 3, 2, 2), 0.1),
    ],
    "draws": [
        draws({"mixup": 0.2}), draws({"mixup": 1.0}), draws({"mixup": 4.0, "probability": 0.7}), draws({"cutmix": 1.0}),
        draws({"cutmix": 0.5}), draws({"mixup": 0.8, "cutmix": 1.0}), draws({"mixup": 0.8, "cutmix": 1.0, "switch": 0.9}),
    ],
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(table) + "\n")
print(path, path.stat().st_size, "bytes")
