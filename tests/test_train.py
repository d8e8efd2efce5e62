from __future__ import annotations

import json
import re
import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from micrograd import nn, optim
from micrograd.data import Dataset, digits
from micrograd.errors import NumericalError
from micrograd.functional import cross_entropy, multiclass_hinge_loss
from micrograd.train import History, Progress, evaluate, train, train_digits


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
    path = Path(__file__).parents[1] / "examples" / f"{name}.py"
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
