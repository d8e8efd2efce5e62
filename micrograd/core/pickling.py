"""Flatten graphs into lists, so that pickling and copying a chain of a million nodes needs no recursion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.core.operands import slots_of
from micrograd.errors import GraphError

__all__ = ["deepcopied", "flatten", "rebuild", "reduced"]


def flatten(order: Sequence[Any]) -> tuple[list[Any], list[tuple[int, ...]]]:
    """Return nodes in topological order as rows of values, and for each slot the place of its operand (-1: none)."""
    place = {node: index for index, node in enumerate(order)}
    links = [tuple(-1 if o is None else place[o] for o in node.operands) for node in order]
    return [(node.raw, node.grad, node.row, node.attrs, node.args) for node in order], links


def rebuild(
    cls: type[Any], rows: list[Any], links: list[tuple[int, ...]], known: Mapping[int, Any] | None = None
) -> list[Any]:
    """Return the nodes, of class `cls`, that `flatten` listed; those in `known`, by position, are taken as they are.

    Raises:
        GraphError: an operand that does not come before its reader (damaged data would make a cycle).
    """
    made: list[Any] = []
    for index, ((raw, grad, row, attrs, args), link) in enumerate(zip(rows, links, strict=True)):
        if known and index in known:
            made.append(known[index])
            continue
        if any(position >= index for position in link):
            raise GraphError(f"graph has a cycle through nodes {index} -> {max(link)} -> {index}; the data is damaged.")
        operands = tuple(None if at < 0 else made[at] for at in link)
        node = cls(raw, row, attrs, *(slots_of(operands, args) if operands else ()))
        node.grad = grad if grad is None or type(grad) is float else np.array(grad)
        made.append(node)
    return made


def last(cls: type[Any], rows: list[Any], links: list[tuple[int, ...]]) -> Any:
    """Return the node that a pickle was made of."""
    return rebuild(cls, rows, links)[-1]


def reduced(order: Sequence[Any]) -> tuple[Any, ...]:
    """Return what pickle makes the last of these nodes, in topological order, of."""
    return last, (type(order[-1]), *flatten(order))


def deepcopied(order: Sequence[Any], memo: dict[int, Any]) -> Any:
    """Return a copy of the last of these nodes, in topological order; those that `memo` knows are not copied again."""
    known = {place: memo[id(node)] for place, node in enumerate(order) if id(node) in memo}
    made = rebuild(type(order[-1]), *flatten(order), known)
    memo.update((id(node), copy) for node, copy in zip(order, made, strict=True))
    return made[-1]
