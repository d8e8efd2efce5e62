"""Modes of recording, per thread and task: nothing is recorded (`no_grad`), or an observer is told (`observe`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

__all__ = ["Capture", "Mode", "Observer", "captured", "capturing", "current", "no_grad", "observe"]


class Observer(Protocol):
    """What `observe` registers: told of each node (a Tensor) recorded and swept, in this thread or task."""

    def recorded(self, node: Any) -> None:
        """A node has been recorded."""

    def pulled(self, node: Any, g: Any, parts: list[Any]) -> None:
        """A node has been swept: its gradient, and what it sent along each slot."""


class Capture(Protocol):
    """What a call that is being captured asks for: state that every later call reads and writes anew."""

    def state(self, holder: Any, name: str) -> Any:
        """A tensor for the array or number in an attribute (or under a key, or at a place) of `holder`."""

    def write(self, holder: Any, name: str, value: Any) -> None:
        """Have every call put the value of a tensor there."""

    def host(self, function: Callable[[], Any]) -> Any:
        """A tensor for what `function` answers, called anew by every call: a learning rate, a mask."""

    def after(self, function: Callable[[], None]) -> None:
        """Have every call end with this."""

    def assume(self, function: Callable[[], Any]) -> None:
        """Capture again when `function` answers something else than now: whether a layer is training."""

    def backward(self, output: Any, seed: Any) -> None:
        """``output.backward(seed)``, whose gradients are tensors."""

    def assign(self, leaf: Any, value: Any) -> None:
        """``leaf.data = value`` for a tensor `value`."""

    def detached(self, node: Any) -> Any:
        """A leaf of the value of `node`: gradients stop there, the value does not."""

    def refuse(self, what: str, instead: str) -> Any:
        """Raise GraphError: the author asks for a value, which another call would have another of."""


class Mode(NamedTuple):
    """How operations are recorded.

    Attributes:
        records: whether they are.
        observers: who is told of each.
        sealed: whether taking a plain number out is an error.
        capture: the call that is being captured, if one is.
    """

    records: bool = True
    observers: tuple[Observer, ...] = ()
    sealed: bool = False
    capture: Capture | None = None


_mode: ContextVar[Mode | None] = ContextVar("micrograd_mode", default=None)
current = _mode.get  # None where nothing special is asked for: the fast path is one look-up


@contextmanager
def no_grad() -> Iterator[None]:
    """Operations inside record nothing: their results are leaves."""
    mode = current() or Mode()
    token = _mode.set(mode._replace(records=False))
    try:
        yield
    finally:
        _mode.reset(token)


@contextmanager
def observe(observer: Observer, *, sealed: bool = False) -> Iterator[None]:
    """Tell `observer` of every node recorded or swept inside; `sealed`: ``float(t)`` there would lose a trace."""
    mode = current() or Mode()
    token = _mode.set(mode._replace(observers=(*mode.observers, observer), sealed=mode.sealed or sealed))
    try:
        yield
    finally:
        _mode.reset(token)


def capturing() -> Capture | None:
    """The capture that this thread or task is in, if any."""
    mode = current()
    return None if mode is None else mode.capture


@contextmanager
def captured(capture: Capture, observer: Observer) -> Iterator[None]:
    """Have what runs inside captured: `observer` is told of each node, and no value may be taken out."""
    token = _mode.set(Mode(observers=(observer,), sealed=True, capture=capture))
    try:
        yield
    finally:
        _mode.reset(token)
