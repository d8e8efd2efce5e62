"""Reuse large arrays that nothing refers to any more.

A fresh array of a megabyte costs more in page faults than the arithmetic that fills it: the C library hands the memory
of a dropped graph back to the system, and the next forward pass asks for it again, page by page. So results of
forward operations from `SMALLEST` bytes on are written into arrays that this module keeps, each as soon as nobody
else holds a reference to it. At most `KEPT` bytes are kept, per thread; `release` gives them back.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

import numpy as np

__all__ = ["KEPT", "SMALLEST", "apply", "copy", "release", "unused"]

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


def unused(arrays: list[Array]) -> Array | None:
    """Return an array of the list that nothing else refers to, open for writing; None where there is none."""
    for place in range(len(arrays)):
        if _holders(arrays, place) == _FREE:
            found = arrays[place]
            found.setflags(write=True)
            return found
    return None


def _take(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of that kind with any content: an unused one, else a new one, kept if there is room."""
    arrays = _pool.arrays.setdefault((shape, dtype), [])
    if (found := unused(arrays)) is not None:
        return found
    fresh: Array = np.empty(shape, dtype)
    if _pool.size + fresh.nbytes <= KEPT:
        _pool.size += fresh.nbytes
        arrays.append(fresh)
    return fresh


def copy(x: Array) -> Array:
    """Return a copy of `x`, in its own memory order."""
    if x.nbytes < SMALLEST or not x.flags.c_contiguous:
        return x.copy(order="K")
    out = _take(x.shape, x.dtype)
    np.copyto(out, x)
    return out


@functools.cache
def _result_dtype(ufunc: np.ufunc, *kinds: Any) -> np.dtype[Any]:
    """Return the dtype that NumPy gives the result of `ufunc` on operands of these dtypes (``float``: a number)."""
    return ufunc.resolve_dtypes((*kinds, None))[-1]


def apply(ufunc: np.ufunc, *operands: Any) -> Any:
    """Return ``ufunc(*operands)`` of an elementwise function, written into a kept array where one fits.

    It fits where the largest operand has the shape of the result and lies in C order. The dtype is the one that NumPy
    gives such a result: a mask times a number is no mask.
    """
    out = max((x for x in operands if type(x) is np.ndarray), key=lambda x: x.size)
    if not out.flags.c_contiguous:
        return ufunc(*operands)
    kinds: list[Any] = []
    for x in operands:
        if type(x) is float:
            kinds.append(float)
        elif x.shape == out.shape[out.ndim - x.ndim :]:
            kinds.append(x.dtype)
        else:
            return ufunc(*operands)
    return ufunc(*operands, out=_take(out.shape, _result_dtype(ufunc, *kinds)))


def release() -> None:
    """Give the kept arrays of this thread back, those in use as soon as they die."""
    _pool.arrays.clear()
    _pool.size = 0
