"""The parts that networks are made of, as each library says them best: one model is then written once for all.

`Composed` is in the operators that every library shares, and in any arithmetic that has exp, tanh, sqrt and log.
"""

from __future__ import annotations

import math
from typing import Any

from tests.benchmarks import exact, gelu, images, layer_norm

__all__ = ["Composed", "Jax", "Micrograd", "Torch", "TorchComposed"]

EPS = exact.EPS


class Composed:
    """Arrays with NumPy's methods; `xp` has the functions."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def largest(self, x: Any) -> Any:
        return x.max(-1, keepdims=True)

    def masked(self, scores: Any) -> Any:
        """Scores (..., T, T) without those of later places."""
        import numpy as np

        return self.xp.where(np.tri(scores.shape[-1], dtype=bool), scores, np.float32(-1e30))

    def attention(self, q: Any, k: Any, v: Any, causal: bool = False) -> Any:
        """A. Vaswani et al., "Attention Is All You Need", 2017, on (..., T, D)."""
        scores = q @ k.swapaxes(-1, -2) * (1.0 / math.sqrt(q.shape[-1]))
        scores = self.masked(scores) if causal else scores
        e = self.xp.exp(scores - self.largest(scores))
        return (e / e.sum(-1, keepdims=True)) @ v

    def rms_norm(self, x: Any, gamma: Any) -> Any:
        """B. Zhang and R. Sennrich, "Root Mean Square Layer Normalization", 2019, over the last axis."""
        squares = (x * x).sum(-1, keepdims=True) * (1.0 / x.shape[-1])
        return gamma * (x / self.xp.sqrt(squares + EPS))

    def lstm(self, x: Any, wx: Any, wh: Any, b: Any, h: Any, c: Any) -> Any:
        """S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997, with the gates i, f, g, o; the last h."""
        for t in range(x.shape[0]):
            h, c = self.cell(x[t] @ wx + h @ wh + b, c)
        return h

    def cell(self, z: Any, c: Any) -> tuple[Any, Any]:
        exp, tanh, n = self.xp.exp, self.xp.tanh, c.shape[1]
        i, f, o = (1.0 / (1.0 + exp(-z[:, g * n : (g + 1) * n])) for g in (0, 1, 3))
        c = f * c + i * tanh(z[:, 2 * n : 3 * n])
        return o * tanh(c), c

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        shape = x.shape
        return layer_norm.composed(x.reshape((-1, shape[-1])), gamma, beta, self.xp.sqrt).reshape(shape)

    def batch_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        """Of images, by the statistics of the batch."""
        return images.composed(x, gamma, beta, self.xp.sqrt)

    def gelu(self, x: Any) -> Any:
        return gelu.gelu(x, self.xp.tanh)


class Micrograd(Composed):
    """NumPy's functions on our tensors, and `micrograd.functional`."""

    def __init__(self) -> None:
        import numpy as np

        super().__init__(np)

    def relu(self, x: Any) -> Any:
        return self.xp.maximum(x, 0)

    def conv(self, x: Any, weight: Any, stride: int = 1) -> Any:
        from micrograd.nn.windows import conv2d

        return conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def cross_entropy(self, scores: Any, labels: Any) -> Any:
        from micrograd.functional import cross_entropy

        return cross_entropy(scores, labels)


class TorchComposed(Composed):
    """The shared operators on PyTorch's tensors."""

    def __init__(self) -> None:
        import torch

        super().__init__(torch)

    def largest(self, x: Any) -> Any:
        return x.amax(-1, keepdim=True)


class Torch(TorchComposed):
    """PyTorch's library functions."""

    def __init__(self) -> None:
        super().__init__()
        from torch.nn import functional

        self.f: Any = functional

    def attention(self, q: Any, k: Any, v: Any, causal: bool = False) -> Any:
        return self.f.scaled_dot_product_attention(q, k, v, is_causal=causal)

    def rms_norm(self, x: Any, gamma: Any) -> Any:
        return self.f.rms_norm(x, gamma.shape, gamma, EPS)

    def lstm(self, x: Any, wx: Any, wh: Any, b: Any, h: Any, c: Any) -> Any:
        weights = [wx.T, wh.T, b, self.xp.zeros_like(b)]
        return self.xp.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, True, False, False)[1][0]

    def layer_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        return self.f.layer_norm(x, gamma.shape, gamma, beta, EPS)

    def batch_norm(self, x: Any, gamma: Any, beta: Any) -> Any:
        return self.f.batch_norm(x, None, None, gamma, beta, training=True, eps=EPS)

    def gelu(self, x: Any) -> Any:
        return self.f.gelu(x, approximate="tanh")

    def relu(self, x: Any) -> Any:
        return self.f.relu(x)

    def conv(self, x: Any, weight: Any, stride: int = 1) -> Any:
        return self.f.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def cross_entropy(self, scores: Any, labels: Any) -> Any:
        return self.f.cross_entropy(scores, labels)


class Jax(Composed):
    """JAX's library functions, where it has any."""

    def __init__(self) -> None:
        import jax

        super().__init__(jax.numpy)
        self.jax = jax

    def attention(self, q: Any, k: Any, v: Any, causal: bool = False) -> Any:
        q, k, v = (a.swapaxes(-2, -3) for a in (q, k, v))
        return self.jax.nn.dot_product_attention(q, k, v, is_causal=causal).swapaxes(-2, -3)

    def lstm(self, x: Any, wx: Any, wh: Any, b: Any, h: Any, c: Any) -> Any:
        def step(state: Any, z: Any) -> Any:
            h, c = state
            return self.cell(z + h @ wh, c), None

        return self.jax.lax.scan(step, (h, c), x @ wx + b)[0][0]

    def gelu(self, x: Any) -> Any:
        return self.jax.nn.gelu(x)

    def relu(self, x: Any) -> Any:
        return self.jax.nn.relu(x)

    def conv(self, x: Any, weight: Any, stride: int = 1) -> Any:
        beside = [(weight.shape[-1] // 2,) * 2] * 2
        return self.jax.lax.conv_general_dilated(x, weight, (stride, stride), beside)

    def cross_entropy(self, scores: Any, labels: Any) -> Any:
        logs = self.jax.nn.log_softmax(scores)
        return -self.xp.where(labels[:, None] == self.xp.arange(logs.shape[1]), logs, 0).sum(1).mean()
