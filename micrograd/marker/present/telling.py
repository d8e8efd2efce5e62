"""Put one finding into words: the sentences, the line with the place marked in it, the values, the fix.

Text and page show the same; here it is put together, for a hint level and a language.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from micrograd.drawing.labels import cells, clean
from micrograd.errors import GraphError
from micrograd.marker.gradient_names import node_of
from micrograd.marker.messages import WORDS, say, translated
from micrograd.marker.mistakes import EPS_EXTRA, MISTAKES, NOT_KEPT
from micrograd.marker.repair.patch import Patch, Piece
from micrograd.marker.report import Finding, Fix, Report, Shown, Span

__all__ = ["HINTS", "Told", "edited", "marked", "sample", "shape_of", "smallest", "told"]

HINTS = ("where", "kind", "fix")
_LINES = 6  # of a long expression that are shown


@dataclass(frozen=True, slots=True)
class Told:
    """One finding, ready to be set.

    Attributes:
        head: where, and what is wrong there.
        code: the student's lines: number, text, and the columns that are marked, or None.
        sentences: what it should be, what kind of mistake it is, why; in this order.
        values: rows of a label and numbers.
        step: the next step, or the fix.
        diff: the lines before and after the fix, as ``-`` or ``+``, number and text.
        proof: on what the fix has been tried.
    """

    head: str
    code: tuple[tuple[int, str, tuple[int, int] | None], ...]
    sentences: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    step: str = ""
    diff: tuple[tuple[str, int, str], ...] = ()
    proof: str = ""


def level(hint: str) -> int:
    """Return how much is given away: 0, 1 or 2. Raises GraphError for another word."""
    if hint not in HINTS:
        raise GraphError(f"hint={hint!r} is none of {', '.join(HINTS)}.")
    return HINTS.index(hint)


def shape_of(shown: Shown | None) -> str:
    """Return a shape as NumPy writes it; a single number has none."""
    return "()" if shown is None else str(shown.shape)


def sample(shown: Shown) -> str:
    """Shape and first numbers of an array.

    >>> sample(Shown((3,), "float64", (0.5, -1.25, 2.0)))
    '(3,)  0.5  -1.25  2'
    """
    numbers = "  ".join(f"{x:.4g}" for x in shown.sample)
    more = "  ..." if math.prod(shown.shape) > len(shown.sample) else ""
    said = numbers + more if shown.sample else shown.dtype
    return f"{shown.shape}  {said}" if shown.shape else said


def marked(source: str, span: Span) -> tuple[tuple[int, str, tuple[int, int] | None], ...]:
    """Return the lines of a span with the columns, counted in cells of a terminal, that it covers."""
    lines = source.split("\n")
    found: list[tuple[int, str, tuple[int, int] | None]] = []
    for number in range(span.line, min(span.end_line, span.line + _LINES - 1) + 1):
        if not 0 < number <= len(lines):
            continue
        line = lines[number - 1].rstrip("\r")
        first = span.column if number == span.line else len(line) - len(line.lstrip())
        last = span.end_column if number == span.end_line else len(line)
        shown = clean(line.expandtabs(4))
        start, end = (cells(clean(line[:at].expandtabs(4))) for at in (first, last))
        found.append((number, shown, (start, max(start + 1, end)) if last >= first else None))
    return tuple(found)


def edited(source: str, fix: Fix, all_of_it: Sequence[Fix] = ()) -> tuple[tuple[str, int, str], ...]:
    """Return the lines that a fix changes, before and after; after it, with the other fixes of these lines."""
    lines = source.split("\n")
    span = fix.span
    if not 0 < span.line <= span.end_line <= len(lines):
        return ()
    fixes = [one for one in all_of_it if span.line <= one.span.line and one.span.end_line <= span.end_line]
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]

    def piece(fix: Fix) -> Piece:
        start, end = starts[fix.span.line - 1] + fix.span.column, starts[fix.span.end_line - 1] + fix.span.end_column
        return Piece(start, end, fix.new)

    fixes = fixes if fix in fixes else [fix]
    more = sum(one.new.count("\n") - one.old.count("\n") for one in fixes)
    new = Patch.of(piece(one) for one in fixes).applied(source).split("\n")
    old, new = lines[span.line - 1 : span.end_line], new[span.line - 1 : span.end_line + more]
    return tuple(
        (sign, span.line + at, clean(text.expandtabs(4)))
        for sign, texts in (("-", old), ("+", new))
        for at, text in enumerate(texts)
    )


def _target(finding: Finding, language: str) -> str:
    named = finding.target or (finding.means if finding.kind == "missing_result" else "")
    line = finding.source.lstrip()
    if line.startswith("for "):
        return say(language, WORDS["target.loop"])
    return named or say(language, WORDS["target.return" if line.startswith("return") else "target.value"])


def _head(finding: Finding, language: str) -> str:
    holes = {
        "line": finding.span.line,
        "either": finding.either,
        "target": _target(finding, language),
        "reference": finding.means or "the reference",
    }
    if f"head.{finding.kind}" in WORDS:
        target = finding.target or say(language, WORDS["target.backward"])
        return say(language, WORDS[f"head.{finding.kind}"], **{**holes, "target": target})
    if finding.kind == "call_error" or _stops(finding):
        return say(language, WORDS["head.raises"], **holes)
    if finding.kind == "missing_result" and finding.target.startswith("self."):
        return say(language, WORDS["head.kept"], **holes)
    if finding.kind in ("return_order", "missing_result"):
        return say(language, WORDS["head.return"], **holes)
    if finding.kind == "in_place" and finding.severity == "harmless":
        return say(language, WORDS["head.caller"], **holes)
    key = finding.severity
    if finding.fix is not None and not finding.fix.old and finding.fix.new.startswith("\n"):
        return say(language, WORDS["head.insert"], **holes)
    if finding.either:
        return say(language, WORDS["head.either"], **holes)
    if key == "wrong":
        known = {"right": "wrong", "mended": "next", "": "bare"}[finding.reads]
        lacks = finding.kind == "path_missing" or finding.fix is not None
        certain = finding.means and finding.expected is not None  # what it should be is known
        key = known if finding.sure else "lacks" if lacks else "through" if certain else "doubt"
    return say(language, WORDS[f"head.{key}"], **holes)


def _stops(finding: Finding) -> bool:
    """Return whether a mistake shows as an exception."""
    return (
        finding.severity == "wrong"
        and re.match(r"[A-Z]\w*(Error|Exception|Exit|Iteration)\b", finding.reason) is not None
    )


def _in_words(finding: Finding, words: AbstractSet[str]) -> Finding:
    """Return a finding without the names of nodes inside an expression, as ``out_gather``, which nobody wrote."""

    def inner(names: Sequence[str]) -> bool:
        return any(("_" in name or "'" in name) and _known(name, words) not in words for name in names)

    edge = None if inner(finding.edge or ()) else finding.edge
    ratio = "" if inner(re.findall(r"[A-Za-z_]\w*'?", finding.ratio)) else finding.ratio
    return replace(finding, edge=edge, ratio=ratio)


def _means(finding: Finding, words: AbstractSet[str], language: str) -> str:
    """Return what the target should hold, where the report says so and the head does not."""
    if not finding.means or finding.severity not in ("wrong", "shape"):
        return ""
    if finding.kind in ("return_order", "call_error", "unwritten"):
        return ""
    holes = {"target": _target(finding, language), "means": finding.means}
    if finding.edge is not None and finding.kind not in ("path_missing", "path_twice", "path_sign"):
        key = "means.edge.same" if finding.means == finding.target else "means.edge"
        source, to = (_known(name, words) for name in finding.edge)
        return say(language, WORDS[key], **holes, source=source, to=to)
    name = node_of(finding.means)
    whole = name.rstrip("0123456789")
    if name not in words and whole not in ("", name):  # dx1, one of two paths into x
        return say(language, WORDS["means.part"], **holes, name=whole)
    if not name or _known(name, words) not in words:  # a node that nobody gave a name
        return ""
    if name not in words and _known(name, words) != name:  # s_matmul, inside s = q @ k.T / 2
        return say(language, WORDS["means.inside"], target=holes["target"], name=_known(name, words))
    return say(language, WORDS["means.same" if finding.means == finding.target else "means"], **holes, name=name)


def _holes(finding: Finding, words: AbstractSet[str], language: str) -> dict[str, object]:
    """Return what fills the sentences about a kind of mistake."""
    source, to = (_known(name, words) for name in finding.edge or ("", ""))
    edge = say(language, WORDS["edge_name" if finding.edge else "edge_name.none"], source=source, to=to)
    both = finding.expected is not None and finding.got is not None
    shapes = {"got": shape_of(finding.got), "expected": shape_of(finding.expected)}
    differ = both and shapes["got"] != shapes["expected"]
    minus, part = ".minus" if finding.ratio == "-1" else "", ".part" if finding.of_part else ""
    return {
        **shapes,
        "target": _target(finding, language),
        "by": say(language, WORDS[f"by{minus}{part}"], ratio=finding.ratio) if finding.ratio else "",
        "shapes": say(language, WORDS["shapes"], **shapes) if differ else "",
        "edge_name": edge,
        "edge_name_cap": edge[:1].upper() + edge[1:],
        "of": say(language, WORDS["of"], edge_name=edge) if finding.edge else "",
        "source": source or node_of(finding.means) or _target(finding, language),
        "to": to,
        "reason": " ".join(translated(line, language) for line in finding.reason.split("\n")),
    }


def _values(finding: Finding, language: str) -> tuple[tuple[str, str], ...]:
    if finding.expected is None or finding.got is None or finding.severity == "harmless":
        return ()
    if sample(finding.expected) == sample(finding.got):  # of a first round, in which it is not seen
        return ()
    return (
        (say(language, WORDS["expected"]), sample(finding.expected)),
        (say(language, WORDS["got"]), sample(finding.got)),
    )


def _alike(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how many tokens two texts begin with alike."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def smallest(old: str, new: str) -> tuple[str, str, str, str]:
    """Of an edit what really changes, in whole tokens: the text before it, old, new, and the text after it.

    >>> smallest("np.sum(a, axis=1)", "np.sum(a, axis=0)")
    ('np.sum(a, axis=', '1', '0', ')')
    """
    a, b = _TOKEN.findall(old), _TOKEN.findall(new)
    first = _alike(a, b)
    last = _alike(a[first:][::-1], b[first:][::-1])
    middle = slice(first, None if not last else -last)
    return "".join(a[:first]), "".join(a[middle]), "".join(b[middle]), "".join(a[len(a) - last :])


_TOKEN = re.compile(r"\s+|[\w.]*\w|\*\*|//|[<>=!]=|[^\w\s]")


def _fix(fix: Fix, language: str) -> str:
    before, old, new, after = smallest(fix.old, fix.new)
    if re.search(r"=\s*$", before):  # axis=1, not 1 alone
        name = re.findall(r"\w+\s*=\s*$", before)[-1:]
        old, new = "".join(name) + old, "".join(name) + new
    if "\n" in old + new or (new and any(text.count("(") != text.count(")") for text in (old, new))):
        old, new = fix.old, fix.new
    old, new = (clean(" ".join(text.split())) for text in (old, new))
    if not old and fix.new.startswith("\n"):
        return say(language, WORDS["fix.below"], line=fix.span.line, new=new)
    if not old:
        words = _TOKEN.findall(before.rstrip()) or _TOKEN.findall(after.lstrip())[:1]
        beside = WORDS["fix.after" if before.strip() else "fix.before"]
        place = say(language, beside, text=clean(words[-1])) if words else ""
        return say(language, WORDS["fix.insert"], line=fix.span.line, new=new, place=place)
    return say(language, WORDS["fix.replace" if new else "fix.drop"], line=fix.span.line, old=old, new=new)


def _proof(finding: Finding, language: str) -> str:
    """Return what was seen when the fix was tried, with those above it."""
    fix = finding.fix
    assert fix is not None
    if finding.severity == "forward":
        key = "forward"
    elif fix.whole:
        key = "whole" if fix.alone else "all"
    else:
        key = "part" if fix.right else "still"
    between = say(language, WORDS["list"])
    return say(
        language, WORDS[f"fix.{key}"], probes=fix.probes, reference=finding.means, right=between.join(fix.right),
        wrong=between.join(fix.wrong), above="" if fix.alone else say(language, WORDS["fix.above"]),
    )  # fmt: skip


def _known(name: str, words: AbstractSet[str]) -> str:
    """Return a node by a name that the student's text has.

    ``mu`` for ``mu_sum``, the sum inside ``mu = np.sum(x) / N``.
    """
    shorter = name
    while shorter not in words and "_" in shorter:
        shorter = shorter.rpartition("_")[0]
    return shorter if shorter in words else name


def _line(text: str) -> str:
    """Return what was filled in may come from anywhere: one line, and nothing that steers a terminal."""
    return clean(" ".join(text.split()))


def _unfinished(finding: Finding, code: Sequence[tuple[int, str, object]]) -> str:
    """Return what an exercise leaves to do on a line: to fill its blank, or to mend what it asserts.

    Empty for any other.
    """
    line = next((text for number, text, _ in code if number == finding.span.line), "")
    if re.search(r"(?<!\w)___(?!\w)", line.partition("#")[0]):
        return "blank"
    return "assertion" if line.lstrip().startswith("assert ") else ""


def told(report: Report, finding: Finding, *, hint: str, language: str) -> Told:
    """Return one of the findings of a report in words; `hint` is one of `HINTS`.

    Raises:
        GraphError: another hint level or language.
    """
    depth = level(hint)
    head = _line(_head(finding, language))
    source = report.source or "\n" * (finding.span.line - 1) + finding.source
    code = marked(source, finding.span)
    if key := _unfinished(finding, code):
        head = say(language, WORDS[f"head.{key}"], line=finding.span.line)
        return Told(head, code, (say(language, WORDS[f"step.{key}"]),))
    remark = finding.severity == "harmless"
    words = set(re.findall(r"\w+", source))
    finding = _in_words(finding, words)
    holes = _holes(finding, words, language)
    shown = finding.severity == "wrong" and "{reason}" not in "".join(
        phrase[0] for phrase in (MISTAKES[finding.kind].what, MISTAKES[finding.kind].why)
    )
    stops = [_line(str(holes["reason"]))] if finding.reason and (shown or _stops(finding)) else []  # as when it is run
    if not depth and not remark:
        return Told(head, code, tuple(stops))
    row, fix = MISTAKES[finding.kind], finding.fix
    counts = (fix.old.count("eps"), fix.new.count("eps")) if fix is not None else (finding.ratio.count("^(-"), 0)
    if row.name == "eps_missing" and counts[0] > counts[1]:
        row = EPS_EXTRA
    if finding.kind == "missing_result" and finding.target.startswith("self."):
        row = NOT_KEPT
    what, why, step = (_line(say(language, phrase, **holes)) for phrase in (row.what, row.why, row.step))
    if finding.kind == "unknown" and not finding.sure:  # that it is wrong would be too much
        what = why = ""
    sentences = [s for s in (*stops, _line(_means(finding, words, language)), what) if s]
    if not finding.target:  # "what is returned" begins one
        sentences = [s[:1].upper() + s[1:] for s in sentences]
    if finding.relation and (remark or depth > 1 or finding.relation == "times"):
        sentences.append(say(language, WORDS[f"off.{finding.relation}"], **{**holes, "formula": finding.formula}))
    sentences = [*dict.fromkeys(sentences), *([say(language, WORDS["why"]) + why] if why else [])]
    values = _values(finding, language)
    if depth < 2 or remark:
        return Told(head, code, tuple(sentences), values, "" if remark else say(language, WORDS["step"]) + step)
    if fix is None:
        told_ = say(language, WORDS["step"]) + step
        searched = finding.kind not in ("call_error", "unwritten", "no_return", "missing_result")
        proof = say(language, WORDS["fix.none"]) if searched else ""
        return Told(head, code, tuple(sentences), values, told_, proof=proof)
    others = [one.fix for one in report.findings if one.fix is not None and one.severity in ("wrong", "shape")]
    diff, proof = edited(source, fix, others), _proof(finding, language)
    return Told(head, code, tuple(sentences), values, _fix(fix, language), diff, proof)
