"""Paths that may be left out because they bring nothing are told, and only where they are left out."""

from __future__ import annotations

import pytest
from paths import ROOT

from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

HOMEWORK = (ROOT / "examples" / "homework.py").read_text().replace("    dx1 = dxmu1\n", "    dx1 = dxmu1 + dxmu2\n")
FORWARD = (ROOT / "examples" / "bn.py").read_text()
DMU = "    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)\n"


def checked(dmu: str) -> Report:
    assert DMU in HOMEWORK
    backward = HOMEWORK[HOMEWORK.index("def batchnorm_backward") :].replace(DMU, dmu)
    return run(Request(FORWARD + "\n\n" + backward, "bn.py", "batchnorm_forward", "batchnorm_backward"))


@pytest.mark.parametrize(
    ("line", "under"),
    [
        ("    dmu = -1 * np.sum(dxmu1, axis=0)\n", "dxmu1"),
        ("    dmu = np.sum(-dxmu1, axis=0)\n", "dxmu1"),
        ("    dmu = -np.sum(dxhat * ivar, axis=0)\n", "dxhat * ivar"),
    ],
)
def test_a_path_that_brings_nothing_is_told_with_its_identity(line: str, under: str) -> None:
    report = checked(line)
    assert report.verdict == "right"
    (finding,) = report.findings
    assert (finding.severity, finding.kind) == ("harmless", "path_dropped_harmless")
    assert (finding.target, finding.edge) == ("dmu", ("xmu", "sq"))
    assert finding.reason == "sum(dxmu2, axis=0) = 0"
    assert under in finding.source
    assert "It is always zero, so the numbers are right" in str(report)
    report.assert_ok()


@pytest.mark.parametrize(
    "line",
    [
        DMU,
        "    dmu2 = -np.sum(dxmu2, axis=0)\n    dmu1 = -np.sum(dxmu1, axis=0)\n    dmu = dmu1 + dmu2\n",
        "    dmu = -np.sum(dxmu1, axis=0) - np.sum(dxmu2, axis=0)\n",
        "    dmu = -np.sum(dxhat * ivar, axis=0) + dvar * np.mean(-2.0 * xmu, axis=0)\n",
    ],
)
def test_a_path_that_is_there_is_not(line: str) -> None:
    report = checked(line)
    assert report.verdict == "right"
    assert report.findings == ()


def test_a_path_that_brings_something_is_a_mistake() -> None:
    report = checked("    dmu = -1 * np.sum(dxmu2, axis=0)\n")
    assert report.verdict == "wrong"
    assert "path_dropped_harmless" not in {finding.kind for finding in report.findings}


COMPACT = """import numpy as np
def batchnorm_forward(x, gamma, beta, eps=1e-5):
    xmu = x - np.mean(x, axis=0)
    var = np.mean(xmu**2, axis=0)
    ivar = 1.0 / np.sqrt(var + eps)
    xhat = xmu * ivar
    out = gamma * xhat + beta
    cache = (xhat, gamma, ivar, xmu, var, eps)
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, ivar, *rest = cache
    N = len(dout)
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dx = gamma * ivar / N * (N * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta
"""


@pytest.mark.parametrize(("right", "written", "verdict"), [("", "", "right"), ("xhat * dgamma", "dgamma", "wrong")])
def test_a_list_of_arrays_of_several_shapes_may_be_held(right: str, written: str, verdict: str) -> None:
    source = COMPACT.replace(right, written)
    report = run(Request(source, "compact.py", "batchnorm_forward", "batchnorm_backward"))
    assert report.verdict == verdict, report.problem
