"""Run one signature of a function that is too long to compile: with NumPy, one equation after the other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.program.program import Program, evaluate

__all__ = ["LONGEST", "PlainEntry", "refuse_range", "run_as_written"]

LONGEST = 10_000
"""Machine code of so many operations takes several seconds to make, and from there on more than in proportion."""


class PlainEntry:
    """A program run as it was captured, with its changes of state; says once that nothing is fused.

    Args:
        program: as captured.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.assumptions, self.relied = program, program.assumptions, program.relied
        self.pool: list[Any] = []
        warnings.warn(
            f"{program.name} has {len(program.equations):,} operations; more than {LONGEST:,} take long to compile, "
            "so NumPy runs them one by one. Compile a part of it, or write loops over numbers as operations on arrays.",
            RuntimeWarning,
            stacklevel=5,
        )

    def holds(self) -> bool:
        """Return whether what the capture relied on is still so: that a layer is training."""
        return self.program.holds()

    def run(self, leaves: Sequence[Any]) -> Any:
        """Return the result of a call, whose changes of state have taken place."""
        program, given = self.program, dict[int, Any]()
        for feed in program.feeds:
            made = program.values[feed.value]
            value = feed.array if feed.kind == "constant" else leaves[feed.position] if feed.get is None else feed.get()
            if feed.limit is not None:
                refuse_range(np.asarray(value), feed.limit, program, -feed.limit if feed.signed else 0)
            given[feed.value] = float(value) if made.weak and not made.shape else np.asarray(value, made.dtype)
        return run_as_written(program, given)

    def refused(self) -> GraphError:
        """Return the error for who asks for kernels."""
        return GraphError(
            f"{self.program.name} has {len(self.program.equations):,} operations and was not compiled "
            f"(at most {LONGEST:,} are); there are no kernels to show."
        )


def run_as_written(program: Program, given: dict[int, Any]) -> Any:
    """Return the result of a call, computed by NumPy from its feeds, whose changes of state take place."""
    known = evaluate(program, given)
    answers = [np.array(known[v], program.values[v].dtype) for v in program.outputs]
    changes = [np.array(known[change.value], program.values[change.value].dtype) for change in program.writes]
    for change, value in zip(program.writes, changes, strict=True):
        change.put(value)
    for effect in program.after:
        effect()
    return program.rebuild(answers)


def refuse_range(labels: Any, limit: int, program: Program, least: int) -> None:
    """Raise IndexError for the first of the labels that is below `least`, or `limit` or more."""
    wrong = np.flatnonzero((labels < least) | (labels >= limit))
    if wrong.size:
        place = int(wrong[0])
        raise IndexError(
            f"{program.name}: label {labels.flat[place]} at [{place}] is out of range for {limit} columns; "
            f"expected 0 to {limit - 1}."
        )
