"""Keep files whose contents are executed in a folder: who may write there, and how a file is written and read.

Each file is what one key stands for: a magic word, a header (JSON: everything that went into the key, and the SHA-256
of the payload), the payload. A file appears whole or not at all (`os.replace`), so that processes need no lock. A file
is believed only if its header is the expected one, letter for letter, and its payload has the length and hash that the
header says; a folder or file that others could have written is not read. Nothing that goes wrong here is an error: it
is reported once, as a `CacheWarning`, and the caller does without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import stat
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["ENGINE", "TUNED", "CacheInfo", "CacheWarning", "Store", "cache_info", "clear_cache", "open_store"]

_MAGIC = b"micrograd kernel 1\n"
_KERNEL, _UNFINISHED = ".kernel", ".tmp"
ENGINE = ".engine"
"""Suffix of a layout engine that is kept compiled; a function's machine code has ``.kernel``."""
TUNED = ".tuned"
"""Suffix of settings that were measured on a machine."""
# seconds since a file was last used, or begun
_KEPT = {
    _KERNEL: 90 * 24 * 3600.0,
    ENGINE: 90 * 24 * 3600.0,
    TUNED: math.inf,
    _UNFINISHED: 3600.0,
}
_LARGEST_HEADER = 1 << 20
_POSIX = hasattr(os, "geteuid") and os.open in os.supports_dir_fd  # elsewhere a user's folders are private by default
_ADVICE = "Set MICROGRAD_CACHE_DIR to another folder, or to off."


class CacheWarning(UserWarning):
    """Machine code cannot be kept on disk, or what was kept cannot be used."""


class CacheInfo(NamedTuple):
    """What is kept on disk: where (`None` where nothing is kept), how many kernels, how many bytes."""

    path: Path | None
    files: int
    bytes: int


class _RefusedError(Exception):
    """A folder or file that must not be used, and why."""


_told: set[str] = set()
_swept: set[Path] = set()


def _tell(message: str) -> None:
    """Warn once in a process, whatever the filters are."""
    if message not in _told:
        _told.add(message)
        warnings.warn(message, CacheWarning, stacklevel=2)


def location(*, quiet: bool = False) -> Path | None:
    """Return the folder: ``MICROGRAD_CACHE_DIR``, or micrograd's own under the user's cache directory.

    `None` for no cache; it is not reported where `quiet`.
    """
    named = os.environ.get("MICROGRAD_CACHE_DIR")
    if named is not None:
        return None if named in ("", "off") else Path(os.path.abspath(os.path.expanduser(named)))
    try:
        from platformdirs import user_cache_path
    except ImportError:
        if not quiet:
            _tell("compiled functions are not kept on disk, for want of platformdirs: pip install platformdirs")
        return None
    folder = user_cache_path("micrograd", appauthor=False)
    return folder if folder.is_absolute() else None  # a user without a home


@contextlib.contextmanager
def open_store(*, create: bool = True, quiet: bool = False) -> Iterator[Store | None]:
    """Open the folder, for as long as the context lasts; `None` where there is none or it must not be used.

    Args:
        create: make it where it is missing.
        quiet: say nothing where it cannot be used: what it would hold is made anew in no time to speak of.
    """
    tell = (lambda _: None) if quiet else _tell
    folder = location(quiet=quiet)
    if folder is None or not (create or folder.exists()):
        yield None
        return
    try:
        if create:
            _make(folder)
        descriptor = _opened(folder)
    except _RefusedError as error:
        tell(f"cache {folder} {error}")
        yield None
        return
    except OSError as error:
        tell(_unwritable(folder, error))
        yield None
        return
    try:
        yield Store(folder, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _unwritable(folder: Path, error: OSError) -> str:
    return f"cache {folder} cannot be used ({error.strerror}); functions are compiled anew in each process. {_ADVICE}"


def _make(folder: Path) -> None:
    for missing in [p for p in (*reversed(folder.parents), folder) if not p.exists()]:
        with contextlib.suppress(FileExistsError):  # another process was faster
            missing.mkdir(mode=0o700)


def _opened(folder: Path) -> int | None:
    """Return a descriptor of the folder: what is checked is then what is used, whatever is renamed meanwhile."""
    if not _POSIX:
        return None
    if folder.is_symlink():
        raise _RefusedError(f"is a symbolic link; its contents are executed. {_ADVICE}")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _ours(os.fstat(descriptor))
    except _RefusedError:
        os.close(descriptor)
        raise
    return descriptor


def _ours(found: os.stat_result) -> None:
    if not _POSIX:
        return
    if found.st_uid != os.geteuid():
        raise _RefusedError("belongs to another user; its contents are executed. Set MICROGRAD_CACHE_DIR.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _RefusedError("is writable by others; its contents are executed. chmod 700 or set MICROGRAD_CACHE_DIR.")


class Store:
    """The folder, opened and found to be ours alone.

    Args:
        folder: its path.
        descriptor: of the open folder; `None` where the system has no such thing.
    """

    def __init__(self, folder: Path, descriptor: int | None) -> None:
        self.folder = folder
        self._descriptor = descriptor

    def read(self, name: str, header: Mapping[str, Any], suffix: str = _KERNEL) -> bytes | None:
        """Return the payload kept under a name; `None` where there is none, or none that can be believed.

        Args:
            name: of the file, without suffix.
            header: which the file must have.
            suffix: of the file.
        """
        try:
            file = self._open(name + suffix, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            return None
        except OSError as error:  # a symbolic link, a folder
            self.discard(name, f"cannot be read ({error.strerror})", suffix)
            return None
        with file:
            try:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise _RefusedError("is not a file")
                _ours(found)
                payload = _payload(file.read(), header)
                if time.time() - found.st_mtime > 24 * 3600:
                    os.utime(file.fileno() if os.utime in os.supports_fd else self.folder / (name + suffix))
            except _RefusedError as error:
                self.discard(name, str(error), suffix)
                return None
            except OSError:
                return None
        return payload

    def write(self, name: str, header: Mapping[str, Any], payload: bytes, suffix: str = _KERNEL) -> None:
        """Keep a payload under a name; one that is there is replaced."""
        unfinished = f"{name}.{secrets.token_hex(8)}{_UNFINISHED}"
        try:
            self._sweep()
            with self._open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
                file.write(_content(header, payload))
                file.flush()
                os.fsync(file.fileno())
            if self._descriptor is None:
                os.replace(self._at(unfinished), self._at(name + suffix))
            else:
                os.replace(unfinished, name + suffix, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError as error:
            self._remove(unfinished)
            _tell(_unwritable(self.folder, error))

    def discard(self, name: str, why: str, suffix: str = _KERNEL) -> None:
        """Remove what is kept under a name, and say so."""
        self._remove(name + suffix)  # first: whoever makes errors of warnings does not read it again
        anew = {_KERNEL: "the function compiled anew", ENGINE: "the engine compiled anew"}.get(suffix, "defaults used")
        _tell(f"cache file {self.folder / (name + suffix)} {why}; it is removed, and {anew}")

    def files(self) -> dict[str, os.stat_result]:
        """Return all files of ours, finished or not."""
        found = {}
        for name in os.listdir(self.folder if self._descriptor is None else self._descriptor):
            if name.endswith((*_KEPT,)):
                with contextlib.suppress(OSError):
                    found[name] = self._stat(name)
        return found

    def clear(self) -> int:
        """Remove all files of ours. Return how many kernels that were."""
        files = self.files()
        for name in files:
            self._remove(name)
        return sum(name.endswith(_KERNEL) for name in files)

    def _sweep(self) -> None:
        """Remove what a process that was killed had begun to write, and what has not been used for long."""
        if self.folder in _swept:  # once in a process
            return
        _swept.add(self.folder)
        now = time.time()
        for name, found in self.files().items():
            if now - found.st_mtime > _KEPT[os.path.splitext(name)[1]]:
                self._remove(name)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.folder / name)

    def _open(self, name: str, flags: int) -> Any:
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._at(name), flags, 0o600, dir_fd=self._descriptor)
        return os.fdopen(descriptor, "wb" if flags & os.O_CREAT else "rb")

    def _stat(self, name: str) -> os.stat_result:
        return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._at(name), dir_fd=self._descriptor)


def _content(header: Mapping[str, Any], payload: bytes) -> bytes:
    full = {**header, "sha256": hashlib.sha256(payload).hexdigest(), "length": len(payload)}
    text = json.dumps(full, sort_keys=True).encode()
    return _MAGIC + len(text).to_bytes(4, "little") + text + payload


def _payload(content: bytes, header: Mapping[str, Any]) -> bytes:
    start = len(_MAGIC) + 4
    size = int.from_bytes(content[len(_MAGIC) : start], "little")
    if not content.startswith(_MAGIC) or not 0 < size <= _LARGEST_HEADER or len(content) < start + size:
        raise _RefusedError("is damaged, or no file of micrograd's")
    payload = content[start + size :]
    if content != _content(header, payload):
        raise _RefusedError(_difference(content[start : start + size], header, payload))
    return payload


def _difference(text: bytes, header: Mapping[str, Any], payload: bytes) -> str:
    try:
        found = json.loads(text)
        length, digest = found["length"], found["sha256"]
        differing = sorted(part for part in header if found.get(part) != header[part])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return "is damaged"
    if differing:
        return f"was made for another {', '.join(differing)}"
    if length != len(payload):
        return f"is damaged ({len(payload)} bytes, {length} expected)"
    return "is damaged (its SHA-256 is not what it says)" if digest else "is damaged"


def cache_info() -> CacheInfo:
    """Return where machine code is kept on disk, how many kernels and bytes there are.

    Machine code is kept in the user's cache directory, or in the folder that the environment variable
    ``MICROGRAD_CACHE_DIR`` names; ``off`` keeps nothing.
    """
    with open_store(create=False) as store:
        kept = {} if store is None else store.files()
        kernels = sum(name.endswith(_KERNEL) for name in kept)
        return CacheInfo(location(), kernels, sum(found.st_size for found in kept.values()))


def clear_cache() -> int:
    """Remove all machine code that is kept on disk. Return how many kernels that were."""
    with open_store(create=False) as store:
        return 0 if store is None else store.clear()
