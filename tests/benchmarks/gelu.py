"""Row 12: an elementwise chain of 20 operations, forward + backward, float32: two gelus and a line between them.

Source: D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, the form with tanh.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tests.benchmarks import contenders, exact
from tests.benchmarks.row import PEERS, Case, Goal, Prepared, Probe, Row

NAMES = ("out", "dx")
ROOT, CUBIC = math.sqrt(2.0 / math.pi), 0.044715
SLOPE, SHIFT = 1.7, 0.3


def arrays(n: int, d: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d), np.float32), rng.standard_normal((n, d), np.float32)


def gelu(x: Any, tanh: Callable[[Any], Any]) -> Any:
    """Nine operations."""
    return 0.5 * x * (1.0 + tanh(ROOT * (x + CUBIC * (x * x * x))))


def chain(x: Any, gelu: Callable[[Any], Any]) -> Any:
    """Twenty operations."""
    return gelu(SLOPE * gelu(x) + SHIFT)


def _value_and_slope(x: Any, tanh: Callable[[Any], Any]) -> tuple[Any, Any]:
    t = tanh(ROOT * (x + CUBIC * x * x * x))
    return x * (1 + t) / 2, (1 + t) / 2 + x * (1 - t * t) / 2 * ROOT * (1 + 3 * CUBIC * x * x)


def reference(arithmetic: exact.Arithmetic, *args: Any) -> dict[str, Any]:
    x, dout = (arithmetic.array(a) for a in arrays(*args))
    y, inner = _value_and_slope(x, arithmetic.tanh)
    out, outer = _value_and_slope(SLOPE * y + SHIFT, arithmetic.tanh)
    return {"out": out, "dx": dout * outer * SLOPE * inner}


def allowed(*args: Any) -> dict[str, Any]:
    """64 u times the sizes of the terms: those of ``x (1 + t)``, and of the two summands of the slope."""
    import numpy as np

    x, dout = (a.astype(np.float64) for a in arrays(*args))
    u, size = 2.0**-24, np.abs(x)
    return {"out": 64 * u * (1 + 2 * size), "dx": 64 * u * np.abs(dout) * (1 + size) ** 3}


def both_ways(vjp: Callable[..., Any], f: Callable[[Any], Any]) -> Callable[..., Any]:
    def forward_backward(x: Any, dout: Any) -> Any:
        out, pull = vjp(f, x)
        return out, *pull(dout)

    return forward_backward


def ours(*args: Any) -> Prepared:
    import micrograd as mg

    f = both_ways(mg.vjp, lambda x: chain(x, mg.functional.gelu))
    return contenders.compiled(f, arrays(*args), NAMES)


def by_hand(*args: Any) -> Prepared:
    import numpy as np

    def f(x: Any, dout: Any) -> Any:
        y, inner = _value_and_slope(x, np.tanh)
        out, outer = _value_and_slope(SLOPE * y + SHIFT, np.tanh)
        return out, dout * outer * SLOPE * inner

    return contenders.handwritten(f, arrays(*args), NAMES)


def _torch_gelu(x: Any) -> Any:
    from torch.nn.functional import gelu as library

    return library(x, approximate="tanh")


def torch_native(*args: Any) -> Prepared:
    import torch

    x, dout = contenders.torch_arrays(arrays(*args))
    leaf = contenders.leaf(x)
    forward, backward = torch.ops.aten.gelu.default, torch.ops.aten.gelu_backward.default

    def with_autograd(gelu: Callable[[Any], Any]) -> Callable[[], Any]:
        def run() -> Any:
            out = chain(leaf, gelu)
            return out, *torch.autograd.grad(out, leaf, dout)

        return run

    def directly() -> Any:
        y = forward(x, approximate="tanh").mul_(SLOPE).add_(SHIFT)
        out = forward(y, approximate="tanh")
        dy = backward(dout, y, approximate="tanh").mul_(SLOPE)
        return out, backward(dy, x, approximate="tanh")

    settings = {
        "its gelu, autograd": with_autograd(_torch_gelu),
        "its gelu, aten": directly,
        "composed, autograd": with_autograd(lambda x: gelu(x, torch.tanh)),
    }
    return contenders.torch_native(settings, NAMES)


def torch_compile(*args: Any) -> Prepared:
    import torch

    functions = {
        "composed": both_ways(torch.func.vjp, lambda x: chain(x, lambda y: gelu(y, torch.tanh))),
        "its gelu": both_ways(torch.func.vjp, lambda x: chain(x, _torch_gelu)),
    }
    return contenders.torch_compile(functions, arrays(*args), NAMES)


def jax(*args: Any) -> Prepared:
    import jax
    from jax import numpy as jnp

    functions = {
        "composed": both_ways(jax.vjp, lambda x: chain(x, lambda y: gelu(y, jnp.tanh))),
        "its gelu": both_ways(jax.vjp, lambda x: chain(x, jax.nn.gelu)),
    }
    return contenders.jax_jit(functions, arrays(*args), NAMES)


ROW = Row(
    name="gelu",
    title="elementwise chain of 20 operations, compiled, forward + backward, float32",
    cases=tuple(
        Case(f"{n}x{d}", (n, d), Goal(limit, PEERS), quick=n == 64)
        for n, d, limit in ((64, 64, 0.4), (512, 256, 0.6), (4096, 2048, 0.7))
    ),
    contenders={
        "micrograd": ours, "handwritten": by_hand, "torch native": torch_native, "torch.compile": torch_compile,
        "jax": jax,
    },
    reference=reference,
    allowed=allowed,
    probes=(Probe("well-conditioned", (32, 20)),),
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
