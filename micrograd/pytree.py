"""Flatten arguments and results: nested tuples, lists and dictionaries of leaves (pytrees).

>>> leaves, rebuild = flatten({"w": [1.0, 2.0]})
>>> leaves
[1.0, 2.0]
>>> rebuild([3.0, 4.0])
{'w': [3.0, 4.0]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["flatten", "paths"]


def paths(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf with its path: ``params['w'][0]`` is named ``params.w.0``."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from paths(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(tree, (list, tuple)):
        for position, value in enumerate(tree):
            yield from paths(value, f"{prefix}.{position}" if prefix else str(position))
    else:
        yield prefix, tree


def _build(tree: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(tree, dict):
        return {key: _build(value, leaves) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_build(value, leaves) for value in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(_build(value, leaves) for value in tree)
    return next(leaves)


def flatten(tree: Any) -> tuple[list[Any], Callable[[Iterable[Any]], Any]]:
    """Return the leaves in order, and the function that puts others in their places."""
    return [leaf for _, leaf in paths(tree)], lambda leaves: _build(tree, iter(leaves))
