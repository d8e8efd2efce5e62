"""Batch norm and a training step, to be compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

import micrograd as mg
from micrograd import functional as F
from micrograd import nn, optim


def bn(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
    out, pull = mg.vjp(mg.batch_norm, x, gamma, beta)
    return (out, *pull(dout))


def batch(n: int, d: int, dtype: Any = np.float32, mean: float = 0.0, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    x = mean + rng.standard_normal((n, d))
    return [
        np.asarray(a, dtype) for a in (x, rng.standard_normal(d), rng.standard_normal(d), rng.standard_normal((n, d)))
    ]


def network(seed: int = 0, dropout: float = 0.0) -> tuple[Any, Any, Any]:
    model = nn.mlp([12, 9, 5], batch_norm=True, rng=seed, dtype=np.float32, dropout=dropout)
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step
