"""From a graph to everything that a walk shows, as plain data (JSON): values, gradients, sources, picture and steps.

Nothing is differentiated here: the order of the steps, the gradients of nodes and of edges and their names come from
the engine's own sweep, through the backward graph.
"""

from __future__ import annotations

import json
import linecache
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.drawing.svg import svg_of
from micrograd.drawing.view import view_of
from micrograd.errors import GraphError
from micrograd.graph import Graph, Node
from micrograd.graph.backward import Pairs, backward_structure
from micrograd.graph.formulas import own_name, right_hand
from micrograd.primitives import TABLE
from micrograd.source.names import Source, function_lines, operand_names
from micrograd.stepper import mathml
from micrograd.stepper.cells import Cells, moved_cells, size, sum_of_numbers, with_numbers
from micrograd.stepper.page_text import LANGUAGES, page_words, say
from micrograd.stepper.rules_js import live_operations

__all__ = ["CELLS", "LIMIT", "encoded", "walk_data"]

LIMIT = 2000
"""Nodes up to which a graph is walked."""
CELLS = 4000
"""Cells, over all values of the page, up to which they are all in it and can be changed."""
_SMALL = 64  # cells of an array that is in the page even where others are summarised
_FORMULAS = 400  # nodes up to which every step has its formula with numbers
_PATHS = 16  # into one node, up to which each step shows the sum so far, and a formula all terms
_LINES = 200  # of a function that are shown whole
_CORNER = 4
_BINS = 12


# ---- JSON --------------------------------------------------------


def encoded(data: Any) -> str:
    r"""JSON that may stand in a `script` element of HTML: no ``<``, and no numbers that JSON has not.

    >>> encoded({"a": "</script>"})
    '{"a":"\\u003c/script>"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return mathml.NOT_IN_HTML.sub(_escape, text)


def _escape(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]  # two escapes for one beyond 16 bits


def _plain(value: Any) -> float | int | str:
    """A number as JSON has it; NaN and the infinities as their JavaScript names."""
    value = float(value)
    if math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) < 1e15 and math.copysign(1, value) > 0 else value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _attribute(value: Any) -> Any:
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, float):
        return _plain(value)
    if isinstance(value, (tuple, list)) and all(isinstance(entry, int) for entry in value):
        return list(value)
    return str(value)  # an index: the cells that it moves stand beside it


def _array(value: Any, whole: bool) -> dict[str, Any]:
    """A value: all its cells, or what stands for them."""
    array = np.asarray(value)
    shape = list(array.shape)
    if whole or array.size <= _SMALL:
        return {"shape": shape, "data": [_plain(cell) for cell in array.reshape(-1).tolist()]}
    numbers = array.astype(float)
    finite = numbers[np.isfinite(numbers)]
    corner = numbers[(0,) * max(0, numbers.ndim - 2)]
    corner = np.atleast_2d(corner)[:_CORNER, :_CORNER]
    with np.errstate(all="ignore"):
        summary: dict[str, Any] = {
            "mean": _plain(numbers.mean()),
            "min": _plain(numbers.min()),
            "max": _plain(numbers.max()),
            "histogram": [int(n) for n in np.histogram(finite, _BINS)[0]] if _spread(finite) else [finite.size],
            "corner": [[_plain(cell) for cell in row] for row in corner.tolist()],
        }
    return {"shape": shape, "summary": summary}


def _spread(finite: Any) -> bool:
    """Whether a histogram of these numbers has bins: their range is finite and not too narrow for float64."""
    if not finite.size:
        return False
    low, high = float(finite.min()), float(finite.max())
    return math.isfinite(high - low) and (high - low) / _BINS > 4 * np.spacing(max(abs(low), abs(high)))


# ---- sources --------------------------------------------------------


class _Sources:
    """The author's functions that nodes come from, each once."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.blocks: list[dict[str, Any]] = []
        self.spans: dict[tuple[str, int, int], int] = {}
        self.lines: dict[tuple[str, int, int], list[int]] = {}
        for node in nodes:
            if node.source is not None and linecache.getline(node.source.file, node.source.line):
                self.lines.setdefault(self._span(node.source), []).append(node.source.line)
        for span, lines in self.lines.items():
            file, first, last = span
            if last - first >= _LINES:
                first, last = max(first, min(lines) - 2), min(last, max(lines) + 2)
            text = [linecache.getline(file, number).rstrip("\r\n") for number in range(first, last + 1)]
            name = next(n.source.function for n in nodes if n.source is not None and self._span(n.source) == span)
            self.spans[span] = len(self.blocks)
            self.blocks.append({"name": name, "file": os.path.basename(file), "first": first, "lines": text})

    @staticmethod
    def _span(source: Source) -> tuple[str, int, int]:
        return (source.file, *function_lines(source.file, source.line))

    def range(self, source: Source | None) -> dict[str, int] | None:
        if source is None or (block := self.spans.get(self._span(source))) is None:
            return None
        return {
            "block": block,
            "line": source.line,
            "column": _column(source.file, source.line, source.column),
            "endLine": source.end_line,
            "endColumn": _column(source.file, source.end_line, source.end_column),
        }


def _column(file: str, line: int, column: int) -> int:
    """A column counted as JavaScript counts, in UTF-16 units; Python counts bytes of UTF-8."""
    head = linecache.getline(file, line).encode("utf-8", "surrogatepass")[:column]
    return len(head.decode("utf-8", "replace").encode("utf-16-le", "surrogatepass")) // 2


# ---- the picture --------------------------------------------------------


_EDGE = re.compile(r'<g id="edge-(\d+-\d+-\d+)" class="edge">(.*?)</g>', re.DOTALL)
_PART = re.compile(r"<(\w+)[^>]*?(?:/>|>[^<]*</\1>)")
_BACKWARD = re.compile(r'class="red[ "-]')


def picture(graph: Graph) -> str:
    """The picture as the page wants it: no style of its own, ids as data, an edge in two parts, there and back."""
    view = view_of(graph, direction="TB", values=False, grads=True, stages=True, whole=True)
    copies = {f"copy-{-wire.source}": wire.edge[0] for wire in view.wires if wire.source < 0}
    svg = svg_of(view)
    svg = re.sub(r"<style>.*?</style>\n?", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' style="[^"]*"', "", svg, count=1)
    svg = re.sub(r'<g id="node-(copy-\d+|\d+)"', lambda m: f'<g data-node="{copies.get(m[1], m[1])}"', svg)
    return _EDGE.sub(_two_ways, svg)


def _two_ways(edge: re.Match[str]) -> str:
    name, body = edge[1], edge[2]
    sides: tuple[list[str], list[str]] = ([], [])
    for part in _PART.finditer(body):
        sides[bool(_BACKWARD.search(part[0]))].append(part[0])
    return "".join(
        f'<g class="{way}" data-edge="{name}">{"".join(parts)}</g>'
        for way, parts in zip(("forward", "backward"), sides, strict=True)
        if parts
    )


# ---- nodes --------------------------------------------------------


def _nodes(graph: Graph, sources: _Sources, whole: bool, origins: Mapping[int, int | None]) -> list[dict[str, Any]]:
    listed = []
    for node, value in zip(graph.nodes, graph.values, strict=True):
        cells = moved_cells(graph, node) if whole else None
        called = operand_names(node.source.text) if node.source is not None else ()
        made: dict[str, Any] = {
            "name": node.name,
            "op": node.op,
            "kind": node.op if node.is_leaf else TABLE[node.op].kind,
            "shape": list(node.shape),
            "dtype": node.dtype,
            "operands": [
                o if isinstance(o, int) else {"number": _plain(o), "name": called[slot] if slot < len(called) else ""}
                for slot, o in enumerate(node.operands)
            ],
            "attrs": {key: _attribute(attr) for key, attr in node.attrs.items()},
            "stage": node.stage,
            "source": sources.range(node.source),
            "statement": node.statement,
            "value": None if value is None else _array(value, whole),
            "from": origins.get(node.index),
        }
        if cells is not None:
            made["cells"] = cells
        listed.append(made)
    return listed


# ---- steps --------------------------------------------------------


def _shape_words(language: str, shape: Sequence[int]) -> str:
    return say(language, "shape", shape=_shape(shape)) if shape else say(language, "one_number")


def _shape(shape: Sequence[int]) -> str:
    return str(tuple(shape))


def folded_axes(shape: tuple[int, ...], to: tuple[int, ...]) -> list[int]:
    """Over which axes of `shape` a gradient is summed to have the shape `to` of the operand that was broadcast.

    >>> folded_axes((4, 3), (1, 3)), folded_axes((4, 3), (3,)), folded_axes((4, 3), (4, 3))
    ([0], [0], [])
    """
    lead = len(shape) - len(to)
    if lead < 0:
        return []
    return [*range(lead), *(lead + i for i, size in enumerate(to) if size == 1 and shape[lead + i] != 1)]


@dataclass(frozen=True)
class _Walker:
    """Makes the steps."""

    graph: Graph
    back: Graph | None
    pairs: Pairs
    cells: Cells
    back_cells: Cells
    heads: list[int]  # in the backward graph: a formula goes through the parts of a statement
    arrivals: Mapping[int, list[tuple[int, int, int]]]  # the edges that bring gradients to a node, in that order
    seeds: Mapping[int, int]  # of outputs: their cotangents in the backward graph
    numbers: bool
    made: bool

    def both(self, sentence: Callable[[str], str]) -> dict[str, str]:
        return {language: sentence(language) for language in LANGUAGES}

    def line(self, node: Node, language: str) -> str:
        return say(language, "say.line", line=node.source.line) if node.source else ""

    def gradient(self, index: int) -> Node:
        assert self.back is not None
        return self.back.nodes[index]

    # ---- forward ----

    def forward(self, node: Node) -> dict[str, Any]:
        spread = self.spread(node)

        def sentence(language: str) -> str:
            shape = _shape_words(language, node.shape)
            if node.is_leaf:
                return say(language, "say.leaf", head=say(language, f"head.{node.op}", name=node.name), shape=shape)
            formula = f"{node.name} = {right_hand(self.graph, node)}"
            said = say(language, "say.forward", line=self.line(node, language), formula=formula, shape=shape)
            for operand in spread:
                source = self.graph.nodes[operand]
                ends = {"source": _shape(source.shape), "result": _shape(node.shape)}
                said += say(language, "say.spread", name=source.name, **ends)
            return said

        head = f"head.{node.op}" if node.is_leaf else "head.forward"
        return {
            "phase": "forward",
            "node": node.index,
            "edge": None,
            "gradient": None,
            "paths": [],
            "stage": node.stage,
            "math": {
                "names": mathml.with_names(self.graph, node, "forward"),
                "numbers": with_numbers(self.graph, node, self.cells) if self.numbers else "",
            },
            "folded": None,
            "spread": {"shape": list(node.shape), "operands": spread} if spread else None,
            "title": self.both(lambda language: say(language, head, name=node.name)),
            "say": self.both(sentence),
        }

    def spread(self, node: Node) -> list[int]:
        """The operands that are broadcast to the node's shape."""
        if node.is_leaf or TABLE[node.op].kind != "map":
            return []
        return [o for o in dict.fromkeys(node.reads) if self.graph.nodes[o].shape != node.shape]

    # ---- backward ----

    def backward(self, node: Node) -> list[dict[str, Any]]:
        """The step of a node, where its gradient is whole, and those of its edges, where it sends it on."""
        steps = [self.whole(node)]
        for slot, operand in enumerate(node.operands):
            if isinstance(operand, int) and (operand, node.index, slot) in self.pairs.edges:
                steps.append(self.edge(node, self.graph.nodes[operand], slot))
        return steps

    def paths(self, node: Node, arrivals: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
        """What is added up for a node: one entry per edge, after the seed of an output that is also read."""
        paths: list[dict[str, Any]] = []
        seed = self.seeds.get(node.index)
        if seed is not None and self.arrivals.get(node.index):
            paths.append({"name": self.gradient(seed).name, "grad": seed, "from": None})
        for edge in arrivals:
            name, at = self.pairs.edges[edge]
            paths.append({"name": name, "grad": at, "from": edge[1]})
        return paths

    def whole(self, node: Node) -> dict[str, Any]:
        label = f"d{node.name}"
        index = self.pairs.nodes.get(node.index)
        paths = self.paths(node, self.arrivals.get(node.index, []))
        names = [str(path["name"]) for path in paths]
        sum_of = " + ".join(names if len(names) <= _PATHS else [*names[:3], "…", names[-1]])

        def sentence(language: str) -> str:
            line = self.line(node, language)
            if index is None:
                return say(language, "say.none", line=line, gradient=label)
            key = "say.sum" if len(paths) > 1 else "say.one" if paths else "say.seed"
            shape = _shape_words(language, node.shape)
            holes = {"line": line, "gradient": label, "count": len(paths), "shape": shape}
            said = say(language, key, formula=f"{label} = {sum_of}", **holes)
            return said + (say(language, "say.made") if self.made and not paths else "")

        return {
            "phase": "backward",
            "node": node.index,
            "edge": None,
            "gradient": index,
            "paths": paths,
            "stage": node.stage,
            "math": {"names": "", "numbers": ""} if index is None else self.sum_math(label, index, paths),
            "folded": None,
            "spread": None,
            "title": self.both(lambda language: say(language, "head.backward", name=node.name)),
            "say": self.both(sentence),
        }

    def sum_math(self, label: str, index: int, paths: list[dict[str, Any]]) -> dict[str, str]:
        if len(paths) > 1:
            terms = [(str(path["name"]), int(path["grad"])) for path in paths]
            names = mathml.sum_of_names(label, f"backward:{index}", [(name, f"backward:{at}") for name, at in terms])
            parts = [self.gradient(at) for _, at in terms]
            numbers = sum_of_numbers(self.back_cells, label, self.gradient(index), parts) if self.numbers else ""
            return {"names": names, "numbers": numbers}
        if not paths:
            return self.rule(label, index)
        found = self.rule(label, index, self.graph.nodes[int(paths[0]["from"])])
        return {**found, "numbers": ""}  # the step of the one edge has them

    def upstream(self, node: Node) -> dict[int, str]:
        """The gradient of `node` by that name, in formulas of what is made of it: it may go by another, as dout."""
        index = self.pairs.nodes.get(node.index)
        return {} if index is None else {index: f"d{node.name}"}

    def rule(self, label: str, index: int, upstream: Node | None = None) -> dict[str, str]:
        """The formula of a gradient; where it is the upstream gradient unchanged, just that."""
        assert self.back is not None
        node = self.gradient(index)
        same = upstream is not None and self.pairs.nodes.get(upstream.index) == index
        if same and upstream is not None:
            names = mathml.equal_names(label, f"d{upstream.name}", f"backward:{index}")
            numbers = sum_of_numbers(self.back_cells, label, node, []) if self.numbers else ""
        else:
            called = {} if upstream is None else self.upstream(upstream)
            names = mathml.with_names(self.back, node, "backward", label, deep=True, called=called)
            numbers = with_numbers(self.back, node, self.back_cells, label, deep=True) if self.numbers else ""
        return {"names": names, "numbers": numbers}

    def edge(self, node: Node, operand: Node, slot: int) -> dict[str, Any]:
        assert self.back is not None
        label, at = self.pairs.edges[operand.index, node.index, slot]
        row = TABLE[node.op]
        folded = folded_axes(node.shape, operand.shape) if row.kind == "map" else []
        spread = row.kind == "reduce" and operand.shape != node.shape
        gradient = self.gradient(at)
        upstream = self.pairs.nodes.get(node.index)
        this = (operand.index, node.index, slot)
        arrived = self.arrivals[operand.index]
        arrived = arrived[: arrived.index(this) + 1] if len(arrived) <= _PATHS else [this]
        if upstream == at:
            formula = f"{label} = d{node.name}"
        else:
            right = right_hand(self.back, gradient, self.heads, self.upstream(node))
            formula = f"{label} = {right or gradient.name}"

        def sentence(language: str) -> str:
            shape = _shape_words(language, operand.shape)
            line = self.line(node, language)
            said = say(
                language, "say.edge", line=line, target=node.name, name=operand.name, formula=formula, shape=shape
            )
            if folded:
                axes = say(language, "axis" if len(folded) == 1 else "axes", axes=", ".join(map(str, folded)))
                said += say(language, "say.folded", name=operand.name, axes=axes)
            if spread:
                ends = {"source": _shape(node.shape), "result": _shape(operand.shape)}
                said += say(language, "say.spread_back" if node.op == "sum" else "say.spread_largest", **ends)
            return said

        holes = {"gradient": label, "target": node.name, "name": operand.name}
        return {
            "phase": "backward",
            "node": node.index,
            "edge": {
                "operand": operand.index,
                "slot": slot,
                "name": label,
                "grad": at,
                "local": ""
                if upstream is None or not self.numbers
                else mathml.local_derivative(self.back, gradient, upstream, node.name, operand.name),
            },
            "gradient": upstream,
            "paths": self.paths(operand, arrived),
            "stage": node.stage,
            "math": self.rule(label, at, node),
            "folded": {"axes": folded} if folded else None,
            "spread": {"shape": list(operand.shape), "operands": [operand.index]} if spread else None,
            "title": self.both(lambda language: say(language, "head.edge", **holes)),
            "say": self.both(sentence),
        }


# ---- all of it --------------------------------------------------------


def made_up_seed(graph: Graph) -> Any:
    """A cotangent for a graph that has none: 1 for one number, else uneven numbers, since ones would hide mistakes.

    (With dout = 1 everywhere the gradient of batch normalization is 0 whatever x is.)
    """
    output = graph.outputs[0]
    value = graph.value[output.name]
    if np.size(value) == 1 and not output.shape:
        return None
    numbers = np.round(np.random.default_rng(1).standard_normal(output.shape), 2)
    return np.asarray(numbers, output.dtype)


def _own(graph: Graph, seed: Any) -> tuple[Graph, bool]:
    """The same run as a graph of our own, after `backward`: the caller's graph is left as it is."""
    own = Graph(
        graph.nodes, [n.index for n in graph.outputs], graph.stages, name=graph.name, fixed=graph.fixed,
        aliases=graph.aliases, tensors=graph._tensors,
    )  # fmt: skip
    made = seed is None and not graph.has_grads
    if seed is None and graph.has_grads:
        seed = tuple(graph.seeds.get(node.index) for node in graph.outputs)
        seed = seed if len(seed) > 1 else seed[0]
    first = graph.outputs[0]
    if made and not first.is_leaf and not TABLE[first.op].flows:
        return own, False
    own.backward(made_up_seed(graph) if made else seed)
    return own, made and bool(first.shape)


def walk_data(graph: Graph, *, lang: str = "en", title: str | None = None, seed: Any = None) -> dict[str, Any]:
    """Everything that a walk through `graph` shows; `encoded` makes text of it.

    Args:
        graph: a graph that has been run.
        lang: ``en`` or ``zh``, the language to begin with.
        title: of the page.
        seed: the cotangent to walk back from; that of the last `Graph.backward` where left out.

    Raises:
        GraphError: the graph has not been run, or has more than 2,000 nodes.
    """
    if lang not in LANGUAGES:
        raise GraphError(f'lang={lang!r} is neither "en" nor "zh".')
    if len(graph.nodes) > LIMIT:
        raise GraphError(
            f"walk shows up to {LIMIT:,} nodes, one step each; graph {graph.name} has {len(graph.nodes):,}. "
            "Trace a part of it (one layer, a shorter loop), or draw(graph), which summarises."
        )
    if any(value is None for value in graph.values):
        raise GraphError(f"graph {graph.name} has no values to walk through; call graph.run(...) first.")
    graph, made = _own(graph, seed)
    pairs = Pairs()
    back: Graph | None = None
    if graph.has_grads and any(n.op in ("input", "parameter") and n.index in graph.grads for n in graph.nodes):
        back = Graph(**backward_structure(graph, pairs))
    graphs = [graph] if back is None else [graph, back]
    total = sum(size(node.shape) for g in graphs for node in g.nodes)
    whole = total <= CELLS
    sources = _Sources([node for g in graphs for node in g.nodes])
    listed = [_nodes(g, sources, whole, origins) for g, origins in zip(graphs, ({}, pairs.origins), strict=False)]
    arrivals: dict[int, list[tuple[int, int, int]]] = {}
    for edge in pairs.edges:
        arrivals.setdefault(edge[0], []).append(edge)
    cotangents = [index for index, origin in pairs.origins.items() if origin is None]
    outputs = dict.fromkeys(n.index for n in graph.outputs if n.index in graph.seeds)
    heads = [node.index if own_name(node) else -1 for node in back.nodes] if back else []
    walker = _Walker(
        graph, back, pairs, _cells("forward", graph, listed[0]),
        Cells("backward", {}, {}) if back is None else _cells("backward", back, listed[1]),
        heads, arrivals, dict(zip(outputs, cotangents, strict=False)),
        numbers=len(graph.nodes) <= _FORMULAS, made=made,
    )  # fmt: skip
    steps = [walker.forward(node) for node in graph.nodes]
    for index in pairs.swept:
        steps += walker.backward(graph.nodes[index])
    live = whole and all(live_operations(g) for g in graphs)
    return {
        "version": 1,
        "title": title if title is not None else say(lang, "title", name=graph.name),
        "lang": lang,
        "words": page_words(),
        "sources": sources.blocks,
        "stages": [{"title": stage.title, "nodes": list(stage.nodes)} for stage in graph.stages],
        "svg": picture(graph),
        "graphs": {
            side: {"nodes": nodes, "outputs": [n.index for n in g.outputs]}
            for side, nodes, g in zip(("forward", "backward"), listed, graphs, strict=False)
        }
        | ({"backward": {"nodes": [], "outputs": []}} if back is None else {}),
        "steps": steps,
        "seedMade": made,
        "limits": {"live": live},
    }


def _cells(side: str, graph: Graph, listed: list[dict[str, Any]]) -> Cells:
    sources = {i: node["cells"]["from"] for i, node in enumerate(listed) if "from" in node.get("cells", ())}
    return Cells(side, dict(enumerate(graph.values)), sources)
