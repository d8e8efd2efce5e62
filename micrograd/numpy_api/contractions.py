"""Compose products that sum over shared axes of primitives: `einsum` and what is a special case of it.

Written in the shared dialect: each works on tensors (recorded) and on arrays alike. Axes are brought in order, folded
into matrices, multiplied by one `matmul` row and unfolded again.
"""

from __future__ import annotations

import itertools
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import ShapeError
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import Axis, normal_axis, reduced_axis, shape_of

__all__ = [
    "accumulated", "average", "beside", "cross", "cumulative", "dot", "einsum", "inner", "kron", "matvec", "outer",
    "prod", "scanned", "tensordot", "vecdot", "vecmat",
]  # fmt: skip


def einsum(*given: Any, optimize: Any = None, dtype: Any = None) -> Any:
    """Contract axes as `numpy.einsum`: subscripts as text or as lists, an ellipsis, labels that repeat.

    Raises:
        ShapeError: sizes that differ, or subscripts that do not fit the operands.
    """
    del optimize  # pairs are contracted from left to right
    subscripts, operands = _spelled(given)
    if dtype is not None:
        operands = [p.cast(x, dtype=np.dtype(dtype).name) if hasattr(x, "dtype") else x for x in operands]
    text = _named_axes(subscripts.replace(" ", ""), operands) if "." in subscripts else subscripts.replace(" ", "")
    left, arrow, out = text.partition("->")
    labels = left.split(",")
    if not arrow:
        out = "".join(sorted(label for label, times in Counter(left.replace(",", "")).items() if times == 1))
    if len(labels) != len(operands):
        raise ShapeError(f"einsum {subscripts!r} names {len(labels)} operand(s); got {len(operands)}.")
    sizes: dict[str, int] = {}
    for axes, operand in zip(labels, operands, strict=True):
        shape = shape_of(operand)
        if len(axes) != len(shape):
            raise ShapeError(f"einsum {subscripts!r}: {axes!r} names {len(axes)} axes; the operand has shape {shape}.")
        for label, size in zip(axes, shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                raise ShapeError(f"einsum {subscripts!r}: {label} is {sizes[label]} in one place, {size} in another.")
    if unknown := set(out) - set(sizes):
        raise ShapeError(f"einsum {subscripts!r}: {', '.join(sorted(unknown))} of the result is in no operand.")
    for at, (axes, operand) in enumerate(zip(labels, operands, strict=True)):
        shape = shape_of(operand)
        if any(shape[axes.index(label)] != size for label, size in zip(axes, shape, strict=True)):
            raise ShapeError(f"einsum {subscripts!r}: {axes!r} names axes of different sizes alike, of shape {shape}.")
        alike = tuple(n for n, label in enumerate(axes) if shape[n] == 1 != sizes[label])  # repeated along the axis
        if alike:
            operands[at] = c.squeeze(operand, alike)
            labels[at] = "".join(label for n, label in enumerate(axes) if n not in alike)
    x, have = operands[0], labels[0]
    for place in range(1, len(operands)):
        later = {*out, *"".join(labels[place + 1 :])}
        wanted = out if place == len(operands) - 1 else "".join(sorted(later & {*have, *labels[place]}))
        x, have = _pair(x, have, operands[place], labels[place], wanted), wanted
    x, have = _without(x, have, {*out})
    return _in_order(x, have, out)


_LETTERS = string.ascii_uppercase + string.ascii_lowercase  # in NumPy's order of the lists' numbers


def _spelled(given: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return subscripts as text, and the operands, of either form of a call."""
    if not given or isinstance(given[0], str):
        return (given[0] if given else ""), list(given[1:])

    def text(labels: Any) -> str:
        return "".join("..." if label is Ellipsis else _LETTERS[int(label)] for label in labels)

    operands, labels = list(given[: len(given) // 2 * 2 : 2]), [text(part) for part in given[1::2]]
    out = "->" + text(given[-1]) if len(given) % 2 else ""
    return ",".join(labels) + out, operands


def _named_axes(text: str, operands: Sequence[Any]) -> str:
    """Write letters for the axes that an ellipsis stands for, counted from the last."""
    left, arrow, out = text.partition("->")
    parts = left.split(",")
    free = [letter for letter in _LETTERS if letter not in text]
    longest = 0
    for at, (part, operand) in enumerate(zip(parts, operands, strict=False)):
        if "..." not in part:
            continue
        count = len(shape_of(operand)) - len(part.replace("...", ""))
        if count < 0:
            raise ShapeError(f"einsum {text!r}: {part!r} names more axes than shape {shape_of(operand)} has.")
        longest = max(longest, count)
        parts[at] = part.replace("...", "".join(free[:count][::-1]))
    whole = "".join(free[:longest][::-1])
    if arrow:
        return ",".join(parts) + "->" + out.replace("...", whole)
    once = Counter("".join(parts))
    named = "".join(sorted(label for label, times in once.items() if times == 1 and label not in whole))
    return ",".join(parts) + "->" + whole + named


def _without(x: Any, labels: str, kept: set[str]) -> tuple[Any, str]:
    """Read repeated labels of `x` along the diagonal and sum the labels that nobody needs away."""
    for label, times in Counter(labels).items():
        if times > 1:
            places = [axis for axis, own in enumerate(labels) if own == label]
            rest = "".join(own for own in labels if own != label)
            order = [*places, *(axis for axis, own in enumerate(labels) if own != label)]
            x = p.gather(c.transpose(x, order), index=(np.arange(shape_of(x)[places[0]]),) * times)
            labels = label + rest
    gone = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    if gone:
        x = c.sum(x, gone)
    return x, "".join(label for label in labels if label in kept)


def _in_order(x: Any, labels: str, wanted: str) -> Any:
    return x if labels == wanted else c.transpose(x, [labels.index(label) for label in wanted])


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if shape_of(x) == shape else p.reshape(x, shape=shape)


def _count(sizes: Sequence[int]) -> int:
    return int(np.prod(sizes, dtype=int))


def _pair(x: Any, left: str, y: Any, right: str, out: str) -> Any:
    """Contract two operands: one `matmul` where an axis is summed over, else one `mul`."""
    x, left = _without(x, left, {*out, *right})
    y, right = _without(y, right, {*out, *left})
    size = dict(zip(left + right, shape_of(x) + shape_of(y), strict=True))
    both = [label for label in left if label in right]
    batch = "".join(label for label in both if label in out)
    summed = "".join(label for label in both if label not in out)
    rows = "".join(label for label in left if label not in right)
    columns = "".join(label for label in right if label not in left)

    def sizes(labels: str) -> tuple[int, ...]:
        return tuple(size[label] for label in labels)

    if summed:
        x = _in_order(x, left, batch + rows + summed)
        y = _in_order(y, right, batch + summed + columns)
        x = _shaped(x, (*sizes(batch), _count(sizes(rows)), _count(sizes(summed))))
        y = _shaped(y, (*sizes(batch), _count(sizes(summed)), _count(sizes(columns))))
        made = _shaped(p.matmul(x, y), sizes(batch + rows + columns))
    else:
        x = _shaped(_in_order(x, left, batch + rows), sizes(batch + rows) + (1,) * len(columns))
        y = _shaped(_in_order(y, right, batch + columns), sizes(batch) + (1,) * len(rows) + sizes(columns))
        made = p.mul(x, y)
    return _in_order(made, batch + rows + columns, out)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum over pairs of axes, those of `a` and `b` that remain one after the other, as `numpy.tensordot`."""
    left, right = shape_of(a), shape_of(b)
    first: list[Any]
    second: list[Any]
    if isinstance(axes, (int, np.integer)):
        first, second = list(range(len(left) - int(axes), len(left))), list(range(int(axes)))
    else:
        first, second = ([given] if isinstance(given, (int, np.integer)) else list(given) for given in axes)
    first = [n % len(left) for n in first] if left else first
    second = [n % len(right) for n in second] if right else second
    if [left[n] for n in first] != [right[n] for n in second]:
        raise ShapeError(f"tensordot: axes {first} of {left} and {second} of {right} have different sizes.")
    kept = [n for n in range(len(left)) if n not in first], [n for n in range(len(right)) if n not in second]
    rows, columns = tuple(left[n] for n in kept[0]), tuple(right[n] for n in kept[1])
    inner_size = _count([left[n] for n in first])
    x = _shaped(_ordered(a, [*kept[0], *first]), (_count(rows), inner_size))
    y = _shaped(_ordered(b, [*second, *kept[1]]), (inner_size, _count(columns)))
    return _shaped(p.matmul(x, y), rows + columns)


def _ordered(x: Any, order: list[int]) -> Any:
    return x if order == [*range(len(order))] else c.transpose(x, order)


def outer(a: Any, b: Any) -> Any:
    """Multiply every entry of `a` with every entry of `b`, as `numpy.outer`."""
    return p.mul(c.reshape(a, (-1, 1)), c.reshape(b, (1, -1)))


def inner(a: Any, b: Any) -> Any:
    """Sum over the last axis of both, as `numpy.inner`."""
    if not shape_of(a) or not shape_of(b):
        return p.mul(a, b)
    return tensordot(a, b, (-1, -1))


def dot(a: Any, b: Any) -> Any:
    """Multiply with a number, as matrices, or every matrix with every other, as `numpy.dot`."""
    if len(shape_of(a)) and len(shape_of(b)) > 2:
        return tensordot(a, b, (-1, -2))
    return c.dot(a, b)


def kron(a: Any, b: Any) -> Any:
    """Multiply every entry of `a` with all of `b`, as blocks, as `numpy.kron`."""
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    ndim = max(len(shape_of(a)), len(shape_of(b)))
    left, right = ((1,) * (ndim - len(shape_of(x))) + shape_of(x) for x in (a, b))
    x = c.reshape(a, [size for n in left for size in (n, 1)])
    y = c.reshape(b, [size for n in right for size in (1, n)])
    return c.reshape(p.mul(x, y), [n * m for n, m in zip(left, right, strict=True)])


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return the vector at right angles to two vectors of three entries, as `numpy.cross`."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = c.moveaxis(a, axisa, -1), c.moveaxis(b, axisb, -1)
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise ShapeError(f"np.cross takes vectors of three entries; got {shape_of(a)[-1]} and {shape_of(b)[-1]}.")

    def turned(x: Any, by: int) -> Any:
        return p.gather(x, index=(..., np.roll(np.arange(3), by)))

    made = turned(a, -1) * turned(b, 1) - turned(a, 1) * turned(b, -1)
    return c.moveaxis(made, -1, axisc)


def vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    """Sum the products along an axis, as `numpy.vecdot`."""
    x1, x2 = (c.moveaxis(x, axis, -1) for x in (x1, x2))
    rows, columns = c.expand_dims(x1, -2), c.expand_dims(x2, -1)
    return c.squeeze(c.matmul(rows, columns), (-2, -1))


def matvec(x1: Any, x2: Any) -> Any:
    """Multiply matrices with vectors, as `numpy.matvec`."""
    return c.squeeze(c.matmul(x1, c.expand_dims(x2, -1)), -1)


def vecmat(x1: Any, x2: Any) -> Any:
    """Multiply vectors with matrices, as `numpy.vecmat`."""
    return c.squeeze(c.matmul(c.expand_dims(x1, -2), x2), -2)


def scanned(row: p.Primitive) -> Callable[..., Any]:
    """Return the function that scans an array by `row`, as `numpy.cumsum` does: all entries where `axis` is None."""

    def call(a: Any, axis: int | None = None) -> Any:
        if len(shape_of(a)) != 1 and (axis is None or not shape_of(a)):
            a = c.reshape(a, -1)
        return row(a, axis=normal_axis(0 if axis is None else axis, len(shape_of(a))))

    return call


def cumulative(row: p.Primitive, initial: float) -> Callable[..., Any]:
    """Return the same with the signature of `numpy.cumulative_sum`."""

    def call(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Any:
        shape = shape_of(x)
        if axis is None and len(shape) != 1:
            raise ShapeError(f"cumulative over all of shape {shape}: give the axis")
        place = normal_axis(0 if axis is None else axis, len(shape))
        made = row(x, axis=place)
        first = np.full(tuple(1 if n == place else size for n, size in enumerate(shape)), initial, made.dtype)
        return p.concatenate(first, made, axis=place) if include_initial else made

    return call


def accumulated(step: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Return the scan that puts one entry after the other through `step`, as `numpy.ufunc.accumulate`."""

    def call(a: Any, axis: int = 0) -> Any:
        place = int(normal_axis(axis, len(shape_of(a))))  # type: ignore[arg-type]
        lines = [p.gather(a, index=(*[slice(None)] * place, n)) for n in range(shape_of(a)[place])]
        return c.stack([*itertools.accumulate(lines, step)], place) if lines else a

    return call


def _counted(a: Any) -> Any:
    """Cast truth values and short whole numbers to the dtype in which NumPy adds and multiplies them up."""
    dtype = np.add.reduce(np.zeros(1, a.dtype)).dtype
    return a if dtype == a.dtype else p.cast(a, dtype=dtype.name)


def prod(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Multiply one after the other, as `numpy.prod`: the last of the running products, for which zeros are no case."""
    a = _counted(a)
    shape = shape_of(a)
    chosen = reduced_axis(axis, len(shape))
    axes = tuple(range(len(shape))) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
    rest = [n for n in range(len(shape)) if n not in axes]
    n = _count([shape[axis] for axis in axes])
    x = _shaped(_ordered(a, [*axes, *rest]), (n, *(shape[axis] for axis in rest)))
    kept = tuple(1 if n in axes else size for n, size in enumerate(shape)) if keepdims else shape_of(x)[1:]
    if n == 0:  # of nothing
        return p.reshape(c.sum(x, 0), shape=kept) + 1
    return p.reshape(p.gather(p.cumprod(x, axis=0), index=slice(n - 1, n)), shape=kept)


def beside(weights: Any, a: Any, axis: Axis) -> Any:
    """Return the weights of the slices along an axis in a shape that stands beside the values."""
    if shape_of(weights) == shape_of(a):
        return weights
    if not isinstance(axis, int):
        raise ShapeError(f"average: weights of shape {shape_of(weights)} for values of {shape_of(a)}; give an axis")
    shape = [1] * len(shape_of(a))
    shape[axis] = -1
    return c.reshape(weights, shape)


def average(a: Any, axis: Axis = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """Return the mean of the entries times their weights, as `numpy.average`."""
    if weights is None:
        return c.mean(a, axis, keepdims=keepdims)
    weights = c.broadcast_to(beside(weights, a, axis), shape_of(a))
    if weights.dtype.kind in "biu":
        weights = p.cast(weights, dtype=np.result_type(weights.dtype, a.dtype).name)
    return c.divide(c.sum(a * weights, axis, keepdims=keepdims), c.sum(weights, axis, keepdims=keepdims))
