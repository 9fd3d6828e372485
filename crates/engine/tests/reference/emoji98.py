"""The quickstart's frozen Lite0 in plain PyTorch: test accuracy of the best epoch for three seeds, to compare with warmstart.

pip install torch==2.13.0 timm==1.0.31 numpy safetensors        python emoji98.py WEIGHTS.safetensors [SEED…]

The recipe is experiments/quickstart/4-lite0-freeze.yaml at 64 pixels. PyTorch's own generator draws the split, the order of the
batches, the head's first weights and the dropout. So the figures agree like two seeds agree, not to the last digit. Ours:
  warmstart train experiments/quickstart/4-lite0-freeze.yaml --set input.resize=64 --set seed=42
"""
import copy
import math
import sys

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from losses import Classifier, emoji98, prepare

EPOCHS, BATCH, RATE, SIDE, TRAIN, VALIDATION = 20, 64, 1e-3, 64, 3038, 0.3


def rate(step, steps):
    """Linear in the first epoch, then half a cosine."""
    warmup = steps // EPOCHS
    if step < warmup:
        return RATE * (step + 1) / warmup
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def features(path):
    base = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    base.load_state_dict(load_file(path), strict=False)
    pixels, labels = emoji98()
    with torch.inference_mode():
        parts = [base.eval()(prepare(part, base.default_cfg, SIDE, torch.float32)) for part in pixels.split(128)]
    return torch.cat(parts).clone(), labels


def split(labels, generator):
    """Positions for training and validation; validation gets 30 % of each class."""
    train, validation = [], []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        held = round(len(members) * VALIDATION)
        validation.append(members[:held])
        train.append(members[held:])
    return torch.cat(train), torch.cat(validation)


def run(seed, everything, labels):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    train, validation = split(labels[:TRAIN], generator)
    model = Classifier(torch.nn.Identity(), everything.shape[1], dropout=0.2)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    steps = math.ceil(len(train) / BATCH) * EPOCHS
    step, best = 0, (math.inf, None)
    for _ in range(EPOCHS):
        model.train()
        for batch in train[torch.randperm(len(train), generator=generator)].split(BATCH):
            optimizer.param_groups[0]["lr"] = rate(step, steps)
            optimizer.zero_grad()
            F.cross_entropy(model.head(everything[batch]), labels[batch]).backward()
            optimizer.step()
            step += 1
        model.eval()
        with torch.inference_mode():
            loss = F.cross_entropy(model.head(everything[validation]), labels[validation]).item()
        if loss < best[0]:
            best = (loss, copy.deepcopy(model.state_dict()))
    model.load_state_dict(best[1])
    with torch.inference_mode():
        right = model.head(everything[TRAIN:]).argmax(1) == labels[TRAIN:]
    return right.double().mean().item()


if __name__ == "__main__":
    everything, labels = features(sys.argv[1])
    for seed in map(int, sys.argv[2:] or ["42", "43", "44"]):
        print(f"seed {seed}: test accuracy {run(seed, everything, labels):.4f}")
