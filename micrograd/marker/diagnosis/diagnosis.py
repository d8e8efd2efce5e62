"""From a wrong gradient to the first wrong line, its class and its fix; then on, with that mended, to the next.

The first quantity that its name gives away and that reads nothing doubtful is mended by itself: the backward up to that
line is a problem of its own, with one gradient to get right. So two mistakes on the way to one gradient are two.
"""

from __future__ import annotations

import ast
import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    unpacked,
)
from micrograd.marker.diagnosis.finding import Found, Proof, Suspicion, found_at
from micrograd.marker.diagnosis.which_line import (
    as_named,
    behind,
    elsewhere,
    firm,
    likelier,
    told_apart,
    unvouched,
)  # fmt: skip
from micrograd.marker.mistakes import BY_TAG
from micrograd.marker.repair.edits import changes_of
from micrograd.marker.repair.more_right import more_right
from micrograd.marker.repair.node_edits import Change, Edit
from micrograd.marker.repair.patch import Patch
from micrograd.marker.repair.search import TIERS, Bench, Goal, Mended, SearchJob, as_call, outcome, placed, search
from micrograd.marker.repair.synthesis import can_mend, required, written
from micrograd.marker.repair.two_edits import two_edits
from micrograd.marker.report import Finding, Fix, Span
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.statements import Root, Scope, Statement, path_of
from micrograd.marker.truth.alignment import Quantities
from micrograd.marker.truth.cases import Case, scale_of

__all__ = ["Diagnoser"]


MOST_FINDINGS = 6
MOST_OPEN = 8
ANEW = 3.1  # what an expression costs that is written anew, rather than edited
AS_MANY = 2  # more edits that a line written by the chain rule counts for: it may make good the mistakes of others
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
    found: list[Found] = field(default_factory=list)
    patch: Patch = field(default_factory=Patch)
    given_up: set[int] = field(default_factory=set)
    edits: int = 0  # how many were made of the text
    done: bool = False  # whether the last fix makes all gradients right
    stepwise: bool = True  # whether a quantity may be mended that makes no gradient right yet
    pairs: bool = False  # whether two edits that mend all are looked for first
    without: set[int] = field(default_factory=set)  # gradients that are not looked at
    known: dict[int, Quantities] = field(default_factory=dict)  # by probe
    first: StudentCode = field(init=False)
    proof: Proof = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.program
        self.proof = Proof(self.first, self.cases, self.fresh)
        self.known.update({id(case.probe): found for case, found in zip(self.cases, self.quantities, strict=True)})

    def run(self) -> list[Finding]:
        """Return all mistakes that are found, in the order of the student's lines."""
        self.walk()
        if self.edits > 1 and (other := self.reordered()) is not None:
            return self.proof.told(other.found)
        for other in [] if self.certain() else self.others():
            if time.perf_counter() > self.deadline:
                break
            other.walk()
            self.take(other)
        return self.proof.told(self.found)

    def others(self) -> Iterator[Diagnoser]:
        """Yield diagnoses that set out otherwise: from another size, without steps, with two edits at once."""
        for other in self.other_sizes():
            now = time.perf_counter()
            other.deadline = min(self.deadline, now + (self.deadline - now) / 3)
            yield other
        if not self.certain():
            yield from (replace(self.at_the_start(), stepwise=pairs, pairs=pairs) for pairs in (False, True))

    def at_the_start(self) -> Diagnoser:
        """Return a diagnosis of the text as it was handed in, with nothing found."""
        return replace(
            self, program=self.first, found=[], patch=Patch(), given_up=set(self.without), done=False, edits=0
        )

    def take(self, other: Diagnoser) -> None:
        """Put another diagnosis in place of this one, where it mends all with fewer edits."""
        if self.proof.mends(one.piece for one in other.found) and (
            other.edits < self.edits or not self.proof.mends(one.piece for one in self.found)
        ):
            self.found, self.edits = other.found, other.edits

    def other_sizes(self) -> Iterator[Diagnoser]:
        """Yield diagnoses that begin with another size: ``N, D = x.shape`` in another order, another index of it.

        A size by itself makes no gradient right where there are other mistakes; but none that is right wrong.
        """
        text, made = self.first.text, list[Mended]()
        for statement in self.first.statements:
            for change in changes_of(statement.node, text) if text.of(statement.node).endswith(".shape") else ():
                if change.tag == "unpack":
                    made.append(Mended(statement, None, change, change.start, change.end, change.new, change.cost))
            for root in statement.roots:
                match root.expr:
                    case ast.Subscript(ast.Attribute(attr="shape"), ast.Constant(0 | 1 as axis) as index):
                        edit = Edit(index, f"{1 - axis}", "index", 1.6)
                        made.append(Mended(statement, root, edit, *text.range(index), edit.new, edit.cost))
        now = Examination(self.first, self.cases, self.quantities)
        kept = Goal(tuple(now.states), frozenset())
        for one in made:
            code = one.applied(self.first)
            if code is not None and kept.held(code.plain(), self.cases) is not None:
                other, mended = self.at_the_start(), replace(one, probes=len(self.fresh()))
                other.add(now, one.statement, found_at(now, one.statement, one.root, mended, None), mended)
                yield other

    def reordered(self) -> Diagnoser | None:
        """Return a diagnosis by one unpacking in another order, ``D, N = x.shape``, where that alone mends all."""
        for other in self.other_sizes():
            if other.found[0].finding.kind == BY_TAG["unpack"] and self.proof.mends(one.piece for one in other.found):
                return other
        return None

    def certain(self) -> bool:
        """Return whether no other explanation need be looked for: few edits mend it all."""
        return self.edits < 3 and self.proof.mends(one.piece for one in self.found)

    def walk(self) -> None:
        """Go from one mistake to the next."""
        self.without = set(self.given_up)
        while len(self.found) < MOST_FINDINGS and (not self.found or time.perf_counter() < self.deadline):
            now = Examination(self.program, self.cases, self.quantities)
            wrong = now.wrong - self.given_up
            if not wrong:
                wrong = now.misshapen - self.given_up
            if not wrong:
                break
            if not self.one(now, wrong) or self.done:
                break

    def job(self, now: Examination) -> SearchJob:
        """Return what a search in the text of an examination needs."""
        return SearchJob(now.program, self.cases, now.recordings, self.fresh, self.deadline)

    # ---- one mistake ---------------------------------------------------------------------------------

    def one(self, now: Examination, wrong: frozenset[int]) -> bool:
        """Find one mistake and mend it, or give its gradients up. Return whether to go on."""
        job = self.job(now)
        lost = absent(now, wrong)
        statement = last_return(now) if lost else None
        if statement is not None and missing(now, wrong, job) is None:
            self.add(now, statement, lacking(now, statement, lost))
            self.given_up |= lost
            return True
        both = two_edits(job, self.open(now, wrong), Goal(tuple(now.states), wrong)) if self.pairs else None
        mended, suspicion = (None, None) if both else self.located(now, wrong, job)
        either, places = 0, self.open(now, wrong, 2 * MOST_OPEN)
        if suspicion is not None and suspicion.fixed == wrong and now.vouched(suspicion.statement.number):
            places = [suspicion.statement]  # all mistakes are in the one line
        if mended is None and both is None and not self.pairs:
            mended = more_right(job, places)
        if both is None and not self.pairs and (mended is None or mended.cost > ANEW):
            goal = Goal(tuple(now.states), mended.wanted if mended and mended.wanted else wrong)
            both = two_edits(job, places[-MOST_OPEN:], goal, alone=mended is None)
        if both is not None:
            first, second = both
            finding = found_at(now, first.statement, first.root, first, None)
            if not told_apart(now, first, second, job):
                finding = replace(finding, either=self.line(self.program.statements[second.statement.number]))
            self.add(now, first.statement, finding, first)
            now = Examination(self.program, self.cases, self.quantities)
            mended, suspicion = second, None
        if mended is not None and both is None:
            goal = Goal(tuple(now.states), mended.wanted)
            mended = self.earlier(now, mended, job, goal) if mended.wanted else mended
            other = elsewhere(now, mended, job)
            if other is not None and likelier(self.program.text, other, mended):
                other, mended = mended, other
            either = 0 if other is None else self.line(other.statement)
        if mended is not None:
            finding = found_at(now, mended.statement, mended.root, mended, suspicion)
            self.add(now, mended.statement, replace(finding, either=either), mended)
            self.done = mended.wanted == now.wrong | now.misshapen
            return True
        if suspicion is None:
            suspicion = self.fallback(now, wrong)
        if suspicion is None:
            return False
        statement = suspicion.statement
        finding = found_at(now, statement, statement.roots[0] if statement.roots else None, None, suspicion)
        anew = self.anew(now, suspicion, wrong, job)
        above = unvouched(now, statement.number) if anew is None and suspicion.fixed != wrong else None
        if above is not None:
            statement, suspicion = above, Suspicion(above, now.status(above.number), [], frozenset())
            finding = found_at(now, statement, statement.roots[0], None, suspicion)
        if anew is not None:
            if finding.kind in ("unknown", "wrong_axis"):  # which the shape alone says
                finding = replace(finding, kind=found_at(now, statement, anew.root, anew, suspicion).kind)
            fix = Fix(self.program.text.between(anew.start, anew.end), "", anew.new, anew.probes)
            self.edits += AS_MANY
            self.add(now, statement, replace(finding, fix=fix, sure=now.vouched(statement.number)), anew)
            self.done = anew.wanted == now.wrong | now.misshapen
            return True
        sums = any(isinstance(n, (ast.Add, ast.Sub)) for root in statement.roots for n in ast.walk(root.expr))
        whole = finding.kind != "path_missing" or sums  # else a line that adds the path may be missing
        whole = whole and (any(map(_computes, statement.roots)) or isinstance(statement.node, ast.Return))
        sure = now.recordings[0].error is not None or (bool(suspicion.fixed) and whole)
        self.add(now, statement, replace(finding, sure=sure))
        affected = frozenset(p for p in wrong if statement.number in now.statements_of(p))
        self.given_up |= affected or wrong
        return True

    def anew(self, now: Examination, suspicion: Suspicion, wrong: frozenset[int], job: SearchJob) -> Mended | None:
        """Return a line written anew, as the chain rule gives it, where that makes more gradients right."""
        from micrograd.marker.diagnosis.formulas import by_the_chain_rule  # derivations take long to load

        statement, expected = suspicion.statement, suspicion.status.expected
        scope = next(iter(job.scopes(statement)), None)
        if statement.looped or len(statement.roots) != 1 or scope is None or not expected or expected[0] is None:
            return None
        (root,) = statement.roots
        goal = Goal(tuple(now.states), suspicion.fixed or wrong, some=True)
        for text in by_the_chain_rule(self.program, self.cases, expected[0].key, scope):
            edit = Edit(root.expr, text, "rewritten", 5.0, text)
            place = placed(self.program, root, edit)
            made = None if place is None else job.verified(Mended(statement, root, edit, *place, 5.0), goal)
            if made is not None:
                return made
        return None

    def located(
        self, now: Examination, wrong: frozenset[int], job: SearchJob
    ) -> tuple[Mended | None, Suspicion | None]:
        """Return the edit that mends it, and the statement under suspicion, as far as either is found."""
        order, slices = now.candidates(wrong)
        returned = missing(now, wrong, job) or unpacked(now, wrong, job)
        if returned is not None:
            return returned, None
        gaps = [n for n in order if self.gap_behind(self.program.statements[n]) is not None]
        if gaps and (mended := self.inserted(now, wrong, gaps, job)) is not None:
            return mended, None
        suspects = list(self.suspects(now, wrong, order))
        if now.recordings[0].error is not None and suspects and suspects[0].statement.number == now.failing():
            mended = self.up_to(now, suspects[0], job)
            if mended is not None:
                return mended, suspects[0]
        if len(wrong) > 1 and not any(suspicion.fixed == wrong for suspicion in suspects[:1]):
            shared = [n for n in order if n in set.intersection(*slices.values())]
            mended = self.common(now, wrong, shared, job) or self.inserted(now, wrong, shared, job)
            if mended is not None:
                return mended, None
        mended, suspicion = self.named(now, suspects, job)
        if mended is not None or (suspicion is not None and suspicion.fixed):
            return mended, suspicion
        rest = self.weighed(now, order, {})
        for mended in search(job, rest, Goal(tuple(now.states), wrong, some=True), extra=self.writer(suspicion)):
            return mended, suspicion if suspicion and suspicion.statement is mended.statement else None
        inserted = self.inserted(now, wrong, order, job)
        if inserted is not None:
            return inserted, None
        return None, suspicion

    def common(self, now: Examination, wrong: frozenset[int], shared: Sequence[int], job: SearchJob) -> Mended | None:
        """Return the one edit that makes several gradients right: they all come from one mistake."""
        goal, able = Goal(tuple(now.states), wrong), dict[int, float]()
        if now.recordings[0].error is not None:
            return next(iter(search(job, self.weighed(now, now.order(), {}), goal, TIERS[:3])), None)
        for place, number in enumerate(reversed(shared)):
            if self.able(job, number, wrong):
                able[number] = 0.3 + 0.15 * place
        weighed = self.weighed(now, shared, able)
        weighed = [entry for entry in weighed if entry[0].number in able or entry[0].looped]
        goal = replace(goal, some=any(statement.looped for statement, _, _ in weighed))
        return next(iter(search(job, weighed, goal, TIERS[:3])), None)

    def able(self, job: SearchJob, number: int, wrong: frozenset[int]) -> bool:
        """Return whether another value of one of a statement's expressions would make some gradients right."""
        statement = self.program.statements[number]
        if isinstance(statement.node, ast.AugAssign) and isinstance(statement.node.op, (ast.Mult, ast.Div)):
            return True  # the other of the two is no other value
        benches = [job.bench(statement, root) for root in statement.roots if not job.late()]
        return any(can_mend(bench, sorted(wrong)) is True for bench in benches if bench is not None)

    def at(self, now: Examination, suspicion: Suspicion, job: SearchJob) -> Mended | None:
        """Return the edit of a statement, or of what it depends on, that makes right what its right value would."""
        number = suspicion.statement.number
        numbers = [number, *now.ancestors(number)]
        weighed = self.weighed(now, numbers, {number: 0.0})
        goal = Goal(tuple(now.states), suspicion.fixed)
        found = search(job, weighed, goal, extra=self.writer(suspicion))
        return found[0] if found else self.inserted(now, suspicion.fixed, numbers, job)

    def earlier(self, now: Examination, mended: Mended, job: SearchJob, goal: Goal) -> Mended:
        """Return the edit where it began: what is put to a value that nothing vouches for may be missing further up."""
        while isinstance(mended.edit, Edit):
            inside = {path_of(node) for node in ast.walk(mended.edit.node) if isinstance(node, ast.expr)}
            above = now.doubtful(mended.statement.number, inside)
            if job.program.text.of(mended.edit.node) not in mended.edit.new:  # a size that another stands for
                above = [n for n in above if now.status(n).state == "size" and path_of(mended.edit.node)]
            most, writer = mended.edit.cost + (0.65 if mended.edit.tag == "negate" else 0.05), None
            if mended.edit.tag == "rewritten":  # without what the line reads: that may be what is wrong
                lost = _names(job.program.text.of(mended.edit.node)) - _names(mended.edit.new)
                above, most, writer = now.doubtful(mended.statement.number, lost), TIERS[-1], self.writer(None)
            order = [(s, root, 0.0) for n in above for s in [job.program.statements[n]] for root in s.roots]
            tried = search(job, order, goal, (most,), writer) if order else ()
            found = [one for one in tried if as_named(now, one)]
            if not found:
                break
            mended = found[0]
        return mended

    def open(self, now: Examination, wrong: frozenset[int], most: int = MOST_OPEN) -> list[Statement]:
        """Return the last statements that wrong gradients depend on and nothing vouches for, in order of execution."""
        order, slices = now.candidates(wrong)
        shared = set.intersection(*slices.values()) if self.pairs and len(slices) > 1 else set[int]()
        doubtful = [n for n in order if not now.settled(n) or (n in shared and now.status(n).state == "right")]
        found = [self.program.statements[n] for n in doubtful if not now.before_loss(n)]
        found = [s for s in found if s.roots]
        return found[-most:] if len(found) > 1 else []

    def inserted(self, now: Examination, wrong: frozenset[int], order: Sequence[int], job: SearchJob) -> Mended | None:
        """Return the one statement that is missing behind another: a division by a count, a mask, the -1 of softmax."""
        text, goal = self.program.text, Goal(tuple(now.states), wrong)
        for number in reversed(order):
            statement = self.program.statements[number]
            scope = next(iter(job.scopes(statement)), None)
            plain = isinstance(statement.node, (ast.Assign, ast.AugAssign)) and len(statement.targets) == 1
            if scope is None or statement.looped or not plain or number in now.forward_part:
                continue
            name, at = statement.names[0], text.range(statement.node)[1]
            value = next((v for v in now.written(number, name)), None)
            margin, place = "\n" + " " * statement.node.col_offset, (at, at)
            if (gap := self.gap_behind(statement)) is not None:
                margin, place = "", text.range(gap)
            for new, tag in insertions(name, value, scope):
                change = Change(*place, margin + new, tag, 2.0, new)
                made = job.verified(Mended(statement, None, change, *place, change.new, 2.0), goal)
                if made is not None:
                    return made
                if job.late():
                    return None
        return None

    def gap_behind(self, statement: Statement) -> ast.Pass | None:
        """Return the ``pass`` that stands behind a statement, where something is to be written."""
        blocks = [body for n in ast.walk(self.program.tree) if isinstance(body := getattr(n, "body", None), list)]
        pairs = (pair for body in blocks for pair in itertools.pairwise(body))
        return next((b for a, b in pairs if a is statement.node and isinstance(b, ast.Pass)), None)

    # ---- the first quantity that its name gives away ---------------------------------------------------

    def suspects(self, now: Examination, wrong: frozenset[int], order: Sequence[int]) -> Iterator[Suspicion]:
        """Yield the statements whose name says what they should be, which they are not.

        Without those whose right value would put wrong what is right: there the name has another meaning.
        """
        tried, live, failing = 0, set(order), now.failing()
        for number in now.order():  # what nothing reads is there too: it may have been forgotten
            status = now.status(number)
            statement, best = self.program.statements[number], None
            if number == failing and len(statement.targets) == 1:
                meant = self.quantities[0].meant_by(statement.names[0], now.aliases[0])
                if meant:
                    yield Suspicion(statement, Status("suspect", statement.names[0], (meant[0],)), [], frozenset())
                return
            if status.state != "suspect" or tried >= 12 or (number not in live and now.negative(number)):
                continue
            for values in now.shapes_for(statement, status):
                tried += 1
                fixed = self.fixed_by(now, wrong, now.substituted(statement, status.name, values))
                if fixed is not None and (best is None or fixed) and (number in live or not fixed):
                    best = Suspicion(statement, status, values, fixed)
                if fixed:
                    break
            if best is not None:
                yield best

    def named(
        self, now: Examination, suspects: Sequence[Suspicion], job: SearchJob
    ) -> tuple[Mended | None, Suspicion | None]:
        """Return the edit that mends the first such quantity; where there is none, the quantity, if it is sure."""
        passed: set[int] = set()
        for suspicion in suspects:
            number = suspicion.statement.number
            if passed & set(now.ancestors(number)):
                continue  # it may be wrong for that reason alone
            if not suspicion.fixed and (mended := behind(now, number, job)) is not None:
                return mended, None
            if suspicion.fixed:
                return self.at(now, suspicion, job), suspicion
            if not self.stepwise:
                continue
            mended = self.up_to(now, suspicion, job)
            if mended is not None:
                return mended, suspicion
            expected = suspicion.status.expected[0]
            if expected is not None and self.quantities[0].names(expected, suspicion.status.name):  # by no other word
                passed.add(number)
        return None, None

    def up_to(self, now: Examination, suspicion: Suspicion, job: SearchJob) -> Mended | None:
        """Return the edit that makes one quantity right: of its statement, or of what nothing vouches for before it.

        The backward up to there is a backward of its own, of which this quantity is the only gradient.
        """
        statement, name, text = suspicion.statement, suspicion.status.name, self.program.text
        expected = suspicion.status.expected[0]
        if statement.looped or statement.function != self.program.name or expected is None:
            return None
        end = text.range(statement.node)[1]
        part = self.program.of_text(text.edited(end, end, f"; return {name}"))
        if part is None:
            return None
        twins = {(s.function, s.node.lineno, s.node.col_offset): s for s in part.statements}
        own = {(s.function, s.node.lineno, s.node.col_offset): s for s in self.program.statements}
        keys = [q.key for q in self.quantities[0].meant_by(name, now.aliases[0]) if q.kind == expected.kind]
        best: tuple[float, Mended] | None = None
        for key in [expected.key, *(key for key in keys[:6] if key != expected.key)]:
            cases = [self.one_gradient(case, key, part) for case in self.cases]
            if any(case is None for case in cases):
                continue
            short = Examination(part, [case for case in cases if case is not None], self.quantities)
            if not short.wrong:
                continue

            def fresh(key: tuple[Any, ...] = key) -> list[Case]:
                return [made for case in self.fresh() if (made := self.one_gradient(case, key, part)) is not None]

            inner = SearchJob(part, short.cases, short.recordings, fresh, job.deadline)
            here = twins[statement.function, statement.node.lineno, statement.node.col_offset]
            before = [n for n in short.ancestors(here.number) if short.status(n).state not in ("right", "size")]
            before = [] if short.recordings[0].error is not None else before  # the line that raises, by itself
            weighed = self.weighed(short, [here.number, *before], {here.number: 0.0})
            wanted = Suspicion(here, suspicion.status, [case.expected[0] for case in short.cases], frozenset())
            goal = Goal(tuple(short.states), frozenset({0}))
            for one in search(inner, weighed, goal, extra=self.writer(wanted))[:6]:
                mended = self.earlier(short, one, inner, goal)
                node = mended.statement.node
                whole = mended.applied(self.program)
                after = [] if whole is None else [outcome(case, whole.plain()) for case in self.cases]
                rest = Goal(tuple(now.states), frozenset())
                if not after or not all(
                    rest.reached(n, states) is not None or states is now.states[n]  # it raises further on
                    for n, states in enumerate(after)
                ):
                    continue
                right = sum(all(states is not None and states[p] == "right" for states in after) for p in now.wrong)
                if best is None or mended.cost - 4 * right < best[0]:  # rather the one that mends what follows, too
                    place = mended.statement.function, node.lineno, node.col_offset
                    moved = replace(mended, statement=own[place], wanted=frozenset())
                    best = mended.cost - 4 * right, moved
        return best[1] if best is not None else None

    def one_gradient(self, case: Case, key: tuple[Any, ...], part: StudentCode) -> Case | None:
        """Return a case in which one quantity is the only gradient; None where it has none."""
        quantity = next((q for q in self.of(case).all if q.key == key), None)
        if quantity is None:
            return None
        try:
            shape = np.shape(case.call(part.plain()))
        except Exception:  # noqa: BLE001 - the student's code may raise anything
            shape = np.shape(quantity.value)
        value = in_shape(quantity.value, shape)
        task = replace(case.task, call=replace(case.task.call, results=((None, "it"),)))
        return replace(case, task=task, expected=[value], scales=[10 * max(scale_of(value), 1e-30)], partial=True)

    def of(self, case: Case) -> Quantities:
        """Return what the engine knows of a case."""
        if id(case.probe) not in self.known:
            names = [name for _, name in case.task.call.results]
            self.known[id(case.probe)] = Quantities(case.graph, dict(zip(names, case.expected, strict=True)))
        return self.known[id(case.probe)]

    # ---- where a mistake may be ----------------------------------------------------------------------

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
            nodes = [s.node for s in bench.program.statements if s.function == statement.function and s.targets]
            loops = bench.program.loops_of(statement)
            return [e for e in written(bench, wanted, nodes, bench.root.name, loops) if not self.loss & _names(e.new)]

        return write

    @property
    def loss(self) -> set[str]:
        """Return the names in what is returned beside the gradients: no gradient is made of a loss."""
        task, program = self.cases[0].task, self.program
        at = task.call.outputs[0] or 0 if task.forward == task.backward else None
        ends = [s for s in program.statements if isinstance(s.node, ast.Return) and s.function == program.name]
        roots = [root for s in ends for root in s.roots if root.position == at]
        return set().union(*(_names(self.program.text.of(root.expr)) for root in roots))

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

    def weighed(
        self, now: Examination, numbers: Sequence[int], fixed: Mapping[int, float]
    ) -> list[tuple[Statement, Root, float]]:
        """Statements with the expressions in them, and a penalty for each, the likeliest first."""
        good = now.good()
        made = []
        for place, number in enumerate(numbers):
            state = now.status(number).state
            penalty = fixed.get(number, 0.0)
            if number not in fixed:
                vouched = state == "known" and number not in now.forward_part and now.settled(number)
                penalty += _PENALTIES["right" if vouched else state]
                penalty += 0.7 if number in good else 0.0
                penalty += 0.003 * place
            statement = now.program.statements[number]
            if not now.in_order(number):
                made += [(statement, root, penalty) for root in statement.roots]
        return sorted(made, key=lambda entry: entry[2])

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

    def fallback(self, now: Examination, wrong: frozenset[int]) -> Suspicion | None:
        """Return where nothing mends it: the first line that is not known to be right and reads only what is."""
        order, _ = now.candidates(wrong)
        failed = now.recordings[0].error is not None and now.recordings[0].last
        if failed:
            return Suspicion(failed.statement, Status("unknown"), [], frozenset())
        usable = [self.program.statements[n] for n in order if self.program.statements[n].roots]
        usable = [s for s in usable if now.status(s.number).state not in ("outside", "right", "size")]
        usable = [s for s in usable if s.targets or any(_computes(root) for root in s.roots)]
        empty = [s for s in usable if s.names and now.wrote_zeros(s)]
        usable = [s for s in usable if s not in empty] or usable  # zeros that a loop begins with
        for wanted in ("suspect", "unknown", "known", "misshapen"):
            for statement in usable:
                if now.status(statement.number).state == wanted and now.reads_right(statement.number):
                    return Suspicion(statement, now.status(statement.number), [], frozenset())
        ends = usable or [self.program.statements[n] for n in order if self.program.statements[n].roots]
        return Suspicion(ends[-1], now.status(ends[-1].number), [], frozenset()) if ends else None

    # ---- going on ------------------------------------------------------------------------------------

    def add(self, now: Examination, statement: Statement, finding: Finding, mended: Mended | None = None) -> None:
        """Keep a finding, in the places of the student's own text, and put its fix into the text."""
        above = frozenset(self.line(self.program.statements[n]) for n in now.ancestors(statement.number))
        finding = replace(finding, span=self.original(finding.span))
        piece = None
        if mended is not None:
            before = self.patch
            self.edits += 1
            self.patch = before.then(mended.start, mended.end, mended.new)
            self.program = mended.applied(self.program) or self.program
            piece = next(piece for piece in self.patch.pieces if piece not in before.pieces)
            for place, other in enumerate(self.found):
                if other.piece is not None and other.piece not in self.patch.pieces:  # the same text, edited again
                    self.found[place] = replace(other, piece=piece)
                    return
        raises = statement.number == now.failing()
        finding = replace(
            finding, sure=finding.sure and not finding.either and (mended is None or firm(now, mended, self.job(now)))
        )
        self.found.append(Found(finding, piece, above, now.vouched(statement.number), raises))

    def line(self, statement: Statement) -> int:
        """Return the line of a statement in the student's own text."""
        return self.first.text.place(self.patch.origin(self.program.text.range(statement.node)[0]))[0]

    def original(self, span: Span) -> Span:
        """Return a span of the mended text in the student's own."""
        start, end = self.program.text.ends(span)
        return self.first.text.between(self.patch.origin(start), self.patch.origin(end))


def insertions(name: str, value: Any, scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield statements that are easily forgotten after a value, and what each is called."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return
    for count in scope.counts():
        yield f"{name} /= {count}", "count"
    for setting in scope.settings():
        yield f"{name} *= {setting}", "factor_name"
        yield f"{name} /= {setting}", "divide_name"
    own = {f"self.{key}": held for key, held in getattr(scope.names.get("self"), "__dict__", {}).items()}
    for other, held in {**scope.names, **own}.items():
        if not isinstance(held, np.ndarray):
            continue
        if held.shape == value.shape and held.dtype.kind == "b":
            yield f"{name}[{other}] = 0", "mask"
        if held.dtype.kind in "iu" and held.ndim == 1 and value.ndim == 2 and len(held) == len(value):
            yield f"{name}[np.arange(len({other})), {other}] -= 1", "term"
        if held.shape == value.shape and held.dtype.kind in "fb":
            yield f"{name}[{other} <= 0] = 0", "mask"
            yield f"{name} *= {other}", "factor_name"


def in_shape(value: Any, shape: tuple[int, ...]) -> Any:
    """Return a value in another shape, if it is the same value: axes of length 1 more or less, equal rows one row."""
    value = np.asarray(value)
    if value.shape == shape or [n for n in value.shape if n != 1] == [n for n in shape if n != 1]:
        return value.reshape(shape)
    try:
        if np.broadcast_shapes(value.shape, shape) == value.shape:
            padded = (1,) * (value.ndim - len(shape)) + shape
            part = value[tuple(slice(0, 1) if n == 1 else slice(None) for n in padded)].reshape(shape)
            return part if fits(part, value) else value
    except ValueError:
        pass
    return value


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


def _names(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))


def _computes(root: Root) -> bool:
    return not path_of(root.expr)
