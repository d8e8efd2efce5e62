"""What the results must be: reference formulas in float64 or in 300 bits, and how far from them results may be.

The formulas are written once, on arrays of either arithmetic. In float64 they judge whether a contender computes
what it is timed for, within the bound of `micrograd.batchnorm.tolerance`; in 300 bits (mpmath) they measure its error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FLOAT64", "Arithmetic", "batch_norm", "batch_norm_allowed", "distances", "errors", "many_bits"]

EPS = 1e-5


@dataclass(frozen=True)
class Arithmetic:
    """How to make numbers, and the functions that NumPy cannot apply to objects."""

    array: Callable[[Any], Any]
    sqrt: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    tanh: Callable[[Any], Any]


FLOAT64 = Arithmetic(lambda a: np.asarray(a, np.float64), np.sqrt, np.exp, np.log, np.tanh)


def many_bits(bits: int = 300) -> Arithmetic:
    """Arithmetic in `bits` bits, on arrays of objects. Raises ImportError where mpmath is missing."""
    import mpmath

    mpmath.mp.prec = bits

    def made(a: Any) -> Any:
        return np.vectorize(lambda entry: mpmath.mpf(float(entry)), otypes=[object])(a)

    each = [np.frompyfunc(getattr(mpmath, name), 1, 1) for name in ("sqrt", "exp", "log", "tanh")]
    return Arithmetic(made, *each)


# ---- judging ---------------------------------------------------------------------------------------------


def distances(got: Mapping[str, Any], exact: Mapping[str, Any], allowed: Mapping[str, Any]) -> dict[str, float]:
    """For each result the largest distance in multiples of the allowed one; infinite for NaN or another shape."""
    if got.keys() != exact.keys():
        raise ValueError(f"results are {sorted(got)}, expected {sorted(exact)}")
    found = {}
    for name, value in got.items():
        mine, wanted = np.asarray(value), np.asarray(exact[name], np.float64)
        if mine.shape != wanted.shape:
            found[name] = np.inf
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.abs(mine.astype(np.float64) - wanted)
            ratio = np.where(apart == 0.0, 0.0, apart / allowed[name])
        found[name] = float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0.0))
    return found


def errors(got: Mapping[str, Any], exact: Mapping[str, Any]) -> dict[str, float]:
    """For each result the largest error, relative to the largest exact entry."""
    found = {}
    for name, value in got.items():
        wanted = np.asarray(exact[name])
        number = type(wanted.flat[0])
        mine = np.array([number(float(entry)) for entry in np.ravel(value)], object).reshape(wanted.shape)
        found[name] = float(np.max(np.abs(mine - wanted)) / np.max(np.abs(wanted)))
    return found


# ---- batch norm ------------------------------------------------------------------------------------------


def batch_norm(arithmetic: Arithmetic, x: Any, gamma: Any, beta: Any, dout: Any) -> dict[str, Any]:
    """``out, dx, dgamma, dbeta`` of a batch (N, D), the mean taken out twice (micrograd.batchnorm.tolerance)."""
    x, gamma, beta, dout = (arithmetic.array(a) for a in (x, gamma, beta, dout))
    n = len(x)
    xmu = x - x.sum(0) / n
    xmu = xmu - xmu.sum(0) / n
    ivar = 1 / arithmetic.sqrt((xmu * xmu).sum(0) / n + EPS)
    xhat = xmu * ivar
    dbeta, dgamma = dout.sum(0), (dout * xhat).sum(0)
    dx = gamma * ivar * (dout - dbeta / n - xhat * (dgamma / n))
    return {"out": gamma * xhat + beta, "dx": dx, "dgamma": dgamma, "dbeta": dbeta}


def batch_norm_allowed(x: Any, gamma: Any, beta: Any, dout: Any) -> dict[str, Any]:
    """The bound of `micrograd.batchnorm.tolerance`."""
    from micrograd.batchnorm.tolerance import bn_bounds

    bounds = bn_bounds(x, gamma, beta, dout, EPS)
    return {name: getattr(bounds, name) for name in ("out", "dx", "dgamma", "dbeta")}
