"""Row 11: softmax and cross-entropy of scores (N, C), the loss and its gradient, float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks import contenders, exact
from tests.benchmarks.row import PEERS, Case, Goal, Prepared, Probe, Row

NAMES = ("loss", "dscores")


def arrays(n: int, c: int, offset: float = 0.0) -> tuple[Any, Any]:
    """Scores of some size, and labels; in int64, which NumPy and PyTorch take as they are."""
    import numpy as np

    rng = np.random.default_rng(0)
    return (offset + rng.normal(0, 2, (n, c))).astype(np.float32), rng.integers(0, c, n)


def reference(arithmetic: exact.Arithmetic, *args: Any) -> dict[str, Any]:
    import numpy as np

    scores, labels = arrays(*args)
    scores, rows = arithmetic.array(scores), np.arange(len(labels))
    shifted = scores - scores.max(1)[:, None]
    e = arithmetic.exp(shifted)
    total = e.sum(1)
    dscores = e / total[:, None]
    dscores[rows, labels] -= 1
    return {
        "loss": (arithmetic.log(total) - shifted[rows, labels]).sum() / len(labels),
        "dscores": dscores / len(labels),
    }


def allowed(*args: Any) -> dict[str, Any]:
    """64 u times the sizes of the terms: a power is off by u times its exponent, a sum of C by the root of C.

    The mean over the rows is off by the running sums of an eighth, as in `micrograd.batchnorm.tolerance`.
    """
    import numpy as np

    scores, labels = arrays(*args)
    n, c = scores.shape
    u = 2.0**-24
    p = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    onehot = np.zeros_like(p)
    onehot[np.arange(n), labels] = 1.0
    spread = 1.0 + (scores.max(1, keepdims=True) - scores).astype(np.float64)
    most = spread.max(1, keepdims=True) + np.sqrt(c) / 8
    return {
        "loss": 64 * u * (most.mean() + np.log(c) * (1 + n / 1024)),
        "dscores": 64 * u * (p * (spread + most) + onehot) / n,
    }


def ours(*args: Any) -> Prepared:
    import micrograd as mg

    return contenders.compiled(mg.value_and_grad(mg.functional.cross_entropy), arrays(*args), NAMES)


def by_hand(*args: Any) -> Prepared:
    import numpy as np

    def f(scores: Any, labels: Any) -> Any:
        n = len(labels)
        rows = np.arange(n)
        shifted = scores - scores.max(1, keepdims=True)
        p = np.exp(shifted)
        total = p.sum(1)
        loss = (np.log(total) - shifted[rows, labels]).mean()
        p *= (1 / (n * total))[:, None]
        p[rows, labels] -= np.float32(1 / n)
        return loss, p

    return contenders.handwritten(f, arrays(*args), NAMES)


def torch_native(*args: Any) -> Prepared:
    import torch
    from torch.nn.functional import cross_entropy

    scores, labels = contenders.torch_arrays(arrays(*args))
    leaf, aten, one = contenders.leaf(scores), torch.ops.aten, torch.ones(())
    forward, backward = aten.nll_loss_forward.default, aten.nll_loss_backward.default

    def with_autograd() -> Any:
        loss = cross_entropy(leaf, labels)
        return loss, *torch.autograd.grad(loss, leaf)

    def directly() -> Any:
        logs = torch._log_softmax(scores, 1, False)
        loss, weight = forward(logs, labels, None, 1, -100)
        dlogs = backward(one, logs, labels, None, 1, -100, weight)
        return loss, torch._log_softmax_backward_data(dlogs, logs, 1, torch.float32)

    return contenders.torch_native({"autograd": with_autograd, "aten": directly}, NAMES)


def torch_compile(*args: Any) -> Prepared:
    import torch
    from torch.nn.functional import cross_entropy

    def both(f: Callable[..., Any]) -> Callable[..., Any]:
        def forward_backward(scores: Any, labels: Any) -> Any:
            dscores, loss = torch.func.grad_and_value(f)(scores, labels)
            return loss, dscores

        return forward_backward

    def composed(scores: Any, labels: Any) -> Any:
        shifted = scores - scores.amax(1, keepdim=True)
        chosen = shifted.gather(1, labels[:, None])[:, 0]
        return (shifted.exp().sum(1).log() - chosen).mean()

    functions = {"cross_entropy": both(cross_entropy), "composed": both(composed)}
    return contenders.torch_compile(functions, arrays(*args), NAMES)


def jax(*args: Any) -> Prepared:
    import jax
    import numpy as np
    from jax import numpy as jnp

    def picked(scores: Any, labels: Any) -> Any:
        logs = jax.nn.log_softmax(scores)
        return -jnp.take_along_axis(logs, labels[:, None], 1).mean()

    def masked(scores: Any, labels: Any) -> Any:
        return -jnp.where(labels[:, None] == jnp.arange(scores.shape[1]), jax.nn.log_softmax(scores), 0).sum(1).mean()

    scores, labels = arrays(*args)
    functions = {"take_along_axis": jax.value_and_grad(picked), "where": jax.value_and_grad(masked)}
    return contenders.jax_jit(functions, (scores, labels.astype(np.int32)), NAMES)


ROW = Row(
    name="entropy",
    title="softmax + cross-entropy, compiled, loss and gradient, float32",
    cases=(
        Case("64x10", (64, 10), Goal(0.5, PEERS), quick=True),
        Case("256x1000", (256, 1000), Goal(0.4, PEERS)),
        Case("8192x2048", (8192, 2048), Goal(0.4, PEERS)),
    ),
    contenders={
        "micrograd": ours, "handwritten": by_hand, "torch native": torch_native, "torch.compile": torch_compile,
        "jax": jax,
    },
    reference=reference,
    allowed=allowed,
    probes=(Probe("well-conditioned", (32, 20)), Probe("scores about 1e6", (32, 20, 1e6))),
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
