"""The softmax loss and its gradient in one function."""

import numpy as np


def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    expo = np.exp(shifted)
    Z = np.sum(expo, axis=1, keepdims=True)
    probs = expo / Z
    log_probs = shifted - np.log(Z)
    loss = -np.sum(log_probs[np.arange(N), y]) / N

    onehot = np.zeros_like(x)
    onehot[np.arange(N), y] = 1
    dlog_probs = -onehot / N
    dshifted = dlog_probs - probs * np.sum(dlog_probs, axis=1, keepdims=True)
    dx = dshifted
    return loss, dx
