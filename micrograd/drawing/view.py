"""Decide what is in a picture: a box per statement, a wire per edge, a frame per stage; without coordinates.

The DOT text and the SVG are both written from this. A wire carries the value that flows forward (black) and the
gradient that its target sends back (red); a box that several read shows that its gradient is the sum over the paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from micrograd.drawing.labels import cells, entries, shape_text, shorten, summary
from micrograd.graph import Graph, Node
from micrograd.graph.backward import path_name
from micrograd.graph.formulas import right_hand, statement_heads
from micrograd.primitives import TABLE

__all__ = ["CROWD", "Block", "Box", "Frame", "TextLine", "View", "Wire", "view_of"]

EM = 0.602  # width of a character of a monospaced font, in font sizes
LEADING = 1.28
SHARED = 6
"""Readers above which a leaf is named beside each of them: a hundred lines from one box are read by nobody."""
CROWD = 600
"""Boxes above which the picture is made quickly: no frames, and values in the boxes instead of on the lines."""


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
        kind: leaf, constant, op, result or cluster.
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
        forward, backward: what stands over the line, and under it.
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
    """Hold the frame of a stage: its title, in lines, and its boxes."""

    index: int
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


def axes_text(source: tuple[int, ...], target: tuple[int, ...]) -> str:
    """Name the axes of `target` over which the gradient of a broadcast operand of shape `source` is summed."""
    lead = len(target) - len(source)
    axes = [*range(lead), *(lead + i for i, size in enumerate(source) if size == 1 and target[lead + i] != 1)]
    return f"Σ over {'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}"


def gradient_names(graph: Graph, edges: Mapping[int, list[tuple[int, int, int]]]) -> dict[tuple[int, int, int], str]:
    """Name the gradient of each edge: ``dmu``, or ``dxmu1``, ``dxmu2`` in the order in which they arrive."""
    names, taken = {}, {node.name for node in graph.nodes}
    for source, leaving in edges.items():
        arriving = sorted(leaving, key=lambda edge: (-edge[1], edge[2]))
        name = graph.nodes[source].name
        for number, edge in enumerate(arriving, 1):
            names[edge] = path_name(name, number, len(arriving), taken)
    return names


class _Builder:
    def __init__(self, graph: Graph, values: bool, grads: bool, whole: bool, seeds: int) -> None:
        self.graph, self.with_values, self.with_grads = graph, values, grads and not seeds
        self.values = graph.values if values else ()
        self.heads = list(range(len(graph.nodes))) if whole else statement_heads(graph)
        self.leaving: dict[int, list[tuple[int, int, int]]] = {}
        for edge in graph.edges:
            self.leaving.setdefault(edge.source, []).append((edge.source, edge.target, edge.slot))
        self.names = gradient_names(graph, self.leaving)
        self.ends = {node.index for node in graph.outputs}
        self.crowded = sum(head == index for index, head in enumerate(self.heads)) > CROWD
        self.copies: dict[tuple[int, int], Box] = {}
        self.shared = {
            node.index
            for node in graph.nodes
            if node.is_leaf and not seeds and len(self.leaving.get(node.index, ())) > SHARED
        }
        self.copied = (
            {n.index for n in graph.inputs[seeds:]} if seeds else set()
        )  # what the backward pass reads of the forward
        self.cotangents = set(range(seeds))  # in a backward graph: the seeds come first, and what is made of them
        for node in graph.nodes if seeds else ():
            if self.cotangents.intersection(node.reads):
                self.cotangents.add(node.index)

    def value(self, node: Node, role: str = "ink") -> Block:
        value = self.values[node.index]
        return Block((TextLine("not run", "grey", 10),)) if value is None else table(value, role)

    def role(self, node: Node) -> str:
        return "red" if node.index in self.cotangents else "ink"

    def box(self, node: Node) -> Box:
        role = self.role(node)
        if node.op == "constant":
            return self._constant(node)
        lines = [TextLine(shorten(node.name, 28), role, 14, True)]
        if also := [alias for alias, name in self.graph.aliases.items() if name == node.name]:
            lines.append(TextLine(shorten(f"= {' = '.join(also)}", 28), role, 10.5))
        right = right_hand(self.graph, node, self.heads)
        lines += [TextLine(text, "ink", 11) for text in _formula_lines(right)]
        if text := shape_text(node.shape, node.dtype):
            lines.append(TextLine(text, "grey", 10))
        blocks = [Block(tuple(lines))]
        ends = node.index in self.ends
        if self.with_values and (ends or self.crowded or (node.is_leaf and not self.leaving.get(node.index))):
            blocks.append(self.value(node, role))
        if self.with_grads:
            blocks += self._sum(node, ends)
        kind = "leaf" if node.is_leaf else "result" if ends else "op"
        return Box(node.index, kind, tuple(blocks), self._title(node, right), node.stage)

    def _constant(self, node: Node) -> Box:
        lines = [TextLine(f"{shorten(node.name, 20)} {shape_text(node.shape, node.dtype)}".strip(), "grey", 10)]
        value = self.graph.fixed.get(node.index)
        if self.with_values and value is not None:
            lines += [TextLine(text, "grey", 9.5) for text in entries(value) or summary(value)]
        return Box(node.index, "constant", (Block(tuple(lines)),), self._title(node, ""))

    def _title(self, node: Node, right: str) -> str:
        text = f"{node.name} = {right}" if right else f"{node.name}, {node.op}"
        return f"{text}  [{node.source}]" if node.source else text

    def _sum(self, node: Node, ends: bool) -> list[Block]:
        """Write on the box itself the gradient that is a sum over paths, or the seed of an output."""
        paths = [edge for edge in self.leaving.get(node.index, ()) if self._flows(edge)]
        if len(paths) < 2 and not ends and not self.crowded:
            return []
        several = f" = Σ of {len(paths)} paths" if len(paths) > 1 else ""
        found = self.graph.grads.get(node.index)
        if found is None:
            said = "no gradient" if self.graph.has_grads else "not yet"
            return (
                [Block((TextLine(f"d{shorten(node.name, 24)}{several}: {said}", "red", 10),))]
                if several or not self.graph.has_grads
                else []
            )
        blocks = [Block((TextLine(f"d{shorten(node.name, 24)}{several}", "red", 10.5),))]
        return [*blocks, table(found, "red")] if self.with_values else blocks

    def _flows(self, edge: tuple[int, int, int]) -> bool:
        """Say whether a gradient goes back along the edge: it did, or (before backward) its rule would send one."""
        source, target, slot = edge
        if self.graph.has_grads:
            return edge in self.graph.edge_grads
        row = TABLE[self.graph.nodes[target].op]
        differentiable = row.flows if row.variadic else row.vjp[slot] is not None
        return differentiable and self.graph.nodes[source].op != "constant"

    def wire(self, edge: tuple[int, int, int]) -> Wire:
        source, target = self.graph.nodes[edge[0]], self.graph.nodes[edge[1]]
        head = self.heads[target.index]
        if source.op == "constant":
            return Wire(source.index, head, edge, role="grey", title=f"{source.name} → {target.name}")
        role = self.role(source)
        if source.index in self.copied:
            lines = (
                TextLine(shorten(source.name, 24), "ink", 12, True),
                TextLine(shape_text(source.shape), "grey", 10),
            )
            blocks = [
                Block(tuple(line for line in lines if line.text)),
                *([self.value(source, "ink")] if self.with_values else ()),
            ]
            copy = self._copy(source, head, tuple(blocks), f"{source.name}, from the forward pass")
            return Wire(copy.index, head, edge, title=f"{source.name} → {target.name}")
        flows = self.with_grads and self._flows(edge)
        start = source.index
        if start in self.shared:
            named = Block((TextLine(shorten(source.name, 24), "ink", 12, True),))
            start = self._copy(source, head, (named,), f"{source.name}, again").index
        if self.crowded:
            return Wire(start, head, edge, flows=flows, role=role, title=f"{source.name} → {target.name}")
        forward = [Block((TextLine(f"{shorten(source.name, 24)} {shape_text(source.shape)}".strip(), role, 10),))]
        if self.with_values:
            forward.append(self.value(source, role))
        spread = TABLE[target.op].kind == "map" and source.shape != target.shape
        if spread:
            forward.append(Block((TextLine(f"{source.shape} → {target.shape}", "grey", 9.5),)))
        backward = self._back(edge, source, target, spread) if flows else ()
        title = f"{source.name} → {target.name}" + (f", back: {self.names[edge]}" if flows else "")
        return Wire(start, head, edge, tuple(forward), backward, flows, role, title)

    def _copy(self, source: Node, head: int, blocks: tuple[Block, ...], title: str) -> Box:
        """Return a box for `source` beside its reader `head`."""
        return self.copies.setdefault((source.index, head), Box(-1 - len(self.copies), "leaf", blocks, title))

    def _back(self, edge: tuple[int, int, int], source: Node, target: Node, spread: bool) -> tuple[Block, ...]:
        name = f"{shorten(self.names[edge], 24)} {shape_text(source.shape)}".strip()
        found = self.graph.edge_grads.get(edge)
        if found is None:
            return (Block((TextLine(f"{name}: not yet", "red", 10),)),)
        blocks = [Block((TextLine(name, "red", 10),))]
        if self.with_values:
            blocks.append(table(found, "red"))
        row = TABLE[target.op]
        if spread:
            blocks.append(Block((TextLine(axes_text(source.shape, target.shape), "red", 9.5),)))
        elif row.kind == "reduce" and source.shape != target.shape:
            blocks.append(Block((TextLine(f"{target.shape} → {source.shape}", "red", 9.5),)))
        return tuple(blocks)

    def frames(self, boxes: list[Box]) -> list[Frame]:
        members: dict[int, list[int]] = {}
        widths: dict[int, float] = {}
        for box in boxes:
            if box.stage is not None:
                members.setdefault(box.stage, []).append(box.index)
                widths[box.stage] = widths.get(box.stage, 0.0) + box.width
        frames = []
        for stage, indices in sorted(members.items()):
            room = max(12, int(widths[stage] / (EM * 11)))
            lines = tuple(TextLine(text, "grey", 11, True) for text in wrapped(self.graph.stages[stage].title, room))
            frames.append(Frame(stage, lines, tuple(indices)))
        return frames


def _formula_lines(text: str, width: int = 24) -> list[str]:
    """Break a formula into one line, or two, before an operator."""
    if cells(text) <= width:
        return [text] if text else []
    middle = [i for i, c in enumerate(text) if c in "+−×·" and text[i - 1 : i] == " " and i <= width]
    if middle and cells(text[middle[-1] :]) <= width:
        return [text[: middle[-1]].rstrip(), text[middle[-1] :]]
    return [shorten(text, width + 6)]


def view_of(
    graph: Graph, *, direction: str, values: bool, grads: bool, stages: bool, whole: bool, seeds: int = 0
) -> View:
    """Return the view of a graph of moderate size.

    Args:
        graph: a graph, run or not.
        direction: of the arrows, LR, TB, RL or BT.
        values: numbers, or shapes only.
        grads: the lines back.
        stages: frames around the stages.
        whole: a box for every primitive; False: one for every statement of the user's code.
        seeds: for a backward graph, how many of its inputs (the first) are cotangents of outputs.
    """
    builder = _Builder(graph, values, grads, whole, seeds)
    boxes = [builder.box(n) for n in graph.nodes if builder.heads[n.index] == n.index and n.index not in builder.copied]
    wires = [
        builder.wire((e.source, e.target, e.slot))
        for e in graph.edges
        if builder.heads[e.source] != builder.heads[e.target]
    ]
    boxes += builder.copies.values()
    frames = builder.frames(boxes) if stages else []
    count = f"{len(graph.nodes)} nodes" + (f", {len(graph.stages)} stages" if graph.stages else "")
    words = f"{count}, from {', '.join(n.name for n in graph.inputs)} to {', '.join(n.name for n in graph.outputs)}."
    if builder.with_grads:
        words += (
            " Forward values in black, gradients in red."
            if graph.has_grads
            else " Gradients: not yet; call backward()."
        )
    if seeds:  # the same way as the forward picture, seen from the other end
        direction = {"LR": "RL", "TB": "BT", "RL": "LR", "BT": "TB"}[direction]
    return View(f"Graph of {graph.name}", words, direction, tuple(boxes), tuple(wires), tuple(frames))
