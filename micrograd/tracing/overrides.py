"""Override NumPy functions in a traced function: constructors, views, in-place writes, and a few more.

`OVERRIDES` says what is done in their place, whether what goes in is tracked or not. Most other functions are composed
of primitives by `micrograd.tracing.numpy_proxy`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd import primitives
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import rearrange
from micrograd.tracing.array import (
    TracedArray,
    adopt,
    is_tracked,
    leaves,
    lift,
    narrowed,
    no_number,
    own,
    present,
    raw_value,
    value_now,
)
from micrograd.tracing.storage import current_trace, fitting, in_order

__all__ = ["OVERRIDES", "Joined", "Vectorized", "array", "by_numpy", "einsum_view", "joined", "written_to"]

OVERRIDES: dict[Any, Callable[..., Any]] = {}
"""What is done here in place of a function of NumPy, tracked or not."""


def _overrides(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register, as a decorator, what to do in place of some NumPy functions."""

    def register(made: Callable[..., Any]) -> Callable[..., Any]:
        OVERRIDES.update(dict.fromkeys(functions, made))
        return made

    return register


# ---- arrays made -------------------------------------------------------------------------------------------


@_overrides(np.array)
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
    """Make an array as `numpy.array` does: nested lists of traced values are joined by `stack`."""
    copy = {2: None}.get(getattr(copy, "value", copy), copy)  # SciPy's way to say "if needed"
    if isinstance(object, TracedArray):
        made = object.copy(order) if copy else object
    elif is_tracked(object):
        if dtype is not None and np.dtype(dtype) == np.dtype("O"):
            raise GraphError("an array of objects would lose the gradient silently; keep a list, or use np.stack.")
        value = _stacked(object)
        made = lift(in_order(value, np.empty(value.shape, bool, "F" if order == "F" else "C")))
    else:
        inputs = [leaf for leaf in leaves(object) if isinstance(leaf, TracedArray)]
        return adopt(np.array(present(object), dtype, copy=copy, order=order, ndmin=ndmin), inputs)
    if dtype is not None and np.dtype(dtype) != made.dtype:
        made = made.astype(dtype)
    return made.reshape((1,) * (ndmin - made.ndim) + made.shape) if made.ndim < ndmin else no_number(made)


def _stacked(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        parts = [_stacked(item) for item in x]
        shapes = {np.shape(part) for part in parts}
        if len(shapes) > 1:
            raise ValueError("setting an array element with a sequence. The requested array has an inhomogeneous "
                             f"shape: its parts have the shapes {', '.join(map(str, sorted(shapes)))}.")  # fmt: skip
        return c.stack(parts) if is_tracked(tuple(parts)) else np.array(parts)
    return present(x)


@_overrides(np.asarray, np.asanyarray, np.asarray_chkfinite)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, **_: Any) -> Any:
    """Return the array itself where it is one of this dtype and memory order, as `numpy.asarray`."""
    if isinstance(a, TracedArray) and not copy and (dtype is None or np.dtype(dtype) == a.dtype):
        if a.rebinds:
            return no_number(own(a.present()))
        flags = a.at.flags if order in ("C", "F") else None
        return a if flags is None or flags["C" if order == "C" else "F"] else a.copy(order)
    return array(a, dtype, copy=copy, order=order or "K")


@_overrides(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None, **_: Any) -> Any:
    """Return an array in C order and of at least one axis, as `numpy.ascontiguousarray`."""
    made = asarray(a, dtype, "C")
    return made if np.ndim(made) else made.reshape(1)


@_overrides(np.asfortranarray)
def asfortranarray(a: Any, dtype: Any = None, **_: Any) -> Any:
    """Return an array in Fortran order, as `numpy.asfortranarray`."""
    made = asarray(a, dtype, "F")
    return made if np.ndim(made) else made.reshape(1)


@_overrides(np.require)
def require(a: Any, dtype: Any = None, requirements: Any = None, **_: Any) -> Any:
    """Return an array that meets requirements, as `numpy.require`."""
    wanted = {*([requirements] if isinstance(requirements, str) else requirements or ())}
    order = "C" if wanted & {"C", "C_CONTIGUOUS", "CONTIGUOUS"} else None
    return asarray(a, dtype, "F" if wanted & {"F", "F_CONTIGUOUS", "FORTRAN"} else order)


@_overrides(np.copy)
def copied(a: Any, order: Any = "K", subok: bool = False) -> Any:
    """Copy an array, as `numpy.copy`."""
    return array(a, order=order)


def _same_in_every_call(x: Any, called: str) -> Any:
    """Return values, on which a program that is captured relies; refused where it may not: they change."""
    if isinstance(x, (list, tuple)):
        return type(x)([_same_in_every_call(item, called) for item in x])
    value = present(x)
    if (capture := capturing()) is not None and isinstance(value, Tensor):
        instead = "use np.where with three arguments, or look at the values outside"
        return np.asarray(capture.known(value, f"{called} of a tensor", instead))
    return raw_value(value)


def joined(x: Any) -> Any:
    """Return a list with traced values in it as one array; anything else as it is."""
    if isinstance(x, (list, tuple)) and any(isinstance(leaf, TracedArray) for leaf in leaves(x)):
        return array(x)
    return x


def by_numpy(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute ``called(*args, **kwargs)`` by NumPy itself, where nothing is tracked."""
    inputs = [leaf for leaf in (*leaves(args), *leaves(tuple(kwargs.values()))) if isinstance(leaf, TracedArray)]
    try:
        made = called(*present(args), **{key: present(value) for key, value in kwargs.items()})
    except TypeError as error:
        if "'float' object cannot be interpreted as an integer" in str(error):
            raise GraphError(f"np.{called.__name__}: a shape or a count is a float. Python 2 divided whole numbers "
                             "without a rest; write // for / there.") from error  # fmt: skip
        raise
    return adopt(made, inputs)


# ---- views -------------------------------------------------------------------------------------------------


def _moved(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[Any], Any]:
    """Return the step that moves entries as a function of NumPy does."""
    move: Callable[[Any], Any] = lambda x: called(x, *args, **kwargs)  # noqa: E731
    return lambda x: rearrange.rearranged(x, move) if isinstance(x, Tensor) else move(x)


def _view(called: Any, step: Callable[..., Callable[[Any], Any]], *, locked: bool = False) -> None:
    """Register `called`, which views its first argument as `step`, given the others, says."""

    def make(a: Any, *args: Any, **kwargs: Any) -> Any:
        a = joined(a)
        if not isinstance(a, TracedArray):
            return by_numpy(called, (a, *args), kwargs)
        return a.view_by(step(*raw_value(args), **kwargs), locked=locked)

    OVERRIDES[called] = make


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
_view(np.rot90, lambda *args, **kwargs: _moved(np.rot90, args, kwargs))
_view(np.diagonal, lambda *args, **kwargs: _moved(np.diagonal, args, kwargs), locked=True)
_view(np.linalg.diagonal, lambda offset=0: _moved(np.linalg.diagonal, (), {"offset": offset}), locked=True)
_view(np.broadcast_to, lambda shape, subok=False: lambda x: c.broadcast_to(x, shape), locked=True)


@_overrides(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """Return the diagonal of a matrix, which is a view that NumPy locks, or the matrix of a diagonal."""
    v, k = joined(v), raw_value(k)
    if not isinstance(v, TracedArray):
        return by_numpy(np.diag, (v, k), {})
    return OVERRIDES[np.diagonal](v, k) if v.ndim == 2 else lift(rearrange.diag(present(v), k))


def einsum_view(subscripts: Any, *operands: Any, **kwargs: Any) -> Any:
    """Return the view that `numpy.einsum` makes of one array where nothing is summed; None for anything else."""
    if not isinstance(subscripts, str) or kwargs or len(operands) != 1 or not isinstance(operands[0], TracedArray):
        return None
    given, arrow, wanted = subscripts.replace(" ", "").partition("->")
    if set(given) != set(wanted) if arrow else len(set(given)) < len(given):
        return None
    return operands[0].view_by(_moved(lambda x: np.einsum(subscripts, x), (), {}))


@_overrides(np.reshape)
def reshape(a: Any, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Any:
    """View an array in another shape, as `numpy.reshape`."""
    a = joined(a)
    return (
        a.reshape(shape, order=order, copy=copy) if isinstance(a, TracedArray) else adopt(np.reshape(a, shape, order))
    )


@_overrides(np.ravel)
def ravel(a: Any, order: Any = "C") -> Any:
    """View all entries in one axis, as `numpy.ravel`."""
    a = joined(a)
    return a.ravel(order) if isinstance(a, TracedArray) else adopt(np.ravel(a, order))


def _at_least(called: Any, ndim: int) -> None:
    def make(*arrays: Any) -> Any:
        made = [
            a.view_by(lambda x: rearrange.atleast(x, ndim)) if isinstance(a, TracedArray) and a.ndim < ndim
            else a if isinstance(a, TracedArray) else by_numpy(called, (a,), {})
            for a in map(joined, arrays)
        ]  # fmt: skip
        return made[0] if len(made) == 1 else tuple(made)

    OVERRIDES[called] = make


for _called, _ndim in ((np.atleast_1d, 1), (np.atleast_2d, 2), (np.atleast_3d, 3)):
    _at_least(_called, _ndim)


def _splits(called: Any, axis_of: Callable[..., int]) -> None:
    def make(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        ary = joined(ary)
        if not isinstance(ary, TracedArray):
            return by_numpy(called, (ary, indices_or_sections, *([axis] if axis else [])), {})
        place = axis_of(ary, axis) % ary.ndim
        split = rearrange.array_split if called is np.array_split else rearrange.split
        ends = split(np.arange(ary.shape[place]), indices_or_sections)
        return [
            ary[(slice(None),) * place + (slice(int(part[0]), int(part[-1]) + 1) if part.size else slice(0, 0),)]
            for part in ends
        ]

    OVERRIDES[called] = make


_splits(np.split, lambda a, axis: axis)
_splits(np.array_split, lambda a, axis: axis)
_splits(np.hsplit, lambda a, axis: 0 if a.ndim == 1 else 1)
_splits(np.vsplit, lambda a, axis: 0)
_splits(np.dsplit, lambda a, axis: 2)


# ---- writing -----------------------------------------------------------------------------------------------


def written_to(out: Any, made: Any) -> Any:
    """Write `made` to the array that was given as ``out=``, and return that."""
    if isinstance(out, tuple):
        (out,) = out
    if not isinstance(out, TracedArray):
        if not is_tracked(made):
            out[...] = raw_value(present(made))
            return out
        return filled(out, made)
    if out.tracked or is_tracked(made):
        value = present(made)
        if np.shape(value) != out.shape and _fits(np.shape(value), out.shape):
            value = c.broadcast_to(value, out.shape)
        if np.shape(value) != out.shape:
            raise ValueError(f"non-broadcastable output operand with shape {out.shape} doesn't match the broadcast "
                             f"shape {np.shape(value)}")  # fmt: skip
        out.assign(value)
    else:
        out[...] = made
    return out


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Check that a shape is broadcast to another."""
    try:
        return np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        return False


def filled(out: Any, made: Any) -> Any:
    """Write something tracked into a plain array of the user's, which is traced from now on."""
    trace: Any = current_trace.get()
    if trace is None or type(out) is not np.ndarray or out.dtype.kind != "f":
        kind = f"an array of {out.dtype}" if isinstance(out, np.ndarray) else f"a {type(out).__name__}"
        raise GraphError(f"writing a traced value into {kind} would lose its gradient silently; "
                         "write x = x + t for x += t, or make the array with np.zeros or np.array.")  # fmt: skip
    return written_to(trace.adopted(out), made)


def _destination(name: str, target: Any) -> TracedArray:
    if not isinstance(target, TracedArray):
        raise GraphError(f"np.{name} writes a traced value into a plain array, which would lose its gradient silently; "
                         "make the array inside the traced function, with np.zeros or np.array.")  # fmt: skip
    if target.rebinds and name != "put":  # which writes into a copy
        raise TypeError(f"np.{name}: argument 1 must be a numpy.ndarray, not numpy.{target.dtype}")
    return target


def _writes(called: Any, write: Callable[..., None]) -> None:
    def make(target: Any, *args: Any, **kwargs: Any) -> None:
        if not is_tracked((target, *args, *kwargs.values())) and not isinstance(target, TracedArray):
            called(target, *present(args), **{key: present(value) for key, value in kwargs.items()})
        else:
            write(_destination(called.__name__, target), *map(joined, args), **kwargs)

    OVERRIDES[called] = make


def _copyto(target: TracedArray, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if src is target:
        return  # whatever `where` is: NumPy does not look at it then
    if where is True:
        target[...] = src
    elif capturing() is not None:
        target.assign(primitives.where(present(where), present(src), present(target)))
    elif target.size:
        mask = np.broadcast_to(raw_value(present(where)), target.shape)
        target[mask] = (
            lift(fitting(present(src), target.shape, target.dtype))[mask] if np.ndim(value_now(present(src))) else src
        )


def _diagonal(a: TracedArray, val: Any, wrap: bool = False) -> None:
    places = np.arange(min(a.shape))
    a[(places,) * a.ndim] = val


def _put(a: TracedArray, ind: Any, v: Any, mode: Any = "raise") -> None:
    places = np.take(np.arange(a.size), _same_in_every_call(ind, "np.put() at the places"), mode=mode).ravel()
    if not np.size(value_now(present(joined(v)))):
        return  # NumPy writes nothing of nothing
    a.flat[places] = _repeated(v, np.arange(places.size))


def _putmask(a: TracedArray, mask: Any, values: Any) -> None:
    if not np.size(value_now(present(joined(values)))):
        return
    if capturing() is not None and is_tracked(mask):  # whose places each call has its own of
        line = _repeated(values, np.arange(a.size))
        spread = c.reshape(present(line), a.shape) if np.ndim(value_now(present(line))) else present(line)
        _copyto(a, spread, where=mask)
        return
    places = np.flatnonzero(_truth(mask))
    a.flat[places] = _repeated(values, places)


def _place(arr: TracedArray, mask: Any, vals: Any) -> None:
    if not np.size(value_now(present(joined(vals)))) and np.any(_truth(mask)):
        raise ValueError("Cannot insert from an empty array!")
    if capturing() is not None and np.size(value_now(present(vals))) == 1:
        _copyto(arr, np.reshape(vals, ()), where=mask)
        return
    places = np.flatnonzero(_truth(mask))
    arr.flat[places] = _repeated(vals, np.arange(places.size))


def _truth(mask: Any) -> Any:
    return np.asarray(_same_in_every_call(mask, "writing where a mask holds, of the values")).astype(bool)


def _repeated(values: Any, places: Any) -> Any:
    """Return the values at places of a line in which they stand again and again."""
    values = joined(values)
    if not np.ndim(value_now(present(values))):
        return values
    line = values.reshape(-1) if isinstance(values, TracedArray) else np.ravel(values)
    return line[places % line.size] if places.size else 0.0


_writes(np.copyto, _copyto)
_writes(np.fill_diagonal, _diagonal)
_writes(np.put, _put)
_writes(np.putmask, _putmask)
_writes(np.place, _place)


# ---- others ------------------------------------------------------------------------------------------------


@_overrides(np.where)
def where(condition: Any, *choices: Any) -> Any:
    """Return the places where something holds, or choose between two arrays, as `numpy.where`."""
    if not choices:
        mask = present(joined(condition))
        mask = c.truth(mask) if isinstance(mask, Tensor) and capturing() is not None else mask
        return np.where(_same_in_every_call(mask, "np.where() with one argument"))
    given = tuple(map(joined, (condition, *choices)))
    if not is_tracked(given):
        return by_numpy(np.where, given, {})
    mask, x, y = present((given[0], *narrowed(given[1:])))
    x, y = (np.asarray(v) if isinstance(v, np.generic) else v for v in (x, y))
    if isinstance(mask, Tensor) and mask.dtype != bool:
        mask = raw_value(mask).astype(bool) if capturing() is None else c.truth(mask)
    elif not isinstance(mask, Tensor):
        mask = np.asarray(mask).astype(bool)
    return no_number(lift(primitives.where(mask, x, y)))


@_overrides(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Put numbers in the place of nan and of infinities, as `numpy.nan_to_num`."""
    if not is_tracked(x):
        return by_numpy(np.nan_to_num, (x, copy, nan, posinf, neginf), {})
    made = lift(c.nan_to_num(present(joined(x)), nan=nan, posinf=posinf, neginf=neginf))
    return made if copy or not isinstance(x, TracedArray) else written_to(x, made)


@_overrides(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None
) -> Any:
    """Fill an array like another one, as `numpy.full_like`; a traced value keeps its gradient."""
    like = value_now(present(a))
    if not is_tracked(fill_value):
        return adopt(np.full_like(like, present(fill_value), dtype, order, subok, shape))
    return _filled_with("full_like", np.empty_like(like, dtype, order, subok, shape), fill_value)


@_overrides(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **_: Any) -> Any:
    """Fill an array of a shape, as `numpy.full`; a traced value keeps its gradient."""
    shape, fill_value = raw_value(present(shape)), joined(fill_value)
    if not is_tracked(fill_value):
        return adopt(np.full(shape, present(fill_value), dtype, order))
    return _filled_with("full", np.empty(shape, dtype or fill_value.dtype, order), fill_value)


def _filled_with(name: str, empty: Any, value: Any) -> Any:
    made = adopt(empty)
    if not isinstance(made, TracedArray):
        raise GraphError(
            f"np.{name} of an array of {made.dtype} would lose the gradient of the traced value that fills it; "
            "pass dtype=float."
        )
    made[...] = value
    return made


@_overrides(np.real)
def real(val: Any) -> Any:
    """View the real part, as `numpy.real`."""
    return val.real if isinstance(val, TracedArray) else by_numpy(np.real, (val,), {})


@_overrides(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    """View arrays in their common shape, as `numpy.broadcast_arrays`."""
    shape = np.broadcast_shapes(*(np.shape(value_now(present(a))) for a in args))
    return tuple(OVERRIDES[np.broadcast_to](a, shape) for a in args)


@_overrides(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Compute each part of an array by a function of its own, as `numpy.piecewise`."""
    x = asarray(joined(x))
    masks = _same_in_every_call(condlist, "np.piecewise() by conditions")
    if isinstance(masks, (bool, np.bool_)) or (not isinstance(masks[0], (list, np.ndarray)) and x.ndim):
        masks = [masks]
    masks = [np.asarray(mask, bool) for mask in masks]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.any(masks, axis=0))
    if len(funclist) != len(masks):
        raise ValueError(
            f"with {len(masks)} condition(s), either {len(masks)} or {len(masks) + 1} functions are expected"
        )
    made = adopt(np.zeros_like(value_now(present(x))))
    for mask, item in zip(masks, funclist, strict=True):
        if not callable(item):
            made[mask] = item
        elif mask.any():
            made[mask] = item(x[mask], *args, **kw)
    return made


@_overrides(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any, *_: Any) -> None:
    """Write for each line along `axis` to its own places, as `numpy.put_along_axis`."""
    places = np.asarray(_same_in_every_call(indices, "np.put_along_axis() at the places"))
    values = joined(values)
    if not is_tracked((arr, values)) and not isinstance(arr, TracedArray):
        np.put_along_axis(arr, places, present(values), axis)
        return
    target = _destination("put_along_axis", arr)
    if axis is None:
        target, axis = target.reshape(-1), 0
    grid = [np.arange(size).reshape([-1 if n == at else 1 for n in range(target.ndim)])
            for at, size in enumerate(target.shape)]  # fmt: skip
    target[tuple(places if at == axis % target.ndim else line for at, line in enumerate(grid))] = values


@_overrides(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Loop over the lines of an array and stack the results, as `numpy.apply_along_axis`."""
    axis %= np.ndim(arr)
    moved = np.moveaxis(arr, axis, -1)
    lines = moved.reshape(-1, moved.shape[-1])
    made = array([func1d(line, *args, **kwargs) for line in lines])
    out = made.reshape(moved.shape[:-1] + made.shape[1:])
    return (
        np.moveaxis(out, range(moved.ndim - 1, out.ndim), range(axis, axis + made.ndim - 1)) if made.ndim > 1 else out
    )


@_overrides(np.isscalar)
def isscalar(element: Any) -> bool:
    """Check for a number, as `numpy.isscalar`."""
    return element.rebinds if isinstance(element, TracedArray) else np.isscalar(element)


@_overrides(np.shares_memory, np.may_share_memory)
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """Check that two arrays share entries, as `numpy.shares_memory`."""
    if isinstance(a, TracedArray) and isinstance(b, TracedArray):
        return a.storage is b.storage and bool(np.intersect1d(a.at, b.at).size)
    return not (isinstance(a, TracedArray) or isinstance(b, TracedArray)) and np.shares_memory(a, b)


class Vectorized:
    """Call a function for each entry and join its results, as `numpy.vectorize`."""

    def __init__(
        self, pyfunc: Callable[..., Any], *_: Any, excluded: Any = None, signature: Any = None, **__: Any
    ) -> None:
        if excluded or signature:
            raise GraphError("np.vectorize with excluded= or signature= is not traced; write the loop.")
        self.pyfunc = pyfunc

    def __call__(self, *args: Any) -> Any:
        """Return the results for the entries of some arrays, as one array."""
        arrays = broadcast_arrays(*args)
        shape = np.shape(value_now(present(arrays[0])))
        rows = [reshape(a, -1) for a in arrays]
        made = array([self.pyfunc(*entries) for entries in zip(*rows, strict=True)])
        return made.reshape(shape)


class Joined:
    """Join arrays by indexing, as `numpy.c_` and `numpy.r_`.

    Args:
        real: one of them.
        join: the function that does the same for a sequence of arrays.
    """

    def __init__(self, real: Any, join: Callable[..., Any]) -> None:
        self.real, self.join = real, join

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(item, TracedArray) for item in items):
            return adopt(self.real[key])
        if any(isinstance(item, str) for item in items):
            raise GraphError("np.c_ and np.r_ with an axis in words are not traced; use np.concatenate.")
        return self.join([np.r_[item] if isinstance(item, slice) else item for item in items])
