"""Lower a program to what runs: rewritten, grouped, printed, and its memory planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.compiler.codegen.fusion import Grouping, Step, group
from micrograd.compiler.codegen.segment import Memory, Segment
from micrograd.compiler.optimize.algebra import centred, factored, picked
from micrograd.compiler.optimize.rewriter import Notes, rewrite
from micrograd.compiler.runtime.settings import settings
from micrograd.program.indices import positions_fed
from micrograd.program.program import Equation, Program
from micrograd.program.views import is_unit_reshape

__all__ = ["Lowered", "Native", "lower", "optimised"]


REPEATS = 150
"""Programs of more operations than this repeat themselves, over time or over layers: each of their products begins a
function of its own, and those that do the same are compiled once."""


@dataclass(slots=True)
class Native:
    """A printed function: its source, the names and the keys of its arguments, and what it does."""

    name: str
    source: str
    arguments: list[str]
    segment: Segment


@dataclass(slots=True)
class Lowered:
    """A program ready to be compiled.

    Attributes:
        program: after the rewrites.
        found: its grouping.
        steps: native functions, and equations for BLAS or NumPy, in order.
        memory: where values stand.
        made: the values that get an array of their own for each call, because they are returned or written back,
            with the shape they are returned in.
        guards: the values that a rewrite relies on being finite.
        results: for each output (and write) the value in `made` that it is, or None where it has to be copied.
    """

    program: Program
    found: Grouping
    steps: list[Native | Equation]
    memory: Memory
    made: dict[int, tuple[int, ...]]
    results: dict[int, int]
    guards: frozenset[int]


def optimised(program: Program) -> tuple[Program, Notes]:
    """Return the program after every rewrite, and what these rely on."""
    notes = Notes()
    for rule in (picked, centred(), factored()):
        program, notes = rewrite(program, rule, notes=notes)
    left = {*program.outputs, *(w.value for w in program.writes)}
    for shift in [*notes.shifts]:  # the start of one may only change where nothing else reads it
        read = {e.out for e in program.equations if shift.start in e.reads}
        if shift.start in left or not read <= shift.readers:
            notes.shifts.discard(shift)
    return program, notes


def lower(program: Program, layouts: Mapping[int, str], threads: int, *, blas: bool = False) -> Lowered:
    """Print a program.

    Args:
        program: as captured.
        layouts: ``"F"`` for the feeds that are in Fortran order; all others are in C order.
        threads: how many threads may share a pass over memory.
        blas: whether matrix products may be called from inside the printed functions; where threads share passes they
            are not, since a waiting thread would take the core that BLAS wants.
    """
    program, notes = optimised(program)
    program = positions_fed(program)
    fortran = [value for value, order in layouts.items() if order == "F"]
    found = group(program, fortran, {shift.start for shift in notes.shifts})
    fed = {feed.value for feed in program.feeds}
    made: dict[int, tuple[int, ...]] = {}
    results: dict[int, int] = {}
    for value in (*program.outputs, *(w.value for w in program.writes)):
        shape = program.values[value].shape
        base, axes = found.behind(value, tuple(range(len(shape))))
        alike = is_unit_reshape(program.values[base].shape, shape) and [a for a in axes if a >= 0] == [
            a for a, size in enumerate(shape) if size != 1
        ]
        if alike and base in found.stored and base not in fed and base not in found.aliases and base not in made:
            made[base], results[value] = shape, base
    limits = {feed.value: feed.limit for feed in program.feeds if feed.limit is not None}
    memory = Memory({v: f"x{v}" for v in (*fed, *made)}, dict(layouts))
    memory.axes = {v: len(shape) for v, shape in made.items()}
    shared = threads > 1 and any(
        step.kernel is not None
        and step.kernel.stores
        and int(np.prod(step.kernel.sizes, dtype=int)) >= settings().shared_entries
        for step in found.steps
    )
    steps: list[Native | Equation] = []
    pending: list[Step] = []

    def close() -> None:
        if any(step.equation is not None or (step.kernel is not None and step.kernel.stores) for step in pending):
            segment = Segment(f"native{len(steps)}", found, memory, threads)
            segment.parallel_function = shared
            segment.guards = frozenset(notes.guards)
            segment.shifts = frozenset(notes.shifts)
            for step in pending:
                if step.kernel is not None:
                    segment.kernel(step.kernel)
                elif step.equation is not None:
                    (segment.move if step.kind == "move" else segment.product)(step.equation)
            segment.limits(limits)
            steps.append(Native(segment.function, "", [], segment))
        pending.clear()

    apart = len(program.equations) > REPEATS
    for step in found.steps:
        if apart and step.kind == "product":
            close()
        if (
            step.kernel is not None
            or step.kind == "move"
            or (step.kind == "product" and blas and not shared and _plain(found, step))
        ):
            pending.append(step)
        elif step.kind != "alias" and step.equation is not None:
            close()
            steps.append(step.equation)
    close()
    for made_by in steps:
        if isinstance(made_by, Equation) and made_by.out not in memory.own:
            kind = program.values[made_by.out]
            memory.arena.setdefault(("value", made_by.out), (kind.dtype, int(np.prod(kind.shape, dtype=int))))
    for made_by in steps:
        if isinstance(made_by, Native):
            made_by.source, made_by.arguments = made_by.segment.source()
    return Lowered(program, found, steps, memory, made, results, frozenset(notes.guards))


def _plain(found: Grouping, step: Step) -> bool:
    """Return whether both operands of a product are all of a matrix in memory, perhaps transposed."""
    assert step.equation is not None
    for operand in step.equation.operands:
        if not isinstance(operand, int):
            return False
        base, _ = found.behind(operand, (0, 1))
        if int(np.prod(found.shape(base), dtype=int)) != int(np.prod(found.shape(operand), dtype=int)):
            return False
    return True


def memory_of(lowered: Lowered) -> dict[Any, tuple[str, int, int]]:
    """Return for each piece of the workspace its dtype, its place and its length, in entries."""
    ends: dict[str, int] = {}
    places: dict[Any, tuple[str, int, int]] = {}
    for key, (dtype, entries) in lowered.memory.arena.items():
        start = ends.get(dtype, 0)
        places[key] = dtype, start, entries
        ends[dtype] = start + -(-entries // 16) * 16
    return places
