"""Let threads share a pass: counters in an integer array, read and changed atomically.

Entry 0 counts who has arrived (the caller, or the second thread), entry 1 says that the second thread has left, entry 2
is the pass that may begin; each pass has two more, the next chunk to take and how many are done.

This is what they do where printed text runs as Python; in machine code each is one instruction
(`micrograd.compiler.machine.printer`).
"""

from __future__ import annotations

import threading
import time
from typing import Any

__all__ = ["leave_core", "load", "store", "take"]

_counting = threading.Lock()


def take(sync: Any, place: int) -> int:
    """Add 1 to ``sync[place]`` and return what it was."""
    with _counting:
        found = int(sync[place])
        sync[place] = found + 1
        return found


def load(sync: Any, place: int) -> int:
    """Read ``sync[place]``, with what was written before it by the thread that set it."""
    with _counting:
        return int(sync[place])


def store(sync: Any, place: int, value: int) -> None:
    """Set ``sync[place]``, after everything written before."""
    with _counting:
        sync[place] = value


def leave_core() -> None:
    """Let another thread run on this core: both may have been put on the same one."""
    time.sleep(0)
