"""Memory as printed functions see it where they run as Python: flat, counted from a place on.

In machine code it is an address. A slice has an end, so that an index beyond it is found.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["at", "at_bool"]


def at(x: Any, start: int, length: int) -> Any:
    """Return `length` entries of the memory of `x`, from `start` on."""
    return x.reshape(-1)[start : start + length]


def at_bool(x: Any, start: int, length: int) -> Any:
    """Return the same of truth values, as 0 and 1."""
    return x.reshape(-1)[start : start + length].view(np.uint8)
