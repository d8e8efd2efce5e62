"""A captured call means what NumPy means: views, second names, writes into arguments, masks; or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from as_users_write import FUNCTIONS, PLAIN, branched, contained, unequal

import micrograd as mg
from micrograd.errors import GraphError
from micrograd.program.capture import capture
from micrograd.program.program import Program, evaluate

X = np.array([[0.5, 1.2, -0.7], [2.0, -1.5, 0.3]])
OTHER = np.array([[-3.0, 0.25, 1.5], [0.1, 4.0, -2.5]])
ROW = np.array([0.5, 1.2, -0.7])


def run(program: Program, *leaves: Any) -> Any:
    """Return what a call returns, computed by NumPy, with its arguments changed as the program says."""
    given = {feed.value: leaves[feed.position] if feed.kind == "argument" else feed.array if feed.get is None
             else feed.get() for feed in program.feeds}  # fmt: skip
    known = evaluate(program, given)
    result = program.rebuild([known[value] for value in program.outputs])
    if not program.updates:
        return result
    result, news = result
    for position, new in zip(program.updates, news, strict=True):
        leaves[position][...] = new
    return result


def same(f: Callable[..., Any], *captured: Any, others: tuple[Any, ...], plain: Any = None) -> None:
    """Capture a call, run it on other arrays, and compare results and arguments with NumPy's."""
    program = capture(f, tuple(np.copy(x) for x in captured), {})
    for arrays in (captured, others):
        here, there = [np.copy(x) for x in arrays], [np.copy(x) for x in arrays]
        np.testing.assert_allclose(run(program, *here), (plain or f)(*there), rtol=1e-13, atol=1e-13)
        for mine, theirs in zip(here, there, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-13, atol=1e-13)


CHOOSING = [branched, contained, unequal]


@pytest.mark.parametrize("f", CHOOSING, ids=lambda f: f.__name__)
def test_what_chooses_by_values_is_refused(f: Callable[..., Any]) -> None:
    with pytest.raises(GraphError, match="cannot compile"):
        capture(f, (ROW,), {})


@pytest.mark.parametrize("f", [f for f in FUNCTIONS if f not in CHOOSING], ids=lambda f: f.__name__)
def test_what_the_transforms_run_is_captured_alike(f: Callable[..., Any]) -> None:
    same(f, ROW, others=(ROW[::-1] + 2.0,), plain=PLAIN.get(f))
    step, g = 1e-6, mg.grad(f)
    program = capture(g, (ROW,), {})
    x = ROW[::-1] + 2.0
    slopes = [(PLAIN.get(f, f)(x + step * unit) - PLAIN.get(f, f)(x - step * unit)) / (2 * step) for unit in np.eye(3)]
    np.testing.assert_allclose(run(program, x.copy()), slopes, rtol=1e-6, atol=1e-6)


def rows_centred(x: Any) -> Any:
    for row in x:
        row -= row.mean()  # noqa: PLW2901 - as written by users
    return np.sum(x**3)


def a_step(p: Any, g: Any) -> Any:
    for each in [p]:
        each -= 0.1 * g  # noqa: PLW2901
    return p * 2.0


def swapped(x: Any) -> Any:
    x[0], x[1] = x[1].copy(), x[0].copy()
    return x.sum(axis=1)


def by_mask(x: Any) -> Any:
    x[x < 0] = 0.0
    return x * 2.0


def by_mask_of_another(x: Any, y: Any) -> Any:
    x[(y > 0) & (x > 0)] = -1.0
    np.putmask(y, x < 0, x)
    np.copyto(x, 7.0, where=y == 4.0)
    np.place(y, y == 0.25, [3.0])
    return x + y


def out_keywords(x: Any) -> Any:
    np.exp(x, out=x)
    np.multiply(x[0], 2.0, out=x[0])
    return np.clip(x, 0.5, 2.0)


def transposed(x: Any) -> Any:
    t = x.T
    t[0] = 5.0
    t *= 2.0
    x.reshape(-1)[1::2] += 1.0
    return np.sum(t * t)


def filled(x: Any) -> Any:
    x.fill(3.0)
    return x[0] * 1.0


def flat(x: Any) -> Any:
    x.flat[2] = x[0, 0] * 10
    x[1, ::2] = x[0, 1]
    return np.sqrt(np.abs(x))


def returned_itself(x: Any) -> Any:
    x *= 2.0
    return x


def in_a_helper(x: Any, y: Any) -> Any:
    def centre(a: Any) -> None:
        a -= a.mean(axis=0)

    centre(x)
    centre(y[1:])
    return x @ y.T


def of_a_gradient(x: Any, y: Any) -> Any:
    x -= 0.5 * mg.grad(lambda z: np.sum(z**3 * y))(x)
    return x


CASES: list[tuple[Callable[..., Any], int]] = [
    *((f, 1) for f in (rows_centred, swapped, by_mask, out_keywords, transposed, filled, flat, returned_itself)),
    *((f, 2) for f in (a_step, by_mask_of_another, in_a_helper)),
]


@pytest.mark.parametrize(("f", "count"), CASES, ids=lambda part: getattr(part, "__name__", ""))
def test_what_is_written_into_arguments_is_there_after_each_call(f: Callable[..., Any], count: int) -> None:
    same(f, *(X, OTHER)[:count], others=(OTHER, X)[:count])


def test_a_gradient_step_moves_the_array() -> None:
    same(of_a_gradient, X, OTHER, others=(OTHER, X), plain=lambda x, y: x.__isub__(0.5 * 3 * x**2 * y))


def test_a_function_that_is_differentiated_writes_into_its_argument_too() -> None:
    same(mg.grad(rows_centred), X, others=(OTHER,), plain=lambda x: mg.grad(rows_centred)(x))

    def inside(x: Any) -> Any:
        return mg.grad(rows_centred)(x) + x

    same(inside, X, others=(OTHER,))
    graph = mg.trace(inside, changed := X.copy())
    np.testing.assert_allclose(changed, X - X.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(graph.value[graph.outputs[0].name], inside(X.copy()))


def test_a_dictionary_of_arrays_is_written_into() -> None:
    def step(params: Any, g: Any) -> Any:
        for name in params:
            params[name] -= g
        return sum(np.sum(params[name]) for name in params)

    program = capture(step, ({"a": X.copy(), "b": OTHER.copy()}, X), {})
    a, b = X.copy(), OTHER.copy()
    total = run(program, a, b, OTHER)
    np.testing.assert_allclose((a, b), (X - OTHER, OTHER - OTHER), rtol=1e-14)
    np.testing.assert_allclose(total, np.sum(X - OTHER), rtol=1e-13)


KEPT: list[Any] = []
BUFFER = np.zeros(3)


def rebinds_in_its_argument(params: Any) -> Any:
    params["w"] = params["w"] * 2.0
    return params["w"]


def writes_outside(x: Any) -> Any:
    BUFFER[:] = x[0]
    return x


def appends_outside(x: Any) -> Any:
    KEPT.append(x * 2.0)
    return x


@pytest.mark.parametrize(
    ("f", "argument", "message"),
    [
        (rebinds_in_its_argument, {"w": X}, "puts another value into its argument params.w"),
        (lambda a: a.append(X), [X], "adds to or removes from a container among its arguments"),
        (writes_outside, X, "writes into an array that it finds outside"),
        (appends_outside, X, "puts a value that it computed into a list, which lies outside of it"),
        (
            lambda x: x * np.random.default_rng().normal(),
            X,
            r"cannot compile random numbers of a generator without a seed",
        ),
        (lambda x: x * int(np.floor(x)[0, 0]), X, r"cannot compile int\(\) of a tensor"),
        (lambda x: np.trim_zeros(x[0]), X, r"cannot compile np.trim_zeros\(\) of a tensor"),
        (
            lambda x: np.piecewise(x, [x > 0], [1.0, 2.0]),
            X,
            r"cannot compile np.piecewise\(\) by conditions of a tensor",
        ),
        (lambda x: np.place(x * 2, x > 0, [1.0, 2.0]), X, r"cannot compile writing where a mask holds, of the values"),
        (lambda x: x[np.where(x > 0)], X, r"cannot compile np.where\(\) with one argument of a tensor"),
        (lambda x: x * np.unique(x)[0], X, r"cannot compile np.unique\(\) of a tensor"),
        (lambda x: x * (0.5 in x), X, "cannot compile a branch on a tensor value"),
        (lambda x: x * round(x[0, 0]), X, r"cannot compile float\(\) of a tensor"),
        (lambda x: x * x[x > 0].sum(), X, "cannot compile an index computed by tensors"),
    ],
)
def test_what_no_later_call_would_do_is_refused(f: Any, argument: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        capture(f, (argument,), {})
    assert not KEPT
    assert not BUFFER.any()


def test_what_was_refused_and_is_right_now() -> None:
    def filled_by_entries(x: Any) -> Any:
        out = np.zeros(2)
        for i in range(2):
            out[i] = np.sum(x[i])
        return out

    def masked_elsewhere(x: Any) -> Any:
        out = x * 2
        np.putmask(out, x > 0.1, [1.0, 2.0, 3.0, 4.0])
        np.putmask(out, x < -0.1, 7.0)
        return out

    for f in (
        filled_by_entries,
        lambda x: x * x[0, 0].item(),
        lambda x: np.asarray(x) * 2,
        lambda x: np.nan_to_num(np.where(x > 0, x, np.nan), nan=2.0),
        lambda x: np.sort(x) * np.median(x),
        masked_elsewhere,
        lambda x: x * np.argsort(x) + np.argmax(x) - x.astype(int),
        lambda x: np.zeros((2, 3)) + np.array([x, x])[0],
        lambda x: np.pad(x, 1) + np.pad(x, ((1, 1), (1, 1)), constant_values=2.0),
    ):
        same(f, X, others=(OTHER,))
    same(lambda x, i: np.eye(3)[i] @ x.T, X, np.array([0, 2]), others=(OTHER, np.array([1, -1])))


def test_a_compiled_call_writes_into_the_callers_arrays_whatever_they_look_like() -> None:
    pytest.importorskip("llvmlite")
    f = mg.compile(a_step, threads=1)
    wide = np.zeros((4, 6))
    for p in (X.copy(), np.asfortranarray(X), wide[::2, ::2], wide[:2, :3].astype(np.float32)):
        there = p.copy()
        np.testing.assert_allclose(f(p, OTHER), a_step(there, OTHER), rtol=1e-6)
        np.testing.assert_allclose(p, there, rtol=1e-6)
    for backwards in (False, True):  # NumPy itself runs where they share memory
        p, there = X.copy(), X.copy()
        result = f(p, p[::-1] if backwards else p)
        np.testing.assert_array_equal(result, a_step(there, there[::-1] if backwards else there))
        np.testing.assert_array_equal(p, there)
    locked = X.copy()
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        f(locked, OTHER)
    assert f.report().kernels


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_argument_given_twice_keeps_its_order_in_memory(order: Any) -> None:
    """Whether `ravel` is a view or a copy depends on it."""
    pytest.importorskip("llvmlite")

    def f(x: Any, y: Any) -> Any:
        row = (x * y).ravel()
        whole = x * y
        first = whole.ravel()
        first[0] = y.max()
        return np.concatenate([row, whole.ravel()])

    x = np.array(np.arange(12.0).reshape(2, 2, 3), order=order)
    assert np.array_equal(mg.compile(f)(x, x), f(x, x))
