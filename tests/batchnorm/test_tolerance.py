"""The bound itself: its numbers, what it lets pass, what it does not, and what it says then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bn_reference import Problem, probe, staged

from micrograd.batchnorm.tolerance import (
    ALLOWED_U,
    RESULTS,
    assert_bn_close,
    bn_bounds,
    errors_in_u,
    inference_bound,
    unit_roundoff,
)
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, ShapeError


def bounds_of(problem: Problem, dtype: Any = None) -> Any:
    return bn_bounds(*problem.parameters[:3], problem.dout, problem.eps, dtype)


@pytest.mark.parametrize(("dtype", "u"), [("float16", 2**-11), ("float32", 2**-24), ("float64", 2**-53)])
def test_unit_roundoff_is_half_the_gap_above_one(dtype: str, u: float) -> None:
    assert unit_roundoff(dtype) == u
    one = np.ones((), dtype)[()]
    assert one + one.dtype.type(u) == one < one + one.dtype.type(2 * u)


def test_integers_are_not_rounded() -> None:
    with pytest.raises(DTypeError, match="dtype is int64; expected a floating-point dtype"):
        unit_roundoff(np.int64)


def test_the_bound_of_two_rows_by_hand() -> None:
    # x = +-3: mean 0, var 9, with eps = 7 sqrtvar = 4, ivar = 1/4, xhat = +-3/4, k = sqrt(2) * 3 / 4
    x, dout = np.array([[3.0], [-3.0]]), np.array([[1.0], [2.0]])
    bounds = bn_bounds(x, np.array([2.0]), np.array([-5.0]), dout, 7.0)
    u, k = 2.0**-53, np.sqrt(2) * 0.75
    size, product = 3.0, 0.75 + 1.5
    assert bounds.dbeta == pytest.approx([16 * u * size])
    assert bounds.dgamma == pytest.approx([16 * u * (product * (1 + k) + k * size)])
    assert bounds.out == pytest.approx(np.full((2, 1), 16 * u * (1.5 * (1 + k) + 2 * k + 5)))
    terms = 2 * 0.25 * (np.array([[1.0], [2.0]]) + 1.5 + 0.75 * product / 2)
    assert bounds.dx == pytest.approx(16 * u * terms * (1 + k))


def test_the_dtype_under_test_scales_the_bound_and_the_statistics_stay_float64() -> None:
    problem = probe()
    single, double = bounds_of(problem, np.float32), bounds_of(problem)
    assert (single.dtype, double.dtype) == ("float32", "float64")
    for name in RESULTS:
        assert getattr(single, name).dtype == np.float64
        np.testing.assert_allclose(getattr(single, name), getattr(double, name) * 2.0**29, rtol=1e-12)


def test_tensors_are_taken_too() -> None:
    problem = probe()
    tensors = [Tensor(a) for a in (problem.x, problem.gamma, problem.beta, problem.dout)]
    bounds = bn_bounds(*tensors, problem.eps)
    assert np.array_equal(bounds.dx, bounds_of(problem).dx)


def test_no_feature_is_no_problem() -> None:
    bounds = bn_bounds(np.ones((3, 0)), np.ones(0), np.ones(0), np.ones((3, 0)))
    assert bounds.dx.shape == (3, 0)
    assert bounds.dbeta.shape == (0,)
    assert_bn_close({"dx": np.ones((3, 0))}, {"dx": np.ones((3, 0))}, bounds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones(3), np.ones(3), np.ones(3), np.ones(3)), r"x must be 2-D .*got shape \(3,\)"),
        ((np.ones((0, 3)), np.ones(3), np.ones(3), np.ones((0, 3))), "at least one row"),
        ((np.ones((2, 3)), np.ones(2), np.ones(3), np.ones((2, 3))), r"gamma has shape \(2,\); expected \(3,\)"),
        ((np.ones((2, 3)), np.ones(3), np.ones(1), np.ones((2, 3))), r"beta has shape \(1,\)"),
        ((np.ones((2, 3)), np.ones(3), np.ones(3), np.ones((1, 3))), r"dout has shape \(1, 3\); expected \(2, 3\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        bn_bounds(*arguments)


def test_rows_alike_may_lose_what_a_sum_row_after_row_loses() -> None:
    row = np.full((1000, 1), 0.3812, np.float32)
    total = np.float32(0)
    for value in row[:, 0]:
        total += value
    lost = abs(float(total) - 1000 * float(row[0, 0]))
    bounds = bn_bounds(row, np.ones(1), np.ones(1), row)
    plain = 16 * unit_roundoff(np.float32) * float(np.abs(row).sum(dtype=np.float64))
    assert plain < lost < bounds.dbeta[0]  # a constant times the sum alone would call a correct sum wrong


def test_rows_that_scatter_are_bounded_by_the_sum_alone() -> None:
    problem = probe(100, 3)
    dout = problem.dout - problem.dout.mean(axis=0)
    bounds = bn_bounds(*problem.parameters[:3], dout, problem.eps)
    np.testing.assert_allclose(bounds.dbeta, 16 * 2.0**-53 * np.abs(dout).sum(axis=0), rtol=1e-12)


# ---- comparing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESULTS)
def test_just_below_the_bound_passes_and_just_above_fails(name: str) -> None:
    problem = probe()
    right, bounds = staged(problem), bounds_of(problem, np.float32)
    at = (1, 2) if right[name].ndim == 2 else (2,)
    for factor in (0.98, 1.02):
        wrong = {k: v.copy() for k, v in right.items()}
        wrong[name][at] += factor * getattr(bounds, name)[at]
        assert errors_in_u(wrong, right, bounds)[name] == pytest.approx(ALLOWED_U * factor, rel=1e-3)
        if factor < 1:
            assert_bn_close(wrong, right, bounds)
        else:
            with pytest.raises(AssertionError, match=rf"{name} differs at \[{', '.join(map(str, at))}\]"):
                assert_bn_close(wrong, right, bounds)


def test_the_message_tells_the_worst_entry_both_numbers_the_error_in_u_and_the_bound() -> None:
    bounds = bn_bounds(np.array([[1.0], [2.0], [6.0]]), np.ones(1), np.zeros(1), np.ones((3, 1)), dtype=np.float32)
    with pytest.raises(AssertionError) as caught:
        assert_bn_close({"dbeta": np.array([3.5])}, {"dbeta": np.array([3.0])}, bounds)
    error = 0.5 / 3 * 2**24  # of the sum of |dout|, which is 3
    lines = str(caught.value).splitlines()
    assert lines[0] == "dbeta differs at [0]: got 3.5, expected 3.0."
    assert lines[1].startswith(f"  |difference| 0.5, {error:.3g} u times the sum of |terms|; allowed 16 u, ")
    assert lines[1].endswith("which is 2.86e-06 (u = 5.96e-08, float32).")
    assert lines[2] == "  1 of 1 entries are beyond their bound."


def test_shapes_are_compared_before_values() -> None:
    problem = probe()
    right, bounds = staged(problem), bounds_of(problem)
    with pytest.raises(AssertionError, match=r"dbeta: got shape \(1, 3\); it must be \(3,\)"):
        assert_bn_close(right | {"dbeta": right["dbeta"][None]}, right, bounds)
    with pytest.raises(AssertionError, match=r"dx: expected shape \(3,\); it must be \(5, 3\)"):
        assert_bn_close(right, right | {"dx": right["dbeta"]}, bounds)


@pytest.mark.parametrize(
    ("got", "wanted", "passes"),
    [
        (np.nan, np.nan, True),
        (np.inf, np.inf, True),
        (np.inf, -np.inf, False),
        (np.nan, np.inf, False),
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (1.0, np.inf, False),
        (1.0, 1.0, True),
    ],
)
@pytest.mark.parametrize("finite_bound", [True, False])
def test_patterns_of_nan_and_infinity_must_be_the_same(
    got: float, wanted: float, passes: bool, finite_bound: bool
) -> None:
    x = np.array([[1.0], [2.0]] if finite_bound else [[1.0], [1.0]])
    bounds = bn_bounds(x, np.ones(1), np.zeros(1), np.ones((2, 1)), 0.0)
    assert np.isfinite(bounds.dx).all() == finite_bound
    a, b = {"dx": np.array([[got], [0.0]])}, {"dx": np.array([[wanted], [0.0]])}
    if passes:
        assert_bn_close(a, b, bounds)
    else:
        with pytest.raises(AssertionError, match=r"dx differs at \[0, 0\]"):
            assert_bn_close(a, b, bounds)


def test_where_the_bound_is_zero_only_the_same_number_will_do() -> None:
    bounds = bn_bounds(np.array([[1.0], [2.0]]), np.ones(1), np.zeros(1), np.zeros((2, 1)))
    assert (bounds.dx == 0).all()
    assert_bn_close({"dx": np.zeros((2, 1))}, {"dx": np.zeros((2, 1))}, bounds)
    with pytest.raises(AssertionError, match="inf u"):
        assert_bn_close({"dx": np.full((2, 1), 1e-300)}, {"dx": np.zeros((2, 1))}, bounds)


def test_comparing_nothing_is_refused() -> None:
    problem = probe()
    right, bounds = staged(problem), bounds_of(problem)
    with pytest.raises(ShapeError, match="nothing to compare"):
        assert_bn_close({"dx": right["dx"]}, {"dbeta": right["dbeta"]}, bounds)
    with pytest.raises(ShapeError, match="named out, dx, dgamma, dbeta; got dy"):
        assert_bn_close({"dy": right["dx"]}, right, bounds)


def test_the_bound_of_the_test_phase_by_hand() -> None:
    bound = inference_bound(
        np.array([[2.0]], np.float32), np.array([-3.0]), np.array([5.0]), np.array([1.0]), np.array([3.0]), 1.0
    )
    assert bound == pytest.approx(16 * 2.0**-24 * (1.5 * 3 + 5))
