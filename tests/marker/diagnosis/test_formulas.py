"""By which formula a line is off: in the student's names, true of numbers that nobody has seen; else nothing is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from marked import marked

from micrograd.derivation.comparing import Comparer
from micrograd.marker.diagnosis import formulas
from micrograd.marker.report import Report

FORWARD = """
import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    var = 1.0 / N * np.sum(xmu**2, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar)

"""
STAGED = (
    FORWARD
    + """
def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * xmu * -0.5 * ivar**3, axis=0)
    dxmu1 = dxhat * ivar
    dxmu2 = 2.0 / N * xmu * dvar
    dmu = -np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = dmu / N
    dx = dxmu1 + dxmu2 + dx2
    return dx, dgamma, dbeta
"""
)
COMPACT = (
    FORWARD
    + """
def batchnorm_backward(dy, cache):
    xn, g, xc, istd, std = cache
    n = len(dy)
    db = dy.sum(axis=0)
    dg = np.sum(dy * xn, axis=0)
    dx = g * istd / n * (n * dy - db - dg * xn)
    return dx, dg, db
"""
)
SOFTMAX = """
import numpy as np


def softmax_forward(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return p


def softmax_backward(dout, x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    inner = np.sum(dout * p, axis=1, keepdims=True)
    return p * (dout - inner)
"""


def spoilt(text: str, right: str, wrong: str) -> Report:
    assert text.count(right) == 1
    return marked(text.replace(right, wrong))


def numbers(text: str, **arguments: Any) -> dict[str, Any]:
    """Run forward and backward on numbers of one's own and return every variable of both."""
    space: dict[str, Any] = {}
    head, body = text.split("\ndef batchnorm_backward")
    lines = [line.strip() for part in (head.split("\ndef ")[1], body) for line in part.split("\n")[1:] if line.strip()]
    space.update(arguments, np=np)
    for line in lines:
        left, _, right = line.partition(" = ")
        if line.startswith("return out, "):
            exec(f"cache = {line.removeprefix('return out, ')}", space)
        elif right and "cache" not in left:
            exec(line, space)
    return space


def evaluated(formula: str, space: dict[str, Any]) -> Any:
    return eval(formula.replace("·", "*").replace("−", "-").replace("^", "**").replace("√", "np.sqrt"), space)


@pytest.mark.parametrize(
    ("right", "wrong", "target", "relation", "formula"),
    [
        ("dx = dxmu1 + dxmu2 + dx2", "dx = dxmu1 + dxmu2", "dx", "excess", "dbeta·gamma·ivar/N"),
        ("dx = dxmu1 + dxmu2 + dx2", "dx = dxmu1 + dx2", "dx", "excess", "dgamma·gamma·ivar·xhat/N"),
        ("dx = dxmu1 + dxmu2 + dx2", "dx = dxmu1 + dxmu2 - dx2", "dx", None, None),
        ("xmu * -0.5 * ivar**3", "xmu * -0.5 * ivar**2 / N", "dvar", None, None),
    ],
)
def test_what_is_said_of_a_line_is_true_of_other_numbers(
    right: str, wrong: str, target: str, relation: str | None, formula: str | None
) -> None:
    (found,) = [f for f in spoilt(STAGED, right, wrong).findings if f.severity == "wrong"]
    assert found.target == target
    if relation is not None:
        assert (found.relation, found.formula) == (relation, formula)
    rng = np.random.default_rng(5)
    drawn = {"x": rng.normal(size=(6, 4)), "gamma": rng.normal(size=4), "beta": rng.normal(size=4), "eps": 1e-5,
             "dout": rng.normal(size=(6, 4))}  # fmt: skip
    truth, got = numbers(STAGED, **drawn), numbers(STAGED.replace(right, wrong), **drawn)
    assert found.relation in ("times", "excess", "lacks") or found.ratio
    if found.relation:
        off = evaluated(found.formula, truth)
        meant = {"times": truth[target] * off, "excess": truth[target] + off, "lacks": truth[target] - off}
        assert np.allclose(got[target], meant[found.relation], rtol=1e-9)


def test_it_is_said_in_the_names_of_the_student_and_in_both_languages() -> None:
    report = spoilt(COMPACT, "(n * dy - db - dg * xn)", "(n * dy - db - db * xn)")
    (found,) = report.findings
    assert (found.target, found.relation, found.formula) == ("dx", "excess", "g·istd·xn/n·(dg − db)")
    assert f"dx is too large by {found.formula}." in report.text()
    assert f"dx 比正确值多了 {found.formula}。" in report.text(language="zh")
    assert found.formula not in report.text(hint="kind")


def test_a_factor_of_one_term_is_no_factor_of_the_line() -> None:
    report = spoilt(COMPACT, "(n * dy - db - dg * xn)", "(dy - db - dg * xn)")
    (found,) = report.findings
    assert found.ratio == "1/n"
    assert found.relation in ("excess", "lacks")
    assert "dy" in found.formula


def test_what_may_be_left_out_is_proved() -> None:
    report = spoilt(STAGED, "dmu = -np.sum(dxmu1 + dxmu2, axis=0)", "dmu = -np.sum(dxmu1, axis=0)")
    assert report.ok
    (found,) = report.findings
    assert found.relation == "always"
    assert found.formula == "Σ_n xmu = Σ_n (x − mu) = Σ_n x − N·mu = 0"
    assert "Proved for every input: Σ_n xmu = " in report.text()


def test_a_compact_solution_gets_the_steps_that_lead_to_it() -> None:
    report = marked(COMPACT)
    assert report.ok
    assert report.proved == ("dx", "dg", "db")
    assert report.steps[-1] == ("", "gamma·ivar/N·(N·dout − dbeta − dgamma·xhat)", "factor", "")
    assert ("vanish", "Σ_n xhat = 0") in {step[2:] for step in report.steps}
    text = report.text(language="zh")
    assert "提取公因子" in text
    assert "dx, dg, db：已证明与这些步骤的结果相等" in text
    assert '<details class="steps">' in report.html()
    assert Report.from_json(report.as_json()) == report
    wrong = spoilt(COMPACT, "(n * dy - db - dg * xn)", "(n * dy - db - dg)")
    assert wrong.steps
    assert wrong.proved == ("dg", "db")
    assert "sums are linear" in wrong.text()
    assert "sums are linear" not in wrong.text(hint="kind")  # the steps would give it away


LAYERNORM = """
import numpy as np


def layernorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=1, keepdims=True)
    xc = x - mu
    var = (xc**2).mean(axis=1, keepdims=True)
    std = np.sqrt(var + eps)
    xn = xc / std
    out = gamma * xn + beta
    return out, (xn, gamma, std)


def layernorm_backward(dout, cache):
    xn, gamma, std = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xn).sum(axis=0)
    dxn = dout * gamma
    dx = (dxn - dxn.mean(axis=1, keepdims=True) - xn * (dxn * xn).mean(axis=1, keepdims=True)) / std
    return dx, dgamma, dbeta
"""


def test_what_is_the_gradient_of_something_else_is_not_called_proved() -> None:
    """Without the mean of dxn it is the gradient of xc, and right as that."""
    report = spoilt(LAYERNORM, " - dxn.mean(axis=1, keepdims=True)", "")
    assert report.proved == ("dgamma", "dbeta")
    assert report.findings[0].formula == "(Σ_d dxn)/(x.shape[1]·std)"


def test_one_hot_rows_of_ones_own_are_read() -> None:
    text = """
import numpy as np


def ce_forward(scores, y):
    n = scores.shape[0]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(n), y]))
    return loss, (p, y)


def ce_backward(dloss, cache):
    p, y = cache
    n = p.shape[0]
    hot = np.eye(p.shape[1])[y]
    dscores = dloss * (p - hot) / n
    return dscores
"""
    (found,) = spoilt(text, "(p - hot) / n", "p / n").findings
    assert (found.relation, found.formula) == ("excess", "dloss·hot/n")


def test_steps_of_a_staged_solution_and_of_short_forwards_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(formulas, "derive", lambda f, **_: asked.append(f.__name__))
    for report in (marked(STAGED), spoilt(STAGED, "xmu * -0.5 * ivar**3", "xmu * ivar**3"), marked(SOFTMAX)):
        assert report.steps == ()
    assert asked == []
    marked(COMPACT)
    assert asked == ["batchnorm_forward"]


def test_a_formula_that_fails_with_numbers_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Comparer.line

    def twice(self: Comparer, text: str, reference: str = "") -> Any:
        from dataclasses import replace

        found = original(self, text, reference)
        return found if found.formula is None else replace(found, formula={m: 2 * c for m, c in found.formula.items()})

    monkeypatch.setattr(Comparer, "line", twice)
    (found,) = spoilt(STAGED, "dx = dxmu1 + dxmu2 + dx2", "dx = dxmu1 + dxmu2").findings
    assert (found.relation, found.formula) == ("", "")


def test_whatever_breaks_in_the_derivation_costs_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(formulas, "derive", broken)
    assert spoilt(STAGED, "dx = dxmu1 + dxmu2 + dx2", "dx = dxmu1 + dxmu2").findings[0].kind == "path_missing"
    assert marked(COMPACT).ok


def test_a_loss_that_returns_its_gradients_has_formulas_too() -> None:
    report = marked("""
import numpy as np

def mse_loss(x, w, t):
    p = np.tanh(x @ w)
    d = p - t
    loss = 0.5 * np.sum(d ** 2) / len(x)
    dp = d / len(x)
    dz = dp * (1 - p) ** 2
    return loss, dz @ w.T, x.T @ dz
""")
    (finding,) = report.findings
    assert (finding.span.line, finding.relation, finding.formula) == (9, "excess", "2·dp·p·(p − 1)")
