# ==== embedding_forward embedding_backward
import numpy as np


def embedding_forward(x, W):
    """Rows of W by the words x, integers of shape (N, T)."""
    out = W[x]
    return out, (x, W.shape)


def embedding_backward(dout, cache):
    x, shape = cache
    dW = np.zeros(shape)  #~ dW = np.ones(shape) :: factor path_twice operator accumulated unknown swapped_value
    np.add.at(dW, x, dout)  #~ dW[x] += dout :: repeated_index #~ dW[x] = dout :: repeated_index overwritten #~ np.subtract.at(dW, x, dout) :: sign operator #~ np.add.at(dW, x, 2 * dout) :: factor #~ np.add.at(dW, x - 1, dout) :: index #~ np.add.at(dW, x, dout * dout) :: upstream_ignored gamma_twice power
    return dW
# ---- called
WORDS = np.array([[0, 2, 2, 1], [3, 2, 0, 0], [4, 4, 4, 1]])


def draw(rng, i):
    return dict(W=rng.standard_normal((6, 3)))


def out(W):
    return embedding_forward(WORDS, W)[0]


def gradients(dout, W):
    return (embedding_backward(dout, embedding_forward(WORDS, W)[1]),)
# ==== Embedding
import numpy as np


class Embedding:
    def __init__(self, W):
        self.W = W
        self.dW = np.zeros_like(W)
        self.idx = None

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW[...] = 0
        for i, word in enumerate(self.idx):
            self.dW[word] += dout[i]  #~ self.dW[word] = dout[i] :: overwritten repeated_index #~ self.dW[i] += dout[word] :: index #~ self.dW[word] -= dout[i] :: sign path_sign operator #~ self.dW[word] += dout[i] / len(self.idx) :: count
        return None
# ---- called
WORDS = np.array([0, 2, 2, 1, 3, 2])


def draw(rng, i):
    return dict(W=rng.standard_normal((6, 3)))


def out(W):
    return Embedding(W).forward(WORDS)


def gradients(dout, W):
    layer = Embedding(W)
    layer.forward(WORDS)
    layer.backward(dout)
    return (layer.dW,)
# ==== cbow_forward cbow_backward
import numpy as np


def cbow_forward(words, E, W):
    """The mean of the vectors of some words, into scores: words is (N, C)."""
    h = E[words].mean(axis=1)
    return h @ W, (words, E, W, h)


def cbow_backward(dout, cache):
    words, E, W, h = cache
    dW = h.T @ dout  #~ dW = h.T @ dout / len(h) :: count
    dh = dout @ W.T
    dE = np.zeros_like(E)
    for c in range(words.shape[1]):
        np.add.at(dE, words[:, c], dh / words.shape[1])  #~ np.add.at(dE, words[:, c], dh) :: count #~ dE[words[:, c]] += dh / words.shape[1] :: repeated_index #~ np.add.at(dE, words[:, 0], dh / words.shape[1]) :: index #~ np.add.at(dE, words[:, c], dh / words.shape[0]) :: wrong_count index
    return dE, dW  #~ return dW, dE :: return_order
# ---- called
WORDS = np.array([[0, 2, 2], [1, 3, 2], [5, 0, 0], [4, 5, 5]])


def draw(rng, i):
    return dict(E=rng.standard_normal((6, 3)), W=rng.standard_normal((3, 5)))


def out(E, W):
    return cbow_forward(WORDS, E, W)[0]


def gradients(dout, E, W):
    return cbow_backward(dout, cbow_forward(WORDS, E, W)[1])
