"""The heart: every way to compute batch normalization gives the same numbers, at every node and along every edge."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
from bn_reference import (
    FOURTEEN,
    PRECISION,
    Problem,
    compact,
    engine_gradients,
    exact,
    exact_out,
    forward_nodes,
    probe,
    source_of_backward,
    staged,
    staged_variables,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import micrograd as mg
from micrograd.batchnorm import BatchSizeWarning, batch_norm, batchnorm_forward
from micrograd.batchnorm.tolerance import assert_bn_close, bn_bounds, unit_roundoff
from micrograd.engine import Tensor

# Cheap and at the heart: four times as many examples as the profile says.
MANY = settings(max_examples=4 * settings.default.max_examples)

LAYOUTS = ("C", "Fortran", "strided", "rows alike", "columns alike")


def laid_out(a: np.ndarray, layout: str) -> np.ndarray:
    """The same shape in another layout of memory; a broadcast one repeats the first row or column."""
    match layout:
        case "Fortran":
            return np.asfortranarray(a)
        case "strided":
            wide = np.full((2 * a.shape[0], a.shape[1] + 1), np.nan, a.dtype)
            view = wide[::2, a.shape[1] - 1 :: -1] if a.shape[1] else wide[::2, :0]
            view[...] = a
            return view
        case "rows alike":
            return np.broadcast_to(a[:1], a.shape)
        case "columns alike":
            return np.broadcast_to(a[:, :1], a.shape) if a.shape[1] else a
    return np.ascontiguousarray(a)


@st.composite
def problems(
    draw: st.DrawFn,
    max_n: int = 128,
    max_d: int = 5,
    least_n: int = 1,
    least_d: int = 0,
    layouts: tuple[str, ...] = LAYOUTS,
) -> Problem:
    """Means and deviations from 1e-4 to 1e4, eps from 1e-12 to 1, some columns constant, any layout."""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    n = draw(st.integers(least_n, 8) | st.sampled_from([k for k in (16, 17, 64, 128) if k <= max_n]))
    d = draw(st.integers(least_d, max_d))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    exponents = st.lists(st.integers(-4, 4), min_size=d, max_size=d)
    mean, std = (10.0 ** np.array(draw(exponents), float) for _ in range(2))
    std *= np.array(draw(st.lists(st.sampled_from([1, 1, 1, 1, 0]), min_size=d, max_size=d)), float)
    x = mean * rng.choice([-1.0, 1.0], d) + std * rng.standard_normal((n, d))
    arrays = (
        laid_out(x.astype(dtype), draw(st.sampled_from(layouts))),
        rng.normal(0, 2, d).astype(dtype),
        rng.normal(0, 2, d).astype(dtype),
        laid_out(rng.normal(0.2, 1, (n, d)).astype(dtype), draw(st.sampled_from(layouts))),
    )
    return Problem(*arrays, eps=10.0 ** draw(st.integers(-12, 0)))


def compose(problem: Problem) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`batch_norm` on tensors: out, x, gamma, beta. One row is meant, so its warning is no news."""
    x, gamma, beta = Tensor(problem.x), Tensor(problem.gamma), Tensor(problem.beta)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BatchSizeWarning)
        return batch_norm(x, gamma, beta, problem.eps), x, gamma, beta


def composed(problem: Problem) -> dict[str, Any]:
    out, x, gamma, beta = compose(problem)
    out.backward(problem.dout)
    return {"out": out.data, "dx": x.grad, "dgamma": gamma.grad, "dbeta": beta.grad}


def same_bits(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)


# ---- forward ---------------------------------------------------------------------------------------------


@MANY
@given(problems())
def test_the_composed_forward_pass_has_the_bits_of_the_handwritten_one(problem: Problem) -> None:
    out, x, *_ = compose(problem)
    hand, (xhat, _, xmu, ivar, sqrtvar, var, _) = batchnorm_forward(x.data, *problem.parameters[1:])
    nodes = forward_nodes(out)
    for name, value in {"xhat": xhat, "xmu": xmu, "ivar": ivar, "sqrtvar": sqrtvar, "var": var, "out": hand}.items():
        assert same_bits(nodes[name].data, value), name


# ---- backward, line by line ------------------------------------------------------------------------------

# The rule of `reciprocal` computes -g * out * out where the hand writes -1 / sqrtvar**2 * divar. All else is the same
# arithmetic in the same order.
AS_THE_TABLE = ("-1.0 / sqrtvar**2 * divar", "-divar * ivar * ivar")
BEFORE_THE_ROOT = ("dbeta", "dgammax", "dgamma", "dxhat", "divar", "dxmu1")


@MANY
@given(
    problems(layouts=("C",))
)  # `np.ones` is laid out as C, the engine's broadcast as nothing: others add up in another order
def test_with_the_tables_rule_all_fourteen_agree_to_the_last_bit(problem: Problem) -> None:
    out, x, *_ = compose(problem)
    _, cache = batchnorm_forward(x.data, *problem.parameters[1:])
    source = source_of_backward()
    assert source.count(AS_THE_TABLE[0]) == 1
    hand = staged_variables(problem.dout, cache, source.replace(*AS_THE_TABLE))
    engine = engine_gradients(out, problem.dout)
    for name in FOURTEEN:
        assert same_bits(engine[name], hand[name]), name


def stage_bounds(hand: dict[str, Any], u: float) -> dict[str, Any]:
    """How far the fourteen may be from the engine's, counting roundings from where the arithmetic differs.

    The two forms of dsqrtvar have 4 and 3 roundings, and differ by at most 7 u of its size.  Each product after it
    rounds once on either side (2 u more: dvar 9, dsq 11, dxmu2 13), all within the 16 u of `bn_bounds`.  Each sum
    adds 2 u of its result; the sum over N rows in dmu at most 2 (N - 1) u of the sum of sizes.
    Before the root nothing differs, and nothing may.
    """
    size = {name: np.abs(hand[name].astype(np.float64)) for name in FOURTEEN}
    n = len(size["dx"])
    bounds: dict[str, Any] = dict.fromkeys(BEFORE_THE_ROOT, 0.0)
    for name in ("dsqrtvar", "dvar", "dsq", "dxmu2"):
        bounds[name] = 16 * u * size[name]
    bounds["dx1"] = bounds["dxmu2"] + 2 * u * size["dx1"]
    bounds["dmu"] = bounds["dx1"].sum(axis=0) + 2 * n * u * size["dx1"].sum(axis=0)
    bounds["dx2"] = bounds["dmu"] / n + 4 * u * size["dx2"]
    bounds["dx"] = bounds["dx1"] + bounds["dx2"] + 2 * u * size["dx"]
    return bounds


def disagreements(problem: Problem, source: str | None = None) -> list[str]:
    """Which of the fourteen the handwritten pass (or an edit of it) does not share with the engine."""
    out, x, *_ = compose(problem)
    _, cache = batchnorm_forward(x.data, *problem.parameters[1:])
    engine = engine_gradients(out, problem.dout)
    hand = staged_variables(problem.dout, cache, source)
    for name in FOURTEEN:
        if hand[name].shape != engine[name].shape or hand[name].dtype != engine[name].dtype:
            return [name]
    bounds = stage_bounds(engine, unit_roundoff(problem.x.dtype))
    return [n for n in FOURTEEN if not (np.abs(hand[n].astype(np.float64) - engine[n]) <= bounds[n]).all()]


@MANY
@given(problems())
def test_all_fourteen_intermediates_agree(problem: Problem) -> None:
    assert disagreements(problem) == []


@pytest.mark.parametrize("name", FOURTEEN)
def test_the_comparison_of_intermediates_names_the_first_wrong_line(name: str) -> None:
    lines = [
        f"{line} * (1 + 1e-14)" if line.strip().startswith(f"{name} = ") else line
        for line in source_of_backward().splitlines()
    ]
    # where the line may round differently, 45 u are seen at once; where not, one bit
    assert disagreements(probe(), "\n".join(lines))[0] == name


@given(problems(layouts=("C",)))
def test_the_graph_knows_the_fourteen_by_name(problem: Problem) -> None:
    graph = mg.trace(batchnorm_forward, *problem.parameters).backward(problem.dout)
    _, cache = batchnorm_forward(*problem.parameters)
    source = source_of_backward().replace(*AS_THE_TABLE)
    hand = staged_variables(problem.dout, cache, source)
    edges = {
        "dxmu1": ("xmu", "xhat"), "dxmu2": ("xmu", "sq"), "dx1": ("x", "xmu"), "dx2": ("x", "mu"),
        "divar": ("ivar", "xhat"), "dgammax": ("gammax", "out"),
    }  # fmt: skip
    for name in FOURTEEN:
        found = graph.edge_grad[edges[name]] if name in edges else graph.grad[name[1:]]
        assert same_bits(found, hand[name]), name
    assert same_bits(graph.grad["xmu"], hand["dx1"])


@pytest.mark.parametrize("f", [batchnorm_forward, batch_norm])
def test_the_backward_graph_has_the_students_names_and_values(f: Any) -> None:
    problem = probe()
    backward = mg.trace(f, *problem.parameters).backward(problem.dout).backward_graph()
    _, cache = batchnorm_forward(*problem.parameters)
    hand = staged_variables(problem.dout, cache, source_of_backward().replace(*AS_THE_TABLE))
    for name in FOURTEEN:
        assert same_bits(backward.value[name], hand[name]), name


# ---- all of them under one bound -------------------------------------------------------------------------


@MANY
@given(problems())
def test_composed_staged_and_compact_agree(problem: Problem) -> None:
    bounds = bn_bounds(*problem.parameters[:3], problem.dout, problem.eps)
    engine, hand, fused = composed(problem), staged(problem), compact(problem)
    assert_bn_close(engine, hand, bounds)
    assert_bn_close(engine, fused, bounds)
    assert_bn_close(hand, fused, bounds)
    assert {a.dtype for a in engine.values()} == {problem.x.dtype}


@MANY
@given(problems(max_n=17, max_d=3))
def test_all_agree_with_300_bits(problem: Problem) -> None:
    bounds = bn_bounds(*problem.parameters[:3], problem.dout, problem.eps)
    truth = exact(problem)
    for implementation in (composed, staged, compact):
        assert_bn_close(implementation(problem), truth, bounds)


def test_the_reference_is_right() -> None:
    problem = probe(4, 2)
    truth = exact(problem)
    with mpmath.workprec(PRECISION):

        def loss(x: Any) -> Any:
            out, *_ = exact_out(x, problem.gamma.astype(object), problem.beta.astype(object), mpmath.mpf(problem.eps))
            return (out * problem.dout.astype(object)).sum()

        step = mpmath.mpf(2) ** -100  # central differences: an error of 2**-200
        at = np.vectorize(lambda v: mpmath.mpf(float(v)), otypes=[object])(problem.x)
        for index in np.ndindex(problem.x.shape):
            up, down = at.copy(), at.copy()
            up[index] += step
            down[index] -= step
            slope = float((loss(up) - loss(down)) / (2 * step))
            assert truth["dx"][index] == pytest.approx(slope, rel=1e-15, abs=1e-17)


@pytest.fixture(scope="module")
def torch() -> Iterator[Any]:
    """PyTorch, on one thread: for arrays this small a second one only waits."""
    torch = pytest.importorskip("torch", reason="PyTorch, the judge, is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


@pytest.mark.judge
@given(problems(least_n=2, least_d=1))  # PyTorch refuses one row and no column
def test_all_agree_with_pytorch(torch: Any, problem: Problem) -> None:
    x, gamma, beta = (
        torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in (problem.x, problem.gamma, problem.beta)
    )
    out = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=problem.eps)
    out.backward(torch.tensor(np.ascontiguousarray(problem.dout)))
    theirs = {"out": out, "dx": x.grad, "dgamma": gamma.grad, "dbeta": beta.grad}
    theirs = {name: value.detach().numpy() for name, value in theirs.items()}
    bounds = bn_bounds(*problem.parameters[:3], problem.dout, problem.eps)
    for implementation in (composed, staged, compact):
        assert_bn_close(implementation(problem), theirs, bounds)


# ---- channels elsewhere ----------------------------------------------------------------------------------


@given(problems(max_n=17, max_d=4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3))
def test_channels_on_any_axis_are_the_two_dimensional_case_rearranged(
    problem: Problem, height: int, width: int, axis: int
) -> None:
    n, d = problem.x.shape
    rows = n * height * width

    def spread(a: np.ndarray) -> np.ndarray:
        return np.moveaxis(np.resize(a, (n, height, width, d)), 3, axis) if a.size else np.moveaxis(
            np.zeros((n, height, width, d), a.dtype), 3, axis
        )  # fmt: skip

    def flat(a: Any) -> Any:
        return np.moveaxis(a, axis, 3).reshape(rows, d)

    x, dout = spread(problem.x), spread(problem.dout)
    tensors = Tensor(x), Tensor(problem.gamma), Tensor(problem.beta)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BatchSizeWarning)
        out = batch_norm(*tensors, problem.eps, axis=axis)
    out.backward(dout)
    got = {"out": flat(out.data), "dx": flat(tensors[0].grad), "dgamma": tensors[1].grad, "dbeta": tensors[2].grad}
    plane = Problem(flat(x), problem.gamma, problem.beta, flat(dout), problem.eps)
    assert_bn_close(got, composed(plane), bn_bounds(*plane.parameters[:3], plane.dout, plane.eps))
    assert out.shape == x.shape
