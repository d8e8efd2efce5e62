"""Memory of compiled calls: arenas for what is computed on the way, and arrays for results, used again when they die.

All of it begins with a line of the cache. NumPy's own arrays begin anywhere within one: every vector then lies across
two lines, and batch norm of 64x128 takes twice as long.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["Results", "Workspace", "aligned"]

KEPT = 1 << 29
"""A workspace keeps at most so many bytes of results."""
ALIVE = 4
"""So many arrays are kept for each result: more are alive only where a user collects them."""
LINE = 64
"""Bytes that a cache holds together."""

unset = np.empty
"""What makes memory with any content; tests put a function here that fills it, so that reading it shows."""

_EXACT = getattr(sys, "_is_gil_enabled", lambda: True)()  # without a GIL counts are not

Kept = list[tuple[Any, Any]]  # memory as it was made, and the array that begins with a line in it


def aligned(entries: int, dtype: Any) -> tuple[Any, Any]:
    """Return new memory, and so many entries of it that begin with a line of the cache."""
    size = np.dtype(dtype).itemsize
    whole = unset(entries + LINE // size, dtype)
    skipped = -whole.ctypes.data % LINE // size
    return whole, whole[skipped : skipped + entries]


def _holders(kept: Kept) -> int:
    """Return how many references the first memory has, counted just as `Results.take` counts them."""
    for whole, array in kept:  # noqa: B007 (a name that holds it)
        return sys.getrefcount(whole)
    return 0


_FREE = _holders([aligned(1, "float64")])


class Results:
    """The arrays of one result of a program: each is handed out anew once nobody holds it or a view of it.

    Args:
        shape: of the result.
        dtype: of the result.
        size: how many bytes the results of a program keep, which all of them count in one place.
    """

    __slots__ = ("dtype", "kept", "shape", "size")

    def __init__(self, shape: tuple[int, ...], dtype: Any, size: list[int]) -> None:
        self.shape, self.dtype, self.size = shape, np.dtype(dtype), size
        self.kept: Kept = []

    def take(self) -> Any:
        """Return an array with any content that nobody else holds."""
        count = sys.getrefcount
        for whole, array in self.kept:
            if count(whole) == _FREE:
                return array.view()  # new: a user may give the one before another shape, or lock it
        return self._fresh()

    def _fresh(self) -> Any:
        entries = int(np.prod(self.shape, dtype=int))
        nbytes = entries * self.dtype.itemsize
        if not _EXACT or len(self.kept) == ALIVE or self.size[0] + nbytes > KEPT:
            return unset(self.shape, self.dtype)
        whole, array = aligned(entries, self.dtype)
        self.size[0] += nbytes
        self.kept.append((whole, array.reshape(self.shape)))
        return self.kept[-1][1].view()


class Workspace:
    """The memory of one call at a time.

    Args:
        ends: how many entries of each dtype are computed on the way.
        results: shape and dtype of each result.

    Attributes:
        arenas: an array for each dtype.
        views: values that NumPy reads or writes, as arrays.
        results: what makes arrays for each result.
        takes: their `take`, which a call asks for without a detour.
    """

    __slots__ = ("arenas", "results", "takes", "views")

    def __init__(self, ends: dict[str, int], results: Iterable[tuple[tuple[int, ...], str]] = ()) -> None:
        self.arenas = {dtype: aligned(entries, dtype)[1] for dtype, entries in sorted(ends.items())}
        self.views: dict[int, Any] = {}
        size = [0]
        self.results = [Results(shape or (1,), dtype, size) for shape, dtype in results]
        self.takes = [result.take for result in self.results]
