"""The benchmark harness: its table and files are well formed, and a contender that is absent or fails is told.

No test measures; that results are right is tested, since a benchmark of wrong results is none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bn_reference import Problem
from bn_reference import exact as exact_batch_norm
from paths import ROOT

from tests.benchmarks import contenders, exact, functions, growth, mlp, networks, pages, report, run, worker
from tests.benchmarks.parts import Parts
from tests.benchmarks.row import PEERS as MEASURED_AGAINST
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
    first = pages.publish(result, tmp_path, "index")
    second = pages.publish(result, tmp_path, "compile")
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


@pytest.mark.parametrize("name", ["overhead", "memory", "compiling", "growth"])
def test_a_row_of_the_compiler_runs(name: str, tmp_path: Path) -> None:
    lines = _run_row(name, "handwritten,NumPy,memory limit", tmp_path)
    cases = [case.name for case in load(name).cases if case.quick]
    assert [line["case"] for line in lines if line["unit"] == "s"] == cases


@pytest.mark.filterwarnings("ignore:.*cannot be fused:RuntimeWarning")  # an embedding's rows are taken by NumPy
@pytest.mark.parametrize("name", JUDGED)
def test_ours_and_plain_numpy_compute_what_the_row_is_timed_for(name: str) -> None:
    """In this process, which is cheaper than `_run_row`: the small cases, judged and sampled, and every probe."""
    row = load(name)
    for contender in {"micrograd", "micrograd, eager", "handwritten", "NumPy"} & {*row.contenders}:
        for index, case in enumerate(row.cases):
            if case.quick and (find_spec("llvmlite") or contender != "micrograd"):
                made = row.contenders[contender](*case.args)
                facts = worker._check(row, made, row.cases[index].args)
                assert facts["distance"], contender
                _correct(row, case.name, {contender: facts})
                assert worker._sample(made, 0.0, worker._prepare(made, 0.0)["repeat"])
        for probe in row.probes if find_spec("llvmlite") or contender != "micrograd" else ():
            errors = worker._probe(row, contender, probe)
            limits = probe.limits if contender == "micrograd" else {}
            assert all(errors[result] <= limit for result, limit in limits.items()), contender


@pytest.fixture
def settings_of_peers() -> Iterator[None]:
    """Whatever contenders set in their process is set back in this one."""
    jax = import_module("jax") if find_spec("jax") else None
    torch = import_module("torch") if find_spec("torch") else None
    threads = torch.get_num_threads() if torch else 0
    wide = jax.config.jax_enable_x64 if jax else False
    yield
    if jax:
        jax.config.update("jax_enable_x64", wide)
        jax.config.update("jax_cpu_enable_async_dispatch", True)
    if torch:
        torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.judge
@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.filterwarnings("ignore")  # the libraries' own
@pytest.mark.usefixtures("settings_of_peers")
def test_its_peers_compute_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: none of their results is further from the reference than allowed, or of another dtype."""
    monkeypatch.setenv("MICROGRAD_BENCH_TRIAL", "0")
    row = load(name)
    for module, names in {"torch": ("torch", "torch native"), "jax": ("jax",)}.items():
        for peer in {*names} & {*row.contenders}:
            for case in row.cases if find_spec(module) else ():
                if case.quick:
                    facts = worker._check(row, row.contenders[peer](*case.args), case.args)
                    assert facts["distance"], peer
                    _correct(row, case.name, {peer: facts})
            if not find_spec(module):
                with pytest.raises(ImportError):
                    row.contenders[peer](*_quick(row).args)


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
    network = networks.NETWORKS.get(name)
    start = mlp.start(args[0]) if name == "mlp" else network.start(*args) if network else {}
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
    monkeypatch.setattr(contenders, "BUILDING", 0.0)
    hasty = contenders.fastest(settings, ("out",))
    assert hasty.notes == {"setting": "slow", "not tried, since building them takes minutes": "fast, broken"}


def test_workers_let_openblas_choose_its_kernel_and_take_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    given = environment()
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & {*given}
    assert {given[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")} == {"2"}


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


# ---- what is selected, kept and published ------------------------------------------------------------------


def test_only_selects_rows_and_cases() -> None:
    wanted = run._selected("compiled_bn:4096, lstm,compiled_bn:64x")
    assert wanted == {"compiled_bn": ["4096", "64x"], "lstm": []}
    row = load("compiled_bn")
    names = [case.name for _, case in run._cases(row, wanted["compiled_bn"], quick=False)]
    assert names == [f"{size} {dtype}" for dtype in ("float32", "float64") for size in ("64x128", "4096x1024")]
    assert [case.name for _, case in run._cases(row, [], quick=True)] == ["64x128 float32", "64x128 float64"]
    assert len(run._cases(row, [], quick=False)) == len(row.cases)


def test_a_run_that_resumes_takes_what_was_measured_so_and_not_what_failed(tmp_path: Path) -> None:
    count = iter(range(9))

    def measure(**more: Any) -> Any:
        return lambda: [{"missing": {}, "number": next(count)} | more]

    def kept(setting: str, resume: bool, **more: Any) -> int:
        (line,) = Parts(tmp_path, [setting], resume).kept("row-2^8, f/b", measure(**more))
        return int(line["number"])

    assert [kept("a", True), kept("a", True), kept("b", True), kept("b", True), kept("b", False)] == [0, 0, 1, 1, 2]
    assert kept("c", True, missing={"peer": "failed: OSError"}) == 3
    assert kept("c", True) == 4


def test_every_row_stands_on_one_page_and_a_page_is_published_whole() -> None:
    assert sorted(row for rows in pages.PAGES.values() for row in rows) == sorted(ROWS)
    assert pages.complete({*ROWS}) == [*pages.PAGES]
    assert pages.complete({"growth", "chain"}) == ["growth"]


def _lines(ours: float, **peers: float) -> list[dict[str, Any]]:
    row = Row("compiled_bn", "norm", (Case("4096x1024 float32", (), Goal(0.75, MEASURED_AGAINST)),),
              dict.fromkeys(("micrograd", "handwritten", "torch native", "jax"), lambda: Prepared(lambda: None)))  # fmt: skip
    rounds = {name.replace("_", " "): [[seconds]] * 2 for name, seconds in ({"micrograd": ours} | peers).items()}
    return report.lines(row, row.cases[0], rounds, {}, {})


def test_a_page_says_where_a_peer_is_faster_and_the_readme_has_its_figures(tmp_path: Path) -> None:
    slow = {"machine": _MACHINE, "errors": [], "lines": _lines(3e-3, handwritten=4e-2, torch_native=2e-3, jax=1e-2)}
    text = pages.publish(slow, tmp_path, "compile")[0].read_text()
    assert "- norm, 4096x1024 float32: torch native is faster, 1.50 times" in text
    assert "**no**, 1.50" in text
    assert "| ≤ 0.75 × best peer |" in text
    fast = slow | {"lines": _lines(1e-3, handwritten=4e-2, torch_native=2e-3, jax=1e-2)}
    assert "is faster, " not in pages.publish(fast, tmp_path, "compile")[0].read_text()
    readme = tmp_path / "README.md"
    readme.write_text("before\n| on ([all](docs/benchmarks/compile.md)) | 1 | 2 | 3 | 4 |\nafter\n")
    pages.readme(fast, readme)
    assert (
        readme.read_text()
        == "before\n| on ([all](docs/benchmarks/compile.md)) | 1 ms | 40 ms | 2 ms | 10 ms |\nafter\n"
    )


def _grown(time_power: float, memory_power: float) -> list[dict[str, Any]]:
    row, table = load("growth"), []
    for case in row.cases:
        size = 2.0 ** case.args[0]
        sample = {case.name: 1e-9 * size**time_power, f"{case.name}, memory [bytes]": 16 * size**memory_power}
        table += report.lines(row, case, {"micrograd": [[sample]] * 3}, {}, {})
    assert row.derived is not None
    return row.derived(table)


@pytest.mark.parametrize(("time_power", "memory_power", "reached"), [(1, 1, [True, True]), (1.3, 1, [False, True]),
                                                                     (0.9, 1.2, [True, False])])  # fmt: skip
def test_growth_above_linear_misses_its_goal(time_power: float, memory_power: float, reached: list[bool]) -> None:
    time, memory = _grown(time_power, memory_power)
    assert [time["goal"]["reached"], memory["goal"]["reached"]] == reached
    assert time["goal"]["got"] == pytest.approx(time_power)
    assert memory["goal"]["got"] == pytest.approx(memory_power)
    assert f"| {time_power:.2f} " in report.markdown({"machine": _MACHINE, "lines": [time]})


def test_growth_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    row = load("growth")
    sample = {"2^8": 1e-6, "2^8, memory [bytes]": 4096.0}
    lines = report.lines(row, row.cases[0], {"micrograd": [[sample]], "jax": [[sample]]}, {}, {})
    result = {"machine": _MACHINE, "lines": lines, "errors": []}
    assert {path.name for path in pages.publish(result, tmp_path, "growth")} == {"growth.md", "growth.svg"}
    assert "time of a step, ms" in (tmp_path / "growth.svg").read_text()


@pytest.mark.parametrize("name", [*functions.FUNCTIONS])
def test_the_reference_of_a_function_is_that_of_its_differences_in_many_bits(name: str) -> None:
    row = load(name)
    assert row.reference is not None
    args = row.probes[0].args
    near, many = row.reference(exact.FLOAT64, *args), row.reference(exact.many_bits(), *args)
    assert near.keys() == many.keys()
    for result, value in many.items():
        np.testing.assert_allclose(near[result], value.astype(np.float64), rtol=1e-11, atol=1e-13)


def test_growth_reads_memory_where_it_is_counted() -> None:
    assert growth.counted("VmRSS") > growth.PAGE
    with pytest.raises(ImportError, match=r"2\^60 entries take \d+ GiB, and \d+ are free"):
        growth._measured(growth.BUILDS["micrograd"], 60)


def test_publish_writes_the_pages_that_were_measured_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "measure", lambda crew, index, *rest: [])
    monkeypatch.setattr(run, "accuracy", lambda crew: [])
    monkeypatch.setattr(run, "describe", lambda: _MACHINE)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    selected = ["--only", "growth,compiled_bn:64x128", "--out", str(tmp_path / "out")]
    assert run.main([*selected, "--publish"]) == 0
    assert [path.name for path in (tmp_path / "docs" / "benchmarks").iterdir()] == ["growth.md"]
    with pytest.raises(SystemExit):
        run.main([*selected, "--publish", "--quick"])
