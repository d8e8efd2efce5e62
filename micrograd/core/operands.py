"""Hold the operands of a node, two slots of their own since few nodes have more, and walk from nodes to operands.

Two tuples a node would read better; they made forward and backward of a graph of numbers 15 % slower, by instructions
counted: three objects a node for the garbage collector to look at instead of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

__all__ = ["NOTHING", "Operands", "reached", "slots_of"]

NOTHING = 0.0
"""No gradient has arrived; distinguished from a gradient of 0 by identity, and a number can be added to it as it is."""


class Operands:
    """The operand slots of a node, each with the raw value that was read from it."""

    # x, y: the first two operands, a, b: the raw values read from them; `more`: (operand, raw) of any others.
    __slots__ = ("a", "b", "more", "x", "y")

    x: Any
    a: Any
    y: Any
    b: Any
    more: tuple[tuple[Any, Any], ...]

    @property
    def operands(self) -> tuple[Any, ...]:
        """Return the operand of each slot, None where it is a constant. ``a * a`` has two."""
        if self.b is None:
            return () if self.a is None else (self.x,)
        return (self.x, self.y, *(operand for operand, _ in self.more)) if self.more else (self.x, self.y)

    @property
    def args(self) -> tuple[Any, ...]:
        """Return the raw value that each slot was given."""
        if self.b is None:
            return () if self.a is None else (self.a,)
        return (self.a, self.b, *(raw for _, raw in self.more)) if self.more else (self.a, self.b)


def slots_of(operands: Sequence[Any], args: Sequence[Any]) -> tuple[Any, ...]:
    """Return ``x, a, y, b, more`` for the operands of a node (None: a constant) and the raw values read from them."""
    if len(args) == 1:
        return operands[0], args[0], None, None, ()
    nodes = [o if isinstance(o, Operands) else None for o in operands]
    more = tuple(zip(nodes[2:], args[2:], strict=True)) if len(args) > 2 else ()
    return nodes[0], args[0], nodes[1], args[1], more


def reached(roots: Iterable[Any], halt: set[Any]) -> tuple[list[Any], dict[Any, Any]]:
    """Return the nodes between `roots` and the leaves, the youngest first; and all, with no gradient arrived yet."""
    arriving: dict[Any, Any] = dict.fromkeys((*roots, *halt), NOTHING)
    stack = [root for root in roots if root.row is not None and root not in halt]
    inner: list[Any] = []
    while stack:
        node = stack.pop()
        inner.append(node)
        for operand in node.operands if node.more else (node.x, node.y):
            if operand is not None and operand not in arriving:
                arriving[operand] = NOTHING
                if operand.row is not None:
                    stack.append(operand)
    return sorted(inner, key=attrgetter("serial")), arriving
