"""Show what a compiled function runs as a `Graph`: the operations after the rewrites, with its kernels as stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd.compiler.codegen.lower import Native
from micrograd.graph import Graph, Node, Stage
from micrograd.program.program import Equation, Index
from micrograd.source.names import unique

if TYPE_CHECKING:
    from micrograd.compiler.backends.native import Entry

__all__ = ["kernels_graph"]


def kernels_graph(entry: Entry) -> Graph:
    """Return the graph of one signature. A value that several kernels compute again stands in the first of them."""
    program = entry.lowered.program
    titles, kernel_of = _stages(entry)
    taken: dict[str, int] = {}
    nodes: list[Node] = []
    fixed: dict[int, Any] = {}
    place: dict[int, int] = {}

    def put(value: int, op: str, label: str, **more: Any) -> int:
        made = program.values[value]
        place[value] = index = len(nodes)
        name = unique(made.name or label, taken)
        nodes.append(Node(index, name, op, made.shape, made.dtype, statement=name, **more))
        return index

    for feed in program.feeds:
        if feed.kind == "argument":
            put(feed.value, "input", f"argument{feed.position}")
        else:
            value = feed.array if feed.get is None else np.asarray(feed.get())
            fixed[put(feed.value, "constant" if feed.kind == "constant" else "parameter", feed.kind)] = value
    members: dict[int, list[int]] = {}
    for equation in program.equations:
        stage = kernel_of.get(equation.out)
        index = put(
            equation.out, equation.op, equation.op, stage=stage, attrs=_plain(equation, nodes, place),
            operands=tuple(place[o] if isinstance(o, int) else float(o) for o in equation.operands),
        )  # fmt: skip
        if stage is not None:
            members.setdefault(stage, []).append(index)
    stages = [Stage(title, tuple(members.get(number, ()))) for number, title in enumerate(titles)]
    return Graph(nodes, [place[v] for v in program.outputs], stages, name=program.name, fixed=fixed)


def _stages(entry: Entry) -> tuple[list[str], dict[int, int]]:
    """Return a title for each kernel, and the kernel in which each value is computed first."""
    titles: list[str] = []
    kernel_of: dict[int, int] = {}
    for step in entry.lowered.steps:
        if not isinstance(step, Native):
            continue
        for number, values in enumerate(step.segment.made):
            passes = max(sum(p.kernel == number for p in step.segment.loops), 1)
            size = " x ".join(map(str, step.segment.spaces[number])) or "one number"
            titles.append(f"kernel {len(titles) + 1}: {passes} pass{'es' if passes > 1 else ''} over {size}")
            for value in values:
                kernel_of.setdefault(value, len(titles) - 1)
    readers: dict[int, list[int]] = {}
    for equation in entry.lowered.program.equations:
        for value in equation.reads:
            readers.setdefault(value, []).append(equation.out)
    for equation in reversed(entry.lowered.program.equations):  # a view stands where it is read
        stage = [kernel_of[v] for v in readers.get(equation.out, ()) if v in kernel_of]
        if stage and equation.out not in kernel_of and equation.op in ("reshape", "broadcast", "transpose", "gather"):
            kernel_of[equation.out] = stage[0]
    return titles, kernel_of


def _plain(equation: Equation, nodes: list[Node], place: dict[int, int]) -> dict[str, Any]:
    """Return the attributes, with the names of integer arguments where they are an index."""
    attrs = dict(equation.attrs)
    if "index" in attrs:
        index = attrs["index"]
        items = index if isinstance(index, tuple) else (index,)
        attrs["index"] = tuple(nodes[place[i.value]].name if isinstance(i, Index) else i for i in items)
    return attrs
