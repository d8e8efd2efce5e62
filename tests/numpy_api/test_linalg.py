"""Linear algebra where it is singular, degenerate or of any sign: what has a slope, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.errors import GraphError

RNG = np.random.default_rng(5)
M = RNG.standard_normal((3, 3)) + 3 * np.eye(3)
S = M + M.T
T = RNG.standard_normal((4, 3))


def turned(f: Any, x: Any, d: Any) -> Any:
    """Return the measured derivative of `f` along `d`."""
    h = 1e-5
    return (8 * (f(x + h * d) - f(x - h * d)) - (f(x + 2 * h * d) - f(x - 2 * h * d))) / (12 * h)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda a: np.abs(np.linalg.eigh(a)[1]), S),
        (lambda a: np.abs(np.linalg.eigh(a, "U")[1]), M),
        (lambda a: np.abs(np.linalg.svd(a, full_matrices=False)[0]), T),
        (lambda a: np.abs(np.linalg.svd(a, full_matrices=False)[2]), T.T),
        (lambda a: np.abs(np.linalg.qr(a)[0]), T),
        (lambda a: np.abs(np.linalg.qr(a)[1]), T.T),
        (lambda a: np.linalg.pinv(a), T),
        (lambda a: np.linalg.lstsq(a, T[:, 0])[0], T + 1.0),
    ],
)  # fmt: skip
def test_a_directional_derivative_is_the_measured_one(f: Any, x: Any) -> None:
    # forward derivatives pull a cotangent of 0 back first: a rule that treats 0 as a special case loses them
    d = np.cos(np.arange(x.size) * 1.7).reshape(x.shape)
    _, found = mg.jvp(f, (x,), (d,))
    np.testing.assert_allclose(found, turned(f, x, d), rtol=1e-6, atol=1e-7)


def test_parts_put_together_are_the_matrix_and_so_is_their_slope() -> None:
    def again(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        q, r = np.linalg.qr(a)
        return (u * s) @ vh + q @ r

    weights = RNG.standard_normal(T.shape)
    np.testing.assert_allclose(mg.grad(lambda a: np.sum(again(a) * weights))(T), 2 * weights, rtol=1e-12, atol=1e-12)


def test_only_the_triangle_that_numpy_reads_has_a_slope() -> None:
    weights = RNG.standard_normal((3, 3))
    for f, zero in (
        (lambda a: np.sum(np.linalg.cholesky(a) * weights), np.triu_indices(3, 1)),
        (lambda a: np.sum(np.linalg.cholesky(a, upper=True) * weights), np.tril_indices(3, -1)),
        (lambda a: np.sum(np.linalg.eigvalsh(a) * weights[0]), np.triu_indices(3, 1)),
        (lambda a: np.sum(np.linalg.eigvalsh(a, "U") * weights[0]), np.tril_indices(3, -1)),
    ):
        g = mg.grad(f)(S + 9 * np.eye(3))
        assert not g[zero].any()
        mg.testing.check_grad(f, S + 9 * np.eye(3))


def test_equal_eigenvalues_have_slopes_and_their_vectors_have_none() -> None:
    np.testing.assert_allclose(mg.grad(lambda a: np.sum(np.linalg.eigvalsh(a)))(np.eye(3)), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(mg.grad(lambda a: np.sum(np.linalg.eigh(a)[0]))(np.eye(3)), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(mg.grad(lambda a: np.linalg.norm(a, "nuc"))(np.eye(3)), np.eye(3), atol=1e-15)
    with np.errstate(all="ignore"):
        assert not np.isfinite(mg.grad(lambda a: np.sum(np.linalg.eigh(a)[1] ** 3))(np.eye(3))).all()


def test_a_singular_matrix_has_a_determinant_with_a_slope() -> None:
    singular = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
    wanted = np.array([[4.0, 4.0, -4.0], [-2.0, -2.0, 2.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(mg.grad(np.linalg.det)(singular), wanted, atol=1e-13)
    assert mg.grad(np.linalg.det)(np.zeros((3, 3))).tolist() == [[0.0] * 3] * 3


def test_a_singular_matrix_that_has_no_inverse_is_refused_as_numpy_refuses_it() -> None:
    for f in (np.linalg.inv, lambda a: np.linalg.solve(a, T[:3])):
        with pytest.raises(np.linalg.LinAlgError, match=r"(inv|solve).*Singular matrix"):
            mg.grad(lambda a, f=f: np.sum(f(a)))(np.zeros((3, 3)))


@pytest.mark.parametrize("order", [None, 1, 2, 3, np.inf, "fro", "nuc"])
def test_a_norm_has_slope_0_at_0(order: Any) -> None:
    x = np.zeros((2, 3)) if isinstance(order, str) else np.zeros(3)
    with np.errstate(divide="ignore"):
        slope = mg.grad(lambda a: np.linalg.norm(a, order))(x)
    if order == "nuc":  # any vectors fit: a number between -1 and 1
        assert (abs(slope) <= 1).all()
    else:
        assert slope.tolist() == x.tolist()


def test_empty_batches_and_numbers_beside_matrices() -> None:
    assert mg.grad(lambda s: np.sum(np.linalg.inv(s)))(np.ones((0, 3, 3))).shape == (0, 3, 3)
    assert mg.trace(lambda s: np.linalg.det(s), np.stack([M, S])).outputs[0].shape == (2,)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda a: np.linalg.svd(a), r"full_matrices=True returns vectors that have no slope.*full_matrices=False"),
        (lambda a: np.linalg.eigvals(a @ a.T), r"np\.linalg\.eigvals has no rule.*np\.linalg\.eigvalsh"),
        (lambda a: np.lib.stride_tricks.as_strided(a, (2, 2)), r"as_strided has no rule.*sliding_window_view"),
    ],
)
def test_what_has_no_slope_is_refused_in_words(f: Any, message: str) -> None:
    for route in (lambda: mg.trace(f, T), lambda: mg.grad(lambda a: np.sum(f(a)))(T)):
        with pytest.raises(GraphError, match=message):
            route()
