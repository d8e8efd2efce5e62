"""Truth values and whole numbers in compiled functions: the values and the dtypes that NumPy gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import one_equation
import pytest
from compiled import close, interpreted
from filled import FILLS

import micrograd as mg
from micrograd import functional
from micrograd.compiler.backends import memory
from micrograd.compiler.backends.native import Entry
from micrograd.compiler.codegen import segment
from micrograd.compiler.codegen.lower import optimised
from micrograd.compiler.optimize import algebra
from micrograd.compiler.optimize.rewriter import rewrite
from micrograd.errors import DTypeError
from micrograd.primitives import TABLE
from micrograd.program.capture import capture
from micrograd.program.indices import positions_fed
from micrograd.program.program import Program, evaluate

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.filterwarnings("ignore:.* cannot be fused:RuntimeWarning")

Function = Callable[..., Any]

CALLS = {row.name for row in TABLE.values() if re.fullmatch(r"(?!sqrt|abs)\w+\(\{0\}(, \{1\})?\)", row.scalar)}
"""Rows that are printed as one call, all alike; `tests/numpy_api/test_elementary.py` compiles them together."""
EXACT = {"floor", "ceil", "trunc", "rint", "remainder", "floor_divide", "fmod", "copysign", "fmax", "fmin"}
ROUNDED = {"exp", "log", "pow", "tanh", *CALLS} - EXACT
"""Rows whose last digits may differ from NumPy's; all others are exact."""


def known_of(program: Program, given: dict[int, Any]) -> dict[int, Any]:
    constants = {feed.value: feed.array for feed in program.feeds if feed.kind == "constant"}
    return evaluate(program, {**given, **constants})


# ---- rewriting -------------------------------------------------------------------------------------------------

REWRITES: dict[str, Callable[[Program], Program]] = {
    "identities": lambda program: rewrite(program)[0],
    "picked": lambda program: rewrite(program, algebra.picked)[0],
    "centred": lambda program: rewrite(program, algebra.centred())[0],
    "factored": lambda program: rewrite(program, algebra.factored())[0],
    "positions": positions_fed,
    "all": lambda program: optimised(program)[0],
}


def test_every_rule_is_held_to_the_laws() -> None:
    assert set(algebra.__all__) <= set(REWRITES)


def as_declared(program: Program, known: dict[int, Any]) -> None:
    """Each value has the shape and the dtype that the program says."""
    for at, value in enumerate(program.values):
        if at in known:
            assert (np.shape(known[at]), np.asarray(known[at]).dtype.name) == (value.shape, value.dtype)


@pytest.mark.parametrize("name", REWRITES)
@pytest.mark.parametrize(("row", "make"), one_equation.programs(), ids=[n for n, _ in one_equation.programs()])
def test_a_rewrite_keeps_value_and_dtype(row: str, make: Function, name: str) -> None:
    program, given = make(row)
    after = REWRITES[name](program)
    wanted, known = known_of(program, given), known_of(after, given)
    as_declared(after, known)
    for old, new in zip(program.outputs, after.outputs, strict=True):
        assert np.asarray(known[new]).dtype == np.asarray(wanted[old]).dtype
        assert np.array_equal(known[new], wanted[old], equal_nan=np.asarray(wanted[old]).dtype.kind == "f")


# ---- printing --------------------------------------------------------------------------------------------------


def same_as_numpy(program: Program, given: dict[int, Any], *, interpreted: bool) -> None:
    wanted = known_of(program, given)
    got = Entry(program, {}, 1, interpreted=interpreted).run([given[feed.value] for feed in program.feeds])
    for g, out in zip(got, program.outputs, strict=True):
        w = np.asarray(wanted[out])
        if program.name in ROUNDED and w.dtype.kind == "f":
            close(g, w, scale=0.0)
        else:
            assert (g.shape, g.dtype) == (w.shape, w.dtype)
            assert np.array_equal(g, w, equal_nan=w.dtype.kind == "f")


@pytest.mark.parametrize(("row", "make"), one_equation.programs(), ids=[n for n, _ in one_equation.programs()])
def test_what_is_printed_computes_as_numpy(row: str, make: Function) -> None:
    same_as_numpy(*make(row), interpreted=True)


@pytest.mark.parametrize(("row", "make"), one_equation.programs(), ids=[n for n, _ in one_equation.programs()])
def test_machine_code_computes_as_numpy(row: str, make: Function) -> None:
    if row == "where":  # three operands of eleven dtypes each are too many to compile
        same_as_numpy(*one_equation.elementwise(row, ("bool", "int8", "float32"), (0.5,)), interpreted=False)
    else:
        same_as_numpy(*make(row), interpreted=False)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_have_numpys_values_and_signs_at_the_ends(dtype: str) -> None:
    ends = [-np.inf, -0.0, 0.0, np.inf, np.nan, -1.0, 4.0, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).tiny]
    x = np.array(ends, dtype)

    def f(x: Any) -> Any:
        return [x**exponent for exponent in (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 1.5)] + [np.float_power(x, 0.5)]

    with np.errstate(all="ignore"):
        wanted, machine, printed = f(x), mg.compile(f)(x), interpreted(f, x)[0]
        for got in (machine, printed):
            for g, w in zip(got, wanted[: 10 if got is machine else 9], strict=False):  # NumPy takes roots of scalars
                assert np.array_equal(np.signbit(g[w == w]), np.signbit(w[w == w]))
                np.testing.assert_allclose(g, w, rtol=4 * np.finfo(dtype).eps)


# ---- what people write -----------------------------------------------------------------------------------------

LABELS = np.array([0, 1, 2, 3, 1, 0])


def scaled(x: Any, m: Any) -> Any:
    kinds = m * 1.0, 1.0 * m, m * 1, m / 1, m * True, m + 0, m - 0.0, m**1, m**2, m**2.0, 1 - m, -(m * 1), m + m, m * m
    more = 2.5 * m, np.float32(2) * m, np.int16(2) * m, m * np.array([1, 2, 3, 4]), m * np.arange(4.0), m / 3, x * m * 1
    return *kinds, *more, (x > 0.5) * 1.0, (x > 0.5) * x, (x > 0.5) / 1


def counted(x: Any, m: Any) -> Any:
    whole = (
        np.sum(m),
        np.sum(m, axis=0),
        np.sum(m * 1, axis=1, keepdims=True),
        np.count_nonzero(m),
        np.sum(m[:1], axis=0),
    )
    truth = np.max(m), np.max(m, axis=0), np.min(m, axis=1), np.any(m, axis=0), np.all(m), m.any(), m.all(axis=1)
    share = (
        np.mean(m),
        np.mean(x > 0.5, axis=0),
        np.mean(m * 1.0, axis=1),
        np.var(m * 1.0, axis=0),
        np.mean(m == (x > 0.5)),
    )
    more = (
        np.sum(m) * 2,
        np.sum(m) + 1,
        np.sum(m) - np.sum(x > 0.5),
        np.prod(m[:3], axis=0),
        np.cumsum(m[0]),
        np.sum(m) / 7,
    )
    return (
        *whole,
        *truth,
        *share,
        *more,
        np.sum(m * 1.0),
        np.max(m * 1.0),
        np.prod(m[:2] * 1.0),
        np.sum(m.astype(np.int8)),
    )


def multiplied(x: Any, m: Any) -> Any:
    left = m.T @ x, x.T @ m, (m * 1.0).T @ x, (m * 1.0).T @ (m * 1.0), (m * 1).T @ (m * 1), m.T @ m, m.T @ (x > 0.5)
    inner = np.dot(m[0], m[0]), np.dot(m[0] * 1, m[0] * 1), np.dot(m[0], x[0]), np.outer(m[0], x[0]), m[:2] @ np.eye(4)
    return *left, *inner, np.einsum("ij,ij->i", m * 1.0, x)[:5], (m.astype(np.float32)).T @ (x > 0.5).astype(np.float32)


def compared(x: Any, m: Any) -> Any:
    numbers = (
        m == 2,
        m == 1,
        np.equal(m, True),
        m != 0,
        m > 0.5,
        m >= 1,
        m < 0.5,
        m <= 0,
        m == 0.5,
        np.less(0.5, m),
        m == np.float32(0.5),
    )
    whole = (
        np.sum(m) > 2.5,
        np.sum(m, axis=0) <= 1.5,
        (m * 3) < 2.5,
        (m * 3) == 3,
        (m * 1) >= -300,
        m.astype(np.uint8) < 300,
    )
    return (
        *numbers,
        *whole,
        m == (x > 0.5),
        m != (x > 0.5),
        m > (x > 0.5),
        m < x,
        (m * 1.0) == 1,
        x > np.array([1, 0, 2, -1]),
    )


def chosen(x: Any, m: Any) -> Any:
    floats = (
        np.where(m, x, 0.0),
        np.where(m > 0.5, x, 0),
        np.where(m == 2, x, -x),
        np.where(m * 1.0, x, 1),
        np.where(m, 0.5, 1),
    )
    others = (
        np.where(m, 1, 0),
        np.where(m, True, False),
        np.where(m, x > 0.5, 1),
        np.where(m, x > 0.5, m),
        np.where(m, m, 0.5),
    )
    return (
        *floats,
        *others,
        np.where(m * 1, m * 1, 2),
        np.maximum(m, 0.5),
        np.maximum(m, x > 1),
        np.minimum(m, 1),
        np.clip(m, 0, 0.5),
    )


def logical(x: Any, m: Any) -> Any:
    low = x < 0.75
    signs = m & low, m | low, m ^ low, ~m, m & np.array([True, False, True, True]), True & m, m | False
    named = np.logical_and(x, m), np.logical_or(m, low), np.logical_xor(m, x), np.logical_not(x), np.bitwise_and(m, low)
    return (
        *signs,
        *named,
        np.invert(m),
        (m & low) * 1.0,
        np.sum(m & low),
        np.mean(~m),
        x * (m & ~low),
        np.logical_or(x - x, m * 1),
    )


def cast(x: Any, m: Any) -> Any:
    dtypes = bool, np.int8, np.int32, int, np.uint8, np.uint16, np.uint64, np.float16, np.float32, np.float64
    again = m.astype(np.int8) * 100 + 28, -m.astype(np.uint8), m.astype(np.uint8) * 200 * 2, m.astype(np.uint64) - 1
    around = (
        (m.astype(np.int8) * 100 * 2) * 1.0,
        (m.astype(np.uint8) - 1) > 5,
        -m.astype(np.uint16) * 0.5,
    )  # and read on
    return (
        *(m.astype(d) for d in dtypes),
        *again,
        *around,
        m.astype(float) * x,
        (m * 3).astype(bool),
        (m * 300).astype(np.uint8),
    )


def shares(x: Any, m: Any) -> Any:
    hot = LABELS[: len(x), None] == np.arange(4)
    ways = (
        np.sum(x * m) / np.sum(m),
        np.sum(x * m, axis=0) / np.sum(m, axis=0),
        1 / np.sum(m),
        1 / (np.sum(m) + 1),
        x / (m * 2 + 1),
    )
    means = (
        np.average(x, weights=m),
        np.average(x, weights=m * 1.0),
        np.mean(np.where(m, x, 0.0)),
        np.sum(x * (1 - m)) / 3,
    )
    return (
        *ways,
        *means,
        np.mean(((x > 0.5) * 1.0 - m) ** 2),
        np.sum(x[:6] * hot),
        np.mean((x[:6, 0] > 0.5) == (LABELS == 1)),
    )


def beside(x: Any, m: Any) -> Any:
    k = np.array([1, 0, 2, 3], np.int8)
    return (
        np.where(np.arange(4), k, x),
        np.where(k, m, k),
        x * k,
        k / (x + 1),
        np.where(m, k, 0.5),
        np.where(m, 3, k),
        k @ x.T,
    )


KINDS = [scaled, counted, multiplied, compared, chosen, logical, cast, shares, beside]


def arguments(rows: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(rows)
    return rng.uniform(0, 1, (rows, 4)).astype(dtype), rng.uniform(0, 1, (rows, 4)) > 0.4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", KINDS)
@pytest.mark.parametrize("unset", FILLS)
def test_the_value_and_the_dtype_of_numpy(f: Function, dtype: Any, unset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "unset", FILLS[unset])
    x, m = arguments(6, dtype)
    got, expected = interpreted(f, x, m)
    for results in (got, expected):
        for g, w in zip(results, f(x, m), strict=True):
            close(g, w, coarsest=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", KINDS)
def test_a_captured_program_and_its_rewrites_are_as_they_say(f: Function, dtype: Any) -> None:
    x, m = arguments(6, dtype)
    program = capture(f, (x, m), {})
    given = {feed.value: (x, m)[feed.position] for feed in program.feeds if feed.kind == "argument"}
    for rewritten in (lambda program: program, *REWRITES.values()):
        known = known_of(after := rewritten(program), given)
        as_declared(after, known)
        for out, wanted in zip(after.outputs, f(x, m), strict=True):
            close(known[out], wanted, coarsest=dtype)


@pytest.mark.parametrize("f", KINDS)
def test_machine_code_gives_the_value_and_the_dtype_of_numpy(f: Function) -> None:
    """On more entries than the loops of one thread are for; twice, since a second call finds the memory of the first."""
    x, m = arguments(40_000, np.float32)
    assert x.size >= segment.settings().shared_entries
    step = mg.compile(f, threads=1)
    for _ in range(2):
        for g, w in zip(step(x, m), f(x, m), strict=True):
            close(g, w, coarsest=np.float32)


# ---- gradients of what is masked --------------------------------------------------------------------------------

LOSSES: dict[str, tuple[Function, Function]] = {  # and the gradient, by hand
    "share": (lambda x, m: np.sum(x * x * m) / np.sum(m), lambda x, m: 2 * x * m / m.sum()),
    "own mask": (lambda x, m: np.sum(x * x * (x > 0.5)) / np.sum(x > 0.5), lambda x, m: 2 * x * (x > 0.5) / (x > 0.5).sum()),
    "times one": (lambda x, m: np.mean((m * 1.0) * x**2), lambda x, m: 2 * x * m / x.size),
    "whole": (lambda x, m: np.sum(x * (m * 3 - 1)), lambda x, m: m * 3.0 - 1),
    "chosen": (lambda x, m: np.sum(np.where(m > 0.5, x * x, 0.0)), lambda x, m: 2 * x * m),
    "the rest": (lambda x, m: np.sum(x * x * (1 - m)), lambda x, m: 2 * x * (1 - m)),
    "both": (lambda x, m: np.sum(x * x * (m & (x > 0.5))), lambda x, m: 2 * x * (m & (x > 0.5))),
    "product": (lambda x, m: np.sum((m * 1.0).T @ x), lambda x, m: np.broadcast_to(m.sum(1, keepdims=True), x.shape) * 1.0),
    "one hot": (lambda x, m: np.sum(x[:6] * (LABELS[:, None] == np.arange(4))),
                lambda x, m: np.concatenate([np.eye(4)[LABELS], np.zeros((len(x) - 6, 4))])),
    "weighted": (lambda x, m: np.average(x * x, weights=m), lambda x, m: 2 * x * m / m.sum()),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_a_masked_loss(name: str, dtype: Any) -> None:
    f, by_hand = LOSSES[name]
    x, m = arguments(7, dtype)
    both = mg.value_and_grad(f)
    value, gradient = interpreted(lambda x, m: both(x, m), x, m)[0]
    close(value, f(x, m), coarsest=dtype)
    close(gradient, by_hand(x, m).astype(dtype), coarsest=dtype)
    close(both(x, m)[1], gradient, coarsest=dtype)


def test_machine_code_of_masked_losses_with_their_gradients() -> None:
    x, m = arguments(20_000, np.float64)

    def f(x: Any, m: Any) -> Any:
        return [mg.value_and_grad(loss)(x, m) for loss, _ in LOSSES.values()]

    for (value, gradient), (loss, by_hand) in zip(mg.compile(f, threads=1)(x, m), LOSSES.values(), strict=True):
        close(value, loss(x, m))
        close(gradient, by_hand(x, m))


@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4"), ("f2", "f4"), ("f4", "i8")])
def test_a_gradient_has_the_dtype_of_its_argument(dtypes: Any) -> None:
    """Whatever it was computed with."""
    x, w = (np.array([1, 2, 3]).astype(dtype) for dtype in dtypes)
    g = mg.grad(lambda x, w: np.sum(x * x * w))
    got, expected = interpreted(lambda x, w: g(x, w), x, w)
    assert got.dtype == expected.dtype == g(x, w).dtype == x.dtype
    assert np.array_equal(got, 2 * x * w)


# ---- labels and other whole numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_whole_numbers_of_every_dtype(dtype: str) -> None:
    x, _ = arguments(6, np.float32)
    labels, k = LABELS.astype(dtype), np.array([1, 2, 3, 100]).astype(dtype)

    def f(x: Any, labels: Any, k: Any) -> Any:
        return x[np.arange(6), labels], x * k, k - x, x > k, np.where(x > 0.5, k, x), np.maximum(k, x), k, x.T @ (x > k)

    got = mg.compile(f)(x, labels, k)
    for g, w in zip(got, f(x, labels, k), strict=True):
        close(g, w, coarsest=np.float32)
    loss = mg.value_and_grad(functional.cross_entropy)
    step = mg.compile(loss)
    for g, w in zip(step(x, labels), loss(x, labels), strict=True):
        close(g, w)
    with pytest.raises(IndexError, match="out of range for 4 columns"):
        step(x, labels + np.array([0, 0, 0, 0, 0, 4], dtype))


@pytest.mark.parametrize("dtype", ["i1", "u1"])
def test_more_columns_than_the_labels_can_count(dtype: str) -> None:
    x, labels = np.arange(2 * 300.0).reshape(2, 300), np.array([5, 100], dtype)
    got, _ = interpreted(lambda x, y: (x[np.arange(2), y], mg.grad(lambda x: np.sum(x[np.arange(2), y]))(x)), x, labels)
    assert got[0].tolist() == [5.0, 400.0]
    assert np.flatnonzero(got[1]).tolist() == [5, 400]


@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "u1", "u8"])
def test_whole_numbers_alone_are_those_of_numpy(dtype: str) -> None:
    def f(x: Any, i: Any) -> Any:
        found = i == i, i != i, i.T * x.T, i.cumsum(), abs(i), i % 2 * x, i + i, i * 100, i - 1, np.maximum(i, 1), -i
        return (*found, i // 2, i**2, np.sum(i), np.mean(i), i.max(), x.astype(dtype), np.sort(i)[::-1], i > 1)

    compiled = mg.compile(f, threads=1)
    for x, i in (([0.5, -1.5, 2.0], [0, 1, 2]), ([3.0, 1.5, 0.0], [3, 100, 1])):
        given = np.abs(x), np.array(i, dtype)
        for got, wanted in zip(compiled(*given), f(*given), strict=True):
            np.testing.assert_array_equal(got, wanted)
            assert got.dtype == np.asarray(wanted).dtype


def test_bits_of_whole_numbers_are_refused_where_no_value_is_known() -> None:
    with pytest.raises(DTypeError, match="take truth values"):
        capture(lambda x, i: i & 1, (np.ones(3), np.arange(3)), {})


def test_bits_of_numbers_are_refused() -> None:
    for f in (lambda x: x & (x > 0), lambda x: ~x, lambda x: (x > 0) | (np.sum(x > 0) * 1)):
        with pytest.raises(DTypeError, match=r"&, \|, \^ and ~ take truth values on graph values; got "):
            capture(f, (np.ones(3),), {})


# ---- half precision beside others --------------------------------------------------------------------------------


def test_float16_beside_other_dtypes() -> None:
    b, w = np.array([0.5, 1.0, -2.0], np.float16), np.array([1.0, 2.0, 3.0], np.float32)

    def f(b: Any, w: Any) -> Any:
        return (
            np.max(b) + w * 2,
            b * w,
            (b > 0) * w,
            b * (w > 1),
            np.where(b > 0.25, w, b),
            np.sum(b) * 1.0,
            b[:0] * 1.0,
            w[:0],
        )

    for g, e in zip(mg.compile(f)(b, w), f(b, w), strict=True):
        close(g, e)


# ---- numbers among the arguments ----------------------------------------------------------------------------------


WIDER: dict[str, Callable[..., Any]] = {  # sums whose factor from outside makes the summands wider
    "a number": lambda x, w: np.sum(np.max(w) * x),
    "a column": lambda x, w: np.sum(np.max(w, axis=0) * x, axis=0),
    "beside the narrow sum": lambda x, w: np.stack([np.sum(x[:1]) * 0, np.sum(np.max(w) * x)]),
    "a mean": lambda x, w: np.mean((x - 1) * np.max(w)),
}


@pytest.mark.parametrize("narrow", ["float16", "float32"])
@pytest.mark.parametrize("name", WIDER)
def test_a_sum_is_as_wide_as_its_summands(name: str, narrow: str) -> None:
    """What stands outside of a sum is taken out of it; the sum keeps its digits, and notices an infinity."""
    x = (1 + np.random.default_rng(3).random((300, 5))).astype(narrow)
    w = np.random.default_rng(4).random((300, 5))
    f = WIDER[name]
    np.testing.assert_allclose(mg.compile(f)(x, w), f(x, w), rtol=1e-13)
    x[0], w[0] = 0.0, np.inf
    with np.errstate(invalid="ignore"):
        assert np.array_equal(mg.compile(f)(x, w), f(x, w), equal_nan=True)


def test_numbers_that_compare_alike_but_are_not() -> None:
    step = mg.compile(lambda x, s: x / s)
    with np.errstate(all="ignore"):
        got = [float(step(np.ones(1), s)[0]) for s in (0.0, -0.0, 0.0)]
    assert got == [np.inf, -np.inf, np.inf]
    assert len(step.entries) == 2
    assert all(np.isnan(step(np.ones(1), float(text))[0]) for text in ("nan", "nan"))
    assert len(step.entries) == 3


# ---- the checks can fail ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unset", FILLS)
def test_memory_that_nothing_has_written_shows(unset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "unset", FILLS[unset])
    monkeypatch.setattr(segment.Segment, "action", lambda *_: None)  # computes and stores nothing
    x = np.ones(3)
    for f in (lambda x: x * 2.0, lambda x: np.tanh(x) @ x, lambda x: (x < 0) @ (x < 0), lambda x: x <= 0):
        got, expected = interpreted(f, x)
        with pytest.raises(AssertionError):
            close(got, expected)


def test_a_program_that_says_another_dtype_is_noticed() -> None:
    program, given = one_equation.elementwise("mul", ("bool", "float32"))
    known = known_of(program, given)
    as_declared(program, known)
    known[program.outputs[0]] = known[program.outputs[0]] * 1.0
    with pytest.raises(AssertionError):
        as_declared(program, known)


@pytest.mark.parametrize("name", ["-1 / y", "y / -1", "300 / y", "y > -1", "np.hypot(y, -1)", "np.arctan2(y, -3)"])
def test_a_quotient_or_a_comparison_takes_a_number_that_the_dtype_has_not(name: str) -> None:
    f, y = eval(f"lambda y: {name}", {"np": np}), np.array([3, 1, 2], np.uint8)
    got, wanted = mg.compile(f)(y), f(y)
    assert got.dtype == wanted.dtype
    assert np.array_equal(got, wanted)


def test_a_sum_in_a_dtype_that_has_not_the_number_is_refused_as_in_numpy() -> None:
    for run in (lambda f: f, mg.compile):
        with pytest.raises(OverflowError, match="300 out of bounds for uint8"):
            run(lambda y: y + 300)(np.array([3], np.uint8))


def test_the_sum_of_nothing_is_zero_and_not_minus_zero() -> None:
    f: Any = lambda z: np.arctan2(np.sum(-(z * z + 0.5)), np.sum(-z))
    assert mg.compile(f)(np.array([])) == f(np.array([])) == 0.0
