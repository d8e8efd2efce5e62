"""Put entries in order, and read off what depends on their order: medians, quantiles, unique entries.

Written in the shared dialect: each works on tensors (recorded) and on arrays alike. The order is found anew whenever
the row `sort_by` runs; between two orders nothing here is differentiable, and at ties the slope is that of the order
that a stable sort finds.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import GraphError
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import lapack
from micrograd.numpy_api.composites import Axis, normal_axis, shape_of

__all__ = [
    "captured",
    "digitize",
    "intersect1d",
    "isclose",
    "median",
    "nanmedian",
    "nanpercentile",
    "nanquantile",
    "partition",
    "percentile",
    "quantile",
    "searchsorted",
    "setdiff1d",
    "setxor1d",
    "sort",
    "union1d",
    "unique",
]


def sort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Any:
    """Return the entries along an axis from the smallest to the largest, as `numpy.sort`."""
    del kind, stable  # the values are the same
    if axis is None:
        a, axis = c.reshape(a, -1), 0
    place = normal_axis(axis, len(shape_of(a)))
    return lapack.sort_by(a, a, axis=place)


def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
    """Return the entries with those before place `kth` smaller and those behind larger, as `numpy.partition`.

    What NumPy leaves in any order is sorted here.
    """
    del kth
    return sort(a, axis, kind)


def _lines(a: Any, axis: Axis) -> tuple[Any, tuple[int, ...]]:
    """Return the array with the entries that are reduced in its last axis, sorted; and the shape with `keepdims`."""
    shape = shape_of(a)
    chosen = normal_axis(axis, len(shape))
    axes = tuple(range(len(shape))) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
    rest = [n for n in range(len(shape)) if n not in axes]
    length = int(np.prod([shape[n] for n in axes], dtype=int))
    row = c.reshape(c.transpose(a, [*rest, *axes]), (*(shape[n] for n in rest), length))
    return sort(row, -1), tuple(1 if n in axes else size for n, size in enumerate(shape))


def _place(rows: Any, at: Any) -> Any:
    return p.gather(rows, index=(..., at))


def _or_nan(rows: Any, made: Any) -> Any:
    """Return nan for rows with a nan, which stands last, as NumPy does."""
    n = shape_of(rows)[-1]
    last = _place(rows, n - 1 if len(shape_of(made)) < len(shape_of(rows)) else slice(n - 1, n))
    return p.where(p.equal(last, last), made, last)


def median(a: Any, axis: Axis = None, *, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Return the middle entry, or the mean of both, as `numpy.median`; nan where there is none."""
    del overwrite_input
    rows, kept = _lines(a, axis)
    n = shape_of(rows)[-1]
    if n == 0:
        made = c.mean(rows, -1)
        return c.reshape(made, kept) if keepdims else made
    made = _place(rows, n // 2)
    if n % 2 == 0:
        made = (_place(rows, n // 2 - 1) + made) * 0.5
    made = _or_nan(rows, made)
    return c.reshape(made, kept) if keepdims else made


def quantile(
    a: Any, q: Any, axis: Axis = None, *, overwrite_input: bool = False, method: Any = "linear", keepdims: bool = False
) -> Any:
    """Return the value below which a share `q` of the entries lies, as `numpy.quantile`, by any of its methods.

    Where it lies between two entries NumPy is asked at which place, for the entries 0, 1, 2, ...

    Raises:
        GraphError: `q` is traced; it decides between which entries the value lies.
    """
    del overwrite_input
    if hasattr(q, "__primitive__"):
        raise GraphError("np.quantile with a q that is traced has no rule to differentiate it by; pass a number.")
    rows, kept = _lines(a, axis)
    places = np.asarray(np.quantile(np.arange(float(shape_of(rows)[-1])), q, method=method))
    # a number takes the dtype of the entries, an array brings its own, as in NumPy
    dtype = rows.dtype if isinstance(q, (int, float)) else np.result_type(rows.dtype, np.asarray(q).dtype, np.float16)
    made = _or_nan(rows, _between(rows, places.reshape(-1), dtype))
    shape = kept if keepdims else shape_of(rows)[:-1]
    made = c.moveaxis(made, -1, 0)
    return c.reshape(made, places.shape + shape)


def _between(rows: Any, places: Any, dtype: Any) -> Any:
    low = np.floor(places).astype(int)
    share = (places - low).astype(dtype)
    first = _place(rows, low)
    if not share.any():
        return first if first.dtype == dtype else p.cast(first, dtype=np.dtype(dtype).name)
    second = _place(rows, np.ceil(places).astype(int))
    step = second - first
    # from the nearer of both, so that the end of the way is met exactly, as NumPy does
    return p.where(share < 0.5, first + step * share, second - step * (1 - share))


def percentile(
    a: Any, q: Any, axis: Axis = None, *, overwrite_input: bool = False, method: Any = "linear", keepdims: bool = False
) -> Any:
    """Return the value below which `q` percent of the entries lie, as `numpy.percentile`."""
    share = q if hasattr(q, "__primitive__") else np.true_divide(q, 100)
    return quantile(a, share, axis, overwrite_input=overwrite_input, method=method, keepdims=keepdims)


def _present(rows: Any) -> tuple[Any, Any]:
    """Count the entries of each sorted row that are no nan; return the numbers of the places too."""
    there = p.cast(p.equal(rows, rows), dtype=rows.dtype.name)
    return c.sum(there, -1, keepdims=True), np.arange(shape_of(rows)[-1]).astype(rows.dtype)


def nanmedian(a: Any, axis: Axis = None, *, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Return the middle of the entries that are no nan, as `numpy.nanmedian`."""
    return nanquantile(a, 0.5, axis, overwrite_input=overwrite_input, keepdims=keepdims)


def nanquantile(
    a: Any, q: Any, axis: Axis = None, *, overwrite_input: bool = False, method: Any = "linear", keepdims: bool = False
) -> Any:
    """Return the quantile of the entries that are no nan, as `numpy.nanquantile`; one number `q`."""
    del overwrite_input
    if method != "linear" or np.ndim(getattr(q, "raw", q)) or hasattr(q, "__primitive__"):
        raise GraphError("np.nanquantile takes one number q and method='linear' on graph values; for others use "
                         "np.quantile of the entries that are no nan, x[~np.isnan(x)].")  # fmt: skip
    rows, kept = _lines(a, axis)
    count, numbers = _present(rows)
    away = p.abs(numbers - (count - 1.0) * float(q))
    weights = c.maximum(1.0 - away, 0.0)  # of the entries before and behind the place
    made = c.sum(p.where(p.greater(weights, 0.0), rows, 0.0) * weights, -1)
    made = p.where(p.greater(c.squeeze(count, -1), 0.0), made, np.nan)
    return c.reshape(made, kept) if keepdims else made


def nanpercentile(
    a: Any, q: Any, axis: Axis = None, *, overwrite_input: bool = False, method: Any = "linear", keepdims: bool = False
) -> Any:
    """Return the percentile of the entries that are no nan, as `numpy.nanpercentile`; one number `q`."""
    share = q if hasattr(q, "__primitive__") else np.true_divide(q, 100)
    return nanquantile(a, share, axis, overwrite_input=overwrite_input, method=method, keepdims=keepdims)


# ---- places, found anew in each call that is captured --------------------------------------------------------

_ARGUMENT = {
    **dict.fromkeys((np.argmax, np.argmin, np.argsort, np.argpartition, np.nanargmax, np.nanargmin), "a"),
    np.searchsorted: "v", np.digitize: "x",
}  # fmt: skip
"""Functions that return places, in a shape that only shapes decide, and the argument that may be traced."""


def captured(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a function without a gradient returns in a captured call, recorded; None where that needs values."""
    if function in (np.nonzero, np.flatnonzero, np.argwhere):
        return function(c.values_of(c.truth(args[0]), f"np.{function.__name__}()"))
    if function is np.isclose:
        return isclose(*args, **kwargs)
    if function in (np.isneginf, np.isposinf) and not kwargs:
        return p.equal(args[0], -np.inf if function is np.isneginf else np.inf)
    if function not in _ARGUMENT:
        return None
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    x = given.pop(_ARGUMENT[function])
    if not hasattr(x, "__primitive__") or any(hasattr(other, "__primitive__") for other in given.values()):
        return None
    given = {key: value for key, value in given.items() if value is not None}
    return lapack.places(x.detach(), function=function.__name__, **given)


def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Return whether entries are equal within a tolerance, as `numpy.isclose`."""
    x, y = (v if hasattr(v, "__primitive__") or isinstance(v, (bool, int, float)) else np.asarray(v) for v in (a, b))
    if hasattr(y, "dtype"):
        wide = np.result_type(y.dtype, 1.0)
        y = y if y.dtype == wide else p.cast(y, dtype=wide.name)
    near = p.less_equal(p.abs(x - y), atol + rtol * p.abs(y))
    found = c.logical_or(c.logical_and(near, p.isfinite(y)), p.equal(x, y))
    return c.logical_or(found, c.logical_and(p.isnan(x), p.isnan(y))) if equal_nan else found


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, *, equal_nan: bool = True, sorted: bool = True,  # noqa: A002 - NumPy's name
) -> Any:  # fmt: skip
    """Return the entries without repetitions, as `numpy.unique`; of equal entries the first has the slope."""
    if (capture := capturing()) is not None:
        capture.known_values(ar, "np.unique()")
    values = np.asarray(getattr(ar, "raw", ar))
    newer: dict[str, Any] = {} if sorted else {"sorted": False}  # a keyword of NumPy 2.3
    found: Any = np.unique(values, True, return_inverse, return_counts, axis, equal_nan=equal_nan, **newer)  # type: ignore[call-overload]
    first = found[1]
    made = p.gather(c.reshape(ar, -1), index=first) if axis is None else p.gather(
        ar, index=(slice(None),) * (axis % values.ndim) + (first,)
    )  # fmt: skip
    more = found[2:] if not return_index else found[1:]
    return (made, *more) if more else made


# ---- places, counted: what a captured call computes where NumPy searches -----------------------------------------


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Count the entries of a sorted array below others, as `numpy.searchsorted`; NaN is above all numbers."""
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right' (got {side!r})")
    if sorter is not None:
        a = p.gather(a, index=np.asarray(sorter))
    if not hasattr(a, "__primitive__") and np.any(np.asarray(a)[1:] < np.asarray(a)[:-1]):
        c.values_of(v, "np.searchsorted() in an array that is not sorted")
    v = v if hasattr(v, "shape") else np.asarray(v, float)
    each = c.expand_dims(v, -1)
    if side == "left":
        below = c.logical_or(p.less(a, each), c.logical_and(p.isnan(each), c.logical_not(p.isnan(a))))
    else:
        below = c.logical_or(p.less_equal(a, each), p.isnan(each))
    return c.sum(below, -1)


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """Return between which edges entries lie, as `numpy.digitize`."""
    edges = np.asarray(c.values_of(bins, "np.digitize() by edges"))
    if np.all(np.diff(edges) >= 0):
        return searchsorted(edges, x, side="left" if right else "right")
    return len(edges) - searchsorted(edges[::-1], x, side="right" if right else "left")


# ---- sets ------------------------------------------------------------------------------------------------


def _members(ar1: Any, ar2: Any, name: str) -> np.ndarray[Any, Any]:
    return np.isin(c.values_of(ar1, name), c.values_of(ar2, name))


def union1d(ar1: Any, ar2: Any) -> Any:
    """Return what is in one of two arrays, as `numpy.union1d`."""
    return unique(c.concatenate([c.reshape(ar1, -1), c.reshape(ar2, -1)], 0))


def intersect1d(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """Return what is in both of two arrays, as `numpy.intersect1d`; the entries of the first have the slope."""
    del assume_unique
    if return_indices:
        raise GraphError("np.intersect1d: return_indices= is not supported on graph values; leave it out.")
    found = unique(ar1)
    return p.gather(found, index=_members(found, ar2, "np.intersect1d()"))


def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return what is in the first of two arrays and not in the second, as `numpy.setdiff1d`."""
    found = c.reshape(ar1, -1) if assume_unique else unique(ar1)
    return p.gather(found, index=~_members(found, ar2, "np.setdiff1d()"))


def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return what is in just one of two arrays, as `numpy.setxor1d`."""
    del assume_unique
    return unique(c.concatenate([setdiff1d(ar1, ar2), setdiff1d(ar2, ar1)], 0))
