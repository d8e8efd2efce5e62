"""Choose the sizes by which loops are cut and shared: defaults, or what was measured on this machine.

`micrograd cache --tune` measures them (`micrograd.compiler.tuning`) and keeps them in the cache folder.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from micrograd.kept.store import TUNED, open_store

__all__ = ["Settings", "keep", "settings", "using"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The sizes.

    Attributes:
        chunk_bytes, chunk_rows: a pass works on chunks of so many bytes of its largest array, and of so many rows at
            most: a chunk stays in the cache, and no more numbers than that are added up in the dtype of the data.
        pieces: a pass that may be shared is cut into so many chunks or more, of which each thread takes the next.
        shared_entries: loops over fewer entries than this run on one thread: starting another takes longer.
    """

    chunk_bytes: int = 1 << 18
    chunk_rows: int = 256
    pieces: int = 8
    shared_entries: int = 1 << 17

    def __post_init__(self) -> None:
        """Refuse what is no size, and chunks in which sums would lose digits."""
        if any(type(value) is not int or value < 1 for value in asdict(self).values()) or self.chunk_rows > 256:
            raise ValueError(f"{self} expected: whole numbers of at least 1, and chunk_rows of at most 256")


_tried: contextvars.ContextVar[Settings | None] = contextvars.ContextVar("settings", default=None)


def settings() -> Settings:
    """Return what is in use: what was measured on this machine, where it was."""
    return _tried.get() or _found()


@contextlib.contextmanager
def using(tried: Settings) -> Iterator[None]:
    """Use settings for what is compiled in the context."""
    token = _tried.set(tried)
    try:
        yield
    finally:
        _tried.reset(token)


@functools.cache
def _found() -> Settings:
    with open_store(create=False, quiet=True) as store:
        kept = None if store is None else store.read(_name(), _machine(), TUNED)
    default = Settings()
    if kept is None:
        return default
    try:
        return Settings(**json.loads(kept))
    except (ValueError, TypeError):
        return default


def keep(measured: Settings) -> bool:
    """Keep settings for the processes to come, and use them in this one. Return whether they could be kept."""
    _found.cache_clear()
    with open_store() as store:
        if store is None:
            return False
        store.write(_name(), _machine(), json.dumps(asdict(measured)).encode(), TUNED)
    return _found() == measured


def _machine() -> dict[str, object]:
    """Return what measured settings hold for."""
    kind = os.uname().machine if hasattr(os, "uname") else sys.platform
    return {"processor": [kind, os.cpu_count()], "fields": [f.name for f in fields(Settings)]}


def _name() -> str:
    """Return the name that settings are kept under: machines may share a folder."""
    return "settings-" + hashlib.sha256(json.dumps(_machine()).encode()).hexdigest()[:16]
