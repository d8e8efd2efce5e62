"""Soundness: spoilt formulas are refused by each judge alone, a broken judge is found, random programs are proved."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from derivable import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import fault_of
from spoilt import derived, sample, verdicts

from micrograd.derivation.judges import Checked, judging
from micrograd.derivation.judges.field import Element, Field, P, Q
from micrograd.derivation.kernel import Algebra
from micrograd.derivation.printing.numpy_code import NumpyCode

CHEAP = [
    "batch norm, staged",
    "layer norm",
    "softmax alone",
    "weight norm",
    "softmax + cross-entropy (CS231n)",
    "SiLU / swish",
]


def target(name: str) -> Any:
    return next(t for t in TARGETS if t.name == name)


@pytest.mark.parametrize("name", CHEAP)
def test_spoilt_formulas_are_refused_by_every_judge(name: str) -> None:
    made = derived(target(name), seconds=60.0)
    assert made.check()
    found = sample(made, 16)
    assert len(found) >= 12
    for line, what, p in found:
        said = verdicts(made, line, p)
        assert not any(said.values()) or all(said.values()), (
            line,
            what,
            said,
        )  # what is equal after all, is so for all


def test_a_spoilt_formula_is_refused_even_where_one_judge_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    made = derived(target("batch norm, staged"), seconds=60.0)
    made.check()
    line, _, p = next(s for s in sample(made, None) if s[1] == "sign")
    assert verdicts(made, line, p) == {"exact": False, "float": False, "field": False}
    with monkeypatch.context() as broken:
        broken.setattr(Algebra, "is_zero", lambda self, p: True)
        assert verdicts(made, line, p) == {"exact": True, "float": False, "field": False}
    with monkeypatch.context() as broken:
        broken.setattr(judging, "_error", lambda *_: 0.0)
        assert verdicts(made, line, p) == {"exact": False, "float": True, "field": False}
    with monkeypatch.context() as broken:
        broken.setattr(judging, "_same", lambda *_: True)
        assert verdicts(made, line, p) == {"exact": False, "float": False, "field": True}


def test_a_mistake_in_printing_is_found_by_the_two_that_run_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    original = NumpyCode.expression
    monkeypatch.setattr(
        NumpyCode, "expression", lambda self, p, target: (original(self, p, target)[0].replace(" * ", " + "), 1)
    )
    made = derived(target("softmax alone"), seconds=60.0)
    found = made._judged(made.lines)
    assert found.exact
    assert found.field is False
    assert found.error > 1e-3
    from micrograd.derivation import DerivationError

    with pytest.raises(DerivationError, match="the judge over a finite field doubts the result"):
        str(made)
    with pytest.raises(DerivationError, match="so it is not printed"):
        made.numpy()


def test_a_doubt_of_one_judge_is_a_doubt() -> None:
    assert Checked(True, True, 1e-15)
    assert Checked(True, None, 1e-15)
    assert not Checked(False, True, 1e-15)
    assert not Checked(True, False, 1e-15)
    assert not Checked(True, True, 1e-3)
    assert not Checked(True, True, math.nan)


def test_the_field_is_a_field() -> None:
    assert pow(3, Q - 1, Q) == 1
    assert pow(3, P - 1, P) == 1
    assert P == 2 * Q + 1
    over = Field("t")
    a, b = over.drawn("a"), over.drawn("b")
    assert (a + b).exp() == a.exp() * b.exp()
    assert (a - b).exp() == a.exp() / b.exp()
    assert a.exp().log().q == a.q
    root = (a * a * b * b).sqrt()
    assert root * root == a * a * b * b
    assert over.number(0.1) * 10 == 1
    assert over.number(math.sqrt(2)) ** 2 == 2
    assert a != b
    assert isinstance(np.tanh(np.array([a], object))[0], Element)
    assert np.tanh(np.array([a], object))[0] == np.tanh(np.array([a], object))[0]


# ---- random programs ---------------------------------------------------------------------------------------


@given(st.integers(0, 10**6))
@settings(max_examples=24)
def test_a_random_program_is_derived_and_all_judges_agree(seed: int) -> None:
    """The derived program is the engine's gradient: exactly, over the field, and in float64."""
    assert fault_of(seed) == ""


def test_a_random_program_that_is_wrong_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "_same", lambda *_: False)
    assert any("field" in fault_of(seed) for seed in range(6))
