"""Functions that LLVM vectorises: how exact they are, at every kind of number, and that they are vectorised."""

from __future__ import annotations

import functools
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import chebyshev
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

numba = pytest.importorskip("numba")

from micrograd.compiler.runtime import intrinsics, vector_math  # noqa: E402
from micrograd.compiler.runtime.vector_math import FORMATS, FUNCTIONS, Format  # noqa: E402

DTYPES = ("float32", "float64")
LIMIT = {"exp": 1.0, "log": 1.0, "tanh": 1.5}  # units in the last place
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}


@functools.cache
def looped(name: str, dtype: str) -> Any:
    """The function in a loop, compiled."""
    function = FUNCTIONS[name][dtype]

    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return numba.njit(f"void({dtype}[::1], {dtype}[::1])", error_model="numpy")(loop)


def compiled(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    looped(name, x.dtype.name)(x, out)
    return out


def plain(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return FUNCTIONS[name][x.dtype.name](x)


WAYS = pytest.mark.parametrize("way", [compiled, plain], ids=["compiled", "plain"])
EACH = pytest.mark.parametrize("dtype", DTYPES)
NAMES = pytest.mark.parametrize("name", ["exp", "log", "tanh"])


# ---- the polynomials -------------------------------------------------------------------------------------


def root(z: mpmath.mpf) -> mpmath.mpf:
    return mpmath.sqrt(z)


# Attribute of a format: the function that the polynomial stands for, the weight that makes its error a relative error
# of the result, the interval (a little longer than needed, since the reduction rounds).
FITS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float, float]] = {
    "expm1": (
        lambda r: (mpmath.expm1(r) - r) / r**2,
        lambda r: r**2 / mpmath.expm1(r),
        -math.log(2) / 2 * 1.0001,
        math.log(2) / 2 * 1.0001,
    ),
    "tanh": (
        lambda z: (mpmath.tanh(root(z)) / root(z) - 1) / z,
        lambda z: z * root(z) / mpmath.tanh(root(z)),
        0.0,
        0.5625**2,
    ),
    "log1p": (
        lambda z: (2 * mpmath.atanh(root(z)) - 2 * root(z)) / (root(z) * z),
        lambda z: z * root(z) / (2 * mpmath.atanh(root(z))),
        0.0,
        ((math.sqrt(2) - 1) / (math.sqrt(2) + 1)) ** 2 * 1.0001,
    ),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.dtype)
def test_the_coefficients_are_computed_ones(form: Format, name: str) -> None:
    given = getattr(form, name)
    assert given == chebyshev.coefficients(*FITS[name], len(given) - 1, form.dtype)
    assert chebyshev.error(given, *FITS[name]) < 0.024 * UNIT[form.dtype]


def test_a_wrong_coefficient_would_be_seen() -> None:
    right = FORMATS[1].expm1
    wrong = (*right[:3], right[3] * (1 + 1e-9), *right[4:])
    assert chebyshev.error(wrong, *FITS["expm1"]) > 0.1 * UNIT["float64"]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.dtype)
def test_log_2_is_in_two_pieces_of_which_the_first_has_short_multiples(form: Format) -> None:
    high, low = form.log2
    with mpmath.workprec(200):
        assert abs(mpmath.mpf(high) + low - mpmath.log(2)) < abs(low) * 2 * UNIT[form.dtype]
    largest = 160 if form.dtype == "float32" else 1100
    real = np.dtype(form.dtype).type
    assert all(float(real(k) * real(high)) == k * mpmath.mpf(high) for k in range(largest))


# ---- errors ----------------------------------------------------------------------------------------------


def spread(name: str, dtype: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers for which the result is a normal number: evenly, at all scales, and where a case begins."""
    single = dtype == "float32"
    if name == "exp":
        low, high = (-87.0, 88.7) if single else (-708.0, 709.7)
        parts = [rng.uniform(low, high, count), rng.uniform(-1, 1, count), np.linspace(-3, 3, count)]
        parts.append(rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-30, 6, count))
        parts.append(np.log(2) * (rng.integers(-100, 100, count) + 0.5) + rng.uniform(-1e-3, 1e-3, count))
    elif name == "log":
        parts = [2.0 ** rng.uniform(*((-149, 128) if single else (-1074, 1024)), count), rng.uniform(0.5, 2, count)]
        parts.append(1 + rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-22, -1.1, count))
        parts.append(np.linspace(0.66, 0.75, count))  # sqrt(1/2): the interval is left there
        parts.append(np.linspace(1.35, 1.45, count))
    else:
        parts = [rng.uniform(-9, 9, count), rng.uniform(-1, 1, count), 2.0 ** rng.uniform(-40, 5, count)]
        parts.append(np.linspace(0.55, 0.58, count))  # where the large branch takes over
        parts.append(np.linspace(0, 0.6, count))
    return np.concatenate(parts).astype(dtype)


def ulps(name: str, x: np.ndarray, got: np.ndarray) -> float:
    """The largest distance to the true result, in units in its last place."""
    worst = 0.0
    with mpmath.workprec(120):
        for at, value in zip(x, got, strict=True):
            true = getattr(mpmath, name)(mpmath.mpf(float(at)))
            unit = float(np.spacing(abs(x.dtype.type(float(true)))))
            worst = max(worst, float(abs(mpmath.mpf(float(value)) - true) / unit))
    return worst


@WAYS
@EACH
@NAMES
def test_within_a_unit_in_the_last_place(name: str, dtype: str, way: Any) -> None:
    x = spread(name, dtype, 1500, np.random.default_rng(7))
    got = way(name, x)
    assert got.dtype == x.dtype
    assert ulps(name, x, got) <= LIMIT[name]


def test_the_error_is_measured_right() -> None:
    x = np.array([1.0, 2.0], "float32")
    right = np.exp(x.astype("float64")).astype("float32")
    assert ulps("exp", x, right) <= 0.5
    assert 1.4 < ulps("exp", x, np.nextafter(np.nextafter(right, np.float32(9)), np.float32(9))) < 2.6


@WAYS
@NAMES
def test_float32_of_all_exponents(name: str, way: Any) -> None:
    """Every 1021st float32 there is, against float64: 4.2 million numbers."""
    x = np.arange(0, 2**32, 1021, dtype=np.int64).astype(np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        true = getattr(np, name)(x.astype(np.float64))
        rounded = true.astype(np.float32)
        got = way(name, x)
        finite = np.isfinite(rounded)
        assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True)
        error = np.abs(got[finite] - true[finite]) / np.spacing(np.abs(rounded[finite]))
    assert error.max() <= LIMIT[name]


@WAYS
@EACH
@NAMES
@given(data=st.data())
def test_as_numpy_at_any_number(name: str, dtype: str, way: Any, data: st.DataObject) -> None:
    x = np.array([data.draw(st.floats(width=int(dtype[-2:])))], dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    np.testing.assert_array_max_ulp(way(name, x), expected, maxulp=4)  # NumPy's own are within two or three


# ---- special cases ---------------------------------------------------------------------------------------


@WAYS
@EACH
def test_special_cases_of_exp(dtype: str, way: Any) -> None:
    tiniest, largest = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    overflow, underflow = (88.8, -104.0) if dtype == "float32" else (709.8, -745.2)
    x = [np.nan, np.inf, -np.inf, 0.0, -0.0, tiniest, -tiniest, largest, -largest, overflow, underflow]
    expected = [np.nan, np.inf, 0, 1, 1, 1, 1, np.inf, 0, np.inf, 0]
    assert np.array_equal(way("exp", np.array(x, dtype)), np.array(expected, dtype), equal_nan=True)


@WAYS
@EACH
def test_exp_is_subnormal_before_it_is_zero(dtype: str, way: Any) -> None:
    low, high = (-103.2, -87.4) if dtype == "float32" else (-744.4, -708.4)
    x = np.linspace(low, high, 2001).astype(dtype)
    got = way("exp", x)
    assert (got > 0).all()
    assert (got < np.finfo(dtype).tiny).all()
    assert (np.diff(got) >= 0).all()
    assert ulps("exp", x, got) <= 1.0


@WAYS
@EACH
def test_special_cases_of_log(dtype: str, way: Any) -> None:
    tiniest = np.finfo(dtype).smallest_subnormal
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, -tiniest, 1.0], dtype)
    expected = np.array([np.nan, np.inf, np.nan, -np.inf, -np.inf, np.nan, np.nan, 0.0], dtype)
    assert np.array_equal(way("log", x), expected, equal_nan=True)


@WAYS
@EACH
def test_log_of_subnormal_numbers(dtype: str, way: Any) -> None:
    exponents = range(-149, -125) if dtype == "float32" else range(-1074, -1021)
    x = np.array([2.0**k for k in exponents], dtype)
    assert ulps("log", x, way("log", x)) <= 1.0


@WAYS
@EACH
def test_special_cases_of_tanh(dtype: str, way: Any) -> None:
    tiniest = np.finfo(dtype).smallest_subnormal
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, tiniest, -tiniest, 1e30, -1e30], dtype)
    expected = np.array([np.nan, 1, -1, 0.0, -0.0, tiniest, -tiniest, 1, -1], dtype)
    got = way("tanh", x)
    assert np.array_equal(got, expected, equal_nan=True)
    assert np.array_equal(np.signbit(got)[1:], np.signbit(expected)[1:])


@WAYS
@EACH
def test_tanh_is_odd_and_stays_within_one(dtype: str, way: Any) -> None:
    x = np.linspace(0, 25, 20001).astype(dtype)
    got = way("tanh", x)
    assert np.array_equal(way("tanh", -x), -got)
    assert got.max() == 1


# ---- the intrinsics --------------------------------------------------------------------------------------

REALS = [1.5, -2.5, 0.0, -0.0, np.inf, -np.inf, np.nan, 3.0, 1e30]


@functools.cache
def caller(function: Any, count: int) -> Any:
    """A compiled function that calls an intrinsic."""
    names = ", ".join(f"x{i}" for i in range(count))
    found: dict[str, Any] = {"function": function}
    exec(f"def call({names}):\n    return function({names})", found)
    return numba.njit(found["call"])


def applied(function: Any, *operands: Any) -> Any:
    """One call of an intrinsic, compiled."""
    return caller(function, len(operands))(*operands)


@EACH
@pytest.mark.parametrize("function", [intrinsics.maximum, intrinsics.minimum, intrinsics.copysign, intrinsics.add_any])
def test_intrinsics_of_two_numbers_are_numpys(function: Any, dtype: str) -> None:
    real = np.dtype(dtype).type
    for x in REALS:
        for y in REALS:
            with np.errstate(all="ignore"):
                expected = function(real(x), real(y))
            assert np.array_equal(applied(function, real(x), real(y)), expected, equal_nan=True)


@EACH
def test_intrinsics_of_numbers_with_digits(dtype: str) -> None:
    real = np.dtype(dtype).type
    form = FORMATS[DTYPES.index(dtype)]
    for x in (1.0, -1.5, 3.25, 1e-30, 1e30, float(form.tiny)):
        size, digits = applied(intrinsics.exponent, real(x)), applied(intrinsics.significand, real(x))
        assert (size, digits) == (intrinsics.exponent(real(x)), intrinsics.significand(real(x)))
        assert digits * 2.0**size == abs(real(x))
        assert 1 <= digits < 2
    for k in (-126, -1, 0, 1, 127):
        assert applied(intrinsics.power_of_two, real(k)) == intrinsics.power_of_two(real(k)) == 2.0**k


@EACH
def test_the_other_intrinsics(dtype: str) -> None:
    real = np.dtype(dtype).type
    x, y, z = real(2.0), real(3.0), real(0.5)
    assert applied(intrinsics.multiply_add, x, y, z) == intrinsics.multiply_add(x, y, z) == 6.5
    for flag in (True, False):
        assert applied(intrinsics.select, flag, x, y) == intrinsics.select(flag, x, y) == (2 if flag else 3)
    coefficients = (real(1.0), real(-2.0), real(4.0))
    assert applied(intrinsics.horner, x, coefficients) == intrinsics.horner(x, coefficients) == 1 - 4 + 16


def test_operands_of_two_dtypes_do_not_compile() -> None:
    for operands in ((np.float32(1), 1.0), (1, 2), (1j, 1j)):
        with pytest.raises(numba.TypingError):
            applied(intrinsics.maximum, *operands)


# ---- speed: what the machine code is made of ---------------------------------------------------------------

ON_X86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64") or "NUMBA_CPU_NAME" in os.environ,
    reason="looks for the names of x86's instructions, for the processor at hand",
)


def assembly(function: Any) -> str:
    (text,) = function.inspect_asm().values()
    return text


def packed(text: str, operation: str) -> int:
    """How many instructions apply an operation to a whole vector."""
    return len(re.findall(rf"\bv?{operation}p[sd]\b", text))


@ON_X86
@EACH
@NAMES
def test_loops_are_vectorised(name: str, dtype: str) -> None:
    text = assembly(looped(name, dtype))
    assert packed(text, "mul") + packed(text, r"fn?m(?:add|sub)\d+") >= 10
    assert not re.findall(r"\b(?:expf?|logf?|tanhf?|fmaf?)\b", text)  # no call of the C library
    if numba.config.ENABLE_AVX and "avx" in str(numba.core.registry.cpu_target.target_context.codegen().magic_tuple()):
        assert re.search(r"%[yz]mm\d", text)


def loop_over(function: Any, first: float, dtype: str) -> str:
    start = np.dtype(dtype).type(first)

    def loop(x):
        value = start
        for i in range(x.size):
            value = function(value, x[i])
        return value

    return assembly(numba.njit(f"{dtype}({dtype}[::1])", error_model="numpy")(loop))


@ON_X86
@EACH
def test_reductions_are_vectorised(dtype: str) -> None:
    assert packed(loop_over(intrinsics.add_any, 0.0, dtype), "add") >= 2
    assert packed(loop_over(intrinsics.maximum, -math.inf, dtype), "max") >= 2
    assert packed(loop_over(intrinsics.minimum, math.inf, dtype), "min") >= 2


@ON_X86
def test_a_sum_in_a_fixed_order_is_not() -> None:
    ordered = numba.njit(lambda x, y: x + y)
    assert packed(loop_over(ordered, 0.0, "float64"), "add") == 0


@EACH
def test_any_order_changes_nothing_but_rounding(dtype: str) -> None:
    add = intrinsics.add_any

    @numba.njit(error_model="numpy")
    def total(x, start):
        for i in range(x.size):
            start = add(start, x[i])
        return start

    rng, real = np.random.default_rng(3), np.dtype(dtype).type
    x = rng.normal(size=10_001).astype(dtype)
    assert abs(float(total(x, real(0))) - math.fsum(x.astype(float))) <= UNIT[dtype] * np.abs(x).sum() * 100
    for bad in (np.nan, np.inf, -np.inf):
        x[4321] = bad
        assert np.array_equal(total(x, real(0)), real(bad), equal_nan=True)


@pytest.mark.parametrize("place", [0, 17, 400, 1000])
def test_a_largest_of_many_finds_a_nan(place: int) -> None:
    largest = intrinsics.maximum

    @numba.njit(error_model="numpy")
    def top(x):
        value = x[0]
        for i in range(x.size):
            value = largest(value, x[i])
        return value

    x = np.random.default_rng(5).normal(size=1001)
    assert top(x) == x.max()
    x[place] = np.nan
    assert np.isnan(top(x))


# ---- without the JIT -------------------------------------------------------------------------------------


def test_the_same_names_are_plain_functions_where_the_jit_is_off() -> None:
    program = """
import numpy as np
from numba import njit
from micrograd.compiler.runtime.intrinsics import add_any, maximum
from micrograd.compiler.runtime.vector_math import FUNCTIONS
exp = FUNCTIONS["exp"]["float32"]
@njit
def f(x):
    total = np.float32(0)
    for i in range(x.size):
        total = add_any(total, exp(maximum(x[i], np.float32(0))))
    return total
answer = f(np.array([1, -2, 0.5], np.float32))
assert type(answer) is np.float32, type(answer)
print(float(answer))
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert abs(float(ran.stdout) - (math.exp(1) + 1 + math.exp(0.5))) < 1e-6


def test_the_table_is_complete() -> None:
    assert {name: set(versions) for name, versions in FUNCTIONS.items()} == {
        name: set(DTYPES) for name in ("exp", "log", "tanh")
    }
    assert vector_math.__doc__ is not None
