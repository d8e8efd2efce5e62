# ==== attention_forward attention_backward
import numpy as np


def attention_forward(q, k, v):
    """Scaled dot-product attention of one sequence; q is (T, d), k is (S, d), v is (S, e)."""
    d = q.shape[1]
    s = q @ k.T / np.sqrt(d)
    s = s - s.max(axis=1, keepdims=True)
    e = np.exp(s)
    p = e / e.sum(axis=1, keepdims=True)
    out = p @ v
    return out, (q, k, v, p)


def attention_backward(dout, cache):
    q, k, v, p = cache
    d = q.shape[1]  #~ d = k.shape[0] :: wrong_count index
    dv = p.T @ dout  #~ dv = p.T @ (dout * dout) :: upstream_ignored power gamma_twice
    dp = dout @ v.T  #~ dp = -dout @ v.T :: sign
    ds = p * (dp - np.sum(dp * p, axis=1, keepdims=True))  #~ ds = p * dp :: path_missing constant_statistics #~ ds = p * (dp - np.sum(dp * p, axis=0, keepdims=True)) :: wrong_axis #~ ds = p * (dp + np.sum(dp * p, axis=1, keepdims=True)) :: path_sign
    ds = ds / np.sqrt(d)  #~ ds = ds / d :: power factor count #~ ds = ds * np.sqrt(d) :: power operator
    dq = ds @ k
    dk = ds.T @ q  #~ dk = q.T @ ds :: transposed #~ dk = ds.T @ k :: swapped_value
    return dq, dk, dv  #~ return dk, dq, dv :: return_order #~ return dq, dv, dk :: return_order
# ---- called
def draw(rng, i):
    t, s, d, e = [(3, 4, 2, 5), (4, 2, 5, 3)][i % 2]
    return dict(q=rng.standard_normal((t, d)), k=rng.standard_normal((s, d)), v=rng.standard_normal((s, e)))


def out(q, k, v):
    return attention_forward(q, k, v)[0]


def gradients(dout, q, k, v):
    return attention_backward(dout, attention_forward(q, k, v)[1])
# ==== SelfAttention
import numpy as np


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


class SelfAttention:
    def __init__(self, Wq, Wk, Wv):
        self.Wq, self.Wk, self.Wv = Wq, Wk, Wv

    def forward(self, x):
        self.x = x
        self.q = x @ self.Wq
        self.k = x @ self.Wk
        self.v = x @ self.Wv
        self.scale = 1.0 / np.sqrt(self.Wq.shape[1])
        self.a = softmax(np.matmul(self.q, self.k.transpose(0, 2, 1)) * self.scale)
        return np.matmul(self.a, self.v)

    def backward(self, dout):
        da = np.matmul(dout, self.v.transpose(0, 2, 1))
        dv = np.matmul(self.a.transpose(0, 2, 1), dout)  #~ dv = np.matmul(self.a, dout) :: transposed
        dscores = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True))  #~ dscores = self.a * (da - da.sum(axis=-1, keepdims=True)) :: gamma_missing path_missing #~ dscores = self.a * (1 - self.a) * da :: operator unknown constant_statistics path_missing
        dscores *= self.scale  #~ dscores /= self.scale :: power operator #~ pass :: gamma_missing factor
        dq = np.matmul(dscores, self.k)
        dk = np.matmul(dscores.transpose(0, 2, 1), self.q)  #~ dk = np.matmul(dscores, self.q) :: transposed
        self.dWq = np.einsum("ntd,nte->de", self.x, dq)
        self.dWk = np.einsum("ntd,nte->de", self.x, dk)  #~ self.dWk = np.einsum("ntd,nte->de", self.x, dq) :: swapped_value wrong_path
        self.dWv = np.einsum("ntd,nte->de", self.x, dv)
        dx = dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T  #~ dx = dq @ self.Wq.T + dk @ self.Wk.T :: path_missing #~ dx = dq @ self.Wq.T + dk @ self.Wk.T - dv @ self.Wv.T :: path_sign #~ dx = dq @ self.Wq.T + dk @ self.Wq.T + dv @ self.Wv.T :: swapped_value
        return dx
# ---- called
def draw(rng, i):
    n, t, d = [(2, 3, 4), (3, 2, 5)][i % 2]
    return dict(x=rng.standard_normal((n, t, d)), Wq=rng.standard_normal((d, d)), Wk=rng.standard_normal((d, d)), Wv=rng.standard_normal((d, d)))


def out(x, Wq, Wk, Wv):
    return SelfAttention(Wq, Wk, Wv).forward(x)


def gradients(dout, x, Wq, Wk, Wv):
    layer = SelfAttention(Wq, Wk, Wv)
    layer.forward(x)
    return layer.backward(dout), layer.dWq, layer.dWk, layer.dWv
