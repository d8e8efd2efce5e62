"""Run a function on traced arrays without keeping names: what the transforms need of a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.modes import capturing, recording
from micrograd.source.names import CodePosition
from micrograd.tracing.array import TracedArray, lift, without_tracing
from micrograd.tracing.clone import Cloner, clones_code
from micrograd.tracing.refusals import explain
from micrograd.tracing.storage import Storage, Write, current_trace

__all__ = ["Run", "inside_a_trace", "lifted"]


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
        f: any callable. What is composed of tensors in this package runs as it is, on tensors, and so does everything
            while a call is captured (`traces` is False then).
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        outer: Any = current_trace.get()
        self.outer = outer
        self.traces = capturing() is None and clones_code(f)
        self.clone: Any = None
        if outer is not None:
            self.cloner: Cloner = outer.cloner
        elif self.traces:
            self.cloner, self.clone = Cloner.of_run(f)

    def variable(self, node: Tensor, leaf: Any) -> Any:
        """Return what `f` is given for an argument that the graph knows as `node`."""
        return self.cloner.variable(node, leaf) if self.traces else node

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return ``f(*args, **kwargs)``: tensors where the result depends on a variable, else plain values.

        Raises:
            GraphError: `f` does what would lose a gradient; the message underlines the line.
        """
        if not self.traces:
            return self.f(*args, **kwargs)
        if self.outer is not None:
            with recording(sealed=True):
                return without_tracing(self.cloner.runs(self.f)(*args, **kwargs))
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
