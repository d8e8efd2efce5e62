"""How often a kernel runs over its arrays, and that fewer sweeps cost no digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import micrograd as mg
from micrograd.batchnorm.tolerance import bn_bounds

EPS = 1e-5
Function = Callable[..., Any]


def norm(axis: int) -> Function:
    def forward(x: Any, gamma: Any, beta: Any) -> Any:
        centred = x - x.mean(axis, keepdims=True)
        return gamma * centred / np.sqrt((centred**2).mean(axis, keepdims=True) + EPS) + beta

    def both_ways(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        out, pull = mg.vjp(forward, x, gamma, beta)
        return (out, *pull(dout))

    return both_ways


def normalised_rows(x: Any) -> Any:
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + EPS)


def batch(n: int, d: int, offset: float = 0.0, spread: float = 1.0, spikes: float = 0.0) -> list[Any]:
    rng = np.random.default_rng(n * d)
    x, dout = offset + spread * rng.standard_normal((n, d)), rng.standard_normal((n, d))
    dout *= np.exp(spikes * rng.standard_normal((n, d)))
    return [a.astype(np.float32) for a in (x, rng.normal(1, 0.1, d), rng.normal(0, 0.1, d), dout)]


def lines(f: Function, text: str, *args: Any) -> int:
    """How many lines of a row's loops begin so, but for those that run where a start was far from the mean."""
    compiled = mg.compile(f, threads=1)
    compiled(*args)
    source = compiled.report().source.splitlines()
    depths = {what: [len(line) - len(line.lstrip()) for line in source if re.match(rf" +{what}", line)]
              for what in (r"if far\d+ != 0:", text)}  # fmt: skip
    far, inner = depths.values()
    return sum(depth <= min(far, default=99) + (4 if text.startswith("while") else 8) for depth in inner)


def sweeps(f: Function, *args: Any) -> int:
    return lines(f, "while i1 < ", *args)


def less_its_sum(x: Any, dout: Any) -> Any:
    centred = x - x.mean(1, keepdims=True)
    y = dout + (centred**3).sum(1, keepdims=True) * centred
    return y - 0.5 * y.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("f", "args", "count"),
    [(norm(1), batch(8, 12), 2), (normalised_rows, batch(8, 12)[:1], 2), (less_its_sum, batch(8, 12)[::3], 3)],
)
def test_sweeps_over_a_row(f: Function, args: Any, count: int) -> None:
    assert sweeps(f, *args) == count


@settings(max_examples=30)
@given(
    st.integers(0, 1), st.integers(2, 40), st.integers(2, 300), st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    st.sampled_from([1e-3, 1.0, 1e3]), st.sampled_from([0.0, 4.0]),
)  # fmt: skip
def test_both_ways_within_the_bound(axis: int, n: int, d: int, offset: float, spread: float, spikes: float) -> None:
    x, gamma, beta, dout = batch(n, d, offset, spread, spikes)
    got = mg.compile(norm(axis), threads=1)(x, gamma, beta, dout)
    wanted = norm(axis)(*(a.astype(np.float64) for a in (x, gamma, beta, dout)))
    if axis == 0:
        bound = bn_bounds(x, gamma, beta, dout, EPS, np.float32)
        allowed = [bound.out, bound.dx, bound.dgamma, bound.dbeta]
    else:  # a row is a column of batch norm; gamma and beta come after it
        bound = bn_bounds(x.T, np.ones(n), np.zeros(n), (dout * gamma.astype(np.float64)).T, EPS, np.float32)
        allowed = [np.abs(gamma) * bound.out.T + 16 * 2.0**-24 * np.abs(beta), bound.dx.T]
    for g, w, most in zip(got, wanted, allowed, strict=False):
        assert (np.abs(g - np.asarray(w)) <= most).all()


FAR_FROM_ZERO = {  # sums that would lose all digits if their terms were summed apart
    "less the largest": lambda x: (x - x.max(1, keepdims=True)).sum(1),
    "less the first": lambda x: (2.0 * (x - x[:, :1])).sum(1),
    "less a number": lambda x: (x - 1e6).sum(1),
}


@pytest.mark.parametrize("name", FAR_FROM_ZERO)
def test_sums_are_not_taken_apart_where_that_costs_digits(name: str) -> None:
    f = FAR_FROM_ZERO[name]
    x = (1e6 + np.random.default_rng(0).integers(-8, 9, (4, 64))).astype(np.float32)
    plain, compiled, exact = f(x), mg.compile(f)(x), f(x.astype(np.float64))
    assert (np.abs(compiled - exact) <= 2 * np.abs(plain - exact) + 1e-4 * np.abs(exact)).all()


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_sum_that_is_zero_is_none_where_x_is_not_finite(bad: float) -> None:
    def f(x: Any) -> Any:
        return (3.0 * (x - x.mean(1, keepdims=True))).sum(1)

    x = np.random.default_rng(0).standard_normal((5, 40))
    assert np.abs(mg.compile(f)(x)).max() < 1e-13
    x[2, 7] = bad
    with np.errstate(all="ignore"):
        assert np.isnan(mg.compile(f)(x)).tolist() == np.isnan(f(x)).tolist() == [False, False, True, False, False]


def test_a_sum_that_waits_for_the_mean_anyway_is_taken_once() -> None:
    """What is summed with ``x - mean(x)`` is only known after the mean: to sum it with x besides would be work more."""

    def f(x: Any) -> Any:
        normal = normalised_rows(x)
        return normal * (np.tanh(normal) * normal).sum(1, keepdims=True)

    assert sweeps(f, batch(8, 12)[0]) == 3
    assert lines(f, r"s\d+_ = plus", batch(8, 12)[0]) == 3


# ---- softmax -----------------------------------------------------------------------------------------------------


def log_sum_exp(x: Any) -> Any:
    largest = x.max(1, keepdims=True)
    return (np.log(np.exp(x - largest).sum(1, keepdims=True)) + largest).sum()


def by_hand(x: Any, labels: Any) -> Any:
    shifted = x - np.max(x, axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    return (np.log(np.sum(np.exp(shifted), axis=1)) - chosen).mean()


def smoothed(x: Any, labels: Any) -> Any:
    """Nine tenths of the usual loss and one tenth of its opposite: the gradients of the scores still add up to 0."""
    shifted = x - x.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -(0.9 * logs[np.arange(len(labels)), labels] + 0.1 * logs.mean(1)).sum()


def half_shifted(x: Any, labels: Any) -> Any:
    """What is subtracted is half of the maximum: the other half of its gradient stays."""
    shifted = x - 0.5 * x.max(1, keepdims=True)
    return (np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]).sum()


def twice_shifted(x: Any, labels: Any) -> Any:
    """The score at the label is not shifted: the maximum gets a gradient."""
    shifted = x - x.max(1, keepdims=True)
    return (np.log(np.exp(shifted).sum(1)) - x[np.arange(len(labels)), labels]).sum()


def label_twice(x: Any, labels: Any) -> Any:
    shifted = x - x.max(1, keepdims=True)
    return (np.log(np.exp(shifted).sum(1)) - 2.0 * shifted[np.arange(len(labels)), labels]).sum()


def maximum_too(x: Any, labels: Any) -> Any:
    largest = x.max(1, keepdims=True)
    return (np.log(np.exp(x - largest).sum(1, keepdims=True)) + 3.0 * largest).sum() + (largest**2).sum()


def weighted(x: Any, labels: Any) -> Any:
    shifted = x - x.max(1, keepdims=True)
    return (np.log((np.exp(shifted) * np.arange(1.0, x.shape[1] + 1)).sum(1)) - 2.0 * shifted[:, 0]).sum()


LOSSES: dict[str, tuple[Function, bool]] = {  # and whether nothing goes to the maximum
    "cross_entropy": (mg.functional.cross_entropy, True),
    "by hand": (by_hand, True),
    "log_sum_exp": (lambda x, labels: log_sum_exp(x), True),
    "smoothed": (smoothed, False),
    "half": (half_shifted, False),
    "one side": (twice_shifted, False),
    "weighted": (weighted, False),
    "label twice": (label_twice, False),
    "maximum too": (maximum_too, False),
}


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_scores(name: str) -> None:
    loss, free = LOSSES[name]
    rng = np.random.default_rng(0)
    for n, c in ((5, 7), (1, 2), (70, 300), (3, 1)):
        x, labels = rng.integers(-3, 4, (n, c)).astype(float), rng.integers(0, c, n)  # with ties
        f = mg.compile(mg.value_and_grad(loss), threads=1)
        for g, w in zip(f(x, labels), mg.value_and_grad(loss)(x, labels), strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-14)
        assert c == 1 or not free or "==" not in f.report().source.replace("== k", "")  # no ties are counted


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e300])
def test_scores_that_are_not_finite(name: str, bad: float) -> None:
    loss, _ = LOSSES[name]
    x, labels = np.random.default_rng(0).standard_normal((4, 9)), np.array([1, 8, 0, 3])
    for place in ((1, 2), (1, 8), (0, slice(None))):
        y = x.copy()
        y[place] = bad
        with np.errstate(all="ignore"):
            got, wanted = mg.compile(mg.grad(loss))(y, labels), mg.grad(loss)(y, labels)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def test_cross_entropy_is_one_kernel_of_three_sweeps() -> None:
    f = mg.compile(mg.value_and_grad(mg.functional.cross_entropy), threads=1)
    args = np.random.default_rng(0).standard_normal((8, 12)).astype(np.float32), np.arange(8)
    f(*args)
    assert [note.kind for note in f.report().kernels] == ["kernel"]
    assert sweeps(mg.value_and_grad(mg.functional.cross_entropy), *args) == 3
    assert f.report().source.count("exp32") == 1
    (entry,) = next(iter(f.entries.values()))
    alive = entry.lowered.guards & {equation.out for equation in entry.lowered.program.equations}
    assert f.report().source.count("bad |=") == len(alive) == 3  # the maximum, the sum, what it divides
