"""Show a page in a notebook: in a sandboxed frame, over a picture for those who have not trusted the notebook."""

from __future__ import annotations

import base64
from html import escape

from micrograd.stepper.page_text import say

__all__ = ["frame"]

_HEIGHT = 760


def frame(html: str, title: str, picture: str = "", lang: str = "en") -> str:
    """Return the page as an `iframe` that needs no file and no server; its script runs apart from the notebook's.

    A notebook that is not trusted shows neither frames nor style sheets: there the picture, which the style sheet
    hides, stands in its place, with a sentence that says what to do.

    Args:
        html: the page.
        title: what assistive technology reads of the frame.
        picture: SVG.
        lang: the language of the sentence.
    """
    still = ""
    if picture:
        data = base64.b64encode(picture.encode()).decode()
        still = (
            "<style>.micrograd-still{display:none}</style>"
            f'<div class="micrograd-still"><p><b>{escape(say(lang, "notebook.trust"))}</b></p>'
            f'<img alt="{escape(title)}" src="data:image/svg+xml;base64,{data}"></div>'
        )
    return (
        f'{still}<iframe sandbox="allow-scripts" title="{escape(title)}" width="100%" height="{_HEIGHT}" '
        f'style="border:0" srcdoc="{escape(html)}"></iframe>'
    )
