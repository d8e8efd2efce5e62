"""Build layers that normalize: over the batch, over an example's features, over groups and neighbours of channels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from micrograd import primitives as p
from micrograd.batchnorm import batch_norm_inference, update_running_statistics
from micrograd.batchnorm.batchnorm import batch_norm_with_statistics
from micrograd.errors import ShapeError
from micrograd.modes import capturing
from micrograd.nn.initializers import float_dtype
from micrograd.nn.module import Module, Parameter, whole
from micrograd.nn.windows import local_response_norm
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import shape_of

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm", "LocalResponseNorm"]


def _positive_eps(eps: float) -> float:
    if not eps > 0.0:
        raise ValueError(f"eps is {eps}; expected a positive number such as 1e-5, or a constant column divides by 0.")
    return float(eps)


class _BatchNorm(Module):
    """Hold what both batch norms share: parameters, running statistics, and which are used when."""

    buffers: ClassVar[tuple[str, ...]] = ("running_mean", "running_var", "num_batches_tracked")
    _shapes: ClassVar[dict[int, str]]
    _what: ClassVar[str]

    def __init__(
        self, features: int, *, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, dtype: Any = np.float64,
    ) -> None:  # fmt: skip
        self.features, dtype = whole("features", features), float_dtype(dtype)
        self.eps = _positive_eps(eps)
        if momentum is not None and not 0.0 <= momentum <= 1.0:
            raise ValueError(f"momentum is {momentum}; expected 0 to 1, the weight of the new value, or None.")
        self.momentum, self.affine, self.track_running_stats = momentum, bool(affine), bool(track_running_stats)
        self.gamma: Parameter | None = Parameter(np.ones(self.features, dtype)) if affine else None
        self.beta: Parameter | None = Parameter(np.zeros(self.features, dtype)) if affine else None
        self.running_mean: Any = np.zeros(self.features, dtype) if track_running_stats else None
        self.running_var: Any = np.ones(self.features, dtype) if track_running_stats else None
        self.num_batches_tracked: Any = 0 if track_running_stats else None

    def forward(self, x: Any) -> Any:
        """Return `x` normalized, in its shape; in training the running statistics move."""
        shape = shape_of(x)
        if len(shape) not in self._shapes or shape[1] != self.features:
            expected = " or ".join(text.format(self.features) for text in self._shapes.values())
            raise ShapeError(
                f"{self!r} got shape {shape}; expected {expected}. "
                "Reshape or transpose x, or build the layer with another size."
            )
        axis = None if len(shape) == 2 else 1
        if not self.training and self.track_running_stats:
            return batch_norm_inference(
                x, self.gamma, self.beta, self.running_mean, self.running_var, self.eps, axis=axis
            )
        m = shape[0] * int(np.prod(shape[2:], dtype=int))
        if m < 2:
            when = "in training" if self.training else "without running statistics"
            raise ShapeError(
                f"{self!r} {when} got one {self._what}, whose variance is always 0; "
                "pass at least two, or call eval() first"
                + ("." if self.track_running_stats else " on one that tracks.")
            )
        out, mu, var = batch_norm_with_statistics(x, self.gamma, self.beta, self.eps, axis=axis)
        if self.track_running_stats:
            if axis is not None:  # they have kept unit axes
                mu, var = c.reshape(mu, (self.features,)), c.reshape(var, (self.features,))
            self._track(mu, var, m)  # last, so that a refused batch leaves no trace
        return out

    def _track(self, mu: Any, var: Any, m: int) -> None:
        share: Any = self.momentum
        if (capture := capturing()) is not None:
            count = capture.counted(vars(self), "num_batches_tracked")
            share = capture.host(lambda: 1.0 / count()) if share is None else share
        else:
            mu, var = (s.raw if isinstance(s, Parameter) else s for s in (mu, var))  # averages carry no graph
            self.num_batches_tracked += 1
            share = 1.0 / self.num_batches_tracked if share is None else share
        self.running_mean, self.running_var = update_running_statistics(
            self.running_mean, self.running_var, mu, var, m=m, momentum=share
        )

    def __repr__(self) -> str:
        more = "" if self.affine else ", affine=False"
        more += "" if self.track_running_stats else ", track_running_stats=False"
        return f"{type(self).__name__}({self.features}, eps={self.eps:g}, momentum={self.momentum}{more})"


class BatchNorm1d(_BatchNorm):
    """Normalize each column of an (N, D) batch over its rows (Ioffe and Szegedy, 2015).

    Of an (N, C, L) batch each channel is normalized over rows and places.

    In training the batch's own mean and biased variance (1/N) are used, and the running statistics move:
    ``running = (1 - momentum) * running + momentum * batch``, with the *unbiased* variance, m/(m-1) times the biased.
    In evaluation the running statistics are used, in the folded form ``scale * x + shift``.

    Args:
        features: D, columns of `x`.
        eps: added to the variance.
        momentum: weight of the new value, as in PyTorch (ONNX and TensorFlow weigh the old one); None takes
            the plain mean over all batches seen, the population statistics of the paper.
        affine: whether there are a scale and a shift to be learnt.
        track_running_stats: whether there are running statistics; without them the batch's own are used in
            evaluation too.
        dtype: float32 or float64.

    Attributes:
        gamma, beta: parameters (D,), scale and shift, from 1 and 0; None without `affine`.
        running_mean, running_var, num_batches_tracked: buffers; None where nothing is tracked.

    Raises:
        ValueError: a size below 1, eps that is not positive, a momentum outside 0..1.
        ShapeError: when called on anything but (N, D) and (N, C, L), or in training on a single value a column.

    >>> layer = BatchNorm1d(2)
    >>> out = layer(np.array([[0.0, 10.0], [2.0, 30.0]]))
    >>> out.data.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean
    array([0.1, 2. ])
    """

    _shapes: ClassVar = {2: "(N, {}): one row an example", 3: "(N, {}, L)"}
    _what = "row"


class BatchNorm2d(_BatchNorm):
    """Normalize each channel of images (N, C, H, W) over all pixels of the batch.

    Arguments, attributes and running statistics are those of `BatchNorm1d`, with C for D and m = N * H * W.

    >>> layer = BatchNorm2d(3)
    >>> layer(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    _shapes: ClassVar = {4: "(N, {}, H, W)"}
    _what = "pixel"


class LayerNorm(Module):
    """Normalize each example over its last axis or axes (Ba, Kiros and Hinton, 2016), without running statistics.

    Args:
        shape: the sizes of the axes that are normalized over, the last ones of `x`; a number for one.
        eps: added to the (biased) variance.
        dtype: float32 or float64.

    Attributes:
        gamma, beta: parameters of this shape, from 1 and 0.

    Raises:
        ValueError: a size below 1, eps that is not positive. ShapeError: when the last axes of `x` have other sizes.

    >>> LayerNorm(4)(np.array([[0.0, 2.0, 0.0, 2.0]])).data.round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(self, shape: int | tuple[int, ...], *, eps: float = 1e-5, dtype: Any = np.float64) -> None:
        self.shape = tuple(whole("shape", s) for s in (shape if isinstance(shape, (tuple, list)) else (shape,)))
        self.eps, dtype = _positive_eps(eps), float_dtype(dtype)
        self.gamma, self.beta = Parameter(np.ones(self.shape, dtype)), Parameter(np.zeros(self.shape, dtype))

    def forward(self, x: Any) -> Any:
        """Return `x` normalized, in its shape."""
        shape = shape_of(x)
        if shape[-len(self.shape) :] != self.shape:
            raise ShapeError(
                f"{self!r} got shape {shape}; expected (..., {', '.join(map(str, self.shape))}). "
                "Transpose x, or build the layer with another shape."
            )
        axes = tuple(range(len(shape) - len(self.shape), len(shape)))
        return self.gamma * _normalized(x, axes, self.eps) + self.beta

    def __repr__(self) -> str:
        return f"LayerNorm({self.shape[0] if len(self.shape) == 1 else self.shape}, eps={self.eps:g})"


def _normalized(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    """Scale `x` to mean 0 and variance 1 over these axes, by the steps and names of batch normalization."""
    mu = c.mean(x, axes, keepdims=True)
    xmu = x - mu
    sq = p.pow(xmu, exponent=2)
    var = c.mean(sq, axes, keepdims=True)
    sqrtvar = p.sqrt(var + eps)
    ivar = p.reciprocal(sqrtvar)
    return xmu * ivar


class GroupNorm(Module):
    """Normalize each example over groups of channels and all pixels (Wu and He, 2018), without running statistics.

    Args:
        groups: how many; with 1 all channels are together, with as many as channels each is by itself.
        channels: C, a multiple of `groups`.
        eps: added to the (biased) variance.
        dtype: float32 or float64.

    Attributes:
        gamma, beta: parameters (C,), from 1 and 0.

    Raises:
        ValueError: groups that do not divide the channels, eps that is not positive.
        ShapeError: when called on anything but (N, C, ...).

    >>> GroupNorm(2, 4)(np.ones((2, 4, 3, 3))).shape
    (2, 4, 3, 3)
    """

    def __init__(self, groups: int, channels: int, *, eps: float = 1e-5, dtype: Any = np.float64) -> None:
        self.groups, self.channels = whole("groups", groups), whole("channels", channels)
        if self.channels % self.groups:
            raise ValueError(f"{groups} groups do not divide {channels} channels; use a divisor of {channels}.")
        self.eps, dtype = _positive_eps(eps), float_dtype(dtype)
        self.gamma, self.beta = Parameter(np.ones(self.channels, dtype)), Parameter(np.zeros(self.channels, dtype))

    def forward(self, x: Any) -> Any:
        """Return `x` normalized, in its shape."""
        shape = shape_of(x)
        if len(shape) < 2 or shape[1] != self.channels:
            raise ShapeError(
                f"{self!r} got shape {shape}; expected (N, {self.channels}, ...). "
                "Transpose x, or build the layer with another number of channels."
            )
        n, rest = shape[0], shape[2:]
        grouped = c.reshape(x, (n, self.groups, self.channels // self.groups, *rest))
        xhat = c.reshape(_normalized(grouped, tuple(range(2, 3 + len(rest))), self.eps), shape)
        unit = (self.channels, *(1 for _ in rest))
        return c.reshape(self.gamma, unit) * xhat + c.reshape(self.beta, unit)

    def __repr__(self) -> str:
        return f"GroupNorm({self.groups}, {self.channels}, eps={self.eps:g})"


class LocalResponseNorm(Module):
    """Divide each entry by a power of its neighbours' squares; see `micrograd.nn.windows.local_response_norm`.

    >>> LocalResponseNorm(5)(np.ones((2, 8, 4, 4))).shape
    (2, 8, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = whole("size", size), float(alpha), float(beta), float(k)

    def forward(self, x: Any) -> Any:
        """Return `x`, (N, C, ...), normalized, in its shape."""
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def __repr__(self) -> str:
        return f"LocalResponseNorm({self.size}, alpha={self.alpha:g}, beta={self.beta:g}, k={self.k:g})"
