"""Write a picture in the DOT language, for use with Graphviz: plain boxes, safe whatever the names are.

Labels are quoted strings, never HTML-like ones and never records; every attribute is one of `ALLOWED`, so that no name
can bring in a link, an image or a style sheet.
"""

from __future__ import annotations

from collections.abc import Iterable

from micrograd.drawing.labels import dot_text
from micrograd.drawing.palette import GROUNDS, PALETTE
from micrograd.drawing.view import Block, Box, TextLine, View, nested

__all__ = ["ALLOWED", "dot_of"]

ALLOWED = frozenset({
    "color", "constraint", "fillcolor", "fontcolor", "fontname", "fontsize", "id", "label", "margin", "nodesep",
    "rankdir", "ranksep", "shape", "style",
})  # fmt: skip
"""The only attributes that are written."""


def _label(blocks: Iterable[Block]) -> str:
    return _lines(line for block in blocks for line in block.lines)


def _lines(lines: Iterable[TextLine]) -> str:
    """Join lines to one label; `nohtml` keeps a label such as ``<b>`` from being read as markup."""
    from graphviz import nohtml

    text: str = nohtml("\\n".join(dot_text(line.text) for line in lines))
    return text


def _checked(**attributes: str) -> dict[str, str]:
    if not ALLOWED.issuperset(attributes):
        wrong = sorted(set(attributes) - ALLOWED)
        raise ValueError(f"not an allowed attribute: {wrong}; add it to ALLOWED if no name can make it harmful.")
    return attributes


def _key(index: int) -> str:
    return f"n{index}" if index >= 0 else f"copy{-index}"


def dot_of(view: View) -> str:
    """Write a view as DOT text; the same text for the same graph."""
    light = {role: colours[0] for role, colours in PALETTE.items()}
    font = {"fontname": "Courier", "fontsize": "11"}
    from graphviz import Digraph  # not for the sake of SVG: a first picture should come at once

    graph = Digraph(
        graph_attr=_checked(rankdir=view.direction, nodesep="0.2", ranksep="0.3", **font),
        node_attr=_checked(shape="box", style="rounded,filled", margin="0.1,0.06", **font),
        edge_attr=_checked(**font),
    )
    if view.notes:
        graph.attr(**_checked(label=_lines(TextLine(note) for note in view.notes)))
    boxes = {box.index: box for box in view.boxes}

    def put(target: Digraph, box: Box) -> None:
        style = _checked(id=box.id, label=_label(box.blocks), fontcolor=light["ink"])
        if box.kind == "constant":
            style |= _checked(shape="plaintext", style="", fontcolor=light["grey"], fontsize="10")
        else:
            ground, border = GROUNDS.get(box.kind, ("card", "border"))
            style |= _checked(fillcolor=light[ground], color=light[border])
        target.node(_key(box.index), **style)

    stage = _checked(
        style="rounded,filled", fillcolor=light["stage"], color=light["stage-border"], fontcolor=light["grey"]
    )
    frames = nested(view.frames)
    framed = {index: frame.index for frame, _ in frames for index in frame.boxes}  # the innermost comes last

    def clusters(target: Digraph, level: int) -> None:
        while frames and frames[0][1] == level:
            frame, _ = frames.pop(0)
            with target.subgraph(name=f"cluster_{frame.index}") as cluster:
                cluster.attr(**_checked(label=_lines(frame.lines)), **stage)
                for index in frame.boxes:
                    if framed[index] == frame.index:
                        put(cluster, boxes[index])
                clusters(cluster, level + 1)

    clusters(graph, 0)
    for box in view.boxes:
        if box.index not in framed:
            put(graph, box)
    for wire in view.wires:
        source, target, slot = wire.edge
        ends = _key(wire.source), _key(wire.target)
        name = f"edge-{source}-{target}-{slot}"
        written = light["ink" if wire.role == "grey" else wire.role]
        graph.edge(*ends, **_checked(label=_label(wire.forward), id=name, color=light[wire.role], fontcolor=written))
        if wire.flows:
            red = _checked(color=light["red"], fontcolor=light["red"], constraint="false")
            graph.edge(*ends[::-1], **_checked(label=_label(wire.backward), id=f"{name}-back"), **red)
    text: str = graph.source
    return text
