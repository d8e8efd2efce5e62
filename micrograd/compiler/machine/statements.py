"""Print statements and expressions of printed functions as LLVM's, one number at a time.

Printed functions are Python of a few words: numbers, memory, loops that count. Each variable becomes memory on the
stack that LLVM keeps in registers.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from micrograd.compiler.machine.functions import (
    INLINED,
    WITH_CASES,
    bound,
    call_by_name,
    given,
    written_in_python,
)
from micrograd.compiler.machine.sweeps import Counted, counted, names_in
from micrograd.compiler.machine.values import UnprintedError, Value, Writer, constant, literal, type_of

__all__ = ["SIGNS", "Statements"]

SIGNS: Mapping[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.BitOr: "|", ast.BitAnd: "&", ast.Mod: "%",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_LEAVE_CORE = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
_NUMBERS = {"np.inf": float("inf"), "np.nan": float("nan")}


class Statements:
    """Print one function.

    Args:
        tree: the function.
        kinds: for each of its arguments the kind of the number, or ``*`` and the kind of the memory.
        wide: how many bytes a vector has.

    Attributes:
        slots: for each variable the memory that holds it, and its kind.
        read: how often each name is read in the whole function.
        inside: how many loops are around what is written now.
        rarely: how many conditions are around it.
    """

    def __init__(self, tree: ast.FunctionDef, kinds: Mapping[str, str], wide: int) -> None:
        self.tree, self.kinds, self.wide = tree, kinds, wide
        self.writer = Writer()
        self.slots: dict[str, tuple[str, str]] = {}
        self.read = Counter(names_in(tree))
        self.inside = self.rarely = 0
        self.labels = 0
        self.helpers: dict[str, str] = {}

    def module(self) -> str:
        """Return the text of the whole module."""
        w = self.writer
        parameters = [f"{type_of(self.kinds[a.arg])} %{a.arg}" for a in self.tree.args.args]
        for argument in self.tree.args.args:
            self.assign(argument.arg, Value(self.kinds[argument.arg], f"%{argument.arg}"))
        self.block(self.tree.body)
        w.line("unreachable")
        body = "\n".join(
            [f"define i64 @{self.tree.name}({', '.join(parameters)}) #0 {{", "entry:", *w.slots, *w.lines, "}"]
        )
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
                self.assign(target.id, self.value(node.value))
            elif isinstance(target, ast.Subscript):
                w.store(self.value(target.value), self.value(target.slice), self.value(node.value))
            else:
                raise UnprintedError(ast.unparse(node))
        elif isinstance(node, ast.AugAssign):
            self._assign_more(node)
        elif isinstance(node, ast.While):
            self._while(node)
        elif isinstance(node, ast.If):
            self._if(node)
        elif isinstance(node, ast.Return):
            assert node.value is not None
            w.line(f"ret i64 {w.cast(self.value(node.value), 'i64').text}")
            self.label(self.fresh("after"))
        elif isinstance(node, ast.Expr):
            self.value(node.value)
        elif not isinstance(node, ast.Pass):
            raise UnprintedError(ast.unparse(node))

    def assign(self, name: str, value: Value) -> None:
        """Set a variable, which is of the kind of what it was first."""
        w = self.writer
        slot, kind = self.slots.get(name, ("", value.kind))
        if kind.startswith("*") != value.kind.startswith("*"):
            raise UnprintedError(f"{name} as a number and as memory")
        if not slot or (kind != value.kind and kind.startswith("*")):  # memory of another dtype is another variable
            slot, kind = self.slots[name] = w.slot(type_of(value.kind)), value.kind
        value = w.cast(value, kind)
        w.line(f"store {value.type} {value.text}, ptr {slot}")

    def _assign_more(self, node: ast.AugAssign) -> None:
        sign = SIGNS[type(node.op)]
        if isinstance(node.target, ast.Name):
            name = node.target.id
            old, more = self.variable(name), self.value(node.value)
            if sign == "|":
                more = self.writer.cast(more, old.kind)
            self.assign(name, self.writer.cast(self.writer.binary(sign, old, more), old.kind))
            return
        assert isinstance(node.target, ast.Subscript)
        memory, index = self.value(node.target.value), self.value(node.target.slice)
        old = self.writer.load(memory, index)
        self.writer.store(memory, index, self.writer.binary(sign, old, self.value(node.value)))

    def _while(self, node: ast.While) -> None:
        test, body, end = (self.fresh(name) for name in ("test", "body", "end"))
        self.jump(test)
        self.branch(self.value(node.test), body, end)
        self.inside += 1
        self.block(node.body)
        self.inside -= 1
        self.jump(test, end)

    def _if(self, node: ast.If) -> None:
        then, other, end = (self.fresh(name) for name in ("then", "else", "end"))
        self.branch(self.value(node.test), then, other if node.orelse else end)
        self.rarely += 1
        self.block(node.body)
        self.jump(end, other if node.orelse else end)
        if node.orelse:
            self.block(node.orelse)
            self.jump(end)
        self.rarely -= 1

    # ---- blocks of instructions ------------------------------------------------------------------------------

    def fresh(self, name: str) -> str:
        """Return a label that has not been used."""
        self.labels += 1
        return f"{name}{self.labels}"

    def label(self, name: str) -> None:
        """Begin a block of instructions."""
        self.writer.lines.append(f"{name}:")

    def jump(self, to: str, label: str | None = None) -> None:
        """End a block, and begin the one it goes on in, or another."""
        self.writer.line(f"br label %{to}")
        self.label(label or to)

    def branch(self, condition: Value, then: str, other: str) -> None:
        """End a block with a choice, and begin the one for which it holds."""
        condition = self.writer.cast(condition, "i1")
        self.writer.line(f"br i1 {condition.text}, label %{then}, label %{other}")
        self.label(then)

    # ---- expressions -----------------------------------------------------------------------------------------

    def value(self, node: ast.expr) -> Value:
        """Write what computes an expression, and return its value."""
        w = self.writer
        if isinstance(node, ast.Name):
            return self.variable(node.id)
        if isinstance(node, ast.Constant):
            return literal(int(node.value) if isinstance(node.value, bool) else node.value)  # type: ignore[arg-type]
        if isinstance(node, ast.Subscript):
            return self.entry(node)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Pow):
                return self._power(self.value(node.left), self.value(node.right))
            return w.binary(SIGNS[type(node.op)], self.value(node.left), self.value(node.right))
        if isinstance(node, ast.Compare):
            return w.compare(SIGNS[type(node.ops[0])], self.value(node.left), self.value(node.comparators[0]))
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
        raise UnprintedError(ast.unparse(node))

    def variable(self, name: str) -> Value:
        """Return what a variable holds."""
        if name not in self.slots:
            raise UnprintedError(f"{name} before it has a value")
        slot, kind = self.slots[name]
        return self.writer.made(kind, 1, f"load {type_of(kind)}, ptr {slot}", True)

    def entry(self, node: ast.Subscript) -> Value:
        """Return an entry of memory."""
        return self.writer.load(self.value(node.value), self.value(node.slice))

    def loop(self, loop: Counted) -> None:
        """Write a counting loop, one turn after the other."""
        self.assign(loop.index, self.writer.cast(self.value(loop.start), "i64"))
        self.inside += 1
        self.turns(loop.index, loop.end, loop.by, lambda: self.block(loop.body))
        self.inside -= 1

    def turns(self, index: str, end: Value | ast.expr, by: int, body: Callable[[], None], room: int = 0) -> None:
        """Write a loop while ``index + room`` is below `end` (up to it, where there is room)."""
        w = self.writer
        test, inside, after = (self.fresh(name) for name in ("test", "body", "end"))
        with w.hoisting():
            self.jump(test)
            at = self.variable(index)
            last = self.value(end) if isinstance(end, ast.expr) else end
            reached = w.binary("+", at, literal(room)) if room else at
            self.branch(w.compare("<=" if room else "<", reached, last), inside, after)
            body()
            self.assign(index, w.opaque(w.binary("+", self.variable(index), literal(by))))
            self.jump(test, after)

    def _power(self, x: Value, exponent: Value) -> Value:
        w = self.writer
        number = exponent.number
        if isinstance(number, int) and abs(number) <= 64:
            result, square, left = literal(1.0), x, abs(number)
            while left:
                if left % 2:
                    result = square if result.number is not None else w.binary("*", result, square)
                left //= 2
                square = w.binary("*", square, square) if left else square
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
        if name in INLINED:
            result: Value = self.inlined(INLINED[name], w.alike(*operands))
            return result
        if name in WITH_CASES:
            return self._with_cases(WITH_CASES[name], operands)
        found = call_by_name(w, name, operands)
        if found is None:
            raise UnprintedError(name)
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
                return self.writer.binary(SIGNS[type(node.op)], value(node.left), value(node.right))
            if isinstance(node, ast.Compare):
                return self.writer.compare(SIGNS[type(node.ops[0])], value(node.left), value(node.comparators[0]))
            if isinstance(node, ast.UnaryOp):
                return self.writer.negative(value(node.operand))
            raise UnprintedError(ast.unparse(node))

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
        raise UnprintedError(function.__name__)

    def _with_cases(self, function: FunctionType, operands: Sequence[Value]) -> Value:
        """Call a function of ours that has branches, as a function of the module."""
        operands = self.writer.alike(*operands)
        kind = operands[0].kind
        name = f"{function.__name__}_{kind}"
        if name not in self.helpers:
            self.helpers[name] = ""
            tree = written_in_python(function)
            inner = Statements(tree, {a.arg: kind for a in tree.args.args}, self.wide)
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
            self.assign(argument.arg, Value(kind, f"%{argument.arg}"))

        def block(statements: Sequence[ast.stmt]) -> None:
            for statement in statements:
                if isinstance(statement, ast.Return):
                    assert statement.value is not None
                    w.line(f"ret {type_} {w.cast(self.value(statement.value), kind).text}")
                    self.label(self.fresh("after"))
                elif isinstance(statement, ast.If):
                    then, end = self.fresh("then"), self.fresh("end")
                    self.branch(self.value(statement.test), then, end)
                    block(statement.body)
                    self.jump(end)
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
            w.declared[f"declare i32 @{_LEAVE_CORE}()"] = None
            w.line(f"{w.name()} = call i32 @{_LEAVE_CORE}()")
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
        ways = [
            w.made("i32", 1, f"select i1 {w.compare('!=', t, literal(0)).text}, i32 112, i32 111", False)
            for t in (ta, tb)
        ]
        one, zero = (constant("f32" if name == "gemm32" else "f64", x) for x in (1.0, 0.0))
        given_ = [
            *("i32 101", f"i32 {ways[0].text}", f"i32 {ways[1].text}"),
            *(f"i64 {m.text}", f"i64 {n.text}", f"i64 {k.text}", f"{real} {one}"),
            *(f"ptr {a.text}", f"i64 {lda.text}", f"ptr {b.text}", f"i64 {ldb.text}", f"{real} {zero}"),
            *(f"ptr {c.text}", f"i64 {ldc.text}"),
        ]
        w.line(f"call void {pointer}({', '.join(given_)})")
        return Value("void", "")
