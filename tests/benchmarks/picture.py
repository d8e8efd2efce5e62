"""Row 5: the picture of a traced batch norm, values and gradients on it, graph to SVG, beside the `dot` program."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import Any

from tests.benchmarks.row import Case, Goal, Prepared, Row
from tests.benchmarks.worker import ROOT


def graph_of_batch_norm() -> Any:
    """The staged graph of a small batch norm, after its backward pass."""
    import numpy as np

    import micrograd as mg
    from micrograd.batchnorm import batchnorm_forward

    rng = np.random.default_rng(0)
    graph = mg.trace(batchnorm_forward, rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=3))
    return graph.backward(rng.normal(size=(4, 3)))


def first_use() -> float:
    """Seconds from the first call to its SVG: loads the renderer, starts the layout engine."""
    graph = graph_of_batch_norm()
    start = time.perf_counter()
    import micrograd as mg

    svg = mg.draw(graph).svg
    elapsed = time.perf_counter() - start
    assert svg.startswith("<")
    return elapsed


def ours(when: str) -> Prepared:
    import micrograd as mg

    if when == "first use":
        command = [sys.executable, "-c", f"from {__name__} import first_use; print(first_use())"]

        def fresh() -> float:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stderr)
            return float(done.stdout)

        return Prepared(fresh, fresh=True)
    graph = graph_of_batch_norm()
    return Prepared(lambda: mg.draw(graph).svg)


def dot_program(when: str) -> Prepared:
    """What the `dot` program takes for the same DOT text, the making of the text not counted."""
    path = shutil.which("dot")
    if path is None:
        raise ImportError("the dot program is not installed")
    import micrograd as mg

    text = mg.draw(graph_of_batch_norm()).dot.encode()
    return Prepared(lambda: subprocess.run([path, "-Tsvg"], input=text, capture_output=True, check=True))


ROW = Row(
    name="picture",
    title="batch norm graph with values and gradients to SVG",
    cases=(Case("after first use", ("later",), Goal(5e-3)), Case("first use", ("first use",))),
    contenders={"micrograd": ours, "dot process": dot_program},
)
