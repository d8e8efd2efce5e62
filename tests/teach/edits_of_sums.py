"""Mistakes in sums and products: an operator, a term, a factor, a size, a power, a sign."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from .edit import Edit, bracketed, edit, swapped
from .facts import Facts

__all__ = ["is_mask", "negation", "power", "product", "total"]


def total(f: Facts, node: ast.BinOp) -> Iterator[Edit]:
    if not isinstance(node.op, (ast.Add, ast.Sub)) or not f.is_array(node):
        return
    left, right = f.operands(node)
    plus = isinstance(node.op, ast.Add)
    closed = right if right.startswith("(") else bracketed(right, node.right)
    other = swapped(f, node, "-" if plus else "+", "+ for -")
    if f.is_gradient(node):
        yield other("path_sign")
        yield edit(f, node, left, "term dropped", "path_missing")
        yield edit(f, node, right if plus else f"-{closed}", "term dropped", "path_missing")
        if f.is_gradient(node.right):
            yield edit(
                f,
                node,
                f"{left} {'+' if plus else '-'} {right} {'+' if plus else '-'} {right}",
                "term twice",
                "path_twice",
            )
    elif right == "eps":
        yield edit(f, node, left, "eps dropped", "eps_missing")
        parent = f.parents[node]
        if isinstance(parent, ast.Call) and f.source(parent.func) == "np.sqrt":
            yield edit(f, parent, f"(np.sqrt({left}) + eps)", "eps moved", "eps_outside")
    else:
        yield other("operator", "sign", "path_sign")
        kept = left if isinstance(node.right, ast.Name) and f.is_array(node.left) else right
        yield edit(f, node, kept, "term of a value dropped", "path_missing", "swapped_value")


def product(f: Facts, node: ast.BinOp) -> Iterator[Edit]:
    if not isinstance(node.op, (ast.Mult, ast.Div)) or not isinstance(f.value(node), (np.ndarray, np.generic, float)):
        return
    times = isinstance(node.op, ast.Mult)
    left, right = f.operands(node)
    numbers = isinstance(node.left, ast.Constant), isinstance(node.right, ast.Constant)
    sizes = f.is_size(node.left), f.is_size(node.right)
    grads = f.is_gradient(node.left), f.is_gradient(node.right)
    if sizes[1]:
        kinds: tuple[str, ...] = ("count", "operator")
    elif _is_size_product(f, node.right):
        kinds = ("count", "operator", "power")
    elif numbers[1] or (isinstance(node.right, ast.UnaryOp) and isinstance(node.right.operand, ast.Constant)):
        kinds = ("factor", "operator")
    else:
        kinds = ("power", "operator", "mask") if is_mask(f, node.right) else ("power", "operator")
    if not (all(grads) or (numbers[0] and not times and numbers[1])):
        yield swapped(f, node, "/" if times else "*", "* for /")(*kinds)
    if any(grads):
        yield swapped(f, node, "+", "+ for *")("operator")
    # the right operand dropped, or used once more
    if f.is_array(node.right) or f.is_array(node.left):
        if grads[1] and times and not grads[0] and not numbers[0] and not sizes[0]:
            yield edit(f, node, right, "factor dropped", *_missing(f, node.left))
            if f.is_array(node.left):
                yield edit(f, node, f"{left} * {left} * {right}", "factor twice", *_twice(f, node.left))
                yield edit(f, node, left, "gradient dropped", *_ignored(f))
        elif grads[0] and not numbers[1] and not sizes[1] and not _is_size_product(f, node.right):
            yield edit(f, node, left, "factor dropped", *_missing(f, node.right))
            if f.is_array(node.right):
                sign = "*" if times else "/"
                yield edit(f, node, f"{left} {sign} {right} {sign} {right}", "factor twice", *_twice(f, node.right))
                if times:
                    yield edit(f, node, right, "gradient dropped", *_ignored(f))
    if sizes[1] or _is_size_product(f, node.right):
        yield edit(f, node, left, "size dropped", "count")
    if sizes[0] and times:
        yield edit(f, node, right, "size dropped", "count")
    for side, number in zip((node.left, node.right), numbers, strict=True):
        if number and side.value not in (1, 1.0) and times:
            other = right if side is node.left else left
            yield edit(f, node, other, "factor dropped", "factor")


def _is_size_product(f: Facts, node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and f.is_size(node.left)


def is_mask(f: Facts, node: ast.expr) -> bool:
    value = f.value(node)
    return (isinstance(node, ast.Name) and node.id == "mask") or getattr(value, "dtype", None) == np.bool_


def _is_spread(f: Facts, node: ast.expr) -> bool:
    """Whether the value is a power of the standard deviation, so that dropping it is a question of powers."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - {"np", "eps"}
    return bool(names) and names <= {"std", "sqrtvar", "ivar", "var"}


def _missing(f: Facts, node: ast.expr) -> tuple[str, ...]:
    if is_mask(f, node):
        return ("mask",)
    if isinstance(node, ast.UnaryOp):
        return ("factor", "sign")
    return ("gamma_missing", "power") if _is_spread(f, node) else ("gamma_missing",)


def _ignored(f: Facts) -> tuple[str, ...]:
    """A loss has no gradient coming in that could be ignored."""
    return ("gamma_missing",) if f.pair.is_loss else ("upstream_ignored",)


def _twice(f: Facts, node: ast.expr) -> tuple[str, ...]:
    if is_mask(f, node):
        return ("mask", "gamma_twice")
    return ("gamma_twice", "power")


def power(f: Facts, node: ast.BinOp) -> Iterator[Edit]:
    if not isinstance(node.op, ast.Pow):
        return
    base, exponent = f.operands(node)[0], f.value(node.right)
    if exponent is None and isinstance(node.right, ast.UnaryOp) and isinstance(node.right.operand, ast.Constant):
        exponent = -node.right.operand.value
    yield edit(f, node, base, "power dropped", "power")
    for other in (exponent + 1, exponent - 1, -exponent):
        if other not in (0, 1):
            yield edit(f, node.right, str(other), "power changed", "power")


def negation(f: Facts, node: ast.UnaryOp) -> Iterator[Edit]:
    if isinstance(node.op, ast.USub):
        parent = f.parents[node]
        term = parent
        while isinstance(term, (ast.BinOp, ast.UnaryOp)) and not (
            isinstance(term, ast.BinOp) and isinstance(term.op, (ast.Add, ast.Sub))
        ):
            term = f.parents[term]
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow):
            return
        inside = isinstance(term, ast.BinOp)
        yield edit(f, node, f.source(node.operand), "sign flipped", *(("sign", "path_sign") if inside else ("sign",)))
        if (
            isinstance(node.operand, ast.Constant)
            and isinstance(node.operand.value, float)
            and node.operand.value != 1.0
        ):
            yield edit(f, node, f"-{node.operand.value * 2}", "factor changed", "factor")
