"""One signature of a compiled function that is too long to compile: run by NumPy, one equation after the other."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd.compiler.backends.numpy import refuse_range, run_as_written
from micrograd.program.program import Program
from micrograd.errors import GraphError

__all__ = ["LONGEST", "PlainEntry"]

LONGEST = 1500
"""Machine code of so many operations takes about two minutes to make, and from there on more than in proportion."""


class PlainEntry:
    """A program run as it was captured, with its changes of state; says once that nothing is fused.

    Args:
        program: as captured.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.assumptions = program, program.assumptions
        self.pool: list[Any] = []
        warnings.warn(
            f"{program.name} has {len(program.equations):,} operations; compiling more than {LONGEST:,} takes minutes, "
            "so NumPy runs them one by one. Compile a part of it, or write loops over numbers as operations on arrays.",
            RuntimeWarning,
            stacklevel=5,
        )

    def holds(self) -> bool:
        """Whether what the capture relied on is still so: that a layer is training."""
        return self.program.holds()

    def run(self, leaves: Sequence[Any]) -> Any:
        """The answer of a call, whose changes of state have taken place."""
        program, given = self.program, dict[int, Any]()
        for feed in program.feeds:
            made = program.values[feed.value]
            value = feed.array if feed.kind == "constant" else leaves[feed.position] if feed.get is None else feed.get()
            if feed.limit is not None:
                refuse_range(np.asarray(value), feed.limit, program, -feed.limit if feed.signed else 0)
            given[feed.value] = float(value) if made.weak and not made.shape else np.asarray(value, made.dtype)
        return run_as_written(program, given)

    def refused(self) -> GraphError:
        """The error for who asks for kernels."""
        return GraphError(
            f"{self.program.name} has {len(self.program.equations):,} operations and was not compiled "
            f"(at most {LONGEST:,} are); there are no kernels to show."
        )
