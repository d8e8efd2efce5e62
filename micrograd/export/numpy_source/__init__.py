"""Print a backward pass as NumPy source."""
