"""Code as in real life: right where it says so, wrong where a mistake is made; and how a report of it is judged."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from micrograd.marker.report import Finding, Fix, Output, Report, Shown, Span
from tests.teach import ablate, claims, life, run

BLOCKS = {f"{block.row} {block.backward}": block for block in life.blocks()}
CELL = BLOCKS["recurrent RNNCell.backward"]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_right_block_is_right_by_measurement(name: str) -> None:
    measured = life.numerical(BLOCKS[name], 0)
    for array, gradient in life.gradients(BLOCKS[name], BLOCKS[name].text, 0).items():
        np.testing.assert_allclose(gradient, measured[array], rtol=1e-5, atol=1e-6)


def test_every_mistake_shows_and_has_a_kind_and_both_halves_have_some_of_every_row() -> None:
    items = life.items()
    for item in items:
        right = life.right(item.block, item.text, 1e-6)
        assert right is None or not all(right.values()), item.name
        assert item.kinds
        assert item.text.splitlines()[item.line - 1] != item.block.text.splitlines()[item.line - 1]
    for row, held_out in itertools.product(life.ROWS, (False, True)):
        assert any(item.row == row and item.held_out is held_out for item in items), (row, held_out)


def _item(change: str) -> life.Item:
    (found,) = [item for item in life.items() if item.block == CELL and item.name.endswith(change)]
    return found


def _report(item: life.Item, line: int, kind: str, old: str, new: str, **more: Any) -> Report:
    column = item.text.splitlines()[line - 1].index(old)
    span = Span(line, column, line, column + len(old))
    outputs = tuple(
        Output(f"d{name}", True, Shown((), "", ()), None, 0.0, 0.0) for name in ("x", "h_prev", "Wx", "Wh", "b")
    )
    fix = Fix(span, old, new, 2, **{"right": tuple(output.name for output in outputs), **more})
    return Report("wrong", "", CELL.backward, "", outputs, findings=(Finding("wrong", kind, span, "", fix=fix),))


def test_a_report_is_judged_by_its_line_its_word_its_fix_and_its_sentences() -> None:
    item = _item("db = np.sum(dh_next, axis=0)")
    clock = itertools.count().__next__

    def judged(report: Report) -> life.LifeMark:
        return life.judge(item.block, item, lambda *_: report, lambda: float(clock()))

    good = judged(_report(item, item.line, "swapped_value", "dh_next", "dt"))
    assert (good.found, good.line_right, good.kind_right, good.fix_right, good.accused, good.untrue) == (
        True, True, True, True, False, (),
    )  # fmt: skip
    bad = judged(_report(item, item.line, "sign", "dh_next", "-dh_next"))
    assert (bad.kind_right, bad.fix_right, len(bad.untrue)) == (False, False, 1)  # "all are right with it"
    modest = judged(
        _report(item, item.line, "sign", "dh_next", "-dh_next", whole=False, right=("dx", "dh_prev", "dWx", "dWh"))
    )
    assert modest.untrue == ()
    astray = judged(_report(item, item.line + 1, "sign", "h_prev", "-h_prev", whole=False, right=("dx",)))
    assert (astray.line_right, astray.accused, len(astray.untrue)) == (False, True, 2)
    refused = judged(Report("failed", "", "", "", problem="why not"))
    assert (refused.found, refused.refused) == (False, "why not")
    assert "| recurrent | 5 | 80 % | 60 % | 20 % | 20 % | 1 | 2 | 1 |" in life.markdown(
        [good, bad, modest, astray, refused]
    )


def test_right_code_that_is_called_wrong_is_a_false_alarm() -> None:
    report = _report(_item("db = np.sum(dh_next, axis=0)"), 1, "sign", "np", "-np")
    alarm = life.judge(CELL, None, lambda *_: report, lambda: 0.0)
    fine = life.judge(CELL, None, lambda *_: Report("right", "", "", ""), lambda: 0.0)
    assert "2 pairs, 1 false alarms, 0 refused" in life.markdown([alarm, fine])


def test_what_is_said_of_the_fix_of_an_exception_is_only_that_it_mends() -> None:
    span = Span(1, 0, 1, 1)
    finding = Finding("wrong", "call_error", span, "", fix=Fix(span, "f", "g", 1))
    outputs = (Output("dx", False, Shown((), "", ()), None, 0.0, 0.0),)
    report = Report("wrong", "", "f", "", outputs, findings=(finding,))
    for good, untrue in (({"dx"}, 0), (set[str](), 1)):
        said = claims.claims("f = 1\n", "f", {1}, report, [finding], lambda _, good=good: good)  # type: ignore[misc]
        assert len([*said]) == untrue


# ---- without a mechanism -------------------------------------------------------------------------------------------


def test_what_is_switched_off_is_there_and_comes_back() -> None:
    for name in (*ablate.MECHANISMS, *ablate.EDITS):
        edits = (f"{ablate.SEARCH}:edits_of", f"{ablate.SEARCH}:changes_of")
        places = [
            ablate._place(where) for where in ((ablate.MECHANISMS[name][0],) if name in ablate.MECHANISMS else edits)
        ]
        before = [getattr(*place) for place in places]
        with ablate.switched_off(name):
            assert [getattr(*place) for place in places] != before, name
        assert [getattr(*place) for place in places] == before, name


def test_a_mechanism_that_matters_is_noted_and_missed() -> None:
    item = next(item for item in life.items() if item.row == "unfinished" and item.block == CELL)
    first_look, fired = "first look: unwritten, raised, thrown away", set[str]()
    with ablate.noted(fired):
        whole = ablate._worth(item, run.in_process)
    assert first_look in fired
    assert "bessel" not in fired
    with ablate.switched_off(first_look):
        without = ablate._worth(item, run.in_process)
    assert (whole[2], without[2]) == (True, False)
