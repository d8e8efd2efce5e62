"""The student's text made functions: executed under its own file name, statement by statement.

What fails at the top of a file (a plot, an import that is not there, a self-test) is noted and passed over, as long
as the functions that are wanted come to be.
"""

from __future__ import annotations
import __future__

import ast
import linecache
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from micrograd.errors import GraphError

__all__ = ["UnloadableError", "line_of", "load", "remember"]


class UnloadableError(GraphError):
    """The student's text defines no such function, because of what is reported."""


def line_of(error: BaseException, file: str) -> int | None:
    """Return the innermost line of the student's file that an error came through; None where it came through none."""
    trace, found = error.__traceback__, None
    if isinstance(error, SyntaxError) and error.filename == file and error.lineno:
        return error.lineno
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _place() -> int:
    """Return where in `sys.path` the student's folder goes: before what is installed, after the standard library."""
    own = [i for i, entry in enumerate(sys.path) if os.path.basename(entry) not in ("site-packages", "dist-packages")]
    return own[-1] + 1 if own else 0


def _on_the_path(folder: str) -> None:
    if folder and os.path.isdir(folder) and folder not in sys.path:
        sys.path.insert(_place(), folder)


def _package(path: str) -> str | None:
    """Return the package of a file that imports its neighbours by ``from .layers import *``.

    Its root goes on the path.
    """
    parts = list[str]()
    folder = os.path.dirname(path)
    while True:
        parts.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
        if not parts[0].isidentifier():
            return None
        if not os.path.exists(os.path.join(folder, "__init__.py")):
            break
    _on_the_path(folder)
    return ".".join(parts)


def remember(source: str, file: str) -> None:
    """Have `inspect` and `linecache` find the text that runs, whatever stands in the file by now."""
    lines = [line + "\n" for line in source.removesuffix("\n").split("\n")]
    linecache.cache[file] = (len(source), None, lines, file)


def load(
    source: str,
    file: str,
    wanted: Iterable[str],
    *,
    namespace: Mapping[str, Any] | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> types.ModuleType:
    """Execute a student's text as a module.

    Args:
        source: the text.
        file: its file; need not exist.
        wanted: functions (or ``Class.method``) that must be there afterwards.
        namespace: names that are there before.
        note: called with each statement that failed and was passed over, as ``bn.py:3: ...``.

    Raises:
        SyntaxError: as Python words it, with the student's file and line.
        UnloadableError: a wanted function did not come to be; the message has the first failure.
        SystemExit: the text called it before all wanted functions were there.
    """
    wanted = [name.partition(".")[0] for name in wanted]
    short = os.path.basename(file) or file
    remember(source, file)
    tree = ast.parse(source, file)
    module = types.ModuleType(_module_name(file))
    module.__file__ = file
    vars(module).update(namespace or {})
    sys.modules[module.__name__] = module
    _on_the_path(os.path.dirname(file))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    if any(node.level for node in imports):
        module.__package__ = _package(file) or ""
    flags = 0
    for node in imports:
        if node.module == "__future__":
            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    failures: list[str] = []
    for statement in tree.body:
        code = compile(ast.Module([statement], []), file, "exec", flags, dont_inherit=True)
        try:
            exec(code, vars(module))  # noqa: S102 - what a check is for; the documentation says so
        except SystemExit:
            if not all(hasattr(module, name) for name in wanted):
                raise
            failures.append(f"{short}:{statement.lineno}: the code called exit()")
            note(failures[-1])
            break
        except Exception as error:  # noqa: BLE001 - whatever the student's code raises
            told = " ".join(str(error).split())
            failures.append(f"{short}:{line_of(error, file) or statement.lineno}: {type(error).__name__}: {told}")
            note(failures[-1])
    missing = [name for name in wanted if not hasattr(module, name)]
    if missing:
        raise UnloadableError(failures[0] if failures else f"{short}: no function {missing[0]!r}")
    return module


def _module_name(path: str) -> str:
    name = os.path.splitext(os.path.basename(path))[0]
    taken = name in sys.modules or name in sys.stdlib_module_names
    return name if name.isidentifier() and not taken else f"student_{name}" if name.isidentifier() else "student"
