"""Choose the gradients from which a backward pass starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd.graph.graph import Graph
from micrograd.graph.nodes import Node

__all__ = ["seeded_outputs", "uneven", "upstream_for"]


def seeded_outputs(graph: Graph) -> list[Node]:
    """Return the outputs that get a gradient: the first, and those that are no lesser than it."""
    first, *others = graph.outputs
    return [first, *(n for n in others if first.shape and n.shape == first.shape and not n.is_leaf)]


def uneven(shape: tuple[int, ...], rng: np.random.Generator, spread: float) -> Any:
    """Draw numbers whose columns have means of their own, so that no sum along an axis vanishes."""
    return rng.standard_normal(shape) + spread * rng.standard_normal(shape[-1:])


def upstream_for(out: Any, rng: np.random.Generator) -> Any:
    """Return a gradient of an output: random, of no zero mean along any axis."""
    shape = np.shape(out)
    if not shape:
        value = float(rng.uniform(1.3, 2.2))
        return value if not isinstance(out, np.ndarray) else np.asarray(value, out.dtype)
    for _ in range(50):
        g = uneven(shape, rng, 0.5) + 0.4
        means = [abs(g.mean(axis=axis)).min(initial=1.0) for axis in range(len(shape))]
        if min(means) > 0.03:
            break
    return g.astype(out.dtype)
