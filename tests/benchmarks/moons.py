"""Row 2: one training step of Karpathy's demo, an MLP on two moons, one node per number."""

from __future__ import annotations

import random
from typing import Any

from tests.benchmarks.row import Case, Goal, Prepared, Row

POINTS = 50
ALPHA = 1e-4


def _moons() -> tuple[Any, Any]:
    import numpy as np
    from sklearn.datasets import make_moons  # type: ignore[import-untyped, unused-ignore]

    np.random.seed(1337)  # noqa: NPY002 - his demo's own seeds
    random.seed(1337)
    x, y = make_moons(n_samples=POINTS, noise=0.1)
    return x, y * 2 - 1


def _nodes(root: Any) -> int:
    seen, stack = {root}, [root]
    while stack:
        node = stack.pop()
        for operand in getattr(node, "operands", None) or node._prev:
            if operand is not None and operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return len(seen)


def _demo(nn: Any, value: Any, numbers: str) -> Prepared:
    x, y = _moons()
    xb, yb = (x, y) if numbers == "numpy" else (x.tolist(), y.tolist())
    model = nn.MLP(2, [16, 16, 1])

    def loss() -> Any:
        inputs = [list(map(value, row)) for row in xb]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(yb, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        return data_loss + ALPHA * sum(p * p for p in model.parameters())

    def step() -> Any:
        total = loss()
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= 0.0 * p.grad  # the work of the update; rate 0 keeps every repetition the same
        return total

    def answer() -> list[float]:
        total = step()
        return [float(total.data), *(float(p.grad) for p in model.parameters())]

    return Prepared(lambda: step() and None, answer, notes={"nodes": _nodes(loss())})


def ours(numbers: str) -> Prepared:
    from micrograd.engine import Value
    from tests.benchmarks.karpathy import nn_on

    return _demo(nn_on(), Value, numbers)


def ours_nn(numbers: str) -> Prepared:
    from micrograd import nn
    from micrograd.engine import Value

    return _demo(nn, Value, numbers)


def karpathy(numbers: str) -> Prepared:
    from tests.benchmarks.karpathy import his_package

    engine = his_package()
    import micrograd.nn

    return _demo(micrograd.nn, engine.Value, numbers)


ROW = Row(
    name="moons",
    title="moons MLP step of Karpathy's demo, 50 points",
    cases=(
        Case("as in his demo", ("numpy",), Goal(0.1, "karpathy")),
        Case("inputs as Python floats", ("python",), Goal(0.1, "karpathy")),
    ),
    contenders={"micrograd": ours, "micrograd, own nn": ours_nn, "karpathy": karpathy},
)
