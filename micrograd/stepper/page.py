"""The page: one HTML file with its style, its script and its data inside, which asks the network for nothing.

The template has a handful of holes, so they are filled here, each by text that is escaped for its place: a template
engine would be a dependency for the sake of six replacements. The content-security-policy allows exactly this script
and this style sheet, by their hashes; whatever a name may hold, no other can run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

from micrograd.drawing.palette import FONT, PALETTE
from micrograd.stepper.mathml import printable
from micrograd.stepper.page_text import LANGUAGES, PAGE
from micrograd.stepper.rules_js import rules
from micrograd.stepper.walk_data import encoded

__all__ = ["html_of", "policy", "script", "stylesheet"]

_HOLE = re.compile(r"\{\{(\w+)\}\}")


@lru_cache(maxsize=8)
def _file(name: str) -> str:
    return files("micrograd.stepper").joinpath("page", name).read_text(encoding="utf-8")


def script() -> str:
    """The one script: the table's rows in JavaScript, those declared since too, then the page's own."""
    return f"{rules()}{_file('script.js')}"


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The one style sheet: the pictures' colours by role, light and dark, what wears them, then the page's own."""
    light, dark = ("".join(f"--{role}:{pair[side]};" for role, pair in PALETTE.items()) for side in (0, 1))
    worn = "".join(f".{role}{{fill:var(--{role})}}.{role}-line{{stroke:var(--{role})}}" for role in PALETTE)
    return (
        f':root{{{light}}}:root[data-theme="dark"]{{{dark}}}.canvas text{{font-family:{FONT}}}\n'
        f".canvas{{{worn}}}\n{_file('style.css')}"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@lru_cache(maxsize=4)
def policy(script: str, style: str) -> str:
    """The content-security-policy of a page with this script and this style sheet."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def html_of(data: Mapping[str, Any], *, above: str = "", more_script: str = "", more_style: str = "") -> str:
    """The page for what `micrograd.stepper.walk_data.walk_data` answers.

    Args:
        data: what is walked through.
        above: HTML that stands above the walk, escaped by whoever wrote it.
        more_script: what belongs to it, after the page's own.
        more_style: the same of style.

    >>> from micrograd.tracing import trace
    >>> from micrograd.stepper.walk_data import walk_data
    >>> html_of(walk_data(trace(lambda a: a * a + a, 3.0 * __import__("numpy").ones(1)))).count("<script")
    2
    """
    code, style = script() + more_script, stylesheet() + more_style
    holes = {
        "lang": {"en": "en", "zh": "zh-Hans"}[data["lang"]],
        "title": escape(printable(data["title"])),
        "above": above,
        "csp": policy(code, style),
        "style": style,
        "data": encoded(data),
        "script": code,
        "no_script": escape(PAGE["no_script"][LANGUAGES.index(data["lang"])]),
    }
    return _HOLE.sub(lambda hole: holes[hole[1]], _file("template.html"))
