"""Captured calls evaluated by NumPy, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd import functional, nn, optim
from micrograd.engine import Tensor
from micrograd.program.capture import capture
from micrograd.program.program import Program, evaluate
from micrograd.pytree import flatten

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 5)), np.array([0, 1, 2, 0, 1, 2])
GAMMA, BETA = RNG.standard_normal(5), RNG.standard_normal(5)
OTHER = RNG.standard_normal((6, 5)) * 100


def run(program: Program, *args: Any, **kwargs: Any) -> Any:
    """What the program answers, and does, for some arguments."""
    leaves, _ = flatten((args, kwargs))
    given_: dict[int, Any] = {}
    for feed in program.feeds:
        if feed.kind == "constant":
            given_[feed.value] = feed.array
        else:
            given_[feed.value] = leaves[feed.position] if feed.get is None else feed.get()
        made = program.values[feed.value]
        assert np.shape(given_[feed.value]) == made.shape
        assert np.asarray(given_[feed.value]).dtype == made.dtype
    known = evaluate(program, given_)
    for value, made in zip(range(len(program.values)), program.values, strict=True):
        assert np.shape(known[value]) == made.shape
        assert np.asarray(known[value]).dtype == made.dtype
    answers = [known[v] for v in program.outputs]
    for write in program.writes:
        write.put(np.array(known[write.value]))
    for effect in program.after:
        effect()
    return program.rebuild(answers)


def plain(tree: Any) -> Any:
    leaves, rebuild = flatten(tree)
    return rebuild([leaf.data if isinstance(leaf, Tensor) else leaf for leaf in leaves])


def assert_same(ours: Any, theirs: Any, ulps: int = 0) -> None:
    """The same structure and numbers, to the bit where `ulps` is 0."""
    ours, rebuild = flatten(plain(ours))
    theirs, like = flatten(plain(theirs))
    assert rebuild([None] * len(ours)) == like([None] * len(theirs))
    for a, b in zip(ours, theirs, strict=True):
        if b is None or isinstance(b, (str, bool)):
            assert a == b
            continue
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        if ulps and np.asarray(b).dtype.kind == "f":
            unit = np.finfo(np.asarray(b).dtype).eps * max(np.abs(b).max(initial=0), np.finfo(float).tiny)
            assert np.abs(np.asarray(a) - b).max(initial=0) <= ulps * unit
        else:
            assert np.array_equal(a, b, equal_nan=True)


def same(f: Callable[..., Any], *args: Any, ulps: int = 0, others: tuple[Any, ...] = (), **kwargs: Any) -> Program:
    """Capture `f` and compare it with itself, on the arguments and on other ones."""
    program = capture(f, args, kwargs)
    for given_ in (args, others) if others else (args,):
        assert_same(run(program, *given_, **kwargs), f(*given_, **kwargs), ulps)
    return program


OPTIMIZERS: dict[str, tuple[Callable[[Any], Any], int]] = {  # and how far apart in ulps: a division is two roundings
    "sgd": (lambda p: optim.SGD(p, lr=0.1), 0),
    "momentum": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), 0),
    "nesterov": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True), 0),
    "decay": (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01), 0),
    "adam": (lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01), 64),
    "adamw": (lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.01), 64),
}


class Training:
    """A model, its optimiser, and a step in the usual style."""

    def __init__(self, name: str = "momentum", dtype: str = "float64", **kwargs: Any) -> None:
        settings_ = {"batch_norm": True, "dropout": 0.5, "rng": 0, **kwargs}
        self.model = nn.mlp([5, 4, 4, 3], dtype=dtype, **settings_)
        self.optimizer = OPTIMIZERS[name][0](self.model.parameters())

    def step(self, x: Any, y: Any) -> Any:
        scores = self.model(x)
        loss = functional.cross_entropy(scores, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> Any:
        rngs = [m.rng.bit_generator.state for _, m in self.model.named_modules() if isinstance(m, nn.Dropout)]
        memory = [[np.array(slot) + np.zeros(p.shape, p.dtype) for slot in m] for m, p in zip(
            self.optimizer._memory, self.optimizer.parameters, strict=True)]  # fmt: skip
        return {
            "model": self.model.state_dict(), "memory": memory, "steps": self.optimizer.steps,
            "counts": self.optimizer._counts, "rngs": repr(rngs),
        }  # fmt: skip

    def everything(self) -> Any:
        """All that must be as it was: identities of arrays, gradients, memory, buffers, random states."""
        leaves = [(id(p.raw), id(p.grad), p.grad) for p in self.model.parameters()]
        attributes = [{k: id(v) for k, v in vars(m).items()} for _, m in self.model.named_modules()]
        memory = [[(id(slot), np.array(slot).tolist()) for slot in m] for m in self.optimizer._memory]
        return leaves, attributes, memory, repr(self.state()), np.random.get_state()[2]  # noqa: NPY002
