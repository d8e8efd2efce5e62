"""Give the reductions all of NumPy's keywords (`dtype`, `initial`, `where`, `ddof`), and reduce what is no nan.

Written in the shared dialect: each works on tensors (recorded) and on arrays alike. What is left out by ``where=``
becomes what changes nothing: 0 in a sum, 1 in a product, the smallest number in a maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import ShapeError
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import contractions as k
from micrograd.numpy_api.composites import Axis, shape_of

__all__ = [
    "all_of",
    "any_of",
    "average",
    "corrcoef",
    "count_nonzero",
    "cov",
    "max",
    "mean",
    "min",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
    "over_axes",
    "prod",
    "ptp",
    "std",
    "sum",
    "var",
]  # fmt: skip


# ---- what the keywords mean --------------------------------------------------------------------------------


def _in(a: Any, dtype: Any) -> Any:
    """Return `a` in the dtype that is computed in."""
    return a if dtype is None or np.dtype(dtype) == a.dtype else p.cast(a, dtype=np.dtype(dtype).name)


def _only(a: Any, where: Any, other: float) -> Any:
    """Return `a` where the mask is true, and `other` elsewhere."""
    if where is True:
        return a
    mask = where if hasattr(where, "__primitive__") else np.asarray(where, bool)
    return p.where(mask, a, other if a.dtype.kind == "f" else np.asarray(other, a.dtype))


def _number(a: Any, where: Any, axis: Axis, keepdims: bool) -> Any:
    """Count the entries that are reduced: a number, or an array where a mask decides."""
    if where is True:
        shape = shape_of(a)
        chosen = c.reduced_axis(axis, len(shape))
        axes = range(len(shape)) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
        return int(np.prod([shape[n] for n in axes], dtype=int))
    mask = c.broadcast_to(where if hasattr(where, "__primitive__") else np.asarray(where, bool), shape_of(a))
    return c.sum(p.cast(mask, dtype=a.dtype.name), axis, keepdims=keepdims)


# ---- NumPy's reductions ------------------------------------------------------------------------------------


def sum(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Sum over `axis`, as `numpy.sum`."""
    made = c.sum(_only(_in(a, dtype), where, 0.0), axis, keepdims=keepdims)
    return made if initial is None else made + initial


def prod(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Multiply over `axis`, as `numpy.prod`."""
    made = k.prod(_only(_in(a, dtype), where, 1.0), axis, keepdims=keepdims)
    return made if initial is None else made * initial


def max(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the largest entry over `axis`, as `numpy.max`."""
    if where is not True and initial is None:
        raise ShapeError(
            "np.max with where= needs initial=, what an empty choice gives: the maximum has no such value."
        )
    if initial is not None and not _number(a, True, axis, keepdims):
        return c.sum(a, axis, keepdims=keepdims) + initial  # of nothing
    made = c.amax(a if where is True else _only(a, where, initial), axis, keepdims=keepdims)
    return made if initial is None else c.maximum(made, initial)


def min(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the smallest entry over `axis`, as `numpy.min`."""
    if where is not True and initial is None:
        raise ShapeError(
            "np.min with where= needs initial=, what an empty choice gives: the minimum has no such value."
        )
    if initial is not None and not _number(a, True, axis, keepdims):
        return c.sum(a, axis, keepdims=keepdims) + initial  # of nothing
    made = c.amin(a if where is True else _only(a, where, initial), axis, keepdims=keepdims)
    return made if initial is None else c.minimum(made, initial)


def ptp(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Subtract the smallest entry from the largest, as `numpy.ptp`."""
    return c.amax(a, axis, keepdims=keepdims) - c.amin(a, axis, keepdims=keepdims)


def mean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Average over `axis`, as `numpy.mean`."""
    a = _in(a, dtype)
    if where is True:
        return c.mean(a, axis, keepdims=keepdims)
    return c.divide(c.sum(_only(a, where, 0.0), axis, keepdims=keepdims), _number(a, where, axis, keepdims))


def var(
    a: Any, axis: Axis = None, dtype: Any = None, *, ddof: Any = 0, keepdims: bool = False, where: Any = True,
    mean: Any = None, correction: Any = None,
) -> Any:  # fmt: skip
    """Return the mean of the squared distance from the mean, as `numpy.var`."""
    a, ddof = _in(a, dtype), ddof if correction is None else correction
    if where is True and mean is None and isinstance(ddof, (int, np.integer)):
        return c.var(a, axis, ddof=int(ddof), keepdims=keepdims)
    middle = _mean(a, axis, keepdims=True, where=where) if mean is None else mean
    squares = _only((a - middle) ** 2, where, 0.0)
    count = _number(a, where, axis, keepdims) - ddof
    count = np.maximum(count, 0) if isinstance(count, (int, float)) else c.maximum(count, 0.0)
    return c.divide(c.sum(squares, axis, keepdims=keepdims), count)


_mean = mean


def std(a: Any, axis: Axis = None, dtype: Any = None, **keywords: Any) -> Any:
    """Return the square root of `var`, as `numpy.std`."""
    if keywords.keys() <= {"ddof", "keepdims"} and isinstance(keywords.get("ddof", 0), (int, np.integer)):
        return c.std(_in(a, dtype), axis, **keywords)
    return p.sqrt(var(a, axis, dtype, **keywords))


def any_of(a: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Return whether an entry over `axis` is true, as `numpy.any`."""
    return c.any_of(a if where is True else c.logical_and(c.truth(a), where), axis, keepdims=keepdims)


def all_of(a: Any, axis: Axis = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Return whether all entries over `axis` are true, as `numpy.all`."""
    excused = a if where is True else c.logical_or(c.truth(a), c.logical_not(np.asarray(where)))
    return c.all_of(excused, axis, keepdims=keepdims)


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Count the entries over `axis` that are not 0, as `numpy.count_nonzero`."""
    return c.sum(c.truth(a), axis, keepdims=keepdims)


def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """Return the mean of the entries times their weights, as `numpy.average`; with `returned` their sum too."""
    a = a if hasattr(a, "shape") else np.asarray(a)
    weights = weights if weights is None or hasattr(weights, "shape") else np.asarray(weights)
    made = k.average(a, axis, weights, keepdims=keepdims)
    if not returned:
        return made
    if weights is None:
        return made, np.full(shape_of(made), _number(a, True, axis, keepdims), a.dtype)
    total = c.sum(c.broadcast_to(k.beside(weights, a, axis), shape_of(a)), axis, keepdims=keepdims)
    return made, c.broadcast_to(total, shape_of(made))


# ---- without what is no number -----------------------------------------------------------------------------


def _is_nan(a: Any) -> Any:
    return p.not_equal(a, a)


def _without_nan(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    """Return a reduction that leaves nans out as if by ``where=``."""

    def call(a: Any, axis: Axis = None, **keywords: Any) -> Any:
        known = p.equal(a, a)
        where = keywords.pop("where", True)
        keywords["where"] = known if where is True else c.logical_and(known, where)
        return function(p.where(known, a, 0.0), axis, **keywords)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    return call


nansum = _without_nan(sum, "nansum", "Sum what is no nan, as `numpy.nansum`.")
nanprod = _without_nan(prod, "nanprod", "Multiply what is no nan, as `numpy.nanprod`.")
nanmean = _without_nan(mean, "nanmean", "Average what is no nan, as `numpy.nanmean`.")
nanvar = _without_nan(var, "nanvar", "Return the variance of what is no nan, as `numpy.nanvar`.")
nanstd = _without_nan(std, "nanstd", "Return the standard deviation of what is no nan, as `numpy.nanstd`.")


def nanmax(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the largest entry that is no nan, as `numpy.nanmax`; nan where there is none."""
    made = max(p.where(_is_nan(a), -np.inf, a), axis, keepdims=keepdims, initial=initial)
    return p.where(c.all_of(_is_nan(a), axis, keepdims=keepdims), np.nan if initial is None else made, made)


def nanmin(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None) -> Any:
    """Return the smallest entry that is no nan, as `numpy.nanmin`; nan where there is none."""
    made = min(p.where(_is_nan(a), np.inf, a), axis, keepdims=keepdims, initial=initial)
    return p.where(c.all_of(_is_nan(a), axis, keepdims=keepdims), np.nan if initial is None else made, made)


def over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """Reduce by a function over one axis after the other, keeping them, as `numpy.apply_over_axes`."""
    ndim = len(shape_of(a))
    for axis in axes if isinstance(axes, (list, tuple)) else [axes]:
        made = func(a, axis)
        a = made if len(shape_of(made)) == ndim else c.expand_dims(made, axis % ndim)
    return a


# ---- how columns vary together -----------------------------------------------------------------------------


def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """Return the covariance of variables, one a row, as `numpy.cov`."""
    x = _variables(m, rowvar, dtype)
    if y is not None:
        x = c.concatenate([x, _variables(y, rowvar, dtype)], 0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    n = shape_of(x)[1]
    if fweights is None and aweights is None:
        weights: Any = None
        factor: Any = float(n - ddof)
        centred = x - c.mean(x, 1, keepdims=True)
    else:
        weights = np.ones(n) if fweights is None else np.asarray(fweights, float)
        if aweights is not None:
            weights = weights * (aweights if hasattr(aweights, "__primitive__") else np.asarray(aweights, float))
        total = c.sum(weights)
        centred = x - c.divide(c.sum(x * weights, 1, keepdims=True), total)
        lost = 0.0 if ddof == 0 else ddof if aweights is None else (
            c.divide(ddof * c.sum(weights * aweights), total)
        )  # fmt: skip
        factor = total - lost
    scaled = centred if weights is None else centred * weights
    product = c.matmul(scaled, c.transpose(centred))
    made = c.divide(product, factor)
    return c.squeeze(made)


def _variables(m: Any, rowvar: bool, dtype: Any) -> Any:
    m = m if hasattr(m, "__primitive__") else np.asarray(m)
    x = _in(m, np.result_type(m.dtype, np.float64) if dtype is None else dtype)
    if len(shape_of(x)) < 2:
        return c.reshape(x, (1, -1))
    return x if rowvar or shape_of(x)[0] == 1 else c.transpose(x)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Return the correlation of variables, one a row, as `numpy.corrcoef`."""
    made = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(made):
        return c.divide(made, made)
    n = shape_of(made)[0]
    size = p.sqrt(p.gather(made, index=(np.arange(n), np.arange(n))))
    made = c.divide(c.divide(made, c.reshape(size, (-1, 1))), size)
    return c.clip(made, -1.0, 1.0)
