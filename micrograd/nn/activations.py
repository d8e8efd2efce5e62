"""Wrap the activations of `micrograd.functional` as layers."""

from __future__ import annotations

from typing import Any

from micrograd import functional as f
from micrograd.nn.module import Module

__all__ = ["GELU", "LeakyReLU", "ReLU", "SiLU", "Sigmoid", "Softplus", "Tanh"]


class ReLU(Module):
    """Apply ``max(x, 0)`` to each entry; see `micrograd.functional.relu`.

    >>> import numpy as np
    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`, in its shape."""
        return f.relu(x)


class LeakyReLU(Module):
    """Keep positive entries, and multiply the others by `slope`; see `micrograd.functional.leaky_relu`.

    >>> import numpy as np
    >>> LeakyReLU(0.1)(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = float(slope)

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`, in its shape."""
        return f.leaky_relu(x, self.slope)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"


class Tanh(Module):
    """Apply the hyperbolic tangent to each entry; see `micrograd.functional.tanh`."""

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`, in its shape."""
        return f.tanh(x)


class Sigmoid(Module):
    """Apply ``1 / (1 + exp(-x))`` to each entry; see `micrograd.functional.sigmoid`."""

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`, in its shape."""
        return f.sigmoid(x)


class Softplus(Module):
    """Apply ``log(1 + exp(x))`` to each entry; see `micrograd.functional.softplus`."""

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`, in its shape."""
        return f.softplus(x)


class SiLU(Module):
    """Apply ``x * sigmoid(x)`` to each entry; see `micrograd.functional.silu`."""

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`, in its shape."""
        return f.silu(x)


class GELU(Module):
    """Apply the Gaussian error linear unit, in its tanh form, to each entry; see `micrograd.functional.gelu`."""

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`, in its shape."""
        return f.gelu(x)
