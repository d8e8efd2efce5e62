"""Edit what stands in square brackets, of sizes and of ranges: whole numbers only."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from micrograd.marker.repair.edits.base import OPERATORS, Edit, called
from micrograd.marker.repair.edits.material import Material, kin
from micrograd.marker.student.scope import index_like

__all__ = [
    "other_indices", "other_keys_and_numbers", "other_order", "other_ranges", "other_sums", "shifted", "turned_round",
]  # fmt: skip


def other_order(here: Material, node: ast.Tuple | ast.List) -> Iterator[Edit]:
    """Exchange two neighbours."""
    brackets = "[{}]" if isinstance(node, ast.List) else "({})" if here.of(node).startswith("(") else "{}"
    for order in here.exchanged(node.elts):
        yield Edit(node, brackets.format(order), "index", 1.7)


def other_indices(here: Material, node: ast.Name) -> Iterator[Edit]:
    """Offer another index, a mask made of it, its neighbours, a multiple."""
    name = node.id
    held = here.scope.names.get(name)
    for other, candidate in here.scope.names.items():
        if other == name or not index_like(candidate):
            continue
        if type(candidate) is type(held) or (held is not None and np.shape(candidate) == np.shape(held)):
            yield Edit(node, other, "index", 1.6 - (0.2 if kin(name, other) else 0.0), other)
    if isinstance(held, np.ndarray) and held.dtype.kind == "f":
        yield Edit(node, f"{name} > 0", "mask", 1.6)
    if isinstance(held, np.ndarray) and held.dtype.kind == "b":
        yield Edit(node, f"~{name}", "mask", 1.4)
    elif isinstance(held, (int, np.integer)):
        yield Edit(node, f"{name} + 1", "index", 1.9)
        yield Edit(node, f"{name} - 1", "index", 1.9)
        yield Edit(node, f"-{name}", "index", 2.0)
        for other in here.numbers:
            if other != name and isinstance(here.scope.names[other], (int, np.integer)):
                yield Edit(node, f"{name} * {other}", "index", 2.0, other)
                yield Edit(node, f"{name} + {other}", "index", 2.1, other)
                yield Edit(node, f"{name} - {other}", "index", 2.2, other)


def other_keys_and_numbers(here: Material, node: ast.Constant) -> Iterator[Edit]:
    """Offer another whole number or size; another key of the dictionaries that have this one."""
    key = node.value
    if isinstance(key, int) and not isinstance(key, bool):
        for text in dict.fromkeys(("0", "1", "2", "3", "-1", *here.counts, *here.indices)):
            if text != repr(key):
                yield Edit(node, text, "negate" if text == f"-{key}" else "index", 1.6, text)
    for value in here.scope.names.values() if isinstance(key, str) else ():
        if isinstance(value, dict) and key in value:
            for other in value:
                if isinstance(other, str) and other != key and type(value[other]) is type(value[key]):
                    yield Edit(node, repr(other), "name", 1.7, other)


def turned_round(here: Material, node: ast.UnaryOp) -> Iterator[Edit]:
    """Turn the sign."""
    yield Edit(node, here.of(node.operand), "negate", 1.4)


def other_sums(here: Material, node: ast.BinOp) -> Iterator[Edit]:
    """Offer another operator, or one operand alone."""
    symbol = OPERATORS.get(type(node.op))
    if symbol is None:
        return
    for other in ("+", "-", "*", "//"):
        if other != symbol:
            text = f"{here.operand(node.left, 2)} {other} {here.operand(node.right, 2)}"
            yield Edit(node, text, "index", 1.5, other)
    yield Edit(node, here.of(node.left), "index", 1.4)
    yield Edit(node, here.of(node.right), "index", 1.4)


def other_ranges(here: Material, node: ast.Call) -> Iterator[Edit]:
    """Begin a range at 0, or at 1."""
    if called(node.func) in ("range", "arange") and len(node.args) >= 2:
        yield Edit(node, f"{here.of(node.func)}({here.of(node.args[1])})", "index", 1.3)
    if called(node.func) == "range" and len(node.args) == 1:
        yield Edit(node, f"range(1, {here.of(node.args[0])})", "index", 2.4)


def shifted(here: Material, node: ast.Slice) -> Iterator[Edit]:
    """Move both ends of a slice by one, or by what was added to both."""
    if node.lower is None or node.upper is None:
        return
    low, high = here.of(node.lower), here.of(node.upper)
    for sign in ("+", "-"):
        yield Edit(node, f"{low} {sign} 1:{high} {sign} 1", "index", 2.2, f"{sign} 1")
    match node.lower, node.upper:
        case ast.BinOp(left=a, op=ast.Add() | ast.Sub(), right=b), ast.BinOp(left=c, op=ast.Add() | ast.Sub(), right=d):
            if type(node.lower.op) is type(node.upper.op) and here.of(b) == here.of(d):
                yield Edit(node, f"{here.of(a)}:{here.of(c)}", "index", 1.7, here.of(b))
