"""How long the slow calls take: percentiles of compiled functions on one thread and on two, under three habits.

python -m tests.benchmarks.tails

A call after a call finds the second thread awake; one after a sleep of 5 ms has to wake it, on whichever core the
scheduler puts it; one after a matrix product of NumPy's finds the threads of BLAS on the cores. Functions take turns in
blocks, so that a busy machine is equally busy for all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks import compiled_bn, layer_norm

PERCENTILES = (10, 50, 90, 99)


def percentiles(run: Callable[[], Any], before: Callable[[], Any], calls: int) -> np.ndarray[Any, Any]:
    """Microseconds of a call, each after something else."""
    taken = []
    for _ in range(calls):
        before()
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return np.percentile(taken, PERCENTILES) * 1e6


def habits() -> dict[str, Callable[[], Any]]:
    a = np.ones((256, 256), np.float32)
    return {"at once": lambda: None, "after 5 ms of sleep": lambda: time.sleep(0.005), "after a product": lambda: a @ a}


def functions(n: int, d: int) -> dict[str, Callable[[], Any]]:
    import micrograd as mg

    found: dict[str, Callable[[], Any]] = {}
    args = compiled_bn.arrays(n, d)
    for name, norm in (("batch norm", compiled_bn.composed), ("layer norm", layer_norm.composed)):
        f = compiled_bn.both_ways(mg.vjp, lambda x, gamma, beta, norm=norm: norm(x, gamma, beta, np.sqrt))
        for threads in (1, 2):
            compiled = mg.compile(f, threads=threads)
            found[f"{name} {n}x{d}, {threads} thread{'s' * (threads > 1)}"] = lambda c=compiled: c(*args)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100, help="in a block")
    parser.add_argument("--rounds", type=int, default=5, help="blocks of each")
    parser.add_argument("--shape", type=int, nargs=2, default=(512, 256))
    options = parser.parse_args()
    runs, before = functions(*options.shape), habits()
    for run in runs.values():
        run()
    blocks: dict[tuple[str, str], list[Any]] = {}
    for _ in range(options.rounds):
        for name, run in runs.items():
            for habit, first in before.items():
                blocks.setdefault((name, habit), []).append(percentiles(run, first, options.calls))
                time.sleep(0.004)
    print(f"{'':55}" + "".join(f"{f'p{p}':>9}" for p in PERCENTILES))
    for (name, habit), found in blocks.items():
        print(f"{name + ', ' + habit:55}" + "".join(f"{value:9.1f}" for value in np.median(found, axis=0)))


if __name__ == "__main__":
    main()
