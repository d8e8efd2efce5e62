"""Run a train step, unchanged, several times, and make a graph of each iteration: loss, gradients, update."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.engine import observe
from micrograd.errors import GraphError
from micrograd.graph import Graph, Node
from micrograd.primitives import TABLE
from micrograd.stepper.training.pure_step import PureStep
from micrograd.stepper.training.watch import Watch, named_parameters

__all__ = ["STEPS", "Iteration", "iterations"]

STEPS = 500
"""Iterations up to which a page is made."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """Hold one iteration: the loss, and the graph that begins at the parameters and ends in the loss and the new ones.

    Attributes:
        loss: as the step computed it.
        graph: run, with its backward pass; the loss is its first output, the new parameters are the others.
    """

    loss: float
    graph: Graph


def iterations(f: Callable[..., Any], args: Sequence[Any], steps: int) -> list[Iteration]:
    """Run ``f(*args)`` `steps` times and return the iterations; all have the same graph.

    `f` is one of two: a function of parameters and data that returns the loss and the new parameters, whose gradients
    it computes by hand or with `micrograd.value_and_grad`; or a function that calls ``loss.backward()`` and changes its
    parameters, by an optimizer or by hand. What a function of the second kind changes is changed afterwards.

    Raises:
        GraphError: `f` is neither; an iteration computes something else than the first did.

    >>> def step(w, x):
    ...     loss = np.sum((w - x) ** 2)
    ...     return loss, w - 0.25 * 2 * (w - x)
    >>> [made.loss for made in iterations(step, (np.array([4.0]), np.array([0.0])), 3)]
    [16.0, 4.0, 1.0]
    """
    if type(steps) is not int or not 1 <= steps <= STEPS:
        raise GraphError(f"steps is {steps!r}; expected a whole number from 1 to {STEPS}, the iterations to show.")
    name = getattr(f, "__name__", type(f).__name__)
    watch = Watch(name, f)
    result = _watched(f, args, watch)
    if any(leaf.raw is not before for leaf, before in watch.before.items()):
        graphs = [_eager(f, args, watch)]
        for _ in range(steps - 1):
            watch = Watch(name, f)
            _watched(f, args, watch)
            graphs.append(_eager(f, args, watch))
    elif isinstance(result, (tuple, list, dict)) and len(result) > 1:
        pure = PureStep(f, args, result)
        graphs = [pure.iteration() for _ in range(steps)]
    else:
        raise GraphError(
            f"{name} changes no parameter: "
            + ("call optimizer.step() after loss.backward()" if watch.loss is not None else "call loss.backward() and "
               "optimizer.step() in it")
            + ", or return the loss and the new parameters, as `return loss, w - lr * dw`."
        )  # fmt: skip
    for number, graph in enumerate(graphs):
        _same(name, graphs[0], graph, number)
        graph.backward()
    return [Iteration(float(np.asarray(graph.values[graph.outputs[0].index])), graph) for graph in graphs]


def _watched(f: Callable[..., Any], args: Sequence[Any], watch: Watch) -> Any:
    with observe(watch):
        return f(*[copy.deepcopy(a) if isinstance(a, (np.ndarray, list, dict)) and _plain(a) else a for a in args])


def _plain(value: Any) -> bool:
    """Say whether an argument holds arrays and numbers alone: those are copied, so that a step cannot change them."""
    if isinstance(value, dict):
        return all(map(_plain, value.values()))
    return all(map(_plain, value)) if isinstance(value, (list, tuple)) else isinstance(value, (np.ndarray, int, float))


def _eager(f: Callable[..., Any], args: Sequence[Any], watch: Watch) -> Graph:
    if watch.loss is None or np.shape(watch.loss.raw) != ():
        shape = None if watch.loss is None else np.shape(watch.loss.raw)
        raise GraphError(
            f"{watch.name}: the backward pass begins at an array of shape {shape}; call backward() on a loss of one "
            "number, in every iteration."
        )
    watch.by_hand()
    return watch.graph(named_parameters(f, args))


def _same(name: str, first: Graph, graph: Graph, number: int) -> None:
    """Refuse an iteration that computes something else than the first."""
    shape = [
        [(n.op, n.operands if n.op != "constant" else (), n.shape, _settings(n)) for n in g.nodes]
        for g in (first, graph)
    ]
    for at, (one, other) in enumerate(zip(*shape, strict=False)):
        if (one[0], *one[2:]) != (other[0], *other[2:]) or not _alike(one[1], other[1]):
            node = graph.nodes[at]
            where = f" ({node.source})" if node.source else ""
            what = f"as {other[0]} of shape {other[2]}", f"{one[0]} of shape {one[2]}"
            if what[0] == f"as {what[1]}":
                what = f"with the numbers {other[3] or other[1]}", f"with {one[3] or one[1]}"
            raise GraphError(
                f"{name}: iteration {number + 1} computes {node.name} {what[0]}{where}, the first one {what[1]}; a "
                "walk through training needs the same operations each time."
            )
    if len(shape[0]) != len(shape[1]):
        raise GraphError(
            f"{name}: iteration {number + 1} has {len(shape[1])} operations, the first {len(shape[0])}; a walk through "
            "training needs the same ones each time."
        )


def _settings(node: Node) -> str:
    """Return the attributes of a node that must stay; which entries it picks may change, as those of a batch do."""
    return "" if node.is_leaf or TABLE[node.op].kind == "move" else ", ".join(f"{k}={v}" for k, v in node.attrs.items())


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(a == b or (a != a and b != b) for a, b in zip(one, other, strict=True))
