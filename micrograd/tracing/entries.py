"""What is read out of traced arrays and written into them: values, indices, shapes and dtypes that fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.engine import Tensor
from micrograd.errors import GraphError, ShapeError
from micrograd.tracing.protocols import Likeness

__all__ = ["fitting", "lowered_index", "present", "raw_value"]


def present(x: Any) -> Any:
    """`x` with a traced array in it, or in lists and tuples in it, replaced by its present entries."""
    if isinstance(x, Likeness):
        return x.present()
    if type(x) in (list, tuple) and x:
        return type(x)(present(item) for item in x)
    return x


def raw_value(x: Any) -> Any:
    """`x` with tensors, also in lists and tuples, replaced by their values."""
    if isinstance(x, Tensor):
        return np.asarray(x.raw)
    if type(x) in (list, tuple) and x:
        return type(x)(raw_value(item) for item in x)
    return x


def fitting(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """`value` as it is written to entries of a shape and dtype: broadcast and cast."""
    if not isinstance(value, Tensor):
        made = np.empty(shape, dtype)
        made[...] = value
        return made
    have = value.shape
    while len(have) > len(shape) and have[0] == 1:
        have = have[1:]
    if have != shape:
        try:
            fits = np.broadcast_shapes(have, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"could not broadcast input array from shape {value.shape} into shape {shape}")
    if have != value.shape:
        value = p.reshape(value, shape=have)
    if value.dtype != dtype:
        value = p.cast(value, dtype=dtype.name)
    return value if have == shape else p.broadcast(value, shape=shape)


def lowered_index(index: Any) -> tuple[Any, bool, Tensor | None]:
    """An index without traced arrays in it; whether it makes a view; the tensor that it was, if it was one mask."""
    items = index if isinstance(index, tuple) else (index,)
    lowered: list[Any] = []
    basic = True
    mask: Tensor | None = None
    for given in items:
        item = given
        if isinstance(item, Tensor):
            value = present(item)
            if isinstance(value, Tensor) and value.dtype.kind == "f":
                raise GraphError("a traced float array cannot be an index; compare it, or use .astype(int) for places.")
            if isinstance(value, Tensor) and value.dtype == bool and len(items) == 1:
                mask = value
            item = raw_value(value)
        elif isinstance(item, (list, np.ndarray)):
            item = np.array(raw_value(present(item)))
            if not item.size and item.dtype.kind == "f":
                item = item.astype(np.intp)
        if isinstance(item, np.ndarray) and item.ndim == 0 and item.dtype.kind in "iu":
            item = int(item)
        whole = isinstance(item, (int, np.integer)) and not isinstance(item, bool)
        basic &= whole or item is None or item is Ellipsis or isinstance(item, slice)
        lowered.append(item)
    return tuple(lowered) if isinstance(index, tuple) else lowered[0], basic, mask
