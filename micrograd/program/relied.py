"""Tell whether a call has the values that a program was captured for: those of branches, counts and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.program.program import Equation, Feed, Value, computed

__all__ = ["Relied"]


class Relied:
    """The values that a program holds for, and how they are computed of the arguments and the state of a call.

    Args:
        feeds, equations, values: of the program.
        expected: the values, what they are, and what asked for them, in the order of asking.

    Raises:
        GraphError: one depends on what every call draws anew.
    """

    def __init__(
        self, feeds: Sequence[Feed], equations: Sequence[Equation], values: Sequence[Value],
        expected: Sequence[tuple[int, Any, str]],
    ) -> None:  # fmt: skip
        self.expected = {value: np.array(array) for value, array, _ in expected}
        self.said = expected[0][2]
        needed, kept = {*self.expected}, []
        for equation in reversed(equations):
            if equation.out in needed:
                needed.update(equation.reads)
                kept.append(equation)
        self.equations = kept[::-1]
        self.feeds = [feed for feed in feeds if feed.value in needed]
        self.kinds = {feed.value: values[feed.value] for feed in self.feeds}
        if any(feed.kind == "host" for feed in self.feeds):
            raise GraphError(f"cannot compile {self.said}: it depends on numbers that every call draws anew.")

    def holds(self, leaves: Sequence[Any]) -> bool:
        """Check that the values of a call with these arguments are those of the capture."""
        known: dict[int, Any] = {}
        for feed in self.feeds:
            made = self.kinds[feed.value]
            found = feed.array if feed.kind == "constant" else leaves[feed.position] if feed.get is None else feed.get()
            known[feed.value] = float(found) if made.weak and not made.shape else np.asarray(found, made.dtype)
            if not self._is_expected(feed.value, known):
                return False
        with np.errstate(all="ignore"):
            for equation in self.equations:
                try:
                    known[equation.out] = computed(equation, known)
                except (ArithmeticError, IndexError, ValueError):  # as the call will say
                    return False
                if not self._is_expected(equation.out, known):
                    return False
        return True

    def _is_expected(self, value: int, known: dict[int, Any]) -> bool:
        return value not in self.expected or np.array_equal(self.expected[value], known[value])
