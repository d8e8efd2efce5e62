"""Name the errors that micrograd raises: each says what is wrong, what was expected and how to fix it.

All are subclasses of a standard exception too, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "DTypeError",
    "GraphError",
    "MicrogradError",
    "MissingExtraError",
    "NumericalError",
    "ShapeError",
]


class MicrogradError(Exception):
    """The family of all errors raised on purpose by micrograd."""


class GraphError(MicrogradError, ValueError):
    """The recorded computation cannot do what is asked of it."""


class ShapeError(GraphError):
    """Shapes do not fit together."""


class DTypeError(MicrogradError, TypeError):
    """A value of a type that gradients are not defined for, or that would be wrong silently."""


class NumericalError(MicrogradError, ArithmeticError):
    """NaN, infinity or overflow, named with node, line and index (raised in `micrograd.checked` mode)."""


class MissingExtraError(MicrogradError, ImportError):
    """An optional dependency is not installed; the message says how to install it."""


class CheckpointError(MicrogradError, ValueError):
    """A checkpoint that cannot be read, or does not fit the model."""
