"""Right group norms of images, written in the ways people write them."""

import numpy as np


def rows_of_groups_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get('eps', 1e-5)
    N, C, H, W = x.shape
    rows = x.reshape(N * G, -1)
    mu = rows.mean(axis=1, keepdims=True)
    var = rows.var(axis=1, keepdims=True)
    xhat = ((rows - mu) / np.sqrt(var + eps)).reshape(x.shape)
    return gamma * xhat + beta, (xhat, var, gamma, G, eps)


def rows_of_groups_backward(dout, cache):
    xhat, var, gamma, G, eps = cache
    N, C, H, W = dout.shape
    dgamma = (dout * xhat).sum(axis=(0, 2, 3), keepdims=True)
    dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)
    drows = (dout * gamma).reshape(N * G, -1)
    rows = xhat.reshape(N * G, -1)
    D = rows.shape[1]
    dx = (D * drows - drows.sum(1, keepdims=True) - rows * (drows * rows).sum(1, keepdims=True)) / D
    dx = dx / np.sqrt(var + eps)
    return dx.reshape(N, C, H, W), dgamma, dbeta


def columns_of_groups_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get('eps', 1e-5)
    N, C, H, W = x.shape
    cols = x.reshape((N * G, C // G * H * W)).T
    mean = cols.mean(axis=0)
    xmu = cols - mean
    var = np.sum(xmu ** 2, axis=0) / cols.shape[0]
    ivar = 1. / np.sqrt(var + eps)
    xhat = (xmu * ivar).T.reshape(N, C, H, W)
    return gamma * xhat + beta, (xmu, ivar, xhat, gamma, G)


def columns_of_groups_backward(dout, cache):
    xmu, ivar, xhat, gamma, G = cache
    N, C, H, W = dout.shape
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dgamma = np.sum(dout * xhat, axis=(0, 2, 3), keepdims=True)
    dcols = (dout * gamma).reshape((N * G, C // G * H * W)).T
    M = dcols.shape[0]
    divar = np.sum(dcols * xmu, axis=0)
    dvar = -0.5 * divar * ivar ** 3
    dxmu = dcols * ivar + 2. / M * xmu * dvar
    dx = dxmu - np.sum(dxmu, axis=0) / M
    dx = dx.T.reshape(N, C, H, W)
    return dx, dgamma, dbeta


def loop_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get('eps', 1e-5)
    N, C, H, W = x.shape
    size = C // G
    xhat = np.zeros_like(x)
    std = np.zeros((N, G))
    for n in range(N):
        for g in range(G):
            part = x[n, g * size:(g + 1) * size]
            std[n, g] = np.sqrt(np.var(part) + eps)
            xhat[n, g * size:(g + 1) * size] = (part - np.mean(part)) / std[n, g]
    return xhat * gamma + beta, (xhat, std, gamma, G)


def loop_backward(dout, cache):
    xhat, std, gamma, G = cache
    N, C, H, W = dout.shape
    size = C // G
    dxhat = dout * gamma
    dx = np.zeros_like(dout)
    for n in range(N):
        for g in range(G):
            chan = slice(g * size, (g + 1) * size)
            d, h = dxhat[n, chan], xhat[n, chan]
            dx[n, chan] = (d - d.mean() - h * (d * h).mean()) / std[n, g]
    dgamma = np.sum(dout * xhat, axis=(0, 2, 3)).reshape(1, C, 1, 1)
    dbeta = np.sum(dout, axis=(0, 2, 3))[None, :, None, None]
    return dx, dgamma, dbeta


def paper_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get('eps', 1e-5)
    N, C, H, W = x.shape
    x5 = np.reshape(x, (N, G, C // G, H, W))
    mean = np.mean(x5, axis=(2, 3, 4), keepdims=True)
    var = np.var(x5, axis=(2, 3, 4), keepdims=True)
    x_hat = (x5 - mean) / np.sqrt(var + eps)
    out = np.reshape(x_hat, (N, C, H, W)) * gamma + beta
    return out, (x5, x_hat, mean, var, gamma, eps)


def paper_backward(dout, cache):
    x5, x_hat, mean, var, gamma, eps = cache
    N, G, K, H, W = x5.shape
    m = K * H * W
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dgamma = np.sum(dout * x_hat.reshape(dout.shape), axis=(0, 2, 3), keepdims=True)
    dx_hat = np.reshape(dout * gamma, x5.shape)
    dvar = np.sum(dx_hat * (x5 - mean), axis=(2, 3, 4), keepdims=True) * -0.5 * (var + eps) ** -1.5
    dmean = np.sum(-dx_hat / np.sqrt(var + eps), axis=(2, 3, 4), keepdims=True)
    dx5 = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x5 - mean) / m + dmean / m
    dx = dx5.reshape(N, G * K, H, W)
    return dx, dgamma, dbeta


def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    eps = bn_param.get('eps', 1e-5)
    N, C, H, W = x.shape
    flat = x.transpose(0, 2, 3, 1).reshape(-1, C)
    mean = np.mean(flat, axis=0)
    var = np.var(flat, axis=0)
    x_norm = (flat - mean) / np.sqrt(var + eps)
    out = (gamma * x_norm + beta).reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return out, (x_norm, np.sqrt(var + eps), gamma)


def spatial_batchnorm_backward(dout, cache):
    x_norm, std, gamma = cache
    N, C, H, W = dout.shape
    dflat = np.moveaxis(dout, 1, -1).reshape(N * H * W, C)
    M = N * H * W
    dbeta = dflat.sum(axis=0)
    dgamma = (dflat * x_norm).sum(axis=0)
    dx_norm = dflat * gamma
    dflat = (dx_norm - dx_norm.sum(axis=0) / M - x_norm * (dx_norm * x_norm).sum(axis=0) / M) / std
    dx = np.moveaxis(dflat.reshape(N, H, W, C), -1, 1)
    return dx, dgamma, dbeta
