"""Memory that a compiled function has not written yet, filled so that reading it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["FILLS"]


def _nan(array: Any) -> None:
    if array.dtype.kind == "f":
        array.fill(np.nan)
    elif array.dtype.kind in "iu":
        array.fill(np.iinfo(array.dtype).max)
    else:
        array.fill(True)


def _pattern(array: Any) -> None:
    array.view(np.uint8).fill(0x5A)


def _maker(fill: Callable[[Any], None]) -> Callable[..., Any]:
    def unset(shape: Any, dtype: Any) -> Any:
        made = np.empty(shape, dtype)
        fill(made.reshape(-1))
        return made

    return unset


FILLS = {"nan": _maker(_nan), "pattern": _maker(_pattern)}
"""What may stand in for `micrograd.compiler.backends.memory.unset`, by name. The pattern is about 1e16, 1e128 or 90."""
