"""A report as text for a terminal, and as a fragment of HTML for a notebook."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from micrograd.drawing.labels import cells, clean
from micrograd.marker.messages import HTML_TAGS, WORDS, place, say, translated
from micrograd.marker.present.telling import Told, level, shape_of, told
from micrograd.marker.report import Finding, Output, Report

__all__ = [
    "code_html", "count", "findings_of", "fix_html", "head_html", "numbered", "outputs_html", "said_html", "steps_html",
    "summary", "to_data", "to_html", "to_text", "tried_html", "verdict_html",
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


def _title(report: Report, language: str) -> str:
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
        if any(finding.kind in ("mean_convention", "guard") for finding in report.findings):
            return say(language, WORDS["right.excused"], probes=report.probes)
        return say(language, WORDS["right.shape" if shape else "right"], probes=report.probes)
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


def _detail(output: Output, language: str) -> str:
    """Return what is to be said of a gradient that came back: its shape, and how far off it is."""
    if output.got is None:
        return shape_of(output.expected) if output.right else say(language, WORDS["table.none"])
    if output.got.shape != output.expected.shape:
        return say(language, WORDS["table.shape"], got=shape_of(output.got), expected=shape_of(output.expected))
    if output.right:
        zero = say(language, WORDS["table.zero"]) if output.zero else ""
        return shape_of(output.expected) + zero
    if output.zero:
        return say(language, WORDS["table.not_zero"], error=_number(output.error))
    if not np.isfinite(output.error):
        return say(language, WORDS["table.nan"])
    return say(language, WORDS["table.off"], error=_number(output.error), bound=_number(output.bound))


def _state(output: Output, language: str) -> str:
    key = "right" if output.right else "wrong"
    if output.right and output.got is not None and output.got.shape != output.expected.shape:
        key = "shape"
    return say(language, WORDS[f"column.{key}"])


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def _table(report: Report, language: str, pen: _Pen) -> list[str]:
    rows = [(clean(o.name), _state(o, language), _detail(o, language), o.right) for o in report.outputs]
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
            lines.append(
                f"    {' ' * gutter} {pen('|', 'faint')} {' ' * start}{pen('^' * (end - start), 'red', 'bold')}"
            )
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


def _printed(report: Report, language: str) -> list[str]:
    """Return what the student's code wrote, each line once: a check runs the code many times."""
    lines = list(dict.fromkeys(line for line in report.printed.split("\n") if line.strip()))
    if not lines:
        return []
    shown = [f"    {clean(line[:_WIDTH])}" for line in lines[:_PRINTED]]
    more = len(lines) - len(shown)
    return [
        "",
        say(language, WORDS["printed"]),
        *shown,
        *([f"    {say(language, WORDS['printed.more'], count=more)}"] if more else []),
    ]


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


def steps_html(report: Report, hint: str, language: str) -> str:
    """Return the way to a compact solution, to be unfolded."""
    head, rows, equal = steps_of(report, hint, language)
    if not head:
        return ""
    body = "".join(f"<tr><td>{escape(clean(text))}</td><td>{escape(clean(said))}</td></tr>" for text, said in rows)
    more = f"<p>{escape(clean(equal))}</p>" if equal else ""
    return f'<details class="steps"><summary>{escape(head)}</summary><table>{body}</table>{more}</details>'


def to_text(report: Report, *, hint: str = "fix", language: str = "en", colour: bool = False) -> str:
    """Return the report as text.

    Args:
        report: what is shown.
        hint: ``where``, ``kind`` or ``fix``: how much is given away.
        language: ``en`` or ``zh``.
        colour: whether to colour it for a terminal.

    Raises:
        GraphError: another hint level or language.

    >>> print(to_text(Report("failed", "f", "g", "a.py", problem="a.py:3: ran out of memory")))
    a.py: g, checked against f
    Could not be checked. a.py:3: ran out of memory
    """
    depth, pen = level(hint), _Pen(colour)
    verdict = pen(summary(report, language), "bold", "green" if report.ok else "red")
    lines = [pen(_title(report, language), "bold")]
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
    for number, finding in enumerate(mistakes, 1):
        shown = told(report, finding, hint=hint, language=language)
        lines += ["", *_headed(f"{number}. {shown.head}", pen), *_paragraphs(shown, pen)]
    if remarks:
        lines += ["", pen(say(language, WORDS["remarks"]), "bold")]
    for finding in remarks:
        shown = told(report, finding, hint=hint, language=language)
        lines += ["", *_headed(f"- {shown.head}", pen), *_paragraphs(shown, pen)]
    lines += _steps_text(report, hint, language, pen)
    lines += _printed(report, language)
    if depth < 2 and any(finding.fix or finding.kind not in _PLAIN for finding in mistakes):
        more = ("kind", "fix")[depth]
        lines += [
            "",
            pen(say(language, WORDS["level.more"], more=say(language, WORDS[f"level.{more}"]), level=more), "faint"),
        ]
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
            entry |= {"kind": "", "means": "", "edge": None, "expected": None, "got": None, "ratio": ""}
            entry |= {"relation": "", "formula": ""}
    if depth < 2 and not report.ok:
        data |= {"steps": [], "proved": []}
    return data


def _headed(text: str, pen: _Pen) -> list[str]:
    return [pen(line[3:] if i == 0 else line, "bold") for i, line in enumerate(_wrapped(text, "   "))]


# ---- HTML ----------------------------------------------------------------------------------------------------------


def _character(text: str, cell: int) -> int:
    """Return the index of the character that begins at a cell of a terminal."""
    at = 0
    while at < len(text) and cells(text[:at]) < cell:
        at += 1
    return at


def head_html(shown: Told) -> str:
    """Return where, and what is wrong there."""
    return f"<h3>{escape(clean(shown.head))}</h3>"


def code_html(shown: Told) -> str:
    """Return the student's lines with the place marked."""
    lines = []
    for number, text, span in shown.code:
        body = escape(text)
        if span is not None:
            start, end = (_character(text, cell) for cell in span)
            body = f"{escape(text[:start])}<mark>{escape(text[start:end] or ' ')}</mark>{escape(text[end:])}"
        lines.append(f'<span class="number">{number}</span> {body}')
    return f"<pre>{chr(10).join(lines)}</pre>" if lines else ""


def said_html(shown: Told) -> str:
    """Return what it should be, what kind of mistake it is, why, and the step to take."""
    rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in shown.values)
    return (
        "".join(f"<p>{escape(clean(sentence))}</p>" for sentence in shown.sentences)
        + (f"<table>{rows}</table>" if rows else "")
        + (f'<p class="step">{escape(clean(shown.step))}</p>' if shown.step else "")
    )


def fix_html(shown: Told) -> str:
    """Return the lines before and after the fix, and on what it has been tried."""
    diff = "\n".join(
        f'<span class="{"old" if sign == "-" else "new"}">{number} {sign} {escape(text)}</span>'
        for sign, number, text in shown.diff
    )
    return (f'<pre class="diff">{diff}</pre>' if diff else "") + (
        f'<p class="proof">{escape(shown.proof)}</p>' if shown.proof else ""
    )


def _finding_html(shown: Told, number: int) -> str:
    return head_html(numbered(shown, number)) + code_html(shown) + said_html(shown) + fix_html(shown)


def numbered(shown: Told, number: int) -> Told:
    """Return the same with its number before it; 0 for a remark, which has none."""
    return replace(shown, head=f"{number}. {shown.head}") if number else shown


def outputs_html(report: Report, language: str) -> str:
    """Return the gradients that came back, as a table."""
    rows = "".join(
        f'<tr class="{"ok" if o.right else "bad"}"><th>{escape(clean(o.name))}</th>'
        f"<td>{escape(_state(o, language))}</td><td>{escape(_detail(o, language))}</td></tr>"
        for o in report.outputs
    )
    return f'<table class="outputs">{rows}</table>' if rows else ""


def tried_html(report: Report, language: str) -> str:
    """Return the inputs that the backward was tried with."""
    if not report.tried:
        return ""
    return f"<p>{escape(clean(say(language, WORDS['tried'], inputs='; '.join(report.tried))))}</p>"


def verdict_html(report: Report, language: str) -> str:
    """Return the verdict, and why there is none, or no line."""
    said = " ".join(translated(report.problem, language).split("\n"))
    return f'<p class="verdict {report.verdict}"><b>{escape(summary(report, language))}</b> {escape(clean(said))}</p>'


_STYLE = (
    ".mg-check{font:14px/1.5 system-ui,sans-serif;max-width:60rem}.mg-check h3{font-size:1em;margin:1em 0 .3em}"
    ".mg-check pre{padding:.5em .8em;border:1px solid #8885;border-radius:.4em;overflow:auto;line-height:1.4}"
    ".mg-check mark{color:inherit;background:#d9363e33;border-bottom:2px solid #d9363e}"
    ".mg-check p{margin:.3em 0}.mg-check td,.mg-check th{text-align:left;padding:.1em .8em .1em 0;background:none}"
    ".mg-check .outputs td:nth-child(2){white-space:nowrap}.mg-check .number{opacity:.6}"
    ".mg-check .bad td,.mg-check .failed b,.mg-check .wrong b,.mg-check .old{color:#d9363e}"
    ".mg-check .right b,.mg-check .new{color:#2e8b45}.mg-check .diff{border:0;padding:0}"
)


def to_html(report: Report, *, hint: str = "fix", language: str = "en") -> str:
    """Return the report as a fragment of HTML, with its style inside and no script.

    Args:
        report: what is shown.
        hint: ``where``, ``kind`` or ``fix``: how much is given away.
        language: ``en`` or ``zh``.

    Raises:
        GraphError: another hint level or language.
    """
    level(hint)
    mistakes, remarks = findings_of(report)
    failed = report.verdict == "failed"
    parts = [code_html(told(report, one, hint=hint, language=language)) for one in mistakes if failed]
    parts += [
        _finding_html(told(report, finding, hint=hint, language=language), number)
        for number, finding in enumerate(mistakes, 1)
        if not failed
    ]
    if remarks:
        parts.append(f"<p>{escape(say(language, WORDS['remarks']))}</p>")
        parts += [_finding_html(told(report, f, hint=hint, language=language), 0) for f in remarks]
    parts.append(steps_html(report, hint, language))
    printed: Sequence[str] = _printed(report, language)
    if printed:
        parts.append(f"<p>{escape(printed[1])}</p><pre>{escape(chr(10).join(line[4:] for line in printed[2:]))}</pre>")
    return (
        f'<section class="mg-check" lang="{HTML_TAGS[language]}"><style>{_STYLE}</style>'
        f"<p>{escape(_title(report, language))}</p>"
        f"{verdict_html(report, language)}{outputs_html(report, language)}{tried_html(report, language)}"
        f"{''.join(parts)}</section>"
    )
