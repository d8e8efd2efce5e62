"""Build a program anew: equations are put one by one, equal ones once, and exact identities vanish.

Every rewrite here keeps each number bit for bit, and its dtype (``x * 1``, ``--x``, a cast to the same dtype, squares
for ``x ** 2`` as NumPy computes them); what changes the rounding stands in `algebra.py`, with its promise. What a
rewrite proposes is taken only if it has the shape and the dtype of what it replaces.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.primitives import TABLE
from micrograd.program.program import COMPARISONS, Equation, Feed, Index, Operand, Program, Value, dtype_of, evaluate
from micrograd.program.views import Axes, varying, view_axes

__all__ = ["Notes", "Rewriter", "Rule", "Shift", "rewrite", "same", "without_dead"]

_FOLDED = 1 << 16
"""Constants of up to so many entries are computed once, at compile time."""

FAR = 8
"""How many times larger a sum of squares about the start may be than that about the mean: so many times larger is its
rounding, too."""

_EXACT = 2**53
"""Whole numbers up to here are exact in float64."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Statistics of ``x - start``, which are taken again about the mean where that is far from the start.

    Attributes:
        start: what is subtracted, with unit axes where x is summed.
        total, squares: the sum of ``x - start``, and of its squares.
        readers: the values that are computed from the start, and may be when it has changed.
        share: 1/N.
    """

    start: int
    total: int
    squares: int
    readers: frozenset[int]
    share: float


@dataclass(slots=True)
class Notes:
    """What the rules know of values and the printed function has to observe.

    Attributes:
        guards: values that must be finite, or else the call is computed as it was written.
        whole: values that no rule may take apart, since a difference of their parts would lose digits.
        balanced: values ``x - mean(x)``, whose sum is 0 but for rounding, and the axes that the mean is over.
        onehot: masks that are true at one place along axis 1.
        shifts: statistics that may be taken again.
    """

    guards: set[int] = field(default_factory=set)
    whole: set[int] = field(default_factory=set)
    balanced: dict[int, tuple[int, ...]] = field(default_factory=dict)
    onehot: set[int] = field(default_factory=set)
    shifts: set[Shift] = field(default_factory=set)


class Rewriter:
    """Build a program, one equation after the other.

    Attributes:
        values, feeds, equations: of the program so far.
        maker: the equation that makes a value.
        notes: what the rules noted, of values of this program.
        instead: values that whatever is put from now on reads another one for.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values: list[Value] = list(program.values)
        self.feeds: list[Feed] = list(program.feeds)
        self.equations: list[Equation] = []
        self.maker: dict[int, Equation] = {}
        self.constants: dict[int, Any] = {f.value: f.array for f in program.feeds if f.kind == "constant"}
        self.notes = Notes()
        self.instead: dict[int, Operand] = {}
        self._known: dict[Any, Operand] = {}
        self._varies: dict[int, Axes] = {}

    # ---- notes -------------------------------------------------------------------------------------------

    def guard(self, operand: Operand) -> None:
        """Note that a value must be finite: the one that is computed, where it is a view of another."""
        while equation := self.made_by(operand, "broadcast", "reshape", "transpose"):
            operand = equation.operands[0]
        if isinstance(operand, int):
            self.notes.guards.add(operand)

    def keep_whole(self, operand: Operand) -> None:
        """Note that no rule may take a value apart."""
        if isinstance(operand, int):
            self.notes.whole.add(operand)

    # ---- what is known of an operand ---------------------------------------------------------------------

    def shape(self, operand: Operand) -> tuple[int, ...]:
        """Return the shape of an operand; () for a number."""
        return self.values[operand].shape if isinstance(operand, int) else ()

    def dtype(self, *operands: Operand) -> str:
        """Return the dtype that an elementwise operation of the operands has in NumPy."""
        return dtype_of(self.values, operands)

    def made_by(self, operand: Operand, *ops: str) -> Equation | None:
        """Return the equation of an operand if it is one of `ops`."""
        equation = self.maker.get(operand) if isinstance(operand, int) else None
        return equation if equation is not None and equation.op in ops else None

    def number(self, operand: Operand) -> float | None:
        """Return the one number that an operand is known to be, in all its entries."""
        if isinstance(operand, float):
            return operand
        if operand in self.constants:
            array = np.asarray(self.constants[operand])
            if array.dtype.kind in "fiu" and array.size and (array == array.flat[0]).all():
                return float(array.flat[0])
        inner = self.made_by(operand, "broadcast", "reshape")
        return self.number(inner.operands[0]) if inner is not None else None

    # ---- making values -----------------------------------------------------------------------------------

    def constant(self, array: Any) -> int:
        """Return a constant array as a value."""
        array = np.asarray(array)
        key = ("constant", array.dtype.name, array.shape, array.tobytes())
        if key not in self._known:
            value = self._new(Value(array.shape, array.dtype.name))
            self.feeds.append(Feed(value, "constant", array=array))
            self.constants[value] = array
            self._known[key] = value
        return self._known[key]  # type: ignore[return-value]

    def _new(self, value: Value) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def put(self, op: str, *operands: Operand, like: Value | None = None, line: str = "", **attrs: Any) -> Operand:
        """Return the value of ``op(operands, attrs)``: an earlier one where it is equal, else a new equation.

        Args:
            op: a row of the table.
            *operands: values or numbers.
            like: shape, dtype and name, where the caller knows them.
            line: the user's.
            **attrs: the keywords of the operation.
        """
        if TABLE[op].kind == "reduce":
            return self._reduce(op, operands[0], like, line, attrs)
        made = like or self._made(op, operands, attrs)
        same = self._identity(op, operands, attrs)
        if same is not None and self.fits(same, made):
            return same
        if op in ("mul", "pow") and isinstance(same, int) and self.shape(same) == made.shape:  # x * 1, of another dtype
            return self.put("cast", same, like=made, line=line, dtype=made.dtype)
        if op == "div" and (share := self._exact_inverse(operands[0], operands[1], made)):
            return self.put("mul", operands[0], share, like=like, line=line)
        if op == "pow" and attrs["exponent"] == 2 and self.dtype(operands[0]) == made.dtype:
            return self.put("mul", operands[0], operands[0], like=like, line=line)
        if TABLE[op].kind == "map" and (alike := self._uniform(made.shape, operands)):
            leads = [len(made.shape) - len(self.shape(o)) for o in operands]
            parts = [self.first(o, [a - n for a in alike if a >= n], 1) for o, n in zip(operands, leads, strict=True)]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts):
                small = replace(made, shape=tuple(1 if a in alike else s for a, s in enumerate(made.shape)), name="")
                once = self.put(op, *known, like=small, line=line, **attrs)
                return self.put("broadcast", once, shape=made.shape)
        return self._keep(Equation(op, operands, -1, attrs, line), made)

    def _keep(self, equation: Equation, made: Value) -> Operand:
        key = (equation.op, _frozen(equation.operands), _frozen(equation.attrs), made.dtype, made.shape, made.weak)
        if key in self._known:
            return self._known[key]
        if self._constant(equation, made):
            inputs = {v: float(self.constants[v]) if self.values[v].weak else self.constants[v] for v in equation.reads}
            place = len(self.values)
            small = Program("", (*self.values, made), (), (replace(equation, out=place),), ())
            answer: Operand = self.constant(np.asarray(evaluate(small, inputs)[place], made.dtype))
            if made.weak and not made.shape:
                answer = float(self.constants[answer])  # type: ignore[index]
            self._known[key] = answer
            return answer
        out = self._new(made)
        equation = replace(equation, out=out)
        self.equations.append(equation)
        self.maker[out] = equation
        shapes, along = [self.shape(o) for o in equation.operands], [self.varies(o) for o in equation.operands]
        self._varies[out] = varying(equation, shapes, made.shape, along)
        self._known[key] = out
        return out

    def _exact_inverse(self, x: Operand, divisor: Operand, made: Value) -> float | None:
        """Return one over a power of two, by which a product has the bits of the quotient; None for other divisors."""
        number = self.number(divisor)
        limit = {"float32": 2.0**126, "float64": 2.0**1022}.get(made.dtype)  # no inverse of what is normal is subnormal
        if number is None or limit is None or (self.shape(x), self.dtype(x)) != (made.shape, made.dtype):
            return None
        return 1.0 / number if 1 / limit <= abs(number) <= limit and abs(math.frexp(number)[0]) == 0.5 else None

    def _constant(self, equation: Equation, made: Value) -> bool:
        small = int(np.prod(made.shape, dtype=int)) <= _FOLDED
        return small and equation.op != "broadcast" and all(v in self.constants for v in equation.reads)

    def _reduce(self, op: str, x: Operand, like: Value | None, line: str, attrs: dict[str, Any]) -> Operand:
        """Return a reduction keeps its unit axes and names them as a sorted tuple; a reshape drops them."""
        shape = self.shape(x)
        axis = attrs.get("axis")
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        over = tuple(sorted(a % len(shape) for a in axes)) if shape else ()
        kept = tuple(1 if a in over else size for a, size in enumerate(shape))
        wanted = kept if attrs.get("keepdims") else tuple(s for a, s in enumerate(shape) if a not in over)
        made = like or Value(wanted, _folded_dtype(op, self.dtype(x)))
        if all(shape[a] == 1 for a in over):
            return self._cast(self.reshape(x, wanted), made)
        if self._exact_in_float64(op, x, made.dtype, int(np.prod([shape[a] for a in over], dtype=int))):
            wide = self.put("cast", x, line=line, dtype="float64")
            return self._cast(self._reduce(op, wide, replace(made, dtype="float64", name=""), line, attrs), made)
        inner = replace(made, shape=kept, weak=False)
        return self.reshape(self._keep(Equation(op, (x,), -1, {"axis": over, "keepdims": True}, line), inner), wanted)

    def _cast(self, x: Operand, made: Value) -> Operand:
        """Put `x` in the dtype of `made`, by its name."""
        if self.dtype(x) == made.dtype:
            return x
        return self.put("cast", x, like=replace(made, weak=False), dtype=made.dtype)

    def _exact_in_float64(self, op: str, x: Operand, made: str, count: int) -> bool:
        """Return whether a reduction of whole numbers or truth values is exact in float64."""
        dtype = np.dtype(self.dtype(x))
        if dtype.kind not in "biu" or (op != "max" and np.dtype(made).kind not in "iu"):
            return False
        largest = 1 if dtype.kind == "b" else max(-int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        return largest * (1 if op == "max" else count) <= _EXACT

    def reshape(self, x: Operand, shape: tuple[int, ...]) -> Operand:
        """Put `x` in another shape."""
        return self.put("reshape", x, shape=shape)

    def first(self, x: Operand, axes: Iterable[int], budget: int = 24) -> Operand | None:
        """Put `x` at index 0 of `axes`, which stay as unit axes; None where that takes more than `budget` equations."""
        return self.entry(x, dict.fromkeys(axes, 0), budget)

    def entry(self, x: Operand, places: Mapping[int, int], budget: int = 24) -> Operand | None:
        """Put `x` at one index along each axis in `places`, and otherwise as `first`."""
        shape = self.shape(x)
        left = {a: index for a, index in places.items() if shape[a] != 1}
        if not left or isinstance(x, float):
            return x
        if budget <= 0:
            return None
        goal = tuple(1 if a in left else size for a, size in enumerate(shape))
        equation = self.maker.get(x)
        kind = TABLE[equation.op].kind if equation is not None else ""
        if equation is not None and kind == "map":
            parts: list[Operand] = []
            for operand in equation.operands:
                own = self.shape(operand)
                lead = len(shape) - len(own)
                inside = {a - lead: index for a, index in left.items() if a >= lead}
                part = self.entry(operand, inside, budget - len(parts) - 1)
                if part is None:
                    return None
                parts.append(part)
            like = replace(self.values[x], shape=goal, name="")
            return self.put(equation.op, *parts, like=like, line=equation.line, **equation.attrs)
        axes_in = None
        if equation is not None:
            axes_in = view_axes(equation, [self.shape(o) for o in equation.operands], shape)
        if equation is not None and axes_in is not None and equation.op != "gather":
            source = equation.operands[0]
            inner = self.entry(source, {a: left[to] for a, to in enumerate(axes_in) if to in left}, budget - 1)
            if inner is None:
                return None
            if equation.op == "reshape":
                return self.reshape(inner, goal)
            if equation.op == "transpose":
                return self.put("transpose", inner, axes=equation.attrs["axes"])
            return self.put("broadcast", inner, shape=goal)
        index = tuple(slice(left[a], left[a] + 1) if a in left else slice(None) for a in range(len(shape)))
        return self.put("gather", x, like=replace(self.values[x], shape=goal, name=""), index=index)

    def varies(self, x: Operand) -> Axes:
        """Say along which of its axes a value may vary: False where it is broadcast, or has one entry."""
        shape = self.shape(x)
        if isinstance(x, float) or not shape:
            return ()
        found = self._varies.get(x)
        if found is None or 0 in shape:  # of nothing there is no one entry to compute instead
            return tuple(size != 1 for size in shape)
        return found

    def _uniform(self, shape: tuple[int, ...], operands: tuple[Operand, ...]) -> list[int]:
        """Return the axes of an elementwise result along which no operand varies."""
        found = [size != 1 for size in shape]
        for operand in operands:
            along = self.varies(operand)
            for axis, may in enumerate(along):
                found[len(shape) - len(along) + axis] &= not may
        return [axis for axis, alike in enumerate(found) if alike]

    # ---- exact identities --------------------------------------------------------------------------------

    def _identity(self, op: str, operands: tuple[Operand, ...], attrs: dict[str, Any]) -> Operand | None:
        x = operands[0]
        if op == "mul":
            for a, b in ((0, 1), (1, 0)):
                if self.number(operands[b]) == 1.0:
                    return operands[a]
        elif op == "neg" and (inner := self.made_by(x, "neg")):
            return inner.operands[0]
        elif (
            (op == "cast" and isinstance(x, int) and self.values[x].dtype == attrs["dtype"] and not self.values[x].weak)
            or (op == "pow" and attrs["exponent"] == 1)
            or (op in ("reshape", "broadcast") and self.shape(x) == tuple(attrs["shape"]))
        ):
            return x
        elif op == "reshape" and (inner := self.made_by(x, "reshape")):
            return self.put("reshape", inner.operands[0], shape=tuple(attrs["shape"]))
        elif op == "broadcast" and (inner := self.made_by(x, "broadcast")):
            return self.put("broadcast", inner.operands[0], shape=tuple(attrs["shape"]))
        elif op == "transpose":
            axes = tuple(attrs["axes"])
            if axes == tuple(range(len(axes))):
                return x
            if inner := self.made_by(x, "transpose"):
                return self.put("transpose", inner.operands[0], axes=tuple(inner.attrs["axes"][a] for a in axes))
        elif op == "where" and same(*operands[1:]):
            return operands[1]
        return None

    def fits(self, operand: Operand, made: Value) -> bool:
        """Return whether an operand may stand in the place of `made`: whether it has its shape and dtype."""
        if isinstance(operand, float):
            return made.weak and not made.shape
        value = self.values[operand]
        return (value.shape, value.dtype, value.weak) == (made.shape, made.dtype, made.weak)

    # ---- shapes and dtypes of what is put without `like` ---------------------------------------------------

    def _made(self, op: str, operands: tuple[Operand, ...], attrs: dict[str, Any]) -> Value:
        shape = self._shape(op, operands, attrs)
        weak = TABLE[op].kind == "map" and all(
            isinstance(o, float) or (self.values[o].weak and not self.values[o].shape) for o in operands
        )
        return Value(shape, self._dtype(op, operands, attrs), weak=weak and op != "cast" and op not in COMPARISONS)

    def _shape(self, op: str, operands: tuple[Operand, ...], attrs: dict[str, Any]) -> tuple[int, ...]:
        shapes = [self.shape(o) for o in operands]
        if TABLE[op].kind == "map":
            return tuple(np.broadcast_shapes(*shapes))
        if op in ("reshape", "broadcast", "scatter"):
            return tuple(attrs["shape"])
        if op == "transpose":
            return tuple(shapes[0][a] for a in attrs["axes"])
        raise ValueError(f"the shape of {op} must be given")

    def _dtype(self, op: str, operands: tuple[Operand, ...], attrs: dict[str, Any]) -> str:
        if TABLE[op].kind != "map":
            return self.dtype(*operands)
        known = tuple(self.dtype(o) if isinstance(o, int) and not self.values[o].weak else "" for o in operands)
        return _mapped_dtype(op, known, attrs.get("exponent"), attrs.get("dtype", ""))

    # ---- the result --------------------------------------------------------------------------------------

    def program_of(self, place: Callable[[int], Operand]) -> Program:
        """Return the program so far; `place` says where each old output went."""
        outputs = tuple(self._as_value(place(v)) for v in self.program.outputs)
        writes = tuple(replace(w, value=self._as_value(place(w.value))) for w in self.program.writes)
        return replace(
            self.program, values=tuple(self.values), feeds=tuple(self.feeds), equations=tuple(self.equations),
            outputs=outputs, writes=writes,
        )  # fmt: skip

    def _as_value(self, operand: Operand) -> int:
        return operand if isinstance(operand, int) else self.constant(np.float64(operand))


@functools.lru_cache(maxsize=None, typed=True)  # x**2 and x**2.0 of whole numbers differ
def _mapped_dtype(op: str, dtypes: tuple[str, ...], exponent: Any, to: str) -> str:
    """Return the dtype of an elementwise operation, asked of NumPy; an empty dtype is that of a number."""
    attrs: dict[str, Any] = {"dtype": to} if op == "cast" else {"exponent": exponent} if op == "pow" else {}
    with np.errstate(all="ignore"):
        return np.asarray(TABLE[op].forward(*(np.ones(1, d) if d else 1.0 for d in dtypes), **attrs)).dtype.name


@functools.cache
def _folded_dtype(op: str, dtype: str) -> str:
    """Return the dtype of a reduction: sums of short whole numbers and of truth values are longer."""
    return str(np.asarray(TABLE[op].forward(np.ones(1, dtype))).dtype)


def same(a: Operand, b: Operand) -> bool:
    """Return whether two operands are one: value 2 is not the number 2.0, though Python calls them equal."""
    return bool(_frozen(a) == _frozen(b))


def _frozen(attrs: Any) -> Any:
    """Return operands or attributes as a key: slices, lists and arrays included; 2 is not 2.0, nor 0.0 -0.0."""
    if isinstance(attrs, dict):
        return tuple(sorted((key, _frozen(value)) for key, value in attrs.items()))
    if isinstance(attrs, (tuple, list)):
        return tuple(_frozen(a) for a in attrs)
    if isinstance(attrs, slice):
        return ("slice", attrs.start, attrs.stop, attrs.step)
    if isinstance(attrs, np.ndarray):
        return ("array", attrs.dtype.str, attrs.shape, attrs.tobytes())
    if isinstance(attrs, Index):
        return ("index", attrs.value)
    if isinstance(attrs, float):
        return ("float", attrs.hex())
    return (type(attrs).__name__, attrs)


Rule = Callable[[Rewriter, Equation, tuple[Operand, ...]], Operand | None]


def rewrite(program: Program, *rules: Rule, notes: Notes | None = None) -> tuple[Program, Notes]:
    """Return the program put anew, each equation through the first of `rules` that returns something.

    Dead equations are left out.

    A result of another shape or dtype than that of the equation is not taken. Values are counted anew, so `notes` on
    those of `program` are carried over.

    Returns:
        The program, and the notes on its values: those carried over and those that the rules made.
    """
    made, old = Rewriter(program), notes or Notes()
    at: dict[int, Operand] = {feed.value: feed.value for feed in program.feeds}

    def now(value: int) -> Operand:
        operand = at[value]
        return made.instead.get(operand, operand) if isinstance(operand, int) else operand

    for equation in program.equations:
        operands = tuple(now(o) if isinstance(o, int) else o for o in equation.operands)
        attrs = dict(equation.attrs)
        if "index" in attrs:
            attrs["index"] = _moved(attrs["index"], at)
        moved, like = replace(equation, operands=operands, attrs=attrs), program.values[equation.out]
        for rule in rules:
            answer = rule(made, moved, operands)
            if answer is not None and made.fits(answer, like):
                break
        else:
            answer = made.put(equation.op, *operands, like=like, line=equation.line, **attrs)
        at[equation.out] = answer
        if equation.out in old.guards:
            made.guard(answer)
        if equation.out in old.whole:
            made.keep_whole(answer)
        if equation.out in old.onehot and isinstance(answer, int):
            made.notes.onehot.add(answer)
        if equation.out in old.balanced and isinstance(answer, int):
            made.notes.balanced[answer] = old.balanced[equation.out]
    for shift in old.shifts:
        values = shift.start, shift.total, shift.squares, *shift.readers
        start, total, squares, *readers = (at.get(v) for v in values)  # what nothing reads is left out
        if isinstance(start, int) and isinstance(total, int) and isinstance(squares, int):
            still = frozenset(reader for reader in readers if isinstance(reader, int))
            made.notes.shifts.add(Shift(start, total, squares, still, shift.share))
    return without_dead(made.program_of(now)), made.notes


def _moved(index: Any, at: dict[int, Operand]) -> Any:
    if isinstance(index, tuple):
        return tuple(_moved(i, at) for i in index)
    return Index(int(at[index.value])) if isinstance(index, Index) else index


def without_dead(program: Program) -> Program:
    """Return the program without equations and feeds that no output needs (arguments and host values stay)."""
    needed = {*program.outputs, *(w.value for w in program.writes)}
    alive = []
    for equation in reversed(program.equations):
        if equation.out in needed:
            needed.update(equation.reads)
            alive.append(equation)
    feeds = tuple(f for f in program.feeds if f.value in needed or f.kind in ("argument", "host"))
    return replace(program, equations=tuple(reversed(alive)), feeds=feeds)
