"""NumPy's names on tensors: the values that NumPy gives, the right gradients, and refusals by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.numpy_api.functions import FUNCTIONS, UFUNCS
from micrograd.primitives import TABLE
from micrograd.testing import check_grad
from micrograd.testing.domains import operand
from tests.support.numpy_expressions import OLD, functions_named

A = np.array([[0.3, -1.2, 2.0, 0.6], [0.7, 0.1, -0.4, 1.1], [-0.9, 1.7, 0.2, -1.5]])
P = np.abs(A) + 0.5
V = np.array([0.4, -0.8, 1.3, 0.9])
C = np.array([[1.0, 2.0, 3.0, 4.0]]) - A
CUBE = np.arange(24.0).reshape(2, 3, 4) / 7 - 1.3
MASK = A > 0.25

CALLS: list[tuple[str, Any, list[np.ndarray]]] = [
    ("add", lambda x, y: np.add(x, y), [A, V]),
    ("subtract", lambda x, y: np.subtract(x, y), [V, A]),
    ("multiply", lambda x, y: np.multiply(x, y), [A, A[:, :1]]),
    ("divide", lambda x, y: np.divide(x, y), [A, P]),
    ("divide by number", lambda x: x / 3, [A]),
    ("divide number", lambda x: 2.0 / x, [P]),
    ("one over", lambda x: 1.0 / x, [P]),
    ("divide by array", lambda x: x / P, [A]),
    ("divide by integers", lambda x: x / np.arange(1, 5), [A]),
    ("divide array", lambda x: A / x, [P]),
    ("power", lambda x: np.power(x, 2.5), [P]),
    ("power integer", lambda x: np.power(x, 3), [A]),
    ("float power", lambda x: np.float_power(x, 3), [A]),
    ("number to the tensor", lambda x: 2.0**x, [A]),
    ("square", np.square, [A]),
    ("sqrt", np.sqrt, [P]),
    ("reciprocal", np.reciprocal, [P]),
    ("negative", np.negative, [A]),
    ("positive", np.positive, [A]),
    ("exp", np.exp, [A]),
    ("log", np.log, [P]),
    ("tanh", np.tanh, [A]),
    ("absolute", np.absolute, [A]),
    ("abs", abs, [A]),
    ("fabs", np.fabs, [A]),
    ("sign", lambda x: np.sign(x) * x, [A]),
    ("maximum", np.maximum, [A, V]),
    ("minimum", np.minimum, [A, V]),
    ("minimum constant", lambda x: np.minimum(V, x), [A]),
    ("relu", lambda x: np.maximum(0, x), [A]),
    ("clip", lambda x: np.clip(x, -0.5, 0.65), [A]),
    ("clip below", lambda x: np.clip(x, 0.15, None), [A]),
    ("clip keywords", lambda x: np.clip(x, a_min=None, a_max=0.65), [A]),
    ("clip new keywords", lambda x: np.clip(x, min=-0.5, max=0.65), [A]),
    ("clip method", lambda x: x.clip(-0.5, 0.65), [A]),
    ("matmul", np.matmul, [A, A.T.copy()]),
    ("matmul vector", lambda x, y: x @ y, [A, V]),
    ("vector matmul", lambda x, y: y @ x, [A.T.copy(), V]),
    ("inner product", lambda x, y: x @ y, [V, V + 1]),
    ("matmul batched", lambda x, y: x @ y, [CUBE, A.T.copy()]),
    ("matmul batch of both", lambda x, y: x @ y, [CUBE, CUBE.swapaxes(1, 2).copy()]),
    ("vector and batch", lambda x, y: x @ y, [V, CUBE.swapaxes(1, 2).copy()]),
    ("array matmul", lambda x: A @ x, [A.T.copy()]),
    ("dot", np.dot, [A, A.T.copy()]),
    ("dot method", lambda x: x.dot(V), [A]),
    ("dot number", lambda x: np.dot(x, 2.0), [A]),
    ("dot cube matrix", lambda x, y: np.dot(x, y), [CUBE, A.T.copy()]),
    ("sum", np.sum, [A]),
    ("sum axis", lambda x: np.sum(x, axis=0), [A]),
    ("sum position", lambda x: np.sum(x, 1), [A]),
    ("sum keepdims", lambda x: np.sum(x, axis=-1, keepdims=True), [A]),
    ("sum axes", lambda x: np.sum(x, axis=(0, -1)), [CUBE]),
    ("sum np.int64", lambda x: np.sum(x, axis=np.int64(1)), [A]),
    ("add.reduce", np.add.reduce, [A]),
    ("maximum.reduce", lambda x: np.maximum.reduce(x, axis=1), [A]),
    ("mean", np.mean, [A]),
    ("mean axis", lambda x: np.mean(x, axis=0), [A]),
    ("mean method", lambda x: x.mean(0), [A]),
    ("mean axes", lambda x: x.mean(axis=(1, 2), keepdims=True), [CUBE]),
    ("var", lambda x: np.var(x, axis=0), [A]),
    ("var ddof", lambda x: np.var(x, axis=1, ddof=1), [A]),
    ("var keepdims", lambda x: x.var(axis=1, keepdims=True), [A]),
    ("std", lambda x: np.std(x, axis=0), [A]),
    ("std all", lambda x: x.std(), [A]),
    ("max", np.max, [A]),
    ("max axis", lambda x: np.max(x, axis=1), [A]),
    ("amax", lambda x: np.amax(x, axis=0, keepdims=True), [A]),
    ("min", lambda x: np.min(x, axis=0), [A]),
    ("amin", lambda x: np.amin(x), [A]),
    ("min method", lambda x: x.min(axis=1), [A]),
    ("where", lambda x, y: np.where(MASK, x, y), [A, V]),
    ("where constant", lambda x: np.where(x > 0.25, x, 0), [A]),
    ("reshape", lambda x: np.reshape(x, (2, 6)), [A]),
    ("reshape -1", lambda x: np.reshape(x, (2, -1)), [A]),
    ("reshape method", lambda x: x.reshape(6, -1), [A]),
    ("reshape tuple", lambda x: x.reshape((4, 3)), [A]),
    ("ravel", np.ravel, [A]),
    ("ravel method", lambda x: x.ravel(), [A.T]),
    ("flatten", lambda x: x.flatten(), [A]),
    ("transpose", np.transpose, [A]),
    ("transpose axes", lambda x: np.transpose(x, (2, 0, -2)), [CUBE]),
    ("transpose method", lambda x: x.transpose(1, 0), [A]),
    ("T", lambda x: x.T, [CUBE]),
    ("mT", lambda x: x.mT, [CUBE]),
    ("swapaxes", lambda x: np.swapaxes(x, 0, -1), [CUBE]),
    ("moveaxis", lambda x: np.moveaxis(x, 0, -1), [CUBE]),
    ("moveaxis several", lambda x: np.moveaxis(x, [0, 1], [-1, 0]), [CUBE]),
    ("expand_dims", lambda x: np.expand_dims(x, 1), [A]),
    ("expand_dims several", lambda x: np.expand_dims(x, (0, -1)), [A]),
    ("squeeze", lambda x: np.squeeze(x), [A[:, None, :1]]),
    ("squeeze axis", lambda x: np.squeeze(x, axis=1), [A[:, None, :1]]),
    ("broadcast_to", lambda x: np.broadcast_to(x, (2, 4)), [V]),
    ("broadcast_to int", lambda x: np.broadcast_to(x, 3), [V[:1]]),
    ("concatenate", lambda x, y: np.concatenate([x, y[None]]), [A, V]),
    ("concatenate axis", lambda x: np.concatenate((x, A, x), axis=-1), [A]),
    ("stack", lambda x, y: np.stack([x, y]), [A, P]),
    ("stack axis", lambda x, y: np.stack([x, y], axis=-1), [A, P]),
    ("copy", np.copy, [A]),
    ("item", lambda x: x[1, 2], [A]),
    ("slice", lambda x: x[1:, ::-2], [A]),
    ("newaxis", lambda x: x[:, None] * x[None], [V]),
    ("ellipsis", lambda x: x[..., 1], [CUBE]),
    ("mask", lambda x: x[MASK], [A]),
    ("own mask", lambda x: x[x > 0.45], [A]),
    ("fancy", lambda x: x[[0, 2, 0], np.array([1, 1, 1])], [A]),
    ("list of rows", lambda x: x[[2, 0]], [A]),
    ("pick classes", lambda x: x[np.arange(3), [1, 0, 3]], [A]),
    ("sum of python", lambda x: sum(x), [A]),
    ("log1p", np.log1p, [P]),
    ("expm1", np.expm1, [A]),
    ("exp2", np.exp2, [A]),
    ("log2", np.log2, [P]),
    ("log10", np.log10, [P]),
    ("logaddexp", np.logaddexp, [A, V]),
    ("hypot", np.hypot, [A, P]),
    ("sinh", np.sinh, [A]),
    ("cosh", np.cosh, [A]),
    ("multiply.reduce", lambda x: np.multiply.reduce(x, axis=1), [A]),
    ("hstack", lambda x, y: np.hstack([x, y]), [A, P]),
    ("hstack vectors", lambda x, y: np.hstack((x, y)), [V, V + 1]),
    ("vstack", lambda x, y: np.vstack([x, y]), [A, V]),
    ("dstack", lambda x, y: np.dstack([x, y]), [A, P]),
    ("column_stack", lambda x, y: np.column_stack([x, y]), [A.T.copy(), V]),
    ("append", lambda x, y: np.append(x, y), [A, V]),
    ("append axis", lambda x, y: np.append(x, y, axis=1), [A, A[:, :1].copy()]),
    ("insert", lambda x: np.insert(x, 1, 1.0, axis=1), [A]),
    ("insert row", lambda x: np.insert(x, 0, V, axis=0), [A]),
    ("delete", lambda x: np.delete(x, [0, 2], axis=1), [A]),
    ("split", lambda x: np.split(x, 2, axis=1)[1], [A]),
    ("split ends", lambda x: np.split(x, [1, 3], axis=1)[1], [A]),
    ("array_split", lambda x: np.array_split(x, 3, axis=-1)[0], [A]),
    ("hsplit", lambda x: np.hsplit(x, 2)[0], [A]),
    ("vsplit", lambda x: np.vsplit(x, 3)[2], [A]),
    ("repeat", lambda x: np.repeat(x, 3), [A]),
    ("repeat axis", lambda x: np.repeat(x, [1, 0, 2], axis=0), [A]),
    ("tile", lambda x: np.tile(x, (2, 1, 3)), [A]),
    ("roll", lambda x: np.roll(x, 2, axis=1), [A]),
    ("roll all", lambda x: np.roll(x, 5), [A]),
    ("rollaxis", lambda x: np.rollaxis(x, 2), [CUBE]),
    ("rollaxis start", lambda x: np.rollaxis(x, 0, 3), [CUBE]),
    ("flip", np.flip, [A]),
    ("flip axis", lambda x: np.flip(x, -1), [CUBE]),
    ("fliplr", np.fliplr, [A]),
    ("flipud", np.flipud, [A]),
    ("rot90", np.rot90, [A]),
    ("pad", lambda x: np.pad(x, 2), [A]),
    ("pad value", lambda x: np.pad(x, ((1, 0), (0, 2)), "constant", constant_values=-1.5), [A]),
    ("pad edge", lambda x: np.pad(x, 1, mode="edge"), [A]),
    ("pad reflect", lambda x: np.pad(x, 2, mode="reflect"), [A]),
    ("take", lambda x: np.take(x, [3, 0, 3]), [A]),
    ("take axis", lambda x: np.take(x, [3, 0, 3], axis=1), [A]),
    ("take_along_axis", lambda x: np.take_along_axis(x, np.array([[1], [0], [3]]), axis=1), [A]),
    ("sort", np.sort, [A]),
    ("sort axis", lambda x: np.sort(x, axis=0), [A]),
    ("diagonal", np.diagonal, [A]),
    ("diag", lambda x: np.diag(x, -1), [V]),
    ("diag of a matrix", lambda x: np.diag(x, 1), [A]),
    ("trace", np.trace, [A]),
    ("tril", np.tril, [A]),
    ("triu", lambda x: np.triu(x, 1), [A]),
    ("diff", lambda x: np.diff(x, 2), [A]),
    ("atleast_1d", lambda x: np.atleast_1d(x), [V]),
    ("atleast_2d", lambda x: np.atleast_2d(x), [V]),
    ("atleast_3d", lambda x: np.atleast_3d(x), [A]),
    ("einsum product", lambda x, y: np.einsum("ij,jk->ik", x, y), [A, A.T.copy()]),
    ("einsum implicit", lambda x, y: np.einsum("ij,kj", x, y), [A, P]),
    ("einsum batch", lambda x, y: np.einsum("bij,bkj->bik", x, y), [CUBE, CUBE + 1]),
    ("einsum outer", lambda x, y: np.einsum("i,jk->kij", x, y), [V, A]),
    ("einsum elementwise", lambda x, y: np.einsum("ij, ij -> ij", x, y), [A, P]),
    ("einsum sum", lambda x: np.einsum("ij->j", x), [A]),
    ("einsum transpose", lambda x: np.einsum("ijk->kij", x), [CUBE]),
    ("einsum diagonal", lambda x: np.einsum("ii->i", x), [A[:, :3].copy()]),
    ("einsum trace", lambda x: np.einsum("ii", x), [A[:, :3].copy()]),
    ("einsum lost axis", lambda x, y: np.einsum("ij,kl->il", x, y), [A, P]),
    ("einsum three", lambda x, y, z: np.einsum("ij,jk,k->i", x, y, z), [A, A.T.copy(), V[:3].copy()]),
    ("tensordot", lambda x, y: np.tensordot(x, y, axes=([1, 2], [0, 1])), [CUBE, CUBE[0][..., None].copy()]),
    ("tensordot count", lambda x, y: np.tensordot(x, y, 1), [CUBE, A.T.copy()]),
    ("outer", np.outer, [V, A]),
    ("inner", np.inner, [A, P]),
    ("vdot", np.vdot, [V, V + 1]),
    ("cumsum", lambda x: np.cumsum(x), [A]),
    ("cumsum axis", lambda x: np.cumsum(x, axis=0), [A]),
    ("prod", lambda x: np.prod(x), [A]),
    ("prod axis", lambda x: np.prod(x, axis=(0, 2), keepdims=True), [CUBE]),
    ("ptp", lambda x: np.ptp(x, axis=1), [A]),
    ("average", lambda x: np.average(x, axis=0), [A]),
    ("average weights", lambda x, y: np.average(x, axis=1, weights=y), [A, P[0].copy()]),
    ("norm", lambda x: np.linalg.norm(x), [A]),
    ("norm axis", lambda x: np.linalg.norm(x, axis=1, keepdims=True), [A]),
    ("norm 1", lambda x: np.linalg.norm(x, 1), [V]),
    ("unpacking", lambda x: (rows := [*x])[0] * rows[2], [A]),
    ("cumprod", lambda x: np.cumprod(x), [A]),
    ("cumprod axis", lambda x: np.cumprod(x, axis=-1), [CUBE]),
    ("nancumsum", lambda x: np.nancumsum(x, axis=1), [A]),
    ("nancumprod", lambda x: np.nancumprod(x), [A]),
    ("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True), [A]),
    ("cumulative_prod", lambda x: np.cumulative_prod(x), [V]),
    ("accumulate", lambda x: np.maximum.accumulate(x, axis=1) + np.minimum.accumulate(x), [A]),
    ("accumulate of no scan", lambda x: np.logaddexp.accumulate(x, axis=1) * np.subtract.accumulate(x), [A]),
    ("sinc", np.sinc, [A]),
    ("x ** y", lambda x, y: x**y * y**x, [P, P + 0.5]),
    ("x % y", lambda x, y: x % y + (x % 7.5) * (9.5 % y) + (x // y) * x, [A, P + 9.0]),
    ("divmod", lambda x, y: np.divmod(x, y)[1] * divmod(9.5, y)[1], [A, P + 9.0]),
    ("rad2deg", np.rad2deg, [A]),
    ("deg2rad", np.deg2rad, [A]),
]
if OLD:  # NumPy itself has them not
    CALLS = [row for row in CALLS if row[0] not in ("clip new keywords", "cumulative_sum", "cumulative_prod")]
PARTLY = {np.copysign, np.heaviside, np.floor, np.ceil, np.trunc, np.rint, np.fix, np.round, np.around, np.floor_divide}
KINDS_OF_NUMBERS = {np.isnan, np.isinf, np.isfinite, np.signbit}
for _row in TABLE.values():
    if _row.kind == "map" and all(_row.vjp) and _row.name != "pow" and isinstance(getattr(np, _row.array), np.ufunc):
        _rng = np.random.default_rng(len(CALLS))
        _operands = [operand(_row, slot, (3, 4), _rng) for slot in range(len(_row.domain))]
        CALLS.append((_row.name, getattr(np, _row.array), _operands))


def plain(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


@pytest.mark.parametrize(("name", "call", "arrays"), CALLS, ids=[c[0] for c in CALLS])
def test_value_and_gradient(name: str, call: Any, arrays: list[np.ndarray]) -> None:
    wanted = call(*arrays)
    got = call(*map(Tensor, arrays))
    assert isinstance(got, Tensor)
    assert got.shape == np.shape(wanted)
    np.testing.assert_allclose(got.data, wanted, rtol=1e-14, atol=1e-15)
    check_grad(call, *arrays, seed=3)
    small = call(*(Tensor(a.astype(np.float32)) for a in arrays))
    wanted = call(*(a.astype(np.float32) for a in arrays)).dtype
    assert small.dtype == (np.float32 if name == "dot number" else wanted)  # which NumPy widens


def test_every_ufunc_and_function_is_called_above() -> None:
    seen: set[Any] = set()

    class Spy:
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
            seen.add(ufunc)
            return A

        def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
            seen.add(function)
            return A

        def __getattr__(self, name: str) -> Any:
            return getattr(A, name)

    for _, call, arrays in CALLS:
        try:
            call(*(Spy() for _ in arrays))
        except (TypeError, ValueError, IndexError):
            continue  # Spy has no operators, and always answers A
    asked = {np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.full_like, np.empty_like, np.argmax, np.argmin}
    compared = {np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.float_power}
    counted = {np.any, np.all, np.count_nonzero}  # in a test of their own, below
    named = functions_named()  # or in the long list
    missing = {*UFUNCS, *FUNCTIONS} - seen - asked - compared - counted - PARTLY - KINDS_OF_NUMBERS - named
    assert {f.__name__ for f in missing} <= {"clip", "row_stack"}  # a ufunc of np._core too; an alias that warns


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("f", [np.any, np.all, np.count_nonzero], ids=lambda f: f.__name__)
def test_truth_values_are_counted_as_numpy_counts_them(f: Any, axis: int | None) -> None:
    for low in (-10.0, 0.25, 10.0):
        found = f(Tensor(A) > low, axis=axis)
        assert np.array_equal(getattr(found, "data", found), f(low < A, axis=axis))


def test_questions_about_shape_answer_plain_numbers() -> None:
    t = Tensor(A)
    assert np.shape(t) == t.shape == (3, 4)
    assert np.ndim(t) == t.ndim == 2
    assert np.size(t) == t.size == 12
    assert np.size(t, 1) == 4
    assert len(t) == 3
    assert np.argmax(t) == np.argmax(A)
    np.testing.assert_array_equal(np.argmin(t, axis=1), np.argmin(A, axis=1))
    for like in (np.zeros_like, np.ones_like, np.empty_like):
        assert type(like(t)) is np.ndarray
        assert like(t).shape == (3, 4)
    assert np.full_like(t, 7.0).tolist() == np.full_like(A, 7.0).tolist()


def test_comparisons_answer_booleans_without_gradient() -> None:
    t = Tensor(A)
    for function in (np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal):
        got = function(t, A.T.copy().T)
        assert got.dtype == bool
        np.testing.assert_array_equal(got.data, function(A, A))
    assert (t > 0).data.dtype == bool
    (t * (t > 0)).sum().backward()
    np.testing.assert_array_equal(t.grad, A > 0)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: np.i0(t), "i0"),
        (lambda t: np.spacing(t), "spacing"),
        (lambda t: np.add.reduceat(t, [0, 1]), "add.reduceat"),
        (lambda t: np.add.at(t, [0], 1.0), "add.at"),
        (lambda t: np.multiply.outer(t, A), "multiply.outer"),
        (lambda t: np.subtract.reduce(t), "subtract.reduce"),
        (lambda t: np.linalg.eigvals(t), "linalg.eigvals"),
        (lambda t: np.roots(t), "roots"),
    ],
)
def test_what_is_no_primitive_is_refused_by_name(call: Any, name: str) -> None:
    with pytest.raises(
        GraphError,
        match=rf"^np\.{name} has no rule to differentiate it by, so its gradient would be lost; (use|write it with) ",
    ):
        call(Tensor(A))


@pytest.mark.parametrize(
    ("call", "keyword"),
    [
        (lambda t: np.add(t, 1.0, out=A.copy()), "out"),
        (lambda t: np.sqrt(t, where=MASK), "where"),
        (lambda t: np.add(t, 1.0, dtype=np.float32), "dtype"),
        (lambda t: np.ptp(t, out=np.zeros(())), "out"),
        (lambda t: np.exp(t, casting="no"), "casting"),
        (lambda t: np.sort(t, order="a"), "order"),
        (lambda t: np.reshape(t, (4, 3), order="F"), "order"),
        (lambda t: np.mean(t, out=np.zeros(())), "out"),
    ],
)
def test_keywords_that_would_be_lost_are_refused(call: Any, keyword: str) -> None:
    with pytest.raises(GraphError, match=rf"{keyword}= is not supported on graph values"):
        call(Tensor(A))


def test_harmless_keywords_pass() -> None:
    t = Tensor(A)
    assert np.sum(t, dtype=None, out=None).item() == pytest.approx(A.sum())
    assert np.add(t, 1.0, where=True).shape == (3, 4)


def test_an_unknown_keyword_is_told() -> None:
    with pytest.raises(GraphError, match=r"np\.concatenate on graph values: .*dim"):
        FUNCTIONS_CALL(np.concatenate, ([Tensor(A)],), {"dim": 0})


def FUNCTIONS_CALL(function: Any, args: Any, kwargs: Any) -> Any:
    return Tensor(A).__array_function__(function, (Tensor,), args, kwargs)


def test_a_list_of_tensors_is_never_an_object_array() -> None:
    t = Tensor(V)
    for call in (lambda: np.array([t, t]), lambda: np.asarray(t), lambda: np.sum([t, t]), lambda: np.array(t, float)):
        with pytest.raises(GraphError, match=r"lose its gradient silently; use t\.data.*np\.stack"):
            call()


@pytest.mark.parametrize("left", [np.array([1.0, 2.0, 3.0, 4.0]), np.float64(2.0), np.float32(2.0), 2, 2.0, True])
def test_numpy_on_the_left_records(left: Any) -> None:
    t = Tensor(V)
    for got, wanted in ((left * t, left * V), (left + t, left + V), (left - t, left - V), (left / t, left / V)):
        assert isinstance(got, Tensor)
        assert got.row is not None
        np.testing.assert_allclose(got.data, wanted)


def test_a_numpy_number_does_not_widen_float32() -> None:
    t = Tensor(V.astype(np.float32))
    for got in (
        t + np.float64(1e-5),
        np.float64(2) * t,
        t / np.float64(3),
        t**2,
        np.sqrt(t * t + np.float64(1)),
        t.std(),
    ):
        assert got.dtype == np.float32


def test_a_product_with_zeros_has_a_gradient() -> None:
    x = Tensor(np.array([2.0, 0.0, 3.0]))
    np.prod(x).backward()
    assert x.grad.tolist() == [0.0, 6.0, 0.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: np.linalg.svd(t), r"full_matrices=True returns vectors that have no slope.*full_matrices=False"),
        (lambda t: np.linalg.qr(t.T, mode="complete"), r"mode='complete' has columns that have no slope"),
        (lambda t: np.linalg.lstsq(t * 0, A), r"has rank 0: its solution does not depend smoothly"),
        (lambda t: np.pad(t, 9, "reflect", reflect_type="odd"), r"at most 2 entries along axis 0.*Pad twice"),
        (lambda t: np.quantile(A, t), r"a q that is traced has no rule"),
        (lambda t: np.nanquantile(t, [0.1, 0.2]), r"takes one number q and method='linear'"),
        (lambda t: np.histogram(t, 4), r"the slope of the edges would be lost; give the edges, or range="),
        (lambda t: np.polyfit(V, t[0], 1, cov=True), r"full= or cov= is not composed"),
    ],
)
def test_what_only_some_forms_of_are_composed(call: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        call(Tensor(A))


# ---- refusals of shapes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t + np.ones((5, 4)), r"add \(line test_numpy_api\.py:\d+\): shapes \(3, 4\) and \(5, 4\) do not"),
        (lambda t: t + np.ones((5, 4)), r"do not broadcast; dim 0: 3 vs 5\. Transpose or reshape one of them"),
        (lambda t: t * Tensor(np.ones(3)), r"mul .*shapes \(3, 4\) and \(3,\) do not broadcast; dim 1: 4 vs 3"),
        (lambda t: np.where(MASK[:2], t, 0.0), r"where .*do not broadcast; dim 0: 2 vs 3"),
        (lambda t: t @ Tensor(np.ones((5, 2))), r"matmul: \(3, 4\) @ \(5, 2\): inner sizes 4 and 5 differ\. Transpose"),
        (lambda t: t @ np.ones(3), r"matmul: \(3, 4\) @ \(3,\): inner sizes 4 and 3 differ"),
        (lambda t: t @ Tensor(2.0), r"matmul needs arrays of at least one dimension.*Use \*"),
        (lambda t: np.ones((2, 3, 5)) @ t.reshape(2, 2, 3)[:, :1].reshape(2, 3, 1), r"inner sizes 5 and 3"),
        (lambda t: t.reshape(5, -1), r"cannot reshape \(3, 4\) \(12 entries\) to \(5, -1\)"),
        (lambda t: t.reshape(5, 2), r"cannot reshape \(3, 4\) \(12 entries\) to \(5, 2\)"),
        (lambda t: t.sum(axis=2), r"axis 2 is out of range for 2 dimension\(s\); use -2 to 1"),
        (lambda t: t.mean(axis=(0, 0)), r"names an axis twice"),
        (lambda t: np.transpose(t, (0, 0)), r"axes \(0, 0\) are not a permutation of the 2 axes"),
        (lambda t: np.transpose(t, (0, 3)), r"axis 3 is out of range|not a permutation"),
        (lambda t: np.swapaxes(t, 0, 2), r"axis 2 is out of range"),
        (lambda t: np.moveaxis(t, 0, 2), r"axis 2 is out of range"),
        (lambda t: np.moveaxis(t, -3, 0), r"axis -3 is out of range"),
        (lambda t: np.expand_dims(t, 4), r"axis 4 is out of range"),
        (lambda t: np.expand_dims(t, (0, 0)), r"names an axis twice"),
        (lambda t: np.squeeze(t, axis=0), r"cannot squeeze axis 0 of shape \(3, 4\): its size is 3, not 1"),
        (lambda t: np.concatenate([t, t], axis=2), r"axis 2 is out of range"),
        (lambda t: np.concatenate([t, Tensor(np.ones((3, 5)))]), r"concatenate.*operand shapes \(3, 4\), \(3, 5\)"),
        (lambda t: np.stack([t, Tensor(np.ones((3, 5)))]), r"stack takes arrays of one shape; got \(3, 4\), \(3, 5\)"),
        (lambda t: t[:0].max(axis=0), r"max .*zero-size"),
        (lambda t: np.broadcast_to(t, (3, 5)), r"broadcast"),
        (lambda t: np.einsum("ij,jk", t, np.ones((5, 2))), r"einsum 'ij,jk': j is 4 in one place, 5 in another"),
        (lambda t: np.einsum("ijk", t), r"'ijk' names 3 axes; the operand has shape \(3, 4\)"),
        (lambda t: np.einsum("ij,jk", t), r"names 2 operand\(s\); got 1"),
        (lambda t: np.einsum("ij->ik", t), r"k of the result is in no operand"),
        (lambda t: np.tensordot(t, t, 1), r"axes \[1\] of \(3, 4\) and \[0\] of \(3, 4\) have different sizes"),
        (lambda t: np.split(t, 3, axis=1), r"4 entries along axis 1 do not divide into 3 equal parts"),
        (lambda t: np.diag(t[None]), r"a vector or a matrix; got shape \(1, 3, 4\)"),
        (lambda t: np.average(t, weights=V), r"give an axis"),
        (lambda t: np.linalg.inv(t), r"np.linalg.inv takes square matrices, in the last two axes; got shape \(3, 4\)"),
        (lambda t: np.linalg.norm(t[None], 2), r"Improper number of dimensions to norm.*give an axis"),
        (lambda t: np.linalg.norm(t, 5), r"Invalid norm order 5 for matrices"),
        (lambda t: np.cross(t, t), r"np.cross takes vectors of three entries; got 4 and 4"),
        (lambda t: np.gradient(t[:1], axis=0), r"np.gradient needs 2 samples along axis 0"),
        (lambda t: np.convolve(t, V), r"np.convolve and np.correlate take two vectors"),
        (lambda t: np.max(t, where=MASK), r"np.max with where= needs initial="),
        (lambda t: np.bincount([0, 1], t[0]), r"weights of shape \(4,\) for \(2,\) numbers"),
        (lambda t: np.select([MASK], [t, t]), r"got 1 conditions and 2 choices"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message) as caught:
        call(Tensor(A))
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t**True, r"exponent must be a number or an array; got bool"),
        (lambda t: np.power(t, "2"), r"exponent must be a number or an array; got str"),
        (lambda t: t.astype(int), r"astype\(int64\) would lose the gradient; use \.data\.astype"),
        (lambda t: t * [1.0, 2.0], r"an operand of mul is a list; pass np\.asarray\(x, float\)"),
        (lambda t: t + "1", r"an operand of add is a str"),
        (lambda t: t * (1 + 2j), r"an operand of mul is a complex"),
        (lambda t: t * np.ones(4, complex), r"an operand of mul is complex128: complex is not supported"),
        (lambda t: t * np.array(["a"] * 4), r"dtype <U1, which is not numeric"),
        (lambda t: t + None, r"an operand of add is a NoneType"),
        (lambda t: np.ma.masked_array(V, V > 0) + t, r"masked array: fill or drop|lose its gradient"),
        (lambda t: t * np.ma.masked_array(V, V > 0), r"masked array: fill or drop"),
        (lambda t: t + V.view(np.matrix), r"np\.matrix, whose \* and \*\* mean something else; pass np\.asarray"),
    ],
)  # fmt: skip
def test_operands_of_the_wrong_type(call: Any, message: str) -> None:
    with pytest.raises((DTypeError, GraphError), match=message):
        call(Tensor(A))


def test_a_tensor_has_no_truth_unless_it_is_one_number() -> None:
    t = Tensor(A)
    with pytest.raises(GraphError, match=r"truth value of a \(3, 4\) tensor is ambiguous; use np\.any"):
        bool(t)
    with pytest.raises(GraphError, match="ambiguous"):
        bool(Tensor(np.zeros(0)))
    assert bool(Tensor(2.0))
    assert not Tensor(np.array([0.0]))
    assert Tensor(2.0) > 1


def test_equality_is_identity() -> None:
    t, u = Tensor(2.0), Tensor(2.0)
    assert t != u
    assert t == t
    assert len({t, u, t}) == 2
    assert t in [u, t]
    assert u not in (t, A.shape)


def test_numbers_and_lengths() -> None:
    assert float(Tensor(2.5)) == Tensor(np.array([2.5])).item() == 2.5
    with pytest.raises(ValueError, match="size"):
        float(Tensor(V))
    with pytest.raises(TypeError, match=r"without axes"):
        len(Tensor(2.0))
    with pytest.raises(TypeError):
        iter(Tensor(2.0)).__next__()


OLDER = """
import numpy as np
for name in ("cumulative_sum", "cumulative_prod", "unstack", "matvec", "vecmat"):
    vars(np).pop(name, None)
import micrograd as mg
new = np.unique
np.unique = lambda ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True: (
    new(ar, return_index, return_inverse, return_counts, axis, equal_nan=equal_nan))
print(mg.numpy_api.ordering.unique(mg.Tensor(np.array([2.0, 1.0, 2.0]))).data, mg.grad(lambda x: np.sum(x * x))(np.ones(2)))
"""


def test_an_older_numpy_is_enough() -> None:
    """As NumPy 2.0, which has neither these functions nor the keyword `sorted`."""
    done = subprocess.run([sys.executable, "-c", OLDER], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[1. 2.] [2. 2.]\n", done.stderr
