"""Inputs on which mistakes show: several sizes with N != D, an eps that matters, no entry that is 1 by chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.marker.guessing import fitted, runs
from micrograd.marker.layouts import Layout, sizes_of
from micrograd.marker.task import Probe

__all__ = ["make"]

_EPS = (0.2, None, 0.12)  # the second keeps its own: what is hard-coded elsewhere must agree with it too


def make(
    forward: Callable[..., Any], example: Mapping[str, Any] | Sequence[Any] = (), *, count: int = 3, seed: int = 0
) -> list[Probe]:
    """Probes for a forward function, each of other sizes; the first has the example's, where these differ.

    Args:
        forward: a function of arrays; it is run.
        example: arguments by parameter or in order (arrays, or shapes in their place, and what else it takes); what
            is left out is guessed from its parameters' names.
        count: how many, at most; fewer where the function takes no other sizes.
        seed: of the numbers.

    Raises:
        GraphError: no arguments were found with which the function runs.

    >>> probes = make(lambda x, gamma: gamma * x)
    >>> [probe.arguments["x"].shape for probe in probes]
    [(5, 3), (4, 6), (7, 4)]
    """
    return drawn(forward, fitted(forward, example), count, seed)


def drawn(forward: Callable[..., Any], layout: Layout, count: int, seed: int) -> list[Probe]:
    """Probes of one layout: as many sizes as the function takes, then other numbers for them."""
    fitting = [sizes for sizes in sizes_of(layout) if runs(forward, layout, sizes)]
    fitting = fitting[:count] or [dict(layout.sizes)]
    probes = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        sizes = fitting[number % len(fitting)]
        probes.append(Probe(layout.draw(rng, sizes, eps=_EPS[number % len(_EPS)]), seed=seed + number))
    return probes
