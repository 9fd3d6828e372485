"""Loads the output of `warmstart export` into timm's model, and writes exported.json beside this file for `exported.rs` to
compare with.

pip install torch==2.13.0 timm==1.0.31 numpy safetensors
python exported.py FILE.safetensors LOGITS.json    runs the file's own lines of Python and compares with warmstart's logits
python exported.py --pictures FILE.safetensors PREDICTIONS.json    the same with pictures and the answers of `predict`
python exported.py                                 writes exported.json

FILE is an export of a run on emoji98; LOGITS.json has warmstart's logits of its test images, [N, 98]. exported.json has the
logits of timm's models for the first test images. The study's head is the classifier there, and all weights come from formula.py
under the exported names. It also has the shapes of the head's tensors, and `classifier`, timm's name of its own classifier.
"""
import json
import math
import os
import pathlib
import sys

import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from torch import nn

import formula
from losses import emoji98

TRAIN, CLASSES, HIDDEN, IMAGES, TOLERANCE = 3038, 98, 16, 2, 1e-4
# Tolerance of a probability, because a channel of a pixel may differ by 1 of 255.
PICTURES = 0.02
CASES = [
    ("resnet18", "fc", None),
    ("efficientnet_b0", "classifier", 64),
    ("tf_efficientnet_lite0", "classifier", 96),
    ("mobilenetv3_large_100", "classifier", 64),
    ("convnext_tiny", "head.fc", 64),
    ("vit_small_patch16_224", "head", 224),
    ("vit_small_patch14_dinov2", "head", 56),
]


def prepare(pixels, mean, std, size):
    """The same as the model in warmstart: normalize, then resize to the nearest pixels."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))
    x = (pixels.float() / 255 - mean) / std
    return x if x.shape[-1] == size else F.interpolate(x, size=(size, size), mode="nearest")


def compare(file, logits):
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
    os.chdir(file.parent)
    names = {}
    # The lines of Python that warmstart shows to users.
    exec(about["load"], names)
    model = names["model"]
    assert not model.training and about["interpolation"] == "nearest"
    mean, std, size = (json.loads(about[key]) for key in ("mean", "std", "input_size"))
    pixels, labels = emoji98()
    images = prepare(pixels[TRAIN:], mean, std, size[-1])
    with torch.inference_mode():
        found = torch.cat([model(part) for part in images.split(64)])
        # timm's own way to load the base without a classifier.
        base = timm.create_model(
            about["architecture"], pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": str(file)}
        )
        features = base.eval()(images[:8])
        assert torch.equal(model.get_submodule(about["classifier"])(features), model(images[:8]))
    expected = torch.tensor(json.loads(logits.read_text()))
    right = (found.argmax(1) == labels[TRAIN:]).double().mean().item()
    furthest = (found - expected).abs().max().item()
    verdict = "ok" if furthest < TOLERANCE else "UNDER"
    what = f"exported {about['architecture']} in timm {timm.__version__}: {len(found)} images, test accuracy {right:.4f}"
    print(f"FIGURE E1\t{what}\tlogits up to {found.abs().max():.2f} apart by {furthest:.1e} at most\t{TOLERANCE}\t{verdict}")
    return furthest < TOLERANCE


def golden(backbone, classifier, resize):
    # As the lines of an export say it where positions were learned at another size.
    flexible = {"dynamic_img_size": True} if "dinov2" in backbone else {}
    model = timm.create_model(backbone, num_classes=0, **flexible)
    features = model.num_features if not hasattr(model, "head_hidden_size") else model.head_hidden_size
    parent, _, name = classifier.rpartition(".")
    head = nn.Sequential(
        nn.Linear(features, HIDDEN), nn.ReLU(), nn.BatchNorm1d(HIDDEN), nn.Linear(HIDDEN, CLASSES)
    )
    setattr(model.get_submodule(parent), name, head)
    formula.fill(model)
    pixels, _ = emoji98()
    cfg = model.default_cfg
    images = prepare(pixels[TRAIN : TRAIN + IMAGES], cfg["mean"], cfg["std"], resize or pixels.shape[-1])
    with torch.inference_mode():
        logits = model.eval()(images)
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    shapes = {key: list(value.shape) for key, value in state.items() if key.startswith(f"{classifier}.")}
    facts = {"backbone": backbone, "classifier": classifier, "resize": resize, "tensors": len(state), "head": shapes}
    return {**facts, "logits": [[float(f"{v:.7g}") for v in row] for row in logits.tolist()]}


def pictures(file, predictions):
    """Runs the file's own lines, and timm's transform made from the header and from config.json, on pictures from files."""
    with safe_open(file, "pt") as opened:
        about = opened.metadata()
    os.chdir(file.parent)
    names = {}
    exec(about["load"], names)
    config = json.loads(file.with_suffix(".config.json").read_text())
    classes = json.loads(file.with_suffix(".labels.json").read_text())
    assert config["label_names"] == classes
    said = [
        {key: json.loads(about[key]) for key in ("input_size", "mean", "std", "crop_pct")}
        | {"interpolation": about["interpolation"], "crop_mode": about["crop_mode"]},
        config["pretrained_cfg"],
    ]
    transforms = [timm.data.create_transform(**timm.data.resolve_data_config({}, pretrained_cfg=facts)) for facts in said]
    images = json.loads(predictions.read_text())["images"]
    # For each picture the largest difference of a probability: to the file's own lines, and to timm's two transforms.
    right, own, by_timm = 0, [], [[], []]
    for image in images:
        ours = {row["name"]: row["probability"] for row in image["classes"]}
        ours = torch.tensor([ours[name] for name in classes])
        with torch.inference_mode():
            theirs = names["model"](names["picture"](image["image"])[None]).softmax(-1)[0].double()
            opened = Image.open(image["image"])
            for place, transform in enumerate(transforms):
                # timm's transform does not handle transparency, so it is compared on opaque pictures only.
                if opened.mode == "RGB" and "preparation" not in about:
                    alone = names["model"](transform(opened)[None]).softmax(-1)[0].double()
                    by_timm[place].append((alone - ours).abs().max().item())
        right += int(theirs.argmax() == ours.argmax())
        own.append((theirs - ours).abs().max().item())
    # It is UNDER where nothing was compared, and for NaN: no comparison with it is true.
    compared = [own] if "preparation" in about else [own, *by_timm]
    is_near = all(apart and all(difference < PICTURES for difference in apart) for apart in compared)
    verdict = "ok" if right == len(images) and is_near else "UNDER"
    what = f"pictures as the export says: {'×'.join(map(str, said[0]['input_size'][1:]))}, {about['interpolation']}, crop_pct {about['crop_pct']}"
    timms = "not compared" if "preparation" in about else f"within {max(sum(by_timm, []), default=math.nan):.1e}"
    how = f"{right} of {len(images)} alike, probabilities within {max(own, default=math.nan):.1e}, timm's transform {timms}"
    print(f"FIGURE E1\t{what}\t{how}\t{PICTURES}\t{verdict}")
    return verdict == "ok"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pictures"]:
        sys.exit(not pictures(*(pathlib.Path(name).resolve() for name in sys.argv[2:])))
    if len(sys.argv) == 3:
        sys.exit(not compare(*(pathlib.Path(name).resolve() for name in sys.argv[1:])))
    facts = {"torch": torch.__version__, "timm": timm.__version__, "hidden": HIDDEN}
    lines = ",\n".join(f"  {json.dumps(golden(*case))}" for case in CASES)
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(facts)[:-1] + f', "cases": [\n{lines}\n]}}\n')
