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
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import normal_axis, shape_of

__all__ = [
    "STATISTICS", "append", "array_split", "atleast", "bincount", "block", "broadcast_arrays", "choose",
    "column_stack", "compress", "concatenate", "delete", "diag", "diagflat", "diagonal", "dstack", "extract",
    "fftshift", "flip", "histogram", "hstack", "insert", "meshgrid", "pad", "rearranged", "repeat", "resize",
    "roll", "rollaxis", "select", "split", "stack", "take", "take_along_axis", "tile", "trace", "tril",
    "trim_zeros", "triu", "unstack", "vstack",
]  # fmt: skip


def positions(x: Any) -> np.ndarray[Any, Any]:
    """Return the place of each entry in the row of all entries, in the shape of `x` and its order in memory."""
    made = np.empty_like(getattr(x, "raw", x), np.intp)
    made[...] = np.arange(made.size).reshape(made.shape)
    return made


def rearranged(x: Any, arrange: Callable[[np.ndarray[Any, Any]], Any]) -> Any:
    """Return ``arrange(x)`` for a function that only brings entries elsewhere, or drops or repeats some."""
    return p.gather(c.reshape(x, -1), index=np.array(arrange(positions(x)), order="K"))


def _axis(x: Any, axis: int) -> int:
    place = normal_axis(axis, len(shape_of(x)))
    assert isinstance(place, int)
    return place


def _along(x: Any, axis: int, index: Any) -> Any:
    return p.gather(x, index=(slice(None),) * _axis(x, axis) + (index,))


def _each_time(indices: Any) -> Any:
    """Return what stands in an index for whole numbers that a captured call has anew; None for others."""
    capture = capturing()
    if capture is None or not hasattr(indices, "__primitive__") or indices.dtype.kind not in "iu":
        return None
    return capture.index(indices)


def _whole(places: Any, what: str) -> Any:
    """Return places or counts, those of a tensor as an array.

    Raises:
        GraphError: they are floats that are computed, which to NumPy are no places either.
    """
    if not hasattr(places, "__primitive__"):
        return places
    if places.dtype.kind == "f":
        raise GraphError(f"{what}: whole numbers are expected, got floats that are computed; use .astype(int), whose "
                         "slope is 0.")  # fmt: skip
    return c.values_of(places, what)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each entry (or each slice along `axis`), as `numpy.repeat`."""
    if axis is None:
        a, axis = c.reshape(a, -1), 0
    counts = _whole(repeats, "the counts in np.repeat()")
    return _along(a, axis, np.repeat(np.arange(shape_of(a)[axis]), counts))


def tile(A: Any, reps: Any) -> Any:
    """Repeat the whole array along each axis, as `numpy.tile`."""
    return rearranged(A, lambda at: np.tile(at, reps))


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift entries, those that leave at one end coming back at the other, as `numpy.roll`."""
    if isinstance(axis, int) and isinstance(shift, (int, np.integer)):
        return _along(a, axis, np.roll(np.arange(shape_of(a)[axis]), shift))
    return rearranged(a, lambda at: np.roll(at, shift, axis))


def fftshift(x: Any, axes: Any = None, *, inverse: bool = False) -> Any:
    """Move the middle of each axis to its front, or back, as `numpy.fft.fftshift` and `numpy.fft.ifftshift`."""
    shape = shape_of(x)
    places = range(len(shape)) if axes is None else [axes] if isinstance(axes, int) else axes
    halves = [-(shape[axis] // 2) if inverse else shape[axis] // 2 for axis in places]
    return rearranged(x, lambda at: np.roll(at, halves, tuple(places)))


def trim_zeros(filt: Any, trim: str = "fb") -> Any:
    """Cut off the zeros at the front or the back of a vector, as `numpy.trim_zeros`."""
    values = c.values_of(filt, "np.trim_zeros()")
    if values.ndim != 1:
        raise ShapeError(f"np.trim_zeros on graph values takes a vector; got shape {values.shape}.")
    kept = np.flatnonzero(values)
    first = (kept[0] if len(kept) else len(values)) if "f" in trim.lower() else 0
    last = (kept[-1] + 1 if len(kept) else first) if "b" in trim.lower() else len(values)
    return p.gather(filt, index=slice(int(first), int(last)))


def flip(m: Any, axis: Any = None) -> Any:
    """Reverse the order along an axis, as `numpy.flip`."""
    ndim = len(shape_of(m))
    chosen = normal_axis(axis, ndim)
    axes = range(ndim) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
    return p.gather(m, index=tuple(slice(None, None, -1) if n in axes else slice(None) for n in range(ndim)))


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into equal parts, or parts that end at the given places, as `numpy.split`."""
    n = shape_of(ary)[_axis(ary, axis)]
    if np.ndim(indices_or_sections) == 0 and n % indices_or_sections:
        raise ShapeError(f"split: {n} entries along axis {axis} do not divide into {indices_or_sections} equal parts; "
                         "use np.array_split for unequal ones.")  # fmt: skip
    return array_split(ary, indices_or_sections, axis)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split into parts that may differ by one entry, or end at the given places, as `numpy.array_split`."""
    n = shape_of(ary)[_axis(ary, axis)]
    if np.ndim(indices_or_sections) == 0:
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


def _joined(arrays: Sequence[Any], axis: int, dtype: Any) -> Any:
    return c.concatenate(arrays, axis) if dtype is None else concatenate(arrays, axis, dtype)


def concatenate(arrays: Sequence[Any], axis: int | None = 0, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays along an existing axis, in a dtype where one is given, as `numpy.concatenate`."""
    del casting
    parts = list(arrays)
    if dtype is not None:
        name = np.dtype(dtype).name
        parts = [
            p.cast(part, dtype=name) if hasattr(part, "__primitive__") else np.asarray(part, dtype) for part in parts
        ]
    return c.concatenate(parts, axis)


def stack(arrays: Sequence[Any], axis: int = 0, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays of one shape along a new axis, as `numpy.stack`."""
    shapes = {shape_of(a) for a in arrays}
    if len(shapes) > 1:
        raise ShapeError(f"stack takes arrays of one shape; got {', '.join(map(str, sorted(shapes)))}.")
    return concatenate([c.expand_dims(a, axis) for a in arrays], axis, dtype, casting)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return the slices along an axis, as `numpy.unstack`."""
    return tuple(_along(x, axis, at) for at in range(shape_of(x)[_axis(x, axis)]))


def hstack(tup: Sequence[Any], dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays along the second axis, vectors along their only one, as `numpy.hstack`."""
    del casting
    arrays = [atleast(a, 1) for a in tup]
    return _joined(arrays, 0 if len(shape_of(arrays[0])) == 1 else 1, dtype)


def vstack(tup: Sequence[Any], dtype: Any = None, casting: str = "same_kind") -> Any:
    """Join arrays along the first axis, vectors as rows, as `numpy.vstack`."""
    del casting
    return _joined([atleast(a, 2) for a in tup], 0, dtype)


def dstack(tup: Sequence[Any]) -> Any:
    """Join arrays along the third axis, as `numpy.dstack`."""
    return c.concatenate([atleast(a, 3) for a in tup], 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Join arrays along the second axis, vectors as columns, as `numpy.column_stack`."""
    return c.concatenate([c.reshape(a, (-1, 1)) if len(shape_of(a)) < 2 else a for a in tup], 1)


def block(arrays: Any) -> Any:
    """Join nested lists of arrays, the innermost along the last axis, as `numpy.block`."""

    def depth(x: Any) -> int:
        return 1 + max(map(depth, x)) if isinstance(x, list) else 0

    def ndim(x: Any) -> int:
        return max(map(ndim, x)) if isinstance(x, list) else len(shape_of(x))

    levels = depth(arrays)
    wanted = max(levels, ndim(arrays))

    def join(x: Any, level: int) -> Any:
        if isinstance(x, list):
            return c.concatenate([join(item, level - 1) for item in x], -level)
        return c.reshape(x, (1,) * (wanted - len(shape_of(x))) + shape_of(x))

    return join(arrays, levels)


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Repeat arrays to their common shape, as `numpy.broadcast_arrays`."""
    shape = np.broadcast_shapes(*map(shape_of, args))
    return tuple(c.broadcast_to(a if hasattr(a, "shape") else np.asarray(a), shape) for a in args)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return the coordinates of a grid, one array for each axis, as `numpy.meshgrid`."""
    del copy
    places = [*range(len(xi))]
    if indexing == "xy" and len(xi) > 1:
        places[:2] = [1, 0]
    arrays = [
        c.reshape(x, [-1 if n == place else 1 for n in range(len(xi))]) for x, place in zip(xi, places, strict=True)
    ]
    return tuple(arrays) if sparse else broadcast_arrays(*arrays)


def resize(a: Any, new_shape: Any) -> Any:
    """Repeat or drop entries until a shape is full, as `numpy.resize`."""
    return rearranged(a, lambda at: np.resize(at, new_shape))


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join one more array at the end, as `numpy.append`."""
    return c.concatenate([arr, values], axis)


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Insert values before one place, or before several, as `numpy.insert`."""
    if axis is None:
        arr, axis = c.reshape(arr, -1), 0
    shape, place = shape_of(arr), _axis(arr, axis)
    n, one = shape[place], isinstance(obj, (int, np.integer))
    if not hasattr(values, "__primitive__"):
        values = np.asarray(values, arr.dtype)
    elif values.dtype != arr.dtype:
        values = p.cast(values, dtype=arr.dtype.name)
    if one or len(np.atleast_1d(np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj))) == 1:
        values = c.reshape(values, (1,) * (len(shape) - len(shape_of(values))) + shape_of(values))
        values = c.moveaxis(values, 0, place) if one else values
        count = shape_of(values)[place]
    else:
        count = len(np.insert(np.arange(n), obj, 0)) - n
    slots = np.insert(np.arange(n), obj, -1 - np.arange(count))
    whole = c.concatenate([arr, p.broadcast(values, shape=(*shape[:place], count, *shape[place + 1 :]))], place)
    return _along(whole, place, np.where(slots < 0, n - 1 - slots, slots))


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Return all but some places, as `numpy.delete`."""
    if axis is None:
        arr, axis = c.reshape(arr, -1), 0
    return _along(arr, axis, np.delete(np.arange(shape_of(arr)[axis]), obj))


def take(a: Any, indices: Any, axis: int | None = None, *, mode: Any = "raise") -> Any:
    """Return the entries, or slices along `axis`, at the given places, as `numpy.take`."""
    if axis is None:
        a, axis = c.reshape(a, -1), 0
    if mode == "raise" and (anew := _each_time(indices)) is not None:
        return _along(a, axis, anew)
    given = _whole(indices, "np.take()")
    places = np.array(given)
    if mode != "raise" or places.dtype.kind == "f":  # NumPy takes numbers of Python's, or a list of them, for places
        places = np.take(np.arange(shape_of(a)[_axis(a, axis)]), given, mode=mode)
    return _along(a, axis, places)


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Return the slices along `axis` for which something holds, as `numpy.compress`."""
    if axis is None:
        a, axis = c.reshape(a, -1), 0
    return _along(a, axis, np.flatnonzero(c.values_of(condition, "np.compress()")))


def extract(condition: Any, arr: Any) -> Any:
    """Return the entries for which something holds, as `numpy.extract`."""
    return compress(np.ravel(c.values_of(condition, "np.extract()")), arr)


def choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    """Return for each place the entry of the choice that `a` names, as `numpy.choose`."""
    chosen = np.asarray(_whole(a, "np.choose()"))
    n = len(choices)
    which = np.choose(chosen, list(range(n)), mode=mode)  # type: ignore[call-overload]
    made = c.getitem(choices, 0) if hasattr(choices, "shape") else choices[0]
    for at in range(1, n):
        made = p.where(which == at, c.getitem(choices, at) if hasattr(choices, "shape") else choices[at], made)
    return c.broadcast_to(made, np.broadcast_shapes(shape_of(made), which.shape)) if n == 1 else made


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Return the first choice whose condition holds, as `numpy.select`."""
    if len(condlist) != len(choicelist):
        raise ShapeError(
            f"np.select got {len(condlist)} conditions and {len(choicelist)} choices; give as many of each."
        )
    made, *choicelist = (np.asarray(v) if isinstance(v, np.generic) else v for v in (default, *choicelist))
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        mask = condition if hasattr(condition, "__primitive__") else np.asarray(condition, bool)
        made = p.where(mask, choice, made)
    return made


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Add up the weights of equal whole numbers, as `numpy.bincount`."""
    places = np.asarray(_whole(x, "np.bincount()"))
    if weights is None:
        return np.bincount(places, minlength=minlength)
    weights = weights if hasattr(weights, "__primitive__") else np.asarray(weights)
    weights = p.cast(weights, dtype="float64") if weights.dtype != np.float64 else weights
    if shape_of(weights) != places.shape:
        raise ShapeError(f"np.bincount: weights of shape {shape_of(weights)} for {places.shape} numbers.")
    return p.scatter(weights, index=places, shape=(len(np.bincount(places, minlength=minlength)),))


def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:  # noqa: A002
    """Count what lies between given edges, as `numpy.histogram`: numbers without a slope.

    Raises:
        GraphError: edges that depend on the entries, or weights or a density with a slope.
    """
    if density or hasattr(weights, "__primitive__") or hasattr(bins, "__primitive__"):
        raise GraphError("np.histogram with density= or traced weights or edges is not supported on graph values; use "
                         "np.bincount(np.digitize(x, edges), weights).")  # fmt: skip
    if np.ndim(bins) == 0 and range is None:
        raise GraphError("np.histogram with a number of bins puts their edges where the entries lie, and the slope of "
                         "the edges would be lost; give the edges, or range=.")  # fmt: skip
    return np.histogram(c.values_of(a, "np.histogram()"), bins, range, weights=weights)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Return for each line along `axis` its own places, as `numpy.take_along_axis`."""
    if axis is None:
        arr, axis = c.reshape(arr, -1), 0
    shape, wanted, place = shape_of(arr), shape_of(indices), _axis(arr, axis)
    if len(shape) == len(wanted) and (anew := _each_time(indices)) is not None:
        shared = [1 if 1 in (n, m) else n for n, m in zip(shape, wanted, strict=True)]
        if all(n == m for at, (n, m) in enumerate(zip(shape, wanted, strict=True)) if at != place):
            lines = np.ogrid[tuple(slice(n) for n in shared)]
            return p.gather(arr, index=tuple(anew if at == place else line for at, line in enumerate(lines)))
    places = np.asarray(_whole(indices, "np.take_along_axis()"))
    return rearranged(arr, lambda at: np.take_along_axis(at, places, axis))


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


def diagflat(v: Any, k: int = 0) -> Any:
    """Put all entries on a diagonal, as `numpy.diagflat`."""
    return diag(c.reshape(v, -1), k)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Sum the diagonal of a matrix, or of each matrix of a batch, as `numpy.trace`."""
    a = a if dtype is None else p.cast(a, dtype=np.dtype(dtype).name)
    return c.sum(diagonal(a, offset, axis1, axis2), -1)


def _triangle(m: Any, k: int) -> np.ndarray[Any, Any]:
    rows, columns = (shape_of(m) * 2)[-2:]  # of one row the triangle of as many rows
    return np.tri(rows, columns, k, bool)


def tril(m: Any, k: int = 0) -> Any:
    """Put zeros above the diagonal `k`, as `numpy.tril`."""
    return p.where(_triangle(m, k), m, 0.0)


def triu(m: Any, k: int = 0) -> Any:
    """Put zeros below the diagonal `k`, as `numpy.triu`."""
    return p.where(~_triangle(m, k - 1), m, 0.0)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move one axis before another, as `numpy.rollaxis`."""
    order = [*range(len(shape_of(a)))]
    place, start = _axis(a, axis), start + len(order) * (start < 0)
    order.remove(place)
    order.insert(start - (place < start), place)
    return c.transpose(a, order)


_MOVES = ("edge", "reflect", "symmetric", "wrap")
STATISTICS: dict[str, Callable[..., Any]] = {"maximum": c.amax, "minimum": c.amin, "mean": c.mean}
"""What a border is filled with, by the mode of `pad`; `micrograd.numpy_api.functions` adds the median."""


def pad(array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    """Put constants around the array, its own entries once more, or what follows from them, as `numpy.pad`.

    `mode` may be a function of your own that fills the border with values that do not depend on the array.

    Raises:
        GraphError: a function whose border depends on the array.
    """
    shape = shape_of(array)
    if not shape:
        return array  # a number has no border
    pad_width = _widths(pad_width, len(shape))
    if mode in ("reflect", "symmetric") and keywords.get("reflect_type", "even") == "odd":
        return _axis_by_axis(array, pad_width, lambda x, axis, n, first: _mirrored(x, axis, n, first, mode))
    if mode in _MOVES:
        return rearranged(array, lambda at: np.pad(at, pad_width, mode, **keywords))
    if mode == "linear_ramp":
        ends = _widths(keywords.get("end_values", 0), len(shape))
        return _axis_by_axis(
            array, pad_width, lambda x, axis, n, first: _ramp(x, axis, n, first, ends[axis][int(not first)])
        )
    if isinstance(mode, str) and mode in STATISTICS:
        given = keywords.get("stat_length")
        lengths = None if given is None else _widths(given, len(shape))

        def filled(x: Any, axis: int, n: int, first: bool) -> Any:
            count = shape[axis] if lengths is None else min(int(lengths[axis][int(not first)]), shape[axis])
            chosen = slice(0, count) if first else slice(shape[axis] - count, shape[axis])
            made = STATISTICS[mode](_along(x, axis, chosen), axis, keepdims=True)
            return c.broadcast_to(made, (*shape_of(x)[:axis], n, *shape_of(x)[axis + 1 :]))

        return _axis_by_axis(array, pad_width, filled)
    if mode == "empty":
        mode = "constant"
    dtype = array.dtype if hasattr(array, "dtype") else np.asarray(array).dtype
    inside = np.pad(np.ones(shape, bool), pad_width)
    start = np.argwhere(inside)[0] if inside.any() else np.zeros(len(shape), int)
    window = tuple(slice(int(a), int(a) + size) for a, size in zip(start, shape, strict=True))
    border = np.pad(np.zeros(shape, dtype), pad_width, mode, **keywords)
    if callable(mode):
        values = c.values_of(array, "np.pad() with a function of your own")
        other = np.pad(np.ones(shape, dtype), pad_width, mode, **keywords)
        again = np.pad(values, pad_width, mode, **keywords)
        if not (np.array_equal(border[~inside], again[~inside]) and np.array_equal(border[~inside], other[~inside])):
            raise GraphError("np.pad with a function of your own: what it puts in the border depends on the array, so "
                             "its gradient would be lost; build the border with np.concatenate.")  # fmt: skip
        if not np.array_equal(again[window], values):
            raise GraphError("np.pad with a function of your own: it changes the array inside the border.")
    if not border.any():
        return p.scatter(array, index=window, shape=border.shape)
    return p.where(inside, p.scatter(array, index=window, shape=border.shape), border)


def _widths(given: Any, ndim: int) -> Any:
    """Return what belongs before and behind each axis, of which one number or pair may stand for all."""
    if isinstance(given, dict):
        pairs = np.zeros((ndim, 2), int)
        for axis, width in given.items():
            pairs[axis] = width
        return pairs
    return np.broadcast_to(np.asarray(given), (ndim, 2))


def _axis_by_axis(x: Any, widths: Any, border: Callable[[Any, int, int, bool], Any]) -> Any:
    """Join to the array, along each axis in turn, what `border` makes of it: before, and behind."""
    for axis, (before, behind) in enumerate(widths):
        parts = [border(x, axis, int(before), True)] if before else []
        parts += [x, *([border(x, axis, int(behind), False)] if behind else [])]
        x = c.concatenate(parts, axis) if len(parts) > 1 else x
    return x


def _ramp(x: Any, axis: int, n: int, first: bool, end: Any) -> Any:
    """Return `n` values on the way from `end` to the edge."""
    edge = _along(x, axis, slice(0, 1) if first else slice(-1, None))
    steps = np.arange(n).reshape([-1 if a == axis else 1 for a in range(len(shape_of(x)))])
    made = float(end) + (edge - float(end)) * (1.0 / n) * steps.astype(x.dtype)
    return made if first else flip(made, axis)


def _mirrored(x: Any, axis: int, n: int, first: bool, mode: str) -> Any:
    """Return twice the edge minus the entries that are mirrored there."""
    size, skip = shape_of(x)[axis], int(mode == "reflect")
    if n > size - skip:
        raise GraphError(f"np.pad with reflect_type='odd' is supported for at most {size - skip} entries along axis "
                         f"{axis} on graph values; got {n}. Pad twice.")  # fmt: skip
    chosen = slice(skip, skip + n) if first else slice(size - skip - n, size - skip)
    edge = _along(x, axis, slice(0, 1) if first else slice(-1, None))
    return 2.0 * edge - flip(_along(x, axis, chosen), axis)
