"""`mark`: the student's backward against the engine, line by line."""

from __future__ import annotations

from micrograd.marker.report import Report
from micrograd.marker.task import Argument, Call, Probe, Task

__all__ = ["Argument", "Call", "Probe", "Task", "mark"]


def mark(task: Task) -> Report:
    """Mark one backward in this process: the student's code is executed here, so call it in a child."""
    raise NotImplementedError(task.backward)
