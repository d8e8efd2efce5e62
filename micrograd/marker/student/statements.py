"""One statement of the student's: what it writes, what it reads, and the expressions in it that may be wrong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Root", "Statement", "Target", "path_of", "reads_of", "roots_of", "targets_of"]


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
    writes_by_call: bool = field(default=False)

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
    """Variables loaded in expressions, longest spelling, without names bound inside (lambdas, comprehensions)."""
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
