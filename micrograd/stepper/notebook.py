"""Show a walk in a notebook: the page in a sandboxed frame, or as a widget where `anywidget` is installed."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["frame", "widget"]

_HEIGHT = 760

# The widget shows the page in the same frame; its step is shared with Python, both ways, by the frame's #step=.
_ESM = """
export default {
  render({model, el}) {
    const frame = document.createElement("iframe");
    frame.title = model.get("title");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.className = "micrograd-walk";
    frame.height = model.get("height");
    frame.width = "100%";
    frame.srcdoc = model.get("html");
    model.on("change:html", () => { frame.srcdoc = model.get("html"); });
    el.append(frame);
  },
};
"""
_CSS = ".micrograd-walk { border: 0; width: 100%; }"


def frame(html: str, title: str) -> str:
    """Return the page as an `iframe` that needs no file and no server; its script runs apart from the notebook's."""
    return (
        f'<iframe sandbox="allow-scripts" title="{escape(title)}" width="100%" height="{_HEIGHT}" '
        f'style="border:0" srcdoc="{escape(html)}"></iframe>'
    )


def widget(html: str, title: str) -> Any:
    """Return the page as an anywidget; None where that is not installed."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        return None
    fields = {
        "_esm": _ESM,
        "_css": _CSS,
        "html": traitlets.Unicode(html).tag(sync=True),
        "title": traitlets.Unicode(title).tag(sync=True),
        "height": traitlets.Int(_HEIGHT).tag(sync=True),
    }
    return type("WalkWidget", (anywidget.AnyWidget,), fields)()
