"""The search for two edits that only together make the gradients right: two mistakes on the way to one gradient."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.marker.repair.edits import edits_of
from micrograd.marker.repair.search import Bench, Goal, Mended, SearchJob, placed, search, signature
from micrograd.marker.student.recording import record
from micrograd.marker.student.statements import Statement

__all__ = ["cheap_edits", "thread_time", "two_edits"]

CHEAP = 2.45
"""What an edit may cost: the usual mistakes, no expression written anew."""
LEAST = 0.8
BOTH = (2.8, 3.9)  # what both may cost together, at first and then
FACTOR = 4.5  # the same where all that is wrong after the first is one factor: a sign, a count
SECONDS = 2.5  # of work
thread_time = getattr(time, "thread_time", time.process_time)  # a browser has one thread


def two_edits(
    job: SearchJob, statements: Sequence[Statement], goal: Goal, *, alone: bool = True
) -> tuple[Mended, Mended] | None:
    """Return the cheapest two edits that reach a goal together; the second is one of the text with the first.

    Args:
        job: the program and its cases.
        statements: where the mistakes may be, in order of execution.
        goal: what is wanted.
        alone: whether no single edit, however dear, reaches it.
    """
    until = thread_time() + SECONDS
    firsts = [
        (one, place, bench.single and _is_off_by_a_factor(bench, value, goal.wanted))
        for place, statement in enumerate(statements) for one, bench, value in cheap_edits(job, statement)
    ]  # fmt: skip
    firsts.sort(key=lambda entry: entry[0].cost)
    best: tuple[float, Mended, Mended] | None = None
    for both in (FACTOR, *BOTH) if alone else BOTH:
        for first, place, near in firsts:
            most = min(CHEAP, (both if best is None else best[0]) - first.cost)
            if both == FACTOR and not near:
                continue
            if thread_time() > until or job.late() or most < LEAST:
                break
            code = first.applied(job.program)
            if code is None:
                continue
            rest = {s.number for s in statements[0 if near else place :]}
            then = replace(job, program=code, recordings=[record(code, job.cases[0].call, scopes=rest)])
            order = [(s, root, 0.0) for s in code.statements if s.number in rest for root in s.roots]
            for second in search(then, order, goal, (most,))[:2]:
                again = (
                    second.start <= first.start + len(first.new) and first.start <= second.end
                )  # of one place: one mistake
                if not again and (best is None or first.cost + second.cost < best[0]):
                    best = first.cost + second.cost, first, second
        if best is not None:
            return best[1:]
    return None


def cheap_edits(job: SearchJob, statement: Statement) -> Iterator[tuple[Mended, Bench, Any]]:
    """Yield the cheap edits of a statement that do different things, without asking whether they help.

    With each the expression that it is one of, and what that is worth with it.
    """
    for root in statement.roots:
        bench = job.bench(statement, root)
        if bench is None:
            continue
        seen = {signature(bench.original)}
        for edit in sorted(edits_of(root.expr, bench.scopes[0], root.role, root.name), key=lambda edit: edit.cost):
            values = bench.values(edit) if edit.cost <= CHEAP else None
            if values is None or (mark := signature(values)) in seen:
                continue
            seen.add(mark)
            position = placed(job.program, root, edit)
            if position is not None:
                yield Mended(statement, root, edit, *position, edit.cost), bench, values[0]


def _is_off_by_a_factor(bench: Bench, value: Any, wanted: frozenset[int]) -> bool:
    """Return whether each wanted gradient is a number times what it should be, with another value of an expression."""
    found = bench.flat(value)
    if found is None or not np.isfinite(found).all():
        return False
    for position in wanted:
        part = slice(bench.ends[position], bench.ends[position + 1])
        got, right = found[part], bench.wanted[part]
        if right.size < 2 or not np.any(right):
            return False
        factor = np.dot(got, right) / np.dot(right, right)
        if factor == 0 or np.abs(got - factor * right).max() > 1e-7 * np.abs(got).max():
            return False
    return True
