"""Several mistakes in one backward, on one path and in one line; and what is said of each fix."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from marked import claims_hold, marked, mistakes_in, planted
from paths import ROOT

from micrograd.marker.repair.patch import Patch

BATCHNORM = (ROOT / "tests" / "teach" / "layers" / "batchnorm_staged.py").read_text(encoding="utf-8")
ATTENTION = """
import numpy as np

def attention_forward(q, k, v):
    d = q.shape[1]
    s = q @ k.T / np.sqrt(d)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p @ v, (q, k, v, p)

def attention_backward(dout, cache):
    q, k, v, p = cache
    d = q.shape[1]
    dv = p.T @ dout
    dp = dout @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / np.sqrt(d)
    dq = ds @ k
    dk = ds.T @ q
    return dq, dk, dv
"""  # fmt: skip


HALF = ("dvar = 0.5 * 1.0 /", "dvar = 1.0 /")
SIGN = ("dmu = -1 * np.sum(", "dmu = np.sum(")
SHARE = ("dx2 = 1.0 / N * np.ones((N, D)) * dmu", "dx2 = np.ones((N, D)) * dmu")
MEAN = ("divar = np.sum(", "divar = np.mean(")
SCALE = ("dxhat = dgammax * gamma", "dxhat = dgammax")
PATH = ("dx1 = dxmu1 + dxmu2", "dx1 = dxmu1")
TWO = ("dxmu2 = 2 * xmu", "dxmu2 = xmu")
ROOT_SIGN = ("dsqrtvar = -1.0 /", "dsqrtvar = 1.0 /")


@pytest.mark.parametrize(
    "mistakes",
    [(HALF, SIGN), (SIGN, SHARE), (SCALE, MEAN), (ROOT_SIGN, HALF), (TWO, PATH), (HALF, PATH), (SCALE, TWO, SHARE),
     (MEAN, HALF, SIGN)],
)  # fmt: skip
def test_each_mistake_on_one_path_is_named_and_nothing_else(mistakes: tuple[tuple[str, str], ...]) -> None:
    text, lines = planted(BATCHNORM, *mistakes)
    report = marked(text)
    assert {finding.span.line for finding in mistakes_in(report)} == lines
    claims_hold(text, report)
    first, *others = mistakes_in(report)
    assert first.reads == "right"
    assert "right" not in {finding.reads for finding in others} or (PATH in mistakes or SCALE in mistakes)


def test_the_same_for_two_mistakes_in_one_line() -> None:
    one = BATCHNORM.replace("    dbeta = np.sum(dout, axis=0)\n", "").replace(
        "dgamma = np.sum(dgammax * xhat, axis=0)",
        "dgamma, dbeta = np.sum(dgammax * xmu, axis=0), np.sum(dout, axis=1)",
    )
    report = marked(one)
    assert len({finding.span.line for finding in mistakes_in(report)}) == 1
    assert [finding.target for finding in mistakes_in(report)] == ["dgamma", "dbeta"]
    claims_hold(one, report)
    shown = report.text()
    assert shown.count("+     dgamma, dbeta = np.sum(dgammax * xhat, axis=0), np.sum(dout, axis=0)") == 2


def test_what_is_edited_twice_is_one_fix() -> None:
    mistake = ("dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar", "dvar = -1.0 / (var + eps) * dsqrtvar")
    text, lines = planted(BATCHNORM, mistake)
    report = marked(text)
    assert {finding.span.line for finding in mistakes_in(report)} == lines
    claims_hold(text, report)


@pytest.mark.parametrize(
    ("mistake", "kinds"),
    [
        ((" / np.sqrt(d)\n    dq", "\n    dq"), {"factor"}),
        ((" / np.sqrt(d)\n    dq", " / d\n    dq"), {"factor"}),
        (("dp = dout @ v.T", "dp = 3 * dout @ v.T"), {"factor"}),
    ],
)
def test_one_mistake_behind_two_gradients_is_one(mistake: tuple[str, str], kinds: set[str]) -> None:
    text, lines = planted(ATTENTION, mistake)
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert finding.span.line in lines
    assert finding.kind in kinds
    claims_hold(text, report)


def test_lines_that_raise_are_mended_where_they_stand() -> None:
    text, lines = planted(ATTENTION, ("dq = ds @ k", "dq = ds @ q"), ("dk = ds.T @ q", "dk = ds.T @ k"))
    report = marked(text)
    assert {finding.span.line for finding in mistakes_in(report)} == lines
    claims_hold(text, report)


def test_a_name_with_a_meaning_of_its_own_is_not_a_mistake() -> None:
    """`dvar` holds twice the gradient and the line after it halves it: right together, and only `dmu` is wrong."""
    own = BATCHNORM.replace("dvar = 0.5 * 1.0 /", "dvar = 1.0 /").replace(
        "dsq = 1.0 / N * np.ones((N, D)) * dvar", "dsq = 0.5 / N * np.ones((N, D)) * dvar"
    )
    assert marked(own).verdict == "right"
    text, lines = planted(own, SIGN)
    report = marked(text)
    assert {finding.span.line for finding in mistakes_in(report)} == lines
    claims_hold(text, report)


@pytest.mark.parametrize("last", ["dx = dxc - dmu", "dx = dxc"])
def test_a_sign_that_the_next_line_turns_round_is_no_mistake(last: str) -> None:
    """`dmu` holds minus the gradient of mu, and is subtracted: only what is made of it is wrong."""
    right = BOOK.replace("LAST", "dx = dxc - dmu / N")
    assert marked(right).verdict == "right"
    text, lines = planted(right, ("dx = dxc - dmu / N", last))
    report = marked(text)
    assert {finding.span.line for finding in mistakes_in(report)} == lines
    claims_hold(text, report)


def test_of_a_sign_that_two_lines_can_have_wrong_neither_is_called_wrong() -> None:
    report = marked(BOOK.replace("LAST", "dx = dxc + dmu / N"))
    (finding,) = mistakes_in(report)
    assert not finding.sure
    assert "lacks something, here or in a line" in report.text()


def test_what_the_forward_calls_so_is_not_edited() -> None:
    """`r = 1 - s` is the forward's own: what the gradient of s lacks is looked for where that is made."""
    report = marked(TWICE)
    (finding,) = mistakes_in(report)
    assert (finding.span.line, finding.kind) == (11, "path_missing")
    claims_hold(TWICE, report)


TWICE = """
import numpy as np

def f_forward(x):
    s = 1 / (1 + np.exp(-x))
    r = 1 - s
    return s * r, s

def f_backward(dout, s):
    r = 1 - s
    ds = dout * r
    return ds * s * (1 - s)
"""
BOOK = """
import numpy as np

def f_forward(x):
    mu = x.mean(axis=0)
    xc = x - mu
    std = np.sqrt(np.mean(xc ** 2, axis=0) + 1e-5)
    return xc / std, (xc, std)

def f_backward(dout, cache):
    xc, std = cache
    N = len(dout)
    dxc = dout / std
    dstd = -np.sum((dout * xc) / std ** 2, axis=0)
    dvar = 0.5 * dstd / std
    dxc += (2.0 / N) * xc * dvar
    dmu = np.sum(dxc, axis=0)
    LAST
    return dx
"""


def test_what_nothing_vouches_for_is_not_called_right() -> None:
    """`d` is wrong and has no name that says what it should be: the line that reads it reads nothing known."""
    report = marked(LOSS.replace("d = np.log(p)", "d = np.cos(p - W.sum()) ** 3"))
    assert report.verdict == "wrong"
    assert "everything that this line reads is right" not in report.text()
    assert "right values to work from" not in report.text()
    assert "every gradient is right" not in report.text()


def test_a_doubt_is_said_of_the_first_line_that_nothing_vouches_for() -> None:
    """That `dq` is wrong is certain, but not that it is wrong by itself: `t` has no name that says what it is."""
    ds = "ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / np.sqrt(d)"
    text = ATTENTION.replace(ds, "t = np.sin(dp - dp.sum(axis=1, keepdims=True)) ** 3\n    u = t / np.sqrt(d)")
    (finding,) = mistakes_in(marked(text.replace("ds", "u")))
    assert (finding.sure, finding.source.split()[0]) == (False, "t")


def test_two_mistakes_that_only_together_make_a_gradient_right_are_two() -> None:
    report = marked(LOSS)
    assert [finding.span.line for finding in mistakes_in(report)] == [9, 12]
    claims_hold(LOSS, report)


LOSS = """
import numpy as np

def softmax_loss(W, X, y, reg):
    n = len(X)
    scores = X @ W
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), y]).mean() + reg * np.sum(W * W)
    d = np.log(p)
    d[np.arange(n), y] -= 1
    dW = X.T @ d / n
    dW += reg * W
    return loss, dW
"""


def test_edits_of_edits_are_edits_of_the_first_text() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        first = text = "".join(chance.choice("abcd") for _ in range(chance.randrange(10)))
        patch: Any = Patch()
        for _ in range(4):
            start = chance.randrange(len(text) + 1)
            end = chance.randrange(start, len(text) + 1)
            new = "".join(chance.choice("XY") for _ in range(chance.randrange(3)))
            patch, text = patch.then(start, end, new), text[:start] + new + text[end:]
            assert patch.applied(first) == text
            assert all(one.end <= other.start for one, other in itertools.pairwise(patch.pieces))
            kept = [at for at, letter in enumerate(text) if letter in "abcd"]
            inside = {at for piece in patch.pieces for at in range(piece.start, piece.end)}
            assert all(first[patch.origin(at)] == text[at] for at in kept if patch.origin(at) not in inside)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    d = q.shape[1]\n    dv", "    d = k.shape[0]\n    dv"),  # its reader is right
        ("    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True)) / np.sqrt(d)\n",
         "    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True))\n"),
        ("    dbeta = np.sum(dout, axis=0)\n    dgammax = dout\n",
         "    dbeta = np.sum(dout, axis=0)\n    dgammax = 2 * dout\n    dgammax = dgammax\n"),
    ],
)  # fmt: skip
def test_no_right_line_is_called_wrong(old: str, new: str) -> None:
    """What is put to a value may be missing in another line: then that is said."""
    text, lines = planted(ATTENTION if old in ATTENTION else BATCHNORM, (old, new))
    at = next(line for line, (a, b) in enumerate(itertools.zip_longest(old.split("\n"), new.split("\n"))) if a != b)
    report = marked(text)
    assert mistakes_in(report)
    assert {finding.span.line for finding in mistakes_in(report) if finding.sure} <= {min(lines) + at}


def test_a_line_that_is_missing_accuses_none_that_is_there() -> None:
    text = (
        LOSS.replace("    d[np.arange(n), y] -= 1\n", "")
        .replace("d = np.log(p)", "d = p.copy()")
        .replace("+= reg", "+= 2 * reg")
    )
    (finding,) = mistakes_in(marked(text))
    assert not finding.sure
    assert "A statement is missing after line 9." in marked(text).text()


def test_of_two_mistakes_in_one_loop_the_first_line_is_doubted_and_no_other() -> None:
    """The first round tells them apart: there `total` is right and `da` is not; the zeros before it are no mistake."""
    report = marked(LOOP)
    (finding,) = mistakes_in(report)
    assert finding.span.line == 21
    assert finding.sure == (finding.fix is not None)
    assert finding.sure or "The value is wrong" not in report.text()


LOOP = """
import numpy as np

def rnn_forward(x, Wx, Wh):
    prev, steps, hs = np.zeros((len(x), len(Wh))), [], []
    for t in range(x.shape[1]):
        nxt = np.tanh(x[:, t] @ Wx + prev @ Wh)
        steps.append((x[:, t], prev, nxt))
        hs.append(nxt)
        prev = nxt
    return np.stack(hs, axis=1), (steps, Wx, Wh)

def rnn_backward(dh, cache):
    steps, Wx, Wh = cache
    dx = np.zeros((dh.shape[0], dh.shape[1], len(Wx)))
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    dprev = np.zeros((dh.shape[0], len(Wh)))
    for t in reversed(range(dh.shape[1])):
        x, prev, nxt = steps[t]
        total = dh[:, t] + dprev
        da = total * np.cos(nxt)
        dx[:, t] = da @ Wx.T
        dprev = da @ np.sin(Wh)
        dWx += x.T @ da
        dWh += prev.T @ da
    return dx, dWx, dWh
"""
