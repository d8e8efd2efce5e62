"""Whether a backward leaves what it was given as it was: whoever calls it may still need those arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from micrograd.marker.report import Finding, Span
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import Event, duplicate, record, same_value
from micrograd.marker.truth.cases import Case
from micrograd.pytree import paths

__all__ = ["changed_arguments"]


def changed_arguments(program: StudentCode, case: Case) -> list[Finding]:
    """Return a remark for each array of the arguments that the backward changes, at the first line that writes into it.

    An upstream gradient may be wanted by another branch, and a cache by a second call.
    """
    args, kwargs = case.arguments()
    places = args[1:] if case.task.receiver else args
    names = [argument.name for argument in case.task.call.arguments if not argument.keyword]
    given = {**dict(zip(names, places, strict=False)), **kwargs}
    before = duplicate(given)
    try:
        case.call_with(program.plain(), args, kwargs)
    except Exception:  # noqa: BLE001 - told where it is diagnosed
        return []
    changed = list(_changed(before, given))
    if not changed:
        return []
    events = record(program, case.call).events
    found: dict[tuple[Span, str], Finding] = {}
    for name, array in changed:
        written = _writer(events, name, array)
        if written is not None:
            event, target = written
            span = program.text.span(event.statement.node)
            remark = Finding("harmless", "in_place", span, program.text.whole_lines(span), target)
            found.setdefault((span, target), remark)
    return list(found.values())


def _changed(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the arrays that are not what they were: the parameter that they came in by, and what they hold now."""
    for name, value in before.items():
        for (_, old), (_, new) in zip(paths(value, name), paths(after[name], name), strict=False):
            if isinstance(old, np.ndarray) and not same_value(old, new):
                yield name, new


def _writer(events: Sequence[Event], name: str, array: Any) -> tuple[Event, str] | None:
    """Return the first statement that wrote into an array, and the student's name for it."""
    writers = [event for event in events if event.statement.in_place]
    for event in writers:
        if name in event.writes or name in event.aliases:
            return event, name
    held = [(event, target) for event in writers for target, value in event.writes.items() if same_value(value, array)]
    if not held:
        return None
    target = held[-1][1]
    return next((event, target) for event in writers if target in event.writes)
