"""A student's file and reports of it, made by hand: what the tests of words, text and page look at."""

from __future__ import annotations

from micrograd.marker.report import Finding, Fix, Output, Report, Shown, Span

STUDENT = """\
import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = 1.0 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    gammax = gamma * xhat
    out = gammax + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar, var, eps)


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    dx = dx1
    return dx, dgamma, dbeta
"""
LINES = STUDENT.split("\n")


def place(text: str, part: str) -> Span:
    """Where a part of a line is."""
    number = next(i for i, line in enumerate(LINES, 1) if line.strip() == text)
    column = LINES[number - 1].index(part)
    return Span(number, column, number, column + len(part))


VECTOR = Shown((3,), "float64", (0.8125, -1.25, 0.03125))
DOUBLE = Shown((3,), "float64", (1.625, -2.5, 0.0625))
MATRIX = Shown((5, 3), "float64", (0.5, -0.25, 1.0, 2.0, -0.125, 0.75))
_DVAR = "dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar"
_DX = "dx = dx1"

FACTOR = Finding(
    "wrong", "factor", place(_DVAR, "0.5 * 1.0"), _DVAR, "dvar", "dvar", expected=VECTOR, got=DOUBLE, ratio="2",
    fix=Fix(place(_DVAR, "0.5"), "0.5", "0.25", 3, whole=False), reads="right",
)  # fmt: skip
PATH = Finding(
    "wrong", "path_missing", place(_DX, "dx1"), _DX, "dx", "dx", ("x", "mu"), MATRIX,
    Shown((5, 3), "float64", (0.75, -0.5, 1.125, 2.25, -0.375, 0.875)),
    fix=Fix(place(_DX, "dx1"), "dx1", "dx1 + dx2", 3), reads="mended",
)  # fmt: skip
_DMU = "dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)"
HARMLESS = Finding(
    "harmless", "path_dropped_harmless", place(_DMU, "dxmu1 + dxmu2"), _DMU, "dmu", "dmu", ("xmu", "sq"),
    reason="sum(xmu, axis=0) = 0",
)  # fmt: skip
_DBETA = "dbeta = np.sum(dout, axis=0)"
SHAPE = Finding(
    "shape", "keepdims", place(_DBETA, "np.sum(dout, axis=0)"), _DBETA, "dbeta", "dbeta",
    expected=VECTOR, got=Shown((1, 3), "float64", VECTOR.sample),
)  # fmt: skip

OUTPUTS = (
    Output("dx", False, MATRIX, MATRIX, 0.83, 1e-14),
    Output("dgamma", True, VECTOR, VECTOR, 0.0, 1e-15),
    Output("dbeta", False, VECTOR, Shown((1, 3), "float64", VECTOR.sample), float("inf"), 1e-15),
)


def report(*findings: Finding, verdict: str = "wrong", outputs: tuple[Output, ...] = OUTPUTS, **more: str) -> Report:
    """A report with these findings."""
    return Report(
        verdict, "batchnorm_forward", "batchnorm_backward", "homework/bn.py", outputs, findings, probes=3,
        seconds=0.4, source=STUDENT, **more,
    )  # fmt: skip
