"""Derive the compact backward of a function from its staged one: every step a named rule, every step proved.

The function's forward and backward pass become expressions in index notation (`lifting`), whose equality is decided by
a normal form (`kernel`). `search` finds short forms in the user's own names, `printing` writes them, `judges` check it.
"""

from micrograd.derivation.derivation import Derivation, DerivationError, Fact, Step, derive
from micrograd.derivation.judges import Checked
from micrograd.derivation.lifting import Unsupported

__all__ = ["Checked", "Derivation", "DerivationError", "Fact", "Step", "Unsupported", "derive"]
