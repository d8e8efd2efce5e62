"""Row 10: layer norm over the last axis, forward + backward, float32.

Source: J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks import compiled_bn, contenders, exact
from tests.benchmarks.compiled_bn import NAMES, arrays, both_ways
from tests.benchmarks.row import PEERS, Case, Goal, Prepared, Probe, Row

EPS = exact.EPS


def reference(arithmetic: exact.Arithmetic, *args: Any) -> dict[str, Any]:
    """A row of layer norm is a column of batch norm with gamma 1; gamma and beta come after it."""
    x, gamma, beta, dout = (arithmetic.array(a) for a in arrays(*args))
    scaled = dout * gamma
    one = exact.batch_norm(arithmetic, x.T, arithmetic.array(1.0), arithmetic.array(0.0), scaled.T)
    xhat = one["out"].T
    return {
        "out": gamma * xhat + beta,
        "dx": one["dx"].T,
        "dgamma": (dout * xhat).sum(0),
        "dbeta": dout.sum(0),
    }


def allowed(*args: Any) -> dict[str, Any]:
    """The bound of batch norm for `out` and `dx`; the sums over the rows add up the errors of their terms."""
    import numpy as np

    from micrograd.batchnorm.tolerance import ALLOWED_U, bn_bounds, unit_roundoff

    x, gamma, beta, dout = arrays(*args)
    ones, zeros = np.ones(len(x)), np.zeros(len(x))
    scaled = dout.astype(np.float64) * gamma
    bound = bn_bounds(x.T, ones, zeros, scaled.T, EPS, x.dtype)
    xhat = exact.batch_norm(exact.FLOAT64, x.T, ones, zeros, scaled.T)["out"].T
    u = unit_roundoff(x.dtype)
    sums = [_running(terms) for terms in (dout * xhat, dout.astype(np.float64))]
    return {
        "out": np.abs(gamma) * bound.out.T + ALLOWED_U * u * np.abs(beta),
        "dx": bound.dx.T,
        "dgamma": ALLOWED_U * u * sums[0] + (np.abs(dout) * bound.out.T).sum(0),
        "dbeta": ALLOWED_U * u * sums[1],
    }


def _running(terms: Any) -> Any:
    """Sums of sizes, never less than an eighth of the sizes of the running sums (micrograd.batchnorm.tolerance)."""
    import numpy as np

    return np.maximum(np.abs(terms).sum(0), np.abs(np.cumsum(terms, 0)).sum(0) / 8)


def composed(x: Any, gamma: Any, beta: Any, sqrt: Any) -> Any:
    """In the operators that every peer shares."""
    n = x.shape[1]
    mu = 1 / n * x.sum(1, keepdims=True)
    xmu = x - mu
    sq = xmu**2
    var = 1 / n * sq.sum(1, keepdims=True)
    ivar = 1 / sqrt(var + EPS)
    xhat = xmu * ivar
    return gamma * xhat + beta


def ours(*args: Any) -> Prepared:
    import numpy as np

    import micrograd as mg

    f = both_ways(mg.vjp, lambda x, gamma, beta: composed(x, gamma, beta, np.sqrt))
    return contenders.compiled(f, arrays(*args), NAMES)


def _torch_layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
    from torch.nn.functional import layer_norm

    return layer_norm(x, x.shape[1:], gamma, beta, EPS)


def torch_native(*args: Any) -> Prepared:
    import torch

    x, gamma, beta, dout = contenders.torch_arrays(arrays(*args))
    leaves = [contenders.leaf(a) for a in (x, gamma, beta)]
    over = list(x.shape[1:])
    forward = torch.ops.aten.native_layer_norm.default
    backward = torch.ops.aten.native_layer_norm_backward.default

    def with_autograd() -> Any:
        out = _torch_layer_norm(*leaves)
        return out, *torch.autograd.grad(out, leaves, dout)

    def directly() -> Any:
        out, mean, ivar = forward(x, over, gamma, beta, EPS)
        return out, *backward(dout, x, over, mean, ivar, gamma, beta, [True, True, True])

    settings: dict[str, Callable[[], Any]] = {"autograd": with_autograd, "aten": directly}
    return contenders.torch_native(settings, NAMES)


def torch_compile(*args: Any) -> Prepared:
    import torch

    functions = {
        "composed": both_ways(torch.func.vjp, lambda x, gamma, beta: composed(x, gamma, beta, torch.sqrt)),
        "layer_norm": both_ways(torch.func.vjp, _torch_layer_norm),
    }
    return contenders.torch_compile(functions, arrays(*args), NAMES)


def jax(*args: Any) -> Prepared:
    import jax
    from jax import numpy as jnp

    f = both_ways(jax.vjp, lambda x, gamma, beta: composed(x, gamma, beta, jnp.sqrt))
    return contenders.jax_jit({"composed": f}, arrays(*args), NAMES)


def by_hand(*args: Any) -> Prepared:
    """Plain NumPy, the compact backward formula."""
    import numpy as np

    def f(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        n = np.float32(x.shape[1])
        xmu = x - x.mean(1, keepdims=True)
        ivar = 1 / np.sqrt((xmu * xmu).mean(1, keepdims=True) + np.float32(EPS))
        xhat = xmu * ivar
        dxhat = dout * gamma
        dx = ivar / n * (n * dxhat - dxhat.sum(1, keepdims=True) - xhat * (dxhat * xhat).sum(1, keepdims=True))
        return gamma * xhat + beta, dx, (dout * xhat).sum(0), dout.sum(0)

    return contenders.handwritten(f, arrays(*args), NAMES)


ROW = Row(
    name="layer_norm",
    title="layer norm, compiled, forward + backward, float32",
    cases=tuple(
        Case(f"{n}x{d}", (n, d), Goal(limit, PEERS), quick=n == compiled_bn.SIZES[0][0])
        for n, d, limit in ((64, 128, 0.4), (512, 256, 0.5), (8192, 1024, 0.8))
    ),
    contenders={
        "micrograd": ours, "handwritten": by_hand, "torch native": torch_native, "torch.compile": torch_compile,
        "jax": jax,
    },
    reference=reference,
    allowed=allowed,
    probes=(
        Probe("well-conditioned", (16, 96)),
        Probe("mean/std = 1e6", (16, 96, "float32", 1e6, 1.0), {"out": 1e-6}),
    ),
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
