"""What the tests draw: arrays in every shape, dtype and layout, and programs composed of random operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from micrograd.engine import Tensor, toposort
from micrograd.testing import NOT_ANALYTIC

SHAPE = (3, 4)
MASK = np.array([[True, False, True, True], [False, False, True, False], [True, True, False, False]])

# Every operation maps arrays of SHAPE to an array of SHAPE, in names that NumPy, autograd.numpy and MyGrad share.
OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda xp, a, b: a + b,
    "sub": lambda xp, a, b: xp.subtract(a, b),
    "mul": lambda xp, a, b: a * b,
    "div": lambda xp, a, b: a / (1.5 + b * b),
    "neg": lambda xp, a, b: -a,
    "square": lambda xp, a, b: 0.5 * a**2,
    "cube": lambda xp, a, b: 0.1 * a**3,
    "exp": lambda xp, a, b: xp.exp(-0.5 * a * a),
    "log": lambda xp, a, b: xp.log(1.0 + a * a),
    "sqrt": lambda xp, a, b: xp.sqrt(1.0 + a * a),
    "tanh": lambda xp, a, b: xp.tanh(a),
    "inverse": lambda xp, a, b: 1.0 / (2.0 + xp.tanh(a)),
    "maximum": lambda xp, a, b: xp.maximum(a, 0.3 * b),
    "minimum": lambda xp, a, b: xp.minimum(a, 0.3 * b),
    "abs": lambda xp, a, b: xp.abs(a),
    "where": lambda xp, a, b: xp.where(MASK, a, b),
    "column sums": lambda xp, a, b: a - 0.1 * xp.sum(b, axis=0),
    "row means": lambda xp, a, b: a * xp.mean(b, axis=1, keepdims=True),
    "sum of all": lambda xp, a, b: a + 0.1 * xp.sum(b),
    "normalise": lambda xp, a, b: (a - xp.mean(a, axis=0)) / xp.sqrt(xp.var(a, axis=0) + 0.1),
    "largest": lambda xp, a, b: a - 0.5 * xp.max(b, axis=0),
    "matmul": lambda xp, a, b: 0.2 * xp.matmul(xp.matmul(a, xp.transpose(b)), a),
    "reshape": lambda xp, a, b: xp.reshape(xp.transpose(a), SHAPE),
    "flip": lambda xp, a, b: a[::-1],
    "rows": lambda xp, a, b: a[np.array([2, 0, 2])],
    "join": lambda xp, a, b: xp.concatenate([a[:1], b[1:]]),
}


@dataclass(frozen=True)
class Program:
    """Random composed function: each step reads two earlier values; the last value is the answer."""

    steps: tuple[tuple[str, int, int], ...]

    def __call__(self, xp: Any, *inputs: Any) -> Any:
        values = list(inputs)
        for name, first, second in self.steps:
            values.append(OPERATIONS[name](xp, values[first % len(values)], values[second % len(values)]))
        return values[-1]


def programs(names: tuple[str, ...] = tuple(OPERATIONS), longest: int = 8) -> st.SearchStrategy[Program]:
    step = st.tuples(st.sampled_from(names), st.integers(0, 30), st.integers(0, 30))
    return st.lists(step, min_size=1, max_size=longest).map(lambda steps: Program(tuple(steps)))


SMOOTH = tuple(name for name in OPERATIONS if name not in ("maximum", "minimum", "abs", "largest"))


def inputs_of(seed: int, count: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(SHAPE) for _ in range(count)]


seeds = st.integers(0, 2**32 - 1)


def margin(root: Tensor, *, exact: bool = False) -> float:
    """How far the nearest tie or kink of the recorded graph is: oracles may differ where it is 0.

    With `exact` all that is compared is computed without rounding, but for what is compared with 0.0.
    """
    nearest = np.inf
    for node in toposort([root]):
        if node.row is None or node.row.name not in NOT_ANALYTIC or node.row.name == "cast":
            continue
        if exact and (
            np.asarray(node.args[0]).dtype.kind != "f" or (not node.row.flows and type(node.args[1]) is not float)
        ):
            continue
        first = np.asarray(node.args[0], float)
        if node.row.kind == "reduce":
            axis = node.attrs["axis"]
            first, axis = (first.reshape(-1), 0) if axis is None else (first, axis)
            gaps = np.diff(np.sort(first, axis=axis), axis=axis)
        else:
            gaps = np.abs(first - (node.args[1] if len(node.args) > 1 else 0.0))
        nearest = min(nearest, float(gaps.min(initial=np.inf)))
    return nearest


def layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    """The same numbers, laid out in other ways."""
    wide = np.zeros(tuple(2 * s for s in x.shape), x.dtype)
    every = (..., *(slice(None, None, 2) for _ in x.shape))
    wide[every] = x
    raw = np.zeros(x.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    return {
        "C": np.array(x, order="C"),
        "Fortran": np.array(x, order="F"),
        "strided": wide[every],
        "negative": np.asarray(np.flip(np.flip(x).copy())),
        "big-endian": x.astype(x.dtype.newbyteorder(">")),
        "unaligned": unaligned,
        "read-only": _locked(x.copy()),
    }


def _locked(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x
