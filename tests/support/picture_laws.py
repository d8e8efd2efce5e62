"""Read a picture as a reader sees it: boxes, texts and lines with their places; and the laws that these obey."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any

from micrograd.drawing.labels import cells
from micrograd.drawing.view import EM

SVG = "{http://www.w3.org/2000/svg}"
Place = tuple[float, float, float, float]


@dataclass
class Seen:
    """What stands in a picture.

    Attributes:
        width: of the view box.
        smallest: font size.
        boxes, labels, titles, frames: places as (left, top, right, bottom): of nodes, of what stands on an edge, of the
            titles of frames, and of frames.
        lines: the points along each edge.
    """

    width: float = 0.0
    smallest: float = 99.0
    boxes: dict[str, Place] = field(default_factory=dict)
    labels: dict[str, Place] = field(default_factory=dict)
    titles: list[Place] = field(default_factory=list)
    frames: list[Place] = field(default_factory=list)
    lines: list[list[tuple[float, float]]] = field(default_factory=list)


def text_place(text: ET.Element) -> Place:
    size, x, y = (float(text.attrib[k]) for k in ("font-size", "x", "y"))
    half = cells(text.text or "") * EM * size / 2
    return x - half, y - size * 0.8, x + half, y + size * 0.2


def rect_place(rect: ET.Element) -> Place:
    x, y, w, h = (float(rect.attrib[k]) for k in ("x", "y", "width", "height"))
    return x, y, x + w, y + h


def around(places: list[Place]) -> Place:
    return (
        min(p[0] for p in places), min(p[1] for p in places), max(p[2] for p in places), max(p[3] for p in places),
    )  # fmt: skip


def points(path: str) -> list[tuple[float, float]]:
    """Points along the cubic curves of a path."""
    found = []
    for piece in path.split("M")[1:]:
        numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", piece)]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        for start in range(0, len(pairs) - 3, 3):
            a, b, c, d = pairs[start : start + 4]
            for step in range(21):
                t = step / 20
                k = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                found.append((
                    k[0] * a[0] + k[1] * b[0] + k[2] * c[0] + k[3] * d[0],
                    k[0] * a[1] + k[1] * b[1] + k[2] * c[1] + k[3] * d[1],
                ))  # fmt: skip
    return found


def read(svg: str) -> Seen:
    root = ET.fromstring(svg)
    seen = Seen(width=float(root.attrib["viewBox"].split()[2]))
    seen.smallest = min(float(text.attrib["font-size"]) for text in root.iter(f"{SVG}text"))
    for row in root.iter(f"{SVG}g"):
        shift = re.fullmatch(r"translate\((\S+) (\S+)\)", row.get("transform", ""))
        if shift is None:
            continue
        dx, dy = float(shift[1]), float(shift[2])

        def moved(place: Place, dx: float = dx, dy: float = dy) -> Place:
            return place[0] + dx, place[1] + dy, place[2] + dx, place[3] + dy

        for item in row:
            if item.tag == f"{SVG}text":
                seen.titles.append(moved(text_place(item)))
                continue
            places = [rect_place(r) for r in item.iter(f"{SVG}rect")] + [text_place(t) for t in item.iter(f"{SVG}text")]
            kind, name = item.get("class"), item.get("id", "")
            if kind == "stage-frame":
                seen.frames.append(moved(around(places)))
            elif kind == "node":
                seen.boxes[name] = moved(around(places))
            elif kind == "edge":
                if places:
                    seen.labels[name] = moved(around(places))
                for path in item.iter(f"{SVG}path"):
                    seen.lines.append([(x + dx, y + dy) for x, y in points(path.attrib["d"])])
    return seen


def overlap(a: Place, b: Place, slack: float = 0.6) -> bool:
    return a[0] < b[2] - slack and b[0] < a[2] - slack and a[1] < b[3] - slack and b[1] < a[3] - slack


def broken(svg: str, width: float = 880.0) -> list[str]:
    """The laws that a picture breaks, in words."""
    seen = read(svg)
    found = []
    pixels = seen.smallest * min(1.0, width / seen.width)
    if pixels < 9.0 - 1e-9:
        found.append(f"text of {pixels:.1f} pixels at {width:.0f}")
    things: list[tuple[str, Place]] = [*seen.boxes.items(), *seen.labels.items()]
    things += [(f"title {n}", place) for n, place in enumerate(seen.titles)]
    things.sort(key=lambda thing: thing[1][1])
    for i, (name, place) in enumerate(things):
        for other, there in things[i + 1 :]:
            if there[1] > place[3]:
                break
            if overlap(place, there):
                found.append(f"{name} and {other} overlap")
    for title in seen.titles:
        for line in seen.lines:
            if any(title[0] < x < title[2] and title[1] < y < title[3] for x, y in line):
                found.append(f"a line runs behind the title at {title[0]:.0f}, {title[1]:.0f}")
                break
    return found


def shown(svg: str) -> list[tuple[str, Any]]:
    """The texts of a picture in reading order, by the group they stand in."""
    root = ET.fromstring(svg)
    return [(g.get("id", ""), [t.text for t in g.iter(f"{SVG}text")]) for g in root.iter(f"{SVG}g") if g.get("id")]
