"""A network whose every number is a node of the graph, in the manner of Karpathy's micrograd.

python examples/moons.py
"""

import random

import numpy as np

from micrograd.engine import Value
from micrograd.nn import MLP

# Two half circles that reach into each other, labelled -1 and +1.
rng = np.random.default_rng(0)
half = np.linspace(0, np.pi, 25)
x = np.r_[np.c_[np.cos(half), np.sin(half)], np.c_[1 - np.cos(half), 0.5 - np.sin(half)]] + rng.normal(0, 0.05, (50, 2))
y = np.repeat([-1.0, 1.0], 25)

random.seed(1337)
model = MLP(2, [16, 16, 1])
print(model, f"{len(model.parameters())} parameters", sep="\n")

for step in range(20):
    scores = [model([Value(a), Value(b)]) for a, b in x]
    # the support vector machine's loss: right, and by a margin of 1
    loss = sum((1 - label * score).relu() for label, score in zip(y, scores, strict=True)) / len(y)
    loss += 1e-4 * sum(p * p for p in model.parameters())

    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= (1.0 - 0.9 * step / 20) * p.grad

    accuracy = np.mean([(score.data > 0) == (label > 0) for label, score in zip(y, scores, strict=True)])
    print(f"step {step:2}: loss {loss.data:.4f}, accuracy {accuracy:.0%}")
