"""Build the linear layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd.errors import ShapeError
from micrograd.nn.initializers import float_dtype, initial
from micrograd.nn.module import Module, Parameter, whole
from micrograd.numpy_api.composites import shape_of

__all__ = ["Linear"]


class Linear(Module):
    """Compute ``x @ weight + bias``.

    Args:
        inputs: columns of `x`.
        outputs: columns of the result.
        bias: whether a bias is added.
        init: ``"he"`` (normal, std ``sqrt(2 / inputs)``, for relu; He et al., 2015) or ``"glorot"`` (uniform, limit
            ``sqrt(6 / (inputs + outputs))``, for tanh and sigmoid; Glorot and Bengio, 2010), or another name in
            `micrograd.nn.initializers`. The bias starts at 0.
        rng: a NumPy Generator, or a seed for one.
        dtype: float32 or float64.

    Attributes:
        weight: (inputs, outputs), the transpose of PyTorch's.
        bias: (outputs,), or None.

    Raises:
        ValueError: a size below 1, an unknown `init`. DTypeError: a dtype that is not a float.
        ShapeError: when called on anything but (N, inputs).

    >>> Linear(2, 3, rng=0)(np.ones((4, 2))).shape
    (4, 3)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        init: str = "he",
        rng: np.random.Generator | int | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.inputs, self.outputs = whole("inputs", inputs), whole("outputs", outputs)
        self.weight = Parameter(initial(init, (self.inputs, self.outputs), rng, dtype))
        self.bias = Parameter(np.zeros(self.outputs, float_dtype(dtype))) if bias else None

    def forward(self, x: Any) -> Any:
        """Return the scores of `x`, (N, inputs): (N, outputs)."""
        shape = shape_of(x)
        if len(shape) != 2 or shape[1] != self.inputs:
            raise ShapeError(
                f"{self!r} got shape {shape}; expected (N, {self.inputs}): one row an example. "
                "Reshape or transpose x, or build the layer with another size."
            )
        scores = x @ self.weight
        if self.bias is None:
            return scores
        return scores + self.bias

    def __repr__(self) -> str:
        return f"Linear({self.inputs}, {self.outputs}{', bias=False' if self.bias is None else ''})"
