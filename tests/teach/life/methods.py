# ==== Affine
import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.shape = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.shape = x.shape
        self.x = x.reshape(x.shape[0], -1)
        return np.dot(self.x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)  #~ self.dW = np.dot(dout.T, self.x) :: transposed #~ self.dW = np.dot(self.x.T, dout) / dout.shape[0] :: count mean_convention
        self.db = np.sum(dout, axis=0)  #~ self.db = np.sum(dout) :: no_axis #~ self.db = dout :: unsummed
        return dx.reshape(*self.shape)  #~ return -dx.reshape(*self.shape) :: sign
# ---- called
def draw(rng, i):
    n, d, m = [(3, (2, 2), 2), (5, (2, 3), 3)][i % 2]
    return dict(x=rng.standard_normal((n, *d)), W=rng.standard_normal((d[0] * d[1], m)), b=rng.standard_normal(m))


def out(x, W, b):
    return Affine(W, b).forward(x)


def gradients(dout, x, W, b):
    layer = Affine(W, b)
    layer.forward(x)
    return layer.backward(dout), layer.dW, layer.db
# ==== Accumulating
import numpy as np


class Accumulating:
    """A dense layer that adds to its gradients, as frameworks do."""

    def __init__(self, W, b):
        self.params = {"W": W, "b": b}
        self.grads = {"W": np.zeros_like(W), "b": np.zeros_like(b)}

    def forward(self, x):
        self.x = x
        self.z = x @ self.params["W"] + self.params["b"]
        self.h = np.tanh(self.z)
        return self.h

    def backward(self, dout):
        dz = dout * (1 - self.h ** 2)  #~ dz = dout * (1 - self.z ** 2) :: swapped_value #~ dz = dout * (1 - self.h) :: power
        self.grads["W"] += self.x.T @ dz  #~ self.grads["W"] += self.x.T @ dout :: swapped_value gamma_missing wrong_path #~ self.grads["W"] -= self.x.T @ dz :: sign path_sign operator
        self.grads["b"] += dz.sum(axis=0)  #~ self.grads["b"] += 2 * dz.sum(axis=0) :: factor
        return dz @ self.params["W"].T  #~ return dz @ self.grads["W"].T :: swapped_value upstream_ignored
# ---- called
def draw(rng, i):
    n, d, m = [(3, 4, 2), (5, 2, 3)][i % 2]
    return dict(x=rng.standard_normal((n, d)), W=rng.standard_normal((d, m)), b=rng.standard_normal(m))


def out(x, W, b):
    return Accumulating(W, b).forward(x)


def gradients(dout, x, W, b):
    layer = Accumulating(W, b)
    layer.forward(x)
    return layer.backward(dout), layer.grads["W"], layer.grads["b"]
# ==== BatchNorm
import numpy as np


class BatchNorm:
    def __init__(self, gamma, beta, momentum=0.9, eps=1e-5):
        self.gamma, self.beta = gamma, beta
        self.momentum, self.eps = momentum, eps
        self.running_mean = None
        self.running_var = None

    def forward(self, x, train=True):
        if self.running_mean is None:
            self.running_mean = np.zeros(x.shape[1])
            self.running_var = np.ones(x.shape[1])
        if not train:
            return self.gamma * (x - self.running_mean) / np.sqrt(self.running_var + self.eps) + self.beta
        mu = x.mean(axis=0)
        self.xc = x - mu
        var = np.mean(self.xc ** 2, axis=0)
        self.std = np.sqrt(var + self.eps)
        self.xn = self.xc / self.std
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)  #~ self.dgamma = np.sum(self.xc * dout, axis=0) :: swapped_value gamma_missing
        dxn = self.gamma * dout  #~ dxn = dout :: gamma_missing
        dxc = dxn / self.std  #~ dxc = dxn * self.std :: power operator
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)  #~ dstd = np.sum((dxn * self.xc) / (self.std * self.std), axis=0) :: sign #~ dstd = -np.sum((dxn * self.xc) / self.std, axis=0) :: power gamma_missing
        dvar = 0.5 * dstd / self.std  #~ dvar = dstd / self.std :: factor
        dxc += (2.0 / dout.shape[0]) * self.xc * dvar  #~ dxc = (2.0 / dout.shape[0]) * self.xc * dvar :: overwritten #~ pass :: path_missing constant_statistics #~ dxc += (2.0 / dout.shape[1]) * self.xc * dvar :: wrong_count
        dmu = np.sum(dxc, axis=0)
        dx = dxc - dmu / dout.shape[0]  #~ dx = dxc - dmu :: count #~ dx = dxc + dmu / dout.shape[0] :: path_sign #~ dx = dxc :: path_missing constant_statistics
        return dx
# ---- called
def draw(rng, i):
    n, d = [(5, 3), (4, 6)][i % 2]
    return dict(x=rng.standard_normal((n, d)), gamma=rng.standard_normal(d), beta=rng.standard_normal(d))


def out(x, gamma, beta):
    return BatchNorm(gamma, beta, eps=0.2).forward(x)


def gradients(dout, x, gamma, beta):
    layer = BatchNorm(gamma, beta, eps=0.2)
    layer.forward(x)
    return layer.backward(dout), layer.dgamma, layer.dbeta
# ==== ReLU
import numpy as np


class ReLU:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0  #~ dout[~self.mask] = 0 :: mask #~ pass :: mask
        dx = dout  #~ dx = -dout :: sign
        return dx
# ---- called
def draw(rng, i):
    return dict(x=rng.standard_normal((4, 3)))


def out(x):
    return ReLU().forward(x)


def gradients(dout, x):
    layer = ReLU()
    layer.forward(x)
    return (layer.backward(dout.copy()),)
