"""Print a function of the compiler's text as LLVM's, its innermost loops as vectors.

A loop that `sweeps` finds fit takes as many entries at a time as a vector holds, and the last ones with a mask; where
rows follow each other that share what they read or add to, several are taken side by side.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from micrograd.compiler.machine.abreast import ROWS, own_variables, row_and_column
from micrograd.compiler.machine.statements import SIGNS, Statements
from micrograd.compiler.machine.sweeps import Counted, Sweep, counted, key_of, names_in, sweep_of, together
from micrograd.compiler.machine.values import UnprintedError, Value, bytes_of, literal, type_of

__all__ = ["print_function"]

SUMS = 4
"""So many sums go on side by side in a loop that adds up, or each addition would wait for the one before."""


@dataclass(slots=True)
class _Turn:
    """One turn of a vector loop, of one row or several.

    Attributes:
        sweep: the loop.
        lanes: how many entries it takes at a time.
        index: the index of the first lane.
        row: the variable that counts the rows that are taken side by side, and its value in the present one.
        local: variables of the present row.
        read: entries that have been read or written in this turn, by their places.
        waiting: entries that are to be written at its end, by their places.
        sums: the vectors that sums and maxima are collected in, by the variable and the one of those side by side.
        side: which of those side by side is the present one.
        rows: where several rows are taken side by side, the loop over them.
        first: the first of these rows.
    """

    sweep: Sweep
    lanes: int
    index: Value
    sums: Mapping[tuple[str, int], tuple[str, str]]
    row: tuple[str, Value] | None = None
    side: int = 0
    rows: Counted | None = None
    first: Value | None = None
    local: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Value] = field(default_factory=dict)
    waiting: dict[str, tuple[Value, Value, Value]] = field(default_factory=dict)


def print_function(source: str, kinds: Mapping[str, str], wide: int) -> tuple[str, str]:
    """Return LLVM's text of a printed function, and the name that it has there.

    Args:
        source: the function, as printed.
        kinds: for each of its arguments the kind of the number, or ``*`` and the kind of the memory.
        wide: how many bytes a vector has.

    Raises:
        UnprintedError: it says something that no instruction is known for.
    """
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.FunctionDef)
    return _Printer(tree, kinds, wide).module(), tree.name


class _Printer(Statements):
    """Print one function, its innermost loops as vectors.

    Attributes:
        turn: the turn of a vector loop that is written.
        own: variables of which each of the rows that are taken side by side has its own.
        outer: the loop over these rows.
        side: which of these rows is written.
    """

    turn: _Turn | None = None
    own: frozenset[str] = frozenset()
    outer: Counted | None = None
    side = 0

    def name_of(self, name: str) -> str:
        """Return the variable that stands for a name in the present row."""
        return f"{name} {self.side}" if name in self.own else name

    def assign(self, name: str, value: Value) -> None:
        """Set a variable, in the present row."""
        super().assign(self.name_of(name), value)

    def variable(self, name: str) -> Any:
        """Return what a variable holds in the present turn."""
        if (turn := self.turn) is not None:
            if name in turn.local:
                return turn.local[name]
            if name == turn.sweep.loop.index:
                return turn.index
            if turn.row is not None and name == turn.row[0]:
                return turn.row[1]
        return super().variable(self.name_of(name))

    def entry(self, node: ast.Subscript) -> Value:
        """Return an entry of memory, read once in a turn."""
        turn = self.turn
        if turn is None:
            return super().entry(node)
        key = self._place(node)
        if key not in turn.read:
            turn.read[key] = self.writer.load(*self._spot(node), turn.lanes)
        return turn.read[key]

    def _spot(self, node: ast.Subscript) -> tuple[Value, Value]:
        """Return memory and the index in it of an entry.

        Of rows side by side the first one's place is the memory, and the others' are so many rows on: all arrays of as
        many columns share these indices, or there would be more addresses than registers.
        """
        turn, w = self.turn, self.writer
        assert turn is not None
        memory = self.value(node.value)
        if turn.rows is None or (parts := row_and_column(node.slice, turn.rows)) is None or memory.lanes > 1:
            return memory, self._indexed(node.slice)
        start, stride, column = parts
        if turn.sweep.loop.index in (*names_in(stride), *(names_in(start) if start is not None else ())):
            return memory, self._indexed(node.slice)
        side, present, row = turn.side, self.side, turn.row
        turn.side = self.side = 0
        if row is not None and turn.first is not None:
            turn.row = row[0], turn.first
        place = memory if start is None else w.place(memory, self.value(start))
        turn.side, self.side, turn.row = side, present, row
        index = self._indexed(column)
        if side:
            index = w.binary("+", w.binary("*", literal(side), w.cast(self.value(stride), "i64")), index)
        return w.kept(place), index

    def _indexed(self, node: ast.expr) -> Value:
        """Return an index, computed once in a turn."""
        turn = self.turn
        assert turn is not None
        key = "index " + self._key(node)
        if key not in turn.read:
            turn.read[key] = self.value(node)
        return turn.read[key]

    def _place(self, node: ast.Subscript) -> str:
        return f"{self._key(node.value)} {self._key(node.slice)}"

    def _key(self, node: ast.expr) -> str:
        """Return a text that is the same for the same place: what depends on the row has its number."""
        assert self.turn is not None
        apart = any(
            n in self.turn.local or n in self.own or (self.turn.row is not None and n == self.turn.row[0])
            for n in names_in(node)
        )
        return f"{key_of(node)} {self.turn.side}" if apart else key_of(node)

    def loop(self, loop: Counted) -> None:
        """Write a counting loop: as vectors, as rows of vectors, or one entry after the other."""
        if (sweep := sweep_of(loop, self.read)) is not None and (lanes := self._lanes(sweep)) > 1:
            self._sweep(sweep, lanes)
        elif (sweep := together(loop, self.read)) is not None and (lanes := self._lanes(sweep)) > 1:
            self._rows(loop, sweep, lanes)
        elif not self.own and (own := own_variables(loop, self.read)) is not None:
            self._side_by_side(loop, own)
        else:
            super().loop(loop)

    @property
    def _often(self) -> bool:
        """Return whether the loop that is written takes most of the time: it is inside of others, and always runs."""
        return self.inside > 0 and not self.rarely

    def _lanes(self, sweep: Sweep) -> int:
        """Return how many entries fill a vector: of the narrowest dtype of its floats, or of its integers."""
        names = {n for s in sweep.loop.body for n in names_in(s)}
        kinds = [
            self.slots[n][1][1:] for n in {*names, *sweep.written} if n in self.slots and self.slots[n][1][0] == "*"
        ]
        kinds += [self.slots[n][1] for n in map(self.name_of, (*sweep.sums, *sweep.largest)) if n in self.slots]
        sizes = [bytes_of(k) for k in kinds if k[0] == "f"] or [max(bytes_of(k), 4) for k in kinds]
        return self.wide // min(sizes, default=self.wide)

    def _collectors(self, sweep: Sweep, lanes: int, sides: int) -> dict[tuple[str, int], tuple[str, str]]:
        """Return vectors for what a loop adds up, set to what adds nothing."""
        w = self.writer
        found: dict[tuple[str, int], tuple[str, str]] = {}
        for name in (*sweep.sums, *sweep.largest, *sweep.flags):
            if (known := self.name_of(name)) not in self.slots:
                raise UnprintedError(f"{name} before it has a value")
            kind = "i1" if name in sweep.flags else self.slots[known][1]
            for side in range(sides):
                slot = w.slot(type_of(kind, lanes))
                start = w.spread(_neutral(sweep, name, kind), lanes)
                w.line(f"store {start.type} {start.text}, ptr {slot}")
                found[name, side] = (slot, kind)
        return found

    def _collect(self, sweep: Sweep, lanes: int, sums: Mapping[tuple[str, int], tuple[str, str]]) -> None:
        """Add up what the vectors have collected."""
        w = self.writer
        for name in dict.fromkeys(name for name, _ in sums):
            parts = [w.made(kind, lanes, f"load {type_of(kind, lanes)}, ptr {slot}", False)
                     for (of, _), (slot, kind) in sums.items() if of == name]  # fmt: skip
            join = self._join(sweep, name)
            while len(parts) > 1:
                parts = [join(*parts[n : n + 2]) if n + 1 < len(parts) else parts[n] for n in range(0, len(parts), 2)]
            fold = "fadd" if name in sweep.sums else "fmaximum" if name in sweep.largest else "or"
            total, old = w.folded(fold, parts[0]), self.variable(name)
            self.assign(name, join(old, w.cast(total, old.kind)))

    def _join(self, sweep: Sweep, name: str) -> Any:
        w = self.writer
        if name in sweep.sums:
            return lambda a, b: w.binary("+", a, b, flags="reassoc nsz contract ")
        if name in sweep.largest:
            return lambda a, b: w.intrinsic("maximum", a, b)
        return lambda a, b: w.binary("|", a, b)

    def _sweep(self, sweep: Sweep, lanes: int) -> None:
        """Write a loop as vectors: whole ones, then the last with a mask."""
        w, index = self.writer, self.fresh("at")
        start, end = w.cast(self.value(sweep.loop.start), "i64"), w.cast(self.value(sweep.loop.end), "i64")
        sides = SUMS if (sweep.sums or sweep.largest) and self._often else 1
        sums = self._collectors(sweep, lanes, sides)
        self.assign(index, start)

        def turns(mask: bool, sides: int) -> Any:
            def body() -> None:
                at = self.variable(index)
                for side in range(sides):
                    first = w.binary("+", at, literal(side * lanes)) if side else at
                    turn = _Turn(sweep, lanes, Value("i64", first.text, step="1"), sums, side=side)
                    self._take(turn, [None], end if mask else None)

            return body

        if self._often:
            self.turns(index, end, lanes * sides, turns(mask=False, sides=sides), room=lanes * sides)
        self.turns(index, end, lanes, turns(mask=True, sides=1))
        self._collect(sweep, lanes, sums)

    def _rows(self, outer: Counted, sweep: Sweep, lanes: int) -> None:
        """Write rows of vectors, several side by side; then what is left, one row after the other."""
        w, inner = self.writer, sweep.loop
        row, column = outer.index, self.fresh("at")
        first, last = (w.cast(self.value(x), "i64") for x in (outer.start, outer.end))
        left, right = (w.cast(self.value(x), "i64") for x in (inner.start, inner.end))
        sums = self._collectors(sweep, lanes, ROWS)

        def across(rows: int, mask: bool) -> None:
            at = self.variable(row)
            several = [(row, w.binary("+", at, literal(n)) if n else at) for n in range(rows)]

            def body() -> None:
                turn = _Turn(sweep, lanes, Value("i64", self.variable(column).text, step="1"), sums)
                if rows > 1:
                    turn.rows, turn.first = outer, at
                self._take(turn, several, right if mask else None)

            self.turns(column, right, lanes, body, room=0 if mask else lanes)

        def block() -> None:
            self.assign(column, left)
            across(ROWS, mask=False)

        whole_rows, whole_columns = first, left
        self.assign(row, first)
        if self._often:
            self.turns(row, last, ROWS, block, room=ROWS)
            whole_rows = self.variable(row)
            columns = w.binary("-", right, left)
            whole_columns = w.binary("+", left, w.binary("-", columns, w.binary("%", columns, literal(lanes))))
            self.assign(row, first)

        def rest() -> None:
            done = w.compare("<", self.variable(row), whole_rows)
            self.assign(column, w.select(done, whole_columns, left))
            across(1, mask=True)

        self.turns(row, last, 1, rest)
        self._collect(sweep, lanes, sums)

    def _side_by_side(self, outer: Counted, own: frozenset[str]) -> None:
        """Write a loop over rows that go through the same sweeps, several side by side; then what is left, one by one.

        A row is added up in the same order wherever it stands.
        """
        w, row = self.writer, outer.index
        self.assign(row, w.cast(self.value(outer.start), "i64"))

        def turn(rows: int) -> Any:
            def body() -> None:
                first = self.variable(row)
                self.own, self.outer = own, outer
                for self.side in range(rows):
                    self.assign(row, w.binary("+", first, literal(self.side)))
                self._abreast(outer.body, rows)
                self.own, self.side = frozenset(), 0

            return body

        self.inside += 1
        self.turns(row, outer.end, ROWS, turn(ROWS), room=ROWS)
        self.turns(row, outer.end, 1, turn(1))
        self.inside -= 1

    def _abreast(self, statements: Sequence[ast.stmt], rows: int) -> None:
        """Write statements for each of several rows: a sweep goes over all of them at once."""
        at = 0
        while at < len(statements):
            loop = counted(statements, at)
            if loop is None:
                for self.side in range(rows):
                    self.statement(statements[at])
                self.side = 0
                at += 1
                continue
            if (sweep := sweep_of(loop, self.read)) is not None:
                self._sweep_rows(sweep, rows)
            else:
                self.assign(loop.index, self.writer.cast(self.value(loop.start), "i64"))
                inner = loop.body
                self.turns(loop.index, loop.end, loop.by, lambda inner=inner: self._abreast(inner, rows))  # type: ignore[misc]
            at += 1 if isinstance(statements[at], ast.For) else 2

    def _sweep_rows(self, sweep: Sweep, rows: int) -> None:
        """Write a loop as vectors for several rows: whole ones, then the last with a mask."""
        w, index, lanes = self.writer, self.fresh("at"), self._lanes(sweep)
        start, end = w.cast(self.value(sweep.loop.start), "i64"), w.cast(self.value(sweep.loop.end), "i64")
        sums = self._collectors(sweep, lanes, rows)
        self.assign(index, start)

        def body(mask: bool) -> None:
            turn = _Turn(sweep, lanes, Value("i64", self.variable(index).text, step="1"), sums)
            turn.rows = self.outer if rows > 1 else None
            self._take(turn, [None] * rows, end if mask else None)

        self.turns(index, end, lanes, lambda: body(mask=False), room=lanes)
        self.turns(index, end, lanes, lambda: body(mask=True))
        for self.side in range(rows):
            self._collect(
                sweep, lanes, {key: s for key, s in sums.items() if key[0] in self.own and key[1] == self.side}
            )
        self.side = 0
        self._collect(sweep, lanes, {key: s for key, s in sums.items() if key[0] not in self.own})

    def _take(self, turn: _Turn, rows: Sequence[tuple[str, Value] | None], end: Value | None) -> None:
        """Write one turn: its body for each row, and what it has to store at its end; with `end`, only up to there."""
        w = self.writer
        if end is not None:
            w.mask = self._mask(turn, end)
        self.turn, w.turning, present = turn, True, self.side
        for side, row in enumerate(rows):
            turn.row, turn.local = row, {}
            if row is not None:
                turn.side = side
            elif len(rows) > 1:
                turn.side = self.side = side
            for statement in turn.sweep.loop.body:
                self._vector_statement(turn, statement)
        for memory, index, value in turn.waiting.values():
            w.store(memory, index, value, turn.lanes)
        w.mask, self.turn, w.turning, self.side = "", None, False, present

    def _mask(self, turn: _Turn, end: Value) -> str:
        """Return which lanes come before the end."""
        w, lanes = self.writer, turn.lanes
        left = w.binary("-", end, replace(turn.index, step=""))
        short = w.cast(w.call("llvm.smin.i64", "i64", [left, literal(lanes)]), "i32")
        numbers = f"<{', '.join(f'i32 {n}' for n in range(lanes))}>"
        return w.compare("<", Value("i32", numbers, lanes), short).text

    def _vector_statement(self, turn: _Turn, node: ast.stmt) -> None:
        w, sweep = self.writer, turn.sweep
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target  # type: ignore[attr-defined]
        assert isinstance(node, ast.Assign | ast.AugAssign)
        if isinstance(target, ast.Subscript):
            value = self.value(node.value)
            if isinstance(node, ast.AugAssign):
                value = w.binary(SIGNS[type(node.op)], self.entry(target), value)
            memory, index = self._spot(target)
            value = w.spread(w.cast(value, memory.kind[1:]), turn.lanes)
            key = self._place(target)
            turn.read[key] = value
            turn.waiting[key] = memory, index, value
            return
        assert isinstance(target, ast.Name)
        name = target.id
        if name not in (*sweep.sums, *sweep.largest, *sweep.flags):
            turn.local[name] = self.value(node.value)
            return
        slot, kind = turn.sums[name, turn.side]
        more = node.value if name in sweep.flags else node.value.args[1]  # type: ignore[attr-defined]
        value = w.spread(w.cast(self.value(more), kind), turn.lanes)
        if w.mask:
            value = w.select(Value("i1", w.mask, turn.lanes), value, _neutral(sweep, name, kind))
        old = w.made(kind, turn.lanes, f"load {type_of(kind, turn.lanes)}, ptr {slot}", False)
        new = self._join(sweep, name)(old, value)
        w.line(f"store {new.type} {new.text}, ptr {slot}")


def _neutral(sweep: Sweep, name: str, kind: str) -> Value:
    """Return what adds nothing to what a loop collects."""
    return Value(kind, "", number=-0.0 if name in sweep.sums else -np.inf if name in sweep.largest else 0)
