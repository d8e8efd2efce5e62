"""The fuser: `compile` turns a function of arrays into machine code."""

from micrograd.compiler.compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
