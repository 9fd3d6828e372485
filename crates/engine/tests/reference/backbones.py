"""Writes ../data/backbones.json: what timm's backbones compute with weights from a formula (formula.py).

pip install torch==2.13.0 timm==1.0.31 numpy        python backbones.py

tensors: timm's names and shapes in the order of the state dict, without `num_batches_tracked`.
pretrained: the weights that timm loads by default, and the input that they need.
eval: pooled features [2, num_features] in inference mode at S pixels: the first 8 values, L2 norm and mean of each row.
The input is "input", values 2 * u, shape [2, 3, S, S].
train: one forward and backward pass in training mode (batch statistics, no dropout, no stochastic depth), in float64 from the same
float32 weights. N = 4, at 64 pixels if the backbone accepts any size. loss = sum(features * u("cotangent")).
l2 = norm of each row of features; grad_l2 = norms of some gradients, and of all together.
float32_error = the largest relative difference of timm's gradients in float32 from these.
running_mean_l2_after and running_var_l2_after = norm over all running statistics after that forward pass.
"""
import copy
import json
import math
import pathlib

import timm
import torch

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


def gradients(model, side):
    features = pooled(model.train(), (formula.stream("input", (4, 3, side, side)) * 2).float().to(next(model.parameters()).dtype))
    (features * formula.stream("cotangent", tuple(features.shape)).float()).sum().backward()
    names = [name for name, _ in model.named_parameters()]
    shown = [names[0], names[len(names) // 3], names[len(names) // 2], names[-1]]
    grads = {name: p.grad for name, p in model.named_parameters()}
    return features.detach(), {name: norm([grads[name]]) for name in shown}, norm(grads.values())


def training(model, side):
    # In float32, the gradients of a deep network differ in the third or fourth digit between machines.
    _, *rounded = gradients(copy.deepcopy(model), side)
    features, shown, total = gradients(model.double(), side)
    error = lambda found, expected: abs(found - expected) / expected
    errors = [error(rounded[1], total), *(error(rounded[0][name], value) for name, value in shown.items())]
    running = {kind: [b for name, b in model.named_buffers() if name.endswith(kind)] for kind in ("running_mean", "running_var")}
    return {
        "side": side,
        "l2": features.norm(dim=1).tolist(),
        "grad_l2_total": total,
        "grad_l2": shown,
        "float32_error": max(errors),
        **{f"{kind}_l2_after": norm(tensors) for kind, tensors in running.items()},
    }


def reference(name, sides):
    model = formula.fill(timm.create_model(name, num_classes=0))
    config = model.default_cfg
    tensors = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    shapes = (f"{k} {'x'.join(str(side) for side in v.shape)}" for k, v in tensors.items())
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
        "tensors": ", ".join(shapes),
        "eval": {str(side): inference(model, side) for side in sides},
        "train": training(model, 224 if config["fixed_input_size"] else 64),
    }


if __name__ == "__main__":
    models = {name: reference(name, sides) for name, sides in NAMES.items()}
    source = f"backbones.py beside formula.py, timm {timm.__version__}, torch {torch.__version__}, float32 on the CPU"
    path = pathlib.Path(__file__).parent.parent / "data" / "backbones.json"
    lines = ",\n".join(f'  "{name}": {json.dumps(model)}' for name, model in models.items())
    path.write_text(f'{{\n "source": {json.dumps(source)},\n "models": {{\n{lines}\n }}\n}}\n')
    print(path, len(models), "models", path.stat().st_size, "bytes")
