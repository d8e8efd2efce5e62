"""Batch normalization: every feature is normalized over the batch."""

import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape

    # step 1: mean of each feature
    mu = 1.0 / N * np.sum(x, axis=0)

    # step 2: subtract the mean
    xmu = x - mu

    # step 3: square
    sq = xmu**2

    # step 4: variance of each feature
    var = 1.0 / N * np.sum(sq, axis=0)

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
