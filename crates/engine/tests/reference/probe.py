"""Writes probe.json beside this file: logistic regression and nearest neighbours of scikit-learn, for engine/src/probe to follow.

pip install scikit-learn==1.9.1 numpy        python probe.py

Four classes of 12 features drift apart so little that no strength separates them all; a fit is then the same in every solver.
"""
import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

CLASSES, WIDTH, TRAIN, TEST = 4, 12, 160, 60
STRENGTHS = [1e-6, 1e-3, 1e-1, 1.0, 10.0, 100.0]
NEIGHBOURS = [1, 5, 10, 20, 50]


def draw(generator, centres, count):
    labels = generator.integers(0, CLASSES, count)
    return np.round(centres[labels] + generator.normal(size=(count, WIDTH)), 3), labels


def main():
    generator = np.random.default_rng(1)
    centres = generator.normal(scale=0.4, size=(CLASSES, WIDTH)) + 0.7
    (train, labels), (test, truth) = draw(generator, centres, TRAIN), draw(generator, centres, TEST)
    logistic = []
    for c in STRENGTHS:
        fit = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(train, labels)
        logistic.append({"c": c, "weights": fit.coef_.tolist(), "intercepts": [[x] for x in fit.intercept_.tolist()],
                         "predicted": fit.predict(test).tolist()})
    neighbours = []
    for k in NEIGHBOURS:
        fit = KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute").fit(train, labels)
        neighbours.append({"k": k, "predicted": fit.predict(test).tolist()})
    table = {"train": train.tolist(), "train_labels": labels.tolist(), "test": test.tolist(),
             "logistic": logistic, "neighbours": neighbours}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(table) + "\n")
    print("accuracy", [float(np.mean(np.array(case["predicted"]) == truth)) for case in logistic])


main()
