"""Build the playground's page: one file that holds Python, NumPy and micrograd, or a folder for a web server."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from micrograd.drawing.palette import PALETTE
from micrograd.drawing.picture import write
from micrograd.errors import GraphError
from micrograd.marker.exercises.exercise_messages import EXERCISES
from micrograd.marker.exercises.exercises import LESSONS
from micrograd.playground.lab_text import LAB, LANGUAGES, START, words
from micrograd.playground.own_files import own_parts
from micrograd.playground.release import ADDRESS, LOCK, Part, Release, public_parts
from micrograd.stepper.page_data import encoded
from micrograd.stepper.page_script import join_modules

__all__ = ["GENERATOR", "Playground", "fragment", "lab_file", "playground_of", "start"]

GENERATOR = '<meta name="generator" content="micrograd playground">'
"""By which a page is known to be ours."""
_HOLE = re.compile(r"\{\{(\w+)\}\}")
_FOLDER = "files"  # in which the parts lie, beside the page


@dataclass(frozen=True, slots=True)
class Playground:
    """Hold the page, and the files beside it where it is a folder's.

    Attributes:
        html: the page.
        beside: content of the other files, by path; none where the page is one file.
        source: where Python comes from: ``inside`` the file, the ``folder``, or the ``public`` address.
    """

    html: str
    beside: dict[str, bytes] = field(default_factory=dict)
    source: Literal["inside", "folder", "public"] = "inside"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, or with what lies beside it to a folder, as ``index.html``; return its path."""
        if not self.beside:
            return write(path, self.html)
        for name, content in self.beside.items():
            write(Path(path, name), content)
        return write(Path(path, "index.html"), self.html)


@lru_cache(maxsize=64)
def lab_file(name: str) -> str:
    """Return a file of ``lab_page/``, by its path in it."""
    return files("micrograd.playground").joinpath("lab_page", *name.split("/")).read_text(encoding="utf-8")


def start(lang: str = "en") -> str:
    """Return the text that a page begins with where no other is given: a backward with a mistake in it.

    >>> start("zh").splitlines()[0]
    '# 这个反向传播有一行是错的。请按“检查”。'
    """
    return f"{START[LANGUAGES.index(lang)]}\n{lab_file('start.txt')}"


def fragment(text: str, lang: str = "en") -> str:
    """Return what to put after the address of a playground, so that it begins with this text.

    >>> fragment("x = 1")
    '#code=eCA9IDE&lang=en'
    """
    return f"#code={base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}&lang={lang}"


def _stylesheet() -> str:
    light, dark = ("".join(f"--{role}:{pair[side]};" for role, pair in PALETTE.items()) for side in (0, 1))
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n{lab_file('style.css')}"


def _packed(content: bytes) -> bytes:
    """Return the content compressed, the same for the same content; as it is where that is shorter."""
    smaller = gzip.compress(content, 9, mtime=0)
    return smaller if len(smaller) < len(content) else content


def _integrity(content: bytes) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content).digest()).decode()}"


def _policy(beside: bool, parts: tuple[Part, ...]) -> str:
    """Return the content-security-policy: whatever runs in the page, it reaches nothing but the parts of the page."""
    address = urlsplit(ADDRESS)
    public = any(part.content is None for part in parts)
    reached = ["'self'"] * beside + [f"{address.scheme}://{address.netloc}"] * public or ["'none'"]
    return (
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; worker-src blob:; "
        f"style-src 'unsafe-inline'; img-src data: blob:; frame-src blob:; connect-src {' '.join(reached)}; "
        "base-uri 'none'; form-action 'none'"
    )


def playground_of(
    text: str | None = None,
    file: str = "yours.py",
    *,
    version: str,
    lang: str = "en",
    release: Release | None = None,
    folder: bool = False,
    seconds: tuple[float, float] = (10.0, 30.0),
) -> Playground:
    """Return the playground with a text in its editor.

    Args:
        text: what stands in the editor; a backward with a mistake in it where left out.
        file: the name that the text goes by.
        version: of micrograd.
        lang: the language to begin with, ``en`` or ``zh``.
        release: of Pyodide, which is put into the page; without one the page loads it from `release.ADDRESS`.
        folder: make a folder for a web server rather than one file.
        seconds: after which a loop in the text is ended, and after which Python is.

    Raises:
        GraphError: an unknown language; a package that goes into the page is not as it was installed.
    """
    if lang not in LANGUAGES:
        raise GraphError(f'lang is {lang!r}; expected "en" or "zh".')
    parts = (*(public_parts() if release is None else release.parts), *own_parts(version))
    beside: dict[str, bytes] = {}
    inline: list[str] = []
    listed: list[dict[str, Any]] = []
    for part in parts:
        entry: dict[str, Any] = {"name": part.name, "what": part.what, "sha256": part.sha256}
        if part.content is None:
            entry |= {"at": ADDRESS + part.name, "integrity": _integrity_of(part.sha256)}
        elif folder:
            stored = _packed(part.content)
            beside[f"{_FOLDER}/{part.name}.packed"] = stored
            entry |= {"at": f"{_FOLDER}/{part.name}.packed", "integrity": _integrity(stored)}
        else:
            content = base64.b64encode(_packed(part.content)).decode()
            inline.append(f'<script type="text/plain" id="part-{len(listed)}">{content}</script>\n')
            entry |= {"at": "", "integrity": ""}
        listed.append(entry)
    source: Literal["inside", "folder", "public"] = "public" if release is None else "folder" if folder else "inside"
    data = {
        "lang": lang,
        "words": words(),
        "text": start(lang) if text is None else text,
        "file": file,
        "source": source,
        "address": ADDRESS,
        "parts": listed,
        "lock": LOCK,
        "seconds": {"loop": seconds[0], "all": seconds[1]},
        "lessons": list(LESSONS),
        "kinds": list(EXERCISES),
    }
    holes = {
        "lang": {"en": "en", "zh": "zh-Hans"}[lang],
        "csp": escape(_policy(bool(beside), parts), quote=True),
        "generator": GENERATOR,
        "title": escape(LAB["title"][LANGUAGES.index(lang)]),
        "no_script": escape(LAB["no_script"][LANGUAGES.index(lang)]),
        "style": _stylesheet(),
        "data": encoded(data),
        "parts": "".join(inline),
        "worker": join_modules("worker/worker.js", lab_file),
        "script": join_modules("main.js", lab_file),
    }
    html = _HOLE.sub(lambda hole: holes[hole[1]], lab_file("template.html"))
    return Playground(html, beside, source)


def _integrity_of(sha256: str) -> str:
    """Return a sum in hexadecimal digits as browsers take it."""
    return f"sha256-{base64.b64encode(bytes.fromhex(sha256)).decode()}"
