"""Tests written for graders: they run, give points for what is right, and say what is wrong."""

from __future__ import annotations

import ast
import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from marker_samples import STUDENT

from micrograd.errors import GraphError
from micrograd.marker.grading import assert_gradient, assert_step, judge
from micrograd.marker.inputs.pairs import Pair
from micrograd.marker.present import emit
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

RIGHT = STUDENT.replace("dx = dx1\n", "dx = dx1 + dx2\n")
COMPACT = (
    RIGHT[: RIGHT.index("def batchnorm_backward")]
    + """def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    d = dout * gamma
    dx = ivar * (d - d.mean(axis=0) - xhat * np.mean(d * xhat, axis=0))
    return dx, np.sum(dout * xhat, axis=0), dout.sum(axis=0)
"""
)
FACTOR = RIGHT.replace("dvar = 0.5 * 1.0", "dvar = 1.0")
STOPS = RIGHT.replace("    dsq = 1.0", "    raise ValueError('later')\n    dsq = 1.0")
PAIR = Pair("batchnorm_forward", "batchnorm_backward", "function", 19)
STEPS = ("dxhat", "divar", "dsqrtvar", "dvar", "dsq", "dxmu", "dmu")
RETURNED = ("dx", "dgamma", "dbeta")
STILL_RIGHT = ["dxhat", "divar", "dsqrtvar", "dmu", "dgamma", "dbeta"]  # with FACTOR; dmu, since dxmu2 sums to zero


@cache
def report_of(source: str) -> Report:
    return run(Request(source, "/nowhere/bn.py", PAIR.forward, PAIR.backward))


# ---- what is held ----------------------------------------------------------------------------------------------------


def test_the_steps_that_a_solution_computes_are_in_its_report() -> None:
    assert report_of(RIGHT).ok
    assert report_of(RIGHT).held == (*STEPS, *report_of(RIGHT).held[len(STEPS) :])
    assert set(report_of(RIGHT).held) == {*STEPS, *RETURNED}


def test_names_do_not_matter_to_what_is_held() -> None:
    renamed = RIGHT
    for number, name in enumerate(("dxhat", "divar", "dsqrtvar", "dvar", "dsq")):
        renamed = renamed.replace(f"    {name} =", f"    t{number} =").replace(f" {name}", f" t{number}")
        renamed = renamed.replace(f"({name}", f"(t{number}")
    assert "dvar" not in renamed.partition("def batchnorm_backward")[2]
    assert set(report_of(renamed).held) == {*STEPS, *RETURNED}


def test_what_follows_a_mistake_is_not_held_and_what_precedes_it_is() -> None:
    held = report_of(FACTOR).held
    assert set(STILL_RIGHT) == set(held)
    assert {"dxhat", "divar", "dsqrtvar", "dvar"} <= set(report_of(STOPS).held)
    assert "dsq" not in report_of(STOPS).held


# ---- judging ---------------------------------------------------------------------------------------------------------


def points(source: str) -> dict[str, bool]:
    made = {}
    for name in (*STEPS, *RETURNED):
        try:
            judge(report_of(source), name, step=name in STEPS)
            made[name] = True
        except AssertionError:
            made[name] = False
    return made


def test_points_are_given_for_what_is_right() -> None:
    assert all(points(RIGHT).values())
    assert all(points(COMPACT).values()), "another way to the right gradients is as good"
    got = points(FACTOR)
    assert [name for name in got if got[name]] == STILL_RIGHT


def test_the_message_is_about_that_gradient_or_the_first_mistake() -> None:
    with pytest.raises(AssertionError) as raised:
        judge(report_of(FACTOR), "dvar", step=True)
    assert "dvar is not computed on the way, or not right.\nLine 27: dvar is wrong" in str(raised.value)
    with pytest.raises(AssertionError) as raised:
        judge(report_of(FACTOR), "dsq", step=True, language="zh")
    assert "过程中没有算出 dsq" in str(raised.value)
    assert "第一处错误：\n第 27 行" in str(raised.value)
    with pytest.raises(AssertionError, match="syntax error"):
        judge(report_of("def f("), "dx", step=False)


def test_a_function_that_is_not_there_is_told() -> None:
    with pytest.raises(AssertionError, match=r"The function is not defined\."):
        assert_gradient(None, None, "dx")
    with pytest.raises(AssertionError, match="函数没有定义"):
        assert_step(None, lambda: 0, "dx", language="zh")


# ---- Otter -----------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """What Otter makes of a decorated function: called with what the notebook has by the parameters' names."""

    name: str
    points: int
    hidden: bool
    success_message: str
    failure_message: str
    function: Callable[..., None] = field(default=lambda: None)

    def __call__(self, function: Callable[..., None]) -> Case:
        self.function = function
        return self


def otter_result(test_file: str, solution: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Run a test file as Otter would; by the tests' names whether they pass."""
    package, module = types.ModuleType("otter"), types.ModuleType("otter.test_files")
    module.test_case = Case  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "otter", package)
    monkeypatch.setitem(sys.modules, "otter.test_files", module)
    space: dict[str, Any] = {}
    exec(test_file, space)
    assert space["OK_FORMAT"] is False
    assert space["name"] == "batchnorm_backward"
    file = folder / f"solution{len(list(folder.iterdir()))}.py"
    file.write_text(solution, encoding="utf-8")
    student: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(solution, str(file), "exec"), student)
    passed = {}
    for case in space.values():
        if isinstance(case, Case):
            import inspect

            given = {name: student.get(name) for name in inspect.signature(case.function).parameters}
            try:
                case.function(**given)
                passed[case.name] = True
            except AssertionError:
                passed[case.name] = False
    return passed


def test_otter_tests_run_on_right_and_wrong_solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = emit.otter(report_of(RIGHT), PAIR)
    ast.parse(text)
    passed = otter_result(text, RIGHT, tmp_path, monkeypatch)
    assert list(passed) == [*STEPS, *RETURNED]
    assert all(passed.values())
    assert all(otter_result(text, COMPACT, tmp_path, monkeypatch).values())
    wrong = otter_result(text, FACTOR, tmp_path, monkeypatch)
    assert [name for name in wrong if wrong[name]] == STILL_RIGHT
    assert not any(otter_result(text, "x = 1", tmp_path, monkeypatch).values())


def test_otter_itself_reads_the_file(tmp_path: Path) -> None:
    files = pytest.importorskip("otter.test_files.exception_test", reason="otter-grader is not installed")
    path = tmp_path / "q.py"
    path.write_text(emit.otter(report_of(RIGHT), PAIR), encoding="utf-8")
    test = files.ExceptionTestFile.from_file(str(path))
    file = tmp_path / "solution.py"
    file.write_text(FACTOR, encoding="utf-8")
    student: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(FACTOR, str(file), "exec"), student)
    test.run(student)
    assert [result.passed for result in test.test_case_results].count(True) == 6
    assert test.grade == 0.6


def test_messages_and_hints_are_in_the_tests() -> None:
    text = emit.otter(report_of(RIGHT), PAIR, hint="where", language="zh")
    assert "hint='where', language='zh'" in text
    assert "dvar 正确。" in text
    english = emit.otter(report_of(RIGHT), PAIR)
    assert english.count("hidden=True") == len(STEPS)
    assert english.count("points=1") == 10


# ---- nbgrader --------------------------------------------------------------------------------------------------------


def notebook() -> dict[str, Any]:
    made = json.loads(emit.nbgrader(report_of(RIGHT), PAIR, RIGHT))
    for cell in made["cells"]:
        cell["source"] = "".join(cell["source"])
    return made  # type: ignore[no-any-return]


def executed(cells: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Run the cells of a notebook in order; by the tests' ids whether they pass."""
    import linecache

    space: dict[str, Any] = {"__name__": "__main__"}
    passed = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        file, text = f"{gettempdir()}/ipykernel_7/{number}.py", cell["source"]
        monkeypatch.setitem(linecache.cache, file, (len(text), None, text.splitlines(keepends=True), file))
        about = cell["metadata"]["nbgrader"]
        try:
            exec(compile(text, file, "exec"), space)
        except AssertionError:
            assert about["grade"]
            passed[about["grade_id"]] = False
        else:
            if about["grade"]:
                passed[about["grade_id"]] = True
    return passed


def test_the_notebook_is_nbgrader_s() -> None:
    made = notebook()
    code = [cell["metadata"]["nbgrader"] for cell in made["cells"] if cell["cell_type"] == "code"]
    assert [about["solution"] for about in code].count(True) == 1
    assert sum(about.get("points", 0) for about in code) == 10
    assert len({about["grade_id"] for about in code}) == len(code)
    assert all(about["schema_version"] == 3 for about in code)
    solution = next(cell for cell in made["cells"] if cell["metadata"].get("nbgrader", {}).get("solution"))["source"]
    lines = solution.split("\n")
    assert lines[0] == "def batchnorm_backward(dout, cache):"
    assert lines[1] == "    ### BEGIN SOLUTION"
    assert lines[-1] == "    ### END SOLUTION"
    hidden = [cell["source"] for cell in made["cells"] if "### BEGIN HIDDEN TESTS" in cell["source"]]
    assert len(hidden) == len(STEPS)
    assert all(text.endswith("### END HIDDEN TESTS") for text in hidden)


def test_the_notebook_is_valid() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.reads(emit.nbgrader(report_of(RIGHT), PAIR, RIGHT), as_version=4))


def test_the_notebook_runs_and_gives_points(monkeypatch: pytest.MonkeyPatch) -> None:
    made = notebook()["cells"]
    passed = executed(made, monkeypatch)
    assert len(passed) == 10
    assert all(passed.values())
    for cell in made:
        cell["source"] = cell["source"].replace("dvar = 0.5 * 1.0", "dvar = 1.0")
    wrong = executed(made, monkeypatch)
    assert [name for name in wrong if wrong[name]] == [f"test-{name}" for name in STILL_RIGHT]
    stub = next(cell for cell in made if "BEGIN SOLUTION" in cell["source"])
    stub["source"] = "def batchnorm_backward(dout, cache):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n"
    assert not any(executed(made, monkeypatch).values())


def test_docstrings_comments_and_decorators_keep_their_places() -> None:
    text = (
        "import functools\n\n@functools.lru_cache\n# note\ndef g_backward(d):\n    '''Doc.'''\n"
        "    # first\n    return d\n\n\nLATER = 1\n"
    )
    before, solution, after = emit._divided(text, "g_backward")
    assert before == "import functools\n"
    assert solution == (
        "@functools.lru_cache\n# note\ndef g_backward(d):\n    '''Doc.'''\n"
        "    ### BEGIN SOLUTION\n    # first\n    return d\n    ### END SOLUTION"
    )
    assert after.strip() == "LATER = 1"


# ---- what cannot be written ------------------------------------------------------------------------------------------


def test_tests_come_from_a_right_solution_only() -> None:
    with pytest.raises(
        GraphError, match="batchnorm_backward is not right, and tests are written from a right solution"
    ):
        emit.otter(report_of(FACTOR), PAIR)
    with pytest.raises(GraphError, match="syntax error"):
        emit.nbgrader(report_of("def f("), PAIR, "def f(")
    with pytest.raises(GraphError, match="tests are written for functions"):
        emit.graded(Report("right", "A.forward", "A.backward", "a.py"))
