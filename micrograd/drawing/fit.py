"""Fit a view into the width at which it is read: from left to right, from top to bottom, or in rows like a text.

Text is never smaller than `SMALLEST` pixels there, so a picture that is too wide is laid out otherwise, not shrunk. In
rows a value that another row made is named again, in a dashed box.
"""

from __future__ import annotations

from dataclasses import replace

from micrograd.drawing.labels import shorten
from micrograd.drawing.layout import Coordinates, lay_out, wire_size
from micrograd.drawing.view import CROWD, Block, Box, TextLine, View, Wire, turned

__all__ = ["SMALLEST", "Laid", "fitted"]

SMALLEST = 9.0
"""Pixels of the smallest text at the width that a picture is made for."""
TEXT = 10.0  # points of the smallest text of a view
_TALL = 1.5  # heights of a picture from top to bottom, in widths, from which rows are tried
_APART = 1.25  # heights of rows from which one picture from top to bottom gives way to them: it has all its lines
_GAPS = 34.0  # points between a box and the next, beside what stands on the wire
_MARGIN = 16.0

Laid = tuple[View, Coordinates]


def fitted(view: View, width: float) -> list[Laid]:
    """Return the view laid out, in one part or in rows, each no wider than `width` shrunk to the smallest text.

    Args:
        view: with the direction ``LR``; another is taken as it is where it fits.
        width: in pixels.
    """
    room = width * TEXT / SMALLEST - _MARGIN
    if len(view.boxes) > CROWD:  # nobody reads it at any width
        return [(view, lay_out(view))]
    if _longest(view) <= room:
        whole = lay_out(view)
        if whole.width <= room:
            return [(view, whole)]
    down = turned(view, {"LR": "TB", "RL": "BT"}[view.direction])
    column = lay_out(down)
    if column.width <= room and column.height <= _TALL * room:
        return [(down, column)]
    rows = _rows(view, room)
    high = sum(coordinates.height for _, coordinates in rows)
    if column.width <= room and column.height <= _APART * high:
        return [(down, column)]
    return rows


def _longest(view: View) -> float:
    """Estimate the width of a view from left to right: that of its longest way."""
    boxes = {box.index: box for box in view.boxes}
    reach = {index: box.width for index, box in boxes.items()}
    for wire in sorted(view.wires, key=lambda wire: wire.edge[1]):
        way = reach[wire.source] + wire_size(wire)[0] + _GAPS + boxes[wire.target].width
        reach[wire.target] = max(reach[wire.target], way)
    return max(reach.values(), default=0.0)


# ---- rows --------------------------------------------------------


def _rows(view: View, room: float) -> list[Laid]:
    """Cut a view into rows, as a text is cut into lines: each takes the next statements for as long as they fit."""
    readers: dict[int, list[int]] = {}
    for wire in view.wires:
        readers.setdefault(wire.source, []).append(wire.target)
    inner = {wire.target for wire in view.wires}
    boxes = {box.index: box for box in view.boxes}
    order = sorted(index for index in boxes if index in inner or not readers.get(index))
    beside: dict[int, list[int]] = {}  # what comes from outside stands in the row of its first reader
    for index in boxes:
        if index not in inner and readers.get(index):
            beside.setdefault(min(readers[index]), []).append(index)
    into: dict[int, list[Wire]] = {}
    for wire in view.wires:
        into.setdefault(wire.target, []).append(wire)
    laid: list[Laid] = []
    names = start = 0
    while start < len(order):
        row: set[int] = set()
        reach: dict[int, float] = {}
        taken = 0
        while start + taken < len(order):  # as many as the longest way leaves room for
            index = order[start + taken]
            more = {index, *beside.get(index, ())}
            for one in more:
                reach[one] = boxes[one].width
            for wire in into.get(index, ()):
                before = reach[wire.source] if wire.source in row | more else _again(boxes[wire.source], -1).width
                reach[index] = max(reach[index], before + wire_size(wire)[0] + _GAPS + boxes[index].width)
            if taken and reach[index] > room:
                break
            row |= more
            taken += 1
        while True:
            cut, used = _row(view, row, len(laid), names)
            coordinates = lay_out(cut)
            if coordinates.width <= room or taken == 1:
                break
            taken -= 1
            row -= {order[start + taken], *beside.get(order[start + taken], ())}
        names += used
        laid.append((cut, coordinates))
        start += taken
    return laid


def _row(view: View, row: set[int], number: int, names: int) -> tuple[View, int]:
    """Return one row as a view, and how many boxes in it name what another row made."""
    boxes = {box.index: box for box in view.boxes}
    lowest = min([0, *boxes]) - 1 - names
    again: dict[int, Box] = {}
    wires: list[Wire] = []
    for wire in view.wires:
        if wire.target not in row:
            continue
        source = wire.source
        if source not in row:
            if source not in again:
                again[source] = _again(boxes[source], lowest - len(again))
            source = again[source].index
        wires.append(replace(wire, source=source))
    frames = []
    for frame in view.frames:
        inside = tuple(index for index in frame.boxes if index in row)
        if inside:
            index = frame.index if inside[0] == frame.boxes[0] else frame.index + len(view.boxes) * (number + 1)
            frames.append(replace(frame, index=index, boxes=inside))
    kept = [box for box in view.boxes if box.index in row]
    return replace(view, boxes=(*kept, *again.values()), wires=tuple(wires), frames=tuple(frames), notes=()), len(again)


def _again(box: Box, index: int) -> Box:
    line = next((line for block in box.blocks for line in block.lines), TextLine(""))
    return Box(
        index, "again", (Block((TextLine(shorten(line.text, 24), line.role, 12, True),)),), f"{line.text}, again"
    )
