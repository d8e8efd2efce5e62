"""A file for any batch: a function may compute with the length of the batch, and not choose by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micrograd.errors import GraphError
from micrograd.export import to_onnx
from micrograd.export.onnx.batches import at_three_sizes
from micrograd.export.programs import pure

X = np.arange(12.0).reshape(4, 3) / 7


def helper(x: Any) -> Any:
    return x * 2.0 if x.shape[0] > 64 else x


def bounded(x: Any) -> Any:
    count = min(len(x), 50)
    return x[:count]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if len(x) > 100 else x * 2,
        lambda x: x if len(x) > 2 else x * 2,
        lambda x: x if x.shape[0] == 1 else x * 2,
        lambda x: x * (2.0 if x.size < 1000 else 3.0),
        lambda x: x * (2.0 if x.T.shape[1] - 1 >= 5000 else 3.0),
        lambda x: x * (2.0 if 3 * len(x[1:]) < 30 else 3.0),
        lambda x: x * (2.0 if len(x) // 2 > 30 else 3.0),
        lambda x: x * (2.0 if len(np.concatenate([x, x])) > 40 else 3.0),
        lambda x: x * (len(x) % 2),
        lambda x: x * [1.0, 2.0][len(x) & 1],
        lambda x: helper(x * 1.0),
        bounded,
    ],
)  # fmt: skip
def test_a_choice_by_the_length_is_refused_with_the_line(f: Any) -> None:
    with pytest.raises(GraphError, match=r"the length of the batch \(line test_open_batch.py:\d+\)"):
        at_three_sizes(f, (X,))


def checked(x: Any) -> Any:
    if x.ndim != 2 or x.shape[1] != 3 or not len(x) or len(x) <= 0:
        raise ValueError("expected (N, 3)")
    y = x - 1.0 / len(x) * np.sum(x, axis=0)
    assert x.shape == y.shape
    assert len(y) == x.shape[0]
    assert len(x[1:]) == len(x) - 1 < len(y)
    return y * np.ones((len(x), 3)) + np.zeros(x.shape)


@pytest.mark.parametrize("f", [checked, lambda x: x.reshape(len(x), -1) / x.size, lambda x: x[: len(x) - 1] - x[1:]])
def test_to_compute_with_the_length_is_not(f: Any) -> None:
    captures = at_three_sizes(f, (X,))
    for size, program, known in zip(captures.sizes, captures.programs, captures.known, strict=True):
        np.testing.assert_allclose(known[program.outputs[0]], f(np.resize(X, (size, 3))), rtol=1e-14)


def _tried(x: Any) -> float:
    try:
        x[40]
    except IndexError:
        return 3.0
    return 2.0


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * (2.0 if len(x) > 40 else 3.0),
        lambda x: x * (2.0 if x.size / 3 > 2000 else 3.0),
        lambda x: x * (2.0 if np.shape(x)[0] > 40 else 3.0),
        lambda x: x * (2.0 if sum(1 for _ in x) > 40 else 3.0),
        lambda x: x * {4: 2.0, 5: 2.0, 11: 2.0}.get(len(x), 3.0),
        lambda x: x * np.minimum(len(x), 40),
        lambda x: x * (2.0 if np.ones(len(x)).sum() > 3 else 3.0),
        lambda x: x * _tried(x),
        lambda x: x + x[:40].sum(),
        lambda x: x + x[39:].sum(),
        lambda x: x + np.tri(len(x), k=40) @ x,
    ],
)  # fmt: skip
def test_a_choice_that_hides_is_found_by_other_lengths(f: Any, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"leave batch= out, and the file is for one size"):
        to_onnx(f, tmp_path / "f.onnx", X, batch="N")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("f", [lambda x: sum(x[i] for i in range(len(x))), lambda x: np.stack([row * 2 for row in x])])
def test_a_loop_over_the_batch_is_the_users_and_no_fault_of_ours(f: Any, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"computes something else for a batch of 5 than for one of 4"):
        to_onnx(f, tmp_path / "f.onnx", X, batch="N")


def test_what_is_written_into_an_argument_is_no_output() -> None:
    def f(x: Any) -> Any:
        x -= x.mean(axis=0)
        return x * 2.0

    program = pure(f, (X.copy(),), {})
    assert (len(program.outputs), program.updates) == (1, ())
    assert program.rebuild(["only"]) == "only"
