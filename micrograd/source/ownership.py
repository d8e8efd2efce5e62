"""Whose code is whose: an author's functions are traced, those of libraries are called."""

from __future__ import annotations

import os
import sysconfig
from functools import lru_cache

import numpy as np

__all__ = ["MACHINERY", "PACKAGE", "author_files", "home", "is_authors"]

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep
_LIBRARIES = tuple(
    os.path.normcase(path) + os.sep
    for key in ("stdlib", "platstdlib", "purelib", "platlib")
    if (path := sysconfig.get_paths().get(key))
)

MACHINERY = (
    *("core/", "numpy_api/", "source/", "graph/", "tracing/", "program/", "compiler/", "nn/module.py", "display.py"),
    *("engine.py", "primitives.py", "functional.py", "transforms.py", "anomaly.py", "modes.py"),
)
"""Where files of this package are machinery, by the start of their path in it. What is composed of primitives (batch
norm, the layers of `nn`) counts as a user's: its steps have names."""


def is_authors(file: str) -> bool:
    """Whether code in a file is an author's: neither ours nor NumPy's, nor installed, nor Python's."""
    if file.startswith((PACKAGE, _NUMPY, "<frozen")):
        return False
    return not os.path.normcase(file).startswith(_LIBRARIES)


@lru_cache(maxsize=1024)
def author_files(file: str, machinery: tuple[str, ...] = MACHINERY) -> bool:
    """Whether a file is an author's: neither machinery of this package nor NumPy."""
    inside = file.startswith(PACKAGE) and (not machinery or _inside(file).startswith(machinery))
    return not inside and f"{os.sep}numpy{os.sep}" not in file


@lru_cache(maxsize=1024)
def home(file: str) -> str:
    """Whose a file is: ``author`` outside this package, ``composed`` of primitives in it, else empty (machinery)."""
    if f"{os.sep}numpy{os.sep}" in file:
        return ""
    if not file.startswith(PACKAGE):
        return "author"
    return "" if _inside(file).startswith(MACHINERY) else "composed"


def _inside(file: str) -> str:
    """Return the path of a file of this package in it, with slashes."""
    return file[len(PACKAGE) :].replace(os.sep, "/")
