"""The benchmark harness: its table and files are well formed, and a contender that is absent or fails is told.

No test measures; that results are right is tested, since a benchmark of wrong results is none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bn_reference import Problem
from bn_reference import exact as exact_batch_norm
from paths import ROOT

from tests.benchmarks import contenders, exact, mlp, report
from tests.benchmarks.row import ROWS, Case, Goal, Mean, Prepared, Row, load
from tests.benchmarks.run import Disagreement, _correct
from tests.benchmarks.worker import environment


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


def test_contenders_that_answer_different_numbers_fail_the_run(tmp_path: Path) -> None:
    package = tmp_path / "autograd"
    package.mkdir()
    package.joinpath("__init__.py").write_text("")
    package.joinpath("differential_operators.py").write_text(
        "def make_vjp(f, argnum):\n    return lambda *args: ((lambda g: (1.0, 2.0, 3.0)), f(*args))\n"
    )
    done = _bench("--quick", "--rows", "chain", "--peers", "autograd", "--out", str(tmp_path / "bench"), path=tmp_path)
    assert done.returncode == 1
    assert "contenders disagree: chain, 500 operations" in done.stderr
    assert (tmp_path / "bench" / "results.json").exists(), "what the other cases took is not lost"


def test_a_page_stands_beside_the_others(tmp_path: Path) -> None:
    result = {"machine": _MACHINE, "lines": [], "errors": [], "quick": True, "seconds": 0.0}
    first = report.publish(result, tmp_path)
    second = report.publish(result, tmp_path, "compile")
    assert "index.md" in {path.name for path in first}
    assert "compile.md" in {path.name for path in second}
    assert not {*first} & {*second}
    assert {*first, *second} == {*tmp_path.iterdir()}
    assert not [*tmp_path.glob("*.json")], "raw samples stay in out/"


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


# ---- the rows of the compiler ----------------------------------------------------------------------------

JUDGED = [name for name in ROWS if load(name).reference is not None]
PEERS = "handwritten,NumPy,torch,torch native,jax"


def _quick(row: Row) -> Case:
    return next(case for case in row.cases if case.quick)


def _run_row(name: str, peers: str, folder: Path) -> list[dict[str, Any]]:
    done = _bench("--quick", "--rows", name, "--peers", peers, "--out", str(folder / "bench"))
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "bench" / "results.json").read_text())
    mine = result["lines"][0]["ours"]
    if find_spec("llvmlite") and name != "memory":
        assert all(mine in line["contenders"] for line in result["lines"]), done.stdout
    assert all(limit["reached"] is not False for limit in result["errors"]), done.stdout
    lines: list[dict[str, Any]] = result["lines"]
    return lines


@pytest.mark.parametrize("name", [*JUDGED, "memory", "compiling"])
def test_a_row_of_the_compiler_runs(name: str, tmp_path: Path) -> None:
    lines = _run_row(name, "handwritten,NumPy,memory limit", tmp_path)
    assert [line["case"] for line in lines] == [case.name for case in load(name).cases if case.quick]


@pytest.mark.slow
@pytest.mark.judge
@pytest.mark.parametrize("name", JUDGED)
def test_its_peers_compute_the_same(name: str, tmp_path: Path) -> None:
    """`_run_row` fails where a peer's results are further from the reference than allowed."""
    (line, *_) = _run_row(name, PEERS, tmp_path)
    there = {"torch": ("torch", "torch native"), "jax": ("jax",)}
    for module, names in there.items():
        for peer in {*names} & {*load(name).contenders}:
            assert (peer in line["contenders"]) is (find_spec(module) is not None), line["missing"]


@pytest.mark.slow
@pytest.mark.judge
@pytest.mark.parametrize("name", ["images", "mlp"])
def test_torch_compile_computes_the_same_where_there_is_a_compiler(name: str, tmp_path: Path) -> None:
    (line, *_) = _run_row(name, "torch.compile", tmp_path)
    assert "torch.compile" in line["contenders"] or line["missing"]["torch.compile"].startswith("missing: ")


def test_a_peer_that_answers_something_else_is_not_timed_and_fails_the_run(tmp_path: Path) -> None:
    jax = tmp_path / "jax"
    jax.mkdir()
    jax.joinpath("__init__.py").write_text(
        "class config:\n    update = staticmethod(lambda *a: None)\n"
        "device_put = block_until_ready = lambda a: a\n"
        "def jit(f):\n    return lambda *a: f(*a) + a[0] / 1e5\n"
    )
    done = _bench("--quick", "--rows", "overhead", "--peers", "jax", "--out", str(tmp_path / "bench"), path=tmp_path)
    assert done.returncode == 1
    assert "contenders disagree: overhead, 8 numbers each: out of jax is" in done.stderr
    assert "times the allowed distance from the reference" in done.stderr
    assert json.loads((tmp_path / "bench" / "results.json").read_text())["lines"] == [], "no time of it is shown"


@pytest.mark.parametrize("name", JUDGED)
def test_a_slip_in_any_result_is_more_than_allowed(name: str) -> None:
    row = load(name)
    assert row.reference is not None
    assert row.allowed is not None
    args = _quick(row).args
    right, allowed = dict(row.reference(exact.FLOAT64, *args)), row.allowed(*args)
    assert max(exact.distances(right, right, allowed).values()) == 0.0
    start = mlp.start(args[0]) if name == "mlp" else {}
    for result, exactly in right.items():
        value = np.asarray(exactly, np.float64)
        # of training steps: a tenth of the way that a parameter moved
        slip = 0.1 * (value - start[result]) if result in start else 1e-3 * value
        for wrong in (value + slip, np.where(np.arange(value.size).reshape(value.shape) == 0, np.nan, value)):
            far = exact.distances(right | {result: wrong}, right, allowed)
            assert far.pop(result) > 1, result
            assert max(far.values(), default=0.0) == 0.0


def test_results_of_another_shape_name_or_dtype_are_refused() -> None:
    right = {"out": np.ones((3, 2))}
    assert exact.distances({"out": np.ones((2, 3))}, right, {"out": 1.0})["out"] == np.inf
    with pytest.raises(ValueError, match=r"results are \['dx'\], expected \['out'\]"):
        exact.distances({"dx": np.ones(3)}, right, {"out": 1.0})
    row = load("overhead")
    facts = {name: {"distance": {"out": 0.5}, "dtypes": {"out": dtype}} for name, dtype in [("a", "f4"), ("b", "f4")]}
    _correct(row, "case", facts)
    facts["b"]["dtypes"] = {"out": "f8"}
    with pytest.raises(Disagreement, match="results in different dtypes"):
        _correct(row, "case", facts)
    facts["b"]["distance"] = {"out": float("nan")}
    with pytest.raises(Disagreement, match="out of b is nan times the allowed distance"):
        _correct(row, "case", facts)


@pytest.mark.parametrize("offset", [0.5, 1e6])
def test_the_references_are_right(offset: float) -> None:
    """Against references written apart: batch norm through its Jacobian in 300 bits, the others through the engine."""
    import micrograd as mg

    row = load("compiled_bn")
    from tests.benchmarks import compiled_bn, entropy, gelu, layer_norm

    args = (9, 4, "float64", offset, 1.0)
    x, gamma, beta, dout = compiled_bn.arrays(*args)
    expected = exact_batch_norm(Problem(x, gamma, beta, dout, exact.EPS))
    many = compiled_bn.reference(exact.many_bits(), *args)
    assert row.allowed is not None
    for name, value in expected.items():
        np.testing.assert_allclose(many[name].astype(np.float64), value, rtol=1e-15)
    near = exact.distances(compiled_bn.reference(exact.FLOAT64, *args), expected, row.allowed(*args))
    assert max(near.values()) <= 1.0

    def layer(x: Any, gamma: Any, beta: Any) -> Any:
        return layer_norm.composed(x, gamma, beta, np.sqrt)

    out, pull = mg.vjp(layer, x, gamma, beta)
    of_layer = dict(zip(compiled_bn.NAMES, (out, *pull(dout)), strict=True))
    assert (
        max(exact.distances(of_layer, layer_norm.reference(exact.FLOAT64, *args), layer_norm.allowed(*args)).values())
        <= 1
    )

    scores, labels = entropy.arrays(9, 4)
    loss, dscores = mg.value_and_grad(mg.functional.cross_entropy)(scores.astype(np.float64), labels)
    wanted = entropy.reference(exact.FLOAT64, 9, 4)
    np.testing.assert_allclose(loss, wanted["loss"], rtol=1e-14)
    np.testing.assert_allclose(dscores, wanted["dscores"], rtol=1e-12)

    x, dout = (a.astype(np.float64) for a in gelu.arrays(9, 4))
    out, pull = mg.vjp(lambda x: gelu.chain(x, mg.functional.gelu), x)
    wanted = gelu.reference(exact.FLOAT64, 9, 4)
    np.testing.assert_allclose(out, wanted["out"], rtol=1e-13)
    np.testing.assert_allclose(pull(dout)[0], wanted["dx"], rtol=1e-12)


def test_the_chain_of_gelus_counts_twenty_operations() -> None:
    import micrograd as mg
    from tests.benchmarks import gelu

    graph = mg.trace(lambda x: gelu.chain(x, lambda y: gelu.gelu(y, np.tanh)), np.ones(2))
    assert len(graph.nodes) - len(graph.inputs) == 20


@pytest.mark.parametrize("fault", ["momentum", "gamma", "variance"])
def test_a_training_step_with_a_fault_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    args = _quick(load("mlp")).args
    right, allowed = mlp.reference(exact.FLOAT64, *args), mlp.allowed(*args)
    if fault == "momentum":
        monkeypatch.setattr(mlp, "MOMENTUM", 0.0)
    elif fault == "gamma":
        begin = mlp.start
        monkeypatch.setattr(
            mlp, "start", lambda sizes: {n: a**0 if "gamma" in n else a for n, a in begin(sizes).items()}
        )
    else:
        monkeypatch.setattr(mlp, "RUNNING", 0.1 * 15 / 16)  # 1/N where 1/(N-1) belongs
    assert max(exact.distances(mlp.reference(exact.FLOAT64, *args), right, allowed).values()) > 1


def test_the_error_is_that_against_the_exact_value() -> None:
    many = exact.many_bits()
    wrong = np.array([1.0, 2.0 + 2.0**-40])
    assert exact.errors({"out": wrong}, {"out": many.array(np.array([1.0, 2.0]))})["out"] == 2.0**-41
    entries = [{"probe": "p", "contender": "micrograd", "errors": {"out": error}} for error in (1e-7, 1e-5, np.nan)]
    judged = report.judged_errors([*entries, {"probe": "p", "contender": "peer", "errors": {"out": 1.0}}],
                                  {"p": {"out": 1e-6}}, "micrograd")  # fmt: skip
    assert [entry["reached"] for entry in judged] == [True, False, False, None]


def test_the_fastest_setting_is_measured_and_the_others_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("MICROGRAD_BENCH_TRIAL", "0.01")
    active: list[str] = []

    def broken() -> Any:
        raise OSError("no such setting")

    settings = {"slow": lambda: lambda: time.sleep(0.005) or 1.0, "fast": lambda: lambda: 2.0, "broken": broken}
    chosen = contenders.fastest(settings, ("out",), active.append)
    assert chosen.notes == {"setting": "fast", "cannot run broken": "OSError"}
    assert active[-1] == "fast"
    assert chosen.results is not None
    assert chosen.results() == {"out": 2.0}
    with pytest.raises(OSError, match="no such setting"):
        contenders.fastest({"broken": broken}, ("out",))


def test_workers_let_openblas_choose_its_kernel_and_take_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    given = environment()
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & {*given}
    assert {given[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")} == {"2"}


def _row(goal: Goal | None, *cases: str) -> Row:
    contenders = dict.fromkeys(("ours", "a", "b"), lambda: Prepared(lambda: None))
    mean = Mean("mean", cases, goal)
    return Row("row", "title", tuple(Case(name, (), goal) for name in cases), contenders, means=(mean,))


def test_a_goal_against_several_peers_means_the_fastest_of_them() -> None:
    row = _row(Goal(0.7, ("a", "b")), "one")
    rounds = {"ours": [[1.0], [1.0], [1.0]], "a": [[4.0], [4.0], [4.0]], "b": [[2.0], [2.0], [2.0]]}
    (line,) = report.lines(row, row.cases[0], rounds, {}, {})
    assert line["goal"] == {"limit": 0.7, "against": ["a", "b"], "got": 0.5, "reached": True}
    (line,) = report.lines(row, row.cases[0], {k: v for k, v in rounds.items() if k != "b"}, {"b": "missing"}, {})
    assert line["goal"]["got"] == 0.25
    (line,) = report.lines(row, row.cases[0], {"ours": rounds["ours"]}, {}, {})
    assert line["goal"]["reached"] is None


def test_the_geometric_mean_is_over_the_ratios_of_its_cases() -> None:
    row = _row(Goal(0.33, "a"), "one", "two")
    table = []
    for case, peer in zip(row.cases, (2.0, 8.0), strict=True):
        rounds = {"ours": [[1.0], [1.0]], "a": [[peer], [peer]], "b": [[1.0], [1.0]]}
        table += report.lines(row, case, rounds, {}, {})
    assert report.mean_lines(row, table[:1]) == []  # a case was not measured
    (line,) = report.mean_lines(row, table)
    assert line["contenders"]["a"]["median"] == pytest.approx(4.0)
    assert line["contenders"]["a"]["ours_over_it"]["median"] == pytest.approx(0.25)
    assert line["goal"]["got"] == pytest.approx(0.25)
    assert line["goal"]["reached"]
    text = report.markdown({"machine": _MACHINE, "lines": [*table, line]})
    assert "| mean" in text
    assert "≤ 0.33 × a" in text


_MACHINE = {"processor": "p", "cores": 2, "threads": 2, "blas": ["b"], "load": None, "system": "s", "python": "3",
            "versions": {}}  # fmt: skip


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
