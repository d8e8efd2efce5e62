"""A backward pass with one thing wrong, for every thing that can be: what a set of inputs must make visible.

A mutant edits one node of the backward graph, or the nodes that one line of a loop became.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from micrograd.graph import Node
from micrograd.graph.replay import NodeEdit, Replay
from micrograd.marker.probing.trial import EdgeKey, Mutant, Trial

__all__ = ["mutants_of"]


def _scaled(factor: float) -> Callable[[Any], Any]:
    return lambda value: value * factor


def _fixed(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _less(part: Any) -> Callable[[Any], Any]:
    return lambda total: total - part


def _with(**new: Any) -> Callable[[Any], Any]:
    return lambda attrs: {**attrs, **new}


_OF_FACTORS: Mapping[str, Callable[[Any], Any]] = {
    "gamma_missing": np.ones_like, "gamma_twice": np.square, "power": np.reciprocal,
}  # fmt: skip
"""What students do to a value that multiplies, and what then stands in its place."""


def mutants_of(trial: Trial) -> list[Mutant]:
    """Return every mutant of a trial, in the order of the forward pass."""
    return _Maker(trial).all()


class _Maker:
    """Makes the mutants of one trial."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.graph, self.backward = trial, trial.graph, trial.backward
        self.fan_out = Counter(source for source, _, _ in trial.gain.values())
        self.gains: dict[EdgeKey, list[int]] = defaultdict(list)
        for index, place in trial.gain.items():
            self.gains[place].append(index)

    def _line(self, place: EdgeKey) -> tuple[Any, ...]:
        """Return what the edges that one operand of one line became have in common: in a loop there are many."""
        node = self.graph.nodes[place[1]]
        if node.source is None:
            return place
        above = self.graph.nodes[place[0]].op  # what comes twice on one path would be turned round twice
        return node.source, node.op, above, place[2], len(node.attrs)

    def all(self) -> list[Mutant]:
        lines: dict[tuple[Any, ...], list[EdgeKey]] = defaultdict(list)
        for place in self.trial.gain.values():
            lines[self._line(place)].append(place)
        nodes: dict[EdgeKey, list[Node]] = defaultdict(list)
        for node in self.backward.nodes:
            place_ = None if node.is_leaf else self.trial.place_of(node)
            if place_ is not None and node.index not in self.trial.gain:
                nodes[place_].append(node)
        mutants: list[Mutant] = []
        for places in sorted(lines.values()):
            gains = [index for place in places for index in self.gains[place]]
            mutants += self._of_edge(places, gains)
            mutants += self._of_rule(places, [nodes[place] for place in places])
        mutants += self._of_whole()
        found: dict[tuple[str, ...], Mutant] = {}
        for mutant in mutants:  # ivar * ivar: which of the two is missing cannot be told apart
            edge = tuple(mutant.key.split("|")[1:4])
            found.setdefault((mutant.kind, mutant.target, mutant.what, mutant.other, *edge), mutant)
        return list(found.values())

    def _mutant(
        self,
        kind: str,
        places: Sequence[EdgeKey],
        nodes: Sequence[int],
        part: int | str,
        change: Callable[[Any], Any],
        what: str = "",
        detail: str = "",
        other: str = "",
    ) -> Mutant:
        """Return the mutant in which the same part of each of these nodes, a slot or its result, is changed."""
        target = self.trial.label(places[0])
        source, end, slot = places[0]
        key = f"{kind}|{self.graph.nodes[source].name}|{self.graph.nodes[end].name}|{slot}|{detail}"
        return Mutant(kind, target, what or target, key, other, tuple((node, part, change) for node in nodes))

    def _of_edge(self, places: list[EdgeKey], gains: list[int]) -> Iterator[Mutant]:
        source, end, _ = places[0]
        several = self.fan_out[source] > 1
        added = self.graph.nodes[end].op == "add" and any(isinstance(o, float) for o in self.graph.nodes[end].operands)
        if added and not several:  # var + eps: what comes back is passed on
            return
        for kind, factor in (("path_missing", 0.0), ("path_sign" if several else "sign", -1.0),
                             ("path_twice" if several else "factor", 2.0)):  # fmt: skip
            made = self._mutant(kind, places, gains, "out", _scaled(factor))
            yield replace(made, target=f"d{self.graph.nodes[source].name}") if several else made
        yield from self._of_count(self.graph.nodes[end], places, gains)

    def _count(self, node: Node) -> tuple[int, list[int]]:
        """Return the N of the 1/N that a node multiplies by, and the lengths it may be confused with; else 0."""
        factor = node.factor or 0.0
        count = round(1 / abs(factor)) if factor else 0
        if count < 2 or abs(abs(factor) * count - 1) > 1e-12:
            return 0, []
        shapes = [n.shape for n in self.graph.nodes if n.is_leaf and n.op != "constant"]
        summed = next((self.graph.nodes[o] for o in node.reads), None)
        if summed is not None and summed.op == "sum":
            shapes = [self.graph.nodes[o].shape for o in summed.reads]
        lengths = [length for shape in shapes for length in shape]
        known = count in lengths or count in [int(np.prod(shape)) for shape in shapes]
        return (count, lengths) if known else (0, [])

    def _of_count(self, node: Node, places: list[EdgeKey], gains: list[int]) -> Iterator[Mutant]:
        """Yield what goes wrong with the 1/N of a mean."""
        count, lengths = self._count(node)
        if not count:
            return
        what = f"1/{count}"
        yield self._mutant("count", places, gains, "out", _scaled(count), what)
        yield self._mutant("bessel", places, gains, "out", _scaled(count / (count - 1)), what)
        if count in lengths:
            lengths.remove(count)
        for other in lengths[:1]:
            yield self._mutant("wrong_count", places, gains, "out", _scaled(count / other), f"1/{other}", "other")

    def _of_rule(self, places: list[EdgeKey], nodes: list[list[Node]]) -> Iterator[Mutant]:
        """Yield what goes wrong inside the local rule, on every edge that one line became."""
        alike: dict[tuple[int, str], list[Node]] = defaultdict(list)
        for members in nodes:
            for position, node in enumerate(members):
                alike[position, node.op].append(node)
        for (position, op), members in alike.items():
            first, at, detail = members[0], [node.index for node in members], str(position)
            live = first.index in self.trial.live
            if op in ("mul", "div"):
                yield from self._of_product(places, first, at, detail)
            elif op == "sum" and live:
                yield from self._of_sum(places, first, at, detail)
            elif op == "broadcast" and live and len(first.shape) == 2 and self._size(first.reads[0]) > 1:
                yield self._mutant("wrong_axis", places, at, 0, _turned, "", f"spread{detail}")
            elif op == "transpose" and not live:
                what = self.trial.name_of(first.reads[0])
                yield self._mutant("transposed", places, at, "attrs", _fixed(None), what, detail)
            elif op == "where" and live:
                yield self._mutant("mask", places, at, 0, np.logical_not, "", detail)
            if len(members) == 1:
                yield from self._of_eps(places, first, detail)
                yield from self._of_paths(places, first, detail)

    def _size(self, index: int) -> int:
        return int(np.prod(self.backward.nodes[index].shape, dtype=int))

    def _of_product(self, places: list[EdgeKey], first: Node, at: list[int], detail: str) -> Iterator[Mutant]:
        for slot, operand in enumerate(first.operands):
            if isinstance(operand, float):
                if not self._count(self.graph.nodes[places[0][1]])[0]:
                    yield self._mutant("factor", places, at, slot, _fixed(1.0), f"{operand:g}", f"{detail}.{slot}")
            elif operand not in self.trial.live and first.index in self.trial.live:
                what, detail_ = self.trial.name_of(operand), f"{detail}.{slot}"
                for kind, change in _OF_FACTORS.items():
                    yield self._mutant(kind, places, at, slot, change, what, detail_)
                for other in self._neighbours(operand) if len(at) == 1 else ():
                    value, name = _fixed(self.graph.values[other]), self.graph.nodes[other].name
                    yield self._mutant("swapped_value", places, at, slot, value, name, f"{detail_}.{other}", what)

    def _neighbours(self, index: int) -> list[int]:
        """Forward values of the same shape beside one that the backward pass reads."""
        if index not in self.trial.origin:
            return []
        own = self.graph.nodes[self.trial.origin[index]]
        near = [*own.reads, *(edge.target for edge in self.graph.edges if edge.source == own.index)]
        nodes = [self.graph.nodes[i] for i in dict.fromkeys(near)]
        return [n.index for n in nodes if n.shape == own.shape and n.dtype == own.dtype and n.op != "constant"]

    def _of_sum(self, places: list[EdgeKey], first: Node, at: list[int], detail: str) -> Iterator[Mutant]:
        axis, ndim = first.attrs.get("axis"), len(self.backward.nodes[first.reads[0]].shape)
        if axis is not None and ndim > 1:
            yield self._mutant("no_axis", places, at, "attrs", _with(axis=None), detail=detail)
            other = tuple((a + 1) % ndim for a in axis) if isinstance(axis, tuple) else (axis + 1) % ndim
            if other != axis:
                yield self._mutant("wrong_axis", places, at, "attrs", _with(axis=other), str(other), detail)
        yield self._mutant("unsummed", places, at, "attrs", _fixed(None), detail=detail)
        if not first.attrs.get("keepdims") and axis is not None and self._is_output(first.index):
            yield self._mutant("keepdims", places, at, "attrs", _with(keepdims=True), detail=detail)

    def _is_output(self, index: int) -> bool:
        """Return whether a node is an output, but for factors 1."""
        ends = {node.index for node in self.backward.outputs}
        return index in ends or any(n.index in self.trial.gain and n.index in ends for n in self.backward.nodes
                                    if index in n.reads)  # fmt: skip

    @cached_property
    def _without(self) -> dict[str, dict[int, Any]]:
        """Return for each number that the forward adds (an eps): its node, and what the backward then reads."""
        found: dict[str, dict[int, Any]] = {}
        replay = Replay(self.graph)
        for node in self.graph.nodes:
            added = [o for o in node.operands if isinstance(o, float)] if node.op == "add" else []
            if not added or not 0 < added[0] < 1:
                continue
            values = replay([(node.index, s, _fixed(0.0)) for s, o in enumerate(node.operands) if isinstance(o, float)])
            found[f"{added[0]:g}"] = {
                b: values[f] for b, f in self.trial.origin.items() if not np.array_equal(values[f], self.trial.true[b])
            }
        return found

    def _of_eps(self, places: list[EdgeKey], node: Node, detail: str) -> Iterator[Mutant]:
        for eps, values in self._without.items():
            for slot, operand in enumerate(node.operands):
                if isinstance(operand, int) and operand in values:
                    value, name = _fixed(values[operand]), self.trial.name_of(operand)
                    yield self._mutant("eps_missing", places, [node.index], slot, value, eps, f"{detail}.{slot}", name)

    def _of_paths(self, places: list[EdgeKey], node: Node, detail: str) -> Iterator[Mutant]:
        """Yield one path of a sum left out where the sum is used, but not elsewhere."""
        for read in dict.fromkeys(node.reads):
            for number, part in enumerate(self.trial.parts.get(read, [])):
                what, less = self.trial.name_of(part), _less(self.trial.true[part])
                made = self._mutant("path_missing", places, [node.index], "out", less, what, f"{detail}.{number}")
                edits = tuple((node.index, slot, less) for slot, o in enumerate(node.operands) if o == read)
                yield replace(made, part=part, edits=edits)

    def _of_whole(self) -> Iterator[Mutant]:
        seeds = [n for n in self.backward.nodes if n.op == "input" and n.index not in self.trial.origin]
        for node in seeds:
            if np.size(self.trial.true[node.index]) > 1:
                edit: NodeEdit = (node.index, "out", np.ones_like)
                yield Mutant("upstream_ignored", node.name, node.name, f"upstream_ignored|{node.name}", edits=(edit,))
        ends = self.backward.outputs
        for i, first in enumerate(ends):
            for j, second in enumerate(ends[:i]):
                if first.shape == second.shape:
                    key = f"return_order|{second.name}|{first.name}"
                    yield Mutant("return_order", second.name, second.name, key, first.name, swap=(j, i))


def _turned(value: Any) -> Any:
    """Return a row as a column, a column as a row."""
    return value[:, None] if np.ndim(value) == 1 else np.swapaxes(value, -1, -2) if np.ndim(value) > 1 else value
