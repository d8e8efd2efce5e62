"""Report what compiling did to a function, in numbers and words: "25 passes over memory became 2"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd.compiler.codegen.lower import Native
from micrograd.primitives import TABLE
from micrograd.program.program import Equation, Program

if TYPE_CHECKING:
    from micrograd.compiler.backends.native import Entry
    from micrograd.compiler.compiled import Compiled

__all__ = ["KernelNote", "Report", "report"]


@dataclass(frozen=True, slots=True)
class KernelNote:
    """One kernel, matrix product, move of entries or step of NumPy's.

    Attributes:
        kind: ``kernel``, ``product`` (BLAS), ``move`` or ``numpy``.
        sizes: of its loops.
        passes: how often it runs over its arrays.
        values: the names of what it computes; ``op`` and a number where the user gave none.
        threads: how many share a pass.
    """

    kind: str
    sizes: tuple[int, ...]
    passes: int
    values: tuple[str, ...]
    threads: int


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one signature of a compiled function.

    Attributes:
        name: of the function.
        signature: dtype and shape of each array that it is given.
        operations: how many the user's graph has; how many are left after the rewrites.
        passes: over the largest arrays, one operation after the other; and fused.
        bytes: read and written by these.
        kernels: what runs, in order.
        source: the printed functions.
        named: the values that the user named.
        seconds: what it took to print and compile them.
        from_disk: whether all machine code came from disk.
        blas: which BLAS multiplies, with the kernel it chose for this processor, as far as it tells.
    """

    name: str
    signature: tuple[str, ...]
    operations: tuple[int, int]
    passes: tuple[int, int]
    bytes: tuple[int, int]
    kernels: tuple[KernelNote, ...]
    source: str
    named: frozenset[str]
    seconds: float
    from_disk: bool
    blas: str

    def __str__(self) -> str:
        passes, moved = self.passes, self.bytes
        lines = [
            f"{self.name}({', '.join(self.signature)})",
            (
                f"  {self.operations[0]} operations became {self.operations[1]}, "
                f"{passes[0]} passes over memory became {passes[1]}, {_size(moved[0])} moved became {_size(moved[1])}"
            ),
            f"  compiled in {self.seconds:.2f} s{' from disk' if self.from_disk else ''}; products by {self.blas}",
        ]
        for number, note in enumerate(self.kernels, 1):
            size = " x ".join(map(str, note.sizes)) or "one number"
            what = {"kernel": f"{note.passes} pass(es)", "product": "BLAS", "move": "moved", "numpy": "NumPy"}[
                note.kind
            ]
            shared = f", {note.threads} threads" if note.threads > 1 else ""
            named = [v for v in note.values if v in self.named]
            others = len(note.values) - len(named)
            more = f" and {others} more" if named and others else f"{others} without a name" if others else ""
            lines.append(f"  {number}. {what} over {size}{shared}: {', '.join(named)}{more}")
        return "\n".join(lines)


def _size(count: int) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024  # type: ignore[assignment]
    return f"{count:.1f} GB"


def report(compiled: Compiled, entry: Entry) -> Report:
    """Return the report of one signature."""
    program, lowered = entry.program, entry.lowered
    notes: list[KernelNote] = []
    moved = after = 0
    largest = max((_bytes(program, v) for e in program.equations for v in (*e.reads, e.out)), default=0)
    for step in lowered.steps:
        alone = [step] if isinstance(step, Equation) else [e for e in step.segment.order if isinstance(e, Equation)]
        for equation in alone:
            sizes = [_bytes(lowered.program, v) for v in (*equation.reads, equation.out)]
            after += any(2 * size >= largest for size in sizes)
            moved += sum(sizes)
        if isinstance(step, Equation):
            notes.append(_step_note(lowered.program, step, "numpy"))
            continue
        for pass_ in step.segment.loops:
            size = sum(_bytes(lowered.program, v) for v in pass_.values)
            moved += size
            after += any(2 * _bytes(lowered.program, v) >= largest for v in pass_.values)
        for item in step.segment.order:
            if isinstance(item, Equation):
                notes.append(_step_note(lowered.program, item, "move"))
                continue
            loops = [p for p in step.segment.loops if p.kernel == item]
            names = tuple(_name(lowered.program, v) for v in step.segment.made[item])
            threads = entry.threads if any(p.shared for p in loops) else 1
            notes.append(KernelNote("kernel", step.segment.spaces[item], max(len(loops), 1), names, threads))
    return Report(
        compiled.__name__,
        tuple(f"{program.values[f.value].dtype}{list(program.values[f.value].shape)}"
              for f in program.feeds if f.kind == "argument"),
        (len(program.equations), len(lowered.program.equations)),
        (_passes(program, largest), after),
        (sum(_bytes(program, v) for e in program.equations for v in (*e.reads, e.out)), moved),
        tuple(notes),
        "\n".join(step.source for step in lowered.steps if isinstance(step, Native)),
        frozenset(value.name for value in lowered.program.values if value.name),
        entry.seconds,
        entry.from_disk,
        _blas(),
    )  # fmt: skip


def _passes(program: Program, largest: int) -> int:
    """Return how many operations run over an array at least half as large as the largest."""
    return sum(
        any(2 * _bytes(program, v) >= largest for v in (*e.reads, e.out)) and e.op not in ("reshape", "broadcast")
        for e in program.equations
    )


def _step_note(program: Program, equation: Equation, other: str) -> KernelNote:
    kind = {"contract": "product", "call": "call"}.get(TABLE[equation.op].kind, other)
    return KernelNote(kind, program.values[equation.out].shape, 1, (_name(program, equation.out),), 1)


def _name(program: Program, value: int) -> str:
    if program.values[value].name:
        return program.values[value].name
    maker = next((e for e in program.equations if e.out == value), None)
    return f"{maker.op if maker else 'value'}{value}"


def _bytes(program: Program, value: int) -> int:
    made = program.values[value]
    return int(np.prod(made.shape, dtype=int)) * np.dtype(made.dtype).itemsize


def _blas() -> str:
    """Return the BLAS of NumPy as it describes itself."""
    config: Any = np.show_config(mode="dicts")
    found = config.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'NumPy')} {found.get('version', '')}".strip()
