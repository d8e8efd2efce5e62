"""Look up NumPy's functions among the composites: how `np.sum(t, axis=0)` finds its way into the graph.

`UFUNCS` and `FUNCTIONS` are looked up by the tensor's ``__array_ufunc__`` and ``__array_function__``.  What is not
here is refused by name, with the list of what is: a computation that left the graph unnoticed would
lose its gradient silently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import GraphError
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import contractions as k
from micrograd.numpy_api import rearrange as a_

__all__ = ["FUNCTIONS", "UFUNCS", "call_function", "call_ufunc"]

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
    np.fabs: p.abs,
    np.rad2deg: p.degrees,
    np.deg2rad: p.radians,
    np.maximum: c.maximum,
    np.minimum: c.minimum,
    np.fmax: c.between(p.fmax),
    np.fmin: c.between(p.fmin),
    np.divmod: c.divided,
    np.matmul: c.matmul,
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


_SCANS: dict[np.ufunc, p.Primitive] = {
    np.add: p.cumsum, np.multiply: p.cumprod, np.maximum: p.cummax, np.minimum: p.cummin,
}  # fmt: skip


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, *, keepdims: bool = False, ddof: int | None = None) -> Any:
        extra = {} if ddof is None else {"ddof": ddof}
        return function(a, axis, keepdims=bool(keepdims), **extra)

    return call


def _shape_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function that reads shape and dtype only: it returns a plain array."""

    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        return function(a.raw if hasattr(a, "__primitive__") else a, *args, **kwargs)

    return call


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function of the values through which no gradient flows: it returns a plain array."""

    def call(a: Any, *args: Any, **kwargs: Any) -> Any:
        if (capture := capturing()) is not None:
            capture.refuse(f"np.{function.__name__}() of a tensor", "return the tensor and look at its values outside")
        return function(a.data, *args, **kwargs)

    return call


FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sum: _reduction(c.sum),
    np.mean: _reduction(c.mean),
    np.var: _reduction(c.var),
    np.std: _reduction(c.std),
    np.max: _reduction(c.amax),
    np.amax: _reduction(c.amax),
    np.min: _reduction(c.amin),
    np.amin: _reduction(c.amin),
    np.any: _reduction(c.any_of),
    np.all: _reduction(c.all_of),
    np.count_nonzero: _reduction(lambda a, axis, **more: c.sum(c.truth(a), axis, **more)),
    np.dot: c.dot,
    np.clip: lambda a, a_min=None, a_max=None, *, min=None, max=None: c.clip(  # noqa: A006 - NumPy's names
        a, min if a_min is None else a_min, max if a_max is None else a_max
    ),
    np.where: p.where,
    np.reshape: lambda a, shape: c.reshape(a, shape),
    np.ravel: lambda a: c.reshape(a, -1),
    np.transpose: lambda a, axes=None: c.transpose(a, axes),
    np.swapaxes: lambda a, axis1, axis2: c.swapaxes(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: c.moveaxis(a, source, destination),
    np.expand_dims: lambda a, axis: c.expand_dims(a, axis),
    np.squeeze: lambda a, axis=None: c.squeeze(a, axis),
    np.broadcast_to: lambda array, shape: c.broadcast_to(array, shape),
    np.concatenate: lambda arrays, axis=0: c.concatenate(arrays, axis),
    np.stack: lambda arrays, axis=0: c.stack(arrays, axis),
    np.hstack: lambda tup: a_.hstack(tup),
    np.vstack: lambda tup: a_.vstack(tup),
    np.dstack: lambda tup: a_.dstack(tup),
    np.column_stack: lambda tup: a_.column_stack(tup),
    np.append: a_.append,
    np.insert: a_.insert,
    np.delete: a_.delete,
    np.split: a_.split,
    np.array_split: a_.array_split,
    np.hsplit: lambda ary, parts: a_.split(ary, parts, 0 if len(ary.shape) == 1 else 1),
    np.vsplit: lambda ary, parts: a_.split(ary, parts, 0),
    np.repeat: a_.repeat,
    np.tile: a_.tile,
    np.roll: a_.roll,
    np.rollaxis: a_.rollaxis,
    np.flip: a_.flip,
    np.fliplr: lambda m: a_.flip(m, 1),
    np.flipud: lambda m: a_.flip(m, 0),
    np.rot90: lambda m, k=1, axes=(0, 1): a_.rearranged(m, lambda at: np.rot90(at, k, axes)),
    np.pad: a_.pad,
    np.take: a_.take,
    np.take_along_axis: a_.take_along_axis,
    np.sort: a_.sort,
    np.sinc: p.sinc,
    np.round: c.rounded,
    np.around: c.rounded,
    np.fix: p.trunc,
    np.diagonal: a_.diagonal,
    np.diag: a_.diag,
    np.trace: a_.trace,
    np.tril: a_.tril,
    np.triu: a_.triu,
    np.diff: a_.diff,
    np.atleast_1d: lambda a: a_.atleast(a, 1),
    np.atleast_2d: lambda a: a_.atleast(a, 2),
    np.atleast_3d: lambda a: a_.atleast(a, 3),
    np.einsum: lambda subscripts, *operands, optimize=None: k.einsum(subscripts, *operands),
    np.tensordot: k.tensordot,
    np.outer: k.outer,
    np.inner: k.inner,
    np.vdot: lambda a, b: k.inner(c.reshape(a, -1), c.reshape(b, -1)),
    np.cumsum: k.scanned(p.cumsum),
    np.cumprod: k.scanned(p.cumprod),
    np.nancumsum: lambda a, axis=None: k.scanned(p.cumsum)(p.where(p.isnan(a), 0.0, a), axis),
    np.nancumprod: lambda a, axis=None: k.scanned(p.cumprod)(p.where(p.isnan(a), 1.0, a), axis),
    np.cumulative_sum: k.cumulative(p.cumsum, 0.0),
    np.cumulative_prod: k.cumulative(p.cumprod, 1.0),
    np.prod: _reduction(k.prod),
    np.ptp: _reduction(lambda a, axis, **more: c.amax(a, axis, **more) - c.amin(a, axis, **more)),
    np.average: lambda a, axis=None, weights=None, *, keepdims=False: k.average(a, axis, weights, keepdims=keepdims),
    np.linalg.norm: k.norm,
    np.copy: lambda a: a,
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.zeros_like: _shape_only(np.zeros_like),
    np.ones_like: _shape_only(np.ones_like),
    np.full_like: _shape_only(np.full_like),
    np.empty_like: _shape_only(np.empty_like),
    np.argmax: _of_values(np.argmax),
    np.argmin: _of_values(np.argmin),
}


def _available() -> str:
    known: list[Any] = [*UFUNCS, *LOGIC, *FUNCTIONS]
    return ", ".join(sorted({f.__name__ for f in known}))


def _refuse_keywords(name: str, kwargs: dict[str, Any], harmless: dict[str, Any]) -> dict[str, Any]:
    for key, value in list(kwargs.items()):
        if key in harmless and value is harmless[key]:
            del kwargs[key]
        elif key in ("out", "where", "dtype", "casting", "order", "initial", "subok"):
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
    if method == "reduce" and ufunc in _REDUCTIONS:
        _refuse_keywords(f"{name}.reduce", kwargs, {"dtype": None, "out": None})
        return _REDUCTIONS[ufunc](inputs[0], kwargs.pop("axis", 0), **kwargs)
    if method == "accumulate" and ufunc in UFUNCS and ufunc.nin == 2:
        _refuse_keywords(f"{name}.accumulate", kwargs, {"dtype": None, "out": None})
        scan = k.scanned(_SCANS[ufunc]) if ufunc in _SCANS else k.accumulated(UFUNCS[ufunc])
        return scan(inputs[0], kwargs.pop("axis", 0), **kwargs)
    spelled = name if method == "__call__" else f"{name}.{method}"
    raise GraphError(f"np.{spelled} is not a micrograd primitive; available: {_available()}.")


def call_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply one of NumPy's functions to tensors through its primitives."""
    name = getattr(function, "__name__", str(function))
    if function not in FUNCTIONS:
        raise GraphError(f"np.{name} is not a micrograd primitive; available: {_available()}.")
    _refuse_keywords(name, kwargs, {"out": None, "dtype": None, "where": np._NoValue, "initial": np._NoValue})
    if kwargs.get("keepdims") is np._NoValue:
        del kwargs["keepdims"]
    try:
        return FUNCTIONS[function](*args, **kwargs)
    except TypeError as error:
        if "unexpected keyword" in str(error) or "positional argument" in str(error):
            raise GraphError(f"np.{name} on graph values: {str(error).split('() ')[-1]}") from None
        raise
