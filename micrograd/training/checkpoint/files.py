"""Replace a file: at every moment, also after a crash, its path holds the whole old or the whole new one."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_LOCKS: Any = None
with contextlib.suppress(ImportError):  # Windows
    import fcntl

    _LOCKS = fcntl

__all__ = ["replace"]

_STALE = 3600.0  # seconds after which an unfinished file counts as left behind, where writers cannot hold a lock


def replace(path: Path, parts: Iterable[bytes | memoryview[Any]]) -> None:
    """Write `parts` one after the other in place of the file `path`: temporary file, flush, fsync, rename, fsync.

    Temporary files of killed writers are removed. Permissions are those of a new file; a symbolic link stays one.

    Raises:
        OSError: the file cannot be written; the old one is as it was.
    """
    path = Path(os.path.realpath(path))
    _sweep(path)
    descriptor, temporary = _begin(path)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            for part in parts:
                left = memoryview(part).cast("B")
                while left:
                    left = left[file.write(left) :]
            os.fsync(descriptor)
            if os.name == "posix":
                os.replace(temporary, path)
        if os.name != "posix":
            os.replace(temporary, path)  # Windows renames no open file
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _begin(path: Path) -> tuple[int, Path]:
    """Open a new file beside `path`, locked for as long as it is open: a lock ends with its process."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(temporary, flags, 0o666)
        if _LOCKS is None:
            return descriptor, temporary
        with contextlib.suppress(OSError):  # a file system without locks
            _LOCKS.flock(descriptor, _LOCKS.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, temporary
        os.close(descriptor)  # another process swept it away between the two calls


def _sweep(path: Path) -> None:
    prefix, suffix = f".{path.name}.", ".tmp"
    for name in os.listdir(path.parent):
        middle = name[len(prefix) : -len(suffix)]
        if name.startswith(prefix) and name.endswith(suffix) and len(middle) == 16:
            with contextlib.suppress(OSError):
                _remove_unless_held(path.with_name(name))


def _remove_unless_held(leftover: Path) -> None:
    if _LOCKS is None:
        if time.time() - leftover.stat().st_mtime > _STALE:
            leftover.unlink()
        return
    with open(leftover, "rb") as file:
        _LOCKS.flock(file, _LOCKS.LOCK_EX | _LOCKS.LOCK_NB)  # OSError: its writer is alive
        leftover.unlink()


def _sync(folder: Path) -> None:
    """Force the new name of the file to the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system whose folders cannot be synchronised
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
