"""Say what an exception of the student's code means: the place that raised it, and what Python's words leave out.

The place is that of the instruction, so that a long line is marked where it stopped; the variables are those of the
frame that it stopped in.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from micrograd.marker.gradient_names import gradient_target
from micrograd.marker.messages import problem
from micrograd.marker.report import Finding, Span
from micrograd.marker.student.statements import Text, value_in

__all__ = ["Stop", "finding_of_syntax", "near", "stop_of"]

_UNPACKED = re.compile(r"(too many|not enough) values to unpack")
_SHAPES = re.compile(
    r"could not be broadcast together|mismatch in its core dimension|not aligned|do(es)? not have enough"
)
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**", ast.BitXor: "^",
    ast.FloorDiv: "//", ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the student's code stopped, and why.

    Attributes:
        words: the exception and what it means here, in English; `micrograd.marker.messages.translated` reads it.
        span: what raised it; None where no line of the file did.
        source: its lines.
        edits: texts that may stand in the place of a range of the file, the likeliest first: (start, end, text).
        unwritten: whether it stopped at something that is not written yet.
    """

    words: str
    span: Span | None = None
    source: str = ""
    edits: tuple[tuple[int, int, str], ...] = ()
    unwritten: bool = False


def near(name: str, names: Any) -> list[str]:
    """Return the names that are written like one, the nearest first: a slip of the finger, or of the case.

    >>> near("dOut", ["dout", "out", "x"]), near("sq_typo", ["sq", "xmu"]), near("q", ["k", "v"])
    (['dout'], ['sq'], [])
    """
    known = [one for one in dict.fromkeys(names) if not one.startswith("__") and one != name]
    same = [one for one in known if one.lower().replace("_", "") == name.lower().replace("_", "")]
    close = difflib.get_close_matches(name, known, 4, 0.66)
    begun = [one for one in known if len(one) > 1 and (name.startswith(one) or one.startswith(name)) and len(name) > 1]
    return list(dict.fromkeys([*same, *close, *sorted(begun, key=lambda one: -len(one))]))[:4]


def stop_of(error: BaseException, file: str, source: str) -> Stop:
    """Return what an exception that came through the student's file means."""
    inner: TracebackType | None = None
    trace = error.__traceback__
    while trace is not None and not (inner and isinstance(error, RecursionError)):
        inner = trace if trace.tb_frame.f_code.co_filename == file else inner
        trace = trace.tb_next
    kind, message = type(error).__name__, " ".join(str(error).split()).rstrip(".")
    plain = f"{kind}: {message}" if message else kind
    if inner is None:
        return Stop(plain)
    text = Text(source)
    places = list(inner.tb_frame.f_code.co_positions())
    line, end_line, column, end_column = places[inner.tb_lasti // 2] if inner.tb_lasti >= 0 else (None,) * 4
    line = line or inner.tb_lineno
    if line > len(text.lines):
        return Stop(plain)
    bare = column is None or end_line is None or end_column is None or end_line > len(text.lines)
    if bare:
        start, end = text.starts[line] - len(text.lines[line - 1].lstrip()), text.starts[line - 1]
        end += len(text.lines[line - 1].rstrip())
    else:
        start, end = text.offset(line, column or 0), text.offset(end_line or line, end_column or 0)
    frame = _Frame(inner, text, start, end)
    words, edits = frame.explained(error, kind, message)
    span = text.between(start, end)
    unwritten = isinstance(error, NotImplementedError) or frame.blank
    return Stop(words or plain, span, text.whole_lines(span), tuple(edits), unwritten)


def finding_of_syntax(error: SyntaxError, source: str) -> Finding:
    """Return the place of a syntax error as a finding."""
    text = Text(source)
    line = min(error.lineno or 1, max(1, len(text.lines)))
    length = len(text.lines[line - 1].rstrip()) if text.lines else 0
    column = min(max(0, (error.offset or 1) - 1), max(0, length - 1))
    last = error.end_offset - 1 if error.end_lineno == line and error.end_offset else column + 1
    span = Span(line, column, line, max(column + 1, last))
    return Finding("wrong", "call_error", span, text.whole_lines(span), reason=f"SyntaxError: {error.msg}")


class _Frame:
    """The place where the code stopped, and the variables there."""

    def __init__(self, trace: TracebackType, text: Text, start: int, end: int) -> None:
        self.frame = trace.tb_frame
        self.text, self.start, self.end = text, start, end
        self.blank = False
        self.node, self.statement = None, None
        try:
            tree = ast.parse(text.source)
        except SyntaxError:
            return
        for node in ast.walk(tree):
            if isinstance(node, (ast.stmt, ast.expr)) and node.lineno <= trace.tb_lineno <= (node.end_lineno or 0):
                found = text.range(node)
                if found == (start, end):
                    self.node = node
                if isinstance(node, ast.stmt) and found[0] <= start and end <= found[1]:
                    self.statement = node

    def value(self, node: ast.expr) -> Any:
        """Return what a part of the expression is worth."""
        return value_in(node, self.frame.f_globals, dict(self.frame.f_locals))

    def explained(self, error: BaseException, kind: str, message: str) -> tuple[str, list[tuple[int, int, str]]]:
        """Return the exception in words that say what to look at, and what may be meant."""
        match error:
            case NameError():
                return self.name(error, kind)
            case MemoryError():
                return problem("stop.memory", kind=kind, message=message or "no memory is left"), []
            case RecursionError():
                return problem("stop.recursion", kind=kind, name=self.frame.f_code.co_name), []
            case AttributeError(name=str(name), obj=owner) if isinstance(self.node, ast.Attribute):
                return self.attribute(kind, name, owner)
            case KeyError(args=[key]) if isinstance(self.node, ast.Subscript):
                held, base = self.value(self.node.value), self.text.of(self.node.value)
                if isinstance(held, dict):
                    keys = ", ".join(map(repr, held)) or "nothing"
                    return problem("stop.key", kind=kind, base=base, entry=repr(key), keys=keys), []
            case IndexError() if isinstance(self.node, ast.Subscript):
                held, base = self.value(self.node.value), self.text.of(self.node.value)
                if hasattr(held, "__len__"):
                    many = f"shape {np.shape(held)}" if isinstance(held, np.ndarray) else f"{len(held)} entries"
                    return problem("stop.index", kind=kind, message=message, base=base, many=many), []
            case ValueError() if _UNPACKED.search(message):
                return self.unpacked(kind), []
        return self.operands(kind, message)

    def name(self, error: NameError, kind: str) -> tuple[str, list[tuple[int, int, str]]]:
        name = error.name or (re.findall(r"'(\w+)'", str(error)) or [""])[0]
        code = self.frame.f_code
        stored = (n for n in ast.walk(ast.parse(self.text.source)) if isinstance(n, ast.Name) and n.id == name)
        later = [
            n.lineno for n in stored
            if isinstance(n.ctx, ast.Store) and name in code.co_varnames and n.lineno >= (code.co_firstlineno or 0)
        ]  # fmt: skip
        known = [*self.frame.f_locals, *self.frame.f_globals, *dir(builtins)]
        other = {one for one in known if gradient_target(one) == name} | {gradient_target(name)}  # x is no slip of dx
        found = near(name, [one for one in known if not one.startswith("_") and one not in other])
        if later:
            words = problem("stop.unbound", kind=kind, name=name, line=min(later))
        elif found:
            words = problem("stop.name", kind=kind, name=name, near="`, `".join(found[:2]))
        else:
            words = problem("stop.nowhere", kind=kind, name=name)
        own = [one for one in self.frame.f_locals if one not in found and not one.startswith("_")]
        if not isinstance(self.node, ast.Name):
            return words, []
        return words, [(self.start, self.end, one) for one in [*found, *own]]

    def attribute(self, kind: str, name: str, owner: Any) -> tuple[str, list[tuple[int, int, str]]]:
        assert isinstance(self.node, ast.Attribute)
        base = self.text.of(self.node.value)
        if owner is None or owner is Ellipsis:
            self.blank = owner is Ellipsis
            return problem("stop.is", kind=kind, base=base, value=repr(owner)), []
        found = near(name, [one for one in dir(owner) if not one.startswith("_")])
        if not found:
            return problem("stop.no_attribute", kind=kind, base=base, name=name), []
        words = problem("stop.attribute", kind=kind, base=base, name=name, near=found[0])
        return words, [(self.end - len(name), self.end, one) for one in found]

    def unpacked(self, kind: str) -> str:
        node = self.statement
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Tuple, ast.List)):
            held = self.value(node.value)
            if hasattr(held, "__len__"):
                base, names = self.text.of(node.value), len(node.targets[0].elts)
                return problem("stop.unpack", kind=kind, base=base, got=len(held), names=names)
        return ""

    def operands(self, kind: str, message: str) -> tuple[str, list[tuple[int, int, str]]]:
        """Return what the two sides of an operation are, where these do not go together."""
        node = self.node if isinstance(self.node, ast.expr) else self.statement
        parts: list[ast.expr] = []
        sign = ""
        match node:
            case ast.BinOp(left=left, right=right, op=op):
                parts, sign = [left, right], _OPERATORS.get(type(op), "")
            case ast.AugAssign(target=left, value=right, op=op):
                read = ast.parse(self.text.of(left), mode="eval").body
                parts, sign = [read, right], f"{_OPERATORS.get(type(op), '')}="
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy")) as function, args=arguments):
                parts, sign = [*arguments], self.text.of(function)
            case ast.Call(func=ast.Attribute(value=owner) as function, args=arguments):
                parts, sign = [owner, *arguments], f".{function.attr}"
            case ast.Call(func=function):
                called = self.value(function)
                if isinstance(called, (np.ndarray, float, np.floating)):
                    name = self.text.of(function)
                    return problem("stop.call", kind=kind, name=name), [(*self.text.range(function), f"{name} * ")]
        values = [self.value(part) for part in parts]
        written = [_spelled(self.text, part, node) for part in parts]
        for value, base in zip(values, written, strict=True):
            if value is Ellipsis or (value is None and "NoneType" in message and base != "None"):
                self.blank = value is Ellipsis
                return problem("stop.is", kind=kind, base=base, value=repr(value)), []
        if isinstance(node, ast.BinOp) and sign == "^":
            at = self.text.source.index("^", self.text.range(node.left)[1])
            return problem("stop.xor", kind=kind, message=message), [(at, at + 1, "**")]
        shaped = [(base, v.shape) for base, v in zip(written, values, strict=True) if isinstance(v, np.ndarray)]
        if kind == "ValueError" and _SHAPES.search(message) and len(shaped) > 1:
            (a, first), (b, second) = shaped[:2]
            return problem("stop.shapes", kind=kind, sign=sign, a=a, first=first, b=b, second=second), []
        return "", []


def _spelled(text: Text, part: ast.expr, node: ast.AST | None) -> str:
    if isinstance(node, ast.AugAssign) and part is not node.value:
        return text.of(node.target)
    return " ".join(text.of(part).split())
