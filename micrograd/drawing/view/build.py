"""Decide what is in a picture: a box per statement, a wire per edge, a frame per stage; without coordinates.

The DOT text and the SVG are both written from this. A box shows the value that it makes (black), once; a wire carries
the gradient that its target sends back (red); a box that several read shows that its gradient is the sum over paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from micrograd.drawing.folding.groups import Folding, Group, folded_index, folding_of, iterations_of
from micrograd.drawing.labels import entries, shape_text, shorten, summary
from micrograd.drawing.view.gradients import (
    axes_text,
    axes_words,
    by_rounding,
    gradient_names,
    gradient_table,
    rounded_gradients,
)
from micrograd.drawing.view.pieces import (
    Block,
    Box,
    Frame,
    TextLine,
    View,
    Wire,
    formula_lines,
    framed,
    table,
    turned,
    wrapped,
)
from micrograd.graph import Graph, Node
from micrograd.graph.formulas import right_hand, statement_heads
from micrograd.primitives import TABLE

__all__ = ["CROWD", "view_of"]

SHARED = 6
"""Readers above which a leaf is named beside each of them: a hundred lines from one box are read by nobody."""
CROWD = 600
"""Boxes above which the picture is made quickly: no frames, and gradients in the boxes instead of on the lines."""
PARALLEL = 3
"""Wires between two boxes up to which each is drawn."""


class _Builder:
    def __init__(
        self, graph: Graph, values: bool, grads: bool, heads: list[int], seeds: int, folding: Folding, ahead: bool
    ) -> None:
        self.graph, self.with_values = graph, values
        self.with_grads = grads and not seeds and (graph.has_grads or ahead)
        self.values = graph.values if values else ()
        self.heads = heads
        self.group_of = {group.nodes[-1]: group for group in folding.groups}
        self.folded = folded_index(folding.groups)
        self.at = [self.folded.get(head, head) for head in self.heads]  # the box of each node
        for index, box in self.folded.items():
            self.at[index] = box
        self.edges = [(o, node.index, s) for node in graph.nodes for s, o in enumerate(node.operands) if type(o) is int]
        self.leaving: dict[int, list[tuple[int, int, int]]] = {}
        for edge in self.edges:
            self.leaving.setdefault(edge[0], []).append(edge)
        self.names = gradient_names(graph, self.leaving) if self.with_grads else {}
        self.ends = {node.index for node in graph.outputs} if graph.failure is None else set()
        self.crowded = len(set(self.at)) > CROWD
        self.copies: dict[tuple[int, int], Box] = {}
        self.rounded = rounded_gradients(graph, self.heads) if self.with_grads and values else set()
        readers = {index: {self.at[edge[1]] for edge in edges} for index, edges in self.leaving.items()}
        self.shared = {
            n.index for n in graph.nodes if n.is_leaf and not seeds and len(readers.get(n.index, ())) > SHARED
        }
        self.copied = (
            {n.index for n in graph.inputs[seeds:]} if seeds else set()
        )  # what the backward pass reads of the forward
        self.cotangents = set(range(seeds))  # in a backward graph: the seeds come first, and what is made of them
        for node in graph.nodes if seeds else ():
            if self.cotangents.intersection(node.reads):
                self.cotangents.add(node.index)

    def boxes(self) -> list[Box]:
        """Return the boxes of all nodes, without copies."""
        made = []
        for node in self.graph.nodes:
            if self.at[node.index] != node.index or node.index in self.copied:
                continue
            group = self.group_of.get(node.index)
            made.append(self.box(node) if group is None else self._group(group))
        return made

    def value(self, node: Node, role: str = "ink") -> Block:
        value = self.values[node.index]
        if value is None:
            return Block((TextLine("not run", "grey", 10),))
        row = None if node.is_leaf else TABLE[node.op]
        adds = row is not None and (row.level <= 1 or row.kind in ("reduce", "contract"))  # a product may be that small
        if adds and by_rounding(value, [self.values[operand] for operand in node.reads]):
            return Block((TextLine("0 by rounding", role, 10),), "table")
        return table(value, role)

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
        lines += [TextLine(text, "ink", 11) for text in formula_lines(right)]
        if text := self._sums(node.index):
            lines.append(TextLine(text, "grey", 10))
        if text := shape_text(node.shape, node.dtype):
            lines.append(TextLine(text, "grey", 10))
        blocks = [Block(tuple(lines))]
        ends = node.index in self.ends
        if self.with_values:
            blocks.append(self.value(node, role))
        if self.with_grads:
            blocks += self._gradient(node, ends)
        kind = "leaf" if node.is_leaf else "result" if ends else "op"
        return Box(node.index, kind, tuple(blocks), self._title(node, right), node.stage)

    def _sums(self, head: int) -> str:
        """Say over which axes the statement that ends in a node adds up, where the formula leaves that open."""
        said = []
        stack = [head]
        while stack:
            node = self.graph.nodes[stack.pop()]
            stack += [operand for operand in node.reads if self.heads[operand] == head and operand != head]
            if node.is_leaf or TABLE[node.op].kind != "reduce":
                continue
            rank, axis = len(self.graph.nodes[node.reads[0]].shape), node.attrs.get("axis")
            if rank > 1 and axis is not None:
                axes = axis if isinstance(axis, tuple) else (axis,)
                word = "Σ" if node.op == "sum" else node.op
                said.append(f"{word} over {axes_words([a % rank for a in axes])}")
        return shorten("; ".join(dict.fromkeys(reversed(said))), 36)

    def _group(self, group: Group) -> Box:
        lines = [TextLine(shorten(group.title, 28), "ink", 14, True)]
        if group.times > 1:
            lines.append(TextLine(f"× {group.times}", "ink", 12))
        lines += [TextLine(text, "ink", 11) for text in formula_lines(" ".join(group.text.split()))]
        counts = Counter(self.graph.nodes[index].op for index in group.nodes)
        lines += [TextLine(f"{count} {op}", "grey", 10) for op, count in counts.most_common(3)]
        if len(counts) > 3:
            lines.append(TextLine("…", "grey", 10))
        last = self.graph.nodes[group.nodes[-1]]
        blocks = [Block(tuple(lines))]
        if group.times == 1:
            if text := shape_text(last.shape, last.dtype):
                blocks[0] = Block((*lines, TextLine(text, "grey", 10)))
            if self.with_values:
                blocks.append(self.value(last))
        kind = "result" if self.ends.intersection(group.nodes) else "cluster"
        return Box(last.index, kind, tuple(blocks), f"{group.title}: {len(group.nodes)} nodes", last.stage)

    def _constant(self, node: Node) -> Box:
        lines = [TextLine(f"{shorten(node.name, 20)} {shape_text(node.shape, node.dtype)}".strip(), "grey", 10)]
        value = self.graph.fixed.get(node.index)
        if self.with_values and value is not None:
            lines += [TextLine(text, "grey", 10) for text in entries(value) or summary(value)]
        return Box(node.index, "constant", (Block(tuple(lines)),), self._title(node, ""))

    def _title(self, node: Node, right: str) -> str:
        text = f"{node.name} = {right}" if right else f"{node.name}, {node.op}"
        return f"{text}  [{node.source}]" if node.source else text

    def _gradient(self, node: Node, ends: bool) -> list[Block]:
        """Write on the box itself the gradient that is a sum over paths, or the seed of an output."""
        paths = [edge for edge in self.leaving.get(node.index, ()) if self._flows(edge)]
        if len(paths) < 2 and not ends and not self.crowded:
            return []
        several = f" = Σ of {len(paths)} paths" if len(paths) > 1 else ""
        found = self.graph.grads.get(node.index)
        label = f"d{shorten(node.name, 24)}{several}"
        if found is None and self.graph.has_grads:
            return [Block((TextLine(f"{label}: no gradient", "red", 10),))] if several else []
        blocks = [Block((TextLine(label, "red", 10.5),))]
        if not self.with_values or found is None:
            return blocks
        return [*blocks, gradient_table(found, node.index in self.rounded)]

    def _flows(self, edge: tuple[int, int, int]) -> bool:
        """Say whether a gradient goes back along the edge: it did, or (before backward) its rule would send one."""
        if self.graph.has_grads or not self.with_grads:
            return self.with_grads and edge in self.graph.edge_grads
        source, target, slot = edge
        row = TABLE[self.graph.nodes[target].op]
        differentiable = row.flows if row.variadic else row.vjp[slot] is not None
        return differentiable and self.graph.nodes[source].op != "constant"

    def wires(self) -> list[Wire]:
        """Return the wires between boxes; those of a folded box to one other are one."""
        between: dict[tuple[int, int], list[Wire]] = {}
        for edge in self.edges:
            if self.at[edge[0]] != self.at[edge[1]]:
                wire = self.wire(edge)
                between.setdefault((wire.source, wire.target), []).append(wire)
        made: list[Wire] = []
        for (source, target), wires in between.items():
            folded = source in self.group_of or target in self.group_of
            made += [_merged(wires)] if len(wires) > (1 if folded else PARALLEL) else wires
        return sorted(made, key=lambda wire: wire.edge[1:])

    def wire(self, edge: tuple[int, int, int]) -> Wire:
        source, target = self.graph.nodes[edge[0]], self.graph.nodes[edge[1]]
        head = self.at[target.index]
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
        flows = self._flows(edge)
        start = self.at[source.index]
        if start in self.shared:
            named = Block((TextLine(shorten(source.name, 24), "ink", 12, True),))
            start = self._copy(source, head, (named,), f"{source.name}, again").index
        if self.crowded:
            return Wire(start, head, edge, flows=flows, role=role, title=f"{source.name} → {target.name}")
        forward: tuple[Block, ...] = ()
        spread = TABLE[target.op].kind == "map" and source.shape != target.shape
        if spread and source.shape:
            forward = (Block((TextLine(f"{source.shape} → {target.shape}", "grey", 10),)),)
        backward = self._back(edge, source, target, spread) if flows else ()
        title = f"{source.name} → {target.name}" + (f", back: {self.names[edge]}" if flows else "")
        return Wire(start, head, edge, forward, backward, flows, role, title)

    def _copy(self, source: Node, head: int, blocks: tuple[Block, ...], title: str) -> Box:
        """Return a box for `source` beside its reader `head`."""
        return self.copies.setdefault((source.index, head), Box(-1 - len(self.copies), "leaf", blocks, title))

    def _back(self, edge: tuple[int, int, int], source: Node, target: Node, spread: bool) -> tuple[Block, ...]:
        found = self.graph.edge_grads.get(edge)
        blocks = [Block((TextLine(shorten(self.names[edge], 24), "red", 10),))]
        if self.with_values and found is not None:
            blocks.append(gradient_table(found, edge in self.rounded))
        row = TABLE[target.op]
        if spread:
            blocks.append(Block((TextLine(axes_text(source.shape, target.shape), "red", 10),)))
        elif row.kind == "reduce" and source.shape != target.shape:
            blocks.append(Block((TextLine(f"{target.shape} → {source.shape}", "red", 10),)))
        return tuple(blocks)

    def frames(self, boxes: list[Box], folding: Folding) -> list[Frame]:
        """Return the frames: of each iteration, and of each stage that says more than its only box does."""
        inside = {head for iteration in folding.iterations for head in iteration.heads}
        looped = inside.union(*(group.nodes for group in folding.groups if group.times > 1))
        by_index = {box.index: box for box in boxes}
        members: dict[int, list[int]] = {}
        for box in boxes:
            if box.stage is not None and box.index not in self.group_of:
                members.setdefault(box.stage, []).append(box.index)
        frames = []
        for stage, indices in sorted(members.items()):
            title = self.graph.stages[stage].title
            only = self.graph.nodes[indices[0]]
            if looped.intersection(indices) or (len(indices) == 1 and title in (only.name, only.statement)):
                continue
            frames.append(framed(stage, title, [by_index[i] for i in indices]))
        for number, iteration in enumerate(folding.iterations, len(self.graph.stages)):
            indices = [head for head in iteration.heads if head in by_index]
            if indices:
                frames.append(framed(number, iteration.title, [by_index[i] for i in indices]))
        return frames


def _broken(graph: Graph) -> Box:
    """Return the box of the expression that raised."""
    failure = graph.failure
    assert failure is not None
    source = failure.source
    said = [] if source is None else [*formula_lines(" ".join(source.text.split())), f"line {source.line}"]
    lines = [TextLine(text, "ink", 12, True) for text in said[:-1]] + [TextLine(text, "grey", 10) for text in said[-1:]]
    lines += [TextLine(text, "red", 10.5) for text in wrapped(failure.message, 40, 5)]
    return Box(len(graph.nodes), "broken", (Block(tuple(lines)),), failure.message)


def _merged(wires: Sequence[Wire]) -> Wire:
    """Return several wires between two boxes as one, which says how many gradients come back along it."""
    first, flowing = wires[0], [wire for wire in wires if wire.flows]
    names = [wire.backward[0].lines[0].text for wire in flowing if wire.backward]
    said: tuple[Block, ...] = ()
    if len(names) > 1:
        lines = TextLine(f"{names[-1]} … {names[0]}", "red", 10), TextLine(f"{len(names)} paths", "red", 10)
        said = (Block(lines),)
    title = f"{first.title}, and {len(wires) - 1} more"
    return Wire(first.source, first.target, first.edge, (), said, bool(flowing), first.role, title)


def heads_of(graph: Graph, whole: bool) -> list[int]:
    """Return for each node the node whose box it is in: itself, or the last of its statement in its iteration."""
    if whole:
        return list(range(len(graph.nodes)))
    heads = statement_heads(graph)
    rounds = iterations_of(graph)
    if not rounds:
        return heads
    reader = {operand: node.index for node in graph.nodes for operand in node.reads}
    own = [at for at, head in enumerate(heads) if head != at and rounds.get(at) != rounds.get(reader[at])]
    for index in own:
        heads[index] = index
    for node in reversed(graph.nodes):  # what was merged through one of them ends there
        if heads[node.index] != node.index:
            heads[node.index] = heads[reader[node.index]]
    return heads


def view_of(
    graph: Graph,
    *,
    direction: str,
    values: bool,
    grads: bool,
    stages: bool,
    whole: bool,
    seeds: int = 0,
    depth: int | None = None,
    loops: bool = False,
    ahead: bool = False,
) -> View:
    """Return the view of a graph of moderate size.

    Args:
        graph: a graph, run or not.
        direction: of the arrows, LR, TB, RL or BT.
        values: numbers, or shapes only.
        grads: the lines back.
        stages: frames around the stages, and around the iterations of loops.
        whole: a box for every primitive; False: one for every statement of the user's code.
        seeds: for a backward graph, how many of its inputs (the first) are cotangents of outputs.
        depth: how far inside calls of helpers and layers are drawn; 1: each call that the function makes is one box.
        loops: whether repeated iterations are one box.
        ahead: whether the lines back are drawn before `Graph.backward` too, without numbers.
    """
    heads = heads_of(graph, whole)
    folding = Folding() if seeds else folding_of(graph, heads, depth=depth, loops=loops)
    builder = _Builder(graph, values, grads, heads, seeds, folding, ahead)
    boxes = builder.boxes()
    wires = builder.wires()
    boxes += builder.copies.values()
    if graph.failure is not None:
        boxes.append(_broken(graph))
        wires += [
            Wire(builder.at[index], len(graph.nodes), (index, len(graph.nodes), slot), role="red")
            for slot, index in enumerate(graph.failure.reads)
        ]
    frames = builder.frames(boxes, folding) if stages else []
    count = f"{len(graph.nodes)} nodes" + (f", {len(graph.stages)} stages" if graph.stages else "")
    words = f"{count}, from {', '.join(n.name for n in graph.inputs)} to {', '.join(n.name for n in graph.outputs)}."
    if builder.with_grads:
        words += " Forward values in black, gradients in red."
    if seeds:  # the same way as the forward picture, seen from the other end
        direction = {"LR": "RL", "TB": "BT", "RL": "LR", "BT": "TB"}[direction]
    view = View(f"Graph of {graph.name}", words, direction, tuple(boxes), tuple(wires), tuple(frames))
    return turned(view, direction) if direction in ("TB", "BT") else view
