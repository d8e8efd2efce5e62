"""Places in the student's text: between the byte columns of `ast`, offsets in the text, and spans of characters."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from micrograd.marker.report import Span

__all__ = ["Text"]


@dataclass(frozen=True, slots=True)
class Text:
    """Source text that knows where its syntax nodes lie.

    >>> text = Text("a = b + c")
    >>> node = ast.parse(text.source).body[0].value
    >>> text.of(node), text.span(node)
    ('b + c', Span(line=1, column=4, end_line=1, end_column=9))
    """

    source: str
    lines: list[str] = field(init=False)
    starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        lines = self.source.splitlines(keepends=True)
        starts, at = [], 0
        for line in lines:
            starts.append(at)
            at += len(line)
        object.__setattr__(self, "lines", lines)
        object.__setattr__(self, "starts", [*starts, at])

    def offset(self, line: int, byte: int) -> int:
        """Return where in the text a line and byte column of `ast` are."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        inside = byte if text.isascii() else len(text.encode()[:byte].decode(errors="ignore"))
        return self.starts[line - 1] + inside

    def range(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Start and end of a node, as offsets in the text."""
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0),
        )

    def of(self, node: ast.stmt | ast.expr) -> str:
        """Return what the student wrote for a node."""
        start, end = self.range(node)
        return self.source[start:end]

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and column, in characters, of an offset."""
        low, high = 0, len(self.starts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.starts[middle] <= offset else (low, middle - 1)
        low = min(low, max(0, len(self.lines) - 1))
        return low + 1, offset - self.starts[low]

    def between(self, start: int, end: int) -> Span:
        """Return the span of a range of offsets."""
        return Span(*self.place(start), *self.place(end))

    def span(self, node: ast.stmt | ast.expr) -> Span:
        """Return the span of a node."""
        return self.between(*self.range(node))

    def whole_lines(self, span: Span) -> str:
        """Return the lines that a span touches, without their common margin."""
        lines = [line.rstrip("\n\r") for line in self.lines[span.line - 1 : span.end_line]]
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return "\n".join(line[margin:] for line in lines)

    def edited(self, start: int, end: int, new: str) -> str:
        """Return the text with a range replaced."""
        return self.source[:start] + new + self.source[end:]
