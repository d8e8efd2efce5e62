"""A check where there are no processes, as in a browser: the report is the one of a process of its own."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from typing import Any

import numpy as np
import pytest

from micrograd.marker.process import in_process, limits
from micrograd.marker.process.limits import Late, Limits, deadline
from micrograd.marker.process.runner import Request, run_and_walk
from micrograd.marker.report import Report

RIGHT = """\
import numpy as np
print("top")

def f_forward(x):
    print("forward")
    return x * x, x

def f_backward(dout, cache):
    return 2 * cache * dout
"""
TEXTS = {
    "right": RIGHT,
    "wrong": RIGHT.replace("2 * cache", "3 * cache"),
    "syntax": RIGHT.replace("dout):", "dout)"),
    "exit": RIGHT.replace("    return x * x, x", "    exit()"),
    "os._exit": RIGHT.replace("    return x * x, x", "    import os\n    os._exit(0)"),
    "input": RIGHT.replace("    return x * x, x", "    return x * float(input()), x"),
    "raises": RIGHT.replace("2 * cache * dout", "2 * cache @ dout[0, 0]"),
    "streams": RIGHT.replace('print("top")', "import sys\nsys.stdout = sys.stderr = None\nnp.seterr(all='raise')"),
}


def reported(text: str, seconds: float = 20.0) -> tuple[Report, dict[str, Any] | None]:
    request = Request(text, "/nowhere/hw.py", "f_forward", "f_backward")
    report, walk = run_and_walk(request, Limits(seconds=seconds))
    return dataclasses.replace(report, seconds=0.0), walk


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that this is Pyodide, as far as starting a process goes."""
    monkeypatch.setattr("micrograd.marker.process.runner.sys", _Emscripten())


class _Emscripten:
    platform = "emscripten"

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


@pytest.mark.parametrize("name", TEXTS)
def test_the_report_is_that_of_a_process(name: str, request: pytest.FixtureRequest) -> None:
    wanted, walk = reported(TEXTS[name])
    before = (sys.stdout, sys.stderr, sys.stdin, os.getcwd(), [*sys.path], np.geterr(), os._exit)
    request.getfixturevalue("browser")
    got, same = reported(TEXTS[name])
    assert got.to_json() == wanted.to_json()
    assert same == walk
    assert (sys.stdout, sys.stderr, sys.stdin, os.getcwd(), [*sys.path], np.geterr(), os._exit) == before


def test_what_is_printed_is_limited() -> None:
    said = in_process._Printed(5)
    assert [said.write("abc"), said.write("defg")] == [3, 4]
    assert said.text == "abcde\n... 2 more characters"


def test_a_loop_that_goes_on_is_reported_with_its_line(browser: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python is older than 3.12 the alarm of `deadline` is rung by hand; how it watches is tested below."""

    def late(*_: Any) -> None:
        raise Late(0.5)

    monkeypatch.setattr(in_process, "deadline", lambda *_: _Watching(late))
    report, _ = reported(RIGHT.replace("    return x * x, x", "    while True:\n        ring()"), 0.5)
    assert re.match(r"hw\.py:7: still running after 0.5 s; does this loop", report.problem)


class _Watching:
    """Give the student's code a builtin `ring` that is called in its loop."""

    def __init__(self, ring: Any) -> None:
        self.ring = ring

    def __enter__(self) -> None:
        import builtins

        builtins.ring = self.ring  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        import builtins

        del builtins.ring  # type: ignore[attr-defined]


class _Monitoring:
    """Stand in for `sys.monitoring`: the callback is called by hand."""

    DISABLE = object()

    class events:
        JUMP = 1

    def __init__(self) -> None:
        self.called: list[str] = []
        self.turned: Any = None

    def get_tool(self, tool: int) -> None:
        return None

    def register_callback(self, tool: int, event: int, turned: Any) -> None:
        self.turned = turned or self.turned

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.called.append(name)


def test_the_deadline_watches_the_loops_of_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _Monitoring()
    monkeypatch.setattr(sys, "monitoring", made, raising=False)
    mine, theirs = (compile("for i in range(3): pass", file, "exec") for file in ("hw.py", "numpy.py"))
    with deadline("hw.py", 3600.0):
        assert made.turned(theirs, 0, 2) is made.DISABLE
        assert made.turned(mine, 0, 2) is None
    with deadline("hw.py", -1.0):
        assert made.turned(theirs, 0, 2) is made.DISABLE
        with pytest.raises(Late, match="still running after -1 s"):
            made.turned(mine, 0, 2)
        with pytest.raises(limits.Ended):
            os._exit(0)
    assert made.called == ["use_tool_id", "set_events", "set_events", "free_tool_id", "restart_events"] * 2


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is of Python 3.12")
def test_an_endless_loop_is_ended() -> None:
    space: dict[str, Any] = {}
    code = compile("def f():\n    while True:\n        pass\n", "hw.py", "exec")
    exec(code, space)
    with deadline("hw.py", 0.2), pytest.raises(Late):
        space["f"]()
