"""How a traced array behaves where an array is a number, a truth value, text, or an operand of NumPy's functions."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.source.positions import author_frames, source_of, user_line

if TYPE_CHECKING:
    from micrograd.tracing.storage import Memory

__all__ = ["Likeness"]


class Likeness(Tensor):
    """The operators, methods and conversions of a traced array."""

    __slots__ = ()

    # What computes NumPy's functions on traced arrays; `micrograd.tracing.dispatch` puts itself here.
    call_ufunc: ClassVar[Callable[..., Any]]
    call_function: ClassVar[Callable[..., Any]]

    if TYPE_CHECKING:
        memory: Memory
        rebinds: bool

        @property
        def tracked(self) -> bool: ...  # noqa: D102

        @property
        def raw(self) -> Any: ...  # noqa: D102

        def present(self) -> Any: ...  # noqa: D102
        def tensor(self) -> Tensor: ...  # noqa: D102

    # ---- a number, a truth value, text ---------------------------------------------------------------

    def item(self, *index: Any) -> Any:
        """The one entry, or the entry at a place; of tracked values a number that is tracked itself."""
        if not index:
            if self.size != 1:
                raise ValueError("can only convert an array of size 1 to a Python scalar")
            index = (0,) * self.ndim
        chosen = self.reshape(-1)[index[0]] if len(index) == 1 and self.ndim != 1 else self[index]
        return chosen if isinstance(chosen, Likeness) else chosen.item()

    def tolist(self) -> Any:
        """A list of numbers; refused where they are tracked."""
        value = self.present()
        if isinstance(value, Tensor) and value.dtype.kind == "f":
            raise GraphError("tolist() would lose the gradient silently, entry by entry; keep the array: index it, "
                             "iterate over it, or use .reshape.")  # fmt: skip
        return np.asarray(self.raw).tolist()

    def __float__(self) -> float:
        if self.tracked and self.dtype.kind == "f" and not _only_printed():
            raise GraphError(
                f"float() of a traced value (line {user_line()}) would lose its gradient silently; leave it out: the "
                "value computes like a number."
            )
        return float(np.asarray(self.raw))

    def __int__(self) -> int:
        return int(np.asarray(self.raw))

    def __floor__(self) -> int:
        return int(np.floor(self.raw))

    def __ceil__(self) -> int:
        return int(np.ceil(self.raw))

    __trunc__ = __int__

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.shape:
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return int(self.raw)

    def __bool__(self) -> bool:
        return bool(np.asarray(self.raw))  # a branch on a value that is known: NumPy's own rule for more than one

    def __round__(self, digits: int | None = None) -> Any:
        number: Any = np.asarray(self.raw)[()]
        return round(number) if digits is None else round(number, digits)

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(np.asarray(self.raw) == getattr(value, "raw", value)))

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
                "with np.stack([...]); for another dtype use .astype."
            )
        if copy or dtype is not None:
            return np.array(self.raw, dtype)
        made = np.asarray(self.raw)[...]
        made.setflags(write=False)
        self.memory.exposed = True
        return made

    # ---- NumPy's protocols, and what is looked up by name -------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return self.call_function(function, args, kwargs)

    def _function(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self.call_function(function, (self, *args), kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if name in ("flags", "itemsize", "nbytes", "strides"):
            return getattr(np.asarray(self.raw), name)
        if self.tracked:
            raise GraphError(f".{name} of a traced array is not supported; it would lose the gradient silently.")
        return getattr(self.present(), name)

    def backward(self, seed: Any = None) -> None:
        """See `Tensor.backward`."""
        self.tensor().backward(seed)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Likeness, *args: Any, **kwargs: Any) -> Any:
        return self._function(function, *args, **kwargs)

    return call


for _name in (
    *("all", "any", "argmax", "argmin", "argsort", "clip", "cumsum", "cumprod", "diagonal", "dot", "max", "mean"),
    *("min", "nonzero", "prod", "put", "repeat", "round", "searchsorted", "std", "sum", "take", "trace", "var"),
):
    setattr(Likeness, _name, _method(getattr(np, _name)))


# ---- operators -------------------------------------------------------------------------------------------


def _operators(name: str, ufunc: np.ufunc, *, compares: bool = False) -> None:
    def understood(other: Any) -> bool:
        return isinstance(other, (Tensor, np.ndarray, np.generic, int, float, complex, list, tuple))

    def forwards(self: Likeness, other: Any) -> Any:
        return self.__array_ufunc__(ufunc, "__call__", self, other) if understood(other) else NotImplemented

    def backwards(self: Likeness, other: Any) -> Any:
        return self.__array_ufunc__(ufunc, "__call__", other, self) if understood(other) else NotImplemented

    def inplace(self: Likeness, other: Any) -> Any:
        if self.rebinds:
            return forwards(self, other)
        if not understood(other):
            return NotImplemented
        self.__array_ufunc__(ufunc, "__call__", self, other, out=(self,))
        return self

    setattr(Likeness, f"__{name}__", forwards)
    if not compares:
        setattr(Likeness, f"__r{name}__", backwards)
        setattr(Likeness, f"__i{name}__", inplace)


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
    setattr(Likeness, f"__{_name}__", lambda self, _ufunc=_ufunc: self.__array_ufunc__(_ufunc, "__call__", self))
Likeness.__hash__ = object.__hash__  # type: ignore[method-assign, assignment]


def _only_printed() -> bool:
    """Whether the author's expression is ``"..." % value``: text has no gradient to lose."""
    frame = next(author_frames(), None)
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
