"""Excuse what everybody does: gradients averaged over the examples, and a guard such as 1e-7 inside a logarithm."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd.marker.inputs.task import Task
from micrograd.marker.report import Finding, Report
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.truth.cases import Case, close, judged

__all__ = ["excused"]

_GUARD = 0.05  # of its size: a gradient that is further off has other reasons than a guard


def excused(
    program: StudentCode, task: Task, cases: Sequence[Case], results: Sequence[Any], again: Callable[[str], Report]
) -> Finding | None:
    """Return the remark that makes a wrong backward a right one; None where it is a mistake.

    `again` marks the file with another text.
    """
    if any(isinstance(result, Exception) for result in results):
        return None
    states = [judged(case, result) for case, result in zip(cases, results, strict=True)]
    if any(one.state in ("missing", "shape") for found in states for one in found):
        return None
    wrong = {p for found in states for p, one in enumerate(found) if one.state == "wrong"}
    got = [case.gradients_in(result) for case, result in zip(cases, results, strict=True)]
    near = all(
        one.error < _GUARD * max(case.scales) for case, found in zip(cases, states, strict=True) for one in found
    )
    return _averaged(program, task, cases, got, wrong) or _guarded(program, near, again)


def _averaged(
    program: StudentCode, task: Task, cases: Sequence[Case], got: Sequence[Sequence[Any]], wrong: set[int]
) -> Finding | None:
    """Return a remark where all gradients of parameters are 1/m of themselves, and that of the layer before is exact.

    So a course teaches it that writes dZ, dA_prev and m.
    """
    upstream = [argument.name for argument in task.call.arguments if argument.origin == "upstream"]
    if (
        len(wrong) < 2
        or len(wrong) == len(task.call.results)
        or not any(re.search(r"d[ZzA]", name) for name in upstream)
    ):
        return None
    for case, values in zip(cases, got, strict=True):
        sizes = {size for p, _ in enumerate(values) if p not in wrong for size in np.shape(case.expected[p])}
        wanted = [(values[p], case.expected[p], case.relative * case.scales[p]) for p in wrong]
        if not any(
            all(np.shape(g) == np.shape(w) and close(np.multiply(g, m), w, 2 * bound) for g, w, bound in wanted)
            for m in sizes
            if m > 1
        ):
            return None
    node = program.functions[program.name]
    divided = [n for n in ast.walk(node) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    return _remark(program, divided[0], "averaged") if divided else None


def _guarded(program: StudentCode, near: bool, again: Callable[[str], Report]) -> Finding | None:
    """Return a remark where without the 1e-7 or so that the forward adds inside a logarithm all gradients are right."""
    guards = [
        (node, inner)
        for node in ast.walk(program.tree)
        if near and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "log"
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, float) and 0 < inner.value <= 1e-4
    ]
    source = program.text.source
    for _, inner in sorted(guards, key=lambda pair: -program.text.range(pair[1])[0]):
        start, end = program.text.range(inner)
        source = source[:start] + "0.0" + source[end:]
    return _remark(program, guards[0][0], "guard") if guards and again(source).ok else None


def _remark(program: StudentCode, node: ast.expr, kind: str) -> Finding:
    span = program.text.span(node)
    return Finding("harmless", kind, span, program.text.whole_lines(span))
