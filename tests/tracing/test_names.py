"""The user's source is read once for all positions, as it is at that moment, each file for itself."""

from __future__ import annotations

import linecache
import os
from pathlib import Path
from types import CodeType

import pytest

from micrograd.source.names import CodePosition, Expression, read

TEXT = """def f(x):
    # step 1: double
    y = x * 2
    return y
"""


def function_of(path: Path, text: str) -> CodeType:
    """Write a file and compile the function in it."""
    path.write_text(text, encoding="utf-8")
    module = compile(text, str(path), "exec")
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def positions_of(code: CodeType) -> list[CodePosition]:
    """Every position of a function that has a range of columns."""
    ranges = enumerate(code.co_positions())
    return [CodePosition(code, 2 * at, line) for at, (line, _, column, _) in ranges if line and column is not None]


def products(expressions: list[Expression]) -> list[Expression]:
    return [expression for expression in expressions if expression.source.text == "x * 2"]


def test_an_expression_its_statement_and_its_step(tmp_path: Path) -> None:
    code = function_of(tmp_path / "a.py", TEXT)
    (product, *_) = products(read(positions_of(code)))
    assert str(product.source) == "a.py:3"
    assert product.source.function == "f"
    assert product.context is not None
    assert (product.context.target, product.context.whole, product.context.line) == ("y", True, 3)
    assert product.step == (str(tmp_path / "a.py"), 2, "step 1: double")


def test_equal_functions_of_two_files_are_told_apart(tmp_path: Path) -> None:
    first, second = (function_of(tmp_path / name, TEXT) for name in ("a.py", "b.py"))
    assert first == second  # Python compares all of a code but its file
    found = products(read([*positions_of(first), *positions_of(second)]))
    assert {os.path.basename(e.source.file) for e in found} == {"a.py", "b.py"}
    assert {os.path.basename(e.step[0]) for e in found if e.step} == {"a.py", "b.py"}


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    read(positions_of(function_of(tmp_path / "a.py", TEXT)))
    changed = TEXT.replace("y", "double").replace("step 1: double", "step 2: the same")
    (product, *_) = products(read(positions_of(function_of(tmp_path / "a.py", changed))))
    assert product.context is not None
    assert product.context.target == "double"
    assert product.step == (str(tmp_path / "a.py"), 2, "step 2: the same")


def test_a_file_is_looked_at_once_for_all_positions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str | None] = []
    monkeypatch.setattr(linecache, "checkcache", looked.append)
    files = [tmp_path / name for name in ("a.py", "b.py")]
    positions = [position for path in files for position in positions_of(function_of(path, TEXT))]
    assert len(read(positions)) == len(positions) > 4
    assert looked == [str(path) for path in files]


def test_without_a_file_there_is_no_statement(tmp_path: Path) -> None:
    code = function_of(tmp_path / "a.py", TEXT)
    (tmp_path / "a.py").unlink()
    assert {(e.source.text, e.context, e.step) for e in read(positions_of(code))} == {("", None, None)}


def test_a_file_that_does_not_parse_has_steps_all_the_same(tmp_path: Path) -> None:
    code = function_of(tmp_path / "a.py", TEXT)
    (tmp_path / "a.py").write_text(TEXT + "def broken(\n    )= 1\n", encoding="utf-8")
    (product, *_) = products(read(positions_of(code)))
    assert product.context is None
    assert product.step == (str(tmp_path / "a.py"), 2, "step 1: double")
