"""A network of single numbers learns two moons: a script for Karpathy's micrograd and for this one alike.

Run with either package first on the path; prints what it computed as JSON, every number with all its digits.
"""

from __future__ import annotations

import json
import random
import sys

import numpy as np
from sklearn.datasets import make_moons

from micrograd.engine import Value
from micrograd.nn import MLP


def objective(model, points, labels):
    scores = [model([Value(number) for number in point]) for point in points]
    hinges = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
    penalty = 1e-4 * sum(p * p for p in model.parameters())
    right = [(label > 0) == (score.data > 0) for label, score in zip(labels, scores, strict=True)]
    return sum(hinges) * (1.0 / len(hinges)) + penalty, sum(right) / len(right)


def main(steps: int, count: int) -> None:
    np.random.seed(1337)  # noqa: NPY002 (scikit-learn draws from it, as in his notebook)
    random.seed(1337)
    points, labels = make_moons(n_samples=count, noise=0.1)
    labels = labels * 2 - 1
    model = MLP(2, [16, 16, 1])
    report = {"file": sys.modules["micrograd.engine"].__file__, "model": repr(model), "steps": []}
    for step in range(steps):
        loss, accuracy = objective(model, points, labels)
        model.zero_grad()
        loss.backward()
        report["steps"].append(
            {
                "loss": float(loss.data),
                "accuracy": float(accuracy),
                "data": [float(p.data) for p in model.parameters()],
                "grad": [float(p.grad) for p in model.parameters()],
            }
        )
        rate = 1.0 - 0.9 * step / 100
        for p in model.parameters():
            p.data -= rate * p.grad
    print(json.dumps(report))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
