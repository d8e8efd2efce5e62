"""List some 500 expressions over NumPy's public functions, run each by every route, and count what comes out right.

Each expression is one line of NumPy of one array, named after what it holds: `x` (3, 4), `c` (2, 3, 4), `v` (6,),
`p` (3, 4) of positive numbers, `m` (3, 3) well conditioned, `s` (2, 3, 3) of such matrices, `t` (5, 3) tall.
Whatever else stands in it is NumPy's, or one of the constants of `WORLD`.

    python tests/support/numpy_expressions.py            print the table, and what is not right
    python tests/support/numpy_expressions.py linalg     only the groups with this in their name
    python tests/support/numpy_expressions.py --write    write docs/reference/numpy-functions.md
    ... --write --without=second --without=jax.numpy     the same without two columns, which take longest
"""

from __future__ import annotations

import datetime as dt
import linecache
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import micrograd as mg
from micrograd.errors import MicrogradError

RNG = np.random.default_rng(7)
OLD = np.lib.NumpyVersion(np.__version__) < "2.2.0"
NEWER = re.compile(r"np\.(cumulative_\w+|unstack|matvec|vecmat)\(|np\.clip\(.*(min|max)=|np\.pad\(\w, \{")
"""What NumPy 2.0, the oldest that we take, cannot compute itself."""


def _spaced(*shape: int) -> np.ndarray[Any, Any]:
    """Draw numbers between -2 and 2, no two of which are near each other or near 0."""
    count = int(np.prod(shape))
    return ((RNG.permutation(count) + 0.5 + RNG.uniform(-0.2, 0.2, count)) / count * 4 - 2).reshape(shape)


ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "x": _spaced(3, 4),
    "c": _spaced(2, 3, 4),
    "v": _spaced(6),
    "p": np.abs(_spaced(3, 4)) + 0.3,
    "m": _spaced(3, 3) + 3 * np.eye(3),
    "s": _spaced(2, 3, 3) + 3 * np.eye(3),
    "t": _spaced(5, 3),
    "n": np.where(RNG.permutation(12).reshape(3, 4) < 3, np.nan, _spaced(3, 4)),
}
ARRAYS["f"] = ARRAYS["x"].astype(np.float32)
WORLD: dict[str, Any] = {
    "np": np,
    "A": _spaced(3, 4),
    "B": _spaced(4, 2),
    "C": _spaced(2, 3, 4),
    "M": _spaced(3, 3) + 3 * np.eye(3),
    "V": _spaced(6),
    "W": np.abs(_spaced(3, 4)) + 0.2,
    "I": np.array([2, 0, 1, 2]),
    "L": np.array([0, 2, 1, 2, 0, 2]),
    "J": np.array([[1, 0, 2, 0], [3, 3, 0, 1], [0, 2, 2, 1]]),
    "MASK": np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]]),
}

GROUPS: dict[str, str] = {
    "reductions": """
        np.sum(x) | np.sum(x, axis=0) | np.sum(x, 1, keepdims=True) | np.sum(c, axis=(0, 2)) | np.sum(c, axis=-1)
        np.sum(x, initial=3.0) | np.sum(x, axis=1, where=MASK) | np.sum(x, dtype=np.float32) | np.sum(x, where=x > 0)
        np.sum(c, axis=(), keepdims=True) | np.sum(x, axis=0, initial=1.5, where=MASK, keepdims=True)
        x.sum(0) | x.sum(axis=1, keepdims=True) | x.sum(where=MASK) | x.sum(initial=2.0) | x.sum(dtype=np.float32)
        np.add.reduce(x) | np.add.reduce(x, axis=1) | np.add.reduce(c, axis=(0, 1), keepdims=True)
        np.mean(x) | np.mean(x, axis=0) | np.mean(x, axis=1, keepdims=True) | np.mean(c, (0, 2)) | x.mean(1)
        np.mean(x, axis=1, where=MASK) | np.mean(x, dtype=np.float32) | x.mean(axis=0, where=MASK)
        np.var(x) | np.var(x, 0) | np.var(x, axis=1, ddof=1) | np.var(x, ddof=1, keepdims=True) | x.var(0, ddof=1)
        np.var(x, axis=0, where=MASK) | np.var(x, axis=1, correction=1) | np.var(c, axis=(0, 2), ddof=1)
        np.var(x, axis=0, mean=np.mean(x, axis=0, keepdims=True))
        np.std(x) | np.std(x, 0) | np.std(x, axis=1, ddof=1) | np.std(x, correction=1) | x.std(1) | x.std(0, ddof=1)
        np.std(x, axis=1, where=MASK) | np.std(c, axis=(0, 1), keepdims=True)
        np.max(x) | np.max(x, axis=0) | np.max(x, axis=1, keepdims=True) | np.amax(c, axis=(0, 2)) | x.max(1)
        np.max(x, initial=0.5) | np.max(x[:0], axis=0, initial=2.0) + x[0] | np.min(x[:, :0], initial=2.0) * x | np.max(x, axis=1, where=MASK, initial=-9.0) | x.max(initial=-5.0)
        np.min(x) | np.min(x, axis=0) | np.amin(c, axis=(0, 2)) | x.min(1) | np.min(x, axis=1, keepdims=True)
        np.min(x, initial=-0.5) | np.min(x, axis=1, where=MASK, initial=9.0)
        np.maximum.reduce(x) | np.minimum.reduce(x, axis=1) | np.multiply.reduce(x) | np.multiply.reduce(x, axis=1)
        np.prod(x) | np.prod(x, axis=0) | np.prod(x, axis=1, keepdims=True) | np.prod(c, axis=(0, 2)) | x.prod(1)
        np.prod(x, where=MASK) | np.prod(x, axis=0, initial=2.0) | np.prod(x, dtype=np.float32)
        np.ptp(x) | np.ptp(x, axis=0) | np.ptp(x, axis=1, keepdims=True) | np.ptp(c, axis=(0, 1))
        np.average(x) | np.average(x, axis=0) | np.average(x, weights=W) | np.average(x, axis=1, weights=I + 1.0)
        np.average(A, weights=p) | np.average(x, axis=0, weights=W, keepdims=True)
        np.average(x, axis=1, weights=W, returned=True) | np.average(x, returned=True)
        np.count_nonzero(x > 0) * x.sum() | np.any(x > 0, axis=0) * x | np.all(x > -1, axis=1) * x.sum(1)
        np.nansum(x) | np.nansum(n) | np.nansum(n, axis=0) | np.nansum(n, axis=1, keepdims=True)
        np.nanmean(x) | np.nanmean(n) | np.nanmean(n, axis=1) | np.nanmax(x) | np.nanmax(n, axis=1) | np.nanmin(n)
        np.nanmin(n, axis=1) | np.nanvar(n) | np.nanvar(n, axis=1, ddof=1) | np.nanstd(n) | np.nanstd(n, axis=1)
        np.nanprod(n) | np.nanprod(n, axis=1) | np.nanmedian(n) | np.nanmedian(n, axis=1) | np.nancumsum(n, axis=1)
        np.nanpercentile(n, 30.0) | np.nanquantile(n, 0.3, axis=1) | np.nancumprod(n) | np.nanmedian(x, axis=0)
        np.nanargmax(n) * np.nansum(n)
        np.linalg.norm(x) * np.count_nonzero(x) | np.sum(x[None] * 2, axis=-1) | np.sum([x, 2 * x], axis=0)
        np.mean([x[0], x[1]]) | np.max([x[0], x[1]], axis=0) | np.prod([x[0, 0], x[1, 1]])
    """,
    "order": """
        np.median(x) | np.median(x, axis=0) | np.median(x, axis=1) | np.median(v) | np.median(c, axis=(0, 2))
        np.median(x, axis=1, keepdims=True) | np.median(v[:5]) | np.median(x, keepdims=True)
        np.quantile(x, 0.3) | np.quantile(x, 0.25, axis=0) | np.quantile(x, [0.1, 0.5, 0.9]) | np.quantile(v, 1.0)
        np.quantile(x, [0.2, 0.7], axis=1) | np.quantile(x, 0.4, axis=1, keepdims=True) | np.quantile(v, 0.0)
        np.quantile(x, 0.3, method="lower") | np.quantile(x, 0.3, method="higher")
        np.quantile(x, 0.3, method="midpoint") | np.quantile(x, 0.3, method="nearest")
        np.quantile(x, 0.3, method="hazen") | np.quantile(x, 0.3, method="weibull")
        np.quantile(x, 0.3, method="inverted_cdf") | np.quantile(x, 0.3, axis=1, method="median_unbiased")
        np.quantile(c, 0.6, axis=(0, 1)) | np.quantile(x, np.array([[0.1, 0.2], [0.5, 0.8]]), axis=0)
        np.percentile(x, 30) | np.percentile(x, [25, 50, 75], axis=0) | np.percentile(v, 90.0)
        np.percentile(x, 10, axis=1, keepdims=True) | np.percentile(v, 40, method="linear")
        np.sort(x) | np.sort(x, axis=0) | np.sort(x, axis=None) | np.sort(v)[::-1] | np.sort(x, kind="stable")
        np.sort(c, axis=1) | np.sort(-v) | np.sort(x, axis=-1)[:, :2] | np.sort(x, stable=True)
        np.partition(v, 2)[2] | np.partition(x, 1, axis=1)[:, 1] | np.partition(v, [1, 3])[[1, 3]]
        np.sort(np.partition(v, 2)[:2])
        v[np.argsort(v)] | x[np.argsort(x[:, 0])] | np.take_along_axis(x, np.argsort(x, axis=1), axis=1)
        np.argsort(v) * v | np.argmax(v) * v.sum() | np.argmin(x, axis=0) * x[0] | x.argmax() * x.sum()
        v[np.argmax(v)] | x[np.arange(3), np.argmax(x, axis=1)] | x[np.arange(3), x.argmin(axis=1)]
        v[np.argpartition(v, 2)[2]] | x.argsort(axis=1) * x | v[v.argsort()]
        np.take_along_axis(x, np.argmax(x, axis=1)[:, None], 1) | np.lexsort((v, np.round(v))) * v
        np.unique(v) | np.unique(np.sort(v)) | np.unique(x) | np.unique(v, return_index=True)[0]
        np.unique(v, return_inverse=True)[1] * v | np.unique(v, return_counts=True)[0]
        np.searchsorted(np.sort(v), 0.3) * v | np.searchsorted(V[[0, 1]], v) * v
        np.searchsorted(np.array([-1.0, 0.0, 1.0]), v, side="right") * v | np.digitize(v, [-1.0, 0.0, 1.0]) * v
        np.digitize(x, np.array([-1.0, 1.0]), right=True) * x | np.nonzero(v > 0)[0] * v[v > 0]
        np.flatnonzero(x > 0) * x[x > 0] | np.argwhere(v > 0).sum() * v | np.where(v > 0)[0] * v[np.where(v > 0)]
        np.histogram(V, bins=3)[0] * v[:3] | np.histogram(v, bins=[-2.0, 0.0, 2.0])[0] * v[:2]
        np.floor(v).sum() * v | np.bincount(L, weights=v) | np.bincount(L, weights=v, minlength=5)
        np.bincount(L) * v[:3] | np.isin(L, [0, 2]) * v | np.array_equal(v, v) * v
        np.nanargmin(n) * np.nansum(n) | np.isneginf(v) * v | np.isposinf(x) * x | np.allclose(v, V) * v
        np.array_equiv(v, v) * v | np.isrealobj(v) * v | np.iscomplexobj(v) * v | len(np.array_repr(v)) * v
        len(np.array_str(v)) * v | len(np.array2string(v)) * v | np.result_type(v).itemsize * v
        np.common_type(v)(2) * v
    """,
    "numeric": """
        np.diff(v) | np.diff(x) | np.diff(x, axis=0) | np.diff(v, n=2) | np.diff(v, prepend=0.0)
        np.diff(v, append=np.array([1.0, 2.0])) | np.diff(x, axis=0, prepend=x[:1]) | np.diff(x, n=2, axis=1)
        np.ediff1d(v) | np.ediff1d(x) | np.ediff1d(v, to_end=9.0) | np.ediff1d(v, to_begin=np.array([1.0, 2.0]))
        np.gradient(v) | np.gradient(v, 0.5) | np.gradient(v, np.array([0.0, 1.0, 1.5, 3.0, 4.0, 6.0]))
        np.gradient(x) | np.gradient(x, axis=0) | np.gradient(x, 2.0, axis=1) | np.gradient(v, edge_order=2)
        np.gradient(x, 0.5, 2.0) | np.gradient(x, axis=(0, 1)) | np.gradient(V, np.sort(v))
        np.convolve(v, V[:3]) | np.convolve(v, V[:3], "same") | np.convolve(v, V[:3], mode="valid")
        np.convolve(V, v[:2]) | np.convolve(v, v[1:4]) | np.convolve(v[:2], V, "same") | np.convolve(v, [1.0, -1.0])
        np.correlate(v, V[:3]) | np.correlate(v, V[:3], "full") | np.correlate(v, v[2:4], mode="same")
        np.correlate(v[:2], V, "full") | np.correlate(v[:2], V)
        np.trapezoid(v) | np.trapezoid(v, dx=0.5) | np.trapezoid(v, np.arange(6.0) ** 1.5) | np.trapezoid(x, axis=0)
        np.trapezoid(x, dx=0.1, axis=1) | np.trapezoid(V, np.sort(v)) | np.trapezoid(x, np.array([0.0, 1.0, 3.0, 4.0]))
        np.interp(v, np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0.3, 1.2, -1.0, 4.0]))
        np.interp(np.array([-1.5, 0.2, 1.3]), np.array([-2.0, -1.0, 1.0, 2.0, 3.0, 4.0]), v)
        np.interp(np.array([0.4, 5.9]), np.sort(v), V) | np.interp(0.3, np.sort(v), v)
        np.interp(v, np.array([-1.0, 1.0]), np.array([0.3, 1.2]), left=9.0, right=-9.0)
        np.interp(v, np.array([0.0, 1.0]), np.array([0.3, 1.2]), period=2.0)
        np.polyval(v, 0.7) | np.polyval([1.0, -2.0, 3.0], x) | np.polyval(v, V) | np.polyval(v, v)
        np.polyadd(v, V[:3]) | np.polysub(V[:2], v) | np.polymul(v, V[:3]) | np.polyder(v) | np.polyint(v)
        np.polyder(v, 2) | np.polyint(v, 2) | np.polyfit(np.arange(6.0), v, 2)
        np.vander(v) | np.vander(v, 3) | np.vander(v, 4, increasing=True)
        np.cov(x) | np.cov(x, rowvar=False) | np.cov(x, ddof=0) | np.cov(x, bias=True) | np.cov(v) | np.cov(v, V)
        np.cov(x, A) | np.cov(x, fweights=[1, 2, 1, 3]) | np.cov(x, aweights=[0.5, 1.0, 2.0, 0.1])
        np.corrcoef(x) | np.corrcoef(x, rowvar=False) | np.corrcoef(v, V) | np.corrcoef(x, A)
        np.unwrap(3 * v) | np.clip(x, -0.5, 1.0) | np.clip(x, None, 1.0) | x.clip(-1.0) | np.clip(x, A, None)
        np.clip(x, min=-1.0, max=1.0) | x.clip(min=-1.0) | np.clip(A, x - 1, x + 1)
        np.nan_to_num(n) | np.nan_to_num(x, nan=3.0) | np.real(x) | np.imag(x) + x | np.conj(x) | np.conjugate(x)
        np.real_if_close(x) | np.angle(x) + x | x.real | x.conj() | np.i0(v) | np.sinc(v) | np.heaviside(v, 0.5) * v
        np.apply_along_axis(np.sum, 0, x) | np.apply_over_axes(np.sum, c, [0, 2]) | np.vectorize(lambda a: a * a)(v)
        np.round(v, 1).sum() * v | np.around(x) * x | v.round(1) * v | np.fix(v) * v | np.isclose(v, V) * v
        np.cumsum(v) | np.cumsum(x, axis=1) | np.cumsum(x) | x.cumsum(0) | np.cumprod(v) | np.cumprod(x, axis=1)
        np.cumulative_sum(v) | np.cumulative_sum(v, include_initial=True) | np.cumulative_prod(v)
    """,
    "products": """
        np.dot(x, B) | np.dot(v, V) | np.dot(2.0, x) | x.dot(B) | np.dot(C, x.T) | np.dot(x, V[:4]) | np.dot(c, C[0].T)
        np.dot(A, np.swapaxes(c, 1, 2)) | np.dot(C, np.swapaxes(c, 1, 2))
        np.matmul(x, B) | np.matmul(c, B) | x @ B | A @ x.T | np.matmul(C, np.swapaxes(c, 1, 2)) | v @ v
        np.vdot(x, A) | np.vdot(v, v) | np.inner(x, A) | np.inner(v, V) | np.inner(C, x) | np.inner(x, 2.0)
        np.outer(v, V) | np.outer(v, v) | np.outer(x, V) | np.cross(x[:, :3], A[:, 1:]) | np.cross(v[:3], V[3:])
        np.cross(v[:3], v[3:]) | np.cross(M, m, axis=0) | np.einsum("ij,ij->ij", x, A[:1]) | np.einsum("ij,ij->i", x[:, :1], x) | np.cross(m, M, axisa=0, axisb=1, axisc=0)
        np.kron(x, B) | np.kron(v, V) | np.kron(M, m) | np.kron(v, A) | np.kron(x, x[:2, :2]) | np.kron(2.0, v)
        np.tensordot(c, A, axes=2) | np.tensordot(x, B, 1) | np.tensordot(c, A, axes=([1, 2], [0, 1]))
        np.tensordot(x, A, axes=(0, 0)) | np.tensordot(v[:2], V[:3], 0) | np.tensordot(c, C, ((0, 2), (0, 2)))
        np.vecdot(x, A) | np.vecdot(c, A) | np.matvec(x, V[:4]) | np.vecmat(v[:3], A) | np.vecdot(x, x, axis=0)
        np.einsum("ij,jk->ik", x, B) | np.einsum("ij->ji", x) | np.einsum("ij->", x) | np.einsum("ij->j", x)
        np.einsum("ij,jk", x, B) | np.einsum("ii", m) | np.einsum("ii->i", m) | np.einsum("ij,ij->i", x, A)
        np.einsum("bij,bjk->bik", s, s) | np.einsum("i,j->ij", v, V) | np.einsum("i,i", v, V) | np.einsum("ba", x)
        np.einsum("...ij,...jk->...ik", s, M) | np.einsum("...i->...", x) | np.einsum("i...,i...->...", x, A)
        np.einsum("...ii->...", s) | np.einsum("...", x) | np.einsum("...i,...i", x, A) | np.einsum("ijk,k", c, V[:4])
        np.einsum("ij,jk,kl->il", A, B, x[:2]) | np.einsum("ij,jk,kl->il", A, B, x[:2], optimize=True)
        np.einsum("ij,jk->ik", x, B, optimize="greedy") | np.einsum("ij,jk->ik", x, B, optimize=False)
        np.einsum(x, [0, 1], B, [1, 2], [0, 2]) | np.einsum(x, [0, 1], [1, 0]) | np.einsum(x, [0, 1])
        np.einsum(c, [Ellipsis, 0], [Ellipsis]) | np.einsum("ij,kj->ik", x, x) | np.einsum("iij->ij", s[:, :2])
        np.einsum("ij, jk -> ik", x, B) | np.einsum("ij,ij", x, x) | np.einsum("i,i,i->i", v, v, V)
        np.einsum("bij->b", s) | np.einsum("iji->j", np.stack([m, m, M])) | np.einsum(",ij->ij", 2.0, x)
        np.linalg.multi_dot([x, B, A[:2]]) | np.linalg.multi_dot([v[:3], A, B]) | np.linalg.multi_dot([x, B])
        np.linalg.matrix_power(m, 3) | np.linalg.matrix_power(m, -2) | np.linalg.matrix_power(s, 2)
        np.linalg.matrix_power(m, 0) + m | np.linalg.matrix_power(m, 1) | np.linalg.matrix_power(m, -1)
        np.linalg.outer(v, V) | np.linalg.cross(v[:3], V[:3]) | np.linalg.vecdot(x, A) | np.linalg.matmul(x, B)
        np.linalg.tensordot(x, B, axes=1) | np.linalg.trace(s) | np.linalg.diagonal(s) | np.linalg.matrix_transpose(s)
        np.linalg.trace(x, offset=1) | np.linalg.diagonal(x, offset=-1)
    """,
    "linalg": """
        np.linalg.inv(m) | np.linalg.inv(s) | np.linalg.solve(m, M) | np.linalg.solve(m, V[:3])
        np.linalg.solve(M, x) | np.linalg.solve(s, V[:3]) | np.linalg.solve(s, M) | np.linalg.solve(m, m @ M)
        np.linalg.solve(M, v[:3]) | np.linalg.solve(s, C) | np.linalg.solve(M, c)
        np.linalg.det(m) | np.linalg.det(s) | np.linalg.slogdet(m) | np.linalg.slogdet(s)[1]
        np.linalg.slogdet(m).logabsdet | np.linalg.slogdet(s).sign * s[:, 0, 0] | np.log(np.abs(np.linalg.det(s)))
        np.linalg.cholesky(x @ x.T) | np.linalg.cholesky(s @ s.mT) | np.linalg.cholesky(m @ m.T, upper=True)
        np.linalg.cholesky(m @ m.T + np.eye(3)) | np.linalg.cholesky(m + m.T + 6 * np.eye(3))
        np.linalg.eigh(m + m.T).eigenvalues | np.linalg.eigh(m + m.T)[0] | np.linalg.eigvalsh(m + m.T)
        np.linalg.eigvalsh(s + s.mT) | np.abs(np.linalg.eigh(m + m.T)[1]) | np.linalg.eigvalsh(m) | np.linalg.eigvalsh(s)
        np.linalg.eigvalsh(m, UPLO="U") | np.abs(np.linalg.eigh(s + s.mT).eigenvectors)
        np.linalg.svd(x, compute_uv=False) | np.linalg.svdvals(x) | np.linalg.svdvals(c) | np.linalg.svd(m)[1]
        np.abs(np.linalg.svd(x, full_matrices=False)[0]) | np.abs(np.linalg.svd(x, full_matrices=False).Vh)
        np.linalg.svd(t, full_matrices=False).S | np.abs(np.linalg.svd(t, full_matrices=False)[2])
        np.linalg.svd(s)[1] | np.abs(np.linalg.svd(m)[0])
        np.abs(np.linalg.qr(m)[0]) | np.abs(np.linalg.qr(m)[1]) | np.abs(np.linalg.qr(t).R) | np.abs(np.linalg.qr(t).Q)
        np.abs(np.linalg.qr(t, mode="r")) | np.abs(np.linalg.qr(x)[1]) | np.abs(np.linalg.qr(s).R)
        np.linalg.pinv(x) | np.linalg.pinv(t) | np.linalg.pinv(m) | np.linalg.pinv(c) | np.linalg.pinv(t, rcond=1e-9)
        np.linalg.lstsq(t, V[:5])[0] | np.linalg.lstsq(t, V[:5])[1] | np.linalg.lstsq(t, C.reshape(-1)[:10].reshape(5, 2))[0]
        np.linalg.lstsq(A.T, x.T)[0]
        np.linalg.norm(v) | np.linalg.norm(x) | np.linalg.norm(x, axis=1) | np.linalg.norm(x, axis=0, keepdims=True)
        np.linalg.norm(v, 1) | np.linalg.norm(v, 2) | np.linalg.norm(v, 3) | np.linalg.norm(v, np.inf)
        np.linalg.norm(v, -np.inf) | np.linalg.norm(v, 0) * v | np.linalg.norm(v, 0.5) | np.linalg.norm(v, -1)
        np.linalg.norm(v, -2) | np.linalg.norm(x, ord=1, axis=1) | np.linalg.norm(x, ord=3, axis=0)
        np.linalg.norm(x, "fro") | np.linalg.norm(x, "nuc") | np.linalg.norm(x, 1) | np.linalg.norm(x, -1)
        np.linalg.norm(x, 2) | np.linalg.norm(x, -2) | np.linalg.norm(x, np.inf) | np.linalg.norm(x, -np.inf)
        np.linalg.norm(c, axis=(1, 2)) | np.linalg.norm(c, 2, axis=(1, 2)) | np.linalg.norm(c, "nuc", axis=(0, 2))
        np.linalg.norm(c) | np.linalg.norm(c, 1, axis=(0, 1), keepdims=True) | np.linalg.norm(c, np.inf, (1, 2))
        np.linalg.vector_norm(x) | np.linalg.vector_norm(x, axis=1) | np.linalg.vector_norm(v, ord=3)
        np.linalg.vector_norm(c, axis=(0, 2), keepdims=True) | np.linalg.matrix_norm(c) | np.linalg.matrix_norm(x, ord=2)
        np.linalg.matrix_norm(c, ord="nuc") | np.linalg.matrix_norm(x, keepdims=True)
        np.linalg.cond(m) | np.linalg.cond(m, 1) | np.linalg.cond(s) | np.linalg.cond(m, "fro")
        np.linalg.matrix_rank(m) * m | np.linalg.tensorinv(np.einsum("ij,kl->ikjl", m, M), ind=2)
        np.linalg.tensorsolve(np.einsum("ij,kl->ikjl", M, m), M)
    """,
    "shapes": """
        np.reshape(x, (4, 3)) | np.reshape(x, -1) | np.reshape(x, (2, -1), order="F") | x.reshape(2, 6) | x.reshape(-1)
        x.reshape((4, 3), order="F") | np.ravel(x) | np.ravel(x, order="F") | x.ravel() | x.flatten() | x.flatten("F")
        np.transpose(x) | np.transpose(c, (2, 0, 1)) | x.T | c.transpose(1, 0, 2) | c.transpose((2, 1, 0)) | x.mT
        np.permute_dims(c, (1, 2, 0)) | np.matrix_transpose(c) | np.swapaxes(c, 0, 2) | c.swapaxes(0, 1)
        np.moveaxis(c, 0, -1) | np.moveaxis(c, [0, 1], [2, 0]) | np.rollaxis(c, 2) | np.rollaxis(c, 0, 3)
        np.expand_dims(x, 1) | np.expand_dims(x, (0, 3)) | np.squeeze(x[None]) | np.squeeze(x[:, None], axis=1)
        x[None].squeeze() | x[None].squeeze(0) | np.atleast_1d(v) | np.atleast_2d(v) | np.atleast_3d(x)
        np.atleast_1d(v[0]) | np.atleast_2d(V, x)[1] | np.broadcast_to(v, (2, 6)) | np.broadcast_to(x[:, :1], (3, 5))
        np.broadcast_arrays(x, V[:4])[0] | np.broadcast_arrays(v, v[:, None])[1]
        np.concatenate([x, A]) | np.concatenate([x, A], axis=1) | np.concatenate((x, x), axis=None) | np.concat([v, V])
        np.concatenate([v, V], dtype=np.float32) | np.concatenate([x, A], axis=-1)
        np.stack([x, A]) | np.stack([x, A], axis=-1) | np.stack([x, x], 1) | np.hstack([x, A]) | np.hstack([v, V])
        np.vstack([x, A]) | np.vstack([v, V]) | np.dstack([x, A]) | np.column_stack([v, V]) | np.column_stack([x, A])
        np.vstack((v, v * 2), dtype=np.float32) | np.block([[x, A], [A, x]]) | np.block([v, V]) | np.block([[m, M[:, :1]]])
        np.unstack(c) | np.unstack(x, axis=1) | np.c_[v, V] | np.r_[v, V] | np.r_[v, 0.0, V]
        np.split(v, 3) | np.split(v, [1, 4]) | np.split(x, 2, axis=1) | np.array_split(v, 4) | np.array_split(x, 2, 1)
        np.hsplit(x, 2) | np.vsplit(x, 3) | np.dsplit(c, 2) | np.hsplit(v, [2]) | np.split(x, [1], 1)[1]
        np.tile(v, 2) | np.tile(x, (2, 1)) | np.tile(x, (2, 1, 2)) | np.repeat(v, 2) | np.repeat(x, 2, axis=0)
        np.repeat(x, [1, 0, 2], axis=0) | np.repeat(x, 3) | v.repeat(2) | x.repeat([1, 2, 1, 0], axis=1)
        np.roll(v, 2) | np.roll(x, 1) | np.roll(x, 1, axis=1) | np.roll(x, (1, -1), axis=(0, 1)) | np.roll(v, -7)
        np.flip(x) | np.flip(x, 0) | np.flip(x, (0, 1)) | np.fliplr(x) | np.flipud(x) | np.rot90(x) | np.rot90(x, 2)
        np.rot90(c, 1, (1, 2)) | np.rot90(x, k=-1) | np.insert(v, 2, 9.0) | np.insert(v, [1, 3], [7.0, 8.0])
        np.insert(x, 1, 5.0, axis=0) | np.insert(x, 2, V[:3], axis=1) | np.insert(V, 2, v[0]) | np.insert(v, [0, 6], v[:2])
        np.insert(v, slice(1, 3), 0.5) | np.insert(x, -1, 5.0, axis=1) | np.insert(x, 3, 2.0)
        np.delete(v, 2) | np.delete(x, 1, axis=0) | np.delete(x, [0, 2], axis=1) | np.delete(v, slice(1, 4))
        np.delete(v, np.array([True, False, False, True, False, False])) | np.delete(x, 5)
        np.append(v, 3.0) | np.append(v, V) | np.append(x, A, axis=0) | np.append(V, v) | np.append(x, [1.0, 2.0])
        np.resize(v, (2, 4)) | np.resize(x, 5) | np.resize(v, (3, 5)) | np.trim_zeros(np.array([0.0, 1.0])) * v[0]
        np.meshgrid(v, V) | np.meshgrid(v, V, indexing="ij") | np.meshgrid(v, V, sparse=True) | np.meshgrid(v[:2], v, V)[1]
        np.ix_([0, 2], [1, 3])[0] * v[:2] | x[np.ix_([0, 2], [1, 3])] | np.array([v[0], v[1] * v[2]]) | np.asarray([v, V])
        np.array(x) | np.asarray(x) | np.copy(x) | x.copy() | np.ascontiguousarray(x.T) | np.asfortranarray(x)
        np.astype(x, np.float32) | x.astype(np.float32) | x.view() | np.full_like(A, v[0]) * A | np.full((2, 2), v[1])
        np.zeros_like(x) + x | np.ones_like(x) * x | np.empty_like(x) * 0 + x | np.shape(x)[0] * x | np.size(x) * x
        np.ndim(x) * x | len(x) * x | np.size(x, 1) * x | np.array(x, ndmin=3) | np.array([[v[0], 1.0], [2.0, v[1]]])
        np.pad(v, 2) | np.pad(v, (1, 2), constant_values=(3.0, 4.0)) | np.pad(x, 1) | np.pad(x, ((1, 0), (0, 2)))
        np.pad(v, 2, mode="edge") | np.pad(v, 2, "reflect") | np.pad(x, 1, "symmetric") | np.pad(x, (1, 2), "wrap")
        np.pad(v, 2, "linear_ramp") | np.pad(v, (1, 3), "linear_ramp", end_values=(2.0, 5.0)) | np.pad(v, 2, "maximum")
        np.pad(v, 2, "mean") | np.pad(x, 1, "mean") | np.pad(v, 2, "minimum") | np.pad(v, 1, "median")
        np.pad(v, 2, "maximum", stat_length=2) | np.pad(v, 2, "reflect", reflect_type="odd") | np.pad(x, 1, "edge")
        np.pad(v, 2, "symmetric", reflect_type="odd") | np.pad(v, {0: (1, 2)}) | np.pad(x, 1, "linear_ramp")
    """,
    "ends": """
        np.prod(x[:0], axis=0) * x[0] | np.prod(x[:, :0], keepdims=True) * x | np.roll(v[0], 3) | np.tile(v[1], ())
        np.linspace(v[0], v[1]) | np.linspace(v[0], 3.0, 5) | np.linspace(0.5, v, 4) | np.linspace(v, V, 3, axis=1)
        np.linspace(v[0], v[1], 5, endpoint=False) | np.linspace(v[0], v[1], 5, retstep=True)[1] * v | np.linspace(v[0], v[1], 1)
        np.linspace(v[0], v[0], 3) + v[1] | np.logspace(v[0], v[1], 4) | np.logspace(0.0, v, 3, base=2.0)
        np.logspace(0.3, 0.6, 4, base=v[2] * v[2]) | np.geomspace(v[0] ** 2, 8.0, 4) | np.geomspace(np.exp(v), 3 * np.exp(V), 3)
        np.geomspace(-np.exp(v), -3.0, 3, endpoint=False) | np.modf(v)[0] | np.modf(3 * x)[1] * x | np.ldexp(v, 3)
        np.ldexp(x, I) | np.union1d(v, V) | np.union1d(x, x[0] + 1) | np.intersect1d(v, np.append(v[:2], 7.0))
        np.setdiff1d(v, v[:2]) | np.setdiff1d(v, V) | np.setxor1d(v, np.append(v[:2], V)) | np.fft.fftshift(v) | np.fft.fftshift(x)
        np.fft.ifftshift(x, axes=1) | np.fft.ifftshift(v) | np.fft.fftshift(c, axes=(0, 1)) | np.trim_zeros(np.append(v, 0.0))
        np.trim_zeros(np.concatenate([[0.0, 0.0], v, [0.0]]), "f") | np.r_[v, 1:4] | np.r_[v, V, 0:1:3j] | np.c_[v, 0:6]
        np.isclose(x, x * (1 + 1e-7)) * x | np.isclose(n, n, equal_nan=True) * np.nansum(n) | np.isreal(v) * v | np.iscomplex(v) + v | x[:, :3][np.tril_indices_from(x[:, :3])]
        x[:, :3][np.diag_indices_from(x[:, :3])] | x[:, :3][np.triu_indices_from(x[:, :3], 1)]
        np.searchsorted(np.sort(V), v, side="right") * v | np.digitize(v, [1.0, 0.0, -1.0]) * v | np.array_equal(v, V) + v
        np.angle(v, deg=True) + v | np.unwrap(3 * x, axis=0) | np.unwrap(2 * v, discont=4.0) | np.unwrap(9 * v, period=4.0)
        np.interp(v, [0.0, 1.0, 3.0], [2.0, 5.0, 1.0], left=-1.0) | np.interp(x, V[[0, 1]], V[[1, 0]], period=5.0)
    """,
    "choices": """
        np.where(x > 0, x, 2 * x) | np.where(MASK, x, A) | np.where(x > A, x, A) | np.where(MASK, x, 0) | x[np.where(x > 0)]
        np.where(v > 0, v, V) | np.where(x[:, :1] > 0, x, 1.0) | np.select([v > 1, v > 0], [v, v**2]) | x[x > 0]
        np.select([v > 1, v < 0], [v, V], default=9.0) | np.select([x > 1, x < 0], [x, x * x], x - 1)
        np.piecewise(v, [v < 0, v >= 0], [lambda a: a * a, lambda a: 3 * a]) | np.piecewise(v, [v < 0], [-1.0, 2.0]) * v
        np.piecewise(v, [v < 0, v > 1], [lambda a: -a, lambda a: a**3, 0.5]) | np.choose(L % 2, [v, V])
        np.choose(L, [v, V, v * v]) | np.choose(np.array([0, 1, 1, 0]), x[:2]) | np.choose([1, 0, 2], m)
        np.choose(L, [v, V], mode="clip") | np.choose(L, (v, V), mode="wrap")
        np.take(v, I) | np.take(x, [0, 2], axis=0) | np.take(x, 1, axis=1) | np.take(x, I) | np.take(x, J) | v.take(I)
        np.take(v, [-1, 7], mode="wrap") | np.take(v, [-3, 7], mode="clip") | x.take([1, 2], axis=1) | np.take(x, -1, 0)
        np.take_along_axis(x, J, axis=1) | np.take_along_axis(x, J[:1] % 3, axis=0) | np.take_along_axis(v, I, 0)
        np.take_along_axis(x, I, axis=None) | np.compress([True, False, True], x, axis=0) | np.compress(v > 0, v)
        np.compress([False, True], x) | x.compress([True, False, True], axis=0) | np.extract(x > 0, x)
        np.extract(MASK, x) | x[MASK] | x[0] | x[:, 1] | x[1, 2] | x[-1, ::2] | x[::-1] | x[..., None] | x[I % 3]
        x[:, I] | x[[0, 1], [2, 3]] | x[I[:3], :2] | c[0, :, [1, 2]] | c[:, [0, 2]][:, :, 1] | v[-2] | v[1:5:2] | v[L > 0]
        np.diagonal(x) | np.diagonal(x, 1) | np.diagonal(c, axis1=1, axis2=2) | np.diagonal(c, -1, 0, 2) | x.diagonal()
        np.diag(v) | np.diag(x) | np.diag(v, 1) | np.diag(x, -1) | np.diagflat(v) | np.diagflat(x, 1) | np.trace(x)
        np.trace(c) | np.trace(x, 1) | np.trace(c, axis1=1, axis2=2) | x.trace() | np.trace(c, offset=1, axis1=0, axis2=2)
        np.tril(x) | np.triu(x) | np.tril(x, -1) | np.triu(x, 1) | np.tril(c) | np.triu(s, k=1) | x[np.tril_indices(3)]
        m[np.triu_indices(3, 1)] | m[np.diag_indices(3)] | np.triu(v) | np.tril(v, 1)
        np.lib.stride_tricks.sliding_window_view(v, 3) | np.lib.stride_tricks.sliding_window_view(x, (2, 2))
        np.lib.stride_tricks.sliding_window_view(x, 2, axis=1) | np.lib.stride_tricks.sliding_window_view(v, 3).mean(-1)
        np.ravel_multi_index(([0, 1], [1, 2]), (3, 4)) * v[:2] | x.flat[3] | x.flat[[1, 2]] | x.item(2) * x
    """,
    "float32": """
        np.sum(f) | np.mean(f, axis=0) | np.var(f, axis=1) | np.std(f) | np.median(f, axis=0) | np.quantile(f, 0.3, axis=0)
        np.quantile(f, [0.1, 0.6], axis=1) | np.percentile(f, 30) | np.percentile(f, [25, 75]) | np.sort(f) | np.ptp(f, axis=0)
        np.nanmean(f, axis=0) | np.nanmedian(f, axis=1) | np.var(f, where=MASK) | np.average(f, axis=1, weights=[1, 2, 3, 4])
        np.average(f, axis=1, weights=[1.0, 2.0, 3.0, 4.0]) | np.gradient(f[0]) | np.gradient(f, 0.5, axis=1) | np.diff(f)
        np.gradient(f[0], np.array([0.0, 1.0, 3.0, 4.0])) | np.trapezoid(f) | np.trapezoid(f, dx=0.5) | np.cov(f) | np.corrcoef(f)
        np.cov(f, dtype=np.float32) | np.convolve(f[0], [1, 2]) | np.convolve(f[0], V[:2]) | np.convolve(f[0], f[1, :2])
        np.interp(f[0], [-2.0, 2.0], [1.0, 3.0]) | np.polyval([1, 2], f) | np.polyval(f[0], 2.0) | np.vander(f[0]) | np.kron(f, [[1, 2]])
        np.linalg.norm(f) | np.linalg.norm(f, axis=0) | np.linalg.norm(f, 3, axis=0) | np.linalg.norm(f, "nuc")
        np.linalg.inv(f[:, :3]) | np.linalg.det(f[:, :3]) | np.linalg.solve(f[:, :3], np.eye(3)) | np.linalg.svdvals(f)
        np.linalg.slogdet(f[:, :3])[1] | np.linalg.cholesky(f @ f.T) | np.linalg.eigvalsh(f @ f.T) | np.linalg.pinv(f)
        np.cross(f[:, :3], f[::-1, :3]) | np.bincount([0, 1, 1], weights=f[:, 0]) | np.insert(f, 1, 5.0, axis=1) | np.append(f, 1.0)
        np.pad(f, 1, "linear_ramp") | np.pad(f, 1, "mean") | np.select([f > 1], [f]) | np.select([f > 1], [f], 3.0) | np.clip(f, 0, 1)
        np.clip(f, A, None) | np.where(f > 0, f, 0) | np.where(f > 0, f, A) | np.concatenate([f, A]) | np.stack([f, f]) | np.prod(f)
        np.einsum("ij,jk", f, B) | np.einsum("ij,kj", f, f) | np.tensordot(f, f, ([1], [1])) | np.outer(f, [1, 2]) | np.nan_to_num(f)
        np.max(f, initial=0.5) | np.sum(f, initial=2.0) | np.prod(f, initial=2) | np.insert(V, 1, f[0, 0]) | np.unwrap(f)
    """,
    "writes": """
        y = x * 1; np.put_along_axis(y, J, 0.5, 1); y | y = np.zeros((3, 4)); np.put_along_axis(y, J[:, :1], x[:, :1], 1); y
        y = x * 2; np.put(y, [0, 5], [1.0, 2.0]); y | y = x * 2; np.place(y, MASK, [1.0, 2.0]); y | y = m * 1; np.fill_diagonal(y, 0.0); y
        y = x * 2; np.putmask(y, y > 0, A); y | y = np.zeros(6); np.copyto(y, v); y | y = x * 1; np.copyto(y, A, where=MASK); y
        y = np.zeros(3); np.add.at(y, L, v); y | y = v * 1; np.subtract.at(y, I, 2.0); y | y = m * 1; np.fill_diagonal(y, m[0]); y
        y = np.empty((3, 2)); np.matmul(x, B, out=y); y | y = np.empty(4); np.sum(x, axis=0, out=y); y
        y = np.empty((3, 2)); np.dot(x, B, out=y); y | y = np.empty(()); np.sum(x, out=y); y
        y = np.empty(4); x.mean(0, out=y); y | y = np.empty(4); np.max(x, axis=0, out=y); y
        y = np.empty((6, 4)); np.concatenate([x, A], out=y); y | y = np.empty((2, 3, 4)); np.stack([x, A], out=y); y
        y = np.empty(4); np.take(v, I, out=y); y | y = np.empty((3, 4)); np.clip(x, -1, 1, out=y); y
        y = np.empty(4); np.median(x, axis=0, out=y); y | y = np.empty((3, 2)); np.einsum("ij,jk->ik", x, B, out=y); y
        y = x.copy(); y.sort(axis=0); y | y = v * 1; y.partition(2); np.sort(y[:2]) | y = x * 1; y[y > 0] = 0; y
        y = np.zeros((3, 4)); y[:, I] += x; y | y = x * 1; y[[0, 2]] = A[:2]; y | y = x * 1; y.fill(2.0); y + x
        y = np.zeros((2, 3, 3)); y[0] = m; y[1] = m.T; np.linalg.inv(y)
    """,
}


@dataclass
class Expression:
    """One expression, as a function of one array that NumPy and every route can run."""

    group: str
    text: str
    name: str = ""
    function: Callable[[Any], Any] = field(default=lambda x: x)
    loss: Callable[[Any], Any] = field(default=lambda x: x)

    @property
    def narrow(self) -> bool:
        """Check that it is computed in float32."""
        return "float32" in self.text or self.name == "f"

    @property
    def array(self) -> Any:
        """Return the argument."""
        return ARRAYS[self.name]


# Results of several arrays are no lists with every package, but they have a length.
_LOSS = """
def {loss}({name}):
    made = {function}({name})
    parts = [made] if hasattr(made, "shape") or not hasattr(made, "__len__") else made
    total = 0.0
    for part, weight in zip(parts, WEIGHTS["{function}"]):
        total = total + np.sum(part * weight)
    return total
"""
WORLD["WEIGHTS"] = {}


def expressions(wanted: str = "") -> Iterator[Expression]:
    """Yield the expressions of the groups with `wanted` in their name."""
    for group, lines in GROUPS.items():
        if wanted not in group:
            continue
        for text in (part.strip() for line in lines.splitlines() for part in line.split(" | ")):
            if text and not (OLD and NEWER.search(text)):
                yield _made(group, text)


def functions_named() -> set[Any]:
    """Return the functions of NumPy that stand in an expression, as functions or as methods."""
    found: set[Any] = set()
    for lines in GROUPS.values():
        for path in re.findall(r"\bnp((?:\.[a-z_A-Z0-9]+)+)", lines):
            value: Any = np
            for name in path.strip(".").split("."):
                value = getattr(value, name, None)
            found.add(value)
    return found


def _made(group: str, text: str) -> Expression:
    """Compile one expression; its argument is the first of the arrays that it names."""
    called = set(compile(text, "", "exec").co_names)
    name = next(name for name in ARRAYS if name in called)
    *before, last = text.split("; ")
    function = f"f_{abs(hash(text)):x}"
    lines = [f"def {function}({name}):", *(f"    {line}" for line in before), f"    return {last}"]
    source = "\n".join(lines) + "\n" + _LOSS.format(loss=f"loss_{function}", function=function, name=name)
    file = f"<{group}: {text}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), WORLD)
    made = Expression(group, text, name, WORLD[function], WORLD[f"loss_{function}"])
    WORLD["WEIGHTS"][function] = [
        np.cos(np.arange(np.size(part)) * 1.3 + number).reshape(np.shape(part))
        for number, part in enumerate(parts_of(made.function(made.array.copy())))
    ]
    return made


def parts_of(result: Any) -> list[Any]:
    """Return the arrays of a result."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


# ---- the routes --------------------------------------------------------------------------------------------


def plain(x: Any) -> Any:
    """Return the values of a tensor."""
    return x.data if isinstance(x, mg.Tensor) else x


def agree(got: Any, wanted: Any, tolerance: float = 1e-12) -> bool:
    """Check that two results have the same shapes, dtypes and values, up to a few roundings."""
    ours, theirs = parts_of(got), parts_of(wanted)
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        one, other = np.asarray(plain(one)), np.asarray(other)  # noqa: PLW2901
        loose = max(tolerance, 1e-6 if other.dtype == np.float32 else 0)
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if not np.allclose(one, other, rtol=loose, atol=loose, equal_nan=True):
            return False
    return True


def _step(e: Expression) -> float:
    return 1e-2 if e.narrow else 1e-5


def slope(f: Callable[[Any], Any], x: Any, along: Any, step: float) -> Any:
    """Return the central difference of a function of an array along a direction, of fourth order."""

    def at(k: float) -> Any:
        return np.asarray(f(x + k * step * along), float)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def by_trace(e: Expression) -> bool:
    """Check the values of a trace, and of the graph run again."""
    graph = mg.trace(e.function, e.array.copy())
    wanted = list(parts_of(e.function(e.array.copy())))
    got = [graph.value[node.name] for node in graph.outputs]
    if len(got) < len(wanted):  # parts that do not depend on the input are no outputs
        rest = iter(wanted)
        return all(any(agree(one, other) for other in rest) for one in got)
    return agree(got, wanted)


def direction(x: Any) -> Any:
    """Return a fixed direction in the space of an array."""
    return np.where(np.isnan(x), 0.0, np.cos(np.arange(x.size) * 0.7 + 0.3).reshape(x.shape))


def by_grad(e: Expression) -> bool:
    """Check value and slope of `mg.value_and_grad`, and the slope of the slope."""
    x, along = e.array.copy(), direction(e.array)
    value, g = mg.value_and_grad(e.loss)(x)
    if not agree(value, e.loss(e.array.copy()), 1e-10) and not np.isclose(value, e.loss(e.array.copy()), rtol=1e-6):
        return False
    wanted = slope(e.loss, e.array, along, _step(e))
    found = np.sum(np.where(np.isnan(x), 0.0, np.asarray(g, float)) * along)
    loose = 2e-3 if e.narrow else 1e-6
    return bool(np.isclose(found, wanted, rtol=loose, atol=loose))


def by_second(e: Expression) -> bool:
    """Check a product of the second derivatives with a direction."""
    x, along = np.where(np.isnan(e.array), e.array, e.array), direction(e.array)
    first = mg.grad(e.loss)
    wanted = slope(lambda a: np.sum(np.where(np.isnan(a), 0.0, first(a)) * along), x, along, _step(e))
    outer = mg.grad(lambda a: np.sum(np.where(np.isnan(x), 0.0, first(a)) * along))(x)
    found = np.sum(np.where(np.isnan(x), 0.0, outer) * along)
    loose = 5e-2 if e.narrow else 2e-5
    return bool(np.isclose(found, wanted, rtol=loose, atol=loose))


def by_capture(e: Expression) -> bool:
    """Check the values of the program that `mg.compile` makes, run by NumPy one equation after the other."""
    from micrograd.export.programs import feeds_of, pure
    from micrograd.program.program import evaluate

    x = e.array.copy()
    program = pure(e.function, (x * 0.5 + 0.1,), {})
    given = feeds_of(program, (x,), {})
    with np.errstate(all="ignore"):
        known = evaluate(program, given)
    return agree(
        program.rebuild([np.asarray(known[v], program.values[v].dtype) for v in program.outputs]),
        e.function(e.array.copy()),
    )


ROUTES: dict[str, Callable[[Expression], bool]] = {
    "trace": by_trace, "grad": by_grad, "second": by_second, "capture": by_capture,
}  # fmt: skip


def verdict(route: str, e: Expression) -> tuple[str, str]:
    """Return ``right``, ``refused`` or ``wrong``, with what was said."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return ("right", "") if ROUTES[route](e) else ("wrong", "")
        except MicrogradError as error:
            return "refused", f"{type(error).__name__}: {str(error).splitlines()[0]}"
        except Exception as error:  # NumPy's own words, or a fault
            return "error", f"{type(error).__name__}: {error}"


# ---- other packages, and the page --------------------------------------------------------------------------


def _autograd() -> tuple[Any, Callable[[Any, Any], Any]]:
    import autograd
    import autograd.numpy

    return autograd.numpy, lambda loss, x: autograd.grad(loss)(x)


def _mygrad() -> tuple[Any, Callable[[Any, Any], Any]]:
    import mygrad

    def grad(loss: Any, x: Any) -> Any:
        leaf = mygrad.tensor(x)
        loss(leaf).backward()
        return leaf.grad

    return np, grad  # NumPy's own functions find MyGrad's


def _jax() -> tuple[Any, Callable[[Any, Any], Any]]:
    import jax
    import jax.numpy

    jax.config.update("jax_enable_x64", True)
    return jax.numpy, lambda loss, x: np.asarray(jax.grad(loss)(x))


PEERS = {"autograd": ("autograd", _autograd), "MyGrad": ("mygrad", _mygrad), "jax.numpy": ("jax", _jax)}


def by_peer(name: str) -> Callable[[Expression], bool]:
    """Return a route that has the slope from another package: its module in the place of NumPy's where it has one."""
    module, grad = PEERS[name][1]()

    def route(e: Expression) -> bool:
        scope = {**WORLD, "np": module}
        exec("".join(linecache.getlines(e.loss.__code__.co_filename)), scope)
        found = np.sum(np.where(np.isnan(e.array), 0.0, np.asarray(grad(scope[e.loss.__name__], e.array.copy()), float))
                       * direction(e.array))  # fmt: skip
        wanted = slope(e.loss, e.array, direction(e.array), _step(e))
        loose = 2e-3 if e.narrow else 1e-6
        return bool(np.isclose(found, wanted, rtol=loose, atol=loose))

    return route


PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "numpy-functions.md"
_COLUMNS = {"trace": "values in `trace`", "grad": "slopes of `grad`", "second": "slopes of slopes",
            "capture": "values in `compile`"}  # fmt: skip


def page(left_out: Sequence[str] = ()) -> str:
    """Write the page: for each group and route how many expressions are right, refused and wrong."""
    listed = [*expressions()]
    columns = {route: title for route, title in _COLUMNS.items() if route not in left_out}
    found = {(route, e.text): verdict(route, e)[0] for route in columns for e in listed}
    peers = []
    for name, (distribution, _) in PEERS.items():
        if name in left_out:
            continue
        try:
            ROUTES[name] = by_peer(name)
        except ImportError:
            continue
        peers.append(f"{name} {version(distribution)}")
        found |= {(name, e.text): verdict(name, e)[0] for e in listed}
        del ROUTES[name]

    def cell(route: str, chosen: Sequence[Expression]) -> str:
        counts = [found[route, e.text] for e in chosen]
        right, wrong = counts.count("right"), counts.count("wrong")
        return f"{right} / {len(counts) - right - wrong} / {wrong}"

    groups = {group: [e for e in listed if e.group == group] for group in GROUPS}
    shown = [*columns.values(), *peers]
    routes = [*columns, *(name.rpartition(" ")[0] for name in peers)]
    table = ["| group | " + " | ".join(shown) + " |", "|---|" + "---|" * len(shown)]
    for group, chosen in [*groups.items(), ("all", listed)]:
        table.append(f"| {group} ({len(chosen)}) | " + " | ".join(cell(route, chosen) for route in routes) + " |")
    refused = {route: [e.text for e in listed if found[route, e.text] != "right"] for route in ("grad", "capture")}
    return _PAGE.format(
        today=dt.datetime.now(tz=dt.UTC).date(), numpy=np.__version__, count=len(listed), table="\n".join(table),
        by_grad=", ".join(f"`{text}`" for text in refused["grad"]) or "nothing of the list",
        by_compile="\n".join(f"- `{text}`" for text in refused["capture"]),
    )  # fmt: skip


_PAGE = """# NumPy's functions, tested

Written by `make functions` on {today}, with NumPy {numpy}: {count} expressions over NumPy's public functions and their common keywords.
Each cell counts what is right, refused with an error, and wrong.
Right means NumPy's values, shapes and dtypes, and slopes as measured by differences of NumPy's own values.

`compile` is given other numbers than it was captured with.
Other packages have the column of slopes only. An error of theirs counts as refused, and so does what they do not have.
The list was written for this project: it says what this project wants to cover, and no more about the others.
What differs from NumPy may also be a convention of theirs: `eigvalsh` of jax.numpy takes the symmetric part of its argument, where NumPy reads one triangle.

{table}

## What is refused

By `trace` and `grad`: {by_grad}.

By `compile`, mostly because values decide on shapes or places (use `np.where` with three arguments, or look at the values outside):

{by_compile}

## Conventions

- Where NumPy reads one triangle of a matrix (`cholesky`, `eigh`, `eigvalsh`), the slope is that of this triangle.
- A norm of order 1 or more has slope 0 at 0. Equal entries share the slope of a maximum; a sort gives it to the order that a stable sort finds.
- Eigenvectors and singular vectors of a value that occurs twice have no slope: it is infinite or nan.
- `np.linalg.svd` of a matrix that is not square needs `full_matrices=False`.
- `np.argsort`, `np.searchsorted`, `np.unique` and their kin return places as they are in this run. They have no slope, and `compile` refuses them.
"""


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    if "--write" in arguments:
        PAGE.write_text(page([a.removeprefix("--without=") for a in arguments if a.startswith("--without=")]))
        print(PAGE)
        return 0
    wanted = next((a for a in arguments if not a.startswith("-")), "")
    listed = [*expressions(wanted)]
    counts = {route: dict.fromkeys(("right", "refused", "wrong", "error"), 0) for route in ROUTES}
    for e in listed:
        for route in ROUTES:
            found, said = verdict(route, e)
            counts[route][found] += 1
            if found != "right":
                print(f"{found:8} {route:8} {e.text}   {said[:150]}")
    print(len(listed), "expressions")
    for route, count in counts.items():
        print(f"{route:8}", count)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
