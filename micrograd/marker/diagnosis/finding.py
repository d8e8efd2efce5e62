"""Write down the finding for a mistake at a statement: what stands there, what should, the kind, the smallest range."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.marker.diagnosis.examination import Examination, Status
from micrograd.marker.diagnosis.kinds import Evidence, classified
from micrograd.marker.gradient_names import meanings
from micrograd.marker.messages import problem
from micrograd.marker.repair.node_edits import REDUCTIONS, Change, Edit, called
from micrograd.marker.repair.patch import Patch, Piece
from micrograd.marker.repair.search import Bench, Mended, States, outcome
from micrograd.marker.report import Finding, Fix, Span, shown
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import record, scope_in
from micrograd.marker.student.statements import Root, Statement, Text, path_of
from micrograd.marker.truth.cases import MISSING, Case, with_statistics_fixed

__all__ = ["Found", "Proof", "Suspicion", "found_at"]


@dataclass(slots=True)
class Suspicion:
    """A statement that is held to be wrong, and what it should have written, per case."""

    statement: Statement
    status: Status
    values: list[Any]
    fixed: frozenset[int]


def found_at(
    now: Examination,
    statement: Statement,
    root: Root | None,
    mended: Mended | None,
    suspicion: Suspicion | None,
) -> Finding:
    """Return the finding for a mistake at a statement."""
    text = now.program.text
    evidence, target = _evidence(now, statement, root, mended, suspicion)
    kind = classified(evidence)
    if mended is not None:
        span = text.between(mended.start, mended.end)
        fix: Fix | None = Fix(span, text.source[mended.start : mended.end], mended.new, mended.probes)
        span = _caret(text, mended)
    else:
        span, fix = text.span(root.expr if root is not None else statement.node), None
    means, edge = kind.means, kind.edge
    quantity = None
    if suspicion is not None and suspicion.statement is statement and suspicion.status.expected:
        quantity = suspicion.status.expected[0]
    if quantity is None and evidence.wanted and evidence.wanted[0] is not None:
        equal = now.quantities[0].equal_to(evidence.wanted[0], ("grad", "edge"))
        quantity = equal[0] if equal else None
    if quantity is not None:
        means, edge = means or quantity.label, edge or quantity.edge
    if root is not None and root.role in ("index", "loop"):  # of an index no value is looked at
        evidence.wanted, evidence.got = [], []
    severity = "wrong" if now.wrong else "shape"
    at = span if mended is not None and isinstance(mended.edit, Change) else text.span(statement.node)
    return Finding(
        severity, kind.name, span, text.whole_lines(at), target, means, edge,
        shown(evidence.wanted[0]) if evidence.wanted and evidence.wanted[0] is not None else None,
        shown(evidence.got[0]) if evidence.got and evidence.got[0] is not None else None,
        kind.ratio, fix, _reason(mended), of_part=kind.of_part,
    )  # fmt: skip


def _reason(mended: Mended | None) -> str:
    """Return which name holds what, where a cache is unpacked in another order."""
    if mended is None or mended.edit.tag != "unpacked":
        return ""
    name, _, other = mended.edit.detail.partition("=")
    return problem("unpacked", name=name, other=other)


def _caret(text: Text, mended: Mended) -> Span:
    """Return the smallest range that the mistake is in."""
    edit = mended.edit
    if not isinstance(edit, Edit) or edit.token is not None:
        return text.between(mended.start, mended.end)
    old = text.source[mended.start : mended.end]
    if "\n" not in old:
        return text.span(edit.node)
    same = _alike(old, mended.new)
    tail = _alike(old[same:][::-1], mended.new[same:][::-1])
    start, end = mended.start + same, mended.end - tail
    if end <= start:  # something is missing there
        start, end = max(mended.start, start - 1), min(mended.end, start + 1)
    while start < end and text.source[start].isspace():
        start += 1
    return text.between(start, max(start, end))


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts have in common where they begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _evidence(
    now: Examination,
    statement: Statement,
    root: Root | None,
    mended: Mended | None,
    suspicion: Suspicion | None,
) -> tuple[Evidence, str]:
    """Got and wanted on every case, with the variables there."""
    scopes: list[Mapping[str, Any]] = []
    for case in now.cases:
        events = record(now.program, case.call, scopes={statement.number}).of(statement.number)
        scopes.append(scope_in(events) or {})
    target = root.name if root is not None and root.name else (statement.names[0] if statement.names else "")
    made = Evidence([], [], scopes, now.quantities, edit=mended.edit if mended else None)
    inside = [n for one in statement.roots for n in ast.walk(one.expr)]
    made.reduces = any(isinstance(n, ast.Call) and called(n.func) in REDUCTIONS for n in inside)
    made.cuts = any(isinstance(n, ast.Subscript) for n in inside)
    made.frozen = [with_statistics_fixed(case) for case in now.cases]
    if mended is not None and root is not None and isinstance(mended.edit, Edit):
        for scope_names in scopes:
            scope = now.program.scope(scope_names)
            bench = Bench(now.program, now.cases[0], statement, root, [scope], 1)
            values = bench.values(mended.edit)
            made.got.append(bench.original[0])
            made.wanted.append(values[0] if values else None)
            made.inner_got.append(scope.value(mended.edit.node))
            made.inner_wanted.append(scope.value_of(mended.edit.new.strip()))
        _by_upstream(now, made, statement, root, mended.edit)
        made.within = _within(root, mended.edit.node)
        made.read = frozenset(n.id for n in ast.walk(root.expr) if isinstance(n, ast.Name))
    elif suspicion is not None and suspicion.values:
        got = now.written(statement.number, suspicion.status.name)
        pairs = [(g, w) for g, w in zip(got, suspicion.values, strict=True) if g is not MISSING and w is not None]
        made.got, made.wanted = [g for g, _ in pairs], [w for _, w in pairs]
        if len(pairs) < len(got):  # what is compared with the variables of the cases must be as long as they are
            made.got, made.wanted = made.got[:0], made.wanted[:0]
        target = suspicion.status.name
        _by_upstream_alone(now, made, statement, target)
    elif statement.names:
        made.got = [None if v is MISSING else v for v in now.written(statement.number, statement.names[0])]
    return made, target


def _by_upstream(now: Examination, made: Evidence, statement: Statement, root: Root, edit: Edit) -> None:
    """What doubles with the upstream gradient is a gradient; what should and does not gives itself away."""
    case = now.cases[0]
    if not any(a.origin == "upstream" for a in case.task.call.arguments):
        names = {n.id for n in ast.walk(edit.node) if isinstance(n, ast.Name)} | set(
            re.findall(r"[A-Za-z_]\w*", edit.detail)
        )
        made.gradient = any(meanings(name) for name in names)
        return
    twice = replace(case, upstream=tuple(np.multiply(2.0, g) for g in case.upstream))
    found = []
    for one in (case, twice):
        events = record(now.program, one.call, scopes={statement.number}).of(statement.number)
        names_then = scope_in(events)
        if names_then is None:
            return
        scope = now.program.scope(names_then)
        bench = Bench(now.program, one, statement, root, [scope], 1)
        values = bench.values(edit)
        inner = scope.value(edit.node)
        detail = scope.value_of(edit.detail.strip()) if edit.detail else None
        found.append((bench.original[0], values[0] if values else None, inner, detail))
    (got, wanted, inner, detail), (got2, wanted2, inner2, detail2) = found
    several = isinstance(wanted, np.ndarray) and wanted.size > 1
    made.nonlinear = several and got is not None and _doubles(wanted, wanted2) and not _doubles(got, got2)
    came = detail is not None and isinstance(detail, (np.ndarray, float))
    made.gradient = _doubles(detail, detail2) if came else _doubles(inner, inner2)


def _by_upstream_alone(now: Examination, made: Evidence, statement: Statement, target: str) -> None:
    """The same where there is no edit: whether what was written doubles with the upstream gradient."""
    case = now.cases[0]
    if not made.wanted or not any(a.origin == "upstream" for a in case.task.call.arguments):
        return
    twice = replace(case, upstream=tuple(np.multiply(2.0, g) for g in case.upstream))
    events = [e for e in record(now.program, twice.call).of(statement.number) if target in e.writes]
    if events and np.size(made.got[0]) > 1 and np.any(made.wanted[0]):
        made.nonlinear = not _doubles(made.got[0], events[-1].writes[target])


def _doubles(one: Any, two: Any) -> bool:
    """Return whether the second value is twice the first."""
    try:
        return bool(np.any(one)) and bool(np.allclose(np.multiply(2.0, one), two, rtol=1e-8, atol=0, equal_nan=True))
    except (TypeError, ValueError):
        return False


def _within(root: Root, node: ast.expr) -> frozenset[str]:
    """Return what a part of an expression stands in: an exponent, a comparison, a choice, the index of a shape."""
    found = {"choice"} if root.role in ("index", "test") else set[str]()
    for n in ast.walk(root.expr):
        match n:
            case ast.BinOp(op=ast.Pow(), right=part) | ast.Call(func=ast.Attribute(attr="power"), args=[_, part]):
                what = "exponent"
            case ast.Compare() as part:
                what = "comparison"
            case ast.Subscript(value=value, slice=part):
                what = "shape" if path_of(value).endswith("shape") else "choice"
            case ast.IfExp(test=part) | ast.Call(func=ast.Attribute(attr="where"), args=[part, *_]):
                what = "choice"
            case _:
                continue
        if any(inner is node for inner in ast.walk(part)):
            found.add(what)
    return frozenset(found)


# ---- the proof ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A finding with what is needed to prove it.

    Attributes:
        finding: in the places of the student's own text.
        piece: its edit of that text; None where there is none.
        above: the lines that its statement depends on.
        vouched: whether everything that its statement reads was known to be right when it was found.
        raises: whether the code stopped at it.
    """

    finding: Finding
    piece: Piece | None
    above: frozenset[int]
    vouched: bool
    raises: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What the student's text does with edits of it.

    Attributes:
        program: the text as it was handed in.
        cases: the probes.
        fresh: makes other probes.
        seen: what was run already, by the edits.
    """

    program: StudentCode
    cases: Sequence[Case]
    fresh: Callable[[], Sequence[Case]]
    seen: dict[tuple[Piece, ...], list[States | None]] = field(default_factory=dict, compare=False)

    def states(self, pieces: Iterable[Piece | None]) -> list[States | None]:
        """Return the states of the gradients with some edits, on old and fresh probes."""
        patch = Patch.of(piece for piece in pieces if piece is not None)
        if patch.pieces not in self.seen:
            program = self.program.of_text(patch.applied(self.program.text.source))
            runs = () if program is None else [(case, program.plain()) for case in (*self.cases, *self.fresh())]
            self.seen[patch.pieces] = [outcome(case, run, kept=True) for case, run in runs] or [None]
        return self.seen[patch.pieces]

    def right(self, pieces: Iterable[Piece | None]) -> list[bool]:
        """Return which gradients are right with some edits, on every probe."""
        states = self.states(pieces)
        return [all(s is not None and s[p] == "right" for s in states) for p in range(len(self.cases[0].expected))]

    def mends(self, pieces: Iterable[Piece | None]) -> bool:
        """Return whether all gradients are right with some edits."""
        return all(self.right(pieces))

    def needed(self, found: Sequence[Found]) -> list[Found]:
        """Return the fewest findings whose edits mend it all, or those whose edits were seen to help."""
        fixed = [one for one in found if one.piece is not None]
        if fixed and self.mends(one.piece for one in fixed):
            return next(
                [*some] for count in range(1, len(fixed) + 1) for some in itertools.combinations(fixed, count)
                if count == len(fixed) or self.mends(one.piece for one in some)
            )  # fmt: skip
        kept, lost, pieces, before = list[Found](), set[int](), list[Piece | None](), self.right([])
        for one in found:
            other = replace(one, vouched=one.vouched and not one.above & lost)
            if one.piece is not None:
                now = self.right([*pieces, one.piece])
                if other.vouched or any(good and not then for good, then in zip(now, before, strict=True)):
                    pieces.append(one.piece)
                    before = now
                else:
                    lost.add(one.finding.span.line)
                    other = replace(other, piece=None, finding=replace(one.finding, fix=None, sure=False))
            kept.append(other)
        return kept

    def told(self, found: Sequence[Found]) -> list[Finding]:
        """Return the findings with nothing said of them that was not seen, and of mere doubts the first."""
        found = self.needed(sorted(found, key=lambda one: (one.finding.span.line, one.finding.span.column)))
        names = [f"d{name.rpartition('.')[2]}" for _, name in self.cases[0].task.call.results]
        made, pieces, text = list[Finding](), list[Piece | None](), self.program.text
        for one in found:
            finding, lines = one.finding, {other.finding.span.line for other in found if other is not one}
            plain = finding.kind in ("missing_result", "return_order", "call_error") or one.raises
            if one.vouched and finding.kind != "missing_result":
                finding = replace(finding, reads="mended" if one.above & lines else "right")
            if one.piece is not None and finding.fix is not None:
                pieces.append(one.piece)
                right = self.right(pieces)
                fix = replace(
                    finding.fix, span=text.between(one.piece.start, one.piece.end),
                    old=text.source[one.piece.start : one.piece.end], new=one.piece.new, probes=len(self.fresh()),
                    whole=all(right), alone=len(pieces) == 1,
                    right=tuple(name for name, good in zip(names, right, strict=True) if good),
                    wrong=tuple(name for name, good in zip(names, right, strict=True) if not good),
                )  # fmt: skip
                finding = replace(finding, fix=fix)
            sure = plain or (finding.sure and (one.vouched or one.piece is not None))
            if sure or one.piece is not None or all(other.sure for other in made):
                made.append(replace(finding, sure=sure))
        return made
