"""Every row of the table, under every law."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from micrograd.errors import GraphError
from micrograd.export.onnx.compositions import COMPOSITIONS
from micrograd.primitives import TABLE, Primitive
from micrograd.testing import LAWS, cases_of, check_primitive
from micrograd.testing.laws import hold

ROWS = [row for row in TABLE.values() if row.name not in ("eigh", "svd", "qr")]
# Vectors may be turned over from one matrix to the next: `tests/numpy_api/test_linalg.py` tests those three by parts
# that do not depend on it.


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_obeys_every_law(row: Primitive) -> None:
    assert check_primitive(row) == len(LAWS) * len(cases_of(row)) >= 2 * len(LAWS)


# the second order costs a hundred evaluations a case; on random numbers the rest says as much
QUICK = [law for law in LAWS if law.__name__ not in ("the_second_order_is_right", "empty_arrays_pass", "layouts_agree")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=6)
@given(seed=st.integers(1, 2**31), data=st.data())
def test_rows_obey_the_laws_on_any_numbers(row: Primitive, seed: int, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(cases_of(row, seed)))
    for law in QUICK:
        hold(law, row, case)


def test_there_are_about_thirty_laws_and_each_says_what_it_asks() -> None:
    assert len(LAWS) >= 25
    assert len({law.__name__ for law in LAWS}) == len(LAWS)
    assert all(law.__doc__ and law.__doc__.endswith(".") for law in LAWS)


def test_a_row_with_nothing_to_check_it_with_is_no_pass() -> None:
    with pytest.raises(GraphError, match=r"nothing to check tanh with: pass cases="):
        check_primitive(TABLE["tanh"], [])


def test_onnx_has_a_name_for_all_but_these() -> None:
    calls = {row.name for row in ROWS if row.kind == "call"} - {"det"}  # LAPACK's, of which ONNX has the determinant
    composed = {*COMPOSITIONS} - {"isinf"}  # which is composed for float16 alone
    assert {row.name for row in ROWS if not row.onnx} == {"not_equal", *composed, *calls}  # ONNX writes Not(Equal)
