"""Right recurrent and attention steps, written in the ways people write them."""

import numpy as np


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


# ---- LSTM ----------------------------------------------------------------------------------------

def lstm_split_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    ai, af, ao, ag = np.split(a, 4, axis=1)
    i, f, o, g = _sigmoid(ai), _sigmoid(af), _sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (i, f, o, g, x, prev_h, prev_c, next_c, Wx, Wh)


def lstm_split_backward(dnext_h, dnext_c, cache):
    i, f, o, g, x, prev_h, prev_c, next_c, Wx, Wh = cache
    t = np.tanh(next_c)
    dnext_c = dnext_c + dnext_h * o * (1 - t * t)
    da = np.concatenate([
        dnext_c * g * i * (1 - i),
        dnext_c * prev_c * f * (1 - f),
        dnext_h * t * o * (1 - o),
        dnext_c * i * (1 - g ** 2),
    ], axis=1)
    return da @ Wx.T, da @ Wh.T, dnext_c * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_buffer_forward(x, prev_h, prev_c, Wx, Wh, b):
    N, H = prev_h.shape
    act = np.dot(x, Wx) + np.dot(prev_h, Wh) + b
    gates = _sigmoid(act[:, :3 * H])
    i, f, o = gates[:, :H], gates[:, H:2 * H], gates[:, 2 * H:]
    g = np.tanh(act[:, 3 * H:])
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    cache = {'x': x, 'h': prev_h, 'c': prev_c, 'Wx': Wx, 'Wh': Wh, 'gates': (i, f, o, g), 'new_c': c}
    return h, c, cache


def lstm_buffer_backward(dnext_h, dnext_c, cache):
    i, f, o, g = cache['gates']
    N, H = i.shape
    tc = np.tanh(cache['new_c'])
    dc = dnext_c.copy()
    dc += dnext_h * o * (1 - tc ** 2)
    dact = np.zeros((N, 4 * H))
    dact[:, 0:H] = i * (1 - i) * g * dc
    dact[:, H:2 * H] = f * (1 - f) * cache['c'] * dc
    dact[:, 2 * H:3 * H] = o * (1 - o) * tc * dnext_h
    dact[:, 3 * H:4 * H] = (1 - g * g) * i * dc
    dWx = np.dot(cache['x'].T, dact)
    dWh = np.dot(cache['h'].T, dact)
    dx = np.dot(dact, cache['Wx'].T)
    dprev_h = np.dot(dact, cache['Wh'].T)
    db = dact.sum(0)
    dprev_c = dc * f
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_weights_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_c.shape[1]
    xh = np.hstack([x, prev_h])
    Wxh = np.vstack([Wx, Wh])
    z = xh.dot(Wxh) + b
    ifo = 1.0 / (1.0 + np.exp(-z[:, :3 * H]))
    g = np.tanh(z[:, 3 * H:])
    next_c = ifo[:, H:2 * H] * prev_c + ifo[:, :H] * g
    next_h = ifo[:, 2 * H:3 * H] * np.tanh(next_c)
    return next_h, next_c, (xh, Wxh, ifo, g, prev_c, next_c, x.shape[1])


def lstm_weights_backward(dnext_h, dnext_c, cache):
    xh, Wxh, ifo, g, prev_c, next_c, D = cache
    H = g.shape[1]
    i, f, o = ifo[:, :H], ifo[:, H:2 * H], ifo[:, 2 * H:3 * H]
    th = np.tanh(next_c)
    dnext_c = dnext_c + (1 - th ** 2) * o * dnext_h
    difo = np.hstack((g * dnext_c, prev_c * dnext_c, th * dnext_h))
    dz = np.hstack((difo * ifo * (1 - ifo), dnext_c * i * (1 - g * g)))
    dxh = dz.dot(Wxh.T)
    dWxh = xh.T.dot(dz)
    db = dz.sum(axis=0)
    return dxh[:, :D], dxh[:, D:], dnext_c * f, dWxh[:D], dWxh[D:], db


# ---- plain recurrent step -------------------------------------------------------------------------

def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    draw = (1 - next_h ** 2) * dnext_h
    db = draw.sum(axis=0)
    dWh = prev_h.T.dot(draw)
    dWx = x.T.dot(draw)
    dprev_h = draw.dot(Wh.T)
    dx = draw.dot(Wx.T)
    return dx, dprev_h, dWx, dWh, db


def rnn_step_in_place_forward(x, prev_h, Wx, Wh, b):
    a = np.matmul(x, Wx)
    a += np.matmul(prev_h, Wh)
    a += b
    h = np.tanh(a)
    return h, [x, prev_h, Wx, Wh, h]


def rnn_step_in_place_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, h = cache
    da = np.ones_like(h)
    da -= h * h
    da *= dnext_h
    return da @ Wx.T, da @ Wh.T, np.einsum('nd,nh->dh', x, da), np.einsum('nk,nh->kh', prev_h, da), np.sum(da, 0)


# ---- attention ------------------------------------------------------------------------------------

def attention_forward(q, k, v):
    d = q.shape[1]
    scores = q @ k.T / np.sqrt(d)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    a = e / e.sum(axis=1, keepdims=True)
    return a @ v, (q, k, v, a)


def attention_backward(dout, cache):
    q, k, v, a = cache
    dv = a.T @ dout
    da = dout @ v.T
    dscores = a * (da - np.sum(a * da, axis=1, keepdims=True))
    dscores /= np.sqrt(q.shape[1])
    dq = dscores @ k
    dk = dscores.T @ q
    return dq, dk, dv


def attention_rows_forward(q, k, v):
    d = q.shape[1]
    scores = np.einsum('nd,md->nm', q, k) / d ** 0.5
    e = np.exp(scores)
    a = e / e.sum(axis=1)[:, None]
    return np.einsum('nm,md->nd', a, v), (q, k, v, a, d)


def attention_rows_backward(dout, cache):
    q, k, v, a, d = cache
    dv = np.einsum('nm,nd->md', a, dout)
    da = np.einsum('nd,md->nm', dout, v)
    ds = np.zeros_like(a)
    for n in range(len(q)):
        J = np.diag(a[n]) - np.outer(a[n], a[n])
        ds[n] = J @ da[n]
    return ds @ k / np.sqrt(d), ds.T @ q / np.sqrt(d), dv
