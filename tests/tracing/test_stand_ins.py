"""What holds a state between calls, in a traced function: memos, generators, text that is run."""

from __future__ import annotations

import collections
import functools
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.program.capture import capture

X = np.arange(1.0, 7.0).reshape(3, 2)
N = 3.0


def value(f: Any, *args: Any) -> Any:
    graph = mg.trace(f, *args)
    return graph.value[graph.outputs[0].name]


@functools.cache
def buffer(size: int) -> Any:
    return np.zeros(size)


@functools.lru_cache(maxsize=4)
def table(name: str, size: int) -> Any:
    return np.zeros(size)


@functools.cache
def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@pytest.mark.parametrize("memo", [buffer, functools.partial(table, "a")], ids=["cache", "lru_cache"])
@pytest.mark.parametrize("before", [False, True])
def test_a_buffer_that_a_memo_hands_out_is_one_array(memo: Any, before: bool) -> None:
    def f(x: Any) -> Any:
        memo(2)[:] = x[0] ** 2
        memo(2)[0] += 1.0
        return x * memo(2)

    def plain() -> Any:
        getattr(memo, "func", memo).cache_clear()
        kept = memo(2) if before else None
        if kept is not None:
            kept[:] = 7.0
        return kept

    kept = plain()
    expected = f(X.copy())
    left = memo(2).copy()
    kept = plain()
    assert np.array_equal(value(f, X), expected)
    assert np.array_equal(memo(2), left)
    if before:
        assert memo(2) is kept
    assert np.allclose(mg.grad(lambda x: np.sum(f(x)))(X)[1], memo(2))


def test_what_was_in_a_memo_before_is_read_from_it() -> None:
    buffer.cache_clear()
    buffer(3)[:] = 5.0
    table.cache_clear()
    table("t", 3)[:] = 2.0
    table("u", 3)[:] = 9.0
    assert np.array_equal(value(lambda x: x[:, 0] * buffer(3) * table("t", 3) + table("u", 3), X), X[:, 0] * 10.0 + 9.0)


def test_a_memo_keeps_its_results_and_never_a_traced_number() -> None:
    assert np.array_equal(value(lambda x: x * fibonacci(60), X), X * fibonacci(60))

    @functools.cache
    def square(x: Any) -> Any:
        return x * x

    assert mg.grad(lambda x: square(x[0]) + square(x[1]))(np.array([2.0, 2.0])).tolist() == [4.0, 4.0]
    with pytest.raises(TypeError, match="unhashable"):
        mg.grad(lambda x: np.sum(square(x)))(X)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, x: rng.shuffle(x),
        lambda rng, x: rng.shuffle(x, axis=1),
        lambda rng, x: rng.permutation(x),
        lambda rng, x: rng.choice(x, 5),
        lambda rng, x: rng.choice(x, 2, replace=False, axis=1),
    ],
    ids=["shuffle", "columns", "permutation", "choice", "without replacement"],
)
def test_a_generator_moves_the_rows_of_a_traced_array(draw: Any) -> None:
    def f(x: Any) -> Any:
        x = x * 1.0
        made, own = draw(RNG, x), draw(np.random.default_rng(7), x * 2.0)
        return (x if made is None else made) * (1.0 if own is None else own[0, 0])

    state = RNG.bit_generator.state
    expected, after = f(X), RNG.bit_generator.state
    RNG.bit_generator.state = state
    assert np.array_equal(value(f, X), expected)
    assert RNG.bit_generator.state == after


def test_text_that_is_run_sees_the_functions_world() -> None:
    def f(x: Any) -> Any:
        y = eval("np.exp(x) * N")
        space: dict[str, Any] = {"x": y}
        exec("z = x * 2", space)
        return space["z"] + globals()["np"].sin(x) * globals()["N"] + eval("x + k", {"x": x}, {"k": 1.0})

    for _ in range(2):
        assert np.allclose(value(f, X), f(X), rtol=1e-15)
        assert np.allclose(mg.grad(lambda x: np.sum(eval("x * N")))(X), N)


def test_a_compiled_function_sees_what_text_looks_up_change(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(lambda x: eval("x * N"), (X,), {})
    assert program.holds()
    monkeypatch.setattr(__import__("sys").modules[__name__], "N", 4.0)
    assert not program.holds()


def test_a_deque_keeps_arrays() -> None:
    kept = collections.deque([np.ones(2)], maxlen=2)

    def f(x: Any) -> Any:
        kept.append(x[0] * 2.0)
        kept.append(x[1] * 3.0)
        kept[0][0] = 5.0
        return x * kept[0] + kept[1]

    assert np.allclose(value(f, X), X * [5.0, X[0, 1] * 2] + X[1] * 3)
    assert [type(item) for item in kept] == [np.ndarray] * 2
    assert np.allclose([*kept], [[5.0, X[0, 1] * 2], X[1] * 3])


def test_words_of_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="compile takes a function or a module; got 3"):
        mg.compile(3)
    with pytest.raises(TypeError, match=r"parameters is of type Linear; pass model.parameters\(\)"):
        mg.optim.SGD(mg.nn.Linear(2, 3, rng=0), lr=0.1)  # type: ignore[arg-type]
    with pytest.raises(mg.errors.GraphError, match=r"nothing to differentiate by; pass np.array\(3.0\) for 3\."):
        mg.trace(lambda x: x * 2, 3)
