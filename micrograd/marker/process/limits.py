"""What a process that runs a student's code may use. No sandbox: these stop accidents, not malice.

Each limit is set where the system has it; `applied` says which were.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

__all__ = ["Ended", "Limits", "alarm", "applied", "leave", "lifted"]

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


def _mapped() -> int:
    """Bytes of address space that this process has now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def applied(limits: Limits) -> tuple[str, ...]:
    """Set the limits of this process. Answers the names of those that the system has taken.

    The number of processes is limited too, but a system does not hold root to that; so processes are refused once
    more where Python starts them.
    """
    taken = []
    try:
        import resource
    except ImportError:  # Windows
        resource = None  # type: ignore[assignment]
    if resource is not None:
        wanted = {
            "memory": ("RLIMIT_AS", _mapped() + limits.memory),
            "file": ("RLIMIT_FSIZE", limits.file),
            "core": ("RLIMIT_CORE", 0),
            "cpu": ("RLIMIT_CPU", int(limits.seconds) + 3),
            "processes": ("RLIMIT_NPROC", 1),
        }
        for name, (limit, value) in wanted.items():
            try:
                number = getattr(resource, limit)
                hard = resource.getrlimit(number)[1]
                most = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(number, (most, hard))
                taken.append(name)
            except (AttributeError, OSError, ValueError):
                continue
        if hasattr(signal, "SIGXFSZ"):  # an error in the student's line rather than the end of the process
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _on.append(True)
    sys.addaudithook(_audit)

    def ended(status: int) -> None:
        raise Ended(status)

    os._exit = ended  # type: ignore[assignment]
    return tuple(taken)


_on: list[bool] = []  # whether the limits hold: an audit hook cannot be taken off
_LIMITS = ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_NPROC")
_STARTS = {"os.fork", "os.forkpty", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.startfile"}


def _audit(event: str, _: tuple[Any, ...]) -> None:
    if _on and (event in _STARTS or event == "subprocess.Popen"):
        raise PermissionError(f"{event}: a check runs in one process; start no others")


def lifted() -> None:
    """Lift the limits again, for what is done after the student's code: to tell of it, to draw a picture."""
    _on.clear()
    try:
        import resource
    except ImportError:
        return
    for name in _LIMITS:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            number = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            resource.setrlimit(number, (hard, hard))


def alarm(seconds: float, ring: Callable[[FrameType | None], None]) -> None:
    """Call `ring` with the frame that runs then, after that many seconds; never, where the system has no alarm."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda _, frame: ring(frame))
        signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds), 0.5)
