"""Group norm of images: the statistics of each group of channels, the parameters of each channel."""

import numpy as np


def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    x_group = x.reshape(N, G, C // G, H, W)
    mean = x_group.mean(axis=(2, 3, 4), keepdims=True)
    var = x_group.var(axis=(2, 3, 4), keepdims=True)
    std = np.sqrt(var + eps)
    x_norm = ((x_group - mean) / std).reshape(N, C, H, W)
    out = x_norm * gamma + beta
    cache = (x_norm, std, gamma, G)
    return out, cache


def spatial_groupnorm_backward(dout, cache):
    x_norm, std, gamma, G = cache
    N, C, H, W = dout.shape
    M = C // G * H * W
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dgamma = np.sum(dout * x_norm, axis=(0, 2, 3), keepdims=True)
    dx_norm = (dout * gamma).reshape(N, G, C // G, H, W)
    x_hat = x_norm.reshape(N, G, C // G, H, W)
    sum1 = np.sum(dx_norm, axis=(2, 3, 4), keepdims=True)
    sum2 = np.sum(dx_norm * x_hat, axis=(2, 3, 4), keepdims=True)
    dx = (dx_norm - sum1 / M - x_hat * sum2 / M) / std
    dx = dx.reshape(N, C, H, W)
    return dx, dgamma, dbeta
