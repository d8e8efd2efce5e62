"""A report as a fragment of HTML: what a notebook shows, and in pieces what the page is made of."""

from __future__ import annotations

from html import escape

from micrograd.drawing.labels import cells, clean
from micrograd.marker.messages import HTML_TAGS, WORDS, say, translated
from micrograd.marker.present.rendering import (
    detail_of,
    findings_of,
    printed_by,
    state_of,
    steps_of,
    summary,
    title_of,
)
from micrograd.marker.present.telling import Told, level, told
from micrograd.marker.report import Report

__all__ = [
    "STYLE", "code_html", "fix_html", "head_html", "outputs_html", "said_html", "steps_html", "to_html", "tried_html",
    "verdict_html",
]  # fmt: skip


STYLE = (
    ".mg-check{font:14px/1.5 system-ui,sans-serif;max-width:60rem}.mg-check h3{font-size:1em;margin:1em 0 .3em}"
    ".mg-check pre{padding:.5em .8em;border:1px solid #8885;border-radius:.4em;overflow:auto;line-height:1.4}"
    ".mg-check mark{color:inherit;background:#d9363e33;border-bottom:2px solid #d9363e}"
    ".mg-check p{margin:.3em 0}.mg-check td,.mg-check th{text-align:left;padding:.1em .8em .1em 0;background:none}"
    ".mg-check .outputs td:nth-child(2){white-space:nowrap}.mg-check .number{opacity:.6}"
    ".mg-check .bad td,.mg-check .failed b,.mg-check .wrong b,.mg-check .old{color:#d9363e}"
    ".mg-check .right b,.mg-check .new{color:#2e8b45}.mg-check .diff{border:0;padding:0}"
)


def _character(text: str, cell: int) -> int:
    """Return the index of the character that begins at a cell of a terminal."""
    at = 0
    while at < len(text) and cells(text[:at]) < cell:
        at += 1
    return at


def head_html(shown: Told, number: int) -> str:
    """Return where, and what is wrong there, with its number before it; 0 for a remark, which has none."""
    return f"<h3>{f'{number}. ' if number else ''}{escape(clean(shown.head))}</h3>"


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


def steps_html(report: Report, hint: str, language: str) -> str:
    """Return the way to a compact solution, to be unfolded."""
    head, rows, equal = steps_of(report, hint, language)
    if not head:
        return ""
    body = "".join(f"<tr><td>{escape(clean(text))}</td><td>{escape(clean(said))}</td></tr>" for text, said in rows)
    more = f"<p>{escape(clean(equal))}</p>" if equal else ""
    return f'<details class="steps"><summary>{escape(head)}</summary><table>{body}</table>{more}</details>'


def outputs_html(report: Report, language: str) -> str:
    """Return the gradients that came back, as a table."""
    rows = "".join(
        f'<tr class="{"ok" if o.right else "bad"}"><th>{escape(clean(o.name))}</th>'
        f"<td>{escape(state_of(o, language))}</td><td>{escape(detail_of(o, language))}</td></tr>"
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


def to_html(report: Report, *, hint: str = "fix", language: str = "en", style: str = STYLE) -> str:
    """Return the report as a fragment of HTML, without scripts; its style is inside, unless that stands elsewhere.

    Raises:
        GraphError: another hint level or language.
    """
    level(hint)
    mistakes, remarks = findings_of(report)
    parts = []
    for number, finding in enumerate([*mistakes, *remarks], 1):
        if number == len(mistakes) + 1:
            parts.append(f"<p>{escape(say(language, WORDS['remarks']))}</p>")
        shown = told(report, finding, hint=hint, language=language)
        if report.verdict == "failed" and number <= len(mistakes):
            parts.append(code_html(shown))
            continue
        head = head_html(shown, number if number <= len(mistakes) else 0)
        parts.append(head + code_html(shown) + said_html(shown) + fix_html(shown))
    parts.append(steps_html(report, hint, language))
    if printed := printed_by(report, language):
        parts.append(f"<p>{escape(say(language, WORDS['printed']))}</p><pre>{escape(chr(10).join(printed))}</pre>")
    return (
        f'<section class="mg-check" lang="{HTML_TAGS[language]}">{f"<style>{style}</style>" if style else ""}'
        f"<p>{escape(title_of(report, language))}</p>"
        f"{verdict_html(report, language)}{outputs_html(report, language)}{tried_html(report, language)}"
        f"{''.join(parts)}</section>"
    )
