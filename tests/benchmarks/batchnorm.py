"""Row 3: batch normalization composed of primitives, eager, forward + backward, float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks.row import Case, Goal, Prepared, Row

EPS = 1e-5


def _arrays(n: int, d: int) -> tuple[Any, Any, Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    drawn = rng.normal(1, 2, (n, d)), rng.normal(1, 0.1, d), rng.normal(0, 0.1, d), rng.normal(0, 1, (n, d))
    x, gamma, beta, dout = (a.astype(np.float32) for a in drawn)
    return x, gamma, beta, dout


def composed(x: Any, gamma: Any, beta: Any, sqrt: Any) -> Any:
    """The staged graph in the operators that every peer shares."""
    n = x.shape[0]
    mu = 1 / n * x.sum(0)
    xmu = x - mu
    sq = xmu**2
    var = 1 / n * sq.sum(0)
    ivar = 1 / sqrt(var + EPS)
    xhat = xmu * ivar
    return gamma * xhat + beta


def _prepared(run: Callable[[], tuple[Any, Any, Any, Any]]) -> Prepared:
    """`run` answers out, dx, dgamma, dbeta, in whatever arrays the contender has."""

    def answer() -> list[float]:
        import numpy as np

        out, dx, dgamma, dbeta = (np.asarray(a, np.float64) for a in run())
        # a few numbers each, by magnitudes that do not cancel, so that a transposed or forgotten term shows
        return [float(np.abs(a).sum()) for a in (out, dx, dgamma, dbeta)] + [float(a) for a in out[:2, :2].ravel()]

    return Prepared(run, answer)


def ours(n: int, d: int) -> Prepared:
    from micrograd import Tensor
    from micrograd.batchnorm import batch_norm

    arrays = _arrays(n, d)
    dout = arrays[-1]

    def run() -> Any:
        x, gamma, beta = (Tensor(a) for a in arrays[:3])  # copied at the door: what a user pays
        out = batch_norm(x, gamma, beta, EPS)
        out.backward(dout)
        return out.data, x.grad, gamma.grad, beta.grad

    return _prepared(run)


def ours_leaves(n: int, d: int) -> Prepared:
    from micrograd import Tensor
    from micrograd.batchnorm import batch_norm

    *arrays, dout = _arrays(n, d)
    x, gamma, beta = (Tensor(a) for a in arrays)

    def run() -> Any:
        x.grad = gamma.grad = beta.grad = None
        out = batch_norm(x, gamma, beta, EPS)
        out.backward(dout)
        return out.data, x.grad, gamma.grad, beta.grad

    return _prepared(run)


def handwritten(n: int, d: int) -> Prepared:
    from micrograd.batchnorm import batchnorm_backward, batchnorm_forward

    x, gamma, beta, dout = _arrays(n, d)

    def run() -> Any:
        out, cache = batchnorm_forward(x, gamma, beta, EPS)
        return out, *batchnorm_backward(dout, cache)

    return _prepared(run)


def _torch(n: int, d: int, native: bool) -> Prepared:
    import torch

    torch.set_num_threads(2)
    *arrays, seed = _arrays(n, d)
    dout = torch.from_numpy(seed)

    def run() -> Any:
        # from_numpy shares the memory: torch pays no copy and would not notice a mutation
        x, gamma, beta = (torch.from_numpy(a).requires_grad_() for a in arrays)
        if native:
            out = torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=EPS)
        else:
            out = composed(x, gamma, beta, torch.sqrt)
        out.backward(dout)
        return out.detach(), x.grad, gamma.grad, beta.grad

    return _prepared(run)


def torch_composed(n: int, d: int) -> Prepared:
    return _torch(n, d, native=False)


def torch_native(n: int, d: int) -> Prepared:
    return _torch(n, d, native=True)


def autograd(n: int, d: int) -> Prepared:
    import autograd.numpy as anp
    from autograd.differential_operators import make_vjp

    *arrays, dout = _arrays(n, d)
    pull = make_vjp(lambda x, gamma, beta: composed(x, gamma, beta, anp.sqrt), argnum=(0, 1, 2))

    def run() -> Any:
        vjp, out = pull(*arrays)
        return out, *vjp(dout)

    return _prepared(run)


def mygrad(n: int, d: int) -> Prepared:
    import mygrad

    mygrad.turn_memory_guarding_off()  # its documentation: faster, for code that is known not to mutate
    *arrays, dout = _arrays(n, d)

    def run() -> Any:
        x, gamma, beta = (mygrad.tensor(a, copy=False) for a in arrays)
        out = composed(x, gamma, beta, mygrad.sqrt)
        out.backward(dout)
        return out.data, x.grad, gamma.grad, beta.grad

    return _prepared(run)


ROW = Row(
    name="batchnorm",
    title="composed batch norm, eager, forward + backward, float32",
    cases=(
        Case("64x128", (64, 128), Goal(1.3, "handwritten"), quick=True),
        Case("256x1024", (256, 1024), Goal(0.9, "handwritten")),
        Case("4096x1024", (4096, 1024), Goal(0.9, "handwritten")),
        Case("65536x256", (65536, 256), Goal(0.9, "handwritten")),
    ),
    contenders={
        "micrograd": ours, "micrograd, leaves made": ours_leaves, "handwritten": handwritten, "torch": torch_composed,
        "torch native": torch_native, "autograd": autograd, "mygrad": mygrad,
    },
    rtol=1e-4,  # float32, sums of up to 16 million terms
)  # fmt: skip
