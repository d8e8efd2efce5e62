"""Whose code is whose: an author's functions are traced, those of libraries are called."""

from __future__ import annotations

import os
import sysconfig

import numpy as np

__all__ = ["is_authors"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_LIBRARIES = tuple(
    os.path.normcase(path) + os.sep
    for key in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_paths().get(key))
)


def is_authors(file: str) -> bool:
    """Whether code in a file is an author's: neither ours nor NumPy's, nor installed, nor Python's."""
    if file.startswith((_PACKAGE, _NUMPY, "<frozen")):
        return False
    return not os.path.normcase(file).startswith(_LIBRARIES)
