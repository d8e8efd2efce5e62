r"""Write a picture as TikZ, for papers and slides: boxes where the SVG has them, formulas in LaTeX, gradients in red.

A variable may have any name; every name is escaped, and only the table and this file write commands.
"""

from __future__ import annotations

from typing import Literal

from micrograd.drawing.labels import clean
from micrograd.drawing.layout import Point, lay_out
from micrograd.drawing.palette import PALETTE
from micrograd.drawing.view import Box, Wire, gradient_names, view_of
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.graph import Graph, Node
from micrograd.graph.formulas import latex, tex_name

__all__ = ["LIMIT", "tikz"]

LIMIT = 200
"""Nodes up to which a picture in TikZ is written: TeX takes a second for a hundred."""
_COLOURS = {
    "mgred": "red", "mggrey": "grey", "mgleaf": "leaf", "mgresult": "result", "mgborder": "border", "mgstage": "stage",
}  # fmt: skip


def tikz(graph: Graph | Tensor, *, direction: Literal["LR", "TB"] = "LR") -> str:
    r"""Write a ``tikzpicture`` of a graph: a box per statement with its formula, and each edge's gradient in red.

    LaTeX needs ``\usepackage{amsmath,tikz}`` and ``\usetikzlibrary{arrows.meta}``.

    Args:
        graph: a graph, or a tensor.
        direction: ``LR`` from left to right, ``TB`` from top to bottom.

    Raises:
        GraphError: more than 200 nodes, another direction. MissingExtraError: no Graphviz engine for the layout.

    >>> a = Tensor(3.0)
    >>> print(tikz(a * a).splitlines()[0])
    % \usepackage{amsmath,tikz} \usetikzlibrary{arrows.meta}
    """
    if isinstance(graph, Tensor):
        graph = Graph.of(graph)
    if len(graph.nodes) > LIMIT:
        raise GraphError(
            f"tikz draws up to {LIMIT} nodes; graph {graph.name} has {len(graph.nodes):,}. "
            "Trace a part of it, or use draw(graph) for SVG or PDF."
        )
    if direction not in ("LR", "TB"):
        raise GraphError(f"direction is {direction!r}; expected LR or TB.")
    view = view_of(graph, direction=direction, values=False, grads=True, stages=True, whole=False, ahead=True)
    layout = lay_out(view)
    leaving: dict[int, list[tuple[int, int, int]]] = {}
    for edge in graph.edges:
        leaving.setdefault(edge.source, []).append((edge.source, edge.target, edge.slot))
    names = gradient_names(graph, leaving)
    readers = {wire.source: wire.edge[0] for wire in view.wires if wire.source < 0}
    lines = [r"% \usepackage{amsmath,tikz} \usetikzlibrary{arrows.meta}"]
    lines += [rf"\definecolor{{{name}}}{{HTML}}{{{PALETTE[role][0][1:].upper()}}}" for name, role in _COLOURS.items()]
    lines += [
        r"\begin{tikzpicture}[x=1pt, y=-1pt, font=\footnotesize, >={Stealth[length=4pt]},",
        r"  box/.style={draw=mgborder, rounded corners=3pt, fill=white, align=center, inner sep=2pt},",
        r"  input/.style={box, fill=mgleaf}, output/.style={box, fill=mgresult}, const/.style={text=mggrey},",
        r"  path back/.style={mgred, <-, transform canvas={yshift=-1.2pt}},",
        r"  path there/.style={->, transform canvas={yshift=1.2pt}},",
        r"  gradient/.style={mgred, font=\scriptsize, anchor=north}]",
    ]
    for frame in view.frames:
        if (at := layout.frames.get(frame.index)) is not None:
            x, y, w, h = at.x - at.width / 2, at.y - at.height / 2, at.width, at.height
            title = _text(frame.title)
            lines.append(rf"  \draw[mgborder!40, fill=mgstage, rounded corners=4pt] ({x:.1f},{y:.1f}) rectangle "
                         rf"({x + w:.1f},{y + h:.1f});")  # fmt: skip
            lines.append(
                rf"  \node[mggrey, font=\scriptsize\bfseries, anchor=south] at ({at.x:.1f},{y:.1f}) {{{title}}};"
            )
    for number, wire in enumerate(view.wires):
        lines += _wire(wire, layout.ways[number], names)
    for box in view.boxes:
        node = graph.nodes[readers.get(box.index, box.index)]
        at = layout.boxes[box.index]
        lines.append(rf"  \node[{_style(box)}] at ({at.x:.1f},{at.y:.1f}) {{{_words(graph, box, node)}}};")
    return "\n".join([*lines, r"\end{tikzpicture}", ""])


_TEXT = {c: "\\" + c for c in "#$%&_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip


def _text(words: str) -> str:
    """Escape words for TeX outside formulas."""
    return "".join(_TEXT.get(character, character) for character in clean(words))


def _style(box: Box) -> str:
    return {"leaf": "input", "result": "output", "constant": "const"}.get(box.kind, "box")


def _words(graph: Graph, box: Box, node: Node) -> str:
    formula = tex_name(node.name) if box.index < 0 else latex(graph, node.name)
    shape = r" \times ".join(map(str, node.shape))
    return rf"$\displaystyle {formula}$" + (rf"\\[-1pt] \scriptsize $\color{{mggrey}}{shape}$" if shape else "")


def _wire(wire: Wire, ways: list[list[Point]], names: dict[tuple[int, int, int], str]) -> list[str]:
    """Draw the line there and, where a gradient takes it, the line back with the gradient's name."""
    path = " -- ".join(_curve(way) for way in ways)
    if not wire.flows:
        style = "mggrey, dotted, ->" if wire.role == "grey" else "->"
        return [rf"  \draw[{style}] {path};"]
    x, y = ways[0][-1]
    name = tex_name(names[wire.edge])
    return [
        rf"  \draw[path there] {path};",
        rf"  \draw[path back] {path};",
        rf"  \node[gradient] at ({x:.1f},{y:.1f}) {{${name}$}};",
    ]


def _curve(way: list[Point]) -> str:
    """Write a spline of cubic Bézier curves."""

    def at(point: Point) -> str:
        return f"({point[0]:.1f},{point[1]:.1f})"

    text = at(way[0])
    for start in range(1, len(way) - 2, 3):
        first, second, end = way[start : start + 3]
        text += f" .. controls {at(first)} and {at(second)} .. {at(end)}"
    return text
