"""The scripts of examples/claims: they run, go on where they were stopped, and judge either way."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from paths import ROOT

CLAIMS = ROOT / "examples" / "claims"
NAMES = ["learning_rate", "regularization", "local_response", "shuffling", "figure_1"]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(CLAIMS))
    yield importlib.import_module
    for name in [*NAMES, "study", "run"]:
        sys.modules.pop(name, None)


def _run(*arguments: str, script: str = "run") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CLAIMS / f"{script}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(find_spec("matplotlib") is None, reason="the pictures need matplotlib")
def test_a_rehearsal_writes_the_page_with_every_figure_and_goes_on_where_it_was(tmp_path: Path) -> None:
    done = _run("--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "results.json").read_text())
    assert list(record) == NAMES
    text = (tmp_path / "claims.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert record[name]["verdict"] in {"for", "against", "neither"}
        assert f"{name}.svg" in text
        assert ET.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")
    assert text.count("the claim.**") + text.count("nor against.**") == len(NAMES)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    again = _run("--quick", "--out", str(tmp_path), script="shuffling")
    assert again.returncode == 0, again.stderr
    assert f"12 runs from {tmp_path / 'runs'}" in again.stderr
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}


def test_figures_that_mean_nothing_are_not_published() -> None:
    done = _run("--quick", "--publish")
    assert done.returncode == 2
    assert "figures that mean nothing are not published" in done.stderr


def _outcome(*accuracies: float, **more: Any) -> dict[str, Any]:
    steps = [10 * (number + 1) for number in range(len(accuracies))]
    return {"steps": steps, "accuracy": list(accuracies), "diverged": False, **more}


def _made_up(module: ModuleType, accuracy: Any, **more: Any) -> list[Any]:
    """What a claim's runs would be whose accuracy at the end is `accuracy(spec)`, apart from a little noise."""
    return [(spec, _outcome(0.5, 0.6, accuracy(spec) + 0.0004 * spec["seed"], **more)) for spec in module.specs(False)]


def _judged(module: ModuleType, accuracy: Any) -> str:
    verdict, sentence = module.CLAIM.judge(_made_up(module, accuracy))
    assert sentence.endswith(".")
    return verdict


def test_the_learning_rate_is_judged_either_way(load: Any) -> None:
    module = load("learning_rate")
    for net, wanted in ((True, "for"), (False, "against")):
        assert (
            _judged(module, lambda s, net=net: 0.97 if s["lr"] <= (1.0 if s["batch_norm"] is net else 0.1) else 0.1)
            == wanted
        )
    assert _judged(module, lambda s: 0.97 if s["lr"] <= 0.3 else 0.1) == "neither"


def test_regularization_is_judged_either_way(load: Any) -> None:
    module = load("regularization")
    for net, wanted in ((False, "for"), (True, "against")):
        assert (
            _judged(module, lambda s, net=net: 0.9 + (0.03 if s["dropout"] and s["batch_norm"] is net else 0)) == wanted
        )
    assert _judged(module, lambda s: 0.9 + (0.03 if s["dropout"] else 0)) == "neither"


def test_local_response_normalization_is_judged_either_way(load: Any) -> None:
    module = load("local_response")
    ends = {"none": 0.9, "lrn": 0.91, "bn": 0.95, "bn+lrn": 0.95}
    assert _judged(module, lambda s: ends[s["norm"]]) == "for"
    assert _judged(module, lambda s: (ends | {"bn+lrn": 0.97})[s["norm"]]) == "against"
    assert _judged(module, lambda s: (ends | {"bn": 0.91, "bn+lrn": 0.91})[s["norm"]]) == "neither"


def test_shuffling_is_judged_either_way(load: Any) -> None:
    module = load("shuffling")
    assert _judged(module, lambda s: 0.9 - (0.05 if s["batch_norm"] and s["order"] == "once" else 0)) == "for"
    assert _judged(module, lambda s: 0.9 - (0.5 if s["batch_norm"] and s["order"] == "sorted" else 0)) == "for"
    assert _judged(module, lambda s: 0.9 - (0.5 if not s["batch_norm"] and s["order"] == "sorted" else 0)) == "against"
    assert _judged(module, lambda s: 0.9) == "neither"


def test_figure_1_is_judged_either_way(load: Any) -> None:
    module = load("figure_1")

    def results(better: bool) -> list[Any]:
        return [
            (
                spec,
                _outcome(
                    0.95 if spec["batch_norm"] is better else 0.5,
                    0.95,
                    0.96,
                    drift=0.5 if spec["batch_norm"] is better else 1.0,
                ),
            )
            for spec in module.specs(False)
        ]

    assert module.CLAIM.judge(results(True))[0] == "for"
    assert module.CLAIM.judge(results(False))[0] == "against"


def test_a_difference_counts_from_two_standard_errors_on(load: Any) -> None:
    differs = load("study").differs
    a = np.array([0.90, 0.91, 0.92, 0.91, 0.90])
    assert differs(a + 0.05, a) == 1
    assert differs(a, a + 0.05) == -1
    assert differs(a, a + 0.005) == 0


def test_a_loss_that_is_no_number_counts_as_chance(load: Any) -> None:
    study, module = load("study"), load("learning_rate")
    outcome = module.run({"batch_norm": False, "lr": 1e6, "decay": "constant", "seed": 0, "epochs": 2})
    assert outcome["diverged"]
    assert outcome["accuracy"][-1] == study.CHANCE
    assert study.first_step(outcome, 0.95) == float("inf")


def test_a_run_is_another_when_its_settings_are(load: Any, tmp_path: Path) -> None:
    study, module = load("study"), load("shuffling")
    first, second = module.specs(True)[:2]
    places = {study._stored(module.CLAIM, spec, tmp_path) for spec in (first, second, dict(first))}
    assert len(places) == 2
