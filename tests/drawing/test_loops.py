"""Loops in a picture: a frame for each iteration, of a loop in a loop too; a large graph stays short."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.drawing.view import nested, view_of
from micrograd.drawing.view.pieces import Frame, TextLine

X, W = np.linspace(-1, 1, 6).reshape(2, 3), np.linspace(0.5, 1.5, 9).reshape(3, 3)


def in_a_loop(x: Any, w: Any) -> Any:
    for _ in range(3):
        for _ in range(2):
            x = np.tanh(x @ w)
        x = x * 0.5
    return x


def after_a_statement(x: Any, w: Any) -> Any:
    for _ in range(2):
        x = x * 0.5
        for _ in range(3):
            x = np.tanh(x @ w)
    return x


def on_a_condition(x: Any, w: Any) -> Any:
    for k in range(3):
        x = np.tanh(x @ w)
        if k % 2 == 0:
            x = x * 0.5
    return x


def cell(x: Any, w: Any) -> Any:
    for _ in range(2):
        x = np.tanh(x @ w)
    return x


def in_a_helper(x: Any, w: Any) -> Any:
    for _ in range(2):
        x = cell(x, w)
        x = x * 0.5
    return x


def long_inside(x: Any, w: Any) -> Any:
    for _ in range(2):
        for _ in range(5):
            x = np.tanh(x @ w)
        x = x * 0.5
    return x


def directly(x: Any, w: Any) -> Any:
    for _ in range(2):
        for _ in range(2):
            x = np.tanh(x @ w)
    return x


def tree(f: Callable[..., Any]) -> list[tuple[int, str, int]]:
    """The frames of a picture: how deep, the title, how many boxes."""
    view = view_of(
        mg.trace(f, X, W), direction="LR", values=True, grads=True, stages=True, whole=False, loops=True
    )  # fmt: skip
    return [(level, frame.title, len(frame.boxes)) for frame, level in nested(view.frames)]


@pytest.mark.parametrize(
    ("f", "frames"),
    [
        (in_a_loop, [f for k in (1, 2, 3) for f in
                     ((0, f"iteration {k} of 3", 3), (1, "iteration 1 of 2", 1), (1, "iteration 2 of 2", 1))]),
        (after_a_statement, [f for k in (1, 2) for f in
                             ((0, f"iteration {k} of 2", 4), *((1, f"iteration {i} of 3", 1) for i in (1, 2, 3)))]),
        (on_a_condition, [(0, "iteration 1 of 3", 2), (0, "iteration 2 of 3", 1), (0, "iteration 3 of 3", 2)]),
        (in_a_helper, [f for k in (1, 2) for f in
                       ((0, f"iteration {k} of 2", 3), (1, "iteration 1 of 2", 1), (1, "iteration 2 of 2", 1))]),
        (long_inside, [f for k in (1, 2) for f in
                       ((0, f"iteration {k} of 2", 4), (1, "iteration 1 of 5", 1), (1, "iteration 5 of 5", 1))]),
    ],
)  # fmt: skip
def test_a_loop_in_a_loop_has_frames_in_frames(f: Callable[..., Any], frames: list[tuple[int, str, int]]) -> None:
    assert tree(f) == frames
    assert mg.draw(mg.trace(f, X, W)).svg.count("<svg") == 1
    assert mg.draw(mg.trace(f, X, W)).dot.count("subgraph") == len(frames)


def test_a_loop_directly_in_another_is_one() -> None:
    assert tree(directly) == [(0, "iteration 1 of 4", 1), (0, "iteration 4 of 4", 1)]


def test_frames_of_the_same_boxes_lie_in_each_other() -> None:
    line = (TextLine("t"),)
    frames = [
        Frame(7, "a", line, (1,)),
        Frame(3, "b", line, (1,)),
        Frame(5, "c", line, (2, 3)),
        Frame(1, "d", line, (3,)),
    ]
    assert [(frame.index, level) for frame, level in nested(frames)] == [(7, 0), (3, 1), (5, 0), (1, 1)]


def test_a_large_picture_has_no_numbers_and_says_so() -> None:
    lines = ["def f(x, w):", "    h0 = x * w"] + [
        f"    h{i} = np.tanh(h{i - 1} * w + h{max(0, i - 7)})" for i in range(1, 100)
    ]
    import linecache

    text = "\n".join([*lines, "    return h99.sum()"]) + "\n"
    linecache.cache["large.py"] = (len(text), None, text.splitlines(keepends=True), "large.py")
    world: dict[str, Any] = {"np": np}
    exec(compile(text, "large.py", "exec"), world)
    graph = mg.trace(world["f"], np.ones(3), np.ones(3)).backward()
    assert len(graph.nodes) > 300
    picture = mg.draw(graph)
    assert re.match(r"\d+ boxes are drawn without their numbers", picture.note)
    high = float(re.search(r'viewBox="\S+ \S+ \S+ (\S+)"', picture.svg)[1])  # type: ignore[index]
    assert high < 6000
    assert mg.draw(graph, direction="TB").note == ""
