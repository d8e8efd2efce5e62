"""Run a student's code: ``python -m micrograd.marker.process.child``, started by `micrograd.marker.process.runner`.

It reads one request from its standard input and returns reports as lines of JSON on what was its standard output, of
which the last one counts. Before the student's code begins, that way out is put aside, and whatever is printed goes to
the standard error, which the runner collects. `served`, which marks the request, needs no process: where there are
none `micrograd.marker.process.in_process` calls it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

from micrograd.errors import MicrogradError
from micrograd.marker.diagnosis.first_look import finding_of_stop
from micrograd.marker.diagnosis.marking import forward_of, held, mark
from micrograd.marker.inputs.task import Task
from micrograd.marker.messages import place, problem
from micrograd.marker.present import advice
from micrograd.marker.process import limits
from micrograd.marker.process.arguments import task_of
from micrograd.marker.process.limits import SHOWN, TRIALS, Ended, Late, Limits
from micrograd.marker.report import Finding, Report
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.recording import UnloadableError, line_of, load
from micrograd.marker.student.stopping import finding_of_syntax, stop_of
from micrograd.marker.truth.cases import prepare
from micrograd.pytree import call_by_parameter

__all__ = ["main", "served"]


def _note(text: str) -> None:
    sys.stderr.write(f"{text} (passed over)\n")


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


def _told(error: BaseException, file: str, source: str) -> str:
    """Return what ended the student's code, in the student's terms."""
    at = place(file, line_of(error, file))
    if isinstance(error, SyntaxError) and error.filename == file:
        return problem("syntax", at=at, message=error.msg) + advice.hint(error)
    if isinstance(error, Late):
        return problem("time", at=at, seconds=f"{error.seconds:g}")
    for kind, key in ((Ended, "os_exit"), (SystemExit, "exit"), (MemoryError, "memory")):
        if isinstance(error, kind):
            return problem(key, at=at)
    if isinstance(error, EOFError) and "reading a line" in str(error):
        return problem("input", at=at)
    if isinstance(error, UnloadableError):
        return str(error) + advice.hint(error)
    if isinstance(error, MicrogradError):
        return f"{at}: {error}" if line_of(error, file) else str(error)
    words, message = stop_of(error, file, source).words.partition(": ")[::2]
    if len(message) > 160 and advice.hint(error):  # NumPy's goes on for a page
        message = message.partition(". ")[0] + "."
    return problem("exception", at=at, kind=words, message=message or "no message") + advice.hint(error)


def _place(error: BaseException, file: str, source: str) -> tuple[Finding, ...]:
    """Return the place in the file where it could not be run any further, as a finding."""
    if isinstance(error, SyntaxError) and error.filename == file and error.lineno:
        return (finding_of_syntax(error, source),)
    found = finding_of_stop(stop_of(error, file, source))
    return () if found is None else (found,)


def _walk(task: Task) -> str:
    """Return what a walk through the forward shows, as a line of JSON; nothing where the forward cannot be traced."""
    from micrograd.stepper.page_data import encoded, walk_data
    from micrograd.tracing import trace

    module = load(task.source, task.file, (task.forward,), namespace=task.namespace)
    forward = forward_of(task, module)
    try:
        data = walk_data(call_by_parameter(forward, task.probes[0].arguments, through=trace))
    except Exception:  # noqa: BLE001 - then there is a report without a walk
        return ""
    if not data["svg"]:  # no layout engine
        return ""
    return f'{{"walk":{encoded(data)}}}'


def served(
    request: dict[str, Any],
    early: Callable[[Report], object] = lambda _: None,
    part: Callable[[str], object] = lambda _: None,
    lift: Callable[[], object] = lambda: None,
) -> tuple[Report, str]:
    """Return the report on a request and, where it asks for one, the walk as a line of JSON. Nothing is raised.

    Args:
        request: `micrograd.marker.process.runner.Request` as a dictionary.
        early: called with what is known already, so that it is not lost if the search takes too long, or breaks.
        part: as for `task_of`.
        lift: lifts the limits, when the student's code has been run.
    """
    started = time.perf_counter()
    wrong: list[Report] = []

    def known(report: Report) -> None:
        cut = problem("cut", seconds=f"{request['seconds']:g}")
        wrong.append(replace(report, problem=cut, seconds=request["seconds"]))
        early(wrong[-1])

    walk = ""
    try:
        task, module = task_of(request, part, _note)
        part(SHOWN)
        with contextlib.suppress(Exception):  # reported where it is marked
            case = prepare(task, forward_of(task, module), task.probes[0])
            case.call(StudentCode(task.source, module, task.backward, task.file).plain())
        part(TRIALS)
        report = mark(task, module, known)
        with contextlib.suppress(Exception):  # partial credit is no reason to have no report
            report = replace(report, held=held(task))
        if request["walk"]:
            lift()
            walk = _walk(task)
    except BaseException as error:  # noqa: BLE001 - whatever the student's code raises, SystemExit too
        lift()
        report = _failed(error, request)
        if wrong and isinstance(error, Exception):
            lost = problem("lost", kind=type(error).__name__, message=" ".join(str(error).split()) or "no message")
            report = replace(wrong[-1], problem=lost)
        elif wrong:
            return wrong[-1], ""
    return replace(report, source=request["source"], seconds=time.perf_counter() - started), walk


def _failed(error: BaseException, request: dict[str, Any]) -> Report:
    """Return the report on a student's code that could not be run to its end."""
    file, source = request["file"], request["source"]
    give = "".join("\n" + problem("hint.give", name=name) for name in getattr(error, "unknown", [])[:3])
    why = _told(error, file, source) + give
    report = Report("failed", request["forward"], request["backward"], file, source=source, problem=why)
    with contextlib.suppress(Exception):  # the words are enough
        report = replace(report, findings=_place(error, file, source))
    return report


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
        _flush()
        if wrong:
            limits.leave(0)
        line = None
        while frame is not None and line is None:
            line = frame.f_lineno if frame.f_code.co_filename == file else None
            frame = frame.f_back
        seconds = f"{request['seconds']:g}"
        why = problem("time", at=place(file, line), seconds=seconds) if line else problem("slow", seconds=seconds)
        empty = Report("failed", request["forward"], request["backward"], file, source=request["source"])
        way.report(replace(empty, problem=why, seconds=time.perf_counter() - started))
        limits.leave(0)

    bounds = Limits(request["seconds"], request["memory"])
    limits.applied(bounds)
    limits.alarm(bounds.seconds, ring)
    report, walk = served(request, early, _part, limits.lifted)
    if walk:
        way.send(walk)
    _flush()
    way.report(report)
    limits.leave(0)  # threads and exit handlers that the student's code left behind do not matter any more


def _part(sign: str) -> None:
    """Say on the standard error which part of what is printed begins."""
    _flush()
    with contextlib.suppress(OSError):
        os.write(2, sign.encode())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError, RuntimeError):  # closed, replaced, or writing just now
            continue


if __name__ == "__main__":
    main()
