"""Speed of a training step of PyTorch and timm on the CPU, as a user would write it, and the machine's limits. Synthetic pixels.

python3 pytorch.py MODE BACKBONE PIXELS BATCH FROZEN     MODE: default, channels_last or bfloat16 (which is channels_last with autocast)
                                                         FROZEN: 1 trains the head alone, 0 trains all
python3 pytorch.py limits                                products in GFLOP/s and copies in GB/s

Prints one JSON line: images per second at the median of eight steps, after two to warm up; or the limits.
"""
import json
import statistics
import sys
import time

import torch

MODES = ("default", "channels_last", "bfloat16")
WARM_UP, STEPS = 2, 8


def seconds(call, repeats):
    out = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        out.append(time.perf_counter() - began)
    return out


def limits():
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    product = min(seconds(lambda: a @ b, 10))
    source = torch.randn(1 << 26)
    target = torch.empty_like(source)
    copy = min(seconds(lambda: target.copy_(source), 10))
    return {"gflops": round(2 * 2048**3 / product / 1e9, 1), "copy_gb_per_second": round(2 * source.nbytes / copy / 1e9, 1)}


def steps(mode, backbone, pixels, batch, frozen):
    import timm
    from torch import nn
    from torch.nn import functional as F

    base = timm.create_model(backbone, num_classes=0)
    head = nn.Sequential(nn.Dropout(0.2), nn.Linear(base.num_features, 256), nn.ReLU(), nn.BatchNorm1d(256), nn.Linear(256, 100))
    base.requires_grad_(not frozen)
    model = nn.ModuleList([base, head]).train()
    if frozen:
        base.eval()
    images = torch.randn(batch, 3, 32, 32)
    if mode != "default":
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 100, (batch,))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        enlarged = images if pixels == 32 else F.interpolate(images, size=(pixels, pixels), mode="nearest")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bfloat16"):
            with torch.set_grad_enabled(not frozen):
                features = base(enlarged)
            loss = F.cross_entropy(head(features).float(), labels)
        loss.backward()
        optimizer.step()

    seconds(step, WARM_UP)
    return {"images_per_second": round(batch / statistics.median(seconds(step, STEPS)), 2)}


if __name__ == "__main__":
    if sys.argv[1] == "limits":
        print(json.dumps(limits()))
    else:
        mode, backbone, pixels, batch, frozen = sys.argv[1:]
        if mode not in MODES or frozen not in ("0", "1"):
            raise SystemExit(f"error: MODE is one of {', '.join(MODES)}, and FROZEN is 0 or 1: {mode} {frozen}")
        print(json.dumps(steps(mode, backbone, int(pixels), int(batch), frozen == "1")))
