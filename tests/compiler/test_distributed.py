"""`compile(..., backend="jax", mesh=...)`: the same numbers on one device, on several, and in several processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed_step import batches, training
from paths import EXAMPLES, SUPPORT

import micrograd as mg
from micrograd import functional as F
from micrograd import nn
from micrograd.batchnorm.tolerance import bn_bounds
from micrograd.compiler import connect
from micrograd.compiler.backends.jax import ShardedEntry, mesh_of
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.export.programs import feeds_of, rounding
from micrograd.program.capture import capture
from micrograd.program.program import Program

jax = pytest.importorskip("jax", reason="JAX is not installed: nothing is compiled by it")
SCRIPT = SUPPORT / "distributed_step.py"
LAUNCH = EXAMPLES / "distributed" / "launch.py"
EIGHT = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
ONE = {"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}


def start(*args: Any, env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, *map(str, args)]
    given = os.environ | {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"} | env
    return subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out + err


def run(*args: Any, env: dict[str, str]) -> None:
    finish(start(SCRIPT, *args, env=env))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("single") / "single.npz"
    run(0, 1, out, env=ONE)
    return dict(np.load(out))


def step_bounds() -> tuple[float, dict[str, float]]:
    """What rounding explains in the loss and in each state after one step."""
    model, optimizer, step = training()
    x, y = next(batches(1))
    program = capture(step.function, (x, y), {})
    given = feeds_of(program, (x, y), {})
    both = Program(program.name, program.values, program.feeds, program.equations,
                                       (*program.outputs, *(w.value for w in program.writes)))  # fmt: skip
    loss, *written = rounding(both, given)
    return loss, {"state": max(written)}


def assert_same(single: dict[str, Any], other: dict[str, Any]) -> None:
    loss, bounds = step_bounds()
    assert np.abs(single["losses"] - other["losses"]).max() <= loss
    for name, array in single.items():
        if name not in ("losses", "reduces"):
            assert np.abs(array - other[name]).max() <= bounds["state"], name
    assert other["reduces"]


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4, 8])
def test_a_step_on_many_devices_is_the_step_on_one(single: dict[str, Any], devices: int, tmp_path: Path) -> None:
    run(devices, 1, tmp_path / "many.npz", env=EIGHT)
    assert_same(single, dict(np.load(tmp_path / "many.npz")))
    assert not single["reduces"]


@pytest.mark.slow
def test_a_step_in_two_processes_is_the_step_in_one(single: dict[str, Any], tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    both = [start(SCRIPT, 2, 1, tmp_path / f"{rank}.npz", address, 2, rank, env=ONE) for rank in range(2)]
    for process in both:
        finish(process)
    first, second = (dict(np.load(tmp_path / f"{rank}.npz")) for rank in range(2))
    assert_same(single, first)
    for name in first:
        assert np.array_equal(first[name], second[name]), name


@pytest.mark.slow
def test_batch_norm_over_many_devices_is_under_its_bound(tmp_path: Path) -> None:
    code = f"""
import sys, numpy as np, micrograd as mg
def bn(x, gamma, beta, dout):
    out, pull = mg.vjp(mg.batch_norm, x, gamma, beta)
    return (out, *pull(dout))
rng = np.random.default_rng(0)
x, dout = rng.standard_normal((2, 32, 5)).astype(np.float32)
x = x * 3 + 10
gamma, beta = rng.standard_normal((2, 5)).astype(np.float32)
found = {{f"{{d}}_{{n}}": r for d in (1, 2, 4, 8)
         for n, r in zip(("out", "dx", "dgamma", "dbeta"), mg.compile(bn, backend="jax", mesh=d)(x, gamma, beta, dout))}}
np.savez({str(tmp_path / "bn.npz")!r}, x=x, gamma=gamma, beta=beta, dout=dout, **found)
"""
    finish(start("-c", code, env=EIGHT))
    found = np.load(tmp_path / "bn.npz")
    bounds = bn_bounds(found["x"], found["gamma"], found["beta"], found["dout"], 1e-5)
    for devices in (2, 4, 8):
        for name in ("out", "dx", "dgamma", "dbeta"):
            apart = np.abs(found[f"{devices}_{name}"].astype(float) - found[f"1_{name}"])
            assert (apart <= getattr(bounds, name)).all()
    halves = np.concatenate([(h - h.mean(0)) / h.std(0) for h in np.split(found["x"], 2)])  # the error this would catch
    wrong = np.abs(halves * found["gamma"] + found["beta"] - found["1_out"])
    assert (wrong > bounds.out).any()


# ---- in this process: state, and what is refused ------------------------------------------------------------


def test_training_by_jax_is_the_eager_training() -> None:
    loss, bounds = step_bounds()
    (ours, memory, step), (theirs, other, plain) = training(), training()
    for x, y in batches(1):
        assert abs(step(x, y) - plain.function(x, y).data) <= loss
    for name, array in theirs.state_dict().items():
        assert np.abs(ours.state_dict()[name] - array).max() <= bounds["state"], name
    for a, b in zip(memory._memory, other._memory, strict=True):
        assert np.abs(a[0] - b[0]).max() <= bounds["state"]
    assert memory.steps == 1


def test_eager_steps_new_parameters_and_learning_rates_are_seen_between_calls() -> None:
    model, optimizer, step = training()
    x, y = next(batches(1))
    step(x, y)
    step.function(x, y)  # an eager step in between
    optimizer.lr = 0.0
    before = model.state_dict()
    step(x, y)
    assert np.array_equal(model.state_dict()["layers.0.weight"], before["layers.0.weight"])
    weight = model.parameters()[0]
    weight.data = np.zeros_like(weight.data)
    step(x, y)
    assert not weight.data.any()
    model.eval()
    assert step.backend == "jax"
    assert len(step.entries) == 1
    step(x, y)
    assert [len(e) for e in step.entries.values()] == [2]  # the mode is an assumption


def test_all_state_that_changes_is_given_to_jax_to_overwrite() -> None:
    _, _, step = training()
    step(*next(batches(1)))
    leaves = list(next(batches(1)))
    entry = step._find(step._key(tuple(leaves), {}, leaves), leaves)
    assert isinstance(entry, ShardedEntry)
    assert len(entry._donated) == len(entry.program.writes) == 12
    assert all(feed.value in entry._resident for feed in entry._donated)
    assert "all-reduce" not in step.lowering(*next(batches(1)))


def test_dropout_draws_as_the_eager_step_does() -> None:
    def made() -> Any:
        model = nn.mlp([5, 8, 3], dropout=0.5, rng=0, dtype=np.float32)
        return mg.compile(model, backend="jax")

    x = np.ones((4, 5), np.float32)
    ours, theirs = made(), made()
    for _ in range(2):
        assert np.array_equal(ours(x) == 0, theirs.function(x).data == 0)


def test_labels_out_of_range_are_named() -> None:
    f = mg.compile(lambda s, y: F.cross_entropy(s, y), backend="jax")
    f(np.zeros((2, 3), np.float32), np.array([0, 2]))
    with pytest.raises(IndexError, match=r"label 3 at \[1\] is out of range for 3 columns"):
        f(np.zeros((2, 3), np.float32), np.array([0, 3]))


def test_a_batch_that_the_devices_cannot_share(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(lambda x: x * 2, (np.zeros((10, 2), np.float32),), {})
    mesh = type("Mesh", (), {"devices": np.empty(4), "axis_names": ("batch",)})()
    monkeypatch.setattr(jax.sharding, "NamedSharding", lambda *_: None)
    with pytest.raises(ShapeError, match=r"^batch 10 cannot be split over 4 devices; use 8 or 12, or drop_last\.$"):
        ShardedEntry(program, [np.zeros((10, 2), np.float32)], mesh)
    with pytest.raises(ShapeError, match=r"^batch 3 cannot be split over 4 devices; use 4, or drop_last\.$"):
        ShardedEntry(program, [np.zeros((3, 2), np.float32)], mesh)


def test_meshes_that_cannot_be() -> None:
    count = len(jax.devices())
    with pytest.raises(
        GraphError, match=rf"^a mesh of 99 devices, but JAX has {count}; use mesh={count}, or set XLA_FLAGS="
    ):
        mesh_of(99)
    with pytest.raises(GraphError, match=r"^the mesh has axes a, b; expected one"):
        mesh_of(jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("a", "b")))
    with pytest.raises(GraphError, match=r"^mesh is a str; pass a jax.sharding.Mesh or a number of devices"):
        mesh_of("all")
    with pytest.raises(ValueError, match="a mesh of devices needs backend='jax'"):
        mg.compile(lambda x: x, mesh=2)
    with pytest.raises(ValueError, match="backend is 'cuda'; expected 'native' or 'jax'"):
        mg.compile(lambda x: x, backend="cuda")


def test_float64_is_refused_and_reports_are_those_of_machine_code() -> None:
    with pytest.raises(DTypeError, match=r"^JAX would truncate float64; call"):
        mg.compile(lambda x: x * 2, backend="jax")(np.ones(2))
    f = mg.compile(lambda x: x * 2, backend="jax")
    with pytest.raises(GraphError, match="has not been compiled by JAX for these arrays"):
        f.lowering(np.ones(2, np.float32))
    f(np.ones(2, np.float32))
    with pytest.raises(GraphError, match="was compiled by JAX, whose kernels are its own"):
        f.report()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((None, 2, 0), r"^the coordinator is None; pass host:port of rank 0, or set JAX_COORDINATOR_ADDRESS\.$"),
        (("localhost", 2, 0), r"^the coordinator is 'localhost'; pass host:port"),
        (("localhost:1", None, 0), r"^how many processes take part is not said; pass it, or set JAX_NUM_PROCESSES\.$"),
        (("localhost:1", 2, None), r"^which of them this is, from 0 is not said; pass it, or set JAX_PROCESS_ID\.$"),
        (("localhost:1", 2, 2), r"^rank 2 of 2 processes; expected 0 to 1 \(JAX_PROCESS_ID\)\.$"),
        (("127.0.0.1:1", 2, 1), r"^no coordinator at 127.0.0.1:1 within 0.3 s, or it waits for others; start"),
    ],
)
def test_processes_that_cannot_meet(args: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(GraphError, match=says):
        connect(*args, timeout=0.3)


def test_connecting_after_jax_has_started() -> None:
    jax.devices()
    with pytest.raises(GraphError, match=r"^connect\(\) comes after JAX has started, or twice; call it once"):
        connect(f"127.0.0.1:{free_port()}", 1, 0, timeout=5)


def test_a_coordinator_that_waits_in_vain_names_who_is_absent() -> None:
    with pytest.raises(
        GraphError, match=r"^rank 1, 2 of 3 processes did not come to 127.0.0.1:\d+ within 0.3 s; start it"
    ):
        connect(f"127.0.0.1:{free_port()}", 3, 0, timeout=0.3)


# ---- benchmarks, which measure nothing here ----------------------------------------------------------------


def test_the_benchmark_of_accelerators_runs_on_a_processor(capsys: pytest.CaptureFixture[str]) -> None:
    from tests.benchmarks import gpu

    assert gpu.main(["--cpu", "--rounds", "1", "--without", "PyTorch", "--without", "torch.compile"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert not any("cannot run" in line for line in lines)
    if jax.devices()[0].platform == "cpu":
        assert gpu.main([]) == 0
        assert "skipped, JAX sees no accelerator here" in capsys.readouterr().out


def test_a_contender_that_cannot_run_is_told() -> None:
    from tests.benchmarks import gpu

    def broken() -> Any:
        raise RuntimeError("no such device")

    found = gpu.measure({"ours": lambda: lambda: 1.0, "peer": broken, "nan": lambda: lambda: np.nan}, 1)
    assert isinstance(found["ours"], float)
    assert found["peer"] == "RuntimeError: no such device"
    assert found["nan"] == "ArithmeticError: its result is not finite"


@pytest.mark.slow
def test_the_efficiency_of_two_processes_can_be_measured() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.parallel", "--steps", "3", "--rounds", "1", "--width", "16",
               "--batch", "64"]  # fmt: skip
    out = subprocess.run(command, cwd=LAUNCH.parents[2], capture_output=True, text=True, timeout=100, check=True).stdout
    told = r"batch 64: a step takes \d+\.\d ms in 1 process, \d+\.\d ms in 2, efficiency \d+\.\d\d\n"
    assert re.fullmatch(told, out)


# ---- the example, from one command --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_process_stops_the_run_which_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed: the example saves no checkpoint")
    kept = ("--checkpoint", tmp_path / "c.safetensors")
    process = start(LAUNCH, "--processes", 2, "--epochs", 100_000, *kept, env=ONE)
    assert process.stdout is not None
    pids, seen = {}, ""
    for line in process.stdout:
        if match := re.match(r"rank (\d): process (\d+)", line):
            pids[int(match[1])] = int(match[2])
        seen += line
        if line.startswith("epoch 2:"):
            os.kill(pids[1], signal.SIGKILL)
            killed = time.monotonic()
            break
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - killed < 30
    assert process.returncode == 1
    assert "rank 1 was ended by SIGKILL; the others were stopped. Go on from the last checkpoint with --resume." in err
    again = start(LAUNCH, "--processes", 2, "--epochs", 100_000, "--resume", *kept, env=ONE)
    assert again.stdout is not None
    first = next(line for line in again.stdout if line.startswith("epoch"))
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=30)
    assert int(first.split()[1].rstrip(":")) >= 3, seen
