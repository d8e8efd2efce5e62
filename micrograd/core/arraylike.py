"""Make a tensor behave like an array: operators, methods, NumPy's protocols, refusals.

The class needs only the value (`raw`) and ``__primitive__``, which applies a row of the table; the graph is none of
its business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from micrograd import primitives as p
from micrograd.core import validation
from micrograd.display import Labelled
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.modes import capturing, current
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.functions import METHODS, PROTOCOLS, call_function, call_ufunc, no_length, reduced
from micrograd.source.names import user_line

__all__ = ["ArrayLike"]

_not = c.bitwise(c.logical_not)


class ArrayLike(Labelled):
    """The operators and methods of an array, composed of primitives."""

    __slots__ = ()

    if TYPE_CHECKING:
        raw: Any
        row: p.Primitive | None
        grad: Any

        @property
        def operands(self) -> tuple[Any, ...]: ...  # noqa: D102
        @property
        def args(self) -> tuple[Any, ...]: ...  # noqa: D102

        def __init__(self, data: Any) -> None: ...

    @property
    def data(self) -> Any:
        """Return the value: a Python float, or the array, read-only. Assigning replaces the value of a leaf."""
        if (capture := capturing()) is not None:
            return capture.asked(self, "data")
        return validation.frozen(self.raw)

    @data.setter
    def data(self, value: Any) -> None:
        if self.row is not None:
            raise GraphError(f"this tensor is computed by {self.row.name}; only leaves can be assigned.")
        if (capture := capturing()) is not None:
            capture.assign(self, value)
            return
        value = validation.leaf(value)
        if np.shape(value) != self.shape:
            raise ShapeError(f"cannot assign shape {np.shape(value)} to a tensor of shape {self.shape}")
        self.raw = value

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape; () for a number."""
        raw = self.raw
        return () if type(raw) is float else raw.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype; float64 for a Python number."""
        return self.raw.dtype if type(self.raw) is not float else np.dtype(np.float64)

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Return the number of entries."""
        return int(np.size(self.raw))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return call_function(function, args, kwargs)

    def item(self) -> float:
        """Return the value of a one-entry tensor as a Python float."""
        if (capture := capturing()) is not None:
            return float(capture.asked(self, "item"))
        return float(self.raw if type(self.raw) is float else self.raw.item())

    def tolist(self) -> Any:
        """Return the values as nested lists of Python floats."""
        if (capture := capturing()) is not None:
            return capture.asked(self, "tolist")
        return self.raw if type(self.raw) is float else self.raw.tolist()

    def __repr__(self) -> str:
        if type(self.raw) is float:
            return f"Value(data={self.raw}, grad={self.grad})"
        made = f", {self.row.name}" if self.row else ""
        return f"Tensor({np.array2string(self.raw, threshold=20, prefix='Tensor(')}, dtype={self.dtype}{made})"

    def _repr_svg_(self) -> str | None:
        if self.row is None:
            return None  # a leaf is its numbers
        return super()._repr_svg_()

    def __bool__(self) -> bool:
        if (capture := capturing()) is not None:
            return bool(capture.asked(self, "bool"))
        if self.size != 1:
            raise GraphError(
                f"the truth value of a {self.shape} tensor is ambiguous; use np.any(t.data) or np.all(t.data)."
            )
        return bool(self.raw)

    def __float__(self) -> float:
        if (capture := capturing()) is not None:
            return float(capture.asked(self, "float"))
        if (mode := current()) is not None and mode.sealed:
            raise GraphError(
                f"float(tensor) inside mg.trace (line {user_line()}) drops the gradient; so does storing it in a plain "
                "array. Keep the tensor, and join tensors with np.stack."
            )
        return self.item()

    def __int__(self) -> int:
        if (capture := capturing()) is not None:
            return int(capture.asked(self, "int"))
        return int(self.item())

    def __format__(self, spec: str) -> str:
        if (capture := capturing()) is not None:
            capture.asked(self, "format")
        return format(self.item(), spec) if spec else repr(self)

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError(no_length())
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if (capture := capturing()) is not None:
            return np.array(capture.asked(self, "array"), dtype)
        raise GraphError(
            "turning a tensor into a plain array would lose its gradient silently; "
            "use t.data for the values, np.stack([...]) to join tensors."
        )

    def __setitem__(self, index: Any, value: Any) -> None:
        made = f" (made by {self.row.name})" if self.row else ""
        raise GraphError(f"assignment destination is read-only: this tensor{made} is a value of the graph. "
                         "Build a new one, with np.where or np.concatenate.")  # fmt: skip

    def __add__(self, other: Any) -> Any:
        return p.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return p.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return p.sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        return p.sub(other, self)

    def __mul__(self, other: Any) -> Any:
        return p.mul(self, other)

    def __rmul__(self, other: Any) -> Any:
        return p.mul(other, self)

    def __truediv__(self, other: Any) -> Any:
        return c.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return c.divide(other, self)

    def __pow__(self, exponent: Any) -> Any:
        return c.power(self, exponent)

    def __rpow__(self, base: Any) -> Any:
        return c.power(base, self)

    def __neg__(self) -> Any:
        return p.neg(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return p.abs(self)

    # Tensors are keys of dicts throughout the engine, so equality is identity (use np.equal). Where a function of
    # arrays runs on tensors (traced, differentiated, captured), `==` means what it means for arrays.

    def __eq__(self, other: object) -> Any:
        return p.equal(self, other) if (mode := current()) is not None and mode.sealed else NotImplemented

    def __ne__(self, other: object) -> Any:
        return p.not_equal(self, other) if (mode := current()) is not None and mode.sealed else NotImplemented

    __hash__ = object.__hash__

    def __invert__(self) -> Any:
        return _not(self)

    def __getitem__(self, index: Any) -> Any:
        return c.getitem(self, index)

    @property
    def T(self) -> Any:
        """Return the tensor with its axes reversed."""
        return c.transpose(self)

    @property
    def mT(self) -> Any:
        """Return the tensor with its last two axes exchanged."""
        return c.swapaxes(self, -1, -2)

    def sum(self, axis: c.Axis = None, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.sum`."""
        if more:
            return reduced(c.sum, np.sum, self, axis, keepdims=keepdims, **more)
        return c.sum(self, axis, keepdims=keepdims)

    def mean(self, axis: c.Axis = None, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.mean`; ``sum / N``."""
        return reduced(c.mean, np.mean, self, axis, keepdims=keepdims, **more)

    def var(self, axis: c.Axis = None, ddof: int = 0, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.var`; composed, two-pass."""
        return reduced(c.var, np.var, self, axis, ddof=ddof, keepdims=keepdims, **more)

    def std(self, axis: c.Axis = None, ddof: int = 0, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.std`."""
        return reduced(c.std, np.std, self, axis, ddof=ddof, keepdims=keepdims, **more)

    def max(self, axis: c.Axis = None, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.max`; ties share the gradient."""
        return reduced(c.amax, np.max, self, axis, keepdims=keepdims, **more)

    def min(self, axis: c.Axis = None, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.min`."""
        return reduced(c.amin, np.min, self, axis, keepdims=keepdims, **more)

    def any(self, axis: c.Axis = None, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.any`."""
        return reduced(c.any_of, np.any, self, axis, keepdims=keepdims, **more)

    def all(self, axis: c.Axis = None, keepdims: bool = False, **more: Any) -> Any:
        """See `numpy.all`."""
        return reduced(c.all_of, np.all, self, axis, keepdims=keepdims, **more)

    def clip(self, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Any:  # noqa: A002
        """See `numpy.clip`."""
        return c.clip(self, min if low is None else low, max if high is None else high)

    def dot(self, other: Any) -> Any:
        """See `numpy.dot`."""
        return c.dot(self, other)

    def reshape(self, *shape: Any) -> Any:
        """See `numpy.reshape`; the shape as a tuple or as arguments."""
        return c.reshape(self, shape[0] if len(shape) == 1 else shape)

    def ravel(self) -> Any:
        """Return all entries in one axis, in C order."""
        return c.reshape(self, -1)

    flatten = ravel

    def transpose(self, *axes: Any) -> Any:
        """See `numpy.transpose`; the order as a tuple or as arguments."""
        return c.transpose(self, None if not axes else axes[0] if len(axes) == 1 else axes)

    def squeeze(self, axis: c.Axis = None) -> Any:
        """See `numpy.squeeze`."""
        return c.squeeze(self, axis)

    def swapaxes(self, a: int, b: int) -> Any:
        """See `numpy.swapaxes`."""
        return c.swapaxes(self, a, b)

    def astype(self, dtype: Any) -> Any:
        """Return the values in another float dtype; the gradient comes back in this one. Masks become any numbers."""
        name = np.dtype(dtype).name
        if np.dtype(dtype).kind != "f" and not (np.dtype(dtype).kind in "biu" and self.dtype.kind in "biu"):
            raise DTypeError(f"astype({name}) would lose the gradient; use .data.astype({name}) for plain values.")
        return p.cast(self, dtype=name)

    def copy(self) -> Any:
        """Return the tensor itself: its values cannot change, so it needs no copy."""
        return self

    def exp(self) -> Any:
        """Return the exponential of each entry."""
        return p.exp(self)

    def log(self) -> Any:
        """Return the natural logarithm of each entry."""
        return p.log(self)

    def sqrt(self) -> Any:
        """Return the square root of each entry; its slope is infinite at 0."""
        return p.sqrt(self)

    def tanh(self) -> Any:
        """Return the hyperbolic tangent of each entry."""
        return p.tanh(self)

    def relu(self) -> Any:
        """Return ``maximum(x, 0)``, with slope 0 at 0."""
        return c.maximum(self, 0.0)


for _name, _function in {
    "mod": p.remainder, "floordiv": p.floor_divide, "divmod": c.divided, "and": c.bitwise(c.logical_and),
    "or": c.bitwise(c.logical_or), "xor": c.bitwise(c.logical_xor), "matmul": c.matmul,
}.items():  # fmt: skip
    setattr(ArrayLike, f"__{_name}__", lambda self, other, _function=_function: _function(self, other))
    setattr(ArrayLike, f"__r{_name}__", lambda self, other, _function=_function: _function(other, self))


for _name, _function in {"gt": p.greater, "ge": p.greater_equal, "lt": p.less, "le": p.less_equal}.items():
    setattr(ArrayLike, f"__{_name}__", lambda self, other, _function=_function: _function(self, other))


for _name, _function in {**METHODS, **PROTOCOLS}.items():
    setattr(ArrayLike, _name, _function)
