"""Run `micrograd train`: train a network on real data, with checkpoints to go on from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from micrograd.cli.arguments import rate_number, seed_number, whole
from micrograd.cli.terminal import CommandError, Terminal, writable
from micrograd.errors import CheckpointError

__all__ = ["add_train", "curves"]


def _sizes(text: str) -> tuple[int, ...]:
    """Parse sizes joined by commas."""
    try:
        return tuple(whole(1, 10000)(part) for part in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected sizes from 1 to 10000 joined by commas, such as 64,64; got {text!r}"
        ) from None


def _share(text: str) -> float:
    """Parse a probability."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to below 1; got {text!r}")
    return value


def add_train(commands: Any) -> None:
    """Add the command and its arguments."""
    train = commands.add_parser(
        "train",
        help="train a network on real data",
        description="Train a network on the 1,797 handwritten digits that come with the package. Ctrl-C writes "
        "the checkpoint, if there is one, and says how to go on. Exit code: 0 trained, 1 it diverged, 2 the "
        "command cannot be run, 130 interrupted.",
        allow_abbrev=False,
    )
    train.add_argument("data", choices=("digits",), help="the data set")
    network = train.add_argument_group("the network")
    network.add_argument(
        "--model", choices=("mlp", "conv"), default="mlp",
        help="a multi-layer perceptron, or two convolutions of 16 and 32 channels, each with a pool (default: mlp)",
    )  # fmt: skip
    network.add_argument(
        "--hidden", metavar="SIZES", type=_sizes, help="sizes of the hidden layers of the perceptron (default: 64,64)"
    )
    network.add_argument("--no-batch-norm", action="store_true", help="leave batch normalization out")
    network.add_argument("--dropout", type=_share, default=0.0, help="rate of dropout (default: 0)")
    steps = train.add_argument_group("the training")
    steps.add_argument(
        "--epochs", type=whole(1, 10000), default=20, help="how often all examples are seen (default: 20)"
    )
    steps.add_argument("--batch-size", type=whole(2, 1437), default=64, help="rows in a step (default: 64)")
    steps.add_argument(
        "--optimizer", choices=("sgd", "adam", "adamw"), default="sgd", help="sgd has momentum 0.9 (default: sgd)"
    )
    steps.add_argument(
        "--lr", type=rate_number, help="learning rate at the start (default: 0.1 with sgd, 0.003 with adam, adamw)"
    )
    steps.add_argument(
        "--schedule", choices=("cosine", "constant", "step"), default="cosine",
        help="learning rate: down to 0, constant, or a tenth after each third of the epochs (default: cosine)",
    )  # fmt: skip
    steps.add_argument("--clip", metavar="NORM", type=rate_number, help="scale larger gradients down to this norm")
    steps.add_argument(
        "--patience", metavar="N", type=whole(1, 10000),
        help="stop after N epochs without a lower test loss, and keep the best network",
    )  # fmt: skip
    steps.add_argument("--seed", type=seed_number, default=0, help="seed of weights and order (default: 0)")
    files = train.add_argument_group("files")
    files.add_argument("--checkpoint", metavar="FILE", help="write all that is needed to go on here, each epoch")
    files.add_argument("--every", metavar="N", type=whole(1, 10**9), help="write the checkpoint every N steps instead")
    files.add_argument("--resume", action="store_true", help="go on from the checkpoint, or begin if it does not exist")
    files.add_argument("--log", metavar="FILE.jsonl", help="write a line of JSON to this file after each step")
    files.add_argument("--out", metavar="FILE.svg", help="write the learning curves to this file")
    files.add_argument("--force", action="store_true", help="replace these files if they exist")
    train.set_defaults(run=_train)


def _refuse_files(options: argparse.Namespace) -> None:
    """Refuse, before the work starts, files that cannot be written or would be lost."""
    if options.checkpoint is None and (options.resume or options.every is not None):
        raise CommandError(f"{'--resume' if options.resume else '--every'} needs --checkpoint FILE", 2)
    if options.out is not None:
        if Path(options.out).suffix.lower() != ".svg":
            raise CommandError(f"--out {options.out}: expected a name that ends in .svg", 2)
        writable(Path(options.out), options.force)
    for name in (options.checkpoint, options.log):
        if name is not None:
            path = Path(name)
            if name == options.checkpoint and path.is_file() and not (options.force or options.resume):
                raise CommandError(f"{path} exists; --resume goes on from it, --force starts again", 2)
            writable(path, options.force or options.resume)


def _train(options: argparse.Namespace, terminal: Terminal) -> None:
    from micrograd.drawing import training_curves
    from micrograd.training.loop import train_digits

    if options.model == "conv" and options.hidden is not None:
        raise CommandError("--hidden is for --model mlp; leave it out with --model conv", 2)
    _refuse_files(options)
    if options.resume and not Path(options.checkpoint).exists():
        terminal.say(f"{options.checkpoint} does not exist yet: training begins")
    label = "without batch norm" if options.no_batch_norm else "with batch norm"
    with terminal.progress(label, options.epochs) as show:

        def show_epoch(now: Any) -> None:
            show(now.epoch, f"loss {now.train_loss:.4f}, test {now.test_accuracy:.1%}")

        try:
            _, history = train_digits(
                network=options.model, batch_norm=not options.no_batch_norm, hidden=options.hidden or (64, 64),
                dropout=options.dropout, epochs=options.epochs, batch_size=options.batch_size,
                optimizer=options.optimizer, lr=options.lr, schedule=options.schedule, seed=options.seed,
                clip=options.clip, checkpoint=options.checkpoint, resume=options.resume, every=options.every,
                log=options.log, patience=options.patience, progress=show_epoch,
            )  # fmt: skip
        except CheckpointError as error:
            raise CommandError(str(error), 2) from None
        except KeyboardInterrupt as interrupt:
            if not interrupt.args:
                raise
            step = str(interrupt).partition(";")[0]
            raise CommandError(
                f"{step}; {options.checkpoint} holds it. The same command with --resume goes on from there", 130
            ) from None
    _say_result(options, history, terminal)
    if options.out is not None:
        training_curves({label: curves(history)}, options.out, title="Training on handwritten digits")
        terminal.say(f"{options.out}: learning curves")


def _say_result(options: argparse.Namespace, history: Any, terminal: Terminal) -> None:
    epochs = len(history.test_loss)
    best = epochs if options.patience is None else history.test_loss.index(min(history.test_loss)) + 1
    kept = "" if best == epochs else f" (the best, of epoch {best})"
    terminal.say(
        f"test accuracy {history.test_accuracy[best - 1]:.1%}{kept} after {epochs} epochs, {history.seconds[-1]:.1f} s"
    )


def curves(history: Any) -> Mapping[str, Sequence[float]]:
    """Return what the picture shows of a `micrograd.training.loop.History`."""
    return {"training loss": history.train_loss, "test accuracy": history.test_accuracy}
