"""Comparing with another implementation: within a number of units of roundoff of the terms that were summed."""

from __future__ import annotations

from typing import Any

import numpy as np


def assert_within(ours: Any, theirs: Any, terms: Any, units: float, what: str = "") -> None:
    """|ours - theirs| <= units * u * terms, entry by entry, with u the unit roundoff of the dtype of `ours`.

    `terms` is the size of what was added up to make the entry (for a product of matrices ``|a| @ |b|``), never
    the result, which may have cancelled.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shapes {ours.shape} and {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: dtypes {ours.dtype} and {theirs.dtype}"
    assert np.isfinite(ours).all(), f"{what}: not finite"
    u = float(np.finfo(ours.dtype).eps) / 2
    apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    bound = np.broadcast_to(units * u * np.asarray(terms, np.float64), apart.shape)
    if not (apart <= bound).all():
        with np.errstate(all="ignore"):
            excess = np.where(apart <= bound, 0.0, apart / bound)
        at = np.unravel_index(int(np.argmax(excess)), excess.shape)
        raise AssertionError(
            f"{what} at {tuple(map(int, at))}: ours {ours[at]!r}, theirs {theirs[at]!r}, "
            f"apart {apart[at]:.3g}, allowed {bound[at]:.3g} ({units:g} u)"
        )
