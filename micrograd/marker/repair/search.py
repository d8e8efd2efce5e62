"""The search for the one edit that makes the gradients right.

Every candidate is judged by what comes out, never by how it looks: the expression is evaluated in the variables
that stood there, the rest of the backward runs on with the new value, and what the engine says decides.
What survives is run as text, on the probes at hand and on fresh ones.
"""

from __future__ import annotations

import ast
import time
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.marker.repair.edits import changes_of, edits_of
from micrograd.marker.repair.node_edits import Change, Edit
from micrograd.marker.student.instrumented import HOLE, StudentCode, replaced
from micrograd.marker.student.recording import Recording, duplicate
from micrograd.marker.student.statements import Root, Scope, Statement
from micrograd.marker.truth.cases import Case, Judged, judged

__all__ = ["Bench", "Goal", "Mended", "as_call", "outcome", "search", "states_of"]

TIERS = (1.5, 2.1, 2.8, 3.6, 99.0)
States = tuple[str, ...]


def states_of(found: Sequence[Judged]) -> States:
    """Return the state of each gradient."""
    return tuple(one.state for one in found)


def outcome(case: Case, function: Callable[..., Any], kept: bool = False) -> States | None:
    """Return the states of the gradients that a variant of the backward returns; None where it raises.

    With `kept` those that its object holds when it raises.
    """
    try:
        return states_of(judged(case, case.call(function)))
    except Exception as error:  # noqa: BLE001 - an edited line may raise anything
        held = getattr(error, "kept", None) if kept else None
        states = None if held is None else states_of(judged(case, held))
        return None if states is None or {*states} == {"right"} else states


@dataclass(frozen=True, slots=True)
class Goal:
    """What an edit has to reach: these gradients right, and none worse than before.

    Attributes:
        before: the states as they are, per case.
        wanted: positions of gradients that must be right.
        some: whether it is enough that some of these are.
    """

    before: tuple[States | None, ...]
    wanted: frozenset[int]
    some: bool = False

    def reached(self, case: int, states: States | None) -> frozenset[int] | None:
        """Return which of the wanted gradients are right on one case; None where too few are, or another is worse."""
        before = self.before[case] if self.before else None
        if states is None or any(
            old in ("right", "shape") and new != old and position not in self.wanted
            for position, (old, new) in enumerate(zip(before or (), states, strict=False))
        ):
            return None
        right = frozenset(position for position in self.wanted if states[position] == "right")
        return right if right == self.wanted or (self.some and right) else None

    def held(self, function: Callable[..., Any], cases: Sequence[Case]) -> frozenset[int] | None:
        """Return which of the wanted gradients a function makes right on all cases; None where one is not reached."""
        right = self.wanted
        for number, case in enumerate(cases):
            now = self.reached(number, outcome(case, function))
            if now is None:
                return None
            right &= now
        return right


@dataclass(frozen=True, slots=True)
class Mended:
    """An edit that reached its goal.

    Attributes:
        statement: where.
        root: the expression it is in; None for a change of the statement itself.
        edit: what was done.
        start, end: the range of the text that is replaced.
        new: what comes there.
        cost: the smaller, the better.
        probes: how many fresh probes it was verified on.
        wanted: the gradients that are right with it.
    """

    statement: Statement
    root: Root | None
    edit: Edit | Change
    start: int
    end: int
    new: str
    cost: float
    probes: int = 0
    wanted: frozenset[int] = frozenset()

    def applied(self, program: StudentCode) -> StudentCode | None:
        """Return a program with the edit in its text; None where that is no Python."""
        return program.of_text(program.text.edited(self.start, self.end, self.new))


class Bench:
    """One expression of one statement, in the variables of one case.

    Args:
        program: the student's.
        case: the probe.
        statement: where.
        root: the expression.
        scopes: the variables before the statement, for each time it ran (a few of them).
        runs: how often it ran.
    """

    def __init__(
        self, program: StudentCode, case: Case, statement: Statement, root: Root, scopes: Sequence[Scope], runs: int
    ) -> None:
        self.program = program
        self.case = case
        self.statement = statement
        self.root = root
        self.scopes = scopes
        self.single = runs == 1 and root.role in ("value", "index", "argument")
        self._codes: dict[int, Any] = {}
        self._texts: dict[str, types.CodeType | None] = {}
        self._values: list[dict[str, Any]] = [{} for _ in scopes]
        self._hole: tuple[Callable[..., Any], dict[str, Any]] | None = None
        self.original = [scope.value(root.expr) for scope in scopes]
        self.wanted = np.concatenate([np.ravel(e) for e in case.expected]) if case.expected else np.zeros(0)
        self.ends = np.cumsum([0, *(np.size(e) for e in case.expected)])  # of each gradient in `wanted`, and in `flat`

    def values(self, edit: Edit) -> list[Any] | None:
        """Return what the whole expression is worth after an edit, in each scope; None where it raises everywhere."""
        code = self._code(edit.node)
        if edit.new not in self._texts:
            self._texts[edit.new] = _compiled(edit.new)
        text = self._texts[edit.new]
        if text is None:
            return None
        found: list[Any] = []
        alive = False
        for scope, known in zip(self.scopes, self._values, strict=True):
            try:
                with np.errstate(all="ignore"):
                    if edit.new not in known:
                        known[edit.new] = eval(text, scope.space)  # noqa: S307 - an expression in the student's terms
                    scope.space[HOLE] = known[edit.new]
                    found.append(eval(code, scope.space))  # noqa: S307
                alive = True
            except Exception:  # noqa: BLE001 - most edits make no sense
                found.append(None)
        return found if alive else None

    def with_value(self, node: ast.expr, value: Any) -> Any:
        """Return what the whole expression is worth with another value of a sub-expression; None where it raises."""
        scope = self.scopes[0]
        scope.space[HOLE] = value
        try:
            with np.errstate(all="ignore"):
                return eval(self._code(node), scope.space)  # noqa: S307 - the student's expression
        except Exception:  # noqa: BLE001 - another value may raise anything
            return None

    def _code(self, node: ast.expr) -> Any:
        code = self._codes.get(id(node))
        if code is None:
            tree: Any = replaced(self.root.expr, node, ast.copy_location(ast.Name(HOLE, ast.Load()), node))
            if isinstance(tree, ast.Slice) or _has_slice(tree):
                tree = as_call(tree)
            code = compile(ast.fix_missing_locations(ast.Expression(tree)), "<edit>", "eval", dont_inherit=True)
            self._codes[id(node)] = code
        return code

    def returned(self, value: Any) -> Any:
        """Return what the backward returns with another value of the expression."""
        if self._hole is None:
            self._hole = self.program.with_hole(self.statement, self.root)
        function, space = self._hole
        space[HOLE] = duplicate(value)  # the lines behind may write into it
        return self.case.call(function)

    def run(self, value: Any) -> States | None:
        """Return the states of the gradients with another value of the expression; None where it raises."""
        try:
            return states_of(judged(self.case, self.returned(value)))
        except Exception:  # noqa: BLE001 - an edited line may raise anything
            return None

    def flat(self, value: Any) -> Any | None:
        """Return all gradients, one after the other, with another value of the expression.

        None where shapes are wrong.
        """
        try:
            found = self.case.gradients_in(self.returned(value))
            if any(np.size(a) != np.size(e) for a, e in zip(found, self.case.expected, strict=True)):
                return None
            return np.concatenate([np.ravel(np.asarray(a, float)) for a in found])
        except Exception:  # noqa: BLE001 - an edited line may raise anything
            return None


def _has_slice(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Tuple) and any(isinstance(element, ast.Slice) for element in tree.elts)


def as_call(tree: Any) -> Any:
    """Return the inside of square brackets as an expression: slices become calls of `slice`."""
    if isinstance(tree, ast.Slice):
        parts = [part or ast.Constant(None) for part in (tree.lower, tree.upper, tree.step)]
        return ast.Call(ast.Name("slice", ast.Load()), parts, [])
    if isinstance(tree, ast.Tuple):
        return ast.Tuple([as_call(element) for element in tree.elts], ast.Load())
    return tree


def _compiled(text: str) -> types.CodeType | None:
    """Return the code of an expression, or of the inside of square brackets; None where it is neither."""
    try:
        return compile(text.strip(), "<edit>", "eval", dont_inherit=True)
    except (SyntaxError, ValueError):
        pass
    try:
        match ast.parse(f"_[{text}]", mode="eval").body:
            case ast.Subscript(slice=index):
                return compile(ast.fix_missing_locations(ast.Expression(as_call(index))), "<edit>", "eval")
    except (SyntaxError, ValueError):
        pass
    return None


def signature(value: Any) -> Any:
    """Equal for values that are the same to nine digits: edits that do the same are tried once."""
    if isinstance(value, (list, tuple)):
        return tuple(signature(v) for v in value)
    if isinstance(value, slice):
        return ("slice", repr(value))
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            return repr(value)[:200]
        with np.errstate(all="ignore"):
            wide = array.astype(float)
            top = np.abs(wide).max(initial=0.0)
            scale = 10.0 ** (9 - np.ceil(np.log10(top))) if 0 < top < np.inf else 1.0
            return (array.shape, array.dtype.kind == "b", np.round(wide * scale).tobytes(), float(np.log10(scale)))
    except Exception:  # noqa: BLE001
        return id(value)


@dataclass(slots=True)
class SearchJob:
    """What a search needs, and how long it may take."""

    program: StudentCode
    cases: Sequence[Case]
    recordings: Sequence[Recording]
    fresh: Callable[[], Sequence[Case]]
    deadline: float

    def late(self) -> bool:
        """Return whether the time is up."""
        return time.perf_counter() > self.deadline

    def scopes(self, statement: Statement) -> list[Scope]:
        """Return the variables before a statement on the first case.

        Of its first run, the last and some between them.
        """
        events = [event for event in self.recordings[0].of(statement.number) if event.scope is not None]
        if not events:
            return []
        names = [event.scope or {} for event in events]
        chosen = _telling_apart(names, self.program.loops_of(statement))
        return [self.program.scope(names[place], statement) for place in chosen]

    def bench(self, statement: Statement, root: Root) -> Bench | None:
        """Return an expression in its variables on the first case; None where its statement did not run."""
        scopes, runs = self.scopes(statement), len(self.recordings[0].of(statement.number))
        return Bench(self.program, self.cases[0], statement, root, scopes, runs) if scopes else None

    def variant(self, mended: Mended) -> Callable[..., Any] | None:
        """Return the function with an edit; None where that is no code."""
        statement = mended.statement
        try:
            if isinstance(mended.edit, Edit) and mended.root is not None:
                new = parsed(mended.edit)
                function: Any = self.program.with_expression(statement, mended.root, mended.edit.node, new)
            else:
                function = self.program.edited(statement, mended.start, mended.end, mended.new)
            return None if function is None else self.program.with_function(statement.function, function)
        except (SyntaxError, ValueError, TypeError):  # code that does not compile
            return None

    def verified(self, mended: Mended, goal: Goal) -> Mended | None:
        """Return the edit as text, run on every case and on fresh probes; None where it fails on one."""
        variant = self.variant(mended)
        if variant is None:
            return None
        right = goal.held(variant, self.cases)
        if right is None or not (right or not goal.wanted):
            return None
        fresh = self.fresh()
        then = replace(goal, before=()).held(variant, fresh)
        if then is None or not (right & then or not goal.wanted):
            return None
        return replace(mended, probes=len(fresh), wanted=right & then)


def _telling_apart(scopes: Sequence[Mapping[str, Any]], loops: Sequence[str], most: int = 4) -> list[int]:
    """Return the first, the last, and those between in which variables of loops differ from one another and from 0.

    Where i is f in all of them, an edit that takes one for the other changes nothing and is never tried.
    """

    def apart(place: int) -> set[tuple[str, str]]:
        worth = {"": 0, **{name: scopes[place].get(name) for name in loops}}
        return {(a, b) for a in worth for b in worth if a < b and repr(worth[a]) != repr(worth[b])}

    chosen = {0, len(scopes) - 1}
    seen = set().union(*(apart(place) for place in chosen))
    while len(chosen) < min(most, len(scopes)):
        best = max((p for p in range(len(scopes)) if p not in chosen), key=lambda p: (len(apart(p) - seen), p))
        chosen.add(best)
        seen |= apart(best)
    return sorted(chosen)


def parsed(edit: Edit) -> ast.expr:
    """Return the expression that comes in; slices are read as they stand in square brackets."""
    try:
        made: ast.expr = ast.parse(f"(\n{edit.new}\n)", mode="eval").body
    except SyntaxError:
        made = ast.parse(f"_[{edit.new}]", mode="eval").body.slice  # type: ignore[attr-defined]
    for inner in ast.walk(made):
        if isinstance(inner, (ast.expr, ast.stmt)):
            ast.copy_location(inner, edit.node)
    return made


def placed(program: StudentCode, root: Root, edit: Edit) -> tuple[int, int, str] | None:
    """Return the range and the text of an edit, with brackets where they are needed; None where none make it right."""
    if edit.token is not None:
        return edit.token
    start, end = program.text.range(edit.node)
    top, bottom = program.text.range(root.expr)
    source = program.text.source
    try:
        wanted = ast.dump(replaced(root.expr, edit.node, parsed(edit)))
    except (SyntaxError, ValueError, GraphError):
        return None
    choices = [(start, end, edit.new)]
    before, after = source[:start].rstrip(), source[end:].lstrip()
    if before.endswith("(") and after.startswith(")"):  # brackets that are not needed any more
        choices.append((len(before) - 1, len(source) - len(after) + 1, edit.new))
    choices.append((start, end, f"({edit.new})"))
    for low, high, new in choices:
        text = source[min(top, low) : low] + new + source[high : max(bottom, high)]
        made: Any
        try:
            made = ast.parse(f"(\n{text}\n)", mode="eval").body
        except SyntaxError:
            try:
                made = ast.parse(f"_[\n{text}\n]", mode="eval").body.slice  # type: ignore[attr-defined]
            except (SyntaxError, ValueError):
                continue
        if ast.dump(made) == wanted:
            return low, high, new
    return None


def search(
    job: SearchJob,
    order: Sequence[tuple[Statement, Root, float]],
    goal: Goal,
    tiers: Sequence[float] = TIERS,
    extra: Callable[[Bench], Sequence[Edit]] | None = None,
) -> list[Mended]:
    """Return the edits that reach the goal, the best first; of the first tier that has any.

    Args:
        job: the program and its cases.
        order: statements and their expressions with a penalty for each: the likeliest first.
        goal: what is wanted.
        tiers: costs up to which edits are tried, one after the other, on all statements.
        extra: more edits of an expression, for the last tier.
    """
    prepared: list[tuple[Statement, Root, float, Bench, list[Edit]]] = []
    for statement, root, penalty in order:
        bench = job.bench(statement, root)
        if bench is not None:
            prepared.append((statement, root, penalty, bench, []))
    seen: dict[int, set[Any]] = {}
    partly: list[Mended] = []
    low = -9.0
    for tier in tiers:
        found: list[Mended] = []
        done: set[int] = set()
        for place, (statement, root, penalty, bench, edits) in enumerate(prepared):
            if job.late():
                break
            if statement.number not in done:
                done.add(statement.number)
                for change in changes_of(statement.node, job.program.text):
                    if low < change.cost + penalty <= tier:
                        cost = change.cost + penalty
                        made = Mended(statement, None, change, change.start, change.end, change.new, cost)
                        good = job.verified(made, goal)
                        if good:
                            found.append(good)
            if not edits:
                edits.extend(edits_of(root.expr, bench.scopes[0], root.role, root.name))
            made_up: Sequence[Edit] = extra(bench) if extra is not None and tier == tiers[-1] and not job.late() else ()
            known = seen.setdefault(place, {signature(bench.original)})
            for edit in (*edits, *made_up):
                cost = edit.cost + penalty
                if (cost <= low and edit not in made_up) or cost > tier:
                    continue
                if job.late():
                    break
                values = bench.values(edit)
                if values is None:
                    continue
                mark = signature(values)
                if edit.tag == "copy":
                    mark = ("copy", mark)
                if mark in known:
                    continue
                if bench.single and edit.tag != "copy" and goal.reached(0, bench.run(values[0])) is None:
                    known.add(mark)
                    continue
                position = placed(job.program, root, edit)
                if position is None:
                    continue
                made = Mended(statement, root, edit, *position, cost + 0.002 * len(position[2]))
                if not bench.single:
                    variant = job.variant(made)
                    if variant is None or goal.reached(0, outcome(job.cases[0], variant)) is None:
                        known.add(mark)
                        continue
                good = job.verified(made, goal)
                if good:  # else, where D happens to be 3, the 3 is still to be tried
                    known.add(mark)
                    found.append(good)
        if whole := [mended for mended in found if mended.wanted == goal.wanted]:
            return sorted(whole, key=lambda mended: mended.cost)
        partly += found
        low = tier
        if job.late():
            break
    return sorted(partly, key=lambda mended: mended.cost - len(mended.wanted))
