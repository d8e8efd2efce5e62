"""A backward pass with one thing wrong, for every thing that can be: what a set of inputs must make visible.

A mutant edits one node of the backward graph, or the nodes that one line of a loop became.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
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
        where = node.source
        return (
            where.file,
            where.line,
            where.column,
            where.end_line,
            where.end_column,
            node.op,
            self.graph.nodes[place[0]].op,  # what comes twice on one path would be turned round twice
            place[2],
            len(node.attrs),
        )

    def all(self) -> list[Mutant]:
        lines: dict[tuple[Any, ...], list[EdgeKey]] = defaultdict(list)
        for place in self.trial.gain.values():
            lines[self._line(place)].append(place)
        nodes: dict[EdgeKey, list[Node]] = defaultdict(list)
        for node in self.backward.nodes:
            place_ = None if node.is_leaf else self.trial.place_of(node)
            if place_ is not None and not self.trial.is_gain(node.index):
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
        edits: Sequence[NodeEdit],
        what: str = "",
        detail: str = "",
        other: str = "",
    ) -> Mutant:
        target = self.trial.label(places[0])
        source, end, slot = places[0]
        key = f"{kind}|{self.graph.nodes[source].name}|{self.graph.nodes[end].name}|{slot}|{detail}"
        return Mutant(kind, target, what or target, key, other, tuple(edits))

    def _of_edge(self, places: list[EdgeKey], gains: list[int]) -> Iterator[Mutant]:
        source, end, _ = places[0]
        several = self.fan_out[source] > 1
        added = self.graph.nodes[end].op == "add" and any(isinstance(o, float) for o in self.graph.nodes[end].operands)
        if added and not several:  # var + eps: what comes back is passed on
            return
        for kind, factor in (("path_missing", 0.0), ("path_sign" if several else "sign", -1.0),
                             ("path_twice" if several else "factor", 2.0)):  # fmt: skip
            edits = [(index, "out", _scaled(factor)) for index in gains]
            target = f"d{self.graph.nodes[source].name}" if several else ""
            made = self._mutant(kind, places, edits)
            yield replace(made, target=target) if target else made
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
        yield self._mutant("count", places, [(i, "out", _scaled(count)) for i in gains], what)
        yield self._mutant("bessel", places, [(i, "out", _scaled(count / (count - 1))) for i in gains], what)
        others = list(lengths)
        if count in others:
            others.remove(count)
        for other in others[:1]:
            wrong = [(i, "out", _scaled(count / other)) for i in gains]
            yield self._mutant("wrong_count", places, wrong, f"1/{other}", "other")

    def _of_rule(self, places: list[EdgeKey], nodes: list[list[Node]]) -> Iterator[Mutant]:
        """Yield what goes wrong inside the local rule, on every edge that one line became."""
        alike: dict[tuple[int, str], list[Node]] = defaultdict(list)
        for members in nodes:
            for position, node in enumerate(members):
                alike[position, node.op].append(node)
        for (position, op), members in alike.items():
            live = members[0].index in self.trial.live
            detail = str(position)
            if op in ("mul", "div"):
                yield from self._of_product(places, members, detail)
            elif op == "sum" and live:
                yield from self._of_sum(places, members, detail)
            elif op == "broadcast" and live and len(members[0].shape) == 2 and self._size(members[0].reads[0]) > 1:
                edits: list[NodeEdit] = [(n.index, 0, _turned) for n in members]
                yield self._mutant("wrong_axis", places, edits, "", f"spread{detail}")
            elif op == "transpose" and not live:
                plain: list[NodeEdit] = [(n.index, "attrs", _fixed(None)) for n in members]
                yield self._mutant("transposed", places, plain, self._names(members[0].reads), detail)
            elif op == "where" and live:
                turned: list[NodeEdit] = [(n.index, 0, np.logical_not) for n in members]
                yield self._mutant("mask", places, turned, "", detail)
            yield from self._of_eps(places, members, detail)
            for read in dict.fromkeys(members[0].reads):
                yield from self._of_paths(places, members, read, detail)

    def _size(self, index: int) -> int:
        return int(np.prod(self.backward.nodes[index].shape, dtype=int))

    def _names(self, indices: Sequence[int]) -> str:
        return " ".join(dict.fromkeys(self.trial.name_of(index) for index in indices))

    def _of_product(self, places: list[EdgeKey], members: list[Node], detail: str) -> Iterator[Mutant]:
        first = members[0]
        for slot, operand in enumerate(first.operands):
            if isinstance(operand, float):
                if self._count(self.graph.nodes[places[0][1]])[0]:
                    continue
                edits: list[NodeEdit] = [(n.index, slot, _fixed(1.0)) for n in members]
                yield self._mutant("factor", places, edits, f"{operand:g}", f"{detail}.{slot}")
            elif operand not in self.trial.live and first.index in self.trial.live:
                what, detail_ = self.trial.name_of(operand), f"{detail}.{slot}"
                gone: list[NodeEdit] = [(n.index, slot, np.ones_like) for n in members]
                yield self._mutant("gamma_missing", places, gone, what, detail_)
                twice: list[NodeEdit] = [(n.index, slot, np.square) for n in members]
                yield self._mutant("gamma_twice", places, twice, what, detail_)
                turned: list[NodeEdit] = [(n.index, slot, np.reciprocal) for n in members]
                yield self._mutant("power", places, turned, what, detail_)
                for other in self._neighbours(operand):
                    swapped: list[NodeEdit] = [(first.index, slot, _fixed(self.graph.values[other]))]
                    if len(members) == 1:
                        name = self.graph.nodes[other].name
                        yield self._mutant("swapped_value", places, swapped, name, f"{detail_}.{other}", what)

    def _neighbours(self, index: int) -> list[int]:
        """Forward values of the same shape beside one that the backward pass reads."""
        if index not in self.trial.origin:
            return []
        own = self.graph.nodes[self.trial.origin[index]]
        near = [*own.reads, *(edge.target for edge in self.graph.edges if edge.source == own.index)]
        nodes = [self.graph.nodes[i] for i in dict.fromkeys(near)]
        return [n.index for n in nodes if n.shape == own.shape and n.dtype == own.dtype and n.op != "constant"]

    def _of_sum(self, places: list[EdgeKey], members: list[Node], detail: str) -> Iterator[Mutant]:
        axis, ndim = members[0].attrs.get("axis"), len(self.backward.nodes[members[0].reads[0]].shape)
        keep = bool(members[0].attrs.get("keepdims"))

        def attrs(**new: Any) -> list[NodeEdit]:
            return [(n.index, "attrs", _with(**new)) for n in members]

        if axis is not None and ndim > 1:
            yield self._mutant("no_axis", places, attrs(axis=None), detail=detail)
            other = tuple((a + 1) % ndim for a in axis) if isinstance(axis, tuple) else (axis + 1) % ndim
            if other != axis:
                yield self._mutant("wrong_axis", places, attrs(axis=other), str(other), detail)
        yield self._mutant("unsummed", places, [(n.index, "attrs", _fixed(None)) for n in members], detail=detail)
        if not keep and axis is not None and self._is_output(members[0].index):
            yield self._mutant("keepdims", places, attrs(keepdims=True), detail=detail)

    def _is_output(self, index: int) -> bool:
        """Return whether a node is an output, but for factors 1."""
        ends = {node.index for node in self.backward.outputs}
        return index in ends or any(self.trial.is_gain(n.index) and n.index in ends for n in self.backward.nodes
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

    def _of_eps(self, places: list[EdgeKey], members: list[Node], detail: str) -> Iterator[Mutant]:
        for eps, values in self._without.items():
            for slot, operand in enumerate(members[0].operands):
                if isinstance(operand, int) and operand in values and len(members) == 1:
                    edit: NodeEdit = (members[0].index, slot, _fixed(values[operand]))
                    name = self.trial.name_of(operand)
                    yield self._mutant("eps_missing", places, [edit], eps, f"{detail}.{slot}", name)

    def _of_paths(self, places: list[EdgeKey], members: list[Node], read: int, detail: str) -> Iterator[Mutant]:
        """Yield one path of a sum left out where the sum is used, but not elsewhere."""
        parts = self.trial.parts.get(read, [])
        if len(members) > 1:
            return
        for number, part in enumerate(parts):
            slots = [slot for slot, operand in enumerate(members[0].operands) if operand == read]
            without: list[NodeEdit] = [(members[0].index, s, _less(self.trial.true[part])) for s in slots]
            made = self._mutant("path_missing", places, without, self.trial.name_of(part), f"{detail}.{number}")
            yield replace(made, part=part)

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
