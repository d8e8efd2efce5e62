"""Say by which formula a line is off, and prove what may be left out: the derivation is asked for a second opinion.

A line that has been found wrong is compared, as a formula, with the gradient that the chain rule gives. What is said is
checked with numbers too, on every probe and on fresh ones: the student's own value against the engine's.
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd.derivation import derive
from micrograd.derivation.comparing import Comparer, Comparison
from micrograd.derivation.kernel import OutOfTime, Poly, thread_time
from micrograd.derivation.printing.numpy_code import ident, inlined
from micrograd.derivation.search import names, proof_of
from micrograd.errors import MicrogradError
from micrograd.graph import Graph
from micrograd.marker.repair.patch import Patch, Piece
from micrograd.marker.report import Finding
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import Event, record
from micrograd.marker.student.statements import Root, Scope, path_of
from micrograd.marker.truth.alignment import Quantities, Quantity, agree
from micrograd.marker.truth.cases import Case, prepare

if TYPE_CHECKING:
    from micrograd.derivation import Derivation

__all__ = ["by_the_chain_rule", "explained", "way_to"]

_SECONDS = 0.6  # of the derivation, and of each comparison
_NODES = 120  # of a forward that is derived
_DEPTH = 12  # lines of the student's that are put into one
_LONGEST = 90  # characters of a formula that is said
_PRECISE = 1e-7  # how exactly a formula must give the numbers


class _Unknown(Exception):  # noqa: N818 - no error: then there is no formula
    """A line reads what has no formula."""


@dataclass(slots=True)
class _Run:
    """One case with the student's run on it."""

    case: Case
    graph: Graph
    known: Quantities
    events: list[Event]


class _Reader:
    """Reads lines of the student's in terms of a derivation of the forward."""

    def __init__(self, made: Derivation, program: StudentCode, cases: Sequence[Case]) -> None:
        self.program, self.comparer = program, Comparer(made)
        self.net = made.search.net
        first = cases[0]  # of a number, formulas are for the gradient 1: any other is a factor
        self.factor = float(first.upstream[0]) if first.upstream and np.ndim(first.upstream[0]) == 0 else 1.0
        named = [a.name for a in first.task.call.arguments if a.origin == "upstream"]
        self.upstream = named[0] if named and self.factor != 1 else ""
        self.runs = [run for case in cases if (run := self._run(_for_one(case))) is not None]
        if len(self.runs) < len(cases):
            raise _Unknown
        self.bound: dict[str, str] = {}  # the identifiers given to the derivation's values
        self.called: dict[str, str] = {}  # what the student calls them
        self._truths: dict[int, dict[str, Any]] = {}

    def _run(self, case: Case) -> _Run | None:
        """Return a case with the student's run, or None where its graph is not the one that is derived."""
        graph, first = case.graph, self.net.runs[0].forward
        if graph is None or [n.name for n in graph.nodes] != [n.name for n in first.nodes]:
            return None
        if {*graph.seeds} != {*first.seeds}:
            return None
        every = {s.number for s in self.program.statements}
        return _Run(case, graph, Quantities(graph), record(self.program, case.call, scopes=every).events)

    # ---- which value of the derivation ---------------------------------------------------------------

    def name_of(self, quantity: Quantity) -> str | None:
        """Return what a quantity is called in the derivation."""
        graph, pairs = self.runs[0].graph, self.net.runs[0].pairs
        index = {n.name: n.index for n in graph.nodes}
        match quantity.key:
            case ("value", node):
                return self.net.names.get(("f", index[node]))
            case ("grad", node):
                found = pairs.nodes.get(index[node])
            case ("edge", start, end, slot):
                found = pairs.edges.get((index[start], index[end], slot), ("", None))[1]
            case _:
                return None
        return None if found is None else self.net.names.get(("b", found))

    def same(self, values: Sequence[Any], kinds: Sequence[str], like: str = "") -> Quantity | None:
        """Return the quantity that values are, one for each case; of several the one of that name."""
        lists = [run.known.equal_to(value, kinds) for run, value in zip(self.runs, values, strict=True)]
        keys = [{q.key for q in found} for found in lists[1:]]
        found = [q for q in lists[0] if all(q.key in own for own in keys) and self.name_of(q) is not None]
        return min(found, key=lambda q: (like not in (q.key[1], q.label), kinds.index(q.kind)), default=None)

    def truth(self, run: int) -> dict[str, Any]:
        """Return the values of the derivation on a case, by name."""
        if run not in self._truths:
            named = ((self.name_of(q), q.value) for q in self.runs[run].known.all)
            self._truths[run] = {n: value for n, value in named if n is not None}
        return self._truths[run]

    # ---- a line in terms of the derivation -----------------------------------------------------------

    def at(self, number: int, occurrences: int = 1) -> list[Event] | None:
        """Return the events of a statement that ran once on every case."""
        found = [[e for e in run.events if e.statement.number == number] for run in self.runs]
        return [events[0] for events in found] if all(len(e) == occurrences for e in found) else None

    def read(self, expr: ast.expr, events: Sequence[Event], depth: int = 0) -> ast.expr:
        """Return an expression with every variable put in terms of the derivation."""
        if depth > _DEPTH:
            raise _Unknown
        reader = self

        class Rewriter(ast.NodeTransformer):
            def visit(self, node: ast.AST) -> Any:
                path = path_of(node) if isinstance(node, ast.expr) else ""
                if path and isinstance(getattr(node, "ctx", None), ast.Load):
                    found = reader._variable(path, events, depth)
                    if found is not None:
                        return found
                    if isinstance(node, ast.Name):
                        raise _Unknown
                return self.generic_visit(node)

        made: ast.expr = Rewriter().visit(ast.parse(ast.unparse(expr), mode="eval").body)
        return made

    def _variable(self, path: str, events: Sequence[Event], depth: int) -> ast.expr | None:
        """Return a variable in terms of the derivation; None where only its parts are variables."""
        values = [_value(path, {**vars(self.program.module), **(e.scope or {})}) for e in events]
        first = values[0]
        if first is np:
            return ast.Name("np", ast.Load())
        if isinstance(first, np.ndarray) and first.dtype.kind == "f" and first.ndim:
            found = self.same(values, ("value", "grad", "edge"), path)
            if found is not None:
                return ast.Name(self.bind(found, path), ast.Load())
            for name, one in self.net.onehots.items():
                if all(_is_onehot(run, one.source, v) for run, v in zip(self.runs, values, strict=True)):
                    self.called[name] = path
                    return ast.Name(name, ast.Load())
        writers = [w for e in events if (w := e.reads.get(path)) is not None]
        if len(writers) == len(events) and len({w.statement.number for w in writers}) == 1:
            inner = self._definition(path, writers)
            if inner is not None:
                with contextlib.suppress(_Unknown):
                    return self.read(inner, writers, depth + 1)
        if isinstance(first, np.ndarray) and first.dtype.kind in "iu":
            for name, one in self.net.onehots.items():
                if all(_is_argument(run, one.source, v) for run, v in zip(self.runs, values, strict=True)):
                    self.called.setdefault(name, name)
                    return ast.Name(one.source, ast.Load())
        if isinstance(first, (int, float)) and not isinstance(first, bool):
            return self._number(path, values)
        if isinstance(first, (np.ndarray, np.generic)):
            raise _Unknown
        return None

    def _definition(self, path: str, writers: Sequence[Event]) -> ast.expr | None:
        """Return the right-hand side that a variable was assigned."""
        node = writers[0].statement.node
        if any(w.occurrence for w in writers) or writers[0].statement.in_place or not isinstance(node, ast.Assign):
            return None
        target, value = node.targets[0], node.value
        if path_of(target) == path and len(node.targets) == 1:
            return value
        spelled = [path_of(t) for t in target.elts] if isinstance(target, ast.Tuple) else []
        if path not in spelled:
            return None
        at = spelled.index(path)
        return value.elts[at] if isinstance(value, ast.Tuple) else ast.Subscript(value, ast.Constant(at), ast.Load())

    def _number(self, path: str, values: Sequence[Any]) -> ast.expr:
        """Return a number from outside as the length, the constant or the numeral that it is."""
        for r, name in self.net.size_name.items():
            lengths = [self._length(r, run) for run in self.runs]
            if lengths == [*values] and len({*lengths}) > 1:
                self.called[name] = path
                return ast.Name(name, ast.Load())
        for name, c in self.net.constants.items():
            if name.isidentifier() and all(v == c for v in values):
                self.called[name] = path
                return ast.Name(name, ast.Load())
        if any(v != values[0] for v in values):
            raise _Unknown
        return ast.Constant(values[0])

    def _length(self, r: int, run: _Run) -> int | None:
        for v in self.net.values.values():
            if not v.backward and v.op == "input":
                for own, length in zip(v.dims, run.graph.nodes[v.index].shape, strict=True):
                    if own == ((r, 0),):
                        return int(length)
        return None

    def bind(self, quantity: Quantity, path: str) -> str:
        """Return an identifier of a quantity that lines may read."""
        name = self.name_of(quantity)
        assert name is not None
        self.called.setdefault(name, path)
        if name not in self.bound:
            self.bound[name] = f"_mg_{len(self.bound)}"
            self.comparer.bind(self.bound[name], name)
        return self.bound[name]

    # ---- what is found -------------------------------------------------------------------------------

    def compared(self, expr: ast.expr, name: str) -> Comparison:
        """Compare an expression with a gradient, in bounded time."""
        algebra = self.net.algebra
        algebra.deadline = thread_time() + _SECONDS
        try:
            return self.comparer.line(f"_mg_line = {ast.unparse(expr)}", name)
        finally:
            algebra.deadline = None

    def said(self, *formulas: Poly, events: Sequence[Event]) -> list[str] | None:
        """Return formulas as text in the student's names; None where one of them would mean something else."""
        scopes = [e.scope or {} for e in events]
        called = {**self.called, **self._lengths_called(scopes)}
        values, search = self.net.values, self.comparer.search
        plain = {*self.net.cotangents, *search.lines} | {n for n, v in values.items() if v.own and not v.backward}
        for n in sorted(set().union(*(names(inlined(search, p)) for p in formulas)) - {*called}):
            value = self.truth(0).get(n)
            held = [p for p, v in scopes[0].items() if isinstance(v, np.ndarray) and self._is(n, value, v)]
            if held:
                called[n] = n if n in held else held[0]
            elif n in self.net.onehots:
                called[n] = f"onehot({self.net.onehots[n].source})"
            elif n in scopes[0] or n not in plain:
                return None
        self.comparer.formulas.called = called
        texts = [self.comparer.formulas.text(p) for p in formulas]
        return texts if all(len(t) <= _LONGEST and "_mg" not in t for t in texts) else None

    def _is(self, name: str, value: Any, held: Any) -> bool:
        if name in self.net.onehots:
            return _is_onehot(self.runs[0], self.net.onehots[name].source, held)
        return value is not None and agree(held, value)

    def _lengths_called(self, scopes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Return what the student calls lengths: a variable, the name in the forward, or ``x.shape[0]``."""
        called, words = dict[str, str](), {*re.findall(r"\w+", self.program.text.source)}
        for r, name in self.net.size_name.items():
            lengths = [self._length(r, run) for run in self.runs]
            held = [p for p, v in scopes[0].items() if type(v) is int and [s.get(p) for s in scopes] == lengths]
            if held and len({*lengths}) > 1:
                called[name] = name if name in held else held[0]
            elif name not in words or name in scopes[0]:
                of = [
                    f"{v.name}.shape[{a}]"
                    for v in self.net.values.values() if v.op == "input" and not v.backward
                    for a, own in enumerate(v.dims) if own == ((r, 0),)
                ]  # fmt: skip
                called |= {name: of[0]} if of else {}
        return called

    def holds(self, found: Comparison, name: str, got: Sequence[Any], wanted: Sequence[Any]) -> bool:
        """Check with numbers that a formula is what a value is off by, on every case."""
        assert found.formula is not None
        statements = self.comparer.code(found.formula, name)
        target = statements[-1].partition(" = ")[0]
        for i, (run, g, w) in enumerate(zip(self.runs, got, wanted, strict=True)):
            space: dict[str, Any] = {"np": np, **{n: c for n, c in self.net.constants.items() if n.isidentifier()}}
            space |= {ident(n): np.asarray(value) for n, value in self.truth(i).items()}
            for one in self.net.onehots.values():
                space[one.source] = run.case.probe.arguments.get(one.source)
            exec("\n".join(statements), space)  # noqa: S102 - made of names of the student's own forward
            off = np.asarray(space[target])
            meant = w * off if found.times else w + off
            if not agree(g, meant, _PRECISE):
                return False
        return True


def _for_one(case: Case) -> Case:
    """Return a case whose output, where it is a number, has the gradient 1: that is what is derived."""
    given = tuple(g if np.ndim(g) else 1.0 for g in case.upstream)
    if all(np.ndim(g) or g == 1 for g in case.upstream):
        return case
    return prepare(case.task, case.forward, replace(case.probe, upstream=given))


def _value(path: str, scope: dict[str, Any]) -> Any:
    try:
        return eval(path, scope)  # noqa: S307 - a variable of the student's, as it is spelled
    except Exception:  # noqa: BLE001 - what raises is no value
        return None


def _is_argument(run: _Run, name: str, value: Any) -> bool:
    given = run.case.probe.arguments.get(name)
    return isinstance(given, np.ndarray) and np.array_equal(given, value)


def _is_onehot(run: _Run, name: str, value: Any) -> bool:
    labels = run.case.probe.arguments.get(name)
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or np.ndim(value) != 2:
        return False
    return len(labels) == len(value) and np.array_equal(value, labels[:, None] == np.arange(value.shape[1]))


# ---- findings --------------------------------------------------------------------------------------------------


def explained(
    findings: Sequence[Finding],
    program: StudentCode,
    cases: Sequence[Case],
    fresh: Sequence[Case],
) -> list[Finding]:
    """Return findings with the formula that a wrong line is off by, and with the proof of what may be left out.

    Only where no factor is known yet is the forward derived, once; what cannot be derived stays as it was.
    """
    out: list[Finding] = []
    made: list[Derivation | None] = []
    for number, finding in enumerate(findings):
        out.append(finding)
        if finding.explainable:
            with contextlib.suppress(Exception):  # a formula more is no reason to have no report
                if not made:
                    made.append(_derived(cases))
                if made[0] is not None:
                    reader = _Reader(made[0], _mended(program, out[:number]), [*cases, *fresh])
                    out[number] = _with_formula(finding, reader)
    return out


def _derived(cases: Sequence[Case]) -> Derivation | None:
    """Return the derivation of the forward, or None where it has none."""
    case = cases[0]
    if case.graph is None or len(case.graph.nodes) > _NODES:
        return None
    try:
        return derive(case.traced, seconds=_SECONDS, **case.probe.arguments)
    except (MicrogradError, TypeError, OutOfTime):
        return None


def _mended(program: StudentCode, above: Sequence[Finding]) -> StudentCode:
    """Return the program with the fixes of the findings above."""
    fixes = [one.fix for one in above if one.fix is not None and one.severity == "wrong"]
    if not fixes:
        return program
    source = Patch.of(Piece(*program.text.ends(fix.span), fix.new) for fix in fixes).applied(program.text.source)
    return program.of_text(source) or program


def _roots(program: StudentCode, finding: Finding) -> Iterator[tuple[int, Root]]:
    """Yield the right-hand sides that a finding may be about, with the number of the statement."""
    for statement in program.statements:
        node = statement.node
        if statement.looped or not node.lineno <= finding.span.line <= (node.end_lineno or node.lineno):
            continue
        for root in statement.roots:
            if root.role == "value" and (root.name == finding.target or isinstance(node, ast.Return)):
                yield statement.number, root


def _with_formula(finding: Finding, reader: _Reader) -> Finding:
    for number, root in _roots(reader.program, finding):
        events = reader.at(number)
        if events is None:
            continue
        got = [_got(event, root) for event in events]
        target = _meant(finding, reader, got)
        if target is None:
            continue
        name = reader.name_of(target)
        assert name is not None
        found = reader.compared(reader.read(root.expr, events), name)
        if finding.severity == "harmless":
            if found.verdict == "follows" and found.facts:
                return _proved(finding, found, reader, events)
            continue
        if found.verdict != "wrong" or found.formula is None:
            continue
        wanted = [_truth(run, target) for run in reader.runs]
        key = "times" if found.times else "excess" if found.excess else "lacks"
        sign = -1 if key == "lacks" else 1
        said = reader.said({m: sign * c for m, c in found.formula.items()}, events=events)
        if key == "times" and finding.ratio:
            continue
        if said and reader.holds(found, name, got, wanted):
            formula = said[0]
            if reader.upstream and key != "times":
                formula = f"{reader.upstream}·({formula})" if " " in formula else f"{reader.upstream}·{formula}"
            return replace(finding, relation=key, formula=formula)
    return finding


def _got(event: Event, root: Root) -> Any:
    if isinstance(event.statement.node, ast.Return):
        value = event.returned
        return value[root.position] if root.position >= 0 else value
    return event.writes[root.name]


def _meant(finding: Finding, reader: _Reader, got: Sequence[Any]) -> Quantity | None:
    """Return the gradient that a line should hold."""
    if finding.severity == "harmless":
        return reader.same(got, ("grad", "edge"), finding.target)
    shown = finding.expected
    for quantity in reader.runs[0].known.all:
        if shown is None or quantity.kind == "value" or np.shape(quantity.value) != shown.shape:
            continue
        if np.allclose(reader.factor * np.ravel(quantity.value)[:6], shown.sample, rtol=1e-9, atol=1e-14):
            return quantity
    return None


def _truth(run: _Run, quantity: Quantity) -> Any:
    return np.asarray(next(q.value for q in run.known.all if q.key == quantity.key))


def _proved(finding: Finding, found: Comparison, reader: _Reader, events: Sequence[Event]) -> Finding:
    """Return a remark with the proof that what is left out is always zero."""
    search = reader.comparer.search
    left, right = found.facts[0]
    said = reader.said(*proof_of(search, left, right), events=events) if search.book.same(left, right) else None
    return replace(finding, relation="always", formula=" = ".join(dict.fromkeys(said))) if said else finding


# ---- a line that is written anew -------------------------------------------------------------------------------


def by_the_chain_rule(program: StudentCode, cases: Sequence[Case], key: tuple[Any, ...], scope: Scope) -> Iterator[str]:
    """Yield what the chain rule gives for a gradient, staged and made simple, in what stands before a line.

    Whatever has no name there goes by an expression that the file has for it.
    """
    with contextlib.suppress(Exception):  # most forwards have no derivation that a line could be made of
        made = _derived(cases)
        if made is None:
            return
        reader = _Reader(made, program, cases[:1])
        quantity = next(q for q in reader.runs[0].known.all if q.key == key)
        name, onehots = reader.name_of(quantity) or "", reader.net.onehots
        run = reader.runs[0]
        truth = {
            ident(n): q.value if q.kind == "value" else reader.factor * q.value
            for q in run.known.all if (n := reader.name_of(q)) is not None
        }  # fmt: skip
        texts = [*scope.names, *(program.text.of(n) for n in ast.walk(program.tree) if isinstance(n, _PARTS))]
        texts = [text for text in dict.fromkeys(texts) if len(text) <= _SHORT and "\n" not in text]
        held = {text: scope.value_of(text) for text in texts if text.isidentifier() or len(truth) < _MANY}

        def called(found: re.Match[str]) -> str:
            wanted = truth.get(found[0])
            if found[0] in onehots:
                return next(t for t, v in held.items() if _is_onehot(run, onehots[found[0]].source, v))
            if wanted is None or (found[0] in held and agree(held[found[0]], wanted)):
                return found[0]
            text = next(text for text, value in held.items() if agree_or_not(value, wanted))
            return text if text.isidentifier() or text.endswith(")") else f"({text})"

        for poly in (made.search.lines[name].staged, made.search.lines[name].simple):
            line = made.line(name, poly)
            if "\n" not in line:
                with contextlib.suppress(StopIteration):
                    text = re.sub(r"(?<![\w.])[A-Za-z_]\w*(?![\w(=])", called, line.partition(" = ")[2])
                    yield text
                    if reader.upstream:  # where no gradient stands in it, it is for the gradient 1
                        yield f"{reader.upstream} * ({text})"


_PARTS = (ast.Call, ast.BinOp, ast.Attribute, ast.Subscript)
_SHORT = 40
_MANY = 80


def agree_or_not(value: Any, wanted: Any) -> bool:
    """Return whether a value is the wanted one, whatever it is."""
    return isinstance(value, (np.ndarray, float)) and agree(value, wanted)


# ---- a compact solution ----------------------------------------------------------------------------------------


def way_to(
    program: StudentCode, cases: Sequence[Case]
) -> tuple[tuple[tuple[str, str, str, str], ...], tuple[str, ...]]:
    """Return the steps that lead to a compact solution, and which of its gradients are proved equal, at every size.

    Both are empty where the forward has no derivation.
    """
    with contextlib.suppress(Exception):  # a report needs no proof
        made = _derived(cases)
        if made is not None and made.steps:
            rows: list[tuple[str, str, str, str]] = []
            line = ""
            for step in made.steps:
                rows += [(step.line, step.before, "", "")] if step.line != line else []
                line = step.line
                rows.append(("", step.after, step.rule, ", ".join(f for f in step.facts if "=" in f)))
            return tuple(rows), _proved_equal(_Reader(made, program, cases))
    return (), ()


def _proved_equal(reader: _Reader) -> tuple[str, ...]:
    """Return the gradients whose last line is proved to be what the chain rule gives, at every size."""
    (number,) = {e.statement.number for e in reader.runs[0].events[-1:]}
    events, proved = reader.at(number), []
    if events is None or not isinstance(events[0].statement.node, ast.Return):
        return ()
    results = dict(reader.runs[0].case.task.call.results)
    for root in events[0].statement.roots:
        got = [_got(event, root) for event in events]
        target = reader.same(got, ("grad",), root.name)
        name = results.get(root.position if root.position >= 0 else None)
        if target is None or target.key[1] != name:  # it may be the gradient of something else
            continue
        writers = [w for e in events if (w := e.reads.get(root.name)) is not None]
        expr, at = root.expr, events
        if isinstance(root.expr, ast.Name) and len(writers) == len(events):
            inner = reader._definition(root.name, writers)
            expr, at = (inner, writers) if inner is not None else (expr, at)
        if isinstance(expr, ast.Name):
            continue
        with contextlib.suppress(MicrogradError, _Unknown, OutOfTime):
            called = reader.name_of(target)
            if called is not None and reader.compared(reader.read(expr, at), called).verdict == "follows":
                proved.append(root.name or target.label)
    return tuple(proved)
