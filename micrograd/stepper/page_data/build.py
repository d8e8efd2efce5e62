"""Build the data of a walk from a graph that has run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from micrograd.errors import GraphError, MissingExtraError
from micrograd.graph import Graph
from micrograd.graph.backward import Pairs, backward_structure
from micrograd.graph.formulas import own_name
from micrograd.primitives import TABLE
from micrograd.source.names import operand_names
from micrograd.stepper.cells import Cells, moved_cells, size
from micrograd.stepper.page_data.encode import array_data, attribute_data, number_data
from micrograd.stepper.page_data.page_svg import page_svg
from micrograd.stepper.page_data.source_blocks import SourceBlocks
from micrograd.stepper.page_data.steps import EdgeKey, StepMaker
from micrograd.stepper.page_text import LANGUAGES, page_words, say
from micrograd.stepper.rules_js import live_operations
from micrograd.stepper.walk_types import GraphData, InlineNumber, NodeData, Side, StepData, WalkData

__all__ = ["CELLS", "LIMIT", "backward_of", "made_up_seed", "walk_data"]

LIMIT = 2000
"""Nodes up to which a graph is walked."""
CELLS = 4000
"""Cells, over all values of the page, up to which they are all in it and can be changed."""
_FORMULAS = 400  # nodes up to which every step has its formula with numbers


def walk_data(
    graph: Graph,
    *,
    lang: str = "en",
    title: str | None = None,
    seed: Any = None,
    weights: Collection[int] = (),
    later: Collection[int] = (),
) -> WalkData:
    """Return everything that a walk through `graph` shows; `encoded` writes it as text.

    Args:
        graph: a graph that has been run.
        lang: ``en`` or ``zh``, the language to begin with.
        title: of the page.
        seed: the cotangent to walk back from; that of the last `Graph.backward` where left out.
        weights: nodes whose cells, and those of their gradients, are in the page however large the whole graph is.
        later: nodes whose steps come after those of the backward pass, as the update of a parameter does.

    Raises:
        GraphError: the graph has not been run, or has more than 2,000 nodes; an unknown language.

    >>> from micrograd.tracing import trace
    >>> data = walk_data(trace(lambda x: x * x, np.array([3.0])))
    >>> [step["title"]["en"] for step in data["steps"][:2]]
    ['Input x', 'Compute out']
    """
    if lang not in LANGUAGES:
        raise GraphError(f'lang is {lang!r}; expected "en" or "zh".')
    if len(graph.nodes) > LIMIT:
        raise GraphError(
            f"walk shows up to {LIMIT:,} nodes, one step each; graph {graph.name} has {len(graph.nodes):,}. "
            "Trace a part of it (one layer, a shorter loop), or use draw(graph), which summarises."
        )
    if any(value is None for value in graph.values):
        raise GraphError(f"graph {graph.name} has no values to walk through; call graph.run(...) first.")
    graph, made = _with_gradients(graph, seed)
    pairs = Pairs()
    back = backward_of(graph, pairs)
    graphs = [graph] if back is None else [graph, back]
    whole = sum(size(node.shape) for g in graphs for node in g.nodes) <= CELLS
    sources = SourceBlocks([node for g in graphs for node in g.nodes])
    listed: dict[Side, GraphData] = {
        "forward": _graph_data(graph, sources, whole, {}, weights),
        "backward": {"nodes": [], "outputs": []}
        if back is None
        else _graph_data(
            back, sources, whole, pairs.origins, [pairs.nodes[index] for index in weights if index in pairs.nodes]
        ),
    }
    return {
        "version": 1,
        "title": title if title is not None else say(lang, "title", name=graph.name),
        "lang": lang,
        "words": page_words(),
        "sources": sources.blocks,
        "stages": [{"title": stage.title, "nodes": list(stage.nodes)} for stage in graph.stages],
        "svg": _picture(graph),
        "graphs": listed,
        "steps": _steps(graph, back, pairs, listed, made, later),
        "seedMade": made,
        "limits": {"live": whole and all(live_operations(g) for g in graphs)},
    }


def _picture(graph: Graph) -> str:
    """Return the picture of the page; empty where there is no layout engine, and the walk is text."""
    try:
        return page_svg(graph)
    except MissingExtraError:
        return ""


def backward_of(graph: Graph, pairs: Pairs | None = None) -> Graph | None:
    """Return the backward pass as a graph; None where no gradient reaches an input."""
    if graph.has_grads and any(n.op in ("input", "parameter") and n.index in graph.grads for n in graph.nodes):
        return Graph(**backward_structure(graph, pairs))
    return None


def made_up_seed(graph: Graph) -> Any:
    """Return a cotangent for a graph that has none: None (so 1) for one number, else uneven numbers.

    Ones would hide mistakes: with dout = 1 everywhere the gradient of batch normalization is 0 whatever x is.
    """
    output = graph.outputs[0]
    value = graph.value[output.name]
    if np.size(value) == 1 and not output.shape:
        return None
    numbers = np.round(np.random.default_rng(1).standard_normal(output.shape), 2)
    return np.asarray(numbers, output.dtype)


def _with_gradients(graph: Graph, seed: Any) -> tuple[Graph, bool]:
    """Return a copy of the graph after `backward`, and whether the seed was made up; the given graph is unchanged."""
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


def _operand_data(operand: float, slot: int, called: list[str]) -> int | InlineNumber:
    if isinstance(operand, int):
        return operand
    return {"number": number_data(operand), "name": called[slot] if slot < len(called) else ""}


def _graph_data(
    graph: Graph, sources: SourceBlocks, whole: bool, origins: Mapping[int, int | None], weights: Collection[int]
) -> GraphData:
    nodes: list[NodeData] = []
    for node, value in zip(graph.nodes, graph.values, strict=True):
        called = operand_names(node.source.text) if node.source is not None else ()
        origin = origins.get(node.index)  # of a forward value, which the page carries once
        data: NodeData = {
            "name": node.name,
            "op": node.op,
            "kind": node.op if node.is_leaf else TABLE[node.op].kind,
            "shape": list(node.shape),
            "dtype": node.dtype,
            "operands": [_operand_data(o, slot, list(called)) for slot, o in enumerate(node.operands)],
            "attrs": {key: attribute_data(attr) for key, attr in node.attrs.items()},
            "stage": node.stage,
            "source": sources.range(node.source),
            "statement": node.statement,
            "value": None if value is None or origin is not None else array_data(value, whole or node.index in weights),
            "from": origin,
        }
        if whole and (cells := moved_cells(graph, node)) is not None:
            data["cells"] = cells
        nodes.append(data)
    return {"nodes": nodes, "outputs": [n.index for n in graph.outputs]}


def _steps(
    graph: Graph, back: Graph | None, pairs: Pairs, listed: dict[Side, GraphData], made: bool, later: Collection[int]
) -> list[StepData]:
    arrivals: dict[int, list[EdgeKey]] = {}
    for edge in pairs.edges:
        arrivals.setdefault(edge[0], []).append(edge)
    cotangents = [index for index, origin in pairs.origins.items() if origin is None]
    outputs = dict.fromkeys(n.index for n in graph.outputs if n.index in graph.seeds)
    maker = StepMaker(
        graph=graph,
        back=back,
        pairs=pairs,
        cells=_cells("forward", graph, listed),
        back_cells=_cells("backward", back, listed),
        heads=[node.index if own_name(node) else -1 for node in back.nodes] if back else [],
        arrivals=arrivals,
        seeds=dict(zip(outputs, cotangents, strict=False)),
        numbers=len(graph.nodes) <= _FORMULAS,
        made=made,
    )
    steps = [maker.forward(node) for node in graph.nodes if node.index not in later]
    for index in pairs.swept:
        steps += maker.backward(graph.nodes[index])
    return steps + [maker.forward(node) for node in graph.nodes if node.index in later]


def _cells(side: Side, graph: Graph | None, listed: dict[Side, GraphData]) -> Cells:
    sources = {
        i: node["cells"]["from"] for i, node in enumerate(listed[side]["nodes"]) if "from" in node.get("cells", ())
    }
    return Cells(side, {} if graph is None else dict(enumerate(graph.values)), sources)
