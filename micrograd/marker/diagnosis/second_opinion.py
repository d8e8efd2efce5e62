"""Decide whether the derivation is asked for more than numbers say; it is loaded only where it is.

It is asked of a line that is wrong by no known factor, of what may be left out, and of a compact solution, whose steps
nobody sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.marker.report import Report
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import record
from micrograd.marker.truth.alignment import Quantities, agree
from micrograd.marker.truth.cases import Case

__all__ = ["second_opinion"]

_STAGES = 3  # gradients on the way; a forward with fewer has no long form


def second_opinion(
    report: Report,
    program: StudentCode,
    cases: Sequence[Case],
    fresh: Callable[[], Sequence[Case]],
    forward: Callable[..., Any],
) -> Report:
    """Return a report with formulas in its findings, and with the steps that lead to a compact solution.

    Args:
        report: with its findings.
        program: the student's.
        cases: the probes.
        fresh: makes others, on which formulas are tried too.
        forward: what is derived.
    """
    if any(one.explainable for one in report.findings):
        from micrograd.marker.diagnosis.formulas import explained

        report = replace(report, findings=tuple(explained(report.findings, program, cases, fresh(), forward)))
    if all(one.severity in ("wrong", "shape", "harmless") for one in report.findings) and _is_compact(
        program, cases[0]
    ):
        from micrograd.marker.diagnosis.formulas import way_to

        steps, proved = way_to(program, cases, forward)
        report = replace(report, steps=steps, proved=proved)
    return report


def _is_compact(program: StudentCode, case: Case) -> bool:
    """Return whether most gradients of the user's intermediate values are not computed on the way."""
    graph = case.graph
    if graph is None or case.task.forward == case.task.backward:
        return False
    ends = {node.name for node in (*graph.outputs, *graph.inputs)}
    own = {node.name for node in graph.nodes if node.name == node.statement} - ends
    found = [q for q in Quantities(graph).all if q.kind == "grad" and q.key[1] in own]
    if len(found) < _STAGES:
        return False
    written = [v for e in record(program, case.call).events for v in e.writes.values() if isinstance(v, np.ndarray)]
    there = [q for q in found if any(agree(np.squeeze(v), np.squeeze(q.value)) for v in written)]
    return len(there) <= len(found) / 2
