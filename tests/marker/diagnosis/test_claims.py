"""What a report says of numbers is so of the numbers that it shows."""

from __future__ import annotations

import re

import numpy as np
import pytest
from marked import marked, mistakes_in

from micrograd.marker.report import Finding

FORWARD = """
import numpy as np
def kl_divergence(mu, logvar):
    return -0.5 * np.sum(1 + logvar - mu ** 2 - np.exp(logvar))
def kl_divergence_backward(mu, logvar):
    dmu = mu
    dlogvar = -0.5 * (1 - np.exp(logvar))
    return dmu, dlogvar
"""
LAYER = """
import numpy as np
def tanh_layer_forward(x, W, b):
    h = np.tanh(x @ W + b)
    return h, (x, W, h)
def tanh_layer_backward(dout, cache):
    x, W, h = cache
    dz = dout * (1 - h ** 2)
    dx = dz @ W.T
    dW = x.T @ dz
    db = dz.sum(axis=0)
    return dx, dW, db
"""
NORM = """
import numpy as np
class Norm:
    def __init__(self, dim, eps=1e-5):
        self.gamma, self.eps = np.ones(dim), eps
    def forward(self, x):
        self.x, self.r = x, 1 / np.sqrt(np.mean(x ** 2, axis=1, keepdims=True) + self.eps)
        return self.gamma * x * self.r
    def backward(self, dout):
        self.dgamma = np.sum(dout * self.x * self.r, axis=0)
        d = dout * self.gamma
        dx = self.r * d - self.x * self.r ** 3 * np.mean(d * self.x, axis=1, keepdims=True)
        return dx
"""
MISTAKES = [
    (FORWARD, "(1 - np", "(1 + np"), (FORWARD, "dmu = mu", "dmu = -mu"), (FORWARD, "-0.5 * (1 -", "0.5 * (1 -"),
    (FORWARD, "-0.5 * (1 -", "-(1 -"), (LAYER, "1 - h ** 2", "1 - h"), (LAYER, "1 - h ** 2", "1 + h ** 2"),
    (LAYER, "db = dz.sum(axis=0)", "db = dz.mean(axis=0)"), (LAYER, "dx = dz", "dx = -dz"),
    (LAYER, "dW = x.T @ dz", "dW = x.T @ dz / len(x)"), (NORM, "d - self.x", "d + self.x"),
    (NORM, "self.r ** 3", "self.r ** 2"), (NORM, "self.x * self.r, axis", "self.x, axis"),
]  # fmt: skip


def number_of(ratio: str) -> float | None:
    """The number that a ratio is; None where values or sizes are in it."""
    return float(eval(ratio)) if re.fullmatch(r"[-\d./]+", ratio) else None


def claimed(finding: Finding, text: str) -> list[float]:
    """The numbers that the whole value is said to be times what it should be."""
    found = [-1.0] if "the value is minus what it should be" in text else []
    for ratio in re.findall(r"the value is (\S+) times what it should be", text):
        number = number_of(ratio)
        found += [] if number is None else [number]
    assert (
        finding.kind != "sign" or finding.ratio == "-1" or "minus" not in re.sub(r"Why:.*", "", text, flags=re.DOTALL)
    )
    return found


@pytest.mark.parametrize(("source", "old", "new"), MISTAKES)
def test_the_value_is_so_many_times_what_it_should_be(source: str, old: str, new: str) -> None:
    assert source.count(old) == 1
    report = marked(source.replace(old, new))
    (finding,) = mistakes_in(report)
    text = " ".join(report.text().split())
    for number in claimed(finding, text):
        assert finding.got is not None
        assert finding.expected is not None
        assert np.allclose(finding.got.sample, number * np.asarray(finding.expected.sample), rtol=1e-6)


def test_the_sign_of_a_term_is_not_the_sign_of_the_value() -> None:
    text = marked(FORWARD.replace("(1 - np", "(1 + np")).text()
    assert "A sign is wrong in the marked part." in text
    assert "The value is minus" not in text
    whole = marked(FORWARD.replace("dmu = mu", "dmu = -mu")).text()
    assert "The sign is wrong: the value is minus what it should be." in " ".join(whole.split())


def test_the_ratio_of_a_part_is_said_of_the_part() -> None:
    report = marked(LAYER.replace("1 - h ** 2", "1 - h"))
    assert report.findings[0].of_part
    assert "the marked part is 1/h times what it should be" in " ".join(report.text().split())


def test_what_an_object_held_when_it_stopped_is_no_missing_value() -> None:
    report = marked(NORM.replace("keepdims=True)\n        return dx", "keepdims=True) @ d\n        return dx"))
    assert {output.name: output.right for output in report.outputs} == {"dx": False, "dgamma": True}
