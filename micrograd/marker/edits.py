"""The single edits that are tried on a line: what students mistake, in the other direction, the smallest first.

An edit exchanges one sub-expression for another text.  Nothing here knows whether it helps: that is for
`micrograd.marker.repair`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.marker.alignment import meanings
from micrograd.marker.program import path_of
from micrograd.marker.text import Text

__all__ = ["Change", "Edit", "Scope", "changes_of", "edits_of"]

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@", ast.FloorDiv: "//",
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_INSTEAD: dict[str, tuple[str, ...]] = {
    "+": ("-", "*", "/"), "-": ("+", "*", "/"), "*": ("/", "+", "-", "@"), "/": ("*", "-"), "**": ("*",), "@": ("*",),
    "//": ("/", "*"),
    ">": ("<", ">=", "=="), ">=": ("<=", ">", "=="), "<": (">", "<=", "=="), "<=": (">=", "<", "=="),
    "==": ("!=", ">", "<"), "!=": ("==", ">", "<"),
}  # fmt: skip
_TWINS: dict[str, tuple[str, ...]] = {
    "sum": ("mean", "max"), "mean": ("sum",), "max": ("sum", "min", "mean"), "min": ("max",), "amax": ("amin", "sum"),
    "maximum": ("minimum",), "minimum": ("maximum",), "zeros": ("ones",), "ones": ("zeros",),
    "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "exp": ("log",), "log": ("exp",), "sqrt": ("square",),
    "square": ("sqrt",), "var": ("std", "mean"), "std": ("var",), "argmax": ("argmin",), "argmin": ("argmax",),
    "multiply": ("divide", "add", "subtract"), "divide": ("multiply",), "add": ("subtract", "multiply"),
    "subtract": ("add",), "dot": ("multiply",), "hstack": ("vstack",), "vstack": ("hstack",), "tanh": ("exp",),
}  # fmt: skip
_REDUCTIONS = {"sum", "mean", "max", "min", "amax", "amin", "var", "std", "prod", "argmax", "argmin"}
_UNARY = {"sqrt", "square", "exp", "log", "abs", "negative", "transpose", "reciprocal", "ravel", "squeeze"}
_CONSTANTS = ("2", "0.5", "1", "-1", "0", "3", "1.5", "-0.5", "-2", "-1.5", "-3", "4")


@dataclass(frozen=True, slots=True)
class Edit:
    """One sub-expression exchanged.

    Attributes:
        node: what is exchanged.
        new: the expression that comes in its place.
        tag: what is done, for the class of the mistake.
        cost: the smaller, the likelier.
        detail: the name, number or text that comes in or goes out.
    """

    node: ast.expr
    new: str
    tag: str
    cost: float
    detail: str = ""
    token: tuple[int, int, str] | None = None  # the range and text that change, where they are less than the node


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a statement that is no exchange of an expression: ``=`` for ``+=``, another order of results."""

    start: int
    end: int
    new: str
    tag: str
    cost: float
    detail: str = ""


@dataclass(slots=True)
class Scope:
    """The variables before a statement, and what expressions are worth in them.

    Attributes:
        names: all local variables.
        space: globals and locals in one, to evaluate in.
        text: of the file.
        loops: the variables of the loops around it, the outermost first.
        items: of a loop what the file reads of arrays by variables: ``w[f]``.
    """

    names: Mapping[str, Any]
    space: dict[str, Any]
    text: Text
    loops: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    _values: dict[int, Any] = field(default_factory=dict)

    def value(self, node: ast.expr) -> Any:
        """What an expression is worth; None where it raises."""
        if id(node) not in self._values:
            try:
                with np.errstate(all="ignore"):
                    code = compile(ast.Expression(node), "<edit>", "eval", dont_inherit=True)
                    self._values[id(node)] = eval(code, self.space)  # noqa: S307 - the student's expression
            except Exception:  # noqa: BLE001 - the student's expression may raise anything
                self._values[id(node)] = None
        return self._values[id(node)]

    def value_of(self, text: str) -> Any:
        """What an expression in the student's words is worth; None where it raises."""
        try:
            with np.errstate(all="ignore"):
                return eval(text, self.space)  # noqa: S307 - the student's expression
        except Exception:  # noqa: BLE001 - as above
            return None

    def __post_init__(self) -> None:
        entries = {
            f"{name}[{key!r}]": entry
            for name, value in self.names.items() if isinstance(value, dict)
            for key, entry in value.items() if isinstance(key, str)
        }  # fmt: skip
        if entries:
            self.names = {**self.names, **entries}

    def arrays(self) -> list[str]:
        """Names of arrays of numbers, in order of assignment."""
        return [name for name, value in self.names.items() if _is_array(value)]

    def numbers(self) -> list[str]:
        """Names of numbers: N, D, eps."""
        return [name for name, value in self.names.items() if _is_number(value)]

    def counts(self) -> dict[str, int]:
        """How a size of an axis can be written: by a variable, else by the shape of an array."""
        found: dict[str, int] = {}
        taken: set[int] = set()
        for name in self.numbers():
            value = self.names[name]
            if isinstance(value, (int, np.integer)) and value > 1:
                found[name] = int(value)
                taken.add(int(value))
        for name in self.arrays():
            for axis, size in enumerate(np.shape(self.names[name])):
                if size > 1 and size not in taken:
                    taken.add(size)
                    found[f"{name}.shape[{axis}]"] = size
        return found


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fb" and value.size > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_value(value: Any) -> bool:
    return _is_array(value) or isinstance(value, (float, np.floating))


def _wrapped(text: str, node: ast.expr, level: int) -> str:
    """The text of an operand, in brackets where it binds less than `level` (1 sums, 2 products, 4 powers, 5 atoms)."""
    return f"({text})" if _level(node) < level else text


def _level(node: ast.expr) -> int:
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return 1
        case ast.BinOp(op=ast.Pow()):
            return 4
        case ast.BinOp():
            return 2
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return 3
        case ast.Name() | ast.Call() | ast.Attribute() | ast.Subscript() | ast.Constant():
            return 5
    return 0


def edits_of(root: ast.expr, scope: Scope, role: str = "value", target: str = "") -> list[Edit]:
    """All edits of an expression, the cheapest first.

    Args:
        root: the expression.
        scope: what is known where it stands.
        role: of the root (`micrograd.marker.program.Root`).
        target: the name that is assigned; in a loop it is no candidate for a missing operand unless it is read already.
    """
    read = {n.id for n in ast.walk(root) if isinstance(n, ast.Name)}
    maker = _Maker(root, scope, {target} - read if scope.loops else set())
    found = list(maker.index(root) if role in ("index", "loop") else maker.expression(root))
    found.sort(key=lambda edit: edit.cost)
    return found


class _Maker:
    def __init__(self, root: ast.expr, scope: Scope, left_out: set[str]) -> None:
        self.root = root
        self.scope = scope
        self.text = scope.text
        self.arrays = [name for name in scope.arrays() if name not in left_out]
        self.numbers = [name for name in scope.numbers() if name not in left_out]
        self.counts = scope.counts()
        self.items = {text: value for text in scope.items if _is_value(value := scope.value_of(text))}
        self.indices = [
            name for name, value in scope.names.items()
            if name not in left_out and _index_like(value) and not isinstance(value, np.ndarray)
        ]  # fmt: skip

    def expression(self, node: ast.expr) -> Iterator[Edit]:
        """Edits of a value and of what is in it."""
        yield from self.own(node)
        yield from self.around(node)
        match node:
            case ast.BinOp(left=left, right=right):
                yield from self.expression(left)
                yield from self.expression(right)
            case ast.UnaryOp(operand=operand):
                yield from self.expression(operand)
            case ast.Call(func=func, args=args, keywords=keywords):
                if isinstance(func, ast.Attribute) and self.scope.value(func.value) is not None:
                    owner = self.scope.value(func.value)
                    if isinstance(owner, (np.ndarray, np.generic)):
                        yield from self.expression(func.value)
                name = _called(func)
                for place, arg in enumerate(args):
                    if name in _REDUCTIONS and place == (1 if not self._method(func) else 0):
                        continue  # an axis, treated with the call
                    if name in ("reshape", "transpose", "zeros", "ones", "full", "empty", "arange", "range", "pad"):
                        yield from (self.index(arg) if place or name in ("arange", "range") else self.expression(arg))
                    elif isinstance(arg, ast.Starred):
                        continue
                    else:
                        yield from self.expression(arg)
                for keyword in keywords:
                    if keyword.arg not in ("axis", "keepdims", "out", "dtype"):
                        yield from self.index(keyword.value)
            case ast.Subscript(value=value, slice=index):
                yield from self.expression(value)
                yield from self.index(index)
            case ast.Attribute(value=value):
                if node.attr == "T":
                    yield from self.expression(value)
            case ast.Compare(left=left, comparators=comparators):
                for side in (left, *comparators):
                    yield from self.own(side)
                    yield from (edit for edit in self.expression(side) if edit.node is not side)
            case ast.BoolOp(values=elements) | ast.Tuple(elts=elements) | ast.List(elts=elements):
                for element in elements:
                    if not isinstance(element, ast.Starred):
                        yield from self.expression(element)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                for part in (test, body, orelse):
                    yield from self.expression(part)
            case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt):
                yield from self.expression(elt)
            case ast.NamedExpr(value=value):
                yield from self.expression(value)

    def of(self, node: ast.expr) -> str:
        return self.text.of(node)

    def operand(self, node: ast.expr, level: int) -> str:
        return _wrapped(self.of(node), node, level)

    # ---- what the node itself may have been ----------------------------------------------------------

    def own(self, node: ast.expr) -> Iterator[Edit]:
        match node:
            case ast.Name() | ast.Subscript(slice=ast.Constant(value=str())):
                name = path_of(node)
                if isinstance(self.scope.names.get(name), np.ndarray) or _is_number(self.scope.names.get(name)):
                    yield from self.other_names(node, name)
            case ast.Constant(value=bool()):
                yield Edit(node, repr(not node.value), "constant", 2.0)
            case ast.Constant(value=int() | float()):
                yield from self.other_constants(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                yield Edit(node, self.of(operand), "negate", 1.0)
            case ast.UnaryOp(op=ast.Invert() | ast.Not(), operand=operand):
                yield Edit(node, self.of(operand), "mask", 1.0)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                yield from self.binary(node, left, _OPERATORS[type(op)], right)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                for other in _INSTEAD[_COMPARISONS[type(op)]]:
                    yield Edit(node, f"{self.of(left)} {other} {self.of(right)}", "compare", 1.2, other)
                yield Edit(node, self.of(left), "mask", 1.6)
            case ast.Call():
                yield from self.call(node)
            case ast.Attribute(value=value, attr="T"):
                yield Edit(node, self.of(value), "transpose", 1.2)
            case ast.Subscript(value=value, slice=index):
                if _is_array(self.scope.value(value)):
                    yield Edit(node, self.of(value), "index", 2.2)
                    if isinstance(index, ast.Tuple):
                        for place in range(len(index.elts) - 1):
                            parts = [self.of(element) for element in index.elts]
                            parts[place], parts[place + 1] = parts[place + 1], parts[place]
                            yield Edit(node, f"{self.operand(value, 5)}[{', '.join(parts)}]", "index", 2.0)

    def other_names(self, node: ast.expr, name: str) -> Iterator[Edit]:
        value = self.scope.names[name]
        pool = [n for n in self.numbers if type(self.scope.names[n]) is type(value)]
        if isinstance(value, np.ndarray):
            whole = [n for n, v in self.scope.names.items() if isinstance(v, np.ndarray) and v.dtype.kind in "iu"]
            pool = [*self.arrays, *(n for n in whole if np.shape(self.scope.names[n]) == value.shape)]
        for other in pool:
            if other == name:
                continue
            alike = np.shape(self.scope.names[other]) == np.shape(value)
            kin = 0.2 if _kin(name, other) else 0.0
            yield Edit(node, other, "name", (1.8 if alike else 2.3) - kin, other)
        for other, size in self.counts.items():
            if "." in other and _is_number(value) and not isinstance(value, float) and size != value:
                yield Edit(node, other, "name", 2.6, other)
        if _is_number(value) and isinstance(value, (int, np.integer)):
            yield Edit(node, f"({name} - 1)", "bessel", 2.2)
            yield Edit(node, f"({name} + 1)", "bessel", 2.6)

    def other_constants(self, node: ast.Constant) -> Iterator[Edit]:
        value: Any = node.value
        seen = {float(value)}
        tried = [
            (text, 1.6)
            for text in (f"{-value!r}", f"{value * 2!r}", f"{value / 2!r}", f"{value + 1!r}", f"{value - 1!r}")
        ]
        for text, cost in [*tried, *((text, 1.9) for text in _CONSTANTS)]:
            number = float(text)
            if number not in seen:
                seen.add(number)
                whole = isinstance(value, float) and "." not in text and "e" not in text
                spelled = f"{text}.0" if whole else text
                yield Edit(node, spelled, "negate" if number == -value else "constant", cost, spelled)
        for name, size in self.counts.items():
            if size != value:
                yield Edit(node, name, "count", 2.2 if "." not in name else 2.5, name)
        for name in self.numbers:
            if isinstance(self.scope.names[name], float):
                yield Edit(node, name, "name", 2.3, name)

    def binary(self, node: ast.expr, left: ast.expr, op: str, right: ast.expr) -> Iterator[Edit]:
        level = {"+": 1, "-": 1, "**": 4}.get(op, 2)
        for other in _INSTEAD.get(op, ()):
            wanted = {"+": 1, "-": 1, "**": 4}.get(other, 2)
            text = f"{self.operand(left, wanted)} {other} {self.operand(right, wanted + (other in '-/@'))}"
            yield Edit(node, text, "operator", 1.0 if {op, other} in ({"+", "-"}, {"*", "/"}) else 1.7, other)
        if op in "+-*/@//":
            tag = "drop_term" if op in "+-" else "drop_factor"
            twice = op in "+-" and self.of(right) in {self.of(n) for n in ast.walk(left) if isinstance(n, ast.expr)}
            yield Edit(node, self.of(left), tag, 0.9 if twice else 1.3, self.of(right))
            dropped = self.operand(right, 2) if op != "-" else f"-{self.operand(right, 2)}"
            dropped = f"1 / {self.operand(right, 3)}" if op == "/" else dropped
            yield Edit(node, dropped if op != "*" else self.of(right), tag, 1.3, self.of(left))
            if op in "-/":
                yield Edit(node, self.operand(right, 2), tag, 1.6, self.of(left))
        if op == "**":
            yield Edit(node, self.of(left), "power", 1.3)
            for text in ("2", "3", "-1", "-2", "0.5", "-0.5", "-1.5"):
                yield Edit(node, f"{self.operand(left, 5)} ** {text}", "power", 1.8, text)
        yield from self.tokens(left, op, right)
        yield from self.regrouped(node, left, op, right)
        if op in ("-", "/", "@", "**"):
            text = f"{self.operand(right, level)} {op} {self.operand(left, level + (op in '-/@'))}"
            yield Edit(node, text, "exchange", 1.4)
        if op == "@":
            yield from self.products(node, left, right, "{} @ {}")

    def tokens(self, left: ast.expr, op: str, right: ast.expr) -> Iterator[Edit]:
        """Another operator without brackets, which then binds otherwise: ``a + b / c`` for ``a * b / c``."""
        root = self.root
        (start, end), after, before = self.text.range(root), self.text.range(left)[1], self.text.range(right)[0]
        gap = self.text.source[after:before]
        if op not in gap:
            return
        at = after + gap.index(op)
        for other in _INSTEAD.get(op, ()):
            if (op in "+-") == (other in "+-") or other == "@":
                continue
            new = self.text.source[start:at] + other + self.text.source[at + len(op) : end]
            try:
                ast.parse(f"({new})", mode="eval")
            except SyntaxError:
                continue
            yield Edit(root, new, "operator", 1.4, f"{op} {other}", (at, at + len(op), other))

    def regrouped(self, node: ast.expr, left: ast.expr, op: str, right: ast.expr) -> Iterator[Edit]:
        """Brackets in another place: ``sqrt(v) + eps`` for ``sqrt(v + eps)``, ``a * b.sum()`` for ``(a * b).sum()``."""
        lefts, rights = self.operand(left, 2), self.operand(right, 2)
        if isinstance(left, ast.Call) and not left.keywords and len(left.args) == 1 and not self._method(left.func):
            tag = "eps_outside" if op == "+" and _is_number(self.scope.value(right)) else "regroup"
            yield Edit(node, f"{self.of(left.func)}({self.of(left.args[0])} {op} {rights})", tag, 1.5)
        for call, other, first in ((right, lefts, True), (left, rights, False)):
            if not isinstance(call, ast.Call) or _called(call.func) not in _REDUCTIONS:
                continue
            whole = self.of(call)
            if self._method(call.func):
                inner = call.func.value  # type: ignore[attr-defined]
                tail = whole[self.text.range(inner)[1] - self.text.range(call)[0] :]
                tail = tail[tail.index("." + _called(call.func)) :]
                pair = (other, self.operand(inner, 3)) if first else (self.operand(inner, 2), other)
                yield Edit(node, f"({pair[0]} {op} {pair[1]}){tail}", "regroup", 1.5)
            elif call.args and not isinstance(call.args[0], ast.Starred):
                inner = call.args[0]
                tail = whole[self.text.range(inner)[1] - self.text.range(call)[0] :]
                pair = (other, self.operand(inner, 3)) if first else (self.operand(inner, 2), other)
                yield Edit(node, f"{self.of(call.func)}({pair[0]} {op} {pair[1]}{tail}", "regroup", 1.5)
        if isinstance(right, ast.BinOp) and type(right.op) in _OPERATORS and not self.bracketed(right):
            inner_op = _OPERATORS[type(right.op)]
            if (op in "+-") != (inner_op in "+-"):  # a - b / c for (a - b) / c
                text = f"({self.of(left)} {op} {self.of(right.left)}) {inner_op} {self.operand(right.right, 3)}"
                yield Edit(node, text, "regroup", 1.7)
        if isinstance(left, ast.BinOp) and type(left.op) in _OPERATORS:
            inner_op = _OPERATORS[type(left.op)]
            if (op in "+-") != (inner_op in "+-"):  # (a - b) / c and a - b / c
                text = f"{self.operand(left.left, 2)} {inner_op} ({self.of(left.right)} {op} {rights})"
                yield Edit(node, text, "regroup", 1.7)

    def bracketed(self, node: ast.expr) -> bool:
        """Whether a node stands in brackets of its own."""
        start, end = self.text.range(node)
        return self.text.source[:start].rstrip().endswith("(") and self.text.source[end:].lstrip().startswith(")")

    def products(self, node: ast.expr, left: ast.expr, right: ast.expr, form: str) -> Iterator[Edit]:
        a, b = self.operand(left, 5), self.operand(right, 5)
        at, bt = _transposed(a), _transposed(b)
        for first, second, cost in (
            (at, b, 1.2),
            (a, bt, 1.2),
            (b, a, 1.4),
            (bt, a, 1.6),
            (b, at, 1.6),
            (at, bt, 1.8),
            (bt, at, 1.8),
        ):
            yield Edit(node, form.format(first, second), "transpose", cost)

    def _method(self, func: ast.expr) -> bool:
        """Whether a function is a method of a value, rather than a function of a module."""
        return isinstance(func, ast.Attribute) and isinstance(self.scope.value(func.value), (np.ndarray, np.generic))

    def call(self, node: ast.Call) -> Iterator[Edit]:
        name, method = _called(node.func), self._method(node.func)
        start, _ = self.text.range(node)
        operands = ([node.func.value] if method else []) + list(node.args)  # type: ignore[attr-defined]
        if not operands or isinstance(operands[0], ast.Starred):
            return
        first = operands[0]
        func_end = self.text.range(node.func)[1]
        whole = self.of(node)
        for other in _TWINS.get(name, ()):
            if whole[: func_end - start].endswith(name):
                text = whole[: func_end - start - len(name)] + other + whole[func_end - start :]
                both = {name, other} == {"sum", "mean"}
                yield Edit(node, text, "mean_sum" if both else "function", 1.0 if both else 1.6, other)
        if name in _REDUCTIONS or name in _UNARY:
            yield Edit(node, self.of(first), "oversummed" if name in _REDUCTIONS else "function", 1.5, name)
        if name in _REDUCTIONS:
            yield from self.axes(node, first, method)
        if name in ("dot", "matmul") and len(operands) == 2:
            left, right = operands
            head = whole[: func_end - start]
            form = "{}." + name + "({})" if method else head.replace("{", "{{") + "({}, {})"
            yield from self.products(node, left, right, form)
            yield Edit(node, f"{self.operand(left, 2)} * {self.operand(right, 3)}", "operator", 2.0)
        if name in ("maximum", "minimum", "subtract", "divide", "where", "outer") and len(node.args) >= 2:
            parts = [self.of(arg) for arg in node.args]
            if name == "where" and len(parts) == 3:
                parts = [parts[0], parts[2], parts[1]]
            else:
                parts[0], parts[1] = parts[1], parts[0]
            yield Edit(node, f"{self.of(node.func)}({', '.join(parts)})", "exchange", 1.4)
        if name in ("hstack", "vstack", "concatenate", "stack") and isinstance(first, (ast.Tuple, ast.List)):
            parts = [self.of(element) for element in first.elts]
            for i in range(len(parts)):
                for j in range(i + 1, len(parts)):
                    swapped = list(parts)
                    swapped[i], swapped[j] = swapped[j], swapped[i]
                    brackets = "({})" if isinstance(first, ast.Tuple) else "[{}]"
                    yield Edit(first, brackets.format(", ".join(swapped)), "order", 1.5)
        if (
            len(node.args) >= 2
            and not method
            and name not in _REDUCTIONS
            and not node.keywords
            and name not in ("dot", "matmul", "maximum", "minimum", "subtract", "divide", "where", "outer")
        ):
            parts = [self.of(arg) for arg in node.args]
            parts[0], parts[1] = parts[1], parts[0]
            yield Edit(node, f"{self.of(node.func)}({', '.join(parts)})", "exchange", 1.8)

    def axes(self, node: ast.Call, operand: ast.expr, method: bool) -> Iterator[Edit]:
        """Another axis, another keepdims, of a reduction."""
        value = self.scope.value(operand)
        ndim = value.ndim if isinstance(value, np.ndarray) else 2
        place = 0 if method else 1
        given = {k.arg: k for k in node.keywords}
        positional = (
            node.args[place] if len(node.args) > place and not isinstance(node.args[place], ast.Starred) else None
        )
        if len(node.args) > place + 1 or None in given:
            return
        axis = self.of(given["axis"].value) if "axis" in given else self.of(positional) if positional else ""
        keep = self.of(given["keepdims"].value) if "keepdims" in given else ""
        others = [f"{k.arg}={self.of(k.value)}" for k in node.keywords if k.arg not in ("axis", "keepdims")]
        head = [] if method else [self.of(operand)]

        def text(new_axis: str, new_keep: str, spelled: bool = True) -> str:
            parts = [*head]
            if new_axis:
                parts.append(f"axis={new_axis}" if spelled else new_axis)
            parts += others
            if new_keep:
                parts.append(f"keepdims={new_keep}")
            return f"{self.of(node.func)}({', '.join(parts)})"

        spelled = positional is None
        if positional is not None and not _is_axis(self.scope.value(positional)):
            # np.sum(a, b, axis=0) for np.sum(a * b, axis=0)
            yield Edit(
                node,
                _merged(self, node, head, positional, axis="" if "axis" not in given else axis, keep=keep),
                "call",
                0.5,
            )
            return
        choices: list[tuple[str, str]] = []
        if axis:
            choices.append(("", "axis_superfluous"))
        singles = [str(a) for a in range(ndim)] if ndim > 1 else []
        if ndim == 4:
            singles += ["(0, 2, 3)", "(1, 2, 3)", "(2, 3)"]
        elif ndim == 5:
            singles += ["(2, 3, 4)", "(0, 2, 3, 4)", "(0, 3, 4)"]
        elif ndim == 3:
            singles += ["(0, 1)", "(1, 2)", "(0, 2)"]
        if axis == "-1":
            singles = [s for s in singles if s != str(ndim - 1)]
        choices += [
            (s, "axis" if axis else "axis_missing") for s in singles if s.replace(" ", "") != axis.replace(" ", "")
        ]
        for new, tag in choices:
            yield Edit(node, text(new, keep, spelled or not axis), tag, 1.0 if new else 1.4, new)
            if not keep:
                yield Edit(node, text(new, "True", spelled or not axis), tag, 1.8, new)
        if keep:
            yield Edit(node, text(axis, "", spelled), "keepdims", 0.9)
        else:
            yield Edit(node, text(axis, "True", spelled), "keepdims", 1.1)

    # ---- what may be missing around it ---------------------------------------------------------------

    def around(self, node: ast.expr) -> Iterator[Edit]:
        value = self.scope.value(node)
        if not _is_value(value) or isinstance(node, ast.Starred):
            if isinstance(value, np.ndarray) or (
                _is_number(value) and isinstance(node, (ast.Name, ast.Call, ast.BinOp))
            ):
                yield from self.scaled(node, counts_only=True)
            return
        yield from self.scaled(node)
        if not isinstance(node, (ast.UnaryOp, ast.Constant)):
            forward = not any(isinstance(n, ast.Name) and meanings(n.id) for n in ast.walk(node))
            yield Edit(node, f"-{self.operand(node, 2)}", "negate", 1.7 if forward else 1.1)
        if isinstance(value, np.ndarray) and value.dtype.kind == "b":
            yield Edit(node, f"~{self.operand(node, 5)}", "mask", 1.5)
        product, term = self.operand(node, 2), self.of(node)
        shape = np.shape(value)
        constant = isinstance(node, ast.Constant)
        for name in self.arrays if not constant else ():
            if name == term or not _fits(shape, np.shape(self.scope.names[name])):
                continue
            yield Edit(node, f"{product} * {name}", "factor_name", 2.4, name)
            yield Edit(node, f"{product} / {name}", "divide_name", 2.6, name)
            same = np.shape(self.scope.names[name]) == shape
            yield Edit(node, f"{term} + {name}", "term", 2.8 if same else 3.2, name)
            yield Edit(node, f"{term} - {name}", "term", 3.0 if same else 3.4, name)
        for name in self.arrays if self.scope.loops and not constant else ():
            ndim = self.scope.names[name].ndim
            if 0 < ndim <= len(self.scope.loops):
                part = f"{name}[{', '.join(self.scope.loops[:ndim])}]"
                yield Edit(node, f"{product} * {part}", "factor_name", 2.6, part)
                yield Edit(node, f"{term} + {part}", "term", 3.2, part)
            if ndim > 1:
                part = f"{name}[{self.scope.loops[-1]}]"
                yield Edit(node, f"{product} * {part}", "factor_name", 2.7, part)
        for item, held in self.items.items() if not constant else ():
            if item not in product and _fits(shape, np.shape(held)):
                yield Edit(node, f"{product} * {item}", "factor_name", 2.5, item)
        for name in self.numbers if not constant else ():
            if isinstance(self.scope.names[name], (float, np.floating)):
                yield Edit(node, f"{term} + {name}", "term_number", 2.2, name)
                yield Edit(node, f"{product} * {name}", "factor_name", 2.7, name)
                yield Edit(node, f"{product} / {name}", "divide_name", 2.8, name)
                yield Edit(node, f"{product} / (1 - {name})", "divide_name", 3.2, name)
        if isinstance(value, np.ndarray) and value.ndim:
            singles = [str(axis) for axis in range(value.ndim)] if value.ndim > 1 else ["0"]
            if value.ndim == 4:
                singles += ["(0, 2, 3)", "(2, 3)", "(1, 2, 3)"]
            elif value.ndim == 5:
                singles += ["(2, 3, 4)"]
            elif value.ndim == 3:
                singles += ["(0, 1)", "(1, 2)", "(0, 2)"]
            for axis in singles:
                yield Edit(node, f"np.sum({term}, axis={axis})", "unsummed", 2.0, axis)
                yield Edit(node, f"np.mean({term}, axis={axis})", "unsummed", 2.3, axis)
                if value.ndim > 1:
                    yield Edit(node, f"np.sum({term}, axis={axis}, keepdims=True)", "unsummed", 2.4, axis)
                    yield Edit(node, f"np.mean({term}, axis={axis}, keepdims=True)", "unsummed", 2.5, axis)
            if value.ndim > 1:
                yield Edit(node, f"np.sum({term})", "unsummed", 2.6)
                yield Edit(node, f"{self.operand(node, 5)}.T", "transpose", 2.2)
            for place in range(value.ndim + 1) if value.ndim <= 2 else ():
                spelled = "[:, None]" if value.ndim == place == 1 else "[None, :]" if value.ndim == 1 else ""
                if spelled:
                    yield Edit(node, f"{self.operand(node, 5)}{spelled}", "index", 2.6)
            for name in self.arrays:
                other = self.scope.names[name]
                if other.size == value.size and other.shape != shape:
                    yield Edit(node, f"{self.operand(node, 5)}.reshape({name}.shape)", "keepdims", 2.2, name)
            if isinstance(node, ast.Name):
                yield Edit(node, f"{term}.copy()", "copy", 2.0)
        if not constant:
            yield Edit(node, f"{self.operand(node, 5)} ** 2", "power", 2.3, "2")
            yield Edit(node, f"np.sqrt({term})", "power", 2.3, "0.5")
            yield Edit(node, f"1 / {self.operand(node, 3)}", "power", 2.3, "-1")
            yield Edit(node, f"{self.operand(node, 5)} ** 3", "power", 2.7, "3")
            yield Edit(node, f"1 - {self.operand(node, 2)}", "complement", 2.6)
            yield Edit(node, f"{product} * (1 - {self.operand(node, 2)})", "factor_name", 3.0, term)
            yield Edit(node, f"({term} > 0)", "mask", 2.8)
            for name in self.arrays:
                if np.shape(self.scope.names[name]) == shape and shape:
                    yield Edit(node, f"{product} * ({name} > 0)", "mask", 2.9, name)
                    yield Edit(node, f"{product} * (1 - {name})", "factor_name", 3.0, name)
                    yield Edit(node, f"{product} * (1 - {name} ** 2)", "factor_name", 3.2, name)

    def scaled(self, node: ast.expr, counts_only: bool = False) -> Iterator[Edit]:
        product = self.operand(node, 2)
        if isinstance(node, ast.Constant):
            return
        if not counts_only:
            yield Edit(node, f"2 * {self.operand(node, 3 if '/' in product else 2)}", "constant", 2.0, "2")
            yield Edit(node, f"0.5 * {self.operand(node, 3 if '/' in product else 2)}", "constant", 2.0, "0.5")
            for text in ("3", "-2", "-0.5", "1.5"):
                yield Edit(node, f"{text} * {product}", "constant", 2.6, text)
        for name in self.counts:
            extra = 0.3 if "." in name else 0.0
            yield Edit(node, f"{product} / {name}", "count", 2.1 + extra, name)
            yield Edit(node, f"{product} * {name}", "count", 2.1 + extra, name)
            yield Edit(node, f"{product} / ({name} - 1)", "bessel", 2.6 + extra, name)

    # ---- indices -------------------------------------------------------------------------------------

    def index(self, node: ast.expr) -> Iterator[Edit]:
        """Edits of what stands in square brackets, of sizes and of ranges: whole numbers only."""
        match node:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for place in range(len(elements) - 1):
                    parts = [self.of(element) for element in elements]
                    parts[place], parts[place + 1] = parts[place + 1], parts[place]
                    brackets = (
                        "[{}]" if isinstance(node, ast.List) else "({})" if self.of(node).startswith("(") else "{}"
                    )
                    yield Edit(node, brackets.format(", ".join(parts)), "index", 1.7)
                for element in elements:
                    yield from self.index(element)
            case ast.Slice(lower=lower, upper=upper, step=step):
                for part in (lower, upper, step):
                    if part is not None:
                        yield from self.index(part)
                yield from self.shifted(node)
            case ast.Starred(value=inner):
                yield from self.index(inner)
            case ast.Name(id=name):
                held = self.scope.names.get(name)
                for other, candidate in self.scope.names.items():
                    if other == name or not _index_like(candidate):
                        continue
                    if type(candidate) is type(held) or (held is not None and np.shape(candidate) == np.shape(held)):
                        yield Edit(node, other, "index", 1.6 - (0.2 if _kin(name, other) else 0.0), other)
                if isinstance(held, np.ndarray) and held.dtype.kind == "f":
                    yield Edit(node, f"{name} > 0", "mask", 1.6)
                if isinstance(held, np.ndarray) and held.dtype.kind == "b":
                    yield Edit(node, f"~{name}", "mask", 1.4)
                elif isinstance(held, (int, np.integer)):
                    yield Edit(node, f"{name} + 1", "index", 1.9)
                    yield Edit(node, f"{name} - 1", "index", 1.9)
                    yield Edit(node, f"-{name}", "index", 2.0)
                    for other in self.numbers:
                        if other != name and isinstance(self.scope.names[other], (int, np.integer)):
                            yield Edit(node, f"{name} * {other}", "index", 2.0, other)
                            yield Edit(node, f"{name} + {other}", "index", 2.1, other)
                            yield Edit(node, f"{name} - {other}", "index", 2.2, other)
            case ast.Constant(value=int() as number) if not isinstance(number, bool):
                for text in dict.fromkeys(("0", "1", "2", "3", "-1", *self.counts, *self.indices)):
                    if text != repr(number):
                        yield Edit(node, text, "negate" if text == f"-{number}" else "index", 1.6, text)
            case ast.Constant(value=str()):
                yield from self.other_keys(node)
            case ast.UnaryOp(operand=operand):
                yield Edit(node, self.of(operand), "negate", 1.4)
                yield from self.index(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                symbol = _OPERATORS[type(op)]
                for other in ("+", "-", "*", "//"):
                    if other != symbol:
                        yield Edit(
                            node, f"{self.operand(left, 2)} {other} {self.operand(right, 2)}", "index", 1.5, other
                        )
                yield Edit(node, self.of(left), "index", 1.4)
                yield Edit(node, self.of(right), "index", 1.4)
                yield from self.index(left)
                yield from self.index(right)
            case ast.Compare():
                yield from self.expression(node)
            case ast.Call(args=args):
                if _called(node.func) in ("argmax", "argmin"):
                    yield from self.expression(node)
                else:
                    if _called(node.func) in ("range", "arange") and len(args) >= 2:
                        yield Edit(node, f"{self.of(node.func)}({self.of(args[1])})", "index", 1.3)
                    if _called(node.func) == "range" and len(args) == 1:
                        yield Edit(node, f"range(1, {self.of(args[0])})", "index", 2.4)
                    for arg in args:
                        yield from self.index(arg)
            case ast.Subscript():
                yield from self.index(node.slice)

    def other_keys(self, node: ast.Constant) -> Iterator[Edit]:
        """Other keys of the dictionaries that are there."""
        for value in self.scope.names.values():
            if isinstance(value, dict) and node.value in value:
                for key in value:
                    if isinstance(key, str) and key != node.value and type(value[key]) is type(value[node.value]):
                        yield Edit(node, repr(key), "name", 1.7, key)

    def shifted(self, node: ast.Slice) -> Iterator[Edit]:
        """Both ends of a slice moved by one, or by what was added to both."""
        if node.lower is None or node.upper is None:
            return
        low, high = self.of(node.lower), self.of(node.upper)
        for sign in ("+", "-"):
            yield Edit(node, f"{low} {sign} 1:{high} {sign} 1", "index", 2.2, f"{sign} 1")
        match node.lower, node.upper:
            case ast.BinOp(left=a, op=ast.Add() | ast.Sub(), right=b), ast.BinOp(
                left=c, op=ast.Add() | ast.Sub(), right=d
            ):
                if type(node.lower.op) is type(node.upper.op) and self.of(b) == self.of(d):
                    yield Edit(node, f"{self.of(a)}:{self.of(c)}", "index", 1.7, self.of(b))


def _called(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _is_axis(value: Any) -> bool:
    return value is None or isinstance(value, (int, np.integer, tuple, list))


def _index_like(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, np.integer, slice)) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub")


def _transposed(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"


def _merged(maker: _Maker, node: ast.Call, head: list[str], second: ast.expr, axis: str, keep: str) -> str:
    """``np.sum(a * b, axis=0)`` of ``np.sum(a, b, axis=0)``."""
    first = maker.operand(node.args[0], 2) if head else ""
    parts = [f"{first} * {maker.operand(second, 2)}"] if head else []
    parts += [f"axis={axis}"] if axis else []
    parts += [f"keepdims={keep}"] if keep else []
    return f"{maker.of(node.func)}({', '.join(parts)})"


def _kin(a: str, b: str) -> bool:
    """Whether two names are easily mistaken for each other: dx1 and dx2, xmu and dxmu."""
    a, b = a.lower().replace("_", ""), b.lower().replace("_", "")
    return a.rstrip("0123456789") == b.rstrip("0123456789") or a == "d" + b or b == "d" + a or a[:3] == b[:3]


def _fits(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes broadcast to one of the two."""
    try:
        return np.broadcast_shapes(shape, other) in (shape, other)
    except ValueError:
        return False


def changes_of(node: ast.stmt, text: Text) -> list[Change]:
    """The edits of a statement that exchange no expression."""
    found: list[Change] = []
    match node:
        case ast.AugAssign(target=target, op=op, value=value):
            after, before = text.range(target)[1], text.range(value)[0]
            symbol = _OPERATORS.get(type(op), "")
            gap = text.source[after:before]
            if symbol + "=" in gap:
                at = after + gap.index(symbol + "=")
                end = at + len(symbol) + 1
                far = 1.3 if symbol in ("+", "-") else 1.0
                for other, cost in (("+=", 1.0), ("-=", 1.0), ("*=", far), ("/=", far), ("=", 1.0)):
                    if other != symbol + "=":
                        tag = (
                            "assign" if other == "=" else "aug_sign" if {symbol, other[0]} == {"+", "-"} else "operator"
                        )
                        found.append(Change(at, end, other, tag, cost, other))
                name = text.of(target)
                start, stop = text.range(node)
                operand = text.of(value)
                if _level(value) < 5:
                    operand = f"({operand})"
                found.append(Change(start, stop, f"{name} = {name} {symbol} {operand}", "in_place", 1.6, name))
        case ast.Assign(targets=[target], value=value) if not isinstance(target, (ast.Tuple, ast.List)):
            after, before = text.range(target)[1], text.range(value)[0]
            gap = text.source[after:before]
            if "=" in gap:
                at = after + gap.index("=")
                found += [
                    Change(at, at + 1, "+=", "accumulate", 1.3, "+="),
                    Change(at, at + 1, "-=", "accumulate", 1.9, "-="),
                    Change(at, at + 1, "/=", "accumulate", 2.0, "/="),
                    Change(at, at + 1, "*=", "accumulate", 2.0, "*="),
                ]
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 6:
            found += _swaps(elts, text, "unpack", 1.2)
        case ast.Assign(targets=[ast.Tuple(elts=names)]) if 2 <= len(names) <= 12:
            found += _swaps(names, text, "unpack", 1.5)
        case ast.Return(value=ast.Tuple(elts=elts)) if 2 <= len(elts) <= 7:
            found += _swaps(elts, text, "returns", 1.0)
    return found


def _swaps(elements: list[ast.expr], text: Text, tag: str, cost: float) -> Iterator[Change]:
    """Two elements of a tuple exchanged."""
    start, end = text.range(elements[0])[0], text.range(elements[-1])[1]
    ranges = [text.range(element) for element in elements]
    for i in range(len(elements)):
        for j in range(i + 1, len(elements)):
            order = list(range(len(elements)))
            order[i], order[j] = j, i
            new = ""
            for place, taken in enumerate(order):
                gap = text.source[ranges[place - 1][1] : ranges[place][0]] if place else ""
                new += gap + text.source[slice(*ranges[taken])]
            yield Change(start, end, new, tag, cost)
