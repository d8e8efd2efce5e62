"""Compose what NumPy does with samples of a function: differences, integrals, interpolation, convolution, polynomials.

Written in the shared dialect: each works on tensors (recorded) and on arrays alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd import primitives as rows
from micrograd.errors import GraphError, ShapeError
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.numpy_api import rearrange
from micrograd.numpy_api.composites import normal_axis, shape_of

__all__ = [
    "convolve", "correlate", "diff", "ediff1d", "geomspace", "gradient", "interp", "linspace", "logspace",
    "polyadd", "polyder", "polyfit", "polyint", "polymul", "polysub", "polyval", "trapezoid", "unwrap", "vander",
    "windows",
]  # fmt: skip


def _floats(x: Any) -> Any:
    """Return `x` as something with a shape, in a float dtype."""
    if hasattr(x, "__primitive__"):
        return p.cast(x, dtype="float64") if x.dtype.kind in "biu" else x
    if isinstance(x, (list, tuple)) and any(hasattr(item, "__primitive__") for item in x):
        return c.stack([item if hasattr(item, "__primitive__") else np.asarray(item, float) for item in x])
    array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype(float)


def _along(x: Any, axis: int, index: Any) -> Any:
    return p.gather(x, index=(slice(None),) * axis + (index,))


def _axis(x: Any, axis: int) -> int:
    place = normal_axis(axis, len(shape_of(x)))
    assert isinstance(place, int)
    return place


# ---- differences and integrals -----------------------------------------------------------------------------


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Subtract from each entry the one before, `n` times, as `numpy.diff`."""
    if n < 0:
        raise ShapeError(f"np.diff: n is {n}; expected 0 or more.")
    place = _axis(a, axis)
    if n == 0:
        return a
    ends = [_end(a, prepend, place), a, _end(a, append, place)]
    parts = [part for part in ends if part is not None]
    a = c.concatenate(parts, place) if len(parts) > 1 else a
    for _ in range(n):
        later, earlier = _along(a, place, slice(1, None)), _along(a, place, slice(None, -1))
        a = p.not_equal(later, earlier) if a.dtype.kind == "b" else later - earlier
    return a


def _end(a: Any, given: Any, axis: int) -> Any:
    if given is None or given is np._NoValue:
        return None
    given = _floats(given)
    if len(shape_of(given)):
        return given
    shape = list(shape_of(a))
    shape[axis] = 1
    return c.broadcast_to(given, shape)


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return the differences of all entries in one row, as `numpy.ediff1d`."""
    made = diff(c.reshape(ary, -1))
    ends = [None if end is None else c.reshape(_floats(end), -1) for end in (to_begin, to_end)]
    parts = [part for part in (ends[0], made, ends[1]) if part is not None]
    return c.concatenate(parts, 0) if len(parts) > 1 else made


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return the slope of samples along each axis, of second order inside, as `numpy.gradient`."""
    ndim = len(shape_of(f))
    axes = range(ndim) if axis is None else [axis] if isinstance(axis, (int, np.integer)) else axis
    places = [_axis(f, int(a)) for a in axes]
    spacing = list(varargs) or [1.0]
    if len(spacing) == 1:
        spacing *= len(places)
    if len(spacing) != len(places):
        raise TypeError("invalid number of arguments")
    f = _floats(f)
    made = [_slope(f, h, place, edge_order) for h, place in zip(spacing, places, strict=True)]
    made = [x if x.dtype == f.dtype else p.cast(x, dtype=f.dtype.name) for x in made]
    return made[0] if len(made) == 1 else tuple(made)


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    n = shape_of(f)[axis]
    if n < edge_order + 1:
        raise ShapeError(f"np.gradient needs {edge_order + 1} samples along axis {axis} for edge_order={edge_order}; "
                         f"got {n}.")  # fmt: skip
    if len(shape_of(h)) and shape_of(h) != (n,):
        raise ShapeError(f"np.gradient: {shape_of(h)[0]} coordinates for {n} samples along axis {axis}.")
    steps = diff(_floats(h)) if len(shape_of(h)) else c.broadcast_to(_floats(h), (n - 1,))
    shape = [1] * len(shape_of(f))
    shape[axis] = -1

    def step(start: int, stop: int | None) -> Any:
        return c.reshape(p.gather(steps, index=slice(start, stop)), shape)

    def entry(start: int | None, stop: int | None) -> Any:
        return _along(f, axis, slice(start, stop))

    before, behind = step(0, n - 2), step(1, n - 1)
    inner = c.divide(
        entry(None, -2) * -(behind * behind)
        + entry(1, -1) * (behind * behind - before * before)
        + entry(2, None) * (before * before),
        before * behind * (before + behind),
    )
    first, last = (entry(1, 2) - entry(0, 1), entry(-1, None) - entry(-2, -1))
    if edge_order == 1:
        first, last = c.divide(first, step(0, 1)), c.divide(last, step(n - 2, n - 1))
    else:
        a, b = step(0, 1), step(1, 2)
        first = c.divide(entry(0, 1) * -(2.0 * a + b), a * (a + b)) + c.divide(entry(1, 2) * (a + b), a * b) - (
            c.divide(entry(2, 3) * a, b * (a + b))
        )  # fmt: skip
        a, b = step(n - 3, n - 2), step(n - 2, n - 1)
        last = c.divide(entry(-3, -2) * b, a * (a + b)) - c.divide(entry(-2, -1) * (b + a), a * b) + (
            c.divide(entry(-1, None) * (2.0 * b + a), b * (a + b))
        )  # fmt: skip
    return c.concatenate([first, inner, last], axis) if n > 2 else c.concatenate([first, last], axis)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integrate samples by the trapezoidal rule, as `numpy.trapezoid`."""
    y = _floats(y)
    place = _axis(y, axis)
    if x is None:
        steps = dx
    else:
        x = _floats(x)
        steps = diff(x) if len(shape_of(x)) == 1 else diff(x, axis=place)
        if len(shape_of(x)) == 1:
            shape = [1] * len(shape_of(y))
            shape[place] = -1
            steps = c.reshape(steps, shape)
    return c.sum(steps * (_along(y, place, slice(1, None)) + _along(y, place, slice(None, -1))) * 0.5, place)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Interpolate linearly between given points, as `numpy.interp`; beyond them the slope by `x` is 0.

    Between which points an `x` lies is found by a search; in a compiled call by comparing it with all of them.
    """
    x, xp, fp = _floats(x), _floats(xp), _floats(fp)
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, abs(float(period)))
        left = right = None
    n = shape_of(xp)[0]
    if capturing() is not None:
        return _interp_by_masks(x, xp, fp, left, right)
    places = c.values_of(xp, "np.interp()"), c.values_of(x, "np.interp()")
    low = np.clip(np.searchsorted(places[0], places[1], side="right") - 1, 0, max(n - 2, 0))
    high = np.minimum(low + 1, n - 1)
    y, start = p.gather(fp, index=low), p.gather(xp, index=low)
    step = p.gather(xp, index=high) - start
    share = c.divide(x - start, step if n > 1 else np.ones(np.shape(low)))
    made = y + (p.gather(fp, index=high) - y) * share
    first, last = (p.gather(fp, index=at) if given is None else given for at, given in ((0, left), (n - 1, right)))
    below, above, on = places[1] < places[0][0], places[1] > places[0][-1], places[1] == places[0][-1]
    made = p.where(on, p.gather(fp, index=n - 1), made) if on.any() else made
    made = p.where(below, first, made) if below.any() else made
    return p.where(above, last, made) if above.any() else made


def _interp_by_masks(x: Any, xp: Any, fp: Any, left: Any, right: Any) -> Any:
    """Interpolate where the places of the points are not known: each interval gives its own points their values."""
    n, x = shape_of(xp)[0], p.cast(x, dtype="float64") if x.dtype != np.float64 else x
    at = [c.getitem(xp, k) for k in range(n)]
    y = [c.getitem(fp, k) for k in range(n)]
    made = p.where(p.isnan(x), x, y[0])
    for k in range(n - 1):
        share = c.divide(x - at[k], at[k + 1] - at[k])
        made = p.where(p.greater_equal(x, at[k]), y[k] + (y[k + 1] - y[k]) * share, made)
    made = p.where(p.equal(x, at[n - 1]), y[n - 1], made)
    made = p.where(p.less(x, at[0]), y[0] if left is None else left, made)
    return p.where(p.greater(x, at[n - 1]), y[n - 1] if right is None else right, made)


def _periodic(x: Any, xp: Any, fp: Any, period: float) -> tuple[Any, Any, Any]:
    def inside(z: Any) -> Any:
        return p.remainder(z, period)

    x, xp = inside(x), inside(xp)
    order = np.argsort(c.values_of(xp, "np.interp()"), kind="stable")
    xp, fp = p.gather(xp, index=order), p.gather(fp, index=order)
    ends = slice(-1, None), slice(0, 1)
    xp = c.concatenate([p.gather(xp, index=ends[0]) - period, xp, p.gather(xp, index=ends[1]) + period])
    return x, xp, c.concatenate([p.gather(fp, index=ends[0]), fp, p.gather(fp, index=ends[1])])


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 6.283185307179586) -> Any:
    """Add periods where a phase jumps, as `numpy.unwrap`; what is added has no slope."""
    phase, axis = _floats(p), _axis(p, axis)
    if discont is None:
        discont = period / 2
    steps = diff(phase, axis=axis)
    half = period / 2
    turned = rows.remainder(steps + half, period) - half
    turned = rows.where(c.logical_and(rows.equal(turned, -half), rows.greater(steps, 0.0)), half, turned)
    added = rows.where(rows.less(rows.abs(steps), discont), 0.0, turned - steps)
    first = (slice(None),) * axis + (slice(0, 1),)
    rest = (slice(None),) * axis + (slice(1, None),)
    moved = c.getitem(phase, rest) + rows.cumsum(added, axis=axis)
    return c.concatenate([c.getitem(phase, first), moved], axis)


# ---- points between two ends ------------------------------------------------------------------------------


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
    axis: int = 0,
) -> Any:  # fmt: skip
    """Return points at equal distances, as `numpy.linspace`."""
    num = int(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    start, stop = _floats(start), _floats(stop)
    parts = num - 1 if endpoint else num
    way = stop - start
    count = np.arange(num, dtype=float).reshape((-1,) + (1,) * len(shape_of(way)))
    step = c.divide(way, float(parts)) if parts > 0 else way * np.nan
    made = start + (count * step if parts > 0 else count * way)
    if endpoint and num > 1:
        made = p.where(count == num - 1, stop, made)
    made = c.moveaxis(made, 0, axis) if axis else made
    made = made if dtype is None else made.astype(dtype)
    return (made, step) if retstep else made


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """Return powers of `base` whose exponents are at equal distances, as `numpy.logspace`."""
    made = c.power(_floats(base), linspace(start, stop, num, endpoint, axis=axis))
    return made if dtype is None else made.astype(dtype)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Return points of which each is the one before times the same factor, as `numpy.geomspace`."""
    start, stop = _floats(start), _floats(stop)
    sign = p.sign(start)
    made = logspace(p.log10(start * sign), p.log10(stop * sign), num, endpoint)
    count = np.arange(int(num)).reshape((-1,) + (1,) * (len(shape_of(made)) - 1))
    made = p.where(count == 0, start, made * sign)
    if endpoint and num > 1:
        made = p.where(count == num - 1, stop, made)
    made = c.moveaxis(made, 0, axis) if axis else made
    return made if dtype is None else made.astype(dtype)


# ---- windows, convolution ----------------------------------------------------------------------------------


def windows(x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False) -> Any:
    """Return all windows of a shape, as `numpy.lib.stride_tricks.sliding_window_view`: a copy of the entries."""
    del subok
    if writeable:
        raise GraphError("sliding_window_view with writeable=True writes to overlapping windows; leave it out.")
    return rearrange.rearranged(x, lambda at: np.lib.stride_tricks.sliding_window_view(at, window_shape, axis))


def _line(x: Any) -> Any:
    """Return a number as a vector of one."""
    x = _floats(x)
    return x if len(shape_of(x)) else c.reshape(x, (1,))


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Return the sums of products of a signal and a turned, shifted one, as `numpy.convolve`."""
    a, v = _line(a), _line(v)
    if len(shape_of(v)) and len(shape_of(a)) and shape_of(v)[0] > shape_of(a)[0]:
        a, v = v, a
    return _correlated(a, c.getitem(v, slice(None, None, -1)), mode)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Return the sums of products of a signal and a shifted one, as `numpy.correlate`."""
    a, v = _floats(a), _floats(v)
    if not (len(shape_of(a)) and len(shape_of(v))) or shape_of(v)[0] <= shape_of(a)[0]:
        return _correlated(a, v, mode)
    return c.getitem(_correlated(v, a, mode), slice(None, None, -1))


def _correlated(a: Any, v: Any, mode: str) -> Any:
    """Multiply the windows of `a`, with zeros at its ends, with `v`, which is not longer."""
    if len(shape_of(a)) != 1 or len(shape_of(v)) != 1 or not shape_of(v)[0]:
        raise ShapeError(f"np.convolve and np.correlate take two vectors; got shapes {shape_of(a)} and {shape_of(v)}.")
    n = shape_of(v)[0]
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    before = {"full": n - 1, "same": n // 2, "valid": 0}[mode]
    behind = {"full": n - 1, "same": (n - 1) // 2, "valid": 0}[mode]
    return c.matmul(windows(rearrange.pad(a, (before, behind)) if n > 1 and mode != "valid" else a, n), v)


# ---- polynomials -------------------------------------------------------------------------------------------


def _coefficients(p_: Any) -> Any:
    made = _floats(p_)
    return c.reshape(made, -1) if len(shape_of(made)) != 1 else made


def polyval(p: Any, x: Any) -> Any:
    """Return the value of a polynomial, the highest power first, by Horner's rule, as `numpy.polyval`."""
    coefficients = _coefficients(p)
    x = _floats(x)
    made: Any = np.zeros(shape_of(x))
    for at in range(shape_of(coefficients)[0]):
        made = made * x + c.getitem(coefficients, at)
    return made


def _longer(x: Any, n: int) -> Any:
    return x if shape_of(x)[0] == n else c.concatenate([np.zeros(n - shape_of(x)[0]), x])


def polyadd(a1: Any, a2: Any) -> Any:
    """Add two polynomials, as `numpy.polyadd`."""
    a1, a2 = _coefficients(a1), _coefficients(a2)
    n = max(shape_of(a1)[0], shape_of(a2)[0])
    return _longer(a1, n) + _longer(a2, n)


def polysub(a1: Any, a2: Any) -> Any:
    """Subtract two polynomials, as `numpy.polysub`."""
    a1, a2 = _coefficients(a1), _coefficients(a2)
    n = max(shape_of(a1)[0], shape_of(a2)[0])
    return _longer(a1, n) - _longer(a2, n)


def polymul(a1: Any, a2: Any) -> Any:
    """Multiply two polynomials, as `numpy.polymul`."""
    return convolve(_coefficients(a1), _coefficients(a2))


def polyder(p: Any, m: int = 1) -> Any:
    """Differentiate a polynomial `m` times, as `numpy.polyder`."""
    made = _coefficients(p)
    for _ in range(m):
        n = shape_of(made)[0]
        made = c.getitem(made, slice(0, -1)) * np.arange(n - 1, 0, -1.0)
    return made


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Integrate a polynomial `m` times, as `numpy.polyint`."""
    made = _coefficients(p)
    constants = [0.0] * m if k is None else [k] * m if np.ndim(getattr(k, "raw", k)) == 0 else list(k)
    for constant in constants:
        n = shape_of(made)[0]
        made = c.concatenate([made / np.arange(n, 0, -1.0), c.reshape(_floats(constant), -1)])
    return made


def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: bool = False) -> Any:
    """Fit a polynomial by least squares, as `numpy.polyfit`; the slope is that of its coefficients."""
    if full or cov:
        raise GraphError("np.polyfit with full= or cov= is not composed of primitives; leave them out.")
    from micrograd.numpy_api import linalg

    left, right = vander(_floats(x), int(deg) + 1), _floats(y)
    if w is not None:
        w = _floats(w)
        left, right = left * c.reshape(w, (-1, 1)), right * (w if len(shape_of(right)) == 1 else c.reshape(w, (-1, 1)))
    scale = p.sqrt(c.sum(left * left, 0))
    made = linalg.lstsq(c.divide(left, scale), right, rcond)[0]
    return c.divide(made, scale if len(shape_of(made)) == 1 else c.reshape(scale, (-1, 1)))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of each entry, one in a column, as `numpy.vander`."""
    x = _floats(x)
    dtype = np.promote_types(x.dtype, int)
    x = x if x.dtype == dtype else p.cast(x, dtype=dtype.name)
    if len(shape_of(x)) != 1:
        raise ShapeError(f"np.vander takes a vector; got shape {shape_of(x)}.")
    n = shape_of(x)[0] if N is None else N
    columns: list[Any] = [np.ones(shape_of(x), x.dtype)][:n]
    for _ in range(n - 1):
        columns.append(columns[-1] * x if len(columns) > 1 else x)
    if not columns:
        return np.empty((*shape_of(x), 0), x.dtype)
    return c.stack(columns if increasing else columns[::-1], -1)
