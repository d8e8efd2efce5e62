"""What is right by custom or because it is zero, and mistakes that a report has a name of their own for."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from marked import claims_hold, marked, mistakes_in

from micrograd.marker.diagnosis.first_look import undisturbed
from micrograd.marker.student.statements import Text, divides

ZERO = """
import numpy as np

def affine_bn_forward(x, w, b, gamma, beta, eps=1e-5):
    a = x @ w + b
    xhat = (a - a.mean(axis=0)) / np.sqrt(a.var(axis=0) + eps)
    return gamma * xhat + beta, (x, w, xhat, gamma, a.var(axis=0), eps)

def affine_bn_backward(dout, cache):
    x, w, xhat, gamma, var, eps = cache
    n = len(dout)
    dbeta, dgamma = dout.sum(axis=0), (dout * xhat).sum(axis=0)
    da = gamma / np.sqrt(var + eps) * (dout - dbeta / n - xhat * dgamma / n)
    return da @ w.T, x.T @ da, DB, dgamma, dbeta
"""
GUARD = """
import numpy as np

def guarded_loss(x, y):
    n = len(x)
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    value = -np.sum(np.log(p[np.arange(n), y] + 1e-7)) / n
    dx = p.copy()
    dx[np.arange(n), y] -= 1
    dx /= SHARE
    return value, dx
"""
MEAN = """
import numpy as np

def linear_forward(A, W, b):
    return A @ W + b, (A, W)

def linear_backward(dZ, cache):
    A, W = cache
    m = A.shape[0]
    dA = dZ @ W.T
    dW = DW
    db = 1 / m * np.sum(dZ, axis=0)
    return dA, dW, db
"""
UNPACKED = """
import numpy as np

def norm_forward(x, gamma, beta, eps=1e-5):
    centred = x - x.mean(axis=0)
    ivar = 1 / np.sqrt((centred**2).mean(axis=0) + eps)
    xhat = centred * ivar
    return gamma * xhat + beta, (xhat, centred, ivar, gamma)

def norm_backward(dout, cache):
    NAMES = cache
    n = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dx = gamma * ivar * (dout - (dbeta + xhat * dgamma) / n) + 0 * centred
    return dx, dgamma, dbeta
"""
SOFTMAX = """
import numpy as np

def softmax_loss(x, y):
    n = len(x)
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), y]).mean()
    dx = p.copy()
    dx[np.arange(n), y] -= 1
    dx /= n
    return loss, dx
"""
EMBEDDING = """
import numpy as np

def word_embedding_forward(x, W):
    return W[x], (x, W)

def word_embedding_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW
"""
REGULAR = """
import numpy as np

def ridge_loss(W, X, y, reg):
    n = len(X)
    d = X @ W - y
    loss = np.sum(d * d) / n + reg * np.sum(W * W)
    dW = 2 * X.T @ d / n + 2 * reg * W
    return loss, dW
"""
EPS = """
import numpy as np

def norm_forward(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    std = np.sqrt(FORWARD)
    xhat = (x - mean) / std
    return gamma * xhat + beta, (xhat, gamma, var, eps)

def norm_backward(dout, cache):
    xhat, gamma, var, eps = cache
    n = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / np.sqrt(BACKWARD)
    return dx, dgamma, dbeta
"""


def test_a_gradient_that_is_zero_is_right_where_it_is_zero_to_rounding() -> None:
    report = marked(ZERO.replace("DB", "da.sum(axis=0)"))
    assert report.verdict == "right"
    assert [output.name for output in report.outputs if output.zero] == ["db"]
    assert "db right (4,), zero on every set of inputs" in " ".join(report.text().split())
    assert marked(ZERO.replace("DB", "np.zeros_like(da[0])")).verdict == "right"
    wrong = marked(ZERO.replace("DB", "dbeta"))
    assert [output.name for output in wrong.outputs if not output.right] == ["db"]
    assert "it is zero on every set of inputs" in wrong.text()


def test_a_guard_in_a_logarithm_is_a_remark() -> None:
    report = marked(GUARD.replace("SHARE", "n"))
    assert report.verdict == "right"
    (remark,) = report.findings
    assert (remark.severity, remark.kind, remark.span.line) == ("harmless", "guard", 8)
    assert "1e-7 in the logarithm keeps it finite" in " ".join(report.text().split())
    assert "对数里的1e-7" in "".join(report.text(language="zh").split())
    assert marked(GUARD.replace("SHARE", "(n - 1)")).verdict == "wrong"


@pytest.mark.parametrize(
    ("line", "without"),
    [
        ("a = np.log(p + 1e-7)", "a = np.log(p)"),
        ("delta = 1e-9\na = np.log(p[0] + delta)", "delta = 1e-9\na = np.log(p[0])"),
        ("a = np.log(p + 1.0)", "a = np.log(p + 1.0)"),
        ("a = np.log(p + q)", "a = np.log(p + q)"),
        ("a = np.sqrt(v + 1e-5)", "a = np.sqrt(v + 1e-5)"),
        ("a = np.empty(n, dtype='f')", 'a = np.empty(n, dtype="d")'),
        ("a = x.astype(np.float32)", "a = x.astype(np.float64)"),
        ("f = 'f'", "f = 'f'"),
    ],
)
def test_what_a_guard_is(line: str, without: str) -> None:
    assert undisturbed(Text(line))[0].applied(line) == without


def test_a_guard_hides_no_other_mistake() -> None:
    text = GUARD.replace("SHARE", "n").replace("] -= 1", "] += 1")
    report = marked(text)
    (mistake,) = mistakes_in(report)
    assert mistake.source.strip().startswith("dx[np.arange(n), y] += 1")
    assert mistake.fix is not None
    assert (mistake.fix.old, mistake.fix.new) == ("+=", "-=")
    assert [finding.kind for finding in report.findings] == [mistake.kind, "guard"]


def test_single_precision_in_the_users_buffers_is_no_mistake_and_hides_none() -> None:
    report = marked(SINGLE)
    assert (report.verdict, report.findings) == ("right", ())
    text = SINGLE.replace("(1 - hs[:, t] ** 2)", "(1 + hs[:, t] ** 2)")
    (mistake,) = mistakes_in(marked(text))
    assert mistake.source.strip().startswith("da = ")
    claims_hold(text, marked(text))


SINGLE = """
import numpy as np

def rnn_forward(x, w):
    hs = np.empty(x.shape, dtype='f')
    h = 0
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] * w[t] + h)
        hs[:, t] = h
    return hs, (x, w, hs)

def rnn_backward(dhs, cache):
    x, w, hs = cache
    dx, dw, dh = np.empty_like(x, dtype=np.float32), np.zeros_like(w), 0
    for t in reversed(range(x.shape[1])):
        da = (dh + dhs[:, t]) * (1 - hs[:, t] ** 2)
        dx[:, t] = da * w[t]
        dw[t] = (da * x[:, t]).sum()
        dh = da
    return dx, dw
"""


def test_a_division_by_the_features_is_no_average_over_examples() -> None:
    """Two of three gradients are too small by D, and dbeta, of shape (D,), is right: no convention says so."""
    forward = """
    import numpy as np

    def forward(x, gamma, beta):
        xhat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        return gamma * xhat + beta, (xhat, gamma, x.var(axis=0) + 1e-5)
    """
    backward = """
    def backward(dout, cache):
        xhat, gamma, v = cache
        N, D = dout.shape
        dbeta = dout.sum(axis=0)
        dgammax = dout / D
        dgamma = (dgammax * xhat).sum(axis=0)
        dxhat = dgammax * gamma
        dx = (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0)) / np.sqrt(v)
        return dx, dgamma, dbeta
    """
    report = marked(textwrap.dedent(forward) + textwrap.dedent(backward))
    assert report.verdict == "wrong"
    assert [finding.target for finding in report.findings] == ["dgammax"]


def test_gradients_averaged_over_the_examples_are_a_convention() -> None:
    report = marked(MEAN.replace("DW", "1 / m * A.T @ dZ"))
    assert report.verdict == "right"
    (remark,) = report.findings
    assert remark.kind == "mean_convention"
    assert "dW, db are the right ones divided by A.shape[0], the number of examples" in " ".join(report.text().split())
    assert marked(MEAN.replace("DW", "A.T @ dZ")).verdict == "wrong"  # one of two: no convention
    assert marked(MEAN.replace("DW", "2 / m * A.T @ dZ")).verdict == "wrong"


def test_a_cache_in_another_order_is_named_at_the_line_that_unpacks_it() -> None:
    assert marked(UNPACKED.replace("NAMES", "xhat, centred, ivar, gamma")).verdict == "right"
    for names in ("xhat, gamma, ivar, centred", "centred, xhat, ivar, gamma"):
        text = UNPACKED.replace("NAMES", names)
        report = marked(text)
        (finding,) = mistakes_in(report)
        assert (finding.kind, finding.span.line) == ("unpack_order", 11)
        claims_hold(text, report)
    assert "centred holds what the forward calls xhat" in " ".join(report.text().split())
    assert "centred得到的是前向里的xhat" in "".join(report.text(language="zh").split())


@pytest.mark.parametrize("gone", ["    dx[np.arange(n), y] -= 1\n", "    dx /= n\n"])
def test_a_missing_statement_is_put_in(gone: str) -> None:
    assert marked(SOFTMAX).verdict == "right"
    text = SOFTMAX.replace(gone, "")
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert finding.fix is not None
    claims_hold(text, report)


@pytest.mark.parametrize("line", ["dW[x] += dout", "dW[x] = dout"])
def test_rows_that_occur_twice_get_both_of_their_gradients(line: str) -> None:
    assert marked(EMBEDDING).verdict == "right"
    text = EMBEDDING.replace("np.add.at(dW, x, dout)", line)
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert finding.kind == "repeated_index"
    claims_hold(text, report)


def test_a_term_of_the_loss_that_is_left_out_is_a_path() -> None:
    assert marked(REGULAR).verdict == "right"
    text = REGULAR.replace(" + 2 * reg * W", "")
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert finding.kind == "path_missing"
    claims_hold(text, report)


@pytest.mark.parametrize(
    ("forward", "backward", "said"),
    [("var", "var + eps", "eps stands where the forward has none"), ("var + eps", "var", "eps is missing")],
)
def test_too_much_eps_is_told_from_too_little(forward: str, backward: str, said: str) -> None:
    text = EPS.replace("FORWARD", forward).replace("BACKWARD", backward)
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert finding.kind == "eps_missing"
    assert said in " ".join(report.text().split())
    claims_hold(text, report)


def test_no_fix_divides_by_what_may_be_zero() -> None:
    assert divides("std", np.array([0.5, 2.0]))
    assert not divides("x", np.array([0.5, -2.0]))
    assert not divides("dstd", np.array([0.5, 2.0]))
    assert not divides("mask", np.array([0.0, 1.0]))


DROPOUT = """
import numpy as np

class Dropout:
    def __init__(self, ratio=0.5):
        self.ratio = ratio

    def forward(self, x):
        self.mask = np.random.rand(*x.shape) > self.ratio
        return x * self.mask / (1 - self.ratio)

    def backward(self, dout):
        return dout * self.mask
"""
IDLE = """
import numpy as np

def relu_forward(x):
    out = np.ones_like(x)
    out[x < 0] = 0
    return out, x

def relu_backward(dout, cache):
    dx = dout.copy()
    dx[cache < 0] = 0
    return dx
"""


def test_a_setting_is_written_by_its_name_and_not_as_its_number() -> None:
    report = marked(DROPOUT)
    (finding,) = mistakes_in(report)
    assert finding.fix is not None
    assert finding.fix.new.endswith("/ (1 - self.ratio)")
    claims_hold(DROPOUT, report)


def test_a_forward_that_does_not_use_its_input_is_at_fault() -> None:
    report = marked(IDLE)
    (finding,) = mistakes_in(report)
    assert (finding.kind, finding.span.line) == ("no_influence", 7)
    assert "does not change with the input of dx" in report.text()
    assert marked(IDLE.replace("np.ones_like(x)", "x.copy()")).verdict == "right"
