"""Compute what has cases, one number at a time: quotients rounded down, their remainders, logarithms of sums.

Quotients and remainders have NumPy's signs of zero, infinities and corrections, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["floor_divide", "logaddexp", "logaddexp2", "remainder"]


def remainder(x: Any, y: Any) -> Any:
    """Return what is left of `x`, with the sign of `y`, as `numpy.remainder`."""
    rest = np.fmod(x, y)
    if rest == 0:
        return np.copysign(rest, y)
    return rest + y if (rest < 0) != (y < 0) else rest  # of NaN or infinity: NaN


def floor_divide(x: Any, y: Any) -> Any:
    """Return how many whole times `y` goes into `x`, rounded down, as `numpy.floor_divide`."""
    if y == 0:
        return x / y
    rest = np.fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0 and (y < 0) != (rest < 0):
        quotient = quotient - 1
    if quotient == 0:
        return np.copysign(quotient, x / y)
    down = np.floor(quotient)
    return down + 1 if quotient - down > 0.5 else down


def logaddexp(x: Any, y: Any) -> Any:
    """Return ``log(exp(x) + exp(y))``, as `numpy.logaddexp`."""
    if x == y:  # infinities of one sign, whose difference is NaN
        return x + 0.6931471805599453
    rest = np.log1p(np.exp(-np.abs(x - y)))
    return x + rest if x > y else y + rest


def logaddexp2(x: Any, y: Any) -> Any:
    """Return ``log2(2**x + 2**y)``, as `numpy.logaddexp2`."""
    if x == y:
        return x + 1.0
    rest = np.log1p(np.exp2(-np.abs(x - y))) * 1.4426950408889634
    return x + rest if x > y else y + rest
