"""What a row of the benchmark table is: cases, contenders, a goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

__all__ = ["ROWS", "Case", "Goal", "Prepared", "Row", "load"]

ROWS = ("chain", "moons", "batchnorm", "imports", "picture", "walk", "million")
"""The row files in the order of the table."""


@dataclass(frozen=True)
class Goal:
    """At most `limit` seconds, or, where `against` names a peer, at most `limit` times that peer."""

    limit: float
    against: str | None = None


@dataclass(frozen=True)
class Case:
    """One line of the table. `args` go to each contender; `quick` cases are what ``--quick`` runs."""

    name: str
    args: tuple[Any, ...] = ()
    goal: Goal | None = None
    quick: bool = False


@dataclass(frozen=True)
class Prepared:
    """A contender, set up for one case.

    Args:
        step: does the work once. Where it answers a number, that is the measurement, in seconds, else
            the call is timed; a mapping answers several measurements by name.
        answer: numbers that every contender of the case must agree on, computed once.
        per: how many operations one step makes; times are reported per operation.
        fresh: each step starts a process of its own, so there is nothing to warm up.
        notes: facts worth printing, such as a count of nodes.
    """

    step: Callable[[], Any]
    answer: Callable[[], list[float]] | None = None
    per: int = 1
    fresh: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        name: its file name, as ``--rows`` takes it.
        title: what is measured.
        cases: the lines of the table.
        contenders: by name; each imports its own library, inside, and prepares a case. The first is ours.
        rtol: how far answers may differ from each other, relative to the largest.
        rounds: how many rounds at most, where one step takes seconds.
    """

    name: str
    title: str
    cases: tuple[Case, ...]
    contenders: Mapping[str, Callable[..., Prepared]]
    rtol: float = 1e-9
    rounds: int | None = None


def load(name: str) -> Row:
    """The row declared in ``tests/benchmarks/<name>.py``."""
    row: Row = import_module(f"tests.benchmarks.{name}").ROW
    return row
