from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from agreement import assert_within
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from micrograd import functional as f
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, ShapeError
from micrograd.testing import check_grad
from micrograd.tracing import trace
from micrograd.transforms import grad

ELEMENTWISE: dict[str, Callable[[Any], Any]] = {
    "relu": f.relu,
    "leaky_relu": f.leaky_relu,
    "tanh": f.tanh,
    "sigmoid": f.sigmoid,
    "softplus": f.softplus,
    "silu": f.silu,
    "gelu": f.gelu,
}
ALONG_AN_AXIS: dict[str, Callable[[Any], Any]] = {
    "softmax": f.softmax,
    "log_softmax": f.log_softmax,
    "logsumexp": f.logsumexp,
}
EVERY = ELEMENTWISE | ALONG_AN_AXIS
FLOATS = ("float32", "float64")


def spread(dtype: str, rows: int = 7, columns: int = 5, scale: float = 3.0) -> np.ndarray:
    return np.random.default_rng(3).normal(0.0, scale, (rows, columns)).astype(dtype)


def value_and_gradient(function: Callable[[Any], Any], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    leaf = Tensor(x)
    out = function(leaf)
    out.backward(np.ones(out.shape, out.dtype))
    return out.data, leaf.grad


# ---- activations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", FLOATS)
def test_tensors_and_arrays_give_the_same_bits_in_their_own_dtype(name: str, dtype: str) -> None:
    x = spread(dtype)
    value, gradient = value_and_gradient(EVERY[name], x)
    plain = EVERY[name](x)
    assert type(plain) is np.ndarray
    assert np.array_equal(plain, value)
    assert plain.dtype == value.dtype == gradient.dtype == np.dtype(dtype)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_numbers_are_taken_too(name: str) -> None:
    assert float(ELEMENTWISE[name](0.5)) == pytest.approx(float(ELEMENTWISE[name](np.array([0.5]))[0]), rel=1e-15)
    assert Tensor(0.5).shape == () == ELEMENTWISE[name](Tensor(0.5)).shape


@pytest.mark.parametrize("name", EVERY)
def test_gradients_agree_with_measured_slopes(name: str) -> None:
    check_grad(EVERY[name], spread("float64"))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", FLOATS)
def test_no_entry_however_large_overflows(name: str, dtype: str) -> None:
    x = np.array([[-1e4, -800.0, -90.0, 0.0], [90.0, 800.0, 1e4, -1e4]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, gradient = value_and_gradient(EVERY[name], x)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", EVERY)
def test_nan_comes_through(name: str) -> None:
    x = np.array([[1.0, np.nan]])
    assert np.isnan(EVERY[name](x)).any()


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("relu", 0.0),
        ("leaky_relu", 0.01),
        ("tanh", 1.0),
        ("sigmoid", 0.25),
        ("softplus", 0.5),
        ("silu", 0.5),
        ("gelu", 0.5),
    ],
)
def test_the_slope_at_zero(name: str, slope: float) -> None:
    assert value_and_gradient(ELEMENTWISE[name], np.zeros(1))[1].tolist() == [slope]


@pytest.mark.parametrize(("name", "curvature"), [("sigmoid", 0.0), ("softplus", 0.25), ("silu", 0.5), ("tanh", 0.0)])
def test_the_curvature_at_zero(name: str, curvature: float) -> None:
    slope = grad(lambda x: ELEMENTWISE[name](x).sum())
    assert grad(lambda x: slope(x).sum())(np.zeros(1)).tolist() == pytest.approx([curvature], abs=1e-16)


def test_written_with_an_absolute_value_sigmoid_would_be_flat_at_zero() -> None:
    def tempting(x: Any) -> Any:
        e = np.exp(-np.abs(x))
        return np.where(x > 0, 1.0, e) * (1.0 / (1.0 + e))

    assert np.array_equal(tempting(spread("float64")), f.sigmoid(spread("float64")))
    assert value_and_gradient(tempting, np.zeros(1))[1].tolist() != [0.25]


def test_sigmoid_is_accurate_far_out() -> None:
    x = np.array([-700.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0])
    with mpmath.workprec(300):
        exact = np.array([float(1 / (1 + mpmath.exp(-mpmath.mpf(float(v))))) for v in x])
    assert_within(f.sigmoid(x), exact, exact, 4)


def test_softplus_is_accurate() -> None:
    x = np.array([-700.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0])
    with mpmath.workprec(300):
        exact = np.array([float(mpmath.log(1 + mpmath.exp(mpmath.mpf(float(v))))) for v in x])
    assert_within(f.softplus(x), exact, 1.0 + exact, 4)


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=3, max_side=5), elements=st.floats(-1e3, 1e3)))
def test_softmax_is_a_distribution_and_log_softmax_its_logarithm(x: np.ndarray) -> None:
    weights, logs = f.softmax(x), f.log_softmax(x)
    assert (weights >= 0).all()
    assert np.allclose(weights.sum(axis=-1), 1.0, rtol=1e-14)
    likely = weights > 1e-300
    assert_within(np.exp(logs)[likely], weights[likely], (weights * (8 + abs(logs)))[likely], 4)


@given(arrays(np.float64, (3, 4), elements=st.floats(-1e3, 1e3)), st.floats(-1e3, 1e3))
def test_logsumexp_moves_with_its_input(x: np.ndarray, shift: float) -> None:
    assert_within(f.logsumexp(x + shift), f.logsumexp(x) + shift, 2e3 + abs(shift), 8)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_reduces_as_sum_does(axis: Any, keepdims: bool) -> None:
    x = spread("float64")
    reduced = f.logsumexp(x, axis, keepdims=keepdims)
    assert np.shape(reduced) == np.sum(x, axis=axis, keepdims=keepdims).shape
    assert np.allclose(reduced, np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)), rtol=1e-14)


# ---- dropout ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_dropout_keeps_the_mean_and_scales_what_it_keeps(dtype: str) -> None:
    x = Tensor(np.ones((200, 100), dtype))
    out = f.dropout(x, 0.25, np.random.default_rng(0))
    out.backward(np.ones((200, 100), dtype))
    assert np.unique(out.data).tolist() == [0.0, float(np.asarray(1.0 / 0.75, dtype))]
    assert abs(float((out.data > 0).mean()) - 0.75) < 5 * np.sqrt(0.25 * 0.75 / 20000)
    assert np.array_equal(x.grad, out.data)  # for x of ones, the mask itself
    assert out.dtype == np.dtype(dtype)


def test_dropout_does_nothing_in_evaluation() -> None:
    x = Tensor(np.ones(3))
    assert f.dropout(x, 0.5, np.random.default_rng(0), training=False) is x
    assert f.dropout(x, 0.0, np.random.default_rng(0)) is x


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2.0, float("nan")])
def test_a_rate_that_is_no_probability(rate: float) -> None:
    with pytest.raises(ValueError, match="not a probability 0 <= rate < 1"):
        f.dropout(np.ones(2), rate, np.random.default_rng(0))


# ---- losses ----------------------------------------------------------------------------------------------

LABELS = np.array([1, 0, 4, 2, 2, 3, 0])
SIGNS = np.where(spread("float64", scale=1.0) > 0, 1, -1)
LOSSES: dict[str, Callable[[Any], Any]] = {
    "cross_entropy": lambda x: f.cross_entropy(x, LABELS),
    "multiclass_hinge_loss": lambda x: f.multiclass_hinge_loss(x, LABELS),
    "hinge_loss": lambda x: f.hinge_loss(x, SIGNS),
    "mse_loss": lambda x: f.mse_loss(x, np.ones((7, 5), x.dtype)),
    "l2": lambda x: f.l2([x, x * x]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_losses_agree_with_measured_slopes(name: str) -> None:
    check_grad(LOSSES[name], spread("float64"))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_losses_are_one_number_in_the_dtype_of_the_scores(name: str, dtype: str) -> None:
    x = spread(dtype)
    leaf = Tensor(x)
    loss = LOSSES[name](leaf)
    loss.backward()
    assert loss.shape == ()
    assert loss.dtype == leaf.grad.dtype == np.dtype(dtype)
    assert float(LOSSES[name](x)) == loss.item()


@given(arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3)), arrays(np.int64, 4, elements=st.integers(0, 2)))
def test_cross_entropy_is_that_of_300_bits(scores: np.ndarray, labels: np.ndarray) -> None:
    with mpmath.workprec(300):
        rows = [[mpmath.mpf(float(s)) for s in row] for row in scores]
        terms = [mpmath.log(sum(map(mpmath.exp, row))) - row[k] for row, k in zip(rows, labels, strict=True)]
        exact = float(sum(terms) / len(terms))
    size = 1.0 + np.ptp(scores, axis=1).max()
    assert_within(np.float64(f.cross_entropy(scores, labels)), np.float64(exact), size, 8)


def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot() -> None:
    x = spread("float64")
    _, gradient = value_and_gradient(LOSSES["cross_entropy"], x)
    expected = (f.softmax(x) - np.eye(5)[LABELS]) / 7
    assert_within(gradient, expected, (f.softmax(x) + np.eye(5)[LABELS]) / 7, 16)


def test_a_hinge_worked_out_by_hand() -> None:
    scores, labels = np.array([2.0, 0.5, -3.0, 1.0]), np.array([1, -1, 1, 1])
    value, gradient = value_and_gradient(lambda x: f.hinge_loss(x, labels), scores)
    assert value == (0 + 1.5 + 4 + 0) / 4
    assert gradient.tolist() == [0, 0.25, -0.25, 0]  # 0 at the corner of the last one
    assert float(f.multiclass_hinge_loss(np.array([[1.0, 2.0, 0.5]]), np.array([0]))) == 2.0 + 0.5


def test_changing_the_labels_after_the_forward_pass_changes_nothing() -> None:
    for loss, labels in ((f.cross_entropy, LABELS.copy()), (f.multiclass_hinge_loss, LABELS.copy())):
        x = Tensor(spread("float64"))
        out = loss(x, labels)
        labels[:] = 0
        out.backward()
        again = Tensor(spread("float64"))
        loss(again, LABELS).backward()
        assert np.array_equal(x.grad, again.grad)


@pytest.mark.parametrize("name", [*ALONG_AN_AXIS, "cross_entropy"])
def test_a_graph_evaluated_on_other_inputs_takes_out_their_own_maximum(name: str) -> None:
    function = (EVERY | LOSSES)[name]
    graph = trace(function, spread("float64"))
    x = spread("float64", scale=1e4)
    assert np.array_equal(graph(x), function(x))
    assert np.isfinite(graph(x)).all()


@pytest.mark.parametrize("loss", [f.cross_entropy, f.multiclass_hinge_loss, f.accuracy])
@pytest.mark.parametrize(
    ("scores", "labels", "error", "message"),
    [
        (np.ones(3), np.array([0]), ShapeError, "scores have shape (3,); expected (N, C)"),
        (np.ones((2, 3)), Tensor(np.ones(2)), DTypeError, "labels are a Tensor; pass a plain integer array"),
        (np.ones((2, 3)), np.ones(2), DTypeError, "labels are float64; expected integers"),
        (np.ones((2, 3)), np.ones((2, 3), int), ShapeError, "looks one-hot; pass labels.argmax(axis=1)"),
        (np.ones((2, 3)), np.zeros((2, 1), int), ShapeError, "labels have shape (2, 1), scores (2, 3); expected"),
        (np.ones((2, 3)), np.array([0, 3]), ValueError, "labels[1] is 3; expected 0 to 2"),
        (np.ones((2, 3)), np.array([-1, 0]), ValueError, "labels[0] is -1; expected 0 to 2"),
        (np.ones((0, 3)), np.zeros(0, int), ShapeError, "no examples is undefined"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(loss: Any, scores: Any, labels: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        loss(scores, labels)


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ShapeError, match=re.escape("prediction has shape (3, 1), target (3,); they must be equal")):
        f.mse_loss(np.ones((3, 1)), np.ones(3))
    with pytest.raises(ShapeError, match=re.escape("Use labels.reshape((3, 1))")):
        f.hinge_loss(np.ones((3, 1)), np.ones(3))


def test_labels_of_the_two_class_hinge_are_signs() -> None:
    with pytest.raises(ValueError, match=re.escape("expected -1 and +1. Use labels * 2 - 1 for 0 and 1")):
        f.hinge_loss(np.ones(3), np.array([0, 1, 1]))


def test_l2_takes_single_numbers_too() -> None:
    a, b = Tensor(3.0), Tensor(np.array([4.0]))
    total = f.l2([a, b])
    total.backward(np.ones(total.shape) if total.shape else None)
    assert float(total) == 25.0
    assert (a.grad, b.grad.tolist()) == (6.0, [8.0])


# ---- PyTorch as the judge --------------------------------------------------------------------------------
# 4 roundings (2.4 were seen) of 1 + the largest entry: what the arguments of exp and tanh, and the sums, are off by.


def torch_value_and_gradient(function: Callable[[Any], Any], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    torch = pytest.importorskip("torch", reason="the judge PyTorch is not installed")
    leaf = torch.tensor(x, requires_grad=True)
    out = function(leaf)
    out.backward(torch.ones_like(out))
    return out.detach().numpy(), leaf.grad.numpy()


def torch_function(name: str) -> Callable[[Any], Any]:
    torch = pytest.importorskip("torch", reason="the judge PyTorch is not installed")
    F = torch.nn.functional
    labels, signs = torch.tensor(LABELS), torch.tensor(SIGNS)
    return {
        "relu": F.relu,
        "leaky_relu": F.leaky_relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softplus": lambda x: F.softplus(x, threshold=1e9),
        "silu": F.silu,
        "gelu": lambda x: F.gelu(x, approximate="tanh"),
        "softmax": lambda x: F.softmax(x, -1),
        "log_softmax": lambda x: F.log_softmax(x, -1),
        "logsumexp": lambda x: torch.logsumexp(x, -1),
        "cross_entropy": lambda x: F.cross_entropy(x, labels),
        "multiclass_hinge_loss": lambda x: 5 * F.multi_margin_loss(x, labels),
        "hinge_loss": lambda x: torch.clamp(1 - signs.to(x.dtype) * x, min=0).mean(),
        "mse_loss": lambda x: F.mse_loss(x, torch.ones_like(x)),
        "l2": lambda x: (x * x).sum() + (x**4).sum(),
    }[name]


@pytest.mark.judge
@pytest.mark.parametrize("name", EVERY | LOSSES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_equal_to_pytorch(name: str, dtype: str) -> None:
    x = spread(dtype, scale=2.0)
    value, gradient = value_and_gradient((EVERY | LOSSES)[name], x)
    torch_value, torch_gradient = torch_value_and_gradient(torch_function(name), x)
    size = float(abs(x).max()) ** (4 if name == "l2" else 1)
    terms = 1.0 + size * (35 if name == "l2" else 1)
    assert_within(value, torch_value, terms, 4, f"{name} value")
    assert_within(gradient, torch_gradient, terms, 4, f"{name} gradient")


@pytest.mark.judge
@pytest.mark.parametrize("name", EVERY)
def test_equal_to_pytorch_at_zero_and_far_out(name: str) -> None:
    x = np.array([[0.0, -0.0, 1.0, -1.0], [-60.0, 60.0, 1e-8, -1e-8]])
    value, gradient = value_and_gradient(EVERY[name], x)
    torch_value, torch_gradient = torch_value_and_gradient(torch_function(name), x)
    assert_within(value, torch_value, 1.0 + abs(torch_value), 4, f"{name} value")
    assert_within(gradient, torch_gradient, 1.0 + abs(torch_gradient), 4, f"{name} gradient")


@pytest.mark.judge
def test_the_comparison_can_fail() -> None:
    x = spread("float32")
    value, _ = value_and_gradient(f.sigmoid, x)
    theirs, _ = torch_value_and_gradient(torch_function("sigmoid"), x)
    with pytest.raises(AssertionError, match="apart"):
        assert_within(value * np.float32(1 + 1e-5), theirs, 1.0, 16)
    with pytest.raises(AssertionError, match="dtypes"):
        assert_within(value.astype(np.float64), theirs, 1.0, 16)
    with pytest.raises(AssertionError, match="shapes"):
        assert_within(value[0], theirs, 1.0, 16)
    with pytest.raises(AssertionError, match="not finite"):
        assert_within(value * np.float32(np.nan), theirs, 1.0, 16)
