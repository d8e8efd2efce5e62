"""Write rows that ONNX has no operator for as several nodes that keep their digits and range.

`log1p` and `expm1` divide out the rounding of ``1 + x`` and of ``exp(x)`` (W. Kahan, in the HP-15C Advanced Functions
Handbook, 1982). Scans double the distance that they look back over, so that they take log2(n) steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd.export.onnx.batches import ONE_SIZE
from micrograd.export.onnx.file import WIDER, OnnxWriter
from micrograd.primitives import Primitive
from micrograd.program.program import Equation, dtype_of

__all__ = ["COMPOSITIONS"]

Name = str | float
Write = Callable[..., str]


class _Nodes:
    """Adds nodes by the name of their operator; numbers become constants of the dtype."""

    def __init__(self, w: OnnxWriter, dtype: str) -> None:
        self.w, self.dtype = w, dtype

    def __getattr__(self, op: str) -> Write:
        def write(*inputs: Name, **attrs: Any) -> str:
            names = [x if isinstance(x, str) else self.w.constant(np.asarray(x, self.dtype)) for x in inputs]
            return self.w.emit(op, names, **attrs)

        return write

    def IsInf(self, x: str) -> str:  # noqa: N802 (the operator of ONNX)
        """Add a node that ONNX defines for no float16."""
        wide = x if self.dtype != "float16" else self.w.emit("Cast", [x], to=self.w.type_of("float32"))
        return self.w.emit("IsInf", [wide])


def _negative(n: Any, x: str) -> str:
    """Whether the sign bit is set, that of -0 too."""
    return str(n.Less(n.Where(n.Equal(x, 0.0), n.Div(1.0, x), x), 0.0))


def _log1p(n: Any, x: str) -> str:
    near = n.Add(1.0, x)
    more = n.Sub(near, 1.0)
    value = n.Div(n.Mul(n.Log(near), x), more)
    return str(n.Where(n.Or(n.Equal(more, 0.0), n.Equal(x, math.inf)), x, value))


def _expm1(n: Any, x: str) -> str:
    near = n.Exp(x)
    more = n.Sub(near, 1.0)
    value = n.Div(n.Mul(more, x), n.Log(near))
    far = n.Or(n.Equal(near, math.inf), n.Equal(more, -1.0))
    return str(n.Where(n.Equal(more, 0.0), x, n.Where(far, more, value)))


def _exp2(n: Any, x: str) -> str:
    return str(n.Pow(2.0, x))


def _apart(n: Any, x: str, y: str) -> str:
    return str(n.Neg(n.Abs(n.Where(n.Equal(x, y), 0.0, n.Sub(x, y)))))


def _logaddexp(n: Any, x: str, y: str) -> str:
    return str(n.Add(n.Max(x, y), _log1p(n, n.Exp(_apart(n, x, y)))))


def _logaddexp2(n: Any, x: str, y: str) -> str:
    return str(n.Add(n.Max(x, y), n.Div(_log1p(n, _exp2(n, _apart(n, x, y))), math.log(2.0))))


def _cbrt(n: Any, x: str) -> str:
    root = n.Mul(n.Sign(x), n.Pow(n.Abs(x), 1.0 / 3.0))
    better = n.Sub(root, n.Div(n.Sub(root, n.Div(x, n.Mul(root, root))), 3.0))  # a step of Newton's: 1/3 is not exact
    return str(n.Where(n.Or(n.Equal(x, 0.0), n.IsInf(x)), x, better))


def _hypot(n: Any, x: str, y: str) -> str:
    wide, high = n.Abs(x), n.Abs(y)
    large, small = n.Max(wide, high), n.Min(wide, high)
    ratio = n.Div(small, large)
    size = n.Mul(large, n.Sqrt(n.Add(1.0, n.Mul(ratio, ratio))))
    return str(n.Where(n.Or(n.IsInf(x), n.IsInf(y)), math.inf, n.Where(n.Equal(large, 0.0), large, size)))


def _arctan2(n: Any, y: str, x: str) -> str:
    below = _negative(n, y)
    both = n.And(n.IsInf(y), n.IsInf(x))
    slope = n.Atan(n.Div(n.Where(both, n.Sign(y), y), n.Where(both, n.Sign(x), x)))
    left = n.Add(slope, n.Where(below, -math.pi, math.pi))
    upright = n.Where(n.IsNaN(y), y, n.Where(below, -math.pi / 2, math.pi / 2))
    origin = n.Where(_negative(n, x), n.Where(below, -math.pi, math.pi), y)
    at_zero = n.Where(n.Equal(y, 0.0), origin, upright)
    return str(n.Where(n.Equal(x, 0.0), at_zero, n.Where(n.Less(x, 0.0), left, slope)))


def _sinc(n: Any, x: str) -> str:
    angle = n.Mul(x, math.pi)
    return str(n.Where(n.Equal(x, 0.0), 1.0, n.Div(n.Sin(angle), angle)))


def _trunc(n: Any, x: str) -> str:
    return str(n.Where(n.Less(x, 0.0), n.Ceil(x), n.Floor(x)))


def _fmod(n: Any, x: str, y: str) -> str:
    return str(n.Mod(x, y, fmod=1))


def _some(n: Any, y: str) -> tuple[str, str]:
    """Whether a whole number is 0, by which NumPy divides to 0, and the number with 1 in its place."""
    none = n.Equal(y, 0)
    return none, n.Where(none, 1, y)


def _remainder(n: Any, x: str, y: str) -> str:
    if "int" in n.dtype:
        none, some = _some(n, y)
        return str(n.Where(none, 0, n.Mod(x, some)))
    rest = _fmod(n, x, y)
    other = n.Xor(n.Less(rest, 0.0), n.Less(y, 0.0))
    return str(n.Where(n.And(other, n.Not(n.Equal(rest, 0.0))), n.Add(rest, y), rest))


def _floor_divide(n: Any, x: str, y: str) -> str:
    if "int" in n.dtype:
        none, some = _some(n, y)
        return str(n.Where(none, 0, n.Div(n.Sub(x, n.Mod(x, some)), some)))
    made = n.Round(n.Div(n.Sub(x, _remainder(n, x, y)), y))
    return str(n.Where(n.Equal(y, 0.0), n.Div(x, y), made))


def _extreme(op: str) -> Write:
    def write(n: Any, x: str, y: str) -> str:
        return str(n.Where(n.IsNaN(x), y, n.Where(n.IsNaN(y), x, getattr(n, op)(x, y))))

    return write


def _copysign(n: Any, x: str, y: str) -> str:
    size = n.Abs(x)
    return str(n.Where(_negative(n, y), n.Neg(size), size))


def _heaviside(n: Any, x: str, y: str) -> str:
    return str(n.Where(n.IsNaN(x), x, n.Where(n.Equal(x, 0.0), y, n.Where(n.Less(x, 0.0), 0.0, 1.0))))


def _isfinite(n: Any, x: str) -> str:
    return str(n.Not(n.Or(n.IsNaN(x), n.IsInf(x))))


_MAPS: dict[str, Write] = {
    "log1p": _log1p,
    "expm1": _expm1,
    "exp2": _exp2,
    "log2": lambda n, x: n.Div(n.Log(x), math.log(2.0)),
    "log10": lambda n, x: n.Div(n.Log(x), math.log(10.0)),
    "logaddexp": _logaddexp,
    "logaddexp2": _logaddexp2,
    "cbrt": _cbrt,
    "hypot": _hypot,
    "arctan2": _arctan2,
    "sinc": _sinc,
    "degrees": lambda n, x: n.Mul(x, 180.0 / math.pi),
    "radians": lambda n, x: n.Mul(x, math.pi / 180.0),
    "trunc": _trunc,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "fmod": _fmod,
    "fmax": _extreme("Max"),
    "fmin": _extreme("Min"),
    "copysign": _copysign,
    "heaviside": _heaviside,
    "isfinite": _isfinite,
    "isinf": lambda n, x: n.IsInf(x),
    "signbit": _negative,
}


def _composed(write: Write) -> Callable[[OnnxWriter, Primitive, Equation], None]:
    def compose(w: OnnxWriter, row: Primitive, equation: Equation) -> None:  # noqa: ARG001 (called as all are)
        dtype = w.dtype(equation)
        dtype = dtype_of(w.program.values, equation.operands) if dtype == "bool" else dtype
        dtype = WIDER.get(dtype, dtype)
        made = write(_Nodes(w, dtype), *(w.operand(o, dtype) for o in w.operands(equation)))
        w.emit("Identity", [made], w.called[equation.out])

    return compose


# ---- scans -----------------------------------------------------------------------------------------------


def _doubled(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    """Write a scan: what has looked back over k entries looks back over 2 k with what stands k entries before it."""
    shapes, dtype, axis = w.captures.shapes(equation.out), w.dtype(equation), equation.attrs["axis"]
    if any(shape[axis] != shapes[0][axis] for shape in shapes[1:]):
        raise w.refuse("is a scan, whose steps are counted for one length", ONE_SIZE)
    reverse, count, n = equation.attrs.get("reverse", False), shapes[0][axis], _Nodes(w, dtype)
    *factors, made = (w.operand(o, dtype) for o in w.operands(equation))
    far = {"cumprod": 1.0, "cummax": -math.inf, "cummin": math.inf, "recur": 0.0}[row.name]
    reach = 1

    def before(x: str, first: float) -> str:
        start, end = (reach, count) if reverse else (0, count - reach)
        bounds = [w.constant(np.array([bound], np.int64), "bound") for bound in (start, end, axis)]
        kept = w.emit("Slice", [x, *bounds])
        sizes = w.whole([(*shape[:axis], reach, *shape[axis + 1 :]) for shape in shapes], "shape")
        edge = w.emit("Expand", [w.constant(np.asarray(first, dtype)), sizes])
        return w.emit("Concat", [kept, edge] if reverse else [edge, kept], axis=axis)

    while reach < count:
        if row.name == "recur":
            made = n.Add(made, n.Mul(factors[0], before(made, far)))
            factors = [n.Mul(factors[0], before(factors[0], 0.0))]
        else:
            op = {"cumprod": "Mul", "cummax": "Max", "cummin": "Min"}[row.name]
            made = getattr(n, op)(before(made, far), made)
        reach *= 2
    w.emit("Identity", [made], w.called[equation.out])


COMPOSITIONS: dict[str, Callable[[OnnxWriter, Primitive, Equation], None]] = {
    **{name: _composed(write) for name, write in _MAPS.items()},
    **dict.fromkeys(("cumprod", "cummax", "cummin", "recur"), _doubled),
}
"""The function that writes each row."""
