"""Row 9: the compiled batch norm beside the memory itself: the time that the bytes which must move take.

Statistics before they are used, twice, make eight passes over an array as large as the batch: x for the mean; x for
the variance; x and dout read and out written, with the two sums of the backward pass; x and dout read and dx written.
The bandwidth is the better of reading and copying with the same two threads, over the four arrays of the case.
"""

from __future__ import annotations

import time
from typing import Any

from tests.benchmarks import compiled_bn, contenders
from tests.benchmarks.row import THREADS, Case, Goal, Prepared, Row

PASSES = 8


def limit(n: int, d: int, dtype: str = "float32") -> Prepared:
    """Answers, at each step, the seconds that `PASSES` take at the bandwidth measured in that step."""
    import numba
    import numpy as np

    numba.set_num_threads(THREADS)
    # whole numbers: their sum may be taken in any order, so that nothing but memory is in the way
    words = n * d * np.dtype(dtype).itemsize // 8
    buffers = [np.zeros(words, np.int64) for _ in range(4)]

    @numba.njit(parallel=True)  # type: ignore[untyped-decorator, unused-ignore]
    def read(x: Any) -> Any:
        total = 0
        for i in numba.prange(x.size):
            total += x[i]
        return total

    @numba.njit(parallel=True)  # type: ignore[untyped-decorator, unused-ignore]
    def copy(x: Any, y: Any) -> None:
        share = (x.size + THREADS - 1) // THREADS
        for part in numba.prange(THREADS):
            y[part * share : (part + 1) * share] = x[part * share : (part + 1) * share]

    x, dout, out, dx = buffers

    def bandwidth(work: Any, passes: int) -> float:
        start = time.perf_counter()
        work()
        return passes * x.nbytes / (time.perf_counter() - start)

    def reading() -> None:
        for buffer in buffers:
            read(buffer)

    def copying() -> None:
        copy(x, out)
        copy(dout, dx)

    reading()
    copying()
    best = {"read": 0.0, "copy": 0.0}

    def step() -> float:
        found = {"read": bandwidth(reading, 4), "copy": bandwidth(copying, 4)}
        best.update({name: max(best[name], figure) for name, figure in found.items()})
        return PASSES * x.nbytes / max(found.values())

    for _ in range(20):
        step()
    notes = {name: f"{figure / 1e9:.3g} GB/s at best" for name, figure in best.items()}
    return Prepared(step, notes=notes)


LIMIT = "memory limit"

ROW = Row(
    name="memory",
    title=f"compiled batch norm beside the memory limit of {PASSES} passes, float32",
    cases=(
        Case("4096x1024", (4096, 1024), Goal(1.6, LIMIT)),
        Case("65536x256", (65536, 256), Goal(1.6, LIMIT)),
        Case("in the cache, to try the row", (256, 1024), quick=True),
    ),
    contenders={"micrograd": compiled_bn.ours, LIMIT: limit},
    environment=contenders.KEEP_MEMORY,
)
