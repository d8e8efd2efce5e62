"""Right layer norms, written in the ways people write them."""

import numpy as np


def transposed_forward(x, gamma, beta, ln_param):
    eps = ln_param.get('eps', 1e-5)
    xT = x.T
    mu = xT.mean(axis=0)
    var = xT.var(axis=0)
    xhat = (xT - mu) / np.sqrt(var + eps)
    xhat = xhat.T
    return xhat * gamma + beta, (xhat, var, gamma, eps)


def transposed_backward(dout, cache):
    xhat, var, gamma, eps = cache
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = (dout * gamma).T
    xhat = xhat.T
    D = dxhat.shape[0]
    dx = (D * dxhat - np.sum(dxhat, axis=0) - xhat * np.sum(dxhat * xhat, axis=0)) / (D * np.sqrt(var + eps))
    return dx.T, dgamma, dbeta


def _normalize(a, eps):
    mean = np.mean(a, axis=0)
    var = np.var(a, axis=0)
    std = np.sqrt(var + eps)
    return (a - mean) / std, std


def _normalize_back(da, ahat, std):
    return (da - np.mean(da, axis=0) - ahat * np.mean(da * ahat, axis=0)) / std


def shared_helper_forward(x, gamma, beta, ln_param):
    ahat, std = _normalize(x.T, ln_param.get('eps', 1e-5))
    return ahat.T * gamma + beta, (ahat, std, gamma)


def shared_helper_backward(dout, cache):
    ahat, std, gamma = cache
    dgamma = (dout * ahat.T).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dx = _normalize_back((dout * gamma).T, ahat, std).T
    return dx, dgamma, dbeta


def last_axis_forward(x, gamma, beta, eps=1e-5):
    mean = x.mean(-1, keepdims=True)
    var = x.var(-1, keepdims=True)
    rstd = 1 / np.sqrt(var + eps)
    return gamma * (x - mean) * rstd + beta, dict(x=x, mean=mean, rstd=rstd, gamma=gamma)


def last_axis_backward(dout, cache):
    norm = (cache['x'] - cache['mean']) * cache['rstd']
    dbeta = dout.sum(0)
    dgamma = (dout * norm).sum(0)
    dnorm = dout * cache['gamma']
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= cache['rstd']
    return dx, dgamma, dbeta


def row_loop_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    out = np.zeros_like(x)
    xhat = np.zeros_like(x)
    std = np.zeros(N)
    for n in range(N):
        row = x[n] - np.mean(x[n])
        std[n] = np.sqrt(np.mean(row ** 2) + eps)
        xhat[n] = row / std[n]
        out[n] = gamma * xhat[n] + beta
    return out, (xhat, std, gamma)


def row_loop_backward(dout, cache):
    xhat, std, gamma = cache
    N, D = dout.shape
    dx = np.zeros_like(dout)
    dgamma = np.zeros_like(gamma)
    dbeta = np.zeros(D)
    for n in range(N):
        dgamma += dout[n] * xhat[n]
        dbeta += dout[n]
        g = gamma * dout[n]
        dx[n] = (g - np.sum(g) / D - xhat[n] * g.dot(xhat[n]) / D) / std[n]
    return dx, dgamma, dbeta


def new_axis_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = np.sum(x, axis=1) / x.shape[1]
    xmu = x - mu[:, None]
    var = np.sum(xmu * xmu, axis=1) / x.shape[1]
    sd = np.sqrt(var + eps)
    xhat = xmu / sd[:, None]
    return gamma[None, :] * xhat + beta[None, :], (xmu, sd, xhat, gamma)


def new_axis_backward(dout, cache):
    xmu, sd, xhat, gamma = cache
    N, D = dout.shape
    dxhat = dout * gamma[None, :]
    dsd = -np.sum(dxhat * xmu, axis=1) / sd ** 2
    dvar = dsd / (2 * sd)
    dxmu = dxhat / sd[:, None] + 2 * xmu * dvar[:, None] / D
    dmu = -np.sum(dxmu, axis=1)
    dx = dxmu + dmu[:, np.newaxis] / D
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def paper_style_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mean = np.mean(x, axis=1, keepdims=True)
    var = np.var(x, axis=1, keepdims=True)
    x_norm = (x - mean) / np.sqrt(var + eps)
    return gamma * x_norm + beta, (x, x_norm, mean, var, gamma, eps)


def paper_style_backward(dout, cache):
    x, x_norm, mean, var, gamma, eps = cache
    D = x.shape[1]
    dx_norm = dout * gamma
    dvar = np.sum(dx_norm * (x - mean) * (-0.5) * np.power(var + eps, -1.5), axis=1, keepdims=True)
    dmean = np.sum(dx_norm * (-1.0) / np.sqrt(var + eps), axis=1, keepdims=True)
    dmean = dmean + dvar * np.sum(-2.0 * (x - mean), axis=1, keepdims=True) / D
    dx = dx_norm / np.sqrt(var + eps) + dvar * 2.0 * (x - mean) / D + dmean / D
    dgamma = np.sum(dout * x_norm, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dx, dgamma, dbeta


def pieces_forward(x, gamma, beta, eps=1e-5):
    D = x.shape[1]
    s1 = x.sum(axis=1, keepdims=True)
    s2 = (x * x).sum(axis=1, keepdims=True)
    mu = s1 / D
    var = s2 / D - mu ** 2
    r = 1.0 / np.sqrt(var + eps)
    xhat = (x - mu) * r
    return xhat * gamma + beta, (x, mu, r, gamma)


def pieces_backward(dout, cache):
    x, mu, r, gamma = cache
    D = x.shape[1]
    g = dout * gamma
    a = np.sum(g, axis=1, keepdims=True)
    b = np.sum(g * (x - mu), axis=1, keepdims=True)
    first = r * g
    second = r * a / D
    third = r ** 3 * (x - mu) * b / D
    dx = first - (second + third)
    dgamma = np.einsum('nd,nd->d', dout, (x - mu) * r)
    return dx, dgamma, np.einsum('nd->d', dout)
