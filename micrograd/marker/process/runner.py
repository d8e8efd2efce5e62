"""Run a student's code in a process of its own, with a limit of time and of memory, and return the report.

An endless loop, a memory hog, `exit()`, a crash or a flood of output ends up in the report and breaks nothing here.
This is no sandbox: the code runs with the rights of whoever calls it, and code that means harm can do harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import micrograd.errors
from micrograd.errors import GraphError
from micrograd.marker.messages import place, problem
from micrograd.marker.process.limits import SHOWN, TRIALS, Limits
from micrograd.marker.process.packing import packed
from micrograd.marker.report import Report

__all__ = ["Request", "run", "run_and_walk"]

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV")
_ROOT = str(Path(micrograd.errors.__file__).parent.parent)
_GRACE = 3.0  # seconds for Python to start, and for the alarm inside to be answered
_ANSWER = 16 << 20  # bytes of an answer; a report has some ten thousand


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be marked.

    Attributes:
        source: the text of the student's file.
        file: its path; need not exist.
        forward, backward: names of functions in it, or ``Class.method``; the same one twice for a loss.
        kind: of the pair: ``function``, ``loss`` or ``layer``.
        example: arguments of the forward: by parameter or in order; what is left out is made up by its name.
        upstream: the gradient of the output, or a tuple of them; made up where None.
        reference: a function of this project to compare the forward with, or nothing.
        namespace: names that the text needs and does not define.
        seed: of what is made up.
    """

    source: str
    file: str
    forward: str
    backward: str
    kind: str = "function"
    example: Any = ()
    upstream: Any = None
    reference: str = ""
    namespace: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def to_json(self, limits: Limits, walk: bool) -> str:
        """Return the request as the child process reads it. Raises DTypeError for arguments that cannot be sent."""
        return json.dumps({
            "source": self.source, "file": self.file, "forward": self.forward, "backward": self.backward,
            "kind": self.kind, "example": packed(self.example, self.forward), "seed": self.seed,
            "upstream": packed(self.upstream, "upstream"), "reference": self.reference,
            "namespace": packed(dict(self.namespace), "namespace"), "seconds": limits.seconds, "memory": limits.memory,
            "walk": walk,
        })  # fmt: skip


def _environment() -> dict[str, str]:
    """Return the environment of the child.

    No secrets of the caller's, one thread, no bytecode beside the student's file.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = [_ROOT, *(entry for entry in sys.path if entry and os.path.isdir(entry))]
    return kept | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0", "PYTHONBREAKPOINT": "0", "PYTHONFAULTHANDLER": "1", "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    }  # fmt: skip


class _Reader(threading.Thread):
    """Reads a pipe to its end, keeps the first bytes and counts the rest."""

    def __init__(self, pipe: IO[bytes], limit: int) -> None:
        super().__init__(daemon=True)
        self.pipe, self.limit = pipe, limit
        self.kept, self.seen = bytearray(), 0
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self.pipe.fileno(), 1 << 16):
                self.seen += len(data)
                self.kept += data[: self.limit - len(self.kept)]

    @property
    def text(self) -> str:
        text = self.kept.decode("utf-8", "replace")
        return text + (f"\n... {self.seen - self.limit} more bytes" if self.seen > self.limit else "")


def run(request: Request, limits: Limits | None = None) -> Report:
    r"""Mark a student's code in a process of its own; in a browser, which starts no processes, in this one.

    Args:
        request: what is to be marked.
        limits: of time, memory and output.

    Returns:
        The report, with verdict ``failed`` and the reason as `problem` where the code could not be marked.

    Raises:
        DTypeError: an argument that cannot be sent to another process.
        GraphError: no process can be started.

    >>> run(Request("def f(x)\n    return x", "a.py", "f", "g")).problem
    "a.py:1: syntax error: expected ':'"
    """
    return run_and_walk(request, limits, walk=False)[0]


def run_and_walk(
    request: Request, limits: Limits | None = None, *, walk: bool = True
) -> tuple[Report, dict[str, Any] | None]:
    """Return the report, and the data of a walk through the forward; None where it cannot be had."""
    limits = limits or Limits()
    started = time.perf_counter()
    data = request.to_json(limits, walk).encode()
    if sys.platform == "emscripten":
        from micrograd.marker.process.in_process import served_here

        report, line, said = served_here(json.loads(data), limits.output)
        return replace(report, printed=_clean(said)), _walk(f"{line}\n") if walk else None
    failed = Report("failed", request.forward, request.backward, request.file, source=request.source)
    with tempfile.TemporaryDirectory(prefix="micrograd-check-", ignore_cleanup_errors=True) as folder:
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "micrograd.marker.process.child"], cwd=folder, env=_environment(),
                bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise GraphError(
                f"check runs code in a process of its own, and none can be started here: {error}."
            ) from None
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        answer, printed = _Reader(process.stdout, _ANSWER), _Reader(process.stderr, limits.output)
        late = False
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(data)
                process.stdin.close()
            process.wait(limits.seconds + _GRACE)
        except subprocess.TimeoutExpired:
            late = True
        finally:  # after Ctrl-C too
            _end(process)
        for reader in (answer, printed):
            reader.join(1.0)  # a process that fled the group may hold a pipe open
        process.stdout.close()
        process.stderr.close()
    late = late or process.returncode == -getattr(signal, "SIGXCPU", 0) < 0  # the kernel keeps the limit too
    report = _last(answer.text)
    if report is None or (late and not report.problem):
        problem_ = (
            problem("late", seconds=f"{limits.seconds:g}")
            if late
            else _ended(process.returncode, printed.text, request.file)
        )
        report = replace(report or failed, verdict="failed", problem=problem_, source=request.source)
    report = replace(report, printed=_clean(printed.text), seconds=time.perf_counter() - started)
    return report, _walk(answer.text) if walk else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it has started."""
    if hasattr(os, "killpg"):
        for _ in range(20):  # what is being forked meanwhile belongs to the group too
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                break
            time.sleep(0.002)
    process.kill()
    process.wait()


def _last(text: str) -> Report | None:
    """Return the last whole report among the lines."""
    for line in reversed(text.split("\n")[:-1]):
        try:
            return Report.from_json(line)
        except ValueError:
            continue
    return None


def _walk(text: str) -> dict[str, Any] | None:
    """Return the walk among the lines."""
    for line in text.split("\n"):
        if line.startswith('{"walk":'):
            with contextlib.suppress(ValueError):
                return json.loads(line)["walk"]  # type: ignore[no-any-return]
    return None


def _ended(code: int, printed: str, file: str) -> str:
    """Return why there is no report."""
    line = re.search(rf'File "{re.escape(file)}", line (\d+)', printed)
    at = place(file, line and line[1])
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        return problem("crash", at=at, signal=name)
    return problem("ended", at=at, code=code)


def _clean(printed: str) -> str:
    """Return what was printed at the top of the file and in one run, without the bytes that would steer a terminal."""
    if SHOWN in printed:
        printed = printed.partition(TRIALS)[0] + printed.partition(SHOWN)[2].partition(TRIALS)[0]
    return "".join(c for c in printed if c in "\n\t" or c.isprintable())
