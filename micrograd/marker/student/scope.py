"""The variables before a statement, what expressions are worth in them, and of what kind a value is."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.marker.student.spans import Text

__all__ = ["Scope", "index_like", "is_array", "is_number", "is_value"]


@dataclass(slots=True)
class Scope:
    """The variables before a statement, and what expressions are worth in them.

    Attributes:
        names: all local variables.
        space: globals and locals in one, to evaluate in.
        text: of the file.
        loops: the variables of the loops around it, the outermost first.
        items: of a loop what the file reads of arrays by variables: ``w[f]``.
    """

    names: Mapping[str, Any]
    space: dict[str, Any]
    text: Text
    loops: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    _values: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        entries = {
            f"{name}[{key!r}]": entry
            for name, value in self.names.items() if isinstance(value, dict)
            for key, entry in value.items() if isinstance(key, str)
        }  # fmt: skip
        if entries:
            self.names = {**self.names, **entries}

    def value(self, node: ast.expr) -> Any:
        """Return what an expression is worth; None where it raises."""
        if id(node) not in self._values:
            try:
                with np.errstate(all="ignore"):
                    code = compile(ast.Expression(node), "<edit>", "eval", dont_inherit=True)
                    self._values[id(node)] = eval(code, self.space)  # noqa: S307 - the student's expression
            except Exception:  # noqa: BLE001 - the student's expression may raise anything
                self._values[id(node)] = None
        return self._values[id(node)]

    def value_of(self, text: str) -> Any:
        """Return what an expression in the student's words is worth; None where it raises."""
        try:
            with np.errstate(all="ignore"):
                return eval(text, self.space)  # noqa: S307 - the student's expression
        except Exception:  # noqa: BLE001 - as above
            return None

    def arrays(self) -> list[str]:
        """Return names of arrays of numbers, in order of assignment."""
        return [name for name, value in self.names.items() if is_array(value)]

    def numbers(self) -> list[str]:
        """Return names of numbers: N, D, eps."""
        return [name for name, value in self.names.items() if is_number(value)]

    def counts(self) -> dict[str, int]:
        """Return how a size of an axis can be written: by a variable, else by the shape of an array."""
        found: dict[str, int] = {}
        taken: set[int] = set()
        for name in self.numbers():
            value = self.names[name]
            if isinstance(value, (int, np.integer)) and value > 1:
                found[name] = int(value)
                taken.add(int(value))
        for name in self.arrays():
            for axis, size in enumerate(np.shape(self.names[name])):
                if size > 1 and size not in taken:
                    taken.add(size)
                    found[f"{name}.shape[{axis}]"] = size
        return found


def is_array(value: Any) -> bool:
    """Return whether a value is an array of floats or a mask, and not empty."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fb" and value.size > 0


def is_number(value: Any) -> bool:
    """Return whether it is a number, whole or not; True and False are none."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_value(value: Any) -> bool:
    """Return whether something may be missing around it: an array, or a number that counts nothing."""
    return is_array(value) or isinstance(value, (float, np.floating))


def index_like(value: Any) -> bool:
    """Return whether it can stand in square brackets: whole numbers, slices, masks."""
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, np.integer, slice)) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub")
