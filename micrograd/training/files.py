"""Write and read what a training leaves on disk: its checkpoint and its log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from micrograd.errors import CheckpointError
from micrograd.nn import Module
from micrograd.optim import Optimizer
from micrograd.training.checkpoint.files import replace
from micrograd.training.checkpoint.state import load, peek, save
from micrograd.training.history import History, Position

__all__ = ["TrainingFile", "TrainingLog"]


class TrainingFile:
    """Write and read the checkpoint of a training."""

    def __init__(
        self, path: str | os.PathLike[str] | None, model: Module, optimizer: Optimizer, rng: np.random.Generator,
        settings: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.path, self.model, self.optimizer, self.rng, self.settings = path, model, optimizer, rng, settings

    def begin(self, resume: bool) -> tuple[Position, History, dict[str, Any] | None]:
        """Return where training goes on: what was saved, or the start, which is saved at once.

        Else an older file could be taken for this training's, if it is killed before its first checkpoint.
        """
        at, history, best = Position(), History(), None
        if self.path is None:
            return at, history, best
        if not resume or not Path(self.path).exists():
            self.save(at, history, best)
            return at, history, best
        held = peek(self.path)
        at, history = self._read(held.extra)
        load(self.path, self.model, self.optimizer, rng=self.rng)
        return at, history, dict(held.arrays) or None

    def save(self, at: Position, history: History, best: Mapping[str, Any] | None) -> None:
        """Write everything as it is now."""
        if self.path is not None:
            extra = {"at": asdict(at), "history": history.as_dict(), "settings": self.settings}
            save(self.path, self.model, self.optimizer, rng=self.rng, step=at.step, extra={"train": extra}, arrays=best)

    def _read(self, extra: Any) -> tuple[Position, History]:
        file = Path(self.path or "").name
        try:
            found = extra["train"]
            at, history, settings = Position(**found["at"]), History(**found["history"]), dict(found["settings"])
            whole = all(type(n) is int and n >= 0 for n in (at.epoch, at.batch, at.step, at.seen))
            sums = all(type(n) in (int, float) for n in (at.total, at.right, at.seconds))
            lists = [*history.as_dict().values()]
            numbers = all(type(n) is list and len(n) == at.epoch and {*map(type, n)} <= {int, float} for n in lists)
        except (TypeError, KeyError, ValueError, AttributeError):
            whole = sums = numbers = False
        if not (whole and sums and numbers):
            raise CheckpointError(f"{file} was not written by train(checkpoint=...); load it with checkpoint.load.")
        mine = json.loads(json.dumps(self.settings))
        wrong = [
            f"{name}: {settings.get(name)!r} in the checkpoint, {mine.get(name)!r} here"
            for name in {**mine, **settings}
            if settings.get(name) != mine.get(name)
        ]
        if wrong:
            raise CheckpointError(
                f"{file} is of another training; nothing was loaded. {len(wrong)} difference(s):\n  "
                + "\n  ".join(wrong)
                + "\nResume with the settings it was started with, or start again without resume."
            )
        return at, history


class TrainingLog:
    """Write a line of JSON a step; lines of an interrupted training after its checkpoint are dropped."""

    def __init__(self, path: str | os.PathLike[str] | None, step: int) -> None:
        self.file = None
        if path is not None:
            replace(Path(path), [b"".join(_until(Path(path), step))])
            self.file = open(path, "a", encoding="utf-8", newline="\n", buffering=1)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.file is not None:
            self.file.close()

    def add(self, at: Position, loss: float, lr: float, accuracy: float, seconds: float) -> None:
        """Write the line of a step; nothing where there is no log."""
        if self.file is not None:
            line = {
                "step": at.step, "epoch": at.epoch + 1, "loss": loss, "lr": lr, "accuracy": float(accuracy),
                "seconds": round(seconds, 6),
            }  # fmt: skip
            self.file.write(json.dumps(line) + "\n")

    def sync(self) -> None:
        """Force the lines to the disk, so that no checkpoint is ahead of its log."""
        if self.file is not None:
            os.fsync(self.file.fileno())


def _until(path: Path, step: int) -> Iterator[bytes]:
    """Yield the lines of a log up to `step`; none where `step` is 0."""
    if step and path.exists():
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                    return
            except (ValueError, TypeError, KeyError):
                return
            yield line
