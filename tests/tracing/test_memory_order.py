"""What NumPy makes a view of and what a copy, by the order of the entries in memory: traced arrays do the same."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg

ARGUMENTS: dict[str, Callable[[], Any]] = {
    "C": lambda: np.arange(6.0).reshape(2, 3),
    "Fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(3, 2)),
    "reversed": lambda: np.arange(6.0).reshape(2, 3)[::-1],
    "reversed rows": lambda: np.arange(6.0).reshape(3, 2)[:, ::-1],
    "every second": lambda: np.arange(12.0).reshape(2, 6)[:, ::2],
    "a part": lambda: np.arange(600.0).reshape(6, 100)[:2, :3],
    "transposed": lambda: np.arange(12.0).reshape(2, 3, 2).T,
    "axes exchanged": lambda: np.arange(12.0).reshape(2, 3, 2).transpose(1, 0, 2),
    "a reversed line": lambda: np.arange(5.0)[::-1],
}
MADE: dict[str, Callable[[Any], Any]] = {
    "x.ravel()": lambda x: x.ravel(),
    "x.ravel('F')": lambda x: x.ravel("F"),
    "x.ravel('A')": lambda x: x.ravel("A"),
    "np.ravel(x, 'K')": lambda x: np.ravel(x, "K"),
    "x.flatten('K')": lambda x: x.flatten("K"),
    "x.reshape(-1)": lambda x: x.reshape(-1),
    "x.reshape(-1, order='F')": lambda x: x.reshape(-1, order="F"),
    "x.reshape(-1, order='A')": lambda x: x.reshape(-1, order="A"),
    "np.ascontiguousarray(x)": lambda x: np.ascontiguousarray(x),
    "np.asfortranarray(x)": lambda x: np.asfortranarray(x),
    "np.asarray(x, order='F')": lambda x: np.asarray(x, order="F"),
    "np.require(x, requirements='C')": lambda x: np.require(x, requirements="C"),
    "x.copy().ravel('K')": lambda x: x.copy().ravel("K"),
    "x.copy('F').ravel()": lambda x: x.copy("F").ravel(),
    "x.copy('K').ravel('K')": lambda x: x.copy("K").ravel("K"),
    "np.array(x.T).ravel('A')": lambda x: np.array(x.T).ravel("A"),
    "x.T.copy().ravel('K')": lambda x: x.T.copy().ravel("K"),
    "(x.T * 2).ravel('K')": lambda x: (x.T * 2).ravel("K"),
    "x[1:].ravel()": lambda x: x[1:].ravel(),
    "copy.copy(x).ravel('K')": lambda x: copy.copy(x).ravel("K"),
    "copy.deepcopy(x.T).ravel('K')": lambda x: copy.deepcopy(x.T).ravel("K"),
    "np.array([row for row in x]).ravel()": lambda x: np.array([row * 1.0 for row in x]).ravel("K"),
    "np.array([row for row in x], order='F')": lambda x: np.array([row * 1.0 for row in x], order="F").ravel("K"),
    "np.select(...).ravel('A')": lambda x: np.select([x > 2, x > 1], [x * 2, x], 0.25).ravel("A"),
    "np.copy(x).ravel('K')": lambda x: np.copy(x).ravel("K"),
    "np.einsum('ij->ji', x)": lambda x: np.einsum("...ij->...ji", x) if x.ndim > 1 else np.einsum("i", x),
    "np.einsum('ii->i', x)": lambda x: (
        np.einsum("ii->i", x[..., :2, :2]) if x.ndim == 2 else np.einsum("...i->...i", x)
    ),
    "np.rot90(x)": lambda x: np.rot90(x) if x.ndim > 1 else x,
    "np.diagonal(x)": lambda x: np.diagonal(x) if x.ndim > 1 else x,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_writes_go_through_where_numpy_has_a_view(make: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        made = make(x)
        try:
            made[0] *= 2
        except ValueError:  # read-only, which is part of the meaning
            made = made * 3
        x[-1] += 1
        return np.concatenate([np.ravel(x), np.ravel(made)])

    for argument in ARGUMENTS.values():
        given, traced = argument(), argument()
        graph = mg.trace(f, traced)
        np.testing.assert_array_equal(graph.value[graph.outputs[0].name], f(given))
        np.testing.assert_array_equal(traced, given)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("values", [5.0, [7.0, 8.0], [1.0, 2.0, 3.0, 4.0, 5.0]], ids=["number", "fewer", "more"])
def test_put_and_flat_count_as_c_does(name: str, values: Any) -> None:
    def f(x: Any) -> Any:
        np.put(x, [0, -1, 2], values)
        x.flat[1] = x.sum()
        x.flat[[3, 4]] *= 2
        return x * 1.0

    given, traced = ARGUMENTS[name](), ARGUMENTS[name]()
    graph = mg.trace(f, traced)
    np.testing.assert_array_equal(graph.value[graph.outputs[0].name], f(given))
    np.testing.assert_array_equal(traced, given)


@pytest.mark.parametrize("mask", [[True, False, True], [0, 2, 1], [False, False, False]])
@pytest.mark.parametrize("write", [np.place, np.putmask], ids=lambda f: f.__name__)
def test_values_are_repeated_as_place_and_putmask_do(write: Any, mask: Any) -> None:
    def f(x: Any) -> Any:
        made = np.zeros((3, 3))
        write(made, np.array([mask, mask, mask[::-1]]), x * 2)
        write(x, np.array(mask), [7.0, 8.0])
        return made + x

    given, traced = np.array([0.5, 1.0, -2.0]), np.array([0.5, 1.0, -2.0])
    assert np.array_equal(mg.vjp(f, traced)[0], f(given))
    assert np.array_equal(traced, given)


@pytest.mark.parametrize("write", [np.put, np.putmask, np.place], ids=lambda f: f.__name__)
def test_of_nothing_nothing_is_written(write: Any) -> None:
    def f(x: Any, mask: Any) -> Any:
        write(x, mask, x[:0] * 2.0)
        return x * 3.0

    x, none = np.array([0.5, 1.0, -2.0]), np.zeros(3, bool)
    some = [0, 1] if write is np.put else np.array([True, False, True])
    for mask in (none if write is not np.put else [], some):
        for run in (lambda g: mg.vjp(g, x.copy())[0], lambda g: mg.compile(g)(x.copy())):
            if write is np.place and mask is some:
                with pytest.raises(ValueError, match=r"^Cannot insert from an empty array!"):
                    run(lambda x: f(x, some))
            else:
                assert np.array_equal(run(lambda x, mask=mask: f(x, mask)), f(x.copy(), mask))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_is_filled_keeps_its_memory_order(name: str) -> None:
    def f(x: Any) -> Any:
        kept = x * 1.0
        x.fill(1.0)
        row, line = x.ravel(), x.reshape(-1)
        row *= 3.0
        line += 1.0
        return kept + x

    given, traced = ARGUMENTS[name](), ARGUMENTS[name]()
    assert np.array_equal(mg.vjp(f, traced)[0], f(given))
    assert np.array_equal(traced, given)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_transform_inside_knows_the_memory_order(name: str) -> None:
    def f(x: Any) -> Any:
        line = x.reshape(-1)
        line -= line.mean()
        return np.sum(np.ravel(x) ** 3)

    given, traced = ARGUMENTS[name](), ARGUMENTS[name]()
    f(given)
    mg.grad(lambda x: np.sum(mg.grad(f)(x)))(traced)
    np.testing.assert_allclose(traced, given, rtol=1e-14)


def test_what_is_copied_to_itself_stays() -> None:
    def f(x: Any) -> Any:
        turned = x.T
        np.copyto(turned, turned, where=x > 0)
        return x * 2

    x = np.array([[0.5, -1.0, 2.0]])
    assert np.array_equal(mg.vjp(f, x)[0], f(x))


def test_what_is_computed_is_broadcast_to_out() -> None:
    def f(x: Any) -> Any:
        out = np.zeros((3, 2))
        np.exp(x, out=out)
        np.add(x[0], 1.0, out=out[0])
        return out * np.tril(x)[0, 0]

    x = np.array([0.5, -1.0])
    graph = mg.trace(f, x)
    np.testing.assert_array_equal(graph.value[graph.outputs[0].name], f(x))


def test_no_shape_is_forced_into_out() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        mg.trace(lambda x: np.exp(x, out=np.zeros(3) * x[0]), np.array([0.5, -1.0]))


MADE_BY_WRITING: dict[str, Callable[[Any], Any]] = {
    "np.add.at(x.T)": lambda x: np.add.at(x.T, [0, 0, -1], x.sum()),
    "x.T[...] =": lambda x: x.T.__setitem__(..., x.T * 2.0),
    "x.T[1:] =": lambda x: x.T.__setitem__(slice(1, None), x.T[1:] * 2.0),
    "x[...] = constants": lambda x: x.__setitem__(..., np.arange(6.0).reshape(x.shape)),
    "nothing": lambda x: None,
}


@pytest.mark.parametrize(
    "fresh", ["x * 1.0", "np.asfortranarray(x)", "x.copy('F')", "np.copy(x.T, 'A')", "x.copy('K')"]
)
@pytest.mark.parametrize("name", MADE_BY_WRITING)
@pytest.mark.filterwarnings("ignore:f. scatter at line.*cannot be fused:RuntimeWarning")
def test_what_is_made_of_what_was_written_lies_as_numpys_does(name: str, fresh: str) -> None:
    """Views of an array that was written into a moment ago, and copies, hand their order in memory on."""
    write, code = MADE_BY_WRITING[name], compile(fresh, "fresh", "eval")

    def f(x: Any) -> Any:
        kept, a = x * 1.0, eval(code, {"np": np, "x": x})
        write(a)
        made = [np.zeros_like(a), np.zeros_like(a.T), np.stack([a, a * 2.0]), a.T * 3.0, a[1:] + 0.0]
        for part in made:
            row = part.ravel()
            row += 1.0
        return np.concatenate([np.ravel(part) for part in (*made, kept)])

    for argument in (ARGUMENTS["C"], ARGUMENTS["Fortran"]):
        graph = mg.trace(f, argument())
        np.testing.assert_array_equal(graph.value[graph.outputs[0].name], f(argument()))
        np.testing.assert_array_equal(mg.compile(f)(argument()), f(argument()))


# ---- the sign of zeros ---------------------------------------------------------------------------------------------


def _filled(x: Any) -> Any:
    out = np.empty(4)
    for i in range(4):
        out[3 - i] = x[i] * 0
    return out


def _every_other(x: Any) -> Any:
    out = np.zeros(4)
    out[::2] = x[:2] * 0
    return out


def _turned(x: Any) -> Any:
    out = np.ones((2, 2))
    out[:, ::-1] = x.reshape(2, 2) * 0
    return out


def _in_place(x: Any) -> Any:
    y = x * 1.0
    y[::-1] *= 0
    return y


def _picked(x: Any) -> Any:
    out = np.ones(5)
    out[[3, 0]] = x[:2] * 0
    return out


@pytest.mark.filterwarnings("ignore:.*cannot be fused:RuntimeWarning")
@pytest.mark.parametrize("f", [_filled, _every_other, _turned, _in_place, _picked])
def test_zeros_keep_their_sign_where_they_are_written(f: Any) -> None:
    x = np.array([-1.0, 2.0, -3.0, 4.0])
    signs = np.signbit(f(x))
    assert signs.any()
    graph = mg.trace(f, x)
    assert np.array_equal(np.signbit(graph.value[graph.outputs[0].name]), signs)
    assert np.array_equal(np.signbit(mg.vjp(f, x)[0]), signs)
    assert np.array_equal(np.signbit(mg.compile(f)(x)), signs)


VIEWS: list[Callable[[Any], Any]] = [
    lambda v: np.broadcast_to(v, (2, *v.shape)),
    lambda v: np.broadcast_to(v[..., None], (*v.shape, 2)),
    lambda v: v.T,
    lambda v: np.swapaxes(v, 0, -1),
    lambda v: v[..., ::-1],
    lambda v: v[:, None],
]


@pytest.mark.parametrize("order", ["K", "A", "F", "C"])
def test_views_of_views_are_read_in_numpys_order(order: Any) -> None:
    x = np.arange(6.0).reshape(2, 1, 3)
    for first, then, last in itertools.product(VIEWS, repeat=3):
        for made in (lambda v: v.ravel(order), lambda v: v.copy(order).ravel("K"), lambda v: (v * 1.0).ravel("K")):
            wanted = made(last(then(first(x))))
            assert np.array_equal(mg.vjp(lambda x: made(last(then(first(x)))), x)[0], wanted)  # noqa: B023


LAID: dict[str, Callable[[Any], Any]] = {
    "select": lambda x: np.select([x > 1, x > 0], [x * 2, x], 0.25),
    "choose": lambda x: np.choose((x > 0) * 1, [x, x * 2]),
    "pad": lambda x: np.pad(x, 1),
    "tile": lambda x: np.tile(x, (2, 1, 1)),
    "repeat": lambda x: np.repeat(x, 2, 0),
    "repeat the last": lambda x: np.repeat(x, 2, -1),
    "roll": lambda x: np.roll(x, 1, 0),
    "gradient": lambda x: np.gradient(x, axis=0),
    "gradients": lambda x: np.gradient(x, axis=(0, 1))[1],
    "take": lambda x: np.take(x, [0, 1], 0),
    "take the second": lambda x: np.take(x, [0, 1], 1),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(x, 0), 0),
    "compress": lambda x: np.compress([True, False], x, 0),
    "insert": lambda x: np.insert(x, 0, 1.0, 0),
    "delete": lambda x: np.delete(x, 0, 1),
    "round": lambda x: np.round(x, 1),
    "cross": lambda x: np.cross(x, x[::-1]),
    "piecewise": lambda x: np.piecewise(x, [x > 0], [lambda v: v * 2, lambda v: -v]),
    "quantile": lambda x: np.quantile(x, 0.3, axis=0),
    "sort": lambda x: np.sort(x, 0),
    "cumsum": lambda x: np.cumsum(x, 0),
    "where": lambda x: np.where(x > 0, x.copy(), x),
    "stack": lambda x: np.stack([x, x], -1),
    "places": lambda x: x[:, [0, 1]],
    "einsum": lambda x: np.einsum("abc,abd->abcd", x, x),
}


@pytest.mark.parametrize("name", LAID)
def test_results_lie_in_memory_as_numpys_do(name: str) -> None:
    values = np.random.default_rng(0).normal(size=(2, 2, 3))
    makers: list[Callable[[], Any]] = [
        values.copy,
        lambda: np.asfortranarray(values),
        lambda: values.swapaxes(0, 1).copy().swapaxes(0, 1),
    ]
    for make, order in itertools.product(makers, "AK"):
        read = lambda x, order=order: LAID[name](x).ravel(order)
        np.testing.assert_allclose(mg.vjp(read, make())[0], read(make()))
