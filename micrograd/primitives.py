"""Declare the table: one row per primitive, with everything the project knows about it.

A row says what the operation computes (`array`, `scalar`), how it is spelled elsewhere (`onnx`), how it
is shown (`tex`, `level`, `label`), on which numbers it is tested (`domain`) and how it is differentiated
(`vjp`).  Adding a primitive is adding a row: the engine, the drawings, the laws of `micrograd.testing`
and the back ends read the table and know only the five kinds.

=========  =========================================================================================
kind       meaning
=========  =========================================================================================
map        elementwise, broadcasting; `scalar` is its template for one number
reduce     folds the axes `axis` away (`None`: all of them), keeping unit axes if `keepdims`
contract   multiplies and sums over a shared axis (matrix product)
scan       folds along `axis` and keeps what is there after each entry (running sums), from the end if `reverse`
move       brings numbers elsewhere without changing them
call       calls NumPy, LAPACK or a function of yours on whole arrays
=========  =========================================================================================

A vector-Jacobian product (vjp) rule is called `rule(g, out, *operands, **attrs)` with the cotangent `g` of the
output and returns the cotangent of one operand.  Rules are written once, in the dialect that arrays and
tensors share (operators, `.shape`, `.mT` and other rows), so the same rule runs on raw arrays and, tracked,
builds the backward graph.  Rules never undo broadcasting: `micrograd.engine.fold` does, in one place.
"""

from __future__ import annotations

import builtins
import inspect
import itertools
import math
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

__all__ = ["KINDS", "TABLE", "Primitive", "negates", "passes"]

Rule = Callable[..., Any]

TABLE: dict[str, Primitive] = {}
"""Every declared primitive by its name, in the order of declaration."""

_PACKAGE_ROWS: set[str] = set()  # whose names nobody can take
QUICK = frozenset({"abs", "exp", "log", "pow", "sqrt", "tanh"})
"""What Python's `math` computes for NumPy where it is given one number: faster, and as NumPy does but for an ulp."""

_NUMBERS = {float, int, bool}  # what the scalar templates take; anything else goes to NumPy
_RAW = {np.ndarray, float, int, bool}  # operands that are surely no tensors: asking them costs more than this look-up


@dataclass(frozen=True, slots=True, eq=False, repr=False)  # eq=False: rows are compared and hashed by identity
class Primitive:
    """One row of the table; calling it applies the operation to arrays, or records it on tensors.

    Args:
        name: the name in graphs, pictures and messages.
        kind: ``map``, ``reduce``, ``contract``, ``scan``, ``move`` or ``call``.
        array: name of the function in ``numpy`` (and ``jax.numpy``), the row's own name where left out; or a function
            of arrays of your own, where NumPy has none.
        scalar: Python expression for one number, with ``{0}``, ``{1}`` and ``{attribute}`` as holes, which the compiler
            and pages print. Python numbers are computed by it where it is arithmetic of `QUICK` functions of `math`.
        onnx: operator name in ONNX.
        tex: LaTeX template with the same holes.
        level: binding strength of the template, 1 (sum) to 9 (atom): decides where brackets go.
        label: what the drawing writes in the node.
        domain: one entry per operand, the numbers it is tested on (``micrograd.testing.DOMAINS``); real numbers
            where left out.
        cost: of one entry, in additions; the compiler computes cheap values again rather than store them.
        variadic: whether it takes any number of operands.
        vjp: one rule per operand; ``None`` where no gradient flows (the slope is 0 wherever there is one), and that
            has to be said. A variadic row has a single rule and is called with the keyword ``slot`` besides.

    A row of this package cannot be declared again; one of yours can, so that a notebook cell may be run twice.

    Raises:
        ValueError: no ``vjp``, the name of a row of this package, an unknown kind, a function that NumPy does not
            have, a ``vjp`` that does not match ``domain``, or a rule of other operands.
        TypeError: ``vjp`` is no tuple; (from a call) it is given other operands than it has rules for.

    >>> TABLE["mul"](2.0, np.array([1.0, 3.0]))
    array([2., 6.])
    """

    name: str
    kind: str = "map"
    array: Any = ""  # a name, or a function
    scalar: str = ""
    onnx: str = ""
    tex: str = ""
    level: int = 9
    label: str = ""
    domain: tuple[str, ...] = ()
    cost: int = 1
    variadic: bool = False
    vjp: tuple[Rule | None, ...] = ()
    compute: Callable[..., Any] | None = field(init=False)  # the function on arrays that `array` is, if it is one
    flows: bool = field(init=False)  # whether any gradient passes (not through comparisons)
    plain: bool = field(init=False)  # one operand, or two whose rules take no keywords: the sweep's short step
    slots: tuple[tuple[int, Rule | None], ...] = field(init=False)  # the rules, numbered once for the sweep
    forward: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        if self.name in _PACKAGE_ROWS:
            raise ValueError(f"primitive {self.name!r} is declared twice; choose another name")
        if self.kind not in KINDS:
            raise ValueError(f"primitive {self.name!r}: kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if not self.vjp:
            raise ValueError(
                f"primitive {self.name!r} has no vjp, so its gradient would be 0 in silence; give vjp=(rule, ...), one "
                "for each operand, and None for those that no gradient flows to"
            )
        if not isinstance(self.vjp, tuple):
            raise TypeError(f"primitive {self.name!r}: vjp is of type {type(self.vjp).__name__}; give the rules in a "
                            "tuple, one for each operand: vjp=(rule,)")  # fmt: skip
        set_ = object.__setattr__
        set_(self, "domain", self.domain or ("real",) * len(self.vjp))
        if not self.variadic and len(self.vjp) != len(self.domain):
            raise ValueError(
                f"primitive {self.name!r}: {len(self.vjp)} vjp rules for {len(self.domain)} operands; give one each, "
                "and in domain=(...) an entry for each operand"
            )
        set_(self, "compute", self.array if callable(self.array) else None)
        set_(self, "array", self.name if callable(self.array) else self.array or self.name)
        self._check_rules()
        if self.compute is not None and self.kind == "reduce":
            raise ValueError(f"primitive {self.name!r}: a function of your own is of kind 'map' (elementwise) or "
                             "'call'; a reduction names a ufunc, whose reduce it is")  # fmt: skip
        if self.compute is None and self.name not in _FUNCTIONS and not hasattr(np, self.array):
            raise ValueError(f"primitive {self.name!r}: NumPy has no function {self.array!r}; name one, array='sin', "
                             "or pass your own function of arrays, array=lambda x: ...")  # fmt: skip
        object.__setattr__(self, "flows", any(self.vjp))
        takes = [
            getattr(getattr(rule, "__code__", None), "co_kwonlyargcount", 1) for rule in self.vjp if rule is not None
        ]
        short = len(takes) == len(self.vjp) <= 2 and not self.variadic and not (len(takes) == 2 and any(takes))
        object.__setattr__(self, "plain", short)
        object.__setattr__(self, "slots", tuple(enumerate(self.vjp)))
        object.__setattr__(self, "forward", KINDS[self.kind](self))
        TABLE[self.name] = self
        if sys._getframe(2).f_globals.get("__name__", "").startswith("micrograd."):
            _PACKAGE_ROWS.add(self.name)

    def _check_rules(self) -> None:
        """Require rules that take what they are called with."""
        count = len(self.vjp)
        for slot, rule in enumerate(self.vjp):
            code = getattr(rule, "__code__", None)
            if code is None or self.variadic or code.co_flags & inspect.CO_VARARGS:
                continue
            if code.co_argcount < 2 + count:  # more may be keywords
                operands = ", ".join("xyzw"[:count]) if count < 5 else "*operands"
                raise ValueError(f"primitive {self.name!r}: vjp rule {slot} takes {code.co_argcount} argument(s); it "
                                 f"is called with {2 + count}: lambda g, out, {operands}: ...")  # fmt: skip

    def __call__(self, *operands: Any, **attrs: Any) -> Any:
        for operand in operands:
            if type(operand) not in _RAW and hasattr(operand, "__primitive__"):
                return operand.__primitive__(self, operands, attrs)
        return self.forward(*operands, **attrs)

    def rules(self, count: int) -> Iterable[tuple[int, Callable[..., Any] | None]]:
        """Return each of `count` slots with its rule; a variadic row has one rule, which is given the slot."""
        if not self.variadic:
            return self.slots
        return [(slot, partial(self.vjp[0], slot=slot)) for slot in range(count)]  # type: ignore[misc, arg-type]

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _row, (self.name,)


def _row(name: str) -> Primitive:
    """Return the row declared under `name`: how a pickled row comes back as itself."""
    return TABLE[name]


# ---- what each kind computes on NumPy arrays -------------------------------------------------------------


def _map(row: Primitive) -> Callable[..., Any]:
    array: Callable[..., Any] = _named(row)
    if row.compute is not None and not row.scalar:
        return _of_arrays(array, row)
    quick = bool(row.scalar) and {*re.findall(r"(\w+)\(", row.scalar)} <= QUICK
    if not quick and row.name in ("cast", "where"):
        return array
    holes = [f"x{slot}" for slot in range(len(row.domain))]
    keywords = {"exponent": "exponent"} if "{exponent}" in row.scalar else {}
    parameters = ", ".join([*holes, *(["*"] if keywords else []), *keywords, "**_"])
    scalar: Any = None
    if quick:
        written = row.scalar.format(*holes, **keywords)
        scalar = eval(f"lambda {parameters}: {written}", {**vars(math), "abs": builtins.abs})

    def by_numpy(*operands: Any, **attrs: Any) -> Any:
        with np.errstate(all="ignore"):
            return array(*map(np.float64, operands), **attrs).item()

    def numbers(*operands: Any, **attrs: Any) -> Any:
        try:
            return scalar(*operands, **attrs)
        except (ArithmeticError, ValueError):  # Python raises where NumPy returns inf or nan; one rule for both
            return by_numpy(*operands, **attrs)

    if not quick:
        numbers = by_numpy

    def unary(x: Any, **attrs: Any) -> Any:
        return numbers(x, **attrs) if type(x) in _NUMBERS else array(x, **attrs)

    def forward(*operands: Any, **attrs: Any) -> Any:
        for operand in operands:
            if type(operand) not in _NUMBERS:
                return array(*operands, **attrs)
        return numbers(*operands, **attrs)

    return unary if len(row.domain) == 1 else forward


def _of_arrays(array: Callable[..., Any], row: Primitive) -> Callable[..., Any]:
    """Return a function of arrays as one of numbers too, which gives a number for numbers."""

    def forward(*operands: Any, **attrs: Any) -> Any:
        _require_rules(row, operands)
        if all(type(operand) in _NUMBERS for operand in operands):
            return float(array(*map(np.asarray, operands), **attrs))
        return array(*operands, **attrs)

    return forward


def _require_rules(row: Primitive, operands: tuple[Any, ...]) -> None:
    """Require a rule for each operand: one too many would have no gradient, in silence."""
    if len(operands) != len(row.vjp) and not row.variadic:
        raise TypeError(f"primitive {row.name!r} is called with {len(operands)} operands and has {len(row.vjp)} vjp "
                        "rule(s); declare one for each, and None for an operand that no gradient flows to")  # fmt: skip


def _reduce(row: Primitive) -> Callable[..., Any]:
    reduce: Callable[..., Any] = getattr(np, row.array).reduce

    def forward(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
        return reduce(x, axis, None, None, keepdims)

    return forward


def _named(row: Primitive) -> Callable[..., Any]:
    return row.compute or _FUNCTIONS.get(row.name) or getattr(np, row.array)


def _call(row: Primitive) -> Callable[..., Any]:
    array = _named(row)

    def forward(*operands: Any, **attrs: Any) -> Any:
        _require_rules(row, operands)
        return array(*map(np.asarray, operands), **attrs)

    return forward


def _scan(row: Primitive) -> Callable[..., Any]:
    accumulate: Callable[..., Any] = row.compute or getattr(np, row.array).accumulate

    def forward(*operands: Any, axis: int, reverse: bool = False) -> Any:
        if not reverse:
            return accumulate(*operands, axis)
        return np.flip(accumulate(*(np.flip(x, axis) for x in operands), axis), axis)

    return forward


KINDS: dict[str, Callable[[Primitive], Callable[..., Any]]] = {
    "map": _map,
    "reduce": _reduce,
    "contract": _named,
    "scan": _scan,
    "move": _named,
    "call": _call,
}


def _broadcast(x: Any, *, shape: tuple[int, ...]) -> Any:
    x = np.asarray(x)
    if not x.flags.c_contiguous:
        return np.broadcast_to(x, shape)
    # np.broadcast_to takes 3 us, as long as the arithmetic of a small batch norm's node; the constructor takes 0.4 us
    lead = len(shape) - x.ndim
    if lead < 0 or x.shape != shape[lead:]:
        return np.broadcast_to(x, shape)
    return np.ndarray(shape, x.dtype, x, 0, (0,) * lead + x.strides)


def _plain_index(index: Any) -> Any:
    """Return an index without stand-ins: integers that a captured call is given anew each time carry their array."""
    if type(index) is tuple:
        return tuple(getattr(item, "integers", item) for item in index)
    return getattr(index, "integers", index)


def _gather(x: Any, *, index: Any) -> Any:
    return x[_plain_index(index)]


def _scatter(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    x = np.asarray(x)
    out, at = np.zeros(shape, x.dtype), _plain_index(index)
    if x.dtype.kind == "f":
        out[at] = -0.0  # to which anything may be added: -0 stays what it is
    np.add.at(out, at, x)
    return out


def _concatenate(*operands: Any, axis: int = 0) -> Any:
    return np.concatenate(operands, axis)


def _where(mask: Any, x: Any, y: Any) -> Any:
    if type(x) is float and type(y) is float and not np.ndim(mask):
        return x if mask else y  # numbers stay numbers
    return np.where(mask, x, y)


def _power(x: Any, *, exponent: float) -> Any:
    return x**exponent  # the operator knows squares and roots; np.power takes three times as long


def _cast(x: Any, *, dtype: str) -> Any:
    return np.asarray(x).astype(dtype)


def _recur(a: Any, b: Any, axis: int) -> Any:
    out = np.array(b, np.result_type(a, b))
    if out.ndim == 1:  # in Python's floats, a tenth of the time
        steps = zip(a.tolist(), out.tolist(), strict=True)
        out[...] = [y for _, y in itertools.accumulate(steps, lambda done, step: (0.0, step[1] + step[0] * done[1]))]
        return out
    factors, done = np.moveaxis(a, axis, 0), np.moveaxis(out, axis, 0)
    for step in range(1, len(done)):
        done[step] += factors[step] * done[step - 1]
    return out


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "pow": _power,
    "where": _where,
    "cast": _cast,
    "broadcast": _broadcast,
    "reshape": lambda x, *, shape: np.reshape(x, shape),
    "transpose": lambda x, *, axes: np.transpose(x, axes),
    "gather": _gather,
    "scatter": _scatter,
    "concatenate": _concatenate,
    "maximum": lambda x, y, *, tie=0.5: np.maximum(x, y),
    "fmax": lambda x, y, *, tie=0.5: np.fmax(x, y),
    "fmin": lambda x, y, *, tie=0.5: np.fmin(x, y),
}


# Rows that a rule names before they are declared, for the type checker.
broadcast: Primitive
cast: Primitive
div: Primitive
equal: Primitive
gather: Primitive
greater: Primitive
pow: Primitive
reciprocal: Primitive
recur: Primitive
cumsum: Primitive
concatenate: Primitive
reshape: Primitive
scatter: Primitive
exp: Primitive
cosh: Primitive
copysign: Primitive
cos: Primitive
degrees: Primitive
floor_divide: Primitive
hypot: Primitive
less: Primitive
log: Primitive
not_equal: Primitive
power: Primitive
radians: Primitive
rint: Primitive
sign: Primitive
sqrt: Primitive
sum: Primitive
transpose: Primitive
where: Primitive


# ---- rules that more than one row needs ------------------------------------------------------------------


def passes(g: Any, *_: Any, **__: Any) -> Any:
    """Return the cotangent as it is.  Like `negates` it looks at nothing else, so folding may come before it."""
    return g


def negates(g: Any, *_: Any, **__: Any) -> Any:
    """Return the cotangent with the other sign: on a folded (smaller) array the same bits for less work."""
    return -g


def _spread(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """Return `g`, the cotangent of a reduction of `x`, with the unit axes of `x` put back."""
    if keepdims or axis == 0:
        return g
    if axis is None or not x.shape:
        return reshape(g, shape=(1,) * len(x.shape))
    axes = {a % len(x.shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    if axes == set(range(len(axes))):
        return g  # leading axes come back by broadcasting alone
    return reshape(g, shape=tuple(1 if a in axes else size for a, size in enumerate(x.shape)))


def _sum_vjp(g: Any, out: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return broadcast(_spread(g, x, axis, keepdims), shape=x.shape)


def _max_vjp(g: Any, out: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    counted = "float32" if g.dtype == np.float16 else g.dtype.name  # in which more than 65,504 ties can be counted
    winners = cast(equal(x, _spread(out, x, axis, keepdims)), dtype=counted)
    share = winners * reciprocal(sum(winners, axis=axis, keepdims=True))  # ties share the gradient equally
    if counted == g.dtype.name:
        return _spread(g, x, axis, keepdims) * share
    return cast(cast(_spread(g, x, axis, keepdims), dtype=counted) * share, dtype=g.dtype.name)


def _pow_vjp(g: Any, out: Any, x: Any, *, exponent: float) -> Any:
    if exponent == 2:
        return g * (2 * x)
    if exponent == 0:
        return g * 0  # 0 * x**-1 would be nan at x = 0
    return g * (exponent * pow(x, exponent=exponent - 1))  # the row, not `**`: Python raises at 0.0 ** -1


def _maximum_share(g: Any, x: Any, y: Any, tie: float) -> Any:
    if type(g) is float and type(x) is float and type(y) is float:  # what follows, for numbers
        return g if x > y else g * tie if x == y else 0.0
    won = where(greater(x, y), g, 0.0)
    return where(equal(x, y), g * tie, won) if tie else won


def _share(g: Any, x: Any, y: Any, tie: float, wins: Any) -> Any:
    """What `x` gets of `fmax` or `fmin`: all where it `wins`, and where `y` is NaN."""
    won = where(wins(x, y), g, 0.0)
    return where(not_equal(y, y), g, where(equal(x, y), g * tie, won) if tie else won)


def _apart(x: Any, y: Any) -> Any:
    """``y - x``, where two infinities of one sign are 0 apart."""
    d = 1.0 * y - x  # truth values have no difference
    return where(equal(x, y), where(equal(d, d), d, 0.0), d)


def _cosine(x: Any, h: Any) -> Any:
    """``x / h``, the cosine of the angle at `x` in a triangle of hypotenuse `h`, and 0 where there is no triangle."""
    return where(equal(h, 0.0), 0.0, div(x, h))


def _power_base(g: Any, out: Any, x: Any, y: Any) -> Any:
    slope = y * power(x, y - 1.0)
    return g * where(equal(x, 0.0), where(equal(y, 0.0), 0.0, slope), slope)  # x**0 is 1 at 0 too


def _power_exponent(g: Any, out: Any, x: Any, y: Any) -> Any:
    return g * (out * log(where(equal(x, 0.0), 1.0, x)))  # 0**y is 0 for every y > 0


# sin(y) / y = sum of (-1)**k y**(2k) / (2k + 1)!; these are the terms of its slope over y, up to 1
_SINC = tuple((-1.0) ** k * 2 * k / math.factorial(2 * k + 1) for k in range(1, 11))


def _sinc_vjp(g: Any, out: Any, x: Any) -> Any:
    """``(cos(y) - sin(y) / y) / y`` with ``y = pi x``, which cancels near 0, where it is a series."""
    y = x * math.pi
    small = less(abs(y), 1.0)
    z = y * y
    series = _SINC[-1]
    for term in _SINC[-2::-1]:
        series = series * z + term
    far = where(small, 1.0, y)
    return g * (math.pi * where(small, y * series, div(cos(far) - div(sin(far), far), far)))


# A scan is a recurrence, and so is its cotangent, from the other end: neither takes more than linear time.


def _before(x: Any, first: float, axis: int, reverse: bool) -> Any:
    """Return for each entry the one that the scan has met before it, and `first` for the first."""
    size, lead = x.shape[axis], (slice(None),) * axis
    edge = where(np.array(False), x[(*lead, slice(0, 1))], first)
    kept = x[(*lead, slice(1, None) if reverse else slice(0, size - 1))]
    return concatenate(*((kept, edge) if reverse else (edge, kept)), axis=axis) if size else x


def _carried(g: Any, factors: Any, axis: int, reverse: bool) -> Any:
    """Return what comes back to each entry of a scan, of which each took the one before it times its factor."""
    return recur(_before(factors, 0.0, axis, not reverse), g, axis=axis, reverse=not reverse)


def _cumprod_vjp(g: Any, out: Any, x: Any, *, axis: int, reverse: bool = False) -> Any:
    return _carried(g, x, axis, reverse) * _before(out, 1.0, axis, reverse)


def _extreme_vjp(wins: str) -> Rule:
    """Return the rule of a running maximum or minimum, in which ties share as in `maximum`."""

    def rule(g: Any, out: Any, x: Any, *, axis: int, reverse: bool = False) -> Any:
        far = -math.inf if wins == "greater" else math.inf
        best, one = _before(out, far, axis, reverse), _before(where(np.array(False), x, 0.0), 1.0, axis, reverse)
        tie = where(equal(best, x), 0.5, 0.0)
        kept = where(TABLE[wins](best, x), 1.0, tie)
        taken = where(TABLE[wins](x, best), 1.0, tie)
        return _carried(g, where(equal(one, 1.0), 0.0, kept), axis, reverse) * where(equal(one, 1.0), 1.0, taken)

    return rule


def _concatenate_vjp(g: Any, out: Any, *operands: Any, axis: int = 0, slot: int) -> Any:
    start = 0
    for operand in operands[:slot]:
        start += operand.shape[axis]
    window = slice(start, start + operands[slot].shape[axis])
    return gather(g, index=(slice(None),) * (axis % len(g.shape)) + (window,))


# ---- the seven that build batch normalization ------------------------------------------------------------

sum = Primitive(
    "sum", kind="reduce", array="add", onnx="ReduceSum", tex=r"\sum {0}", level=2, label="Σ", vjp=(_sum_vjp,)
)
sub = Primitive(
    "sub", array="subtract", scalar="{0} - {1}", onnx="Sub", tex="{0} - {1}", level=1, label="−",
    domain=("real", "real"), vjp=(passes, negates),
)  # fmt: skip
pow = Primitive(
    "pow", array="power", scalar="pow({0}, {exponent})", onnx="Pow", tex="{0}^{{{exponent}}}", level=4, label="xⁿ",
    cost=40, domain=("positive",), vjp=(_pow_vjp,),
)  # fmt: skip
sqrt = Primitive(
    "sqrt", scalar="sqrt({0})", onnx="Sqrt", tex=r"\sqrt{{{0}}}", label="√", cost=4, domain=("positive",),
    vjp=(lambda g, out, x: g * (0.5 * reciprocal(out)),),
)  # fmt: skip
reciprocal = Primitive(
    "reciprocal", scalar="1.0 / {0}", onnx="Reciprocal", tex=r"\frac{{1}}{{{0}}}", level=3, label="1/x", cost=3,
    domain=("nonzero",), vjp=(lambda g, out, x: -g * out * out,),
)  # fmt: skip
mul = Primitive(
    "mul", array="multiply", scalar="{0} * {1}", onnx="Mul", tex=r"{0} \, {1}", level=2, label="×",
    domain=("real", "real"), vjp=(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x),
)  # fmt: skip
add = Primitive(
    "add", scalar="{0} + {1}", onnx="Add", tex="{0} + {1}", level=1, label="+",
    domain=("real", "real"), vjp=(passes, passes),
)  # fmt: skip

# ---- what networks need besides --------------------------------------------------------------------------

div = Primitive(  # 1 / x is `reciprocal`, as in the staged graph
    "div", array="divide", scalar="{0} / {1}", onnx="Div", tex=r"\frac{{{0}}}{{{1}}}", level=3, label="÷", cost=4,
    domain=("real", "nonzero"), vjp=(lambda g, out, x, y: div(g, y), lambda g, out, x, y: div(-(g * out), y)),
)  # fmt: skip
neg = Primitive("neg", array="negative", scalar="-{0}", onnx="Neg", tex="-{0}", level=2, label="−x", vjp=(negates,))
exp = Primitive(
    "exp", scalar="exp({0})", onnx="Exp", tex=r"e^{{{0}}}", level=4, label="exp", cost=12,
    vjp=(lambda g, out, x: g * out,),
)  # fmt: skip
log = Primitive(
    "log", scalar="log({0})", onnx="Log", tex=r"\log {0}", level=3, label="log", cost=14, domain=("positive",),
    vjp=(lambda g, out, x: div(g, x),),
)  # fmt: skip
tanh = Primitive(
    "tanh", scalar="tanh({0})", onnx="Tanh", tex=r"\tanh {0}", level=3, label="tanh", cost=16,
    vjp=(lambda g, out, x: g * (1.0 - out * out),),
)  # fmt: skip
abs = Primitive(
    "abs", array="absolute", scalar="abs({0})", onnx="Abs", tex=r"\left| {0} \right|", label="|x|", domain=("nonzero",),
    vjp=(lambda g, out, x: g * sign(x) if type(x) is float or x.dtype.kind != "b" else g * 0.0,),
)  # fmt: skip
sign = Primitive(
    "sign", scalar="({0} if {0} != {0} else 1.0 * (({0} > 0) - ({0} < 0)))", onnx="Sign",
    tex=r"\operatorname{{sgn}} {0}", level=3, label="sgn", domain=("nonzero",), vjp=(None,),
)  # fmt: skip
maximum = Primitive(  # `tie`: the share of each at equality; 1/2 between tensors, 0 against a constant (relu'(0) = 0)
    "maximum", scalar="({0} if {0} >= {1} or {0} != {0} else {1})", onnx="Max", tex=r"\max({0}, {1})", label="max",
    domain=("real", "real"), vjp=(lambda g, out, x, y, *, tie=0.5: _maximum_share(g, x, y, tie),
                                  lambda g, out, x, y, *, tie=0.5: _maximum_share(g, y, x, tie)),
)  # fmt: skip
where = Primitive(
    "where", scalar="({1} if {0} else {2})", onnx="Where", tex=r"({0} \mathbin{{?}} {1} : {2})", label="where",
    domain=("mask", "real", "real"),
    vjp=(None, lambda g, out, c, x, y: where(c, g, 0.0), lambda g, out, c, x, y: where(c, 0.0, g)),
)  # fmt: skip
max = Primitive(
    "max", kind="reduce", array="maximum", onnx="ReduceMax", tex=r"\max {0}", level=3, label="max", vjp=(_max_vjp,)
)
matmul = Primitive(
    "matmul", kind="contract", onnx="MatMul", tex=r"{0} \, {1}", level=2, label="@", domain=("matrix", "matrix"),
    vjp=(lambda g, out, x, y: g @ y.mT, lambda g, out, x, y: x.mT @ g),
)  # fmt: skip
reshape = Primitive(
    "reshape", kind="move", onnx="Reshape", tex="{0}", label="reshape",
    vjp=(lambda g, out, x, *, shape: reshape(g, shape=x.shape),),
)  # fmt: skip
transpose = Primitive(
    "transpose", kind="move", onnx="Transpose", tex=r"{0}^{{\mathsf T}}", level=5, label="ᵀ",
    vjp=(lambda g, out, x, *, axes: transpose(g, axes=tuple(map(int, np.argsort(axes)))),),
)  # fmt: skip
broadcast = Primitive(
    "broadcast", kind="move", array="broadcast_to", onnx="Expand", tex=r"\mathbf{{1}} {0}", level=3, label="broadcast",
    vjp=(passes,),  # folding back to the operand's shape is the whole rule
)  # fmt: skip
gather = Primitive(
    "gather", kind="move", array="take", onnx="GatherND", tex="{0}_{{[{index}]}}", label="[ ]",
    vjp=(lambda g, out, x, *, index: scatter(g, index=index, shape=x.shape),),
)  # fmt: skip
scatter = Primitive(
    "scatter", kind="move", array="put", onnx="ScatterND", tex=r"\operatorname{{scatter}} {0}", level=3,
    label="scatter",
    vjp=(lambda g, out, x, *, index, shape: gather(g, index=index),),
)  # fmt: skip
concatenate = Primitive(
    "concatenate", kind="move", onnx="Concat", tex=r"\operatorname{{concat}}({0}, {1})", label="concat",
    domain=("real", "real"), variadic=True, vjp=(_concatenate_vjp,),
)  # fmt: skip
cast = Primitive(
    "cast", array="astype", onnx="Cast", tex="{0}", label="cast",
    vjp=(lambda g, out, x, *, dtype: cast(g, dtype=x.dtype.name if hasattr(x, "dtype") else "float64"),),
)  # fmt: skip

greater = Primitive("greater", scalar="{0} > {1}", onnx="Greater", tex="{0} > {1}", level=1, label=">",
                    domain=("real", "real"), vjp=(None, None))  # fmt: skip
greater_equal = Primitive("greater_equal", scalar="{0} >= {1}", onnx="GreaterOrEqual", tex=r"{0} \ge {1}",
                          level=1, label="≥", domain=("real", "real"), vjp=(None, None))  # fmt: skip
less = Primitive("less", scalar="{0} < {1}", onnx="Less", tex="{0} < {1}", level=1, label="<",
                 domain=("real", "real"), vjp=(None, None))  # fmt: skip
less_equal = Primitive("less_equal", scalar="{0} <= {1}", onnx="LessOrEqual", tex=r"{0} \le {1}", level=1, label="≤",
                       domain=("real", "real"), vjp=(None, None))  # fmt: skip
equal = Primitive("equal", scalar="{0} == {1}", onnx="Equal", tex="{0} = {1}", level=1, label="=",
                  domain=("real", "real"), vjp=(None, None))  # fmt: skip
not_equal = Primitive("not_equal", scalar="{0} != {1}", array="not_equal", tex=r"{0} \ne {1}", level=1, label="≠",
                      domain=("real", "real"), vjp=(None, None))  # fmt: skip

# ---- elementary functions --------------------------------------------------------------------------------


def _function(
    name: str, vjp: tuple[Rule | None, ...], *, scalar: str = "", tex: str = "", onnx: str = "",
    domain: tuple[str, ...] = ("real",), cost: int = 16, array: str = "",
) -> Primitive:  # fmt: skip
    """Declare a row that is written as a function: ``name(x, y)``."""
    holes = ", ".join(f"{{{slot}}}" for slot in range(len(domain)))
    return Primitive(
        name, array=array, scalar=scalar, onnx=onnx, tex=tex or rf"\operatorname{{{{{name}}}}}({holes})",
        level=3 if tex else 9, label=name, domain=domain, cost=cost, vjp=vjp,
    )  # fmt: skip


log1p = _function("log1p", (lambda g, out, x: div(g, 1.0 + x),), scalar="log1p({0})", domain=("positive",))
expm1 = _function("expm1", (lambda g, out, x: g * exp(x),), scalar="expm1({0})")
exp2 = _function("exp2", (lambda g, out, x: g * (out * math.log(2.0)),), scalar="exp2({0})")
log2 = _function("log2", (lambda g, out, x: div(g * (1.0 / math.log(2.0)), x),), scalar="log2({0})",
                 domain=("positive",))  # fmt: skip
log10 = _function("log10", (lambda g, out, x: div(g * (1.0 / math.log(10.0)), x),), scalar="log10({0})",
                  domain=("positive",))  # fmt: skip
logaddexp = _function(
    "logaddexp",
    (lambda g, out, x, y: div(g, 1.0 + exp(_apart(x, y))), lambda g, out, x, y: div(g, 1.0 + exp(_apart(y, x)))),
    scalar="logaddexp({0}, {1})", domain=("real", "real"), cost=32,
)  # fmt: skip
logaddexp2 = _function(
    "logaddexp2",
    (lambda g, out, x, y: div(g, 1.0 + exp2(_apart(x, y))), lambda g, out, x, y: div(g, 1.0 + exp2(_apart(y, x)))),
    scalar="logaddexp2({0}, {1})", domain=("real", "real"), cost=32,
)  # fmt: skip
power = Primitive(  # of two arrays; with a number as exponent it is `pow`. NaN is the slope of y where x < 0
    "power", scalar="pow({0}, {1})", onnx="Pow", tex="{0}^{{{1}}}", level=4, label="xʸ", cost=40,
    domain=("positive", "real"), vjp=(_power_base, _power_exponent),
)  # fmt: skip
cbrt = _function("cbrt", (lambda g, out, x: div(g, 3.0 * (out * out)),), scalar="cbrt({0})", domain=("nonzero",))
hypot = _function(
    "hypot", (lambda g, out, x, y: g * _cosine(x, out), lambda g, out, x, y: g * _cosine(y, out)),
    scalar="hypot({0}, {1})", domain=("real", "real"),
)  # fmt: skip
sin = _function("sin", (lambda g, out, x: g * cos(x),), scalar="sin({0})", tex=r"\sin {0}", onnx="Sin")
cos = _function("cos", (lambda g, out, x: -(g * sin(x)),), scalar="cos({0})", tex=r"\cos {0}", onnx="Cos")
tan = _function("tan", (lambda g, out, x: g * (1.0 + out * out),), scalar="tan({0})", tex=r"\tan {0}", onnx="Tan",
                domain=("inside",))  # fmt: skip
arcsin = _function("arcsin", (lambda g, out, x: div(g, sqrt((1.0 - x) * (1.0 + x))),), scalar="asin({0})",
                   tex=r"\arcsin {0}", onnx="Asin", domain=("inside",))  # fmt: skip
arccos = _function("arccos", (lambda g, out, x: div(-g, sqrt((1.0 - x) * (1.0 + x))),), scalar="acos({0})",
                   tex=r"\arccos {0}", onnx="Acos", domain=("inside",))  # fmt: skip
arctan = _function("arctan", (lambda g, out, x: div(g, 1.0 + x * x),), scalar="atan({0})", tex=r"\arctan {0}",
                   onnx="Atan")  # fmt: skip
arctan2 = _function(
    "arctan2",
    (lambda g, out, y, x: g * _cosine(_cosine(x, hypot(x, y)), hypot(x, y)),
     lambda g, out, y, x: -(g * _cosine(_cosine(y, hypot(x, y)), hypot(x, y)))),
    scalar="atan2({0}, {1})", domain=("nonzero", "nonzero"),
)  # fmt: skip
sinh = _function("sinh", (lambda g, out, x: g * cosh(x),), scalar="sinh({0})", tex=r"\sinh {0}", onnx="Sinh")
cosh = _function("cosh", (lambda g, out, x: g * sinh(x),), scalar="cosh({0})", tex=r"\cosh {0}", onnx="Cosh")
arcsinh = _function("arcsinh", (lambda g, out, x: div(g, hypot(x, 1.0)),), scalar="asinh({0})", onnx="Asinh")
arccosh = _function("arccosh", (lambda g, out, x: div(g, sqrt(x - 1.0) * sqrt(x + 1.0)),), scalar="acosh({0})",
                    onnx="Acosh", domain=("above 1",))  # fmt: skip
arctanh = _function("arctanh", (lambda g, out, x: div(g, (1.0 - x) * (1.0 + x)),), scalar="atanh({0})", onnx="Atanh",
                    domain=("inside",))  # fmt: skip
sinc = _function("sinc", (_sinc_vjp,))
degrees = _function("degrees", (lambda g, out, x: degrees(g),), scalar="degrees({0})", cost=1)
radians = _function("radians", (lambda g, out, x: radians(g),), scalar="radians({0})", cost=1)

# ---- whole numbers, signs and kinds of numbers -------------------------------------------------------------

floor = _function("floor", (None,), scalar="floor({0})", onnx="Floor", cost=1)
ceil = _function("ceil", (None,), scalar="ceil({0})", onnx="Ceil", cost=1)
trunc = _function("trunc", (None,), scalar="trunc({0})", cost=1)
rint = _function("rint", (None,), scalar="rint({0})", onnx="Round", cost=1)
floor_divide = _function("floor_divide", (None, None), scalar="floor_divide({0}, {1})", domain=("real", "nonzero"))
remainder = _function(  # of the sign of y
    "remainder", (passes, lambda g, out, x, y: -(g * floor_divide(x, y))), scalar="remainder({0}, {1})",
    domain=("nonzero", "large"),
)  # fmt: skip
fmod = _function(  # of the sign of x
    "fmod", (passes, lambda g, out, x, y: -(g * rint(div(x - out, y)))), scalar="fmod({0}, {1})",
    domain=("nonzero", "large"),
)  # fmt: skip
fmax = _function("fmax", (lambda g, out, x, y, *, tie=0.5: _share(g, x, y, tie, greater),
                          lambda g, out, x, y, *, tie=0.5: _share(g, y, x, tie, greater)),
                 scalar="fmax({0}, {1})", domain=("real", "real"), cost=1)  # fmt: skip
fmin = _function("fmin", (lambda g, out, x, y, *, tie=0.5: _share(g, x, y, tie, less),
                          lambda g, out, x, y, *, tie=0.5: _share(g, y, x, tie, less)),
                 scalar="fmin({0}, {1})", domain=("real", "real"), cost=1)  # fmt: skip
copysign = _function(
    "copysign",
    (lambda g, out, x, y: g * (copysign(1.0, out) * sign(1.0 * x)), None),
    scalar="copysign({0}, {1})",
    domain=("nonzero", "nonzero"),
    cost=1,
)
heaviside = _function(
    "heaviside", (None, lambda g, out, x, y: where(equal(x, 0.0), g, 0.0)), domain=("nonzero", "real"), cost=1
)
isnan = _function("isnan", (None,), scalar="isnan({0})", onnx="IsNaN", cost=1)
isinf = _function("isinf", (None,), scalar="isinf({0})", onnx="IsInf", cost=1)
isfinite = _function("isfinite", (None,), scalar="isfinite({0})", cost=1)
signbit = _function("signbit", (None,), scalar="signbit({0})", cost=1)

# ---- scans -------------------------------------------------------------------------------------------------

cumsum = Primitive(
    "cumsum", kind="scan", array="add", onnx="CumSum", tex=r"\operatorname{{cumsum}}({0})", label="cumsum",
    vjp=(lambda g, out, x, *, axis, reverse=False: cumsum(g, axis=axis, reverse=not reverse),),
)  # fmt: skip
cumprod = Primitive(
    "cumprod", kind="scan", array="multiply", tex=r"\operatorname{{cumprod}}({0})", label="cumprod", vjp=(_cumprod_vjp,)
)
cummax = Primitive(
    "cummax", kind="scan", array="maximum", tex=r"\operatorname{{cummax}}({0})", label="cummax",
    vjp=(_extreme_vjp("greater"),),
)  # fmt: skip
cummin = Primitive(
    "cummin", kind="scan", array="minimum", tex=r"\operatorname{{cummin}}({0})", label="cummin",
    vjp=(_extreme_vjp("less"),),
)  # fmt: skip
recur = Primitive(  # y[i] = x1[i] + x0[i] * y[i - 1], the first without the product
    "recur", kind="scan", array=_recur, tex=r"\operatorname{{recurrence}}({0}, {1})", label="recurrence",
    domain=("real", "real"),
    vjp=(lambda g, out, a, b, *, axis, reverse=False: _carried(g, a, axis, reverse) * _before(out, 0.0, axis, reverse),
         lambda g, out, a, b, *, axis, reverse=False: _carried(g, a, axis, reverse)),
)  # fmt: skip
