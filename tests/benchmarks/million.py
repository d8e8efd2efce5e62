"""Row 7: a chain of a million nodes in every reader that must not recurse; time, and memory per node.

Each measurement is a fresh interpreter, so that resident memory counts this graph alone:
``python -m tests.benchmarks.million micrograd 1000000``.
"""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from tests.benchmarks.chain import BIAS, START, WEIGHT, chain
from tests.benchmarks.row import Case, Prepared, Row
from tests.benchmarks.worker import ROOT


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def _leaf(library: str) -> Callable[[float], Any]:
    if library == "torch":
        import torch

        torch.set_num_threads(2)
        return lambda number: torch.tensor(number, dtype=torch.float64, requires_grad=True)
    from micrograd import Value

    return Value


def measure(library: str, nodes: int) -> dict[str, float]:
    """Every time in seconds and every size in bytes, for a chain of `nodes` operations."""
    leaf = _leaf(library)
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        found[name] = time.perf_counter() - start
        return result

    def build(links: int) -> Any:
        return chain(leaf(START), leaf(WEIGHT), leaf(BIAS), links)

    build(100).backward()
    links = nodes // 2
    before = _resident() if sys.platform == "linux" else None
    y = timed("build", lambda: build(links))
    if before is not None:
        found["resident memory per node [bytes]"] = (_resident() - before) / nodes
    timed("backward", y.backward)
    if library == "micrograd":
        twin = timed("deepcopy", lambda: copy.deepcopy(y))
        assert twin.data == y.data
        del twin
        text = timed("pickle", lambda: pickle.dumps(y, pickle.HIGHEST_PROTOCOL))
        found["pickle size per node [bytes]"] = len(text) / nodes
        twin = timed("unpickle", lambda: pickle.loads(text))
        assert twin.data == y.data
        del twin, text
        from micrograd import draw
        from micrograd.errors import MissingExtraError

        try:
            started = draw(leaf(START) * leaf(WEIGHT)).svg  # starts the layout engine
            assert started.startswith("<")
            timed("picture of its summary", lambda: draw(y).svg)
        except MissingExtraError:
            pass  # no layout engine on this machine
    start = time.perf_counter()
    del y
    found["free"] = time.perf_counter() - start
    if library == "micrograd":  # last: tracing every allocation slows everything after it
        tracemalloc.start()
        y = build(links // 10)
        found["Python memory per node [bytes]"] = tracemalloc.get_traced_memory()[0] / (nodes // 10)
    return found


def _fresh(library: str, nodes: int) -> Prepared:
    if library == "torch":
        import torch  # noqa: F401  (a missing torch is reported here)

    def step() -> dict[str, float]:
        command = [sys.executable, "-m", "tests.benchmarks.million", library, str(nodes)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        answer: dict[str, float] = json.loads(done.stdout)
        return answer

    return Prepared(step, fresh=True)


ROW = Row(
    name="million",
    title="scalar chain of 1,000,000 nodes",
    cases=(Case("in all", (1_000_000,)),),
    contenders={
        "micrograd": lambda nodes: _fresh("micrograd", nodes),
        "torch": lambda nodes: _fresh("torch", nodes),
    },
    rounds=1,
)

if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
