"""Layers on images and sequences: equal to PyTorch's, to finite differences, traced, drawn, compiled; refusals."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from agreement import assert_within
from hypothesis import given
from hypothesis import strategies as st

import micrograd as mg
from micrograd import nn
from micrograd.drawing import draw
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.nn import windows as w
from micrograd.nn.initializers import INITIALIZERS, initial
from micrograd.testing import check_grad
from micrograd.tracing import trace

FLOATS = ("float32", "float64")


def normal(*shape: int, seed: int = 0, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ---- the judge: PyTorch ----------------------------------------------------------------------------------------


def terms_of(theirs: Any, x: np.ndarray, seed: np.ndarray) -> dict[str, np.ndarray]:
    """The sums of the sizes of all terms of a linear layer: the layer itself, with absolute values all round."""
    torch = pytest.importorskip("torch")
    twin, leaf = copy.deepcopy(theirs), torch.tensor(np.abs(x), requires_grad=True)
    for parameter in twin.parameters():
        parameter.data.abs_()
        parameter.grad = None
    out = twin(leaf)
    out.backward(torch.tensor(np.abs(seed)))
    found = {"out": out.detach().numpy(), "dx": leaf.grad.numpy()}
    return found | {name: parameter.grad.numpy() for name, parameter in twin.named_parameters()}


def held_against_torch(ours: Any, theirs: Any, x: np.ndarray, sizes: int, *, linear: Any = None) -> None:
    """Outputs, and gradients of x and all parameters; `sizes` is how many terms the longest sum has.

    A sum of n terms is off by at most n units of the sum of their sizes (Higham, 2002), on either side: where `linear`
    names PyTorch's layer that is the bound. Elsewhere it is ``64 u sqrt(n)`` of the largest entry, since the terms are
    random and of one size: the square root is how such roundings add up, 64 the steps on the way with room to spare.
    """
    torch = pytest.importorskip("torch")
    own = Tensor(x)
    out = ours(own)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf)
    assert out.shape == tuple(expected.shape)
    assert out.data.dtype == x.dtype
    seed = normal(*out.shape, seed=5, dtype=x.dtype.name)
    out.backward(seed)
    expected.backward(torch.tensor(seed))
    u = float(np.finfo(x.dtype).eps) / 2
    pairs = {"out": (out.data, expected.detach().numpy()), "dx": (own.grad, leaf.grad.numpy())}
    for name, (mine, parameter) in theirs.pairs.items():
        pairs[name] = mine.grad, parameter.grad.numpy()
    if linear is not None:
        terms = terms_of(linear, x, seed)
        for name, (a, b) in pairs.items():
            assert_within(a, b, terms[name], 2 * (sizes + 1), name)
        return
    for name, (a, b) in pairs.items():
        scale = max(float(np.abs(b).max()), 1e-3)
        worst = float(np.abs(np.asarray(a, np.float64) - b).max())
        assert worst <= 64 * u * np.sqrt(sizes) * scale, f"{name}: {worst:.3g} at {scale:.3g}"


def like(module: Any, pairs: dict[str, Any]) -> Any:
    """A PyTorch module that carries which of our parameters belong to which of its own."""

    def call(x: Any) -> Any:
        return module(x)

    call.pairs = pairs  # type: ignore[attr-defined]
    return call


def as_torch(parameter: Any) -> Any:
    torch = pytest.importorskip("torch")
    return torch.nn.Parameter(torch.tensor(np.array(parameter.data)))


@pytest.mark.judge
@given(
    dtype=st.sampled_from(FLOATS), n=st.integers(1, 3), channels=st.integers(1, 3), outputs=st.integers(1, 3),
    kernel=st.sampled_from([1, 2, 3, (1, 3), (3, 2)]), stride=st.sampled_from([1, 2, (2, 1)]),
    padding=st.sampled_from([0, 1, (2, 0)]), bias=st.booleans(), side=st.integers(3, 7),
)  # fmt: skip
def test_convolution_is_pytorchs(
    dtype: str, n: int, channels: int, outputs: int, kernel: Any, stride: Any, padding: Any, bias: bool, side: int
) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.Conv2d(channels, outputs, kernel, stride=stride, padding=padding, bias=bias, rng=0, dtype=dtype)
    if bias:
        ours.bias.data = normal(outputs, seed=3, dtype=dtype)
    theirs = torch.nn.Conv2d(channels, outputs, kernel, stride, padding, bias=bias)
    theirs.weight = as_torch(ours.weight)
    pairs = {"weight": (ours.weight, theirs.weight)}
    if bias:
        theirs.bias = as_torch(ours.bias)
        pairs["bias"] = ours.bias, theirs.bias
    held_against_torch(
        ours,
        like(theirs, pairs),
        normal(n, channels, side, side + 1, dtype=dtype),
        max(9 * channels, 9 * outputs, n * (side + 4) * (side + 3)),
        linear=theirs,
    )


@pytest.mark.judge
@given(
    dtype=st.sampled_from(FLOATS), kernel=st.sampled_from([2, 3, (1, 2)]), stride=st.sampled_from([None, 1, 2, (2, 3)]),
    side=st.integers(3, 8), kind=st.sampled_from(["Max", "Avg"]),
)  # fmt: skip
def test_pools_are_pytorchs(dtype: str, kernel: Any, stride: Any, side: int, kind: str) -> None:
    torch = pytest.importorskip("torch")
    ours = getattr(nn, f"{kind}Pool2d")(kernel, stride)
    theirs = getattr(torch.nn, f"{kind}Pool2d")(kernel, stride)
    linear = theirs if kind == "Avg" else None
    held_against_torch(ours, like(theirs, {}), normal(2, 3, side, side, dtype=dtype), 9, linear=linear)


@pytest.mark.judge
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: nn.Conv2d(1, 2, 3, stride=2, padding=1, rng=0), lambda t: t.nn.Conv2d(1, 2, 3, 2, 1)),
        (lambda: nn.AvgPool2d(2), lambda t: t.nn.LPPool2d(1, 2)),
        (lambda: nn.BatchNorm2d(1), lambda t: t.nn.BatchNorm2d(1, eps=1.1e-5)),
        (lambda: nn.GroupNorm(1, 1), lambda t: t.nn.GroupNorm(1, 1, eps=1.1e-5)),
        (lambda: nn.LayerNorm((6,)), lambda t: t.nn.LayerNorm(6, eps=1.1e-5)),
        (lambda: nn.LocalResponseNorm(3, alpha=3e-9), lambda t: t.nn.LocalResponseNorm(3, alpha=1e-9)),
    ],
)
def test_a_slightly_different_layer_is_told_apart(ours: Any, theirs: Any) -> None:
    torch = pytest.importorskip("torch")
    layer, judge = ours(), theirs(torch).double()
    linear = judge if isinstance(layer, (nn.Conv2d, nn.AvgPool2d)) else None
    if isinstance(layer, nn.Conv2d):
        judge.weight.data = torch.tensor(layer.weight.data * (1.0 + 1e-12))
        judge.bias.data.zero_()
    with pytest.raises(AssertionError):
        held_against_torch(layer, like(judge, {}), np.abs(normal(2, 1, 6, 6)), 72, linear=linear)


def test_equal_largest_entries_share_the_gradient() -> None:
    x = Tensor(np.zeros((1, 1, 2, 2)))
    nn.MaxPool2d(2)(x).backward(np.ones((1, 1, 1, 1)))
    assert x.grad.tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]


def test_a_large_image_is_looked_at_as_a_small_one_and_not_remembered() -> None:
    x, layer = normal(1, 1, 600, 600), nn.Conv2d(1, 1, 2, rng=0)
    held = w._remembered.cache_info().currsize
    whole = layer(x).data
    assert w._remembered.cache_info().currsize == held
    small, terms = x[..., :10, :10], w.conv2d(np.abs(x[..., :10, :10]), np.abs(layer.weight.data))
    assert_within(whole[..., :9, :9], layer(small).data, terms, 2 * 5)  # each sum has four terms and the bias


@pytest.mark.judge
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_of_images_is_pytorchs_with_its_running_statistics(dtype: str, momentum: float | None) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.BatchNorm2d(3, momentum=momentum, dtype=dtype)
    ours.gamma.data, ours.beta.data = normal(3, seed=1, dtype=dtype), normal(3, seed=2, dtype=dtype)
    theirs = torch.nn.BatchNorm2d(3, momentum=momentum, dtype=getattr(torch, dtype))
    theirs.weight, theirs.bias = as_torch(ours.gamma), as_torch(ours.beta)
    pairs = {"gamma": (ours.gamma, theirs.weight), "beta": (ours.beta, theirs.bias)}
    for step in range(3):
        for parameter in (ours.gamma, ours.beta):
            parameter.grad = None
        theirs.zero_grad()
        held_against_torch(ours, like(theirs, pairs), normal(4, 3, 5, 6, seed=step, dtype=dtype), 4 * 5 * 6)
        u = float(np.finfo(dtype).eps)
        for mine, its in ((ours.running_mean, theirs.running_mean), (ours.running_var, theirs.running_var)):
            assert np.abs(mine - its.numpy()).max() <= 64 * u
    assert ours.num_batches_tracked == int(theirs.num_batches_tracked) == 3
    ours.eval()
    theirs.eval()
    ours.zero_grad()
    theirs.zero_grad()
    held_against_torch(ours, like(theirs, pairs), normal(2, 3, 4, 4, dtype=dtype), 4 * 5 * 6)


@pytest.mark.judge
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(5,), (4, 5)])
def test_layer_norm_is_pytorchs(dtype: str, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.LayerNorm(shape, dtype=dtype), torch.nn.LayerNorm(shape, dtype=getattr(torch, dtype))
    ours.gamma.data, ours.beta.data = normal(*shape, seed=1, dtype=dtype), normal(*shape, seed=2, dtype=dtype)
    theirs.weight, theirs.bias = as_torch(ours.gamma), as_torch(ours.beta)
    pairs = {"gamma": (ours.gamma, theirs.weight), "beta": (ours.beta, theirs.bias)}
    held_against_torch(ours, like(theirs, pairs), normal(3, 4, 5, dtype=dtype), 60)


@pytest.mark.judge
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norm_is_pytorchs(dtype: str, groups: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.GroupNorm(groups, 4, dtype=dtype), torch.nn.GroupNorm(groups, 4, dtype=getattr(torch, dtype))
    ours.gamma.data, ours.beta.data = normal(4, seed=1, dtype=dtype), normal(4, seed=2, dtype=dtype)
    theirs.weight, theirs.bias = as_torch(ours.gamma), as_torch(ours.beta)
    pairs = {"gamma": (ours.gamma, theirs.weight), "beta": (ours.beta, theirs.bias)}
    held_against_torch(ours, like(theirs, pairs), normal(3, 4, 3, 5, dtype=dtype), 180)


@pytest.mark.judge
@given(dtype=st.sampled_from(FLOATS), size=st.integers(1, 6), channels=st.integers(1, 7))
def test_local_response_norm_is_pytorchs(dtype: str, size: int, channels: int) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.LocalResponseNorm(size, alpha=0.7, beta=0.75, k=2.0)
    theirs = torch.nn.LocalResponseNorm(size, alpha=0.7, beta=0.75, k=2.0)
    held_against_torch(ours, like(theirs, {}), normal(2, channels, 3, 3, dtype=dtype), 16)


@pytest.mark.judge
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_pytorchs(dtype: str, causal: bool) -> None:
    torch = pytest.importorskip("torch")
    ours = nn.MultiHeadAttention(6, 2, causal=causal, rng=0, dtype=dtype)
    theirs = torch.nn.MultiheadAttention(6, 2, batch_first=True, dtype=getattr(torch, dtype))
    three = [ours.query, ours.key, ours.value]
    theirs.in_proj_weight = torch.nn.Parameter(torch.tensor(np.concatenate([m.weight.data.T for m in three])))
    theirs.in_proj_bias = torch.nn.Parameter(torch.tensor(np.concatenate([m.bias.data for m in three])))
    theirs.out_proj.weight = torch.nn.Parameter(torch.tensor(ours.out.weight.data.T.copy()))
    theirs.out_proj.bias = as_torch(ours.out.bias)
    mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    x = normal(3, 5, 6, dtype=dtype)
    held_against_torch(
        ours,
        like(
            lambda t: theirs(t, t, t, attn_mask=mask, need_weights=False)[0],
            {"bias": (ours.out.bias, theirs.out_proj.bias)},
        ),
        x,
        90,
    )
    dquery = theirs.in_proj_weight.grad.numpy()[:6].T
    assert np.abs(ours.query.weight.grad - dquery).max() <= 640 * np.finfo(dtype).eps * np.abs(dquery).max()


def test_causal_attention_does_not_look_ahead() -> None:
    layer, x = nn.MultiHeadAttention(4, 2, causal=True, rng=0), normal(1, 5, 4)
    changed = x.copy()
    changed[0, 3:] += 1.0
    assert np.array_equal(layer(x).data[0, :3], layer(changed).data[0, :3])
    assert not np.array_equal(layer(x).data[0, 3:], layer(changed).data[0, 3:])


def test_an_embedding_adds_up_the_gradients_of_a_row_seen_twice() -> None:
    layer = nn.Embedding(5, 2, rng=0)
    out = layer(np.array([[1, 3], [1, 1]]))
    assert np.array_equal(out.data[1, 0], layer.weight.data[1])
    out.backward(np.ones((2, 2, 2)))
    assert layer.weight.grad.tolist() == [[0, 0], [3, 3], [0, 0], [1, 1], [0, 0]]


# ---- the engine's own judges -----------------------------------------------------------------------------------

LAYERS = {
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1, rng=0), (2, 2, 5, 4)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (2, 2, 4, 4)),
    "overlapping": (lambda: nn.MaxPool2d(3, 1), (1, 2, 4, 4)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), (2, 2, 4, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (3, 2, 3, 3)),
    "LayerNorm": (lambda: nn.LayerNorm((2, 3)), (3, 2, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3, alpha=0.5), (2, 4, 3)),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(4, 2, causal=True, rng=0), (2, 3, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_slopes_and_the_graph_can_be_drawn_and_compiled(name: str) -> None:
    make, shape = LAYERS[name]
    layer, x = make(), normal(*shape)
    check_grad(lambda x: make()(x), x)
    graph = trace(layer, x)
    assert len(graph.nodes) > 2
    assert len(draw(graph).svg) > 1000
    pytest.importorskip("llvmlite")
    eager, fast = make(), make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # slices and joins run between kernels, and it says so
        got = mg.compile(fast)(x)
    expected = eager(x)
    assert np.abs(got - getattr(expected, "data", expected)).max() <= 1e-12


def test_a_traced_batch_norm_of_images_carries_the_names() -> None:
    graph = trace(nn.BatchNorm2d(2), normal(3, 2, 2, 2))
    assert {"mu", "xmu", "sq", "var", "sqrtvar", "ivar", "xhat", "gammax", "out"} <= {node.name for node in graph.nodes}


# ---- refusals --------------------------------------------------------------------------------------------------

REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: nn.Conv2d(1, 2, 3)(normal(2, 3, 4, 4)), ShapeError, r"got shape \(2, 3, 4, 4\); expected \(N, 1, H, W\)"),
    (lambda: nn.Conv2d(1, 2, 3)(normal(2, 4)), ShapeError, r"got shape \(2, 4\)"),
    (lambda: nn.Conv2d(1, 2, 5)(normal(1, 1, 4, 4)), ShapeError, "a window of 5x5 does not fit into 4x4 pixels"),
    (lambda: nn.Conv2d(1, 2, 0), ValueError, "kernel is 0; expected a whole number of at least 1"),
    (lambda: nn.Conv2d(1, 2, 3, stride=True), ValueError, "stride is True"),
    (lambda: nn.Conv2d(1, 2, 3, padding=-1), ValueError, "padding is -1; expected a whole number of at least 0"),
    (lambda: nn.Conv2d(1, 2, 3, init="best"), ValueError, "init is 'best'; expected 'he'"),
    (lambda: nn.Conv2d(1, 2, 3, dtype=int), DTypeError, "dtype is int64; expected a float dtype for parameters"),
    (
        lambda: w.conv2d(normal(1, 1, 3, 3), normal(1, 1, 2, 2), normal(2)),
        ShapeError,
        r"bias has shape \(2,\); expected \(1,\)",
    ),
    (
        lambda: w.conv2d(normal(1, 2, 3, 3), normal(1, 1, 2, 2)),
        ShapeError,
        r"x has 2 channels; expected \(O, 2, K, L\)",
    ),
    (lambda: nn.MaxPool2d(2)(normal(4, 4)), ShapeError, r"got shape \(4, 4\); expected \(N, C, H, W\)"),
    (lambda: nn.AvgPool2d(5)(normal(1, 1, 4, 4)), ShapeError, "does not fit"),
    (lambda: nn.BatchNorm2d(2)(normal(3, 2)), ShapeError, r"expected \(N, 2, H, W\)"),
    (lambda: nn.BatchNorm2d(2)(normal(1, 2, 1, 1)), ShapeError, "got one pixel"),
    (lambda: nn.LayerNorm(3)(normal(2, 4)), ShapeError, r"expected \(\.\.\., 3\)"),
    (lambda: nn.LayerNorm(3, eps=0.0), ValueError, "eps is 0.0; expected a positive number"),
    (lambda: nn.GroupNorm(3, 4), ValueError, "3 groups do not divide 4 channels; use a divisor of 4"),
    (lambda: nn.GroupNorm(2, 4)(normal(2, 3)), ShapeError, r"expected \(N, 4, \.\.\.\)"),
    (lambda: nn.LocalResponseNorm(0), ValueError, "size is 0"),
    (lambda: w.local_response_norm(normal(3), 2), ShapeError, r"expected \(N, C, \.\.\.\)"),
    (lambda: w.local_response_norm(normal(3, 3), 0), ValueError, "size is 0"),
    (lambda: nn.MultiHeadAttention(6, 4), ValueError, "4 heads do not divide 6 features; use a divisor of 6"),
    (lambda: nn.MultiHeadAttention(6, 2)(normal(2, 6)), ShapeError, r"expected \(N, T, 6\)"),
    (lambda: nn.Embedding(3, 2)(np.array([0, 3])), IndexError, "got 3; expected 0 to 2"),
    (lambda: nn.Embedding(3, 2)(np.array([-1])), IndexError, "got -1"),
    (lambda: nn.Embedding(3, 2)(np.array([0.5])), DTypeError, "got float64; expected whole numbers"),
]


@pytest.mark.parametrize(("call", "error", "says"), REFUSED)
def test_bad_input_is_told(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


# ---- where parameters start ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "deviation"),
    [
        ("he_normal", (400, 300), np.sqrt(2 / 400)),
        ("he_uniform", (400, 300), np.sqrt(2 / 400)),
        ("glorot_normal", (400, 300), np.sqrt(2 / 700)),
        ("glorot_uniform", (400, 300), np.sqrt(2 / 700)),
        ("he_normal", (300, 40, 3, 3), np.sqrt(2 / 360)),
        ("glorot_uniform", (30, 40, 3, 3), np.sqrt(2 / 630)),
    ],
)
def test_weights_start_with_the_deviation_of_their_paper(name: str, shape: tuple[int, ...], deviation: float) -> None:
    weights = initial(name, shape, 0, np.float64)
    assert abs(weights.std() / deviation - 1) < 0.02
    assert abs(weights.mean()) < 4 * deviation / np.sqrt(weights.size)
    assert np.array_equal(weights, initial(name, shape, 0, np.float64))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (4, 2, 3, 3)])
def test_orthogonal_weights_are_orthogonal(shape: tuple[int, ...]) -> None:
    w = initial("orthogonal", shape, 0, np.float64)
    w = w if w.ndim == 2 else w.reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.abs(small - np.eye(len(small))).max() < 1e-14


def test_every_initializer_has_a_shape_and_a_dtype() -> None:
    for name in INITIALIZERS:
        assert initial(name, (3, 4), 0, np.float32).dtype == np.float32
        assert initial(name, (3, 4, 2, 2), 0, np.float32).shape == (3, 4, 2, 2)


def test_lsuv_brings_every_layer_to_unit_variance_and_leaves_the_mode_alone() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=0),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * 36, 8),
        nn.Tanh(),
        nn.Linear(8, 3),
    )
    x = 7.0 * normal(64, 1, 8, 8)
    found = nn.lsuv(model, x, rng=0)
    assert list(found) == ["layers.0", "layers.4", "layers.6"]
    assert all(abs(variance - 1.0) <= 0.05 for variance in found.values())
    assert model.training
    assert abs(float(np.var(model.layers[0](x).data)) - 1.0) <= 0.05


def test_lsuv_refuses_what_it_cannot_scale() -> None:
    with pytest.raises(GraphError, match="has no weights to scale; pass a model with a Linear or a Conv2d"):
        nn.lsuv(nn.Sequential(nn.ReLU()), normal(2, 2))
    with pytest.raises(GraphError, match=r"output of layers\.0 is constant on x"):
        nn.lsuv(nn.Sequential(nn.Linear(2, 2)), np.zeros((3, 2)))
