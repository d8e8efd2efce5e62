"""Limit what a process that runs a student's code may use. No sandbox.

The limits stop accidents, not malice. Each is set where the system has it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

__all__ = ["SHOWN", "TRIALS", "Ended", "Late", "Limits", "alarm", "applied", "deadline", "leave", "lifted"]

TRIALS, SHOWN = "\x01", "\x02"
"""What the child prints before runs whose output is not shown, and before the one whose output is."""

leave = os._exit  # the real one, before `applied` takes it away


@dataclass(frozen=True, slots=True)
class Limits:
    """What one check may use.

    Attributes:
        seconds: of wall time for all of it.
        memory: bytes of address space, over what Python and NumPy themselves have mapped.
        output: bytes of standard output and error that are kept; the rest is counted and thrown away.
        file: bytes of the largest file that may be written.
    """

    seconds: float = 10.0
    memory: int = 2 << 30
    output: int = 1 << 16
    file: int = 16 << 20


class Ended(SystemExit):
    """Raised where the student's code calls `os._exit`, which would end the process without a word."""


class Late(BaseException):
    """Raised in a loop of the student's code that is still running at the `deadline`.

    Attributes:
        seconds: that it was given.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"still running after {seconds:g} s")
        self.seconds = seconds


def _mapped() -> int:
    """Bytes of address space that this process has now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def applied(limits: Limits) -> None:
    """Set the limits of this process.

    The number of processes is limited too, but a system does not hold root to that; so processes are refused once
    more where Python starts them.
    """
    _set({
        "RLIMIT_AS": _mapped() + limits.memory, "RLIMIT_FSIZE": limits.file, "RLIMIT_CORE": 0,
        "RLIMIT_CPU": int(limits.seconds) + 3, "RLIMIT_NPROC": 1,
    })  # fmt: skip
    if hasattr(signal, "SIGXFSZ"):  # an error in the student's line rather than the end of the process
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _on.append(True)
    sys.addaudithook(_audit)
    os._exit = _ended


def _set(wanted: Mapping[str, int | None]) -> None:
    """Set those limits that the system has; None is as much as it allows."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, OSError, ValueError):
            limit = getattr(resource, name)
            hard = resource.getrlimit(limit)[1]
            few = hard if value is None else value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (few, hard))


def _ended(status: int) -> NoReturn:
    raise Ended(status)


_TOOL = 4  # of `sys.monitoring`: of the six, one that has no name of its own


@contextlib.contextmanager
def deadline(file: str, seconds: float) -> Iterator[None]:
    """Limit code that runs in this process: `os._exit` raises `Ended`, a loop of `file` raises `Late` when time is up.

    Before Python 3.12, which can watch the loops of one file at no cost to others, loops have no limit here.
    """
    monitoring: Any = getattr(sys, "monitoring", None)
    watched = monitoring is not None and monitoring.get_tool(_TOOL) is None
    end = time.monotonic() + seconds

    def turned(code: types.CodeType, *_: int) -> Any:
        if code.co_filename != file:
            return monitoring.DISABLE
        if time.monotonic() > end:
            raise Late(seconds)
        return None

    if watched:
        monitoring.use_tool_id(_TOOL, "micrograd")
        monitoring.register_callback(_TOOL, monitoring.events.JUMP, turned)
        monitoring.set_events(_TOOL, monitoring.events.JUMP)
    os._exit = _ended
    try:
        yield
    finally:
        os._exit = leave
        if watched:
            monitoring.set_events(_TOOL, 0)
            monitoring.register_callback(_TOOL, monitoring.events.JUMP, None)
            monitoring.free_tool_id(_TOOL)
            monitoring.restart_events()  # what was left out as another file's may be watched for another


_on: list[bool] = []  # whether the limits hold: an audit hook cannot be taken off
_STARTS = {"os.fork", "os.forkpty", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.startfile"}


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if _on and (event in _STARTS or event == "subprocess.Popen"):
        raise PermissionError(f"{event}: a check runs in one process; start no others")


def lifted() -> None:
    """Lift the limits again, for what is done after the student's code: to tell of it, to draw a picture."""
    _on.clear()
    _set(dict.fromkeys(("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_NPROC")))


def alarm(seconds: float, ring: Callable[[FrameType | None], None]) -> None:
    """Call `ring` with the frame that runs then, after that many seconds; never, where the system has no alarm."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda _, frame: ring(frame))
        signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds), 0.5)
