"""Run a student's code in this process, where a system starts no others: in a browser (Pyodide).

What a process of its own would keep apart is put back afterwards: the streams, the folder, what NumPy does on overflow.
A loop is ended as `limits.deadline` can; the page that runs Python in a worker ends that, and what hangs in it.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from micrograd.marker.process.child import served
from micrograd.marker.process.limits import deadline
from micrograd.marker.report import Report

__all__ = ["served_here"]


class _Printed(io.StringIO):
    """Keep the first characters that are printed, and count the rest."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.more = most, 0

    def write(self, text: str) -> int:
        kept = text[: max(0, self.most - self.tell())]
        self.more += len(text) - len(kept)
        super().write(kept)
        return len(text)

    @property
    def text(self) -> str:
        return self.getvalue() + (f"\n... {self.more} more characters" if self.more else "")


@contextlib.contextmanager
def _kept(printed: _Printed) -> Iterator[None]:
    """Collect what is printed, have nobody type, and work in an empty folder; put all back."""
    typed, path = sys.stdin, [*sys.path]
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        np.errstate(),
        tempfile.TemporaryDirectory(prefix="micrograd-check-") as folder,
        contextlib.chdir(folder),
    ):
        sys.stdin = io.StringIO()
        try:
            yield
        finally:
            sys.stdin, sys.path[:] = typed, path


def served_here(request: dict[str, Any], output: int = 1 << 16) -> tuple[Report, str, str]:
    """Return the report on a request, the walk as a line of JSON, and what was printed.

    Args:
        request: `micrograd.marker.process.runner.Request` as a dictionary.
        output: characters that are kept of what is printed.
    """
    printed = _Printed(output)
    with _kept(printed), deadline(request["file"], request["seconds"]):
        report, walk = served(request, part=printed.write)
    return report, walk, printed.text
