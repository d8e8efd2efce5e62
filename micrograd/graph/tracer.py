"""`trace`: run a plain NumPy function on tensors and keep what it did, under the author's own names."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from micrograd.engine import Tensor, observe
from micrograd.errors import GraphError
from micrograd.graph.assemble import Mark, assemble
from micrograd.graph.graph import Graph
from micrograd.names import Place, function_lines, place_of, stage_titles, statement_end
from micrograd.source import Source, author_frames, source_of
from micrograd.tree import flatten, paths

__all__ = ["trace"]

_LAYERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "nn", "")


class Recorder:
    """An observer that notes where each node comes from."""

    def __init__(self, outermost: FrameType, f: object) -> None:
        self.outermost = outermost
        self.f = f
        self.marks: dict[Tensor, Mark] = {}
        self.kept: set[FrameType] = set()  # frames of layers, so that their ids stay theirs

    def recorded(self, node: Tensor) -> None:
        """Note the author's frames, up to the one that called `trace`."""
        mark = self.marks[node] = Mark()
        inner: FrameType | None = sys._getframe(1)
        for frame in author_frames(2, until=self.outermost):
            if not mark.sources:
                while inner is not None and inner.f_back is not frame:
                    inner = inner.f_back
                mark.call = inner
            mark.sources.append(source_of(frame))
            if mark.stage is None and frame.f_code.co_filename.startswith(_LAYERS):
                layer = frame.f_locals.get("self", self.f)
                if layer is not self.f:
                    self.kept.add(frame)
                    mark.stage = (id(frame), type(layer).__name__)

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Backward passes inside the traced function are recorded like anything else."""


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """Run ``f(*args, **kwargs)`` on tensors and answer the graph of what it computed.

    Float arrays among the arguments (also inside tuples, lists and dictionaries) become the inputs, named after the
    parameters; all else (numbers such as `eps`, integer labels, flags) is passed as it is. Names, sub-expressions and
    stages come from the source of `f` and of the functions it calls. Of ``return out, cache`` the outputs are the
    tensors themselves, not what lies in inner containers.

    Args:
        f: a function of arrays, or any callable. It is executed once.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Raises:
        GraphError: `f` computes nothing from its inputs, or the trace is lost.

    >>> def f(x):
    ...     y = np.sqrt(x)
    ...     return y * x
    >>> [node.op for node in trace(f, np.array([4.0])).nodes]
    ['input', 'sqrt', 'mul']
    """
    bound = inspect.signature(f).bind(*args, **kwargs)
    inputs: dict[Tensor, str] = {}

    def enter(name: str, value: Any) -> Any:
        if isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "fc"):
            tensor = Tensor(value.data if isinstance(value, Tensor) else value)
            inputs[tensor] = name
            return tensor
        return value

    for parameter, value in bound.arguments.items():
        kind = bound.signature.parameters[parameter].kind
        prefix = "" if kind is inspect.Parameter.VAR_KEYWORD else parameter
        named = list(paths(value, prefix))
        if len(named) == 1 and named[0][1] is value:
            bound.arguments[parameter] = enter(parameter, value)
        elif named:
            bound.arguments[parameter] = flatten(value)[1]([enter(name, leaf) for name, leaf in named])
    name = getattr(f, "__name__", type(f).__name__)
    if not inputs:
        raise GraphError(f"trace({name}): no float array among the arguments, so there is nothing to differentiate by.")
    recorder = Recorder(sys._getframe(), f)
    try:
        with observe(recorder, sealed=True):
            result = f(*bound.args, **bound.kwargs)
        last_of_call = {id(mark.call): node for node, mark in recorder.marks.items() if mark.call is not None}
        lasts = {*last_of_call.values()}
    except ValueError as error:  # NumPy puts its own words in front of ours when it fills a buffer
        if isinstance(error.__cause__, GraphError):
            raise error.__cause__ from None
        raise
    finally:  # a frame that is kept keeps all its locals, this one too
        del recorder.outermost, recorder.kept
        for mark in recorder.marks.values():
            mark.call = None
    outputs = [r for r in result if isinstance(r, Tensor)] if isinstance(result, (tuple, list)) else [result]
    if not outputs or not isinstance(outputs[0], Tensor):
        got = type(result).__name__
        raise GraphError(f"trace({name}): the result ({got}) holds no tensor; "
                         "return what is computed from the inputs, as an array or a tuple of arrays.")  # fmt: skip
    _name_nodes(recorder.marks, outputs, lasts)
    known = {tensor: label for label, tensor in getattr(f, "named_parameters", tuple)()}
    name = "f" if name == "<lambda>" else name
    return Graph(**assemble(outputs, inputs, recorder.marks, name=name, parameters=known))


def _name_nodes(marks: dict[Tensor, Mark], outputs: Sequence[Tensor], lasts: set[Tensor]) -> None:
    """Give each recorded node its statement, its name and its stage; `lasts` end a call of the author's."""
    for node, mark in marks.items():
        if not mark.sources:
            continue
        place: Place | None = None
        whole = node in lasts
        for source in mark.sources:  # outwards through helpers, as long as the value is just returned
            place = place_of(source)
            if place is None or not place.returns:
                break
            whole = whole and place.whole
        mark.statement = place.target if place else ""
        if place and place.returns and any(node is output for output in outputs) and whole:
            mark.statement = mark.name = "out"
        elif place and place.target and place.whole and whole:
            mark.name = place.target
        elif place and place.returns and not mark.statement:
            mark.statement = "out"
        if mark.stage is None:
            mark.stage = _stage_key(mark.sources, mark.statement)


def _stage_key(sources: Sequence[Source], statement: str) -> tuple[Any, ...]:
    """What decides the stage: the step comment above or beside a statement, the outermost one; else the statement."""
    lines = [place.line if (place := place_of(source)) else source.line for source in sources]
    for source, line in zip(reversed(sources), reversed(lines), strict=True):
        first, last = function_lines(source.file, line)
        titles = stage_titles(source.file, first, last)
        if titles:
            before = [(at, title) for at, title in titles if at <= statement_end(source.file, line)]
            return (source.file, *before[-1]) if before else (source.file, first, "")
    return (sources[-1].file, lines[-1], statement)
