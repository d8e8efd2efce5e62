"""`trace`: run a plain NumPy function on tensors and keep what it did, under the author's own names."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from micrograd.engine import Tensor, observe
from micrograd.errors import GraphError, MicrogradError
from micrograd.graph.build import Mark, assemble
from micrograd.graph.graph import Graph
from micrograd.pytree import flatten, paths
from micrograd.tracing.array import Traced
from micrograd.tracing.clone import Twins
from micrograd.tracing.naming import Namer
from micrograd.tracing.recorder import Recorder
from micrograd.tracing.refusals import located
from micrograd.tracing.storage import surroundings

__all__ = ["Record", "record_call", "trace"]


@dataclass(frozen=True, slots=True)
class Record:
    """One call of a function, recorded.

    Attributes:
        name: of the function.
        inputs: the nodes that stand for the float arrays among the arguments, with their names.
        outputs: the tracked values that the function answered.
        result: all that it answered, its traced arrays as tensors or arrays.
        marks: where each recorded node comes from, with its name and stage.
    """

    name: str
    inputs: dict[Tensor, str]
    outputs: list[Tensor]
    result: Any
    marks: dict[Tensor, Mark]


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """Run ``f(*args, **kwargs)`` on tensors and answer the graph of what it computed.

    Float arrays among the arguments (also inside tuples, lists and dictionaries) become the inputs, named after the
    parameters; all else (numbers such as `eps`, integer labels, flags) is passed as it is. Names, sub-expressions and
    stages come from the source of `f` and of the functions it calls. Of ``return out, cache`` the outputs are the
    tensors themselves, not what lies in inner containers.

    `f` may be written as any NumPy code is: with buffers, item assignment, ``+=``, views, masks, loops, helpers,
    classes and global variables. It runs as a copy in which `np` is stood in for, so that arrays keep what is traced;
    a write makes a new version of an array, named ``out``, ``out'``, ``out''``. What `f` writes into its arguments,
    into global variables and into objects is there afterwards, as NumPy would have it. Random numbers, and choices
    that the values decide (``if``, `argmax`), are as in this one run.

    Args:
        f: a function of arrays, or any callable. It is executed once.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Raises:
        GraphError: `f` computes nothing from its inputs, or calls what has no gradient here; the message underlines
            the author's expression and names what to write in its place.

    >>> def f(x):
    ...     y = np.sqrt(x)
    ...     return y * x
    >>> [node.op for node in trace(f, np.array([4.0])).nodes]
    ['input', 'sqrt', 'mul']
    """
    record = record_call(f, args, kwargs, sys._getframe())
    known = {tensor: label for label, tensor in getattr(f, "named_parameters", tuple)()}
    return Graph(**assemble(record.outputs, record.inputs, record.marks, name=record.name, parameters=known))


def record_call(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], outermost: Any = None) -> Record:
    """What `trace` makes its graph of: one call, recorded, with names and stages."""
    name = getattr(f, "__name__", type(f).__name__)
    bound = inspect.signature(f).bind(*args, **kwargs)
    twins = Twins(_home(f))
    inputs: dict[Tensor, str] = {}
    recorder = Recorder(outermost or sys._getframe(), f, twins)
    token = surroundings.set(recorder)
    try:
        author = _is_authors(twins)
        runs = twins.of(f) if author else f
        for parameter, value in bound.arguments.items():
            kind = bound.signature.parameters[parameter].kind
            prefix = "" if kind is inspect.Parameter.VAR_KEYWORD else parameter
            bound.arguments[parameter] = _argument(prefix, value, inputs, twins if author else None)
        if not inputs:
            raise GraphError(
                f"trace({name}): no float array among the arguments, so there is nothing to differentiate by."
            )
        with observe(recorder, sealed=True):
            result = _untraced(runs(*bound.args, **bound.kwargs))
            twins.give_back()
        last_of_call = {id(mark.call): node for node, mark in recorder.marks.items() if mark.call is not None}
    except Exception as error:
        _explain(error)
        raise
    finally:  # a frame that is kept keeps all its locals, this one too
        surroundings.reset(token)
        del recorder.outermost, recorder.kept
        for mark in recorder.marks.values():
            mark.call = None
    outputs = _outputs(result)
    if not outputs:
        got = type(result).__name__
        raise GraphError(f"trace({name}): the result ({got}) holds no tensor; "
                         "return what is computed from the inputs, as an array or a tuple of arrays.")  # fmt: skip
    Namer(recorder.marks, inputs, outputs, last_of_call.values(), recorder.versions, recorder.written).name()
    return Record("f" if name == "<lambda>" else name, inputs, outputs, result, recorder.marks)


def _argument(prefix: str, value: Any, inputs: dict[Tensor, str], twins: Twins | None) -> Any:
    """What the traced function is given for an argument, whose float arrays become inputs."""

    def enter(name: str, leaf: Any) -> Any:
        if not (isinstance(leaf, Tensor) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc")):
            return leaf
        tensor = Tensor(leaf.data if isinstance(leaf, Tensor) else leaf)
        inputs[tensor] = name
        return tensor if twins is None or isinstance(leaf, Tensor) else twins.entered(leaf, tensor)

    if twins is not None:
        return twins.arguments(prefix, value, enter)
    named = list(paths(value, prefix))
    return flatten(value)[1]([enter(name, leaf) for name, leaf in named]) if named else value


def _home(f: Any) -> dict[str, Any] | None:
    """The globals of what is traced."""
    while isinstance(f, (functools.partial, MethodType)):
        f = f.func if isinstance(f, functools.partial) else f.__func__
    if not isinstance(f, FunctionType):
        f = getattr(type(f), "__call__", None)  # noqa: B004 - the method itself is wanted
    return getattr(f, "__globals__", None)


def _is_authors(twins: Twins) -> bool:
    """Whether what is traced is not ours: what is composed of tensors is traced as it is."""
    home = twins.home
    return home is None or str(home.get("__name__")).partition(".")[0] != "micrograd"


def _untraced(result: Any) -> Any:
    """What the function answered, its traced arrays as the tensors or arrays that they are now."""
    if isinstance(result, Traced):
        return result.present()
    if isinstance(result, dict):
        return {key: _untraced(value) for key, value in result.items()}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*map(_untraced, result))
    if type(result) in (list, tuple):
        return type(result)(map(_untraced, result))
    return result


def _outputs(result: Any) -> list[Tensor]:
    """The tensors that a function answered; those of a dictionary or a sequence, but not of containers in it."""
    parts: Any = [result]
    if isinstance(result, (dict, list, tuple)):
        parts = result.values() if isinstance(result, dict) else result
    return [part for part in parts if isinstance(part, Tensor)]


def _explain(error: Exception) -> None:
    """Put the author's line under an error of ours; raise ours where NumPy has put its own words in front of it."""
    for cause in _causes(error):
        if isinstance(cause, MicrogradError):
            cause.args = (located(str(cause), error.__traceback__),)
            if cause is not error:
                raise cause.with_traceback(error.__traceback__) from None
            return
    if isinstance(error, TypeError) and "'float' object cannot be interpreted as an integer" in str(error):
        raise GraphError(located(
            "a count is a float. Python 2 divided whole numbers without a rest; write // for / where it is computed.",
            error.__traceback__,
        )) from error  # fmt: skip


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
