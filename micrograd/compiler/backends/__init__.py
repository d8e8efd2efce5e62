"""Run a program as machine code, with NumPy or with JAX."""
