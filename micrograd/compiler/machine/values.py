"""Write LLVM's instructions for typed numbers, one at a time or as many as a vector has lanes.

A kind is a dtype in short: ``f32``, ``f64``, ``i1`` for a truth value, ``i8`` to ``i64``, ``u8`` to ``u64``; ``*f32``
is memory that holds them. Both operands of an operation are brought to one kind as NumPy would, where the printed
functions need it; anything else is an `UnprintedError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["SHORT", "UnprintedError", "Value", "Writer", "literal"]

SHORT = {
    "float32": "f32", "float64": "f64", "bool": "i1", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
}  # fmt: skip
"""The kind of each dtype that printed functions compute with."""

_FLOATS = {"f32": "float", "f64": "double"}
_ARITHMETIC = {"+": ("fadd", "add"), "-": ("fsub", "sub"), "*": ("fmul", "mul"), "/": ("fdiv", ""), "&": ("", "and"),
               "|": ("", "or"), "^": ("", "xor"), "%": ("", "srem"), "<<": ("", "shl"), ">>": ("", "lshr")}  # fmt: skip
_COMPARE = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}


class UnprintedError(NotImplementedError):
    """What the printed functions never say, so that no instruction is known for it."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number, or one for each lane of a vector.

    Attributes:
        kind: its dtype in short.
        text: LLVM's name of it, or the constant.
        lanes: how many numbers it is; an index of a vector loop is that of the first lane.
        step: for an index of a vector loop how far the next lane's is; empty where all lanes have the same.
        number: what it is where it is a literal, which takes the kind of what it meets.
    """

    kind: str
    text: str
    lanes: int = 1
    step: str = ""
    number: Any = None

    @property
    def fixed(self) -> bool:
        """Return whether it is the same in all lanes and turns of a loop."""
        return self.lanes == 1 and not self.step

    @property
    def real(self) -> bool:
        """Return whether it is a float."""
        return self.kind in _FLOATS

    @property
    def type(self) -> str:
        """Return LLVM's type of it."""
        return type_of(self.kind, self.lanes)


def type_of(kind: str, lanes: int = 1) -> str:
    """Return LLVM's type of a kind."""
    base = "ptr" if kind.startswith("*") else _FLOATS.get(kind) or f"i{kind[1:]}"
    return base if lanes == 1 else f"<{lanes} x {base}>"


def bytes_of(kind: str) -> int:
    """Return how many bytes an entry in memory takes."""
    return max(int(kind[1:]) // 8, 1)


def constant(kind: str, number: float) -> str:
    """Return LLVM's text of a constant."""
    if kind not in _FLOATS:
        return str(int(number))
    if kind == "f32":
        number = float(np.float32(number))
    return f"0x{struct.unpack('>Q', struct.pack('>d', number))[0]:016X}"


def literal(number: float) -> Value:
    """Return a number that stands in the text."""
    kind = "i64" if isinstance(number, int) else "f64"
    return Value(kind, constant(kind, number), number=number)


class Writer:
    """Write instructions in order; what is the same in every turn of a vector loop goes before the loop.

    Attributes:
        lines: where instructions go now.
        before: where those go whose operands are the same in every turn; `lines` itself outside of vector loops.
        turning: whether what is written is a turn of a vector loop.
        mask: the lanes that count in the last turn of a vector loop, empty where all do.
        declared: functions that the module calls, by their declarations.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.before = self.lines
        self.mask = ""
        self.turning = False
        self.declared: dict[str, None] = {}
        self.slots: list[str] = []
        self._count = 0
        self._made: dict[str, str] = {}

    # ---- writing -----------------------------------------------------------------------------------------

    def name(self, prefix: str = "v") -> str:
        """Return a fresh name."""
        self._count += 1
        return f"%{prefix}{self._count}"

    def line(self, text: str, fixed: bool = False) -> None:
        """Write an instruction."""
        (self.before if fixed and self.turning else self.lines).append("  " + text)

    def made(self, kind: str, lanes: int, text: str, fixed: bool) -> Value:
        """Write an instruction that has a result; before a vector loop the same one is written once."""
        if fixed and self.turning:
            if (known := self._made.get(text)) is None:
                known = self._made[text] = self.name()
                self.line(f"{known} = {text}", fixed=True)
            return Value(kind, known, lanes)
        result = self.name()
        self.line(f"{result} = {text}")
        return Value(kind, result, lanes)

    def opaque(self, value: Value) -> Value:
        """Return the same integer, by no instruction, as one of which LLVM knows nothing.

        What counts a loop is one: LLVM then leaves addresses as they are written. Trying others is more than half of
        the time that it takes, and what it finds is no faster.
        """
        return self.made(value.kind, 1, f'call {value.type} asm "", "=r,0"({value.type} {value.text})', False)

    @contextmanager
    def hoisting(self) -> Iterator[None]:
        """Write a loop; of its vector code what is the same in every turn goes before it."""
        lines, before, made = self.lines, self.before, self._made
        self.before, self.lines, self._made = lines, [], {}
        yield
        lines += self.lines
        self.lines, self.before, self._made = lines, before, made

    def slot(self, type_: str) -> str:
        """Return the name of memory for a variable, which LLVM turns into a register."""
        name = self.name("s")
        self.slots.append(f"  {name} = alloca {type_}")
        return name

    def call(self, function: str, kind: str, operands: Sequence[Value], flags: str = "") -> Value:
        """Call a function that returns a number."""
        result = "void" if kind == "void" else type_of(kind, max(o.lanes for o in operands) if operands else 1)
        self.declared[f"declare {result} @{function}({', '.join(o.type for o in operands)})"] = None
        text = f"call {flags}{result} @{function}({', '.join(f'{o.type} {o.text}' for o in operands)})"
        if kind == "void":
            self.line(text)
            return Value(kind, "")
        lanes = max([o.lanes for o in operands], default=1)
        return self.made(kind, lanes, text, all(o.fixed for o in operands) and function.startswith("llvm."))

    # ---- kinds and lanes ---------------------------------------------------------------------------------

    def cast(self, value: Value, kind: str) -> Value:
        """Return a value in another kind, as NumPy casts."""
        old = value.kind
        if old == kind:
            return value
        if value.step:
            raise UnprintedError("an index of a vector loop as a number")
        if value.number is not None:
            return Value(kind, constant(kind, value.number), number=value.number)
        if kind == "i1":
            return self.compare("!=", value, literal(0))
        if value.real and kind in _FLOATS:
            way = "fpext" if kind == "f64" else "fptrunc"
        elif value.real:
            way = "fptoui" if kind[0] == "u" else "fptosi"
        elif kind in _FLOATS:
            way = "uitofp" if old == "i1" or old[0] == "u" else "sitofp"
        elif int(kind[1:]) == int(old[1:]):
            return replace(value, kind=kind)
        elif int(kind[1:]) < int(old[1:]):
            way = "trunc"
        else:
            way = "zext" if old == "i1" or old[0] == "u" else "sext"
        return self.made(
            kind, value.lanes, f"{way} {value.type} {value.text} to {type_of(kind, value.lanes)}", value.fixed
        )

    def spread(self, value: Value, lanes: int) -> Value:
        """Return a number as a vector of it."""
        if value.lanes == lanes:
            return value
        if value.step:
            raise UnprintedError("an index of a vector loop as a number")
        type_ = type_of(value.kind, lanes)
        if value.number is not None:
            return Value(value.kind, f"splat ({type_of(value.kind)} {constant(value.kind, value.number)})", lanes)
        one = self.made(value.kind, lanes, f"insertelement {type_} poison, {value.type} {value.text}, i64 0", True)
        text = f"shufflevector {type_} {one.text}, {type_} poison, <{lanes} x i32> zeroinitializer"
        return self.made(value.kind, lanes, text, True)

    def alike(self, *values: Value) -> list[Value]:
        """Return values in one kind and of as many lanes."""
        kinds = {v.kind for v in values if v.number is None} or {v.kind for v in values}
        if len(kinds) > 1 and "i1" in kinds:
            kinds.discard("i1")
        if len(kinds) > 1:
            floats = kinds & set(_FLOATS)
            if floats and floats != kinds:
                raise UnprintedError(f"an operation between {' and '.join(sorted(kinds))}")
            kinds = {"f64"} if floats else {"u64"} if "u64" in kinds else {"i64"}  # labels beside sizes, not negative
        (kind,) = kinds
        lanes = max(v.lanes for v in values)
        return [self.spread(self.cast(v, kind), lanes) for v in values]

    # ---- arithmetic --------------------------------------------------------------------------------------

    def binary(self, sign: str, a: Value, b: Value, flags: str = "") -> Value:
        """Return the sum, difference, product, quotient or logical combination of two numbers."""
        if a.step or b.step:
            return self._index(sign, a, b)
        a, b = self.alike(a, b)
        name = _ARITHMETIC[sign][0 if a.real else 1]
        if not name:
            raise UnprintedError(f"{sign} between {a.kind}")
        if name == "fmul" and a.lanes > 1:  # rounded together with the sum, where that permits it too
            flags += "contract "
        return self.made(a.kind, a.lanes, f"{name} {flags}{a.type} {a.text}, {b.text}", a.fixed and b.fixed)

    def _index(self, sign: str, a: Value, b: Value) -> Value:
        """Return the sum or product of indices of a vector loop."""
        moved, by = (a, b) if a.step else (b, a)
        if by.step or sign not in "+*" or by.kind != "i64":
            raise UnprintedError(f"{sign} of an index of a vector loop")
        result = self.made("i64", 1, f"{_ARITHMETIC[sign][1]} i64 {a.text}, {b.text}", False)
        step = moved.step
        if sign == "*":
            step = by.text if step == "1" else self.binary("*", Value("i64", step), by).text
        return replace(result, step=step)

    def negative(self, value: Value) -> Value:
        """Return ``-value``."""
        if value.number is not None:
            return literal(-value.number)
        if not value.real:
            return self.binary("-", Value(value.kind, "0", number=0), value)
        return self.made(value.kind, value.lanes, f"fneg {value.type} {value.text}", value.fixed)

    def compare(self, sign: str, a: Value, b: Value) -> Value:
        """Return the truth value of a comparison."""
        a, b = self.alike(a, b)
        name = _COMPARE[sign]
        if a.real:
            text = f"fcmp {'u' if sign == '!=' else 'o'}{name}"
        elif name in ("eq", "ne"):
            text = f"icmp {name}"
        else:
            text = f"icmp {'u' if a.kind[0] == 'u' or a.kind == 'i1' else 's'}{name}"
        return self.made("i1", a.lanes, f"{text} {a.type} {a.text}, {b.text}", a.fixed and b.fixed)

    def denied(self, value: Value) -> Value:
        """Return the opposite of a truth value."""
        value = self.cast(value, "i1")
        one = "true" if value.lanes == 1 else "splat (i1 true)"
        return self.made("i1", value.lanes, f"xor {value.type} {value.text}, {one}", value.fixed)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """Return `a` where the condition holds, else `b`."""
        a, b = self.alike(a, b)
        condition = self.cast(condition, "i1")
        lanes = max(a.lanes, condition.lanes)
        a, b = self.spread(a, lanes), self.spread(b, lanes)
        text = f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}"
        return self.made(a.kind, lanes, text, a.fixed and b.fixed and condition.fixed)

    def intrinsic(self, name: str, *values: Value, flags: str = "") -> Value:
        """Return what LLVM's own function of floats returns."""
        values = tuple(self.alike(*values))
        return self.call(f"llvm.{name}.{_suffix(values[0])}", values[0].kind, values, flags)

    def bits(self, value: Value, kind: str) -> Value:
        """Return the same bits as another kind."""
        if value.number is not None:
            value = replace(value, number=None)
        return self.made(
            kind, value.lanes, f"bitcast {value.type} {value.text} to {type_of(kind, value.lanes)}", value.fixed
        )

    def folded(self, name: str, value: Value) -> Value:
        """Return the sum, the largest or the disjunction of all lanes of a vector."""
        suffix = f"v{value.lanes}{'f' if value.real else 'i'}{value.kind[1:]}"
        scalar = type_of(value.kind)
        first = f"{scalar} {constant(value.kind, -0.0)}, " if name == "fadd" else ""
        first_type = f"{scalar}, " if first else ""
        self.declared[f"declare {scalar} @llvm.vector.reduce.{name}.{suffix}({first_type}{value.type})"] = None
        flags = "reassoc nsz " if name == "fadd" else ""
        return self.made(
            value.kind,
            1,
            f"call {flags}{scalar} @llvm.vector.reduce.{name}.{suffix}({first}{value.type} {value.text})",
            False,
        )

    # ---- memory ------------------------------------------------------------------------------------------

    def place(self, memory: Value, index: Value) -> Value:
        """Return the memory from an entry on; from one for each lane, where the index has lanes."""
        kind, fixed = memory.kind[1:], memory.fixed and index.fixed
        index = replace(self.cast(replace(index, step=""), "i64"), step=index.step)
        many = "i64" if index.lanes == 1 else f"<{index.lanes} x i64>"
        text = f"getelementptr inbounds {type_of(kind)}, ptr {memory.text}, {many} {index.text}"
        return self.made(memory.kind, index.lanes, text, fixed)

    def kept(self, memory: Value) -> Value:
        """Return a place in memory as one register: LLVM does not look at how it was computed."""
        return self.made(memory.kind, memory.lanes, f"freeze ptr {memory.text}", memory.fixed)

    def load(self, memory: Value, index: Value, lanes: int = 1) -> Value:
        """Read an entry; along a vector loop the entries of all lanes."""
        kind, at = memory.kind[1:], self.place(memory, index)
        align, suffix = bytes_of(kind), f"v{lanes}{'f' if kind in _FLOATS else 'i'}{kind[1:]}"
        if index.fixed:
            return self.made(kind, 1, f"load {type_of(kind)}, ptr {at.text}, align {align}", fixed=True)
        type_, flags = type_of(kind, lanes), f"<{lanes} x i1>"
        if index.step == "1" and not self.mask:
            return self.made(kind, lanes, f"load {type_}, ptr {at.text}, align {align}", fixed=False)
        if index.step == "1":
            name, pointers = f"llvm.masked.load.{suffix}.p0", "ptr"
        else:
            name, pointers = f"llvm.masked.gather.{suffix}.v{lanes}p0", f"<{lanes} x ptr>"
            at = at if index.lanes > 1 else self._in_steps(at, index.step, lanes)
        self.declared[f"declare {type_} @{name}({pointers}, i32, {flags}, {type_})"] = None
        operands = (
            f"{pointers} {at.text}, i32 {align}, {flags} {self.mask or 'splat (i1 true)'}, {type_} zeroinitializer"
        )
        return self.made(kind, lanes, f"call {type_} @{name}({operands})", fixed=False)

    def _in_steps(self, at: Value, step: str, lanes: int) -> Value:
        """Return memory for each lane, so far apart."""
        numbers = f"<{', '.join(f'i64 {n}' for n in range(lanes))}>"
        far = self.binary("*", Value("i64", step), Value("i64", numbers, lanes))
        text = f"getelementptr inbounds {type_of(at.kind[1:])}, ptr {at.text}, {far.type} {far.text}"
        return self.made(at.kind, lanes, text, fixed=False)

    def store(self, memory: Value, index: Value, value: Value, lanes: int = 1) -> None:
        """Write an entry; along a vector loop the entries of all lanes."""
        kind, at = memory.kind[1:], self.place(memory, index)
        value, align = self.cast(value, kind), bytes_of(kind)
        if index.fixed:
            self.line(f"store {value.type} {value.text}, ptr {at.text}, align {align}")
            return
        if index.step != "1":
            raise UnprintedError("a vector stored in steps")
        value = self.spread(value, lanes)
        if not self.mask:
            self.line(f"store {value.type} {value.text}, ptr {at.text}, align {align}")
            return
        suffix = f"v{lanes}{'f' if value.real else 'i'}{kind[1:]}"
        self.declared[f"declare void @llvm.masked.store.{suffix}.p0({value.type}, ptr, i32, <{lanes} x i1>)"] = None
        self.line(f"call void @llvm.masked.store.{suffix}.p0({value.type} {value.text}, ptr {at.text}, i32 {align}, "
                  f"<{lanes} x i1> {self.mask})")  # fmt: skip


def _suffix(value: Value) -> str:
    one = f"{'f' if value.real else 'i'}{value.kind[1:]}"
    return one if value.lanes == 1 else f"v{value.lanes}{one}"
