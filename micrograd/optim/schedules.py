"""Schedule the learning rate: a number for each epoch, or step, to assign to an optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Schedule", "cosine", "exponential", "linear", "one_cycle", "step_decay", "warmup"]

Schedule = Callable[[int], float]
"""A learning rate for each epoch (or step) 0, 1, 2...; assign it: ``optimizer.lr = schedule(epoch)``."""


def step_decay(lr: float, every: int, gamma: float = 0.1) -> Schedule:
    """Multiply `lr` by `gamma` after each `every` epochs. Raises ValueError where `every` is below 1.

    >>> [round(step_decay(1.0, 2)(epoch), 3) for epoch in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    """
    if every < 1:
        raise ValueError(f"every is {every}; expected a number of epochs of at least 1.")
    return lambda epoch: lr * gamma ** (epoch // every)


def exponential(lr: float, gamma: float) -> Schedule:
    """Multiply `lr` by `gamma` after each epoch.

    >>> exponential(1.0, 0.5)(3)
    0.125
    """
    return lambda epoch: lr * gamma**epoch


def cosine(lr: float, epochs: int, lowest: float = 0.0) -> Schedule:
    """Lower `lr` to `lowest` along half a cosine in `epochs` epochs, then keep it (Loshchilov and Hutter, 2017).

    Raises ValueError where `epochs` is below 1.

    >>> [round(cosine(1.0, 4)(epoch), 3) for epoch in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; expected at least 1.")
    return lambda epoch: lowest + (lr - lowest) * (1.0 + math.cos(math.pi * min(epoch, epochs) / epochs)) / 2.0


def linear(lr: float, epochs: int, lowest: float = 0.0) -> Schedule:
    """Lower `lr` to `lowest` in a straight line in `epochs` epochs, then keep it.

    Raises ValueError where `epochs` is below 1.

    >>> [linear(1.0, 4)(epoch) for epoch in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; expected at least 1.")
    return lambda epoch: lr + (lowest - lr) * min(epoch, epochs) / epochs


def warmup(schedule: Schedule, epochs: int) -> Schedule:
    """Rise in a straight line to the first rate of `schedule`, in `epochs` epochs, then follow `schedule`.

    Raises ValueError where `epochs` is below 1.

    >>> [round(warmup(exponential(1.0, 0.5), 2)(epoch), 3) for epoch in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; expected at least 1.")
    return lambda epoch: schedule(0) * (epoch + 1) / epochs if epoch < epochs else schedule(epoch - epochs)


def one_cycle(highest: float, epochs: int, *, rise: float = 0.3, start: float = 25.0, end: float = 1e4) -> Schedule:
    """Rise from ``highest / start``, then fall to ``highest / start / end``, in half cosines (Smith and Topin, 2018).

    The numbers are PyTorch's: the top is at ``rise * epochs - 1``, the bottom at ``epochs - 1``.

    Raises ValueError where `epochs` is below 2, or `rise` is not between ``1 / epochs`` and 1.

    >>> [round(one_cycle(1.0, 10)(epoch), 3) for epoch in (0, 1, 2, 9)]
    [0.04, 0.52, 1.0, 0.0]
    """
    top, bottom = rise * epochs - 1.0, epochs - 1.0
    if epochs < 2 or not 0.0 < rise < 1.0 or top <= 0.0:
        raise ValueError(
            f"epochs is {epochs}, rise is {rise}; expected at least 2 epochs, and a rise between 1/epochs and 1."
        )

    def between(first: float, last: float, part: float) -> float:
        return last + (first - last) / 2.0 * (1.0 + math.cos(math.pi * part))

    def rate(epoch: int) -> float:
        if epoch <= top:
            return between(highest / start, highest, epoch / top)
        return between(highest, highest / start / end, min((epoch - top) / (bottom - top), 1.0))

    return rate
