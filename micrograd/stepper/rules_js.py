"""Translate the rows of the table to JavaScript, so that a page can compute a graph again.

A `map` row's `scalar` template is Python for one number; its syntax tree is written out as a JavaScript expression. A
`reduce` row names the ufunc that it folds with, which is a map row. Cells of a `move` row come with the graph's data.
Since the rules are made from the rows, the two cannot differ.
"""

from __future__ import annotations

import ast
import json
import string
from collections.abc import Collection
from functools import lru_cache

from micrograd.graph import Graph, Node
from micrograd.primitives import TABLE, Primitive

__all__ = ["javascript", "live_operations", "map_rule", "reduce_rule", "rules"]

_OPERATORS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.USub: "-", ast.UAdd: "+", ast.Not: "!",
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.And: "&&", ast.Or: "||",
}  # fmt: skip
_FUNCTIONS = {
    name: f"Math.{name}"
    for name in ("sqrt", "exp", "log", "tanh", "abs", "sin", "cos", "tan", "sinh", "cosh", "expm1", "log1p", "atan",
                 "asin", "acos", "atan2", "asinh", "acosh", "atanh", "log2", "log10", "cbrt", "hypot", "floor", "ceil",
                 "trunc")
}  # fmt: skip
_WRITTEN = {
    "exp2": "pow(2, {0})", "fmod": "({0} % {1})", "degrees": "({0} * (180 / Math.PI))",
    "radians": "({0} * (Math.PI / 180))", "isnan": "Number.isNaN({0})", "isfinite": "Number.isFinite({0})",
    "isinf": "(Math.abs({0}) == Infinity)", "signbit": "({0} < 0 || Object.is({0}, -0))",
    "copysign": "(({1} < 0 || Object.is({1}, -0) ? -1 : 1) * Math.abs({0}))",
}  # fmt: skip
"""Functions that JavaScript has no word for."""
_CASTS = {"float64": "x", "float32": "Math.fround(x)", "bool": "x != 0"}
_DTYPES = frozenset({*_CASTS, "int64", "int32"})
_HELPERS = """\
// As NumPy: 1 to any power is 1, so is -1 to an infinite one (JavaScript says NaN), and x ** 0.5 is a square root.
const pow = (x, y) => y == 0.5 ? Math.sqrt(x)
  : x == 1 || (x == -1 && Math.abs(y) == Infinity) ? 1 : Math.pow(x, y);
"""


def javascript(template: str) -> str:
    """Translate a row's `scalar` template to JavaScript, an expression of ``x`` (operands) and ``a`` (attributes).

    Raises:
        ValueError: the template holds something that is not translated; the row is then not live.

    >>> javascript("1.0 / {0}")
    '(1 / x[0])'
    >>> javascript("pow({0}, {exponent})")
    'pow(x[0], a.exponent)'
    """
    holes = {hole for _, hole, _, _ in string.Formatter().parse(template) if hole is not None}
    names = {hole: f"x{hole}" if hole.isdigit() else f"a_{hole}" for hole in holes}
    text = "".join(
        literal + ("" if hole is None else names[hole]) for literal, hole, _, _ in string.Formatter().parse(template)
    )
    return _expression(ast.parse(text, mode="eval").body)


def _expression(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=bool(value)):
            return json.dumps(value)
        case ast.Constant(value=int(value) | float(value)):
            return json.dumps(int(value) if float(value).is_integer() else value)
        case ast.Name(id=name) if name.startswith("a_"):
            return f"a.{name.removeprefix('a_')}"
        case ast.Name(id=name) if name.startswith("x"):
            return f"x[{name.removeprefix('x')}]"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"pow({_expression(left)}, {_expression(right)})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return f"({_expression(left)} {_OPERATORS[type(op)]} {_expression(right)})"
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return f"({_OPERATORS[type(op)]}{_expression(operand)})"
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return f"({_expression(left)} {_OPERATORS[type(op)]} {_expression(right)})"
        case ast.BoolOp(op=op, values=values):
            return "(" + f" {_OPERATORS[type(op)]} ".join(_expression(value) for value in values) + ")"
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return f"({_expression(test)} ? {_expression(body)} : {_expression(orelse)})"
        case ast.Call(func=ast.Name(id="pow"), args=[base, exponent], keywords=[]):
            return f"pow({_expression(base)}, {_expression(exponent)})"
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _WRITTEN:
            return _WRITTEN[name].format(*map(_expression, args))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return f"{_FUNCTIONS[name]}({', '.join(_expression(argument) for argument in args)})"
    raise ValueError(f"cannot translate {ast.unparse(node)} to JavaScript; add it to micrograd.stepper.rules_js")


@lru_cache(maxsize=256)
def map_rule(row: Primitive) -> str | None:
    """Return the JavaScript expression of a map row; None where it cannot be translated and the row is not live."""
    if row.kind != "map" or not row.scalar:
        return None
    try:
        return javascript(row.scalar)
    except (ValueError, SyntaxError):
        return None


@lru_cache(maxsize=256)
def reduce_rule(row: Primitive) -> str | None:
    """Return the name of the map row that a reduce row folds with: ``add`` for ``sum``."""
    if row.kind != "reduce":
        return None
    return next((r.name for r in TABLE.values() if r.kind == "map" and r.array == row.array and map_rule(r)), None)


def live_operations(graph: Graph) -> bool:
    """Say whether a page can compute every node of `graph` again: floats and masks, through rows that are live."""
    return all(node.dtype in _DTYPES and (node.is_leaf or _live(node)) for node in graph.nodes)


def _live(node: Node) -> bool:
    row = TABLE[node.op]
    if row.name == "cast":
        return node.attrs.get("dtype") in _CASTS
    if row.kind == "map":
        return map_rule(row) is not None
    return row.kind != "scan" and (row.kind != "reduce" or reduce_rule(row) is not None)


def rules(operations: Collection[str] | None = None) -> str:
    """Write the script ``const RULES = {map: {mul: (x, a) => ...}, cast: {...}, reduce: {sum: "add"}};``.

    `x` holds the operands' numbers for one cell and `a` the attributes; a reduction folds with the map rule it names.
    With `operations`, names of rows, the rules of the others are left out.
    """
    reduces = {row.name: rule for row in TABLE.values() if (rule := reduce_rule(row)) is not None}
    wanted = {*TABLE} if operations is None else {*operations, *reduces.values()}
    maps = {name: rule for name, row in TABLE.items() if name in wanted and (rule := map_rule(row)) is not None}
    lines = [f"    {json.dumps(name)}: (x, a) => {rule}," for name, rule in maps.items()]
    casts = [f"    {json.dumps(dtype)}: (x) => {rule}," for dtype, rule in _CASTS.items()]
    return "\n".join([
        _HELPERS + "const RULES = {", "  map: {", *lines, "  },", "  cast: {", *casts, "  },",
        f"  reduce: {json.dumps(reduces)},", "};", "",
    ])  # fmt: skip
