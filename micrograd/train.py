"""The training loop: batches, loss, backward, step, and a record of how it went."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from micrograd import functional as f
from micrograd.data import Dataset, batches, digits
from micrograd.engine import no_grad
from micrograd.errors import NumericalError
from micrograd.nn import Module, mlp
from micrograd.optim import SGD, Optimizer, Schedule, cosine

__all__ = ["History", "Progress", "evaluate", "train", "train_digits"]

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands after an epoch; what the `progress` callback of `train` is given."""

    epoch: int
    epochs: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch:>{len(str(self.epochs))}}/{self.epochs}  loss {self.train_loss:.4f}  "
            f"train {self.train_accuracy:.1%}  test {self.test_accuracy:.1%}"
        )


@dataclass(slots=True)
class History:
    """One entry an epoch, plain lists of numbers: training loss and accuracy over the epoch's own batches, test loss
    and accuracy after it, seconds since the start.
    """  # noqa: D205

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, list[float]]:
        """The lists by name, ready for JSON."""
        return asdict(self)


def evaluate(model: Module, x: Any, y: Any, *, loss: Loss = f.cross_entropy, size: int = 1024) -> tuple[float, float]:
    """The mean loss and the accuracy of `model` on `x`, `y`, in evaluation mode and without a graph.

    Args:
        model: answers (N, C) scores.
        x: (N, D) examples.
        y: (N,) integer labels.
        loss: ``loss(scores, labels)``, a mean over rows.
        size: how many rows go through at a time.

    >>> from micrograd.nn import Linear
    >>> evaluate(Linear(2, 2, rng=0), np.zeros((4, 2)), np.array([0, 0, 0, 1]))
    (0.6931471805599453, 0.75)
    """
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    total = right = 0.0
    try:
        with no_grad():
            for part, labels in batches(x, y, size):
                scores = model(part)
                total += float(loss(scores, labels)) * len(labels)
                right += f.accuracy(scores, labels) * len(labels)
    finally:
        for module, mode in modes:
            module.training = mode
    return total / len(y), right / len(y)


def train(
    model: Module,
    data: Dataset,
    *,
    epochs: int = 20,
    batch_size: int = 64,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    loss: Loss = f.cross_entropy,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> History:
    """Train `model` on `data`; it is changed in place and left in evaluation mode.

    The same model, data and seed give the same parameters, bit for bit, on the same machine.

    Args:
        model: answers (N, C) scores for (N, D) examples.
        data: what `micrograd.data.digits` answers, or another `Dataset`.
        epochs: how often all of the training examples are seen.
        batch_size: rows in a step; see `micrograd.data.batches` for the last one.
        optimizer: over the parameters of `model`; ``SGD(lr=0.1, momentum=0.9)`` where left out.
        schedule: the learning rate of each epoch; that of the optimizer throughout where left out.
        loss: ``loss(scores, labels)``.
        seed: of the order of the examples.
        progress: called after each epoch with a `Progress`.

    Returns:
        The `History`, one entry an epoch.

    Raises:
        NumericalError: the loss became NaN or infinite. ValueError: `epochs` below 1.
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; expected at least 1.")
    optimizer = optimizer or SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(seed)
    history = History()
    start = time.perf_counter()
    for epoch in range(epochs):
        if schedule is not None:
            optimizer.lr = schedule(epoch)
        model.train()
        total = right = 0.0
        seen = 0
        for batch, (x, y) in enumerate(batches(data.x_train, data.y_train, batch_size, rng)):
            scores = model(x)
            cost = loss(scores, y)
            value = cost.item()
            if not math.isfinite(value):
                raise NumericalError(
                    f"the loss is {value} in epoch {epoch + 1}, batch {batch + 1} (lr={optimizer.lr:g}). "
                    "Lower the learning rate, or run the step under micrograd.checked() to see where it begins."
                )
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            total, right, seen = total + value * len(y), right + f.accuracy(scores, y) * len(y), seen + len(y)
        test_loss, test_accuracy = evaluate(model, data.x_test, data.y_test, loss=loss)
        now = Progress(
            epoch + 1, epochs, total / seen, right / seen, test_loss, test_accuracy, time.perf_counter() - start
        )
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"):
            getattr(history, name).append(getattr(now, name))
        if progress is not None:
            progress(now)
    model.eval()
    return history


def train_digits(
    *,
    batch_norm: bool = True,
    hidden: tuple[int, ...] = (64, 64),
    epochs: int = 20,
    batch_size: int = 64,
    lr: float = 0.1,
    seed: int = 0,
    dtype: Any = np.float32,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Module, History]:
    """Train the multi-layer perceptron 64-64-64-10 on the handwritten digits, with or without batch normalization.

    Args:
        batch_norm: put batch norm before each activation.
        hidden: sizes of the hidden layers.
        epochs: how often all of the training examples are seen.
        batch_size: rows in a step.
        lr: where the cosine schedule of the learning rate starts.
        seed: of the starting weights and of the order of the examples; the split of the data is always the same.
        dtype: float32 or float64.
        progress: called after each epoch with a `Progress`.

    Returns:
        The trained model, in evaluation mode, and its `History`.

    Raises:
        MissingExtraError: scikit-learn is not installed; also as `train`.
    """
    data = digits(dtype=dtype)
    model = mlp([64, *hidden, 10], batch_norm=batch_norm, rng=seed, dtype=dtype)
    optimizer = SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    history = train(
        model, data, epochs=epochs, batch_size=batch_size, optimizer=optimizer, schedule=cosine(lr, epochs), seed=seed,
        progress=progress,
    )  # fmt: skip
    return model, history
