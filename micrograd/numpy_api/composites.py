"""Compose what an array can do of primitives: the functions behind the tensor's methods and NumPy's names.

Written in the shared dialect, so each works on tensors (recorded) and on arrays alike.  `mean` is ``div(sum, N)``
and `var` is four nodes: nothing here is a fused node, and no derivative is written here.
"""

from __future__ import annotations

import builtins
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import DTypeError, ShapeError
from micrograd.modes import capturing
from micrograd.source.names import user_line

__all__ = [
    "all_of", "amax", "amin", "any_of", "array_equal", "between", "bitwise", "broadcast_to", "clip", "concatenate",
    "divide", "divided", "dot", "expand_dims", "float_power", "getitem", "infinite", "isclose", "logical_and",
    "logical_not", "logical_or", "logical_xor", "matmul", "maximum", "mean", "minimum", "moveaxis", "nan_to_num",
    "parted", "power", "reshape", "rounded", "scaled", "squeeze", "stack", "std", "sum", "swapaxes", "transpose",
    "truth", "values_of", "var",
]  # fmt: skip

_FLOAT = np.dtype(float)
Axis = int | Sequence[int] | None


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of a tensor, array or number."""
    shape = getattr(x, "shape", None)
    return np.shape(x) if shape is None else tuple(shape)


def values_of(x: Any, what: str) -> np.ndarray[Any, Any]:
    """Return the values of a tensor or array, for a choice that they decide.

    Raises:
        GraphError: in a captured call, whose values change from call to call.
    """
    if not hasattr(x, "__primitive__"):
        return np.asarray(x)
    if (capture := capturing()) is not None:
        return np.asarray(capture.known_values(x, what))
    return np.asarray(x.raw)


def normal_axis(axis: Axis, ndim: int) -> int | tuple[int, ...] | None:
    """Count `axis` from the front: None, one int, or a sorted tuple of ints. Raises ShapeError out of range."""
    if axis is None:
        return None
    axes = tuple(sorted(_places(axis, ndim)))
    return axes[0] if len(axes) == 1 else axes


def reduced_axis(axis: Axis, ndim: int) -> int | tuple[int, ...] | None:
    """Count `axis` from the front as NumPy's ufuncs do where they reduce: to them a number has an axis 0 too."""
    alone = not ndim and isinstance(axis, (int, np.integer)) and axis in (0, -1)
    return None if alone else normal_axis(axis, ndim)


def _places(axis: int | Sequence[int], ndim: int) -> list[int]:
    """Count axes from the front, in the order given. Raises ShapeError out of range, or for one named twice."""
    axes = [*map(operator.index, axis if isinstance(axis, Sequence) else [axis])]
    for a in axes:
        if not -ndim <= a < ndim:
            range_ = f"use {-ndim} to {ndim - 1}" if ndim else "a number has none"
            raise ShapeError(f"axis {a} is out of range for {ndim} dimension(s); {range_}")
    places = [a % ndim for a in axes]
    if len(set(places)) < len(places):
        raise ShapeError(f"axis {axis} names an axis twice")
    return places


def _count(shape: tuple[int, ...], axis: int | tuple[int, ...] | None) -> int:
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    return int(np.prod([shape[a] for a in axes], dtype=int))


def sum(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Sum over `axis` (all axes where None)."""
    axis = reduced_axis(axis, len(shape_of(getattr(x, "raw", x))))  # of the value, which is read here anyway
    return p.sum(x, axis=axis, keepdims=True) if keepdims else p.sum(x, axis=axis)


def _warn(text: str) -> None:
    warnings.warn(text + (f" (line {line})" if (line := user_line()) else ""), RuntimeWarning, stacklevel=3)


def mean(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Average over `axis` as ``sum(x) / N``: two nodes. The mean of nothing is nan, with NumPy's RuntimeWarning."""
    axis = normal_axis(axis, len(shape_of(x)))
    n = _count(shape_of(x), axis)
    if n == 0:
        _warn(f"mean over axis {axis} of shape {shape_of(x)}: the mean of nothing is nan")
    if hasattr(x, "dtype") and x.dtype == np.float16:  # whose sums overflow at 65,504: NumPy adds up in float32 too
        return p.cast(p.div(sum(p.cast(x, dtype="float32"), axis, keepdims=keepdims), n), dtype="float16")
    return p.div(sum(x, axis, keepdims=keepdims), n)


def var(x: Any, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the mean of the squared distance from the mean, two-pass; ``ddof=1`` divides by N - 1."""
    axis = normal_axis(axis, len(shape_of(x)))
    n = builtins.max(_count(shape_of(x), axis) - ddof, 0)
    if n == 0:
        _warn(f"var over axis {axis} of shape {shape_of(x)} with ddof={ddof}: nothing to divide by")
    centred = x - mean(x, axis, keepdims=True)
    return p.div(sum(centred**2, axis, keepdims=keepdims), n)


def std(x: Any, axis: Axis = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
    """Return the square root of `var`. Its slope is infinite where the variance is 0; over one entry it is 0."""
    if ddof == 0 and _count(shape_of(x), normal_axis(axis, len(shape_of(x)))) == 1:
        return sum(x - x, axis, keepdims=keepdims)
    return p.sqrt(var(x, axis, ddof=ddof, keepdims=keepdims))


def amax(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the largest value over `axis`; ties share the gradient equally."""
    axis = reduced_axis(axis, len(shape_of(x)))
    return p.max(x, axis=axis, keepdims=True) if keepdims else p.max(x, axis=axis)


def amin(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the smallest value over `axis`: ``-max(-x)``."""
    if not hasattr(x, "dtype") or x.dtype.kind == "f":
        return -amax(-x, axis, keepdims=keepdims)
    if x.dtype.kind == "b":
        return all_of(x, axis, keepdims=keepdims)
    last = np.array(-1 if x.dtype.kind == "i" else np.iinfo(x.dtype).max, x.dtype)  # -x may not fit
    return p.sub(last, amax(p.sub(last, x), axis, keepdims=keepdims))


def _kind(x: Any) -> str:
    """Return the kind of the dtype of an array or tensor, as NumPy abbreviates it; "f" for a number."""
    return getattr(getattr(x, "raw", x), "dtype", _FLOAT).kind


def _is_node(x: Any) -> bool:
    return hasattr(x, "__primitive__")


def _tie(x: Any, y: Any) -> dict[str, float]:
    return {} if all(_is_node(o) and _kind(o) == "f" for o in (x, y)) else {"tie": 0.0}


def between(row: p.Primitive) -> Callable[[Any, Any], Any]:
    """Return the larger or smaller of two by `row`: floats share a tie; against a constant it goes to the constant.

    Whole numbers are constants, also where they are computed.
    """

    def call(x: Any, y: Any) -> Any:
        return row(x, y, **_tie(x, y))

    return call


maximum = between(p.maximum)


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two, elementwise: ``-maximum(-x, -y)``."""
    x, y = (o.item() if isinstance(o, np.generic) else o for o in (x, y))
    dtype = np.result_type(*(o.dtype if hasattr(o, "dtype") else o for o in (x, y)))
    if dtype.kind in "biu":
        return p.where(p.less(x, y), x, y)  # no gradient flows
    tie = _tie(x, y)
    x, y = (p.cast(o, dtype=dtype.name) if getattr(o, "dtype", dtype).kind in "biu" else o for o in (x, y))
    x, y = (float(o) if isinstance(o, int) else o for o in (x, y))  # minus the whole number 0 has no sign
    x, y = (np.asarray(-o) if isinstance(o, np.ndarray) else -o for o in (x, y))
    return -p.maximum(x, y, **tie)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Hold `x` between `low` and `high`."""
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


def divide(x: Any, y: Any) -> Any:
    """Divide as NumPy does; one over floats is `reciprocal`, as in the staged graph."""
    if type(x) in (int, float) and x == 1 and _is_node(y) and _kind(y) == "f":
        return p.reciprocal(y)
    return p.div(x, y)


def divided(x: Any, y: Any) -> tuple[Any, Any]:
    """Return the quotient rounded down and the remainder, as `numpy.divmod`."""
    return p.floor_divide(x, y), p.remainder(x, y)


def parted(x: Any) -> tuple[Any, Any]:
    """Return what stands behind the point and what before it, both with the sign, as `numpy.modf`."""
    whole = p.trunc(x)
    rest = p.where(p.isinf(x), p.copysign(0.0, x), p.copysign(x - whole, x))
    return rest, whole


def scaled(x: Any, exponent: Any) -> Any:
    """Multiply by a power of 2, as `numpy.ldexp`: in two steps, since the power alone may be out of range."""
    power = np.asarray(values_of(exponent, "np.ldexp() by exponents"))
    half = power // 2
    dtype = x.dtype if hasattr(x, "dtype") else _FLOAT
    return x * np.ldexp(np.ones((), dtype), half) * np.ldexp(np.ones((), dtype), power - half)


def power(x: Any, exponent: Any) -> Any:
    """Raise `x` to a number or to an array of exponents."""
    if isinstance(exponent, np.ndarray) and exponent.ndim == 0:
        exponent = exponent.item()
    if isinstance(exponent, np.ndarray) or _is_node(exponent) or not _is_node(x):
        return p.power(x, exponent)
    if isinstance(exponent, bool) or not isinstance(exponent, (int, float, np.integer, np.floating)):
        kind = type(exponent).__name__
        raise DTypeError(f"the exponent must be a number or an array; got {kind}.")
    number = exponent.item() if isinstance(exponent, np.generic) else exponent
    whole = isinstance(number, float) and number.is_integer() and _kind(x) == "f"
    return p.pow(x, exponent=int(number) if whole else number)


def float_power(x: Any, exponent: Any) -> Any:
    """Raise `x` to a power in float64, as `numpy.float_power`."""
    x, exponent = (p.cast(o, dtype="float64") if getattr(o, "dtype", _FLOAT) != _FLOAT else o for o in (x, exponent))
    if isinstance(exponent, float) and exponent == 0.5 and _is_node(x):  # to NumPy no root here, of -inf and -0.0
        exponent = np.full(shape_of(x), exponent)
    return power(x, exponent)


def nan_to_num(x: Any, *, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Put numbers in the place of nan and of infinities, as `numpy.nan_to_num`."""
    if x.dtype.kind != "f":
        return x
    info = np.finfo(x.dtype)
    high, low = (float(info.max) if posinf is None else posinf), (float(info.min) if neginf is None else neginf)
    x = p.where(p.isnan(x), nan, x)
    return p.where(p.equal(x, np.inf), high, p.where(p.equal(x, -np.inf), low, x))


def rounded(a: Any, decimals: int = 0) -> Any:
    """Round to a number of decimals, halves to even, by the products and quotients that `numpy.round` computes."""
    if a.dtype.kind in "biu" and decimals >= 0:
        return a
    scale = 10.0 ** builtins.abs(decimals)
    if not decimals:
        return p.rint(a)
    return p.div(p.rint(a * scale), scale) if decimals > 0 else p.rint(p.div(a, scale)) * scale


def truth(x: Any) -> Any:
    """Return whether each entry is not 0."""
    return x if x.dtype.kind == "b" else p.not_equal(x, 0)


def logical_and(x: Any, y: Any) -> Any:
    """Return whether both are true, elementwise."""
    return p.where(_truth_of(x), _truth_of(y), np.array(False))


def logical_or(x: Any, y: Any) -> Any:
    """Return whether one of two is true, elementwise."""
    return p.where(_truth_of(x), np.array(True), _truth_of(y))


def logical_xor(x: Any, y: Any) -> Any:
    """Return whether just one of two is true, elementwise."""
    return p.not_equal(_truth_of(x), _truth_of(y))


def logical_not(x: Any) -> Any:
    """Return whether each entry is 0."""
    return p.equal(_truth_of(x), np.array(False))


def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Return whether entries are equal within a tolerance, as `numpy.isclose`."""
    near = p.less_equal(p.abs(a - b), atol + rtol * p.abs(b))
    made = logical_or(p.equal(a, b), logical_and(near, p.isfinite(b)))
    return logical_or(made, logical_and(p.isnan(a), p.isnan(b))) if equal_nan else made


def infinite(x: Any, *, negative: bool) -> Any:
    """Return whether entries are infinite and of that sign, as `numpy.isposinf` and `numpy.isneginf`."""
    sign = p.signbit(x)
    return logical_and(p.isinf(x), sign if negative else logical_not(sign))


def array_equal(a: Any, b: Any, equal_nan: bool = False) -> Any:
    """Return whether two arrays have the same shape and entries, as `numpy.array_equal`."""
    if shape_of(a) != shape_of(b):
        return False
    same = p.equal(a, b)
    return all_of(logical_or(same, logical_and(p.isnan(a), p.isnan(b))) if equal_nan else same)


def any_of(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return whether an entry over `axis` is true."""
    return p.greater(sum(truth(x), axis, keepdims=keepdims), 0)


def all_of(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return whether all entries over `axis` are true."""
    return logical_not(any_of(logical_not(x), axis, keepdims=keepdims))


def _truth_of(x: Any) -> Any:
    return truth(x if hasattr(x, "dtype") else np.asarray(x))


def bitwise(logical: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``& | ^ ~`` of truth values of the logical function of the same meaning.

    Raises:
        DTypeError (at the call): whole numbers or floats, whose bits are no part of the graph.
    """

    def call(*operands: Any) -> Any:
        for x in operands:
            dtype = x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype
            if dtype.kind != "b":
                raise DTypeError(f"&, |, ^ and ~ take truth values on graph values; got {dtype}. Compare first, x > 0.")
        return logical(*operands)

    return call


def matmul(x: Any, y: Any) -> Any:
    """Return the matrix product as ``@`` means it: vectors count as one row (left) or one column (right)."""
    left, right = shape_of(x), shape_of(y)
    if not left or not right:
        raise ShapeError(f"matmul needs arrays of at least one dimension; got shapes {left} and {right}. Use *.")
    if left[-1] != right[-min(2, len(right))]:
        raise ShapeError(
            f"matmul: {left} @ {right}: inner sizes {left[-1]} and {right[-min(2, len(right))]} differ. "
            "Transpose one operand (.T), or check which comes first."
        )
    x = p.reshape(x, shape=(1, *left)) if len(left) == 1 else x
    y = p.reshape(y, shape=(*right, 1)) if len(right) == 1 else y
    out = p.matmul(x, y)
    if len(left) == 1 or len(right) == 1:
        batch, (rows, columns) = shape_of(out)[:-2], shape_of(out)[-2:]
        kept = (() if len(left) == 1 else (rows,)) + (() if len(right) == 1 else (columns,))
        out = p.reshape(out, shape=batch + kept)
    return out


def dot(x: Any, y: Any) -> Any:
    """Multiply with a number or as matrices, as `numpy.dot`. Raises ShapeError for a stack of matrices."""
    if not shape_of(x) or not shape_of(y):
        return p.mul(x, y)
    if len(shape_of(y)) > 2:
        raise ShapeError(
            f"dot with a second operand of shape {shape_of(y)} pairs every matrix with every other; use @."
        )
    return matmul(x, y)


def reshape(x: Any, shape: Sequence[int] | int) -> Any:
    """Return `x` in another shape; one entry may be -1."""
    wanted = (shape,) if isinstance(shape, (int, np.integer)) else tuple(map(operator.index, shape))
    size = int(np.prod(shape_of(x), dtype=int))
    if wanted.count(-1) == 1:
        rest = -int(np.prod(wanted, dtype=int))
        if rest and size % rest == 0:
            wanted = tuple(size // rest if s == -1 else s for s in wanted)
    if -1 in wanted or int(np.prod(wanted, dtype=int)) != size:
        raise ShapeError(f"cannot reshape {shape_of(x)} ({size} entries) to {wanted}")
    return p.reshape(x, shape=wanted)


def broadcast_to(x: Any, shape: Sequence[int] | int) -> Any:
    """Repeat `x` along new leading axes and along unit axes; the gradient is summed over them."""
    return p.broadcast(x, shape=(shape,) if isinstance(shape, int) else tuple(shape))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Permute the axes of `x`; reverse them where `axes` is None."""
    ndim = len(shape_of(x))
    order = tuple(range(ndim))[::-1] if axes is None else tuple(a + ndim * (a < 0) for a in map(operator.index, axes))
    if sorted(order) != list(range(ndim)):
        raise ShapeError(f"axes {axes} are not a permutation of the {ndim} axes of shape {shape_of(x)}")
    return p.transpose(x, axes=order)


def swapaxes(x: Any, a: int, b: int) -> Any:
    """Exchange two axes of `x`."""
    order = list(range(len(shape_of(x))))
    (a,), (b,) = _places(a, len(order)), _places(b, len(order))
    order[a], order[b] = order[b], order[a]
    return transpose(x, order)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move axes of `x` to new positions; the others keep their order."""
    return transpose(x, _moved(len(shape_of(x)), source, destination))


def _moved(ndim: int, source: int | Sequence[int], destination: int | Sequence[int]) -> list[int]:
    origin, target = _places(source, ndim), _places(destination, ndim)
    if len(origin) != len(target):
        raise ShapeError(f"moveaxis got {len(origin)} source and {len(target)} destination axes; give as many of each")
    order = [a for a in range(ndim) if a not in origin]
    for to, come in sorted(zip(target, origin, strict=True)):
        order.insert(to, come)
    return order


def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """Add unit axes to `x` at the given positions of the result."""
    ndim = len(shape_of(x)) + (len(axis) if isinstance(axis, Sequence) else 1)
    places = _places(axis, ndim)
    sizes = iter(shape_of(x))
    return p.reshape(x, shape=tuple(1 if a in places else next(sizes) for a in range(ndim)))


def squeeze(x: Any, axis: Axis = None) -> Any:
    """Drop the unit axes of `x`, or those named."""
    shape = shape_of(x)
    chosen = normal_axis(axis, len(shape))
    if chosen is None:
        chosen = tuple(a for a, size in enumerate(shape) if size == 1)
    gone = (chosen,) if isinstance(chosen, int) else chosen
    for a in gone:
        if shape[a] != 1:
            raise ShapeError(f"cannot squeeze axis {a} of shape {shape}: its size is {shape[a]}, not 1")
    return p.reshape(x, shape=tuple(s for a, s in enumerate(shape) if a not in gone))


_GROUP = 64


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """Join arrays along an existing axis; all their entries in one row where `axis` is None."""
    arrays = [reshape(a, -1) for a in arrays] if axis is None else list(arrays)
    if not arrays:
        raise ShapeError("concatenate needs at least one array; got an empty sequence")
    ndim = len(shape_of(arrays[0]))
    if ndim == 0:
        raise ShapeError("zero-dimensional arrays cannot be concatenated; use stack")
    return joined(arrays, _places(0 if axis is None else axis, ndim)[0])


def joined(arrays: Sequence[Any], axis: int) -> Any:
    """Join arrays along an axis, many of them in groups: a row with n operands takes n times n steps backwards."""
    while len(arrays) > _GROUP:
        arrays = [p.concatenate(*arrays[at : at + _GROUP], axis=axis) for at in range(0, len(arrays), _GROUP)]
    return p.concatenate(*arrays, axis=axis)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Join arrays of one shape along a new axis."""
    return concatenate([expand_dims(a, axis) for a in arrays], axis)


def getitem(x: Any, index: Any) -> Any:
    """Return ``x[index]``: integers, slices, None, Ellipsis, masks and integer arrays."""
    items = index if isinstance(index, tuple) else (index,)
    if (capture := capturing()) is not None:
        items = tuple(capture.index(i) if _is_node(i) else i for i in items)
    raw = tuple(
        np.array(i.data if _is_node(i) else i) if _is_node(i) or isinstance(i, (list, np.ndarray)) else i for i in items
    )
    return p.gather(x, index=raw if isinstance(index, tuple) else raw[0])
