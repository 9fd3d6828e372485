"""Writes rand_augment.json beside this file: small pictures after each operation of timm's `rand-m9-mstd0.5-inc1`, and what it draws.

pip install torch==2.13.0 timm==1.0.31 pillow==13.0.0 numpy        python rand_augment.py

Pictures come from the formula, `stream(name)` scaled to bytes; some have few or only one value in a channel. The operations are
timm's own `AugmentOp`, its random choices replaced: the magnitude, the sign, and Pillow's interpolation. Bytes must be equal.
"""
import json
import pathlib
import random
from unittest import mock

import numpy as np
import PIL
import timm
from PIL import Image
from timm.data import auto_augment, rand_augment_transform

from formula import stream

# As timm's transforms for ImageNet fill.
HPARAMS = {"img_mean": (124, 116, 104), "translate_const": 100}
NAMES = auto_augment._RAND_INCREASING_TRANSFORMS
GEOMETRIC = {"Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"}
DRAWS = 100_000


def picture(name, height, width):
    pixels = ((stream(name, (height, width, 3)).numpy() + 1) / 2 * 255).round().astype(np.uint8)
    if name.startswith("dull"):
        # Two channels with few values, and one with a single one.
        pixels = pixels // 4 + 60
        pixels[..., 2] = 77
    return Image.fromarray(pixels)


def changed(name, image, magnitude, negative, cubic):
    if name == "PosterizeIncreasing" and magnitude >= 10:
        # No bit is left. Pillow made the image black; since release 12 it refuses.
        return Image.new("RGB", image.size)
    op = auto_augment.AugmentOp(name, prob=1.0, magnitude=magnitude, hparams=HPARAMS)
    filters = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]
    with mock.patch.object(random, "random", lambda: 0.9 if negative else 0.1), mock.patch.object(
        random, "choice", lambda _: filters[cubic]
    ):
        return op(image)


def cases():
    for index, name in enumerate(NAMES):
        for source, height, width in [("bright", 9, 11), ("dull", 16, 7), ("fine", 24, 24)]:
            for magnitude in [9.0, 0.0, 10.0, 4.37] if source == "bright" else [8.6]:
                for negative in (False, True):
                    for cubic in (False, True) if name in GEOMETRIC else (False,):
                        key = f"{source}{index}"
                        after = np.asarray(changed(name, picture(key, height, width), magnitude, negative, cubic))
                        yield {
                            "operation": index, "name": name, "picture": key, "size": [height, width], "magnitude": magnitude,
                            "negative": negative, "cubic": cubic, "pixels": after.transpose(2, 0, 1).flatten().tolist(),
                        }


def draws():
    """How often each operation happens to an image, and mean and deviation of the magnitudes."""
    seen, happened = [], {name: 0 for name in NAMES}
    transform = rand_augment_transform("rand-m9-mstd0.5-inc1", HPARAMS)
    for op in transform.ops:
        def level(magnitude, _, name=op.name):
            happened[name] += 1
            seen.append(magnitude)
            return ()
        op.level_fn, op.aug_fn = level, lambda image, *_, **__: image
    random.seed(0)
    np.random.seed(0)
    for _ in range(DRAWS):
        transform(None)
    return {
        "happened": [happened[name] / DRAWS for name in NAMES],
        "mean": float(np.mean(seen)), "deviation": float(np.std(seen)), "largest": float(np.mean(np.array(seen) >= 10.0)),
    }


if __name__ == "__main__":
    table = {"timm": timm.__version__, "pillow": PIL.__version__, "cases": list(cases()), "draws": draws()}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(table, separators=(",", ":")) + "\n")
    print(path, len(table["cases"]), "cases", path.stat().st_size, "bytes", table["draws"])
