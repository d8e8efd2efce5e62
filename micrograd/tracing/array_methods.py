"""Make a traced array behave like an ndarray: conversions to numbers and text, other shapes, NumPy's methods."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.source.names import source_of, user_frames, user_line
from micrograd.tracing.refusals import last_whole_number, no_plain_number

if TYPE_CHECKING:
    from micrograd.tracing.storage import Storage

__all__ = ["ArrayMethods", "Step", "axes_as_they_lie"]

Step = Callable[[Any], Any]
"""How a view is taken: a function that arrays and tensors both go through."""


class ArrayMethods(Tensor):
    """The methods and conversions of a traced array, which all go through what `TracedArray` defines."""

    __slots__ = ()

    # What computes NumPy's functions on traced arrays; `micrograd.tracing.numpy_proxy` puts itself here.
    call_ufunc: ClassVar[Callable[..., Any]]
    call_function: ClassVar[Callable[..., Any]]
    own: ClassVar[Callable[..., Any]]  # likewise `micrograd.tracing.array`

    if TYPE_CHECKING:
        storage: Storage
        rebinds: bool
        locked: bool

        @property
        def tracked(self) -> bool: ...  # noqa: D102

        @property
        def raw(self) -> Any: ...  # noqa: D102

        def present(self) -> Any: ...  # noqa: D102
        def as_number(self) -> Any: ...  # noqa: D102
        def tensor(self) -> Tensor: ...  # noqa: D102
        def view_by(self, step: Step, *, locked: bool = False, shared: bool = False) -> Any: ...  # noqa: D102

        @property
        def at(self) -> Any: ...  # noqa: D102

    def ask(self, name: str) -> None:
        """Refuse, as a tensor does, to tell a value while a call is captured: the next call has another."""
        if capturing() is not None and self.tracked:
            found = getattr(self.tensor(), name)
            if callable(found):  # a property has refused by now
                found()

    # ---- a number, a truth value, text ---------------------------------------------------------------

    def item(self, *index: Any) -> Any:
        """Return the one entry, or the entry at a place; of tracked values a number that is tracked itself."""
        if not index:
            if self.size != 1:
                raise ValueError("can only convert an array of size 1 to a Python scalar")
            index = (0,) * self.ndim
        chosen = self.reshape(-1)[index[0]] if len(index) == 1 and self.ndim != 1 else self[index]
        if not isinstance(chosen, ArrayMethods):
            return chosen.item()
        if chosen.dtype.kind == "f":
            return chosen.as_number()
        return bool(chosen) if chosen.dtype.kind == "b" else int(chosen)

    def tolist(self) -> Any:
        """Return a list of numbers, refused where they are tracked; of an entry that is no list the number."""
        if not self.shape:
            return self.item()
        self.ask("tolist")
        value = self.present()
        if isinstance(value, Tensor) and value.dtype.kind == "f":
            raise GraphError("tolist() would lose the gradient silently, entry by entry; keep the array: index it, "
                             "iterate over it, or use .reshape.")  # fmt: skip
        return np.asarray(self.raw).tolist()

    def __float__(self) -> float:
        no_plain_number.set(True)
        self.ask("__float__")
        made = self.row if self.tracked else None
        rounded = made is not None and not made.flows  # no gradient to lose
        if self.tracked and self.dtype.kind == "f" and not rounded and not _only_printed():
            raise GraphError(
                f"float() of a traced value (line {user_line()}) would lose its gradient silently; leave it out: the "
                "value computes like a number."
            )
        no_plain_number.set(False)
        return float(np.asarray(self.raw))

    def __int__(self) -> int:
        self.ask("__int__")
        number = int(np.asarray(self.raw))
        last_whole_number.set(number)
        return number

    def __floor__(self) -> int:
        return int(self.call_ufunc(np.floor, "__call__", (self,), {}))

    def __ceil__(self) -> int:
        return int(self.call_ufunc(np.ceil, "__call__", (self,), {}))

    __trunc__ = __int__

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.shape:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        self.ask("__int__")
        return int(self.raw)

    def __bool__(self) -> bool:
        self.ask("__bool__")
        return bool(np.asarray(self.raw))  # a branch on a value that is known: NumPy's own rule for more than one

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __round__(self, digits: int | None = None) -> Any:
        self.ask("__float__")
        number: Any = np.asarray(self.raw)[()]
        return round(number) if digits is None else round(number, digits)

    def __contains__(self, value: Any) -> bool:
        if capturing() is not None and self.tracked:
            return bool(self.call_function(np.any, (self.call_ufunc(np.equal, "__call__", (self, value), {}),), {}))
        return bool(np.any(np.asarray(self.raw) == getattr(value, "raw", value)))

    def __repr__(self) -> str:
        return repr(np.asarray(self.raw))

    def __str__(self) -> str:
        return str(np.asarray(self.raw))

    def __format__(self, spec: str) -> str:
        if capturing() is not None and self.tracked:
            return Tensor.__format__(self.tensor(), spec)
        return format(np.asarray(self.raw)[()], spec)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        self.ask("__array__")
        value = self.present()
        rounds = dtype is not None and np.dtype(dtype).kind in "iub"  # ``np.int64(x)``: there is no gradient to lose
        if isinstance(value, Tensor) and value.dtype.kind == "f" and not rounds:
            raise GraphError(
                "turning a traced array into a plain one would lose its gradient silently. A plain array cannot hold "
                "traced values: make it inside the traced function (np.zeros, np.array, x.copy()), or join values "
                "with np.stack([...]); for another dtype use .astype."
            )
        if copy or dtype is not None:
            return np.array(self.raw, dtype)
        made = np.asarray(self.raw)[...]
        made.setflags(write=False)
        self.storage.exposed = True
        return made

    # ---- other shapes of the same entries ------------------------------------------------------------

    def reshape(self, *shape: Any, order: Any = "C", copy: bool | None = None) -> Any:
        """See `numpy.reshape`."""
        wanted = shape[0] if len(shape) == 1 else shape
        if order == "F" or (order == "A" and self._axes_in_memory("A") is not None):
            backwards = (wanted,) if isinstance(wanted, (int, np.integer)) else tuple(wanted)[::-1]
            step: Step = lambda x: c.transpose(c.reshape(c.transpose(x), backwards))  # noqa: E731
        else:
            step = lambda x: c.reshape(x, wanted)  # noqa: E731
        return self.view_by(step).copy() if copy else self.view_by(step)

    def ravel(self, order: Any = "C") -> Any:
        """Return all entries in one axis."""
        axes = self._axes_in_memory(order)

        def step(x: Any) -> Any:
            x = x if axes is None else c.transpose(x, axes)
            return c.reshape(x, -1) if isinstance(x, Tensor) else np.ravel(x)

        return self.view_by(step)

    def _axes_in_memory(self, order: Any) -> tuple[int, ...] | None:
        """Return the axes as NumPy walks over them in an order, None where it does so from the first to the last."""
        axes = tuple(range(self.ndim))
        if order == "F" or (order == "A" and self.at.flags.f_contiguous and not self.at.flags.c_contiguous):
            axes = axes[::-1]
        elif order == "K" and self.size and self.ndim > 1:
            axes = axes_as_they_lie(self.at)
        return None if axes == tuple(range(self.ndim)) else axes

    @property
    def flat(self) -> Any:
        """Return all entries in one axis, to be iterated over, read and written."""
        row: Any = self.view_by(lambda x: c.reshape(x, -1), shared=not self.rebinds)  # a number's are a copy
        return row

    @flat.setter
    def flat(self, value: Any) -> None:
        self.call_function(np.put, (self, np.arange(self.size), value), {})

    @property
    def real(self) -> Any:
        """Return the array itself."""
        return self.view()

    @property
    def imag(self) -> Any:
        """Return zeros, which have no gradient."""
        return self.call_function(np.imag, (self,), {})

    def flatten(self, order: Any = "C") -> Any:
        """Return a copy of all entries in one axis."""
        return self.ravel(order).copy()

    def transpose(self, *axes: Any) -> Any:
        """See `numpy.transpose`."""
        wanted = None if not axes else axes[0] if len(axes) == 1 else axes
        return self.view_by(lambda x: c.transpose(x, wanted))

    @property
    def T(self) -> Any:
        """Return the array with its axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Any:
        """Return the array with its last two axes exchanged."""
        return self.view_by(lambda x: c.swapaxes(x, -1, -2))

    def swapaxes(self, a: int, b: int) -> Any:
        """See `numpy.swapaxes`."""
        return self.view_by(lambda x: c.swapaxes(x, a, b))

    def squeeze(self, axis: c.Axis = None) -> Any:
        """See `numpy.squeeze`."""
        return self.view_by(lambda x: c.squeeze(x, axis))

    def view(self, dtype: Any = None) -> Any:
        """Return the same entries under another name."""
        if dtype is not None and np.dtype(dtype) != self.dtype:
            raise GraphError(f"view({np.dtype(dtype)}) reads the bytes of an array; use astype for another dtype.")
        return self.view_by(lambda x: x if isinstance(x, Tensor) else x[...])

    # ---- what NumPy has a function for, and what is left ---------------------------------------------

    def fill(self, value: Any) -> None:
        """Write one number everywhere; a number such as ``x.sum()`` stays as it is, as NumPy's."""
        if not self.rebinds:
            self[...] = value

    def partition(self, kth: Any, axis: int = -1, kind: Any = "introselect") -> None:
        """Partition in place."""
        self[...] = self.call_function(np.partition, (self, kth), {"axis": axis, "kind": kind})

    def sort(self, axis: int = -1) -> None:
        """Sort in place."""
        self[...] = self.call_function(np.sort, (self, axis), {})

    def detach(self) -> Any:
        """See `Tensor.detach`."""
        return self.own(self.tensor().detach())

    def backward(self, seed: Any = None) -> None:
        """See `Tensor.backward`."""
        self.tensor().backward(seed)

    if not TYPE_CHECKING:  # so that the type checker finds a misspelled attribute

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or not hasattr(np.ndarray, name):
                raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
            if name in ("flags", "itemsize", "nbytes", "strides"):
                return getattr(np.asarray(self.raw), name)
            if self.tracked:
                raise GraphError(f".{name} of a traced array is not supported; it would lose the gradient silently.")
            return getattr(self.present(), name)


def axes_as_they_lie(at: np.ndarray[Any, Any]) -> tuple[int, ...]:
    """Return the axes of an array, the one that NumPy steps along first in the order ``"K"`` last."""
    corner = at[(slice(2),) * at.ndim]  # strides as in the whole; NumPy itself orders them, also those that are 0
    with np.nditer(corner, ["multi_index"], order="K") as walk:
        steps = [np.array(walk.multi_index) for _ in walk]
    still = [axis for axis, size in enumerate(corner.shape) if size == 1]
    moves = [int(np.flatnonzero(steps[2**k] - steps[0])[0]) for k in range(at.ndim - len(still))]
    return (*still, *moves[::-1])


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: ArrayMethods, *args: Any, **kwargs: Any) -> Any:
        return self.call_function(function, (self, *args), kwargs)

    return call


for _name in (
    *("all", "any", "argmax", "argmin", "argsort", "clip", "cumsum", "cumprod", "diagonal", "dot", "max", "mean"),
    *("choose", "argpartition"),
    *("min", "nonzero", "prod", "put", "repeat", "round", "searchsorted", "std", "sum", "take", "trace", "var"),
):
    setattr(ArrayMethods, _name, _method(getattr(np, _name)))
ArrayMethods.compress = lambda self, condition, axis=None, out=None: self.call_function(  # type: ignore[attr-defined]
    np.compress, (condition, self, axis), {"out": out}
)
for _name in ("conj", "conjugate"):
    setattr(ArrayMethods, _name, lambda self: self.call_ufunc(np.conjugate, "__call__", (self,), {}))


def _only_printed() -> bool:
    """Check that the user's expression is ``"..." % value``: text has no gradient to lose."""
    frame = next(user_frames(), None)
    if frame is None:
        return False
    try:
        tree = ast.parse(source_of(frame).text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return False
    match tree:
        case ast.BinOp(left=ast.Constant(value=str()) | ast.JoinedStr(), op=ast.Mod()):
            return True
    return False
