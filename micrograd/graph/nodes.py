"""Define what a graph is made of: nodes, edges and stages, all frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from micrograd.source.names import Source

__all__ = ["LEAVES", "Edge", "Node", "Stage"]

LEAVES = ("input", "parameter", "constant")
"""The operations of values that come from outside."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the computation.

    Attributes:
        index: position in ``graph.nodes``.
        name: unique in the graph: the user's name; ``mu_sum`` for the sum inside ``mu = 1/N * np.sum(x)``.
        op: ``input``, ``parameter`` (a tensor from outside), ``constant`` (an array), or the primitive's name.
        shape, dtype: of the value.
        operands: one entry per slot: the index of a node, or a float for a number written inline.
        attrs: the keywords of the operation, as ``axis`` or ``exponent``.
        statement: the name that the user's statement assigns; ``mu`` for ``mu_sum`` too.
        stage: index in ``graph.stages``, or None.
        source: where in the user's file, or None.
        callers: the calls on the way there, outermost first: of a helper function, or of a layer.
        calls: the number of each of those calls: nodes of one call have one number.
    """

    index: int
    name: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    operands: tuple[int | float, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    statement: str = ""
    stage: int | None = None
    source: Source | None = None
    callers: tuple[Source, ...] = ()
    calls: tuple[int, ...] = ()

    @property
    def is_leaf(self) -> bool:
        """Check that the value comes from outside."""
        return self.op in LEAVES

    @property
    def reads(self) -> tuple[int, ...]:
        """Return the nodes among the operands, in slot order; one used twice comes twice."""
        return tuple(operand for operand in self.operands if isinstance(operand, int))


@dataclass(frozen=True, slots=True)
class Edge:
    """The operand slot `slot` of node `target` is node `source`."""

    source: int
    target: int
    slot: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the user's code: the title from a comment, else the name assigned, and its nodes."""

    title: str
    nodes: tuple[int, ...]
