"""Modes of recording, per thread and task: nothing is recorded (`no_grad`), or an observer is told (`observe`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

__all__ = ["Mode", "Observer", "current", "no_grad", "observe"]


class Observer(Protocol):
    """What `observe` registers: told of each node (a Tensor) recorded and swept, in this thread or task."""

    def recorded(self, node: Any) -> None:
        """A node has been recorded."""

    def pulled(self, node: Any, g: Any, parts: list[Any]) -> None:
        """A node has been swept: its gradient, and what it sent along each slot."""


class Mode(NamedTuple):
    """Whether operations are recorded, who is told, and whether taking a plain number out is an error (`sealed`)."""

    records: bool = True
    observers: tuple[Observer, ...] = ()
    sealed: bool = False


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
    token = _mode.set(Mode(mode.records, (*mode.observers, observer), mode.sealed or sealed))
    try:
        yield
    finally:
        _mode.reset(token)
