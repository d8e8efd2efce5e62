"""A probe made ready: the forward has run and been traced, the gradients that must come out are known.

The truth is the engine's.  Where the forward cannot be traced, or where a measured slope contradicts the engine and
agrees with the student, it is measured: central differences, good to seven digits.
"""

from __future__ import annotations

import ast
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.engine import Tensor, sweep
from micrograd.errors import MicrogradError
from micrograd.graph import Graph
from micrograd.graph.graph import uneven
from micrograd.marker.inputs.layers import at_path
from micrograd.marker.inputs.task import Probe, Task
from micrograd.marker.student.recording import duplicate
from micrograd.marker.student.statements import function_in
from micrograd.primitives import TABLE
from micrograd.pytree import flatten, paths
from micrograd.tracing import trace

__all__ = [
    "MISSING", "Case", "Judged", "UnrunnableError", "close", "judged", "measured", "prepare", "refreshed",
    "scale_of", "sent_along", "with_statistics_fixed",
]  # fmt: skip

MISSING = object()
RELATIVE = 1e-9
_STEP = 1e-5  # of central differences
_COARSE = {"float32": 2e-4, "float16": 5e-2}


class UnrunnableError(MicrogradError, ValueError):
    """The forward raises, or returns nothing that can be differentiated; the message is the student's to read."""

    def __init__(self, message: str, error: BaseException | None = None) -> None:
        super().__init__(message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method returned, and the object that holds the other gradients."""

    result: Any
    receiver: Any


@dataclass(slots=True)
class Case:
    """One probe, run forwards.

    Attributes:
        task: what is marked.
        probe: the inputs.
        result: what the student's forward returned on plain arrays.
        upstream: the gradient of each output.
        expected: the true gradient of each judged input, in the order of ``task.call.results``.
        scales: the size of the terms of each, for its bound.
        graph: the traced forward with gradients; None where it could not be traced.
        relative: the precision at which gradients are compared.
        receiver: of methods, after the forward.
        forward: calls it on other arguments.
        traced: what was traced: of a function that returns its gradient too, the part that computes the loss.
        partial: whether the backward is only run up to one value, which stands for its gradient.
    """

    task: Task
    probe: Probe
    result: Any
    upstream: tuple[Any, ...]
    expected: list[Any]
    scales: list[float]
    graph: Graph | None = None
    relative: float = RELATIVE
    receiver: Any = None
    forward: Any = field(default=None, repr=False)
    traced: Any = field(default=None, repr=False)
    partial: bool = False

    def call(self, function: Callable[..., Any]) -> Any:
        """Call a variant of the backward with fresh copies of its arguments; return its result."""
        return self.call_with(function, *self.arguments())

    def call_with(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call a variant of the backward with these arguments; an error has what its object held by then as `kept`."""
        held = any(isinstance(key, str) and key.startswith(".") for key, _ in self.task.call.results)
        try:
            with seeded(self.probe.seed, "random" in self.task.source), np.errstate(all="ignore"):
                result = function(*args, **kwargs)
        except Exception as error:
            error.kept = Outcome(None, args[0]) if held else None  # type: ignore[attr-defined]
            raise
        return Outcome(result, args[0]) if held else result

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Return fresh arguments of the backward: by position, by keyword."""
        call = self.task.call
        if self.task.forward == self.task.backward and not call.arguments:
            outside = {*self.task.made, *(name for name, _ in self.task.lifted)}
            given = [duplicate(v) for n, v in self.probe.arguments.items() if n not in outside]
            return ([duplicate(self.receiver)] if self.task.receiver else []) + given, {}
        args, kwargs = call.given(self.probe, self.result, self.upstream)
        args, kwargs = duplicate(([self.receiver, *args] if self.task.receiver else args, kwargs))
        return args, kwargs

    def gradients_in(self, result: Any) -> list[Any]:
        """Return the gradients that a result of the backward holds, `MISSING` where it has none."""
        found: list[Any] = []
        result, used = (result.result, result.receiver) if isinstance(result, Outcome) else (result, self.receiver)
        held = isinstance(result, (tuple, list, dict))
        for key, _ in self.task.call.results:
            value = MISSING
            with suppress(LookupError, TypeError, AttributeError):
                if isinstance(key, str) and key.startswith("."):
                    value = at_path(used, key[1:])
                elif key is None:
                    value = result[0] if held and not isinstance(result, dict) and len(result) == 1 else result
                elif held:
                    value = at_path(result, key) if isinstance(key, str) else result[key]
                elif key == 0:
                    value = result
            found.append(MISSING if value is None else value)
        return found


@dataclass(frozen=True, slots=True)
class Judged:
    """One gradient compared: ``right``, ``shape`` (right numbers in another shape), ``wrong`` or ``missing``."""

    state: str
    error: float
    bound: float


def close(got: Any, wanted: Any, bound: float) -> bool:
    """Return whether two arrays of one shape differ nowhere by more than `bound`."""
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(np.subtract(got, wanted)) <= bound))


def judged(case: Case, result: Any) -> list[Judged]:
    """Return every gradient of a result against the truth."""
    found = []
    if case.task.forward == case.task.backward and not case.partial and not _same_loss(case, result):
        return [Judged("wrong", np.inf, case.relative * scale) for scale in case.scales]
    for value, wanted, scale in zip(case.gradients_in(result), case.expected, case.scales, strict=True):
        try:
            got = np.asarray(value, dtype=float)
        except (TypeError, ValueError):  # MISSING too
            found.append(Judged("missing", np.inf, case.relative * scale))
            continue
        relative = max(case.relative, _COARSE.get(getattr(getattr(value, "dtype", None), "name", ""), 0.0))
        bound = relative * scale
        same = got.shape == wanted.shape
        error = np.inf
        if same or (got.size == wanted.size and _squeezed(got) == _squeezed(wanted)):
            with np.errstate(all="ignore"):
                off = np.abs(got.reshape(wanted.shape) - wanted)
            error = float(off.max(initial=0.0)) if np.isfinite(off).all() else np.inf
        found.append(Judged(("right" if same else "shape") if error <= bound else "wrong", error, bound))
    return found


def _same_loss(case: Case, result: Any) -> bool:
    """Return whether a function that returns its gradient too still returns the same loss."""
    key = case.task.call.outputs[0]
    with suppress(LookupError, TypeError, ValueError):
        loss, before = (one if key is None else one[key] for one in (result, case.result))
        return bool(np.allclose(loss, before, rtol=1e-9, atol=1e-12, equal_nan=True))
    return False


def _squeezed(array: Any) -> tuple[int, ...]:
    return tuple(size for size in np.shape(array) if size != 1)


# ---- making one ----------------------------------------------------------------------------------------------


@contextmanager
def seeded(seed: int, needed: bool = True) -> Iterator[None]:
    """Seed the student's random numbers, the same in every call, and leave ours alone."""
    if not needed:  # it would take longer than a small backward does
        yield
        return
    import random

    kept, plain = np.random.get_state(), random.getstate()  # noqa: NPY002 - students use the legacy generator
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(kept)  # noqa: NPY002
        random.setstate(plain)


def prepare(task: Task, forward: Callable[..., Any], probe: Probe, loss: Callable[..., Any] | None = None) -> Case:
    """Run and trace the forward on one probe.

    Args:
        task: what is marked.
        forward: the student's; of a method a function that makes a new object in every call, its `instance`.
        probe: the inputs.
        loss: of a function that returns its gradient too, the part that computes the loss.

    Raises:
        UnrunnableError: the forward raises, or returns nothing to differentiate.
    """
    arguments = dict(probe.arguments)
    called: Callable[..., Any] = forward
    if loss is not None:
        part, before = loss, [None] * (task.call.outputs[0] or 0)
        with suppress(Exception):  # where the cut went wrong: the whole function
            with seeded(probe.seed), np.errstate(all="ignore"):
                part(*duplicate(list(arguments.values())))
            called = lambda *args: (*before, part(*args))  # noqa: E731
            forward = part
    try:
        with seeded(probe.seed), np.errstate(all="ignore"):
            result = called(*duplicate(list(arguments.values())))
    except Exception as error:
        raise UnrunnableError(f"{task.forward} raises {type(error).__name__}: {error}", error) from error
    receiver = getattr(forward, "instance", None)
    outputs = [_output(task, result, key) for key in task.call.outputs]
    upstream = _upstream(task, probe, outputs)
    case = Case(task, probe, result, upstream, [], [], receiver=receiver, forward=called, traced=forward)
    try:
        case.graph = _traced(forward, probe)
        _seed(case, case.graph, outputs)
    except Exception:  # noqa: BLE001 - what cannot be traced is measured
        replace_truth(case)
    kinds = {str(np.asarray(result if key is None else result[key]).dtype) for key in task.call.outputs}
    for kind in kinds & {*_COARSE}:  # slopes that are measured lose as many digits again
        case.relative = max(case.relative, _COARSE[kind] if case.graph is not None else _COARSE["float16"])
    return case


def _output(task: Task, result: Any, key: int | None) -> Any:
    try:
        value = result if key is None else result[key]
        return np.asarray(value, float)
    except (LookupError, TypeError, ValueError):
        raise UnrunnableError(
            f"{task.forward} returns a {type(result).__name__}; an array, or (out, cache), is needed."
        ) from None


def _upstream(task: Task, probe: Probe, outputs: Sequence[Any]) -> tuple[Any, ...]:
    rng = np.random.default_rng([7, probe.seed])
    asked = {a.key or 0 for a in task.call.arguments if a.origin == "upstream" and _reads(task, a.name)}
    slope = task.forward != task.backward and all(a.origin != "upstream" for a in task.call.arguments)
    given = list(probe.upstream) + [None] * (len(outputs) - len(probe.upstream))
    made = []
    for place, (value, output) in enumerate(zip(given, outputs, strict=False)):
        if value is not None:
            made.append(value)
        elif output.ndim:
            made.append(np.ones(output.shape) if slope else uneven(output.shape, rng, 0.6))
        else:  # where it is not read, the backward is that of a loss, whose gradient is 1
            made.append(float(rng.uniform(1.3, 2.2)) if place in asked else 1.0)
    return tuple(made)


def _reads(task: Task, parameter: str) -> bool:
    """Return whether the backward reads one of its parameters anywhere; True where its text is not there."""
    function = function_in(task.source, task.backward)
    inside = [inner for line in function.body for inner in ast.walk(line)] if function else []
    return function is None or any(isinstance(n, ast.Name) and n.id == parameter for n in inside)


def _traced(forward: Callable[..., Any], probe: Probe) -> Graph:
    quiet = redirect_stdout(io.StringIO())  # a second run of the same code prints the same a second time
    with seeded(probe.seed), np.errstate(all="ignore"), warnings.catch_warnings(), quiet:
        warnings.simplefilter("ignore")
        return trace(forward, *duplicate(list(probe.arguments.values())))


def _seed(case: Case, graph: Graph, outputs: Sequence[Any]) -> None:
    """Run the engine backwards and read off the truth."""
    seeds: list[Any] = [None] * len(graph.outputs)
    values = graph.values
    taken: set[int] = set()
    for wanted, g in zip(outputs, case.upstream, strict=True):
        for place, node in enumerate(graph.outputs):
            value = np.asarray(values[node.index])
            if place not in taken and value.shape == wanted.shape and close(value, wanted, 1e-9 * scale_of(wanted)):
                seeds[place] = float(g) if type(values[node.index]) is float else np.asarray(g, value.dtype)
                taken.add(place)
                break
        else:
            raise UnrunnableError("the traced forward returns other values than the plain one")
    graph.backward(tuple(seeds) if len(seeds) > 1 else seeds[0])
    inputs = {node.name: node for node in graph.inputs}
    given = dict(paths(dict(case.probe.arguments)))
    sent: dict[int, float] = {}
    judged_by_name = {name for _, name in case.task.call.results}
    for (source, target, slot), part in graph.edge_grads.items():
        sent[source] = max(sent.get(source, 0.0), scale_of(part))
        if graph.nodes[source].name in judged_by_name and target in graph.grads:  # a sum of terms that may cancel
            sent[source] = max(sent[source], sent_along(graph, values, target, slot, graph.grads[target])[1])
    for _, name in case.task.call.results:
        given_as = inputs.get(name)
        if given_as is None and name not in given:
            raise UnrunnableError(f"{case.task.forward} has no input {name!r}")
        gradient = None if given_as is None else graph.grads.get(given_as.index)
        if gradient is None:
            gradient = np.zeros(np.shape(given[name]))
        case.expected.append(np.asarray(gradient, float))
        arriving = 0.0 if given_as is None else sent.get(given_as.index, 0.0)
        case.scales.append(max(scale_of(gradient), arriving, 1e-30))


def sent_along(graph: Graph, values: Sequence[Any], index: int, slot: int, g: Any) -> tuple[Any, float]:
    """Return what a node hands to an operand of the gradient `g`, and how large the terms of it are together.

    `values` are ``graph.values``, which take long to read once for each of many nodes.
    """
    node, found = graph.nodes[index], []
    for seed in (g, np.abs(g)):
        operands = [values[o] if isinstance(o, int) else o for o in node.operands]
        leaves = [Tensor(v) if np.asarray(v).dtype.kind == "f" else v for v in operands]
        leaf = leaves[slot]
        if not isinstance(leaf, Tensor):
            return None, 0.0
        out = TABLE[node.op](*leaves, **node.attrs)
        out.backward(seed)
        found.append(np.asarray(leaf.grad))
    return found[0], scale_of(found[1])


def scale_of(value: Any) -> float:
    """Return the largest finite size of an entry."""
    array = np.abs(np.asarray(value, float))
    return float(array[np.isfinite(array)].max(initial=0.0))


def _loss_along(case: Case, name: str, at: Any) -> float:
    """Return the outputs weighted with their gradients, with another value for one input."""
    arguments = duplicate(dict(case.probe.arguments))
    leaves, rebuild = flatten(arguments)
    names = [path for path, _ in paths(arguments)]
    leaves[names.index(name)] = at
    with seeded(case.probe.seed), np.errstate(all="ignore"), redirect_stdout(io.StringIO()):
        result = case.forward(*rebuild(leaves).values())
    outputs = [_output(case.task, result, key) for key in case.task.call.outputs]
    return sum(float(np.sum(out * g)) for out, g in zip(outputs, case.upstream, strict=True))


def measured(case: Case, name: str) -> Any:
    """Return the gradient of one input by central differences, entry by entry."""
    found = np.zeros(np.shape(dict(paths(dict(case.probe.arguments)))[name]))
    for at in np.ndindex(found.shape):
        along = np.zeros_like(found)
        along[at] = 1.0
        found[at] = _slope(case, name, along)
    return found


def _slope(case: Case, name: str, along: Any) -> float:
    """Return by how much the weighted outputs change with one input along a direction."""
    value = np.asarray(dict(paths(dict(case.probe.arguments)))[name], float)
    ahead, back = (_loss_along(case, name, np.asarray(value + by * along)) for by in (_STEP, -_STEP))
    return (ahead - back) / (2 * _STEP)


def contradicted(case: Case, position: int, got: Any) -> bool:
    """Return whether slopes measured along three directions agree with `got` and not with the engine."""
    name = case.task.call.results[position][1]
    wanted, rng = case.expected[position], np.random.default_rng(5)
    theirs = ours = True
    for _ in range(3):
        along = rng.standard_normal(np.shape(wanted))
        slope = _slope(case, name, along)
        size = 1e-5 * max(1e-3, float(np.sum(np.abs(along * wanted))), abs(slope))
        ours = ours and abs(float(np.sum(along * wanted)) - slope) <= size
        theirs = theirs and abs(float(np.sum(along * np.reshape(got, np.shape(wanted)))) - slope) <= size
    return theirs and not ours


def refreshed(probe: Probe, number: int) -> Probe:
    """Return the same sizes with other numbers: signs are kept, and everything that is no float array."""
    rng = np.random.default_rng([11, number, probe.seed])

    def other(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isin(value, (0.0, 1.0)).all():
            return np.asarray(value * rng.uniform(0.6, 1.5, value.shape))  # of no axes, NumPy returns no array
        return duplicate(value)

    leaves, rebuild = flatten(dict(probe.arguments))
    return Probe(rebuild([other(leaf) for leaf in leaves]), (), probe.seed + 100 + number)


def replace_truth(case: Case) -> None:
    """Measure the truth instead of taking the engine's: the trace has lost something, or there is none."""
    case.graph = None
    case.expected = [measured(case, name) for _, name in case.task.call.results]
    case.scales = [scale_of(value) for value in case.expected]
    case.relative = 2e-6


def with_statistics_fixed(case: Case) -> list[Any]:
    """Return the gradients of the judged inputs if everything that sums over the batch were constant.

    What a formula of the test phase computes, applied in training.
    """
    graph = case.graph
    if graph is None:
        return []
    sums = [t for t in graph._tensors.values() if t.row is not None and t.row.kind == "reduce"]
    seeds = {graph._tensors[index]: seed for index, seed in graph.seeds.items()}
    if not sums or any(tensor in seeds for tensor in sums):
        return []
    place = {tensor: index for index, tensor in graph._tensors.items()}
    wanted = {node.index for node in graph.inputs if node.name in {name for _, name in case.task.call.results}}
    leaves = [t for i, t in graph._tensors.items() if graph.nodes[i].is_leaf]
    found = {place[t]: g for t, g, _ in sweep(seeds, [*leaves, *sums]) if place[t] in wanted}
    return [np.asarray(g, float) for g in found.values()]
