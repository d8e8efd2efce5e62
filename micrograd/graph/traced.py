"""`Traced`: what a traced function holds in place of an array. It is written into as NumPy's arrays are.

A traced array is a view of a `Memory`: the whole of it, or what is left of the whole after some steps (an index, a
transposition, another shape). Reading gives the present version as a tensor; while nothing tracked has been
written into the memory, it gives NumPy's own array, and NumPy itself computes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from micrograd import composites as c
from micrograd import primitives as p
from micrograd.engine import Tensor, record
from micrograd.errors import GraphError, ShapeError
from micrograd.graph.memory import Array, Memory, Write, surroundings
from micrograd.primitives import Primitive
from micrograd.source import Source, author_frames, source_of, user_line

__all__ = ["Traced", "adopt", "lift", "present", "raw_value"]

Step = Callable[[Any], Any]


class Traced(Tensor):
    """A view of a memory, with the operators and methods of an array.

    Args:
        memory: the entries.
        parent: the view that this one is taken of; None for the whole array.
        step: how it is taken, a function that arrays and tensors both go through.
        rebinds: whether it is a number such as NumPy's sums give, which ``+=`` replaces and does not change.
        locked: whether NumPy would refuse to write to it.
    """

    __slots__ = ("_at", "_cache", "_seen", "_shape", "locked", "memory", "parent", "rebinds", "step")

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
    def raw(self) -> Any:  # type: ignore[override]
        """The values."""
        value = self.present()
        return value.raw if isinstance(value, Tensor) else value

    @property
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
        index, basic, _ = _lowered_index(index)
        return self._read(index, basic)

    def __iter__(self) -> Iterator[Any]:
        if not self._shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self._shape[0]))

    def copy(self, order: str = "C") -> Any:
        """An array of its own with the present entries."""
        value = self.present()
        return Traced(Memory(value if isinstance(value, Tensor) else value.copy(order), made=_here()))

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return self.tensor().__reduce__()

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """See `numpy.reshape`."""
        wanted = shape[0] if len(shape) == 1 else shape
        if order == "F":
            backwards = (wanted,) if isinstance(wanted, (int, np.integer)) else tuple(wanted)[::-1]
            step: Step = lambda x: c.transpose(c.reshape(c.transpose(x), backwards))  # noqa: E731
        else:
            step = lambda x: c.reshape(x, wanted)  # noqa: E731
        return self.view_by(step).copy() if copy else self.view_by(step)

    def ravel(self, order: str = "C") -> Any:
        """All entries in one axis."""
        if order == "F":
            return self.T.ravel()
        return self.view_by(lambda x: c.reshape(x, -1) if isinstance(x, Tensor) else np.ravel(x))

    def flatten(self, order: str = "C") -> Any:
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

    def astype(self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Any:
        """The values in another dtype. Whole numbers and truth values have no gradient: they are plain arrays."""
        value, kind = self.present(), np.dtype(dtype)
        if kind == self.dtype and not copy:
            return self
        if not isinstance(value, Tensor) or kind.kind != "f":
            return adopt(raw_value(value).astype(kind, casting=casting))
        return self.copy() if kind == self.dtype else own(p.cast(value, dtype=kind.name))

    # ---- writing -------------------------------------------------------------------------------------

    def assign(self, value: Any, *, index: Any = None, mask: Tensor | None = None, at: Array | None = None) -> None:
        """Write `value` to the positions `at`, those of all entries where left out."""
        if self.locked or (self.memory.origin is not None and not self.memory.origin.flags.writeable):
            raise ValueError("assignment destination is read-only")
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

    def __setitem__(self, index: Any, value: Any) -> None:
        index, _, mask = _lowered_index(index)
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

    # ---- a number, a truth value, text ---------------------------------------------------------------

    def item(self, *index: Any) -> Any:
        """The one entry, or the entry at a place; of tracked values a number that is tracked itself."""
        if not index:
            if self.size != 1:
                raise ValueError("can only convert an array of size 1 to a Python scalar")
            index = (0,) * self.ndim
        chosen = self.reshape(-1)[index[0]] if len(index) == 1 and self.ndim != 1 else self[index]
        return chosen if isinstance(chosen, Traced) else chosen.item()

    def tolist(self) -> Any:
        """A list of numbers; refused where they are tracked."""
        value = self.present()
        if isinstance(value, Tensor) and value.dtype.kind == "f":
            raise GraphError("tolist() would lose the gradient silently, entry by entry; keep the array: index it, "
                             "iterate over it, or use .reshape.")  # fmt: skip
        return raw_value(value).tolist()

    def _number(self, wanted: type) -> Any:
        return wanted(np.asarray(self.raw).item()) if self.size == 1 else wanted(np.asarray(self.raw))

    def __float__(self) -> float:
        if self.tracked and self.dtype.kind == "f" and not _only_printed():
            raise GraphError(
                f"float() of a traced value (line {user_line()}) would lose its gradient silently, as the functions of "
                "math and writing it into a list of numbers do; keep it as it is, it computes like a number. "
                "Use np.exp for math.exp."
            )
        return float(self._number(float))

    def __int__(self) -> int:
        return int(self._number(int))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self._shape:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self.raw)

    def __bool__(self) -> bool:
        return bool(np.asarray(self.raw))  # a branch on a value that is known: NumPy's own rule for more than one

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._number(float), digits) if digits is not None else round(self._number(float))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(np.asarray(self.raw) == raw_value(value)))

    def __repr__(self) -> str:
        return repr(np.asarray(self.raw))

    def __str__(self) -> str:
        return str(np.asarray(self.raw))

    def __format__(self, spec: str) -> str:
        return format(np.asarray(self.raw)[()], spec)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        value = self.present()
        if isinstance(value, Tensor) and value.dtype.kind == "f":
            raise GraphError(
                "turning a traced array into a plain one would lose its gradient silently. A plain array cannot hold "
                "traced values: make it inside the traced function (np.zeros, np.array, x.copy()), or join values "
                "with np.stack([...])."
            )
        made = np.array(raw_value(value), dtype) if copy or dtype is not None else np.asarray(raw_value(value))[...]
        if made.base is not None and np.may_share_memory(made, raw_value(self.memory.base)):
            self.memory.exposed = True
            made.setflags(write=False)
        return made

    # ---- NumPy's protocols and what is looked up by name ---------------------------------------------

    def __primitive__(self, row: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        lowered = tuple(map(present, operands))
        if any(isinstance(operand, Tensor) for operand in lowered):
            return own(record(row, lowered, attrs))
        return adopt(row.forward(*lowered, **attrs), operands)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from micrograd.graph.calls import ufunc as call

        return call(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        from micrograd.graph.calls import function as call

        return call(function, args, kwargs)

    def _function(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        from micrograd.graph.calls import function as call

        return call(function, (self, *args), kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if self.tracked:
            raise GraphError(f".{name} of a traced array is not supported; it would lose the gradient silently.")
        return getattr(self.present(), name)

    def backward(self, seed: Any = None) -> None:
        """See `Tensor.backward`."""
        self.tensor().backward(seed)


def _of_tensor(name: str) -> property:
    return property(lambda self: getattr(self.tensor(), name))


for _name in ("row", "attrs", "x", "a", "y", "b", "more", "serial", "grad"):
    setattr(Traced, _name, _of_tensor(_name))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Traced, *args: Any, **kwargs: Any) -> Any:
        return self._function(function, *args, **kwargs)

    return call


for _name in (
    *("all", "any", "argmax", "argmin", "argsort", "clip", "cumsum", "cumprod", "diagonal", "dot", "max", "mean", "min"),
    *("nonzero", "prod", "repeat", "round", "searchsorted", "std", "sum", "take", "trace", "var"),
):
    setattr(Traced, _name, _method(getattr(np, _name)))


# ---- operators -------------------------------------------------------------------------------------------


def _operators(name: str, ufunc: np.ufunc, *, compares: bool = False) -> None:
    def understood(other: Any) -> bool:
        return isinstance(other, (Tensor, np.ndarray, np.generic, int, float, complex, list, tuple))

    def forwards(self: Traced, other: Any) -> Any:
        return self.__array_ufunc__(ufunc, "__call__", self, other) if understood(other) else NotImplemented

    def backwards(self: Traced, other: Any) -> Any:
        return self.__array_ufunc__(ufunc, "__call__", other, self) if understood(other) else NotImplemented

    def inplace(self: Traced, other: Any) -> Any:
        if self.rebinds:
            return forwards(self, other)
        if not understood(other):
            return NotImplemented
        self.__array_ufunc__(ufunc, "__call__", self, other, out=(self,))
        return self

    setattr(Traced, f"__{name}__", forwards)
    if not compares:
        setattr(Traced, f"__r{name}__", backwards)
        setattr(Traced, f"__i{name}__", inplace)


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}.items():  # fmt: skip
    _operators(_name, _ufunc)
for _name, _ufunc in {
    "gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    _operators(_name, _ufunc, compares=True)
for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    setattr(Traced, f"__{_name}__", lambda self, _ufunc=_ufunc: self.__array_ufunc__(_ufunc, "__call__", self))
Traced.__hash__ = object.__hash__  # type: ignore[method-assign, assignment]


# ---- in and out of traced arrays ---------------------------------------------------------------------------


def present(x: Any) -> Any:
    """`x` with a traced array in it, or in lists and tuples in it, replaced by its present entries."""
    if isinstance(x, Traced):
        return x.present()
    if type(x) in (list, tuple) and x:
        return type(x)(present(item) for item in x)
    return x


def raw_value(x: Any) -> Any:
    """`x` with tensors, also in lists and tuples, replaced by their values."""
    if isinstance(x, Tensor):
        return np.asarray(x.raw)
    if type(x) in (list, tuple) and x:
        return type(x)(raw_value(item) for item in x)
    return x


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
    at = np.array([known[place] for place in bytes_of(found).ravel().tolist()], np.intp).reshape(found.shape)

    def step(x: Any) -> Any:
        if isinstance(x, Tensor):
            return p.gather(c.reshape(x, -1), index=at)
        return found if x is base else x.reshape(-1)[at]

    return Traced(memory, Traced(memory), step, locked=not found.flags.writeable)


def fitting(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """`value` as it is written to entries of a shape and dtype: broadcast and cast."""
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
        value = p.cast(value, dtype=dtype.name)
    return value if have == shape else p.broadcast(value, shape=shape)


def _lowered_index(index: Any) -> tuple[Any, bool, Tensor | None]:
    """An index without traced arrays in it; whether it makes a view; the tensor that it was, if it was one mask."""
    items = index if isinstance(index, tuple) else (index,)
    lowered: list[Any] = []
    basic = True
    mask: Tensor | None = None
    for item in items:
        if isinstance(item, Tensor):
            value = present(item)
            if isinstance(value, Tensor) and value.dtype.kind == "f":
                raise GraphError("a traced float array cannot be an index; compare it, or use .astype(int) for places.")
            if isinstance(value, Tensor) and value.dtype == bool and len(items) == 1:
                mask = value
            item = raw_value(value)
        elif isinstance(item, (list, np.ndarray)):
            item = np.array(raw_value(present(item)))
            if isinstance(item, np.ndarray) and not item.size and item.dtype.kind == "f":
                item = item.astype(np.intp)
        if isinstance(item, np.ndarray) and item.ndim == 0 and item.dtype.kind in "iu":
            item = int(item)
        basic &= item is None or item is Ellipsis or isinstance(item, (slice, int, np.integer)) and not isinstance(item, bool)
        lowered.append(item)
    return tuple(lowered) if isinstance(index, tuple) else lowered[0], basic, mask


def _here() -> list[Source]:
    trace = surroundings.get()
    return trace.here() if trace is not None else []


def _only_printed() -> bool:
    """Whether the author's expression is ``"..." % value``: text has no gradient to lose."""
    for frame in author_frames(3):
        try:
            tree = ast.parse(source_of(frame).text.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return False
        return isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mod) and isinstance(tree.left, (ast.Constant, ast.JoinedStr))
    return False


