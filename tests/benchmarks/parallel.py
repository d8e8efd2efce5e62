"""Data-parallel efficiency: a training step in 2 processes of one thread each against 1 process of two threads.

python -m tests.benchmarks.parallel

The same batch of 512 and the same network, 784-WIDTH-WIDTH-10 with batch norm, by ``compile(step, backend="jax")``.
Processes are kept to cores of their own. Efficiency is the time of the one process over that of the two; medians
over rounds in turn.
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


def train(steps: int, width: int, coordinator: str, processes: int, rank: int) -> float:
    """The median seconds of a step in this process, one of so many."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:2]
        os.sched_setaffinity(0, cores if processes == 1 else [cores[rank % len(cores)]])
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
    x, y = rng.standard_normal((512, 784)).astype(np.float32), rng.integers(0, 10, 512)
    seconds = []
    for _ in range(steps + 3):
        start = time.perf_counter()
        compiled(x, y)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])


def measured(steps: int, width: int, processes: int) -> float:
    """The median seconds of a step, of rank 0."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{s.getsockname()[1]}"
    command = [sys.executable, "-m", "tests.benchmarks.parallel", "--steps", str(steps), "--width", str(width)]
    given = os.environ | {"JAX_PLATFORMS": "cpu", "PJRT_NPROC": str(2 // processes), "XLA_FLAGS": ""}
    children = [
        subprocess.Popen([*command, "--rank", str(rank), "--processes", str(processes), "--coordinator", coordinator],
                         cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True)
        for rank in range(processes)
    ]  # fmt: skip
    answers = [child.communicate(timeout=300)[0] for child in children]
    return float(answers[0].split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=1024)
    for name in ("--rank", "--processes"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--coordinator", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rank is not None:
        print(train(given.steps, given.width, given.coordinator, given.processes, given.rank))
        return
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(given.rounds):
        for processes, seconds in found.items():
            seconds.append(measured(given.steps, given.width, processes))
    one, two = (statistics.median(seconds) for seconds in found.values())
    print(f"a step: {one * 1e3:.1f} ms in 1 process, {two * 1e3:.1f} ms in 2")
    print(f"efficiency of 2 processes x 1 thread against 1 process x 2 threads: {one / two:.2f}")


if __name__ == "__main__":
    main()
