"""Right activations and dropouts, written in the ways people write them."""

import numpy as np


# ---- rectified linear units ------------------------------------------------------------------------

def relu_where_forward(x):
    return np.where(x > 0, x, 0), x


def relu_where_backward(dout, cache):
    return np.where(cache > 0, dout, 0)


def relu_indexed_forward(x):
    out = x.copy()
    out[x < 0] = 0
    return out, (x,)


def relu_indexed_backward(dout, cache):
    (x,) = cache
    dx = np.array(dout, copy=True)
    dx[x <= 0] = 0
    return dx


def relu_product_forward(x):
    mask = x > 0
    return x * mask, mask


def relu_product_backward(dout, cache):
    dx = cache.astype(float)
    dx *= dout
    return dx


def relu_sign_forward(x):
    return np.maximum(x, np.zeros_like(x)), x


def relu_sign_backward(dout, cache):
    x = cache
    return dout * (np.sign(x) + 1) / 2


def relu_dout_forward(x):
    out = (x + np.abs(x)) / 2
    return out, out


def relu_dout_backward(dout, cache):
    out = cache
    dx = dout
    dx[out == 0] = 0
    return dx


def leaky_relu_forward(x):
    alpha = 0.01
    return np.maximum(x, alpha * x), (x, alpha)


def leaky_relu_backward(dout, cache):
    x, alpha = cache
    slope = np.ones_like(x)
    slope[x < 0] = alpha
    return dout * slope


# ---- smooth activations ----------------------------------------------------------------------------

def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-x))
    return out, out


def sigmoid_backward(dout, cache):
    s = cache
    return dout * s * (1 - s)


def sigmoid_again_forward(x):
    return 1 / (1 + np.exp(-x)), x


def sigmoid_again_backward(dout, cache):
    e = np.exp(-cache)
    return e / (1 + e) ** 2 * dout


def tanh_forward(x):
    t = np.tanh(x)
    return t, {'t': t}


def tanh_backward(dout, cache):
    dx = 1 - cache['t'] ** 2
    dx = dx * dout
    return dx


# ---- dropout -------------------------------------------------------------------------------------

def dropout_short_forward(x, dropout_param):
    keep = dropout_param['p']
    np.random.seed(dropout_param['seed'])
    mask = (np.random.rand(*x.shape) < keep) / keep
    return x * mask, mask


def dropout_short_backward(dout, cache):
    return cache * dout


def dropout_boolean_forward(x, dropout_param):
    p = dropout_param['p']
    rng = np.random.RandomState(dropout_param['seed'])
    kept = rng.uniform(size=x.shape) < p
    out = np.zeros_like(x)
    out[kept] = x[kept] / p
    return out, (kept, p)


def dropout_boolean_backward(dout, cache):
    kept, p = cache
    dx = np.zeros_like(dout)
    dx[kept] = dout[kept]
    dx /= p
    return dx


def dropout_binomial_forward(x, dropout_param):
    if dropout_param['mode'] == 'test':
        return x, (dropout_param, None)
    np.random.seed(dropout_param['seed'])
    mask = np.random.binomial(1, dropout_param['p'], size=x.shape)
    out = x * mask
    out /= dropout_param['p']
    return out, (dropout_param, mask)


def dropout_binomial_backward(dout, cache):
    dropout_param, mask = cache
    if mask is None:
        dx = dout
    else:
        dx = dout * mask
        dx = dx / dropout_param['p']
    return dx
