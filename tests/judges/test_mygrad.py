"""MyGrad as a judge: the same random composed functions, its gradients against ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from strategies import OPERATIONS, Program, inputs_of, margin, programs, seeds

import micrograd as mg
from micrograd.engine import Tensor

mygrad = pytest.importorskip("mygrad", reason="MyGrad is not installed: it is not asked for its gradients")

pytestmark = [pytest.mark.judge, pytest.mark.filterwarnings("ignore")]

# the names that the programs use, as MyGrad spells them
NAMES = SimpleNamespace(**{name: getattr(mygrad, name) for name in (
    "subtract", "exp", "log", "sqrt", "tanh", "maximum", "minimum", "abs", "where", "sum", "mean", "var", "max",
    "matmul", "transpose", "reshape", "concatenate")})  # fmt: skip


def theirs_of(program: Program, x: np.ndarray, y: np.ndarray, g: np.ndarray) -> list[Any]:
    a, b = mygrad.tensor(x.copy()), mygrad.tensor(y.copy())
    (program(NAMES, a, b) * g).sum().backward()
    return [np.zeros_like(x) if t.grad is None else t.grad for t in (a, b)]


def agree(ours: Any, theirs: Any) -> bool:
    size = max(1.0, float(np.abs(theirs).max(initial=0)))
    return bool(np.allclose(ours, theirs, rtol=1e-9, atol=1e-11 * size))


def ours_of(program: Program, x: np.ndarray, y: np.ndarray, g: np.ndarray) -> tuple[list[Any], float]:
    leaves = [Tensor(x), Tensor(y)]
    out = program(np, *leaves)
    return mg.gradients(out, leaves, g, allow_unused=True), margin(out)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation(name: str) -> None:
    x, y = inputs_of(7)
    g = np.arange(1.0, 13.0).reshape(3, 4)
    program = Program(((name, 0, 1),))
    for ours, theirs in zip(ours_of(program, x, y, g)[0], theirs_of(program, x, y, g), strict=True):
        assert agree(ours, theirs)


@settings(max_examples=50)
@given(program=programs(), seed=seeds)
def test_programs(program: Program, seed: int) -> None:
    x, y = inputs_of(seed)
    g = np.random.default_rng(seed).standard_normal(x.shape)
    found, nearest = ours_of(program, x, y, g)
    assume(nearest > 1e-9)  # where two entries tie, MyGrad and we may share the gradient differently
    for ours, theirs in zip(found, theirs_of(program, x, y, g), strict=True):
        assert agree(ours, theirs)


def test_the_judge_can_say_no() -> None:
    x, y = inputs_of(1)
    g = np.ones((3, 4))
    program = Program((("tanh", 0, 0),))
    assert not agree(ours_of(program, x, y, 1.00001 * g)[0][0], theirs_of(program, x, y, g)[0])
