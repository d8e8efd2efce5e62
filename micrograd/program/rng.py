"""Watch the states of random number generators in a captured call: layers draw anew at each call, functions may not."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import bit_generator

from micrograd.modes import capturing

__all__ = ["RngStates"]


class _RngState:
    """The state of a generator: at the start of the capture, and what layers have made of it."""

    def __init__(self, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self.get, self.put = get, put
        self.start = self.expected = get()

    def touched(self) -> bool:
        """Check that somebody else has drawn."""
        return not _same(self.get(), self.expected)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_same(a[key], b[key]) for key in a)
    try:
        return bool(a == b)  # Python's own state is 625 numbers: one comparison for all of them
    except ValueError:  # arrays
        return all(map(_same, a, b)) if isinstance(a, tuple) else np.array_equal(a, b)


class RngStates:
    """The states of the generators that a captured function can reach.

    Args:
        generators: those that `micrograd.program.outside` found.
    """

    def __init__(self, generators: Iterable[Any]) -> None:
        self._states: dict[int, _RngState] = {
            0: _RngState(np.random.get_state, np.random.set_state),
            1: _RngState(random.getstate, random.setstate),
        }
        for found in generators:
            self._state_of(found)
        self._in_layer = False

    @contextmanager
    def unseeded(self, refuse: Callable[[], Any]) -> Iterator[None]:
        """Call `refuse` where the function makes a generator without a seed: it would draw other numbers in each call.

        NumPy's generators all have their seed from one function then; those made in other threads get it as ever.
        """
        real = bit_generator.randbits  # type: ignore[attr-defined]

        def randbits(count: int) -> int:
            if capturing() is not None and not self._in_layer:
                refuse()
            return int(real(count))

        bit_generator.randbits = randbits  # type: ignore[attr-defined]
        try:
            yield
        finally:
            bit_generator.randbits = real  # type: ignore[attr-defined]

    def _state_of(self, rng: Any) -> _RngState | None:
        get: Callable[[], Any]
        put: Callable[[Any], None]
        if isinstance(rng, np.random.Generator):
            bits = rng.bit_generator
            get, put = lambda: bits.state, lambda state: setattr(bits, "state", state)
        elif isinstance(rng, random.Random):
            get, put = rng.getstate, rng.setstate
        elif isinstance(rng, np.random.RandomState):
            get, put = rng.get_state, rng.set_state
        else:
            return None
        # what stands for a generator in a traced function draws from the same bits
        key = id(getattr(rng, "bit_generator", rng))
        return self._states.setdefault(key, _RngState(get, put))

    def by_layer(self, function: Callable[[], Any]) -> tuple[Any, bool]:
        """Return what `function` returns, whose draws later calls make anew, and whether it can draw at all."""
        states = [state for state in map(self._state_of, _reached(function)) if state is not None]
        touched = any(state.touched() for state in states)
        self._in_layer = True
        try:
            value = function()
        finally:
            self._in_layer = False
        if touched:
            return value, True  # and `drawn_by_function` will say so
        for state in states:
            state.expected = state.get()
        return value, bool(states)

    def drawn_by_function(self) -> bool:
        """Check that the function drew numbers by itself, which every later call would get again."""
        return any(state.touched() for state in self._states.values())

    def restore(self) -> None:
        """Take all draws back, so that the first call draws what it would have drawn without a capture."""
        for state in self._states.values():
            if not _same(state.get(), state.start):
                state.put(state.start)


def _reached(f: Any) -> list[Any]:
    """Return what a function finds in its closure, by its global names, and in the object that it is a method of."""
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
