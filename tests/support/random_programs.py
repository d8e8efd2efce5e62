"""Random NumPy programs of the rows that `derive` has formulas for, and what is wrong with the derivation of one."""

from __future__ import annotations

import linecache
import random
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["fault_of", "program", "runnable"]

_BOUND = 1e-10  # of the error in float64, relative to the gradients

_UNARY = [
    "{0} * {0}", "np.exp(0.3 * {0})", "np.tanh({0})", "1 / (1 + np.exp(-{0}))", "-{0}", "np.sqrt({0}**2 + 0.5)",
    "np.log({0}**2 + 1)", "np.maximum({0}, 0.1)", "{0} / 3", "np.abs({0})", "{0}**3", "np.log1p({0}**2)",
    "np.expm1(0.2 * {0})", "np.square({0})", "np.reciprocal({0}**2 + 1)", "np.sin({0})", "0.5 * {0} - 0.25",
]  # fmt: skip
_BINARY = [
    "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} / (2 + {1}**2)", "np.where({0} > 0.2, {0}, {1})",
    "np.maximum({0}, {1})", "({0} @ {1}.T) @ {1}", "{0} @ ({1}.T @ {0})",
]  # fmt: skip
_REDUCED = [
    "{0} - np.mean({0}, axis={a}, keepdims=True)",
    "{0} / np.sqrt(np.sum({0}**2, axis={a}, keepdims=True) + 0.1)",
    "np.exp({0} - np.max({0}, axis={a}, keepdims=True)) / 2",
    "np.exp(0.5 * {0}) / np.sum(np.exp(0.5 * {0}), axis={a}, keepdims=True)",
    "{0} * np.sum({0} * {1}, axis={a}, keepdims=True)",
    "{0} + np.var({1}, axis={a})[{i}]",
    "{0} - {0}.mean()",
    "{0}.T.reshape({0}.shape[1], {0}.shape[0]).T",
    "({0}.reshape({0}.shape[0], 2, -1) - {0}.reshape({0}.shape[0], 2, -1).mean(axis=2, keepdims=True)).reshape({0}.shape)",
    "{0} * w",
]
_LAST = ["{0}", "np.mean({0})", "np.sum({0}, axis=1)", "{0} + x * w", "np.log(np.sum(np.exp(0.1 * {0}), axis=0))"]


def program(seed: int) -> str:
    """Return the text of a function of ``x`` (N, D) and ``w`` (1, D); each value is of the shape of ``x``."""
    rng = random.Random(seed)
    lines, names = [], ["x"]
    for number in range(rng.randint(2, 5)):
        one, two = names[-1], rng.choice(names)
        axis = rng.randint(0, 1)
        text = rng.choice(rng.choice([_UNARY, _BINARY, _REDUCED]))
        text = text.format(one, two, a=axis, i=(":" if axis == 0 else ":, None"))
        names.append("x" if rng.random() < 0.1 else f"v{number}")
        lines.append(f"    {names[-1]} = {text}")
    last = rng.choice(_LAST).format(names[-1])
    return "def f(x, w):\n" + "\n".join(lines) + f"\n    out = {last}\n    return out\n"


def runnable(text: str) -> Callable[..., Any]:
    """Return the function of a text; tracing finds the text."""
    file = f"<drawn {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"np": np}
    exec(compile(text, file, "exec"), space)
    made: Callable[..., Any] = space["f"]
    return made


def fault_of(seed: int, seconds: float = 0.5) -> str:
    """Derive a random program and ask the judges; return what is wrong, with the program, or nothing."""
    from micrograd.derivation import DerivationError, derive

    text, rng = program(seed), np.random.default_rng(3)
    made = derive(runnable(text), rng.normal(size=(3, 4)), rng.normal(size=(1, 4)), seconds=seconds)
    found = made.check()
    faults = [] if found.exact else ["exact"]
    faults += ["field"] if found.field is False else []
    faults += [] if found.error < _BOUND else [f"float {found.error:.0e}"]
    faults += [f"doubted: {made._doubted}"] if made._doubted else []
    try:
        made.source  # noqa: B018 - it is refused where a judge doubts it
    except DerivationError:
        faults.append("refused")
    return f"{', '.join(faults)}: program {seed}\n{text}" if faults else ""
