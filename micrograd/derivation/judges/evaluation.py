"""Run a recorded graph on elements of a finite field, with NumPy's own functions on arrays of objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from micrograd.derivation.judges.field import Draw, Element, Field
from micrograd.graph import Graph
from micrograd.graph.nodes import Node
from micrograd.primitives import TABLE

__all__ = ["LiftedNumpy", "evaluate"]


def evaluate(graph: Graph, given: Mapping[str, Any], over: Field) -> dict[int, Any]:
    """Return the value of every node, by index.

    Args:
        graph: what is computed.
        given: the inputs, by name, as elements; truth values as they are.
        over: the field.

    Raises:
        Draw: a number has no root, or is 0 under a fraction; the error names the node as its note.
    """
    known: dict[int, Any] = {}
    for node in graph.nodes:
        if node.op == "input":
            known[node.index] = given[node.name]
        elif node.is_leaf:
            a = np.asarray(graph.fixed[node.index])
            known[node.index] = a if a.dtype.kind in "bi" else over.lifted(a)
        else:
            operands = [known[o] if isinstance(o, int) else over.number(o) for o in node.operands]
            try:
                known[node.index] = _SPECIAL.get(node.op, _by_row)(node, operands, over)
            except Draw as draw:
                draw.add_note(node.name)
                if draw.bad is None and node.op == "sqrt" and isinstance(operands[0], np.ndarray):
                    draw.bad = np.asarray(np.frompyfunc(_has_no_root, 1, 1)(operands[0]), bool)
                raise
    return known


class LiftedNumpy:
    """Stand in for `np` in printed code that runs on elements: what comes out as floats becomes elements."""

    def __init__(self, over: Field) -> None:
        self._over = over

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)

        def call(*args: Any, **keywords: Any) -> Any:
            made = function(*args, **keywords)
            return self._over.lifted(made) if isinstance(made, np.ndarray) and made.dtype.kind in "fO" else made

        return call


def _has_no_root(x: Element) -> bool:
    try:
        x.sqrt()
    except Draw:
        return True
    return False


def _by_row(node: Node, operands: list[Any], over: Field) -> Any:
    if all(isinstance(o, Element) for o in operands) and TABLE[node.op].kind == "map":
        return _numbers(node, operands)
    made = TABLE[node.op].forward(*operands, **node.attrs)
    return made if isinstance(made, np.ndarray | Element) else over.lifted(made)


def _numbers(node: Node, operands: list[Any]) -> Any:
    """Apply a row to single elements."""
    made = TABLE[node.op].forward(*(np.array([o], object) for o in operands), **node.attrs)
    return made[0]


def _cast(_: Node, operands: list[Any], over: Field) -> Any:
    a = np.asarray(operands[0])
    return over.lifted(a.astype(int)) if a.dtype.kind == "b" else operands[0]


def _scatter(node: Node, operands: list[Any], over: Field) -> Any:
    out = over.lifted(np.zeros(node.shape))
    np.add.at(out, node.attrs["index"], operands[0])
    return out


def _elementwise(f: Callable[..., Any]) -> Callable[[Node, list[Any], Field], Any]:
    return lambda _node, operands, _over: f(*operands)


def _signs(x: Any) -> Any:
    return np.frompyfunc(Element.sign, 1, 1)(x) if isinstance(x, np.ndarray) else x.sign()


_SPECIAL: dict[str, Callable[[Node, list[Any], Field], Any]] = {
    "add": _elementwise(lambda x, y: x + y),
    "sub": _elementwise(lambda x, y: x - y),
    "mul": _elementwise(lambda x, y: x * y),
    "div": _elementwise(lambda x, y: x / y),
    "neg": _elementwise(lambda x: -x),
    "reciprocal": lambda _node, operands, over: over.number(1) / operands[0],
    "pow": lambda node, operands, _: operands[0] ** node.attrs["exponent"],
    "sign": _elementwise(_signs),
    "cast": _cast,
    "scatter": _scatter,
    "reshape": lambda node, operands, _: np.reshape(np.asarray(operands[0], object), node.attrs["shape"]),
    "broadcast": lambda node, operands, _: np.broadcast_to(np.asarray(operands[0], object), node.attrs["shape"]),
    "max": lambda node, operands, _: np.max(
        operands[0], axis=node.attrs.get("axis"), keepdims=node.attrs.get("keepdims", False)
    ),
}
"""Rows that objects need another way for than the row's own forward rule."""
