"""Faults planted in the right backwards: each edit run, told by what it does, and every second one held out.

Two edits of one line that answer the same numbers on every problem are one fault; it may be called what either is.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import random
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from .corpus import Pair, Problem, answers, differences, layers, load, problems
from .edits import Edit, edits_of
from .facts import Facts

__all__ = ["EFFECTS", "Fault", "faults", "faults_of"]

EFFECTS = ("value", "shape", "crash", "in_place", "harmless")
VISIBLE = ("value", "shape")
SEEN, EQUAL = 1e-6, 1e-10  # relative differences: at least, at most; between the two a fault is not clear enough
MOST = {"value": 56, "shape": 4, "crash": 4, "in_place": 2, "harmless": 8}  # of each layer


@dataclass(frozen=True)
class Fault:
    """One planted mistake.

    Attributes:
        layer: the pair that it is planted in.
        edit: the edit of its text.
        kinds: what it may be called, the edit's own words first.
        effect: ``value`` or ``shape``: what is wrong with an output; ``crash``; ``in_place``: the outputs are
            right, but an argument or the cache is changed; ``harmless``: nothing is.
        held_out: whether it is only reported, never developed on.
    """

    layer: Pair
    edit: Edit
    kinds: tuple[str, ...]
    effect: str
    held_out: bool

    @property
    def line(self) -> int:
        return self.edit.line

    @property
    def text(self) -> str:
        return self.edit.applied(self.layer.text)

    @property
    def change(self) -> tuple[str, str]:
        """The line as it was, and as it is."""
        return tuple(text.splitlines()[self.line - 1].strip() for text in (self.layer.text, self.text))  # type: ignore[return-value]

    @property
    def name(self) -> str:
        return f"{self.layer.name}:{self.line}: {self.change[1]}"


def _held_out(layer: Pair, edit: Edit) -> bool:
    what = f"{layer.name}|{edit.line}|{edit.applied(layer.text).splitlines()[edit.line - 1].strip()}"
    return hashlib.sha256(what.encode()).digest()[0] % 2 == 1


@cache
def _expected(layer: Pair) -> list[tuple[Problem, tuple[Any, ...]]]:
    right = load(layer)
    return [(problem, answers(layer, right, problem)) for problem in problems(layer)]


def _run(layer: Pair, text: str) -> tuple[str, Any]:
    """The effect of a text, and what it answers on every problem (a crash: the exception)."""
    wrong = load(layer, text)
    found, again = [], False
    worst, shapes = 0.0, True
    for problem, expected in _expected(layer):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                got = answers(layer, wrong, problem)
                second = answers(layer, wrong, problem, times=2)
        except Exception as error:  # noqa: BLE001 - a fault may crash in any way
            return "crash", type(error).__name__
        found.append(got)
        shapes = shapes and [np.shape(g) for g in got] == [np.shape(g) for g in expected]
        off = differences(expected, [_squeezed(g, e) for g, e in itertools.zip_longest(got, expected)])
        worst = max(worst, *off)
        again = again or max(differences(got, second)) > EQUAL
    if worst > SEEN:
        return "value", found
    if worst > EQUAL:
        return "unclear", found
    if not shapes:
        return "shape", found
    return ("in_place" if again else "harmless"), found


def _squeezed(value: Any, like: Any) -> Any:
    """In the shape of `like` where only the number of unit axes differs."""
    if like is None or not isinstance(value, (np.ndarray, np.generic)) or np.size(value) != np.size(like):
        return value
    squeezed = [n for n in np.shape(value) if n != 1] == [n for n in np.shape(like) if n != 1]
    return np.reshape(value, np.shape(like)) if squeezed else value


def _key(found: Any) -> Any:
    """The same for answers that are equal but for rounding; of a crash, unlike any other."""
    if isinstance(found, str):
        return object()
    parts = []
    for array in itertools.chain.from_iterable(found):
        value = np.asarray(array, float)
        finite = np.where(np.isfinite(value), value, 0.0)
        scale = np.abs(finite).max(initial=1e-30)
        with np.errstate(all="ignore"):
            parts.append((value.shape, f"{scale:.6e}", (np.round(value / scale, 7) + 0.0).tobytes()))
    return tuple(parts)


@cache
def faults_of(layer: Pair) -> tuple[Fault, ...]:
    """All faults of a layer, each once, in the order of the lines."""
    facts = Facts.of(layer)
    seen = {facts.text}
    kept: dict[tuple[Any, int], Fault] = {}  # by what is answered, and the line
    for edit in edits_of(facts):
        text = edit.applied(facts.text)
        if text in seen:
            continue
        seen.add(text)
        ast.parse(text)
        effect, found = _run(layer, text)
        if effect == "unclear":
            continue
        key = _key(found) if effect in VISIBLE else object()
        fault = kept.get((key, edit.line)) or Fault(layer, edit, (), effect, _held_out(layer, edit))
        kept[key, edit.line] = replace(fault, kinds=tuple(dict.fromkeys(fault.kinds + edit.kinds)))
    return tuple(sorted(kept.values(), key=lambda fault: (fault.line, fault.edit.start, fault.edit.new)))


def _chosen(found: Iterable[Fault], most: int, seed: int) -> list[Fault]:
    """At most so many, each rule of edits in turn, so that the rare ones are there."""
    by_rule: dict[str, list[Fault]] = {}
    for fault in found:
        by_rule.setdefault(fault.edit.rule, []).append(fault)
    rng = random.Random(seed)
    for group in by_rule.values():
        rng.shuffle(group)
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_rule.values()))
    return list(itertools.islice((fault for fault in turns if fault is not None), most))


@cache
def faults(seed: int = 0) -> tuple[Fault, ...]:
    """The faults of the table: of every layer as many of each effect as `MOST` says, the same for the same seed."""
    found = []
    for layer in layers():
        every = faults_of(layer)
        for effect in EFFECTS:
            found += _chosen((fault for fault in every if fault.effect == effect), MOST[effect], seed)
    return tuple(sorted(found, key=lambda f: (f.layer.name, f.line, f.edit.start, f.edit.new)))
