# ==== batchnorm_forward batchnorm_backward
import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mu) / std
        out = gamma * xhat + beta
        cache = (mode, xhat, gamma, std)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        std = np.sqrt(running_var + eps)
        xhat = (x - running_mean) / std
        out = gamma * xhat + beta
        cache = (mode, xhat, gamma, std)
    else:
        raise ValueError('Invalid forward batchnorm mode "%s"' % mode)
    return out, cache


def batchnorm_backward(dout, cache):
    mode, xhat, gamma, std = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)  #~ dgamma = (dout * xhat).mean(axis=0) :: count
    dxhat = dout * gamma
    if mode == "test":
        dx = dxhat / std  #~ dx = dxhat :: gamma_missing power
    else:
        dx = (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0)) / (N * std)  #~ dx = (N * dxhat - dxhat.sum(axis=0)) / (N * std) :: path_missing constant_statistics #~ dx = (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0)) / std :: count #~ dx = (N * dxhat - dxhat.sum(axis=0) - xhat * (dout * xhat).sum(axis=0)) / (N * std) :: swapped_value gamma_missing wrong_path
    return dx, dgamma, dbeta
# ---- called
def draw(rng, i):
    n, d = [(5, 3), (4, 6)][i % 2]
    return dict(x=rng.standard_normal((n, d)), gamma=rng.standard_normal(d), beta=rng.standard_normal(d))


def modes(x):
    d = x.shape[1]
    return {"mode": "train", "eps": 0.2}, {"mode": "test", "eps": 0.1, "running_mean": 0.3 + np.zeros(d), "running_var": 1.5 + np.zeros(d)}


def out(x, gamma, beta):
    return np.concatenate([batchnorm_forward(x, gamma, beta, mode)[0] for mode in modes(x)])


def gradients(dout, x, gamma, beta):
    parts = [batchnorm_backward(d, batchnorm_forward(x, gamma, beta, mode)[1]) for d, mode in zip(np.split(dout, 2), modes(x))]
    return tuple(one + other for one, other in zip(*parts))
# ==== conv_forward conv_backward
import numpy as np


def conv_forward(x, w, b, conv_param):
    stride = conv_param.get("stride", 1)
    pad = conv_param.get("pad", 0)
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho = (H + 2 * pad - HH) // stride + 1
    Wo = (W + 2 * pad - WW) // stride + 1
    out = np.zeros((N, F, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            window = xp[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out, (x, xp, w, conv_param)


def conv_backward(dout, cache):
    x, xp, w, conv_param = cache
    stride = conv_param.get("stride", 1)  #~ stride = 1 :: index wrong_count swapped_value factor
    pad = conv_param.get("pad", 0)
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))  #~ db = dout.sum(axis=(0, 1, 2)) :: wrong_axis
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            g = dout[:, :, i, j]
            rows, cols = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)  #~ rows, cols = slice(i, i + HH), slice(j, j + WW) :: index gamma_missing factor
            dw += np.tensordot(g, xp[:, :, rows, cols], axes=([0], [0]))  #~ dw = np.tensordot(g, xp[:, :, rows, cols], axes=([0], [0])) :: overwritten
            dxp[:, :, rows, cols] += np.tensordot(g, w, axes=([1], [0]))  #~ dxp[:, :, rows, cols] = np.tensordot(g, w, axes=([1], [0])) :: overwritten
    dx = dxp[:, :, pad : pad + H, pad : pad + W]  #~ dx = dxp[:, :, :H, :W] :: index #~ dx = dxp[:, :, pad:-pad, pad:-pad] :: index
    return dx, dw, db
# ---- called
def draw(rng, i):
    n, c, h, w, f, hh, ww = [(2, 3, 5, 4, 2, 3, 2), (2, 2, 4, 5, 3, 2, 3)][i % 2]
    return dict(x=rng.standard_normal((n, c, h, w)), w=rng.standard_normal((f, c, hh, ww)), b=rng.standard_normal(f))


SETTINGS = {"stride": 1, "pad": 1}, {"stride": 2, "pad": 1}, {"stride": 2, "pad": 0}, {}


def out(x, w, b):
    return np.concatenate([conv_forward(x, w, b, one)[0].ravel() for one in SETTINGS])


def gradients(dout, x, w, b):
    total, at = None, 0
    for one in SETTINGS:
        y, cache = conv_forward(x, w, b, one)
        part = conv_backward(dout[at : at + y.size].reshape(y.shape), cache)
        at += y.size
        total = part if total is None else tuple(p + t for p, t in zip(part, total))
    return total
# ==== dropout_forward dropout_backward
import numpy as np


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    else:
        out = x
    return out, (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    mode = dropout_param["mode"]
    if mode == "train":
        dx = dout * mask  #~ dx = dout :: mask #~ dx = dout * mask / dropout_param["p"] :: factor gamma_twice mask count #~ dx = dout * (mask > 0) :: factor mask operator
    else:
        dx = dout  #~ dx = dout * dropout_param["p"] :: factor gamma_twice mask
    return dx
# ---- called
def draw(rng, i):
    return dict(x=rng.standard_normal((4, 3)))


MODES = {"p": 0.6, "mode": "train", "seed": 3}, {"p": 0.6, "mode": "test"}


def out(x):
    return np.concatenate([dropout_forward(x, one)[0] for one in MODES])


def gradients(dout, x):
    parts = [dropout_backward(d, dropout_forward(x, one)[1]) for d, one in zip(np.split(dout, 2), MODES)]
    return (parts[0] + parts[1],)
# ==== AvgPool
import numpy as np


class AvgPool:
    def __init__(self, pool_h=2, pool_w=2, stride=2):
        self.pool_h, self.pool_w, self.stride = pool_h, pool_w, stride

    def forward(self, x):
        N, C, H, W = x.shape
        self.shape = x.shape
        out_h = (H - self.pool_h) // self.stride + 1
        out_w = (W - self.pool_w) // self.stride + 1
        out = np.zeros((N, C, out_h, out_w))
        for i in range(out_h):
            for j in range(out_w):
                a, b = i * self.stride, j * self.stride
                out[:, :, i, j] = x[:, :, a : a + self.pool_h, b : b + self.pool_w].mean(axis=(2, 3))
        return out

    def backward(self, dout):
        dx = np.zeros(self.shape)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                a, b = i * self.stride, j * self.stride  #~ a, b = i, j :: index gamma_missing factor #~ a, b = j * self.stride, i * self.stride :: index swapped_value
                share = dout[:, :, i, j] / (self.pool_h * self.pool_w)  #~ share = dout[:, :, i, j] :: count #~ share = dout[:, :, i, j] / self.pool_h :: count wrong_count gamma_missing
                dx[:, :, a : a + self.pool_h, b : b + self.pool_w] += share[:, :, None, None]  #~ dx[:, :, a : a + self.pool_h, b : b + self.pool_w] = share[:, :, None, None] :: overwritten
        return dx
# ---- called
def draw(rng, i):
    return dict(x=rng.standard_normal([(2, 3, 5, 6), (1, 2, 4, 4)][i % 2]))


def out(x):
    return np.concatenate([AvgPool(*one).forward(x).ravel() for one in ((2, 3, 1), (2, 2, 2))])


def gradients(dout, x):
    total, at = 0, 0
    for one in ((2, 3, 1), (2, 2, 2)):
        layer = AvgPool(*one)
        y = layer.forward(x)
        total = total + layer.backward(dout[at : at + y.size].reshape(y.shape))
        at += y.size
    return (total,)
