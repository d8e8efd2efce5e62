"""The seals of `conftest.py` can fail."""

from __future__ import annotations

import numpy as np
from seals import leaks

from micrograd.primitives import TABLE, Primitive


def test_a_clean_test_leaks_nothing() -> None:
    assert leaks(dict(TABLE), dict(np.geterr())) == []


def test_a_changed_table_is_found_and_mended() -> None:
    before = dict(TABLE)
    Primitive("left_behind", array="tanh", vjp=(None,))
    TABLE["mul"], TABLE["add"] = TABLE["add"], TABLE["mul"]
    assert leaks(before, dict(np.geterr())) == ["the table of primitives was changed: add, left_behind, mul"]
    assert dict(TABLE) == before


def test_a_changed_errstate_is_found_and_mended() -> None:
    before = dict(np.geterr())
    np.seterr(over="ignore")
    (leak,) = leaks(dict(TABLE), before)
    assert "np.errstate was left at" in leak
    assert dict(np.geterr()) == before
