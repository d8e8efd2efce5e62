"""Print nodes of a graph as NumPy source, one after the other; and a whole graph as a function.

Several graphs that differ in nothing but numbers are printed at once, so that numbers can be distinguished from what
follows the sizes of the inputs (`micrograd.export.numpy_source.symbols`).
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.export.numpy_source.available import Holdings
from micrograd.export.numpy_source.spelling import ATOM, Expr, atom, spelled
from micrograd.export.numpy_source.symbols import Symbols
from micrograd.graph import Graph, Node
from micrograd.graph.formulas import own_name
from micrograd.primitives import TABLE

__all__ = ["LONG", "Names", "Printer", "identifier", "only_unit_axes", "program", "scattered"]

LONG = 88
"""Characters after which a part of an expression gets a line of its own."""


# ---- names --------------------------------------------------------


class Names:
    """Python identifiers for the names of nodes, none given twice."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self.taken = {*taken, "np"}

    def fresh(self, wanted: str) -> str:
        """Return `wanted` as an identifier, with a line below where it is taken."""
        name = identifier(wanted)
        while name in self.taken or keyword.iskeyword(name):
            name += "_"
        self.taken.add(name)
        return name


def identifier(name: str) -> str:
    """Return a node's name as an identifier: ``x'``, the second value of x, is ``x_2``.

    >>> identifier("x'"), identifier("x'4"), identifier("params.W1")
    ('x_2', 'x_5', 'params_W1')
    """
    match = re.fullmatch(r"(.*?)('+)(\d*)", name)
    if match:
        name = f"{match[1]}_{int(match[3] or len(match[2])) + 1}"
    return re.sub(r"\W", "_", name)


# ---- one expression after the other --------------------------------------------------------


class Printer:
    """Print nodes of graphs that are the same but for their numbers."""

    def __init__(self, graphs: Sequence[Graph], symbols: Symbols, holdings: Holdings) -> None:
        self.graphs, self.symbols, self.holdings = graphs, symbols, holdings
        self.done: dict[int, Expr] = {}
        self.readers = Counter(operand for node in graphs[0].nodes for operand in node.reads)

    def needed(self, root: int) -> list[int]:
        """Return the nodes that must be printed before `root` can be, in order."""
        found, stack = set[int](), [root]
        while stack:
            index = stack.pop()
            if index not in found and index not in self.done:
                found.add(index)
                stack.extend(self.graphs[0].nodes[index].reads)
        return sorted(found)

    def expression(self, index: int, *, bare: bool = False) -> Expr:
        """Return one node in terms of those that are printed already.

        Args:
            index: of the node.
            bare: it is printed inside another expression, so that a copy may be left to NumPy's broadcasting.
        """
        node = self.graphs[0].nodes[index]
        if bare and node.op == "broadcast" and self.spreads_itself(node):
            return self.done[node.reads[0]]
        if node.op == "constant":
            return self.array([graph.fixed[index] for graph in self.graphs], node.name)
        if node.op == "scatter":
            return _without(self.done[node.reads[0]], _unit_axes(self.operand_shape(node), node.shape) or "")
        operands = []
        for slot, operand in enumerate(node.operands):
            if isinstance(operand, int):
                operands.append(self.done[operand])
            else:
                values = [graph.nodes[index].operands[slot] for graph in self.graphs]
                operands.append(self.symbols.number(values))
        return spelled(node.op, operands, self.attributes(node))

    def spreads_itself(self, node: Node) -> bool:
        """Return whether whoever reads a copy has another operand of its shape, so that NumPy makes the copy."""
        nodes = self.graphs[0].nodes
        readers = [reader for reader in nodes if node.index in reader.reads]
        return bool(readers) and all(
            TABLE[reader.op].kind == "map"
            and any(nodes[o].shape == node.shape and nodes[o].op != "broadcast" for o in reader.reads)
            for reader in readers
        )

    def attributes(self, node: Node) -> dict[str, str]:
        """Return the keywords of a node as source text."""
        texts: dict[str, str] = {}
        if node.op == "reshape" and (unit := _unit_axes(self.operand_shape(node), node.shape)) is not None:
            readers = [reader.op for reader in self.graphs[0].nodes if node.index in reader.reads]
            if node.shape and not self.operand_shape(node) and {*readers} != {"broadcast"}:
                return {"index": "np.reshape", "shape": repr(node.shape)}
            return {"index": unit}
        for key in node.attrs:
            values = [graph.nodes[node.index].attrs[key] for graph in self.graphs]
            match key:
                case "shape":
                    texts[key] = self.symbols.shape(values)
                case "index":
                    texts[key] = self.index(values)
                case "exponent":
                    texts[key] = str(self.symbols.number(values))
                case "tie":
                    continue
                case _:
                    texts[key] = repr(values[0])
        return texts

    def operand_shape(self, node: Node) -> tuple[int, ...]:
        """Return the shape of what a node with one operand reads."""
        return self.graphs[0].nodes[node.reads[0]].shape if node.reads else ()

    def index(self, values: Sequence[Any]) -> str:
        """Return an index as source text."""
        first = values[0]
        if isinstance(first, tuple):
            parts = [self.index([value[place] for value in values]) for place in range(len(first))]
            return ", ".join(parts) + ("," if len(parts) == 1 else "")
        if isinstance(first, slice):
            ends = [[getattr(v, end) for v in values] for end in ("start", "stop", "step")]
            texts = ["" if end[0] is None else self.symbols.whole(end) for end in ends]
            return ":".join(texts if texts[2] else texts[:2])
        if isinstance(first, np.ndarray):
            return str(self.array(values, "an index"))
        if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
            return self.symbols.whole(values)
        return "..." if first is Ellipsis else repr(first)

    def array(self, values: Sequence[Any], label: str) -> Expr:
        """Return an array that was not computed from the inputs: what holds it, or how it is made.

        Raises:
            GraphError: nothing does.
        """
        values = [np.asarray(value) for value in values]
        for name, held in self.holdings.arrays.items():
            if all(v.shape == h.shape and np.array_equal(v, h) for v, h in zip(values, held, strict=True)):
                kinds = {values[0].dtype.kind, held[0].dtype.kind}
                return atom(name) if len(kinds) == 1 or "b" not in kinds else atom(f"{name}.astype(float)")
        if all(v.ndim == 1 and v.dtype.kind in "iu" and np.array_equal(v, np.arange(len(v))) for v in values):
            return atom(f"np.arange({self.symbols.whole([len(v) for v in values])})")
        if all(v.size and np.all(v == v.flat[0]) for v in values):
            number = self.symbols.number([float(v.flat[0]) for v in values])
            if not values[0].ndim:
                return number
            return atom(f"np.full({self.symbols.shape([v.shape for v in values])}, {number})")
        if len(values) == 1 or all(np.array_equal(values[0], v) for v in values[1:]):
            kind = "" if values[0].dtype.kind in "fib" and values[0].size else f", dtype={values[0].dtype.name!r}"
            return atom(f"np.array({values[0].tolist()}{kind})")
        raise GraphError(f"{label} is made inside the forward and is not in its cache: put it there.")


def _unit_axes(old: tuple[int, ...], new: tuple[int, ...]) -> str | None:
    """Return the index that turns one shape into the other where only axes of length 1 differ; None where more does."""
    if old == new or (not old and all(length == 1 for length in new)):
        return ""
    items: list[str] = []
    at = 0
    if len(new) > len(old):
        for length in new:
            if at < len(old) and length == old[at]:
                items.append(":")
                at += 1
            elif length == 1:
                items.append("None")
            else:
                return None
        return ", ".join(items) if at == len(old) else None
    for length in old:
        if at < len(new) and length == new[at]:
            items.append(":")
            at += 1
        elif length == 1:
            items.append("0")
        else:
            return None
    return ", ".join(items) if at == len(new) else None


def only_unit_axes(node: Node) -> bool:
    """Return whether what is scattered only loses axes of length 1: the way back of ``gamma[:, None]``."""
    index = node.attrs["index"]
    items = index if isinstance(index, tuple) else (index,)
    return all(item is None or (isinstance(item, slice) and item == slice(None)) for item in items)


def _without(operand: Expr, index: str) -> Expr:
    """Write `operand` without axes of length 1; of a sum that kept its axis the one that does not."""
    text, places = operand.within(ATOM), index.split(", ")
    kept = re.fullmatch(r"(np\.sum\(.*), axis=(\d+), keepdims=True\)", text)
    if kept and [place for place, item in enumerate(places) if item == "0"] == [int(kept[2])]:
        return atom(f"{kept[1]}, axis={kept[2]})")
    return atom(f"{text}[{index}]") if index else operand


def scattered(printer: Printer, node: Node, name: str, operand: Expr) -> str:
    """Write two statements: zeros, and what is added at an index."""
    texts = printer.attributes(node)
    index = node.attrs["index"]
    counts = np.zeros(node.shape, int)
    np.add.at(counts, index, 1)
    first = f"{name} = np.zeros({texts['shape']})"
    if counts.max(initial=0) <= 1:
        return f"{first}\n{name}[{texts['index']}] = {operand}"
    tuple_ = f"({texts['index']})" if isinstance(index, tuple) else texts["index"]
    if ":" in texts["index"]:
        tuple_ = f"np.s_[{texts['index']}]"
    return f"{first}\nnp.add.at({name}, {tuple_}, {operand})"


def program(graph: Graph, name: str = "f") -> str:
    """Return a graph as a function of its inputs, with the numbers of its own run.

    Args:
        graph: any graph, forward or backward.
        name: of the function.

    >>> from micrograd.tracing import trace
    >>> def scaled(x, w):
    ...     y = x * w
    ...     return np.sum(y / 4.0)
    >>> print(program(trace(scaled, np.ones(4), np.ones(4)), "scaled"))
    def scaled(x, w):
        y = x * w
        out = np.sum(0.25 * y)
        return out
    """
    printer = Printer([graph], Symbols(1), Holdings())
    names = Names()
    lines = []
    for node in graph.nodes:
        if node.op in ("input", "parameter"):
            printer.done[node.index] = atom(names.fresh(node.name))
            if node.op == "parameter":
                value = printer.array([graph.fixed[node.index]], node.name)
                lines.append(f"    {printer.done[node.index]} = {value}")
    ends = {node.index for node in graph.outputs}
    for node in graph.nodes:
        if node.index not in printer.done:
            lines += [f"    {text}" for text in _stepped(printer, node, names, node.index in ends)]
    parameters = ", ".join(str(printer.done[node.index]) for node in graph.inputs)
    results = ", ".join(str(printer.done[node.index]) for node in graph.outputs)
    return "\n".join([f"def {name}({parameters}):", *lines, f"    return {results}"])


def _stepped(printer: Printer, node: Node, names: Names, always: bool = False) -> list[str]:
    """Print one node: into the expressions that read it, or as a line where it has a name or many readers."""
    if node.op == "scatter" and not only_unit_axes(node):
        name = names.fresh(node.name)
        text = scattered(printer, node, name, printer.done[node.reads[0]])
        printer.done[node.index] = atom(name)
        return text.split("\n")
    expression = printer.expression(node.index)
    printer.done[node.index] = expression
    plain = own_name(node) and not node.is_leaf
    if not (always or plain or printer.readers[node.index] > 1 or len(str(expression)) > LONG):
        return []
    name = names.fresh(node.name)
    printer.done[node.index] = atom(name)
    return [f"{name} = {expression}"]
