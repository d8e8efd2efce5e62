"""Make machine code of printed functions."""
