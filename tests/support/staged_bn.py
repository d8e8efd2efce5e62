"""Batch normalization in plain NumPy with a comment for each stage, as students write it, and arrays for it."""

from __future__ import annotations

import numpy as np

X = np.array([[1.0, -2.0, 0.5], [0.3, 4.0, -1.0], [2.0, 0.1, 0.7], [-1.5, 1.0, 3.0]])
GAMMA, BETA = np.array([1.5, -0.5, 2.0]), np.array([0.1, 0.2, -0.3])
STAGED = ["mu", "xmu", "sq", "var", "sqrtvar", "ivar", "xhat", "gammax", "out"]


def staged(x, gamma, beta, eps=1e-5):  # type: ignore[no-untyped-def]
    N, _ = x.shape
    # step1: calculate mean
    mu = 1.0 / N * np.sum(x, axis=0)
    # Step 2: subtract the mean
    xmu = x - mu
    # 第3步：平方
    sq = xmu**2
    # STEP 4 variance
    var = 1.0 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + eps)  # step 5
    # (6) invert
    ivar = 1.0 / sqrtvar
    # step7
    xhat = xmu * ivar
    # step8
    gammax = gamma * xhat
    # step9
    out = gammax + beta
    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache
