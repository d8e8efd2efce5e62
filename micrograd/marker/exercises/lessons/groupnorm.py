"""Group normalization of images: the channels of an image are normalized in G groups."""

import numpy as np


def groupnorm_forward(x, gamma, beta, G, eps=1e-5):
    N, C, H, W = x.shape
    M = C // G * H * W

    # step 1: each group of channels in a row of its own
    xg = x.reshape(N * G, M)

    # step 2: mean of each group
    mu = 1.0 / M * np.sum(xg, axis=1, keepdims=True)

    # step 3: subtract the mean
    xmu = xg - mu

    # step 4: square
    sq = xmu**2

    # step 5: variance of each group
    var = 1.0 / M * np.sum(sq, axis=1, keepdims=True)

    # step 6: standard deviation
    sqrtvar = np.sqrt(var + eps)

    # step 7: invert
    ivar = 1.0 / sqrtvar

    # step 8: normalize
    xnorm = xmu * ivar

    # step 9: back to images
    xhat = xnorm.reshape(N, C, H, W)

    # step 10: scale each channel; gamma and beta have the shape (1, C, 1, 1)
    gammax = gamma * xhat

    # step 11: shift each channel
    out = gammax + beta

    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps, G, M)
    return out, cache
