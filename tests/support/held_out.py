"""Forty-four forwards that were written after `derive` was, and looked at only then: norms, losses, gates, attention.

`python tests/support/held_out.py` derives them all and says which are proved, and how long each takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIZES = {"n": 5, "d": 7, "m": 3, "k": 6, "t": 4, "c": 6, "h": 4, "w": 5, "e": 8}
HELD_OUT: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []


def held(*inputs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Note a forward: shapes by letters, ``+`` for positive numbers, ``labels:nd`` for integers, or a function."""

    def put(f: Callable[..., Any]) -> Callable[..., Any]:
        HELD_OUT.append((f, inputs))
        return f

    return put


def arguments(inputs: tuple[Any, ...]) -> list[Any]:
    """Draw the arguments of a forward."""
    rng = np.random.default_rng(11)
    sizes = {**SIZES, "1": 1}
    made = []
    for text in inputs:
        if text.startswith("labels:"):
            n, c = (SIZES[letter] for letter in text[7:])
            made.append(rng.integers(0, c, n))
        elif text.startswith("mask:"):
            made.append((rng.random(tuple(sizes[letter] for letter in text[5:])) < 0.7).astype(float))
        else:
            shape = tuple(sizes[letter] for letter in text.rstrip("+"))
            made.append(rng.random(shape) + 0.2 if text.endswith("+") else rng.normal(size=shape))
    return made


# ---- norms ---------------------------------------------------------------------------------------------------------


@held("nd", "d", "d")
def batch_norm_one_pass(x, gamma, beta, eps=1e-3):
    mean = x.mean(axis=0)
    mean_sq = (x * x).mean(axis=0)
    var = mean_sq - mean * mean
    inv = 1.0 / np.sqrt(var + eps)
    x_hat = (x - mean) * inv
    return x_hat * gamma + beta


@held("ntd", "d", "d")
def layer_norm_3d(x, g, b, eps=1e-6):
    mean = np.mean(x, axis=-1, keepdims=True)
    centered = x - mean
    variance = np.mean(centered * centered, axis=-1, keepdims=True)
    normed = centered / np.sqrt(variance + eps)
    return g * normed + b


@held("nchw", "c1", "c1")
def instance_norm_affine(x, gamma, beta, eps=1e-5):
    N, C, H, W = x.shape
    flat = x.reshape(N, C, H * W)
    mu = flat.mean(axis=2, keepdims=True)
    diff = flat - mu
    sigma2 = (diff**2).mean(axis=2, keepdims=True)
    normed = diff / np.sqrt(sigma2 + eps)
    out = gamma * normed + beta
    return out.reshape(N, C, H, W)


@held("nc", "c", "c")
def group_norm_2d(x, gamma, beta):
    n, c = x.shape
    groups = x.reshape(n, 2, c // 2)
    m = groups.mean(axis=2, keepdims=True)
    s = np.sqrt(((groups - m) ** 2).mean(axis=2, keepdims=True) + 1e-5)
    y = ((groups - m) / s).reshape(n, c)
    return y * gamma + beta


@held("nd")
def standardize(x):
    mu = x.mean()
    sd = np.sqrt(((x - mu) ** 2).mean())
    z = (x - mu) / sd
    return z


@held("nd", "d")
def scale_norm(x, g):
    length = np.sqrt(np.sum(np.square(x), axis=-1, keepdims=True) + 1e-12)
    out = g * x / length
    return out


@held("nd")
def l1_normalize(x):
    total = np.sum(np.abs(x), axis=1, keepdims=True)
    y = x / total
    return y


@held("nd")
def unit_range(x):
    low = -np.max(-x, axis=0)
    high = np.max(x, axis=0)
    y = (x - low) / (high - low)
    return y


@held("dm", "m")
def weight_standardization(w, gain):
    mean = w.mean(axis=0)
    var = w.var(axis=0)
    scale = gain / np.sqrt(var * w.shape[0] + 1e-4)
    shifted = w - mean
    return shifted * scale


@held("nchw")
def response_norm(x, eps=1e-6):
    nu2 = np.mean(x**2, axis=(2, 3), keepdims=True)
    y = x / np.sqrt(nu2 + eps)
    return y


# ---- losses --------------------------------------------------------------------------------------------------------


@held("nd", "labels:nd")
def cross_entropy(logits, labels):
    n = logits.shape[0]
    m = logits.max(axis=1, keepdims=True)
    lse = m + np.log(np.sum(np.exp(logits - m), axis=1, keepdims=True))
    picked = logits[np.arange(n), labels].reshape(-1, 1)
    return np.sum(lse - picked) / n


@held("nd", "labels:nd")
def brier(x, y):
    n, c = x.shape
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    t = np.eye(c)[y]
    diff = p - t
    return np.sum(diff * diff) / n


@held("n", "n+")
def bce_probabilities(z, y):
    p = 1 / (1 + np.exp(-z))
    pos = y * np.log(p)
    neg = (1 - y) * np.log(1 - p)
    return -(pos + neg).mean()


@held("nd", "nd", "mask:n1")
def masked_mse(pred, target, mask):
    err = (pred - target) * mask
    return (err**2).sum() / mask.sum()


@held("nd", "nd")
def log_cosh(p, t):
    e = p - t
    loss = np.log((np.exp(e) + np.exp(-e)) / 2)
    return loss.mean()


@held("nd", "nd")
def smooth_l1(p, t, beta=0.7):
    d = np.abs(p - t)
    per = np.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)
    return per.sum() / p.shape[0]


@held("nd", "nd+")
def kl_divergence(x, q):
    lp = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    p = np.exp(lp)
    return np.sum(p * (lp - np.log(q)))


@held("nd", "nd")
def gaussian_nll(mean, log_var):
    precision = np.exp(-log_var)
    nll = 0.5 * (log_var + mean**2 * precision)
    return nll.mean()


@held("nk", "nk")
def vae_kl(mu, logvar):
    kl = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar), axis=1)
    return np.mean(kl)


@held("nd", "md")
def info_nce(a, b):
    s = a @ b.T / 0.5
    e = np.exp(s)
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[:, :1]).mean() if False else np.mean(np.log(e.sum(axis=1)))


@held("nd", "nd", "nd")
def triplet(a, p, q, margin=0.3):
    dp = np.sum((a - p) ** 2, axis=1)
    dq = np.sum((a - q) ** 2, axis=1)
    loss = np.maximum(dp - dq + margin, 0)
    return loss.mean()


@held("nd", "labels:nd")
def svm(scores, y):
    n = scores.shape[0]
    correct = scores[np.arange(n), y][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1.0)
    return (margins.sum() - n) / n


@held("nd", "dm", "nm")
def ridge(X, W, Y, lam=0.05):
    R = X @ W - Y
    return 0.5 * np.sum(R * R) / X.shape[0] + 0.5 * lam * np.sum(W * W)


@held("nd", "nd")
def cosine_loss(u, v):
    dot = np.sum(u * v, axis=1)
    nu = np.sqrt(np.sum(u * u, axis=1))
    nv = np.sqrt(np.sum(v * v, axis=1))
    return np.mean(1 - dot / (nu * nv))


@held("n+", "n+")
def poisson_nll(rate, count):
    return np.mean(rate - count * np.log(rate))


@held("nd", "nd")
def dice(x, t):
    p = 1 / (1 + np.exp(-x))
    top = 2 * np.sum(p * t)
    bottom = np.sum(p) + np.sum(t)
    return 1 - top / (bottom + 1.0)


# ---- gates and activations -----------------------------------------------------------------------------------------


@held("nd")
def swish_beta(x, beta=1.7):
    s = 1 / (1 + np.exp(-beta * x))
    return x * s


@held("nd")
def softsign(x):
    d = 1 + np.abs(x)
    return x / d


@held("nd")
def selu(x):
    scale, alpha = 1.0507, 1.67326
    return scale * np.where(x > 0, x, alpha * (np.exp(x) - 1))


@held("nd", "nd")
def geglu(a, b):
    t = np.tanh(0.79788 * (b + 0.044715 * b**3))
    gate = 0.5 * b * (1 + t)
    return a * gate


@held("nd", "nk", "dk", "kk", "k")
def gru_candidate(x, h, W, U, b):
    r = 1 / (1 + np.exp(-(x @ W + h @ U)))
    c = np.tanh(x @ W + (r * h) @ U + b)
    return c


@held("nk", "nk", "nk", "nk", "nk")
def lstm_pointwise(a, b, c, d, cell):
    i = 1 / (1 + np.exp(-a))
    f = 1 / (1 + np.exp(-b))
    o = 1 / (1 + np.exp(-c))
    g = np.tanh(d)
    new = f * cell + i * g
    return o * np.tanh(new)


@held("nd", "dm", "m", "dm", "m")
def highway(x, W, b, V, c):
    h = np.maximum(x @ W + b, 0)
    t = 1 / (1 + np.exp(-(x @ V + c)))
    return t * h


# ---- attention and kernels -----------------------------------------------------------------------------------------


@held("td", "td", "td")
def causal_attention(q, k, v):
    T, d = q.shape
    s = q @ k.T / np.sqrt(d)
    s = np.where(np.tril(np.ones((T, T))) > 0, s, -1e9)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    a = e / e.sum(axis=1, keepdims=True)
    return a @ v


@held("nd", "md", "md")
def linear_attention(q, k, v):
    fq = np.maximum(q, 0) + 0.1
    fk = np.maximum(k, 0) + 0.1
    kv = fk.T @ v
    z = fq @ fk.sum(axis=0)
    return fq @ kv / z[:, None]


@held("ntd", "d")
def attention_pooling(x, w):
    s = np.sum(x * w, axis=2)
    e = np.exp(s - s.max(axis=1, keepdims=True))
    a = e / e.sum(axis=1, keepdims=True)
    return np.sum(a[:, :, None] * x, axis=1)


@held("nd", "md")
def gaussian_kernel(x, z, gamma=0.4):
    sq = np.sum(x**2, axis=1)[:, None] + np.sum(z**2, axis=1)[None, :] - 2 * x @ z.T
    return np.exp(-gamma * sq)


@held("nd", "dd")
def mahalanobis(x, A):
    y = x @ A
    return np.sqrt(np.sum(y * y, axis=1) + 1e-6)


@held("nd", "nm", "dm")
def bilinear(x, y, W):
    s = np.sum((x @ W) * y, axis=1)
    return 1 / (1 + np.exp(-s))


# ---- two in a row --------------------------------------------------------------------------------------------------


@held("nd", "d", "d", "dm", "m")
def norm_relu_linear(x, g, b, W, c, eps=1e-5):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    xn = (x - mu) / np.sqrt(var + eps)
    h = np.maximum(g * xn + b, 0)
    return h @ W + c


@held("nd", "dm", "m", "labels:nm")
def linear_softmax(x, W, b, y):
    z = x @ W + b
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(x.shape[0]), y]).mean()


@held("nd", "d", "dm", "m", "m")
def rms_linear_layer_norm(x, g, W, a, b):
    r = np.sqrt(np.mean(x * x, axis=1, keepdims=True) + 1e-6)
    h = x / r * g
    z = h @ W
    m = z.mean(axis=1, keepdims=True)
    zc = z - m
    s = np.sqrt(np.mean(zc * zc, axis=1, keepdims=True) + 1e-6)
    return zc / s * a + b


@held("nd", "d", "d", "labels:nd")
def norm_then_cross_entropy(x, g, b, y):
    m = x.mean(axis=1, keepdims=True)
    c = x - m
    r = 1 / np.sqrt(np.mean(c**2, axis=1, keepdims=True) + 1e-5)
    h = c * r
    z = g * h + b
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.mean(np.log(p[np.arange(x.shape[0]), y]))


@held("nd", "d", "d")
def residual_norm(x, g, b):
    h = np.tanh(x) + x
    m = h.mean(axis=-1, keepdims=True)
    v = ((h - m) ** 2).mean(axis=-1, keepdims=True)
    return (h - m) / np.sqrt(v + 1e-5) * g + b


def run_all(forwards: list[tuple[Callable[..., Any], tuple[Any, ...]]]) -> int:
    """Derive forwards, and print of each what the judges say and how long it took."""
    from micrograd.derivation import derive

    good = quick = 0
    for f, inputs in forwards:
        start = time.thread_time()
        try:
            made = derive(f, *arguments(inputs))
            seconds = time.thread_time() - start
            found = made.check()
            said = f"{found.exact} {found.field} {found.error:.0e}  {' | '.join(made.notes[1:])}"
            good += bool(found) and not made._doubted
            quick += seconds <= 1
            lines = made.program
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            seconds, said, lines = time.thread_time() - start, f"{type(error).__name__}: {error}", ()
        print(f"{f.__name__:26} {seconds:5.2f} s  {said}")
        if len(sys.argv) > 1 and sys.argv[1] in ("all", f.__name__):
            print("\n".join(f"      {line}" for line in lines))
    print(f"{good} of {len(forwards)} proved, {quick} in at most 1 s")
    return 0


if __name__ == "__main__":
    sys.exit(run_all(HELD_OUT))
