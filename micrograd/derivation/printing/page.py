"""Write a derivation as one HTML file: each step before and after, what changed marked, the rule and its reason.

The file asks the network for nothing. Its content-security-policy allows exactly its own script and style sheet, by
their hashes. Expressions are MathML with escaped names; everything else the script puts in as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from micrograd.derivation.kernel import Poly
from micrograd.derivation.printing.formulas import pretty
from micrograd.derivation.search import proof_of
from micrograd.derivation.wording import LANGUAGES, RULES, WORDS
from micrograd.drawing.palette import PALETTE

if TYPE_CHECKING:
    from micrograd.derivation.derivation import Derivation

__all__ = ["frame_of", "page_of"]

_FILES = Path(__file__).parent / "page_files"
_HOLE = re.compile(r"\{\{(\w+)\}\}")
_WORDS = ("title", "skip", "theme", "language", "steps", "before", "after", "facts", "uses", "in numpy", "result",
          "assumes", "previous", "next", "slider", "keys", "say")  # fmt: skip
_HEIGHT = 700


@lru_cache(maxsize=1)
def _style() -> str:
    light, dark = ("".join(f"--{role}:{pair[side]};" for role, pair in PALETTE.items()) for side in (0, 1))
    return f':root{{{light}}}:root[data-theme="dark"]{{{dark}}}\n{_file("style.css")}'


@lru_cache(maxsize=4)
def _file(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page_of(derivation: Derivation, lang: str) -> str:
    """Return the page of a derivation, in a language to begin with."""
    code, style = _file("script.js"), _style()
    title = WORDS["title"][LANGUAGES.index(lang)].format(name=derivation.name)
    data = json.dumps(_data(derivation, lang), ensure_ascii=False, separators=(",", ":"))
    holes = {
        "lang": {"en": "en", "zh": "zh-Hans"}[lang],
        "title": escape(title),
        "csp": (
            f"default-src 'none'; script-src {_hash(code)}; style-src {_hash(style)}; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        "style": style,
        "program": escape("\n".join(derivation.program)),
        "data": data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
        "script": code,
        "no_script": escape(WORDS["no script"][LANGUAGES.index(lang)]),
    }
    return _HOLE.sub(lambda hole: holes[hole[1]], _file("template.html"))


def frame_of(derivation: Derivation) -> str:
    """Return the page in a frame of its own, as a notebook shows it."""
    page = escape(page_of(derivation, derivation.lang))
    return (
        f'<iframe sandbox="allow-scripts" title="{escape(derivation.name)}" width="100%" height="{_HEIGHT}" '
        f'style="border:0" srcdoc="{page}"></iframe>'
    )


class _Store:
    """Keeps each expression once."""

    def __init__(self, derivation: Derivation) -> None:
        self._write, self._places = derivation.formulas.mathml, dict[str, int]()

    def place(self, p: Poly) -> int:
        return self._places.setdefault(self._write(p), len(self._places))

    def all(self) -> list[str]:
        return list(self._places)


def _data(derivation: Derivation, lang: str) -> dict[str, Any]:
    """Return everything that the script shows; texts in both languages."""
    store, shown = _Store(derivation), derivation.formulas
    facts: dict[str, int] = {}
    proofs: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for move in derivation.moves:
        own = []
        for left, right in move.facts:
            says = f"{shown.text(left)} = {shown.text(right)}"
            if says not in facts:
                facts[says] = len(proofs)
                proof = [store.place(p) for p in proof_of(derivation.search, left, right)]
                proofs.append({"sides": [store.place(left), store.place(right)], "proof": list(dict.fromkeys(proof))})
            own.append(facts[says])
        gone, fresh = shown.changed(move.before, move.after)
        steps.append({
            "line": pretty(move.line),
            "rule": move.rule,
            "before": store.place(move.before),
            "after": store.place(move.after),
            "gone": sorted(map(pretty, gone)),
            "fresh": sorted(map(pretty, fresh)),
            "uses": [pretty(n) for n in move.names],
            "facts": own,
            "code": derivation.line(move.line, move.after),
            "says": f"{shown.text(move.before)} → {shown.text(move.after)}",
        })  # fmt: skip
    both = [derivation.in_language(language) for language in LANGUAGES]
    return {
        "lang": LANGUAGES.index(lang),
        "words": {
            key.replace(" ", "_"): [
                text.format(name=derivation.name) if key == "title" else text for text in WORDS[key]
            ]
            for key in _WORDS
        },
        "rules": {key: [[RULES[key][part][i] for part in (0, 1)] for i in range(2)] for key in RULES},
        "expressions": store.all(),
        "facts": proofs,
        "steps": steps,
        "notes": [list(pair) for pair in zip(*(d.notes + d.assumptions for d in both), strict=True)],
        "badges": [list(pair) for pair in zip(*(d.badges for d in both), strict=True)],
    }
