"""`to_jax`: every row and random graphs in JAX, against eager values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import OPERATIONS, SHAPE

import micrograd as mg
from micrograd import functional as F
from micrograd import nn
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, MissingExtraError
from micrograd.export import jax as jaxed
from micrograd.export import to_jax
from micrograd.export.programs import feeds_of, from_graph, pure, rounding
from micrograd.primitives import TABLE, Primitive
from micrograd.testing import Case, cases_of

jax = pytest.importorskip("jax", reason="JAX is not installed: nothing is exported to it")
ROWS = [row for row in TABLE.values() if row.name not in ("eigh", "svd", "qr")]  # whose vectors have any sign


@pytest.fixture(autouse=True)
def x64() -> Any:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def close(ours: Any, theirs: Any, bound: float) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert theirs.shape == ours.shape
    assert theirs.dtype == ours.dtype
    if ours.dtype.kind != "f":
        assert np.array_equal(ours, theirs)
        return
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    finite = np.isfinite(ours)
    assert np.array_equal(ours[~finite], theirs[~finite], equal_nan=True)
    assert np.abs(ours[finite] - theirs[finite]).max(initial=0) <= bound


def agrees(f: Any, *args: Any) -> None:
    """Values and gradients of all float arguments under the bound that rounding explains."""
    program = pure(f, args, {})
    close(f(*args) if not isinstance(f(*args), Tensor) else f(*args).data, to_jax(f)(*args),
          rounding(program, feeds_of(program, args, {}))[0])  # fmt: skip
    floats = [slot for slot, a in enumerate(args) if a.dtype.kind == "f"]

    def loss(*args: Any) -> Any:
        out = f(*args)
        return np.sum(out * out)

    for slot in floats:
        slope = mg.grad(loss, slot)
        program = pure(slope, args, {})
        bound = rounding(program, feeds_of(program, args, {}))[0]
        close(slope(*args), jax.jit(jax.grad(to_jax(loss), slot))(*args), bound)


def call(row: Primitive, case: Case, dtype: str) -> tuple[Any, list[Any]]:
    arrays = [np.asarray(x, dtype if x.dtype.kind == "f" else None) for x in case.operands]
    return lambda *operands: row(*operands, **case.attrs), arrays


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_jax_value_and_gradient(row: Primitive) -> None:
    alike = row.label == row.name and row.kind == "map"  # elementary functions, of which JAX has one by one
    for number, case in enumerate(cases_of(row)[1:3] if alike else cases_of(row)):
        f, arrays = call(row, case, ("float64", "float32")[number % 2])
        if row.flows and row.name != "sinc":  # whose slope near 0 loses digits in JAX
            agrees(f, *arrays)
        else:
            program = pure(f, arrays, {})
            close(
                np.asarray(row(*arrays, **case.attrs)),
                to_jax(f)(*arrays),
                rounding(program, feeds_of(program, arrays, {}))[0],
            )


def test_every_row_is_found_by_its_kind_and_few_are_exceptions() -> None:
    assert [*jaxed.OVERRIDES] == ["pow", "cast", "maximum", "fmax", "fmin", "recur", "gather", "scatter", "concatenate"]
    assert {row.kind for row in ROWS} == set(jaxed.KINDS)
    for row in ROWS:
        assert row.name in (jaxed.CALLS if row.kind == "call" else jaxed.OVERRIDES) or hasattr(jax.numpy, row.array), (
            row
        )


def test_a_row_that_jax_has_no_word_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(jax.numpy, "tanh")
    with pytest.raises(GraphError, match=r"jax.numpy has no 'tanh', which the row tanh at line test_export_jax.py:\d+"):
        to_jax(lambda x: np.tanh(x))(np.ones(3))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_random_graphs(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    x, y = rng.standard_normal((2, *SHAPE))

    def f(x: Any, other: Any) -> Any:
        y = other
        for name in names:
            x, y = OPERATIONS[name](np, x, y), x
        return x + 0.01 * other  # so that each has a gradient

    agrees(f, x, y)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 0.0, -0.0])
@pytest.mark.parametrize("name", ["sqrt", "log", "exp", "reciprocal", "tanh", "abs", "sign", "neg"])
def test_what_is_not_finite_goes_where_numpy_sends_it(name: str, special: float) -> None:
    x = np.array([special, 2.0])
    with np.errstate(all="ignore"):
        agrees(lambda x: TABLE[name](x), x)


@pytest.mark.parametrize(("tie", "shares"), [(0.5, 0.5), (0.0, 0.0)])
def test_ties_of_a_maximum_are_shared_as_ours_are(tie: float, shares: float) -> None:
    f = to_jax(lambda x, y: np.sum(TABLE["maximum"](x, y, tie=tie)))
    for slot in (0, 1):
        assert jax.grad(f, slot)(np.ones(1), np.ones(1)) == shares


def test_relu_at_zero_and_the_largest_of_equals() -> None:
    assert jax.grad(to_jax(lambda x: np.sum(F.relu(x))))(np.zeros(1)) == 0
    assert jax.grad(to_jax(lambda x: np.max(x)))(np.ones(4)).tolist() == [0.25] * 4


def test_jit_grad_and_vmap_apply_to_a_graph() -> None:
    def f(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(x @ w))

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
    graph = mg.trace(f, x, w)
    g = to_jax(graph)
    bound = rounding(from_graph(graph), feeds_of(from_graph(graph), (x, w), {}))[0]
    close(np.asarray(f(x, w)), jax.jit(g)(x, w), bound)
    many = jax.vmap(g, (0, None))(np.stack([x, 2 * x]), w)
    assert np.abs(np.asarray(many) - [f(x, w), f(2 * x, w)]).max() <= 2 * bound
    with pytest.raises(GraphError, match=r"takes 2 input\(s\) \(x, w\); got 1"):
        g(x)
    with pytest.raises(GraphError, match=r"x has shape \(3, 2\); the graph was made for \(2, 3\)"):
        g(x.T, w)


def test_labels_index_and_those_out_of_range_say_nan() -> None:
    f = to_jax(lambda scores, labels: F.cross_entropy(scores, labels))
    scores, labels = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 2, 1, 1])
    close(F.cross_entropy(scores, labels).data, f(scores, labels), 1e-15)
    assert np.isfinite(jax.jit(jax.grad(f))(scores, labels)).all()
    assert np.isnan(f(scores, np.array([0, 3, 1, 1])))


def test_whole_numbers_beside_floats_are_promoted_as_numpy_does() -> None:
    graph = mg.trace(lambda x: x * np.array([1, 2, 3]) + np.array([True, False, True]), np.ones(3, np.float32))
    assert to_jax(graph)(np.ones(3, np.float32)).dtype == graph.outputs[0].dtype


def test_parameters_are_those_of_each_call() -> None:
    model = nn.mlp([5, 4, 3], batch_norm=True, rng=0).eval()
    f, x = to_jax(model), np.random.default_rng(0).standard_normal((6, 5))
    for _ in range(2):
        program = pure(model, (x,), {})
        close(model(x).data, f(x), rounding(program, feeds_of(program, (x,), {}))[0])
        for parameter in model.parameters():
            parameter.data = parameter.data * 2


def test_float64_is_refused_where_jax_would_truncate_it() -> None:
    jax.config.update("jax_enable_x64", False)

    def f(x: Any) -> Any:
        return x * 2

    with pytest.raises(DTypeError, match=r"^JAX would truncate float64; call .* \(x of f is float64\.\)$"):
        to_jax(f)(np.ones(2))
    assert to_jax(lambda x: x * 2)(np.ones(2, np.float32)).dtype == np.float32


def test_what_changes_state_or_draws_is_refused() -> None:
    model = nn.mlp([5, 4, 3], batch_norm=True, rng=0)
    with pytest.raises(GraphError, match=r"changes 2 array\(s\) of state .* call eval\(\) on the model"):
        to_jax(model)(np.ones((6, 5)))
    with pytest.raises(GraphError, match=r"draws numbers anew at each call \(dropout\?\)"):
        to_jax(nn.mlp([5, 4, 3], dropout=0.5, rng=0))(np.ones((6, 5)))


def test_without_jax_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jax", None)
    with pytest.raises(MissingExtraError, match="which is not installed: pip install jax"):
        to_jax(lambda x: x)


def test_the_bound_catches_a_wrong_function() -> None:
    x = np.random.default_rng(0).standard_normal(5)
    program = pure(lambda x: np.tanh(x), (x,), {})
    with pytest.raises(AssertionError):
        close(
            np.tanh(x) * (1 + 1e-12), to_jax(lambda x: np.tanh(x))(x), rounding(program, feeds_of(program, (x,), {}))[0]
        )


def test_lists_in_an_index_are_arrays_and_layouts_are_seen() -> None:
    def f(x: Any) -> Any:
        np.add.at(x, [0, 0, -1], x.sum())
        x[[0, 1]] = x[[1, 0]]
        row = x.ravel()  # a view of some, a copy of others
        row *= 2.0
        return x, np.arange(3.0)

    x = np.arange(6.0).reshape(2, 3)
    makers = (x.copy, lambda: np.asfortranarray(x), lambda: np.repeat(x, 2, 1)[:, ::2], lambda: x.copy()[::-1])
    for make in (*makers, *makers):
        for theirs, ours in zip(to_jax(f)(make()), f(make()), strict=True):
            np.testing.assert_allclose(np.asarray(theirs), ours, rtol=1e-6)


def test_arguments_that_share_memory_are_refused_where_one_is_written_into() -> None:
    def f(x: Any, y: Any) -> Any:
        y[0] = 3.0
        return x * 2.0 + y

    x, apart = np.ones(4, np.float32), np.zeros(2, np.float32)
    in_jax = to_jax(f)
    np.testing.assert_array_equal(in_jax(x[:2], apart), f(x[:2].copy(), apart.copy()))
    for one, other in [(x, x), (x[:3], x[1:]), (x[::2], x[::-2])]:
        if np.shares_memory(one, other):
            with pytest.raises(GraphError, match=r"shares its memory with another array"):
                in_jax(one, other)
            assert np.array_equal(to_jax(lambda x, y: x * y)(one, other), one * other)
        else:
            np.testing.assert_array_equal(in_jax(one, other), f(one.copy(), other.copy()))
    also = jax.numpy.ones(2)
    with pytest.raises(GraphError, match=r"shares its memory with another array"):
        in_jax(also, also)


@pytest.mark.parametrize("to", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "bool"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_fractions_become_the_whole_numbers_that_they_become_in_numpy(dtype: str, to: str) -> None:
    x = np.array([-1.5, -0.5, 3.7, 255.9, -200.2, 300.4, -129.0, 32768.0, 60000.0], dtype)
    np.testing.assert_array_equal(np.asarray(to_jax(lambda x: (x.astype(to), x))(x)[0]), x.astype(to))
