"""One edit of a text, and the small ways to make one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .facts import Facts

__all__ = ["Edit", "bracketed", "edit", "swapped"]


@dataclass(frozen=True)
class Edit:
    """Replace a range of the text.

    Attributes:
        start, end: the range; empty for an insertion.
        new: what to put there.
        line: the line edited, as the file numbers it.
        rule: the rule that made it.
        kinds: what the mistake may be called.
    """

    start: int
    end: int
    new: str
    line: int
    rule: str
    kinds: tuple[str, ...]

    def applied(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


def bracketed(text: str, node: ast.AST) -> str:
    """As an operand that binds as closely as a name."""
    return f"({text})" if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.Compare)) else text


def edit(facts: Facts, node: Any, new: str, rule: str, *kinds: str) -> Edit:
    start, end = facts.range(node)
    return Edit(start, end, new, node.lineno, rule, kinds)


def swapped(f: Facts, node: ast.BinOp, symbol: str, rule: str) -> Callable[..., Edit]:
    """Another operator between the same operands; the kinds are still to be told."""
    start, end = f.symbol(node)
    return lambda *kinds: Edit(start, end, symbol, node.lineno, rule, kinds)
