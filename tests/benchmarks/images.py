"""Row 13: batch norm over a batch of images (N, C, H, W), statistics over N, H and W, forward + backward, float32."""

from __future__ import annotations

import math
from typing import Any

from tests.benchmarks import compiled_bn, contenders, exact
from tests.benchmarks.compiled_bn import NAMES, both_ways
from tests.benchmarks.row import PEERS, Case, Goal, Prepared, Probe, Row

EPS = exact.EPS


def arrays(n: int, c: int, h: int, w: int, offset: float = 1.0, spread: float = 2.0) -> tuple[Any, ...]:
    """Rows of pixels, made images: channels second, contiguous."""
    x, gamma, beta, dout = compiled_bn.arrays(n * h * w, c, "float32", offset, spread)
    return _images(x, n, h, w), gamma, beta, _images(dout, n, h, w)


def _images(rows: Any, n: int, h: int, w: int) -> Any:
    import numpy as np

    return np.ascontiguousarray(rows.reshape(n, h, w, -1).transpose(0, 3, 1, 2))


def reference(arithmetic: exact.Arithmetic, n: int, c: int, h: int, w: int, *rest: float) -> dict[str, Any]:
    found = exact.batch_norm(arithmetic, *compiled_bn.arrays(n * h * w, c, "float32", *(rest or (1.0, 2.0))))
    return found | {name: _images(found[name], n, h, w) for name in ("out", "dx")}


def allowed(n: int, c: int, h: int, w: int) -> dict[str, Any]:
    bound = exact.batch_norm_allowed(*compiled_bn.arrays(n * h * w, c))
    return bound | {name: _images(bound[name], n, h, w) for name in ("out", "dx")}


def composed(x: Any, gamma: Any, beta: Any, sqrt: Any) -> Any:
    """The staged graph, in the operators that every peer shares."""
    over, unit = (0, 2, 3), (1, -1, 1, 1)
    n = math.prod(x.shape) // x.shape[1]
    mu = 1 / n * x.sum(over, keepdims=True)
    xmu = x - mu
    sq = xmu**2
    var = 1 / n * sq.sum(over, keepdims=True)
    ivar = 1 / sqrt(var + EPS)
    xhat = xmu * ivar
    return gamma.reshape(unit) * xhat + beta.reshape(unit)


def ours(*args: Any) -> Prepared:
    import numpy as np

    import micrograd as mg

    f = both_ways(mg.vjp, lambda x, gamma, beta: composed(x, gamma, beta, np.sqrt))
    return contenders.compiled(f, arrays(*args), NAMES)


def torch_native(*args: Any) -> Prepared:
    return contenders.torch_native(compiled_bn.torch_settings(*contenders.torch_arrays(arrays(*args))), NAMES)


def torch_channels_last(*args: Any) -> Prepared:
    """The same on another layout of the images, for whoever may choose it: no goal speaks of it."""
    import torch

    x, gamma, beta, dout = contenders.torch_arrays(arrays(*args))
    x, dout = (a.contiguous(memory_format=torch.channels_last) for a in (x, dout))
    return contenders.torch_native(compiled_bn.torch_settings(x, gamma, beta, dout), NAMES)


def torch_compile(*args: Any) -> Prepared:
    import torch

    functions = {
        "composed": both_ways(torch.func.vjp, lambda x, gamma, beta: composed(x, gamma, beta, torch.sqrt)),
        "batch_norm": both_ways(torch.func.vjp, compiled_bn.torch_batch_norm),
    }
    return contenders.torch_compile(functions, arrays(*args), NAMES)


def jax(*args: Any) -> Prepared:
    import jax
    from jax import numpy as jnp

    f = both_ways(jax.vjp, lambda x, gamma, beta: composed(x, gamma, beta, jnp.sqrt))
    return contenders.jax_jit({"composed": f}, arrays(*args), NAMES)


ROW = Row(
    name="images",
    title="batch norm of images, compiled, forward + backward, float32",
    cases=(
        Case("32x64x28x28", (32, 64, 28, 28), Goal(0.7, PEERS)),
        Case("4x8x5x5", (4, 8, 5, 5), quick=True),
    ),
    contenders={
        "micrograd": ours, "torch native": torch_native, "torch native, channels last": torch_channels_last,
        "torch.compile": torch_compile, "jax": jax,
    },
    reference=reference,
    allowed=allowed,
    probes=(
        Probe("well-conditioned", (4, 4, 5, 5)),
        Probe("mean/std = 1e6", (4, 4, 5, 5, 1e6, 1.0), {"out": 1e-6}),
    ),
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
