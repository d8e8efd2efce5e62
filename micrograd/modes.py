"""Choose how operations are recorded, per thread and task: not at all, with observers, or as a captured call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from micrograd.errors import GraphError

__all__ = [
    "SEALED",
    "Capture",
    "Mode",
    "Observer",
    "captured",
    "capturing",
    "current",
    "forget",
    "no_grad",
    "observe",
    "recording",
    "stepping",
]


class Observer(Protocol):
    """What `observe` registers: called for each node (a Tensor) recorded and swept, in this thread or task."""

    def recorded(self, node: Any) -> None:
        """Take note of a node that has been recorded."""

    def pulled(self, node: Any, g: Any, parts: list[Any]) -> None:
        """Take note of a node that has been swept: its gradient, and what it sent along each slot."""


class Capture(Protocol):
    """What a call that is being captured is asked for: state that every later call reads and writes anew.

    A `holder` is a list or dictionary that stays the same object: ``vars(module)``, the memory of an optimiser.
    """

    relies: bool
    """Whether the program may hold for some values only, which `known` returns."""

    def state(self, holder: Any, key: Any, like: Any = None) -> Any:
        """Return a tensor for the entry `key` of `holder`; shaped as `like` where the entry is still a number."""

    def write(self, holder: Any, key: Any, value: Any) -> None:
        """Have every call put the value of a tensor there."""

    def counted(self, holder: Any, key: Any) -> Callable[[], int]:
        """Have every call add 1 to a whole number; return a function, for `host`, of what it then is."""

    def host(self, function: Callable[[], Any]) -> Any:
        """Return a tensor for what `function` returns, called anew by every call: a learning rate, a mask."""

    def assume(self, function: Callable[[], Any]) -> None:
        """Capture again when `function` returns something else than now: whether a layer is training."""

    def enter(self, module: Any) -> None:
        """Take note of a module that is called: its buffers are states, its mode an assumption."""

    def remember(self, leaf: Any) -> None:
        """Put the value and the gradient of a leaf back when the capture ends."""

    def backward(self, output: Any, seed: Any) -> None:
        """Run ``output.backward(seed)``, whose gradients are tensors."""

    def assign(self, leaf: Any, value: Any) -> None:
        """Assign ``leaf.data = value`` for a tensor `value`."""

    def detached(self, node: Any) -> Any:
        """Return a leaf of the value of `node`: gradients stop there, the value does not."""

    def copied(self, node: Any) -> Any:
        """Return the raw value of `node` for a new leaf, ``Tensor(node)``."""

    def asked(self, node: Any, what: str) -> Any:
        """Return the value that Python asks a tensor for (a truth value, an int, a list), where it may be known."""

    def known_values(self, node: Any, what: str) -> Any:
        """Return what `known` does, for what NumPy computes from values."""

    def refuse(self, what: str, instead: str) -> Any:
        """Raise GraphError: the user asks for a value that changes from call to call."""

    def known(self, node: Any, what: str, instead: str) -> Any:
        """Return the value of whole numbers or truth values that the program may rely on; refuse where it may not."""

    def index(self, node: Any) -> Any:
        """Return what stands in an index for whole numbers that every call computes, or is given, anew."""


class Mode(NamedTuple):
    """How operations are recorded."""

    records: bool = True
    """Whether they are."""
    observers: tuple[Observer, ...] = ()
    """What is called for each."""
    sealed: bool = False
    """Whether taking a plain number out is an error."""
    capture: Capture | None = None
    """The call that is being captured, if one is."""

    @property
    def keeps(self) -> bool:
        """Return whether a node is made of each operation; else its result is a leaf."""
        return self.records or self.capture is not None

    def read(self, operands: tuple[Any, ...]) -> tuple[tuple[Any, ...], Mode | None]:
        """Return what operands stand for, an array for its present version; and the mode, where it asks for more."""
        operands = tuple([getattr(o, "node", o) for o in operands]) if self.sealed else operands
        return operands, None if self is SEALED else self

    def recorded(self, node: Any) -> Any:
        """Call the observers for a node; return it, or a leaf of its value where a captured call lets none flow."""
        for observer in self.observers:
            observer.recorded(node)
        if self.capture is None:
            return node
        counts = node.row.flows and type(node.raw) is not float and node.raw.dtype.kind != "f"
        return self.capture.detached(node) if counts or not self.records else node  # no gradient flows to what counts

    def pulled(self, node: Any, g: Any, parts: list[Any]) -> None:
        """Call the observers for a node that was swept."""
        for observer in self.observers:
            observer.pulled(node, g, parts)


SEALED = Mode(sealed=True)
"""What a transform runs a function in: nothing else is asked for, so that operators may take the short way."""

_mode: ContextVar[Mode | None] = ContextVar("micrograd_mode", default=None)
current = _mode.get  # None where nothing special is asked for: the fast path is one look-up


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside: the results of operations are leaves."""
    mode = current() or Mode()
    token = _mode.set(mode._replace(records=False))
    try:
        yield
    finally:
        _mode.reset(token)


@contextmanager
def observe(observer: Observer, *, sealed: bool = False) -> Iterator[None]:
    """Call `observer` for every node recorded or swept inside; with `sealed` ``float(t)`` is refused there.

    Raises:
        GraphError: a call is being captured; its arrays have no values.
    """
    mode = current() or Mode()
    if mode.capture is not None:
        raise GraphError(
            "mg.trace and mg.checked cannot run inside a compiled function: its arrays have no values while it is "
            "recorded. Put them around the call, which then runs the function itself."
        )
    token = _mode.set(mode._replace(observers=(*mode.observers, observer), sealed=mode.sealed or sealed))
    try:
        yield
    finally:
        _mode.reset(token)


class recording:  # noqa: N801 - a context manager, used as a function; a generator would take three times as long
    """Record inside whatever is asked for around it; with `sealed` ``float(t)`` is refused there."""

    __slots__ = ("_sealed", "_token")

    def __init__(self, *, sealed: bool = False) -> None:
        self._sealed = sealed

    def __enter__(self) -> None:
        mode = _mode.get()
        if mode is None:
            mode = SEALED if self._sealed else None
        elif not mode.records or (self._sealed and not mode.sealed):
            mode = mode._replace(records=True, sealed=mode.sealed or self._sealed)
        self._token = _mode.set(mode)

    def __exit__(self, *_: object) -> None:
        _mode.reset(self._token)


def capturing() -> Capture | None:
    """Return the capture that this thread or task is in, if any."""
    mode = current()
    return None if mode is None else mode.capture


@contextmanager
def captured(capture: Capture, observer: Observer) -> Iterator[None]:
    """Capture what runs inside: `observer` is called for each node, and no value may be taken out."""
    token = _mode.set(Mode(observers=(observer,), sealed=True, capture=capture))
    try:
        yield
    finally:
        _mode.reset(token)


def stepping(optimizer: Any) -> None:
    """Call the observers that follow optimizers, before one moves its parameters."""
    mode = current()
    for observer in () if mode is None else mode.observers:
        if (follow := getattr(observer, "stepping", None)) is not None:
            follow(optimizer)


def forget(leaves: Iterable[Any]) -> None:
    """Set the gradients of leaves to "none yet": 0 for numbers, None for arrays."""
    capture = capturing()
    for leaf in leaves:
        if capture is not None:
            capture.remember(leaf)
        leaf.grad = 0.0 if type(leaf.raw) is float else None
