"""The data of a walk: every number is the engine's, and each step belongs to the node and the edge that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SHAPE, Program, programs, seeds
from walked import backward_steps, batchnorm, decoded, traced

import micrograd as mg
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.primitives import TABLE
from micrograd.stepper.cells import moved_cells
from micrograd.stepper.page_data import LIMIT, encoded, walk_data
from micrograd.stepper.page_data.build import made_up_seed
from micrograd.stepper.page_data.steps import folded_axes
from micrograd.stepper.page_text import WHY
from micrograd.tracing import trace

# ---- batch normalization --------------------------------------------------------


def test_one_step_per_node_forward_and_per_edge_and_sum_backward() -> None:
    graph = batchnorm()
    data = walk_data(graph)
    forward = [step["node"] for step in data["steps"] if step["phase"] == "forward"]
    assert forward == [node.index for node in graph.nodes]
    nodes = [step["node"] for step in backward_steps(data) if step["edge"] is None]
    assert [graph.nodes[index].name for index in nodes] == ["out", "xmu", "x"]  # the seed, then sums: others repeat
    edges = {(s["edge"]["operand"], s["node"], s["edge"]["slot"]) for s in backward_steps(data) if s["edge"]}
    assert edges == set(graph.edge_grads)


def test_the_staged_backward_has_its_familiar_names() -> None:
    named = [step["edge"]["name"] for step in backward_steps(walk_data(batchnorm())) if step["edge"]]
    assert [name for name in named if "_" not in name] == [
        "dgammax", "dbeta", "dgamma", "dxhat", "dxmu1", "divar", "dsqrtvar", "dvar", "dsq", "dxmu2", "dx1", "dmu",
        "dx2",
    ]  # fmt: skip


def test_every_number_is_the_engines() -> None:
    graph = batchnorm()
    data = json.loads(encoded(walk_data(graph)))
    for node, value in zip(data["graphs"]["forward"]["nodes"], graph.values, strict=True):
        np.testing.assert_array_equal(decoded(node["value"]), value)
    backward = data["graphs"]["backward"]["nodes"]
    for step in backward_steps(data):
        if step["edge"] is None:
            np.testing.assert_array_equal(decoded(backward[step["gradient"]]["value"]), graph.grads[step["node"]])
        else:
            edge = step["edge"]["operand"], step["node"], step["edge"]["slot"]
            np.testing.assert_array_equal(decoded(backward[step["edge"]["grad"]]["value"]), graph.edge_grads[edge])


def test_the_sum_over_paths_runs() -> None:
    data = walk_data(batchnorm())
    xmu = next(n for n, node in enumerate(data["graphs"]["forward"]["nodes"]) if node["name"] == "xmu")
    into = [s for s in backward_steps(data) if s["edge"] and s["edge"]["operand"] == xmu]
    assert [[path["name"] for path in step["paths"]] for step in into] == [["dxmu1"], ["dxmu1", "dxmu2"]]
    whole = next(s for s in backward_steps(data) if s["node"] == xmu and s["edge"] is None)
    assert [path["name"] for path in whole["paths"]] == ["dxmu1", "dxmu2"]
    backward = data["graphs"]["backward"]["nodes"]
    total = sum(decoded(backward[path["grad"]]["value"]) for path in whole["paths"])
    np.testing.assert_array_equal(total, decoded(backward[whole["gradient"]]["value"]))
    assert "dxmu = dxmu1 + dxmu2" in whole["say"]["en"]


def test_broadcasts_are_shown_both_ways() -> None:
    data = walk_data(batchnorm())
    forward = data["graphs"]["forward"]["nodes"]
    spread = {forward[s["node"]]["name"]: s["spread"] for s in data["steps"] if s["phase"] == "forward" and s["spread"]}
    assert set(spread) == {"xmu", "xhat", "gammax", "out"}
    assert spread["xmu"] == {"shape": [4, 3], "operands": [4]}
    folded = {s["edge"]["name"]: s["folded"]["axes"] for s in backward_steps(data) if s["folded"]}
    assert folded == {"dbeta": [0], "dgamma": [0], "divar": [0], "dmu": [0]}
    back = {s["edge"]["name"] for s in backward_steps(data) if s["spread"]}
    assert back == {"dsq", "dx2"}  # the mirror of the two sums


@pytest.mark.parametrize(
    ("shape", "to", "axes"),
    [((4, 3), (), [0, 1]), ((2, 4, 3), (1, 3), [0, 1]), ((2, 4, 3), (2, 1, 3), [1]), ((3,), (3,), []), ((), (), [])],
)
def test_folded_axes(shape: tuple[int, ...], to: tuple[int, ...], axes: list[int]) -> None:
    assert folded_axes(shape, to) == axes


def test_stages_and_inputs_of_the_backward_graph() -> None:
    graph = batchnorm()
    data = walk_data(graph)
    assert [stage["title"] for stage in data["stages"]] == [stage.title for stage in graph.stages]
    by_name = {node["name"]: node for node in data["graphs"]["backward"]["nodes"]}
    assert by_name["dout"]["from"] is None
    assert data["graphs"]["forward"]["nodes"][by_name["ivar"]["from"]]["name"] == "ivar"


# ---- the author's source --------------------------------------------------------


def shown(data: dict[str, Any], name: str) -> str:
    node = next(n for n in data["graphs"]["forward"]["nodes"] if n["name"] == name)
    at = node["source"]
    block = data["sources"][at["block"]]
    line = block["lines"][at["line"] - block["first"]].encode("utf-16-le")
    return line[2 * at["column"] : 2 * at["endColumn"]].decode("utf-16-le")


def test_the_source_of_a_sub_expression() -> None:
    data = walk_data(batchnorm())
    assert shown(data, "mu_sum") == "np.sum(x, axis=0)"
    assert shown(data, "sqrtvar_add") == "var + eps"
    assert [block["name"] for block in data["sources"]] == ["batchnorm_forward"]
    assert data["sources"][0]["file"] == "bn.py"  # not the whole path
    assert data["sources"][0]["lines"][0].startswith("def batchnorm_forward")


def in_a_list(x: Any) -> Any:
    return np.sum(np.stack([np.sin(x) for _ in range(2)]))


def in_a_generator(x: Any) -> Any:
    return sum(np.sin(x) for _ in range(2))


def in_an_inner_function(x: Any) -> Any:
    def inner(a: Any) -> Any:
        return {k: np.sin(a) for k in range(2)}[1]

    return inner(x)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (in_a_list, "in_a_list"),
        (in_a_generator, "in_a_generator"),
        (in_an_inner_function, "inner"),
        (lambda x: sum(np.sin(x) for _ in range(2)), "<lambda>"),
    ],
)
def test_source_is_headed_by_a_function_not_by_a_comprehension(f: Any, name: str) -> None:
    assert [block["name"] for block in walk_data(trace(f, np.ones(3)))["sources"]] == [name]


def test_an_inline_number_has_the_authors_name() -> None:
    nodes = walk_data(batchnorm())["graphs"]["forward"]["nodes"]
    assert next(n for n in nodes if n["name"] == "sqrtvar_add")["operands"][1] == {"number": 1e-05, "name": "eps"}


def test_columns_count_as_javascript_does(tmp_path: Path) -> None:
    path = tmp_path / "chinese.py"
    path.write_text('def f(均值):\n    s = "𝒙批量"; y = 均值 * 均值\n    return y\n', encoding="utf-8")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    assert shown(walk_data(trace(space["f"], np.ones(2))), "y") == "均值 * 均值"


def test_no_source_is_no_source() -> None:
    a = mg.Tensor(3.0)
    data = walk_data(Graph.of(a * a + a))
    assert data["sources"] == []
    assert all(node["source"] is None for node in data["graphs"]["forward"]["nodes"])


def test_of_a_long_function_the_part_around_the_nodes(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("def f(x):\n" + "    pass\n" * 300 + "    y = x * x\n    return y\n", encoding="utf-8")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), space)
    data = walk_data(trace(space["f"], np.ones(2)))
    assert len(data["sources"][0]["lines"]) <= 5
    assert shown(data, "y") == "x * x"


# ---- any graph --------------------------------------------------------


@given(programs(), seeds)
def test_any_program_walks_with_the_engines_numbers(program: Program, seed: int) -> None:
    graph = traced(program, seed)
    graph.backward(np.random.default_rng(seed).standard_normal(SHAPE))
    data = walk_data(graph)
    encoded(data)
    backward = data["graphs"]["backward"]["nodes"]
    met = set()
    for step in backward_steps(data):
        grad = step["gradient"] if step["edge"] is None else step["edge"]["grad"]
        if grad is None:
            continue
        if step["edge"] is None:
            wanted = graph.grads[step["node"]]
        else:
            edge = step["edge"]["operand"], step["node"], step["edge"]["slot"]
            met.add(edge)
            wanted = graph.edge_grads[edge]
        np.testing.assert_array_equal(decoded(backward[grad]["value"]), wanted)
    constants = {n.index for n in graph.nodes if n.op == "constant"}
    for source, target, slot in graph.edge_grads:
        if source not in constants and (source, target, slot) not in met:  # what leads to no input is not followed
            assert not reaches_an_input(graph, source)


def reaches_an_input(graph: Graph, index: int) -> bool:
    node = graph.nodes[index]
    if node.is_leaf:
        return node.op != "constant"
    return any((operand, index, slot) in graph.edge_grads and reaches_an_input(graph, operand)
               for slot, operand in enumerate(node.operands) if isinstance(operand, int))  # fmt: skip


@given(programs(), seeds)
def test_the_cells_of_moves_move_the_values(program: Program, seed: int) -> None:
    graph = traced(program, seed)
    graph.backward(np.ones(SHAPE))
    for g in (graph, graph.backward_graph()):
        for node in g.nodes:
            cells = moved_cells(g, node)
            if cells is None:
                assert node.is_leaf or TABLE[node.op].kind != "move"
                continue
            operands = [np.asarray(g.values[o] if isinstance(o, int) else o).reshape(-1) for o in node.operands]
            source = np.concatenate(operands)
            if "from" in cells:
                made = source[np.array(cells["from"], int)]
            else:
                made = np.zeros(int(np.prod(node.shape)))
                np.add.at(made, np.array(cells["to"], int), source)
            np.testing.assert_array_equal(made.reshape(node.shape), g.values[node.index])


def test_the_cells_of_other_kinds_are_none() -> None:
    graph = batchnorm()
    assert all(moved_cells(graph, node) is None for node in graph.nodes)


def test_the_backward_graph_walks_and_the_second_order_too() -> None:
    graph = batchnorm()
    back = graph.backward_graph()
    data = walk_data(back)
    assert [node["name"] for node in data["graphs"]["forward"]["nodes"]] == [node.name for node in back.nodes]
    assert {"ddx", "ddbeta"} & {node["name"] for node in data["graphs"]["backward"]["nodes"]}
    second = walk_data(back.backward_graph())
    assert second["steps"][-1]["phase"] == "backward"


def test_names_that_meet_in_the_backward_graph_do_not_mix_steps_up() -> None:
    """In the backward graph of a backward graph `dxmu` is a value and a gradient; steps go by node, not by name."""

    def f(x: Any, dx: Any) -> Any:
        y = x * dx
        return y * x

    graph = trace(f, np.array([2.0]), np.array([5.0]))
    graph.backward(np.ones(1))
    data = walk_data(graph)
    backward = data["graphs"]["backward"]["nodes"]
    last = {s["node"]: backward[s["gradient"]] for s in backward_steps(data) if s["edge"] is None}
    assert decoded(last[0]["value"]) == [20.0]  # d(x² dx)/dx
    to_dx = next(s["edge"] for s in backward_steps(data) if s["edge"] and s["edge"]["operand"] == 1)
    assert decoded(backward[to_dx["grad"]]["value"]) == [4.0]


def test_an_output_that_is_read_again_starts_with_its_seed() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        return y, y * y

    graph = trace(f, np.array([3.0]))
    graph.backward((np.array([1.0]), np.array([1.0])))
    data = walk_data(graph)
    whole = next(s for s in backward_steps(data) if s["node"] == 1 and s["edge"] is None)
    assert [path["from"] for path in whole["paths"]] == [None, 2, 2]
    backward = data["graphs"]["backward"]["nodes"]
    total = sum(decoded(backward[path["grad"]]["value"]) for path in whole["paths"])
    assert total == graph.grads[1] == decoded(backward[whole["gradient"]]["value"])


def test_a_value_with_a_thousand_readers() -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(100):
            y = y + x
        return y

    data = walk_data(trace(f, np.array([1.0])))
    whole = next(s for s in backward_steps(data) if s["node"] == 0)
    assert len(whole["paths"]) == 101
    assert whole["say"]["en"].count(" + ") == 4
    assert sum(len(s["paths"]) for s in backward_steps(data)) < 500  # the sum so far is not repeated at each edge


# ---- the seed --------------------------------------------------------


def test_the_callers_graph_is_left_as_it_is() -> None:
    graph = trace(lambda x: x * x, np.array([3.0, 4.0]))
    data = walk_data(graph)
    assert not graph.has_grads
    assert data["seedMade"]
    assert any("made up" in step["say"]["en"] for step in data["steps"])


def test_a_made_up_seed_is_uneven() -> None:
    """Ones would make the gradient of batch normalization 0."""
    graph = batchnorm()
    again = trace(lambda x: x * 1.0, graph.value["x"])
    assert len(np.unique(made_up_seed(again))) == 12


def test_one_number_is_seeded_with_one() -> None:
    data = walk_data(Graph.of(mg.Tensor(3.0) * 2.0))
    seed = data["graphs"]["backward"]["nodes"][0]
    assert seed["value"]["data"] == [1]
    assert not data["seedMade"]


def test_a_given_seed_and_the_last_one() -> None:
    graph = trace(lambda x: x * x, np.array([3.0, 4.0]))
    assert walk_data(graph, seed=np.array([1.0, 10.0]))["graphs"]["backward"]["nodes"][0]["value"]["data"] == [1, 10]
    graph.backward(np.array([7.0, 8.0]))
    assert walk_data(graph)["graphs"]["backward"]["nodes"][0]["value"]["data"] == [7, 8]


def test_where_nothing_is_differentiable_there_is_only_the_way_forward() -> None:
    data = walk_data(trace(lambda x: x > 0.0, np.array([3.0, -4.0])))
    assert data["graphs"]["backward"]["nodes"] == []
    assert {step["phase"] for step in data["steps"]} == {"forward"}


def test_a_gradient_that_leads_to_no_input() -> None:
    def f(x: Any, w: Any) -> Any:
        y = np.sign(x)
        return y * w

    data = walk_data(trace(f, np.array([3.0]), np.array([2.0])))
    dead = next(s for s in backward_steps(data) if s["node"] == 2)
    assert dead["gradient"] is None
    assert "leads to no input" in dead["say"]["en"]


# ---- large, strange, refused --------------------------------------------------------


def test_nan_and_infinity_are_strings_in_json() -> None:
    with np.errstate(all="ignore"):
        graph = trace(lambda x: np.log(x), np.array([0.0, -1.0, np.inf, 1.0, -0.0]))
        data = json.loads(encoded(walk_data(graph)))
    assert data["graphs"]["forward"]["nodes"][1]["value"]["data"][:3] == ["-Infinity", "NaN", "Infinity"]
    zero = data["graphs"]["forward"]["nodes"][0]["value"]["data"][4]
    assert str(float(zero)) == "-0.0"


def test_json_cannot_end_its_script_element() -> None:
    text = encoded({"a": "</script><!-- <script>", "b": "\u2028\ud800"})
    assert "<" not in text
    assert json.loads(text) == {"a": "</script><!-- <script>", "b": "\u2028\ud800"}
    text.encode()  # a lone surrogate is no UTF-8, its escape is


def test_json_refuses_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encoded({"a": float("nan")})


def test_large_arrays_are_summarised() -> None:
    graph = trace(lambda x: (x * 2.0).sum(), np.random.default_rng(0).standard_normal((100, 50)))
    data = walk_data(graph)
    value = data["graphs"]["forward"]["nodes"][1]["value"]
    assert "data" not in value
    summary = value["summary"]
    assert sum(summary["histogram"]) == 5000
    assert summary["min"] <= summary["mean"] <= summary["max"]
    assert len(summary["corner"]) == 4
    assert summary["corner"][0][0] == graph.values[1][0, 0]
    assert not data["limits"]["live"]
    assert data["graphs"]["forward"]["nodes"][2]["value"]["data"]  # a small one is whole all the same


@pytest.mark.parametrize("fill", [np.nan, np.inf, 1e308, 1.0, 5e-324])
def test_summaries_of_strange_numbers(fill: float) -> None:
    x = np.zeros((80, 80))
    x[0, 0] = -fill
    x[0, 1] = fill
    encoded(walk_data(trace(lambda a: a[:, :], x), seed=np.ones((80, 80))))


def test_live_needs_few_cells_and_floats() -> None:
    assert walk_data(batchnorm())["limits"]["live"]
    assert not walk_data(trace(lambda x: x * x, np.ones(2, np.float16)))["limits"]["live"]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1, 1, 2)])
def test_shapes_of_all_kinds(shape: tuple[int, ...]) -> None:
    data = walk_data(trace(lambda x: np.exp(x * x), np.ones(shape)))
    assert data["graphs"]["forward"]["nodes"][0]["shape"] == list(shape)


def test_too_many_nodes_are_refused_with_what_to_do() -> None:
    def f(x: Any) -> Any:
        for _ in range(LIMIT):
            x = x + 1.0
        return x

    with pytest.raises(GraphError, match=r"2,000 nodes.*2,001.*Trace a part") as caught:
        walk_data(trace(f, np.ones(1)))
    assert "draw(graph)" in str(caught.value)


def test_a_graph_that_has_not_run_is_refused() -> None:
    graph = Graph.parse(str(trace(lambda x: x * x, np.ones(2))))
    with pytest.raises(GraphError, match=r"no values.*graph\.run"):
        walk_data(graph)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(GraphError, match="'fr'"):
        walk_data(batchnorm(), lang="fr")


# ---- the picture --------------------------------------------------------


def test_the_picture_has_every_node_and_edge_in_two_parts() -> None:
    graph = batchnorm()
    svg = walk_data(graph)["svg"]
    for node in graph.nodes:
        assert f'data-node="{node.index}"' in svg
    for edge in graph.edges:
        name = f"{edge.source}-{edge.target}-{edge.slot}"
        assert svg.count(f'<g class="forward" data-edge="{name}">') == 1
        assert svg.count(f'<g class="backward" data-edge="{name}">') == 1
    assert "<style" not in svg
    assert "style=" not in svg
    assert svg.count("<g") == svg.count("</g>")


def test_the_parts_of_an_edge_keep_their_colours() -> None:
    svg = walk_data(batchnorm())["svg"]
    for part in svg.split('<g class="forward"')[1:]:
        assert 'class="red' not in part.split("</g>")[0]
    for part in svg.split('<g class="backward"')[1:]:
        inside = part.split("</g>")[0]
        assert 'class="red-line"' in inside
        assert 'class="ink' not in inside


@given(st.integers(1, 12))
def test_a_leaf_drawn_beside_each_reader_is_the_same_node(readers: int) -> None:
    def f(x: Any) -> Any:
        y = x
        for _ in range(readers):
            y = y * x
        return y

    graph = trace(f, np.array([1.1]))
    svg = walk_data(graph)["svg"]
    assert "copy" not in svg
    for node in graph.nodes:
        assert f'data-node="{node.index}"' in svg


def test_every_rule_has_a_reason() -> None:
    """By the operation, else by its kind; a sum over a broadcast axis, or over paths, has one of its own."""
    assert {"map", "contract", "move", "add", "sub", "mul", "div", "pow", "sum", "max"} <= set(WHY)
    reasons = {}
    for step in backward_steps(walk_data(batchnorm())):
        assert set(step["why"]) <= set(WHY)
        if step["edge"] is not None:
            reasons[step["edge"]["name"]] = step["why"]
            assert ("fold" in step["why"]) == (step["folded"] is not None)
        else:
            assert ("fork" in step["why"]) == (len(step["paths"]) > 1)
    assert reasons["dgamma"] == ["mul", "fold"]
    assert reasons["dxmu2"] == ["pow"]
    assert reasons["dx2"] == ["sum"]
    assert reasons["dmu"] == ["sub", "fold"]
    for texts in WHY.values():
        assert all(texts)
        assert texts[0].endswith(".")
        assert texts[1].endswith("。")
