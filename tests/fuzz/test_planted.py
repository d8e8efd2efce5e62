"""The machine can fail: of every known kind of fault, put back, it sees one."""

from __future__ import annotations

import random

import pytest

from .judging import Odd, judge
from .planted import FAULTS
from .programs import Program
from .run import found_after
from .writing import write


def wrong(program: Program, routes: tuple[str, ...]) -> list[str]:
    return [f"{v.route}: {v.why}" for v in judge(program, routes) if v.outcome == "wrong"]


def text_of(kind: str) -> str:
    fault = FAULTS[kind]
    lines = "\n".join("    " + line for line in fault.body.splitlines())
    made = f"def arguments():\n    x = {fault.arguments}\n    return x,\n"
    return f"import copy\nimport micrograd as mg\nimport numpy as np\n\n\ndef f(x):\n{lines}\n\n\n{made}"


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_is_put_back_is_seen(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[kind]
    assert wrong(Program(text_of(kind)), fault.routes) == []
    fault.plant(monkeypatch)
    assert wrong(Program(text_of(kind)), fault.routes)


@pytest.mark.parametrize("kind", ["K2", "K4"])
def test_random_programs_come_to_it(kind: str) -> None:
    assert found_after(kind, 200) > 0


def test_without_a_fault_nothing_is_found() -> None:
    for seed in range(20):
        try:
            assert wrong(write(random.Random(seed).randrange), ("trace", "vjp")) == []
        except Odd:
            continue
