"""Stand in an index for whole numbers that change from call to call: labels, and what is computed of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd.numpy_api import composites as c

__all__ = ["IntegerPlaceholder"]


class IntegerPlaceholder:
    """What stands in the index of a gather or scatter for an integer array that every call has anew.

    Args:
        tensor: the node or leaf that stands for it in the graph.
        recorder: of the capture.
    """

    def __init__(self, tensor: Any, recorder: Any) -> None:
        self.tensor, self._recorder = tensor, recorder

    @property
    def integers(self) -> Any:
        """Return the array of the call that is captured: for what applies an index, and for checks of this call."""
        return self.tensor.raw

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

    def __len__(self) -> int:
        return self.shape[0]

    def stay_below(self, limit: int) -> None:
        """Have every call refuse entries that are not classes 0 to `limit` - 1."""
        if not self._recorder.limit(self.tensor, limit, signed=False):
            fit = c.all_of(c.logical_and(self.tensor >= 0, self.tensor < limit))
            self._recorder.known(fit, "computed labels", "pass them as an argument")

    def indexes(self, size: int) -> None:
        """Have every call refuse entries that do not fit an axis of `size` entries; NumPy does so for computed ones."""
        self._recorder.limit(self.tensor, size, signed=True)
