"""Draw the graph as the page wants it: no style of its own, ids as data, each edge in two parts."""

from __future__ import annotations

import re

from micrograd.drawing.svg import svg_of
from micrograd.drawing.view import view_of
from micrograd.graph import Graph

__all__ = ["page_svg"]

_EDGE = re.compile(r'<g id="edge-(\d+-\d+-\d+)" class="edge">(.*?)</g>', re.DOTALL)
_PART = re.compile(r"<(\w+)[^>]*?(?:/>|>[^<]*</\1>)")
_BACKWARD = re.compile(r'class="red[ "-]')


def page_svg(graph: Graph) -> str:
    """Draw the graph as SVG from top to bottom, with the way forward and the way back of each edge apart."""
    view = view_of(graph, direction="TB", values=False, grads=True, stages=True, whole=True)
    copies = {f"copy-{-wire.source}": wire.edge[0] for wire in view.wires if wire.source < 0}
    svg = svg_of(view)
    svg = re.sub(r"<style>.*?</style>\n?", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' style="[^"]*"', "", svg, count=1)
    svg = svg.replace(' text-anchor="middle"', "").replace("<svg ", '<svg text-anchor="middle" ', 1)  # inherited
    svg = re.sub(r"<title>[^<]*</title>", "", svg)  # the page has its own words for nodes and edges
    svg = re.sub(r'<g id="node-(copy-\d+|\d+)"', lambda m: f'<g data-node="{copies.get(m[1], m[1])}"', svg)
    return _EDGE.sub(_two_ways, svg)


def _two_ways(edge: re.Match[str]) -> str:
    """Split the drawing of an edge by colour: black is forward, red is backward."""
    name, body = edge[1], edge[2]
    sides: tuple[list[str], list[str]] = ([], [])
    for part in _PART.finditer(body):
        sides[bool(_BACKWARD.search(part[0]))].append(part[0])
    return "".join(
        f'<g class="{way}" data-edge="{name}">{"".join(parts)}</g>'
        for way, parts in zip(("forward", "backward"), sides, strict=True)
        if parts
    )
