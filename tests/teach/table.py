"""One fault or one right backward marked, and what its report is worth; many of them as a table."""

from __future__ import annotations

import re
import statistics
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .claims import CLOSE, FRESH, claims, good_of
from .corpus import Pair, answers, differences, load, problems
from .faults import VISIBLE, Fault

__all__ = ["Mark", "applied", "judge_fault", "judge_right", "markdown", "rows", "traces"]

Checker = Callable[[Pair, str], Any]  # a pair and the text to mark, to a report
SHARES = ("found", "line_right", "kind_right", "kind_first", "fix_right")
COUNTS = ("accused", "untrue", "refused")


@dataclass(frozen=True)
class Mark:
    """What a report said, and whether it is right.

    Attributes:
        layer, name, line: of the fault, or of the right backward.
        effect: of the fault; ``right`` for a backward without one.
        kinds: what the mistake may be called; empty for a right backward.
        held_out: whether the fault is only reported.
        verdict, said, said_line: the report's verdict, and the kind and line of its first finding.
        found: a fault is reported as wrong, a shape that differs as such; a right or harmless text as right.
        kind_first: whether the kind is the first of `kinds`, the edit's own word.
        fix: what the report would put in, if anything.
        harmless_told: whether an omission without effect was told as such.
        problem: why there is no verdict.
        accused: a line that was not edited is called wrong, without a doubt.
        untrue: the sentences that are not so.
        refused: there is no verdict.
        seconds: for all of it, as the caller waits.
    """

    layer: str
    name: str
    line: int
    effect: str
    kinds: tuple[str, ...]
    held_out: bool
    verdict: str
    said: str
    said_line: int
    found: bool
    line_right: bool
    kind_right: bool
    kind_first: bool
    fix_right: bool
    fix: str
    harmless_told: bool
    problem: str
    accused: bool
    untrue: tuple[str, ...]
    refused: bool
    seconds: float


def applied(text: str, fix: Any) -> str | None:
    """The text with the fix in it; None where what the fix replaces is not there."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    start = starts[fix.span.line - 1] + fix.span.column
    end = starts[fix.span.end_line - 1] + fix.span.end_column
    return text[:start] + fix.new + text[end:] if text[start:end] == fix.old else None


def is_right(pair: Pair, text: str, seed: int = FRESH) -> bool:
    """Whether the text answers what the right backward does, on inputs of its own."""
    right = load(pair)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            student = load(pair, text)
            for problem in problems(pair, seed=seed):
                expected = answers(pair, right, problem)
                for times in (1, 2):
                    if max(differences(expected, answers(pair, student, problem, times=times))) > CLOSE:
                        return False
    except Exception:  # noqa: BLE001 - a fix may break the code in any way
        return False
    return True


def judge_fault(fault: Fault, check: Checker, clock: Callable[[], float]) -> Mark:
    """Have a fault marked and judge the report by the edit that was made."""
    started = clock()
    report = check(fault.layer, fault.text)
    seconds = clock() - started
    mistakes = [f for f in report.findings if f.severity in ("wrong", "shape")]
    first = mistakes[0] if mistakes else None
    if fault.effect == "shape":  # right numbers: a remark is enough
        found = report.verdict == "wrong" or first is not None
    elif fault.effect in ("value", "crash"):
        found = report.verdict == "wrong" or (fault.effect == "crash" and report.verdict == "failed")
    elif fault.effect == "in_place":
        found = any(f.kind == "in_place" for f in report.findings)
    else:
        found = report.verdict == "right"
    fixed = applied(fault.text, first.fix) if first and first.fix else None
    line = first.span.line if first else int((re.findall(r"\.py:(\d+)", report.problem) or [0])[-1])
    return Mark(
        fault.layer.name, fault.name, fault.line, fault.effect, fault.kinds, fault.held_out, report.verdict,
        first.kind if first else "", line, found, line == fault.line,
        first is not None and first.kind in fault.kinds,
        first is not None and first.kind == fault.kinds[0],
        fixed is not None and is_right(fault.layer, fixed),
        f"{first.fix.old!r} -> {first.fix.new!r}" if first and first.fix else "",
        any(f.severity == "harmless" for f in report.findings), report.problem,
        any(f.sure and f.span.line != fault.line for f in mistakes),
        tuple(claims(fault.text, report.backward, {fault.line}, report, mistakes, good_of(fault.layer, report))),
        report.verdict == "failed", seconds,
    )  # fmt: skip


def judge_right(pair: Pair, check: Checker, clock: Callable[[], float]) -> Mark:
    """Have a right backward marked: whatever is found wrong with it is a false alarm."""
    started = clock()
    report = check(pair, pair.text)
    seconds = clock() - started
    mistakes = [f for f in report.findings if f.severity in ("wrong", "shape")]
    right = report.verdict == "right" and not mistakes
    return Mark(
        pair.family, pair.name, 0, "right", (), False, report.verdict, mistakes[0].kind if mistakes else "",
        mistakes[0].span.line if mistakes else 0, right, right, right, right, right, "",
        any(f.severity == "harmless" for f in report.findings), report.problem, bool(mistakes), (),
        report.verdict == "failed", seconds,
    )  # fmt: skip


def traces(pair: Pair) -> str:
    """Empty if the forward's graph is recorded and holds its numbers, else what went wrong."""
    import micrograd as mg

    functions, problem = load(pair), problems(pair, 1)[0]
    expected = load(pair).forward(*problems(pair, 1)[0].arguments)
    expected = expected[0] if isinstance(expected, tuple) else expected
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = mg.trace(functions.forward, *problem.arguments)
        got = graph.values[graph.outputs[0].index]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return f"{type(error).__name__}: {error}"
    same = np.allclose(np.asarray(got, float), expected)
    return "" if same else "the graph holds other numbers than the forward answers"


# ---- many ------------------------------------------------------------------------------------------------------


def _share(marks: Sequence[Mark], what: str) -> float:
    return sum(getattr(mark, what) for mark in marks) / len(marks)


def rows(marks: Iterable[Mark], names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each layer and one for all of them: of the faults that change an output."""
    visible = [mark for mark in marks if mark.effect in VISIBLE]
    found = []
    for name in [*names, "all"]:
        mine = [mark for mark in visible if name in (mark.layer, "all")]
        if mine:
            times = [mark.seconds for mark in mine]
            found.append({
                "layer": name, "faults": len(mine),
                **{what: _share(mine, what) for what in SHARES},
                **{what: sum(bool(getattr(mark, what)) for mark in mine) for what in COUNTS},
                "median": statistics.median(times), "slowest": max(times),
            })  # fmt: skip
    return found


def _percent(share: float) -> str:
    """Rounded down, so that 100 % means all of them."""
    return f"{int(share * 1000 + 1e-9) / 10:g} %"


def markdown(table: Sequence[dict[str, Any]]) -> str:
    """The rows as a table of Markdown, columns aligned."""
    head = [
        "layer",
        "faults",
        "found",
        "first line",
        "class",
        "its own word",
        "whole fix",
        "accused",
        "untrue",
        "refused",
        "median",
        "slowest",
    ]
    lines = [head]
    for row in table:
        shares = [_percent(row[w]) for w in SHARES]
        times = [f"{row[w]:.2f} s" for w in ("median", "slowest")]
        lines.append([row["layer"], str(row["faults"]), *shares, *(str(row[what]) for what in COUNTS), *times])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    ways = [str.ljust, *[str.rjust] * (len(head) - 1)]
    set_lines = [
        "| " + " | ".join(way(cell, w) for way, cell, w in zip(ways, line, widths, strict=True)) + " |"
        for line in lines
    ]
    rule = "| " + " | ".join("-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)) + " |"
    return "\n".join([set_lines[0], rule, *set_lines[1:]])
