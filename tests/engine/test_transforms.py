"""grad, vjp, jvp, jacobian, hessian: known answers, nesting, containers, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SMOOTH, Program, inputs_of, programs, seeds

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.errors import GraphError, ShapeError

X = np.array([0.5, -1.0, 2.0])
A = np.array([[2.0, 1.0, 0.0], [-1.0, 3.0, 0.5], [4.0, 0.0, 1.0]])


def test_any_order() -> None:
    f = lambda x: np.exp(2.0 * x)
    for order in range(5):
        assert f(0.3) == pytest.approx(2**order * math.exp(0.6), rel=1e-13)
        f = mg.grad(f)


@pytest.mark.parametrize("exponent", [2, 3, 4, 5])
def test_derivatives_of_a_power(exponent: int) -> None:
    f: Any = lambda x: x**exponent
    for order in range(1, exponent + 2):
        f = mg.grad(f)
        assert f(1.5) == pytest.approx(math.perm(exponent, order) * 1.5 ** max(exponent - order, 0), rel=1e-13)


def test_a_quadratic_form() -> None:
    f = lambda x: x @ A @ x
    np.testing.assert_allclose(mg.grad(f)(X), (A + A.T) @ X, rtol=1e-14)
    np.testing.assert_allclose(mg.hessian(f)(X), A + A.T, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(mg.jacobian(lambda x: A @ x)(X), A, rtol=1e-15)


def test_value_and_grad() -> None:
    value, slope = mg.value_and_grad(lambda x: (x * x).sum())(X)
    assert value == pytest.approx(5.25)
    assert type(value) in (float, np.ndarray)
    assert slope.tolist() == [1.0, -2.0, 4.0]
    (value, aux), slope = mg.value_and_grad(lambda x: (x * x, "kept"), has_aux=True)(3.0)
    assert (value, aux, slope) == (9.0, "kept", 6.0)
    (value, (one, two)), slope = mg.value_and_grad(lambda x: (x * x, (1, 2)), has_aux=True)(3.0)
    assert (value, one, two, slope) == (9.0, 1, 2, 6.0)


def test_several_arguments_and_keywords() -> None:
    f = lambda x, y, *, scale: (x * y * scale).sum()
    dx, dy = mg.grad(f, (0, 1))(X, 2 * X, scale=3.0)
    np.testing.assert_array_equal(dx, 6 * X)
    np.testing.assert_array_equal(dy, 3 * X)
    np.testing.assert_array_equal(mg.grad(f, 1)(X, 2 * X, scale=1.0), X)
    np.testing.assert_array_equal(mg.grad(f, -1)(X, 2 * X, scale=1.0), X)


def test_containers_of_arguments() -> None:
    params = {"w": A, "b": [X, 2.0], "t": (X,)}
    f = lambda p: (p["w"] @ p["b"][0]).sum() * p["b"][1] + p["t"][0].sum()
    g = mg.grad(f)(params)
    assert g.keys() == params.keys()
    np.testing.assert_allclose(g["w"], 2.0 * np.ones((3, 1)) * X)
    assert g["b"][1] == pytest.approx((A @ X).sum())
    assert isinstance(g["t"], tuple)
    assert g["t"][0].tolist() == [1.0, 1.0, 1.0]


def test_one_array_as_two_arguments_keeps_two_gradients() -> None:
    for data in (X, 3.0):
        t = Tensor(data)
        one, two = mg.grad(lambda a, b: (a * a * b).sum() if a.shape else a * a * b, (0, 1))(t, t)
        np.testing.assert_array_equal(one.data, 2 * np.square(data))
        np.testing.assert_array_equal(two.data, np.square(data))


def test_an_argument_that_does_not_matter_has_gradient_zero() -> None:
    dx, dy = mg.grad(lambda x, y: (x * x).sum(), (0, 1))(X, np.ones((2, 2)))
    assert dy.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert dx.tolist() == (2 * X).tolist()


def test_vjp_is_a_row_and_jvp_a_column() -> None:
    f = lambda x, y: np.tanh(A @ x) * y
    y0 = np.array([1.0, -2.0, 0.5])
    jx, jy = mg.jacobian(f, 0)(X, y0), mg.jacobian(f, 1)(X, y0)
    out, pull = mg.vjp(f, X, y0)
    np.testing.assert_allclose(out, np.tanh(A @ X) * y0)
    g = np.array([0.3, 1.0, -1.0])
    dx, dy = pull(g)
    np.testing.assert_allclose(dx, g @ jx, rtol=1e-13)
    np.testing.assert_allclose(dy, g @ jy, rtol=1e-13)
    np.testing.assert_allclose(pull(2 * g)[0], 2 * dx, rtol=1e-13)  # called again: the graph is still there
    value, tangent = mg.jvp(f, [X, y0], [g, -g])
    np.testing.assert_allclose(value, out)
    np.testing.assert_allclose(tangent, jx @ g - jy @ g, rtol=1e-13)


@settings(max_examples=25)
@given(program=programs(SMOOTH, longest=5), seed=seeds)
def test_jvp_and_vjp_are_adjoint(program: Program, seed: int) -> None:
    x, y = inputs_of(seed)
    rng = np.random.default_rng(seed)
    u, v, g = (rng.standard_normal(x.shape) for _ in range(3))
    f = lambda a, b: program(np, a, b) + a * b
    _, tangent = mg.jvp(f, [x, y], [u, v])
    _, pull = mg.vjp(f, x, y)
    dx, dy = pull(g)
    terms = np.abs(g * tangent).sum() + np.abs(dx * u).sum() + np.abs(dy * v).sum()
    assert abs((g * tangent).sum() - (dx * u).sum() - (dy * v).sum()) <= 1e-11 * terms


@settings(max_examples=15)
@given(program=programs(SMOOTH, longest=4), seed=st.integers(0, 1000))
def test_hessians_are_symmetric(program: Program, seed: int) -> None:
    x, y = inputs_of(seed)
    h = mg.hessian(lambda a: (program(np, a, y) * y).sum() + (a**3).sum())(x).reshape(12, 12)
    np.testing.assert_allclose(h, h.T, rtol=1e-9, atol=1e-10 * max(1.0, np.abs(h).max()))


def test_transforms_nest() -> None:
    f = lambda x: (np.exp(x) * x).sum()
    np.testing.assert_allclose(mg.grad(lambda x: (mg.grad(f)(x) ** 2).sum())(X),
                               2 * np.exp(X) * (1 + X) * np.exp(X) * (2 + X), rtol=1e-13)  # fmt: skip
    hessian_times = mg.jvp(mg.grad(f), [X], [np.ones(3)])[1]
    np.testing.assert_allclose(hessian_times, np.exp(X) * (2 + X), rtol=1e-13)
    inner = mg.grad(lambda x: mg.grad(lambda y: x * y * y)(3.0) * x)  # d/dx of 6 x**2
    assert inner(2.0) == pytest.approx(24.0)
    curved = mg.jacobian(lambda x: mg.jacobian(lambda y: y * y * y)(x) @ np.ones(3))
    np.testing.assert_allclose(curved(X), np.diag(6 * X), rtol=1e-13)


def test_float32_stays_float32() -> None:
    small = X.astype(np.float32)
    f = lambda x: (np.tanh(x) ** 2).sum()
    assert mg.grad(f)(small).dtype == np.float32
    assert mg.hessian(f)(small).dtype == np.float32
    assert mg.jvp(f, [small], [small])[1].dtype == np.float32


def test_a_graph_that_is_passed_in_is_left_alone() -> None:
    t = Tensor(X)
    out = mg.grad(lambda x: (x**3).sum())(t)
    assert isinstance(out, Tensor)
    assert t.grad is None
    out.sum().backward()
    np.testing.assert_allclose(t.grad, 6 * X)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: mg.grad(lambda x: x * 2)(X),
            GraphError,
            r"<lambda> returned shape \(3,\); grad needs one number\. Sum it",
        ),
        (
            lambda: mg.grad(lambda x: 3.0)(X),
            GraphError,
            r"<lambda> returned a float that was not computed from its arg",
        ),
        (lambda: mg.grad(np.sum, 1)(X), GraphError, r"argnums names argument 1, but 1 positional argument"),
        (lambda: mg.jvp(np.tanh, [X], []), GraphError, r"jvp got 1 argument\(s\) and 0 tangent\(s\)"),
        (lambda: mg.jvp(np.tanh, [X], [X[:2]]), ShapeError, r"tangent 0 has shape \(2,\), its argument \(3,\)"),
        (lambda: mg.vjp(np.tanh, X)[1](np.ones(2)), ShapeError, r"seed has shape \(2,\), out has \(3,\)"),
        (
            lambda: mg.vjp(np.tanh, X)[1](Tensor(np.ones(2))),
            ShapeError,
            r"cotangent has shape \(2,\), the output \(3,\)",
        ),
        (
            lambda: mg.grad(lambda x, y: x * y, (0, 0))(2.0, 3.0),
            GraphError,
            r"argnums \(0, 0\) names an argument twice",
        ),
        (
            lambda: mg.jvp(lambda p: p["a"], [{"a": X}], [{"b": X}]),
            GraphError,
            r"tangent 0 has parts \['b'\], its argument \['a'\]",
        ),
        (lambda: mg.vjp(lambda x: x.data, X), GraphError, r"not computed from its arguments"),
    ],
)
def test_refusals(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_jacobian_and_hessian_by_containers() -> None:
    parameters = {"w": np.array([1.0, 2.0]), "b": [3.0]}
    f = lambda p: p["w"] * p["b"][0]
    found = mg.jacobian(f)(parameters)
    np.testing.assert_array_equal(found["w"], 3.0 * np.eye(2))
    np.testing.assert_array_equal(found["b"][0], parameters["w"])
    twice = mg.hessian(lambda p: np.sum(p["w"] ** 2) * p["b"][0])(parameters)
    np.testing.assert_array_equal(twice["w"]["w"], 6.0 * np.eye(2))
    np.testing.assert_array_equal(twice["w"]["b"][0], 2.0 * parameters["w"])
    np.testing.assert_array_equal(twice["b"][0]["w"], 2.0 * parameters["w"])
    assert twice["b"][0]["b"][0] == 0.0
    value, along = mg.jvp(f, [parameters], [{"w": np.array([1.0, 0.0]), "b": [2.0]}])
    np.testing.assert_array_equal(value, [3.0, 6.0])
    np.testing.assert_array_equal(along, [3.0 + 2.0, 4.0])


def test_an_inner_transform_sees_what_its_function_encloses() -> None:
    # d/dx of x * (d/dy of x * y**2 at 3) = d/dx of 6 x**2; an inner gradient of plain numbers would answer half
    assert mg.grad(lambda x: mg.grad(lambda y: x * y * y)(3.0) * x)(2.0) == pytest.approx(24.0)
    assert mg.grad(lambda x: mg.grad(lambda y, x: x * y * y)(3.0, x) * x)(2.0) == pytest.approx(24.0)
    assert mg.grad(lambda x: mg.vjp(lambda y: x * y * y, 3.0)[1](1.0)[0] * x)(2.0) == pytest.approx(24.0)
    assert mg.grad(lambda x: mg.jvp(lambda y: x * y * y, [3.0], [1.0])[1] * x)(2.0) == pytest.approx(24.0)
    assert mg.grad(lambda x: mg.jvp(lambda y: x * y * y, [3.0], [x])[1])(2.0) == pytest.approx(24.0)
    assert mg.grad(lambda x: mg.jacobian(lambda y: x * y * y)(3.0) * x)(2.0) == pytest.approx(24.0)
    value = lambda x: mg.value_and_grad(lambda y: (x * y * y, "aux"), has_aux=True)(3.0)
    assert mg.grad(lambda x: value(x)[0][0] * value(x)[1])(2.0) == pytest.approx(9 * 6 * 2 * 2.0)
    three_deep = mg.grad(lambda x: mg.grad(lambda y: mg.grad(lambda z: x * y * z**2)(1.0) * y)(2.0) * x)  # 8 x**2
    assert three_deep(3.0) == pytest.approx(48.0)


def test_an_inner_transform_of_plain_numbers_answers_plain_numbers() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(mg.grad(lambda y: y * y)(3.0))
        return x * seen[-1]

    assert mg.grad(f)(2.0) == 6.0
    assert type(seen[0]) is float
    parameter = Tensor(5.0)
    assert type(mg.grad(lambda y: y * parameter)(3.0)) is float  # a leaf is no argument of a transform
