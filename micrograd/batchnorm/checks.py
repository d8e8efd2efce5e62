"""Validate the arguments of batch normalization."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from micrograd.core import validation
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, NumericalError, ShapeError
from micrograd.modes import capturing
from micrograd.numpy_api.composites import normal_axis

__all__ = [
    "BatchSizeWarning",
    "PrecisionWarning",
    "bessel",
    "channel_axes",
    "floats",
    "parameter_error",
    "plain",
    "refuse_constant",
    "single_row",
    "usable_eps",
    "warn_of_offset",
]


class BatchSizeWarning(RuntimeWarning):
    """Warn of a batch of one row: its variance is 0, so the output equals beta and no gradient reaches x."""


class PrecisionWarning(RuntimeWarning):
    """Warn that more than half of the digits are lost, because a mean is large beside its standard deviation."""


def plain(x: Any) -> Any:
    """Return the values of `x`, a tensor or an array."""
    return x.data if isinstance(x, Tensor) else x


def floats(x: Any, name: str) -> Any:
    """Return `x`, not a tensor, as an array of floats. Raises DTypeError where it is none."""
    if type(x) is np.ndarray and x.dtype.kind == "f":
        return x
    if "bfloat16" in str(getattr(x, "dtype", "")):
        raise DTypeError(f"{name} is bfloat16, in which NumPy has no arithmetic; use {name}.astype(np.float32).")
    return np.asarray(validation.leaf(x, name))


def channel_axes(shape: tuple[int, ...], axis: int | None) -> tuple[dict[str, Any], int, int, tuple[int, ...]]:
    """Return how to sum over all axes but that of the channels.

    Args:
        shape: of the batch.
        axis: of the channels; None for the second of two.

    Returns:
        The keywords of the sums, the values per channel, the channels, and the shape of a statistic that broadcasts.

    Raises:
        ShapeError: fewer than two axes, or more without `axis`. DTypeError: an axis that is not one int.

    >>> channel_axes((2, 3, 4, 4), 1)
    ({'axis': (0, 2, 3), 'keepdims': True}, 32, 3, (1, 3, 1, 1))
    """
    if len(shape) < 2:
        advice = "Use x[:, None] for one feature." if shape else "Pass a batch of rows."
        raise ShapeError(f"batch_norm: x must be 2-D (N, D); got shape {shape}. {advice}")
    if axis is None:
        if len(shape) > 2:
            raise ShapeError(
                f"batch_norm: x has {len(shape)} dims (shape {shape}); pass axis=1 (channels) or reshape to (N*H*W, C)."
            )
        axis = 1
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise DTypeError(f"axis must be one int, the axis of the channels; got {axis!r}.")
    channel = normal_axis(int(axis), len(shape))
    assert isinstance(channel, int)
    rest = tuple(a for a in range(len(shape)) if a != channel)
    unit = tuple(size if a == channel else 1 for a, size in enumerate(shape))
    over: dict[str, Any] = {"axis": rest if len(rest) > 1 else rest[0]}
    if channel != len(shape) - 1:
        over["keepdims"] = True
    return over, math.prod(shape[a] for a in rest), shape[channel], unit


def parameter_error(name: str, value: Any, d: int) -> ShapeError:
    """Return the error for a gamma or beta that does not have one entry for each of `d` features."""
    shape = value.shape
    if len(shape) == 1:
        return ShapeError(f"{name} has {shape[0]} entries, x has {d} features; give one entry per feature.")
    if not shape:
        return ShapeError(f"{name} must have shape ({d},); got (), a single number. Use np.full({d}, {name}).")
    return ShapeError(f"{name} must have shape ({d},); got {shape}. Ravel it if it is per-feature.")


def usable_eps(eps: Any, dtype: np.dtype[Any]) -> float:
    """Return `eps` as a Python float, which does not widen float32 (a `np.float64` would)."""
    if isinstance(eps, (bool, np.bool_)) or not isinstance(eps, (int, float, np.integer, np.floating)):
        shown = f"{type(eps).__name__} {eps!r}" if isinstance(eps, (bool, np.bool_, str)) else type(eps).__name__
        raise DTypeError(f"eps must be a real scalar; got {shown}. Pass a float such as 1e-5.")
    value = float(eps)
    if not 0 <= value < math.inf:
        raise GraphError(f"eps must be a finite number >= 0; got {value}. Pass a float such as 1e-5.")
    with np.errstate(all="ignore"):
        held = float(dtype.type(value))
    if value and not held:
        least = float(np.finfo(dtype).smallest_subnormal)
        raise GraphError(f"eps={value:g} is 0 in {dtype}; smallest usable is {least:.0e}.".replace("e-0", "e-"))
    if held == math.inf:
        raise GraphError(f"eps={value:g} is infinite in {dtype}; largest usable is {np.finfo(dtype).max:.0e}.")
    return value


def single_row(strict: bool) -> None:
    """Warn of statistics of a single value, or refuse them."""
    message = "N=1: variance is 0, output equals beta, dx is 0; pass at least two rows."
    if strict:
        raise ShapeError(message)
    warnings.warn(message, BatchSizeWarning, stacklevel=4)


def refuse_constant(var: Any, what: str = "column {} is constant") -> None:
    """Refuse a variance that is 0, where eps is 0."""
    if (capture := capturing()) is not None:
        capture.refuse("the search for constant columns (eps=0)", "pass an eps > 0")
    zero = np.ravel(plain(var)) == 0
    if zero.any():
        raise NumericalError(f"eps=0 and {what.format(int(np.argmax(zero)))}: 1/sqrt(0). Use an eps > 0, or drop it.")


def warn_of_offset(mu: Any, var: Any, eps: float) -> None:
    """Warn where the mean is so large beside the deviation that half of the digits are lost (checked mode only)."""
    mean, deviation = np.ravel(plain(mu)), np.sqrt(np.ravel(plain(var)) + eps)
    u = float(np.finfo(mean.dtype).eps) / 2
    with np.errstate(all="ignore"):
        ratio = np.abs(mean) / deviation
    bad = np.isfinite(ratio) & (ratio * u > math.sqrt(u))
    if bad.any():
        column = int(np.argmax(np.where(bad, ratio, 0)))
        worst = float(ratio[column])
        warnings.warn(
            f"column {column}: mean/std = {worst:.0e}, relative error of about {worst * u:.0e} expected in "
            f"{mean.dtype}; subtract a typical row from x first, or use a wider dtype.",
            PrecisionWarning,
            stacklevel=4,
        )


def bessel(m: int) -> float:
    """Return ``m/(m-1)``, which makes the variance of `m` values unbiased.

    Raises:
        DTypeError: m is not an int. ShapeError: m is below 2.

    >>> bessel(5)
    1.25
    """
    if isinstance(m, bool) or not isinstance(m, (int, np.integer)):
        raise DTypeError(f"m must be an int, the number of values per statistic; got {m!r}.")
    if m < 2:
        raise ShapeError(f"m = {m}: the unbiased variance m/(m-1) needs at least two values per batch.")
    return int(m) / (int(m) - 1)
