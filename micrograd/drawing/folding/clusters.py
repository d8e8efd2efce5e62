"""Summarise a large graph: draw all stages, or operations, of one kind as one box."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from micrograd.core.operands import reached
from micrograd.drawing.labels import shorten
from micrograd.drawing.view import Block, Box, TextLine, View, Wire
from micrograd.engine import Tensor
from micrograd.graph import Graph
from micrograd.source.names import unique_names

__all__ = ["LIMIT", "clustered", "clustered_below"]

LIMIT = 2000
"""Nodes up to which a graph is drawn whole."""
_KINDS = 40  # boxes of a summary
_LISTED = 6  # operations named in a box
Key = tuple[str, str]
"""A kind of node: stage, leaf or op, and its name."""


def spaced(count: int) -> str:
    """Write a count with thin spaces: 50 231."""
    return f"{count:,}".replace(",", "\u202f")


def clustered(graph: Graph, *, direction: str) -> View:
    """Return a view with a box for all stages of a title (up to numbers) and one for each operation outside stages."""
    key_of_stage = [("stage", re.sub(r"\d+", "#", stage.title)) for stage in graph.stages]
    keys = [
        key_of_stage[node.stage] if node.stage is not None else ("leaf" if node.is_leaf else "op", node.op)
        for node in graph.nodes
    ]
    sizes = Counter(keys)
    kept = dict(sizes.most_common(_KINDS - 1)) if len(sizes) > _KINDS else dict(sizes)
    rest = ("op", "other")
    keys = [key if key in kept else rest for key in keys]
    made = _Summary(graph.name, len(graph.nodes))
    number = {key: position for position, key in enumerate(dict.fromkeys(keys))}
    at = [number[key] for key in keys]
    repeats = Counter(key_of_stage)
    first_title: dict[Key, str] = {}
    for stage, key in zip(graph.stages, key_of_stage, strict=True):
        first_title.setdefault(key, stage.title)
    for key in number:
        title = first_title.get(key, key[1])
        made.titles[key] = re.sub(r"\d+", "…", title) if repeats[key] > 1 else title
        made.operations[key] = Counter()
        made.times[key] = repeats[key]
    for node in graph.nodes:
        here = at[node.index]
        made.operations[keys[node.index]][node.op] += 1
        if node.is_leaf:
            made.leaves[keys[node.index]].append(node.name)
        for operand in node.operands:
            if type(operand) is int and at[operand] != here:
                made.between[at[operand], here] += 1
    return made.view(direction)


def clustered_below(root: Tensor, *, direction: str) -> View | None:
    """Return the view of what a tensor depends on, by operations, without making a graph; None for a small one."""
    inner, met = reached([root], set())
    if len(met) <= LIMIT:
        return None
    met_operands = [node.operands for node in inner]
    kinds: dict[Any, Key] = {}
    made = _Summary("graph", 0)
    constants = 0
    for node in inner:
        kinds[node] = ("op", node.row.name)
    leaf, constant = ("leaf", "input"), ("leaf", "constant")
    between: Counter[tuple[Key, Key]] = Counter()
    leaves = {operand for operands in met_operands for operand in operands if operand is not None} - kinds.keys()
    for node, operands in zip(inner, met_operands, strict=True):
        here = kinds[node]
        for operand in operands:
            if operand is None:
                continue
            there = kinds.get(operand, leaf)
            if there != here:
                between[there, here] += 1
        for operand, raw in zip(operands, node.args, strict=True) if None in operands else ():
            if operand is None and isinstance(raw, np.ndarray):
                constants += 1
                between[constant, here] += 1
    counts = Counter(kinds.values())
    sizes: dict[Key, int] = {leaf: len(leaves), constant: constants, **dict(counts.most_common())}
    order = [key for key, size in sizes.items() if size]
    number = {key: position for position, key in enumerate(order)}
    for key in order:
        made.titles[key] = key[1]
        made.operations[key] = Counter({key[1]: sizes[key]})
        made.times[key] = 0
    made.leaves[leaf] = list(unique_names(["x"] * len(leaves))) if len(leaves) <= _LISTED else None
    made.leaves[constant] = list(unique_names(["const"] * constants)) if 0 < constants <= _LISTED else None
    made.between.update({(number[a], number[b]): n for (a, b), n in between.items()})
    made.count = sum(sizes.values())
    return made.view(direction)


class _Summary:
    """Collect what a summary says of each kind, and of the edges between kinds.

    Attributes:
        name: of the graph.
        count: its nodes.
        titles, operations, times: by kind: what it is called, how often each operation occurs, how many stages it is.
        leaves: the names of values from outside, by kind.
        between: edges, by the numbers of the kinds in order.
    """

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count
        self.titles: dict[Key, str] = {}
        self.operations: dict[Key, Counter[str]] = {}
        self.times: dict[Key, int] = {}
        self.leaves: defaultdict[Key, Any] = defaultdict(list)
        self.between: Counter[tuple[int, int]] = Counter()

    def view(self, direction: str) -> View:
        """Return the view: a box for each kind."""
        boxes = []
        for position, (key, title) in enumerate(self.titles.items()):
            operations = self.operations[key]
            size = count = sum(operations.values())
            lines = [TextLine(shorten(title, 36), "ink", 14, True)]
            if key[0] == "leaf" and count <= _LISTED and (names := self.leaves[key]):
                lines.append(TextLine(shorten(", ".join(names), 36), "ink", 12))
                count = 0
            times = self.times[key] if key[0] == "stage" else count
            if times > 1:
                lines.append(TextLine(f"× {spaced(times)}", "ink", 12))
            if key[0] == "stage":
                said = [f"{spaced(n)} {op}" for op, n in operations.most_common(_LISTED)]
                lines += [TextLine(text, "grey", 10.5) for text in said]
                if len(operations) > _LISTED:
                    lines.append(TextLine("…", "grey", 10.5))
            kind = "leaf" if key[0] == "leaf" else "cluster"
            boxes.append(Box(position, kind, (Block(tuple(lines)),), f"{title}: {size} nodes"))
        wires = [
            Wire(
                a,
                b,
                (a, b, 0),
                (Block((TextLine(f"{spaced(n)} edge{'s' if n > 1 else ''}", "grey", 10),)),),
                title=f"{n} edges",
            )
            for (a, b), n in sorted(self.between.items())
        ]
        note = f"graph has {spaced(self.count)} nodes; showing clusters, pass full=True."
        return View(f"Summary of {self.name}", note, direction, tuple(boxes), tuple(wires), (), (note,))
