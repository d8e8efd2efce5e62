"""Mistakes in calls: a reduction's sum, axis or keepdims, a matrix product's sides, another function."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .edit import Edit, bracketed, edit
from .facts import Facts

__all__ = ["call", "reduction"]

REDUCTIONS = {"sum", "mean"}
OTHER_AXIS = {"0": "1", "1": "0", "(0, 2, 3)": "(0, 1, 2)", "(2, 3, 4)": "(1, 2, 3)"}


def reduction(f: Facts, node: ast.Call) -> Iterator[Edit]:
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in REDUCTIONS:
        return
    free = f.source(node.func.value) == "np"
    summed = node.args[0] if free else node.func.value
    name = node.func.attr
    inner = f.source(summed) if free else f.source(node.func).removesuffix(f".{name}")
    bare = f.source(summed)
    options = {k.arg: f.source(k.value) for k in node.keywords}

    def changed(function: str = name, **other: str | None) -> str:
        kept = {key: value for key, value in (options | other).items() if value is not None}
        listed = ", ".join(f"{key}={value}" for key, value in kept.items())
        return f"np.{function}({inner}{', ' * bool(listed)}{listed})" if free else f"{inner}.{function}({listed})"

    if not f.is_gradient(node):
        return
    inside = isinstance(f.parents[node], (ast.BinOp, ast.UnaryOp))
    yield edit(f, node, bracketed(bare, summed) if inside else bare, "sum dropped", "unsummed")
    if "axis" in options:
        yield edit(f, node, changed(axis=None), "axis dropped", "no_axis")
        yield edit(f, node, changed(axis=OTHER_AXIS[options["axis"]]), "axis changed", "wrong_axis")
        if options["axis"].startswith("("):
            yield edit(
                f,
                node,
                changed(axis=options["axis"].split(",")[0][1:]),
                "axes dropped",
                "wrong_axis",
            )
    yield edit(f, node, changed("mean" if name == "sum" else "sum"), "mean for sum", "count")
    if "keepdims" in options:
        yield edit(f, node, changed(keepdims=None), "keepdims dropped", "keepdims")
    elif "axis" in options:
        yield edit(f, node, changed(keepdims="True"), "keepdims added", "keepdims")
    if free and isinstance(summed, ast.BinOp) and isinstance(summed.op, ast.Mult) and "axis" in options:
        left, right = f.source(summed.left), f.source(summed.right)
        start, end = f.range(summed)
        yield Edit(start, end, f"{left}, {right}", node.lineno, "comma for *", ("call_error",))


def call(f: Facts, node: ast.Call) -> Iterator[Edit]:
    name = f.source(node.func)
    if name == "np.sqrt":
        yield edit(f, node, f"({f.source(node.args[0])})", "root dropped", "power", "operator")
    if name == "np.max":
        yield edit(f, node.func, "np.min", "another function", "mask", "operator")
        yield edit(f, node.func, "np.mean", "another function", "mask", "operator")
    if name == "range":
        inner = f.source(node.args[0])
        yield edit(f, node, f"range({inner} - 1)", "loop one short", "index")
        yield edit(f, node, f"range(1, {inner})", "loop begins late", "index")
    if name.endswith(".dot"):
        left, right = f.source(node.func.value), f.source(node.args[0])
        yield edit(f, node, f"{right}.dot({left})", "operands exchanged", "transposed")
        for side in (node.func.value, node.args[0]):
            if isinstance(side, ast.Attribute) and side.attr == "T":
                yield edit(f, side, f.source(side.value), "transpose dropped", "transposed")
        flip = lambda text: text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"
        yield edit(f, node, f"{flip(right)}.dot({flip(left)})", "product transposed", "transposed")
    if name.endswith(".reshape") and f.is_gradient(node):
        inner = f.source(node.func.value)
        yield edit(f, node, inner, "reshape dropped", "keepdims", "index")
    if name == "np.hstack":
        parts = [f.source(e) for e in node.args[0].elts]
        for i in range(len(parts) - 1):
            order = [*parts[:i], parts[i + 1], parts[i], *parts[i + 2 :]]
            yield edit(f, node.args[0], f"({', '.join(order)})", "parts exchanged", "index", "swapped_value")
    if name in ("np.zeros_like", "np.ones_like"):
        other = "np.ones_like" if name == "np.zeros_like" else "np.zeros_like"
        yield edit(f, node.func, other, "another function", "operator")
