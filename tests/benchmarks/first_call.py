"""One call by itself: compiled batch norm right after a sleep, and right after PyTorch's threads were at work.

Threads that wait for work may have gone to sleep by then, or the other library's may still spin on their cores: its
90th and 99th percentile say more than its median.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks import compiled_bn, contenders
from tests.benchmarks.row import THREADS, Case, Prepared, Row

SLEEP = 4e-3


def _slept() -> Callable[[], object]:
    return lambda: time.sleep(SLEEP)


def _torch_worked() -> Callable[[], object]:
    """A product of matrices, which takes PyTorch's threads a millisecond."""
    import torch

    torch.set_num_threads(THREADS)
    a = torch.ones(256, 256)
    return lambda: a @ a


BEFORE = {"a sleep of 4 ms": _slept, "a call of PyTorch": _torch_worked}


def _after(build: Callable[..., Prepared], before: str, n: int, d: int) -> Prepared:
    made = build(n, d)
    prelude = BEFORE[before]()

    def step() -> float:
        prelude()
        start = time.perf_counter()
        made.step()
        return time.perf_counter() - start

    return Prepared(step, results=made.results, notes=made.notes)


def _contender(build: Callable[..., Prepared]) -> Callable[..., Any]:
    return lambda *args: _after(build, *args)


ROW = Row(
    name="first_call",
    title="one call of composed batch norm, compiled, forward + backward, float32, right after",
    cases=(
        *(Case(f"{before}, {n}x{d}", (before, n, d)) for n, d in ((256, 1024), (4096, 1024)) for before in BEFORE),
        Case("a sleep of 4 ms, 64x128", ("a sleep of 4 ms", 64, 128), quick=True),
    ),
    contenders={
        "micrograd": _contender(compiled_bn.ours), "torch native": _contender(compiled_bn.torch_native),
        "jax": _contender(compiled_bn.jax),
    },
    reference=lambda arithmetic, _, *args: compiled_bn.reference(arithmetic, *args),
    allowed=lambda _, *args: compiled_bn.allowed(*args),
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
