"""List candidate fixes for one expression: common mistakes reversed, the cheapest first.

An edit exchanges one sub-expression for another text. Which edits a node has is one table, by what the node is and
where it stands. Nothing here knows whether an edit helps: that is for `micrograd.marker.repair.search`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

from micrograd.marker.repair.edits import of_indices, of_values
from micrograd.marker.repair.edits.base import OPERATORS, REDUCTIONS, Edit, called
from micrograd.marker.repair.edits.material import Material
from micrograd.marker.repair.edits.of_calls import edits_of_call
from micrograd.marker.repair.edits.of_operators import edits_of_operator
from micrograd.marker.repair.edits.of_surroundings import edits_around
from micrograd.marker.student.scope import Scope

__all__ = ["edits_of"]

_SHAPED = ("reshape", "transpose", "zeros", "ones", "full", "empty", "arange", "range", "pad")
_SETTINGS = ("axis", "keepdims", "out", "dtype")  # of a reduction: edited with the call


def edits_of(root: ast.expr, scope: Scope, role: str = "value", target: str = "") -> list[Edit]:
    """Return all edits of an expression, the cheapest first.

    Args:
        root: the expression.
        scope: what is known where it stands.
        role: of the root (`micrograd.marker.student.statements.Root`).
        target: the name that is assigned; in a loop it is no candidate for a missing operand unless it is read already.
    """
    read = {n.id for n in ast.walk(root) if isinstance(n, ast.Name)}
    here = Material(root, scope, {target} - read if scope.loops else set())
    return sorted(_edits(here, root, "index" if role in ("index", "loop") else "value"), key=lambda edit: edit.cost)


def _edits(here: Material, node: ast.expr, place: str) -> Iterator[Edit]:
    """Yield the edits of a node and of what is in it, row by row of the table."""
    for types, make in _TABLE[place]:
        if isinstance(node, types):
            yield from make(here, node)


def _inside(parts: Callable[[Material, ast.expr], Iterator[tuple[ast.expr, str]]]) -> Callable[..., Iterator[Edit]]:
    """Make a row that goes on into the parts of a node."""

    def make(here: Material, node: ast.expr) -> Iterator[Edit]:
        for part, place in parts(here, node):
            yield from _edits(here, part, place)

    return make


def _parts_of_value(here: Material, node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Yield the parts of a value that are edited in turn, and as what."""
    match node:
        case ast.BinOp(left=left, right=right):
            yield left, "value"
            yield right, "value"
        case ast.UnaryOp(operand=inner) | ast.ListComp(elt=inner) | ast.GeneratorExp(elt=inner):
            yield inner, "value"
        case ast.NamedExpr(value=inner) | ast.Attribute(value=inner, attr="T"):
            yield inner, "value"
        case ast.Call(func=func, args=args, keywords=keywords):
            method = here.is_method(func)
            if method:
                yield func.value, "value"  # type: ignore[attr-defined]
            name = called(func)
            for position, arg in enumerate(args):
                if name in REDUCTIONS and position == (0 if method else 1):
                    continue  # an axis, edited with the call
                if name in _SHAPED and (position or name in ("arange", "range")):
                    yield arg, "index"
                elif not isinstance(arg, ast.Starred):
                    yield arg, "value"
            yield from ((keyword.value, "index") for keyword in keywords if keyword.arg not in _SETTINGS)
        case ast.Subscript(value=value, slice=index):
            yield value, "value"
            yield index, "index"
        case ast.Compare(left=left, comparators=comparators):
            yield from ((side, "side") for side in (left, *comparators))
        case ast.BoolOp(values=elements) | ast.Tuple(elts=elements) | ast.List(elts=elements):
            yield from ((element, "value") for element in elements if not isinstance(element, ast.Starred))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield from ((part, "value") for part in (test, body, orelse))


def _parts_of_index(_: Material, node: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Yield the parts of an index that are edited in turn, and as what."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            yield from ((part, "index") for part in parts)
        case ast.Slice(lower=lower, upper=upper, step=step):
            yield from ((part, "index") for part in (lower, upper, step) if part is not None)
        case ast.Starred(value=inner) | ast.UnaryOp(operand=inner) | ast.Subscript(slice=inner):
            yield inner, "index"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            yield left, "index"
            yield right, "index"
        case ast.Compare():
            yield node, "value"
        case ast.Call(func=func, args=args):
            yield from [(node, "value")] if called(func) in ("argmax", "argmin") else [(arg, "index") for arg in args]


Row = tuple[type[ast.expr] | tuple[type[ast.expr], ...], Callable[[Material, Any], Iterator[Edit]]]

_OF_THE_NODE: tuple[Row, ...] = (
    ((ast.Name, ast.Subscript), of_values.other_names),
    (ast.Constant, of_values.other_numbers),
    (ast.UnaryOp, of_values.without_sign),
    (ast.BinOp, edits_of_operator),
    (ast.Compare, of_values.other_comparisons),
    (ast.Call, edits_of_call),
    (ast.Attribute, of_values.bare),
    (ast.Subscript, of_values.other_entries),
)
_TABLE: dict[str, tuple[Row, ...]] = {
    "value": (*_OF_THE_NODE, (ast.expr, edits_around), (ast.expr, _inside(_parts_of_value))),
    "side": (*_OF_THE_NODE, (ast.expr, _inside(_parts_of_value))),  # of a comparison: nothing is missing around it
    "index": (
        ((ast.Tuple, ast.List), of_indices.other_order),
        (ast.Name, of_indices.other_indices),
        (ast.Constant, of_indices.other_keys_and_numbers),
        (ast.UnaryOp, of_indices.turned_round),
        (ast.BinOp, of_indices.other_sums),
        (ast.Call, of_indices.other_ranges),
        (ast.expr, _inside(_parts_of_index)),
        (ast.Slice, of_indices.shifted),
    ),
}
"""By where a node stands: the types of nodes, and what makes their edits, in this order."""
