"""Run a function on traced arrays without keeping names: what the transforms need of a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.modes import recording
from micrograd.numpy_api.scipy import of_scipy
from micrograd.source.names import CodePosition
from micrograd.tracing.array import TracedArray, lift, without_tracing
from micrograd.tracing.clone import ChangesOutsideError, Cloner, clones_code
from micrograd.tracing.refusals import explain
from micrograd.tracing.storage import Storage, Write, current_trace

__all__ = ["CapturedRun", "Run", "WritesOutsideError", "inside_a_trace", "lifted"]


class Unnamed:
    """The trace of a run whose nodes need no names: storages ask it who shares memory, and nothing else."""

    def __init__(self, cloner: Cloner) -> None:
        self.cloner = cloner

    def here(self) -> list[CodePosition]:
        """Return no positions: nobody reads them."""
        return []

    def recorded_so_far(self) -> int:
        """Return 0: nodes are not counted."""
        return 0

    def composed(self, storage: Storage, write: Write, before: int, parts: Sequence[Any]) -> None:
        """Take no note of a new version of an array."""

    def writes(self, storage: Storage) -> None:
        """Refuse to write into an array of the caller's that another of theirs shares memory with."""
        self.cloner.refuse_shared(storage)

    def adopted(self, array: np.ndarray[Any, Any]) -> TracedArray:
        """Return a plain array that something tracked is written into, traced from now on."""
        return self.cloner.adopted(array, None)


def inside_a_trace() -> bool:
    """Check that a function is being run on traced arrays, here and now."""
    return current_trace.get() is not None


def lifted(result: Any) -> Any:
    """Return the result of a transform as the function around it knows values: as traced arrays, inside a trace."""
    return lift(result) if inside_a_trace() else result


class Run:
    """One run of a function on traced arrays.

    Inside a trace, or inside another run, it belongs to that one: the functions are its clones, the arrays its own.

    Args:
        f: any callable. What is composed of tensors in this package runs as it is (`traces` is False then).
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f = of_scipy(f) or f
        outer: Any = current_trace.get()
        self.outer = outer
        self.traces = clones_code(f)
        self.written_through: list[tuple[TracedArray, TracedArray]] = []
        self.clone: Any = None
        if outer is not None:
            self.cloner: Cloner = outer.cloner
        elif self.traces:
            self.cloner, self.clone = Cloner.of_run(f)

    def variable(self, node: Tensor, leaf: Any) -> Any:
        """Return what `f` is given for an argument that the graph knows as `node`."""
        if not self.traces:
            return node
        made = self.cloner.variable(node, leaf)
        if isinstance(leaf, TracedArray) and not leaf.rebinds:
            made.rebinds = False
            made.storage.alias = leaf
            self.written_through.append((made, leaf))
        return made

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return ``f(*args, **kwargs)``: tensors where the result depends on a variable, else plain values.

        Raises:
            GraphError: `f` does what would lose a gradient; the message underlines the line.
        """
        if not self.traces:
            return self.f(*args, **kwargs)
        if self.outer is not None:
            with recording(sealed=True):
                result = without_tracing(self.cloner.runs(self.f)(*args, **kwargs))
                for made, leaf in self.written_through:
                    if made.storage.written:
                        leaf.assign(made.storage.present())
                return result
        token = current_trace.set(Unnamed(self.cloner))
        try:
            of = self.cloner.of
            with recording(sealed=True):
                result = self.clone(*map(of, args), **{key: of(value) for key, value in kwargs.items()})
                result = without_tracing(result)
                if not self.cloner.give_back():
                    self.cloner.keep(self.f)
        except Exception as error:
            explain(error)
            raise
        finally:
            current_trace.reset(token)
        return result


class WritesOutsideError(ChangesOutsideError):
    """A call that is captured writes into an array that is no argument and was not made in it."""

    array: Any


class _OfCapture(Unnamed):
    """The trace of a call that is captured: what lies outside stays as it is, unless every call writes it anew."""

    def __init__(self, cloner: Cloner) -> None:
        super().__init__(cloner)
        self.arguments: list[TracedArray] = []

    def adopted(self, array: np.ndarray[Any, Any]) -> TracedArray:
        """Return a plain array that something tracked is written into: it was made in this call, of constants."""
        made = super().adopted(array)
        made.storage.origin = None
        return made

    def writes(self, storage: Storage) -> None:
        """Refuse to write into an array that is no argument and was not made in the call."""
        super().writes(storage)
        if storage.origin is not None and not any(given.storage is storage for given in self.arguments):
            error = WritesOutsideError(
                "a compiled function writes into an array that it finds outside, which later calls would not do; pass "
                "the array as an argument, or return the new values."
            )
            error.array = storage.origin
            raise error


class CapturedRun:
    """Run a function once on traced arrays while its call is captured: the recording that the compiler reads.

    Views, second names, writes and masks are what they are in `trace`. Values are not: what asks for one is refused,
    since it changes from call to call.

    Args:
        f: the function. What is composed of tensors in this package runs as it is, on traced arrays.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f = of_scipy(f) or f
        self.cloner = Cloner(f, {})
        self.cloner.keeps_values_in = True
        self.trace = _OfCapture(self.cloner)

    def argument(self, tensor: Tensor, leaf: Any) -> TracedArray:
        """Return what `f` is given for an array `leaf` that the capture knows as `tensor`."""
        made = self.cloner.variable(tensor, leaf)
        self.trace.arguments.append(made)
        return made

    def outside(self, tensor: Tensor, array: Any) -> TracedArray:
        """Return what `f` finds in the place of an `array` outside of it, which every call reads and writes."""
        made = self.argument(tensor, array)
        self.cloner.clones[id(array)] = made
        return made

    def other(self, leaf: Any) -> Any:
        """Return what `f` is given for an argument that is no array."""
        return self.cloner.of(leaf) if clones_code(self.f) else leaf

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return ``f(*args, **kwargs)``, its traced arrays as tensors or plain arrays.

        Raises:
            GraphError: `f` does what cannot be recorded; the message underlines the line.
        """
        token = current_trace.set(self.trace)
        try:
            f = self.cloner.of(self.f) if clones_code(self.f) else self.f
            result = without_tracing(f(*args, **kwargs))
            self.cloner.give_back()
        except Exception as error:
            if "its value changes from call to call" not in str(error):  # that has its line
                explain(error)
            raise
        finally:
            current_trace.reset(token)
        return result

    def written(self, made: Any) -> Any:
        """Return what an argument holds in the end; None where nothing was written into it."""
        if not isinstance(made, TracedArray) or not made.storage.written or made.rebinds:
            return None
        return made.storage.present()
