"""Tell which operations only move entries, so that loops can be printed for them, and where to.

A gather or scatter at fixed positions of a flat array takes these from a constant; `positions_fed` makes them one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.program.program import Equation, Feed, Index, Program, Value

__all__ = ["is_move", "items_of", "positions_fed", "spelled_out"]


def is_move(equation: Equation, program: Program) -> bool:
    """Check that loops can be printed for an operation on entries of floats."""
    source, dtype = equation.operands[0] if equation.operands else None, program.values[equation.out].dtype
    alike = all(isinstance(o, int) and program.values[o].dtype == dtype for o in equation.operands)
    if not isinstance(source, int) or not alike or not dtype.startswith("float"):
        return False
    if equation.op in ("reshape", "concatenate"):
        return True
    if equation.op not in ("gather", "scatter"):
        return False
    index, shape = equation.attrs["index"], program.values[source].shape
    flat = shape if equation.op == "gather" else equation.attrs["shape"]
    if isinstance(index, Index):
        feed = next((feed for feed in program.feeds if feed.value == index.value), None)
        return feed is not None and feed.kind == "constant" and len(flat) == 1 and np.ndim(feed.array) == 1
    plain = (slice, int, np.integer, type(Ellipsis)) + ((type(None),) if equation.op == "gather" else ())
    return all(isinstance(item, plain) and not isinstance(item, bool) for item in items_of(index))


def positions_fed(program: Program) -> Program:
    """Return the program with fixed positions in flat arrays as constants that it is fed, one for each array."""
    values, feeds = [*program.values], [*program.feeds]
    found: dict[tuple[int, int], int] = {}
    equations = []
    for equation in program.equations:
        index, source = equation.attrs.get("index"), equation.operands[0] if equation.operands else 0.0
        if (
            isinstance(index, np.ndarray) and index.ndim == 1 and index.dtype.kind in "iu" and index.size
            and isinstance(source, int)
        ):  # fmt: skip
            shape = equation.attrs["shape"] if equation.op == "scatter" else program.values[source].shape
            if len(shape) == 1:
                key = id(index), shape[0]
                if key not in found:
                    found[key] = len(values)
                    values.append(Value(index.shape, "int64"))
                    feeds.append(Feed(found[key], "constant", array=np.asarray(index, np.int64) % shape[0]))
                equation = replace(equation, attrs={**equation.attrs, "index": Index(found[key])})  # noqa: PLW2901
        equations.append(equation)
    if not found:
        return program
    return replace(program, values=tuple(values), feeds=tuple(feeds), equations=tuple(equations))


def items_of(index: Any) -> tuple[Any, ...]:
    """Return an index as one item for each axis that it names."""
    return index if isinstance(index, tuple) else (index,)


def spelled_out(index: Any, rank: int) -> list[Any]:
    """Spell out an index of an array of so many axes: slices for an ellipsis and for what is left out.

    None, for a new axis, stays where it is.

    >>> spelled_out((..., None, 0), 3)
    [slice(None, None, None), slice(None, None, None), None, 0]
    """
    items, full = items_of(index), list[Any]()
    taken = sum(item is not None and item is not Ellipsis for item in items)
    for item in items:
        full += [slice(None)] * (rank - taken) if item is Ellipsis else [item]
    return full + [slice(None)] * (rank - sum(item is not None for item in full))
