"""Which of several lines a mistake is of, where an edit of either mends the same; and when there is no doubt."""

from __future__ import annotations

import ast
import re

from micrograd.marker.diagnosis.examination import Examination, fits
from micrograd.marker.gradient_names import meanings
from micrograd.marker.repair.node_edits import Change, Edit
from micrograd.marker.repair.patch import Patch
from micrograd.marker.repair.search import TIERS, Goal, Mended, SearchJob, search
from micrograd.marker.student.recording import record
from micrograd.marker.student.statements import Statement, Text, path_of

__all__ = ["as_named", "behind", "elsewhere", "firm", "likelier", "told_apart", "unvouched"]


def elsewhere(now: Examination, mended: Mended, job: SearchJob) -> Mended | None:
    """Return an edit as small, of a line that reads this one or is read by it, that mends the same.

    Which of the two is the mistake, no number can say; a name can, where it is a gradient's.
    """
    number, recording = mended.statement.number, now.recordings[0]
    if not mended.wanted or not isinstance(mended.edit, Edit) or recording.error is not None:
        return None
    if _named_and_vouched(now, number):
        return None
    wrote = recording.of(number)
    reads = {name for event in wrote[-1:] for name in event.reads}
    readers = {e.statement.number for e in recording.events if any(w in wrote for w in e.reads.values())}
    near = [job.program.statements[n] for n in sorted({*readers, *now.doubtful(number, reads)} - {number})]
    order = [
        (s, root, 0.0) for s in near if not now.settled(s.number) and not now.before_loss(s.number)
        for root in s.roots if s.targets or not path_of(root.expr)
    ]  # fmt: skip
    goal = Goal(tuple(now.states), mended.wanted)
    drops = len(mended.new) < mended.end - mended.start  # what is too much is seldom made good elsewhere
    found = search(job, order, goal, (mended.edit.cost + (0.3 if drops else 1.2),)) if order else []
    return next((one for one in found if as_named(now, one)), None)


def _named_and_vouched(now: Examination, number: int) -> bool:
    """Return whether a line does not hold the gradient that its name says, though all that it reads is right."""
    status = now.status(number)
    meant = status.expected[0] if status.state == "suspect" else None
    return meant is not None and now.quantities[0].names(meant, status.name) and now.vouched(number)


def told_apart(now: Examination, first: Mended, second: Mended, job: SearchJob) -> bool:
    """Return whether no edit of the second line, instead of the first edit, reaches the same beside the second."""
    number = second.statement.number
    if first.statement.number == number or not second.wanted or _named_and_vouched(now, first.statement.number):
        return True
    alone = Patch().then(first.start, first.end, first.new)
    both = alone.then(second.start, second.end, second.new)
    later = next((piece for piece in both.pieces if piece not in alone.pieces), None)
    code = None if later is None else now.program.of_text(now.program.text.edited(later.start, later.end, later.new))
    if code is None:
        return True
    recordings = [record(code, now.cases[0].call, scopes={number})]
    then = SearchJob(code, now.cases, recordings, job.fresh, job.deadline)
    order = [(code.statements[number], root, 0.0) for root in code.statements[number].roots]
    goal = Goal(tuple(now.states), second.wanted)
    return not search(then, order, goal, (first.cost + 0.6,))


def likelier(text: Text, one: Mended, other: Mended) -> bool:
    """Return whether a line is rather the mistake than another: it is called a gradient, the first of two.

    What is put in is a factor then: a comparison or a sum belongs where it is made.
    """
    old = text.source[one.start : one.end]
    grown = len(_MADE.findall(one.new)) - len(_MADE.findall(old))
    if one.cost > other.cost + 0.3 or grown > 0 or one.edit.tag == "term":
        return False
    named = [any(meanings(name) for name in mended.statement.names) for mended in (one, other)]
    return named[0] and (not named[1] or one.statement.number < other.statement.number)


def as_named(now: Examination, mended: Mended) -> bool:
    """Return whether a line holds, with an edit, what its name says; or its name says nothing."""
    status, number = now.status(mended.statement.number), mended.statement.number
    told = status.state in ("suspect", "right") and status.expected and not mended.statement.looped
    meant = status.expected[0] if told else None
    if meant is None or not now.quantities[0].names(meant, status.name):
        return True
    code = mended.applied(now.program)
    events = [] if code is None else record(code, now.cases[0].call).of(number)
    value = events[-1].writes.get(status.name) if events else meant.value
    return fits(value, meant.value) or bool(now.quantities[0].equal_to(value, ("grad", "edge")))


def unvouched(now: Examination, number: int) -> Statement | None:
    """Return the first line that nothing vouches for on the way to one; None where there is none before it."""
    if now.vouched(number) or now.recordings[0].error is not None or now.program.statements[number].looped:
        return None
    good = now.good()
    doubtful = (n for n in now.ancestors(number) if n not in good and not now.settled(n))
    above = [now.program.statements[n] for n in doubtful]
    above = [s for s in above if s.roots and s.targets and not s.looped and s.number not in now.forward_part]
    return next((s for s in above if not now.wrote_zeros(s)), None)


def behind(now: Examination, number: int, job: SearchJob) -> Mended | None:
    """Return the edit of a line that adds or subtracts minus a gradient, where that line alone is the mistake."""
    status, recording = now.status(number), now.recordings[0]
    if not now.negative(number) or status.expected[0] is None or status.expected[0].kind != "grad":
        return None
    made = recording.of(number)
    readers = {e.statement.number: e.statement for e in recording.events if e.reads.get(status.name) in made}
    order = [(s, root, 0.0) for s in readers.values() for root in s.roots if _adds(root.expr, status.name)]
    goal = Goal(tuple(now.states), frozenset(p for p in now.wrong if number in now.statements_of(p)))
    return next(iter(search(job, order, goal, TIERS[:3]) if goal.wanted else ()), None)


def firm(now: Examination, mended: Mended, job: SearchJob) -> bool:
    """Return whether an edit that mends can only be of its line.

    What is put to a value as a whole may be missing where that value was made, or in a line behind.
    """
    edit, statement = mended.edit, mended.statement
    if isinstance(edit, Change):
        return now.program.text.source[mended.start : mended.end] not in ("", "pass")
    status, old = now.status(statement.number), now.program.text.of(edit.node)
    if mended.wanted == now.wrong and not as_named(now, mended):
        return False
    around = (n for n in ast.walk(now.program.tree) if isinstance(n, ast.FunctionDef) and _holds(n, statement.node))
    if any(isinstance(n, ast.Pass) for function in around for n in ast.walk(function)):
        return False  # what is missing may belong there
    reads = {name for event in now.recordings[0].of(statement.number)[-1:] for name in event.reads}
    if any(now.program.statements[n].in_place for n in now.doubtful(statement.number, reads)):
        return False  # what it reads was right before it was changed
    moved = edit.tag == "keepdims" and "reshape" in edit.new
    added = (
        len(edit.new) > len(old) and old in edit.new and (moved or edit.tag not in ("transpose", "keepdims", "copy"))
    )
    if edit.tag == "negate" and edit.new in old:  # or the minus belongs where the value was made
        return not now.doubtful(statement.number, {edit.new})
    if not added or mended.root is None or mended.root.role != "value":
        return True
    if edit.node is not mended.root.expr or not statement.targets:
        above = now.doubtful(statement.number, {path_of(edit.node)})
        return all(now.status(number).state == "size" for number in above)
    if edit.tag == "negate":
        other = behind(now, statement.number, job)
        if other is not None and other.edit.tag == "operator":  # dx = dxc + dmu / N for -, or dmu for -dmu
            return False
    if status.state == "suspect" and status.expected[0] is not None:
        return now.quantities[0].names(status.expected[0], status.name) and now.vouched(statement.number)
    return not now.goes_on(statement, status.name)


_MADE = re.compile(r"[\w.]+\(|[<>~]|==")  # a call or a comparison


def _adds(expr: ast.expr, name: str) -> bool:
    """Return whether a sum or a difference has a product of a variable as its second term."""
    sums = (n for n in ast.walk(expr) if isinstance(n, ast.BinOp) and isinstance(n.op, (ast.Add, ast.Sub)))
    return any(name in re.findall(r"[A-Za-z_]\w*", ast.unparse(node.right)) for node in sums)


def _holds(function: ast.FunctionDef, node: ast.stmt) -> bool:
    return function.lineno <= node.lineno <= (function.end_lineno or 0)
