"""The engine: edges, order, ownership, lifetime, depth, threads and modes."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from reference_engine import Reference
from strategies import MASK, SHAPE, Program, inputs_of, programs, seeds

import micrograd as mg
from micrograd import primitives as p
from micrograd.batchnorm import batch_norm
from micrograd.engine import Tensor, Value, fold, no_grad, observe, sweep, toposort
from micrograd.errors import GraphError, ShapeError
from micrograd.transforms import gradients

# ---- edges and order -------------------------------------------------------------------------------------


def test_a_times_a_has_two_edges() -> None:
    a = Tensor(3.0)
    y = a * a
    assert y.operands == (a, a)
    ((node, g, parts), (leaf, whole, none)) = sweep({y: 1.0})
    assert (node, g, parts) == (y, 1.0, [3.0, 3.0])
    assert (leaf, whole, none) == (a, 6.0, [])


def test_a_diamond_is_walked_once() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    y = x
    for _ in range(60):  # 2**60 paths
        y = y + y
    assert len(list(sweep({y: np.ones(2)}))) == 61
    y.backward(np.ones(2))
    assert x.grad.tolist() == [2.0**60, 2.0**60]


def test_toposort_is_the_order_of_execution() -> None:
    x = Tensor(2.0)
    a = x * 3
    b = x + 1
    y = a * b
    assert toposort([y]) == [x, a, b, y]
    assert toposort([a, b]) == [x, a, b]
    assert toposort([y], stop=[a]) == [x, a, b, y]  # x is reached through b
    assert toposort([y], stop=[a, b]) == [a, b, y]


def test_the_sweep_stops_where_it_is_told() -> None:
    x = Tensor(2.0)
    a = x * 3
    y = a * a + x
    assert {node: g for node, g, _ in sweep({y: 1.0}, stop=[a])} == {y: 1.0, y.operands[0]: 1.0, a: 12.0, x: 1.0}


def test_several_seeds() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    u, v = x * 2, x * x
    found = {node: g for node, g, _ in sweep({u: np.array([1.0, 0.0]), v: np.array([0.0, 1.0])})}
    assert found[x].tolist() == [2.0, 4.0]


@settings(max_examples=60)
@given(program=programs(), seed=seeds)
def test_the_sweep_equals_the_reference_engine(program: Program, seed: int) -> None:
    x, y = (Tensor(a) for a in inputs_of(seed))
    out = program(np, x, y)
    g = np.random.default_rng(seed).standard_normal(out.shape)
    naive = Reference(out, g)
    seen = []
    for node, whole, parts in sweep({out: g}):
        seen.append(node)
        wanted = naive.gradient(node)
        size = np.abs(wanted).max(initial=1e-300)
        np.testing.assert_allclose(whole, wanted, rtol=1e-11, atol=1e-11 * size)
        for slot, part in enumerate(parts):
            if part is not None:
                wanted = naive.edge(node, slot)
                np.testing.assert_allclose(part, wanted, rtol=1e-11, atol=1e-11 * np.abs(wanted).max(initial=1e-300))
    assert len(seen) == len({*seen})
    for node in seen:  # no node before its readers
        assert all(seen.index(reader) < seen.index(node) for reader, _ in naive.readers.get(node, []) if reader in seen)


@settings(max_examples=40)
@given(program=programs(), seed=seeds)
def test_edges_sum_bitwise_to_nodes(program: Program, seed: int) -> None:
    x, y = (Tensor(a) for a in inputs_of(seed))
    out = program(np, x, y)
    arrived: dict[Tensor, Any] = {out: np.ones(out.shape)}
    for node, whole, parts in sweep({out: np.ones(out.shape)}):
        np.testing.assert_array_equal(whole, arrived[node])
        for operand, part in zip(node.operands, parts, strict=False):
            if part is not None:
                arrived[operand] = np.array(part) if operand not in arrived else arrived[operand] + part


@settings(max_examples=30)
@given(program=programs(), seed=seeds)
def test_tracked_and_raw_sweeps_give_the_same_bits(program: Program, seed: int) -> None:
    leaves = [Tensor(a) for a in inputs_of(seed)]
    out = program(np, *leaves)
    raw, tracked = (gradients(out, leaves, np.ones(SHAPE), track=t, allow_unused=True) for t in (False, True))
    for one, other in zip(raw, tracked, strict=True):
        np.testing.assert_array_equal(one, other.data)


def test_the_reference_engine_is_able_to_disagree() -> None:
    x = Tensor(np.ones(SHAPE))
    out = np.where(MASK, x, 0.0) * x
    wrong = Reference(out, 2.0 * np.ones(SHAPE)).gradient(x)
    assert not np.allclose(gradients(out, [x], np.ones(SHAPE))[0], wrong)


@pytest.mark.parametrize(
    ("have", "want"),
    [((4, 3), (3,)), ((4, 3), (1, 3)), ((4, 3), (4, 1)), ((2, 4, 3), (4, 1)), ((2, 4, 3), ()), ((2, 1), (2, 1)),
     ((5, 1, 3), (1, 1, 3)), ((0, 3), (3,)), ((2, 4, 3), (1, 1, 1))],
)  # fmt: skip
def test_fold_is_the_adjoint_of_broadcasting(have: tuple[int, ...], want: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    g, x = rng.standard_normal(have), rng.standard_normal(want)
    folded = fold(g, want)
    assert folded.shape == want
    np.testing.assert_allclose(np.sum(folded * x), np.sum(g * np.broadcast_to(x, have)), rtol=1e-12)
    tracked = fold(Tensor(g), want)
    np.testing.assert_array_equal(tracked.data, folded)
    assert have == want or tracked.row is p.sum


# ---- ownership -------------------------------------------------------------------------------------------


def test_two_leaves_never_share_a_gradient() -> None:
    x, y, z = (Tensor(np.ones((2, 3))) for _ in range(3))
    ((x + y).sum() + z.T.reshape(6).sum() + x.sum()).backward()
    grads = [x.grad, y.grad, z.grad]
    for i, g in enumerate(grads):
        assert g.flags.writeable
        assert g.flags.owndata
        assert g.flags.c_contiguous
        assert not any(np.shares_memory(g, other) for other in grads[i + 1 :])


def test_a_gradient_shares_nothing_with_values_or_seed() -> None:
    x, seed = Tensor(np.ones(3)), np.ones(3)
    y = x * 1.0
    y.backward(seed)
    x.grad[:] = 7.0
    assert seed.tolist() == y.data.tolist() == x.data.tolist() == [1.0, 1.0, 1.0]


def test_leaves_accumulate_and_interior_nodes_do_not() -> None:
    x = Tensor(3.0)
    y = x * x
    z = y * 2
    z.backward()
    z.backward()  # the graph is kept: a second pass is a second pass
    assert x.grad == 24.0
    assert y.grad == 2.0
    a = Tensor(np.ones(2))
    (a * a).sum().backward()
    (a * a).sum().backward()
    assert a.grad.tolist() == [4.0, 4.0]
    b = Tensor(np.array(3.0, np.float32))
    for _ in range(2):
        (b * b).backward()
        assert isinstance(b.grad, np.ndarray)  # not the np.float32 that NumPy makes of a sum without axes
        assert b.grad.dtype == np.float32
    assert b.grad == 12.0


@pytest.mark.parametrize("data", [3.0, np.array(3.0), np.array([3.0]), np.float32(3), np.array([[3.0]], np.float32)])
def test_backward_from_a_leaf_is_one(data: Any) -> None:
    x = Tensor(data)
    x.backward()
    assert x.grad == 1.0
    assert np.shape(x.grad) == x.shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_gradients_have_the_dtype_of_their_leaf(dtype: Any) -> None:
    x = Tensor(np.ones((2, 3), dtype))
    for _ in range(2):
        y = ((x * 2.0 + 1) ** 2 / np.float64(3.0)).mean()
        assert y.dtype == dtype
        y.backward()
        assert isinstance(x.grad, np.ndarray)
        assert x.grad.dtype == dtype


def test_a_wider_operand_does_not_widen_the_gradient() -> None:
    x = Tensor(np.ones(2, np.float32))
    y = (x * np.ones(2)).sum()
    assert y.dtype == np.float64  # as in NumPy
    y.backward()
    assert x.grad.dtype == np.float32


def test_a_number_in_an_array_graph_gets_a_number() -> None:
    scale = Tensor(2.0)
    (scale * Tensor(np.arange(3.0))).sum().backward()
    assert type(scale.grad) is float
    assert scale.grad == 3.0


def test_a_scalar_graph_stays_on_python_floats() -> None:
    x, y = Tensor(2.0), Tensor(0.5)
    z = (x * y - 1 / x + y**2 - x**-1.5).tanh() + np.exp(x * 0.1) + np.maximum(x, y) + abs(-x) + np.sqrt(x) + np.log(x)
    z.backward()
    assert {type(node.raw) for node in toposort([z])} == {float}
    assert type(x.grad) is type(y.grad) is float


# ---- lifetime --------------------------------------------------------------------------------------------


@pytest.fixture
def no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _loss(x: Tensor, w: Tensor) -> Tensor:
    hidden = np.maximum(x @ w, 0.0)
    centred = hidden - hidden.mean(axis=0)
    return (centred / np.sqrt((centred**2).mean(axis=0) + 1e-5)).var() + np.where(MASK[:, :2], hidden, 0.0).sum()


def test_a_graph_dies_with_its_last_name(no_gc: None) -> None:
    x, w = Tensor(np.arange(12.0).reshape(SHAPE)), Tensor(np.arange(8.0).reshape(4, 2))
    loss = _loss(x, w)
    loss.backward()
    refs = [weakref.ref(node) for node in toposort([loss]) if node.row is not None]
    assert len(refs) > 10
    del loss
    assert [ref() for ref in refs if ref() is not None] == []
    assert gc.collect() == 0


def test_a_graph_of_second_order_dies_too(no_gc: None) -> None:
    x, w = Tensor(np.arange(12.0).reshape(SHAPE)), Tensor(np.arange(8.0).reshape(4, 2))
    loss = _loss(x, w)
    first = gradients(loss, [x, w], track=True)
    second = gradients((first[0] ** 2).sum() + (first[1] ** 2).sum(), [x, w], track=True)
    refs = [weakref.ref(node) for node in toposort([loss, *first, *second]) if node.row is not None]
    assert len(refs) > 100
    del loss, first, second
    assert [ref() for ref in refs if ref() is not None] == []
    assert gc.collect() == 0


def test_an_abandoned_sweep_and_a_failed_one_leave_nothing(no_gc: None) -> None:
    x = Tensor(2.0)
    y = x * x * x
    ref = weakref.ref(y)
    steps = sweep({y: 1.0})
    next(steps)
    del steps, y
    assert ref() is None
    assert gc.collect() == 0


def test_transforms_leave_no_garbage(no_gc: None) -> None:
    f = lambda x: (x**3).sum() + np.tanh(x).sum()
    mg.grad(f)(np.ones(3))
    mg.hessian(f)(np.ones(3))
    mg.jvp(f, [np.ones(3)], [np.ones(3)])
    assert gc.collect() == 0


def test_the_test_of_garbage_can_fail(no_gc: None) -> None:
    x = Tensor(2.0)
    y = x * x
    x.grad = y  # what parking a tracked gradient on its leaf would do
    del x, y
    assert gc.collect() > 0


# ---- depth -----------------------------------------------------------------------------------------------


def _chain(length: int) -> tuple[Tensor, Tensor]:
    x = Tensor(1.0)
    y = x
    for _ in range(length // 2):
        y = y * 1.0 + 0.5
    return x, y


def test_a_chain_of_a_million_nodes() -> None:
    x, y = _chain(1_000_000)
    y.backward()
    assert x.grad == 1.0
    assert y.data == 250_001.0
    assert len(toposort([y])) == 1_000_001
    assert len(repr(y)) < 80
    ref = weakref.ref(y)
    del y  # freed without recursion
    assert ref() is None


@pytest.mark.slow
@pytest.mark.parametrize("how", [copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))])
def test_a_chain_of_a_million_nodes_is_copied(how: Any) -> None:
    x, y = _chain(1_000_000)
    x.grad = 1.0
    twin = how(y)
    del x, y
    twin.backward()
    assert twin.data == 250_001.0
    assert toposort([twin])[0].grad == 2.0  # the copy carries the gradient, and adds to it


def test_a_chain_of_arrays() -> None:
    x = Tensor(np.ones(2))
    y = x
    for _ in range(5_000):
        y = np.sqrt(y * y)
    y.sum().backward()
    np.testing.assert_allclose(x.grad, [1.0, 1.0])
    second = gradients(gradients(y.sum(), [x], track=True)[0].sum(), [x])
    np.testing.assert_allclose(second[0], [0.0, 0.0], atol=1e-9)


def test_memory_per_node() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        _, y = _chain(100_000)
        per_node = tracemalloc.get_traced_memory()[0] / len(toposort([y]))
    finally:
        tracemalloc.stop()
    print(f"memory per scalar node: {per_node:.0f} bytes")
    assert per_node < 400


# ---- copies ----------------------------------------------------------------------------------------------


def test_copies_keep_the_shape_of_the_graph() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    h = x * x
    y = (h * h + h).sum()
    for twin in (copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        order, copied = toposort([y]), toposort([twin])
        assert [n.row for n in copied] == [n.row for n in order]
        place, placed = ({n: i for i, n in enumerate(o)} for o in (order, copied))
        links = [[place[o] if o is not None else None for o in n.operands] for n in order]
        assert [[placed[o] if o is not None else None for o in n.operands] for n in copied] == links
        twin.backward()
        assert copied[0].grad.tolist() == [6.0, 36.0]
        assert x.grad is None


def test_two_tensors_copied_together_stay_together() -> None:
    x = Tensor(2.0)
    u, v = x * 2, x * 3
    a, b = copy.deepcopy((u, v))
    assert a.operands[0] is b.operands[0]


def test_a_graph_with_a_cycle_is_refused() -> None:
    rebuild, (cls, rows, links) = (Tensor(1.0) * 2.0 * 3.0).__reduce__()
    damaged = [*links[:1], (2, -1), *links[2:]]
    with pytest.raises(GraphError, match=r"graph has a cycle through nodes 1 -> 2 -> 1; the data is damaged"):
        rebuild(cls, rows, damaged)


# ---- threads and modes -----------------------------------------------------------------------------------


def test_threads_do_not_disturb_each_other() -> None:
    wrong: list[Any] = []
    barrier = threading.Barrier(4)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        x0, g0, b0 = rng.standard_normal((5, 3)), rng.standard_normal(3), rng.standard_normal(3)
        wanted = None
        barrier.wait()
        for turn in range(30):
            x, gamma, beta = Tensor(x0), Tensor(g0), Tensor(b0)
            if seed % 2 and turn % 2:
                with no_grad():
                    if batch_norm(x, gamma, beta).row is not None:
                        wrong.append("recorded under no_grad")
            (batch_norm(x, gamma, beta) ** 2).sum().backward()
            got = (x.grad, gamma.grad, beta.grad)
            if wanted is None:
                wanted = got
            if any(not np.array_equal(a, b) for a, b in zip(got, wanted, strict=True)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_no_grad_of_one_thread_is_not_that_of_another() -> None:
    inside, done, seen = threading.Event(), threading.Event(), []

    def other() -> None:
        inside.wait(10)
        seen.append((Tensor(2.0) * 3.0).row)
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad():
        inside.set()
        done.wait(10)
    thread.join()
    assert seen == [p.mul]


def test_no_grad_ends_with_its_block_and_with_an_exception() -> None:
    x = Tensor(2.0)
    with no_grad():
        with no_grad():
            assert (x * x).row is None
        assert (x * x).row is None
        assert (np.array([1.0]) * x > 0).data.tolist() == [True]
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * x).row is p.mul


def test_detach_stops_gradients() -> None:
    for data in (2.0, np.array([2.0, 3.0])):
        x = Tensor(data)
        y = (x * x.detach() * x).sum() if x.shape else x * x.detach() * x
        y.backward()
        np.testing.assert_array_equal(x.grad, 2 * np.square(data))
        assert x.detach().row is None


class Listener:
    def __init__(self) -> None:
        self.made: list[str] = []
        self.swept: list[tuple[str, Any, list[Any]]] = []

    def recorded(self, node: Tensor) -> None:
        assert node.row is not None
        self.made.append(node.row.name)

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        assert node.row is not None
        self.swept.append((node.row.name, g, parts))


def test_an_observer_is_told_of_every_node() -> None:
    first, second = Listener(), Listener()
    x = Tensor(3.0)
    with observe(first):
        y = x * x
        with observe(second):
            z = y + 1
        z.backward()
    _ = z * 2
    assert first.made == ["mul", "add"]
    assert second.made == ["add"]
    assert first.swept == [("add", 1.0, [1.0, None]), ("mul", 1.0, [3.0, 3.0])]
    assert second.swept == []


# ---- gradients() -----------------------------------------------------------------------------------------


def test_gradients_store_nothing_and_take_intermediate_tensors() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    h = x * x
    y = (h * 3).sum()
    of_h, of_y = gradients(y, [h, y])
    assert of_h.tolist() == [3.0, 3.0]
    assert of_y == 1.0
    assert x.grad is None


def test_an_input_that_depends_on_another_one() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    h = x * x
    y = (h * 3 + x).sum()
    for inputs in ([x, h], [h, x]):
        found = dict(zip(inputs, gradients(y, inputs), strict=True))
        assert found[h].tolist() == [3.0, 3.0]
        assert found[x].tolist() == [7.0, 13.0]  # the whole derivative, the way through h included
        tracked = dict(zip(inputs, gradients(y, inputs, track=True), strict=True))
        assert tracked[x].data.tolist() == [7.0, 13.0]


def test_an_input_that_does_not_matter() -> None:
    x, beta = Tensor(np.ones(2)), Tensor(np.ones((3,), np.float32))
    with pytest.raises(GraphError, match=r"input 1 of shape \(3,\) does not influence the output; .*allow_unused=True"):
        gradients(x.sum(), [x, beta])
    zeros = gradients(x.sum(), [x, beta], allow_unused=True)[1]
    assert zeros.tolist() == [0.0, 0.0, 0.0]
    assert zeros.dtype == np.float32


def test_a_tracked_seed_is_held_to_the_same_rules() -> None:
    x = Tensor(np.ones((4, 3)))
    y = x * 2
    for track in (False, True):
        with pytest.raises(ShapeError, match=r"seed has shape \(1, 3\), out has \(4, 3\)"):
            gradients(y, [x], Tensor(np.ones((1, 3))), track=track)
        assert np.shape(gradients(y, [x], Tensor(np.ones((4, 3))), track=track)[0]) == (4, 3)


def test_value_is_tensor() -> None:
    assert Value is Tensor


def test_karpathys_names() -> None:
    x = Value(2.0)
    y = x * 3 + x
    assert y._op == "+"
    assert {type(v) for v in y._prev} == {Value}
    assert (x * x)._prev == {x}
