"""Build layers on images (N, C, H, W): convolution and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd.errors import ShapeError
from micrograd.nn import windows as w
from micrograd.nn.initializers import float_dtype, initial
from micrograd.nn.module import Module, Pair, Parameter, pair, whole
from micrograd.numpy_api.composites import shape_of

__all__ = ["AvgPool2d", "Conv2d", "MaxPool2d"]


class Conv2d(Module):
    """Convolve images with a window of weights; see `micrograd.nn.windows.conv2d`.

    Args:
        inputs: channels of `x`.
        outputs: channels of the result.
        kernel: the size of the window, one number or one for each of height and width.
        stride: how far it moves.
        padding: how many zeros are put around the image.
        bias: whether a bias is added (batch norm after it would subtract it again).
        init: a name in `micrograd.nn.initializers`; the inputs of a unit are ``inputs * height * width`` of the window.
        rng: a NumPy Generator, or a seed for one.
        dtype: float32 or float64.

    Attributes:
        weight: (outputs, inputs, K, L), as in PyTorch.
        bias: (outputs,), or None.

    Raises:
        ValueError: a size below 1, an unknown `init`. ShapeError: when called on anything but (N, inputs, H, W).

    >>> Conv2d(1, 4, 3, padding=1, rng=0)(np.ones((2, 1, 8, 8))).shape
    (2, 4, 8, 8)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Pair,
        *,
        stride: Pair = 1,
        padding: Pair = 0,
        bias: bool = True,
        init: str = "he",
        rng: np.random.Generator | int | None = None,
        dtype: Any = np.float64,
    ) -> None:
        self.inputs, self.outputs = whole("inputs", inputs), whole("outputs", outputs)
        self.kernel, self.stride = pair("kernel", kernel, 1), pair("stride", stride, 1)
        self.padding = pair("padding", padding, 0)
        shape = (self.outputs, self.inputs, *self.kernel)
        self.weight = Parameter(initial(init, shape, rng, dtype))
        self.bias = Parameter(np.zeros(self.outputs, float_dtype(dtype))) if bias else None

    def forward(self, x: Any) -> Any:
        """Return the convolution of `x`, (N, inputs, H, W): (N, outputs, H', W')."""
        shape = shape_of(x)
        if len(shape) != 4 or shape[1] != self.inputs:
            raise ShapeError(
                f"{self!r} got shape {shape}; expected (N, {self.inputs}, H, W). "
                "Reshape x, or build the layer with another number of channels."
            )
        return w.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)

    def __repr__(self) -> str:
        said = f"Conv2d({self.inputs}, {self.outputs}, {_short(self.kernel)}"
        said += f", stride={_short(self.stride)}" if self.stride != (1, 1) else ""
        said += f", padding={_short(self.padding)}" if self.padding != (0, 0) else ""
        return said + (", bias=False)" if self.bias is None else ")")


def _short(both: tuple[int, int]) -> str:
    return str(both[0]) if both[0] == both[1] else str(both)


class _Pool2d(Module):
    def __init__(self, kernel: Pair, stride: Pair | None = None) -> None:
        self.kernel = pair("kernel", kernel, 1)
        self.stride = self.kernel if stride is None else pair("stride", stride, 1)

    def __repr__(self) -> str:
        stride = "" if self.stride == self.kernel else f", stride={_short(self.stride)}"
        return f"{type(self).__name__}({_short(self.kernel)}{stride})"


class MaxPool2d(_Pool2d):
    """Take the largest entry of each window; see `micrograd.nn.windows.max_pool2d`.

    >>> MaxPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    def forward(self, x: Any) -> Any:
        """Return the maxima of `x`, (N, C, H, W): (N, C, H', W')."""
        return w.max_pool2d(x, self.kernel, self.stride)


class AvgPool2d(_Pool2d):
    """Take the mean of each window; see `micrograd.nn.windows.avg_pool2d`.

    >>> AvgPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    def forward(self, x: Any) -> Any:
        """Return the means of `x`, (N, C, H, W): (N, C, H', W')."""
        return w.avg_pool2d(x, self.kernel, self.stride)
