"""Functions that a library's decorator wraps are traced as they are run, and numbers divide with a rest."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import numpy as np

import micrograd as mg

X = np.array([0.5, 1.25, -0.75])


@np.errstate(all="ignore")
def quiet(x: Any) -> Any:
    out = np.zeros(3)
    out[:2] = x[:2] ** 2
    return np.sum(out * x)


@contextlib.contextmanager
def around() -> Any:
    yield


@around()
def framed(x: Any) -> Any:
    return quiet(x) * 2.0


def test_a_function_under_errstate_is_traced() -> None:
    assert np.array_equal(mg.grad(quiet)(X), [3 * 0.5**2, 3 * 1.25**2, 0.0])
    graph = mg.trace(quiet, X)
    assert graph.value[graph.outputs[0].name] == quiet(X)
    assert np.array_equal(mg.grad(framed)(X), 2 * mg.grad(quiet)(X))


def test_a_partial_of_it_too() -> None:
    assert np.array_equal(mg.grad(functools.partial(quiet))(X), mg.grad(quiet)(X))


def test_divmod_is_numpys() -> None:
    f = lambda x: divmod(x, 0.5)[1] + divmod(x, 0.5)[0]
    graph = mg.trace(f, X)
    assert np.array_equal(graph.value[graph.outputs[0].name], f(X))


def test_float16_counts_beyond_its_range() -> None:
    many = np.full(70_000, 100.0, np.float16)
    value, gradient = mg.value_and_grad(np.mean)(many)
    assert value == np.mean(many) == 100.0
    assert gradient.dtype == np.float16
    assert np.all(gradient == np.float16(1 / 70_000))
    assert np.sum(mg.grad(np.max)(many).astype(np.float64)) > 0.9
    rows = np.full((2, 3), 1.5, np.float16)
    assert np.array_equal(mg.grad(lambda x: np.sum(np.max(x, axis=1)))(rows), np.full((2, 3), np.float16(1 / 3)))
