"""Edit the node itself: another name, number, comparison or entry; a sign, a transpose or an index taken away."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from micrograd.marker.repair.edits.base import COMPARISONS, INSTEAD, Edit
from micrograd.marker.repair.edits.material import Material, kin
from micrograd.marker.student.scope import is_array, is_number
from micrograd.marker.student.statements import path_of

__all__ = ["bare", "other_comparisons", "other_entries", "other_names", "other_numbers", "without_sign"]

_NUMBERS = ("2", "0.5", "1", "-1", "0", "3", "1.5", "-0.5", "-2", "-1.5", "-3", "4")


def other_names(here: Material, node: ast.Name | ast.Subscript) -> Iterator[Edit]:
    """Offer other variables, those of the same shape or of a similar name first; a count one less or more."""
    name = path_of(node)
    value: Any = here.scope.names.get(name)
    if not isinstance(value, np.ndarray) and not is_number(value):
        return
    pool = [n for n in here.numbers if type(here.scope.names[n]) is type(value)]
    if isinstance(value, np.ndarray):
        whole = [n for n, v in here.scope.names.items() if isinstance(v, np.ndarray) and v.dtype.kind in "iu"]
        pool = [*here.arrays, *(n for n in whole if np.shape(here.scope.names[n]) == value.shape)]
    for other in pool:
        if other == name:
            continue
        alike = np.shape(here.scope.names[other]) == np.shape(value)
        nearer = 0.2 if kin(name, other) else 0.0
        yield Edit(node, other, "name", (1.8 if alike else 2.3) - nearer, other)
    for other, size in here.counts.items():
        if "." in other and is_number(value) and not isinstance(value, float) and size != value:
            yield Edit(node, other, "name", 2.6, other)
    if is_number(value) and isinstance(value, (int, np.integer)):
        yield Edit(node, f"({name} - 1)", "bessel", 2.2)
        yield Edit(node, f"({name} + 1)", "bessel", 2.6)


def other_numbers(here: Material, node: ast.Constant) -> Iterator[Edit]:
    """Offer other numbers, and the names that may be meant by one; the other truth value."""
    value: Any = node.value
    if isinstance(value, bool):
        yield Edit(node, repr(not value), "constant", 2.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    seen = {float(value)}
    tried = [
        (text, 1.6) for text in (f"{-value!r}", f"{value * 2!r}", f"{value / 2!r}", f"{value + 1!r}", f"{value - 1!r}")
    ]
    for text, cost in [*tried, *((text, 1.9) for text in _NUMBERS)]:
        number = float(text)
        if number not in seen:
            seen.add(number)
            whole = isinstance(value, float) and "." not in text and "e" not in text
            spelled = f"{text}.0" if whole else text
            yield Edit(node, spelled, "negate" if number == -value else "constant", cost, spelled)
    for name, size in here.counts.items():
        if size != value:
            yield Edit(node, name, "count", 2.2 if "." not in name else 2.5, name)
    for name in here.numbers:
        if isinstance(here.scope.names[name], float):
            yield Edit(node, name, "name", 2.3, name)


def without_sign(here: Material, node: ast.UnaryOp) -> Iterator[Edit]:
    """Take a sign or a negation away."""
    if isinstance(node.op, ast.USub):
        yield Edit(node, here.of(node.operand), "negate", 1.0)
    elif isinstance(node.op, (ast.Invert, ast.Not)):
        yield Edit(node, here.of(node.operand), "mask", 1.0)


def other_comparisons(here: Material, node: ast.Compare) -> Iterator[Edit]:
    """Offer another comparison, or none."""
    symbol = COMPARISONS.get(type(node.ops[0]))
    if symbol is not None and len(node.ops) == 1:
        for other in INSTEAD[symbol]:
            yield Edit(node, f"{here.of(node.left)} {other} {here.of(node.comparators[0])}", "compare", 1.2, other)
        yield Edit(node, here.of(node.left), "mask", 1.6)


def bare(here: Material, node: ast.Attribute) -> Iterator[Edit]:
    """Take a transpose away."""
    if node.attr == "T":
        yield Edit(node, here.of(node.value), "transpose", 1.2)


def other_entries(here: Material, node: ast.Subscript) -> Iterator[Edit]:
    """Offer the whole array for a part of it, or an index with two places exchanged."""
    if path_of(node) or not is_array(here.scope.value(node.value)):
        return
    yield Edit(node, here.of(node.value), "index", 2.2)
    if isinstance(node.slice, ast.Tuple):
        for order in here.exchanged(node.slice.elts):
            yield Edit(node, f"{here.operand(node.value, 5)}[{order}]", "index", 2.0)
