"""Name and type every field of the data of a walk; ``page/model/data.js`` names the same fields for JavaScript."""

# annotations are evaluated here, so that NotRequired is known at run time too
from typing import Any, Literal, NotRequired, TypedDict

Side = Literal["forward", "backward"]
"""One of the two graphs of a walk, and one of its two directions."""
Number = float | int | str
"""A number as JSON can hold it; NaN and the infinities are strings: ``NaN``, ``Infinity``, ``-Infinity``."""
Translated = dict[str, str]
"""One text in each language."""


class SummaryData(TypedDict):
    """Describe a large array: mean and range, how its finite numbers are spread, its first rows and columns."""

    mean: Number
    min: Number
    max: Number
    histogram: list[int]
    corner: list[list[Number]]


class ArrayData(TypedDict):
    """Hold a value: all its cells in C order (`data`), or a summary of them."""

    shape: list[int]
    data: NotRequired[list[Number]]
    summary: NotRequired[SummaryData]


class SourceRange(TypedDict):
    """Locate an expression in a block of `WalkData.sources`; columns count UTF-16 units, as JavaScript does."""

    block: int
    line: int
    column: int
    endLine: int
    endColumn: int


class SourceBlock(TypedDict):
    """Hold the lines of one of the user's functions, with the number of the first and the name of its file."""

    name: str
    file: str
    first: int
    lines: list[str]


class InlineNumber(TypedDict):
    """Hold an operand that is a plain number, with the user's name for it; empty where it has none."""

    number: Number
    name: str


MovedCells = TypedDict("MovedCells", {"from": list[int], "to": list[int]}, total=False)
"""Where the cells of a node of kind move come from, or go to; see `micrograd.stepper.cells.moved_cells`."""

NodeData = TypedDict(
    "NodeData",
    {
        "name": str,
        "op": str,
        "kind": str,
        "shape": list[int],
        "dtype": str,
        "operands": list[int | InlineNumber],
        "attrs": dict[str, Any],
        "stage": int | None,
        "source": SourceRange | None,
        "statement": str,
        "value": ArrayData | None,
        "from": int | None,
        "cells": NotRequired[MovedCells],
    },
)
"""One node. ``from``: of an input of the backward graph the forward node it is, which has its value; None for a
cotangent of an output."""


class GraphData(TypedDict):
    """Hold the nodes of one graph in topological order, and the indices of its outputs."""

    nodes: list[NodeData]
    outputs: list[int]


class StageData(TypedDict):
    """Hold the title of a stage and the indices of its nodes."""

    title: str
    nodes: list[int]


PathData = TypedDict("PathData", {"name": str, "grad": int, "from": int | None})
"""One term of the sum that a gradient is: its name, its node, and the node it comes from; None for the seed."""


class EdgeData(TypedDict):
    """Describe what flows back along an edge: to which operand and slot, its name, its node, the local derivative."""

    operand: int
    slot: int
    name: str
    grad: int
    local: str


class MathData(TypedDict):
    """Hold the formula of a step in MathML, with names and with numbers; empty where there is none."""

    names: str
    numbers: str


class FoldedData(TypedDict):
    """Hold the axes over which a gradient is summed, since its operand was broadcast along them."""

    axes: list[int]


class SpreadData(TypedDict):
    """Hold the operands that are broadcast, and the shape that they are broadcast to."""

    shape: list[int]
    operands: list[int]


class StepData(TypedDict):
    """Describe one step: forward at a node, or backward at a node or (with `edge`) along one of its edges.

    `why` names the reasons for the rule of a step back: the keys of page_text.WHY.
    """

    phase: Side
    node: int
    edge: EdgeData | None
    gradient: int | None
    paths: list[PathData]
    stage: int | None
    math: MathData
    folded: FoldedData | None
    spread: SpreadData | None
    why: list[str]
    title: Translated
    say: Translated


class LimitData(TypedDict):
    """Say what the page cannot do for this graph; `live`: whether its numbers can be changed."""

    live: bool


class FrameData(TypedDict):
    """Hold what one iteration of a training has: cells of arrays (float64, in base 64), and summaries of large ones."""

    numbers: str
    summaries: list[SummaryData]


class TrainingData(TypedDict):
    """Hold the loss of each iteration of a training, which nodes vary, and a frame for each iteration."""

    losses: list[Number]
    varies: dict[Side, list[int]]
    frames: list[FrameData]


class WalkData(TypedDict):
    """Hold everything that a walk shows."""

    version: int
    title: str
    lang: str
    words: dict[str, dict[str, str]]
    sources: list[SourceBlock]
    stages: list[StageData]
    svg: str
    graphs: dict[Side, GraphData]
    steps: list[StepData]
    seedMade: bool
    limits: LimitData
    training: NotRequired[TrainingData]
