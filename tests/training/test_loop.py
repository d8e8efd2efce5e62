from __future__ import annotations

import json
import os
import re
import runpy
import signal
import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT

from micrograd import nn, optim
from micrograd.errors import CheckpointError, NumericalError
from micrograd.functional import cross_entropy, multiclass_hinge_loss
from micrograd.training.checkpoint import load, peek, save
from micrograd.training.data import Dataset, digits
from micrograd.training.loop import History, Progress, evaluate, train, train_digits


def two_clouds(n: int = 60, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = rng.standard_normal((n, 3)) + 4.0 * y[:, None]
    return Dataset(x[:40], y[:40], x[40:], y[40:])


def state(model: nn.Module) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_digits_are_learnt(batch_norm: bool) -> None:
    """The promise of the demonstration: at least 97 % of the test digits right with batch normalization."""
    model, history = train_digits(batch_norm=batch_norm)
    data = digits(dtype=np.float32)
    loss, accuracy = evaluate(model, data.x_test, data.y_test)
    assert (loss, accuracy) == (history.test_loss[-1], history.test_accuracy[-1])
    assert accuracy >= (0.97 if batch_norm else 0.95)
    assert history.train_loss[-1] < 0.1 * history.train_loss[0]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in model) == (2 if batch_norm else 0)
    assert all(p.dtype == np.float32 for p in model.parameters())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_seed_gives_the_same_bits(dropout: float) -> None:
    def run(seed: int) -> tuple[dict[str, bytes], History]:
        model = nn.mlp([3, 4, 2], batch_norm=True, dropout=dropout, rng=1)
        history = train(model, two_clouds(), epochs=3, batch_size=8, seed=seed)
        return state(model), history

    first, again, other = run(0), run(0), run(1)
    assert first[0] == again[0]
    assert first[1].train_loss == again[1].train_loss
    assert first[0] != other[0]


def test_the_history_is_plain_lists_one_entry_an_epoch() -> None:
    history = train(nn.mlp([3, 4, 2], rng=0), two_clouds(), epochs=3, batch_size=8)
    lists = history.as_dict()
    assert list(lists) == ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"]
    assert all(type(values) is list and len(values) == 3 for values in lists.values())
    assert all(type(value) is float for values in lists.values() for value in values)
    assert json.loads(json.dumps(lists)) == lists
    assert history.seconds == sorted(history.seconds)


def test_progress_is_reported_after_each_epoch() -> None:
    reports: list[Progress] = []
    history = train(nn.mlp([3, 4, 2], rng=0), two_clouds(), epochs=2, batch_size=8, progress=reports.append)
    assert [(r.epoch, r.epochs) for r in reports] == [(1, 2), (2, 2)]
    for field in fields(History):
        assert [getattr(r, field.name) for r in reports] == getattr(history, field.name)
    assert re.fullmatch(r"epoch 2/2  loss \d\.\d{4}  train \d+\.\d%  test \d+\.\d%", str(reports[-1]))


def test_the_model_is_left_in_evaluation_mode() -> None:
    model = nn.mlp([3, 4, 2], batch_norm=True, rng=0)
    train(model, two_clouds(), epochs=1, batch_size=8)
    assert not any(module.training for _, module in model.named_modules())


def test_a_last_batch_of_one_row_does_not_break_batch_norm() -> None:
    train(nn.mlp([3, 4, 2], batch_norm=True, rng=0), two_clouds(), epochs=1, batch_size=13)  # 40 = 3 * 13 + 1


def test_the_schedule_sets_the_rate_of_each_epoch() -> None:
    model = nn.mlp([3, 2], rng=0)
    optimizer = optim.SGD(model.parameters(), lr=9.0)
    rates: list[float] = []
    train(
        model, two_clouds(), epochs=3, batch_size=8, optimizer=optimizer, schedule=optim.exponential(0.4, 0.5),
        progress=lambda _: rates.append(optimizer.lr),
    )  # fmt: skip
    assert rates == [0.4, 0.2, 0.1]


def test_other_losses_and_optimisers_serve_too() -> None:
    model = nn.mlp([3, 8, 2], rng=0)
    history = train(
        model, two_clouds(), epochs=30, batch_size=8, loss=multiclass_hinge_loss,
        optimizer=optim.Adam(model.parameters(), lr=0.01),
    )  # fmt: skip
    assert history.test_accuracy[-1] == 1.0


def test_a_loss_that_is_not_finite_stops_the_training_and_says_where() -> None:
    model = nn.mlp([3, 4, 2], rng=0)
    optimizer = optim.SGD(model.parameters(), lr=1e200)
    with (
        np.errstate(all="ignore"),
        pytest.raises(NumericalError, match=r"the loss is (nan|inf) in epoch 1, batch \d+ \(lr=1e\+200\)") as caught,
    ):
        train(model, two_clouds(), epochs=2, batch_size=8, optimizer=optimizer)
    assert "Lower the learning rate" in str(caught.value)
    assert "micrograd.checked()" in str(caught.value)


def test_no_epochs() -> None:
    with pytest.raises(ValueError, match="epochs is 0; expected at least 1"):
        train(nn.mlp([3, 2], rng=0), two_clouds(), epochs=0)


def test_evaluate_changes_nothing_and_restores_every_mode() -> None:
    model, data = nn.mlp([3, 4, 2], batch_norm=True, dropout=0.5, rng=0), two_clouds()
    model[1].eval()
    before, modes = state(model), [module.training for _, module in model.named_modules()]
    evaluate(model, data.x_test, data.y_test)
    assert state(model) == before
    assert [module.training for _, module in model.named_modules()] == modes
    with pytest.raises(ValueError, match="labels"):
        evaluate(model, data.x_test, data.y_test + 5)
    assert [module.training for _, module in model.named_modules()] == modes


def test_evaluate_is_a_mean_over_rows_whatever_the_batches() -> None:
    model, data = nn.mlp([3, 4, 2], rng=0), two_clouds()
    whole = evaluate(model, data.x_test, data.y_test)
    assert evaluate(model, data.x_test, data.y_test, size=7) == pytest.approx(whole, rel=1e-14)
    assert whole[0] == pytest.approx(cross_entropy(model(data.x_test), data.y_test).item(), rel=1e-15)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("digits", r"test accuracy: 9\d\.\d% with batch normalization, 9\d\.\d% without"),
        ("training_loop", r"accuracy (100|99)\.\d%"),
        ("moons", r"step 19: loss 0\.\d{4}, accuracy \d\d%"),
    ],
)
def test_the_examples_run(name: str, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "examples" / f"{name}.py"
    if not path.exists():
        pytest.skip("the examples are not beside these tests")
    runpy.run_path(str(path), run_name="__main__")
    assert re.fullmatch(last, capsys.readouterr().out.splitlines()[-1])


def test_evaluate_records_no_graph() -> None:
    seen: list[Any] = []

    def loss(scores: Any, labels: Any) -> Any:
        seen.append(scores)
        return cross_entropy(scores, labels)

    data = two_clouds()
    evaluate(nn.mlp([3, 4, 2], rng=0), data.x_test, data.y_test, loss=loss)
    assert seen[0].row is None


# ---- clipping and early stop -----------------------------------------------------------------------------


def test_gradients_are_clipped_to_a_common_norm() -> None:
    model, data, norms = nn.mlp([3, 4, 2], rng=0), two_clouds(), []

    class Watching(optim.SGD):
        def step(self) -> None:
            norms.append(np.sqrt(sum((p.grad**2).sum() for p in self.parameters)))
            super().step()

    train(model, data, epochs=1, batch_size=8, optimizer=Watching(model.parameters()), clip=0.05)
    assert max(norms) == pytest.approx(0.05, rel=1e-12)
    norms.clear()
    train(model, data, epochs=1, batch_size=8, optimizer=Watching(model.parameters()))
    assert max(norms) > 0.05


@pytest.mark.parametrize("watch", ["loss", "accuracy"])
def test_training_stops_after_the_best_epoch_and_keeps_it(watch: Any) -> None:
    rng = np.random.default_rng(0)
    noise = Dataset(rng.standard_normal((40, 3)), np.arange(40) % 2, rng.standard_normal((20, 3)), np.arange(20) % 2)
    model, states = nn.mlp([3, 16, 2], batch_norm=True, rng=0), []
    history = train(
        model, noise, epochs=60, batch_size=8, patience=4, watch=watch, progress=lambda _: states.append(state(model))
    )
    numbers = history.test_loss if watch == "loss" else [-a for a in history.test_accuracy]
    best = numbers.index(min(numbers))
    assert len(numbers) == best + 1 + 4 < 60
    assert state(model) == states[best] != states[-1]


def test_a_test_loss_that_is_no_number_is_never_the_best() -> None:
    losses = iter([2.0, float("nan"), 1.0, float("nan"), float("nan")])
    model, states = nn.mlp([3, 2], rng=0), []

    def loss(scores: Any, labels: Any) -> Any:
        return cross_entropy(scores, labels) if scores.row is not None else next(losses)

    history = train(
        model, two_clouds(), epochs=60, batch_size=8, patience=2, loss=loss,
        progress=lambda _: states.append(state(model)),
    )  # fmt: skip
    assert len(history.test_loss) == 5
    assert state(model) == states[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0, "checkpoint": "c"}, "every is 0; expected at least 1"),
        ({"patience": 0}, "patience is 0; expected at least 1"),
        ({"clip": 0.0}, "clip is 0.0; expected a finite norm above 0"),
        ({"clip": float("nan")}, "clip is nan; expected a finite norm above 0"),
        ({"watch": "train"}, "watch is 'train'; expected 'loss' or 'accuracy'"),
        ({"resume": True}, "resume and every need a file; pass checkpoint="),
        ({"every": 3}, "resume and every need a file; pass checkpoint="),
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(nn.mlp([3, 2], rng=0), two_clouds(), **arguments)


@pytest.mark.parametrize("name", ["network", "optimizer", "schedule"])
def test_unknown_names_for_the_digits(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 'x'; expected one of "):
        train_digits(**{name: "x"})  # type: ignore[arg-type]


def test_the_convolutional_network_learns_the_digits() -> None:
    model, history = train_digits(network="conv", dropout=0.1, epochs=2, optimizer="adam")
    assert history.test_accuracy[-1] > 0.8
    assert sum(isinstance(layer, nn.Conv2d) for layer in model) == 2


# ---- checkpoints and the log -----------------------------------------------------------------------------


class Stopped(Exception):
    """What stands for a crash."""


def crash_at(step: int, crash: Callable[[], Any]) -> Callable[[Any, Any], Any]:
    """A loss that crashes in a step of training."""
    done = [0]

    def loss(scores: Any, labels: Any) -> Any:
        if scores.row is not None:
            done[0] += 1
            if done[0] == step:
                crash()
        return cross_entropy(scores, labels)

    return loss


def stop() -> None:
    raise Stopped


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def fresh() -> tuple[nn.Module, optim.Optimizer]:
    model = nn.mlp([3, 4, 2], batch_norm=True, dropout=0.3, rng=1)
    return model, optim.AdamW(model.parameters(), 0.01)


def run(folder: Path, **more: Any) -> tuple[dict[str, bytes], dict[str, Any], list[dict[str, Any]]]:
    model, optimizer = fresh()
    arguments: dict[str, Any] = {
        "epochs": 4, "batch_size": 8, "optimizer": optimizer, "schedule": optim.cosine(0.01, 4), "patience": 3,
        "checkpoint": folder / "c", "log": folder / "log.jsonl",
    }  # fmt: skip
    history = train(model, two_clouds(), **(arguments | more)).as_dict()
    del history["seconds"]
    return state(model), history, logged(folder)


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


@pytest.mark.parametrize("every", [None, 1, 3])
@pytest.mark.parametrize("step", [1, 2, 5, 6, 13, 20])
def test_a_resumed_training_is_the_uninterrupted_one(every: int | None, step: int, tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    whole.mkdir()
    halves.mkdir()
    expected = run(whole, every=every)
    with pytest.raises(Stopped):
        run(halves, every=every, loss=crash_at(step, stop))
    assert run(halves, every=every, resume=True) == expected
    assert run(halves, every=every, resume=True) == expected  # a finished training has nothing left to do


def test_the_log_has_a_line_a_step(tmp_path: Path) -> None:
    _, history, lines = run(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 21))
    assert [line["epoch"] for line in lines] == [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5
    assert all(list(line) == ["step", "epoch", "loss", "lr", "accuracy"] for line in lines)
    assert lines[0]["lr"] == 0.01
    assert sum(line["loss"] for line in lines[:5]) / 5 == pytest.approx(history["train_loss"][0], rel=1e-12)
    seconds = [json.loads(line)["seconds"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert seconds == sorted(seconds)


def test_a_log_with_a_torn_line_goes_on_without_it(tmp_path: Path) -> None:
    expected = run(tmp_path, every=4)
    with pytest.raises(Stopped):
        run(tmp_path, every=4, loss=crash_at(7, stop))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 7, "ep')
    assert run(tmp_path, every=4, resume=True) == expected


def test_a_new_training_does_not_go_on_with_the_log_or_checkpoint_of_an_older_one(tmp_path: Path) -> None:
    expected = run(tmp_path)
    with pytest.raises(Stopped):
        run(tmp_path, loss=crash_at(1, stop))
    assert logged(tmp_path) == []
    assert peek(tmp_path / "c").step == 0
    assert run(tmp_path, resume=True) == expected


def test_resume_without_a_file_begins(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert run(tmp_path, resume=True) == run(tmp_path / "other")


def test_seconds_go_on(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, loss=crash_at(12, stop))
    before = peek(tmp_path / "c").extra["train"]["history"]["seconds"]
    model, optimizer = fresh()
    history = train(
        model, two_clouds(), epochs=4, batch_size=8, optimizer=optimizer, checkpoint=tmp_path / "c", resume=True,
        patience=3,
    )  # fmt: skip
    assert history.seconds[:2] == before
    assert history.seconds == sorted(history.seconds)


def test_ctrl_c_ends_the_step_writes_the_checkpoint_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    expected = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after step 7; .*c holds it, resume=True goes on"):
        run(tmp_path, loss=crash_at(7, interrupt))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert peek(tmp_path / "c").step == 7
    assert len(logged(tmp_path)) == 7
    assert run(tmp_path, resume=True) == expected


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path, loss=crash_at(7, twice))
    assert caught.value.args == ()
    assert peek(tmp_path / "c").step == 5


def test_ctrl_c_without_a_checkpoint_is_as_ever() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        train(nn.mlp([3, 2], rng=0), two_clouds(), epochs=1, batch_size=8, loss=crash_at(2, interrupt))
    assert caught.value.args == ()


def test_a_thread_trains_too(tmp_path: Path) -> None:
    """Only the main thread may say what Ctrl-C does."""
    thread = threading.Thread(target=run, args=(tmp_path,))
    thread.start()
    thread.join()
    assert peek(tmp_path / "c").step == 20


def test_the_best_is_in_the_checkpoint(tmp_path: Path) -> None:
    expected, history, _ = run(tmp_path)
    model, _ = fresh()
    found = load(tmp_path / "c", model)
    model.load_state_dict(found.arrays)
    assert state(model) == expected
    assert found.extra["train"]["history"]["test_loss"] == history["test_loss"]


def test_another_training_is_not_resumed(tmp_path: Path) -> None:
    run(tmp_path, settings={"note": (1, 2)})
    run(tmp_path, settings={"note": (1, 2)}, resume=True)
    model, optimizer = fresh()
    before = state(model)
    with pytest.raises(CheckpointError) as caught:
        train(
            model, two_clouds(), batch_size=9, optimizer=optimizer, seed=3, checkpoint=tmp_path / "c", resume=True,
            settings={"note": [1, 3]},
        )  # fmt: skip
    assert str(caught.value).splitlines() == [
        "c is of another training; nothing was loaded. 4 difference(s):",
        "  seed: 0 in the checkpoint, 3 here",
        "  batch_size: 8 in the checkpoint, 9 here",
        "  watch: 'loss' in the checkpoint, None here",
        "  note: [1, 2] in the checkpoint, [1, 3] here",
        "Resume with the settings it was started with, or start again without resume.",
    ]
    assert state(model) == before


@pytest.mark.parametrize(
    "extra",
    [
        None,
        {"train": {}},
        {"train": {"at": {"epoch": -1}, "history": {}, "settings": {}}},
        {"train": {"at": {"epoch": 1}, "history": {}, "settings": {}}},
        {"train": {"at": {"total": "1"}, "history": {}, "settings": {}}},
        {"train": {"at": {"other": 1}, "history": {}, "settings": {}}},
        {"train": {"at": {}, "history": {"train_loss": 3}, "settings": {}}},
        {"train": {"at": {}, "history": {}, "settings": 3}},
    ],
)
def test_a_checkpoint_of_something_else_is_not_resumed(extra: Any, tmp_path: Path) -> None:
    model, optimizer = fresh()
    save(tmp_path / "c", model, optimizer, rng=np.random.default_rng(0), extra=extra)
    with pytest.raises(CheckpointError, match=r"c was not written by train\(checkpoint=\.\.\.\); load it with"):
        train(model, two_clouds(), optimizer=optimizer, checkpoint=tmp_path / "c", resume=True)


def test_a_model_of_other_sizes_is_not_changed_by_a_resumption(tmp_path: Path) -> None:
    run(tmp_path)
    model = nn.mlp([3, 5, 2], batch_norm=True, dropout=0.3, rng=1)
    before = state(model)
    with pytest.raises(CheckpointError, match=r"layers\.0\.weight: shape \(3, 4\) in the checkpoint, \(3, 5\)"):
        train(
            model, two_clouds(), batch_size=8, optimizer=optim.AdamW(model.parameters()), checkpoint=tmp_path / "c",
            resume=True, patience=3,
        )  # fmt: skip
    assert state(model) == before
