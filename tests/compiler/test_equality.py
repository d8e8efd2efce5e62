"""Compiled equals eager: what is printed, run as plain Python, over random graphs and every primitive."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from compiled import close, interpreted
from filled import FILLS
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from strategies import OPERATIONS, Program, inputs_of, margin, programs, seeds

import micrograd as mg
from micrograd.compiler.backends import memory
from micrograd.compiler.codegen.lower import lower
from micrograd.engine import Tensor
from micrograd.primitives import TABLE, Primitive
from micrograd.program.capture import capture
from micrograd.program.program import Equation

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True, params=FILLS)
def _unset_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this file runs twice, with memory filled with NaN and with a pattern."""
    monkeypatch.setattr(memory, "unset", FILLS[request.param])


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


INTO = {"positive": lambda x: abs(x) + 0.3, "inside": lambda x: 0.3 * np.tanh(x), "above 1": lambda x: abs(x) + 1.3,
        "large": lambda x: abs(x) + 9.0, "nonzero": lambda x: x, "real": lambda x: x}  # fmt: skip


def _sample(row: Primitive) -> Any:
    """A row that is a function of one or two arrays or a scan: of x, and of x upside down."""
    attrs = {"axis": 1} if row.kind == "scan" else {}
    return lambda x: x * row(*(INTO[kind](y) for kind, y in zip(row.domain, (x, x[::-1]), strict=False)), **attrs)


SAMPLES |= {name: (_sample(row),) for name, row in TABLE.items() if name not in SAMPLES and row.kind in ("map", "scan")}


def test_every_primitive_has_a_sample() -> None:
    assert set(SAMPLES) == {name for name, row in TABLE.items() if row.kind != "call"}  # those are NumPy's own


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


def floats(x: Any) -> Any:
    """Truth values and whole numbers as floats."""
    return x if x.dtype.kind == "f" else x * 0.5


def fit(*arrays: Any) -> bool:
    """Whether shapes broadcast."""
    try:
        np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        return False
    return True


def exact(known: list[Any], place: int) -> Any:
    """A value that was computed without rounding, so that every way of computing compares it alike."""
    x = known[place % len(known)]
    return x if x.dtype.kind in "bi" else known[place % 3]


def truth(known: list[Any], place: int) -> Any:
    """A value that was computed without rounding as truth values."""
    x = exact(known, place)
    return x if x.dtype.kind == "b" else x > 0.25


COMPARED: dict[str, Any] = {
    "number": lambda x, y, number: np.equal(x, number),
    "not number": lambda x, y, number: np.not_equal(number, x),
    "above": lambda x, y, number: x > number,
    "below": lambda x, y, number: x * 1.0 <= number,
    "itself": lambda x, y, number: x >= x * 1,
    "number first": lambda x, y, number: number > x,
    "two": lambda x, y, number: x < y,
}
CHOSEN: dict[str, Any] = {
    "where": lambda x, y, m: np.where(m, x, y),
    "numbers": lambda x, y, m: np.where(m, 1, 0.25) * m,
    "whole": lambda x, y, m: np.where(m, 1, 0),
    "zero": lambda x, y, m: np.where(m, x, 0),
    "times": lambda x, y, m: m * x,
    "rest": lambda x, y, m: x * (1 - m) + 1.0 * m,
    "share": lambda x, y, m: np.sum(m * x) / (np.sum(m) + 1),
    "and": lambda x, y, m: m & (y > y * 2) if y.dtype.kind != "f" else m & m,
}
SCALED: dict[str, Any] = {
    "1.0": lambda m: m * 1.0, "1": lambda m: 1 * m, "True": lambda m: m * True, "/1": lambda m: m / 1, "/3": lambda m: m / 3,
    "+0": lambda m: m + 0, "1-": lambda m: 1 - m, "square": lambda m: (m * 1) ** 2, "not": lambda m: ~m,
    "or": lambda m: m | ~m, "xor": lambda m: m ^ m, "float32": lambda m: m.astype(np.float32),
    "int8": lambda m: m.astype(np.int8) * 100 + m, "uint8": lambda m: m.astype(np.uint8) * 200 * 2, "minus": lambda m: -(m * 1.0),
    "one": lambda m: np.sum(m[:1], axis=0) if m.shape else m, "root": lambda m: np.sqrt(m * 4), "sum": lambda m: m + m,
}  # fmt: skip


class Known(list[Any]):
    """The values of a run so far, and its whole numbers."""

    whole: Any


class Growing(RuleBasedStateMachine):
    """A graph of the table's primitives over random shapes, axes, layouts and dtypes, compiled as it grows.

    Among its inputs are truth values and whole numbers; what is computed of them has the dtype that NumPy gives it.
    """

    most = 1 << 62
    """Two arrays that broadcast to more entries than this are not paired."""

    @initialize(seed=seeds, shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), dtype=st.sampled_from(["f4", "f8"]),
                order=st.sampled_from("CF"))  # fmt: skip
    def begin(self, seed: int, shape: list[int], dtype: str, order: str) -> None:
        rng = np.random.default_rng(seed)
        self.inputs = [np.array(rng.standard_normal(shape), dtype, order=order) for _ in range(2)]
        self.inputs.append(np.array(rng.standard_normal(shape[-1:]), dtype))
        self.inputs.append(np.array(rng.integers(0, 2, shape), bool, order=order))
        self.inputs.append(rng.integers(-3, 4, shape[-1:]).astype(rng.choice(["i1", "u1", "i4", "u4", "i8"])))
        self.steps: list[Any] = []
        self.dirty = True

    def values(self, inputs: Any) -> list[Any]:
        known = Known(inputs[:-1])
        known.whole = inputs[-1]  # whole numbers stand beside floats and never alone
        for step in self.steps:
            known.append(step(known))
        return known

    @rule(op=st.sampled_from(["add", "sub", "mul", "maximum"]), a=st.integers(0, 99), b=st.integers(0, 99))
    def pair(self, op: str, a: int, b: int) -> None:
        def step(known: list[Any]) -> Any:
            x, y = known[a % len(known)], known[b % len(known)]
            fits = fit(x, y) and np.prod(np.broadcast_shapes(x.shape, y.shape), dtype=int) <= self.most
            y = y if fits else x
            return {"add": lambda: x + y, "sub": lambda: floats(x) - y, "mul": lambda: 0.5 * x * y,
                    "maximum": lambda: np.maximum(x, y)}[op]()  # fmt: skip

        self.add(step)

    @rule(
        op=st.sampled_from(["neg", "tanh", "exp", "sqrt", "log", "reciprocal", "where", "square"]), a=st.integers(0, 99)
    )
    def alone(self, op: str, a: int) -> None:
        def step(known: list[Any]) -> Any:
            x = floats(known[a % len(known)])
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

    @rule(
        op=st.sampled_from([*COMPARED]), a=st.integers(0, 99), b=st.integers(0, 99), number=st.sampled_from([1, 0.5, 2])
    )
    def compare(self, op: str, a: int, b: int, number: float) -> None:
        def step(known: list[Any]) -> Any:
            x, y = exact(known, a), exact(known, b)
            return COMPARED[op](x, y if fit(x, y) else x, number)

        self.add(step)

    @rule(op=st.sampled_from([*CHOSEN]), a=st.integers(0, 99), b=st.integers(0, 99), mask=st.integers(0, 99))
    def choose(self, op: str, a: int, b: int, mask: int) -> None:
        def step(known: list[Any]) -> Any:
            x, m = known[a % len(known)], truth(known, mask)
            y = known[b % len(known)]
            return CHOSEN[op](x, y, m) if fit(x, y, m) else CHOSEN[op](m, m, m)

        self.add(step)

    @rule(op=st.sampled_from([*SCALED]), a=st.integers(0, 99))
    def scale(self, op: str, a: int) -> None:
        self.add(lambda known: SCALED[op](truth(known, a)))

    @rule(op=st.sampled_from([np.any, np.all, np.min, np.sum, np.mean]), a=st.integers(0, 99), axis=st.integers(0, 3),
          keepdims=st.booleans())  # fmt: skip
    def count(self, op: Any, a: int, axis: int, keepdims: bool) -> None:
        def step(known: list[Any]) -> Any:
            m = truth(known, a)
            return op(m, axis=None if axis == 3 or not m.shape else axis % len(m.shape), keepdims=keepdims)

        self.add(step)

    @rule(op=st.sampled_from(["+", "*", ">", "max", "where"]), a=st.integers(0, 99))
    def beside_whole(self, op: str, a: int) -> None:
        def step(known: Known) -> Any:
            k, x = known.whole, floats(known[a % 4])
            return {"+": lambda: x + k, "*": lambda: k * x, ">": lambda: x > k, "max": lambda: np.maximum(k, x),
                    "where": lambda: np.where(x > 0.5, k, x)}[op]()  # fmt: skip

        self.add(step)

    @rule(a=st.integers(0, 99), b=st.integers(0, 99))
    def product(self, a: int, b: int) -> None:
        def step(known: list[Any]) -> Any:
            x, y = known[a % len(known)], known[b % len(known)]
            if len(x.shape) != 2 or len(y.shape) != 2 or x.shape[0] != y.shape[0]:
                return x + x
            return 0.1 * (x.T @ y)

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
            last = known[-1]
            total = sum((np.sum(np.tanh(floats(v))) for v in known[3:]), np.sum(known[0]))
            return last * 1.0 if last.dtype.kind == "f" else last, total

        def with_gradients(*inputs: Any) -> Any:
            return f(*inputs), mg.grad(lambda *i: f(*i)[1], (0, 1, 2))(*inputs)

        given = list(self.inputs)
        with np.errstate(all="ignore"):
            coarsest = min((v.dtype for v in self.values(given) if v.dtype.kind == "f"), key=lambda d: d.itemsize)
            plain = f(*given)
        ties = margin(f(*map(Tensor, given[:3]), *given[3:])[1], exact=True)
        got, expected = interpreted(f if ties < 1e-3 else with_gradients, *given)
        for g, e in zip(_leaves(got), _leaves(expected), strict=True):
            close(g, e, coarsest=coarsest)
        for g, e in zip(_leaves(got), plain, strict=False):
            close(g, e, coarsest=coarsest)


def _leaves(tree: Any) -> list[Any]:
    return [leaf for part in tree for leaf in _leaves(part)] if isinstance(tree, (tuple, list)) else [tree]


def test_graphs_that_grow() -> None:
    run_state_machine_as_test(
        Growing, settings=settings(max_examples=GRAPHS, stateful_step_count=STEPS + 2, deadline=None)
    )


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
