"""Name values after the user's own source: the expression that made one, its statement, the step comment above it.

CPython (>= 3.11) keeps for each instruction the range of source that it was compiled from (PEP 657), so a running frame
tells the exact sub-expression that it evaluates. That range is found again in the syntax tree: where it is the whole
right-hand side of an assignment the value has the assigned name, where it is part of one the value is called after the
statement and the operation (``mu_sum``). Stages come from comments such as ``# Step 1: mean`` or ``# 第1步``, which the
tokenizer sees and the syntax tree does not.
"""

from __future__ import annotations

import ast
import io
import linecache
import os
import re
import sys
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import CodeType, FrameType
from typing import NamedTuple

import numpy as np

from micrograd.source.notebook_cells import TIMED, timed_cell

__all__ = [
    "MACHINERY", "PACKAGE", "CodePosition", "Context", "Expression", "Source", "context_of", "file_of",
    "function_lines", "function_name", "is_users_code", "is_users_file", "loops_around", "operand_names", "owner_of",
    "read", "shift_of", "source_of", "unique", "unique_names", "user_frames", "user_line",
]  # fmt: skip


PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_INSTALLED = f"{os.sep}site-packages{os.sep}"  # of an environment behind a link, or of another one
_LIBRARIES = tuple(
    os.path.normcase(path) + os.sep
    for key in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_paths().get(key))
)

MACHINERY = (
    *(
        "core/",
        "numpy_api/",
        "source/",
        "graph/",
        "tracing/",
        "program/",
        "compiler/",
        "stepper/",
        "nn/module.py",
        "display.py",
    ),
    *("engine.py", "primitives.py", "functional.py", "transforms.py", "anomaly.py", "modes.py"),
)
"""Where files of this package are machinery, by the start of their path in it. What is composed of primitives (batch
norm, the layers of `nn`) counts as a user's: its steps have names."""


# ---- files -------------------------------------------------------------------------------------------------


def is_users_code(file: str) -> bool:
    """Check that a user wrote a file: it is neither ours nor NumPy's, nor installed, nor Python's."""
    if file.startswith((PACKAGE, _NUMPY, "<frozen")):
        return False
    return not os.path.normcase(file).startswith(_LIBRARIES) and _INSTALLED not in file


@lru_cache(maxsize=1024)
def is_users_file(file: str, machinery: tuple[str, ...] = MACHINERY) -> bool:
    """Check that lines of a file are shown as the user's: it is neither machinery of this package nor NumPy's.

    Unlike `is_users_code` this holds for libraries that are installed: an error in one is best shown where it arose.
    """
    inside = file.startswith(PACKAGE) and (not machinery or _inside(file).startswith(machinery))
    return not inside and f"{os.sep}numpy{os.sep}" not in file


@lru_cache(maxsize=1024)
def owner_of(file: str) -> str:
    """Return whose a file is: ``user`` outside this package, ``composed`` of primitives in it, else empty."""
    if f"{os.sep}numpy{os.sep}" in file:
        return ""
    if not file.startswith(PACKAGE):
        return "user"
    return "" if _inside(file).startswith(MACHINERY) else "composed"


def _inside(file: str) -> str:
    """Return the path of a file of this package in it, with slashes."""
    return file[len(PACKAGE) :].replace(os.sep, "/")


# ---- frames ------------------------------------------------------------------------------------------------


def user_frames(
    depth: int = 1, *, until: FrameType | None = None, machinery: tuple[str, ...] = MACHINERY
) -> Iterator[FrameType]:
    """Yield the frames that belong to the user rather than to the engine or NumPy, from the innermost outwards.

    Args:
        depth: how many frames to leave out first; 1 is the caller's own.
        until: the frame to stop at, itself left out.
        machinery: files of this package that are not shown as the user's, by the start of their path in it; all
            where empty.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and frame is not until:
        if is_users_file(frame.f_code.co_filename, machinery):
            yield frame
        frame = frame.f_back


def user_line() -> str:
    """Return ``file.py:12`` of the innermost frame outside this package; empty when there is none."""
    for frame in user_frames(2, machinery=()):
        return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
    return ""


_STEP = re.compile(
    r"#+\s*((?:step|stage)\s*\d+|第\s*[\d一二三四五六七八九十]+\s*步|\(?\d+\s*[.):\uff1a])", re.IGNORECASE
)


# ---- ranges of text ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """A range of source text: lines are counted from 1, columns from 0, both ends as in `ast`.

    >>> str(Source("bn.py", "forward", 4, 4, 9, 15, "x - mu"))
    'bn.py:4'
    """

    file: str
    function: str
    line: int
    end_line: int
    column: int
    end_column: int
    text: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


class CodePosition(NamedTuple):
    """Where a frame stands: what `source_of` reads of it, without keeping the frame and its variables alive."""

    f_code: CodeType
    f_lasti: int
    f_lineno: int

    @classmethod
    def of(cls, frame: FrameType) -> CodePosition:
        """Return where a frame stands now."""
        return cls(frame.f_code, frame.f_lasti, frame.f_lineno)

    def __str__(self) -> str:
        return f"{os.path.basename(file_of(self.f_code))}:{self.f_lineno}"


@lru_cache(maxsize=4096)
def _ranges(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def file_of(code: CodeType) -> str:
    """Return the file, as `linecache` knows it, in which the text of running code stands."""
    return (code.co_filename in TIMED and timed_cell(code)) or code.co_filename


def shift_of(code: CodeType) -> int:
    """Return by how many columns the text stands right of where the code says: a cell may be compiled dedented.

    A line of a function's body begins where its first instruction does, but for lines such as ``for``.
    """
    return _shift(id(code), code)


@lru_cache(maxsize=4096)
def _shift(identity: int, code: CodeType) -> int:
    del identity  # codes of two files may be equal
    file = file_of(code)
    starts: dict[int, int] = {}
    for line, _, column, _ in code.co_positions():
        if line is not None and column is not None and line > code.co_firstlineno:
            starts[line] = min(column, starts.get(line, column))
    found: Counter[int] = Counter()
    for line, column in starts.items():
        text = linecache.getline(file, line)
        if text.strip():
            found[len(text.encode()) - len(text.encode().lstrip()) - column] += 1
    largest = max(found, default=0)  # of a line that begins with its first instruction
    return largest if 2 * found[largest] >= sum(found.values()) else 0


def source_of(frame: FrameType | CodePosition, instruction: int | None = None) -> Source:
    """Return the sub-expression that `frame` evaluates now, or did at an instruction that a traceback names."""
    code = frame.f_code
    line, end_line, column, end_column = _ranges(code)[(frame.f_lasti if instruction is None else instruction) // 2]
    line = line or frame.f_lineno
    end_line = end_line or line
    file, shift = file_of(code), shift_of(code)
    column, end_column = (column or 0) + shift, (end_column or 0) + shift
    text = _text_between(file, line, end_line, column, end_column)
    return Source(file, code.co_name, line, end_line, column, end_column, text)


def _text_between(file: str, line: int, end_line: int, column: int, end_column: int) -> str:
    """Return the source text of a range; empty where the source cannot be had. Columns are UTF-8 byte offsets."""
    lines = [linecache.getline(file, number).rstrip("\n").encode() for number in range(line, end_line + 1)]
    if not lines:
        return ""
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    return b"\n".join(lines).decode(errors="replace")


# ---- reading a file ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Context:
    """How the statement around an expression uses its value.

    Attributes:
        target: the name assigned; empty for a statement that assigns none.
        whole: whether the expression is all of the right-hand side.
        returns: whether the statement is a ``return``.
        line: the first line of the statement.
        item: whether what is assigned is an entry or a part of `target`, as in ``target[i] = ...``.
    """

    target: str
    whole: bool
    returns: bool
    line: int
    item: bool = False


class Expression(NamedTuple):
    """What the user's source says at a position of running code.

    Attributes:
        source: the range of text.
        context: how its statement uses it; None where the file cannot be read or parsed.
        step: the step comment above or beside it, as (file, line, title); the title is empty before the first one
            of the function, and there is no step where the function has no such comment.
    """

    source: Source
    context: Context | None
    step: tuple[str, int, str] | None


def read(positions: Iterable[CodePosition], *, steps: bool = True) -> list[Expression]:
    """Read what the user's source says at each of some positions of running code.

    Files are looked at once for all positions: whether one has changed on disk is a question to the system. Without
    `steps` no step comment is looked for, which takes as long as all else.
    """
    files: dict[str, _File] = {}
    known: dict[tuple[int, int], Expression] = {}  # codes of two files may be equal: ids tell them apart
    found: list[Expression] = []
    for position in positions:
        key = id(position.f_code), position.f_lasti
        if key not in known:
            path = file_of(position.f_code)
            file = files[path] = files.get(path) or _file(path)
            source = source_of(position)
            context = file.context(source)
            step = file.step(context.line if context else source.line) if steps else None
            known[key] = Expression(source, context, None if step is None else (path, *step))
        found.append(known[key])
    return found


def context_of(source: Source) -> Context | None:
    """Return how the statement around `source` uses it; None where the file cannot be read or parsed."""
    return _file(source.file).context(source)


def function_lines(file: str, line: int) -> tuple[int, int]:
    """Return the first and last line of the innermost function around `line`; the whole file outside any."""
    return _file(file).function_around(line) or (1, len(linecache.getlines(file)) or line)


def function_name(file: str, line: int) -> str:
    """Return the name of the innermost function around `line`, comprehensions not counted; `<module>` outside any."""
    return _file(file).function_name(line)


def loops_around(file: str, line: int) -> list[int]:
    """Return the first lines of the loops around a line, in its innermost function, outermost first."""
    return _file(file).loops_around(line)


def _file(path: str) -> _File:
    """Return what is known of a file as it is now."""
    linecache.checkcache(path)
    return _parsed("".join(linecache.getlines(path)))


class _File:
    """A text of Python, parsed; what is asked of it is worked out once, since the text never changes."""

    def __init__(self, text: str) -> None:
        self._text, self._tree = text, _tree(text)
        self._contexts: dict[tuple[int, int, int, int], Context | None] = {}
        self._stages: dict[int, tuple[int, str] | None] = {}

    @cached_property
    def _steps(self) -> list[tuple[int, str]]:
        return _step_comments(self._text)

    @cached_property
    def _functions(self) -> list[tuple[int, int, str]]:
        """Of every function the first and last line, and its name; the longest first."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        found = [node for node in ast.walk(self._tree) if isinstance(node, kinds)] if self._tree else []
        spans = [(node.lineno, node.end_lineno or node.lineno, getattr(node, "name", "<lambda>")) for node in found]
        return sorted(spans, key=lambda span: span[0] - span[1])

    @cached_property
    def _loops(self) -> list[tuple[int, int, int]]:
        """Of every loop its first line, and the first and last line of its body."""
        kinds = (ast.For, ast.AsyncFor, ast.While)
        found = [node for node in ast.walk(self._tree) if isinstance(node, kinds)] if self._tree else []
        return [(node.lineno, node.body[0].lineno, node.end_lineno or node.lineno) for node in found]

    def _statements(self, line: int) -> list[ast.stmt]:
        """Return the statements without a body that cover a line, in order; no others are looked at."""
        found: list[ast.stmt] = []
        around: list[ast.AST] = [self._tree] if self._tree else []
        while around:
            node = around.pop(0)
            inner = [item for _, value in ast.iter_fields(node) if isinstance(value, list) for item in value]
            for item in inner:
                if isinstance(item, ast.stmt) and not item.lineno <= line <= (item.end_lineno or item.lineno):
                    continue
                if isinstance(item, ast.stmt) and not hasattr(item, "body"):
                    found.append(item)
                elif isinstance(item, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                    around.append(item)
        return found

    def context(self, source: Source) -> Context | None:
        """Return how the statement around `source` uses it; None where the text cannot be parsed."""
        key = source.line, source.column, source.end_line, source.end_column
        if key not in self._contexts:
            around = (s for s in self._statements(source.line) if _covers(s, source))
            statement = next(around, None)
            if self._tree is None:
                self._contexts[key] = None
            elif statement is None:
                self._contexts[key] = Context("", False, False, source.line)
            else:
                self._contexts[key] = _context(statement, source)
        return self._contexts[key]

    def function_around(self, line: int) -> tuple[int, int] | None:
        """Return the first and last line of the innermost function around `line`; None outside any."""
        around = self._functions_around(line)
        return around[-1][:2] if around else None

    def function_name(self, line: int) -> str:
        """Return the name of the innermost function around `line`; `<module>` outside any."""
        around = self._functions_around(line)
        return around[-1][2] if around else "<module>"

    def _functions_around(self, line: int) -> list[tuple[int, int, str]]:
        return [span for span in self._functions if span[0] <= line <= span[1]]

    def loops_around(self, line: int) -> list[int]:
        """Return the first lines of the loops whose body holds `line`, in its innermost function."""
        first, last = self.function_around(line) or (1, sys.maxsize)
        return sorted(head for head, start, end in self._loops if start <= line <= end and first <= head <= last)

    def step(self, line: int) -> tuple[int, str] | None:
        """Return the step comment above or beside the statement at `line`, as (line, title).

        Before the first one it is the head of the function with no title; None in a function without step comments.
        """
        if line not in self._stages:
            first, last = self.function_around(line) or (1, sys.maxsize)
            titles = [step for step in self._steps if first <= step[0] <= last]
            # a comment behind the statement stands in its last line
            end = min([s.end_lineno or line for s in self._statements(line)], default=line)
            before = [step for step in titles if step[0] <= end]
            self._stages[line] = before[-1] if before else (first, "") if titles else None
        return self._stages[line]


_parsed = lru_cache(maxsize=64)(_File)


def _tree(text: str) -> ast.Module | None:
    """Return the syntax tree of a text; None where there is none."""
    try:
        return ast.parse(text) if text else None
    except SyntaxError:
        return None


def _step_comments(text: str) -> list[tuple[int, str]]:
    """Return the step comments of a text, as (line, title)."""
    if not _STEP.search(text):  # most texts have none, and finding tokens takes longer than parsing
        return []
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return []
    comments = ((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)
    return [(line, re.sub(r"^#+\s*|\s+$", "", comment)) for line, comment in comments if _STEP.match(comment)]


# ---- the syntax tree ---------------------------------------------------------------------------------------


def _covers(node: ast.stmt | ast.expr, source: Source) -> bool:
    start, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    return start <= (source.line, source.column) and (source.end_line, source.end_column) <= end


def _name(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            return key if key.isidentifier() else _name(value)
        case ast.Subscript(value=value) | ast.Starred(value=value):
            return _name(value)
    return ""


def _pairs(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    """Return each (name, right-hand side) of an assignment; ``a, b = f(x), g(x)`` has two."""
    match statement:
        case ast.Assign(targets=[*_, ast.Tuple(elts=names) | ast.List(elts=names)], value=ast.Tuple(elts=values)) if (
            len(names) == len(values)
        ):
            return [(_name(name), value) for name, value in zip(names, values, strict=True)]
        case ast.Assign(targets=[*_, target], value=value):
            return [(_name(target), value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
            return [(_name(target), value)]
    return []


def _context(statement: ast.stmt, source: Source) -> Context:
    """Return how `statement` uses the expression `source` in it."""
    end = (source.end_line, source.end_column)
    returned = [s.body for s in ast.walk(statement) if isinstance(s, ast.Lambda) and _covers(s.body, source)]
    if isinstance(statement, ast.Return) and statement.value is not None:
        returned.insert(0, statement.value)
    if returned:  # the innermost lambda comes last
        value = returned[-1]
        whole = (value.end_lineno, value.end_col_offset) == end and _starts(value, source)
        return Context("", whole, True, statement.lineno)
    if (subscript := _written(statement, source)) is not None:
        return Context(_name(subscript), True, False, statement.lineno, True)
    for target, value in _pairs(statement):
        if isinstance(statement, ast.AugAssign) and not _covers(value, source):
            item = isinstance(statement.target, ast.Subscript)
            is_read = item and _is_range_of(statement.target, source)  # what ``x[i] += 1`` reads first
            return Context(target, not is_read, False, statement.lineno, item)  # the operator spans the statement
        if _covers(value, source):
            # compare ends only: in a chain of methods the last call's range may start at any dot
            whole = (value.end_lineno, value.end_col_offset) == end and not isinstance(statement, ast.AugAssign)
            walrus = (n for n in ast.walk(value) if isinstance(n, ast.NamedExpr) and _covers(n.value, source))
            inner = next(walrus, None)
            if inner is not None:
                at_end = (inner.value.end_lineno, inner.value.end_col_offset) == end
                return Context(inner.target.id, at_end, False, statement.lineno)
            item = any(isinstance(part, ast.Subscript) for part in _targets(statement))
            return Context(target, whole and _starts(value, source), False, statement.lineno, item)
    return Context("", False, False, statement.lineno)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    """Return what a statement assigns to, one by one."""
    match statement:
        case ast.Assign(targets=targets):
            parts = [e.elts if isinstance(e, (ast.Tuple, ast.List)) else [e] for e in targets]
            return [part for each in parts for part in each]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [target]
    return []


def _written(statement: ast.stmt, source: Source) -> ast.Subscript | None:
    """Return the ``out[i]`` of ``out[i] = ...`` that `source` is."""
    for target in _targets(statement):
        if isinstance(target, ast.Subscript) and not isinstance(statement, ast.AugAssign) and _covers(target, source):
            return target if _is_range_of(target, source) else None
    return None


def _is_range_of(node: ast.expr, source: Source) -> bool:
    at = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    return at == (source.line, source.column, source.end_line, source.end_column)


def _starts(value: ast.expr, source: Source) -> bool:
    """Check that a range that ends with `value` is all of it: the right operand of ``a - b @ c`` ends there too."""
    if (source.line, source.column) == (value.lineno, value.col_offset):
        return True
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and source.line > value.lineno


# ---- names -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def operand_names(text: str) -> tuple[str, ...]:
    """Return what the user calls the operands of an expression, by slot; empty strings where it has no name.

    >>> operand_names("np.where(mask, x * 2, y)")
    ('mask', '', 'y')
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return ()
    match tree:
        case ast.BinOp(left=left, right=right):
            return (_name(left), _name(right))
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy" | "mg")), args=args):
            return (*map(_name, args),)
        case ast.Call(func=ast.Attribute(value=value), args=args):
            return (_name(value), *map(_name, args))
        case ast.UnaryOp(operand=operand):
            return (_name(operand),)
        case ast.Subscript(value=value):
            return (_name(value),)
    return ()


def unique(name: str, taken: dict[str, int]) -> str:
    """Return `name`, with primes where it is taken: ``x``, ``x'``, ``x''``, ``x'''``, ``x'4``.

    `taken` counts how often each name was asked for, so that the millionth ``add`` is named as quickly as the first.
    """
    candidate, primes = name, taken.get(name, 0)
    if primes:
        primes -= 1  # the last one given: the search goes on from there
    while candidate in taken:
        primes += 1
        candidate = name + "'" * primes if primes <= 3 else f"{name}'{primes}"
    taken[name] = primes + 1
    taken.setdefault(candidate, 1)
    return candidate


def unique_names(names: Iterable[str]) -> list[str]:
    """Return each of the names, with primes where it was there before.

    >>> unique_names(["x", "y", "x", "x"])
    ['x', 'y', "x'", "x''"]
    """
    taken: dict[str, int] = {}
    return [unique(name, taken) for name in names]
