"""What is composed of primitives: equal to NumPy on any shape and axis, on arrays and on tensors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.errors import ShapeError
from micrograd.numpy_api import composites as c
from micrograd.testing import check_grad

shapes = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)


@st.composite
def shaped_axes(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    shape = draw(shapes)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    axes = st.integers(-len(shape), len(shape) - 1)
    axis = draw(
        st.one_of(st.none(), axes, st.lists(axes, unique_by=lambda a: a % len(shape), max_size=len(shape)).map(tuple))
    )
    return rng.permutation(int(np.prod(shape))).reshape(shape) * 0.5 + rng.random(), axis


@settings(max_examples=80)
@given(drawn=shaped_axes(), keepdims=st.booleans())
@pytest.mark.parametrize(
    ("ours", "numpys"), [(c.sum, np.sum), (c.mean, np.mean), (c.var, np.var), (c.amax, np.max), (c.amin, np.min)]
)
def test_reductions(ours: Any, numpys: Any, drawn: tuple[np.ndarray, Any], keepdims: bool) -> None:
    x, axis = drawn
    wanted = numpys(x, axis=axis, keepdims=keepdims)
    for one in (x, Tensor(x)):
        got = ours(one, axis, keepdims=keepdims)
        np.testing.assert_allclose(got.data if isinstance(one, Tensor) else got, wanted, rtol=1e-13, atol=1e-13)
    t = Tensor(x)
    out = ours(t, axis, keepdims=keepdims)
    out.backward(np.ones(out.shape))
    assert t.grad.shape == x.shape
    # what a reduction sends back along each output sums to its slope under a shift of all entries: 1 per
    # output for mean, max and min, the count for sum, 0 for var
    share = {c.sum: x.size / max(out.size, 1), c.var: 0.0}.get(ours, 1.0)
    np.testing.assert_allclose(t.grad.sum(), share * out.size, rtol=1e-12, atol=1e-12)


@settings(max_examples=60)
@given(drawn=shaped_axes(), data=st.data())
def test_moves(drawn: tuple[np.ndarray, Any], data: st.DataObject) -> None:
    x, _ = drawn
    ndim = x.ndim
    one, other = (data.draw(st.integers(-ndim, ndim - 1)) for _ in range(2))
    order = data.draw(st.permutations(range(ndim)))
    new = data.draw(st.integers(-ndim - 1, ndim))
    for function, args in (
        ((c.swapaxes, np.swapaxes), (one, other)),
        ((c.moveaxis, np.moveaxis), (one, other)),
        ((c.transpose, np.transpose), (order,)),
        ((c.expand_dims, np.expand_dims), (new,)),
        ((c.reshape, np.reshape), ((-1, x.shape[one]),)),
        ((c.squeeze, np.squeeze), ()),
    ):
        wanted = function[1](x, *args)
        np.testing.assert_array_equal(function[0](Tensor(x), *args).data, wanted)
        np.testing.assert_array_equal(function[0](x, *args), wanted)


@settings(max_examples=60)
@given(data=st.data())
def test_matmul_of_any_shapes(data: st.DataObject) -> None:
    n, m, k = (data.draw(st.integers(1, 3)) for _ in range(3))
    batches = st.sampled_from([((), ()), ((2,), (2,)), ((2,), ()), ((), (2,)), ((3, 1), (2,)), ((1,), (2,))])
    left, right = data.draw(batches)
    a = np.random.default_rng(0).standard_normal((*left, n, m))
    b = np.random.default_rng(1).standard_normal((*right, m, k))
    if not left and data.draw(st.booleans()):
        a = a[0]
    if not right and data.draw(st.booleans()):
        b = b[:, 0]
    got = c.matmul(Tensor(a), Tensor(b))
    assert got.shape == np.shape(a @ b)
    np.testing.assert_allclose(got.data, a @ b, rtol=1e-13, atol=1e-14)
    check_grad(lambda x, y: x @ y, a, b)


WHOLE = ["bool", "int8", "int64", "uint8", "uint64"]


@pytest.mark.parametrize("dtype", WHOLE)
def test_the_smallest_of_what_cannot_be_negated(dtype: str) -> None:
    limits = (False, True) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = np.array([[*limits], [1, 0]], dtype)
    mask = x > 0
    for axis in (None, 0, 1):
        got = c.amin(Tensor(np.ones((2, 2))) * 0 < x if dtype == "bool" else x, axis)
        wanted = np.min(mask if dtype == "bool" else x, axis)
        assert np.asarray(getattr(got, "data", got)).dtype == wanted.dtype
        np.testing.assert_array_equal(getattr(got, "data", got), wanted)
    for other in WHOLE:
        y = x[::-1].astype(other)
        got = c.minimum(x, y)
        assert got.dtype == np.minimum(x, y).dtype
        np.testing.assert_array_equal(got, np.minimum(x, y))


@pytest.mark.parametrize("dtype", WHOLE)
def test_the_smaller_of_floats_and_whole_numbers(dtype: str) -> None:
    x, bounds = np.array([0.5, -2.0, 3.0]), np.array([1, 0, 1], dtype)
    for call in (lambda x: np.minimum(x, bounds), lambda x: np.minimum(bounds, x), lambda x: np.clip(x, None, bounds)):
        np.testing.assert_array_equal(call(Tensor(x)).data, call(x))
        check_grad(call, x)
    assert c.minimum(Tensor(x.astype(np.float32)), bounds).dtype == np.minimum(x.astype(np.float32), bounds).dtype
    assert c.minimum(Tensor(x.astype(np.float32)), np.float64(1)).dtype == np.float32  # a number widens nothing


basic = st.one_of(st.integers(-2, 1), st.slices(2), st.just(Ellipsis), st.none())


@settings(max_examples=80)
@given(index=st.lists(basic, max_size=4).map(tuple))
def test_basic_indices(index: Any) -> None:
    x = np.arange(8.0).reshape(2, 2, 2)
    try:
        wanted = x[index]
    except IndexError:
        with pytest.raises(IndexError):
            Tensor(x)[index]
    else:
        t = Tensor(x)
        got = t[index]
        np.testing.assert_array_equal(got.data, wanted)
        got.backward(np.ones(got.shape))
        counted = np.zeros_like(x)
        np.add.at(counted, index, 1.0)
        np.testing.assert_array_equal(t.grad, counted)


def test_the_standard_deviation_of_equal_numbers_has_no_slope() -> None:
    x = Tensor(np.ones(3))
    with np.errstate(all="ignore"):
        x.std().backward()
    assert np.isnan(x.grad).all()  # 0 * inf; add a number before the root, as batch normalization does


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: c.concatenate([]), r"concatenate needs at least one array; got an empty sequence"),
        (
            lambda: c.concatenate([Tensor(1.0), Tensor(2.0)]),
            r"zero-dimensional arrays cannot be concatenated; use stack",
        ),
        (lambda: c.moveaxis(Tensor(np.ones((2, 3))), [0, 1], [0]), r"moveaxis got 2 source and 1 destination axes"),
        (lambda: c.mean(Tensor(2.0), 0), r"axis 0 is out of range for 0 dimension\(s\); a number has none"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()


def test_joined_flat() -> None:
    a, b = np.ones((2, 2)), np.zeros(3)
    assert c.concatenate([Tensor(a), Tensor(b)], None).data.tolist() == np.concatenate([a, b], None).tolist()


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_the_deviation_of_one_entry_is_zero_and_flat(axis: Any) -> None:
    x = np.array([[2.5]])
    value, pull = mg.vjp(lambda x: np.std(x, axis=axis), x)
    assert np.array_equal(value, np.std(x, axis=axis))
    assert np.array_equal(pull(np.ones_like(np.std(x, axis=axis)))[0], [[0.0]])
    with np.errstate(invalid="ignore"):
        assert np.isnan(mg.vjp(lambda x: np.std(x, axis=axis), np.array([[np.inf]]))[0]).all()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.mean(x), lambda x: np.mean(x, axis=0), lambda x: x.mean(axis=1, keepdims=True),
        lambda x: np.var(x), lambda x: np.std(x, axis=0), lambda x: np.var(x[:, :1], axis=1, ddof=1),
        lambda x: np.median(x), lambda x: np.median(x, axis=0, keepdims=True), lambda x: np.average(x),
        lambda x: np.prod(x), lambda x: np.prod(x, axis=0), lambda x: np.multiply.reduce(x, axis=0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (2, 3)])
def test_what_numpy_makes_of_nothing(f: Any, shape: tuple[int, ...]) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        x = np.ones(shape)
        value, pull = mg.vjp(f, x)
        np.testing.assert_array_equal(value, f(x))
        assert np.asarray(value).dtype == np.asarray(f(x)).dtype
        assert pull(np.ones_like(np.asarray(value)))[0].shape == shape


def test_the_mean_of_nothing_is_said() -> None:
    with (
        np.errstate(all="ignore"),
        pytest.warns(RuntimeWarning, match=r"mean over axis 0 of shape \(0, 3\): the mean of nothing is nan \(line "),
    ):
        mg.vjp(lambda x: np.mean(x, axis=0), np.zeros((0, 3)))


@pytest.mark.parametrize("bound", [0, 0.0, False, np.int64(0), np.float32(0)])
def test_the_smaller_of_a_number_and_zero_has_numpys_sign(bound: Any) -> None:
    x = np.array([0.4, -0.1, -0.9, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    for f in (lambda x: np.minimum(x, bound), lambda x: np.minimum(bound, x), lambda x: np.clip(x, -0.5, bound)):
        for found in (mg.vjp(f, x)[0], mg.compile(f)(x)):
            assert np.array_equal(np.signbit(found), np.signbit(f(x)))
            assert np.array_equal(found, f(x))
