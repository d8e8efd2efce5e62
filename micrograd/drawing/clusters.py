"""Summarise a large graph: draw all stages, or operations, of one kind as one box."""

from __future__ import annotations

import re
from collections import Counter

from micrograd.drawing.labels import shorten
from micrograd.drawing.view import Block, Box, TextLine, View, Wire
from micrograd.graph import Graph

__all__ = ["LIMIT", "clustered"]

LIMIT = 2000
"""Nodes up to which a graph is drawn whole."""
_KINDS = 40  # boxes of a summary
_LISTED = 6  # operations named in a box


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
    number = {key: position for position, key in enumerate(dict.fromkeys(keys))}
    at = [number[key] for key in keys]
    operations: list[Counter[str]] = [Counter() for _ in number]
    between: Counter[tuple[int, int]] = Counter()
    for node in graph.nodes:
        here = at[node.index]
        operations[here][node.op] += 1
        for operand in node.operands:
            if type(operand) is int and at[operand] != here:
                between[at[operand], here] += 1
    repeats = Counter(key_of_stage)
    first_title: dict[tuple[str, str], str] = {}
    for stage, key in zip(graph.stages, key_of_stage, strict=True):
        first_title.setdefault(key, stage.title)
    boxes = []
    for key, position in number.items():
        title = first_title.get(key, key[1])
        if repeats[key] > 1:
            title = re.sub(r"\d+", "…", title)
        size = count = sum(operations[position].values())
        lines = [TextLine(shorten(title, 36), "ink", 14, True)]
        if key[0] == "leaf" and count <= _LISTED:
            names = (node.name for node, here in zip(graph.nodes, at, strict=True) if here == position)
            lines.append(TextLine(shorten(", ".join(names), 36), "ink", 12))
            count = 0
        times = repeats[key] if key[0] == "stage" else count
        if times > 1:
            lines.append(TextLine(f"× {spaced(times)}", "ink", 12))
        if key[0] == "stage":
            said = [f"{spaced(n)} {op}" for op, n in operations[position].most_common(_LISTED)]
            lines += [TextLine(text, "grey", 10.5) for text in said]
            if len(operations[position]) > _LISTED:
                lines.append(TextLine("…", "grey", 10.5))
        boxes.append(
            Box(position, "leaf" if key[0] == "leaf" else "cluster", (Block(tuple(lines)),), f"{title}: {size} nodes")
        )
    wires = [
        Wire(
            a,
            b,
            (a, b, 0),
            (Block((TextLine(f"{spaced(n)} edge{'s' if n > 1 else ''}", "grey", 10),)),),
            title=f"{n} edges",
        )
        for (a, b), n in sorted(between.items())
    ]
    note = f"graph has {spaced(len(graph.nodes))} nodes; showing clusters, pass full=True."
    return View(f"Summary of {graph.name}", note, direction, tuple(boxes), tuple(wires), (), (note,))
