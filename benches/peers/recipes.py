"""The recipes of scripts/recipes.py in plain PyTorch, timm, torchvision and scikit-learn, as a user would write them.

python3 recipes.py RECIPE SEED PICTURES SPLIT WEIGHTS     RECIPE: probe, head, plain or good

SPLIT is the pictures.json of a run of warmstart, so that both train and test on the same pictures. WEIGHTS are timm's for
tf_efficientnet_lite0. Prints one JSON line with the validation accuracy and the test accuracy, from 0 to 1.
"""
import copy
import json
import math
import pathlib
import sys

import numpy as np
import safetensors.torch
import timm
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2

BACKBONE, PIXELS, BATCH = "tf_efficientnet_lite0", 96, 32
EPOCHS = {"head": 10, "plain": 5, "good": 10}


def pictures(root, rows, folder, classes):
    """Uint8 images [N, 3, 96, 96] and labels [N]."""
    images = torch.empty(len(rows), 3, PIXELS, PIXELS, dtype=torch.uint8)
    for at, row in enumerate(rows):
        image = Image.open(root / folder / row["name"]).convert("RGB").resize((PIXELS, PIXELS), Image.BICUBIC)
        images[at] = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    return images, torch.tensor([classes.index(row["name"].split("/")[0]) for row in rows])


def floats(images, mean, std):
    """Normalized images of bytes."""
    images = images.float() / 255
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


class Model(nn.Module):
    def __init__(self, weights, classes):
        super().__init__()
        self.base = timm.create_model(BACKBONE, num_classes=0)
        state = safetensors.torch.load_file(weights)
        missing, _ = self.base.load_state_dict(state, strict=False)
        assert not missing, missing
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 256), nn.ReLU(), nn.BatchNorm1d(256), nn.Linear(256, classes))

    def forward(self, images):
        return self.head(self.base(images))


def evaluate(model, images, labels, norm):
    model.eval()
    loss, right = 0.0, 0
    with torch.inference_mode():
        for at in range(0, len(labels), 100):
            logits = model(floats(images[at : at + 100], *norm))
            loss += F.cross_entropy(logits, labels[at : at + 100], reduction="sum").item()
            right += (logits.argmax(1) == labels[at : at + 100]).sum().item()
    return loss / len(labels), right / len(labels)


def features(base, images, norm):
    base.eval()
    with torch.inference_mode():
        rows = [base(floats(images[at : at + 64], *norm)) for at in range(0, len(images), 64)]
    return torch.cat(rows).clone()


def probe(model, train, validation, test, norm):
    from sklearn.linear_model import LogisticRegression

    x, y = features(model.base, train[0], norm).double().numpy(), train[1].numpy()
    vx, vy = features(model.base, validation[0], norm).double().numpy(), validation[1].numpy()
    tx, ty = features(model.base, test[0], norm).double().numpy(), test[1].numpy()
    best = (-1.0, 0.0)
    for strength in np.logspace(-6, 5, 45):
        fitted = LogisticRegression(C=strength, max_iter=1000).fit(x, y)
        best = max(best, (fitted.score(vx, vy), -strength))
    fitted = LogisticRegression(C=-best[1], max_iter=1000).fit(np.concatenate([x, vx]), np.concatenate([y, vy]))
    return best[0], fitted.score(tx, ty)


def groups(model):
    """The good recipe's parameter groups: stem 0.2, blocks 0.5, head 1 of the rate; no decay of norms and biases."""
    out = []
    for name, parameter in model.named_parameters():
        if name.startswith("head."):
            factor = 1.0
        elif name.startswith(("base.conv_stem", "base.bn1")):
            factor = 0.2
        else:
            factor = 0.5
        out.append({"params": [parameter], "factor": factor, "weight_decay": 0.0 if parameter.ndim <= 1 else 5e-4})
    return out


def rate(step, per_epoch, epochs):
    """One epoch of warm-up, then half a cosine to 0."""
    if step + 1 < per_epoch:
        return (step + 1) / per_epoch
    done = max(step - per_epoch, 0) / ((epochs - 1) * per_epoch)
    return 0.5 * (1 + math.cos(math.pi * done))


def fine_tune(recipe, model, train, validation, test, norm, seed):
    good = recipe == "good"
    if recipe == "head":
        model.base.requires_grad_(False)
        # The base is frozen and images do not change: its features are, too.
        train = (features(model.base, train[0], norm), train[1])
        validation = (features(model.base, validation[0], norm), validation[1])
        test = (features(model.base, test[0], norm), test[1])
        trained, prepare, norm = model.head, (lambda images: images), None
    else:
        model = model.to(memory_format=torch.channels_last)
        trained, prepare = model, (lambda images: floats(images, *norm))
    if good:
        optimizer = torch.optim.SGD(groups(model), 0.02, momentum=0.9, nesterov=True)
        change = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomResizedCrop(PIXELS, scale=(0.5, 1.0), antialias=False)])
    else:
        optimizer = torch.optim.Adam(trained.parameters(), 1e-3 if recipe == "head" else 3e-4)
    average = copy.deepcopy(trained) if good else trained
    order = np.random.default_rng(seed)
    per_epoch, step, best = math.ceil(len(train[1]) / BATCH), 0, None
    for _ in range(EPOCHS[recipe]):
        trained.train()
        rows = order.permutation(len(train[1]))
        for at in range(0, len(rows), BATCH):
            chosen = torch.from_numpy(rows[at : at + BATCH])
            images = train[0][chosen]
            if good:
                images = torch.stack([change(image) for image in images])
                for group in optimizer.param_groups:
                    group["lr"] = 0.02 * group["factor"] * rate(step, per_epoch, EPOCHS[recipe])
            loss = F.cross_entropy(trained(prepare(images)), train[1][chosen], label_smoothing=0.1 if good else 0.0)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            if good:
                with torch.no_grad():
                    for kept, new in zip(average.state_dict().values(), trained.state_dict().values()):
                        if kept.is_floating_point():
                            kept.lerp_(new, 0.01)
                        else:
                            kept.copy_(new)
        measure = (lambda part: head_result(trained, *part)) if recipe == "head" else (lambda part: evaluate(average, *part, norm))
        result = measure(validation)
        # The epoch with the lowest validation loss counts, as in warmstart.
        if best is None or result[0] < best[0][0]:
            best = (result, measure(test))
    return best[0][1], best[1][1]


def head_result(head, rows, labels):
    head.eval()
    with torch.inference_mode():
        logits = head(rows)
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def main():
    recipe, seed, root, split, weights = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4], sys.argv[5]
    torch.manual_seed(seed)
    sets = json.loads(pathlib.Path(split).read_text())
    classes = sorted({row["name"].split("/")[0] for row in sets["train"]})
    # warmstart takes the validation pictures from train/ where there is no val/.
    parts = [pictures(root, sets[part], folder, classes) for part, folder in (("train", "train"), ("validation", "train"), ("test", "test"))]
    model = Model(weights, len(classes))
    mean, std = (torch.tensor(model.base.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    norm = (mean, std)
    run = probe(model, *parts, norm) if recipe == "probe" else fine_tune(recipe, model, *parts, norm, seed)
    print(json.dumps({"recipe": recipe, "seed": seed, "val_acc": run[0], "test_acc": run[1]}))


if __name__ == "__main__":
    main()
