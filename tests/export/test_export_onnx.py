"""`to_onnx`: every row and whole models in ONNX Runtime, against NumPy."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import OPERATIONS, SHAPE

import micrograd as mg
from micrograd import functional as F
from micrograd import nn, optim
from micrograd.batchnorm import batchnorm_forward
from micrograd.errors import GraphError, MissingExtraError, NumericalError, ShapeError
from micrograd.export import to_jax, to_onnx
from micrograd.export.onnx import convert
from micrograd.export.onnx.compositions import COMPOSITIONS
from micrograd.export.programs import feeds_of, from_graph, pure, rounding
from micrograd.graph import Graph
from micrograd.primitives import TABLE, Primitive
from micrograd.program.program import evaluate
from micrograd.testing import cases_of
from micrograd.training.data import digits

onnx = pytest.importorskip("onnx", reason="onnx is not installed: nothing is exported to it")
ROWS = [row for row in TABLE.values() if row.kind != "call" or row.onnx]
SINGLE = {"tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "det"}
"""Rows that ONNX Runtime computes in float32 only; ONNX's own evaluator, which checks every file, knows both."""


def in_runtime(path: Path, *args: Any) -> list[Any]:
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: it runs no exported file")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {info.name: np.asarray(a) for info, a in zip(session.get_inputs(), args, strict=True)})


def runs_the_same(path: Path, f: Any, *args: Any) -> Any:
    """Export, and compare what ONNX Runtime answers with NumPy under the bound that rounding explains."""
    model = to_onnx(f, path, *args)
    program = from_graph(f) if isinstance(f, Graph) else pure(f, args, {})
    given = feeds_of(program, args, {})
    known = evaluate(program, {v: np.asarray(x) if not program.values[v].weak else x for v, x in given.items()})
    answers = in_runtime(path, *args)
    for value, theirs, bound in zip(program.outputs, answers, rounding(program, given), strict=True):
        ours = np.asarray(known[value])
        assert theirs.shape == ours.shape
        assert theirs.dtype == ours.dtype
        if ours.dtype.kind != "f":
            assert np.array_equal(theirs, ours)
            continue
        finite = np.isfinite(ours)
        assert np.array_equal(theirs[~finite], ours[~finite], equal_nan=True)
        assert np.abs(theirs[finite] - ours[finite]).max(initial=0) <= bound
    return model


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_runs_in_onnx_runtime(row: Primitive, tmp_path: Path) -> None:
    for number, case in enumerate(cases_of(row)):
        dtype = ("float64", "float32")[number % 2 or row.name in SINGLE]
        arrays = [np.asarray(x, dtype if x.dtype.kind == "f" else None) for x in case.operands]
        runs_the_same(tmp_path / "row.onnx", lambda *a, case=case: row(*a, **case.attrs), *arrays)


def test_every_row_is_found_by_its_kind_and_few_are_exceptions() -> None:
    assert [*convert.OVERRIDES] == ["cast", "not_equal", "gather", "scatter", "where", *COMPOSITIONS]
    assert [name for name in COMPOSITIONS if TABLE[name].onnx] == ["isinf"]  # whose operator has no float16
    assert {row.kind for row in ROWS} == set(convert.KINDS)
    for row in ROWS:
        assert row.name in convert.OVERRIDES or onnx.defs.get_schema(row.onnx, convert.OPSET)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_graphs(data: st.DataObject, tmp_path: Path) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=5))
    x, y = np.random.default_rng(data.draw(st.integers(0, 2**31))).standard_normal((2, *SHAPE))

    def f(x: Any, y: Any) -> Any:
        for name in names:
            x, y = OPERATIONS[name](np, x, y), x
        return x, y

    runs_the_same(tmp_path / "f.onnx", f, x, y)


def test_the_staged_batch_norm_keeps_its_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.standard_normal((6, 4)), rng.standard_normal(4), rng.standard_normal(4)
    graph = mg.trace(batchnorm_forward, x, gamma, beta, 1e-5)
    model = runs_the_same(tmp_path / "bn.onnx", graph, x, gamma, beta)
    assert [info.name for info in model.graph.input] == ["x", "gamma", "beta"]
    assert {"mu", "xmu", "sq", "var", "sqrtvar", "ivar", "xhat", "gammax", "out"} <= {n.name for n in model.graph.node}
    backward = graph.backward(x).backward_graph()
    runs_the_same(
        tmp_path / "dbn.onnx", backward, *(x if n.name == "dout" else graph.value[n.name] for n in backward.inputs)
    )


def test_a_network_trained_here_runs_in_onnx_runtime(tmp_path: Path) -> None:
    data = digits(dtype=np.float32)
    model = nn.mlp([64, 16, 10], batch_norm=True, rng=0, dtype=np.float32)
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    for start in range(0, 1400, 100):
        loss = F.cross_entropy(model(data.x_train[start : start + 100]), data.y_train[start : start + 100])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    written = runs_the_same(tmp_path / "digits.onnx", model.eval(), data.x_test)
    classes = in_runtime(tmp_path / "digits.onnx", data.x_test)[0].argmax(1)
    assert np.array_equal(classes, model(data.x_test).data.argmax(1))
    assert {name for name, _ in model.named_parameters()} <= {tensor.name for tensor in written.graph.initializer}


def test_a_convolutional_network_runs_in_onnx_runtime(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0, dtype=np.float32), nn.BatchNorm2d(4, dtype=np.float32), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10, rng=0, dtype=np.float32),
    ).eval()  # fmt: skip
    runs_the_same(
        tmp_path / "conv.onnx", model, np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    )


def test_labels_as_an_argument(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    for labels in (np.array([0, 2, 1, 1]), np.array([0, 2, 1, 1], np.int32)):
        model = runs_the_same(tmp_path / "loss.onnx", lambda s, y: F.cross_entropy(s, y), scores, labels)
        assert len(model.graph.input) == 2
    runs_the_same(tmp_path / "rows.onnx", lambda table, rows: np.sum(table[rows] ** 2), scores, labels)
    slope = mg.grad(lambda table, rows: np.sum(table[rows] ** 2))
    runs_the_same(tmp_path / "slope.onnx", slope, scores, np.array([0, 2, 2, 1]))


def test_indices_that_onnx_cannot_be_given_are_refused_with_the_line(tmp_path: Path) -> None:
    def f(x: Any, i: Any) -> Any:
        y = x[:, i]
        return y * 2

    with pytest.raises(
        GraphError, match=r"^y = gather at line test_export_onnx.py:\d+: ONNX indexes only the first axes .*; transpose"
    ):
        to_onnx(f, tmp_path / "f.onnx", np.ones((2, 3)), np.array([0, 1]))
    assert not (tmp_path / "f.onnx").exists()


def test_an_operation_without_a_name_is_refused_with_node_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = TABLE["tanh"]
    monkeypatch.setitem(convert.TABLE, "tanh", row)
    object.__setattr__(row, "onnx", "")
    try:

        def f(x: Any) -> Any:
            y = np.tanh(x)
            return y * 2

        with pytest.raises(
            GraphError, match=r"^y = tanh at line test_export_onnx.py:\d+: ONNX has no operator of this"
        ):
            to_onnx(f, tmp_path / "f.onnx", np.ones(3))
    finally:
        object.__setattr__(row, "onnx", "Tanh")


def test_names_of_inputs_and_odd_outputs(tmp_path: Path) -> None:
    x, y = np.ones(2), np.zeros(2)
    model = runs_the_same(tmp_path / "f.onnx", lambda a, b: (a, b + 1, a), x, y)
    assert len({info.name for info in model.graph.output}) == 3
    model = to_onnx(lambda a, b: a + b, tmp_path / "g.onnx", x, y, names=["left", "right"])
    assert [info.name for info in model.graph.input] == ["left", "right"]
    with pytest.raises(GraphError, match=r"1 name\(s\) for 2 argument\(s\); give one each"):
        to_onnx(lambda a, b: a + b, tmp_path / "g.onnx", x, y, names=["left"])


def test_a_graph_for_other_shapes_is_refused(tmp_path: Path) -> None:
    graph = mg.trace(lambda x: x * 2, np.ones(3))
    to_onnx(graph, tmp_path / "f.onnx")
    with pytest.raises(GraphError, match=r"x has shape \(4,\); the graph was made for \(3,\)"):
        to_onnx(graph, tmp_path / "f.onnx", np.ones(4))
    with pytest.raises(GraphError, match=r"takes 1 input\(s\) \(x\); got 2"):
        to_onnx(graph, tmp_path / "f.onnx", np.ones(3), np.ones(3))


def test_a_training_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"changes 2 array\(s\) of state .* eval\(\)"):
        to_onnx(nn.mlp([5, 4, 3], batch_norm=True, rng=0), tmp_path / "m.onnx", np.ones((6, 5)))


def test_a_wrong_file_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = TABLE["tanh"]
    object.__setattr__(row, "onnx", "Sin")
    try:

        def f(x: Any) -> Any:
            return np.tanh(x)

        with pytest.raises(
            NumericalError, match=r"out: the ONNX file computes numbers .* from those of NumPy, where rounding explains"
        ):
            to_onnx(f, tmp_path / "f.onnx", np.ones(3))
    finally:
        object.__setattr__(row, "onnx", "Tanh")
    assert not (tmp_path / "f.onnx").exists()


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="which is not installed: pip install onnx"):
        to_onnx(lambda x: x * 2, tmp_path / "f.onnx", np.ones(3))


# ---- a batch of any size ---------------------------------------------------------------------------------------------


def runs_at_any_size(path: Path, f: Any, *args: Any, lengths: tuple[int, ...] = (1, 5, 13)) -> Any:
    """Export with an open batch, and compare ONNX Runtime with NumPy for sizes that it was never captured at."""
    model = to_onnx(f, path, *args, batch="N")
    size = args[0].shape[0]
    for length in lengths:
        given = [np.resize(a, (length, *a.shape[1:])) if a.shape[:1] == (size,) else a for a in args]
        program = pure(f, given, {})
        fed = feeds_of(program, given, {})
        known = evaluate(program, {v: x if program.values[v].weak else np.asarray(x) for v, x in fed.items()})
        for value, theirs, bound in zip(program.outputs, in_runtime(path, *given), rounding(program, fed), strict=True):
            ours = np.asarray(known[value])
            assert theirs.shape == ours.shape
            assert theirs.dtype == ours.dtype
            assert np.abs(theirs - ours).max(initial=0) <= bound
    return model


IMAGES = np.random.default_rng(3).standard_normal((3, 4, 8, 8)).astype(np.float32)
ROWS_OF_X = np.random.default_rng(4).standard_normal((3, 8)).astype(np.float32)
LAYERS: dict[str, tuple[Any, Any]] = {
    "mlp": (lambda: nn.mlp([8, 6, 4], batch_norm=True, rng=0, dtype=np.float32).eval(), ROWS_OF_X),
    "conv": (lambda: nn.Conv2d(4, 6, 3, padding=1, stride=2, rng=0, dtype=np.float32), IMAGES),
    "max_pool": (lambda: nn.MaxPool2d(2), IMAGES),
    "avg_pool": (lambda: nn.AvgPool2d(3, stride=2), IMAGES),
    "batch_norm": (lambda: nn.BatchNorm2d(4, dtype=np.float32).eval(), IMAGES),
    "group_norm": (lambda: nn.GroupNorm(2, 4, dtype=np.float32), IMAGES),
    "local_response_norm": (lambda: nn.LocalResponseNorm(3), IMAGES),
    "layer_norm": (lambda: nn.LayerNorm(8, dtype=np.float32), ROWS_OF_X),
    "attention": (lambda: nn.MultiHeadAttention(8, 2, rng=0, dtype=np.float32), IMAGES[:, 0]),
    "softmax": (lambda: F.softmax, ROWS_OF_X),
    "centred": (lambda: lambda x: x - np.mean(x, axis=0), ROWS_OF_X),
    "slices": (lambda: lambda x: x[1:, ::2] - x[:-1, 1::2], ROWS_OF_X),
    "reversed": (lambda: lambda x: x[::-1] + x.reshape(-1)[0], ROWS_OF_X),
    "ones": (lambda: lambda x: x + np.ones(len(x))[:, None], ROWS_OF_X.astype(float)),
    "weighed": (lambda: lambda x: x * x.shape[0] + np.broadcast_to(x[:1] * 2, x.shape), ROWS_OF_X),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_for_any_batch(layer: str, tmp_path: Path) -> None:
    make, x = LAYERS[layer]
    model = runs_at_any_size(tmp_path / "f.onnx", make(), x)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_a_loss_over_the_batch_with_its_labels(tmp_path: Path) -> None:
    labels = np.array([1, 0, 3])
    model = runs_at_any_size(tmp_path / "f.onnx", lambda x, y: F.cross_entropy(x, y), ROWS_OF_X[:, :4], labels)
    assert [info.type.tensor_type.shape.dim[0].dim_param for info in model.graph.input] == ["N", "N"]
    assert len(model.graph.output[0].type.tensor_type.shape.dim) == 0


OF_ONE_SIZE = {"reshape", "where"}
"""Operations of the random graphs that are written for one length: a reshape to it, say."""


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_which_operations_take_any_batch(name: str, tmp_path: Path) -> None:
    x, y = np.random.default_rng(5).standard_normal((2, *SHAPE))

    def f(x: Any, y: Any) -> Any:
        return OPERATIONS[name](np, x, y)

    if name in OF_ONE_SIZE:
        with pytest.raises(GraphError, match="leave batch= out"):
            to_onnx(f, tmp_path / "f.onnx", x, y, batch="N")
    else:
        runs_at_any_size(tmp_path / "f.onnx", f, x, y, lengths=(3, 5, 13))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_graphs_for_any_batch(data: st.DataObject, tmp_path: Path) -> None:
    open_ones = sorted({*OPERATIONS} - OF_ONE_SIZE - {"rows"})  # three rows of any batch fit beside no batch
    names = data.draw(st.lists(st.sampled_from(open_ones), min_size=1, max_size=5))
    x, y = np.random.default_rng(data.draw(st.integers(0, 2**31))).standard_normal((2, *SHAPE))

    def f(x: Any, y: Any) -> Any:
        for name in names:
            x, y = OPERATIONS[name](np, x, y), x
        return x, y

    runs_at_any_size(tmp_path / "f.onnx", f, x, y, lengths=(3, 5, 13))


def branches(x: Any) -> Any:
    return np.tanh(x) if len(x) < 4 else x * x


def table_of_one_size(x: Any) -> Any:
    return x + np.random.default_rng(len(x)).standard_normal((len(x), 1))


def first_five(x: Any) -> Any:
    return x[:5] * 2


def pairs_of(x: Any) -> Any:
    return x.sum() * len(x) ** 2


@pytest.mark.parametrize(
    ("f", "told"),
    [
        (
            branches,
            r"the function chooses by the length of the batch \(line test_export_onnx.py:\d+\), .*; leave batch=",
        ),
        (table_of_one_size, r"reads an array of constants made for one batch; leave batch="),
        (first_five, r"has another number of starts for another batch; leave batch="),
        (pairs_of, r"reads a number that is 9, 16, 81 for other batches; leave batch="),
    ],
)
def test_what_does_not_hold_for_any_batch_is_refused(f: Any, told: str, tmp_path: Path) -> None:
    to_onnx(f, tmp_path / "one.onnx", ROWS_OF_X)
    with pytest.raises(GraphError, match=told):
        to_onnx(f, tmp_path / "f.onnx", ROWS_OF_X, batch="N")
    assert not (tmp_path / "f.onnx").exists()


def test_a_batch_needs_a_name_an_axis_and_a_function(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r'batch is 16; expected a name for the axis that is left open, as batch="N"'):
        to_onnx(np.tanh, tmp_path / "f.onnx", ROWS_OF_X, batch=16)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"batch= leaves the first axis of the arguments open; got no array"):
        to_onnx(lambda x: x * 2, tmp_path / "f.onnx", np.float64(3.0), batch="N")
    with pytest.raises(GraphError, match=r"was traced for one size; pass the function itself"):
        to_onnx(mg.trace(np.tanh, ROWS_OF_X), tmp_path / "f.onnx", batch="N")


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8", "float64"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x // y,
        lambda x, y: x % y,
        lambda x, y: x * y - 1,
        lambda x, y: np.where(x > 2, x > y, y > 1),
        lambda x, y: (np.zeros((0, 2)), np.arange(3.0), x + 0),
    ],
)
def test_whole_numbers_truth_values_and_constants(f: Any, dtype: str, tmp_path: Path) -> None:
    arrays = (np.array([7, 3, 5, 0, 6]).astype(dtype), np.array([2, 1, 0, 3, 4]).astype(dtype))
    with np.errstate(all="ignore"):
        runs_the_same(tmp_path / "f.onnx", f, *arrays)
        wanted = f(*arrays)
    for theirs, ours in zip(
        in_runtime(tmp_path / "f.onnx", *arrays), wanted if isinstance(wanted, tuple) else (wanted,), strict=True
    ):
        np.testing.assert_array_equal(theirs, ours)


def test_a_dtype_that_an_operator_does_not_have_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(
        GraphError, match=r"at line test_export_onnx.py:\d+: ONNX defines \w+ for no int64; cast before"
    ):
        to_onnx(lambda x: np.rint(x) * 1.0 + np.sign(x) + np.floor(x), tmp_path / "f.onnx", np.array([1, 2]))


def test_numbers_that_are_returned_are_outputs(tmp_path: Path) -> None:
    x = np.array([0.5, -1.0])
    runs_the_same(tmp_path / "f.onnx", lambda x: (x * 2, 3.0, np.float64(2.5), True, x.shape[0]), x)
    got = in_runtime(tmp_path / "f.onnx", x)
    assert [np.asarray(part).tolist() for part in got] == [[1.0, -2.0], 3.0, 2.5, True, 2]
    runs_the_same(tmp_path / "g.onnx", lambda x: np.sum(np.ones(3)), x)
    with pytest.raises(GraphError, match=r"returns no array and no number, which a file could hold"):
        to_onnx(lambda x: None, tmp_path / "h.onnx", x)
    assert not (tmp_path / "h.onnx").exists()


@pytest.mark.parametrize("place", [0, 1, 4, 5])
@pytest.mark.parametrize("name", ["max", "min", "maximum.reduce"])
def test_nan_is_the_largest_and_the_smallest(name: str, place: int, tmp_path: Path) -> None:
    x = np.array([[0.5, np.inf, 2.0], [3.0, -np.inf, 1.0]])
    runs_the_same(tmp_path / "f.onnx", lambda x: (operator.attrgetter(name)(np)(x, axis=1), x.max()), x)
    x.flat[place] = np.nan
    runs_the_same(tmp_path / "g.onnx", lambda x: (operator.attrgetter(name)(np)(x, axis=1), x.max()), x)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_angles_at_the_ends_are_numpys(dtype: str, tmp_path: Path) -> None:
    ends = np.array([-np.inf, -2.0, -0.0, 0.0, 1.0, np.inf, np.nan], dtype)
    y, x = (np.ascontiguousarray(a) for a in np.broadcast_arrays(ends[:, None], ends))
    to_onnx(np.arctan2, tmp_path / "f.onnx", y, x)
    with np.errstate(all="ignore"):
        (angles,) = onnx.reference.ReferenceEvaluator(str(tmp_path / "f.onnx")).run(None, {"x1": y, "x2": x})
    np.testing.assert_allclose(angles, np.arctan2(y, x), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("exponent", [0.5, -0.5, 1.5, 2, -1, 3, 0])
def test_powers_at_the_ends_are_numpys(exponent: float, dtype: str, tmp_path: Path) -> None:
    ends = np.array([-np.inf, -2.0, -0.0, 0.0, 1.0, np.inf, np.nan], dtype)
    with np.errstate(all="ignore"):
        powers = ends**exponent
        to_onnx(lambda x: x**exponent, tmp_path / "f.onnx", ends)
        (got,) = onnx.reference.ReferenceEvaluator(str(tmp_path / "f.onnx")).run(None, {"x": ends})
    alone = (
        [] if dtype == "float64" else [np.asarray(to_jax(lambda x: x**exponent)(ends))]
    )  # JAX has 32 bits by default
    for found in (got, *alone):
        np.testing.assert_allclose(found, powers, rtol=4 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(np.signbit(found[powers == 0]), np.signbit(powers[powers == 0]))


@pytest.mark.parametrize("seed", range(6))
def test_a_product_of_narrow_numbers_beside_wide_ones_may_be_rounded_as_it_is(seed: int, tmp_path: Path) -> None:
    x = np.random.default_rng(seed).normal(0, 1.5, 6).astype(np.float16)
    to_onnx(lambda x: np.concatenate([np.eye(3).ravel(), np.ravel(np.prod(x))]), tmp_path / "product.onnx", x)
