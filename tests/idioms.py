"""What people write, as functions of arrays of any size: scalars, reductions and gradients, alone and in each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import micrograd as mg
from micrograd import functional

__all__ = ["IDIOMS", "arguments"]


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()


def standard(x: Any) -> Any:
    return (x - x.mean()) / (x.std() + 1e-3)


def columns(x: Any) -> Any:
    return (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + 1e-5)


def rows(x: Any) -> Any:
    return (x - np.mean(x, axis=1, keepdims=True)) / np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)


def nested(x: Any) -> Any:
    """Sums of sums, each of which a later pass reads."""
    sums = np.mean(x, axis=0)
    norm, most = np.sqrt(np.sum(sums * sums) + 1.0), np.max(sums)
    y = x / norm + most
    squares = np.mean(y * y, axis=0)
    return y * np.mean(squares) + norm + np.mean(np.tanh(sums))


def chain(x: Any) -> Any:
    """Three passes, each of which waits for a number from the last."""
    y = x * (1.0 + np.mean(x * x))
    z = y / (1.0 + np.mean(np.abs(y)))
    return z - np.max(z), np.mean(z)


def slope(x: Any, y: Any) -> Any:
    x, y = x - x.mean(), y - y.mean()
    return y - np.sum(x * y) / np.sum(x * x) * x


def masked(x: Any, y: Any, m: Any) -> Any:
    return np.sum(np.where(m, (x - y) ** 2, 0.0)) / np.sum(np.where(m, x * 0.0 + 1.0, 0.0))


def likelihood(x: Any, mu: Any, log_sigma: Any) -> Any:
    z = (x - mu) / np.exp(log_sigma)
    return np.mean(0.5 * z * z + log_sigma)


def clipped(x: Any) -> Any:
    return x * np.minimum(1.0, 5.0 / np.sqrt(np.sum(x * x)))


def layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
    return gamma * rows(x) + beta


def batch_norm(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
    out, pull = mg.vjp(mg.batch_norm, x, gamma, beta)
    return out, *pull(dout)


def images(x: Any) -> Any:
    """Statistics over the first and the last axis, and over all of what was normalised."""
    x = x.reshape(x.shape[0] // 2, 2, x.shape[1])
    y = (x - np.mean(x, axis=(0, 2), keepdims=True)) / np.sqrt(np.var(x, axis=(0, 2), keepdims=True) + 1e-5)
    return y * np.tanh(np.max(y)), np.mean(y * y, axis=(1, 2))


def network(x: Any, w: Any) -> Any:
    return np.mean(np.tanh(standard(x) @ w) ** 2)


IDIOMS: dict[str, tuple[Callable[..., Any], str]] = {
    "centre": (lambda x: x - x.mean(), "x"),
    "standardise": (standard, "x"),
    "unit norm": (lambda x: x / np.sqrt(np.sum(x * x)), "x"),
    "softmax": (softmax, "x"),
    "log softmax": (lambda x: x - np.log(np.sum(np.exp(x))), "x"),
    "variance": (lambda x: (np.var(x), np.std(x) * 2.0), "x"),
    "range": (lambda x: (x - x.min()) / (x.max() - x.min()), "x"),
    "largest": (lambda x: x / np.max(np.abs(x)), "x"),
    "clip by norm": (clipped, "x"),
    "choice by a sum": (lambda x: np.where(np.sum(x) > 0, x, -0.5 * x), "x"),
    "choice by a mean": (lambda x: np.where(x > np.mean(x), x, np.mean(x)), "x"),
    "exponential of a number": (lambda x, t: x * np.exp(t), "xt"),
    "several numbers": (lambda x, t, u: x * np.exp(t) + np.tanh(u) / (1.0 + t * t), "xtu"),
    "a number of the other float": (lambda x, o: x * np.exp(o) - np.tanh(o), "xo"),
    "an integer": (lambda x, k: np.where(x > k, x, x * k) - np.mean(x) * k, "xk"),
    "flat": (lambda x: x.reshape(-1) * np.exp(-np.mean(x)), "x"),
    "columns": (columns, "x"),
    "rows": (rows, "x"),
    "rows, then all": (lambda x: rows(x) * np.tanh(np.mean(rows(x) ** 3)), "x"),
    "all, then columns": (lambda x: columns(standard(x)), "x"),
    "nested": (nested, "x"),
    "chain": (chain, "x"),
    "several sums": (lambda x, y: x * np.mean(x * y) + y * np.max(x + y) - np.min(y), "xy"),
    "sums in both floats": (lambda x, q: x * np.mean(q) + q * np.mean(x), "xq"),
    "slope": (slope, "xy"),
    "masked mean": (masked, "xym"),
    "likelihood": (likelihood, "xyt"),
    "layer norm": (layer_norm, "xgb"),
    "batch norm with its gradients": (batch_norm, "xgby"),
    "images": (images, "x"),
    "Fortran order": (lambda f: f / np.sqrt(np.sum(f * f)) + np.mean(f, axis=0), "f"),
    "Fortran and C order": (lambda f, x: f * np.max(x) + x * np.mean(f), "fx"),
    "moved": (lambda x: np.concatenate([x[::-1] - x.mean(), x[:1]]) * np.max(x), "x"),
    "product": (lambda x, w: (standard(x) @ w) * np.max(x), "xw"),
    "by NumPy in between": (lambda x: standard(np.tanh(standard(x))[np.array([[1, 0], [0, 1]])]), "x"),
    "gradient of softmax": (mg.value_and_grad(lambda x: np.sum(softmax(x) ** 2)), "x"),
    "gradient of standardise": (mg.value_and_grad(lambda x: np.mean(np.tanh(standard(x)))), "x"),
    "gradient of nested": (mg.value_and_grad(lambda x: np.mean(np.tanh(nested(x)))), "x"),
    "gradients of a likelihood": (mg.value_and_grad(likelihood, (0, 1, 2)), "xyt"),
    "gradients of a masked mean": (mg.value_and_grad(masked, (0, 1)), "xym"),
    "gradients of numbers": (mg.grad(lambda x, t, u: np.mean(np.tanh(x * t) * np.exp(u)), (1, 2)), "xtu"),
    "gradients of layer norm": (
        mg.value_and_grad(lambda x, g, b: np.mean(np.tanh(layer_norm(x, g, b))), (0, 1, 2)),
        "xgb",
    ),
    "gradients of a network": (mg.value_and_grad(network, (0, 1)), "xw"),
    "cross entropy": (mg.value_and_grad(functional.cross_entropy), "xl"),
}
"""Each with its arguments, a letter for each: see `arguments`."""


def arguments(letters: str, n: int, d: int, dtype: str, seed: int = 0) -> list[Any]:
    """Return arrays for an idiom: matrices of n rows and d columns, vectors of d, numbers, masks and labels."""
    rng = np.random.default_rng(seed)
    other = "float32" if dtype == "float64" else "float64"
    make: dict[str, Callable[[], Any]] = {
        "x": lambda: rng.standard_normal((n, d)).astype(dtype) + np.asarray(0.5, dtype),
        "y": lambda: rng.standard_normal((n, d)).astype(dtype),
        "q": lambda: rng.standard_normal((n, d)).astype(other),
        "f": lambda: np.asfortranarray(rng.standard_normal((n, d)).astype(dtype)),
        "g": lambda: rng.standard_normal(d).astype(dtype),
        "b": lambda: rng.standard_normal(d).astype(dtype),
        "w": lambda: (rng.standard_normal((d, 3)) / np.sqrt(d)).astype(dtype),
        "t": lambda: np.array(0.7, dtype),
        "u": lambda: np.array(-0.3, dtype),
        "o": lambda: np.array(0.4, other),
        "k": lambda: np.array(3),
        "m": lambda: rng.random((n, d)) < 0.5,
        "l": lambda: rng.integers(0, d, n),
    }
    return [make[letter]() for letter in letters]
