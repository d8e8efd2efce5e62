"""ONNX as a judge: the node tests of the onnx package, computed by our engine, and its two tests of gradients.

A case takes part when all of its operators are in the table and all its numbers are of dtypes that the engine takes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.primitives import TABLE

onnx = pytest.importorskip("onnx", reason="onnx is not installed: its node tests are not run against the engine")
pytestmark = pytest.mark.judge

LEAST = 96  # of the 1,884 of onnx 1.23
ROWS = {row.onnx: row for row in TABLE.values() if row.onnx}
FLOATS, MASKS = ("float32", "float64"), ("float32", "float64", "bool")
NOT_OURS = {
    "test_scatternd", "test_scatternd_multiply", "test_scatternd_max", "test_scatternd_min",
    "test_scatternd_max_with_element_indices", "test_scatternd_min_with_element_indices",  # they overwrite; ours adds
    "test_gathernd_example_int32_batch_dim1",  # an index beside a batch axis
    "test_reduce_max_empty_set", "test_reduce_max_empty_set_bool",  # NumPy refuses the largest of nothing
    "test_cumsum_1d_exclusive", "test_cumsum_1d_reverse_exclusive",  # an entry without itself
    "test_isinf_negative", "test_isinf_positive",  # of one sign
}  # fmt: skip


def _axes(attrs: dict[str, Any], rest: list[Any]) -> Any:
    axes = attrs.get("axes", rest[0] if rest else None)
    if axes is None or not np.size(axes):
        return () if attrs.get("noop_with_empty_axes") else None
    return tuple(int(a) for a in axes)


def _reduce(row: Any, x: Any, rest: list[Any], attrs: dict[str, Any]) -> Any:
    return row(x, axis=_axes(attrs, rest), keepdims=bool(attrs.get("keepdims", 1)))


def _max(row: Any, x: Any, rest: list[Any], attrs: dict[str, Any]) -> Any:
    for y in rest:
        x = row(x, y)
    return x


def _reshape(row: Any, x: Any, rest: list[Any], attrs: dict[str, Any]) -> Any:
    keep = not attrs.get("allowzero", 0)
    return row(x, shape=tuple(int(x.shape[i]) if s == 0 and keep else int(s) for i, s in enumerate(rest[0])))


def _transpose(row: Any, x: Any, rest: list[Any], attrs: dict[str, Any]) -> Any:
    return row(x, axes=tuple(attrs.get("perm", reversed(range(len(x.shape))))))


def _index(indices: Any) -> Any:
    return tuple(np.moveaxis(indices, -1, 0))


SPELLED: dict[str, Callable[..., Any]] = {
    "ReduceSum": _reduce,
    "ReduceMax": _reduce,
    "Max": _max,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Pow": lambda row, x, rest, attrs: (
        TABLE["pow"](x, exponent=_plain(rest[0]).item()) if _plain(rest[0]).size == 1 else row(x, *rest)
    ),
    "CumSum": lambda row, x, rest, attrs: row(
        x, axis=int(rest[0].item()) % len(x.shape), reverse=bool(attrs.get("reverse"))
    ),
    "Expand": lambda row, x, rest, attrs: row(x, shape=np.broadcast_shapes(x.shape, tuple(map(int, rest[0])))),
    "Concat": lambda row, x, rest, attrs: row(x, *rest, axis=attrs["axis"]),
    "Cast": lambda row, x, rest, attrs: row(x, dtype=onnx.helper.tensor_dtype_to_np_dtype(attrs["to"]).name),
    "GatherND": lambda row, x, rest, attrs: row(x, index=_index(rest[0])),
    "ScatterND": lambda row, x, rest, attrs: x + row(rest[1], index=_index(rest[0]), shape=x.shape),
}


def _plain(x: Any) -> Any:
    return np.asarray(x.data if isinstance(x, Tensor) else x)


def _array(value: Any) -> Any:
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _attributes(node: Any) -> dict[str, Any]:
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def computed(model: Any, inputs: list[Any]) -> list[Any]:
    """The outputs of a model, each node by the row of its name; Gradient by `mg.gradients`."""
    known: dict[str, Any] = {}
    for info, array in zip(model.graph.input, inputs, strict=True):
        known[info.name] = Tensor(array) if array.dtype.kind == "f" else array
    for node in model.graph.node:
        attrs = _attributes(node)
        if node.op_type == "Gradient":
            found = mg.gradients(known[attrs["y"].decode()], [known[x.decode()] for x in attrs["xs"]])
            known |= dict(zip(node.output, found, strict=True))
            continue
        x, *rest = (known[name] for name in node.input)
        row = ROWS[node.op_type]
        spell = SPELLED.get(node.op_type, lambda row, x, rest, attrs: row(x, *rest))
        known[node.output[0]] = spell(row, x, rest, attrs)
    answers = [known[info.name] for info in model.graph.output]
    return [np.asarray(a.data if isinstance(a, Tensor) else a) for a in answers]


def _ours(test: Any) -> bool:
    nodes = test.model.graph.node
    if test.name in NOT_OURS or test.name.endswith("_expanded") or not all(n.op_type in ROWS for n in nodes):
        return False
    inputs, outputs = (list(map(_array, side)) for side in test.data_sets[0])
    if nodes[0].op_type == "Pow" and np.size(inputs[1]) != 1 and inputs[0].dtype != inputs[1].dtype:
        return False  # ONNX keeps the dtype of the base
    whole_allowed = nodes[0].op_type in (
        "Reshape",
        "Expand",
        "ReduceSum",
        "ReduceMax",
        "GatherND",
        "ScatterND",
        "Where",
        "Pow",
        "Pow",
        "CumSum",
    )
    if any(not hasattr(a, "dtype") or a.dtype.name not in MASKS for a in outputs):
        return False
    first = inputs[0].dtype.name
    if first not in (MASKS if nodes[0].op_type == "Where" else FLOATS):
        return False
    return whole_allowed or all(a.dtype.name in FLOATS for a in inputs)


@cache
def cases() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with np.errstate(all="ignore"):
            from onnx.backend.test.loader import load_model_tests

            return [test for test in load_model_tests(kind="node") if _ours(test)]


def close(got: Any, wanted: Any, test: Any) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=test.rtol, atol=test.atol)  # the tolerance that ONNX itself sets


def test_the_node_tests_whose_operators_are_in_the_table() -> None:
    for test in cases():
        for inputs, outputs in test.data_sets:
            with np.errstate(all="ignore"):
                answers = computed(test.model, list(map(_array, inputs)))
            for got, wanted in zip(answers, map(_array, outputs), strict=True):
                close(got, wanted, test)
    print(f"ONNX: {len(cases())} node tests agree")
    assert len(cases()) >= LEAST


def test_every_operator_of_the_table_is_asked_about_but_equality_which_onnx_asks_of_whole_numbers() -> None:
    asked = {node.op_type for test in cases() for node in test.model.graph.node}
    assert set(ROWS) - asked == {"Equal"}


def test_a_wrong_row_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROWS, "Tanh", TABLE["exp"])
    test = next(t for t in cases() if t.name == "test_tanh")
    with pytest.raises(AssertionError):
        close(computed(test.model, test.data_sets[0][0])[0], test.data_sets[0][1][0], test)


@pytest.mark.parametrize("name", ["test_gradient_of_add", "test_gradient_of_add_and_mul"])
def test_gradients(name: str) -> None:
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "simple" / name
    model = onnx.load(folder / "model.onnx")
    data = folder / "test_data_set_0"
    inputs = [
        onnx.numpy_helper.to_array(onnx.load_tensor(data / f"input_{i}.pb")) for i in range(len(model.graph.input))
    ]
    for place, got in enumerate(computed(model, inputs)):
        assert np.array_equal(got, onnx.numpy_helper.to_array(onnx.load_tensor(data / f"output_{place}.pb")))
