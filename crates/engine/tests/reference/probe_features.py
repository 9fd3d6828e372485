"""Fits scikit-learn on features that warmstart has in its cache, and prints what the log of the same probe says.

pip install scikit-learn==1.9.1 numpy safetensors        python probe_features.py TRAIN VALIDATION TEST [STRENGTHS]

The three are files of ~/.cache/warmstart/features, of the parts that `warmstart cache --json` names. For each strength C: training
and validation accuracy. Then the test accuracy of the best strength, fitted again on training and validation images, and that of
nearest neighbours by cosine distance. scikit-learn stops at a gradient of 1e-4 by default; here of 1e-6.
"""
import sys
import time

import numpy as np
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier


def part(path):
    tensors = load_file(path)
    return tensors["features"].astype(np.float64), tensors["labels"]


def logistic(c, data):
    return LogisticRegression(C=c, tol=1e-6, max_iter=1000).fit(*data)


def neighbours(k, data):
    return KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute").fit(*data)


def main():
    train, validation, test = map(part, sys.argv[1:4])
    both = tuple(np.concatenate(pair) for pair in zip(train, validation))
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 45
    started, best = time.time(), (-1.0, 0.0)
    for place, c in enumerate(np.logspace(-6, 5, count), 1):
        fit = logistic(c, train)
        reached = fit.score(*validation)
        best = max(best, (reached, -c))
        print(f"strength {place}/{count}  C {c:.3e}  train acc {fit.score(*train):.4f}  val acc {reached:.4f}", flush=True)
    c = -best[1]
    print(f"best C {c:.3e}  val acc {best[0]:.4f}  test acc {logistic(c, both).score(*test):.4f}  {time.time() - started:.0f} s")
    reached = {k: neighbours(k, train).score(*validation) for k in (1, 5, 10, 20)}
    k = max(reached, key=lambda k: (reached[k], -k))
    print(f"{k} nearest neighbours: val acc {reached[k]:.4f}  test acc {neighbours(k, both).score(*test):.4f}")


main()
