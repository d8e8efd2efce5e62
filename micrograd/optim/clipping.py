"""Clip gradients that are too large, before a step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import NumericalError

__all__ = ["clip_grad_norm", "clip_grad_value"]


def clip_grad_norm(parameters: Iterable[Tensor], limit: float) -> float:
    """Scale all gradients by one number so that their common norm is at most `limit` (Pascanu et al., 2013).

    Call it between ``backward()`` and ``step()``; parameters without a gradient are skipped.

    Args:
        parameters: leaf tensors.
        limit: the largest norm, above 0.

    Returns:
        The norm before: the root of the sum of the squares of all entries, in float64.

    Raises:
        ValueError: a limit that is not above 0. NumericalError: the norm is NaN or infinite; no gradient was changed.

    >>> w = Tensor(np.array([3.0, 4.0]))
    >>> (0.5 * w * w).sum().backward()
    >>> clip_grad_norm([w], 1.0), w.grad.round(6)
    (5.0, array([0.6, 0.8]))
    """
    if not limit > 0.0:
        raise ValueError(f"limit is {limit!r}; expected a norm above 0, such as 1.0.")
    held = [parameter for parameter in parameters if parameter.grad is not None]
    norm = math.sqrt(sum(float(np.sum(np.square(np.asarray(parameter.grad, np.float64)))) for parameter in held))
    if not math.isfinite(norm):
        raise NumericalError(
            f"the norm of the gradients is {norm}; scaling would spread it to all of them. "
            "Run the step under micrograd.checked() to see where it begins."
        )
    if norm > limit:
        for parameter in held:
            scale = limit / norm
            grad = parameter.grad
            parameter.grad = grad * grad.dtype.type(scale) if isinstance(grad, np.ndarray) else grad * scale
    return norm


def clip_grad_value(parameters: Iterable[Tensor], limit: float) -> None:
    """Clip every entry of every gradient to the range from ``-limit`` to `limit`.

    Raises:
        ValueError: a limit that is not above 0.

    >>> w = Tensor(np.array([3.0, -0.1]))
    >>> (w * w).sum().backward()
    >>> clip_grad_value([w], 1.0)
    >>> w.grad
    array([ 1. , -0.2])
    """
    if not limit > 0.0:
        raise ValueError(f"limit is {limit!r}; expected a size above 0, such as 1.0.")
    for parameter in parameters:
        if parameter.grad is not None:
            clipped = np.clip(parameter.grad, -limit, limit)
            parameter.grad = clipped if isinstance(parameter.grad, np.ndarray) else float(clipped)
