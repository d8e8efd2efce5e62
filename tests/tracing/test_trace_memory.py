"""Arrays that a traced function writes into: random programs have NumPy's values and effects, and right gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import micrograd as mg

ROWS, COLUMNS = 3, 4
SLICES = [
    (slice(None), slice(1, 3)),
    (slice(0, 2), slice(None)),
    (slice(None), slice(None, None, 2)),
    (slice(None, None, -1), slice(None)),
    (slice(1, None), slice(2, 0, -1)),
    (Ellipsis, 1),
    2,
    (slice(None), slice(None)),
]


def arrays_of(kind, a, b):  # type: ignore[no-untyped-def]
    """A new array made of another."""
    if kind == "zeros":
        return np.zeros((ROWS, COLUMNS))
    if kind == "ones":
        return np.ones_like(a)
    if kind == "full":
        return np.full(a.shape, 0.3)
    if kind == "copy":
        return a.copy()
    if kind == "array":
        return np.array(a)
    if kind == "times":
        return np.tanh(a) * 1.5
    if kind == "mixed":
        return a * 0.5 + np.sum(b) * 0.1
    if kind == "rows":
        return np.array([row * 2.0 for row in a])
    return a - a.mean()


def view_of(kind, place, a):  # type: ignore[no-untyped-def]
    """A view (sometimes, as NumPy has it, a copy) of an array."""
    if kind == "slice":
        return a[SLICES[place]] if a.ndim == 2 else a[::-1]
    if kind == "T":
        return a.T
    if kind == "ravel":
        return a.ravel()
    if kind == "reshape":
        return a.reshape(-1, 2) if a.size % 2 == 0 else a.reshape(-1)
    if kind == "row":
        return a[0] if a.ndim > 1 else a[:]
    if kind == "split":
        return np.array_split(a, 2)[1]
    if kind == "swap":
        return np.swapaxes(a, 0, -1)
    if kind == "expand":
        return np.expand_dims(a, 0)[0]
    return np.flip(a)


def write(kind, place, a, value):  # type: ignore[no-untyped-def]
    """Change an array in place; `value` is a number, traced or not."""
    index = SLICES[place] if a.ndim == 2 and min(a.shape) > 1 and a.shape[1] > 2 and a.shape[0] > 2 else slice(1, None)
    if kind == "set":
        a[index] = value
    elif kind == "add":
        a[index] += value
    elif kind == "whole":
        a += value
    elif kind == "times":
        a *= 0.5 + value
    elif kind == "mask":
        a[a > 0.1] = value
    elif kind == "mask times":
        a[a < 0] *= 0.1 + value
    elif kind == "fancy":
        a[np.array([0, -1])] -= value
    elif kind == "twice":
        a[np.array([0, 0])] = value * a[:1]
    elif kind == "at":
        np.add.at(a, np.array([0, 0, -1]), value)
    elif kind == "shift":
        a[1:] = a[:-1]
    elif kind == "exchange":
        a[[0, -1]] = a[[-1, 0]]
    elif kind == "loop":
        for i in range(len(a)):
            a[i] = a[i] * value + i
    elif kind == "entry":
        a[(0,) * a.ndim] += value
        a[(-1,) * a.ndim] = value * 2.0
    elif kind == "fill":
        a.fill(0.25)
    elif kind == "copyto":
        np.copyto(a, value)
    elif kind == "out":
        np.multiply(a, value + 1.0, out=a)
    else:
        a /= 1.5


def machine(program, x, w, z):  # type: ignore[no-untyped-def]
    """Run a program on registers, and answer a number that depends on all of them."""
    registers = [x, w * 1.0]
    for what, kind, place, one, other in program:
        a, b = registers[one % len(registers)], registers[other % len(registers)]
        if what == "make":
            registers.append(arrays_of(kind, a, b))
        elif what == "view":
            registers.append(view_of(kind, place, a))
        elif what == "plain":
            write(kind, place, a, 0.4)
        else:
            write(kind, place, a, b.sum() * 0.1)
    total = 0.0
    for number, register in enumerate(registers):
        total = total + (np.tanh(register * 0.5) * (number + 1)).sum()
    return total + z.sum()


MAKES = ["zeros", "ones", "full", "copy", "array", "times", "mixed", "rows", "centred"]
VIEWS = ["slice", "T", "ravel", "reshape", "row", "split", "swap", "expand", "flip"]
WRITES = ["set", "add", "whole", "times", "mask", "mask times", "fancy", "twice", "at", "shift", "exchange", "loop"]
WRITES += ["entry", "fill", "copyto", "out", "over"]
STEPS = st.one_of(
    st.tuples(st.just("make"), st.sampled_from(MAKES), st.just(0), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.just("view"), st.sampled_from(VIEWS), st.integers(0, 7), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("plain"), st.sampled_from(WRITES), st.integers(0, 7), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("traced"), st.sampled_from(WRITES), st.integers(0, 7), st.integers(0, 9), st.integers(0, 9)),
)


def numbers(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, COLUMNS))


def assert_slope(graph: mg.Graph, program: list[Any], x: np.ndarray, w: np.ndarray, seed: int) -> None:
    """The gradients of a traced program against its slope in a random direction, where it has one."""
    rng = np.random.default_rng(seed + 1)
    dx, dw = rng.normal(size=x.shape), rng.normal(size=x.shape)
    step = 1e-6
    slopes = []
    for way in (step, step / 2):  # where the two disagree a mask changes in between: no slope there
        up = machine(program, x + way * dx, w + way * dw, np.ones(2))
        down = machine(program, x - way * dx, w - way * dw, np.ones(2))
        slopes.append((up - down) / (2 * way))
    if abs(slopes[0] - slopes[1]) < 1e-6 * (1 + abs(slopes[1])):
        got = sum(
            (graph.grads[node.index] * d).sum()
            for node, d in zip(graph.inputs, (dx, dw), strict=False)
            if node.index in graph.grads
        )
        assert got == pytest.approx(slopes[1], rel=2e-5, abs=2e-6)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=12), st.integers(0, 1000))
def test_random_programs(program: list[Any], seed: int) -> None:
    x, w = numbers(seed)
    plain_x, traced_x = x.copy(), x.copy()
    try:
        wanted = machine(program, plain_x, w, np.ones(2))
    except (IndexError, ValueError):  # then the traced function cannot be run either
        with pytest.raises((IndexError, ValueError)):
            mg.trace(machine, program, traced_x, w, np.ones(2))
    else:
        graph = mg.trace(machine, program, traced_x, w, np.ones(2)).backward()
        np.testing.assert_allclose(graph.value[graph.outputs[0].name], wanted, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(traced_x, plain_x, rtol=1e-10, atol=1e-12, err_msg="what the argument holds then")
        assert_slope(graph, program, x, w, seed)


COPIES: list[Any] = [
    lambda x: x.copy(),
    lambda x: x.copy("C"),
    lambda x: x.copy("F"),
    lambda x: x.copy("K"),
    lambda x: x.copy("A"),
    lambda x: np.copy(x),
    lambda x: np.copy(x, order="C"),
    lambda x: np.array(x),
    lambda x: np.array(x, order="F"),
    lambda x: x.astype(float),
    lambda x: x.flatten(),
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize(
    "given", [lambda x: x, lambda x: x.T, lambda x: x[::-1], lambda x: x * 1.0, lambda x: x.T * 1.0]
)
@pytest.mark.parametrize("viewed", [lambda x: x.ravel(), lambda x: x.T.ravel(), lambda x: x.reshape(-1)])
def test_a_view_of_a_copy_is_a_view_where_numpy_makes_one(copied: Any, given: Any, viewed: Any) -> None:
    """The order of the entries of a copy in memory says whether `ravel` shows them or copies them again."""

    def f(x: Any) -> Any:
        made = copied(given(x))
        viewed(made)[1:] = 0.5
        return np.sum(made * 2.0)

    x = np.arange(6.0).reshape(2, 3)
    graph = mg.trace(f, x.copy())
    assert graph.value[graph.outputs[0].name] == f(x.copy())


@pytest.mark.parametrize("look", [np.diag, np.diagonal, np.linalg.diagonal, lambda x: np.diag(x, 1)])
def test_a_diagonal_is_a_view_that_is_locked(look: Any) -> None:
    def f(x: Any) -> Any:
        x = x * 1.0
        seen = look(x)
        x *= -1.5
        return seen * 2.0

    x = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(mg.vjp(f, x)[0], f(x))
    assert np.array_equal(mg.compile(f)(x), f(x))
    assert np.array_equal(mg.grad(lambda x: f(x).sum())(x), np.where(np.isin(x, look(x)), -3.0, 0.0))

    def writes(x: Any) -> Any:
        seen = look(x * 1.0)
        seen[0] = 1.0
        return seen

    for run in (writes, lambda x: mg.vjp(writes, x)):
        with pytest.raises(ValueError, match="read-only"):
            run(x)
