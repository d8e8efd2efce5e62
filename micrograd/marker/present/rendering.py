"""A report as text for a terminal and as data for JSON, and the words that every way to show it shares."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd.drawing.labels import cells, clean
from micrograd.marker.messages import WORDS, place, say, translated
from micrograd.marker.present.telling import Told, level, shape_of, told
from micrograd.marker.report import Finding, Output, Report

__all__ = [
    "count", "detail_of", "findings_of", "printed_by", "state_of", "steps_of", "summary", "title_of", "to_data",
    "to_text",
]  # fmt: skip

_WIDTH = 100
_PRINTED = 12  # lines of the student's own output that are shown
_PLAIN = ("unwritten", "call_error", "no_return")  # kinds of which a deeper hint says no more
_CODES = {"bold": "1", "red": "31", "green": "32", "blue": "34", "faint": "2"}


class _Pen:
    """Colours, where they are wanted."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, *styles: str) -> str:
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def findings_of(report: Report) -> tuple[list[Finding], list[Finding]]:
    """Return the mistakes, and the remarks."""
    mistakes = [finding for finding in report.findings if finding.severity in ("wrong", "shape", "forward")]
    return mistakes, [finding for finding in report.findings if finding not in mistakes]


def title_of(report: Report, language: str) -> str:
    """Return what was checked: the file and its two functions."""
    cell = "ipykernel" in report.file or report.file.startswith("<ipython")
    file = say(language, WORDS["cell"]) if cell else clean(place(report.file))
    if not report.backward:
        return file
    key = "title.loss" if report.forward == report.backward else "title"
    return say(language, WORDS[key], file=file, forward=report.forward, backward=report.backward)


def summary(report: Report, language: str) -> str:
    """Return the verdict in one sentence."""
    if report.verdict == "failed":
        return say(language, WORDS["failed"])
    if report.ok:
        shape = any(finding.severity == "shape" for finding in report.findings)
        excused = any(finding.kind in ("mean_convention", "guard") for finding in report.findings)
        key = "right.excused" if excused else "right.shape" if shape else "right"
        return say(language, WORDS[key], probes=report.probes)
    if report.unwritten:
        return say(language, WORDS["unwritten"])
    mistakes = findings_of(report)[0]
    count = len(mistakes)
    if count == 1 and mistakes[0].kind == "call_error":
        return say(language, WORDS["stops"])
    return say(language, WORDS["wrong.none" if not count else "wrong.one" if count == 1 else "wrong.more"], count=count)


def count(reports: Sequence[Report], language: str) -> str:
    """Return how many of several pairs are right, how many are not written yet, and how many could not be checked."""
    said = say(language, WORDS["summary"], right=sum(report.ok for report in reports), all=len(reports))
    apart = {
        "unwritten": sum(report.unwritten for report in reports),
        "failed": sum(report.verdict == "failed" and not report.unwritten for report in reports),
    }
    more = [say(language, WORDS[f"summary.{key}"], count=many) for key, many in apart.items() if many]
    ends = {"en": (". ".join([said.rstrip("."), *more]) + "."), "zh": "；".join([said.rstrip("。"), *more]) + "。"}
    return ends[language] if more else said


def _number(x: float) -> str:
    return f"{x:.1e}" if x and not 1e-3 <= abs(x) < 1e4 else f"{x:.3g}"


def detail_of(output: Output, language: str) -> str:
    """Return what is to be said of a gradient that came back: its shape, and how far off it is."""
    if output.got is None:
        return shape_of(output.expected) if output.right else say(language, WORDS["table.none"])
    if output.got.shape != output.expected.shape:
        return say(language, WORDS["table.shape"], got=shape_of(output.got), expected=shape_of(output.expected))
    if output.right:
        return shape_of(output.expected) + (say(language, WORDS["table.zero"]) if output.zero else "")
    if output.zero:
        return say(language, WORDS["table.not_zero"], error=_number(output.error))
    if not np.isfinite(output.error):
        return say(language, WORDS["table.nan"])
    return say(language, WORDS["table.off"], error=_number(output.error), bound=_number(output.bound))


def state_of(output: Output, language: str) -> str:
    """Return whether a gradient is right, in a word."""
    key = "right" if output.right else "wrong"
    if output.right and output.got is not None and output.got.shape != output.expected.shape:
        key = "shape"
    return say(language, WORDS[f"column.{key}"])


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def _table(report: Report, language: str, pen: _Pen) -> list[str]:
    rows = [(clean(o.name), state_of(o, language), detail_of(o, language), o.right) for o in report.outputs]
    if not rows:
        return []
    first, second = (max(cells(row[i]) for row in rows) for i in (0, 1))
    return [
        f"  {_pad(name, first)}  {pen(_pad(state, second), 'green' if right else 'red')}  {detail}".rstrip()
        for name, state, detail, right in rows
    ]


def _wrapped(text: str, indent: str) -> list[str]:
    """Return a paragraph in lines of a terminal's width.

    Chinese breaks between any two characters, two cells wide each.
    """
    if text.isascii() or cells(text) <= len(text) + 4:
        return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    lines, line = [], ""
    for character in text:
        if cells(line + character) > _WIDTH - len(indent) and character not in "，。；：、？！）":
            lines.append(indent + line)
            line = ""
        line += character
    return [*lines, indent + line]


def _paragraphs(shown: Told, pen: _Pen) -> list[str]:
    lines = [""]
    gutter = max((len(str(number)) for number, *_ in shown.code), default=1)
    for number, text, span in shown.code:
        lines.append(f"    {pen(f'{number:>{gutter}} |', 'faint')} {text}")
        if span is not None:
            start, end = span
            carets = pen("^" * (end - start), "red", "bold")
            lines.append(f"    {' ' * gutter} {pen('|', 'faint')} {' ' * start}{carets}")
    if shown.code:
        lines.append("")
    for sentence in shown.sentences:
        lines += _wrapped(sentence, "   ")
    width = max((cells(label) for label, _ in shown.values), default=0)
    for label, value in shown.values:
        lines.append(f"     {pen(_pad(label, width), 'faint')}  {value}")
    if shown.step:
        lines += ["", *_wrapped(shown.step, "   ")]
    for sign, number, text in shown.diff:
        lines.append(pen(f"    {number:>{gutter}} {sign} {text}", "red" if sign == "-" else "green"))
    lines += _wrapped(shown.proof, "   ") if shown.proof else []
    while lines and not lines[-1]:
        lines.pop()
    return lines


def printed_by(report: Report, language: str) -> list[str]:
    """Return what the student's code wrote, each line once: a check runs the code many times."""
    lines = list(dict.fromkeys(line for line in report.printed.split("\n") if line.strip()))
    more = len(lines) - _PRINTED
    rest = [say(language, WORDS["printed.more"], count=more)] if more > 0 else []
    return [clean(line[:_WIDTH]) for line in lines[:_PRINTED]] + rest


def steps_of(report: Report, hint: str, language: str) -> tuple[str, list[tuple[str, str]], str]:
    """Return the way to a compact solution: its heading, lines each with its rule, and what is proved of the solution.

    All empty where there is none, or where it would give the solution away.
    """
    if not report.steps or (level(hint) < 2 and not report.ok):
        return "", [], ""
    from micrograd.derivation.wording import RULES

    rows = []
    for line, text, rule, facts in report.steps:
        said = say(language, RULES[rule][0]) + (f": {facts}" if facts else "") if rule else ""
        rows.append((f"{line} = {text}" if line else f"  = {text}", said))
    equal = say(language, WORDS["steps.equal"], names=", ".join(report.proved)) if report.proved else ""
    return say(language, WORDS["steps"]), rows, equal


def _steps_text(report: Report, hint: str, language: str, pen: _Pen) -> list[str]:
    head, rows, equal = steps_of(report, hint, language)
    lines = ["", pen(head, "bold")] if head else []
    for text, said in rows:
        lines += textwrap.wrap(clean(text), _WIDTH, initial_indent="    ", subsequent_indent="        ")
        lines += [pen(f"          {clean(said)}", "faint")] if said else []
    return [*lines, *(["", *_wrapped(equal, "")] if equal else [])]


def to_text(report: Report, *, hint: str = "fix", language: str = "en", colour: bool = False) -> str:
    """Return the report as text, coloured for a terminal or plain; `hint` is one of `HINTS`: how much is given away.

    Raises:
        GraphError: another hint level or language.

    >>> print(to_text(Report("failed", "f", "g", "a.py", problem="a.py:3: ran out of memory")))
    a.py: g, checked against f
    Could not be checked. a.py:3: ran out of memory
    """
    depth, pen = level(hint), _Pen(colour)
    verdict = pen(summary(report, language), "bold", "green" if report.ok else "red")
    lines = [pen(title_of(report, language), "bold")]
    if report.verdict == "failed":
        why = translated(report.problem, language).split("\n")
        lines += [f"{verdict} {clean(why[0])}", *(clean(line) for line in why[1:])]
    else:
        lines += [verdict, *_wrapped(clean(translated(report.problem, language)), "")]
    table = _table(report, language, pen)
    lines += ["", *table] if table else []
    if report.tried:
        lines += ["", *_wrapped(say(language, WORDS["tried"], inputs=clean("; ".join(report.tried))), "")]
    mistakes, remarks = findings_of(report)
    if report.verdict == "failed":
        for finding in mistakes:
            lines += _paragraphs(Told("", told(report, finding, hint=hint, language=language).code), pen)
        mistakes = []
    for number, finding in enumerate([*mistakes, *remarks], 1):
        if number == len(mistakes) + 1:
            lines += ["", pen(say(language, WORDS["remarks"]), "bold")]
        shown = told(report, finding, hint=hint, language=language)
        sign = f"{number}." if number <= len(mistakes) else "-"
        lines += ["", *_headed(f"{sign} {shown.head}", pen), *_paragraphs(shown, pen)]
    lines += _steps_text(report, hint, language, pen)
    if printed := printed_by(report, language):
        lines += ["", say(language, WORDS["printed"]), *(f"    {line}" for line in printed)]
    if depth < 2 and any(finding.fix or finding.kind not in _PLAIN for finding in mistakes):
        deeper = ("kind", "fix")[depth]
        more = say(language, WORDS["level.more"], more=say(language, WORDS[f"level.{deeper}"]), level=deeper)
        lines += ["", pen(more, "faint")]
    return "\n".join(lines)


def to_data(report: Report, *, hint: str = "fix", language: str = "en") -> dict[str, Any]:
    """Return the report as data for JSON, with its sentences, and no more of it than the hint level gives away."""
    data: dict[str, Any] = json.loads(report.as_json())
    depth = level(hint)
    data["summary"] = summary(report, language)
    for entry, finding in zip(data["findings"], report.findings, strict=True):
        shown = told(report, finding, hint=hint, language=language)
        entry["said"] = [shown.head, *shown.sentences, *([shown.step] if shown.step else [])]
        if finding.severity == "harmless":
            continue
        entry["fix"] = entry["fix"] if depth > 1 else None
        if depth < 2 and entry["relation"] != "times":
            entry |= {"relation": "", "formula": ""}
        if not depth and finding.kind not in _PLAIN:
            entry.update(dict.fromkeys(("kind", "means", "ratio", "relation", "formula"), ""))
            entry.update(dict.fromkeys(("edge", "expected", "got")))
    if depth < 2 and not report.ok:
        data |= {"steps": [], "proved": []}
    return data


def _headed(text: str, pen: _Pen) -> list[str]:
    return [pen(line[3:] if i == 0 else line, "bold") for i, line in enumerate(_wrapped(text, "   "))]
