"""What a row of the benchmark table is: cases, contenders, a goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

__all__ = ["PEERS", "ROWS", "THREADS", "TRIAL", "Case", "Goal", "Mean", "Prepared", "Probe", "Row", "load"]

THREADS = 2
"""How many each contender may use."""

PEERS = ("torch", "torch native", "torch.compile", "jax")
"""Whom a goal of compiled code speaks of: the fastest of those that the row has."""

TRIAL = "MICROGRAD_BENCH_TRIAL"
"""The variable that says for how many seconds each of several settings of a peer is tried."""

ROWS = (
    "chain", "moons", "batchnorm", "imports", "picture", "walk", "million", "checkpoint", "digits",
    "compiled_bn", "memory", "layer_norm", "entropy", "gelu", "images", "mlp", "compiling", "overhead", "first_call",
    "attention", "rms_norm", "lstm", "adam", "transformer", "residual", "growth",
)  # fmt: skip
"""The rows in the order of the table; the second and the third line are the compiler's."""

_TABLES = dict.fromkeys(("attention", "rms_norm", "lstm"), "functions")
_TABLES |= dict.fromkeys(("adam", "transformer", "residual"), "networks")
"""Files that declare several rows."""


@dataclass(frozen=True)
class Goal:
    """At most `limit` seconds; or, where `against` names a peer, at most `limit` times that peer.

    Several peers mean the fastest of them.
    """

    limit: float
    against: str | tuple[str, ...] | None = None

    @property
    def peers(self) -> tuple[str, ...]:
        """Whom the goal speaks of."""
        return (self.against,) if isinstance(self.against, str) else self.against or ()


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
        results: the arrays that one step computes, by name, for the row's `reference` to judge.
    """

    step: Callable[[], Any]
    answer: Callable[[], list[float]] | None = None
    per: int = 1
    fresh: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)
    results: Callable[[], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Probe:
    """An input whose results are compared with 300-bit arithmetic; `limits` says how large our errors may be."""

    name: str
    args: tuple[Any, ...]
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Mean:
    """A line for the geometric mean over `cases`."""

    name: str
    cases: tuple[str, ...]
    goal: Goal | None = None


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
        reference: the exact results by name, ``reference(arithmetic, *case.args)``; see `exact.py`.
        allowed: how far from them results may be, ``allowed(*case.args)``; checked before anything is timed.
        probes: where the accuracy of every contender is measured.
        means: lines for geometric means over cases.
        environment: variables that all its contenders are given.
        anew: whether each case gets new processes, and not those that the case before has used.
        derived: further lines of the table, made of those of its cases.
    """

    name: str
    title: str
    cases: tuple[Case, ...]
    contenders: Mapping[str, Callable[..., Prepared]]
    rtol: float = 1e-9
    rounds: int | None = None
    reference: Callable[..., Mapping[str, Any]] | None = None
    allowed: Callable[..., Mapping[str, Any]] | None = None
    probes: tuple[Probe, ...] = ()
    means: tuple[Mean, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    anew: bool = False
    derived: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] | None = None


def load(name: str) -> Row:
    """The row declared in ``tests/benchmarks/<name>.py``, or in a table of several."""
    module = import_module(f"tests.benchmarks.{_TABLES.get(name, name)}")
    row: Row = module.ROWS[name] if name in _TABLES else module.ROW
    return row
