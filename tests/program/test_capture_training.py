"""A captured training step trains as the step does: parameters, memory, running statistics, masks."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from captured import OPTIMIZERS, OTHER, Training, X, Y, assert_same, run, same
from hypothesis import given, settings
from hypothesis import strategies as st

import micrograd as mg
from micrograd import functional, nn, optim
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.program.capture import capture


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_steps(name: str, dtype: str) -> None:
    ulps = OPTIMIZERS[name][1]
    ours, theirs = Training(name, dtype), Training(name, dtype)
    x = X.astype(dtype)
    program = capture(ours.step, (x, Y), {})
    assert_same(ours.state(), theirs.state())
    for step in range(4):
        batch = x * (1.0 + step), np.roll(Y, step)
        assert_same(run(program, *batch), theirs.step(*batch), ulps)
        assert_same(ours.state(), theirs.state(), ulps)
    for parameter in ours.model.parameters():
        assert not parameter.raw.flags.writeable
        assert parameter.raw.base is None
        assert parameter.grad is None
    for _, module in ours.model.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            assert type(module.num_batches_tracked) is int
            assert module.num_batches_tracked == 4
    assert type(ours.optimizer.steps) is int
    assert all(type(count) is int for count in ours.optimizer._counts)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_captured_and_eager_steps_alternate(name: str) -> None:
    ours, theirs = Training(name), Training(name)
    ours.step(X, Y)
    program = capture(ours.step, (X, Y), {}) if ours.optimizer.zero_grad() is None else None
    run(program, X, Y)  # type: ignore[arg-type]
    ours.step(X, Y)
    run(program, X, Y)  # type: ignore[arg-type]
    for _ in range(4):
        theirs.step(X, Y)
    assert_same(ours.state(), theirs.state(), OPTIMIZERS[name][1])


def test_the_learning_rate_is_read_at_each_call() -> None:
    for name in ("momentum", "adamw"):
        ours, theirs = Training(name), Training(name)
        program = capture(ours.step, (X, Y), {})
        schedule = optim.cosine(0.1, 4)
        for epoch in range(4):
            ours.optimizer.lr = theirs.optimizer.lr = schedule(epoch)
            run(program, X, Y)
            theirs.step(X, Y)
        assert_same(ours.state(), theirs.state(), 64)


def test_other_settings_of_an_optimiser_and_modes_of_layers_are_assumptions() -> None:
    ours = Training("adam")
    program = capture(ours.step, (X, Y), {})

    def holds() -> bool:
        return all(function() == answer for function, answer in program.assumptions)

    assert holds()
    run(program, X, Y)
    assert holds()
    ours.optimizer.betas = (0.5, 0.9)
    assert not holds()
    ours.optimizer.betas = (0.9, 0.999)
    ours.model[4].eval()
    assert not holds()
    ours.model.train()
    ours.optimizer._counts[2] += 1  # an eager step that moved one parameter only
    assert not holds()


def test_parameters_that_age_differently_have_numbers_of_their_own() -> None:
    def make() -> tuple[Any, Any, Any, Callable[[Any], Any]]:
        a, b = Tensor(np.ones(3)), Tensor(np.ones(3))
        optimizer = optim.Adam([a, b], lr=0.1)
        optimizer.zero_grad()
        np.sum(a * a).backward()
        optimizer.step()
        optimizer.zero_grad()

        def step(x: Any) -> Any:
            loss = np.sum(a * b * x)
            loss.backward()
            optimizer.step()
            return loss

        return a, b, optimizer, step

    a, b, _, ours = make()
    c, d, optimizer, theirs = make()
    program = capture(ours, (np.ones(3),), {})
    for _ in range(3):
        run(program, np.ones(3))
        theirs(Tensor(np.ones(3)))
        optimizer.zero_grad()
    assert_same([a, b], [c, d], 16)


def test_dropout_draws_a_new_mask_in_each_call_and_the_same_as_eager() -> None:
    ours, theirs = nn.Dropout(0.5, rng=3), nn.Dropout(0.5, rng=3)
    program = capture(ours, (np.ones((4, 5)),), {})
    masks = [run(program, np.ones((4, 5))) for _ in range(3)]
    assert_same(masks, [theirs(np.ones((4, 5))) for _ in range(3)])
    assert not np.array_equal(masks[0], masks[1])


def test_a_generator_among_the_arguments_may_be_drawn_from_by_dropout() -> None:
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    program = capture(lambda x, rng: functional.dropout(x, 0.5, rng) * 2.0, (X, rng), {})
    assert_same(run(program, X, rng), functional.dropout(X, 0.5, twin) * 2.0)


def test_a_mask_that_nothing_reads_is_drawn_all_the_same() -> None:
    layer, rng = nn.Dropout(0.5, rng=3), np.random.default_rng(3)

    def f(x: Any) -> Any:
        layer(x)
        return x

    run(capture(f, (X,), {}), X)
    rng.random(X.shape)
    assert repr(layer.rng.bit_generator.state) == repr(rng.bit_generator.state)


@pytest.mark.parametrize("momentum", [0.1, 1.0, None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_statistics(momentum: float | None, dtype: str) -> None:
    ours, theirs = (nn.BatchNorm1d(5, momentum=momentum, dtype=dtype) for _ in range(2))
    program = capture(ours, (X.astype(dtype),), {})
    for step in range(3):
        x = (X * (step + 1) - step).astype(dtype)
        assert_same(run(program, x), theirs(x))
        assert_same(ours.state_dict(), theirs.state_dict())
    assert ours.running_mean.dtype == dtype


def test_running_statistics_of_a_wider_batch() -> None:
    ours, theirs = (nn.BatchNorm1d(5, dtype="float32") for _ in range(2))
    same(ours, X)
    theirs(X), theirs(X)
    assert_same(ours.state_dict(), theirs.state_dict())


def test_the_statistics_are_those_of_the_graph() -> None:
    program = capture(nn.BatchNorm1d(5), (X,), {})
    assert [e.op for e in program.equations].count("sum") == 2


def test_a_layer_used_twice_moves_its_averages_twice() -> None:
    def twice(layer: Any) -> Callable[[Any], Any]:
        return lambda x: layer(layer(x) * 2.0)

    ours, theirs = (nn.BatchNorm1d(5, momentum=None) for _ in range(2))
    program = capture(twice(ours), (X,), {})
    for _ in range(2):
        assert_same(run(program, X), twice(theirs)(X))
    assert_same(ours.state_dict(), theirs.state_dict())


def test_evaluation_reads_the_statistics_at_each_call() -> None:
    layer = nn.BatchNorm1d(5).eval()
    program = capture(layer, (X,), {})
    assert not program.writes
    layer.train()(OTHER)
    layer.eval()
    assert_same(run(program, X), layer(X))


def test_a_module_is_captured_with_the_names_of_its_parameters() -> None:
    model = nn.mlp([5, 4, 3], batch_norm=True, rng=0)
    program = capture(model, (X,), {})
    states = {program.values[feed.value].name for feed in program.feeds if feed.kind == "state"}
    assert {"layers.0.weight", "layers.1.gamma", "layers.1.beta", "layers.3.weight", "running_mean"} <= states
    before = model(X).data
    for parameter in model.parameters():
        parameter.data = parameter.data * 0.5
    assert_same(run(program, X), model(X))
    assert not np.array_equal(before, run(program, X))


class Smoothed(nn.Module):
    """A module of a user's own, with a buffer."""

    buffers = ("average", "calls")

    def __init__(self) -> None:
        self.average = np.zeros(5)
        self.calls = 0
        self.last: Any = None

    def forward(self, x: Any) -> Any:
        self.average = 0.5 * self.average + 0.5 * np.mean(x, axis=0)
        self.last = x * 2.0
        return x - self.average


def test_buffers_of_other_modules_are_states() -> None:
    ours, theirs = Smoothed(), Smoothed()
    program = capture(ours, (X,), {})
    assert ours.last is None
    assert not ours.average.any()
    for x in (X, OTHER, X):
        assert_same(run(program, x), theirs(x), 4)
        assert_same(ours.average, theirs.average, 4)


class Counting(Smoothed):
    def forward(self, x: Any) -> Any:
        self.calls += 1
        return super().forward(x)


def test_a_buffer_that_no_call_could_keep_is_refused() -> None:
    module = Counting()
    with pytest.raises(
        GraphError, match=re.escape("the buffer calls of Counting was changed from 0 to 1, which later")
    ):
        capture(module, (X,), {})
    assert module.calls == 0
    assert type(module.average) is np.ndarray


def test_numbers_as_parameters_are_trained() -> None:
    def make() -> tuple[list[Tensor], Callable[[Any], Any]]:
        a, b = Tensor(0.5), Tensor(np.array(2.0))
        optimizer = optim.SGD([a, b], lr=0.1, momentum=0.9)

        def step(x: Any) -> Any:
            loss = np.sum((a * x + b) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return [a, b], step

    ours, captured = make()
    theirs, eager = make()
    program = capture(captured, (X,), {})
    for _ in range(3):
        run(program, X)
        eager(Tensor(X))
    assert type(ours[0].data) is float
    assert_same([float(p.data) for p in ours], [float(p.data) for p in theirs])


def test_a_network_of_single_numbers_is_trained() -> None:
    ours = nn.MLP(2, [4, 1])
    theirs = copy.deepcopy(ours)

    def step_of(model: Any) -> Callable[[Any, Any], Any]:
        optimizer = optim.SGD(model.parameters(), lr=0.02)

        def step(a: Any, b: Any) -> Any:
            loss = (model([a, b]) - 3.0) ** 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step

    captured, eager = step_of(ours), step_of(theirs)
    program = capture(captured, (np.array(1.0), np.array(-2.0)), {})
    for _ in range(3):
        run(program, np.array(1.0), np.array(-2.0))
        eager(1.0, -2.0)
    assert_same([p.data for p in ours.parameters()], [p.data for p in theirs.parameters()])


def test_gradients_may_be_clipped_in_between() -> None:
    def make() -> tuple[nn.Linear, Callable[[Any], Any]]:
        layer = nn.Linear(5, 3, rng=0)
        optimizer = optim.SGD(layer.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            loss = np.sum(layer(x) ** 2)
            optimizer.zero_grad()
            loss.backward()
            norm = np.sqrt(sum(np.sum(p.grad**2) for p in layer.parameters()))
            for p in layer.parameters():
                p.grad = p.grad * np.minimum(1.0, 1.0 / norm)
            optimizer.step()
            return norm

        return layer, step

    ours, captured = make()
    theirs, eager = make()
    program = capture(captured, (X,), {})
    for _ in range(2):
        assert_same(run(program, X), eager(Tensor(X)), 2)
    assert_same(ours.state_dict(), theirs.state_dict(), 4)


def test_several_backward_passes_add_up() -> None:
    def make() -> tuple[nn.Linear, Callable[[Any], Any]]:
        layer = nn.Linear(5, 3, rng=0)
        optimizer = optim.SGD(layer.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            for part in (x[:3], x[3:]):
                np.sum(layer(part) ** 2).backward()
            layer(x).backward(np.ones((6, 3)))
            layer(x).backward(np.ones((6, 3)))
            optimizer.step()

        return layer, step

    ours, captured = make()
    theirs, eager = make()
    program = capture(captured, (X,), {})
    assert run(program, X) is None
    eager(Tensor(X))
    assert_same(ours.state_dict(), theirs.state_dict())


def test_a_parameter_read_after_its_update_is_read_as_updated() -> None:
    """Two players: one moves, then the other answers the move; and a step of several steps."""

    def make(name: str) -> tuple[Any, Callable[[Any], Any]]:
        a, b = nn.Linear(5, 3, rng=0), nn.Linear(3, 1, rng=1)
        first, second = (OPTIMIZERS[name][0](m.parameters()) for m in (a, b))

        def step(x: Any) -> Any:
            losses = []
            for _ in range(2):
                for optimizer, sign in ((first, 1.0), (second, -0.5)):
                    loss = sign * np.mean(b(np.tanh(a(x))) ** 2)
                    first.zero_grad()
                    second.zero_grad()
                    loss.backward()
                    optimizer.step()
                    losses.append(loss)
            return losses, a.weight

        return (a, b, first, second), step

    for name, (_, ulps) in OPTIMIZERS.items():
        ours, captured = make(name)
        theirs, eager = make(name)
        program = capture(captured, (X,), {})
        for _ in range(2):
            assert_same(run(program, X), eager(Tensor(X)), 4 * ulps)
        for a, b in zip(ours[:2], theirs[:2], strict=True):
            assert_same(a.state_dict(), b.state_dict(), 4 * ulps)
        for a, b in zip(ours[2:], theirs[2:], strict=True):
            assert (a.steps, a._counts) == (b.steps, b._counts)


def test_a_new_value_may_be_assigned() -> None:
    w = Tensor(np.ones(5))

    def step(x: Any) -> Any:
        g = mg.grad(lambda v: np.sum((x * v) ** 2))(w)
        w.data = w - 0.01 * g
        return np.sum(w)

    program = capture(step, (X,), {})
    assert w.data.tolist() == [1.0] * 5
    expected = np.ones(5)
    for _ in range(3):
        answer = run(program, X)
        expected = expected - 0.01 * mg.grad(lambda v: np.sum((X * v) ** 2))(expected)
        assert_same(w.data, expected)
        assert answer == np.sum(expected)


def test_inputs_need_no_gradient_of_their_own() -> None:
    layer = nn.Linear(5, 3, rng=0, dtype="float32")
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    def step(x: Any) -> Any:  # a float64 batch: gradients come back in the parameters' float32
        optimizer.zero_grad()
        np.sum(layer(x) ** 2).backward()
        optimizer.step()

    twin = copy.deepcopy((layer, optimizer))
    run(capture(step, (X,), {}), X)
    twin[1].zero_grad()
    np.sum(twin[0](X) ** 2).backward()
    twin[1].step()
    assert_same(layer.state_dict(), twin[0].state_dict())


@given(st.integers(2, 4), st.booleans(), st.sampled_from([*OPTIMIZERS]), st.integers(0, 2**20))
@settings(max_examples=20)
def test_random_networks_are_trained(depth: int, batch_norm: bool, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [5, *rng.integers(1, 6, depth - 1).tolist(), 3]
    activation = [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU][seed % 4]
    ours, theirs = (nn.mlp(sizes, batch_norm=batch_norm, activation=activation, rng=seed) for _ in range(2))

    def step_of(model: Any) -> Callable[[Any, Any], Any]:
        optimizer = OPTIMIZERS[name][0](model.parameters())

        def step(x: Any, y: Any) -> Any:
            loss = functional.cross_entropy(model(x), y) + 1e-3 * functional.l2(model.parameters())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step

    captured, eager = step_of(ours), step_of(theirs)
    program = capture(captured, (X, Y), {})
    for _ in range(2):
        a, b = run(program, X, Y), eager(X, Y).item()
        assert a == b or (OPTIMIZERS[name][1] and abs(a - b) < 1e-6 * max(abs(a), 1.0))
    if not OPTIMIZERS[name][1]:
        assert_same(ours.state_dict(), theirs.state_dict())
