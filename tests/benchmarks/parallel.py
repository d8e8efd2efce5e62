"""Data-parallel efficiency: a training step in 2 processes on 2 cores against 1 process of two threads.

python -m tests.benchmarks.parallel

The same batch and the same network, 784-WIDTH-WIDTH-10 with batch norm, by ``compile(step, backend="jax")``, in one
process and split over two; threads as JAX chooses them. Efficiency is the time of the one process over that of the
two; medians over rounds in turn. A step of two processes ends with a sum of all gradients (7.5 MB for a width of
1024) over the loopback device, whatever the batch: so several sizes are measured.

No process is kept to a core: the thread that waits for the other process would hold it from the one that receives,
until the scheduler's next tick, 4 ms later.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def train(steps: int, width: int, batch: int, coordinator: str, processes: int, rank: int) -> float:
    """The median seconds of a step in this process, one of so many."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    import micrograd as mg
    from micrograd import nn, optim
    from micrograd.compiler import connect

    if processes > 1:
        connect(coordinator, processes, rank, timeout=30)
    model = nn.mlp([784, width, width, 10], batch_norm=True, rng=0, dtype=np.float32)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        loss = mg.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    compiled = mg.compile(step, backend="jax", mesh=processes)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((batch, 784)).astype(np.float32), rng.integers(0, 10, batch)
    seconds = []
    for _ in range(steps + 3):
        start = time.perf_counter()
        compiled(x, y)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])


def measured(steps: int, width: int, batch: int, processes: int) -> float:
    """The median seconds of a step, of rank 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{s.getsockname()[1]}"
    command = [sys.executable, "-m", "tests.benchmarks.parallel", "--steps", str(steps), "--width", str(width)]
    command += ["--batch", str(batch)]
    given = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    children = [
        subprocess.Popen([*command, "--rank", str(rank), "--processes", str(processes), "--coordinator", coordinator],
                         cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True)
        for rank in range(processes)
    ]  # fmt: skip
    answers = [child.communicate(timeout=300)[0] for child in children]
    return float(answers[0].split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--batch", type=int, nargs="+", default=[512, 2048, 4096])
    for name in ("--rank", "--processes"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--coordinator", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rank is not None:
        print(train(given.steps, given.width, given.batch[0], given.coordinator, given.processes, given.rank))
        return
    for batch in given.batch:
        found: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(given.rounds):
            for processes, seconds in found.items():
                seconds.append(measured(given.steps, given.width, batch, processes))
        one, two = (statistics.median(seconds) for seconds in found.values())
        print(f"batch {batch}: a step takes {one * 1e3:.1f} ms in 1 process, {two * 1e3:.1f} ms in 2, "
              f"efficiency {one / two:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
