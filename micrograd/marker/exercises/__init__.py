"""Make exercises of a backward pass."""
