"""Places in a student's text are those that Python reports, however its lines end."""

from __future__ import annotations

import ast

import pytest

from micrograd.marker.report import Span
from micrograd.marker.student.statements import Text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\x0c", "  # \x1c\u2028 é\n"])
def test_a_statement_is_found_however_lines_end(end: str) -> None:
    """A form feed, or a separator in a remark, begins no line for Python."""
    text = Text(end.join(["a = 1", "b = a + 2", "c = b * 3", ""]))
    found = ast.parse(text.source).body
    assert [text.of(node) for node in found] == ["a = 1", "b = a + 2", "c = b * 3"]
    assert [text.ends(text.span(node)) for node in found] == [text.range(node) for node in found]


def test_lines_are_shown_without_their_margin() -> None:
    text = Text("def f(x):\n    y = (x +\n         1)\n\n    return y\n")
    assert text.whole_lines(Span(2, 8, 3, 11)) == "y = (x +\n     1)"
    assert text.whole_lines(Span(5, 4, 5, 12)) == "return y"
    assert text.place(len(text.source)) == (5, 13)
    assert Text("").place(0) == (1, 0)
