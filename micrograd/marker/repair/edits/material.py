"""What the edits of an expression are made of: its text, and the names, numbers and sizes that may stand in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import numpy as np

from micrograd.marker.gradient_names import normal
from micrograd.marker.repair.edits.base import wrapped
from micrograd.marker.student.scope import Scope, index_like, is_value

__all__ = ["Material", "kin"]


class Material:
    """What the edits of one expression are made of.

    Args:
        root: the expression.
        scope: what is known where it stands.
        left_out: names that are no candidates.
    """

    def __init__(self, root: ast.expr, scope: Scope, left_out: set[str]) -> None:
        self.root = root
        self.scope = scope
        self.text = scope.text
        self.arrays = [name for name in scope.arrays() if name not in left_out]
        self.numbers = [name for name in scope.numbers() if name not in left_out]
        self.counts = scope.counts()
        self.items = {text: value for text in scope.items if is_value(value := scope.value_of(text))}
        self.indices = [
            name for name, value in scope.names.items()
            if name not in left_out and index_like(value) and not isinstance(value, np.ndarray)
        ]  # fmt: skip

    def of(self, node: ast.expr) -> str:
        """The text of an expression, as the student wrote it."""
        return self.text.of(node)

    def operand(self, node: ast.expr, level: int) -> str:
        """The same, in brackets where it binds less than `level` (`micrograd.marker.repair.edits.base.wrapped`)."""
        return wrapped(self.of(node), node, level)

    def exchanged(self, elements: Sequence[ast.expr]) -> Iterator[str]:
        """Yield the texts of a row of expressions, each with two neighbours exchanged."""
        for place in range(len(elements) - 1):
            parts = [self.of(element) for element in elements]
            parts[place], parts[place + 1] = parts[place + 1], parts[place]
            yield ", ".join(parts)

    def bracketed(self, node: ast.expr) -> bool:
        """Whether a node stands in brackets of its own."""
        start, end = self.text.range(node)
        return self.text.source[:start].rstrip().endswith("(") and self.text.source[end:].lstrip().startswith(")")

    def is_method(self, func: ast.expr) -> bool:
        """Whether a function is a method of a value, rather than a function of a module."""
        return isinstance(func, ast.Attribute) and isinstance(self.scope.value(func.value), (np.ndarray, np.generic))


def kin(a: str, b: str) -> bool:
    """Whether two names are easily mistaken for each other: dx1 and dx2, xmu and dxmu."""
    a, b = normal(a), normal(b)
    return a.rstrip("0123456789") == b.rstrip("0123456789") or a == "d" + b or b == "d" + a or a[:3] == b[:3]
