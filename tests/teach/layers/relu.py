"""Rectified linear units."""

import numpy as np


def relu_forward(x):
    out = np.maximum(0, x)
    cache = x
    return out, cache


def relu_backward(dout, cache):
    x = cache
    mask = x > 0
    dx = dout * mask
    return dx
