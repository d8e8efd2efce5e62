"""Run a program with Numba, NumPy or JAX."""
