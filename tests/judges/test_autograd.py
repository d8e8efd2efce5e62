"""HIPS autograd as a judge: the same random composed functions, its gradients against ours, first and second order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from strategies import OPERATIONS, SMOOTH, Program, inputs_of, margin, programs, seeds

import micrograd as mg
from micrograd.engine import Tensor

autograd = pytest.importorskip("autograd", reason="HIPS autograd is not installed: it is not asked for its gradients")
anp = pytest.importorskip("autograd.numpy")

pytestmark = [pytest.mark.judge, pytest.mark.filterwarnings("ignore")]


def agree(ours: Any, theirs: Any) -> bool:
    size = max(1.0, float(np.abs(theirs).max(initial=0)))
    return bool(np.allclose(ours, theirs, rtol=1e-9, atol=1e-11 * size))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation(name: str) -> None:
    x, y = inputs_of(7)
    program = Program(((name, 0, 1),))
    # the squares make the loss depend on both, whatever the operation reads
    loss = lambda xp: lambda a, b: xp.sum(program(xp, a, b) * np.arange(1.0, 13.0).reshape(3, 4)) + xp.sum(a**2 + b**2)
    for number in (0, 1):
        assert agree(mg.grad(loss(np), number)(x, y), autograd.grad(loss(anp), number)(x, y))


@settings(max_examples=60)
@given(program=programs(), seed=seeds)
def test_programs(program: Program, seed: int) -> None:
    x, y = inputs_of(seed)
    leaves = [Tensor(x), Tensor(y)]
    out = program(np, *leaves)
    assume(margin(out) > 1e-9)  # where two entries tie, autograd and we may share the gradient differently
    g = np.random.default_rng(seed).standard_normal(out.shape)
    ours = mg.gradients(out, leaves, g, allow_unused=True)
    for number in (0, 1):
        theirs = autograd.grad(lambda a, b: anp.sum(program(anp, a, b) * g), number)(x, y)
        assert agree(ours[number], theirs)


@settings(max_examples=25)
@given(program=programs(SMOOTH, longest=5), seed=seeds)
def test_second_order(program: Program, seed: int) -> None:
    x, y = inputs_of(seed)
    g = np.random.default_rng(seed).standard_normal(x.shape)
    loss = lambda xp: lambda a: xp.sum(program(xp, a, y) * g) + xp.sum(a**3)
    ours = mg.grad(lambda a: (mg.grad(loss(np))(a) * g).sum())(x)
    theirs = autograd.grad(lambda a: anp.sum(autograd.grad(loss(anp))(a) * g))(x)
    assert agree(ours, theirs)


def test_the_judge_can_say_no() -> None:
    x = np.array([0.5, 2.0])
    assert not agree(
        mg.grad(lambda a: np.sum(np.tanh(a)))(x), autograd.grad(lambda a: anp.sum(anp.tanh(a) * 1.00001))(x)
    )
