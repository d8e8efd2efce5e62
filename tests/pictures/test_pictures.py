"""Pictures of ten functions, kept as files: each can be read at the width of a README, and says what it said before.

`python tests/support/picture_samples.py` writes them anew; look at each before it is committed.
"""

from __future__ import annotations

import re

import numpy as np
import picture_samples
import pytest
from picture_laws import broken, read, shown
from picture_samples import GOLDEN, SAMPLES, golden

import micrograd as mg
from micrograd.drawing import engines

KEPT = sorted(GOLDEN.glob("*.svg"))


@pytest.fixture(scope="module")
def pictures() -> dict[str, str]:
    return {name: mg.draw(sample()).svg for name, sample in SAMPLES.items()}


@pytest.mark.parametrize("name", SAMPLES)
def test_it_can_be_read(pictures: dict[str, str], name: str) -> None:
    assert broken(pictures[name]) == []


def test_what_is_small_enough_is_kept(pictures: dict[str, str]) -> None:
    assert {name for name, svg in pictures.items() if len(svg) < 100_000} == {path.stem for path in KEPT}
    assert len(KEPT) >= 9


@pytest.mark.parametrize("name", [path.stem for path in KEPT])
def test_it_says_what_it_said(pictures: dict[str, str], name: str) -> None:
    kept = golden(name).read_text(encoding="utf-8")
    assert broken(kept) == []
    if (GOLDEN / "engine.txt").read_text(encoding="utf-8").strip() == engines.version():
        assert shown(pictures[name]) == shown(kept)
        assert abs(read(pictures[name]).width - read(kept).width) < 2


def test_the_laws_can_fail(pictures: dict[str, str]) -> None:
    svg = pictures["batch_norm"]
    assert any("pixels" in text for text in broken(re.sub(r'viewBox="0 0 \d+', 'viewBox="0 0 2498', svg)))
    assert any("pixels" in text for text in broken(svg, width=400))
    nodes = re.findall(r'<g id="(node-\d+)" class="node"><title>[^<]*</title><rect class="[^"]*" x="([^"]*)"', svg)
    assert any(
        "overlap" in text
        for text in broken(svg.replace(f'x="{nodes[1][1]}"', 'x="0.0"').replace('width="1', 'width="91'))
    )
    moved = re.sub(r'(<text class="grey b" x="[^"]*" y=")[^"]*', r"\g<1>" + "120.0", svg)
    assert broken(moved)


def test_a_smaller_width_is_kept_too() -> None:
    for name in ("mlp", "attention", "karpathy"):
        assert broken(mg.draw(SAMPLES[name](), width=640).svg, width=640) == [], name
    with pytest.raises(mg.errors.GraphError, match="width is 20"):
        mg.draw(SAMPLES["karpathy"](), width=20)


def test_repeated_iterations_are_one_box(pictures: dict[str, str]) -> None:
    said = " ".join(text for _, texts in shown(pictures["rnn"]) for text in texts)
    assert "iterations 2 … 59" in said
    assert "× 58" in said
    texts = " ".join(re.findall(r">([^<>]+)</text>", pictures["rnn"]))
    assert "iteration 1 of 60" in texts
    assert "iteration 60 of 60" in texts
    graph = SAMPLES["rnn"]()
    whole = {node.index for node in graph.nodes if node.name in ("x", "h", "Wx", "Wh", "b")}
    drawn = [name for name, _ in shown(pictures["rnn"]) if name.startswith("node-") and "copy" not in name]
    assert {f"node-{index}" for index in whole} <= set(drawn), "each parameter once"
    assert len(drawn) == len(set(drawn)) == len(whole) + 3
    straight = pictures["karpathy"]
    assert "iteration" not in straight, "lines that repeat a name are no loop"


def test_calls_of_helpers_and_layers_fold() -> None:
    graph = picture_samples.network(3)
    for depth, boxes in ((1, 6), (None, 9)):
        svg = mg.draw(graph, depth=depth).svg
        assert broken(svg) == []
        names = [texts[0] for name, texts in shown(svg) if re.fullmatch(r"node-\d+", name)]
        leaves = {node.name for node in graph.nodes if node.is_leaf}
        assert len([name for name in names if name not in leaves]) == boxes
        assert (names.count("Linear"), names.count("ReLU")) == ((3, 3) if depth else (0, 0))
    lstm = mg.draw(SAMPLES["lstm"](), depth=1).svg
    assert "sigmoid(f)" in lstm
    assert "sigmoid(f)" not in mg.draw(SAMPLES["lstm"]()).svg
    with pytest.raises(mg.errors.GraphError, match="depth is 0"):
        mg.draw(graph, depth=0)


def test_what_is_zero_but_for_rounding_says_so() -> None:
    svg = mg.draw(SAMPLES["attention"]()).svg
    said = dict(shown(svg))
    assert [texts for texts in said.values() if "dscores2" in texts] == [
        ["dscores2", "0 by rounding", "(4, 1) → (4, 4)"]
    ]
    tiny = mg.trace(lambda x: x * 1e-20, np.ones(2)).backward(np.ones(2))
    assert "rounding" not in mg.draw(tiny).svg, "a small product is no rounding"
    left = mg.trace(lambda a, b, c: (a + b) - c, np.array([0.1]), np.array([0.2]), np.array([0.3]))
    assert "0 by rounding" in mg.draw(left).svg


def test_a_sum_says_over_which_axis() -> None:
    graph = mg.trace(lambda x: x.sum(axis=1) * np.max(x, axis=0).sum(), np.ones((2, 3)))
    said = " ".join(text for _, texts in shown(mg.draw(graph).svg) for text in texts)
    assert "Σ over axis 1" in said
    assert "max over axis 0" in said
