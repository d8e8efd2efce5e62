"""Row 14: a whole training step: multilayer perceptron with batch norm, cross-entropy, SGD with momentum; float32.

The same mathematics for all: Linear without bias, BatchNorm with its running statistics, ReLU; a Linear with bias at
the end. A step answers the loss and changes parameters, velocities and running statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from tests.benchmarks import contenders, exact
from tests.benchmarks.row import PEERS, THREADS, Case, Goal, Prepared, Row

EPS = exact.EPS
RATE, MOMENTUM, RUNNING = 0.01, 0.9, 0.1
STEPS = 3
"""How many steps from the start are held against the reference: with one, momentum would not show."""

State = dict[str, Any]


def start(sizes: Sequence[int]) -> State:
    """Parameters and running statistics by name; the gammas are not 1, so that a forgotten one shows."""
    import numpy as np

    rng = np.random.default_rng(0)
    state: State = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        state[f"weight{layer}"] = rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
        if layer < len(sizes) - 2:
            state[f"gamma{layer}"], state[f"beta{layer}"] = rng.normal(1, 0.1, outputs), rng.normal(0, 0.1, outputs)
            state[f"mean{layer}"], state[f"var{layer}"] = np.zeros(outputs), np.ones(outputs)
    state["bias"] = np.zeros(sizes[-1])
    return {name: array.astype(np.float32) for name, array in state.items()}


def batch(sizes: Sequence[int], rows: int) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(1)
    return rng.standard_normal((rows, sizes[0]), np.float32), rng.integers(0, sizes[-1], rows)


def is_parameter(name: str) -> bool:
    return not name.startswith(("mean", "var"))


# ---- what must come out ----------------------------------------------------------------------------------


def _step(arithmetic: exact.Arithmetic, state: State, velocity: State, x: Any, labels: Any) -> Any:
    """One step by hand; `state` and `velocity` are replaced in place, the loss is answered."""
    import numpy as np

    n, rows = len(x), np.arange(len(x))
    layers = sum(name.startswith("weight") for name in state)
    kept, moved = [], dict(state)
    for layer in range(layers - 1):
        z = x @ state[f"weight{layer}"]
        mu = z.mean(0)
        var = ((z - mu) ** 2).mean(0)
        ivar = 1 / arithmetic.sqrt(var + EPS)
        xhat = (z - mu) * ivar
        out = state[f"gamma{layer}"] * xhat + state[f"beta{layer}"]
        kept.append((x, ivar, xhat, out))
        moved[f"mean{layer}"] = (1 - RUNNING) * state[f"mean{layer}"] + RUNNING * mu
        moved[f"var{layer}"] = (1 - RUNNING) * state[f"var{layer}"] + RUNNING * var * n / (n - 1)
        x = out * (out > 0)
    scores = x @ state[f"weight{layers - 1}"] + state["bias"]
    shifted = scores - scores.max(1)[:, None]
    p = arithmetic.exp(shifted)
    p = p / p.sum(1)[:, None]
    loss = -arithmetic.log(p[rows, labels]).sum() / n
    p[rows, labels] -= 1
    d = p / n
    slope = {f"weight{layers - 1}": x.T @ d, "bias": d.sum(0)}
    d = d @ state[f"weight{layers - 1}"].T
    for layer in reversed(range(layers - 1)):
        x, ivar, xhat, out = kept[layer]
        d = d * (out > 0)
        slope[f"beta{layer}"], slope[f"gamma{layer}"] = d.sum(0), (d * xhat).sum(0)
        d = state[f"gamma{layer}"] * ivar * (d - slope[f"beta{layer}"] / n - xhat * (slope[f"gamma{layer}"] / n))
        slope[f"weight{layer}"] = x.T @ d
        d = d @ state[f"weight{layer}"].T
    for name, g in slope.items():
        velocity[name] = g if name not in velocity else MOMENTUM * velocity[name] + g
        moved[name] = state[name] - RATE * velocity[name]
    state.update(moved)
    return loss


def reference(arithmetic: exact.Arithmetic, sizes: Sequence[int], rows: int) -> dict[str, Any]:
    """The losses of the first steps, and all state after them."""
    x, labels = batch(sizes, rows)
    state = {name: arithmetic.array(array) for name, array in start(sizes).items()}
    velocity: State = {}
    losses = {f"loss{i}": _step(arithmetic, state, velocity, arithmetic.array(x), labels) for i in range(STEPS)}
    return losses | state


def allowed(sizes: Sequence[int], rows: int) -> dict[str, Any]:
    """A loss to 1e-5, statistics to 1e-4, parameters to a twentieth of how far they moved.

    A float32 activation may fall on the other side of relu's corner, which takes one row out of one unit's gradient.
    """
    import numpy as np

    begin, exactly = start(sizes), reference(exact.FLOAT64, sizes, rows)
    bound: dict[str, Any] = {}
    for name, value in exactly.items():
        if name.startswith("loss"):
            bound[name] = 1e-5 * np.abs(value)
        elif is_parameter(name):
            bound[name] = 0.05 * np.abs(value - begin[name]).max() + 1e-6 * np.abs(value)
        else:
            bound[name] = 1e-4 * np.abs(value).max()
    return bound


def judged(step: Callable[[], Any], state: Callable[[], State], losses: bool = True, **notes: Any) -> Prepared:
    """`step` trains, and answers its loss where there is one; `state` answers all that it changes. The first steps are made here, to be judged."""
    import numpy as np

    def plain(value: Any) -> Any:
        return np.array(value.detach() if hasattr(value, "detach") else value)

    found = {f"loss{i}": plain(step()) for i in range(STEPS)}
    found = found if losses else {}
    found |= {name: plain(value) for name, value in state().items()}
    return Prepared(step, results=lambda: found, notes=notes)


# ---- contenders ------------------------------------------------------------------------------------------


def _micrograd(sizes: Sequence[int], rows: int, compiled: bool) -> Prepared:
    import numpy as np

    import micrograd as mg
    from micrograd import nn

    if compiled:
        contenders.require_compiler()
    model = nn.mlp(list(sizes), batch_norm=True, rng=0, dtype=np.float32)
    places = dict(_places(model, nn))
    for name, array in start(sizes).items():
        holder, attribute = places[name]
        if is_parameter(name):
            getattr(holder, attribute).data = array
        else:
            setattr(holder, attribute, array)
    optimizer = mg.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)

    def train(x: Any, labels: Any) -> Any:
        loss = mg.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def state() -> State:
        found = {name: getattr(holder, attribute) for name, (holder, attribute) in places.items()}
        return {name: value.data if is_parameter(name) else value for name, value in found.items()}

    data = batch(sizes, rows)
    step = mg.compile(train) if compiled else train
    return judged((lambda: step(*data)) if compiled else lambda: step(*data).data, state)


def _places(model: Any, nn: Any) -> Any:
    norms = linears = 0
    for _, module in model.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            yield from ((f"{name}{norms}", (module, name)) for name in ("gamma", "beta"))
            yield f"mean{norms}", (module, "running_mean")
            yield f"var{norms}", (module, "running_var")
            norms += 1
        elif isinstance(module, nn.Linear):
            yield f"weight{linears}", (module, "weight")
            linears += 1
            if module.bias is not None:
                yield "bias", (module, "bias")


def ours(sizes: Sequence[int], rows: int) -> Prepared:
    return _micrograd(sizes, rows, compiled=True)


def ours_eager(sizes: Sequence[int], rows: int) -> Prepared:
    return _micrograd(sizes, rows, compiled=False)


def _torch_network(sizes: Sequence[int]) -> tuple[Any, Callable[[], State]]:
    import torch
    from torch import nn

    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs, EPS, RUNNING), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
    linears = [m for m in model if isinstance(m, nn.Linear)]
    norms = [m for m in model if isinstance(m, nn.BatchNorm1d)]
    places = {f"weight{i}": m.weight for i, m in enumerate(linears)} | {"bias": linears[-1].bias}
    for i, m in enumerate(norms):
        places |= {f"gamma{i}": m.weight, f"beta{i}": m.bias, f"mean{i}": m.running_mean, f"var{i}": m.running_var}
    with torch.no_grad():
        for name, array in start(sizes).items():
            places[name].copy_(torch.from_numpy(array.T))
    return model, lambda: {name: place.T if place.ndim == 2 else place for name, place in places.items()}


def _torch_step(sizes: Sequence[int], rows: int, compiled: bool, **kind: bool) -> tuple[Callable[[], Any], Any]:
    """A training step and its state. With an optimiser of the `kind` fused or foreach; else written out."""
    import torch
    from torch.nn.functional import cross_entropy

    model, state = _torch_network(sizes)
    x, labels = contenders.torch_arrays(batch(sizes, rows))
    parameters = list(model.parameters())
    if kind:
        optimizer = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, **kind)

        def forward_backward() -> Any:
            loss = cross_entropy(model(x), labels)
            loss.backward()
            return loss

        def update() -> None:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        if compiled:
            forward = torch.compile(lambda: cross_entropy(model(x), labels), dynamic=False)
            update = torch.compile(optimizer.step, dynamic=False)

        def step() -> Any:
            if not compiled:
                loss = forward_backward()
                update()
                return loss
            loss = forward()
            loss.backward()
            update()
            optimizer.zero_grad(set_to_none=True)
            return loss

        return step, state
    buffers = dict(model.named_buffers())
    names = [name for name, _ in model.named_parameters()]
    velocities = [torch.zeros_like(p) for p in parameters]

    def loss_of(values: Any, x: Any, labels: Any) -> Any:
        # running statistics change in place, which functorch allows on copies alone
        moved = {name: buffer.clone() for name, buffer in buffers.items()}
        return cross_entropy(torch.func.functional_call(model, (values, moved), (x,)), labels), moved

    def whole(x: Any, labels: Any) -> Any:
        differentiate = torch.func.grad_and_value(loss_of, has_aux=True)
        slopes, (loss, moved) = differentiate(dict(zip(names, parameters, strict=True)), x, labels)
        for parameter, velocity, slope in zip(parameters, velocities, slopes.values(), strict=True):
            velocity.mul_(MOMENTUM).add_(slope)
            parameter.sub_(velocity, alpha=RATE)
        for name, buffer in buffers.items():
            buffer.copy_(moved[name])
        return loss

    done = torch.compile(whole, fullgraph=True, dynamic=False) if compiled else whole

    def one_graph() -> Any:
        with torch.no_grad():
            return done(x, labels)

    return one_graph, state


def _torch(sizes: Sequence[int], rows: int, compiled: bool, kinds: dict[str, dict[str, bool]]) -> Prepared:
    """The fastest kind, with two threads and with one; then a new network of that kind, to be judged and measured."""
    import torch

    torch.set_num_threads(THREADS)
    both = {
        f"{name}, {count} thread{'s' if count > 1 else ''}": (kind, count)
        for name, kind in kinds.items()
        for count in ((THREADS, 1) if max(sizes) * rows < 2**15 else (THREADS,))
    }
    settings = {}
    for name, (kind, _) in both.items():
        settings[name] = lambda kind=kind: _torch_step(sizes, rows, compiled, **kind)[0]
    best = contenders.fastest(
        settings, ("loss",), activate=lambda name: torch.set_num_threads(both[name][1])
    )  # fmt: skip
    kind = both[best.notes["setting"]][0]
    return judged(*_torch_step(sizes, rows, compiled, **kind), **best.notes)


def torch_eager(sizes: Sequence[int], rows: int) -> Prepared:
    return _torch(sizes, rows, False, {"fused SGD": {"fused": True}, "foreach SGD": {"foreach": True}})


def torch_compile(sizes: Sequence[int], rows: int) -> Prepared:
    contenders.require_cpp_compiler()
    return _torch(sizes, rows, True, {"one graph": {}, "forward, backward, fused SGD": {"fused": True}})


def jax(sizes: Sequence[int], rows: int) -> Prepared:
    """One jitted function whose state is donated to it."""
    import jax
    from jax import numpy as jnp

    names = list(start(sizes))
    layers = sum(name.startswith("weight") for name in names)

    def loss_of(parameters: State, statistics: State, x: Any, labels: Any) -> Any:
        moved = {}
        for layer in range(layers - 1):
            z = x @ parameters[f"weight{layer}"]
            mu = z.mean(0)
            xmu = z - mu
            var = (xmu * xmu).mean(0)
            for name, value in (("mean", mu), ("var", var * (rows / (rows - 1)))):
                moved[f"{name}{layer}"] = (1 - RUNNING) * statistics[f"{name}{layer}"] + RUNNING * value
            xhat = xmu * (1 / jnp.sqrt(var + EPS))
            x = jax.nn.relu(parameters[f"gamma{layer}"] * xhat + parameters[f"beta{layer}"])
        logs = jax.nn.log_softmax(x @ parameters[f"weight{layers - 1}"] + parameters["bias"])
        return -jnp.where(labels[:, None] == jnp.arange(logs.shape[1]), logs, 0).sum(1).mean(), moved

    def train(parameters: State, velocity: State, statistics: State, x: Any, labels: Any) -> Any:
        (loss, moved), slopes = jax.value_and_grad(loss_of, has_aux=True)(parameters, statistics, x, labels)
        velocity = {name: MOMENTUM * velocity[name] + g for name, g in slopes.items()}
        return loss, {name: value - RATE * velocity[name] for name, value in parameters.items()}, velocity, moved

    x, labels = batch(sizes, rows)
    given = contenders.jax_arrays([x, labels.astype("int32")])
    begin = {name: jnp.asarray(array) for name, array in start(sizes).items()}
    held: list[Any] = [
        {name: value for name, value in begin.items() if is_parameter(name)},
        {name: jnp.zeros_like(value) for name, value in begin.items() if is_parameter(name)},
        {name: value for name, value in begin.items() if not is_parameter(name)},
    ]
    jitted = jax.jit(train, donate_argnums=(0, 1, 2))

    def step() -> Any:
        loss, *held[:] = jitted(*held, *given)
        jax.block_until_ready(held)
        return loss

    return judged(step, lambda: held[0] | held[2])


ROW = Row(
    name="mlp",
    title="training step, MLP + batch norm + SGD, compiled, float32",
    cases=(
        Case("64-64-64-10, batch 64", ((64, 64, 64, 10), 64), Goal(0.4, PEERS)),
        Case("784-256-256-10, batch 128", ((784, 256, 256, 10), 128), Goal(0.65, PEERS)),
        Case("784-1024-1024-10, batch 512", ((784, 1024, 1024, 10), 512), Goal(0.9, PEERS)),
        Case("8-7-6-5, batch 16", ((8, 7, 6, 5), 16), quick=True),
    ),
    contenders={
        "micrograd": ours, "micrograd, eager": ours_eager, "torch": torch_eager, "torch.compile": torch_compile,
        "jax": jax,
    },
    reference=reference,
    allowed=allowed,
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
