"""How threads share a pass: counters in an integer array, read and changed atomically.

Entry 0 counts who has arrived (the caller, or the second thread), entry 1 says that the second thread has left, entry 2
is the pass that may begin; each pass has two more, the next chunk to take and how many are done.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["HELPER", "Helper", "leave_core", "load", "store", "take"]


def _place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


@intrinsic
def take(typingctx: Any, sync: Any, place: Any) -> Any:
    """Add 1 to ``sync[place]`` and answer what it was."""
    del typingctx, place

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _place(context, builder, signature, args)
        return builder.atomic_rmw("add", pointer, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(sync, types.int64), codegen


@intrinsic
def load(typingctx: Any, sync: Any, place: Any) -> Any:
    """``sync[place]``, with what was written before it by the thread that set it."""
    del typingctx, place

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, args), "acquire", 8)

    return types.int64(sync, types.int64), codegen


@intrinsic
def store(typingctx: Any, sync: Any, place: Any, value: Any) -> Any:
    """Set ``sync[place]``, after everything written before."""
    del typingctx, place, value

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _place(context, builder, signature, args), "release", 8)
        return context.get_dummy_value()

    return types.void(sync, types.int64, types.int64), codegen


leave_core = types.ExternalFunction("SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32())
"""Let another thread run on this core: both may have been put on the same one."""


class Helper:
    """A second thread that waits for work, started with the first call that shares a pass."""

    def __init__(self) -> None:
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
