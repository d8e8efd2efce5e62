"""Sizes that a layer is built with."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Pair", "pair", "whole"]

Pair = int | tuple[int, int]
"""One number for height and width, or one for each."""


def _counts(value: Any, lowest: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, (int, np.integer)) and int(value) >= lowest


def whole(name: str, value: Any) -> int:
    """`value`, if it is a whole number of at least 1.

    Raises:
        ValueError: it is not.

    >>> whole("outputs", 3)
    3
    """
    if not _counts(value, 1):
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least 1.")
    return int(value)


def pair(name: str, value: Any, lowest: int) -> tuple[int, int]:
    """`value` for height and width.

    Raises:
        ValueError: not one or two whole numbers of at least `lowest`.

    >>> pair("kernel", 3, 1)
    (3, 3)
    """
    both = value if isinstance(value, tuple) else (value, value)
    if len(both) != 2 or not all(_counts(v, lowest) for v in both):
        raise ValueError(
            f"{name} is {value!r}; expected a whole number of at least {lowest}, or two for height, width."
        )
    return int(both[0]), int(both[1])
