"""Edits of what stands in square brackets, of sizes and of ranges."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import numpy as np

from micrograd.marker.repair.edits.edit import OPERATORS, Edit, called
from micrograd.marker.repair.edits.material import Material, kin
from micrograd.marker.student.scope import index_like

__all__ = ["edits_of_index"]

Inside = Callable[[Material, ast.expr], Iterator[Edit]]


def edits_of_index(here: Material, node: ast.expr, inside: Inside) -> Iterator[Edit]:
    """Edits of what stands in square brackets, of sizes and of ranges: whole numbers only.

    Args:
        here: what edits are made of.
        node: the index.
        inside: the edits of a value, such as the condition of ``x[x > 0]``.
    """
    match node:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for place in range(len(elements) - 1):
                parts = [here.of(element) for element in elements]
                parts[place], parts[place + 1] = parts[place + 1], parts[place]
                brackets = "[{}]" if isinstance(node, ast.List) else "({})" if here.of(node).startswith("(") else "{}"
                yield Edit(node, brackets.format(", ".join(parts)), "index", 1.7)
            for element in elements:
                yield from edits_of_index(here, element, inside)
        case ast.Slice(lower=lower, upper=upper, step=step):
            for part in (lower, upper, step):
                if part is not None:
                    yield from edits_of_index(here, part, inside)
            yield from _shifted(here, node)
        case ast.Starred(value=inner):
            yield from edits_of_index(here, inner, inside)
        case ast.Name(id=name):
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
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            for text in dict.fromkeys(("0", "1", "2", "3", "-1", *here.counts, *here.indices)):
                if text != repr(number):
                    yield Edit(node, text, "negate" if text == f"-{number}" else "index", 1.6, text)
        case ast.Constant(value=str()):
            yield from _other_keys(here, node)
        case ast.UnaryOp(operand=operand):
            yield Edit(node, here.of(operand), "negate", 1.4)
            yield from edits_of_index(here, operand, inside)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            symbol = OPERATORS[type(op)]
            for other in ("+", "-", "*", "//"):
                if other != symbol:
                    yield Edit(node, f"{here.operand(left, 2)} {other} {here.operand(right, 2)}", "index", 1.5, other)
            yield Edit(node, here.of(left), "index", 1.4)
            yield Edit(node, here.of(right), "index", 1.4)
            yield from edits_of_index(here, left, inside)
            yield from edits_of_index(here, right, inside)
        case ast.Compare():
            yield from inside(here, node)
        case ast.Call(args=args):
            if called(node.func) in ("argmax", "argmin"):
                yield from inside(here, node)
            else:
                if called(node.func) in ("range", "arange") and len(args) >= 2:
                    yield Edit(node, f"{here.of(node.func)}({here.of(args[1])})", "index", 1.3)
                if called(node.func) == "range" and len(args) == 1:
                    yield Edit(node, f"range(1, {here.of(args[0])})", "index", 2.4)
                for arg in args:
                    yield from edits_of_index(here, arg, inside)
        case ast.Subscript():
            yield from edits_of_index(here, node.slice, inside)


def _other_keys(here: Material, node: ast.Constant) -> Iterator[Edit]:
    """Other keys of the dictionaries that are there."""
    for value in here.scope.names.values():
        if isinstance(value, dict) and node.value in value:
            for key in value:
                if isinstance(key, str) and key != node.value and type(value[key]) is type(value[node.value]):
                    yield Edit(node, repr(key), "name", 1.7, key)


def _shifted(here: Material, node: ast.Slice) -> Iterator[Edit]:
    """Both ends of a slice moved by one, or by what was added to both."""
    if node.lower is None or node.upper is None:
        return
    low, high = here.of(node.lower), here.of(node.upper)
    for sign in ("+", "-"):
        yield Edit(node, f"{low} {sign} 1:{high} {sign} 1", "index", 2.2, f"{sign} 1")
    match node.lower, node.upper:
        case ast.BinOp(left=a, op=ast.Add() | ast.Sub(), right=b), ast.BinOp(left=c, op=ast.Add() | ast.Sub(), right=d):
            if type(node.lower.op) is type(node.upper.op) and here.of(b) == here.of(d):
                yield Edit(node, f"{here.of(a)}:{here.of(c)}", "index", 1.7, here.of(b))
