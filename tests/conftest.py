"""What holds for every test: a fixed seed, and seals that fail a test which leaves the world changed."""

from __future__ import annotations

import functools
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import browser, opened  # noqa: F401 - fixtures
from code_lines import ENGINE_LIMIT, code_lines
from filled import FILLS
from hypothesis import HealthCheck, settings
from pyodides import pyodide  # noqa: F401 - a fixture
from seals import leaks
from thread_law import own_memory, uphold

from micrograd import engine
from micrograd.compiler.backends import memory
from micrograd.compiler.codegen.segment import Segment
from micrograd.primitives import TABLE

# `ci` draws the same examples in every run, so a red build can be repeated; `fuzz` is for a person with a coffee:
#     HYPOTHESIS_PROFILE=fuzz .venv/bin/pytest tests/batchnorm
settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts its background jobs so, and what they start
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _sealed() -> Iterator[None]:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - seeds the author's code that uses the old generator
    table, errors = dict(TABLE), np.geterr()
    yield
    found = leaks(dict(table), dict(errors))
    if found:
        pytest.fail("this test leaks: " + "; ".join(found))


@pytest.fixture(autouse=True)
def _unset_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no compiled function has written is NaN, or with ``UNSET=pattern`` a pattern, so that reading it shows."""
    monkeypatch.setattr(memory, "unset", FILLS[os.environ.get("UNSET", "nan")])


@pytest.fixture(autouse=True, scope="session")
def _printed_programs_are_lawful() -> Iterator[None]:
    """Hold every function that the compiler prints in these tests to the law of threads."""
    source = Segment.source

    @functools.wraps(source)
    def lawful(segment: Segment) -> tuple[str, list[str]]:
        text, arguments = source(segment)
        uphold(text, own_memory(segment))
        return text, arguments

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segment, "source", lawful)
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the size of the engine, a public promise, wherever the tests run."""
    count = code_lines(Path(engine.__file__).read_text(encoding="utf-8"))
    terminalreporter.write_line(f"engine.py: {count} code lines (at most {ENGINE_LIMIT})")
