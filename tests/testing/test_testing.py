"""check_grad: it agrees with what is known, fails where it must, and refuses what says nothing."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from strategies import SMOOTH, Program, inputs_of, margin, programs, seeds

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.primitives import TABLE, Primitive
from micrograd.testing import GradientError, check_grad
from micrograd.testing.numeric import central_slope, complex_slope, gap_at_zero

X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


# ---- slopes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "at", "wanted"),
    [(np.exp, 0.7, np.exp(0.7)), (np.log, 1e-3, 1e3), (np.tanh, -2.0, 1 - np.tanh(-2.0) ** 2), (np.sqrt, 4.0, 0.25)],
)
def test_slopes_are_right_to_the_digits_they_claim(f: Any, at: float, wanted: float) -> None:
    line = lambda t: f(np.array([at]) + t)
    assert complex_slope(line, np.ones(1)).value == pytest.approx(wanted, rel=1e-15)
    measured = central_slope(line, np.ones(1))
    assert abs(measured.value - wanted) <= 10 * measured.error + 1e-13 * abs(wanted)
    assert measured.error < 1e-8 * abs(wanted)


def test_a_step_out_of_the_domain_is_halved_and_nan_everywhere_is_no_slope() -> None:
    assert central_slope(lambda t: np.log(np.array([0.01]) + t), np.ones(1)).value == pytest.approx(100, rel=1e-9)
    assert np.isnan(central_slope(lambda t: np.array([np.nan]) * t, np.ones(1)).value)


def test_the_gap_tells_a_kink_from_a_bend() -> None:
    assert gap_at_zero(lambda t: np.abs(np.array([0.0]) + t), np.ones(1), 1e-4)[2] == 2.0
    assert gap_at_zero(lambda t: 100 * (np.array([0.3]) + t) ** 2, np.ones(1), 1e-4)[2] == 0.0


# ---- what passes -----------------------------------------------------------------------------------------


def test_complex_step_where_analytic_else_central() -> None:
    seen = check_grad(lambda x, w: np.tanh(x @ w), X, X.T.copy())
    assert (seen.method, seen.entries) == ("complex", 12)
    assert seen.worst < 16  # of 4096 u allowed
    assert check_grad(lambda x: np.maximum(x, 0.0) * x, X).method == "central"
    assert check_grad(lambda x: x.relu() * 2.0, X).method == "central"  # a method that arrays lack: run on tensors
    assert check_grad(np.tanh, X, method="central").method == "central"


def test_numbers_and_arrays_mix() -> None:
    assert check_grad(lambda x, y: x * y + y**3, 2.0, X).entries == 7
    assert check_grad(lambda x: x * x, 3.0).method == "complex"


def test_the_first_of_a_tuple_is_the_output() -> None:
    assert check_grad(lambda x: (x * x, "cache"), X).entries == 6


def test_of_a_large_array_some_entries_are_drawn() -> None:
    assert check_grad(lambda x: (x * x).sum(), np.arange(1.0, 1001.0), entries=50).entries == 50


@settings(max_examples=25)
@given(program=programs(SMOOTH, longest=6), seed=seeds)
def test_smooth_programs_pass(program: Program, seed: int) -> None:
    x, y = inputs_of(seed)
    leaves = [Tensor(x), Tensor(y)]
    out = program(np, *leaves)
    assume(any(np.any(g) for g in mg.gradients(out, leaves, np.ones(out.shape), allow_unused=True)))  # not x - x
    # wide: a random program may lose six digits to cancellation before the bound, which knows only the last sum
    check_grad(lambda a, b: program(np, a, b), x, y, seed=seed, tolerance=2.0**20)


@settings(max_examples=12)
@given(program=programs(longest=5), seed=seeds)
def test_programs_with_kinks_pass_by_central_differences(program: Program, seed: int) -> None:
    x, y = inputs_of(seed)
    leaves = [Tensor(x), Tensor(y)]
    out = program(np, *leaves)
    assume(margin(out) > 1e-2)
    assume(any(np.any(g) for g in mg.gradients(out, leaves, np.ones(out.shape), allow_unused=True)))  # not x - x
    check_grad(lambda a, b: program(np, a, b), x, y, method="central", seed=seed, tolerance=2.0**20)


# ---- a handwritten backward ------------------------------------------------------------------------------


def forward(x: Any, w: Any) -> Any:
    return np.tanh(x @ w), (x, w, np.tanh(x @ w))


def backward(dout: Any, cache: Any) -> Any:
    x, w, out = cache
    dpre = dout * (1 - out**2)
    return dpre @ w.T, x.T @ dpre


def test_a_handwritten_backward_with_a_cache() -> None:
    assert check_grad(forward, X, X.T.copy(), backward=backward).method == "complex"
    assert check_grad(lambda x, y: x * y, X, X + 1, backward=lambda dout, x, y: (dout * y, dout * x)).entries == 12


@pytest.mark.parametrize(
    ("wrong", "index"),
    [
        (lambda dout, c: (backward(dout, c)[0] * 1.0000001, backward(dout, c)[1]), "x"),
        (lambda dout, c: (backward(dout, c)[0], -backward(dout, c)[1]), "w"),
        (lambda dout, c: (dout @ c[1].T, backward(dout, c)[1]), "x"),
    ],
)
def test_a_wrong_handwritten_backward_is_told_where(wrong: Any, index: str) -> None:
    with pytest.raises(GradientError, match=rf"the gradient by {index}\[\d, \d\] is wrong") as caught:
        check_grad(forward, X, X.T.copy(), backward=wrong, seed=3)
    assert "a handwritten backward" in str(caught.value)
    assert "seed=3" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        (lambda dout, c: (dout,), GradientError, r"backward returned 1 gradients for 2 inputs \(x, w\)"),
        (lambda dout, c: (*backward(dout, c), dout), GradientError, "backward returned 3 gradients for 2 inputs"),
        (lambda dout, c: (backward(dout, c)[0], None), GradientError, "backward returned None for w"),
        (lambda dout, c: (backward(dout, c)[0], backward(dout, c)[1].sum(axis=0)), ShapeError,
         r"backward returned shape \(2,\) for w, which has \(3, 2\)"),
    ],
)  # fmt: skip
def test_wrong_number_or_shape_of_gradients(wrong: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        check_grad(forward, X, X.T.copy(), backward=wrong)


# ---- a wrong rule of the engine --------------------------------------------------------------------------


@pytest.fixture
def crooked() -> Any:
    row = Primitive("crooked", array="square", tex="{0}", label="?", vjp=(lambda g, out, x: g * (2.001 * x),))
    yield row
    del TABLE["crooked"]


def test_the_report_has_everything(crooked: Primitive) -> None:
    with pytest.raises(GradientError) as caught:
        check_grad(lambda scale, x: np.tanh(scale * crooked(x)), 0.5, X, seed=11)
    told = str(caught.value)
    assert re.search(r"the gradient by (scale|x\[\d, \d\]) is wrong", told)
    analytic, numeric = (float(re.search(rf"{word} +(\S+)", told)[1]) for word in ("analytic", "numeric"))  # type: ignore[index]
    assert analytic / numeric == pytest.approx(1.0005, rel=1e-6)
    assert re.search(r"error +\S+ = \S+ u of the terms' size \S+; allowed \S+", told)
    assert "replay   check_grad(..., seed=11) at x[" in told
    assert re.search(r"node +node \d of \d, crooked of shape \(2, 3\): its rule for operand 0 disagrees", told)


def test_a_rule_wrong_in_the_second_order_only(crooked: Primitive) -> None:
    object.__setattr__(
        crooked, "slots", ((0, lambda g, out, x: g * 2.0 * (x.detach() if hasattr(x, "detach") else x)),)
    )
    object.__setattr__(crooked, "vjp", (crooked.slots[0][1],))
    check_grad(crooked, X)
    with pytest.raises(GradientError, match="is wrong"):
        check_grad(lambda x: mg.grad(lambda t: crooked(t).sum())(x) * x, X)


def test_an_error_below_autograds_absolute_tolerance_is_caught() -> None:
    # gradients of 1e-9 and a backward pass that answers twice as much: an absolute tolerance of 1e-6 lets it pass
    f = lambda x: 1e-9 * np.tanh(x)
    check_grad(f, X, backward=lambda dout, x: 1e-9 * dout * (1 - np.tanh(x) ** 2))
    with pytest.raises(GradientError):
        check_grad(f, X, backward=lambda dout, x: 2e-9 * dout * (1 - np.tanh(x) ** 2))


def test_a_function_that_computes_otherwise_on_tensors() -> None:
    def two_faced(x: Any) -> Any:
        return x * 2.0 if isinstance(x, Tensor) else x * 3.0

    with pytest.raises(GradientError, match="something else on tensors"):
        check_grad(two_faced, X)


# ---- what is refused -------------------------------------------------------------------------------------


def noisy() -> Any:
    rng = np.random.default_rng(0)
    return lambda x: x * rng.random()


def greedy(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        x *= 2
    return x * x


@pytest.mark.parametrize(
    ("f", "arrays", "kind", "message"),
    [
        (
            np.tanh,
            [X.astype(np.float32)],
            DTypeError,
            r"check_grad needs float64 \(got float32 for .*astype\(np.float64\)",
        ),
        (np.tanh, [np.arange(3)], DTypeError, r"check_grad needs float64 \(got int64"),
        (np.tanh, [[1.0, 2.0]], DTypeError, r"got list"),
        (np.tanh, [Tensor(X)], DTypeError, r"takes plain arrays"),
        (noisy(), [X], GraphError, r"f\(x\) differed between two calls by \S+; fix the seed"),
        (greedy, [X], GraphError, r"f changed its argument x; give it a copy"),
        (lambda x: x * 0.0, [X], GraphError, "nothing was checked: numeric and analytic gradients are all 0"),
        (
            lambda x: x * np.nan,
            [X],
            GraphError,
            "nothing was checked: numeric and analytic gradients are all not finite",
        ),
        (np.tanh, [np.zeros((0, 3))], GraphError, "nothing was checked: numeric and analytic gradients are all empty"),
        (np.tanh, [], GraphError, "nothing was checked: no array was given"),
        (lambda x: x.data if isinstance(x, Tensor) else x, [X], GraphError, "not computed from its arguments"),
        (lambda x: x > 0, [X], DTypeError, "only a float output has a gradient"),
    ],
)
def test_what_says_nothing_is_refused(f: Any, arrays: list[Any], kind: type[Exception], message: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(kind, match=message):
        check_grad(f, *arrays)


def test_a_method_that_is_none() -> None:
    with pytest.raises(GraphError, match=r'"auto", "complex" or "central"; got .forward.'):
        check_grad(np.tanh, X, method="forward")


@pytest.mark.parametrize(("f", "name"), [(lambda x: np.maximum(x, 0.0), "maximum"), (np.abs, "abs")])
@pytest.mark.parametrize("value", [0.0, 1e-9, -1e-7])
def test_a_kink_within_the_step(f: Any, name: str, value: float) -> None:
    x = np.array([1.0, -2.0, value])
    told = rf"\[2\]={re.escape(f'{value:.3g}')} is within the step of a kink of {name} .*subgradient=True"
    with pytest.raises(GraphError, match=told):
        check_grad(f, x)
    assert check_grad(f, x, subgradient=True).entries == 3


def test_a_tie_of_max_is_a_kink() -> None:
    x = np.array([1.0, 3.0, 3.0])
    with pytest.raises(GraphError, match="kink of max"):
        check_grad(np.max, x)
    assert check_grad(np.max, x, subgradient=True).entries == 3


def test_a_subgradient_outside_of_the_slopes_is_wrong() -> None:
    x = np.array([1.0, 0.0])
    slopes = lambda at_zero: lambda dout, x: dout * np.where(x > 0, 1.0, np.where(x < 0, 0.0, at_zero))
    relu = lambda x: np.maximum(x, 0.0)
    for right in (0.0, 0.5, 1.0):
        check_grad(relu, x, backward=slopes(right), subgradient=True)
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(GradientError, match=r"\[1\] is wrong"):
            check_grad(relu, x, backward=slopes(wrong), subgradient=True)


def test_a_complex_step_past_what_is_not_analytic() -> None:
    with pytest.raises(GraphError, match=r'maximum is not analytic.*use method="central"'):
        check_grad(lambda x: np.maximum(x, 0.0), X, method="complex")
    with pytest.raises(GraphError, match=r'f is not analytic.*use method="central"'):  # np.real cannot be recorded
        check_grad(lambda x: np.real(x) * x, X, method="complex", backward=lambda dout, x: dout * 2 * x)
    with pytest.raises(GraphError, match=r'does not run on complex numbers.*use method="central"'):
        check_grad(
            lambda x: np.array([float(v) for v in x]) ** 2, X[0], method="complex", backward=lambda d, x: d * 2 * x
        )
    assert check_grad(lambda x: np.real(x) * x, X, backward=lambda dout, x: dout * 2 * x).method == "central"


def test_the_variance_of_numpy_is_not_analytic_but_a_square_is() -> None:
    # np.var uses |z|**2 on complex numbers: the complex step would measure something else, silently
    assert check_grad(lambda x: x / np.sqrt(np.var(x, axis=0) + 1.0), X).method == "central"
    squares = lambda x: x / np.sqrt(np.mean((x - np.mean(x, axis=0)) ** 2, axis=0) + 1.0)
    assert check_grad(squares, X).method == "complex"


@pytest.mark.parametrize("width", [1e-1, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("beside", [0.0, 1.0])
def test_a_function_that_is_narrower_than_the_first_steps(width: float, beside: float) -> None:
    def f(x: Any) -> Any:
        return np.sum(np.exp(-((x / width) ** 2)) + beside * x)

    x = np.array([width, width / 2])
    right = -2 * x / width**2 * np.exp(-((x / width) ** 2)) + beside
    for method in ("auto", "central"):
        assert np.allclose(mg.grad(f)(x), right, rtol=1e-12)
        check_grad(f, x, method=method)
    with pytest.raises(GradientError):
        check_grad(lambda x: (f(x), x), x, backward=lambda d, x: d * np.full(2, beside))


@pytest.mark.parametrize("size", [1e-3, 1e-8, 1e-100])
@pytest.mark.parametrize("method", ["auto", "central"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(1 / x),
        lambda x: np.sum(np.log(x * x)) if abs(x[0]) > 1e-50 else np.sum(np.log(np.abs(x))),
        lambda x: np.sum(np.abs(1 / x)),
        np.linalg.norm,
        lambda x: np.maximum((x - np.mean(x)) / np.sqrt(np.var(x)), 0.1),
    ],
    ids=["reciprocal", "log", "abs of reciprocal", "norm", "batch norm and relu"],
)
def test_what_is_smooth_at_the_size_of_the_input_is_no_kink(f: Any, method: str, size: float) -> None:
    x = np.array([1.0, -2.0, 3.0]) * size
    check_grad(f, x, method=method)
    _, pull = mg.vjp(f, x)
    slightly_wrong = lambda dout, x: pull(np.asarray(dout))[0] * (1 + 1e-4 * (np.arange(3) == 1))
    with np.errstate(invalid="ignore"), pytest.raises(GradientError, match=r"\[1\] is wrong"):
        check_grad(lambda x: f(x), x, backward=slightly_wrong, method=method)


@pytest.mark.parametrize("subgradient", [False, True])
def test_where_no_step_agrees_with_another_nothing_is_accepted(subgradient: bool) -> None:
    steps = lambda x: np.round(x * 2.0**29) / 2.0**29  # flat below, of slope 1 above
    for slope in (0.0, 1.0, 7.0):
        with pytest.raises(GraphError, match=r"x\[0\]=1: no step of central differences agrees with smaller ones"):
            check_grad(steps, np.array([1.0]), backward=lambda d, x, slope=slope: slope * d, subgradient=subgradient)


def test_slopes_of_a_noisy_function_are_those_of_the_wide_steps() -> None:
    rough = np.random.default_rng(0)
    slope = central_slope(lambda t: np.exp(np.array([0.0]) + t) + 1e-9 * rough.standard_normal(1), np.array([1.0]))
    assert abs(slope.value - 1.0) < 1e-4
