"""Run the second thread that shares passes over memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["HELPER", "Helper"]


def _core() -> Callable[[], int] | None:
    """Return a function that says which core this thread runs on; None where the system does not tell."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    try:
        function = ctypes.CDLL(None).sched_getcpu
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = (), ctypes.c_int
    return function


_CORE = _core()


class Helper:
    """A second thread that waits for work, started with the first call that shares a pass.

    Attributes:
        board: counts the calls that share a pass, so that the thread, lingering in machine code, sees the next.
    """

    def __init__(self) -> None:
        self.board = np.zeros(8, np.int64)
        self._work: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._kept_off: tuple[int, int] | None = None

    def start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Have ``function(*args)`` run beside the caller, as soon as the thread wakes."""
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._work = queue.SimpleQueue()
                    self._thread = threading.Thread(target=self._run, args=(self._work,), daemon=True, name="micrograd")
                    self._thread.start()
        self._keep_off()
        self._work.put((function, args))

    def _keep_off(self) -> None:
        """Keep the thread off the core of the caller, where it would wait for the caller's time to run out.

        The scheduler puts a thread that wakes there, for milliseconds at times, most often when the caller has slept.
        """
        thread = self._thread
        if _CORE is None or thread is None or (place := (_CORE(), thread.native_id or 0)) == self._kept_off:
            return
        self._kept_off = place
        core, number = place
        with contextlib.suppress(OSError):  # the thread has ended, or may not be moved
            others = os.sched_getaffinity(0) - {core}
            if others and number:
                os.sched_setaffinity(number, others)

    @staticmethod
    def _run(work: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
        while True:
            function, args = work.get()
            function(*args)
            del function, args


HELPER = Helper()
