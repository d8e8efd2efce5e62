"""Name the gradients of edges, and find those that are 0 but for rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.drawing.view.pieces import Block, TextLine, table
from micrograd.graph import Graph, Node
from micrograd.graph.backward import path_name
from micrograd.primitives import TABLE

__all__ = ["axes_text", "axes_words", "by_rounding", "gradient_names", "gradient_table", "rounded_gradients"]

_ROUNDING = 64 * float(np.finfo(float).eps)


def axes_text(source: tuple[int, ...], target: tuple[int, ...]) -> str:
    """Name the axes of `target` over which the gradient of a broadcast operand of shape `source` is summed."""
    lead = len(target) - len(source)
    axes = [*range(lead), *(lead + i for i, size in enumerate(source) if size == 1 and target[lead + i] != 1)]
    return f"Σ over {axes_words(axes)}"


def axes_words(axes: Sequence[int]) -> str:
    """Name axes: ``axis 0``, ``axes 0, 2``."""
    return f"{'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}"


def gradient_names(graph: Graph, edges: Mapping[int, list[tuple[int, int, int]]]) -> dict[tuple[int, int, int], str]:
    """Name the gradient of each edge: ``dmu``, or ``dxmu1``, ``dxmu2`` in the order in which they arrive."""
    names, taken = {}, {node.name for node in graph.nodes}
    for source, leaving in edges.items():
        arriving = sorted(leaving, key=lambda edge: (-edge[1], edge[2]))
        name = graph.nodes[source].name
        for number, edge in enumerate(arriving, 1):
            names[edge] = path_name(name, number, len(arriving), taken)
    return names


def by_rounding(value: Any, parts: Sequence[Any]) -> bool:
    """Check whether what is left of a sum is no more than the rounding of its parts.

    >>> by_rounding(np.array([2.8e-17]), [np.array([0.3, -0.3])]), by_rounding(np.array([0.0]), [np.ones(1)])
    (True, False)
    """

    def largest(array: Any) -> float:
        flat = np.ravel(array)
        return float(np.abs(flat).max()) if flat.size and flat.dtype.kind == "f" else 0.0

    found = largest(value)
    return 0.0 < found <= _ROUNDING * max([0.0, *(largest(part) for part in parts if part is not None)])


def rounded_gradients(graph: Graph, heads: Sequence[int]) -> set[int | tuple[int, int, int]]:
    """Return the nodes and edges whose gradient is what is left of a sum that cancels: 0, but for rounding."""
    found: set[int | tuple[int, int, int]] = set()
    arriving: dict[int, list[tuple[int, int, int]]] = {}
    for edge in sorted(graph.edge_grads, key=lambda edge: -edge[1]):
        arriving.setdefault(edge[0], []).append(edge)
    for node in reversed(graph.nodes):
        g, edges = graph.grads.get(node.index), arriving.get(node.index, [])
        if g is not None and edges:
            parts = [graph.edge_grads[edge] for edge in edges]
            if all(edge in found for edge in edges) or (len(edges) > 1 and by_rounding(g, parts)):
                found.add(node.index)
        if g is None or node.is_leaf:
            continue
        for slot, operand in enumerate(node.operands):
            if not isinstance(operand, int):
                continue
            edge = (operand, node.index, slot)
            if edge in graph.edge_grads:
                sent = graph.edge_grads[edge]
                if (node.index in found and by_rounding(sent, [graph.grads.get(heads[node.index])])) or (
                    by_rounding(sent, [g]) and by_rounding(sent, _before_fold(graph, node, slot, g))
                ):
                    found.add(edge)
    return found


def _before_fold(graph: Graph, node: Node, slot: int, g: Any) -> list[Any]:
    """Return what is added up to the gradient of a broadcast operand, by the operation's own rule."""
    operands = [graph.values[o] if isinstance(o, int) else o for o in node.operands]
    row, operand = TABLE[node.op], node.operands[slot]
    if row.kind != "map" or not isinstance(operand, int) or graph.nodes[operand].shape == node.shape:
        return []
    rule = row.vjp[slot]
    with np.errstate(all="ignore"):
        return [] if rule is None else [rule(g, graph.values[node.index], *operands, **node.attrs)]


def gradient_table(value: Any, rounded: bool) -> Block:
    """Return a gradient as a block, or the remark that it is 0 but for rounding."""
    if rounded:
        return Block((TextLine("0 by rounding", "red", 10),), "red-table")
    return table(value, "red")
