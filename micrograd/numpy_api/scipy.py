"""Compose SciPy's functions that students call in a forward pass of primitives. SciPy itself is never imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from micrograd import primitives as p
from micrograd.numpy_api import composites as c

__all__ = ["SCIPY"]


def _expit(x: Any) -> Any:
    return p.reciprocal(1.0 + p.exp(-x))


def _log_expit(x: Any) -> Any:
    return -p.logaddexp(-x, 0.0)


def _logsumexp(a: Any, axis: c.Axis = None, *, keepdims: bool = False) -> Any:
    top = c.amax(a, axis, keepdims=True)
    total = p.log(c.sum(p.exp(a - top), axis, keepdims=keepdims))
    return total + (top if keepdims else c.reshape(top, c.shape_of(total)))


def _softmax(x: Any, axis: c.Axis = None) -> Any:
    e = p.exp(x - c.amax(x, axis, keepdims=True))
    return c.divide(e, c.sum(e, axis, keepdims=True))


def _log_softmax(x: Any, axis: c.Axis = None) -> Any:
    return x - _logsumexp(x, axis, keepdims=True)


SCIPY: dict[str, Callable[..., Any]] = {
    "expit": _expit, "log_expit": _log_expit, "logsumexp": _logsumexp, "softmax": _softmax,
    "log_softmax": _log_softmax,
}  # fmt: skip
"""What stands for the functions of `scipy.special`, by name."""
