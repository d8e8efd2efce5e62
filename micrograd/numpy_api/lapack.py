"""Declare the rows that NumPy or LAPACK computes on whole arrays: inverses, factorizations, and entries in order.

Each matrix stands in the last two axes; the axes before them are a batch. A factorization with several parts is one
array, its parts one below the other, so that one rule sees the cotangents of all of them; `micrograd.numpy_api.linalg`
takes them apart. Where NumPy reads one triangle of a matrix, the slope is that of this triangle, and 0 in the other.

Sources of the rules: M. Giles, Collected matrix derivative results for forward and reverse mode AD, 2008;
J. Townsend, Differentiating the singular value decomposition, 2016; G. Golub and V. Pereyra, The differentiation of
pseudo-inverses, 1973; S. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions, 2010.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.primitives import Primitive

__all__ = [
    "cholesky", "cofactors", "det", "eigh", "eigvalsh", "inv", "logabsdet", "pinv", "places", "qr", "signdet",
    "solve", "sort_by", "svd", "svdvals", "unsort_by",
]  # fmt: skip


# ---- parts of matrices, in the dialect of rules ------------------------------------------------------------


def rows_of(x: Any, start: int, stop: int) -> Any:
    """Return some rows of a matrix, or of each matrix of a batch."""
    return p.gather(x, index=(..., slice(start, stop), slice(None)))


def _stretched(x: Any) -> Any:
    """Return `x` with two unit axes more, to stand beside matrices."""
    return p.reshape(x, shape=(*x.shape, 1, 1))


def _below(n: int, k: int, like: Any) -> Any:
    """Return ones on and below a diagonal, zeros above, in the dtype of an array."""
    return np.tri(n, n, k, dtype=like.dtype)


def _on_triangle(g: Any, upper: bool) -> Any:
    """Return the cotangent of one triangle of a symmetric matrix, given that of the whole matrix."""
    n = g.shape[-1]
    weights = _below(n, 0, g) + _below(n, -1, g)
    return (g + g.mT) * (0.5 * (weights.mT if upper else weights))


def _gaps(values: Any) -> Any:
    """Return 1 over how far each value in a row is above each other one: entry (i, j) for ``values[j] - values[i]``.

    It is infinite where two are equal: their vectors turn as they like, and have no slope.
    """
    one = np.eye(values.shape[-1], dtype=values.dtype)
    return p.reciprocal(values - values.mT + one) * (1 - one)


# Rows that a rule names before they are declared, for the type checker.
cofactors: Primitive
solve: Primitive
unsort_by: Primitive


# ---- determinants and inverses -----------------------------------------------------------------------------


def _cofactors(x: Any) -> Any:
    """Return the cofactors of a matrix, singular or not: by its singular values, each time without one of them."""
    u, s, vh = np.linalg.svd(x)
    n = x.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    signs = np.linalg.det(u) * np.linalg.det(vh)
    return np.asarray((u * (np.round(signs)[..., None] * others)[..., None, :]) @ vh, x.dtype)


def _cofactors_vjp(g: Any, out: Any, x: Any) -> Any:
    inverse = inv(x).mT
    along = p.sum(g * inverse, axis=(-2, -1), keepdims=True)
    return _stretched(det(x)) * (along * inverse - inverse @ g.mT @ inverse)


inv = Primitive(
    "inv", kind="call", array=np.linalg.inv, tex="{0}^{{-1}}", level=4, label="inv", domain=("invertible",),
    vjp=(lambda g, out, x: -(out.mT @ g @ out.mT),),
)  # fmt: skip
solve = Primitive(
    "solve", kind="call", array=np.linalg.solve, tex=r"{0}^{{-1}} {1}", level=2, label="solve",
    domain=("invertible", "matrix"),
    vjp=(lambda g, out, a, b: -(solve(a.mT, g) @ out.mT), lambda g, out, a, b: solve(a.mT, g)),
)  # fmt: skip
det = Primitive(
    "det", kind="call", array=np.linalg.det, onnx="Det", tex=r"\det {0}", level=3, label="det", domain=("invertible",),
    vjp=(lambda g, out, x: _stretched(g) * cofactors(x),),
)  # fmt: skip
cofactors = Primitive(
    "cofactors", kind="call", array=_cofactors, tex=r"\operatorname{{cof}} {0}", level=3, label="cof",
    domain=("invertible",), vjp=(_cofactors_vjp,),
)  # fmt: skip
logabsdet = Primitive(
    "logabsdet", kind="call", array=lambda x: np.linalg.slogdet(x)[1], tex=r"\log \left|\det {0}\right|", level=3,
    label="log|det|", domain=("invertible",), vjp=(lambda g, out, x: _stretched(g) * inv(x).mT,),
)  # fmt: skip
signdet = Primitive(
    "signdet", kind="call", array=lambda x: np.linalg.slogdet(x)[0], tex=r"\operatorname{{sgn}} \det {0}", level=3,
    label="sgn det", domain=("invertible",), vjp=(None,),
)  # fmt: skip


def _pinv(x: Any, *, rtol: float | None = None) -> Any:
    return np.linalg.pinv(x) if rtol is None else np.linalg.pinv(x, rtol)


def _pinv_vjp(g: Any, out: Any, x: Any, *, rtol: float | None = None) -> Any:
    turned, g = out.mT, g.mT
    whole = -(turned @ g.mT @ turned)
    left = g @ out @ turned
    right = turned @ out @ g
    return whole + (left - x @ (out @ left)) + (right - (right @ out) @ x)


pinv = Primitive(
    "pinv", kind="call", array=_pinv, tex="{0}^{{+}}", level=4, label="pinv", domain=("invertible",), vjp=(_pinv_vjp,)
)


# ---- factorizations ----------------------------------------------------------------------------------------


def _cholesky_vjp(g: Any, out: Any, x: Any) -> Any:
    n = x.shape[-1]
    half = (out.mT @ g) * (0.5 * (_below(n, 0, x) + _below(n, -1, x)))
    return _on_triangle(solve(out.mT, solve(out.mT, half).mT), upper=False)


cholesky = Primitive(
    "cholesky", kind="call", array=np.linalg.cholesky, tex=r"\operatorname{{chol}} {0}", level=3, label="chol",
    domain=("definite",), vjp=(_cholesky_vjp,),
)  # fmt: skip


def _eigh(x: Any, *, uplo: Any = "L") -> Any:
    values, vectors = np.linalg.eigh(x, uplo)
    return np.concatenate([values[..., None, :], vectors], -2)


def _eigh_vjp(g: Any, out: Any, x: Any, *, uplo: Any = "L") -> Any:
    n = x.shape[-1]
    one = np.eye(n, dtype=x.dtype)
    values, vectors = rows_of(out, 0, 1), rows_of(out, 1, n + 1)
    inner = rows_of(g, 0, 1) * one + (vectors.mT @ rows_of(g, 1, n + 1)) * _gaps(values)
    return _on_triangle(vectors @ inner @ vectors.mT, upper=uplo == "U")


eigh = Primitive(
    "eigh", kind="call", array=_eigh, tex=r"\operatorname{{eigh}} {0}", level=3, label="eigh", domain=("definite",),
    vjp=(_eigh_vjp,),
)  # fmt: skip


def _eigvalsh(x: Any, *, uplo: Any = "L", vectors: bool = False) -> Any:
    return np.linalg.eigh(x, uplo)[0] if vectors else np.linalg.eigvalsh(x, uplo)


def _eigvalsh_vjp(g: Any, out: Any, x: Any, *, uplo: Any = "L", vectors: bool = False) -> Any:
    n = x.shape[-1]
    found = rows_of(eigh(x, uplo=uplo), 1, n + 1)
    spread = found * p.reshape(g, shape=(*g.shape[:-1], 1, n))
    return _on_triangle(spread @ found.mT, upper=uplo == "U")


eigvalsh = Primitive(  # with `vectors`: as found together with them, which may be a rounding away
    "eigvalsh", kind="call", array=_eigvalsh,
    tex=r"\operatorname{{eigvalsh}} {0}", level=3, label="eigvalsh", domain=("definite",), vjp=(_eigvalsh_vjp,),
)  # fmt: skip


def _svd(x: Any) -> Any:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([u, s[..., None, :], np.swapaxes(vh, -1, -2)], -2)


def _svd_vjp(g: Any, out: Any, x: Any) -> Any:
    rows, columns, n = x.shape[-2], x.shape[-1], out.shape[-1]
    one = np.eye(n, dtype=x.dtype)
    u, s, v = rows_of(out, 0, rows), rows_of(out, rows, rows + 1), rows_of(out, rows + 1, rows + 1 + columns)
    gu, gs, gv = rows_of(g, 0, rows), rows_of(g, rows, rows + 1), rows_of(g, rows + 1, rows + 1 + columns)
    gaps = _gaps(s * s)
    of_u, of_v = u.mT @ gu, v.mT @ gv
    inner = (of_u - of_u.mT) * gaps * s + s.mT * ((of_v - of_v.mT) * gaps) + gs * one
    made = u @ inner @ v.mT
    if rows > n:
        made = made + ((gu - u @ of_u) * p.reciprocal(s)) @ v.mT
    if columns > n:
        made = made + u @ ((gv - v @ of_v) * p.reciprocal(s)).mT
    return made


svd = Primitive(
    "svd", kind="call", array=_svd, tex=r"\operatorname{{svd}} {0}", level=3, label="svd", domain=("invertible",),
    vjp=(_svd_vjp,),
)  # fmt: skip


def _svdvals(x: Any, *, vectors: bool = False) -> Any:
    return np.linalg.svd(x, full_matrices=False)[1] if vectors else np.linalg.svd(x, compute_uv=False)


def _svdvals_vjp(g: Any, out: Any, x: Any, *, vectors: bool = False) -> Any:
    rows, columns = x.shape[-2:]
    parts = svd(x)
    spread = rows_of(parts, 0, rows) * p.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    return spread @ rows_of(parts, rows + 1, rows + 1 + columns).mT


svdvals = Primitive(
    "svdvals", kind="call", array=_svdvals, tex=r"\sigma({0})", label="σ",
    domain=("invertible",), vjp=(_svdvals_vjp,),
)  # fmt: skip


def _qr(x: Any) -> Any:
    return np.concatenate(np.linalg.qr(x), -2)


def _qr_vjp(g: Any, out: Any, x: Any) -> Any:
    rows, n = x.shape[-2:]
    q, r = rows_of(out, 0, rows), rows_of(out, rows, rows + n)
    gq, gr = rows_of(g, 0, rows), rows_of(g, rows, rows + n) * _below(n, 0, x).mT
    inner = r @ gr.mT - gq.mT @ q
    mirrored = inner * _below(n, 0, x) + (inner * _below(n, -1, x)).mT
    return solve(r, (gq + q @ mirrored).mT).mT


qr = Primitive(
    "qr", kind="call", array=_qr, tex=r"\operatorname{{qr}} {0}", level=3, label="qr", domain=("invertible",),
    vjp=(_qr_vjp,),
)  # fmt: skip


# ---- entries in order --------------------------------------------------------------------------------------


def _sort_by(x: Any, keys: Any, *, axis: int = -1) -> Any:
    made = np.empty_like(x)  # in the memory order that `np.sort` keeps
    made[...] = np.take_along_axis(x, np.argsort(keys, axis, kind="stable"), axis)
    return made


def _places(x: Any, *, function: str, **given: Any) -> Any:
    named = {"searchsorted": "v"}.get(function)
    return np.asarray(getattr(np, function)(**{named: x}, **given) if named else getattr(np, function)(x, **given))


def _unsort_by(x: Any, keys: Any, *, axis: int = -1) -> Any:
    order = np.argsort(keys, axis, kind="stable")
    return np.take_along_axis(x, np.argsort(order, axis, kind="stable"), axis)


sort_by = Primitive(  # the entries of one array in the order of another's, along an axis; `np.sort(x)` is by itself
    "sort_by", kind="call", array=_sort_by, tex=r"\operatorname{{sort}}({0}; {1})", label="sort",
    domain=("real", "real"), vjp=(lambda g, out, x, keys, *, axis=-1: unsort_by(g, keys, axis=axis), None),
)  # fmt: skip
places = Primitive(  # where entries stand: `np.argmax`, `np.argsort`, `np.searchsorted` and the like
    "places", kind="call", array=_places, tex=r"\operatorname{{places}} {0}", level=3, label="places",
    domain=("real",), vjp=(None,),
)  # fmt: skip
unsort_by = Primitive(  # back to where `sort_by` took them from
    "unsort_by", kind="call", array=_unsort_by, tex=r"\operatorname{{unsort}}({0}; {1})", label="unsort",
    domain=("real", "real"), vjp=(lambda g, out, x, keys, *, axis=-1: sort_by(g, keys, axis=axis), None),
)  # fmt: skip
