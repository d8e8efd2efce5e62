"""A page as a browser reads it: its elements, its data, and whether anything in it is not ours."""

from __future__ import annotations

import json
from typing import Any

import html5lib

XHTML = "{http://www.w3.org/1999/xhtml}"


def parsed(html: str) -> Any:
    """The document as a browser reads it. Raises html5lib.html5parser.ParseError for what HTML does not allow."""
    return html5lib.HTMLParser(strict=True).parse(html)


def elements(document: Any, tag: str) -> list[Any]:
    return [element for element in document.iter() if element.tag == XHTML + tag]


def attributes(document: Any, *starts: str) -> set[str]:
    """The attributes of the document that start so."""
    found = {str(name) for e in document.iter() if isinstance(e.tag, str) for name in e.attrib}
    return {name for name in found if name.startswith(starts)}


def data_of(document: Any) -> Any:
    return json.loads(next(e.text for e in elements(document, "script") if e.get("id") == "data"))


def only_ours(html: str) -> Any:
    """The document. Fails where it holds a script, or another element that loads or sends, beside our own."""
    document = parsed(html)
    assert len(elements(document, "script")) == 2
    for tag in ("img", "iframe", "object", "embed", "link", "base", "form"):
        assert not elements(document, tag)
    assert not attributes(document, "on")
    return document
