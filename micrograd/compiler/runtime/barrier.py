"""Let threads share a pass: counters in an integer array, read and changed atomically.

Entry 0 counts who has arrived (the caller, or the second thread), entry 1 says that the second thread has left, entry 2
is the pass that may begin; each pass has two more, the next chunk to take and how many are done.

Where Numba's JIT is off, and where tests run the printed text, the same in plain Python (`PLAIN`) stands in.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

__all__ = ["PLAIN", "leave_core", "load", "store", "take"]


# ---- in plain Python -------------------------------------------------------------------------------------

_counting = threading.Lock()


def _plain_take(sync: Any, place: int) -> int:
    with _counting:
        found = int(sync[place])
        sync[place] = found + 1
        return found


def _plain_load(sync: Any, place: int) -> int:
    with _counting:
        return int(sync[place])


def _plain_store(sync: Any, place: int, value: int) -> None:
    with _counting:
        sync[place] = value


def _plain_leave_core() -> None:
    time.sleep(0)


PLAIN: Mapping[str, Callable[..., Any]] = {
    "take": _plain_take,
    "load": _plain_load,
    "store": _plain_store,
    "leave_core": _plain_leave_core,
}


# ---- in machine code -------------------------------------------------------------------------------------


def _place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


@intrinsic
def take(typingctx: Any, sync: Any, place: Any) -> Any:
    """Add 1 to ``sync[place]`` and return what it was."""
    del typingctx, place

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _place(context, builder, signature, args)
        return builder.atomic_rmw("add", pointer, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(sync, types.int64), codegen


@intrinsic
def load(typingctx: Any, sync: Any, place: Any) -> Any:
    """Read ``sync[place]``, with what was written before it by the thread that set it."""
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

if config.DISABLE_JIT:
    take, load, store, leave_core = PLAIN.values()
