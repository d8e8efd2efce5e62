"""What there is to mark: the student's text, how to call it, and on what.

Made by `micrograd.marker.inputs.calling` from a file's functions or by hand; read by
`micrograd.marker.diagnosis.marking.mark`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Argument", "Call", "Probe", "Task"]


@dataclass(frozen=True, slots=True)
class Argument:
    """Where a parameter of the backward gets its value.

    Attributes:
        name: the parameter.
        origin: one of
            ``upstream``: the gradient of the forward's output number `key` (0 where there is one);
            ``result``: item `key` of what the forward returned (an output, or the cache); the whole of it where None;
            ``input``: the argument that the forward was given for its parameter `key`;
            ``value``: `key` itself.
        key: see there.
        keyword: whether it is passed by keyword.
    """

    name: str
    origin: str
    key: Any = None
    keyword: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """How the two functions are called, and what their results are.

    Attributes:
        outputs: which items of the forward's result are its differentiable outputs; None: the result itself is.
        arguments: of the backward, in order; empty where the forward itself returns the gradients (``loss, dx``).
        results: for each gradient where the backward's result holds it and the forward's input that it belongs to:
            ``(0, "x"), (1, "gamma")``; the key None is the result itself, text is a dictionary's key.
            Inputs in containers go by their path, as ``params.W1``.
        ordered: whether that order is certain (a docstring, the convention of the course); where False, a result
            whose returned names say another order is taken by its names.
    """

    outputs: tuple[int | None, ...] = (None,)
    arguments: tuple[Argument, ...] = ()
    results: tuple[tuple[int | str | None, str], ...] = ()
    ordered: bool = True

    def given(self, probe: Probe, result: Any, upstream: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return what the backward is given, by position and by keyword; nothing is copied.

        Args:
            probe: the forward's arguments.
            result: what it returned.
            upstream: the gradient of each output.
        """
        positional, keywords, by_keyword = list[Any](), dict[str, Any](), False
        for argument in self.arguments:
            value = key = argument.key
            match argument.origin:
                case "upstream":
                    value = upstream[key or 0]
                case "result":
                    value = result if key is None or not isinstance(result, (tuple, list)) else result[key]
                case "input" if key not in probe.arguments:  # the forward went by its default: so does the backward
                    by_keyword = True
                    continue
                case "input":
                    value = probe.arguments[key]
            if argument.keyword or by_keyword:
                keywords[argument.name] = value
            else:
                positional.append(value)
        return positional, keywords


@dataclass(frozen=True, slots=True)
class Probe:
    """One set of inputs.

    Attributes:
        arguments: of the forward, by parameter, in order; numbers, labels and dictionaries too.
        upstream: the gradient of each output of `Call.outputs`; drawn at random where left out (1 for a loss
            whose backward does not read it).
        seed: of ``np.random`` before each call, so that a random mask is the same one.
    """

    arguments: Mapping[str, Any]
    upstream: tuple[Any, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """All that `mark` needs.

    Attributes:
        source: the text of the student's file, Python only (a notebook's cells joined).
        file: its name, for messages and tracebacks; need not exist.
        forward, backward: names of functions in it; the same name twice for a function that returns ``loss, dx``.
            ``Layer.forward`` is a method of `receiver`.
        call: how they are called.
        probes: at least one; more, of other sizes, see more mistakes.
        receiver: the class of the object whose methods they are; a new object is made for each run.
        made: parameters of its constructor that are among the arguments of the probes.
        lifted: arguments that are put into the object once it is made, with their paths: ("W1", "params.W1").
        reference: a forward of this project to compare the student's with: ``batch_norm``, or nothing.
        namespace: names that the text needs and does not define (of a notebook or an interactive session).
        seconds: how long to look for fixes.
    """

    source: str
    file: str
    forward: str
    backward: str
    call: Call
    probes: tuple[Probe, ...]
    receiver: str = ""
    made: tuple[str, ...] = ()
    lifted: tuple[tuple[str, str], ...] = ()
    reference: str = ""
    namespace: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 3.0
