"""Quotients rounded down and their remainders, with NumPy's signs of zero, infinities and corrections.

Numba's own differ where the divisor is infinite or the remainder is 0. Exact: NumPy's values, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

__all__ = ["floor_divide", "remainder"]

_inlined = register_jitable(forceinline=True, error_model="numpy")


@_inlined
def remainder(x: Any, y: Any) -> Any:
    """Return what is left of `x`, with the sign of `y`, as `numpy.remainder`."""
    rest = np.fmod(x, y)
    if rest == 0:
        return np.copysign(rest, y)
    return rest + y if (rest < 0) != (y < 0) else rest  # of NaN or infinity: NaN


@_inlined
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
