"""Two and three faults at once: drawn from those that are planted alone, and what a report of them is worth.

Every sentence is a claim. What is said of a fix is tried on the text itself, on inputs that the marking never saw; that a
line reads nothing wrong is held against the lines that were edited.
"""

from __future__ import annotations

import ast
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .corpus import Pair, answers, differences, load, problems
from .faults import Fault, faults_of
from .table import CLOSE, FRESH, Checker

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


def _right(pair: Pair, text: str) -> list[bool] | None:
    """Which gradients a text computes right, on inputs of its own; None where it cannot be run."""
    right, found = load(pair), [True] * 99
    try:
        student = load(pair, text)
        for problem in problems(pair, seed=FRESH):
            off = differences(answers(pair, right, problem), answers(pair, student, problem))
            found = [good and far <= CLOSE for good, far in zip(found, off, strict=False)]
    except Exception:  # noqa: BLE001 - a fix may break the code in any way
        return None
    return found


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
    rest = [Several(made.layer, tuple(f for f in made.faults if f is not fault)) for fault in made.faults]
    return all(_apart(made.layer, made.text, one.text) for one in rest)


def _patched(text: str, fixes: Sequence[Any]) -> str | None:
    """The text with all fixes in it; None where they do not fit it, or one another."""
    starts = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    places = sorted(
        (starts[f.span.line - 1] + f.span.column, starts[f.span.end_line - 1] + f.span.end_column, f.old, f.new)
        for f in fixes
    )
    if any(one[1] > other[0] for one, other in itertools.pairwise(places)):
        return None
    for start, end, old, new in reversed(places):
        if text[start:end] != old:
            return None
        text = text[:start] + new + text[end:]
    return text


def _above(text: str, function: str, line: int) -> set[int]:
    """The lines of a function that assign what a line reads, and what those read: by the text alone."""
    tree = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.name == function)
    wrote: dict[int, set[str]] = {}
    read: dict[int, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Return)):
            names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            base = [t for target in targets if target is not None for t in ast.walk(target) if isinstance(t, ast.Name)]
            wrote[node.lineno] = {name.id for name in base}
            stays = isinstance(node, ast.AugAssign) or any(isinstance(t, ast.Subscript) for t in targets)
            read[node.lineno] = {n.id for n in names if isinstance(n.ctx, ast.Load) or stays}
    found: set[int] = set()
    stack = [(line, name) for name in read.get(line, ())]
    while stack:
        at, name = stack.pop()
        for other in sorted(n for n in wrote if n < at and name in wrote[n]):
            if other not in found:
                found.add(other)
                stack += [(other, more) for more in read[other]]
    return found


def _untrue(several: Several, report: Any, mistakes: Sequence[Any]) -> Iterator[str]:
    """The sentences of a report that are not so."""
    names, fixes = [output.name for output in report.outputs], list[Any]()
    for finding in mistakes:
        line = finding.span.line
        if finding.sure and line not in several.lines:
            yield f"line {line} is wrong"
        if finding.reads == "right" and _above(several.text, report.backward, line) & several.lines - {line}:
            yield f"everything that line {line} reads is right"
        if finding.fix is None:
            continue
        fixes.append(finding.fix)
        text = _patched(several.text, fixes)
        right = None if text is None else _right(several.layer, text)
        good = [] if right is None else [name for name, fine in zip(names, right, strict=False) if fine]
        if {*finding.fix.right} != {*good} or finding.fix.whole != (len(good) == len(names)):
            yield f"with the fix of line {line}: {', '.join(finding.fix.right)}"


def judge_several(several: Several, check: Checker, clock: Callable[[], float]) -> SeveralMark:
    """Have several faults marked at once, and judge the report by the edits that were made."""
    started = clock()
    report = check(several.layer, several.text)
    seconds = clock() - started
    mistakes = [f for f in report.findings if f.severity in ("wrong", "shape")]
    said = {f.span.line for f in mistakes if f.sure}
    fixed = _patched(several.text, [f.fix for f in mistakes if f.fix]) if mistakes else None
    right = None if fixed is None else _right(several.layer, fixed)
    return SeveralMark(
        several.layer.name, several.name, len(several.faults), several.held_out,
        report.problem if report.verdict == "failed" else "", said == several.lines, bool(said - several.lines),
        bool(several.lines - said), right is not None and all(right), tuple(_untrue(several, report, mistakes)), seconds,
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
