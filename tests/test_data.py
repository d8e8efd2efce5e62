from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrograd.data import batches, digits
from micrograd.errors import DTypeError, MissingExtraError, ShapeError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_digits(dtype: Any) -> None:
    data = digits(dtype=dtype)
    assert (data.x_train.shape, data.x_test.shape) == ((1437, 64), (360, 64))
    assert (data.y_train.shape, data.y_test.shape) == ((1437,), (360,))
    assert data.x_train.dtype == data.x_test.dtype == dtype
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert (data.x_train.min(), data.x_train.max()) == (0.0, 1.0)
    assert np.bincount(data.y_train).min() > 100
    assert np.bincount(data.y_test).min() > 20
    assert repr(data) == f"Dataset(1437 training and 360 test examples, 64 features, {np.dtype(dtype)})"


def test_no_example_is_lost_or_on_both_sides() -> None:
    from sklearn.datasets import load_digits

    data = digits()
    ours = np.vstack([np.c_[data.x_train * 16, data.y_train], np.c_[data.x_test * 16, data.y_test]])
    theirs = np.c_[load_digits(return_X_y=True)]
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, theirs.tolist()))


def test_the_seed_fixes_the_split() -> None:
    first, again, other = digits(seed=4), digits(seed=4), digits(seed=5)
    assert np.array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x_test, other.x_test)


def test_bad_arguments_are_told() -> None:
    with pytest.raises(DTypeError, match="dtype is int64; gradients need"):
        digits(dtype=int)
    for size in (0, 1797):
        with pytest.raises(ValueError, match=f"test_size is {size}; expected 1 to 1796"):
            digits(test_size=size)


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'micrograd-graph[data]'")):
        digits()


# ---- batches ---------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 20), st.booleans(), st.booleans())
def test_batches_cut_without_loss(n: int, size: int, shuffled: bool, drop_last: bool) -> None:
    x, y = np.arange(n) * 10.0, np.arange(n)
    parts = list(batches(x, y, size, np.random.default_rng(0) if shuffled else None, drop_last=drop_last))
    assert all(np.array_equal(px, py * 10.0) for px, py in parts)  # rows stay together
    seen = np.concatenate([py for _, py in parts]) if parts else np.array([], int)
    assert len(seen) == len(set(seen)) == (n - n % size if drop_last else n)
    if not shuffled:
        assert np.array_equal(seen, np.arange(len(seen)))
    lengths = [len(py) for _, py in parts]
    assert all(length == size for length in lengths[:-1])
    if size > 1 and n > 1 and not drop_last:
        assert lengths[-1] > 1  # never a single row, which batch norm cannot take
        assert lengths[-1] <= size + 1


def test_one_example_in_all_is_a_batch_of_one() -> None:
    assert [len(y) for _, y in batches(np.ones((1, 2)), np.ones(1), 4)] == [1]


def test_the_generator_decides_the_order_and_moves_on() -> None:
    x = np.arange(50)
    rng = np.random.default_rng(0)
    first, second = (np.concatenate([y for _, y in batches(x, x, 8, rng)]) for _ in range(2))
    again = np.concatenate([y for _, y in batches(x, x, 8, np.random.default_rng(0))])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)


def test_batches_are_copies() -> None:
    x = np.arange(4.0)
    for part, _ in batches(x, x, 2):
        part[:] = -1
    assert x.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("x", "y", "size", "error", "message"),
    [
        (np.ones(3), np.ones(4), 2, ShapeError, "x has 3 rows, y has 4; they must be equal"),
        (np.ones((0, 2)), np.ones(0), 2, ShapeError, "x has shape (0, 2): there is nothing to cut into batches"),
        (np.ones(3), np.ones(3), 0, ValueError, "size is 0; expected at least 1 row in a batch"),
    ],
)
def test_bad_batches_are_told_at_the_call(x: Any, y: Any, size: int, error: type, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        batches(x, y, size)
