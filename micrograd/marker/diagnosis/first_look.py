"""Look at a backward before its mathematics is looked at: code that stops, that is not written, that is thrown away.

What is found here is a matter of Python, and is said as such. An edit is only offered when the whole pair was run with
it: then it makes all gradients right, or the code no longer stops where it did and other mistakes are found behind it.
What blurs gradients, guards and single precision, is taken out here too.
"""

from __future__ import annotations

import ast
import contextlib
import re
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from micrograd.marker.gradient_names import gradient_target, normal
from micrograd.marker.messages import problem
from micrograd.marker.repair.patch import Patch, Piece
from micrograd.marker.report import Finding, Fix, Report, Span
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import record
from micrograd.marker.student.statements import Text, path_of, targets_of
from micrograd.marker.student.stopping import Stop, stop_of
from micrograd.marker.student.unfinished import gaps_of, returns_nothing, thrown_away
from micrograd.marker.truth.cases import Case, judged
from micrograd.source.names import is_users_code

__all__ = [
    "average", "finding_of_stop", "first_look", "undisturbed", "unguarded_imports", "with_reason",
    "written_as_averages",
]  # fmt: skip

_MOST = 12  # edits that are tried
_SEARCHED = re.compile(r"(Value|Type|Index|Axis)Error(?!: `[^`]*` (holds|is) )")
"""Exceptions that a mistake in the mathematics may be behind: shapes, operators, indices."""


def finding_of_stop(stop: Stop) -> Finding | None:
    """Return the finding for an exception; None where no line of the file raised it."""
    if stop.span is None:
        return None
    kind = "unwritten" if stop.unwritten else "call_error"
    sure = stop.unwritten or not _SEARCHED.match(stop.words)  # a shape may be wrong because of a line above
    return Finding("wrong", kind, stop.span, stop.source, reason="" if stop.unwritten else stop.words, sure=sure)


def first_look(
    program: StudentCode,
    cases: Sequence[Case],
    results: Sequence[Any],
    fresh: Callable[[], Sequence[Case]],
    again: Callable[[str], Report],
) -> list[Finding]:
    """Return what is wrong with the code as Python; nothing where its mathematics has to be looked at.

    Args:
        program: the student's backward.
        cases: the probes.
        results: what it returned, or raised, on each.
        fresh: makes other probes to verify edits on.
        again: marks the file with another text.
    """
    text, function = program.text, program.functions[program.name]
    error = next((result for result in results if isinstance(result, Exception)), None)
    stop = None if error is None else stop_of(error, program.file, text.source)
    kept = all(isinstance(key, str) and key.startswith(".") for key, _ in cases[0].task.call.results)
    bare = program.name != cases[0].task.forward and not kept and returns_nothing(function)
    if bare and stop is None and not gaps_of(function):
        span = text.span(function.body[-1])
        return [Finding("wrong", "no_return", span, text.whole_lines(span))]
    meant = (
        {new for *_, new in stop.edits} if stop is not None else set[str]()
    )  # zeros that a misspelt name was to fill
    gaps = [one for one in gaps_of(function) if one.name not in meant]
    if gaps := [gap for gap in gaps if gap.name or program.name != cases[0].task.forward]:
        names: dict[Span, list[str]] = {}
        for gap in gaps:
            names.setdefault(text.span(gap.node), []).append(gap.name)
        found = [Finding("wrong", "unwritten", at, text.whole_lines(at), ", ".join(of)) for at, of in names.items()]
        follows = stop is None or stop.unwritten or _follows(function, stop, {gap.name for gap in gaps})
        made = None if stop is None or follows else finding_of_stop(stop)
        return [*found, made] if made else found
    if stop is not None and stop.unwritten:
        made = finding_of_stop(stop)
        return [made] if made else []
    for start, end, new, kind in _edits(program, stop):
        source = text.edited(start, end, new)
        state = _state(program, source, [*cases, *fresh()], stop)
        if not state:
            continue
        span, whole = text.between(start, end), state == "right"
        fix = Fix(span, text.source[start:end], new, len(fresh()), whole)
        place = stop.span if stop is not None and stop.span is not None else span
        first = Finding("wrong", kind, place, text.whole_lines(place), fix=fix, reason=stop.words if stop else "")
        if whole:
            return [first]
        then = again(source)
        good, bad = (tuple(one.name for one in then.outputs if one.right is right) for right in (True, False))
        if _all_mended(rest := list(_moved(then, span, new))):
            return [replace(first, fix=replace(fix, right=good, wrong=bad)), *rest]
    made = None if stop is None or _SEARCHED.match(stop.words) else finding_of_stop(stop)
    return [made] if made else []


def with_reason(program: StudentCode, results: Sequence[Any], findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with what the exception says; that alone where no edit mends the whole."""
    error = next((result for result in results if isinstance(result, Exception)), None)
    if error is None:
        return list(findings)
    stop = stop_of(error, program.file, program.text.source)
    found = finding_of_stop(stop)
    mended = [one for one in findings if one.severity != "harmless"]
    if found is None or _all_mended(mended):
        line = 0 if stop.span is None else stop.span.line
        first = next((one for one in mended if one.span.line == line), mended[0] if mended else None)
        words = (
            stop.words if first is None or first.span.line == line else problem("later", line=line, words=stop.words)
        )
        return [replace(one, reason=words) if one is first else one for one in findings]
    return [found, *(one for one in findings if one.severity == "harmless")]


def _follows(function: ast.FunctionDef, stop: Stop, names: set[str]) -> bool:
    """Return whether the line that stops reads what is not written yet, or what was made of it."""
    if "it has no value yet" in stop.words:
        return True
    for node in (n for n in ast.walk(function) if isinstance(n, ast.Assign)):
        if names & {path_of(n) for n in ast.walk(node.value) if isinstance(n, ast.expr)}:
            names |= {one.name for target in node.targets for one in targets_of(target)}
    return bool(names & {*re.findall(r"[A-Za-z_][\w.]*", stop.source)})


def _ends(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield each ``-pad`` that ends a slice: with pad = 0 the slice is empty."""
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Slice)
            and isinstance(node.upper, ast.UnaryOp)
            and isinstance(node.upper.operand, ast.Name)
        ):
            yield node.upper


def _all_mended(findings: Sequence[Finding]) -> bool:
    """Return whether each mistake has its fix, and with all of them every gradient is right."""
    fixes = [one.fix for one in findings if one.severity != "harmless"]
    return bool(fixes) and None not in fixes and any(fix is not None and fix.whole for fix in fixes)


def _edits(program: StudentCode, stop: Stop | None) -> Iterator[tuple[int, int, str, str]]:
    """Yield edits of the text that mend a matter of Python, with the kind of mistake that each mends."""
    text = program.text
    for function in program.functions.values():
        for node, kept in thrown_away(function):
            start = text.range(node)[0]
            if not kept and isinstance(node.value, ast.Compare):
                at = text.source.index("==", text.range(node.value.left)[1])
                yield at, at + 2, "=", "thrown_away"
            elif kept:
                yield start, start, kept, "thrown_away"

    ends = [text.range(end) for end in _ends(program.functions[program.name])]
    if ends and stop is None:
        start, end = ends[0][0], ends[-1][1]
        new, at = "", start
        for _, last in ends:
            new, at = f"{new}{text.source[at:last]} or None", last
        yield start, end, new, "index"
    if stop is not None:
        yield from ((start, end, new, "call_error") for start, end, new in stop.edits[:_MOST])


def _state(program: StudentCode, source: str, cases: Sequence[Case], stop: Stop | None) -> str:
    """Return ``right`` where a text makes all gradients right, ``further`` where it no longer stops; else nothing."""
    edited = program.of_text(source)
    if edited is None:
        return ""
    function = edited.plain()
    states: set[str] = set()
    for case in cases:
        try:
            states |= {one.state for one in judged(case, case.call(function))}
        except Exception as error:  # noqa: BLE001 - whatever the student's code raises
            now = stop_of(error, program.file, source)
            if stop is None or now.span is None or stop.span is None or now.span.line <= stop.span.line:
                return ""
            states.add("stops")
    if states == {"right"}:
        return "right"
    return "further" if stop is not None and (len(stop.edits) == 1 or _certain(stop)) else ""


def _certain(stop: Stop) -> bool:
    """Return whether it is plain which name was meant, although other mistakes remain."""
    return "did you mean" in stop.words


def _moved(report: Report, span: Span, new: str) -> Iterator[Finding]:
    """Yield what is wrong with the edited text, in places of the text as it was."""
    shift = len(new) - (span.end_column - span.column)

    def back(one: Span) -> Span:
        first, last = (
            column - shift if line == span.line and column > span.column else column
            for line, column in ((one.line, one.column), (one.end_line, one.end_column))
        )
        return replace(one, column=first, end_column=last)

    for finding in report.findings:
        fix = finding.fix
        if fix is not None:
            fix = (
                None
                if fix.span.line <= span.line <= fix.span.end_line
                else replace(fix, span=back(fix.span), alone=False)
            )
        yield replace(finding, span=back(finding.span), fix=fix)


# ---- averages by custom ---------------------------------------------------------------------------------------


def written_as_averages(program: StudentCode, case: Case) -> tuple[tuple[int, ...], int, int] | None:
    """Return which gradients are written as averages, whose examples they go over, and along which axis.

    All but one are, by a division that the forward does not have: a course's convention, whatever else is wrong.
    """
    names = [name.rpartition(".")[2] for _, name in case.task.call.results]
    divided: dict[int, set[int]] = {}
    events = record(program, case.call, scopes={s.number for s in program.statements}).events
    for event in events if case.task.forward != case.task.backward else ():
        scope = program.scope(event.scope or {})
        for root in event.statement.roots:
            inside = {root.name, *(n.id for n in ast.walk(root.expr) if isinstance(n, ast.Name))}
            own = {root.name} if root.name and not isinstance(event.statement.node, ast.Return) else inside
            for place, name in enumerate(names):
                if any(normal(gradient_target(one)) == normal(name) for one in own if gradient_target(one)):
                    sizes = [scope.value(node) for node in _divisors(root.expr)]
                    divided.setdefault(place, set()).update(int(n) for n in sizes if isinstance(n, (int, np.integer)))
    others = [place for place in range(len(names)) if not divided.get(place)]
    common = set.intersection(*(found for found in divided.values() if found)) if any(divided.values()) else set[int]()
    if len(names) < 3 or len(others) != 1 or not common:
        return None
    lengths = np.shape(case.expected[others[0]])
    kept = {size for place in divided for size in np.shape(case.expected[place]) if place != others[0]}
    axis = next((axis for axis, length in enumerate(lengths) if length in common - kept), None)
    return None if axis is None else (tuple(p for p in range(len(names)) if p != others[0]), others[0], axis)


def _divisors(node: ast.expr) -> list[ast.expr]:
    """Return what a product is divided by."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            return [*_divisors(left), *([right] if isinstance(op, ast.Div) else _divisors(right))]
        case ast.UnaryOp(operand=inner):
            return _divisors(inner)
    return []


def average(case: Case, found: tuple[tuple[int, ...], int, int]) -> None:
    """Hold some gradients of a case against averages over the examples of another input."""
    positions, other, axis = found
    count = np.shape(case.expected[other])[axis]
    for position in positions:
        case.expected[position] = case.expected[position] / count


# ---- what blurs gradients ---------------------------------------------------------------------------------------


def undisturbed(text: Text) -> tuple[Patch, tuple[tuple[Span, str], ...]]:
    """Return the edits that take out what blurs gradients, and the guards among it.

    Small numbers that are added inside a logarithm, ``np.log(p + 1e-7)``, and storage in single or half precision.
    """
    tree = ast.parse(text.source)
    small: dict[str, float] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=float(number))):
                small[name] = number
    pieces, found = [], []
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="log") | ast.Name(id="log"),
                args=[ast.BinOp(op=ast.Add(), left=left, right=(ast.Constant() | ast.Name()) as right)],
            ):
                value: object = right.value if isinstance(right, ast.Constant) else small.get(right.id)
                if isinstance(value, float) and 0 < value <= _GUARD:
                    pieces.append(Piece(text.range(left)[1], text.range(right)[1], ""))
                    found.append((text.span(node), text.of(right)))
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=attr) if attr in _NARROW:
                end = text.range(node)[1]
                pieces.append(Piece(end - len(attr), end, "float64"))
            case ast.Call(func=ast.Attribute(attr=attr), args=args, keywords=keywords) if attr in _MAKES:
                given = (*args, *(keyword.value for keyword in keywords if keyword.arg == "dtype"))
                types = (one for one in given if isinstance(one, ast.Constant) and one.value in _NARROW)
                pieces += [Piece(*text.range(one), '"d"') for one in types]
    return Patch.of(pieces), tuple(found)


_NARROW = ("f", "e", "f4", "f2", "float32", "float16", "single", "half")
_MAKES = ("zeros", "ones", "empty", "full", "array", "asarray", "zeros_like", "ones_like", "empty_like", "astype")


def unguarded_imports(module: types.ModuleType, restored: contextlib.ExitStack) -> list[str]:
    """Return the guards in the user's modules that one uses functions of; take them out until `restored`."""
    found, seen, left = [], set[str](), [module]
    while left:
        for name in {str(getattr(value, "__module__", "")) for value in vars(left.pop()).values()} - seen:
            seen.add(name)
            other = sys.modules.get(name)
            file = getattr(other, "__file__", None) or ""
            if other is None or other is module or not file.endswith(".py") or not is_users_code(file):
                continue
            left.append(other)
            with contextlib.suppress(OSError, SyntaxError, ValueError):
                source = Path(file).read_text(encoding="utf-8")
                patch, guards = undisturbed(Text(source)) if "log" in source else (Patch(), ())
                space, without = dict(vars(other)), patch.applied(source) if guards else ""
                exec(compile(without, file, "exec"), space)  # noqa: S102 - it ran when it was imported
                for function in [f for f in vars(other).values() if guards and isinstance(f, types.FunctionType)]:
                    if function.__module__ == name and function.__name__ in space:
                        restored.callback(setattr, function, "__code__", function.__code__)
                        function.__code__ = space[function.__name__].__code__
                found += [number for _, number in guards]
    return found


_GUARD = 1e-4
