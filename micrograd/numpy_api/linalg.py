"""Compose the functions of `numpy.linalg`: each with NumPy's arguments, on a matrix or on a batch of them.

Written in the shared dialect: each works on tensors (recorded) and on arrays alike.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from micrograd import primitives as p
from micrograd.errors import GraphError, ShapeError
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import contractions as k
from micrograd.numpy_api import lapack, rearrange
from micrograd.numpy_api.composites import normal_axis, shape_of

__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "lstsq", "matrix_norm", "matrix_power",
    "multi_dot", "norm", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensorinv", "tensorsolve",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip


class EighResult(NamedTuple):
    """Name the parts as NumPy does."""

    eigenvalues: Any
    eigenvectors: Any


class SlogdetResult(NamedTuple):
    """Name the parts as NumPy does."""

    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    """Name the parts as NumPy does."""

    U: Any
    S: Any
    Vh: Any


class QRResult(NamedTuple):
    """Name the parts as NumPy does."""

    Q: Any
    R: Any


def _square(name: str, a: Any) -> Any:
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ShapeError(f"np.linalg.{name} takes square matrices, in the last two axes; got shape {shape}.")
    return a


def inv(a: Any) -> Any:
    """Return the inverse matrix, as `numpy.linalg.inv`."""
    return lapack.inv(_square("inv", a))


def solve(a: Any, b: Any) -> Any:
    """Return what `a` has to be multiplied with to give `b`, as `numpy.linalg.solve`."""
    _square("solve", a)
    if len(shape_of(b)) != 1:
        return lapack.solve(a, b)
    made = lapack.solve(a, c.reshape(b, (-1, 1)))
    return c.reshape(made, shape_of(made)[:-1])


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """Solve for an array of several axes, as `numpy.linalg.tensorsolve`."""
    if axes is not None:
        ndim = len(shape_of(a))
        moved = [axis % ndim for axis in axes]
        a = c.transpose(a, [axis for axis in range(ndim) if axis not in moved] + moved)
    rest = shape_of(a)[len(shape_of(b)) :]
    size = int(np.prod(rest, dtype=int))
    return c.reshape(solve(c.reshape(a, (-1, size)), c.reshape(b, -1)), rest)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Return the inverse with respect to `tensordot`, as `numpy.linalg.tensorinv`."""
    shape = shape_of(a)
    size = int(np.prod(shape[ind:], dtype=int))
    return c.reshape(inv(c.reshape(a, (-1, size))), shape[ind:] + shape[:ind])


def det(a: Any) -> Any:
    """Return the determinant, as `numpy.linalg.det`; its slope is the matrix of cofactors, also where it is 0."""
    return lapack.det(_square("det", a))


def slogdet(a: Any) -> Any:
    """Return sign and logarithm of the determinant, as `numpy.linalg.slogdet`."""
    _square("slogdet", a)
    return SlogdetResult(lapack.signdet(a), lapack.logabsdet(a))


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """Return the triangular root, as `numpy.linalg.cholesky`, which reads one triangle: the other has slope 0."""
    _square("cholesky", a)
    return c.swapaxes(lapack.cholesky(c.swapaxes(a, -1, -2)), -1, -2) if upper else lapack.cholesky(a)


def eigh(a: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors, as `numpy.linalg.eigh`, which reads the triangle `UPLO` of the matrix.

    Eigenvectors of an eigenvalue that occurs twice have no slope; theirs is infinite or nan here.
    """
    n, uplo = shape_of(_square("eigh", a))[-1], UPLO.upper()
    values = lapack.eigvalsh(a, uplo=uplo, vectors=True)
    return EighResult(values, lapack.rows_of(lapack.eigh(a, uplo=uplo), 1, n + 1))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of a symmetric matrix, as `numpy.linalg.eigvalsh`."""
    return lapack.eigvalsh(_square("eigvalsh", a), uplo=UPLO.upper())


def svdvals(x: Any) -> Any:
    """Return the singular values, as `numpy.linalg.svdvals`."""
    return lapack.svdvals(x)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return the singular value decomposition, as `numpy.linalg.svd`.

    Raises:
        GraphError: ``full_matrices=True`` of a matrix that is not square: the vectors beyond its rank are any that fit.
    """
    if not compute_uv:
        return svdvals(a)
    rows, columns = shape_of(a)[-2:]
    if full_matrices and rows != columns:
        raise GraphError(f"np.linalg.svd of shape {shape_of(a)} with full_matrices=True returns vectors that have no "
                         "slope: any that fit would do; write full_matrices=False, or np.linalg.svdvals for the "
                         "singular values alone.")  # fmt: skip
    made = lapack.svd(a)
    u, v = lapack.rows_of(made, 0, rows), lapack.rows_of(made, rows + 1, rows + 1 + columns)
    return SVDResult(u, lapack.svdvals(a, vectors=True), c.swapaxes(v, -1, -2))


def qr(a: Any, mode: str = "reduced") -> Any:
    """Return the orthogonal and the triangular factor, as `numpy.linalg.qr`."""
    rows, columns = shape_of(a)[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and rows <= columns):
        raise GraphError(f"np.linalg.qr with mode={mode!r} has columns that have no slope: any that fit would do; use "
                         "mode='reduced' or mode='r'.")  # fmt: skip
    n = min(rows, columns)
    made = lapack.qr(a if columns <= rows else p.gather(a, index=(..., slice(0, n))))
    q, r = lapack.rows_of(made, 0, rows), lapack.rows_of(made, rows, rows + n)
    if columns > rows:
        rest = p.gather(a, index=(..., slice(n, None)))
        r = c.concatenate([r, c.matmul(c.swapaxes(q, -1, -2), rest)], -1)
    return r if mode == "r" else QRResult(q, r)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Return the pseudo-inverse, as `numpy.linalg.pinv`; its slope is that at the rank which the matrix has."""
    if hermitian:
        raise GraphError("np.linalg.pinv with hermitian=True has no rule to differentiate it by; leave it out.")
    cut = rtol if rcond is None else rcond
    return lapack.pinv(a) if cut is None else lapack.pinv(a, rtol=float(cut))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """Return what comes nearest to solving ``a @ x = b``, as `numpy.linalg.lstsq`: solution, residuals, rank, values.

    Raises:
        GraphError: a matrix that has not full rank, whose solution does not depend smoothly on it.
    """
    rows, columns = shape_of(a)
    values = svdvals(a)
    cut = np.finfo(a.dtype).eps * max(rows, columns) if rcond is None else rcond
    known = c.values_of(values, "the rank in np.linalg.lstsq()")
    rank = int(np.sum(known > cut * known[0]))
    if rank < min(rows, columns):
        raise GraphError(f"np.linalg.lstsq: the matrix of shape {(rows, columns)} has rank {rank}: its "
                         "solution does not depend smoothly on it; add a multiple of the identity, "
                         "or use np.linalg.pinv.")  # fmt: skip
    x = c.matmul(lapack.pinv(a), b)
    rest = p.gather(b, index=slice(0, 0)) if rows <= columns else c.sum((b - c.matmul(a, x)) ** 2, 0, keepdims=True)
    if rows <= columns or len(shape_of(b)) > 1:
        rest = c.reshape(rest, -1)
    return x, rest, rank, values


def matrix_power(a: Any, n: int) -> Any:
    """Multiply a matrix with itself, or its inverse, as `numpy.linalg.matrix_power`."""
    size = shape_of(_square("matrix_power", a))[-1]
    if n == 0:
        return c.broadcast_to(np.eye(size, dtype=a.dtype), shape_of(a))
    a, n = (inv(a), -n) if n < 0 else (a, n)
    made, power = None, a
    while n:
        if n % 2:
            made = power if made is None else c.matmul(made, power)
        n //= 2
        power = c.matmul(power, power) if n else power
    return made


def multi_dot(arrays: Sequence[Any]) -> Any:
    """Multiply several matrices, as `numpy.linalg.multi_dot`; from left to right."""
    return functools.reduce(c.matmul, arrays)


# ---- norms -------------------------------------------------------------------------------------------------


def _root_of_squares(x: Any, axis: Any, keepdims: bool) -> Any:
    """Return the length of a vector; its slope at 0 is 0, as for the other norms."""
    squares = c.sum(x * x, axis, keepdims=keepdims)
    nothing = p.equal(squares, 0.0)
    return p.where(nothing, 0.0, p.sqrt(p.where(nothing, 1.0, squares)))


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:  # noqa: A002
    """Return the norm of vectors, of any order, as `numpy.linalg.vector_norm`. From order 1 on its slope at 0 is 0."""
    if _kind(x) in "biu":
        x = p.cast(x, dtype="float64")
    if ord in (None, 2):
        return _root_of_squares(x, axis, keepdims)
    if ord == 0:
        return c.sum(p.cast(p.not_equal(x, 0.0), dtype=x.dtype.name), axis, keepdims=keepdims)
    sizes = p.abs(x)
    if ord in (np.inf, -np.inf):
        return (c.amax if ord > 0 else c.amin)(sizes, axis, keepdims=keepdims)
    if ord == 1:
        return c.sum(sizes, axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ShapeError(f"Invalid norm order {ord!r} for vectors")
    total = c.sum(c.power(sizes, float(ord)), axis, keepdims=keepdims)
    if ord < 0:
        return c.power(total, 1.0 / ord)
    nothing = p.equal(total, 0.0)
    return p.where(nothing, 0.0, c.power(p.where(nothing, 1.0, total), 1.0 / ord))


def _kind(x: Any) -> str:
    return str(getattr(getattr(x, "raw", x), "dtype", np.dtype(float)).kind)


def _of_matrices(x: Any, order: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    rows, columns = axes
    if order in (None, "fro", "f"):
        return _root_of_squares(x, axes, keepdims)
    if order in (1, -1, np.inf, -np.inf):
        summed, kept = (rows, columns) if abs(order) == 1 else (columns, rows)
        sums = c.sum(p.abs(x), summed, keepdims=True)
        made = (c.amax if order > 0 else c.amin)(sums, kept, keepdims=True)
    elif order in (2, -2, "nuc"):
        values = lapack.svdvals(c.moveaxis(x, axes, (-2, -1)))
        made = {2: c.amax, -2: c.amin, "nuc": c.sum}[order](values, -1)
        for axis in sorted(axes):
            made = c.expand_dims(made, axis)
    else:
        raise ShapeError(f"Invalid norm order {order!r} for matrices")
    return made if keepdims else c.squeeze(made, axes)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:  # noqa: A002 - NumPy's name
    """Return the norm of matrices, of any order, as `numpy.linalg.matrix_norm`."""
    ndim = len(shape_of(x))
    return _of_matrices(x, ord, (ndim - 2, ndim - 1), keepdims)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002 - NumPy's name
    """Return the norm of vectors or matrices, of any order, as `numpy.linalg.norm`.

    At 0, where every direction would do, its slope is 0, from order 1 on (below, it is infinite or nan).
    """
    ndim = len(shape_of(x))
    if axis is None and (ord is None or (ndim == 2 and ord in ("fro", "f")) or (ndim == 1 and ord == 2)):
        return _root_of_squares(x, None, keepdims)
    if axis is None and ndim > 2:
        raise ShapeError(f"Improper number of dimensions to norm: shape {shape_of(x)} with ord={ord!r}; give an axis.")
    axes = tuple(range(ndim)) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    places = tuple(int(a) % ndim if -ndim <= a < ndim else normal_axis(int(a), ndim) for a in axes)
    if len(places) == 1:
        return vector_norm(x, axis=places[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(places) != 2:
        raise ShapeError(f"np.linalg.norm takes one axis (vectors) or two (matrices); got axis={axis!r}.")
    return _of_matrices(x, ord, places, keepdims)  # type: ignore[arg-type]


def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number, as `numpy.linalg.cond`."""
    if p in (None, 2, -2):
        values = lapack.svdvals(x)
        last = shape_of(values)[-1] - 1
        first, least = (c.getitem(values, (..., at)) for at in (0, last))
        return c.divide(least, first) if p == -2 else c.divide(first, least)
    ndim = len(shape_of(_square("cond", x)))
    sizes = [_of_matrices(matrix, p, (ndim - 2, ndim - 1), keepdims=False) for matrix in (x, lapack.inv(x))]
    return sizes[0] * sizes[1]


# ---- what `numpy.linalg` has under other defaults -----------------------------------------------------------


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return the diagonals of matrices, as `numpy.linalg.diagonal`."""
    return rearrange.diagonal(x, offset, -2, -1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum the diagonals of matrices, as `numpy.linalg.trace`."""
    return rearrange.trace(x, offset, -2, -1, dtype)


def outer(x1: Any, x2: Any, /) -> Any:
    """Multiply every entry of one vector with every entry of another, as `numpy.linalg.outer`."""
    if len(shape_of(x1)) != 1 or len(shape_of(x2)) != 1:
        raise ShapeError(f"np.linalg.outer takes two vectors; got shapes {shape_of(x1)} and {shape_of(x2)}.")
    return k.outer(x1, x2)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the cross product of vectors of three entries, as `numpy.linalg.cross`."""
    return k.cross(x1, x2, axis=axis)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sum the products along an axis, as `numpy.linalg.vecdot`."""
    return k.vecdot(x1, x2, axis=axis)
