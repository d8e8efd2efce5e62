"""Hold a captured call as a program: what it computes, flat and typed, with everything that it reads and changes.

Equations are those of the recorded graph, rows of the table and nothing else; a value is an index into
`Program.values`.
What comes from outside has a `Feed`: an argument of the call, a state that is read anew at each call (a parameter,
a running mean), a number or array that the host makes for each call (a learning rate, a dropout mask), or a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.primitives import TABLE

__all__ = [
    "COMPARISONS", "Equation", "Feed", "Index", "Operand", "Program", "Value", "Write", "computed", "concrete",
    "dtype_of", "evaluate",
]  # fmt: skip

COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "isnan", "isinf",
                         "isfinite", "signbit"})  # fmt: skip
"""Rows that return truth values."""


@dataclass(frozen=True, slots=True)
class Value:
    """The shape and dtype of a value, and the user's name for it where there is one.

    A Python number is of shape () and dtype ``float64`` and `weak`: beside a float32 array it does not widen it.
    """

    shape: tuple[int, ...]
    dtype: str
    name: str = ""
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An integer array, value `value` of the program, as it stands in the attribute ``index`` of gather and scatter."""

    value: int


Operand = int | float
"""A value by its index, or a number written inline (as in `micrograd.graph.Node.operands`)."""


@dataclass(frozen=True, slots=True)
class Equation:
    """``out = op(operands, attrs)``; `line` is where the user wrote it (``file:line``), empty where unknown."""

    op: str
    operands: tuple[Operand, ...]
    out: int
    attrs: Mapping[str, Any] = field(default_factory=dict)
    line: str = ""

    @property
    def reads(self) -> tuple[int, ...]:
        """Return the values among the operands, in slot order, and those inside an index."""
        inside: list[int] = []
        if "index" in self.attrs:
            index = self.attrs["index"]
            inside = [i.value for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, Index)]
        return (*(o for o in self.operands if isinstance(o, int)), *inside)


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a value comes from at each call.

    Attributes:
        value: its index.
        kind: ``argument`` (leaf number `position` of the call's arguments), ``state`` or ``host`` (what `get` returns
            at each call: an array or a number of this shape and dtype), or ``constant`` (`array`).
        position: of an argument.
        get: of a state or of a host value.
        array: of a constant.
        limit: for integer arrays used as an index: entries must be at least ``-limit`` and below `limit`.
        signed: whether entries below 0 count from the end; labels of classes may not.
    """

    value: int
    kind: str
    position: int = -1
    get: Callable[[], Any] | None = None
    array: Any = None
    limit: int | None = None
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Write:
    """State that changes: after each call `put` is given the new array (or number) of `value`, for itself alone."""

    value: int
    put: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Program:
    """A captured call.

    Attributes:
        name: of the function.
        values: every value.
        feeds: those that come from outside.
        equations: in order of execution.
        outputs: the values that the call returns, flat.
        rebuild: makes the result of the call out of the flat list of outputs.
        writes: the states that change.
        updates: the arguments that change, by position among the leaves; their new values are the last outputs, and
            `rebuild` returns them beside the result of the call.
        after: what the host does after each call besides (counting steps).
        assumptions: functions and what they returned; the program holds while they return the same.
        relied: the values that it holds for (`micrograd.program.relied.Relied`); None where it holds for any.
    """

    name: str
    values: tuple[Value, ...]
    feeds: tuple[Feed, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[int, ...]
    rebuild: Callable[[list[Any]], Any] = field(default=lambda flat: flat[0] if len(flat) == 1 else tuple(flat))
    writes: tuple[Write, ...] = ()
    updates: tuple[int, ...] = ()
    after: tuple[Callable[[], None], ...] = ()
    assumptions: tuple[tuple[Callable[[], Any], Any], ...] = ()
    relied: Any = None

    def holds(self) -> bool:
        """Check that what the capture relied on is still so: that a layer is training."""
        for function, before in self.assumptions:  # noqa: SIM110 - a generator would take as long as the calls
            if function() != before:
                return False
        return True

    def check(self) -> Program:
        """Verify that each value is made once, before it is read, by a known operation. Returns the program itself."""
        made = {feed.value for feed in self.feeds}
        if len(made) != len(self.feeds):
            raise GraphError(f"program {self.name}: a value is fed twice")
        for equation in self.equations:
            where = f"program {self.name}, value {equation.out} = {equation.op}"
            if equation.op not in TABLE:
                raise GraphError(f"{where}: not a primitive")
            row = TABLE[equation.op]
            if not row.variadic and len(equation.operands) != len(row.vjp):
                raise GraphError(f"{where}: takes {len(row.vjp)} operand(s), got {len(equation.operands)}")
            if missing := [o for o in equation.reads if o not in made]:
                raise GraphError(f"{where}: reads value {missing[0]}, which is not made before it")
            if equation.out in made:
                raise GraphError(f"{where}: made twice")
            made.add(equation.out)
        if missing := [v for v in (*self.outputs, *(w.value for w in self.writes)) if v not in made]:
            raise GraphError(f"program {self.name}: returns value {missing[0]}, which is never made")
        return self


def dtype_of(values: Sequence[Value], operands: Iterable[Operand]) -> str:
    """Return the dtype in which NumPy computes an elementwise operation of these operands.

    Numbers written inline and weak values widen no float, but whole numbers and truth values beside them are float64.

    >>> dtype_of([Value((2,), "bool"), Value((2,), "float32")], (0, 1))
    'float32'
    >>> dtype_of([Value((2,), "bool"), Value((2,), "float32")], (0, 2.0))
    'float64'
    """
    strong, weak = list[str](), list[float]()
    for operand in operands:
        if isinstance(operand, int) and not values[operand].weak:
            strong.append(values[operand].dtype)
        else:
            weak = [1.0]
    return str(np.result_type(*strong, *weak))


def evaluate(program: Program, given: Mapping[int, Any]) -> dict[int, Any]:
    """Compute every value of the program in NumPy, one equation after the other: what a compiled one must equal.

    Args:
        program: what to compute.
        given: the value of each feed.
    """
    known: dict[int, Any] = dict(given)
    with np.errstate(all="ignore"):
        for equation in program.equations:
            known[equation.out] = computed(equation, known)
    return known


def computed(equation: Equation, known: Mapping[int, Any]) -> Any:
    """Return what NumPy computes for one equation."""
    operands = [known[o] if isinstance(o, int) else o for o in equation.operands]
    if TABLE[equation.op].kind != "map":
        operands = [np.asarray(o) for o in operands]
    attrs = dict(equation.attrs)
    if "index" in attrs:
        attrs["index"] = concrete(attrs["index"], known)
    return TABLE[equation.op].forward(*operands, **attrs)


def concrete(index: Any, known: Mapping[int, Any]) -> Any:
    """Return an index with the integer arrays themselves in the places of `Index`."""
    if isinstance(index, tuple):
        return tuple(known[i.value] if isinstance(i, Index) else i for i in index)
    return known[index.value] if isinstance(index, Index) else index
