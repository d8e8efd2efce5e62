"""Which gradients a student's code computes on its way, whatever they are called: what partial credit is given for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from micrograd.errors import MicrogradError
from micrograd.marker.diagnosis.marking import forward_of
from micrograd.marker.inputs.task import Task
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.student.loading import load
from micrograd.marker.student.recording import record
from micrograd.marker.truth.alignment import Quantities, agree
from micrograd.marker.truth.cases import prepare

__all__ = ["held"]


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for entry in value:
            yield from _arrays(entry)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))
    elif isinstance(value, (np.ndarray, np.floating, float)):
        yield np.squeeze(np.asarray(value))


def held(task: Task, probes: int = 2) -> tuple[str, ...]:
    """Return the gradients that the student's code holds at some time, as ``dvar``, the last one first.

    Shapes count but for axes of length one. What is computed before an exception counts too.

    Args:
        task: what is marked.
        probes: on how many probes a value has to agree.
    """
    module = load(task.source, task.file, (task.forward, task.backward), namespace=task.namespace)
    forward, receiver = forward_of(task, module)
    program = StudentCode(task.source, module, task.backward, task.file)
    found: list[str] | None = None
    for probe in task.probes[:probes]:
        try:
            case = prepare(task, forward, probe, receiver)
        except MicrogradError:
            return ()
        if case.graph is None:
            return ()
        recording = record(program, case.call)
        values = [
            array
            for event in recording.events
            for value in (*event.writes.values(), event.returned)
            for array in _arrays(value)
        ]
        given = {node.name for node in case.graph.outputs}
        own = {node.name for node in case.graph.nodes if node.op == "input" or node.name == node.statement}
        names = [
            quantity.label
            for quantity in reversed(Quantities(case.graph).all)
            if quantity.kind == "grad"
            and quantity.key[1] in own - given
            and any(agree(array, np.squeeze(np.asarray(quantity.value))) for array in values)
        ]
        found = names if found is None else [name for name in found if name in names]
    return tuple(dict.fromkeys(found or ()))
