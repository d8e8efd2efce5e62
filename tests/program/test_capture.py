"""A captured function, evaluated by NumPy, is the function: structures, gradients, names, labels."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pytest
import strategies
from captured import BETA, GAMMA, OTHER, RNG, X, Y, assert_same, run, same
from hypothesis import given, settings

import micrograd as mg
from micrograd import functional
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.program.capture import capture
from micrograd.program.program import Index

# ---- functions of arrays ---------------------------------------------------------------------------------


def staged(x: Any, gamma: Any, beta: Any) -> Any:
    N, _ = x.shape
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    var = 1.0 / N * np.sum(xmu**2, axis=0)
    ivar = 1.0 / np.sqrt(var + 1e-5)
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_plain_numpy_function(dtype: str) -> None:
    same(
        staged, *(a.astype(dtype) for a in (X, GAMMA, BETA)), others=tuple(a.astype(dtype) for a in (OTHER, BETA, X[0]))
    )


def test_values_have_the_authors_names_and_equations_the_authors_lines() -> None:
    program = capture(staged, (X, GAMMA, BETA), {})
    names = {value.name for value in program.values}
    assert {"x", "gamma", "beta", "mu", "xmu", "var", "ivar", "xhat", "out"} <= names
    first = staged.__code__.co_firstlineno
    lines = [equation.line for equation in program.equations]
    assert lines[0] == f"test_capture.py:{first + 2}"
    assert lines[-1] == f"test_capture.py:{first + 7}"


def test_gradients_are_named_after_what_they_are_the_gradient_of_and_stand_on_its_line() -> None:
    def loss(w: Any, x: Any) -> Any:
        h = np.tanh(x @ w)
        total = np.sum(h * h)
        return total

    program = capture(mg.grad(loss), (GAMMA[:, None], X), {})
    names = [value.name for value in program.values]
    assert "dh" in names
    assert "dw" in names
    assert program.values[program.outputs[0]].name == "dw"
    line = loss.__code__.co_firstlineno
    product = next(e for e in program.equations if program.values[e.out].name == "dw")
    assert product.line == f"test_capture.py:{line + 1}"


def test_structures_of_arguments_and_answers() -> None:
    class Pair(NamedTuple):
        a: Any
        b: Any

    def f(params: Any, *, scale: float = 2.0, flag: bool = True) -> Any:
        h = params["w"][0] * scale
        return {"h": h, "none": None, "pair": Pair(h + 1.0, [params["w"][1], 3, "text"]), "flag": flag, "empty": ()}

    program = same(f, {"w": [X, Y * 1.0], "unused": X}, scale=3.0)
    assert [value.name for value in program.values][:3] == ["params.w.0", "params.w.1", "params.unused"]


def test_a_function_that_answers_nothing_or_only_constants() -> None:
    assert run(capture(lambda x: None, (X,), {}), X) is None
    table = np.arange(3.0)
    program = same(lambda x: (1, table, [None]), X)
    first, again = run(program, X), run(program, X)
    first[1][0] = 7.0  # an answer is the caller's own
    assert again[1][0] == table[0] == run(program, X)[1][0] == 0.0


def test_an_argument_handed_on_is_an_output() -> None:
    program = same(lambda x, y: (x, y, x), X, Y, others=(OTHER, Y[::-1].copy()))
    assert program.outputs == (0, 1, 0)


def test_a_computed_constant_is_a_constant_of_the_program() -> None:
    program = same(lambda x: Tensor(np.ones(3)) * 2.0, X)
    assert [feed.kind for feed in program.feeds] == ["argument", "constant"]


def test_numbers_are_constants_and_numpy_numbers_are_arguments() -> None:
    program = same(lambda x, a, b: x * a + b, X.astype(np.float32), 2.5, np.float64(0.5))
    assert [feed.position for feed in program.feeds if feed.kind == "argument"] == [0, 2]
    assert program.values[program.outputs[0]].dtype == "float64"  # as NumPy has it


def test_zero_dimensional_arrays_are_arguments() -> None:
    same(
        lambda x, a: x * a,
        X.astype(np.float32),
        np.array(2.0, np.float32),
        others=(X.astype(np.float32), np.array(3.0, np.float32)),
    )


def test_arrays_from_outside_are_copied_constants() -> None:
    table = np.arange(5.0)
    program = capture(lambda x: x * table, (X,), {})
    table[:] = 0.0
    assert np.array_equal(run(program, X), X * np.arange(5.0))


def test_whole_numbers_beside_floats_are_cast_as_numpy_casts_them() -> None:
    counts = np.array([1, 2, 3, 4, 5], np.int32)
    program = same(lambda x: x * counts + np.where(x > 0, counts, x), X.astype(np.float32))
    assert all(value.dtype in ("float32", "float64", "bool") for value in program.values)


def test_masks_are_arguments() -> None:
    mask = X > 0
    same(lambda x, m: np.where(m, x, 0.0) + x * m, X, mask, others=(OTHER, ~mask))


def test_comparisons_by_operator_are_elementwise() -> None:
    x = np.array([0.0, 1.0, 2.0])
    same(lambda x, y: np.where(x == y, 1.0, x) + np.where(x != 0.0, x, 7.0), x, x[::-1].copy(), others=(x, x))


def test_without_a_gradient_and_detached_values_are_computed_anew() -> None:
    def f(x: Any) -> Any:
        with mg.no_grad():
            scale = np.sum(x * x) + 1.0
        return x / scale, Tensor(x) * 2.0

    same(f, X, others=(OTHER,), ulps=2)

    def loss(x: Any) -> Any:
        with mg.no_grad():
            frozen = x * x
        return np.sum(frozen * x)

    assert np.array_equal(run(capture(mg.grad(loss), (X,), {}), OTHER), OTHER * OTHER)

    def stopped(x: Any) -> Any:
        return np.sum((x * x).detach() * x)

    assert np.array_equal(run(capture(mg.grad(stopped), (X,), {}), OTHER), OTHER * OTHER)


def test_tensors_made_of_the_arguments_gather_gradients() -> None:
    def f(x: Any, w: Any) -> Any:
        x, w = mg.Tensor(x), mg.Tensor(w)
        loss = ((x @ w) ** 2).sum()
        loss.backward()
        return loss, w.grad

    same(f, X, GAMMA, others=(OTHER, BETA))
    number = capture(lambda a: (mg.Tensor(a) * 2.0, a), (np.array(3.0),), {})
    assert run(number, np.array(5.0)) == (10.0, 5.0)


# ---- transforms ------------------------------------------------------------------------------------------


def bn_loss(x: Any, gamma: Any, beta: Any) -> Any:
    return np.sum(np.tanh(staged(x, gamma, beta)) ** 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("argnums", [0, 1, (0, 1, 2), (2, 0)])
def test_values_and_gradients(argnums: Any, dtype: str) -> None:
    args = tuple(a.astype(dtype) for a in (X, GAMMA, BETA))
    same(mg.value_and_grad(bn_loss, argnums), *args, others=tuple(a.astype(dtype) for a in (OTHER, BETA, GAMMA)))
    same(mg.grad(bn_loss, argnums), *args)


def test_batch_norm_and_its_pullback() -> None:
    def f(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        out, pull = mg.vjp(mg.batch_norm, x, gamma, beta)
        return out, *pull(dout)

    same(f, X, GAMMA, BETA, OTHER, others=(OTHER, BETA, GAMMA, X))


def test_higher_orders() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * x * x)

    x = X[0]
    same(mg.grad(lambda x: np.sum(mg.grad(f)(x) ** 2)), x, others=(BETA,))
    same(mg.hessian(f), x, others=(BETA,))
    same(mg.jacobian(lambda x: x * np.sum(x)), x, others=(BETA,))
    same(lambda x, t: mg.jvp(lambda x: np.tanh(x) * x, [x], [t]), x, GAMMA, others=(BETA, x))
    same(lambda x: mg.jvp(lambda x: x * x, [x], [np.ones(5)]), x, others=(BETA,))


def test_what_is_not_reached_has_a_gradient_of_zeros() -> None:
    same(mg.grad(lambda x, y: np.sum(x), (0, 1)), X, GAMMA)


def test_auxiliary_answers() -> None:
    same(mg.value_and_grad(lambda x: (np.sum(x * x), {"h": x * 2.0, "n": 3}), has_aux=True), X, others=(OTHER,))


def test_gradients_of_parameters_of_a_dictionary() -> None:
    def loss(params: Any, x: Any, y: Any) -> Any:
        return functional.cross_entropy(np.tanh(x @ params["w"]) + params["b"], y)

    params = {"w": RNG.standard_normal((5, 3)), "b": RNG.standard_normal(3)}
    others = ({"w": params["w"] * 2, "b": params["b"] - 1}, OTHER, Y[::-1].copy())
    same(mg.value_and_grad(loss), params, X, Y, others=others)


@settings(max_examples=80)
@given(strategies.programs(), strategies.seeds)
def test_random_functions_with_their_gradients(program: strategies.Program, seed: int) -> None:
    def f(a: Any, b: Any) -> Any:
        return np.sum(program(np, a, b))

    first, second = strategies.inputs_of(seed), strategies.inputs_of(seed + 1)
    g = mg.value_and_grad(f, (0, 1))
    assert_same(run(capture(g, tuple(first), {}), *second), g(*second))


# ---- integers --------------------------------------------------------------------------------------------

OTHER_Y = np.array([2, 2, 0, 1, 1, 0])


@pytest.mark.parametrize("loss", [functional.cross_entropy, functional.multiclass_hinge_loss])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_are_arguments(loss: Any, dtype: str) -> None:
    scores, others = X[:, :3].astype(dtype), OTHER[:, :3].astype(dtype)
    program = same(mg.value_and_grad(loss), scores, Y, others=(others, OTHER_Y))
    (feed,) = (feed for feed in program.feeds if feed.position == 1)
    assert (feed.kind, feed.limit, feed.signed) == ("argument", 3, False)
    indices = [e.attrs["index"] for e in program.equations if "index" in e.attrs]
    assert all(index[1] == Index(feed.value) for index in indices)


def test_labels_of_two_classes_are_arguments() -> None:
    signs = np.where(X > 0, 1, -1)
    same(functional.hinge_loss, X, signs, others=(OTHER, -signs))
    same(functional.hinge_loss, X, signs * 1.0, others=(OTHER, -signs * 1.0))
    same(mg.grad(lambda x: functional.hinge_loss(x, signs)), X, others=(OTHER,))


@pytest.mark.parametrize(
    ("f", "limits"),
    [
        (lambda x, i: x[i], [6]),
        (lambda x, i: x[:, i], [5]),
        (lambda x, i: x[..., i], [5]),
        (lambda x, i: x[None, :, i], [5]),
        (lambda x, i: x[i, i], [5]),
        (lambda x, i: x[np.array([True, False, True, True, True, True]), :][i], [5]),
        (lambda x, i: x.reshape(6, 5, 1)[..., i % 1 if isinstance(i, np.ndarray) else 0] + x[i][0, 0], [6]),
        (lambda x, i: x[i] + x.T[i, 2:3], [5]),
    ],
)  # fmt: skip
def test_an_index_is_bounded_by_its_axis(f: Any, limits: list[int]) -> None:
    program = capture(f, (X, np.array([0, 4, 2])), {})
    assert [feed.limit for feed in program.feeds if feed.position == 1] == limits
    assert all(feed.signed for feed in program.feeds)


def test_an_index_moves_and_so_does_its_gradient() -> None:
    same(mg.grad(lambda x, i: np.sum(x[i] ** 2)), X, np.array([0, 1, 1, 5]), others=(OTHER, np.array([-1, 2, 2, 2])))


def test_integers_beside_tensors_are_numbers() -> None:
    k = np.array([1, 2, 3, 4, 5])

    def f(x: Any, k: Any) -> Any:
        return x * k + k / (x * x + 1.0) - np.where(x > k, x, 0.0) + np.multiply(k, x) + k.astype(x.dtype)

    same(f, X, k, others=(OTHER, k[::-1].copy()), ulps=2)
    program = same(mg.grad(lambda x, k: np.sum(x * k + k.astype(np.float64))), X, k, others=(OTHER, k + 1))
    m = np.arange(15).reshape(5, 3)
    same(mg.grad(lambda x, m: np.sum(np.matmul(x, m) ** 2)), X, m, others=(OTHER, m + 1))
    same(mg.grad(lambda x, m: np.sum((m.astype(np.float64) + x) ** 2)), X[:5, :3], m, others=(OTHER[:5, :3], m + 1))
    same(mg.grad(lambda x, k: np.sum(np.maximum(x, k) * np.where(k, x, k))), X, k, others=(OTHER, k - 2))
    assert program.values[1].dtype == "int64"
    same(
        lambda x, k: x * k, X.astype(np.float32), k.astype(np.uint8), others=(X.astype(np.float32), k.astype(np.uint8))
    )
    same(lambda x, k: (k.shape, len(k), k.ndim, k.size, np.shape(k), str(k.dtype), x), X, k)


WHOLE = [
    lambda x, i: x[:, :3] * (i + 1),
    lambda x, i: x[i * 2],
    lambda x, i: x * len([k for k in i]),  # noqa: C416
    lambda x, i: x * i.max(),
    lambda x, i: np.where(i == 2, 1.0, 0.0),
    lambda x, i: np.where(i != 2, 1.0, 0.0),
    lambda x, i: np.zeros(3) + i,
    lambda x, i: np.asarray(i) * x[0, :3],
    lambda x, i: np.sum(i),
    lambda x, i: np.concatenate([i, i]),
    lambda x, i: x[i.reshape(1, 3)],
    lambda x, i: i.astype(np.int8),
    lambda x, i: (i % 2, -i, abs(i), i // 2, i**2, i * i - 1, i < 2, i.T * x.T[:, :3], i.cumsum()),
    lambda x, i: (x.astype(int), np.sign(x).astype(np.int8), x[np.argmax(x, axis=0), np.arange(5)], np.argsort(x)),
    lambda x, i: (np.argmin(x), np.searchsorted(np.arange(3.0), x), np.digitize(x, [0.0, 1.0], right=True)),
    lambda x, i: (np.isclose(x, 0.5, atol=1.0), np.isclose(i, 1), np.isposinf(x), np.argpartition(x, 2, axis=0)),
    lambda x, i: (np.take(x, i, axis=1), np.take_along_axis(x, np.argsort(x, 1), 1), x[i, i], x[:, i % 2 + 1]),
]


@pytest.mark.parametrize("f", WHOLE)
def test_whole_numbers_are_computed_anew_in_each_call(f: Any) -> None:
    same(f, X, np.array([0, 1, 2]), others=(OTHER, np.array([2, 0, 1])))


def test_whole_numbers_stop_gradients() -> None:
    def f(x: Any, i: Any) -> Any:
        return np.sum(x * ((i + 1) * i - x.astype(int)) ** 2 + np.argmax(x))

    same(mg.grad(f), X[:3, :3], np.array([0, 1, 2]), others=(OTHER[:3, :3], np.array([2, 0, 1])), ulps=4)


def test_whole_numbers_are_written_into() -> None:
    def f(x: Any, i: Any) -> Any:
        i += 1
        i[0] = 2
        i[1:] *= 3
        j = i.copy()
        j[j > 3] = 7
        return x * 1.0, j

    program = capture(f, (X, np.array([0, 1, 2])), {})
    assert program.updates == (1,)
    with pytest.raises(GraphError, match="cannot compile an index computed by tensors"):
        capture(lambda x, i: x[i > 1], (X, np.array([0, 1, 2, 0, 0, 0])), {})


@pytest.mark.parametrize(
    ("f", "what"),
    [
        (lambda x, i: x if i[0] else -x, "a branch on a tensor value"),
        (lambda x, i: x * int(i[0]), "int() of a tensor"),
        (lambda x, i: x[: i[0]], "int() of a tensor"),
        (lambda x, i: sum(range(i[1])) * x, "int() of a tensor"),
        (lambda x, i: f"{i}", "a number as text"),
        (lambda x, i: 2 in i, "a branch on a tensor value"),
        (lambda x, i: x[[0, i[0]]], "what depends on the values of a tensor"),
        (lambda x, i: x * np.bincount(i)[0], "np.bincount() of a tensor"),
    ],
)
def test_what_needs_the_values_of_integers_is_refused(f: Any, what: str) -> None:
    message = f"cannot compile {re.escape(what)}" + r" at line test_capture.py:\d+: its value"
    with pytest.raises(GraphError, match=message):
        capture(f, (X, np.array([0, 1, 2])), {})


def test_labels_of_this_call_are_checked_while_it_is_captured() -> None:
    with pytest.raises(ValueError, match=re.escape("labels[1] is 3; expected 0 to 2")):
        capture(functional.cross_entropy, (X[:, :3], np.array([0, 3, 0, 0, 0, 0])), {})
