"""Formulas printed from the rows: the brackets keep the meaning, every row prints, names cannot become commands."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import micrograd as mg
from micrograd.batchnorm import batch_norm
from micrograd.graph import Graph, formulas
from micrograd.graph.formulas import formula, latex, number, own_name, statement_heads
from micrograd.graph.graph import Node
from micrograd.primitives import TABLE


def staged() -> Graph:
    rng = np.random.default_rng(0)
    graph = mg.trace(batch_norm, rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=3))
    return graph.backward(rng.normal(size=(4, 3)))


FORWARD = {
    "mu": "mu = 1/4 · Σ x",
    "xmu": "xmu = x − mu",
    "sq": "sq = xmu²",
    "var": "var = 1/4 · Σ sq",
    "sqrtvar": "sqrtvar = √(var + 1e−5)",
    "ivar": "ivar = 1/sqrtvar",
    "xhat": "xhat = xmu × ivar",
    "gammax": "gammax = gamma × xhat",
    "out": "out = gammax + beta",
}
BACKWARD = {
    "dbeta": "dbeta = Σ dout",
    "dgamma": "dgamma = Σ dout × xhat",
    "divar": "divar = Σ dxhat × xmu",
    "dsqrtvar": "dsqrtvar = (−divar) × ivar × ivar",
    "dvar": "dvar = dsqrtvar × (1/2 · 1/sqrtvar)",
    "dxmu2": "dxmu2 = dsq × (2 · xmu)",
    "dxmu": "dxmu = dxmu1 + dxmu2",
    "dmu": "dmu = −Σ dxmu",
}


def test_the_staged_graph_reads_as_on_the_board() -> None:
    graph = staged()
    assert {name: formula(graph, name) for name in FORWARD} == FORWARD


def test_the_derivatives_are_printed_from_the_backward_graph() -> None:
    backward = staged().backward_graph()
    assert {name: formula(backward, name) for name in BACKWARD} == BACKWARD
    assert formula(backward, "dgammax") == "dgammax = dout"  # a second name


def test_latex() -> None:
    graph = staged()
    assert latex(graph, "var") == r"\mathrm{var} = \frac{1}{4} \, \sum \mathrm{sq}"
    assert latex(graph, "sqrtvar") == r"\mathrm{sqrtvar} = \sqrt{\mathrm{var} + 1 \cdot 10^{-5}}"
    assert latex(graph, "gammax") == formula(graph, "gammax", unicode=False) == r"\mathrm{gammax} = \gamma \, \hat{x}"
    assert latex(graph.backward_graph(), "dgamma") == r"\mathrm{d}\gamma = \sum \mathrm{dout} \, \hat{x}"


def test_products_carry_the_sign_of_their_row() -> None:
    graph = mg.trace(lambda x, w: (x @ w) * x, np.ones((2, 2)), np.ones((2, 2)))
    assert formula(graph, "out") == "out = x @ w × x"
    assert latex(graph, "out") == r"\mathrm{out} = x \, w \, x"


def test_parts_of_a_statement_are_written_out_or_named() -> None:
    graph = staged()
    assert formula(graph, "mu", deep=False) == "mu = 1/4 · mu_sum"
    heads = statement_heads(graph)
    assert heads[graph.node("mu_sum").index] == graph.node("mu").index
    assert [node.name for node in graph.nodes if not own_name(node)] == ["mu_sum", "var_sum", "sqrtvar_add"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "1/4"), (2.0, "2"), (-0.5, "−1/2"), (0.3, "0.3"), (1e-5, "1e−5"), (1e20, "1e20"), (math.inf, "∞"),
     (math.nan, "nan")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value)[0] == text


# ---- brackets: what is printed means what was computed --------------------------------------------------------

# Values near 1 with unlike digits: a lost bracket changes the result by far more than rounding does.
OPERATIONS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "pow": lambda a: a**2,
    "reciprocal": lambda a: 1.0 / a if a else 0.0,
    "sqrt": lambda a: math.sqrt(abs(a)),
}


@st.composite
def expressions(draw: st.DrawFn) -> tuple[list[Node], dict[str, float], float]:
    """A random expression of one statement, the leaves' values, and the value that it has."""
    count = draw(st.integers(2, 4))
    nodes = [Node(i, "abcd"[i], "input", (), "float64") for i in range(count)]
    values = [1.1, 0.7, 1.9, 0.3][:count]
    known = dict(zip("abcd", values, strict=False))
    for _ in range(draw(st.integers(1, 7))):
        op = draw(st.sampled_from(sorted(OPERATIONS)))
        arity = len(TABLE[op].vjp)
        operands = [draw(st.integers(0, len(nodes) - 1)) for _ in range(arity)]
        result = OPERATIONS[op](*(values[o] for o in operands))
        if not 1e-3 < abs(result) < 1e3:
            continue
        index = len(nodes)
        attrs = {"exponent": 2} if op == "pow" else {}
        nodes.append(Node(index, f"r_{index}", op, (), "float64", tuple(operands), attrs, "r"))
        values.append(result)
    last = nodes[-1]
    if last.op == "input":
        nodes.append(Node(len(nodes), "r", "neg", (), "float64", (last.index,), {}, "r"))
        values.append(-values[-1])
    return nodes, known, values[-1]


def meaning(text: str, known: dict[str, float]) -> float:
    """The formula as a pupil reads it, by Python's precedence, which is mathematics'."""
    code = text.replace("×", "*").replace("·", "*").replace("−", "-").replace("²", "**2")  # a power binds before a root
    code = re.sub(r"√(\w+)", r"root(\1)", code).replace("√(", "root(")
    return float(eval(code, {"root": lambda a: math.sqrt(abs(a))}, dict(known)))


@given(expressions())
def test_brackets_keep_the_meaning(case: tuple[list[Node], dict[str, float], float]) -> None:
    nodes, known, value = case
    text = formula(Graph(nodes, [nodes[-1].index]), nodes[-1].name).partition(" = ")[2]
    assert meaning(text, known) == pytest.approx(value, rel=1e-9)


def test_the_bracket_law_can_fail() -> None:
    assert meaning("a − (b − c)", {"a": 1.0, "b": 2.0, "c": 3.0}) != meaning(
        "a − b − c", {"a": 1.0, "b": 2.0, "c": 3.0}
    )


# ---- every row, any name --------------------------------------------------------

ATTRS: dict[str, dict[str, Any]] = {
    "pow": {"exponent": 1.5},
    "gather": {"index": (slice(1, None), slice(None, None, 2), 0, Ellipsis)},
    "reshape": {"shape": (3, 4)},
    "transpose": {"axes": (1, 0)},
    "cast": {"dtype": "float32"},
}


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.name)
def test_every_row_prints_in_both_styles(row: Any) -> None:
    count = 3 if row.variadic else len(row.vjp)
    nodes = [Node(i, "uvw"[i], "input", (), "float64") for i in range(count)]
    nodes.append(Node(count, "r", row.name, (), "float64", tuple(range(count)), ATTRS.get(row.name, {}), "r"))
    graph = Graph(nodes, [count])
    plain, tex = formula(graph, "r"), latex(graph, "r")
    for text in (plain, tex):
        assert all(name in text for name in "uvw"[:count]), text
        assert not any(0xE000 <= ord(c) < 0xF900 for c in text), text
    assert not set(plain) & set("\\{}"), plain
    assert tex.count("{") == tex.count("}"), tex
    if row.level < 9 and count == 1:  # as the base of a power it needs its brackets
        outer = Node(count + 1, "q", "pow", (), "float64", (count,), {"exponent": 2}, "q")
        inner = Node(count, "q_x", row.name, (), "float64", tuple(range(count)), ATTRS.get(row.name, {}), "q")
        assert ")²" in formula(Graph([*nodes[:-1], inner, outer], [count + 1]), "q")


@given(st.text(min_size=1, max_size=20))
def test_no_name_becomes_a_command(name: str) -> None:
    graph = Graph(
        [Node(0, name, "input", (), "float64"), Node(1, "r" + name, "sqrt", (), "float64", (0,), {}, "r" + name)], [1]
    )
    tex = latex(graph, "r" + name)
    commands = set(re.findall(r"\\([A-Za-z]+)", tex))
    assert commands <= {"mathrm", "sqrt", "textbackslash", "sim", "hat", "bar", "tilde"} | formulas._GREEK
    unescaped = re.sub(r"\\[\\{}#$%&_]|\\textbackslash\{\}|\\sim\{\}|\\hat\{\}", "", tex)
    assert unescaped.count("{") == unescaped.count("}")
    assert not any(ord(c) < 32 for c in tex)


def test_a_deep_statement_is_cut_at_names() -> None:
    nodes = [Node(0, "x", "input", (), "float64")]
    nodes += [Node(i, f"y_{i}", "tanh", (), "float64", (i - 1,), {}, "y") for i in range(1, 20_000)]
    text = formula(Graph(nodes, [len(nodes) - 1]), nodes[-1].name)
    assert len(text) < 1000
