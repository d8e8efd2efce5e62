"""Print a derivation: as NumPy, as mathematics, as a page."""
