"""Make the steps of a walk: one for each node forward; backward one for each node and for each edge it sends along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from micrograd.graph import Graph, Node
from micrograd.graph.backward import Pairs
from micrograd.graph.formulas import right_hand
from micrograd.primitives import TABLE
from micrograd.stepper import mathml
from micrograd.stepper.cells import Cells, sum_of_numbers, with_numbers
from micrograd.stepper.page_text import LANGUAGES, WHY, say
from micrograd.stepper.walk_types import MathData, PathData, StepData, Translated

__all__ = ["EdgeKey", "StepMaker", "folded_axes"]

EdgeKey = tuple[int, int, int]
"""An edge of the forward graph: source, target, slot."""
_PATHS = 16  # into one node, up to which each step shows the sum so far, and a formula all terms


def _shape_words(language: str, shape: Sequence[int]) -> str:
    return say(language, "shape", shape=_shape(shape)) if shape else say(language, "one_number")


def _shape(shape: Sequence[int]) -> str:
    return str(tuple(shape))


def _in_each_language(sentence: Callable[[str], str]) -> Translated:
    return {language: sentence(language) for language in LANGUAGES}


def _line_words(node: Node, language: str) -> str:
    return say(language, "say.line", line=node.source.line) if node.source else ""


def folded_axes(shape: tuple[int, ...], to: tuple[int, ...]) -> list[int]:
    """Return the axes of `shape` over which a gradient is summed to have the shape `to` of a broadcast operand.

    >>> folded_axes((4, 3), (1, 3)), folded_axes((4, 3), (3,)), folded_axes((4, 3), (4, 3))
    ([0], [0], [])
    """
    lead = len(shape) - len(to)
    if lead < 0:
        return []
    return [*range(lead), *(lead + i for i, size in enumerate(to) if size == 1 and shape[lead + i] != 1)]


def _summed_axes(node: Node, operand: Node) -> list[int]:
    """Return the axes that a sum runs over; none where there is only one."""
    axis, rank = node.attrs.get("axis"), len(operand.shape)
    if rank < 2:
        return []
    axes = range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return sorted(a % rank for a in axes)


@dataclass(frozen=True)
class StepMaker:
    """Make the steps of a graph that has run.

    Attributes:
        graph: the forward graph.
        back: the backward graph; None where no gradient reaches an input.
        pairs: which node of the backward graph is whose gradient.
        cells: the numbers of the forward graph.
        back_cells: the numbers of the backward graph.
        heads: for each node of the backward graph itself, or -1 inside a statement: formulas go through its parts.
        arrivals: the edges that bring gradients to a node, in order of arrival.
        seeds: the cotangent of each output, as a node of the backward graph.
        numbers: whether steps have a formula with numbers.
        made: whether the seed was made up.
    """

    graph: Graph
    back: Graph | None
    pairs: Pairs
    cells: Cells
    back_cells: Cells
    heads: list[int]
    arrivals: Mapping[int, list[EdgeKey]]
    seeds: Mapping[int, int]
    numbers: bool
    made: bool

    # ---- forward ----

    def forward(self, node: Node) -> StepData:
        """Return the step that computes a node."""
        broadcast = self._broadcast(node)

        def sentence(language: str) -> str:
            shape = _shape_words(language, node.shape)
            if node.is_leaf:
                return say(language, "say.leaf", head=say(language, f"head.{node.op}", name=node.name), shape=shape)
            formula = f"{node.name} = {right_hand(self.graph, node)}"
            said = say(language, "say.forward", line=_line_words(node, language), formula=formula, shape=shape)
            if node.op == "sum" and (summed := _summed_axes(node, self.graph.nodes[node.reads[0]])):
                axes = say(language, "axis" if len(summed) == 1 else "axes", axes=", ".join(map(str, summed)))
                said += say(language, "say.summed", axes=axes)
            for operand in broadcast:
                source = self.graph.nodes[operand]
                ends = {"source": _shape(source.shape), "result": _shape(node.shape)}
                said += say(language, "say.spread", name=source.name, **ends)
            return said

        head = f"head.{node.op}" if node.is_leaf else "head.forward"
        return {
            "phase": "forward",
            "node": node.index,
            "edge": None,
            "gradient": None,
            "paths": [],
            "stage": node.stage,
            "math": {
                "names": mathml.with_names(self.graph, node, "forward"),
                "numbers": with_numbers(self.graph, node, self.cells) if self.numbers else "",
            },
            "folded": None,
            "spread": {"shape": list(node.shape), "operands": broadcast} if broadcast else None,
            "why": [],
            "title": _in_each_language(lambda language: say(language, head, name=node.name)),
            "say": _in_each_language(sentence),
        }

    def _broadcast(self, node: Node) -> list[int]:
        """Return the operands that are broadcast to the node's shape."""
        if node.is_leaf or TABLE[node.op].kind != "map":
            return []
        return [o for o in dict.fromkeys(node.reads) if self.graph.nodes[o].shape != node.shape]

    # ---- backward ----

    def backward(self, node: Node) -> list[StepData]:
        """Return the step at which the gradient of a node is whole, and one for each edge that it is sent along.

        Where it arrives on one path it is whole at that edge's step already, and has none of its own.
        """
        own = self.pairs.nodes.get(node.index) is None or self._seeded(node) or len(self.arrivals[node.index]) > 1
        steps = [self._at_node(node)] if own else []
        for slot, operand in enumerate(node.operands):
            if isinstance(operand, int) and (operand, node.index, slot) in self.pairs.edges:
                steps.append(self._along_edge(node, self.graph.nodes[operand], slot))
        return steps

    def _seeded(self, node: Node) -> bool:
        """Say whether the walk back begins at a node, too."""
        return node.index in self.seeds or not self.arrivals.get(node.index)

    def _gradient(self, index: int) -> Node:
        assert self.back is not None
        return self.back.nodes[index]

    def _paths(self, node: Node, arrivals: Sequence[EdgeKey]) -> list[PathData]:
        """Return the terms of a gradient: one for each edge, after the seed of an output that is also read."""
        paths: list[PathData] = []
        seed = self.seeds.get(node.index)
        if seed is not None and self.arrivals.get(node.index):
            paths.append({"name": self._gradient(seed).name, "grad": seed, "from": None})
        for edge in arrivals:
            name, at = self.pairs.edges[edge]
            paths.append({"name": name, "grad": at, "from": edge[1]})
        return paths

    def _at_node(self, node: Node) -> StepData:
        label = f"d{node.name}"
        index = self.pairs.nodes.get(node.index)
        paths = self._paths(node, self.arrivals.get(node.index, []))
        names = [path["name"] for path in paths]
        sum_of = " + ".join(names if len(names) <= _PATHS else [*names[:3], "…", names[-1]])

        def sentence(language: str) -> str:
            line = _line_words(node, language)
            if index is None:
                return say(language, "say.none", line=line, gradient=label)
            key = "say.sum" if len(paths) > 1 else "say.seed"
            shape = _shape_words(language, node.shape)
            holes = {"line": line, "gradient": label, "count": len(paths), "shape": shape}
            said = say(language, key, formula=f"{label} = {sum_of}", **holes)
            return said + (say(language, "say.made") if self.made and not paths else "")

        return {
            "phase": "backward",
            "node": node.index,
            "edge": None,
            "gradient": index,
            "paths": paths,
            "stage": node.stage,
            "math": {"names": "", "numbers": ""} if index is None else self._sum_formula(label, index, paths),
            "folded": None,
            "spread": None,
            "why": ["fork"] if len(paths) > 1 else [],
            "title": _in_each_language(lambda language: say(language, "head.backward", name=node.name)),
            "say": _in_each_language(sentence),
        }

    def _sum_formula(self, label: str, index: int, paths: list[PathData]) -> MathData:
        """Return the formula of a whole gradient: a sum of paths, or the seed."""
        if len(paths) > 1:
            terms = [(path["name"], path["grad"]) for path in paths]
            names = mathml.sum_of_names(label, f"backward:{index}", [(name, f"backward:{at}") for name, at in terms])
            parts = [self._gradient(at) for _, at in terms]
            numbers = sum_of_numbers(self.back_cells, label, self._gradient(index), parts) if self.numbers else ""
            return {"names": names, "numbers": numbers}
        return self._rule(label, index)

    def _upstream(self, node: Node) -> dict[int, str]:
        """Return the gradient of a node under that name, for formulas that read it: it may have another, as dout."""
        index = self.pairs.nodes.get(node.index)
        return {} if index is None else {index: f"d{node.name}"}

    def _rule(self, label: str, index: int, upstream: Node | None = None) -> MathData:
        """Return the formula of a gradient; where it is the upstream gradient unchanged, just that."""
        assert self.back is not None
        node = self._gradient(index)
        if upstream is not None and self.pairs.nodes.get(upstream.index) == index:
            names = mathml.equal_names(label, f"d{upstream.name}", f"backward:{index}")
            numbers = sum_of_numbers(self.back_cells, label, node, []) if self.numbers else ""
        else:
            called = {} if upstream is None else self._upstream(upstream)
            names = mathml.with_names(self.back, node, "backward", label, deep=True, called=called)
            numbers = with_numbers(self.back, node, self.back_cells, label, deep=True) if self.numbers else ""
        return {"names": names, "numbers": numbers}

    def _along_edge(self, node: Node, operand: Node, slot: int) -> StepData:
        assert self.back is not None
        this = (operand.index, node.index, slot)
        label, at = self.pairs.edges[this]
        row = TABLE[node.op]
        folded = folded_axes(node.shape, operand.shape) if row.kind == "map" else []
        spread = row.kind == "reduce" and operand.shape != node.shape
        gradient = self._gradient(at)
        upstream = self.pairs.nodes.get(node.index)
        arrived = self.arrivals[operand.index]
        arrived = arrived[: arrived.index(this) + 1] if len(arrived) <= _PATHS else [this]
        if upstream == at:
            formula = f"{label} = d{node.name}"
        else:
            right = right_hand(self.back, gradient, self.heads, self._upstream(node))
            formula = f"{label} = {right or gradient.name}"
        ends = {"target": node.name, "name": operand.name}

        def sentence(language: str) -> str:
            shape = _shape_words(language, operand.shape)
            said = say(language, "say.edge", line=_line_words(node, language), formula=formula, shape=shape, **ends)
            if folded:
                axes = say(language, "axis" if len(folded) == 1 else "axes", axes=", ".join(map(str, folded)))
                said += say(language, "say.folded", name=operand.name, axes=axes)
            if spread:
                shapes = {"source": _shape(node.shape), "result": _shape(operand.shape)}
                said += say(language, "say.spread_back" if node.op == "sum" else "say.spread_largest", **shapes)
            return said

        local = ""
        if upstream is not None and self.numbers:
            local = mathml.local_derivative(self.back, gradient, upstream, node.name, operand.name)
        return {
            "phase": "backward",
            "node": node.index,
            "edge": {"operand": operand.index, "slot": slot, "name": label, "grad": at, "local": local},
            "gradient": upstream,
            "paths": self._paths(operand, arrived),
            "stage": node.stage,
            "math": self._rule(label, at, node),
            "folded": {"axes": folded} if folded else None,
            "spread": {"shape": list(operand.shape), "operands": [operand.index]} if spread else None,
            "why": [
                next(reason for reason in (node.op, row.kind, "map") if reason in WHY),
                *(["fold"] if folded else []),
            ],
            "title": _in_each_language(lambda language: say(language, "head.edge", gradient=label, **ends)),
            "say": _in_each_language(sentence),
        }
