"""On an accelerator: composed batch norm and two training steps, ours by JAX against PyTorch and JAX by hand.

python -m tests.benchmarks.gpu [--cpu]

Contenders take turns, round by round, each waiting for the device; medians are printed, and their ratios to ours. Where
there is no accelerator it says so and measures nothing; `--cpu` runs tiny sizes on the processor, which tests it.
A step of ours also brings parameters back to the host, as every call does; the peers leave theirs on the device.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Run = Callable[[], Any]
"""One step that ends when the device has ended; answers a number to compare, its loss or the sum of its outputs."""


def accelerator() -> str:
    """The name of JAX's accelerator, or ""."""
    try:
        import jax
    except ImportError:
        return ""
    device = jax.devices()[0]
    return "" if device.platform == "cpu" else str(device.device_kind)


# ---- batch norm, forward and backward ------------------------------------------------------------------------


def bn_contenders(n: int, d: int, device: str) -> dict[str, Callable[[], Run]]:
    rng = np.random.default_rng(0)
    x, dout = rng.standard_normal((2, n, d)).astype(np.float32)
    gamma, beta = rng.standard_normal((2, d)).astype(np.float32)

    def ours() -> Run:
        import micrograd as mg
        from micrograd.export import to_jax

        def bn(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
            out, pull = mg.vjp(mg.batch_norm, x, gamma, beta)
            return (out, *pull(dout))

        return _jax_run(to_jax(bn), x, gamma, beta, dout)

    def by_hand() -> Run:
        import jax

        def norm(x: Any, gamma: Any, beta: Any) -> Any:
            centred = x - x.mean(0)
            return gamma * centred * jax.lax.rsqrt((centred**2).mean(0) + 1e-5) + beta

        def bn(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
            out, pull = jax.vjp(norm, x, gamma, beta)
            return (out, *pull(dout))

        return _jax_run(bn, x, gamma, beta, dout)

    def pytorch(compiled: bool) -> Callable[[], Run]:
        def build() -> Run:
            import torch

            given = [torch.tensor(a, device=device) for a in (x, gamma, beta)]
            for tensor in given:
                tensor.requires_grad_()
            upstream = torch.tensor(dout, device=device)

            def forward(x: Any, gamma: Any, beta: Any) -> Any:
                return torch.nn.functional.batch_norm(x, None, None, gamma, beta, True, 0.1, 1e-5)

            function = torch.compile(forward) if compiled else forward

            def run() -> float:
                out = function(*given)
                found = torch.autograd.grad(out, given, upstream)
                return float(found[1].sum())  # waits for the device

            return run

        return build

    return {"ours": ours, "JAX by hand": by_hand, "PyTorch": pytorch(False), "torch.compile": pytorch(True)}


def _jax_run(f: Callable[..., Any], *arrays: Any) -> Run:
    import jax

    function, given = jax.jit(f), [jax.device_put(a) for a in arrays]

    def run() -> float:
        return float(jax.block_until_ready(function(*given))[2].sum())

    return run


# ---- training steps --------------------------------------------------------------------------------------------


def training_contenders(rows: int, sizes: list[int], convolution: bool, device: str) -> dict[str, Callable[[], Run]]:
    """A multilayer perceptron with batch norm, behind a convolution of 3x3 with 8 channels if asked for."""
    rng = np.random.default_rng(0)
    side = int(np.sqrt(sizes[0]))
    shape = (rows, 1, side, side) if convolution else (rows, sizes[0])
    x, y = rng.standard_normal(shape).astype(np.float32), rng.integers(0, sizes[-1], rows)
    inside = [8 * side * side if convolution else sizes[0], *sizes[1:]]

    def ours() -> Run:
        import micrograd as mg
        from micrograd import nn, optim

        model: Any = nn.mlp(inside, batch_norm=True, rng=0, dtype=np.float32)
        if convolution:
            first = nn.Conv2d(1, 8, 3, padding=1, rng=0, dtype=np.float32)
            model = nn.Sequential(first, nn.ReLU(), nn.Flatten(), model)
        optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

        def step(x: Any, y: Any) -> Any:
            loss = mg.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        function = mg.compile(step, backend="jax")
        return lambda: float(function(x, y))

    def pytorch(compiled: bool) -> Callable[[], Run]:
        def build() -> Run:
            import torch
            from torch import nn

            layers: list[Any] = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten()] if convolution else []
            for a, b in pairwise(inside[:-1]):
                layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()]
            model = nn.Sequential(*layers, nn.Linear(*inside[-2:])).to(device)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            images, labels = torch.tensor(x, device=device), torch.tensor(y, device=device)
            function = torch.compile(model) if compiled else model

            def run() -> float:
                loss = nn.functional.cross_entropy(function(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                return float(loss.detach())

            return run

        return build

    def by_hand() -> Run:
        import jax
        import jax.numpy as jnp

        draw = np.random.default_rng(0)

        def he(*shape: int) -> Any:
            fan = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
            return jnp.asarray(draw.standard_normal(shape) * np.sqrt(2 / fan), jnp.float32)

        pairs = list(pairwise(inside))
        parameters: Any = {"w": [he(a, b) for a, b in pairs], "b": jnp.zeros(inside[-1]),
                           "bn": [(jnp.ones(b), jnp.zeros(b)) for _, b in pairs[:-1]]}  # fmt: skip
        if convolution:
            parameters |= {"k": he(8, 1, 3, 3), "kb": jnp.zeros((8, 1, 1))}

        def loss(p: Any, x: Any, y: Any) -> Any:
            if convolution:
                x = jax.nn.relu(jax.lax.conv(x, p["k"], (1, 1), "SAME") + p["kb"]).reshape(len(x), -1)
            for w, (gamma, beta) in zip(p["w"], p["bn"], strict=False):
                x = x @ w
                centred = x - x.mean(0)
                x = jax.nn.relu(gamma * centred * jax.lax.rsqrt((centred**2).mean(0) + 1e-5) + beta)
            scores = jax.nn.log_softmax(x @ p["w"][-1] + p["b"])
            return -scores[jnp.arange(len(y)), y].mean()

        @jax.jit
        def step(p: Any, v: Any, x: Any, y: Any) -> Any:
            value, g = jax.value_and_grad(loss)(p, x, y)
            v = jax.tree.map(lambda v, g: 0.9 * v + g, v, g)
            return value, jax.tree.map(lambda p, v: p - 0.01 * v, p, v), v

        held = [parameters, jax.tree.map(jnp.zeros_like, parameters)]
        images, labels = jax.device_put(x), jax.device_put(y)

        def run() -> float:
            value, *held[:] = step(*held, images, labels)
            jax.block_until_ready(held)
            return float(value)

        return run

    return {"ours": ours, "JAX by hand": by_hand, "PyTorch": pytorch(False), "torch.compile": pytorch(True)}


# ---- measuring -------------------------------------------------------------------------------------------------


def measure(contenders: dict[str, Callable[[], Run]], rounds: int) -> dict[str, float | str]:
    """Seconds a step, the median over rounds in which all take turns; or why one cannot run."""
    runs: dict[str, Run] = {}
    answers: dict[str, float | str] = {}
    for name, build in contenders.items():
        try:
            runs[name] = build()
            for _ in range(3):
                if not np.isfinite(runs[name]()):
                    raise ArithmeticError("its result is not finite")
        except Exception as error:  # noqa: BLE001 (a peer that cannot run is told, whatever the reason)
            answers[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"
            runs.pop(name, None)
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            samples[name].append(time.perf_counter() - start)
    return answers | {name: statistics.median(found) for name, found in samples.items()}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="tiny sizes on the processor")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--without", action="append", default=[], help="leave a contender out")
    given = parser.parse_args(arguments)
    name = accelerator()
    if not name and not given.cpu:
        print("gpu: skipped, JAX sees no accelerator here (--cpu runs tiny sizes on the processor)")
        return 0
    device = "cpu" if given.cpu else "cuda"
    cases: dict[str, dict[str, Callable[[], Run]]]
    if given.cpu:
        cases = {"BN 8x4": bn_contenders(8, 4, device), "MLP 16-8-4, 8": training_contenders(8, [16, 8, 4], False, device),
                 "convolution 4x4, 8": training_contenders(8, [16, 8, 4], True, device)}  # fmt: skip
    else:
        sizes = [784, 1024, 1024, 10]
        cases = {f"BN {n}x{d}": bn_contenders(n, d, device) for n, d in ((256, 1024), (4096, 1024), (65536, 256))}
        cases |= {"MLP 784-1024-1024-10, 512": training_contenders(512, sizes, False, device),
                  "convolution 28x28, 512": training_contenders(512, [784, 256, 10], True, device)}  # fmt: skip
    print(f"device: {name or 'cpu'}")
    failed = 0
    for case, contenders in cases.items():
        found = measure({k: v for k, v in contenders.items() if k not in given.without}, given.rounds)
        ours = found["ours"]
        failed += isinstance(ours, str)
        for contender, seconds in found.items():
            if isinstance(seconds, str):
                print(f"{case:28} {contender:14} cannot run: {seconds}")
            else:
                ratio = f"{ours / seconds:6.2f} ours / this" if isinstance(ours, float) else ""
                print(f"{case:28} {contender:14} {seconds * 1e6:10.1f} us {ratio}")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
