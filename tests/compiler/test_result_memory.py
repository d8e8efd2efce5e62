"""What compiled functions write results into: aligned, and never memory that somebody still sees."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import micrograd as mg
from micrograd.compiler.backends import memory
from micrograd.compiler.backends.memory import ALIVE, LINE, Results, Workspace

pytest.importorskip("llvmlite")

WAYS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda r: r,
    "a row": lambda r: r[1:],
    "a view of a view": lambda r: r.T[1:].reshape(-1, order="A")[1:],
    "as whole numbers": lambda r: r.view(np.int64),
    "its memory": memoryview,
    "its entries": lambda r: r.flat,
    "a broadcast": lambda r: np.broadcast_to(r, (2, *r.shape)),
    "its base": lambda r: r.base,
    "an iterator": lambda r: iter(r),
    "a list": lambda r: [r],
    "windows": lambda r: np.lib.stride_tricks.sliding_window_view(r, 2, 0),
}
"""How a user may hold a result, or a part of it."""


def seen(held: Any) -> Any:
    """What is held, as numbers, without ending it."""
    if isinstance(held, np.flatiter):
        return np.array(held.base)
    if type(held).__name__ == "iterator":
        return np.array(held.__reduce__()[1][0])
    return np.array(held)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([*WAYS]), st.booleans()), min_size=1, max_size=14),
    st.sampled_from([(2, 3), (4, 33), (300, 200)]),
)
def test_a_call_never_writes_into_what_is_held(steps: list[tuple[str, bool]], shape: tuple[int, ...]) -> None:
    f = mg.compile(lambda x: (x * 2.0, x + 1.0))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    held: list[Any] = []
    before: list[Any] = []
    for number, (way, drops) in enumerate(steps):
        if drops and held:
            held.pop(0)
            before.pop(0)
        twice, more = f(x + number)
        assert np.array_equal(twice, (x + number) * 2.0)
        assert np.array_equal(more, x + number + 1.0)
        held.append(WAYS[way](twice))
        before.append(seen(held[-1]).copy())
        del twice, more
        for kept, was in zip(held, before, strict=True):
            assert seen(kept).tobytes() == was.tobytes(), way


def test_the_law_fails_where_memory_is_handed_out_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_FREE", memory._FREE + 1)  # as if one holder were none
    f = mg.compile(lambda x: x * 2.0)
    first = f(np.ones((2, 3)))
    f(np.zeros((2, 3)))
    assert not first.any()


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int64"])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (64, 128), (300, 301)])
def test_results_begin_with_a_line_of_the_cache(shape: tuple[int, ...], dtype: str) -> None:
    results = Results(shape, dtype, [0])
    for _ in range(3):
        array = results.take()
        assert array.ctypes.data % LINE == 0
        assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, np.dtype(dtype), True)


def test_a_result_that_was_given_another_shape_or_locked_is_whole_again() -> None:
    f = mg.compile(lambda x: x * 2.0)
    x = np.ones((4, 6))
    result = f(x)
    place = result.ctypes.data
    result.shape = (24,)
    result.setflags(write=False)
    del result
    gc.collect()
    again = f(x)
    assert again.ctypes.data == place, "its memory is used again"
    assert (again.shape, again.flags.writeable) == ((4, 6), True)


def test_who_collects_results_has_them_all() -> None:
    f = mg.compile(lambda x: x * 2.0)
    collected = [f(np.full((8, 8), float(k))) for k in range(5 * ALIVE)]
    assert [c[0, 0] for c in collected] == [2.0 * k for k in range(5 * ALIVE)]
    (entry,) = next(iter(f.entries.values()))
    (workspace,) = entry.pool
    assert [len(result.kept) for result in workspace.results] == [ALIVE]


def test_no_more_is_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT", 1000)
    workspace = Workspace({}, [((100,), "float64"), ((100,), "float64")])
    first, second = (result.take() for result in workspace.results)
    assert workspace.results[0].size == [first.nbytes]
    assert second.base is None, "what is beyond is NumPy's own"


def test_snapshots_of_parameters_stay_as_they_were() -> None:
    model = mg.nn.Linear(3, 2)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        loss = np.sum(model(x) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast = mg.compile(step)
    kept = []
    for _ in range(6):
        fast(np.ones((4, 3)))
        kept += [(p.data, np.array(p.data)) for p in model.parameters()]
    assert all(np.array_equal(now, was) for now, was in kept)
    assert not np.array_equal(kept[0][0], kept[-2][0]), "they were trained"
