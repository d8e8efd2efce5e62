"""Right softmax and hinge losses, written in the ways people write them."""

import numpy as np


# ---- softmax -------------------------------------------------------------------------------------

def softmax_short_loss(x, y):
    N = x.shape[0]
    probs = np.exp(x - np.max(x, axis=1, keepdims=True))
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def softmax_one_hot_loss(x, y):
    N, C = x.shape
    e = np.exp(x - x.max(axis=1)[:, None])
    p = e / e.sum(axis=1)[:, None]
    target = np.eye(C)[y]
    loss = -np.mean(np.sum(target * np.log(p), axis=1))
    return loss, (p - target) / N


def softmax_loop_loss(x, y):
    num = x.shape[0]
    loss = 0.0
    dx = np.zeros_like(x)
    for i in range(num):
        f = x[i] - np.max(x[i])
        e = np.exp(f)
        total = np.sum(e)
        loss += -f[y[i]] + np.log(total)
        for j in range(x.shape[1]):
            dx[i, j] += e[j] / total
            if j == y[i]:
                dx[i, j] -= 1
    loss /= num
    dx /= num
    return loss, dx


def softmax_logsumexp_loss(x, y):
    N = len(y)
    m = np.max(x, axis=1)
    lse = m + np.log(np.sum(np.exp(x - m.reshape(-1, 1)), axis=1))
    loss = np.mean(lse - x[range(N), y])
    dx = np.exp(x - lse.reshape(-1, 1)) / N
    dx[range(N), y] -= 1.0 / N
    return loss, dx


def softmax_chain_loss(x, y):
    N, C = x.shape
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    s = np.sum(e, axis=1, keepdims=True)
    p = e / s
    picked = p[np.arange(N), y]
    loss = np.sum(-np.log(picked)) / N
    dpicked = -1.0 / picked / N
    dp = np.zeros((N, C))
    dp[np.arange(N), y] = dpicked
    ds = np.sum(-dp * e / s ** 2, axis=1, keepdims=True)
    de = dp / s + ds
    dshifted = de * e
    dx = dshifted
    return loss, dx


def softmax_jacobian_loss(x, y):
    N, C = x.shape
    e = np.exp(x - np.amax(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = np.sum(-np.log(p[np.arange(N), y])) / N
    dp = np.zeros_like(p)
    dp[np.arange(N), y] = -1 / p[np.arange(N), y] / N
    dx = np.empty_like(p)
    for n in range(N):
        J = np.diag(p[n]) - np.outer(p[n], p[n])
        dx[n] = J @ dp[n]
    return loss, dx


# ---- hinge ---------------------------------------------------------------------------------------

def svm_counts_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    dx /= N
    return loss, dx


def svm_binary_loss(x, y):
    rows = np.arange(len(x))
    scores = x - x[rows, y].reshape(-1, 1) + 1
    scores[rows, y] = 0
    binary = scores > 0
    loss = np.sum(scores * binary) / len(x)
    binary = binary.astype(float)
    binary[rows, y] = -np.sum(binary, axis=1)
    return loss, binary / len(x)


def svm_loop_loss(x, y):
    N, C = x.shape
    loss = 0.0
    dx = np.zeros(x.shape)
    for i in range(N):
        for j in range(C):
            if j == y[i]:
                continue
            margin = x[i, j] - x[i, y[i]] + 1
            if margin > 0:
                loss += margin
                dx[i, j] += 1
                dx[i, y[i]] -= 1
    return loss / N, dx / N


def svm_where_loss(x, y):
    N, C = x.shape
    hot = (np.arange(C)[None, :] == y[:, None])
    right = np.sum(np.where(hot, x, 0.0), axis=1, keepdims=True)
    raw = x - right + 1.0
    margin = np.where(hot, 0.0, np.maximum(raw, 0))
    loss = margin.sum() / N
    on = np.where(margin > 0, 1.0 / N, 0.0)
    dx = on - hot * on.sum(axis=1, keepdims=True)
    return loss, dx
