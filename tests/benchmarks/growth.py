"""Time and memory against size: batch norm, 64 features, forward + backward, float32, of 2^8 to 2^26 entries.

Memory is what a step needs besides the library: the highest that the process reaches in a step once it is warm, over
what it held before the arrays were made. Growth is the exponent p of ``size ** p``, fitted to the upper half of sizes.
A step above 1 within it is the edge of the cache, not the algorithm: where all leave the cache, all have it; so a
contender that moves no more than its arrays is measured as well, and what grows no faster than it, is linear.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import compiled_bn, contenders, memory
from tests.benchmarks.batchnorm import composed
from tests.benchmarks.row import TRIAL, Case, Prepared, Row

WIDTH = 64
POWERS = tuple(range(8, 27, 3))
MEMORY = ", memory"
JUDGED = 20
"""Larger results are not held against the reference, which would take more memory than what it judges."""

ARRAYS = 16
"""As many as the batch hold what an eager step keeps, and some."""

PAGE = 4096
"""Less than this is not seen."""
SLACK = 1.1
"""A fitted exponent of at most this is linear: the noise of a shared machine moves it by some hundredths."""


def counted(field: str, file: str = "self/status") -> int:
    """Bytes, as Linux counts them; raises ImportError elsewhere."""
    try:
        for line in Path("/proc", file).read_text().splitlines():
            if line.startswith(field + ":"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    raise ImportError("memory is read from /proc, which Linux has")


def _measured(build: Callable[..., Prepared], power: int) -> Prepared:
    """A step that answers its seconds and the bytes that the process grew by."""
    size = 2**power
    needed, free = ARRAYS * 4 * size, counted("MemAvailable", "meminfo")
    if needed > free:
        raise ImportError(f"{name(power)} entries take {needed >> 30} GiB, and {free >> 30} are free")
    trial, os.environ[TRIAL] = os.environ.get(TRIAL, "0.2"), "0"
    build(64, WIDTH).step()  # the library is loaded and has compiled something
    os.environ[TRIAL] = trial
    before = counted("VmRSS")
    made = build(size // WIDTH, WIDTH)
    repeat, settled = 1, False

    def step() -> dict[str, float]:
        nonlocal settled
        if not settled:  # what building, compiling and judging took is given back
            made.step()
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
            made.step()
            settled = True
        with contextlib.suppress(OSError):  # what compiling took then counts too
            Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
        start = time.perf_counter()
        for _ in range(repeat):
            made.step()
        taken = (time.perf_counter() - start) / repeat
        grown = max(counted("VmHWM") - before, PAGE)
        return {name(power): taken, f"{name(power)}{MEMORY} [bytes]": float(grown)}

    repeat = max(1, int(1e-3 / step()[name(power)]))
    settled = False
    return Prepared(step, results=made.results if power <= JUDGED else None)


def name(power: int) -> str:
    return f"2^{power}"


def ours_eager(n: int, d: int) -> Prepared:
    import numpy as np

    import micrograd as mg

    f = compiled_bn.both_ways(mg.vjp, lambda x, gamma, beta: composed(x, gamma, beta, np.sqrt))
    return contenders.handwritten(f, compiled_bn.arrays(n, d), compiled_bn.NAMES)


def _torch_native(n: int, d: int) -> Prepared:
    """PyTorch's kernels without autograd: what ways to them cost is the same at every size."""
    settings = compiled_bn.torch_settings(*contenders.torch_arrays(compiled_bn.arrays(n, d)))
    return contenders.torch_native({"aten": settings["aten"]}, compiled_bn.NAMES)


def _torch_compile(n: int, d: int) -> Prepared:
    import torch

    function = compiled_bn.both_ways(torch.func.vjp, compiled_bn.torch_batch_norm)
    return contenders.torch_compile({"batch_norm": function}, compiled_bn.arrays(n, d), compiled_bn.NAMES)


def _mover(n: int, d: int) -> Prepared:
    made = memory.limit("batch norm", n, d)
    return Prepared(made.step, notes=made.notes)  # it computes nothing that could be judged


BUILDS: Mapping[str, Callable[..., Prepared]] = {
    "micrograd": compiled_bn.ours, "micrograd, eager": ours_eager, "handwritten": compiled_bn.by_hand,
    "torch native": _torch_native, "torch.compile": _torch_compile, "jax": compiled_bn.jax,
    memory.LIMIT: _mover,
}  # fmt: skip


def exponent(points: Mapping[int, float]) -> float:
    """The slope of the logarithms over the upper half of the powers of two, by least squares."""
    upper = [power for power in points if power >= (POWERS[0] + POWERS[-1]) / 2]
    logs = [math.log2(points[power]) for power in upper]
    middle, mean = sum(upper) / len(upper), sum(logs) / len(logs)
    return sum((a - middle) * (b - mean) for a, b in zip(upper, logs, strict=True)) / sum(
        (a - middle) ** 2 for a in upper
    )


def curves(lines: list[dict[str, Any]], suffix: str = "") -> dict[str, dict[int, float]]:
    """For each contender what it took by power of two: seconds, or with the suffix of memory bytes."""
    found: dict[str, dict[int, float]] = {}
    cases = {name(power) + suffix: power for power in POWERS}
    for line in lines:
        for contender, entry in line["contenders"].items() if line["case"] in cases else ():
            found.setdefault(contender, {})[cases[line["case"]]] = entry["median"]
    return found


def derived(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for the growth of time and one for that of memory, where the upper half was measured."""
    found = []
    for case, suffix in (("growth of time, exponent", ""), ("growth of memory, exponent", MEMORY)):
        slopes = {
            contender: exponent(points)
            for contender, points in curves(lines, suffix).items()
            if sum(power >= (POWERS[0] + POWERS[-1]) / 2 for power in points) > 2
        }
        mine = [slopes[own] for own in ("micrograd", "micrograd, eager") if own in slopes]
        if not mine:
            continue
        limit = max(SLACK, slopes.get(memory.LIMIT, 0.0) + SLACK - 1) if not suffix else SLACK
        entries = {c: dict.fromkeys(("median", "q1", "q3", "p10", "p90", "p99"), slope) for c, slope in slopes.items()}
        goal = {"limit": limit, "against": None, "got": max(mine), "reached": max(mine) <= limit}
        found.append(lines[0] | {"case": case, "unit": "", "contenders": entries, "notes": {}, "goal": goal})
    return found


ROW = Row(
    name="growth",
    title=f"batch norm of so many entries, {WIDTH} features, forward + backward, float32",
    cases=tuple(Case(name(power), (power,), quick=power == POWERS[0]) for power in POWERS),
    contenders={
        contender: (lambda power, build=build: _measured(build, power)) for contender, build in BUILDS.items()
    },
    rounds=4,
    reference=lambda arithmetic, power: compiled_bn.reference(arithmetic, 2**power // WIDTH, WIDTH),
    allowed=lambda power: compiled_bn.allowed(2**power // WIDTH, WIDTH),
    environment=contenders.KEEP_MEMORY,
    anew=True,
    derived=derived,
)  # fmt: skip
