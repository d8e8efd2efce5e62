"""Print operations that only move entries as loops: padded, windowed, transposed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd.compiler.codegen.loops import Array, Item
from micrograd.program.indices import spelled_out
from micrograd.program.program import Equation, Index

if TYPE_CHECKING:
    from micrograd.compiler.codegen.segment import Segment

__all__ = ["print_move"]

_TARGET = 100
"""Loops of the result are counted from here, those of the operand from 0."""


@dataclass(slots=True)
class _Loops:
    """Nested loops: each over a variable, with variables that follow from it; and what is known before all of them."""

    before: list[str] = field(default_factory=list)
    over: list[tuple[str, int, list[str]]] = field(default_factory=list)

    def run(self, segment: Segment, text: str) -> None:
        """Print them around a line."""
        for line in self.before:
            segment.line(line)
        self._inner(segment, text, 0)

    def _inner(self, segment: Segment, text: str, depth: int) -> None:
        if depth == len(self.over):
            segment.line(text)
            return
        variable, size, follow = self.over[depth]
        with segment.counted(variable, "0", segment.size(size)):
            for line in follow:
                segment.line(line)
            self._inner(segment, text, depth + 1)


def print_move(segment: Segment, equation: Equation) -> None:
    """Print one such operation."""
    if equation.op == "concatenate":
        _joined(segment, equation)
        return
    source, out = int(equation.operands[0]), equation.out
    shape, result = segment.found.shape(source), segment.found.shape(out)
    read = segment.array(Item(*segment.found.behind(source, tuple(range(len(shape))))))
    name = segment.vector(out)
    if equation.op == "reshape":
        loops = _Loops(over=[(f"i{axis}", size, []) for axis, size in enumerate(shape) if size != 1])
        loops.run(segment, f"{_whole(segment, name, range(len(shape)), shape).at()} = {read.at()}")
        return
    write = _whole(segment, name, range(_TARGET, _TARGET + len(result)), result)
    index = equation.attrs["index"]
    if equation.op == "scatter":
        dtype = segment.found.program.values[out].dtype
        zeros = _Loops(over=[("z", int(np.prod(result, dtype=int)), [])])
        zeros.run(segment, f"{name}[z] = {segment.constant(0.0, dtype)}")
    if isinstance(index, Index):
        places = segment.vector(index.value)
        if equation.op == "gather":
            loops = _Loops(over=[(f"i{_TARGET}", result[0], [f"i0 = {places}[i{_TARGET}]"])])
        else:
            loops = _Loops(over=[("i0", shape[0], [f"i{_TARGET} = {places}[i0]"])])
        more = f"{write.at()} + " if equation.op == "scatter" else ""
        if more:  # to -0 anything may be added: -0 stays what it is
            loops.run(segment, f"{write.at()} = {segment.constant(-0.0, segment.found.program.values[out].dtype)}")
        loops.run(segment, f"{write.at()} = {more}{read.at()}")
        return
    whole, part = (0, _TARGET) if equation.op == "gather" else (_TARGET, 0)  # the loops of what is indexed, of the rest
    loops = _stepping(segment, index, shape if equation.op == "gather" else result, whole, part)
    loops.run(segment, f"{write.at()} = {read.at()}")


def _joined(segment: Segment, equation: Equation) -> None:
    """Print loops for each operand, which begin where those before it end."""
    result = segment.found.shape(equation.out)
    along = equation.attrs["axis"] % len(result)
    write = _whole(segment, segment.vector(equation.out), range(_TARGET, _TARGET + len(result)), result)
    place = 0
    for operand in map(int, equation.operands):
        shape = segment.found.shape(operand)
        read = segment.array(Item(*segment.found.behind(operand, tuple(range(len(shape))))))
        index = tuple(slice(place, place + size) if axis == along else slice(None) for axis, size in enumerate(shape))
        _stepping(segment, index, result, _TARGET, 0).run(segment, f"{write.at()} = {read.at()}")
        place += shape[along]


def _whole(segment: Segment, name: str, loops: Iterable[int], shape: Sequence[int]) -> Array:
    kept = [(loop, size) for loop, size in zip(loops, shape, strict=True) if size != 1]
    return segment.made_of(name, [loop for loop, _ in kept], [size for _, size in kept])


def _stepping(segment: Segment, index: Any, shape: Sequence[int], whole: int, part: int) -> _Loops:
    """Make loops over the part of an array of this shape that whole numbers and slices take."""
    loops, axis, place = _Loops(), 0, part
    for item in spelled_out(index, len(shape)):
        if item is None:
            place += 1
            continue
        size = shape[axis]
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            count = len(range(start, stop, step))
        else:
            start, step, count = int(item) % size, 1, 1
        at = segment.size(start)
        if count == 1:
            loops.before.append(f"i{whole + axis} = {at}")
        else:
            along = f"i{place}" if step == 1 else f"i{place} * {segment.size(step)}"
            follow = f"i{whole + axis} = {along}" + (f" + {at}" if start else "")
            loops.over.append((f"i{place}", count, [follow]))
        place += isinstance(item, slice)
        axis += 1
    return loops
