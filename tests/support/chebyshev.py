"""Where the coefficients of `micrograd.compiler.runtime.vector_math` come from, computed in mpmath.

Least squares at Chebyshev's points, where errors crowd at the ends of the interval, is within a small factor of the
best polynomial there is. The coefficients must be floats: the first is rounded, the others are fitted again around it,
and so on, so that each makes good what rounding those before it has spoilt.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np

Function = Callable[[mpmath.mpf], mpmath.mpf]


def points(low: float, high: float, count: int) -> list[mpmath.mpf]:
    """Chebyshev's points of an interval; an even number of them leaves out its middle."""
    middle, half = (mpmath.mpf(high) + low) / 2, (mpmath.mpf(high) - low) / 2
    return [middle - half * mpmath.cos(mpmath.pi * (i + 0.5) / count) for i in range(count)]


def value(coefficients: tuple[float, ...] | list[mpmath.mpf], x: mpmath.mpf) -> mpmath.mpf:
    """The polynomial at x; the coefficient of the lowest power comes first."""
    return mpmath.fsum(c * x**p for p, c in enumerate(coefficients))


def coefficients(f: Function, weight: Function, low: float, high: float, degree: int, dtype: str) -> tuple[float, ...]:
    """Coefficients in `dtype` of a polynomial p with ``weight * (p - f)`` small between `low` and `high`."""
    with mpmath.workprec(200):
        at = points(low, high, 8 * (degree + 1))
        weights, rest = [weight(x) for x in at], [f(x) for x in at]
        found = []
        for first in range(degree + 1):
            rows = mpmath.matrix(
                [[w * x**p for p in range(first, degree + 1)] for x, w in zip(at, weights, strict=True)]
            )
            fitted, _ = mpmath.qr_solve(rows, mpmath.matrix([w * t for w, t in zip(weights, rest, strict=True)]))
            found.append(float(np.dtype(dtype).type(float(fitted[0]))))
            rest = [t - found[-1] * x**first for x, t in zip(at, rest, strict=True)]
        return tuple(found)


def error(p: tuple[float, ...], f: Function, weight: Function, low: float, high: float) -> float:
    """The largest ``|weight * (p - f)|``."""
    with mpmath.workprec(200):
        return float(max(abs(weight(x) * (value(p, x) - f(x))) for x in points(low, high, 2000)))
