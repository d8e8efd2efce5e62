"""Hold the figures of a training: of an epoch, of all epochs, and where it is now."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

__all__ = ["History", "Position", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Hold the figures of an epoch, for the `progress` callback of `train`."""

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
    """Hold the figures of a training, in plain lists with one number an epoch.

    Attributes:
        train_loss, train_accuracy: over the epoch's own batches.
        test_loss, test_accuracy: after the epoch.
        seconds: since the start.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, list[float]]:
        """Return the lists by name, ready for JSON."""
        return asdict(self)


@dataclass(slots=True)
class Position:
    """Hold where a training is: complete epochs and steps, batches of the epoch that is not, and their sums."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seen: int = 0
    total: float = 0.0
    right: float = 0.0
    seconds: float = 0.0

    def count(self, loss: float, accuracy: float, rows: int) -> None:
        """Count a batch of so many rows."""
        self.batch, self.step, self.seen = self.batch + 1, self.step + 1, self.seen + rows
        self.total, self.right = self.total + loss * rows, self.right + accuracy * rows

    def next_epoch(self) -> None:
        """Begin the next epoch: its sums are zero."""
        self.epoch, self.batch, self.seen, self.total, self.right = self.epoch + 1, 0, 0, 0.0, 0.0
