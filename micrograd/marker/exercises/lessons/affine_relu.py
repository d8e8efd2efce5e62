"""A layer of a network: a matrix, a bias, and zero for everything negative."""

import numpy as np


def affine_relu_forward(x, w, b):
    # step 1: multiply by the weights
    xw = x @ w

    # step 2: add the bias
    h = xw + b

    # step 3: let the positive ones through
    out = np.maximum(0, h)

    cache = (x, w, h)
    return out, cache
