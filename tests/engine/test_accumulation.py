"""Gradients are added up without writing into an array that somebody else can see, and a number's is a number.

The programs mix Python numbers, arrays without axes and the views that join them (stack, reshape, expand_dims,
broadcast, transpose, rows). Their inputs and cotangents are whole numbers and every step is a polynomial, so that all
arithmetic is exact and any order of summation gives the same bits: nothing is compared with a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from captured import OPTIMIZERS, run
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_engine import Reference

import micrograd as mg
from micrograd import optim
from micrograd.engine import Tensor, observe, sweep
from micrograd.program.capture import capture
from micrograd.transforms import gradients

INFINITESIMAL = 2.0**-600  # its square is 0.0, so that a complex number is exactly a value and its derivative
WIDE = 40_000  # two rows of so many are more than NumPy needs to add into a temporary array (256 KB)


# ---- programs --------------------------------------------------------------------------------------------


def shape_of(x: Any) -> tuple[int, ...]:
    return getattr(x, "shape", ())


def _stack(a: Any, b: Any, width: int) -> Any:
    if len(shape_of(a)) > 1:
        return a + b
    joined = np.stack([a, b if shape_of(b) == shape_of(a) else a])
    return joined if shape_of(a) or width == 2 else np.reshape(joined, (2, 1))


def _reshape(a: Any, b: Any, width: int) -> Any:
    wanted = {(): (1,), (1,): (), (width,): (1, width), (1, width): (width,), (1, 1): ()}
    return np.reshape(a, wanted.get(shape_of(a), shape_of(a)))


def _transpose(a: Any, b: Any, width: int) -> Any:
    turned = np.transpose(a)
    return turned if len(shape_of(a)) < 2 or width == 2 else np.reshape(turned, shape_of(a))


def _join(a: Any, b: Any, width: int) -> Any:
    if shape_of(a) == shape_of(b) == (1, width):
        return np.concatenate([a, b])
    return np.concatenate([a[:1], a[1:]]) if shape_of(a) else np.stack([a, 2.0])[0]


# name: the step on two values and the width, and what it makes of bounds on the sizes of their entries.
STEPS: dict[str, tuple[Callable[[Any, Any, int], Any], Callable[[int, int, int], int]]] = {
    "mul": (lambda a, b, n: a * b, lambda p, q, n: p * q),
    "square": (lambda a, b, n: a**2, lambda p, q, n: p * p),
    "sum": (lambda a, b, n: np.sum(a), lambda p, q, n: p * 2 * n),
    "column sums": (lambda a, b, n: np.sum(a, axis=0) if shape_of(a) else a + 1.0, lambda p, q, n: p * n + 1),
    "add": (lambda a, b, n: a + b, lambda p, q, n: p + q),
    "sub": (lambda a, b, n: a - b, lambda p, q, n: p + q),
    "twice": (lambda a, b, n: a + a, lambda p, q, n: 2 * p),
    "neg": (lambda a, b, n: -a, lambda p, q, n: p),
    "times": (lambda a, b, n: a * 2.0, lambda p, q, n: 2 * p),
    "from": (lambda a, b, n: 1.0 - a, lambda p, q, n: p + 1),
    "where": (lambda a, b, n: np.where(np.arange(n) % 2 == 0, a, b), lambda p, q, n: max(p, q)),
    "stack": (_stack, lambda p, q, n: p + q),
    "stack with a constant": (lambda a, b, n: _stack(a, 3.0, n), lambda p, q, n: p + 3),
    "reshape": (_reshape, lambda p, q, n: p),
    "no axes": (lambda a, b, n: np.reshape(a, ()) if not shape_of(a) else a[0], lambda p, q, n: p),
    "expand": (lambda a, b, n: np.expand_dims(a, 0) if len(shape_of(a)) < 2 else a[0], lambda p, q, n: p),
    "transpose": (_transpose, lambda p, q, n: p),
    "broadcast": (lambda a, b, n: np.broadcast_to(a, (2, n)), lambda p, q, n: p),
    "broadcast row": (lambda a, b, n: np.broadcast_to(a, (n,)) if len(shape_of(a)) < 2 else a, lambda p, q, n: p),
    "slice": (lambda a, b, n: a[:1] if shape_of(a) else a * 1.0, lambda p, q, n: p),
    "join": (_join, lambda p, q, n: p + q),
}
JOINING = ("mul", "add", "stack", "reshape", "expand")  # what makes numbers of numbers, and views of them
LARGEST = 2**30  # a step that could make larger numbers is an addition instead: 2**53 stays out of reach


@dataclass(frozen=True)
class Program:
    """A random polynomial: each step reads two earlier values, which the last steps' are likelier to be."""

    steps: tuple[tuple[str, int, int], ...]
    width: int = 2

    def values(self, *inputs: Any) -> list[Any]:
        """All values, the inputs first; each has at most two rows of `width` entries."""
        values, bounds = list(inputs), [4] * len(inputs)
        for name, first, second in self.steps:
            i, j = (max(len(values) - 1 - back, 0) for back in (first, second))
            step, grown = STEPS[name]
            if grown(bounds[i], bounds[j], self.width) > LARGEST:
                step, grown = STEPS["add"]
            values.append(step(values[i], values[j], self.width))
            bounds.append(grown(bounds[i], bounds[j], self.width))
        return values

    def __call__(self, *inputs: Any) -> Any:
        """The last four values, added up, so that most of what was computed matters."""
        first, second, third, last = self.values(*inputs)[-4:]
        return last + third + second + first


def programs(width: int = 2, longest: int = 12) -> st.SearchStrategy[Program]:
    any_step = st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 6), st.integers(0, 6))
    joining = st.tuples(st.sampled_from(JOINING), st.integers(0, 2), st.integers(0, 2))
    steps = st.lists(st.one_of(joining, any_step), min_size=3, max_size=longest)
    return steps.map(lambda steps: Program(tuple(steps), width))


def whole(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Small whole numbers, none of them 0."""
    return np.asarray(rng.choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], shape))


def inputs_of(seed: int, width: int = 2, *, numbers: bool = True) -> list[Any]:
    """Two matrices, then what the steps mostly read: an array without axes, a row, and two Python numbers."""
    rng = np.random.default_rng(seed)
    arrays = [whole(rng, shape) for shape in ((2, width), (2, 1), (width,), ())]
    return [*arrays, float(whole(rng, ())), float(whole(rng, ()))] if numbers else arrays


def is_number(x: Any) -> bool:
    return type(x) is float


def derivative(program: Program, inputs: list[Any], cotangent: Any) -> list[Any]:
    """``d sum(cotangent * program(...))`` by each entry of each input, by exact complex steps."""
    found = []
    for place, given_ in enumerate(inputs):
        slopes = np.zeros(np.shape(given_))
        for at in np.ndindex(np.shape(given_)):
            moved = np.array(given_, complex)
            moved[at] += 1j * INFINITESIMAL
            varied = [*inputs[:place], complex(moved) if is_number(given_) else moved, *inputs[place + 1 :]]
            slopes[at] = np.sum(cotangent * np.imag(program(*varied)) / INFINITESIMAL)
        found.append(slopes)
    return found


# ---- what a sweep yields stays as it is ------------------------------------------------------------------


class Kept:
    """Every array that a sweep was given or has yielded, beside a copy of what it held at that moment."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []

    def add(self, *arrays: Any) -> None:
        self.pairs += [(x, np.array(x)) for x in arrays if x is not None]

    def assert_unchanged(self) -> None:
        for x, before in self.pairs:
            np.testing.assert_array_equal(x, before)


Sweep = Callable[[Mapping[Tensor, Any]], Iterator[tuple[Tensor, Any, list[Any]]]]


def hold(program: Program, seed: int, *, locked: bool, numbers: bool = True, walk: Sweep = sweep) -> None:
    """The law: several roots, of which those of one shape share a cotangent, swept at once and compared by node.

    `locked`: the cotangents are read-only. `numbers`: that of a number is a number, no array without axes.
    """
    rng = np.random.default_rng(seed)
    values = program.values(*map(Tensor, inputs_of(seed, program.width)))
    made = [value for value in values if value.row is not None]
    roots = {made[-1], *(made[place] for place in rng.integers(len(made), size=2))}
    shared: dict[tuple[int, ...], Any] = {}
    seeds: dict[Tensor, Any] = {}
    for root in roots:
        if (cotangent := shared.get(root.shape)) is None:
            cotangent = shared[root.shape] = whole(rng, root.shape)
            cotangent.flags.writeable = not locked
        seeds[root] = float(cotangent) if is_number(root.raw) and numbers else cotangent
    kept = Kept()
    kept.add(*seeds.values(), *(value.raw for value in values))
    yielded = []
    for node, g, parts in walk(seeds):
        kept.add(g, *parts)
        yielded.append((node, g, parts))
    kept.assert_unchanged()
    references = [Reference(root, cotangent) for root, cotangent in seeds.items()]
    for node, g, parts in yielded:
        assert not numbers or is_number(g) == is_number(node.raw)
        np.testing.assert_array_equal(g, sum(reference.gradient(node) for reference in references))
        for slot, (operand, part) in enumerate(zip(node.operands, parts, strict=False)):
            if part is not None and operand is not None:
                assert not numbers or is_number(part) == is_number(operand.raw)
                edges = [reference.edge(node, slot) for reference in references]
                np.testing.assert_array_equal(part, sum(edge for edge in edges if edge is not None))


seeds_ = st.integers(0, 2**32 - 1)


@settings(max_examples=300)
@given(program=programs(), seed=seeds_, locked=st.booleans(), numbers=st.booleans())
def test_the_sweep_writes_into_nothing_that_others_see(
    program: Program, seed: int, locked: bool, numbers: bool
) -> None:
    hold(program, seed, locked=locked, numbers=numbers)


@settings(max_examples=40)
@given(program=programs(WIDE, longest=8), seed=seeds_, locked=st.booleans())
def test_nor_where_numpy_may_add_into_a_temporary(program: Program, seed: int, locked: bool) -> None:
    hold(program, seed, locked=locked)


def test_the_law_sees_one_write() -> None:
    """A sweep that adds into what it yielded before breaks it, and one that makes arrays of numbers does."""
    program = Program((("mul", 0, 1), ("stack", 0, 1), ("add", 0, 5)))

    def writes(seeds: Mapping[Tensor, Any]) -> Iterator[tuple[Tensor, Any, list[Any]]]:
        for node, g, parts in sweep(seeds):
            yield node, g, parts
            if isinstance(g, np.ndarray) and g.flags.writeable and node.row is not None:
                np.add(g, 1.0, out=g)

    def widens(seeds: Mapping[Tensor, Any]) -> Iterator[tuple[Tensor, Any, list[Any]]]:
        yield from ((node, np.asarray(g), parts) for node, g, parts in sweep(seeds))

    hold(program, 0, locked=False)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        hold(program, 0, locked=False, walk=writes)
    with pytest.raises(AssertionError, match="is_number"):
        hold(program, 0, locked=False, walk=widens)


# ---- every way to a gradient -----------------------------------------------------------------------------


def _by_vjp(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    return mg.vjp(program, *inputs)[1](cotangent)


def _by_grad(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    return mg.grad(lambda *xs: np.sum(program(*xs) * cotangent), tuple(range(len(inputs))))(*inputs)


def _by_jacobian(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    found = []
    for place in range(len(inputs)):

        def f(*xs: Any, place: int = place) -> Any:  # jacobian refuses what does not depend on its argument
            x = xs[place]
            return program(*xs) + 0.0 * (np.reshape(x, (-1,))[0] if shape_of(x) else x)

        found.append(np.tensordot(cotangent, mg.jacobian(f, place)(*inputs), np.ndim(cotangent)))
    return found


def _by_jvp(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    found = []
    for place, given_ in enumerate(inputs):
        slopes = np.zeros(np.shape(given_))
        for at in np.ndindex(np.shape(given_)):
            tangents = [np.zeros(np.shape(x)) if not is_number(x) else 0.0 for x in inputs]
            unit = np.zeros(np.shape(given_))
            unit[at] = 1.0
            tangents[place] = float(unit) if is_number(given_) else unit
            slopes[at] = np.sum(cotangent * mg.jvp(program, inputs, tangents)[1])
        found.append(slopes)
    return found


def _tracked(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    leaves = [Tensor(x) for x in inputs]
    found = gradients(program(*leaves), leaves, Tensor(cotangent), track=True, allow_unused=True)
    return [g.data for g in found]


def _twice(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    """Two backward passes into ``.grad``, whose arrays are the leaves' own."""
    leaves = [Tensor(x) for x in inputs]
    out = program(*leaves)
    out.backward(cotangent)
    first = [leaf.grad for leaf in leaves]
    kept = Kept()
    kept.add(*first)
    out.backward(cotangent)
    kept.assert_unchanged()
    arrays = [leaf.grad for leaf in leaves if isinstance(leaf.grad, np.ndarray)]
    assert all(g.flags.writeable for g in arrays)
    assert not any(np.shares_memory(g, other) for i, g in enumerate(arrays) for other in [cotangent, *arrays[:i]])
    assert all(is_number(leaf.grad) for leaf in leaves if is_number(leaf.raw))
    return [leaf.grad / 2 if leaf.grad is not None else np.zeros(leaf.shape) for leaf in leaves]


class Listener:
    def __init__(self) -> None:
        self.kept = Kept()

    def recorded(self, node: Tensor) -> None:
        self.kept.add(node.raw)

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        self.kept.add(g, *parts)


def _checked(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    listener = Listener()
    with mg.checked(), observe(listener):
        found = _by_vjp(program, inputs, cotangent)
    listener.kept.assert_unchanged()
    return found


def _captured(program: Program, inputs: list[Any], cotangent: Any) -> Any:
    return run(capture(lambda *xs: mg.vjp(program, *xs)[1](cotangent), tuple(inputs), {}), *inputs)


WAYS = [_by_vjp, _by_grad, _by_jacobian, _by_jvp, _tracked, _twice, _checked, _captured]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
@settings(max_examples=100)
@given(program=programs(longest=9), seed=seeds_, locked=st.booleans())
def test_every_way_gives_the_derivative_and_leaves_the_cotangent(
    way: Any, program: Program, seed: int, locked: bool
) -> None:
    inputs = inputs_of(seed)
    value = program(*map(Tensor, inputs)).raw
    cotangent = whole(np.random.default_rng(seed), np.shape(value))
    cotangent.flags.writeable = not locked
    given_ = float(cotangent) if is_number(value) else cotangent
    kept = Kept()
    kept.add(cotangent, *inputs)
    found = way(program, inputs, given_)
    kept.assert_unchanged()
    for got, wanted in zip(found, derivative(program, inputs, cotangent), strict=True):
        assert np.shape(got) == wanted.shape
        np.testing.assert_array_equal(got, wanted)


@settings(max_examples=40)
@given(program=programs(), seed=seeds_)
def test_a_traced_graph_keeps_the_gradients_of_its_nodes(program: Program, seed: int) -> None:
    inputs = inputs_of(seed, numbers=False)
    graph = mg.trace(program, *inputs)
    value = graph.values[graph.outputs[0].index]
    cotangent = whole(np.random.default_rng(seed), np.shape(value))
    graph.backward(cotangent)
    kept = Kept()
    kept.add(cotangent, *graph.grads.values(), *graph.edge_grads.values())
    graph.backward(cotangent)
    kept.assert_unchanged()
    wanted = derivative(program, inputs, cotangent)
    for node, slopes in zip(graph.inputs, wanted, strict=True):
        np.testing.assert_array_equal(graph.grads.get(node.index, np.zeros(slopes.shape)), slopes)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_and_clipping_only_read_the_gradients(name: str) -> None:
    parameters = [Tensor(x) for x in (np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array(5.0), 6.0)]
    shared = np.array([30.0, -40.0])
    given_ = [shared, shared[::-1], np.array(7.0), 8.0]
    kept = Kept()
    kept.add(*given_)
    optimizer = OPTIMIZERS[name][0](parameters)
    for change in (lambda: optim.clip_grad_norm(parameters, 1.0), lambda: optim.clip_grad_value(parameters, 0.5)):
        for parameter, g in zip(parameters, given_, strict=True):
            parameter.grad = g
        optimizer.step()
        optimizer.step()
        change()
        optimizer.step()
        kept.assert_unchanged()
    held = [np.asarray(slot) for slots in optimizer._memory for slot in slots]
    assert not any(np.shares_memory(slot, g) for slot in held for g in map(np.asarray, given_))


# ---- the cases that led here -----------------------------------------------------------------------------


def test_a_number_that_is_stacked_after_it_was_used_as_a_number() -> None:
    def f(t: Any, w: Any) -> Any:
        x = t * 1.0
        y = x * x
        return np.sum((np.stack([x, x * 2.0]) + w) * 2.0) + y

    of_t, of_w = mg.grad(f, (0, 1))(3.0, np.array([5.0, 6.0]))
    assert type(of_t) is float
    assert of_t == 12.0
    assert of_w.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("view", ["stack", "reshape", "expand_dims", "broadcast_to"])
def test_the_callers_cotangent_is_only_read(view: str) -> None:
    joins: dict[str, Callable[[Any, Any], Any]] = {
        "stack": lambda x, y: np.stack([x, y]),
        "reshape": lambda x, y: np.reshape(x, (1,)) + y,
        "expand_dims": lambda x, y: np.expand_dims(x, 0) + y,
        "broadcast_to": lambda x, y: np.broadcast_to(x, (1,)) + y,
    }

    def f(t: Any) -> Any:
        x = t * 1.0
        return joins[view](x, x * x)

    value, pull = mg.vjp(f, 3.0)
    for locked in (False, True):
        cotangent = np.ones(np.shape(value))
        cotangent.flags.writeable = not locked
        assert pull(cotangent) == (7.0,)
        assert cotangent.tolist() == [1.0] * cotangent.size
