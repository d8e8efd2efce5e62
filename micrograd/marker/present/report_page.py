"""A report as one page for the browser: the findings above, below them the walk, in which the wrong edge pulses.

The page is that of `micrograd.stepper`, with its content-security-policy: one file, no network, no other script.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

from micrograd.drawing.labels import clean
from micrograd.marker.gradient_names import node_of
from micrograd.marker.messages import HTML_TAGS, LANGUAGES, WORDS, say
from micrograd.marker.present.fragment import (
    STYLE,
    code_html,
    fix_html,
    head_html,
    outputs_html,
    said_html,
    steps_html,
    to_html,
    tried_html,
    verdict_html,
)
from micrograd.marker.present.rendering import findings_of
from micrograd.marker.present.telling import level, told
from micrograd.marker.report import Finding, Report
from micrograd.stepper.page import html_of, policy

__all__ = ["page_of"]


@lru_cache(maxsize=2)
def _file(name: str) -> str:
    return files("micrograd.marker.present").joinpath("page_files", name).read_text(encoding="utf-8")


def _places(finding: Finding, walk: Mapping[str, Any]) -> dict[str, str]:
    """Return where in the walk a finding belongs: its edges or nodes, and the step that shows them."""
    nodes, steps = walk["graphs"]["forward"]["nodes"], walk["steps"]
    if finding.edge is not None:
        source, target = finding.edge
        edges = [
            (s, t, slot)
            for t, node in enumerate(nodes)
            if target in (node["name"], node["statement"])
            for slot, s in enumerate(node["operands"])
            if isinstance(s, int) and nodes[s]["name"] == source
        ]
        shown = [
            number
            for number, step in enumerate(steps, 1)
            if step["edge"] and (step["edge"]["operand"], step["node"], step["edge"]["slot"]) in edges
        ]
        if edges:
            ends = " ".join(f"{s}-{t}-{slot}" for s, t, slot in edges)
            return {"edges": ends, "step": str(shown[0]) if shown else ""}
    name = node_of(finding.means)
    found = [i for i, node in enumerate(nodes) if node["name"] == name]
    found = found or [i for i, node in enumerate(nodes) if name and node["statement"] == name][-1:]
    shown = [
        number
        for number, step in enumerate(steps, 1)
        if step["phase"] == "backward" and (step["edge"] or {"operand": step["node"]})["operand"] in found
    ][-1:]  # its gradient, whole: a step of its own, or the one edge that brings it
    return {"nodes": " ".join(map(str, found)), "step": str(shown[0]) if shown else ""} if found else {}


def _button(finding: Finding, number: int, walk: Mapping[str, Any], language: str) -> str:
    places = _places(finding, walk)
    if not places:
        return ""
    places["lines"] = f"{finding.span.line}-{finding.span.end_line}"
    data = "".join(f' data-{key}="{value}"' for key, value in places.items() if value)
    if "edges" in places and finding.edge is not None:
        label = say(language, WORDS["page.edge"], source=finding.edge[0], to=finding.edge[1])
    else:
        label = say(language, WORDS["page.node"], name=node_of(finding.means))
    button = f'<button type="button" data-finding="{number}"{data} aria-pressed="false">'
    return f"<p>{button}{escape(clean(label))}</button></p>"


def _panel(report: Report, walk: Mapping[str, Any], hint: str, language: str) -> str:
    mistakes, remarks = findings_of(report)
    parts = [verdict_html(report, language), outputs_html(report, language)]
    pointed = False
    for number, finding in enumerate([*mistakes, *remarks]):
        if number == len(mistakes):
            parts.append(f"<p>{escape(say(language, WORDS['remarks']))}</p>")
        shown = told(report, finding, hint=hint, language=language)
        button = _button(finding, number, walk, language)
        pointed = pointed or bool(button)
        head = head_html(shown, number + 1 if number < len(mistakes) else 0)
        parts.append(
            f'<article>{head}<div class="seen">{code_html(shown)}{button}</div>'
            f'<div class="said">{said_html(shown)}</div><div class="mended">{fix_html(shown)}</div></article>'
        )
    parts += [tried_html(report, language), steps_html(report, hint, language)]  # after the findings: little room
    if pointed:
        parts.append(f'<p class="proof">{escape(say(language, WORDS["page.legend"]))}</p>')
    title = escape(say(language, WORDS["page.findings"]))
    return f'<div lang="{HTML_TAGS[language]}"><h2>{title}</h2>{"".join(parts)}</div>'


def page_of(report: Report, walk: Mapping[str, Any] | None = None, *, hint: str = "fix", language: str = "en") -> str:
    """Return the page of a report.

    Args:
        report: what is shown.
        walk: the walk through the forward (`micrograd.stepper.page_data.walk_data`); without it the findings alone.
        hint: how much is given away, as for `micrograd.marker.present.telling.told`.
        language: to begin with; with a walk the page has a switch.

    Raises:
        GraphError: another hint level or language.
    """
    title = f"{os.path.basename(report.file)}: {say(language, WORDS['page.title'], backward=report.backward)}"
    if walk is None or level(hint) < 2:  # the walk shows every rule
        return _alone(report, title, hint, language)
    above = "".join(_panel(report, walk, hint, language) for language in LANGUAGES)
    own = _own_lines(report)
    data = {**walk, "title": title, "lang": language, "sources": [*walk["sources"], *own]}
    label = escape(say(language, WORDS["page.findings"]))
    theirs = f' data-own="{len(walk["sources"])}"' if own else ""
    section = f'<section id="check" aria-label="{label}" tabindex="0"{theirs}>{above}</section>\n'
    return html_of(data, above=section, more_script=_file("check.js"), more_style=_file("check.css"))


def _own_lines(report: Report) -> list[dict[str, Any]]:
    """Return the student's backward as a block of source, to stand beside the graph; none where it cannot be read."""
    try:
        tree = ast.parse(report.source)
    except (SyntaxError, ValueError):
        return []
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == report.backward.split(".")[-1]]
    if not found:
        return []
    first, last = found[-1].lineno, found[-1].end_lineno or found[-1].lineno
    lines = report.source.splitlines()[first - 1 : last]
    return [{"name": report.backward, "file": os.path.basename(report.file), "first": first, "lines": lines}]


def _alone(report: Report, title: str, hint: str, language: str) -> str:
    """Return the findings alone, for a forward that cannot be walked through."""
    style = STYLE + "html{color-scheme:light dark}body{margin:1.5rem}"
    return (
        f'<!doctype html>\n<html lang="{HTML_TAGS[language]}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy("", style)}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(clean(title))}</title>'
        f"<style>{style}</style></head>"
        f"<body>{to_html(report, hint=hint, language=language, style='')}</body></html>\n"
    )
