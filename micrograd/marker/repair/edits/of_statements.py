"""The edits of a statement that exchange no expression: another assignment, another order of results."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from micrograd.marker.repair.edits.edit import OPERATORS, Change, level_of
from micrograd.marker.student.spans import Text

__all__ = ["changes_of"]


def changes_of(node: ast.stmt, text: Text) -> list[Change]:
    """The edits of a statement that exchange no expression."""
    found: list[Change] = []
    match node:
        case ast.AugAssign(target=target, op=op, value=value):
            after, before = text.range(target)[1], text.range(value)[0]
            symbol = OPERATORS.get(type(op), "")
            gap = text.source[after:before]
            if symbol + "=" in gap:
                at = after + gap.index(symbol + "=")
                end = at + len(symbol) + 1
                far = 1.3 if symbol in ("+", "-") else 1.0
                for other, cost in (("+=", 1.0), ("-=", 1.0), ("*=", far), ("/=", far), ("=", 1.0)):
                    if other != symbol + "=":
                        tag = (
                            "assign" if other == "=" else "aug_sign" if {symbol, other[0]} == {"+", "-"} else "operator"
                        )
                        found.append(Change(at, end, other, tag, cost, other))
                name = text.of(target)
                start, stop = text.range(node)
                operand = text.of(value)
                if level_of(value) < 5:
                    operand = f"({operand})"
                found.append(Change(start, stop, f"{name} = {name} {symbol} {operand}", "in_place", 1.6, name))
        case ast.Assign(targets=[target], value=value) if not isinstance(target, (ast.Tuple, ast.List)):
            after, before = text.range(target)[1], text.range(value)[0]
            gap = text.source[after:before]
            if "=" in gap:
                at = after + gap.index("=")
                found += [
                    Change(at, at + 1, "+=", "accumulate", 1.3, "+="),
                    Change(at, at + 1, "-=", "accumulate", 1.9, "-="),
                    Change(at, at + 1, "/=", "accumulate", 2.0, "/="),
                    Change(at, at + 1, "*=", "accumulate", 2.0, "*="),
                ]
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 6:
            found += _swaps(elts, text, "unpack", 1.2)
        case ast.Assign(targets=[ast.Tuple(elts=names)]) if 2 <= len(names) <= 12:
            found += _swaps(names, text, "unpack", 1.5)
        case ast.Return(value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 7:
            found += _swaps(elts, text, "returns", 1.0)
    return found


def _swaps(elements: list[ast.expr], text: Text, tag: str, cost: float) -> Iterator[Change]:
    """Two elements of a tuple exchanged."""
    start, end = text.range(elements[0])[0], text.range(elements[-1])[1]
    ranges = [text.range(element) for element in elements]
    for i in range(len(elements)):
        for j in range(i + 1, len(elements)):
            order = list(range(len(elements)))
            order[i], order[j] = j, i
            new = ""
            for place, taken in enumerate(order):
                gap = text.source[ranges[place - 1][1] : ranges[place][0]] if place else ""
                new += gap + text.source[slice(*ranges[taken])]
            yield Change(start, end, new, tag, cost)
