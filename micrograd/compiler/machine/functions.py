"""Write the functions that printed text calls: NumPy's names, the C library's, and those written in Python."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from micrograd.compiler.machine.values import SHORT, UnprintedError, Value, Writer, constant, literal
from micrograd.compiler.runtime import scalar_math, vector_math

__all__ = ["INLINED", "WITH_CASES", "bound", "call_by_name", "given", "in_vectors", "written_in_python"]

INLINED: Mapping[str, FunctionType] = {
    f"{name}{bits}": versions[f"float{bits}"]  # type: ignore[misc]
    for name, versions in vector_math.FUNCTIONS.items()
    for bits in (32, 64)
}
"""Functions of ours that are straight lines of arithmetic, of numbers or of vectors, by the name in the text."""
WITH_CASES: Mapping[str, FunctionType] = {
    **{f"{name}{bits}": getattr(scalar_math, name) for name in ("floor_divide", "remainder") for bits in (32, 64)},
    **{f"np.{name}": getattr(scalar_math, name) for name in ("logaddexp", "logaddexp2")},
}
"""Functions of ours that have branches, one number at a time."""

_LLVM = {
    "sqrt": "sqrt", "abs": "fabs", "absolute": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc",
    "rint": "rint", "copysign": "copysign", "fmax": "maxnum", "fmin": "minnum", "largest": "maximum",
    "multiply_add": "fmuladd",
}  # fmt: skip
"""LLVM's own functions, which vectors have too, by the name in the text."""

_LIBRARY = {
    "log1p": "log1p", "expm1": "expm1", "exp2": "exp2", "log2": "log2", "log10": "log10", "cbrt": "cbrt",
    "hypot": "hypot", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arctan2": "atan2", "sinh": "sinh", "cosh": "cosh", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "fmod": "fmod", "power": "pow", "exp": "exp", "log": "log", "tanh": "tanh",
}  # fmt: skip
"""The C library's functions, one number at a time, by NumPy's name."""

_MANTISSA = {"f32": 23, "f64": 52}
_BIAS = {"f32": 127, "f64": 1023}
_CASTS = {"f32": "f32", "f64": "f64"} | {f"np.{dtype}": kind for dtype, kind in SHORT.items()}


# ---- by name ---------------------------------------------------------------------------------------------


def in_vectors(name: str) -> bool:
    """Return whether a call stands in a loop that runs as vectors."""
    bare = _bare(name)
    return name in _CASTS or name in INLINED or bare in _LLVM or bare in _OWN or bare == "plus"


def call_by_name(writer: Writer, name: str, operands: Sequence[Value]) -> Value | None:
    """Return what a function returns that has no text of its own; None where the name is unknown."""
    if name in _CASTS:
        return writer.cast(operands[0], _CASTS[name])
    bare = _bare(name)
    if bare in _OWN:
        if name.startswith("np."):  # questions about floats
            operands = [o if o.real else writer.cast(o, "f64") for o in operands]
        return _OWN[bare](writer, *operands)
    if not any(o.real for o in operands):
        if bare in ("min", "max"):
            a, b = writer.alike(*operands)
            sign = "u" if a.kind[0] == "u" else "s"
            return writer.call(f"llvm.{sign}{bare}.i{a.kind[1:]}", a.kind, [a, b])
        if bare in ("abs", "absolute"):
            return writer.select(
                writer.compare("<", operands[0], literal(0)), writer.negative(operands[0]), operands[0]
            )
        operands = [writer.cast(o, "f64") for o in operands]
    if bare in _LLVM:
        return writer.intrinsic(_LLVM[bare], *operands)
    if bare == "plus":
        return writer.binary("+", operands[0], operands[1], flags="reassoc nsz ")
    if name.startswith("np.") and bare in _LIBRARY:
        values = writer.alike(*operands)
        return writer.call(_LIBRARY[bare] + ("f" if values[0].kind == "f32" else ""), values[0].kind, values)
    return None


def _bare(name: str) -> str:
    if name.startswith("np."):
        return name[3:]
    return name[:-2] if name[-2:] in ("32", "64") else name


# ---- the smallest pieces ---------------------------------------------------------------------------------


def _power_of_two(w: Writer, k: Value) -> Value:
    bits = w.bits(w.binary("+", k, _number(k.kind, _magic(k.kind, _BIAS[k.kind]))), f"i{k.kind[1:]}")
    return w.bits(w.binary("<<", bits, literal(_MANTISSA[k.kind])), k.kind)


def _by_power_of_two(w: Writer, x: Value, k: Value) -> Value:
    """Write ``x * 2**k``: one instruction of AVX-512, elsewhere a product with each of two powers of 2."""
    from micrograd.compiler.machine.assembling import vector_bytes  # LLVM itself, which looking for sweeps does without

    if x.lanes * int(x.kind[1:]) == 8 * vector_bytes() == 512:
        mask, rounding = Value(f"i{max(x.lanes, 8)}", "-1"), Value("i32", "4")  # all lanes; as the processor is set
        return w.call(
            f"llvm.x86.avx512.mask.scalef.p{'s' if x.kind == 'f32' else 'd'}.512", x.kind, [x, k, x, mask, rounding]
        )
    magic = _number(x.kind, _magic(x.kind))
    first = w.binary("-", w.binary("+", w.binary("*", k, _number(x.kind, 0.5)), magic), magic)
    first_part = w.binary("*", x, _power_of_two(w, first))
    return w.binary("*", first_part, _power_of_two(w, w.binary("-", k, first)))


def _exponent(w: Writer, x: Value) -> Value:
    bits = w.binary(">>", w.binary("<<", w.bits(x, f"i{x.kind[1:]}"), literal(1)), literal(_MANTISSA[x.kind] + 1))
    whole = w.bits(w.binary("|", bits, literal(_pattern(x.kind, _magic(x.kind)))), x.kind)
    return w.binary("-", whole, _number(x.kind, _magic(x.kind, _BIAS[x.kind])))


def _significand(w: Writer, x: Value) -> Value:
    mantissa = _MANTISSA[x.kind]
    digits = w.binary("&", w.bits(x, f"i{x.kind[1:]}"), literal(2**mantissa - 1))
    return w.bits(w.binary("|", digits, literal(_BIAS[x.kind] << mantissa)), x.kind)


def _horner(w: Writer, x: Value, coefficients: Any) -> Value:
    *others, value = coefficients
    for coefficient in reversed(others):
        value = w.intrinsic("fmuladd", value, x, coefficient)
    return value  # type: ignore[no-any-return]


def _magic(kind: str, more: int = 0) -> float:
    """Return the number that makes what is added to it stand in the last bits of the sum."""
    return 1.5 * 2.0 ** _MANTISSA[kind] + more


def _pattern(kind: str, number: float) -> int:
    return int(np.array(number, f"f{int(kind[1:]) // 8}").view(f"i{int(kind[1:]) // 8}"))


def _number(kind: str, number: float) -> Value:
    return Value(kind, constant(kind, number), number=number)


def _against_infinity(sign: str) -> Callable[[Writer, Value], Value]:
    return lambda w, x: w.compare(sign, w.intrinsic("fabs", x), _number(x.kind, np.inf))


def _scaled(factor: float) -> Callable[[Writer, Value], Value]:
    return lambda w, x: w.binary("*", x, _number(x.kind, factor))


_OWN: Mapping[str, Callable[..., Value]] = {
    "power_of_two": _power_of_two,
    "scaled": _by_power_of_two,
    "exponent": _exponent,
    "significand": _significand,
    "horner": _horner,
    "select": lambda w, c, x, y: w.select(c, x, y),
    "isnan": lambda w, x: w.compare("!=", x, x),
    "isinf": _against_infinity("=="),
    "isfinite": _against_infinity("<"),
    "signbit": lambda w, x: w.compare("<", w.bits(x, f"i{x.kind[1:]}"), literal(0)),
    "degrees": _scaled(180.0 / np.pi),
    "radians": _scaled(np.pi / 180.0),
}


# ---- functions written in Python ---------------------------------------------------------------------------


@functools.cache
def written_in_python(function: FunctionType) -> ast.FunctionDef:
    """Return the syntax of a function of ours."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise UnprintedError(f"{function.__name__} as {type(tree).__name__}")
    return tree


def bound(function: FunctionType) -> dict[str, Any]:
    """Return what a function of ours finds outside of it."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}


def given(value: Any, kind: str) -> Any:
    """Return a number, or a tuple of them, that a function of ours finds outside, as constants of a kind."""
    if isinstance(value, tuple):
        return tuple(given(v, kind) for v in value)
    return Value(kind, constant(kind, float(value)), number=float(value))
