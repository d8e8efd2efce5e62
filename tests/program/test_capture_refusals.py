"""What cannot be captured is told with the line and what to do; and no capture changes anything."""

from __future__ import annotations

import functools
import gc
import re
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from captured import BETA, GAMMA, Training, X, Y, assert_same, run

import micrograd as mg
from micrograd import functional, nn
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.program.capture import capture
from micrograd.program.program import Program

# ---- nothing is changed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["forward", "backward", "step", "after", "random"])
def test_a_capture_that_fails_changes_nothing(stage: str) -> None:
    training = Training("adam")
    training.step(X, Y)
    before = training.everything()

    def step(x: Any, y: Any) -> Any:
        scores = training.model(x)
        if stage == "forward":
            raise KeyError(stage)
        loss = functional.cross_entropy(scores, y)
        training.optimizer.zero_grad()
        loss.backward()
        if stage == "backward":
            float(loss)
        training.optimizer.step()
        if stage == "step":
            raise KeyError(stage)
        if stage == "random":
            np.random.rand(3)  # noqa: NPY002 - as students draw
        return training if stage == "after" else loss

    error = KeyError if stage in ("forward", "step") else GraphError
    with pytest.raises(error):
        capture(step, (X, Y), {})
    assert repr(training.everything()) == repr(before)


def test_a_capture_changes_nothing_either() -> None:
    training = Training("adam")
    training.step(X, Y)
    before = repr(training.everything())
    program = capture(training.step, (X, Y), {})
    assert repr(training.everything()) == before
    assert any(w for w in program.writes)


def test_gradients_from_before_are_not_added_to() -> None:
    training = Training()
    training.step(X, Y)

    def step(x: Any, y: Any) -> Any:
        loss = functional.cross_entropy(training.model(x), y)
        loss.backward()
        training.optimizer.step()
        return loss

    message = (r"step: layers.\d.\w+ has a gradient from before this call, to which each call would add "
               r"\(line test_capture_refusals.py:\d+\); call zero_grad\(\) before backward\(\)")  # fmt: skip
    with pytest.raises(GraphError, match=message):
        capture(step, (X, Y), {})
    training.optimizer.zero_grad()
    capture(step, (X, Y), {})


def test_a_step_needs_gradients_of_the_call() -> None:
    training = Training(batch_norm=False)
    training.step(X, Y)
    with pytest.raises(
        GraphError, match=r"gradient of parameter 0 was not computed in this call; call loss.backward\(\)"
    ):
        capture(lambda x: training.optimizer.step(), (X,), {})


def test_the_graph_of_a_capture_dies_with_it() -> None:
    training, seen = Training(), []

    def step(x: Any, y: Any) -> Any:
        loss = training.step(x, y)
        seen.append(weakref.ref(loss))
        return loss

    program = capture(step, (X, Y), {})
    gc.collect()
    assert seen[0]() is None
    run(program, X, Y)


def test_threads_capture_one_after_the_other() -> None:
    training, twin = Training(), Training()
    programs: list[Program] = []
    threads = [threading.Thread(target=lambda: programs.append(capture(training.step, (X, Y), {}))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(programs) == 4
    for program in programs:
        assert_same(run(program, X, Y), twin.step(X, Y).item())
    assert_same(training.state(), twin.state())


# ---- refusals --------------------------------------------------------------------------------------------

HERE = r" at line test_capture_refusals.py:\d+: its value changes from call to call; "


@pytest.mark.parametrize(
    ("f", "what", "instead"),
    [
        (lambda x: x if x[0, 0] > 0 else -x, "a branch on a tensor value", "use np.where"),
        (lambda x: x * float(x[0, 0]), "float() of a tensor", "return the tensor and take the number outside"),
        (lambda x: x * int(x[0, 0]), "int() of a tensor", "return the tensor and take the number outside"),
        (lambda x: x.data, "the value of a tensor, .data,", "compute with the tensor itself"),
        (lambda x: x.tolist(), "a list of numbers, .tolist(),", "return the tensor"),
        (lambda x: f"{x[0, 0]:.3f}", "a number as text", "return the tensor and format it outside"),
        (lambda x: f"{x}", "a number as text", "return the tensor and format it outside"),
        (lambda x: np.lexsort((x, x)), "np.lexsort() of a tensor", "return the tensor and look at its values outside"),
        (lambda x: x[x > 0], "an index computed by tensors", "use np.where"),
        (lambda x: functional.accuracy(x, Y), "accuracy()", "return the scores and compute it outside"),
        (lambda x: mg.batch_norm(x, GAMMA, BETA, 0.0), "the search for constant columns (eps=0)", "pass"),
        (lambda x: any(x == 1.0), "a branch on a tensor value", "use np.where"),
    ],
)  # fmt: skip
def test_what_looks_at_values_is_refused_with_the_line(f: Any, what: str, instead: str) -> None:
    with pytest.raises(GraphError, match="cannot compile " + re.escape(what) + HERE + re.escape(instead)) as caught:
        capture(f, (X,), {})
    line = f.__code__.co_firstlineno
    assert f"test_capture_refusals.py:{line}: its value" in str(caught.value)
    assert "(lambda x: " in str(caught.value).splitlines()[1]


def test_the_line_is_that_of_the_branch() -> None:
    def f(x: Any) -> Any:
        total = np.sum(x)
        if total > 3.0:
            return x
        return -x

    line = f.__code__.co_firstlineno + 2
    with pytest.raises(GraphError) as caught:
        capture(f, (X,), {})
    assert str(caught.value) == (
        f"cannot compile a branch on a tensor value at line test_capture_refusals.py:{line}: its value changes from "
        "call to call; use np.where.\n    if total > 3.0:"
    )


@pytest.mark.parametrize(
    "draw",
    [
        lambda x, rng: x * np.random.rand(5),  # noqa: NPY002
        lambda x, rng: x + np.random.normal(),  # noqa: NPY002
        lambda x, rng: x * rng.random(5),
        lambda x, rng: x * GENERATOR.random(5),
        lambda x, rng: functional.dropout(x * rng.random(5), 0.5, rng),
    ],
)  # fmt: skip
def test_random_numbers_of_the_function_itself_are_refused(draw: Any) -> None:
    rng = np.random.default_rng(0)
    states = legacy(), rng.bit_generator.state, GENERATOR.bit_generator.state
    with pytest.raises(
        GraphError, match="draws random numbers itself, and later calls would get the same ones; draw them"
    ):
        capture(draw, (X, rng), {})
    assert states == (legacy(), rng.bit_generator.state, GENERATOR.bit_generator.state)


GENERATOR = np.random.default_rng(1)


def legacy() -> Any:
    _, words, *rest = np.random.get_state()  # noqa: NPY002
    return words.tolist(), rest


def test_generators_in_closures_and_in_the_object_of_a_method_are_found() -> None:
    rng = np.random.default_rng(0)

    class Noisy:
        def __init__(self) -> None:
            self.rng = rng

        def call(self, x: Any) -> Any:
            return x + self.rng.random(5)

    for f in (lambda x: x + rng.random(5), Noisy().call, functools.partial(Noisy.call, Noisy())):
        if isinstance(f, functools.partial):
            continue
        with pytest.raises(GraphError, match="draws random numbers itself"):
            capture(f, (X,), {})


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        (np.ones(3, complex), DTypeError, "x is complex128: complex is not supported"),
        (np.array(["a"]), DTypeError, "x has dtype <U1, which is not numeric"),
        (np.ma.masked_array(X), DTypeError, "x is a masked array"),
        (np.ones(3, object), DTypeError, "x has dtype object"),
        (Tensor(X), GraphError, "x is a Tensor; a call is captured on arrays"),
    ],
)
def test_arguments_that_cannot_take_part(argument: Any, error: type, message: str) -> None:
    def f(x: Any) -> Any:
        return x * 2.0

    with pytest.raises(error, match=re.escape(message)):
        capture(f, (argument,), {})


def test_an_answer_that_hides_its_arrays_is_refused() -> None:
    def f(x: Any) -> Any:
        return {x}

    message = "f returns a set; a compiled function can return arrays, numbers or None, in tuples, lists or dicts."
    with pytest.raises(GraphError, match=re.escape(message)):
        capture(f, (X,), {})


def test_tracing_and_checking_inside_are_refused() -> None:
    def checked(x: Any) -> Any:
        with mg.checked():
            return x * 2.0

    for f in (checked, lambda x: mg.trace(lambda y: y * 2.0, X) and x):
        with pytest.raises(GraphError, match=r"Put them around the call"):
            capture(f, (X,), {})


def test_a_graph_from_before_the_call_is_no_part_of_it() -> None:
    w = Tensor(np.ones(5))
    h = w * 2.0
    program = capture(lambda x: x * h, (X,), {})
    assert_same(run(program, X), X * 2.0)

    def f(x: Any) -> Any:
        np.sum(x * h).backward()

    with pytest.raises(
        GraphError, match=r"backward reaches a mul that was computed before this call.*inside the compiled"
    ):
        capture(f, (X,), {})
    w.data = np.zeros(5)
    assert_same(run(program, X), X * 2.0)  # as eagerly: what was computed stays computed


def test_a_seed_that_does_not_match_is_refused() -> None:
    w = Tensor(np.ones(5))
    with pytest.raises(ShapeError, match=re.escape("seed has shape (6, 5), out has (5,); they must be equal")):
        capture(lambda x: (w * 2.0).backward(x), (X,), {})
    with pytest.raises(DTypeError, match=re.escape("seed is float32, out is float64; cast the seed")):
        capture(lambda x: (w * 2.0).backward(x), (GAMMA.astype(np.float32),), {})


def test_a_parameter_keeps_shape_and_dtype() -> None:
    w = Tensor(np.ones(5, np.float32))

    def f(x: Any) -> Any:
        w.data = w * x

    with pytest.raises(GraphError, match=re.escape("a parameter of float32[5] cannot become float64[6, 5]")):
        capture(f, (X,), {})
    with pytest.raises(GraphError, match=re.escape("a parameter of float32[5] cannot become float64[5]")):
        capture(f, (GAMMA,), {})
    assert w.data.tolist() == [1.0] * 5


class _DropsBySeedOfTheSystem(nn.Module):
    """Dropout as people write it by hand."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def __call__(self, x: Any) -> Any:
        return x * (self.make().random(x.shape) < 0.5)


@pytest.mark.parametrize(
    "make",
    [
        np.random.default_rng,
        lambda: np.random.default_rng(np.random.SeedSequence()),
        lambda: np.random.Generator(np.random.PCG64()),
        lambda: np.random.RandomState(),
    ],
)
def test_a_generator_without_a_seed_is_refused_in_a_module_too(make: Any) -> None:
    seeds = np.random.bit_generator.randbits  # type: ignore[attr-defined]
    for f in (_DropsBySeedOfTheSystem(make), lambda x: x * make().random(x.shape)):
        with pytest.raises(
            GraphError, match=r"cannot compile random numbers of a generator without a seed.*; draw them"
        ):
            capture(f, (X,), {})
    assert np.random.bit_generator.randbits is seeds  # type: ignore[attr-defined]
    capture(_DropsBySeedOfTheSystem(lambda: np.random.default_rng(3)), (X,), {})  # the same in each call
    capture(lambda x: functional.dropout(x, 0.5, GENERATOR), (X,), {})  # drawn anew in each
