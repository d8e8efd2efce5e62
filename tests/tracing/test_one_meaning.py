"""A plain NumPy function means the same to NumPy, to `trace` and to the transforms: values and gradients."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from as_users_write import FUNCTIONS, PLAIN, branched, contained, equal, unequal

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from tests.support.numpy_expressions import OLD

X = np.array([0.5, 1.2, -0.7])


def slopes(f: Callable[..., Any]) -> Any:
    """Central differences of a step that leaves every comparison as it is."""
    step, found = 1e-5, np.zeros(len(X))
    for place in range(len(X)):
        unit = np.zeros(len(X))
        unit[place] = step
        found[place] = (f(X + unit) - f(X - unit)) / (2 * step)
    return found


def exact(f: Callable[..., Any]) -> Any:
    """The right gradient; of comparisons with the very point, that of the branch that holds there."""
    at_the_point: dict[Callable[..., Any], Any] = {
        equal: lambda x: x[0] ** 2 + 5 * x[1] + x[2] ** 2,
        unequal: lambda x: x[0] ** 3 + x[2] ** 3,
        contained: lambda x: np.sum(x * 3.0),
        branched: lambda x: np.sum(x**2),
    }
    return slopes(at_the_point.get(f, PLAIN.get(f, f)))


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_grad_is_that_of_numpy(f: Callable[..., Any]) -> None:
    value, gradient = mg.value_and_grad(f)(X.copy())
    assert np.allclose(value, PLAIN.get(f, f)(X.copy()), rtol=1e-14, atol=0)
    assert np.allclose(gradient, exact(f), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_trace_is_that_of_numpy(f: Callable[..., Any]) -> None:
    graph = mg.trace(f, X.copy())
    assert np.allclose(graph.value[graph.outputs[0].name], PLAIN.get(f, f)(X.copy()), rtol=1e-14, atol=0)
    graph.backward()
    assert np.allclose(graph.grad["x"], exact(f), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_every_transform_runs_it_alike(f: Callable[..., Any]) -> None:
    gradient = mg.grad(f)(X.copy())
    assert np.array_equal(mg.vjp(f, X.copy())[1](1.0)[0], gradient)
    assert np.allclose(mg.jvp(f, [X.copy()], [np.ones(3)])[1], np.sum(gradient), rtol=1e-12, atol=1e-14)
    assert np.allclose(mg.jacobian(f)(X.copy()), gradient, rtol=1e-13, atol=1e-15)
    with mg.no_grad():
        assert np.array_equal(mg.grad(f)(X.copy()), gradient)


def test_the_judge_can_fail() -> None:
    assert not np.allclose(
        mg.grad(lambda x: np.sum(x**2 * 1.001))(X), exact(lambda x: np.sum(x**2)), rtol=1e-8, atol=1e-8
    )


def refusal(run: Callable[[], Any]) -> str:
    with pytest.raises(GraphError, match="gradient") as caught:
        run()
    return str(caught.value).split(" (line")[0].split("\n")[0]


@pytest.mark.parametrize(
    "f", [lambda x: float(x[0]) * x[1], lambda x: x.tolist()[0] * x[1], lambda x: np.fromiter(x, float)[0] * x[1]]
)
def test_what_would_lose_a_gradient_is_refused_in_the_words_of_trace(f: Callable[..., Any]) -> None:
    assert refusal(lambda: mg.grad(f)(X)) == refusal(lambda: mg.trace(f, X))


def test_outside_of_a_transform_tensors_keep_their_meaning() -> None:
    t = Tensor(np.array([1.0]))
    assert float(t) == 1.0
    assert (t == t) is True
    assert (t == Tensor(np.array([1.0]))) is False
    losses = np.zeros(2)
    losses[0] = Tensor(3.0)
    assert losses[0] == 3.0


def test_what_a_function_writes_into_its_argument_is_there_afterwards() -> None:
    def halved(x: Any) -> Any:
        x *= 0.5
        return np.sum(x**2)

    given = X.copy()
    assert np.allclose(mg.grad(halved)(given), 2 * X * 0.25, rtol=1e-15)
    assert np.array_equal(given, X * 0.5)


def test_under_no_grad_a_gradient_is_a_leaf() -> None:
    t = Tensor(X)
    with mg.no_grad():
        found = mg.grad(lambda x: np.sum(x**3))(t)
    assert isinstance(found, Tensor)
    assert found.row is None
    assert np.allclose(found.data, 3 * X**2)


NUMBERS_BESIDE: list[Callable[[Any], Any]] = [
    lambda x: x * np.float64(0.5),
    lambda x: np.float64(0.5) - x,
    lambda x: x * np.float32(0.5),
    lambda x: x * 0.5,
    lambda x: x * np.int64(2),
    lambda x: x * np.sum(np.arange(2)),
    lambda x: x ** np.float64(3 if OLD else 2),  # NumPy 2.0 forgets that a square widens
    lambda x: x // np.float64(2) + x,
    lambda x: np.maximum(x, np.float64(0.5)),
    lambda x: np.where(x > 1, x, np.float64(1)),
    lambda x: np.concatenate([x, [np.float64(1)]]),
    lambda x: x[0] * np.mean([True, False]),
    lambda x: x.astype(np.float16) * np.float32(2),
    lambda x: np.insert(x, 1, x[0].astype(np.float64)),
]


@pytest.mark.parametrize("f", NUMBERS_BESIDE)
def test_numbers_of_numpy_widen_what_they_widen_there(f: Callable[..., Any]) -> None:
    x = np.array([0.5, 2.0], np.float32)
    graph = mg.trace(f, x)
    for ours in (graph.value[graph.outputs[0].name], mg.vjp(f, x)[0], mg.jvp(f, [x], [x])[1]):
        assert ours.dtype == f(x).dtype
    assert np.array_equal(graph.value[graph.outputs[0].name], f(x))
    assert mg.vjp(f, x)[1](np.ones_like(f(x)))[0].dtype == np.float32
    assert graph.backward(np.ones_like(f(x))).grad["x"].dtype == np.float32


def test_a_number_of_numpy_does_not_widen_what_it_is_written_into() -> None:
    def f(x: Any) -> Any:
        x *= np.float64(0.5)
        return x * 2

    x = np.array([0.5, 2.0], np.float32)
    assert mg.vjp(f, x)[0].dtype == np.float32
    assert x.dtype == np.float32


def test_a_number_that_becomes_an_array_is_copied() -> None:
    def f(x: Any) -> Any:
        total = np.sum(x)
        row, other = np.expand_dims(total, 0), total[None]
        row[0] = 7.0
        other *= 2
        return total * row * other

    assert mg.vjp(f, X)[0] == f(X)


def test_numpy_is_found_in_a_dictionary_by_module() -> None:
    def f(x: Any) -> Any:
        return {np: 2.0}[np] * x + len({np, np})

    assert np.array_equal(mg.vjp(f, X)[0], f(X))


@pytest.mark.parametrize("f", [np.abs, np.fabs, np.square], ids=lambda f: f.__name__)
def test_no_gradient_goes_through_truth_values(f: Any) -> None:
    def of_masks(x: Any) -> Any:
        return np.concatenate([x, f((x > 0) | (x > 2))])

    value, pull = mg.vjp(of_masks, X)
    assert np.array_equal(value, of_masks(X))
    assert np.array_equal(pull(np.ones(6))[0], np.ones(3))


COUNTS = np.array([1, 2, 3], np.int8)


def _dropped(x: Any) -> Any:
    plain = COUNTS.astype(float)
    np.exp(x, out=plain)
    return plain


def _under_another_name(x: Any) -> Any:
    plain = COUNTS.astype(float)
    made = np.exp(x, out=plain)
    return made + plain


def _in_a_list(x: Any) -> Any:
    plain = [COUNTS.astype(float)]
    np.multiply(x, 2.0, out=plain[0])
    return plain[0]


@pytest.mark.parametrize("f", [_dropped, _under_another_name, _in_a_list])
def test_what_is_written_into_a_plain_array_is_not_lost(f: Callable[..., Any]) -> None:
    for run in (mg.trace, mg.vjp, mg.compile(f)):
        with pytest.raises(GraphError, match=r"a traced value is written into a plain array|would lose its gradient"):
            run(f, X) if run in (mg.trace, mg.vjp) else run(X)


def _named_again(x: Any) -> Any:
    plain = COUNTS.astype(float)
    plain = np.exp(x, out=plain)
    plain += x
    return plain


def _added_up(x: Any) -> Any:
    plain = COUNTS.astype(float)
    plain *= x
    return plain


@pytest.mark.parametrize("f", [_named_again, _added_up])
def test_a_plain_array_that_is_named_again_is_traced(f: Callable[..., Any]) -> None:
    value, pull = mg.vjp(f, X)
    assert np.array_equal(value, f(X))
    expected = np.exp(X) + 1 if f is _named_again else COUNTS
    np.testing.assert_allclose(pull(np.ones(3))[0], expected, rtol=1e-15)
    fast = mg.compile(f)  # which met another array outside of it at each capture, without end
    for x in (X, 2 * X):
        np.testing.assert_allclose(fast(x), f(x), rtol=1e-15)


@pytest.mark.parametrize("f", [
    lambda x: ((math.exp(x[0]) > 0) + (x > 0)) * x,
    lambda x: ((x > 0) + (math.exp(x[0]) > 0)) * x,
    lambda x: ((math.exp(x[0]) > 0) + (math.exp(x[1]) > 0)) * x,
    lambda x: ((math.exp(x[0]) > 0) * (x > 0)) * x,
])  # fmt: skip
def test_truth_values_of_python_count_among_themselves_alone(f: Callable[..., Any]) -> None:
    assert np.array_equal(mg.vjp(f, X)[0], f(X))
    assert np.array_equal(mg.compile(f)(X), f(X))


def test_writes_into_views_of_one_number() -> None:
    def f(x: Any) -> Any:
        row = np.atleast_2d(x)
        row[[0, -1]] = row[[-1, 0]] * 3
        return row * row

    value, pull = mg.vjp(f, np.array(2.0))
    assert np.array_equal(value, [[36.0]])
    assert np.array_equal(pull(np.ones((1, 1)))[0], 36.0)


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "fill": lambda t: t.fill(0.25),
    "put": lambda t: np.put(t, 0, 5.0),
    "flat": lambda t: t.flat.__setitem__(0, 5.0),
    "flat =": lambda t: setattr(t, "flat", 5.0) if hasattr(t, "tensor") else None,
    "reshape": lambda t: t.reshape(1).fill(5.0),
    "ravel": lambda t: np.ravel(t).fill(5.0),
    "[...]": lambda t: operator.setitem(t, ..., 5.0),
    "[()]": lambda t: operator.setitem(t, (), 5.0),
    "copyto": lambda t: np.copyto(t, 5.0),
    "place": lambda t: np.place(t, True, [5.0]),
    "putmask": lambda t: np.putmask(t, True, 5.0),
    "out": lambda t: np.add(t, 1, out=t),
}


@pytest.mark.parametrize(
    "number", [lambda x: x[0], lambda x: x.sum(), lambda x: x[0] * 2.0], ids=["entry", "sum", "mul"]
)
@pytest.mark.parametrize("write", NUMBERS.values(), ids=NUMBERS)
def test_a_number_is_written_into_as_little_as_numpys(
    number: Callable[[Any], Any], write: Callable[[Any], Any]
) -> None:
    def f(x: Any) -> Any:
        t = number(x)
        write(t)
        return t * 1.0 + x.sum()

    x = np.array([1.0, 2.0, 3.0])
    try:
        expected = f(x)
    except TypeError:
        expected = None
    for run in (lambda x: mg.value_and_grad(f)(x)[0], lambda x: mg.compile(f)(x), lambda x: mg.trace(f, x)):
        if expected is None:
            with pytest.raises(TypeError):
                run(x)
        else:
            assert isinstance(found := run(x), mg.Graph) or found == expected
    assert x.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("whole", [False, True])
def test_a_mask_that_is_traced_writes_into_a_plain_array_never_in_silence(whole: bool) -> None:
    def f(x: Any) -> Any:
        a = np.arange(3) * 0.5
        np.copyto(a, a if whole else 7.0, where=x > 0)
        return a * x

    x = np.array([1.0, -2.0, 3.0])
    for run in (lambda: mg.vjp(f, x)[0], lambda: mg.compile(f)(x)):
        try:
            assert np.array_equal(run(), f(x))
        except GraphError as error:
            refused = str(error)
            assert re.search(r"plain array(?s:.*)np\.copyto\(a", refused)


@pytest.mark.parametrize("where", [True, np.array([True, False, True]), np.array([[True, False, True]])[0]])
@pytest.mark.parametrize(
    "source", [lambda x: x[None], lambda x: np.ones((1, 3)), lambda x: x[:1], lambda x: x[None, None, 1:2]]
)
def test_what_is_copied_may_have_more_axes_of_length_one(source: Callable[[Any], Any], where: Any) -> None:
    def f(x: Any) -> Any:
        a = np.zeros(3)
        np.copyto(a, source(x), where=where)
        return a * x

    x = np.array([1.0, -2.0, 3.0])
    for run in (mg.compile(f), lambda x: mg.vjp(f, x)[0]):
        assert np.array_equal(run(x), f(x))
    assert np.allclose(mg.grad(lambda x: f(x).sum())(x), slopes_at(lambda x: f(x).sum(), x), atol=1e-8)


def slopes_at(f: Callable[..., Any], x: Any) -> Any:
    step = 1e-5
    return np.array([(f(x + step * unit) - f(x - step * unit)) / (2 * step) for unit in np.eye(len(x))])


@pytest.mark.filterwarnings("ignore:f. cast at line:RuntimeWarning")
@pytest.mark.parametrize("made", [lambda x: x.astype(np.uint8), lambda x: x.astype(np.float32), np.copy, np.zeros_like])
def test_an_array_without_axes_is_no_number_and_can_be_written_into(made: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        t = made(x)
        np.minimum(t, 2, out=t)
        t[...] = t + 1
        return t * 1.0 + x

    expected = f(np.array(0.7))
    assert mg.value_and_grad(f)(np.array(0.7))[0] == expected
    assert mg.compile(f)(np.array(0.7)) == expected
