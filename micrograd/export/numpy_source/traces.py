"""A forward on inputs of several sizes: the graphs of both directions, side by side."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.graph import Graph
from micrograd.graph.backward import Pairs, backward_structure
from micrograd.graph.cotangents import seeded_outputs, upstream_for
from micrograd.tracing import trace

__all__ = ["Traced", "alike", "traced_on"]


@dataclass(frozen=True, slots=True)
class Traced:
    """A forward on inputs of several sizes: the graphs of both directions, and what was given and answered."""

    forwards: tuple[Graph, ...]
    backwards: tuple[Graph, ...]
    pairs: tuple[Pairs, ...]
    arguments: tuple[Mapping[str, Any], ...]
    results: tuple[Any, ...]


def traced_on(forward: Callable[..., Any], arguments: Sequence[Mapping[str, Any]], seed: int) -> Traced:
    """Trace a forward on each set of arguments, and its backward pass from a random upstream gradient."""
    forwards, backwards, pairs, results = [], [], [], []
    kinds = {name: p.kind for name, p in inspect.signature(forward).parameters.items()}
    for place, given in enumerate(arguments):
        rng = np.random.default_rng([seed, place])

        def run(call: Callable[..., Any], given: Mapping[str, Any] = given, place: int = place) -> Any:
            np.random.seed(seed + place)  # noqa: NPY002 - what students' dropout draws from
            named = copy.deepcopy(dict(given))
            first = [named.pop(n) for n in given if kinds.get(n) is inspect.Parameter.POSITIONAL_ONLY]
            return call(*first, **named)

        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(run(forward))
            graph = run(lambda *args, **kwargs: trace(forward, *args, **kwargs))
            ups = [upstream_for(graph.value[node.name], rng) for node in seeded_outputs(graph)]
            ups += [None] * (len(graph.outputs) - len(ups))
            graph.backward(tuple(ups) if len(ups) > 1 else ups[0])
            pairs.append(Pairs())
            backwards.append(Graph(**backward_structure(graph, pairs[-1])))
        forwards.append(graph)
    return Traced(tuple(forwards), tuple(backwards), tuple(pairs), tuple(arguments), tuple(results))


def alike(graphs: Sequence[Graph]) -> bool:
    """Whether graphs differ in nothing but numbers."""

    def structure(graph: Graph) -> list[Any]:
        return [
            (n.op, [o if isinstance(o, int) else None for o in n.operands], sorted(n.attrs), len(n.shape))
            for n in graph.nodes
        ]

    return all(structure(graph) == structure(graphs[0]) for graph in graphs[1:])
