"""Run a graph again with something changed in it: an operand, an attribute, a result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd.graph.graph import Graph
from micrograd.primitives import TABLE

__all__ = ["NodeEdit", "Replay"]

NodeEdit = tuple[int, int | str, Callable[[Any], Any]]
"""A node, what of it is changed (the operand of a slot, ``"attrs"``, ``"out"``), and what is made of that."""


class Replay:
    """A graph that has been run, to be run again with edits of its nodes.

    >>> from micrograd.tracing import trace
    >>> def shifted(x):
    ...     return 2 * (x + 0.5)
    >>> replay = Replay(trace(shifted, np.ones(2)))
    >>> replay([(1, 1, lambda eps: 0.0)])[-1]
    array([2., 2.])
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes, self.values = graph.nodes, graph.values
        self._reads = [node.reads for node in graph.nodes]

    def __call__(self, edits: Sequence[NodeEdit]) -> list[Any]:
        """Return the value of each node; those that no edit reaches are not computed again.

        An ``"attrs"`` of None leaves the operation out: its first operand is passed on.
        """
        at: dict[int, dict[int | str, Callable[[Any], Any]]] = defaultdict(dict)
        for index, what, change in edits:
            at[index][what] = change
        values, dirty = list(self.values), set[int]()
        with np.errstate(all="ignore"):
            for index in range(min(at, default=len(values)), len(values)):
                if index not in at and dirty.isdisjoint(self._reads[index]):
                    continue
                dirty.add(index)
                node, changes = self.nodes[index], at.get(index, {})
                if not node.is_leaf:
                    operands = [values[o] if isinstance(o, int) else o for o in node.operands]
                    operands = [changes[i](o) if i in changes else o for i, o in enumerate(operands)]
                    attrs = changes["attrs"](node.attrs) if "attrs" in changes else node.attrs
                    if TABLE[node.op].kind != "map" and attrs is not None:
                        operands = [np.asarray(o) for o in operands]
                    values[index] = operands[0] if attrs is None else TABLE[node.op].forward(*operands, **attrs)
                if "out" in changes:
                    values[index] = changes["out"](values[index])
        return values
