"""Say what a picture is made of: lines of text in blocks, boxes, wires and frames, with sizes but without places."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from micrograd.drawing.labels import cells, entries, shorten, summary

__all__ = [
    "EM",
    "LEADING",
    "Block",
    "Box",
    "Frame",
    "TextLine",
    "View",
    "Wire",
    "formula_lines",
    "framed",
    "nested",
    "table",
    "turned",
    "wrapped",
]

EM = 0.602  # width of a character of a monospaced font, in font sizes
LEADING = 1.28


class TextLine(NamedTuple):
    """Hold one line of text; its role is a colour of the palette."""

    text: str
    role: str = "ink"
    size: float = 11.0
    bold: bool = False

    @property
    def width(self) -> float:
        """Return the width in points."""
        return cells(self.text) * EM * self.size


class Block:
    """Hold lines of text under each other; `ground` tints what is behind them, as in a table of numbers.

    Attributes:
        width, height: in points.
    """

    __slots__ = ("ground", "height", "lines", "width")

    def __init__(self, lines: tuple[TextLine, ...], ground: str = "") -> None:
        self.lines, self.ground = lines, ground
        around = (7, 5) if ground else (0, 0)
        self.width = max((line.width for line in lines), default=0.0) + around[0]
        self.height = sum(line.size for line in lines) * LEADING + around[1]


class Box:
    """Hold what is written in the box of a statement: its name, formula, shape.

    Attributes:
        index: the node it ends in (negative: a copy near one of its readers).
        kind: leaf, constant, op, result, cluster, broken (what raised an exception), or again, which names a box
            that stands elsewhere.
        blocks: what is written in it.
        title: its tooltip.
        stage: index of its stage.
        width, height: in points.
    """

    __slots__ = ("blocks", "height", "index", "kind", "stage", "title", "width")

    def __init__(self, index: int, kind: str, blocks: tuple[Block, ...], title: str, stage: int | None = None) -> None:
        self.index, self.kind, self.blocks, self.title, self.stage = index, kind, blocks, title, stage
        self.width = max(block.width for block in blocks) + (8 if kind == "constant" else 14)
        self.height = sum(block.height for block in blocks) + 2 * len(blocks) + (2 if kind == "constant" else 10)

    @property
    def id(self) -> str:
        """Return the id in the SVG and in the DOT text, from the topological order."""
        return f"node-{self.index}" if self.index >= 0 else f"node-copy-{-self.index}"


@dataclass(frozen=True, slots=True)
class Wire:
    """Hold an edge between two boxes, and what is written on it.

    Attributes:
        source, target: the boxes.
        edge: source node, target node, slot.
        forward, backward: what stands on the line, one over the other: a change of shape, and the gradient.
        flows: whether a gradient takes it.
        role: the colour of the line; grey for a constant's thin one.
        title: its tooltip.
    """

    source: int
    target: int
    edge: tuple[int, int, int]
    forward: tuple[Block, ...] = ()
    backward: tuple[Block, ...] = ()
    flows: bool = False
    role: str = "ink"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """Hold the frame of a stage, or of an iteration: its title, in lines, and its boxes."""

    index: int
    title: str
    lines: tuple[TextLine, ...]
    boxes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Hold everything that is drawn."""

    title: str
    summary: str
    direction: str
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    frames: tuple[Frame, ...] = ()
    notes: tuple[str, ...] = ()


def table(value: Any, role: str, size: float = 12.0) -> Block:
    """Return a value as a block: numbers where they are few, else mean and range."""
    lines = entries(value)
    if lines is None:
        return Block(tuple(TextLine(text, role, size - 1.5) for text in summary(value)), ground="")
    return Block(tuple(TextLine(text, role, size) for text in lines), "red-table" if role == "red" else "table")


def wrapped(text: str, width: int, most: int = 3) -> list[str]:
    """Break a title into lines of about `width` cells."""
    lines = [""]
    for word in shorten(text, width * most).split(" "):
        if lines[-1] and cells(lines[-1]) + 1 + cells(word) > width and len(lines) < most:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def framed(index: int, title: str, boxes: Sequence[Box], upright: bool = False) -> Frame:
    """Return a frame with its title in lines; from top to bottom on the left half, since lines come in the middle."""
    widths = [box.width for box in boxes]
    room = max(7 if upright else 12, int((max(widths) / 2 - 8 if upright else sum(widths)) / (EM * 11)))
    lines = tuple(TextLine(text, "grey", 11, True) for text in wrapped(title, room, 5 if upright else 3))
    return Frame(index, title, lines, tuple(box.index for box in boxes))


def nested(frames: Sequence[Frame]) -> list[tuple[Frame, int]]:
    """Return the frames with how many others each is in, those inside a frame after it."""
    boxes = [{*frame.boxes} for frame in frames]
    around = [
        [o for o, other in enumerate(boxes) if own < other or (own == other and o < at)] for at, own in enumerate(boxes)
    ]
    order = sorted(range(len(frames)), key=lambda at: [*sorted(around[at], key=lambda o: len(around[o])), at])
    return [(frames[at], len(around[at])) for at in order]


def turned(view: View, direction: str) -> View:
    """Return a view in another direction; the titles of its frames are wrapped for it."""
    boxes = {box.index: box for box in view.boxes}
    upright = direction in ("TB", "BT")
    frames = tuple(framed(f.index, f.title, [boxes[i] for i in f.boxes], upright) for f in view.frames)
    for frame in frames if upright else ():  # room for the title beside the line
        first = boxes[frame.boxes[0]] = copy.copy(boxes[frame.boxes[0]])
        first.width = max(first.width, 2 * (max(line.width for line in frame.lines) + 10))
    return replace(view, direction=direction, frames=frames, boxes=tuple(boxes.values()))


def formula_lines(text: str, width: int = 24, most: int = 3) -> list[str]:
    """Break a formula ahead of operators into lines of about `width` cells."""
    lines = [""]
    for piece in re.split(r"(?=(?<=\s)[+−×·@] )", text):
        if lines[-1] and cells(lines[-1]) + cells(piece) > width and len(lines) < most:
            lines[-1] = lines[-1].rstrip()
            lines.append(piece)
        else:
            lines[-1] += piece
    return [shorten(line, width + 6) for line in lines if line]
