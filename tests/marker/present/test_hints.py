"""What a hint level keeps to itself, on the page and in JSON too; what is printed of the student's runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from marker_samples import FACTOR, STUDENT

from micrograd.cli import main
from micrograd.marker.present.telling import told
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

WRONG = STUDENT.replace("dx = dx1\n", "dx = dx1 + dx2\n").replace("dvar = 0.5 * 1.0", "dvar = 1.0")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bn.py").write_text(WRONG, encoding="utf-8")


def test_json_holds_sentences_and_no_more_than_the_hint(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for hint in ("where", "kind", "fix"):
        main(["check", "bn.py", "--format", "json", "--hint", hint])
        (report,) = json.loads(capsys.readouterr().out)["reports"]
        (found[hint],) = report["findings"]
        assert report["summary"] == "Wrong: 1 mistake."
        assert found[hint]["said"][0].startswith("Line 27: dvar is wrong")
    assert (found["where"]["kind"], found["where"]["ratio"], found["where"]["fix"]) == ("", "", None)
    assert (found["kind"]["kind"], found["kind"]["fix"]) == ("factor", None)
    assert found["fix"]["fix"]["new"]


def test_the_page_shows_no_rule_before_the_fix(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "bn.py", "--hint", "where", "-o", "where.html"])
    text = Path("where.html").read_text(encoding="utf-8")
    assert "<button" not in text
    assert "Show the edge" not in text
    assert "0.5" not in text.replace("opacity:.6", "").partition("<pre>")[0]


def test_names_of_inner_nodes_are_not_shown() -> None:
    finding = replace(FACTOR, kind="path_missing", edge=("out_gather", "x_norm_sqrt"), ratio="1/out_gather'")
    report = Report("wrong", "f", "g", "a.py", findings=(finding,), source="dx = dout\n" * 60)
    shown = told(report, finding, hint="fix", language="en")
    assert "out_gather" not in " ".join((shown.head, *shown.sentences))
    assert "one contribution" in " ".join(shown.sentences)


def test_a_notebook_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [{"cell_type": "markdown", "source": "# my homework"}]
    cells += [{"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np"]}]
    cells += [{"cell_type": "code", "source": "def f_forward(x):\n    return x * x, x"}]
    cells += [{"cell_type": "code", "source": "!ls\ndef f_backward(dout, x):\n    return dout * x"}]
    Path("hw.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}}), encoding="utf-8")
    assert main(["check", "hw.ipynb"]) == 1
    assert "replace" in (out := capsys.readouterr().out) or "2 *" in out
    assert "return dout * x" in out
    Path("no.ipynb").write_text("{}", encoding="utf-8")
    assert main(["check", "no.ipynb"]) == 1
    assert "is no notebook" in capsys.readouterr().err


PRINTS = """\
import numpy as np
print("loaded")
def f_forward(x):
    print("x has shape", x.shape)
    return x * x, x
def f_backward(dout, x):
    print("backward")
    return 2 * dout * x
"""


def test_prints_of_one_run_are_shown() -> None:
    report = run(Request(PRINTS, "/nowhere/hw.py", "f_forward", "f_backward"), Limits(seconds=20.0))
    assert report.ok
    assert report.printed.split("\n")[:-1] == ["loaded", "x has shape (5, 3)", "backward"]


def test_a_dictionary_without_one_gradient_is_wrong() -> None:
    text = "import numpy as np\ndef f_forward(x, g):\n    return g * x, (x, g)\ndef f_backward(dout, cache):\n"
    text += "    x, g = cache\n    dg = (dout * x).sum(axis=0)\n    return {'dx': dout * g}\n"
    report = run(Request(text, "/nowhere/hw.py", "f_forward", "f_backward"), Limits(seconds=20.0))
    assert (report.verdict, [output.right for output in report.outputs]) == ("wrong", [True, False])
