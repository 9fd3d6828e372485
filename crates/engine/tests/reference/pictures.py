"""Writes pictures.json beside this file: pictures prepared by Pillow and timm's transforms, and PyTorch's weighted cross-entropy.

pip install torch==2.13.0 timm==1.0.31 numpy pillow        python pictures.py

Pictures follow a formula that the test repeats, so the file stores only Pillow's results. It stores the CMYK JPEG whole, because
the test cannot write one.
"""
import io
import json
import pathlib

import torch
from PIL import Image
from timm.data import create_transform

SIDE = 16


def formula(width, height):
    """Smooth enough to show the effect of a filter, and not symmetric."""
    def pixel(x, y):
        return ((x * 5 + y * 3) % 256, (x * x // 7 + y) % 256, (y * 9 + 40 * (x // 6)) % 256)
    image = Image.new("RGB", (width, height))
    image.putdata([pixel(x, y) for y in range(height) for x in range(width)])
    return image


def resized(image):
    """The largest centred square, resized with antialiasing."""
    width, height = image.size
    short = min(width, height)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    return list(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box).tobytes())


def framed(width, height, side, crop_pct, interpolation, orientation):
    """The result of timm's transform, after the picture is rotated by its orientation."""
    turn = {6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180}.get(orientation)
    image = formula(width, height)
    image = image.transpose(turn) if turn is not None else image
    prepare = create_transform(
        input_size=(3, side, side), is_training=False, interpolation=interpolation, crop_pct=crop_pct, crop_mode="center",
        mean=(0, 0, 0), std=(1, 1, 1),
    )
    pixels = (prepare(image) * 255).round().byte().permute(1, 2, 0).flatten().tolist()
    return {"width": width, "height": height, "side": side, "crop_pct": crop_pct, "interpolation": interpolation,
            "orientation": orientation, "pixels": pixels}


FRAMED = [
    (60, 40, 16, 1.0, "bilinear", 1), (41, 97, 16, 1.0, "bilinear", 1), (97, 41, 16, 0.875, "bilinear", 1),
    (200, 200, 32, 1.0, "bilinear", 1), (9, 7, 16, 1.0, "bilinear", 1), (120, 50, 12, 0.9, "bicubic", 1),
    (11, 23, 20, 0.875, "bicubic", 1), (53, 31, 14, 1.0, "nearest", 1), (7, 5, 12, 0.8, "nearest", 1),
    (97, 42, 15, 0.875, "bilinear", 6), (97, 42, 15, 0.875, "bilinear", 8), (42, 97, 15, 1.0, "bicubic", 3), (300, 4, 8, 1.0, "bilinear", 1),
]


def cmyk():
    """Four areas of one colour each."""
    image = Image.new("CMYK", (32, 32))
    image.putdata([(200 * (x // 16), 180 * (y // 16), 30, 20) for y in range(32) for x in range(32)])
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    decoded = Image.open(io.BytesIO(file.getvalue()))
    assert decoded.mode == "CMYK"
    return {"file": file.getvalue().hex(), "fields": [decoded.convert("RGB").getpixel(at) for at in [(8, 8), (24, 8), (8, 24), (24, 24)]]}


def weighted():
    """Class counts, scikit-learn's balanced weights n / (k n_c) for them, and PyTorch's loss with these weights."""
    counts = torch.tensor([5, 40, 1, 14])
    weights = counts.sum() / (len(counts) * counts)
    logits = torch.tensor([[2.0, -1.0, 0.5, 0.0], [0.1, 0.2, 0.3, 0.4], [-3.0, 1.0, 4.0, 0.0], [1.0, 1.0, 1.0, 2.0]], requires_grad=True)
    labels = torch.tensor([0, 1, 2, 1])
    loss = torch.nn.CrossEntropyLoss(weight=weights)(logits, labels)
    loss.backward()
    return {
        "counts": counts.tolist(),
        "weights": weights.tolist(),
        "logits": logits.tolist(),
        "labels": labels.tolist(),
        "loss": loss.item(),
        "gradient": logits.grad.tolist(),
    }


sizes = [(50, 37), (37, 50), (16, 16), (9, 7), (200, 17), (64, 64)]
result = {
    "side": SIDE,
    "resized": [{"width": w, "height": h, "pixels": resized(formula(w, h))} for w, h in sizes],
    "framed": [framed(*case) for case in FRAMED],
    "cmyk": cmyk(),
    "weighted": weighted(),
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(result) + "\n")
