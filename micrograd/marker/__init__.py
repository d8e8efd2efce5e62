"""Mark a handwritten backward line by line, and find inputs that make every mistake in it visible."""

from __future__ import annotations

from collections.abc import Callable

from micrograd.marker.report import Finding, Fix, Output, Report, Shown, Span

__all__ = ["Finding", "Fix", "Output", "Report", "Shown", "Span"]


def _presenter(kind: str) -> Callable[..., str]:
    """Return the function that sets a report as "text" or "html", loaded when a report is first shown."""
    from micrograd.marker.present.fragment import to_html
    from micrograd.marker.present.rendering import to_text

    presenters: dict[str, Callable[..., str]] = {"text": to_text, "html": to_html}
    return presenters[kind]


Report.presenter = staticmethod(_presenter)
