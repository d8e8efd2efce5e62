"""Single numbers are inputs like any other: drawn as arrays of no axes, marked with an upstream gradient that shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micrograd.cli import main
from micrograd.marker.inputs.guessing import make
from micrograd.marker.truth.cases import refreshed

SCALED = """
import numpy as np


def f_forward(x, {name}):
    y = x * {name}
    out = np.where(y > 0, y, 0.1 * y)
    return out


def f_backward(dout, x, {name}):
    y = x * {name}
    dy = {dy}
    dx = dy * {name}
    d{name} = np.sum(dy * x)
    return dx, d{name}
"""
QUOTIENT = """
def f_forward(d, t):
    v = d / t
    out = v**2
    return out


def f_backward(dout, d, t):
    v = d / t
    dv = {dv}
    dd = dv / t
    dt = -dv * v / t
    return dd, dt
"""
RIGHT = "dout * np.where(y > 0, 1, 0.1)"


@pytest.mark.parametrize("name", ["a", "gamma", "scale", "var"])
def test_a_number_among_arrays_is_drawn_as_an_array_of_no_axes(name: str) -> None:
    space: dict[str, Any] = {"np": np}
    exec(f"def f(x, {name}):\n    return x * np.exp({name})\n", space)
    for probe in make(space["f"], {"x": (4, 3), name: ()}):
        for found in (probe, refreshed(probe, 1)):
            assert isinstance(found.arguments[name], np.ndarray)
            assert found.arguments[name].shape == ()


@pytest.mark.parametrize("name", ["a", "gamma"])
def test_a_fix_is_right_for_numbers_too(name: str, tmp_path: Path, capsys: Any) -> None:
    shapes = ["--input", "x=4x3", "--input", f"{name}=scalar"]
    for dy, code in ((RIGHT, 0), ("dout", 1)):
        file = tmp_path / "own.py"
        file.write_text(SCALED.format(name=name, dy=dy), encoding="utf-8")
        assert main(["check", str(file), *shapes]) == code
        said = capsys.readouterr().out
        assert f"d{name}" in said
        assert "not yet" not in said  # of a gradient that is right with the fix


def test_an_upstream_gradient_that_is_left_out_shows_where_the_output_is_a_number(tmp_path: Path, capsys: Any) -> None:
    shapes = ["--input", "d=scalar", "--input", "t=scalar"]
    for forgotten, code in (("e * dout", 0), ("e", 1)):
        file = tmp_path / "own.py"
        text = QUOTIENT.format(dv="2 * v * dout * c")
        text = text.replace("(d, t)", "(d, t, c)").replace("dout, d, t)", "dout, d, t, c)")
        text = text.replace("out = v**2", "e = v**2\n    out = c * e").replace(
            "v = d / t\n    dv", "v = d / t\n    e = v**2\n    dv"
        )
        text = text.replace("return dd, dt", f"dc = {forgotten}\n    return dd, dt, dc")
        file.write_text(text, encoding="utf-8")
        assert main(["check", str(file), *shapes, "--input", "c=scalar"]) == code
    assert "put `* dout` after `e`" in capsys.readouterr().out


SHARE = """
def f_forward(a, b):
    total = a + b
    out = a / total
    return out


def f_backward(dout, a, b):
    total = a + b
    da1 = dout / total
    dtotal = -dout * a / total**2
    da = {da}
    db = dtotal
    return da, db
"""


@pytest.mark.parametrize("da", ["da1", "dtotal"])
def test_a_path_that_is_missing_is_one_where_all_are_numbers(da: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "own.py").write_text(SHARE.format(da=da), encoding="utf-8")
    assert main(["check", str(tmp_path / "own.py"), "--input", "a=scalar", "--input", "b=scalar"]) == 1
    said = capsys.readouterr().out
    assert "A path is missing" in said
    assert "eps" not in said


@pytest.mark.parametrize("there", ["dout > 0", "x > 0", "y < 0"])
def test_a_condition_that_is_not_the_forwards_is_a_mask(there: str, tmp_path: Path, capsys: Any) -> None:
    text = SCALED.format(name="a", dy=f"dout * np.where({there}, 1, 0.1)")
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "own.py"), "--input", "x=4x3", "--input", "a=scalar"]) == 1
    said = capsys.readouterr().out
    assert "The mask is not that of the forward" in said


def test_the_backward_of_a_loss_need_not_read_its_upstream_gradient(tmp_path: Path) -> None:
    text = QUOTIENT.format(dv="2 * v").replace("def f_backward(dout,", "def f_backward(dloss,")
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "own.py"), "--input", "d=scalar", "--input", "t=scalar"]) == 0
    read = text.replace("dd = dv / t", "dd = dloss * dv / t")  # once, but not everywhere
    (tmp_path / "own.py").write_text(read, encoding="utf-8")
    assert main(["check", str(tmp_path / "own.py"), "--input", "d=scalar", "--input", "t=scalar"]) == 1
