"""The pairs to be marked, what they are called with, and whether what they answer is right.

A pair knows its family, and the family draws its arguments: arrays to differentiate by, in the order in which
the backward answers their gradients, then whatever else the forward takes, by name.
"""

from __future__ import annotations

import ast
import copy
import inspect
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

__all__ = [
    "FAMILIES", "LAYERS", "Pair", "Problem", "answers", "differences", "example", "layers", "load", "numerical",
    "problems", "variants",
]  # fmt: skip

HERE = Path(__file__).parent
Draw = Callable[[np.random.Generator, int], tuple[dict[str, Any], dict[str, Any]]]


@dataclass(frozen=True)
class Pair:
    """A forward and its backward (the same function twice for a loss that answers its gradient) in a file."""

    name: str
    family: str
    path: Path
    forward: str
    backward: str

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def is_loss(self) -> bool:
        return self.forward == self.backward


@dataclass(frozen=True)
class Problem:
    """What a forward is called with, and the gradients that come in; `count` arrays are differentiated by."""

    arguments: tuple[Any, ...]
    upstream: tuple[Any, ...]
    count: int


# ---- families ------------------------------------------------------------------------------------------------

EPS = (0.2, None, 0.1, 0.3)  # None: the forward's own default


def _params(number: int, **others: Any) -> dict[str, Any]:
    eps = EPS[number % len(EPS)]
    return others | ({} if eps is None else {"eps": eps})


def _signed(rng: np.random.Generator, *shape: int) -> Any:
    return rng.uniform(0.4, 1.9, shape) * rng.choice([-1.0, 1.0], shape)


def _norm(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    n, d = [(5, 3), (4, 6), (7, 4), (3, 5)][number % 4]
    arrays = {"x": 1.5 * rng.standard_normal((n, d)) + 0.5, "gamma": _signed(rng, d), "beta": rng.standard_normal(d)}
    return arrays, _params(number) | {"bn_param": _params(number, mode="train"), "ln_param": _params(number)}


def _groupnorm(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    n, c, h, w, groups = [(3, 4, 2, 5, 2), (2, 6, 3, 2, 3), (2, 3, 4, 2, 1), (3, 6, 1, 2, 2)][number % 4]
    shape = (1, c, 1, 1)
    arrays = {
        "x": 1.5 * rng.standard_normal((n, c, h, w)) + 0.5,
        "gamma": _signed(rng, *shape),
        "beta": rng.standard_normal(shape),
    }
    return arrays, {"G": groups, "gn_param": _params(number)}


def _spatial(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays, _ = _groupnorm(rng, number)
    flat = {name: value if name == "x" else value.ravel() for name, value in arrays.items()}
    return flat, {"bn_param": _params(number, mode="train")}


def _scores(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    n, c = [(5, 3), (4, 6), (7, 4), (3, 5)][number % 4]
    return {"x": 1.5 * rng.standard_normal((n, c))}, {"y": rng.integers(0, c, n)}


def _affine(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    n, inner, m = [(5, (2, 3), 4), (3, (4,), 2), (2, (3, 1, 2), 5), (4, (3, 2), 3)][number % 4]
    d = int(np.prod(inner))
    arrays = {"x": rng.standard_normal((n, *inner)), "w": rng.standard_normal((d, m)), "b": rng.standard_normal(m)}
    return arrays, {}


def _elementwise(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"x": rng.standard_normal([(5, 3), (4, 6), (7, 4), (2, 3, 4)][number % 4])}, {}


def _dropout(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays, _ = _elementwise(rng, number)
    return arrays, {"dropout_param": {"p": (0.6, 0.8, 0.3, 0.7)[number % 4], "mode": "train", "seed": 11 + number}}


def _conv(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    n, c, h, w, f, hh, ww, stride, pad = [
        (2, 3, 5, 6, 2, 3, 2, 1, 1),
        (2, 2, 6, 5, 3, 2, 3, 2, 1),
        (1, 2, 5, 7, 2, 3, 3, 2, 2),
        (3, 1, 4, 5, 2, 2, 2, 1, 1),
    ][number % 4]
    arrays = {
        "x": rng.standard_normal((n, c, h, w)),
        "w": rng.standard_normal((f, c, hh, ww)),
        "b": rng.standard_normal(f),
    }
    return arrays, {"conv_param": {"stride": stride, "pad": pad}}


def _pool(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    n, c, h, w, hh, ww, stride = [
        (2, 3, 4, 6, 2, 2, 2),
        (2, 2, 5, 7, 3, 3, 2),
        (1, 2, 5, 6, 2, 3, 1),
        (3, 1, 6, 8, 2, 2, 2),
    ][number % 4]
    return {"x": rng.standard_normal((n, c, h, w))}, {
        "pool_param": {"pool_height": hh, "pool_width": ww, "stride": stride}
    }


def _recurrent(gates: int, names: str) -> Draw:
    def draw(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        n, d, h = [(3, 4, 2), (2, 3, 5), (4, 2, 3), (5, 3, 4)][number % 4]
        shapes = {
            "x": (n, d), "prev_h": (n, h), "prev_c": (n, h),
            "Wx": (d, gates * h), "Wh": (h, gates * h), "b": (gates * h,),
        }  # fmt: skip
        return {name: 0.8 * rng.standard_normal(shapes[name]) for name in names.split()}, {}

    return draw


def _attention(rng: np.random.Generator, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    n, m, d, e = [(3, 4, 2, 5), (4, 2, 5, 3), (2, 5, 3, 4), (5, 3, 4, 2)][number % 4]
    return {"q": rng.standard_normal((n, d)), "k": rng.standard_normal((m, d)), "v": rng.standard_normal((m, e))}, {}


FAMILIES: dict[str, Draw] = {
    "batchnorm": _norm,
    "layernorm": _norm,
    "groupnorm": _groupnorm,
    "spatial": _spatial,
    "softmax": _scores,
    "svm": _scores,
    "affine": _affine,
    "elementwise": _elementwise,
    "dropout": _dropout,
    "conv": _conv,
    "pool": _pool,
    "lstm": _recurrent(4, "x prev_h prev_c Wx Wh b"),
    "rnn": _recurrent(1, "x prev_h Wx Wh b"),
    "attention": _attention,
}

LAYERS = {  # in the order of the table
    "batchnorm_staged": "batchnorm",
    "batchnorm_compact": "batchnorm",
    "batchnorm_paper": "batchnorm",
    "layernorm": "layernorm",
    "groupnorm": "groupnorm",
    "softmax": "softmax",
    "svm": "svm",
    "affine": "affine",
    "relu": "elementwise",
    "dropout": "dropout",
    "conv": "conv",
    "max_pool": "pool",
    "lstm_step": "lstm",
}
BY_WORD = {  # where a file of variants holds more than one family, the first word of the name says which
    "spatial": "spatial", "softmax": "softmax", "svm": "svm", "dropout": "dropout", "lstm": "lstm", "rnn": "rnn",
    "attention": "attention",
}  # fmt: skip


# ---- pairs ---------------------------------------------------------------------------------------------------


def _pairs_of(path: Path) -> Iterator[tuple[str, str, str]]:
    """The name, the forward and the backward of each pair of a file."""
    names = [
        node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    for name in names:
        if name.endswith("_loss"):
            yield name.removesuffix("_loss"), name, name
        head, found, _ = name.partition("_forward")
        if found:
            yield head, name, next(other for other in names if other.startswith(f"{head}_backward"))


@cache
def layers() -> tuple[Pair, ...]:
    """The right backwards that faults are planted in, one for each row of the table."""
    found = []
    for name, family in LAYERS.items():
        path = HERE / "layers" / f"{name}.py"
        ((_, forward, backward),) = _pairs_of(path)
        found.append(Pair(name, family, path, forward, backward))
    return tuple(found)


@cache
def variants() -> tuple[Pair, ...]:
    """Right backwards in many styles: nothing may be found wrong with them."""
    found = []
    for path in sorted((HERE / "variants").glob("*.py")):
        for name, forward, backward in _pairs_of(path):
            family = BY_WORD.get(name.split("_")[0], path.stem)
            found.append(Pair(f"{path.stem}: {name}", family, path, forward, backward))
    return tuple(found)


def load(pair: Pair, text: str | None = None, file: str | None = None) -> SimpleNamespace:
    """The two functions of a pair, from its own text or from another."""
    space: dict[str, Any] = {"__name__": "student"}
    exec(compile(pair.text if text is None else text, file or str(pair.path), "exec"), space)
    return SimpleNamespace(forward=space[pair.forward], backward=space[pair.backward])


def problems(pair: Pair, count: int = 4, seed: int = 0) -> list[Problem]:
    """Arguments that show every mistake: sizes that differ, gammas of both signs, an eps that matters."""
    forward = load(pair).forward
    parameters = inspect.signature(forward).parameters.values()
    found = []
    for number in range(count):
        rng = np.random.default_rng([zlib.crc32(pair.family.encode()), seed, number])
        arrays, others = FAMILIES[pair.family](rng, number + seed)
        rest = [parameter.name for parameter in list(parameters)[len(arrays) :]]
        arguments = [*arrays.values(), *(others[name] for name in rest if name in others)]
        outputs = _outputs(pair, forward(*copy.deepcopy(arguments)))
        upstream = () if pair.is_loss else tuple(rng.standard_normal(np.shape(out)) + 0.3 for out in outputs)
        found.append(Problem(tuple(arguments), upstream, len(arrays)))
    return found


def example(pair: Pair) -> tuple[Any, ...]:
    """What a student would pass: the forward's arguments, without an eps."""
    return problems(pair, 2)[1].arguments


# ---- running -------------------------------------------------------------------------------------------------


def _outputs(pair: Pair, result: Any) -> tuple[Any, ...]:
    """What is differentiated of a forward's result: all but the cache, or the loss alone."""
    if pair.is_loss:
        return (result[0],)
    return result[:-1] if isinstance(result, tuple) else (result,)


def answers(pair: Pair, functions: SimpleNamespace, problem: Problem, *, times: int = 1) -> tuple[Any, ...]:
    """The gradients that a pair answers (with `times`, those of the last call on the same cache)."""
    arguments = copy.deepcopy(problem.arguments)
    with np.errstate(all="ignore"):
        result = functions.forward(*arguments)
        if pair.is_loss:
            return (result[1],)
        for _ in range(times):
            upstream = copy.deepcopy(problem.upstream)
            if isinstance(result, tuple):
                gradients = functions.backward(*upstream, result[-1])
            else:
                gradients = functions.backward(*upstream, *arguments)
    return copy.deepcopy(gradients) if isinstance(gradients, tuple) else (copy.deepcopy(gradients),)


def differences(expected: Sequence[Any], got: Sequence[Any]) -> list[float]:
    """For each gradient how far it is off, relative to the largest entry; infinite where the shape is another."""
    if len(expected) != len(got):
        return [np.inf] * len(expected)
    found = []
    for right, value in zip(expected, got, strict=True):
        if np.shape(right) != np.shape(value) or not isinstance(value, (np.ndarray, np.generic)):
            found.append(np.inf)
        else:
            with np.errstate(all="ignore"):
                off = np.abs(np.asarray(value, float) - right).max(initial=0.0)
            found.append(float(off / np.abs(right).max(initial=1e-30)) if np.isfinite(off) else np.inf)
    return found


def numerical(pair: Pair, functions: SimpleNamespace, problem: Problem, step: float = 1e-5) -> tuple[Any, ...]:
    """Central differences of the forward, entry by entry, weighted with the incoming gradients."""

    def value(arguments: list[Any]) -> float:
        outputs = _outputs(pair, functions.forward(*copy.deepcopy(arguments)))
        upstream = problem.upstream or (1.0,)
        return sum(float(np.sum(out * g)) for out, g in zip(outputs, upstream, strict=True))

    arguments = copy.deepcopy(list(problem.arguments))
    gradients = []
    for number in range(problem.count):
        array = arguments[number]
        gradient = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            keep = array[at]
            array[at] = keep + step
            ahead = value(arguments)
            array[at] = keep - step
            behind = value(arguments)
            array[at] = keep
            gradient[at] = (ahead - behind) / (2 * step)
        gradients.append(gradient)
    return tuple(gradients)
