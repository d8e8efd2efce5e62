"""A function that raises: what ran is drawn, and the expression that broke, with its message."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.drawing.view import view_of
from micrograd.graph.broken import Failure, what_ran

X = np.arange(12.0).reshape(4, 3)


def mismatched(x):  # type: ignore[no-untyped-def]
    hidden = np.tanh(x)
    return (hidden * 2.0) @ x  # BREAKS


def in_a_helper(x):  # type: ignore[no-untyped-def]
    centred = x - x.mean(axis=0)
    return helper(centred)


def helper(a):  # type: ignore[no-untyped-def]
    square = a * a
    del a, square
    raise RuntimeError("<no> & more")  # BREAKS


def in_a_loop(x):  # type: ignore[no-untyped-def]
    for k in range(3):
        x = x + x[k + 2]  # BREAKS
    return x


def at_once(x):  # type: ignore[no-untyped-def]
    return np.linalg.eig(x)  # BREAKS


def of_the_users_own(x):  # type: ignore[no-untyped-def]
    total = np.sum(x)
    return {"a": total}["b"]  # BREAKS


def failed(f: Callable[..., Any]) -> tuple[mg.Graph, Failure, Exception]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the user's code raises
        mg.trace(f, X)
    graph = what_ran(caught.value)
    assert graph is not None
    assert graph.failure is not None
    return graph, graph.failure, caught.value


@pytest.mark.parametrize(
    ("f", "ran", "reads", "message"),
    [
        (mismatched, ["x", "hidden"], ["x", "mul"], "ShapeError: matmul: (4, 3) @ (4, 3)"),
        (in_a_helper, ["x", "centred", "square"], ["square"], "RuntimeError: <no> & more"),
        (in_a_loop, ["x", "x'", "x''"], ["x''"], "IndexError: index 4 is out of bounds"),
        (at_once, ["x"], ["x"], "GraphError: np.linalg.eig has no rule"),
        (of_the_users_own, ["x", "total"], ["total"], "KeyError: 'b'"),
    ],
)
def test_what_ran_is_drawn_up_to_the_line_that_broke(
    f: Callable[..., Any], ran: list[str], reads: list[str], message: str
) -> None:
    graph, failure, error = failed(f)
    names = [node.name for node in graph.nodes]
    assert [name for name in names if name in ran] == ran
    assert [graph.nodes[index].name.removeprefix("out_") for index in failure.reads] == reads
    assert failure.message.startswith(message)
    assert failure.source is not None
    assert "BREAKS" in linecache.getline(__file__, failure.source.line)
    view = view_of(graph, direction="LR", values=True, grads=True, stages=True, whole=False)
    (broken,) = [box for box in view.boxes if box.kind == "broken"]
    assert f"line {failure.source.line}" in [line.text for block in broken.blocks for line in block.lines]
    assert len([wire for wire in view.wires if wire.target == broken.index]) == len(reads)
    assert not [box for box in view.boxes if box.kind == "result"]  # nothing was returned
    picture = mg.draw(error)
    assert message.split(": ", maxsplit=1)[0] in picture.svg
    assert "<no>" not in picture.svg
    assert message.split(": ", maxsplit=1)[0] in picture.dot


def test_an_exception_of_another_place_is_refused() -> None:
    with pytest.raises(TypeError, match="this ValueError was raised outside it"):
        mg.draw(ValueError("mine"))


def test_a_walk_says_what_to_call_instead() -> None:
    _, _, error = failed(mismatched)
    with pytest.raises(TypeError, match=r"draw\(error\) draws what ran"):
        mg.walk(error)  # type: ignore[arg-type]
