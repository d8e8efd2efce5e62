"""Whether what a report says is so: its fixes are applied and run, its sentences held against the lines that were edited."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from .corpus import Pair, answers, differences, load, problems

__all__ = ["CLOSE", "FRESH", "claims", "good_of", "patched", "right_of"]

CLOSE = 1e-9
FRESH = 1  # the seed of the inputs that a fix is tried on: not those by which faults are told from harmless edits


def patched(text: str, fixes: Sequence[Any]) -> str | None:
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
    name = function.rpartition(".")[2]
    tree = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.name == name)
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


def claims(
    text: str, function: str, edited: Collection[int], report: Any, mistakes: Sequence[Any],
    good: Callable[[str], set[str] | None], plain: Callable[[str], str] = str,
) -> Iterator[str]:  # fmt: skip
    """The sentences of a report that are not so.

    Args:
        text, function: what was marked, and the name of the backward in it.
        edited: the lines with mistakes.
        report, mistakes: what was said.
        good: which gradients a text computes right, by name; None where it cannot be run.
        plain: a gradient's name as `good` has it.
    """
    names, fixes = {plain(output.name) for output in report.outputs}, list[Any]()
    for finding in mistakes:
        line = finding.span.line
        if finding.sure and line not in edited:
            yield f"line {line} is wrong"
        if finding.reads == "right" and _above(text, function, line) & ({*edited} - {line}):
            yield f"everything that line {line} reads is right"
        if finding.fix is None:
            continue
        fixes.append(finding.fix)
        mended = patched(text, fixes)
        right = (None if mended is None else good(mended)) or set()
        listed = finding.fix.right or finding.fix.wrong  # of the fix of an exception nothing is said but that it mends
        if (listed and {*map(plain, finding.fix.right)} != right & names) or finding.fix.whole != (names <= right):
            yield f"with the fix of line {line}: {', '.join(finding.fix.right)}"


def right_of(pair: Pair, text: str) -> list[bool] | None:
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


def good_of(pair: Pair, report: Any) -> Callable[[str], set[str] | None]:
    """Which gradients a text computes right, by the names that the report gives them, in their order."""

    def good(text: str) -> set[str] | None:
        right = right_of(pair, text)
        return None if right is None else {o.name for o, fine in zip(report.outputs, right, strict=False) if fine}

    return good
