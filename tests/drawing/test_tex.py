"""Whole graphs in LaTeX and TikZ: complete, balanced, and safe whatever the names are."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walked import batchnorm

import micrograd as mg
from micrograd.drawing.tex import LIMIT
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.tracing import trace

COMMANDS = {  # of the table and of the two writers
    "begin", "bfseries", "cdot", "color", "d", "definecolor", "displaystyle", "draw", "end", "footnotesize", "frac",
    "hat", "left", "mathbf", "mathrm", "mathsf", "node", "right", "scriptsize", "sim", "sqrt", "sum",
    "textasciicircum", "textasciitilde", "textbackslash", "textbar", "textgreater", "textless", "textquotedbl",
    "times", "usepackage", "usetikzlibrary",
}  # fmt: skip


def balanced(text: str) -> bool:
    depth = 0
    for mark in re.findall(r"\\\\|\\[{}]|[{}]", text):
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if depth < 0:
            return False
    return depth == 0


def test_latex_of_a_graph_has_a_line_per_statement() -> None:
    text = mg.latex(batchnorm())
    lines = text.split("\n")
    assert lines[0] == r"\begin{aligned}"
    assert lines[-1] == r"\end{aligned}"
    assert lines[1] == r"\mu &= \frac{1}{4} \, \sum x \\"
    assert len(lines) == 2 + 9
    assert all(line.count("&=") == 1 for line in lines[1:-1])
    assert not lines[-2].endswith(r"\\")


def test_latex_of_the_backward_graph() -> None:
    assert r"\mathrm{dxmu} &= \mathrm{dxmu1} + \mathrm{dxmu2}" in mg.latex(batchnorm().backward_graph())


def test_latex_of_one_node_and_of_primitives() -> None:
    graph = batchnorm()
    assert mg.latex(graph, "xhat") == r"\hat{x} = \mathrm{xmu} \, \mathrm{ivar}"
    assert r"\mathrm{mu\_sum} &= \sum x" in mg.latex(graph, deep=False)


def test_tikz_has_every_statement_every_edge_and_every_gradient() -> None:
    text = mg.tikz(batchnorm())
    assert text.count(r"\node[input]") == 3
    assert text.count(r"\node[box]") == 8
    assert text.count(r"\node[output]") == 1
    assert text.count(r"\draw[path there]") == text.count(r"\draw[path back]") == text.count(r"\node[gradient]") == 13
    for name in (r"\mathrm{dxmu1}", r"\mathrm{dxmu2}", r"\mathrm{d}x_{1}", r"\mathrm{d}x_{2}"):
        assert f"{{${name}$}}" in text
    assert "step 7: normalize" in text
    assert balanced(text)
    assert "nan" not in text


def test_tikz_of_a_tensor_and_downwards() -> None:
    a = mg.Tensor(3.0)
    assert mg.tikz(a * a + a).count(r"\draw[path there]") == 4
    assert mg.tikz(batchnorm(), direction="TB") != mg.tikz(batchnorm())
    with pytest.raises(GraphError, match="'RL'"):
        mg.tikz(a * a, direction="RL")  # type: ignore[arg-type]


def test_a_constant_has_a_dotted_line() -> None:
    text = mg.tikz(trace(lambda x: x * np.arange(3.0), np.ones(3)))
    assert r"\draw[mggrey, dotted, ->]" in text
    assert r"\node[const]" in text


def test_too_many_nodes_are_refused_with_what_to_do() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        for _ in range(LIMIT):
            x = x + 1.0
        return x

    with pytest.raises(GraphError, match=r"up to 200 nodes; graph f has 201.*Trace a part"):
        mg.tikz(trace(f, np.ones(1)))


@settings(max_examples=30)
@given(
    st.text(min_size=1, max_size=12),
    st.sampled_from([r"\input{x}", "a}b", "{", "$x$", "%", "^", "~", "\\", "#1", "a_b"]),
)
def test_no_name_and_no_title_is_a_command(text: str, hostile: str) -> None:
    graph = batchnorm()
    nodes = [replace(n, name=f"{hostile}{text}{n.index}", statement=f"{hostile}{text}{n.index}") for n in graph.nodes]
    stages = [replace(stage, title=hostile + text) for stage in graph.stages]
    other = Graph(nodes, [14], stages, fixed=graph.fixed, tensors=graph._tensors)
    for made in (mg.latex(other), mg.tikz(other)):
        assert balanced(made)
        assert set(re.findall(r"\\([A-Za-z]+)", made)) <= COMMANDS
        assert made.replace(r"\$", "").count("$") % 2 == 0
