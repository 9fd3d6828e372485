"""Writes views.json beside this file: small pictures as torchvision's FiveCrop and TenCrop cut them.

pip install torch==2.13.0 torchvision==0.28.0 numpy        python views.py

Pictures are of the formula: [3, side, side], `stream("views")` brought into 0..1.
"""
import json
import pathlib

import torchvision
from torchvision.transforms import functional as F

from formula import stream


def case(side, share, flip):
    picture = (stream("views", (3, side, side)).float() + 1) / 2
    if share is None:
        views = [picture, F.hflip(picture)]
    else:
        views = (F.ten_crop if flip else F.five_crop)(picture, [round(side * share)] * 2)
    pixels = [[round(value, 6) for value in view.flatten().tolist()] for view in views]
    return {"side": side, "share": share, "flip": flip, "views": pixels}


# The centre of odd remainders is rounded as Python rounds.
cases = [case(9, 0.7, True), case(9, 0.9, False), case(8, 0.6, False), case(7, 1.0, True), case(8, None, True)]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"torchvision": torchvision.__version__, "cases": cases}) + "\n")
print(path, path.stat().st_size, "bytes")
