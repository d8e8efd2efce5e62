"""What misleads about a test even where it sees a mistake: gradients that are zero or cancel, shapes that broadcast."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.marker.inputs.guessing import outputs_of
from micrograd.marker.messages import say
from micrograd.marker.probing.probe_messages import WORDS, number
from micrograd.marker.probing.trial import Mutant, Trial, largest

__all__ = ["Trap", "traps_of"]

_STEP = 1e-5
_ENTRIES = 300  # of more numbers no numerical gradient is taken
_ROUNDED = 1e-7  # a numerical gradient that agrees better is no trap
_CANCELS = 0.02
_ZERO = 1e-12


@dataclass(frozen=True, slots=True)
class Trap:
    """Something to know of a test.

    Attributes:
        key: of its sentence in `micrograd.marker.probing.probe_messages.WORDS`.
        holes: what fills it: measured numbers.
    """

    key: str
    holes: Mapping[str, Any]

    def text(self, language: str = "en") -> str:
        """It in words."""
        return say(language, WORDS[self.key], **self.holes)


def traps_of(
    forward: Callable[..., Any], test: Trial, mutants: Sequence[Mutant], tolerance: float, seed: int
) -> Iterator[Trap]:
    """Yield every trap of a test.

    Args:
        forward: the function.
        test: it, on the test's inputs.
        mutants: the mistakes that can be seen.
        tolerance: what counts as seen.
        seed: of the other inputs that a claim is held against.
    """
    yield from _small(forward, test, seed)
    yield from _numerical(forward, test)
    unseen = [m for m in mutants if np.isinf(test.change(m)) and not test.change(m, broadcast=True) > tolerance]
    if unseen:
        yield Trap("trap.shape", {"count": len(unseen)})
    yield from _narrow(forward, test)


def _terms(trial: Trial, index: int) -> float:
    """Return the size of what a gradient is the sum of."""
    while True:
        node = trial.backward.nodes[index]
        if index in trial.parts:
            return max(largest(trial.true[part]) for part in trial.parts[index])
        if node.op == "sum":
            return largest(np.sum(np.abs(trial.true[node.reads[0]]), axis=node.attrs.get("axis")))
        if node.factor is None and node.op not in ("neg", "broadcast", "reshape", "transpose"):
            return largest(trial.true[index])
        index = node.reads[0]


def _sizes(trial: Trial) -> dict[str, tuple[float, float]]:
    """Return for each gradient its largest entry and the size of its terms."""
    return {
        trial.output_name(node.index): (largest(trial.true[node.index]), _terms(trial, node.index))
        for node in trial.backward.outputs
    }


def _small(forward: Callable[..., Any], test: Trial, seed: int) -> Iterator[Trap]:
    """Gradients that are zero whatever the input, or that nearly cancel."""
    others = [_sizes(Trial(forward, _redrawn(test, [seed, k]), test.upstream, seed)) for k in range(3)]
    for output, (size, terms) in _sizes(test).items():
        holes = {"output": output, "size": number(size), "terms": number(terms)}
        if terms and size <= _ZERO * terms:
            if all(other[output][0] <= _ZERO * other[output][1] for other in others if output in other):
                yield Trap("trap.zero", holes)
        elif terms and size < _CANCELS * terms:
            yield Trap("trap.cancels", {**holes, "ratio": number(size / terms)})
            first = next((n for n in test.graph.inputs if n.shape and n.shape[0] == 2), None)
            if first is not None and any(
                n.shape == first.shape and np.all(np.abs(np.abs(test.graph.value[n.name]) - 1) < 0.05)
                for n in test.graph.nodes
                if not n.is_leaf
            ):
                yield Trap("trap.two", {"output": output})


def _redrawn(test: Trial, seed: Sequence[int]) -> dict[str, Any]:
    """Return the test's arguments with other numbers, constants kept."""
    rng, arguments = np.random.default_rng(seed), copy.deepcopy(test.arguments)
    for name, value in arguments.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 1 and np.ptp(value) > 0:
            drawn = np.asarray(rng.standard_normal(value.shape), value.dtype)
            arguments[name] = np.abs(drawn) + value.min() if value.min() > 0 else drawn
    return arguments


def _numerical(forward: Callable[..., Any], test: Trial) -> Iterator[Trap]:
    """Yield how well central differences agree with the gradients of the test."""
    arrays = {n: v for n, v in test.arguments.items() if isinstance(v, np.ndarray) and v.dtype == np.float64}
    if sum(value.size for value in arrays.values()) > _ENTRIES:
        return
    found = {test.output_name(node.index): test.true[node.index] for node in test.backward.outputs}
    worst: tuple[float, str] = (0.0, "")
    for name, value in arrays.items():
        true = found.get(f"d{name}")
        if true is None or not np.any(np.abs(true) > _ZERO * test.scale):
            continue
        numeric = np.empty(value.shape)
        arguments = {**test.arguments, name: value.copy()}
        for place in np.ndindex(value.shape):
            sides = []
            for step in (_STEP, -_STEP):
                arguments[name][place] = value[place] + step
                sides.append(_total(forward, arguments, test.upstream))
            arguments[name][place] = value[place]
            numeric[place] = (sides[0] - sides[1]) / (2 * _STEP)
        worst = max(worst, (largest(numeric - true) / largest(true), f"d{name}"))
    if worst[0] > _ROUNDED:
        yield Trap("trap.numeric", {"step": f"{_STEP:g}", "output": worst[1], "error": number(worst[0])})


def _total(forward: Callable[..., Any], arguments: Mapping[str, Any], upstream: Sequence[Any]) -> float:
    outputs = outputs_of(forward, arguments)
    return sum(float(np.sum(out * g)) for out, g in zip(outputs, upstream, strict=False))


def _narrow(forward: Callable[..., Any], test: Trial) -> Iterator[Trap]:
    """Yield what the rounding of float32 alone changes."""
    narrow = [n for n, v in test.arguments.items() if isinstance(v, np.ndarray) and v.dtype == np.float32]
    if not narrow:
        return
    wide = {n: v.astype(np.float64) if n in narrow else v for n, v in test.arguments.items()}
    upstream = tuple(np.asarray(g, np.float64) if np.shape(g) else float(g) for g in test.upstream)
    exact = Trial(forward, wide, upstream)
    worst: tuple[float, str] = (0.0, "")
    for node, other in zip(test.backward.outputs, exact.backward.outputs, strict=False):
        if size := largest(exact.true[other.index]):
            error = largest(test.true[node.index] - exact.true[other.index]) / size
            worst = max(worst, (error, test.output_name(node.index)))
    if worst[1]:
        holes = {"name": narrow[0], "dtype": "float32", "output": worst[1], "error": number(worst[0])}
        yield Trap("trap.float32", holes)
