"""Batch normalization in plain NumPy, one step per line; micrograd knows nothing of it.

micrograd draw examples/bn.py:batchnorm_forward --input x=4x3 --input gamma=3 --input beta=3 -o bn.svg
"""

import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape

    # step 1: mean of each feature
    mu = 1.0 / N * np.sum(x, axis=0)

    # step 2: centre
    xmu = x - mu

    # step 3: square
    sq = xmu**2

    # step 4: variance
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
