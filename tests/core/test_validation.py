"""The door: what comes in and how it is kept, what is refused and what each refusal says."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import layouts

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, ShapeError


class Frame:
    def to_numpy(self) -> Any:
        return np.zeros(2)


class Sparse:
    def toarray(self) -> Any:
        return np.zeros(2)


REFUSED: list[tuple[str, Any, str]] = [
    ("int64", np.arange(3), r"x is int64; gradients need a float dtype\. Use x\.astype\(np\.float64\)"),
    ("uint8", np.zeros(2, np.uint8), r"x is uint8; gradients need a float dtype"),
    ("bool array", np.zeros(2, bool), r"x is bool; gradients need a float dtype"),
    ("bool", True, r"x is a bool; gradients need a float\. Use float\(x\)"),
    ("np.bool", np.True_, r"x is a bool"),
    ("complex", np.zeros(2, complex), r"x is complex128: complex is not supported \(xmu\*\*2 is not \|xmu\|\^2"),
    ("complex number", 1j, r"x is a complex; pass a float or a NumPy array"),
    ("object", np.array([1.0, None]), r"x has dtype object, which is not numeric; pass x\.astype\(np\.float64\)"),
    ("str", np.array(["a"]), r"x has dtype <U1, which is not numeric"),
    ("datetime", np.array(["2020-01-01"], "datetime64[D]"), r"dtype datetime64\[D\], which is not numeric"),
    ("structured", np.zeros(2, [("a", float)]), r"dtype \[\('a', '<f8'\)\], which is not numeric"),
    (
        "matrix",
        np.zeros((2, 2)).view(np.matrix),
        r"x is an np\.matrix, whose \* and \*\* mean something else; pass np\.asarray",
    ),
    ("masked", np.ma.masked_array([1.0], [True]), r"x is a masked array: fill or drop masked rows first"),
    ("list", [1.0], r"x is a list; pass np\.asarray\(x, float\)"),
    ("tuple", (1.0,), r"x is a tuple; pass np\.asarray\(x, float\)"),
    ("frame", Frame(), r"x is a Frame; pass x\.to_numpy\(\)"),
    ("sparse", Sparse(), r"x is a Sparse; pass x\.toarray\(\)"),
    ("text", "1.0", r"x is a str; pass a float or a NumPy array"),
    ("none", None, r"x is a NoneType"),
    ("decimal", Decimal(1), r"x is a Decimal"),
    ("tensor", Tensor(1.0), r"x is a Tensor already; use it as it is, or x\.detach\(\)"),
]


@pytest.mark.parametrize(("value", "message"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_has_no_gradient_is_refused(value: Any, message: str) -> None:
    with pytest.raises(DTypeError, match=message) as caught:
        Tensor(value)
    assert isinstance(caught.value, TypeError)


ODD = [r for r in REFUSED if r[0] not in ("int64", "uint8", "bool array", "bool", "np.bool", "tensor")]


@pytest.mark.parametrize("value", [r[1] for r in ODD], ids=[r[0] for r in ODD])
def test_an_operand_is_refused_for_the_same_reasons(value: Any) -> None:
    t = Tensor(np.ones(2))
    with pytest.raises(DTypeError, match=r"an operand of (mul|add) .*\(line test_validation\.py:\d+\)"):
        mg.Tensor.__mul__(t, value)


def test_an_integer_operand_is_a_constant() -> None:
    t = Tensor(np.ones(3))
    assert (t * np.arange(3)).data.tolist() == [0.0, 1.0, 2.0]
    assert (t * np.array([True, False, True])).data.tolist() == [1.0, 0.0, 1.0]
    assert (t + True).data.tolist() == [2.0, 2.0, 2.0]


def test_an_integer_of_numpy_is_refused() -> None:
    with pytest.raises(DTypeError, match="int64"):
        Tensor(np.int64(3))


@pytest.mark.parametrize("value", [3, 3.0, np.float64(3.0)])
def test_a_number_becomes_a_python_float(value: Any) -> None:
    t = Tensor(value)
    assert type(t.data) is float
    assert t.shape == ()
    assert t.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_float_dtypes_are_kept(dtype: Any) -> None:
    assert Tensor(np.ones(2, dtype)).dtype == dtype
    if dtype is not np.float64:
        assert Tensor(dtype(1)).dtype == dtype


@given(
    hnp.arrays(
        np.float64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), elements=st.floats(-1e100, 1e100)
    )
)
def test_every_layout_comes_in_whole(x: np.ndarray) -> None:
    for laid in layouts(x).values():
        t = Tensor(laid)
        np.testing.assert_array_equal(t.data, x)
        assert t.dtype == np.float64
        assert t.raw.dtype.isnative
        assert t.raw.flags.aligned
        assert not np.shares_memory(t.raw, laid)
        (t * laid).backward(np.ones(x.shape))
        np.testing.assert_array_equal(t.grad, x)
        assert t.grad.flags.writeable


def test_a_broadcast_view_gets_a_gradient_of_its_own_entries() -> None:
    t = Tensor(np.broadcast_to(np.array([1.0, 2.0]), (3, 2)))
    (t * t).backward(np.ones((3, 2)))
    t.grad[0, 0] = 100.0
    assert t.grad.tolist() == [[100.0, 4.0], [2.0, 4.0], [2.0, 4.0]]


def test_a_memory_map(tmp_path: Any) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(4.0))
    mapped = np.load(path, mmap_mode="r")
    t = Tensor(mapped)
    assert type(t.raw) is np.ndarray
    assert (t * mapped).data.tolist() == [0.0, 1.0, 4.0, 9.0]


def test_subclasses_are_left_at_the_door() -> None:
    class Unit(np.ndarray):
        pass

    t = Tensor(np.ones(2).view(Unit))
    assert type(t.data) is np.ndarray
    assert type((t * np.ones(2).view(Unit)).data) is np.ndarray


# ---- seeds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "kind", "message"),
    [
        (None, GraphError, r"out has shape \(4, 3\); pass backward\(seed\) with that shape, or sum\(\) first"),
        (np.ones((1, 3)), ShapeError, r"seed has shape \(1, 3\), out has \(4, 3\); they must be equal"),
        (np.ones(3), ShapeError, r"seed has shape \(3,\), out has \(4, 3\)"),
        (1.0, ShapeError, r"seed has shape \(\), out has \(4, 3\)"),
        (np.ones((4, 3)), DTypeError, r"seed is float64, out is float32; cast it with seed\.astype\(np\.float32\)"),
        (np.ones((4, 3), complex), DTypeError, r"seed is complex128"),
        (np.ones((4, 3), int), DTypeError, r"seed is int64; gradients need a float dtype"),
        ([[1.0] * 3] * 4, DTypeError, r"seed is a list"),
    ],
)
def test_a_seed_must_match(seed: Any, kind: type[Exception], message: str) -> None:
    x = Tensor(np.ones((4, 3), np.float32))
    y = x * 2
    with pytest.raises(kind, match=message):
        y.backward(seed)
    assert x.grad is None
    with pytest.raises(kind, match=message):
        mg.gradients(y, [x], seed)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_number_needs_no_seed(shape: tuple[int, ...]) -> None:
    x = Tensor(np.full(shape, 2.0))
    (x * x).backward()
    np.testing.assert_array_equal(x.grad, np.full(shape, 4.0))


def test_seeds_of_odd_layouts() -> None:
    for laid in layouts(np.arange(6.0).reshape(2, 3)).values():
        x = Tensor(np.ones((2, 3)))
        (x * 2).backward(laid)
        assert x.grad.tolist() == [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]
        assert x.grad.flags.owndata


def test_an_empty_output_has_an_empty_gradient() -> None:
    x = Tensor(np.zeros((0, 3)))
    (x * 2).backward(np.zeros((0, 3)))
    assert x.grad.shape == (0, 3)
    with pytest.raises(GraphError, match=r"out has shape \(0, 3\); pass backward\(seed\)"):
        (x * 2).backward()


def test_damaged_bytes_do_not_make_a_tensor_of_another_type() -> None:
    t = pickle.loads(pickle.dumps(Tensor(np.ones(2)) * 2))
    assert t.data.tolist() == [2.0, 2.0]
    assert not t.data.flags.writeable
