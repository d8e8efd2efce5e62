"""Find the loops over rows whose turns may go side by side, each row through the same sweeps.

A norm of a row is a chain of sums, roots and quotients, each of which waits for the one before; four rows have four
chains that do not wait for each other, and what the rows share is read and written once.

Rows may go side by side where no row reads what another one writes: what a row writes is its own row of memory, or an
entry that all rows add to in one statement, and what it computes on the way stands in variables that it sets first.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from micrograd.compiler.machine.sweeps import Counted, counted, key_of, names_in, sweep_of

__all__ = ["ROWS", "own_variables", "row_and_column"]

ROWS = 4
"""So many rows are taken side by side: what they share is read and written once."""


@dataclass(slots=True)
class _Seen:
    """What a turn of a loop does to one variable or one piece of memory.

    Attributes:
        sets: where it is set, whatever it was: the loops and conditions around, from outside in.
        carried: whether what an earlier turn has left may be read.
        places: the texts of the entries that are read or written, with the loops around them.
        writers: the statements that write it.
        readers: the statements that read it.
        bits: whether all that is done to it is to set bits, in whatever order.
    """

    sets: list[tuple[int, ...]] = field(default_factory=list)
    carried: bool = False
    places: dict[str, tuple[ast.expr, tuple[Counted, ...]]] = field(default_factory=dict)
    writers: set[int] = field(default_factory=set)
    readers: set[int] = field(default_factory=set)
    bits: bool = True

    def reads(self, scope: tuple[int, ...]) -> None:
        """Note that it is read: it was set before in this turn, or an earlier one has set it."""
        self.carried |= all(scope[: len(before)] != before for before in self.sets)


class _RefusedError(Exception):
    pass


def own_variables(outer: Counted, read: dict[str, int]) -> frozenset[str] | None:
    """Return the variables of which each row needs one of its own; None where rows have to follow each other.

    Args:
        outer: a loop over rows.
        read: how often each name is read in the whole function.
    """
    if outer.by != 1:
        return None
    look = _Look(outer, read)
    try:
        look.block(outer.body, (), ())
    except _RefusedError:
        return None
    return look.own() if look.sweeps else None


class _Look:
    """Look through the body of a loop over rows."""

    def __init__(self, outer: Counted, read: dict[str, int]) -> None:
        self.outer, self.read = outer, read
        self.sweeps = 0
        self.variables: dict[str, _Seen] = {}
        self.memory: dict[str, _Seen] = {}
        self.values: dict[str, list[ast.expr]] = {}
        self.conditions: list[tuple[ast.expr, list[str]]] = []
        self.loops: list[tuple[Counted, bool]] = []  # and whether each is inside of a condition
        self.statements = 0

    # ---- what is there -----------------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt], scope: tuple[int, ...], loops: tuple[Counted, ...]) -> None:
        at = 0
        while at < len(statements):
            loop = counted(statements, at)
            self.statements += 1
            if loop is None:
                self._statement(statements[at], scope, loops)
                at += 1
                continue
            self._expression(loop.start, scope, loops)
            self._expression(loop.end, scope, loops)
            chosen = any(n < 0 for n in scope)
            self.loops.append((loop, chosen))
            if not chosen and sweep_of(loop, self.read) is not None:
                self.sweeps += 1
            elif loop.by == 1 and not chosen:  # the rows of an inner loop go side by side instead
                raise _RefusedError
            self.block(loop.body, (*scope, self.statements), (*loops, loop))
            at += 1 if isinstance(statements[at], ast.For) else 2

    def _statement(self, node: ast.stmt, scope: tuple[int, ...], loops: tuple[Counted, ...]) -> None:
        if isinstance(node, ast.If) and not node.orelse:
            self._expression(node.test, scope, loops)
            before = {name: len(seen) for name, seen in self.values.items()}
            self.block(node.body, (*scope, -self.statements), loops)
            set_here = [name for name, values in self.values.items() if len(values) > before.get(name, 0)]
            self.conditions.append((node.test, set_here))
            return
        if not isinstance(node, ast.Assign | ast.AugAssign):
            raise _RefusedError
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        self._expression(node.value, scope, loops)
        if isinstance(target, ast.Name):
            seen = self.variables.setdefault(target.id, _Seen())
            if isinstance(node, ast.AugAssign):
                seen.reads(scope)
            seen.sets.append(scope)
            seen.writers.add(self.statements)
            seen.bits &= isinstance(node, ast.AugAssign) and isinstance(node.op, ast.BitOr)
            self.values.setdefault(target.id, []).append(node.value)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            self._expression(target.slice, scope, loops)
            self._entry(target, loops).writers.add(self.statements)
            if isinstance(node, ast.AugAssign):
                self._entry(target, loops).readers.add(self.statements)
        else:
            raise _RefusedError

    def _expression(self, node: ast.expr, scope: tuple[int, ...], loops: tuple[Counted, ...]) -> None:
        for part in ast.walk(node):
            if isinstance(part, ast.Subscript):
                self._entry(part, loops).readers.add(self.statements)
        for name in names_in(node):
            seen = self.variables.setdefault(name, _Seen())
            seen.reads(scope)
            seen.readers.add(self.statements)

    def _entry(self, node: ast.Subscript, loops: tuple[Counted, ...]) -> _Seen:
        if not isinstance(node.value, ast.Name):
            raise _RefusedError
        seen = self.memory.setdefault(node.value.id, _Seen())
        seen.places[key_of(node.slice)] = node.slice, loops
        return seen

    # ---- what follows --------------------------------------------------------------------------------------

    def own(self) -> frozenset[str] | None:
        """Return the variables that differ from row to row; None where a row needs another one."""
        found = {self.outer.index}
        while more := {name for name in self.values if name not in found and self._differs(name, found)}:
            found |= more
        for name in self.values:
            seen = self.variables[name]
            if seen.carried:  # all rows add to it, in one statement that alone reads it, or set bits of it
                if (len(seen.writers) > 1 and not seen.bits) or not seen.readers <= seen.writers:
                    return None
                found.discard(name)
        for seen in self.memory.values():
            if seen.writers and not self._added(seen, found) and not self._apart(seen):
                return None
        shared = [node for loop, chosen in self.loops if not chosen for node in (loop.start, loop.end)]
        together = not any(found.intersection(names_in(node)) for node in shared)
        return frozenset(found) if together else None

    def _differs(self, name: str, found: set[str]) -> bool:
        """Return whether a variable is set by what differs from row to row."""
        chosen = [test for test, names in self.conditions if name in names]
        return any(self._varies(node, found) for node in (*self.values[name], *chosen))

    def _varies(self, node: ast.expr, found: set[str]) -> bool:
        if found.intersection(names_in(node)):
            return True
        return any(
            isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name) and self.memory[part.value.id].writers
            for part in ast.walk(node)
        )

    def _added(self, seen: _Seen, found: set[str]) -> bool:
        """Return whether memory is only added to, in one statement, at one place for all rows."""
        same = not any(found.intersection(names_in(index)) for index, _ in seen.places.values())
        return same and len(seen.writers) == 1 and seen.readers == seen.writers and len(seen.places) == 1

    def _apart(self, seen: _Seen) -> bool:
        """Return whether each row has entries of its own, which no other row reads or writes."""
        strides = {self._stride(index, loops) for index, loops in seen.places.values()}
        return len(strides) == 1 and None not in strides

    def _stride(self, index: ast.expr, loops: tuple[Counted, ...]) -> str | None:
        """Return how far two rows are apart, where an index is ``row * stride + column`` with a column below it."""
        if _counts(index, self.outer):
            return "1"
        if (parts := row_and_column(index, self.outer)) is None:
            return None
        _, by, column = parts
        moving = {*self.values, *(loop.index for loop, _ in self.loops)}
        if any(name in moving for name in names_in(index) if name not in names_in(column)):
            return None
        stride = key_of(by)
        if key_of(column) == "0":
            return stride
        inner = next((loop for loop in loops if isinstance(column, ast.Name) and loop.index == column.id), None)
        return stride if inner is not None and self._below(inner.end, stride) and self._positive(inner.start) else None

    def _below(self, end: ast.expr, stride: str) -> bool:
        """Return whether a loop ends at the stride at the latest."""
        if key_of(end) == stride:
            return True
        values = self.values.get(end.id, []) if isinstance(end, ast.Name) else []
        return bool(values) and all(
            isinstance(v, ast.Call) and ast.unparse(v.func) == "min" and stride in map(key_of, v.args) for v in values
        )

    def _positive(self, start: ast.expr) -> bool:
        """Return whether a loop starts at 0 or at the index of one that does."""
        return key_of(start) == "0" or any(
            key_of(start) == loop.index and key_of(loop.start) == "0" for loop, _ in self.loops
        )


def row_and_column(index: ast.expr, outer: Counted) -> tuple[ast.expr | None, ast.expr, ast.expr] | None:
    """Return the parts of ``row * stride + column``: the first as a whole, None where it is 0 at the first row.

    None for an index that does not move by `stride` from each row to the next.
    """
    start: ast.expr = index
    column: ast.expr = ast.Constant(0)
    if isinstance(start, ast.BinOp) and isinstance(start.op, ast.Add):
        column = start.right
        start = start.left
    if not (isinstance(start, ast.BinOp) and isinstance(start.op, ast.Mult) and _counts(start.left, outer)):
        return None
    if outer.index in names_in(column) or outer.index in names_in(start.right):
        return None
    turning = isinstance(start.left, ast.BinOp) and isinstance(start.left.op, ast.Mod)
    return None if turning else start, start.right, column


def _counts(node: ast.expr, outer: Counted) -> bool:
    """Return whether an index grows by 1 from row to row: the row, with an offset, or which of those side by side."""
    row = outer.index
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        counted_from = f"({row}Sub{key_of(outer.start)})"
        return key_of(node.left) == counted_from and key_of(node.right) == str(ROWS)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return key_of(node.right) == row and row not in names_in(node.left)
    return key_of(node) == row
