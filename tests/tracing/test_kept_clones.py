"""Clones that are kept from run to run: what changed between two runs is seen, what a run assigned is there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import micrograd as mg

SOURCE = """
import numpy as np
SCALE = 2.0
TABLE = [2.0]
CALLS = 0

def helper(x, power=2, *, add=0.0):
    return x ** power + add

def f(x):
    return np.sum(SCALE * helper(x))

def counts(x):
    global CALLS
    CALLS += 1
    return np.sum(x * CALLS)

def lists(x):
    TABLE.append(1.0)
    return np.sum(x * len(TABLE))

def recursive(x, n):
    return x if n == 0 else x * recursive(x, n - 1)

def built_in(x):
    return sum([x[0], x[1]]) + abs(x[0])
"""
X = np.array([0.5, -1.5])


def world() -> dict[str, Any]:
    """Return the globals of a fresh module."""
    space: dict[str, Any] = {"__name__": "a_users_module", "__file__": __file__}
    exec(SOURCE, space)
    return space


def _global(space: dict[str, Any]) -> None:
    space["SCALE"] = 3.0


def _code(space: dict[str, Any]) -> None:
    space["helper"].__code__ = (lambda x, power=2, *, add=0.0: x**3 + add).__code__


def _replaced(space: dict[str, Any]) -> None:
    space["helper"] = FunctionType((lambda x: x * 5.0).__code__, space)


def _defaults(space: dict[str, Any]) -> None:
    space["helper"].__defaults__ = (4,)


def _keywords(space: dict[str, Any]) -> None:
    space["helper"].__kwdefaults__["add"] = 7.0


def _shadowed(space: dict[str, Any]) -> None:
    space["abs"] = FunctionType((lambda x: x * 100.0).__code__, space)


CHANGES = [
    *((change, "f") for change in (_global, _code, _replaced, _defaults, _keywords)),
    (_shadowed, "built_in"),
]


@pytest.mark.parametrize(("change", "name"), CHANGES, ids=lambda part: getattr(part, "__name__", part).strip("_"))
def test_a_change_between_two_runs_is_seen(change: Callable[[dict[str, Any]], None], name: str) -> None:
    space = world()
    both = mg.value_and_grad(space[name])
    for _ in range(2):
        before = both(X)
    change(space)
    value, gradient = both(X)
    assert value == space[name](X) != before[0]
    step = 1e-6
    slopes = [(space[name](X + step * unit) - space[name](X - step * unit)) / (2 * step) for unit in np.eye(2)]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6)


@pytest.mark.parametrize("name", ["counts", "lists"])
def test_what_a_run_changes_is_there_in_the_next(name: str) -> None:
    space, plain = world(), world()
    both = mg.value_and_grad(space[name])
    for _ in range(3):
        assert both(X)[0] == plain[name](X)
    assert (space["CALLS"], space["TABLE"]) == (plain["CALLS"], plain["TABLE"])


def test_a_closure_that_is_rebound_is_seen() -> None:
    def outer() -> tuple[Callable[[Any], Any], Callable[[float], None]]:
        scale = 2.0

        def f(x: Any) -> Any:
            return np.sum(x * scale)

        def rebind(value: float) -> None:
            nonlocal scale
            scale = value

        return f, rebind

    f, rebind = outer()
    g = mg.grad(f)
    assert [*g(X)] == [*g(X)] == [2.0, 2.0]
    rebind(5.0)
    assert [*g(X)] == [5.0, 5.0]


def test_a_function_within_its_own_gradient_and_in_many_threads() -> None:
    space = world()
    cube = mg.grad(lambda x: space["recursive"](x, 2))
    assert mg.grad(lambda x: cube(x) * cube(2 * x))(0.5) == pytest.approx(144 * 0.5**3)
    counts = mg.grad(space["counts"])
    seen: list[float] = []
    threads = [threading.Thread(target=lambda: seen.extend(counts(X))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(found) for found in seen} == {np.float64}
    assert type(space["CALLS"]) is int


def test_clones_are_kept_where_nothing_was_assigned_and_hold_no_arrays() -> None:
    from micrograd.tracing import clone

    space = world()
    for name, keeps in (("f", True), ("counts", False), ("lists", False)):
        mg.grad(space[name])(X)
        assert (id(space[name]) in clone._kept) is keeps
    assert len(clone._kept) <= clone._MOST
    for cloner in clone._kept.values():
        assert not cloner.storages


def _around(k: float) -> Callable[..., Any]:
    def f(x: Any) -> Any:
        return k * x

    inner = f

    def f(x: Any) -> Any:  # type: ignore[no-redef]
        return inner(x) + k

    return f


def _beside(k: float) -> Callable[..., Any]:
    def a(x: Any) -> Any:
        return z(x) * k if k > 100 else k * x

    def z(x: Any) -> Any:
        return a(x) + k * b(x)

    def b(x: Any) -> Any:
        return x + k

    return z


@pytest.mark.parametrize("made", [_around, _beside])
def test_functions_that_share_a_variable_of_their_closures_share_it_in_a_trace(made: Any) -> None:
    for k in (1.0, 2.0):
        f = made(k)
        graph = mg.trace(lambda x, f=f: f(x) * 1.0, X)
        np.testing.assert_array_equal(graph.value[graph.outputs[0].name], f(X))
        np.testing.assert_array_equal(mg.vjp(f, X)[0], f(X))
        np.testing.assert_allclose(mg.grad(lambda x, f=f: np.sum(f(x)))(X), f(X + 1.0) - f(X))
        np.testing.assert_array_equal(mg.compile(f)(X), f(X))
