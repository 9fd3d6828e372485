"""Speed of a training step of PyTorch and timm on a GPU, with the settings of timm's train.py --amp --channels-last: autocast,
channels-last, cuDNN's measured algorithms, a fused optimizer. Synthetic pixels.

python3 pytorch_step.py [--device cuda:0] BACKBONE,PIXELS,FROZEN,BATCH,PRECISION...     one JSON line each
"""
import argparse
import json
import time

import timm
import torch
from torch.nn import functional as F

WARM_UP, STEPS = 5, 20


def measure(device, backbone, size, frozen, batch, precision):
    model = timm.create_model(backbone, num_classes=100).to(device, memory_format=torch.channels_last).train()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    if frozen:
        head = {id(p) for p in model.get_classifier().parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in head)
        model.eval()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-3, fused=True)
    images = torch.randn(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 100, (batch,), device=device)

    def step():
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = F.cross_entropy(model(images).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(WARM_UP):
        step().item()
    began = time.perf_counter()
    for _ in range(STEPS - 1):
        step()
    step().item()
    return batch * STEPS / (time.perf_counter() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("cases", nargs="+")
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    for case in options.cases:
        backbone, size, frozen, batch, precision = case.split(",")
        rate = measure(torch.device(options.device), backbone, int(size), frozen == "1", int(batch), precision)
        row = {"case": case, "images_per_second": round(rate, 1), "torch": torch.__version__, "timm": timm.__version__}
        print(json.dumps(row), flush=True)
