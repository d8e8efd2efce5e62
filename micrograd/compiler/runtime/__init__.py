"""Hold what printed functions call while they run."""
