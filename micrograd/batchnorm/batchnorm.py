"""Compute batch normalization: composed of primitives, by hand in NumPy, and in the test phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.anomaly import is_checking
from micrograd.batchnorm.checks import (
    bessel,
    channel_axes,
    floats,
    parameter_error,
    plain,
    refuse_constant,
    single_row,
    usable_eps,
    warn_of_offset,
)
from micrograd.engine import Tensor
from micrograd.errors import GraphError, ShapeError
from micrograd.modes import capturing
from micrograd.numpy_api.composites import shape_of

__all__ = [
    "batch_norm",
    "batch_norm_inference",
    "batch_norm_with_statistics",
    "batch_statistics",
    "batchnorm_backward",
    "batchnorm_backward_fused",
    "batchnorm_forward",
    "inference_scale_shift",
    "population_statistics",
    "update_running_statistics",
]


# ---- composed of primitives ------------------------------------------------------------------------------


def batch_norm(
    x: Any, gamma: Any = None, beta: Any = None, eps: float = 1e-5, *, axis: int | None = None, strict: bool = False
) -> Any:
    """Normalize each feature over the batch, then scale by `gamma` and shift by `beta` (training phase).

    The graph is that of `batchnorm_forward`, bit for bit: `mu, xmu, sq, var, sqrtvar, ivar, xhat, gammax, out`, of
    the primitives ``sum sub pow sqrt reciprocal mul add`` only. The variance is the biased one (1/N). A constant column
    gives beta: exactly where ``1/N * sum`` is exact, else within the bound of `micrograd.batchnorm.tolerance`.

    Args:
        x: the batch, shape (N, D); with `axis`, any shape of two dimensions or more. float32, float64 or
            longdouble; float16 is cast to float32 for all the arithmetic and the result cast back.
        gamma: the scale, shape (D,); None leaves the step out, as does None for `beta`.
        beta: the shift, shape (D,). Dtypes promote as in NumPy: a float64 `gamma` makes a float32 batch float64.
        eps: added to the variance under the root; any finite number >= 0.
        axis: the axis of the channels; statistics are taken over all others. Needed where x has more than
            two dimensions (1 for N, C, H, W).
        strict: raise instead of warning where each statistic is of a single value.

    Each of x, gamma and beta may be a tensor or an array; no gradient flows to an array.

    Returns:
        A tensor shaped like x (an array if there is no tensor among the arguments).

    Raises:
        ShapeError: x without rows or without two dimensions; gamma or beta not of shape (D,); one row if `strict`.
        DTypeError: an argument that is not a real floating-point array or number.
        GraphError: an eps that is negative, not finite, or 0 in the dtype of x.
        NumericalError: eps = 0 and a constant column.

    Warns:
        BatchSizeWarning: statistics of a single value.
        PrecisionWarning: inside `micrograd.checked`, where a mean exceeds its standard deviation so far that half of
            the digits are lost.

    >>> from micrograd.engine import Tensor
    >>> x = Tensor(np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]]))
    >>> out = batch_norm(x, Tensor(np.ones(2)), Tensor(np.array([0.0, 7.0])))
    >>> out.data.round(3)
    array([[-0.926,  7.   ],
           [-0.463,  7.   ],
           [ 1.389,  7.   ]])
    >>> out.backward(np.ones((3, 2)))
    >>> bool(abs(x.grad).max() < 1e-12)  # an equal change of a whole column of outputs needs no change of x
    True
    """
    return batch_norm_with_statistics(x, gamma, beta, eps, axis=axis, strict=strict)[0]


def batch_norm_with_statistics(
    x: Any, gamma: Any = None, beta: Any = None, eps: float = 1e-5, *, axis: int | None = None, strict: bool = False
) -> tuple[Any, Any, Any]:
    """Return what `batch_norm` returns, and the mean and the biased variance of the batch, for running averages.

    Arguments and errors are those of `batch_norm`; mean and variance have shape (D,), with `axis` unit axes besides.

    >>> [v.tolist() for v in batch_norm_with_statistics(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), 3.0)]
    [[[-0.5], [0.5]], [2.0], [1.0]]
    """
    x = x if isinstance(x, Tensor) else floats(x, "x")
    gamma = gamma if gamma is None or isinstance(gamma, Tensor) else floats(gamma, "gamma")
    beta = beta if beta is None or isinstance(beta, Tensor) else floats(beta, "beta")
    shape = x.shape
    over: dict[str, Any] = {"axis": 0}
    if len(shape) == 2 and axis is None:
        n, d = shape
    else:
        over, n, d, unit = channel_axes(shape, axis)
    if n == 0:
        raise ShapeError(f"x has no rows (shape {shape}): the mean of an empty batch is undefined. Pass at least two.")
    if gamma is not None and gamma.shape != (d,):
        raise parameter_error("gamma", gamma, d)
    if beta is not None and beta.shape != (d,):
        raise parameter_error("beta", beta, d)
    narrow = x.dtype.itemsize == 2
    if narrow or type(eps) is not float or not 1e-30 < eps < 1e30:
        eps = usable_eps(eps, x.dtype)
    if n == 1:
        single_row(strict)

    # Step 0: shapes and dtypes that the steps below can take
    if narrow:
        x = p.cast(x, dtype="float32")
    if "keepdims" in over:  # the channels are not last: the parameters get the unit axes of the statistics
        if gamma is not None:
            gamma = p.reshape(gamma, shape=unit)
        if beta is not None:
            beta = p.reshape(beta, shape=unit)
    # Step 1: mean of each feature
    mu = 1.0 / n * p.sum(x, **over)
    # Step 2: subtract the mean from every row
    xmu = x - mu
    # Step 3: square
    sq = p.pow(xmu, exponent=2)
    # Step 4: variance of each feature
    var = 1.0 / n * p.sum(sq, **over)
    if not eps:
        refuse_constant(var)
    if is_checking():
        warn_of_offset(mu, var, eps)
    # Step 5: add eps, take the root
    sqrtvar = p.sqrt(var + eps)
    # Step 6: invert
    ivar = p.reciprocal(sqrtvar)
    # Step 7: normalize
    xhat = xmu * ivar
    # Step 8: scale by gamma
    gammax = xhat
    if gamma is not None:
        gammax = gamma * xhat
    # Step 9: shift by beta
    out = gammax
    if beta is not None:
        out = gammax + beta
    if narrow:
        out = p.cast(out, dtype="float16")
    return out, mu, var


# ---- by hand ---------------------------------------------------------------------------------------------


def batchnorm_forward(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> tuple[Any, tuple[Any, ...]]:
    """Run the forward pass by hand: nine steps of plain NumPy, which also run on tensors and trace.

    Nothing is checked and everything broadcasts, as in any notebook; `batch_norm` checks.

    Args:
        x: the batch, shape (N, D).
        gamma: the scale, shape (D,).
        beta: the shift, shape (D,).
        eps: added to the variance.

    Returns:
        The output, shape (N, D), and the cache that `batchnorm_backward` reads.

    >>> out, cache = batchnorm_forward(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), 0.0)
    >>> out
    array([[-1.],
           [ 1.]])
    """
    N, _ = x.shape
    # Step 1: mean of each feature
    mu = 1.0 / N * np.sum(x, axis=0)
    # Step 2: subtract the mean from every row
    xmu = x - mu
    # Step 3: square
    sq = xmu**2
    # Step 4: variance of each feature
    var = 1.0 / N * np.sum(sq, axis=0)
    # Step 5: add eps, take the root
    sqrtvar = np.sqrt(var + eps)
    # Step 6: invert
    ivar = 1.0 / sqrtvar
    # Step 7: normalize
    xhat = xmu * ivar
    # Step 8: scale by gamma
    gammax = gamma * xhat
    # Step 9: shift by beta
    out = gammax + beta
    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache


def batchnorm_backward(dout: Any, cache: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Run the backward pass by hand: the nine steps in reverse, one local derivative at a time.

    Where a value is used twice, one gradient comes back on each path (``dxmu1`` and ``dxmu2``, ``dx1`` and ``dx2``)
    and their sum is the gradient of the value. Where a value was broadcast, its gradient is a sum over rows.

    Args:
        dout: the gradient of the output, shape (N, D).
        cache: what `batchnorm_forward` returned beside the output.

    Returns:
        dx of shape (N, D), dgamma and dbeta of shape (D,).

    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, np.ones(1), np.zeros(1))
    >>> dx, dgamma, dbeta = batchnorm_backward(np.array([[1.0], [0.0], [0.0]]), cache)
    >>> dx.ravel().round(3)
    array([ 0.176, -0.22 ,  0.044])
    """
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    # Step 9: out = gammax + beta
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    # Step 8: gammax = gamma * xhat
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    # Step 7: xhat = xmu * ivar
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    # Step 6: ivar = 1 / sqrtvar
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    # Step 5: sqrtvar = sqrt(var + eps)
    dvar = 0.5 / np.sqrt(var + eps) * dsqrtvar
    # Step 4: var = 1/N * sum(sq)
    dsq = 1.0 / N * np.ones((N, D), dout.dtype) * dvar
    # Step 3: sq = xmu**2
    dxmu2 = 2.0 * xmu * dsq
    # Step 2: xmu = x - mu
    dx1 = dxmu1 + dxmu2
    dmu = -1.0 * np.sum(dxmu1 + dxmu2, axis=0)
    # Step 1: mu = 1/N * sum(x)
    dx2 = 1.0 / N * np.ones((N, D), dout.dtype) * dmu
    # Step 0: x goes two ways, into xmu and into mu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def batchnorm_backward_fused(dout: Any, cache: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Run the backward pass as one formula: ``dx = gamma * ivar / N * (N * dout - dbeta - xhat * dgamma)``.

    Args:
        dout: the gradient of the output, shape (N, D).
        cache: what `batchnorm_forward` returned beside the output.

    Returns:
        dx of shape (N, D), dgamma and dbeta of shape (D,): those of `batchnorm_backward` within
        `micrograd.batchnorm.tolerance.bn_bounds`.

    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> out, cache = batchnorm_forward(x, np.ones(1), np.zeros(1))
    >>> batchnorm_backward_fused(np.array([[1.0], [0.0], [0.0]]), cache)[0].ravel().round(3)
    array([ 0.176, -0.22 ,  0.044])
    """
    xhat, gamma, _, ivar, *_ = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dx = gamma * ivar / N * (N * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


# ---- the test phase --------------------------------------------------------------------------------------


def batch_statistics(x: Any) -> tuple[Any, Any]:
    """Return mean and biased (1/N) variance of each column, as the training phase computes them.

    Args:
        x: the batch, shape (N, D), N at least 1.

    Returns:
        Two arrays of shape (D,).

    Raises:
        ShapeError: x has no rows or not two dimensions. DTypeError: x is not an array of floats.

    >>> batch_statistics(np.array([[1.0], [3.0]]))
    (array([2.]), array([1.]))
    """
    x = np.asarray(x.data) if isinstance(x, Tensor) else floats(x, "x")
    _, n, _, _ = channel_axes(x.shape, None)
    if n == 0:
        raise ShapeError(
            f"x has no rows (shape {x.shape}): the mean of an empty batch is undefined. Pass at least two."
        )
    mu = 1.0 / n * np.sum(x, axis=0)
    return mu, 1.0 / n * np.sum((x - mu) ** 2, axis=0)


def population_statistics(means: Sequence[Any] | Any, variances: Sequence[Any] | Any, m: int) -> tuple[Any, Any]:
    """Return mean and variance of the population from those of its batches (Ioffe and Szegedy 2015, algorithm 2).

    The mean is the mean of the batch means. The variance is m/(m-1) times the mean of the biased batch
    variances, which makes it unbiased.

    Args:
        means: the means of K batches, shape (K, D) or a list of K arrays of shape (D,).
        variances: their biased (1/m) variances, of the same shape.
        m: how many values each batch statistic was taken over, the same for all batches, at least 2.

    Returns:
        Two arrays of shape (D,).

    Raises:
        ShapeError: no batch, shapes that differ, or m below 2.

    >>> population_statistics([np.array([1.0]), np.array([3.0])], [np.array([3.0]), np.array([6.0])], m=4)
    (array([2.]), array([6.]))
    """
    means, variances = np.asarray(means), np.asarray(variances)
    if means.shape != variances.shape or means.ndim == 0 or len(means) == 0:
        raise ShapeError(
            f"means have shape {means.shape}, variances {variances.shape}; pass one of each for at least one batch."
        )
    return means.mean(axis=0), bessel(m) * variances.mean(axis=0)


def update_running_statistics(
    running_mean: Any, running_var: Any, mean: Any, var: Any, m: int, momentum: Any = 0.1
) -> tuple[Any, Any]:
    """Update the moving averages of the statistics, which frameworks keep in place of `population_statistics`.

    ``running = (1 - momentum) * running + momentum * new``: `momentum` weighs the *new* value, as in PyTorch; ONNX and
    TensorFlow call ``1 - momentum`` by that name. The running variance takes the unbiased variance, m/(m-1) times
    the batch's. Nothing is changed in place.

    Args:
        running_mean: the average so far, shape (D,); start with zeros.
        running_var: the average so far, shape (D,); start with ones.
        mean: the mean of this batch, shape (D,).
        var: the biased (1/m) variance of this batch, shape (D,).
        m: how many values each was taken over, at least 2.
        momentum: the weight of this batch, between 0 and 1.

    Returns:
        The new running mean and variance, in the dtype of the old.

    Raises:
        GraphError: momentum outside 0..1. ShapeError: m below 2, or shapes that differ.

    >>> update_running_statistics(np.zeros(1), np.ones(1), np.array([2.0]), np.array([3.0]), m=4, momentum=0.5)
    (array([1.]), array([2.5]))
    """
    if not isinstance(momentum, Tensor) and not 0 <= momentum <= 1:
        raise GraphError(f"momentum must be between 0 and 1 (the weight of the new value); got {momentum!r}.")
    shape = shape_of(running_mean)
    for name, value in (("running_var", running_var), ("mean", mean), ("var", var)):
        if shape_of(value) != shape:
            raise ShapeError(f"{name} has shape {shape_of(value)}, running_mean has {shape}; they must be equal.")
    keep, unbiased = 1.0 - momentum, bessel(m)
    new_mean = keep * running_mean + momentum * mean
    new_var = keep * running_var + momentum * (unbiased * var)
    return _in_dtype_of(running_mean, new_mean), _in_dtype_of(running_var, new_var)


def _in_dtype_of(old: Any, new: Any) -> Any:
    return new if new.dtype == old.dtype else p.cast(new, dtype=old.dtype.name)


def inference_scale_shift(gamma: Any, beta: Any, mean: Any, var: Any, eps: float = 1e-5) -> tuple[Any, Any]:
    """Return the slope and the intercept of batch normalization with fixed statistics, a line per feature.

    ``scale = gamma / sqrt(var + eps)`` and ``shift = beta - scale * mean`` (Ioffe and Szegedy 2015, algorithm 2, line
    11).  They may be computed once and folded into the layer before.

    Args:
        gamma: the scale learnt, shape (D,), a tensor or an array, as are the others; None for ones.
        beta: the shift learnt, shape (D,); None for zeros.
        mean: that of the population, shape (D,).
        var: that of the population, shape (D,); see `population_statistics`.
        eps: added to the variance; finite and >= 0.

    Returns:
        scale and shift, of shape (D,): tensors where an argument is one.

    Raises:
        ShapeError: shapes that differ. DTypeError: not floats. GraphError: an unusable eps, or a negative variance.

    >>> inference_scale_shift(np.array([2.0]), np.array([1.0]), np.array([3.0]), np.array([4.0]), eps=0.0)
    (array([1.]), array([-2.]))
    """
    gamma, beta, mean, var = (
        value if value is None or isinstance(value, Tensor) else floats(value, name)
        for value, name in ((gamma, "gamma"), (beta, "beta"), (mean, "mean"), (var, "var"))
    )
    shape = (mean if gamma is None else gamma).shape
    if len(shape) != 1:
        name = "mean" if gamma is None else "gamma"
        raise ShapeError(f"{name} must have shape (D,); got {shape}. Ravel it if it is per-feature.")
    for name, value in (("beta", beta), ("mean", mean), ("var", var)):
        if value is not None and value.shape != shape:
            raise parameter_error(name, value, shape[0])
    eps = usable_eps(eps, var.dtype)
    if capturing() is None:  # the variances of a compiled function are known only when it is called
        values = plain(var)
        if (values < 0).any():
            column = int(np.argmax(values < 0))
            raise GraphError(f"var[{column}] is {values[column]}; a variance is >= 0. Are mean and var swapped?")
    if not eps:
        refuse_constant(var, "var[{}] is 0")
    ivar = p.reciprocal(p.sqrt(var + eps))
    scale = ivar
    if gamma is not None:
        scale = gamma * ivar
    shift = -scale * mean
    if beta is not None:  # a statement, so that the graph has its name
        shift = beta - scale * mean
    return scale, shift


def batch_norm_inference(
    x: Any, gamma: Any, beta: Any, mean: Any, var: Any, eps: float = 1e-5, *, axis: int | None = None
) -> Any:
    """Normalize with the statistics of the population (test phase), in the folded form ``y = scale * x + shift``.

    A single row is enough, and the result for a row does not depend on the others.

    Args:
        x: the rows, shape (N, D), N = 0 allowed; with `axis`, any shape of two dimensions or more.
        gamma: the scale learnt, shape (D,); None for ones.
        beta: the shift learnt, shape (D,); None for zeros.
        mean: that of the population, shape (D,).
        var: that of the population, shape (D,); see `population_statistics`.
        eps: added to the variance; finite and >= 0.
        axis: the axis of the channels, where x has more than two dimensions.

    Returns:
        A tensor shaped like x (an array if there is no tensor among the arguments).

    Raises:
        ShapeError, DTypeError, GraphError, NumericalError: as in `batch_norm` and `inference_scale_shift`.

    >>> x = np.array([[1.0], [3.0]])
    >>> batch_norm_inference(x, np.array([2.0]), np.array([1.0]), np.array([3.0]), np.array([4.0]), eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    x = x if isinstance(x, Tensor) else floats(x, "x")
    over, _, d, unit = channel_axes(x.shape, axis)
    scale, shift = inference_scale_shift(gamma, beta, mean, var, eps)
    if scale.shape != (d,):
        raise parameter_error("mean" if gamma is None else "gamma", scale, d)
    if "keepdims" in over:
        scale, shift = p.reshape(scale, shape=unit), p.reshape(shift, shape=unit)
    y = scale * x + shift
    return y  # noqa: RET504
