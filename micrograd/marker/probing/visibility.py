"""What a set of inputs makes visible, and why some mistakes can be seen by none.

A mistake that changes nothing on any random input is harmless, and an identity makes it so: in batch norm the path
``xmu -> mu`` may be left out because ``sum(xmu, axis=0) = 0``. The identity is found where the change dies out in
the backward graph, reduced to the factors that matter, and held against every probe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.marker.probing.mutants import mutants_of
from micrograd.marker.probing.trial import Mutant, Trial, largest

__all__ = ["VISIBLE", "Hidden", "Survey", "survey_of"]

VISIBLE = 1e-3
"""How much of an output's largest entry a mistake must change: less is lost in finite differences and float32."""
LEAST = 20  # mutants of a trial that are tried, however large the graph
_NOTHING = 1e-9  # a change below it, on every probe, is rounding
_ZERO = 1e-12  # the same for a value, against the largest that takes part


@dataclass(frozen=True, slots=True)
class Hidden:
    """A mistake that no input shows.

    Attributes:
        mutant: the mistake.
        identity: what makes it harmless, as ``sum(xmu, axis=0) = 0``; empty where it could not be put in a formula.
        error: how far from true it was on the probes, against the size of the terms.
        probes: on how many random probes.
    """

    mutant: Mutant
    identity: str
    error: float
    probes: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What several trials show of each mutant.

    Attributes:
        trials: the forward on each probe.
        mutants: of each trial, by key.
        changes: for each key the change on each trial; nan where that trial has no such mutant.
        possible: how many mutants each trial has; of large graphs only a part is tried.
    """

    trials: tuple[Trial, ...]
    mutants: tuple[Mapping[str, Mutant], ...]
    changes: Mapping[str, tuple[float, ...]]
    possible: tuple[int, ...]

    def best(self, key: str) -> float:
        """Return the largest change of a mutant on any trial."""
        return float(np.nanmax(self.changes[key]))

    @property
    def visible(self) -> list[str]:
        """Return the keys of the mutants that some trial shows, however faintly."""
        return [key for key in self.changes if self.best(key) > _NOTHING]

    def unseen(self, number: int, bar: float = VISIBLE) -> list[str]:
        """Return the keys of those that trial `number` has and does not show, though another does."""
        return [key for key in self.visible if self.changes[key][number] <= bar]

    def extended(self, more: Survey) -> Survey:
        """This survey with the trials of another behind its own."""
        none = (np.nan,) * len(self.trials), (np.nan,) * len(more.trials)
        changes = {
            key: self.changes.get(key, none[0]) + more.changes.get(key, none[1])
            for key in (*self.changes, *(k for k in more.changes if k not in self.changes))
        }
        return Survey(self.trials + more.trials, self.mutants + more.mutants, changes, self.possible + more.possible)

    def hidden(self) -> list[Hidden]:
        """Return the mutants that no trial shows, with what makes them harmless."""
        found = []
        for key in self.changes:
            if self.best(key) <= _NOTHING:
                pairs = [(t, m[key]) for t, m in zip(self.trials, self.mutants, strict=True) if key in m]
                identity, error = _identity(pairs)
                found.append(Hidden(pairs[0][1], identity, error, len(pairs)))
        return found


def survey_of(trials: Sequence[Trial], most: int = 2_000_000) -> Survey:
    """Return every mutant of a forward's backward on several sets of arguments.

    Args:
        trials: the forward, traced on each of them.
        most: how many nodes may be computed in all; of the mutants of large graphs a part is tried, evenly spread.
    """
    mutants, changes, possible = [], dict[str, list[float]](), list[int]()
    for number, trial in enumerate(trials):
        found = mutants_of(trial)
        possible.append(len({mutant.key for mutant in found}))
        room = max(LEAST, most // (len(trials) * len(trial.backward.nodes)))
        if len(found) > room:
            found = [found[i * len(found) // room] for i in range(room)]
        mutants.append({mutant.key: mutant for mutant in found})
        for mutant in found:
            row = changes.setdefault(mutant.key, [np.nan] * len(trials))
            row[number] = trial.change(mutant)
    return Survey(tuple(trials), tuple(mutants), {key: tuple(row) for key, row in changes.items()}, tuple(possible))


# ---- why nothing shows --------------------------------------------------------


def _identity(pairs: Sequence[tuple[Trial, Mutant]]) -> tuple[str, float]:
    """Return what makes a mutant harmless on all of these trials, and how exactly it holds."""
    found = [_cancelled(trial, mutant) for trial, mutant in pairs]
    return (found[0][0] if all(text for text, _ in found) else ""), max(error for _, error in found)


def _cancelled(trial: Trial, mutant: Mutant) -> tuple[str, float]:
    """Return where the change of a mutant dies out, as an identity, with its error against the terms."""
    if not mutant.edits:
        return "", 0.0
    index, what, _ = mutant.edits[0]
    node = trial.backward.nodes[index]
    if mutant.part is not None and largest(trial.true[mutant.part]) > _ZERO * trial.scale:
        if node.op == "sum" and what == 0:  # the part is not zero, but its sum is
            return _sum_is_zero(trial, mutant.part, node.attrs.get("axis"), trial.true[mutant.part])
        return "", 0.0
    suspects = (
        [mutant.part] if mutant.part is not None else [*node.reads, index] if what == "out" else [index, *node.reads]
    )
    for suspect in suspects:
        if suspect in trial.live and largest(trial.true[suspect]) <= _ZERO * trial.scale:
            return _zero(trial, suspect)
    return "", 0.0


def _behind(trial: Trial, index: int, through: Sequence[str] = ("neg", "broadcast", "reshape")) -> int:
    """Return the node without factors 1, signs, constant factors and copies, which do not matter to being zero."""
    while True:
        node = trial.backward.nodes[index]
        if node.is_leaf or (node.op not in through and node.factor is None):
            return index
        index = node.reads[0]


def _zero(trial: Trial, index: int) -> tuple[str, float]:
    """That a gradient is zero: because a sum is, if it is one."""
    index = _behind(trial, index)
    node = trial.backward.nodes[index]
    if node.op == "sum":
        return _sum_is_zero(trial, node.reads[0], node.attrs.get("axis"), trial.true[node.reads[0]])
    if node.op in ("mul", "div"):  # zero in one factor
        for operand in node.reads[: 2 if node.op == "mul" else 1]:
            if largest(trial.true[operand]) <= _ZERO * trial.scale:
                return _zero(trial, operand)
    return f"{trial.name_of(index)} = 0", largest(trial.true[index]) / trial.scale


def _sum_is_zero(trial: Trial, index: int, axis: Any, terms: Any) -> tuple[str, float]:
    """``sum(xmu, axis=0) = 0``: of a product the factors that are constant along the axis stand before the sum."""

    def constant(factor: int) -> bool:
        return _constant_along(trial.true[factor], np.shape(terms), axis)

    factors = _factors(trial, index, constant)
    kept = [f for f in factors if not constant(f)] or factors
    for number in range(len(kept)):  # as few factors as do it
        fewer = kept[:number] + kept[number + 1 :]
        if fewer and _sums_to_zero(trial, fewer, axis)[0]:
            kept = fewer
            break
    error = _sums_to_zero(trial, kept, axis)[1]
    if len(kept) == 1:
        inner = trial.backward.nodes[_behind(trial, kept[0])]
        if inner.op == "add" and inner.index not in trial.parts and inner.index in trial.live:
            kept = [inner.index]
    where = "" if axis is None else f", axis={axis}"
    return f"sum({' * '.join(trial.name_of(f) for f in kept)}{where}) = 0", error


def _sums_to_zero(trial: Trial, factors: Sequence[int], axis: Any) -> tuple[bool, float]:
    product = np.asarray(math.prod(trial.true[factor] for factor in factors))
    axis = axis if product.ndim else None
    try:
        total, size = np.sum(product, axis), np.sum(np.abs(product), axis)
    except (ValueError, IndexError):
        return False, np.inf
    error = largest(total) / (largest(size) or 1.0)
    return error < 1e-12, error


def _factors(trial: Trial, index: int, constant: Callable[[int], bool]) -> list[int]:
    """Return the nodes whose product a node is, without numbers, signs and divisors that are constant."""
    found, stack = list[int](), [index]
    while stack:
        at = _behind(trial, stack.pop(), ("neg",))  # copies keep their shape
        node = trial.backward.nodes[at]
        if node.op == "mul" and len(node.reads) == 2:
            stack.extend(reversed(node.reads))
        elif node.op == "div" and len(node.reads) == 2 and constant(node.reads[1]):
            stack.append(node.reads[0])
        else:
            found.append(at)
    return found


def _constant_along(value: Any, shape: tuple[int, ...], axis: Any) -> bool:
    """Return whether an array, spread to a shape, is the same along the axes of a sum."""
    spread = np.broadcast_to(value, np.broadcast_shapes(np.shape(value), shape))
    axes = tuple(range(spread.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return all(bool(np.all(spread == np.take(spread, [0], axis=a))) for a in axes)
