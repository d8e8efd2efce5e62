"""Kept arrays: used again when dead, never while anybody can still see them."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import micrograd as mg
from micrograd import primitives as p
from micrograd.core import array_pool, scalars
from micrograd.engine import Tensor
from micrograd.primitives import TABLE, Primitive
from micrograd.testing import Case, cases_of
from micrograd.transforms import gradients

ROWS, COLUMNS = 64, 1024  # float64: 512 KB
X = np.arange(ROWS * COLUMNS, dtype=np.float64).reshape(ROWS, COLUMNS) / 1000


@pytest.fixture(autouse=True)
def _empty_pool() -> Iterator[None]:
    array_pool.release()
    yield
    array_pool.release()


def place(x: Any) -> int:
    return int(np.asarray(x).__array_interface__["data"][0])


def test_a_dead_result_is_used_again() -> None:
    x = Tensor(X)
    first = place((x * 2.0).data)
    assert place((x * 3.0).data) == first
    assert array_pool._pool.size == 2 * X.nbytes


def test_a_living_result_is_not() -> None:
    x = Tensor(X)
    kept = x * 2.0
    other = x * 3.0
    assert place(kept.data) != place(other.data)
    assert np.array_equal(kept.data, X * 2.0)


@pytest.mark.parametrize(
    "hold",
    [
        lambda t: t,
        lambda t: t.data,
        lambda t: t.data[3:5],
        lambda t: np.asarray(t.data).T,
        lambda t: memoryview(t.data),
        lambda t: t * 2.0,
        lambda t: t.detach(),
        lambda t: t.reshape(-1),
    ],
    ids=["tensor", "data", "view", "transpose", "memoryview", "consumer", "detached", "reshaped"],
)
def test_whatever_holds_a_value_keeps_it(hold: Any) -> None:
    x = Tensor(X)
    held = hold(x + 1.0)
    before = np.array(held.data if isinstance(held, Tensor) else held)
    for factor in range(5):
        _ = x * float(factor)
    assert np.array_equal(np.array(held.data if isinstance(held, Tensor) else held), before)


def test_this_test_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the count misread, a living value is overwritten: the tests above would see it."""
    x = Tensor(X)
    monkeypatch.setattr(array_pool, "_holders", lambda arrays, place: array_pool._FREE)
    _ = x * 5.0
    assert not np.array_equal(x.raw, X)


def test_results_that_were_shown_read_only_can_be_used_again() -> None:
    x = Tensor(X)
    shown = (x * 2.0).data
    assert not shown.flags.writeable
    del shown
    assert np.array_equal((x * 4.0).data, X * 4.0)


OPERATIONS: dict[str, Any] = {
    "mul": lambda v: v * 1.5,
    "add": lambda v: v + v,
    "sub": lambda v: 1.0 - v,
    "square": lambda v: v**2,
    "sqrt": lambda v: np.sqrt(v),
    "neg": lambda v: -v,
    "tanh": lambda v: np.tanh(v),
    "max": lambda v: np.maximum(v, 0.5),
    "row": lambda v: np.linspace(0.5, 1.5, COLUMNS) * v,
}


@given(
    st.lists(st.tuples(st.sampled_from(list(OPERATIONS)), st.integers(0, 7), st.booleans()), min_size=1, max_size=25)
)
@settings(max_examples=40)
def test_any_mix_of_living_and_dying_values_stays_right(steps: list[tuple[str, int, bool]]) -> None:
    pairs: list[tuple[Any, Any]] = [(Tensor(X), X)]
    for name, at, drop in steps:
        t, a = pairs[at % len(pairs)]
        with np.errstate(all="ignore"):
            pairs.append((OPERATIONS[name](t), OPERATIONS[name](a)))
        if drop and len(pairs) > 2:
            del pairs[at % len(pairs)]
    for t, a in pairs:
        assert np.array_equal(t.data, a, equal_nan=True)


def test_gradients_are_right_step_after_step() -> None:
    weight = np.linspace(-1.0, 1.0, COLUMNS)
    for step in range(4):
        x, w = Tensor(X * (step + 1)), Tensor(weight)
        y = np.tanh(x * w) ** 2
        y.backward(np.ones_like(X))
        inner = np.tanh(X * (step + 1) * weight)
        expected = 2 * inner * (1 - inner * inner) * weight
        assert np.allclose(x.grad, expected, rtol=1e-12, atol=1e-300)
        assert x.grad.flags.writeable


def test_no_more_is_kept_than_promised() -> None:
    x = Tensor(X)
    alive = [x * float(i) for i in range(200)]
    assert array_pool._pool.size <= array_pool.KEPT
    assert all(np.array_equal(t.data[0], X[0] * i) for i, t in enumerate(alive))
    array_pool.release()
    assert array_pool._pool.size == 0
    assert np.array_equal(alive[7].data, X * 7.0)


@pytest.mark.parametrize("other", [np.float32(2.0), np.ones(COLUMNS, np.float32), np.ones((ROWS, 1)), np.array(2.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_are_those_of_numpy(other: Any, dtype: Any) -> None:
    x = np.concatenate([X, X]).astype(dtype)
    result = (Tensor(x) * (np.concatenate([other, other]) if np.shape(other) == (ROWS, 1) else other)).data
    plain = other.item() if isinstance(other, np.generic) else other
    expected = x * (np.concatenate([plain, plain]) if np.shape(plain) == (ROWS, 1) else plain)
    assert result.dtype == expected.dtype
    assert np.array_equal(result, expected)


def test_comparisons_stay_booleans_and_layouts_their_order() -> None:
    fortran = np.asfortranarray(X)
    assert (Tensor(X) > 3.0).data.dtype == np.bool_
    assert (Tensor(fortran) * 2.0).data.flags.f_contiguous
    assert np.array_equal((Tensor(X[::2, ::-1]) + 1.0).data, X[::2, ::-1] + 1.0)


def test_each_thread_keeps_its_own() -> None:
    found: list[int] = []

    def work() -> None:
        x = Tensor(X)
        found.append(place((x * 2.0).data))
        found.append(array_pool._pool.size)

    here = place((Tensor(X) * 2.0).data)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0] != here
    assert found[1] == 2 * X.nbytes


# ---- the dtype of a result is the one it has without the pool ---------------------------------------------

KINDS: tuple[Any, ...] = ("bool", "uint8", "int32", "float16", "float32", "float64", float)  # float: a Python number


@contextmanager
def pool_from(monkeypatch: pytest.MonkeyPatch, smallest: int) -> Iterator[None]:
    """Results of `smallest` bytes on are written into kept arrays."""
    with monkeypatch.context() as patch:
        patch.setattr(array_pool, "SMALLEST", smallest)
        patch.setattr(scalars, "SMALLEST", smallest)
        yield


def _typed(x: Any, kind: Any) -> Any:
    """`x` as a tensor of any dtype, or as a Python number."""
    return 1.5 if kind is float else p.cast(Tensor(np.asarray(x, np.float64)), dtype=kind)


def _outcome(row: Primitive, case: Case, kinds: tuple[Any, ...]) -> Any:
    """The value of a row and, tracked, what it pulls a cotangent of ones back to; or the error."""
    operands = [_typed(x, kind) for x, kind in zip(case.operands, kinds, strict=True)]
    try:
        out = row(*operands, **case.attrs)
    except (TypeError, ValueError, OverflowError) as error:
        return [str(error)]
    found = [out.raw]
    if row.flows and out.dtype.kind == "f":
        moving = [x for x in operands if isinstance(x, Tensor) and x.dtype.kind == "f"]
        seed = np.ones(out.shape, out.dtype)
        try:
            found += [g.raw for g in gradients(out, moving, seed, track=True, allow_unused=True)]
        except np.linalg.LinAlgError as error:  # truth values may make a singular matrix
            found.append(str(error))
    return found


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_row_and_mix_of_dtypes_is_the_same_with_the_pool(row: Primitive, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    for case in cases_of(row):
        choices = KINDS if row.kind == "map" else KINDS[:-1]
        for kinds in product(choices, repeat=len(case.operands)):
            if {*kinds} == {float}:
                continue
            with np.errstate(all="ignore"):
                with pool_from(monkeypatch, sys.maxsize):
                    wanted = _outcome(row, case, kinds)
                with pool_from(monkeypatch, 0):
                    got = _outcome(row, case, kinds)
            assert len(got) == len(wanted), (case, kinds)
            for one, other in zip(got, wanted, strict=True):
                if isinstance(other, np.ndarray):
                    assert (one.dtype, one.shape) == (other.dtype, other.shape), (case, kinds)
                    assert np.array_equal(one, other, equal_nan=other.dtype.kind == "f"), (case, kinds)
                    compared += 1
                else:
                    assert one == other, (case, kinds)
    assert compared > len(KINDS)


@pytest.mark.parametrize("exponent", [2, 2.0, 3])
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_a_large_power_is_what_the_operator_makes_of_a_small_one(kind: str, exponent: float) -> None:
    small = np.array([0, 1, 1, 0]).astype(kind)
    large = p.pow(_typed(np.tile(small, array_pool.KEPT >> 8), kind), exponent=exponent).raw
    assert large.dtype == (small**exponent).dtype
    assert np.array_equal(large, np.tile(small**exponent, array_pool.KEPT >> 8))


FORMULAS: dict[str, Any] = {
    "slope of leaky relu": lambda x, w: x * (0.01 + 0.99 * (x > 0)),
    "not mask": lambda x, w: x * (1.0 - (x > 0)),
    "mask minus number": lambda x, w: ((x > 0) - 0.5) * x,
    "mask and mask": lambda x, w: ((x > 0) * (x < 1)) * x,
    "mask or mask": lambda x, w: ((x > 0) + (x < 1)) * x,
    "mask times row": lambda x, w: (x > w) * w + x,
    "negative": lambda x, w: -((x > 0) * 2.0) * x,
    "square of mask": lambda x, w: (mask := x > 0) ** 2 * x + mask,  # without a name NumPy itself fails on the mask
    "root of mask": lambda x, w: np.sqrt(x > 0) * x,
    "floor under mask": lambda x, w: np.maximum(x > 0, 0.5) * x,
    "choice": lambda x, w: np.where(x > w, x, 0.5 * x) ** 2,
    "choice of masks": lambda x, w: np.where(x > w, x > 0, 0.5) * x,
}
LAYOUTS: dict[str, Any] = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "negative": lambda x: x[::-1].copy()[::-1],
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtypes", [("f8", "f8"), ("f4", "f4"), ("f2", "f2"), ("f4", "f8"), ("f8", "f2")], ids="-".join)
def test_masks_and_numbers_beside_large_arrays(name: str, layout: str, dtypes: tuple[str, str]) -> None:
    """Large arrays of repeated rows: NumPy's values, the gradients of one of the blocks, at any dtype."""
    f, rng = FORMULAS[name], np.random.default_rng(0)
    block, w = rng.standard_normal((4, 512)).astype(dtypes[0]), rng.standard_normal(512).astype(dtypes[1])
    times = (
        1 + array_pool.SMALLEST // block.size if sys.maxsize > array_pool.SMALLEST else 8
    )  # a mask is large enough too
    x = LAYOUTS[layout](np.tile(block, (times, 1)))
    wanted = f(x, w)
    for value in (f(Tensor(x), Tensor(w)).data, f(Tensor(x), w).data, _traced(f, x, w)):
        assert value.dtype == wanted.dtype
        assert np.array_equal(value, wanted)
    with np.errstate(all="ignore"):  # sums of float16 overflow, and roots of masks have infinite slopes at 0
        of_block, of_x = (mg.grad(lambda x, w: np.sum(f(x, w)))(value, w) for value in (block, x))
    assert of_x.dtype == of_block.dtype == x.dtype
    assert np.array_equal(of_x, np.tile(of_block, (times, 1)))


def _traced(f: Any, *args: Any) -> Any:
    graph = mg.trace(f, *args)
    return graph.values[graph.outputs[0].index]


UFUNCS = (np.add, np.subtract, np.multiply, np.maximum, np.sqrt, np.negative, np.tanh, np.square, np.absolute)
SHAPES = ((2, 3, 4), (3, 4), (1, 4), (4,), (1,), (), (0,), (3, 0), (1, 3, 4))
DTYPES = ("?", "u1", "i8", "f2", "f4", "f8", ">f8", ">i4", "g")


@st.composite
def _operand(draw: st.DrawFn, alive: Any) -> Any:
    """A number; or an array of any dtype, order and steps, or a view of `alive`, which a kept array holds."""
    way = draw(st.sampled_from(["array", "Fortran", "steps", "read-only", "view", "number"]))
    if way == "number":
        return 2.5
    if way == "view":
        return draw(st.sampled_from([alive, alive[::-1], alive[:, 1:2], alive[1], alive.T[:3].T]))
    shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(DTYPES))
    x = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 2, shape).astype(dtype)
    if way == "steps" and shape:
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    x = np.asfortranarray(x) if way == "Fortran" else x
    x.flags.writeable = way != "read-only"
    return x


@settings(max_examples=400)
@given(st.data(), st.sampled_from(UFUNCS))
def test_apply_is_the_ufunc_in_memory_of_its_own(data: st.DataObject, ufunc: np.ufunc) -> None:
    alive = array_pool.apply(np.add, np.arange(12.0).reshape(3, 4), 1.0)
    operands = [data.draw(_operand(alive)) for _ in range(ufunc.nin)]
    assume(any(isinstance(x, np.ndarray) for x in operands))
    before = [np.array(x) for x in operands]
    with np.errstate(all="ignore"):
        try:
            wanted = ufunc(*operands)
        except (TypeError, ValueError) as error:
            with pytest.raises((TypeError, ValueError), match=re.escape(str(error))):
                array_pool.apply(ufunc, *operands)
        else:
            got = array_pool.apply(ufunc, *operands)
            assert (np.shape(got), got.dtype) == (wanted.shape, wanted.dtype)
            assert np.array_equal(got, wanted, equal_nan=wanted.dtype.kind == "f")
            assert not any(np.shares_memory(got, x) for x in [*operands, alive])
    for x, was in zip(operands, before, strict=True):
        assert np.array_equal(x, was)
