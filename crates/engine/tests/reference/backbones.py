"""Writes ../data/backbones.json: what timm's backbones compute with weights from a formula (formula.py).

pip install torch==2.13.0 timm==1.0.31 numpy
python backbones.py NAME…             computes those and keeps the others; all when no name is given
python backbones.py --tensors NAME    prints timm's names and shapes, to compare with where the digest differs

tensors: how many the state dict has without `num_batches_tracked`, and the SHA-256 of their names and shapes in its order, one a line.
multiply_adds: of one image of 224 pixels; half of what torch's counter of floating point operations counts.
pretrained: the weights that timm loads by default, and the input that they need.
eval: pooled features [2, num_features] in inference mode at S pixels: the first 8 values, L2 norm and mean of each row.
The input is "input", values 2 * u, shape [2, 3, S, S].
train: one forward and backward pass in training mode (batch statistics, no dropout, no stochastic depth), in float64 from the same
float32 weights. N = 4, at 64 pixels if the backbone accepts any size. loss = sum(features * u("cotangent")).
l2 = norm of each row of features; grad_l2 = norms of some gradients, and of all together.
float32_error = the largest relative difference of timm's gradients in float32 from these norms.
noise_error = the same for timm's gradients in float64 where noise of up to 1e-6, about what float32 loses on the way through a deep
network, is added to the images: ReLU's derivative jumps, so gradients of some networks move a thousand times more than their features.
running_mean_l2_after and running_var_l2_after = norm over all running statistics after that forward pass.
"""
import copy
import hashlib
import json
import math
import pathlib
import sys

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

import formula

# A size with an odd border shows TensorFlow's padding.
NAMES = {
    "resnet18": [32, 64],
    "resnet34": [64],
    "resnet50": [32, 64],
    "resnet101": [64],
    "efficientnet_b0": [32, 64],
    "efficientnet_b1": [64],
    "efficientnet_b2": [64],
    "efficientnet_b3": [64],
    "tf_efficientnet_b0": [64, 75],
    "tf_efficientnet_b1": [75],
    "tf_efficientnet_b2": [75],
    "tf_efficientnet_b3": [75],
    "efficientnet_lite0": [64],
    "tf_efficientnet_lite0": [32, 64, 75],
    "mobilenetv3_large_100": [64, 75],
    "convnext_tiny": [64, 75],
    "vit_small_patch16_224": [224],
    "resnext50_32x4d": [64],
    "wide_resnet50_2": [64],
    "resnet26d": [64, 75],
    "resnet50d": [64],
    "seresnet50": [64],
    "tf_efficientnetv2_s": [64, 75],
    "efficientnetv2_rw_s": [64],
    "mobilenetv2_100": [64, 75],
    "convnext_nano": [64, 75],
    "convnext_small": [64],
    "convnext_base": [64],
    "convnextv2_nano": [64, 75],
    "convnextv2_tiny": [64],
    "convnextv2_base": [64],
    "vit_base_patch16_224": [64],
    "vit_base_patch32_224": [128],
    "vit_base_patch16_clip_224": [64],
    "vit_base_patch32_clip_224": [128, 160],
    "vit_base_patch16_clip_quickgelu_224": [64],
    "vit_base_patch32_clip_quickgelu_224": [128],
    "deit3_small_patch16_224": [64, 80],
    "deit3_base_patch16_224": [64],
    "vit_small_patch14_dinov2": [56, 70],
    "vit_base_patch14_dinov2": [56],
    "vit_small_patch14_reg4_dinov2": [56, 70],
    "vit_base_patch14_reg4_dinov2": [56],
    "vit_small_patch16_dinov3": [64, 80],
    "vit_base_patch16_dinov3": [64],
    "regnety_008": [64, 75],
    "regnety_016": [64],
    "regnety_032": [64],
    "mobilenetv4_conv_small": [64, 75],
    "mobilenetv4_conv_medium": [64],
    "densenet121": [64, 75],
    # Fewer places than the 7x7 kernel of its last convolutions, and more.
    "vgg16_bn": [32, 75, 256],
}


def norm(tensors):
    return math.sqrt(sum(t.double().square().sum().item() for t in tensors))


def pooled(model, x):
    return model.forward_head(model.forward_features(x), pre_logits=True)


def inference(model, side):
    with torch.inference_mode():
        features = pooled(model.eval(), (formula.stream("input", (2, 3, side, side)) * 2).float())
    wide = features.double()
    return {
        "first8": features[:, :8].tolist(),
        "l2": wide.norm(dim=1).tolist(),
        "mean": wide.mean(dim=1).tolist(),
    }


def gradients(model, side, noise=0.0):
    images = (formula.stream("input", (4, 3, side, side)) * 2).float().to(next(model.parameters()).dtype)
    features = pooled(model.train(), images + noise)
    (features * formula.stream("cotangent", tuple(features.shape)).float()).sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    return features.detach(), {name: norm([grad]) for name, grad in grads.items()}, norm(grads.values())


def chosen(norms, total):
    """The first gradient, the last, and two between; a batch normalization that follows may make one zero, and the next is taken."""
    names = list(norms)
    places = (0, len(names) // 3, len(names) // 2, len(names) - 1)
    return [next(name for name in names[place:] if norms[name] > 1e-6 * total) for place in places]


def training(model, side):
    # In float32, the gradients of a deep network differ in the third or fourth digit between machines.
    rounded = gradients(copy.deepcopy(model), side)
    noise = (formula.stream(f"noise {draw}", (4, 3, side, side)) * 1e-6 for draw in range(3))
    moved = [gradients(copy.deepcopy(model).double(), side, one) for one in noise]
    features, norms, total = gradients(model.double(), side)
    shown = {name: norms[name] for name in chosen(norms, total)}
    error = lambda found, expected: abs(found - expected) / expected
    farthest = lambda other: max(error(other[2], total), *(error(other[1][name], value) for name, value in shown.items()))
    running = {kind: [b for name, b in model.named_buffers() if name.endswith(kind)] for kind in ("running_mean", "running_var")}
    return {
        "side": side,
        "l2": features.norm(dim=1).tolist(),
        "grad_l2_total": total,
        "grad_l2": shown,
        "float32_error": farthest(rounded),
        "noise_error": max(map(farthest, moved)),
        **{f"{kind}_l2_after": norm(tensors) for kind, tensors in running.items()},
    }


def create(name, **options):
    # So a transformer takes any whole number of patches.
    flexible = {"dynamic_img_size": True} if name.startswith(("vit", "deit")) else {}
    return timm.create_model(name, num_classes=0, **flexible, **options)


def shapes(model):
    tensors = ((k, v) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked"))
    return [f"{k} {'x'.join(str(side) for side in v.shape)}" for k, v in tensors]


def multiply_adds(name):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        pooled(create(name).eval(), torch.empty(1, 3, 224, 224))
    return counter.get_total_flops() // 2


def training_side(model, sides):
    if not model.default_cfg["fixed_input_size"]:
        return 64
    return sides[0]


def reference(name, sides):
    model = formula.fill(create(name))
    config = model.default_cfg
    names = shapes(model)
    return {
        "pretrained": {
            "hub": config["hf_hub_id"],
            "pixels": config["input_size"][1],
            "mean": config["mean"],
            "std": config["std"],
        },
        "num_features": model.head_hidden_size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "statistics": sum(b.numel() for k, b in model.named_buffers() if "running" in k),
        "tensors": len(names),
        "sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
        "multiply_adds": multiply_adds(name),
        "eval": {str(side): inference(model, side) for side in sides},
        "train": training(model, training_side(model, sides)),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tensors"]:
        sys.exit(print("\n".join(shapes(create(sys.argv[2])))))
    source = f"backbones.py beside formula.py, timm {timm.__version__}, torch {torch.__version__}, float32 on the CPU"
    path = pathlib.Path(__file__).parent.parent / "data" / "backbones.json"
    found = {name: reference(name, NAMES[name]) for name in sys.argv[1:] or NAMES}
    kept = json.loads(path.read_text())["models"] if sys.argv[1:] else {}
    models = {name: found.get(name, kept.get(name)) for name in NAMES if name in found or name in kept}
    lines = ",\n".join(f'  "{name}": {json.dumps(model)}' for name, model in models.items())
    path.write_text(f'{{\n "source": {json.dumps(source)},\n "models": {{\n{lines}\n }}\n}}\n')
    print(path, len(models), "models", path.stat().st_size, "bytes")
