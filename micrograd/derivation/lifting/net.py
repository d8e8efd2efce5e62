"""Hold the forward and the backward pass of one graph as expressions in index notation.

`Net` collects the nodes of both graphs under one set of names; `axes` gives them labels, `rows` their definitions in
terms of their operands. Which axis of a gradient is which is known from the value that it is the gradient of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from micrograd.derivation.kernel import Algebra, Label, Poly
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.graph.backward import Pairs, backward_structure
from micrograd.graph.formulas import own_name
from micrograd.graph.nodes import Node

__all__ = ["Net", "Onehot", "Run", "Unsupported", "Value", "both_passes"]

Dims: TypeAlias = tuple[tuple[Label, ...], ...]


class Unsupported(GraphError):  # noqa: N818 - said of the function, as the other errors of a trace are
    """An operation of the user's function that `derive` has no formula for."""


@dataclass(slots=True)
class Value:
    """One node, or one of equal constants.

    Attributes:
        name: unique in the net: the name in its graph.
        op: the operation; ``onehot`` for rows made of integer labels.
        shape: in the first run.
        dims: one tuple of labels for each axis: none for a unit axis, several for an axis that a reshape splits.
        labels: all labels, in order.
        definition: in terms of the operands, or None where the value stands for itself.
        own: the user named it.
        backward: a gradient.
        index: in its graph; -1 for none.
        dtype: in the first run.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    dims: Dims = ()
    labels: tuple[Label, ...] = ()
    definition: Poly | None = None
    own: bool = True
    backward: bool = False
    index: int = -1
    dtype: str = "float64"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the function: its graph, and the backward pass as a graph. Runs of one function differ in lengths."""

    forward: Graph
    backward: Graph
    pairs: Pairs

    def graph(self, side: str) -> Graph:
        """Return the graph of a side, ``f`` or ``b``."""
        return self.forward if side == "f" else self.backward


def both_passes(graph: Graph) -> Run:
    """Return a graph that has been run, with its backward pass."""
    pairs = Pairs()
    return Run(graph, Graph(**backward_structure(graph, pairs)), pairs)


@dataclass(frozen=True, slots=True)
class Onehot:
    """Rows made of integer labels: ``x[np.arange(N), y]`` is the sum of the row times the one-hot row.

    Attributes:
        source: the user's name of the labels.
        node: side and index of a node whose index holds them.
    """

    source: str
    node: tuple[str, int]


@dataclass(slots=True)
class Net:
    """The values of both passes.

    Attributes:
        runs: of the function, the first of them that of the user's arguments.
        algebra: knows which values are positive, masks or one-hot.
        values: by name, forward first.
        names: the name of each node, by side and index.
        arguments: of the function, by parameter.
        length: of each axis in the first run.
        lengths: of each axis in each run.
        size_name: what each length is called.
        constants: numbers by name; a name that is an identifier is the user's.
        onehots: rows made of integer labels, by name.
        outputs: gradients of the inputs.
        cotangents: gradients of the outputs, which come from outside.
        prefix: before every name, so that the values of two nets in one algebra have different names.
    """

    runs: Sequence[Run]
    arguments: Mapping[str, Any]
    algebra: Algebra = field(default_factory=Algebra)
    values: dict[str, Value] = field(default_factory=dict)
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    length: dict[int, int] = field(default_factory=dict)
    lengths: list[dict[int, int]] = field(default_factory=list)
    size_name: dict[int, str] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    onehots: dict[str, Onehot] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    cotangents: list[str] = field(default_factory=list)
    prefix: str = ""

    def __post_init__(self) -> None:
        self._collect()

    def _collect(self) -> None:
        """Name every node; a forward value that the backward graph reads is one value."""
        run, taken = self.runs[0], set[str]()
        gradients = self._gradients_of_leaves()
        for side in ("f", "b"):
            graph = run.graph(side)
            for node in graph.nodes:
                origin = run.pairs.origins.get(node.index) if side == "b" and node.op == "input" else None
                if origin is not None:
                    self.names["b", node.index] = self.names["f", origin]
                    continue
                name = self.prefix + (gradients.get(node.index, node.name) if side == "b" else node.name)
                while name in taken:
                    name += "_"
                taken.add(name)
                self.names[side, node.index] = name
                own = own_name(node) or node.is_leaf
                self.values[name] = Value(
                    name, node.op, node.shape, own=own, backward=side == "b", index=node.index, dtype=node.dtype
                )
        self._merge_constants()

    def _gradients_of_leaves(self) -> dict[int, str]:
        """Return the names of gradients of one leaf alone: dx, whatever other gradient it is besides."""
        run = self.runs[0]
        leaves: dict[int, list[str]] = {}
        for f, b in run.pairs.nodes.items():
            if run.forward.nodes[f].op in ("input", "parameter") and run.backward.nodes[b].op != "input":
                leaves.setdefault(b, []).append(f"d{run.forward.nodes[f].name}")
        return {b: names[0] for b, names in leaves.items() if len(names) == 1}

    def _merge_constants(self) -> None:
        """Make one value of constants that are equal in every run: the backward graph repeats those of the forward."""
        seen: dict[Any, str] = {}
        for name, v in list(self.values.items()):
            if v.op != "constant":
                continue
            arrays = [self.array(v, run) for run in range(len(self.runs))]
            same = seen.setdefault(tuple((a.shape, a.dtype.str, a.tobytes()) for a in arrays), name)
            if same != name:
                self.names = {at: same if n == name else n for at, n in self.names.items()}
                del self.values[name]

    def results(self) -> list[tuple[str, str]]:
        """Return the gradients of the leaves, in order: what each is called, and the value that it is."""
        run = self.runs[0]
        leaves = [f for f, node in enumerate(run.forward.nodes) if node.op in ("input", "parameter")]
        found = [(run.forward.nodes[f].name, run.pairs.nodes[f]) for f in leaves if f in run.pairs.nodes]
        return [(f"d{name}", self.names["b", b]) for name, b in found]

    # ---- what a node is ------------------------------------------------------------------------------

    def node(self, v: Value, run: int = 0) -> Node:
        """Return the node of a value."""
        return self.runs[run].graph("b" if v.backward else "f").nodes[v.index]

    def array(self, v: Value, run: int = 0) -> np.ndarray:
        """Return the numbers of a constant."""
        return np.asarray(self.runs[run].graph("b" if v.backward else "f").fixed[v.index])

    def operands(self, v: Value) -> list[str | float]:
        """Return the names of the operands; a number written inline stays one."""
        side = "b" if v.backward else "f"
        return [self.names[side, o] if isinstance(o, int) else o for o in self.node(v).operands]

    def operand(self, v: Value, slot: int = 0) -> str:
        """Return the name of an operand that is a value."""
        name = self.operands(v)[slot]
        assert isinstance(name, str)
        return name

    def axes(self, v: Value, ndim: int) -> tuple[set[int], bool]:
        """Return the axes that a reduction sums, and whether they are kept as unit axes."""
        attrs = self.node(v).attrs
        axis = attrs.get("axis")
        axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return {a % ndim for a in axes}, bool(attrs.get("keepdims"))

    def place(self, v: Value) -> str:
        """Return where in the user's file a value is computed, with the text, for a message."""
        node = self.node(v)
        if node.source is None and v.backward:
            return f"the gradient {v.name}"
        return f"{node.source}: {node.source.text}" if node.source is not None else v.name

    def unsupported(self, v: Value, what: str, instead: str) -> Unsupported:
        """Return the refusal of an operation, at the user's line."""
        return Unsupported(f"{self.place(v)}: derive has no formula for {what}; {instead}.")
