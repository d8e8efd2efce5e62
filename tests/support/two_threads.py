"""Compiled functions run by two threads on purpose, in two ways.

`turns`: as plain Python. Passes are shared however small they are, in chunks of two rows, so that an array of twelve
entries takes part in all that threads do to one of a million. One thread runs at a time; wherever it touches a counter,
chance (a seed) decides whether the other goes on.

`company`: as machine code, whose second thread comes to every call and takes the second chunk of each pass and the
fourth, or comes to none at all.

Memory that a call has not written yet holds nan, in both.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from micrograd.compiler.backends import native as entry_module
from micrograd.compiler.backends.memory import ALIVE
from micrograd.compiler.backends.native import Entry
from micrograd.compiler.codegen import lower, segment
from micrograd.compiler.codegen.segment import Segment
from micrograd.compiler.runtime import barrier
from micrograd.compiler.runtime.settings import Settings, using
from micrograd.compiler.runtime.worker import HELPER

__all__ = ["LARGE", "Company", "Turns", "company", "poison", "small_passes", "turns"]


LARGE = 1 << 16
"""Passes over so many entries are shared, whatever is best on the machine at hand."""
LONELY = 5_000
"""A second thread that looks at counters so often after the first has left waits for what never comes."""


class _AbandonedError(Exception):
    """The other thread has failed, so that waiting for it would never end."""


class Turns:
    """Two threads of which one runs at a time.

    Attributes:
        joined: how often the second thread has begun a printed function.
    """

    def __init__(self) -> None:
        self.joined = 0
        self._running = False

    def _reset(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._switching = self._random.choice([0.03, 0.5, 0.97])
        self._turn, self._alive = 0, {0}
        self._changed = threading.Condition()
        self._me = threading.local()
        self._queue: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._worker: threading.Thread | None = None
        self._errors: list[BaseException] = []
        self._lonely = 0

    # ---- what stands in for the counters, and for the helper ------------------------------------------------

    def take(self, sync: Any, place: int) -> int:
        self._point()
        sync[place] += 1
        return int(sync[place]) - 1

    def load(self, sync: Any, place: int) -> int:
        self._point()
        return int(sync[place])

    def store(self, sync: Any, place: int, value: int) -> None:
        self._point()
        sync[place] = value

    def leave_core(self) -> None:
        self._point()

    def start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        assert self._running, "a function for two threads is called outside of Turns.run"
        self._queue.append((function, args))
        if self._worker is None:
            self._alive.add(1)
            self._worker = threading.Thread(target=self._work, daemon=True)
            self._worker.start()

    # ---- who runs -------------------------------------------------------------------------------------------

    def _number(self) -> int:
        return getattr(self._me, "number", 0)

    def _point(self) -> None:
        if self._errors:
            raise _AbandonedError
        me = self._number()
        if self._alive == {1}:
            self._lonely += 1
            assert self._lonely < LONELY, "the second thread waits for a first one that has left"
        with self._changed:
            if 1 - me in self._alive and self._random.random() < self._switching:
                self._turn = 1 - me
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._turn == me)
        if self._errors:
            raise _AbandonedError

    def _leave(self, error: BaseException | None) -> None:
        with self._changed:
            if error is not None and not isinstance(error, _AbandonedError):
                self._errors.append(error)
            self._alive.discard(self._number())
            self._turn = 1 - self._number()
            self._changed.notify_all()

    def _work(self) -> None:
        self._me.number = 1
        with self._changed:
            self._changed.wait_for(lambda: self._turn == 1)
        error = None
        try:
            while True:
                if self._queue:
                    function, args = self._queue.pop(0)
                    self.joined += 1
                    function(*args)
                elif 0 in self._alive:  # the next function may come
                    self._hand_over()
                else:
                    break
        except BaseException as caught:  # noqa: BLE001 (raised in the test)
            error = caught
        self._leave(error)

    def _hand_over(self) -> None:
        with self._changed:
            self._turn = 0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._turn == 1)

    def run(self, call: Callable[[], Any], seed: int) -> Any:
        """Return what `call` returns, its second thread being one of ours, or raise what either of them raised."""
        self._reset(seed)
        self._running = True
        found, error = None, None
        try:
            found = call()
        except BaseException as caught:  # noqa: BLE001 (raised below)
            error = caught
        self._running = False
        self._leave(error)
        if self._worker is not None:
            self._worker.join()
        if self._errors:
            raise self._errors[0]
        return found


FAIR = 4
"""So many chunks of a pass are taken by turns."""


class Company:
    """The second thread of compiled functions.

    Attributes:
        comes: to every call, or to none.
    """

    def __init__(self) -> None:
        self.comes = True
        self._start, self._source = HELPER.start, Segment.source

    def start(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Tell both threads by a counter that nothing else uses whether the second one comes."""
        if self.comes:
            args[3][-2] = 1
            self._start(function, args)

    def source(self, segment: Segment) -> tuple[str, list[str]]:
        """The printed function; if both threads come, they take the first chunks by turns."""
        text, arguments = self._source(segment)
        comes = 2 * segment.passes + 6
        return re.sub(
            r"( +)c = take\(sync, (\d+)\)\n",
            rf"\1while load(sync, {comes}) != 0 and load(sync, \2) < {FAIR} and load(sync, \2) % 2 != tid:\n"
            r"\1    leave_core()\n\g<0>",
            text,
        ), arguments


@contextmanager
def company() -> Iterator[Company]:
    """Decide for the functions that are compiled meanwhile whether their second thread comes."""
    made = Company()
    with using(Settings(shared_entries=LARGE)), pytest.MonkeyPatch.context() as patch:
        patch.setattr(HELPER, "start", made.start)
        patch.setattr(Segment, "source", lambda segment: made.source(segment))
        yield made


@contextmanager
def small_passes() -> Iterator[None]:
    """Share passes over arrays of any size, in chunks of two rows."""
    with pytest.MonkeyPatch.context() as patch:
        small = Settings(chunk_bytes=64, chunk_rows=2, shared_entries=1)
        for module in (segment, lower):
            patch.setattr(module, "settings", lambda: small)
        patch.setattr(entry_module, "LINGER", 0)
        yield


@contextmanager
def turns() -> Iterator[Turns]:
    """The same, with both threads of the interpreted entries that are made meanwhile run by turns."""
    made = Turns()
    with small_passes(), pytest.MonkeyPatch.context() as patch:
        for name in barrier.__all__:
            patch.setattr(barrier, name, getattr(made, name))
        patch.setattr(HELPER, "start", made.start)
        yield made


def poison(entry: Entry) -> None:
    """Have the next call find nan, or the largest integer, wherever it has not written: in results of earlier calls, too."""
    if not entry.pool:
        entry.pool.append(entry._fresh())
    for workspace in entry.pool:
        dead = [result.take() for result in workspace.results for _ in range(ALIVE)]  # what nobody holds, all at once
        for arena in (*workspace.arenas.values(), *dead):
            whole = arena.dtype.kind in "iu"
            arena.fill(np.iinfo(arena.dtype).max if whole else True if arena.dtype == bool else np.nan)
