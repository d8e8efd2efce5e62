"""The search for two edits that only together make the gradients right: two mistakes on the way to one gradient."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from micrograd.marker.repair.edits import edits_of
from micrograd.marker.repair.search import Goal, Mended, SearchJob, placed, search, signature
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import record
from micrograd.marker.student.statements import Statement

__all__ = ["two_edits"]

CHEAP = 2.45
"""What an edit may cost: the usual mistakes, no expression written anew."""
LEAST = 0.8
BOTH = (2.8, 3.9)  # what both may cost together, at first and then
SECONDS = 2.5  # of work
_thread_time = getattr(time, "thread_time", time.process_time)  # a browser has one thread


def two_edits(job: SearchJob, statements: Sequence[Statement], goal: Goal) -> tuple[Mended, Mended] | None:
    """Return the cheapest two edits that reach a goal together; the second is one of the text with the first.

    Args:
        job: the program and its cases.
        statements: where the mistakes may be, in order of execution.
        goal: what is wanted.
    """
    until = _thread_time() + SECONDS
    firsts = [(one, place) for place, statement in enumerate(statements) for one in _first(job, statement)]
    firsts.sort(key=lambda pair: pair[0].cost)
    best: tuple[float, Mended, Mended] | None = None
    for both in BOTH:
        for first, place in firsts:
            most = min(CHEAP, (both if best is None else best[0]) - first.cost)
            if _thread_time() > until or job.late() or most < LEAST:
                break
            code = _edited(job.program, first)
            if code is None:
                continue
            rest = {s.number for s in statements[place:]}
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


def _first(job: SearchJob, statement: Statement) -> Iterator[Mended]:
    """Yield the cheap edits of a statement that do different things, without asking whether they help."""
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
                yield Mended(statement, root, edit, *position, edit.cost)


def _edited(program: StudentCode, mended: Mended) -> StudentCode | None:
    text = program.text.edited(mended.start, mended.end, mended.new)
    try:
        return StudentCode(text, program.module, program.name, program.file)
    except (SyntaxError, ValueError):
        return None
