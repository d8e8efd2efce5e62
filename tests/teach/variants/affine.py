"""Right fully connected layers, written in the ways people write them."""

import numpy as np


def matmul_forward(x, w, b):
    N = x.shape[0]
    flat = x.reshape(N, -1)
    return flat @ w + b, (x, w)


def matmul_backward(dout, cache):
    x, w = cache
    flat = x.reshape(x.shape[0], -1)
    return (dout @ w.T).reshape(x.shape), flat.T @ dout, dout.sum(axis=0)


def einsum_forward(x, w, b):
    flat = np.reshape(x, (x.shape[0], w.shape[0]))
    return np.einsum('nd,dm->nm', flat, w) + b, (flat, x.shape, w)


def einsum_backward(dout, cache):
    flat, shape, w = cache
    dx = np.einsum('nm,dm->nd', dout, w)
    dx = np.reshape(dx, shape)
    dw = np.einsum('nd,nm->dm', flat, dout)
    db = np.einsum('nm->m', dout)
    return dx, dw, db


def loop_forward(x, w, b):
    N = x.shape[0]
    out = np.zeros((N, w.shape[1]))
    for n in range(N):
        out[n] = x[n].reshape(-1).dot(w) + b
    return out, (x, w, b)


def loop_backward(dout, cache):
    x, w, b = cache
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for n in range(len(x)):
        dx[n] = w.dot(dout[n]).reshape(x[n].shape)
        dw += np.outer(x[n], dout[n])
        db += dout[n]
    return dx, dw, db


def transposes_forward(x, w, b):
    rows = x.reshape(x.shape[0], np.prod(x.shape[1:]))
    out = w.T.dot(rows.T).T + b.reshape(1, -1)
    return out, {'x': x, 'rows': rows, 'w': w}


def transposes_backward(dout, cache):
    d_rows = np.transpose(np.dot(cache['w'], dout.T))
    dw = np.transpose(np.dot(np.transpose(dout), cache['rows']))
    db = np.dot(np.ones(dout.shape[0]), dout)
    return d_rows.reshape(cache['x'].shape), dw, db


def ones_forward(x, w, b):
    D = w.shape[0]
    x2 = x.reshape((-1, D))
    out = np.dot(x2, w) + np.dot(np.ones((x2.shape[0], 1)), b[None, :])
    return out, [x, x2, w, b]


def ones_backward(dout, cache):
    x, x2, w, b = cache
    db = np.dot(np.ones((1, dout.shape[0])), dout).ravel()
    dw = np.dot(x2.T, dout)
    dx2 = np.matmul(dout, np.swapaxes(w, 0, 1))
    dx = np.reshape(dx2, x.shape)
    return dx, dw, db


def plain_forward(x, w, b):
    return x.reshape(len(x), -1).dot(w) + b


def plain_backward(dout, x, w, b):
    dw = x.reshape(len(x), -1).T.dot(dout)
    dx = dout.dot(w.T).reshape(*x.shape)
    db = np.add.reduce(dout, 0)
    assert db.shape == b.shape
    return dx, dw, db
