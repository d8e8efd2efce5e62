"""Find in the text of a backward what is not written yet, what is thrown away, and a function that returns nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from micrograd.marker.gradient_names import meanings
from micrograd.marker.student.statements import own_nodes, path_of, returns_of, targets_of

__all__ = ["Gap", "gaps_of", "returns_nothing", "thrown_away"]

_PLACEHOLDERS = ("zeros", "zeros_like", "empty", "empty_like")
_KEPT = ("reshape", "transpose", "sum", "copy", "dot", "astype", "squeeze", "mean", "clip", "flatten", "swapaxes")


@dataclass(frozen=True, slots=True)
class Gap:
    """What stands where something is to be written: a statement, and the variable that is left without a value."""

    node: ast.stmt
    name: str = ""


def _own(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements of a function, blocks opened, those of functions inside it left out."""
    found = [node for node in own_nodes(function) if isinstance(node, ast.stmt)]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def _blank(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value in (None, Ellipsis))


def _is_stub(node: ast.stmt) -> bool:
    """Return whether a statement does nothing: ``pass``, ``...``, a docstring, ``return None``, NotImplementedError."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Return(value=value):
            return _blank(value) or (isinstance(value, ast.Tuple) and all(map(_blank, value.elts)))
        case ast.Raise(exc=ast.Name(id="NotImplementedError") | ast.Call(func=ast.Name(id="NotImplementedError"))):
            return True
    return False


def _pairs(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """Yield each variable that a statement assigns with its value, taken apart where both sides are tuples."""
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from ((path_of(t), v) for t, v in zip(target.elts, node.value.elts, strict=False))
        else:
            yield path_of(target), node.value


def _is_placeholder(value: ast.expr) -> bool:
    call = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)
    return _blank(value) or (call and value.func.attr in _PLACEHOLDERS)  # type: ignore[attr-defined]


def gaps_of(function: ast.FunctionDef) -> list[Gap]:
    r"""Return what is not written yet, in the order of the lines.

    A body that does nothing; a variable that is read, or returned, and was only ever ``None``, ``...`` or zeros.

    >>> stub = ast.parse("def f(dout):\n    dx = None  # TODO\n    return dx").body[0]
    >>> [(gap.name, gap.node.lineno) for gap in gaps_of(stub)]
    [('dx', 2)]
    """
    statements = _own(function)
    if all(_is_stub(node) for node in statements):
        return [Gap(next((n for n in statements if not isinstance(n, ast.Expr)), statements[-1]))]
    written: dict[str, list[tuple[ast.stmt, ast.expr]]] = {}
    touched: set[str] = set()
    for node in statements:
        for name, value in _pairs(node):
            written.setdefault(name, []).append((node, value))
        own = {name for name, _ in _pairs(node)}
        for target in [*getattr(node, "targets", []), getattr(node, "target", None)]:
            for one in targets_of(target) if isinstance(target, ast.expr) else ():
                if one.item or one.name not in own:
                    touched.add(one.name)
        if isinstance(node, (ast.Expr, ast.With)):
            touched |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    read = _read(function)
    returned = {path_of(n) for r in statements if isinstance(r, ast.Return) and r.value for n in ast.walk(r.value)
                if isinstance(n, ast.expr)}  # fmt: skip
    stubbed = any(isinstance(node, ast.Pass) for node in statements)
    found = []
    for name, values in written.items():
        node, last = values[-1]
        if not name or name in touched or not _is_placeholder(last):
            continue
        if len(values) > 1:  # what was there is overwritten with nothing: `dx = None  # TODO`
            missing = _blank(last) and node in function.body and name in _read(function, node.lineno)
        elif _blank(last):
            missing = name in read or stubbed or _held(name)
        else:
            missing = name in returned and not _is_viewed(statements, name)
        found += [Gap(node, name)] if missing else []
    return found


def _read(tree: ast.AST, after: int = 0) -> set[str]:
    """Return the variables that are read behind a line."""
    loads = (n for n in ast.walk(tree) if isinstance(n, ast.expr) and isinstance(getattr(n, "ctx", None), ast.Load))
    return {path_of(n) for n in loads if n.lineno > after}


def _held(name: str) -> bool:
    """Return whether an attribute is called after a gradient, which nobody needs to read: ``self.dW``."""
    return name.startswith("self.") and bool(meanings(name))


def _is_viewed(statements: list[ast.stmt], name: str) -> bool:
    """Return whether another variable is a view of a name, through which it may be written."""
    values = [value for node in statements for other, value in _pairs(node) if other != name]
    return any(name in (path_of(v), path_of(v.value) if isinstance(v, ast.Subscript) else "") for v in values)


def returns_nothing(function: ast.FunctionDef) -> bool:
    """Return whether a function has no ``return`` with a value."""
    return not returns_of(function)


def thrown_away(function: ast.FunctionDef) -> Iterator[tuple[ast.Expr, str]]:
    r"""Yield each statement whose value nobody keeps, and what keeps it when put before it; empty for ``==`` for ``=``.

    >>> text = "def f(d):\n    d[d < 0] == 0\n    d.reshape(-1)\n    return d"
    >>> [(node.lineno, kept) for node, kept in thrown_away(ast.parse(text).body[0])]
    [(2, ''), (3, 'd = ')]
    """
    for node in _own(function):
        match node:
            case ast.Expr(value=ast.Compare(left=left, ops=[ast.Eq()])) if any(targets_of(left)):
                yield node, ""
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr))) if attr in _KEPT:
                if name not in ("np", "numpy"):
                    yield node, f"{name} = "
            case ast.Expr(value=ast.BinOp(left=ast.Name(id=name))):
                yield node, f"{name} = "
