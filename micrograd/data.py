"""Real data: the handwritten digits that ship inside scikit-learn, and how a data set is cut into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.errors import DTypeError, MissingExtraError, ShapeError

__all__ = ["Dataset", "batches", "digits"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Examples `x` (N, D) with labels `y` (N,), split for training and testing."""

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
    """The 1,797 handwritten digits of 8x8 pixels that scikit-learn carries in its package (nothing is downloaded).

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.

    Args:
        dtype: float32 or float64.
        test_size: how many examples are set aside for testing.
        seed: of the shuffle before the split; the same seed gives the same split.

    Returns:
        A `Dataset`; pixels are scaled from 0..16 to 0..1, labels are integers 0..9.

    Raises:
        MissingExtraError: scikit-learn is not installed. DTypeError: a dtype that is no float.
        ValueError: a test size that leaves nothing to train or test on.

    >>> digits(dtype=np.float32)
    Dataset(1437 training and 360 test examples, 64 features, float32)
    """
    if np.dtype(dtype).kind != "f":
        raise DTypeError(f"dtype is {np.dtype(dtype)}; gradients need np.float32 or np.float64.")
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtraError(
            "the digits need scikit-learn, which is not installed: pip install 'micrograd-graph[data]'"
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    if not 0 < test_size < len(pixels):
        raise ValueError(f"test_size is {test_size}; expected 1 to {len(pixels) - 1} of the {len(pixels)} examples.")
    order = np.random.default_rng(seed).permutation(len(pixels))
    x, y = (pixels / 16.0).astype(dtype)[order], labels.astype(np.int64)[order]
    return Dataset(x[test_size:], y[test_size:], x[:test_size], y[:test_size])


def batches(
    x: Array, y: Array, size: int, rng: np.random.Generator | None = None, *, drop_last: bool = False
) -> Iterator[tuple[Array, Array]]:
    """Cut `x` and `y` into batches of `size` rows, shuffled by `rng` (in order without one).

    What remains at the end is a smaller batch, or is left out with `drop_last`. A remainder of one row joins the batch
    before it: batch norm cannot normalise a single row.

    Args:
        x: (N, ...) examples.
        y: (N, ...) labels.
        size: rows in a batch, at least 1.
        rng: a NumPy Generator.
        drop_last: leave the remainder out.

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
        raise ShapeError(f"x has {len(x)} rows, y has {len(y)}; they must be equal.")
    if len(x) == 0:
        raise ShapeError(f"x has shape {np.shape(x)}: there is nothing to cut into batches.")
    if size < 1:
        raise ValueError(f"size is {size}; expected at least 1 row in a batch.")
    return _cut(x, y, size, rng, drop_last)


def _cut(
    x: Array, y: Array, size: int, rng: np.random.Generator | None, drop_last: bool
) -> Iterator[tuple[Array, Array]]:
    # apart from `batches`, so that a bad argument is refused at the call and not at the first batch
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
