"""Read the user's own source: positions, names, ownership."""

from micrograd.source.positions import Source, source_of, user_line

__all__ = ["Source", "source_of", "user_line"]
