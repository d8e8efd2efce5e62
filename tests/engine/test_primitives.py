"""The table itself: how rows are declared, called and refused; the rules at ties and singular points, by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd import primitives as p
from micrograd.engine import Tensor
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import lapack
from micrograd.primitives import KINDS, TABLE, Primitive


def test_the_seven_that_build_batch_normalization_come_first() -> None:
    assert list(TABLE)[:7] == ["sum", "sub", "pow", "sqrt", "reciprocal", "mul", "add"]
    assert {row.kind for row in TABLE.values()} == {*KINDS}
    homes = {"call": lapack}  # what LAPACK computes; all else is declared in `primitives`
    assert all(getattr(homes.get(row.kind, p), name) is row for name, row in TABLE.items())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "mul"}, r"primitive 'mul' is declared twice; choose another name"),
        (
            {"name": "new", "kind": "fold"},
            r"primitive 'new': kind 'fold' is not one of map, reduce, contract, scan, move",
        ),
        (
            {"name": "new"},
            r"primitive 'new' has no vjp, so its gradient would be 0 in silence; give vjp=\(rule, \.\.\.\)",
        ),
        (
            {"name": "softsign", "vjp": (None,)},
            r"NumPy has no function 'softsign'; name one.*or pass your own function",
        ),
        ({"name": "new", "kind": "reduce", "array": abs, "vjp": (None,)}, r"a function of your own is of kind 'map'"),
        (
            {"name": "new", "domain": ("real", "real"), "vjp": (None,)},
            r"primitive 'new': 1 vjp rules for 2 operands; give one each, and in domain=\(\.\.\.\) an entry for each",
        ),
    ],
)
def test_a_wrong_declaration(fields: dict[str, Any], message: str) -> None:
    before = dict(TABLE)
    with pytest.raises(ValueError, match=message):
        Primitive(**fields)
    assert before == TABLE


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        TABLE["mul"].level = 3  # type: ignore[misc]


def test_rows_work_on_numbers_arrays_and_tensors_alike() -> None:
    assert p.mul(2.0, 3.0) == 6.0
    assert type(p.mul(2.0, 3.0)) is float
    assert p.mul(2.0, np.ones(2)).tolist() == [2.0, 2.0]
    assert isinstance(p.mul(2.0, Tensor(3.0)), Tensor)


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda x: 1 / x, math.inf),
        (lambda x: x**-1, math.inf),
        (lambda x: np.reciprocal(x), math.inf),
        (lambda x: np.log(x), -math.inf),
        (lambda x: np.exp(x + 1e4), math.inf),
        (lambda x: np.sqrt(x - 1), math.nan),
        (lambda x: np.log(x - 1), math.nan),
        (lambda x: (x - 2.0) ** 0.5, math.nan),
        (lambda x: (x + 1e200) ** 3, math.inf),
        (lambda x: x / 0.0, math.nan),
        (lambda x: (x + 1) / 0, math.inf),
    ],
)
def test_one_rule_for_numbers_and_arrays_where_python_would_raise(call: Any, value: float) -> None:
    with np.errstate(all="ignore"):
        for data in (0.0, np.zeros(2)):
            x = Tensor(data)
            y = call(x)
            np.testing.assert_array_equal(y.data, np.full(np.shape(data), value))
            y.backward(None if y.size == 1 else np.ones(2))  # never raises either
            assert np.shape(x.grad) == np.shape(data)


@pytest.mark.parametrize("data", [0.0, np.zeros(2)])
@pytest.mark.parametrize(
    ("call", "slope"),
    [
        (lambda x: x.relu(), 0.0),
        (lambda x: np.maximum(x, 0.0), 0.0),
        (lambda x: np.maximum(0.0, x), 0.0),
        (lambda x: np.minimum(x, 0.0), 0.0),
        (lambda x: np.clip(x, 0.0, 1.0), 0.0),
        (lambda x: np.maximum(x, 1.0 * x), 1.0),  # two tensors: half each
        (lambda x: abs(x), 0.0),
        (lambda x: np.sqrt(x), math.inf),
        (lambda x: x**2, 0.0),
        (lambda x: x**1, 1.0),
        (lambda x: x**0, 0.0),
        (lambda x: x**0.5, math.inf),
        (lambda x: np.where(x > 0, x, 3.0 * x), 3.0),
    ],
)
def test_slopes_at_zero(call: Any, slope: float, data: Any) -> None:
    x = Tensor(data)
    with np.errstate(all="ignore"):
        y = call(x)
        y.backward(None if y.size == 1 else np.ones(2))
    np.testing.assert_array_equal(x.grad, np.full(np.shape(data), slope))


def test_ties_share() -> None:
    x, y = Tensor(np.array([1.0, 2.0])), Tensor(np.array([1.0, 3.0]))
    np.maximum(x, y).backward(np.array([8.0, 8.0]))
    assert x.grad.tolist() == [4.0, 0.0]
    assert y.grad.tolist() == [4.0, 8.0]
    t = Tensor(np.array([[2.0, 2.0, 1.0], [0.0, 0.0, 0.0]]))
    t.max(axis=1).backward(np.array([6.0, 6.0]))
    assert t.grad.tolist() == [[3.0, 3.0, 0.0], [2.0, 2.0, 2.0]]
    u = Tensor(np.array([5.0, 5.0]))
    u.min().backward()
    assert u.grad.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "call", [lambda x: np.maximum(x, 0.0), lambda x: x.relu(), lambda x: np.max(x), lambda x: x * 2]
)
def test_nan_propagates(call: Any) -> None:
    assert np.isnan(call(Tensor(np.array([np.nan, np.nan]))).data).all()


def test_an_index_that_repeats_adds_up() -> None:
    x = Tensor(np.array([1.0, 2.0, 3.0]))
    x[np.array([0, 0, 2, 0])].backward(np.array([1.0, 10.0, 100.0, 1000.0]))
    assert x.grad.tolist() == [1011.0, 0.0, 100.0]


def test_a_cast_and_back() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    y = x.astype(np.float32)
    assert y.dtype == np.float32
    (y * y).sum().backward()
    assert x.grad.dtype == np.float64
    assert x.grad.tolist() == [2.0, 4.0]
    number = Tensor(3.0)
    (number.astype(np.float32) * np.float32(2)).backward()
    assert number.grad == 2.0


def test_powers_of_numbers_keep_their_exponent_out_of_the_operands() -> None:
    x = Tensor(2.0)
    for exponent, kept in ((2, 2), (2.0, 2), (np.float64(3.0), 3), (np.int64(3), 3), (np.array(0.5), 0.5), (-1, -1)):
        y = x**exponent
        assert y.attrs == {"exponent": kept}
        assert type(y.attrs["exponent"]) in (int, float)
        assert y.operands == (x,)


def test_no_hidden_fused_node() -> None:
    from micrograd.engine import toposort

    x = Tensor(np.ones((4, 3)))
    names = lambda t: [node.row.name for node in toposort([t]) if node.row]
    assert names(x.mean(axis=0)) == ["sum", "div"]
    assert names(1.0 / x) == ["reciprocal"]
    assert names(x / (x + 1)) == ["add", "div"]
    assert names(x.var(axis=0)) == ["sum", "div", "sub", "pow", "sum", "div"]
    assert names(x.relu()) == ["maximum"]
    assert names(x - x.min()) == ["neg", "max", "neg", "sub"]


def test_composites_work_on_plain_arrays_too() -> None:
    a = np.arange(6.0).reshape(2, 3)
    assert c.mean(a, 0).tolist() == a.mean(0).tolist()
    np.testing.assert_allclose(c.var(a, 1, ddof=1), a.var(1, ddof=1))
    assert c.clip(a, 1.0, 2.0).tolist() == a.clip(1, 2).tolist()
    assert c.squeeze(a[None]).shape == (2, 3)
    assert c.divide(1.0, 2.0) == 0.5
    assert c.stack([a, a], -1).shape == (2, 3, 2)
    assert c.getitem(a, (0, slice(1, None))).tolist() == [1.0, 2.0]


def test_a_new_row_is_a_primitive_at_once() -> None:
    sine = Primitive("sine", array="sin", scalar="sin({0})", onnx="Sin", tex=r"\sin {0}", level=3, label="sin",
                     vjp=(lambda g, out, x: g * sine(x + math.pi / 2),))  # fmt: skip
    try:
        from micrograd.testing import check_primitive

        assert check_primitive(sine) > 100
        assert mg.grad(mg.grad(lambda x: sine(x)))(0.3) == pytest.approx(-math.sin(0.3), rel=1e-14)
    finally:
        del TABLE["sine"]


def bell_row(vjp: Any) -> Primitive:
    return Primitive("bell", array=lambda x: np.exp(-x * x), label="bell", vjp=(vjp,))


def test_a_function_that_numpy_does_not_have_is_a_primitive_too() -> None:
    from micrograd.testing import check_primitive

    bell_row(lambda g, out, x: g)  # a cell of a notebook, first with a mistake in it
    bell = bell_row(lambda g, out, x: g * out * (-2.0 * x))
    try:
        assert TABLE["bell"] is bell
        x = np.array([-2.0, 0.5, 3.0])
        assert bell(0.0) == 1.0
        assert type(bell(0.0)) is float
        np.testing.assert_array_equal(bell(x), np.exp(-x * x))
        assert check_primitive(bell) > 100
        assert mg.grad(lambda x: np.sum(bell(x)))(x) == pytest.approx(-2 * x * np.exp(-x * x))
        assert mg.trace(lambda x: bell(x) * 2, x).nodes[1].op == "bell"
        with pytest.warns(RuntimeWarning, match="bell at line .* cannot be fused"):
            assert mg.compile(lambda x: bell(x) * 2)(x) == pytest.approx(2 * np.exp(-x * x))
    finally:
        del TABLE["bell"]


def test_a_call_of_several_operands_needs_no_domain() -> None:
    def solved(a: Any, b: Any) -> Any:
        return np.linalg.solve(a, b)

    mine = Primitive("mine", kind="call", array=solved,
                     vjp=(lambda g, out, a, b: -(mine(a.mT, g) @ out.mT), lambda g, out, a, b: mine(a.mT, g)))  # fmt: skip
    try:
        assert mine.domain == ("real", "real")
        a, b = np.array([[3.0, 1.0], [0.5, 2.0]]), np.array([[1.0], [2.0]])
        mg.testing.check_grad(lambda a, b: mine(a, b), a, b)
    finally:
        del TABLE["mine"]
