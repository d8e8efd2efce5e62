"""Compose NumPy's functions of primitives."""
