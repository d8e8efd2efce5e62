"""Checked mode: what is not finite is named with its node, line and index, forward and backward."""

from __future__ import annotations

import gc
import inspect
import threading
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.anomaly import checked, is_checking
from micrograd.batchnorm import PrecisionWarning, batch_norm, batchnorm_forward
from micrograd.engine import Tensor, observe
from micrograd.errors import GraphError, NumericalError


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def batch(dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)


# ---- forward -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
def test_a_bad_input_is_named_with_index_node_and_line(bad: str) -> None:
    values = batch()
    values[3, 1] = values[3, 2] = float(bad)
    x, mu = Tensor(values), 0.5
    at = line() + 2
    with checked(), pytest.raises(NumericalError) as caught:
        xmu = x - mu  # noqa: F841
    assert str(caught.value) == f"x[3, 1] is {bad} (input of node xmu, `xmu = x - mu`, test_checked.py:{at})."
    assert isinstance(caught.value, ArithmeticError)


def test_in_batch_norm_the_authors_own_line_is_named_too() -> None:
    values = batch()
    values[0, 2] = np.inf
    parameters = Tensor(np.ones(3)), Tensor(np.zeros(3))
    features = Tensor(values)
    at = line() + 2
    with checked(), pytest.raises(NumericalError, match=r"^x\[0, 2\] is inf \(input of node sum, `mu = ") as caught:
        batch_norm(features, *parameters)
    assert f"called at test_checked.py:{at})" in str(caught.value)


def test_a_bad_constant_is_named_by_its_slot() -> None:
    with checked(), pytest.raises(NumericalError, match=r"operand 1 of mul at \[1\] is nan \(input of node mul"):
        Tensor(np.ones(2)) * np.array([1.0, np.nan])


def test_variance_that_overflows_is_named() -> None:
    values = (batch() * 1e30).astype(np.float32)
    with checked(), pytest.raises(NumericalError) as caught:
        batch_norm(Tensor(values), np.ones(3, np.float32), np.zeros(3, np.float32))
    largest = np.max(np.abs((values - values.mean(axis=0))[:, 0]))
    assert "pow overflowed float32 in column 0 at [0, 0]" in str(caught.value)
    assert f"(max |xmu| = {largest:.2g}); use float64 (node sq, `sq = p.pow(xmu, exponent=2)`" in str(caught.value)


def test_without_checked_the_same_overflow_is_silent_and_finite() -> None:
    values = (batch() * 1e30).astype(np.float32)
    with np.errstate(over="ignore"):
        out = batch_norm(Tensor(values), np.ones(3, np.float32), np.zeros(3, np.float32))
    assert np.isfinite(out.data).all()
    assert np.array_equal(out.data, np.zeros((4, 3)))  # which is wrong


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda: 1.0 / Tensor(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]])), r"reciprocal of 0 at \[1, 2\]"),
        (lambda: 1.0 / Tensor(0.0), r"reciprocal of 0 \("),
        (lambda: np.sqrt(Tensor(np.array([-1e-18]))), r"sqrt of -1e-18 at \[0\]: variance went negative\?"),
        (lambda: np.sqrt(Tensor(-4.0)), r"sqrt of -4: variance"),
        (lambda: Tensor(np.array([-2.0])) ** 0.5, r"pow: base -2.0 at \[0\] with exponent 0.5"),
        (lambda: Tensor(-2.0) ** 0.5, r"pow: base -2.0 with exponent 0.5"),
        (lambda: Tensor(np.array([1.0, 0.0])) ** -1, r"pow: base 0.0 at \[1\] with exponent -1"),
        (lambda: Tensor(0.0) ** -1, r"pow: base 0.0 with exponent -1"),
        (lambda: np.log(Tensor(np.array([1.0, 0.0]))), r"log of 0 at \[1\]"),
        (lambda: np.log(Tensor(-1.0)), r"log of -1"),
        (lambda: np.exp(Tensor(np.array([0.0, 1000.0]))), r"exp of 1000 at \[1\] overflowed float64"),
        (lambda: np.exp(Tensor(np.array([100.0], np.float32))), r"exp of 100 at \[0\] overflowed float32"),
        (lambda: Tensor(1e200) * 1e200, r"mul overflowed float64 \(max \|operand 0\| = 1e\+200"),
        (lambda: Tensor(np.full((2, 2), 1e308)).sum(axis=0), r"sum overflowed float64 in column 0 at \[0\]"),
        (lambda: np.maximum(Tensor(np.array([1.0, np.nan])), 0.0), r"operand 0 of maximum at \[1\] is nan"),
        (lambda: np.maximum(Tensor(np.nan), 0.0), r"operand 0 of maximum is nan"),
    ],
)  # fmt: skip
def test_what_makes_nan_or_infinity_is_named_with_the_value_at_fault(operation: Any, message: str) -> None:
    with checked(), pytest.raises(NumericalError, match=message) as caught:
        operation()
    assert "test_checked.py:" in str(caught.value)
    with np.errstate(all="ignore"):
        assert not np.isfinite(operation().data).all()  # and without: NumPy's own answer, no exception


@pytest.mark.parametrize("scalar", [True, False])
def test_numbers_and_arrays_follow_one_rule(scalar: bool) -> None:
    zero = Tensor(0.0) if scalar else Tensor(np.array([0.0]))
    with np.errstate(all="ignore"):
        for out in (1.0 / zero, zero**-1, -np.log(zero)):
            assert np.isposinf(out.data).all()


def test_relu_passes_nan_on_and_has_slope_zero_at_zero() -> None:
    x = Tensor(np.array([-1.0, 0.0, 2.0, np.nan]))
    y = np.maximum(x, 0.0)
    assert np.array_equal(y.data, [0.0, 0.0, 2.0, np.nan], equal_nan=True)
    y.backward(np.ones(4))
    assert np.array_equal(x.grad[:3], [0.0, 0.0, 1.0])


def test_finite_results_pass_and_masks_are_not_looked_at() -> None:
    with checked():
        x = Tensor(batch())
        batch_norm(x, Tensor(np.ones(3)), Tensor(np.zeros(3))).backward(np.ones((4, 3)))
        _ = x > 0
        reciprocal_of_infinity = 1.0 / Tensor(np.inf)
    assert reciprocal_of_infinity.item() == 0.0  # finite: nothing went wrong yet


# ---- backward ----------------------------------------------------------------------------------------------


def test_an_infinite_slope_is_named() -> None:
    x = Tensor(np.array([4.0, 0.0]))
    with checked():
        at = line() + 1
        root = np.sqrt(x)
        with pytest.raises(NumericalError) as caught:
            root.backward(np.ones(2))
    assert str(caught.value) == (
        f"backward: node root, `root = np.sqrt(x)`, test_checked.py:{at} sends inf to operand 0 at [1]: "
        "the slope of sqrt at 0 is infinite; add a small eps before it."
    )


def test_zero_times_an_infinite_slope_is_named() -> None:
    with checked(), pytest.raises(NumericalError, match=r"sends nan to operand 0 at \[1\]: the slope of sqrt at 0"):
        np.sqrt(Tensor(np.array([4.0, 0.0]))).backward(np.array([1.0, 0.0]))


def test_a_gradient_that_overflows_is_named() -> None:
    x = Tensor(np.array([0.5], np.float32))
    overflow = r"it overflowed float32 \(the operand is 0.5 there\); use float64"
    with checked(), pytest.raises(NumericalError, match=overflow):
        (x * np.array([1e30], np.float32)).backward(np.array([1e20], np.float32))


def test_a_bad_seed_is_named() -> None:
    with (
        checked(),
        pytest.raises(NumericalError, match=r"the gradient of node mul.* is nan at \[1\]: the seed held it"),
    ):
        (Tensor(np.ones(2)) * 2.0).backward(np.array([1.0, np.nan]))


def test_a_graph_recorded_outside_is_told_so() -> None:
    root = np.sqrt(Tensor(np.array([0.0])))
    with checked(), pytest.raises(NumericalError, match=r"recorded outside checked\(\); run the forward pass inside"):
        root.backward(np.ones(1))


def test_gradients_of_gradients_are_looked_at() -> None:
    x = Tensor(np.array([0.0]))
    with checked(), pytest.raises(NumericalError, match="reciprocal of 0"):  # inside the rule of sqrt, itself recorded
        mg.gradients(np.sum(np.sqrt(x)), [x], track=True)


# ---- the mode ----------------------------------------------------------------------------------------------


def test_numpys_warnings_are_silent_inside_and_as_before_outside() -> None:
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with checked(), pytest.raises(NumericalError):
            1.0 / Tensor(np.array([0.0]))
        assert np.geterr() == before
        with pytest.raises(RuntimeWarning):
            1.0 / Tensor(np.array([0.0]))


def test_the_mode_ends_with_the_block_nested_or_after_an_error() -> None:
    assert not is_checking()
    with checked():
        with checked():
            assert is_checking()
        assert is_checking()
        with pytest.raises(NumericalError):
            1.0 / Tensor(0.0)
    assert not is_checking()
    with pytest.raises(KeyError), checked():
        raise KeyError
    assert not is_checking()
    assert (1.0 / Tensor(0.0)).item() == np.inf


def test_another_thread_is_not_in_the_mode() -> None:
    seen: list[Any] = []
    with checked():
        thread = threading.Thread(target=lambda: seen.extend([is_checking(), (1.0 / Tensor(0.0)).item()]))
        thread.start()
        thread.join()
    assert seen == [False, np.inf]


def test_checking_keeps_no_graph_alive() -> None:
    gc.disable()
    try:
        with checked():
            y = np.sqrt(Tensor(batch() ** 2) + 1.0)
            y.backward(np.ones((4, 3)))
            ref = weakref.ref(y)
            del y
            assert ref() is None
    finally:
        gc.enable()


def test_checking_changes_no_number() -> None:
    def run() -> Any:
        x, gamma, beta = Tensor(batch()), Tensor(np.ones(3)), Tensor(np.zeros(3))
        out, _ = batchnorm_forward(x, gamma, beta)
        out.backward(batch()[::-1].copy())
        return out.data, x.grad, gamma.grad, beta.grad

    plain = run()
    with checked():
        inside = run()
    assert all(np.array_equal(a, b) for a, b in zip(plain, inside, strict=True))


# ---- digits lost to a large mean -------------------------------------------------------------------------------


def test_a_mean_far_beyond_the_deviation_warns() -> None:
    values = (batch() + np.array([0.0, 1e6, 0.0])).astype(np.float32)
    with checked(), pytest.warns(PrecisionWarning) as caught:
        batch_norm(Tensor(values), np.ones(3, np.float32), np.zeros(3, np.float32))
    deviation = np.std(values[:, 1].astype(np.float64))
    message = str(caught[0].message)
    assert message.startswith(f"column 1: mean/std = {1e6 / deviation:.0e}, relative error of about ")
    assert "expected in float32; subtract a typical row" in message
    assert caught[0].filename == __file__


def test_the_error_that_the_warning_expects_is_about_what_is_seen() -> None:
    rng, worst = np.random.default_rng(5), 0.0
    for _ in range(20):
        values = (rng.normal(size=(60, 1)) + 1e6).astype(np.float32)
        wide = values.astype(np.float64)
        truth = (wide - wide.mean(axis=0)) / np.sqrt(wide.var(axis=0) + 1e-5)
        out, _ = batchnorm_forward(values, np.ones(1, np.float32), np.zeros(1, np.float32))
        worst = max(worst, float(np.max(np.abs(out - truth))))
    expected = 2.0**-24 * 1e6  # the deviation is 1
    assert expected / 4 < worst < 4 * expected


@pytest.mark.parametrize(("dtype", "mean", "warns"), [
    ("float32", 1e2, False), ("float32", 1e5, True), ("float64", 1e6, False), ("float64", 1e10, True),
])  # fmt: skip
def test_the_warning_comes_when_half_of_the_digits_are_lost(dtype: str, mean: float, warns: bool) -> None:
    arguments = Tensor((batch() + mean).astype(dtype)), np.ones(3, dtype), np.zeros(3, dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        batch_norm(*arguments)
        assert not caught  # outside of checked never
        with checked():
            batch_norm(*arguments)
    assert [w.category for w in caught] == [PrecisionWarning] * warns


# ---- two threads -------------------------------------------------------------------------------------------------


class _Pause:
    """An observer that stops a thread in the middle of its backward pass until told to go on."""

    def __init__(self) -> None:
        self.inside, self.go = threading.Event(), threading.Event()

    def recorded(self, node: Tensor) -> None: ...

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        self.inside.set()
        assert self.go.wait(20)


def _while_another_is_in_backward(loss: Tensor, action: Any) -> None:
    pause = _Pause()

    def other() -> None:
        with observe(pause):
            loss.backward()

    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert pause.inside.wait(20)
        action()
    finally:
        pause.go.set()
        thread.join()


def test_a_second_backward_on_shared_leaves_is_refused() -> None:
    w = Tensor(np.ones(3))
    mine, theirs = np.sum(w * 2.0), np.sum(w * 3.0)

    def action() -> None:
        with checked(), pytest.raises(GraphError, match="another thread is in backward on this graph"):
            mine.backward()

    _while_another_is_in_backward(theirs, action)
    assert np.array_equal(w.grad, [3.0, 3.0, 3.0])


def test_what_shares_no_leaf_or_stores_nothing_goes_on() -> None:
    w, v = Tensor(np.ones(3)), Tensor(np.ones(3))

    def action() -> None:
        with checked():
            np.sum(v * 2.0).backward()
            (g,) = mg.gradients(np.sum(w * 5.0), [w])
            assert np.array_equal(g, [5.0, 5.0, 5.0])

    _while_another_is_in_backward(np.sum(w * 3.0), action)
    assert np.array_equal(v.grad, [2.0, 2.0, 2.0])


def test_one_thread_after_the_other_is_no_company() -> None:
    w = Tensor(np.ones(3))
    with checked():
        np.sum(w * 2.0).backward()
        thread = threading.Thread(target=np.sum(w * 3.0).backward)
        thread.start()
        thread.join()
        np.sum(w * 4.0).backward()
    assert np.array_equal(w.grad, [9.0, 9.0, 9.0])
