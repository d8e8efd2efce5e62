"""NumPy functions that tracing overrides or composes: NumPy's values, and gradients that are exact.

Every row of the first table is linear in `x` between whole numbers, so that differences of NumPy's own results are its
gradient, to the last bit; every row of the second says the same thing twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.tracing.overrides import OVERRIDES

X = np.random.default_rng(3).permutation(np.arange(-5.5, 6.5)).reshape(3, 4) * 16.0  # a step of 1 changes no order
MASK = X > 0
FIRST = X[0].copy()


def written(make: Callable[[Any], Any], write: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a function that makes an array of `x`, writes into it and returns it."""

    def f(x: Any) -> Any:
        out = make(x)
        write(out, x)
        return out

    return f


def zeros(x: Any) -> Any:
    return np.zeros(x.shape)


def twice(x: Any) -> Any:
    return x * 2.0


def only_if(condition: Callable[[Any], bool]) -> Callable[[Any], Any]:
    return lambda x: x * 3.0 if condition(x) else x * 5.0


LINEAR: dict[str, Callable[[Any], Any]] = {
    # arrays made
    "array": lambda x: np.array(x),
    "array of rows": lambda x: np.array([row * 2.0 for row in x]),
    "array of numbers and arrays": lambda x: np.array([x[0], FIRST]),
    "array, ndmin": lambda x: np.array(x[0], ndmin=3),
    "array of nothing tracked": lambda x: x + np.array([np.ones(4), np.zeros(4), np.ones(4)]),
    "asarray": lambda x: np.asarray(x) * 2.0,
    "asarray of a list": lambda x: np.asarray([x[1], x[0]]),
    "asanyarray": lambda x: np.asanyarray(x),
    "ascontiguousarray": lambda x: np.ascontiguousarray(x.T),
    "asfortranarray": lambda x: np.asfortranarray(x),
    "require": lambda x: np.require(x),
    "asarray_chkfinite": lambda x: np.asarray_chkfinite(x),
    "copy": written(np.copy, lambda out, x: out.__setitem__(0, x[1])),
    "the copy is one": lambda x: [np.copy(x).fill(0.0), x * 1.0][1],
    # views
    "transpose": lambda x: np.transpose(x) + np.transpose(x, (1, 0)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "matrix_transpose": lambda x: np.matrix_transpose(x),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "squeeze": lambda x: np.squeeze(x[:, None]),
    "diag": lambda x: np.diag(x) * 1.0,
    "diag of a vector": lambda x: np.diag(x[0]) * 2.0,
    "linalg.diagonal": lambda x: np.linalg.diagonal(x, offset=1) * 1.0,
    "flip": lambda x: np.flip(x),
    "flip, axis": lambda x: np.flip(x, 1),
    "fliplr": lambda x: np.fliplr(x),
    "flipud": lambda x: np.flipud(x),
    "rot90": lambda x: np.rot90(x, 3),
    "diagonal": lambda x: np.diagonal(x, 1),
    "broadcast_to": lambda x: np.broadcast_to(x[0], (3, 4)),
    "reshape": lambda x: np.reshape(x, (4, 3)),
    "reshape, order F": lambda x: np.reshape(x, (4, 3), order="F"),
    "reshape of a list": lambda x: np.reshape([x[0], x[2]], -1),
    "ravel": lambda x: np.ravel(x),
    "ravel, order F": lambda x: np.ravel(x, "F"),
    "ravel of a list": lambda x: np.ravel([x[0], x[2]]),
    "atleast_1d": lambda x: np.atleast_1d(x[0, 0]),
    "atleast_2d": lambda x: np.atleast_2d(x[0]),
    "atleast_3d": lambda x: np.atleast_3d(x),
    "several at least": lambda x: np.atleast_2d(x[0], x)[0],
    "split": lambda x: np.split(x, 2, axis=1)[1],
    "split, places": lambda x: np.split(x, [1])[1],
    "array_split": lambda x: np.array_split(x, 2)[0],
    "hsplit": lambda x: np.hsplit(x, 2)[0] + np.hsplit(x, 2)[1],
    "vsplit": lambda x: np.vsplit(x, 3)[2],
    "dsplit": lambda x: np.dsplit(x[None], 4)[3],
    "broadcast_arrays": lambda x: np.broadcast_arrays(x[0], x)[0],
    "writing through a view": written(twice, lambda out, x: np.transpose(out).__setitem__(0, x[:, 1])),
    # in-place writes
    "put_along_axis": written(twice, lambda out, x: np.put_along_axis(out, np.array([[1], [0], [3]]), x[:, :1], 1)),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x > 30], [lambda a: a * 2.0, 3.0, lambda a: a * 5.0]),
    "copyto": written(zeros, lambda out, x: np.copyto(out, x)),
    "copyto, where": written(zeros, lambda out, x: np.copyto(out, x * 2.0, where=MASK)),
    "copyto a number": written(twice, lambda out, x: np.copyto(out, 7.0, where=MASK)),
    "fill_diagonal": written(twice, lambda out, x: np.fill_diagonal(out, x[0, 1])),
    "put": written(twice, lambda out, x: np.put(out, [1, 5], x[0, :2])),
    "putmask": written(twice, lambda out, x: np.putmask(out, MASK, x * 5.0)),
    "place": written(twice, lambda out, x: np.place(out, MASK, 3.0)),
    "add.at": written(zeros, lambda out, x: np.add.at(out, ([0, 0, 1], [1, 1, 2]), x[2, :3])),
    "add.at an array": written(twice, lambda out, x: np.add.at(out, [0, 0], x[:2])),
    "subtract.at": written(zeros, lambda out, x: np.subtract.at(out, 1, x[0])),
    "out= of a ufunc": written(zeros, lambda out, x: np.multiply(x, 2.0, out=out)),
    "out as the last argument": written(zeros, lambda out, x: np.negative(x, out)),
    "out= of a function": written(lambda x: np.zeros(4), lambda out, x: np.sum(x, axis=0, out=out)),
    "out= with where=": written(np.ones_like, lambda out, x: np.add(x, x, out=out, where=MASK)),
    "+= on an array of one's own": lambda x: [twice(x).__iadd__(x)][0],
    # choices
    "where": lambda x: np.where(MASK, x, 2.0 * x),
    "where, numbers as a mask": lambda x: np.where(MASK.astype(float), x, 0.0),
    "where a traced mask": lambda x: np.where(x > 0, x, 0.0),
    "places where": lambda x: x[np.where(MASK)],
    "where, of nothing tracked": lambda x: x + np.where(MASK, 1.0, 2.0),
    "full": lambda x: np.full((2, 4), x[0]) * np.full(4, x[1, 0]),
    "full_like": lambda x: np.full_like(x, x[0, 1]) + x,
    "full_like of another shape": lambda x: np.full_like(x, x[0], shape=(2, 4)),
    "full_like of nothing tracked": lambda x: x + np.full_like(np.zeros((3, 4)), 3.0),
    "nan_to_num in place": written(lambda x: np.where(MASK, x, np.nan), lambda out, _: np.nan_to_num(out, copy=False)),
    "add.reduce over all": lambda x: np.add.reduce(x, axis=None) + x,
    "maximum.reduce over all": lambda x: np.maximum.reduce(x, axis=None) + x,
    "nan_to_num": lambda x: np.nan_to_num(np.where(MASK, x, np.nan), nan=4.0),
    "nan_to_num of nothing tracked": lambda x: x + np.nan_to_num(np.array([np.nan, 1.0, np.inf, 2.0]), posinf=5.0),
    "select": lambda x: np.select([x > 50.0, x > 0.0], [x * 2.0, x * 3.0], default=1.0),
    "choose": lambda x: np.choose(np.array([0, 2, 1, 0]), x),
    "choose, a list": lambda x: np.choose(np.array([0, 1, 1, 0]), [x[0], x[1]]),
    "choose, out=": written(lambda x: np.zeros(4), lambda out, x: np.choose(np.array([0, 2, 1, 0]), x, out=out)),
    "choose among numbers": lambda x: x + np.choose(np.array([0, 1, 1, 0]), [FIRST, FIRST * 2.0]),
    # loops
    "apply_along_axis to a number": lambda x: np.apply_along_axis(np.sum, 0, x),
    "apply_along_axis to a line": lambda x: np.apply_along_axis(lambda line: line[::-1], 1, x),
    "vectorize": lambda x: np.vectorize(lambda v: 2.0 * v if v > 0 else v)(x),
    # questions
    "isscalar": only_if(lambda x: np.isscalar(x[0, 0]) and np.isscalar(3.0) and not np.isscalar(x[0])),
    "shares_memory": only_if(lambda x: np.shares_memory(x, x[1:]) and not np.shares_memory(x[:1], x[1:])),
    "shares_memory, others": only_if(lambda x: not np.shares_memory(x, x * 2.0) and not np.shares_memory(x, FIRST)),
    "shares_memory, plain": only_if(lambda x: np.shares_memory(FIRST, FIRST[1:])),
    "may_share_memory": only_if(lambda x: np.may_share_memory(x, x.T)),
    "a proxy looks like NumPy's": only_if(lambda x: np.exp.nin == 1 and "exp" in dir(np) and "sum" in repr(np.sum)),
    # composed of primitives
    "sum, where=": lambda x: np.sum(x, axis=0, where=MASK),
    "sum, order of keywords": lambda x: np.sum(a=x, axis=1),
    "sum of a generator": lambda x: np.sum(row for row in x) if not isinstance(x, np.ndarray) else sum(row for row in x),
    "mean, dtype=": lambda x: np.sum(x, dtype=np.float64),
    "add.reduce": lambda x: np.add.reduce(x, 1),
    "add.accumulate": lambda x: np.add.accumulate(x),
    "multiply.outer": lambda x: np.multiply.outer(x[0], np.arange(3.0)),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=1),
    "remainder": lambda x: np.remainder(x, 1024.0),
    "r_": lambda x: np.r_[x[0], x[1]],
    "c_": lambda x: np.c_[x, np.ones(3)],
    "r_ of constants": lambda x: x[0] + np.r_[1.0, 2.0, 3.0, 4.0],
    # methods
    "ravel()": lambda x: x.ravel() + x.flatten(),
    "ravel('F')": lambda x: x.ravel("F") + x.flatten("F"),
    "reshape(order='F')": lambda x: x.reshape(4, 3, order="F"),
    ".mT": lambda x: x.mT + x.T + x.transpose() + x.swapaxes(0, 1),
    "squeeze()": lambda x: x[:, None].squeeze(1),
    "sort()": written(twice, lambda out, x: out.sort(1)),
    "put()": written(twice, lambda out, x: out.put([0, 3], x[1, :2])),
    "repeat()": lambda x: x.repeat(2, axis=0) + np.repeat(x, 2, 0),
    "item()": lambda x: x[1:2, 1:2].item() + x.item(3) + x.item(0, 0),
    "flat": written(twice, lambda out, x: out.flat.__setitem__(5, x[0, 0])),
    "np.real": written(twice, lambda out, x: np.real(out).__setitem__(0, np.real(x)[1])),
    "shape =": written(twice, lambda out, x: setattr(out, "shape", (4, 3))),
    "astype": lambda x: x.astype(np.float64) + x.astype(np.float64, copy=False) + np.ones(4)[x[0].astype(int) * 0],
    "index by a number": lambda x: x[np.array(1)] + x[x[1:2, 0].astype(int) * 0],
    "index by nothing": lambda x: x[[]],
}  # fmt: skip


def result_of(graph: mg.Graph) -> Any:
    return graph.value[graph.outputs[0].name]


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # NumPy 2.5; users write it
@pytest.mark.parametrize("name", LINEAR)
def test_values_are_numpys_and_gradients_exact(name: str) -> None:
    f = LINEAR[name]
    wanted = np.asarray(f(X.copy()))
    graph = mg.trace(f, X.copy())
    got = np.asarray(result_of(graph))
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)

    seed = np.random.default_rng(5).integers(-3, 4, wanted.shape).astype(float)
    graph.backward(seed)
    differences = np.zeros_like(X)
    for place in np.ndindex(X.shape):
        moved = X.copy()
        moved[place] += 1.0
        differences[place] = np.sum(seed * (f(moved) - wanted))
    np.testing.assert_array_equal(graph.grad["x"] if graph.has_grads else 0.0 * X, differences)


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # NumPy 2.5; users write it
@pytest.mark.parametrize("name", LINEAR)
def test_of_constants_numpy_computes(name: str) -> None:
    """The same inside a trace on an array that nothing tracked is in: the tracked `x` is only added."""
    f = LINEAR[name]
    graph = mg.trace(lambda x: x[0, 0] * 0.0 + f(X * 1.0), X.copy())
    np.testing.assert_array_equal(result_of(graph), f(X.copy()))


def test_every_override_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    called = set()

    def noted(function: Any, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            called.add(function)
            return real(*args, **kwargs)

        return call

    for function, real in [*OVERRIDES.items()]:
        monkeypatch.setitem(OVERRIDES, function, noted(function, real))
    for f in LINEAR.values():
        mg.trace(f, X)
    assert {*OVERRIDES} - called == set()


# ---- what is no linear function ----------------------------------------------------------------------------

P = np.abs(X) / 16.0 + 0.5  # positive, from 1 to 6

TWICE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "a traced exponent": (lambda x: x**x, lambda x: np.power(x, x)),
    "a number to a traced exponent": (lambda x: 2.0**x, lambda x: np.power(2.0, x)),
    "math.log to a base": (lambda x: math.log(x[0, 0], 3.0), lambda x: np.log(x[0, 0]) / math.log(3.0)),
    "math.exp": (lambda x: math.exp(x[0, 0]), lambda x: np.exp(x[0, 0])),
    "multiply.reduce": (lambda x: np.multiply.reduce(x, 1), lambda x: np.prod(x, 1)),
    "a ufunc with dtype=": (
        lambda x: np.multiply(x, x, dtype=np.float32),
        lambda x: x.astype(np.float32) * x.astype(np.float32),
    ),
    "sum with dtype=": (lambda x: np.sum(x * x, dtype=np.float32), lambda x: np.sum((x * x).astype(np.float32))),
    "reshape with order=": (lambda x: np.reshape(x * x, -1, order="C"), lambda x: (x * x).reshape(-1)),
}


# The exponent y * log(x) is rounded before exp: an error of eps / 2 in it is |y log x| times that in the power. `P` is
# at most 6, where it is 6 log 6 < 11, and a product, exp and log round once each.
ROUNDINGS = 11 / 2 + 3


@pytest.mark.parametrize("name", TWICE)
def test_what_is_said_twice_is_one_thing(name: str) -> None:
    made, written_out = (mg.trace(f, P) for f in TWICE[name])
    np.testing.assert_array_equal(result_of(made), result_of(written_out))
    seed = np.asarray(np.random.default_rng(6).standard_normal(made.outputs[0].shape), made.outputs[0].dtype)
    np.testing.assert_array_equal(made.backward(seed).grad["x"], written_out.backward(seed).grad["x"])
    numpys = np.asarray(TWICE[name][0](P))
    np.testing.assert_allclose(result_of(made), numpys, rtol=ROUNDINGS * np.finfo(numpys.dtype).eps)


def test_a_traced_array_has_what_a_node_has() -> None:
    """Whatever slots the engine gives its nodes, a traced array shows those of its present version."""
    by_hand = {"__weakref__", "_label"}  # there where somebody puts one
    slots = [n for kind in mg.Tensor.__mro__ for n in getattr(kind, "__slots__", ()) if n not in by_hand]
    seen: list[str] = []

    def f(x: Any) -> Any:
        out = x * 2.0
        out[0] = x[1]
        node = out.tensor()
        seen.extend(name for name in [*slots, "operands", "args"] if getattr(out, name) is getattr(node, name))
        seen.extend(name for name in ("operands", "args") if getattr(out, name) == getattr(node, name))
        return out

    mg.trace(f, X)
    assert {*seen} == {*slots, "operands", "args"}
    assert {"raw", "row", "attrs", "serial", "grad"} <= {*slots}


OF_NO_AXES = [
    "np.where(x > 1, x, 2.0)", "np.where(x > 1, x[...], x.sum())", "np.select([x > 1], [x], 0.0)", "np.roll(x, 1)",
    "np.tensordot(x, x, 0)", "np.cov(np.ones(3) * x)", "np.real(x)", "x.astype(np.float32)", "x.sum().astype(np.float32)",
    "np.block(x)", "np.convolve(x, x * 2)[0]", "np.convolve(x.sum(), 3.0)[0]", "np.pad(x, 1)", "np.pad(x.sum(), (1, 2), mode='edge')",
    "np.pad(x, 1, mode='mean')", "np.pad(x, (0, 1), mode='wrap')",
    "np.asarray(x.sum())", "np.require(x * 2)", "(x * 2)[...]", "(x * 2)[()]", "x[...]", "x[()]", "np.array(x.sum())",
    "x.copy()", "x * 2", "np.clip(x, 0, 1)", "np.reshape(x.sum(), ())", "np.full((), x)", "np.dot(x, x)", "x.squeeze()",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:f. gather at line.*cannot be fused:RuntimeWarning")
@pytest.mark.parametrize("text", OF_NO_AXES)
def test_what_is_an_array_of_no_axes_and_what_a_number_is_as_numpy_has_it(text: str) -> None:
    code = compile(text, "user", "eval")

    def f(x: Any) -> Any:
        v = eval(code, {"np": np, "x": x})
        kinds.append(
            (isinstance(v, np.ndarray), isinstance(v, np.generic), isinstance(v, float), np.isscalar(v), v.dtype)
        )
        w = v
        w += 1.0  # changes an array, replaces a number
        return v * 1.0

    kinds: list[Any] = []
    wanted, x = f(np.array(2.5)), np.array(2.5)
    graph = mg.trace(f, x.copy())
    assert result_of(graph) == wanted
    assert mg.vjp(f, x.copy())[0] == wanted
    assert mg.compile(f)(x.copy()) == wanted
    assert len({*kinds}) == 1, kinds


def test_what_is_written_into_truth_values_and_whole_numbers_has_no_slope() -> None:
    def f(x: Any) -> Any:
        mask = x != x * 2
        mask[None] = x[0]
        return np.concatenate([x * 2, mask * 1.0, mask * x])

    x = np.array([0.5, 1.0, -2.0])
    value, pull = mg.vjp(f, x)
    np.testing.assert_array_equal(value, f(x))
    (slope,) = pull(np.ones(9))
    np.testing.assert_array_equal(slope, [3.0, 3.0, 3.0])
    np.testing.assert_array_equal(mg.compile(mg.grad(lambda x: np.sum(f(x))))(x), slope)


WIDE = np.array([1e300, -np.inf, 3.0, 0.1])
HALVES = np.linspace(0.1, 3.0, 300).astype(np.float16)
IN_A_DTYPE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "float16 of two": (lambda x: np.add(x, x[::-1], dtype=np.float16), WIDE),
    "float32 of a number": (lambda x: np.add(x, 0.1, dtype=np.float32), WIDE),
    "float64 of a sum": (lambda x: np.add.reduce(x, dtype=np.float64), HALVES),
    "float32 of a sum": (lambda x: np.add.reduce(x, dtype=np.float32), WIDE),
    "float64 of a product": (lambda x: np.multiply.reduce(x, dtype=np.float64), HALVES[:9]),
    "float64 of running sums": (lambda x: np.add.accumulate(x, dtype=np.float64), HALVES),
    "float32 of one": (lambda x: np.sqrt(np.abs(x), dtype=np.float32), WIDE),
}
OF_PYTHONS_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "True + True": lambda x: ((x.item(0) > 0) + (x.item(0) > -1)) * x,
    "math.exp": lambda x: ((math.exp(x.sum()) > 0) + (math.exp(x.sum()) >= 0)) * x,
    "math.isfinite": lambda x: (math.isfinite(x.item(0)) + math.isfinite(x.item(1))) * x,
    "sum": lambda x: sum([x.item(0) > 0, x.item(1) > 0, x.item(2) > -9]) * x,
    "True - True": lambda x: ((x.item(0) > 0) - (x.item(1) > 0)) * x,
    "-True": lambda x: -(x.item(0) > 0) * x,
    "~True": lambda x: (~(x.item(0) > 0)) * x,
    "True & True": lambda x: ((x.item(0) > 0) & (x.item(1) > 0)) * x,
    "narrow beside": lambda x: ((x.item(0) > 0) * 2.5) * x.astype(np.float32),
    "chosen by": lambda x: np.where(x.item(0) > 0, x, 0.0),
    "NumPy's truth values": lambda x: ((x[0] > 0) + (x[1] > 0)) * x,
    "NumPy's number beside": lambda x: ((x.item(0) > np.float64(0)) + (x.item(0) > np.float64(-1))) * x,
}
OF_NUMBERS = {**IN_A_DTYPE, **{name: (f, np.array([0.5, 1.5, -2.0])) for name, f in OF_PYTHONS_NUMBERS.items()}}


@pytest.mark.filterwarnings("ignore:.*cannot be fused:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")  # Python 3.12; users write it
@pytest.mark.parametrize("name", OF_NUMBERS)
def test_dtypes_and_pythons_truth_values_are_computed_with_as_numpy_does(name: str) -> None:
    f, x = OF_NUMBERS[name]
    with np.errstate(all="ignore"):
        wanted = np.asarray(f(x.copy()))
        for got in (result_of(mg.trace(f, x.copy())), mg.vjp(f, x.copy())[0], mg.compile(f)(x.copy())):
            assert np.asarray(got).dtype == wanted.dtype
            rounding = 0.0 if wanted.dtype == np.float16 else 8 * np.finfo(wanted.dtype).eps
            np.testing.assert_allclose(got, wanted, rtol=rounding)


def test_a_dtype_that_numpy_would_not_cast_to_is_refused_in_its_words() -> None:
    for run in (mg.trace, mg.vjp):
        with pytest.raises(
            TypeError, match=r"Cannot cast ufunc 'add' input 0 from dtype\('float64'\) to dtype\('int64'\)"
        ):
            run(lambda x: np.add(x, 1, dtype=int), X)
