"""Lay a view out: send Graphviz a DOT text of sizes alone, and read the coordinates that it returns.

No name of the user's reaches the engine: boxes, wires and frames have numbers, so no label can be misread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from micrograd.drawing.engines import run
from micrograd.drawing.view import CROWD, View, Wire, nested

__all__ = ["Coordinates", "Point", "Rectangle", "lay_out"]

Point = tuple[float, float]
_ANYWHERE: Mapping[int, str] = {}
_PT = 72.0


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Hold a rectangle, by its centre."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Hold where everything goes, in points, y downwards.

    Attributes:
        width, height: of the picture.
        boxes: by node.
        wires: the text on each wire; None where there is none.
        ways: for each wire one spline, or two with the text between them.
        frames: by stage.
    """

    width: float
    height: float
    boxes: dict[int, Rectangle]
    wires: list[Rectangle | None]
    ways: list[list[list[Point]]]
    frames: dict[int, Rectangle]


def wire_size(wire: Wire) -> tuple[float, float]:
    """Return the size of the text on a wire, which interrupts the line; (0, 0) where there is none."""
    blocks = [*wire.forward, *wire.backward]
    if not blocks:
        return 0.0, 0.0
    return max(block.width for block in blocks) + 6, sum(block.height + 2 for block in blocks) + 2


def _dot(view: View, ends: Mapping[int, str] = _ANYWHERE, starts: Mapping[int, str] = _ANYWHERE) -> str:
    """Write sizes as DOT; `ends` and `starts` name the side of the box at whose middle a wire is to meet it."""
    beside = view.direction in ("TB", "BT") and "w" in ends.values()  # needs room, or the next box seems its source
    lines = [
        "digraph{",
        f"rankdir={view.direction};ranksep=0.15;nodesep={0.3 if beside else 0.14};",
        'node[shape=box,fixedsize=true,label=""];edge[arrowhead=none];',
    ]
    if len(view.boxes) > CROWD:  # a quick layout: bounded searches, straight lines, no frames to keep together
        lines.append("nslimit=1;nslimit1=1;mclimit=0.1;splines=line;")
    within = nested(view.frames)
    stage_of = {index: frame.index for frame, _ in within for index in frame.boxes}  # the innermost comes last
    inside: dict[int, list[int]] = {}  # wires that stay in a stage
    frames_of: dict[int, list[int]] = {}  # outermost first
    for frame, _ in within:
        for index in frame.boxes:
            frames_of.setdefault(index, []).append(frame.index)
    for number, wire in enumerate(view.wires):
        there = frames_of.get(wire.target, ())
        common = [frame for frame in frames_of.get(wire.source, ()) if frame in there]
        if common and (wire.forward or wire.backward):
            inside.setdefault(common[-1], []).append(number)
    closing = 0
    for frame, level in within if len(view.boxes) <= CROWD else ():
        lines.append("}" * (closing - level))
        closing = level + 1
        longest = max(line.width for line in frame.lines)
        size = frame.lines[0].size
        filler = "\\n".join(["x" * max(1, round(longest / size / 0.6))] * len(frame.lines))
        lines.append(f'subgraph cluster_{frame.index}{{margin=5;fontname=Courier;fontsize={size};label="{filler}";')
        own = [f"b{index};" for index in frame.boxes if stage_of[index] == frame.index]
        lines.append("".join(own + [f"w{n};" for n in inside.get(frame.index, ())]))
    lines.append("}" * closing)
    lines += [f"{_key(b.index)}[width={b.width / _PT:.3f},height={b.height / _PT:.3f}];" for b in view.boxes]
    into, out = {"LR": ("w", "e"), "RL": ("e", "w"), "TB": ("n", "s"), "BT": ("s", "n")}[view.direction]
    spine = _spine(view)
    for number, wire in enumerate(view.wires):
        width, height = wire_size(wire)
        straight = number in spine
        weight = f"weight={60 if straight else 1 if wire.role == 'grey' else 2}"
        start = f",tailport={starts.get(number, out)}" if straight or number in starts else ""
        end = f",headport={ends.get(number, into)}" if straight or number in ends else ""
        if width == 0:
            lines.append(f"{_key(wire.source)}->{_key(wire.target)}[id=a{number},{weight}{start}{end}];")
            continue
        lines.append(f"w{number}[width={width / _PT:.3f},height={height / _PT:.3f}];")
        lines.append(f"{_key(wire.source)}->w{number}[id=a{number},{weight},headport={into}{start}];")
        lines.append(f"w{number}->{_key(wire.target)}[id=z{number},{weight},tailport={out}{end}];")
    return "\n".join([*lines, "}"])


def _key(index: int) -> str:
    return f"b{index}" if index >= 0 else f"c{-index}"


def _spine(view: View) -> set[int]:
    """Return the wires of the longest way through the picture: they are drawn straight, and the others go around."""
    depth: dict[int, int] = {box.index: 0 for box in view.boxes}
    last: dict[int, int] = {}  # the wire by which the longest way reaches a box
    for number, wire in sorted(enumerate(view.wires), key=lambda pair: pair[1].edge[1]):
        if wire.role != "grey" and depth[wire.source] + 1 > depth[wire.target]:
            depth[wire.target] = depth[wire.source] + 1
            last[wire.target] = number
    found: set[int] = set()
    at = max(depth, key=lambda index: depth[index], default=-1)
    while at in last:
        found.add(last[at])
        at = view.wires[last[at]].source
    return found


def _spline(text: str, height: float) -> list[Point]:
    points = [pair.split(",") for pair in text.split(" ") if pair and pair[0] not in "es"]
    return [(float(x), height - float(y)) for x, y in points]


@lru_cache(maxsize=16)
def _laid_out(dot: str) -> dict[str, Any]:
    """Return what Graphviz makes of a DOT text; a graph drawn again with other numbers of the same width is cached."""
    laid_out: dict[str, Any] = json.loads(run(dot))
    return laid_out


def lay_out(view: View) -> Coordinates:
    """Return the coordinates of a view. Raises what `engines.run` raises."""
    made = _coordinates(view, _dot(view))
    ends, starts = _through_titles(view, made)
    return _coordinates(view, _dot(view, ends, starts)) if ends or starts else made


def _through_titles(view: View, made: Coordinates) -> tuple[dict[int, str], dict[int, str]]:
    """Return the wires that run behind the title of a frame to their box, or from it, with a side that is free.

    The title stands over the box; from top to bottom over its left half, so that a line straight from above is free.
    """
    framed = {index for frame in view.frames for index in frame.boxes if frame.index in made.frames}

    def under(index: int, point: Point) -> bool:
        box = made.boxes[index]
        inside = abs(point[0] - box.x) < box.width / 2 - 1
        return index in framed and inside and abs(point[1] - (box.y - box.height / 2)) < 2

    ends, starts = {}, {}
    upright = view.direction in ("TB", "BT")
    first, last = {"LR": ("e", "w"), "RL": ("w", "e"), "TB": ("s", "n"), "BT": ("n", "s")}[view.direction]
    for number, wire in enumerate(view.wires):
        way = made.ways[number]
        if under(wire.target, way[-1][-1]):
            middle = made.boxes[wire.target].x
            if upright and way[-1][0][0] < middle - 8:
                ends[number] = "w"
            elif not upright or abs(way[-1][-1][0] - middle) > 2:
                ends[number] = last
        if not upright and under(wire.source, way[0][0]):
            starts[number] = first
    return ends, starts


def _coordinates(view: View, dot: str) -> Coordinates:
    found = _laid_out(dot)
    _, _, width, height = map(float, found["bb"].split(","))
    boxes: dict[int, Rectangle] = {}
    wires: list[Rectangle | None] = [None] * len(view.wires)
    frames: dict[int, Rectangle] = {}
    for item in found.get("objects", ()):
        name: str = item["name"]
        if name.startswith("cluster_"):
            left, low, right, high = map(float, item["bb"].split(","))
            frames[int(name[8:])] = Rectangle((left + right) / 2, height - (low + high) / 2, right - left, high - low)
        elif "pos" in item:
            x, y = map(float, item["pos"].split(","))
            spot = Rectangle(x, height - y, float(item["width"]) * _PT, float(item["height"]) * _PT)
            if name[0] in "bc":
                boxes[int(name[1:]) if name[0] == "b" else -int(name[1:])] = spot
            else:
                wires[int(name[1:])] = spot
    ways: list[list[list[Point]]] = [[] for _ in view.wires]
    for item in sorted(found.get("edges", ()), key=lambda item: str(item.get("id", ""))[:1]):
        ways[int(item["id"][1:])].append(_spline(item["pos"], height))
    return Coordinates(width, height, boxes, wires, ways, frames)
