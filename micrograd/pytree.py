"""Flatten arguments and results: nested tuples, lists and dictionaries of leaves (pytrees).

>>> leaves, rebuild = flatten({"w": [1.0, 2.0]})
>>> leaves
[1.0, 2.0]
>>> rebuild([3.0, 4.0])
{'w': [3.0, 4.0]}
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

__all__ = ["call_by_parameter", "flatten", "packing", "paths"]

_DEEPEST = 50
"""Trees that are deeper are put together without printing how: Python's parser has an end."""


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


def _first(leaves: Iterable[Any]) -> Any:
    return next(iter(leaves))


def flatten(tree: Any) -> tuple[list[Any], Callable[[Iterable[Any]], Any]]:
    """Return the leaves in order, and the function that puts others in their places."""
    if not isinstance(tree, (dict, list, tuple)):  # most arguments are one leaf
        return [tree], _first
    return [leaf for _, leaf in paths(tree)], lambda leaves: _build(tree, iter(leaves))


def packing(tree: Any, leaves: Iterable[str], names: dict[str, Any]) -> str:
    """Return the text of an expression that builds a tree, with these texts in the places of its leaves.

    What runs at every call takes a tenth of the time of `flatten`'s function so.

    Args:
        tree: whose leaves do not matter.
        leaves: an expression for each.
        names: what the expressions refer to; keys and types of the tree are added.

    Raises:
        ValueError: the tree is too deep.

    >>> names = {}
    >>> eval(packing({"w": [None, None]}, ["1.0", "2.0"], names), names)["w"]
    [1.0, 2.0]
    """
    texts = iter(leaves)

    def named(value: Any) -> str:
        names[name := f"_{len(names)}"] = value
        return name

    def text(part: Any, depth: int) -> str:
        if depth > _DEEPEST:
            raise ValueError(f"a tree of more than {_DEEPEST} containers inside of each other")
        if isinstance(part, dict):
            return f"{{{', '.join(f'{named(key)}: {text(value, depth + 1)}' for key, value in part.items())}}}"
        if not isinstance(part, (list, tuple)):
            return next(texts)
        items = "".join(f"{text(item, depth + 1)}, " for item in part)
        if type(part) in (list, tuple):
            return f"[{items}]" if type(part) is list else f"({items})"
        return f"{named(type(part))}({items if hasattr(part, '_fields') else f'({items})'})"

    return text(tree, 0)


# ---- a call -------------------------------------------------------------------------------------------------


def call_by_parameter(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    *,
    through: Callable[..., Any] | None = None,
    seed: int | None = None,
) -> Any:
    """Call a function with copies of its arguments: positional-only ones in order, the others by keyword.

    Args:
        function: what is called.
        arguments: by parameter.
        through: what calls it, as `micrograd.trace` does: it is given the function first.
        seed: of ``np.random`` before the call, which users' dropout draws from; as it is where None.

    >>> def power(x, /, exponent):
    ...     return x**exponent
    >>> call_by_parameter(power, {"x": 3, "exponent": 2})
    9
    """
    kinds = {name: p.kind for name, p in inspect.signature(function).parameters.items()}
    given = copy.deepcopy(dict(arguments))
    first = [given.pop(name) for name in arguments if kinds.get(name) is inspect.Parameter.POSITIONAL_ONLY]
    if seed is not None:
        np.random.seed(seed % 2**32)  # noqa: NPY002 - the generator that such functions use
    return function(*first, **given) if through is None else through(function, *first, **given)
