"""Seals that fail a test which leaves the world changed."""

from __future__ import annotations

import numpy as np

from micrograd.primitives import TABLE


def leaks(table_before: dict[str, object], errors_before: dict[str, str]) -> list[str]:
    """What a test left behind, in words; puts it right, so that one leak fails one test."""
    found = []
    if dict(TABLE) != table_before:
        changed = sorted(name for name in {*TABLE, *table_before} if TABLE.get(name) is not table_before.get(name))
        found.append(f"the table of primitives was changed: {', '.join(changed)}")
        TABLE.clear()
        TABLE.update(table_before)  # type: ignore[arg-type]
    if np.geterr() != errors_before:
        found.append(f"np.errstate was left at {np.geterr()}")
        np.seterr(**errors_before)  # type: ignore[arg-type]
    return found
