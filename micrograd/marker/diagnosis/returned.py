"""Gradients that are not returned, or in another order; the return statement that would do."""

from __future__ import annotations

import ast

import numpy as np

from micrograd.marker.diagnosis.examination import Examination
from micrograd.marker.repair.edits.base import Change
from micrograd.marker.repair.search import Goal, Mended, SearchJob
from micrograd.marker.report import Finding, shown
from micrograd.marker.student.statements import Statement
from micrograd.marker.truth.cases import close

__all__ = ["absent", "lacking", "last_return", "missing", "permuted"]


def absent(now: Examination, wrong: frozenset[int]) -> frozenset[int]:
    """Return the gradients that are not returned at all."""
    if any(s is None for s in now.states):
        return frozenset()
    return frozenset(p for p in wrong if all(s is not None and s[p] == "missing" for s in now.states))


def lacking(now: Examination, statement: Statement, positions: frozenset[int]) -> Finding:
    """Return the finding for gradients that are not returned, where nothing holds them either."""
    text, case = now.program.text, now.cases[0]
    span = text.span(statement.node)
    names = [f"d{case.task.call.results[p][1].rpartition('.')[2]}" for p in sorted(positions)]
    return Finding(
        "wrong", "missing_result", span, text.whole_lines(span), names[0], names[0],
        expected=shown(case.expected[min(positions)]),
    )  # fmt: skip


def missing(now: Examination, wrong: frozenset[int], job: SearchJob) -> Mended | None:
    """Return whether fewer gradients are returned than asked for.

    The return statement with the variable that holds it.
    """
    lost = absent(now, wrong)
    statement = last_return(now)
    if not lost or statement is None:
        return None
    value = statement.node.value  # type: ignore[attr-defined]
    elements = list(value.elts) if isinstance(value, ast.Tuple) else [value] if value is not None else []
    keys = [key for key, _ in now.cases[0].task.call.results]
    text, events = now.program.text, now.recordings[0].of(statement.number)
    scope = (events[-1].scope if events else None) or {}
    parts = [text.of(element) for element in elements]
    for position in sorted(lost, key=lambda p: str(keys[p])):
        key, wanted = keys[position], now.cases[0].expected[position]
        bound = now.cases[0].relative * now.cases[0].scales[position]
        name = next(
            (
                n
                for n, v in scope.items()
                if isinstance(v, np.ndarray) and v.shape == wanted.shape and close(v, wanted, bound)
            ),
            None,
        )
        if not isinstance(key, int) or name is None:
            return None
        if key < len(parts):
            parts[key] = name
        else:
            parts.append(name)
    start, end = text.range(statement.node)
    if elements:
        start, end = text.range(elements[0])[0], text.range(elements[-1])[1]
    new = ", ".join(parts) if elements else f"return {', '.join(parts)}"
    made = Mended(statement, None, Change(start, end, new, "returned", 1.0), start, end, new, 1.0)
    return job.verified(made, Goal(tuple(now.states), frozenset(lost)))


def last_return(now: Examination) -> Statement | None:
    """Return the return statement of the backward that ran."""
    for event in reversed(now.recordings[0].events):
        if isinstance(event.statement.node, ast.Return) and event.caller is None:
            return event.statement
    return None


def permuted(now: Examination, wrong: frozenset[int], job: SearchJob) -> Mended | None:
    """Return whether the gradients are all there in another order; the return statement with the right one."""
    if len(wrong) < 2 or any(s is None for s in now.states):
        return None
    statement = last_return(now)
    if statement is None:
        return None
    value = statement.node.value  # type: ignore[attr-defined]
    if not isinstance(value, ast.Tuple):
        return None
    case, recording = now.cases[0], now.recordings[0]
    keys = [key for key, _ in case.task.call.results]
    answer = recording.result
    order = list(range(len(value.elts)))
    for position in wrong:
        key = keys[position]
        if not isinstance(key, int):
            return None
        place = None
        for other in range(len(value.elts)):
            got = answer[other]
            if isinstance(got, np.ndarray) and got.shape == case.expected[position].shape:
                off = np.abs(got - case.expected[position]).max(initial=0.0)
                if off <= case.relative * case.scales[position]:
                    place = other
        if place is None:
            return None
        order[key] = place
    if sorted(order) != list(range(len(order))):
        return None
    text = now.program.text
    start, end = text.range(value.elts[0])[0], text.range(value.elts[-1])[1]
    new = ", ".join(text.of(value.elts[place]) for place in order)
    made = Mended(statement, None, Change(start, end, new, "returns", 1.0), start, end, new, 1.0)
    return job.verified(made, Goal(tuple(now.states), wrong))
