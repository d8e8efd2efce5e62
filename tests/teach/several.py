"""Two and three faults at once: drawn from those that are planted alone, and what a report of them is worth.

Every sentence is a claim. What is said of a fix is tried on the text itself, on inputs that the marking never saw; that a
line reads nothing wrong is held against the lines that were edited.
"""

from __future__ import annotations

import ast
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from .claims import claims, good_of, patched, right_of
from .corpus import Pair, answers, differences, load, problems
from .faults import Fault, faults_of
from .table import Checker

__all__ = ["Several", "SeveralMark", "drawn", "judge_several", "markdown"]

SEEN = 1e-6
COUNTS = {2: 6, 3: 3}  # how many of each number of faults, of every layer


@dataclass(frozen=True)
class Several:
    """Faults planted together in one backward."""

    layer: Pair
    faults: tuple[Fault, ...]

    @property
    def held_out(self) -> bool:
        return self.faults[0].held_out

    @property
    def lines(self) -> frozenset[int]:
        return frozenset(fault.line for fault in self.faults)

    @property
    def text(self) -> str:
        text = self.layer.text
        for fault in sorted(self.faults, key=lambda fault: -fault.edit.start):
            text = fault.edit.applied(text)
        return text

    @property
    def name(self) -> str:
        return " + ".join(fault.name for fault in self.faults)


@dataclass(frozen=True)
class SeveralMark:
    """What a report of several faults said, and whether it is so.

    Attributes:
        layer, name, count, held_out: of the faults.
        refused: why there is no verdict; empty where there is one.
        named: all lines that were edited are named, and no other.
        accused: a line that was not edited is called wrong.
        missed: a line that was edited is not named.
        mended: the fixes together make every gradient right.
        untrue: the sentences that are not so.
        seconds: for all of it.
    """

    layer: str
    name: str
    count: int
    held_out: bool
    refused: str
    named: bool
    accused: bool
    missed: bool
    mended: bool
    untrue: tuple[str, ...]
    seconds: float


def _apart(pair: Pair, one: str, other: str) -> bool:
    """Whether two texts answer different numbers."""
    try:
        first, second = load(pair, one), load(pair, other)
        return any(
            max(differences(answers(pair, first, p), answers(pair, second, p))) > SEEN for p in problems(pair, 2)
        )
    except Exception:  # noqa: BLE001 - such faults are not drawn
        return False


@cache
def drawn(layer: Pair, seed: int = 0) -> tuple[Several, ...]:
    """Some pairs and triples in a layer of which each part shows: without it the numbers are others."""
    found: list[Several] = []
    usable = [fault for fault in faults_of(layer) if fault.effect == "value"]
    rng = random.Random(f"{layer.name} {seed}")
    for count, most in COUNTS.items():
        tried = (Several(layer, tuple(rng.sample(usable, count))) for _ in range(60 if len(usable) >= count else 0))
        found += itertools.islice(filter(_fits, tried), most)
    return tuple(found)


def _fits(made: Several) -> bool:
    ordered = sorted(made.faults, key=lambda fault: fault.edit.start)
    if any(one.edit.end >= other.edit.start for one, other in itertools.pairwise(ordered)):
        return False
    try:
        ast.parse(made.text)
    except SyntaxError:
        return False
    if not _apart(made.layer, made.text, made.layer.text):  # they make good for each other: nothing is wrong
        return False
    rest = [Several(made.layer, tuple(f for f in made.faults if f is not fault)) for fault in made.faults]
    return all(_apart(made.layer, made.text, one.text) for one in rest)


def judge_several(several: Several, check: Checker, clock: Callable[[], float]) -> SeveralMark:
    """Have several faults marked at once, and judge the report by the edits that were made."""
    started = clock()
    report = check(several.layer, several.text)
    seconds = clock() - started
    mistakes = [f for f in report.findings if f.severity in ("wrong", "shape")]
    said = {f.span.line for f in mistakes if f.sure}
    fixed = patched(several.text, [f.fix for f in mistakes if f.fix]) if mistakes else None
    right = None if fixed is None else right_of(several.layer, fixed)
    untrue = claims(several.text, report.backward, several.lines, report, mistakes, good_of(several.layer, report))
    return SeveralMark(
        several.layer.name, several.name, len(several.faults), several.held_out,
        report.problem if report.verdict == "failed" else "", said == several.lines, bool(said - several.lines),
        bool(several.lines - said), right is not None and all(right), tuple(untrue), seconds,
    )  # fmt: skip


def markdown(marks: Sequence[SeveralMark]) -> str:
    """A table: pairs and triples of both halves."""
    lines = [
        "| faults | files | all named | a right line accused | one missed | whole fix | untrue sentence | refused |",
        "| ------ | ----: | --------: | -------------------: | ---------: | --------: | --------------: | ------: |",
    ]
    for count, held_out in itertools.product(sorted({mark.count for mark in marks}), (False, True)):
        mine = [mark for mark in marks if (mark.count, mark.held_out) == (count, held_out)]
        if mine:
            sums = [
                sum(map(bool, (getattr(mark, what) for mark in mine)))
                for what in ("named", "accused", "missed", "mended", "untrue", "refused")
            ]
            lines.append(f"| {count}{', held out' * held_out} | {len(mine)} | {' | '.join(map(str, sums))} |")
    return "\n".join(lines)
