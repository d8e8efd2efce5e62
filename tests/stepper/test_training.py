"""A walk through training: a train step goes in unchanged, and every number of every iteration is the engine's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from browsing import Seen, both, check_numbers
from staged_bn import staged

import micrograd as mg
from micrograd import nn, optim
from micrograd.errors import GraphError
from micrograd.stepper.page_script import script
from micrograd.stepper.training import iterations

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(6, 2)), np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
W, B = RNG.normal(size=2), np.array(0.25)
STEPS = 4


# ---- train steps as users write them --------------------------------------------------------------------


def by_hand(w, b, x, y):  # type: ignore[no-untyped-def]
    error = x @ w + b - y
    loss = np.mean(error**2)
    derror = 2.0 * error / len(y)
    dw = x.T @ derror
    db = np.sum(derror)
    return loss, w - 0.1 * dw, b - 0.1 * db


def squared(params, x, y):  # type: ignore[no-untyped-def]
    return np.mean((x @ params["w"] + params["b"] - y) ** 2)


def by_engine(params, x, y):  # type: ignore[no-untyped-def]
    loss, grads = mg.value_and_grad(squared)(params, x, y)
    params = {name: params[name] - 0.1 * grads[name] for name in params}
    return loss, params


def bn_step(gamma, beta, x, target):  # type: ignore[no-untyped-def]
    def loss_of(gamma, beta):  # type: ignore[no-untyped-def]
        out, _ = staged(x, gamma, beta)
        return np.mean((out - target) ** 2)

    loss, (dgamma, dbeta) = mg.value_and_grad(loss_of, argnums=(0, 1))(gamma, beta)
    gamma = gamma - 0.5 * dgamma
    beta = beta - 0.5 * dbeta
    return loss, gamma, beta


def moons_step(params, x, y):  # type: ignore[no-untyped-def]
    def loss_of(params):  # type: ignore[no-untyped-def]
        h1 = np.tanh(x @ params["W1"] + params["b1"])
        h2 = np.tanh(h1 @ params["W2"] + params["b2"])
        score = (h2 @ params["W3"] + params["b3"])[:, 0]
        return np.mean(np.maximum(0.0, 1.0 - y * score))

    loss, grads = mg.value_and_grad(loss_of)(params)
    return loss, {name: params[name] - 0.5 * grads[name] for name in params}


def network(kind: str) -> tuple[Callable[..., Any], nn.Module]:
    """A train step of modules and an optimizer, or of an update written by hand."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Tanh(), nn.Linear(3, 1, rng=rng))
    kinds = {"sgd": lambda p: optim.SGD(p, lr=0.1), "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
             "adam": lambda p: optim.Adam(p, lr=0.02), "rmsprop": lambda p: optim.RMSProp(p, lr=0.02)}  # fmt: skip
    optimizer = kinds[kind](net.parameters()) if kind in kinds else None

    def train_step(x, y):  # type: ignore[no-untyped-def]
        for p in net.parameters():
            p.grad = None
        loss = ((net(x)[:, 0] - y) ** 2).mean()
        loss.backward()
        if optimizer is not None:
            optimizer.step()
        else:
            for p in net.parameters():
                p.data = p.data - 0.05 * p.grad
        return loss.item()

    return train_step, net


# ---- what is recorded -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "args"),
    [(by_hand, (W, B, X, Y)), (by_hand, (W, 0.25, X, Y)), (by_engine, ({"w": W, "b": B}, X, Y))],
)
def test_a_function_of_parameters_is_run_as_it_is(step: Callable[..., Any], args: tuple[Any, ...]) -> None:
    made = iterations(step, args, STEPS)
    now, losses = args, []
    for one in made:
        loss, *new = step(*now)
        losses.append(float(loss))
        flat = [*new[0].values()] if isinstance(new[0], dict) else new
        for node, wanted in zip(one.graph.outputs[1:], flat, strict=True):
            np.testing.assert_array_equal(one.graph.values[node.index], wanted)
        assert one.graph.grad["params.w" if isinstance(new[0], dict) else "w"] == pytest.approx(
            2 * X.T @ (X @ np.ravel(flat[0] * 0 + _w(now)) + _b(now) - Y) / len(Y)
        )
        now = (*new, *now[len(new) :])
    assert [one.loss for one in made] == losses
    assert losses[-1] < losses[0]


def _w(args: tuple[Any, ...]) -> Any:
    return args[0]["w"] if isinstance(args[0], dict) else args[0]


def _b(args: tuple[Any, ...]) -> Any:
    return args[0]["b"] if isinstance(args[0], dict) else args[1]


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam", "rmsprop", "by hand"])
def test_a_network_is_trained_as_it_would_be_and_its_update_is_nodes(kind: str) -> None:
    plain, net = network(kind)
    wanted, states = [], []
    for _ in range(STEPS):
        wanted.append(plain(X, Y))
        states.append([p.data for p in net.parameters()])
    watched, seen = network(kind)
    made = iterations(watched, (X, Y), STEPS)
    assert [one.loss for one in made] == wanted
    for one, state in zip(made, states, strict=True):
        new = one.graph.outputs[1:]
        assert [node.name for node in new] == [f"{name}_new" for name, _ in net.named_parameters()]
        assert not any(node.is_leaf for node in new)  # computed, from the parameter and its gradient
        for node, value in zip(new, state, strict=True):
            np.testing.assert_array_equal(one.graph.values[node.index], value)
        for name, _ in net.named_parameters():
            np.testing.assert_array_equal(one.graph.value[f"d{name}"], one.graph.grad[name])
    for mine, theirs in zip(net.parameters(), seen.parameters(), strict=True):  # and what it changed is changed
        np.testing.assert_array_equal(mine.data, theirs.data)


def test_an_update_that_no_rate_explains_is_only_its_result() -> None:
    w = mg.Tensor(np.array([1.0, -2.0, 0.5]))

    def step():  # type: ignore[no-untyped-def]
        w.grad = None
        loss = (w * w).sum()
        loss.backward()
        w.data = np.sign(w.data) * 0.75
        return loss

    (one,) = iterations(step, (), 1)
    assert one.graph.outputs[1].is_leaf
    np.testing.assert_array_equal(one.graph.value["w_new"], [0.75, -0.75, 0.75])


def test_gradients_that_piled_up_are_those_that_the_optimizer_used() -> None:
    w = mg.Tensor(np.array([3.0, 1.0]))
    optimizer = optim.SGD([w], lr=0.125)

    def step():  # type: ignore[no-untyped-def]
        loss = (w * w).sum()
        loss.backward()  # nobody calls zero_grad
        optimizer.step()
        return loss

    first, second = iterations(step, (), 2)
    np.testing.assert_array_equal(second.graph.value["dw"], first.graph.grad["w"] + second.graph.grad["w"])
    np.testing.assert_array_equal(second.graph.value["w_new"], w.data)


def _two_losses() -> Callable[..., Any]:
    w = mg.Tensor(np.ones(2))

    def step():  # type: ignore[no-untyped-def]
        (w * w).sum().backward()
        (w + 1.0).sum().backward()
        w.data = w.data - 0.1 * w.grad

    return step


def _other_graph() -> Callable[..., Any]:
    w, times = mg.Tensor(np.ones(2)), []

    def step():  # type: ignore[no-untyped-def]
        times.append(1)
        loss = (w * w).sum() if len(times) < 2 else (w * w * w).sum()
        w.grad = None
        loss.backward()
        w.data = w.data - 0.1 * w.grad

    return step


@pytest.mark.parametrize(
    ("step", "args", "steps", "message"),
    [
        (lambda x: np.sum(x), (X,), 2, "changes no parameter: call loss.backward.* or return the loss and the new"),
        (lambda w, x: (np.sum(w * x), w[:1]), (X, X), 2, r"shapes \(1, 2\); its arguments begin with \(6, 2\), \(6, 2\)"),
        (lambda w: (w, w), (X,), 2, "returns no loss"),
        (by_hand, (W, B, X, Y), 0, "steps is 0; expected a whole number from 1 to 500"),
        (_two_losses(), (), 1, "calls backward.. twice, from different losses"),
        (_other_graph(), (), 2, "iteration 2 computes .* as mul of shape"),
    ],
)  # fmt: skip
def test_what_is_no_train_step_is_refused_in_words(
    step: Callable[..., Any], args: tuple[Any, ...], steps: int, message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        mg.walk(step, steps=steps, args=args)


def test_walk_says_what_steps_is_for() -> None:
    with pytest.raises(TypeError, match=r"walk\(train_step, steps=20\)"):
        mg.walk(by_hand)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="with steps= walk takes a train step"):
        mg.walk(mg.Tensor(1.0), steps=2)
    with pytest.raises(GraphError, match="leave out seed="):
        mg.walk(by_hand, steps=2, args=(W, B, X, Y), seed=1.0)


# ---- the page -------------------------------------------------------------------------------------------


def decoded(walk: Any, number: int) -> dict[tuple[str, int], Any]:
    """The arrays of one iteration as the page reads them."""
    training, graphs, found = walk.data["training"], walk.data["graphs"], {}
    cells = np.frombuffer(base64.b64decode(training["frames"][number]["numbers"]), "<f8")
    for side, indices in training["varies"].items():
        for index in indices:
            node = graphs[side]["nodes"][index]
            if "data" in node["value"]:
                size = int(np.prod(node["shape"]))
                found[side, index], cells = cells[:size].reshape(node["shape"]), cells[size:]
    assert cells.size == 0
    return found


def moons() -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    angle = rng.uniform(0, np.pi, 100)
    side = np.repeat([1.0, -1.0], 50)
    x = np.stack([np.cos(angle) * side + 0.5 * (side < 0), np.sin(angle) * side + 0.3 * (side < 0)], axis=1)
    shapes = {"W1": (2, 16), "b1": (16,), "W2": (16, 16), "b2": (16,), "W3": (16, 1), "b3": (1,)}
    params = {name: rng.normal(size=shape) * 0.4 for name, shape in shapes.items()}
    return params, x + 0.1 * rng.normal(size=x.shape), side


def test_the_pages_are_small_and_hold_the_numbers_of_every_iteration() -> None:
    for step, args in (
        (moons_step, moons()),
        (bn_step, (np.ones(3), np.zeros(3), RNG.normal(size=(4, 3)), np.ones((4, 3)))),
    ):
        walk = mg.walk(step, steps=20, args=args)
        assert len(walk.html.encode()) <= 1_500_000
        made = iterations(step, args, 20)
        for number in (0, 7, 19):
            found = decoded(walk, number)
            for (side, index), value in found.items():
                graph = made[number].graph if side == "forward" else made[number].graph.backward_graph()
                np.testing.assert_array_equal(value, graph.values[index])
            assert {("forward", node.index) for node in made[0].graph.outputs} <= {*found}
        assert walk.data["training"]["losses"] == [one.loss for one in made]


def test_a_batch_that_picks_other_entries_claims_no_cells_of_the_first() -> None:
    w, at = mg.Tensor(RNG.normal(size=(2, 3))), iter(np.array([[0, 1], [2, 2], [1, 0]]))

    def step(x):  # type: ignore[no-untyped-def]
        scores = x @ w
        picked = scores[np.arange(2), next(at)]
        loss = (picked * picked).sum()
        w.grad = None
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        return loss

    walk = mg.walk(step, steps=3, args=(X[:2],))
    nodes = walk.data["graphs"]["forward"]["nodes"]
    (gather,) = [i for i, node in enumerate(nodes) if node["op"] == "gather"]
    assert "cells" not in nodes[gather]
    assert nodes[gather]["attrs"] == {}
    numbers = {(s["phase"], s["node"]): s["math"]["numbers"] for s in walk.data["steps"]}
    assert numbers["forward", gather] == ""
    assert numbers["forward", next(i for i, node in enumerate(nodes) if node["name"] == "scores")]


def test_numbers_in_a_formula_that_change_are_refused() -> None:
    w, powers = mg.Tensor(np.array([2.0, 3.0])), iter([2, 3])

    def step():  # type: ignore[no-untyped-def]
        loss = (w ** next(powers)).sum()
        w.grad = None
        loss.backward()
        w.data = w.data - 0.1 * w.grad

    with pytest.raises(
        GraphError, match=r"iteration 2 computes loss_pow with the numbers exponent=3 .*with exponent=2"
    ):
        mg.walk(step, steps=2)


def test_too_much_for_a_page_is_refused() -> None:
    def step(w):  # type: ignore[no-untyped-def]
        loss = np.sum(w * w)
        return loss, w - 0.1 * (2 * w)

    with pytest.raises(GraphError, match=r"more than one page should hold .* show \d+ steps"):
        mg.walk(step, steps=100, args=(np.ones(1000),))


def test_the_script_of_a_training_is_not_in_other_pages() -> None:
    assert "losses" in script(None, "training.js")
    assert "losses" not in script(None)


@pytest.mark.browser
def test_the_page_goes_from_iteration_to_iteration(opened: Callable[..., Seen]) -> None:
    args = (np.array([1.5, -0.5, 2.0]), np.zeros(3), RNG.normal(size=(4, 3)), np.ones((4, 3)))
    walk, made = mg.walk(bn_step, steps=6, args=args), iterations(bn_step, args, 6)
    graphs = [both(one.graph) for one in made]
    edge = next(i for i, s in enumerate(walk.data["steps"]) if s["edge"] and s["edge"]["name"] == "dsqrtvar")
    seen = opened(walk, f"#step={edge + 1}&iteration=4")
    words = "document.querySelector('#iteration-words').textContent"
    assert seen.page.evaluate(words).startswith("iteration 4 of 6: loss ")
    assert check_numbers(seen, graphs[3])
    with pytest.raises(AssertionError):
        check_numbers(seen, graphs[2])
    seen.page.keyboard.press("]")
    assert check_numbers(seen, graphs[4])
    for _ in range(3):
        seen.page.click("#iteration-next", force=True) if seen.page.evaluate(
            "!document.querySelector('#iteration-next').disabled"
        ) else None
    assert check_numbers(seen, graphs[5])
    assert "iteration=6" in seen.page.evaluate("location.hash")
    for _ in range(len(walk.data["steps"]) - edge - 1):  # on, to the last update: another step, the same iteration
        seen.page.keyboard.press("ArrowRight")
        assert check_numbers(seen, graphs[5])
    assert seen.page.evaluate("document.querySelector('.phase').textContent") == "→ after the loss"
    box = seen.page.evaluate(
        "(b => [b.left, b.top, b.width, b.height])(document.querySelector('#curve').getBoundingClientRect())"
    )
    seen.page.mouse.click(box[0] + 2, box[1] + box[3] / 2)
    assert seen.page.evaluate(words).startswith("iteration 1 of 6")
    assert check_numbers(seen, graphs[0])
    assert seen.page.evaluate("document.querySelector('#live').hidden")
    seen.page.click("#language")
    assert seen.page.evaluate(words).startswith("第 1 次迭代，共 6 次")
