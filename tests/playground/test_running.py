"""Commands as the page runs them: files as text in, what is printed and written as text out, and no traces left."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from micrograd.cli import main
from micrograd.marker.process.limits import Late
from micrograd.playground.running import run

TEXT = """\
import numpy as np

def f_forward(x):
    return x * x, x

def f_backward(dout, cache):
    return 2 * cache * dout
"""


def done(words: Sequence[str], text: str = TEXT, wanted: Sequence[str] = (), command: Any = main) -> dict[str, Any]:
    return json.loads(run(command, words, {"yours.py": text}, wanted, 10.0))  # type: ignore[no-any-return]


def test_a_command_returns_what_it_writes_and_prints() -> None:
    before = (os.getcwd(), [*sys.path], sys.stdout, sys.stdin, {*sys.modules} & {"yours"})
    made = done(["draw", "yours.py:f_forward", "-o", "graph.svg"], wanted=["graph.svg", "more.svg"])
    assert made["code"] == 0
    assert made["said"].startswith("graph.svg: ")
    assert made["files"].keys() == {"graph.svg"}
    assert made["files"]["graph.svg"].startswith("<svg")
    assert (os.getcwd(), [*sys.path], sys.stdout, sys.stdin, {*sys.modules} & {"yours"}) == before


def test_the_next_run_knows_nothing_of_the_last() -> None:
    """The same name, another text: each run has a folder of its own, and numbers NumPy was told to raise on are back."""
    settings = np.geterr()
    for factor in ("x * x", "x * x * x"):
        text = TEXT.replace("return x * x", f"y = {factor}\n    return y") + "np.seterr(all='raise')\n"
        made = done(["walk", "yours.py:f_forward"], text)
        assert (f"y = {factor}" in made["said"]) or (factor in made["said"])
    assert np.geterr() == settings


def test_a_mistake_in_the_file_is_reported_without_the_folder() -> None:
    made = done(["walk", "yours.py:f_forward"], TEXT.replace("(x):", "(x)"))
    assert made == {"code": 1, "said": "micrograd: yours.py:3: expected ':'\n", "files": {}}
    made = done(["check", "none.py"])
    assert made["code"] == 2
    assert made["said"] == "micrograd: none.py: no such file; give FILE.py\n"


def test_a_loop_that_was_ended_is_reported_in_the_language() -> None:
    def late(words: Sequence[str]) -> int:
        raise Late(10.0)

    assert done(["walk"], command=late)["said"].startswith("yours.py: still running after 10 s")
    assert "10" in done(["walk", "--lang", "zh"], command=late)["said"]
    assert "still" not in done(["walk", "--lang", "zh"], command=late)["said"]
    assert done(["walk"], command=late)["code"] == 3


def test_whatever_goes_wrong_the_page_goes_on() -> None:
    def broken(words: Sequence[str]) -> int:
        raise MemoryError("too much")

    assert done(["walk"], command=broken) == {"code": 4, "said": "MemoryError: too much", "files": {}}
    assert done(["nothing"])["code"] == 2
    assert done(["check", "yours.py"], TEXT + "input()\n")["code"] == 0
    many = done(["x"], command=lambda words: print("a" * 100_000) or 0)
    assert many["said"].endswith("more characters")
    assert len(many["said"]) < 70_000
    assert done(["x"], command=lambda words: print("a\x1b[31mb") or 0)["said"] == "a[31mb\n"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_button_works(lang: str) -> None:
    zh = [] if lang == "en" else ["--lang", lang]
    made = done(["check", "yours.py", "--hint", "fix", *zh, "-o", "report.html"], wanted=["report.html"])
    assert (made["code"], "<!doctype html>" in made["files"]["report.html"]) == (0, True)
    made = done(["derive", "yours.py:f_forward", *zh, "-o", "d.html"], wanted=["d.html"])
    assert (made["code"], "<!doctype html>" in made["files"]["d.html"]) == (0, True)
    made = done(
        ["exercise", "yours.py:f_forward", "--seed", "3", *zh, "-o", "exercise.py"],
        wanted=["exercise.py", "exercise_solution.py"],
    )
    assert (made["code"], len(made["files"])) == (0, 2)
