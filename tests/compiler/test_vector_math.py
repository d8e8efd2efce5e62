"""Functions that LLVM vectorises: how exact they are, at every kind of number, and that they are vectorised."""

from __future__ import annotations

import functools
import math
import platform
import re
from collections.abc import Callable
from typing import Any

import chebyshev
import mpmath
import numpy as np
import pytest
from compiled import LOOP
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from micrograd.compiler.machine.assembling import (
    module_of,
    object_of,
    python_function,
    target,
    vector_bytes,
    with_entry,
)
from micrograd.compiler.machine.printer import print_function
from micrograd.compiler.machine.values import UnprintedError
from micrograd.compiler.runtime import intrinsics, vector_math
from micrograd.compiler.runtime.vector_math import FORMATS, FUNCTIONS, Format

DTYPES = ("float32", "float64")
LIMIT = {"exp": 1.0, "log": 1.0, "tanh": 1.5, "sin": 0.8, "cos": 0.8}  # units in the last place
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}


def short(dtype: str) -> str:
    return f"f{dtype[-2:]}"


def text_of(source: str, kinds: dict[str, str]) -> str:
    """LLVM's text of a printed function, with its entry."""
    text, name = print_function(source, kinds, vector_bytes())
    return with_entry(text, name, [*kinds.values()])


def assembly(source: str, kinds: dict[str, str]) -> str:
    text: str = target().emit_assembly(module_of(text_of(source, kinds)))
    return text


@functools.cache
def looped(expression: str, dtype: str, into: str = "") -> Callable[..., Any]:
    """An expression of ``x[i]`` in a loop, as machine code."""
    kinds = {"n": "i64", "x": f"*{short(dtype)}", "out": f"*{short(into or dtype)}"}
    return python_function(object_of(text_of(LOOP.format(expression), kinds)))


def called(name: str, dtype: str) -> str:
    return f"{name}{dtype[-2:]}(x[i])"


def compiled(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    looped(called(name, x.dtype.name), x.dtype.name)(len(x), x, out)
    return out


def plain(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return FUNCTIONS[name][x.dtype.name](x)


WAYS = pytest.mark.parametrize("way", [compiled, plain], ids=["compiled", "plain"])
EACH = pytest.mark.parametrize("dtype", DTYPES)
NAMES = pytest.mark.parametrize("name", ["exp", "log", "tanh"])
TURNING = pytest.mark.parametrize("name", ["sin", "cos"])


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
    "sin": (
        lambda z: (mpmath.sin(root(z)) / root(z) - 1) / z,
        lambda z: z * root(z) / mpmath.sin(root(z)),
        0.0,
        (math.pi / 4) ** 2 * 1.0002,
    ),
    "cos": (
        lambda z: (mpmath.cos(root(z)) - 1 + z / 2) / z**2,
        lambda z: z**2 / mpmath.cos(root(z)),
        0.0,
        (math.pi / 4) ** 2 * 1.0002,
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


def angles(dtype: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Angles of all sizes up to the largest, and the nearest to multiples of an eighth turn."""
    eighths = np.pi / 4 * rng.integers(-vector_math.TURNS, vector_math.TURNS, count)
    parts = [rng.uniform(-8, 8, count), rng.uniform(-1, 1, count) * vector_math.TURNS, eighths]
    parts += [rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-60, 19.9, count), np.pi / 4 * np.arange(count)]
    x = np.concatenate(parts).astype(dtype)
    return x[np.abs(x) <= vector_math.TURNS]


@WAYS
@EACH
@TURNING
def test_angles_within_a_unit_in_the_last_place(name: str, dtype: str, way: Any) -> None:
    x = angles(dtype, 600, np.random.default_rng(7))
    assert ulps(name, x, way(name, x)) <= LIMIT[name]


def test_pi_is_in_pieces_with_short_multiples() -> None:
    with mpmath.workprec(400):
        *short_, last = map(mpmath.mpf, vector_math.HALF_PI)
        assert abs(mpmath.fsum(short_) + last - mpmath.pi / 2) < last * 2.0**-52
        largest = int(vector_math.TURNS * 2 / math.pi) + 1
        assert all(float(k) * float(piece) == k * piece for piece in short_ for k in (largest, largest - 1, 524287))


@WAYS
@EACH
@TURNING
def test_special_cases_of_angles(name: str, dtype: str, way: Any) -> None:
    tiniest = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, -0.0, tiniest, -tiniest, np.nan], dtype)
    got, expected = way(name, x), getattr(np, name)(x)
    assert np.array_equal(got, expected, equal_nan=True)
    assert np.array_equal(np.signbit(got)[:4], np.signbit(expected)[:4])
    y = np.linspace(0, 25, 20001).astype(dtype)
    assert np.array_equal(way(name, -y), -way(name, y) if name == "sin" else way(name, y))


@EACH
@TURNING
@pytest.mark.parametrize("large", [1e7, -3e30, np.inf])
def test_angles_of_many_turns_are_left_to_numpy(name: str, dtype: str, large: float) -> None:
    import micrograd as mg

    f = {"sin": lambda x: np.sin(x) * 2, "cos": lambda x: np.cos(x) * 2}[name]
    x = np.array([0.5, large, np.nan, 2.0], dtype)
    with np.errstate(all="ignore"):
        assert np.array_equal(mg.compile(f)(x), f(x), equal_nan=True)


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
OPERANDS = ("x[i]", "x[i + n]", "x[i + 2 * n]")


def applied(name: str, *operands: np.ndarray) -> np.ndarray:
    """An intrinsic of each of these, as machine code: most in whole vectors, the last ones with a mask."""
    out = np.empty_like(operands[0])
    text = f"{name}({', '.join(OPERANDS[: len(operands)])})"
    looped(text, out.dtype.name)(len(out), np.concatenate(operands), out)
    return out


@EACH
@pytest.mark.parametrize("name", ["largest", "copysign", "plus"])
def test_intrinsics_of_two_numbers_are_numpys(name: str, dtype: str) -> None:
    x, y = (a.ravel() for a in np.meshgrid(np.array(REALS, dtype), np.array(REALS, dtype)))
    numpys = {"largest": intrinsics.maximum, "copysign": intrinsics.copysign, "plus": intrinsics.add_any}[name]
    with np.errstate(all="ignore"):
        expected = numpys(x, y)
    found = applied(name, x, y)
    assert np.array_equal(found, expected, equal_nan=True)
    assert name != "copysign" or np.array_equal(np.signbit(found), np.signbit(expected))


@EACH
def test_intrinsics_of_numbers_with_digits(dtype: str) -> None:
    form = FORMATS[DTYPES.index(dtype)]
    x = np.array([1.0, -1.5, 3.25, 1e-30, 1e30, float(form.tiny)] * 5, dtype)
    size, digits = applied("exponent", x), applied("significand", x)
    assert np.array_equal(size, [intrinsics.exponent(a) for a in x])
    assert np.array_equal(digits, [intrinsics.significand(a) for a in x])
    assert np.array_equal(digits.astype(float) * 2.0 ** size.astype(float), np.abs(x))
    assert ((digits >= 1) & (digits < 2)).all()
    k = np.array([-126, -1, 0, 1, 127] * 5, dtype)
    assert np.array_equal(applied("power_of_two", k), [intrinsics.power_of_two(a) for a in k])
    assert np.array_equal(applied("power_of_two", k), 2.0 ** k.astype(float))


@EACH
def test_scaling_is_rounded_once(dtype: str) -> None:
    real, info = np.dtype(dtype).type, np.finfo(dtype)
    digits = np.array([1.0, 0.75, 1.4, -1.1, 1.0 + info.eps, np.nan, 0.0], dtype)
    lowest = info.minexp - info.nmant - 2
    x, k = (a.ravel() for a in np.meshgrid(digits, np.arange(lowest, info.maxexp + 1, 7).astype(dtype)))
    with np.errstate(all="ignore"):
        expected = np.ldexp(x, k.astype(int))
        one_by_one = [intrinsics.scaled(real(a), real(b)) for a, b in zip(x, k, strict=True)]
    assert np.array_equal(one_by_one, expected, equal_nan=True)
    assert np.array_equal(applied("scaled", x, k), expected, equal_nan=True)


@EACH
def test_the_other_intrinsics(dtype: str) -> None:
    x, y, z = (np.full(21, value, dtype) for value in (2.0, 3.0, 0.5))
    assert (applied("multiply_add", x, y, z) == 6.5).all()
    assert intrinsics.multiply_add(x[0], y[0], z[0]) == 6.5
    flags = np.arange(21) % 2 == 0
    assert np.array_equal(applied("select", flags.astype(dtype), x, y), np.where(flags, 2, 3))
    assert [intrinsics.select(flag, x[0], y[0]) for flag in (True, False)] == [2, 3]


def test_operands_of_two_dtypes_do_not_compile() -> None:
    with pytest.raises(UnprintedError, match="an operation between f32 and i64"):
        text_of(LOOP.format("largest32(x[i], n)"), {"n": "i64", "x": "*f32", "out": "*f32"})


# ---- speed: what the machine code is made of ---------------------------------------------------------------

ON_X86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="looks for the names of x86's instructions"
)


def packed(text: str, operation: str) -> int:
    """How many instructions apply an operation to a whole vector."""
    return len(re.findall(rf"\bv?{operation}p[sd]\b", text))


@ON_X86
@EACH
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sin", "cos"])
def test_loops_are_vectors(name: str, dtype: str) -> None:
    kinds = {"n": "i64", "x": f"*{short(dtype)}", "out": f"*{short(dtype)}"}
    text = assembly(LOOP.format(called(name, dtype)), kinds)
    assert packed(text, "mul") + packed(text, r"fn?m(?:add|sub)\d+") >= 10
    assert not re.findall(r"\b(?:expf?|logf?|tanhf?|sinf?|cosf?|fmaf?)\b", text)  # no call of the C library
    if vector_bytes() > 16:
        assert re.search(rf"%{'z' if vector_bytes() == 64 else 'y'}mm\d", text)


TOTAL = """
def run(n, x, out):
    b = 0
    while b < n:
        s = f{bits}({start})
        i = 0
        while i < n:
            s = {step}
            i += 1
        out[0] = s
        b += n
    return 0
"""


def total(step: str, start: str, dtype: str) -> tuple[str, dict[str, str]]:
    kinds = {"n": "i64", "x": f"*{short(dtype)}", "out": f"*{short(dtype)}"}
    return TOTAL.format(step=step, start=start, bits=dtype[-2:]), kinds


@ON_X86
@EACH
def test_reductions_are_vectors(dtype: str) -> None:
    bits = dtype[-2:]
    assert packed(assembly(*total(f"plus{bits}(s, x[i])", "0", dtype)), "add") >= 2
    assert packed(assembly(*total(f"largest{bits}(s, x[i])", "-np.inf", dtype)), "max") >= 2


@ON_X86
@EACH
def test_a_product_is_rounded_with_its_sum_where_the_order_is_free_and_nowhere_else(dtype: str) -> None:
    fused = r"\bvfn?m(?:add|sub)\d+p[sd]\b"
    assert re.search(fused, assembly(*total(f"plus{dtype[-2:]}(s, x[i] * x[i])", "0", dtype))) or vector_bytes() == 16
    kinds = {"n": "i64", "x": f"*{short(dtype)}", "out": f"*{short(dtype)}"}
    assert not re.search(fused, assembly(LOOP.format("x[i] * x[i] + x[0]"), kinds))


@ON_X86
def test_a_sum_in_a_fixed_order_is_not() -> None:
    assert packed(assembly(*total("s + x[i]", "0", "float64")), "add") == 0


@EACH
@pytest.mark.parametrize("size", [1, 3, 16, 17, 64, 100, 10_001])
def test_any_order_changes_nothing_but_rounding(dtype: str, size: int) -> None:
    run = python_function(object_of(text_of(*total(f"plus{dtype[-2:]}(s, x[i])", "0", dtype))))
    x = np.random.default_rng(3).normal(size=size).astype(dtype)

    def found() -> float:
        out = np.empty(1, dtype)
        run(size, x, out)
        return float(out[0])

    assert abs(found() - math.fsum(x.astype(float))) <= UNIT[dtype] * np.abs(x).sum() * 100
    for bad in (np.nan, np.inf, -np.inf):
        x[size // 2] = bad
        assert np.array_equal(found(), bad, equal_nan=True)


@EACH
@pytest.mark.parametrize("place", [0, 17, 400, 1000])
def test_a_largest_of_many_finds_a_nan(place: int, dtype: str) -> None:
    run = python_function(object_of(text_of(*total(f"largest{dtype[-2:]}(s, x[i])", "-np.inf", dtype))))
    x, out = np.random.default_rng(5).normal(size=1001).astype(dtype), np.empty(1, dtype)
    run(1001, x, out)
    assert out[0] == x.max()
    x[place] = np.nan
    run(1001, x, out)
    assert np.isnan(out[0])


def test_the_table_is_complete() -> None:
    assert {name: set(versions) for name, versions in FUNCTIONS.items()} == {
        name: set(DTYPES) for name in ("exp", "log", "tanh", "sin", "cos")
    }
    assert vector_math.__doc__ is not None
