"""Compiled equals eager: what is printed, run as plain Python, over random graphs and every primitive."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from strategies import OPERATIONS, Program, inputs_of, margin, programs, seeds

import micrograd as mg
from micrograd.compiler.backends.numba import Entry
from micrograd.compiler.codegen.lower import lower
from micrograd.engine import Tensor
from micrograd.primitives import TABLE
from micrograd.program.capture import capture
from micrograd.program.program import Equation, evaluate

numba = pytest.importorskip("numba")


def interpreted(f: Any, *args: Any, threads: int = 1) -> tuple[Any, Any]:
    """The answers of a captured call, as printed and as the program says."""
    with np.errstate(all="ignore"):
        program = capture(f, args, {})
    layouts = {
        feed.value: "F"
        for feed in program.feeds
        if feed.kind == "argument"
        and args[feed.position].flags.f_contiguous
        and not args[feed.position].flags.c_contiguous
    }
    got = Entry(program, layouts, threads, interpreted=True).run(args)
    known = evaluate(program, {f.value: args[f.position] if f.kind == "argument" else f.array for f in program.feeds})
    return got, program.rebuild([known[v] for v in program.outputs])


def close(a: Any, b: Any, scale: float = 1.0) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    u = np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0.0
    assert np.array_equal(np.isnan(a), np.isnan(b))
    fine = np.isfinite(b)
    assert np.array_equal(a[~fine & ~np.isnan(b)], b[~fine & ~np.isnan(b)])
    size = max(float(np.abs(b[fine]).max(initial=0.0)), scale)
    assert np.abs(a[fine] - b[fine]).max(initial=0.0) <= 256 * u * size


def both(program: Program) -> Any:
    def f(a: Any, b: Any) -> Any:
        return mg.value_and_grad(
            lambda a, b: np.sum(program(np, a, b) * np.cos(np.arange(12.0)).reshape(3, 4)), (0, 1)
        )(a, b)

    return f


@given(programs(), seeds)
@settings(max_examples=40, deadline=None)
def test_random_programs_with_their_gradients(program: Program, seed: int) -> None:
    a, b = inputs_of(seed)
    assume(margin(program(np, Tensor(a), Tensor(b))) >= 1e-6)
    (value, grads), (expected, wanted) = interpreted(both(program), a, b)
    close(value, expected)
    for g, w in zip(grads, wanted, strict=True):
        close(g, w)


@given(st.lists(st.tuples(st.sampled_from(tuple(OPERATIONS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6),
       seeds, st.sampled_from([np.float32, np.float64]), st.sampled_from(["C", "F"]))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_layouts_and_dtypes(steps: Any, seed: int, dtype: Any, order: str) -> None:
    program = Program(tuple(steps))
    a, b = (np.array(x, dtype, order=order) for x in inputs_of(seed))
    assume(margin(program(np, Tensor(a), Tensor(b))) >= 1e-3)
    got, expected = interpreted(lambda a, b: program(np, a, b), a, b)
    close(got, expected)


# ---- every primitive -------------------------------------------------------------------------------------------

SAMPLES: dict[str, tuple[Any, ...]] = {
    "sum": (lambda x: np.sum(x, axis=1),), "max": (lambda x: np.max(x, axis=0),), "pow": (lambda x: abs(x) ** 1.7,),
    "sqrt": (lambda x: np.sqrt(abs(x)),), "log": (lambda x: np.log(abs(x) + 0.1),),
    "reciprocal": (lambda x: 1.0 / x,), "neg": (lambda x: -x,), "exp": (np.exp,), "tanh": (np.tanh,), "abs": (abs,),
    "sign": (np.sign,), "add": (lambda x: x + x[::-1],), "sub": (lambda x: x - x[::-1],), "mul": (lambda x: x * x[::-1],),
    "maximum": (lambda x: np.maximum(x, x[::-1]),), "where": (lambda x: np.where(x > 0, x, -2.0 * x),),
    "matmul": (lambda x: x @ x.T,), "reshape": (lambda x: x.reshape(2, 6),), "transpose": (lambda x: x.T * 2.0,),
    "broadcast": (lambda x: np.broadcast_to(x[0], (5, 4)),), "gather": (lambda x: x[1:, ::2],),
    "scatter": (lambda x: mg.grad(lambda y: np.sum(y[np.array([0, 0, 2])] ** 2))(x),),
    "concatenate": (lambda x: np.concatenate([x, 2.0 * x]),), "cast": (lambda x: x.astype(np.float32) * 2.0,),
    "greater": (lambda x: np.where(x > x[::-1], 1.0, x),), "greater_equal": (lambda x: np.where(x >= 0, 1.0, x),),
    "less": (lambda x: np.where(x < 0.5, 1.0, x),), "less_equal": (lambda x: np.where(x <= 0.5, 1.0, x),),
    "equal": (lambda x: np.where(np.equal(x, x), 1.0, x),), "not_equal": (lambda x: np.where(np.not_equal(x, 0), 1.0, x),),
}  # fmt: skip


def test_every_primitive_has_a_sample() -> None:
    assert set(SAMPLES) == set(TABLE)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_primitive_forward_and_backward(name: str) -> None:
    (f,) = SAMPLES[name]
    x = np.random.default_rng(3).standard_normal((3, 4)) + 0.05

    def run(x: Any) -> Any:
        weights = lambda y: np.cos(np.arange(float(np.prod(y.shape)))).reshape(y.shape)
        return f(x), mg.grad(lambda x: np.sum(f(x) * weights(f(x))))(x)

    got, expected = interpreted(run, x)
    for g, e in zip(got, expected, strict=True):
        close(g, e)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"scatter"}))
def test_nan_and_infinity_go_where_numpy_sends_them(name: str) -> None:
    (f,) = SAMPLES[name]
    for special in (np.nan, np.inf, -np.inf, 0.0, -0.0):
        x = np.random.default_rng(4).standard_normal((3, 4))
        x[1, 2] = special
        got, expected = interpreted(f, x)
        close(got, expected)


# ---- entries that only move ------------------------------------------------------------------------------------

items = st.one_of(
    st.just(None), st.just(Ellipsis), st.integers(-3, 2),
    st.builds(slice, st.none() | st.integers(-4, 4), st.none() | st.integers(-4, 4), st.sampled_from([None, 1, 2, -1, -2])),
)  # fmt: skip


def moved(x: Any, how: str, index: Any) -> Any:
    if how == "joined":
        return np.concatenate([np.exp(x), x.T.reshape(x.shape), x[:1]], axis=0)
    if how == "stacked":
        return np.concatenate([np.exp(x), 2.0 * x, np.sum(x, axis=-1, keepdims=True)], axis=-1)
    if how == "reshape":
        return (x.T * 2.0).reshape(-1)
    if how == "flat":
        return np.tanh(x).reshape(-1)[index]
    return np.exp(x)[index]


@settings(max_examples=120, deadline=None)
@given(
    shape=st.lists(st.integers(3, 4), min_size=1, max_size=3),
    index=st.lists(items, min_size=1, max_size=4),
    how=st.sampled_from(["slices", "flat", "reshape", "joined", "stacked", "slices"]),
    order=st.sampled_from("CF"),
    dtype=st.sampled_from(["f4", "f8"]),
    threads=st.integers(1, 2),
)
def test_entries_that_move(shape: list[int], index: list[Any], how: str, order: str, dtype: str, threads: int) -> None:
    """Forward, and backward, which moves them back; without a step by NumPy."""
    rng = np.random.default_rng(len(index))
    x = np.array(rng.standard_normal(shape), dtype, order=order)  # type: ignore[call-overload]
    at: Any = tuple(index)
    if how == "flat":
        at = rng.integers(-x.size, x.size, 7)
    try:
        assume(moved(x, how, at).size)
    except IndexError:
        reject()
    weights = np.asarray(rng.standard_normal(moved(x, how, at).shape), dtype)

    def f(x: Any, weights: Any) -> Any:
        return moved(x, how, at) * weights, mg.grad(lambda x: np.sum(moved(x, how, at) * weights))(x)

    got, expected = interpreted(f, x, weights, threads=threads)
    for g, e in zip(got, expected, strict=True):
        close(g, e)


def test_moves_are_printed_and_what_is_no_move_is_left_to_numpy() -> None:
    def steps(f: Any, *args: Any) -> list[str]:
        with np.errstate(all="ignore"):
            lowered = lower(capture(f, args, {}), {}, 1)
        return [step.op if isinstance(step, Equation) else "native" for step in lowered.steps]

    x, places = np.ones((3, 4)), np.array([0, 5, 5, 2])
    assert steps(lambda x: np.tanh(x)[::-1, 1:] * 2.0, x) == ["native"]
    assert steps(lambda x: np.tanh(x).reshape(-1)[places] * 2.0, x) == ["native"]
    assert steps(lambda x: (np.tanh(x).T * 2.0).reshape(-1) * 2.0, x) == ["native"]
    assert steps(lambda x: np.tanh(x)[np.array([0, 2])] * 2.0, x) == ["native", "gather", "native"]
    assert steps(lambda x: np.concatenate([np.tanh(x), x]) * 2.0, x) == ["native"]


# ---- graphs that grow ------------------------------------------------------------------------------------------


GRAPHS, STEPS = (int(n) for n in os.environ.get("GROWN", "15x12").split("x"))
"""How many graphs are grown, and to how many operations: ``GROWN=125x100`` for the long run."""


class Growing(RuleBasedStateMachine):
    """A graph of the table's primitives over random shapes, axes, layouts and dtypes, compiled as it grows."""

    @initialize(seed=seeds, shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), dtype=st.sampled_from(["f4", "f8"]),
                order=st.sampled_from("CF"))  # fmt: skip
    def begin(self, seed: int, shape: list[int], dtype: str, order: str) -> None:
        rng = np.random.default_rng(seed)
        self.inputs = [np.array(rng.standard_normal(shape), dtype, order=order) for _ in range(2)]
        self.inputs.append(np.array(rng.standard_normal(shape[-1:]), dtype))
        self.steps: list[Any] = []
        self.dirty = True

    def values(self, inputs: Any) -> list[Any]:
        known = list(inputs)
        for step in self.steps:
            known.append(step(known))
        return known

    @rule(op=st.sampled_from(["add", "sub", "mul", "maximum"]), a=st.integers(0, 99), b=st.integers(0, 99))
    def pair(self, op: str, a: int, b: int) -> None:
        def step(known: list[Any]) -> Any:
            x, y = known[a % len(known)], known[b % len(known)]
            try:
                np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                y = x
            return {"add": lambda: x + y, "sub": lambda: x - y, "mul": lambda: 0.5 * x * y,
                    "maximum": lambda: np.maximum(x, y)}[op]()  # fmt: skip

        self.add(step)

    @rule(
        op=st.sampled_from(["neg", "tanh", "exp", "sqrt", "log", "reciprocal", "where", "square"]), a=st.integers(0, 99)
    )
    def alone(self, op: str, a: int) -> None:
        def step(known: list[Any]) -> Any:
            x = known[a % len(known)]
            return {"neg": lambda: -x, "tanh": lambda: np.tanh(x), "exp": lambda: np.exp(-abs(x)),
                    "sqrt": lambda: np.sqrt(x * x + 1.0), "log": lambda: np.log(1.0 + x * x), "square": lambda: 0.3 * x**2,
                    "reciprocal": lambda: 1.0 / (2.0 + x * x), "where": lambda: np.where(x > 0, x, 0.1 * x)}[op]()  # fmt: skip

        self.add(step)

    @rule(op=st.sampled_from(["sum", "mean", "var", "max", "centre"]), a=st.integers(0, 99), axis=st.integers(0, 3),
          keepdims=st.booleans())  # fmt: skip
    def fold(self, op: str, a: int, axis: int, keepdims: bool) -> None:
        def step(known: list[Any]) -> Any:
            x = known[a % len(known)]
            over = None if axis == 3 or not x.shape else axis % len(x.shape)
            if op == "centre":
                return x - np.mean(x, axis=over, keepdims=True)
            return {"sum": np.sum, "mean": np.mean, "var": np.var, "max": np.max}[op](x, axis=over, keepdims=keepdims)

        self.add(step)

    @rule(op=st.sampled_from(["transpose", "column", "flat", "first"]), a=st.integers(0, 99))
    def move(self, op: str, a: int) -> None:
        def step(known: list[Any]) -> Any:
            x = known[a % len(known)]
            if not x.shape:
                return x * 1.5
            return {"transpose": lambda: x.T, "column": lambda: x[..., None] * 2.0, "flat": lambda: x.reshape(-1),
                    "first": lambda: x[:1]}[op]()  # fmt: skip

        self.add(step)

    def add(self, step: Any) -> None:
        if len(self.steps) < STEPS:
            self.steps.append(step)
            self.dirty = True

    @precondition(lambda self: getattr(self, "dirty", False))
    @invariant()
    def compiled_equals_eager(self) -> None:
        self.dirty = False

        def f(*inputs: Any) -> Any:
            known = self.values(inputs)
            total = sum((np.sum(np.tanh(v)) for v in known[3:]), np.sum(known[0]))
            return known[-1] * 1.0, total

        def with_gradients(*inputs: Any) -> Any:
            return f(*inputs), mg.grad(lambda *i: f(*i)[1], (0, 1, 2))(*inputs)

        ties = margin(f(*(Tensor(x) for x in self.inputs))[1])
        got, expected = interpreted(f if ties < 1e-3 else with_gradients, *self.inputs)
        for g, e in zip(_leaves(got), _leaves(expected), strict=True):
            close(g, e)


def _leaves(tree: Any) -> list[Any]:
    return [leaf for part in tree for leaf in _leaves(part)] if isinstance(tree, (tuple, list)) else [tree]


TestGrowing = Growing.TestCase
TestGrowing.settings = settings(max_examples=GRAPHS, stateful_step_count=STEPS + 2, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    spread=st.lists(st.booleans(), min_size=4, max_size=4),
    over=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    fold=st.sampled_from([np.sum, np.max, np.mean]),
    keepdims=st.booleans(),
    threads=st.integers(1, 2),
)
def test_folds_of_what_was_broadcast(
    shape: list[int], spread: list[bool], over: list[int], fold: Any, keepdims: bool, threads: int
) -> None:
    """A fold that is the same all along an axis is stored along all of it: nothing it is made of runs over that axis."""
    axes = tuple({axis % len(shape) for axis in over})
    small = [1 if flat else size for size, flat in zip(shape, spread, strict=False)]
    x, y = np.random.default_rng(0).standard_normal(small), np.random.default_rng(1).standard_normal(shape)

    def f(x: Any, y: Any) -> Any:
        folded = fold(np.broadcast_to(x, shape), axis=axes, keepdims=keepdims)
        return (
            folded,
            2.0 * fold(np.broadcast_to(np.tanh(x), shape), axis=axes, keepdims=True) * y,
            np.sum(y, axis=axes),
        )

    got, expected = interpreted(f, x, y, threads=threads)
    for g, e in zip(got, expected, strict=True):
        close(g, e)


def test_a_factor_taken_out_of_a_sum_over_what_was_broadcast() -> None:
    """Grown by the machine above, then cut down."""
    rng = np.random.default_rng(377)
    a, b = (np.asarray(x, np.float32) for x in rng.standard_normal((2, 4, 1, 2)))

    def f(a: Any, b: Any) -> Any:
        centred = b - np.mean(b, axis=2, keepdims=True)
        column = b[..., None] * 2.0
        again = centred - np.mean(centred, axis=0, keepdims=True)
        total = np.sum(0.5 * a * column, axis=0, keepdims=True)
        return total * 1.0, np.sum(np.tanh(again)) + np.sum(a)

    for g, e in zip(*interpreted(f, a, b), strict=True):
        close(g, e)


def test_a_number_is_not_the_value_that_is_counted_alike() -> None:
    """Value 2 times itself and value 2 times 2.0 are two things; so are 0.0 and -0.0."""

    def f(*inputs: Any) -> Any:
        def g(a: Any, b: Any, x: Any) -> Any:
            return np.sum(np.tanh(0.3 * x**2)) + np.sum(a) + np.sum(b)

        return mg.grad(g, (0, 1, 2))(*inputs)

    got, expected = interpreted(f, *(np.array([0.5 + i]) for i in range(3)))
    for g, e in zip(got, expected, strict=True):
        close(g, e)
    signs = mg.compile(lambda x: (x * 0.0, x * -0.0))(np.ones(3))
    assert [np.signbit(s).all() for s in signs] == [False, True]


# ---- the checks can fail ---------------------------------------------------------------------------------------


def test_close_notices_a_wrong_number_a_dtype_and_a_nan() -> None:
    for a, b in (([1.0, 2.0 + 1e-12], [1.0, 2.0]), ([np.nan], [1.0]), ([np.inf], [-np.inf])):
        with pytest.raises(AssertionError):
            close(np.array(a), np.array(b))
    with pytest.raises(AssertionError):
        close(np.ones(2, np.float32), np.ones(2))


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 1), (1, 2), (0, 2)])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fold_of_an_array_in_fortran_order_keeps_its_axes(axis: Any, threads: int) -> None:
    """Its loops run in the order of memory, which is not that of the axes of the result."""
    x = np.asfortranarray(np.random.default_rng(0).standard_normal((3, 4, 5)))

    def f(x: Any) -> Any:
        s, m = np.sum(x, axis=axis), np.max(x, axis=axis)
        return s * 1.0, m, s, np.sum(np.tanh(s)) + np.sum(x)

    got, expected = interpreted(f, x, threads=threads)
    for g, e in zip(got, expected, strict=True):
        close(g, e)
    for g, e in zip(mg.compile(f, threads=threads)(x), expected, strict=True):
        close(g, e)
