"""What is written through another name is not missing."""

from __future__ import annotations

import ast

import pytest

from micrograd.marker.student.unfinished import gaps_of


@pytest.mark.parametrize("gradient", ["dw", "self.dw", "grads['w']"])
def test_zeros_that_are_filled_through_another_name_are_written(gradient: str) -> None:
    filled = f"def f(self, dout):\n    {gradient} = np.zeros_like(w)\n    d = {gradient}\n    d[:] = dout\n    return {gradient}"
    empty = filled.replace("    d[:] = dout\n", "").replace(f"    d = {gradient}\n", "")
    (written,), (missing,) = ast.parse(filled).body, ast.parse(empty).body
    assert isinstance(written, ast.FunctionDef)
    assert isinstance(missing, ast.FunctionDef)
    assert gaps_of(written) == []
    assert [gap.name for gap in gaps_of(missing)] == [gradient]
