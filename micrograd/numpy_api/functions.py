"""Look up NumPy's functions among the composites: how `np.sum(t, axis=0)` finds its way into the graph.

`UFUNCS` and `FUNCTIONS` are looked up by the tensor's ``__array_ufunc__`` and ``__array_function__``.  What is not
here is refused by name, with what to write instead: a computation that left the graph unnoticed would
lose its gradient silently.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import GraphError
from micrograd.modes import capturing, current
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import contractions as k
from micrograd.numpy_api import linalg as l
from micrograd.numpy_api import ordering as o
from micrograd.numpy_api import rearrange as a_
from micrograd.numpy_api import reductions as r
from micrograd.numpy_api import signals as s
from micrograd.numpy_api.scipy import of_scipy

__all__ = [
    "CONSTANT", "FUNCTIONS", "METHODS", "PROTOCOLS", "SEQUENCES", "UFUNCS", "call_function", "call_ufunc",
    "named_arguments", "no_length", "recorded", "reduced", "refusal", "spelled",
]  # fmt: skip

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    **{
        getattr(np, row.array): row
        for row in p.TABLE.values()
        if row.kind == "map" and isinstance(getattr(np, row.array, None), np.ufunc)
    },
    np.divide: c.divide,
    np.power: c.power,
    np.float_power: c.float_power,
    np.square: lambda x: c.power(x, 2),
    np.positive: lambda x: x,
    np.fabs: lambda x: p.abs(x if x.dtype.kind == "f" else p.cast(x, dtype=np.fabs(np.zeros(1, x.dtype)).dtype.name)),
    np.rad2deg: p.degrees,
    np.deg2rad: p.radians,
    np.maximum: c.maximum,
    np.minimum: c.minimum,
    np.fmax: c.between(p.fmax),
    np.fmin: c.between(p.fmin),
    np.divmod: c.divided,
    np.modf: c.parted,
    np.ldexp: c.scaled,
    np.matmul: c.matmul,
    np.vecdot: k.vecdot,
    np.conjugate: lambda x: x,
}  # type: ignore[dict-item, unused-ignore]
"""The rows that are ufuncs of NumPy, and what is composed of rows."""

LOGIC: dict[np.ufunc, Callable[..., Any]] = {
    np.logical_and: c.logical_and,
    np.logical_or: c.logical_or,
    np.logical_xor: c.logical_xor,
    np.logical_not: c.logical_not,
    np.bitwise_and: c.bitwise(c.logical_and),
    np.bitwise_or: c.bitwise(c.logical_or),
    np.bitwise_xor: c.bitwise(c.logical_xor),
    np.invert: c.bitwise(c.logical_not),
}
"""Functions of truth values, through which no gradient flows; a trace leaves them to NumPy."""

_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: c.sum, np.maximum: c.amax, np.minimum: c.amin, np.multiply: k.prod, np.logical_or: c.any_of,
    np.logical_and: c.all_of,
}  # fmt: skip

a_.STATISTICS["median"] = o.median

_SCANS: dict[np.ufunc, p.Primitive] = {
    np.add: p.cumsum, np.multiply: p.cumprod, np.maximum: p.cummax, np.minimum: p.cummin,
}  # fmt: skip


# ---- what is refused ---------------------------------------------------------------------------------------

_NEAREST = {
    "eig": "np.linalg.eigh for a symmetric matrix",
    "eigvals": "np.linalg.eigvalsh for a symmetric matrix",
    "as_strided": "np.lib.stride_tricks.sliding_window_view, or an index",
    "histogram": "comparisons and np.sum",
}
_NEAREST_MODULE = {
    "ma": "np.where, with a number of your choice where the mask is",
    "fft": "a product with the matrix of the transform",
}
_GENERAL = (
    "+ - * / ** @, np.exp, np.log, np.sqrt, np.tanh, np.abs, np.maximum, np.where, np.sum, np.mean, np.max, np.dot, "
    "np.einsum, indexing and loops"
)


def refusal(called: Any, method: str = "") -> str:
    """Say why a call of a NumPy function is refused, and what to write in its place."""
    name = spelled(called)
    nearest = _NEAREST_MODULE.get(name.split(".")[1]) or _NEAREST.get(name.split(".")[-1])
    use = f"use {nearest}" if nearest else f"write it with {_GENERAL}"
    return (f"{name}{'.' * bool(method)}{method} has no rule to differentiate it by, so its gradient would be lost; "
            f"{use}.")  # fmt: skip


def spelled(called: Any) -> str:
    """Spell a function as the user calls it: ``np.linalg.inv``."""
    name = getattr(called, "__name__", str(called))
    if getattr(np, name, None) is called:
        return f"np.{name}"
    special = sys.modules.get("scipy.special")
    if special is not None and getattr(special, name, None) is called:
        return f"scipy.special.{name}"
    module = str(getattr(called, "__module__", None) or "numpy")
    part = module.split(".")[1] if module.startswith("numpy.") else ""
    return f"np.{part}.{name}" if part in ("fft", "linalg", "ma", "random") else f"np.{name}"


# ---- rows ---------------------------------------------------------------------------------------------------


def _shape_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function that reads shape and dtype only: it returns a plain array."""

    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        return function(a.raw if hasattr(a, "__primitive__") else a, *args, **kwargs)

    return call


def _values(x: Any, name: str) -> Any:
    """Replace tensors, also in lists and tuples, by their values."""
    if isinstance(x, (list, tuple)):
        return type(x)([_values(item, name) for item in x])
    return c.values_of(x, name) if hasattr(x, "__primitive__") else x


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function of the values through which no gradient flows: it returns a plain array."""
    name = f"{spelled(function)}()"

    def call(*args: Any, **kwargs: Any) -> Any:
        if capturing() is not None and (made := o.captured(function, args, kwargs)) is not None:
            return made
        known = {key: _values(value, name) for key, value in kwargs.items()}
        return function(*(_values(a, name) for a in args), **known)

    return call


def _same(a: Any, *_: Any, **__: Any) -> Any:
    return a


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    # reductions
    np.sum: r.sum,
    np.prod: r.prod,
    np.mean: r.mean,
    np.var: r.var,
    np.std: r.std,
    np.max: r.max,
    np.amax: r.max,
    np.min: r.min,
    np.amin: r.min,
    np.ptp: r.ptp,
    np.average: r.average,
    np.any: r.any_of,
    np.all: r.all_of,
    np.count_nonzero: r.count_nonzero,
    np.nansum: r.nansum,
    np.nanprod: r.nanprod,
    np.nanmean: r.nanmean,
    np.nanvar: r.nanvar,
    np.nanstd: r.nanstd,
    np.nanmax: r.nanmax,
    np.nanmin: r.nanmin,
    np.cov: r.cov,
    np.corrcoef: r.corrcoef,
    # order
    np.sort: o.sort,
    np.partition: o.partition,
    np.median: o.median,
    np.quantile: o.quantile,
    np.percentile: o.percentile,
    np.nanmedian: o.nanmedian,
    np.nanquantile: o.nanquantile,
    np.nanpercentile: o.nanpercentile,
    np.unique: o.unique,
    np.union1d: o.union1d,
    np.intersect1d: o.intersect1d,
    np.setdiff1d: o.setdiff1d,
    np.setxor1d: o.setxor1d,
    # choices
    np.where: p.where,
    np.select: a_.select,
    np.choose: a_.choose,
    np.clip: lambda a, a_min=None, a_max=None, *, min=None, max=None: c.clip(  # noqa: A006 - NumPy's names
        a,
        *(
            np.asarray(v) if isinstance(v, np.generic) else v
            for v in (min if a_min is None else a_min, max if a_max is None else a_max)
        ),
    ),
    np.nan_to_num: c.nan_to_num,
    np.take: a_.take,
    np.take_along_axis: a_.take_along_axis,
    np.compress: a_.compress,
    np.extract: a_.extract,
    np.bincount: a_.bincount,
    np.histogram: a_.histogram,
    np.tril: a_.tril,
    np.triu: a_.triu,
    # other shapes
    np.reshape: lambda a, shape: c.reshape(a, shape),
    np.ravel: lambda a: c.reshape(a, -1),
    np.transpose: lambda a, axes=None: c.transpose(a, axes),
    np.matrix_transpose: lambda x: c.swapaxes(x, -1, -2),
    np.swapaxes: lambda a, axis1, axis2: c.swapaxes(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: c.moveaxis(a, source, destination),
    np.rollaxis: a_.rollaxis,
    np.expand_dims: lambda a, axis: c.expand_dims(a, axis),
    np.squeeze: lambda a, axis=None: c.squeeze(a, axis),
    np.broadcast_to: lambda array, shape: c.broadcast_to(array, shape),
    np.broadcast_arrays: a_.broadcast_arrays,
    np.meshgrid: a_.meshgrid,
    np.atleast_1d: lambda *arys: _each(arys, 1),
    np.atleast_2d: lambda *arys: _each(arys, 2),
    np.atleast_3d: lambda *arys: _each(arys, 3),
    np.resize: a_.resize,
    # put together, taken apart, in another order
    np.concatenate: a_.concatenate,
    np.stack: a_.stack,
    np.hstack: a_.hstack,
    np.vstack: a_.vstack,
    getattr(np, "row_stack", np.vstack): a_.vstack,  # an alias that goes
    np.dstack: a_.dstack,
    np.column_stack: a_.column_stack,
    np.block: a_.block,
    np.append: a_.append,
    np.insert: a_.insert,
    np.delete: a_.delete,
    np.split: a_.split,
    np.array_split: a_.array_split,
    np.hsplit: lambda ary, parts: a_.split(ary, parts, 0 if len(ary.shape) == 1 else 1),
    np.vsplit: lambda ary, parts: a_.split(ary, parts, 0),
    np.dsplit: lambda ary, parts: a_.split(ary, parts, 2),
    np.repeat: a_.repeat,
    np.tile: a_.tile,
    np.roll: a_.roll,
    np.flip: a_.flip,
    np.fliplr: lambda m: a_.flip(m, 1),
    np.flipud: lambda m: a_.flip(m, 0),
    np.rot90: lambda m, k=1, axes=(0, 1): a_.rearranged(m, lambda at: np.rot90(at, k, axes)),
    np.pad: a_.pad,
    np.trim_zeros: a_.trim_zeros,
    np.fft.fftshift: a_.fftshift,
    np.fft.ifftshift: lambda x, axes=None: a_.fftshift(x, axes, inverse=True),
    np.sinc: p.sinc,
    np.round: c.rounded,
    np.around: c.rounded,
    np.fix: p.trunc,
    np.diagonal: a_.diagonal,
    np.diag: a_.diag,
    np.diagflat: a_.diagflat,
    np.trace: a_.trace,
    # samples of a function
    np.linspace: s.linspace,
    np.logspace: s.logspace,
    np.geomspace: s.geomspace,
    np.diff: s.diff,
    np.ediff1d: s.ediff1d,
    np.gradient: s.gradient,
    np.trapezoid: s.trapezoid,
    np.interp: s.interp,
    np.unwrap: s.unwrap,
    np.convolve: s.convolve,
    np.correlate: s.correlate,
    np.lib.stride_tricks.sliding_window_view: s.windows,
    np.polyval: s.polyval,
    np.polyadd: s.polyadd,
    np.polysub: s.polysub,
    np.polymul: s.polymul,
    np.polyder: s.polyder,
    np.polyint: s.polyint,
    np.polyfit: s.polyfit,
    np.vander: s.vander,
    np.apply_over_axes: r.over_axes,
    # products
    np.dot: k.dot,
    np.vdot: lambda a, b: k.inner(c.reshape(a, -1), c.reshape(b, -1)),
    np.inner: k.inner,
    np.outer: k.outer,
    np.cross: k.cross,
    np.kron: k.kron,
    np.tensordot: k.tensordot,
    np.einsum: k.einsum,
    # scans
    np.cumsum: k.scanned(p.cumsum),
    np.cumprod: k.scanned(p.cumprod),
    np.nancumsum: lambda a, axis=None: k.scanned(p.cumsum)(p.where(p.isnan(a), 0.0, a), axis),
    np.nancumprod: lambda a, axis=None: k.scanned(p.cumprod)(p.where(p.isnan(a), 1.0, a), axis),
    # linear algebra
    np.linalg.inv: l.inv,
    np.linalg.solve: l.solve,
    np.linalg.tensorsolve: l.tensorsolve,
    np.linalg.tensorinv: l.tensorinv,
    np.linalg.det: l.det,
    np.linalg.slogdet: l.slogdet,
    np.linalg.cholesky: l.cholesky,
    np.linalg.eigh: l.eigh,
    np.linalg.eigvalsh: l.eigvalsh,
    np.linalg.svd: l.svd,
    np.linalg.svdvals: l.svdvals,
    np.linalg.qr: l.qr,
    np.linalg.pinv: l.pinv,
    np.linalg.lstsq: l.lstsq,
    np.linalg.norm: l.norm,
    np.linalg.vector_norm: l.vector_norm,
    np.linalg.matrix_norm: l.matrix_norm,
    np.linalg.cond: l.cond,
    np.linalg.matrix_power: l.matrix_power,
    np.linalg.multi_dot: l.multi_dot,
    np.linalg.matmul: c.matmul,
    np.linalg.tensordot: k.tensordot,
    np.linalg.outer: l.outer,
    np.linalg.cross: l.cross,
    np.linalg.vecdot: l.vecdot,
    np.linalg.matrix_transpose: lambda x: c.swapaxes(x, -1, -2),
    np.linalg.diagonal: l.diagonal,
    np.linalg.trace: l.trace,
    # what an array is
    np.copy: _same,
    np.real: _same,
    np.real_if_close: _same,
    np.astype: lambda x, dtype, *, copy=True: x.astype(dtype),
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.zeros_like: _shape_only(np.zeros_like),
    np.ones_like: _shape_only(np.ones_like),
    np.full_like: _shape_only(np.full_like),
    np.empty_like: _shape_only(np.empty_like),
    np.imag: _shape_only(np.imag),
    np.isreal: _shape_only(np.isreal),
    np.iscomplex: _shape_only(np.iscomplex),
    np.tril_indices_from: _shape_only(np.tril_indices_from),
    np.triu_indices_from: _shape_only(np.triu_indices_from),
    np.diag_indices_from: _shape_only(np.diag_indices_from),
}
"""ONE row per function of NumPy: how it is composed, under NumPy's names of the arguments."""

_NEWER_THAN_2_0: dict[str, Callable[..., Any]] = {
    "cumulative_prod": k.cumulative(p.cumprod, 1.0), "cumulative_sum": k.cumulative(p.cumsum, 0.0),
    "unstack": a_.unstack, "matvec": k.matvec, "vecmat": k.vecmat,
}  # fmt: skip
"""Functions that the oldest NumPy which this package takes has not: rows where NumPy has them."""

for _name, _row in _NEWER_THAN_2_0.items():
    if (_newer := getattr(np, _name, None)) is not None:
        (UFUNCS if isinstance(_newer, np.ufunc) else FUNCTIONS)[_newer] = _row


def _each(arrays: tuple[Any, ...], ndim: int) -> Any:
    made = tuple(a_.atleast(a, ndim) for a in arrays)
    return made[0] if len(made) == 1 else made


CONSTANT: frozenset[Callable[..., Any]] = frozenset({
    *(np.all, np.allclose, np.angle, np.any, np.argmax, np.argmin, np.argpartition, np.argsort, np.argwhere),
    *(np.array2string, np.array_equal, np.array_equiv, np.array_repr, np.array_str, np.common_type, np.count_nonzero),
    *(np.digitize, np.empty_like, np.flatnonzero, np.imag, np.iscomplex, np.iscomplexobj, np.isclose, np.isin),
    *(np.isneginf, np.isreal, np.tril_indices_from, np.triu_indices_from, np.diag_indices_from),
    *(np.isposinf, np.isrealobj, np.lexsort, np.linalg.matrix_rank, np.nanargmax, np.nanargmin, np.nonzero),
    *(np.ones_like, np.result_type, np.searchsorted, np.zeros_like),
})  # fmt: skip
"""Functions whose results have no gradient: places, truth values, rounded numbers. NumPy computes them."""

for _function in CONSTANT:
    FUNCTIONS.setdefault(_function, _of_values(_function))

_CAPTURED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.isclose: c.isclose,
    np.allclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: c.all_of(c.isclose(a, b, rtol, atol, equal_nan)),
    np.array_equal: c.array_equal,
    np.isposinf: lambda x: c.infinite(x, negative=False),
    np.isneginf: lambda x: c.infinite(x, negative=True),
    np.angle: lambda z, deg=False: (p.degrees if deg else np.positive)(p.arctan2(np.zeros(()), z)),
    np.searchsorted: o.searchsorted,
    np.digitize: o.digitize,
}
"""How a captured call computes functions without a gradient, of values that it does not have."""


def _unless_captured(composed: Callable[..., Any], by_values: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return (by_values if capturing() is None else composed)(*args, **kwargs)

    return call


for _function, _composed in _CAPTURED.items():
    FUNCTIONS[_function] = _unless_captured(_composed, FUNCTIONS[_function])

SEQUENCES: frozenset[Callable[..., Any]] = frozenset({
    *(np.block, np.broadcast_arrays, np.choose, np.column_stack, np.concatenate, np.dstack, np.einsum, np.hstack),
    *(np.lexsort, np.linalg.multi_dot, np.meshgrid, np.select, np.stack, np.vstack),
    getattr(np, "row_stack", np.vstack),
})  # fmt: skip
"""Functions that take a sequence of arrays, where others take one array."""


# ---- how arguments are given -------------------------------------------------------------------------------

_KEYWORDS = {"out", "where", "dtype", "casting", "order", "initial", "subok"}


@functools.cache
def _parameters(function: Callable[..., Any]) -> tuple[dict[str, Any], tuple[str, ...], int]:
    """Return the defaults of a function of NumPy's, its parameters that have a position, and how many have no name."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}, (), 0
    defaults = {one.name: one.default for one in found if one.default is not one.empty}
    if any(one.kind is one.VAR_POSITIONAL for one in found):
        return defaults, (), 0
    names = tuple(one.name for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD))
    return defaults, names, sum(one.kind is one.POSITIONAL_ONLY for one in found)


@functools.cache
def _accepted(composed: Callable[..., Any]) -> frozenset[str] | None:
    """Return the names of the keywords that a composition takes; None for any."""
    found = inspect.signature(composed).parameters.values()
    return None if any(one.kind is one.VAR_KEYWORD for one in found) else frozenset(one.name for one in found)


def named_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with those named that follow the second, and without those left at their default.

    ``np.sum(x, 0, None, None, True)`` and ``np.sum(x, axis=0, keepdims=True)`` are one call then.
    """
    defaults, names, unnamed = _parameters(function)
    start = max(2, unnamed)
    if names and start < len(args) <= len(names):
        args, kwargs = args[:start], {**dict(zip(names[start:], args[start:], strict=False)), **kwargs}
    return args, {key: value for key, value in kwargs.items() if key not in defaults or value is not defaults[key]}


def _refuse_keywords(name: str, kwargs: dict[str, Any], harmless: dict[str, Any]) -> dict[str, Any]:
    for key, value in list(kwargs.items()):
        if key in harmless and value is harmless[key]:
            del kwargs[key]
        elif key in _KEYWORDS:
            raise GraphError(f"np.{name}: {key}= is not supported on graph values; leave it out.")
    return kwargs


def call_ufunc(ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Apply a NumPy ufunc to tensors through its primitive."""
    name = ufunc.__name__
    if kwargs.get("out") is not None:
        raise GraphError(
            f"np.{name}: out= is not supported on graph values (a plain array cannot hold a tensor in place). "
            "Write `a = a + t` for `a += t`."
        )
    _refuse_keywords(name, kwargs, {"where": True, "out": None})
    if method == "__call__" and ufunc in UFUNCS:
        return UFUNCS[ufunc](*inputs, **kwargs)
    if method == "__call__" and ufunc in LOGIC:
        return LOGIC[ufunc](*inputs, **kwargs)
    if method == "__call__" and not kwargs and (scipys := of_scipy(ufunc)) is not None:
        return scipys(*inputs)
    if method == "reduce" and ufunc in _REDUCTIONS:
        _refuse_keywords(f"{name}.reduce", kwargs, {"dtype": None, "out": None})
        return _REDUCTIONS[ufunc](inputs[0], kwargs.pop("axis", 0), **kwargs)
    if method == "accumulate" and ufunc in UFUNCS and ufunc.nin == 2:
        _refuse_keywords(f"{name}.accumulate", kwargs, {"dtype": None, "out": None})
        scan = k.scanned(_SCANS[ufunc]) if ufunc in _SCANS else k.accumulated(UFUNCS[ufunc])
        return scan(inputs[0], kwargs.pop("axis", 0), **kwargs)
    raise GraphError(refusal(ufunc, "" if method == "__call__" else method))


def call_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply one of NumPy's functions to tensors through its primitives."""
    if function not in FUNCTIONS:
        raise GraphError(refusal(function))
    composed = FUNCTIONS[function]
    if kwargs or len(args) > 2:
        args, kwargs = named_arguments(function, args, kwargs)
        accepted = _accepted(composed)
        for key in kwargs:
            if accepted is not None and key not in accepted and key in _KEYWORDS:
                raise GraphError(f"{spelled(function)}: {key}= is not supported on graph values; leave it out.")
    try:
        return composed(*args, **kwargs)
    except TypeError as error:
        if "unexpected keyword" in str(error) or "positional argument" in str(error):
            raise GraphError(f"{spelled(function)} on graph values: {str(error).split('() ')[-1]}") from None
        raise


# ---- methods of arrays -------------------------------------------------------------------------------------


def reduced(short: Callable[..., Any], whole: Callable[..., Any], x: Any, axis: Any, **keywords: Any) -> Any:
    """Reduce by the composite, or with NumPy's other keywords by what stands for NumPy's function."""
    if keywords.keys() <= {"keepdims", "ddof"}:
        return short(x, axis, **keywords)
    return call_function(whole, (x, axis), keywords)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call_function(function, (self, *args), kwargs)

    call.__doc__ = f"See `numpy.{function.__name__}`."
    return call


METHODS: dict[str, Callable[..., Any]] = {
    **{name: _method(getattr(np, name)) for name in (
        *("argmax", "argmin", "argpartition", "argsort", "choose", "cumprod", "cumsum", "diagonal", "nonzero", "prod"),
        *("repeat", "round", "searchsorted", "take", "trace"),
    )},
    "compress": lambda self, condition, axis=None: call_function(np.compress, (condition, self, axis), {}),
    "conj": lambda self: self,
    "conjugate": lambda self: self,
}  # fmt: skip
"""Methods of an array, by name, that do what NumPy's function of that name does."""


# ---- other libraries ---------------------------------------------------------------------------------------

_SAME_IN_NUMPY = {"bmm": "matmul", "cat": "concatenate", "mm": "matmul", "mul": "multiply", "sub": "subtract"}


def recorded(write: str) -> str:
    """Say what a trace takes, after "only"."""
    return f"what NumPy computes is recorded. Write {write}; convert arrays of other libraries first, with np.asarray."


def _not_theirs(library: str, write: str, convert: str) -> str:
    """Say why a function of another library cannot take a tensor or a traced array, and what to write instead."""
    if (mode := current()) is not None and mode.sealed:
        return f"{library} cannot take a traced array: only {recorded(write)}"
    return f"{library} cannot take a tensor of micrograd. Write {write}, or give it the values: {convert}."


def _instead_of(called: str) -> str:
    """Name the NumPy function that does what a function of another library does, where there is one."""
    name = called.strip("_").removeprefix("linalg_")
    name = _SAME_IN_NUMPY.get(name, name)
    for found in (getattr(np, name, None), getattr(np.linalg, name, None)):
        if callable(found) and (found in UFUNCS or found in FUNCTIONS):
            return spelled(found)
    return "it with NumPy's functions (relu, softmax and the like are in mg.functional)"


def _refuse_torch(_: Any, function: Any, *__: Any, **___: Any) -> Any:
    """Refuse a call of a function of PyTorch: this is its protocol for the arrays of others."""
    name = getattr(function, "__name__", "function").strip("_")
    raise GraphError(_not_theirs(f"PyTorch's {name}", _instead_of(name), "torch.tensor(t.data)"))


def _refuse_jax(_: Any) -> Any:
    """Refuse to become an array of JAX, which looks whether there is this method."""
    raise GraphError(_not_theirs("JAX", "NumPy's function of that name, np.exp for jnp.exp", "jnp.asarray(t.data)"))


def no_length() -> str:
    """Say that a tensor without axes has no length; PyTorch asks for it when it copies a tensor."""
    said = "len() of a tensor without axes (shape ())"
    if "torch" not in sys.modules:
        return said
    return f"{said}. If PyTorch asks: {_not_theirs('PyTorch', _instead_of(''), 'torch.tensor(t.data)')}"


PROTOCOLS: dict[str, Any] = {"__torch_function__": classmethod(_refuse_torch), "__jax_array__": property(_refuse_jax)}
"""What other libraries ask of an array: each refuses in words, where their own error would name a type."""
