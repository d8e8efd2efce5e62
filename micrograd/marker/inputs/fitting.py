"""Look for arguments with which a function runs, where the names of its parameters do not say what they hold.

One argument is changed at a time; a change that brings the function further, in lines run, is kept.
"""

from __future__ import annotations

import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np

import micrograd.errors
from micrograd.marker.inputs.conventions import ArgumentLayout, Dims, Fill, outputs_in, sizes_of
from micrograd.pytree import call_by_parameter

__all__ = ["searched"]

_MOST = 500  # runs of the function
_NOT_THEIRS = tuple(
    {os.path.dirname(path) for path in (os.path.dirname(np.__file__), micrograd.errors.__file__, os.__file__)}
)
_SECONDS = 2.0
_ARRAYS: tuple[Dims, ...] = (
    ("N", "D"), ("N", "T", "D"), ("N", "C", "Y", "X"), ("D", "M"), ("M", "D"), ("D", "H"), ("H", "H"), ("D", "D"),
    ("H", "M"), ("M", "H"), ("N", "H"), ("D", "N"), ("H", "D"), ("H", "N"), ("M", "N"), ("N", "M"), ("N", "T", "H"),
    ("T", "D"), ("F", "C", "K", "L"), ("D",), ("M",), ("H",), ("C",), ("F",), ("N",), ("M", 1), (1, "M"), (1, "D"),
    (1, "H"), ("D", 1), ("H", 1), (),
)  # fmt: skip
_WINDOW = re.compile(r"(pool|kernel|filter|window|h|w)(_\w+)?|\w+_(h|w|width|height|kernel|filter)|[HWfkp]")
_COUNT = re.compile(r"(n|num|in|out)_\w+|\w+_(size|n|len|length|channels|filters?|units)|size|[VDMN]")
_SHAPE = re.compile(r"\w*(shape|dims?)\d?")
_OTHERS: tuple[Fill, ...] = (
    *(Fill("size", (axis,)) for axis in "DMHCFTN"), *(Fill("value", value=value) for value in (2, 1, True)),
    Fill("labels", ("N",), top="D"), Fill("labels", ("N", "T"), top="D"), Fill("labels", ("N", "T"), top="M"),
    Fill("one-hot", ("N", "D"), top="D"), Fill("labels", (), top="D"),
    *(Fill("shape", dims) for dims in (("C", "Y", "X"), ("N", "C", "Y", "X"), ("N", "D"), ("D",))),
    Fill("value", value=(2, 2)),
)  # fmt: skip


def searched(
    forward: Callable[..., Any], start: ArgumentLayout, known: AbstractSet[str], sure: AbstractSet[str]
) -> ArgumentLayout | None:
    """Return a layout with which the function runs and returns finite numbers; None where none is found.

    Args:
        forward: a function of arrays; it is run some hundred times.
        start: where to begin.
        known: the parameters whose names say that they hold an array: of these only the axes are changed.
        sure: the parameters that stay as they are.
    """
    lengths, numbers = iter("DMHF"), dict[str, Fill]()
    for name in (name for name in start.entries if name not in {*known, *sure}):
        if _WINDOW.fullmatch(name):
            numbers[name] = Fill("value", value=(2, 2) if "shape" in name else 2)
        elif _COUNT.fullmatch(name):
            numbers[name] = Fill("size", (next(lengths, "D"),))
    first = start.changed(numbers)
    found = _searched(forward, first, known, sure)
    if found is None and len(rows := _rows(first.entries, sure)) > 1:  # one example, as of words that are compared
        alone = {name: replace(entry, dims=entry.dims[1:]) for name, entry in rows.items()}
        found = _searched(forward, first.changed(alone), known, sure)
    return found


def _searched(
    forward: Callable[..., Any], best: ArgumentLayout, known: AbstractSet[str], sure: AbstractSet[str]
) -> ArgumentLayout | None:
    left, end = _MOST, time.process_time() + _SECONDS
    for place in (0, -1):  # the last sizes are even where there are images
        furthest, found = _run(forward, best, sizes_of(best)[place])
        if found is not None:
            return best
        moves = _moves(best.entries, known, sure)
        while (entries := next(moves, None)) is not None:
            tried = best.changed(entries)
            sizes = sizes_of(tried)
            far, axes = _run(forward, tried, sizes[place])
            fits = axes is not None and axes <= tried.axes
            if fits and _run(forward, tried, sizes[1 if place == 0 else -2])[1] is not None:
                return tried
            if axes is None and far > furthest:
                best, furthest = tried, far
                moves = _moves(best.entries, known, sure)
            left -= 1
            if not left or time.process_time() > end:
                return None
    return None


def _rows(entries: Mapping[str, Fill], sure: AbstractSet[str]) -> dict[str, Fill]:
    return {n: e for n, e in entries.items() if len(e.dims) == 2 and e.dims[0] == "N" and n not in sure}


def _moves(entries: Mapping[str, Fill], known: AbstractSet[str], sure: AbstractSet[str]) -> Iterator[dict[str, Fill]]:
    """Yield changes of one argument, the unknown ones first; then of all at once: columns for rows, wider gates."""
    for name in sorted(entries.keys() - sure, key=lambda name: (name in known, list(entries).index(name))):
        entry = entries[name]
        kind = entry.kind if entry.kind in ("array", "scale", "positive") else "array"
        arrays = [Fill(kind, dims) for dims in _ARRAYS] if entry.kind == kind or name not in known else []
        others = list(_OTHERS) if name not in known else []
        if entry.kind in ("labels", "one-hot"):
            arrays, others = [], [other for other in others if other.kind in ("labels", "one-hot")]
        first = _SHAPE.fullmatch(name) or _WINDOW.fullmatch(name) or _COUNT.fullmatch(name)
        yield from ({name: one} for one in ([*others, *arrays] if first else [*arrays, *others]) if one != entry)
    rows = _rows(entries, sure)
    for turn in (lambda n, d: (d, n), lambda _, d: (d,), lambda _, d: (d, 1)):  # columns, one example, one column
        if len(rows) > 1:
            yield {name: replace(entry, dims=turn(*entry.dims)) for name, entry in rows.items()}
    for wide in ("3H", "4H", "2H"):
        gates = {
            name: replace(entry, dims=(*entry.dims[:-1], wide))
            for name, entry in entries.items()
            if entry.dims[-1:] == ("H",) and entry.dims[0] != "N" and name not in sure
        }
        if gates:
            yield gates


def _run(forward: Callable[..., Any], layout: ArgumentLayout, sizes: Mapping[str, int]) -> tuple[int, int | None]:
    """Return how many lines ran, and the axes of the result, its array of the most axes; None where there is none."""
    lines = set[tuple[str, int]]()

    def step(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename.startswith(_NOT_THEIRS):
            return None
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return step

    try:
        arguments = layout.tried(sizes)
    except (KeyError, ValueError):
        return 0, None
    before = sys.gettrace()
    sys.settrace(step)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = call_by_parameter(forward, arguments)
    except Exception:  # noqa: BLE001 - whatever the user's code raises
        return len(lines), None
    finally:
        sys.settrace(before)
    found = outputs_in(result)
    good = found and all(np.size(r) and np.isfinite(r).all() for r in found)
    return len(lines), max(map(np.ndim, found)) if good else None
