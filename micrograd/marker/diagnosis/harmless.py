"""Paths that a backward leaves out although it is right, because what they carry is always zero.

In batch norm the variance's path through xmu into mu is one: ``sum(dxmu2, axis=0) = 0``, whatever x is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.graph import Graph
from micrograd.marker.diagnosis.examination import fits
from micrograd.marker.report import Finding
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import Event, record
from micrograd.marker.truth.cases import Case
from micrograd.primitives import TABLE

__all__ = ["left_out"]

_ZERO = 1e-9
"""What is smaller than this share of the terms that cancel in it is zero."""


def left_out(program: StudentCode, case: Case) -> list[Finding]:
    """Return a remark for each line that leaves out a path which brings nothing, with what makes it so."""
    graph = case.graph
    if graph is None:
        return []
    zero = list(_zero_paths(graph))
    if not zero:
        return []
    events = record(program, case.call, scopes={statement.number for statement in program.statements}).events
    found: dict[tuple[int, int], Finding] = {}
    for node, user, operand, part, rest, back in zero:
        if any(_is_zero(value, back) for event in events for value in event.writes.values()):
            continue  # it was added up, as the forward has it
        for event in events:
            if not any(fits(value, back) for value in event.writes.values()):
                continue
            if (place := _reading(program, event, part, rest, back)) is None:
                continue
            (target, *_) = event.writes
            span = program.text.span(place)
            path = _name_of(events, part) or f"what {user} sends to {node}"
            shape, whole = np.shape(back), np.shape(part)
            axes = _folded(whole, shape)
            over = f"axis={axes[0] if len(axes) == 1 else tuple(axes)}"
            reason = f"sum({path}, {over}) = 0" if axes else f"{path}: what of it reaches {operand} = 0"
            found.setdefault(
                (span.line, span.column),
                Finding("harmless", "path_dropped_harmless", span, program.text.whole_lines(span), target,
                        f"d{operand}", (node, user), reason=reason),
            )  # fmt: skip
    return list(found.values())


def _folded(whole: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Return the axes of `whole` that a sum folds on the way to `shape`."""
    kept = (0,) * (len(whole) - len(shape)) + shape
    return [axis for axis, (size, left) in enumerate(zip(whole, kept, strict=True)) if size != left]


def _zero_paths(graph: Graph) -> Iterator[tuple[str, str, str, Any, Any, Any]]:
    """Uses of a node whose gradient reaches one of its operands as zero.

    Yields the node, its user, the operand, the part of the node's gradient that comes from the user, the other parts
    together, and what the whole of it sends to the operand.
    """
    uses: dict[int, list[tuple[int, Any]]] = {}
    for (source, user, _), part in graph.edge_grads.items():
        uses.setdefault(source, []).append((user, part))
    for (operand, index, slot), back in graph.edge_grads.items():
        if len(uses.get(index, ())) < 2:
            continue
        for user, part in uses[index]:
            sent, scale = _sent(graph, index, slot, part)
            if np.any(part) and sent is not None and float(np.abs(sent).max(initial=0.0)) <= _ZERO * scale:
                names = graph.nodes[index].name, graph.nodes[user].name, graph.nodes[operand].name
                yield *names, part, graph.grads[index] - part, back


def _sent(graph: Graph, index: int, slot: int, g: Any) -> tuple[Any, float]:
    """Return what a node hands to an operand of the gradient `g`, and how large the terms of it are together."""
    node, values = graph.nodes[index], graph.values
    answers = []
    for seed in (g, np.abs(g)):
        leaves = [Tensor(values[o]) if isinstance(o, int) else o for o in node.operands]
        leaf = leaves[slot]
        if not isinstance(leaf, Tensor):
            return None, 0.0
        out = TABLE[node.op](*leaves, **node.attrs)
        out.backward(seed)
        answers.append(np.asarray(leaf.grad))
    return answers[0], float(np.abs(answers[1]).max(initial=0.0))


def _is_zero(value: Any, like: Any) -> bool:
    array = np.asarray(value)
    return (
        array.dtype.kind == "f"
        and array.size == np.size(like) > 0
        and bool(np.any(array) or array.ndim)
        and float(np.abs(array).max()) <= _ZERO * float(np.abs(like).max(initial=0.0))
    )


def _reading(program: StudentCode, event: Event, part: Any, rest: Any, back: Any) -> ast.expr | None:
    """Return the sub-expression that is the other parts of the gradient, if the part is nowhere in the statement."""
    found: ast.expr | None = None
    for root in event.statement.roots:
        for expr in ast.walk(root.expr):
            if not isinstance(expr, ast.expr):
                continue
            value = _value(program, event, expr)
            if value is None:
                continue
            if _is_zero(value, back) or any(fits(sign * value, part) for sign in (1, -1)):
                return None
            if found is None and any(fits(sign * value, rest) for sign in (1, -1)):
                found = expr
    return found


def _value(program: StudentCode, event: Event, expr: ast.expr) -> Any:
    """Return the value of a sub-expression before its statement ran; None where it is no array of floats."""
    if not isinstance(expr, (ast.Name, ast.BinOp, ast.UnaryOp, ast.Call)):
        return None
    try:
        with np.errstate(all="ignore"):
            code = compile(ast.Expression(expr), "<part>", "eval")
            value = np.asarray(eval(code, dict(vars(program.module)), event.scope or {}))  # noqa: S307
    except Exception:  # noqa: BLE001 - a function that changes something, or what raises
        return None
    return value if value.dtype.kind == "f" and value.ndim else None


def _name_of(events: list[Event], part: Any) -> str:
    """Return the student's own name for a value."""
    return next((name for event in events for name, value in event.writes.items() if fits(value, part)), "")
