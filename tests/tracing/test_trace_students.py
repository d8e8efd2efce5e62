"""Forward functions as students write them, in many styles: each is traced unmodified.

The value is that of the plain run, the gradient that of central differences, and what the function does to its
arguments is what NumPy does to them.
"""

# ruff: noqa: Q000, B905, PLW2901, NPY002, PLW0128 (as students write: quotes, zips, old random numbers)

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg

RNG = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


# ---- layers, written as they are written: no types, no tidying ----------------------------------------------
# fmt: off


def affine_flat(x, w, b):
    N = x.shape[0]
    D = np.prod(x.shape[1:])
    rows = np.reshape(x, [N, D])
    out = np.dot(rows, w) + b
    cache = (x, w, b)
    return out, cache


def affine_loops(x, w, b):
    out = np.zeros((len(x), w.shape[1]))
    for n, row in enumerate(x):
        out[n] = row.ravel() @ w
        out[n] += b
    return out


def affine_einsum(x, w, b):
    return np.einsum('nd,dm->nm', x.reshape(x.shape[0], -1), w) + b[np.newaxis, :]


def relu_max(x):
    return np.maximum(x, 0)


def relu_mask(x):
    out = x.copy()
    out[x <= 0] = 0.0
    return out, x


def relu_times(x):
    return x * (x > 0)


def relu_inplace(x):
    mask = (x < 0)
    x[mask] = 0
    return x


def leaky_where(x, slope=0.01):
    return np.where(x >= 0, x, x * slope)


def leaky_both(x, slope=0.2):
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def leaky_loop(x):
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] > 0:
                out[i, j] = x[i, j]
            else:
                out[i, j] = 0.1 * x[i, j]
    return out


def elu(x, alpha=1.5):
    out = np.zeros(x.shape)
    pos = x > 0
    out[pos] = x[pos]
    out[~pos] = alpha * (np.exp(x[~pos]) - 1)
    return out


def sigmoid_plain(x):
    return 1.0 / (1.0 + np.exp(-x))


def sigmoid_stable(z):
    out = np.empty_like(z)
    up = z >= 0
    out[up] = 1 / (1 + np.exp(-z[up]))
    e = np.exp(z[np.logical_not(up)])
    out[np.logical_not(up)] = e / (1. + e)
    return out


sigmoid_vectorised = np.vectorize(lambda v: 1 / (1 + math.exp(-v)))


def uses_vectorised(x):
    return sigmoid_vectorised(x) * 2


def tanh_by_hand(x):
    a, b = np.exp(x), np.exp(-x)
    return (a - b) / (a + b)


def softmax_rows(scores):
    e = np.exp(scores - scores.max(axis=1)[:, None])
    return e / e.sum(axis=1)[:, None]


def softmax_loss_log(x, y):
    N = len(y)
    shifted = x - np.max(x, axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -logp[range(N), y].mean()
    dx = np.exp(logp)
    dx[range(N), y] -= 1
    return loss, dx / N


def softmax_loss_onehot(x, y):
    onehot = np.zeros_like(x)
    onehot[np.arange(x.shape[0]), y] = 1
    p = softmax_rows(x)
    return -np.sum(onehot * np.log(p + 1e-12)) / x.shape[0]


def softmax_loss_eye(x, y):
    targets = np.eye(x.shape[1])[y]
    return np.mean(-(targets * np.log(softmax_rows(x))).sum(-1))


def softmax_loss_loops(W, X, y, reg):
    loss = 0.0
    dW = np.zeros(W.shape)
    for i in range(X.shape[0]):
        f = X[i] @ W
        f -= f.max()
        probs = np.exp(f) / np.sum(np.exp(f))
        loss -= np.log(probs[y[i]])
        for c in range(W.shape[1]):
            dW[:, c] += X[i] * (probs[c] - int(c == y[i]))
    loss = loss / X.shape[0] + reg * np.sum(np.square(W))
    dW = dW / X.shape[0] + 2 * reg * W
    return loss, dW


def softmax_loss_list(x, y):
    losses = []
    for row, label in zip(x, y):
        losses.append(-row[label] + np.log(np.sum(np.exp(row))))
    return np.mean(np.array(losses))


def svm_loops(W, X, y, reg):
    loss, dW = 0.0, np.zeros_like(W)
    for i in range(len(X)):
        s = X[i].dot(W)
        for j in range(W.shape[1]):
            if j == y[i]:
                continue
            m = s[j] - s[y[i]] + 1
            if m > 0:
                loss += m
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    return loss / len(X) + reg * (W ** 2).sum(), dW / len(X) + 2 * reg * W


def svm_margins(x, y):
    rows = np.arange(x.shape[0])
    right = x[rows, y].reshape(-1, 1)
    margins = np.maximum(0, x - right + 1.0)
    margins[rows, y] = 0
    loss = margins.sum() / x.shape[0]
    dx = (margins > 0).astype(float)
    dx[rows, y] = -dx.sum(axis=1)
    return loss, dx / x.shape[0]


def svm_generator(x, y, delta=1.0):
    return np.sum(max(0, x[i, j] - x[i, y[i]] + delta)
                  for i in range(x.shape[0]) for j in range(x.shape[1]) if j != y[i]) / x.shape[0]


def bn_staged(x, gamma, beta, eps=0.1):
    N, D = x.shape
    # step1
    mu = 1./N * np.sum(x, axis=0)
    # step2
    xmu = x - mu
    # step3
    sq = xmu ** 2
    # step4
    var = 1./N * np.sum(sq, axis=0)
    # step5
    sqrtvar = np.sqrt(var + eps)
    # step6
    ivar = 1./sqrtvar
    # step7
    xhat = xmu * ivar
    # step8
    gammax = gamma * xhat
    # step9
    out = gammax + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar, var, eps)


def bn_compact(x, gamma, beta, bn_param):
    mode = bn_param['mode']
    eps = bn_param.get('eps', 1e-5)
    momentum = bn_param.get('momentum', 0.9)
    D = x.shape[-1]
    running_mean = bn_param.get('running_mean', np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get('running_var', np.zeros(D, dtype=x.dtype))
    if mode == 'train':
        sample_mean, sample_var = np.mean(x, 0), np.var(x, 0)
        x_norm = (x - sample_mean) / np.sqrt(sample_var + eps)
        out = gamma * x_norm + beta
        running_mean = momentum * running_mean + (1 - momentum) * sample_mean
        running_var = momentum * running_var + (1 - momentum) * sample_var
        cache = (x, x_norm, sample_mean, sample_var, gamma, eps)
    elif mode == 'test':
        out = (x - running_mean) / np.sqrt(running_var + eps) * gamma + beta
        cache = None
    else:
        raise ValueError('Invalid forward batchnorm mode "%s"' % mode)
    bn_param['running_mean'], bn_param['running_var'] = running_mean, running_var
    return out, cache


def bn_paper(x, gamma, beta, bn_param):
    m = x.shape[0]
    mu_B = x.sum(axis=0) / m
    sigma2_B = ((x - mu_B) ** 2).sum(axis=0) / m
    x_hat = (x - mu_B) * (sigma2_B + bn_param['eps']) ** -0.5
    y = gamma * x_hat + beta
    bn_param['running_mean'] *= 0.9
    bn_param['running_mean'] += 0.1 * mu_B
    bn_param['running_var'] *= 0.9
    bn_param['running_var'] += 0.1 * sigma2_B * m / (m - 1)
    cache = {'x_hat': x_hat, 'gamma': gamma}
    return y, cache


def bn_inplace(x, gamma, beta):
    x -= x.mean(axis=0)
    x /= x.std(axis=0, keepdims=True) + 1e-3
    out = x
    out *= gamma
    out += beta
    return out, x


def bn_std_ddof(x, gamma, beta):
    mu = np.mean(x, axis=0, keepdims=True)
    s = np.std(x, axis=0, ddof=1)
    return np.add(np.multiply(gamma, np.divide(np.subtract(x, mu), s)), beta)


def ln_rows(x, gamma, beta, ln_param):
    eps = ln_param.get('eps', 1e-5)
    mean = x.mean(axis=1, keepdims=True)
    var = x.var(axis=-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def ln_transposed(x, gamma, beta):
    ln_param = {'mode': 'train', 'eps': 1e-5}
    out, cache = bn_compact(x.T, np.ones((x.shape[0],)), np.zeros((x.shape[0],)), ln_param)
    return out.T * gamma + beta


def spatial_bn(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    flat = x.transpose(0, 2, 3, 1).reshape(-1, C)
    out, cache = bn_compact(flat, gamma, beta, bn_param)
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


def spatial_bn_moveaxis(x, gamma, beta):
    x = np.moveaxis(x, 1, -1)
    mu, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    out = gamma * (x - mu) / np.sqrt(var + 1e-5) + beta
    return np.moveaxis(out, -1, 1)


def group_norm(x, gamma, beta, G, gn_param):
    N, C, H, W = x.shape
    groups = np.split(x, G, axis=1)
    for g in groups:
        m = np.mean(g, axis=(1, 2, 3), keepdims=True)
        v = np.var(g, axis=(1, 2, 3), keepdims=True)
        g -= m
        g /= np.sqrt(v + gn_param.get('eps', 1e-5))
    return x * gamma + beta


def group_norm_reshape(x, gamma, beta, G):
    N, C, H, W = x.shape
    x = np.reshape(x, (N * G, C // G * H * W)).T
    x = (x - np.mean(x, axis=0)) / np.sqrt(np.var(x, axis=0) + 1e-5)
    x = np.reshape(x.T, (N, C, H, W))
    out = gamma[np.newaxis, :, np.newaxis, np.newaxis] * x + beta[None, :, None, None]
    return out


def dropout(x, dropout_param):
    p, mode = dropout_param['p'], dropout_param['mode']
    if 'seed' in dropout_param:
        np.random.seed(dropout_param['seed'])
    mask = None
    out = None
    if mode == 'train':
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    elif mode == 'test':
        out = x
    out = out.astype(x.dtype, copy=False)
    return out, (dropout_param, mask)


def dropout_inplace(x, keep):
    rng = np.random.default_rng(3)
    noise = rng.random(x.shape)
    x = x.copy()
    x[noise > keep] = 0
    x /= keep
    return x


def conv_naive(x, w, b, conv_param):
    stride, pad = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = int(1 + (W + 2 * pad - WW) / stride)
    out = np.zeros((N, F, H_out, W_out))
    x_pad = np.pad(x, ((0,), (0,), (pad,), (pad,)), 'constant')
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    hs, ws = i * stride, j * stride
                    window = x_pad[n, :, hs:hs+HH, ws:ws+WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_by_position(x, w, b, conv_param):
    stride, pad = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    padded = np.zeros((N, C, H + 2*pad, W + 2*pad))
    padded[:, :, pad:pad+H, pad:pad+W] = x
    Ho, Wo = (H + 2*pad - HH) // stride + 1, (W + 2*pad - WW) // stride + 1
    out = np.zeros([N, F, Ho, Wo])
    kernel = w.reshape(F, -1)
    for i in range(Ho):
        for j in range(Wo):
            patch = padded[:, :, i*stride:i*stride+HH, j*stride:j*stride+WW].reshape(N, -1)
            out[:, :, i, j] = patch.dot(kernel.T) + b
    return out


def conv_accumulates(x, w, b):
    N, C, H, W = x.shape
    F, C, K, K = w.shape
    out = np.zeros((N, F, H - K + 1, W - K + 1))
    for f in range(F):
        for c in range(C):
            for p in range(K):
                for q in range(K):
                    out[:, f] += x[:, c, p:p+H-K+1, q:q+W-K+1] * w[f, c, p, q]
        out[:, f] += b[f]
    return out


def im2col_indices(shape, HH, WW, pad, stride):
    N, C, H, W = shape
    Ho, Wo = (H + 2*pad - HH) // stride + 1, (W + 2*pad - WW) // stride + 1
    rows = np.tile(np.repeat(np.arange(HH), WW), C)[:, None] + stride * np.repeat(np.arange(Ho), Wo)[None]
    cols = np.tile(np.arange(WW), HH * C)[:, None] + stride * np.tile(np.arange(Wo), Ho)[None]
    chan = np.repeat(np.arange(C), HH * WW)[:, None]
    return chan, rows, cols, Ho, Wo


def conv_im2col(x, w, b, stride=1, pad=1):
    F, C, HH, WW = w.shape
    k, i, j, Ho, Wo = im2col_indices(x.shape, HH, WW, pad, stride)
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode='constant')
    cols = x_padded[:, k, i, j]
    cols = cols.transpose(1, 2, 0).reshape(C * HH * WW, -1)
    out = w.reshape(F, -1) @ cols + b[:, None]
    return out.reshape(F, Ho, Wo, x.shape[0]).transpose(3, 0, 1, 2)


def pool_naive(x, pool_param):
    ph, pw, s = pool_param['pool_height'], pool_param['pool_width'], pool_param['stride']
    N, C, H, W = x.shape
    out = np.zeros((N, C, (H - ph) // s + 1, (W - pw) // s + 1))
    for n in range(N):
        for c in range(C):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    out[n, c, i, j] = np.max(x[n, c, i*s:i*s+ph, j*s:j*s+pw])
    return out, (x, pool_param)


def pool_reshape(x):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=3).max(axis=4)


def pool_argmax(x):
    N, C, H, W = x.shape
    windows = x.reshape(N, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(N, C, H // 2, W // 2, 4)
    best = windows.argmax(axis=-1)
    n, c, i, j = np.ogrid[:N, :C, :H // 2, :W // 2]
    return windows[n, c, i, j, best]


def rnn_step(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    cache = x, prev_h, Wx, Wh, b, next_h
    return next_h, cache


def rnn_all(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    for t in range(T):
        h[:, t, :], _ = rnn_step(x[:, t, :], h0 if t == 0 else h[:, t-1, :], Wx, Wh, b)
    return h


def rnn_stack(x, h, Wx, Wh, b):
    hs = []
    for t in range(x.shape[1]):
        h, _ = rnn_step(x[:, t], h, Wx, Wh, b)
        hs.append(h)
    return np.stack(hs).swapaxes(0, 1)


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = np.dot(x, Wx) + np.dot(prev_h, Wh) + b
    a[:, :3*H] = sigmoid_plain(a[:, :3*H])
    a[:, 3*H:] = np.tanh(a[:, 3*H:])
    i, f, o, g = a[:, :H], a[:, H:2*H], a[:, 2*H:3*H], a[:, 3*H:]
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (i, f, o, g)


def attention_step(q, K, V):
    scores = (K @ q) / math.sqrt(len(q))
    weights = np.exp(scores - np.max(scores))
    weights /= np.sum(weights)
    return weights @ V, weights


def attention_masked(x, Wq, Wk, Wv):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    s = np.einsum('btd,bsd->bts', q, k) / np.sqrt(q.shape[-1])
    s = np.where(np.tril(np.ones(s.shape[1:])) == 0, -1e9, s)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return np.matmul(e / e.sum(axis=-1, keepdims=True), v)


def word_embedding(idx, W):
    out = W[idx]
    return out, (idx, W)


def bias_column(x, w):
    ones = np.ones((x.shape[0], 1))
    return np.hstack((ones, x)) @ w + np.c_[x, ones].sum(axis=1)[:, None]


class Dense:
    count = 0

    def __init__(self, w, b):
        self.w, self.b = w, b
        self.x = None
        self.history = []

    def activate(self, z):
        out = np.zeros_like(z)
        out[z > 0] = z[z > 0]
        return out

    def forward(self, x):
        self.x = x
        z = x @ self.w + self.b
        self.history.append(z)
        self.last = {'z': z, 'mask': z > 0}
        return self.activate(z)


# fmt: on

BN = {"mode": "train", "eps": 0.05, "momentum": 0.8, "running_mean": normal(3), "running_var": abs(normal(3)) + 0.5}
LABELS = np.array([0, 2, 4, 1])
IMAGE, KERNEL = normal(2, 3, 5, 6), normal(2, 3, 3, 3)

CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "affine": (affine_flat, (normal(3, 2, 2), normal(4, 5), normal(5))),
    "affine in a loop": (affine_loops, (normal(3, 2, 2), normal(4, 5), normal(5))),
    "affine by einsum": (affine_einsum, (normal(3, 4), normal(4, 5), normal(5))),
    "relu": (relu_max, (normal(3, 4),)),
    "relu with a mask": (relu_mask, (normal(3, 4),)),
    "relu as a product": (relu_times, (normal(3, 4),)),
    "relu in place": (relu_inplace, (normal(3, 4),)),
    "leaky relu": (leaky_where, (normal(3, 4),)),
    "leaky relu of two": (leaky_both, (normal(3, 4),)),
    "leaky relu in a loop": (leaky_loop, (normal(3, 4),)),
    "elu": (elu, (normal(3, 4),)),
    "sigmoid": (sigmoid_plain, (normal(3, 4),)),
    "sigmoid, stable": (sigmoid_stable, (normal(3, 4) * 3,)),
    "sigmoid of each entry": (uses_vectorised, (normal(2, 3),)),
    "tanh": (tanh_by_hand, (normal(3, 4),)),
    "softmax": (softmax_rows, (normal(4, 5),)),
    "softmax loss": (softmax_loss_log, (normal(4, 5), LABELS)),
    "softmax loss, one-hot": (softmax_loss_onehot, (normal(4, 5), LABELS)),
    "softmax loss, eye": (softmax_loss_eye, (normal(4, 5), LABELS)),
    "softmax loss in loops": (softmax_loss_loops, (normal(3, 5), normal(4, 3), LABELS, 0.1)),
    "softmax loss in a list": (softmax_loss_list, (normal(4, 5), LABELS)),
    "svm loss in loops": (svm_loops, (normal(3, 5), normal(4, 3), LABELS, 0.1)),
    "svm loss": (svm_margins, (normal(4, 5), LABELS)),
    "batch norm, staged": (bn_staged, (normal(5, 3), normal(3), normal(3))),
    "batch norm": (bn_compact, (normal(5, 3), normal(3), normal(3), BN)),
    "batch norm, first call": (bn_compact, (normal(5, 3), normal(3), normal(3), {"mode": "train"})),
    "batch norm, test": (bn_compact, (normal(5, 3), normal(3), normal(3), {**BN, "mode": "test"})),
    "batch norm, paper": (bn_paper, (normal(5, 3), normal(3), normal(3), BN)),
    "batch norm in place": (bn_inplace, (normal(5, 3), normal(3), normal(3))),
    "batch norm, std with ddof": (bn_std_ddof, (normal(5, 3), normal(3), normal(3))),
    "layer norm": (ln_rows, (normal(5, 3), normal(3), normal(3), {})),
    "layer norm by transposition": (ln_transposed, (normal(5, 3), normal(3), normal(3))),
    "spatial batch norm": (spatial_bn, (normal(2, 3, 4, 2), normal(3), normal(3), BN)),
    "spatial batch norm, moveaxis": (spatial_bn_moveaxis, (normal(2, 3, 4, 2), normal(3), normal(3))),
    "group norm on views": (group_norm, (normal(2, 4, 3, 2), normal(1, 4, 1, 1), normal(1, 4, 1, 1), 2, {})),
    "group norm": (group_norm_reshape, (normal(2, 4, 3, 2), normal(4), normal(4), 2)),
    "dropout": (dropout, (normal(4, 5), {"p": 0.6, "mode": "train", "seed": 5})),
    "dropout, test": (dropout, (normal(4, 5), {"p": 0.6, "mode": "test"})),
    "dropout in place": (dropout_inplace, (normal(4, 5), 0.7)),
    "convolution": (conv_naive, (IMAGE, KERNEL, normal(2), {"stride": 1, "pad": 1})),
    "convolution, stride 2": (conv_naive, (normal(2, 3, 5, 7), KERNEL, normal(2), {"stride": 2, "pad": 1})),
    "convolution by position": (conv_by_position, (IMAGE, KERNEL, normal(2), {"stride": 1, "pad": 2})),
    "convolution that adds up": (conv_accumulates, (normal(2, 2, 4, 5), normal(2, 2, 2, 2), normal(2))),
    "convolution, im2col": (conv_im2col, (IMAGE, KERNEL, normal(2))),
    "max pool": (pool_naive, (normal(2, 3, 4, 6), {"pool_height": 2, "pool_width": 2, "stride": 2})),
    "max pool by reshape": (pool_reshape, (normal(2, 3, 4, 6),)),
    "max pool by argmax": (pool_argmax, (normal(2, 3, 4, 6),)),
    "rnn step": (rnn_step, (normal(3, 4), normal(3, 5), normal(4, 5), normal(5, 5), normal(5))),
    "rnn": (rnn_all, (normal(2, 3, 4), normal(2, 5), normal(4, 5), normal(5, 5), normal(5))),
    "rnn of a list": (rnn_stack, (normal(2, 3, 4), normal(2, 5), normal(4, 5), normal(5, 5), normal(5))),
    "lstm step": (lstm_step, (normal(3, 4), normal(3, 5), normal(3, 5), normal(4, 20), normal(5, 20), normal(20))),
    "attention step": (attention_step, (normal(4), normal(3, 4), normal(3, 5))),
    "attention": (attention_masked, (normal(2, 3, 4), normal(4, 5), normal(4, 5), normal(4, 5))),
    "word embedding": (word_embedding, (np.array([[0, 1], [3, 1]]), normal(4, 3))),
    "a column of ones": (bias_column, (normal(3, 4), normal(5, 2))),
}


def floats(tree: Any) -> list[np.ndarray]:
    """The float arrays in arguments, in the order of the graph's inputs."""
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in floats(item)]
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in floats(item)]
    return [tree] if isinstance(tree, np.ndarray) and tree.dtype.kind == "f" else []


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("name", CASES)
def test_a_students_forward_is_traced_as_it_is(name: str) -> None:
    f, args = CASES[name]
    plain, traced = copy.deepcopy(args), copy.deepcopy(args)
    wanted = first(f(*plain))
    graph = mg.trace(f, *traced)
    out = graph.outputs[0]
    assert out.shape == np.shape(wanted)
    np.testing.assert_allclose(graph.value[out.name], wanted, rtol=1e-12, atol=1e-13)
    for mine, numpys in zip(floats(traced), floats(plain), strict=True):
        assert type(mine) is np.ndarray
        np.testing.assert_allclose(mine, numpys, rtol=1e-12, atol=1e-13, err_msg="what it did to its arguments")

    seed = np.random.default_rng(1).normal(size=np.shape(wanted))
    graph.backward((seed, *(None,) * (len(graph.outputs) - 1)))

    def along(position: int, place: int, step: float) -> float:
        moved = copy.deepcopy(args)
        floats(moved)[position].flat[place] += step
        return float(np.sum(first(f(*moved)) * seed))

    for position, node in enumerate(graph.inputs):
        got = np.broadcast_to(graph.grads.get(node.index, 0.0), node.shape)
        places = np.random.default_rng(2).permutation(got.size)[:12]  # enough of each array
        for place in places:
            slope = (along(position, place, 1e-6) - along(position, place, -1e-6)) / 2e-6
            assert got.flat[place] == pytest.approx(slope, rel=1e-5, abs=1e-7), node.name


def test_the_sum_of_a_generator_which_newer_numpys_refuse() -> None:
    x = normal(4, 5)
    graph = mg.trace(svm_generator, x, LABELS).backward()
    assert graph.value[graph.outputs[0].name] == pytest.approx(svm_margins(x, LABELS)[0])
    np.testing.assert_allclose(graph.grad["x"], svm_margins(x, LABELS)[1])


def test_a_layer_that_is_an_object() -> None:
    x, w, b = normal(3, 4), normal(4, 5), normal(5)
    plain, traced = Dense(w.copy(), b.copy()), Dense(w, b)
    wanted = plain.forward(x)
    graph = mg.trace(traced.forward, x)
    np.testing.assert_allclose(graph.value[graph.outputs[0].name], wanted)
    assert traced.x is x
    assert traced.w is w
    assert type(traced) is Dense
    np.testing.assert_allclose(traced.history[0], plain.history[0])
    np.testing.assert_allclose(traced.last["z"], plain.last["z"])
    assert traced.last["mask"].dtype == bool
    graph.backward(np.ones((3, 5)))
    np.testing.assert_allclose(graph.grad["x"], (wanted > 0) @ w.T)


def test_the_names_are_the_authors() -> None:
    graph = mg.trace(svm_margins, normal(4, 5), LABELS)
    names = [node.name for node in graph.nodes if node.op != "constant"]
    assert [n for n in names if n.rstrip("'") in ("right", "margins")] == ["right", "margins", "margins'"]
    graph = mg.trace(conv_naive, IMAGE, KERNEL, normal(2), {"stride": 1, "pad": 1})
    assert [node.name for node in graph.outputs] == ["out"]
    assert graph.node("x_pad").op == "scatter"
    assert graph.node("window").op == "gather"
    graph = mg.trace(bn_inplace, normal(5, 3), normal(3), normal(3))
    assert [n.name for n in graph.nodes if n.name.startswith("x'")] == ["x'", "x''"]
    assert [n.name for n in graph.nodes if n.name.startswith("out")] == ["out", "out'"]


def test_plain_batch_norm_has_the_graph_that_it_always_had() -> None:
    graph = mg.trace(bn_staged, normal(5, 3), normal(3), normal(3))
    assert [node.op for node in graph.nodes] == [
        "input", "input", "input", "sum", "mul", "sub", "pow", "sum", "mul", "add", "sqrt", "reciprocal", "mul", "mul",
        "add",
    ]  # fmt: skip


def test_a_buffer_filled_in_a_loop_is_one_node() -> None:
    graph = mg.trace(rnn_all, normal(2, 3, 4), normal(2, 5), normal(4, 5), normal(5, 5), normal(5))
    assert [node.op for node in graph.nodes if node.statement == "h" and node.name == "h"] == ["concatenate"]
    assert not [node for node in graph.nodes if node.op in ("where", "scatter")]
