"""Writes unfreeze.json beside this file: the study's head on timm's resnet18 after epochs of plain PyTorch in which more and more
blocks train, for `unfreeze.rs`.

pip install torch==2.13.0 timm==1.0.31 numpy        OMP_NUM_THREADS=2 python unfreeze.py

Weights and images come from the formula; the last normalization of each residual block has a fiftieth of its weight, so that
rounding stays small. Frozen blocks are in evaluation mode. What begins to train joins the optimizer by `add_param_group`, so it has taken no
step of its own. `rounding` is the largest difference of a loss, relative, to the same training in the channels-last layout.
"""
import json
import pathlib

import timm
import torch
import torch.nn.functional as F
from timm.utils import ModelEmaV3
from torch import nn

import formula

IMAGES, SIDE, CLASSES, HIDDEN, DAMPING, SEED, BATCH = 48, 32, 3, 16, 0.02, 11, 24
BLOCKS = ["conv1 bn1", "layer1", "layer2", "layer3", "layer4"]
# From which epoch on how many of the first blocks are frozen.
STAGES = [(1, 5), (2, 4), (4, 1), (5, 0)]
EPOCHS = 5
OPTIMIZERS = {
    "{ name: sgd, learning_rate: 0.002, momentum: 0.9, weight_decay: 0.001 }": lambda params: torch.optim.SGD(
        params, lr=0.002, momentum=0.9, weight_decay=0.001
    ),
    "{ name: adam, learning_rate: 0.00003 }": lambda params: torch.optim.Adam(params, lr=0.00003),
    "{ name: adamw, learning_rate: 0.00003, weight_decay: 0.1 }": lambda params: torch.optim.AdamW(
        params, lr=0.00003, weight_decay=0.1
    ),
    "{ name: rmsprop, learning_rate: 0.000003 }": lambda params: torch.optim.RMSprop(params, lr=0.000003),
}
EMA = {"decay": 0.9, "warmup": False}


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = timm.create_model("resnet18", num_classes=0)
        self.fc1, self.bn, self.fc2 = nn.Linear(512, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.Linear(HIDDEN, CLASSES)

    def forward(self, images):
        return self.fc2(self.bn(F.relu(self.fc1(self.base(images)))))

    def head(self):
        return [self.fc1, self.bn, self.fc2]

    def block(self, index):
        return [getattr(self.base, name) for name in BLOCKS[index].split()]


def build(layout):
    model = Classifier()
    formula.fill(model, lambda name: name.removeprefix("base.") if name.startswith("base.") else f"head.{name}")
    with torch.no_grad():
        for name, parameter in model.base.named_parameters():
            if name.endswith("bn2.weight"):
                parameter.mul_(DAMPING)
    return model.to(memory_format=layout)


def set_mode(model, frozen):
    model.train()
    for index in range(frozen):
        for module in model.block(index):
            module.eval()


def train(make, layout):
    model = build(layout)
    images = ((formula.stream("images", (IMAGES, 3, SIDE, SIDE)) + 1) / 2).float().contiguous(memory_format=layout)
    labels = torch.tensor([image % CLASSES for image in range(IMAGES)])
    parameters = lambda modules: [parameter for module in modules for parameter in module.parameters()]
    frozen = STAGES[0][1]
    optimizer = make(parameters([module for index in range(frozen, len(BLOCKS)) for module in model.block(index)] + model.head()))
    for index in range(frozen):
        for parameter in parameters(model.block(index)):
            parameter.requires_grad_(False)
    average = ModelEmaV3(model, decay=EMA["decay"])
    losses, averaged, steps = [], [], 0
    for epoch in range(1, EPOCHS + 1):
        for begin, blocks in STAGES[1:]:
            if begin == epoch:
                freed = [parameter for index in range(blocks, frozen) for parameter in parameters(model.block(index))]
                for parameter in freed:
                    parameter.requires_grad_(True)
                optimizer.add_param_group({"params": freed})
                frozen = blocks
        set_mode(model, frozen)
        order, total = formula.order(SEED, epoch, IMAGES), 0.0
        for at in range(0, IMAGES, BATCH):
            members = order[at : at + BATCH]
            loss = F.cross_entropy(model(images[members]), labels[members])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            average.update(model, step=steps)
            total += loss.item() * len(members)
        losses.append(total / IMAGES)
        average.module.eval()
        with torch.no_grad():
            averaged.append(F.cross_entropy(average.module(images), labels).item())
    tensors = {
        name: model.state_dict()[f"base.{name}" if not name.startswith("head.") else name.removeprefix("head.")]
        for name in ["bn1.weight", "bn1.running_mean", "layer1.0.bn1.weight", "layer3.1.bn2.bias", "layer4.1.bn1.running_var", "head.fc2.weight"]
    }
    return losses, averaged, {name: tensor.flatten().tolist() for name, tensor in tensors.items()}


if __name__ == "__main__":
    cases = []
    for name, make in OPTIMIZERS.items():
        losses, averaged, tensors = train(make, torch.contiguous_format)
        again, *_ = train(make, torch.channels_last)
        rounding = max(abs(a - b) / b for a, b in zip(again, losses))
        print(name, [round(loss, 4) for loss in losses], [round(loss, 4) for loss in averaged], f"rounding {rounding:.1e}")
        cases.append({"optimizer": name, "rounding": rounding, "losses": losses, "averaged": averaged, "tensors": tensors})
    facts = {"torch": torch.__version__, "timm": timm.__version__, "images": IMAGES, "side": SIDE, "classes": CLASSES, "hidden": HIDDEN}
    facts |= {"damping": DAMPING, "seed": SEED, "batch": BATCH, "epochs": EPOCHS, "stages": STAGES, "ema": EMA}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({**facts, "cases": cases}) + "\n")
