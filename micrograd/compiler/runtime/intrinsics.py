"""Define what the machine can do to a number and Python has no word for: the smallest pieces of kernels.

Each is a plain function of NumPy scalars or arrays, and that is what runs where printed text runs as Python. In machine
code a call of it is one to four instructions without a branch, of one number or of a vector
(`micrograd.compiler.machine.functions`). Operands are all float32 or all float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "add_any",
    "copysign",
    "exponent",
    "horner",
    "maximum",
    "multiply_add",
    "power_of_two",
    "scaled",
    "select",
    "significand",
]

Real = Any  # np.float32 or np.float64, or an array of them

_MANTISSA = {"float32": 23, "float64": 52}  # bits after the point
_BIAS = {"float32": 127, "float64": 1023}  # of the exponent
_UNSIGNED = {"float32": np.uint32, "float64": np.uint64}


def add_any(x: Real, y: Real) -> Real:
    """``x + y`` of a sum whose order does not matter: LLVM may add in several lanes (flags reassoc and nsz, no others).

    Use it for the accumulator of a loop and for nothing else: a correction term would be simplified away.
    """
    return x + y


def multiply_add(x: Real, y: Real, z: Real) -> Real:
    """``x * y + z``, rounded once where the processor can do so fast, else twice."""
    return x * y + z


def maximum(x: Real, y: Real) -> Real:
    """Return the larger; NaN where one is NaN, as `np.maximum`."""
    return np.maximum(x, y)


def select(condition: Any, x: Real, y: Real) -> Real:
    """``x if condition else y``, both computed."""
    return np.where(condition, x, y)[()]  # type: ignore[call-overload]  # of numbers it is a number


def copysign(x: Real, y: Real) -> Real:
    """``|x|`` with the sign bit of y."""
    return np.copysign(x, y)


def horner(x: Real, coefficients: tuple[Real, ...]) -> Real:
    """Return the polynomial with these coefficients, that of the lowest power first, at x."""
    *others, value = coefficients
    for coefficient in reversed(others):
        value = multiply_add(value, x, coefficient)
    return value


def power_of_two(k: Real) -> Real:
    """``2**k`` of a whole number k for which that is a normal number; anything for any other k."""
    dtype = k.dtype.name
    bits = _bits(k + _magic(dtype, _BIAS[dtype]))
    return (bits << _UNSIGNED[dtype](_MANTISSA[dtype])).view(dtype)


def scaled(x: Real, k: Real) -> Real:
    """Return ``x * 2**k``, rounded once, of a whole number k that is the sum of two exponents of normal numbers."""
    magic = _magic(x.dtype.name)
    first = (k * x.dtype.type(0.5) + magic) - magic  # 2**k itself may be out of range where the result is not
    return x * power_of_two(first) * power_of_two(k - first)


def exponent(x: Real) -> Real:
    """Return the e of ``|x| = significand(x) * 2**e``, as a float; anything where x is subnormal or not finite."""
    dtype = x.dtype.name
    bits = (_bits(x) << _UNSIGNED[dtype](1)) >> _UNSIGNED[dtype](_MANTISSA[dtype] + 1)
    return (bits | _bits(_magic(dtype))).view(dtype) - _magic(dtype, _BIAS[dtype])


def significand(x: Real) -> Real:
    """Return the digits of x as a number in [1, 2); anything where x is subnormal or not finite."""
    dtype = x.dtype.name
    one, low = _bits(np.dtype(dtype).type(1)), _UNSIGNED[dtype](2 ** _MANTISSA[dtype] - 1)
    return (_bits(x) & low | one).view(dtype)


def _bits(x: Real) -> Any:
    return x.view(_UNSIGNED[x.dtype.name])


def _magic(dtype: str, more: int = 0) -> Any:
    """``1.5 * 2**mantissa + more``: a whole number added to it stands in the last bits of the sum."""
    return np.dtype(dtype).type(1.5 * 2 ** _MANTISSA[dtype] + more)
