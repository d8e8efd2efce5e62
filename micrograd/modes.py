"""Modes of recording, per thread and task: nothing is recorded (`no_grad`), an observer is told, a call is captured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from micrograd.errors import GraphError

__all__ = ["Capture", "Mode", "Observer", "captured", "capturing", "current", "forget", "no_grad", "observe"]


class Observer(Protocol):
    """What `observe` registers: told of each node (a Tensor) recorded and swept, in this thread or task."""

    def recorded(self, node: Any) -> None:
        """A node has been recorded."""

    def pulled(self, node: Any, g: Any, parts: list[Any]) -> None:
        """A node has been swept: its gradient, and what it sent along each slot."""


class Capture(Protocol):
    """What a call that is being captured is asked for: state that every later call reads and writes anew.

    A `holder` is a list or dictionary that stays the same object: ``vars(module)``, the memory of an optimiser.
    """

    def state(self, holder: Any, key: Any, like: Any = None) -> Any:
        """A tensor for the entry `key` of `holder`; shaped as `like` where the entry is still a number."""

    def write(self, holder: Any, key: Any, value: Any) -> None:
        """Have every call put the value of a tensor there."""

    def counted(self, holder: Any, key: Any) -> Callable[[], int]:
        """Have every call add 1 to a whole number; what it then is, as a function for `host`."""

    def host(self, function: Callable[[], Any]) -> Any:
        """A tensor for what `function` answers, called anew by every call: a learning rate, a mask."""

    def assume(self, function: Callable[[], Any]) -> None:
        """Capture again when `function` answers something else than now: whether a layer is training."""

    def enter(self, module: Any) -> None:
        """A module is called: its buffers are states, its mode an assumption."""

    def remember(self, leaf: Any) -> None:
        """Put the value and the gradient of a leaf back when the capture ends."""

    def backward(self, output: Any, seed: Any) -> None:
        """``output.backward(seed)``, whose gradients are tensors."""

    def assign(self, leaf: Any, value: Any) -> None:
        """``leaf.data = value`` for a tensor `value`."""

    def detached(self, node: Any) -> Any:
        """A leaf of the value of `node`: gradients stop there, the value does not."""

    def copied(self, node: Any) -> Any:
        """The raw value of `node` for a new leaf, ``Tensor(node)``."""

    def refuse(self, what: str, instead: str) -> Any:
        """Raise GraphError: the author asks for a value, which another call would have another of."""


class Mode(NamedTuple):
    """How operations are recorded."""

    records: bool = True
    """Whether they are."""
    observers: tuple[Observer, ...] = ()
    """Who is told of each."""
    sealed: bool = False
    """Whether taking a plain number out is an error."""
    capture: Capture | None = None
    """The call that is being captured, if one is."""

    @property
    def keeps(self) -> bool:
        """Whether a node is made of each operation; else its result is a leaf."""
        return self.records or self.capture is not None

    def read(self, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return what operands stand for: an array that is written into, for its present version."""
        return tuple([getattr(o, "node", o) for o in operands]) if self.sealed else operands

    def recorded(self, node: Any) -> Any:
        """Tell the observers of a node; return it, or under `no_grad` in a captured call a leaf of its value."""
        for observer in self.observers:
            observer.recorded(node)
        return node if self.records else self.capture.detached(node)  # type: ignore[union-attr]

    def pulled(self, node: Any, g: Any, parts: list[Any]) -> None:
        """Tell the observers of a node that was swept."""
        for observer in self.observers:
            observer.pulled(node, g, parts)


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
    """Tell `observer` of every node recorded or swept inside; `sealed`: ``float(t)`` there would lose a trace.

    Raises:
        GraphError: a call is being captured; later calls would have nothing to tell.
    """
    mode = current() or Mode()
    if mode.capture is not None:
        raise GraphError(
            "tracing and checking look at values, which each call of a compiled function has its own of; "
            "put mg.checked() or mg.trace() around the call, which then runs the function itself."
        )
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


def forget(leaves: Iterable[Any]) -> None:
    """Set the gradients of leaves to "none yet": 0 for numbers, None for arrays."""
    capture = capturing()
    for leaf in leaves:
        if capture is not None:
            capture.remember(leaf)
        leaf.grad = 0.0 if type(leaf.raw) is float else None
