"""Compute with windows of an image: convolution, pooling, local response normalization.

Images are (N, C, H, W), as in PyTorch. Each is a gather of all windows, then a matrix product, a maximum or a sum.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from micrograd import primitives as p
from micrograd.errors import ShapeError
from micrograd.nn.module import Pair, pair, whole
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import shape_of

__all__ = ["avg_pool2d", "conv2d", "local_response_norm", "max_pool2d"]


def _image(x: Any, what: str) -> tuple[int, ...]:
    shape = shape_of(x)
    if len(shape) != 4:
        raise ShapeError(f"{what} got shape {shape}; expected (N, C, H, W). Digits: x.reshape(-1, 1, 8, 8).")
    return shape


def _window_counts(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], what: str
) -> tuple[int, int]:
    """Count the positions of a window along height and width."""
    if kernel[0] > shape[0] or kernel[1] > shape[1]:
        raise ShapeError(
            f"{what}: a window of {kernel[0]}x{kernel[1]} does not fit into {shape[0]}x{shape[1]} pixels "
            "(padding included). Pad more, or take a smaller window."
        )
    return (shape[0] - kernel[0]) // stride[0] + 1, (shape[1] - kernel[1]) // stride[1] + 1


def _padded(x: Any, before: tuple[int, ...], after: tuple[int, ...]) -> Any:
    """Return `x` with zeros before and after it along each axis."""
    if not any((*before, *after)):
        return x
    shape = shape_of(x)
    index = tuple(slice(b, b + size) for b, size in zip(before, shape, strict=True))
    return p.scatter(x, index=index, shape=tuple(b + s + a for b, s, a in zip(before, shape, after, strict=True)))


def _positions(
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    order: tuple[int, ...],
) -> tuple[np.ndarray[Any, Any], tuple[int, ...]]:
    """Return the index in the flat image of each entry of each window, and the shape of all windows."""
    windows = sliding_window_view(np.arange(math.prod(shape)).reshape(shape), sizes, axes)
    steps = [slice(None)] * windows.ndim
    for axis, stride in zip(axes, strides, strict=True):
        steps[axis] = slice(None, None, stride)
    placed = windows[tuple(steps)].transpose(order)
    flat = placed.ravel()
    flat.flags.writeable = False
    return flat, placed.shape


# Kept for the batches of a training loop. Positions take much more memory than images: a data set's are not kept.
_remembered, _SMALL = lru_cache(maxsize=8)(_positions), 2**18


def _windows(
    x: Any, axes: tuple[int, ...], sizes: tuple[int, ...], strides: tuple[int, ...], order: tuple[int, ...]
) -> Any:
    """Return the windows of `x` along `axes`; `order` transposes its own axes and then those of the window.

    They are one gather from the flat array: its gradient adds at flat positions, which is NumPy's fastest way.
    """
    size = math.prod(shape_of(x))
    flat, shape = (_remembered if size <= _SMALL else _positions)(shape_of(x), axes, sizes, strides, order)
    return c.reshape(p.gather(c.reshape(x, (size,)), index=flat), shape)


def conv2d(x: Any, weight: Any, bias: Any = None, *, stride: Pair = 1, padding: Pair = 0) -> Any:
    """Compute the cross-correlation that networks call convolution, as one matrix product over all windows.

    ``out[n, o, i, j] = bias[o] + sum(weight[o] * x[n, :, i*stride : i*stride + K, j*stride : j*stride + L])``.

    Args:
        x: (N, C, H, W).
        weight: (O, C, K, L), as in PyTorch.
        bias: (O,), or None.
        stride: how far the window moves, one number or one for each of height and width.
        padding: how many zeros are put around the image.

    Returns:
        (N, O, H', W') with ``H' = (H + 2*padding - K) // stride + 1``.

    Raises:
        ShapeError: shapes that do not fit, a window larger than the padded image. ValueError: a bad stride or padding.

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
    padded = _padded(x, (0, 0, *padding), (0, 0, *padding))
    high, wide = _window_counts(shape_of(padded)[2:], (kernel[0], kernel[1]), stride, "conv2d")
    windows = _windows(padded, (2, 3), (kernel[0], kernel[1]), stride, (0, 2, 3, 1, 4, 5))
    width = channels * kernel[0] * kernel[1]
    table = c.transpose(c.reshape(weight, (outputs, width)), (1, 0))
    out = c.reshape(windows, (n * high * wide, width)) @ table
    if bias is not None:
        if shape_of(bias) != (outputs,):
            raise ShapeError(f"bias has shape {shape_of(bias)}; expected ({outputs},), one for each output channel.")
        out = out + bias
    return c.transpose(c.reshape(out, (n, high, wide, outputs)), (0, 3, 1, 2))


def _pooled(x: Any, kernel: Pair, stride: Pair | None, fold: Any, what: str) -> Any:
    kernel = pair("kernel", kernel, 1)
    stride = kernel if stride is None else pair("stride", stride, 1)
    _window_counts(_image(x, what)[2:], kernel, stride, what)
    windows = _windows(x, (2, 3), kernel, stride, (4, 5, 0, 1, 2, 3))
    return fold(windows, (0, 1))  # over the first axes, so that sums run along whole rows


def max_pool2d(x: Any, kernel: Pair, stride: Pair | None = None) -> Any:
    """Take the largest entry of each window; equal largest ones share the gradient (PyTorch gives it to the first).

    Args:
        x: (N, C, H, W).
        kernel: the size of the window, one number or one for each of height and width.
        stride: how far it moves; its own size where left out. A remainder at the edge is left out.

    Returns:
        (N, C, H', W').

    Raises:
        ShapeError: not an image, or a window larger than it. ValueError: kernel or stride below 1.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _pooled(x, kernel, stride, c.amax, "max_pool2d")


def avg_pool2d(x: Any, kernel: Pair, stride: Pair | None = None) -> Any:
    """Take the mean of each window; arguments as in `max_pool2d`.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return _pooled(x, kernel, stride, c.mean, "avg_pool2d")


def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Divide each entry by a power of the sum of its neighbours' squares in `size` channels (Krizhevsky et al., 2012).

    ``x / (k + alpha / size * sum of squares) ** beta``: alpha is divided by the size, as in PyTorch, not in the paper.
    With an even `size` there is one neighbour more before the channel than after it.

    Args:
        x: (N, C, ...).
        size: how many channels are neighbours, at least 1.
        alpha: the weight of the squares.
        beta: the exponent.
        k: keeps the quotient finite.

    Returns:
        An array or tensor in the shape of `x`.

    Raises:
        ShapeError: fewer than two axes. ValueError: a size below 1.

    >>> local_response_norm(np.ones((1, 3, 1)), 3, alpha=3.0, beta=1.0).round(3)
    array([[[0.333],
            [0.25 ],
            [0.333]]])
    """
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"local_response_norm got shape {shape}; expected (N, C, ...). Use x[None] for one example.")
    size = whole("size", size)
    others = (0,) * (len(shape) - 2)
    sq = _padded(x * x, (0, size // 2, *others), (0, (size - 1) // 2, *others))
    near = _windows(sq, (1,), (size,), (1,), (len(shape), *range(len(shape))))
    return x * p.pow(k + alpha / size * c.sum(near, 0), exponent=-beta)
