"""Compiled kernels beyond the cache beside the memory itself: a contender that only moves the same arrays.

It reads and writes arrays of the same sizes, as often as the mathematics makes necessary, and computes nothing. Batch
norm, whose sums must be there before they are used, makes six passes: x and dout read for all sums; x and dout read
again, out and dx written. Layer norm holds a row in the cache, and a chain an entry: x and dout read, out and dx
written, once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from tests.benchmarks import compiled_bn, contenders, gelu, layer_norm
from tests.benchmarks.row import THREADS, Case, Goal, Prepared, Row

KERNELS: dict[str, tuple[Callable[..., Prepared], int]] = {
    "batch norm": (compiled_bn.ours, 2), "layer norm": (layer_norm.ours, 0), "chain": (gelu.ours, 0),
}  # fmt: skip
"""What is compiled, and how many passes it reads besides two arrays read and two written."""

LIMIT = "memory limit"


def ours(kernel: str, n: int, d: int) -> Prepared:
    return KERNELS[kernel][0](n, d)


def limit(kernel: str, n: int, d: int) -> Prepared:
    """The faster of ways to move the arrays: by NumPy's copies in two threads, and by kernels that we compile."""
    extra = KERNELS[kernel][1]
    settings = {
        f"NumPy, {THREADS} threads": lambda: _by_numpy(extra, n * d),
        "compiled": lambda: _compiled(extra, n, d),
    }
    return contenders.fastest(settings, ("out", "dx"))


def _buffers(count: int) -> list[Any]:
    import numpy as np

    return [np.full(count, value, np.float32) for value in (1.0, 2.0, 0.0, 0.0)]


def _by_numpy(extra: int, count: int) -> Callable[[], Any]:
    import numpy as np

    x, dout, out, dx = buffers = _buffers(count)
    pool = ThreadPoolExecutor(THREADS - 1)
    share = -(-count // THREADS)
    parts = [[b[at : at + share] for b in buffers] for at in range(0, count, share)]

    def move(part: Sequence[Any]) -> None:
        for reading in range(extra):
            np.bitwise_or.reduce(part[reading % 2].view(np.uint32))  # in any order, and faster than memory
        np.copyto(part[2], part[0])
        np.copyto(part[3], part[1])

    def run() -> Any:
        others = [pool.submit(move, part) for part in parts[1:]]
        move(parts[0])
        wait(others)
        return out, dx

    return run


def _compiled(extra: int, n: int, d: int) -> Callable[[], Any]:
    import numpy as np

    import micrograd as mg

    contenders.require_compiler()
    x, dout, _, _ = (b.reshape(n, d) for b in _buffers(n * d))
    copy = mg.compile(lambda x, dout: (x + np.float32(0), dout + np.float32(0)))
    read = mg.compile(lambda x, dout: (x.max(0), dout.max(0)))

    def run() -> Any:
        for _ in range(extra // 2):
            read(x, dout)
        return copy(x, dout)

    return run


ROW = Row(
    name="memory",
    title="beyond the cache, compiled, forward + backward, beside moving the same arrays, float32",
    cases=(
        *(Case(f"{kernel} {n}x{d}", (kernel, n, d), Goal(1.3, LIMIT))
          for kernel, n, d in (("batch norm", 4096, 1024), ("batch norm", 65536, 256), ("layer norm", 8192, 1024),
                               ("chain", 4096, 2048))),
        Case("in the cache, to try the row", ("batch norm", 256, 1024), quick=True),
    ),
    contenders={"micrograd": ours, LIMIT: limit},
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
