"""Read the student's text: places in it, its functions, what a statement reads and assigns, the variables before it."""

from __future__ import annotations

import ast
import io
import re
import textwrap
from bisect import bisect
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from micrograd.marker.gradient_names import gradient_target, meanings
from micrograd.marker.report import Span

__all__ = [
    "Root", "Scope", "Statement", "Target", "Text", "assigned", "defined", "divides", "entries_returned", "function_in",
    "index_like", "is_array", "is_number", "is_static", "is_value", "own_nodes", "parameters_of", "path_of", "reads_of",
    "returned", "returns_of", "roots_of", "targets_of", "value_in",
]  # fmt: skip


# ---- places -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Source text that knows where its syntax nodes lie.

    >>> text = Text("a = b + c")
    >>> node = ast.parse(text.source).body[0].value
    >>> text.of(node), text.span(node)
    ('b + c', Span(line=1, column=4, end_line=1, end_column=9))
    """

    source: str
    lines: list[str] = field(init=False)
    starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        lines = io.StringIO(self.source, newline="").readlines()  # where Python begins a line: not at a form feed
        object.__setattr__(self, "lines", lines)
        object.__setattr__(self, "starts", [*accumulate(map(len, lines), initial=0)])

    def offset(self, line: int, byte: int) -> int:
        """Return where in the text a line and byte column of `ast` are."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        inside = byte if text.isascii() else len(text.encode()[:byte].decode(errors="ignore"))
        return self.starts[line - 1] + inside

    def range(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Return the start and end of a node, as offsets in the text."""
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )

    def of(self, node: ast.stmt | ast.expr) -> str:
        """Return what the student wrote for a node."""
        start, end = self.range(node)
        return self.source[start:end]

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and column, in characters, of an offset."""
        line = max(1, min(bisect(self.starts, offset), len(self.lines)))
        return line, offset - self.starts[line - 1]

    def between(self, start: int, end: int) -> Span:
        """Return the span of a range of offsets."""
        return Span(*self.place(start), *self.place(end))

    def ends(self, span: Span) -> tuple[int, int]:
        """Return the range of offsets of a span."""
        return self.starts[span.line - 1] + span.column, self.starts[span.end_line - 1] + span.end_column

    def span(self, node: ast.stmt | ast.expr) -> Span:
        """Return the span of a node."""
        return self.between(*self.range(node))

    def whole_lines(self, span: Span) -> str:
        """Return the lines that a span touches, without their common margin."""
        return textwrap.dedent("".join(self.lines[span.line - 1 : span.end_line])).rstrip("\n\r")

    def edited(self, start: int, end: int, new: str) -> str:
        """Return the text with a range replaced."""
        return self.source[:start] + new + self.source[end:]


# ---- functions ----------------------------------------------------------------------------------------------


def defined(body: list[ast.stmt], prefix: str = "") -> dict[str, ast.FunctionDef]:
    r"""Return the functions of a module's body by name, methods as ``Class.method``; of two of one name the last.

    >>> list(defined(ast.parse("def f(): ...\nclass A:\n    def g(self): ...").body))
    ['f', 'A.g']
    """
    found: dict[str, ast.FunctionDef] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found[prefix + node.name] = node
        elif isinstance(node, ast.ClassDef) and not prefix:
            found |= defined(node.body, f"{node.name}.")
        elif isinstance(node, (ast.If, ast.Try)):
            found |= defined([s for s in ast.iter_child_nodes(node) if isinstance(s, ast.stmt)], prefix)
    return found


def function_in(source: str, name: str) -> ast.FunctionDef | None:
    """Return the function, or for ``Class.method`` the method, of that name."""
    return defined(ast.parse(source).body).get(name)


def is_static(function: ast.FunctionDef) -> bool:
    """Return whether a method needs no object."""
    return any(ast.unparse(mark) == "staticmethod" for mark in function.decorator_list)


def own_nodes(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield the syntax inside a function; of functions and classes inside it only their heads."""
    queue = deque[ast.AST](function.body)
    while queue:
        node = queue.popleft()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            queue.extend(ast.iter_child_nodes(node))


def returns_of(function: ast.FunctionDef) -> list[ast.expr]:
    """Return what its own return statements return (not those of functions inside it)."""
    return [node.value for node in own_nodes(function) if isinstance(node, ast.Return) and node.value is not None]


def _returned_last(source: str, name: str) -> ast.expr | None:
    function = function_in(source, name)
    return max(returns_of(function), key=lambda value: value.lineno, default=None) if function else None


def returned(source: str, name: str) -> tuple[tuple[str, ...], bool] | None:
    r"""Return what the last return statement of a function returns, and whether it is a tuple.

    None where it cannot be known.

    An entry that is no plain name goes by the one gradient in it; else it is the empty string.

    >>> returned("def f(a):\n    return a, a + 1, da / 2", "f")
    (('a', '', 'da'), True)
    """
    last = _returned_last(source, name)
    if last is None or isinstance(last, (ast.Call, ast.Dict)):
        return None
    entries = last.elts if isinstance(last, (ast.Tuple, ast.List)) else [last]
    names = tuple(entry.id if isinstance(entry, ast.Name) else _gradient_in(entry) for entry in entries)
    starred = any(isinstance(entry, ast.Starred) for entry in entries)
    return None if starred else (names, isinstance(last, (ast.Tuple, ast.List)))


def entries_returned(source: str, name: str) -> list[tuple[int | str, str]]:
    r"""Return the names in the tuple that a function returns last, in lists inside it too, with their places.

    >>> entries_returned("def f(a):\n    return a, [b, c]", "f")
    [(0, 'a'), ('1.0', 'b'), ('1.1', 'c')]
    """
    last, found = _returned_last(source, name), list[tuple[int | str, str]]()
    for i, entry in enumerate(last.elts if isinstance(last, ast.Tuple) else ()):
        if isinstance(entry, (ast.Tuple, ast.List)):
            found += [(f"{i}.{j}", one.id) for j, one in enumerate(entry.elts) if isinstance(one, ast.Name)]
        elif isinstance(entry, ast.Name):
            found.append((i, entry.id))
    return found


def _gradient_in(entry: ast.expr) -> str:
    """Return the one name of a gradient in an expression that scales it or sums it up; or nothing."""
    if not isinstance(entry, (ast.BinOp, ast.UnaryOp, ast.Call)):
        return ""
    names = {n.id for n in ast.walk(entry) if isinstance(n, ast.Name) and gradient_target(n.id)}
    return names.pop() if len(names) == 1 else ""


def assigned(source: str, name: str) -> tuple[str, ...]:
    """Return the variables that a function assigns, in order."""
    function = function_in(source, name)
    found = [n for n in ast.walk(function) if isinstance(n, ast.Name)] if function else []
    return tuple(dict.fromkeys(n.id for n in found if isinstance(n.ctx, ast.Store)))


def parameters_of(source: str, name: str) -> tuple[str, ...]:
    """Return the parameters of a function in the text, `self` left out; nothing where it is not there or takes any.

    >>> parameters_of("def f(x, *, eps=1e-5): ...", "f")
    ('x', 'eps')
    """
    function = function_in(source, name)
    if function is None or function.args.kwarg is not None:
        return ()
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return tuple(argument.arg for argument in arguments if argument.arg != "self")


# ---- statements ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """What a statement writes.

    Attributes:
        name: ``dx`` for ``dx = ...`` and for ``dx[i] = ...``; ``self.dw`` and ``grads['w']`` as they are spelled.
        expr: how to read it back.
        item: whether only a part of an array is written.
    """

    name: str
    expr: ast.expr
    item: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    """A whole expression of a statement: a right-hand side, one of several returned values, an index that is written.

    Attributes:
        expr: the expression.
        role: ``value``, ``index``, ``test`` or ``loop``.
        position: which of several values of a tuple, or -1.
        name: the variable that it is assigned to; the name of the value itself where it is returned.
    """

    expr: ast.expr
    role: str = "value"
    position: int = -1
    name: str = ""


@dataclass(slots=True)
class Statement:
    """One statement of the student's, watched as a unit.

    Attributes:
        number: position in `StudentCode.statements`.
        node: the syntax; of a block only its head belongs to it.
        function: where it stands.
        looped: whether it stands in a loop.
    """

    number: int
    node: ast.stmt
    function: str
    looped: bool
    targets: tuple[Target, ...] = ()
    reads: tuple[str, ...] = ()
    roots: tuple[Root, ...] = ()
    controls: tuple[int, ...] = ()  # the heads of the blocks that it stands in
    in_place: bool = False
    writes_by_call: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that it writes."""
        return tuple(target.name for target in self.targets)

    @property
    def unpacks(self) -> bool:
        """Return whether it only takes apart what came in: ``x, w, b = cache``, ``gamma = cache['gamma']``."""
        node = self.node
        if not isinstance(node, ast.Assign):
            return False
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        tuples = any(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets)
        return all(
            (tuples and path_of(value))
            or (
                isinstance(value, ast.Subscript)
                and isinstance(value.slice, ast.Constant)
                and not path_of(value.value).endswith(".shape")
            )
            for value in values
        )


def path_of(node: ast.expr) -> str:
    """Return a variable as it is spelled: ``a``, ``self.a``, ``cache['a']``; empty for other expressions.

    >>> [path_of(ast.parse(text, mode="eval").body) for text in ("a", "self.a", "c['x']", "a[0]", "f(a)")]
    ['a', 'self.a', "c['x']", '', '']
    """
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            base = path_of(value)
            return f"{base}.{attr}" if base else ""
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            base = path_of(value)
            return f"{base}[{key!r}]" if base else ""
    return ""


def targets_of(node: ast.expr) -> Iterator[Target]:
    """Yield what is written when something is assigned to an expression."""
    match node:
        case ast.Tuple(elts=elts) | ast.List(elts=elts):
            for element in elts:
                yield from targets_of(element)
        case ast.Starred(value=value):
            yield from targets_of(value)
        case _:
            whole = path_of(node)
            if whole:
                yield Target(whole, node)
            elif isinstance(node, (ast.Subscript, ast.Attribute)):
                base: ast.expr = node
                while isinstance(base, (ast.Subscript, ast.Attribute)) and not path_of(base):
                    base = base.value
                if path_of(base):
                    yield Target(path_of(base), base, True)


def reads_of(nodes: list[ast.expr]) -> tuple[str, ...]:
    """Return the variables that expressions load, in their longest spelling."""
    found: dict[str, None] = {}

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            spelled = path_of(node)
            if spelled:
                found[spelled] = None
                return
        for child in ast.iter_child_nodes(node):
            visit(child)

    for node in nodes:
        visit(node)
    return tuple(found)


def roots_of(node: ast.stmt) -> tuple[Root, ...]:
    """Return the whole expressions of a statement."""
    found: list[Root] = []
    match node:
        case ast.Return(value=ast.Tuple(elts=elts)):
            found += [Root(e, "value", i, path_of(e)) for i, e in enumerate(elts)]
        case ast.Return(value=ast.expr() as value):
            found.append(Root(value, name=path_of(value)))
        case ast.Assign(targets=[ast.Tuple(elts=names) | ast.List(elts=names)], value=ast.Tuple(elts=values)) if len(
            names
        ) == len(values):
            found += [Root(e, "value", i, path_of(t)) for i, (t, e) in enumerate(zip(names, values, strict=True))]
        case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            target = node.targets[-1] if isinstance(node, ast.Assign) else node.target
            name = next((t.name for t in targets_of(target)), "")
            found.append(Root(value, name=name))
            if isinstance(target, ast.Subscript) and not path_of(target):
                found.append(Root(target.slice, "index", name=name))
        case ast.Expr(value=ast.Call(args=args, keywords=keywords)):
            found += [Root(a, "argument", i) for i, a in enumerate(args) if not isinstance(a, ast.Starred)]
            found += [Root(k.value, "argument") for k in keywords if k.arg != "out"]
        case ast.If(test=test) | ast.While(test=test):
            found.append(Root(test, "test"))
        case ast.For(iter=iterable):
            found.append(Root(iterable, "loop"))
    return tuple(found)


# ---- variables ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Scope:
    """The variables before a statement, and what expressions are worth in them.

    Attributes:
        names: all local variables.
        space: globals and locals in one, to evaluate in.
        text: of the file.
        loops: the variables of the loops around it, the outermost first.
        items: of a loop what the file reads of arrays by variables: ``w[f]``.
        said: what other functions of the file assign to variables: a window, a mask.
    """

    names: Mapping[str, Any]
    space: dict[str, Any]
    text: Text
    loops: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _values: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        held = getattr(self.names.get("self"), "__dict__", {})
        own = {f"self.{key}": value for key, value in held.items()}
        entries = own | {
            f"{name}[{key!r}]": entry
            for name, value in {**self.names, **own}.items() if isinstance(value, dict)
            for key, entry in value.items() if isinstance(key, str)
        }  # fmt: skip
        if entries:
            self.names = {**self.names, **entries}

    def value(self, node: ast.expr) -> Any:
        """Return what an expression is worth; None where it raises."""
        if id(node) not in self._values:
            self._values[id(node)] = value_in(node, self.space)
        return self._values[id(node)]

    def value_of(self, text: str) -> Any:
        """Return what an expression in the student's words is worth; None where it raises."""
        return value_in(text, self.space)

    def arrays(self) -> list[str]:
        """Return names of arrays of numbers, in order of assignment."""
        return [name for name, value in self.names.items() if is_array(value)]

    def numbers(self) -> list[str]:
        """Return names of numbers: N, D, eps."""
        return [name for name, value in self.names.items() if is_number(value)]

    def settings(self) -> list[str]:
        """Return the texts of the numbers of an object or a dictionary: ``self.ratio``, ``dropout_param['p']``."""
        found = []
        for name, value in self.names.items():
            if isinstance(value, dict):
                found += [f"{name}[{key!r}]" for key, entry in value.items() if isinstance(entry, float)]
            elif name == "self":
                found += [f"{name}.{key}" for key, entry in vars(value).items() if isinstance(entry, float)]
        return found

    def counts(self) -> dict[str, int]:
        """Return how a size of an axis can be written: by a variable, else by the shape of an array."""
        found = {
            name: int(value) for name, value in self.names.items()
            if isinstance(value, (int, np.integer)) and value > 1
        }  # fmt: skip
        for name in self.arrays():
            for axis, size in enumerate(np.shape(self.names[name])):
                if size > 1 and size not in found.values():
                    found[f"{name}.shape[{axis}]"] = size
        return found


def value_in(part: ast.expr | str, space: dict[str, Any], names: Mapping[str, Any] | None = None) -> Any:
    """Return what an expression is worth in these globals and locals; None where it raises."""
    try:
        with np.errstate(all="ignore"):
            code = part if isinstance(part, str) else compile(ast.Expression(part), "<part>", "eval", dont_inherit=True)
            return eval(code, space, names)  # noqa: S307 - the student's expression
    except Exception:  # noqa: BLE001 - the student's expression may raise anything
        return None


def is_array(value: Any) -> bool:
    """Return whether a value is an array of floats or a mask, and not empty."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fb" and value.size > 0


def is_number(value: Any) -> bool:
    """Return whether it is a number, whole or not; True and False are none."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_value(value: Any) -> bool:
    """Return whether something may be missing around it: an array, or a number that counts nothing."""
    return is_array(value) or isinstance(value, (float, np.floating))


def index_like(value: Any) -> bool:
    """Return whether it can stand in square brackets: whole numbers, slices, masks."""
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, np.integer, slice)) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub")


def divides(text: str, value: Any) -> bool:
    """Return whether an edit may divide by a value: one that is never 0, as a count, a root or a sum of exponentials.

    No gradient is, and nothing that takes both signs, nor its square: it may be 0 on other inputs.
    """
    array = np.asarray(value)
    if re.search(r"\*\*\s*2\)*$", text.strip()):
        return False
    named = any(meanings(name) for name in re.findall(r"[A-Za-z_]\w*", text))
    return array.dtype.kind in "fiu" and not named and bool(np.all(array > 0))
