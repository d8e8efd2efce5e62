"""Two threads compute what one does, to the bit: every idiom, training, and random programs, small and large."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from captured import OPTIMIZERS, assert_same
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from idioms import IDIOMS, arguments
from strategies import Program, inputs_of, margin, programs, seeds
from test_equality import GRAPHS, SAMPLES, STEPS, Growing, _leaves, both, close, floats, items, moved
from two_threads import LARGE, Company, Turns, company, poison, turns

import micrograd as mg
from micrograd import functional, nn, optim
from micrograd.compiler.backends import native as entry_module
from micrograd.compiler.backends.native import Entry
from micrograd.compiler.codegen.loops import Nest
from micrograd.compiler.codegen.segment import Segment
from micrograd.compiler.runtime import worker
from micrograd.compiler.runtime.settings import Settings, using
from micrograd.compiler.runtime.worker import Helper
from micrograd.engine import Tensor
from micrograd.program.capture import capture
from micrograd.pytree import flatten

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.filterwarnings("ignore:.* cannot be fused:RuntimeWarning")

CALLS = 12
"""So often a compiled function is called: which thread takes which chunk differs from call to call."""


@pytest.fixture
def second() -> Iterator[Company]:
    with company() as made:
        yield made


def copied(tree: Any) -> Any:
    leaves, rebuild = flatten(tree)
    return rebuild([np.array(leaf) for leaf in leaves])


def shared(fast: Any) -> bool:
    """Whether any pass of a compiled function is shared."""
    return any(note.threads == 2 for note in fast.report().kernels)


def alone_and_together(f: Any, args: list[Any], second: Company) -> Any:
    """Return what a compiled function returns, having seen that it is the same whether a second thread comes or not."""
    fast = mg.compile(f, threads=2)
    second.comes = False
    alone = copied(fast(*args))
    second.comes = True
    for _ in range(CALLS):
        for entries in fast.entries.values():
            for entry in entries:
                poison(entry)
        assert_same(fast(*args), alone)
    assert shared(fast)
    return alone


def by_turns(f: Any, args: list[Any], made: Turns, runs: int = 4) -> Any:
    """Return what the printed functions return on one thread, having seen that two that run by turns return the same."""
    with np.errstate(all="ignore"):
        program = capture(f, tuple(args), {})
    layouts = {
        feed.value: "F"
        for feed in program.feeds
        if feed.kind == "argument" and not args[feed.position].flags.c_contiguous
    }
    one, two = (Entry(program, layouts, threads, interpreted=True) for threads in (1, 2))
    wanted = copied(one.run(args))
    for seed in range(runs):
        poison(two)
        assert_same(made.run(lambda: two.run(args), seed), wanted)
    return wanted


def least_precise(args: list[Any]) -> Any:
    return min((a.dtype for a in args if a.dtype.kind == "f"), key=lambda dtype: dtype.itemsize)


# ---- every idiom ---------------------------------------------------------------------------------------------------

SIZES = [(280, 260), (70_000, 3), (630, 620)]


@pytest.mark.parametrize("name", IDIOMS)
def test_an_idiom_over_large_arrays(name: str, second: Company) -> None:
    """From 72,800 to 390,600 entries, in float64 and float32 by turns."""
    f, letters = IDIOMS[name]
    place = [*IDIOMS].index(name)
    args = arguments(letters, *SIZES[place % 3], ["float64", "float32"][place % 2])
    got = alone_and_together(f, args, second)
    for g, w in zip(_leaves(got), _leaves(f(*args)), strict=True):
        assert np.asarray(w).dtype == g.dtype
        close(g.astype(least_precise(args)), np.asarray(w, least_precise(args)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", IDIOMS)
def test_an_idiom_in_every_order_of_the_threads(name: str, dtype: str) -> None:
    f, letters = IDIOMS[name]
    with turns() as made:
        args = arguments(letters, 8, 5, dtype)
        got = by_turns(f, args, made, runs=12)
        assert made.joined
    for g, w in zip(_leaves(got), _leaves(f(*args)), strict=True):
        assert np.asarray(w).dtype == g.dtype
        close(g.astype(least_precise(args)), np.asarray(w, least_precise(args)))


# ---- state ---------------------------------------------------------------------------------------------------------

Made = tuple[Callable[[Any], Any], Callable[[], Any]]
"""A training step, and what it trains."""


def trained(model: Any, optimizer: Any, loss_of: Callable[[Any], Any]) -> Made:
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(x)
        loss.backward()
        optimizer.step()
        return loss

    def state() -> Any:
        memory = [[np.array(slot) + np.zeros(p.shape, p.dtype) for slot in m] for m, p in zip(
            optimizer._memory, optimizer.parameters, strict=True)]  # fmt: skip
        return [np.array(p.data) for p in optimizer.parameters], memory, model.state_dict() if model else None

    return step, state


def lone_parameter(name: str, n: int, d: int) -> Made:
    w = Tensor(np.random.default_rng(1).standard_normal((n, d)))
    return trained(None, OPTIMIZERS[name][0]([w]), lambda x: np.mean(np.tanh(w * x - 0.5) ** 2))


def clipped(n: int, d: int) -> Made:
    w = Tensor(np.random.default_rng(1).standard_normal((n, d)))
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    step, state = trained(None, optimizer, lambda x: np.sum((w * x - 0.5) ** 2))

    def clipping(x: Any) -> Any:
        optimizer.zero_grad()
        loss = np.sum((w * x - 0.5) ** 2)
        loss.backward()
        norm = np.sqrt(np.sum(w.grad**2))
        w.grad = w.grad * np.minimum(1.0, 1.0 / norm)
        optimizer.step()
        return loss, norm

    del step
    return clipping, state


def numbers(n: int, d: int) -> Made:
    scale, shift = Tensor(0.5), Tensor(np.array(2.0))
    return trained(None, optim.SGD([scale, shift], lr=0.1, momentum=0.9),
                   lambda x: np.mean(np.tanh(np.exp(scale) * x + shift) ** 2))  # fmt: skip


def network(n: int, d: int) -> Made:
    model = nn.mlp([d, d, 3], batch_norm=True, dropout=0.3, rng=0, dtype=np.float32)
    return trained(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
                   lambda x: np.mean(model(x) ** 2) + 1e-3 * functional.l2(model.parameters()))  # fmt: skip


class Scaled(nn.Module):
    """A layer with running statistics of its own, over all entries."""

    buffers = ("average", "spread")

    def __init__(self) -> None:
        self.average, self.spread = np.zeros(1), np.ones(1)
        self.inner = nn.BatchNorm1d(5)

    def forward(self, x: Any) -> Any:
        self.average = 0.5 * self.average + 0.5 * np.mean(x)
        self.spread = 0.5 * self.spread + 0.5 * np.sqrt(np.mean((x - self.average) ** 2))
        return (x - self.average) / self.spread


def statistics(n: int, d: int) -> Made:
    model, inner = Scaled(), nn.BatchNorm1d(d)
    return lambda x: inner(model(x)), lambda: (model.state_dict(), inner.state_dict())


TRAININGS: dict[str, Callable[[int, int], Made]] = {
    **{f"a lone parameter, {name}": lambda n, d, name=name: lone_parameter(name, n, d) for name in OPTIMIZERS},
    "clipped by norm": clipped, "numbers": numbers, "network": network, "statistics": statistics,
}  # fmt: skip


@pytest.mark.parametrize("name", TRAININGS)
def test_training_steps_over_large_arrays(name: str, second: Company) -> None:
    n, d = (16, 300) if name == "network" else (280, 260)
    eager, alone, together = (TRAININGS[name](n, d) for _ in range(3))
    lonely, fast = mg.compile(alone[0], threads=2), mg.compile(together[0], threads=2)
    x = np.random.default_rng(2).standard_normal((n, d)).astype(np.float32 if name == "network" else np.float64)
    for number in range(CALLS):
        batch = x * (1.0 + 0.1 * number)
        second.comes = False
        wanted = copied(lonely(batch))
        second.comes = True
        assert_same(fast(batch), wanted)
        assert_same(together[1](), alone[1]())
        if number < 3:  # rounding errors grow with the steps
            assert_same(wanted, eager[0](batch), 256)
            assert_same(alone[1](), eager[1](), 1024)
    assert shared(fast)


@pytest.mark.parametrize("name", TRAININGS)
def test_training_steps_in_every_order_of_the_threads(name: str) -> None:
    with turns() as made:
        one, two = (TRAININGS[name](8, 6) for _ in range(2))
        x = np.random.default_rng(2).standard_normal((8, 6)).astype(np.float32 if name == "network" else np.float64)
        first, other = (Entry(capture(f, (x,), {}), {}, n, interpreted=True) for n, (f, _) in ((1, one), (2, two)))
        for seed in range(12):
            poison(other)
            wanted = copied(first.run([x]))
            assert_same(made.run(lambda: other.run([x]), seed), wanted)
            assert_same(two[1](), one[1]())
        assert made.joined


def test_a_new_value_that_is_assigned(second: Company) -> None:
    x, first = np.random.default_rng(2).standard_normal((2, 280, 260))
    w = Tensor(first)

    def step(x: Any) -> Any:
        g = mg.grad(lambda v: np.sum((x * v) ** 2))(w)
        w.data = w - g / np.sqrt(np.sum(g * g))
        return np.mean(w)

    fast = mg.compile(step, threads=2)
    for _ in range(CALLS):
        g = 2.0 * x * x * np.array(w.data)
        wanted = np.array(w.data) - g / np.sqrt(np.sum(g * g))
        mean = fast(x)
        close(np.array(w.data), wanted)
        close(mean, np.mean(wanted))
    assert shared(fast)


# ---- random programs -----------------------------------------------------------------------------------------------


@given(programs(), seeds)
@settings(max_examples=40, deadline=None)
def test_random_programs_with_their_gradients(program: Program, seed: int) -> None:
    f, args = both(program), inputs_of(seed)
    assume(margin(program(np, *map(Tensor, args))) >= 1e-6)
    with turns() as made:
        got = by_turns(f, args, made)
    for g, w in zip(_leaves(got), _leaves(f(*args)), strict=True):
        close(g, w)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_primitive_forward_and_backward(name: str) -> None:
    (f,) = SAMPLES[name]
    x = np.random.default_rng(3).standard_normal((3, 4)) + 0.05

    def run(x: Any) -> Any:
        return f(x) * np.mean(x), mg.grad(lambda x: np.sum(np.tanh(f(x))) * np.max(x))(x)

    with turns() as made:
        by_turns(run, [x], made, runs=12)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(3, 4), min_size=1, max_size=3),
    index=st.lists(items, min_size=1, max_size=3),
    how=st.sampled_from(["slices", "flat", "reshape", "joined", "stacked", "slices"]),
    order=st.sampled_from("CF"),
)
def test_entries_that_move(shape: list[int], index: list[Any], how: str, order: Any) -> None:
    rng = np.random.default_rng(len(index))
    x = np.array(rng.standard_normal(shape), order=order)
    at: Any = rng.integers(-x.size, x.size, 7) if how == "flat" else tuple(index)
    named = sum(item is not None and item is not Ellipsis for item in index)
    assume(how != "slices" or (named <= len(shape) and index.count(Ellipsis) < 2))
    assume(moved(x, how, at).size)

    def f(x: Any) -> Any:
        return moved(x, how, at) * np.sum(x), mg.grad(lambda x: np.sum(np.tanh(moved(x, how, at))) * np.max(x))(x)

    with turns() as made:
        by_turns(f, [x], made)


class GrowingByTurns(Growing):
    """The graphs of the other machine, run by two threads."""

    def functions(self) -> tuple[Any, Any]:
        """The last value and a sum of all; and these with the gradients of the sum."""

        def f(*inputs: Any) -> Any:
            known = self.values(inputs)
            last = known[-1]
            total = sum((np.sum(np.tanh(floats(v))) for v in known[3:]), np.sum(known[0]))
            return last * 1.0 if last.dtype.kind == "f" else last, total

        return f, lambda *inputs: (f(*inputs), mg.grad(lambda *i: f(*i)[1], (0, 1, 2))(*inputs))

    @invariant()
    def compiled_equals_eager(self) -> None:
        """At the end only."""

    def teardown(self) -> None:
        if getattr(self, "steps", None):
            self.check()

    def coarsest(self) -> Any:
        """The coarsest dtype that something is computed in."""
        with np.errstate(all="ignore"):
            return min((v.dtype for v in self.values(self.inputs) if v.dtype.kind == "f"), key=lambda d: d.itemsize)

    def check(self) -> None:
        f, with_gradients = self.functions()
        ties = margin(f(*map(Tensor, self.inputs[:3]), *self.inputs[3:])[1], exact=True)
        chosen = f if ties < 1e-3 else with_gradients
        with turns() as made:
            got = by_turns(chosen, self.inputs, made)
        with np.errstate(all="ignore"):
            for g, w in zip(_leaves(got), _leaves(chosen(*self.inputs)), strict=True):
                close(g, w, coarsest=self.coarsest())


class GrowingLarge(GrowingByTurns):
    """The same over large arrays, as machine code."""

    most = 1 << 19

    @initialize(seed=seeds, shape=st.sampled_from([(70_000,), (280, 260), (70_000, 3), (30, 60, 70)]),
                dtype=st.sampled_from(["f4", "f8"]), order=st.sampled_from("CF"))  # fmt: skip
    def begin(self, seed: int, shape: Any, dtype: str, order: str) -> None:
        super().begin(seed, shape, dtype, order)

    def check(self) -> None:
        f, with_gradients = self.functions()
        with company() as second, np.errstate(all="ignore"):
            (last, total), _ = alone_and_together(with_gradients, self.inputs, second)
            wanted = f(*self.inputs)
        terms = sum(v.size for v in self.values(self.inputs))  # of the sum of all, each at most about 1
        close(last, wanted[0], coarsest=self.coarsest())
        close(total, wanted[1], terms, coarsest=self.coarsest())


TestGrowingByTurns = GrowingByTurns.TestCase
TestGrowingByTurns.settings = settings(max_examples=3 * GRAPHS, stateful_step_count=STEPS + 2, deadline=None)
TestGrowingLarge = GrowingLarge.TestCase
TestGrowingLarge.settings = settings(max_examples=6, stateful_step_count=9, deadline=None, phases=[Phase.generate])


# ---- what else two threads meet over -------------------------------------------------------------------------------


def test_a_second_thread_that_comes_late_leaves_a_call_that_was_refused() -> None:
    """The labels may be right again by then, and there is nothing to wait for."""
    scores, labels = arguments("xl", 8, 5, "float64")
    with turns() as made:
        entry = Entry(capture(functional.cross_entropy, (scores, labels), {}), {}, 2, interpreted=True)
        wanted = copied(made.run(lambda: entry.run([scores, labels]), 0))

        def refused_then_mended() -> Any:
            labels[5] += 5
            with pytest.raises(IndexError, match="is out of range for 5 columns"):
                entry.run([scores, labels])
            labels[5] -= 5
            return entry.run([scores, labels])

        for seed in range(30):
            assert_same(made.run(refused_then_mended, seed), wanted)


def test_shared_passes_stay_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    code = entry_module.machine_code
    monkeypatch.setattr(entry_module, "machine_code", lambda *given, interpreted: code(*given, interpreted=True))
    x = np.random.default_rng(0).standard_normal((280, 260))
    fast = mg.compile(lambda x: x / np.sqrt(np.sum(x * x)), threads=2)
    with using(Settings(shared_entries=LARGE)):
        fast(x)
    assert np.abs(fast(x) - x / np.sqrt(np.sum(x * x))).max() < 1e-17
    assert "threads" in str(fast.report())


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="threads are not moved here"
)
def test_the_second_thread_keeps_off_the_core_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    helper, cores = Helper(), sorted(os.sched_getaffinity(0))[:2]

    def started(core: int) -> set[int]:
        monkeypatch.setattr(worker, "_CORE", lambda: core)
        done = threading.Event()
        helper.start(done.set, ())
        assert done.wait(10)
        assert helper._thread is not None
        return os.sched_getaffinity(helper._thread.native_id or 0)

    for core in (*cores, cores[0]):
        assert core not in started(core)
    assert os.sched_getaffinity(0) >= {*cores}  # the caller stays free
    real = os.sched_getaffinity
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: real(thread) if thread else {cores[1]})
    assert cores[1] in started(cores[1])  # it has no other


# ---- the tests can fail --------------------------------------------------------------------------------------------


def variable(nest: Nest, at: int, item: Any) -> Any:
    """What `Nest._kept` was: a number for a shared pass stands in a variable, which one thread sets."""
    return kept(nest, at, item) if nest._support(item) else ("keep", item, nest.writer.name("k"))


kept = Nest._kept


def test_turns_notice_a_variable_that_the_other_thread_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nest, "_kept", variable)
    monkeypatch.setattr(Segment, "source", Segment.source.__wrapped__)  # type: ignore[attr-defined]
    with turns() as made, pytest.raises(UnboundLocalError, match=r"local variable 'k\d+'"):
        by_turns(lambda x: x / np.sqrt(np.sum(x * x)), arguments("x", 8, 5, "float64"), made, runs=12)


def test_turns_notice_a_number_that_was_read_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Segment, "begin", first_meeting_only)
    monkeypatch.setattr(Segment, "source", Segment.source.__wrapped__)  # type: ignore[attr-defined]
    with turns() as made, pytest.raises(AssertionError):
        by_turns(lambda x: x / np.sqrt(np.sum(x * x)), arguments("x", 8, 5, "float64"), made, runs=12)


def first_meeting_only(segment: Segment, at: int) -> None:
    if segment.passes == 0:
        begin(segment, at)
    elif segment.shares(at):
        segment.passes += 1


begin = Segment.begin


def test_company_notices_a_variable_that_the_other_thread_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nest, "_kept", variable)
    monkeypatch.setattr(Segment, "source", Segment.source.__wrapped__)  # type: ignore[attr-defined]
    with company() as second, pytest.raises(AssertionError):
        alone_and_together(lambda x: x / np.sqrt(np.sum(x * x)), arguments("x", 280, 260, "float64"), second)


def test_company_notices_results_that_differ(second: Company) -> None:
    model = Scaled()
    with pytest.raises(AssertionError):
        alone_and_together(model, arguments("x", 280, 260, "float64"), second)


def test_company_notices_that_nothing_is_shared(second: Company) -> None:
    with pytest.raises(AssertionError):
        alone_and_together(lambda x: x * 2.0, arguments("x", 8, 5, "float64"), second)


def test_poison_is_found_where_nothing_was_written(second: Company) -> None:
    fast = mg.compile(lambda x: x - np.mean(x), threads=2)
    (x,) = arguments("x", 280, 260, "float64")
    dead, held = fast(x), fast(x)
    place = dead.ctypes.data
    del dead
    ((entry,),) = fast.entries.values()
    poison(entry)
    again = entry.pool[0].takes[0]()
    assert again.ctypes.data == place
    assert np.isnan(again).all()
    assert not np.isnan(held).any()
    assert all(np.isnan(arena).all() for arena in entry.pool[0].arenas.values())
