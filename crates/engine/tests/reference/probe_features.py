"""Probes emoji98 and folders of pictures in warmstart, and fits scikit-learn on the same features. About 10 minutes.

pip install scikit-learn==1.9.1 numpy safetensors
python probe_features.py [PICTURES ...] [--warmstart PROGRAM] [--fit PROGRAM] [--strengths 12]

PICTURES has train/<class>/ and test/<class>/; 2,000 of its pictures train. warmstart probes Lite0 at 96 pixels, with runs and features
in a temporary folder. scikit-learn then gives:
- the validation accuracy of each strength up to 1. With weaker penalties, features that separate the classes put the minimum so far
  away that a fit of either stops before it;
- the accuracies of as many nearest neighbours as warmstart chose, by cosine distance;
- coefficients, intercepts and test accuracies of fits on training and validation images with the strengths 1e-3, 1e-2 and 1e-1, as close
  to the minimum as it gets. warmstart's come from cargo's example `probe_fit`;
- the same for the chosen strength, from the run's checkpoint and log, unless the log says that this fit stopped before the minimum.

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
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

ROOT = pathlib.Path(__file__).resolve().parents[4]
POINTS, APART = 0.3, 1e-3
COMPARED = (1e-3, 1e-2, 1e-1)
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


def logistic(c, data, tolerance=1e-6):
    # L-BFGS takes hours to come as close.
    return LogisticRegression(C=c, tol=tolerance, max_iter=20_000, solver="newton-cg").fit(*data)


def minimum(c, data):
    """Coefficients of scikit-learn, one row for each class, the intercept last."""
    fitted = logistic(c, data, 1e-9)
    return np.column_stack([fitted.coef_, fitted.intercept_])


def fitted(program, c, data):
    """The same of warmstart."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder) / "given", pathlib.Path(folder) / "found"
        save_file({"features": data[0], "labels": data[1]}, given)
        subprocess.run([program, given, str(c), found], check=True)
        tensors = load_file(found)
    return np.column_stack([tensors["weights"], tensors["intercepts"]])


def accuracy(coefficients, data):
    logits = data[0] @ coefficients[:, :-1].T + coefficients[:, -1]
    return np.mean(logits.argmax(axis=1) == data[1])


def distance(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def neighbours(k, data):
    return KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute").fit(*data)


def compare(run, features, program):
    """A line about a probe, and whether scikit-learn agrees."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    of = lambda kind: [event for event in events if event["event"] == kind]
    (test,), (near,) = of("test"), of("neighbours")
    chosen = of("epoch")[test["epoch"] - 1]["further"]["strength"]
    train, validation, both, unseen = read_features(features)
    pairs = {}
    for event in of("epoch"):
        c = event["further"]["strength"]
        if c <= 1:
            pairs[f"val acc with C {c:.3e}"] = event["val_acc"], logistic(c, train).score(*validation)
    k = near["k"]
    pairs[f"val acc of {k} neighbours"] = near["val_acc"], neighbours(k, train).score(*validation)
    pairs[f"test acc of {k} neighbours"] = near["test_acc"], neighbours(k, both).score(*unseen)
    apart = {}
    for c in COMPARED:
        our, their = fitted(program, c, both), minimum(c, both)
        apart[f"C {c:.0e}"] = distance(our, their)
        pairs[f"test acc with C {c:.0e}"] = accuracy(our, unseen), accuracy(their, unseen)
    if not any("before the minimum" in note["text"] for note in of("note")):
        their = minimum(chosen, both)
        apart[f"chosen C {chosen:.3e}"] = distance(read_coefficients(run), their)
        pairs["test acc"] = test["accuracy"], accuracy(their, unseen)
    points, where = max((100 * abs(our - their), what) for what, (our, their) in pairs.items())
    agrees = points <= POINTS and max(apart.values()) <= APART
    line = (
        f"chosen C {chosen:.3e}  test acc {test['accuracy']:.4f}  {len(pairs)} accuracies at most {points:.2f} points apart ({where})  "
        f"coefficients apart: {', '.join(f'{what} {share:.1e}' for what, share in apart.items())}  {'ok' if agrees else 'APART'}"
    )
    return line, agrees


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=pathlib.Path)
    parser.add_argument("--warmstart", default=os.environ.get("WARMSTART_BIN", ROOT / "target/release/warmstart"))
    parser.add_argument("--fit", default=ROOT / "target/release/examples/probe_fit")
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
            line, agrees = compare(*probe(options.warmstart, dataset, options.strengths, pathlib.Path(folder)), options.fit)
        print(f"{name}: {line}", flush=True)
        good = good and agrees
    sys.exit(not good)


if __name__ == "__main__":
    main()
