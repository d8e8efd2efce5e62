"""Write the page: one HTML file with its style, its script and its data, which asks the network for nothing.

The template has a handful of holes, which are filled here, each by text that is escaped for its place: a template
engine would be a dependency for the sake of eight replacements. The content-security-policy allows exactly this script
and this style sheet, by their hashes; whatever a name may hold, no other can run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import quote

from micrograd.drawing.engines import NO_ENGINE
from micrograd.drawing.palette import FONT, PALETTE
from micrograd.errors import MissingExtraError
from micrograd.stepper.mathml import printable
from micrograd.stepper.page_data import encoded
from micrograd.stepper.page_script import page_file, script
from micrograd.stepper.page_text import COMPACT, LANGUAGES, PAGE

__all__ = ["html_of", "policy", "script", "stylesheet"]

_HOLE = re.compile(r"\{\{(\w+)\}\}")
_IDLE = re.compile(r"/\*.*?\*/|(?<=[{};,])\s+|\s+(?=[{}])", re.DOTALL)  # of a style sheet


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """Return the style sheet: the colours by role, light and dark, the classes that use them, then ``style.css``."""
    light, dark = ("".join(f"--{role}:{pair[side]};" for role, pair in PALETTE.items()) for side in (0, 1))
    classes = "".join(f".{role}{{fill:var(--{role})}}.{role}-line{{stroke:var(--{role})}}" for role in PALETTE)
    return (
        f':root{{{light}}}:root[data-theme="dark"]{{{dark}}}.canvas text{{font-family:{FONT}}}\n'
        f".canvas{{{classes}}}\n{_IDLE.sub('', page_file('style.css'))}"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@lru_cache(maxsize=4)
def policy(script: str, style: str) -> str:
    """Return the content-security-policy of a page with this script and this style sheet."""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


_LINK_STYLE = (
    "body{grid-template-rows:auto auto minmax(0,1fr) auto}.compact{margin:0 1rem .5rem;font-size:.92rem}"
    ".compact a{color:var(--ink)}"
    ':root:not([lang^="zh"]) .compact [lang^="zh"],:root[lang^="zh"] .compact [lang="en"]{display:none}'
)


def _link(file: str) -> str:
    """Return the link to a derivation that lies beside the page, in each language."""
    said = zip(("en", "zh-Hans"), COMPACT, strict=True)
    texts = "".join(f'<span lang="{tag}">{escape(text)}</span>' for tag, text in said)
    return f'<p class="compact"><a href="{quote(file)}">{texts}</a></p>\n'


def html_of(
    data: Mapping[str, Any], *, above: str = "", more_script: str = "", more_style: str = "", derivation: str = ""
) -> str:
    """Return the page of a walk.

    Args:
        data: what `micrograd.stepper.page_data.walk_data` returns.
        above: HTML to put above the walk; the caller has escaped it.
        more_script: JavaScript for it, put after the page's own.
        more_style: CSS for it, put after the page's own.
        derivation: the name of a file beside the page that derives the compact formula; the page links to it.

    Raises:
        MissingExtraError: the data has no picture, for there is no layout engine here; the walk is there as text.

    >>> from micrograd.tracing import trace
    >>> from micrograd.stepper.page_data import walk_data
    >>> html_of(walk_data(trace(lambda a: a * a + a, 3.0 * __import__("numpy").ones(1)))).count("<script")
    2
    """
    if not data["svg"]:
        raise MissingExtraError(NO_ENGINE)
    if derivation:
        above, more_style = above + _link(derivation), more_style + _LINK_STYLE
    operations = {node["op"] for graph in data["graphs"].values() if graph for node in graph["nodes"]}
    training = "training" in data
    if training:
        above += page_file("training.html")
        more_style += page_file("training.css")
    code = script(operations, "training.js" if training else "main.js") + more_script
    style = stylesheet() + more_style
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
    return _HOLE.sub(lambda hole: holes[hole[1]], page_file("template.html"))
