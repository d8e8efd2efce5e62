"""Truth values in exported functions: what NumPy computes of them, which ONNX and JAX have no arithmetic for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnxruntime
import pytest

import micrograd as mg
from micrograd.export import to_jax, to_onnx

Mask = Any
BOTH: dict[str, Callable[[Mask, Mask], Any]] = {
    "add": lambda a, b: a + b,
    "add a constant": lambda a, b: a + True,
    "multiply": lambda a, b: a * b,
    "count of a sum": lambda a, b: np.sum(a + b),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "and, or": lambda a, b: (a & b) | ~a,
    "xor": np.logical_xor,
    "compared": lambda a, b: (a < b) | (a == b),
    "where": lambda a, b: np.where(a, b, a),
    "dot": lambda a, b: a @ b,
    "outer": lambda a, b: np.multiply.outer(a, b)[0],
    "einsum": lambda a, b: np.einsum("i,i->", a, b),
    "abs": lambda a, b: np.abs(a),
    "square": lambda a, b: a**2,
    "cumsum": lambda a, b: np.cumsum(a),
    "prod": lambda a, b: np.prod(a),
    "max": lambda a, b: np.max(a),
    "any, all": lambda a, b: a.any() | b.all(),
    "mean": lambda a, b: np.mean(a),
    "concatenate": lambda a, b: np.concatenate([a, b])[1:4],
    "small numbers": lambda a, b: a.astype(np.int8) * np.int8(2) - b.astype(np.int8),
    "small numbers that wrap around": lambda a, b: 100 + (a.astype(np.int8) + 100),
    "small numbers compared": lambda a, b: a.astype(np.uint8) < b.astype(np.uint8) + np.uint8(1),
}
X = np.array([1.0, -0.5, -3.0])
Y = np.array([2.0, 0.5, -3.0])


def _function(mask: Callable[[Mask, Mask], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: mask(x > 0, y > 0) * x


@pytest.mark.parametrize("name", BOTH)
def test_masks_mean_the_same_in_an_onnx_file(name: str, tmp_path: Path) -> None:
    f, path = _function(BOTH[name]), tmp_path / "f.onnx"
    to_onnx(f, path, X, Y)
    session = onnxruntime.InferenceSession(path)
    for x, y in ((X, Y), (-Y, X), (X, -X)):
        (got,) = session.run(None, {"x": x, "y": y})
        np.testing.assert_array_equal(got, f(x, y))


@pytest.mark.parametrize("name", BOTH)
def test_masks_mean_the_same_in_jax(name: str) -> None:
    f = _function(BOTH[name])
    with jax.enable_x64(True):
        for x, y in ((X, Y), (-Y, X), (X, -X)):
            np.testing.assert_array_equal(to_jax(f)(x, y), f(x, y))


@pytest.mark.parametrize("name", BOTH)
def test_masks_mean_the_same_in_a_trace_in_transforms_and_on_tensors(name: str) -> None:
    f = _function(BOTH[name])
    graph = mg.trace(f, X, Y)
    np.testing.assert_array_equal(graph.value[graph.outputs[0].name], f(X, Y))
    np.testing.assert_array_equal(mg.vjp(f, X, Y)[0], f(X, Y))
    if name not in ("compared", "outer"):  # tensors compare by identity, and have no outer products of ufuncs
        np.testing.assert_array_equal(f(mg.Tensor(X), mg.Tensor(Y)).data, f(X, Y))


def _writes(x: Any) -> Any:
    x[0] = 3.0
    x[1:] *= x[0]
    return x * 2


def test_a_function_that_writes_into_its_argument_is_right_in_jax() -> None:
    with jax.enable_x64(True):
        given = X.copy()
        np.testing.assert_array_equal(to_jax(_writes)(given), _writes(X.copy()))
        np.testing.assert_array_equal(given, X)  # JAX's arrays cannot be written into
        np.testing.assert_array_equal(jax.jit(to_jax(_writes))(X), _writes(X.copy()))
        np.testing.assert_array_equal(jax.grad(lambda x: to_jax(_writes)(x).sum())(X), [0.0, 6.0, 6.0])
