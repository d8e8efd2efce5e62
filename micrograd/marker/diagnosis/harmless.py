"""Remark on what a backward leaves out although it is right, and on what custom does otherwise than the forward.

What is left out may carry zero always. In batch norm the variance's path through xmu into mu is one:
``sum(dxmu2, axis=0) = 0``, whatever x is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from micrograd.graph import Graph
from micrograd.marker.diagnosis.examination import fits
from micrograd.marker.repair.search import states_of
from micrograd.marker.report import Finding
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import Event, record
from micrograd.marker.truth.alignment import as_array
from micrograd.marker.truth.cases import Case, close, judged, sent_along

__all__ = ["averaged", "left_out"]

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
    values = graph.values
    for (source, user, _), part in graph.edge_grads.items():
        uses.setdefault(source, []).append((user, part))
    for (operand, index, slot), back in graph.edge_grads.items():
        if len(uses.get(index, ())) < 2:
            continue
        for user, part in uses[index]:
            sent, scale = sent_along(graph, values, index, slot, part)
            if np.any(part) and sent is not None and float(np.abs(sent).max(initial=0.0)) <= _ZERO * scale:
                names = graph.nodes[index].name, graph.nodes[user].name, graph.nodes[operand].name
                yield *names, part, graph.grads[index] - part, back


def _is_zero(value: Any, like: Any) -> bool:
    array = as_array(value)
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


# ---- conventions ---------------------------------------------------------------------------------------------


def averaged(cases: Sequence[Case], results: Sequence[Any]) -> tuple[tuple[int, ...], str] | None:
    """Return the gradients that are right but for a division by the number of examples, and its name.

    There are several, all but one, and that one is right: a course's convention rather than mistakes.
    """
    if any(isinstance(result, Exception) for result in results):
        return None
    states = [states_of(judged(case, result)) for case, result in zip(cases, results, strict=True)]
    count = len(states[0])
    wrong = tuple(p for p in range(count) if any(one[p] == "wrong" for one in states))
    if count < 3 or len(wrong) != count - 1 or any(s not in ("right", "wrong") for one in states for s in one):
        return None
    (other,) = {*range(count)} - {*wrong}
    for axis in range(np.ndim(cases[0].expected[other])):
        if any(all(len_of(case, other, axis) in np.shape(case.expected[p]) for case in cases) for p in wrong):
            continue  # features, which a gradient has one entry each for, are no examples
        if all(
            _times(len_of(case, other, axis), case.gradients_in(result)[p], case.expected[p],
                   case.relative * case.scales[p])
            for case, result in zip(cases, results, strict=True) for p in wrong
        ):  # fmt: skip
            name = cases[0].task.call.results[other][1]
            return wrong, f"{name}.shape[{axis}]"
    return None


def _times(count: int, got: Any, wanted: Any, bound: float) -> bool:
    """Return whether a gradient is another one, a number of times."""
    return np.shape(got) == np.shape(wanted) and close(count * np.asarray(got), wanted, bound)


def len_of(case: Case, position: int, axis: int) -> int:
    """Return how long an axis of a gradient is."""
    return int(np.shape(case.expected[position])[axis])
