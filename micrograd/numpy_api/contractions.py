"""Compose products that sum over shared axes of primitives: `einsum` and what is a special case of it.

Written in the shared dialect: each works on tensors (recorded) and on arrays alike. Axes are brought in order, folded
into matrices, multiplied by one `matmul` row and unfolded again.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import GraphError, ShapeError
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import Axis, normal_axis, shape_of

__all__ = ["accumulated", "average", "cumulative", "einsum", "inner", "norm", "outer", "prod", "scanned", "tensordot"]


def einsum(subscripts: str, *operands: Any) -> Any:
    """Contract axes as `numpy.einsum`, for subscripts given as text, without an ellipsis.

    Raises:
        GraphError: an ellipsis, or operands and lists of axes in turns. ShapeError: sizes that differ.
    """
    if not isinstance(subscripts, str):
        raise GraphError("einsum takes its subscripts as text on graph values, as in np.einsum('ij,jk->ik', a, b).")
    text = subscripts.replace(" ", "")
    if "." in text:
        raise GraphError(f"einsum {subscripts!r}: an ellipsis is not supported; name every axis.")
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
            if sizes.setdefault(label, size) != size:
                raise ShapeError(f"einsum {subscripts!r}: {label} is {sizes[label]} in one place, {size} in another.")
    if unknown := set(out) - set(sizes):
        raise ShapeError(f"einsum {subscripts!r}: {', '.join(sorted(unknown))} of the result is in no operand.")
    x, have = operands[0], labels[0]
    for place in range(1, len(operands)):
        later = {*out, *"".join(labels[place + 1 :])}
        wanted = out if place == len(operands) - 1 else "".join(sorted(later & {*have, *labels[place]}))
        x, have = _pair(x, have, operands[place], labels[place], wanted), wanted
    x, have = _without(x, have, {*out})
    return _in_order(x, have, out)


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
    first, second = [n % len(left) for n in first], [n % len(right) for n in second]
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


def scanned(row: p.Primitive) -> Callable[..., Any]:
    """Return the function that scans an array by `row`, as `numpy.cumsum` does: all entries where `axis` is None."""

    def call(a: Any, axis: int | None = None) -> Any:
        if axis is None or not shape_of(a):
            a, axis = c.reshape(a, -1), axis or 0
        return row(a, axis=normal_axis(axis, len(shape_of(a))))

    return call


def cumulative(row: p.Primitive, initial: float) -> Callable[..., Any]:
    """Return the same with the signature of `numpy.cumulative_sum`."""

    def call(x: Any, *, axis: int | None = None, include_initial: bool = False) -> Any:
        shape = shape_of(x)
        if axis is None and len(shape) != 1:
            raise ShapeError(f"cumulative over all of shape {shape}: give the axis")
        place = normal_axis(axis or 0, len(shape))
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
    """Multiply halves with each other until one entry is left, so that zeros are no special case, as `numpy.prod`."""
    a = _counted(a)
    shape = shape_of(a)
    chosen = normal_axis(axis, len(shape))
    axes = tuple(range(len(shape))) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
    rest = [n for n in range(len(shape)) if n not in axes]
    n = _count([shape[axis] for axis in axes])
    x = _shaped(_ordered(a, [*axes, *rest]), (n, *(shape[axis] for axis in rest)))
    if n == 0:
        raise ShapeError(f"prod over axis {axis} of shape {shape}: there is nothing to multiply")
    while n > 1:
        half = n // 2
        odd = [p.gather(x, index=slice(2 * half, n))] if n % 2 else []
        x = p.mul(p.gather(x, index=slice(0, half)), p.gather(x, index=slice(half, 2 * half)))
        x = p.concatenate(x, *odd, axis=0) if odd else x
        n = half + n % 2
    kept = tuple(1 if n in axes else size for n, size in enumerate(shape)) if keepdims else shape_of(x)[1:]
    return p.reshape(x, shape=kept)


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A002 - NumPy's name
    """Return the norms 1, 2 and inf of vectors, and Frobenius' of matrices, as `numpy.linalg.norm`."""
    matrix = (axis is None and len(shape_of(x)) > 1) or isinstance(axis, Sequence)
    if ord in (None, "fro") or (ord == 2 and not matrix):
        return p.sqrt(c.sum(x**2, axis, keepdims=keepdims))
    if ord in (1, np.inf) and not matrix:
        return (c.sum if ord == 1 else c.amax)(p.abs(x), axis, keepdims=keepdims)
    raise GraphError(f"np.linalg.norm with ord={ord!r} is not supported on graph values; write it with abs, sum, max.")


def average(a: Any, axis: Axis = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    """Return the mean of the entries times their weights, as `numpy.average`."""
    if weights is None:
        return c.mean(a, axis, keepdims=keepdims)
    if shape_of(weights) != shape_of(a):
        if not isinstance(axis, int):
            raise ShapeError(f"average: weights of shape {shape_of(weights)} for values of {shape_of(a)}; give an axis")
        shape = [1] * len(shape_of(a))
        shape[axis] = -1
        weights = c.reshape(weights, shape)
    weights = c.broadcast_to(weights, shape_of(a))
    if weights.dtype.kind in "biu":
        weights = p.cast(weights, dtype=np.result_type(weights.dtype, a.dtype).name)
    return c.divide(c.sum(a * weights, axis, keepdims=keepdims), c.sum(weights, axis, keepdims=keepdims))
