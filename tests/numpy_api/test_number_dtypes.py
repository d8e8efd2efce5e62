"""Numbers are what NumPy and Python make of them: of which dtype, whether an array, and how entries lie in memory."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

import micrograd as mg

X = np.array([[0.5, 1.25, 0.75], [2.0, 0.25, 1.5]])

NUMBERS = [
    lambda x: math.exp(x[0, 0]),
    lambda x: math.exp(x[0, 0]) * x,
    lambda x: math.sqrt(x[0, 0]) + x[1, 1],
    lambda x: np.sqrt(x[0, 0].item()) - x,
    lambda x: x[0, 0].item() * 2 - x,
    lambda x: -x[0, 0].item() / x,
    lambda x: 2 ** math.log(x[0, 1], 2) + x,  # noqa: FURB163
    lambda x: np.where(x > 1, math.sqrt(x[0, 0]), x),
    lambda x: np.array([math.sin(x[0, 0]), x[0, 1]]),
    lambda x: np.maximum(x, x[0, 0].tolist()),
    lambda x: np.select([x > 1], [x * 2], np.float64(0.5)),
    lambda x: np.clip(x, 0.5, np.float64(1.0)),
    lambda x: np.minimum(x, np.float64(1.0)),
    lambda x: math.hypot(x[0, 0], 2) * np.float32(3) + x.sum(),
]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("f", NUMBERS)
def test_a_python_number_widens_no_array_and_one_of_numpys_does(f: Any, dtype: Any) -> None:
    x = X.astype(dtype)
    value, pull = mg.vjp(f, x)
    wanted = np.asarray(f(x))
    assert (np.asarray(value).dtype, np.shape(value)) == (wanted.dtype, wanted.shape)
    np.testing.assert_allclose(np.asarray(value), wanted, rtol=4 * np.finfo(wanted.dtype).eps)
    (gradient,) = pull(np.ones_like(wanted))
    assert gradient.dtype == dtype
    (exact,) = mg.vjp(f, X)[1](np.ones_like(np.asarray(f(X))))
    np.testing.assert_allclose(gradient, exact, rtol=64 * np.finfo(dtype).eps, atol=64 * np.finfo(dtype).eps)


def test_a_copy_of_a_number_is_a_number() -> None:
    def f(x: Any) -> Any:
        kinds = [isinstance(v, np.ndarray) for v in (x[0, 0].copy(), copy.copy(x[0, 0]), copy.deepcopy(x.sum()), x[0])]
        return x * np.array(kinds, float).sum(), np.array([*kinds, np.array(x[0, 0]).ndim == 0])

    np.testing.assert_array_equal(mg.vjp(lambda x: f(x)[0], X)[0], f(X)[0])
    assert f(X)[1].tolist() == [False, False, False, True, True]


VIEWS = [
    lambda x: np.einsum("ij->ji", x),
    lambda x: np.rot90(x),
    lambda x: np.rot90(x, 2),
    lambda x: np.sort(np.einsum("ij->ji", x)),
    lambda x: np.sort(x.T, axis=0) * 2.0,
    lambda x: np.rot90(x) + 1.0,
    lambda x: mg.vjp(lambda u: u * u, np.sort(x.T))[1](x.T)[0],
    lambda x: np.broadcast_to(x[0, 0], (2,)),
    lambda x: np.broadcast_to(x.sum(), (2, 3)),
    lambda x: np.exp(np.broadcast_to(x[0], (2, 3))),
    lambda x: np.diagonal(np.outer(x, x)) * 1.0,
    lambda x: written_row(x) * 2.0,
    lambda x: np.exp(written_whole(x)),
]


def written_row(x: Any) -> Any:
    x[0] = x[1, 0]
    return x


def written_whole(x: Any) -> Any:
    x[...] = np.ones((2, 3)) * x[0, 0]
    return x


@pytest.mark.parametrize("f", VIEWS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("how", ["C", "F", "A", "K"])
def test_what_is_a_view_of_a_result_is_one(f: Any, order: Any, how: Any) -> None:
    def written(x: Any) -> Any:
        made = f(x)
        row = made.ravel(how)
        row *= 3.0
        return made + row.sum()

    here, there = (np.array(X, order=order) for _ in range(2))
    np.testing.assert_allclose(mg.vjp(written, here)[0], written(there), rtol=1e-14)
    np.testing.assert_array_equal(here, there)


def test_shifts_are_numpys() -> None:
    def f(x: Any, n: Any) -> Any:
        n <<= 1
        return x * (n >> 2) * (1 << n)

    n = np.array([1, 2, 3])
    np.testing.assert_array_equal(mg.vjp(lambda x: f(x, n.copy()), X)[0], f(X, n.copy()))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("value", [-np.inf, -0.0, 0.0, 4.0, np.inf, np.nan])
@pytest.mark.parametrize("taken", ["entry", "sum", "array", "no axes"])
def test_one_half_as_an_exponent_of_a_number_and_of_an_array(value: float, taken: str) -> None:
    """NumPy takes the root of an array, and of a number what C's pow gives: other at -inf and -0.0."""

    def f(x: Any) -> Any:
        base = {"entry": x[0], "sum": np.sum(x[:1] * 1.0) + (-0.0), "array": x[:1], "no axes": x[:1].reshape(())}[taken]
        return base**0.5 * 1.0

    x = np.array([value, 1.0])
    plain = np.asarray(f(x))
    for found in (np.asarray(mg.vjp(f, x)[0]), np.asarray(mg.compile(f)(x))):
        np.testing.assert_array_equal(found, plain)
        assert np.array_equal(np.signbit(found), np.signbit(plain)) or np.isnan(value)
