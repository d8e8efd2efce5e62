"""Find the text of code that a notebook has compiled in a way of its own: moved by some columns, or without a file."""

from __future__ import annotations

import ast
import linecache
import sys
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

__all__ = ["file_of", "shift_of"]

_TIMED = ("<timed exec>", "<timed eval>")
"""The files that IPython gives the code of a cell under ``%%time``; it keeps no text for them."""


def file_of(code: CodeType) -> str:
    """Return the file, as `linecache` knows it, in which the text of running code stands."""
    return (code.co_filename in _TIMED and _timed_cell(code)) or code.co_filename


@lru_cache(maxsize=256)
def _timed_cell(code: CodeType) -> str:
    """Find the cell under ``%%time`` that holds the code, and give its text a name of its own; empty for none."""
    shell: Any = getattr(getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)(), "user_ns", {})
    cells: list[str] = list(shell.get("In", ()))
    for number in range(len(cells) - 1, -1, -1):
        text = _body(cells[number])
        if text and any(part == code for part in _parts(text)):
            name = f"<cell {number} under %%time>"
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            return name
    return ""


def _body(cell: str) -> str:
    """Return the text under ``%%time``; empty where the cell has no such line.

    ``In`` has the cell as it was typed or as IPython rewrote it, ``get_ipython().run_cell_magic('time', '', '...')``.
    """
    head, _, body = cell.partition("\n")
    if head.strip() == "%%time":
        return body
    if cell.startswith("get_ipython().run_cell_magic('time',"):
        call = ast.parse(cell).body[0]
        if isinstance(call, ast.Expr) and isinstance(call.value, ast.Call):
            *_, last = call.value.args
            return str(ast.literal_eval(last))
    return ""


@lru_cache(maxsize=32)
def _parts(text: str) -> tuple[CodeType, ...]:
    """Return the code of a cell and of every function in it; IPython evaluates its last expression by itself."""
    try:
        whole = ast.parse(text)
    except SyntaxError:
        return ()
    parts: list[ast.Module | ast.Expression] = [whole]
    if whole.body and isinstance(last := whole.body[-1], ast.Expr):
        parts = [ast.Module(whole.body[:-1], []), ast.Expression(last.value)]
    made = [compile(p, _TIMED[0], "exec" if isinstance(p, ast.Module) else "eval", dont_inherit=True) for p in parts]
    return tuple(found for code in made for found in _inner(code))


def _inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inner(constant)


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
