"""The search for an edit after which more entries of a gradient are right: of mistakes that meet in one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.marker.repair.search import Bench, Mended, SearchJob
from micrograd.marker.repair.two_edits import cheap_edits, thread_time
from micrograd.marker.student.statements import Statement
from micrograd.marker.truth.cases import Case

__all__ = ["more_right"]

LEAST = 0.03  # of the entries that are wrong so many must become right: a few may by chance
SECONDS = 2.0  # of work


def more_right(job: SearchJob, statements: Sequence[Statement]) -> Mended | None:
    """Return the edit that makes most entries right, and none wrong, on every case; None where there is none.

    The gates of a recurrent cell stand side by side in the gradient of its weights: a mistake in one of them is seen
    beside a mistake in another.
    """
    until = thread_time() + SECONDS
    before = right_entries(job.cases[0], lambda case: case.call(job.program.plain()))
    if before is None or not before.any():
        return None  # no array has a part of its own
    found: list[tuple[float, Mended]] = []
    for statement in statements:
        for one, bench, value in cheap_edits(job, statement):
            if thread_time() > until or job.late():
                break
            if bench.single:
                after = right_entries(job.cases[0], _returning(bench, value))
            else:
                function = job.variant(one)
                after = None if function is None else right_entries(job.cases[0], _calling(function))
            if (gained := _gained(before, after)) > 0:
                found.append((gained - 0.05 * one.cost, one))
    for _, one in sorted(found, key=lambda pair: -pair[0])[:4]:
        function = job.variant(one)
        fresh = job.fresh()
        if function is not None and all(_helps(job, function, case) for case in (*job.cases, *fresh)):
            return replace(one, probes=len(fresh))
    return None


def right_entries(case: Case, run: Callable[[Case], Any]) -> Any | None:
    """Return which entries of the gradients are right, all in a row; None where it raises or a size is wrong."""
    made = []
    try:
        for got, wanted, scale in zip(case.gradients_in(run(case)), case.expected, case.scales, strict=True):
            if np.size(got) != np.size(wanted):
                return None
            with np.errstate(all="ignore"):
                made.append(np.abs(np.ravel(np.asarray(got, float)) - np.ravel(wanted)) <= case.relative * scale)
    except Exception:  # noqa: BLE001 - an edited line may raise anything
        return None
    return np.concatenate(made)


def _returning(bench: Bench, value: Any) -> Callable[[Case], Any]:
    return lambda _: bench.returned(value)


def _calling(function: Callable[..., Any]) -> Callable[[Case], Any]:
    return lambda case: case.call(function)


def _gained(before: Any, after: Any | None) -> float:
    """Return the share of the wrong entries that have become right; 0 where a right one has become wrong."""
    if after is None or before.shape != after.shape or (before & ~after).any():
        return 0.0
    share = float((after & ~before).sum() / max(1, (~before).sum()))
    return share if share >= LEAST else 0.0


def _helps(job: SearchJob, function: Callable[..., Any], case: Case) -> bool:
    before = right_entries(case, _calling(job.program.plain()))
    return before is not None and _gained(before, right_entries(case, _calling(function))) > 0
