"""Batch normalization: what it computes, what it refuses, and the test phase."""

from __future__ import annotations

import warnings
from typing import Any

import mpmath
import numpy as np
import pytest
from bn_reference import PRECISION, Problem, compact, exact, probe, staged
from hypothesis import given
from hypothesis import strategies as st

import micrograd as mg
from micrograd.batchnorm import (
    BatchSizeWarning,
    batch_norm,
    batch_norm_inference,
    batch_statistics,
    batchnorm_backward,
    batchnorm_backward_fused,
    batchnorm_forward,
    inference_scale_shift,
    population_statistics,
    update_running_statistics,
)
from micrograd.batchnorm.tolerance import assert_bn_close, bn_bounds, inference_bound, unit_roundoff
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, NumericalError, ShapeError

ONES, ZEROS = np.ones(3), np.zeros(3)


def batch(n: int = 4, d: int = 3, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


# ---- the graph ---------------------------------------------------------------------------------------------


def test_the_graph_is_that_of_the_handwritten_code() -> None:
    problem = probe()
    composed = mg.trace(batch_norm, *problem.parameters)
    by_hand = mg.trace(batchnorm_forward, *problem.parameters)
    for one, other in zip(composed.nodes, by_hand.nodes, strict=True):
        assert (one.name, one.op, one.shape, one.operands, one.attrs) == (
            other.name, other.op, other.shape, other.operands, other.attrs,
        )  # fmt: skip
    assert [stage.title for stage in composed.stages] == [stage.title for stage in by_hand.stages]


def test_it_is_made_of_the_seven_primitives_under_the_names_of_the_stages() -> None:
    graph = mg.trace(batch_norm, *probe().parameters)
    assert {node.op for node in graph.nodes} == {"input", "sum", "sub", "pow", "sqrt", "reciprocal", "mul", "add"}
    stages = [[graph.nodes[index].name for index in stage.nodes][-1] for stage in graph.stages]
    assert stages == ["mu", "xmu", "sq", "var", "sqrtvar", "ivar", "xhat", "gammax", "out"]
    assert [stage.title.split(":")[0] for stage in graph.stages] == [f"Step {i}" for i in range(1, 10)]


def test_the_stages_by_hand_on_two_rows() -> None:
    # x = 1, 7: mean 4, distances -3, 3, variance 9; with eps = 7 the root is 4
    graph = mg.trace(batch_norm, np.array([[1.0], [7.0]]), np.array([2.0]), np.array([5.0]), 7.0)
    by_hand = {
        "mu": [4.0], "xmu": [[-3.0], [3.0]], "sq": [[9.0], [9.0]], "var": [9.0], "sqrtvar": [4.0], "ivar": [0.25],
        "xhat": [[-0.75], [0.75]], "gammax": [[-1.5], [1.5]], "out": [[3.5], [6.5]],
    }  # fmt: skip
    for name, value in by_hand.items():
        assert np.array_equal(graph.value[name], value), name


@pytest.mark.parametrize("mask", range(8))
def test_each_argument_may_be_a_tensor_or_an_array(mask: int) -> None:
    problem = probe()
    arrays = (problem.x, problem.gamma, problem.beta)
    arguments = [Tensor(a) if mask >> i & 1 else a for i, a in enumerate(arrays)]
    out = batch_norm(*arguments, problem.eps)
    right = staged(problem)
    assert isinstance(out, Tensor) == bool(mask)
    assert np.array_equal(out.data if mask else out, right["out"])
    if mask:
        out.backward(problem.dout)
        bounds = bn_bounds(*arrays, problem.dout, problem.eps)
        got = {n: a.grad for n, a in zip(("dx", "dgamma", "dbeta"), arguments, strict=True) if isinstance(a, Tensor)}
        assert_bn_close(got, right, bounds)


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_the_dtype_of_x_is_the_dtype_of_everything(dtype: str) -> None:
    arguments = [Tensor(a.astype(dtype)) for a in (batch(), ONES, ZEROS)]
    out = batch_norm(*arguments, np.float64(1e-3))  # an eps of NumPy's kind must not widen
    out.backward(batch(seed=1).astype(dtype))
    assert {out.dtype, *(a.grad.dtype for a in arguments)} == {np.dtype(dtype)}


def test_float16_gets_the_statistics_of_float32() -> None:
    values = (batch(64) + 1e4).astype(np.float16)  # the squares alone would overflow
    x, gamma, beta = (Tensor(a.astype(np.float16)) for a in (values, ONES * 2, ONES))
    out = batch_norm(x, gamma, beta)
    wide, _ = batchnorm_forward(
        values.astype(np.float32), np.float32(2) * ONES.astype(np.float32), ONES.astype(np.float32)
    )
    assert out.dtype == np.float16
    assert np.array_equal(out.data, wide.astype(np.float16))
    out.backward(batch(64, seed=1).astype(np.float16))
    assert [a.grad.dtype for a in (x, gamma, beta)] == [np.float16] * 3
    assert np.isfinite(x.grad).all()
    assert {"cast"} < {node.op for node in mg.Graph.of(out).nodes}


def test_no_feature_gives_empty_results() -> None:
    x, gamma, beta = Tensor(np.ones((4, 0))), Tensor(np.ones(0)), Tensor(np.ones(0))
    out = batch_norm(x, gamma, beta)
    out.backward(np.ones((4, 0)))
    assert [a.shape for a in (out, x.grad, gamma.grad, beta.grad)] == [(4, 0), (4, 0), (0,), (0,)]


def test_images_normalize_over_all_but_the_channels() -> None:
    images = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
    out = batch_norm(images, ONES, ZEROS, axis=1)
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-15)
    np.testing.assert_allclose(out.var(axis=(0, 2, 3)), 1, atol=1e-4)
    assert np.array_equal(batch_norm(images, ONES, ZEROS, axis=-3), out)
    last = batch_norm(np.moveaxis(images, 1, 3), ONES, ZEROS, axis=3)
    np.testing.assert_allclose(np.moveaxis(last, 3, 1), out, atol=1e-14)
    assert np.array_equal(batch_norm(batch(), ONES, ZEROS, axis=1), batch_norm(batch(), ONES, ZEROS))


# ---- edge cases with a fixed answer ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 4, 8, 64])
@pytest.mark.parametrize("value", [0.0, 3.0, -0.375, 1.5e6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_column_whose_mean_is_exact_gives_beta_exactly(n: int, value: float, dtype: str) -> None:
    x = batch(n, 3, dtype)
    x[:, 1] = value
    tensors = Tensor(x), Tensor(np.array([1.5, -2.0, 0.3], dtype)), Tensor(np.array([0.1, 0.2, 0.3], dtype))
    out = batch_norm(*tensors, 1e-12)
    assert np.array_equal(out.data[:, 1], np.full(n, 0.2, dtype))
    out.backward(batch(n, 3, dtype, seed=1))
    assert np.isfinite(tensors[0].grad).all()


@given(st.integers(2, 100), st.floats(2**-13, 2**13, width=32), st.sampled_from(["float32", "float64"]))
def test_any_constant_column_gives_beta_within_the_rounding_of_its_mean(n: int, value: float, dtype: str) -> None:
    # The staged graph is the textbook's arithmetic: 1/N * sum need not give back the value. The bound says by how much.
    problem = Problem(
        np.full((n, 1), value, dtype), np.ones(1, dtype), np.full(1, 0.25, dtype), batch(n, 1, dtype), 1e-5
    )
    bounds = bn_bounds(*problem.parameters[:3], problem.dout, problem.eps)
    for implementation in (staged, compact):
        got = implementation(problem)
        assert np.isfinite(got["dx"]).all()
        assert_bn_close({"out": np.full((n, 1), 0.25)}, got, bounds)


def test_a_mean_a_million_deviations_away_stays_within_the_bound() -> None:
    for dtype in ("float32", "float64"):
        x = (batch(60, 3) + 1e6).astype(dtype)
        problem = Problem(x, ONES.astype(dtype), ZEROS.astype(dtype), batch(60, 3, dtype, seed=1), 1e-5)
        bounds = bn_bounds(*problem.parameters[:3], problem.dout, problem.eps)
        assert_bn_close(staged(problem), exact(problem), bounds)


def test_two_rows_become_plus_and_minus_one_and_dx_is_of_the_size_of_eps() -> None:
    # so two rows are a bad probe: whatever dout is, hardly anything comes through
    sizes = []
    for eps in (1e-6, 1e-8):
        problem = Problem(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), np.array([[1.0], [2.0]]), eps)
        got = staged(problem)
        assert np.abs(got["out"]) == pytest.approx(1, rel=eps)
        assert_bn_close(got, exact(problem), bn_bounds(*problem.parameters[:3], problem.dout, eps))
        sizes.append(np.abs(exact(problem)["dx"]).max())
    assert sizes[0] / sizes[1] == pytest.approx(100, rel=1e-3)
    assert sizes[0] < 1e-6


def test_raising_every_output_of_a_column_equally_asks_nothing_of_x() -> None:
    problem = probe()
    everywhere = Problem(problem.x, problem.gamma, problem.beta, np.ones_like(problem.x), problem.eps)
    bounds = bn_bounds(*problem.parameters[:3], everywhere.dout, problem.eps)
    assert_bn_close({"dx": np.zeros_like(problem.x)}, staged(everywhere), bounds)


def test_eps_of_zero_is_fine_where_every_column_varies() -> None:
    problem = Problem(batch(), ONES, ZEROS, batch(seed=1), 0.0)
    out = batch_norm(Tensor(problem.x), ONES, ZEROS, 0)
    np.testing.assert_allclose(out.data.var(axis=0), 1, rtol=1e-14)
    assert_bn_close({"out": out.data}, exact(problem), bn_bounds(*problem.parameters[:3], problem.dout, 0.0))


def test_eps_of_zero_and_a_constant_column_have_the_same_pattern_by_hand_and_compact() -> None:
    x = batch()
    x[:, 1] = 2.0
    problem = Problem(x, ONES, ZEROS, batch(seed=1), 0.0)
    with np.errstate(all="ignore"):
        one, other = staged(problem), compact(problem)
    bounds = bn_bounds(*problem.parameters[:3], problem.dout, 0.0)
    assert np.isnan(one["out"][:, 1]).all()
    assert_bn_close({"out": one["out"]}, {"out": other["out"]}, bounds)


# ---- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(5), r"batch_norm: x must be 2-D \(N, D\); got shape \(5,\). Use x\[:, None\] for one feature"),
        (np.ones(()), r"x must be 2-D \(N, D\); got shape \(\)"),
        (1.0, r"x must be 2-D \(N, D\); got shape \(\)"),
        (Tensor(2.0), r"x must be 2-D \(N, D\); got shape \(\)"),
        (np.ones((2, 3, 4, 5)), r"x has 4 dims \(shape .*\); pass axis=1 \(channels\) or reshape to \(N\*H\*W, C\)"),
        (np.ones((0, 3)), r"x has no rows \(shape \(0, 3\)\): the mean of an empty batch is undefined"),
    ],
)
def test_shapes_of_x_that_are_refused(x: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        batch_norm(x, ONES, ZEROS)
    assert issubclass(ShapeError, ValueError)


def test_no_image_in_the_batch_is_no_row() -> None:
    with pytest.raises(ShapeError, match="no rows"):
        batch_norm(np.ones((0, 3, 2, 2)), ONES, ZEROS, axis=1)


def test_an_axis_that_is_none_is_refused() -> None:
    with pytest.raises(ShapeError, match="axis 4 is out of range for 4"):
        batch_norm(np.ones((2, 3, 4, 5)), ONES, ZEROS, axis=4)
    with pytest.raises(DTypeError, match=r"axis must be one int, the axis of the channels; got \(0, 2\)"):
        batch_norm(np.ones((2, 3, 4)), ONES, ZEROS, axis=(0, 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["gamma", "beta"])
@pytest.mark.parametrize("as_tensor", [True, False])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 1), r"{} must have shape \(3,\); got \(3, 1\). Ravel it if it is per-feature"),
        ((2, 1, 3), r"{} must have shape \(3,\); got \(2, 1, 3\)"),
        ((1, 3), r"{} must have shape \(3,\); got \(1, 3\)"),
        ((2,), r"{} has 2 entries, x has 3 features"),
        ((), r"{} must have shape \(3,\); got \(\), a single number. Use np.full\(3, {}\)"),
    ],
)
def test_shapes_of_the_parameters_that_are_refused(name: str, as_tensor: bool, shape: Any, message: str) -> None:
    # three rows and three features: NumPy would broadcast (3, 1) over rows without a word
    value = Tensor(np.ones(shape)) if as_tensor else np.ones(shape)
    with pytest.raises(ShapeError, match=message.replace("{}", name)):
        batch_norm(batch(3), **{"gamma": ONES, "beta": ZEROS, name: value})


class _Frame:
    """Looks like a table of pandas."""

    def to_numpy(self) -> np.ndarray:
        return batch()


class _Sparse:
    """Looks like a sparse matrix of SciPy."""

    def toarray(self) -> np.ndarray:
        return batch()


class _BFloat16:
    """Looks like an array of ml_dtypes."""

    dtype = "bfloat16"


@pytest.mark.parametrize("name", ["x", "gamma", "beta"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a: a.astype(np.int64), r"{} is int64; gradients need a float dtype. Use {}?.*astype\(np.float64\)"),
        (lambda a: a.astype(np.uint8), r"{} is uint8; gradients need a float dtype"),
        (lambda a: a > 0, r"{} is bool; gradients need a float dtype"),
        (lambda a: a.astype(complex), r"{} is complex128: complex is not supported.*xmu\*\*2 is not \|xmu\|\^2"),
        (lambda a: a.astype(object), r"{} has dtype object, which is not numeric"),
        (lambda a: a.astype(str), r"{} has dtype <U.*, which is not numeric"),
        (lambda a: np.zeros(a.shape, "M8[s]"), r"{} has dtype datetime64.*, which is not numeric"),
        (lambda a: np.zeros(a.shape, [("a", "f8")]), r"{} has dtype .*, which is not numeric"),
        (np.ma.masked_invalid, r"{} is a masked array: fill or drop masked rows first"),
        (lambda a: a.tolist(), r"{} is a list; pass np.asarray\(x, float\)"),
        (lambda a: _Frame(), r"{} is a _Frame; pass x.to_numpy\(\)"),
        (lambda a: _Sparse(), r"{} is a _Sparse; pass x.toarray\(\)"),
        (lambda a: _BFloat16(), r"{} is bfloat16, in which NumPy has no arithmetic; use {}.astype\(np.float32\)"),
        (lambda a: "1.0", r"{} is a str; pass a float or a NumPy array"),
    ],
)
def test_values_that_are_no_floats_are_refused(name: str, make: Any, message: str) -> None:
    arguments: dict[str, Any] = {"x": batch(), "gamma": ONES, "beta": ZEROS}
    arguments[name] = make(arguments[name])
    with pytest.raises(DTypeError, match=message.replace("{}?", "").replace("{}", name)):
        batch_norm(**arguments)
    assert issubclass(DTypeError, TypeError)


def test_no_batch_at_all_is_refused() -> None:
    with pytest.raises(DTypeError, match="x is a NoneType; pass a float or a NumPy array"):
        batch_norm(None, ONES, ZEROS)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_is_refused() -> None:
    with pytest.raises(DTypeError, match=r"x is an np.matrix.*pass np.asarray\(x\)"):
        batch_norm(np.matrix(batch()), ONES, ZEROS)


@pytest.mark.parametrize("x", [batch().astype(">f8"), batch(8)[::-2, ::-1], np.broadcast_to(batch(1), (4, 3))])
def test_unusual_layouts_are_as_good_as_any(x: np.ndarray) -> None:
    plain = np.array(x, dtype=np.float64, order="C")
    want = batch_norm(plain, ONES, ZEROS)
    np.testing.assert_allclose(batch_norm(Tensor(x), Tensor(ONES), Tensor(ZEROS)).data, want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(batch_norm(x, ONES, ZEROS), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("eps", [-10.0, -1e-5, float("nan"), float("inf"), np.float32("inf")])
def test_an_eps_that_is_negative_or_not_finite_is_refused(eps: Any) -> None:
    for call in (
        lambda: batch_norm(batch(), ONES, ZEROS, eps),
        lambda: inference_scale_shift(ONES, ZEROS, ZEROS, ONES, eps),
    ):
        with pytest.raises(GraphError, match=rf"eps must be a finite number >= 0; got {float(eps)}"):
            call()


@pytest.mark.parametrize(
    ("eps", "got"),
    [
        (True, "bool True"),
        (np.True_, "bool"),
        ("1e-5", "str '1e-5'"),
        (np.array([1e-5]), "ndarray"),
        (Tensor(1e-5), "Tensor"),
        (None, "NoneType"),
        (1e-5j, "complex"),
    ],
)
def test_an_eps_that_is_no_number_is_refused(eps: Any, got: str) -> None:
    with pytest.raises(DTypeError, match=f"eps must be a real scalar; got .*{got}"):
        batch_norm(batch(), ONES, ZEROS, eps)


@pytest.mark.parametrize(
    ("dtype", "eps", "shown", "least"),
    [("float16", 1e-8, "1e-8", "6e-8"), ("float32", 1e-50, "1e-50", "1e-45")],
)
def test_an_eps_that_vanishes_in_the_dtype_is_refused(dtype: str, eps: float, shown: str, least: str) -> None:
    arguments = [a.astype(dtype) for a in (batch(), ONES, ZEROS)]
    with pytest.raises(GraphError, match=f"eps={shown} is 0 in {dtype}; smallest usable is {least}"):
        batch_norm(*arguments, eps)
    batch_norm(*arguments, float(least))


def test_an_eps_that_overflows_the_dtype_is_refused() -> None:
    with pytest.raises(GraphError, match=r"eps=1e\+39 is infinite in float32; largest usable is 3e\+38"):
        batch_norm(*(a.astype(np.float32) for a in (batch(), ONES, ZEROS)), 1e39)


@pytest.mark.parametrize("as_tensor", [True, False])
def test_eps_of_zero_and_a_constant_column_is_an_error(as_tensor: bool) -> None:
    x = batch()
    x[:, 2] = 1.0
    with pytest.raises(NumericalError, match=r"eps=0 and column 2 is constant: 1/sqrt\(0\)"):
        batch_norm(Tensor(x) if as_tensor else x, ONES, ZEROS, 0.0)


def test_one_row_warns_and_raises_when_strict() -> None:
    x, gamma, beta = Tensor(batch(1)), Tensor(ONES * 3), Tensor(np.array([1.0, 2.0, 3.0]))
    with pytest.warns(BatchSizeWarning, match="N=1: variance is 0, output equals beta, dx is 0") as caught:
        out = batch_norm(x, gamma, beta)
    assert caught[0].filename == __file__
    assert issubclass(BatchSizeWarning, RuntimeWarning)
    assert np.array_equal(out.data, beta.data[None])
    out.backward(batch(1, seed=1))
    assert not x.grad.any()
    with pytest.raises(ShapeError, match="N=1"):
        batch_norm(x, gamma, beta, strict=True)


def test_one_image_of_many_pixels_is_no_single_row() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch_norm(np.random.default_rng(0).normal(size=(1, 3, 2, 2)), ONES, ZEROS, axis=1, strict=True)


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (np.ones((1, 3), np.float32), ShapeError, r"seed has shape \(1, 3\), out has \(4, 3\)"),
        (np.ones((4, 3)), DTypeError, r"seed is float64, out is float32; cast it"),
        (np.ones((4, 3), np.complex64), DTypeError, "seed is complex64"),
        (None, GraphError, r"out has shape \(4, 3\); pass backward\(seed\) with that shape, or sum\(\) first"),
    ],
)
def test_seeds_that_do_not_fit_are_refused(seed: Any, error: type[Exception], message: str) -> None:
    out = batch_norm(*(Tensor(a.astype(np.float32)) for a in (batch(), ONES, ZEROS)))
    with pytest.raises(error, match=message):
        out.backward(seed)


def test_shapes_that_do_not_fit_in_ones_own_code_are_told_with_the_line() -> None:
    with pytest.raises(
        ValueError, match=r"add \(line test_batchnorm.py:\d+\): shapes \(4, 3\) and \(5, 3\) .* dim 0: 4 vs 5"
    ):
        Tensor(batch(4)) + Tensor(batch(5))
    with pytest.raises(ValueError, match=r"matmul: \(2, 3\) @ \(4, 5\): inner sizes 3 and 4 differ"):
        Tensor(np.ones((2, 3))) @ Tensor(np.ones((4, 5)))


# ---- by hand -----------------------------------------------------------------------------------------------


def test_the_handwritten_functions_change_nothing_they_are_given() -> None:
    problem = probe()
    for array in (problem.x, problem.gamma, problem.beta, problem.dout):
        array.flags.writeable = False
    out, cache = batchnorm_forward(*problem.parameters)
    for value in cache[:-1]:
        value.flags.writeable = False
    batchnorm_backward(problem.dout, cache)
    batchnorm_backward_fused(problem.dout, cache)


def test_the_handwritten_functions_keep_float32() -> None:
    problem = probe(dtype="float32")
    for implementation in (staged, compact):
        assert {a.dtype for a in implementation(problem).values()} == {np.dtype(np.float32)}


def test_the_handwritten_backward_pass_is_linear_in_dout() -> None:
    problem = probe()
    _, cache = batchnorm_forward(*problem.parameters)
    for backward in (batchnorm_backward, batchnorm_backward_fused):
        once, twice = backward(problem.dout, cache), backward(2 * problem.dout, cache)
        assert all(np.array_equal(2 * a, b) for a, b in zip(once, twice, strict=True))
        assert all(not a.any() for a in backward(0 * problem.dout, cache))


# ---- the test phase ----------------------------------------------------------------------------------------


def test_batch_statistics_are_those_of_the_graph() -> None:
    problem = probe()
    graph = mg.trace(batch_norm, *problem.parameters)
    mean, var = batch_statistics(problem.x)
    assert np.array_equal(mean, graph.value["mu"])
    assert np.array_equal(var, graph.value["var"])
    assert np.array_equal(batch_statistics(Tensor(problem.x))[1], var)
    with pytest.raises(ShapeError, match="no rows"):
        batch_statistics(np.ones((0, 2)))


def test_the_population_variance_is_unbiased() -> None:
    # every batch of 2 drawn with replacement from 0, 1, 5: the mean of the unbiased variances is the variance
    values = np.array([0.0, 1.0, 5.0])
    batches = [np.array([[a], [b]]) for a in values for b in values]
    means, variances = zip(*map(batch_statistics, batches), strict=True)
    mean, var = population_statistics(means, variances, m=2)
    np.testing.assert_allclose(mean, [values.mean()])
    np.testing.assert_allclose(var, [values.var()])
    assert not np.allclose(np.mean(variances, axis=0), values.var())  # the factor m/(m-1) is what does it


def test_running_statistics_follow_the_new_value_by_momentum() -> None:
    x = batch(5)
    mean, var = batch_statistics(x)
    running = update_running_statistics(ZEROS, ONES, mean, var, m=5, momentum=0.1)
    np.testing.assert_allclose(running[0], 0.1 * x.mean(axis=0))
    np.testing.assert_allclose(running[1], 0.9 + 0.1 * x.var(axis=0, ddof=1))
    assert np.array_equal(ZEROS, np.zeros(3))  # nothing is changed in place
    whole = update_running_statistics(ZEROS, ONES, mean, var, m=5, momentum=1.0)
    np.testing.assert_allclose(whole[1], x.var(axis=0, ddof=1))
    single = update_running_statistics(*(a.astype(np.float32) for a in (ZEROS, ONES)), mean, var, m=5)
    assert {a.dtype for a in single} == {np.dtype(np.float32)}


@pytest.mark.judge
def test_running_statistics_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch, the judge, is not installed")
    mean, var = ZEROS, ONES
    their_mean, their_var = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for seed in range(4):
        x = batch(5, seed=seed)
        mean, var = update_running_statistics(mean, var, *batch_statistics(x), m=5, momentum=0.3)
        torch.nn.functional.batch_norm(torch.tensor(x), their_mean, their_var, training=True, momentum=0.3)
    np.testing.assert_allclose(mean, their_mean.numpy(), rtol=1e-13)
    np.testing.assert_allclose(var, their_var.numpy(), rtol=1e-13)
    theirs = torch.nn.functional.batch_norm(torch.tensor(x), their_mean, their_var, eps=1e-5).numpy()
    assert (np.abs(batch_norm_inference(x, ONES, ZEROS, mean, var) - theirs) < 1e-12).all()


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "no batch": (lambda: population_statistics([], [], 4), ShapeError, "at least one batch"),
    "one variance too many": (
        lambda: population_statistics([ONES], [ONES, ONES], 4),
        ShapeError,
        r"means have shape \(1, 3\), variances \(2, 3\)",
    ),
    "batches of one": (lambda: population_statistics([ONES], [ONES], 1), ShapeError, "m = 1: .* at least two values"),
    "half a row": (lambda: population_statistics([ONES], [ONES], 2.5), DTypeError, "m must be an int"),  # type: ignore[arg-type]
    "momentum": (lambda: update_running_statistics(ZEROS, ONES, ZEROS, ONES, 4, 1.5), GraphError, "between 0 and 1"),
    "running shape": (
        lambda: update_running_statistics(ZEROS, ONES, np.ones(2), ONES, 4),
        ShapeError,
        r"mean has shape \(2,\), running_mean has \(3,\)",
    ),
    "running on one": (lambda: update_running_statistics(ZEROS, ONES, ZEROS, ONES, 1), ShapeError, "m = 1"),
    "mean shape": (
        lambda: inference_scale_shift(ONES, ZEROS, np.ones((1, 3)), ONES),
        ShapeError,
        r"mean must have shape \(3,\); got \(1, 3\)",
    ),
    "gamma shape": (
        lambda: inference_scale_shift(np.ones((3, 1)), ZEROS, ZEROS, ONES),
        ShapeError,
        r"gamma must have shape \(D,\); got \(3, 1\)",
    ),
    "negative variance": (
        lambda: inference_scale_shift(ONES, ZEROS, ONES, -ONES),
        GraphError,
        r"var\[0\] is -1.0; a variance is >= 0",
    ),
    "no variance, no eps": (
        lambda: inference_scale_shift(ONES, ZEROS, ONES, ZEROS, 0.0),
        NumericalError,
        r"eps=0 and var\[0\] is 0: 1/sqrt\(0\)",
    ),
    "integers": (lambda: inference_scale_shift(ONES, ZEROS, ONES, np.ones(3, int)), DTypeError, "var is int64"),
    "features": (
        lambda: batch_norm_inference(batch(4, 2), ONES, ZEROS, ZEROS, ONES),
        ShapeError,
        "gamma has 3 entries, x has 2 features",
    ),
    "one axis": (lambda: batch_norm_inference(np.ones(3), ONES, ZEROS, ZEROS, ONES), ShapeError, "x must be 2-D"),
    "three axes": (
        lambda: batch_norm_inference(np.ones((2, 3, 4)), ONES, ZEROS, ZEROS, ONES),
        ShapeError,
        "pass axis=1",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_the_test_phase_refuses_bad_input(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def unfolded(x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: float) -> Any:
    return gamma * ((x - mean) * (1.0 / np.sqrt(var + eps))) + beta


def exact_inference(x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: float) -> np.ndarray:
    with mpmath.workprec(PRECISION):
        wide = [np.vectorize(lambda v: mpmath.mpf(float(v)), otypes=[object])(a) for a in (x, gamma, beta, mean, var)]
        root = np.array([mpmath.sqrt(v + mpmath.mpf(eps)) for v in wide[4]], object)
        return (wide[1] * (wide[0] - wide[3]) / root + wide[2]).astype(np.float64)


@given(
    st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1), st.sampled_from(["float32", "float64"]),
    st.integers(-4, 4), st.integers(-4, 4), st.integers(-12, 0),
)  # fmt: skip
def test_the_folded_form_is_the_unfolded_one(
    n: int, d: int, seed: int, dtype: str, mean_power: int, var_power: int, eps_power: int
) -> None:
    rng, eps = np.random.default_rng(seed), 10.0**eps_power
    mean = rng.normal(size=d) * 10.0**mean_power
    var = rng.uniform(0, 2, d) * 10.0**var_power
    x = mean + rng.normal(size=(n, d)) * np.sqrt(var)
    arguments = [a.astype(dtype) for a in (x, rng.normal(size=d), rng.normal(size=d), mean, var)]
    bound = inference_bound(*arguments, eps)
    folded = batch_norm_inference(*arguments, eps)
    recorded = batch_norm_inference(*map(Tensor, arguments), eps)
    assert folded.dtype == np.dtype(dtype)
    assert np.array_equal(recorded.data, folded)
    assert (np.abs(folded.astype(np.float64) - unfolded(*arguments, eps)) <= bound).all()
    assert (np.abs(folded - exact_inference(*arguments, eps)) <= bound).all()


def test_that_comparison_can_fail() -> None:
    x, mean, var = batch(), np.array([0.5, -1.0, 2.0]), np.array([0.3, 1.0, 2.0])
    bound = inference_bound(x, ONES, ONES, mean, var, 0.1)
    folded = batch_norm_inference(x, ONES, ONES, mean, var, 0.1)
    for wrong in (
        unfolded(x, ONES, ONES, mean, var, 0.0),
        unfolded(x, ONES, ONES, mean, var * 4 / 3, 0.1),
        unfolded(x, ONES, ONES, -mean, var, 0.1),
        unfolded(x, ONES, ONES, mean, var, 0.1) * (1 + 1e-9),
    ):
        assert not (np.abs(folded - wrong) <= bound).all()


def test_the_population_of_one_batch_normalizes_as_the_batch_but_for_the_unbiased_variance() -> None:
    problem = probe()
    mean, var = batch_statistics(problem.x)
    got = batch_norm_inference(problem.x, problem.gamma, problem.beta, mean, var, problem.eps)
    bounds = bn_bounds(*problem.parameters[:3], problem.dout, problem.eps)
    assert_bn_close({"out": got}, staged(problem), bounds)


def test_a_row_does_not_depend_on_the_others() -> None:
    x = batch(6)
    together = batch_norm_inference(x, ONES, ZEROS, ONES, ONES)
    assert np.array_equal(batch_norm_inference(x[2:3], ONES, ZEROS, ONES, ONES), together[2:3])
    assert batch_norm_inference(x[:0], ONES, ZEROS, ONES, ONES).shape == (0, 3)


def test_inference_is_differentiable_and_takes_images() -> None:
    images = np.random.default_rng(0).normal(size=(2, 3, 2, 2))
    x, gamma, beta = Tensor(images), Tensor(ONES * 2), Tensor(ZEROS)
    var = np.array([1.0, 4.0, 9.0])
    out = batch_norm_inference(x, gamma, beta, ZEROS, var, 0.0, axis=1)
    out.backward(np.ones(images.shape))
    np.testing.assert_allclose(x.grad, np.broadcast_to((2 / np.sqrt(var))[:, None, None], images.shape))
    np.testing.assert_allclose(gamma.grad, (images.sum(axis=(0, 2, 3)) / np.sqrt(var)))
    assert np.array_equal(beta.grad, [8.0, 8.0, 8.0])


def test_second_derivatives_exist() -> None:
    # the Hessian is that of a function: symmetric, and it forgets where the batch lies
    problem = probe(3, 1)
    hessian = mg.hessian(lambda x: np.sum(batch_norm(x, problem.gamma, problem.beta, problem.eps) * problem.dout))(
        problem.x
    )
    matrix = np.asarray(hessian).reshape(3, 3)
    scale = np.abs(matrix).max()
    assert scale > 1e-3
    assert (np.abs(matrix - matrix.T) <= 64 * unit_roundoff("float64") * scale).all()
    assert (np.abs(matrix.sum(axis=0)) <= 64 * unit_roundoff("float64") * scale).all()
