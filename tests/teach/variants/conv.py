"""Right convolutions, written in the ways people write them."""

import numpy as np


def kernel_loop_forward(x, w, b, conv_param):
    stride, pad = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    Ho = (H + 2 * pad - HH) // stride + 1
    Wo = (W + 2 * pad - WW) // stride + 1
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), 'constant')
    out = np.zeros((N, F, Ho, Wo))
    for r in range(HH):
        for s in range(WW):
            patch = xp[:, :, r:r + stride * Ho:stride, s:s + stride * Wo:stride]
            out += np.einsum('ncij,fc->nfij', patch, w[:, :, r, s])
    out += b[None, :, None, None]
    return out, (xp, w, b, stride, pad, x.shape)


def kernel_loop_backward(dout, cache):
    xp, w, b, stride, pad, shape = cache
    HH, WW = w.shape[2:]
    Ho, Wo = dout.shape[2:]
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    for r in range(HH):
        for s in range(WW):
            rows, cols = slice(r, r + stride * Ho, stride), slice(s, s + stride * Wo, stride)
            dw[:, :, r, s] = np.einsum('nfij,ncij->fc', dout, xp[:, :, rows, cols])
            dxp[:, :, rows, cols] += np.einsum('nfij,fc->ncij', dout, w[:, :, r, s])
    dx = dxp[:, :, pad:pad + shape[2], pad:pad + shape[3]]
    return dx, dw, dout.sum(axis=(0, 2, 3))


def _im2col(xp, HH, WW, stride, Ho, Wo):
    N, C = xp.shape[:2]
    cols = np.zeros((N, Ho * Wo, C * HH * WW))
    for i in range(Ho):
        for j in range(Wo):
            window = xp[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
            cols[:, i * Wo + j, :] = window.reshape(N, -1)
    return cols


def im2col_forward(x, w, b, conv_param):
    stride, pad = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    xp = np.pad(x, [(0,), (0,), (pad,), (pad,)], mode='constant', constant_values=0)
    cols = _im2col(xp, HH, WW, stride, Ho, Wo)
    out = cols.dot(w.reshape(F, -1).T) + b
    out = out.transpose(0, 2, 1).reshape(N, F, Ho, Wo)
    return out, (x, w, cols, conv_param)


def im2col_backward(dout, cache):
    x, w, cols, conv_param = cache
    stride, pad = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    _, _, Ho, Wo = dout.shape
    db = np.sum(dout, axis=(0, 2, 3))
    d2 = dout.reshape(N, F, -1).transpose(0, 2, 1)
    dw = np.tensordot(d2, cols, axes=([0, 1], [0, 1])).reshape(w.shape)
    dcols = d2.dot(w.reshape(F, -1))
    dxp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for i in range(Ho):
        for j in range(Wo):
            part = dcols[:, i * Wo + j, :].reshape(N, C, HH, WW)
            dxp[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW] += part
    dx = dxp[:, :, pad:H + pad, pad:W + pad]
    return dx, dw, db


def per_location_forward(x, w, b, conv_param):
    s, p = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    H_ = int(1 + (H + 2 * p - HH) / s)
    W_ = int(1 + (W + 2 * p - WW) / s)
    out = np.zeros([N, F, H_, W_])
    x_padded = np.zeros((N, C, H + 2 * p, W + 2 * p))
    x_padded[:, :, p:p + H, p:p + W] = x
    for i in range(H_):
        for j in range(W_):
            x_here = x_padded[:, :, i * s:i * s + HH, j * s:j * s + WW]
            for k in range(F):
                out[:, k, i, j] = np.sum(x_here * w[k, :, :, :], axis=(1, 2, 3))
    out = out + b[None, :, None, None]
    return out, (x, w, b, conv_param)


def per_location_backward(dout, cache):
    x, w, b, conv_param = cache
    s, p = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    H_, W_ = dout.shape[2:]
    x_padded = np.zeros((N, C, H + 2 * p, W + 2 * p))
    x_padded[:, :, p:p + H, p:p + W] = x
    dx_padded = np.zeros_like(x_padded)
    dw, db = np.zeros_like(w), np.zeros_like(b)
    for k in range(F):
        db[k] = np.sum(dout[:, k])
        for i in range(H_):
            for j in range(W_):
                g = dout[:, k, i, j][:, None, None, None]
                here = np.s_[:, :, i * s:i * s + HH, j * s:j * s + WW]
                dw[k] += np.sum(x_padded[here] * g, axis=0)
                dx_padded[here] += w[k] * g
    if p > 0:
        dx = dx_padded[:, :, p:-p, p:-p]
    else:
        dx = dx_padded
    return dx, dw, db


def while_forward(x, w, b, conv_param):
    stride, pad = conv_param['stride'], conv_param['pad']
    N, C, H, W = x.shape
    F, C, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode='constant')
    out = np.zeros((N, F, 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride))
    for n in range(N):
        for f in range(F):
            r = 0
            while r * stride + HH <= H + 2 * pad:
                c = 0
                while c * stride + WW <= W + 2 * pad:
                    out[n, f, r, c] = (xp[n, :, r * stride:r * stride + HH, c * stride:c * stride + WW] * w[f]).sum() + b[f]
                    c += 1
                r += 1
    return out, (xp, w, stride, pad)


def while_backward(dout, cache):
    xp, w, stride, pad = cache
    N, F, Ho, Wo = dout.shape
    _, _, HH, WW = w.shape
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros(F)
    for n, f, r, c in np.ndindex(N, F, Ho, Wo):
        g = dout[n, f, r, c]
        db[f] += g
        for rr in range(HH):
            for cc in range(WW):
                dw[f, :, rr, cc] += g * xp[n, :, r * stride + rr, c * stride + cc]
                dxp[n, :, r * stride + rr, c * stride + cc] += g * w[f, :, rr, cc]
    dx = dxp[:, :, pad:dxp.shape[2] - pad, pad:dxp.shape[3] - pad]
    return dx, dw, db
