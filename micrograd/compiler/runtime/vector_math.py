r"""Compute exp, log, tanh, sin and cos in a form that runs on whole vectors.

The C library's functions take one number at a time, and a loop that calls them is not vectorised. These are straight
lines of arithmetic without branches or tables, compiled into the loop they stand in; float32 is computed in float32,
but for sin and cos, whose operands lose their digits where whole turns are taken away.

Each reduces its operand to a short interval exactly or nearly so (W. J. Cody and W. Waite, Software Manual for the
Elementary Functions, 1980), and takes a polynomial there. log 2 is in two pieces, the first with so few digits that
whole multiples of it are exact; pi/2 is in four, three of 33 bits each.
The coefficients are least-squares fits at Chebyshev's points in 200-bit arithmetic, rounded one after the other
(`tests/support/chebyshev.py`; a test computes them again). With u = 2**-24 or 2**-53 the
polynomials are within 0.024 u of the function, relatively; what else is lost is rounding in the last few operations.

Largest errors measured against mpmath, in units in the last place (ulp):

=======  =========  =========  =====================================================
\         float32    float64    special cases
=======  =========  =========  =====================================================
exp      0.98       0.98       inf above 88.7 or 709.8; subnormal, then 0 far below 0
log      0.84       0.85       -inf of 0 and -0, NaN below, inf of inf
tanh     1.31       1.32       odd, bit for bit; -0 of -0
sin      0.51       0.79       up to 1e6 (`TURNS`); beyond, NumPy computes the call
cos      0.51       0.79       the same
=======  =========  =========  =====================================================

NaN gives NaN. The bounds hold whether or not the processor fuses multiplication and addition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.compiler.runtime.intrinsics import (
    copysign,
    exponent,
    horner,
    multiply_add,
    power_of_two,
    scaled,
    select,
    significand,
)

__all__ = ["FORMATS", "FUNCTIONS", "TURNS", "Format"]

Function = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Format:
    """What the functions need to know about a float format.

    Attributes:
        dtype: its name.
        round_to_whole: added and subtracted again, it rounds to a whole number: 1.5 * 2**(bits after the point).
        log2: the first digits of log 2 and the rest.
        exp_range: where exp may be computed: from below where it is 0 to above where it is inf.
        tanh_range: up to where tanh is taken as an odd polynomial, and from where on it is 1.
        tiny: the smallest normal number.
        expm1: p with ``exp(r) - 1 = r + r*r*p(r)`` for r between -log(2)/2 and log(2)/2.
        tanh: p with ``tanh(x) = x + x*z*p(z)``, z = x*x, up to the first of `tanh_range`.
        sin: p with ``sin(x) = x + x*z*p(z)``, z = x*x, for x between -pi/4 and pi/4.
        cos: p with ``cos(x) = 1 - z/2 + z*z*p(z)`` there.
        log1p: p with ``log((1+s)/(1-s)) = 2*s + s*z*p(z)``, z = s*s, for (1+s)/(1-s) between sqrt(1/2) and sqrt(2).
    """

    dtype: str
    round_to_whole: float
    log2: tuple[float, float]
    exp_range: tuple[float, float]
    tanh_range: tuple[float, float]
    tiny: float
    expm1: tuple[float, ...]
    tanh: tuple[float, ...]
    sin: tuple[float, ...]
    cos: tuple[float, ...]
    log1p: tuple[float, ...]


FORMATS = (
    Format(
        "float32",
        1.5 * 2.0**23,
        (0.693145751953125, 1.428606765330187e-06),
        (-105.0, 89.0),
        (0.5625, 10.0),
        2.0**-126,
        (
            0.5, 0.1666666567325592, 0.04166647791862488, 0.008333567529916763, 0.0013933690497651696,
            0.0001974244078155607,
        ),
        (
            -0.3333331346511841, 0.13332439959049225, -0.053836289793252945, 0.021003251895308495,
            -0.006174428854137659,
        ),
        (-0.1666666716337204, 0.008333372883498669, -0.00019850293756462634, 2.8043507427355507e-06),
        (0.04166664555668831, -0.0013887310633435845, 2.4432563805021346e-05),
        (0.6666677594184875, 0.399775892496109, 0.2987058162689209),
    ),
    Format(
        "float64",
        1.5 * 2.0**52,
        (0.6931471803691238, 1.9082149292705877e-10),
        (-747.0, 710.0),
        (0.5625, 20.0),
        2.0**-1022,
        (
            0.5, 0.16666666666666677, 0.0416666666666666, 0.008333333333321468, 0.0013888888888928326,
            0.0001984126988646235, 2.4801587227576575e-05, 2.755724392383305e-06, 2.7557361928014977e-07,
            2.5109122929206796e-08, 2.0886594362820896e-09,
        ),
        (
            -0.33333333333333276, 0.13333333333322864, -0.05396825396158679, 0.021869488323751032,
            -0.008863231584930891, 0.003592081768827773, -0.001455476800521504, 0.0005881728796248427,
            -0.00023269088499339464, 8.232725804154882e-05, -1.8884639802083232e-05,
        ),
        (
            -0.16666666666666666, 0.008333333333333099, -0.00019841269841054578, 2.7557319127899957e-06,
            -2.5052085616756094e-08, 1.6056205209380686e-10, -7.482796636853244e-13,
        ),
        (
            0.04166666666666659, -0.0013888888888872344, 2.48015872884652e-05, -2.755731407988205e-07,
            2.087568859925549e-09, -1.1357954616084594e-11,
        ),
        (
            0.6666666666666736, 0.3999999999940572, 0.28571428743984745, 0.22222198435196522, 0.18183570565272192,
            0.15313908347589533, 0.14797240239442028,
        ),
    ),
)  # fmt: skip

HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32)
"""pi/2 in pieces: multiples of the first three by whole numbers below 2**20 are exact."""
TURNS = 1e6
"""Up to here sin and cos may be taken."""


def _functions(form: Format) -> dict[str, Function]:
    """Return the functions of one format. What they use is bound here, as numbers of the format.

    Machine code has them as constants.
    """
    real = np.dtype(form.dtype).type
    zero, half, one, two = real(0.0), real(0.5), real(1.0), real(2.0)
    infinity, nan = real(np.inf), real(np.nan)
    to_whole, log2_e, sqrt2 = real(form.round_to_whole), real(1 / np.log(2)), real(np.sqrt(2))
    log2_high, log2_low = map(real, form.log2)
    lowest, highest = map(real, form.exp_range)
    near, far = map(real, form.tanh_range)
    tiny = real(form.tiny)
    lifts, lift = real(64.0), real(2.0**64)  # brings every subnormal number among the normal ones
    expm1_p, tanh_p, log1p_p = (tuple(map(real, p)) for p in (form.expm1, form.tanh, form.log1p))
    f32, f64 = np.float32, np.float64  # in which turns are counted
    turns_to_whole, turns, quarter, four = f64(1.5 * 2.0**52), f64(2 / np.pi), f64(0.25), f64(4.0)
    pi_1, pi_2, pi_3, pi_4 = map(f64, HALF_PI)
    none, unit, middle = f64(0.0), f64(1.0), f64(0.5)
    sin_p, cos_p = (tuple(map(f64, p)) for p in (form.sin, form.cos))

    def whole(x: Any) -> Any:
        return (x + to_whole) - to_whole

    def reduced_expm1(x: Any, k: Any) -> Any:
        """``exp(x - k log 2) - 1``."""
        r = multiply_add(-k, log2_low, multiply_add(-k, log2_high, x))
        return multiply_add(r * r, horner(r, expm1_p), r)

    def exp(x: Any) -> Any:
        x = select(x > highest, highest, x)  # a NaN stays
        x = select(x < lowest, lowest, x)
        k = whole(x * log2_e)
        return scaled(reduced_expm1(x, k) + one, k)

    def log(x: Any) -> Any:
        small = x < tiny
        lifted = select(small, x * lift, x)
        e, m = exponent(lifted), significand(lifted)
        upper = m > sqrt2
        m = select(upper, half * m, m)
        e = select(upper, e + one, e) - select(small, lifts, zero)
        f = m - one
        s = f / (f + two)
        z = s * s
        square = half * f * f  # 2 s = f - (square - s * square): f is exact, and s small
        rest = multiply_add(s, square + z * horner(z, log1p_p), e * log2_low)
        result = multiply_add(e, log2_high, f - (square - rest))
        outside = select(x == zero, -infinity, select(x < zero, nan, x))
        return select((x > zero) & (x < infinity), result, outside)

    def tanh(x: Any) -> Any:
        z = x * x
        small = multiply_add(x * z, horner(z, tanh_p), x)
        size = copysign(x, one)
        y = two * select(size > far, far, size)
        k = whole(y * log2_e)
        scale = power_of_two(k)
        large = one - two / multiply_add(scale, reduced_expm1(y, k), scale + one)  # 1 - 2/(exp(2 size) + 1)
        return copysign(select(size < near, small, large), x)

    def quarters(x: Any) -> Any:
        """Count the quarter turns in x."""
        return (x * turns + turns_to_whole) - turns_to_whole

    def left(k: Any) -> Any:
        """Return which quarter of a turn k is: 0, 1 or -1, or 2 or -2."""
        return k - four * ((k * quarter + turns_to_whole) - turns_to_whole)

    def lost(x: Any, y: Any, difference: Any) -> Any:
        """Return what rounding took from ``x - y`` (D. Knuth, The Art of Computer Programming, volume 2)."""
        back = difference - x
        return (x - (difference - back)) - (y + back)

    def reduced(x: Any, k: Any) -> Any:
        """Return ``x - k pi/2``, rounded."""
        return (x - k * pi_1) - k * pi_2 - k * pi_3

    def beyond(x: Any, k: Any) -> Any:
        """Return what `reduced` has lost."""
        first = x - k * pi_1
        second = first - k * pi_2
        third = second - k * pi_3
        return (lost(first, k * pi_2, second) + lost(second, k * pi_3, third)) - k * pi_4

    def sine(r: Any, more: Any) -> Any:
        z = r * r
        return r + multiply_add(r * z, horner(z, sin_p), more * multiply_add(-z, middle, unit))

    def cosine(r: Any, more: Any) -> Any:
        z = r * r
        half_z = z * middle
        w = unit - half_z
        return w + (((unit - w) - half_z) + multiply_add(z * z, horner(z, cos_p), -(r * more)))

    def sine_at(q: Any, s: Any, c: Any) -> Any:
        """Return the sine q quarter turns on, of the sine and the cosine there."""
        return select(q * q == unit, q * c, multiply_add(-(q * q), middle, unit) * s)

    def cosine_at(q: Any, s: Any, c: Any) -> Any:
        return select(q * q == unit, -q * s, multiply_add(-(q * q), middle, unit) * c)

    def sin_wide(x: Any) -> Any:
        k = quarters(x)
        r, more = reduced(x, k), beyond(x, k)
        return select(x == none, x, sine_at(left(k), sine(r, more), cosine(r, more)))

    def cos_wide(x: Any) -> Any:
        k = quarters(x)
        r, more = reduced(x, k), beyond(x, k)
        return cosine_at(left(k), sine(r, more), cosine(r, more))

    def short_sine(r: Any) -> Any:
        return multiply_add(r * r * r, horner(r * r, sin_p), r)

    def short_cosine(r: Any) -> Any:
        z = r * r
        return multiply_add(z * z, horner(z, cos_p), multiply_add(-z, middle, unit))

    def sin_of_float32(x: Any) -> Any:
        wider = f64(x)
        k = quarters(wider)
        r = reduced(wider, k)
        return select(x == zero, x, f32(sine_at(left(k), short_sine(r), short_cosine(r))))

    def cos_of_float32(x: Any) -> Any:
        wider = f64(x)
        k = quarters(wider)
        r = reduced(wider, k)
        return f32(cosine_at(left(k), short_sine(r), short_cosine(r)))

    narrow = form.dtype == "float32"
    sin, cos = (sin_of_float32, cos_of_float32) if narrow else (sin_wide, cos_wide)
    return {"exp": exp, "log": log, "tanh": tanh, "sin": sin, "cos": cos}


_BY_FORMAT = {form.dtype: _functions(form) for form in FORMATS}
FUNCTIONS: dict[str, dict[str, Function]] = {
    name: {dtype: functions[name] for dtype, functions in _BY_FORMAT.items()}
    for name in ("exp", "log", "tanh", "sin", "cos")
}
"""By name, then by dtype: ``FUNCTIONS["exp"]["float32"]``. Their operand is of that dtype, and so is their result."""
