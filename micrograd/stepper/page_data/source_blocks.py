"""Collect the user's functions that nodes come from, and locate nodes in them."""

from __future__ import annotations

import linecache
import os
from collections.abc import Sequence

from micrograd.graph import Node
from micrograd.source.names import Source, function_lines, function_name
from micrograd.stepper.walk_types import SourceBlock, SourceRange

__all__ = ["SourceBlocks"]

_LINES = 200  # of a function that are shown whole


class SourceBlocks:
    """Hold the user's functions that nodes come from, each once.

    Attributes:
        blocks: the functions; of a long one the part around its nodes.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.blocks: list[SourceBlock] = []
        self._numbers: dict[tuple[str, int, int], int] = {}
        lines_of: dict[tuple[str, int, int], list[int]] = {}
        for node in nodes:
            if node.source is not None and linecache.getline(node.source.file, node.source.line):
                lines_of.setdefault(_span(node.source), []).append(node.source.line)
        for span, lines in lines_of.items():
            file, first, last = span
            if last - first >= _LINES:
                first, last = max(first, min(lines) - 2), min(last, max(lines) + 2)
            text = [linecache.getline(file, number).rstrip("\r\n") for number in range(first, last + 1)]
            name = function_name(file, lines[0])  # the code object of a comprehension has no name that users know
            self._numbers[span] = len(self.blocks)
            self.blocks.append({"name": name, "file": os.path.basename(file), "first": first, "lines": text})

    def range(self, source: Source | None) -> SourceRange | None:
        """Locate an expression in the blocks; None where its source is not known."""
        if source is None or (block := self._numbers.get(_span(source))) is None:
            return None
        return {
            "block": block,
            "line": source.line,
            "column": _utf16_column(source.file, source.line, source.column),
            "endLine": source.end_line,
            "endColumn": _utf16_column(source.file, source.end_line, source.end_column),
        }


def _span(source: Source) -> tuple[str, int, int]:
    """Return the file and the first and last line of the function around an expression."""
    return (source.file, *function_lines(source.file, source.line))


def _utf16_column(file: str, line: int, column: int) -> int:
    """Convert a column from bytes of UTF-8, which Python counts, to UTF-16 units, which JavaScript counts."""
    head = linecache.getline(file, line).encode("utf-8", "surrogatepass")[:column]
    return len(head.decode("utf-8", "replace").encode("utf-16-le", "surrogatepass")) // 2
