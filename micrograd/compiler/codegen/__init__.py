"""Print a program as loops."""
