"""The benchmark harness: its table and files are well formed, and a contender that is absent or fails is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _bench(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.run", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _fake(folder: Path, module: str, text: str) -> Path:
    folder.joinpath(f"{module}.py").write_text(text)
    return folder


def test_quick_row_writes_a_table_and_samples(tmp_path: Path) -> None:
    fake = _fake(tmp_path, "autograd", "raise ImportError('no autograd on this machine')")
    out = tmp_path / "bench"
    done = _bench("--quick", "--rows", "chain", "--peers", "autograd", "--out", str(out), path=fake)
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "results.json").read_text())
    (line,) = result["lines"]
    assert line["missing"] == {"autograd": "missing: no autograd on this machine"}
    entry = line["contenders"]["micrograd"]
    assert len(entry["rounds"]) == 3
    assert all(sample > 0 for samples in entry["rounds"] for sample in samples)
    assert 0 < entry["q1"] <= entry["median"] <= entry["q3"]
    assert line["goal"]["reached"] is (entry["median"] <= line["goal"]["limit"])
    assert result["machine"]["versions"]["numpy"]
    table = (out / "table.md").read_text()
    assert table.strip() in done.stdout
    lines = [text for text in table.splitlines() if text.startswith("|")]
    assert len({text.count("|") for text in lines}) == 1
    assert any("autograd" in text and "missing: no autograd" in text for text in lines)


def test_contenders_that_answer_different_numbers_stop_the_run(tmp_path: Path) -> None:
    package = tmp_path / "autograd"
    package.mkdir()
    package.joinpath("__init__.py").write_text("")
    package.joinpath("differential_operators.py").write_text(
        "def make_vjp(f, argnum):\n    return lambda *args: ((lambda g: (1.0, 2.0, 3.0)), f(*args))\n"
    )
    done = _bench("--quick", "--rows", "chain", "--peers", "autograd", "--out", str(tmp_path / "bench"), path=tmp_path)
    assert done.returncode == 1
    assert "contenders disagree: chain, 500 operations" in done.stderr


def test_a_contender_that_fails_is_told_and_fails_the_run(tmp_path: Path) -> None:
    fake = _fake(tmp_path, "autograd", "raise OSError('damaged')")
    done = _bench("--quick", "--rows", "chain", "--peers", "autograd", "--out", str(tmp_path / "bench"), path=fake)
    assert done.returncode == 1
    assert "failed: OSError: damaged" in done.stdout
    assert "failed: chain: autograd" in done.stderr


def test_an_unknown_row_is_refused_by_name() -> None:
    done = _bench("--rows", "chains")
    assert done.returncode == 2
    assert "unknown rows: chains; there are chain, moons" in done.stderr


def test_the_long_chain_is_measured_whole() -> None:
    """Small here; `make bench` does a million. It copies and pickles the graph and compares the copies' values."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.million", "micrograd", "4000"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"build", "backward", "deepcopy", "pickle", "unpickle", "free", "Python memory per node [bytes]"} <= {*found}
    assert 0 < found["Python memory per node [bytes]"] < 2000
