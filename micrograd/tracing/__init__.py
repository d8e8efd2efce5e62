"""Run a plain NumPy function and record it as a `Graph`."""
