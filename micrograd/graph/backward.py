"""Make the backward pass a graph of its own, of the same primitives and named as every student names it.

The gradient of ``xhat`` is ``dxhat``; where a value feeds several others the contributions are numbered in order of
arrival, ``dxmu1`` and ``dxmu2``, and their sum is ``dxmu``. A gradient that is passed on unchanged is one node with
several names: ``dgammax`` is ``dout``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd.engine import Tensor, sweep, toposort
from micrograd.errors import GraphError
from micrograd.graph.nodes import Label, Node, assemble

if TYPE_CHECKING:
    from micrograd.graph.graph import Graph

__all__ = ["Pairs", "backward_structure", "path_name"]


def path_name(name: str, number: int, count: int, taken: Container[str]) -> str:
    """Name the gradient that arrives at a value on one of its paths: ``dxmu1``, or ``dx_1`` beside a value ``x1``.

    Args:
        name: of the value.
        number: of the path, in order of arrival.
        count: of the paths; of an only one it is the gradient itself.
        taken: the names of the other values.

    >>> path_name("xmu", 1, 2, {"xmu"}), path_name("x", 2, 2, {"x", "x1"}), path_name("x'50", 1, 2, {"x'50"})
    ('dxmu1', 'dx_2', "dx'50_1")
    """
    if count == 1:
        return f"d{name}"
    between = "_" if "'" in name and name[-1].isdigit() else ""  # x'501 might be another version of x
    while any(f"{name}{between}{path}" in taken for path in range(1, count + 1)):
        between += "_"
    return f"d{name}{between}{number}"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pair the nodes of a forward graph with their gradients; what leads to no input is in no backward graph.

    Attributes:
        swept: the forward nodes in the order of the sweep; those without operands come last, the first one at the end.
        nodes: the gradient of each forward node, by its index.
        edges: what flows along each edge ``(source, target, slot)``, with the name it goes by: ``dx1`` may be ``dxmu``.
        origins: for each input of the backward graph the forward node it is; None for the cotangent of an output.
    """

    swept: list[int] = field(default_factory=list)
    nodes: dict[int, int] = field(default_factory=dict)
    edges: dict[tuple[int, int, int], tuple[str, int]] = field(default_factory=dict)
    origins: dict[int, int | None] = field(default_factory=dict)


def backward_structure(forward: Graph, pairs: Pairs | None = None) -> dict[str, Any]:
    """Return the arguments of the backward `Graph`: from cotangents and forward values to the leaves' gradients.

    It has run on the seeds of the last `Graph.backward`, on ones before any.

    Args:
        forward: a graph that has been run.
        pairs: is filled with what belongs to what.
    """
    tensors = forward._tensors
    if not tensors:
        raise GraphError(f"graph {forward.name} has no values; call graph.run(...) first.")
    place = {tensor: index for index, tensor in tensors.items()}
    seeds: dict[Tensor, Tensor] = {}
    inputs: dict[Tensor, str] = {}
    for node in forward.outputs:
        output = tensors[node.index]
        if (forward.seeds and node.index not in forward.seeds) or (output.row is not None and not output.row.flows):
            continue
        given = forward.seeds.get(node.index)
        if given is None:
            given = 1.0 if type(output.raw) is float else np.ones(output.shape, output.dtype)
        if output not in seeds:
            seeds[output] = Tensor(given)
            inputs[seeds[output]] = f"d{node.name}"
    labels: dict[Tensor, Label] = {}
    aliases: dict[str, str] = {}
    gradient: dict[int, Tensor] = {}
    arrived: dict[int, int] = {}
    taken = {node.name for node in forward.nodes}
    fan_out = Counter(edge.source for edge in forward.edges)
    named: dict[Tensor, str] = dict(inputs)
    minor: set[Tensor] = set()  # named after a sub-expression; a statement's own name is better

    def name(tensor: Tensor, called: str, of: Node, at: Node) -> None:
        """Call `tensor`, the gradient of node `of` that arises at node `at`, by a name, or by it too."""
        first = named.setdefault(tensor, called)
        if first != called and tensor in minor and of.name == of.statement:  # dvar rather than dsqrtvar_add
            named[tensor] = called
            aliases.update({alias: called for alias, meant in aliases.items() if meant == first}, **{first: called})
        elif first != called:
            aliases.setdefault(called, named[tensor])
        if tensor in inputs or named[tensor] != called or (tensor in labels and labels[tensor].name == called):
            return
        (minor.add if of.name != of.statement else minor.discard)(tensor)
        stage = None if at.stage is None else (at.stage, forward.stages[at.stage].title)
        labels[tensor] = Label(at.source, called, called, stage)

    stop = [tensors[n.index] for n in forward.nodes if n.is_leaf and n.index in tensors]
    swept: list[int] = []
    sent: dict[tuple[int, int, int], tuple[str, Tensor]] = {}
    last = forward.outputs[0]  # what is summed for a leaf arises where its last contribution does
    for tensor, g, parts in sweep(seeds, stop, track=True):
        node = forward.nodes[place[tensor]]
        last = last if node.is_leaf else node
        gradient[node.index] = g
        swept.append(node.index)
        name(g, f"d{node.name}", node, last)
        for slot, (operand, part) in enumerate(zip(node.operands, parts, strict=False)):
            if part is None or not isinstance(operand, int):
                continue
            arrived[operand] = arrived.get(operand, 0) + 1
            source = forward.nodes[operand].name
            called = path_name(source, arrived[operand], fan_out[operand], taken)
            sent[operand, node.index, slot] = called, part
            name(part, called, forward.nodes[operand], node)
    outputs = [gradient[n.index] for n in forward.nodes if n.op in ("input", "parameter") and n.index in gradient]
    if not outputs:
        raise GraphError(f"graph {forward.name}: no gradient reaches an input.")
    known = set(place)
    for tensor in toposort(outputs, known | set(inputs)):
        if tensor in known:
            inputs[tensor] = forward.nodes[place[tensor]].name
    _name_inner(outputs, inputs, named, labels)
    structure = assemble(outputs, inputs, labels, name=f"{forward.name}_backward", aliases=aliases)
    if pairs is not None:
        at = {tensor: index for index, tensor in structure["tensors"].items()}
        pairs.swept.extend(sorted(swept, key=lambda index: (forward.nodes[index].is_leaf, -index)))
        pairs.nodes.update((index, at[g]) for index, g in gradient.items() if g in at)
        pairs.edges.update((edge, (called, at[part])) for edge, (called, part) in sent.items() if part in at)
        pairs.origins.update((at[tensor], place.get(tensor)) for tensor in inputs)
    return structure


def _name_inner(
    outputs: list[Tensor], inputs: dict[Tensor, str], named: dict[Tensor, str], labels: dict[Tensor, Label]
) -> None:
    """Name each node inside a rule after the gradient that it leads to: ``dgamma_mul`` makes ``dgamma``."""
    gradients = {*named.values()}
    for tensor in reversed(toposort(outputs, inputs)):
        if tensor in inputs or tensor not in named:
            continue
        owner = labels[tensor]
        for operand in tensor.operands:
            if operand is not None and operand not in named and operand not in inputs and operand.row is not None:
                called = f"{owner.statement}_{operand.row.name}"
                while called in gradients:  # dmu_sum is the gradient of mu_sum, not the sum inside dmu
                    called += "'"
                named[operand] = called
                labels[operand] = Label(owner.source, owner.statement, called, owner.stage)
