"""From a wrong gradient to the first wrong line, its class and its fix; then on, with that mended, to the next."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.marker.diagnosis.examination import (
    Examination,
    Status,
    absent,
    fits,
    lacking,
    last_return,
    missing,
    permuted,
)  # fmt: skip
from micrograd.marker.diagnosis.kinds import Evidence, classified
from micrograd.marker.gradient_names import meanings
from micrograd.marker.repair.node_edits import Edit
from micrograd.marker.repair.search import TIERS, Bench, Goal, Mended, SearchJob, as_call, search
from micrograd.marker.repair.synthesis import can_mend, required, written
from micrograd.marker.report import Finding, Fix, Span, shown
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import record, scope_in
from micrograd.marker.student.statements import Root, Statement, Text, path_of
from micrograd.marker.truth.alignment import Quantities
from micrograd.marker.truth.cases import MISSING, Case, with_statistics_fixed

__all__ = ["Diagnoser", "Suspicion", "found_at"]


# ---- what is written down -----------------------------------------------------------------------------------


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
    severity = "wrong" if now.wrong else "shape"
    return Finding(
        severity, kind.name, span, text.whole_lines(text.span(statement.node)), target, means, edge,
        shown(evidence.wanted[0]) if evidence.wanted and evidence.wanted[0] is not None else None,
        shown(evidence.got[0]) if evidence.got and evidence.got[0] is not None else None,
        kind.ratio, fix,
    )  # fmt: skip


def _caret(text: Text, mended: Mended) -> Span:
    """Return the smallest range that the mistake is in."""
    edit = mended.edit
    if not isinstance(edit, Edit) or edit.token is not None:
        return text.between(mended.start, mended.end)
    old = text.source[mended.start : mended.end]
    if "\n" not in old:
        return text.span(edit.node)
    same = 0
    while same < min(len(old), len(mended.new)) and old[same] == mended.new[same]:
        same += 1
    tail = 0
    while tail < min(len(old), len(mended.new)) - same and old[-1 - tail] == mended.new[-1 - tail]:
        tail += 1
    start, end = mended.start + same, mended.end - tail
    if end <= start:  # something is missing there
        start, end = max(mended.start, start - 1), min(mended.end, start + 1)
    while start < end and text.source[start].isspace():
        start += 1
    return text.between(start, max(start, end))


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
        made.in_exponent = _in_exponent(root.expr, mended.edit)
        made.read = frozenset(n.id for n in ast.walk(root.expr) if isinstance(n, ast.Name))
    elif suspicion is not None and suspicion.values:
        got = now.written(statement.number, suspicion.status.name)
        pairs = [(g, w) for g, w in zip(got, suspicion.values, strict=True) if g is not MISSING and w is not None]
        made.got, made.wanted = [g for g, _ in pairs], [w for _, w in pairs]
        if len(pairs) < len(got):  # what is compared with the variables of the cases must be as long as they are
            made.got, made.wanted = made.got[:0], made.wanted[:0]
        target = suspicion.status.name
        _by_upstream_alone(now, made, statement, target)
    elif mended is not None and statement.names:
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
    several = wanted is not None and np.size(wanted) > 1
    made.nonlinear = several and _doubles(wanted, wanted2) and not _doubles(got, got2)
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


def _in_exponent(root: ast.expr, edit: Edit) -> bool:
    """Return whether what is exchanged stands in an exponent."""
    for node in ast.walk(root):
        match node:
            case (
                ast.BinOp(op=ast.Pow(), right=exponent) | ast.Call(func=ast.Attribute(attr="power"), args=[_, exponent])
            ):
                if any(inner is edit.node for inner in ast.walk(exponent)):
                    return True
    return False


# ---- the way from one mistake to the next -------------------------------------------------------------------


MOST_FINDINGS = 6
_PENALTIES = {
    "suspect": 0.0, "unknown": 0.1, "misshapen": 0.1, "size": 0.3, "known": 0.3, "right": 2.0, "outside": 0.6,
    "odd": -0.8,
}  # fmt: skip


@dataclass(slots=True)
class Diagnoser:
    """Finds the mistakes of one backward, one after the other.

    Attributes:
        program: the student's text; mended as mistakes are found.
        cases: the probes.
        quantities: what the engine knows of each.
        fresh: makes other probes to verify fixes on.
        deadline: when to stop searching, by `time.perf_counter`.
    """

    program: StudentCode
    cases: Sequence[Case]
    quantities: Sequence[Quantities]
    fresh: Callable[[], Sequence[Case]]
    deadline: float
    findings: list[Finding] = field(default_factory=list)
    shift: list[tuple[int, int]] = field(default_factory=list)
    given_up: set[int] = field(default_factory=set)
    done: bool = False  # whether the last fix makes all gradients right

    def run(self) -> list[Finding]:
        """Return all mistakes that are found, in the order of the student's lines."""
        while len(self.findings) < MOST_FINDINGS:
            now = Examination(self.program, self.cases, self.quantities)
            wrong = now.wrong - self.given_up
            if not wrong:
                wrong = now.misshapen - self.given_up
            if not wrong:
                break
            if not self.one(now, wrong) or self.done:
                break
        return sorted(self.findings, key=lambda f: (f.span.line, f.span.column))

    # ---- one mistake ---------------------------------------------------------------------------------

    def one(self, now: Examination, wrong: frozenset[int]) -> bool:
        """Find one mistake and mend it, or give its gradients up. Return whether to go on."""
        job = SearchJob(self.program, self.cases, now.recordings, self.fresh, self.deadline)
        lost = absent(now, wrong)
        statement = last_return(now) if lost else None
        if statement is not None and missing(now, wrong, job) is None:
            self.add(lacking(now, statement, lost))
            self.given_up |= lost
            return True
        mended, suspicion = self.located(now, wrong, job)
        if mended is not None:
            self.add(found_at(now, mended.statement, mended.root, mended, suspicion))
            self.apply(mended)
            self.done = mended.wanted == now.wrong | now.misshapen
            return True
        if suspicion is None:
            suspicion = self.fallback(now, wrong)
        if suspicion is None:
            return False
        root = suspicion.statement.roots[0] if suspicion.statement.roots else None
        self.add(found_at(now, suspicion.statement, root, None, suspicion))
        affected = frozenset(p for p in wrong if suspicion.statement.number in now.statements_of(p))
        self.given_up |= affected or wrong
        return True

    def located(
        self, now: Examination, wrong: frozenset[int], job: SearchJob
    ) -> tuple[Mended | None, Suspicion | None]:
        """Return the edit that mends it, and the statement under suspicion, as far as either is found."""
        order, slices = self.candidates(now, wrong)
        returned = missing(now, wrong, job) or permuted(now, wrong, job)
        if returned is not None:
            return returned, None
        suspicion = self.suspected(now, wrong, order)
        if suspicion is None or suspicion.fixed != wrong:
            suspicion = self.solvable(now, wrong, order, job, sure=True) or suspicion
        if len(wrong) > 1 and (suspicion is None or suspicion.fixed != wrong):
            common = set.intersection(*slices.values())
            shared = [n for n in order if n in common or now.recordings[0].error is not None]
            rest = self.pruned(self.weighed(now, shared, {}), wrong, job)
            found = search(job, rest, Goal(tuple(now.states), wrong), TIERS[:3])
            if found:
                return found[0], suspicion if suspicion and suspicion.statement is found[0].statement else None
        if (
            suspicion is not None and suspicion.fixed
        ):  # what follows that line is right: it is the line, or what it reads
            number = suspicion.statement.number
            before = self.ancestors(now, number)
            goal = Goal(tuple(now.states), suspicion.fixed)
            weighed = self.pruned(self.weighed(now, [number, *before], {number: 0.0}), suspicion.fixed, job)
            found = search(job, weighed, goal, extra=self.writer(suspicion))
            if found:
                return found[0], suspicion
            doubtful = [n for n in before if now.status(n).state in ("suspect", "unknown", "odd", "misshapen")]
            if not doubtful or job.late():
                return None, suspicion
            return None, self.solvable(now, wrong, [*doubtful, number], job) or suspicion
        for wanted in self.aims(wrong, slices):
            rest = self.pruned(self.weighed(now, order, {}), wanted, job)
            found = search(job, rest, Goal(tuple(now.states), wanted), extra=self.writer(suspicion))
            if found:
                return found[0], suspicion if suspicion and suspicion.statement is found[0].statement else None
            if job.late():
                break
        return None, self.solvable(now, wrong, order, job) or suspicion

    def ancestors(self, now: Examination, number: int) -> list[int]:
        """Return what a statement depends on, in order of execution."""
        found: set[int] = set()
        for recording in now.recordings:
            found |= recording.slice_of(recording.of(number)[-1:])
        return [n for n in now.order() if n in found and n != number]

    def writer(self, suspicion: Suspicion | None) -> Callable[[Bench], Sequence[Edit]]:
        """Return edits that write what an expression should be worth."""

        def write(bench: Bench) -> Sequence[Edit]:
            wanted = None
            statement = bench.statement
            if suspicion is not None and suspicion.statement is statement and suspicion.values:
                if isinstance(statement.node, ast.Assign) and not any(t.item for t in statement.targets):
                    wanted = suspicion.values[0]
                elif isinstance(statement.node, ast.AugAssign) and bench.single and not statement.targets[0].item:
                    wanted = _increment(
                        statement.node.op, bench.scopes[0].names.get(bench.root.name), suspicion.values[0]
                    )
            if wanted is None:
                wanted = self.item_wanted(bench)
            if wanted is None:
                wanted = required(bench)
            if wanted is None:
                return ()
            nodes = [s.node for s in self.program.statements if s.function == statement.function and s.targets]
            return written(bench, wanted, nodes, bench.root.name, self.program.loops_of(statement))

        return write

    def item_wanted(self, bench: Bench) -> Any | None:
        """Return what ``dx[n] = ...`` should write in its first round.

        Where it is known what dx should be at the end.
        """
        match bench.statement.node:
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=index)]) if (
                bench.root.role == "value"
            ):
                meant = self.quantities[0].meant_by(name, {})
                array = bench.scopes[0].names.get(name)
                if not meant or array is None or np.shape(meant[0].value) != np.shape(array):
                    return None
                try:
                    code = compile(ast.fix_missing_locations(ast.Expression(as_call(index))), "<index>", "eval")
                    return np.asarray(meant[0].value)[eval(code, bench.scopes[0].space)]  # noqa: S307 - the student's index
                except Exception:  # noqa: BLE001 - an index that is out of range, or no expression
                    return None
        return None

    def solvable(
        self, now: Examination, wrong: frozenset[int], order: Sequence[int], job: SearchJob, *, sure: bool = False
    ) -> Suspicion | None:
        """Return the first statement that another value would mend, if that value is one that the engine knows.

        If none is, the first one that another value would mend at all, unless only a `sure` one is asked for.
        """
        first: Suspicion | None = None
        for number in sorted(order, key=now.order().index):
            statement = self.program.statements[number]
            if statement.looped or len(statement.targets) != 1 or not statement.roots or job.late():
                continue
            if now.status(number).state in ("outside", "right", "size") or number in now.forward_part:
                continue
            bench = job.bench(statement, statement.roots[0])
            wanted = None if bench is None else required(bench)
            if bench is None or wanted is None or np.allclose(wanted, bench.original[0], rtol=1e-6, atol=1e-12):
                continue
            known = self.quantities[0].equal_to(wanted, ("grad", "edge"))
            if known or first is None:
                values = [wanted, *(self.solved_on(case, statement) for case in self.cases[1:])]
                made = Suspicion(
                    statement, Status("unknown", statement.names[0]), values, wrong if known else frozenset()
                )
                if known and all(value is not None for value in values):
                    return made
                first = first or made
        return None if sure else first

    def solved_on(self, case: Case, statement: Statement) -> Any | None:
        """Return what a statement should have written on another case; None where that cannot be known."""
        events = record(self.program, case.call, scopes={statement.number}).of(statement.number)
        names = scope_in(events)
        if names is None:
            return None
        scopes = [self.program.scope(names)]
        return required(Bench(self.program, case, statement, statement.roots[0], scopes, len(events)))

    def aims(self, wrong: frozenset[int], slices: Mapping[int, set[int]]) -> list[frozenset[int]]:
        """Return all wrong gradients at once; then each by itself, the one with the least code behind it first."""
        single = sorted(wrong, key=lambda position: len(slices[position]))
        return [wrong, *(frozenset([p]) for p in single)] if len(wrong) > 1 else [wrong]

    def candidates(self, now: Examination, wrong: frozenset[int]) -> tuple[list[int], dict[int, set[int]]]:
        """Return the statements that a wrong gradient depends on, in order of execution."""
        slices = {position: now.statements_of(position) for position in wrong}
        union: set[int] = set().union(*slices.values())
        if any(recording.error is not None for recording in now.recordings):
            union |= set(now.order())
        returns = {s.number for s in self.program.statements if isinstance(s.node, ast.Return)}
        return [number for number in now.order() if number in union or number in returns], slices

    def weighed(
        self, now: Examination, numbers: Sequence[int], fixed: Mapping[int, float]
    ) -> list[tuple[Statement, Root, float]]:
        """Statements with the expressions in them, and a penalty for each, the likeliest first."""
        good: set[int] = set()
        states = [s for s in now.states if s is not None]
        for position in range(len(states[0]) if states else 0):
            if all(s[position] == "right" for s in states):
                good |= now.statements_of(position)
        made = []
        for place, number in enumerate(numbers):
            state = now.status(number).state
            penalty = fixed.get(number, 0.0)
            if number not in fixed:
                penalty += _PENALTIES.get(state, 0.3)
                penalty += 0.7 if number in good else 0.0
                penalty += 0.003 * place
            statement = self.program.statements[number]
            made += [(statement, root, penalty) for root in statement.roots]
        return sorted(made, key=lambda entry: entry[2])

    def pruned(
        self, weighed: Sequence[tuple[Statement, Root, float]], wanted: frozenset[int], job: SearchJob
    ) -> list[tuple[Statement, Root, float]]:
        """Expressions that no other value of could mend it come later: only another shape might."""
        made = []
        for statement, root, penalty in weighed:
            bench = job.bench(statement, root) if penalty < 0.9 and not job.late() else None
            hopeless = bench is not None and can_mend(bench, sorted(wanted)) is False
            made.append((statement, root, penalty + 0.7 * hopeless))
        return sorted(made, key=lambda entry: entry[2])

    def suspected(self, now: Examination, wrong: frozenset[int], order: Sequence[int]) -> Suspicion | None:
        """Return the first statement whose name says what it should be, which is not, and which mends what follows."""
        partial: Suspicion | None = None
        tried = 0
        for number in order:
            status = now.status(number)
            if status.state != "suspect" or tried >= 12:
                continue
            statement = self.program.statements[number]
            for values in now.shapes_for(statement, status):
                tried += 1
                fixed = self.fixed_by(now, wrong, now.substituted(statement, status.name, values))
                if fixed:
                    return Suspicion(statement, status, values, fixed)
                open_to_it = partial is None and fixed is not None and now.reads_right(number)
                if open_to_it and self.helps(now, statement, status, values):
                    partial = Suspicion(statement, status, values, frozenset())
                    break
        return partial

    def fixed_by(
        self, now: Examination, wrong: frozenset[int], states: Sequence[tuple[str, ...] | None]
    ) -> frozenset[int] | None:
        """Return the wrong gradients that have become right on every case; None where a right one has become wrong."""
        if any(s is None for s in states):
            return None
        for before, after in zip(now.states, states, strict=True):
            for position, state in enumerate(after or ()):
                if before is not None and before[position] == "right" and state != "right":
                    return None
        return frozenset(p for p in wrong if all(s is not None and s[p] == "right" for s in states))

    def helps(self, now: Examination, statement: Statement, status: Status, values: Sequence[Any]) -> bool:
        """Return whether with the right value put in, more of the lines behind it are right."""
        before = after = 0
        case, quantities = self.cases[0], self.quantities[0]
        last = len(now.recordings[0].of(statement.number)) - 1
        put = {
            (statement.number, status.name): lambda old, n: (
                np.array(values[0]) if n == last and values[0] is not None else old
            )
        }
        with_it = record(self.program, case.call, replacements=put)
        for number in now.order():
            if number == statement.number or now.status(number).state != "suspect":
                continue
            before += 1
            name = now.status(number).name
            events = [e for e in with_it.of(number) if name in e.writes]
            wanted = now.status(number).expected[0]
            if not events or wanted is None:
                continue
            value = events[-1].writes[name]
            meant = quantities.meant_by(name, now.aliases[0])
            if any(fits(value, quantity.value) for quantity in meant):
                after += 1
        return after > 0

    def fallback(self, now: Examination, wrong: frozenset[int]) -> Suspicion | None:
        """Return where nothing mends it: the first line that is not known to be right and reads only what is."""
        order, _ = self.candidates(now, wrong)
        failed = now.recordings[0].error is not None and now.recordings[0].last
        if failed:
            return Suspicion(failed.statement, Status("unknown"), [], frozenset())
        usable = [self.program.statements[n] for n in order if self.program.statements[n].roots]
        usable = [s for s in usable if now.status(s.number).state not in ("outside", "right", "size")]
        usable = [s for s in usable if s.targets or any(_computes(root) for root in s.roots)]
        for wanted in ("suspect", "unknown", "known", "misshapen"):
            for statement in usable:
                if now.status(statement.number).state == wanted and now.reads_right(statement.number):
                    return Suspicion(statement, now.status(statement.number), [], frozenset())
        ends = usable or [self.program.statements[n] for n in order if self.program.statements[n].roots]
        return Suspicion(ends[-1], now.status(ends[-1].number), [], frozenset()) if ends else None

    # ---- going on ------------------------------------------------------------------------------------

    def apply(self, mended: Mended) -> None:
        """Put the fix into the text, and go on from there."""
        text = self.program.text
        source = text.edited(mended.start, mended.end, mended.new)
        lost = text.source[mended.start : mended.end].count("\n") - mended.new.count("\n")
        if lost:
            self.shift.append((text.place(mended.end)[0] - lost, lost))
        self.program = StudentCode(source, self.program.module, self.program.name, self.program.file)

    def add(self, finding: Finding) -> None:
        """Keep a finding, in the places of the student's own text."""
        fix = finding.fix and replace(finding.fix, span=self.original(finding.fix.span))
        self.findings.append(replace(finding, span=self.original(finding.span), fix=fix))

    def original(self, span: Span) -> Span:
        """Return a span of the mended text in the student's own."""
        line, end = span.line, span.end_line
        for at, lost in reversed(self.shift):
            line += lost if line > at else 0
            end += lost if end > at else 0
        return Span(line, span.column, end, span.end_column)


def _increment(op: ast.operator, before: Any, after: Any) -> Any | None:
    """Return what ``before += ...`` has to add."""
    if np.shape(before) != np.shape(after):
        return None
    with np.errstate(all="ignore"):
        match op:
            case ast.Add():
                return np.subtract(after, before)
            case ast.Sub():
                return np.subtract(before, after)
            case ast.Mult():
                return np.divide(after, before)
            case ast.Div():
                return np.divide(before, after)
    return None


def _computes(root: Root) -> bool:
    return not path_of(root.expr)
