"""Activations as layers; the functions are in `micrograd.functional`."""

from __future__ import annotations

from typing import Any

from micrograd import functional as f
from micrograd.nn.module import Module

__all__ = ["GELU", "LeakyReLU", "ReLU", "SiLU", "Sigmoid", "Softplus", "Tanh"]


class ReLU(Module):
    """``max(x, 0)``; see `micrograd.functional.relu`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.relu(x)


class LeakyReLU(Module):
    """`x` where positive, ``slope * x`` elsewhere; see `micrograd.functional.leaky_relu`."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = float(slope)

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.leaky_relu(x, self.slope)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"


class Tanh(Module):
    """The hyperbolic tangent; see `micrograd.functional.tanh`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.tanh(x)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``; see `micrograd.functional.sigmoid`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.sigmoid(x)


class Softplus(Module):
    """``log(1 + exp(x))``; see `micrograd.functional.softplus`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.softplus(x)


class SiLU(Module):
    """``x * sigmoid(x)``; see `micrograd.functional.silu`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.silu(x)


class GELU(Module):
    """The Gaussian error linear unit, tanh form; see `micrograd.functional.gelu`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.gelu(x)
