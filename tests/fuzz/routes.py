"""Run a program by every route of micrograd: what it returns, what it leaves behind, and its gradients."""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import micrograd as mg
from micrograd.compiler import compiled
from micrograd.compiler.backends.native import Entry
from micrograd.export import to_jax, to_onnx

from .oracle import direction_of, weights
from .programs import Loaded, Program, Ran

__all__ = ["ROUTES", "Nudge", "Result", "Run"]


Nudge = Callable[[Any], Any]
"""Returns what a program is given for an array among its arguments, of the same memory."""


@dataclass
class Result:
    """What a route found.

    Attributes:
        ran: value, and what was left in the arguments; None where there is no value.
        keeps: whether what the function writes into its arguments must be there afterwards.
        gradient: of the weighted sum by the arguments that are floats.
        tangent: along the direction of `direction_of`, of the value.
        second: the gradient of the slope along that direction, along it again.
        later: what later calls did, with other numbers, beside what NumPy does, and what it does of arguments that are nudged.
    """

    ran: Ran | None = None
    keeps: bool = True
    gradient: list[Any] = field(default_factory=list)
    tangent: Any = None
    second: float | None = None
    later: list[tuple[Ran, Ran, Callable[[Nudge], Ran]]] = field(default_factory=list)


Run = Callable[[Program, Any], Result]


def _floats(loaded: Loaded) -> list[int]:
    return [place for place, a in enumerate(loaded.arguments) if a.dtype.kind == "f"]


def _of_floats(loaded: Loaded) -> tuple[Callable[..., Any], list[Any]]:
    """The function by its arguments that are floats, and these."""
    places, f = _floats(loaded), loaded.f
    others = [None if place in places else a for place, a in enumerate(loaded.arguments)]

    def of_floats(*floats: Any) -> Any:
        given = iter(floats)
        return f(*(next(given) if other is None else other for other in others))

    return (of_floats if any(o is not None for o in others) else f), [loaded.arguments[place] for place in places]


def trace(program: Program, value: Any) -> Result:
    loaded = program.load()
    graph = mg.trace(loaded.f, *loaded.arguments)
    ran = Ran(graph.value[graph.outputs[0].name], loaded.left())
    graph.backward(weights(graph.value[graph.outputs[0].name]))
    reached = {node.name: graph.grads.get(node.index) for node in graph.inputs}
    names, gradients = [*inspect.signature(loaded.f).parameters], []
    for place in _floats(loaded):
        found = reached.get(names[place])
        gradients.append(np.zeros_like(loaded.arguments[place]) if found is None else found)
    return Result(ran, gradient=gradients)


def vjp(program: Program, value: Any) -> Result:
    loaded = program.load()
    f, floats = _of_floats(loaded)
    out, pull = mg.vjp(f, *floats)
    ran = Ran(out, loaded.left())
    return Result(ran, gradient=[*pull(weights(out))])


def jvp(program: Program, value: Any) -> Result:
    loaded = program.load()
    f, floats = _of_floats(loaded)
    along = [d for d in direction_of(loaded.arguments) if d is not None]
    out, tangent = mg.jvp(f, floats, along)
    return Result(Ran(out, loaded.left()), tangent=tangent)


def _loss(f: Callable[..., Any], seed: Any) -> Callable[..., Any]:
    def loss(*arguments: Any) -> Any:
        return np.sum(f(*arguments) * seed)

    return loss


def grad(program: Program, value: Any) -> Result:
    loaded = program.load()
    found = mg.grad(_loss(loaded.f, weights(value)), tuple(_floats(loaded)))(*loaded.arguments)
    return Result(Ran(None, loaded.left()), gradient=[*found])


def no_grad(program: Program, value: Any) -> Result:
    with mg.no_grad():
        return grad(program, value)


def second(program: Program, value: Any) -> Result:
    loaded = program.load()
    f, floats = _of_floats(loaded)
    along = [d for d in direction_of(loaded.arguments) if d is not None]
    places = tuple(range(len(floats)))

    def turned(*floats: Any) -> Any:
        slopes = mg.grad(_loss(f, weights(value)), places)(*floats)
        return functools.reduce(lambda a, b: a + b, (np.sum(g * d) for g, d in zip(slopes, along, strict=True)))

    found = mg.grad(turned, places)(*floats)
    return Result(second=float(sum(np.sum(g * d) for g, d in zip(found, along, strict=True))))


def _interpreted(program: Any, layouts: Any, threads: int) -> Entry:
    return Entry(program, layouts, threads, interpreted=True)


def compile_printed(program: Program, value: Any) -> Result:
    """Compiled, with what is printed run as Python: the same text, in a hundredth of the time."""
    with patch.object(compiled, "Entry", _interpreted):
        return compile_native(program, value)


def compile_native(program: Program, value: Any) -> Result:
    loaded, plain = program.load(), program.load()
    f = mg.compile(loaded.f, threads=1)
    ran = Ran(f(*loaded.arguments), loaded.left())
    plain.f(*plain.arguments)
    later: list[tuple[Ran, Ran, Callable[[Nudge], Ran]]] = []
    for change in _CHANGES:
        try:
            there = _call_with(change, program, plain)
        except Exception:  # noqa: BLE001 - of such numbers NumPy makes nothing, and neither need we
            break
        here = _call_with(change, program, Loaded(f, (), loaded.globals))
        later.append((here, there, functools.partial(_nudged, program, len(later))))
    return Result(ran, later=later)


def _call_with(change: Callable[[Any], Any], program: Program, loaded: Loaded, nudge: Nudge | None = None) -> Ran:
    """Call a function with changed arguments, one array where they were one."""
    given = program.load().arguments
    first = {id(a): change(a) for a in given}
    taken = {key: a if nudge is None else nudge(a) for key, a in first.items()}
    out = np.array(loaded.f(*(taken[id(a)] for a in given)))
    return Ran(out, _left([first[id(a)] for a in given], loaded))


def _nudged(program: Program, number: int, nudge: Nudge) -> Ran:
    """Return what NumPy does in a later call whose arguments are nudged."""
    plain = program.load()
    plain.f(*plain.arguments)
    for change in _CHANGES[:number]:
        _call_with(change, program, plain)
    return _call_with(_CHANGES[number], program, plain, nudge)


def _turned(a: Any) -> Any:
    """An argument of the same shape, dtype and place in memory with other numbers, truth values and signs."""
    made = np.array(a[::-1] if a.ndim else a)
    a[...] = ~made if a.dtype == bool else made + 1 if a.dtype.kind in "iu" else 0.75 - made
    return a


def _shrunk(a: Any) -> Any:
    """The same with all numbers nearer to 0, and no truth value."""
    a[...] = False if a.dtype == bool else np.array(a) // 2 if a.dtype.kind in "iu" else np.array(a) / 8
    return a


_CHANGES = _turned, _shrunk
"""What is done to the arguments of later calls, one after the other."""


def _left(arguments: list[Any], loaded: Loaded) -> list[Any]:
    """What is now in these arguments and in the global array."""
    table = loaded.globals.get("TABLE")
    return [np.array(a) for a in (*arguments, *([] if table is None else [table]))]


def compile_gradient(program: Program, value: Any) -> Result:
    loaded = program.load()
    slopes = mg.grad(_loss(loaded.f, weights(value)), tuple(_floats(loaded)))
    with patch.object(compiled, "Entry", _interpreted):
        found = mg.compile(slopes, threads=1)(*loaded.arguments)
    return Result(Ran(None, loaded.left()), gradient=[*found])


def jax(program: Program, value: Any) -> Result:
    import jax as other

    loaded = program.load()
    before = other.config.jax_enable_x64
    other.config.update("jax_enable_x64", True)
    try:
        out = np.asarray(to_jax(loaded.f)(*loaded.arguments))
    finally:
        other.config.update("jax_enable_x64", before)
    return Result(Ran(out, []), keeps=False)


def onnx(program: Program, value: Any) -> Result:
    import onnxruntime

    loaded = program.load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.onnx"
        to_onnx(loaded.f, path, *loaded.arguments)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            names = [info.name for info in session.get_inputs()]
            given = dict(zip(names, map(np.ascontiguousarray, program.load().arguments), strict=False))
            given = {name: given[name].reshape(a.shape) for name, a in zip(names, loaded.arguments, strict=False)}
            (out,) = session.run(None, given)
        except Exception as error:
            if "not supported" not in str(error) and "Could not find an implementation" not in str(error):
                raise
            return (
                Result()
            )  # `to_onnx` has run the file by ONNX's own evaluator; this runtime has no kernel for a dtype
    return Result(Ran(out, []), keeps=False)


ROUTES: dict[str, tuple[Run, int]] = {
    "trace": (trace, 1),
    "vjp": (vjp, 1),
    "jvp": (jvp, 1),
    "grad": (grad, 1),
    "no_grad": (no_grad, 10),
    "second": (second, 4),
    "compile": (compile_printed, 2),
    "compile grad": (compile_gradient, 8),
    "compile native": (compile_native, 0),
    "jax": (jax, 0),
    "onnx": (onnx, 0),
}
"""By name: the route, and that every so many programs take it; 0 for those that only a long run takes."""
DEAR = {"compile native": 400, "jax": 100, "onnx": 50}
"""Every how many programs of a long run take the dear routes."""
