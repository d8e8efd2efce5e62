"""Find views: operations that only rename axes, so that a kernel may read through them instead of copying.

A view is described by one entry per axis of the array that is read: the axis of the result that runs along it, or,
below 0, the one index that it is read at: `ONE` for index 0, and `fixed` for any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from micrograd.primitives import TABLE
from micrograd.program.program import Equation

__all__ = ["ONE", "Axes", "fixed", "index_of", "is_unit_reshape", "unit_reshape", "varying", "view_axes"]

ONE = -1

Axes = tuple[bool, ...]


def fixed(index: int) -> int:
    """Return the entry for an axis that is read at this index only.

    >>> fixed(0) == ONE, index_of(fixed(3))
    (True, 3)
    """
    return -1 - index


def index_of(entry: int) -> int:
    """Return the index that such an entry stands for."""
    return -1 - entry


def unit_reshape(old: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """Return where the axes of `old` go if `new` differs from it in unit axes only; None otherwise.

    >>> unit_reshape((4, 1, 3), (4, 3, 1))
    (0, -1, 1)
    """
    if [size for size in old if size != 1] != [size for size in new if size != 1]:
        return None
    places = iter([axis for axis, size in enumerate(new) if size != 1])
    return tuple(next(places) if size != 1 else ONE for size in old)


def is_unit_reshape(old: Sequence[int], new: Sequence[int]) -> bool:
    """Check that a reshape only adds or drops axes of size 1."""
    return unit_reshape(old, new) is not None


def view_axes(equation: Equation, shapes: Sequence[tuple[int, ...]], out: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return for each axis of the one operand the axis of the result along it; None where it is no view."""
    op, attrs = equation.op, equation.attrs
    shape = shapes[0] if shapes else ()
    if op == "broadcast":
        lead = len(out) - len(shape)
        return tuple(ONE if size == 1 else lead + axis for axis, size in enumerate(shape))
    if op == "reshape":
        return unit_reshape(shape, out)
    if op == "transpose":
        order = attrs["axes"]
        return tuple(ONE if shape[axis] == 1 else order.index(axis) for axis in range(len(shape)))
    if op == "gather":
        return _placed(attrs["index"], shape)
    return None


def _placed(index: Any, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the axes of the index ``x[3:4, :]``: one place along some axes."""
    items = index if isinstance(index, tuple) else (index,)
    if len(items) != len(shape) or not all(isinstance(i, slice) for i in items):
        return None
    axes = []
    for axis, item in enumerate(items):
        if item == slice(None) or shape[axis] == 1:
            axes.append(axis if shape[axis] != 1 else ONE)
        elif type(item.start) is type(item.stop) is int and 0 <= item.start == item.stop - 1 and item.step in (None, 1):
            axes.append(fixed(item.start))
        else:
            return None
    return tuple(axes)


def varying(
    equation: Equation, shapes: Sequence[tuple[int, ...]], out: tuple[int, ...], operands: Sequence[Axes]
) -> Axes:
    """Return along which axes of its result, of shape `out`, an equation may vary, given that of its operands."""
    plain = tuple(size != 1 for size in out)
    found = [False] * len(out)
    if TABLE[equation.op].kind == "map":
        for own in operands:
            lead = len(out) - len(own)
            for axis, may in enumerate(own):
                found[lead + axis] |= may
        return tuple(found)
    axes = view_axes(equation, shapes, out)
    if axes is None:
        return plain
    for may, to in zip(operands[0], axes, strict=True):
        if to >= 0:
            found[to] |= may
    return tuple(found)
