"""What each sub-expression of a right backward holds when it runs: the shapes and meanings that edits go by."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .corpus import Pair, Problem, answers, load, problems

__all__ = ["Facts"]

Place = tuple[int, int, int, int]


def place(node: Any) -> Place:
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


class _Watch(ast.NodeTransformer):
    """Wrap every expression that is read in a call that notes its value."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            self.visit(keyword)
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        return self._noted(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        reads = not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))
        if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Name, ast.Attribute, ast.Subscript, ast.Compare)) and reads:
            return self._noted(node)
        return node

    @staticmethod
    def _noted(node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Name) and node.id == "np":
            return node
        where = ast.Constant(place(node))
        return ast.Call(ast.Name("__note__", ast.Load()), [where, node], [])


@dataclass
class Facts:
    """The right backward of a layer: its text, its tree, and what ran through it.

    Attributes:
        pair: the layer.
        text: of its file.
        function: the tree of the backward.
        statements: those that may be edited: not the unpacking of the cache, and of a loss only the gradient.
    """

    pair: Pair
    text: str
    function: ast.FunctionDef
    statements: list[ast.stmt]
    parents: dict[ast.AST, ast.AST]
    _starts: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, pair: Pair) -> Facts:
        text = pair.text
        tree = ast.parse(text)
        (function,) = (f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == pair.backward)
        body = function.body
        if pair.is_loss:
            loss = max(i for i, s in enumerate(body) if isinstance(s, ast.Assign) and _assigns(s, "loss"))
            body = body[loss + 1 :]
        statements = [s for part in body for s in ast.walk(part) if isinstance(s, ast.stmt)]
        statements = [s for s in statements if not (isinstance(s, ast.Assign) and _reads(s.value) == {"cache"})]
        parents = {child: parent for parent in ast.walk(function) for child in ast.iter_child_nodes(parent)}
        starts = [0]
        for line in text.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return cls(pair, text, function, statements, parents, starts)

    def range(self, node: Any) -> tuple[int, int]:
        """Where in the text a node is (the text is ASCII, so that columns are characters)."""
        first, column, last, end = place(node)
        return self._starts[first - 1] + column, self._starts[last - 1] + end

    def source(self, node: Any) -> str:
        start, end = self.range(node)
        return self.text[start:end]

    def operands(self, node: ast.BinOp) -> tuple[str, str]:
        """The texts of both operands, with the brackets around them."""
        start, end = self.range(node)
        (_, before), (after, _) = self.range(node.left), self.range(node.right)
        gap = self.text[before:after]
        closing = len(gap) - len(gap.lstrip(") "))
        opening = len(gap) - len(gap.rstrip("( "))
        return self.text[start : before + closing].rstrip(), self.text[after - opening : end].lstrip()

    def symbol(self, node: ast.BinOp) -> tuple[int, int]:
        """Where in the text the operator between two operands is."""
        before, after = self.range(node.left)[1], self.range(node.right)[0]
        gap = self.text[before:after]
        return before + len(gap) - len(gap.lstrip(") ")), after - (len(gap) - len(gap.rstrip("( ")))

    # ---- values --------------------------------------------------------------------------------------------

    @cached_property
    def problem(self) -> Problem:
        return problems(self.pair, 1)[0]

    @cached_property
    def _runs(self) -> tuple[dict[Place, Any], dict[Place, Any]]:
        """The last value of each sub-expression, with the gradients that come in and with twice those."""
        tree = ast.parse(self.text)
        (function,) = (f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == self.pair.backward)
        function.body = [_Watch().visit(statement) for statement in function.body]
        runs = []
        for factor in (1.0, 2.0):
            seen: dict[Place, Any] = {}

            def note(where: Place, value: Any, seen: dict[Place, Any] = seen) -> Any:
                seen[where] = copy.deepcopy(value) if isinstance(value, (np.ndarray, np.generic, int, float)) else None
                return value

            upstream = tuple(factor * g for g in self.problem.upstream)
            space: dict[str, Any] = {"__note__": note}
            exec(compile(ast.fix_missing_locations(tree), "facts", "exec"), space)
            functions = load(self.pair)
            functions.backward = space[self.pair.backward]
            if self.pair.is_loss:
                functions.forward = functions.backward
            answers(self.pair, functions, Problem(self.problem.arguments, upstream, self.problem.count))
            runs.append(seen)
        return runs[0], runs[1]

    def value(self, node: ast.expr) -> Any:
        """What the expression held last; None where it was not run, or is no number."""
        if isinstance(node, ast.Constant):
            return node.value
        return self._runs[0].get(place(node))

    def is_array(self, node: ast.expr) -> bool:
        return isinstance(self.value(node), np.ndarray) and np.ndim(self.value(node)) > 0

    def is_array_or_part(self, node: ast.expr) -> bool:
        """Whether it is a number that may become a gradient (not an index): an array, or a float."""
        return isinstance(self.value(node), (np.ndarray, np.floating, float))

    def is_gradient(self, node: ast.expr) -> bool:
        """Whether it doubles with the gradients that come in; in a loss, whether a gradient's name is read."""
        value = self.value(node)
        if value is None or isinstance(node, ast.Constant):
            return False
        if self.pair.is_loss:
            return any(name.startswith("d") for name in _reads(node))
        twice = self._runs[1].get(place(node))
        return bool(np.any(np.asarray(value) != 0)) and np.allclose(twice, 2 * np.asarray(value), rtol=1e-9, atol=1e-12)

    def is_size(self, node: ast.expr) -> bool:
        """Whether it is a name for a number of entries: N, D, M."""
        return (
            isinstance(node, ast.Name) and (node.id.isupper() or node.id == "m") and isinstance(self.value(node), int)
        )

    @cached_property
    def names(self) -> dict[str, list[tuple[int, Any, bool]]]:
        """Each name that is read: on which lines, its value there, and whether that is a gradient."""
        found: dict[str, list[tuple[int, Any, bool]]] = {}
        for node in ast.walk(self.function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and self.value(node) is not None:
                found.setdefault(node.id, []).append((node.lineno, self.value(node), self.is_gradient(node)))
        return found

    @cached_property
    def born(self) -> dict[str, int]:
        """The line after which a name may be read."""
        found = {argument.arg: self.function.lineno for argument in self.function.args.args}
        for node in ast.walk(self.function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found[node.id] = min(found.get(node.id, node.lineno), node.lineno)
        return found

    def statement(self, node: ast.AST) -> ast.stmt:
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node


def _reads(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _assigns(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(t, ast.Name) and t.id == name for t in statement.targets)
