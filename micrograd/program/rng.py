"""Random numbers in a captured call: layers draw anew at each call; a function that draws by itself is found out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = ["Draws"]


class _Source:
    """A generator of random numbers: its state at the start of the capture, and what layers have made of it."""

    def __init__(self, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self.get, self.put = get, put
        self.start = self.expected = get()

    def touched(self) -> bool:
        """Whether somebody else has drawn."""
        return not _same(self.get(), self.expected)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return all(map(_same, a, b))
    return np.array_equal(a, b)


class Draws:
    """The generators that a captured function can reach, as far as they are found: all draws are taken back at the end.

    Args:
        f: the function.
        leaves: its arguments.
    """

    def __init__(self, f: Any, leaves: Iterable[Any]) -> None:
        self._sources: dict[int, _Source] = {
            0: _Source(np.random.get_state, np.random.set_state),
            1: _Source(random.getstate, random.setstate),
        }
        for found in (*leaves, *_reached(f)):
            self._source(found)

    def _source(self, rng: Any) -> _Source | None:
        if isinstance(rng, np.random.Generator):
            bits = rng.bit_generator
            get, put = lambda: bits.state, lambda state: setattr(bits, "state", state)
        elif isinstance(rng, np.random.RandomState):
            get, put = rng.get_state, rng.set_state
        else:
            return None
        return self._sources.setdefault(id(rng), _Source(get, put))

    def by_layer(self, function: Callable[[], Any]) -> tuple[Any, bool]:
        """What `function` answers, whose draws later calls make anew, and whether it can draw at all."""
        sources = [s for s in map(self._source, _reached(function)) if s is not None]
        if any(source.touched() for source in sources):
            return function(), True  # and `foreign` will say so
        value = function()
        for source in sources:
            source.expected = source.get()
        return value, bool(sources)

    def foreign(self) -> bool:
        """Whether the function drew numbers by itself, which every later call would get again."""
        return any(source.touched() for source in self._sources.values())

    def restore(self) -> None:
        """Take all draws back, so that the first call draws what it would have drawn without a capture."""
        for source in self._sources.values():
            if not _same(source.get(), source.start):
                source.put(source.start)


def _reached(f: Any) -> list[Any]:
    """What a function finds in its closure, by its global names, and in the object that it is a method of."""
    found: list[Any] = []
    seen: set[int] = set()
    while f is not None and id(f) not in seen:
        seen.add(id(f))
        code = getattr(f, "__code__", None)
        for cell in getattr(f, "__closure__", None) or ():
            try:
                found.append(cell.cell_contents)
            except ValueError:  # a variable that has no value yet
                continue
        if code is not None and hasattr(f, "__globals__"):
            found += [f.__globals__[name] for name in code.co_names if name in f.__globals__]
        found += getattr(getattr(f, "__self__", None), "__dict__", {}).values()
        f = getattr(f, "__wrapped__", None) or getattr(f, "func", None)
    return found
