"""Row 8: batch normalization composed of primitives and compiled, forward + backward, in float32 and float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks import contenders, exact
from tests.benchmarks.batchnorm import EPS, composed
from tests.benchmarks.row import PEERS, Case, Goal, Mean, Prepared, Probe, Row

NAMES = ("out", "dx", "dgamma", "dbeta")


def arrays(n: int, d: int, dtype: str = "float32", offset: float = 1.0, spread: float = 2.0) -> tuple[Any, ...]:
    """``x, gamma, beta, dout``: a gamma that is not 1, and a dout that leans on x, so that no term vanishes."""
    import numpy as np

    rng = np.random.default_rng(0)
    noise = rng.standard_normal((n, d))
    x, gamma, beta = offset + spread * noise, rng.normal(1, 0.1, d), rng.normal(0, 0.1, d)
    dout = rng.standard_normal((n, d)) + 0.3 + 0.2 * noise
    return tuple(a.astype(dtype) for a in (x, gamma, beta, dout))


def reference(arithmetic: exact.Arithmetic, *args: Any) -> dict[str, Any]:
    return exact.batch_norm(arithmetic, *arrays(*args))


def allowed(*args: Any) -> dict[str, Any]:
    return exact.batch_norm_allowed(*arrays(*args))


def both_ways(vjp: Callable[..., Any], norm: Callable[..., Any]) -> Callable[..., Any]:
    """``f(x, gamma, beta, dout)`` that answers the output and the three gradients, with a library's `vjp`."""

    def forward_backward(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        out, pull = vjp(norm, x, gamma, beta)
        return (out, *pull(dout))

    return forward_backward


def ours(*args: Any) -> Prepared:
    import numpy as np

    import micrograd as mg

    f = both_ways(mg.vjp, lambda x, gamma, beta: composed(x, gamma, beta, np.sqrt))
    return contenders.compiled(f, arrays(*args), NAMES)


def by_hand(*args: Any) -> Prepared:
    from micrograd.batchnorm import batchnorm_backward, batchnorm_forward

    def f(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        out, cache = batchnorm_forward(x, gamma, beta, EPS)
        return out, *batchnorm_backward(dout, cache)

    return contenders.handwritten(f, arrays(*args), NAMES)


def torch_batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    from torch.nn.functional import batch_norm

    return batch_norm(x, None, None, gamma, beta, training=True, eps=EPS)


def torch_settings(x: Any, gamma: Any, beta: Any, dout: Any) -> dict[str, Callable[[], Any]]:
    """The ways to PyTorch's own kernel, for any layout that it takes: with autograd, without its overhead, without fresh outputs."""
    import torch

    leaves = [contenders.leaf(a) for a in (x, gamma, beta)]
    backward = torch.ops.aten.native_batch_norm_backward.default
    forward_into, backward_into = torch.ops.aten.native_batch_norm.out, torch.ops.aten.native_batch_norm_backward.out
    out_there, dx_there = torch.empty_like(x), torch.empty_like(x)
    small = [torch.empty_like(gamma) for _ in range(4)]

    def with_autograd() -> Any:
        out = torch_batch_norm(*leaves)
        return out, *torch.autograd.grad(out, leaves, dout)

    def directly() -> Any:
        out, mean, ivar = torch.native_batch_norm(x, gamma, beta, None, None, True, 0.1, EPS)
        return out, *backward(dout, x, gamma, None, None, mean, ivar, True, EPS, [True, True, True])

    def into_arrays_that_are_there() -> Any:
        mean, ivar, dgamma, dbeta = small
        forward_into(x, gamma, beta, None, None, True, 0.1, EPS, out=out_there, save_mean=mean, save_invstd=ivar)
        backward_into(dout, x, gamma, None, None, mean, ivar, True, EPS, [True, True, True],
                      out0=dx_there, out1=dgamma, out2=dbeta)  # fmt: skip
        return out_there, dx_there, dgamma, dbeta

    return {"autograd": with_autograd, "aten": directly, "aten, out=": into_arrays_that_are_there}


def torch_native(*args: Any) -> Prepared:
    return contenders.torch_native(torch_settings(*contenders.torch_arrays(arrays(*args))), NAMES)


def torch_compile(*args: Any) -> Prepared:
    import torch

    functions = {
        "composed": both_ways(torch.func.vjp, lambda x, gamma, beta: composed(x, gamma, beta, torch.sqrt)),
        "batch_norm": both_ways(torch.func.vjp, torch_batch_norm),
    }
    return contenders.torch_compile(functions, arrays(*args), NAMES)


def jax(*args: Any, numpy_io: bool = False) -> Prepared:
    import jax
    from jax import numpy as jnp

    f = both_ways(jax.vjp, lambda x, gamma, beta: composed(x, gamma, beta, jnp.sqrt))
    return contenders.jax_jit({"composed": f}, arrays(*args), NAMES, numpy_io)


def jax_numpy(*args: Any) -> Prepared:
    return jax(*args, numpy_io=True)


SIZES = ((64, 128), (256, 1024), (4096, 1024), (65536, 256))
LIMITS = {"float32": (0.25, 0.5, 0.75, 0.8), "float64": (0.3, 0.6, 0.75, 0.8)}


def _cases(dtype: str) -> tuple[Case, ...]:
    return tuple(
        Case(f"{n}x{d} {dtype}", (n, d, dtype), Goal(limit, PEERS), quick=(n, d) == SIZES[0])
        for (n, d), limit in zip(SIZES, LIMITS[dtype], strict=True)
    )


def _mean(dtype: str) -> Mean:
    return Mean(f"geometric mean {dtype}", tuple(f"{n}x{d} {dtype}" for n, d in SIZES))


ROW = Row(
    name="compiled_bn",
    title="composed batch norm, compiled, forward + backward",
    cases=_cases("float32") + _cases("float64"),
    contenders={
        "micrograd": ours, "handwritten": by_hand, "torch native": torch_native, "torch.compile": torch_compile, "jax": jax,
        "jax, NumPy in and out": jax_numpy,
    },
    reference=reference,
    allowed=allowed,
    probes=(
        Probe("well-conditioned", (96, 16)),
        Probe("mean/std = 1e6", (96, 16, "float32", 1e6, 1.0), {"out": 1e-6}),
    ),
    means=(_mean("float32"), _mean("float64")),
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
