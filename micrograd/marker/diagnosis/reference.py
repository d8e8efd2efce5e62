"""Whether the student's forward is the function that it is meant to be: `--reference batch_norm`.

A forward that differs is searched as a backward is: the reference's output is what must come out, and one edit of one
line is tried after the other. A backward that mirrors such a forward is right for it, so nothing else can tell.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from micrograd.batchnorm import batch_norm
from micrograd.errors import MicrogradError
from micrograd.marker.diagnosis.diagnosis import Diagnoser
from micrograd.marker.inputs.conventions import EPS
from micrograd.marker.inputs.task import Argument, Call, Probe, Task
from micrograd.marker.report import Finding
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.truth.alignment import Quantities
from micrograd.marker.truth.cases import Case, UnrunnableError, judged, refreshed, scale_of

__all__ = ["REFERENCES", "differences"]


def _batch_norm(arguments: Mapping[str, Any], eps: float) -> Any:
    x, gamma, beta = [value for value in arguments.values() if isinstance(value, np.ndarray)][:3]
    return batch_norm(x, np.ravel(gamma), np.ravel(beta), eps, axis=None if x.ndim == 2 else 1)


REFERENCES: dict[str, Callable[[Mapping[str, Any], float], Any]] = {"batch_norm": _batch_norm}
"""What a forward can be compared with, as a function of its arguments and its eps."""


def differences(
    task: Task, module: types.ModuleType, probes: Sequence[Probe], deadline: float
) -> tuple[tuple[Finding, ...], str]:
    """Return where the forward differs from ``task.reference``.

    Args:
        task: what is marked.
        module: the student's text, executed.
        probes: the arguments to compare on.
        deadline: when to stop searching, by `time.perf_counter`.

    Returns:
        The findings, of severity ``forward``, and the text with all of them mended; empty where one has no fix.

    Raises:
        UnrunnableError: there is no such reference, or it does not take this forward's arguments.
    """
    if task.reference not in REFERENCES:
        raise UnrunnableError(f"there is no reference {task.reference!r}; there is {', '.join(REFERENCES)}.")
    if task.receiver:
        raise UnrunnableError(f"{task.forward} is a method; a reference is compared with plain functions.")
    program = StudentCode(task.source, module, task.forward, task.file)
    forward = program.plain()
    as_backward = replace(
        task, forward="", backward=task.forward,
        call=Call(
            arguments=tuple(Argument(name, "input", name) for name in probes[0].arguments),
            results=((task.call.outputs[0], "out"),),
        ),
    )  # fmt: skip

    def case_of(probe: Probe) -> Case:
        try:
            wanted = np.asarray(REFERENCES[task.reference](probe.arguments, _eps(forward, probe.arguments)), float)
        except (ValueError, TypeError, MicrogradError) as error:
            raise UnrunnableError(
                f"{task.reference} cannot be compared with {task.forward}, whose arguments it does not take: {error}"
            ) from None
        return Case(as_backward, probe, None, (), [wanted], [scale_of(wanted)])

    cases = [case_of(probe) for probe in probes]
    if all(judged(case, case.call(forward))[0].state == "right" for case in cases):
        return (), task.source

    def fresh() -> list[Case]:
        return [case_of(refreshed(probe, number)) for number, probe in enumerate(probes[:2])]

    search = Diagnoser(program, cases, [Quantities(None, {}) for _ in cases], fresh, deadline)
    found = tuple(replace(one, severity="forward", means=task.reference, edge=None) for one in search.run())
    return found, search.program.text.source if found and all(one.fix for one in found) else ""


def _eps(forward: Callable[..., Any], arguments: Mapping[str, Any]) -> float:
    """Return the eps that the forward goes by: an argument, an entry of a dictionary, its default; else 1e-5."""
    defaults = {
        name: p.default for name, p in inspect.signature(forward).parameters.items() if p.default is not p.empty
    }
    inside = (value for value in arguments.values() if isinstance(value, dict))
    for known in (arguments, *inside, defaults):
        for name, value in known.items():
            if EPS.fullmatch(str(name)) and isinstance(value, (int, float)):
                return float(value)
    return 1e-5
