"""A training step of a small network with batch norm, run by `test_distributed.py` in processes of its own.

python distributed_step.py MESH STEPS OUT [COORDINATOR PROCESSES RANK]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from micrograd import functional as F
from micrograd import nn, optim
from micrograd.compiler import compile as compiled
from micrograd.compiler import connect


def batches(count: int) -> Any:
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield rng.standard_normal((16, 6)).astype(np.float32), rng.integers(0, 3, 16)


def training(**kwargs: Any) -> tuple[Any, Any, Any]:
    model = nn.mlp([6, 8, 3], batch_norm=True, rng=0, dtype=np.float32)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, compiled(step, backend="jax", **kwargs)


def main() -> None:
    mesh, steps, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if len(sys.argv) > 4:
        connect(sys.argv[4], int(sys.argv[5]), int(sys.argv[6]), timeout=20)
    model, optimizer, step = training(mesh=mesh or None)
    losses = [step(x, y) for x, y in batches(steps)]
    text = step.lowering(*next(batches(1)))
    memory = {f"memory{i}": np.asarray(m[0]) for i, m in enumerate(optimizer._memory)}
    np.savez(out, losses=losses, reduces="all-reduce" in text, **model.state_dict(), **memory)


if __name__ == "__main__":
    main()
