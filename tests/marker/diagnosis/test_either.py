"""Where a change of either of two lines makes the same right, neither is called wrong; and mistakes that meet."""

from __future__ import annotations

import pytest
from marked import claims_hold, marked, mistakes_in
from paths import ROOT

LAYERS = ROOT / "tests" / "teach" / "layers"


def changed(layer: str, *edits: tuple[str, str]) -> str:
    text = (LAYERS / f"{layer}.py").read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


EITHER = {
    "a factor where it is used or made": ("relu", ("dx = dout * mask", "dx = mask"), {14, 15}),
    "a count twice": ("groupnorm", ("sum2 = np.sum(dx_norm * x_hat, axis=(2, 3, 4), keepdims=True)",
                                    "sum2 = np.sum(dx_norm * x_hat, axis=(2, 3, 4), keepdims=True) / M"), {28, 29}),
    "a sign": ("softmax", ("dlog_probs = -onehot / N", "dlog_probs = onehot / N"), {16, 17}),
    "a count": ("svm", ("-= num_pos / N", "-= num_pos"), {15, 16}),
}  # fmt: skip


@pytest.mark.parametrize("name", EITHER)
def test_of_two_lines_that_mend_alike_neither_is_called_wrong(name: str) -> None:
    layer, edit, lines = EITHER[name]
    text = changed(layer, edit)
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert not finding.sure
    assert {finding.span.line, finding.either} == lines
    claims_hold(text, report)
    assert f"Line {finding.span.line} or line {finding.either}" in report.text()
    assert f"第 {finding.span.line} 行或第 {finding.either} 行" in report.text(language="zh")


@pytest.mark.parametrize(
    ("layer", "edit", "line"),
    [
        ("batchnorm_paper", ("* -0.5 * (var + eps) ** -1.5", "* -0.5 * (var + eps) ** -1.5 / m"), 38),
        ("layernorm", ("dmu = -np.sum(dxmu, axis=1, keepdims=True)", "dmu = -np.sum(dxmu, axis=1, keepdims=True) / D"), 29),
    ],
)  # fmt: skip
def test_of_the_two_the_line_is_named_that_does_not_hold_what_its_name_says(
    layer: str, edit: tuple[str, str], line: int
) -> None:
    (finding,) = mistakes_in(marked(changed(layer, edit)))
    assert finding.span.line == line


def test_a_line_whose_name_says_what_it_holds_is_wrong_without_an_or() -> None:
    """That `dx` is the gradient of x, and all that its line reads is right, leaves no other line."""
    (finding,) = mistakes_in(marked(changed("layernorm", ("dx = dxmu + dmu / D", "dx = dxmu - dmu / D"))))
    assert finding.sure
    assert not finding.either


def test_what_reads_a_value_changed_in_place_is_not_called_wrong() -> None:
    edits = ("do = dnext_h * tanh_c", "dnext_h *= tanh_c\n    do = dnext_h")
    report = marked(changed("lstm_step", edits))
    assert not [f for f in mistakes_in(report) if f.sure and f.span.line != 26]
    assert "**2)" not in "".join(f.fix.new for f in mistakes_in(report) if f.fix)  # no fix divides by data


GATES = [("daf = df * f * (1 - f)", "daf = df * i * (1 - f)"), ("dao = do * o * (1 - o)", "dao = do * o * (1 - g)")]


def test_mistakes_side_by_side_in_one_gradient_are_found_one_after_the_other() -> None:
    text = changed("lstm_step", *GATES)
    report = marked(text)
    assert [finding.fix.new for finding in mistakes_in(report) if finding.fix] == ["f", "o"]
    claims_hold(text, report)


def test_a_softmax_without_its_second_path_is_mended() -> None:
    report = marked(ATTENTION)
    (finding,) = mistakes_in(report)
    assert finding.kind == "path_missing"
    assert finding.fix is not None
    assert finding.fix.whole
    assert "np.sum(p * dp, axis=-1, keepdims=True)" in finding.fix.new
    claims_hold(ATTENTION, report)


ATTENTION = """
import numpy as np

def attention_forward(q, k, v):
    s = q @ k.T
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p @ v, (q, k, v, p)

def attention_backward(dout, cache):
    q, k, v, p = cache
    dv = p.T @ dout
    dp = dout @ v.T
    ds = p * dp
    dq = ds @ k
    dk = ds.T @ q
    return dq, dk, dv
"""


def test_another_function_of_the_file_is_tried() -> None:
    text = NET.replace("tanh_backward(dh, h)", "relu_backward(dh, h)")
    (finding,) = mistakes_in(marked(text))
    assert finding.fix is not None
    assert finding.fix.new == "tanh_backward(dh, h)"
    text = NET.replace("da = tanh_backward(dh, h)", "da = dh")
    (finding,) = mistakes_in(marked(text))
    assert finding.fix is not None
    assert finding.fix.new == "tanh_backward(dh, h)"


NET = """
import numpy as np

def tanh_backward(dout, h):
    return dout * (1 - h ** 2)

def relu_backward(dout, h):
    return dout * (h > 0)

def net_forward(x, w, v):
    h = np.tanh(x @ w)
    return h @ v, (x, w, v, h)

def net_backward(dout, cache):
    x, w, v, h = cache
    dv = h.T @ dout
    dh = dout @ v.T
    da = tanh_backward(dh, h)
    return da @ w.T, x.T @ da, dv
"""
