"""Kinds of mistakes that beginners make, each at its line; and sentences that are only said where they are true."""

from __future__ import annotations

import pytest
from marked import claims_hold, marked, mistakes_in, planted

TEXTS = {
    "layer norm by the formula of batch norm": """
import numpy as np
def layernorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=-1, keepdims=True)
    var = x.var(axis=-1, keepdims=True)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, (xhat, gamma, var, eps)
def layernorm_backward(dout, cache):
    xhat, gamma, var, eps = cache
    N, D = dout.shape
    dgamma = (dout * xhat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dxhat = dout * gamma
    dx = 1 / N / np.sqrt(var + eps) * (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0))
    return dx, dgamma, dbeta
""",
    "a division that was forgotten": """
import numpy as np
def softmax_loss(x, y):
    probs = np.exp(x - np.max(x, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    return loss, dx
""",
    "labels of all rows": """
import numpy as np
def softmax_loss(x, y):
    N = x.shape[0]
    probs = np.exp(x - np.max(x, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[:, y] -= 1
    dx /= N
    return loss, dx
""",
    "the diagonal of a softmax": """
import numpy as np
def softmax_forward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, p
def softmax_backward(dout, p):
    dx = p * (1 - p) * dout
    return dx
""",
    "a loop that runs forwards": """
import numpy as np
def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    ht = h0
    for t in range(T):
        ht = np.tanh(x[:, t, :] @ Wx + ht @ Wh + b)
        h[:, t, :] = ht
    return h, (x, h0, Wx, Wh, b, h)
def rnn_backward(dh, cache):
    x, h0, Wx, Wh, b, h = cache
    N, T, D = x.shape
    dx = np.zeros_like(x); dWx = np.zeros_like(Wx); dWh = np.zeros_like(Wh); db = np.zeros_like(b)
    dh_next = np.zeros_like(h0)
    for t in range(T):
        dt = dh[:, t, :] + dh_next
        da = dt * (1 - h[:, t, :] ** 2)
        hprev = h0 if t == 0 else h[:, t-1, :]
        dx[:, t, :] = da @ Wx.T
        dWx += x[:, t, :].T @ da
        dWh += hprev.T @ da
        db += da.sum(axis=0)
        dh_next = da @ Wh.T
    return dx, dh_next, dWx, dWh, db
""",
    "a slope by the name of a gradient": """
import numpy as np
def gelu_forward(x):
    c = np.sqrt(2 / np.pi)
    u = c * (x + 0.044715 * x ** 3)
    t = np.tanh(u)
    return 0.5 * x * (1 + t), (x, t, c)
def gelu_backward(dout, cache):
    x, t, c = cache
    du = c * (1 + 0.044715 * x ** 2)
    dx = dout * (0.5 * (1 + t) + 0.5 * x * (1 - t ** 2) * du)
    return dx
""",
    "a line that stops further down": """
import numpy as np
def rms_norm_forward(x, g, eps=1e-5):
    ms = (x ** 2).mean(axis=1, keepdims=True)
    r = 1 / np.sqrt(ms + eps)
    xn = x * r
    return xn * g, (x, r, xn, g)
def rms_norm_backward(dout, cache):
    x, r, xn, g = cache
    dg = (dout * xn).sum(axis=0)
    dxn = dout * g
    dr = (dxn * x).sum(axis=1)
    dms = -0.5 * dr * r ** 2
    dx = dxn * r + 2 * x * dms / x.shape[1]
    return dx, dg
""",
    "operands exchanged, the cache in order": """
import numpy as np
def mul_forward(a, b):
    return a * b, (a, b)
def mul_backward(dout, cache):
    a, b = cache
    da = dout * a
    db = dout * b
    return da, db
""",
    "a line of the chain rule": """
import numpy as np
def logcosh_forward(x, w):
    z = x @ w
    s = np.log(np.cosh(z))
    return s.sum(axis=1), (x, w, z)
def logcosh_backward(dout, cache):
    x, w, z = cache
    ds = dout[:, None] * np.ones(z.shape)
    dz = ds / np.cosh(z)
    dx = dz @ w.T
    dw = x.T @ dz
    return dx, dw
""",
    "an index without its labels": """
import numpy as np
def cross_entropy_loss(logits, labels):
    n = logits.shape[0]
    z = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[range(n), labels]))
    dlogits = p
    dlogits[range(n)] -= 1
    dlogits = dlogits / n
    return loss, dlogits
""",
    "gradients that an object keeps": """
import numpy as np
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = dout.T @ self.x
        self.db = dout
        return dout @ self.W
""",
    "a path into a state": """
import numpy as np

def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    prev = h0
    for t in range(T):
        prev = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
        h[:, t] = prev
    return h, (x, h0, Wx, Wh, h)

def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    N, T, D = x.shape
    dx = np.zeros_like(x)
    dWx = np.zeros_like(Wx)
    dWh = np.zeros_like(Wh)
    db = np.zeros(Wh.shape[0])
    dprev = np.zeros_like(h0)
    for t in reversed(range(T)):
        dnext = dh[:, t]
        prev = h[:, t - 1] if t > 0 else h0
        da = dnext * (1 - h[:, t] ** 2)
        dx[:, t] = da @ Wx.T
        dWx += x[:, t].T @ da
        dWh += prev.T @ da
        db += da.sum(axis=0)
        dprev = da @ Wh.T
    dh0 = dprev
    return dx, dh0, dWx, dWh, db
""",
    "a sign before a quotient": """
import numpy as np

def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - x.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).sum() / N
    dp = np.zeros_like(p)
    dp[np.arange(N), y] = 1.0 / p[np.arange(N), y]
    dp = dp / N
    inner = (dp * p).sum(axis=1, keepdims=True)
    dx = p * (dp - inner)
    return loss, dx
""",
    "a window of the forward": """
import numpy as np

def conv_forward(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            win = xp[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
            out[:, :, i, j] = np.tensordot(win, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out, (x, w, b, conv_param)

def conv_backward(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    _, _, Ho, Wo = dout.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for i in range(Ho):
        for j in range(Wo):
            win = xp[:, :, i:i + HH, j:j + WW]
            g = dout[:, :, i, j]
            dw += np.tensordot(g, win, axes=([0], [0]))
            dxp[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW] += np.tensordot(g, w, axes=([1], [0]))
    dx = dxp[:, :, pad:pad + H, pad:pad + W]
    return dx, dw, db
""",
    "two on the way to two gradients": """
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
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    ds = ds / d
    dq = 2 * ds @ k
    dk = ds.T @ q
    return dq, dk, dv
""",
    "two on the way to one": """
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
    dp = 2 * dout @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    ds = ds / d
    dq = ds @ k
    dk = ds.T @ q
    return dq, dk, dv
""",
    "averages and a mask": """
import numpy as np

def linear_activation_forward(A_prev, W, b):
    Z = np.dot(W, A_prev) + b
    A = np.maximum(0, Z)
    return A, (A_prev, W, b, Z)

def linear_activation_backward(dA, cache):
    A_prev, W, b, Z = cache
    m = A_prev.shape[1]
    dZ = dA * (Z < 0)
    dW = 1 / m * np.dot(dZ, A_prev.T)
    db = 1 / m * np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db
""",
    "averages and another gradient": """
import numpy as np

def linear_activation_forward(A_prev, W, b):
    Z = np.dot(W, A_prev) + b
    A = np.maximum(0, Z)
    return A, (A_prev, W, b, Z)

def linear_activation_backward(dA, cache):
    A_prev, W, b, Z = cache
    m = A_prev.shape[1]
    dZ = dA * (Z > 0)
    dW = 1 / m * np.dot(dA, A_prev.T)
    db = 1 / m * np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dA)
    return dA_prev, dW, db
""",
    "gates": """
import numpy as np

def sigmoid(a):
    return 1 / (1 + np.exp(-a))

def gate_forward(x, h, Wz, Uz, Wc, Uc):
    az = x @ Wz + h @ Uz
    z = sigmoid(az)
    ac = x @ Wc + h @ Uc
    c = np.tanh(ac)
    out = z * h + (1 - z) * c
    return out, (x, h, Wz, Uz, Wc, Uc, z, c)

def gate_backward(dout, cache):
    x, h, Wz, Uz, Wc, Uc, z, c = cache
    dz = dout * (h - c)
    dc = dout * (1 - z)
    daz = dz * z
    dac = dc * (1 - c ** 2)
    dWz = x.T @ daz
    dUz = h.T @ daz
    dWc = x.T @ dac
    dUc = h.T @ dac
    dx = daz @ Wz.T + dac @ Wc.T
    dh = daz @ Uz.T + dac @ Uc.T
    return dx, dh, dWz, dUz, dWc, dUc
""",
    "weight norm": """
import numpy as np

def weight_norm_forward(x, v, g):
    n = np.sqrt((v ** 2).sum(axis=0))
    u = v / n
    w = g * u
    out = x @ w
    return out, (x, v, g, n, u, w)

def weight_norm_backward(dout, cache):
    x, v, g, n, u, w = cache
    dx = dout @ w.T
    dw = x.T @ dout
    dg = (dw * u).sum(axis=0)
    du = dw * g
    dn = (du * v).sum(axis=0) / n
    dv = du / n + dn * v / n
    return dx, dv, dg
""",
}

LINES = {
    "layer norm by the formula of batch norm": [14], "a division that was forgotten": [9], "labels of all rows": [9],
    "the diagonal of a softmax": [8], "a loop that runs forwards": [16], "a slope by the name of a gradient": [10],
    "a line that stops further down": [12, 13], "operands exchanged, the cache in order": [7, 8],
    "a line of the chain rule": [10], "an index without its labels": [9], "gradients that an object keeps": [10, 11, 12],
    "a path into a state": [23], "a sign before a quotient": [11], "a window of the forward": [30],
    "two on the way to two gradients": [17, 18], "two on the way to one": [15, 17], "averages and a mask": [12],
    "averages and another gradient": [13, 15], "gates": [19, 26], "weight norm": [17],
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_the_lines_are_named_and_what_is_said_of_the_fixes_is_so(name: str) -> None:
    report = marked(TEXTS[name])
    found = mistakes_in(report)
    assert sorted({finding.span.line for finding in found}) == LINES[name]
    inserted = [finding for finding in found if finding.fix is not None and finding.fix.new.startswith("\n")]
    doubted = [finding for finding in found if not finding.sure and not finding.either]
    assert doubted == inserted  # of a missing line none that is there is wrong
    claims_hold(TEXTS[name], report)


def test_where_the_code_stops_is_said_of_that_line() -> None:
    report = marked(TEXTS["a line that stops further down"])
    text = " ".join(report.text().split())
    assert "Line 12 stops with an error" not in text
    assert "Line 14 stops with an error: ValueError" in text


def test_what_is_missing_is_not_called_wrong() -> None:
    text = marked(TEXTS["a division that was forgotten"]).text()
    assert "1. A statement is missing after line 9." in text
    assert "Fix: after line 9 put `dx /= N`." in text


def test_averages_are_told_once_and_as_no_mistake() -> None:
    report = marked(TEXTS["averages and a mask"])
    assert [finding.kind for finding in report.findings] == ["mask", "mean_convention"]
    assert "written as averages over the A_prev.shape[1] examples" in " ".join(report.text().split())


def test_only_the_diagonal_has_a_sentence_of_its_own() -> None:
    assert mistakes_in(marked(TEXTS["the diagonal of a softmax"]))[0].kind == "diagonal_only"


LAYERNORM = """
import numpy as np
def ln_forward(x, gamma, beta):
    xc = x - x.mean(axis=1, keepdims=True)
    std = np.sqrt(np.mean(xc ** 2, axis=1, keepdims=True) + 1e-5)
    xhat = xc / std
    return gamma * xhat + beta, (xhat, std, gamma)
def ln_backward(dout, cache):
    xhat, std, gamma = cache
    D = dout.shape[1]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dsum = np.sum(dxhat, axis=1, keepdims=True)
    dproj = np.sum(dxhat * xhat, axis=1, keepdims=True)
    dx = (dxhat - dsum / D - xhat * dproj / D) / std
    return dx, dgamma, dbeta
"""
SUMS = {
    "no axis, its mark alone": ("dgamma = np.sum(dout * xhat, axis=0)", "dgamma = np.sum(dout * xhat, keepdims=True)", "no_axis"),
    "no axis": ("dsum = np.sum(dxhat, axis=1, keepdims=True)", "dsum = np.sum(dxhat)", "no_axis"),
    "no mark": ("dsum = np.sum(dxhat, axis=1, keepdims=True)", "dsum = np.sum(dxhat, axis=1)", "keepdims"),
    "too many, and the next line stops": ("dxhat = dout * gamma", "dxhat = np.sum(dout * gamma, axis=0)", "oversummed"),
    "too many, kept": ("dxhat = dout * gamma", "dxhat = np.sum(dout * gamma, axis=1, keepdims=True)", "oversummed"),
    "twice": ("np.sum(dout, axis=0)", "dout.sum(0).sum(0)", "oversummed"),
    "a mean, by a size without a name": ("np.sum(dout, axis=0)", "np.sum(dout, axis=0) / len(dout)", "count"),
    "twice, one in the other": ("np.sum(dout, axis=0)", "np.sum(np.sum(dout, axis=0), axis=0)", "oversummed"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_of_a_sum_it_is_said_what_is_wrong_with_it(name: str) -> None:
    right, wrong, kind = SUMS[name]
    text, lines = planted(LAYERNORM, (right, wrong))
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert ({finding.span.line}, finding.kind) == (lines, kind)
    claims_hold(text, report)


def test_a_pass_among_statements_is_where_one_is_missing() -> None:
    text = TEXTS["a division that was forgotten"].replace("-= 1\n", "-= 1\n    pass  # TODO\n")
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert (finding.kind, finding.source.strip(), finding.fix and finding.fix.new) == (
        "count",
        "pass  # TODO",
        "dx /= N",
    )
    assert not finding.sure
    claims_hold(text, report)


def test_what_mends_all_is_named_whatever_stands_above() -> None:
    """`dsum` and `dproj` have no names that say what they are; what `dx` should be is known all the same."""
    right = "dx = (dxhat - dsum / D - xhat * dproj / D) / std"
    text, lines = planted(LAYERNORM, (right, "dx = np.sin(dxhat - dsum) * dproj / std"))
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert {finding.span.line} == lines
    assert "is the first line that nothing vouches for" not in report.text()


def test_sizes_unpacked_in_another_order_are_one_mistake() -> None:
    right = LAYERNORM.replace("D = dout.shape[1]", "N, D = dout.shape").replace(
        "dxhat * xhat, axis=1", "dxhat * xhat / N * N, axis=1"
    )
    assert marked(right).ok
    text, _ = planted(right, ("N, D = dout.shape", "D, N = dout.shape"))
    report = marked(text)
    (finding,) = mistakes_in(report)
    assert finding.source.strip() == "D, N = dout.shape"
    claims_hold(text, report)


def test_a_minus_that_two_lines_can_lack_is_doubted() -> None:
    report = marked("""
import numpy as np
def nll_forward(logp, y):
    return -np.sum(logp[np.arange(len(y)), y]), (logp, y)
def nll_backward(dout, cache):
    logp, y = cache
    hot = np.zeros_like(logp)
    hot[np.arange(len(y)), y] = -1
    dlogp = -hot * dout
    return dlogp
""")
    (finding,) = mistakes_in(report)
    assert (finding.kind, finding.sure) == ("sign", False)


def test_a_name_that_means_something_else_hides_no_mistake_behind_it() -> None:
    """`dz` is `dout * gamma`, and no gradient of x by another word: the line behind it is wrong."""
    report = marked("""
import numpy as np
def rms_forward(x, gamma):
    ms = np.mean(x ** 2, axis=-1, keepdims=True)
    r = 1.0 / np.sqrt(ms + 0.1)
    return gamma * x * r, (x, gamma, r)
def rms_backward(dout, cache):
    x, gamma, r = cache
    dgamma = np.sum(dout * x * r, axis=0)
    dz = dout * gamma
    dr = np.sum(dz * x, axis=-1, keepdims=True)
    dx = dz * r
    return dx, dgamma
""")
    (finding,) = mistakes_in(report)
    assert (finding.span.line, finding.kind) == (12, "path_missing")
