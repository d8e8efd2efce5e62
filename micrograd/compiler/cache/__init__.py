"""Keep machine code on disk."""
