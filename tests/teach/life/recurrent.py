# ==== rnn_forward rnn_backward
import numpy as np


def rnn_forward(x, h0, Wx, Wh, b):
    """A vanilla RNN over a sequence: x is (N, T, D), h0 is (N, H)."""
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    prev = h0
    for t in range(T):
        prev = np.tanh(x[:, t].dot(Wx) + prev.dot(Wh) + b)
        h[:, t] = prev
    return h, (x, h0, Wx, Wh, h)


def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    N, T, D = x.shape
    dx = np.zeros_like(x)
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    db = np.zeros(Wx.shape[1])
    dprev = np.zeros_like(h0)
    for t in reversed(range(T)):  #~ for t in range(T): :: index operator unknown
        total = dh[:, t] + dprev  #~ total = dh[:, t] :: path_missing #~ total = dh[:, t] - dprev :: path_sign #~ total = dh[:, -1] + dprev :: index
        da = total * (1 - h[:, t] ** 2)  #~ da = total * (1 - h[:, t]) :: power #~ da = total * h[:, t] * (1 - h[:, t]) :: operator unknown gamma_twice swapped_value power #~ da = total :: gamma_missing
        before = h0 if t == 0 else h[:, t - 1]  #~ before = h[:, t] :: index swapped_value
        dx[:, t] = da.dot(Wx.T)
        dWx += x[:, t].T.dot(da)  #~ dWx = x[:, t].T.dot(da) :: overwritten
        dWh += before.T.dot(da)
        db += da.sum(axis=0)  #~ db += da.mean(axis=0) :: count #~ db = da.sum(axis=0) :: overwritten
        dprev = da.dot(Wh.T)  #~ dprev = total.dot(Wh.T) :: swapped_value gamma_missing #~ dprev += da.dot(Wh.T) :: accumulated
    dh0 = dprev
    return dx, dh0, dWx, dWh, db
# ---- called
def draw(rng, i):
    n, t, d, h = [(2, 3, 4, 5), (3, 4, 2, 3)][i % 2]
    return dict(x=rng.standard_normal((n, t, d)), h0=rng.standard_normal((n, h)), Wx=0.5 * rng.standard_normal((d, h)), Wh=0.5 * rng.standard_normal((h, h)), b=rng.standard_normal(h))


def out(x, h0, Wx, Wh, b):
    return rnn_forward(x, h0, Wx, Wh, b)[0]


def gradients(dout, x, h0, Wx, Wh, b):
    return rnn_backward(dout, rnn_forward(x, h0, Wx, Wh, b)[1])
# ==== gru_step_forward gru_step_backward
import numpy as np


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def gru_step_forward(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + b
    u = prev_h @ Wh
    z = sigmoid(a[:, :H] + u[:, :H])
    r = sigmoid(a[:, H : 2 * H] + u[:, H : 2 * H])
    n = np.tanh(a[:, 2 * H :] + r * u[:, 2 * H :])
    next_h = (1 - z) * n + z * prev_h
    cache = x, prev_h, Wx, Wh, u, z, r, n
    return next_h, cache


def gru_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, u, z, r, n = cache
    H = prev_h.shape[1]
    dz = dnext_h * (prev_h - n)  #~ dz = dnext_h * prev_h :: path_missing swapped_value #~ dz = dnext_h * (n - prev_h) :: sign
    dn = dnext_h * (1 - z)  #~ dn = dnext_h * z :: swapped_value operator path_missing
    daz = dz * z * (1 - z)
    dan = dn * (1 - n ** 2)  #~ dan = dn * (1 - n) ** 2 :: power
    dr = dan * u[:, 2 * H :]  #~ dr = dan * u[:, H : 2 * H] :: index #~ dr = dn * u[:, 2 * H :] :: swapped_value gamma_missing wrong_path
    dar = dr * r * (1 - r)  #~ dar = dr * r :: gamma_missing
    da = np.hstack([daz, dar, dan])  #~ da = np.hstack([dar, daz, dan]) :: index swapped_value operator return_order
    du = np.hstack([daz, dar, dan * r])  #~ du = np.hstack([daz, dar, dan]) :: gamma_missing
    dprev_h = dnext_h * z + du @ Wh.T  #~ dprev_h = du @ Wh.T :: path_missing #~ dprev_h = dnext_h * z + da @ Wh.T :: swapped_value wrong_path
    return da @ Wx.T, dprev_h, x.T @ da, prev_h.T @ du, da.sum(axis=0)  #~ return da @ Wx.T, dprev_h, x.T @ da, prev_h.T @ da, da.sum(axis=0) :: swapped_value wrong_path
# ---- called
def draw(rng, i):
    n, d, h = [(3, 4, 2), (2, 3, 5)][i % 2]
    return dict(x=rng.standard_normal((n, d)), prev_h=rng.standard_normal((n, h)), Wx=rng.standard_normal((d, 3 * h)), Wh=rng.standard_normal((h, 3 * h)), b=rng.standard_normal(3 * h))


def out(x, prev_h, Wx, Wh, b):
    return gru_step_forward(x, prev_h, Wx, Wh, b)[0]


def gradients(dout, x, prev_h, Wx, Wh, b):
    return gru_step_backward(dout, gru_step_forward(x, prev_h, Wx, Wh, b)[1])
# ==== RNNCell
import numpy as np


class RNNCell:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache  #~ h_prev, x, h_next = self.cache :: unpack_order
        dt = dh_next * (1 - h_next ** 2)  #~ dt = dh_next * (1 + h_next ** 2) :: path_sign operator sign #~ dt = dh_next * (1 - h_prev ** 2) :: swapped_value
        db = np.sum(dt, axis=0)  #~ db = np.sum(dh_next, axis=0) :: swapped_value gamma_missing wrong_path
        dWh = np.dot(h_prev.T, dt)
        dh_prev = np.dot(dt, Wh.T)  #~ dh_prev = np.dot(dt, Wh) :: transposed
        dWx = np.dot(x.T, dt)
        dx = np.dot(dt, Wx.T)
        self.grads[0][...] = dWx
        self.grads[1][...] = dWh  #~ self.grads[1][...] = dWx :: swapped_value index
        self.grads[2][...] = db  #~ self.grads[2][...] = 2 * db :: factor
        return dx, dh_prev  #~ return dh_prev, dx :: return_order
# ---- called
def draw(rng, i):
    n, d, h = [(3, 4, 2), (2, 3, 5)][i % 2]
    return dict(x=rng.standard_normal((n, d)), h_prev=rng.standard_normal((n, h)), Wx=rng.standard_normal((d, h)), Wh=rng.standard_normal((h, h)), b=rng.standard_normal(h))


def out(x, h_prev, Wx, Wh, b):
    return RNNCell(Wx, Wh, b).forward(x, h_prev)


def gradients(dout, x, h_prev, Wx, Wh, b):
    layer = RNNCell(Wx, Wh, b)
    layer.forward(x, h_prev)
    return (*layer.backward(dout), *layer.grads)
