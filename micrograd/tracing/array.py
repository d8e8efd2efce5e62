"""`Traced`: what a traced function holds in place of an array. It is written into as NumPy's arrays are.

A traced array is a view of a `Memory`: the whole of it, or what is left of the whole after some steps (an index, a
transposition, another shape). Reading gives the present version as a tensor; while nothing tracked has been
written into the memory, it gives NumPy's own array, and NumPy itself computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.engine import Tensor, record
from micrograd.errors import GraphError
from micrograd.numpy_api import composites as c
from micrograd.primitives import Primitive
from micrograd.source.positions import Source
from micrograd.tracing.entries import fitting, lowered_index, present, raw_value
from micrograd.tracing.protocols import Likeness
from micrograd.tracing.storage import Array, Memory, Write, surroundings

__all__ = ["Traced", "adopt", "lift", "own"]

Step = Callable[[Any], Any]


class Traced(Likeness):
    """A view of a memory, with the operators and methods of an array.

    Args:
        memory: the entries.
        parent: the view that this one is taken of; None for the whole array.
        step: how it is taken, a function that arrays and tensors both go through.
        rebinds: whether it is a number such as NumPy's sums give, which ``+=`` replaces and does not change.
        locked: whether NumPy would refuse to write to it.
    """

    __slots__ = ("_at", "_cache", "_seen", "_shape", "locked", "memory", "parent", "rebinds", "step")

    locked: bool

    def __init__(
        self, memory: Memory, parent: Traced | None = None, step: Step | None = None, *,
        rebinds: bool = False, locked: bool = False,
    ) -> None:  # fmt: skip
        self.memory = memory
        self.parent = parent
        self.step = step
        self.rebinds = rebinds
        self.locked = locked or (parent is not None and parent.locked)
        self._at: Array | None = None
        self._seen: Any = None
        self._cache: Any = None
        if parent is None:
            self._shape = memory.shape
        elif memory.pending:
            self._shape = self.at.shape
        else:
            self._shape = tuple(self.through(memory.base).shape)

    # ---- the entries ---------------------------------------------------------------------------------

    @property
    def at(self) -> Array:
        """The positions of the entries in the whole array."""
        if self._at is None:
            self._at = self.memory.layout if self.parent is None else np.asarray(self._step(self.parent.at))
        return self._at

    def _step(self, x: Any) -> Any:
        assert self.step is not None
        return self.step(x)

    def through(self, base: Any) -> Any:
        """This view of a version of the whole array."""
        if self.parent is None:
            return base
        if self._seen is not base:
            self._cache = self._step(self.parent.through(base))
            self._seen = base
        return self._cache

    def present(self) -> Any:
        """The present entries: a tensor, or NumPy's own array."""
        memory = self.memory
        if self.parent is not None and memory.pending:
            known, value = memory.waiting(self.at)
            if known and value is not None:
                return value if isinstance(value, Tensor) else np.array(value)
            if not known:
                memory.settle()
            return self.through(memory.base)
        return self.through(memory.present())

    node = property(present)

    @property
    def raw(self) -> Any:
        """The values."""
        value = self.present()
        return value.raw if isinstance(value, Tensor) else value

    @property  # type: ignore[misc] # nothing is assigned to it
    def data(self) -> Any:
        """The values, read-only."""
        view = np.asarray(self.raw)[...]
        view.setflags(write=False)
        return view

    @property
    def tracked(self) -> bool:
        """Whether the entries depend on what is traced."""
        return self.memory.tracked

    def tensor(self) -> Tensor:
        """The present entries as a tensor, a leaf where they are plain."""
        value = self.present()
        return value if isinstance(value, Tensor) else Tensor(np.array(value))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        made = self.reshape(shape)
        if made.memory is not self.memory:
            raise AttributeError("incompatible shape for in-place modification; use x = x.reshape(...)")
        self.parent, self.step, self._shape = made.parent, made.step, made.shape
        self._at = self._seen = self._cache = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.memory.dtype

    @property
    def size(self) -> int:
        """How many entries."""
        return int(np.prod(self._shape, dtype=int))

    # ---- views and copies ----------------------------------------------------------------------------

    def view_by(self, step: Step, *, locked: bool = False) -> Traced:
        """The view that `step` takes, where NumPy makes a view; else a copy."""
        if self.tracked:
            shares = np.may_share_memory(np.asarray(step(self.at)), self.at)
        else:
            shares = np.may_share_memory(step(self.through(self.memory.base)), self.memory.base)
        if not shares and self.size:
            return own(step(self.present()))  # type: ignore[no-any-return]
        return Traced(self.memory, self, step, locked=locked)

    def _read(self, index: Any, views: bool) -> Any:
        """What `index` selects: a view, or a copy of what is there now."""
        view = Traced(self.memory, self, lambda x: c.getitem(x, index) if isinstance(x, Tensor) else x[index])
        items = index if isinstance(index, tuple) else (index,)
        if views and (view.shape or any(item is Ellipsis for item in items)):
            return view
        return own(view.present())

    def __getitem__(self, index: Any) -> Any:
        index, basic, _ = lowered_index(index)
        return self._read(index, basic)

    def __iter__(self) -> Iterator[Any]:
        if not self._shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self._shape[0]))

    def copy(self, order: Any = "C") -> Any:
        """An array of its own with the present entries."""
        value = self.present()
        return Traced(Memory(value if isinstance(value, Tensor) else value.copy(order), made=_here(), order=order))

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return self.tensor().__reduce__()

    def reshape(self, *shape: Any, order: Any = "C", copy: bool | None = None) -> Any:
        """See `numpy.reshape`."""
        wanted = shape[0] if len(shape) == 1 else shape
        if order == "F":
            backwards = (wanted,) if isinstance(wanted, (int, np.integer)) else tuple(wanted)[::-1]
            step: Step = lambda x: c.transpose(c.reshape(c.transpose(x), backwards))  # noqa: E731
        else:
            step = lambda x: c.reshape(x, wanted)  # noqa: E731
        return self.view_by(step).copy() if copy else self.view_by(step)

    def ravel(self, order: Any = "C") -> Any:
        """All entries in one axis."""
        if order == "F":
            return self.T.ravel()
        return self.view_by(lambda x: c.reshape(x, -1) if isinstance(x, Tensor) else np.ravel(x))

    @property
    def flat(self) -> Any:
        """All entries in one axis, to be iterated over, read and written."""
        row = self.reshape(-1)
        row.locked |= row.memory is not self.memory
        return row

    @property
    def real(self) -> Any:
        """The array itself."""
        return self.view()

    def flatten(self, order: Any = "C") -> Any:
        """A copy of all entries in one axis."""
        return self.reshape(-1, order=order).copy()

    def transpose(self, *axes: Any) -> Any:
        """See `numpy.transpose`."""
        wanted = None if not axes else axes[0] if len(axes) == 1 else axes
        return self.view_by(lambda x: c.transpose(x, wanted))

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return self.view_by(lambda x: c.swapaxes(x, -1, -2))

    def swapaxes(self, a: int, b: int) -> Any:
        """See `numpy.swapaxes`."""
        return self.view_by(lambda x: c.swapaxes(x, a, b))

    def squeeze(self, axis: c.Axis = None) -> Any:
        """See `numpy.squeeze`."""
        return self.view_by(lambda x: c.squeeze(x, axis))

    def view(self, dtype: Any = None) -> Any:
        """The same entries under another name."""
        if dtype is not None and np.dtype(dtype) != self.dtype:
            raise GraphError(f"view({np.dtype(dtype)}) reads the bytes of an array; use astype for another dtype.")
        return self.view_by(lambda x: x if isinstance(x, Tensor) else x[...])

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """The values in another dtype. Whole numbers and truth values have no gradient: they are plain arrays."""
        value, kind = self.present(), np.dtype(dtype)
        if kind == self.dtype and not copy:
            return self
        if not isinstance(value, Tensor) or kind.kind != "f":
            return adopt(raw_value(value).astype(kind, casting=casting))
        return self.copy(order) if kind == self.dtype else own(p.cast(value, dtype=kind.name))

    # ---- writing -------------------------------------------------------------------------------------

    def assign(self, value: Any, *, index: Any = None, mask: Tensor | None = None, at: Array | None = None) -> None:
        """Write `value` to the positions `at`, those of all entries where left out."""
        self._unlocked()
        whole = at is None
        at = self.at if at is None else at
        memory = self.memory
        if not isinstance(value, Tensor) and not memory.tracked:
            memory.replace(memory.base)
            real = self.through(memory.base)
            if np.may_share_memory(real, memory.base):
                real[... if whole else index] = value
            else:
                memory.base.flat[at.ravel()] = fitting(value, at.shape, memory.dtype).ravel()
            return
        value = fitting(value, at.shape, memory.dtype)
        if at.size == memory.layout.size and np.array_equal(at.ravel(), np.arange(at.size)):
            memory.replace(value if value.shape == memory.shape else c.reshape(value, memory.shape))
        else:
            direct = self.parent is None
            memory.write(Write(at, value, _here(), index if direct else None, mask if direct else None, direct))

    def _unlocked(self) -> None:
        if self.locked or (self.memory.origin is not None and not self.memory.origin.flags.writeable):
            raise ValueError("assignment destination is read-only")

    def __setitem__(self, index: Any, value: Any) -> None:
        self._unlocked()
        index, _, mask = lowered_index(index)
        at = np.asarray(self.at[index])
        if isinstance(value, Traced) and value.memory is self.memory:
            there = value.at
            if there.shape == at.shape and np.array_equal(there, at) and value.tracked:
                return  # what ``x[i] += 1`` does last: the view that has been written to, written to itself
        if mask is not None and mask.shape != self.memory.shape:
            mask = None
        self.assign(present(value), index=index, mask=mask, at=at)

    def fill(self, value: Any) -> None:
        """Write one number everywhere."""
        self[...] = value

    def sort(self, axis: int = -1) -> None:
        """Sort in place."""
        self[...] = self._function(np.sort, axis)

    def __primitive__(self, row: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        lowered = tuple(map(present, operands))
        if any(isinstance(operand, Tensor) for operand in lowered):
            return own(record(row, lowered, attrs))
        return adopt(row.forward(*lowered, **attrs), operands)


def _of_tensor(name: str) -> property:
    return property(lambda self: getattr(self.tensor(), name))


for _name in ("row", "attrs", "x", "a", "y", "b", "more", "serial", "grad"):
    setattr(Traced, _name, _of_tensor(_name))


# ---- in and out of traced arrays ---------------------------------------------------------------------------


def own(value: Any) -> Any:
    """A tensor or an array as a traced array of its own; a plain number as it is."""
    if isinstance(value, Tensor):
        return Traced(Memory(value), rebinds=not value.shape)
    return adopt(value[()] if isinstance(value, np.ndarray) and not value.shape else value)


def lift(result: Any) -> Any:
    """What a composite answered, with its tensors as traced arrays."""
    if isinstance(result, Traced):
        return result
    if isinstance(result, Tensor):
        return own(result)
    if isinstance(result, (list, tuple)):
        return type(result)(map(lift, result))
    return adopt(result)


def adopt(result: Any, inputs: Sequence[Any] = ()) -> Any:
    """What NumPy answered, its float arrays as traced arrays that tracked values may be written into.

    One that shares memory with a traced array among `inputs` becomes a view of it.
    """
    if type(result) in (list, tuple):
        return type(result)(adopt(item, inputs) for item in result)
    if type(result) is not np.ndarray or result.dtype.kind != "f":
        return result
    for given in inputs:
        if isinstance(given, Traced) and not given.tracked and np.may_share_memory(result, given.memory.base):
            return _alias(given, result)
    return Traced(Memory(result, made=_here()))


def _alias(given: Traced, found: Array) -> Traced:
    """A view of a plain memory that NumPy made by ways of its own."""
    memory = given.memory
    base = memory.base
    if found is base:
        return Traced(memory)

    def bytes_of(x: Array) -> Array:
        at = np.full(x.shape, x.__array_interface__["data"][0])
        for axis, (size, stride) in enumerate(zip(x.shape, x.strides, strict=True)):
            at += (np.arange(size) * stride).reshape([-1 if n == axis else 1 for n in range(x.ndim)])
        return at

    known = {place: position for position, place in enumerate(bytes_of(base).ravel().tolist())}
    places = bytes_of(found).ravel().tolist()
    if not known.keys() >= {*places}:  # of an array that both are views of
        return Traced(Memory(found, made=_here()))
    at = np.array([known[place] for place in places], np.intp).reshape(found.shape)

    def step(x: Any) -> Any:
        if isinstance(x, Tensor):
            return p.gather(c.reshape(x, -1), index=at)
        return found if x is base else x.reshape(-1)[at]

    return Traced(memory, Traced(memory), step, locked=not found.flags.writeable)


def _here() -> list[Source]:
    trace = surroundings.get()
    return trace.here() if trace is not None else []
