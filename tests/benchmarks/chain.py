"""Row 1: a chain of scalar multiplications and additions, recorded, run backward and dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks.row import Case, Goal, Prepared, Row

START, WEIGHT, BIAS = 0.5, 0.99, 0.01


def chain(x: Any, w: Any, b: Any, links: int) -> Any:
    """``y = y * w + b``, `links` times: two operations each."""
    y = x
    for _ in range(links):
        y = y * w + b
    return y


def _prepared(run: Callable[[], list[float]], links: int) -> Prepared:
    return Prepared(run, answer=run, per=2 * links)


def _on_values(value: Any, links: int) -> Prepared:
    def run() -> list[float]:
        x, w, b = value(START), value(WEIGHT), value(BIAS)
        y = chain(x, w, b, links)
        y.backward()
        return [float(n) for n in (y.data, x.grad, w.grad, b.grad)]

    return _prepared(run, links)


def ours(links: int) -> Prepared:
    from micrograd import Value

    return _on_values(Value, links)


def karpathy(links: int) -> Prepared:
    from tests.benchmarks.karpathy import his_package

    return _on_values(his_package().Value, links)


def torch(links: int) -> Prepared:
    import torch

    torch.set_num_threads(2)

    def leaf(number: float) -> Any:
        return torch.tensor(number, dtype=torch.float64, requires_grad=True)

    return _on_values(leaf, links)


def autograd(links: int) -> Prepared:
    from autograd.differential_operators import make_vjp

    pull = make_vjp(lambda x, w, b: chain(x, w, b, links), argnum=(0, 1, 2))

    def run() -> list[float]:
        vjp, y = pull(START, WEIGHT, BIAS)
        return [float(n) for n in (y, *vjp(1.0))]

    return _prepared(run, links)


def mygrad(links: int) -> Prepared:
    import mygrad

    mygrad.turn_memory_guarding_off()  # its documentation: faster, for code that is known not to mutate
    return _on_values(mygrad.tensor, links)


ROW = Row(
    name="chain",
    title="scalar chain, forward + backward, per operation",
    # Karpathy's backward recurses, so his chain must stay below Python's limit of 1,000 frames
    cases=(Case("500 operations", (250,), Goal(1.2e-6), quick=True),),
    contenders={"micrograd": ours, "karpathy": karpathy, "torch": torch, "autograd": autograd, "mygrad": mygrad},
)
