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
from micrograd.marker.student.statements import path_of

__all__ = ["loss_only"]


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
    while True:
        before = len(kept), len(needed)
        _mark(function.body, needed, kept)
        if (len(kept), len(needed)) == before:
            break
    made = copy.copy(function)
    made.decorator_list = []
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
    """Return names that a statement writes, in whole or in part."""
    found: set[str] = set()
    targets: list[ast.expr] = []
    match node:
        case ast.Assign():
            targets = list(node.targets)
        case ast.AugAssign() | ast.AnnAssign():
            targets = [node.target]
        case ast.For():
            targets = [node.target]
        case ast.Expr(value=ast.Call() as call):
            return _names(call)  # it may write to anything that it is given
    for target in targets:
        for inner in ast.walk(target):
            if isinstance(inner, (ast.Name, ast.Attribute)) and path_of(inner):
                found.add(path_of(inner).partition(".")[0].partition("[")[0])
    return found


def _indexed(node: ast.stmt) -> set[str]:
    """Return names that a statement writes to as a whole: what is only an index is not written."""
    found: set[str] = set()
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        stack = [target]
        while stack:
            one = stack.pop()
            if isinstance(one, (ast.Tuple, ast.List)):
                stack.extend(one.elts)
            elif isinstance(one, (ast.Subscript, ast.Attribute, ast.Starred)):
                stack.append(one.value)
            elif isinstance(one, ast.Name):
                found.add(one.id)
    return found


def _mark(body: list[ast.stmt], needed: set[str], kept: set[int]) -> bool:
    any_kept = False
    for node in reversed(body):
        inner = False
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                inner = _mark(block, needed, kept) or inner
        if isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Global, ast.Assert, ast.Raise)):
            kept.add(id(node))
            needed |= (
                _names(node)
                if not isinstance(node, ast.FunctionDef)
                else _names(node) - {a.arg for a in node.args.args}
            )
            continue
        if isinstance(node, (ast.Return, ast.Break, ast.Continue)):
            kept.add(id(node))
            any_kept = True
            continue
        written = _written(node) if isinstance(node, ast.Expr) else _indexed(node)
        if inner or (not isinstance(node, (ast.If, ast.While, ast.For)) and written & needed):
            kept.add(id(node))
            any_kept = True
            heads = [getattr(node, name, None) for name in ("test", "iter", "items")]
            if isinstance(node, (ast.If, ast.While, ast.For, ast.With, ast.Try)):
                for head in heads:
                    if isinstance(head, ast.AST):
                        needed |= _names(head)
            else:
                needed |= _names(node)
    return any_kept


def _filtered(body: list[ast.stmt], kept: set[int], key: int) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for node in body:
        if id(node) not in kept:
            continue
        if isinstance(node, ast.Return):
            made = copy.copy(node)
            if isinstance(node.value, ast.Tuple):
                made.value = node.value.elts[key]
            found.append(made)
            continue
        if isinstance(node, (ast.If, ast.While, ast.For, ast.With, ast.Try)):
            whole = copy.copy(node)
            whole.body = _filtered(node.body, kept, key) or [ast.copy_location(ast.Pass(), node)]
            if not isinstance(whole, ast.With):
                whole.orelse = _filtered(whole.orelse, kept, key)
            found.append(whole)
            continue
        found.append(node)
    return found
