"""Writes sampler.json beside this file: how often torch's WeightedRandomSampler draws each class of uneven ones.

pip install torch==2.13.0        python sampler.py

An image weighs 1 / n of its class to balance, and 1 / sqrt(n of its class) for the square root; n is counted over the images.
"""
import json
import pathlib

import torch
from torch.utils.data import WeightedRandomSampler

EPOCHS = 200
WEIGHTS = {"balanced": lambda counts: 1 / counts, "sqrt": lambda counts: 1 / counts.sqrt()}


def case(sampler, counts):
    counts = torch.tensor(counts)
    labels = torch.repeat_interleave(torch.arange(len(counts)), counts)
    weights = WEIGHTS[sampler](counts.double())[labels]
    probabilities = torch.zeros(len(counts), dtype=torch.float64).index_add_(0, labels, weights / weights.sum())
    drawn = torch.zeros(len(counts), dtype=torch.float64)
    for _ in range(EPOCHS):
        order = list(WeightedRandomSampler(weights, num_samples=len(labels), replacement=True))
        drawn += torch.bincount(labels[order], minlength=len(counts))
    return {
        "sampler": sampler,
        "counts": counts.tolist(),
        "probabilities": probabilities.tolist(),
        "drawn": (drawn / drawn.sum()).tolist(),
    }


torch.manual_seed(0)
COUNTS = [[100, 25, 4], [1, 400], [30, 30, 30], [7, 0, 63, 1]]
cases = [case(sampler, counts) for sampler in WEIGHTS for counts in COUNTS]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
print(path, path.stat().st_size, "bytes")
