"""Functions of NumPy's that a trace has ways of its own for: those that make, view and write arrays, and a few more."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any

import numpy as np

from micrograd import primitives
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import rearrange
from micrograd.tracing.array import Traced, adopt, lift
from micrograd.tracing.dispatch import OWN, general, given_out, is_tracked, joined, leaves, plainly
from micrograd.tracing.entries import present, raw_value

__all__ = ["array"]


def _replaces(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: what to do in place of some functions of NumPy's."""

    def register(made: Callable[..., Any]) -> Callable[..., Any]:
        OWN.update(dict.fromkeys(functions, made))
        return made

    return register


# ---- arrays made -------------------------------------------------------------------------------------------


@_replaces(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
) -> Any:
    """`numpy.array`: nested lists of traced values are joined by `stack`."""
    if isinstance(object, Traced):
        made = object.copy(order) if copy else object
    elif is_tracked(object):
        if dtype is not None and np.dtype(dtype) == np.dtype("O"):
            raise GraphError("an array of objects would lose the gradient silently; keep a list, or use np.stack.")
        made = lift(_stacked(object))
    else:
        inputs = [leaf for leaf in leaves(object) if isinstance(leaf, Traced)]
        return adopt(np.array(present(object), dtype, copy=copy, order=order, ndmin=ndmin), inputs)
    if dtype is not None and np.dtype(dtype) != made.dtype:
        made = made.astype(dtype)
    return rearrange.atleast(made, ndmin) if made.ndim < ndmin else _no_number(made)


def _stacked(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        parts = [_stacked(item) for item in x]
        shapes = {np.shape(part) for part in parts}
        if len(shapes) > 1:
            raise ValueError("setting an array element with a sequence. The requested array has an inhomogeneous "
                             f"shape: its parts have the shapes {', '.join(map(str, sorted(shapes)))}.")  # fmt: skip
        return c.stack(parts) if is_tracked(tuple(parts)) else np.array(parts)
    return present(x)


def _no_number(made: Any) -> Any:
    if isinstance(made, Traced):
        made.rebinds = False
    return made


@_replaces(np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require, np.asarray_chkfinite)
def asarray(a: Any, dtype: Any = None, *_: Any, copy: Any = None, **__: Any) -> Any:
    """`numpy.asarray`: the array itself where it is one."""
    if isinstance(a, Traced) and not copy and (dtype is None or np.dtype(dtype) == a.dtype):
        return a
    return array(a, dtype, copy=copy)


@_replaces(np.copy)
def copied(a: Any, order: Any = "K", subok: bool = False) -> Any:
    """`numpy.copy`."""
    return array(a, order=order)


# ---- views -------------------------------------------------------------------------------------------------


def _view(called: Any, step: Callable[..., Callable[[Any], Any]], *, locked: bool = False) -> None:
    """Register `called`, whose first argument is looked at in the way that `step` of the others says."""

    def make(a: Any, *args: Any, **kwargs: Any) -> Any:
        a = joined(a)
        if not isinstance(a, Traced):
            return plainly(called, (a, *args), kwargs)
        return a.view_by(step(*raw_value(args), **kwargs), locked=locked)

    OWN[called] = make


_view(np.transpose, lambda axes=None: lambda x: c.transpose(x, axes))
_view(np.swapaxes, lambda axis1, axis2: lambda x: c.swapaxes(x, axis1, axis2))
_view(np.moveaxis, lambda source, destination: lambda x: c.moveaxis(x, source, destination))
_view(np.rollaxis, lambda axis, start=0: lambda x: rearrange.rollaxis(x, axis, start))
_view(np.matrix_transpose, lambda: lambda x: c.swapaxes(x, -1, -2))
_view(np.expand_dims, lambda axis: lambda x: c.expand_dims(x, axis))
_view(np.squeeze, lambda axis=None: lambda x: c.squeeze(x, axis))
_view(np.flip, lambda axis=None: lambda x: rearrange.flip(x, axis))
_view(np.fliplr, lambda: lambda x: rearrange.flip(x, 1))
_view(np.flipud, lambda: lambda x: rearrange.flip(x, 0))
_view(np.broadcast_to, lambda shape, subok=False: lambda x: c.broadcast_to(x, shape), locked=True)


@_replaces(np.reshape)
def reshape(a: Any, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Any:
    """`numpy.reshape`."""
    a = joined(a)
    return a.reshape(shape, order=order, copy=copy) if isinstance(a, Traced) else adopt(np.reshape(a, shape, order))


@_replaces(np.ravel)
def ravel(a: Any, order: Any = "C") -> Any:
    """`numpy.ravel`."""
    a = joined(a)
    return a.ravel(order) if isinstance(a, Traced) else adopt(np.ravel(a, order))


def _at_least(called: Any, ndim: int) -> None:
    def make(*arrays: Any) -> Any:
        made = [
            a.view_by(lambda x: rearrange.atleast(x, ndim)) if isinstance(a, Traced) and a.ndim < ndim
            else a if isinstance(a, Traced) else plainly(called, (a,), {})
            for a in map(joined, arrays)
        ]  # fmt: skip
        return made[0] if len(made) == 1 else tuple(made)

    OWN[called] = make


for _called, _ndim in ((np.atleast_1d, 1), (np.atleast_2d, 2), (np.atleast_3d, 3)):
    _at_least(_called, _ndim)


def _splits(called: Any, axis_of: Callable[..., int]) -> None:
    def make(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        ary = joined(ary)
        if not isinstance(ary, Traced):
            return plainly(called, (ary, indices_or_sections, *([axis] if axis else [])), {})
        place = axis_of(ary, axis) % ary.ndim
        split = rearrange.array_split if called is np.array_split else rearrange.split
        ends = split(np.arange(ary.shape[place]), indices_or_sections)
        return [
            ary[(slice(None),) * place + (slice(int(part[0]), int(part[-1]) + 1) if part.size else slice(0, 0),)]
            for part in ends
        ]

    OWN[called] = make


_splits(np.split, lambda a, axis: axis)
_splits(np.array_split, lambda a, axis: axis)
_splits(np.hsplit, lambda a, axis: 0 if a.ndim == 1 else 1)
_splits(np.vsplit, lambda a, axis: 0)
_splits(np.dsplit, lambda a, axis: 2)


# ---- writing -----------------------------------------------------------------------------------------------


def _destination(name: str, target: Any) -> Traced:
    if not isinstance(target, Traced):
        raise GraphError(f"np.{name} writes a traced value into a plain array, which would lose its gradient silently; "
                         "make the array inside the traced function, with np.zeros or np.array.")  # fmt: skip
    return target


def _writes(called: Any, write: Callable[..., None]) -> None:
    def make(target: Any, *args: Any, **kwargs: Any) -> None:
        if not is_tracked((target, *args)) and not isinstance(target, Traced):
            called(target, *present(args), **kwargs)
        else:
            write(_destination(called.__name__, target), *map(joined, args), **kwargs)

    OWN[called] = make


def _copyto(target: Traced, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if where is True:
        target[...] = src
    else:
        mask = np.broadcast_to(raw_value(present(where)), target.shape)
        target[mask] = own_or_number(src, target.shape)[mask] if np.ndim(raw_value(present(src))) else src


def own_or_number(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` in a shape, to be indexed."""
    return lift(c.broadcast_to(present(x), shape))


def _diagonal(a: Traced, val: Any, wrap: bool = False) -> None:
    places = np.arange(min(a.shape))
    a[(places,) * a.ndim] = val


_writes(np.copyto, _copyto)
_writes(np.fill_diagonal, _diagonal)
_writes(np.put, lambda a, ind, v, mode="raise": a.reshape(-1).__setitem__(ind, v))
_writes(np.putmask, lambda a, mask, values: _copyto(a, values, where=mask))
_writes(np.place, lambda arr, mask, vals: arr.__setitem__(mask, vals))


# ---- others with a way of their own ------------------------------------------------------------------------


@_replaces(np.sum)
def sum_of(a: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.sum`, of a generator too."""
    if isinstance(a, GeneratorType):
        return builtins.sum(a)
    return general(np.sum, (a, *args), kwargs)


@_replaces(np.where)
def where(condition: Any, *choices: Any) -> Any:
    """`numpy.where`: the places where something holds, or a choice between two arrays."""
    if not choices:
        return np.where(raw_value(present(condition)))
    given = tuple(map(joined, (condition, *choices)))
    if not is_tracked(given):
        return plainly(np.where, given, {})
    mask, x, y = present(given)
    if isinstance(mask, Tensor) and mask.dtype != bool:
        mask = raw_value(mask).astype(bool)
    elif not isinstance(mask, Tensor):
        mask = np.asarray(mask).astype(bool)
    return lift(primitives.where(mask, x, y))


@_replaces(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """`numpy.nan_to_num`: a choice between the array and what replaces it."""
    if not is_tracked(x):
        return plainly(np.nan_to_num, (x, copy, nan, posinf, neginf), {})
    values = raw_value(present(x))
    replaced = np.nan_to_num(values, nan=nan, posinf=posinf, neginf=neginf)
    return lift(primitives.where(np.isfinite(values), present(x), np.where(np.isfinite(values), 0, replaced)))


@_replaces(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """`numpy.select`: the first choice whose condition holds."""
    made = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        made = where(condition, choice, made)
    return made


@_replaces(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """`numpy.choose`: for each place the entry of the choice that `a` names."""
    a, choices = raw_value(present(a)), joined(choices)
    if not is_tracked(choices):
        return given_out(out, plainly(np.choose, (a, choices), {"mode": mode}))
    return given_out(out, lift(rearrange.rearranged(present(choices), lambda at: np.choose(a, [*at], mode=mode))))  # type: ignore[call-overload]


@_replaces(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """`numpy.broadcast_arrays`."""
    shape = np.broadcast_shapes(*(np.shape(raw_value(present(a))) for a in args))
    return tuple(OWN[np.broadcast_to](a, shape) for a in args)


@_replaces(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.apply_along_axis`: a loop over the lines, whose results are stacked."""
    moved = np.moveaxis(arr, axis, -1)
    lines = moved.reshape(-1, moved.shape[-1])
    made = array([func1d(line, *args, **kwargs) for line in lines])
    out = made.reshape(moved.shape[:-1] + made.shape[1:])
    return (
        np.moveaxis(out, range(moved.ndim - 1, out.ndim), range(axis, axis + made.ndim - 1)) if made.ndim > 1 else out
    )


@_replaces(np.isscalar)
def isscalar(element: Any) -> bool:
    """`numpy.isscalar`."""
    return element.rebinds if isinstance(element, Traced) else np.isscalar(element)


@_replaces(np.shares_memory, np.may_share_memory)
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """`numpy.shares_memory`."""
    if isinstance(a, Traced) and isinstance(b, Traced):
        return a.memory is b.memory and bool(np.intersect1d(a.at, b.at).size)
    return not (isinstance(a, Traced) or isinstance(b, Traced)) and np.shares_memory(a, b)
