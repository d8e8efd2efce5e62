"""The table of edits: what is tried on a line, by what stands there and where."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from micrograd.marker.repair import edits as table
from micrograd.marker.repair.edits import changes_of, edits_of
from micrograd.marker.repair.node_edits import Edit
from micrograd.marker.student.statements import Scope, Text


def a_backward(dout: Any, z: Any) -> Any:
    return dout * z


def b_backward(dout: Any, z: Any) -> Any:
    return dout + z


NAMES: dict[str, Any] = {
    "x": np.ones((4, 3)), "y": np.full((4, 3), 2.0), "v": np.ones(3), "mask": np.ones((4, 3), bool), "N": 4, "D": 3,
    "i": 1, "j": 2, "eps": 0.1, "rows": np.arange(4), "cols": np.arange(4), "params": {"a": np.ones(3), "b": np.ones(3), "k": 2},
    "dx": np.ones((4, 3)), "p": np.full((4, 3), 1 / 3), "a_backward": a_backward, "b_backward": b_backward,
}  # fmt: skip


def edited(source: str, role: str = "value") -> list[Edit]:
    """The edits of an expression; of an index what stands in the brackets of ``x[...]``."""
    text = Text(source)
    root: Any = ast.parse(source, mode="eval").body
    scope = Scope(NAMES, {"np": np, "__name__": __name__, **NAMES}, text)
    return edits_of(root.slice if role == "index" else root, scope, role)


def tried(source: str, role: str = "value") -> set[tuple[str, str]]:
    """What comes in, and with which tag."""
    return {(edit.new, edit.tag) for edit in edited(source, role)}


CASES: list[tuple[str, str, set[tuple[str, str]]]] = [
    ("x", "value", {("y", "name"), ("-x", "negate"), ("2 * x", "constant"), ("x / N", "count"), ("x.T", "transpose")}),
    ("params['a']", "value", {("params['b']", "name"), ("-params['a']", "negate")}),
    ("2.0", "value", {("1.0", "constant"), ("-2.0", "negate"), ("eps", "name"), ("N", "count")}),
    ("True", "value", {("False", "constant")}),
    ("-x", "value", {("x", "negate"), ("y", "name")}),
    ("~mask", "value", {("mask", "mask")}),
    ("x - y", "value", {("x + y", "operator"), ("x", "drop_term"), ("y - x", "exchange")}),
    ("x ** 2", "value", {("x", "power"), ("x ** 3", "power"), ("3", "constant")}),
    ("x > 0", "value", {("x < 0", "compare"), ("x", "mask"), ("y", "name"), ("1", "constant")}),
    ("np.sum(x, axis=0)", "value", {("np.sum(x, axis=1)", "axis"), ("np.mean(x, axis=0)", "mean_sum"), ("x", "oversummed")}),
    ("np.maximum(x, 0)", "value", {("np.minimum(x, 0)", "function"), ("np.maximum(0, x)", "exchange"), ("y", "name")}),
    ("x.T", "value", {("x", "transpose"), ("y", "name")}),
    ("x[rows]", "value", {("x", "index"), ("y", "name"), ("cols", "index")}),
    ("x[i, :]", "value", {("x[:, i]", "index"), ("j", "index")}),
    ("x.reshape(N, -1)", "value", {("D", "index"), ("y", "name"), ("1", "negate")}),
    ("np.zeros((N, D))", "value", {("np.ones((N, D))", "function")}),
    ("x if mask.any() else y", "value", {("y", "name"), ("x", "name"), ("-x", "negate")}),
    ("a_backward(dx, x)", "value", {("b_backward(dx, x)", "function")}),
    ("dx", "value", {("a_backward(dx, y)", "rewritten")}),
    ("p * dx", "value", {("p * (dx - np.sum(p * dx, axis=-1, keepdims=True))", "rewritten")}),
    ("4 / x", "value", {("(D * D)", "count")}),
    ("[x, y]", "value", {("y", "name"), ("x", "name")}),
    ("(-x) > 0", "value", {("x", "negate")}),
    ("(x - y) > v[i]", "value", {("x + y", "operator"), ("v", "index"), ("j", "index")}),
    ("(x > 0) == mask", "value", {("x < 0", "compare")}),
    ("np.sum(x, axis=0) > v", "value", {("np.sum(x, axis=1)", "axis")}),
    ("x.T > v", "value", {("x", "transpose"), ("y", "name")}),
    ("x[i * 2]", "index", {("i + 2", "index"), ("i", "index"), ("2", "index")}),
    ("x[i, j]", "index", {("j, i", "index"), ("i + 1", "index"), ("j - 1", "index")}),
    ("x[i:j]", "index", {("i + 1:j + 1", "index"), ("N", "index")}),
    ("x[i + 1:j + 1]", "index", {("i:j", "index"), ("i - 1", "index"), ("2", "index")}),
    ("x[x > 0]", "index", {("x < 0", "compare"), ("y", "name")}),
    ("x[-i]", "index", {("i", "negate")}),
    ("x[np.argmax(v)]", "index", {("np.argmin(v)", "function")}),
    ("params['a']", "index", {("'b'", "name")}),
    ("x[:, rows]", "index", {("np.arange(len(rows)), rows", "index")}),
    ("range(1, N)", "loop", {("range(N)", "index"), ("2", "index")}),
    ("range(N)", "loop", {("range(1, N)", "index"), ("D", "index")}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "role", "wanted"), CASES)
def test_what_is_tried(source: str, role: str, wanted: set[tuple[str, str]]) -> None:
    assert wanted - tried(source, role) == set()


@pytest.mark.parametrize(("place", "row"), [(p, i) for p, rows in table._TABLE.items() for i in range(len(rows))])
def test_without_a_row_of_the_table_something_is_missing(place: str, row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table._TABLE[place]
    monkeypatch.setitem(table._TABLE, place, rows[:row] + rows[row + 1 :])
    assert any(wanted - tried(source, role) for source, role, wanted in CASES)


def test_nothing_is_missing_around_the_side_of_a_comparison() -> None:
    around = {"-x", "2 * x", "x / N", "np.sum(x, axis=0)"}
    assert around <= {new for new, _ in tried("x + 0")}
    assert not around & {new for new, _ in tried("x > 0")}
    assert around <= {new for new, _ in tried("(x + y) > 0")}  # what is inside a side is as elsewhere


@pytest.mark.parametrize(
    "source", ["(x - y) * v / N", "np.sum(x * y, axis=0, keepdims=True)", "x[i:j, rows] ** 2 + eps"]
)
def test_every_edit_is_python_and_exchanges_a_part_of_the_expression(source: str) -> None:
    edits = edited(source)
    inside = ast.parse(source, mode="eval").body
    spans = {(n.col_offset, n.end_col_offset) for n in ast.walk(inside) if isinstance(n, ast.expr)}
    assert len(edits) > 100
    assert [edit.cost for edit in edits] == sorted(edit.cost for edit in edits)
    for edit in edits:
        ast.parse(f"_[{edit.new}]" if ":" in edit.new else f"({edit.new})")
        assert (edit.node.col_offset, edit.node.end_col_offset) in spans


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("dx += y", ["dx -= y", "dx *= y", "dx /= y", "dx = y", "dx = dx + y"]),
        ("dx -= x * y", ["dx += x * y", "dx *= x * y", "dx /= x * y", "dx = x * y", "dx = dx - (x * y)"]),
        ("dx = y", ["dx += y", "dx -= y", "dx /= y", "dx *= y"]),
        ("a, b = x, y", ["a, b = y, x"]),
        ("a, b, c = cache", ["b, a, c = cache", "c, b, a = cache", "a, c, b = cache"]),
        ("return dx, dw", ["return dw, dx"]),
        ("return dx", []),
        ("a = b = y", []),
        ("f(x)", []),
    ],
)
def test_the_changes_of_a_statement(source: str, wanted: list[str]) -> None:
    text = Text(source)
    found = changes_of(ast.parse(source).body[0], text)
    assert [text.edited(change.start, change.end, change.new) for change in found] == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("if t:\n    a *= b; c = a\n    d = c\n", ["a = a * b", "c = a * b"]),
        ("if t:\n    a *= b\n    c = a\n    d = c\n", ["a = a * b", "c = a * b"]),
        ("if t:\n    a *= b\nc = a\nd = c\n", ["a = a * b"]),
    ],
)
def test_a_product_in_place_is_put_under_the_name_that_it_gets_in_the_same_block(
    source: str, wanted: list[str]
) -> None:
    (block, *_) = ast.parse(source).body
    assert isinstance(block, ast.If)
    found = changes_of(block.body[0], Text(source))
    assert [change.new for change in found if change.tag == "in_place"] == wanted
