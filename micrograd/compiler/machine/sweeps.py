"""Find the loops of a printed function that can run as vectors, from its syntax alone.

Memory under different names never overlaps: arguments that are written are fresh or of the workspace, whose pieces are
apart. So a loop runs as vectors where each entry that it writes is read and written at one place in the text, and where
nothing but sums, maxima and flags goes from one turn to the next.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from micrograd.compiler.machine.functions import in_vectors

__all__ = ["Counted", "Sweep", "counted", "key_of", "names_in", "sweep_of", "together"]


@dataclass(frozen=True, slots=True)
class Counted:
    """A counting loop: ``index`` from ``start`` to below ``end`` in steps of ``by``."""

    index: str
    start: ast.expr
    end: ast.expr
    by: int
    body: Sequence[ast.stmt]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A loop that runs as vectors.

    Attributes:
        loop: what it is.
        sums: variables that it adds to.
        largest: variables that hold a maximum.
        flags: variables with bits that it sets.
        written: names of the memory that it writes.
    """

    loop: Counted
    sums: tuple[str, ...]
    largest: tuple[str, ...]
    flags: tuple[str, ...]
    written: frozenset[str]


def counted(statements: Sequence[ast.stmt], at: int) -> Counted | None:
    """Return the counting loop whose start is the statement `at`; None where it is something else."""
    first = statements[at]
    if isinstance(first, ast.For):
        call = first.iter
        assert isinstance(call, ast.Call)
        assert isinstance(first.target, ast.Name)
        return Counted(first.target.id, ast.Constant(0), call.args[0], 1, first.body)
    if at + 1 == len(statements) or not (isinstance(first, ast.Assign) and isinstance(first.targets[0], ast.Name)):
        return None
    index, loop = first.targets[0].id, statements[at + 1]
    if not (
        isinstance(loop, ast.While) and isinstance(loop.test, ast.Compare) and isinstance(loop.test.ops[0], ast.Lt)
    ):
        return None
    left, end, last = loop.test.left, loop.test.comparators[0], loop.body[-1]
    if not (isinstance(left, ast.Name) and left.id == index and isinstance(end, ast.Name | ast.Constant)):
        return None
    if not (isinstance(last, ast.AugAssign) and isinstance(last.target, ast.Name) and last.target.id == index):
        return None
    if not (
        isinstance(last.value, ast.Constant) and isinstance(last.value.value, int) and isinstance(last.op, ast.Add)
    ):
        return None
    assigned = frozenset[str]().union(*(assigned_in(statement) for statement in loop.body[:-1]))
    if index in assigned or (isinstance(end, ast.Name) and end.id in assigned):
        return None
    return Counted(index, first.value, end, last.value.value, loop.body[:-1])


def sweep_of(loop: Counted, read: Mapping[str, int]) -> Sweep | None:
    """Return how a loop runs as vectors; None where it has to run one entry after the other.

    Args:
        loop: a counting loop.
        read: how often each name is read in the whole function.
    """
    if loop.by != 1:
        return None
    sums: list[str] = []
    largest: list[str] = []
    flags: list[str] = []
    local: set[str] = set()
    places: dict[str, set[str]] = {}
    written: set[str] = set()
    for statement in loop.body:
        if isinstance(statement, ast.Assign) and isinstance(target := statement.targets[0], ast.Name):
            value = statement.value
            if (name := _reduction(target.id, value)) is not None:
                (sums if name == "plus" else largest).append(target.id)
                assert isinstance(value, ast.Call)
                value = value.args[1]
            elif target.id in local:  # what it indexes is read once
                return None
            else:
                local.add(target.id)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            if not isinstance(statement.op, ast.BitOr):
                return None
            flags.append(statement.target.id)
            value = statement.value
        elif isinstance(statement, ast.Assign | ast.AugAssign):
            to = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
            assert isinstance(to, ast.Subscript)
            assert isinstance(to.value, ast.Name)
            if _growth(to.slice, loop.index) != 1:
                return None
            written.add(to.value.id)
            places.setdefault(to.value.id, set()).add(key_of(to.slice))
            value = statement.value
        else:
            return None
        for node in ast.walk(value):
            if isinstance(node, ast.Subscript):
                assert isinstance(node.value, ast.Name)
                places.setdefault(node.value.id, set()).add(key_of(node.slice))
            elif (isinstance(node, ast.Call) and not in_vectors(ast.unparse(node.func))) or (
                isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not isinstance(_whole(node.right), int)
            ):
                return None
    if any(len(places[name]) > 1 for name in written):
        return None
    carried = {*sums, *largest, *flags}
    if carried & local or len(carried) < len([*sums, *largest, *{*flags}]):
        return None
    inside = Counter[str]()
    for statement in loop.body:
        inside.update(names_in(statement))
    if any(read[name] > inside[name] for name in local):
        return None
    # a reduction reads its variable once for each time it is written, and nothing else reads it
    if any(inside[name] > (1 if name in (*sums, *largest) else 0) for name in carried):
        return None
    if any(name in local and _early(loop.body, name) for name in local):
        return None
    return Sweep(loop, tuple(sums), tuple(largest), tuple(dict.fromkeys(flags)), frozenset(written))


def together(outer: Counted, read: Mapping[str, int]) -> Sweep | None:
    """Return the loop inside of another one where several turns of that may run side by side; None where not."""
    if outer.by != 1 or len(outer.body) != 2:
        return None
    inner = counted(outer.body, 0)
    if inner is None or outer.index in names_in(inner.start) or outer.index in names_in(inner.end):
        return None
    sweep = sweep_of(inner, read)
    if sweep is None:
        return None
    for statement in inner.body:
        for node in ast.walk(statement):
            if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)):
                continue
            by_row = outer.index in names_in(node.slice)
            if by_row and node.value.id in sweep.written and not _by_rows(node.slice, outer.index, inner):
                return None
    return sweep


def _by_rows(index: ast.expr, row: str, inner: Counted) -> bool:
    """Return whether an index is ``row * end + column``, so that no two rows share an entry."""
    return (
        isinstance(index, ast.BinOp)
        and isinstance(index.op, ast.Add)
        and isinstance(index.left, ast.BinOp)
        and isinstance(index.left.op, ast.Mult)
        and key_of(index.left.left) == key_of(ast.Name(row, ast.Load()))
        and key_of(index.left.right) == key_of(inner.end)
        and key_of(index.right) == key_of(ast.Name(inner.index, ast.Load()))
        and key_of(inner.start) == key_of(ast.Constant(0))
    )


def _growth(index: ast.expr, name: str) -> int | None:
    """Return how far an index moves with a loop: 0, 1, or None for anything else."""
    if isinstance(index, ast.Name):
        return int(index.id == name)
    if isinstance(index, ast.Constant):
        return 0
    if isinstance(index, ast.BinOp) and isinstance(index.op, ast.Add):
        parts = _growth(index.left, name), _growth(index.right, name)
        return None if None in parts else sum(p for p in parts if p is not None)
    if isinstance(index, ast.BinOp) and isinstance(index.op, ast.Mult) and name not in names_in(index):
        return 0
    return None


def _reduction(target: str, value: ast.expr) -> str | None:
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and len(value.args) == 2):
        return None
    name, first = value.func.id.rstrip("0123456789"), value.args[0]
    mine = isinstance(first, ast.Name) and first.id == target
    return name if mine and name in ("plus", "largest") else None


def _whole(node: ast.expr) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return node.value if isinstance(node, ast.Constant) else None


def _early(statements: Sequence[ast.stmt], name: str) -> bool:
    """Return whether a name is read before it is assigned."""
    for statement in statements:
        if name in names_in(statement):
            return True
        if name in assigned_in(statement):
            return False
    return False


def names_in(node: ast.AST) -> tuple[str, ...]:
    """Return the names that are read, each as often as it is."""
    found: tuple[str, ...] | None = getattr(node, "read", None)
    if found is None:
        if isinstance(node, ast.Name):
            found = (node.id,) if isinstance(node.ctx, ast.Load) else ()
        else:
            parts = [names_in(child) for child in ast.iter_child_nodes(node)]
            if (
                isinstance(node, ast.AugAssign)
                and isinstance(node.target, ast.Name)
                and not isinstance(node.op, ast.BitOr)
            ):
                parts.append((node.target.id,))
            found = tuple(name for part in parts for name in part)
        node.read = found  # type: ignore[attr-defined]
    return found


def assigned_in(node: ast.AST) -> frozenset[str]:
    """Return the names that are assigned."""
    found: frozenset[str] | None = getattr(node, "assigned", None)
    if found is None:
        if isinstance(node, ast.expr):
            found = (
                frozenset([node.id]) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else frozenset()
            )
        else:
            found = frozenset[str]().union(*(assigned_in(child) for child in ast.iter_child_nodes(node)))
        node.assigned = found  # type: ignore[attr-defined]
    return found


def key_of(node: ast.AST) -> str:
    """Return a text that is the same for the same place in memory."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.BinOp):
        return f"({key_of(node.left)}{type(node.op).__name__}{key_of(node.right)})"
    return ast.dump(node)
