"""Hold a `TracedArray` in place of an array in a traced function: it is computed with and written into as NumPy's are.

A traced array is a view of a `Storage`: the whole of it, or what is left of the whole after some steps (an index, a
transposition, another shape). Reading gives the present version as a tensor; while nothing tracked has been
written into the storage, it gives NumPy's own array, and NumPy itself computes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.core.operands import Operands
from micrograd.engine import Tensor, record
from micrograd.errors import GraphError
from micrograd.modes import SEALED, capturing, current
from micrograd.numpy_api import composites as c
from micrograd.primitives import Primitive
from micrograd.source.names import CodePosition
from micrograd.tracing.array_methods import ArrayMethods, Step
from micrograd.tracing.open_batch import batch_length, opened
from micrograd.tracing.storage import Array, Storage, Write, current_trace, fitting, in_order

__all__ = [
    "TracedArray", "adopt", "as_number", "float_of", "floats", "is_tracked", "leaves", "lift", "narrowed",
    "no_number", "own", "present", "raw_value", "value_now",
    "without_tracing",
]  # fmt: skip


class TracedArray(ArrayMethods):
    """A view of a storage, with the operators and methods of an array.

    Args:
        storage: the entries.
        parent: the view that this one is taken of; None for the whole array.
        step: how it is taken.
        rebinds: whether it is a number such as NumPy's sums give, which ``+=`` replaces and does not change.
        locked: whether NumPy would refuse to write to it.
    """

    __slots__ = ("_at", "_cache", "_seen", "_shape", "locked", "parent", "rebinds", "step", "storage")

    locked: bool

    def __init__(
        self, storage: Storage, parent: TracedArray | None = None, step: Step | None = None, *,
        rebinds: bool = False, locked: bool = False,
    ) -> None:  # fmt: skip
        self.storage = storage
        self.parent = parent
        self.step = step
        self.rebinds = rebinds
        self.locked = locked or (parent is not None and parent.locked)
        self._at: Array | None = None
        self._seen: Any = None
        self._cache: Any = None
        if parent is None:
            self._shape: tuple[int, ...] = value_now(storage.base).shape
        elif storage.pending:
            self._shape = self.at.shape
        else:
            self._shape = tuple(self.through(storage.base).shape)

    # ---- the entries ---------------------------------------------------------------------------------

    @property
    def at(self) -> Array:
        """Return the positions of the entries in the whole array."""
        if self.parent is None:
            return self.storage.layout
        if self._at is None:
            self._at = np.asarray(self._step(self.parent.at))
        return self._at

    def _step(self, x: Any) -> Any:
        assert self.step is not None
        return self.step(x)

    def through(self, base: Any) -> Any:
        """Return this view of a version of the whole array."""
        if self.parent is None:
            return base
        if self._seen is not base:
            self._cache = self._step(self.parent.through(base))
            self._seen = base
        return self._cache

    def present(self) -> Any:
        """Return the present entries: a tensor, or NumPy's own array."""
        storage = self.storage
        if storage.pending:
            if self.parent is not None:
                known, value = storage.waiting(self.at)
                if known and value is not None:
                    return in_order(value if isinstance(value, Tensor) else np.array(value), self.at)
                if known:
                    return self.through(storage.base)
            storage.settle()
        return storage.base if self.parent is None else self.through(storage.base)

    node = property(present)

    @property
    def raw(self) -> Any:
        """Return the values."""
        value = self.present()
        return value.raw if isinstance(value, Tensor) else value

    @property  # type: ignore[misc] # nothing is assigned to it
    def data(self) -> Any:
        """Return the values, read-only."""
        self.ask("data")
        view = np.asarray(self.raw)[...]
        view.setflags(write=False)
        return view

    @property
    def tracked(self) -> bool:
        """Check that the entries depend on what is traced."""
        return bool(self.storage.pending) or isinstance(self.storage.base, Tensor)

    def tensor(self) -> Tensor:
        """Return the present entries as a tensor, a leaf where they are plain."""
        value = self.present()
        return value if isinstance(value, Tensor) else Tensor(np.array(value))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape."""
        return opened(self._shape) if batch_length() else self._shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        made = self.reshape(shape)
        if made.storage is not self.storage:
            raise AttributeError("incompatible shape for in-place modification; use x = x.reshape(...)")
        before = TracedArray(self.storage, self.parent, self.step)  # this array as it was, which it is a view of now
        self.parent, self.step, self._shape = before, made.step, made.shape
        self._at = self._seen = self._cache = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype."""
        return self.storage.dtype

    @property
    def size(self) -> int:
        """Count the entries."""
        size = int(np.prod(self._shape, dtype=int))
        return opened((size,))[0] if batch_length() else size

    # ---- views and copies ----------------------------------------------------------------------------

    def view_by(self, step: Step, *, locked: bool = False, shared: bool = False) -> TracedArray:
        """Return the view that `step` takes, where NumPy makes a view; else a copy. With `shared` it is a view."""
        if shared:
            return TracedArray(self.storage, self, step, locked=self.locked)
        if self.rebinds and locked:  # np.broadcast_to: all entries are one in memory
            return TracedArray(Storage(self.present())).view_by(step, locked=True)
        if self.rebinds:  # of a number NumPy makes an array of its own
            return own(step(self.present()))  # type: ignore[no-any-return]
        if self.tracked:
            shares = np.may_share_memory(np.asarray(step(self.at)), self.at)
        else:
            shares = np.may_share_memory(step(self.through(self.storage.base)), self.storage.base)
        if not shares and self.size:
            return own(step(self.present()))  # type: ignore[no-any-return]
        return TracedArray(self.storage, self, step, locked=locked)

    def _read(self, index: Any, views: bool) -> Any:
        """Return what `index` selects: a view, or a copy of what is there now."""
        view = TracedArray(self.storage, self, lambda x: c.getitem(x, index) if isinstance(x, Tensor) else x[index])
        items = index if isinstance(index, tuple) else (index,)
        is_array = bool(view.shape) or any(item is Ellipsis for item in items)
        if views and not self.rebinds and is_array:
            return view
        return no_number(own(view.present())) if is_array else own(view.present())

    def __getitem__(self, index: Any) -> Any:
        index, basic, _ = _lowered_index(index)
        if capturing() is not None and any(map(_is_anew, index if isinstance(index, tuple) else (index,))):
            return self._read_anew(index, basic)
        return self._read(index, basic)

    def _read_anew(self, index: Any, views: bool) -> Any:
        """Return what whole numbers select that every call has anew; its place is asked for where it is written."""

        def step(x: Any) -> Any:
            return c.getitem(x, index) if isinstance(x, Tensor) else x[_fixed(index)]

        if views and self.tracked and not self.rebinds and value_now(self.present())[_settled(index)].shape:
            return TracedArray(self.storage, self, step)
        return own(c.getitem(self.tensor(), index))

    def __iter__(self) -> Iterator[Any]:
        if not self._shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self._shape[0]))

    def copy(self, order: Any = "C") -> Any:
        """Return an array of its own with the present entries."""
        value = self.present()
        own_value = value if isinstance(value, Tensor) else value.copy(order)
        made = TracedArray(Storage(own_value, made=_here(), order=order, like=self), rebinds=self.rebinds)
        if isinstance(value, Tensor) and order != "K" and not (order != "F" and value.raw.flags.c_contiguous):
            made.storage.base = in_order(value, made.storage.layout)
        made.storage.weak = self.storage.weak
        return made

    def __copy__(self) -> Any:
        return self.copy("K")

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.copy("K")

    def __reduce__(self) -> tuple[Any, ...]:
        return self.tensor().__reduce__()

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """Return the values in another dtype. Whole numbers and truth values have no gradient: they are plain."""
        value, kind = self.present(), np.dtype(dtype)
        if kind == self.dtype and not copy:
            return self
        if isinstance(value, Tensor) and kind.kind != "f" and capturing() is not None:
            made = own(p.cast(value.detach(), dtype=kind.name))
        elif not isinstance(value, Tensor) or kind.kind != "f":
            return adopt(raw_value(value).astype(kind, casting=casting))
        elif kind == self.dtype:
            return self.copy(order)
        else:
            made = own(p.cast(value, dtype=kind.name))
        return made if self.rebinds else no_number(made)

    # ---- writing -------------------------------------------------------------------------------------

    def assign(self, value: Any, *, index: Any = None, mask: Tensor | None = None, at: Array | None = None) -> None:
        """Write `value` to the positions `at`, those of all entries where left out."""
        self._unlocked()
        whole = at is None
        at = self.at if at is None else at
        storage = self.storage
        if not isinstance(value, Tensor) and not storage.tracked:
            storage.replace(storage.base)
            real = self.through(storage.base)
            if np.may_share_memory(real, storage.base):
                real[... if whole else index] = value
            else:
                storage.base.flat[at.ravel()] = fitting(value, at.shape, storage.dtype).ravel()
            return
        value = fitting(value, at.shape, storage.dtype)
        if at.size == storage.layout.size and np.array_equal(at.ravel(), np.arange(at.size)):
            storage.replace(value if value.shape == storage.shape else c.reshape(value, storage.shape))
        else:
            direct = self.parent is None
            storage.write(Write(at, value, _here(), index if direct else None, mask if direct else None, direct))

    @property
    def writeable(self) -> bool:
        """Check that NumPy would write into the array."""
        return not self.locked and (self.storage.origin is None or self.storage.origin.flags.writeable)

    def _unlocked(self) -> None:
        if self.rebinds:
            raise TypeError(f"'numpy.{self.dtype}' object does not support item assignment")
        if not self.writeable:
            raise ValueError("assignment destination is read-only")

    def _is_mask(self, index: Any) -> bool:
        return isinstance(index, Tensor) and index.dtype == bool and index.shape == self._shape

    def __setitem__(self, index: Any, value: Any) -> None:
        self._unlocked()
        if capturing() is not None and self._is_mask(index) and not c.shape_of(present(value)):
            self.assign(p.where(present(index), present(value), self.present()))  # the places change from call to call
            return
        index, _, mask = _lowered_index(index)
        index = _fixed(index)
        at = np.asarray(self.at[index])
        self._refuse_for_a_mask(index, at, value)
        if isinstance(value, TracedArray) and value.storage is self.storage:
            there = value.at
            if there.shape == at.shape and np.array_equal(there, at) and value.tracked:
                return  # what ``x[i] += 1`` does last: the view that has been written to, written to itself
        if mask is not None and mask.shape != self.storage.shape:
            mask = None
        self.assign(present(value), index=index, mask=mask, at=at)

    def _refuse_for_a_mask(self, index: Any, at: Array, value: Any) -> None:
        """Refuse to write where a mask of all axes holds what NumPy refuses, or what it reads while it writes there.

        Raises:
            TypeError: entries of more than one axis, as in NumPy.
            GraphError: a part of the same memory: NumPy may read an entry that it has written before.
        """
        lone = index[0] if isinstance(index, tuple) and len(index) == 1 else index
        if not isinstance(lone, np.ndarray) or lone.dtype.kind != "b" or lone.ndim != self.ndim:
            return
        if (axes := len(c.shape_of(present(value)))) > 1:
            raise TypeError(
                "NumPy boolean array indexing assignment requires a 0 or 1-dimensional input, "
                f"input has {axes} dimensions"
            )
        if axes and isinstance(value, TracedArray) and value.storage is self.storage and np.isin(at, value.at).any():
            raise GraphError(
                "what is written where a mask holds is a part of the array itself, and NumPy may read an entry of it "
                "after it has written there; copy it first, as in y[mask] = y[0].copy()."
            )

    # ---- NumPy's protocols ---------------------------------------------------------------------------

    def __primitive__(self, row: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        lowered = tuple(map(present, operands))
        if any(isinstance(operand, Tensor) for operand in lowered):
            return own(record(row, lowered, attrs))
        return adopt(row.forward(*lowered, **attrs), operands)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return self.call_function(function, args, kwargs)


def _of_tensor(name: str) -> property:
    return property(lambda self: getattr(self.tensor(), name))


for _name in (*Tensor.__slots__, *Operands.__slots__):
    if _name not in ("__weakref__", "raw"):
        setattr(TracedArray, _name, _of_tensor(_name))


# ---- operators ---------------------------------------------------------------------------------------------

_SHORT: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv, "pow": operator.pow,
}  # fmt: skip
_COMPUTES = (Tensor, np.ndarray, np.generic, int, float, complex, list, tuple)


def float_of(x: Any) -> Any:
    """Return the present entries of a traced array of floats; None where it has others, is weak or plain."""
    storage = x.storage
    if storage.weak:
        return None
    value = storage.base if x.parent is None and not storage.pending else x.present()
    return value if type(value) is Tensor and (type(value.raw) is float or value.raw.dtype.kind == "f") else None


def floats(first: Any, second: Any) -> tuple[Any, Any] | None:
    """Return two operands as they are computed with, where one is traced floats and nothing else is to be looked at."""
    if type(first) is TracedArray and (x := float_of(first)) is not None:
        return None if (y := _beside(x, second)) is None else (x, y)
    if type(second) is TracedArray and (y := float_of(second)) is not None:
        return None if (x := _beside(y, first)) is None else (x, y)
    return None


def _beside(x: Any, other: Any) -> Any:
    """Return what a tensor of floats computes with for an operand as it is; None where more has to be looked at."""
    kind = type(other)
    if kind is float or kind is int:
        return other
    if kind is TracedArray:
        storage = other.storage
        value = storage.base if other.parent is None and not storage.pending else other.present()
        raw = value.raw if type(value) is Tensor else value if value.shape else None  # a plain number may widen
        fits = type(raw) is float or (raw is not None and raw.dtype.kind == "f")
        return value if fits and not storage.weak else None
    return float(other) if kind is np.float64 and x.dtype == kind else None


def as_number(x: TracedArray) -> TracedArray:
    """Return a traced entry as Python would have it: a float of 64 bits that widens no array."""
    value = x.tensor()
    made: TracedArray = own(value if value.dtype == np.float64 else p.cast(value, dtype="float64"))
    made.storage.weak = True
    return made


def narrowed(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return inputs with Python's floats among them in the dtype of the arrays beside, which they do not widen."""
    weak = [type(x) is TracedArray and x.storage.weak for x in inputs]
    beside = [getattr(x, "dtype", None) for x, number in zip(inputs, weak, strict=True) if not number]
    floats = [dtype for dtype in beside if dtype is not None and dtype.kind == "f"]
    if not floats or (wanted := np.result_type(*floats)) == np.float64:
        return inputs
    return tuple(
        own(p.cast(x.tensor(), dtype=wanted.name)) if number else x for x, number in zip(inputs, weak, strict=True)
    )


def _numbers(operands: tuple[Any, Any], made: Any) -> Any:
    """Return what an operator made of two operands, a number or truth value of Python's where both are Python's."""
    if operands[0].storage.weak:
        weak = _of_python(operands[1])
        if isinstance(made, TracedArray):
            made.storage.weak = weak
        elif weak and isinstance(made, np.bool_):
            return bool(made)
    return made


def _of_python(x: Any) -> bool:
    """Check that an operand is a number or truth value of Python's rather than NumPy's."""
    return type(x) in (float, int, bool) or (type(x) is TracedArray and x.storage.weak)


def _counted(x: Any) -> Any:
    """Return the whole number that Python computes with in the place of a truth value of its own."""
    if type(x) is not TracedArray or not x.storage.weak or x.dtype != bool:
        return x
    made: TracedArray = own(p.cast(x.tensor(), dtype="int64"))
    made.storage.weak = True
    return made


def _for_root(x: Any) -> Any:
    """Return a number for ``x ** 0.5``, which to NumPy is C's of a number, other than the root at -inf and -0.0."""
    if capturing() is not None:  # every call has another number
        return p.where(np.less(x, 0.0) & np.isinf(x), np.inf, x + 0.0) if x.dtype.kind == "f" else x
    if not x.tracked:
        return x
    value = np.asarray(x.raw)
    return abs(x) if value == -np.inf else x + 0.0 if value == 0 and np.signbit(value) else x


def _operators(name: str, ufunc: np.ufunc, *, compares: bool = False) -> None:
    joins = name != "pow"  # of two traced arrays too
    short = _SHORT.get(name)  # most calls are of two floats, and what `call_ufunc` looks at takes longer than computing

    def forwards(self: TracedArray, other: Any) -> Any:
        if not joins and self.rebinds and type(other) in (float, np.float64) and other == 0.5:
            self = _for_root(self)
        if short is not None and current() is SEALED:
            given = floats(self, other)
            if given is not None and (joins or type(other) is float or type(other) is int):
                return own(short(*given))
        if not isinstance(other, _COMPUTES):
            return NotImplemented
        if self.storage.weak and not compares and _of_python(other):
            self, other = _counted(self), _counted(other)
        return _numbers((self, other), self.call_ufunc(ufunc, "__call__", (self, other), {}))

    def backwards(self: TracedArray, other: Any) -> Any:
        if short is not None and joins and current() is SEALED and (given := floats(other, self)) is not None:
            return own(short(*given))
        if not isinstance(other, _COMPUTES):
            return NotImplemented
        if self.storage.weak and _of_python(other):
            self = _counted(self)
        return _numbers((self, other), self.call_ufunc(ufunc, "__call__", (other, self), {}))

    def inplace(self: TracedArray, other: Any) -> Any:
        if self.rebinds:
            return forwards(self, other)
        if not isinstance(other, _COMPUTES):
            return NotImplemented
        self.call_ufunc(ufunc, "__call__", (self, other), {"out": (self,)})
        return self

    setattr(TracedArray, f"__{name}__", forwards)
    if not compares:
        setattr(TracedArray, f"__r{name}__", backwards)
        setattr(TracedArray, f"__i{name}__", inplace)


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift,
}.items():  # fmt: skip
    _operators(_name, _ufunc)
for _name, _ufunc in {
    "gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    _operators(_name, _ufunc, compares=True)
for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    setattr(TracedArray, f"__{_name}__", lambda self, _ufunc=_ufunc: _numbers(
        (self, 0.0), self.call_ufunc(_ufunc, "__call__", (_counted(self),), {})
    ))  # fmt: skip
TracedArray.__hash__ = object.__hash__  # type: ignore[method-assign, assignment]


# ---- what is read out of traced arrays ---------------------------------------------------------------------


def present(x: Any) -> Any:
    """Replace a traced array, also in lists and tuples, by its present entries."""
    if isinstance(x, TracedArray):
        return x.present()
    if type(x) in (list, tuple) and x:
        return type(x)([present(item) for item in x])
    return x


def raw_value(x: Any) -> Any:
    """Replace tensors, also in lists and tuples, by their values; refused while a call is captured: they change."""
    if isinstance(x, Tensor) and (capture := capturing()) is not None:
        what = "what depends on the values of a tensor"
        return np.asarray(capture.known(x, what, "compute with the tensor itself, or with np.where"))
    if type(x) in (list, tuple) and x:
        return type(x)([raw_value(item) for item in x])
    return value_now(x)


def value_now(x: Any) -> Any:
    """Replace tensors, also in lists and tuples, by arrays, of which only shape and dtype stay from call to call."""
    if isinstance(x, Tensor):
        return np.asarray(x.raw)
    if type(x) in (list, tuple) and x:
        return type(x)([value_now(item) for item in x])
    return x


def without_tracing(result: Any) -> Any:
    """Return what a traced function returned, its traced arrays as the tensors or arrays that they are now."""
    if isinstance(result, TracedArray):
        return result.present()
    if isinstance(result, dict):
        return {key: without_tracing(value) for key, value in result.items()}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*map(without_tracing, result))
    if type(result) in (list, tuple):
        return type(result)(map(without_tracing, result))
    return result


def is_tracked(x: Any) -> bool:
    """Check that something tracked is in `x`, also inside lists, tuples and dictionaries."""
    if isinstance(x, TracedArray):
        return x.tracked
    if isinstance(x, Tensor):
        return True
    if isinstance(x, dict):
        return any(map(is_tracked, x.values()))
    return isinstance(x, (list, tuple)) and any(map(is_tracked, x))


def leaves(x: Any) -> Iterator[Any]:
    """Yield what is in nested lists and tuples."""
    if isinstance(x, (list, tuple)):
        for item in x:
            yield from leaves(item)
    else:
        yield x


def _is_anew(item: Any) -> bool:
    """Check for whole numbers that every call of a compiled function has anew."""
    return isinstance(item, Tensor)


def _settled(index: Any) -> Any:
    """Return an index with the numbers of this call."""
    return tuple(map(value_now, index)) if isinstance(index, tuple) else value_now(index)


def _fixed(index: Any) -> Any:
    """Return an index with the numbers of this call, on which the program relies from now on."""
    return tuple(map(raw_value, index)) if isinstance(index, tuple) else raw_value(index)


def _lowered_index(index: Any) -> tuple[Any, bool, Tensor | None]:
    """Return an index without traced arrays in it, whether it makes a view, and the tensor that it was if one mask."""
    items = index if isinstance(index, tuple) else (index,)
    lowered: list[Any] = []
    basic = True
    mask: Tensor | None = None
    for given in items:
        item = given
        if isinstance(item, Tensor):
            value = present(item)
            if isinstance(value, Tensor) and value.dtype.kind == "f":
                raise GraphError("a traced float array cannot be an index; compare it, or use .astype(int) for places.")
            if isinstance(value, Tensor) and value.dtype == bool and len(items) == 1:
                mask = value
            if isinstance(value, Tensor) and (capture := capturing()) is not None:
                item = value if value.dtype.kind in "iu" else capture.index(value)
            else:
                item = raw_value(value)
        elif isinstance(item, slice):
            item = slice(*(int(end) if isinstance(end, Tensor) else end for end in (item.start, item.stop, item.step)))
        elif isinstance(item, (list, np.ndarray)):
            item = np.array(raw_value(present(item)))
            if not item.size and item.dtype.kind == "f":
                item = item.astype(np.intp)
        if isinstance(item, np.ndarray) and item.ndim == 0 and item.dtype.kind in "iu":
            item = int(item)
        whole = isinstance(item, (int, np.integer)) and not isinstance(item, bool)
        whole |= isinstance(item, Tensor) and not item.shape
        basic &= whole or item is None or item is Ellipsis or isinstance(item, slice)
        lowered.append(item)
    return tuple(lowered) if isinstance(index, tuple) else lowered[0], basic, mask


# ---- what becomes a traced array ---------------------------------------------------------------------------


_new = object.__new__


def own(value: Any) -> Any:
    """Return a tensor or an array as a traced array of its own; a plain number as it is."""
    if isinstance(value, Tensor):
        made: TracedArray = _new(TracedArray)  # what ``TracedArray(Storage(value))`` does, in a third of the time
        made.storage = storage = _new(Storage)
        storage.base = value
        made._shape = shape = () if type(value.raw) is float else value.raw.shape
        made.rebinds = not shape
        made.locked = False
        made.parent = made.step = None
        return made
    return adopt(value[()] if isinstance(value, np.ndarray) and not value.shape else value)


def no_number(made: Any) -> Any:
    """Return an array that is none of NumPy's numbers, also where it has no axes: writing changes it."""
    if isinstance(made, TracedArray):
        made.rebinds = False
    return made


def lift(result: Any) -> Any:
    """Return what a composite returned, with its tensors as traced arrays."""
    if isinstance(result, TracedArray):
        return result
    if isinstance(result, Tensor):
        return own(result)
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*map(lift, result))
    if isinstance(result, (list, tuple)):
        return type(result)(map(lift, result))
    return adopt(result)


def adopt(result: Any, inputs: Sequence[Any] = ()) -> Any:
    """Return what NumPy returned, its float arrays as traced arrays that tracked values may be written into.

    One that shares memory with a traced array among `inputs` becomes a view of it.
    """
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(adopt(item, inputs) for item in result))
    if type(result) in (list, tuple):
        return type(result)(adopt(item, inputs) for item in result)
    if type(result) is not np.ndarray or result.dtype.kind != "f":
        return result
    for given in inputs:
        if isinstance(given, TracedArray) and not given.tracked and np.may_share_memory(result, given.storage.base):
            return _alias(given, result)
    return TracedArray(Storage(result, made=_here()))


def _alias(given: TracedArray, found: Array) -> TracedArray:
    """Return a view of a plain storage that NumPy made in a way of its own."""
    storage = given.storage
    base = storage.base
    if found is base:
        return TracedArray(storage)

    def bytes_of(x: Array) -> Array:
        at = np.full(x.shape, x.__array_interface__["data"][0])
        for axis, (size, stride) in enumerate(zip(x.shape, x.strides, strict=True)):
            at += (np.arange(size) * stride).reshape([-1 if n == axis else 1 for n in range(x.ndim)])
        return at

    known = {place: position for position, place in enumerate(bytes_of(base).ravel().tolist())}
    places = bytes_of(found).ravel().tolist()
    if not known.keys() >= {*places}:  # of an array that both are views of
        return TracedArray(Storage(found, made=_here()))
    at = np.array([known[place] for place in places], np.intp).reshape(found.shape)

    def step(x: Any) -> Any:
        if isinstance(x, Tensor):
            return p.gather(c.reshape(x, -1), index=at)
        return found if x is base else x.reshape(-1)[at]

    return TracedArray(storage, TracedArray(storage), step, locked=not found.flags.writeable)


def _here() -> list[CodePosition]:
    trace = current_trace.get()
    return trace.here() if trace is not None else []


TracedArray.own = staticmethod(own)
TracedArray.as_number = as_number  # type: ignore[method-assign, assignment]
