"""`--reference`: a forward that is not the function it is meant to be is told, though no gradient gives it away."""

from __future__ import annotations

import numpy as np
import pytest
from marker_samples import STUDENT

import micrograd as mg
from micrograd.marker.present.telling import edited
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

RIGHT = STUDENT.replace("dx = dx1\n", "dx = dx1 + dx2\n")
OUTSIDE = RIGHT.replace("sqrtvar = np.sqrt(var + eps)", "sqrtvar = np.sqrt(var) + eps")
MIRRORED = OUTSIDE.replace("0.5 * 1.0 / np.sqrt(var + eps)", "0.5 * 1.0 / np.sqrt(var)")
IN_ONE = """
import numpy as np
def norm_forward(x, gamma, beta, bn_param):
    eps = bn_param.get("eps", 1e-5)
    xmu = x - x.mean(axis=0)
    ivar = 1 / (np.sqrt(np.mean(xmu**2, axis=0)) + eps)
    return gamma * xmu * ivar + beta, (xmu, ivar, gamma, eps)
def norm_backward(dout, cache):
    xmu, ivar, gamma, eps = cache
    N = len(dout)
    dxhat = dout * gamma
    dstd = -np.sum(dxhat * xmu, axis=0) * ivar**2
    dxmu = dxhat * ivar + xmu * dstd / N / (1 / ivar - eps)
    return dxmu - dxmu.mean(axis=0), np.sum(dout * xmu * ivar, axis=0), dout.sum(axis=0)
"""


def marked(text: str, reference: str = "batch_norm", name: str = "batchnorm") -> Report:
    return run(Request(text, "bn.py", f"{name}_forward", f"{name}_backward", reference=reference))


def put_right(report: Report) -> list[str]:
    return [
        text.strip()
        for finding in report.findings
        if finding.fix
        for sign, _, text in edited(report.source, finding.fix)
        if sign == "+"
    ]


def test_the_reference_itself_is_right() -> None:
    report = marked(RIGHT)
    assert report.ok
    assert report.findings == ()


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        (MIRRORED, "batchnorm", "sqrtvar = np.sqrt(var + eps)"),
        (IN_ONE, "norm", "ivar = 1 / (np.sqrt(np.mean(xmu**2, axis=0) + eps))"),
    ],
    ids=["staged", "in one line"],
)
def test_eps_outside_the_root_is_told_though_the_backward_mirrors_it(text: str, name: str, line: str) -> None:
    assert marked(text, reference="", name=name).ok
    report = marked(text, name=name)
    assert (report.ok, report.verdict) == (False, "wrong")
    assert all(output.right for output in report.outputs)
    (finding,) = report.findings
    assert (finding.severity, finding.kind, finding.means) == ("forward", "eps_outside", "batch_norm")
    assert finding.expected is not None
    assert finding.got is not None
    assert put_right(report) == [line]
    said = report.text()
    assert f"Line {finding.span.line}: the forward differs from batch_norm." in said
    assert "Tried on 2 fresh sets of inputs: the output is that of batch_norm with it." in said
    assert "前向函数与 batch_norm 不同" in report.text(language="zh")


def test_another_variance_is_told_with_the_line_and_the_numbers() -> None:
    report = marked(RIGHT.replace("var = 1.0 / N", "var = 1.0 / (N - 1)"))
    (finding,) = report.findings  # the backward is that of batch_norm: nothing else is wrong
    assert (finding.severity, finding.kind, finding.span.line) == ("forward", "bessel", 9)


@pytest.mark.parametrize("text", [MIRRORED, OUTSIDE], ids=["mirrored", "not mirrored"])
def test_a_mistake_in_the_backward_is_found_and_mended_beside_it(text: str) -> None:
    report = marked(text.replace("dvar = 0.5 * 1.0", "dvar = 1.0"))
    forward, backward = report.findings
    assert forward.severity == "forward"
    assert (backward.severity, backward.kind, backward.target) == ("wrong", "factor", "dvar")
    assert put_right(report)[1].startswith("dvar = 0.5 / np.sqrt(var")


def test_what_no_single_edit_explains_is_told_without_a_fix() -> None:
    report = marked(RIGHT.replace("out = gammax + beta", "out = np.sin(gammax) + np.cos(beta) ** 3"))
    assert report.findings[0].severity == "forward"
    assert report.findings[0].fix is None


@pytest.mark.parametrize(
    ("reference", "text", "problem"),
    [
        ("nope", RIGHT, "there is no reference 'nope'; there is batch_norm."),
        (
            "batch_norm",
            "def batchnorm_forward(x):\n    return x * x, x\ndef batchnorm_backward(dout, x):\n    return 2 * x * dout\n",
            "batch_norm cannot be compared with batchnorm_forward, whose arguments it does not take",
        ),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(reference: str, text: str, problem: str) -> None:
    report = marked(text, reference)
    assert report.verdict == "failed"
    assert problem in report.problem


# ---- the caller's arrays ---------------------------------------------------------------------------------------------


def relu_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.maximum(x, 0), x


def relu_in_place(dout: np.ndarray, cache: np.ndarray) -> np.ndarray:
    dx = dout
    dx[cache <= 0] = 0
    return dx


def relu_copied(dout: np.ndarray, cache: np.ndarray) -> np.ndarray:
    dout = dout.copy()
    dout[cache <= 0] = 0
    return dout


def test_a_backward_that_writes_into_dout_is_right_and_told_so() -> None:
    report = mg.check(relu_in_place, relu_forward, np.arange(-2.0, 3.0))
    assert report.ok
    (finding,) = report.findings
    assert (finding.severity, finding.kind, finding.target) == ("harmless", "in_place", "dout")
    assert finding.source.strip() == "dx[cache <= 0] = 0"
    assert "dout belongs to the caller, and is changed in place." in report.text()
    assert "Not mistakes, but worth knowing" in report.text()


def test_a_copy_may_be_written_into() -> None:
    report = mg.check(relu_copied, relu_forward, np.arange(-2.0, 3.0))
    assert report.ok
    assert report.findings == ()


def masked(x: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    return x * mask, (x, mask)


def masked_in_place(dout: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    _, kept = cache
    kept *= dout
    return kept


def masked_anew(dout: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    _, kept = cache
    return kept * dout


def test_a_backward_that_writes_into_its_cache_is_told_at_the_line() -> None:
    report = mg.check(masked_in_place, masked, (5, 3), np.array([0.5, 0.0, 2.0]) * np.ones((5, 3)))
    (finding,) = [f for f in report.findings if f.kind == "in_place"]
    assert (finding.severity, finding.target, finding.source.strip()) == ("harmless", "kept", "kept *= dout")


def test_a_cache_that_is_only_read_is_not_spoken_of() -> None:
    report = mg.check(masked_anew, masked, (5, 3), np.array([0.5, 0.0, 2.0]) * np.ones((5, 3)))
    assert not [f for f in report.findings if f.kind == "in_place"]
