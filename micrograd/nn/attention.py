"""Build layers on sequences: an embedding, and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from micrograd import functional as f
from micrograd import primitives as p
from micrograd.errors import DTypeError, ShapeError
from micrograd.modes import capturing
from micrograd.nn.initializers import float_dtype
from micrograd.nn.linear import Linear
from micrograd.nn.module import Module, Parameter, whole
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import shape_of

__all__ = ["Embedding", "MultiHeadAttention"]


class Embedding(Module):
    """Look up a row of `weight` for each whole number.

    Args:
        rows: how many numbers there are, 0 to ``rows - 1``.
        features: the length of a row.
        rng: a NumPy Generator, or a seed for one.
        dtype: float32 or float64.

    Attributes:
        weight: (rows, features), from the normal distribution with deviation 1, as in PyTorch.

    Raises:
        DTypeError: called with anything but integers. IndexError: with a number that has no row.

    >>> Embedding(10, 4, rng=0)(np.array([[1, 2, 1]])).shape
    (1, 3, 4)
    """

    def __init__(
        self, rows: int, features: int, *, rng: np.random.Generator | int | None = None, dtype: Any = np.float64
    ) -> None:
        self.rows, self.features = whole("rows", rows), whole("features", features)
        start = np.random.default_rng(rng).standard_normal((self.rows, self.features))
        self.weight = Parameter(start.astype(float_dtype(dtype)))

    def forward(self, x: Any) -> Any:
        """Return the rows for integers `x` of any shape: that shape and one more axis, of `features`."""
        if (capture := capturing()) is not None and getattr(x, "dtype", np.dtype(float)).kind in "iu":
            x = capture.index(x)  # which every call has anew
        numbers = np.asarray(getattr(x, "integers", x))
        if numbers.dtype.kind not in "iu":
            raise DTypeError(f"{self!r} got {numbers.dtype}; expected whole numbers. Use x.astype(np.int64).")
        wrong = (numbers < 0) | (numbers >= self.rows)
        if wrong.any():
            raise IndexError(
                f"{self!r} got {numbers[wrong][0]}; expected 0 to {self.rows - 1}. Build it with more rows."
            )
        if hasattr(x, "integers"):
            x.stay_below(self.rows)
        return p.gather(self.weight, index=x)

    def __repr__(self) -> str:
        return f"Embedding({self.rows}, {self.features})"


class MultiHeadAttention(Module):
    """Apply self-attention with several heads (Vaswani et al., 2017): ``softmax(q @ k.T / sqrt(d)) @ v`` in each.

    Args:
        features: D, the length of a row of the sequence; a multiple of `heads`.
        heads: how many.
        causal: whether a position sees only itself and those before it.
        bias: whether the four linear layers have one.
        rng: a NumPy Generator, or a seed for one.
        dtype: float32 or float64.

    Attributes:
        query, key, value, out: `Linear` layers (D, D).

    Raises:
        ValueError: heads that do not divide the features, a size below 1.
        ShapeError: when called on anything but (N, T, D).

    >>> MultiHeadAttention(8, 2, causal=True, rng=0)(np.ones((2, 5, 8))).shape
    (2, 5, 8)
    """

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        causal: bool = False,
        bias: bool = True,
        rng: np.random.Generator | int | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.features, self.heads = whole("features", features), whole("heads", heads)
        if self.features % self.heads:
            raise ValueError(f"{heads} heads do not divide {features} features; use a divisor of {features}.")
        self.causal, rng = causal, np.random.default_rng(rng)
        self.query, self.key, self.value, self.out = (
            Linear(self.features, self.features, bias=bias, init="glorot", rng=rng, dtype=dtype) for _ in range(4)
        )

    def forward(self, x: Any) -> Any:
        """Return the attention over `x`, (N, T, D), in its shape."""
        shape = shape_of(x)
        if len(shape) != 3 or shape[2] != self.features:
            raise ShapeError(
                f"{self!r} got shape {shape}; expected (N, T, {self.features}). "
                "Reshape or transpose x, or build the layer with another size."
            )
        n, t, d = shape
        rows = c.reshape(x, (n * t, d))
        q, k, v = (self._split(layer(rows), n, t) for layer in (self.query, self.key, self.value))
        scores = 1.0 / math.sqrt(d // self.heads) * (q @ c.swapaxes(k, -1, -2))
        if self.causal:
            lowest = float(np.finfo(scores.dtype).min)
            scores = p.where(np.tri(t, dtype=bool), scores, lowest)
        weights = f.softmax(scores, -1)
        together = c.reshape(c.transpose(weights @ v, (0, 2, 1, 3)), (n * t, d))
        return c.reshape(self.out(together), shape)

    def _split(self, rows: Any, n: int, t: int) -> Any:
        """Reshape (N*T, D) to (N, heads, T, D / heads)."""
        return c.transpose(c.reshape(rows, (n, t, self.heads, self.features // self.heads)), (0, 2, 1, 3))

    def __repr__(self) -> str:
        return f"MultiHeadAttention({self.features}, {self.heads}{', causal=True' if self.causal else ''})"
