"""Mistakes of more than one line or word: what is changed in place and read again, sizes, indices exchanged, slopes."""

from __future__ import annotations

import pytest
from marked import claims_hold, marked, mistakes_in, planted
from paths import ROOT

LAYERS = ROOT / "tests" / "teach" / "layers"
LSTM = (LAYERS / "lstm_step.py").read_text(encoding="utf-8")
COMPACT = (LAYERS / "batchnorm_compact.py").read_text(encoding="utf-8")
RELU = (LAYERS / "relu.py").read_text(encoding="utf-8")
SOFTMAX = (LAYERS / "softmax.py").read_text(encoding="utf-8")
WORDS = """
import numpy as np

def bag_forward(words, E):
    h = np.zeros((len(words), E.shape[1]))
    for c in range(words.shape[1]):
        h += E[words[:, c]] / words.shape[1]
    return h, (words, E)

def bag_backward(dh, cache):
    words, E = cache
    dE = np.zeros_like(E)
    for c in range(words.shape[1]):
        np.add.at(dE, words[:, c], dh / words.shape[1])
    return dE
"""


@pytest.mark.parametrize("gap", ["; ", "\n    "])
@pytest.mark.parametrize(
    ("right", "wrong", "then"),
    [
        ("do = dnext_h * tanh_c", "dnext_h *= tanh_c", "do = dnext_h"),
        ("di = dc * g", "dc *= g", "di = dc"),
    ],
)
def test_a_value_that_is_changed_in_place_and_read_again_is_kept(right: str, wrong: str, then: str, gap: str) -> None:
    text, lines = planted(LSTM, (right, wrong + gap + then))
    (finding,) = mistakes_in(marked(text))
    assert (finding.kind, {finding.span.line}) == ("in_place", lines)
    assert finding.fix is not None
    assert (finding.fix.new, finding.fix.whole) == (right, True)


def test_a_size_and_another_mistake_are_two() -> None:
    text, lines = planted(COMPACT, ("N = dout.shape[0]", "N = dout.shape[1]"), ("- dx_norm.sum(axis=0) -", "-"))
    report = marked(text)
    assert {finding.span.line for finding in mistakes_in(report)} == lines
    claims_hold(text, report)


def test_of_two_edits_that_one_line_can_have_both_the_other_line_is_not_called_wrong() -> None:
    text, _ = planted(RELU, ("dx = dout * mask", "dx = cache * (mask == 0)"))
    assert {finding.span.line for finding in mistakes_in(marked(text)) if finding.sure} <= {15}


@pytest.mark.parametrize("wrong", ["expo - np.sum(dlog_probs, axis=1, keepdims=True)", "shifted - expo * np.sum(x)"])
def test_a_line_with_several_mistakes_is_written_anew(wrong: str) -> None:
    text, lines = planted(SOFTMAX, ("dlog_probs - probs * np.sum(dlog_probs, axis=1, keepdims=True)", wrong))
    report = marked(text)
    assert {finding.span.line for finding in mistakes_in(report)} == lines
    claims_hold(text, report)


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("np.add.at(dE, words[:, c], dh / words.shape[1])", "np.add.at(dE, words[:, c], dh)", "count"),
        ("np.add.at(dE, words[:, c], dh / words.shape[1])", "dE[words[:, c]] += dh / words.shape[1]", "repeated_index"),
        ("np.add.at(dE, words[:, c], dh", "np.add.at(dE, words[:, c] - 1, dh", "index"),
    ],
)
def test_rows_of_an_index_are_counted_and_added_at(right: str, wrong: str, kind: str) -> None:
    text, _ = planted(WORDS, (right, wrong))
    report = marked(text)
    assert [finding.kind for finding in mistakes_in(report)] == [kind]
    claims_hold(text, report)


GATE = """
import numpy as np

def gate_forward(x, m, n):
    keep = x > 0
    h = np.tanh(n)
    return np.where(keep, x, 0.0) * m / n.shape[0] + h, (keep, x, m, n, h)

def gate_backward(dout, cache):
    keep, x, m, n, h = cache
    dx = dout * m / n.shape[0]
    dx[~keep] = 0
    dm = dout * x * keep / n.shape[0]
    dn = dout * (1 - h ** 2)
    return dx, dm, dn
"""


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("dx[~keep] = 0", "dx[keep] = 0", "mask"),
        ("dn = dout * (1 - h ** 2)", "dn = dout * (1 - h) ** 2", "power"),
        ("dx = dout * m / n.shape[0]", "dx = dout * m * n.shape[0]", "operator"),
        ("return dx, dm, dn", "return dn, dx, dm", "return_order"),
    ],
)
def test_what_the_edit_is_says_what_kind_it_is(right: str, wrong: str, kind: str) -> None:
    text, lines = planted(GATE, (right, wrong))
    report = marked(text)
    assert [(finding.kind, {finding.span.line}) for finding in mistakes_in(report)] == [(kind, lines)]
    claims_hold(text, report)


def test_two_indices_exchanged_are_one_mistake() -> None:
    text, lines = planted(ROWS, ("dW[word] += dout[i]", "dW[i] += dout[word]"))
    (finding,) = mistakes_in(marked(text))
    assert (finding.kind, {finding.span.line}) == ("index", lines)
    assert finding.fix is not None
    assert (finding.fix.new, finding.fix.whole) == ("dW[word] += dout[i]", True)


ROWS = """
import numpy as np

def rows_forward(x, W):
    return W[x], (x, W)

def rows_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    for i, word in enumerate(x):
        dW[word] += dout[i]
    return dW
"""


def test_a_mask_beside_a_wrong_sign_has_no_minus() -> None:
    report = marked("""
import numpy as np

def huber_forward(x, y):
    e = x - y
    s = np.abs(e) <= 1.0
    loss = np.mean(np.where(s, 0.5 * e ** 2, np.abs(e) - 0.5))
    return loss, (e, x)

def huber_backward(dout, cache):
    e, x = cache
    s = np.abs(e) <= 1.0
    return dout * np.where(s, -e, -np.sign(e))
""")
    assert mistakes_in(report)
    assert "broke off" not in str(report)
