"""Programs whose equations all compute one row of the table: on every dtype, on numbers, on every kind of axis."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from micrograd.primitives import TABLE
from micrograd.program.program import Equation, Feed, Operand, Program, Value
from micrograd.testing import cases_of

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5)
SHAPES = ((2, 3), (1, 3), (2, 1), (1, 1), ())
ATTRS: dict[str, tuple[dict[str, Any], ...]] = {
    "cast": tuple({"dtype": dtype} for dtype in DTYPES),
    "pow": tuple({"exponent": exponent} for exponent in (0, 1, 2, 3, -1, 0.5, 2.0)),
}


def sample(dtype: str, shape: tuple[int, ...] = (6,)) -> Any:
    """Entries of a dtype; of whole numbers the smallest, the largest, and those that are alike as float64."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        entries = np.array([False, True, True, False, True, True])
    elif kind == "f":
        entries = np.array([0.0, 1.0, -2.5, 3.0, -1.0, 0.5])
    else:
        rounded = 2**53 + (kind == "i") if np.dtype(dtype).itemsize == 8 else 3
        entries = np.array([0, 1, np.iinfo(dtype).min, np.iinfo(dtype).max, rounded, 100], dtype)
    return np.resize(entries, shape).astype(dtype)


def elementwise(
    row: str, dtypes: Iterable[str] = DTYPES, numbers: Iterable[float] = NUMBERS
) -> tuple[Program, dict[int, Any]]:
    """A row of kind map on all combinations of arrays of these dtypes, numbers, and a number that each call is given.

    What NumPy refuses is left out, and so are casts of floats to whole numbers, which may not fit.
    """
    build = _Build(row)
    arrays: list[Operand] = [build.feed(sample(dtype)) for dtype in dtypes]
    given = build.feed(2.5)
    choosers = [at for at in arrays if build.values[int(at)].dtype in ("bool", "int8", "float64")]
    slots = [[*arrays, given, *numbers] for _ in TABLE[row].domain]
    if row == "where":
        slots[0] = [*choosers, 1.0]
    for operands, attrs in itertools.product(itertools.product(*slots), ATTRS.get(row, ({},))):
        if row == "cast" and "int" in attrs["dtype"] and build.is_float(operands[0]):
            continue
        if any(isinstance(operand, int) for operand in operands):
            build.put(operands, attrs)
    return build.program()


def folded(row: str) -> tuple[Program, dict[int, Any]]:
    """A reduction of all dtypes and shapes over all axes, with and without its unit axes."""
    build = _Build(row)
    for dtype, shape in itertools.product(DTYPES, SHAPES):
        x = build.feed(sample(dtype, shape))
        axes = [None, *range(len(shape)), *([(0, 1)] if len(shape) == 2 else [])]
        for axis, keepdims in itertools.product(axes, (False, True)):
            build.put((x,), {"axis": axis, "keepdims": keepdims})
    return build.program()


def scanned(row: str) -> tuple[Program, dict[int, Any]]:
    """A scan of all dtypes along each axis, from both ends."""
    build = _Build(row)
    for dtype, axis, reverse in itertools.product(DTYPES, (0, 1), ({}, {"reverse": True})):
        operands = [build.feed(sample(dtype, (2, 3))) for _ in TABLE[row].domain]
        build.put(tuple(operands), {"axis": axis, **reverse})
    return build.program()


def moved(row: str) -> tuple[Program, dict[int, Any]]:
    """A row that moves entries, or the matrix product, on all dtypes."""
    build = _Build(row)
    rows, columns = np.arange(2), np.array([2, 0])
    ways: dict[str, list[dict[str, Any]]] = {
        "reshape": [{"shape": (3, 2)}, {"shape": (2, 1, 3)}, {"shape": (2, 3)}],
        "transpose": [{"axes": (1, 0)}, {"axes": (0, 1)}],
        "broadcast": [{"shape": (2, 2, 3)}, {"shape": (2, 3)}],
        "gather": [{"index": index} for index in ((slice(0, 1), slice(None)), (rows, columns), (slice(None), 1))],
        "concatenate": [{"axis": 0}, {"axis": 1}],
        "matmul": [{}],
    }
    for dtype in DTYPES:
        if row == "scatter":
            build.put((build.feed(sample(dtype, (2,))),), {"index": (rows, columns), "shape": (2, 3)})
            continue
        x = build.feed(sample(dtype, (2, 3)))
        operands: list[tuple[Operand, ...]] = [(x,)]
        if row == "concatenate":
            operands = [(x, x), (x, build.feed(sample("float32", (2, 3))))]
        elif row == "matmul":
            operands = [(x, build.feed(sample(other, (3, 2)))) for other in (dtype, "float32")]
        for given, attrs in itertools.product(operands, ways[row]):
            build.put(given, attrs)
    return build.program()


class _Build:
    def __init__(self, row: str) -> None:
        self.row = row
        self.values: list[Value] = []
        self.feeds: list[Feed] = []
        self.equations: list[Equation] = []
        self.known: dict[int, Any] = {}

    def feed(self, given: Any) -> int:
        at = self._value(given)
        self.feeds.append(Feed(at, "argument", len(self.feeds)))
        return at

    def _value(self, raw: Any) -> int:
        weak = type(raw) is float
        self.values.append(Value(np.shape(raw), "float64" if weak else raw.dtype.name, weak=weak))
        self.known[len(self.values) - 1] = raw
        return len(self.values) - 1

    def is_float(self, operand: Operand) -> bool:
        return not isinstance(operand, int) or self.values[operand].dtype.startswith("float")

    def put(self, operands: tuple[Operand, ...], attrs: dict[str, Any]) -> None:
        given = [self.known[o] if isinstance(o, int) else o for o in operands]
        if TABLE[self.row].kind != "map":
            given = [np.asarray(o) for o in given]
        with np.errstate(all="ignore"):
            try:
                made = TABLE[self.row].forward(*given, **attrs)
            except (TypeError, ValueError, OverflowError):
                return
        self.equations.append(
            Equation(self.row, operands, self._value(made if type(made) is float else np.asarray(made)), attrs)
        )

    def program(self) -> tuple[Program, dict[int, Any]]:
        outputs = tuple(equation.out for equation in self.equations)
        program = Program(self.row, tuple(self.values), tuple(self.feeds), tuple(self.equations), outputs, tuple)
        return program.check(), {feed.value: self.known[feed.value] for feed in self.feeds}


def called(row: str) -> tuple[Program, dict[int, Any]]:
    """A call of LAPACK on the matrices that its row is tested with, in both dtypes that it knows."""
    build = _Build(row)
    for dtype in ("float64", "float32"):
        for case in cases_of(TABLE[row]):
            build.put([build.feed(np.asarray(x, dtype)) for x in case.operands], case.attrs)
    return build.program()


def programs() -> list[tuple[str, Any]]:
    """For every row of the table what makes its program."""
    kinds = {"map": elementwise, "reduce": folded, "contract": moved, "scan": scanned, "move": moved, "call": called}
    return [(name, kinds[row.kind]) for name, row in TABLE.items()]
