"""Layer norm: the statistics of each row, the parameters of each column."""

import numpy as np


def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = np.mean(x, axis=1, keepdims=True)
    xmu = x - mu
    var = np.mean(xmu**2, axis=1, keepdims=True)
    ivar = 1.0 / np.sqrt(var + eps)
    xhat = xmu * ivar
    out = gamma * xhat + beta
    cache = (xhat, xmu, ivar, gamma)
    return out, cache


def layernorm_backward(dout, cache):
    xhat, xmu, ivar, gamma = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=1, keepdims=True)
    dvar = -0.5 * ivar**3 * divar
    dxmu1 = dxhat * ivar
    dxmu2 = 2.0 / D * xmu * dvar
    dxmu = dxmu1 + dxmu2
    dmu = -np.sum(dxmu, axis=1, keepdims=True)
    dx = dxmu + dmu / D
    return dx, dgamma, dbeta
