"""Edit a node itself: its name, number, sign, operator or function; and hold what all edits are made of."""

from __future__ import annotations

import ast
import itertools
import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.marker.gradient_names import meanings, normal
from micrograd.marker.student.statements import Scope, index_like, is_array, is_number, is_value, path_of

__all__ = [
    "COMPARISONS", "INSTEAD", "OPERATORS", "REDUCTIONS", "Change", "Edit", "Material", "bare", "called",
    "edits_of_call", "edits_of_operator", "kin", "level_of", "other_comparisons", "other_entries", "other_functions",
    "other_names", "other_numbers", "products", "through_a_function", "without_sign", "wrapped",
]  # fmt: skip


# ---- one change of a text -----------------------------------------------------------------------------------


OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@", ast.FloorDiv: "//",
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
INSTEAD: dict[str, tuple[str, ...]] = {
    "+": ("-", "*", "/"), "-": ("+", "*", "/"), "*": ("/", "+", "-", "@"), "/": ("*", "-"), "**": ("*",), "@": ("*",),
    "//": ("/", "*"),
    ">": ("<", "<=", ">=", "=="), ">=": ("<", "<=", ">", "=="), "<": (">", ">=", "<=", "=="),
    "<=": (">", ">=", "<", "=="),
    "==": ("!=", ">", "<"), "!=": ("==", ">", "<"),
}  # fmt: skip
REDUCTIONS = {"sum", "mean", "max", "min", "amax", "amin", "var", "std", "prod", "argmax", "argmin"}


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


def wrapped(text: str, node: ast.expr, level: int) -> str:
    """Return an operand, in brackets where it binds less than `level` (1 sums, 2 products, 4 powers, 5 atoms)."""
    return f"({text})" if level_of(node) < level else text


def level_of(node: ast.expr) -> int:
    """Return how strongly an expression binds, in the levels of `wrapped`; 0 for what stands in brackets anyway."""
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


def called(func: ast.expr) -> str:
    """Return the name of a function without what stands before the dot: ``sum`` of ``np.sum`` and of ``x.sum``."""
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


# ---- what edits are made of ---------------------------------------------------------------------------------


class Material:
    """What the edits of one expression are made of.

    Args:
        root: the expression.
        scope: what is known where it stands.
        left_out: names that are no candidates.
    """

    def __init__(self, root: ast.expr, scope: Scope, left_out: set[str]) -> None:
        self.root = root
        self.scope = scope
        self.text = scope.text
        self.arrays = [name for name in scope.arrays() if name not in left_out]
        self.numbers = [name for name in scope.numbers() if name not in left_out]
        whole = ((n, v) for n, v in scope.names.items() if isinstance(v, np.ndarray) and v.dtype.kind in "iu")
        rows = {f"{name}.shape[{axis}]": size for name, v in whole for axis, size in enumerate(v.shape) if axis}
        counts = scope.counts()
        self.counts = counts | {text: size for text, size in rows.items() if size > 1 and size not in counts.values()}
        self.items = {text: value for text in scope.items if is_value(value := scope.value_of(text))}
        self.indices = [
            name for name, value in scope.names.items()
            if name not in left_out and index_like(value) and not isinstance(value, np.ndarray)
        ]  # fmt: skip

    def of(self, node: ast.expr) -> str:
        """Return the text of an expression, as the student wrote it."""
        return self.text.of(node)

    def operand(self, node: ast.expr, level: int) -> str:
        """Return the same, in brackets where it binds less than `level` (`base.wrapped`)."""
        return wrapped(self.of(node), node, level)

    def exchanged(self, elements: Sequence[ast.expr]) -> Iterator[str]:
        """Yield the texts of a row of expressions, each with two neighbours exchanged."""
        for place in range(len(elements) - 1):
            parts = [self.of(element) for element in elements]
            parts[place], parts[place + 1] = parts[place + 1], parts[place]
            yield ", ".join(parts)

    def bracketed(self, node: ast.expr) -> bool:
        """Return whether a node stands in brackets of its own."""
        start, end = self.text.range(node)
        return self.text.source[:start].rstrip().endswith("(") and self.text.source[end:].lstrip().startswith(")")

    def is_method(self, func: ast.expr) -> bool:
        """Return whether a function is a method of a value, rather than a function of a module."""
        return isinstance(func, ast.Attribute) and isinstance(self.scope.value(func.value), (np.ndarray, np.generic))


def kin(a: str, b: str) -> bool:
    """Return whether two names are easily mistaken for each other: dx1 and dx2, xmu and dxmu."""
    a, b = normal(a), normal(b)
    return a.rstrip("0123456789") == b.rstrip("0123456789") or a == "d" + b or b == "d" + a or a[:3] == b[:3]


# ---- names, numbers, comparisons ----------------------------------------------------------------------------


_NUMBERS = ("2", "0.5", "1", "-1", "0", "3", "1.5", "-0.5", "-2", "-1.5", "-3", "4")


def other_names(here: Material, node: ast.Name | ast.Subscript) -> Iterator[Edit]:
    """Offer other variables, those of the same shape or of a similar name first; a count one less or more."""
    name = path_of(node)
    value: Any = here.scope.names.get(name)
    if not isinstance(value, np.ndarray) and not is_number(value):
        return
    pool = [n for n in here.numbers if type(here.scope.names[n]) is type(value)]
    if isinstance(value, np.ndarray):
        whole = [n for n, v in here.scope.names.items() if isinstance(v, np.ndarray) and v.dtype.kind in "iu"]
        pool = [*here.arrays, *(n for n in whole if np.shape(here.scope.names[n]) == value.shape)]
    for other in pool:
        if other == name:
            continue
        alike = np.shape(here.scope.names[other]) == np.shape(value)
        nearer = 0.2 if kin(name, other) else 0.0
        yield Edit(node, other, "name", (1.8 if alike else 2.3) - nearer, other)
    for other, size in here.counts.items():
        if "." in other and is_number(value) and not isinstance(value, float) and size != value:
            yield Edit(node, other, "name", 2.6, other)
    if is_number(value) and isinstance(value, (int, np.integer)):
        yield Edit(node, f"({name} - 1)", "bessel", 2.2)
        yield Edit(node, f"({name} + 1)", "bessel", 2.6)


_FRACTION = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")


def other_numbers(here: Material, node: ast.Constant) -> Iterator[Edit]:
    """Offer other numbers, and the names that may be meant by one; the other truth value."""
    value: Any = node.value
    if isinstance(value, bool):
        yield Edit(node, repr(not value), "constant", 2.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    seen = {float(value)}
    tried = [
        (text, 1.6) for text in (f"{-value!r}", f"{value * 2!r}", f"{value / 2!r}", f"{value + 1!r}", f"{value - 1!r}")
    ]
    for text, cost in [*tried, *((text, 1.9) for text in _NUMBERS)]:
        number = float(text)
        if number not in seen:
            seen.add(number)
            whole = isinstance(value, float) and "." not in text and "e" not in text
            spelled = f"{text}.0" if whole else text
            yield Edit(node, spelled, "negate" if number == -value else "constant", cost, spelled)
    for text in dict.fromkeys(_FRACTION.findall(here.text.source)):  # the slope that the forward has
        if float(text) not in seen:
            seen.add(float(text))
            yield Edit(node, text, "constant", 2.0, text)
    for name, size in here.counts.items():
        if size != value:
            yield Edit(node, name, "count", 2.2 if "." not in name else 2.5, name)
        if size**2 != value and "." not in name:  # of a square window
            yield Edit(node, f"({name} * {name})", "count", 2.5, name)
    for name in here.numbers:
        if isinstance(here.scope.names[name], float):
            yield Edit(node, name, "name", 2.3, name)


def without_sign(here: Material, node: ast.UnaryOp) -> Iterator[Edit]:
    """Take a sign or a negation away."""
    if isinstance(node.op, ast.USub):
        yield Edit(node, here.of(node.operand), "negate", 1.0)
    elif isinstance(node.op, (ast.Invert, ast.Not)):
        yield Edit(node, here.of(node.operand), "mask", 1.0)


def other_comparisons(here: Material, node: ast.Compare) -> Iterator[Edit]:
    """Offer another comparison, or none."""
    symbol = COMPARISONS.get(type(node.ops[0]))
    if symbol is not None and len(node.ops) == 1:
        for other in INSTEAD[symbol]:
            yield Edit(node, f"{here.of(node.left)} {other} {here.of(node.comparators[0])}", "compare", 1.2, other)
        yield Edit(node, here.of(node.left), "mask", 1.6)


def bare(here: Material, node: ast.Attribute) -> Iterator[Edit]:
    """Take a transpose away; count rows for entries."""
    if node.attr == "T":
        yield Edit(node, here.of(node.value), "transpose", 1.2)
    elif node.attr == "size" and np.ndim(here.scope.value(node.value)) > 1:
        yield Edit(node, f"len({here.of(node.value)})", "count", 1.6)


def other_entries(here: Material, node: ast.Subscript) -> Iterator[Edit]:
    """Offer the whole array for a part of it, or an index with two places exchanged."""
    if path_of(node) or not is_array(here.scope.value(node.value)):
        return
    yield Edit(node, here.of(node.value), "index", 2.2)
    if isinstance(node.slice, ast.Tuple):
        for order in here.exchanged(node.slice.elts):
            yield Edit(node, f"{here.operand(node.value, 5)}[{order}]", "index", 2.0)


# ---- operators ----------------------------------------------------------------------------------------------


def edits_of_operator(here: Material, node: ast.BinOp) -> Iterator[Edit]:
    """Yield edits of ``left op right``, without those inside its operands."""
    left, op, right = node.left, OPERATORS.get(type(node.op)), node.right
    if op is None:
        return
    level = {"+": 1, "-": 1, "**": 4}.get(op, 2)
    for other in INSTEAD.get(op, ()):
        wanted = {"+": 1, "-": 1, "**": 4}.get(other, 2)
        text = f"{here.operand(left, wanted)} {other} {here.operand(right, wanted + (other in '-/@'))}"
        yield Edit(node, text, "operator", 1.0 if {op, other} in ({"+", "-"}, {"*", "/"}) else 1.7, other)
    if op in "+-*/@//":
        tag = "drop_term" if op in "+-" else "drop_factor"
        twice = op in "+-" and here.of(right) in {here.of(n) for n in ast.walk(left) if isinstance(n, ast.expr)}
        yield Edit(node, here.of(left), tag, 0.9 if twice else 1.3, here.of(right))
        dropped = here.operand(right, 2) if op != "-" else f"-{here.operand(right, 2)}"
        dropped = f"1 / {here.operand(right, 3)}" if op == "/" else dropped
        yield Edit(node, dropped if op != "*" else here.of(right), tag, 1.3, here.of(left))
        if op in "-/":
            yield Edit(node, here.operand(right, 2), tag, 1.6, here.of(left))
    if op == "**":
        yield Edit(node, here.of(left), "power", 1.3)
        for text in ("2", "3", "-1", "-2", "0.5", "-0.5", "-1.5"):
            yield Edit(node, f"{here.operand(left, 5)} ** {text}", "power", 1.8, text)
    yield from _tokens(here, left, op, right)
    yield from _regrouped(here, node, left, op, right)
    if op in ("-", "/", "@", "**"):
        text = f"{here.operand(right, level)} {op} {here.operand(left, level + (op in '-/@'))}"
        yield Edit(node, text, "exchange", 1.4)
    if op == "@":
        yield from products(here, node, left, right, "{} @ {}")


def _tokens(here: Material, left: ast.expr, op: str, right: ast.expr) -> Iterator[Edit]:
    """Another operator without brackets, which then binds otherwise: ``a + b / c`` for ``a * b / c``."""
    root = here.root
    (start, end), after, before = here.text.range(root), here.text.range(left)[1], here.text.range(right)[0]
    gap = here.text.source[after:before]
    if op not in gap:
        return
    at = after + gap.index(op)
    for other in INSTEAD.get(op, ()):
        if (op in "+-") == (other in "+-") or other == "@":
            continue
        new = here.text.source[start:at] + other + here.text.source[at + len(op) : end]
        try:
            ast.parse(f"({new})", mode="eval")
        except SyntaxError:
            continue
        yield Edit(root, new, "operator", 1.4, f"{op} {other}", (at, at + len(op), other))


def _regrouped(here: Material, node: ast.expr, left: ast.expr, op: str, right: ast.expr) -> Iterator[Edit]:
    """Brackets in another place: ``sqrt(v) + eps`` for ``sqrt(v + eps)``, ``a * b.sum()`` for ``(a * b).sum()``."""
    lefts, rights = here.operand(left, 2), here.operand(right, 2)
    if isinstance(left, ast.Call) and not left.keywords and len(left.args) == 1 and not here.is_method(left.func):
        tag = "eps_outside" if op == "+" and is_number(here.scope.value(right)) else "regroup"
        yield Edit(node, f"{here.of(left.func)}({here.of(left.args[0])} {op} {rights})", tag, 1.5)
    for call, other, first in ((right, lefts, True), (left, rights, False)):
        if not isinstance(call, ast.Call) or called(call.func) not in REDUCTIONS:
            continue
        inner = _operand(here, call)
        if inner is None or isinstance(inner, ast.Starred):
            continue
        tail = here.of(call)[here.text.range(inner)[1] - here.text.range(call)[0] :]
        one, two = (other, here.operand(inner, 3)) if first else (here.operand(inner, 2), other)
        text = f"{here.of(call.func)}({one} {op} {two}{tail}"
        if here.is_method(call.func):
            text = f"({one} {op} {two}){tail[tail.index('.' + called(call.func)) :]}"
        yield Edit(node, text, "regroup", 1.5)
    if isinstance(right, ast.BinOp) and type(right.op) in OPERATORS and not here.bracketed(right):
        inner_op = OPERATORS[type(right.op)]
        if (op in "+-") != (inner_op in "+-"):  # a - b / c for (a - b) / c
            text = f"({here.of(left)} {op} {here.of(right.left)}) {inner_op} {here.operand(right.right, 3)}"
            yield Edit(node, text, "regroup", 1.7)
    if isinstance(left, ast.BinOp) and type(left.op) in OPERATORS:
        inner_op = OPERATORS[type(left.op)]
        if (op in "+-") != (inner_op in "+-"):  # (a - b) / c and a - b / c
            text = f"{here.operand(left.left, 2)} {inner_op} ({here.of(left.right)} {op} {rights})"
            yield Edit(node, text, "regroup", 1.7)


def products(here: Material, node: ast.expr, left: ast.expr, right: ast.expr, form: str) -> Iterator[Edit]:
    """Yield a product of matrices in another order, or with another one transposed; `form` says how it is spelled."""
    a, b = here.operand(left, 5), here.operand(right, 5)
    at, bt = (_transposed(text, np.ndim(here.scope.value(n))) for text, n in ((a, left), (b, right)))
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


def other_functions(here: Material, node: ast.Call) -> Iterator[Edit]:
    """Offer another function of the file with as many arguments: ``sigmoid_backward`` for ``relu_backward``."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    count = next((n for other, n in _backwards(here) if other == name), 0)
    for other, n in _backwards(here):
        if n == count and other != name:
            yield Edit(node, other + here.of(node)[len(name) :], "function", 1.5, other)


def through_a_function(here: Material, node: ast.expr) -> Iterator[Edit]:
    """Offer a gradient sent back through a function of the file: ``relu_backward(dA, z)`` for ``dA``."""
    name = path_of(node)
    if node is not here.root or not meanings(name):
        return
    held = here.scope.names.items()
    caches = [n for n, v in held if isinstance(v, (tuple, np.ndarray)) and not meanings(n) and n.isidentifier()]
    for function, count in _backwards(here):
        if count == 2:
            for cache in caches[:8]:
                yield Edit(node, f"{function}({name}, {cache})", "rewritten", 2.6, cache)


def _backwards(here: Material) -> list[tuple[str, int]]:
    """Return the other functions of the user's file that send a gradient back, with the number of their arguments."""
    functions = ((n, f) for n, f in here.scope.space.items() if isinstance(f, types.FunctionType))
    return [
        (n, f.__code__.co_argcount) for n, f in functions
        if f.__module__ == here.scope.space.get("__name__") and re.search("backward|_bwd|_grad|deriv|prime", n)
    ]  # fmt: skip


def _transposed(text: str, ndim: int) -> str:
    """Return the text of a matrix transposed, or of many of them."""
    tail = {3: ".transpose(0, 2, 1)", 4: ".transpose(0, 1, 3, 2)"}.get(ndim, ".T")
    return text.removesuffix(tail) if text.endswith(tail) else f"{text}{tail}"


# ---- calls --------------------------------------------------------------------------------------------------


_TWINS: dict[str, tuple[str, ...]] = {
    "sum": ("mean", "max"), "mean": ("sum",), "max": ("sum", "min", "mean"), "min": ("max",), "amax": ("amin", "sum"),
    "maximum": ("minimum",), "minimum": ("maximum",), "zeros": ("ones",), "ones": ("zeros",),
    "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "exp": ("log",), "log": ("exp",), "sqrt": ("square",),
    "square": ("sqrt",), "var": ("std", "mean"), "std": ("var",), "argmax": ("argmin",), "argmin": ("argmax",),
    "multiply": ("divide", "add", "subtract"), "divide": ("multiply",), "add": ("subtract", "multiply"),
    "subtract": ("add",), "dot": ("multiply",), "hstack": ("vstack",), "vstack": ("hstack",), "tanh": ("exp",),
}  # fmt: skip
_ONE_SIDED = ("maximum", "minimum", "subtract", "divide", "where", "outer")  # two arguments that are easily exchanged
_UNARY = {"sqrt", "square", "exp", "log", "abs", "negative", "transpose", "reciprocal", "ravel", "squeeze"}


def edits_of_call(here: Material, node: ast.Call) -> Iterator[Edit]:
    """Yield edits of a whole call, without those inside its arguments."""
    name, method = called(node.func), here.is_method(node.func)
    start, _ = here.text.range(node)
    operands = ([node.func.value] if method else []) + list(node.args)  # type: ignore[attr-defined]
    if not operands or isinstance(operands[0], ast.Starred):
        return
    first = operands[0]
    if name == "len" and np.ndim(here.scope.value(first)) > 1:
        yield Edit(node, f"{here.operand(first, 5)}.size", "count", 1.6)
    func_end = here.text.range(node.func)[1]
    whole = here.of(node)
    for other in _TWINS.get(name, ()):
        if whole[: func_end - start].endswith(name):
            text = whole[: func_end - start - len(name)] + other + whole[func_end - start :]
            both = {name, other} == {"sum", "mean"}
            yield Edit(node, text, "mean_sum" if both else "function", 1.0 if both else 1.6, other)
    if name in REDUCTIONS or name in _UNARY:
        yield Edit(node, here.of(first), "oversummed" if name in REDUCTIONS else "function", 1.5, name)
    if name in REDUCTIONS:
        yield from _axes(here, node, first, method)
    if name in ("dot", "matmul") and len(operands) == 2:
        left, right = operands
        head = whole[: func_end - start]
        form = "{}." + name + "({})" if method else head.replace("{", "{{") + "({}, {})"
        yield from products(here, node, left, right, form)
        yield Edit(node, f"{here.operand(left, 2)} * {here.operand(right, 3)}", "operator", 2.0)
    plain = not (method or node.keywords or name in REDUCTIONS or name in ("dot", "matmul"))
    if len(node.args) >= 2 and (plain or name in _ONE_SIDED):
        parts, at = [here.of(arg) for arg in node.args], int(name == "where" and len(node.args) == 3)
        parts[at], parts[at + 1] = parts[at + 1], parts[at]
        cost = 1.4 if name in _ONE_SIDED else 1.8
        yield Edit(node, f"{here.of(node.func)}({', '.join(parts)})", "exchange", cost)
    if name in ("hstack", "vstack", "concatenate", "stack") and isinstance(first, (ast.Tuple, ast.List)):
        brackets = "({})" if isinstance(first, ast.Tuple) else "[{}]"
        for i, j in itertools.combinations(range(len(first.elts)), 2):
            parts = [here.of(element) for element in first.elts]
            parts[i], parts[j] = parts[j], parts[i]
            yield Edit(first, brackets.format(", ".join(parts)), "order", 1.5)


def _axes(here: Material, node: ast.Call, operand: ast.expr, method: bool) -> Iterator[Edit]:
    """Another axis, another keepdims, of a reduction."""
    value = here.scope.value(operand)
    ndim = value.ndim if isinstance(value, np.ndarray) else 2
    place = 0 if method else 1
    given = {k.arg: k for k in node.keywords}
    positional = node.args[place] if len(node.args) > place and not isinstance(node.args[place], ast.Starred) else None
    if len(node.args) > place + 1 or None in given:
        return
    axis = here.of(given["axis"].value) if "axis" in given else here.of(positional) if positional else ""
    keep = here.of(given["keepdims"].value) if "keepdims" in given else ""
    others = [f"{k.arg}={here.of(k.value)}" for k in node.keywords if k.arg not in ("axis", "keepdims")]
    head = [] if method else [here.of(operand)]

    def text(new_axis: str, new_keep: str, spelled: bool = True) -> str:
        parts = [*head]
        if new_axis:
            parts.append(f"axis={new_axis}" if spelled else new_axis)
        parts += others
        if new_keep:
            parts.append(f"keepdims={new_keep}")
        return f"{here.of(node.func)}({', '.join(parts)})"

    spelled = positional is None
    if positional is not None and not _is_axis(here.scope.value(positional)):
        # np.sum(a, b, axis=0) for np.sum(a * b, axis=0)
        yield Edit(
            node,
            _merged(here, node, head, positional, axis="" if "axis" not in given else axis, keep=keep),
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
    choices += [(s, "axis" if axis else "axis_missing") for s in singles if s.replace(" ", "") != axis.replace(" ", "")]
    for new, tag in choices:
        yield Edit(node, text(new, keep, spelled or not axis), tag, 1.0 if new else 1.4, new)
        if not keep or not axis:  # keepdims=True where axis=0 was meant
            yield Edit(node, text(new, "" if keep else "True", spelled or not axis), tag, 1.8, new)
    calls = (n for n in ast.walk(here.root) if isinstance(n, ast.Call) and called(n.func) in REDUCTIONS)
    again = any(_operand(here, call) is node for call in calls)
    far = 0.6 if again else 0.0  # of a sum that is summed again, rather that is too much
    yield Edit(node, text(axis, "" if keep else "True", spelled), "keepdims", (0.9 if keep else 1.1) + far)


def _operand(here: Material, call: ast.Call) -> ast.expr | None:
    """Return what a reduction is taken of."""
    return call.func.value if here.is_method(call.func) else next(iter(call.args), None)  # type: ignore[attr-defined]


def _is_axis(value: Any) -> bool:
    """Return whether what is given by position to a reduction can be its axis, rather than a second operand."""
    return value is None or isinstance(value, (int, np.integer, tuple, list))


def _merged(here: Material, node: ast.Call, head: list[str], second: ast.expr, axis: str, keep: str) -> str:
    """``np.sum(a * b, axis=0)`` of ``np.sum(a, b, axis=0)``."""
    first = here.operand(node.args[0], 2) if head else ""
    parts = [f"{first} * {here.operand(second, 2)}"] if head else []
    parts += [f"axis={axis}"] if axis else []
    parts += [f"keepdims={keep}"] if keep else []
    return f"{here.of(node.func)}({', '.join(parts)})"
