"""`trace`: the author's names, sub-expressions and stages, out of plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from staged_bn import BETA, GAMMA, STAGED, X, staged

import micrograd as mg
from micrograd.errors import GraphError


def names(f: Any, *args: Any, **kwargs: Any) -> list[str]:
    return [node.name for node in mg.trace(f, *args, **kwargs).nodes if not node.is_leaf]


def test_the_staged_graph_has_the_seven_primitives_and_the_authors_names() -> None:
    graph = mg.trace(staged, X, GAMMA, BETA)
    assert [n.name for n in graph.inputs] == ["x", "gamma", "beta"]
    assert [n.name for n in graph.nodes if n.name == n.statement] == STAGED
    assert [(n.name, n.op) for n in graph.nodes[3:]] == [
        ("mu_sum", "sum"), ("mu", "mul"), ("xmu", "sub"), ("sq", "pow"), ("var_sum", "sum"), ("var", "mul"),
        ("sqrtvar_add", "add"), ("sqrtvar", "sqrt"), ("ivar", "reciprocal"), ("xhat", "mul"), ("gammax", "mul"),
        ("out", "add"),
    ]  # fmt: skip
    assert [node.name for node in graph.outputs] == ["out"]
    assert np.array_equal(graph.value["out"], staged(X, GAMMA, BETA)[0])


def test_every_operation_is_placed_in_the_source() -> None:
    texts = {n.name: n.source.text for n in mg.trace(staged, X, GAMMA, BETA).nodes if n.source}
    assert texts == {
        "mu_sum": "np.sum(x, axis=0)", "mu": "1.0 / N * np.sum(x, axis=0)", "xmu": "x - mu", "sq": "xmu**2",
        "var_sum": "np.sum(sq, axis=0)", "var": "1.0 / N * np.sum(sq, axis=0)", "sqrtvar_add": "var + eps",
        "sqrtvar": "np.sqrt(var + eps)", "ivar": "1.0 / sqrtvar", "xhat": "xmu * ivar", "gammax": "gamma * xhat",
        "out": "gammax + beta",
    }  # fmt: skip


def test_stages_come_from_step_comments_in_any_style() -> None:
    graph = mg.trace(staged, X, GAMMA, BETA)
    assert [stage.title for stage in graph.stages] == [
        "step1: calculate mean", "Step 2: subtract the mean", "第3步：平方", "STEP 4 variance", "step 5", "(6) invert",
        "step7", "step8", "step9",
    ]  # fmt: skip
    assert [graph.nodes[i].name for i in graph.stages[4].nodes] == ["sqrtvar_add", "sqrtvar"]


def test_without_comments_each_assignment_is_a_stage() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        y = np.exp(x) + 1.0
        z = y * y
        return z - y

    graph = mg.trace(f, X)
    assert [(s.title, len(s.nodes)) for s in graph.stages] == [("y", 2), ("z", 1), ("out", 1)]


def test_reassignment_primes_the_name() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        x = x * 2.0
        x = x + 1.0
        for _ in range(4):
            x = np.tanh(x)
        return x

    assert names(f, X) == ["x'", "x''", "x'''", "x'4", "x'5", "x'6"]


def test_augmented_tuple_walrus_attribute_and_subscript_targets() -> None:
    class Box:
        w: Any

    def f(x):  # type: ignore[no-untyped-def]
        box, cache = Box(), {}
        a, b = x + 1.0, x * 2.0
        a += b
        box.w = a - b
        cache["hot"] = box.w * 3.0
        q = np.sqrt(abs(s := cache["hot"] * 1.5))
        return q / s

    assert names(f, np.abs(X) + 0.1) == ["a", "b", "a'", "w", "hot", "s", "q_abs", "q", "out"]


def test_helpers_are_seen_through() -> None:
    def relu(z):  # type: ignore[no-untyped-def]
        return np.maximum(0, z)

    def affine(x, w):  # type: ignore[no-untyped-def]
        out = x @ w
        return out

    def f(x, w):  # type: ignore[no-untyped-def]
        h = relu(affine(x, w))
        y = relu(h - 1.0) * 2.0
        return y

    assert names(f, X, np.ones((3, 2))) == ["out", "h", "y_sub", "y_maximum", "y"]


def test_methods_and_chains_over_lines() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        m = x.mean(axis=0)
        y = (
            (x - m)
            .reshape(2, 6)
            .sum()
        )  # fmt: skip
        return y

    assert names(f, X) == ["m_sum", "m", "y_sub", "y_reshape", "y"]


def test_composites_take_the_name_at_their_last_node_only() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        v = np.var(x, axis=0)
        return v

    found = names(f, X)
    assert found[-1] == "v"
    assert all(name.startswith("v_") for name in found[:-1])


def test_default_and_keyword_arguments_and_what_is_no_array() -> None:
    def f(x, scale=2.0, *, shift, labels, flag=True):  # type: ignore[no-untyped-def]
        assert labels.dtype == np.int64
        return x * scale + shift if flag else x

    graph = mg.trace(f, X, shift=BETA, labels=np.array([1, 2]))
    assert [n.name for n in graph.inputs] == ["x", "shift"]
    assert graph.node("out_mul").operands == (0, 2.0)


def test_containers_of_arrays_are_inputs_by_path() -> None:
    def f(params, layers):  # type: ignore[no-untyped-def]
        h = layers[0] @ params["w"] + params["b"]
        return h * layers[1]["s"]

    graph = mg.trace(f, {"w": np.ones((3, 2)), "b": np.zeros(2)}, [X, {"s": np.ones(2)}])
    assert [n.name for n in graph.inputs] == ["params.w", "params.b", "layers.0", "layers.1.s"]


def test_several_outputs_and_caches() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        a = x * 2.0
        b = x + 1.0
        return a, b, {"cache": x - 1.0}

    assert [n.name for n in mg.trace(f, X).outputs] == ["a", "b"]


def test_constants_and_captured_parameters_get_the_authors_names() -> None:
    mask = np.array([1.0, 0.0, 1.0])
    weight = mg.Tensor(np.ones(3))

    def f(x):  # type: ignore[no-untyped-def]
        y = x * mask
        return weight * y

    graph = mg.trace(f, X)
    assert (graph.node("mask").op, graph.node("weight").op) == ("constant", "parameter")
    graph.backward(np.ones_like(X))
    assert np.array_equal(graph.grad["weight"], (X * mask).sum(0))


def test_a_network_traces_with_its_parameters() -> None:
    model = mg.nn.Sequential(mg.nn.Linear(3, 4, rng=0), mg.nn.Tanh(), mg.nn.Linear(4, 1, rng=1))
    graph = mg.trace(model, X)
    assert [n.name for n in graph.nodes if n.op == "parameter"] == [
        "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias",
    ]  # fmt: skip
    assert [stage.title for stage in graph.stages] == ["Linear", "Tanh", "Linear"]
    assert {n.op for n in graph.nodes} >= {"matmul", "add", "tanh"}


def test_a_layer_alone_keeps_the_steps_of_what_it_calls() -> None:
    graph = mg.trace(mg.nn.BatchNorm1d(3), X)
    assert len(graph.stages) == 9
    assert [n.name for n in graph.nodes if n.op == "parameter"] == ["gamma", "beta"]


def test_step_comments_of_a_helper_count_where_the_caller_has_none() -> None:
    def f(x, gamma, beta):  # type: ignore[no-untyped-def]
        h, _ = staged(x, gamma, beta)
        return h * 2.0

    titles = [stage.title for stage in mg.trace(f, X, GAMMA, BETA).stages]
    assert titles[0] == "step1: calculate mean"
    assert len(titles) == 10


def test_code_without_a_file_still_traces() -> None:
    scope: dict[str, Any] = {"np": np}
    exec("def f(x):\n    y = np.exp(x)\n    return y * x", scope)
    graph = mg.trace(scope["f"], X)
    assert [n.op for n in graph.nodes] == ["input", "exp", "mul"]
    assert len({n.name for n in graph.nodes}) == 3


def test_lambdas_and_library_functions() -> None:
    assert mg.trace(lambda x: x * x, X).name == "f"
    graph = mg.trace(mg.batch_norm, X, GAMMA, BETA)
    assert [n.name for n in graph.nodes if n.name == n.statement and not n.is_leaf] == STAGED
    assert len(graph.stages) == 9


def test_the_graph_is_freed_with_its_last_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        graph = mg.trace(staged, X, GAMMA, BETA).backward(np.ones_like(X))
        ref = weakref.ref(graph._tensors[5])
        del graph
        assert ref() is None
    finally:
        gc.enable()


def test_nothing_to_trace_is_said() -> None:
    with pytest.raises(GraphError, match=r"trace\(staged\): no float array among the arguments"):
        mg.trace(staged, 1.0, 2.0, 3.0)
    with pytest.raises(GraphError, match=r"the result \(float\) holds no tensor; return"):
        mg.trace(lambda x: 1.0, X)


def test_an_error_of_the_traced_function_passes_through() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        return x + np.ones((5, 3))

    with pytest.raises(ValueError, match=r"add \(line test_trace.py:\d+\): shapes \(4, 3\) and \(5, 3\) do not"):
        mg.trace(f, X)
