"""Every elementwise row at numbers of every kind: NumPy's bits by every route, slopes against mpmath, compiled in ulps.

The edges are what compositions lose: tiny, huge, infinite, equal and signed zero operands. A row that is added to the
table is in every test here but the one on slopes, whose table says what it lacks.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.primitives import TABLE, Primitive

ROWS = [row for row in TABLE.values() if row.kind == "map" and row.name not in ("cast", "where", "pow")]
EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.5, 3.0, 49.0, 98.0, 0.1, 1e-5, -1e-5, 3e-5,
         11.0, -11.0, np.pi / 2, 80.0, -80.0, 709.0, -745.0]  # fmt: skip
RNG = np.random.default_rng(5)


def edges(dtype: Any) -> np.ndarray:
    form = np.finfo(dtype)
    of_dtype = [form.tiny, -form.tiny, form.smallest_subnormal, form.max, -form.max, 1 + form.eps]
    return np.array([*EDGES, *of_dtype]).astype(dtype)


def operands(row: Primitive, dtype: Any) -> list[np.ndarray]:
    """All edges, or all pairs of them."""
    with np.errstate(all="ignore"):
        one = edges(dtype)
    return [one] if len(row.domain) == 1 else [m.ravel() for m in np.meshgrid(one, one)]


def numpys(row: Primitive, *given: Any) -> Any:
    return getattr(np, row.array)(*given)


def same_bits(got: Any, wanted: Any) -> None:
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    np.testing.assert_array_equal(got, wanted)
    if wanted.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got[~np.isnan(wanted)]), np.signbit(wanted[~np.isnan(wanted)]))


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a trace calls NumPy, which warns of NaN
        yield


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_values_have_the_bits_of_numpys(row: Primitive) -> None:
    for dtype in (np.float64, np.float32, np.float16):
        given = operands(row, dtype)
        wanted = numpys(row, *given)
        same_bits(row(*map(Tensor, given)).data, wanted)
        called = (lambda x: numpys(row, x)) if len(given) == 1 else lambda x, y: numpys(row, x, y)
        same_bits(mg.vjp(called, *given)[0], wanted)
    for whole in (np.array([-3, 0, 7]), np.array([1, 0, 2], np.uint8), np.array([True, False, True])):
        if len(row.domain) == 2:
            same_bits(row(Tensor(np.array([0.3, -1.5, 2.0], np.float32)), whole).data,
                      numpys(row, np.array([0.3, -1.5, 2.0], np.float32), whole))  # fmt: skip


@pytest.mark.parametrize("row", [row for row in ROWS if row.name != "maximum"], ids=lambda row: row.name)
def test_a_number_has_the_bits_of_an_array(row: Primitive) -> None:
    quick = row.name in ("exp", "log", "tanh", "power")  # by Python's own functions, within one ulp
    for numbers in itertools.islice(zip(*(x.tolist() for x in operands(row, np.float64)), strict=True), 0, None, 3):
        got, wanted = row(*map(Tensor, numbers)).raw, numpys(row, *map(np.float64, numbers))
        assert type(got) is float or np.asarray(got).dtype == wanted.dtype
        if not quick:
            same_bits(np.asarray(got), wanted)
        elif np.isfinite(wanted):
            assert abs(got - wanted) <= np.spacing(abs(wanted))


def test_a_trace_has_them_too() -> None:
    one, (x, y) = edges(np.float64), operands(TABLE["add"], np.float64)
    for row in ROWS:
        called, given = (lambda x: numpys(row, x), (one,)) if len(row.domain) == 1 else (  # noqa: B023
            lambda x, y: numpys(row, x, y), (x, y))  # fmt: skip  # noqa: B023
        graph = mg.trace(called, *given)
        same_bits(graph.value[graph.outputs[0].name], numpys(row, *given))


# ---- compiled --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("arity", [1, 2])
def test_compiled_values_are_within_three_ulps_and_exact_at_the_edges(arity: int, dtype: Any) -> None:
    rows = [row for row in ROWS if len(row.domain) == arity]
    with np.errstate(all="ignore"):
        given = [np.concatenate([e, (RNG.standard_normal(500) * 3).astype(dtype)]) for e in operands(rows[0], dtype)]
    f = (lambda x: tuple(numpys(row, x) for row in rows)) if arity == 1 else (
        lambda x, y: tuple(numpys(row, x, y) for row in rows))  # fmt: skip
    for row, got in zip(rows, mg.compile(f)(*given), strict=True):
        wanted = numpys(row, *given)
        assert got.dtype == wanted.dtype, row.name
        finite = np.isfinite(wanted)
        assert np.array_equal(got[~finite], wanted[~finite], equal_nan=True), row.name
        if wanted.dtype == bool or row.name in ("div", "remainder", "floor_divide", "fmod", "floor", "ceil", "rint"):
            assert np.array_equal(got, wanted, equal_nan=True), row.name
            assert np.array_equal(np.signbit(got[finite] * 1.0), np.signbit(wanted[finite] * 1.0)), row.name
            continue
        apart = np.abs(got[finite].astype(np.longdouble) - wanted[finite])
        assert (apart <= 3 * np.spacing(np.abs(wanted[finite]))).all(), row.name


# ---- slopes ----------------------------------------------------------------------------------------------

mp = mpmath.mp
Exact = Callable[..., Any]
SLOPES: dict[str, tuple[Exact, ...]] = {
    "div": (lambda x, y: 1 / y, lambda x, y: -x / y**2),
    "reciprocal": (lambda x: -1 / x**2,),
    "sqrt": (lambda x: 1 / (2 * mpmath.sqrt(x)),),
    "exp": (mpmath.exp,),
    "log": (lambda x: 1 / x,),
    "log1p": (lambda x: 1 / (1 + x),),
    "expm1": (mpmath.exp,),
    "exp2": (lambda x: mpmath.log(2) * mpmath.power(2, x),),
    "log2": (lambda x: 1 / (x * mpmath.log(2)),),
    "log10": (lambda x: 1 / (x * mpmath.log(10)),),
    "logaddexp": (lambda x, y: 1 / (1 + mpmath.exp(y - x)), lambda x, y: 1 / (1 + mpmath.exp(x - y))),
    "logaddexp2": (lambda x, y: 1 / (1 + mpmath.power(2, y - x)), lambda x, y: 1 / (1 + mpmath.power(2, x - y))),
    "power": (lambda x, y: y * mpmath.power(x, y - 1), lambda x, y: mpmath.power(x, y) * mpmath.log(x)),
    "cbrt": (lambda x: mpmath.cbrt(abs(x)) / (3 * abs(x)),),
    "hypot": (lambda x, y: x / mpmath.hypot(x, y), lambda x, y: y / mpmath.hypot(x, y)),
    "sin": (mpmath.cos,),
    "cos": (lambda x: -mpmath.sin(x),),
    "tan": (lambda x: 1 / mpmath.cos(x) ** 2,),
    "arcsin": (lambda x: 1 / mpmath.sqrt(1 - x**2),),
    "arccos": (lambda x: -1 / mpmath.sqrt(1 - x**2),),
    "arctan": (lambda x: 1 / (1 + x**2),),
    "arctan2": (lambda y, x: x / (x**2 + y**2), lambda y, x: -y / (x**2 + y**2)),
    "sinh": (mpmath.cosh,),
    "cosh": (mpmath.sinh,),
    "arcsinh": (lambda x: 1 / mpmath.sqrt(1 + x**2),),
    "arccosh": (lambda x: 1 / mpmath.sqrt(x**2 - 1),),
    "arctanh": (lambda x: 1 / (1 - x**2),),
    "sinc": (lambda x: (mpmath.cos(mp.pi * x) - mpmath.sin(mp.pi * x) / (mp.pi * x)) / x,),
    "degrees": (lambda x: 180 / mp.pi,),
    "radians": (lambda x: mp.pi / 180,),
    "remainder": (lambda x, y: 1, lambda x, y: -mpmath.floor(x / y)),
    "fmod": (lambda x, y: 1, lambda x, y: -mpmath.floor(abs(x / y)) * mpmath.sign(x / y)),
    "fmax": (lambda x, y: (mpmath.sign(x - y) + 1) / 2, lambda x, y: (mpmath.sign(y - x) + 1) / 2),
    "fmin": (lambda x, y: (mpmath.sign(y - x) + 1) / 2, lambda x, y: (mpmath.sign(x - y) + 1) / 2),
    "copysign": (lambda x, y: mpmath.sign(x) * mpmath.sign(y),),
}
OTHERS = {"add", "sub", "mul", "neg", "tanh", "abs", "maximum", "heaviside"}  # in tests of their own
SIZES = [1e-300, 3e-160, 1e-20, 2e-9, 1e-5, 0.03, 0.3, 0.7, 0.999, 1.4, 2.2, 7.5, 40.0, 700.0, 1e8, 1e155, 1e300]
PAIRS = [(0.3, 0.7), (7.5, 2.2), (-7.5, 2.2), (7.5, -2.2), (1e200, 1.5e200), (1e-200, 3e-200), (40.0, -1e-5),
         (-700.0, 0.3), (1e-300, 7.5), (1e8, 1.4), (2.2, 1e155),
         (0.3, 0.3), (7.5, 7.5), (-2.2, -2.2), (1e200, 1e200), (1e-200, 1e-200), (3e-308, 1e308)]  # fmt: skip


def test_every_row_with_a_slope_is_in_the_table() -> None:
    assert {row.name for row in ROWS if row.flows} == {*SLOPES} | OTHERS


@pytest.mark.parametrize("name", SLOPES)
def test_slopes_have_their_digits_from_tiny_to_huge(name: str) -> None:
    row = TABLE[name]
    points: list[tuple[float, ...]] = (
        [(sign * x,) for x in SIZES for sign in (1, -1)] if len(row.domain) == 1 else PAIRS
    )
    compared = 0
    for point in points:
        leaves = [Tensor(x) for x in point]
        out = row(*leaves)
        if not np.isfinite(out.raw):
            continue
        out.backward()
        for leaf, exact in zip(leaves, SLOPES[name], strict=False):
            with mpmath.workprec(3000):
                wanted = exact(*map(mpmath.mpf, point))
            if not isinstance(wanted, (int, mpmath.mpf)) or not 1e-290 < abs(wanted) < 1e290:
                continue  # complex, or beyond what a float can be
            error = abs(mpmath.mpf(leaf.grad) / wanted - 1) * 2**53
            # of a difference of operands, 1 - x or y - x, the slope has the digits that the condition of the value has
            assert error <= 16 * max(1.0, conditioned(name, *point)), (point, leaf.grad, wanted, float(error))
            compared += 1
    assert compared >= 6


def conditioned(name: str, x: float, y: float = 0.0) -> float:
    """How many times the relative error of the operands can come out in the slope."""
    size = max(abs(x), abs(y))
    return {"exp": size, "expm1": size, "exp2": size, "sinh": size, "cosh": size, "power": size,
            "logaddexp": size, "logaddexp2": size, "tan": size, "sinc": 4 * size * size}.get(name, 1.0)  # fmt: skip


@pytest.mark.parametrize(
    ("f", "point", "slopes"),
    [
        (np.hypot, (0.0, 0.0), (0.0, 0.0)),
        (np.arctan2, (0.0, 0.0), (0.0, 0.0)),
        (np.logaddexp, (-np.inf, -np.inf), (0.5, 0.5)),
        (np.logaddexp, (np.inf, 0.0), (1.0, 0.0)),
        (np.fmax, (np.nan, 2.0), (0.0, 1.0)),
        (np.fmin, (2.0, np.nan), (1.0, 0.0)),
        (np.fmax, (2.0, 2.0), (0.5, 0.5)),
        (np.power, (0.0, 2.0), (0.0, 0.0)),
        (np.power, (0.0, 0.0), (0.0, 0.0)),
        (np.power, (-2.0, 3.0), (12.0, np.nan)),  # of a base below 0 no power but whole ones is a number
        (np.heaviside, (0.0, 0.5), (0.0, 1.0)),
        (np.remainder, (1.0, np.inf), (1.0, 0.0)),
        (np.divide, (0.0, 5e-324), (np.inf, 0.0)),
    ],
)
def test_slopes_at_special_points(f: Any, point: tuple[float, ...], slopes: tuple[float, ...]) -> None:
    for make in (float, lambda x: np.array([x])):
        got = mg.grad(lambda x, y: np.sum(f(x, y)), (0, 1))(*map(make, point))
        np.testing.assert_array_equal(np.ravel(got), slopes)


def test_rounding_has_slope_zero_and_keeps_the_other_paths() -> None:
    x = np.array([0.5, 1.5, -2.7, 3.0])
    for f in (np.floor, np.ceil, np.trunc, np.rint, np.round, np.fix, lambda x: x // 0.7):
        assert mg.grad(lambda x: np.sum(f(x)))(x).tolist() == [0.0] * 4  # noqa: B023
        np.testing.assert_array_equal(mg.grad(lambda x: np.sum(f(x) * x))(x), f(x))  # noqa: B023
    for decimals in (0, 1, 3, -1):
        y = np.array([0.15, 2.675, -12.345, 1e16 / 3, 55.0])
        same_bits(mg.vjp(lambda x: np.round(x, decimals), y)[0], np.round(y, decimals))  # noqa: B023
        graph = mg.trace(lambda x: np.round(x, decimals) * 1.0, y)  # noqa: B023
        same_bits(graph.value[graph.outputs[0].name], np.round(y, decimals))


# ---- scans -----------------------------------------------------------------------------------------------

SCANS = {"cumsum": np.add, "cumprod": np.multiply, "cummax": np.maximum, "cummin": np.minimum}


@pytest.mark.parametrize("name", SCANS)
def test_scans_have_numpys_bits_and_nothing_spreads_backwards(name: str) -> None:
    ufunc = SCANS[name]
    for x in (np.array([1.0, np.inf, 2.0]), np.array([1.0, 2.0, np.nan]), np.array([-0.0, 0.0]), np.ones((2, 0)),
              RNG.standard_normal((3, 4)), RNG.standard_normal(9).astype(np.float32), np.float16([3, 2, 7])):  # fmt: skip
        for axis in range(x.ndim):
            called = lambda x: ufunc.accumulate(x, axis)  # noqa: B023
            same_bits(mg.vjp(called, x)[0], called(x))
            graph = mg.trace(called, x)
            same_bits(graph.value[graph.outputs[0].name], called(x))
            same_bits(mg.compile(called)(x), called(x)) if x.size == 12 else None


def test_counts_of_truth_values_are_whole_numbers() -> None:
    x = np.array([0.5, -1.0, 2.0, 3.0])
    f = lambda x: x * np.cumsum(x > 0)
    same_bits(mg.vjp(f, x)[0], f(x))
    same_bits(mg.compile(f)(x), f(x))


@pytest.mark.parametrize("zeros", [[], [0], [2], [1, 3], [4]])
def test_a_running_product_has_its_slope_at_zeros(zeros: list[int]) -> None:
    x, w = RNG.standard_normal(5), RNG.standard_normal(5)
    x[zeros] = 0.0
    wanted = [sum(w[j] * np.prod(np.delete(x[: j + 1], i)) for j in range(i, 5)) for i in range(5)]
    np.testing.assert_allclose(mg.grad(lambda x: np.sum(w * np.cumprod(x)))(x), wanted, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(mg.grad(np.prod)(x), [np.prod(np.delete(x, i)) for i in range(5)], rtol=1e-13)


def test_ties_of_a_running_maximum_share_as_those_of_a_maximum_do() -> None:
    def folded(x: Any) -> Any:
        best, total = x[0], x[0]
        for entry in x[1:]:
            best = np.maximum(best, entry)
            total = total + 3.0 * best
        return total

    x = np.array([1.0, 1.0, 0.5, 2.0, 2.0, 2.0])
    weights = np.array([1.0, 3.0, 3.0, 3.0, 3.0, 3.0])
    scanned = mg.grad(lambda x: np.sum(weights * np.maximum.accumulate(x)))(x)
    np.testing.assert_array_equal(scanned, mg.grad(folded)(x))


def test_scans_take_linear_time_and_memory() -> None:
    x = RNG.standard_normal(200_000)
    for f in (np.cumsum, np.cumprod, np.maximum.accumulate):
        assert np.isfinite(mg.grad(lambda x: np.sum(f(x)))(x)).all()  # noqa: B023 - quadratic, it would take 320 GB
