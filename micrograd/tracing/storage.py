"""Keep the entries of arrays that a traced function writes into: versions that never change (functionalization).

An array is plain (an `ndarray`, NumPy's own) until something tracked is written into it. Writes then wait until
somebody reads what they changed, and become one new version together: a loop that fills a buffer entry by entry makes
one node, not one of the whole buffer's size for each entry. What reads just what a waiting write has put there, as
``out[i] += t`` does, is given that value.

Entries are known by their position in the row of all entries; a view is an array of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from micrograd import primitives as p
from micrograd.engine import Tensor
from micrograd.errors import GraphError, ShapeError
from micrograd.numpy_api import composites as c
from micrograd.source.names import CodePosition

__all__ = ["CurrentTrace", "Storage", "Write", "current_trace", "fitting", "in_order"]

Array = np.ndarray[Any, Any]


class CurrentTrace(Protocol):
    """What storages tell and ask the trace that they are in."""

    def here(self) -> list[CodePosition]:
        """Return where the user's frames stand at this moment, innermost first."""

    def composed(self, storage: Storage, write: Write, before: int, parts: Sequence[Any]) -> None:
        """Note that the nodes since number `before` make a new version out of `parts`; `write` was the last one."""

    def recorded_so_far(self) -> int:
        """Count the nodes that have been recorded."""

    def writes(self, storage: Storage) -> None:
        """Note that something is written into a storage that came from outside."""


current_trace: ContextVar[CurrentTrace | None] = ContextVar("micrograd_trace", default=None)


@dataclass(slots=True)
class Write:
    """A write that waits.

    Attributes:
        at: the positions written, in the shape of what was written.
        value: of that shape; a tensor, or an array of our own.
        frames: where the user's frames stood.
        index: the user's own index into the whole array, where it names no position twice.
        mask: the tensor that was the index, of the shape of the whole array.
        direct: whether the user wrote to the array by its own name rather than through a view.
    """

    at: Array
    value: Any
    frames: list[CodePosition] = field(default_factory=list)
    index: Any = None
    mask: Tensor | None = None
    direct: bool = True


class _Unwritten:
    """What a storage has that was never written into, as most are: the result of one operation."""

    first: Tensor | None = None
    written: bool = False
    exposed: bool = False
    weak: bool = False
    pending: list[Write] | tuple[()] = ()
    owner: Array | None = None
    slot: Array | None = None
    _layout: Array | None = None


@dataclass(eq=False)
class Storage(_Unwritten):
    """The entries of one array; every view of it shares them.

    Attributes:
        base: the present entries: an array that nobody else writes to, or a tensor.
        origin: the array of the caller's that this one stands for.
        made: where the user's frames stood when the array was made.
        first: the tensor that the entries were before the first write.
        written: whether anything has been written.
        weak: whether to Python it is a float, as what `math` returns is, which widens no array.
        exposed: whether code outside of the traced functions has been given the plain array.
        pending: the writes that wait.
        owner: for each entry the number of the waiting write that set it; -1: none.
        slot: for each entry its place in what that write wrote.
        order: of the entries in memory, as NumPy's functions name it.
        like: the traced array that this is a copy of, whose order ``"K"`` keeps.
        alias: the traced array that this one stands for in a run inside a trace.
    """

    base: Any
    origin: Array | None = None
    made: Sequence[CodePosition] = ()
    order: Any = "K"
    like: Any = None
    alias: Any = None

    @property
    def tracked(self) -> bool:
        """Check that the entries depend on what is traced."""
        return bool(self.pending) or isinstance(self.base, Tensor)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the whole array."""
        return tuple(self.base.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype, which writing does not change."""
        return self.base.dtype  # type: ignore[no-any-return]

    @property
    def layout(self) -> Array:
        """Return the position of each entry, in the memory order that NumPy would have: views of it are views there."""
        if self._layout is None:
            raw = self.base.raw if isinstance(self.base, Tensor) else self.base
            source = raw if self.like is None else self.like.at
            packed = np.empty_like(source, np.intp, order=self.order, subok=False)
            apart = self.origin if self.alias is None else self.alias.at
            made = packed if apart is None else _spread_like(apart, packed)
            made[...] = np.arange(made.size).reshape(made.shape)
            self._layout = made
        return self._layout

    def present(self) -> Any:
        """Return the present version of the whole array: a tensor or an array."""
        if self.pending:
            self.settle()
        return self.base

    def replace(self, value: Any) -> None:
        """Make `value`, of this shape and dtype, the present version."""
        self._about_to_write(value)
        self._forget()
        if value is not self.base:
            self._layout = self.layout  # of the array that NumPy would still write to
            value = in_order(value, self._layout)
        self.base = value

    def write(self, write: Write) -> None:
        """Have a write wait. The value is of the dtype of the storage and in the shape of the positions."""
        self._about_to_write(write.value)
        if self.owner is None or self.slot is None:
            size = int(np.prod(self.shape, dtype=int))
            self.owner, self.slot, self.pending = np.full(size, -1), np.zeros(size, np.intp), []
        self.owner[write.at] = len(self.pending)
        self.slot[write.at] = np.arange(write.at.size).reshape(write.at.shape)
        assert isinstance(self.pending, list)
        self.pending.append(write)

    def _about_to_write(self, value: Any) -> None:
        if self.exposed and isinstance(value, Tensor):
            raise GraphError(
                "a traced value is written into an array that code outside of the traced functions has been given; "
                "it would not see the write. Give it a copy: np.array(x)."
            )
        if not self.written and isinstance(self.base, Tensor):
            self.first = self.base
        self.written = True
        trace = current_trace.get()
        if trace is not None:
            trace.writes(self)

    def _forget(self) -> None:
        self.pending, self.owner, self.slot = (), None, None

    def waiting(self, at: Array) -> tuple[bool, Any]:
        """Look up what reading the positions `at` gives, as far as it can be known without a new version.

        Returns whether it can, and the value; None where no waiting write concerns these positions.
        """
        assert self.owner is not None
        assert self.slot is not None
        owners = self.owner[at]
        if not owners.size:
            return True, None
        number = owners.flat[0]
        if not (owners == number).all():
            return False, None
        if number < 0:
            return True, None
        write = self.pending[number]
        if write.at is at or (write.at.shape == at.shape and np.array_equal(write.at, at)):
            return True, write.value
        slots = self.slot[at]
        if isinstance(write.value, Tensor):
            return True, p.gather(c.reshape(write.value, -1), index=slots)
        return True, write.value.reshape(-1)[slots]

    # ---- from writes to a version --------------------------------------------------------------------

    def settle(self) -> None:
        """Make the waiting writes one new version."""
        owner, slot, pending = self.owner, self.slot, self.pending
        assert owner is not None
        assert slot is not None
        self._forget()
        numbers = [int(number) for number in np.unique(owner) if number >= 0]
        if not numbers:  # all wrote nothing
            return
        live = {number: pending[number] for number in numbers}
        trace = current_trace.get()
        before = trace.recorded_so_far() if trace is not None else 0
        self._layout = self.layout
        made = self._composed(live, owner, slot)
        if trace is not None:
            parts = [write.value for write in live.values()]
            trace.composed(self, pending[numbers[-1]], before, [] if made is parts[0] else parts)
        self.base = in_order(made, self._layout)

    def _composed(self, live: dict[int, Write], owner: Array, slot: Array) -> Any:
        first = next(iter(live.values()))
        covered = bool((owner >= 0).all())
        if not self.shape and covered:  # one entry: of those that were written to it the last one counts
            write = live[int(owner.flat[0])]
            entries = c.reshape(write.value, -1) if isinstance(write.value, Tensor) else write.value.reshape(-1)
            return _shaped(entries[int(slot.flat[0])], ())
        if not any(isinstance(write.value, Tensor) for write in live.values()):
            return self._with_constants(live, owner, slot, covered)
        if len(live) == 1 and covered and np.array_equal(slot, np.arange(slot.size)):
            return _shaped(first.value, self.shape)
        if len(live) == 1:
            spread = self._spread(first, owner, slot)
        elif (slabs := self._slabs(live, owner, slot)) is not None:
            return slabs
        else:
            spread = self._joined(live, owner, slot, covered)
        if covered:
            return spread
        outside = (owner < 0).reshape(self.shape)
        if not isinstance(self.base, Tensor) and not self.base[outside].any():
            return spread
        mask = first.mask if len(live) == 1 and first.mask is not None else ~outside
        base = self.base if isinstance(self.base, Tensor) else np.where(outside, self.base, 0).astype(self.dtype)
        return p.where(mask, spread, base)

    def _with_constants(self, live: dict[int, Write], owner: Array, slot: Array, covered: bool) -> Any:
        values = np.zeros(owner.size, self.dtype)
        for number, write in live.items():
            own = owner == number
            values[own] = write.value.reshape(-1)[slot[own]]
        values = values.reshape(self.shape)
        if covered:
            return values
        mask: Any = (owner >= 0).reshape(self.shape)
        written = values[mask]
        constant: Any = values if (written != written[0]).any() or written[0] != written[0] else written[0]
        constant = float(constant) if self.dtype.kind == "f" and constant is not values else np.asarray(constant)
        if len(live) == 1 and (own_mask := next(iter(live.values())).mask) is not None:
            mask = own_mask
        if isinstance(self.base, Tensor):
            return p.where(mask, constant, self.base)
        return np.where((owner >= 0).reshape(self.shape), values, self.base)

    def _spread(self, write: Write, owner: Array, slot: Array) -> Tensor:
        """Put one value at its positions, zeros elsewhere."""
        seen = np.flatnonzero(owner >= 0)
        value = write.value
        if seen.size == write.at.size:
            index = write.index if write.index is not None else np.unravel_index(write.at, self.shape)
        else:  # a position named twice: the last one counts
            value = p.gather(_shaped(value, (write.at.size,)), index=slot[seen])
            index = np.unravel_index(seen, self.shape)
        return p.scatter(value, index=index, shape=self.shape)  # type: ignore[no-any-return]

    def _joined(self, live: dict[int, Write], owner: Array, slot: Array, covered: bool) -> Tensor:
        """Put several values at their positions, zeros elsewhere."""
        row = c.joined([_shaped(write.value, (write.at.size,)) for write in live.values()], 0)
        starts = np.zeros(max(live) + 1, np.intp)
        starts[[*live]] = np.cumsum([0, *(write.at.size for write in live.values())])[:-1]
        seen = np.flatnonzero(owner >= 0)
        places = starts[owner[seen]] + slot[seen]
        if covered:
            if np.array_equal(places, np.arange(row.shape[0])):
                return p.reshape(row, shape=self.shape)  # type: ignore[no-any-return]
            return p.gather(row, index=places.reshape(self.shape))  # type: ignore[no-any-return]
        if places.size == row.shape[0]:
            seen = seen[np.argsort(places)]
        else:
            row = p.gather(row, index=places)
        return p.scatter(row, index=np.unravel_index(seen, self.shape), shape=self.shape)  # type: ignore[no-any-return]

    def _slabs(self, live: dict[int, Write], owner: Array, slot: Array) -> Tensor | None:
        """Join the writes along one axis, where each filled a slab of it: ``h[:, t] = ...`` for every t."""
        owners, slots = owner.reshape(self.shape), slot.reshape(self.shape)
        for axis, size in enumerate(self.shape):
            lines = np.moveaxis(owners, axis, 0).reshape(size, -1)
            if size < 2 or not (lines == lines[:, :1]).all():
                continue
            line = lines[:, 0]
            ends = [0, *(np.flatnonzero(np.diff(line)) + 1), size]
            parts: list[tuple[int, tuple[slice, ...]]] = []
            for start, stop in pairwise(ends):
                window = (slice(None),) * axis + (slice(int(start), int(stop)),)
                number = int(line[start])
                inside = slots[window].ravel()
                if number >= 0 and not (
                    inside.size == live[number].at.size and np.array_equal(inside, np.arange(inside.size))
                ):
                    break
                parts.append((number, window))
            else:
                return c.joined([self._slab(live, *part) for part in parts], axis)  # type: ignore[no-any-return]
        return None

    def _slab(self, live: dict[int, Write], number: int, window: tuple[slice, ...]) -> Any:
        if number < 0:
            return p.gather(self.base, index=window) if isinstance(self.base, Tensor) else self.base[window]
        return _shaped(live[number].value, self.layout[window].shape)


def _spread_like(origin: Array, packed: Array) -> Array:
    """Return an array whose axes lie in memory as those of `origin` do: in this order and direction, as far apart.

    Gaps are as short as can be. Where entries of `origin` share memory it is `packed`.
    """
    steps = [0] * origin.ndim
    reach, end = origin.itemsize, 1  # what the axes so far take up, there and here
    for axis in sorted(range(origin.ndim), key=lambda axis: abs(origin.strides[axis])):
        size, stride = origin.shape[axis], abs(origin.strides[axis])
        if size > 1 and stride < reach:
            return packed
        steps[axis] = end + (size > 1 and stride > reach)
        if size > 1:
            reach, end = stride * size, steps[axis] * size
    sizes = [max(size - 1, 0) for size in origin.shape]
    backwards = [stride < 0 for stride in origin.strides]
    start = sum(n * step for n, step, back in zip(sizes, steps, backwards, strict=True) if back)
    memory = np.empty(sum(n * step for n, step in zip(sizes, steps, strict=True)) + 1, packed.dtype)
    strides = [packed.itemsize * (-step if back else step) for step, back in zip(steps, backwards, strict=True)]
    return np.lib.stride_tricks.as_strided(memory[start:], origin.shape, strides)


def in_order(value: Any, layout: Array) -> Any:
    """Return a version of an array with its entries in the order in memory that NumPy's has, which results keep."""
    if layout.ndim < 2 and (isinstance(value, Tensor) or layout.flags.c_contiguous):
        return value
    raw = value.raw if isinstance(value, Tensor) else value
    if not layout.size or (layout.flags.c_contiguous and raw.flags.c_contiguous):
        return value
    made = np.empty_like(layout, value.dtype)
    if not isinstance(value, Tensor):
        made = _spread_like(layout, made)
        made[...] = value
        return made
    if made.strides == raw.strides:
        return value
    made[...] = raw
    made.setflags(write=False)
    laid_out = p.reshape(value, shape=value.shape)
    laid_out.raw = made
    return laid_out


def fitting(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Broadcast and cast `value` as it is written to entries of a shape and dtype."""
    if not isinstance(value, Tensor):
        made = np.empty(shape, dtype)
        made[...] = value
        return made
    have = value.shape
    while len(have) > len(shape) and have[0] == 1:
        have = have[1:]
    if have != shape:
        try:
            fits = np.broadcast_shapes(have, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"could not broadcast input array from shape {value.shape} into shape {shape}")
    if have != value.shape:
        value = p.reshape(value, shape=have)
    if value.dtype != dtype:
        value = p.cast(value if dtype.kind == "f" else value.detach(), dtype=dtype.name)  # whole numbers have no slope
    return value if have == shape else p.broadcast(value, shape=shape)


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else p.reshape(x, shape=shape)
