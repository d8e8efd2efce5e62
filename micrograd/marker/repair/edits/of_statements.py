"""Edit a statement without exchanging an expression: another assignment, another order of results."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from micrograd.marker.repair.edits.base import OPERATORS, Change, level_of
from micrograd.marker.student.spans import Text

__all__ = ["changes_of"]


def changes_of(node: ast.stmt, text: Text) -> list[Change]:
    """Return the edits of a statement that exchange no expression."""
    return [change for types, make in _TABLE if isinstance(node, types) for change in make(node, text)]


def _other_assignments(node: ast.AugAssign, text: Text) -> Iterator[Change]:
    """Offer another operator for ``+=``, or none; the same written out."""
    symbol = OPERATORS.get(type(node.op), "")
    after, before = text.range(node.target)[1], text.range(node.value)[0]
    at = text.source.find(f"{symbol}=", after, before)
    if at < 0:
        return
    far = 1.3 if symbol in ("+", "-") else 1.0
    for other, cost in (("+=", 1.0), ("-=", 1.0), ("*=", far), ("/=", far), ("=", 1.0)):
        if other != f"{symbol}=":
            turned = {symbol, other[0]} == {"+", "-"}
            tag = "assign" if other == "=" else "aug_sign" if turned else "operator"
            yield Change(at, at + len(symbol) + 1, other, tag, cost, other)
    name, operand = text.of(node.target), text.of(node.value)
    operand = f"({operand})" if level_of(node.value) < 5 else operand
    yield Change(*text.range(node), f"{name} = {name} {symbol} {operand}", "in_place", 1.6, name)


def _accumulated(node: ast.Assign, text: Text) -> Iterator[Change]:
    """Offer ``+=`` for ``=``."""
    target = node.targets[0]
    if len(node.targets) > 1 or isinstance(target, (ast.Tuple, ast.List)):
        return
    at = text.source.find("=", text.range(target)[1], text.range(node.value)[0])
    for other, cost in (("+=", 1.3), ("-=", 1.9), ("/=", 2.0), ("*=", 2.0)) if at >= 0 else ():
        yield Change(at, at + 1, other, "accumulate", cost, other)


def _other_order(node: ast.Assign | ast.Return, text: Text) -> Iterator[Change]:
    """Exchange two of several values, or of several names."""
    match node:
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 6:
            yield from _swaps(elts, text, "unpack", 1.2)
        case ast.Assign(targets=[ast.Tuple(elts=elts)]) if 2 <= len(elts) <= 12:
            yield from _swaps(elts, text, "unpack", 1.5)
        case ast.Return(value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 7:
            yield from _swaps(elts, text, "returns", 1.0)


def _swaps(elements: list[ast.expr], text: Text, tag: str, cost: float) -> Iterator[Change]:
    """Exchange two elements of a tuple."""
    ranges = [text.range(element) for element in elements]
    start, end = ranges[0][0], ranges[-1][1]
    for i in range(len(elements)):
        for j in range(i + 1, len(elements)):
            order = list(range(len(elements)))
            order[i], order[j] = j, i
            new = ""
            for place, taken in enumerate(order):
                gap = text.source[ranges[place - 1][1] : ranges[place][0]] if place else ""
                new += gap + text.source[slice(*ranges[taken])]
            yield Change(start, end, new, tag, cost)


_TABLE: tuple[tuple[Any, Callable[[Any, Text], Iterator[Change]]], ...] = (
    (ast.AugAssign, _other_assignments),
    (ast.Assign, _accumulated),
    ((ast.Assign, ast.Return), _other_order),
)
