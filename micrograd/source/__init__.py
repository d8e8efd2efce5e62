"""Read the user's own source: whose code is whose, and what a value is called there."""

from micrograd.source.names import Source, source_of, user_line

__all__ = ["Source", "source_of", "user_line"]
