"""Stand for the integer arguments of a captured call: labels and other indices, which change from call to call."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd import primitives as p

__all__ = ["IntegerPlaceholder"]


class IntegerPlaceholder:
    """What stands for an integer array that every call is given anew.

    Its shape and dtype are known. It may index a tensor (``x[np.arange(N), labels]``), stand beside one in arithmetic
    and comparisons, and be cast (``labels.astype(np.float32)``). All else would need its values, and is refused.

    Args:
        tensor: the leaf that stands for it in the graph.
        name: of the argument.
        position: of the argument among the leaves of all.
        recorder: of the capture.
    """

    def __init__(self, tensor: Any, name: str, position: int, recorder: Any) -> None:
        self.tensor = tensor
        self._name, self._position, self._recorder = name, position, recorder

    @property
    def integers(self) -> Any:
        """Return the array of the call that is captured: for what applies an index, and for checks of this call."""
        return self.tensor.raw

    @property
    def node(self) -> Any:
        """Return what stands for it among the operands of an operation (see `micrograd.engine.record`)."""
        return self.tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape."""
        return self.tensor.raw.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype."""
        return self.tensor.raw.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Count the axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Count the entries."""
        return int(self.tensor.raw.size)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an integer without axes (shape ())")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<integers {self._name}: {self.dtype}{list(self.shape)}>"

    def astype(self, dtype: Any) -> Any:
        """Return the same numbers as a tensor of floats; itself for its own dtype."""
        if np.dtype(dtype) == self.dtype:
            return self
        if np.dtype(dtype).kind != "f":
            self._refuse()
        return p.cast(self.tensor, dtype=np.dtype(dtype).name).detach()  # no gradient flows to an integer

    def stay_below(self, limit: int) -> None:
        """Have every call refuse entries that are not classes 0 to `limit` - 1."""
        self._recorder.limit(self._position, limit, signed=False)

    def indexes(self, size: int) -> None:
        """Have every call refuse entries that do not fit an axis of `size` entries."""
        self._recorder.limit(self._position, size, signed=True)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        return self._recorder.refuse(
            f"the values of the integer argument {self._name}",
            f"index a tensor with it, x[np.arange(N), {self._name}], or cast it, {self._name}.astype(np.float64)",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        return self._refuse()

    def _beside(self, other: Any) -> Any:
        """Let a tensor on the other side do the arithmetic; everything else would compute whole numbers."""
        return NotImplemented if hasattr(other, "__primitive__") else self._refuse()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        for other in inputs:
            if hasattr(other, "__primitive__"):
                return other.__array_ufunc__(ufunc, method, *inputs, **kwargs)
        return self._refuse()

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in (np.shape, np.ndim, np.size) and args == (self,) and not kwargs:
            return {np.shape: self.shape, np.ndim: self.ndim, np.size: self.size}[function]
        for other in args:
            if hasattr(other, "__primitive__"):
                return other.__array_function__(function, types, args, kwargs)
        return self._refuse()

    __bool__ = __int__ = __float__ = __index__ = __iter__ = __getitem__ = __array__ = __format__ = _refuse
    __neg__ = __invert__ = __contains__ = __setitem__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _beside
    __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _beside
    __lt__ = __le__ = __gt__ = __ge__ = _beside
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = __abs__ = _refuse
    min = max = sum = mean = tolist = item = copy = argmax = argmin = any = all = reshape = ravel = flatten = _refuse

    def __eq__(self, other: object) -> Any:
        return self._beside(other)

    def __ne__(self, other: object) -> Any:
        return self._beside(other)

    def __hash__(self) -> int:
        return id(self)
