"""The table of `make teach`: how a report is judged, and a sample of it as a regression test."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

from micrograd.marker.report import Finding, Fix, Output, Report, Shown, Span
from tests.teach import claims, corpus, faults, report, run, several, table

LAYERS = {layer.name: layer for layer in corpus.layers()}


def _clock() -> Callable[[], float]:
    ticks = itertools.count()
    return lambda: float(next(ticks))


def _fault(layer: str, change: str) -> faults.Fault:
    (found,) = [fault for fault in faults.faults_of(LAYERS[layer]) if fault.change[1] == change]
    return found


def _span(text: str, line: int, part: str) -> Span:
    column = text.splitlines()[line - 1].index(part)
    return Span(line, column, line, column + len(part))


def _report(fault: faults.Fault, kind: str, old: str, new: str, line: int = 0, verdict: str = "wrong") -> Report:
    span = _span(fault.text, line or fault.line, old)
    finding = Finding("wrong", kind, span, "", fix=Fix(span, old, new, 2))
    return Report(verdict, "", "", "", findings=(finding,))


SIGN = ("batchnorm_staged", "dxmu1 = -(dxhat * ivar)")


def _judged(answer: Report) -> table.Mark:
    return table.judge_fault(_fault(*SIGN), lambda pair, text: answer, _clock())


def test_a_report_that_says_it_all_is_right_in_everything() -> None:
    mark = _judged(_report(_fault(*SIGN), "sign", "-(dxhat * ivar)", "dxhat * ivar"))
    assert all((mark.found, mark.line_right, mark.kind_right, mark.kind_first, mark.fix_right))
    assert mark.seconds == 1.0


def test_another_line_another_class_another_fix_are_misses() -> None:
    fault = _fault(*SIGN)
    other = _report(fault, "factor", "divar", "divar", line=fault.line - 1)
    mark = _judged(other)
    assert mark.found
    assert not any((mark.line_right, mark.kind_right, mark.kind_first, mark.fix_right))


def test_a_fix_that_does_not_fit_the_text_or_does_not_mend_it_is_none() -> None:
    fault = _fault(*SIGN)
    good = _report(fault, "sign", "-(dxhat * ivar)", "dxhat * ivar")
    fix = good.findings[0].fix
    assert fix is not None
    assert table.applied(fault.text, fix) == fault.layer.text
    assert table.applied(fault.text, dataclasses.replace(fix, old="-(dxhat * xhat)")) is None
    assert not _judged(_report(fault, "sign", "-(dxhat * ivar)", "+(dxhat / ivar)")).fix_right
    assert not _judged(_report(fault, "sign", "-(dxhat * ivar)", "((")).fix_right


def test_a_fault_called_right_is_not_found_and_a_right_text_called_wrong_is_a_false_alarm() -> None:
    right = Report("right", "", "", "")
    assert not _judged(right).found
    pair = LAYERS["relu"]
    assert table.judge_right(pair, lambda *_: right, _clock()).found
    wrong = Report("wrong", "", "", "", findings=(Finding("wrong", "sign", Span(1, 0, 1, 3), ""),))
    alarm = table.judge_right(pair, lambda *_: wrong, _clock())
    assert not alarm.found
    assert report.failures([alarm, _judged(right)]) == [alarm, _judged(right)]
    remark = dataclasses.replace(wrong.findings[0], severity="harmless")
    told = table.judge_right(pair, lambda *_: dataclasses.replace(right, findings=(remark,)), _clock())
    assert told.found
    assert told.harmless_told


def test_shares_are_rounded_down_and_the_rows_add_up() -> None:
    good = _judged(_report(_fault(*SIGN), "sign", "-(dxhat * ivar)", "dxhat * ivar"))
    bad = dataclasses.replace(good, layer="relu", line_right=False)
    lines = table.rows([good] * 999 + [bad], ["batchnorm_staged", "relu", "svm"])
    assert [row["layer"] for row in lines] == ["batchnorm_staged", "relu", "all"]
    assert lines[-1]["faults"] == 1000
    text = table.markdown(lines)
    assert "99.9 %" in text
    assert len({len(line) for line in text.splitlines()}) == 1


def test_misses_of_the_held_out_half_are_told_only_when_asked_for() -> None:
    bad = dataclasses.replace(_judged(Report("right", "", "", "")), held_out=True)
    assert report.misses([bad]) == ""
    assert report.misses([bad], held_out=True).startswith("- not found, line, class, fix | batchnorm_staged:")


def test_the_page_is_written_with_its_introduction(tmp_path: Path) -> None:
    report.publish("| a |", {"seed": 3, "jobs": 1, "cores": 2}, tmp_path / "teach.md")
    assert (tmp_path / "teach.md").read_text().startswith("# What check finds\n")
    assert "the draw of `--seed 3`" in (tmp_path / "teach.md").read_text()
    assert (tmp_path / "teach.md").read_text().endswith("| a |\n")


def test_nobody_who_plants_faults_reads_the_diagnosis() -> None:
    for path in (ROOT / "tests" / "teach").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").rpartition(".")[2] not in ("diagnosis", "repair"), path


# ---- a sample of the table -------------------------------------------------------------------------------------

QUICK = [name for name in LAYERS if name not in ("conv", "max_pool")]


def _sample(most: int) -> list[faults.Fault]:
    """Of each layer a few faults of the half that is developed on."""
    half = [fault for fault in faults.faults() if fault.effect in faults.VISIBLE and not fault.held_out]
    found = []
    for name in QUICK:
        mine = [fault for fault in half if fault.layer.name == name]
        found += mine[:: max(1, len(mine) // most)][:most]
    return found


@pytest.mark.parametrize("name", QUICK)
def test_a_right_layer_is_right(name: str) -> None:
    assert run.in_process(LAYERS[name], LAYERS[name].text).verdict == "right"


@pytest.mark.slow
def test_a_sample_of_the_faults_is_found_told_and_mended() -> None:
    marks, _ = run.measure(_sample(8), [], quick=True)
    (whole,) = [row for row in table.rows(marks, QUICK) if row["layer"] == "all"]
    text = report.misses(marks)
    assert whole["found"] == 1.0, text
    assert whole["line_right"] >= 0.9, text
    assert whole["kind_right"] >= 0.85, text
    assert whole["fix_right"] >= 0.8, text


@pytest.mark.slow
def test_no_variant_is_called_wrong() -> None:
    marks, _ = run.measure([], corpus.variants()[::2], quick=True)
    assert report.failures(marks) == [], report.misses(marks)


@pytest.mark.slow
def test_the_command_line_writes_table_and_marks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.teach.run", "--layers", "relu", "--quick", "--misses", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    result: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    assert {mark["effect"] for mark in result["marks"]} >= {"value", "right"}
    assert (tmp_path / "table.md").read_text() in done.stdout + "\n"


def test_an_unknown_layer_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--layers", "gelu"])
    assert "unknown layers: gelu; there are batchnorm_staged," in capsys.readouterr().err


# ---- several faults at once ------------------------------------------------------------------------------------------


def _several(*changes: str) -> several.Several:
    return several.Several(LAYERS["batchnorm_staged"], tuple(_fault("batchnorm_staged", change) for change in changes))


def test_several_faults_are_judged_by_all_lines_and_every_sentence() -> None:
    both = _several("dxmu1 = -(dxhat * ivar)", "dgamma = -np.sum(dgammax * xhat, axis=0)")
    assert len(both.lines) == 2
    mark = several.judge_several(both, run.in_process, _clock())
    assert (mark.named, mark.accused, mark.missed, mark.mended, mark.untrue) == (True, False, False, True, ())
    one = _report(_fault(*SIGN), "sign", "-(dxhat * ivar)", "dxhat * ivar")
    outputs = tuple(Output(name, False, Shown((), "", ()), None, 0.0, 0.0) for name in ("dx", "dgamma", "dbeta"))
    (finding,) = one.findings
    single = dataclasses.replace(one, outputs=outputs, backward="batchnorm_backward")
    mark = several.judge_several(both, lambda pair, text: single, _clock())
    assert (mark.named, mark.accused, mark.missed, mark.mended) == (False, False, True, False)
    assert len(mark.untrue) == 1  # "every gradient is right with it"
    other = dataclasses.replace(finding, span=dataclasses.replace(finding.span, line=5, end_line=5), fix=None)
    doubted = dataclasses.replace(single, findings=(dataclasses.replace(other, sure=False),))
    for answer, untrue in ((dataclasses.replace(single, findings=(other,)), 1), (doubted, 0)):
        mark = several.judge_several(both, lambda pair, text, answer=answer: answer, _clock())  # type: ignore[misc]
        assert (mark.accused, len(mark.untrue)) == (bool(untrue), untrue)


def test_what_a_line_reads_is_found_by_the_text() -> None:
    both = _several("dxmu1 = -(dxhat * ivar)", "dgamma = -np.sum(dgammax * xhat, axis=0)")
    lines = both.layer.text.splitlines()
    last = next(n for n, line in enumerate(lines, 1) if "dx = dx1 + dx2" in line)
    above = claims._above(both.layer.text, "batchnorm_backward", last)
    first = next(n for n, line in enumerate(lines, 1) if "dgammax = dout" in line)
    assert first in above
    assert min(both.lines) in above or max(both.lines) in above


def test_each_of_several_faults_shows() -> None:
    made = several.drawn(LAYERS["relu"], 3)
    assert {len(one.faults) for one in made} == {2, 3}
    for one in made:
        assert len({fault.edit.start for fault in one.faults}) == len(one.faults)
        assert one.text != one.layer.text
