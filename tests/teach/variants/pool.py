"""Right max poolings, written in the ways people write them."""

import numpy as np


def _sizes(x, pool_param):
    HH, WW, stride = pool_param['pool_height'], pool_param['pool_width'], pool_param['stride']
    return HH, WW, stride, (x.shape[2] - HH) // stride + 1, (x.shape[3] - WW) // stride + 1


def argmax_forward(x, pool_param):
    HH, WW, stride, Ho, Wo = _sizes(x, pool_param)
    N, C = x.shape[:2]
    out = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = np.max(x[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW], axis=(2, 3))
    return out, (x, pool_param)


def argmax_backward(dout, cache):
    x, pool_param = cache
    HH, WW, stride, Ho, Wo = _sizes(x, pool_param)
    N, C = x.shape[:2]
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    window = x[n, c, i * stride:i * stride + HH, j * stride:j * stride + WW]
                    r, s = np.unravel_index(np.argmax(window), window.shape)
                    dx[n, c, i * stride + r, j * stride + s] += dout[n, c, i, j]
    return dx


def broadcast_mask_forward(x, pool_param):
    HH, WW, stride, Ho, Wo = _sizes(x, pool_param)
    out = np.zeros((x.shape[0], x.shape[1], Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = x[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW].max(axis=3).max(axis=2)
    return out, (x, out, pool_param)


def broadcast_mask_backward(dout, cache):
    x, out, pool_param = cache
    HH, WW, stride, Ho, Wo = _sizes(x, pool_param)
    dx = np.zeros(x.shape)
    for i in range(Ho):
        for j in range(Wo):
            part = x[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
            top = out[:, :, i, j][:, :, None, None]
            dx[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW] += (part == top) * dout[:, :, i, j][:, :, None, None]
    return dx


def remembered_forward(x, pool_param):
    HH, WW, stride, Ho, Wo = _sizes(x, pool_param)
    N, C, H, W = x.shape
    out = np.zeros((N, C, Ho, Wo))
    where = np.zeros((N, C, Ho, Wo), dtype=int)
    for i in range(Ho):
        for j in range(Wo):
            flat = x[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW].reshape(N, C, HH * WW)
            where[:, :, i, j] = flat.argmax(axis=2)
            out[:, :, i, j] = flat.max(axis=2)
    return out, {'where': where, 'shape': x.shape, 'pool': pool_param}


def remembered_backward(dout, cache):
    N, C, H, W = cache['shape']
    width, stride = cache['pool']['pool_width'], cache['pool']['stride']
    dx = np.zeros(cache['shape'])
    for n, c, i, j in np.ndindex(*dout.shape):
        k = cache['where'][n, c, i, j]
        dx[n, c, i * stride + k // width, j * stride + k % width] += dout[n, c, i, j]
    return dx


def comparison_loop_forward(x, pool_param):
    HH, WW, stride, Ho, Wo = _sizes(x, pool_param)
    N, C, H, W = x.shape
    out = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            best = x[:, :, i * stride, j * stride]
            for r in range(HH):
                for s in range(WW):
                    best = np.maximum(best, x[:, :, i * stride + r, j * stride + s])
            out[:, :, i, j] = best
    return out, (x, out, pool_param)


def comparison_loop_backward(dout, cache):
    x, out, pool_param = cache
    HH, WW, stride, Ho, Wo = _sizes(x, pool_param)
    dx = np.zeros_like(x)
    for i in range(Ho):
        for j in range(Wo):
            for r in range(HH):
                for s in range(WW):
                    hit = x[:, :, i * stride + r, j * stride + s] >= out[:, :, i, j]
                    dx[:, :, i * stride + r, j * stride + s] += np.where(hit, dout[:, :, i, j], 0)
    return dx
