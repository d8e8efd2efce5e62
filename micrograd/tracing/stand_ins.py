"""Stand in for what a traced function finds that is no NumPy: memos, generators of random numbers, `eval`."""

from __future__ import annotations

import builtins
import functools
import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.tracing.array import TracedArray, is_tracked
from micrograd.tracing.storage import current_trace

__all__ = ["CODE", "Memo", "TracedGenerator"]


class Memo:
    """A function that keeps its results, as `functools.cache` makes it: of one trace, and with those from before.

    Results that hold traced values are of this trace alone. A buffer that was made in it is made again afterwards,
    where the user's own memo keeps it, and holds what was written into it.

    Args:
        real: what `functools.cache` or `functools.lru_cache` made.
        function: the clone of the function inside.
        of: returns the clone of a value.
    """

    def __init__(self, real: Any, function: Callable[..., Any], of: Callable[[Any], Any]) -> None:
        self.real, self.__wrapped__ = real, function
        self.typed = bool(real.cache_parameters()["typed"])
        self.before = {} if self.typed else _results(real)
        self.of = of
        self.results: dict[Any, Any] = {}
        self.made: list[tuple[tuple[Any, ...], dict[str, Any], Any]] = []
        functools.update_wrapper(self, function)
        self.cache_info, self.cache_parameters = real.cache_info, real.cache_parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result for some arguments, computed once."""
        if any(isinstance(x, TracedArray) and not x.rebinds for x in (*args, *kwargs.values())):
            raise TypeError("unhashable type: 'numpy.ndarray'")
        key: Any = functools._make_key(args, kwargs, self.typed)
        if key not in self.results:
            known = args[0] if len(args) == 1 and type(args[0]) in (int, str) else args
            if not kwargs and known in self.before:
                self.results[key] = self.of(self.before[known])
            else:
                self.results[key] = made = self.__wrapped__(*args, **kwargs)
                self.made.append((args, kwargs, made))
        return self.results[key]

    def cache_clear(self) -> None:
        """Forget all results, of the user's memo too."""
        self.real.cache_clear()
        self.before, self.results, self.made = {}, {}, []

    def give_back(self, originals: dict[int, Any]) -> None:
        """Have the user's memo keep the plain arrays that were made, and note that they are what stands for them."""
        for args, kwargs, made in self.made:
            if isinstance(made, TracedArray) and made.parent is None and not is_tracked((*args, *kwargs.values())):
                kept = self.real(*args, **kwargs)
                if type(kept) is np.ndarray and kept.shape == made.shape:
                    now = made.storage.present()
                    np.copyto(kept, now.raw if isinstance(now, Tensor) else now)
                    made.storage.origin = originals[id(made)] = kept


def _results(real: Any) -> dict[Any, Any]:
    """Return what a memo holds, by its positional arguments: one whole number or text by itself, as CPython has it."""
    inside = gc.get_referents(real)
    held: dict[Any, Any] = next((item for item in inside if type(item) is dict and "__wrapped__" not in item), {})
    if real.cache_parameters()["maxsize"] is None:
        return dict(held)
    triples = [inside[at : at + 2] for at in range(1, 1 + 3 * len(held), 3)]  # a key, its result, the type of the link
    return {key: result for key, result in triples if key in held}


class TracedGenerator(np.random.Generator):
    """A generator that shuffles traced arrays as NumPy shuffles arrays; its numbers are those of the real one."""

    def shuffle(self, x: Any, axis: int = 0) -> None:
        """See `numpy.random.Generator.shuffle`."""
        if not isinstance(x, TracedArray):
            super().shuffle(x, axis)
            return
        x[...] = np.take(x, self._order(x, axis), axis)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """See `numpy.random.Generator.permutation`."""
        if not isinstance(x, TracedArray):
            return super().permutation(x, axis)
        return np.take(x, self._order(x, axis), axis)

    def choice(
        self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True
    ) -> Any:
        """See `numpy.random.Generator.choice`."""
        if not isinstance(a, TracedArray):
            return super().choice(a, size, replace, p, axis, shuffle)
        at: Any = super().choice(a.shape[axis], size, replace, p, 0, shuffle)
        return np.take(a, at, axis)

    def _order(self, x: TracedArray, axis: int) -> Any:
        order = np.arange(x.shape[axis])
        super().shuffle(order)
        return order


# ---- text that is run --------------------------------------------------------------------------------------


def _cloner() -> Any:
    trace: Any = current_trace.get()
    return trace.cloner if trace is not None else None


def _run(run: Callable[..., Any], mode: str, source: Any, space: Any, local: Any) -> Any:
    """Run text where the caller of `eval` or `exec` stands, with the globals that it may look up."""
    frame = sys._getframe(2)
    if space is None:
        space, local = frame.f_globals, frame.f_locals if local is None else local
        source = compile(source.strip(" \t"), "<string>", mode) if isinstance(source, str) else source
        if (cloner := _cloner()) is not None:
            cloner.looked_up(space, source)
    return run(source, space, local)


def _eval(source: Any, globals: Any = None, locals: Any = None, /) -> Any:  # noqa: A002 - Python's names
    return _run(builtins.eval, "eval", source, globals, locals)


def _exec(source: Any, globals: Any = None, locals: Any = None, /) -> None:  # noqa: A002
    _run(builtins.exec, "exec", source, globals, locals)


def _globals() -> dict[str, Any]:
    space = sys._getframe(1).f_globals
    if (cloner := _cloner()) is not None:
        cloner.looked_up(space, None)
    return space


CODE = {"eval": _eval, "exec": _exec, "globals": _globals}
"""Builtins that look up names of which the code of a function does not tell."""
