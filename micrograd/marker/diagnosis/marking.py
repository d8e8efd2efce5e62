"""`mark`: the student's backward against the engine, line by line."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.marker.diagnosis.altered_arguments import changed_arguments
from micrograd.marker.diagnosis.diagnosis import Diagnoser
from micrograd.marker.diagnosis.harmless import left_out
from micrograd.marker.diagnosis.reference import differences
from micrograd.marker.inputs.calling import function_named
from micrograd.marker.inputs.task import Argument, Call, Probe, Task
from micrograd.marker.report import Finding, Output, Report, shown
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.loading import load
from micrograd.marker.student.slicing import loss_only
from micrograd.marker.truth import cases as c
from micrograd.marker.truth.alignment import Quantities
from micrograd.marker.truth.cases import MISSING, Case, UnrunnableError, judged, prepare, refreshed
from micrograd.pytree import flatten

__all__ = ["Argument", "Call", "Probe", "Task", "forward_of", "mark"]

FRESH = 2


def mark(task: Task, module: types.ModuleType | None = None, early: Callable[[Report], None] | None = None) -> Report:
    """Mark one backward in this process.

    The student's code is executed here, as often as it takes: call this in a child process that may be stopped.

    Args:
        task: what there is to mark.
        module: the student's text, executed; made from ``task.source`` where left out.
        early: called with the verdict "wrong" before the search for the line begins, which may take long.

    Returns:
        The report; its verdict is ``failed`` where the forward does not run.
    """
    started = time.perf_counter()
    if module is None:
        module = load(task.source, task.file, (task.forward, task.backward), namespace=task.namespace)
    program = StudentCode(task.source, module, task.backward, task.file)
    forward, receiver = forward_of(task, module)
    loss = loss_only(program, module, task.call.outputs[0]) if task.forward == task.backward else None
    try:
        cases = [prepare(task, forward, probe, receiver, loss) for probe in task.probes]
        deadline = started + task.seconds / 3
        differs, mended = differences(task, module, task.probes, deadline) if task.reference else ((), "")
    except UnrunnableError as error:
        return Report(
            "failed", task.forward, task.backward, task.file, problem=str(error), source=task.source,
            seconds=time.perf_counter() - started,
        )  # fmt: skip
    results = [_answer(program, case) for case in cases]
    for case, result in zip(cases, results, strict=True):
        if not isinstance(result, Exception):
            _cross_checked(case, result)
    cases, results = _ordered(program, cases, results)
    outputs = _outputs(task, cases, results)
    right = all(_right(case, result) for case, result in zip(cases, results, strict=True))
    report = Report(
        "right" if all(output.right for output in outputs) and not differs else "wrong",
        task.forward, task.backward, task.file, outputs, probes=len(cases), source=task.source,
    )  # fmt: skip
    if early is not None and report.verdict == "wrong":
        early(report)
    findings: list[Finding] = []
    if not right:
        made: list[Case] = []

        def fresh() -> Sequence[Case]:
            if not made:
                for number in range(FRESH):
                    probe = task.probes[number % len(task.probes)]
                    other = prepare(task, forward, refreshed(probe, number), receiver, loss)
                    if cases[number % len(cases)].graph is None and other.graph is not None:
                        c.replace_truth(other)
                    made.append(other)
            return made

        diagnoser = Diagnoser(program, cases, [_quantities(case) for case in cases], fresh, started + task.seconds)
        findings = diagnoser.run()
        if differs and mended:
            findings = _the_fewer(findings, task, mended)
    findings = [*differs, *findings, *changed_arguments(program, cases[0])]
    if not findings and report.verdict == "right":
        findings = left_out(program, cases[0])
    return replace(report, findings=tuple(findings), seconds=time.perf_counter() - started)


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


def forward_of(task: Task, module: types.ModuleType) -> tuple[Callable[..., Any], Callable[[], Any]]:
    """Return the forward, unbound where it is a method, and what makes a fresh object for it."""

    def receiver() -> Any:
        return eval(task.receiver, vars(module)) if task.receiver else None  # noqa: S307 - the student's constructor

    return function_named(module, task.forward), receiver


def _answer(program: StudentCode, case: Case) -> Any:
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
    answers = case.answers(result)
    for position, one in enumerate(judged(case, result)):
        value = answers[position]
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
                one = Output(label, False, expected, None, np.inf, 0.0)
            else:
                judgement = judged(case, result)[position]
                value = case.answers(result)[position]
                got = None if value is MISSING else shown(value)
                good = judgement.state in ("right", "shape")
                one = Output(label, good, expected, got, judgement.error, judgement.bound)
            if worst is None or (worst.right and not one.right):
                worst = one
        assert worst is not None
        found.append(worst)
    return tuple(found)
