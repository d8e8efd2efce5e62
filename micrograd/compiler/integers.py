"""Integer arguments of a captured call: labels, which may be an index and nothing else that depends on their values."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd import primitives as p

__all__ = ["Integers"]


class Integers:
    """Stands for an integer array that every call is given anew.

    It may index a tensor (``x[np.arange(N), labels]``), be cast (``labels.astype(np.float32)``) and compared through that;
    its shape and dtype are known. All else would need its values, and is refused with the line.

    Attributes:
        integers: the array of the call that is captured; only what applies an index may look at it.
        tensor: the leaf that stands for it in the graph.
    """

    __array_ufunc__ = None  # so that an operator between an array and this one asks this one

    def __init__(self, tensor: Any, position: int, recorder: Any) -> None:
        self.tensor, self._position, self._recorder = tensor, position, recorder

    @property
    def integers(self) -> Any:
        """The array."""
        return self.tensor.raw

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.tensor.raw.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.tensor.raw.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many entries."""
        return int(self.tensor.raw.size)

    def __len__(self) -> int:
        return self.shape[0]

    def astype(self, dtype: Any) -> Any:
        """The same numbers as a tensor of floats."""
        if np.dtype(dtype).kind != "f":
            return self
        return p.cast(self.tensor, dtype=np.dtype(dtype).name)

    def stay_below(self, limit: int) -> None:
        """Every call refuses entries that are not below `limit`."""
        self._recorder.stay_below(self._position, limit)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        return self._recorder.refuse(
            "the values of an integer argument",
            "index with it, x[np.arange(len(y)), y], or cast it, y.astype(np.float64)",
        )

    __bool__ = __int__ = __float__ = __index__ = __iter__ = __getitem__ = __array__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __pow__ = __mod__ = __floordiv__ = __neg__ = __invert__ = _refuse
    min = max = sum = mean = tolist = item = copy = argmax = any = all = _refuse

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self._refuse())

    def __hash__(self) -> int:
        return id(self)
