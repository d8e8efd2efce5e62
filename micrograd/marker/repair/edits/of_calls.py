"""Edits of a call: another function, other arguments, another axis of a reduction."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from micrograd.marker.repair.edits.base import REDUCTIONS, Edit, called
from micrograd.marker.repair.edits.material import Material
from micrograd.marker.repair.edits.of_operators import products

__all__ = ["edits_of_call"]

_TWINS: dict[str, tuple[str, ...]] = {
    "sum": ("mean", "max"), "mean": ("sum",), "max": ("sum", "min", "mean"), "min": ("max",), "amax": ("amin", "sum"),
    "maximum": ("minimum",), "minimum": ("maximum",), "zeros": ("ones",), "ones": ("zeros",),
    "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "exp": ("log",), "log": ("exp",), "sqrt": ("square",),
    "square": ("sqrt",), "var": ("std", "mean"), "std": ("var",), "argmax": ("argmin",), "argmin": ("argmax",),
    "multiply": ("divide", "add", "subtract"), "divide": ("multiply",), "add": ("subtract", "multiply"),
    "subtract": ("add",), "dot": ("multiply",), "hstack": ("vstack",), "vstack": ("hstack",), "tanh": ("exp",),
}  # fmt: skip
_UNARY = {"sqrt", "square", "exp", "log", "abs", "negative", "transpose", "reciprocal", "ravel", "squeeze"}


def edits_of_call(here: Material, node: ast.Call) -> Iterator[Edit]:
    """Yield edits of a whole call, without those inside its arguments."""
    name, method = called(node.func), here.is_method(node.func)
    start, _ = here.text.range(node)
    operands = ([node.func.value] if method else []) + list(node.args)  # type: ignore[attr-defined]
    if not operands or isinstance(operands[0], ast.Starred):
        return
    first = operands[0]
    func_end = here.text.range(node.func)[1]
    whole = here.of(node)
    for other in _TWINS.get(name, ()):
        if whole[: func_end - start].endswith(name):
            text = whole[: func_end - start - len(name)] + other + whole[func_end - start :]
            both = {name, other} == {"sum", "mean"}
            yield Edit(node, text, "mean_sum" if both else "function", 1.0 if both else 1.6, other)
    if name in REDUCTIONS or name in _UNARY:
        yield Edit(node, here.of(first), "oversummed" if name in REDUCTIONS else "function", 1.5, name)
    if name in REDUCTIONS:
        yield from _axes(here, node, first, method)
    if name in ("dot", "matmul") and len(operands) == 2:
        left, right = operands
        head = whole[: func_end - start]
        form = "{}." + name + "({})" if method else head.replace("{", "{{") + "({}, {})"
        yield from products(here, node, left, right, form)
        yield Edit(node, f"{here.operand(left, 2)} * {here.operand(right, 3)}", "operator", 2.0)
    if name in ("maximum", "minimum", "subtract", "divide", "where", "outer") and len(node.args) >= 2:
        parts = [here.of(arg) for arg in node.args]
        if name == "where" and len(parts) == 3:
            parts = [parts[0], parts[2], parts[1]]
        else:
            parts[0], parts[1] = parts[1], parts[0]
        yield Edit(node, f"{here.of(node.func)}({', '.join(parts)})", "exchange", 1.4)
    if name in ("hstack", "vstack", "concatenate", "stack") and isinstance(first, (ast.Tuple, ast.List)):
        parts = [here.of(element) for element in first.elts]
        for i in range(len(parts)):
            for j in range(i + 1, len(parts)):
                swapped = list(parts)
                swapped[i], swapped[j] = swapped[j], swapped[i]
                brackets = "({})" if isinstance(first, ast.Tuple) else "[{}]"
                yield Edit(first, brackets.format(", ".join(swapped)), "order", 1.5)
    if (
        len(node.args) >= 2
        and not method
        and name not in REDUCTIONS
        and not node.keywords
        and name not in ("dot", "matmul", "maximum", "minimum", "subtract", "divide", "where", "outer")
    ):
        parts = [here.of(arg) for arg in node.args]
        parts[0], parts[1] = parts[1], parts[0]
        yield Edit(node, f"{here.of(node.func)}({', '.join(parts)})", "exchange", 1.8)


def _axes(here: Material, node: ast.Call, operand: ast.expr, method: bool) -> Iterator[Edit]:
    """Another axis, another keepdims, of a reduction."""
    value = here.scope.value(operand)
    ndim = value.ndim if isinstance(value, np.ndarray) else 2
    place = 0 if method else 1
    given = {k.arg: k for k in node.keywords}
    positional = node.args[place] if len(node.args) > place and not isinstance(node.args[place], ast.Starred) else None
    if len(node.args) > place + 1 or None in given:
        return
    axis = here.of(given["axis"].value) if "axis" in given else here.of(positional) if positional else ""
    keep = here.of(given["keepdims"].value) if "keepdims" in given else ""
    others = [f"{k.arg}={here.of(k.value)}" for k in node.keywords if k.arg not in ("axis", "keepdims")]
    head = [] if method else [here.of(operand)]

    def text(new_axis: str, new_keep: str, spelled: bool = True) -> str:
        parts = [*head]
        if new_axis:
            parts.append(f"axis={new_axis}" if spelled else new_axis)
        parts += others
        if new_keep:
            parts.append(f"keepdims={new_keep}")
        return f"{here.of(node.func)}({', '.join(parts)})"

    spelled = positional is None
    if positional is not None and not _is_axis(here.scope.value(positional)):
        # np.sum(a, b, axis=0) for np.sum(a * b, axis=0)
        yield Edit(
            node,
            _merged(here, node, head, positional, axis="" if "axis" not in given else axis, keep=keep),
            "call",
            0.5,
        )
        return
    choices: list[tuple[str, str]] = []
    if axis:
        choices.append(("", "axis_superfluous"))
    singles = [str(a) for a in range(ndim)] if ndim > 1 else []
    if ndim == 4:
        singles += ["(0, 2, 3)", "(1, 2, 3)", "(2, 3)"]
    elif ndim == 5:
        singles += ["(2, 3, 4)", "(0, 2, 3, 4)", "(0, 3, 4)"]
    elif ndim == 3:
        singles += ["(0, 1)", "(1, 2)", "(0, 2)"]
    if axis == "-1":
        singles = [s for s in singles if s != str(ndim - 1)]
    choices += [(s, "axis" if axis else "axis_missing") for s in singles if s.replace(" ", "") != axis.replace(" ", "")]
    for new, tag in choices:
        yield Edit(node, text(new, keep, spelled or not axis), tag, 1.0 if new else 1.4, new)
        if not keep:
            yield Edit(node, text(new, "True", spelled or not axis), tag, 1.8, new)
    if keep:
        yield Edit(node, text(axis, "", spelled), "keepdims", 0.9)
    else:
        yield Edit(node, text(axis, "True", spelled), "keepdims", 1.1)


def _is_axis(value: Any) -> bool:
    """Return whether what is given by position to a reduction can be its axis, rather than a second operand."""
    return value is None or isinstance(value, (int, np.integer, tuple, list))


def _merged(here: Material, node: ast.Call, head: list[str], second: ast.expr, axis: str, keep: str) -> str:
    """``np.sum(a * b, axis=0)`` of ``np.sum(a, b, axis=0)``."""
    first = here.operand(node.args[0], 2) if head else ""
    parts = [f"{first} * {here.operand(second, 2)}"] if head else []
    parts += [f"axis={axis}"] if axis else []
    parts += [f"keepdims={keep}"] if keep else []
    return f"{here.of(node.func)}({', '.join(parts)})"
