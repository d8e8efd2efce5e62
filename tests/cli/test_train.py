"""`micrograd train`: its files, its refusals, Ctrl-C, and going on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from micrograd.cli import main
from micrograd.training.checkpoint import peek

QUICK = ["train", "digits", "--hidden", "8", "--epochs", "2", "--batch-size", "256"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_everything_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(
        capsys, *QUICK, "--optimizer", "adamw", "--schedule", "step", "--clip", "1", "--dropout", "0.1", "--patience",
        "5", "--checkpoint", "c.safetensors", "--every", "4", "--log", "log.jsonl", "--out", "curves.svg", "--lr", "0.01",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "test accuracy" in out
    lines = [json.loads(line) for line in Path("log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert lines[0]["lr"] == 0.01
    assert peek("c.safetensors").step == 12
    assert "<svg" in Path("curves.svg").read_text(encoding="utf-8")


def test_the_convolutional_network(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "train", "digits", "--model", "conv", "--epochs", "1", "--batch-size", "512")
    assert code == 0
    assert "test accuracy" in out


def test_resume_goes_on_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--checkpoint", "c", "--log", "log", "--schedule", "constant"]
    assert said(capsys, *QUICK, *files)[0] == 0
    whole = Path("log").read_text(encoding="utf-8")
    Path("c").unlink()
    code, out, _ = said(capsys, *QUICK, *files, "--epochs", "1", "--resume")
    assert code == 0
    assert "c does not exist yet: training begins" in out
    assert said(capsys, *QUICK, *files, "--resume")[0] == 0
    again = Path("log").read_text(encoding="utf-8")
    losses = [[json.loads(line)["loss"] for line in text.splitlines()] for text in (whole, again)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 12


def test_the_best_epoch_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(
        capsys, "train", "digits", "--hidden", "16", "--epochs", "40", "--batch-size", "512", "--patience", "1", "--lr",
        "3", "--schedule", "constant",
    )  # fmt: skip
    assert code == 0
    assert "(the best, of epoch " in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "--resume needs --checkpoint FILE"),
        (["--every", "3"], "--every needs --checkpoint FILE"),
        (["--checkpoint", "there"], "there exists; --resume goes on from it, --force starts again"),
        (["--log", "there"], "there exists, and micrograd did not write it; use --force to replace it"),
        (["--checkpoint", "no/c"], "the folder no does not exist"),
        (["--checkpoint", "folder"], "folder is a directory"),
        (["--checkpoint", "there", "--resume"], "there: truncated"),
        (["--hidden", "64,0"], "expected sizes from 1 to 10000 joined by commas, such as 64,64; got '64,0'"),
        (["--hidden", ""], "expected sizes from 1 to 10000"),
        (["--dropout", "1"], "expected a number from 0 to below 1; got '1'"),
        (["--dropout", "x"], "expected a number from 0 to below 1; got 'x'"),
        (["--clip", "0"], "--clip: expected a number from 1e-12"),
        (["--patience", "0"], "--patience: expected a whole number from 1"),
        (["--optimizer", "lion"], "invalid choice: 'lion'"),
        (["--schedule", "linear"], "invalid choice: 'linear'"),
        (["--model", "conv", "--hidden", "3"], "--hidden is for --model mlp; leave it out with --model conv"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_a_wrong_command_is_told(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("there").write_text("mine", encoding="utf-8")
    Path("folder").mkdir()
    code, out, err = said(capsys, "train", "digits", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert Path("there").read_text(encoding="utf-8") == "mine"
    assert sorted(os.listdir()) == ["folder", "there"]


def test_another_training_is_not_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *QUICK, "--checkpoint", "c")[0] == 0
    code, _, err = said(capsys, *QUICK, "--checkpoint", "c", "--resume", "--optimizer", "adam")
    assert code == 2
    assert "  optimizer: 'sgd' in the checkpoint, 'adam' here\n  lr: 0.1 in the checkpoint, 0.003 here\n" in err


def test_force_begins_anew(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c").write_text("old", encoding="utf-8")
    assert said(capsys, *QUICK, "--checkpoint", "c", "--force")[0] == 0
    assert peek("c").step == 12


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_is_exit_130_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    command = [*QUICK, "--epochs", "10000", "--schedule", "constant", "--checkpoint", "c", "--log", "log"]
    with subprocess.Popen(
        [sys.executable, "-m", "micrograd", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (Path("log").exists() and Path("log").stat().st_size > 1000):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    step = peek("c").step
    assert err == (
        f"micrograd: training was interrupted after step {step}; c holds it. "
        "The same command with --resume goes on from there\n"
    )
    assert len(Path("log").read_text(encoding="utf-8").splitlines()) == step
    epochs = step // 6 + 2
    assert said(capsys, *command, "--resume", "--epochs", str(epochs))[0] == 0
    steps = [json.loads(line)["step"] for line in Path("log").read_text(encoding="utf-8").splitlines()]
    assert steps == list(range(1, 6 * epochs + 1))
