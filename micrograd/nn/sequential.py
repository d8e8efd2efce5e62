"""Chain layers, with dropout and flattening between them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from micrograd import functional as f
from micrograd.nn.activations import ReLU, Sigmoid, Tanh
from micrograd.nn.linear import Linear
from micrograd.nn.module import Module
from micrograd.nn.normalization import BatchNorm1d
from micrograd.numpy_api.composites import shape_of

__all__ = ["Dropout", "Flatten", "Sequential", "mlp"]


class Dropout(Module):
    """Set entries to 0 with probability `rate` in training, and divide the others by ``1 - rate``.

    Args:
        rate: 0 <= rate < 1.
        rng: a NumPy Generator, or a seed for one.

    Raises:
        ValueError: a rate out of range.

    >>> Dropout(0.5, rng=0)(np.ones(4))
    array([2., 0., 0., 0.])
    """

    def __init__(self, rate: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        self.rate, self.rng = rate, np.random.default_rng(rng)
        f.dropout(np.ones(0), rate, self.rng)  # refuses a bad rate now rather than in the first batch

    def forward(self, x: Any) -> Any:
        """Return `x` with entries dropped, in its shape; in evaluation mode `x` itself."""
        return f.dropout(x, self.rate, self.rng, training=self.training)

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"


class Flatten(Module):
    """Flatten all axes but the first into one: (N, 8, 8) to (N, 64).

    >>> Flatten()(np.ones((2, 8, 8))).shape
    (2, 64)
    """

    def forward(self, x: Any) -> Any:
        """Return `x`, (N, ...), as (N, D)."""
        return x.reshape(shape_of(x)[0], -1)


class Sequential(Module):
    """Apply modules, or any functions of one argument, one after the other.

    Raises:
        TypeError: a layer that cannot be called.

    >>> Sequential(Linear(2, 3), ReLU())
    Sequential(
      0: Linear(2, 3)
      1: ReLU()
    )
    """

    def __init__(self, *layers: Any) -> None:
        for position, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(
                    f"layer {position} is a {type(layer).__name__}; pass modules or functions, as in Sequential(a, b)."
                )
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """Return the output of the last layer."""
        h = x
        for layer in self.layers:
            h = layer(h)
        return h

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Any:
        return self.layers[index]

    def __repr__(self) -> str:
        lines = [f"  {i}: " + repr(layer).replace("\n", "\n  ") for i, layer in enumerate(self.layers)]
        return "\n".join(["Sequential(", *lines, ")"]) if lines else "Sequential()"


def mlp(
    sizes: list[int],
    *,
    batch_norm: bool = False,
    activation: type[Module] = ReLU,
    dropout: float = 0.0,
    rng: np.random.Generator | int | None = None,
    dtype: Any = np.float64,
) -> Sequential:
    """Build a multi-layer perceptron on arrays, with an activation, and batch norm if wanted, after each hidden layer.

    Args:
        sizes: inputs, hidden sizes, outputs, as in ``[64, 64, 64, 10]``.
        batch_norm: put `BatchNorm1d` between each hidden linear layer (then without bias: batch norm would
            subtract it again) and its activation.
        activation: a module class without arguments.
        dropout: the rate of a `Dropout` after each activation; 0 for none.
        rng: a NumPy Generator, or a seed for one.
        dtype: float32 or float64.

    Returns:
        A `Sequential` from (N, inputs) to (N, outputs).

    Raises:
        ValueError: fewer than two sizes.

    >>> mlp([64, 32, 10], batch_norm=True)
    Sequential(
      0: Linear(64, 32, bias=False)
      1: BatchNorm1d(32, eps=1e-05, momentum=0.1)
      2: ReLU()
      3: Linear(32, 10)
    )
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes are {sizes}; expected at least two, inputs and outputs, as in [64, 10].")
    rng = np.random.default_rng(rng)
    init = "glorot" if activation in (Tanh, Sigmoid) else "he"
    layers: list[Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers.append(Linear(inputs, outputs, bias=not batch_norm, init=init, rng=rng, dtype=dtype))
        layers += [BatchNorm1d(outputs, dtype=dtype)] if batch_norm else []
        layers.append(activation())
        layers += [Dropout(dropout, rng=rng)] if dropout else []
    layers.append(Linear(sizes[-2], sizes[-1], init="glorot", rng=rng, dtype=dtype))
    return Sequential(*layers)
