"""`check`: a handwritten backward, marked line by line; `probe`: inputs that make every mistake visible."""

from micrograd.marker.report import Finding, Fix, Output, Report, Shown, Span

__all__ = ["Finding", "Fix", "Output", "Report", "Shown", "Span"]
