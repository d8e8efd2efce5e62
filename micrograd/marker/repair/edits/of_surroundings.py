"""What may be missing around an expression: a factor, a term, a sum, a sign."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from micrograd.marker.gradient_names import meanings
from micrograd.marker.repair.edits.base import Edit
from micrograd.marker.repair.edits.material import Material
from micrograd.marker.student.scope import is_number, is_value

__all__ = ["edits_around"]


def edits_around(here: Material, node: ast.expr) -> Iterator[Edit]:
    """Put an expression into a larger one."""
    value = here.scope.value(node)
    if not is_value(value) or isinstance(node, ast.Starred):
        if isinstance(value, np.ndarray) or (is_number(value) and isinstance(node, (ast.Name, ast.Call, ast.BinOp))):
            yield from _scaled(here, node, counts_only=True)
        return
    constant = isinstance(node, ast.Constant)
    yield from _scaled(here, node)
    if not constant and not isinstance(node, ast.UnaryOp):
        forward = not any(isinstance(n, ast.Name) and meanings(n.id) for n in ast.walk(node))
        yield Edit(node, f"-{here.operand(node, 2)}", "negate", 1.7 if forward else 1.1)
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        yield Edit(node, f"~{here.operand(node, 5)}", "mask", 1.5)
    if not constant:
        yield from _beside_another(here, node, np.shape(value))
    if isinstance(value, np.ndarray) and value.ndim:
        yield from _in_another_shape(here, node, value)
    if not constant:
        yield from _of_itself(here, node, np.shape(value))


def _beside_another(here: Material, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
    """Add a factor, a divisor or a term: an array, a part of one, a number."""
    product, term = here.operand(node, 2), here.of(node)
    for name in here.arrays:
        if name == term or not _fits(shape, np.shape(here.scope.names[name])):
            continue
        yield Edit(node, f"{product} * {name}", "factor_name", 2.4, name)
        yield Edit(node, f"{product} / {name}", "divide_name", 2.6, name)
        same = np.shape(here.scope.names[name]) == shape
        yield Edit(node, f"{term} + {name}", "term", 2.8 if same else 3.2, name)
        yield Edit(node, f"{term} - {name}", "term", 3.0 if same else 3.4, name)
    for name in here.arrays if here.scope.loops else ():
        ndim = here.scope.names[name].ndim
        if 0 < ndim <= len(here.scope.loops):
            part = f"{name}[{', '.join(here.scope.loops[:ndim])}]"
            yield Edit(node, f"{product} * {part}", "factor_name", 2.6, part)
            yield Edit(node, f"{term} + {part}", "term", 3.2, part)
        if ndim > 1:
            part = f"{name}[{here.scope.loops[-1]}]"
            yield Edit(node, f"{product} * {part}", "factor_name", 2.7, part)
    for item, held in here.items.items():
        if item not in product and _fits(shape, np.shape(held)):
            yield Edit(node, f"{product} * {item}", "factor_name", 2.5, item)
    for name in here.numbers:
        if isinstance(here.scope.names[name], (float, np.floating)):
            yield Edit(node, f"{term} + {name}", "term_number", 2.2, name)
            yield Edit(node, f"{product} * {name}", "factor_name", 2.7, name)
            yield Edit(node, f"{product} / {name}", "divide_name", 2.8, name)
            yield Edit(node, f"{product} / (1 - {name})", "divide_name", 3.2, name)


_AXES = {3: ("(0, 1)", "(1, 2)", "(0, 2)"), 4: ("(0, 2, 3)", "(2, 3)", "(1, 2, 3)"), 5: ("(2, 3, 4)",)}


def _in_another_shape(here: Material, node: ast.expr, value: Any) -> Iterator[Edit]:
    """Sum, average, transpose, reshape or copy an array."""
    term, atom = here.of(node), here.operand(node, 5)
    for axis in (*map(str, range(value.ndim)), *_AXES.get(value.ndim, ())):
        yield Edit(node, f"np.sum({term}, axis={axis})", "unsummed", 2.0, axis)
        yield Edit(node, f"np.mean({term}, axis={axis})", "unsummed", 2.3, axis)
        if value.ndim > 1:
            yield Edit(node, f"np.sum({term}, axis={axis}, keepdims=True)", "unsummed", 2.4, axis)
            yield Edit(node, f"np.mean({term}, axis={axis}, keepdims=True)", "unsummed", 2.5, axis)
    if value.ndim > 1:
        yield Edit(node, f"np.sum({term})", "unsummed", 2.6)
        yield Edit(node, f"{atom}.T", "transpose", 2.2)
    else:
        yield Edit(node, f"{atom}[None, :]", "index", 2.6)
        yield Edit(node, f"{atom}[:, None]", "index", 2.6)
    for name in here.arrays:
        other = here.scope.names[name]
        if other.size == value.size and other.shape != value.shape:
            yield Edit(node, f"{atom}.reshape({name}.shape)", "keepdims", 2.2, name)
    if isinstance(node, ast.Name):
        yield Edit(node, f"{term}.copy()", "copy", 2.0)


def _of_itself(here: Material, node: ast.expr, shape: tuple[int, ...]) -> Iterator[Edit]:
    """Take a power, the complement or a mask of it; what a derivative of tanh or a sigmoid brings."""
    product, term, atom = here.operand(node, 2), here.of(node), here.operand(node, 5)
    yield Edit(node, f"{atom} ** 2", "power", 2.3, "2")
    yield Edit(node, f"np.sqrt({term})", "power", 2.3, "0.5")
    yield Edit(node, f"1 / {here.operand(node, 3)}", "power", 2.3, "-1")
    yield Edit(node, f"{atom} ** 3", "power", 2.7, "3")
    yield Edit(node, f"1 - {product}", "complement", 2.6)
    yield Edit(node, f"{product} * (1 - {product})", "factor_name", 3.0, term)
    yield Edit(node, f"({term} > 0)", "mask", 2.8)
    for name in here.arrays if shape else ():
        if np.shape(here.scope.names[name]) == shape:
            yield Edit(node, f"{product} * ({name} > 0)", "mask", 2.9, name)
            yield Edit(node, f"{product} * (1 - {name})", "factor_name", 3.0, name)
            yield Edit(node, f"{product} * (1 - {name} ** 2)", "factor_name", 3.2, name)


def _scaled(here: Material, node: ast.expr, counts_only: bool = False) -> Iterator[Edit]:
    """Yield a missing number as a factor, or a count that is multiplied or divided by."""
    product = here.operand(node, 2)
    if isinstance(node, ast.Constant):
        return
    if not counts_only:
        yield Edit(node, f"2 * {here.operand(node, 3 if '/' in product else 2)}", "constant", 2.0, "2")
        yield Edit(node, f"0.5 * {here.operand(node, 3 if '/' in product else 2)}", "constant", 2.0, "0.5")
        for text in ("3", "-2", "-0.5", "1.5"):
            yield Edit(node, f"{text} * {product}", "constant", 2.6, text)
    for name in here.counts:
        extra = 0.3 if "." in name else 0.0
        yield Edit(node, f"{product} / {name}", "count", 2.1 + extra, name)
        yield Edit(node, f"{product} * {name}", "count", 2.1 + extra, name)
        yield Edit(node, f"{product} / ({name} - 1)", "bessel", 2.6 + extra, name)


def _fits(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Return whether two shapes broadcast to one of the two."""
    try:
        return np.broadcast_shapes(shape, other) in (shape, other)
    except ValueError:
        return False
