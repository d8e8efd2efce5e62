"""Compute activations and losses, composed of primitives.

Each works on tensors (recorded) and on arrays alike, keeps float32, and has no derivative of its own: the engine
computes it.
The formulas are arranged so that no entry, however large, overflows in the value or in the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.engine import Tensor
from micrograd.errors import DTypeError, ShapeError
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.composites import Axis, shape_of

__all__ = [
    "accuracy", "cross_entropy", "dropout", "gelu", "hinge_loss", "l2", "leaky_relu", "log_softmax", "logsumexp",
    "mse_loss", "multiclass_hinge_loss", "relu", "sigmoid", "silu", "softmax", "softplus", "tanh",
]  # fmt: skip

# ---- activations -----------------------------------------------------------------------------------------


def relu(x: Any) -> Any:
    """Compute ``max(x, 0)``, with slope 0 at 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return c.maximum(x, 0.0)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """Compute `x` where positive, ``slope * x`` elsewhere; the slope at 0 is `slope`, as in PyTorch.

    >>> leaky_relu(np.array([-1.0, 2.0]), 0.1)
    array([-0.1,  2. ])
    """
    return p.where(p.greater(x, 0.0), x, slope * x)


def tanh(x: Any) -> Any:
    """Compute the hyperbolic tangent.

    >>> tanh(0.0)
    0.0
    """
    return p.tanh(x)


def _minus_abs(x: Any) -> tuple[Any, Any]:
    # Written with a mask rather than with |x|, whose slope 0 at 0 would make sigmoid'(0) zero.
    positive = p.greater(x, 0.0)
    return positive, p.where(positive, p.neg(x), x)


def sigmoid(x: Any) -> Any:
    """Compute ``1 / (1 + exp(-x))`` by ``exp(-|x|)``, which cannot overflow and keeps the relative accuracy.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    positive, below = _minus_abs(x)
    e = p.exp(below)
    return p.where(positive, 1.0, e) * p.reciprocal(1.0 + e)


def softplus(x: Any) -> Any:
    """Compute ``log(1 + exp(x))``, a smooth relu, without overflow; the absolute error is a few roundings of 1.

    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    positive, below = _minus_abs(x)
    return p.where(positive, x, 0.0) + p.log(1.0 + p.exp(below))


def silu(x: Any) -> Any:
    """Compute ``x * sigmoid(x)``, also called swish.

    >>> silu(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """
    return x * sigmoid(x)


def gelu(x: Any) -> Any:
    """Compute the Gaussian error linear unit in its tanh form (Hendrycks and Gimpel, 2016).

    >>> gelu(np.array([0.0, 10.0]))
    array([ 0., 10.])
    """
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
    return 0.5 * x * (1.0 + p.tanh(inner))


def logsumexp(x: Any, axis: Axis = -1, *, keepdims: bool = False) -> Any:
    """Compute ``log(sum(exp(x)))`` over `axis`, with the largest entry taken out first.

    >>> logsumexp(np.array([1000.0, 1000.0])) - np.log(2.0)
    np.float64(1000.0)
    """
    # The maximum is a node like any other, so that the graph can be evaluated on other inputs; its gradient cancels.
    largest = c.amax(x, axis, keepdims=True)
    summed = p.log(c.sum(p.exp(x - largest), axis, keepdims=True)) + largest
    return summed if keepdims else c.reshape(summed, _without(shape_of(x), axis))


def _without(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    chosen = c.normal_axis(axis, len(shape))
    gone = range(len(shape)) if chosen is None else (chosen,) if isinstance(chosen, int) else chosen
    return tuple(size for a, size in enumerate(shape) if a not in gone)


def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """Compute ``log(softmax(x))``, without overflow and without the logarithm of a rounded 0.

    >>> log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    shifted = x - c.amax(x, axis, keepdims=True)
    return shifted - p.log(c.sum(p.exp(shifted), axis, keepdims=True))


def softmax(x: Any, axis: Axis = -1) -> Any:
    """Compute ``exp(x) / sum(exp(x))``: positive weights that sum to 1 over `axis`.

    >>> softmax(np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """
    e = p.exp(x - c.amax(x, axis, keepdims=True))
    return e * p.reciprocal(c.sum(e, axis, keepdims=True))


def dropout(x: Any, rate: float, rng: np.random.Generator, *, training: bool = True) -> Any:
    """Set entries to 0 with probability `rate`, and divide the others by ``1 - rate`` (Srivastava et al., 2014).

    Args:
        x: tensor or array.
        rate: the probability, 0 <= rate < 1.
        rng: where the random numbers come from.
        training: False returns `x` itself.

    Raises:
        ValueError: a rate out of range.

    >>> dropout(np.ones(4), 0.5, np.random.default_rng(0))
    array([2., 0., 0., 0.])
    """
    if not 0.0 <= rate < 1.0:
        raise ValueError(
            f"rate is {rate}, not a probability 0 <= rate < 1; dropout(x, 0.5, rng) drops half of the entries."
        )
    if not training or rate == 0.0:
        return x
    shape, dtype = shape_of(x), x.dtype if hasattr(x, "dtype") else np.float64

    def keep() -> Any:
        return ((rng.random(shape) >= rate).astype(dtype) * (1.0 / (1.0 - rate))).astype(dtype)

    capture = capturing()
    return x * (keep() if capture is None else capture.host(keep))


# ---- losses ----------------------------------------------------------------------------------------------


def _class_labels(scores: Any, labels: Any) -> np.ndarray[Any, Any]:
    """Return `labels` as integers 0..C-1, one for each row of `scores`."""
    shape = shape_of(scores)
    if len(shape) != 2:
        raise ShapeError(f"scores have shape {shape}; expected (N, C): one row an example, one column a class.")
    if (capture := capturing()) is not None and getattr(labels, "dtype", np.dtype(float)).kind in "iu":
        labels = capture.index(labels)  # of a compiled function, with other labels each time
    if hasattr(labels, "__primitive__"):
        raise DTypeError("labels are a Tensor; pass a plain integer array (no gradient flows to a label).")
    captured = hasattr(labels, "integers")
    array: np.ndarray[Any, Any] = labels.integers if captured else np.array(labels)  # a copy: the caller may change it
    if array.dtype.kind not in "iu":
        use = "" if array.shape == shape else " Use labels.astype(int)."
        if not use:
            use = f" They have shape {array.shape}, as one-hot rows do: pass labels.argmax(axis=1)."
        raise DTypeError(f"labels are {array.dtype}; expected integers, the class of each row.{use}")
    if array.shape == shape:
        raise ShapeError(f"labels have shape {array.shape}, which looks one-hot; pass labels.argmax(axis=1).")
    if array.shape != shape[:1]:
        raise ShapeError(f"labels have shape {array.shape}, scores {shape}; expected labels of shape ({shape[0]},).")
    if shape[0] == 0:
        raise ShapeError(f"scores have shape {shape}: the mean loss of no examples is undefined. Pass at least one.")
    if array.min() < 0 or array.max() >= shape[1]:
        wrong = int(np.flatnonzero((array < 0) | (array >= shape[1]))[0])
        raise ValueError(
            f"labels[{wrong}] is {array[wrong]}; expected 0 to {shape[1] - 1}, since scores have {shape[1]} columns."
        )
    if captured:
        labels.stay_below(shape[1])
        return labels  # type: ignore[no-any-return]
    return array


def cross_entropy(scores: Any, labels: Any) -> Any:
    """Compute the mean of ``-log(softmax(scores)[label])``.

    Args:
        scores: (N, C) tensor or array, unnormalised ("logits").
        labels: (N,) integers 0..C-1.

    Returns:
        One number, a tensor where `scores` is one.

    Raises:
        ShapeError: scores that are not (N, C), labels that are not (N,). DTypeError: labels that are not integers.
        ValueError: a label out of range.

    >>> float(cross_entropy(np.zeros((2, 4)), np.array([0, 3]))) == float(np.log(4))
    True
    """
    labels = _class_labels(scores, labels)
    shifted = scores - c.amax(scores, 1, keepdims=True)
    spread = p.log(c.sum(p.exp(shifted), 1))
    return c.mean(spread - p.gather(shifted, index=(np.arange(len(labels)), labels)))


def accuracy(scores: Any, labels: Any) -> float:
    """Return the share of rows whose largest score is at the label, as a plain number.

    Arguments and errors are those of `cross_entropy`.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    if (capture := capturing()) is not None:
        capture.refuse("accuracy()", "return the scores and compute it outside")
    labels = _class_labels(scores, labels)
    raw = scores.data if hasattr(scores, "__primitive__") else scores
    return float(np.mean(raw.argmax(axis=1) == labels))


def _same_shape(name: str, x: Any, y: Any) -> None:
    if shape_of(x) != shape_of(y):
        raise ShapeError(
            f"prediction has shape {shape_of(x)}, {name} {shape_of(y)}; they must be equal (nothing is broadcast). "
            f"Use {name}.reshape({shape_of(x)})."
        )


def mse_loss(prediction: Any, target: Any) -> Any:
    """Compute the mean of ``(prediction - target)**2``. Raises ShapeError where the shapes differ.

    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    _same_shape("target", prediction, target)
    return c.mean((prediction - target) ** 2)


def hinge_loss(scores: Any, labels: Any, margin: float = 1.0) -> Any:
    """Compute the mean of ``max(0, margin - label * score)``, the loss of a support vector machine of two classes.

    Args:
        scores: tensor or array of any shape.
        labels: -1 or +1, in the same shape.
        margin: ``label * score`` from which on the loss is 0.

    Raises:
        ShapeError: the shapes differ. ValueError: a label other than -1 and +1.

    >>> float(hinge_loss(np.array([2.0, 0.5]), np.array([1, -1])))
    0.75
    """
    _same_shape("labels", scores, labels)
    signs, known = labels, True
    if hasattr(labels, "__primitive__") and capturing() is not None:
        known = False  # an argument of a compiled function, with other labels each time
    else:
        signs = np.asarray(labels)
    if known and not np.isin(signs, (-1, 1)).all():
        raise ValueError(f"labels hold {np.unique(signs)[:5]}; expected -1 and +1. Use labels * 2 - 1 for 0 and 1.")
    dtype = scores.dtype if hasattr(scores, "dtype") else np.float64
    return c.mean(relu(margin - signs.astype(dtype) * scores))


def multiclass_hinge_loss(scores: Any, labels: Any, margin: float = 1.0) -> Any:
    """Compute the mean over rows of ``sum over wrong classes j of max(0, margin + score_j - score_label)``.

    The sum is that of Weston and Watkins (1999) and of Stanford's cs231n; PyTorch's `multi_margin_loss` divides
    it by C.

    Args:
        scores: (N, C) tensor or array.
        labels: (N,) integers 0..C-1.
        margin: by how much the right class should win.

    Raises:
        ShapeError, DTypeError, ValueError: as `cross_entropy`.

    >>> float(multiclass_hinge_loss(np.array([[3.0, 2.5, 0.0]]), np.array([0])))
    0.5
    """
    labels = _class_labels(scores, labels)
    rows = np.arange(len(labels))
    right = c.reshape(p.gather(scores, index=(rows, labels)), (len(labels), 1))
    ones: Any = np.ones(len(labels), scores.dtype)
    ones = ones if capturing() is None else Tensor(ones)
    wrong = 1.0 - p.scatter(ones, index=(rows, labels), shape=shape_of(scores))
    return (1.0 / len(labels)) * c.sum(wrong * relu(margin + scores - right))


def l2(parameters: Iterable[Any]) -> Any:
    """Compute the sum of the squares of all entries of all parameters.

    Weight it and add it to the loss: ``loss + 1e-4 * l2(model.parameters())``.

    >>> float(l2([np.array([3.0]), np.array([[4.0]])]))
    25.0
    """
    total: Any = 0.0
    for parameter in parameters:
        total = total + (c.sum(parameter**2) if shape_of(parameter) else parameter**2)
    return total
