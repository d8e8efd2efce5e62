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


ARRAYS = """
import numpy as np
D = np.array([1.0, 2.0])

def reads(x):
    return np.sum(x * D * D[::-1])

def shapes(x):
    return np.sum(x * (len(D.shape) + 10 * D.shape[0]))

def views(x):
    D.T[0] * x[0]
    return np.sum(x[::-1] * D[1:])

def writes(x):
    D[0] += 1.0
    return np.sum(x * D)

def fills(x):
    D[0] = x[0]
    return np.sum(x * D)

def gives(x):
    return np.sum(x * D.__array__())

def defaults(x, by=D):
    return np.sum(x * by)

def closure():
    d = np.array([3.0, 4.0])
    return lambda x: np.sum(x * d), d
"""


def _of_arrays(name: str) -> tuple[dict[str, Any], Callable[..., Any], Any]:
    """Return the globals, the function and the array that it finds outside."""
    space: dict[str, Any] = {"__name__": "a_users_module", "__file__": __file__}
    exec(ARRAYS, space)
    return (space, *space["closure"]()) if name == "closure" else (space, space[name], space["D"])


IN_PLACE: list[Callable[[Any], None]] = [
    lambda d: d.__setitem__(-1, 7.0),
    lambda d: setattr(d, "shape", (1, 2)),
]


@pytest.mark.parametrize("between", IN_PLACE, ids=["entry", "shape"])
@pytest.mark.parametrize("name", ["reads", "shapes", "views", "writes", "fills", "gives", "defaults", "closure"])
def test_an_array_outside_is_what_it_is_in_each_run(name: str, between: Callable[[Any], None]) -> None:
    if name == "fills" and between is not IN_PLACE[0]:
        pytest.skip("what the function does to the array and what is done to it between runs do not go together")
    (_, f, d), (_, plain, e) = _of_arrays(name), _of_arrays(name)
    both = mg.value_and_grad(f)
    for turn in range(4):
        if turn == 2:
            between(d)
            between(e)
        value, gradient = both(X)
        assert value == plain(X)
        np.testing.assert_array_equal(d, e)
        assert d.shape == e.shape
        if name not in ("fills", "writes"):  # whose next call is another function
            step = 1e-6
            slopes = [(plain(X + step * unit) - plain(X - step * unit)) / (2 * step) for unit in np.eye(2)]
            np.testing.assert_allclose(gradient, slopes, rtol=1e-6)


def test_clones_of_small_arrays_are_kept_and_of_large_ones_not() -> None:
    from micrograd.tracing import clone

    space, f, _ = _of_arrays("reads")
    mg.grad(f)(X)
    first = clone._kept[id(f)]
    mg.grad(f)(X)
    assert clone._kept[id(f)] is first
    space["D"] = np.ones(clone._MOST_BYTES)
    mg.grad(lambda x, g=f: np.sum(g(x[:1])))(X)
    assert all(sum(s.origin.nbytes for s in kept.storages) <= clone._MOST_BYTES for kept in clone._kept.values())
