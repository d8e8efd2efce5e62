"""`micrograd check`: what it prints and writes, with which exit code, and what it says where it was called wrongly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from marker_samples import STUDENT
from paths import ROOT

from micrograd.cli import main
from micrograd.marker.report import Report

RIGHT = STUDENT.replace("dx = dx1\n", "dx = dx1 + dx2\n")
WRONG = RIGHT.replace("dvar = 0.5 * 1.0", "dvar = 1.0")
RELU = """
import numpy as np
def relu_forward(x):
    return np.maximum(x, 0), x
def relu_backward(dout, cache):
    return dout * (cache > 0)
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "bn.py") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["check", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


# ---- what it says ----------------------------------------------------------------------------------------------------


def test_a_right_backward_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, written(RIGHT))
    assert (code, err) == (0, "")
    assert out.startswith("bn.py: batchnorm_backward, checked against batchnorm_forward\nRight: every gradient agrees")


def test_a_wrong_one_exits_with_1_and_names_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, written(WRONG))
    assert (code, err) == (1, "")
    assert "1. Line 27: dvar is wrong, and everything that this line reads is right." in out
    assert "the value is 2 times what it should be" in out
    assert "\x1b" not in out


def test_what_cannot_be_run_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    code = said(capsys, written("raise ValueError('no')\n" + RELU))[0]
    assert code == 0  # the top fails, the functions are there
    code, out, err = said(capsys, written(RELU.replace("np.maximum(x, 0), x", "undefined(x), x")))
    assert (code, err) == (2, "")
    assert "Could not be checked. bn.py:4: NameError: name 'undefined' is not defined" in out


def test_all_pairs_of_a_file_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, written(WRONG + RELU))
    assert code == 1
    assert "relu_backward, checked against relu_forward\nRight" in out
    assert out.endswith("1 of 2 pairs are right.\n")
    code, out, _ = said(capsys, "bn.py", "--backward", "relu_backward")
    assert code == 0
    assert "batchnorm" not in out


def test_names_that_are_not_alike_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    text = RELU.replace("relu_forward", "apply").replace("relu_backward", "undo")
    code, out, _ = said(capsys, written(text), "--forward", "apply", "--backward", "undo")
    assert code == 0
    code, _, err = said(capsys, "bn.py")
    assert code == 2
    assert "found no NAME_forward with its NAME_backward" in err


def test_hints_and_language(capsys: pytest.CaptureFixture[str]) -> None:
    written(WRONG)
    where = said(capsys, "bn.py", "--hint", "where")[1]
    assert "27 |" in where
    assert "2 times" not in where
    chinese = said(capsys, "bn.py", "--hint", "kind", "--lang", "zh")[1]
    assert "1. 第 27 行：dvar 是错的" in chinese


def test_json_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, written(WRONG + RELU), "--format", "json")
    data = json.loads(out)
    assert (code, err, data["version"]) == (1, "", 1)
    reports = [Report.from_json(json.dumps(one)) for one in data["reports"]]
    assert [one.verdict for one in reports] == ["wrong", "right"]
    assert reports[0].findings[0].span.line == 27


def test_colours_only_for_a_person(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written(WRONG)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in said(capsys, "bn.py")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in said(capsys, "bn.py")[1]


@pytest.mark.parametrize(("page", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_the_readme_shows_what_it_says(capsys: pytest.CaptureFixture[str], page: str, language: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = [b for b in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if "^^^" in b]
    code, out, _ = said(capsys, str(ROOT / "examples" / "homework.py"), "--lang", language)
    assert code == 1
    lines = iter(out.split("\n"))
    for line in block.rstrip("\n").split("\n"):
        assert line in lines, f"{page} shows {line!r}, which is not there, or not there yet"


# ---- arguments of the forward ----------------------------------------------------------------------------------------


def test_shapes_and_settings_reach_the_forward(capsys: pytest.CaptureFixture[str]) -> None:
    text = "import numpy as np\ndef f_forward(q, axis, k=1):\n    print(q.shape, axis, k)\n    return q * k, k\n"
    written(text + "def f_backward(dout, cache):\n    return dout * cache\n")
    code, out, _ = said(capsys, "bn.py", "--input", "q=4x7", "--param", "axis=(0, 1)", "--param", "k=2.5")
    assert code == 0, out
    assert "(4, 7) (0, 1) 2.5" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.py"], "absent.py: no such file; give FILE.py"),
        (["."], "is a directory; give FILE.py"),
        (
            ["bn.py", "--backward", "batchnorm_bakward"],
            "no function 'batchnorm_bakward'; did you mean batchnorm_backward",
        ),
        (["bn.py", "--input", "y=3"], "batchnorm_forward has no parameter 'y'; its parameters: x, gamma, beta, eps"),
        (["bn.py", "--input", "x=3xx"], "expected NAME=SHAPE"),
        (["bn.py", "--eps", "0.1", "--input", "eps=3"], "'eps' is given as --input and as a setting; give it once"),
        (["bn.py", "--hint", "all"], "invalid choice: 'all'"),
        (["bn.py", "--seconds", "0"], "expected a number of seconds from 0.1 to 3600"),
        (["bn.py", "--memory", "1"], "expected a whole number from 64 to"),
        (["bn.py", "-o", "bn.svg"], "the page is written as .html; name it bn.html"),
        (["bn.py", "--emit", "otter", "-o", "bn.ipynb"], "tests for otter are written as .py; name it bn.py"),
        (["bn.py", "-o", "bn.html"], "bn.html exists, and micrograd did not write it; use --force to replace it"),
        (["bn.py", "-o", "absent/bn.html"], "the folder absent does not exist"),
        (["two.py", "-o", "two.html"], "one pair goes into a file, and two.py has 2; name one: --backward"),
        (["latin.py"], "save it as UTF-8"),
    ],
)
def test_wrong_calls_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    written(RIGHT)
    written(RIGHT + RELU, "two.py")
    written("", "bn.html")
    Path("latin.py").write_bytes(b"x = '\xe9'\n")
    code, out, err = said(capsys, *arguments)
    assert code == (1 if arguments == ["latin.py"] else 2)
    assert message in err
    assert out == ""
    assert "Traceback" not in err


def test_a_syntax_error_points_at_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = written("def f_forward(x):\n    return (x\n")
    code, out, err = said(capsys, text)
    assert (code, err) == (2, "")
    assert "bn.py:2: syntax error: '(' was never closed\n\n    2 |     return (x\n      |            ^\n" in out
    code, out, err = said(capsys, text, "--lang", "zh", "-o", "page.html")
    assert "bn.py:2：语法错误" in out
    assert "return <mark>(</mark>x" in Path("page.html").read_text(encoding="utf-8")
    code, out, err = said(capsys, text, "--format", "json")
    (report,) = json.loads(out)["reports"]
    assert (code, err, report["verdict"], report["findings"][0]["span"]["line"]) == (2, "", "failed", 2)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_the_page_holds_findings_and_walk(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, written(WRONG), "-o", "bn.html", "--lang", "zh")
    assert code == 1
    page = Path("bn.html").read_text(encoding="utf-8")
    assert out.rstrip().endswith(f"bn.html: {len(page.encode())} bytes")
    assert 'id="check"' in page
    assert "闪动的边" in page
    assert '<html lang="zh-Hans">' in page
    assert "data-step=" in page


def test_tests_for_graders_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    written(RIGHT)
    assert said(capsys, "bn.py", "--emit", "otter")[0] == 0
    assert "OK_FORMAT = False" in Path("batchnorm_backward.py").read_text(encoding="utf-8")
    assert said(capsys, "bn.py", "--emit", "nbgrader", "-o", "hw.ipynb", "--hint", "where")[0] == 0
    assert "hint='where'" in Path("hw.ipynb").read_text(encoding="utf-8")
    written(WRONG)
    code, _, err = said(capsys, "bn.py", "--emit", "otter", "--force")
    assert code == 1
    assert "tests are written from a right solution" in err


# ---- the environment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_terminal_can_show_it(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "micrograd", "check", written(WRONG)]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == b""
    assert b"Line 27" in done.stdout


def test_the_help_says_that_the_file_is_executed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--help")
    assert code == 0
    assert "EXECUTED, with your rights" in " ".join(out.split())
    assert "no sandbox" in " ".join(out.split())


def test_it_is_in_the_list_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "mark a handwritten backward, line by line" in capsys.readouterr().out
