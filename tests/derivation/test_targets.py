"""The functions that `derive` has to bring to their compact form: the whole derivation, pinned as text, en and zh."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from derivable import TARGETS
from spoilt import derived

from micrograd.derivation import Derivation
from micrograd.derivation.judges.judging import _error, _wanted
from micrograd.derivation.lifting.sizes import traced
from micrograd.derivation.wording import RULES

PINNED = Path(__file__).parent / "pinned"


def text_of(made: Derivation) -> str:
    """What is pinned: both languages, without the rounding error, which is the machine's."""
    both = "\n\n".join(str(made.in_language(lang)) for lang in ("en", "zh"))
    return re.sub(r"\d+e-\d+|(?<=: )0e\+00", "SMALL", both) + "\n"


def file_of(name: str) -> Path:
    return PINNED / (re.sub(r"\W+", "_", name).strip("_") + ".txt")


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_a_target_is_derived_as_pinned_and_its_function_runs_at_other_sizes(target: Any) -> None:
    made = derived(target, seconds=60.0)
    assert text_of(made) == file_of(target.name).read_text(encoding="utf-8")
    arguments = target.inputs(np.random.default_rng(4), True)
    run = traced(target.f, dict(zip(made.search.net.arguments, arguments, strict=False)), seed=5)
    seeds = [s for s in run.forward.seeds.values() if np.shape(s)]
    got = made.numpy()(*seeds, *arguments)
    for g, w in zip(got if isinstance(got, tuple) else (got,), _wanted(run), strict=True):
        assert _error(g, w, {"d": 1.0}) < 1e-11


def test_there_are_as_many_as_were_promised_and_no_file_too_many() -> None:
    assert len(TARGETS) == 29
    assert {*PINNED.iterdir()} == {file_of(t.name) for t in TARGETS}


def test_every_rule_is_used_by_some_target() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in PINNED.iterdir())
    assert [key for key, (name, _) in RULES.items() if f". {name[0]}" not in texts or f". {name[1]}" not in texts] == []


if __name__ == "__main__":  # python tests/derivation/test_targets.py: pin what is printed now
    PINNED.mkdir(exist_ok=True)
    for t in TARGETS:
        file_of(t.name).write_text(text_of(derived(t, seconds=60.0)), encoding="utf-8")
