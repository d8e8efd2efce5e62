"""Memory as printed functions see it: a place to count from, without shape, strides or reference count.

Numba spends most of its time on the bookkeeping of array views; a pointer has none, and a kernel of pointers compiles
in a fraction of the time. Where bounds are to be checked (``NUMBA_BOUNDSCHECK=1``), and where the JIT is off, the
same text works on flat slices instead, so that an index beyond the end is found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config, njit, types
from numba.extending import intrinsic

__all__ = ["at", "at_bool", "flat_slice", "flat_slice_bool"]


def flat_slice(x: Any, start: int, length: int) -> Any:
    """Return `length` entries of the memory of `x`, from `start` on."""
    return x.reshape(-1)[start : start + length]


def flat_slice_bool(x: Any, start: int, length: int) -> Any:
    """Return the same of truth values, as 0 and 1."""
    return x.reshape(-1)[start : start + length].view(np.uint8)


@intrinsic
def _pointer(typingctx: Any, x: Any, start: Any, length: Any) -> Any:
    del typingctx, start, length
    kind = types.uint8 if x.dtype == types.boolean else x.dtype

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = args[0]
        if isinstance(signature.args[0], types.Array):
            data = context.make_array(signature.args[0])(context, builder, data).data
            data = builder.bitcast(data, context.get_data_type(kind).as_pointer())
        return builder.gep(data, [args[1]])

    return types.CPointer(kind)(x, types.int64, types.int64), codegen


if config.DISABLE_JIT:
    at, at_bool = flat_slice, flat_slice_bool
elif config.BOUNDSCHECK:
    at, at_bool = njit(flat_slice), njit(flat_slice_bool)
else:
    at = at_bool = _pointer
