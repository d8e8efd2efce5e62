"""Make a `Program` of a function or a graph, and bound how far apart two correct runs of it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.batchnorm.tolerance import unit_roundoff
from micrograd.errors import GraphError
from micrograd.graph import Graph
from micrograd.primitives import TABLE
from micrograd.program.capture import capture
from micrograd.program.program import Equation, Feed, Program, Value, concrete
from micrograd.pytree import flatten

__all__ = ["feeds_of", "from_graph", "pure", "rounding"]

Array = np.ndarray[Any, Any]


def from_graph(graph: Graph) -> Program:
    """Return the program of a graph: inputs become arguments, parameters and constants stay what they are."""
    values, feeds, equations = [], [], []
    position = 0
    for node in graph.nodes:
        weak = node.shape == () and type(graph.fixed.get(node.index)) is float
        values.append(Value(node.shape, node.dtype, node.name, weak))
        if node.op == "input":
            feeds.append(Feed(node.index, "argument", position))
            position += 1
        elif node.is_leaf:
            feeds.append(Feed(node.index, "constant", array=graph.fixed[node.index]))
        else:
            line = str(node.source or "")
            equations.append(Equation(node.op, node.operands, node.index, node.attrs, line))
    outputs = tuple(node.index for node in graph.outputs)
    return Program(graph.name, tuple(values), tuple(feeds), tuple(equations), outputs).check()


def pure(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Program:
    """Return the program of a call that changes no state and draws no random numbers.

    Raises:
        GraphError: the call changes state (a training step, batch norm in training) or draws random numbers.
    """
    with np.errstate(all="ignore"):
        program = capture(f, tuple(args), dict(kwargs), constants=True)
    if program.writes:
        raise GraphError(
            f"{program.name} changes {len(program.writes)} array(s) of state at each call, which an exported function "
            "cannot; call eval() on the model first, or use compile(step, backend='jax') for a training step."
        )
    if any(feed.kind == "host" for feed in program.feeds):
        raise GraphError(
            f"{program.name} draws numbers anew at each call (dropout?), which an exported function cannot; "
            "call eval() on the model first."
        )
    if count := len(program.updates):  # what it writes into its arguments stays inside of an exported function
        whole = program.rebuild
        return replace(program, outputs=program.outputs[:-count], updates=(),
                       rebuild=lambda flat: whole([*flat, *[np.zeros(())] * count])[0])  # fmt: skip
    return program


def feeds_of(program: Program, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[int, Any]:
    """Return the value of each feed for a call with these arguments; state is read now."""
    leaves, _ = flatten((tuple(args), dict(kwargs)))
    given: dict[int, Any] = {}
    for feed in program.feeds:
        if feed.kind == "argument":
            given[feed.value] = leaves[feed.position]
        else:
            given[feed.value] = feed.array if feed.get is None else feed.get()
    return given


def rounding(program: Program, given: Mapping[int, Any], draws: int = 8) -> list[Any]:
    """Bound how far apart two correct runs of the program may be: for each output a bound on its largest entry.

    Each result is changed at random by as much as its rounding may be: two unit roundoffs (less would be rounded away
    again) times its size, or times the sum of the sizes of its terms where it is a sum; a product has them for each
    factor. The bound is 16 times the largest change of the output, and 16 roundoffs of its own.

    Source: J. Vignes, A stochastic arithmetic for reliable scientific computation, 1993.

    Args:
        program: what is run.
        given: the value of each feed.
        draws: how many runs are changed at random.

    Returns:
        One number for each output.

    >>> from micrograd.tracing import trace
    >>> program = from_graph(trace(lambda x: x * 0.1, np.ones(3)))
    >>> (bound,) = rounding(program, {0: np.ones(3)})
    >>> 1e-17 < bound < 1e-15
    True
    """
    plain = _shaken(program, given, None)
    far = [0.0] * len(program.outputs)
    for draw in range(draws):
        shaken = _shaken(program, given, np.random.default_rng(draw))
        for place, value in enumerate(program.outputs):
            with np.errstate(all="ignore"):
                apart = np.abs(np.asarray(shaken[value], float) - np.asarray(plain[value], float))
            far[place] = max(far[place], float(apart[np.isfinite(apart)].max(initial=0.0)))
    bounds = []
    for place, value in enumerate(program.outputs):
        array = np.asarray(plain[value])
        u = unit_roundoff(array.dtype) if array.dtype.kind == "f" else 0.0
        size = float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) if u else 0.0
        bounds.append(16 * (far[place] + u * size))
    return bounds


def _shaken(program: Program, given: Mapping[int, Any], rng: np.random.Generator | None) -> dict[int, Any]:
    known: dict[int, Any] = dict(given)
    with np.errstate(all="ignore"):
        for equation in program.equations:
            row = TABLE[equation.op]
            operands = [known[o] if isinstance(o, int) else o for o in equation.operands]
            if row.kind != "map":
                operands = [np.asarray(o) for o in operands]
            attrs = dict(equation.attrs)
            if "index" in attrs:
                attrs["index"] = concrete(attrs["index"], known)
            out = row.forward(*operands, **attrs)
            array = np.asarray(out)
            if rng is not None and row.kind != "move" and array.dtype.kind == "f" and not isinstance(out, float):
                sizes = [np.abs(o) for o in operands] if row.kind in ("reduce", "contract", "scan") else []
                size = row.forward(*sizes, **attrs) if sizes else np.abs(array)
                factors = array.shape[attrs["axis"]] if row.name == "cumprod" else 1
                noise = 2 * factors * unit_roundoff(array.dtype) * rng.uniform(-1, 1, array.shape)
                out = np.asarray(array + np.where(np.isfinite(size), noise * size, 0.0), array.dtype)
            known[equation.out] = out
    return known
