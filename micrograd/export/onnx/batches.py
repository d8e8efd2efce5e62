"""Capture a program for batches of any size, at three sizes: what differs becomes a formula of the size.

Whatever is ``a + b * batch`` at three sizes (a length, a bound of a slice) is taken to be so at all, and is tried at
others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from micrograd.errors import GraphError, ShapeError
from micrograd.export.programs import feeds_of, pure
from micrograd.program.program import Equation, Operand, Program, evaluate
from micrograd.pytree import flatten
from micrograd.tracing.open_batch import open_batch

__all__ = ["ONE_SIZE", "Blocks", "Captures", "at_one_size", "at_other_sizes", "at_three_sizes", "blocks_of", "line_of"]

Array = np.ndarray[Any, Any]
ONE_SIZE = "leave batch= out, and the file is for one size"
"""The advice where a function is not the same for every batch."""


@dataclass(frozen=True)
class Captures:
    """Hold one program for each size of the batch; a single one where the size is fixed.

    Attributes:
        sizes: of the batch.
        programs: the same equations in all of them.
        given: the value of each feed, for each size.
        known: every value, for each size.
    """

    sizes: tuple[int, ...]
    programs: tuple[Program, ...]
    given: tuple[Mapping[int, Any], ...]
    known: tuple[Mapping[int, Any], ...]

    def of(self, equation: Equation) -> tuple[Equation, ...]:
        """Return an equation of the first program in all of them."""
        return tuple(by_out[equation.out] for by_out in self._equations)

    @cached_property
    def _equations(self) -> list[dict[int, Equation]]:
        return [{equation.out: equation for equation in program.equations} for program in self.programs]

    def shapes(self, operand: Operand) -> list[tuple[int, ...]]:
        """Return the shape of an operand at each size."""
        return [program.values[operand].shape if isinstance(operand, int) else () for program in self.programs]


def at_one_size(program: Program, args: Sequence[Any]) -> Captures:
    """Return the captures of a program whose sizes are fixed. Raises GraphError for arguments of other shapes."""
    given = {v: x if program.values[v].weak else np.asarray(x) for v, x in feeds_of(program, args, {}).items()}
    for feed in program.feeds:
        if feed.kind == "argument" and np.shape(given[feed.value]) != program.values[feed.value].shape:
            raise GraphError(f"{program.values[feed.value].name} has shape {np.shape(given[feed.value])}; "
                             f"the graph was made for {program.values[feed.value].shape}.")  # fmt: skip
    return Captures((0,), (program,), (given,), (evaluate(program, given),))


def at_three_sizes(f: Callable[..., Any], args: Sequence[Any]) -> Captures:
    """Return the captures of a function for a batch as long as its first array, and for two other sizes.

    Raises:
        ShapeError: no argument has an axis. GraphError: the function computes other operations for another size.
    """
    leaves, rebuild = flatten(tuple(args))
    size = next((leaf.shape[0] for leaf in leaves if getattr(leaf, "ndim", 0)), None)
    if not size:
        raise ShapeError("batch= leaves the first axis of the arguments open; got no array with entries along it.")
    sizes = (size, size + 1, 2 * size + 3)
    found = []
    unlike = _unlike_any(leaves)
    for length in (*sizes, unlike):
        longer = rebuild(_resized(leaves, size, length))
        try:
            with open_batch(length if length == unlike else 0):
                program = pure(f, longer, {})
            if length != unlike:
                found.append(at_one_size(program, longer))
        except GraphError as error:
            if length == unlike and "which a file for any batch cannot" in str(error):
                raise
            if length == size:
                raise
            raise _other_size(f, size, length, error) from error
        except Exception as error:
            if length == size:
                raise
            raise _other_size(f, size, length, error) from error
    programs = tuple(capture.programs[0] for capture in found)
    for length, other in zip(sizes[1:], programs[1:], strict=True):
        if (where := _apart(programs[0], other)) is not None:
            raise GraphError(
                f"{programs[0].name} computes something else for a batch of {length} than for one of {size}{where}; "
                f"{ONE_SIZE}."
            )
    given, known = tuple(capture.given[0] for capture in found), tuple(capture.known[0] for capture in found)
    return Captures(sizes, programs, given, known)


def at_other_sizes(f: Callable[..., Any], args: Sequence[Any], captures: Captures) -> Iterator[tuple[int, Captures]]:
    """Yield the captures of a function for batches much shorter and much longer, to try the file on.

    A choice by the length can hide from `open_batch` (``int(len(x)) > 40``), and so can one of an index (``x[:40]``).
    Shorter batches that the function refuses are left out; so are longer ones whose arrays would be large.

    Raises:
        GraphError: the function does not run for a longer batch.
    """
    leaves, rebuild = flatten(tuple(args))
    size = captures.sizes[0]
    for length in (1, 2, _unlike_any(leaves), *_LONG):
        if length in captures.sizes or _bytes(captures, length) > _MEMORY:
            continue
        longer = rebuild(_resized(leaves, size, length))
        try:
            found = at_one_size(pure(f, longer, {}), longer)
        except Exception as error:
            if length < size:
                continue
            raise _other_size(f, size, length, error) from error
        yield length, found


_LONG = (1021, 8191)
_MEMORY = 1 << 25


def _bytes(captures: Captures, length: int) -> int:
    """Estimate how many bytes all values take for a batch of that length."""
    total = 0
    for value in range(len(captures.programs[0].values)):
        axes = [line_of(axis, captures.sizes) or (0, length) for axis in zip(*captures.shapes(value), strict=True)]
        total += 8 * math.prod(abs(start + step * length) for start, step in axes)
    return total


def _resized(leaves: Sequence[Any], size: int, length: int) -> list[Any]:
    """Return the arguments with batches of another length: their examples, again and again."""
    return [np.resize(x, (length, *x.shape[1:])) if np.shape(x)[:1] == (size,) else x for x in leaves]


def _other_size(f: Any, size: int, length: int, error: Exception) -> GraphError:
    name = getattr(f, "__name__", type(f).__name__)
    return GraphError(f"{name} runs for a batch of {size} and not for one of {length} ({error}); {ONE_SIZE}.")


def _unlike_any(leaves: Sequence[Any]) -> int:
    """Return a prime that no axis of the arguments, nor a sum or a product of two, is likely to have as its length."""
    least = 4 * max([25, *(size for leaf in leaves for size in np.shape(leaf))])
    return next(n for n in range(least + 1, 2 * least) if all(n % d for d in range(2, int(n**0.5) + 1)))


def _apart(one: Program, other: Program) -> str | None:
    """Say where two programs differ in more than lengths, indices and numbers; None where they do not."""
    for a, b in zip(one.equations, other.equations, strict=False):
        same = {key: value for key, value in a.attrs.items() if key not in ("index", "shape")}
        if (
            (a.op, a.out, len(a.operands)) != (b.op, b.out, len(b.operands))
            or any(x != y for x, y in zip(a.operands, b.operands, strict=True) if isinstance(x, int))
            or any(b.attrs.get(key) != value for key, value in same.items())
        ):
            return f", from {a.op} at line {a.line} on" if a.line else f", from {a.op} on"
    lengths = (len(one.equations), len(one.feeds), one.outputs) != (
        len(other.equations),
        len(other.feeds),
        other.outputs,
    )
    return "" if lengths else None


def line_of(values: Sequence[int], sizes: Sequence[int]) -> tuple[int, int] | None:
    """Return a and b of ``a + b * size``; None where the values lie on no such line.

    >>> line_of([12, 16, 44], [3, 4, 11]), line_of([9, 16, 121], [3, 4, 11])
    ((0, 4), None)
    """
    step = 0 if len(sizes) == 1 else (values[1] - values[0]) // (sizes[1] - sizes[0])
    start = values[0] - step * sizes[0]
    return (start, step) if all(start + step * m == v for v, m in zip(values, sizes, strict=True)) else None


@dataclass(frozen=True)
class Blocks:
    """Hold positions in a flat array that are alike for every example of the batch.

    Attributes:
        base: shape (a, b), the positions within one example; the axis of the batch is between the two.
        length: how many entries an example has.
    """

    base: Array
    length: int


def blocks_of(positions: Sequence[Array], sizes: Sequence[int], totals: Sequence[int]) -> Blocks | None:
    """Return the blocks that flat positions at each size are made of; None where they are not alike.

    >>> blocks_of([np.array([1, 4, 0, 3]), np.array([1, 4, 7, 0, 3, 6])], [2, 3], [6, 9])
    Blocks(base=array([[1],
           [0]]), length=3)
    """
    first, size = positions[0], sizes[0]
    count, length = len(first) // size, totals[0] // size
    for a in (a for a in range(1, count + 1) if count % a == 0):
        base = first.reshape(a, size, count // a)[:, 0, :] if count * size == len(first) else first[:, None]
        if (
            base.size
            and 0 <= base.min() <= base.max() < length
            and all(
                total == length * m
                and len(flat) == count * m
                and np.array_equal(flat.reshape(a, m, -1), base[:, None, :] + length * np.arange(m)[:, None])
                for flat, m, total in zip(positions, sizes, totals, strict=True)
            )
        ):
            return Blocks(base, length)
    return None
