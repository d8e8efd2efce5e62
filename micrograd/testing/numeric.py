"""Measure slopes numerically: by complex step, and by central differences along a line.

Both take a function of one real number, ``line(t) = f(x + t * direction)``, and return the slope of a weighted sum of
its outputs at ``t = 0``.

- Complex step (Squire and Trapp 1998): ``Im f(x + ih v) / h`` subtracts nothing, so h may be 1e-20 and the
  slope is right to the last bits, if `f` is analytic and runs on complex numbers.
- Central differences, extrapolated to step 0 (Ridders 1982): for everything else; about ten digits, with
  an estimate of the error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["LineFunction", "Slope", "central_slope", "complex_slope", "gap_at_zero"]

LineFunction = Callable[[Any], np.ndarray[Any, Any]]
"""The outputs of a function along a line through a point, as an array."""

_LEVELS = 12  # steps at which the function is finite: from 2**-3 to 2**-14 of the size of the input
_HALVINGS = 40  # before giving up finding one
_TINY = 1e-20
_CONVERGED = 1e-6  # of the slope: a ladder with a smaller error would be believed
_PROBES = (2.0**-20, 2.0**-30)  # steps that look for what a ladder from the size of the input passed by
_STARTS = (2.0**-10, 2.0**-16, 2.0**-22, 2.0**-28)
_U = 2.0**-53


@dataclass(frozen=True, slots=True)
class Slope:
    """Hold a measured slope.

    Attributes:
        value: the slope.
        scale: the sum of the sizes of the terms that it sums.
        error: the estimated error.
        step: the last step.
        size: the scale of the input that the first step was an eighth of.
    """

    value: float
    scale: float
    error: float
    step: float
    size: float = 1.0

    @property
    def converged(self) -> bool:
        """Return whether the steps agree about the slope."""
        return self.error <= max(_CONVERGED * self.scale, 1e-9)


def complex_slope(line: LineFunction, weights: np.ndarray[Any, Any], size: float = 1.0) -> Slope:
    """Measure the slope of ``sum(weights * line(t))`` at 0, by one evaluation at an imaginary step.

    The step is 1e-20 of `size`, the scale of the input, where that is below 1.

    >>> complex_slope(lambda t: np.exp(np.array([0.0, 1.0]) + t), np.array([1.0, 0.0])).value
    1.0
    """
    step = _TINY * min(max(size, 1e-200), 1.0)
    slopes = weights * (np.imag(line(step * 1j)) / step)
    return Slope(float(slopes.sum()), float(np.abs(slopes).sum()), 0.0, step)


def _difference(line: LineFunction, weights: np.ndarray[Any, Any], step: float) -> tuple[float, float, float]:
    """Return one central difference, the sizes of its terms, and how much of it may be rounding."""
    with np.errstate(all="ignore"):
        ahead, back = line(step), line(-step)
        terms = weights * ((ahead - back) / (2 * step))
        rounding = 2 * _U * float(np.abs(weights * ahead).sum()) / step
    return float(terms.sum()), float(np.abs(terms).sum()), rounding


def central_slope(line: LineFunction, weights: np.ndarray[Any, Any], size: float = 1.0) -> Slope:
    """Measure the slope of ``sum(weights * line(t))`` at 0, by central differences extrapolated to step 0.

    Args:
        line: the outputs along the line; where it returns NaN or infinity (out of the domain) the step is halved.
        weights: one weight per output.
        size: the scale of the input; steps start at an eighth of it. Where much smaller steps agree with each other and
            not with these, the function is narrower than they see, and they start there instead; where no start agrees
            with the steps below it, the error is infinite.

    >>> slope = central_slope(lambda t: np.exp(np.array([0.0]) + t), np.array([1.0]))
    >>> abs(slope.value - 1) < 1e-10 and slope.error < 1e-9
    True
    """
    best = replace(_ladder(line, weights, size / 8), size=size)
    if not best.converged:  # a kink, or out of the domain: the caller's to say
        return best
    narrow = _unseen(line, weights, size, best)
    if narrow is None:
        return best
    for start in _STARTS:
        finer = _ladder(line, weights, start * size)
        at, value, slack = narrow
        if start * size > at and finer.error < np.inf and abs(finer.value - value) <= slack + 10 * finer.error:
            return replace(finer, size=size)
    return replace(best, error=np.inf)


def _unseen(
    line: LineFunction, weights: np.ndarray[Any, Any], size: float, seen: Slope
) -> tuple[float, float, float] | None:
    """Return the step, the slope and the slack of small steps that agree with each other and not with what was seen."""
    for start in _PROBES:
        step = start * size
        (one, scale, noise), (two, _, _) = (_difference(line, weights, h) for h in (step, step / 2))
        slack = 1e-3 * max(scale, seen.scale) + 64 * noise
        if np.isfinite(one) and abs(one - two) <= slack / 4 and abs(one - seen.value) > slack + 10 * seen.error:
            return step, one, slack
    return None


def _ladder(line: LineFunction, weights: np.ndarray[Any, Any], start: float) -> Slope:
    """Measure a slope by central differences of halved steps from `start` on."""
    best = Slope(np.nan, 0.0, np.inf, 0.0)
    previous: list[float] = []
    used = 0
    for level in range(_HALVINGS):
        step = start * 2.0**-level
        with np.errstate(all="ignore"):
            ahead, back = line(step), line(-step)
            terms = weights * ((ahead - back) / (2 * step))
        if not np.isfinite(terms).all():
            previous = []
            continue
        used += 1
        scale = float(np.abs(terms).sum())
        rounding = 2 * _U * float(np.abs(weights * ahead).sum()) / step  # the estimate alone can be small by chance
        row = [float(terms.sum())]
        for order, older in enumerate(previous, start=1):  # Neville: the error is a series in step**2
            row.append(row[-1] + (row[-1] - older) / (4.0**order - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - older)) + rounding
            if error <= best.error:
                best = Slope(row[-1], scale, error, step)
        if used == _LEVELS or (
            len(previous) > 2 and (best.error <= 2.0**-50 * scale or abs(row[-1] - previous[-1]) > 64 * best.error)
        ):
            break  # as exact as it gets, or rounding has taken over
        previous = row
    return best


def gap_at_zero(line: LineFunction, weights: np.ndarray[Any, Any], step: float) -> tuple[float, float, float]:
    """Measure the slopes left and right of 0 and their gap, which is 0 where the function is smooth.

    The gap of a smooth function halves with the step; that of a kink stays.

    >>> gap_at_zero(lambda t: np.abs(np.array([0.0]) + t), np.array([1.0]), 1e-4)
    (-1.0, 1.0, 2.0)
    """
    here = line(0.0)
    sides: list[tuple[float, float]] = []
    for h in (step, step / 2):
        with np.errstate(all="ignore"):
            back, ahead = (here - line(-h)) / h, (line(h) - here) / h
        sides.append((float((weights * back).sum()), float((weights * ahead).sum())))
    (left, right), (near_left, near_right) = sides
    gap, near = right - left, near_right - near_left
    kinked = abs(near) > 0.75 * abs(gap)
    return 2 * near_left - left, 2 * near_right - right, near if kinked else 0.0
