"""Probes emoji98 and folders of pictures in warmstart, and fits scikit-learn on the same features.

pip install scikit-learn==1.9.1 numpy safetensors
python probe_features.py [PICTURES ...] [--warmstart PROGRAM] [--strengths 12]

PICTURES has train/<class>/ and test/<class>/; 2,000 of its pictures train. warmstart probes Lite0 at 96 pixels, with runs and features
in a temporary folder. scikit-learn then gives, with a tolerance of 1e-8 instead of 1e-4:
- the validation accuracy of each strength up to the one that warmstart chose. Weaker penalties are left out: there a fit stops before
  its minimum, in both;
- the test accuracy of the chosen strength, fitted on training and validation images, and the coefficients and intercepts of that fit,
  which warmstart keeps in its checkpoint;
- the accuracies of as many nearest neighbours as warmstart chose, by cosine distance.

Prints one line for each data set. Exits with 1 where accuracies are more than 0.3 points apart, or coefficients more than a thousandth
of their norm.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

ROOT = pathlib.Path(__file__).resolve().parents[4]
POINTS, APART = 0.3, 1e-3
EXPERIMENT = """\
name: Probe
dataset: {dataset}
input: {{ resize: 96, interpolation: bicubic }}
model: {{ backbone: tf_efficientnet_lite0, freeze: backbone }}
probe: {{ strengths: {strengths} }}
"""


def probe(program, dataset, strengths, folder):
    """Lets warmstart probe. Returns the run's folder and that of its features."""
    experiment, runs, cache = folder / "probe.yaml", folder / "runs", folder / "cache"
    experiment.write_text(EXPERIMENT.format(dataset=dataset, strengths=strengths))
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "WARMSTART_FEATURE_CACHE": "10GB"}
    command = [program, "--checkpoints", runs, "train", experiment, "--device", "cpu", "--quiet"]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    (log,) = runs.glob("*/events.jsonl")
    return log.parent, cache / "warmstart/features"


def read_features(folder):
    """Features in float64 and labels of each part."""
    parts = {}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "numpy") as file:
            data = file.get_tensor("features").astype(np.float64), file.get_tensor("labels")
            parts[file.metadata()["part"]] = data
    train, validation = parts["training"], parts["validation"]
    both = tuple(np.concatenate(pair) for pair in zip(train, validation))
    return train, validation, both, parts["test"]


def read_coefficients(run):
    """Of the newest checkpoint, one row for each class, the intercept last."""
    path = max(run.glob("ckpt/*/model.safetensors"))
    with safe_open(path, "numpy") as file:
        return np.column_stack([file.get_tensor("head.fc2.weight"), file.get_tensor("head.fc2.bias")])


def logistic(c, data):
    return LogisticRegression(C=c, tol=1e-8, max_iter=20_000).fit(*data)


def neighbours(k, data):
    return KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute").fit(*data)


def compare(run, features):
    """A line about a probe, and whether scikit-learn agrees."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    of = lambda kind: [event for event in events if event["event"] == kind]
    (test,), (near,), strengths = of("test"), of("neighbours"), of("epoch")[: of("test")[0]["epoch"]]
    train, validation, both, unseen = read_features(features)
    pairs = {}
    for event in strengths:
        c = event["further"]["strength"]
        pairs[f"val acc with C {c:.3e}"] = event["val_acc"], logistic(c, train).score(*validation)
    last = logistic(c, both)
    pairs["test acc"] = test["accuracy"], last.score(*unseen)
    k = near["k"]
    pairs[f"val acc of {k} neighbours"] = near["val_acc"], neighbours(k, train).score(*validation)
    pairs[f"test acc of {k} neighbours"] = near["test_acc"], neighbours(k, both).score(*unseen)
    points, where = max((100 * abs(our - their), what) for what, (our, their) in pairs.items())
    expected = np.column_stack([last.coef_, last.intercept_])
    apart = np.linalg.norm(read_coefficients(run) - expected) / np.linalg.norm(expected)
    agrees = points <= POINTS and apart <= APART
    our, their = pairs["test acc"]
    line = (
        f"C {c:.3e}  test acc {our:.4f}, scikit-learn {their:.4f}  {len(pairs)} accuracies at most {points:.2f} points apart ({where})  "
        f"coefficients {apart:.1e} apart  {'ok' if agrees else 'APART'}"
    )
    return line, agrees


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=pathlib.Path)
    parser.add_argument("--warmstart", default=os.environ.get("WARMSTART_BIN", ROOT / "target/release/warmstart"))
    parser.add_argument("--strengths", type=int, default=12)
    options = parser.parse_args()
    sets = {"emoji98": "{ name: emoji98, validation: 0.3 }"}
    for pictures in options.pictures:
        path = json.dumps(str(pictures.resolve()))
        sets[pictures.name] = f"{{ name: image_folder, path: {path}, validation: 0.15, limit: 2000 }}"
    good = True
    for name, dataset in sets.items():
        # The monitor processes may still be exiting.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            line, agrees = compare(*probe(options.warmstart, dataset, options.strengths, pathlib.Path(folder)))
        print(f"{name}: {line}", flush=True)
        good = good and agrees
    sys.exit(not good)


if __name__ == "__main__":
    main()
