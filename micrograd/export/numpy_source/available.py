"""Find what a handwritten backward can work with: the cache that its forward left, or else the forward's arguments."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Holdings", "author_sizes", "held_by_arguments", "held_in_cache"]


@dataclass(slots=True)
class Holdings:
    """Values by name, one per trace.

    Attributes:
        parameters: of the backward, behind the upstream gradients.
        opening: statements that unpack the cache.
        arrays: arrays of any dtype.
        numbers: numbers that are no arrays.
    """

    parameters: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()
    arrays: dict[str, list[Any]] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def hold(self, name: str, values: Sequence[Any]) -> None:
        """Note a value by its name, whatever it is."""
        if all(isinstance(value, np.ndarray) for value in values):
            self.arrays[name] = list(values)
        elif all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in values):
            self.numbers[name] = [float(value) for value in values]
        elif all(isinstance(value, dict) for value in values):
            for key in values[0]:
                if isinstance(key, str) and all(key in value for value in values):
                    self.hold(f'{name}["{key}"]', [value[key] for value in values])


def _function(forward: Callable[..., Any]) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(forward)))
    except (OSError, TypeError, SyntaxError):
        return None
    return next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)


def _written(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield the expressions that the last result of a function may be."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Return) or not isinstance(node.value, ast.Tuple) or len(node.value.elts) < 2:
            continue
        last = node.value.elts[-1]
        yield last
        for other in ast.walk(function):
            if not isinstance(last, ast.Name) or not isinstance(other, ast.Assign):
                continue
            if any(isinstance(target, ast.Name) and target.id == last.id for target in other.targets):
                yield other.value


def held_in_cache(forward: Callable[..., Any], results: Sequence[Any]) -> Holdings | None:
    """Return the cache behind the outputs, unpacked under the names that the forward put into it.

    None where there is none.

    Args:
        forward: a function whose last result is a tuple, list or dictionary of values.
        results: what it returned, per trace.
    """
    function = _function(forward)
    if function is None or not all(isinstance(result, tuple) and len(result) > 1 for result in results):
        return None
    caches = [result[-1] for result in results]
    for written in _written(function):
        if isinstance(written, (ast.Tuple, ast.List)) and all(
            isinstance(cache, (tuple, list)) and len(cache) == len(written.elts) for cache in caches
        ):
            names = [entry.id if isinstance(entry, ast.Name) else "_" for entry in written.elts]
            unpack = f"{names[0]}, = cache" if len(names) == 1 else f"{', '.join(names)} = cache"
            holdings = Holdings(("cache",), (unpack,))
            for place, name in enumerate(names):
                if name != "_":
                    holdings.hold(name, [cache[place] for cache in caches])
            return holdings
        if isinstance(written, ast.Dict) and all(isinstance(cache, dict) for cache in caches):
            keys = [key.value for key in written.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            keys = [key for key in keys if key.isidentifier() and all(key in cache for cache in caches)]
            holdings = Holdings(("cache",), tuple(f'{key} = cache["{key}"]' for key in keys))
            for key in keys:
                holdings.hold(key, [cache[key] for cache in caches])
            return holdings
    return None


def held_by_arguments(arguments: Sequence[Mapping[str, Any]]) -> Holdings:
    """Return the forward's own arguments, handed to the backward too."""
    names = tuple(arguments[0])
    holdings = Holdings(names)
    for name in names:
        holdings.hold(name, [given[name] for given in arguments])
    return holdings


def author_sizes(forward: Callable[..., Any]) -> dict[tuple[str, int], str]:
    """Return what the user calls the axes: ``N, D = x.shape`` names two.

    >>> def f(x):
    ...     N, D = x.shape
    ...     return x / N
    >>> author_sizes(f)
    {('x', 0): 'N', ('x', 1): 'D'}
    """
    found: dict[tuple[str, int], str] = {}
    function = _function(forward)
    for node in ast.walk(function) if function else ():
        match node:
            case ast.Assign(
                targets=[ast.Tuple(elts=names)], value=ast.Attribute(value=ast.Name(id=array), attr="shape")
            ):
                for axis, name in enumerate(names):
                    if isinstance(name, ast.Name) and name.id != "_":
                        found[array, axis] = name.id
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Subscript(
                    value=ast.Attribute(value=ast.Name(id=array), attr="shape"), slice=ast.Constant(value=int(axis))
                ),
            ):
                found[array, axis] = name
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=array)])
            ):
                found[array, 0] = name
    return found
