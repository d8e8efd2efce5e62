"""`kill -9` at any moment loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import SUPPORT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills what it forks")


def report(what: str, folder: Path, kills: int, seed: int, *sabotage: str) -> dict[str, Any]:
    command = [sys.executable, str(SUPPORT / "killing.py"), what, str(folder), str(kills), str(seed)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([*command, *sabotage], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_training_killed_at_random_moments_ends_with_the_same_bits(tmp_path: Path) -> None:
    found = report("train", tmp_path, 12, 1)
    assert found["wrong"] == []
    assert found["kills"] == 12


@pytest.mark.slow
def test_a_training_killed_at_two_hundred_random_moments_ends_with_the_same_bits(tmp_path: Path) -> None:
    found = report("train", tmp_path, 200, 2)
    assert found["wrong"] == []
    assert found["kills"] == 200
    assert found["within an epoch"] >= 20  # where the kills fall depends on the load of the machine
    assert len(found["steps"]) >= 5


@pytest.mark.parametrize("what", ["rng", "optimizer", "log"])
def test_a_resumption_that_forgets_something_is_found(what: str, tmp_path: Path) -> None:
    assert report("train", tmp_path, 12, 3, what)["wrong"]


def test_a_writer_of_a_large_checkpoint_killed_leaves_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    found = report("write", tmp_path, 15, 4)
    assert found["wrong"] == []
    assert found["leftovers"] > 0  # some were killed while they wrote
