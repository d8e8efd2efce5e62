"""Rows of functions with their gradients, written once for all libraries: attention, RMS norm, an LSTM of 32 steps.

In float64 the reference is our engine's, run eagerly; in 300 bits it is the function itself, and its slopes are central
differences whose step is far below a float's last digit, so that neither leans on what is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import contenders, dialects, exact
from tests.benchmarks.row import PEERS, Case, Goal, Prepared, Probe, Row


@dataclass(frozen=True)
class Function:
    """What one of these rows computes.

    Args:
        title: what is measured.
        apply: ``apply(dialect, *leaves, *others)``, in the parts that every dialect has.
        arrays: ``leaves, others, dout`` in one tuple, from a case's sizes.
        leaves: the names of the arrays whose gradients are asked for.
        cases: sizes; the first is the small one that tests run.
        probe: sizes for 300 bits.
        directly: ``directly(torch, *arrays)``, PyTorch's kernels without autograd, where there is a way.
    """

    title: str
    apply: Callable[..., Any]
    arrays: Callable[..., tuple[Any, ...]]
    leaves: tuple[str, ...]
    cases: tuple[tuple[int, ...], ...]
    probe: tuple[int, ...]
    directly: Callable[..., Any] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return ("out", *(f"d{leaf}" for leaf in self.leaves))

    def both_ways(self, dialect: Any, vjp: Callable[..., Any]) -> Callable[..., Any]:
        """``f(*arrays)``, which returns the output and the gradients, with a library's `vjp`."""

        def forward_backward(*arrays: Any) -> Any:
            count = len(self.leaves)
            out, pull = vjp(lambda *leaves: self.apply(dialect, *leaves, *arrays[count:-1]), *arrays[:count])
            return out, *pull(arrays[-1])

        return forward_backward


def _drawn(*shapes: Sequence[int]) -> list[Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def _attention_arrays(*shape: int) -> tuple[Any, ...]:
    return tuple(_drawn(*[shape] * 4))


def _attention_directly(torch: Any, q: Any, k: Any, v: Any, dout: Any) -> Any:
    aten = torch.ops.aten
    out, logs = aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, False)
    back = aten._scaled_dot_product_flash_attention_for_cpu_backward(dout, q, k, v, out, logs, 0.0, False)
    return out, *back


def _rms_arrays(n: int, d: int) -> tuple[Any, ...]:
    x, gamma, dout = _drawn((n, d), (d,), (n, d))
    return 1 + 2 * x, 1 + gamma / 8, dout


def _lstm_arrays(steps: int, rows: int, inputs: int, width: int) -> tuple[Any, ...]:
    x, wx, wh, b, h, c, dout = _drawn((steps, rows, inputs), (inputs, 4 * width), (width, 4 * width), (4 * width,),
                                      (rows, width), (rows, width), (rows, width))  # fmt: skip
    return x, wx / inputs**0.5, wh / width**0.5, b / 8, h / 8, c / 8, dout


FUNCTIONS = {
    "attention": Function(
        "attention over (batch, heads, tokens, width), compiled, forward + backward, float32",
        lambda dialect, q, k, v: dialect.attention(q, k, v), _attention_arrays, ("q", "k", "v"),
        ((2, 2, 8, 4), (16, 4, 64, 16), (4, 8, 256, 64)), (1, 2, 4, 3), _attention_directly,
    ),
    "rms_norm": Function(
        "RMS norm, compiled, forward + backward, float32",
        lambda dialect, x, gamma: dialect.rms_norm(x, gamma), _rms_arrays, ("x", "gamma"),
        ((64, 128), (512, 256), (8192, 1024)), (4, 8),
    ),
    "lstm": Function(
        "LSTM over (steps, batch, inputs, width), compiled, forward + backward, float32",
        lambda dialect, *arrays: dialect.lstm(*arrays), _lstm_arrays, ("x", "wx", "wh", "b"),
        ((3, 4, 5, 6), (32, 32, 64, 64)), (3, 2, 3, 2),
    ),
}  # fmt: skip


# ---- what must come out ----------------------------------------------------------------------------------


def reference(function: Function, arithmetic: exact.Arithmetic, *args: int) -> dict[str, Any]:
    """The exact results by name."""
    import numpy as np

    import micrograd as mg

    arrays = [arithmetic.array(a) for a in function.arrays(*args)]
    if arithmetic is exact.FLOAT64:
        found = function.both_ways(dialects.Composed(np), mg.vjp)(*arrays)
        return dict(zip(function.names, found, strict=True))
    composed, count = dialects.Composed(arithmetic), len(function.leaves)
    step = arithmetic.array(2.0**-100).item()

    def total(given: list[Any]) -> Any:
        return (function.apply(composed, *given[:-1]) * given[-1]).sum()

    results = {"out": function.apply(composed, *arrays[:-1])}
    for place in range(count):
        slope = np.empty_like(arrays[place])
        for at in np.ndindex(slope.shape):
            beside = []
            for moved in (step, -step):
                given = [a.copy() for a in arrays]
                given[place][at] += moved
                beside.append(total(given))
            slope[at] = (beside[0] - beside[1]) / (2 * step)
        results[f"d{function.leaves[place]}"] = slope
    return results


def allowed(function: Function, *args: int) -> dict[str, Any]:
    """1e-5 of the largest entry: sums of some hundred to some thousand terms in float32."""
    import numpy as np

    return {name: 1e-5 * np.abs(value).max() for name, value in reference(function, exact.FLOAT64, *args).items()}


# ---- contenders ------------------------------------------------------------------------------------------


def ours(function: Function, *args: int) -> Prepared:
    import micrograd as mg

    f = function.both_ways(dialects.Micrograd(), mg.vjp)
    return contenders.compiled(f, function.arrays(*args), function.names)


def torch_native(function: Function, *args: int) -> Prepared:
    import torch

    arrays = contenders.torch_arrays(function.arrays(*args))
    count = len(function.leaves)
    leaves = [contenders.leaf(a) for a in arrays[:count]]

    def with_autograd(dialect: Any) -> Callable[[], Any]:
        def run() -> Any:
            out = function.apply(dialect, *leaves, *arrays[count:-1])
            return out.reshape(arrays[-1].shape), *torch.autograd.grad(out, leaves, arrays[-1].reshape(out.shape))

        return run

    settings = {"its own, autograd": with_autograd(dialects.Torch())}
    settings["composed, autograd"] = with_autograd(dialects.TorchComposed())
    if function.directly is not None:
        directly = function.directly
        settings["aten"] = lambda: directly(torch, *arrays)
    return contenders.torch_native(settings, function.names)


def torch_compile(function: Function, *args: int) -> Prepared:
    import torch

    spoken = {"composed": dialects.TorchComposed()}
    if "lstm" not in function.title.lower():  # PyTorch's own LSTM is one opaque call, which it does not compile
        spoken["its own"] = dialects.Torch()
    functions = {name: function.both_ways(dialect, torch.func.vjp) for name, dialect in spoken.items()}
    return contenders.torch_compile(functions, function.arrays(*args), function.names)


def jax(function: Function, *args: int) -> Prepared:
    import jax

    spoken = {"its own": dialects.Jax(), "composed": dialects.Composed(jax.numpy)}
    functions = {name: function.both_ways(dialect, jax.vjp) for name, dialect in spoken.items()}
    return contenders.jax_jit(functions, function.arrays(*args), function.names)


def _row(name: str, function: Function) -> Row:
    def bound(build: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: build(function, *args)

    first = function.cases[0]
    return Row(
        name=name,
        title=function.title,
        cases=tuple(
            Case("x".join(map(str, sizes)), sizes, Goal(0.8, PEERS) if name == "rms_norm" or sizes != first else None,
                 quick=sizes == first)
            for sizes in function.cases
        ),
        contenders={
            "micrograd": bound(ours), "torch native": bound(torch_native), "torch.compile": bound(torch_compile),
            "jax": bound(jax),
        },
        reference=lambda arithmetic, *args: reference(function, arithmetic, *args),
        allowed=bound(allowed),
        probes=(Probe("well-conditioned", function.probe),),
        environment=contenders.KEEP_MEMORY,
    )  # fmt: skip


ROWS = {name: _row(name, function) for name, function in FUNCTIONS.items()}
