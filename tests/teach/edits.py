"""Every single mistake that a right backward offers room for, as edits of its text.

An edit says which kinds of mistake it is, in the words of `micrograd.marker.report.KINDS`: what was done, and nothing
that merely comes to the same.  Where two words name one deed ("another power" and "another operator" for
``*`` written as ``/``) both stand.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from .edit import Edit, bracketed, edit
from .edits_of_calls import call, reduction
from .edits_of_sums import is_mask, negation, power, product, total
from .facts import Facts

__all__ = ["Edit", "edits_of"]


def edits_of(facts: Facts) -> Iterator[Edit]:
    """All edits of all rules, statement by statement."""
    for statement in facts.statements:
        if isinstance(statement, (ast.For, ast.If)):
            nodes: list[ast.AST] = list(ast.walk(statement.iter if isinstance(statement, ast.For) else statement.test))
        else:
            nodes = list(ast.walk(statement))
        yield from _whole(facts, statement)
        for node in nodes:
            for rule in RULES.get(type(node), ()):
                yield from rule(facts, node)


# ---- statements ----------------------------------------------------------------------------------------------


def _whole(f: Facts, s: ast.stmt) -> Iterator[Edit]:
    if isinstance(s, ast.Return) and isinstance(s.value, ast.Tuple) and not f.pair.is_loss:
        names = [f.source(e) for e in s.value.elts]
        for i in range(len(names) - 1):
            for j in range(i + 1, len(names)):
                order = list(names)
                order[i], order[j] = order[j], order[i]
                yield edit(f, s.value, ", ".join(order), "return order", "return_order")
        yield edit(f, s.value, ", ".join(names[:-1]), "return short", "missing_result")
    if isinstance(s, ast.AugAssign):
        whole, target, value = f.source(s), f.source(s.target), f.source(s.value)
        assert whole.startswith(target)
        yield edit(f, s, f"{target} = {value}", "= for +=", "overwritten")
        flipped = {ast.Add: "-=", ast.Sub: "+="}.get(type(s.op))
        if flipped:
            yield edit(f, s, f"{target} {flipped} {value}", "-= for +=", "sign", "path_sign")
    if isinstance(s, ast.Assign) and len(s.targets) == 1:
        yield from _assignment(f, s, s.targets[0])


def _assignment(f: Facts, s: ast.Assign, target: ast.expr) -> Iterator[Edit]:
    value, text, name = s.value, f.source(s.value), f.source(target)
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Attribute) and value.attr == "shape":
        names = [f.source(e) for e in target.elts]
        if len(names) == 2:
            yield edit(f, target, f"{names[1]}, {names[0]}", "sizes exchanged", "wrong_count", "swapped_value")
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(value.elts) == 2:
        one, two = map(f.source, value.elts)
        yield edit(f, value, f"{two}, {one}", "indices exchanged", "index", "swapped_value")
    if isinstance(target, ast.Subscript):
        yield edit(f, s, f"{name} += {text}", "+= for =", "accumulated")
        if isinstance(value, ast.Constant):
            yield edit(f, value, f"-{text}", "sign flipped", "sign")
            yield edit(f, value, "2", "factor changed", "factor")
    if isinstance(value, ast.BinOp) and isinstance(value.left, ast.Name) and f.is_array(value.left):
        left, right = f.source(value.left), f.source(value.right)
        symbol = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}.get(type(value.op))
        if symbol and np.shape(f.value(value.left)) == np.shape(f.value(value)) and name != left:
            new = f"{left} {symbol}= {right}; {name} = {left}"
            yield edit(f, s, new, "operand changed in place", "in_place")
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and isinstance(value.right, ast.Name):
        left, right = f.operands(value)
        if np.shape(f.value(value.right)) == np.shape(f.value(value)) != () and isinstance(target, ast.Name):
            yield edit(f, s, f"{right} *= {left}; {name} = {right}", "operand changed in place", "in_place")
    if not f.is_gradient(value) or not f.is_array(value):
        return
    closed = bracketed(text, value)
    yield edit(f, value, f"-{closed}", "sign flipped", "sign")
    yield edit(f, value, f"2 * {closed}", "factor added", "factor")
    yield edit(f, value, f"0.5 * {closed}", "factor added", "factor")
    for size in ("N", "D", "M", "m"):
        if f.born.get(size, s.lineno) < s.lineno:
            yield edit(f, value, f"{closed} / {size}", "divided by a size", "count")
    if f.born.get("gamma", s.lineno) < s.lineno and _fits(f, "gamma", value):
        yield edit(f, value, f"{closed} * gamma", "gamma once more", "gamma_twice")
    yield edit(f, value, f"{closed}.T", "transposed", "transposed")
    terms = list(_terms(value))
    if len(terms) > 2 and name == "dx" and "norm" in f.pair.family:
        yield edit(f, value, f.source(terms[0]), "first term alone", "constant_statistics")
    if name == "dx" and f.pair.family in ("batchnorm", "layernorm") and "dxmu1" in f.born:
        yield edit(f, value, "dxmu1", "first path alone", "constant_statistics")


def _fits(f: Facts, name: str, node: ast.expr) -> bool:
    """Whether the value can be multiplied by that name and keeps its shape."""
    for _, value, _ in f.names.get(name, ()):
        try:
            return np.broadcast_shapes(np.shape(value), np.shape(f.value(node))) == np.shape(f.value(node))
        except ValueError:
            return False
    return False


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


# ---- names, numbers, indices -----------------------------------------------------------------------------------


def _name(f: Facts, node: ast.Name) -> Iterator[Edit]:
    parent = f.parents[node]
    if not isinstance(node.ctx, ast.Load) or isinstance(parent, ast.keyword):
        return
    if f.is_size(node) and not isinstance(parent, (ast.Tuple, ast.Slice)) and not _in_index(f, node):
        whole = isinstance(f.statement(node), ast.Assign) and f.is_array(f.statement(node).value)
        if whole:
            yield edit(f, node, f"({node.id} - 1)", "one less", "bessel")
        for other in ("N", "D", "C", "H"):
            if other != node.id and f.born.get(other, node.lineno) < node.lineno:
                yield edit(f, node, other, "another size", *(("wrong_count",) if whole else ("wrong_count", "count")))
    if f.value(node) is None or np.ndim(f.value(node)) == 0 or isinstance(parent, (ast.Attribute, ast.Subscript)):
        return
    mine, grad = np.shape(f.value(node)), f.is_gradient(node)
    statement = f.statement(node)
    target = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for other in f.born:
        seen = [(value, is_grad) for line, value, is_grad in f.names.get(other, ())]
        if other == node.id or other in target or f.born[other] >= node.lineno or not seen:
            continue
        value, other_grad = seen[-1]
        if np.shape(value) == mine and not isinstance(value, (int, float)):
            kinds = _exchange(f, f.value(node), value, grad, other_grad)
            yield edit(f, node, other, "another name", *kinds, *["index"] * _in_brackets(f, node))
    masks = is_mask(f, node)
    if masks and not isinstance(parent, ast.Compare):
        yield edit(f, node, "(mask == 0)", "mask inverted", "mask")


def _in_brackets(f: Facts, node: ast.AST) -> bool:
    """Whether it is part of an index."""
    while not isinstance(node, ast.stmt):
        parent = f.parents[node]
        if isinstance(parent, ast.Subscript) and parent.slice is node:
            return True
        node = parent
    return False


def _in_index(f: Facts, node: ast.AST) -> bool:
    while not isinstance(node, ast.stmt):
        if isinstance(node, ast.Slice) or (
            isinstance(node, ast.Call) and f.source(node.func) in ("range", "np.zeros", "np.ones")
        ):
            return True
        if isinstance(node, ast.Call) and f.source(node.func).endswith("reshape"):
            return True
        node = f.parents[node]
    return False


def _exchange(f: Facts, old: Any, new: Any, grad: bool, other_grad: bool) -> tuple[str, ...]:
    """What it is to write a value for another: also dropping or doubling a factor, where it comes to just that."""
    if grad and not other_grad and not f.pair.is_loss:
        return ("upstream_ignored", "swapped_value")
    if not grad and other_grad and not f.pair.is_loss:
        return ("swapped_value", "upstream_ignored")
    kinds = ["swapped_value", "wrong_path"] if grad else ["swapped_value"]
    if not grad and (old.dtype == bool or set(np.unique(old)) <= {0, 1}):
        kinds.append("mask")
    with np.errstate(all="ignore"):
        ratio = new / old
        for seen in f.names.values():
            factor = seen[-1][1]
            if seen[-1][2] or not isinstance(factor, np.ndarray) or np.ndim(ratio) < np.ndim(factor):
                continue
            try:
                if np.allclose(ratio * factor, 1):
                    kinds.append("gamma_missing")
                if np.allclose(ratio / factor, 1):
                    kinds.append("gamma_twice")
            except ValueError:
                continue
        if not grad and (old > 0).all() and (new > 0).all():
            powers = np.log(new) / np.log(old)
            if np.ptp(powers) < 0.05:
                kinds.append("power")
    return tuple(dict.fromkeys(kinds))


def _number(f: Facts, node: ast.Constant) -> Iterator[Edit]:
    parent = f.parents[node]
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        return
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Mult, ast.Div)) and f.is_array_or_part(parent):
        for other in (2 * node.value, node.value / 2):
            yield edit(
                f,
                node,
                f"{other:g}" if other != int(other) else str(type(node.value)(other)),
                "factor changed",
                "factor",
            )


def _index(f: Facts, node: ast.Subscript) -> Iterator[Edit]:
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if isinstance(f.parents[node], ast.Attribute) or f.source(node.value).endswith("param"):
        return
    if f.source(node.value).endswith(".shape") and isinstance(node.slice, ast.Constant):
        yield edit(f, node.slice, str(1 - node.slice.value), "another size", "wrong_count", "index")
        return
    for at, part in enumerate(parts):
        if isinstance(part, ast.Slice) and part.lower is not None and part.upper is not None:
            low, high = f.source(part.lower), f.source(part.upper)
            yield edit(f, part, f"{low} + 1 : {high} + 1", "slice shifted", "index")
            yield edit(f, part, f"{low} - 1 : {high} - 1", "slice shifted", "index")
            yield edit(f, part, f"{low} : {high} - 1", "slice short", "index")
        elif isinstance(part, ast.Name) and not f.is_array(part):
            yield edit(f, part, "0", "index fixed", "index")
            yield edit(f, part, f"{part.id} - 1", "index off by one", "index")
            if at + 1 < len(parts) and isinstance(parts[at + 1], ast.Name):
                order = [f.source(p) for p in parts]
                order[at], order[at + 1] = order[at + 1], order[at]
                yield edit(f, node.slice, ", ".join(order), "indices exchanged", "index")
        elif isinstance(part, ast.Name):
            yield edit(f, part, f"{part.id} - 1", "index off by one", "index")
    if len(parts) == 4 and all(isinstance(p, ast.Slice) and p.lower is not None for p in parts[2:]):
        order = [f.source(p) for p in parts]
        order[2], order[3] = order[3], order[2]
        yield edit(f, node.slice, ", ".join(order), "slices exchanged", "index")


def _compare(f: Facts, node: ast.Compare) -> Iterator[Edit]:
    left, right = f.source(node.left), f.source(node.comparators[0])
    if isinstance(node.comparators[0], ast.Constant) and isinstance(node.comparators[0].value, str):
        return
    inverse = {ast.Gt: ("<", "<="), ast.Eq: ("!=", "<")}.get(type(node.ops[0]), ())
    for symbol in inverse:
        yield edit(f, node, f"{left} {symbol} {right}", "mask inverted", "mask")
    if isinstance(node.ops[0], ast.Gt):
        yield edit(f, node.comparators[0], "1", "another threshold", "mask")
        yield edit(f, node, left, "comparison dropped", "mask")


RULES: dict[type, tuple[Any, ...]] = {
    ast.BinOp: (total, product, power),
    ast.UnaryOp: (negation,),
    ast.Call: (reduction, call),
    ast.Name: (_name,),
    ast.Constant: (_number,),
    ast.Subscript: (_index,),
    ast.Compare: (_compare,),
}
