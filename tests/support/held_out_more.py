"""Forty further forwards, written after the second version of `derive` was frozen, and looked at only then.

`python tests/support/held_out_more.py` derives them all and says which are proved, and how long each takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from held_out import run_all

FURTHER: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []


def held(*inputs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Note a forward, as in `held_out`."""

    def put(f: Callable[..., Any]) -> Callable[..., Any]:
        FURTHER.append((f, inputs))
        return f

    return put


# ---- norms, with reshapes and groups -------------------------------------------------------------------------------


@held("nchw", "c", "c")
def group_norm_vectors(x, gamma, beta, groups=3, eps=1e-5):
    N, C, H, W = x.shape
    xg = x.reshape(N, groups, C // groups, H, W)
    mean = xg.mean(axis=(2, 3, 4), keepdims=True)
    var = xg.var(axis=(2, 3, 4), keepdims=True)
    xn = (xg - mean) / np.sqrt(var + eps)
    xn = xn.reshape(N, C, H, W)
    return xn * gamma[None, :, None, None] + beta[None, :, None, None]


@held("nhwc", "c", "c")
def instance_norm_last(x, g, b):
    m = x.mean(axis=(1, 2), keepdims=True)
    c = x - m
    s = np.sqrt((c * c).mean(axis=(1, 2), keepdims=True) + 1e-6)
    return g * (c / s) + b


@held("nchw", "c", "c")
def batch_norm_images(x, gamma, beta, eps=1e-5):
    mean = x.mean(axis=(0, 2, 3))
    xc = x - mean[None, :, None, None]
    var = (xc**2).mean(axis=(0, 2, 3))
    inv = 1 / np.sqrt(var + eps)
    xhat = xc * inv[None, :, None, None]
    return gamma[None, :, None, None] * xhat + beta[None, :, None, None]


@held("nd", "d")
def rms_plus_one(x, w, eps=1e-6):
    ms = (x * x).sum(axis=-1, keepdims=True) / x.shape[-1]
    return x / np.sqrt(ms + eps) * (1 + w)


@held("ntd", "d", "d")
def sequence_norm(x, g, b):
    n, t, d = x.shape
    flat = x.reshape(n * t, d)
    mu = flat.mean(axis=0)
    sd = np.sqrt(flat.var(axis=0) + 1e-3)
    z = (flat - mu) / sd
    return (g * z + b).reshape(n, t, d)


@held("nchw")
def position_norm(x, eps=1e-5):
    mu = x.mean(axis=1, keepdims=True)
    sigma = np.sqrt(((x - mu) ** 2).mean(axis=1, keepdims=True) + eps)
    return (x - mu) / sigma


@held("nd")
def unbiased_zscore(x):
    n = x.shape[0]
    mu = x.sum(axis=0) / n
    s2 = ((x - mu) ** 2).sum(axis=0) / (n - 1)
    return (x - mu) / np.sqrt(s2)


@held("nd", "d", "d")
def layer_norm_bias_first(x, a, b):
    h = x + b
    mu = h.mean(axis=1, keepdims=True)
    dev = h - mu
    std = np.sqrt(np.mean(dev**2, axis=1, keepdims=True)) + 1e-6
    return a * dev / std


@held("dm", "m")
def weight_norm_rows(V, g):
    norms = np.sqrt((V**2).sum(axis=0, keepdims=True))
    W = V / norms * g
    return W


@held("nchw", "c")
def channel_gate(x, w):
    pooled = x.mean(axis=(2, 3))
    gate = 1 / (1 + np.exp(-(pooled * w)))
    return x * gate[:, :, None, None]


# ---- losses --------------------------------------------------------------------------------------------------------


@held("nd", "labels:nd", "mask:n")
def masked_cross_entropy(x, y, mask):
    n = x.shape[0]
    s = x - x.max(axis=1, keepdims=True)
    logp = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    nll = -logp[np.arange(n), y]
    return (nll * mask).sum() / mask.sum()


@held("nd", "labels:nd")
def smoothed_cross_entropy(x, y, eps=0.1):
    n, c = x.shape
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    t = (1 - eps) * np.eye(c)[y] + eps / c
    return -(t * np.log(p)).sum() / n


@held("nd", "labels:nd")
def focal(x, y):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    pt = p[np.arange(x.shape[0]), y]
    return -np.mean((1 - pt) ** 2 * np.log(pt))


@held("n", "mask:n")
def bce_logits_mean(z, y):
    loss = np.maximum(z, 0) - z * y + np.log(1 + np.exp(-np.abs(z)))
    return loss.mean()


@held("n", "mask:n")
def hinge(z, y):
    m = 1 - (2 * y - 1) * z
    return np.maximum(m, 0).mean()


@held("n", "mask:n")
def squared_hinge(z, y):
    m = np.maximum(1 - (2 * y - 1) * z, 0)
    return np.sum(m * m) / z.shape[0]


@held("nd", "nd", "d+")
def weighted_mse(p, t, w):
    d = p - t
    return np.sum(w * d**2) / np.sum(w)


@held("nd", "nd")
def rmse(p, t):
    return np.sqrt(np.mean((p - t) ** 2))


@held("nd", "nd")
def charbonnier(p, t, eps=1e-3):
    d = p - t
    return np.mean(np.sqrt(d * d + eps**2))


@held("n", "n")
def negative_correlation(a, b):
    ac = a - a.mean()
    bc = b - b.mean()
    r = np.sum(ac * bc) / np.sqrt(np.sum(ac**2) * np.sum(bc**2))
    return -r


@held("nd", "nd")
def contrastive(a, b):
    na = a / np.sqrt((a * a).sum(axis=1, keepdims=True))
    nb = b / np.sqrt((b * b).sum(axis=1, keepdims=True))
    s = na @ nb.T / 0.1
    lse = np.log(np.exp(s).sum(axis=1))
    return np.mean(lse - (na * nb).sum(axis=1) / 0.1)


@held("nd", "nd")
def soft_kl(s, t):
    ps = np.exp(s - s.max(axis=1, keepdims=True))
    ps = ps / ps.sum(axis=1, keepdims=True)
    pt = np.exp(t - t.max(axis=1, keepdims=True))
    pt = pt / pt.sum(axis=1, keepdims=True)
    return np.sum(pt * (np.log(pt) - np.log(ps))) / s.shape[0]


@held("nd", "d", "n")
def lasso(X, w, y, lam=0.3):
    r = X @ w - y
    return 0.5 * np.mean(r**2) + lam * np.sum(np.abs(w))


@held("nd")
def entropy(x):
    e = np.exp(x)
    p = e / e.sum(axis=1, keepdims=True)
    return -np.sum(p * np.log(p), axis=1).mean()


# ---- gates and activations -----------------------------------------------------------------------------------------


@held("nd", "nd")
def swiglu(a, b):
    return a / (1 + np.exp(-a)) * b


@held("nd")
def mish(x):
    sp = np.log(1 + np.exp(x))
    return x * np.tanh(sp)


@held("nd", "d")
def prelu(x, a):
    return np.where(x > 0, x, a * x)


@held("nd")
def elu(x, alpha=1.3):
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


@held("nk", "nk", "nk")
def gru_update(a, b, h):
    z = 1 / (1 + np.exp(-a))
    n = np.tanh(b)
    return (1 - z) * n + z * h


# ---- attention and kernels -----------------------------------------------------------------------------------------


@held("htd", "htd", "htd")
def heads(q, k, v):
    s = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    a = e / e.sum(axis=-1, keepdims=True)
    return a @ v


@held("td", "dk", "dk", "dk")
def self_attention(x, Wq, Wk, Wv):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    s = q @ k.T / np.sqrt(Wq.shape[1])
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return p @ v


@held("nd", "md", "mk", "mask:nm")
def masked_attention(q, k, v, mask):
    s = q @ k.T
    s = s - s.max(axis=1, keepdims=True)
    e = np.exp(s) * mask
    p = e / (e.sum(axis=1, keepdims=True) + 1e-9)
    return p @ v


@held("nd", "md")
def cosine_matrix(a, b):
    an = np.sqrt(np.sum(a**2, axis=1, keepdims=True))
    bn = np.sqrt(np.sum(b**2, axis=1, keepdims=True))
    return (a @ b.T) / (an * bn.T)


@held("nd", "md")
def student_kernel(z, c):
    d2 = ((z[:, None, :] - c[None, :, :]) ** 2).sum(axis=2)
    q = 1 / (1 + d2)
    return q / q.sum(axis=1, keepdims=True)


@held("nd", "dd")
def quadratic_form(x, A):
    return np.sum(x @ A * x, axis=1)


# ---- two in a row --------------------------------------------------------------------------------------------------


@held("nd", "dm", "m", "m", "m")
def linear_norm_relu(x, W, b, g, h):
    z = x @ W + b
    mu = z.mean(axis=0)
    zc = z - mu
    iv = 1 / np.sqrt((zc**2).mean(axis=0) + 1e-5)
    zn = zc * iv
    return np.maximum(g * zn + h, 0)


@held("nd", "dk", "k", "km", "m", "labels:nm")
def two_layer_classifier(x, W1, b1, W2, b2, y):
    h = np.maximum(x @ W1 + b1, 0)
    z = h @ W2 + b2
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(x.shape[0]), y]).mean()


@held("nd", "d", "d", "dm", "m")
def pre_norm_residual(x, g, b, W, c):
    m = x.mean(axis=1, keepdims=True)
    xc = x - m
    r = 1 / np.sqrt((xc**2).mean(axis=1, keepdims=True) + 1e-5)
    h = g * (xc * r) + b
    return np.tanh(h @ W + c)


@held("nd", "dk", "kd", "d")
def norm_of_mlp(x, W1, W2, g):
    h = np.tanh(x @ W1)
    y = x + h @ W2
    rms = np.sqrt((y**2).mean(axis=1, keepdims=True) + 1e-6)
    return g * y / rms


@held("nd", "d", "d", "n")
def norm_then_mse(x, g, w, t):
    mu = x.mean(axis=0)
    xc = x - mu
    sd = np.sqrt((xc**2).mean(axis=0) + 1e-5)
    h = g * (xc / sd)
    err = h @ w - t
    return np.mean(err**2)


if __name__ == "__main__":
    sys.exit(run_all(FURTHER))
