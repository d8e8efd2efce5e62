"""The single edits that are tried on a line: what students mistake, in the other direction, the smallest first.

An edit exchanges one sub-expression for another text.  Nothing here knows whether it helps: that is for
`micrograd.marker.repair.search`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from micrograd.marker.repair.edits.edit import INSTEAD, OPERATORS, REDUCTIONS, Edit, called
from micrograd.marker.repair.edits.material import Material, kin
from micrograd.marker.repair.edits.of_calls import edits_of_call
from micrograd.marker.repair.edits.of_indices import edits_of_index
from micrograd.marker.repair.edits.of_operators import edits_of_operator
from micrograd.marker.repair.edits.of_surroundings import edits_around
from micrograd.marker.student.scope import Scope, is_array, is_number
from micrograd.marker.student.statements import path_of

__all__ = ["edits_of"]

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_CONSTANTS = ("2", "0.5", "1", "-1", "0", "3", "1.5", "-0.5", "-2", "-1.5", "-3", "4")


def edits_of(root: ast.expr, scope: Scope, role: str = "value", target: str = "") -> list[Edit]:
    """All edits of an expression, the cheapest first.

    Args:
        root: the expression.
        scope: what is known where it stands.
        role: of the root (`micrograd.marker.student.statements.Root`).
        target: the name that is assigned; in a loop it is no candidate for a missing operand unless it is read already.
    """
    read = {n.id for n in ast.walk(root) if isinstance(n, ast.Name)}
    here = Material(root, scope, {target} - read if scope.loops else set())
    whole = role in ("index", "loop")
    found = list(edits_of_index(here, root, _edits_inside) if whole else _edits_inside(here, root))
    found.sort(key=lambda edit: edit.cost)
    return found


def _edits_inside(here: Material, node: ast.expr) -> Iterator[Edit]:
    """Edits of a value and of what is in it."""
    yield from _own(here, node)
    yield from edits_around(here, node)
    match node:
        case ast.BinOp(left=left, right=right):
            yield from _edits_inside(here, left)
            yield from _edits_inside(here, right)
        case ast.UnaryOp(operand=operand):
            yield from _edits_inside(here, operand)
        case ast.Call(func=func, args=args, keywords=keywords):
            if isinstance(func, ast.Attribute) and here.scope.value(func.value) is not None:
                owner = here.scope.value(func.value)
                if isinstance(owner, (np.ndarray, np.generic)):
                    yield from _edits_inside(here, func.value)
            name = called(func)
            for place, arg in enumerate(args):
                if name in REDUCTIONS and place == (1 if not here.is_method(func) else 0):
                    continue  # an axis, treated with the call
                if name in ("reshape", "transpose", "zeros", "ones", "full", "empty", "arange", "range", "pad"):
                    yield from (
                        edits_of_index(here, arg, _edits_inside)
                        if place or name in ("arange", "range")
                        else _edits_inside(here, arg)
                    )
                elif isinstance(arg, ast.Starred):
                    continue
                else:
                    yield from _edits_inside(here, arg)
            for keyword in keywords:
                if keyword.arg not in ("axis", "keepdims", "out", "dtype"):
                    yield from edits_of_index(here, keyword.value, _edits_inside)
        case ast.Subscript(value=value, slice=index):
            yield from _edits_inside(here, value)
            yield from edits_of_index(here, index, _edits_inside)
        case ast.Attribute(value=value):
            if node.attr == "T":
                yield from _edits_inside(here, value)
        case ast.Compare(left=left, comparators=comparators):
            for side in (left, *comparators):
                yield from _own(here, side)
                yield from (edit for edit in _edits_inside(here, side) if edit.node is not side)
        case ast.BoolOp(values=elements) | ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                if not isinstance(element, ast.Starred):
                    yield from _edits_inside(here, element)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            for part in (test, body, orelse):
                yield from _edits_inside(here, part)
        case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt):
            yield from _edits_inside(here, elt)
        case ast.NamedExpr(value=value):
            yield from _edits_inside(here, value)


def _own(here: Material, node: ast.expr) -> Iterator[Edit]:
    """What the node itself may have been."""
    match node:
        case ast.Name() | ast.Subscript(slice=ast.Constant(value=str())):
            name = path_of(node)
            if isinstance(here.scope.names.get(name), np.ndarray) or is_number(here.scope.names.get(name)):
                yield from _other_names(here, node, name)
        case ast.Constant(value=bool()):
            yield Edit(node, repr(not node.value), "constant", 2.0)
        case ast.Constant(value=int() | float()):
            yield from _other_constants(here, node)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield Edit(node, here.of(operand), "negate", 1.0)
        case ast.UnaryOp(op=ast.Invert() | ast.Not(), operand=operand):
            yield Edit(node, here.of(operand), "mask", 1.0)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            yield from edits_of_operator(here, node, left, OPERATORS[type(op)], right)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            for other in INSTEAD[_COMPARISONS[type(op)]]:
                yield Edit(node, f"{here.of(left)} {other} {here.of(right)}", "compare", 1.2, other)
            yield Edit(node, here.of(left), "mask", 1.6)
        case ast.Call():
            yield from edits_of_call(here, node)
        case ast.Attribute(value=value, attr="T"):
            yield Edit(node, here.of(value), "transpose", 1.2)
        case ast.Subscript(value=value, slice=index):
            if is_array(here.scope.value(value)):
                yield Edit(node, here.of(value), "index", 2.2)
                if isinstance(index, ast.Tuple):
                    for place in range(len(index.elts) - 1):
                        parts = [here.of(element) for element in index.elts]
                        parts[place], parts[place + 1] = parts[place + 1], parts[place]
                        yield Edit(node, f"{here.operand(value, 5)}[{', '.join(parts)}]", "index", 2.0)


def _other_names(here: Material, node: ast.expr, name: str) -> Iterator[Edit]:
    """Other variables, those of the same shape or of a similar name first; a count one less or more."""
    value = here.scope.names[name]
    pool = [n for n in here.numbers if type(here.scope.names[n]) is type(value)]
    if isinstance(value, np.ndarray):
        whole = [n for n, v in here.scope.names.items() if isinstance(v, np.ndarray) and v.dtype.kind in "iu"]
        pool = [*here.arrays, *(n for n in whole if np.shape(here.scope.names[n]) == value.shape)]
    for other in pool:
        if other == name:
            continue
        alike = np.shape(here.scope.names[other]) == np.shape(value)
        nearer = 0.2 if kin(name, other) else 0.0
        yield Edit(node, other, "name", (1.8 if alike else 2.3) - nearer, other)
    for other, size in here.counts.items():
        if "." in other and is_number(value) and not isinstance(value, float) and size != value:
            yield Edit(node, other, "name", 2.6, other)
    if is_number(value) and isinstance(value, (int, np.integer)):
        yield Edit(node, f"({name} - 1)", "bessel", 2.2)
        yield Edit(node, f"({name} + 1)", "bessel", 2.6)


def _other_constants(here: Material, node: ast.Constant) -> Iterator[Edit]:
    """Other numbers, and the names that may be meant by one."""
    value: Any = node.value
    seen = {float(value)}
    tried = [
        (text, 1.6) for text in (f"{-value!r}", f"{value * 2!r}", f"{value / 2!r}", f"{value + 1!r}", f"{value - 1!r}")
    ]
    for text, cost in [*tried, *((text, 1.9) for text in _CONSTANTS)]:
        number = float(text)
        if number not in seen:
            seen.add(number)
            whole = isinstance(value, float) and "." not in text and "e" not in text
            spelled = f"{text}.0" if whole else text
            yield Edit(node, spelled, "negate" if number == -value else "constant", cost, spelled)
    for name, size in here.counts.items():
        if size != value:
            yield Edit(node, name, "count", 2.2 if "." not in name else 2.5, name)
    for name in here.numbers:
        if isinstance(here.scope.names[name], float):
            yield Edit(node, name, "name", 2.3, name)
