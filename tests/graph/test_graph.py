"""`Graph`: structure, values, gradients of nodes and edges, the backward pass as a graph, and text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from staged_bn import BETA, GAMMA, X, staged
from strategies import SHAPE, Program, inputs_of, programs, seeds

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.errors import GraphError, ShapeError
from micrograd.graph import Graph, Node
from micrograd.primitives import TABLE

DOUT = np.array([[0.3, -1.0, 2.0], [1.1, 0.4, -0.2], [-0.6, 0.9, 0.8], [0.5, -1.7, 0.1]])
BACKWARD = ["dbeta", "dgammax", "dgamma", "dxhat", "divar", "dxmu1", "dsqrtvar", "dvar", "dsq", "dxmu2", "dx1",
            "dmu", "dx2", "dx"]  # fmt: skip


N = Node


def graph_of_staged() -> Graph:
    return mg.trace(staged, X, GAMMA, BETA)


def as_graph(program: Program, seed: int) -> Graph:
    return mg.trace(lambda x, y: program(np, x, y) * 1.0, *inputs_of(seed))


# ---- structure -------------------------------------------------------------------------------------------


def test_edges_are_operand_slots() -> None:
    graph = mg.trace(lambda a: a * a, X)
    assert [(e.source, e.target, e.slot) for e in graph.edges] == [(0, 1, 0), (0, 1, 1)]
    graph.backward(DOUT)
    assert np.array_equal(graph.edge_grad["a", "out", 0], DOUT * X)
    with pytest.raises(GraphError, match=r"a feeds out 2 times; ask for one of \('a', 'out', 0\), \('a', 'out', 1\)"):
        graph.edge_grad["a", "out"]


def test_an_edge_may_be_named_by_the_statement_it_enters() -> None:
    graph = graph_of_staged().backward(DOUT)
    assert np.array_equal(graph.edge_grad["x", "mu"], graph.edge_grad["x", "mu_sum"])
    with pytest.raises(GraphError, match=r"beta does not feed mu; it feeds out\."):
        graph.edge_grad["beta", "mu"]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(GraphError, match=r"has no node 'xnu'; did you mean xmu"):
        graph_of_staged().node("xnu")


def test_not_yet_is_said_and_never_zero() -> None:
    graph = graph_of_staged()
    assert not graph.has_grads
    assert len(graph.grad) == 0
    with pytest.raises(GraphError, match=r"xmu has no gradient: not yet; call graph.backward\(seed\)"):
        graph.grad["xmu"]
    with pytest.raises(GraphError, match=r"xmu -> sq has no gradient: not yet"):
        graph.edge_grad["xmu", "sq"]


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ([N(0, "x", "input", (), "float64"), N(1, "x", "exp", (), "float64", (0,))], [1], "two nodes have one name"),
        ([N(0, "x", "input", (), "float64"), N(1, "y", "erf", (), "float64", (0,))], [1], "erf is not a primitive"),
        ([N(0, "x", "input", (), "float64"), N(1, "y", "add", (), "float64", (0,))], [1], "takes 2 operand"),
        ([N(0, "y", "exp", (), "float64", (1,)), N(1, "x", "input", (), "float64")], [0], "does not come before it"),
        ([N(0, "y", "exp", (), "float64", (0,))], [0], "does not come before it"),
        ([N(0, "c", "constant", (), "float64")], [0], "constant without a value"),
        ([N(1, "x", "input", (), "float64")], [0], "index 1 at position 0"),
        ([N(0, "x", "input", (), "float64", (0,))], [0], "input has operands"),
    ],
)  # fmt: skip
def test_a_malformed_graph_is_refused(nodes: list[Node], outputs: list[int], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Graph(nodes, outputs)


# ---- values and gradients --------------------------------------------------------------------------------


def test_running_on_other_inputs() -> None:
    graph = graph_of_staged()
    other = X[::-1] * 2 + 1
    assert np.array_equal(graph(other, BETA, GAMMA), staged(other, BETA, GAMMA)[0])
    assert np.array_equal(graph.value["x"], X)  # calling changes nothing
    graph.run(other, BETA, GAMMA)
    assert np.array_equal(graph.value["x"], other)
    with pytest.raises(GraphError, match=r"takes 3 input\(s\) \(x, gamma, beta\); got 1"):
        graph(other)
    with pytest.raises(ShapeError, match=r"x has shape \(2, 3\); the graph was made for \(4, 3\)"):
        graph(other[:2], BETA, GAMMA)


@given(programs(), seeds)
@settings(max_examples=60)
def test_node_gradients_are_the_sum_of_edge_gradients_bitwise(program: Program, seed: int) -> None:
    graph = as_graph(program, seed)
    with np.errstate(all="ignore"):
        graph.backward(inputs_of(seed + 1, 1)[0])
    order = {index: place for place, index in enumerate(reversed(range(len(graph.nodes))))}
    for index, gradient in graph.grads.items():
        if graph.nodes[index] in graph.outputs:
            continue
        parts = [(order[t], slot, part) for (s, t, slot), part in graph.edge_grads.items() if s == index]
        total: Any = None
        for _, _, part in sorted(parts, key=lambda p: p[:2]):
            total = part if total is None else total + part
        assert np.array_equal(total, gradient, equal_nan=True)


def test_the_check_above_can_fail() -> None:
    graph = graph_of_staged().backward(DOUT)
    assert not np.array_equal(graph.edge_grad["xmu", "xhat"], graph.grad["xmu"])


def test_gradients_equal_those_of_the_engine() -> None:
    x, gamma, beta = Tensor(X), Tensor(GAMMA), Tensor(BETA)
    staged(x, gamma, beta)[0].backward(DOUT)
    graph = graph_of_staged().backward(DOUT)
    for name, leaf in (("x", x), ("gamma", gamma), ("beta", beta)):
        assert np.array_equal(graph.grad[name], leaf.grad)


def test_seeds_for_several_outputs() -> None:
    graph = mg.trace(lambda x: (x * 2.0, x * 3.0), X)
    assert np.array_equal(graph.backward((DOUT, None)).grad["x"], 2 * DOUT)
    assert np.array_equal(graph.backward((None, DOUT)).grad["x"], 3 * DOUT)
    assert np.allclose(graph.backward((DOUT, DOUT)).grad["x"], 5 * DOUT, rtol=1e-15)
    with pytest.raises(GraphError, match=r"3 seeds for 2 output"):
        graph.backward((DOUT, DOUT, DOUT))
    with pytest.raises(GraphError, match="pass backward"):
        graph.backward()


def test_values_and_gradients_are_read_only() -> None:
    graph = graph_of_staged().backward(DOUT)
    for array in (graph.value["xmu"], graph.grad["xmu"], graph.edge_grad["xmu", "sq"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_an_observer_sees_the_sweep() -> None:
    graph = graph_of_staged()
    seen = []
    graph.backward(DOUT, observer=lambda index, g, parts: seen.append((graph.nodes[index].name, len(parts))))
    assert seen[0] == ("out", 2)
    assert {name for name, count in seen if count == 0} == {"x", "gamma", "beta"}


def test_no_gradient_stands_on_what_does_not_influence_the_output() -> None:
    graph = mg.trace(lambda x, y: x * 2.0, X, X).backward(DOUT)
    with pytest.raises(GraphError, match="y has no gradient: none reaches it"):
        graph.grad["y"]


# ---- graphs of tensors -----------------------------------------------------------------------------------


def test_a_recorded_tensor_is_a_graph_with_plain_names() -> None:
    a, b = Tensor(2.0), Tensor(-3.0)
    c = (a * b + 1.0) ** 2
    graph = Graph.of(c)
    assert [n.name for n in graph.nodes] == ["x", "x'", "mul", "add", "pow"]
    assert not graph.has_grads
    c.backward()
    graph = Graph.of(c)
    assert graph.grad["x"] == a.grad == 2 * (a.data * b.data + 1) * b.data


def test_the_size_of_a_graph_shrinks_with_detach() -> None:
    x = Tensor(np.ones(10))
    y = x * 2.0
    assert mg.graph_size(y) == (2, 160)
    assert mg.graph_size(y * 3.0, y + 1.0) == (4, 320)
    assert mg.graph_size(y.detach()) == (1, 80)
    assert mg.graph_size(Tensor(1.0) * 2.0) == (2, 0)


def test_an_array_that_has_been_through_backward_brings_its_gradients_along() -> None:
    x = Tensor(X)
    y = np.tanh(x)
    assert not Graph.of(y).has_grads
    y.backward(DOUT)
    assert np.array_equal(Graph.of(y).grad["x"], x.grad)
    assert not Graph.of(x).has_grads
    z = y * 2.0
    both = Graph.of(y, z)
    assert np.array_equal(both.grad["x"], x.grad)  # z was given nothing


# ---- the backward pass as a graph ------------------------------------------------------------------------


def test_the_backward_graph_of_batch_norm_is_the_staged_backward() -> None:
    graph = graph_of_staged().backward(DOUT)
    back = graph.backward_graph()
    assert {n.op for n in back.nodes if not n.is_leaf} <= {"sum", "neg", "mul", "reciprocal", "add", "broadcast"}
    assert [n.name for n in back.outputs] == ["dx", "dgamma", "dbeta"]
    for name in BACKWARD:
        assert back.node(name) is not None
    expected = {
        "dxmu1": graph.edge_grad["xmu", "xhat"], "dxmu2": graph.edge_grad["xmu", "sq"],
        "dx2": graph.edge_grad["x", "mu"],
        "dx1": graph.edge_grad["x", "xmu"], "divar": graph.grad["ivar"], "dmu": graph.grad["mu"],
        "dsq": graph.grad["sq"],
        "dvar": graph.grad["var"], "dgammax": graph.grad["gammax"], "dxhat": graph.grad["xhat"], "dx": graph.grad["x"],
    }  # fmt: skip
    for name, value in expected.items():
        assert np.array_equal(back.value[name], value), name


def test_the_backward_graph_keeps_stages_in_reverse() -> None:
    back = graph_of_staged().backward(DOUT).backward_graph()
    assert [s.title for s in back.stages][:3] == ["step9", "step8", "step7"]
    assert back.stages[-1].title == "step1: calculate mean"


def test_before_any_backward_the_backward_graph_runs_on_ones() -> None:
    back = graph_of_staged().backward_graph()
    assert np.array_equal(back.value["dout"], np.ones_like(X))


@given(programs(), seeds)
@settings(max_examples=60)
def test_the_backward_graph_computes_the_gradients(program: Program, seed: int) -> None:
    graph = as_graph(program, seed)
    with np.errstate(all="ignore"):
        graph.backward(inputs_of(seed + 1, 1)[0])
        assume(any(n.index in graph.grads for n in graph.inputs))
        back = graph.backward_graph()
        values = back(*(back.values[n.index] for n in back.inputs))
    reached = [n for n in graph.inputs if n.index in graph.grads]
    for node, value in zip(reached, values if isinstance(values, tuple) else (values,), strict=True):
        assert np.array_equal(value, graph.grads[node.index], equal_nan=True)


def test_second_order_is_a_graph_too() -> None:
    graph = mg.trace(lambda x: np.sum(x**3), X).backward()
    second = graph.backward_graph().backward_graph()
    assert len(second.outputs) >= 1
    assert Graph.parse(str(second)) == second


def test_no_gradient_to_any_input_is_said() -> None:
    graph = mg.trace(lambda x: np.greater(x, 0.0), X)
    with pytest.raises(GraphError, match="no gradient reaches an input"):
        graph.backward_graph()


# ---- text ------------------------------------------------------------------------------------------------


def test_text_of_a_small_graph() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        y = 0.5 * np.sum(x, axis=0)
        return y

    assert str(mg.trace(f, X)) == (
        "graph f\n"
        "  input x: float64[4,3]\n"
        '  stage 0 "y"\n'
        "    y_sum: float64[3] = sum(x, axis=0)  # y\n"
        "    y: float64[3] = mul(0.5, y_sum)\n"
        "  return y"
    )


@given(programs(), seeds, st.booleans())
@settings(max_examples=60)
def test_text_reads_back_as_an_equal_graph(program: Program, seed: int, backward: bool) -> None:
    graph = as_graph(program, seed)
    if backward:
        with np.errstate(all="ignore"):
            graph.backward(np.ones(SHAPE))
            assume(any(n.index in graph.grads for n in graph.inputs))
            graph = graph.backward_graph()
    again = Graph.parse(str(graph))
    assert again == graph
    assert hash(again) == hash(graph)
    assert [n.name for n in again.outputs] == [n.name for n in graph.outputs]
    inputs = [graph.values[n.index] for n in graph.inputs]
    with np.errstate(all="ignore"):
        ours, theirs = graph(*inputs), again(*inputs)
    for a, b in zip(ours if isinstance(ours, tuple) else (ours,), theirs if isinstance(theirs, tuple) else (theirs,),
                    strict=True):  # fmt: skip
        assert np.array_equal(a, b, equal_nan=True)


def test_equality_can_fail() -> None:
    one = mg.trace(lambda x: x * 2.0, X)
    assert one == mg.trace(lambda x: x * 2.0, X[::-1])
    assert one != mg.trace(lambda x: x * 2.5, X)
    assert one != mg.trace(lambda x: x * 2.0, X.astype(np.float32))
    assert one != "graph"


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_name_and_title_survive_as_text(name: str, title: str) -> None:
    from micrograd.graph import Stage

    nodes = [Node(0, "x", "input", (2,), "float32"), N(1, name + "1", "exp", (2,), "float32", (0,), {}, "é'\"", 0)]
    graph = Graph(nodes, [1], [Stage(title, (1,))], name=name)
    again = Graph.parse(str(graph))
    assert again == graph
    assert (again.nodes[1].name, again.stages[0].title, again.nodes[1].statement) == (name + "1", title, "é'\"")


@given(st.lists(st.floats(width=32), min_size=1, max_size=5), st.sampled_from(["float32", "float64", "float16"]))
def test_constants_survive_exactly(numbers: list[float], dtype: str) -> None:
    with np.errstate(all="ignore"):
        constant = np.array(numbers).astype(dtype)
        graph = mg.trace(lambda x: x * constant, np.ones(len(numbers)))
    again = Graph.parse(str(graph))
    assert np.array_equal(again.fixed[1], constant, equal_nan=True)
    assert again.fixed[1].dtype == constant.dtype


def test_large_constants_and_odd_indices_survive() -> None:
    table = np.arange(300.0).reshape(100, 3)

    def f(x):  # type: ignore[no-untyped-def]
        y = x + table
        return y[1:50:2, ..., None][np.array([0, 2]), -1] * y[[True] + [False] * 99]

    graph = mg.trace(f, table * 0.5)
    again = Graph.parse(str(graph))
    assert again == graph
    assert np.array_equal(again(table), graph(table))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph g\n  input x float64[2]\n", r"line 2 of the graph's text: expected : at 'float64\[2\]'"),
        (
            "graph g\n  input x: float64[2]\n  y: float64[2] = exp(z)\n  return y",
            r"line 3 .*'z' is not defined above it",
        ),
        ("graph g\n  input x: float64[2]\n  y: float64[2] = exp(x\n", r"line 3"),
        ("graph g\n  input x: float64[2]\n  y: float64[2] = erf(x)\n  return y", r"erf is not a primitive"),
        (
            "graph g\n  constant c: float64[2] = __import__('os')\n  return c",
            r"not a value that a graph's text may hold",
        ),
    ],
)
def test_text_that_is_no_graph(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Graph.parse(text)


def test_every_primitive_may_stand_in_a_text() -> None:
    for row in TABLE.values():
        operands = tuple(range(2 if row.variadic else len(row.vjp)))
        nodes = [Node(i, f"x{i}", "input", (2, 2), "float64") for i in operands]
        nodes.append(Node(len(operands), "y", row.name, (2, 2), "float64", operands))
        text = str(Graph(nodes, [len(operands)]))
        assert re.search(rf"= {row.name}\(x0", text)
        assert str(Graph.parse(text)) == text


def test_shape_of_inputs() -> None:
    assert inputs_of(0)[0].shape == SHAPE


def test_repeated_names_get_primes_and_stay_unique() -> None:
    from micrograd.source.names import unique

    taken: dict[str, int] = {}
    given = [unique("x", taken) for _ in range(6)]
    assert given == ["x", "x'", "x''", "x'''", "x'4", "x'5"]
    given += [unique(name, taken) for name in ("x'", "x'4", "x'6", "x", "y", "x")]
    assert len(set(given)) == len(given)


def test_a_gradients_name_goes_before_that_of_a_part() -> None:
    """`mu = 1/N * np.sum(x)` has a part `mu_sum`; `dmu = -sum(...)` has one too, which must not take `dmu_sum`."""

    def f(x: np.ndarray) -> np.ndarray:
        mu = 0.5 * np.sum(x, axis=0)
        return x - mu

    back = mg.trace(f, np.ones((2, 3))).backward_graph()
    assert back.node("dmu_sum").op == "mul"
    assert back.node("dmu_sum'").op == "sum"


def test_the_path_to_a_value_is_not_called_as_another_value_s_gradient() -> None:
    def f(x: Any, x1: Any) -> Any:
        y = x * x + x * x1
        return y

    back = mg.trace(f, np.ones(2), np.ones(2)).backward_graph()
    names = [*(node.name for node in back.nodes), *back.aliases]
    assert len(names) == len(set(names))
    assert {"dx1", "dx_1", "dx_2", "dx_3", "dx"} <= set(names)
    assert back.value["dx1"].tolist() == [1.0, 1.0]
    plain = mg.trace(lambda x: x * x, np.ones(2)).backward_graph()
    assert {"dx1", "dx2"} <= {*(node.name for node in plain.nodes), *plain.aliases}
