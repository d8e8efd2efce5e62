"""Formulas in MathML: what they say is what was computed, and no name is ever markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mathml_reader import wrong
from strategies import SHAPE, Program, programs, seeds
from walked import backward_steps, batchnorm, traced

from micrograd.graph import Graph
from micrograd.primitives import TABLE
from micrograd.stepper.cells import figure
from micrograd.stepper.mathml import TAGS, Piece, applied_to, constant_element, name_element, printable, with_names
from micrograd.stepper.page_data import walk_data
from micrograd.tracing import trace


def test_formulas_with_numbers_are_true() -> None:
    found, count = wrong(walk_data(batchnorm()))
    assert found == []
    assert count >= 25


@given(programs(), seeds)
def test_formulas_with_numbers_are_true_for_any_program(program: Program, seed: int) -> None:
    graph = traced(program, seed)
    graph.backward(np.random.default_rng(seed).standard_normal(SHAPE))
    assert wrong(walk_data(graph))[0] == []


def test_a_missing_bracket_would_be_found() -> None:
    data = walk_data(trace(lambda x, y: (x - y) * x, np.array([2.0]), np.array([5.0])))
    step = next(
        s for s in data["steps"] if "(" not in s["math"]["numbers"] and s["phase"] == "forward" and s["node"] == 3
    )
    step["math"]["numbers"] = (
        '<math><mi>out</mi><mo>=</mo><mn data-of="forward:0:0">2</mn><mo>−</mo><mn data-of="forward:1:0">5</mn>'
        '<mo>·</mo><mn data-of="forward:0:0">2</mn><mo>=</mo><mn data-of="forward:3:0">−6</mn></math>'
    )
    assert wrong(data)[0] != []


# ---- what is written --------------------------------------------------------


def seen(text: str) -> str:
    return "".join(ET.fromstring(text).itertext())


def formulas(data: dict[str, Any]) -> dict[str, str]:
    return {s["edge"]["name"]: seen(s["math"]["names"]) for s in backward_steps(data) if s["edge"]}


def test_the_backward_formulas_of_batch_normalization() -> None:
    shown = formulas(walk_data(batchnorm()))
    assert shown["divar"] == "divar=∑axis 0dx^·xmu"
    assert shown["dxmu2"] == "dxmu2=dsq·(2·xmu)"
    assert shown["dmu"] == "dμ=−∑axis 0dxmu"
    assert shown["dx1"] == "dx1=dxmu"
    assert shown["dgamma"] == "dγ=∑axis 0dgammax·x^"  # by the name it goes by there, not as dout


def test_local_derivatives() -> None:
    data = walk_data(batchnorm())
    local = {s["edge"]["name"]: seen(s["edge"]["local"]) for s in backward_steps(data) if s["edge"]}
    assert local["dxmu1"] == "∂x^∂xmu=ivar"
    assert local["dgamma"] == "∂gammax∂γ=x^"  # the sum over the batch is no part of it
    assert local["dmu"] == "∂xmu∂μ=−1"
    assert local["dx1"] == "∂xmu∂x=1"
    assert local["dxmu2"] == "∂sq∂xmu=2·xmu"
    assert local["dsq"] == "∂var_sum∂sq=1"


def test_names_of_the_field_are_letters() -> None:
    assert name_element("gamma") == "<mi>γ</mi>"
    assert seen(name_element("xhat")) == "x^"
    assert seen(name_element("dxhat")) == "dx^"
    assert seen(name_element("mu2'")) == "μ2′"
    assert name_element("sqrtvar") == "<mi>sqrtvar</mi>"
    assert name_element("delta") == "<mi>δ</mi>"
    assert name_element("data") == "<mi>data</mi>"  # not d of ata


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "14"), (1e-5, "10−5"), (2.0, "2"), (-0.5, "−12"), (3e-7, "3·10−7"), (float("inf"), "∞")]
)
def test_constants(value: float, text: str) -> None:
    assert seen(f"<math>{constant_element(value)[0]}</math>") == text


@pytest.mark.parametrize(
    ("value", "text"), [(float("nan"), "NaN"), (float("-inf"), "−∞"), (-0.5, "−0.5"), (123456.0, "1.235e+05")]
)
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_long_sum_has_an_ellipsis() -> None:
    data = walk_data(trace(lambda x: x.sum(), np.arange(50.0)))
    text = data["steps"][1]["math"]["numbers"]
    assert "⋯" in text
    assert text.count("<mn") == 5  # three terms, the last one, and the sum


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_row_of_the_table_has_mathml(row: Any) -> None:
    graph = Graph.of(_made(row))
    text = with_names(graph, graph.outputs[0], "forward")
    root = ET.fromstring(text)
    assert {element.tag for element in root.iter()} <= TAGS
    assert "\\" not in text
    assert "{" not in seen(text)


def _made(row: Any) -> Any:
    from micrograd import Tensor

    inside = row.name in ("arcsin", "arccos", "arctanh")
    x = Tensor(np.array([[2.0, 3.0], [4.0, 5.0]]) * (0.125 if inside else 1.0))
    if row.kind == "call":
        x = Tensor(np.array([[2.0, 0.5], [0.5, 3.0]]))  # which has an inverse, and a Cholesky factor
    attrs: dict[str, Any] = {
        "pow": {"exponent": 3}, "sum": {"axis": 0}, "max": {"axis": 0}, "reshape": {"shape": (4,)},
        "transpose": {"axes": (1, 0)}, "broadcast": {"shape": (2, 2, 2)}, "gather": {"index": (slice(None), 0)},
        "scatter": {"index": (slice(0, 2),), "shape": (3, 2)}, "cast": {"dtype": "float32"}, "places": {"function": "argmax"},
    }.get(row.name, {"axis": 1} if row.kind == "scan" else {})  # fmt: skip
    operands = [x] * (2 if row.variadic else len(row.vjp))
    return row(*operands, **attrs)


def test_operands_are_bracketed_as_their_level_asks() -> None:
    graph = trace(lambda x: -x, np.ones(1))
    text = applied_to(graph.outputs[0], [Piece("<mn>−2</mn>", 2, False, True)]).text
    assert seen(text) == "−(−2)"


# ---- hostile names --------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "</math><img src=x onerror=alert(1)>",
    "&amp;",
    "a\x00b",
    "\\frac{1}{0}",
    "{0}",
    "^",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_text(name: str) -> None:
    root = ET.fromstring(f"<math>{name_element(name)}</math>")
    assert "".join(root.itertext()) == printable(name)
    assert {element.tag for element in root.iter()} <= {"math", "mi"}


@given(st.text(min_size=1))
def test_any_name_is_text(name: str) -> None:
    root = ET.fromstring(f"<math>{name_element(name)}</math>")
    assert {element.tag for element in root.iter()} <= TAGS


def test_private_characters_in_a_name_are_not_holes() -> None:
    """Operands stand as private-use characters while TeX is translated; names are put in after that."""
    from dataclasses import replace

    graph = trace(lambda x, y: x - y, np.ones(1), np.ones(1))
    nodes = [replace(graph.nodes[0], name="\ue001"), *graph.nodes[1:]]
    other = Graph(nodes, [2])
    assert seen(with_names(other, other.nodes[2], "forward")) == "out=\ue001−y"
