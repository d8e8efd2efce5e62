"""Fold what repeats, and what is inside calls, to single boxes."""
