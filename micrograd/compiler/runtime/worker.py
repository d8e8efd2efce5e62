"""Run the second thread that shares passes over memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["HELPER", "Helper"]


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

    def start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Have ``function(*args)`` run beside the caller, as soon as the thread wakes."""
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._work = queue.SimpleQueue()
                    self._thread = threading.Thread(target=self._run, args=(self._work,), daemon=True, name="micrograd")
                    self._thread.start()
        self._work.put((function, args))

    @staticmethod
    def _run(work: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
        while True:
            function, args = work.get()
            function(*args)
            del function, args


HELPER = Helper()
