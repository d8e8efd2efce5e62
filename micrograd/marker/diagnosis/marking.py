"""`mark`: the student's backward against the engine, line by line."""

from __future__ import annotations

import ast
import contextlib
import time
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.errors import MicrogradError
from micrograd.marker.diagnosis.diagnosis import Diagnoser
from micrograd.marker.diagnosis.first_look import (
    average,
    first_look,
    undisturbed,
    unguarded_imports,
    with_reason,
    written_as_averages,
)  # fmt: skip
from micrograd.marker.diagnosis.harmless import averaged, left_out
from micrograd.marker.gradient_names import meanings, node_of, normal
from micrograd.marker.inputs.calling import function_named
from micrograd.marker.inputs.layers import forward_of_layer
from micrograd.marker.inputs.task import Argument, Call, Probe, Task
from micrograd.marker.messages import problem
from micrograd.marker.repair.patch import Patch, Piece
from micrograd.marker.report import Finding, Output, Report, Span, shown
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import Event, duplicate, load, record, same_value
from micrograd.marker.student.slicing import loss_only
from micrograd.marker.student.statements import Text
from micrograd.marker.truth import cases as c
from micrograd.marker.truth.alignment import Quantities, agree
from micrograd.marker.truth.cases import MISSING, Case, UnrunnableError, judged, prepare, refreshed
from micrograd.pytree import flatten, paths

__all__ = ["Argument", "Call", "Probe", "Task", "changed_arguments", "forward_of", "held", "mark"]


# ---- arguments that the backward changes --------------------------------------------------------------------


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


# ---- the verdict --------------------------------------------------------------------------------------------


FRESH = 2


def mark(
    task: Task,
    module: types.ModuleType | None = None,
    early: Callable[[Report], None] | None = None,
    *,
    blurred: bool = True,
) -> Report:
    """Mark one backward in this process.

    The student's code is executed here, as often as it takes: call this in a child process that may be stopped.

    Args:
        task: what there is to mark.
        module: the student's text, executed; made from ``task.source`` where left out.
        early: called with the verdict "wrong" before the search for the line begins, which may take long.
        blurred: whether guards and single precision, which blur gradients, may be in the text.

    Returns:
        The report; its verdict is ``failed`` where the forward does not run.
    """
    started = time.perf_counter()
    if module is None:
        module = load(task.source, task.file, (task.forward, task.backward), namespace=task.namespace)
    program = StudentCode(task.source, module, task.backward, task.file)
    forward = forward_of(task, module)
    loss = loss_only(program, module, task.call.outputs[0]) if task.forward == task.backward else None
    if loss is not None and task.receiver:
        loss = forward_of_layer(module, task.forward, task, loss)
    try:
        cases = [prepare(task, forward, probe, loss) for probe in task.probes]
        differs, mended = _differences(task, module, started + task.seconds / 3) if task.reference else ((), "")
    except UnrunnableError as error:
        return Report(
            "failed", task.forward, task.backward, task.file, problem=str(error), source=task.source,
            seconds=time.perf_counter() - started,
        )  # fmt: skip
    results = [_returned(program, case) for case in cases]
    for case, result in zip(cases, results, strict=True):
        if not isinstance(result, Exception):
            _cross_checked(case, result)
    cases, results = _ordered(program, cases, results)
    outputs = _outputs(task, cases, results)
    right = all(_right(case, result) for case, result in zip(cases, results, strict=True))
    report = Report(
        "right" if all(output.right for output in outputs) and not differs else "wrong",
        task.forward, task.backward, task.file, outputs, probes=len(cases), source=task.source, tried=tried(task),
    )  # fmt: skip

    averages: tuple[Finding, ...] = ()
    found: tuple[tuple[int, ...], int, int] | None = None

    def again(source: str) -> Report:
        return mark(replace(task, source=source, seconds=task.seconds / 2))

    if report.verdict == "wrong" and not differs:
        excused = _by_custom(task, report, program, cases, results) if blurred else None
        if excused is not None:
            return replace(excused, seconds=time.perf_counter() - started)
        without = _without_influence(report, program, cases)
        if without:
            return replace(report, findings=without, seconds=time.perf_counter() - started)
        report = replace(report, problem=_only(task, cases, results))
        found = written_as_averages(program, cases[0])
        if found is not None:
            for case in cases:
                average(case, found)
            count = f"{task.call.results[found[1]][1]}.shape[{found[2]}]"
            averages = (_convention(report, program, found[0], "averages", count),)
            report = replace(report, outputs=_outputs(task, cases, results))
    if early is not None and report.verdict == "wrong":
        early(report)
    findings: list[Finding] = []
    if not right:
        made: list[Case] = []

        def fresh() -> Sequence[Case]:
            if not made:
                for number in range(FRESH):
                    probe = task.probes[number % len(task.probes)]
                    other = prepare(task, forward, refreshed(probe, number), loss)
                    if cases[number % len(cases)].graph is None and other.graph is not None:
                        c.replace_truth(other)
                    if found is not None:
                        average(other, found)
                    made.append(other)
            return made

        findings = first_look(program, cases, results, fresh, again)
        gaps = {one.target for one in findings if one.kind == "unwritten" and one.target}
        stops = any(isinstance(result, Exception) for result in results)
        if not findings or (gaps and not stops and all(one.kind == "unwritten" for one in findings)):
            diagnoser = Diagnoser(program, cases, [_quantities(case) for case in cases], fresh, started + task.seconds)
            diagnoser.given_up |= _given_up(cases, results, ", ".join(gaps).split(", ")) if gaps else set()
            findings = [*findings, *with_reason(program, results, diagnoser.run())]
        if differs and mended:
            findings = _the_fewer(findings, task, mended)
    findings = [*differs, *findings, *averages, *changed_arguments(program, cases[0])]
    if not findings and report.verdict == "right":
        findings = left_out(program, cases[0])
    report = replace(report, findings=tuple(findings))
    if time.perf_counter() < started + task.seconds:
        others = lambda: [prepare(task, forward, refreshed(task.probes[0], n), loss) for n in range(FRESH)]  # noqa: E731
        report = _second_opinion(report, program, cases, others)
    return replace(report, seconds=time.perf_counter() - started)


def _differences(task: Task, module: types.ModuleType, deadline: float) -> tuple[Sequence[Finding], str]:
    """Return how the forward differs from its reference, which few tasks have."""
    from micrograd.marker.diagnosis.reference import differences

    return differences(task, module, task.probes, deadline)


def _second_opinion(
    report: Report,
    program: StudentCode,
    cases: Sequence[Case],
    fresh: Callable[[], Sequence[Case]],
) -> Report:
    """Return a report with formulas in its findings, and with the steps that lead to a compact solution.

    The derivation is asked, and loaded, only of a line that is wrong by no known factor, of what may be left out, and
    of a compact solution.
    """
    if any(one.explainable for one in report.findings):
        from micrograd.marker.diagnosis.formulas import explained

        report = replace(report, findings=tuple(explained(report.findings, program, cases, fresh())))
    stops = any(one.kind in ("call_error", "unwritten", "no_return") for one in report.findings)
    told = all(one.severity in ("wrong", "shape", "harmless") for one in report.findings) and not stops
    if told and _is_compact(program, cases[0]):
        from micrograd.marker.diagnosis.formulas import way_to

        steps, proved = way_to(program, cases)
        report = replace(report, steps=steps, proved=proved)
    return report


def _is_compact(program: StudentCode, case: Case) -> bool:
    """Return whether few gradients of the user's intermediate values are computed on the way: fewer than half."""
    graph = case.graph
    if graph is None or case.task.forward == case.task.backward:
        return False
    ends = {node.name for node in (*graph.outputs, *graph.inputs)}
    own = {node.name for node in graph.nodes if node.name == node.statement} - ends
    found = [q for q in Quantities(graph).all if q.kind == "grad" and q.key[1] in own]
    if len(found) < _STAGES:
        return False
    events = record(program, case.call).events
    written = [v for e in events for v in e.writes.values() if isinstance(v, np.ndarray)]
    named = {node_of(name) for e in events for name in e.writes}  # a wrong one is on the way too
    there = [q for q in found if q.key[1] in named or any(agree(np.squeeze(v), np.squeeze(q.value)) for v in written)]
    return len(there) < len(found) / 2


_STAGES = 3  # gradients on the way; a forward with fewer has no long form


def _without_influence(report: Report, program: StudentCode, cases: Sequence[Case]) -> tuple[Finding, ...]:
    """Return what is said of a forward whose output does not change with an input, where nothing else is wrong."""
    wrong = [position for position, output in enumerate(report.outputs) if not output.right]
    if any(np.any(case.expected[position]) for case in cases for position in wrong):
        return ()
    name = report.forward.rpartition(".")[2]
    made = (n for n in ast.walk(program.tree) if isinstance(n, ast.FunctionDef) and n.name == name)
    ends = [n for function in made for n in ast.walk(function) if isinstance(n, ast.Return)]
    if not ends:
        return ()
    span = program.text.span(ends[-1])
    lines = program.text.whole_lines(span)
    return tuple(Finding("wrong", "no_influence", span, lines, report.outputs[p].name) for p in wrong)


def _only(task: Task, cases: Sequence[Case], results: Sequence[Any]) -> str:
    """Return under which settings it is wrong, where it is right under others."""
    usual, wrong = _settings(task.probes[0]), set[str]()
    for case, result in zip(cases, results, strict=True):
        if not _right(case, result):
            wrong |= {
                f"{name} {value}" for name, value in _settings(case.probe).items() if usual.get(name) != value
            } or {""}
    return "" if "" in wrong or not wrong else problem("only", settings=", ".join(sorted(wrong)))


def _settings(probe: Probe) -> dict[str, Any]:
    leaves = [pair for name, given in probe.arguments.items() for pair in paths(given, name)]
    return {path.rpartition(".")[2]: value for path, value in leaves if isinstance(value, (int, str, bool))}


def tried(task: Task) -> tuple[str, ...]:
    """Return the shapes of the inputs, and the settings that differ from probe to probe."""
    found: dict[str, list[str]] = {}
    for probe in task.probes:
        for path, value in (pair for name, given in probe.arguments.items() for pair in _shown(name, given)):
            array = isinstance(value, np.ndarray)
            if array or isinstance(value, (int, str, bool, tuple)):
                found.setdefault(path.rpartition(".")[2], []).append(str(value.shape) if array else repr(value))
    shown = {name: list(dict.fromkeys(values)) for name, values in found.items()}
    return tuple(f"{n} {', '.join(v)}" for n, v in shown.items() if len(v) > 1 or v[0][0] in "('")


def _shown(name: str, given: Any) -> Iterable[tuple[str, Any]]:
    """Return the leaves of an argument by path; a shape is one."""
    shape = isinstance(given, tuple) and all(isinstance(length, int) for length in given)
    return [(name, given)] if shape else paths(given, name)


def _given_up(cases: Sequence[Case], results: Sequence[Any], gaps: Sequence[str]) -> set[int]:
    """Return the gradients that are not written yet: what is missing in a result, and what a gap is called after."""
    states = [[one.state for one in judged(case, result)] for case, result in zip(cases, results, strict=True)
              if not isinstance(result, Exception)]  # fmt: skip
    own = {normal(target) for name in gaps for target, _ in meanings(name)}
    names = [name.rpartition(".")[2] for _, name in cases[0].task.call.results]
    return {p for p, name in enumerate(names) if normal(name) in own or any(s[p] == "missing" for s in states)}


def _by_custom(
    task: Task, report: Report, program: StudentCode, cases: Sequence[Case], results: Sequence[Any]
) -> Report | None:
    """Return the report of what is not the forward's gradient, but what custom makes of it: right, with a remark.

    Where there are mistakes besides, a guard hides what mends them: they are looked for without it.
    """
    text = program.text
    wrong = [output for output in report.outputs if not output.right]
    off = max(o.error / max(abs(x) for x in (*o.expected.sample, 1e-30)) for o in wrong)
    patch, guards = undisturbed(text)
    other: Report | None = None
    end = text.span(program.statements[-1].node if program.statements else program.functions[program.name])
    with contextlib.ExitStack() as elsewhere:
        if not guards:
            guards = tuple((end, number) for number in unguarded_imports(program.module, elsewhere))
        if (guards or patch.pieces) and (off <= 1e-4 or _blurs(task, patch.applied(text.source), cases[0], results[0])):
            other = mark(replace(task, source=patch.applied(text.source), seconds=task.seconds / 2), blurred=False)
    if other is not None and other.verdict == "right" and off <= 1e-4:
        error = f"{max(output.error for output in wrong):.0e}"
        span, number = guards[0] if guards else (end, "")
        reason = problem("guard", count=number, error=error)
        remarks = [Finding("harmless", "guard", span, text.whole_lines(span), reason=reason)] if guards else []
        return replace(report, verdict="right", outputs=other.outputs, findings=tuple(remarks))
    if other is not None and (mistakes := _in_the_original(other.findings, patch, text)):
        whole = Patch.of(Piece(*text.ends(one.fix.span), one.fix.new) for one in mistakes if one.fix is not None)
        then = mark(replace(task, source=whole.applied(text.source), seconds=task.seconds / 4))
        if then.verdict == "right":
            return replace(report, findings=(*mistakes, *then.findings))
    found = averaged(cases, results) if len(wrong) == len(report.outputs) - 1 > 1 else None
    if found is None:
        return None
    remark = _convention(report, program, found[0], "mean", found[1])
    outputs = tuple(replace(output, right=True) for output in report.outputs)
    return replace(report, verdict="right", outputs=outputs, findings=(remark,))


def _blurs(task: Task, source: str, case: Case, result: Any) -> bool:
    """Return whether the truth, or what the backward makes, is another one without what blurs gradients."""
    module = load(source, task.file, (task.forward, task.backward), namespace=task.namespace)
    program = StudentCode(source, module, task.backward, task.file)
    loss = loss_only(program, module, task.call.outputs[0]) if task.forward == task.backward else None
    if loss is not None and task.receiver:
        loss = forward_of_layer(module, task.forward, task, loss)
    try:
        other = prepare(task, forward_of(task, module), case.probe, loss)
        made = _returned(program, other)
    except UnrunnableError:
        return False
    kept = [] if isinstance(made, Exception) or isinstance(result, Exception) else case.gradients_in(result)
    return not same_value([*other.expected, *(other.gradients_in(made) if kept else ())], [*case.expected, *kept])


def _in_the_original(findings: Sequence[Finding], patch: Patch, text: Text) -> list[Finding]:
    """Return findings of an edited text in the places of the original; nothing where they are not all mended."""
    other, found = Text(patch.applied(text.source)), list[Finding]()
    mistakes = [one for one in findings if one.severity != "harmless"]

    def back(span: Span) -> Span:
        return text.between(*(patch.origin(place) for place in other.ends(span)))

    for one in mistakes:
        if one.fix is None or text.source[slice(*text.ends(back(one.fix.span)))] != one.fix.old:
            return []
        found.append(replace(one, span=back(one.span), fix=replace(one.fix, span=back(one.fix.span))))
    return found if any(one.fix is not None and one.fix.whole for one in found) else []


def _convention(report: Report, program: StudentCode, positions: Sequence[int], said: str, count: str) -> Finding:
    """Return the remark on gradients that are averages, at the first line of one."""
    text, names = program.text, [output.name for output in report.outputs]
    end = next((s for s in program.statements if isinstance(s.node, ast.Return)), program.statements[-1])
    line = next((s for s in program.statements if names[positions[0]] in s.names), end)
    others = ", ".join(name for p, name in enumerate(names) if p not in positions)
    reason = problem(said, names=", ".join(names[p] for p in positions), count=count, others=others)
    span = text.span(line.node)
    return Finding("harmless", "mean_convention", span, text.whole_lines(span), names[positions[0]], reason=reason)


def _ordered(program: StudentCode, cases: Sequence[Case], results: Sequence[Any]) -> tuple[list[Case], list[Any]]:
    """Return edits are tried on the first case: one that shows a mistake, and of loops the smallest."""
    loops = any(statement.looped for statement in program.statements)

    def key(number: int) -> tuple[bool, int]:
        size = sum(np.size(leaf) for leaf in flatten(dict(cases[number].probe.arguments))[0]) if loops else 0
        return _right(cases[number], results[number]), size

    order = sorted(range(len(cases)), key=key)
    return [cases[number] for number in order], [results[number] for number in order]


def _the_fewer(findings: list[Finding], task: Task, mended: str) -> list[Finding]:
    """Return the mistakes of the backward.

    Against its own forward, or the mended one if that leaves fewer to explain.
    """
    other = mark(replace(task, source=mended, reference="", seconds=task.seconds / 3))
    if other.verdict == "failed":
        return findings

    def unexplained(found: Sequence[Finding]) -> tuple[int, int]:
        return sum(one.fix is None for one in found), len(found)

    return min(findings, list(other.findings), key=unexplained)


def _quantities(case: Case) -> Quantities:
    names = [name for _, name in case.task.call.results]
    return Quantities(case.graph, dict(zip(names, case.expected, strict=True)))


def forward_of(task: Task, module: types.ModuleType) -> Callable[..., Any]:
    """Return the forward; of a method a function that makes a fresh object for each call."""
    return forward_of_layer(module, task.forward, task) if task.receiver else function_named(module, task.forward)


def _returned(program: StudentCode, case: Case) -> Any:
    """Return the result of the backward as it is, or the exception that it raised."""
    try:
        return case.call(program.plain())
    except Exception as error:  # noqa: BLE001 - whatever the student's code raises
        return error


def _right(case: Case, result: Any) -> bool:
    return not isinstance(result, Exception) and all(one.state == "right" for one in judged(case, result))


def _cross_checked(case: Case, result: Any) -> None:
    """Where student and engine disagree, ask a measured slope: a trace that lost something must accuse nobody."""
    if case.graph is None:
        return
    returned = case.gradients_in(result)
    for position, one in enumerate(judged(case, result)):
        value = returned[position]
        doubtful = one.state == "wrong" and np.isfinite(one.error) and value is not MISSING
        if doubtful and c.contradicted(case, position, value):
            c.replace_truth(case)
            return


def _outputs(task: Task, cases: Sequence[Case], results: Sequence[Any]) -> tuple[Output, ...]:
    found = []
    for position, (_, name) in enumerate(task.call.results):
        worst: Output | None = None
        for case, result in zip(cases, results, strict=True):
            label = f"d{name.rpartition('.')[2]}"
            expected = shown(case.expected[position])
            if isinstance(result, Exception):
                kept = getattr(result, "kept", None)
                there = kept is not None and judged(case, kept)[position].state == "right"
                one = Output(label, there, expected, expected if there else None, np.inf, 0.0)
            else:
                judgement = judged(case, result)[position]
                value = case.gradients_in(result)[position]
                got = None if value is MISSING else shown(value)
                good = judgement.state in ("right", "shape")
                one = Output(label, good, expected, got, judgement.error, judgement.bound)
            if worst is None or (worst.right and not one.right):
                worst = one
        assert worst is not None
        if all(c.scale_of(case.expected[position]) <= 1e-9 * case.scales[position] for case in cases):
            worst = replace(worst, zero=True)
        found.append(worst)
    if any(isinstance(result, Exception) for result in results) and all(output.right for output in found):
        return tuple(replace(output, right=False, got=None) for output in found)  # it stops when all of them are there
    return tuple(found)


# ---- partial credit -----------------------------------------------------------------------------------------


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for entry in value:
            yield from _arrays(entry)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))
    elif isinstance(value, (np.ndarray, np.floating, float)):
        yield np.squeeze(np.asarray(value))


def held(task: Task, probes: int = 2) -> tuple[str, ...]:
    """Return the gradients that the student's code holds at some time, as ``dvar``, the last one first.

    Shapes count but for axes of length one. What is computed before an exception counts too.

    Args:
        task: what is marked.
        probes: on how many probes a value has to agree.
    """
    module = load(task.source, task.file, (task.forward, task.backward), namespace=task.namespace)
    forward = forward_of(task, module)
    program = StudentCode(task.source, module, task.backward, task.file)
    found: list[str] | None = None
    for probe in task.probes[:probes]:
        try:
            case = prepare(task, forward, probe)
        except MicrogradError:
            return ()
        if case.graph is None:
            return ()
        recording = record(program, case.call)
        values = [
            array
            for event in recording.events
            for value in (*event.writes.values(), event.returned)
            for array in _arrays(value)
        ]
        given = {node.name for node in case.graph.outputs}
        own = {node.name for node in case.graph.nodes if node.op == "input" or node.name == node.statement}
        names = [
            quantity.label
            for quantity in reversed(Quantities(case.graph).all)
            if quantity.kind == "grad"
            and quantity.key[1] in own - given
            and any(agree(array, np.squeeze(np.asarray(quantity.value))) for array in values)
        ]
        found = names if found is None else [name for name in found if name in names]
    return tuple(dict.fromkeys(found or ()))
