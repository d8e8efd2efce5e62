"""Forwards as people write them, with inputs, and the closed form that textbooks give: what `derive` has to reach."""

from __future__ import annotations

from types import SimpleNamespace as T

import numpy as np

TARGETS: list[T] = []


def target(name, known, inputs):
    """`known`: what textbooks print; `inputs(rng, big)`: arguments at one of two sizes."""

    def put(f):
        TARGETS.append(T(name=name, f=f, known=known, inputs=inputs))
        return f

    return put


def nd(*ranks):
    def make(rng, big):
        n, d = (11, 13) if big else (5, 7)
        kinds = {"nd": (n, d), "d": (d,), "n": (n,)}
        return [rng.normal(size=kinds[r]) for r in ranks]

    return make


@target("batch norm, staged", "dx = gamma*ivar/N*(N*dout - dbeta - xhat*dgamma)", nd("nd", "d", "d"))
def batchnorm_forward(x, gamma, beta, eps=0.1):
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
    return out


@target("batch norm, np.mean/np.var", "dx = gamma/(N*sqrt(var+eps))*(N*dout - dbeta - xhat*dgamma)", nd("nd", "d", "d"))
def batchnorm_short(x, gamma, beta, eps=0.1):
    mu = np.mean(x, axis=0)
    var = np.var(x, axis=0)
    xhat = (x - mu) / np.sqrt(var + eps)
    out = gamma * xhat + beta
    return out


@target("batch norm, std", "dx = (dxhat - mean(dxhat) - xhat*mean(dxhat*xhat))/std", nd("nd", "d", "d"))
def batchnorm_std(x, gamma, beta, eps=0.1):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    std = np.sqrt(var + eps)
    x_norm = (x - mu) / std
    return gamma * x_norm + beta


@target("layer norm", "dx = ivar/D*(D*dxhat - sum(dxhat) - xhat*sum(dxhat*xhat))", nd("nd", "d", "d"))
def layernorm(x, gamma, beta, eps=0.1):
    mu = np.mean(x, axis=1, keepdims=True)
    xmu = x - mu
    var = np.mean(xmu**2, axis=1, keepdims=True)
    ivar = 1.0 / np.sqrt(var + eps)
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out


@target(
    "layer norm, transposed (CS231n)", "dx = ivar/D*(D*dxhat - sum(dxhat) - xhat*sum(dxhat*xhat))", nd("nd", "d", "d")
)
def layernorm_T(x, gamma, beta, eps=0.1):
    xT = x.T
    mu = np.mean(xT, axis=0)
    var = np.var(xT, axis=0)
    std = np.sqrt(var + eps)
    xn = ((xT - mu) / std).T
    out = gamma * xn + beta
    return out


@target("RMS norm", "dx = r*(dxhat - xhat*mean(dxhat*xhat))", nd("nd", "d"))
def rmsnorm(x, gamma, eps=0.1):
    ms = np.mean(x**2, axis=-1, keepdims=True)
    rms = np.sqrt(ms + eps)
    xhat = x / rms
    return gamma * xhat


def gn_inputs(rng, big):
    n, c, h, w = (3, 15, 7, 2) if big else (2, 6, 5, 3)
    return [rng.normal(size=(n, c, h, w)), rng.normal(size=(1, c, 1, 1)), rng.normal(size=(1, c, 1, 1))]


@target("group norm", "dx = ivar/M*(M*dxhat - sum(dxhat) - xhat*sum(dxhat*xhat)) per group", gn_inputs)
def groupnorm(x, gamma, beta, eps=0.1):
    N, C, H, W = x.shape
    G = 3
    xg = x.reshape(N, G, -1)
    mu = np.mean(xg, axis=2, keepdims=True)
    xmu = xg - mu
    var = np.mean(xmu**2, axis=2, keepdims=True)
    ivar = 1 / np.sqrt(var + eps)
    xhat = (xmu * ivar).reshape(N, C, H, W)
    out = gamma * xhat + beta
    return out


@target("L2 normalize", "dx = (dout - y*sum(dout*y))/norm", nd("nd"))
def l2normalize(x):
    norm = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    y = x / norm
    return y


@target("weight norm", "dv = g/norm*(dw - v/norm^2*sum(dw*v)),  dg = sum(dw*v)/norm", nd("nd", "d"))
def weightnorm(v, g):
    norm = np.sqrt(np.sum(v * v, axis=0))
    w = g * v / norm
    return w


@target("cosine similarity", "da = ds*(b/(|a||b|) - s*a/|a|^2)", nd("nd", "nd"))
def cosine(a, b):
    na = np.sqrt(np.sum(a * a, axis=1))
    nb = np.sqrt(np.sum(b * b, axis=1))
    s = np.sum(a * b, axis=1) / (na * nb)
    return s


def labels(rng, big):
    n, c = (11, 13) if big else (5, 7)
    return [rng.normal(size=(n, c)), rng.integers(0, c, size=n)]


@target("softmax + cross-entropy (CS231n)", "dx = (p - Y)/N", labels)
def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    s = np.sum(e, axis=1, keepdims=True)
    p = e / s
    N = x.shape[0]
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    return loss


@target("softmax + cross-entropy, log-sum-exp", "dx = (p - Y)/N", labels)
def softmax_loss_lse(x, y):
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    loss = -np.mean(log_probs[np.arange(N), y])
    return loss


def soft_targets(rng, big):
    n, c = (11, 13) if big else (5, 7)
    t = rng.random((n, c)) + 0.1
    return [rng.normal(size=(n, c)), t / t.sum(1, keepdims=True)]


@target("softmax + cross-entropy, one-hot t given", "dx = (p*sum(t) - t)/N", soft_targets)
def softmax_loss_soft(x, t):
    N = x.shape[0]
    e = np.exp(x)
    p = e / np.sum(e, axis=1, keepdims=True)
    return -np.sum(t * np.log(p)) / N


@target("log-sum-exp", "dx = dout*softmax(x)", nd("nd"))
def logsumexp(x):
    m = np.max(x, axis=1, keepdims=True)
    e = np.exp(x - m)
    s = np.sum(e, axis=1, keepdims=True)
    return m + np.log(s)


@target("softmax alone", "dx = p*(dp - sum(dp*p))", nd("nd"))
def softmax(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return p


@target("log-softmax", "dx = dout - p*sum(dout)", nd("nd"))
def log_softmax(x):
    s = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(s)
    return s - np.log(np.sum(e, axis=1, keepdims=True))


def bce_inputs(rng, big):
    n = 11 if big else 5
    return [rng.normal(size=n), rng.random(n)]


@target("sigmoid + BCE", "dz = (p - y)/N", bce_inputs)
def bce(z, y):
    p = 1 / (1 + np.exp(-z))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    return loss


@target("BCE with logits, the stable form", "dz = (sigmoid(z) - y)/N", bce_inputs)
def bce_with_logits(z, y):
    loss = np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))
    return loss


@target("sigmoid", "dz = dp*p*(1-p)", nd("nd"))
def sigmoid(z):
    p = 1.0 / (1.0 + np.exp(-z))
    return p


@target(
    "tanh layer",
    "dz = dh*(1-h^2) into W, x, b",
    lambda rng, big: [rng.normal(size=s) for s in ([(11, 13), (13, 3), (3,)] if big else [(5, 7), (7, 2), (2,)])],
)
def tanh_layer(x, W, b):
    h = np.tanh(x @ W + b)
    return h


@target("SiLU / swish", "dz = dout*(s + out*(1-s))", nd("nd"))
def silu(z):
    s = 1 / (1 + np.exp(-z))
    return z * s


@target("softplus", "dz = dout*sigmoid(z)", nd("nd"))
def softplus(z):
    return np.log(1 + np.exp(z))


@target("GELU (tanh)", "dx = dout*(0.5*(1+t) + 0.5*x*(1-t^2)*c*(1+3*0.044715*x^2))", nd("nd"))
def gelu(x):
    c = np.sqrt(2 / np.pi)
    u = c * (x + 0.044715 * x**3)
    t = np.tanh(u)
    return 0.5 * x * (1 + t)


def qkv(rng, big):
    n, m, d, e = (11, 13, 3, 5) if big else (7, 9, 4, 5)
    return [rng.normal(size=s) for s in ((n, d), (m, d), (m, e))]


@target("attention", "dS = P*(dP - sum(dO*O)), dQ = dS@K/sqrt(d), dK = dS.T@Q/sqrt(d), dV = P.T@dO", qkv)
def attention(Q, K, V):
    d = Q.shape[1]
    S = Q @ K.T / np.sqrt(d)
    S = S - np.max(S, axis=1, keepdims=True)
    E = np.exp(S)
    P = E / np.sum(E, axis=1, keepdims=True)
    O = P @ V  # noqa: E741
    return O


def xwy(rng, big):
    n, d, o = (11, 13, 3) if big else (5, 7, 2)
    return [rng.normal(size=s) for s in ((n, d), (d, o), (o,), (n, o))]


@target("linear regression, MSE", "dW = 2/N*X.T@(X@W + b - y)", xwy)
def linreg(X, W, b, y):
    pred = X @ W + b
    err = pred - y
    loss = np.mean(np.sum(err**2, axis=1))
    return loss


def bnlin(rng, big):
    n, d, o = (11, 13, 3) if big else (5, 7, 2)
    return [rng.normal(size=s) for s in ((n, d), (d,), (d,), (d, o), (o,))]


@target("batch norm then linear", "dh = dout@W.T, then batch norm's; dW = h.T@dout", bnlin)
def bn_linear(x, gamma, beta, W, b, eps=0.1):
    mu = np.mean(x, axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    ivar = 1 / np.sqrt(var + eps)
    xhat = xmu * ivar
    h = gamma * xhat + beta
    out = h @ W + b
    return out


@target(
    "linear then batch norm",
    "db = 0",
    lambda rng, big: [
        rng.normal(size=s)
        for s in ([(11, 13), (13, 3), (3,), (3,), (3,)] if big else [(5, 7), (7, 2), (2,), (2,), (2,)])
    ],
)
def linear_bn(x, W, b, gamma, beta, eps=0.1):
    h = x @ W + b
    mu = np.mean(h, axis=0)
    hmu = h - mu
    var = np.mean(hmu**2, axis=0)
    ivar = 1 / np.sqrt(var + eps)
    hhat = hmu * ivar
    out = gamma * hhat + beta
    return out


@target(
    "instance norm, no affine",
    "dx = ivar*(dout - mean(dout) - xhat*mean(dout*xhat))",
    lambda rng, big: [rng.normal(size=(3, 4, 11, 13) if big else (2, 6, 5, 7))],
)
def instancenorm(x, eps=0.1):
    mu = x.mean(axis=(2, 3), keepdims=True)
    xmu = x - mu
    var = (xmu**2).mean(axis=(2, 3), keepdims=True)
    ivar = 1 / np.sqrt(var + eps)
    xhat = xmu * ivar
    return xhat


@target(
    "spatial batch norm (transpose, reshape)",
    "batch norm's over (N, H, W)",
    lambda rng, big: [
        rng.normal(size=s) for s in ([(3, 4, 11, 13), (4,), (4,)] if big else [(2, 3, 5, 7), (3,), (3,)])
    ],
)
def spatial_bn(x, gamma, beta, eps=0.1):
    N, C, H, W = x.shape
    xr = x.transpose(0, 2, 3, 1).reshape(-1, C)
    mu = xr.mean(axis=0)
    xmu = xr - mu
    var = np.mean(xmu**2, axis=0)
    ivar = 1 / np.sqrt(var + eps)
    xhat = xmu * ivar
    o = gamma * xhat + beta
    out = o.reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return out
