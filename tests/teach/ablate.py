"""`make teach ARGS=--ablate`: switch off one mechanism of the diagnosis at a time, and print what each loses.

A mechanism that moves no column can go. The sample is fixed: faults, several faults and code as in real life, of both
halves, marked in this process; the time for a search is so long that a busy machine changes nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from micrograd.marker.repair.patch import Patch

from . import corpus, life, several
from .faults import VISIBLE, faults
from .table import judge_fault

__all__ = ["EDITS", "MECHANISMS", "ablated", "noted", "sample", "switched_off"]

SEED = 3
DIAGNOSER = "micrograd.marker.diagnosis.diagnosis:Diagnoser"
KINDS = "micrograd.marker.diagnosis.kinds"
MARKING = "micrograd.marker.diagnosis.marking"
SEARCH = "micrograd.marker.repair.search"
MECHANISMS: dict[str, tuple[str, Callable[..., Any]]] = {  # what it is called: what stands in its place
    "synthesis": (f"{DIAGNOSER}.writer", lambda *_: lambda _: ()),
    "suspects: lines whose names say what they should be": (f"{DIAGNOSER}.suspects", lambda *_: iter(())),
    "named: the first such line mended": (f"{DIAGNOSER}.named", lambda *_: (None, None)),
    "up_to: the backward up to a line as its own problem": (f"{DIAGNOSER}.up_to", lambda *_: None),
    "behind: a sign that the next line turns round": ("micrograd.marker.diagnosis.diagnosis:behind", lambda *_: None),
    "unvouched: a doubt is of the first line in doubt": (
        "micrograd.marker.diagnosis.diagnosis:unvouched",
        lambda *_: None,
    ),
    "common: one edit for several gradients": (f"{DIAGNOSER}.common", lambda *_: (None, None)),
    "inserted: a line that is missing": (f"{DIAGNOSER}.inserted", lambda *_: None),
    "missing: a gradient that is not returned": ("micrograd.marker.diagnosis.diagnosis:missing", lambda *_: None),
    "unpacked: a cache in another order": ("micrograd.marker.diagnosis.diagnosis:unpacked", lambda *_: None),
    "two_paths": (f"{KINDS}:_by_two_paths", lambda *_: None),
    "path difference": (f"{KINDS}:_by_path", lambda *_: None),
    "eps ratio": (f"{KINDS}:eps_ratio", lambda *_, **__: None),
    "tensor ratio": (f"{KINDS}:tensor_ratio", lambda *_, **__: None),
    "frozen statistics": (f"{KINDS}:_constant_statistics", lambda *_: False),
    "doubling": ("micrograd.marker.diagnosis.finding:_doubles", lambda *_: True),
    "runs that tell variables of loops apart": (f"{SEARCH}:_telling_apart", lambda scopes, *_: [0]),
    "names that are written again": ("micrograd.marker.diagnosis.examination:Examination.goes_on", lambda *_: False),
    "buffers": ("micrograd.marker.diagnosis.examination:Examination._is_buffer", lambda *_: False),
    "harmless omissions": (f"{MARKING}:left_out", lambda *_: []),
    "guards left out": (f"{MARKING}:undisturbed", lambda *_: (Patch(), ())),
    "means over the examples": (f"{MARKING}:averaged", lambda *_: None),
    "settings under which it is wrong": (f"{MARKING}:_only", lambda *_: ""),
    "first look: unwritten, raised, thrown away": (f"{MARKING}:first_look", lambda *_: []),
    "reasons of exceptions": (f"{MARKING}:with_reason", lambda program, results, findings: list(findings)),
    "inputs without influence": (f"{MARKING}:_without_influence", lambda *_: ()),
    "arguments changed in place": (f"{MARKING}:changed_arguments", lambda *_: []),
}
EDITS = (  # the tags of edits, each left out
    "accumulate", "add_at", "assign", "aug_sign", "bessel", "compare", "complement", "constant", "copy", "count",
    "divide_name", "drop_factor", "drop_term", "eps_outside", "exchange", "factor_name", "function", "in_place", "index",
    "keepdims", "mask", "mean_sum", "name", "negate", "operator", "order", "oversummed", "power", "regroup", "returns", "rewritten",
    "term", "term_number", "transpose", "unpack", "unsummed",
)  # fmt: skip
COLUMNS = ("found", "line", "class", "whole fix", "accused", "untrue", "refused")


def _place(where: str) -> tuple[Any, str]:
    """Return what holds a mechanism, and its name there."""
    path, _, attribute = where.partition(":")
    owner: Any = importlib.import_module(path)
    *inner, last = attribute.split(".")
    for part in inner:
        owner = getattr(owner, part)
    return owner, last


@contextlib.contextmanager
def _put(where: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Have something made of a mechanism stand in its place; raises AttributeError where there is none."""
    owner, last = _place(where)
    before = getattr(owner, last)
    setattr(owner, last, make(before))
    try:
        yield
    finally:
        setattr(owner, last, before)


@contextlib.contextmanager
def switched_off(name: str) -> Iterator[None]:
    """Mark without a mechanism, or without a tag of edits."""
    with contextlib.ExitStack() as stack:
        if name in EDITS:
            for made in ("changes_of", "edits_of"):
                without = lambda old: lambda *a, **k: [one for one in old(*a, **k) if one.tag != name]
                stack.enter_context(_put(f"{SEARCH}:{made}", without))
        else:
            where, instead = MECHANISMS[name]
            stack.enter_context(_put(where, lambda _: instead))
        yield


@contextlib.contextmanager
def noted(fired: set[str]) -> Iterator[None]:
    """Note which mechanisms come to something: a value that is not the one in their place, an edit that is verified."""

    def watch(name: str, instead: Callable[..., Any]) -> Callable[[Any], Any]:
        def made(old: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **keywords: Any) -> Any:
                result = old(*args, **keywords)
                result = list(result) if isinstance(result, Iterator) else result
                other = instead(*args, **keywords)
                other = list(other) if isinstance(other, Iterator) else other
                if result is not other and (type(result) is not type(other) or repr(result) != repr(other)):
                    fired.add(name)
                return iter(result) if isinstance(result, list) and name.startswith("suspects") else result

            return run

        return made

    def verified(old: Callable[..., Any]) -> Callable[..., Any]:
        def run(job: Any, mended: Any, goal: Any) -> Any:
            result = old(job, mended, goal)
            if result is not None:
                fired.add(result.edit.tag)
            return result

        return run

    with contextlib.ExitStack() as stack:
        for name, (where, instead) in MECHANISMS.items():
            stack.enter_context(_put(where, watch(name, instead)))
        stack.enter_context(_put(f"{SEARCH}:SearchJob.verified", verified))
        yield


def sample(every: int = 1) -> list[Any]:
    """Faults, several faults and items of real life, of both halves; about 120 of them, always the same."""
    layers = [pair for pair in corpus.layers() if pair.name not in ("conv", "max_pool")]
    single = [fault for fault in faults(SEED) if fault.effect in VISIBLE and fault.layer in layers][::11]
    many = [made for pair in layers for made in several.drawn(pair, SEED)[::7]]
    lived = [
        item
        for item in life.items(SEED)
        if item.block.backward not in ("conv_backward", "AvgPool.backward", "rnn_backward")
    ][::6]
    return [*single, *many, *lived][::every]


def _worth(one: Any, check: Callable[[Any, str], Any]) -> tuple[bool, ...]:
    """Whether it is found, with its line, its class and a whole fix; accused, untrue, refused."""
    if isinstance(one, life.Item):
        m = life.judge(one.block, one, check, time.perf_counter)
        return m.found, m.line_right, m.kind_right, m.fix_right is not False, m.accused, bool(m.untrue), bool(m.refused)
    if isinstance(one, several.Several):
        s = several.judge_several(one, check, time.perf_counter)
        return not s.refused, s.named, s.named, s.mended, s.accused, bool(s.untrue), bool(s.refused)
    f = judge_fault(one, check, time.perf_counter)
    return f.found, f.line_right, f.kind_right, f.fix_right, f.accused, bool(f.untrue), f.refused


def _shares(marks: Sequence[tuple[bool, ...]]) -> list[float]:
    return [100 * sum(column) / len(marks) for column in zip(*marks, strict=True)]


def ablated(check: Callable[[Any, str], Any], names: Sequence[str] = (), every: int = 1) -> str:
    """Return the table: a row for each mechanism, with the items in which it came to something, and what it moves.

    An item is marked again without a mechanism only where that came to something: elsewhere nothing changes.
    """
    items, used, marks = sample(every), list[set[str]](), list[tuple[bool, ...]]()
    for one in items:
        used.append(set())
        with noted(used[-1]):
            marks.append(_worth(one, check))
    print(f"{len(items)} items marked", file=sys.stderr, flush=True)
    print(
        {name: count for name in (*MECHANISMS, *EDITS) if (count := sum(name in one for one in used))}, file=sys.stderr
    )
    lines = [f"| switched off | used in | {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * (len(COLUMNS) + 1)}"]
    whole = _shares(marks)
    lines.append(f"| nothing | {len(items)} | {' | '.join(f'{value:.1f}' for value in whole)} |")
    for name in sorted(names or (*MECHANISMS, *EDITS), key=lambda name: sum(name in one for one in used)):
        without = list(marks)
        with switched_off(name):
            for number, one in enumerate(items):
                if name in used[number]:
                    without[number] = _worth(one, check)
        moved = [now - then for now, then in zip(_shares(without), whole, strict=True)]
        cells = [f"{change:+.1f}" if change else "" for change in moved]
        count = sum(name in one for one in used)
        lines.append(f"| {f'edits: {name}' if name in EDITS else name} | {count} | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)
