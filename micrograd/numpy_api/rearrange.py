"""Put arrays together, take them apart and bring them into another order, by the moving primitives.

Written in the shared dialect: each works on tensors (recorded) and on arrays alike. What NumPy can do to any array
it can do to the array of positions, so the rarer arrangements are `rearranged`: one `gather` at those positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import GraphError, ShapeError
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import normal_axis, shape_of

__all__ = [
    "append", "array_split", "atleast", "column_stack", "delete", "diag", "diagonal", "diff", "dstack", "flip",
    "hstack", "insert", "pad", "rearranged", "repeat", "roll", "rollaxis", "sort", "split", "take", "take_along_axis",
    "tile", "trace", "tril", "triu", "vstack",
]  # fmt: skip


def positions(x: Any) -> np.ndarray[Any, Any]:
    """Return the place of each entry in the row of all entries, in the shape of `x`."""
    shape = shape_of(x)
    return np.arange(int(np.prod(shape, dtype=int))).reshape(shape)


def rearranged(x: Any, arrange: Callable[[np.ndarray[Any, Any]], Any]) -> Any:
    """Return ``arrange(x)`` for a function that only brings entries elsewhere, or drops or repeats some."""
    return p.gather(c.reshape(x, -1), index=np.ascontiguousarray(arrange(positions(x))))


def _axis(x: Any, axis: int) -> int:
    place = normal_axis(axis, len(shape_of(x)))
    assert isinstance(place, int)
    return place


def _along(x: Any, axis: int, index: Any) -> Any:
    return p.gather(x, index=(slice(None),) * _axis(x, axis) + (index,))


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each entry (or each slice along `axis`), as `numpy.repeat`."""
    if axis is None:
        a, axis = c.reshape(a, -1), 0
    return _along(a, axis, np.repeat(np.arange(shape_of(a)[axis]), repeats))


def tile(A: Any, reps: Any) -> Any:
    """Repeat the whole array along each axis, as `numpy.tile`."""
    return rearranged(A, lambda at: np.tile(at, reps))


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift entries, those that leave at one end coming back at the other, as `numpy.roll`."""
    if isinstance(axis, int) and isinstance(shift, (int, np.integer)):
        return _along(a, axis, np.roll(np.arange(shape_of(a)[axis]), shift))
    return rearranged(a, lambda at: np.roll(at, shift, axis))


def flip(m: Any, axis: Any = None) -> Any:
    """Reverse the order along an axis, as `numpy.flip`."""
    ndim = len(shape_of(m))
    chosen = normal_axis(axis, ndim)
    axes = range(ndim) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
    return p.gather(m, index=tuple(slice(None, None, -1) if n in axes else slice(None) for n in range(ndim)))


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into equal parts, or parts that end at the given places, as `numpy.split`."""
    n = shape_of(ary)[_axis(ary, axis)]
    if isinstance(indices_or_sections, (int, np.integer)) and n % indices_or_sections:
        raise ShapeError(f"split: {n} entries along axis {axis} do not divide into {indices_or_sections} equal parts; "
                         "use np.array_split for unequal ones.")  # fmt: skip
    return array_split(ary, indices_or_sections, axis)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into parts that may differ by one entry, or end at the given places, as `numpy.array_split`."""
    n = shape_of(ary)[_axis(ary, axis)]
    if isinstance(indices_or_sections, (int, np.integer)):
        ends = np.cumsum([0, *map(len, np.array_split(np.empty(n), indices_or_sections))])
    else:
        ends = np.array([0, *indices_or_sections, n])
    return [_along(ary, axis, slice(int(a), int(b))) for a, b in pairwise(ends)]


def atleast(a: Any, ndim: int) -> Any:
    """Add unit axes where NumPy puts them, as `numpy.atleast_1d` to ``3d``."""
    shape = shape_of(a)
    if len(shape) >= ndim:
        return a
    wanted = {1: (1,) * (ndim - len(shape)) + shape, 2: (1,) * (ndim - len(shape)) + shape}.get(ndim)
    if wanted is None:
        wanted = {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)]
    return p.reshape(a, shape=wanted)


def hstack(tup: Sequence[Any]) -> Any:
    """Join arrays along the second axis, vectors along their only one, as `numpy.hstack`."""
    arrays = [atleast(a, 1) for a in tup]
    return c.concatenate(arrays, 0 if len(shape_of(arrays[0])) == 1 else 1)


def vstack(tup: Sequence[Any]) -> Any:
    """Join arrays along the first axis, vectors as rows, as `numpy.vstack`."""
    return c.concatenate([atleast(a, 2) for a in tup], 0)


def dstack(tup: Sequence[Any]) -> Any:
    """Join arrays along the third axis, as `numpy.dstack`."""
    return c.concatenate([atleast(a, 3) for a in tup], 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Join arrays along the second axis, vectors as columns, as `numpy.column_stack`."""
    return c.concatenate([c.reshape(a, (-1, 1)) if len(shape_of(a)) == 1 else a for a in tup], 1)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join one more array at the end, as `numpy.append`."""
    return c.concatenate([arr, values], axis)


def insert(arr: Any, obj: int, values: Any, axis: int | None = None) -> Any:
    """Insert values before one place, as `numpy.insert`."""
    if not isinstance(obj, (int, np.integer)):
        raise GraphError("np.insert on graph values takes one place; join the parts with np.concatenate.")
    if axis is None:
        arr, axis = c.reshape(arr, -1), 0
    shape, place = shape_of(arr), _axis(arr, axis)
    at = int(obj) + shape[place] * (obj < 0)
    slab = (*shape[:place], 1, *shape[place + 1 :])
    if len(shape_of(values)) == len(shape) - 1 and shape_of(values):
        values = c.expand_dims(values, place)
    elif len(shape_of(values)) == len(shape):
        slab = (*shape[:place], shape_of(values)[place], *shape[place + 1 :])
    if not hasattr(values, "__primitive__"):
        values = np.asarray(values, arr.dtype)
    values = p.broadcast(values, shape=slab)
    return c.concatenate([_along(arr, place, slice(0, at)), values, _along(arr, place, slice(at, None))], place)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Return all but some places, as `numpy.delete`."""
    if axis is None:
        arr, axis = c.reshape(arr, -1), 0
    return _along(arr, axis, np.delete(np.arange(shape_of(arr)[axis]), obj))


def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """Return the entries, or slices along `axis`, at the given places, as `numpy.take`."""
    if axis is None:
        a, axis = c.reshape(a, -1), 0
    return _along(a, axis, np.array(indices))


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return for each line along `axis` its own places, as `numpy.take_along_axis`."""
    return rearranged(arr, lambda at: np.take_along_axis(at, np.asarray(indices), axis))


def sort(a: Any, axis: int | None = -1) -> Any:
    """Return the entries at the places that `argsort` names, as `numpy.sort`."""
    if axis is None:
        a, axis = c.reshape(a, -1), 0
    return take_along_axis(a, np.argsort(a.data if hasattr(a, "__primitive__") else a, axis), axis)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the entries whose places on both axes agree, as `numpy.diagonal`."""
    return rearranged(a, lambda at: np.diagonal(at, offset, axis1, axis2))


def diag(v: Any, k: int = 0) -> Any:
    """Make a matrix of a vector, or return the diagonal of a matrix, as `numpy.diag`."""
    shape = shape_of(v)
    if len(shape) == 2:
        return diagonal(v, k)
    if len(shape) != 1:
        raise ShapeError(f"diag takes a vector or a matrix; got shape {shape}")
    size = shape[0] + abs(k)
    rows = np.arange(shape[0]) + max(-k, 0)
    return p.scatter(v, index=(rows, rows + k), shape=(size, size))


def trace(a: Any, offset: int = 0) -> Any:
    """Sum the diagonal of a matrix, as `numpy.trace`."""
    return p.sum(diagonal(a, offset), axis=-1)


def _triangle(m: Any, k: int) -> np.ndarray[Any, Any]:
    rows, columns = (shape_of(m) * 2)[-2:]  # of one row the triangle of as many rows
    return np.tri(rows, columns, k, bool)


def tril(m: Any, k: int = 0) -> Any:
    """Put zeros above the diagonal `k`, as `numpy.tril`."""
    return p.where(_triangle(m, k), m, 0.0)


def triu(m: Any, k: int = 0) -> Any:
    """Put zeros below the diagonal `k`, as `numpy.triu`."""
    return p.where(~_triangle(m, k - 1), m, 0.0)


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Subtract from each entry the one before, `n` times, as `numpy.diff`."""
    for _ in range(n):
        a = _along(a, axis, slice(1, None)) - _along(a, axis, slice(None, -1))
    return a


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move one axis before another, as `numpy.rollaxis`."""
    order = [*range(len(shape_of(a)))]
    place, start = _axis(a, axis), start + len(order) * (start < 0)
    order.remove(place)
    order.insert(start - (place < start), place)
    return c.transpose(a, order)


_MOVES = ("edge", "reflect", "symmetric", "wrap")


def pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """Put constants around the array, or its own entries once more, as `numpy.pad`.

    `mode` may be ``constant``, ``edge``, ``reflect``, ``symmetric``, ``wrap``, or a function of your own that fills the
    border with values that do not depend on the array.

    Raises:
        GraphError: a mode that computes new values from the array.
    """
    shape = shape_of(array)
    if mode in _MOVES:
        return rearranged(array, lambda at: np.pad(at, pad_width, mode, **keywords))
    if mode == "empty":
        mode = "constant"
    elif mode != "constant" and not callable(mode):
        raise GraphError(f"np.pad with mode={mode!r} is not supported on graph values; pad with constants, or with "
                         f"one of {', '.join(_MOVES)}.")  # fmt: skip
    values = array.data if hasattr(array, "__primitive__") else np.asarray(array)
    inside = np.pad(np.ones(shape, bool), pad_width)
    start = np.argwhere(inside)[0] if inside.any() else np.zeros(len(shape), int)
    window = tuple(slice(int(a), int(a) + size) for a, size in zip(start, shape, strict=True))
    border = np.pad(np.zeros(shape, values.dtype), pad_width, mode, **keywords)
    if callable(mode):
        other = np.pad(np.ones(shape, values.dtype), pad_width, mode, **keywords)
        again = np.pad(np.asarray(values), pad_width, mode, **keywords)
        if not (np.array_equal(border[~inside], again[~inside]) and np.array_equal(border[~inside], other[~inside])):
            raise GraphError("np.pad with a function of your own: what it puts in the border depends on the array, so "
                             "its gradient would be lost; build the border with np.concatenate.")  # fmt: skip
        if not np.array_equal(again[window], values):
            raise GraphError("np.pad with a function of your own: it changes the array inside the border.")
    if not border.any():
        return p.scatter(array, index=window, shape=border.shape)
    return p.where(inside, p.scatter(array, index=window, shape=border.shape), border)
