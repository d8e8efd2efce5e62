"""The functions whose pictures are kept: a loop, a recurrence, a network, attention, a convolution, scalars.

`python tests/support/picture_samples.py` writes the golden files anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import micrograd as mg
from micrograd import nn
from micrograd.batchnorm import batch_norm
from micrograd.drawing import engines

GOLDEN = Path(__file__).parent.parent / "pictures" / "golden"


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def lstm(x: Any, h: Any, c: Any, W: Any, b: Any) -> Any:
    for t in range(x.shape[0]):
        z = np.concatenate([x[t], h]) @ W + b
        i, f, o, g = z[:3], z[3:6], z[6:9], z[9:]
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def rnn(x: Any, h: Any, Wx: Any, Wh: Any, b: Any) -> Any:
    for t in range(x.shape[0]):
        h = np.tanh(x[t] @ Wx + h @ Wh + b)
    return h


def convolution(x: Any, w: Any, b: Any) -> Any:
    n, height, width = x.shape
    k = w.shape[0]
    out = np.zeros((n, height - k + 1, width - k + 1))
    for i in range(height - k + 1):
        for j in range(width - k + 1):
            out[:, i, j] = np.sum(x[:, i : i + k, j : j + k] * w, axis=(1, 2)) + b
    return out


def mlp(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    h = np.maximum(x @ W1 + b1, 0)
    logits = h @ W2 + b2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(y)), y]))
    return loss


def attention(x: Any, Wq: Any, Wk: Any, Wv: Any) -> Any:
    q = x @ Wq
    k = x @ Wk
    v = x @ Wv
    scores = q @ k.T / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v


def karpathy(a: Any, b: Any) -> Any:
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + np.maximum(b + a, 0)
    d = d + 3 * d + np.maximum(b - a, 0)
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    return g


def random(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).round(1) for shape in shapes]


def ran(f: Callable[..., Any], *args: Any) -> mg.Graph:
    graph = mg.trace(f, *args)
    output = graph.outputs[0]
    return graph.backward(np.random.default_rng(3).normal(size=output.shape).round(1) if output.shape else None)


def network(layers: int) -> mg.Graph:
    made: list[Any] = []
    for at in range(layers):
        made += [nn.Linear(2, 2, rng=np.random.default_rng(at)), nn.ReLU()]
    return ran(nn.Sequential(*made), *random((3, 2)))


def convolution_net() -> mg.Graph:
    rng = np.random.default_rng(1)
    return ran(
        nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 2, rng=rng)),
        *random((1, 1, 4, 4)),
    )


def chain(nodes: int) -> mg.Graph:
    """A graph without a source: scalars that read each other at random."""
    rng = np.random.default_rng(5)
    values = [mg.Tensor(0.5), mg.Tensor(-0.25)]
    while len(values) < nodes:
        a, b = (values[-1 - int(rng.integers(0, min(4, len(values))))] for _ in range(2))
        values.append(np.tanh(a) if rng.integers(0, 3) == 0 else a + b)
    total = values[-1] + values[-2] + values[-3] + values[-4]
    total.backward()
    return mg.Graph.of(total)


SAMPLES: dict[str, Callable[[], mg.Graph]] = {
    "batch_norm": lambda: ran(batch_norm, *random((4, 3), (3,), (3,))),
    "lstm": lambda: ran(lstm, *random((5, 2), (3,), (3,), (5, 12), (12,))),
    "rnn": lambda: ran(rnn, *random((60, 2), (3,), (2, 3), (3, 3), (3,))),
    "convolution": lambda: ran(convolution, *random((2, 5, 5), (3, 3), ())),
    "mlp": lambda: ran(mlp, random((4, 2))[0], np.array([0, 1, 1, 0]), *random((2, 5), (5,), (5, 2), (2,))),
    "attention": lambda: ran(attention, *random((4, 3), (3, 2), (3, 2), (3, 2))),
    "conv_net": convolution_net,
    "karpathy": lambda: ran(karpathy, np.array(-4.0), np.array(2.0)),
    "nodes_300": lambda: chain(300),
    "nodes_2000": lambda: chain(2001),
}


def golden(name: str) -> Path:
    """Where the picture of a sample is kept."""
    return GOLDEN / f"{name}.svg"


if __name__ == "__main__":
    for name, sample in SAMPLES.items():
        svg = mg.draw(sample()).svg
        if len(svg) < 100_000:
            golden(name).write_text(svg, encoding="utf-8")
        sys.stdout.write(f"{name}: {len(svg):,} characters\n")
    (GOLDEN / "engine.txt").write_text(f"{engines.version()}\n", encoding="utf-8")
