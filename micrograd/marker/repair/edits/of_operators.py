"""Edits of an operator between two operands: another one, a missing or superfluous operand, brackets elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from micrograd.marker.repair.edits.base import INSTEAD, OPERATORS, REDUCTIONS, Edit, called
from micrograd.marker.repair.edits.material import Material
from micrograd.marker.student.scope import is_number

__all__ = ["edits_of_operator", "products"]


def edits_of_operator(here: Material, node: ast.BinOp) -> Iterator[Edit]:
    """Yield edits of ``left op right``, without those inside its operands."""
    left, op, right = node.left, OPERATORS.get(type(node.op)), node.right
    if op is None:
        return
    level = {"+": 1, "-": 1, "**": 4}.get(op, 2)
    for other in INSTEAD.get(op, ()):
        wanted = {"+": 1, "-": 1, "**": 4}.get(other, 2)
        text = f"{here.operand(left, wanted)} {other} {here.operand(right, wanted + (other in '-/@'))}"
        yield Edit(node, text, "operator", 1.0 if {op, other} in ({"+", "-"}, {"*", "/"}) else 1.7, other)
    if op in "+-*/@//":
        tag = "drop_term" if op in "+-" else "drop_factor"
        twice = op in "+-" and here.of(right) in {here.of(n) for n in ast.walk(left) if isinstance(n, ast.expr)}
        yield Edit(node, here.of(left), tag, 0.9 if twice else 1.3, here.of(right))
        dropped = here.operand(right, 2) if op != "-" else f"-{here.operand(right, 2)}"
        dropped = f"1 / {here.operand(right, 3)}" if op == "/" else dropped
        yield Edit(node, dropped if op != "*" else here.of(right), tag, 1.3, here.of(left))
        if op in "-/":
            yield Edit(node, here.operand(right, 2), tag, 1.6, here.of(left))
    if op == "**":
        yield Edit(node, here.of(left), "power", 1.3)
        for text in ("2", "3", "-1", "-2", "0.5", "-0.5", "-1.5"):
            yield Edit(node, f"{here.operand(left, 5)} ** {text}", "power", 1.8, text)
    yield from _tokens(here, left, op, right)
    yield from _regrouped(here, node, left, op, right)
    if op in ("-", "/", "@", "**"):
        text = f"{here.operand(right, level)} {op} {here.operand(left, level + (op in '-/@'))}"
        yield Edit(node, text, "exchange", 1.4)
    if op == "@":
        yield from products(here, node, left, right, "{} @ {}")


def _tokens(here: Material, left: ast.expr, op: str, right: ast.expr) -> Iterator[Edit]:
    """Another operator without brackets, which then binds otherwise: ``a + b / c`` for ``a * b / c``."""
    root = here.root
    (start, end), after, before = here.text.range(root), here.text.range(left)[1], here.text.range(right)[0]
    gap = here.text.source[after:before]
    if op not in gap:
        return
    at = after + gap.index(op)
    for other in INSTEAD.get(op, ()):
        if (op in "+-") == (other in "+-") or other == "@":
            continue
        new = here.text.source[start:at] + other + here.text.source[at + len(op) : end]
        try:
            ast.parse(f"({new})", mode="eval")
        except SyntaxError:
            continue
        yield Edit(root, new, "operator", 1.4, f"{op} {other}", (at, at + len(op), other))


def _regrouped(here: Material, node: ast.expr, left: ast.expr, op: str, right: ast.expr) -> Iterator[Edit]:
    """Brackets in another place: ``sqrt(v) + eps`` for ``sqrt(v + eps)``, ``a * b.sum()`` for ``(a * b).sum()``."""
    lefts, rights = here.operand(left, 2), here.operand(right, 2)
    if isinstance(left, ast.Call) and not left.keywords and len(left.args) == 1 and not here.is_method(left.func):
        tag = "eps_outside" if op == "+" and is_number(here.scope.value(right)) else "regroup"
        yield Edit(node, f"{here.of(left.func)}({here.of(left.args[0])} {op} {rights})", tag, 1.5)
    for call, other, first in ((right, lefts, True), (left, rights, False)):
        if not isinstance(call, ast.Call) or called(call.func) not in REDUCTIONS:
            continue
        whole = here.of(call)
        if here.is_method(call.func):
            inner = call.func.value  # type: ignore[attr-defined]
            tail = whole[here.text.range(inner)[1] - here.text.range(call)[0] :]
            tail = tail[tail.index("." + called(call.func)) :]
            pair = (other, here.operand(inner, 3)) if first else (here.operand(inner, 2), other)
            yield Edit(node, f"({pair[0]} {op} {pair[1]}){tail}", "regroup", 1.5)
        elif call.args and not isinstance(call.args[0], ast.Starred):
            inner = call.args[0]
            tail = whole[here.text.range(inner)[1] - here.text.range(call)[0] :]
            pair = (other, here.operand(inner, 3)) if first else (here.operand(inner, 2), other)
            yield Edit(node, f"{here.of(call.func)}({pair[0]} {op} {pair[1]}{tail}", "regroup", 1.5)
    if isinstance(right, ast.BinOp) and type(right.op) in OPERATORS and not here.bracketed(right):
        inner_op = OPERATORS[type(right.op)]
        if (op in "+-") != (inner_op in "+-"):  # a - b / c for (a - b) / c
            text = f"({here.of(left)} {op} {here.of(right.left)}) {inner_op} {here.operand(right.right, 3)}"
            yield Edit(node, text, "regroup", 1.7)
    if isinstance(left, ast.BinOp) and type(left.op) in OPERATORS:
        inner_op = OPERATORS[type(left.op)]
        if (op in "+-") != (inner_op in "+-"):  # (a - b) / c and a - b / c
            text = f"{here.operand(left.left, 2)} {inner_op} ({here.of(left.right)} {op} {rights})"
            yield Edit(node, text, "regroup", 1.7)


def products(here: Material, node: ast.expr, left: ast.expr, right: ast.expr, form: str) -> Iterator[Edit]:
    """Yield a product of matrices in another order, or with another one transposed; `form` says how it is spelled."""
    a, b = here.operand(left, 5), here.operand(right, 5)
    at, bt = _transposed(a), _transposed(b)
    for first, second, cost in (
        (at, b, 1.2),
        (a, bt, 1.2),
        (b, a, 1.4),
        (bt, a, 1.6),
        (b, at, 1.6),
        (at, bt, 1.8),
        (bt, at, 1.8),
    ):
        yield Edit(node, form.format(first, second), "transpose", cost)


def _transposed(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"
