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

__all__ = ["Source", "author_files", "author_frames", "home", "source_of", "user_line"]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
# Files whose frames are machinery. What is composed of primitives (batchnorm.py, the layers of nn/) is an author's.
_MACHINERY = (
    *("engine.py", "operators.py", "arraylike.py", "composites.py", "numpy_api.py", "primitives.py", "ingest.py"),
    *("arrangements.py", "contractions.py", "functional.py", "transforms.py", "source.py", "names.py", "anomaly.py"),
    *("modes.py", f"compiler{os.sep}", f"graph{os.sep}", f"nn{os.sep}module.py"),
)


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


@lru_cache(maxsize=1024)
def author_files(file: str, machinery: tuple[str, ...] = _MACHINERY) -> bool:
    """Whether a file is an author's: neither machinery of this package nor NumPy."""
    inside = file.startswith(_PACKAGE) and (not machinery or file[len(_PACKAGE) :].startswith(machinery))
    return not inside and f"{os.sep}numpy{os.sep}" not in file


def author_frames(
    depth: int = 1, *, until: FrameType | None = None, machinery: tuple[str, ...] = _MACHINERY
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


@lru_cache(maxsize=1024)
def home(file: str) -> str:
    """Whose a file is: ``author`` outside this package, ``composed`` of primitives in it, else empty (machinery)."""
    if f"{os.sep}numpy{os.sep}" in file:
        return ""
    if not file.startswith(_PACKAGE):
        return "author"
    return "" if file[len(_PACKAGE) :].startswith(_MACHINERY) else "composed"


def user_line() -> str:
    """``file.py:12`` of the innermost frame outside this package; empty when there is none."""
    for frame in author_frames(2, machinery=()):
        return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
    return ""
