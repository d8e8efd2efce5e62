"""Define what a graph is made of (nodes, edges, stages), and build it from recorded tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.engine import Tensor, toposort
from micrograd.source.names import Source, operand_names, unique_names

__all__ = ["LEAVES", "Edge", "Label", "Node", "Stage", "assemble", "graph_size"]


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

    @property
    def factor(self) -> float | None:
        """Return the number that a product or a quotient multiplies its other operand by: 1/N of ``sum(x) / N``."""
        if self.op == "div":
            divisor = self.operands[1]
            return 1.0 / divisor if isinstance(divisor, float) and divisor else None
        numbers = [operand for operand in self.operands if isinstance(operand, float)]
        return numbers[0] if self.op == "mul" and numbers else None


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


# ---- from recorded tensors ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Label:
    """What a recorded node is called, and where it comes from.

    Attributes:
        source: the user's expression.
        statement: the name that the user's statement assigns.
        name: where the node has one of its own; else it is called after the statement and the operation.
        stage: what tells the stage from others; its title comes last.
        constants: names of the constants by slot, where the user's expression does not tell them.
        callers: the calls on the way to the expression, outermost first.
        calls: the number of each of those calls.
    """

    source: Source | None = None
    statement: str = ""
    name: str = ""
    stage: tuple[Any, ...] | None = None
    constants: Sequence[str] | None = None
    callers: tuple[Source, ...] = ()
    calls: tuple[int, ...] = ()


_UNLABELLED = Label()


def assemble(
    outputs: Sequence[Tensor],
    inputs: dict[Tensor, str],
    labels: Mapping[Tensor, Label],
    *,
    name: str = "graph",
    aliases: dict[str, str] | None = None,
    parameters: dict[Tensor, str] | None = None,
) -> dict[str, Any]:
    """Return the arguments of `Graph` for recorded tensors.

    Args:
        outputs: nodes to return.
        inputs: the nodes that a run is given, with their names; the graph ends there.
        labels: what the other nodes are called.
        name: of the graph.
        aliases: second names of nodes.
        parameters: names of leaves that are no inputs; the others are called as their first reader spells them.
    """
    order = [*inputs, *(node for node in toposort(outputs, inputs) if node not in inputs)]
    slots = {node: (node.operands, node.args) for node in order}
    wanted = {**_leaf_names(slots, labels), **(parameters or {})}
    drafts: list[tuple[str, str, Any, dict[str, Any]]] = []  # wanted name, operation, value, other fields of the node
    fixed: dict[int, Any] = {}
    place: dict[Tensor, int] = {}
    stages: dict[tuple[Any, ...], list[int]] = {}

    def put(wish: str, op: str, value: Any, **fields: Any) -> int:
        drafts.append((wish, op, value, fields))
        return len(drafts) - 1

    for node, wish in inputs.items():
        place[node] = put(wish, "input", node.raw)
    for node, (operands, args) in slots.items():
        if node in place:
            continue
        if node.row is None:
            op = "parameter" if inputs or labels else "input"
            place[node] = put(wanted.get(node) or ("p" if op == "parameter" else "x"), op, node.raw)
            if op == "parameter":
                fixed[place[node]] = node.raw
            continue
        label = labels.get(node, _UNLABELLED)
        reads: list[int | float] = []
        for slot, (operand, raw) in enumerate(zip(operands, args, strict=True)):
            if operand is not None:
                reads.append(place[operand])
            elif isinstance(raw, np.ndarray):
                called = label.constants or (operand_names(label.source.text) if label.source else ())
                constant = put((called[slot] if slot < len(called) else "") or "const", "constant", raw)
                reads.append(constant)
                fixed[constant] = raw
            else:
                reads.append(float(raw))
        wish = label.name or (f"{label.statement}_{node.row.name}" if label.statement else node.row.name)
        place[node] = put(
            wish, node.row.name, node.raw, operands=tuple(reads), attrs=dict(node.attrs or {}),
            statement=label.statement or wish, source=label.source,
            callers=label.callers, calls=label.calls,
        )  # fmt: skip
        if label.stage is not None:
            stages.setdefault(label.stage, []).append(place[node])
    staged = [Stage(str(key[-1]) or f"stage {n}", tuple(members)) for n, (key, members) in enumerate(stages.items(), 1)]
    stage_of = {member: number for number, stage in enumerate(staged) for member in stage.nodes}
    names = unique_names([draft[0] for draft in drafts])
    number = np.dtype(float)
    return {
        "nodes": [
            Node(at, names[at], op, np.shape(raw), getattr(raw, "dtype", number).name, stage=stage_of.get(at), **fields)
            for at, (_, op, raw, fields) in enumerate(drafts)
        ],
        "outputs": [place[output] for output in outputs],
        "stages": staged,
        "name": name,
        "fixed": fixed,
        "aliases": aliases,
        "tensors": {index: node for node, index in place.items()},
    }


def _leaf_names(
    slots: Mapping[Tensor, tuple[tuple[Tensor | None, ...], tuple[Any, ...]]], labels: Mapping[Tensor, Label]
) -> dict[Tensor, str]:
    """Return names of tensors from outside (parameters of a network), as their first reader spells them."""
    found: dict[Tensor, str] = {}
    for node, (operands, _) in slots.items():
        label = labels.get(node)
        called = operand_names(label.source.text) if label and label.source else ()
        for operand, name in zip(operands, called, strict=False):
            if operand is not None and operand.row is None and name and operand not in found:
                found[operand] = name
    return found


def graph_size(*outputs: Tensor) -> tuple[int, int]:
    """Count what the graph below some tensors holds: its nodes, and the bytes of their arrays.

    A loss kept in a list keeps its whole graph; keep ``loss.item()`` or ``loss.detach()`` instead.

    >>> graph_size(Tensor(np.ones(4)) * 2.0)
    (2, 64)
    """
    order = toposort(outputs)
    arrays = {id(raw): raw.nbytes for node in order for raw in (node.raw, *node.args) if isinstance(raw, np.ndarray)}
    return len(order), sum(arrays.values())
