"""Exceptions, unfinished and odd code are told as what they are, before any mathematics."""

from __future__ import annotations

import re

import pytest

from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

LAYER = """\
import numpy as np

def f_forward(x, gamma, beta):
    xmu = x - x.mean(axis=0)
    return gamma * xmu + beta, (xmu, gamma)

def f_backward(dout, cache):
    xmu, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xmu).sum(axis=0)
    dxmu = gamma * dout
    dx = dxmu - dxmu.mean(axis=0)
    return dx, dgamma, dbeta
"""


def report_of(*edits: tuple[str, str]) -> Report:
    text = LAYER
    for old, new in edits:
        assert text.count(old) >= 1
        text = text.replace(old, new, 1)
    return run(Request(text, "/nowhere/hw.py", "f_forward", "f_backward"), Limits(seconds=20.0))


STOPS = {
    "misspelt": ("gamma * dout", "gama * dout", 11, r"NameError: name 'gama' is not defined; did you mean `gamma`", "gamma"),
    "case": ("dout.sum(axis=0)", "dOut.sum(axis=0)", 9, r"name 'dOut' is not defined; did you mean `dout`", "dout"),
    "never assigned": ("    dgamma = (dout * xmu).sum(axis=0)\n", "", 12, r"'dgamma' is not defined; nothing", None),
    "too early": ("    dbeta = dout", "    dxmu = dxmu + 0\n    dbeta = dout", 9, r"`dxmu` is read here, and line 9", None),
    "attribute": ("dout.sum", "dout.sm", 9, r"`dout` has no `sm`; did you mean `sum`", "sum"),
    "called": ("gamma * dout", "gamma(dout)", 11, r"is a \* missing before them", "gamma * "),
    "unpacked": ("xmu, gamma = cache", "xmu = cache\n    a, b, c = xmu", 9, r"`xmu` holds 2 values, and 3 names", None),
    "power": ("(dout * xmu)", "(dout * xmu^1)", 10, r"\^ is not a power in Python", "**"),
    "shapes": ("gamma * dout", "gamma * dout + np.ones(7)", 11, r"has shape \(5, 3\) and .* has shape \(7,\)", None),
    "memory": ("    dxmu =", "    z = np.ones((100000, 1000000))\n    dxmu =", 11, r"MemoryError: Unable to allocate", None),
    "recursion": ("    dxmu =", "    f_backward(dout, cache)\n    dxmu =", 11, r"f_backward calls itself", None),
    "none": ("dxmu = gamma * dout", "dxmu = gamma * None", 11, r"TypeError: unsupported operand", None),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_an_exception_is_told_with_its_line_and_its_words(name: str) -> None:
    old, new, line, words, mended = STOPS[name]
    report = report_of((old, new))
    first = report.findings[0]
    text = " ".join(report.text(hint="where").split())
    assert report.verdict == "wrong"
    assert first.span.line == line
    assert re.search(words, text), text
    if mended is not None:
        assert first.fix is not None
        assert (first.fix.new, first.fix.whole) == (mended, True)
    elif first.fix is None:
        assert [one.kind for one in report.findings] == ["call_error"]  # nothing else is accused


def test_a_name_put_back_lets_the_other_mistake_be_found() -> None:
    report = report_of(("gamma * dout", "gama * dout"), ("dx = dxmu - ", "dx = dxmu + "))
    assert [(one.span.line, one.kind) for one in report.findings] == [(11, "call_error"), (12, "path_sign")]
    assert [one.fix.whole for one in report.findings if one.fix] == [False, True]


UNWRITTEN = {
    "a step": ("    dxmu = gamma * dout\n", "    dxmu = None  # TODO\n", 11),
    "a step that others go by": (
        "    dxmu = gamma * dout\n    dx = dxmu - dxmu.mean(axis=0)\n",
        "    dxmu = None  # TODO\n    again = dxmu\n    dx = again @ gamma\n",
        11,
    ),
    "pass": (LAYER[LAYER.index("    xmu, gamma = cache") :], "    pass\n", 8),
    "not implemented": ("    dxmu = gamma * dout", "    raise NotImplementedError", 11),
    "ellipsis": ("dxmu = gamma * dout", "dxmu = ...  # TODO", 11),
    "none": ("dxmu = gamma * dout", "dxmu = None  # your code here", 11),
    "overwritten with none": ("gamma * dout\n", "gamma * dout\n    dxmu = None  # TODO\n", 12),
    "zeros": ("dx = dxmu - dxmu.mean(axis=0)", "dx = np.zeros_like(dout)", 12),
    "a stub's return": (
        LAYER[LAYER.index("    xmu, gamma = cache") :],
        "    dx, dgamma, dbeta = None, None, None\n    pass\n    return dx, dgamma, dbeta\n",
        8,
    ),
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_what_is_not_written_yet_is_no_mistake(name: str) -> None:
    old, new, line = UNWRITTEN[name]
    report = report_of((old, new))
    assert report.unwritten
    assert [finding.span.line for finding in report.findings] == [line]
    assert "\nNot written yet.\n" in report.text()
    assert "还没有写" in report.text(language="zh")


def test_a_gradient_on_the_object_that_is_not_written_is_named_there() -> None:
    text = """
import numpy as np

class Scale:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, dout):
        self.dw = None  # TODO
        return dout * self.w
"""
    report = run(Request(text, "/nowhere/hw.py", "Scale.forward", "Scale.backward", "class"), Limits(seconds=20.0))
    assert [(one.kind, one.span.line) for one in report.findings] == [("unwritten", 13)]


def test_a_misspelt_sum_is_no_gap_where_it_begins() -> None:
    new = "dgamma = np.zeros_like(gamma)\n    dgamma_ += (dout * xmu).sum(axis=0)"
    report = report_of(("dgamma = (dout * xmu).sum(axis=0)", new))
    assert [(one.kind, one.span.line) for one in report.findings] == [("call_error", 11)]


def test_what_is_written_beside_a_gap_is_marked_all_the_same() -> None:
    report = report_of(("dx = dxmu - dxmu.mean(axis=0)", "dx = None"), ("(dout * xmu)", "(2 * dout * xmu)"))
    assert [(one.kind, one.span.line) for one in report.findings] == [("unwritten", 12), ("factor", 10)]
    assert not report.unwritten


def test_a_function_without_return_is_told_so() -> None:
    report = report_of(("    return dx, dgamma, dbeta\n", ""))
    assert [(one.kind, one.span.line) for one in report.findings] == [("no_return", 12)]


@pytest.mark.parametrize(
    ("old", "new", "mended"),
    [
        ("dx = dxmu - dxmu.mean(axis=0)", "dx = dxmu.copy()\n    dx -= dxmu.mean(axis=0)\n    dx[dx > 9] == 0", None),
        ("dxmu = gamma * dout", "dxmu == gamma * dout", "="),
        ("    return dx", "    dx = dx.T\n    dx.transpose()\n    return dx", "dx = "),
    ],
)
def test_a_value_that_nobody_keeps_is_named(old: str, new: str, mended: str | None) -> None:
    report = report_of((old, new))
    if mended is None:  # it does no harm
        assert report.ok
    else:
        assert [(one.kind, one.fix.new if one.fix else "") for one in report.findings] == [("thrown_away", mended)]
