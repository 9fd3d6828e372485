"""Writes sizes.json beside this file: small pictures as torchvision resizes them, antialiased where they shrink.

pip install torch==2.13.0 torchvision==0.28.0 numpy pillow        python sizes.py

Pictures are of the formula: [3, side, side], `stream("sizes")` brought into 0..1. Pillow, which has its own filter, must agree where a
picture grows bicubically.
"""
import json
import pathlib

import numpy as np
import torchvision
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from formula import stream


def case(interpolation, before, after):
    picture = (stream("sizes", (3, before, before)).float() + 1) / 2
    resized = F.resize(picture, [after, after], InterpolationMode(interpolation), antialias=True)
    if interpolation == "bicubic" and before < after:
        pillow = [Image.fromarray(channel.numpy()).resize((after, after), Image.Resampling.BICUBIC) for channel in picture]
        assert np.abs(np.stack(pillow) - resized.numpy()).max() < 2e-6
    pixels = [round(value, 7) for value in resized.flatten().tolist()]
    return {"interpolation": interpolation, "from": before, "to": after, "pixels": pixels}


cases = [
    case("bilinear", 11, 6), case("bilinear", 12, 7), case("bilinear", 5, 9), case("bicubic", 11, 6), case("nearest", 11, 6),
    case("bicubic", 8, 56),
]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"torchvision": torchvision.__version__, "cases": cases}) + "\n")
print(path, path.stat().st_size, "bytes")
