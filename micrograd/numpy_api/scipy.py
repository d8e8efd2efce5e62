"""Compose SciPy's functions that students call in a forward pass of primitives. SciPy itself is never imported.

Those that cannot be composed (the error function, the gamma function and their kin) are rows of their own, declared
when they are first met, as a user declares one: SciPy computes them, a rule says how they change.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.errors import GraphError
from micrograd.numpy_api import composites as c

__all__ = ["of_scipy"]


# ---- composed --------------------------------------------------------------------------------------------


def _expit(x: Any) -> Any:
    far = p.less(x, -np.log(np.finfo(getattr(x, "dtype", np.float64)).max))  # there exp(-x) is beyond the range
    near = p.reciprocal(1.0 + p.exp(-p.where(far, 0.0, x)))
    return p.where(far, p.exp(p.where(far, x, 0.0)), near)


def _log_expit(x: Any) -> Any:
    return -p.logaddexp(-x, 0.0)


def _logsumexp(a: Any, axis: c.Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    if b is not None:
        a = p.where(p.equal(b, 0.0), -np.inf, a)
    top = c.amax(a, axis, keepdims=True)
    top = p.where(p.isfinite(top), top, 0.0)
    e = p.exp(a - top)
    total = c.sum(e if b is None else b * e, axis, keepdims=keepdims)
    made = p.log(p.abs(total) if return_sign else total)
    made = made + (top if keepdims else c.reshape(top, c.shape_of(made)))
    return (made, p.sign(total)) if return_sign else made


def _softmax(x: Any, axis: c.Axis = None) -> Any:
    e = p.exp(x - c.amax(x, axis, keepdims=True))
    return c.divide(e, c.sum(e, axis, keepdims=True))


def _log_softmax(x: Any, axis: c.Axis = None) -> Any:
    return x - _logsumexp(x, axis, keepdims=True)


def _multigammaln(a: Any, d: int) -> Any:
    parts = [_of("gammaln", a - 0.5 * j) for j in range(int(d))]
    return functools.reduce(p.add, parts) + 0.25 * d * (d - 1) * np.log(np.pi)


def _xlogy(x: Any, y: Any) -> Any:
    return p.where(c.logical_and(p.equal(x, 0.0), c.logical_not(p.isnan(y))), 0.0, x * p.log(y))


_COMPOSED: dict[str, Callable[..., Any]] = {
    "expit": _expit, "log_expit": _log_expit, "logsumexp": _logsumexp, "softmax": _softmax,
    "log_softmax": _log_softmax, "multigammaln": _multigammaln, "xlogy": _xlogy,
    "xlog1py": lambda x, y: _xlogy(x, 1.0 + y),
    "logit": lambda x: p.log(x) - p.log1p(-x),
    "entr": lambda x: -_xlogy(x, x),
    "gammasgn": lambda x: p.sign(_of("gamma", x)),
    "digamma": lambda x: _of("psi", x),
    "loggamma": lambda x: _of("gammaln", x),
    "ndtr": lambda x: 0.5 * _of("erfc", x * -np.sqrt(0.5)),
    "betaln": lambda a, b: _of("gammaln", a) + _of("gammaln", b) - _of("gammaln", a + b),
    "exp2": p.exp2, "exp10": lambda x: p.power(10.0, x), "log1p": p.log1p, "expm1": p.expm1, "cbrt": p.cbrt,
}  # fmt: skip


# ---- rows ------------------------------------------------------------------------------------------------

_ROOT = float(np.sqrt(np.pi))


def _of(name: str, *operands: Any) -> Any:
    return _row(name)(*operands)


_SLOPES: dict[str, Callable[..., Any]] = {
    # of one operand: called with the result and the operand
    "erf": lambda _, x: 2 / _ROOT * p.exp(-x * x),
    "erfc": lambda _, x: -2 / _ROOT * p.exp(-x * x),
    "erfcx": lambda out, x: 2 * x * out - 2 / _ROOT,
    "erfinv": lambda out, _: _ROOT / 2 * p.exp(out * out),
    "erfcinv": lambda out, _: -_ROOT / 2 * p.exp(out * out),
    "gamma": lambda out, x: out * _of("psi", x),
    "gammaln": lambda _, x: _of("psi", x),
    "rgamma": lambda out, x: -out * _of("psi", x),
    "psi": lambda _, x: _of("polygamma", 1.0, x),
    "log_ndtr": lambda out, x: p.exp(-0.5 * x * x - out - 0.5 * np.log(2 * np.pi)),
    "ndtri": lambda out, _: np.sqrt(2 * np.pi) * p.exp(0.5 * out * out),
    "j0": lambda _, x: -_of("j1", x),
    "j1": lambda _, x: 0.5 * (_of("j0", x) - _of("jv", 2.0, x)),
    "y0": lambda _, x: -_of("y1", x),
    "y1": lambda _, x: 0.5 * (_of("y0", x) - _of("yv", 2.0, x)),
    "i0": lambda _, x: _of("i1", x),
    "i1": lambda _, x: 0.5 * (_of("i0", x) + _of("iv", 2.0, x)),
    "i0e": lambda out, x: _of("i1e", x) - p.sign(x) * out,
    "i1e": lambda out, x: 0.5 * (_of("i0e", x) + _of("ive", 2.0, x)) - p.sign(x) * out,
    # the last of several: called with the result and all of them
    "polygamma": lambda _, n, x: _of("polygamma", n + 1, x),
    "jv": lambda _, n, x: 0.5 * (_of("jv", n - 1, x) - _of("jv", n + 1, x)),
    "yv": lambda _, n, x: 0.5 * (_of("yv", n - 1, x) - _of("yv", n + 1, x)),
    "yn": lambda _, n, x: 0.5 * (_of("yv", n - 1, x) - _of("yv", n + 1, x)),
    "iv": lambda _, n, x: 0.5 * (_of("iv", n - 1, x) + _of("iv", n + 1, x)),
    "ive": lambda out, n, x: 0.5 * (_of("ive", n - 1, x) + _of("ive", n + 1, x)) - p.sign(x) * out,
    "gammainc": lambda _, a, x: p.exp(_xlogy(a - 1.0, x) - x - _of("gammaln", a)),
    "gammaincc": lambda _, a, x: -p.exp(_xlogy(a - 1.0, x) - x - _of("gammaln", a)),
    "betainc": lambda _, a, b, x: p.exp(
        _xlogy(a - 1.0, x) + _xlogy(b - 1.0, 1.0 - x) - _COMPOSED["betaln"](a, b)),
}  # fmt: skip
"""The slope of each function by its last operand. Sources: Abramowitz and Stegun, chapters 6, 7, 9, and 26."""

_BOTH: dict[str, Callable[..., Any]] = {
    "beta": lambda out, a, b: out * (_of("psi", a) - _of("psi", a + b)),
}
"""The slope of symmetric functions by their first operand; by the second it is that with the two exchanged."""


def _known(name: str) -> bool:
    return name in _SLOPES or name in _BOTH


@functools.cache
def _row(name: str) -> p.Primitive:
    """Declare the row of a function of `scipy.special`."""
    function = getattr(sys.modules["scipy.special"], name)
    if name in _BOTH:
        slope = _BOTH[name]
        rules: list[Any] = [lambda g, out, a, b: g * slope(out, a, b), lambda g, out, a, b: g * slope(out, b, a)]
    else:
        count, last = _SLOPES[name].__code__.co_argcount - 1, _SLOPES[name]
        rules = [*(_refused(name, place) for place in range(count - 1)), lambda g, out, *x: g * last(out, *x)]
    holes = ", ".join(f"{{{place}}}" for place in range(len(rules)))
    return p.Primitive(f"special_{name}", array=functools.partial(function), label=name,
                       tex=rf"\operatorname{{{{{name.replace('_', '')}}}}}({holes})",
                       vjp=tuple(rules))  # fmt: skip


def _refused(name: str, place: int) -> Callable[..., Any]:
    def rule(*_: Any) -> Any:
        raise GraphError(f"scipy.special.{name} has no slope by its argument {place} here; keep that argument a plain "
                         "number, or an array that does not depend on what you differentiate by.")  # fmt: skip

    return rule


def of_scipy(called: Any) -> Callable[..., Any] | None:
    """Return what stands for a function of `scipy.special`; None for any other function."""
    special, name = sys.modules.get("scipy.special"), getattr(called, "__name__", "")
    if special is None or getattr(special, name, None) is not called:
        return None
    return _row(name) if _known(name) else _COMPOSED.get(name)
