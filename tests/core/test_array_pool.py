"""Kept arrays: used again when dead, never while anybody can still see them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micrograd.core import array_pool
from micrograd.engine import Tensor

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
