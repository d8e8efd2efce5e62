"""Print a function of the compiler's text as LLVM's, its innermost loops as vectors.

Printed functions are Python of a few words: numbers, memory, loops that count. Each variable becomes memory on the stack
that LLVM keeps in registers. A loop that `sweeps` finds fit takes as many entries at a time as a vector holds, and the
last ones with a mask; where rows follow each other that share what they read or add to, several are taken side by side.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from micrograd.compiler.machine.functions import bound, call_by_name, given, written_in_python
from micrograd.compiler.machine.sweeps import Counted, Sweep, counted, key_of, names_in, sweep_of, together
from micrograd.compiler.machine.values import Unprinted, Value, Writer, bytes_of, constant, literal, type_of

__all__ = ["print_function"]

ROWS = 4
"""So many rows are taken side by side: what they share is read and written once."""
SUMS = 4
"""So many sums go on side by side in a loop that adds up, or each addition would wait for the one before."""

_SIGNS: Mapping[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.BitOr: "|", ast.BitAnd: "&", ast.Mod: "%",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_NUMBERS = {"np.inf": float("inf"), "np.nan": float("nan")}


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
    """

    sweep: Sweep
    lanes: int
    index: Value
    sums: Mapping[tuple[str, int], tuple[str, str]]
    row: tuple[str, Value] | None = None
    side: int = 0
    local: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Value] = field(default_factory=dict)
    waiting: dict[str, tuple[Value, Value, Value]] = field(default_factory=dict)


def print_function(
    source: str, kinds: Mapping[str, str], wide: int, functions: Mapping[str, FunctionType]
) -> tuple[str, str]:
    """Return LLVM's text of a printed function, and the name that it has there.

    Args:
        source: the function, as printed.
        kinds: for each of its arguments the kind of the number, or ``*`` and the kind of the memory.
        wide: how many bytes a vector has.
        functions: those of ours that it may call, by name.

    Raises:
        Unprinted: it says something that no instruction is known for.
    """
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.FunctionDef)
    return _Printer(tree, kinds, wide, functions).module(), tree.name


class _Printer:
    def __init__(
        self, tree: ast.FunctionDef, kinds: Mapping[str, str], wide: int, functions: Mapping[str, FunctionType]
    ) -> None:
        self.tree, self.kinds, self.wide, self.functions = tree, kinds, wide, functions
        self.writer = Writer()
        self.slots: dict[str, tuple[str, str]] = {}
        self.read = names_in(tree)
        self.turn: _Turn | None = None
        self.labels = 0
        self.helpers: dict[str, str] = {}

    def module(self) -> str:
        """Return the text of the whole module."""
        w = self.writer
        parameters = [f"{type_of(self.kinds[a.arg])} %{a.arg}" for a in self.tree.args.args]
        for argument in self.tree.args.args:
            self._assign(argument.arg, Value(self.kinds[argument.arg], f"%{argument.arg}"))
        self.block(self.tree.body)
        w.line("unreachable")
        body = "\n".join([f"define i64 @{self.tree.name}({', '.join(parameters)}) #0 {{", "entry:", *w.slots, *w.lines, "}"])
        attributes = (
            f'attributes #0 = {{ nounwind "prefer-vector-width"="{8 * self.wide}" '
            f'"min-legal-vector-width"="{8 * self.wide}" }}'
        )
        return "\n\n".join([body, *self.helpers.values(), "\n".join(w.declared), attributes, ""])

    # ---- statements ----------------------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Write statements in order."""
        at = 0
        while at < len(statements):
            loop = counted(statements, at)
            if loop is None:
                self.statement(statements[at])
                at += 1
            else:
                self.loop(loop)
                at += 1 if isinstance(statements[at], ast.For) else 2

    def statement(self, node: ast.stmt) -> None:
        """Write one statement."""
        w = self.writer
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            if isinstance(target, ast.Name):
                self._assign(target.id, self.value(node.value))
            elif isinstance(target, ast.Subscript):
                w.store(self.value(target.value), self.value(target.slice), self.value(node.value))
            else:
                raise Unprinted(ast.unparse(node))
        elif isinstance(node, ast.AugAssign):
            self._assign_more(node)
        elif isinstance(node, ast.While):
            self._while(node)
        elif isinstance(node, ast.If):
            self._if(node)
        elif isinstance(node, ast.Return):
            assert node.value is not None
            w.line(f"ret i64 {w.cast(self.value(node.value), 'i64').text}")
            self._label(self._fresh("after"))
        elif isinstance(node, ast.Expr):
            self.value(node.value)
        elif not isinstance(node, ast.Pass):
            raise Unprinted(ast.unparse(node))

    def _assign(self, name: str, value: Value) -> None:
        w = self.writer
        if name not in self.slots:
            kind = "i64" if value.kind == "i1" and name == "bad" else value.kind
            self.slots[name] = (w.slot(type_of(kind)), kind)
        slot, kind = self.slots[name]
        if kind != value.kind:
            if kind.startswith("*") or value.kind.startswith("*"):
                raise Unprinted(f"{name} as a number and as memory")
            value = w.cast(value, kind)
        w.line(f"store {value.type} {value.text}, ptr {slot}")

    def _assign_more(self, node: ast.AugAssign) -> None:
        sign = _SIGNS[type(node.op)]
        if isinstance(node.target, ast.Name):
            name = node.target.id
            old, more = self._variable(name), self.value(node.value)
            if sign == "|":
                more = self.writer.cast(more, old.kind)
            self._assign(name, self.writer.cast(self.writer.binary(sign, old, more), old.kind))
            return
        assert isinstance(node.target, ast.Subscript)
        memory, index = self.value(node.target.value), self.value(node.target.slice)
        old = self.writer.load(memory, index)
        self.writer.store(memory, index, self.writer.binary(sign, old, self.value(node.value)))

    def _while(self, node: ast.While) -> None:
        test, body, end = (self._fresh(name) for name in ("test", "body", "end"))
        self._jump(test)
        self._branch(self.value(node.test), body, end)
        self.block(node.body)
        self._jump(test, end)

    def _if(self, node: ast.If) -> None:
        then, other, end = (self._fresh(name) for name in ("then", "else", "end"))
        self._branch(self.value(node.test), then, other if node.orelse else end)
        self.block(node.body)
        self._jump(end, other if node.orelse else end)
        if node.orelse:
            self.block(node.orelse)
            self._jump(end)

    # ---- blocks of instructions ------------------------------------------------------------------------------

    def _fresh(self, name: str) -> str:
        self.labels += 1
        return f"{name}{self.labels}"

    def _label(self, name: str) -> None:
        self.writer.lines.append(f"{name}:")

    def _jump(self, to: str, label: str | None = None) -> None:
        self.writer.line(f"br label %{to}")
        self._label(label or to)

    def _branch(self, condition: Value, then: str, other: str) -> None:
        condition = self.writer.cast(condition, "i1")
        self.writer.line(f"br i1 {condition.text}, label %{then}, label %{other}")
        self._label(then)

    # ---- expressions -----------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Value:
        """Write what computes an expression, and return its value."""
        w = self.writer
        if isinstance(node, ast.Name):
            return self._variable(node.id)
        if isinstance(node, ast.Constant):
            return literal(int(node.value) if isinstance(node.value, bool) else node.value)  # type: ignore[arg-type]
        if isinstance(node, ast.Subscript):
            return self._entry(node)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Pow):
                return self._power(self.value(node.left), self.value(node.right))
            return w.binary(_SIGNS[type(node.op)], self.value(node.left), self.value(node.right))
        if isinstance(node, ast.Compare):
            return w.compare(_SIGNS[type(node.ops[0])], self.value(node.left), self.value(node.comparators[0]))
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand)
            return w.denied(value) if isinstance(node.op, ast.Not) else w.negative(value)
        if isinstance(node, ast.IfExp):
            return w.select(self.value(node.test), self.value(node.body), self.value(node.orelse))
        if isinstance(node, ast.BoolOp):
            sign = "|" if isinstance(node.op, ast.Or) else "&"
            result, *others = (w.cast(self.value(v), "i1") for v in node.values)
            for other in others:
                result = w.binary(sign, result, other)
            return result
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in _NUMBERS:
            return literal(_NUMBERS[name])
        raise Unprinted(ast.unparse(node))

    def _variable(self, name: str) -> Any:
        if (turn := self.turn) is not None:
            if name in turn.local:
                return turn.local[name]
            if name == turn.sweep.loop.index:
                return turn.index
            if turn.row is not None and name == turn.row[0]:
                return turn.row[1]
        if name not in self.slots:
            raise Unprinted(f"{name} before it has a value")
        slot, kind = self.slots[name]
        return self.writer.made(kind, 1, f"load {type_of(kind)}, ptr {slot}", True)

    def _entry(self, node: ast.Subscript) -> Value:
        turn = self.turn
        if turn is None:
            return self.writer.load(self.value(node.value), self.value(node.slice))
        key = self._place(node)
        if key not in turn.read:
            turn.read[key] = self.writer.load(self.value(node.value), self._indexed(node.slice), turn.lanes)
        return turn.read[key]

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
        key = self.__dict__.setdefault("_keys", {}).get(id(node))
        if key is None:
            key = self._keys[id(node)] = (key_of(node), frozenset(names_in(node)))
        assert self.turn is not None
        apart = not key[1].isdisjoint(self.turn.local) or (self.turn.row is not None and self.turn.row[0] in key[1])
        return f"{key[0]} {self.turn.side}" if apart else str(key[0])

    def _power(self, x: Value, exponent: Value) -> Value:
        w = self.writer
        number = exponent.number
        if isinstance(number, int) and abs(number) <= 64:
            result: Value | None = None
            square, left = x, abs(number)
            while left:
                if left % 2:
                    result = square if result is None else w.binary("*", result, square)
                square, left = (w.binary("*", square, square) if left > 1 else square), left // 2
            result = result or literal(1.0)
            return w.binary("/", literal(1.0), result) if number < 0 else result
        return w.call("pow", "f64", [w.cast(x, "f64"), w.cast(exponent, "f64")])

    # ---- calls -------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        w, name = self.writer, ast.unparse(node.func)
        if name in ("at", "at_bool"):
            memory, start, _ = node.args
            return w.place(self.value(memory), self.value(start))
        operands = [self.value(o) for o in node.args]
        if name in ("take", "load", "store", "leave_core"):
            return self._meeting(name, operands)
        if name.startswith("gemm"):
            return self._product(name, operands)
        if name in self.functions:
            function = self.functions[name]
            if any(isinstance(n, ast.If) for n in ast.walk(written_in_python(function))):
                return self._helper(function, operands)
            return self.inlined(function, w.alike(*operands))
        found = call_by_name(w, name, operands)
        if found is None:
            raise Unprinted(name)
        return found

    def inlined(self, function: FunctionType, operands: Sequence[Any]) -> Any:
        """Write the body of a function of ours, which has no branches, in the place of its call."""
        tree, outside = written_in_python(function), bound(function)
        kind = next(o.kind for o in operands if isinstance(o, Value) and o.real)
        local = {a.arg: o for a, o in zip(tree.args.args, operands, strict=True)}

        def value(node: ast.expr) -> Any:
            if isinstance(node, ast.Name):
                return local[node.id] if node.id in local else given(outside[node.id], kind)
            if isinstance(node, ast.Call):
                assert isinstance(node.func, ast.Name)
                arguments = [value(a) for a in node.args]
                inner = outside.get(node.func.id)
                if (found := call_by_name(self.writer, node.func.id, arguments)) is not None:
                    return found
                assert isinstance(inner, FunctionType)
                return self.inlined(inner, arguments)
            if isinstance(node, ast.BinOp):
                return self.writer.binary(_SIGNS[type(node.op)], value(node.left), value(node.right))
            if isinstance(node, ast.Compare):
                return self.writer.compare(_SIGNS[type(node.ops[0])], value(node.left), value(node.comparators[0]))
            if isinstance(node, ast.UnaryOp):
                return self.writer.negative(value(node.operand))
            raise Unprinted(ast.unparse(node))

        for statement in tree.body:
            if isinstance(statement, ast.Assign):
                target, found = statement.targets[0], statement.value
                if isinstance(target, ast.Tuple):
                    assert isinstance(found, ast.Tuple)
                    new = [value(v) for v in found.elts]
                    local.update(zip((ast.unparse(t) for t in target.elts), new, strict=True))
                else:
                    local[ast.unparse(target)] = value(found)
            elif isinstance(statement, ast.Return):
                assert statement.value is not None
                return value(statement.value)
        raise Unprinted(function.__name__)

    def _helper(self, function: FunctionType, operands: Sequence[Value]) -> Value:
        """Call a function of ours that has branches, as a function of the module."""
        operands = self.writer.alike(*operands)
        kind = operands[0].kind
        name = f"{function.__name__}_{kind}"
        if name not in self.helpers:
            self.helpers[name] = ""
            tree = written_in_python(function)
            inner = _Printer(tree, {a.arg: kind for a in tree.args.args}, self.wide, self.functions)
            inner.helpers = self.helpers
            self.helpers[name] = inner.helper(name, kind)
            self.writer.declared |= inner.writer.declared
        result = self.writer.name()
        given_ = ", ".join(f"{o.type} {o.text}" for o in operands)
        self.writer.line(f"{result} = call {type_of(kind)} @{name}({given_})")
        return Value(kind, result)

    def helper(self, name: str, kind: str) -> str:
        """Return the text of a function of floats that may branch."""
        w, type_ = self.writer, type_of(kind)
        for argument in self.tree.args.args:
            self._assign(argument.arg, Value(kind, f"%{argument.arg}"))

        def block(statements: Sequence[ast.stmt]) -> None:
            for statement in statements:
                if isinstance(statement, ast.Return):
                    assert statement.value is not None
                    w.line(f"ret {type_} {w.cast(self.value(statement.value), kind).text}")
                    self._label(self._fresh("after"))
                elif isinstance(statement, ast.If):
                    then, end = self._fresh("then"), self._fresh("end")
                    self._branch(self.value(statement.test), then, end)
                    block(statement.body)
                    self._jump(end)
                    block(statement.orelse)
                elif not isinstance(statement, ast.Expr):
                    self.statement(statement)

        block(self.tree.body)
        w.line("unreachable")
        parameters = ", ".join(f"{type_} %{a.arg}" for a in self.tree.args.args)
        return "\n".join([f"define internal {type_} @{name}({parameters}) {{", "entry:", *w.slots, *w.lines, "}"])

    def _meeting(self, name: str, operands: Sequence[Value]) -> Value:
        """Write what threads do at a counter."""
        w = self.writer
        if name == "leave_core":
            w.declared["declare i32 @sched_yield()"] = None
            w.line(f"{w.name()} = call i32 @sched_yield()")
            return Value("void", "")
        at = w.place(operands[0], operands[1]).text
        if name == "take":
            return w.made("i64", 1, f"atomicrmw add ptr {at}, i64 1 seq_cst", False)
        if name == "load":
            return w.made("i64", 1, f"load atomic i64, ptr {at} acquire, align 8", False)
        w.line(f"store atomic i64 {w.cast(operands[2], 'i64').text}, ptr {at} release, align 8")
        return Value("void", "")

    def _product(self, name: str, operands: Sequence[Value]) -> Value:
        """Call a matrix product of BLAS at its address; its first arguments are enumerations of CBLAS."""
        w, real = self.writer, "float" if name == "gemm32" else "double"
        at, ta, tb, m, n, k, a, lda, b, ldb, c, ldc = operands
        pointer = w.made("*i8", 1, f"inttoptr i64 {at.text} to ptr", False).text
        ways = [w.made("i32", 1, f"select i1 {w.compare('!=', t, literal(0)).text}, i32 112, i32 111", False) for t in (ta, tb)]
        one, zero = (constant("f32" if name == "gemm32" else "f64", x) for x in (1.0, 0.0))
        w.line(f"call void {pointer}(i32 101, i32 {ways[0].text}, i32 {ways[1].text}, i64 {m.text}, i64 {n.text}, "
               f"i64 {k.text}, {real} {one}, ptr {a.text}, i64 {lda.text}, ptr {b.text}, i64 {ldb.text}, {real} {zero}, "
               f"ptr {c.text}, i64 {ldc.text})")  # fmt: skip
        return Value("void", "")

    # ---- loops -------------------------------------------------------------------------------------------------

    def loop(self, loop: Counted) -> None:
        """Write a counting loop: as vectors, as rows of vectors, or one entry after the other."""
        if (sweep := sweep_of(loop, self.read)) is not None and (lanes := self._lanes(sweep)) > 1:
            self._sweep(sweep, lanes)
        elif (sweep := together(loop, self.read)) is not None and (lanes := self._lanes(sweep)) > 1:
            self._rows(loop, sweep, lanes)
        else:
            self._assign(loop.index, self.writer.cast(self.value(loop.start), "i64"))
            self._turns(loop.index, self.value(loop.end) if isinstance(loop.end, ast.Constant) else loop.end, loop.by,
                        lambda: self.block(loop.body))  # fmt: skip

    def _turns(self, index: str, end: Value | ast.expr, by: int, body: Any, room: int = 0) -> None:
        """Write a loop while ``index + room`` is below `end` (up to it, where there is room)."""
        w = self.writer
        test, inside, after = (self._fresh(name) for name in ("test", "body", "end"))
        with w.hoisting():
            self._jump(test)
            at = self._variable(index)
            last = self.value(end) if isinstance(end, ast.expr) else end
            reached = w.binary("+", at, literal(room)) if room else at
            self._branch(w.compare("<=" if room else "<", reached, last), inside, after)
            body()
            self._assign(index, w.binary("+", self._variable(index), literal(by)))
            self._jump(test, after)

    def _lanes(self, sweep: Sweep) -> int:
        """Return how many entries fill a vector: of the narrowest dtype of its floats, or of its integers."""
        names = {n for s in sweep.loop.body for n in names_in(s)}
        kinds = [self.slots[n][1][1:] for n in {*names, *sweep.written} if n in self.slots and self.slots[n][1][0] == "*"]
        kinds += [self.slots[n][1] for n in (*sweep.sums, *sweep.largest) if n in self.slots]
        sizes = [bytes_of(k) for k in kinds if k[0] == "f"] or [max(bytes_of(k), 4) for k in kinds]
        return self.wide // min(sizes, default=self.wide)

    def _collectors(self, sweep: Sweep, lanes: int, sides: int) -> dict[tuple[str, int], tuple[str, str]]:
        """Return vectors for what a loop adds up, set to what adds nothing."""
        w = self.writer
        found: dict[tuple[str, int], tuple[str, str]] = {}
        for names, neutral in ((sweep.sums, -0.0), (sweep.largest, -np.inf), (sweep.flags, 0)):
            for name in names:
                if name not in self.slots:
                    raise Unprinted(f"{name} before it has a value")
                kind = "i1" if neutral == 0 and name in sweep.flags else self.slots[name][1]
                for side in range(sides):
                    slot = w.slot(type_of(kind, lanes))
                    start = w.spread(Value(kind, "", number=neutral), lanes)
                    w.line(f"store {start.type} {start.text}, ptr {slot}")
                    found[name, side] = (slot, kind)
        return found

    def _collect(self, sweep: Sweep, lanes: int, sums: Mapping[tuple[str, int], tuple[str, str]]) -> None:
        """Add up what the vectors have collected."""
        w = self.writer
        for name in (*sweep.sums, *sweep.largest, *sweep.flags):
            parts = [w.made(kind, lanes, f"load {type_of(kind, lanes)}, ptr {slot}", False)
                     for (of, _), (slot, kind) in sums.items() if of == name]  # fmt: skip
            join = self._join(sweep, name)
            while len(parts) > 1:
                parts = [join(*parts[n : n + 2]) if n + 1 < len(parts) else parts[n] for n in range(0, len(parts), 2)]
            fold = "fadd" if name in sweep.sums else "fmaximum" if name in sweep.largest else "or"
            total, old = w.folded(fold, parts[0]), self._variable(name)
            self._assign(name, join(old, w.cast(total, old.kind)))

    def _join(self, sweep: Sweep, name: str) -> Any:
        w = self.writer
        if name in sweep.sums:
            return lambda a, b: w.binary("+", a, b, flags="reassoc nsz ")
        if name in sweep.largest:
            return lambda a, b: w.intrinsic("maximum", a, b)
        return lambda a, b: w.binary("|", a, b)

    def _sweep(self, sweep: Sweep, lanes: int) -> None:
        """Write a loop as vectors: whole ones, then the last with a mask."""
        w, index = self.writer, self._fresh("at")
        start, end = w.cast(self.value(sweep.loop.start), "i64"), w.cast(self.value(sweep.loop.end), "i64")
        sides = SUMS if sweep.sums or sweep.largest else 1
        sums = self._collectors(sweep, lanes, sides)
        self._assign(index, start)

        def turns(mask: bool, sides: int) -> Any:
            def body() -> None:
                at = self._variable(index)
                for side in range(sides):
                    first = w.binary("+", at, literal(side * lanes)) if side else at
                    turn = _Turn(sweep, lanes, Value("i64", first.text, step="1"), sums, side=side)
                    self._take(turn, [None], end if mask else None)

            return body

        self._turns(index, end, lanes * sides, turns(mask=False, sides=sides), room=lanes * sides)
        self._turns(index, end, lanes, turns(mask=True, sides=1))
        self._collect(sweep, lanes, sums)

    def _rows(self, outer: Counted, sweep: Sweep, lanes: int) -> None:
        """Write rows of vectors, several side by side."""
        w, inner = self.writer, sweep.loop
        row, column, one = outer.index, self._fresh("at"), self._fresh("row")
        last = w.cast(self.value(outer.end), "i64")
        self._assign(row, w.cast(self.value(outer.start), "i64"))
        sums = self._collectors(sweep, lanes, ROWS)

        def across(rows: int, of: str, mask: bool) -> None:
            """Go on along the columns: `rows` rows, from the one that `of` counts."""
            end = w.cast(self.value(inner.end), "i64")
            first = self._variable(of)
            several = [(row, w.binary("+", first, literal(n)) if n else first) for n in range(rows)]

            def body() -> None:
                turn = _Turn(sweep, lanes, Value("i64", self._variable(column).text, step="1"), sums)
                self._take(turn, several, end if mask else None)

            self._turns(column, end, lanes, body, room=0 if mask else lanes)

        def block() -> None:
            self._assign(column, w.cast(self.value(inner.start), "i64"))
            across(ROWS, row, mask=False)
            rest, end = self._variable(column), w.cast(self.value(inner.end), "i64")
            then, after = self._fresh("then"), self._fresh("end")
            self._branch(w.compare("<", rest, end), then, after)
            self._assign(one, self._variable(row))
            stop = w.binary("+", self._variable(row), literal(ROWS))

            def single() -> None:
                self._assign(column, rest)
                across(1, one, mask=True)

            self._turns(one, stop, 1, single)
            self._jump(after)

        def alone() -> None:
            self._assign(column, w.cast(self.value(inner.start), "i64"))
            across(1, row, mask=True)

        self._turns(row, last, ROWS, block, room=ROWS)
        self._turns(row, last, 1, alone)
        self._collect(sweep, lanes, sums)

    def _take(self, turn: _Turn, rows: Sequence[tuple[str, Value] | None], end: Value | None) -> None:
        """Write one turn: its body for each row, and what it has to store at its end."""
        w = self.writer
        if True:
            if end is not None:
                left = w.binary("-", Value("i64", end.text), Value("i64", turn.index.text))
                left = w.call("llvm.smin.i64", "i64", [Value("i64", left.text), literal(turn.lanes)])
                short = w.made("i32", 1, f"trunc i64 {left.text} to i32", False)
                many = f"<{turn.lanes} x i32>"
                one = w.made("i32", turn.lanes, f"insertelement {many} poison, i32 {short.text}, i64 0", False)
                all_ = w.made("i32", turn.lanes, f"shufflevector {many} {one.text}, {many} poison, {many} zeroinitializer", False)
                lane = f"<{', '.join(f'i32 {n}' for n in range(turn.lanes))}>"
                w.mask = w.made("i1", turn.lanes, f"icmp slt {many} {lane}, {all_.text}", False).text
            self.turn, w.turning = turn, True
            for side, row in enumerate(rows):
                turn.row, turn.local = row, {}
                if row is not None:
                    turn.side = side
                for statement in turn.sweep.loop.body:
                    self._vector_statement(turn, statement)
            for memory, index, value in turn.waiting.values():
                w.store(memory, index, value, turn.lanes)
            w.mask, self.turn, w.turning = "", None, False

    def _vector_statement(self, turn: _Turn, node: ast.stmt) -> None:
        w, sweep = self.writer, turn.sweep
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target  # type: ignore[attr-defined]
        assert isinstance(node, ast.Assign | ast.AugAssign)
        if isinstance(target, ast.Subscript):
            value = self.value(node.value)
            if isinstance(node, ast.AugAssign):
                value = w.binary(_SIGNS[type(node.op)], self._entry(target), value)
            memory = self.value(target.value)
            value = w.spread(w.cast(value, memory.kind[1:]), turn.lanes)
            key = self._place(target)
            turn.read[key] = value
            turn.waiting[key] = memory, self._indexed(target.slice), value
            return
        name = target.id
        if name not in (*sweep.sums, *sweep.largest, *sweep.flags):
            turn.local[name] = self.value(node.value)
            return
        slot, kind = turn.sums[name, turn.side]
        more = node.value if name in sweep.flags else node.value.args[1]  # type: ignore[attr-defined]
        value = w.spread(w.cast(self.value(more), kind), turn.lanes)
        if w.mask:
            neutral = -0.0 if name in sweep.sums else -np.inf if name in sweep.largest else 0
            value = w.select(Value("i1", w.mask, turn.lanes), value, Value(kind, "", number=neutral))
        old = w.made(kind, turn.lanes, f"load {type_of(kind, turn.lanes)}, ptr {slot}", False)
        new = self._join(sweep, name)(old, value)
        w.line(f"store {new.type} {new.text}, ptr {slot}")
