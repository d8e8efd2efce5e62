"""Where in the author's own source an operation happens: file, line, columns, text.

The exact sub-expression comes from the running frame: CPython (>= 3.11) keeps for each instruction the
range of source that it was compiled from (PEP 657), ``frame.f_code.co_positions()``.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

from micrograd.source.ownership import MACHINERY, author_files

__all__ = ["Source", "author_frames", "source_of", "user_line"]


@dataclass(frozen=True, slots=True)
class Source:
    """A range of source text: lines are counted from 1, columns from 0, both ends as in `ast`.

    >>> str(Source("bn.py", "forward", 4, 4, 9, 15, "x - mu"))
    'bn.py:4'
    """

    file: str
    function: str
    line: int
    end_line: int
    column: int
    end_column: int
    text: str

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


@lru_cache(maxsize=4096)
def _positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def text_between(file: str, line: int, end_line: int, column: int, end_column: int) -> str:
    """The source text of a range; empty where the source cannot be had. Columns are UTF-8 byte offsets."""
    lines = [linecache.getline(file, number).rstrip("\n").encode() for number in range(line, end_line + 1)]
    if not lines:
        return ""
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    return b"\n".join(lines).decode(errors="replace")


def source_of(frame: FrameType, instruction: int | None = None) -> Source:
    """The sub-expression that `frame` is evaluating now, or was at an instruction that a traceback names."""
    code = frame.f_code
    line, end_line, column, end_column = _positions(code)[(frame.f_lasti if instruction is None else instruction) // 2]
    line = line or frame.f_lineno
    end_line = end_line or line
    column, end_column = column or 0, end_column or 0
    text = text_between(code.co_filename, line, end_line, column, end_column)
    return Source(code.co_filename, code.co_name, line, end_line, column, end_column, text)


def author_frames(
    depth: int = 1, *, until: FrameType | None = None, machinery: tuple[str, ...] = MACHINERY
) -> Iterator[FrameType]:
    """The frames from the innermost outwards that belong to an author rather than to the engine or NumPy.

    Args:
        depth: how many frames to leave out first; 1 is the caller's own.
        until: the frame to stop at, itself left out.
        machinery: files of this package that are no author's, by the start of their path in it; all where empty.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and frame is not until:
        if author_files(frame.f_code.co_filename, machinery):
            yield frame
        frame = frame.f_back


def user_line() -> str:
    """``file.py:12`` of the innermost frame outside this package; empty when there is none."""
    for frame in author_frames(2, machinery=()):
        return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
    return ""
