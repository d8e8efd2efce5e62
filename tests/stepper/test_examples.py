"""The lessons that come with the project: each page is written, live, true, and its gradients are those measured."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_reader import only_ours
from mathml_reader import wrong
from paths import EXAMPLES

from micrograd.graph import Graph
from micrograd.stepper.page_data import walk_data

PAGES = [
    "batch-norm", "batch-norm-compact", "layer-norm", "softmax-cross-entropy", "two-layer-mlp", "why-plus-equals",
    "neuron",
]  # fmt: skip


@pytest.fixture(scope="module")
def lessons() -> Any:
    sys.path.insert(0, str(EXAMPLES))
    try:
        return runpy.run_path(str(EXAMPLES / "walks.py"), run_name="walks")
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.mark.parametrize("name", PAGES)
def test_a_lesson_is_live_and_its_formulas_are_true(lessons: Any, name: str) -> None:
    data = walk_data(lessons["graphs"]()[name])
    assert data["limits"]["live"]
    assert wrong(data)[0] == []
    assert data["sources"]
    assert all(stage["title"].startswith("step ") for stage in data["stages"])


@pytest.mark.parametrize("name", PAGES)
def test_the_gradients_of_a_lesson_are_the_measured_ones(lessons: Any, name: str) -> None:
    graph: Graph = lessons["graphs"]()[name]
    inputs = [np.array(graph.values[node.index]) for node in graph.inputs]
    (seed,) = graph.seeds.values()

    def loss(*arrays: np.ndarray) -> float:
        return float(np.sum(np.asarray(graph(*arrays)) * seed))

    for node, array in zip(graph.inputs, inputs, strict=True):
        for at in np.ndindex(array.shape):
            step = np.zeros_like(array)
            step[at] = 1e-5
            pairs = [[a + sign * step if a is array else a for a in inputs] for sign in (1, -1)]
            slope = (loss(*pairs[0]) - loss(*pairs[1])) / 2e-5
            assert abs(slope - np.asarray(graph.grads[node.index])[at]) < 1e-6, (node.name, at)


def test_the_pages_are_written(lessons: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lessons["main"](tmp_path / "walks", "zh")
    written = sorted(path.stem for path in (tmp_path / "walks").iterdir())
    assert written == sorted([*PAGES, "batch-norm-backward"])
    assert capsys.readouterr().out.count("\n") == len(PAGES)
    only_ours((tmp_path / "walks" / "why-plus-equals.html").read_text(encoding="utf-8"))


def test_why_plus_equals_has_three_paths(lessons: Any) -> None:
    graph = lessons["graphs"]()["why-plus-equals"]
    last = walk_data(graph)["steps"][-1]
    assert len(last["paths"]) == 3
    assert graph.grad["a"] == 7.0


def test_the_neuron_of_the_lecture(lessons: Any) -> None:
    graph = lessons["graphs"]()["neuron"]
    grads = {name: float(graph.grad[name]) for name in ("x1", "w1", "x2", "w2")}
    assert grads == pytest.approx({"x1": -1.5, "w1": 1.0, "x2": 0.5, "w2": 0.0})
