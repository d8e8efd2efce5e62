# ==== two_layer_loss
import numpy as np


def two_layer_loss(X, y, W1, b1, W2, b2, reg):
    """A net of two layers: returns the loss and the gradients by name."""
    N = X.shape[0]
    h = np.maximum(0, X @ W1 + b1)
    scores = h @ W2 + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(scores)
    p = p / p.sum(axis=1, keepdims=True)
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    loss = loss + 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

    grads = {}
    ds = p.copy()
    ds[np.arange(N), y] -= 1  #~ ds[np.arange(N), y] += 1 :: sign operator path_sign #~ pass :: path_missing unknown
    ds = ds / N  #~ pass :: count #~ ds = ds / p.shape[1] :: wrong_count count
    grads["W2"] = h.T @ ds + reg * W2  #~ grads["W2"] = h.T @ ds :: path_missing #~ grads["W2"] = h.T @ ds + 2 * reg * W2 :: factor #~ grads["W2"] = h.T @ ds + reg * W2 ** 2 :: power
    grads["b2"] = ds.sum(axis=0)  #~ grads["b2"] = ds.sum(axis=1) :: wrong_axis #~ grads["b2"] = ds.sum() :: no_axis
    dh = ds @ W2.T
    dh[h <= 0] = 0  #~ dh[h > 0] = 0 :: mask #~ pass :: mask
    grads["W1"] = X.T @ dh + reg * W1  #~ grads["W1"] = X.T @ dh - reg * W1 :: path_sign #~ grads["W1"] = X.T @ dh + reg :: gamma_missing path_missing swapped_value wrong_path
    grads["b1"] = dh.sum(axis=0)  #~ grads["b1"] = dh.mean(axis=0) :: count
    return loss, grads
# ---- called
NAMES = ("W1", "b1", "W2", "b2")


def draw(rng, i):
    n, d, h, c = [(5, 4, 6, 3), (4, 3, 5, 6)][i % 2]
    return dict(W1=rng.standard_normal((d, h)), b1=rng.standard_normal(h), W2=rng.standard_normal((h, c)), b2=rng.standard_normal(c))


def rest(i, W1, b1, W2, b2):
    rng = np.random.default_rng(i)
    return rng.standard_normal((5, W1.shape[0])), rng.integers(0, W2.shape[1], 5)


def out(W1, b1, W2, b2):
    X, y = rest(0, W1, b1, W2, b2)
    return two_layer_loss(X, y, W1, b1, W2, b2, 0.3)[0]


def gradients(dout, W1, b1, W2, b2):
    X, y = rest(0, W1, b1, W2, b2)
    grads = two_layer_loss(X, y, W1, b1, W2, b2, 0.3)[1]
    return tuple(grads[name] for name in NAMES)
# ==== net_forward net_backward
import numpy as np


def affine_forward(x, w, b):
    return x.dot(w) + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=0)  #~ return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=1) :: wrong_axis #~ return dout.dot(w), x.T.dot(dout), dout.sum(axis=0) :: transposed call_error


def leaky_forward(x):
    return np.where(x > 0, x, 0.1 * x), x


def leaky_backward(dout, cache):
    return np.where(cache > 0, dout, 0.1 * dout)  #~ return np.where(cache > 0, dout, 0.01 * dout) :: factor #~ return np.where(cache < 0, dout, 0.1 * dout) :: mask operator


def net_forward(x, w1, b1, w2, b2):
    a, fc1 = affine_forward(x, w1, b1)
    h, act = leaky_forward(a)
    out, fc2 = affine_forward(h, w2, b2)
    return out, (fc1, act, fc2)


def net_backward(dout, cache):
    fc1, act, fc2 = cache  #~ fc2, act, fc1 = cache :: unpack_order
    dh, dw2, db2 = affine_backward(dout, fc2)
    da = leaky_backward(dh, act)  #~ da = dh :: mask path_missing gamma_missing swapped_value
    dx, dw1, db1 = affine_backward(da, fc1)  #~ dx, dw1, db1 = affine_backward(dh, fc1) :: swapped_value mask gamma_missing wrong_path
    return dx, dw1, db1, dw2, db2  #~ return dx, dw1, db2, dw2, db1 :: return_order #~ return dx, dw2, db1, dw1, db2 :: return_order
# ---- called
def draw(rng, i):
    n, d, h, c = [(5, 4, 6, 3), (4, 3, 5, 6)][i % 2]
    return dict(x=rng.standard_normal((n, d)), w1=rng.standard_normal((d, h)), b1=rng.standard_normal(h), w2=rng.standard_normal((h, c)), b2=rng.standard_normal(c))


def out(x, w1, b1, w2, b2):
    return net_forward(x, w1, b1, w2, b2)[0]


def gradients(dout, x, w1, b1, w2, b2):
    return net_backward(dout, net_forward(x, w1, b1, w2, b2)[1])
