"""Tell whose code is whose: which files are the user's, and which frames on the stack belong to them."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType

import numpy as np

__all__ = ["MACHINERY", "PACKAGE", "is_users_code", "is_users_file", "owner_of", "user_frames", "user_line"]

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


# ---- files -------------------------------------------------------------------------------------------------


def is_users_code(file: str) -> bool:
    """Check that a user wrote a file: it is neither ours nor NumPy's, nor installed, nor Python's."""
    if file.startswith((PACKAGE, _NUMPY, "<frozen")):
        return False
    return not os.path.normcase(file).startswith(_LIBRARIES)


@lru_cache(maxsize=1024)
def is_users_file(file: str, machinery: tuple[str, ...] = MACHINERY) -> bool:
    """Check that lines of a file are shown as the user's: it is neither machinery of this package nor NumPy's.

    Unlike `is_users_code` this holds for libraries that are installed: an error in one is best shown where it arose.
    """
    inside = file.startswith(PACKAGE) and (not machinery or _inside(file).startswith(machinery))
    return not inside and f"{os.sep}numpy{os.sep}" not in file


@lru_cache(maxsize=1024)
def owner_of(file: str) -> str:
    """Return whose a file is: ``user`` outside this package, ``composed`` of primitives in it, else empty."""
    if f"{os.sep}numpy{os.sep}" in file:
        return ""
    if not file.startswith(PACKAGE):
        return "user"
    return "" if _inside(file).startswith(MACHINERY) else "composed"


def _inside(file: str) -> str:
    """Return the path of a file of this package in it, with slashes."""
    return file[len(PACKAGE) :].replace(os.sep, "/")


# ---- frames ------------------------------------------------------------------------------------------------


def user_frames(
    depth: int = 1, *, until: FrameType | None = None, machinery: tuple[str, ...] = MACHINERY
) -> Iterator[FrameType]:
    """Yield the frames that belong to the user rather than to the engine or NumPy, from the innermost outwards.

    Args:
        depth: how many frames to leave out first; 1 is the caller's own.
        until: the frame to stop at, itself left out.
        machinery: files of this package that are not shown as the user's, by the start of their path in it; all
            where empty.
    """
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and frame is not until:
        if is_users_file(frame.f_code.co_filename, machinery):
            yield frame
        frame = frame.f_back


def user_line() -> str:
    """Return ``file.py:12`` of the innermost frame outside this package; empty when there is none."""
    for frame in user_frames(2, machinery=()):
        return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
    return ""
