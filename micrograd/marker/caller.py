"""Whether a backward leaves the gradient that it was given as it was: whoever calls it may still need that array."""

from __future__ import annotations

from micrograd.marker.cases import Case
from micrograd.marker.program import Program
from micrograd.marker.recording import duplicate, record, same_value
from micrograd.marker.report import Finding

__all__ = ["changed_upstream"]


def changed_upstream(program: Program, case: Case) -> list[Finding]:
    """A remark for each upstream gradient that the backward changes in place, at the first line that writes into it."""
    args, kwargs = case.arguments()
    places = args[1:] if case.task.receiver else args
    names = [argument.name for argument in case.task.call.arguments if not argument.keyword]
    given = {**dict(zip(names, places, strict=False)), **kwargs}
    upstream = [a.name for a in case.task.call.arguments if a.origin == "upstream" and a.name in given]
    before = {name: duplicate(given[name]) for name in upstream}
    try:
        case.call_with(program.plain(), args, kwargs)
    except Exception:  # noqa: BLE001 - told where it is diagnosed
        return []
    changed = [name for name in upstream if not same_value(before[name], given[name])]
    if not changed:
        return []
    events, found = record(program, case.call).events, []
    for name in changed:
        writers = [e for e in events if e.statement.in_place and (name in e.writes or name in e.aliases)]
        node = (writers or events)[0].statement.node
        span = program.text.span(node)
        found.append(Finding("harmless", "in_place", span, program.text.whole_lines(span), name))
    return found
