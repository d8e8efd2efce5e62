"""Train a network: batches, loss, backward, step, with a history and a checkpoint to go on from."""

from __future__ import annotations

import copy
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from typing import Any, Literal

import numpy as np

from micrograd import functional as f
from micrograd.engine import no_grad
from micrograd.errors import NumericalError
from micrograd.nn import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential, mlp
from micrograd.optim import SGD, Adam, AdamW, Optimizer, Schedule, clip_grad_norm, cosine, step_decay
from micrograd.training.data import Dataset, batches, digits
from micrograd.training.files import TrainingFile, TrainingLog
from micrograd.training.history import History, Position, Progress

__all__ = ["History", "Progress", "evaluate", "train", "train_digits"]

Loss = Callable[[Any, Any], Any]


def evaluate(model: Module, x: Any, y: Any, *, loss: Loss = f.cross_entropy, size: int = 1024) -> tuple[float, float]:
    """Return the mean loss and the accuracy of `model` on `x`, `y`, in evaluation mode and without a graph.

    Args:
        model: returns (N, C) scores.
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
    clip: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    every: int | None = None,
    settings: Mapping[str, Any] | None = None,
    log: str | os.PathLike[str] | None = None,
    patience: int | None = None,
    watch: Literal["loss", "accuracy"] = "loss",
    progress: Callable[[Progress], None] | None = None,
) -> History:
    """Train `model` on `data` in place, and leave it in evaluation mode.

    The same model, data and seed give the same parameters, bit for bit, on the same machine; also where the process was
    killed, at any moment, and the same call was made again with ``resume=True``.

    Args:
        model: returns (N, C) scores for (N, D) examples.
        data: what `micrograd.training.data.digits` returns, or another `Dataset`.
        epochs: how often all of the training examples are seen.
        batch_size: rows in a step; see `micrograd.training.data.batches` for the last one.
        optimizer: over the parameters of `model`; ``SGD(lr=0.1, momentum=0.9)`` where left out.
        schedule: the learning rate of each epoch; that of the optimizer throughout where left out.
        loss: ``loss(scores, labels)``.
        seed: of the order of the examples.
        clip: the largest norm of the gradients, over all parameters; larger ones are scaled down to it.
        checkpoint: a file to go on from, written at the start and after each epoch; Ctrl-C then finishes the current
            step, writes the file and says so. See `micrograd.training.checkpoint`.
        resume: go on from that file; where it does not exist, begin.
        every: write the file after so many steps instead, and at the end.
        settings: more values that must be equal to resume (JSON); seed, batch size and number of examples always must.
        log: a file for a line of JSON after each step: step, epoch, loss, lr, accuracy, seconds. A resumed training
            goes on with it where the checkpoint is.
        patience: stop after so many epochs without a better one, and leave the model as it was after the best.
        watch: what is better: a lower test ``"loss"`` or a higher test ``"accuracy"``.
        progress: called after each epoch with a `Progress`.

    Returns:
        The `History`, one entry an epoch, those before a resumption included.

    Raises:
        NumericalError: the loss became NaN or infinite. ValueError: a number out of range, `resume` without a file.
        CheckpointError: the file is damaged or of another training; nothing was changed.
        KeyboardInterrupt: after Ctrl-C, with a message that says how to go on.

    >>> from micrograd.nn import Linear
    >>> x, y = np.array([[-1.0], [-2.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    >>> history = train(Linear(1, 2, rng=0), Dataset(x, y, x, y), epochs=3, batch_size=2)
    >>> len(history.test_loss), history.test_accuracy[-1]
    (3, 1.0)
    """
    for name, number in (("epochs", epochs), ("every", every), ("patience", patience)):
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}; expected at least 1.")
    if clip is not None and not 0.0 < clip < math.inf:
        raise ValueError(f"clip is {clip}; expected a finite norm above 0, such as 1.0.")
    if watch not in _WATCHED:
        raise ValueError(f"watch is {watch!r}; expected 'loss' or 'accuracy'.")
    if checkpoint is None and (resume or every is not None):
        raise ValueError("resume and every need a file; pass checkpoint='training.safetensors' too.")
    optimizer = optimizer or SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(seed)
    keeper = TrainingFile(
        checkpoint, model, optimizer, rng,
        {"seed": seed, "batch_size": batch_size, "examples": len(data.x_train), "clip": clip,
         "watch": None if patience is None else watch, **(settings or {})},
    )  # fmt: skip
    at, history, best = keeper.begin(resume)
    start = time.perf_counter() - at.seconds
    with TrainingLog(log, at.step) as lines, _deferred_interrupt(checkpoint is not None) as interrupted:

        def keep() -> None:
            at.seconds = time.perf_counter() - start
            lines.sync()
            keeper.save(at, history, best)

        def stop_if_interrupted() -> None:
            if interrupted():
                keep()
                raise KeyboardInterrupt(
                    f"training was interrupted after step {at.step}; {checkpoint} holds it, resume=True goes on."
                )

        while at.epoch < epochs and (patience is None or _stale(history, watch) < patience):
            if schedule is not None:
                optimizer.lr = schedule(at.epoch)
            model.train()
            order = copy.deepcopy(rng)  # a checkpoint has `rng` as it was before, so that the order can be drawn again
            for x, y in islice(batches(data.x_train, data.y_train, batch_size, order), at.batch, None):
                value, accuracy = _step(model, optimizer, x, y, loss, clip, at)
                at.count(value, accuracy, len(y))
                lines.add(at, value, optimizer.lr, accuracy, time.perf_counter() - start)
                if every is not None and at.step % every == 0:
                    keep()
                stop_if_interrupted()
            rng.bit_generator.state = order.bit_generator.state
            test = evaluate(model, data.x_test, data.y_test, loss=loss)
            now = Progress(
                at.epoch + 1, epochs, at.total / at.seen, at.right / at.seen, *test, time.perf_counter() - start
            )
            for entry in fields(History):
                getattr(history, entry.name).append(getattr(now, entry.name))
            at.next_epoch()
            if patience is not None and _stale(history, watch) == 0:
                best = model.state_dict()
            if every is None:
                keep()
            if progress is not None:
                progress(now)
            stop_if_interrupted()
        if every is not None:
            keep()
            stop_if_interrupted()
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return history


def _step(
    model: Module, optimizer: Optimizer, x: Any, y: Any, loss: Loss, clip: float | None, at: Position
) -> tuple[float, float]:
    """Make one step, and return the loss of the batch and its accuracy from before it."""
    scores = model(x)
    cost = loss(scores, y)
    value = cost.item()
    if not math.isfinite(value):
        raise NumericalError(
            f"the loss is {value} in epoch {at.epoch + 1}, batch {at.batch + 1} (lr={optimizer.lr:g}). "
            "Lower the learning rate, or run the step under micrograd.checked() to see where it begins."
        )
    optimizer.zero_grad()
    cost.backward()
    if clip is not None:
        clip_grad_norm(optimizer.parameters, clip)
    optimizer.step()
    return value, f.accuracy(scores, y)


_WATCHED: dict[str, Callable[[History], list[float]]] = {
    "loss": lambda history: history.test_loss,
    "accuracy": lambda history: [-value for value in history.test_accuracy],
}
"""For each quantity that can be watched, numbers that are smaller in a better epoch."""


def _stale(history: History, watch: str) -> int:
    """Count the epochs since the best one; a loss that is NaN is never better."""
    numbers = [math.inf if math.isnan(value) else value for value in _WATCHED[watch](history)]
    return len(numbers) - 1 - numbers.index(min(numbers)) if numbers else 0


@contextmanager
def _deferred_interrupt(wanted: bool) -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C rather than raise it, so that no step is cut in two; a second one is raised at once."""
    ours = threading.current_thread() is threading.main_thread()
    if not wanted or not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(noted)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# ---- the digits ------------------------------------------------------------------------------------------

_OPTIMIZERS: dict[str, tuple[float, Callable[..., Optimizer]]] = {
    "sgd": (0.1, lambda parameters, lr: SGD(parameters, lr, momentum=0.9, weight_decay=1e-4)),
    "adam": (0.003, Adam),
    "adamw": (0.003, lambda parameters, lr: AdamW(parameters, lr, weight_decay=0.01)),
}
_SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "cosine": cosine,
    "constant": lambda lr, _: lambda _: lr,
    "step": lambda lr, epochs: step_decay(lr, math.ceil(epochs / 3)),
}


def _images(x: Any) -> Any:
    """Reshape (N, 64) to (N, 1, 8, 8)."""
    return x.reshape(len(x), 1, 8, 8)


def _convolutional(batch_norm: bool, dropout: float, rng: np.random.Generator, dtype: Any) -> Sequential:
    layers: list[Any] = [_images]
    for inputs, outputs in ((1, 16), (16, 32)):
        layers.append(Conv2d(inputs, outputs, 3, padding=1, bias=not batch_norm, rng=rng, dtype=dtype))
        layers += [BatchNorm2d(outputs, dtype=dtype)] if batch_norm else []
        layers += [ReLU(), MaxPool2d(2)]
    layers.append(Flatten())
    layers += [Dropout(dropout, rng=rng)] if dropout else []
    return Sequential(*layers, Linear(32 * 2 * 2, 10, init="glorot", rng=rng, dtype=dtype))


def train_digits(
    *,
    network: Literal["mlp", "conv"] = "mlp",
    batch_norm: bool = True,
    hidden: tuple[int, ...] = (64, 64),
    dropout: float = 0.0,
    epochs: int = 20,
    batch_size: int = 64,
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd",
    lr: float | None = None,
    schedule: Literal["cosine", "constant", "step"] = "cosine",
    seed: int = 0,
    dtype: Any = np.float32,
    **loop: Any,
) -> tuple[Module, History]:
    """Train a network on the handwritten digits, with or without batch normalization.

    Args:
        network: ``"mlp"``, the multi-layer perceptron 64-64-64-10, or ``"conv"``: two convolutions 3x3 of 16 and 32
            channels, each followed by an activation and a pool, and a linear layer.
        batch_norm: put batch norm before each activation.
        hidden: sizes of the hidden layers of the perceptron.
        dropout: the rate of dropout after each activation; in ``"conv"`` before the linear layer.
        epochs: how often all of the training examples are seen.
        batch_size: rows in a step.
        optimizer: ``"sgd"`` (momentum 0.9, weight decay 1e-4), ``"adam"``, or ``"adamw"`` (weight decay 0.01).
        lr: where the learning rate starts; 0.1 with sgd, 0.003 with the others where left out.
        schedule: ``"cosine"`` down to 0, ``"constant"``, or ``"step"``: a tenth after each third of the epochs.
        seed: of the starting weights and of the order of the examples; the split of the data is always the same.
        dtype: float32 or float64.
        loop: other arguments of `train`: checkpoint, resume, every, log, patience, watch, clip, progress.

    Returns:
        The trained model, in evaluation mode, and its `History`.

    Raises:
        ValueError: an unknown network, optimizer or schedule; also as `train`.

    >>> model, history = train_digits(hidden=(16,), epochs=1)
    >>> len(history.test_accuracy), history.test_accuracy[0] > 0.8
    (1, True)
    """
    known: Any
    for name, value, known in (
        ("network", network, ("mlp", "conv")),
        ("optimizer", optimizer, _OPTIMIZERS),
        ("schedule", schedule, _SCHEDULES),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; expected one of {', '.join(known)}.")
    usual, made = _OPTIMIZERS[optimizer]
    lr = usual if lr is None else lr
    data = digits(dtype=dtype)
    rng = np.random.default_rng(seed)
    model = (
        mlp([64, *hidden, 10], batch_norm=batch_norm, dropout=dropout, rng=rng, dtype=dtype)
        if network == "mlp"
        else _convolutional(batch_norm, dropout, rng, dtype)
    )
    settings = {
        "network": network, "batch_norm": batch_norm, "hidden": [*hidden], "dropout": dropout, "optimizer": optimizer,
        "lr": lr, "schedule": schedule, "dtype": str(np.dtype(dtype)),
    }  # fmt: skip
    history = train(
        model, data, epochs=epochs, batch_size=batch_size, optimizer=made(model.parameters(), lr),
        schedule=_SCHEDULES[schedule](lr, epochs), seed=seed, settings=settings, **loop,
    )  # fmt: skip
    return model, history
