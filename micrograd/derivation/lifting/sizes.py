"""Run the user's function at other sizes: what changes with the sizes is a length, what stays is a number.

The axes of the first run say which axes run together; each gets a new, small length of its own. A function
that has a size built in (``x.reshape(2, 3)``) fails or computes something else there; such axes keep their length.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from micrograd.derivation.lifting.axes import lengths_in
from micrograd.derivation.lifting.net import Net, Run, both_passes
from micrograd.graph import Graph
from micrograd.graph.graph import seeded_outputs, upstream_for
from micrograd.tracing import trace

__all__ = ["further_runs", "traced"]

_LENGTHS = ((3, 4, 2, 5, 7, 6), (5, 3, 4, 2, 9, 8))
"""The new lengths of each further run, in the order of the axes; no two axes of a run have the same."""


def traced(function: Callable[..., Any], arguments: Mapping[str, Any], seed: int = 0) -> Run:
    """Trace a function and run its backward pass from random gradients of its outputs."""
    bound = inspect.signature(function).bind_partial()
    bound.arguments.update(arguments)
    with np.errstate(all="ignore"):
        graph = trace(function, *bound.args, **bound.kwargs)
        return with_gradients(graph, seed)


def with_gradients(graph: Graph, seed: int = 0) -> Run:
    """Return a graph with its backward pass, from random gradients; a loss has the gradient 1."""
    rng = np.random.default_rng(seed)
    wanted = {n.index for n in seeded_outputs(graph)}
    seeds = tuple(
        (upstream_for(graph.values[n.index], rng) if n.shape else _one(graph.values[n.index]))
        if n.index in wanted
        else None
        for n in graph.outputs
    )
    with np.errstate(all="ignore"):
        graph.backward(seeds if len(seeds) > 1 else seeds[0])
    return both_passes(graph)


def _one(value: Any) -> Any:
    return np.ones((), value.dtype) if isinstance(value, np.ndarray) else 1.0


def further_runs(function: Callable[..., Any], arguments: Mapping[str, Any], net: Net) -> list[Run]:
    """Return runs at two other sizes; fewer, or none, where the function has its sizes built in."""
    ranges = sorted(
        {r for v in net.values.values() if v.op == "input" and not v.backward for d in v.dims for r, _ in d}
    )
    free = [r for r in ranges if _works(function, arguments, net, {r: net.length[r] + 1})]
    if not free:
        return []
    found = []
    for new in _LENGTHS:
        built_in = {n for r, n in net.length.items() if r not in free}
        spare = (n for n in itertools.chain(new, itertools.count(11)) if n not in built_in)
        lengths = dict(net.length) | {r: next(spare) for r in free}
        run = _run_at(function, arguments, net, lengths)
        if run is not None:
            found.append(run)
    return found


def _works(function: Callable[..., Any], arguments: Mapping[str, Any], net: Net, change: dict[int, int]) -> bool:
    return _run_at(function, arguments, net, dict(net.length) | change) is not None


def _run_at(
    function: Callable[..., Any], arguments: Mapping[str, Any], net: Net, lengths: Mapping[int, int]
) -> Run | None:
    """Return the run at these lengths, or None where the function does not compute the same there."""
    try:
        run = traced(function, resized(arguments, net, lengths), seed=1)
    except Exception:  # noqa: BLE001 - whatever the user's code raises at a size that it is not made for
        return None
    if not _alike(net.runs[0].forward, run.forward) or not _alike(net.runs[0].backward, run.backward):
        return None
    trial = Net.__new__(Net)
    trial.runs, trial.values, trial.length = [*net.runs, run], net.values, net.length
    found = lengths_in(trial, len(net.runs))
    return run if found is not None and all(found[r] == n for r, n in lengths.items()) else None


def _alike(one: Graph, two: Graph) -> bool:
    """Check that two graphs have the same operations of the same operands."""
    if len(one.nodes) != len(two.nodes) or [n.index for n in one.outputs] != [n.index for n in two.outputs]:
        return False
    for a, b in zip(one.nodes, two.nodes, strict=True):
        same = (a.op, a.name, len(a.shape), a.dtype) == (b.op, b.name, len(b.shape), b.dtype)
        if not same or [o for o in a.operands if isinstance(o, int)] != [o for o in b.operands if isinstance(o, int)]:
            return False
        if [s == 1 for s in a.shape] != [s == 1 for s in b.shape]:
            return False
        if any(a.attrs.get(key) != b.attrs.get(key) for key in ("axis", "keepdims", "axes", "exponent")):
            return False
    return True


# ---- arguments of other sizes ------------------------------------------------------------------------------


def resized(arguments: Mapping[str, Any], net: Net, lengths: Mapping[int, int]) -> dict[str, Any]:
    """Return the arguments with arrays of these lengths, their numbers taken from those given."""
    rng = np.random.default_rng(3)
    inputs = [v for v in net.values.values() if v.op == "input" and not v.backward]
    shapes = {v.name: tuple(math.prod(lengths[r] for r, _ in own) for own in v.dims) for v in inputs}
    waiting = {v.name for v in inputs}

    def change(name: str, x: Any) -> Any:
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            node = name if name in waiting else next((n for n in shapes if n in waiting and _is(net, n, x)), None)
            if node is None:
                return x
            waiting.discard(node)
            return _filled(x, shapes[node], rng)
        if isinstance(x, np.ndarray) and x.dtype.kind in "iub" and x.ndim:
            return _labels(x, net, lengths, rng)
        if isinstance(x, dict):
            return {key: change(f"{name}_{key}", y) for key, y in x.items()}
        if type(x) in (list, tuple):
            return type(x)(change(f"{name}_{i}", y) for i, y in enumerate(x))
        return x

    return {name: change(name, x) for name, x in arguments.items()}


def _is(net: Net, name: str, x: np.ndarray) -> bool:
    v = net.values[name]
    value = net.runs[0].forward.values[v.index]
    return v.shape == x.shape and np.array_equal(np.asarray(value), x, equal_nan=True)


def _filled(x: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Fill a shape with numbers of `x`: of the same sign and size; those of whole numbers stay whole."""
    if not x.size:
        return np.zeros(shape, x.dtype)
    taken = rng.choice(x.ravel(), shape)
    if (x == np.round(x)).all():
        return np.asarray(taken, x.dtype)
    return np.asarray(taken * rng.uniform(0.8, 1.0, shape), x.dtype)


def _labels(x: np.ndarray, net: Net, lengths: Mapping[int, int], rng: np.random.Generator) -> np.ndarray:
    """Resize an array of integers or truth values: each axis is one of that length, the one at the same place first."""
    order = [r for v in net.values.values() if v.op == "input" and not v.backward for d in v.dims for r, _ in d]
    shape = []
    for a, s in enumerate(x.shape):
        same = [r for r in order if net.length[r] == s and r not in shape]
        fits = [r for r in same if any(len(v.dims) > a and v.dims[a] == ((r, 0),) for v in net.values.values())]
        shape.append((fits or same or [None])[0])
    new = tuple(lengths[r] if r is not None else s for r, s in zip(shape, x.shape, strict=True))
    taken = rng.choice(x.ravel(), new) if x.size else np.zeros(new, x.dtype)
    if x.dtype.kind == "b" or x.min(initial=0) < 0:
        return np.asarray(taken)
    ceiling = min(
        [n for r, n in lengths.items() if net.length[r] > x.max(initial=0)], default=int(x.max(initial=0)) + 1
    )
    return np.asarray(taken % ceiling, x.dtype)
