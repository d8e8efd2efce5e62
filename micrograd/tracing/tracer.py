"""Trace a plain NumPy function: run it on traced arrays, note where each node is made, name it after the source."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

import numpy as np

from micrograd.engine import Tensor, observe
from micrograd.errors import GraphError
from micrograd.graph.broken import Failure, keep_what_ran
from micrograd.graph.graph import Graph
from micrograd.graph.nodes import Label, assemble
from micrograd.primitives import where
from micrograd.source.names import PACKAGE, CodePosition, Context, Expression, is_users_file, read, user_frames
from micrograd.tracing.array import TracedArray, without_tracing
from micrograd.tracing.clone import Cloner
from micrograd.tracing.refusals import broken_at, explain, no_function
from micrograd.tracing.storage import Storage, Write, current_trace

__all__ = ["Record", "record_call", "trace"]

_LAYERS = os.path.join(PACKAGE, "nn", "")


@dataclass(frozen=True, slots=True)
class Record:
    """One call of a function, recorded.

    Attributes:
        name: of the function.
        inputs: the nodes that stand for the float arrays among the arguments, with their names.
        outputs: the tracked values that the function returned.
        result: all that it returned, its traced arrays as tensors or arrays.
        labels: where each recorded node comes from, with its name and stage.
    """

    name: str
    inputs: dict[Tensor, str]
    outputs: list[Tensor]
    result: Any
    labels: dict[Tensor, Label]


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """Run ``f(*args, **kwargs)`` on traced arrays and return the graph of what it computed.

    Float arrays among the arguments (also inside tuples, lists and dictionaries) become the inputs, named after the
    parameters; all else (numbers such as `eps`, integer labels, flags) is passed as it is. Names, sub-expressions and
    stages come from the source of `f` and of the functions it calls. Of ``return out, cache`` the outputs are the
    tensors themselves, not what lies in inner containers.

    `f` may be written as any NumPy code is: with buffers, item assignment, ``+=``, views, masks, loops, helpers,
    classes and global variables. It runs as a clone in which a proxy stands in for `np`, so that arrays keep what is
    traced; a write makes a new version of an array, named ``out``, ``out'``, ``out''``. What `f` writes into its
    arguments, into global variables and into objects is there afterwards, as NumPy would have it. Random numbers, and
    choices that the values decide (``if``, `argmax`), are as in this one run.

    Args:
        f: a function of arrays, or any callable. It is executed once.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Raises:
        GraphError: `f` computes nothing from its inputs, or calls what has no gradient here; the message underlines
            your expression and names what to write in its place.

    >>> def f(x):
    ...     y = np.sqrt(x)
    ...     return y * x
    >>> [node.op for node in trace(f, np.array([4.0])).nodes]
    ['input', 'sqrt', 'mul']
    """
    record = record_call(f, args, kwargs, sys._getframe())
    known = {tensor: label for label, tensor in getattr(f, "named_parameters", tuple)()}
    return Graph(**assemble(record.outputs, record.inputs, record.labels, name=record.name, parameters=known))


def record_call(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], outermost: Any = None) -> Record:
    """Record one call, with names and stages: what `trace` makes its graph of."""
    if not callable(f):
        raise no_function(f, "trace")
    name = getattr(f, "__name__", type(f).__name__)
    bound = _signature(f, len(args)).bind(*args, **kwargs)
    inputs: dict[Tensor, str] = {}
    cloner = Cloner(f, inputs)
    recorder = Recorder(outermost or sys._getframe(), f, cloner)
    token = current_trace.set(recorder)
    try:
        runs = cloner.of(f) if cloner.clones_code else f
        for parameter, value in bound.arguments.items():
            kind = bound.signature.parameters[parameter].kind
            bound.arguments[parameter] = cloner.argument(
                "" if kind is inspect.Parameter.VAR_KEYWORD else parameter, value
            )
        if not inputs:
            raise GraphError(
                f"trace({name}): no float array among the arguments, so there is nothing to differentiate by"
                f"{_instead(bound.arguments)}."
            )
        with observe(recorder, sealed=True):
            result = without_tracing(runs(*bound.args, **bound.kwargs))
            cloner.give_back()
    except Exception as error:
        keep = partial(_what_ran, recorder, inputs, name)
        try:
            explain(error)
        except Exception as explained:
            keep_what_ran(explained, keep)
            raise
        keep_what_ran(error, keep)
        raise
    finally:
        current_trace.reset(token)
        recorder.release_frames()
    outputs = _outputs(result)
    if not outputs:
        got = type(result).__name__
        raise GraphError(f"trace({name}): the result ({got}) holds no tensor; "
                         "return what is computed from the inputs, as an array or a tuple of arrays.")  # fmt: skip
    labels = recorder.labels(inputs, {*outputs})
    return Record("f" if name == "<lambda>" else name, inputs, outputs, result, labels)


def _signature(f: Callable[..., Any], count: int) -> inspect.Signature:
    """Return the signature of a function; where it hides it, as builtins may, `count` arguments without a name."""
    try:
        return inspect.signature(f)
    except ValueError:
        names = ["x"] if count == 1 else [f"x{at}" for at in range(1, count + 1)]
        unnamed = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names]
        return inspect.Signature([*unnamed, inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD)])


def _instead(arguments: Mapping[str, Any]) -> str:
    """Say what to pass for the first argument that could be a float array: a number, or an array of another library."""
    for name, value in arguments.items():
        if type(value) in (int, float):
            return f"; pass np.array({float(value)}) for {value}"
        if hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic)):
            library = type(value).__module__.partition(".")[0]
            return f"; {name} is a {library} {type(value).__name__}: pass np.asarray({name})"
    return ""


def _what_ran(recorder: Recorder, inputs: dict[Tensor, str], name: str, error: BaseException) -> Graph:
    """Return the graph of the nodes that were recorded before an exception, with what broke."""
    order = [node for node in recorder.order if node.row is not None]
    read = {operand for node in order for operand in node.operands}
    ends = [node for node in order if node not in read]
    labels = recorder.labels(inputs, set())
    graph = Graph(**assemble(ends or [*inputs], inputs, labels, name=name))
    place = {tensor: index for index, tensor in graph._tensors.items()}
    source, present = broken_at(error.__traceback__)
    reads = [place[leaf] for value in present if (leaf := without_tracing(value)) in place] if place else []
    for node in ends:  # what the expression had computed of itself
        made = graph.nodes[place[node]].source
        if source is not None and made is not None and made.file == source.file and made.line == source.line:
            reads = [index for index in reads if index not in graph.nodes[place[node]].reads] + [place[node]]
    if not reads and ends:
        reads = [place[order[-1]]]  # the last that ran
    said = str(error).splitlines()[0] if str(error) else ""
    message = f"{type(error).__name__}: {said}"
    graph.failure = Failure(source, message, tuple(dict.fromkeys(reads)))
    return graph


def _outputs(result: Any) -> list[Tensor]:
    """Return the tensors that a function returned; those of a dictionary or a sequence, not of containers in it."""
    parts: Any = [result]
    if isinstance(result, (dict, list, tuple)):
        parts = result.values() if isinstance(result, dict) else result
    return [part for part in parts if isinstance(part, Tensor)]


# ---- where nodes come from ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Origin:
    """Where a recorded node was made.

    Attributes:
        frames: where the user's frames stood, innermost first.
        calls: the numbers of those frames.
        call: the engine's frame that the user's expression entered: one per evaluation of an operation.
        stage: of the layer that made it.
        constants: names of constants by slot, where the user's expression does not tell.
    """

    frames: list[CodePosition] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    call: FrameType | None = None
    stage: tuple[Any, ...] | None = None
    constants: list[str] | None = None


class Recorder:
    """What a trace knows while it runs: the observer of its nodes, and the `CurrentTrace` of its storages."""

    def __init__(self, outermost: FrameType, f: object, cloner: Cloner) -> None:
        self.outermost = outermost
        self.f = f
        self.cloner = cloner
        self.origins: dict[Tensor, _Origin] = {}
        self.order: list[Tensor] = []
        self.calls: dict[FrameType, int] = {}  # every frame of the user's, kept so that it stays told from others
        self.written_in: dict[int, tuple[list[CodePosition], list[int]]] = {}  # by a list of positions: their calls
        self.versions: dict[Tensor, tuple[Storage, Write]] = {}  # nodes that are an array after a write to a part
        self.written: set[Tensor] = set()  # values that went into a part of an array, whose name is not theirs
        self.lasts: set[Tensor] = set()  # nodes that end a call of the user's

    def recorded(self, node: Tensor) -> None:
        """Note the user's frames, up to the one that called `trace`."""
        origin = self.origins[node] = _Origin()
        self.order.append(node)
        inner: FrameType | None = None
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self.outermost:
            code = frame.f_code
            if is_users_file(code.co_filename):
                if not origin.frames:
                    origin.call = inner
                origin.frames.append(CodePosition(code, frame.f_lasti, frame.f_lineno))
                origin.calls.append(self.calls.setdefault(frame, len(self.calls)))
                if origin.stage is None and code.co_filename.startswith(_LAYERS):
                    layer = frame.f_locals.get("self", self.f)
                    if layer is not self.f:
                        origin.stage = (self.calls[frame], type(layer).__name__)
            inner, frame = frame, frame.f_back

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Record backward passes inside the traced function like anything else."""

    def release_frames(self) -> None:
        """Let go of all frames: one that is kept keeps its locals, and those of the trace too."""
        self.lasts = {*{id(origin.call): node for node, origin in self.origins.items() if origin.call}.values()}
        del self.outermost, self.calls
        for origin in self.origins.values():
            origin.call = None

    # ---- what storages ask for -----------------------------------------------------------------------

    def here(self) -> list[CodePosition]:
        """Return where the user's frames stand at this moment, innermost first."""
        frames = [*user_frames(2, until=self.outermost)]
        positions = [CodePosition.of(frame) for frame in frames]
        calls = [self.calls.setdefault(frame, len(self.calls)) for frame in frames]
        self.written_in[id(positions)] = positions, calls
        return positions

    def recorded_so_far(self) -> int:
        """Count the nodes that have been recorded."""
        return len(self.order)

    def composed(self, storage: Storage, write: Write, before: int, parts: Sequence[Any]) -> None:
        """Note that the nodes since number `before` make a version of an array out of `parts`."""
        made = self.order[before:]
        for node in made:
            origin = self.origins[node]
            origin.frames, origin.call = write.frames, None
            _, origin.calls = self.written_in.get(id(write.frames), ([], []))
            origin.constants = ["mask" if node.row is where else "", *[""] * len(node.args)]
        if made:
            self.versions[made[-1]] = storage, write
        self.written.update(part for part in parts if isinstance(part, Tensor))

    def writes(self, storage: Storage) -> None:
        """Refuse to write into an array of the caller's that another of theirs shares memory with."""
        self.cloner.refuse_shared(storage)

    def adopted(self, array: np.ndarray[Any, Any]) -> TracedArray:
        """Return a plain array that something tracked is written into, traced from now on."""
        return self.cloner.adopted(array, self.outermost)

    # ---- names ---------------------------------------------------------------------------------------

    def labels(self, inputs: Mapping[Tensor, str], outputs: set[Tensor]) -> dict[Tensor, Label]:
        """Return the statement, name and stage of each recorded node; `outputs` are the nodes returned."""
        expressions = iter(read([position for origin in self.origins.values() for position in origin.frames]))
        labels: dict[Tensor, Label] = {}
        for node, origin in self.origins.items():
            around = [next(expressions) for _ in origin.frames]  # outwards through helpers
            if not around:
                labels[node] = Label(stage=origin.stage, constants=origin.constants)
                continue
            if node in self.versions:
                name = self._array_name(*self.versions[node], around[0].context, inputs, labels)
                label = Label(around[0].source, name, name)
            else:
                label = self._value_label(node, around, node in outputs)
            label.stage, label.constants = origin.stage or _stage(around, label.statement), origin.constants
            label.callers = tuple(expression.source for expression in reversed(around[1:]))
            label.calls = tuple(reversed(origin.calls[: len(around) - 1]))
            labels[node] = label
        return labels

    def _value_label(self, node: Tensor, around: Sequence[Expression], is_output: bool) -> Label:
        """Name a node that is no version of an array."""
        label = Label(around[0].source)
        context: Context | None = None
        whole = node in self.lasts
        for _, context, _ in around:  # as long as the value is just returned
            if context is None or not context.returns:
                break
            whole = whole and context.whole
        if context is None:
            return label
        label.statement = context.target
        if context.item and node in self.written:
            whole = False
        if context.returns and is_output and whole:
            label.statement = label.name = "out"
        elif context.target and context.whole and whole:
            label.name = context.target
        elif context.returns and not label.statement:
            label.statement = "out"
        return label

    @staticmethod
    def _array_name(
        storage: Storage, write: Write, context: Context | None, inputs: Mapping[Tensor, str],
        labels: Mapping[Tensor, Label],
    ) -> str:  # fmt: skip
        """Return what the user calls an array that was written into, where `context` is that of the write."""
        if write.direct and context is not None and context.target:
            return context.target
        first = storage.first
        if first is not None:
            if first in inputs:
                return inputs[first]
            if (label := labels.get(first)) is not None and (label.name or label.statement):
                return label.name or label.statement
        for _, made, _ in read(storage.made):
            if made is not None and made.target:
                return made.target
            if made is None or not made.returns:
                break
        return context.target if context is not None else ""


def _stage(around: Sequence[Expression], statement: str) -> tuple[Any, ...]:
    """Return what decides the stage: the outermost step comment above or beside a statement; else the statement."""
    for expression in reversed(around):
        if expression.step is not None:
            return expression.step
    source, context, _ = around[-1]
    return (source.file, context.line if context else source.line, statement)
