"""Names and stages out of the author's own source.

The range of the sub-expression that made a node (`micrograd.source.positions`) is found again in the syntax tree: where
it is the whole right-hand side of an assignment the node has the assigned name, where it is part of one the node is
called after the statement and the operation (``mu_sum``). Stages come from comments such as ``# Step 1: mean`` or ``#
第1步``, which the tokenizer sees and the syntax tree does not.
"""

from __future__ import annotations

import ast
import io
import linecache
import re
import tokenize
from dataclasses import dataclass
from functools import lru_cache

from micrograd.source.positions import Source

__all__ = ["Place", "constant_names", "place_of", "stage_titles", "unique"]

_STEP = re.compile(
    r"#+\s*((?:step|stage)\s*\d+|第\s*[\d一二三四五六七八九十]+\s*步|\(?\d+\s*[.):\uff1a])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a statement an expression stands.

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


@lru_cache(maxsize=64)
def _module(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def _tree(file: str) -> ast.Module | None:
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    return _module("".join(lines)) if lines else None


@lru_cache(maxsize=64)
def _statements(tree: ast.Module) -> dict[int, list[ast.stmt]]:
    """Innermost simple statements by each line they cover."""
    by_line: dict[int, list[ast.stmt]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                by_line.setdefault(line, []).append(node)
    return by_line


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
    """Each (name, right-hand side) of an assignment; ``a, b = f(x), g(x)`` has two."""
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


def place_of(source: Source) -> Place | None:
    """Where `source` stands in its statement; None where the file cannot be read or parsed."""
    tree = _tree(source.file)
    if tree is None:
        return None
    for statement in _statements(tree).get(source.line, []):
        if not _covers(statement, source):
            continue
        end = (source.end_line, source.end_column)
        returned = [s.body for s in ast.walk(statement) if isinstance(s, ast.Lambda) and _covers(s.body, source)]
        if isinstance(statement, ast.Return) and statement.value is not None:
            returned.insert(0, statement.value)
        if returned:  # the innermost lambda comes last
            value = returned[-1]
            whole = (value.end_lineno, value.end_col_offset) == end and _starts(value, source)
            return Place("", whole, True, statement.lineno)
        if (subscript := _written(statement, source)) is not None:
            return Place(_name(subscript), True, False, statement.lineno, True)
        for target, value in _pairs(statement):
            if isinstance(statement, ast.AugAssign) and not _covers(value, source):
                item = isinstance(statement.target, ast.Subscript)
                read = item and _is_range_of(statement.target, source)  # what ``x[i] += 1`` reads first
                return Place(target, not read, False, statement.lineno, item)  # the operator spans the statement
            if _covers(value, source):
                # compare ends only: in a chain of methods the last call's range may start at any dot
                whole = (value.end_lineno, value.end_col_offset) == end and not isinstance(statement, ast.AugAssign)
                walrus = (n for n in ast.walk(value) if isinstance(n, ast.NamedExpr) and _covers(n.value, source))
                inner = next(walrus, None)
                if inner is not None:
                    at_end = (inner.value.end_lineno, inner.value.end_col_offset) == end
                    return Place(inner.target.id, at_end, False, statement.lineno)
                item = any(isinstance(part, ast.Subscript) for part in _targets(statement))
                return Place(target, whole and _starts(value, source), False, statement.lineno, item)
        return Place("", False, False, statement.lineno)
    return Place("", False, False, source.line)


def _targets(statement: ast.stmt) -> list[ast.expr]:
    """What a statement assigns to, one by one."""
    match statement:
        case ast.Assign(targets=targets):
            parts = [e.elts if isinstance(e, (ast.Tuple, ast.List)) else [e] for e in targets]
            return [part for each in parts for part in each]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [target]
    return []


def _written(statement: ast.stmt, source: Source) -> ast.Subscript | None:
    """The ``out[i]`` of ``out[i] = ...`` that `source` is."""
    for target in _targets(statement):
        if isinstance(target, ast.Subscript) and not isinstance(statement, ast.AugAssign) and _covers(target, source):
            return target if _is_range_of(target, source) else None
    return None


def _is_range_of(node: ast.expr, source: Source) -> bool:
    at = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    return at == (source.line, source.column, source.end_line, source.end_column)


def _starts(value: ast.expr, source: Source) -> bool:
    """Whether a range that ends with `value` is all of it: the right operand of ``a - b @ c`` ends there too."""
    if (source.line, source.column) == (value.lineno, value.col_offset):
        return True
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and source.line > value.lineno


@lru_cache(maxsize=64)
def _comments(text: str) -> tuple[tuple[int, str], ...]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return ()
    return tuple((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)


def stage_titles(file: str, first: int, last: int) -> list[tuple[int, str]]:
    """The step comments between two lines of a file: ``[(line, title), ...]``; empty where there are none."""
    text = "".join(linecache.getlines(file))
    return [
        (line, re.sub(r"^#+\s*|\s+$", "", comment))
        for line, comment in _comments(text)
        if first <= line <= last and _STEP.match(comment)
    ]


@lru_cache(maxsize=64)
def _functions(tree: ast.Module) -> list[tuple[int, int]]:
    """First and last line of every function, the longest first."""
    found = (n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))
    return sorted(((n.lineno, n.end_lineno or n.lineno) for n in found), key=lambda span: span[0] - span[1])


def function_lines(file: str, line: int) -> tuple[int, int]:
    """First and last line of the innermost function around `line`; the whole file outside any."""
    tree = _tree(file)
    around = [span for span in (_functions(tree) if tree else ()) if span[0] <= line <= span[1]]
    return around[-1] if around else (1, len(linecache.getlines(file)) or line)


def statement_end(file: str, line: int) -> int:
    """The last line of the statement that starts at `line`, where a comment behind it may stand."""
    tree = _tree(file)
    ends = [s.end_lineno or line for s in _statements(tree).get(line, ())] if tree else []
    return min(ends, default=line)


def constant_names(source: Source) -> list[str]:
    """What the author calls the operands of an expression, by slot; empty strings where it has no name."""
    return [*_operand_names(source.text)]


@lru_cache(maxsize=1024)
def _operand_names(text: str) -> list[str]:
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return []
    match tree:
        case ast.BinOp(left=left, right=right):
            return [_name(left), _name(right)]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy" | "mg")), args=args):
            return [_name(arg) for arg in args]
        case ast.Call(func=ast.Attribute(value=value), args=args):
            return [_name(value), *(_name(arg) for arg in args)]
        case ast.UnaryOp(operand=operand):
            return [_name(operand)]
        case ast.Subscript(value=value):
            return [_name(value)]
    return []


def unique(name: str, taken: dict[str, int]) -> str:
    """`name`, with primes where it is taken: ``x``, ``x'``, ``x''``, ``x'''``, ``x'4``.

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
