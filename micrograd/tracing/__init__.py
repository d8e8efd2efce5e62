"""Run a plain NumPy function and record it as a `Graph`."""

from micrograd.tracing.tracer import trace

__all__ = ["trace"]
