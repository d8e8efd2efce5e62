"""Write a picture as SVG: one file without script, link or font; light or dark as the system is."""

from __future__ import annotations

import math
from collections.abc import Iterable

from micrograd.drawing.fit import fitted
from micrograd.drawing.labels import xml_text
from micrograd.drawing.layout import Coordinates, Point, Rectangle, lay_out
from micrograd.drawing.palette import GROUNDS, css
from micrograd.drawing.view import LEADING, Block, Box, Frame, TextLine, View, Wire

__all__ = ["document", "svg_of"]

_MARGIN = 8.0
_APART = 2.2  # half the distance between the line forwards and the line back
_ARROW = 7.5
_ROWS = 18.0  # between two rows


def document(
    title: str, description: str, width: float, height: float, body: Iterable[str], name: str = "mg-graph"
) -> str:
    """Return an SVG document around `body`: as wide as the page lets it be, but not wider than it was laid out."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{name}" role="img" aria-label="{xml_text(title)}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="100%" style="max-width:{width:.0f}px;height:auto">\n'
        f"<title>{xml_text(title)}</title>\n<desc>{xml_text(description)}</desc>\n<style>{css('.' + name)}</style>\n"
        f'<rect class="paper" x="0" y="0" width="{width:.0f}" height="{height:.0f}"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def svg_of(view: View, width: float | None = None) -> str:
    """Lay a view out and draw it as SVG.

    Args:
        view: what is drawn.
        width: pixels into which it is to fit with text that can be read; None lays it out in its own direction.
    """
    parts = [(view, lay_out(view))] if width is None else fitted(view, width)
    extra = 18.0 * len(view.notes)
    notes = (len(note) * 7.8 + 2 * _MARGIN for note in view.notes)
    wide = max(*(layout.width + 2 * _MARGIN for _, layout in parts), *notes, 60.0)
    body = [
        _text(TextLine(note, "ink", 12, True), wide / 2, _MARGIN + 12 + 18 * i) for i, note in enumerate(view.notes)
    ]
    top = _MARGIN + extra
    for part, layout in parts:
        left = (wide - layout.width) / 2 if len(parts) == 1 else _MARGIN
        body += _part(part, layout, left, top)
        top += layout.height + _ROWS
    return document(view.title, view.summary, wide, top - _ROWS + _MARGIN, body)


def _part(view: View, layout: Coordinates, left: float, top: float) -> list[str]:
    body = [f'<g transform="translate({left:.1f} {top:.1f})">']
    body += [_frame(frame, layout.frames[frame.index]) for frame in view.frames if frame.index in layout.frames]
    for number, wire in enumerate(view.wires):
        body.append(_wire(wire, layout.wires[number], layout.ways[number], view.direction))
    body += [
        _plate(frame, layout.frames[frame.index], view.direction)
        for frame in view.frames
        if frame.index in layout.frames
    ]
    body += [_box(box, layout.boxes[box.index]) for box in view.boxes]
    return [*body, "</g>"]


# ---- pieces --------------------------------------------------------


def _text(line: TextLine, x: float, y: float) -> str:
    style = f"{line.role} b" if line.bold else line.role
    place_ = f'x="{x:.1f}" y="{y:.1f}" font-size="{line.size}" text-anchor="middle"'
    return f'<text class="{style}" {place_}>{xml_text(line.text)}</text>'


def _rect(kind: str, x: float, y: float, width: float, height: float, radius: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:g}"/>'


def _stack(blocks: Iterable[Block], x: float, top: float) -> list[str]:
    """Draw blocks under each other from `top`, centred at `x`."""
    made = []
    for block in blocks:
        if block.ground:
            made.append(_rect(block.ground, x - block.width / 2, top, block.width, block.height, 3))
        y = top + (2.5 if block.ground else 0)
        for line in block.lines:
            made.append(_text(line, x, y + line.size * 0.98))
            y += line.size * LEADING
        top += block.height + 2
    return made


def _height(blocks: Iterable[Block]) -> float:
    return sum(block.height + 2 for block in blocks)


def _box(box: Box, at: Rectangle) -> str:
    x, y = at.x - at.width / 2, at.y - at.height / 2
    body = [f"<title>{xml_text(box.title)}</title>"]
    if box.kind != "constant":
        ground, border = GROUNDS.get(box.kind, ("card", "border"))
        outline = _rect(f"{ground} {border}-line", x, y, at.width, at.height, 6)
        body.append(outline.replace("/>", ' stroke-dasharray="3 2"/>') if box.kind == "again" else outline)
    body += _stack(box.blocks, at.x, at.y - _height(box.blocks) / 2 + 1)
    return f'<g id="{box.id}" class="node">' + "".join(body) + "</g>"


def _frame(frame: Frame, at: Rectangle) -> str:
    ground = _rect("stage stage-border-line", at.x - at.width / 2, at.y - at.height / 2, at.width, at.height, 8)
    return f'<g id="stage-{frame.index}" class="stage-frame">{ground}</g>'


def _plate(frame: Frame, at: Rectangle, direction: str) -> str:
    """Draw the title of a frame; from top to bottom on the left, where no line comes in."""
    top = at.y - at.height / 2 + 4
    size = frame.lines[0].size
    wide = max(line.width for line in frame.lines)
    x = at.x - at.width / 2 + wide / 2 + 7 if direction in ("TB", "BT") else at.x
    texts = [_text(line, x, top + size * (0.98 + LEADING * number)) for number, line in enumerate(frame.lines)]
    return "".join(texts)


def _wire(wire: Wire, at: Rectangle | None, ways: list[list[Point]], direction: str) -> str:
    source, target, slot = wire.edge
    body = [f"<title>{xml_text(wire.title)}</title>"]
    shift = _APART if wire.flows else 0.0
    if direction in ("TB", "BT"):
        shift = -shift
    body.append(_arrow(ways, shift, wire.role, forwards=True, thin=wire.role == "grey"))
    if wire.flows:
        body.append(_arrow(ways, -shift, "red", forwards=False))
    if at is not None:
        body += _on_wire(wire, at)
    return f'<g id="edge-{source}-{target}-{slot}" class="edge">' + "".join(body) + "</g>"


def _on_wire(wire: Wire, at: Rectangle) -> list[str]:
    """Draw what stands on the line, in its gap: a change of shape, and the gradient under it."""
    blocks = [*wire.forward, *wire.backward]
    return _stack(blocks, at.x, at.y - _height(blocks) / 2 + 1)


def _arrow(ways: list[list[Point]], shift: float, role: str, *, forwards: bool, thin: bool = False) -> str:
    """Draw the whole way as one path, moved sideways by `shift`, with a head at its end (backwards: at its start).

    Between two ways there is a gap, for the text on the line.
    """
    ways = [_moved(way, shift) for way in ways]
    if forwards:
        ways = [*ways[:-1], _shortened(ways[-1])]
        tip, before = ways[-1][-1], ways[-1][-2]
    else:
        first = _shortened(ways[0][::-1])
        tip, before = first[-1], first[-2]
        ways = [first[::-1], *ways[1:]]
    parts = []
    for way in ways:
        start = f"M{way[0][0]:.1f} {way[0][1]:.1f}"
        parts.append(start + "C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in way[1:]))
    dash = ' stroke-dasharray="2 3" stroke-width="0.8"' if thin else ' stroke-width="1.3"'
    return f'<path class="{role}-line" d="{"".join(parts)}"{dash}/>' + _head(tip, before, role)


def _moved(way: list[Point], shift: float) -> list[Point]:
    """Move a spline sideways: both ends of each cubic, with their handles, along the normal (up, going right)."""
    if not shift:
        return way
    moved = [way[0]]
    for start in range(0, len(way) - 3, 3):
        a, b, c, d = way[start : start + 4]
        ax, ay = _normal(a, b if b != a else d, shift)
        dx, dy = _normal(c if c != d else a, d, shift)
        if start == 0:
            moved[0] = (a[0] + ax, a[1] + ay)
        moved += [(b[0] + ax, b[1] + ay), (c[0] + dx, c[1] + dy), (d[0] + dx, d[1] + dy)]
    return moved


def _normal(start: Point, end: Point, length: float) -> Point:
    dx, dy = end[0] - start[0], end[1] - start[1]
    scale = length / (math.hypot(dx, dy) or 1.0)
    return dy * scale, -dx * scale


def _shortened(way: list[Point]) -> list[Point]:
    """Cut a spline where the arrow head begins."""
    (ax, ay), (bx, by) = way[-2], way[-1]
    length = math.hypot(bx - ax, by - ay)
    if length < 1e-6:
        return way
    cut = min(_ARROW, length)
    end = (bx - (bx - ax) / length * cut, by - (by - ay) / length * cut)
    return (
        [*way[:-2], (ax - (bx - ax) / length * 0.5, ay - (by - ay) / length * 0.5), end]
        if cut == length
        else [*way[:-1], end]
    )


def _head(at: Point, before: Point, role: str) -> str:
    dx, dy = at[0] - before[0], at[1] - before[1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    tip = (at[0] + dx * _ARROW, at[1] + dy * _ARROW)
    corners = [tip, (at[0] - dy * 2.8, at[1] + dx * 2.8), (at[0] + dy * 2.8, at[1] - dx * 2.8)]
    return f'<polygon class="{role}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}"/>'
