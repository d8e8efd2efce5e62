"""Compute graphs of Python floats without paying for arrays: operators recorded without a detour, and their rules.

`ArrayLike` defines every operator through ``__primitive__``. For a chain of Python floats that costs more than the
arithmetic, so the commonest ones get a version that goes straight to the node where nothing special is asked for.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from micrograd import primitives as p
from micrograd.core import validation
from micrograd.core.array_pool import SMALLEST, apply
from micrograd.modes import SEALED, current
from micrograd.primitives import passes

__all__ = ["fast_operators", "pull"]

Class = TypeVar("Class", bound=type)


def fast_operators(cls: Class) -> Class:
    """Give a class of nodes fast ``+ - * /`` and integer powers (a class decorator)."""

    def methods(row: p.Primitive, number: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        ufunc: np.ufunc = getattr(np, row.array)

        def array(a: Any, b: Any) -> Any:
            large = (type(a) is not float and a.nbytes >= SMALLEST) or (type(b) is not float and b.nbytes >= SMALLEST)
            try:
                return apply(ufunc, a, b) if large else number(a, b)
            except ValueError as error:
                raise validation.mismatch(row, [a, b], error) from None

        def forwards(self: Any, other: Any) -> Any:
            a = self.raw
            if isinstance(other, cls):
                y, b = other, other.raw  # type: ignore[attr-defined]
            elif type(other) is float or (type(other) is int and (type(a) is float or a.dtype.kind == "f")):
                y, b = None, float(other)
            else:
                return self.__primitive__(row, (self, other), {})
            if (mode := current()) is None or mode is SEALED:
                if type(a) is float and type(b) is float:
                    return cls(number(a, b), row, None, self, a, y, b)
                value = array(a, b)
                if type(value) is np.ndarray:
                    return cls(value, row, None, self, a, y, b)
            return self.__primitive__(row, (self, other), {})

        def backwards(self: Any, other: Any) -> Any:
            b = self.raw
            fits = type(other) is float or (type(other) is int and (type(b) is float or b.dtype.kind == "f"))
            if fits and ((mode := current()) is None or mode is SEALED):
                a = float(other)
                value = number(a, b) if type(b) is float else array(a, b)
                if type(value) is float or type(value) is np.ndarray:
                    return cls(value, row, None, None, a, self, b)
            return self.__primitive__(row, (other, self), {})

        return forwards, backwards

    for row in (p.add, p.sub, p.mul):
        forwards, backwards = methods(row, getattr(operator, row.name))
        setattr(cls, f"__{row.name}__", forwards)
        setattr(cls, f"__r{row.name}__", backwards)
    setattr(cls, "__truediv__", methods(p.div, p.div.forward)[0])  # noqa: B010 (1 / x is a row of its own)

    general = getattr(cls, "__pow__")  # noqa: B009 (of the class itself, which the type checker would take for a number)

    def power(self: Any, exponent: Any) -> Any:
        if type(exponent) is not int:
            return general(self, exponent)
        return self.__primitive__(p.pow, (self,), {"exponent": exponent})

    setattr(cls, "__pow__", power)  # noqa: B010
    return cls


def pull(node: Any, g: Any, arriving: dict[Any, Any]) -> list[Any]:
    """Apply the rules of a node whose value is a number: the bits of the engine's general step, without shapes.

    Never `+=`: what has arrived may be an array that belongs to the caller or to another node.
    """
    rules, out, x, a, b = node.row.vjp, node.raw, node.x, node.a, node.b
    first = second = None
    if b is None:
        first = rules[0](g, out, a, **node.attrs)
        arriving[x] = arriving[x] + first
        return [first]
    if x is not None:
        first = g if rules[0] is passes else rules[0](g, out, a, b)
        arriving[x] = arriving[x] + first
    if (y := node.y) is not None:
        second = g if rules[1] is passes else rules[1](g, out, a, b)
        arriving[y] = arriving[y] + second
    return [first, second]
