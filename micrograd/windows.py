"""What looks at an image through a window: convolution, pooling, local response normalization.

Images are (N, C, H, W), as in PyTorch. Each is composed of primitives: shifted slices, joins, matrix products, sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd import composites as c
from micrograd import primitives as p
from micrograd.composites import shape_of
from micrograd.errors import ShapeError

__all__ = ["avg_pool2d", "conv2d", "local_response_norm", "max_pool2d"]

Pair = int | tuple[int, int]


def pair(name: str, value: Any, lowest: int) -> tuple[int, int]:
    """`value` for height and width.

    Raises:
        ValueError: not one or two whole numbers of at least `lowest`.
    """
    both = value if isinstance(value, tuple) else (value, value)
    if len(both) != 2 or any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < lowest for v in both):
        raise ValueError(
            f"{name} is {value!r}; expected a whole number of at least {lowest}, or two for height, width."
        )
    return int(both[0]), int(both[1])


def _image(x: Any, what: str) -> tuple[int, ...]:
    shape = shape_of(x)
    if len(shape) != 4:
        raise ShapeError(f"{what} got shape {shape}; expected (N, C, H, W), as x.reshape(-1, 1, 8, 8) makes of digits.")
    return shape


def _places(shape: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], what: str) -> tuple[int, int]:
    """How many places a window has along height and width."""
    if kernel[0] > shape[0] or kernel[1] > shape[1]:
        raise ShapeError(
            f"{what}: a window of {kernel[0]}x{kernel[1]} does not fit into {shape[0]}x{shape[1]} pixels "
            "(padding included). Pad more, or take a smaller window."
        )
    return (shape[0] - kernel[0]) // stride[0] + 1, (shape[1] - kernel[1]) // stride[1] + 1


def _padded(x: Any, before: tuple[int, ...], after: tuple[int, ...]) -> Any:
    """`x` with so many zeros before and after it along each axis."""
    if not any((*before, *after)):
        return x
    shape = shape_of(x)
    index = tuple(slice(b, b + size) for b, size in zip(before, shape, strict=True))
    return p.scatter(x, index=index, shape=tuple(b + s + a for b, s, a in zip(before, shape, after, strict=True)))


def _looks(x: Any, axes: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], what: str) -> list[Any]:
    """For each pixel of a window, row by row, what stands there at every place of the window."""
    shape = shape_of(x)
    high, wide = _places((shape[axes[0]], shape[axes[1]]), kernel, stride, what)
    answer = []
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            index = [slice(None)] * len(shape)
            index[axes[0]] = slice(i, i + (high - 1) * stride[0] + 1, stride[0])
            index[axes[1]] = slice(j, j + (wide - 1) * stride[1] + 1, stride[1])
            answer.append(p.gather(x, index=tuple(index)))
    return answer


def conv2d(x: Any, weight: Any, bias: Any = None, *, stride: Pair = 1, padding: Pair = 0) -> Any:
    """The cross-correlation that networks call convolution: one matrix product over all windows.

    ``out[n, o, i, j] = bias[o] + sum(weight[o] * x[n, :, i*stride : i*stride + K, j*stride : j*stride + L])``.

    Args:
        x: (N, C, H, W).
        weight: (O, C, K, L), as in PyTorch.
        bias: (O,), or None.
        stride: how far the window moves, one number or one for each of height and width.
        padding: how many zeros stand around the image.

    Returns:
        (N, O, H', W') with ``H' = (H + 2*padding - K) // stride + 1``.

    Raises:
        ShapeError: shapes that do not fit, a window larger than the padded image. ValueError: stride or padding.

    >>> conv2d(np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2)))
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    stride, padding = pair("stride", stride, 1), pair("padding", padding, 0)
    n, channels, *_ = _image(x, "conv2d")
    shape = shape_of(weight)
    if len(shape) != 4 or shape[1] != channels:
        raise ShapeError(f"weight has shape {shape}, x has {channels} channels; expected (O, {channels}, K, L).")
    outputs, _, *kernel = shape
    rows = c.transpose(
        x, (0, 2, 3, 1)
    )  # the channels of a pixel side by side, so that a window is a row of the product
    around = (0, *padding, 0)
    looks = _looks(_padded(rows, around, around), (1, 2), (kernel[0], kernel[1]), stride, "conv2d")
    windows = c.concatenate(looks, axis=3) if len(looks) > 1 else looks[0]
    _, high, wide, width = shape_of(windows)
    table = c.reshape(c.transpose(weight, (2, 3, 1, 0)), (width, outputs))
    out = c.reshape(windows, (n * high * wide, width)) @ table
    if bias is not None:
        if shape_of(bias) != (outputs,):
            raise ShapeError(f"bias has shape {shape_of(bias)}; expected ({outputs},), one for each output channel.")
        out = out + bias
    return c.transpose(c.reshape(out, (n, high, wide, outputs)), (0, 3, 1, 2))


def _pooled(x: Any, kernel: Pair, stride: Pair | None, fold: Any, what: str) -> Any:
    kernel = pair("kernel", kernel, 1)
    stride = kernel if stride is None else pair("stride", stride, 1)
    n, channels, high, wide = _image(x, what)
    if stride == kernel and high % kernel[0] == 0 and wide % kernel[1] == 0:  # windows side by side: a view
        split = c.reshape(x, (n, channels, high // kernel[0], kernel[0], wide // kernel[1], kernel[1]))
        return fold(split, (3, 5))
    return fold(c.stack(_looks(x, (2, 3), kernel, stride, what), axis=4), (4,))


def max_pool2d(x: Any, kernel: Pair, stride: Pair | None = None) -> Any:
    """The largest entry of each window; equal largest ones share the gradient (PyTorch gives it to the first).

    Args:
        x: (N, C, H, W).
        kernel: the size of the window, one number or one for each of height and width.
        stride: how far it moves; its own size where left out. What is left over at the edge is not looked at.

    Raises:
        ShapeError: not an image, or a window larger than it. ValueError: kernel or stride below 1.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _pooled(x, kernel, stride, c.amax, "max_pool2d")


def avg_pool2d(x: Any, kernel: Pair, stride: Pair | None = None) -> Any:
    """The mean of each window; arguments as in `max_pool2d`.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return _pooled(x, kernel, stride, c.mean, "avg_pool2d")


def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Each entry over a power of the sum of squares of its neighbours in `size` channels (Krizhevsky et al., 2012).

    ``x / (k + alpha / size * sum of squares) ** beta``: alpha is divided by the size, as in PyTorch, not in the paper.
    Of an even `size` the channel itself and one more lie before the middle.

    Args:
        x: (N, C, ...).
        size: how many channels are neighbours, at least 1.
        alpha: the weight of the squares.
        beta: the exponent.
        k: keeps the quotient finite.

    Raises:
        ShapeError: fewer than two axes. ValueError: a size below 1.

    >>> local_response_norm(np.ones((1, 3, 1)), 3, alpha=3.0, beta=1.0).round(3)
    array([[[0.333],
            [0.25 ],
            [0.333]]])
    """
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"local_response_norm got shape {shape}; expected (N, C, ...).")
    size, _ = pair("size", size, 1)
    others = (0,) * (len(shape) - 2)
    sq = _padded(x * x, (0, size // 2, *others), (0, (size - 1) // 2, *others))
    near = [p.gather(sq, index=(slice(None), slice(first, first + shape[1]))) for first in range(size)]
    total = near[0]
    for squares in near[1:]:
        total = total + squares
    return x * p.pow(k + alpha / size * total, exponent=-beta)
