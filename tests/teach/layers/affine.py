"""A fully connected layer; every example is flattened to a row."""

import numpy as np


def affine_forward(x, w, b):
    x_row = x.reshape(x.shape[0], -1)
    out = x_row.dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    x_row = x.reshape(x.shape[0], -1)
    dx_row = dout.dot(w.T)
    dx = dx_row.reshape(x.shape)
    dw = x_row.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db
