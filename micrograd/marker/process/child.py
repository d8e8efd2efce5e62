"""Run a student's code: ``python -m micrograd.marker.process.child``, started by `micrograd.marker.process.runner`.

It reads one request from its standard input and returns reports as lines of JSON on what was its standard output, of
which the last one counts. Before the student's code begins, that way out is put aside, and whatever is printed goes to
the standard error, which the runner collects.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import replace
from types import FrameType

from micrograd.marker.messages import problem
from micrograd.marker.process import limits
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.serving import flush, place_of, served
from micrograd.marker.report import Report

__all__ = ["main"]


class Way:
    """The way back to the runner."""

    def __init__(self) -> None:
        """Put the standard output aside; nobody is there to type on the standard input."""
        self._file = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115

    def report(self, report: Report) -> None:
        """Send one report."""
        self.send(report.to_json())

    def send(self, line: str) -> None:
        """Send one line."""
        data = (line + "\n").encode("utf-8", "replace")
        while data:
            data = data[os.write(self._file, data) :]


def main() -> None:
    """Serve one request."""
    request = json.loads(sys.stdin.buffer.read())
    way = Way()
    started = time.perf_counter()
    file = request["file"]
    wrong: list[Report] = []

    def early(report: Report) -> None:
        wrong.append(report)
        way.report(report)

    def ring(frame: FrameType | None) -> None:
        flush()
        if wrong:
            limits.leave(0)
        line = None
        while frame is not None and line is None:
            line = frame.f_lineno if frame.f_code.co_filename == file else None
            frame = frame.f_back
        seconds = f"{request['seconds']:g}"
        why = problem("time", at=place_of(file, line), seconds=seconds) if line else problem("slow", seconds=seconds)
        empty = Report("failed", request["forward"], request["backward"], file, source=request["source"])
        way.report(replace(empty, problem=why, seconds=time.perf_counter() - started))
        limits.leave(0)

    bounds = Limits(request["seconds"], request["memory"])
    limits.applied(bounds)
    limits.alarm(bounds.seconds, ring)
    report, walk = served(request, early, _part, limits.lifted)
    if walk:
        way.send(walk)
    flush()
    way.report(report)
    limits.leave(0)  # threads and exit handlers that the student's code left behind do not matter any more


def _part(sign: str) -> None:
    """Say on the standard error which part of what is printed begins."""
    flush()
    with contextlib.suppress(OSError):
        os.write(2, sign.encode())


if __name__ == "__main__":
    main()
