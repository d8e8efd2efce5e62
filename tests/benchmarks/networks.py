"""Rows of whole training steps, each network written once for all libraries: a character transformer, a residual
network on images, and Adam by itself.

A step changes parameters and the optimiser's memory; the first three are held against ours in float64, run eagerly,
with the optimiser written out. Batch norm goes by the statistics of the batch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from tests.benchmarks import contenders, dialects
from tests.benchmarks.mlp import STEPS, judged
from tests.benchmarks.row import PEERS, THREADS, Case, Goal, Prepared, Row

State = dict[str, Any]
EPS = 1e-6
"""Adam's: large enough that a slope which is rounding alone moves nothing far."""

BETAS, MOMENTUM = (0.9, 0.999), 0.9


@dataclass(frozen=True)
class Network:
    """What one of these rows trains.

    Args:
        title: what is measured.
        start: the parameters by name, from a case's sizes.
        batch: the arrays of a batch; one for each parameter, its slope, where there is no loss.
        loss: ``loss(dialect, parameters, *batch)``; None where the row is the optimiser alone.
        optimizer: ``"adam"`` or ``"sgd"``, with momentum.
        rate: its learning rate.
        cases: names and sizes; the last is the small one that tests run.
    """

    title: str
    start: Callable[..., State]
    batch: Callable[..., tuple[Any, ...]]
    loss: Callable[..., Any] | None
    optimizer: str
    rate: float
    cases: Mapping[str, tuple[int, ...]]


def _float32(state: Mapping[str, Any]) -> State:
    return {name: array.astype("float32") for name, array in state.items()}


# ---- a character transformer -----------------------------------------------------------------------------

CHARACTERS, HEADS, LAYERS = 65, 4, 2


def _transformer_start(rows: int, tokens: int, width: int) -> State:
    """No biases in attention: the slope of a key's is 0 but for rounding, which Adam would follow."""
    import numpy as np

    rng = np.random.default_rng(0)
    state: State = {"embedding": 0.5 * rng.standard_normal((CHARACTERS, width))}
    state["places"] = 0.1 * rng.standard_normal((tokens, width))

    def normal(name: str) -> None:
        state[f"{name}.gamma"], state[f"{name}.beta"] = rng.normal(1, 0.1, width), rng.normal(0, 0.1, width)

    def linear(name: str, inputs: int, outputs: int) -> None:
        state[f"{name}.weight"] = rng.standard_normal((inputs, outputs)) / inputs**0.5

    for layer in range(LAYERS):
        normal(f"{layer}.before")
        linear(f"{layer}.qkv", width, 3 * width)
        linear(f"{layer}.out", width, width)
        normal(f"{layer}.between")
        linear(f"{layer}.up", width, 4 * width)
        state[f"{layer}.bias"] = 0.1 * rng.standard_normal(4 * width)
        linear(f"{layer}.down", 4 * width, width)
    normal("last")
    linear("head", width, CHARACTERS)
    return _float32(state)


def _transformer_batch(rows: int, tokens: int, width: int) -> tuple[Any, Any]:
    import numpy as np

    text = np.random.default_rng(1).integers(0, CHARACTERS, (rows, tokens + 1))
    return np.ascontiguousarray(text[:, :-1]), text[:, 1:].reshape(-1)


def _transformer_loss(dialect: Any, p: State, characters: Any, following: Any) -> Any:
    rows, tokens = characters.shape
    width = p["embedding"].shape[1]

    def split(part: Any) -> Any:
        return part.reshape((rows, tokens, HEADS, width // HEADS)).swapaxes(1, 2)

    x = (p["embedding"][characters] + p["places"]).reshape((rows * tokens, width))
    for layer in range(LAYERS):
        h = dialect.layer_norm(x, p[f"{layer}.before.gamma"], p[f"{layer}.before.beta"]) @ p[f"{layer}.qkv.weight"]
        q, k, v = (split(h[:, part * width : (part + 1) * width]) for part in range(3))
        h = dialect.attention(q, k, v, causal=True).swapaxes(1, 2).reshape((rows * tokens, width))
        x = x + h @ p[f"{layer}.out.weight"]
        h = dialect.layer_norm(x, p[f"{layer}.between.gamma"], p[f"{layer}.between.beta"])
        x = x + dialect.gelu(h @ p[f"{layer}.up.weight"] + p[f"{layer}.bias"]) @ p[f"{layer}.down.weight"]
    x = dialect.layer_norm(x, p["last.gamma"], p["last.beta"])
    return dialect.cross_entropy(x @ p["head.weight"], following)


# ---- a residual network on images ------------------------------------------------------------------------


def _blocks(width: int) -> tuple[tuple[int, int, int], ...]:
    """Inputs, outputs and stride of each block."""
    return (width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)


def _residual_start(rows: int, side: int, width: int) -> State:
    import numpy as np

    rng = np.random.default_rng(0)
    state: State = {}

    def conv(name: str, inputs: int, outputs: int, kernel: int) -> None:
        shape = (outputs, inputs, kernel, kernel)
        state[f"{name}.weight"] = rng.standard_normal(shape) * (2 / (inputs * kernel**2)) ** 0.5
        state[f"{name}.gamma"], state[f"{name}.beta"] = rng.normal(1, 0.1, outputs), rng.normal(0, 0.1, outputs)

    conv("first", 3, width, 3)
    for place, (inputs, outputs, stride) in enumerate(_blocks(width)):
        conv(f"{place}.a", inputs, outputs, 3)
        conv(f"{place}.b", outputs, outputs, 3)
        if stride > 1:
            conv(f"{place}.skip", inputs, outputs, 1)
    state["weight"], state["bias"] = rng.standard_normal((4 * width, 10)) / (4 * width) ** 0.5, np.zeros(10)
    return _float32(state)


def _residual_batch(rows: int, side: int, width: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(1)
    return rng.standard_normal((rows, 3, side, side), np.float32), rng.integers(0, 10, rows)


def _residual_loss(dialect: Any, p: State, images: Any, labels: Any) -> Any:
    """K. He et al., "Deep Residual Learning for Image Recognition", 2015, with three blocks."""

    def conv(x: Any, name: str, stride: int = 1) -> Any:
        x = dialect.conv(x, p[f"{name}.weight"], stride)
        return dialect.batch_norm(x, p[f"{name}.gamma"], p[f"{name}.beta"])

    x = dialect.relu(conv(images, "first"))
    for place, (_, _, stride) in enumerate(_blocks(p["first.gamma"].shape[0])):
        h = conv(dialect.relu(conv(x, f"{place}.a", stride)), f"{place}.b")
        x = dialect.relu(h + (conv(x, f"{place}.skip", stride) if stride > 1 else x))
    return dialect.cross_entropy(x.mean((2, 3)) @ p["weight"] + p["bias"], labels)


# ---- Adam alone ------------------------------------------------------------------------------------------


def _adam_arrays(seed: int, size: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).standard_normal(size, np.float32)


NETWORKS = {
    "adam": Network(
        "Adam's step, compiled, float32", lambda size: {"w": _adam_arrays(0, size)},
        lambda size: (_adam_arrays(1, size),), None, "adam", 1e-3,
        {"1,000,000 parameters": (1_000_000,), "100 parameters": (100,)},
    ),
    "transformer": Network(
        "training step, character transformer of 2 layers, 4 heads + Adam, compiled, float32",
        _transformer_start, _transformer_batch, _transformer_loss, "adam", 1e-3,
        {"16 texts of 64 tokens, width 64": (16, 64, 64), "2 texts of 6 tokens, width 8": (2, 6, 8)},
    ),
    "residual": Network(
        "training step, residual convolutional network + SGD, compiled, float32",
        _residual_start, _residual_batch, _residual_loss, "sgd", 0.01,
        {"32 images of 32x32, width 16": (32, 32, 16), "4 images of 8x8, width 2": (4, 8, 2)},
    ),
}  # fmt: skip


# ---- what must come out ----------------------------------------------------------------------------------


def _moved(network: Network, state: State, memory: State, slopes: State, step: int, sqrt: Any) -> tuple[State, State]:
    """Parameters and memory after the optimiser's step of that number, from 1: D. P. Kingma and J. Ba, "Adam", 2014."""
    new: State = {}
    after: State = {}
    for name, g in slopes.items():
        if network.optimizer == "sgd":
            after[name] = MOMENTUM * memory[name] + g if name in memory else g
            new[name] = state[name] - network.rate * after[name]
            continue
        m, v = memory.get(name, (0 * g, 0 * g))
        m, v = (b * old + (1 - b) * part for b, old, part in zip(BETAS, (m, v), (g, g * g), strict=True))
        after[name] = m, v
        first, second = (1 - b**step for b in BETAS)
        new[name] = state[name] - network.rate * (m / first) / (sqrt(v / second) + EPS)
    return new, after


@cache
def reference(name: str, *args: int) -> dict[str, Any]:
    """The losses of the first steps, and the parameters after them."""
    import numpy as np

    import micrograd as mg

    network, dialect = NETWORKS[name], dialects.Micrograd()
    state = {n: a.astype(np.float64) for n, a in network.start(*args).items()}
    given = [a.astype(np.float64) if a.dtype == np.float32 else a for a in network.batch(*args)]
    memory: State = {}
    found: dict[str, Any] = {}
    for number in range(STEPS):
        slopes = dict(zip(state, given, strict=False))
        if network.loss is not None:
            found[f"loss{number}"], slopes = mg.value_and_grad(partial(network.loss, dialect))(state, *given)
        state, memory = _moved(network, state, memory, slopes, number + 1, np.sqrt)
    return found | state


def allowed(name: str, *args: int) -> dict[str, Any]:
    """A loss to 1e-5, parameters to a twentieth of how far they moved."""
    import numpy as np

    start = NETWORKS[name].start(*args)
    return {
        n: 1e-5 * np.abs(value) if n not in start else 0.05 * np.abs(value - start[n]).max() + 1e-6 * np.abs(value)
        for n, value in reference(name, *args).items()
    }


# ---- contenders ------------------------------------------------------------------------------------------


def _judged(network: Network, step: Callable[[], Any], state: Callable[[], State], **notes: Any) -> Prepared:
    return judged(step, state, losses=network.loss is not None, **notes)


def micrograd_step(network: Network, args: tuple[int, ...], compiled: bool = True) -> tuple[Any, Any]:
    """A training step that was not called yet, and what returns its state."""
    import micrograd as mg
    from micrograd import nn, optim

    dialect = dialects.Micrograd()
    parameters = {name: nn.Parameter(array) for name, array in network.start(*args).items()}
    optimizer: Any
    if network.optimizer == "adam":
        optimizer = optim.Adam(parameters.values(), network.rate, betas=BETAS, eps=EPS)
    else:
        optimizer = optim.SGD(parameters.values(), network.rate, momentum=MOMENTUM)

    def train(*batch: Any) -> Any:
        if network.loss is None:
            for parameter, slope in zip(parameters.values(), batch, strict=True):
                parameter.grad = slope
            optimizer.step()
            return None
        loss = network.loss(dialect, parameters, *batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    if compiled:
        contenders.require_compiler()
        train = mg.compile(train)
    batch = network.batch(*args)

    def step() -> Any:
        loss = train(*batch)
        return getattr(loss, "data", loss)

    return step, lambda: {name: value.data for name, value in parameters.items()}


def ours(network: Network, *args: int) -> Prepared:
    return _judged(network, *micrograd_step(network, args))


def ours_eager(network: Network, *args: int) -> Prepared:
    return _judged(network, *micrograd_step(network, args, compiled=False))


NO_KIND: Mapping[str, bool] = {}


def torch_step(
    network: Network, args: tuple[int, ...], compiled: bool = True, kind: Mapping[str, bool] = NO_KIND
) -> tuple[Any, Any]:
    """A training step and what returns its state. With an optimiser of the `kind` fused or foreach; with none one written out."""
    import torch

    dialect = dialects.Torch()
    parameters = {
        name: torch.from_numpy(array).clone().requires_grad_() for name, array in network.start(*args).items()
    }
    batch = contenders.torch_arrays(network.batch(*args))
    if compiled:
        torch._dynamo.reset()  # what is compiled before stays usable; it must not be found again
    compiler: Any = torch.compile if compiled else lambda f, **_: f
    if not kind:
        return _torch_whole(
            network, parameters, batch, partial(compiler, fullgraph=True, dynamic=False)
        ), lambda: parameters
    if network.optimizer == "adam":
        adam: Any = torch.optim.Adam
        optimizer = adam(list(parameters.values()), network.rate, betas=BETAS, eps=EPS, **kind)
    else:
        optimizer = torch.optim.SGD(list(parameters.values()), network.rate, momentum=MOMENTUM, **kind)
    update = compiler(optimizer.step, dynamic=False)
    if network.loss is None:
        for parameter, slope in zip(parameters.values(), batch, strict=True):
            parameter.grad = slope
        return update, lambda: parameters
    forward = compiler(partial(network.loss, dialect), dynamic=False)

    def step() -> Any:
        loss = forward(parameters, *batch)
        loss.backward()
        update()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return step, lambda: parameters


def _torch_whole(network: Network, parameters: State, batch: Any, compiler: Any) -> Callable[[], Any]:
    """Forward, backward and the optimiser, written out on arrays in place, as one graph."""
    import torch

    dialect = dialects.Torch()
    held = {name: p.detach() for name, p in parameters.items()}
    memory = {name: tuple(torch.zeros_like(p) for _ in range(2)) for name, p in held.items()}
    count = torch.zeros(())

    def whole(held: State, memory: State, count: Any, *batch: Any) -> Any:
        loss, slopes = None, dict(zip(held, batch, strict=False))
        if network.loss is not None:
            slopes, loss = torch.func.grad_and_value(partial(network.loss, dialect))(held, *batch)
        count.add_(1)
        for name, slope in slopes.items():
            m, v = memory[name]
            if network.optimizer == "sgd":
                m.mul_(MOMENTUM).add_(slope)
                held[name].sub_(m, alpha=network.rate)
                continue
            m.mul_(BETAS[0]).add_(slope, alpha=1 - BETAS[0])
            v.mul_(BETAS[1]).addcmul_(slope, slope, value=1 - BETAS[1])
            first, second = 1 - BETAS[0] ** count, 1 - BETAS[1] ** count
            held[name].sub_(network.rate / first * m / ((v / second).sqrt() + EPS))
        return loss

    done = compiler(whole)

    def one_graph() -> Any:
        with torch.no_grad():
            return done(held, memory, count, *batch)

    return one_graph


def _small(network: Network, args: tuple[int, ...]) -> bool:
    """Whether one thread may be the faster, and one graph."""
    return bool(sum(array.nbytes for array in network.start(*args).values()) < 2**18)


def _torch(
    network: Network, args: tuple[int, ...], compiled: bool, kinds: Mapping[str, Mapping[str, bool]]
) -> Prepared:
    """The fastest kind, and with two threads or with one where the arrays are small; then a new network of it."""
    import torch

    both = {
        f"{name}, {count} thread{'s' if count > 1 else ''}": (kind, count)
        for name, kind in kinds.items()
        for count in ((THREADS, 1) if _small(network, args) else (THREADS,))
    }
    settings = {
        name: (lambda kind=kind: torch_step(network, args, compiled, kind)[0]) for name, (kind, _) in both.items()
    }

    def activate(name: str) -> None:
        torch.set_num_threads(both[name][1])

    best = contenders.fastest(settings, ("loss",), activate=activate)
    name = best.notes.get("setting", next(iter(both)))
    step, state = torch_step(network, args, compiled, both[name][0])
    activate(name)
    return _judged(network, step, state, **best.notes)


def torch_eager(network: Network, *args: int) -> Prepared:
    return _torch(network, args, False, {"fused": {"fused": True}, "foreach": {"foreach": True}})


def torch_compile(network: Network, *args: int) -> Prepared:
    contenders.require_cpp_compiler()
    kinds = {"forward, backward, fused": {"fused": True}, "one graph": NO_KIND}
    return _torch(network, args, True, dict(reversed(kinds.items())) if _small(network, args) else kinds)


def jax_step(network: Network, args: tuple[int, ...]) -> tuple[Any, Any]:
    """One jitted function whose state is donated to it, not called yet, and what returns its state."""
    import jax
    import numpy as np

    dialect = dialects.Jax()
    given = contenders.jax_arrays([a.astype(np.int32) if a.dtype == np.int64 else a for a in network.batch(*args)])
    state = {name: jax.device_put(array.copy()) for name, array in network.start(*args).items()}
    zero = jax.tree.map(jax.numpy.zeros_like, state)
    memory = zero if network.optimizer == "sgd" else {n: (a, jax.numpy.zeros_like(a)) for n, a in zero.items()}
    held: list[Any] = [state, memory, jax.numpy.zeros(())]

    def train(state: State, memory: State, count: Any, *batch: Any) -> Any:
        loss, slopes = None, dict(zip(state, batch, strict=False))
        if network.loss is not None:
            loss, slopes = jax.value_and_grad(partial(network.loss, dialect))(state, *batch)
        return loss, *_moved(network, state, memory, slopes, count + 1, jax.numpy.sqrt), count + 1

    jitted = jax.jit(train, donate_argnums=(0, 1, 2))

    def step() -> Any:
        loss, *held[:] = jitted(*held, *given)
        jax.block_until_ready(held)
        return loss

    return step, lambda: held[0]


def jax(network: Network, *args: int) -> Prepared:
    return _judged(network, *jax_step(network, args))


def _row(name: str, network: Network) -> Row:
    def bound(build: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: build(network, *args)

    built = {
        "micrograd": ours,
        "micrograd, eager": ours_eager,
        "torch": torch_eager,
        "torch.compile": torch_compile,
        "jax": jax,
    }
    *measured, small = network.cases
    return Row(
        name=name,
        title=network.title,
        cases=(*(Case(case, network.cases[case], Goal(0.8, PEERS)) for case in measured),
               Case(small, network.cases[small], quick=True)),
        contenders={contender: bound(build) for contender, build in built.items()},
        reference=lambda arithmetic, *args: reference(name, *args),
        allowed=lambda *args: allowed(name, *args),
        environment=contenders.KEEP_MEMORY,
    )  # fmt: skip


ROWS = {name: _row(name, network) for name, network in NETWORKS.items()}
