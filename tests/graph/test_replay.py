"""A graph run again with something changed, and a function called by the names of its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Program, inputs_of, programs, seeds

import micrograd as mg
from micrograd.graph import Graph
from micrograd.graph.graph import uneven, upstream_for
from micrograd.graph.replay import Replay
from micrograd.primitives import TABLE
from micrograd.pytree import call_by_parameter

# ---- a graph, run again ----------------------------------------------------------------------------------------------


def traced(program: Program, seed: int) -> Graph:
    return mg.trace(lambda x, y: program(np, x, y) * 1.0 + 0.5, *inputs_of(seed))


def computed_anew(graph: Graph, index: int, value: Any) -> list[Any]:
    """Every value of a graph, one node after the other, with another value for one of them."""
    values: list[Any] = []
    for node in graph.nodes:
        if node.is_leaf:
            values.append(graph.values[node.index])
        else:
            operands = [np.asarray(values[o]) if isinstance(o, int) else o for o in node.operands]
            values.append(TABLE[node.op].forward(*operands, **node.attrs))
        if node.index == index:
            values[-1] = value
    return values


@given(programs(), seeds, st.integers(0, 40))
def test_another_result_of_a_node_changes_what_comes_after_it_and_nothing_else(
    program: Program, seed: int, at: int
) -> None:
    graph = traced(program, seed)
    index = at % len(graph.nodes)
    before = Replay(graph)
    other = np.asarray(graph.values[index]) + 0.25
    after = before([(index, "out", lambda _: other)])
    for place, (got, wanted) in enumerate(zip(after, computed_anew(graph, index, other), strict=True)):
        np.testing.assert_array_equal(got, wanted)
        touched, stack = False, [place]
        while stack:
            current = stack.pop()
            touched = touched or current == index
            stack += graph.nodes[current].reads
        assert touched or got is before.values[place]
    assert all(a is b for a, b in zip(before([]), before.values, strict=True))


def test_an_operand_an_attribute_or_the_whole_operation_may_change() -> None:
    def f(x: Any) -> Any:
        s = np.sum(x, axis=0)
        return 2.0 * s

    x = np.arange(6.0).reshape(2, 3)
    graph = mg.trace(f, x)
    (total,) = (node.index for node in graph.nodes if node.op == "sum")
    (double,) = (node.index for node in graph.nodes if node.op == "mul")
    slot = next(slot for slot, operand in enumerate(graph.nodes[double].operands) if isinstance(operand, float))
    replay = Replay(graph)
    np.testing.assert_array_equal(replay([(double, slot, lambda two: two + 1)])[-1], 3 * x.sum(0))
    np.testing.assert_array_equal(replay([(double, 1 - slot, np.square)])[-1], 2 * x.sum(0) ** 2)
    np.testing.assert_array_equal(replay([(total, "attrs", lambda attrs: {**attrs, "axis": 1})])[-1], 2 * x.sum(1))
    np.testing.assert_array_equal(replay([(total, "attrs", lambda _: None)])[-1], 2 * x)
    both = replay([(total, 0, np.negative), (total, "out", lambda s: s + 1)])
    np.testing.assert_array_equal(both[-1], 2 * (1 - x.sum(0)))
    np.testing.assert_array_equal(graph.values[-1], 2 * x.sum(0))
    with pytest.raises(ValueError, match="broadcast"):
        replay([(total, "out", lambda _: np.ones(7)), (double, 1 - slot, lambda s: s + np.ones(3))])


@given(st.integers(1, 5), st.integers(2, 6), seeds)
def test_no_sum_of_an_uneven_gradient_vanishes(rows: int, columns: int, seed: int) -> None:
    g = upstream_for(np.ones((rows, columns)), np.random.default_rng(seed))
    assert g.shape == (rows, columns)
    assert min(abs(g.mean(axis=axis)).min() for axis in (0, 1)) > 0.03
    first, again = (uneven((rows, columns), np.random.default_rng(seed), 0.6) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    plain = uneven((rows, columns), np.random.default_rng(seed), 0.0)
    assert np.ptp(first - plain, axis=0).max() < 1e-12 < np.ptp((first - plain)[0])  # each column has its own mean


# ---- a call by the names of parameters -------------------------------------------------------------------------------


def forward(x: Any, /, w: Any, *, eps: float = 0.5) -> Any:
    x += 1.0
    return x * w + eps


def test_positional_only_parameters_are_given_by_position_and_copies_are_given() -> None:
    x, w = np.zeros(2), np.full(2, 3.0)
    np.testing.assert_array_equal(call_by_parameter(forward, {"eps": 1.0, "w": w, "x": x}), [4.0, 4.0])
    np.testing.assert_array_equal(x, [0.0, 0.0])
    both = call_by_parameter(lambda a, b: (a, b), {"a": x, "b": x})
    assert both[0] is both[1] is not x  # one array in two places stays one


def test_something_else_may_make_the_call() -> None:
    graph = call_by_parameter(forward, {"x": np.zeros(2), "w": np.ones(2)}, through=mg.trace)
    assert [node.name for node in graph.inputs] == ["x", "w"]
    with pytest.raises(TypeError, match="bogus"):
        call_by_parameter(forward, {"x": 1.0, "bogus": 2.0})


@given(st.integers(0, 2**40))
def test_the_seed_is_that_of_the_old_generator(seed: int) -> None:
    def drawn() -> Any:
        return np.random.rand(3)  # noqa: NPY002 - what students' dropout draws from

    first, again = (call_by_parameter(drawn, {}, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(call_by_parameter(drawn, {}), first)
