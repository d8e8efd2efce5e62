"""Make the data of a walk through training: the walk through the first iteration, and what the others change in it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.stepper.cells import size
from micrograd.stepper.page_data.build import backward_of, walk_data
from micrograd.stepper.page_data.encode import array_data, number_data
from micrograd.stepper.page_text import say
from micrograd.stepper.training.iterations import Iteration
from micrograd.stepper.walk_types import FrameData, GraphData, Side, WalkData

__all__ = ["training_walk_data"]

_WEIGHTS = 1024  # cells of a parameter, its gradient or its update that are in the page
_DEEP = 7  # operations in one formula, and itself
_BYTES = 1_400_000  # of the frames of a page
_CELL = re.compile(r'data-of="(\w+):(\d+):')


def training_walk_data(made: Sequence[Iteration], *, lang: str = "en", title: str | None = None) -> WalkData:
    """Return the data of a walk through training: that of the first iteration, and a frame for each iteration.

    Large arrays are summarised, but for parameters, their gradients and their new values.

    Raises:
        GraphError: too many numbers for one page.
    """
    first = made[0].graph
    ends = {node.index for node in first.outputs[1:]}
    weights = {index for index in _weights(first) | ends if size(first.nodes[index].shape) <= _WEIGHTS}
    title = title if title is not None else say(lang, "title.training", name=first.name, count=len(made))
    data = walk_data(first, lang=lang, title=title, weights=weights, later=_later(first))
    graphs = [(one.graph, backward_of(one.graph)) for one in made]
    listed = data["graphs"]
    values: dict[Side, list[list[Any]]] = {
        "forward": [[*forward.values] for forward, _ in graphs],
        "backward": [[] if back is None else [*back.values] for _, back in graphs],
    }
    varies: dict[Side, list[int]] = {side: _varying(values[side], listed[side]) for side in values}
    frames = [_frame(values, varies, listed, number) for number in range(len(made))]
    count = sum(len(frame["numbers"]) + 320 * len(frame["summaries"]) for frame in frames)
    if count > _BYTES:
        raise GraphError(
            f"{first.name}: {len(made)} iterations are {count:,} bytes, more than one page should hold ({_BYTES:,}); "
            f"show {max(1, len(made) * _BYTES // count)} steps, or a smaller network."
        )
    moving = {"forward": _moving([graph for graph, _ in graphs]), "backward": _moving([back for _, back in graphs])}
    for side, indices in moving.items():
        for index in indices:  # other cells in every iteration: the page knows those of none
            listed[side]["nodes"][index].pop("cells", None)  # type: ignore[index]
            listed[side]["nodes"][index]["attrs"] = {}  # type: ignore[index]
    for step in data["steps"]:  # a formula is filled anew for every iteration, which summaries do not allow
        named = {(match[1], int(match[2])) for match in _CELL.finditer(step["math"]["numbers"])}
        side = step["phase"]
        made_by = step["node"] if side == "forward" else step["edge"]["grad"] if step["edge"] else step["gradient"]
        reach = _operands(first if side == "forward" else graphs[0][1], made_by)
        if reach & moving[side] or any(_summarised(listed, of, index) for of, index in named):
            step["math"]["numbers"] = ""
    data["training"] = {"losses": [number_data(one.loss) for one in made], "varies": varies, "frames": frames}
    data["limits"] = {"live": False}
    return data


def _moving(graphs: Sequence[Graph | None]) -> set[int]:
    """Return the nodes that pick other entries in other iterations, as the labels of a batch do."""
    first, *others = [[] if graph is None else [_comparable(node.attrs) for node in graph.nodes] for graph in graphs]
    return {at for at, attrs in enumerate(first) if any(other[at] != attrs for other in others)}


def _comparable(value: Any) -> Any:
    """Return attributes as something that can be compared: arrays by their bytes."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, Mapping):
        return [(key, _comparable(entry)) for key, entry in value.items()]
    return [*map(_comparable, value)] if isinstance(value, (tuple, list)) else repr(value)


def _operands(graph: Graph | None, index: int | None) -> set[int]:
    """Return a node and the operations below it that its formula may go through."""
    reached = set[int]()
    layer = [] if graph is None or index is None else [index]
    for _ in range(_DEEP):
        reached.update(layer)
        layer = [operand for at in layer for operand in graph.nodes[at].reads]  # type: ignore[union-attr]
    return reached


def _weights(graph: Graph) -> set[int]:
    """Return the parameters that are updated, and every node of their updates."""
    later = _later(graph)
    read = {operand for index in later for operand in graph.nodes[index].reads}
    return later | {index for index in read if graph.nodes[index].is_leaf}


def _later(graph: Graph) -> set[int]:
    """Return the nodes that the loss does not need: hand-written gradients, and the updates."""
    needed = {graph.outputs[0].index}
    for node in reversed(graph.nodes):
        if node.index in needed:
            needed.update(node.reads)
    return {node.index for node in graph.nodes} - needed


def _summarised(listed: dict[Side, GraphData], side: Any, index: int) -> bool:
    node = listed[side]["nodes"][index]
    if node["from"] is not None:
        return _summarised(listed, "forward", node["from"])
    return node["value"] is None or "data" not in node["value"]


def _varying(values: Sequence[Sequence[Any]], listed: GraphData) -> list[int]:
    """Return the nodes whose values are not the same in every iteration, without those that stand in another graph."""
    first = values[0]
    return [
        index
        for index, node in enumerate(listed["nodes"])
        if node["from"] is None
        and any(not np.array_equal(first[index], other[index], equal_nan=False) for other in values[1:])
    ]


def _frame(
    values: dict[Side, list[list[Any]]], varies: dict[Side, list[int]], listed: dict[Side, GraphData], number: int
) -> FrameData:
    """Return what one iteration has: the cells of arrays, as float64 in base 64, and summaries of the large ones."""
    cells: list[Any] = []
    frame: FrameData = {"numbers": "", "summaries": []}
    for side, indices in varies.items():
        for index in indices:
            value, shown = values[side][number][index], listed[side]["nodes"][index]["value"]
            if shown is not None and "data" in shown:
                cells.append(np.asarray(value, "<f8").reshape(-1))
            else:
                frame["summaries"].append(array_data(value, False)["summary"])
    numbers = np.concatenate(cells) if cells else np.zeros(0, "<f8")
    frame["numbers"] = base64.b64encode(numbers.tobytes()).decode()
    return frame
