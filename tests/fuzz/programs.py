"""Hold a program: its text, its functions made anew for each run, and what a run leaves behind."""

from __future__ import annotations

import functools
import itertools
import linecache
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Loaded", "Program", "Ran"]

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Ran:
    """What a run returned, and what it left in the arguments and in the global arrays."""

    value: Any
    left: list[Any]


@dataclass(frozen=True)
class Loaded:
    """The function of a program with fresh arguments and fresh globals."""

    f: Callable[..., Any]
    arguments: tuple[Any, ...]
    globals: dict[str, Any]

    def left(self) -> list[Any]:
        """What is now in the arguments and the global arrays."""
        table = self.globals.get("TABLE")
        return [np.array(a) for a in (*self.arguments, *([] if table is None else [table]))]


@dataclass(frozen=True)
class Program:
    """A program as text: ``f`` and the function ``arguments`` that makes what to call it with."""

    text: str
    file: str = field(default_factory=lambda: f"program_{next(_NUMBERS)}.py")

    @functools.cached_property
    def code(self) -> types.CodeType:
        """The compiled text, whose lines `linecache` knows."""
        linecache.cache[self.file] = len(self.text), None, self.text.splitlines(keepends=True), self.file
        return compile(self.text, self.file, "exec")

    def load(self) -> Loaded:
        """Make everything anew."""
        made: dict[str, Any] = {"__name__": "program"}
        exec(self.code, made)
        return Loaded(made["f"], made["arguments"](), made)

    def forget(self) -> None:
        """Let `linecache` forget the text."""
        linecache.cache.pop(self.file, None)

    def numpy(self) -> Ran:
        """Run it as NumPy does."""
        loaded = self.load()
        return Ran(loaded.f(*loaded.arguments), loaded.left())
