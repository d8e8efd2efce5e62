"""Batch norm as people call it: without scale or shift, without running statistics, on (N, C, L); held against PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd import nn
from micrograd.batchnorm import batch_norm, batch_norm_inference, inference_scale_shift
from micrograd.errors import ShapeError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: batch norm is held against nothing")
pytestmark = pytest.mark.judge

rng = np.random.default_rng(0)
SHAPES = [(6, 3), (4, 3, 5), (2, 3, 4, 2)]
GAMMA, BETA = rng.uniform(0.5, 2, 3), rng.standard_normal(3)
MEAN, VAR = rng.standard_normal(3), rng.uniform(0.5, 2, 3)


def close(ours: Any, theirs: Any) -> None:
    ours = getattr(ours, "data", ours) if not isinstance(ours, np.ndarray) else ours
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12, atol=1e-13)


def torchs(x: Any) -> Any:
    return None if x is None else torch.tensor(x, requires_grad=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("gamma", "beta"), [*itertools.product([GAMMA, None], [BETA, None])])
def test_without_scale_or_shift(shape: tuple[int, ...], gamma: Any, beta: Any) -> None:
    x, seed = rng.standard_normal(shape), rng.standard_normal(shape)
    axis = 1 if len(shape) > 2 else None
    given = [a for a in (x, gamma, beta) if a is not None]

    def ours(x: Any, *rest: Any) -> Any:
        parts = iter(rest)
        return batch_norm(x, None if gamma is None else next(parts), None if beta is None else next(parts), axis=axis)

    value, pull = mg.vjp(ours, *given)
    leaves = [torchs(a) for a in (x, gamma, beta)]
    expected = torch.nn.functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True)
    expected.backward(torch.tensor(seed))
    close(value, expected)
    for found, leaf in zip(pull(seed), [leaf for leaf in leaves if leaf is not None], strict=True):
        close(found, leaf.grad)
    tested = batch_norm_inference(x, gamma, beta, MEAN, VAR, axis=axis)
    close(
        tested, torch.nn.functional.batch_norm(leaves[0], torch.tensor(MEAN), torch.tensor(VAR), leaves[1], leaves[2])
    )


LAYERS: list[tuple[type, str, tuple[int, ...]]] = [
    (nn.BatchNorm1d, "BatchNorm1d", (6, 3)),
    (nn.BatchNorm1d, "BatchNorm1d", (4, 3, 5)),
    (nn.BatchNorm2d, "BatchNorm2d", (2, 3, 4, 2)),
]


@pytest.mark.parametrize(("kind", "name", "shape"), LAYERS, ids=[f"{name}{shape}" for _, name, shape in LAYERS])
@pytest.mark.parametrize("momentum", [0.3, None])
@pytest.mark.parametrize(("affine", "track"), [*itertools.product([True, False], [True, False])])
def test_layers(kind: type, name: str, shape: Any, momentum: Any, affine: bool, track: bool) -> None:
    ours: Any = kind(3, momentum=momentum, affine=affine, track_running_stats=track)
    theirs = getattr(torch.nn, name)(
        3, momentum=momentum, affine=affine, track_running_stats=track, dtype=torch.float64
    )
    for _ in range(3):
        x = rng.standard_normal(shape) * 2 + 1
        close(ours(x), theirs(torch.tensor(x)))
    ours.eval(), theirs.eval()
    close(ours(x), theirs(torch.tensor(x)))
    kept = {key: value.numpy() for key, value in theirs.state_dict().items()}
    state = ours.state_dict()
    assert len(state) == len(kept)
    for key in ("running_mean", "running_var", "num_batches_tracked"):
        assert (key in state) == track
        if track:
            np.testing.assert_allclose(state[key], kept[key], rtol=1e-13)
    assert len([*ours.named_parameters()]) == 2 * affine
    ours.load_state_dict(state)


def test_compiled_and_saved_without_running_statistics() -> None:
    layer = nn.BatchNorm1d(3, affine=False, track_running_stats=False)
    x = rng.standard_normal((4, 3, 5))
    pytest.importorskip("llvmlite", reason="llvmlite is not installed: nothing is compiled")
    compiled = mg.compile(lambda x: layer(x), threads=1)
    np.testing.assert_allclose(compiled(x), np.asarray(getattr(layer(x), "data", layer(x))), rtol=1e-12, atol=1e-14)
    assert layer.state_dict() == {}
    assert repr(layer) == "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False)"


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ShapeError, match=r"expected \(N, 3\): one row an example or \(N, 3, L\)"):
        nn.BatchNorm1d(3)(np.ones((2, 3, 4, 5)))
    with pytest.raises(ShapeError, match="without running statistics got one row"):
        nn.BatchNorm1d(3, track_running_stats=False).eval()(np.ones((1, 3)))
    with pytest.raises(ShapeError, match="mean must have shape"):
        inference_scale_shift(None, None, np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ShapeError, match="mean has 2 entries, x has 3 features"):
        batch_norm_inference(np.ones((2, 3)), None, None, np.ones(2), np.ones(2))


# ---- higher derivatives by containers of parameters --------------------------------------------------------

X, TARGET = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
PARAMETERS = {"gamma": GAMMA, "beta": BETA}


def loss_of(normalize: Callable[[Any], Any], xp: Any) -> Callable[[Any], Any]:
    return lambda parameters: xp.sum((xp.tanh(normalize(parameters)) - TARGET_OF[xp]) ** 2)


TARGET_OF: dict[Any, Any] = {np: TARGET, torch: torch.tensor(TARGET)}


def test_hessian_by_a_dictionary_of_parameters() -> None:
    ours = mg.hessian(loss_of(lambda p: batch_norm(X, p["gamma"], p["beta"]), np))(PARAMETERS)
    x = torch.tensor(X)
    f = loss_of(lambda p: torch.nn.functional.batch_norm(x, None, None, p["gamma"], p["beta"], training=True), torch)
    theirs = torch.autograd.functional.hessian(lambda g, b: f({"gamma": g, "beta": b}), (torchs(GAMMA), torchs(BETA)))
    for i, one in enumerate(PARAMETERS):
        for j, other in enumerate(PARAMETERS):
            np.testing.assert_allclose(ours[one][other], theirs[i][j].detach().numpy(), rtol=1e-10, atol=1e-11)


def test_jacobian_by_a_list_of_batch_and_parameters() -> None:
    ours = mg.jacobian(lambda p: batch_norm(p[0], p[1], p[2]))([X, GAMMA, BETA])
    theirs = torch.autograd.functional.jacobian(
        lambda x, g, b: torch.nn.functional.batch_norm(x, None, None, g, b, training=True),
        (torchs(X), torchs(GAMMA), torchs(BETA)),
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-9, atol=1e-10)


def test_the_comparison_can_fail() -> None:
    x = rng.standard_normal((6, 3))
    with pytest.raises(AssertionError):
        close(batch_norm(x, eps=1e-3), torch.nn.functional.batch_norm(torch.tensor(x), None, None, training=True))
