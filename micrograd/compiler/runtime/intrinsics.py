"""Define what the machine can do to a number and Python has no word for: the smallest pieces of kernels.

Each is a plain function of NumPy scalars or arrays, and that is what runs where Numba's JIT is off. In compiled code a
call of it is one to four LLVM instructions, without a branch, which LLVM turns into vector instructions inside a loop.
Operands are all float32 or all float64; anything else does not compile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

__all__ = [
    "add_any",
    "copysign",
    "exponent",
    "horner",
    "maximum",
    "minimum",
    "multiply_add",
    "power_of_two",
    "select",
    "significand",
]

Real = Any  # np.float32 or np.float64, or an array of them where the JIT is off

_MANTISSA = {"float32": 23, "float64": 52}  # bits after the point
_BIAS = {"float32": 127, "float64": 1023}  # of the exponent
_UNSIGNED = {"float32": np.uint32, "float64": np.uint64}


# ---- the functions, in NumPy -----------------------------------------------------------------------------


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


def minimum(x: Real, y: Real) -> Real:
    """Return the smaller; NaN where one is NaN, as `np.minimum`."""
    return np.minimum(x, y)


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


# ---- the same in LLVM ------------------------------------------------------------------------------------

Emit = Callable[..., ir.Value]  # (builder, LLVM's type of the result, *values) -> the value
_REAL, _FLAG, _REALS = types.Float, types.Boolean, types.UniTuple


def _compiled(function: Callable[..., Any], emit: Emit, *kinds: type) -> None:
    """Teach Numba to compile calls of `function`: the kinds of its operands, and what a call becomes."""

    def generic(_context: Any) -> Callable[..., Any]:
        @functools.wraps(function)  # Numba reads the names of the parameters off it
        def typer(*operands: Any) -> Any:
            right = all(isinstance(given, kind) for kind, given in zip(kinds, operands, strict=True))
            reals = {getattr(given, "dtype", given) for given in operands} - {types.boolean}
            return reals.pop() if right and len(reals) == 1 and reals < {types.float32, types.float64} else None

        return typer

    def lower(context: Any, builder: Any, signature: Any, values: Any) -> ir.Value:
        return emit(builder, context.get_value_type(signature.return_type), *values)

    type_callable(function)(generic)
    lower_builtin(function, *kinds)(lower)


def _call(name: str) -> Emit:
    """LLVM's own function of this name."""

    def emit(builder: Any, real: ir.Type, *values: ir.Value) -> ir.Value:
        kind = ir.FunctionType(real, [real] * len(values))
        return builder.call(builder.module.declare_intrinsic(f"llvm.{name}", (real,), kind), values)

    return emit


def _horner(builder: Any, real: ir.Type, x: ir.Value, coefficients: ir.Value) -> ir.Value:
    *others, value = (builder.extract_value(coefficients, i) for i in range(coefficients.type.count))
    for coefficient in reversed(others):
        value = _call("fmuladd")(builder, real, value, x, coefficient)
    return value


def _of(real: ir.Type) -> tuple[str, ir.IntType, int]:
    """NumPy's name of it, the integer of the same size, the bits after the point."""
    dtype = "float32" if isinstance(real, ir.FloatType) else "float64"
    return dtype, ir.IntType(int(dtype[-2:])), _MANTISSA[dtype]


def _power_of_two(builder: Any, real: ir.Type, k: ir.Value) -> ir.Value:
    dtype, integer, mantissa = _of(real)
    bits = builder.bitcast(builder.fadd(k, real(float(_magic(dtype, _BIAS[dtype])))), integer)
    return builder.bitcast(builder.shl(bits, integer(mantissa)), real)


def _exponent(builder: Any, real: ir.Type, x: ir.Value) -> ir.Value:
    dtype, integer, mantissa = _of(real)
    bits = builder.lshr(builder.shl(builder.bitcast(x, integer), integer(1)), integer(mantissa + 1))
    whole = builder.bitcast(builder.or_(bits, integer(int(_bits(_magic(dtype))))), real)
    return builder.fsub(whole, real(float(_magic(dtype, _BIAS[dtype]))))


def _significand(builder: Any, real: ir.Type, x: ir.Value) -> ir.Value:
    dtype, integer, mantissa = _of(real)
    digits = builder.and_(builder.bitcast(x, integer), integer(2**mantissa - 1))
    return builder.bitcast(builder.or_(digits, integer(_BIAS[dtype] << mantissa)), real)


_compiled(add_any, lambda builder, _, x, y: builder.fadd(x, y, flags=("reassoc", "nsz")), _REAL, _REAL)
_compiled(multiply_add, _call("fmuladd"), _REAL, _REAL, _REAL)
_compiled(maximum, _call("maximum"), _REAL, _REAL)
_compiled(minimum, _call("minimum"), _REAL, _REAL)
_compiled(select, lambda builder, _, condition, x, y: builder.select(condition, x, y), _FLAG, _REAL, _REAL)
_compiled(copysign, _call("copysign"), _REAL, _REAL)
_compiled(horner, _horner, _REAL, _REALS)
_compiled(power_of_two, _power_of_two, _REAL)
_compiled(exponent, _exponent, _REAL)
_compiled(significand, _significand, _REAL)
