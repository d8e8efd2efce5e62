"""What NumPy takes for an axis, a place or a count is taken on graph values too: the same value, or both refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg

pytestmark = pytest.mark.filterwarnings("ignore:.*running it in NumPy:RuntimeWarning")

X = np.array([3.0, 1.0, 2.0])


def _outcome(call: Callable[[], Any]) -> Any:
    """Return what a call gives, as a list; the exception where it raises one."""
    try:
        return np.asarray(call()).tolist()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return error


def agree(f: Callable[..., Any], x: Any) -> None:
    """Check that a function has NumPy's value and slopes on every route, or is refused where NumPy refuses."""
    plain = _outcome(lambda: f(x))
    found = [_outcome(route) for route in (lambda: mg.vjp(f, x)[0], lambda: mg.compile(f)(x))]
    if isinstance(plain, Exception):
        assert all(isinstance(one, (ValueError, TypeError, IndexError, mg.MicrogradError)) for one in found), found
    else:
        assert found == [plain, plain]
        step = 1e-6
        sides = [[np.sum(f(np.add(x, sign * step * unit))) for sign in (1, -1)] for unit in np.eye(np.size(x))]
        slopes = [(above - below) / (2 * step) for above, below in sides]
        np.testing.assert_allclose(np.ravel(mg.grad(lambda v: np.sum(f(v) * 1.0))(x)), slopes, rtol=1e-6, atol=1e-8)


REDUCTIONS = ["sum", "prod", "max", "min", "ptp", "mean", "std", "median", "nansum", "nanprod", "nanmax", "nanmin"]


@pytest.mark.parametrize("axis", [0, -1, 1, (0,), (), None])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_number_has_the_axes_that_it_has_to_numpy(name: str, axis: Any) -> None:
    function = getattr(np, name)
    for keepdims in (False, True):
        if name in ("ptp", "std"):  # whose slope at one number is 0, where differences cancel
            agree(lambda x, keep=keepdims: x + function(x, axis=axis, keepdims=keep), np.float64(3.0))
        else:
            agree(lambda x, keep=keepdims: x * function(x, axis=axis, keepdims=keep), np.float64(3.0))


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.minimum], ids=lambda ufunc: ufunc.__name__)
def test_a_ufunc_reduces_a_number(ufunc: np.ufunc) -> None:
    agree(lambda x: x * ufunc.reduce(x), np.float64(3.0))
    agree(lambda x: x * ufunc.reduce(x[0]), X)
    agree(lambda x: x[1] * x[0].max(axis=0) + x[2].sum(axis=-1), X)


PLACES: dict[str, Callable[[Any], Any]] = {
    "take": lambda x: np.take(x, [0.0, 1.0]),
    "take between": lambda x: np.take(x, [1.7]),
    "take one": lambda x: x.take(1.0),
    "take an array": lambda x: np.take(x, np.array([1.0])),
    "take outside": lambda x: np.take(x, [3.0]),
    "take wrapped": lambda x: np.take(x, [4.0, -5.0], mode="wrap"),
    "repeat": lambda x: np.repeat(x, 2.0),
    "repeat each": lambda x: x.repeat([1.0, 2.0, 0.0]),
    "repeat an array": lambda x: np.repeat(x, np.array([1.0, 2.0, 0.0])),
    "split": lambda x: np.split(x, 3.0)[1],
    "split unevenly": lambda x: np.split(x, 2.0)[1],
    "array_split": lambda x: np.array_split(x, 2.0)[0],
    "split at": lambda x: np.split(x, [1])[1],
    "choose": lambda x: np.choose([0.0, 1.0, 0.0], [x, 2 * x]),
    "bincount": lambda x: np.bincount(np.array([0.0, 1.0, 0.0]), x),
    "int64": lambda x: x[np.int64(x) - 1],
    "int32 of a number": lambda x: x * np.int32(x[0]),
    "bool": lambda x: x[np.bool_(x > 1.5)],
    "imag": lambda x: x + x.imag,
}


@pytest.mark.parametrize("name", PLACES)
def test_numbers_name_the_places_that_they_name_to_numpy(name: str) -> None:
    f = PLACES[name]
    if name.startswith("int"):  # compile has no values to round
        assert mg.vjp(f, X)[0].tolist() == f(X).tolist()
        with pytest.raises(mg.MicrogradError, match="its value changes from call to call"):
            mg.compile(f)(X)
    else:
        agree(f, X)


@pytest.mark.parametrize("name", ["take", "repeat", "choose", "take_along_axis"])
def test_floats_that_are_computed_are_no_places(name: str) -> None:
    calls: dict[str, Callable[[Any], Any]] = {
        "take": lambda x: np.take(x, x),
        "repeat": lambda x: np.repeat(x, x),
        "choose": lambda x: np.choose(x, [x, x]),
        "take_along_axis": lambda x: np.take_along_axis(x, x, 0),
    }
    for route in (lambda: mg.vjp(calls[name], X), lambda: mg.compile(calls[name])(X)):
        with pytest.raises(mg.MicrogradError, match=rf"{name}\(\): whole numbers are expected, .* use \.astype\(int\)"):
            route()


TIES: dict[str, Callable[[Any, Any], Any]] = {
    "whole numbers": lambda f, x: f(x, np.array([0, 1, 5])),
    "whole numbers first": lambda f, x: f(np.array([0, 1, 5]), x),
    "a count": lambda f, x: f(x, np.count_nonzero(x > 5)),
    "a sum of a mask": lambda f, x: f((x > 5).sum(), x),
    "a mask": lambda f, x: f(x, x > 5),
    "itself": lambda f, x: f(x, x * 1.0),
    "a number": lambda f, x: f(x, 0),
}


@pytest.mark.parametrize("name", TIES)
@pytest.mark.parametrize("larger", [np.maximum, np.minimum, np.fmax, np.fmin], ids=lambda f: f.__name__)
def test_whole_numbers_are_constants_where_two_are_equal(larger: Any, name: str) -> None:
    x = np.array([0.0, 1.0, -1.0])
    slopes = mg.grad(lambda x: np.sum(TIES[name](larger, x)))
    plain = slopes(x)
    assert np.array_equal(plain, mg.compile(slopes)(x))
    assert plain[0] == (1.0 if name == "itself" else 0.0)


# ---- what NumPy refuses ------------------------------------------------------------------------------------

FLOAT_AXES = {
    name: (lambda x, f=getattr(np, name): f(x, axis=1.0))
    for name in ("sum", "mean", "max", "min", "prod", "var", "std", "sort", "argmax", "argsort", "cumsum", "cumprod",
                 "median", "flip", "expand_dims", "squeeze", "nansum", "all", "any", "ptp", "diff", "average")
} | {
    "the first axis": lambda x: np.concatenate([x, x], axis=0.0),
    "the first axis of a scan": lambda x: np.cumsum(x, axis=0.0),
    "a number of NumPy's": lambda x: np.sum(x, axis=np.float64(1)),
    "one of two": lambda x: np.sum(x, axis=(0, 1.0)),
    "stack": lambda x: np.stack([x, x], axis=1.0),
    "swapaxes": lambda x: np.swapaxes(x, 0.0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0.0, 1),
    "transpose": lambda x: np.transpose(x, (1.0, 0)),
    "a method": lambda x: x.sum(axis=1.0),
    "reshape": lambda x: x.reshape(3.0, 2),
    "reshape to rows": lambda x: np.reshape(x, (-1.0, 2)),
    "broadcast_to": lambda x: np.broadcast_to(x, (1.0, 2, 3)),
    "tile": lambda x: np.tile(x, 2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOAT_AXES)
def test_a_float_is_no_axis_and_no_size_as_in_numpy(name: str) -> None:
    f, x = FLOAT_AXES[name], np.arange(6.0).reshape(2, 3)
    with pytest.raises(TypeError):
        f(x)
    for route in (mg.trace, mg.vjp, lambda f, x: mg.compile(f)(x)):
        with pytest.raises((TypeError, mg.MicrogradError)):
            route(f, x)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (1, 1), (1, 1, 3)])
@pytest.mark.parametrize("mask", ["x > 1", "traced", "in a tuple"])
def test_entries_where_a_mask_holds_are_written_in_one_row(shape: tuple[int, ...], mask: str) -> None:
    def f(x: Any) -> Any:
        y = x.copy()
        chosen = np.array([False, False, True, True, True]) if mask == "x > 1" else x > 1
        y[(chosen,) if mask == "in a tuple" else chosen] = np.ones(shape)
        return y

    x = np.arange(5.0)
    with pytest.raises((TypeError, ValueError)):
        f(x)
    for route in (mg.trace, mg.vjp, lambda f, x: mg.compile(f)(x)):
        with pytest.raises((TypeError, ValueError)):
            route(f, x)
