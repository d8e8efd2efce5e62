"""Graphs printed as NumPy source: what is printed computes what the engine computes."""

from __future__ import annotations

import copy
import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SMOOTH, Program, inputs_of, programs

from micrograd.errors import GraphError
from micrograd.export.numpy_source.available import held_in_cache
from micrograd.export.numpy_source.listing import Listing, listed_backward
from micrograd.export.numpy_source.printing import identifier, program
from micrograd.export.numpy_source.spelling import SPELLED, Expr, atom, literal, spelled
from micrograd.export.numpy_source.symbols import Symbols
from micrograd.marker.inputs.guessing import make
from micrograd.marker.probing.trial import Trial
from micrograd.primitives import TABLE, Primitive
from micrograd.testing.domains import Case, cases_of
from micrograd.tracing import trace


def run(text: str, name: str) -> Callable[..., Any]:
    space: dict[str, Any] = {"np": np}
    exec(compile(text, "printed", "exec"), space)
    found: Callable[..., Any] = space[name]
    return found


def agree(got: Any, true: Any, scale: float = 1.0) -> None:
    assert np.shape(got) == np.shape(true)
    np.testing.assert_allclose(got, true, rtol=1e-9, atol=1e-12 * scale)


# ---- every row --------------------------------------------------------

CALLS = [(row.name, case) for row in TABLE.values() if row.name != "recur" for case in cases_of(row)]


def test_a_row_that_numpy_has_no_function_for_is_refused() -> None:
    graph = trace(lambda x: np.cumprod(x), np.array([1.0, 2.0, 3.0]))
    with pytest.raises(
        GraphError, match=r"np\.cumprod, backwards, cannot be printed as NumPy source: it is a loop over"
    ):
        program(graph.backward_graph())
    doubled = Primitive("row_of_test_listing", array=lambda x: 2 * x, vjp=(lambda g, out, x: 2 * g,))
    try:
        with pytest.raises(
            GraphError, match="row_of_test_listing cannot be printed as NumPy source: it is a row of your"
        ):
            program(trace(lambda x: doubled(x), np.array([1.0, 2.0])))
    finally:
        del TABLE[doubled.name]


@pytest.mark.parametrize(("name", "case"), CALLS, ids=[f"{name} {case}" for name, case in CALLS])
def test_every_row_is_spelled(name: str, case: Case) -> None:
    row = TABLE[name]
    differentiable = [slot for slot, x in enumerate(case.operands) if x.dtype.kind == "f"]

    def f(*arrays: Any) -> Any:
        given = list(case.operands)
        for slot, array in zip(differentiable, arrays, strict=True):
            given[slot] = array
        return row(*given, **case.attrs) * 1.0 if name in ("greater", "less") else row(*given, **case.attrs)

    arrays = [case.operands[slot] for slot in differentiable]
    graph = trace(f, *arrays)
    with np.errstate(all="ignore"):
        agree(run(program(graph), "f")(*arrays), graph(*arrays))


def test_every_row_has_a_spelling_of_its_own() -> None:
    by_name = {name for name, row in TABLE.items() if row.kind == "map" and hasattr(np, row.array)}
    unspelled = {*TABLE} - {*SPELLED} - by_name
    assert unspelled == {"scatter", "recur"}  # the second is the backward of a product of running entries


def test_a_row_without_one_is_called_by_its_numpy_name() -> None:
    assert str(spelled("scatter", [atom("x")], {"index": "i"})) == "np.put(x, index=i)"


# ---- random programs --------------------------------------------------------


@given(programs(), st.integers(0, 2**32 - 1))
def test_any_graph_prints_as_a_function_that_computes_it(steps: Program, seed: int) -> None:
    arrays = inputs_of(seed)
    graph = trace(lambda a, b: steps(np, a, b) + 0.0 * a, *arrays)
    agree(run(program(graph), "f")(*arrays), graph.value[graph.outputs[0].name])
    upstream = inputs_of(seed + 1)[0]
    backward = graph.backward(upstream).backward_graph()
    values = [backward.value[node.name] for node in backward.inputs]
    scale = max(float(np.abs(v).max()) for v in backward.values if np.asarray(v).dtype.kind == "f")
    got = run(program(backward), "f")(*values)
    for mine, node in zip(got if isinstance(got, tuple) else (got,), backward.outputs, strict=True):
        agree(mine, backward.value[node.name], scale)


@given(programs(SMOOTH), st.integers(0, 2**32 - 1))
def test_the_listed_backward_equals_the_engine(steps: Program, seed: int) -> None:
    def forward(a: Any, b: Any) -> Any:
        out = steps(np, a, b) + 0.1 * a
        return out

    rows = [dict(zip("ab", inputs_of(seed + k), strict=True)) for k in range(2)]
    listing = listed_backward(forward, rows)
    backward = run(listing.source(), listing.name)
    for arguments in rows:
        trial = Trial(forward, arguments, seed=seed)
        got = backward(*trial.upstream, *arguments.values())
        for mine, true in zip(got if isinstance(got, tuple) else (got,), trial.outputs() or (), strict=True):
            agree(mine, true, trial.scale)


# ---- layers --------------------------------------------------------


def staged(x, gamma, beta, eps=1e-5):  # type: ignore[no-untyped-def]
    N, D = x.shape
    # step 1: mean
    mu = 1.0 / N * np.sum(x, axis=0)
    # step 2: centre
    xmu = x - mu
    # step 3: variance
    sq = xmu**2
    var = 1.0 / N * np.sum(sq, axis=0)
    # step 4: invert
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    # step 5: normalize
    xhat = xmu * ivar
    gammax = gamma * xhat
    out = gammax + beta
    cache = (xhat, gamma, xmu, ivar, sqrtvar)
    return out, cache


def compact(x, gamma, beta, eps=1e-5):  # type: ignore[no-untyped-def]
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps) + beta


def settings(x, gamma, beta, bn_param):  # type: ignore[no-untyped-def]
    eps = bn_param.get("eps", 1e-5)
    xmu = x - x.mean(0)
    std = np.sqrt(np.mean(xmu**2, 0) + eps)
    out = gamma * xmu / std + beta
    cache = {"x": x, "gamma": gamma, "xmu": xmu, "std": std}
    return out, cache


def layer_norm(x, gamma, beta, eps=1e-5):  # type: ignore[no-untyped-def]
    mu = np.mean(x, axis=1, keepdims=True)
    xmu = x - mu
    xhat = xmu / np.sqrt(np.mean(xmu**2, axis=1, keepdims=True) + eps)
    return gamma * xhat + beta


def transposed_norm(x, gamma, beta, eps=1e-5):  # type: ignore[no-untyped-def]
    xt = x.T
    xmu = xt - xt.mean(axis=0)
    return (gamma[:, None] * xmu / np.sqrt(np.mean(xmu**2, axis=0) + eps) + beta[:, None]).T


def spatial_groupnorm(x, gamma, beta, G, gn_param):  # type: ignore[no-untyped-def]
    N, C, H, W = x.shape
    xg = x.reshape(N * G, C // G * H * W)
    xhat = (xg - xg.mean(1, keepdims=True)) / np.sqrt(xg.var(1, keepdims=True) + gn_param.get("eps", 1e-5))
    return xhat.reshape(N, C, H, W) * gamma + beta


def softmax(x, y):  # type: ignore[no-untyped-def]
    N, C = x.shape
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    return loss


def affine_relu(x, w, b):  # type: ignore[no-untyped-def]
    h = x.reshape(x.shape[0], -1).dot(w) + b
    out = np.maximum(0, h)
    return out, (x, w, h)


def attention(q, k, v):  # type: ignore[no-untyped-def]
    s = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(s)
    return e / e.sum(axis=1, keepdims=True) @ v


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):  # type: ignore[no-untyped-def]
    a = x @ Wx + prev_h @ Wh + b
    H = prev_h.shape[1]
    i, f, o = (1 / (1 + np.exp(-a[:, k * H : (k + 1) * H])) for k in range(3))
    next_c = f * prev_c + i * np.tanh(a[:, 3 * H :])
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, a)


def dropout(x, dropout_param):  # type: ignore[no-untyped-def]
    p = dropout_param["p"]
    mask = (np.random.rand(*x.shape) < p) / p  # noqa: NPY002 - as students draw it
    out = x * mask
    return out, (dropout_param, mask)


def weighted(x, w, reg):  # type: ignore[no-untyped-def]
    loss = np.sum((x @ w) ** 2) / x.shape[0] + reg * np.sum(w * w)
    return loss


LAYERS = [
    staged, compact, settings, layer_norm, transposed_norm, spatial_groupnorm, softmax, affine_relu, attention,
    lstm_step, dropout, weighted,
]  # fmt: skip


def listed(forward: Callable[..., Any]) -> Listing:
    return listed_backward(forward, [probe.arguments for probe in make(forward)])


@pytest.mark.parametrize("forward", LAYERS)
def test_the_backward_of_a_layer_holds_for_other_sizes_than_it_was_listed_from(forward: Callable[..., Any]) -> None:
    listing = listed(forward)
    backward = run(listing.source(), listing.name)
    for probe in make(forward, count=4, seed=11):
        trial = Trial(forward, probe.arguments, seed=probe.seed)
        np.random.seed(probe.seed)  # noqa: NPY002
        result = forward(**copy.deepcopy(dict(probe.arguments)))
        given = [result[-1]] if listing.parameters == ("cache",) else [probe.arguments[n] for n in listing.parameters]
        got = backward(*trial.upstream, *given)
        for mine, true in zip(got if isinstance(got, tuple) else (got,), trial.outputs() or (), strict=True):
            agree(mine, true, trial.scale)


def test_batch_norm_comes_out_as_students_write_it() -> None:
    assert (
        listed(staged).source()
        == """\
def staged_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar = cache
    N, D = dout.shape

    # step 5: normalize
    dgammax = dout
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    dxmu1 = dxhat * ivar
    divar = np.sum(dxhat * xmu, axis=0)

    # step 4: invert
    dsqrtvar = -divar * ivar**2
    dvar = 0.5 * dsqrtvar / sqrtvar

    # step 3: variance
    dsq = np.broadcast_to(dvar / N, (N, D))
    dxmu2 = 2 * dsq * xmu

    # step 2: centre
    dxmu = dxmu1 + dxmu2
    dx1 = dxmu
    dmu = -np.sum(dxmu, axis=0)

    # step 1: mean
    dx2 = np.broadcast_to(dmu / N, (N, D))
    dx = dx1 + dx2

    return dx, dgamma, dbeta
"""
    )


def test_lines_say_what_they_are() -> None:
    lines = {line.target: line for line in listed(staged).lines}
    assert (lines["dxmu2"].kind, lines["dxmu2"].of, lines["dxmu2"].to) == ("path", "xmu", "sq")
    assert lines["dxmu2"].upstream == "dsq"
    assert (lines["dxmu"].kind, lines["dx1"].kind) == ("sum", "same")
    assert (lines["dmu"].upstream, lines["dvar"].upstream) == ("dxmu", "dsqrtvar")
    assert (lines["dmu"].shape, lines["dx2"].shape) == ("(D,)", "(N, D)")


def test_a_cache_that_lacks_something_is_done_without() -> None:
    def forward(x, w):  # type: ignore[no-untyped-def]
        y = x * w
        out = y * y
        return out, (y,)

    assert listed(forward).parameters == ("x", "w")


@pytest.mark.parametrize("last", ["(x, w)", "[x, w]", '{"x": x, "w": w}', "cache", "tuple_"])
def test_caches_of_every_form(last: str) -> None:
    space: dict[str, Any] = {"np": np}
    text = f"def f(x, w):\n    cache = (x, w)\n    out = x * w\n    tuple_ = [x, w]\n    return out, {last}\n"
    linecache.cache["caches.py"] = (len(text), None, text.splitlines(keepends=True), "caches.py")
    exec(compile(text, "caches.py", "exec"), space)
    x, w = np.ones((3, 2)), np.ones(2)
    held = held_in_cache(space["f"], [space["f"](x, w)])
    assert held is not None
    assert {*held.arrays} == {"x", "w"}
    assert run(listed(space["f"]).source(), "f_backward")(x, space["f"](x, w)[1])[1].tolist() == [3.0, 3.0]


def test_what_changes_with_the_sizes_is_refused() -> None:
    def looped(x):  # type: ignore[no-untyped-def]
        total = x[0]
        for row in range(1, x.shape[0]):
            total = total + x[row] * row
        return total

    with pytest.raises(GraphError, match=r"looped computes another graph for inputs of another size \(a loop"):
        listed(looped)


def test_what_is_in_no_cache_is_named() -> None:
    def noisy(x):  # type: ignore[no-untyped-def]
        noise = np.random.rand(*x.shape)  # noqa: NPY002
        return x * noise

    with pytest.raises(GraphError, match="noise is made inside the forward and is not in its cache: put it there"):
        listed(noisy)


# ---- expressions --------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (atom("a").times(atom("b").inverse()), "a / b"),
        (atom("a").times(atom("b").times(atom("c")).inverse()), "a / (b * c)"),
        (spelled("add", [atom("a"), spelled("neg", [atom("b")], {})], {}), "a - b"),
        (spelled("sub", [atom("a"), spelled("add", [atom("b"), atom("c")], {})], {}), "a - (b + c)"),
        (spelled("neg", [spelled("add", [atom("b"), atom("c")], {})], {}), "-(b + c)"),
        (spelled("pow", [spelled("neg", [atom("b")], {})], {"exponent": "2"}), "(-b)**2"),
        (spelled("mul", [spelled("matmul", [atom("a"), atom("b")], {}), atom("N").inverse()], {}), "a @ b / N"),
        (spelled("matmul", [atom("a"), spelled("mul", [atom("b"), atom("c")], {})], {}), "a @ (b * c)"),
        (spelled("transpose", [atom("k.T")], {"axes": "(1, 0)"}), "k"),
        (spelled("equal", [spelled("greater", [atom("a"), atom("b")], {}), atom("c")], {}), "(a > b) == c"),
        (atom("i").times(atom("i")).times(atom("i")), "i**3"),
        (Expr(number=2.0).times(Expr(number=0.5)).times(atom("a")), "a"),
    ],
)
def test_expressions_have_as_few_brackets_as_they_need(expression: Expr, text: str) -> None:
    assert str(expression) == text


def test_numbers() -> None:
    assert [literal(v) for v in (1.0, 0.1, -3.0, 1e20, float("nan"), float("-inf"))] == [
        "1", "0.1", "-3", "1e+20", "np.nan", "-np.inf",
    ]  # fmt: skip
    assert identifier("x''") == "x_3"


def test_symbols_find_what_follows_the_sizes() -> None:
    symbols = Symbols(3)
    for name, values in (("N", (5, 4, 7)), ("D", (3, 6, 4)), ("eps", (0.2, 1e-5, 0.12))):
        symbols.name(name, values)
    n, d = np.array([5.0, 4, 7]), np.array([3.0, 6, 4])
    assert str(symbols.number(1 / (n - 1))) == "1 / (N - 1)"
    assert str(symbols.number(2 / (n * d))) == "2 / (N * D)"
    assert str(symbols.number(1 / np.sqrt(d))) == "1 / np.sqrt(D)"
    assert str(symbols.number([-0.2, -1e-5, -0.12])) == "-eps"
    assert str(symbols.number([3.0, 3.0, 3.0])) == "3"
    assert symbols.shape([(5, 1), (4, 1), (7, 1)]) == "(N, 1)"
    with pytest.raises(GraphError, match="a number that is 1, 2, 5 on inputs of 3 sizes follows none of these"):
        symbols.number([1, 2, 5])
