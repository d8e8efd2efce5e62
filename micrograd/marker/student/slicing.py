"""The forward part of a function that returns its gradient too: the statements that the loss needs, and no others.

So that a slip in the gradient, which may even raise, cannot get into the way of the loss it is the gradient of.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Callable
from typing import Any

from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.statements import targets_of

__all__ = ["loss_only"]

_BLOCKS = (ast.If, ast.While, ast.For, ast.With, ast.Try)


def loss_only(program: StudentCode, module: types.ModuleType, key: int | None) -> Callable[..., Any] | None:
    """Return the function of the program cut down to its result number `key`; None where that cannot be done.

    It keeps its lines and its file, so that a trace of it has the student's own names.
    """
    function = program.functions[program.name]
    returns = [n for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None]
    if not returns or key is None:
        return None
    needed: set[str] = set()
    for node in returns:
        if not isinstance(node.value, ast.Tuple) or len(node.value.elts) <= key:
            return None
        needed |= _names(node.value.elts[key])
    kept: set[int] = set()
    before = -1
    while len(kept) + len(needed) > before:
        before = len(kept) + len(needed)
        _mark(function.body, needed, kept)
    made = copy.copy(function)
    made.body = _filtered(function.body, kept, key) or [ast.Pass()]
    tree = ast.fix_missing_locations(ast.Module([made], []))
    space = vars(module) | {}
    try:
        exec(compile(tree, program.file, "exec", dont_inherit=True), space)  # noqa: S102 - the student's function
    except (SyntaxError, ValueError, TypeError):
        return None
    found: Callable[..., Any] = space[function.name]
    return found


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _written(node: ast.stmt) -> set[str]:
    """Return the variables that a statement writes, in whole or in part."""
    if isinstance(node, ast.Expr):  # a call may write to anything that it is given
        return _names(node) if isinstance(node.value, ast.Call) else set()
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    written = [t.name for target in targets if target is not None for t in targets_of(target)]
    return {name.partition(".")[0].partition("[")[0] for name in written}


def _mark(body: list[ast.stmt], needed: set[str], kept: set[int]) -> bool:
    """Add to `kept` the statements that write what is needed, and to `needed` what they read; return whether any is."""
    any_kept = False
    for node in reversed(body):
        blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        inside = [_mark(block, needed, kept) for block in blocks]
        if isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Global, ast.Assert, ast.Raise)):
            kept.add(id(node))
            own = {a.arg for a in node.args.args} if isinstance(node, ast.FunctionDef) else set()
            needed |= _names(node) - own
            continue
        ends = isinstance(node, (ast.Return, ast.Break, ast.Continue))
        if ends or any(inside) or (not isinstance(node, _BLOCKS) and _written(node) & needed):
            kept.add(id(node))
            any_kept = True
            heads = [getattr(node, "test", None), getattr(node, "iter", None)] if isinstance(node, _BLOCKS) else [node]
            needed |= set[str]().union(*(_names(head) for head in heads if head is not None and not ends))
    return any_kept


def _filtered(body: list[ast.stmt], kept: set[int], key: int) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for node in body:
        if id(node) not in kept:
            continue
        made: Any = copy.copy(node)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            made.value = node.value.elts[key]
        elif isinstance(node, _BLOCKS):
            made.body = _filtered(node.body, kept, key) or [ast.copy_location(ast.Pass(), node)]
            if not isinstance(node, ast.With):
                made.orelse = _filtered(node.orelse, kept, key)
        found.append(made)
    return found
