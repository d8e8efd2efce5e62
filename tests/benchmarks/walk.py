"""Row 6: the page to step through a graph, graph to HTML: batch norm, and the largest graph that is walked."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.picture import graph_of_batch_norm
from tests.benchmarks.row import Case, Goal, Prepared, Row


def _chain(nodes: int) -> Any:
    import numpy as np

    import micrograd as mg

    def chain(x: Any) -> Any:
        y = x
        for _ in range(nodes // 2):
            y = y * 0.99 + x
        return y

    return mg.trace(chain, np.arange(3.0)).backward(np.ones(3))


def ours(nodes: int) -> Prepared:
    import micrograd as mg

    graph = _chain(nodes - 1) if nodes else graph_of_batch_norm()
    return Prepared(lambda: mg.walk(graph).html, notes={"nodes": len(graph.nodes), "bytes": len(mg.walk(graph).html)})


ROW = Row(
    name="walk",
    title="graph to the page that steps through it",
    cases=(
        Case("batch norm 4x3, after first use", (0,), Goal(50e-3), quick=True),
        Case("2,000 nodes", (2000,), Goal(3.0)),
    ),
    contenders={"micrograd": ours},
    rounds=5,
)
