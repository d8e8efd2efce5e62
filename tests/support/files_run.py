"""Which files of the package run for a call: those of which a function is entered, and how often the file changes."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = str(Path(__file__).parents[2] / "micrograd") + os.sep


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a frame, or one that it was called from, is Python importing a module."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class FilesRun:
    """A profile function that notes the files of the package whose functions are called; imports do not count.

    Attributes:
        files: in the order in which they were first entered, relative to the package.
        changes: how often a call was in another file than the call before it.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self.changes = 0
        self._seen: set[str] = set()
        self._last = ""

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(PACKAGE) or frame.f_code.co_name == "<module>":
            return
        if file not in self._seen:
            if _is_importing(frame):
                return
            self._seen.add(file)
            self.files.append(file[len(PACKAGE) :].replace(os.sep, "/"))
        self.changes += file != self._last
        self._last = file


def files_run(call: Callable[[], Any]) -> FilesRun:
    """What runs while `call` does."""
    seen, before = FilesRun(), sys.getprofile()
    sys.setprofile(seen)
    try:
        call()
    finally:
        sys.setprofile(before)
    return seen


def noted_at_exit(path: str) -> None:
    """Note what runs in this process from now on, and write it to a file when the process leaves by `os._exit`."""
    seen, leave = FilesRun(), os._exit

    def noted(code: int) -> None:
        sys.setprofile(None)
        Path(path).write_text(json.dumps(seen.files), encoding="utf-8")
        leave(code)

    os._exit = noted  # type: ignore[assignment]
    threading.setprofile(seen)
    sys.setprofile(seen)
