"""Compile a function of arrays to fused machine code, captured once for each signature."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from micrograd.compiler.as_graph import kernels_graph
from micrograd.compiler.backends import numpy
from micrograd.compiler.backends.jax import ShardedEntry, mesh_of
from micrograd.compiler.backends.native import Entry, require_llvm
from micrograd.compiler.report import Report, report
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.modes import current
from micrograd.program.capture import capture
from micrograd.program.outside import changed
from micrograd.pytree import flatten
from micrograd.tracing.clone import ChangesOutsideError

__all__ = ["Compiled", "compile"]

PATIENCE = 0.5
"""So many seconds a user waits without a word."""
_MANY = 8
"""After so many signatures a warning says what varies; after so many captures that changed what lies outside, the
function itself runs."""

Key = tuple[Any, ...]
AnyEntry = Entry | ShardedEntry | numpy.PlainEntry


def compile(  # noqa: A001 (mg.compile)
    f: Callable[..., Any] | None = None, *, threads: int | None = None, backend: str = "native", mesh: Any = None
) -> Any:
    """Compile `f` to fused machine code: few passes over memory, the same numbers.

    The first call with each signature (shapes, dtypes, layouts, and the values of all arguments that are no arrays)
    records `f` once and compiles it; the calls that follow run machine code. May be used as a decorator.
    Where `f` asks for truth values or whole numbers (``if x > 0``, ``range(n)``, ``x[x > 0]``), what is compiled holds
    for these: every call computes them first, and others are recorded anew, up to eight times; `f` itself runs then.
    What `f` finds outside (numbers, functions, objects and their attributes, parameters) is compared at each call, by
    identity: where it changed, `f` is recorded anew. Where `f` itself changes it (a counter, a list that grows at each
    call), `f` itself runs, with a warning. The entries of arrays that it finds outside are constants, but of those that
    it writes into.

    Args:
        f: a function of arrays: plain NumPy code, `micrograd.value_and_grad` of one, a whole training step
            (forward, backward, optimiser), or a module. Parameters, the memory of optimisers and running statistics
            are read anew at each call and written back.
        threads: how many threads may share a pass over a large array; by default as many as the machine has cores,
            at most 2.
        backend: ``"native"`` for this machine's processors, or ``"jax"``, which runs on GPUs and on many devices too.
        mesh: of devices that share the batch, for JAX: a `jax.sharding.Mesh` of one axis, or how many. Arguments whose
            first axis is that of the first array are split along it, all else is whole on each device. Statistics
            of batch norm, and all sums over the batch, are over the whole of it. With several processes
            (`micrograd.compiler.connect`) each calls with the same whole batch, and sends its devices their rows.

    Returns:
        A `Compiled`: called with arrays it returns arrays, in the structure that `f` returns. Called with tensors,
        inside another trace, or inside `micrograd.checked` and `micrograd.no_grad`, it runs `f` itself.

    Raises:
        MissingExtraError: llvmlite, or JAX, is not installed. GraphError (at the first call): `f` asks for a float's
            value, as in ``float(x)``, or does what cannot be recorded; with the line. For JAX besides
            DTypeError (at the first call): float64 while JAX has 64 bits switched off; GraphError: a mesh of more
            devices than there are; ShapeError (at the call): a batch that the devices cannot share equally.

    A first call that takes longer than half a second says so on the error stream.

    Warns:
        RuntimeWarning: the function is captured again and again, because shapes, plain arguments or values that it asks
            for vary; or it is so long that NumPy runs it instead.

    >>> @compile
    ... def f(x, y):
    ...     return np.sum(x * y)
    >>> f(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array(11.)
    """
    if f is None:
        return functools.partial(compile, threads=threads, backend=backend, mesh=mesh)
    if not callable(f):
        raise TypeError(f"compile takes a function or a module; got {f!r}.")
    if backend not in ("native", "jax"):
        raise ValueError(f"backend is {backend!r}; expected 'native' or 'jax'.")
    if backend == "native":
        if mesh is not None:
            raise ValueError("a mesh of devices needs backend='jax'.")
        require_llvm()
    return Compiled(f, threads, backend, mesh)


@contextmanager
def _said_where_long(name: str) -> Iterator[None]:
    """Say on the error stream that `name` is being compiled, where that takes longer than `PATIENCE`."""

    def say() -> None:
        if sys.stderr is not None:
            sys.stderr.write(f"micrograd: compiling {name}, once for these shapes ...\n")
            sys.stderr.flush()

    timer = threading.Timer(PATIENCE, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _default_threads() -> int:
    return min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class Updating:
    """What was compiled of a function that writes into its arguments: a call ends with what they hold then.

    Args:
        entry: what computes the result and the new values.
        function: the function itself, which runs where arguments share memory.
    """

    def __init__(self, entry: AnyEntry, function: Callable[..., Any]) -> None:
        self.entry, self.function = entry, function
        self.program, self.pool = entry.program, entry.pool
        self.assumptions, self.holds, self.relied = entry.assumptions, entry.holds, entry.program.relied

    def run(self, leaves: Sequence[Any]) -> Any:
        """Return the result of a call whose arguments are all arrays, and write into them."""
        return self.run_for(leaves, leaves, lambda: self.function(*leaves))

    def run_for(self, leaves: Sequence[Any], given: Sequence[Any], plainly: Callable[[], Any]) -> Any:
        """Return the result of a call, and write into what was `given`, of which `leaves` may be copies.

        Raises:
            ValueError: an array that is written into is read-only.
        """
        written = [given[position] for position in self.program.updates]
        for position, array in zip(self.program.updates, written, strict=True):
            if not array.flags.writeable:
                raise ValueError("assignment destination is read-only")
            for other, leaf in enumerate(given):
                if other != position and isinstance(leaf, np.ndarray) and np.may_share_memory(leaf, array):
                    return plainly()
        result, news = self.entry.run(leaves)
        for array, new in zip(written, news, strict=True):
            np.copyto(array, new)
        return result


class Compiled:
    """What `compile` returns: call it as the function it was made of.

    Attributes:
        function: the function as the user wrote it.
        threads: how many threads may share a pass.
        backend: ``"native"`` or ``"jax"``.
        mesh: the devices that share the batch, or None.
        entries: what was compiled, by signature.
    """

    def __init__(
        self, function: Callable[..., Any], threads: int | None = None, backend: str = "native", mesh: Any = None
    ) -> None:
        if threads is not None and (type(threads) is not int or threads < 1):
            raise ValueError(f"threads is {threads!r}; expected a whole number of at least 1, or None.")
        self.function = function
        self.threads = min(threads or _default_threads(), 2)
        self.backend, self.mesh = backend, mesh_of(mesh) if backend == "jax" else None
        self.entries: dict[Key, list[Any]] = {}
        self._plain: set[Key] = set()
        self._changing: dict[Key, int] = {}  # how often a call has changed what it found outside
        self._lock = threading.Lock()
        self._captured = self._warned = 0
        functools.update_wrapper(self, function, updated=())
        name = getattr(function, "__name__", type(function).__name__)
        self.__name__ = "the function" if name == "<lambda>" else name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result of the function, computed by machine code."""
        if current() is not None:
            return self.function(*args, **kwargs)
        if kwargs:
            return self._general(args, kwargs)
        key = []
        for a in args:
            if type(a) is not np.ndarray:
                return self._general(args, kwargs)
            key.append((a.shape, a.dtype, "C" if a.flags.c_contiguous else "F" if a.flags.f_contiguous else ""))
        for entry in self.entries.get(tuple(key), ()):
            if (not entry.assumptions or entry.holds()) and (entry.relied is None or entry.relied.holds(args)):
                return entry.run(args)
        return self._general(args, kwargs)

    def _general(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves, _ = flatten((args, kwargs))
        if any(isinstance(leaf, Tensor) for leaf in leaves):
            return self.function(*args, **kwargs)
        given = leaves
        leaves = [_contiguous(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        key = self._key(args, kwargs, given)
        entry = self._find(key, leaves)
        if entry is None:
            with self._lock:
                entry = self._find(key, leaves)
                if entry is None:
                    entry = self._entry(key, args, kwargs, leaves)
        if entry is None:
            return self.function(*args, **kwargs)
        if isinstance(entry, Updating):
            return entry.run_for(leaves, given, lambda: self.function(*args, **kwargs))
        return entry.run(leaves)

    def _entry(self, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> Any:
        """Capture and compile a call, and keep it; return None where the function itself is to run."""
        if self._is_of_many_values(key) or self._changing.get(key, 0) >= _MANY:
            return None
        try:
            made = self._compile(args, kwargs, leaves)
        except ChangesOutsideError as error:
            self._changing[key] = _MANY
            self._say_changing(str(error).partition(", which ")[0])
            return None
        entry: Any = Updating(made, self.function) if made.program.updates else made
        if not entry.holds():
            self._changing[key] = self._changing.get(key, 0) + 1
            if self._changing[key] == _MANY:
                self._say_changing(f"{self.__name__} changes {changed(entry.program)} at each call")
        kept = self.entries.setdefault(key, [])
        self._say_if_many(kept)
        kept.append(entry)
        del kept[:-_MANY]
        return entry

    def _find(self, key: Key, leaves: Sequence[Any]) -> AnyEntry | None:
        for entry in self.entries.get(key, ()):
            if entry.holds() and (entry.relied is None or entry.relied.holds(leaves)):
                return entry  # type: ignore[no-any-return]
        return None

    def _is_of_many_values(self, key: Key) -> bool:
        """Check whether as much has been compiled for values of this signature as is kept; say so once."""
        kept = [entry for entry in self.entries.get(key, ()) if entry.relied is not None and entry.holds()]
        if len(kept) >= _MANY and key not in self._plain:
            self._plain.add(key)
            warnings.warn(
                f"{self.__name__} was compiled for {_MANY} values of {kept[-1].relied.said}; for others the function "
                "itself runs. Use np.where, or pass the number as a plain Python number.",
                RuntimeWarning,
                stacklevel=5,
            )
        return len(kept) >= _MANY

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> Key:
        """Return the signature of a call; for nothing but arrays the short form that `__call__` looks up."""
        parts: list[Any] = []
        for leaf in leaves:
            if isinstance(leaf, (np.ndarray, np.generic)):
                array = np.asarray(leaf)
                parts.append((array.shape, array.dtype.newbyteorder("="), _order(array)))
            else:
                parts.append((type(leaf), *_hashable(leaf)))
        if not kwargs and all(type(a) is np.ndarray for a in args):
            return tuple(parts)
        return ("tree", _structure((args, kwargs)), *parts)

    def _compile(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> AnyEntry:
        with _said_where_long(getattr(self.function, "__name__", type(self.function).__name__)):
            return self._compiled(args, kwargs, leaves)

    def _compiled(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> AnyEntry:
        program = capture(self.function, *_apart(args, kwargs), relies=True)
        if self.backend == "jax":
            return ShardedEntry(program, leaves, self.mesh)
        if len(program.equations) > numpy.LONGEST:
            return numpy.PlainEntry(program)
        layouts = {}
        for feed in program.feeds:
            if feed.kind == "argument":
                array = leaves[feed.position]
                if isinstance(array, np.ndarray) and array.flags.f_contiguous and not array.flags.c_contiguous:
                    layouts[feed.value] = "F"
        return Entry(program, layouts, self.threads)

    def _say_changing(self, said: str) -> None:
        """Warn that a function runs as it is, since it changes what lies outside of it."""
        warnings.warn(
            f"{said}, which machine code would not do: the function itself runs, in NumPy. To compile it, return the "
            "new value, or pass what changes as an argument.",
            RuntimeWarning,
            stacklevel=5,
        )

    def _say_if_many(self, kept: list[Any]) -> None:
        """Warn where a capture is the ninth, or one of twice as many as at the last warning."""
        self._captured += 1
        count = self._captured
        if count <= _MANY or count < 2 * self._warned:
            return
        self._warned = count
        said = self._varied()
        if kept:
            relied = next((entry.relied for entry in kept if entry.relied is not None), None)
            said = f"{relied.said} varied" if relied else f"{changed(kept[-1].program)} changed outside of it"
        warnings.warn(
            f"{self.__name__} was captured {count} times: {said}. Each signature is recorded and planned "
            "anew (machine code of equal structure is shared). Pad to a few shapes, or pass numbers that change as "
            "0-d arrays, np.array(value).",
            RuntimeWarning,
            stacklevel=5,
        )

    def _varied(self) -> str:
        """Return what differs between the signatures, argument by argument."""
        keys = [key[2:] if key[:1] == ("tree",) else key for key in self.entries]
        most = Counter(map(len, keys)).most_common(1)[0][0]
        said = []
        for place, parts in enumerate(zip(*(k for k in keys if len(k) == most), strict=True)):
            arrays = [p for p in parts if isinstance(p[0], tuple)]
            if len({*parts}) > 1 and len(arrays) == len(parts):
                shapes = [p[0] for p in arrays]
                if len({len(s) for s in shapes}) == 1:
                    sizes = ", ".join("N" if len({*s}) > 1 else str(s[0]) for s in zip(*shapes, strict=True))
                    said.append(f"the shape of argument {place} varied: ({sizes})")
                else:
                    said.append(f"the number of axes of argument {place} varied")
            elif len({*parts}) > 1:
                said.append(f"the value of argument {place} varied, as {parts[0][1]!r} and {parts[-1][1]!r}")
        return "; ".join(said) or "layouts or structures varied"

    def report(self) -> Report:
        """Return what compiling did to the latest signature: kernels, passes over memory, bytes, source, seconds.

        Raises:
            GraphError: it has not been called yet.
        """
        return report(self, self._latest())

    def as_graph(self) -> Graph:
        """Return what runs for the latest signature, with the kernels as stages; `micrograd.draw` draws it.

        Raises:
            GraphError: it has not been called yet.
        """
        return kernels_graph(self._latest())

    def _latest(self) -> Entry:
        if not self.entries and self._changing:
            raise GraphError(
                f"{self.__name__} is not compiled: it changes what lies outside of it, so that it runs itself."
            )
        if not self.entries:
            raise GraphError(f"{self.__name__} has not been compiled yet; call it once with arrays.")
        latest = next(reversed(self.entries.values()))[-1]
        latest = latest.entry if isinstance(latest, Updating) else latest
        if isinstance(latest, numpy.PlainEntry):
            raise latest.refused()
        if not isinstance(latest, Entry):
            raise GraphError(f"{self.__name__} was compiled by JAX, whose kernels are its own; see lowering(...).")
        return latest

    def lowering(self, *args: Any) -> str:
        """Return what XLA runs for a call with these arrays, as text, with ``backend="jax"``; nothing is run.

        Raises:
            GraphError: no call with such arrays has been compiled by JAX.
        """
        entry = self._find(self._key(args, {}, list(args)), args)
        if not isinstance(entry, ShardedEntry):
            raise GraphError(f"{self.__name__} has not been compiled by JAX for these arrays; call it once with them.")
        return entry.lowering(*args)

    def release(self) -> None:
        """Give back the memory that is kept between calls: workspaces, and results that have died."""
        for entries in self.entries.values():
            for entry in entries:
                entry.pool.clear()

    def __repr__(self) -> str:
        return f"<compiled {self.__name__}: {len(self.entries)} signature(s)>"


def _contiguous(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return `x`, copied where it is in neither order, or in the other byte order."""
    if (x.flags.c_contiguous or x.flags.f_contiguous) and x.dtype.isnative and x.flags.aligned:
        return x
    return np.array(x, x.dtype.newbyteorder("="), order="C")


def _order(array: np.ndarray[Any, Any]) -> Any:
    """Return how an array lies in memory, which decides what is a view of it and what a copy."""
    return "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else array.strides


def _apart(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return arguments that share no memory: where those of a call do and are written into, NumPy itself runs."""
    leaves, rebuild = flatten((args, kwargs))
    for at, leaf in enumerate(leaves):
        if isinstance(leaf, np.ndarray) and any(
            isinstance(other, np.ndarray) and np.may_share_memory(leaf, other) for other in leaves[:at]
        ):
            leaves[at] = leaf.copy(order="K")  # what is a view of it depends on its order
    return rebuild(leaves)


def _structure(tree: Any) -> Any:
    if isinstance(tree, dict):
        return ("dict", *((key, _structure(value)) for key, value in tree.items()))
    if isinstance(tree, (list, tuple)):
        return (type(tree), *(_structure(value) for value in tree))
    return None


def _hashable(leaf: Any) -> tuple[Any, ...]:
    """Return a plain argument as part of a key: by value where it is a value, else the object itself.

    Never its ``id()`` alone, which the next object may have, nor its own ``==``, which may overlook what `f` reads:
    the attributes of an object are looked at besides, at each call (`micrograd.program.outside`).
    """
    if isinstance(leaf, float):  # 0.0 is equal to -0.0 and nan to nothing
        return leaf if leaf == leaf else "nan", math.copysign(1.0, leaf)
    if isinstance(leaf, complex):
        return *_hashable(leaf.real), *_hashable(leaf.imag)
    if leaf is None or type(leaf) in (bool, int, str, bytes, range):
        return (leaf,)
    if type(leaf) in (set, frozenset):
        return (frozenset(_part(item) for item in leaf),)
    if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
        return (_Known(leaf, tuple(_part(getattr(leaf, field.name)) for field in dataclasses.fields(leaf))),)
    return (_Known(leaf, id(leaf)),)


def _part(value: Any) -> Any:
    """Return a part of a plain argument as part of a key."""
    if isinstance(value, (list, tuple)):
        return (type(value), *map(_part, value))
    if isinstance(value, dict):
        return ("dict", *((_part(key), _part(item)) for key, item in value.items()))
    return (type(value), *_hashable(value))


class _Known:
    """An object as part of a key, known by what tells it from others; kept, so that no other gets its id."""

    __slots__ = ("by", "value")

    def __init__(self, value: Any, by: Any) -> None:
        self.value, self.by = value, by

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.by == self.by

    def __hash__(self) -> int:
        return hash(self.by)

    def __repr__(self) -> str:
        return repr(self.value)
