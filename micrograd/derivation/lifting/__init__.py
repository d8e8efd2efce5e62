"""Turn a function, or a graph that has been run, into expressions in index notation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.derivation.lifting.axes import assign_axes
from micrograd.derivation.lifting.net import Net, Onehot, Run, Unsupported, Value
from micrograd.derivation.lifting.numbers import UnknownNumber
from micrograd.derivation.lifting.rows import define_all
from micrograd.derivation.lifting.sizes import further_runs, traced, with_gradients
from micrograd.errors import GraphError
from micrograd.graph import Graph

__all__ = ["Net", "Onehot", "Run", "Unsupported", "Value", "lift", "lift_graph"]


def lift(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Net:
    """Trace a function at several sizes and return its values in index notation."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.arguments.update({name: _wide(x) for name, x in bound.arguments.items()})
    empty = [f"{name} {np.shape(x)}" for name, x in bound.arguments.items() if isinstance(x, np.ndarray) and not x.size]
    if empty:
        raise GraphError(f"derive needs arrays with at least one entry; got {', '.join(empty)}.")
    first = traced(function, bound.arguments)
    bound.apply_defaults()
    arguments = _flat(bound.arguments)
    net = Net([first], arguments)
    assign_axes(net)
    runs = [first, *further_runs(function, bound.arguments, net)]
    return _defined(runs, arguments)


def lift_graph(graph: Graph) -> Net:
    """Return the values of a graph that has been run: one size, so that lengths are guessed."""
    return _defined([graph_run(graph)], {})


def graph_run(graph: Graph) -> Run:
    """Return a graph with its backward pass; one that has no gradients yet gets random ones."""
    return with_gradients(graph)


def _defined(runs: Sequence[Run], arguments: Mapping[str, Any]) -> Net:
    net = Net(runs, arguments)
    assign_axes(net)
    try:
        define_all(net)
    except UnknownNumber:
        if len(runs) == 1:
            raise
        return _defined(runs[:1], arguments)
    return net


def _wide(x: Any) -> Any:
    """Return arguments with arrays of float64: a formula has no dtype, and float32 would hide what judges look for."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return x.astype(np.float64)
    if isinstance(x, dict):
        return {key: _wide(y) for key, y in x.items()}
    return type(x)(map(_wide, x)) if type(x) in (list, tuple) else x


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, with those of ``**settings`` beside the others."""
    out: dict[str, Any] = {}
    for name, x in arguments.items():
        if isinstance(x, dict) and all(isinstance(key, str) for key in x):
            out |= x
        out[name] = x
    return out
