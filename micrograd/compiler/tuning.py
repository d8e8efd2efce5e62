"""Measure on this machine by which sizes loops are best cut and shared between threads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.compiler.compiled import Compiled
from micrograd.compiler.runtime import settings as in_use
from micrograd.compiler.runtime.settings import Settings

__all__ = ["measured", "tune"]

PIECES = (2, 4, 8, 16, 32)
SHARED = tuple(1 << n for n in range(14, 21))
_FREE = 1 << 62
"""So many entries there never are."""
_WORTH = 0.95
"""A setting is taken where it needs less than this share of the time of what is safe."""

Timer = Callable[[Settings, tuple[int, int], int], float]


def tune(say: Callable[[str], None] = lambda _: None, seconds: float = 0.3) -> Settings:
    """Measure the settings of this machine, keep them in the cache folder, and use them from now on.

    What has been compiled stays as it is. The last digits of sums depend on the size of chunks.

    Args:
        say: is given a line for each thing measured.
        seconds: for each.

    Returns:
        The settings, which are kept for the processes to come where there is a cache folder.
    """
    found = measured(lambda setting, shape, threads: _seconds(setting, shape, threads, seconds), say)
    if not in_use.keep(found):
        say("no cache folder: these settings are not kept")
    return found


def measured(seconds: Timer, say: Callable[[str], None] = lambda _: None) -> Settings:
    """Return the best settings by a timer, which is given settings, a shape and a number of threads.

    Passes are shared from the smallest size on from which that helps at every larger one.
    """
    best = replace(in_use.settings(), shared_entries=1)
    pieces = {n: seconds(replace(best, pieces=n), (1024, 256), 2) for n in PIECES}
    best = replace(best, pieces=min(pieces, key=pieces.__getitem__))
    say(f"chunks of a pass: {best.pieces} or more ({_said(pieces)})")
    gains = {n: seconds(best, (n // 256, 256), 2) / seconds(best, (n // 256, 256), 1) for n in SHARED}
    best = replace(best, shared_entries=_from(gains))
    say(f"two threads from {_size(best.shared_entries)} entries on ({_said(gains, '', 1)} of the time of one)")
    return best


def _from(gains: dict[int, float]) -> int:
    """Return the smallest size from which every gain is worth it; one that nothing has where none is."""
    least = _FREE
    for size in sorted(gains, reverse=True):
        if gains[size] > _WORTH:
            break
        least = size
    return least


def _size(size: int) -> str:
    return "no number of" if size == _FREE else f"{size:,}"


def _said(found: dict[int, float], unit: str = " us", times: float = 1e6) -> str:
    return ", ".join(f"{size:,}: {value * times:.3g}{unit}" for size, value in found.items())


def _seconds(setting: Settings, shape: tuple[int, int], threads: int, seconds: float) -> float:
    """Return how long a norm of rows takes, both ways, with these settings: the median, after a call to warm up."""
    arrays = _arrays(*shape)
    with in_use.using(setting):
        function = Compiled(_norm, threads)
        function(*arrays)
    taken: list[float] = []
    end = time.perf_counter() + seconds / 8
    while len(taken) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        function(*arrays)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _arrays(n: int, d: int) -> Sequence[Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d), np.float32), rng.standard_normal(d, np.float32)


def _norm(x: Any, gain: Any) -> Any:
    centred = x - x.mean(1, keepdims=True)
    normal = centred / np.sqrt((centred * centred).mean(1, keepdims=True) + 1e-5)
    return gain * normal, normal.sum(0)
