"""Trace a forward on inputs of several sizes: the graphs of both directions, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.graph import Graph
from micrograd.graph.backward import Pairs, backward_structure
from micrograd.graph.graph import seeded_outputs, upstream_for
from micrograd.pytree import call_by_parameter
from micrograd.tracing import trace

__all__ = ["TracedSizes", "alike", "traced_on"]


@dataclass(frozen=True, slots=True)
class TracedSizes:
    """A forward on inputs of several sizes: the graphs of both directions, and what was given and returned."""

    forwards: tuple[Graph, ...]
    backwards: tuple[Graph, ...]
    pairs: tuple[Pairs, ...]
    arguments: tuple[Mapping[str, Any], ...]
    results: tuple[Any, ...]


def traced_on(forward: Callable[..., Any], arguments: Sequence[Mapping[str, Any]], seed: int) -> TracedSizes:
    """Trace a forward on each set of arguments, and its backward pass from a random upstream gradient."""
    forwards, backwards, pairs, results = [], [], [], []
    for place, given in enumerate(arguments):
        rng = np.random.default_rng([seed, place])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(call_by_parameter(forward, given, seed=seed + place))
            graph = call_by_parameter(forward, given, through=trace, seed=seed + place)
            ups = [upstream_for(graph.value[node.name], rng) for node in seeded_outputs(graph)]
            ups += [None] * (len(graph.outputs) - len(ups))
            graph.backward(tuple(ups) if len(ups) > 1 else ups[0])
            pairs.append(Pairs())
            backwards.append(Graph(**backward_structure(graph, pairs[-1])))
        forwards.append(graph)
    return TracedSizes(tuple(forwards), tuple(backwards), tuple(pairs), tuple(arguments), tuple(results))


def alike(graphs: Sequence[Graph]) -> bool:
    """Return whether graphs differ in nothing but numbers."""

    def structure(graph: Graph) -> list[Any]:
        return [
            (n.op, [o if isinstance(o, int) else None for o in n.operands], sorted(n.attrs), len(n.shape))
            for n in graph.nodes
        ]

    return all(structure(graph) == structure(graphs[0]) for graph in graphs[1:])
