"""From recorded tensors to the structure of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.engine import Tensor, toposort
from micrograd.graph.nodes import Node, Stage
from micrograd.source.names import constant_names, unique
from micrograd.source.positions import Source

__all__ = ["Mark", "assemble", "graph_size"]


@dataclass(slots=True)
class Mark:
    """What is known of a recorded node: the author's frames at that moment, innermost first."""

    sources: list[Source] = field(default_factory=list)
    call: object = None  # the engine frame that the author's expression entered: one per evaluation of an operation
    statement: str = ""
    name: str = ""
    stage: tuple[Any, ...] | None = None
    constants: list[str] | None = None  # names of constants by slot, where the author's expression does not tell


def assemble(
    outputs: Sequence[Tensor],
    inputs: dict[Tensor, str],
    marks: dict[Tensor, Mark],
    *,
    name: str = "graph",
    aliases: dict[str, str] | None = None,
    parameters: dict[Tensor, str] | None = None,
) -> dict[str, Any]:
    """The arguments of `Graph` for recorded tensors.

    Args:
        outputs: nodes to answer.
        inputs: the nodes that a run is given, with their names; the graph ends there.
        marks: what is known of the other nodes.
        name: of the graph.
        aliases: second names of nodes.
        parameters: names of leaves that are no inputs; the others are called as their first reader spells them.
    """
    order = [*inputs, *(node for node in toposort(outputs, inputs) if node not in inputs)]
    taken: dict[str, int] = {}
    nodes: list[Node] = []
    fixed: dict[int, Any] = {}
    place: dict[Tensor, int] = {}
    stages: dict[tuple[Any, ...], list[int]] = {}
    wanted = {**_leaf_names(order, marks), **(parameters or {})}

    def put(label: str, op: str, value: Any, **more: Any) -> int:
        index = len(nodes)
        shape, dtype = np.shape(value), getattr(value, "dtype", np.dtype(float)).name
        nodes.append(Node(index, unique(label, taken), op, shape, dtype, **more))
        return index

    for node, label in inputs.items():
        place[node] = put(label, "input", node.raw)
    for node in order:
        if node in place:
            continue
        if node.row is None:
            op = "parameter" if inputs or marks else "input"
            place[node] = put(wanted.get(node) or ("p" if op == "parameter" else "x"), op, node.raw)
            if op == "parameter":
                fixed[place[node]] = node.raw
            continue
        mark = marks.get(node, Mark())
        operands: list[int | float] = []
        for slot, (operand, raw) in enumerate(zip(node.operands, node.args, strict=True)):
            if operand is not None:
                operands.append(place[operand])
            elif isinstance(raw, np.ndarray):
                called = mark.constants or (constant_names(mark.sources[0]) if mark.sources else [])
                label = called[slot] if slot < len(called) and called[slot] else "const"
                constant = put(label, "constant", raw)
                operands.append(constant)
                fixed[constant] = raw
            else:
                operands.append(float(raw))
        label = mark.name or (f"{mark.statement}_{node.row.name}" if mark.statement else node.row.name)
        index = put(
            label, node.row.name, node.raw, operands=tuple(operands), attrs=dict(node.attrs or {}),
            statement=mark.statement or label, source=mark.sources[0] if mark.sources else None,
        )  # fmt: skip
        place[node] = index
        if mark.stage is not None:
            stages.setdefault(mark.stage, []).append(index)
    staged = [Stage(str(key[-1]) or f"stage {n}", tuple(members)) for n, (key, members) in enumerate(stages.items(), 1)]
    stage_of = {member: number for number, stage in enumerate(staged) for member in stage.nodes}
    return {
        "nodes": [replace(node, stage=stage_of.get(node.index)) for node in nodes],
        "outputs": [place[output] for output in outputs],
        "stages": staged,
        "name": name,
        "fixed": fixed,
        "aliases": aliases,
        "tensors": {index: node for node, index in place.items()},
    }


def _leaf_names(order: Sequence[Tensor], marks: dict[Tensor, Mark]) -> dict[Tensor, str]:
    """Names of tensors from outside (parameters of a network), as their first reader spells them."""
    found: dict[Tensor, str] = {}
    for node in order:
        mark = marks.get(node)
        called = constant_names(mark.sources[0]) if mark and mark.sources else []
        for operand, label in zip(node.operands, called, strict=False):
            if operand is not None and operand.row is None and label and operand not in found:
                found[operand] = label
    return found


def graph_size(*outputs: Tensor) -> tuple[int, int]:
    """How much the graph below some tensors holds: its nodes, and the bytes of their arrays.

    A loss kept in a list keeps its whole graph; keep ``loss.item()`` or ``loss.detach()`` instead.

    >>> graph_size(Tensor(np.ones(4)) * 2.0)
    (2, 64)
    """
    order = toposort(outputs)
    arrays = {id(raw): raw.nbytes for node in order for raw in (node.raw, *node.args) if isinstance(raw, np.ndarray)}
    return len(order), sum(arrays.values())
