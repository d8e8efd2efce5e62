"""Find the text of a cell under ``%%time``, for which IPython keeps none under the name that it compiles it with."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

__all__ = ["TIMED", "timed_cell"]

TIMED = ("<timed exec>", "<timed eval>")
"""The files that IPython gives the code of a cell under ``%%time``; it keeps no text for them."""


@lru_cache(maxsize=256)
def timed_cell(code: CodeType) -> str:
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
    made = [compile(p, TIMED[0], "exec" if isinstance(p, ast.Module) else "eval", dont_inherit=True) for p in parts]
    return tuple(found for code in made for found in _inner(code))


def _inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inner(constant)
