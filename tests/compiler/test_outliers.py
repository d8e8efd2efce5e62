"""Compiled statistics of columns that hold outliers, wherever these stand and however large they are.

One pass takes batch statistics about a start, the first row. Where that is an outlier, sums of squares about it are
larger than those about the mean, and so is their rounding: they are taken again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import micrograd as mg
from micrograd.batchnorm import batchnorm_backward, batchnorm_forward
from micrograd.batchnorm.tolerance import assert_bn_close, bn_bounds

pytest.importorskip("llvmlite")

ROWS = (2, 5, 100, 1000, 30_000)  # within a chunk of rows, and over several


def column(rows: int, level: float, spread: float, outliers: dict[int, float], dtype: Any) -> Any:
    """Three columns, the first of which holds the outliers: by row, counted from the end where negative."""
    x = level + spread * np.random.default_rng(rows).standard_normal((rows, 3))
    for row, size in outliers.items():
        x[row % rows, 0] = size
    return x.astype(dtype)


def wide(x: Any) -> Any:
    return x.astype(np.longdouble)


def variance(x: Any) -> Any:
    return np.var(x, axis=0)


def normalised(x: Any, gamma: Any, beta: Any) -> Any:
    mu = np.mean(x, axis=0)
    return gamma * ((x - mu) / np.sqrt(np.mean((x - mu) ** 2, axis=0) + 1e-5)) + beta


COMPILED = {
    (threads, dtype): mg.compile(variance, threads=threads) for threads in (1, 2) for dtype in (np.float32, np.float64)
}


@given(
    dtype=st.sampled_from([np.float32, np.float64]), threads=st.sampled_from([1, 2]), rows=st.sampled_from(ROWS),
    level=st.sampled_from([0.0, 1.0, -1000.0]), spread=st.sampled_from([0.0, 1.0]),
    outliers=st.dictionaries(
        st.sampled_from([0, 1, -1, 7, 255, 256, 4096]), st.sampled_from([0.0, 30.0, -1e3, 1e5, 1e8]), max_size=3
    ),
)  # fmt: skip
def test_a_variance_is_as_good_as_that_of_two_passes(
    dtype: Any, threads: int, rows: int, level: float, spread: float, outliers: dict[int, float]
) -> None:
    x = column(rows, level, spread, outliers, dtype)
    right = np.var(wide(x), axis=0)
    u = np.finfo(dtype).eps / 2
    two_passes = np.abs(np.var(x, axis=0) - right)
    # Each square is rounded on its own; about the start they may be eight times as large as about the mean (`FAR`).
    bound = 8 * np.maximum((16 + np.sqrt(rows)) * u * right, two_passes)
    assert np.all(np.abs(COMPILED[threads, dtype](x) - right) <= bound)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_outlier_in_the_first_of_a_million_rows(threads: int) -> None:
    """Of which statistics about the start alone lose a factor of rows / 16."""
    x = column(1_000_000, 1.0, 0.0, {0: 1e5}, np.float32)
    right = np.var(wide(x), axis=0)
    found = COMPILED[threads, np.float32](x)
    assert abs(found[0] - right[0]) <= 16 * 2.0**-24 * right[0]
    assert np.array_equal(found[1:], [0.0, 0.0])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("row", [0, 1, -1, 255, 256, 4096])
@pytest.mark.parametrize("size", [0.0, 1e3, 1e5])
def test_batch_norm_with_an_outlier_is_within_its_bound(size: float, row: int, threads: int) -> None:
    x = column(5000, 1.0, 0.1, {row: size}, np.float32)
    rng = np.random.default_rng(1)
    gamma, beta = (rng.uniform(0.5, 2.0, 3).astype(np.float32) for _ in range(2))
    dout = rng.standard_normal(x.shape).astype(np.float32)

    def step(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        out, pull = mg.vjp(normalised, x, gamma, beta)
        return out, *pull(dout)

    results = mg.compile(step, threads=threads)(x, gamma, beta, dout)
    found = dict(zip(("out", "dx", "dgamma", "dbeta"), results, strict=True))
    out, cache = batchnorm_forward(wide(x), wide(gamma), wide(beta), 1e-5)
    right = dict(zip(("dx", "dgamma", "dbeta"), batchnorm_backward(wide(dout), cache), strict=True)) | {"out": out}
    assert_bn_close(found, right, bn_bounds(x, gamma, beta, dout))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [4, 64])
def test_a_constant_column_of_huge_numbers_has_no_variance(rows: int, threads: int) -> None:
    """Powers of two, whose mean is exact: NumPy says 0 as well."""
    f = mg.compile(variance, threads=threads)
    assert np.array_equal(f(np.full((rows, 2), 2.0**66, np.float32)), [0.0, 0.0])
    assert np.array_equal(f(np.full((rows, 2), 2.0**660)), [0.0, 0.0])
    over = mg.compile(lambda x: (x - np.mean(x)) / np.sqrt(np.var(x) + 1.0), threads=threads)
    assert np.array_equal(over(np.array([1e200, 1e200, 1e200])), [0.0, 0.0, 0.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 1, -1])
def test_what_is_not_finite_is_as_numpy_has_it(bad: float, row: int) -> None:
    x = column(300, 0.0, 1.0, {row: bad}, np.float64)
    with np.errstate(all="ignore"):
        expected = np.var(x, axis=0)
        found = mg.compile(variance)(x)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.allclose(found[1:], expected[1:], rtol=1e-14, atol=0)


def test_without_the_second_look_digits_are_lost() -> None:
    """The fault that the tests above are for: statistics about an outlier, not taken again."""
    x = column(30_000, 1.0, 0.0, {0: 1e5}, np.float32)
    start = x[0]
    once = np.mean((x - start) ** 2, axis=0) - np.mean(x - start, axis=0) ** 2
    right = np.var(wide(x), axis=0)
    assert abs(once[0] - right[0]) > 1e3 * 2.0**-24 * right[0]
