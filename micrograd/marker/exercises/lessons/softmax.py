"""Softmax and cross-entropy: scores become probabilities, and the loss is how surprising the labels are."""

import numpy as np


def softmax_forward(x, y):
    N, C = x.shape

    # step 1: the largest score of each example
    top = np.max(x, axis=1, keepdims=True)

    # step 2: subtract it, so that no exponential overflows
    shifted = x - top

    # step 3: exponentials
    e = np.exp(shifted)

    # step 4: their sum
    total = np.sum(e, axis=1, keepdims=True)

    # step 5: probabilities
    p = e / total

    # step 6: the probability of the right class
    right = p[np.arange(N), y]

    # step 7: its logarithm
    logs = np.log(right)

    # step 8: the mean surprise
    loss = -1.0 / N * np.sum(logs)

    cache = (x, y, top, e, total, p, right)
    return loss, cache
