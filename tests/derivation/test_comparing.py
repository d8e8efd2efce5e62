"""A hand derivation, line by line: right lines are right, wrong ones are off by the formula that was put in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from derivable import TARGETS
from spoilt import derived

from micrograd.derivation.comparing import Comparer
from micrograd.errors import GraphError

STAGED = """
dbeta = np.sum(dout, axis=0)
dgamma = np.sum(dout * xhat, axis=0)
dxhat = dout * gamma
divar = np.sum(dxhat * xmu, axis=0)
dxmu1 = dxhat * ivar
dsqrtvar = -1.0 / sqrtvar**2 * divar
dvar = 0.5 / np.sqrt(var + eps) * dsqrtvar
dsq = 1.0 / N * np.ones((N, D)) * dvar
dxmu2 = 2.0 * xmu * dsq
dx1 = dxmu1 + dxmu2
dmu = -np.sum(dxmu1 + dxmu2, axis=0)
dx2 = 1.0 / N * np.ones((N, D)) * dmu
dx = dx1 + dx2
"""


@pytest.fixture(scope="module")
def batchnorm() -> Any:
    return derived(next(t for t in TARGETS if t.name == "batch norm, staged"), seconds=60.0)


def test_right_lines_are_right(batchnorm: Any) -> None:
    comparer = Comparer(batchnorm)
    for line in STAGED.strip().splitlines():
        assert comparer.line(line).verdict in ("follows", "own"), line


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dvar = np.sum(dxhat * xmu * -0.5 * ivar**2, axis=0)", "dvar is sqrtvar times what it must be."),
        ("dgamma = np.sum(dout * xmu, axis=0)", "dgamma is sqrtvar times what it must be."),
        ("dsq = np.ones((N, D)) * dvar", "dsq is N times what it must be."),
        ("dxhat = dout", "dxhat is 1/gamma times what it must be."),
        ("dmu = np.sum(dxmu1, axis=0)", "dmu is -1 times what it must be."),
        ("dvar = -np.sum(dxhat * xmu, axis=0) * ivar**3", "dvar is 2 times what it must be."),
        ("dx = dxmu1 + dxmu2", "dx is too large by dbeta·gamma·ivar/N."),
        ("dx = gamma * ivar / N * (N * dout - dbeta - dgamma)", "dx is too large by dgamma·gamma·ivar/N·(xhat − 1)."),
        ("dbeta = np.sum(dout)", "dbeta has another shape than the gradient: (), (7,)."),
        ("dmu = -np.sum(dxmu1, axis=0)", "dmu is right, always, because Σ_n xmu = 0."),
    ],
)
def test_a_wrong_line_is_off_by_a_formula(batchnorm: Any, line: str, said: str) -> None:
    assert Comparer(batchnorm).line(line).message() == said


def test_a_mistake_counts_once(batchnorm: Any) -> None:
    comparer = Comparer(batchnorm)
    assert comparer.line("dvar = np.sum(dxhat * xmu * -0.5 * ivar**2, axis=0)").verdict == "wrong"
    found = comparer.line("dx = dxhat * ivar + dvar * 2 * xmu / N + np.sum(-dxhat * ivar, axis=0) / N")
    assert found.verdict == "carried"
    assert found.message() == "The step to dx is right; it carries on the mistake in dvar."
    assert found.message("zh") == "dx 这一步是对的；它沿用了 dvar 中的错误。"


def test_a_value_of_your_own_is_used_by_later_lines(batchnorm: Any) -> None:
    comparer = Comparer(batchnorm)
    assert comparer.line("s = np.sum(dxhat * xhat, axis=0)").verdict == "own"
    assert comparer.line("dx = ivar / N * (N * dxhat - np.sum(dxhat, axis=0) - xhat * s)").verdict == "follows"
    assert comparer.line("dx = ivar / N * (N * dxhat - np.sum(dxhat, axis=0) + xhat * s)").verdict == "wrong"


FAULTS = [
    (r"\*\*2", "**3"), (r"\*\*3", "**2"), (r"-1\.0", "1.0"), (r"0\.5", "1.0"), (r"2\.0", "1.0"), ("axis=0", "axis=1"),
    (r"1\.0 / N", "1.0"), (r"1\.0 / N", "1.0 / D"), (" \\+ ", " - "), ("xhat", "xmu"), ("xmu", "xhat"), ("ivar", "sqrtvar"),
    ("-np.sum", "np.sum"), ("gamma", "beta"), (r" \* gamma", ""), (r" \* ivar", ""), (r" \* xmu", ""), (" * dvar", ""),
]  # fmt: skip


def test_a_fault_is_named_at_its_line_and_only_there(batchnorm: Any) -> None:
    """Each fault in each staged line, with the lines before it: that line is wrong, unless it is equal."""
    lines, tried, equal = STAGED.strip().splitlines(), 0, []
    for number, line in enumerate(lines):
        for pattern, instead in FAULTS:
            head, _, tail = line.partition("=")
            spoilt = f"{head}={re.sub(pattern, instead, tail)}"
            if spoilt == line:
                continue
            comparer = Comparer(batchnorm)
            for before in lines[max(0, number - 1) : number]:
                assert comparer.line(before).verdict in ("follows", "own")
            try:
                found = comparer.line(spoilt)
            except (GraphError, ValueError):
                continue
            tried += 1
            if found.because:  # it is equal, and the reason is said: Σ dxmu2 is 0
                equal.append(spoilt)
                continue
            assert found.verdict in ("wrong", "shape"), (spoilt, found)
            assert found.times or found.excess or found.verdict == "shape", (spoilt, found)
    assert tried >= 25
    assert equal == ["dmu = -np.sum(dxmu1 - dxmu2, axis=0)"]


def test_other_functions_are_compared_too() -> None:
    made = derived(next(t for t in TARGETS if t.name == "softmax + cross-entropy (CS231n)"), seconds=60.0)
    comparer = Comparer(made)
    assert comparer.line("dx = (p - Y) / N").verdict == "follows"
    assert comparer.line("dx = p / N").message() == "dx is too large by Y/N."
    assert comparer.line("dx = p - Y").message() == "dx is N times what it must be."
    assert comparer.line("dx = p - Y").message("zh") == "dx 是正确值的 N 倍。"


def test_what_is_no_line_is_refused(batchnorm: Any) -> None:
    comparer = Comparer(batchnorm)
    with pytest.raises(GraphError, match="dx reads 'nothing', which is no value of the forward"):
        comparer.line("dx = nothing * 2")
    with pytest.raises(GraphError, match="expected one assignment"):
        comparer.line("dx += 1")
    with pytest.raises(GraphError, match="is no line of Python"):
        comparer.line("dx = (")
    assert comparer.line("dx = np.cumsum(dout, axis=0)").verdict == "unknown"


HAND = {
    "layer norm": [
        "dxhat = dout * gamma",
        "dgamma = np.sum(dout * xhat, axis=0)",
        "dvar = np.sum(dxhat * xmu, axis=1, keepdims=True) * -0.5 * ivar**3",
        "dx = ivar * (dxhat - np.mean(dxhat, axis=1, keepdims=True) - xhat * np.mean(dxhat * xhat, axis=1, keepdims=True))",
    ],
    "softmax alone": ["dx = p * (dp - np.sum(dp * p, axis=1, keepdims=True))"],
    "attention": [
        "dV = P.T @ dO",
        "dQ = (P * (dP - np.sum(dP * P, axis=1, keepdims=True))) @ K / np.sqrt(D)",
        "dK = (P * (dP - np.sum(O * dO, axis=1, keepdims=True))).T @ Q / np.sqrt(D)",
    ],
    "weight norm": ["dv = g / norm * dw - g * v / norm**3 * np.sum(dw * v, axis=0)"],
    "RMS norm": [
        "dx = gamma * dout / rms - xhat / rms * np.mean(gamma * dout * xhat, axis=1, keepdims=True)",
    ],
}
SPOILT = [
    (r"\*\*2", "**3"), (r"\bD\b", "(D + 1)"), (" - ", " + "), ("xhat", "xmu"), ("ivar", "var"), (r" \* gamma", ""),
    (r" \* p\b", ""), (r"\.T", ""), ("np.sum", "np.mean"), ("0.5", "1.0"), ("dout", "dout**2"), ("axis=1", "axis=0"),
]  # fmt: skip


@pytest.mark.parametrize("name", HAND)
def test_what_is_said_of_a_wrong_line_is_so_at_every_size(name: str) -> None:
    made = derived(next(t for t in TARGETS if t.name == name), seconds=60.0)
    tried = 0
    for line in HAND[name]:
        head, _, right = line.partition(" = ")
        assert Comparer(made).line(line).verdict == "follows"
        for pattern, instead in SPOILT:
            wrong = re.sub(pattern, instead, right, count=1)
            comparer = Comparer(made)
            try:
                found = comparer.line(f"{head} = {wrong}") if wrong != right else None
            except (GraphError, ValueError):
                continue
            if found is None:
                continue
            assert found.verdict in ("wrong", "shape", "unknown"), wrong
            tried += found.formula is not None
            for run, space in enumerate(comparer._spaces) if found.formula is not None else ():
                v = made.search.net.values[comparer._resolved(head)]
                truth = made.search.net.runs[run].backward.values[v.index]
                numbers = {"np": np, **space}
                got = eval(wrong, dict(numbers))
                statements = comparer.code(found.formula, v.name)
                exec("\n".join(statements), numbers)
                off = numbers[statements[-1].partition(" = ")[0]]
                assert np.allclose(got, truth * off if found.times else truth + off, rtol=1e-7, atol=1e-9), wrong
    assert tried >= 1
