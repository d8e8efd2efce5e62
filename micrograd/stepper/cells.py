"""Write the formula of one cell with its numbers, and find the cells that they come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from micrograd.graph import Graph, Node
from micrograd.primitives import TABLE
from micrograd.stepper.mathml import ATOM, Piece, applied_to, bracketed, constant_element, math, name_element, stop_at
from micrograd.stepper.walk_types import MovedCells

__all__ = ["Cells", "figure", "moved_cells", "sum_of_numbers", "with_numbers"]

_TERMS = 5  # of a sum that are written out; longer ones have an ellipsis
_DEEP = 6  # operations written in one formula
_LARGE = 100_000  # cells of an operand above which a sum is not written out
_NUMBER = re.compile(r"<mn [^>]*>[^<]*</mn>")
_Term = TypeVar("_Term")


def size(shape: Sequence[int]) -> int:
    """Count the cells of a shape."""
    return int(np.prod(shape, dtype=int))


@dataclass(frozen=True, slots=True)
class Cells:
    """Hold the numbers of a graph, cell by cell.

    Attributes:
        side: ``forward`` or ``backward``, the graph.
        values: of the nodes, by index.
        sources: for a node of kind move, the flat index of the operand cell (over all operands) of each of its cells.
    """

    side: str
    values: Mapping[int, Any]
    sources: Mapping[int, list[int]]

    def number(self, node: Node, at: int) -> Piece:
        """Write one cell as a number, marked with its graph, its node and its flat index."""
        value = float(np.asarray(self.values[node.index]).flat[at])
        text = f'<mn data-of="{self.side}:{node.index}:{at}">{figure(value)}</mn>'
        return Piece(text, 2 if value < 0 else ATOM, False, value < 0)


def figure(value: float) -> str:
    """Write a number as formulas show it: four significant digits, a real minus.

    >>> figure(-0.123456), figure(3.0), figure(1e-7), figure(float("nan"))
    ('−0.1235', '3', '1e−07', 'NaN')
    """
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "−∞"
    return "0" if value == 0 else f"{float(value):.4g}".replace("-", "−")


# ---- where cells come from --------------------------------------------------------


def moved_cells(graph: Graph, node: Node) -> MovedCells | None:
    """Find where the cells of a node of kind move come from, or go to, by moving an array of indices.

    Returns:
        ``from``: for each cell the flat index among the operands' cells, one operand after the other; or ``to``: for
        each cell of the operand the cell it is added to. None for other kinds.

    >>> from micrograd.tracing import trace
    >>> graph = trace(lambda x: x.T, np.zeros((2, 3)))
    >>> moved_cells(graph, graph.nodes[1])
    {'from': [0, 3, 1, 4, 2, 5]}
    """
    if node.is_leaf or TABLE[node.op].kind != "move":
        return None
    row = TABLE[node.op]
    shapes = [graph.nodes[o].shape if isinstance(o, int) else () for o in node.operands]
    starts = np.cumsum([0, *map(size, shapes)])
    places = [np.arange(a, b).reshape(shape) for a, b, shape in zip(starts, starts[1:], shapes, strict=False)]
    if np.all(np.asarray(row.forward(*(np.ones(shape) for shape in shapes), **node.attrs)) == 1):
        return {"from": np.asarray(row.forward(*places, **node.attrs)).reshape(-1).tolist()}
    out = np.arange(size(node.shape)).reshape(node.shape)
    back = row.vjp[0]
    if back is None or len(places) != 1:
        return None
    return {"to": np.asarray(back(out, out, *places, **node.attrs)).reshape(-1).tolist()}


def _broadcast_cell(at: int, shape: tuple[int, ...], of: tuple[int, ...]) -> int:
    """Return the flat index in an operand of shape `of` that a cell of the result reads."""
    if not of:
        return 0
    place = np.unravel_index(at, shape)[len(shape) - len(of) :]
    return int(np.ravel_multi_index([0 if n == 1 else int(i) for i, n in zip(place, of, strict=True)], of))


def _reduced_cells(node: Node, of: tuple[int, ...], at: int) -> list[int]:
    """Return the flat indices of the operand that one cell of a reduction folds together."""
    axis = node.attrs.get("axis")
    axes = range(len(of)) if axis is None else [a % len(of) for a in (axis if isinstance(axis, tuple) else (axis,))]
    unit = tuple(1 if a in axes else length for a, length in enumerate(of))
    start = np.unravel_index(at, unit) if unit else ()
    window = tuple(slice(None) if a in axes else slice(int(i), int(i) + 1) for a, i in enumerate(start))
    flat: list[int] = np.arange(size(of)).reshape(of)[window].reshape(-1).tolist()
    return flat


def _multiplied_cells(left: tuple[int, ...], right: tuple[int, ...], at: int) -> list[tuple[int, int]]:
    """Return the pairs of flat indices that a matrix product multiplies for one cell of its result."""
    a, b = np.arange(size(left)).reshape(left), np.arange(size(right)).reshape(right)
    a, b = np.atleast_2d(a), b.reshape(-1, 1) if b.ndim == 1 else b
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows, columns, inner = a.shape[-2], b.shape[-1], a.shape[-1]
    batch, row, column = at // (rows * columns), at // columns % rows, at % columns
    a = np.broadcast_to(a, (*lead, rows, inner)).reshape(-1, rows, inner)[batch, row]
    b = np.broadcast_to(b, (*lead, inner, columns)).reshape(-1, inner, columns)[batch, :, column]
    return [(int(i), int(j)) for i, j in zip(a, b, strict=True)]


# ---- formulas --------------------------------------------------------


def _total(op: str, terms: Sequence[_Term], write: Callable[[_Term], Piece]) -> Piece:
    """Join terms as the row says, in a sum or a maximum; the middle of many is left out."""
    shown = list(terms) if len(terms) <= _TERMS else [*terms[: _TERMS - 2], terms[-1]]
    pieces = [write(term) for term in shown]
    if op != "sum":
        joined = [piece.text for piece in pieces]
    else:
        several = len(terms) > 1
        unclear = [several and (piece.level <= 1 or (place > 0 and piece.minus)) for place, piece in enumerate(pieces)]
        joined = [(bracketed(piece) if open_ else piece).text for piece, open_ in zip(pieces, unclear, strict=True)]
    if len(shown) < len(terms):
        joined.insert(-1, "<mo>⋯</mo>")
    if op != "sum":
        return Piece(f"<mrow><mi>{op}</mi><mo>(</mo>{'<mo>,</mo>'.join(joined)}<mo>)</mo></mrow>")
    text = "<mo>+</mo>".join(joined)
    return Piece(f"<mrow>{text}</mrow>", 1 if len(terms) > 1 else ATOM, False, bool(pieces) and pieces[0].minus)


class _CellFormula:
    """Write the formula of one cell: follow maps and moves to their operands, write reductions out."""

    def __init__(self, graph: Graph, cells: Cells, stop: Callable[[Node], bool]) -> None:
        self.graph, self.cells, self.stop = graph, cells, stop

    def piece(self, node: Node, at: int, depth: int = 0) -> Piece:
        if depth and (node.is_leaf or self.stop(node) or depth > _DEEP):
            return self.cells.number(node, at)
        kind = TABLE[node.op].kind
        if kind == "map":
            return applied_to(node, [self.operand(o, node, at, depth) for o in node.operands])
        if kind == "move" and node.index in self.cells.sources:
            return self.moved(node, at, depth)
        inner = [self.graph.nodes[operand] for operand in node.reads]
        if any(size(operand.shape) > _LARGE for operand in inner):
            return self.cells.number(node, at)
        if kind == "reduce" and inner:
            cells = _reduced_cells(node, inner[0].shape, at)
            return _total(node.op, cells, lambda cell: self.piece(inner[0], cell, depth + 1))
        if kind == "contract" and len(inner) == 2:
            pairs = _multiplied_cells(inner[0].shape, inner[1].shape, at)
            return _total("sum", pairs, lambda pair: self.product(inner, pair))
        return self.cells.number(node, at)

    def operand(self, operand: float, node: Node, at: int, depth: int) -> Piece:
        if not isinstance(operand, int):
            return Piece(*constant_element(operand), minus=operand < 0)
        inner = self.graph.nodes[operand]
        return self.piece(inner, _broadcast_cell(at, node.shape, inner.shape), depth + 1)

    def moved(self, node: Node, at: int, depth: int) -> Piece:
        flat = self.cells.sources[node.index][at]
        for operand in node.operands:
            length = size(self.graph.nodes[operand].shape) if isinstance(operand, int) else 1
            if flat >= length:
                flat -= length
            elif isinstance(operand, int):
                return self.piece(self.graph.nodes[operand], flat, depth + 1)
            else:
                return Piece(*constant_element(operand), minus=operand < 0)
        return self.cells.number(node, at)

    def product(self, factors: list[Node], pair: tuple[int, int]) -> Piece:
        first, second = (self.cells.number(node, cell) for node, cell in zip(factors, pair, strict=True))
        second = bracketed(second) if second.minus else second
        return Piece(f"<mrow>{first.text}<mo>·</mo>{second.text}</mrow>", 2, False, first.minus)


def _left(node: Node, label: str) -> str:
    """Name the first cell of a value: with as many zeros as it has axes."""
    left = name_element(label)
    index = ", ".join("0" * len(node.shape))  # in brackets: beside the number of a path, dxmu2, it is no index of it
    return f"<mrow>{left}<mtext>[{index}]</mtext></mrow>" if node.shape else left


def sum_of_numbers(cells: Cells, label: str, node: Node, terms: Sequence[Node]) -> str:
    """Write the sum over the paths with the numbers of the first cell; without terms just that number."""
    if cells.values.get(node.index) is None or 0 in node.shape:
        return ""
    value = cells.number(node, 0).text
    total = [_total("sum", terms, lambda term: cells.number(term, 0)).text, "<mo>=</mo>"] if terms else []
    return math(_left(node, label), "<mo>=</mo>", *total, value)


def with_numbers(graph: Graph, node: Node, cells: Cells, label: str | None = None, *, deep: bool = False) -> str:
    """Write a formula with the numbers of the first cell: ``xmu₀₀ = 0.1257 − 0.0662 = 0.05955``.

    Each number that is a cell of a node carries ``data-of``: its graph, the node and its flat index.

    Args:
        graph: any graph, forward or backward.
        node: whose formula.
        cells: of that graph.
        label: the name on the left where it is not the node's own.
        deep: go through the parts of the statement; False: one primitive.

    Returns:
        MathML; empty where the values are not known or the array has no cell.
    """
    if cells.values.get(node.index) is None or 0 in node.shape:
        return ""
    value, left = cells.number(node, 0).text, _left(node, label or node.name)
    if node.is_leaf:
        return math(left, "<mo>=</mo>", value)
    formula = _CellFormula(graph, cells, stop_at(deep)).piece(node, 0).text
    if _NUMBER.fullmatch(formula):  # a cell that only moves: its number once is enough
        return math(left, "<mo>=</mo>", formula)
    return math(left, "<mo>=</mo>", formula, "<mo>=</mo>", value)
