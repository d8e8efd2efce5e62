"""Tests for graders, written from a right solution: one for each gradient returned and one for each step on the way.

Partial credit follows: who has `dvar` right and `dmu` wrong gets the points of `dvar`. Whoever gets the returned
gradients right by another way gets all points.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from micrograd.errors import GraphError
from micrograd.marker.inputs.pairs import Pair
from micrograd.marker.messages import WORDS, say
from micrograd.marker.notebook import cell, notebook
from micrograd.marker.report import Report

__all__ = ["graded", "nbgrader", "otter"]


def graded(report: Report) -> tuple[tuple[str, bool], ...]:
    """Return the names of the gradients to test, and whether each is a step on the way rather than returned.

    Raises:
        GraphError: the solution is not right, so it cannot say what to test.
    """
    if not report.ok:
        raise GraphError(
            f"{report.backward} is not right, and tests are written from a right solution: "
            f"{report.problem or 'mend what the check found first'}"
        )
    if "." in report.backward:
        raise GraphError(f"{report.backward}: tests are written for functions; wrap the layer's methods in two.")
    returned = [output.name for output in report.outputs]
    steps = [name for name in report.held if name not in returned and name.isidentifier()]
    return (*((name, True) for name in steps), *((name, False) for name in returned))


def _call(pair: Pair, name: str, step: bool, hint: str, language: str) -> str:
    more = "" if language == "en" else f", language={language!r}"
    helper = "assert_step" if step else "assert_gradient"
    return f"{helper}({pair.forward}, {pair.backward}, {name!r}, hint={hint!r}{more})"


def otter(report: Report, pair: Pair, *, hint: str = "kind", language: str = "en") -> str:
    """Return a test file in Otter's exception-based format.

    Args:
        report: of a right solution.
        pair: of which it is.
        hint: how much a failing test gives away.
        language: of the messages.

    Raises:
        GraphError: the solution is not right.
    """
    tests = graded(report)
    parameters = ", ".join(dict.fromkeys((pair.forward, pair.backward)))
    written = (
        f'"""{say(language, WORDS["emit.head"], backward=pair.backward)}"""\n\n'
        "from otter.test_files import test_case\n\n"
        "from micrograd.marker.grading import assert_gradient, assert_step\n\n"
        f"OK_FORMAT = False\n\nname = {pair.backward!r}\npoints = None\n"
    )
    for name, step in tests:
        good = say(language, WORDS["grade.good"], name=name)
        bad = say(language, WORDS["grade.wrong" if step else "grade.output"], name=name)
        written += (
            f"\n\n@test_case(\n    name={name!r},\n    points=1,\n    hidden={step},\n"
            f"    success_message={good!r},\n    failure_message={bad!r},\n)\n"
            f"def test_{name}({parameters}):\n    {_call(pair, name, step, hint, language)}\n"
        )
    return written


def nbgrader(report: Report, pair: Pair, source: str, *, hint: str = "kind", language: str = "en") -> str:
    """Return a notebook for nbgrader.

    The file's code, the backward as the solution, and a cell of tests for each gradient.

    Args:
        report: of a right solution.
        pair: of which it is.
        source: the text of its file.
        hint: how much a failing test gives away.
        language: of the messages.

    Raises:
        GraphError: the solution is not right.
    """
    tests = graded(report)
    before, solution, after = _divided(source, pair.backward)
    title = f"# {pair.backward}\n\n{say(language, WORDS['emit.head'], backward=pair.backward)}"
    told: list[tuple[str, str, dict[str, Any]]] = [("markdown", title, {})]
    for name, text, about in (
        ("given", before, {"locked": True}),
        (pair.backward, solution, {"solution": True}),
        ("given-too", after, {"locked": True}),
    ):
        if text.strip():
            told.append(("code", text.strip("\n"), _about(name, **about)))
    for name, step in tests:
        helper = "assert_step" if step else "assert_gradient"
        call = _call(pair, name, step, hint, language)
        call = f"### BEGIN HIDDEN TESTS\n{call}\n### END HIDDEN TESTS" if step else call
        text = f"from micrograd.marker.grading import {helper}\n\n{call}"
        told.append(("code", text, _about(f"test-{name}", grade=True, locked=True, points=1)))
    return notebook([cell(kind, f"cell-{i}", text, about) for i, (kind, text, about) in enumerate(told)])


def _about(name: str, **more: bool | int) -> dict[str, Any]:
    """Return what nbgrader wants to know about a cell."""
    own = {"grade_id": name.replace("_", "-"), "grade": False, "locked": False, "solution": False, "task": False}
    return {"nbgrader": {**own, "schema_version": 3, **more}}


def _divided(source: str, name: str) -> tuple[str, str, str]:
    """Return the text before a function, the function with its body marked as the solution, and the text after it."""
    function = next(
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name == name
    )
    lines = source.split("\n")
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)]) - 1
    body: Sequence[ast.stmt] = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    if not body:
        raise GraphError(f"{name} has no body.")
    start, end = body[0].lineno - 1, function.end_lineno or len(lines)
    while start > 0 and lines[start - 1].lstrip().startswith("#"):  # a comment before the first statement is part of it
        start -= 1
    margin = " " * body[0].col_offset
    marked = [*lines[first:start], f"{margin}### BEGIN SOLUTION", *lines[start:end], f"{margin}### END SOLUTION"]
    return "\n".join(lines[:first]), "\n".join(marked), "\n".join(lines[end:])
