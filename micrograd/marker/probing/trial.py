"""A forward traced on one set of arguments, and its backward pass, to be run with things changed in it.

The backward pass is the engine's own (`Graph.backward_graph`). So that a single path can be dropped or turned round,
each edge of the forward graph first gets a factor 1, whose backward is a node of its own.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from micrograd.graph import Graph, Node
from micrograd.graph.backward import Pairs, backward_structure
from micrograd.graph.formulas import own_name, right_hand
from micrograd.graph.graph import seeded_outputs, upstream_for
from micrograd.graph.replay import NodeEdit, Replay
from micrograd.pytree import call_by_parameter
from micrograd.tracing import trace

__all__ = ["EdgeKey", "Mutant", "Trial", "largest"]

EdgeKey = tuple[int, int, int]  # an edge of the forward graph: source, target, slot
_SHORT = 32  # characters of a formula that stands for a name


def largest(values: Any) -> float:
    """Return the size of the largest of some numbers; 0 where there are none."""
    return float(np.abs(values).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class Mutant:
    """A backward pass with one mistake.

    Attributes:
        kind: one of `micrograd.marker.report.KINDS`.
        target: the gradient in which it is made: ``dvar``.
        what: what is dropped, doubled or exchanged: ``dxmu2``, ``1/5``, ``gamma``.
        key: the same for one mistake on all probes.
        other: what it is exchanged for, or missing from.
        edits: of the backward graph.
        swap: two outputs that change places, instead.
        part: the node of the backward graph that is left out, where it is one.
    """

    kind: str
    target: str
    what: str
    key: str
    other: str = ""
    edits: tuple[NodeEdit, ...] = ()
    swap: tuple[int, int] | None = None
    part: int | None = None


class Trial:
    """A forward traced on one set of arguments, and its backward pass, to be run with edits.

    Args:
        forward: a function of arrays.
        arguments: by parameter; copied.
        upstream: the gradient of each output that has one; drawn from `seed` where left out.
        seed: of ``np.random`` before the forward, and of that.
    """

    def __init__(
        self, forward: Callable[..., Any], arguments: Mapping[str, Any], upstream: Sequence[Any] = (), seed: int = 0
    ) -> None:
        self.arguments = copy.deepcopy(dict(arguments))
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.graph = call_by_parameter(forward, self.arguments, through=trace, seed=seed)
            rng = np.random.default_rng([seed, 1])
            self.upstream = tuple(upstream) or tuple(
                upstream_for(self.graph.value[node.name], rng) for node in seeded_outputs(self.graph)
            )
            self._run()

    def _run(self) -> None:
        """Run the graph and its backward, and find in the backward what belongs to which edge."""
        given = self.upstream + (None,) * (len(self.graph.outputs) - len(self.upstream))
        seeds = given if len(given) > 1 else given[0]
        self.graph.backward(seeds)
        self._pairs = Pairs()
        self._plain = Graph(**backward_structure(self.graph, self._pairs))
        self.gained, self._edge_node = _with_gains(self.graph, self._pairs)
        self.gained.run(*(self.graph.value[node.name] for node in self.graph.inputs)).backward(seeds)
        pairs = Pairs()
        self.backward = Graph(**backward_structure(self.gained, pairs))
        self._replay = Replay(self.backward)
        self.true = self._replay.values
        self.gain: dict[int, EdgeKey] = {}  # the factor 1 on the way back
        for place, node in self._edge_node.items():
            found = pairs.edges.get((self._moved[place[0]], node, 0))
            if found is not None:
                self.gain[found[1]] = place
        self._total = {index: pairs.nodes.get(at) for index, at in self._moved.items()}
        forward = {at: index for index, at in self._moved.items()}
        forward.update((at, place[0]) for place, at in self._edge_node.items())
        self.origin = {b: forward[f] for b, f in pairs.origins.items() if f is not None}
        self.rule = {f"d{self.gained.nodes[node].name}": place for place, node in self._edge_node.items()}

    @cached_property
    def _moved(self) -> dict[int, int]:
        """Return where each node of the forward graph is in the one with factors."""
        at = {node.name: node.index for node in self.gained.nodes}
        return {node.index: at[node.name] for node in self.graph.nodes}

    # ---- running -------------------------------------------------------------------------------------

    def outputs(self, mutant: Mutant | None = None) -> list[Any] | None:
        """Return the gradients of the inputs under a mutant; None where it raises."""
        try:
            values = self._replay(mutant.edits) if mutant else self.true
        except (ValueError, TypeError, IndexError, ZeroDivisionError):
            return None
        found = [values[node.index] for node in self.backward.outputs]
        if mutant is not None and mutant.swap is not None:
            i, j = mutant.swap
            found[i], found[j] = found[j], found[i]
        return found

    @cached_property
    def scale(self) -> float:
        """Return the largest number that takes part: what rounding is measured by."""
        return max((largest(v) for v in self.true if np.asarray(v).dtype.kind == "f"), default=1.0)

    def change(self, mutant: Mutant, *, broadcast: bool = False) -> float:
        """Return how much a mutant changes an output, against the output's largest entry; 0 within rounding.

        Args:
            mutant: what is wrong.
            broadcast: compare as ``np.allclose`` does, which takes (1, D) for (D,); otherwise another shape, like an
                exception, counts as infinite.
        """
        got, worst = self.outputs(mutant), 0.0
        if got is None:
            return np.inf
        floor = 1e-13 * self.scale
        for true, value in zip(self.outputs() or (), got, strict=True):
            if np.shape(true) != np.shape(value):
                if not broadcast:
                    return np.inf
                try:
                    np.broadcast_shapes(np.shape(true), np.shape(value))
                except ValueError:
                    return np.inf
            apart, size = largest(value - true), largest(true)
            if np.isnan(apart):
                return np.inf
            if apart > floor:
                worst = max(worst, apart / size if size > floor else np.inf)
        return worst

    # ---- names ---------------------------------------------------------------------------------------

    def label(self, place: EdgeKey) -> str:
        """Return what flows along an edge of the forward graph: ``dxmu2``; for part of a statement ``d(Σ x)``."""
        label, index = self._pairs.edges[place]
        source = self.graph.nodes[place[0]]
        other = self._plain.nodes[index].name  # sqrtvar_add passes on what it gets: dvar
        if own_name(source) or other != label:
            return label if own_name(source) else other
        formula = right_hand(self.graph, source, self._authors)
        return f"d({formula})" if len(formula) <= _SHORT else label

    def place_of(self, node: Node) -> EdgeKey | None:
        """Return the edge of the forward graph whose rule a node of the backward graph belongs to."""
        return self.gain.get(node.index) or self.rule.get(node.statement)

    def name_of(self, index: int) -> str:
        """Return a node of the backward graph in the user's names; a value computed inside a rule as its formula."""
        node = self.backward.nodes[index]
        if index in self.origin:
            own = self.graph.nodes[self.origin[index]]
            return own.name if own_name(own) else right_hand(self.graph, own, self._authors)
        if node.op == "constant":
            held = [n for n, v in self.graph.fixed.items() if np.array_equal(v, self.true[index])]
            return self.graph.nodes[held[0]].name if held else node.name
        if index in self.live:
            place = self.place_of(node)
            return node.name if place is None else self.label(place)
        return right_hand(self.backward, node, self._ends, self._called)

    @cached_property
    def _authors(self) -> list[int]:
        """Return where a formula of the forward graph ends: at what the user named."""
        return [node.index if own_name(node) else -1 for node in self.graph.nodes]

    @cached_property
    def _called(self) -> dict[int, str]:
        """Return the user's names of what the backward graph reads."""
        return {index: self.name_of(index) for index in self.origin}

    @cached_property
    def _ends(self) -> list[int]:
        """Return where a formula ends: at what depends on the upstream gradient."""
        return [node.index if node.is_leaf or node.index in self.live else -1 for node in self.backward.nodes]

    def output_name(self, index: int) -> str:
        """Return the name of an output of the backward graph: ``dx``."""
        leaf = next((f for f, at in self._total.items() if at == index and self.graph.nodes[f].is_leaf), None)
        return self.backward.nodes[index].name if leaf is None else f"d{self.graph.nodes[leaf].name}"

    @cached_property
    def live(self) -> set[int]:
        """Return the nodes that depend on the upstream gradient."""
        live = set[int]()
        for node in self.backward.nodes:
            if (node.op == "input" and node.index not in self.origin) or not live.isdisjoint(node.reads):
                live.add(node.index)
        return live

    @cached_property
    def parts(self) -> dict[int, list[int]]:
        """Return for each gradient that is a sum over paths: the paths."""
        found: dict[int, list[int]] = {}
        for total in self._total.values():
            if total is None:
                continue
            parts, stack = list[int](), [total]
            while stack:
                index = stack.pop()
                node = self.backward.nodes[index]
                if index in self.gain:
                    parts.append(index)
                elif node.op == "add":
                    stack.extend(reversed(node.reads))
            if len(parts) > 1:
                found[total] = parts
        return found


def _with_gains(graph: Graph, pairs: Pairs) -> tuple[Graph, dict[EdgeKey, int]]:
    """Return the graph with a factor 1 on every edge along which a gradient flows, and where these are."""
    nodes: list[Node] = []
    moved: dict[int, int] = {}
    where: dict[EdgeKey, int] = {}
    fixed: dict[int, Any] = {}
    for node in graph.nodes:
        operands: list[int | float] = []
        for slot, operand in enumerate(node.operands):
            if not isinstance(operand, int):
                operands.append(operand)
                continue
            place = (operand, node.index, slot)
            at = moved[operand]
            if place in pairs.edges:
                source = graph.nodes[operand]
                name = f"{source.name}>{node.name}>{slot}"
                nodes.append(Node(len(nodes), name, "mul", source.shape, source.dtype, (at, 1.0), {}, name))
                at = where[place] = len(nodes) - 1
            operands.append(at)
        moved[node.index] = len(nodes)
        if node.index in graph.fixed:
            fixed[len(nodes)] = graph.fixed[node.index]
        nodes.append(replace(node, index=len(nodes), operands=tuple(operands), stage=None))
    return Graph(nodes, [moved[n.index] for n in graph.outputs], name=graph.name, fixed=fixed), where
