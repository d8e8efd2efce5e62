# ==== weightnorm_forward weightnorm_backward
import numpy as np


def weightnorm_forward(x, v, g):
    """An affine layer whose weights are g v / |v|, column by column: v is (D, M), g is (M,)."""
    norm = np.sqrt(np.sum(v * v, axis=0))
    w = g * v / norm
    return x @ w, (x, v, g, norm, w)


def weightnorm_backward(dout, cache):
    x, v, g, norm, w = cache
    dx = dout @ w.T  #~ dx = dout @ v.T :: swapped_value gamma_missing
    dw = x.T @ dout  #~ dw = dout.T @ x :: transposed call_error
    dg = np.sum(dw * v, axis=0) / norm  #~ dg = np.sum(dw * v, axis=0) :: gamma_missing power #~ dg = np.sum(dw * v, axis=0) * norm :: power operator #~ dg = np.sum(dw, axis=0) / norm :: gamma_missing
    dv = g * dw / norm - g * dg * v / norm ** 2  #~ dv = g * dw / norm :: path_missing constant_statistics #~ dv = g * dw / norm + g * dg * v / norm ** 2 :: path_sign #~ dv = g * dw / norm - g * dg * v / norm :: power #~ dv = g * dw / norm - dg * v / norm ** 2 :: gamma_missing #~ dv = dw / norm - g * dg * v / norm ** 2 :: gamma_missing
    return dx, dv, dg
# ---- called
def draw(rng, i):
    n, d, m = [(3, 4, 2), (5, 3, 6)][i % 2]
    return dict(x=rng.standard_normal((n, d)), v=rng.standard_normal((d, m)), g=rng.standard_normal(m))


def out(x, v, g):
    return weightnorm_forward(x, v, g)[0]


def gradients(dout, x, v, g):
    return weightnorm_backward(dout, weightnorm_forward(x, v, g)[1])
# ==== GroupNorm
import numpy as np


class GroupNorm:
    def __init__(self, gamma, beta, groups=2, eps=1e-5):
        self.gamma, self.beta, self.groups, self.eps = gamma, beta, groups, eps

    def forward(self, x):
        N, C, H, W = x.shape
        z = x.reshape(N * self.groups, -1)
        mean = z.mean(axis=1, keepdims=True)
        self.std = np.sqrt(z.var(axis=1, keepdims=True) + self.eps)
        self.xhat = ((z - mean) / self.std).reshape(x.shape)
        return self.gamma[:, None, None] * self.xhat + self.beta[:, None, None]

    def backward(self, dout):
        N, C, H, W = dout.shape
        self.dgamma = (dout * self.xhat).sum(axis=(0, 2, 3))  #~ self.dgamma = dout.sum(axis=(0, 2, 3)) :: gamma_missing #~ self.dgamma = (dout * self.xhat).sum(axis=(0, 1, 2)) :: wrong_axis
        self.dbeta = dout.sum(axis=(0, 2, 3))  #~ self.dbeta = dout.sum(axis=0) :: wrong_axis unsummed
        dxhat = (dout * self.gamma[:, None, None]).reshape(N * self.groups, -1)  #~ dxhat = dout.reshape(N * self.groups, -1) :: gamma_missing
        xhat = self.xhat.reshape(N * self.groups, -1)
        m = dxhat.shape[1]  #~ m = dxhat.shape[0] :: wrong_count index
        dx = m * dxhat - dxhat.sum(axis=1, keepdims=True) - xhat * (dxhat * xhat).sum(axis=1, keepdims=True)  #~ dx = m * dxhat - dxhat.sum(axis=1, keepdims=True) :: path_missing constant_statistics #~ dx = m * dxhat - dxhat.sum(axis=0, keepdims=True) - xhat * (dxhat * xhat).sum(axis=1, keepdims=True) :: wrong_axis #~ dx = m * dxhat - dxhat.sum(axis=1, keepdims=True) - (dxhat * xhat).sum(axis=1, keepdims=True) :: gamma_missing
        dx = dx / (m * self.std)  #~ dx = dx / self.std :: count #~ dx = dx / (m * self.std ** 2) :: power
        return dx.reshape(dout.shape)
# ---- called
def draw(rng, i):
    n, c, h, w = [(2, 4, 3, 2), (3, 6, 2, 2)][i % 2]
    return dict(x=rng.standard_normal((n, c, h, w)), gamma=rng.standard_normal(c), beta=rng.standard_normal(c))


def out(x, gamma, beta):
    return GroupNorm(gamma, beta, 2, 0.1).forward(x)


def gradients(dout, x, gamma, beta):
    layer = GroupNorm(gamma, beta, 2, 0.1)
    layer.forward(x)
    return layer.backward(dout), layer.dgamma, layer.dbeta
# ==== rmsnorm_forward rmsnorm_backward
import numpy as np


def rmsnorm_forward(x, gamma, eps=1e-6):
    ms = np.mean(x ** 2, axis=-1, keepdims=True)
    r = 1.0 / np.sqrt(ms + eps)
    return gamma * x * r, (x, gamma, r)


def rmsnorm_backward(dout, cache):
    x, gamma, r = cache
    D = x.shape[-1]  #~ D = x.shape[0] :: wrong_count index
    dgamma = np.sum(dout * x * r, axis=0)  #~ dgamma = np.sum(dout * x, axis=0) :: gamma_missing #~ dgamma = np.sum(dout * x * r, axis=1) :: wrong_axis
    dz = dout * gamma
    dr = np.sum(dz * x, axis=-1, keepdims=True)
    dx = dz * r - x * r ** 3 * dr / D  #~ dx = dz * r - x * r ** 2 * dr / D :: power #~ dx = dz * r - x * r ** 3 * dr :: count #~ dx = dz * r + x * r ** 3 * dr / D :: path_sign #~ dx = dz * r :: constant_statistics path_missing
    return dx, dgamma
# ---- called
def draw(rng, i):
    n, d = [(3, 4), (5, 2)][i % 2]
    return dict(x=rng.standard_normal((n, d)), gamma=rng.standard_normal(d))


def out(x, gamma):
    return rmsnorm_forward(x, gamma, 0.2)[0]


def gradients(dout, x, gamma):
    return rmsnorm_backward(dout, rmsnorm_forward(x, gamma, 0.2)[1])
