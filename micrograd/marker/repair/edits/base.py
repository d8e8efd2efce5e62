"""One change of a text that is tried, and the operators and functions that most edits are about."""

from __future__ import annotations

import ast
from dataclasses import dataclass

__all__ = ["COMPARISONS", "INSTEAD", "OPERATORS", "REDUCTIONS", "Change", "Edit", "called", "level_of", "wrapped"]

OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@", ast.FloorDiv: "//",
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
INSTEAD: dict[str, tuple[str, ...]] = {
    "+": ("-", "*", "/"), "-": ("+", "*", "/"), "*": ("/", "+", "-", "@"), "/": ("*", "-"), "**": ("*",), "@": ("*",),
    "//": ("/", "*"),
    ">": ("<", ">=", "=="), ">=": ("<=", ">", "=="), "<": (">", "<=", "=="), "<=": (">=", "<", "=="),
    "==": ("!=", ">", "<"), "!=": ("==", ">", "<"),
}  # fmt: skip
REDUCTIONS = {"sum", "mean", "max", "min", "amax", "amin", "var", "std", "prod", "argmax", "argmin"}


@dataclass(frozen=True, slots=True)
class Edit:
    """One sub-expression exchanged.

    Attributes:
        node: what is exchanged.
        new: the expression that comes in its place.
        tag: what is done, for the class of the mistake.
        cost: the smaller, the likelier.
        detail: the name, number or text that comes in or goes out.
    """

    node: ast.expr
    new: str
    tag: str
    cost: float
    detail: str = ""
    token: tuple[int, int, str] | None = None  # the range and text that change, where they are less than the node


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a statement that is no exchange of an expression: ``=`` for ``+=``, another order of results."""

    start: int
    end: int
    new: str
    tag: str
    cost: float
    detail: str = ""


def wrapped(text: str, node: ast.expr, level: int) -> str:
    """Return an operand, in brackets where it binds less than `level` (1 sums, 2 products, 4 powers, 5 atoms)."""
    return f"({text})" if level_of(node) < level else text


def level_of(node: ast.expr) -> int:
    """Return how strongly an expression binds, in the levels of `wrapped`; 0 for what stands in brackets anyway."""
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return 1
        case ast.BinOp(op=ast.Pow()):
            return 4
        case ast.BinOp():
            return 2
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return 3
        case ast.Name() | ast.Call() | ast.Attribute() | ast.Subscript() | ast.Constant():
            return 5
    return 0


def called(func: ast.expr) -> str:
    """Return the name of a function without what stands before the dot: ``sum`` of ``np.sum`` and of ``x.sum``."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
