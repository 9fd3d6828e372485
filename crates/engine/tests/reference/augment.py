"""Writes augment.json beside this file: small pictures after torchvision's operations, and how torchvision and timm draw
rectangles.

pip install torch==2.13.0 torchvision==0.28.0 timm==1.0.31 numpy        python augment.py

Pictures come from the formula: [3, 9, 11], `stream(name)` scaled to 0..1. Random draws are summarized by their means.
"""
import json
import math
import pathlib
import random

import timm
import torch
import torchvision
from timm.data.random_erasing import RandomErasing
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as F

from formula import stream

HEIGHT, WIDTH = 9, 11
DRAWS = 40_000


def picture(name):
    return (stream(name, (3, HEIGHT, WIDTH)).float() + 1) / 2


def case(name, changed, **facts):
    return {"picture": name, **facts, "pixels": [round(value, 6) for value in changed.flatten().tolist()]}


def resized_crops():
    frames = [(0, 0, 9, 11), (2, 3, 4, 5), (8, 10, 1, 1), (0, 0, 1, 11), (3, 1, 6, 2), (1, 4, 8, 7)]
    for index, frame in enumerate(frames):
        changed = F.resized_crop(picture(f"crop{index}"), *frame, [HEIGHT, WIDTH], antialias=True)
        yield case(f"crop{index}", changed, frame=frame)


def padding_crops():
    for index, (padding, top, left, fill) in enumerate(
        [(4, 0, 8, "zeros"), (4, 3, 4, "zeros"), (4, 8, 0, "reflect"), (8, 16, 16, "reflect"), (2, 2, 2, "reflect")]
    ):
        mode = {"zeros": "constant", "reflect": "reflect"}[fill]
        padded = F.pad(picture(f"pad{index}"), [padding] * 4, padding_mode=mode)
        yield case(f"pad{index}", F.crop(padded, top, left, HEIGHT, WIDTH), shift=(padding, top, left), fill=fill)


CHANGES = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]


def colors():
    for kind, amounts in enumerate([(0.0, 0.6, 1.9), (0.0, 0.5, 1.7), (0.0, 0.4, 2.5), (-0.5, -0.1, 0.05, 0.3, 0.0)]):
        for amount in amounts:
            name = f"color{kind}"
            yield case(name, CHANGES[kind](picture(name), amount), kind=kind, amount=amount)
    # A grey picture has no hue to rotate.
    gray = picture("gray")
    assert torch.allclose(F.adjust_hue(gray[:1].expand(3, -1, -1), 0.2), gray[:1].expand(3, -1, -1), atol=1e-6)


def jitters():
    orders = [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)]
    for index, order in enumerate(orders):
        amounts = (0.7 + 0.2 * index, 1.3 - 0.2 * index, 0.5 + 0.4 * index, -0.2 + 0.12 * index)
        changed = picture(f"jitter{index}")
        for kind in order:
            changed = CHANGES[kind](changed, amounts[kind])
        yield case(f"jitter{index}", changed, order=order, amounts=amounts)


def erasings():
    for index, (frame, color) in enumerate([((1, 2, 5, 3), (0.0, 0.0, 0.0)), ((0, 0, 8, 10), (0.485, 0.456, 0.406))]):
        value = torch.tensor(color).view(3, 1, 1)
        yield case(f"erase{index}", F.erase(picture(f"erase{index}"), *frame, value), frame=frame, color=color)


def means(frames):
    """Means of top, left, height and width, and of the squares of height and width."""
    columns = list(zip(*frames))
    figures = [sum(column) / len(frames) for column in columns]
    return figures + [math.sqrt(sum(side * side for side in column) / len(frames)) for column in columns[2:]]


def crop_draws():
    for size, area, aspect in [((224, 224), (0.08, 1.0), 4 / 3), ((32, 32), (0.25, 0.9), 1.5), ((20, 90), (0.6, 1.0), 4 / 3)]:
        image = torch.zeros(3, *size)
        frames = [RandomResizedCrop.get_params(image, list(area), [1 / aspect, aspect]) for _ in range(DRAWS)]
        yield {"size": size, "range": (*area, aspect), "means": means(frames)}


def erasing_draws():
    for size, settings in [((224, 224), {}), ((32, 32), {"probability": 0.6, "min_area": 0.1, "max_area": 0.9, "max_aspect": 5.0})]:
        full = {"probability": 0.25, "min_area": 0.02, "max_area": 1 / 3, "max_aspect": 1 / 0.3, **settings}
        eraser = RandomErasing(
            full["probability"], full["min_area"], full["max_area"], 1 / full["max_aspect"], mode="const", device="cpu"
        )
        frames = []
        for _ in range(DRAWS):
            image = torch.ones(1, *size)
            eraser._erase(image, 1, *size, torch.float32)
            rows, columns = (image[0].amin(dim) == 0 for dim in (1, 0))
            if rows.any():
                at = rows.nonzero()[0].item(), columns.nonzero()[0].item()
                frames.append((*at, int(rows.sum()), int(columns.sum())))
        yield {"size": size, "settings": settings, "share": len(frames) / DRAWS, "means": means(frames)}


torch.manual_seed(0)
random.seed(0)
table = {
    "torch": torch.__version__,
    "torchvision": torchvision.__version__,
    "timm": timm.__version__,
    "resized_crop": list(resized_crops()),
    "padding_crop": list(padding_crops()),
    "color": list(colors()),
    "color_jitter": list(jitters()),
    "erasing": list(erasings()),
    "resized_crop_draws": list(crop_draws()),
    "erasing_draws": list(erasing_draws()),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(table) + "\n")
print(path, path.stat().st_size, "bytes")
