"""Layer normalization: every example is normalized over its features."""

import numpy as np


def layernorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape

    # step 1: mean of each example
    mu = 1.0 / D * np.sum(x, axis=1, keepdims=True)

    # step 2: subtract the mean
    xmu = x - mu

    # step 3: square
    sq = xmu**2

    # step 4: variance of each example
    var = 1.0 / D * np.sum(sq, axis=1, keepdims=True)

    # step 5: standard deviation
    sqrtvar = np.sqrt(var + eps)

    # step 6: invert
    ivar = 1.0 / sqrtvar

    # step 7: normalize
    xhat = xmu * ivar

    # step 8: scale
    gammax = gamma * xhat

    # step 9: shift
    out = gammax + beta

    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache
