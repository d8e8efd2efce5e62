"""Large arrays of values that have died, used again.

A fresh array of a megabyte costs more in page faults than the arithmetic that fills it: the C library hands the memory
of a dropped graph back to the system, and the next forward pass asks for it again, page by page. So results of
forward operations from `SMALLEST` bytes on are written into arrays that this module keeps, each as soon as nobody
else holds a reference to it. At most `KEPT` bytes are kept, per thread; `release` gives them back.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

__all__ = ["KEPT", "SMALLEST", "apply", "copy", "release"]

SMALLEST = 1 << 18 if getattr(sys, "_is_gil_enabled", lambda: True)() else sys.maxsize  # counts are exact with a GIL
KEPT = 1 << 26

Array = np.ndarray[Any, Any]


class _Pool(threading.local):
    """The arrays of a thread, by shape and dtype, and how many bytes they are."""

    def __init__(self) -> None:
        self.arrays: dict[tuple[Any, ...], list[Array]] = {}
        self.size = 0


_pool = _Pool()


def _holders(arrays: list[Array], place: int) -> int:
    return sys.getrefcount(arrays[place])


_FREE = _holders([np.empty(0)], 0)  # what an array counts that only its list holds, in this Python


def _take(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of that kind with any content: one that has died, else a new one, kept if there is room."""
    arrays = _pool.arrays.setdefault((shape, dtype), [])
    for place in range(len(arrays)):
        if _holders(arrays, place) == _FREE:
            found = arrays[place]
            found.setflags(write=True)
            return found
    fresh: Array = np.empty(shape, dtype)
    if _pool.size + fresh.nbytes <= KEPT:
        _pool.size += fresh.nbytes
        arrays.append(fresh)
    return fresh


def copy(x: Array) -> Array:
    """A copy of `x`, in its own memory order."""
    if x.nbytes < SMALLEST or not x.flags.c_contiguous:
        return x.copy(order="K")
    out = _take(x.shape, x.dtype)
    np.copyto(out, x)
    return out


def apply(ufunc: np.ufunc, *operands: Any) -> Any:
    """``ufunc(*operands)`` for an elementwise function whose result has the operands' dtype where these are floats.

    The result is written into a kept array where its shape and dtype are those of the largest operand.
    """
    out = max((x for x in operands if type(x) is np.ndarray), key=lambda x: x.nbytes)
    if out.dtype.kind != "f":  # half of a truth value is a float
        return ufunc(*operands)
    for x in operands:
        fits = type(x) is float or (x.dtype == out.dtype and x.shape == out.shape[out.ndim - x.ndim :])
        if not fits or not out.flags.c_contiguous:
            return ufunc(*operands)
    return ufunc(*operands, out=_take(out.shape, out.dtype))


def release() -> None:
    """Give the kept arrays of this thread back, those in use as soon as they die."""
    _pool.arrays.clear()
    _pool.size = 0
