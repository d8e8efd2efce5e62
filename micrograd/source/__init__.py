"""Read the user's own source: positions, names, ownership."""

from micrograd.source.ownership import author_files, home
from micrograd.source.positions import Source, author_frames, source_of, user_line

__all__ = ["Source", "author_files", "author_frames", "home", "source_of", "user_line"]
