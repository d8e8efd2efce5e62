"""Compile a function of arrays into machine code."""

from micrograd.compiler.backends.jax import connect
from micrograd.compiler.compiled import Compiled, compile  # noqa: A004 (mg.compile is the name)

__all__ = ["Compiled", "compile", "connect"]
